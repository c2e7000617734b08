use super::*;
use proptest::prelude::*;

fn v4(last: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(198, 18, 0, last), port).into()
}

#[test]
fn the_example_of_rfc_1071_adds_up() {
    assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), !0xddf2);
}

proptest! {
    /// Sums over what was written, checksums included, are all ones: what a receiver checks.
    #[test]
    fn checksums_hold(payload in prop::collection::vec(any::<u8>(), 0..2000), from in any::<u16>(), to in any::<u16>()) {
        let packet = datagram(v4(1, from), v4(2, to), &payload).unwrap_or_default();
        prop_assert_eq!(packet.len(), 28 + payload.len());
        prop_assert_eq!(fold(sum(&packet[..20])), 0);
        let (source, target) = (v4(1, 0).ip(), v4(2, 0).ip());
        let pseudo = pseudo(source, target, UDP, payload.len() + 8).unwrap_or_default();
        prop_assert_eq!(fold(pseudo + sum(&packet[20..])), 0);
    }
}

#[test]
fn what_does_not_fit_is_none() {
    assert!(datagram(v4(1, 1), v4(2, 2), &vec![0; PAYLOAD_BYTES_MAX]).is_some());
    assert!(datagram(v4(1, 1), v4(2, 2), &vec![0; PAYLOAD_BYTES_MAX + 1]).is_none());
    assert!(datagram(v4(1, 1), (Ipv6Addr::LOCALHOST, 1).into(), &[]).is_none());
    assert!(
        prohibited(v4(1, 1), v4(2, 2))
            .is_some_and(|packet| packet[9] == ICMP && packet[20..22] == PROHIBITED_4)
    );
}
