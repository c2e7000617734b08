//! Writing a file at once: it is there whole, or it is as it was.

use crate::output::reason;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process;

/// Mode of a plan: its owner's alone to change, since a launcher refuses any other, and everybody's to read,
/// since it holds no secret.
const MODE: u32 = 0o644;

/// Writes `bytes` to `path` by way of a new file beside it.
///
/// What is there must be a regular file or nothing: a rename would replace a device or FIFO. The error is in
/// a few words.
pub(crate) fn at_once(path: &Path, bytes: &[u8]) -> Result<(), String> {
    with_mode(path, bytes, MODE)
}

/// [`at_once`] for a file that nobody but its owner may read.
pub(crate) fn secret(path: &Path, bytes: &[u8]) -> Result<(), String> {
    with_mode(path, bytes, 0o600)
}

/// [`at_once`] for a file that is there and keeps its mode: a policy, whose mode is its owner's business.
pub(crate) fn in_place(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let there = fs::metadata(path).map_err(|error| reason(&error))?;
    with_mode(path, bytes, there.permissions().mode() & 0o777)
}

fn with_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => return Err("it is a directory".to_owned()),
        Ok(there) if !there.is_file() && !there.is_symlink() => {
            return Err("it exists and is not a regular file".to_owned());
        }
        _ => {}
    }
    // A rename would replace the link and not what it leads to.
    let target = if path.is_symlink() {
        fs::canonicalize(path).map_err(|error| reason(&error))?
    } else {
        path.to_owned()
    };
    if target.is_dir() {
        return Err("it is a directory".to_owned());
    }
    let beside = beside(&target).ok_or("it is not the name of a file")?;
    let mut options = OpenOptions::new();
    let file =
        options.write(true).create_new(true).mode(0o600).open(&beside).map_err(|error| reason(&error))?;
    let done = fill(file, bytes, mode).and_then(|()| fs::rename(&beside, &target));
    done.map_err(|error| {
        // The half-written file is of no use to anybody; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&beside);
        reason(&error)
    })
}

fn fill(mut file: File, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    file.write_all(bytes)?;
    // Not through the umask, which may forbid others to read it, but in so many words.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// A name in the same directory that no other process uses.
fn beside(path: &Path) -> Option<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name()?);
    name.push(format!(".{}", process::id()));
    Some(path.with_file_name(name))
}
