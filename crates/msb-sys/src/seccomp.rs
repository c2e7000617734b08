//! Loading a filter; seccomp(2).

use crate::Result;
use crate::arch::{nr, syscall};
use rustix::fd::{FromRawFd, OwnedFd};
use rustix::io::Errno;

/// `struct sock_fprog` of linux/filter.h.
#[repr(C)]
struct Program {
    instructions: u16,
    filter: usize,
}

const SET_MODE_FILTER: usize = 1; // linux/seccomp.h
const NEW_LISTENER: usize = 1 << 3; // linux/seccomp.h, Linux 5.0
const WAIT_KILLABLE_RECV: usize = 1 << 5; // linux/seccomp.h, Linux 5.19
const INSTRUCTION_BYTES: usize = 8;

/// Loads `program` (`struct sock_filter` after `struct sock_filter`, native order) for this thread and all
/// that it will start. Nothing takes it off again.
///
/// # Errors
/// `EINVAL` for a program that the kernel refuses, `EACCES` without no_new_privs, `ENOMEM`.
pub fn load(program: &[u8]) -> Result<()> {
    install(program, 0).map(drop)
}

/// The same, and gives the descriptor on which `SECCOMP_RET_USER_NOTIF` decisions wait; close-on-exec.
///
/// Signals do not interrupt a call that someone has begun to answer, where the kernel can promise so (5.19).
///
/// # Errors
/// As [`load`]; `EBUSY` when a listener exists already.
pub fn load_with_listener(program: &[u8]) -> Result<OwnedFd> {
    let fd = match install(program, NEW_LISTENER | WAIT_KILLABLE_RECV) {
        Err(Errno::INVAL) => install(program, NEW_LISTENER)?,
        other => other?,
    };
    // SAFETY: the kernel just gave this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

fn install(program: &[u8], flags: usize) -> Result<usize> {
    let count = u16::try_from(program.len() / INSTRUCTION_BYTES).map_err(|_| Errno::INVAL)?;
    let program = Program { instructions: count, filter: program.as_ptr().expose_provenance() };
    let arguments = [SET_MODE_FILTER, flags, (&raw const program).expose_provenance(), 0, 0, 0];
    // SAFETY: `program` and the instructions it points to live through the call, which copies them.
    unsafe { syscall(nr::SECCOMP, arguments) }
}
