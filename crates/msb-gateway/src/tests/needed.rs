//! What a person is told to type.

use super::{connection, lookup, request, server_name};
use crate::rules::{Protocol, Refusal, Target};

fn name(name: &str) -> Target {
    Target::Name(name.to_owned())
}

fn address(text: &str) -> Target {
    Target::Address(text.parse().unwrap())
}

#[test]
fn a_connection_needs_its_protocol_whom_and_port() {
    for (spoken, target, port, expected) in [
        (Protocol::Tcp, name("a.example"), 443, Some("allow https \"a.example\":443")),
        (Protocol::Tcp, name("a.example"), 80, Some("allow http \"a.example\":80")),
        (Protocol::Tcp, name("a.example"), 5432, Some("allow tcp \"a.example\":5432")),
        (Protocol::Tls, name("a.example"), 8443, Some("allow tls \"a.example\":8443")),
        (Protocol::Udp, address("203.0.113.9"), 443, Some("allow udp 203.0.113.9:443")),
        (Protocol::Tcp, address("2001:db8::7"), 443, Some("allow tcp [2001:db8::7]:443")),
        (Protocol::Tcp, address("10.0.0.7"), 22, Some("allow tcp 10.0.0.7:22")),
        (Protocol::Tcp, Target::Loopback, 5432, Some("allow tcp host:5432")),
        (Protocol::Tcp, address("169.254.169.254"), 80, None),
        (Protocol::Tcp, name("metadata.google.internal"), 80, None),
        (Protocol::Udp, address("224.0.0.251"), 5353, None),
        (Protocol::Udp, address("255.255.255.255"), 67, None),
        (Protocol::Tcp, address("127.0.0.1"), 80, None),
    ] {
        let needed = connection(Refusal::NoRule, spoken, &target, port);
        assert_eq!(needed.as_deref(), expected, "{spoken:?} {target} {port}");
        // No rule helps against a deny.
        assert_eq!(connection(Refusal::Rule(0), spoken, &target, port), None);
    }
}

#[test]
fn names_are_those_that_can_be_dialled() {
    assert_eq!(lookup("a.example").as_deref(), Some("allow https \"a.example\":443"));
    assert_eq!(server_name("B.Example", 8443).as_deref(), Some("allow tls \"b.example\":8443"));
    for odd in ["", "*.example", "127.0.0.1", "a\0.example", "a b"] {
        assert_eq!(server_name(odd, 443), None, "{odd:?}");
    }
}

#[test]
fn a_request_needs_a_method_and_a_path_that_the_language_has() {
    let of = |method, path| request(Protocol::Https, &name("a.example"), 443, (method, path));
    let whole = |rest: &str| Some(format!("allow https \"a.example\":443 only {rest}"));
    assert_eq!(of("POST", "/v1/items"), whole("POST /v1/items"));
    assert_eq!(of("GET", "/"), whole("GET /"));
    assert_eq!(of("GET", "/a%20b,c"), whole("GET \"/a b,c\""));
    for (method, path) in [
        ("PROPFIND", "/"),
        ("GET", "/a*b"),
        ("GET", "/a%3Fb"),
        ("GET", "/%22"),
        ("GET", "/a/../b"),
        ("GET", "*"),
    ] {
        assert_eq!(of(method, path), None, "{method} {path}");
    }
}
