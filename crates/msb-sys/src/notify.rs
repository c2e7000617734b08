//! Answering a filter's listener; seccomp_unotify(2).

use crate::Result;
use crate::arch::{nr, syscall};
use rustix::fd::{AsRawFd, BorrowedFd};

/// A call that waits for an answer: `struct seccomp_notif` of linux/seccomp.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Notification {
    /// What an answer must carry.
    pub id: u64,
    /// The thread, as a number of the listener's pid namespace.
    pub pid: u32,
    flags: u32,
    /// The call's number.
    pub nr: i32,
    /// `AUDIT_ARCH_*`.
    pub audit_arch: u32,
    /// Where it was made.
    pub instruction_pointer: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// What becomes of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It fails with this errno.
    Errno(u16),
    /// The kernel makes it. Only for calls that the policy allows whatever their arguments point to: the
    /// memory can change after it was looked at.
    Continue,
}

/// `struct seccomp_notif_resp` of linux/seccomp.h.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

// linux/seccomp.h: SECCOMP_IOWR('!', 0, struct seccomp_notif), SECCOMP_IOWR('!', 1, struct seccomp_notif_resp)
const RECEIVE: usize = 0xc050_2100;
const SEND: usize = 0xc018_2101;
// SECCOMP_IOW('!', 2, __u64)
const ID_VALID: usize = 0x4008_2102;
const FLAG_CONTINUE: u32 = 1;

/// Waits for the next call.
///
/// # Errors
/// `ENOENT` when the caller was killed meanwhile: try again. `EINTR`.
pub fn receive(listener: BorrowedFd<'_>) -> Result<Notification> {
    let mut notification = Notification::default();
    let arguments = [
        listener.as_raw_fd().unsigned_abs() as usize,
        RECEIVE,
        (&raw mut notification).expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: the structure is zeroed, as the kernel demands, and has the size that the request encodes.
    unsafe { syscall(nr::IOCTL, arguments)? };
    Ok(notification)
}

/// Whether the call with this [`Notification::id`] still waits: its caller may have been killed.
#[must_use]
pub fn is_waiting(listener: BorrowedFd<'_>, id: u64) -> bool {
    let arguments = [
        listener.as_raw_fd().unsigned_abs() as usize,
        ID_VALID,
        (&raw const id).expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: the number lives through the call and has the size that the request encodes.
    unsafe { syscall(nr::IOCTL, arguments) }.is_ok()
}

/// Answers a call.
///
/// # Errors
/// `ENOENT` when its caller is gone.
pub fn answer(listener: BorrowedFd<'_>, id: u64, answer: Answer) -> Result<()> {
    let response = match answer {
        Answer::Errno(errno) => Response { id, value: 0, error: -i32::from(errno), flags: 0 },
        Answer::Continue => Response { id, value: 0, error: 0, flags: FLAG_CONTINUE },
    };
    let arguments = [
        listener.as_raw_fd().unsigned_abs() as usize,
        SEND,
        (&raw const response).expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: the structure lives through the call and has the size that the request encodes.
    unsafe { syscall(nr::IOCTL, arguments) }.map(drop)
}
