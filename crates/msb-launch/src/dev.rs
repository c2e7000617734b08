//! A /dev of five devices, a private devpts and a bounded /dev/shm.

use crate::at::{mkdirat, move_mount, open_tree, symlinkat};
use crate::files::decimal;
use crate::path::join;
use crate::placeholders::Kind;
use crate::root::{file_system, make_empty};
use msb_sys::mount::{Depth, attr, set_attributes};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, fstat};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;

/// Name, major and minor number; Linux Documentation/admin-guide/devices.txt.
const DEVICES: [(&str, u64, u64); 5] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9)];

/// The controlling terminal of whoever opens it, where the command has one.
const TERMINAL: (&str, u64, u64) = ("tty", 5, 0);

/// What programs expect beside them; the last one is of devpts.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Fills `dev`, an empty directory of the new root.
pub(crate) fn fill(dev: &OwnedFd, shm_bytes: u64, has_terminal: bool) -> Result<(), Errno> {
    for (name, major, minor) in DEVICES.into_iter().chain(has_terminal.then_some(TERMINAL)) {
        let device = device(name, major, minor)?;
        // A device, and nothing else of what a mount of the host may be.
        set_attributes(device.as_fd(), Depth::One, attr::NOSUID | attr::NOEXEC, None)?;
        make_empty(dev, name.as_bytes(), Kind::File)?;
        put(&device, dev, name)?;
    }
    for (name, to) in LINKS {
        symlinkat(to, dev, name)?;
    }
    for name in ["pts", "shm"] {
        mkdirat(dev, name, Mode::from_raw_mode(0o755))?;
    }
    // Each mount of devpts is an instance of its own (Linux 4.7); max bounds the terminals it can make.
    let terminals = [("ptmxmode", "0666"), ("mode", "0620"), ("max", "64")];
    put(&terminals_at(&terminals)?, dev, "pts")?;
    let size = decimal(b"", shm_bytes);
    let size = core::str::from_utf8(&size).map_err(|_| Errno::INVAL)?;
    let shared = [("size", size), ("nr_inodes", "4096"), ("mode", "1777")];
    put(&file_system("tmpfs", &shared, &[], attr::NOEXEC)?, dev, "shm")
}

/// Mounts at a name in `dev`, which nobody but this process has filled.
fn put(tree: &OwnedFd, dev: &OwnedFd, name: &str) -> Result<(), Errno> {
    move_mount(tree, dev, name)
}

/// The terminals are devices: the one mount that is not nodev.
fn terminals_at(options: &[(&str, &str)]) -> Result<OwnedFd, Errno> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    };
    let context = fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A mount of the host's device, which must be the one it is named for.
fn device(name: &str, major: u64, minor: u64) -> Result<OwnedFd, Errno> {
    // The old root is still this process's root: the new one lies over it.
    let path = join(b"/dev", name.as_bytes())?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let tree = open_tree(CWD, path, flags)?;
    let stat = fstat(&tree)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    if is_device && stat.st_rdev == (major << 8 | minor) { Ok(tree) } else { Err(Errno::NODEV) }
}
