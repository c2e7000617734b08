//! How the launcher starts the gateway and hands the sandbox's sockets to it.
//!
//! The launcher starts `msb-gateway --plan-fd N --sockets-fd N [--report-fd N] [--audit-fd N] [--set NAME=VALUE]…` before it makes
//! the sandbox, so that both are set up at the same time:
//!
//! - `--plan-fd` is a sealed file in memory with the bytes of the plan that the launcher applies;
//! - `--sockets-fd` is a unix socket of kind `SOCK_SEQPACKET`, on which the messages below go;
//! - `--report-fd`, where the launcher wants to know, is a file in memory that takes what was counted at the end, at most
//!   [`REPORT_BYTES_MAX`]: the length of the first form (`u32`, little endian), events ([`crate::event`]) as lines of JSON,
//!   and the same events as they stand on a report descriptor;
//! - `--audit-fd`, where the launcher was given one, takes a JSON line for each lookup, connection and request;
//! - `--set` binds each parameter of kind `Host` or `Secret` that was given at launch. The value of a secret is never
//!   a secret but its source: `env:NAME`, `file:PATH`, `fd:N` or `command:PROGRAM WORD…`, which the gateway executes.
//!
//! Its standard input and output are /dev/null, standard error and the environment are the launcher's. It is in a
//! session of its own, and the kernel kills it with the launcher. It has the launcher's identity: where that is root,
//! it gives it up by itself.
//!
//! ```text
//! sandbox ── SOCKETS, mask, SCM_RIGHTS ──▶ gateway     once, as soon as its namespace is made
//! sandbox ◀── TRUST, SCM_RIGHTS [file] ─── gateway     once, where the plan has `trust`, and before READY
//! sandbox ◀── JAVA_TRUST, SCM_RIGHTS … ─── gateway     the same for `java_trust`, after TRUST
//! sandbox ◀── READY, ports ─────────────── gateway     once: from now on connections are answered
//! sandbox ◀── FAILED, event::Failure ───── gateway     in place of READY; then the gateway ends
//! sandbox ◀── MAKE, family ─────────────── gateway     any time after READY, where the plan has `listens`
//! sandbox ── MADE, SCM_RIGHTS [socket] ──▶ gateway     the answer, in order; without a descriptor when it failed
//! ```
//!
//! The command is executed after READY. When the gateway ends, the launcher kills everything inside and says
//! that it was the gateway. When everything inside has ended, the launcher closes the last other end of the socket:
//! the gateway then writes what it has to report and ends within [`END_MS`], or is killed.

use crate::event::Failure;
use crate::network::LISTENS_MAX;
use crate::wire::Reader;
use alloc::vec::Vec;

/// Sandbox to gateway: one byte, then the mask of [`Socket`]s, whose descriptors come with it in the order of bits.
pub const SOCKETS: u8 = b'S';
/// Gateway to sandbox: one byte, and a descriptor of a file in memory: PEM, at most [`TRUST_BYTES_MAX`].
pub const TRUST: u8 = b'C';
/// Gateway to sandbox: one byte, and a descriptor of a file in memory: the same as a Java key store of type JKS, at most
/// [`TRUST_BYTES_MAX`].
pub const JAVA_TRUST: u8 = b'J';
/// Gateway to sandbox: one byte, then for each of the plan's `listens` the port of the host that it has (`u16`, little
/// endian).
pub const READY: u8 = b'R';
/// Gateway to sandbox: one byte, then what [`encode_failure`] writes, its step one of `Gateway`,
/// `Secret` (whose origin is the parameter's), `GatewayHost` and `Publish` (whose origin is the rule's).
pub const FAILED: u8 = b'F';
/// Gateway to sandbox: one byte, then [`V4_STREAM`] and its like: a new socket inside is wanted, to dial a published
/// port.
pub const MAKE: u8 = b'M';
/// Sandbox to gateway: one byte, and the descriptor of a non-blocking, unconnected socket.
pub const MADE: u8 = b'D';

