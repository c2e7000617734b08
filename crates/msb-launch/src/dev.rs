//! A /dev of five devices, a private devpts and a bounded /dev/shm.

use crate::deny::{Kind, attach, clone_tree, create, open_inside};
use crate::files::decimal;
use crate::path::join;
use crate::root::file_system;
use msb_sys::mount::{Depth, attr, set_attributes};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2, symlinkat};
use rustix::io::Errno;

/// Name, major and minor number; Linux Documentation/admin-guide/devices.txt.
const DEVICES: [(&str, u64, u64); 5] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9)];

/// What programs expect beside them; the last one is of devpts.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Mounts it at `place`, and gives its root, which is still writable: single devices come later.
pub(crate) fn make(place: &OwnedFd, shm_bytes: u64) -> Result<OwnedFd, Errno> {
    let options = [("size", "64k"), ("nr_inodes", "64"), ("mode", "0755")];
    let dev = file_system("tmpfs", &options, &[], attr::NOEXEC)?;
    attach(&dev, place)?;
    for (name, major, minor) in DEVICES {
        create(&dev, name.as_bytes(), Kind::File, Mode::RWXU)?;
        attach(device(name, major, minor)?, open_inside(dev.as_fd(), name.as_bytes())?)?;
    }
    for (name, to) in LINKS {
        symlinkat(to, &dev, name)?;
    }
    for name in ["pts", "shm"] {
        mkdirat(&dev, name, Mode::from_raw_mode(0o755))?;
    }
    // Each mount of devpts is an instance of its own (Linux 4.7); max bounds the terminals it can make.
    let terminals = [("ptmxmode", "0666"), ("mode", "0620"), ("max", "64")];
    attach(terminals_at(&terminals)?, open_inside(dev.as_fd(), b"pts")?)?;
    let size = decimal(b"", shm_bytes);
    let size = core::str::from_utf8(&size).map_err(|_| Errno::INVAL)?;
    let shared = [("size", size), ("nr_inodes", "4096"), ("mode", "1777")];
    attach(file_system("tmpfs", &shared, &[], attr::NOEXEC)?, open_inside(dev.as_fd(), b"shm")?)?;
    Ok(dev)
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
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let place = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    let stat = fstat(&place)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    if !is_device || stat.st_rdev != (major << 8 | minor) {
        return Err(Errno::NODEV);
    }
    let tree = clone_tree(&place)?;
    set_attributes(tree.as_fd(), Depth::One, attr::NOSUID | attr::NOEXEC, None)?;
    Ok(tree)
}
