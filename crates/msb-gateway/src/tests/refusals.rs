//! Messages as the kernel sends them (6.18), and others.

use super::{Head, Message, Transport, read};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A message with this number and packet, and the other attributes that come with them.
fn message(number: u32, packet: &[u8]) -> Vec<u8> {
    let attribute = |kind: u16, value: &[u8]| {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [&length.to_le_bytes()[..], &kind.to_le_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let attributes = [
        attribute(1, &hex("08000300")),
        attribute(10, &[0]),
        attribute(5, &hex("00000001")),
        attribute(12, &number.to_be_bytes()),
        attribute(9, packet),
    ]
    .concat();
    let length = u32::try_from(20 + attributes.len()).unwrap();
    [&length.to_le_bytes()[..], &hex("0004 0000 00000000 00000000 02000001"), &attributes].concat()
}

/// As a program that dials 8.8.8.8:443 has sent it.
const SYN: &str = "4500003c1f57400040068c547f00000108080808a68601bbaf66546400000000a002ffd78f3f00000204ffd7";

#[track_caller]
fn check(packet: &str, expected: Option<(Transport, &str, &str)>) {
    let head = expected.map(|(transport, source, destination)| Head {
        transport,
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    });
    assert_eq!(read(&message(7, &hex(packet))), Some(Message { number: 7, head }));
}

#[test]
fn the_head_of_a_packet_is_read() {
    check(SYN, Some((Transport::Tcp, "127.0.0.1", "8.8.8.8:443")));
    let udp = "45000404b07b40004011f55a7f0000010909090987f0003503f0951478787878";
    check(udp, Some((Transport::Udp, "127.0.0.1", "9.9.9.9:53")));
    // With options of IPv4 before the ports.
    let with_options = SYN.replacen("45", "46", 1).replace("08080808", "08080808 01010101");
    check(&with_options, Some((Transport::Tcp, "127.0.0.1", "8.8.8.8:443")));
    let six = format!("60000000 0028 06 40 {:032x} {:032x} {}", 1, 2, &SYN[40..]);
    check(&six, Some((Transport::Tcp, "::1", "[::2]:443")));
}

#[test]
fn what_begins_nothing_is_none() {
    // A reset, an answer to a connection, ICMP.
    check(&SYN.replace("a002", "a004"), None);
    check(&SYN.replace("a002", "a012"), None);
    check(&SYN.replacen("4006", "4001", 1), None);
    check("", None);
    check("45", None);
    check(&SYN[..44], None);
    check("f0", None);
}

#[test]
fn no_byte_string_stops_it() {
    let good = message(3, &hex(SYN));
    for length in 0..good.len() {
        // Cut anywhere, it is none, or one whose packet is not whole.
        assert!(read(&good[..length]).is_none_or(|it| it.head.is_none() || length > 60), "{length}");
    }
    for at in 0..good.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[at] = value;
            let _ = read(&bad);
        }
    }
    assert_eq!(read(&message(3, &hex(SYN))[..20]), None);
    let mut other = good.clone();
    other[4] = 1;
    assert_eq!(read(&other), None);
}
