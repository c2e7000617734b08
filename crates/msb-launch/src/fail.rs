//! Failures: which step, for which line, with which errno.

use msb_plan::OriginId;
use msb_plan::event::{Failure, Step};
use rustix::io::Errno;

/// The result of a step.
pub(crate) type Result<T> = core::result::Result<T, Failure>;

/// Says at which step a system call failed.
pub(crate) trait At<T> {
    /// Makes the errno a failure of `step`, asked for by `origin`.
    fn at(self, step: Step, origin: Option<OriginId>) -> Result<T>;
}

impl<T> At<T> for core::result::Result<T, Errno> {
    fn at(self, step: Step, origin: Option<OriginId>) -> Result<T> {
        self.map_err(|errno| failure(step, origin, errno))
    }
}

/// A failure with an errno.
#[cold]
#[inline(never)]
pub(crate) fn failure(step: Step, origin: Option<OriginId>, errno: Errno) -> Failure {
    Failure { step, origin, errno: u16::try_from(errno.raw_os_error()).unwrap_or(0) }
}

/// A refusal of the launcher's own, without an errno.
pub(crate) fn refusal(step: Step, origin: Option<OriginId>) -> Failure {
    Failure { step, origin, errno: 0 }
}
