//! Questions to the gateway's DNS that no resolver would send, and answers of the host's resolver that no zone should have.

use crate::cases::{Case, cases, lines};
use crate::sandbox::{Host, PUBLIC, Policy, Sandbox, allow, name};
use crate::servers::{echo, tcp};
use msb_plan::network::{Peer, Protocol};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

pub const ALL: &[Case] = cases![
    odd_questions_harm_nobody,
    odd_questions_by_tcp,
    names_lead_to_public_addresses_only,
    resolvers_may_be_odd
];

/// A name on the wire, label by label.
fn wire(labels: &[&[u8]]) -> Vec<u8> {
    let label = |it: &&[u8]| [&[u8::try_from(it.len()).unwrap()][..], it].concat();
    [labels.iter().flat_map(label).collect(), vec![0]].concat()
}

/// A message with these flags, counts and whatever follows.
fn message(flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x47, 0x11];
    bytes.extend(flags.to_be_bytes());
    bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    bytes.extend_from_slice(rest);
    bytes
}

fn question(labels: &[&[u8]], kind: u16, class: u16) -> Vec<u8> {
    message(0x100, [1, 0, 0, 0], &[&wire(labels)[..], &kind.to_be_bytes(), &class.to_be_bytes()].concat())
}

const API: &[&[u8]] = &[b"api", b"example", b"org"];

/// What is answered: the code and the number of answers; `None` for silence.
fn summary(answer: &[u8]) -> (u8, u8) {
    assert_eq!(&answer[..2], [0x47, 0x11], "to this question");
    assert!(answer[2] & 0x80 != 0, "an answer");
    (answer[3] & 15, answer[7])
}

fn policy() -> Policy {
    Policy::of([
        allow(Protocol::Tls, name("api.example.org", 1), (443, 443)),
        allow(Protocol::Tls, Peer::Below("wild.example"), (443, 443)),
    ])
}

