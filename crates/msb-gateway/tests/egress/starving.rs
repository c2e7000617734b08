//! A gateway that is short of something: memory, descriptors, time, a resolver that answers; and its end.

use crate::cases::{Case, cases, lines};
use crate::client;
use crate::http::{https, reading};
use crate::sandbox::{Host, PUBLIC, Policy, Sandbox, allow, name, only};
use crate::servers::{echo, tcp};
use msb_plan::network::Protocol;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

pub const ALL: &[Case] = cases![
    without_memory_it_ends_and_nothing_is_open,
    thousands_that_say_nothing_hold_up_nobody,
    whoever_says_little_holds_up_nobody,
    answers_that_nobody_takes_are_not_kept,
    resolvers_may_be_silent_or_talk_nonsense,
    everything_closes_with_the_sandbox,
];

const SECOND: Duration = Duration::from_secs(1);

/// A number of /proc/PID/status, in KB.
pub fn kilobytes(it: &Sandbox, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", it.gateway.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn open(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("198.18.1.1", port)).unwrap();
    stream.set_read_timeout(Some(5 * SECOND)).unwrap();
    stream
}

/// As much of a ClientHello as is kept, and never the rest.
fn endless_hello() -> Vec<u8> {
    [&[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc][..], &[0; 16_000]].concat()
}

fn without_memory_it_ends_and_nothing_is_open(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let port = server.port();
    // In KB: several times what it begins with.
    let mut it = Sandbox::after(
        "ulimit -d 20480",
        host,
        &Policy::of([
            allow(Protocol::Tls, name("bare.example.org", 2), (port, port)),
            allow(Protocol::Tcp, name("api.example.org", 1), (port, port)),
        ]),
    );
    let answered = move || {
        let mut stream = open(port);
        stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut [0; 5])).is_ok()
    };
    assert!(it.run(answered));
    let held = it.run(move || {
        let hello = endless_hello();
        let held = (0..2000).map_while(|_| {
            let mut stream = TcpStream::connect(("198.18.1.2", port)).ok()?;
            // It may be gone by now.
            stream.write_all(&hello).ok().map(|()| stream)
        });
        held.collect::<Vec<_>>()
    });
    let status = it.gateway.wait().unwrap();
    assert!(!status.success(), "{status} with {} held", held.len());
    assert!(!it.run(move || std::panic::catch_unwind(answered).unwrap_or(false)));
}

fn thousands_that_say_nothing_hold_up_nobody(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let ports = (server.port(), server.port());
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }).unwrap();
    // The gateway takes one descriptor for each as long as nothing is said, and keeps room for two.
    let count = hard.map_or(10_000, |hard| hard.saturating_sub(1000) / 2).min(10_000);
    let it = Sandbox::new(
        host,
        &Policy::of([
            allow(Protocol::Tls, name("bare.example.org", 2), ports),
            allow(Protocol::Tcp, name("api.example.org", 1), ports),
        ]),
    );
    let (held, took) = it.run(move || {
        let held: Vec<TcpStream> =
            (0..count).map(|_| TcpStream::connect(("198.18.1.2", ports.0)).unwrap()).collect();
        let begun = Instant::now();
        let mut stream = open(ports.0);
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        (held, begun.elapsed())
    });
    assert!(took < SECOND, "{took:?} beside {}", held.len());
    let resident = kilobytes(&it, "VmRSS");
    assert!(resident < 64 * 1024, "{resident} KB with {}", held.len());
    println!("  {resident} KB with {} half open", held.len());
    drop(held);
}

