//! Packets that answer datagrams: from whom the program dialled, to the program.
//!
//! The gateway has no socket with the address that was dialled, so it writes headers itself (RFC 791, 768, 8200, 792,
//! 4443) and sends them by a raw socket inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;
/// Destination unreachable, communication administratively prohibited; RFC 1812, 5.2.7.1.
const PROHIBITED_4: [u8; 2] = [3, 13];
/// The same; RFC 4443, 3.1.
const PROHIBITED_6: [u8; 2] = [1, 1];
/// Payload bytes of a datagram: what the two lengths of IPv4 leave.
pub const PAYLOAD_BYTES_MAX: usize = 65_535 - 20 - 8;

/// A datagram with its headers; `None` if it is too long or the addresses are not of one family.
#[must_use]
pub fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return None;
    }
    let length = u16::try_from(payload.len() + 8).ok()?;
    let mut udp = Vec::with_capacity(payload.len() + 8);
    udp.extend_from_slice(&from.port().to_be_bytes());
    udp.extend_from_slice(&to.port().to_be_bytes());
    udp.extend_from_slice(&length.to_be_bytes());
    udp.extend_from_slice(&[0, 0]);
    udp.extend_from_slice(payload);
    let sum = pseudo(from.ip(), to.ip(), UDP, udp.len())? + sum(&udp);
    // A sum of 0 is sent as its other form: 0 means that there is none.
    let folded = match fold(sum) {
        0 => 0xffff,
        other => other,
    };
    udp[6..8].copy_from_slice(&folded.to_be_bytes());
    packet(from.ip(), to.ip(), UDP, &udp)
}

/// Says to `program` that its datagram to `dialled` is refused: sendto(2) or recv(2) then fails with `EHOSTUNREACH`,
/// or `EACCES` by IPv6.
#[must_use]
pub fn prohibited(dialled: SocketAddr, program: SocketAddr) -> Option<Vec<u8>> {
    // The headers that it had, so that the kernel finds the socket.
    let mut head = Vec::with_capacity(8);
    head.extend_from_slice(&program.port().to_be_bytes());
    head.extend_from_slice(&dialled.port().to_be_bytes());
    head.extend_from_slice(&[0, 8, 0, 0]);
    let original = packet(program.ip(), dialled.ip(), UDP, &head)?;
    let (kind, protocol) = match dialled.ip() {
        IpAddr::V4(_) => (PROHIBITED_4, ICMP),
        IpAddr::V6(_) => (PROHIBITED_6, ICMP6),
    };
    let mut message = [&kind[..], &[0; 6], &original].concat();
    let start = match protocol {
        ICMP => 0,
        _ => pseudo(dialled.ip(), program.ip(), ICMP6, message.len())?,
    };
    let folded = fold(start + sum(&message));
    message[2..4].copy_from_slice(&folded.to_be_bytes());
    packet(dialled.ip(), program.ip(), protocol, &message)
}

fn packet(from: IpAddr, to: IpAddr, protocol: u8, content: &[u8]) -> Option<Vec<u8>> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => packet4(from, to, protocol, content),
        (IpAddr::V6(from), IpAddr::V6(to)) => packet6(from, to, protocol, content),
        _ => None,
    }
}

fn packet4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len() + 20).ok()?;
    // Version 4 and 5 words; no type of service.
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&length.to_be_bytes());
    // Identification 0, don't fragment: raw(7) fills in what is 0, and the checksum.
    packet.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&to.octets());
    let folded = fold(sum(&packet));
    packet[10..12].copy_from_slice(&folded.to_be_bytes());
    packet.extend_from_slice(content);
    Some(packet)
}

fn packet6(from: Ipv6Addr, to: Ipv6Addr, protocol: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len()).ok()?;
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[protocol, 64]);
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&to.octets());
    packet.extend_from_slice(content);
    Some(packet)
}

/// The header that checksums count and that is not sent (RFC 768; RFC 8200, 8.1).
fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> Option<u64> {
    let addresses = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => sum(&from.octets()) + sum(&to.octets()),
        (IpAddr::V6(from), IpAddr::V6(to)) => sum(&from.octets()) + sum(&to.octets()),
        _ => return None,
    };
    Some(addresses + u64::from(protocol) + length as u64)
}

/// The sum of 16-bit words (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| {
        u64::from(pair.first().copied().unwrap_or(0)) << 8 | u64::from(pair.get(1).copied().unwrap_or(0))
    };
    bytes.chunks(2).map(word).sum()
}

fn fold(sum: u64) -> u16 {
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
#[path = "tests/packet.rs"]
mod tests;