fn odd_questions_harm_nobody(host: &Host) {
    let sandbox = Sandbox::new(host, &policy());
    let ask = |bytes: Vec<u8>, wait: u64| {
        sandbox.run(move || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(wait))).unwrap();
            socket.connect("198.18.0.1:53").unwrap();
            socket.send(&bytes).unwrap();
            let mut answer = [0; 4096];
            socket.recv(&mut answer).ok().map(|read| summary(&answer[..read]))
        })
    };
    let (ok, formerr, servfail, nxdomain, notimp) = (0, 1, 2, 3, 4);
    assert_eq!(ask(question(API, 1, 1), 2000), Some((ok, 1)));
    assert_eq!(ask(question(&[b"aPi", b"EXAMPLE", b"oRg"], 1, 1), 2000), Some((ok, 1)));
    // HTTPS, SVCB, TXT, AAAA, CNAME, PTR, NULL, CAA: nothing of that kind. ANY: what there is.
    for kind in [65, 64, 16, 28, 5, 12, 10, 257] {
        assert_eq!(ask(question(API, kind, 1), 2000), Some((ok, 0)), "{kind}");
    }
    assert_eq!(ask(question(API, 255, 1), 2000), Some((ok, 1)));
    let long: Vec<&[u8]> = vec![&[b'a'; 63]; 4];
    let two = [&wire(API)[..], &[0, 1, 0, 1], &wire(API), &[0, 1, 0, 1]].concat();
    let cookie =
        [&wire(API)[..], &[0, 1, 0, 1], &[0, 0, 41, 0xff, 0xff, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8], b"12345678"]
            .concat();
    for (what, bytes, expected) in [
        ("class CHAOS", question(&[b"version", b"bind"], 16, 3), &[notimp][..]),
        ("class ANY", question(API, 1, 255), &[notimp]),
        ("AXFR", question(API, 252, 1), &[ok, notimp]),
        ("another name", question(&[b"other", b"example", b"org"], 1, 1), &[nxdomain]),
        ("a name above", question(&[b"example", b"org"], 1, 1), &[nxdomain]),
        ("the pattern's own name", question(&[b"wild", b"example"], 1, 1), &[nxdomain]),
        ("the root", question(&[], 1, 1), &[nxdomain]),
        ("a dot in a label", question(&[b"api.example", b"org"], 1, 1), &[nxdomain]),
        ("a dot in a pattern's", question(&[b"x.evil", b"wild", b"example"], 1, 1), &[nxdomain]),
        ("a NUL in a label", question(&[b"api\0", b"example", b"org"], 1, 1), &[nxdomain]),
        ("a byte beyond ASCII", question(&[b"\xc3\xa4pi", b"wild", b"example"], 1, 1), &[nxdomain]),
        ("a label in full", question(&[&[b'a'; 63], b"wild", b"example"], 1, 1), &[ok]),
        ("an underscore", question(&[b"_dns", b"wild", b"example"], 1, 1), &[nxdomain]),
        ("an address", question(&[b"127", b"0", b"0", b"1"], 1, 1), &[nxdomain]),
        ("two questions", message(0x100, [2, 0, 0, 0], &two), &[formerr]),
        ("no question", message(0x100, [0, 0, 0, 0], &[]), &[formerr]),
        ("NOTIFY", message(0x2000, [1, 0, 0, 0], &two[..two.len() / 2]), &[notimp]),
        ("UPDATE", message(0x2800, [1, 0, 0, 0], &two[..two.len() / 2]), &[notimp]),
        ("a cookie", message(0x100, [1, 0, 0, 1], &cookie), &[ok]),
    ] {
        let answer = ask(bytes, 2000);
        assert!(answer.is_some_and(|(code, _)| expected.contains(&code)), "{what}: {answer:?}");
    }
    // What can't be read has no answer, or one that says so; an answer is no question.
    for (what, bytes) in [
        ("nothing", vec![]),
        ("a byte", vec![0x47]),
        ("half of a head", vec![0x47, 0x11, 1, 0, 0, 1]),
        ("a loop", message(0x100, [1, 0, 0, 0], &[0xc0, 12, 0, 1, 0, 1])),
        ("a pointer ahead", message(0x100, [1, 0, 0, 0], &[0xc0, 40, 0, 1, 0, 1])),
        ("a pointer into the head", message(0x100, [1, 0, 0, 0], &[0xc0, 0, 0, 1, 0, 1])),
        ("a label of 64", message(0x100, [1, 0, 0, 0], &[&[64][..], &[b'a'; 64], &[0, 0, 1, 0, 1]].concat())),
        ("a name of 257", question(&long, 1, 1)),
        ("a name that is cut", message(0x100, [1, 0, 0, 0], &[60, b'a', b'b'])),
        ("an answer", message(0x8180, [1, 0, 0, 0], &two[..two.len() / 2])),
        ("counts of 65535", message(0x100, [0xffff; 4], &two)),
        ("bytes and no more", vec![0xff; 1200]),
    ] {
        let answer = ask(bytes, 60);
        assert!(
            answer.is_none_or(|(code, _)| [formerr, servfail, notimp].contains(&code)),
            "{what}: {answer:?}"
        );
    }
    // A flood: every answer that comes is right, and the next question is answered.
    sandbox.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect("198.18.0.1:53").unwrap();
        for number in 0..20_000_u32 {
            let label = format!("x{number}");
            // What is lost is lost.
            let _ = socket.send(&question(&[label.as_bytes(), b"wild", b"example"], 1, 1));
        }
    });
    // Datagrams get lost in one: asked again, as resolvers do.
    assert!((0..20).any(|_| ask(question(API, 1, 1), 500) == Some((ok, 1))));
}

fn odd_questions_by_tcp(host: &Host) {
    let sandbox = Sandbox::new(host, &policy());
    let good = question(API, 1, 1);
    let framed = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let read = |stream: &mut TcpStream| -> std::io::Result<(u8, u8)> {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer)?;
        Ok(summary(&answer))
    };
    let connect = || {
        let stream = TcpStream::connect("198.18.0.1:53").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    };
    // Byte by byte, and two at once.
    let (bytes, two) = (framed(&good), [framed(&good), framed(&good)].concat());
    let answers = sandbox.run(move || {
        let mut stream = connect();
        for byte in bytes.chunks(1) {
            stream.write_all(byte).unwrap();
        }
        let first = read(&mut stream).unwrap();
        stream.write_all(&two).unwrap();
        (first, read(&mut stream).unwrap(), read(&mut stream).unwrap())
    });
    assert_eq!(answers, ((0, 1), (0, 1), (0, 1)));
    // No length, garbage, one that never ends: it ends, and others are answered.
    for bytes in
        [vec![0, 0], framed(&[0xff; 40]), [&[0xff, 0xff][..], &[0; 5000]].concat(), vec![0xff; 70_000]]
    {
        sandbox.run(move || {
            let mut stream = connect();
            // It may be closed in the middle.
            let _ = stream.write_all(&bytes);
        });
    }
    let bytes = framed(&good);
    let answer = sandbox.run(move || {
        let mut stream = connect();
        stream.write_all(&bytes).unwrap();
        read(&mut stream).unwrap()
    });
    assert_eq!(answer, (0, 1));
}

