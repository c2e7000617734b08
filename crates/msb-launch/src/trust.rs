//! The certificates that programs inside trust, where a rule has the gateway read TLS.
//!
//! The gateway gives one file: the host's certificates and that of this run's own authority, never its key. It is
//! written to a place of its own, and put over the files that programs read by themselves.

use crate::deny::{attach, clone_tree, open_inside};
use crate::host::{Entry, covering};
use crate::path::{absolute, ancestors};
use crate::root::{make_file, there};
use msb_plan::handover::TRUST_BYTES_MAX;
use msb_plan::network::Trust;
use msb_sys::at::{mkdirat, symlinkat};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Mode, fstat, sendfile};
use rustix::io::Errno;

/// Puts what `file` holds into its places below `root`.
pub(crate) fn put(
    root: &OwnedFd,
    trust: &Trust<'_>,
    file: &OwnedFd,
    entries: &[Entry<'_>],
) -> Result<(), Errno> {
    // Written through a mount that a parameter put here, it would land on the host.
    if covering(entries, trust.file.as_bytes()).is_some() {
        return Err(Errno::EXIST);
    }
    let length = usize::try_from(fstat(file)?.st_size).map_err(|_| Errno::FBIG)?;
    if length > TRUST_BYTES_MAX {
        return Err(Errno::FBIG);
    }
    let made = make_file(root, trust.file.as_bytes())?;
    let mut left = length;
    while left > 0 {
        // By the kernel, from one file in memory to another: a distribution's certificates are a hundred pages and more.
        match sendfile(&made, file, None, left)? {
            0 => return Err(Errno::IO),
            sent => left = left.saturating_sub(sent),
        }
    }
    drop(made);
    let own = open_inside(root.as_fd(), trust.file.as_bytes())?;
    for place in &trust.places {
        let path = place.as_bytes();
        if covering(entries, path).is_some() {
            over(root, &own, path)?;
        } else {
            for directory in ancestors(path) {
                there(mkdirat(root, directory, Mode::from_raw_mode(0o755)))?;
            }
            there(symlinkat(absolute(trust.file.as_bytes()), root, path))?;
        }
    }
    Ok(())
}

/// Mounts the file over what a mount shows at `path`, where that is a file. Of a link, what it leads to is a place of
/// its own.
fn over(root: &OwnedFd, own: &OwnedFd, path: &[u8]) -> Result<(), Errno> {
    let place = match open_inside(root.as_fd(), path) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        place => place?,
    };
    if FileType::from_raw_mode(fstat(&place)?.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    attach(&clone_tree(own)?, &place)
}
