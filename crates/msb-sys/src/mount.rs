//! mount_setattr(2).

use crate::Result;
use crate::arch::{common, syscall};
use crate::at::Descriptor;
use rustix::fd::{AsRawFd, BorrowedFd, RawFd};

/// Attributes of a mount; linux/mount.h.
pub mod attr {
    /// No writes.
    pub const RDONLY: u64 = 0x1;
    /// Set-user-ID bits do nothing.
    pub const NOSUID: u64 = 0x2;
    /// Device nodes do not open.
    pub const NODEV: u64 = 0x4;
    /// Nothing executes.
    pub const NOEXEC: u64 = 0x8;
    pub(super) const IDMAP: u64 = 0x0010_0000;
}

const MS_PRIVATE: u64 = 1 << 18; // linux/mount.h
const AT_EMPTY_PATH: usize = 0x1000; // linux/fcntl.h
const AT_RECURSIVE: usize = 0x8000; // linux/fcntl.h

/// `struct mount_attr` of linux/mount.h, version 0.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Whether mounts below are changed too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// This mount alone.
    One,
    /// This mount and all below it.
    Tree,
}

/// Sets `attributes` (of [`attr`]) on the mount that `fd` is the root of, makes it private, and maps owners
/// by `userns` where one is given. Linux 5.12.
///
/// # Errors
/// `EPERM` without the right over the mount's namespace, `EINVAL` when `fd` is no root of a mount or when
/// its file system can't be mapped.
pub fn set_attributes(
    fd: impl Descriptor,
    depth: Depth,
    attributes: u64,
    userns: Option<BorrowedFd<'_>>,
) -> Result<()> {
    set_attributes_of_number(fd.number(), depth, attributes, userns)
}

fn set_attributes_of_number(
    fd: RawFd,
    depth: Depth,
    attributes: u64,
    userns: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let mut attr = MountAttr { set: attributes, clear: 0, propagation: MS_PRIVATE, userns: 0 };
    if let Some(userns) = userns {
        attr.set |= attr::IDMAP;
        attr.userns = u64::from(userns.as_raw_fd().unsigned_abs());
    }
    let flags = AT_EMPTY_PATH | if depth == Depth::Tree { AT_RECURSIVE } else { 0 };
    let arguments = [
        fd.unsigned_abs() as usize,
        c"".as_ptr().expose_provenance(),
        flags,
        (&raw const attr).expose_provenance(),
        size_of::<MountAttr>(),
        0,
    ];
    // SAFETY: the path is a C string and `attr` a live value of the size that is passed; the kernel reads both.
    unsafe { syscall(common::MOUNT_SETATTR, arguments) }.map(drop)
}