/// Addresses that stand for somebody near, in every range that has such.
const NEAR: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",
    "169.254.1.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.0.192",
    "192.168.0.1",
    "198.18.1.1",
    "198.19.0.1",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a01:203",
    "64:ff9b:1::a01:203",
    "2002:7f00:1::",
    "2002:a01:203::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:2::2",
    "100::1",
];

fn names_lead_to_public_addresses_only(host: &Host) {
    // Whoever listens everywhere would answer.
    let everywhere = std::net::TcpListener::bind("[::]:0").unwrap();
    let port = everywhere.local_addr().unwrap().port();
    let names: Vec<&'static str> =
        (0..NEAR.len()).map(|number| &*format!("near{number}.example.org").leak()).collect();
    host.add_names(names.iter().copied().zip(NEAR.iter().copied()));
    let number = |index: usize| 100 + u8::try_from(index).unwrap();
    let rules = names
        .iter()
        .enumerate()
        .map(|(index, it)| allow(Protocol::Tcp, name(it, number(index)), (port, port)));
    let sandbox = Sandbox::new(host, &Policy::of(rules));
    let mut reached = Vec::new();
    for (index, near) in NEAR.iter().enumerate() {
        let connected = sandbox.run(move || {
            let mut stream = TcpStream::connect((Ipv4Addr::new(198, 18, 1, number(index)), port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream.read(&mut [0])
        });
        assert!(connected.is_err(), "{near}: {connected:?}");
        reached.push(*near);
    }
    let log = sandbox.end();
    let denied = lines(&log, "connection", "deny");
    let unsaid: Vec<_> = names
        .iter()
        .zip(NEAR)
        .filter(|(name, _)| {
            !denied.iter().any(|line| line["target"] == **name && line["reason"] == "address-not-named")
        })
        .collect();
    assert!(unsaid.is_empty(), "{unsaid:?}\n{log:#?}");
    everywhere.set_nonblocking(true).unwrap();
    assert!(everywhere.accept().is_err(), "somebody was dialled");
}

/// By the host's resolver (`sandbox.rs`): chains, answers that change, come late, fail, or have very many addresses.
fn resolvers_may_be_odd(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let port = server.port();
    let names = ["chain", "private-chain", "mixed", "many", "fails", "slow", "flips", "loops"];
    let names: Vec<&'static str> = names.iter().map(|it| &*format!("{it}.dns.example").leak()).collect();
    let rules = (1..).zip(&names).map(|(number, it)| allow(Protocol::Tcp, name(it, number), (port, port)));
    let sandbox = Sandbox::new(host, &Policy::of(rules));
    let reach = |number: u8| {
        sandbox.run(move || {
            let begun = Instant::now();
            let mut stream = TcpStream::connect((Ipv4Addr::new(198, 18, 1, number), port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let said = stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut [0; 5]));
            (said.is_ok(), begun.elapsed())
        })
    };
    assert!(reach(1).0, "a chain of aliases to a public address");
    assert!(!reach(2).0, "one to a private address");
    assert!(reach(3).0, "private and public ones: the public one");
    assert!(reach(4).0, "sixty addresses, over TCP");
    assert!(!reach(5).0, "SERVFAIL");
    // While a slow one is being waited for, others go on.
    let (slow, other) = std::thread::scope(|scope| {
        let dialled = sandbox.start(move || {
            let mut stream = TcpStream::connect((Ipv4Addr::new(198, 18, 1, 6), port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut [0; 5])).is_ok()
        });
        let other = scope.spawn(|| reach(1)).join().unwrap();
        (dialled.recv().unwrap(), other)
    });
    assert!(slow && other.0 && other.1 < Duration::from_millis(500), "{slow} {other:?}");
    // Public when it is first asked, private afterwards: remembered for seconds, and looked at every time.
    assert!(reach(7).0);
    std::thread::sleep(Duration::from_millis(5100));
    assert!(!reach(7).0, "rebinding");
    assert!(!reach(8).0, "an alias of itself");
}
