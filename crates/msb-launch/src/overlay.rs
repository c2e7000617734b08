//! Overlays: a directory of the host, with a bounded file system in memory over it that takes all changes.

use crate::deny::attach;
use crate::root::{
    FsOption,
    Value::{self, Number, Text},
    attributes, file_system,
};
use msb_plan::Rights;
use msb_sys::at::{mkdirat, openat2, unlinkat, unmount};
use msb_sys::mount::attr;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, fchmod};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

/// What takes the changes.
pub(crate) struct Upper {
    pub(crate) size_bytes: u64,
    pub(crate) inodes: u64,
    /// Of the directory that is shown.
    pub(crate) mode: u32,
}

/// Where the layers are mounted while an overlay is made; overlayfs keeps mounts of its own of them.
const LAYERS: [&str; 2] = [".msb-lower", ".msb-upper"];
/// What overlayfs makes in its work directory, and the two directories themselves.
const OWN_INODES: u64 = 8;

/// A detached overlay over `lower`, a detached and read-only mount.
///
/// The layers are named below `root`, which must be the working directory: overlayfs takes paths (descriptors
/// only from Linux 6.13), and takes no layer that is not mounted in the caller's namespace.
pub(crate) fn make(
    root: BorrowedFd<'_>,
    lower: &OwnedFd,
    upper: &Upper,
    rights: Rights,
) -> Result<OwnedFd, Errno> {
    let inodes = upper.inodes + OWN_INODES;
    let options = [("size", Number(upper.size_bytes)), ("nr_inodes", Number(inodes)), ("mode", Text("0700"))];
    let changes = file_system(c"tmpfs", &options, attr::NODEV | attr::NOEXEC)?;
    for directory in ["changes", "work"] {
        mkdirat(&changes, directory, Mode::RWXU)?;
    }
    // The root of the overlay looks as this does.
    let shown = openat2(
        &changes,
        "changes",
        OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH,
    )?;
    fchmod(&shown, Mode::from_raw_mode(upper.mode & 0o777))?;
    for (name, layer) in LAYERS.into_iter().zip([lower, &changes]) {
        mkdirat(root, name, Mode::RWXU)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        attach(layer, &openat2(root, name, flags, Mode::empty(), ResolveFlags::BENEATH)?)?;
    }
    // In a user namespace its notes are extended attributes of the user's (Linux 5.11), and nothing has to reach a
    // disk (5.10).
    const OPTIONS: &[FsOption<'_>] = &[
        ("lowerdir", Text(".msb-lower")),
        ("upperdir", Text(".msb-upper/changes")),
        ("workdir", Text(".msb-upper/work")),
        ("userxattr", Value::None),
        ("volatile", Value::None),
    ];
    let made = file_system(c"overlay", OPTIONS, attributes(rights));
    for name in LAYERS {
        unmount(name.as_bytes(), UnmountFlags::DETACH)?;
        unlinkat(root, name, AtFlags::REMOVEDIR)?;
    }
    made
}
