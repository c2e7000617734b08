//! libseccomp as a peer: what it makes of rules, by way of a small C program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::{Need, skip};

/// The program that asks libseccomp.
#[derive(Debug)]
pub struct Libseccomp {
    // Removed when the test's process ends: the directory must live as long.
    _directory: tempfile::TempDir,
    program: PathBuf,
}

impl Libseccomp {
    /// The program, built once for each test's process; `None`, with the skip counted, where libseccomp or a
    /// compiler is not installed.
    ///
    /// # Panics
    /// When `MSB_FORBID_SKIP` says that they are.
    #[must_use]
    pub fn find() -> Option<&'static Libseccomp> {
        static BUILT: OnceLock<Option<Libseccomp>> = OnceLock::new();
        let built = BUILT.get_or_init(build);
        if built.is_none() {
            skip(Need::Libseccomp, "libseccomp is not installed");
        }
        built.as_ref()
    }

    /// The program that libseccomp makes of rules, as `c/libseccomp.c` reads them, with or without its tree.
    ///
    /// # Errors
    /// What libseccomp says where it refuses a rule.
    ///
    /// # Panics
    /// When it cannot be asked.
    pub fn filter(&self, rules: &str, tree: bool) -> Result<Vec<u8>, String> {
        let args: &[&str] = if tree { &["filter", "tree"] } else { &["filter"] };
        let output = self.ask(args, rules);
        match output.status.code() {
            Some(0) => Ok(output.stdout),
            Some(3) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            _ => panic!("libseccomp was not asked right: {output:?}"),
        }
    }

    fn ask(&self, args: &[&str], input: &str) -> std::process::Output {
        let mut command = Command::new(&self.program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // It reads everything before it writes more than a pipe holds.
        stdin.write_all(input.as_bytes()).expect("the program reads");
        drop(stdin);
        child.wait_with_output().expect("the program ends")
    }
}

fn build() -> Option<Libseccomp> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/libseccomp.c");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let program = directory.path().join("libseccomp");
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).arg("-lseccomp");
    let built = cc.output().is_ok_and(|output| output.status.success());
    built.then_some(Libseccomp { _directory: directory, program })
}
