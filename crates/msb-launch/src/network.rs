//! The sandbox's own network: an interface on which every address is local, rules, and sockets for the gateway.
//!
//! What a program sends can go nowhere but to a socket in this namespace. nf_tables refuses what no rule can allow and
//! steers the rest to the sockets made here, which the gateway outside has (docs/adr/0007-gateway-hand-over.md).

use crate::fail::{At, Result, failure};
use crate::interface;
use crate::netlink::{self, Refused};
use alloc::vec::Vec;
use msb_plan::OriginId;
use msb_plan::event::Step;
use msb_plan::handover::Socket;
use msb_plan::network::{GATEWAY_V4, GATEWAY_V6, Gateway, STEERED_PORT};
use msb_sys::net::{SocketOption, turn_on};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{
    AddressFamily, Ipv4Addr, Ipv6Addr, Protocol, SocketAddrV4, SocketAddrV6, SocketFlags, SocketType, bind,
    ipproto, listen, socket_with,
};

/// Connections that wait for the gateway: net.core.somaxconn's default since Linux 5.4.
const BACKLOG: i32 = 4096;

/// The sockets, and which they are: bits of [`Socket`].
pub(crate) struct Sockets {
    pub(crate) mask: u8,
    pub(crate) sockets: Vec<OwnedFd>,
}

/// Brings the loopback interface of the current namespace up: it then has 127.0.0.1 and ::1.
pub(crate) fn loopback_up() -> core::result::Result<(), Errno> {
    netlink::send(None, &interface::UP).map_err(|refused| refused.errno)
}

/// Whether anybody wants to know what the kernel refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusals {
    /// Somebody does.
    Wanted,
    /// Nobody does.
    None,
}

/// Sets the network up in the current namespace, which must be new.
pub(crate) fn set_up(gateway: &Gateway<'_>, wanted: Refusals) -> Result<Sockets> {
    let origin = Some(gateway.origin);
    let has_v6 = match socket(AddressFamily::INET6, SocketType::DGRAM, None) {
        Ok(_) => true,
        // A kernel without IPv6, or booted with `ipv6.disable=1`: there is nothing to hold.
        Err(Errno::AFNOSUPPORT) => false,
        Err(errno) => return Err(failure(Step::Network, origin, errno)),
    };
    netlink::send(None, if has_v6 { &interface::BOTH } else { &interface::V4 })
        .map_err(|refused| failure(Step::Network, origin, refused.errno))?;
    netlink::send(Some(NETFILTER), gateway.batch).map_err(|refused| {
        let asked = line(gateway, &refused).or(origin);
        failure(Step::NetworkRules, asked, refused.errno)
    })?;
    let mut all = sockets(has_v6).at(Step::Network, origin)?;
    if wanted == Refusals::Wanted
        // A kernel without nfnetlink_log refuses the same and does not say so; the gateway's log says that.
        && let Ok(socket) = refusals(gateway)
    {
        all.mask |= Socket::Refusals.bit();
        all.sockets.push(socket);
    }
    Ok(all)
}

/// A socket to which the kernel writes what nf_tables refuses.
fn refusals(gateway: &Gateway<'_>) -> core::result::Result<OwnedFd, Refused> {
    let socket = netlink::socket(Some(NETFILTER))?;
    netlink::exchange(&socket, &interface::REFUSALS)?;
    netlink::send(Some(NETFILTER), gateway.refusals)?;
    Ok(socket)
}

/// The line of the policy that a refused part of the batch is there for.
fn line(gateway: &Gateway<'_>, refused: &Refused) -> Option<OriginId> {
    let offset = u32::try_from(refused.offset_bytes?).ok()?;
    gateway.marks.iter().rev().find(|mark| mark.offset_bytes <= offset).map(|mark| mark.origin)
}

/// What nf_tables steers to, and answers to datagrams.
const STEERED: [(Socket, AddressFamily, SocketType); 6] = [
    (Socket::Tcp4, AddressFamily::INET, SocketType::STREAM),
    (Socket::Tcp6, AddressFamily::INET6, SocketType::STREAM),
    (Socket::Udp4, AddressFamily::INET, SocketType::DGRAM),
    (Socket::Udp6, AddressFamily::INET6, SocketType::DGRAM),
    (Socket::Raw4, AddressFamily::INET, SocketType::RAW),
    (Socket::Raw6, AddressFamily::INET6, SocketType::RAW),
];

fn sockets(has_v6: bool) -> core::result::Result<Sockets, Errno> {
    let mut all = Sockets { mask: 0, sockets: Vec::with_capacity(Socket::ALL.len()) };
    for (kind, family, how) in STEERED {
        if has_v6 || family == AddressFamily::INET {
            all.mask |= kind.bit();
            all.sockets.push(steered(family, how)?);
        }
    }
    Ok(all)
}

/// A socket of the gateway's.
fn steered(family: AddressFamily, how: SocketType) -> core::result::Result<OwnedFd, Errno> {
    let protocol = (how == SocketType::RAW).then_some(ipproto::RAW);
    let socket = socket(family, how, protocol)?;
    let options: &[SocketOption] = match (family, how) {
        (_, SocketType::RAW) => return Ok(socket),
        (AddressFamily::INET, SocketType::STREAM) => &[SocketOption::IP_TRANSPARENT],
        (AddressFamily::INET, _) => &[SocketOption::IP_TRANSPARENT, SocketOption::IP_RECVORIGDSTADDR],
        (_, SocketType::STREAM) => &[SocketOption::IPV6_TRANSPARENT],
        _ => &[SocketOption::IPV6_TRANSPARENT, SocketOption::IPV6_RECVORIGDSTADDR],
    };
    for option in options {
        turn_on(&socket, *option)?;
    }
    // Accepted connections have the ports of whom programs dial: with this, a server inside can still bind those.
    set_socket_reuseaddr(&socket, true)?;
    if family == AddressFamily::INET {
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::from(GATEWAY_V4), STEERED_PORT))?;
    } else {
        set_ipv6_v6only(&socket, true)?;
        bind(&socket, &SocketAddrV6::new(Ipv6Addr::from(GATEWAY_V6), STEERED_PORT, 0, 0))?;
    }
    if how == SocketType::STREAM {
        listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

/// A new socket, non-blocking and close-on-exec.
pub(crate) fn socket(
    family: AddressFamily,
    how: SocketType,
    protocol: Option<Protocol>,
) -> core::result::Result<OwnedFd, Errno> {
    socket_with(family, how, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, protocol)
}
