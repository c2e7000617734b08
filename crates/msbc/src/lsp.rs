//! lsp: the language server, with this machine's files.

use crate::Exit;
use crate::input::Disk;
use crate::output::Output;
use crate::write;
use msb_compile::{Files, ReadError};
use msb_lsp::Host;
use std::env;
use std::fs;
use std::path::PathBuf;

/// `msbc lsp`: until the editor ends the session.
pub(crate) fn lsp(output: &Output) -> Exit {
    match msb_lsp::serve(&Machine) {
        Ok(()) => Exit::Success,
        Err(reason) => {
            output.message(&format!("the session broke off: {reason}"));
            Exit::Wrong
        }
    }
}

struct Machine;

impl Files for Machine {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        Disk.read(path)
    }
}

impl Host for Machine {
    /// A copy among the user's own caches, which nobody else can exchange.
    fn standard(&self, name: &str, text: &str) -> Option<String> {
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        let folder = caches.join("microsandbox/std");
        fs::create_dir_all(&folder).ok()?;
        let file = folder.join(format!("{name}.msb"));
        if fs::read_to_string(&file).ok().as_deref() != Some(text) {
            write::at_once(&file, text.as_bytes()).ok()?;
        }
        file.to_str().map(str::to_owned)
    }
}
