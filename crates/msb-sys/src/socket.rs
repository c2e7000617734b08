//! What rustix does not tell about sockets.

use crate::Result;
use crate::arch::{nr, syscall};
use rustix::fd::{AsRawFd, BorrowedFd};

/// `SIOCOUTQ` of linux/sockios.h, which is `TIOCOUTQ` of asm-generic/ioctls.h.
const SIOCOUTQ: usize = 0x5411;

/// Bytes that were written to a TCP socket and that its peer did not acknowledge yet; tcp(7).
///
/// # Errors
/// `EINVAL` for a listening socket, `ENOTTY` for what is no socket.
pub fn unsent_bytes(socket: BorrowedFd<'_>) -> Result<u32> {
    let mut unsent: i32 = 0;
    let arguments = [
        socket.as_raw_fd().unsigned_abs() as usize,
        SIOCOUTQ,
        (&raw mut unsent).expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: `unsent` is an int that lives through the call, and the kernel writes one int to it.
    unsafe { syscall(nr::IOCTL, arguments)? };
    Ok(u32::try_from(unsent).unwrap_or(0))
}