fn whoever_says_little_holds_up_nobody(host: &Host) {
    // A server that says a byte now and then.
    let drips = tcp(PUBLIC, 0, |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        for byte in b"HTTP/1.1 200 OK\r\nX: ".iter().chain(&[b'y'; 10_000]) {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let port = https(host, &["api.example.org"]).port();
    let plain = drips.port();
    let mut slow = allow(Protocol::Http, name("bare.example.org", 2), (plain, plain));
    slow = only(slow, 0b11, &[]);
    let it = Sandbox::new(host, &Policy::of([reading(port), slow]));
    let (held, took) = it.run({
        let trust = it.trust.clone();
        move || {
            let held: Vec<TcpStream> = (0..200)
                .map(|number| {
                    let mut stream = TcpStream::connect(("198.18.1.2", plain)).unwrap();
                    // Half of them wait for the server, and half never say all of what they want.
                    let end = if number % 2 == 0 { "\r\n\r\n" } else { "\r\nX-Y: " };
                    let head = format!("GET / HTTP/1.1\r\nHost: bare.example.org:{plain}{end}");
                    stream.write_all(head.as_bytes()).unwrap();
                    stream
                })
                .collect();
            let begun = Instant::now();
            let status = client::block_on(async move {
                let sender = client::connect(&trust, port).await;
                client::ask(&sender, port, "GET", "/v1/a", vec![]).await.unwrap().status()
            });
            assert_eq!(status, 200);
            (held, begun.elapsed())
        }
    });
    assert!(took < SECOND, "{took:?} beside {}", held.len());
}

/// Streams of HTTP/2 with all the room that there can be, and a program that reads nothing.
fn answers_that_nobody_takes_are_not_kept(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let it = Sandbox::new(host, &Policy::of([reading(port)]));
    let trust = it.trust.clone();
    let held: Vec<_> = it.run(move || {
        (0..4).map(|_| crate::frames::ask_and_read_nothing(&trust, port, "/v1/bytes", 128)).collect()
    });
    std::thread::sleep(2 * SECOND);
    let most = kilobytes(&it, "VmHWM");
    assert!(most < 64 * 1024, "{most} KB");
    drop(held);
}

fn resolvers_may_be_silent_or_talk_nonsense(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let port = server.port();
    let names = ["silent", "nonsense", "cut", "other-question", "enormous"];
    let names: Vec<&'static str> = names.iter().map(|it| &*format!("{it}.dns.example").leak()).collect();
    let rules = (1..).zip(&names).map(|(number, it)| allow(Protocol::Tcp, name(it, number), (port, port)));
    let it = Sandbox::new(host, &Policy::of(rules));
    let reach = |number: u8| {
        it.run(move || {
            let begun = Instant::now();
            let mut stream = TcpStream::connect((Ipv4Addr::new(198, 18, 1, number), port)).unwrap();
            stream.set_read_timeout(Some(20 * SECOND)).unwrap();
            let said = stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut [0; 5]));
            assert!(begun.elapsed() < 15 * SECOND, "{:?}", begun.elapsed());
            said.is_ok()
        })
    };
    for (number, name) in (1..5).zip(&names) {
        assert!(!reach(number), "{name}");
    }
    assert!(reach(5), "three thousand addresses, of which the first answers");
    let log = it.end();
    let ends: Vec<_> = log.iter().filter(|line| line["reason"] == "unresolved").collect();
    assert_eq!(ends.len(), 4, "{log:#?}");
    assert_eq!(lines(&log, "connection", "allow").len(), 1);
}

fn everything_closes_with_the_sandbox(host: &Host) {
    let ((tell, told), (begin, begun)) = (channel(), channel());
    let server = tcp(PUBLIC, 0, move |mut stream| {
        let mut buffer = [0; 1024];
        stream.read_exact(&mut [0]).unwrap();
        begin.send(()).unwrap();
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
        tell.send(()).unwrap();
    });
    let plain = server.port();
    let rules = [
        allow(Protocol::Tcp, name("api.example.org", 1), (plain, plain)),
        allow(Protocol::Tls, name("bare.example.org", 2), (plain, plain)),
        allow(Protocol::Http, name("one.wild.example", 3), (plain, plain)),
    ];
    let it = Sandbox::new(host, &Policy::of(rules));
    let held: Vec<TcpStream> = it.run(move || {
        let say = |last: u8, bytes: &[u8]| {
            let mut stream = TcpStream::connect(SocketAddr::from(([198, 18, 1, last], plain))).unwrap();
            stream.write_all(bytes).unwrap();
            stream
        };
        let request = format!("GET / HTTP/1.1\r\nHost: one.wild.example:{plain}\r\n\r\n");
        vec![say(1, b"x"), say(2, &crate::handshakes::asks(b"bare.example.org")), say(3, request.as_bytes())]
    });
    for _ in 0..3 {
        begun.recv_timeout(5 * SECOND).expect("each has got through");
    }
    let log = it.end();
    for _ in 0..3 {
        told.recv_timeout(SECOND).expect("the server sees the end");
    }
    let ends: Vec<_> = log.iter().filter(|line| line["event"] == "end").collect();
    assert!(ends.len() == 3 && ends.iter().all(|line| line["reason"] == "end-of-run"), "{ends:#?}");
    drop(held);
}
