//! The plan file: whose it may be, and its bytes.

use crate::fail::{At, Result, refusal};
use crate::files::read_all;
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::PLAN_BYTES_MAX;
use msb_plan::event::Step;
use msb_sys::at::openat;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Bits of a mode that let others write.
const OTHERS_WRITE: u32 = 0o022;

/// Reads the plan at `path`, or the keys that it has to be signed with; `step` is what fails where it can't.
///
/// It must be a regular file, owned by the user or by root, that nobody else may write: who can change the
/// plan decides what the sandbox is. Opened without blocking, so that a FIFO is refused and not waited for.
pub(crate) fn read(path: &CStr, step: Step) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat(CWD, path.to_bytes(), flags, Mode::empty()).at(step, None)?;
    let stat = fstat(&file).at(step, None)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR).at(step, None),
        _ => return Err(Errno::NODEV).at(step, None),
    }
    let owner_is_trusted = stat.st_uid == 0 || stat.st_uid == geteuid().as_raw();
    if !owner_is_trusted || stat.st_mode & OTHERS_WRITE != 0 {
        return Err(refusal(step, None));
    }
    read_all(&file, PLAN_BYTES_MAX).at(step, None)
}
