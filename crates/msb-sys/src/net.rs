//! Options of sockets that rustix lacks.

use crate::Result;
use crate::arch::{nr, syscall};
use crate::at::Descriptor;
use rustix::fd::RawFd;

/// An option with the value of an int: its level and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOption {
    level: u32,
    name: u32,
}

/// `SOL_IP`, `SOL_IPV6` and `SOL_NETLINK` of linux/socket.h.
const IP: u32 = 0;
const IPV6: u32 = 41;
const NETLINK: u32 = 270;

impl SocketOption {
    /// `IP_TRANSPARENT`, ip(7): takes connections for addresses that are not the host's. CAP_NET_ADMIN.
    pub const IP_TRANSPARENT: SocketOption = SocketOption { level: IP, name: 19 };
    /// `IP_RECVORIGDSTADDR`, ip(7): datagrams come with whom they were sent to.
    pub const IP_RECVORIGDSTADDR: SocketOption = SocketOption { level: IP, name: 20 };
    /// `IPV6_TRANSPARENT` of linux/in6.h.
    pub const IPV6_TRANSPARENT: SocketOption = SocketOption { level: IPV6, name: 75 };
    /// `IPV6_RECVORIGDSTADDR` of linux/in6.h.
    pub const IPV6_RECVORIGDSTADDR: SocketOption = SocketOption { level: IPV6, name: 74 };
    /// `NETLINK_CAP_ACK`, netlink(7), Linux 4.3: errors come without the message that was wrong.
    pub const NETLINK_CAP_ACK: SocketOption = SocketOption { level: NETLINK, name: 10 };
    /// `NETLINK_EXT_ACK`, netlink(7), Linux 4.12: errors say where in the message they are.
    pub const NETLINK_EXT_ACK: SocketOption = SocketOption { level: NETLINK, name: 11 };
}

/// Turns `option` on; setsockopt(2).
///
/// # Errors
/// `EPERM` without the capability that it needs, `ENOPROTOOPT` where the kernel or the socket does not have it.
pub fn turn_on(socket: impl Descriptor, option: SocketOption) -> Result<()> {
    turn_on_number(socket.number(), option)
}

fn turn_on_number(socket: RawFd, option: SocketOption) -> Result<()> {
    let on = 1_u32;
    let arguments = [
        socket.unsigned_abs() as usize,
        option.level as usize,
        option.name as usize,
        (&raw const on).expose_provenance(),
        size_of::<u32>(),
        0,
    ];
    // SAFETY: `on` lives through the call, and the kernel reads no more of it than the size that is passed.
    unsafe { syscall(nr::SETSOCKOPT, arguments) }.map(drop)
}
