//! A /dev of five devices, a private devpts and a bounded /dev/shm.

use crate::path::join;
use crate::placeholders::Kind;
use crate::root::{
    Value::{Number, Text},
    file_system, make_empty,
};
use msb_sys::at::{mkdirat, move_mount, open_tree, symlinkat};
use msb_sys::mount::{Depth, attr, set_attributes};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, fstat};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;

/// Name, major and minor number (as makedev(3) has them in one, for numbers below 256); Linux
/// Documentation/admin-guide/devices.txt.
const DEVICES: [(&str, u64); 6] = [
    ("null", 1 << 8 | 3),
    ("zero", 1 << 8 | 5),
    ("full", 1 << 8 | 7),
    ("random", 1 << 8 | 8),
    ("urandom", 1 << 8 | 9),
    ("tty", 5 << 8),
];

/// What programs expect beside them; the last one is of devpts.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Fills `dev`, an empty directory of the new root.
#[inline(never)]
pub(crate) fn fill(dev: &OwnedFd, shm_bytes: u64, has_terminal: bool) -> Result<(), Errno> {
    // The controlling terminal of whoever opens it is there where the command has one.
    let count = DEVICES.len() - usize::from(!has_terminal);
    for (name, number) in DEVICES.iter().take(count) {
        let device = device(name, *number)?;
        // A device, and nothing else of what a mount of the host may be.
        set_attributes(&device, Depth::One, attr::NOSUID | attr::NOEXEC, None)?;
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
    // They are devices: the one mount that is not nodev.
    let terminals = [("ptmxmode", Text("0666")), ("mode", Text("0620")), ("max", Number(64))];
    put(&file_system(c"devpts", &terminals, attr::NOEXEC)?, dev, "pts")?;
    let shared = [("size", Number(shm_bytes)), ("nr_inodes", Number(4096)), ("mode", Text("1777"))];
    put(&file_system(c"tmpfs", &shared, attr::NODEV | attr::NOEXEC)?, dev, "shm")
}

/// Mounts at a name in `dev`, which nobody but this process has filled.
fn put(tree: &OwnedFd, dev: &OwnedFd, name: &str) -> Result<(), Errno> {
    move_mount(tree, dev, name)
}

/// A mount of the host's device, which must be the one it is named for.
fn device(name: &str, number: u64) -> Result<OwnedFd, Errno> {
    // The old root is still this process's root: the new one lies over it.
    let path = join(b"/dev", name.as_bytes());
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let tree = open_tree(CWD, path, flags)?;
    let stat = fstat(&tree)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    if is_device && stat.st_rdev == number { Ok(tree) } else { Err(Errno::NODEV) }
}
