//! Failures: which step, for which line, with which errno.

use core::num::NonZeroU64;
use msb_plan::OriginId;
use msb_plan::event::{Failure, Step};
use rustix::io::Errno;

/// The result of a step.
pub(crate) type Result<T> = core::result::Result<T, Failed>;

/// A [`Failure`] on its way up, in one word: a result without a value is then a register that is 0 or not, and there are
/// some hundred places that pass one on. From the lowest byte on: 1, the step, two of the line and two of the errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed(NonZeroU64);

/// Where no line asked. No plan has as many lines (`ORIGINS_MAX`).
const NO_LINE: u16 = u16::MAX;

impl From<Failure> for Failed {
    fn from(Failure { step, origin, errno }: Failure) -> Failed {
        let line = origin.map_or(NO_LINE, |origin| origin.0);
        Failed(NonZeroU64::MIN | (step as u64) << 8 | u64::from(line) << 16 | u64::from(errno) << 32)
    }
}

impl From<Failed> for Failure {
    fn from(Failed(word): Failed) -> Failure {
        let [_, step, l0, l1, e0, e1, ..] = word.get().to_le_bytes();
        let line = u16::from_le_bytes([l0, l1]);
        Failure {
            step: Step::ALL.get(usize::from(step)).copied().unwrap_or(Step::Usage),
            origin: (line != NO_LINE).then_some(OriginId(line)),
            errno: u16::from_le_bytes([e0, e1]),
        }
    }
}

impl Failed {
    /// What every one has in its lowest byte.
    pub(crate) const MARK: u8 = 1;

    /// Its bytes, [`Failed::MARK`] first.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_le_bytes()
    }

    /// The failure of these bytes; `None` where they are none.
    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Option<Failed> {
        let word = NonZeroU64::new(u64::from_le_bytes(bytes))?;
        let is_one = bytes[0] == Failed::MARK && usize::from(bytes[1]) < Step::ALL.len();
        is_one.then_some(Failed(word))
    }
}

/// Says at which step a system call failed.
pub(crate) trait At<T> {
    /// Makes the errno a failure of `step`, asked for by `origin`.
    fn at(self, step: Step, origin: Option<OriginId>) -> Result<T>;
}

impl<T> At<T> for core::result::Result<T, Errno> {
    #[inline]
    fn at(self, step: Step, origin: Option<OriginId>) -> Result<T> {
        self.map_err(|errno| failure(step, origin, errno))
    }
}

/// A failure with an errno.
#[inline]
pub(crate) fn failure(step: Step, origin: Option<OriginId>, errno: Errno) -> Failed {
    #[cold]
    #[inline(never)]
    fn of(step: Step, line: u16, errno: Errno) -> Failed {
        let errno = u16::try_from(errno.raw_os_error()).unwrap_or(0);
        Failure { step, origin: Some(OriginId(line)), errno }.into()
    }
    of(step, origin.map_or(NO_LINE, |origin| origin.0), errno)
}

/// A refusal of the launcher's own, without an errno.
pub(crate) fn refusal(step: Step, origin: Option<OriginId>) -> Failed {
    Failure { step, origin, errno: 0 }.into()
}
