//! The plan file: whose it may be, and its bytes.

use crate::fail::{At, Result, refusal};
use crate::files::read_all;
use crate::prepare::open_standard;
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::PLAN_BYTES_MAX;
use msb_plan::event::Step;
use rustix::fd::AsRawFd;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Bits of a mode that let others write.
const OTHERS_WRITE: u32 = 0o022;

/// Reads the plan at `path`.
///
/// It must be a regular file, owned by the user or by root, that nobody else may write: who can change the
/// plan decides what the sandbox is. Opened without blocking, so that a FIFO is refused and not waited for.
pub(crate) fn read(path: &CStr) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let open = || open(path, flags, Mode::empty()).at(Step::PlanOpen, None);
    let mut file = open()?;
    // The first number that is free says whether one of the first three is, without a call.
    if file.as_raw_fd() <= 2 {
        drop(file);
        open_standard().at(Step::CloseFds, None)?;
        file = open()?;
    }
    let stat = fstat(&file).at(Step::PlanOpen, None)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR).at(Step::PlanOpen, None),
        _ => return Err(Errno::NODEV).at(Step::PlanOpen, None),
    }
    let owner_is_trusted = stat.st_uid == 0 || stat.st_uid == geteuid().as_raw();
    if !owner_is_trusted || stat.st_mode & OTHERS_WRITE != 0 {
        return Err(refusal(Step::PlanOpen, None));
    }
    read_all(&file, PLAN_BYTES_MAX).at(Step::PlanRead, None)
}
