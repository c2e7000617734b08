//! HTTP/2 by hand: requests that no client of a library can send, and floods.

use crate::cases::{Case, cases};
use crate::http::{https, reading};
use crate::sandbox::{Host, Policy, Sandbox};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const ALL: &[Case] = cases![fields_of_a_request_are_what_they_must_be, floods_end_their_own_connection];

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as literals that nobody indexes (RFC 7541, 6.2.2).
pub fn fields(all: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in all {
        bytes.push(0);
        for text in [name, value] {
            bytes.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// A connection inside.
pub type Tls = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

/// A connection inside, behind its preface.
fn connect(trust: &std::path::Path, port: u16) -> Tls {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(trust).unwrap().flatten());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("api.example.org").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(("198.18.1.1", port)).unwrap();
    for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
        set(&stream, Some(Duration::from_secs(5))).unwrap();
    }
    let mut stream = rustls::StreamOwned::new(connection, stream);
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).unwrap();
    stream
}

/// What becomes of stream 1: the first byte of its answer's fields, or `None` if it has no answer.
fn answer(stream: &mut Tls) -> Option<u8> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).ok()?;
        match (head[3], head[8]) {
            (HEADERS, 1) => return payload.first().copied(),
            (RST_STREAM, 1) | (GOAWAY, _) => return None,
            _ => {}
        }
    }
}

/// Requests for `path` on many streams, which may send as much as there can be; nobody reads it.
pub fn ask_and_read_nothing(trust: &std::path::Path, port: u16, path: &str, streams: u32) -> Tls {
    const SETTINGS_INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
    const WINDOW_UPDATE: u8 = 8;
    let mut stream = connect(trust, port);
    let most = 0x7fff_ffff_u32;
    let api = format!("api.example.org:{port}");
    let request = fields(&[(":method", "GET"), (":scheme", "https"), (":path", path), (":authority", &api)]);
    let settings = [&SETTINGS_INITIAL_WINDOW_SIZE[..], &most.to_be_bytes()].concat();
    let mut bytes = frame(SETTINGS, 0, 0, &settings);
    bytes.extend(frame(WINDOW_UPDATE, 0, 0, &(most - 65_535).to_be_bytes()));
    for number in 0..streams {
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &request));
    }
    stream.write_all(&bytes).unwrap();
    stream
}

/// `:status 200`; RFC 7541, appendix A.
const OK: Option<u8> = Some(0x88);

fn fields_of_a_request_are_what_they_must_be(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let sandbox = Sandbox::new(host, &Policy::of([reading(port)]));
    let api = format!("api.example.org:{port}");
    let good = [(":method", "GET"), (":scheme", "https"), (":path", "/v1/a"), (":authority", api.as_str())];
    let with = |name: &'static str, value: &'static str| {
        good.map(|(known, old)| if known == name { (known, value) } else { (known, old) }).to_vec()
    };
    let and = |name: &'static str, value: &'static str| [&good[..], &[(name, value)]].concat();
    let without = |name: &str| good.iter().copied().filter(|(it, _)| *it != name).collect::<Vec<_>>();
    let ask = |list: &[(&str, &str)], data: Option<&str>| {
        let end = if data.is_none() { END_STREAM } else { 0 };
        let mut bytes = frame(HEADERS, END_HEADERS | end, 1, &fields(list));
        if let Some(data) = data {
            bytes.extend(frame(DATA, END_STREAM, 1, data.as_bytes()));
        }
        let trust = sandbox.trust.clone();
        sandbox.run(move || {
            let mut stream = connect(&trust, port);
            stream.write_all(&bytes).unwrap();
            answer(&mut stream)
        })
    };
    assert_eq!(ask(&good, None), OK);
    assert_eq!(ask(&and("host", "api.example.org"), None), OK);
    assert_eq!(ask(&[&without(":authority")[..], &[("host", api.as_str())]].concat(), None), OK);
    assert_eq!(ask(&and("content-length", "2"), Some("ab")), OK);
    assert_eq!(ask(&with(":path", "/v1/a?b=/../c"), None), OK);
    let bad = [
        with(":authority", "other.example.org"),
        with(":authority", ""),
        with(":authority", "api.example.org@other.example.org"),
        with(":authority", "other.example.org, api.example.org"),
        and("host", "other.example.org"),
        and(":authority", "other.example.org"),
        [&and("host", "api.example.org")[..], &[("host", "other.example.org")]].concat(),
        without(":authority"),
        without(":path"),
        without(":method"),
        without(":scheme"),
        with(":path", ""),
        with(":path", "v1/a"),
        with(":path", "*"),
        with(":path", "/admin"),
        with(":path", "/v1/../admin"),
        with(":path", "/v1/%2e%2e/admin"),
        with(":path", "https://other.example.org/v1/a"),
        with(":path", "/v1/a b"),
        with(":path", "/v1/a\r\nx: y"),
        with(":scheme", "http"),
        with(":scheme", "ftp"),
        with(":method", "POST"),
        with(":method", "get"),
        with(":method", "CONNECT"),
        with(":method", "TRACE"),
        with(":method", "G T"),
        and(":path", "/v1/b"),
        and(":method", "GET"),
        and(":unknown", "x"),
        and(":protocol", "websocket"),
        [&[("x", "y")][..], &good].concat(),
        and("X-Upper", "y"),
        and("connection", "keep-alive"),
        and("transfer-encoding", "chunked"),
        and("upgrade", "websocket"),
        and("te", "gzip"),
        and("keep-alive", "x"),
        and("x", "a\0b"),
        and("x", "a\r\nb: c"),
        and("x y", "z"),
        and("", "z"),
        and("x-http-method-override", "DELETE"),
        and("x-original-url", "/admin"),
    ];
    for list in bad {
        assert_ne!(ask(&list, None), OK, "{list:?}");
    }
    // A length that is not that of the data.
    assert_ne!(ask(&and("content-length", "9"), Some("ab")), OK);
    assert_ne!(ask(&and("content-length", "1"), Some("ab")), OK);
    assert_ne!(ask(&and("content-length", "x"), Some("ab")), OK);
}

