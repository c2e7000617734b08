//! Signal masks, signals as values, and dispositions.

use crate::Result;
use crate::arch::{nr, syscall};
use rustix::fd::{FromRawFd, OwnedFd};

/// Bytes of the kernel's signal set: 64 signals.
const SET_BYTES: usize = 8;

/// A set of signals: bit n-1 is signal n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set(pub u64);

impl Set {
    /// No signal.
    pub const NONE: Set = Set(0);
    /// Every signal that can be blocked.
    pub const ALL: Set = Set(u64::MAX);

    /// The set without signal `number` (1 to 64).
    #[must_use]
    pub const fn without(self, number: u32) -> Set {
        Set(self.0 & !(1 << (number - 1)))
    }

    /// The set with signal `number` (1 to 64).
    #[must_use]
    pub const fn with(self, number: u32) -> Set {
        Set(self.0 | 1 << (number - 1))
    }
}

/// Blocks exactly the signals of `set` and gives back what was blocked before; rt_sigprocmask(2).
pub fn block(set: Set) -> Set {
    const SIG_SETMASK: usize = 2;
    let mut old = 0_u64;
    let arguments = [
        SIG_SETMASK,
        (&raw const set.0).expose_provenance(),
        (&raw mut old).expose_provenance(),
        SET_BYTES,
        0,
        0,
    ];
    // SAFETY: both pointers are to live sets of the size that is passed.
    let done = unsafe { syscall(nr::RT_SIGPROCMASK, arguments) };
    debug_assert!(done.is_ok(), "the arguments are right");
    Set(old)
}

/// Waits for one signal of `set`, which must be blocked, and gives its number; rt_sigtimedwait(2).
///
/// # Errors
/// `EINTR` when a signal outside the set came.
pub fn wait(set: Set) -> Result<u32> {
    let arguments = [(&raw const set.0).expose_provenance(), 0, 0, SET_BYTES, 0, 0];
    // SAFETY: the set lives through the call; no information and no timeout is asked for.
    let number = unsafe { syscall(nr::RT_SIGTIMEDWAIT, arguments)? };
    Ok(u32::try_from(number).unwrap_or(0))
}

/// A descriptor that the blocked signals of `set` can be read from, close-on-exec and non-blocking; signalfd(2).
///
/// # Errors
/// `EMFILE`, `ENFILE` or `ENOMEM`.
pub fn descriptor(set: Set) -> Result<OwnedFd> {
    const SFD_CLOEXEC_NONBLOCK: usize = 0o2_000_000 | 0o4_000;
    let arguments =
        [usize::MAX, (&raw const set.0).expose_provenance(), SET_BYTES, SFD_CLOEXEC_NONBLOCK, 0, 0];
    // SAFETY: the set lives through the call.
    let fd = unsafe { syscall(nr::SIGNALFD4, arguments)? };
    // SAFETY: the kernel just gave this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

/// Bytes of one `struct signalfd_siginfo`; its first four are the number.
pub const SIGNALFD_BYTES: usize = 128;

/// Gives signal `number` its default effect, whatever was inherited; rt_sigaction(2).
///
/// # Errors
/// `EINVAL` for SIGKILL, SIGSTOP and numbers that are no signal.
pub fn reset(number: u32) -> Result<()> {
    // struct kernel_sigaction: handler (SIG_DFL is 0), flags, restorer, mask; AArch64 has no restorer and reads less.
    let action = [0_u64; 4];
    let arguments = [number as usize, (&raw const action).expose_provenance(), 0, SET_BYTES, 0, 0];
    // SAFETY: `action` is at least as long as the kernel's structure, and holds no handler.
    unsafe { syscall(nr::RT_SIGACTION, arguments) }.map(drop)
}