/// After [`MAKE`]: `AF_INET`, `SOCK_STREAM`.
pub const V4_STREAM: u8 = 0;
/// After [`MAKE`]: `AF_INET6`, `SOCK_STREAM`.
pub const V6_STREAM: u8 = 1;
/// After [`MAKE`]: `AF_INET`, `SOCK_DGRAM`.
pub const V4_DATAGRAM: u8 = 2;
/// After [`MAKE`]: `AF_INET6`, `SOCK_DGRAM`.
pub const V6_DATAGRAM: u8 = 3;

/// Writes what follows [`FAILED`].
#[must_use]
pub fn encode_failure(failure: &Failure) -> Vec<u8> {
    postcard::to_allocvec(failure).unwrap_or_default()
}

/// Writes [`READY`] and what follows it.
#[must_use]
pub fn encode_ready(ports: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::from([READY]);
    bytes.extend(ports.iter().flat_map(|port| port.to_le_bytes()));
    bytes
}

/// Reads what follows [`READY`]: the ports.
pub fn decode_ports(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks_exact(2).map(|port| u16::from_le_bytes([port[0], port[1]]))
}

/// Reads what follows [`FAILED`]; `None` for anything that [`encode_failure`] does not write.
#[must_use]
pub fn decode_failure(bytes: &[u8]) -> Option<Failure> {
    Reader::read(bytes)
}

/// Bytes of the longest message: [`READY`] with all ports.
pub const MESSAGE_BYTES_MAX: usize = 1 + 2 * LISTENS_MAX;
/// Bytes of the certificates that [`TRUST`] or [`JAVA_TRUST`] hands over; a distribution's have a quarter of it.
pub const TRUST_BYTES_MAX: usize = 1 << 20;
/// Bytes of what a gateway counted, in both forms.
pub const REPORT_BYTES_MAX: usize = 1 << 20;
/// How long the gateway has to end by itself.
pub const END_MS: u64 = 1000;

/// The sockets of [`SOCKETS`]: the bit of each, and its place among the descriptors. All are non-blocking. Those of
/// IPv6 are missing where the kernel has none, and [`Socket::Refusals`] where nobody wants to know or the kernel can't say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Socket {
    /// `SOCK_STREAM`, listening, `IP_TRANSPARENT`: accept gives the connections that programs make;
    /// getsockname(2) of one is whom the program dialled.
    Tcp4 = 0,
    /// The same of IPv6, `IPV6_V6ONLY`.
    Tcp6 = 1,
    /// `SOCK_DGRAM`, `IP_TRANSPARENT` and `IP_RECVORIGDSTADDR`: each datagram comes with whom it was sent to
    /// (`IP_ORIGDSTADDR`).
    Udp4 = 2,
    /// The same of IPv6 (`IPV6_RECVORIGDSTADDR`), `IPV6_V6ONLY`.
    Udp6 = 3,
    /// `SOCK_RAW` of `IPPROTO_RAW`: answers to datagrams, with an IPv4 header whose source is whom the program dialled.
    Raw4 = 4,
    /// The same of IPv6; the header is in what is sent (`IPV6_HDRINCL`).
    Raw6 = 5,
    /// `AF_NETLINK`, bound to [`crate::network::REFUSALS_GROUP`]: a message of nfnetlink_log for each packet that nf_tables
    /// refused, numbered (`NFULNL_CFG_F_SEQ`), so that lost ones show.
    Refusals = 6,
}

impl Socket {
    /// Every socket, in the order of bits.
    pub const ALL: [Socket; 7] = [
        Socket::Tcp4,
        Socket::Tcp6,
        Socket::Udp4,
        Socket::Udp6,
        Socket::Raw4,
        Socket::Raw6,
        Socket::Refusals,
    ];

    /// Its bit in the mask.
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Its place among the descriptors of a message with `mask`; `None` where it is not there.
    #[must_use]
    pub const fn place(self, mask: u8) -> Option<usize> {
        if mask & self.bit() == 0 { None } else { Some((mask & (self.bit() - 1)).count_ones() as usize) }
    }
}