fn floods_end_their_own_connection(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let sandbox = Sandbox::new(host, &Policy::of([reading(port)]));
    let api = format!("api.example.org:{port}");
    let good = fields(&[(":method", "GET"), (":scheme", "https"), (":path", "/v1/a"), (":authority", &api)]);
    let ok = {
        let (good, trust) = (good.clone(), sandbox.trust.clone());
        move |sandbox: &Sandbox| {
            let (good, trust) = (good.clone(), trust.clone());
            sandbox.run(move || {
                let mut stream = connect(&trust, port);
                stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &good)).unwrap();
                answer(&mut stream)
            })
        }
    };
    assert_eq!(ok(&sandbox), OK);
    let many = |count: usize, one: &dyn Fn(u32) -> Vec<u8>| -> Vec<u8> {
        (0..u32::try_from(count).unwrap()).flat_map(one).collect()
    };
    let junk = fields(&[("x", &"y".repeat(120))]);
    // One entry of the table, and a frame full of references to it: 16 KB that would be 60 MB (RFC 7541, 7.3).
    let mut bomb = vec![0x40, 1, b'x', 0x7f, 0xa1, 0x1e];
    bomb.extend(vec![b'y'; 4000]);
    bomb.extend(vec![0xbe; 12_000]);
    let floods: [(&str, Vec<u8>); 8] = [
        (
            "continuation",
            [frame(HEADERS, END_STREAM, 1, &good), many(40_000, &|_| frame(CONTINUATION, 0, 1, &junk))]
                .concat(),
        ),
        (
            "empty continuation",
            [frame(HEADERS, END_STREAM, 1, &good), many(200_000, &|_| frame(CONTINUATION, 0, 1, &[]))]
                .concat(),
        ),
        (
            "rapid reset",
            many(20_000, &|number| {
                let stream = 2 * number + 1;
                [
                    frame(HEADERS, END_HEADERS | END_STREAM, stream, &good),
                    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
                ]
                .concat()
            }),
        ),
        ("bomb", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&good[..], &bomb].concat())),
        ("settings", many(100_000, &|_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]))),
        ("pings", many(100_000, &|_| frame(PING, 0, 0, b"12345678"))),
        ("streams", many(5000, &|number| frame(HEADERS, END_HEADERS, 2 * number + 1, &good))),
        (
            "empty data",
            [frame(HEADERS, END_HEADERS, 1, &good), many(200_000, &|_| frame(DATA, 0, 1, &[]))].concat(),
        ),
    ];
    for (flood, bytes) in floods {
        let trust = sandbox.trust.clone();
        sandbox.run(move || {
            let mut stream = connect(&trust, port);
            let begun = Instant::now();
            // Nothing is read meanwhile. It ends when the gateway has had enough, or reads no more.
            for piece in bytes.chunks(1 << 16) {
                if begun.elapsed() > Duration::from_secs(2) || stream.write_all(piece).is_err() {
                    break;
                }
            }
        });
        assert_eq!(ok(&sandbox), OK, "after {flood}");
        let status = std::fs::read_to_string(format!("/proc/{}/status", sandbox.gateway.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(kilobytes < 64 * 1024, "{flood}: {kilobytes} KB");
    }
}
