//! Reading files that may be anything: only regular ones, and never more than is useful.

use crate::output::reason;
use msb_compile::{Files, ReadError};
use nix::libc;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::OnceLock;

/// Read of a policy: one byte more than the compiler takes, so that it says what is wrong.
pub(crate) const POLICY_BYTES_MAX: u64 = 1 + (1 << 20);

/// The path that means standard input.
pub(crate) const STDIN: &str = "-";

/// The file system as the compiler sees it; [`STDIN`] is a policy in the language of its own.
#[derive(Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        if path == STDIN {
            return stdin().map_err(|reason| ReadError { reason });
        }
        read(Path::new(path), POLICY_BYTES_MAX).map_err(|reason| ReadError { reason })
    }
}

/// What comes by standard input, to its end: read once, and given as often as it is asked for.
fn stdin() -> Result<Vec<u8>, String> {
    static READ: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let read = || {
        let mut bytes = Vec::new();
        let all = std::io::stdin().lock().take(POLICY_BYTES_MAX).read_to_end(&mut bytes);
        all.map(|_| bytes).map_err(|error| reason(&error))
    };
    READ.get_or_init(read).clone()
}

impl msb_resolve::Load for Disk {
    fn load(&self, path: &str) -> Result<Vec<u8>, String> {
        read(Path::new(path), POLICY_BYTES_MAX)
    }
}

/// The first `bytes_max` bytes of a regular file, or why not, in a few words.
///
/// Opened without blocking, so that a FIFO without a writer is refused and not waited for, and without
/// becoming the controlling terminal of anything.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).map_err(|error| reason(&error))?;
    regular(&file)?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    Ok(bytes)
}

fn regular(file: &File) -> Result<(), String> {
    let kind = file.metadata().map_err(|error| reason(&error))?.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(format!("it is {what}, not a regular file"))
}
