//! What the kernel refused, as it says so: messages of nfnetlink_log (linux/netfilter/nfnetlink_log.h).
//!
//! nf_tables refuses inside what no rule can allow, before anything reaches the gateway. The launcher has it send the
//! head of each such packet to a socket that the gateway reads. Nothing is decided by them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of a message: twice what the launcher lets one have.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// Bytes of `struct nlmsghdr` and `struct nfgenmsg`.
const HEADERS_BYTES: usize = 16 + 4;
/// `NFULNL_MSG_PACKET` of `NFNL_SUBSYS_ULOG`.
const PACKET: u16 = 4 << 8;
/// `NFULA_PAYLOAD` and `NFULA_SEQ`.
const PAYLOAD: u16 = 9;
const NUMBER: u16 = 12;

/// What is spoken; IANA's protocol numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A connection that begins.
    Tcp,
    /// A datagram.
    Udp,
}

/// A packet that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What is spoken.
    pub transport: Transport,
    /// Who sent it.
    pub source: IpAddr,
    /// To whom.
    pub destination: SocketAddr,
}

/// A message: its number, and the packet where it is one that a program means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Counts from 0, by one for each packet that was refused.
    pub number: u32,
    /// `None` for what is no beginning of a connection and no datagram.
    pub head: Option<Head>,
}

/// Reads what one recv(2) gives; `None` for anything that the kernel does not send there.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Message> {
    let kind = u16::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    if kind != PACKET {
        return None;
    }
    let (mut number, mut head) = (None, None);
    let mut rest = bytes.get(HEADERS_BYTES..)?;
    while let Some(([a, b, c, d], _)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([*a, *b]));
        let value = rest.get(4..length)?;
        match u16::from_le_bytes([*c, *d]) {
            NUMBER => number = Some(u32::from_be_bytes(*value.first_chunk()?)),
            PAYLOAD => head = packet(value),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(Message { number: number?, head })
}

/// The head of a packet of IPv4 (RFC 791) or IPv6 (RFC 8200).
fn packet(bytes: &[u8]) -> Option<Head> {
    let (transport, source, destination, rest) = match bytes.first()? >> 4 {
        4 => {
            let head: &[u8; 20] = bytes.first_chunk()?;
            let address = |at: usize| Some(Ipv4Addr::from(*head.get(at..)?.first_chunk::<4>()?));
            let rest = bytes.get(usize::from(head[0] & 15) * 4..)?;
            (head[9], IpAddr::V4(address(12)?), IpAddr::V4(address(16)?), rest)
        }
        6 => {
            let head: &[u8; 40] = bytes.first_chunk()?;
            let address = |at: usize| Some(Ipv6Addr::from(*head.get(at..)?.first_chunk::<16>()?));
            (head[6], IpAddr::V6(address(8)?), IpAddr::V6(address(24)?), bytes.get(40..)?)
        }
        _ => return None,
    };
    let transport = match transport {
        // RFC 9293, 3.1: the flag SYN, which all but the first packets of a connection lack, and not ACK.
        6 if rest.get(13).is_none_or(|flags| flags & 0x12 == 0x02) => Transport::Tcp,
        17 => Transport::Udp,
        _ => return None,
    };
    let port = u16::from_be_bytes(*rest.get(2..)?.first_chunk()?);
    Some(Head { transport, source, destination: SocketAddr::new(destination, port) })
}

#[cfg(test)]
#[path = "tests/refusals.rs"]
mod tests;
