//! The loopback interface of a new network namespace; netdevice(7).

use crate::Result;
use crate::arch::{nr, syscall};
use rustix::fd::AsRawFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// `struct ifreq` of linux/if.h, with flags in its union.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

const SIOCSIFFLAGS: usize = 0x8914; // linux/sockios.h
const IFF_UP: i16 = 1; // linux/if.h
const IFF_RUNNING: i16 = 1 << 6; // linux/if.h

/// Brings the interface `lo` of this network namespace up: it then has 127.0.0.1 and ::1.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN in the namespace, `EAFNOSUPPORT` on a kernel without IPv4.
pub fn loopback_up() -> Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut name = [0; 16];
    name[..2].copy_from_slice(b"lo");
    let request = InterfaceRequest { name, flags: IFF_UP | IFF_RUNNING, rest: [0; 22] };
    let arguments = [
        socket.as_raw_fd().unsigned_abs() as usize,
        SIOCSIFFLAGS,
        (&raw const request).expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: `request` is a live value of the size of `struct ifreq`, which the kernel reads.
    unsafe { syscall(nr::IOCTL, arguments) }.map(drop)
}
