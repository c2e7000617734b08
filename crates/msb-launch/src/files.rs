//! Reading and writing the small files of procfs and cgroupfs.

use crate::at::openat;
use alloc::vec::Vec;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, read, write};

// Each is one function behind a generic face: the launcher is small, and has no copy of them for every kind of path.

/// Opens for reading or writing, close-on-exec.
pub(crate) fn open(at: impl AsFd, path: impl AsRef<[u8]>, flags: OFlags) -> Result<OwnedFd, Errno> {
    #[inline(never)]
    fn one(at: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        openat(at, path, flags | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())
    }
    one(at.as_fd(), path.as_ref(), flags)
}

/// All that `fd` gives, at most `bytes_max`.
///
/// # Errors
/// `EFBIG` for more.
pub(crate) fn read_all(fd: impl AsFd, bytes_max: usize) -> Result<Vec<u8>, Errno> {
    #[inline(never)]
    fn one(fd: BorrowedFd<'_>, bytes_max: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        loop {
            // Twice as much each time: most of what is read is short, and none of it is written twice.
            bytes.reserve_exact(bytes.len().max(READ_BYTES));
            match read(fd, spare_capacity(&mut bytes)) {
                Err(Errno::INTR) => {}
                Ok(0) => return Ok(bytes),
                got => drop(got?),
            }
            if bytes.len() > bytes_max {
                return Err(Errno::FBIG);
            }
        }
    }
    one(fd.as_fd(), bytes_max)
}

/// How much is read first.
const READ_BYTES: usize = 8192;

/// The content of a small file of procfs or cgroupfs.
pub(crate) fn read_small(at: impl AsFd, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Errno> {
    const BYTES_MAX: usize = 256 * 1024;
    #[inline(never)]
    fn one(at: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<u8>, Errno> {
        read_all(open(at, path, OFlags::RDONLY)?, BYTES_MAX)
    }
    one(at.as_fd(), path.as_ref())
}

/// Writes `bytes` to an existing file in one call, as procfs and cgroupfs want it.
pub(crate) fn write_small(at: impl AsFd, path: impl AsRef<[u8]>, bytes: &[u8]) -> Result<(), Errno> {
    #[inline(never)]
    fn one(at: BorrowedFd<'_>, path: &[u8], bytes: &[u8]) -> Result<(), Errno> {
        write_once(open(at, path, OFlags::WRONLY)?, bytes)
    }
    one(at.as_fd(), path.as_ref(), bytes)
}

/// Writes `bytes` in one call.
///
/// # Errors
/// `EIO` when less was taken.
pub(crate) fn write_once(fd: impl AsFd, bytes: &[u8]) -> Result<(), Errno> {
    #[inline(never)]
    fn one(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Errno> {
        if write(fd, bytes)? == bytes.len() { Ok(()) } else { Err(Errno::IO) }
    }
    one(fd.as_fd(), bytes)
}

/// The decimal number that `bytes` begins with, spaces around it allowed.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    let (mut value, mut any) = (0_u64, false);
    for digit in bytes.trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit()) {
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        any = true;
    }
    any.then_some(value)
}

/// `value` in decimal, after `before`.
#[inline(never)]
pub(crate) fn decimal(before: &[u8], value: u64) -> Vec<u8> {
    let mut digits = Vec::from(before);
    let at = digits.len();
    let mut rest = value;
    loop {
        digits.insert(at, b'0' + u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
        if rest == 0 {
            return digits;
        }
    }
}
