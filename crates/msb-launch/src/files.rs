//! Reading and writing the small files of procfs and cgroupfs.

use crate::path::Bytes;
use alloc::vec::Vec;
use msb_sys::at::{Descriptor, openat};
use msb_sys::process::borrowed;
use rustix::buffer::spare_capacity;
use rustix::fd::{OwnedFd, RawFd};
use rustix::fs::{FileType, Mode, OFlags, RawDir};
use rustix::io::{Errno, read, write};
use rustix::process::getpid;

// Each is one function behind a generic face: the launcher is small, and has no copy of them for every kind of path.

/// Opens for reading or writing, close-on-exec.
pub(crate) fn open(at: impl Descriptor, path: impl AsRef<[u8]>, flags: OFlags) -> Result<OwnedFd, Errno> {
    #[inline(never)]
    fn one(at: RawFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        openat(at, path, flags | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())
    }
    one(at.number(), path.as_ref(), flags)
}

/// All that `fd` gives, at most `bytes_max`.
///
/// # Errors
/// `EFBIG` for more.
pub(crate) fn read_all(fd: impl Descriptor, bytes_max: usize) -> Result<Vec<u8>, Errno> {
    #[inline(never)]
    fn one(fd: RawFd, bytes_max: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        loop {
            // Twice as much each time, and not before there is no room: most of what is read is short, and its end is asked
            // for in what is left.
            if bytes.len() == bytes.capacity() {
                bytes.reserve_exact(bytes.len().max(READ_BYTES));
            }
            match read(borrowed(fd), spare_capacity(&mut bytes)) {
                Err(Errno::INTR) => {}
                Ok(0) => return Ok(bytes),
                got => drop(got?),
            }
            if bytes.len() > bytes_max {
                return Err(Errno::FBIG);
            }
        }
    }
    one(fd.number(), bytes_max)
}

/// Calls `each` with every name in the directory that `fd` is open on, in the kernel's order, but `.` and `..`.
///
/// # Errors
/// The first of `each` ends it; as getdents64(2).
pub(crate) fn names(fd: &OwnedFd, each: &mut dyn FnMut(&[u8]) -> Result<(), Errno>) -> Result<(), Errno> {
    entries(fd, &mut |name, _| each(name))
}

/// What is called with a name and its kind.
pub(crate) type Each<'e> = dyn FnMut(&[u8], FileType) -> Result<(), Errno> + 'e;

/// The same with what each is, as far as the file system tells.
///
/// # Errors
/// As [`names`].
pub(crate) fn entries(fd: &OwnedFd, each: &mut Each<'_>) -> Result<(), Errno> {
    let mut buffer: Vec<u8> = Vec::with_capacity(READ_BYTES);
    let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            // It was removed meanwhile, and has no more: getdents(2).
            Err(Errno::NOENT) => break,
            entry => entry?,
        };
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            each(name, entry.file_type())?;
        }
    }
    Ok(())
}

/// How much is read first; what ext4 gives of an ordinary directory in one call.
const READ_BYTES: usize = 8192;

/// The content of a small file of procfs or cgroupfs.
pub(crate) fn read_small(at: impl Descriptor, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Errno> {
    const BYTES_MAX: usize = 256 * 1024;
    #[inline(never)]
    fn one(at: RawFd, path: &[u8]) -> Result<Vec<u8>, Errno> {
        read_all(&open(at, path, OFlags::RDONLY)?, BYTES_MAX)
    }
    one(at.number(), path.as_ref())
}

/// Writes `bytes` to an existing file in one call, as procfs and cgroupfs want it.
pub(crate) fn write_small(at: impl Descriptor, path: impl AsRef<[u8]>, bytes: &[u8]) -> Result<(), Errno> {
    #[inline(never)]
    fn one(at: RawFd, path: &[u8], bytes: &[u8]) -> Result<(), Errno> {
        write_once(&open(at, path, OFlags::WRONLY)?, bytes)
    }
    one(at.number(), path.as_ref(), bytes)
}

/// Writes `bytes` in one call.
///
/// # Errors
/// `EIO` when less was taken.
pub(crate) fn write_once(fd: impl Descriptor, bytes: &[u8]) -> Result<(), Errno> {
    #[inline(never)]
    fn one(fd: RawFd, bytes: &[u8]) -> Result<(), Errno> {
        if write(borrowed(fd), bytes)? == bytes.len() { Ok(()) } else { Err(Errno::IO) }
    }
    one(fd.number(), bytes)
}

/// What lies between the bytes `at` in a text, as the standard library's `split` gives it, in one copy for all who ask.
pub(crate) struct Parts<'t> {
    rest: Option<&'t [u8]>,
    at: u8,
}

/// The parts of `text` between `at`: at least one.
pub(crate) fn parts(text: &[u8], at: u8) -> Parts<'_> {
    Parts { rest: Some(text), at }
}

/// The lines of `text`.
pub(crate) fn lines(text: &[u8]) -> Parts<'_> {
    parts(text, b'\n')
}

impl<'t> Iterator for Parts<'t> {
    type Item = &'t [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'t [u8]> {
        let rest = self.rest?;
        let end = rest.iter().position(|b| *b == self.at).unwrap_or(rest.len());
        self.rest = rest.get(end + 1..);
        rest.get(..end)
    }
}

/// The decimal number that `bytes` begins with, spaces around it allowed.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    let text = bytes.trim_ascii();
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    exact(text.get(..digits)?, 10)
}

/// What `digits` are in a base of at most 16: all of them, and at least one.
#[inline(never)]
pub(crate) fn exact(digits: &[u8], base: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for digit in digits {
        let digit = char::from(*digit).to_digit(base)?;
        value = value.checked_mul(base.into())?.checked_add(digit.into())?;
    }
    Some(value)
}

/// `value` in decimal, after `before`.
#[inline(never)]
pub(crate) fn decimal(before: &[u8], value: u64) -> Vec<u8> {
    let mut text = Vec::from(before);
    push_decimal(&mut text, value);
    text
}

/// The same, to stay.
#[inline(never)]
pub(crate) fn numbered(before: &[u8], value: u64) -> Bytes {
    decimal(before, value).leak()
}

/// Adds `value` in decimal to `text`.
#[inline(never)]
pub(crate) fn push_decimal(text: &mut Vec<u8>, value: u64) {
    let at = text.len();
    let mut rest = value;
    loop {
        text.insert(at, b'0' + u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
        if rest == 0 {
            return;
        }
    }
}

/// The own process's number.
pub(crate) fn own_pid() -> u32 {
    getpid().as_raw_nonzero().get().unsigned_abs()
}
