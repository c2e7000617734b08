//! mount_setattr(2), listmount(2), statmount(2).

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

/// `struct mnt_id_req` of linux/mount.h, version 0.
#[repr(C)]
struct MountRequest {
    size: u32,
    spare: u32,
    mount: u64,
    parameter: u64,
}

/// Makes call `number` about `mount`; what it answers, as many words as `answer` has, goes there.
fn ask(number: usize, mount: u64, parameter: u64, answer: &mut [u64], length: usize) -> Result<usize> {
    const BYTES: u32 = 24; // MNT_ID_REQ_SIZE_VER0 of linux/mount.h
    let request = MountRequest { size: BYTES, spare: 0, mount, parameter };
    let (request, answer) =
        ((&raw const request).expose_provenance(), answer.as_mut_ptr().expose_provenance());
    // SAFETY: the kernel reads the request, which has the size that it says, and writes at most `length` units to the answer,
    // which the two callers have made of that many; both live through the call.
    unsafe { syscall(number, [request, answer, length, 0, 0, 0]) }
}

/// The numbers of the mounts that the caller's root shows, of those that no mount gets again: fills `list`, and gives how many
/// there are in it. Linux 6.8.
///
/// # Errors
/// `ENOSYS` before.
pub fn list(list: &mut [u64]) -> Result<usize> {
    const ALL_BELOW_ROOT: u64 = u64::MAX; // LSMT_ROOT of linux/mount.h
    ask(common::LISTMOUNT, ALL_BELOW_ROOT, 0, list, list.len())
}

/// Major and minor number of the file system that `mount` is of, a number of [`list`]. Linux 6.8.
///
/// # Errors
/// `ENOENT` where there is no such mount any more.
pub fn device(mount: u64) -> Result<(u64, u64)> {
    const FILE_SYSTEM: u64 = 1; // STATMOUNT_SB_BASIC of linux/mount.h
    // Of `struct statmount`: its size, what it holds, and both numbers: 0, which no file system has, where the kernel does not say.
    let mut answer = [0_u64; 3];
    ask(common::STATMOUNT, mount, FILE_SYSTEM, &mut answer, size_of::<[u64; 3]>())?;
    let [_, _, numbers] = answer;
    Ok(crate::at::halves(numbers))
}
