//! Reading files that may be anything: only regular ones, and never more than is useful.

use crate::output::reason;
use msb_compile::{Files, ReadError};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Read of a policy: one byte more than the compiler takes, so that it says what is wrong.
pub(crate) const POLICY_BYTES_MAX: u64 = 1 + (1 << 20);

/// The path that means standard input.
pub(crate) const STDIN: &str = "-";

/// The file system as the compiler sees it; [`STDIN`] is a policy in the language of its own.
#[derive(Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let bytes = if path == STDIN { stdin() } else { read(Path::new(path), POLICY_BYTES_MAX) };
        bytes.map_err(|reason| ReadError { reason })
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

/// Whether a path is one of this process's own descriptors, which a shell passes for `<(…)`.
fn is_descriptor(path: &Path) -> bool {
    let Some(path) = path.to_str() else { return false };
    let number = ["/dev/fd/", "/proc/self/fd/"].iter().find_map(|folder| path.strip_prefix(folder));
    path == "/dev/stdin" || number.is_some_and(|number| number.parse::<u16>().is_ok())
}

/// What comes by a descriptor, be it a pipe, to its end: it gives it once, and policies are read again.
fn passed(path: &Path, file: File, bytes_max: u64) -> Result<Vec<u8>, String> {
    static READ: Mutex<BTreeMap<PathBuf, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut all = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(path) {
        let length = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(known.len());
        return Ok(known[..length].to_vec());
    }
    // It was opened without blocking, as who wrote into it may be gone; it is read as it comes.
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty())).map_err(|errno| reason(&errno.into()))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    all.insert(path.to_owned(), bytes.clone());
    Ok(bytes)
}

fn is_pipe(file: &File) -> Result<bool, String> {
    file.metadata().map(|it| it.file_type().is_fifo()).map_err(|error| reason(&error))
}

impl msb_resolve::Load for Disk {
    fn load(&self, path: &str) -> Result<Vec<u8>, String> {
        read(Path::new(path), POLICY_BYTES_MAX)
    }
}

/// The first `bytes_max` bytes of a regular file, or of a pipe that is one of this process's descriptors; or why not, in a
/// few words.
///
/// Opened without blocking, so that a FIFO without a writer is refused and not waited for, and without
/// becoming the controlling terminal of anything.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).map_err(|error| reason(&error))?;
    if is_descriptor(path) && is_pipe(&file)? {
        return passed(path, file, bytes_max);
    }
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
