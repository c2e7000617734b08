//! Waiting for descriptors, by number and for microseconds: what a loop polls for is made anew in each round.

use crate::Result;
use crate::arch::{nr, syscall};
use crate::at::Descriptor;
use rustix::event::{PollFlags, Timespec};

/// One that is waited for: `struct pollfd` of poll(2).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Waited {
    number: i32,
    events: u16,
    happened: u16,
}

impl Waited {
    /// Waits for `events` of what is open as `descriptor`; that it ended or failed needs no asking.
    pub fn new(descriptor: impl Descriptor, events: PollFlags) -> Waited {
        Waited { number: descriptor.number(), events: events.bits(), happened: 0 }
    }

    /// Whether [`poll`] saw any of it.
    #[must_use]
    pub fn has_happened(&self) -> bool {
        self.happened != 0
    }
}

/// Waits until something happens of what `all` wait for, or for so many microseconds; gives of how many something did;
/// ppoll(2).
///
/// # Errors
/// `EINTR` when a signal came. Nothing has happened then.
#[inline(never)]
pub fn poll(all: &mut [Waited], for_us: Option<u64>) -> Result<usize> {
    let us = for_us.unwrap_or(0);
    let mut time = Timespec {
        tv_sec: i64::try_from(us / 1_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(us % 1_000_000 * 1000).unwrap_or(0),
    };
    let time = if for_us.is_some() { (&raw mut time).expose_provenance() } else { 0 };
    let arguments = [all.as_mut_ptr().expose_provenance(), all.len(), time, 0, 0, 0];
    // SAFETY: `all` and the time, where there is one, live through the call, and may be written to; there is no signal mask.
    unsafe { syscall(nr::PPOLL, arguments) }
}
