//! ClientHellos by hand: the name of a rule in every spelling and every odd place.

use crate::cases::{Case, cases};
use crate::sandbox::{Host, PUBLIC, Policy, Sandbox, allow, name};
use crate::servers::{echo, tcp};
use msb_plan::network::Protocol;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

pub const ALL: &[Case] = cases![a_hello_asks_for_one_name_in_one_place];

fn pair(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// The extension of RFC 6066, 3 with these entries: their kind and name.
fn sni(entries: &[(u8, &[u8])]) -> (u16, Vec<u8>) {
    let list: Vec<u8> =
        entries.iter().flat_map(|(kind, name)| [&[*kind][..], &pair(name)].concat()).collect();
    (0, pair(&list))
}

/// The message, with its own head and without a record's.
fn message(version: u16, extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let all: Vec<u8> =
        extensions.iter().flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &pair(body)].concat()).collect();
    let body =
        [&version.to_be_bytes()[..], &[7; 32], &[0], &pair(&[0x13, 0x01, 0xc0, 0x2f]), &[1, 0], &pair(&all)]
            .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], &body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 1][..], &pair(body)].concat()
}

fn hello(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    record(22, &message(0x303, extensions))
}

/// One for this name.
pub fn asks(name: &[u8]) -> Vec<u8> {
    hello(&[sni(&[(0, name)])])
}

fn a_hello_asks_for_one_name_in_one_place(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let ports = (server.port(), server.port());
    let sandbox = Sandbox::new(host, &Policy::of([allow(Protocol::Tls, name("api.example.org", 1), ports)]));
    // Whether the server gets all of it, and nothing else.
    let passes = |bytes: Vec<u8>| {
        sandbox.run(move || {
            let mut stream = TcpStream::connect(("198.18.1.1", ports.0)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let mut answer = vec![0; bytes.len()];
            let read = stream.write_all(&bytes).and_then(|()| stream.read_exact(&mut answer));
            read.is_ok() && answer == bytes
        })
    };
    const API: &[u8] = b"api.example.org";
    let good = hello(&[sni(&[(0, API)])]);
    let one_byte_each: Vec<u8> =
        message(0x303, &[sni(&[(0, API)])]).chunks(1).flat_map(|byte| record(22, byte)).collect();
    for (what, bytes) in [
        ("plain", good.clone()),
        ("capitals", asks(b"API.Example.ORG")),
        ("a final dot", asks(b"api.example.org.")),
        ("TLS 1.0", record(22, &message(0x301, &[sni(&[(0, API)])]))),
        ("TLS 1.1", record(22, &message(0x302, &[sni(&[(0, API)])]))),
        (
            "other extensions around",
            hello(&[
                (0x0a0a, vec![1]),
                sni(&[(0, API)]),
                (16, pair(b"\x02h2")),
                (41, vec![0; 40]),
                (42, vec![]),
            ]),
        ),
        ("early data behind", [good.clone(), record(23, b"early")].concat()),
        ("a record for each byte", one_byte_each),
        ("large", hello(&[sni(&[(0, API)]), (21, vec![0; 12_000])])),
    ] {
        assert!(passes(bytes), "{what}");
    }
    let mut cut = good.clone();
    cut[4] -= 1;
    for (what, bytes) in [
        ("no name", hello(&[])),
        ("another name", asks(b"other.example.org")),
        ("a name below", asks(b"x.api.example.org")),
        ("a name above", asks(b"example.org")),
        ("a longer one", asks(b"api.example.orgx")),
        ("empty", asks(b"")),
        ("two final dots", asks(b"api.example.org..")),
        ("a NUL", asks(b"api.example.org\0")),
        ("a NUL and more", asks(b"api.example.org\0.evil.example")),
        ("a space", asks(b"api.example.org ")),
        ("a port", asks(b"api.example.org:443")),
        ("a star", asks(b"*.example.org")),
        ("an address", asks(b"203.0.113.10")),
        ("an address inside", asks(b"198.18.1.1")),
        ("a number", asks(b"3405803786")),
        ("IPv6", asks(b"2001:db8::10")),
        ("UTF-8", asks("äpi.example.org".as_bytes())),
        ("full width", asks("ａpi.example.org".as_bytes())),
        ("another kind of name", hello(&[sni(&[(1, API)])])),
        ("two names", hello(&[sni(&[(0, API), (0, b"other.example.org")])])),
        ("two names, ours last", hello(&[sni(&[(0, b"other.example.org"), (0, API)])])),
        ("the same twice", hello(&[sni(&[(0, API), (0, API)])])),
        ("two extensions", hello(&[sni(&[(0, API)]), sni(&[(0, b"other.example.org")])])),
        ("no entry", hello(&[sni(&[])])),
        ("a list that is too long", hello(&[(0, [&[0, 99][..], API].concat())])),
        ("bytes behind the list", hello(&[(0, [sni(&[(0, API)]).1, vec![0]].concat())])),
        ("encrypted too", hello(&[sni(&[(0, API)]), (0xfe0d, vec![0; 50])])),
        ("encrypted as before", hello(&[sni(&[(0, API)]), (0xffce, vec![0; 50])])),
        ("a record that is too long", [&[22, 3, 1, 0x48, 0][..], &[0; 100]].concat()),
        ("a record that is too short", cut),
        ("an empty record", [record(22, b""), good.clone()].concat()),
        ("an alert first", [record(21, &[1, 0]), good.clone()].concat()),
        ("data first", [record(23, b"x"), good.clone()].concat()),
        ("another message", record(22, &[2, 0, 0, 1, 0])),
        (
            "half of it in another kind of record",
            [record(22, &good[5..30]), record(23, &good[30..])].concat(),
        ),
        (
            "huge",
            [
                &[22, 3, 1, 0x40, 0][..],
                &[1, 0xff, 0xff, 0xff],
                &[0; 16_380],
                &[22, 3, 1, 0x40, 0],
                &[0; 16_384],
            ]
            .concat(),
        ),
        ("SSL 2", [&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10][..], &[0; 40]].concat()),
    ] {
        assert!(!passes(bytes), "{what}");
    }
}
