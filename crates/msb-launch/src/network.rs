//! The sandbox's own network: an interface on which every address is local, rules, and sockets for the gateway.
//!
//! What a program sends can go nowhere but to a socket in this namespace. nf_tables refuses what no rule can allow and
//! steers the rest to the sockets made here, which the gateway outside has (docs/adr/0007-gateway-hand-over.md).

use crate::fail::{At, Result, failure};
use crate::netlink::{self, Refused};
use alloc::vec::Vec;
use msb_plan::OriginId;
use msb_plan::event::Step;
use msb_plan::handover::Socket;
use msb_plan::network::{GATEWAY_V4, GATEWAY_V6, Gateway, OWN_V4, OWN_V6, REFUSALS_GROUP, STEERED_PORT};
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
    let mut bytes = Vec::new();
    link_up(&mut bytes, REQUEST | ACK);
    netlink::send(None, &bytes).map_err(|refused| refused.errno)
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
    netlink::send(None, &interface(has_v6))
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
    /// `NFULNL_MSG_CONFIG` of `NFNL_SUBSYS_ULOG`; linux/netfilter/nfnetlink_log.h has these and the attributes.
    const CONFIG: u16 = 4 << 8 | 1;
    /// `NFULA_CFG_CMD` and `NFULNL_CFG_CMD_BIND`.
    const COMMAND: u16 = 1;
    const BIND: u8 = 1;
    /// `NFULA_CFG_NLBUFSIZ`, and bytes of one message: by default a page is kept for each, and few have room in the socket.
    const MESSAGE: u16 = 3;
    const MESSAGE_BYTES: u32 = 512;
    /// `NFULA_CFG_FLAGS` and `NFULNL_CFG_F_SEQ`: messages are numbered, so that one that had no room is missed.
    const FLAGS: u16 = 6;
    const NUMBERED: u16 = 1;
    let socket = netlink::socket(Some(NETFILTER))?;
    // struct nfgenmsg: family, version, group.
    let [high, low] = REFUSALS_GROUP.to_be_bytes();
    let mut bytes = Vec::new();
    let attributes: [(u16, &[u8]); 3] =
        [(COMMAND, &[BIND]), (MESSAGE, &MESSAGE_BYTES.to_be_bytes()), (FLAGS, &NUMBERED.to_be_bytes())];
    message(&mut bytes, CONFIG, REQUEST | ACK, &[0, 0, high, low], &attributes);
    netlink::exchange(&socket, &bytes)?;
    netlink::send(Some(NETFILTER), gateway.refusals)?;
    Ok(socket)
}

/// The line of the policy that a refused part of the batch is there for.
fn line(gateway: &Gateway<'_>, refused: &Refused) -> Option<OriginId> {
    let offset = u32::try_from(refused.offset_bytes?).ok()?;
    gateway.marks.iter().rev().find(|mark| mark.offset_bytes <= offset).map(|mark| mark.origin)
}

/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_EXCL` and `NLM_F_CREATE` of linux/netlink.h.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const NEW: u16 = 0x200 | 0x400;
/// The loopback interface is the first of each namespace: `LOOPBACK_IFINDEX` of include/net/flow.h.
const LOOPBACK: u32 = 1;

/// `AF_INET` and `AF_INET6` of linux/socket.h, and the bits of their addresses.
const V4: (u8, u8) = (2, 32);
const V6: (u8, u8) = (10, 128);

/// The interface up.
fn link_up(bytes: &mut Vec<u8>, flags: u16) {
    const RTM_NEWLINK: u16 = 16;
    // struct ifinfomsg: family and kind, interface, flags and which of them change (IFF_UP).
    let up = [[0; 4], LOOPBACK.to_le_bytes(), 1_u32.to_le_bytes(), 1_u32.to_le_bytes()].concat();
    message(bytes, RTM_NEWLINK, flags, &up, &[]);
}

/// The interface up, with the sandbox's addresses, and every address routed to it as local.
fn interface(has_v6: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    link_up(&mut bytes, REQUEST);
    if has_v6 {
        local(&mut bytes, V6, &OWN_V6, REQUEST | NEW);
    }
    // The last one asks for the answer; an error of any is answered.
    local(&mut bytes, V4, &OWN_V4, REQUEST | NEW | ACK);
    bytes
}

/// An address of the interface, and a route that makes all others local, with this one as what is called from.
fn local(bytes: &mut Vec<u8>, (family, bits): (u8, u8), own: &[u8], flags: u16) {
    const RTM_NEWADDR: u16 = 20;
    const RTM_NEWROUTE: u16 = 24;
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    /// `IFA_F_NODAD`: nobody else is there to have it.
    const NODAD: u8 = 2;
    const RTA_OIF: u16 = 4;
    const RTA_PREFSRC: u16 = 7;
    // struct ifaddrmsg: family, bits, flags, scope (RT_SCOPE_UNIVERSE), interface.
    let head = [&[family, bits, NODAD, 0][..], &LOOPBACK.to_le_bytes()].concat();
    message(bytes, RTM_NEWADDR, flags & !ACK, &head, &[(IFA_LOCAL, own), (IFA_ADDRESS, own)]);
    // struct rtmsg: family, bits of destination, of source, TOS, table (RT_TABLE_LOCAL), protocol (RTPROT_STATIC),
    // scope (RT_SCOPE_HOST), kind (RTN_LOCAL), flags.
    let head = [family, 0, 0, 0, 255, 4, 254, 2, 0, 0, 0, 0];
    message(bytes, RTM_NEWROUTE, flags, &head, &[(RTA_OIF, &LOOPBACK.to_le_bytes()), (RTA_PREFSRC, own)]);
}

/// One message of netlink(7). The length of `head` is a multiple of four.
fn message(bytes: &mut Vec<u8>, kind: u16, flags: u16, head: &[u8], attributes: &[(u16, &[u8])]) {
    let length = |it: usize| u32::try_from(it).unwrap_or(0);
    let start = bytes.len();
    let all: usize = attributes.iter().map(|(_, value)| 4 + value.len().next_multiple_of(4)).sum();
    bytes.extend_from_slice(&length(16 + head.len() + all).to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&flags.to_le_bytes());
    // Its number among the messages: where it starts is as good as any.
    bytes.extend_from_slice(&length(start).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(head);
    for (kind, value) in attributes {
        let [low, high, ..] = length(4 + value.len()).to_le_bytes();
        bytes.extend_from_slice(&[low, high]);
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
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
