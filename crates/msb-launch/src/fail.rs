//! Failures: which step, for which line, with which errno.

use core::num::NonZeroU32;
use msb_plan::OriginId;
use msb_plan::event::{Failure, Step};
use rustix::io::Errno;

/// The result of a step.
pub(crate) type Result<T> = core::result::Result<T, Failed>;

/// A [`Failure`] on its way up, in half a word: a result without a value is then a register that is 0 or not, one with a
/// descriptor is two, and there are some hundred places that pass one on.
///
/// 12 bits are the errno, 13 the line, and 7 one more than the step, so that it is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed(NonZeroU32);

/// The greatest errno that the kernel gives (`MAX_ERRNO` of linux/err.h).
const ERRNO_MAX: u16 = 4095;
/// Where no line asked.
const NO_LINE: u16 = 0x1fff;
const _: () = assert!(msb_plan::ORIGINS_MAX <= NO_LINE as usize && Step::ALL.len() < 128);

impl From<Failure> for Failed {
    fn from(Failure { step, origin, errno }: Failure) -> Failed {
        let line = origin.map_or(NO_LINE, |origin| origin.0.min(NO_LINE));
        let step = NonZeroU32::MIN.saturating_add(step as u32);
        let word = step.get() << 25 | u32::from(line) << 12 | u32::from(errno.min(ERRNO_MAX));
        Failed(NonZeroU32::new(word).unwrap_or(NonZeroU32::MIN))
    }
}

impl From<Failed> for Failure {
    fn from(Failed(word): Failed) -> Failure {
        let bits = |shift: u32, most: u16| u16::try_from(word.get() >> shift & u32::from(most)).unwrap_or(0);
        let line = bits(12, NO_LINE);
        Failure {
            step: step(word.get()).unwrap_or(Step::Usage),
            origin: (line != NO_LINE).then_some(OriginId(line)),
            errno: bits(0, ERRNO_MAX),
        }
    }
}

fn step(word: u32) -> Option<Step> {
    Step::ALL.get((word >> 25).checked_sub(1)? as usize).copied()
}

impl Failed {
    /// Its bytes.
    pub(crate) fn to_bytes(self) -> [u8; 4] {
        self.0.get().to_le_bytes()
    }

    /// The failure of these bytes; `None` where they are none.
    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Option<Failed> {
        let word = u32::from_le_bytes(bytes);
        step(word).and(NonZeroU32::new(word)).map(Failed)
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
