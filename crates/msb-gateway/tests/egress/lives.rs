//! The life of a connection: how it begins, is held up, and ends, on either side, and what that costs; and limits that
//! many run into at once.

use crate::cases::{Case, cases, lines};
use crate::http::{https, reading};
use crate::sandbox::{Host, OTHER, PUBLIC, Policy, Sandbox, allow, limited, v4};
use crate::servers::{echo, tcp, udp_echo};
use msb_plan::OriginId;
use msb_plan::network::{Limits, Protocol, Rate, Total};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

pub const ALL: &[Case] = cases![
    resets_are_passed_on,
    either_side_may_end_first,
    urgent_bytes_hold_nobody_up,
    small_pieces_are_not_held_back,
    a_server_that_speaks_first_is_heard,
    idle_and_half_closed_connections_cost_nothing,
    a_stopped_gateway_lets_nothing_pass,
    many_that_come_at_once_are_all_answered,
    connections_are_counted_in_a_race,
    quotas_of_a_rule_and_of_all_hold_together,
    datagrams_have_odd_sizes_and_sources,
    quotas_of_datagrams_are_exact,
    requests_at_once_are_counted,
];

const SECOND: Duration = Duration::from_secs(1);

fn open(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(5 * SECOND)).unwrap();
    stream
}

fn sandbox(host: &Host, to: SocketAddr) -> Sandbox {
    Sandbox::new(host, &Policy::of([allow(Protocol::Tcp, v4(PUBLIC), (to.port(), to.port()))]))
}

fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

fn resets_are_passed_on(host: &Host) {
    let server = tcp(PUBLIC, 0, |mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        reset(stream);
    });
    let it = sandbox(host, server);
    let ended = it.run(move || {
        let mut stream = open(server);
        stream.write_all(b"x").unwrap();
        stream.read(&mut [0]).map_err(|error| error.kind())
    });
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
    let (tell, told) = channel();
    let server = tcp(PUBLIC, 0, move |mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        tell.send(stream.read(&mut [0]).map_err(|error| error.kind())).unwrap();
    });
    let it = sandbox(host, server);
    it.run(move || {
        let mut stream = open(server);
        stream.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        reset(stream);
    });
    assert_eq!(told.recv_timeout(5 * SECOND).unwrap(), Err(ErrorKind::ConnectionReset));
}

fn either_side_may_end_first(host: &Host) {
    // The server says everything and that it is done; the program goes on saying something for a while.
    let (tell, told) = channel();
    let server = tcp(PUBLIC, 0, move |mut stream| {
        stream.write_all(&vec![1; 500_000]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        tell.send(rest.len()).unwrap();
    });
    let it = sandbox(host, server);
    let got = it.run(move || {
        let mut stream = open(server);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        for _ in 0..50 {
            stream.write_all(&[2; 10_000]).unwrap();
        }
        all.len()
    });
    assert_eq!((got, told.recv_timeout(5 * SECOND).unwrap()), (500_000, 500_000));
    // Both at once, with nothing said.
    let server = tcp(PUBLIC, 0, drop);
    let it = sandbox(host, server);
    let ended = it.run(move || {
        let mut stream = open(server);
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read(&mut [0]).unwrap()
    });
    assert_eq!(ended, 0);
}

fn urgent_bytes_hold_nobody_up(host: &Host) {
    let (tell, told) = channel();
    let server = tcp(PUBLIC, 0, move |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        tell.send(all).unwrap();
    });
    let it = sandbox(host, server);
    it.run(move || {
        let mut stream = open(server);
        for _ in 0..20 {
            stream.write_all(b"ab").unwrap();
            rustix::net::send(&stream, b"!", rustix::net::SendFlags::OOB).unwrap();
            stream.write_all(b"cd").unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        // Until the other side has ended.
        let _ = stream.read(&mut [0]);
    });
    let got = told.recv_timeout(5 * SECOND).unwrap();
    let plain: Vec<u8> = got.into_iter().filter(|byte| *byte != b'!').collect();
    assert_eq!(plain, b"abcd".repeat(20));
}

/// Nagle's algorithm and delayed acknowledgements together cost 40 ms for each pair of small pieces.
fn small_pieces_are_not_held_back(host: &Host) {
    let server = tcp(PUBLIC, 0, |mut stream| {
        stream.set_nodelay(true).unwrap();
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() {
            stream.write_all(b"one").unwrap();
            std::thread::sleep(Duration::from_micros(300));
            stream.write_all(b"two").unwrap();
        }
    });
    let it = sandbox(host, server);
    let took = it.run(move || {
        let mut stream = open(server);
        stream.set_nodelay(true).unwrap();
        let begun = Instant::now();
        for _ in 0..20 {
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0; 6]).unwrap();
        }
        begun.elapsed()
    });
    assert!(took < Duration::from_millis(400), "{took:?}");
}

fn a_server_that_speaks_first_is_heard(host: &Host) {
    let server = tcp(PUBLIC, 0, |mut stream| {
        stream.write_all(b"220 hello\r\n").unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        stream.write_all(&byte).unwrap();
    });
    let it = sandbox(host, server);
    let said = it.run(move || {
        let mut stream = open(server);
        let mut greeting = [0; 11];
        stream.read_exact(&mut greeting).unwrap();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        greeting
    });
    assert_eq!(&said, b"220 hello\r\n");
}

/// CPU of a process, in ticks of 10 ms.
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let rest = stat.rsplit_once(')').unwrap().1;
    rest.split_whitespace().skip(11).take(2).map(|it| it.parse::<u64>().unwrap()).sum()
}

fn idle_and_half_closed_connections_cost_nothing(host: &Host) {
    // It is told that no more comes, keeps its own side open, and says nothing.
    let server = tcp(PUBLIC, 0, |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        std::thread::sleep(3 * SECOND);
    });
    let it = sandbox(host, server);
    let held = it.run(move || {
        let half = |number: usize| {
            let mut stream = open(server);
            stream.write_all(b"x").unwrap();
            if number.is_multiple_of(2) {
                stream.shutdown(Shutdown::Write).unwrap();
            }
            stream
        };
        (0..60).map(half).collect::<Vec<_>>()
    });
    // Blocked too: nobody reads what these send.
    let blocked = it.run(move || {
        let mut stream = open(server);
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[1; 65_536]).is_ok() {}
        stream
    });
    std::thread::sleep(Duration::from_millis(200));
    let before = ticks(it.gateway.id());
    std::thread::sleep(Duration::from_millis(500));
    let used = ticks(it.gateway.id()) - before;
    assert!(used <= 3, "{used} ticks in half a second");
    drop((held, blocked));
}

fn a_stopped_gateway_lets_nothing_pass(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let it = sandbox(host, server);
    let gateway = Pid::from_raw(it.gateway.id().cast_signed());
    kill(gateway, Signal::SIGSTOP).unwrap();
    let (mut stream, said) = it.run(move || {
        let mut stream = open(server);
        stream.write_all(b"hello").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let said = stream.read(&mut [0; 5]).is_ok();
        (stream, said)
    });
    assert!(!said, "nobody decided about it");
    kill(gateway, Signal::SIGCONT).unwrap();
    let said = it.run(move || {
        stream.set_read_timeout(Some(5 * SECOND)).unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).map(|()| answer)
    });
    assert_eq!(&said.unwrap(), b"hello");
}

fn many_that_come_at_once_are_all_answered(host: &Host) {
    let server = tcp(PUBLIC, 0, echo);
    let it = sandbox(host, server);
    let answered: usize = it.run(move || {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut all: Vec<TcpStream> = (0..100).map(|_| open(server)).collect();
                    for stream in &mut all {
                        stream.write_all(b"x").unwrap();
                    }
                    all.iter_mut().filter_map(|stream| stream.read_exact(&mut [0]).ok()).count()
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(answered, 800);
}

fn connections_are_counted_in_a_race(host: &Host) {
    static OPEN: AtomicU32 = AtomicU32::new(0);
    static MOST: AtomicU32 = AtomicU32::new(0);
    let server = tcp(PUBLIC, 0, |mut stream| {
        MOST.fetch_max(OPEN.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
        OPEN.fetch_sub(1, Ordering::SeqCst);
    });
    let limits = Limits { connections: Some(5), ..Limits::default() };
    let rule = limited(allow(Protocol::Tcp, v4(PUBLIC), (server.port(), server.port())), limits);
    let it = Sandbox::new(host, &Policy::of([rule]));
    let got = it.run(move || {
        let barrier = Arc::new(Barrier::new(40));
        let threads: Vec<_> = (0..40)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                std::thread::spawn(move || {
                    barrier.wait();
                    let mut stream = open(server);
                    let answered = stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0]));
                    barrier.wait();
                    answered.is_ok()
                })
            })
            .collect();
        threads.into_iter().map(|it| u32::from(it.join().unwrap())).sum::<u32>()
    });
    assert_eq!((got, MOST.load(Ordering::SeqCst)), (5, 5));
}

fn quotas_of_a_rule_and_of_all_hold_together(host: &Host) {
    let server = tcp(PUBLIC, 0, |mut stream| while stream.write_all(&[1; 10_000]).is_ok() {});
    let other = tcp(OTHER, 0, |mut stream| while stream.write_all(&[1; 10_000]).is_ok() {});
    let quota = |bytes| Limits { both_bytes: Some(bytes), ..Limits::default() };
    let rule = |to: SocketAddr, address, bytes| {
        limited(allow(Protocol::Tcp, v4(address), (to.port(), to.port())), quota(bytes))
    };
    let policy = Policy {
        totals: vec![Total { limits: quota(1_500_007), origin: OriginId(1) }],
        ..Policy::of([rule(server, PUBLIC, 1_000_003), rule(other, OTHER, 5_000_000)])
    };
    let it = Sandbox::new(host, &policy);
    let (one, two): (u64, u64) = it.run(move || {
        let read = |to: SocketAddr| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    std::thread::spawn(move || {
                        let (mut stream, mut buffer, mut got) = (open(to), [0; 50_000], 0_u64);
                        while let Ok(read @ 1..) = stream.read(&mut buffer) {
                            got += read as u64;
                        }
                        got
                    })
                })
                .collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        };
        (read(server), read(other))
    });
    assert_eq!((one, one + two), (1_000_003, 1_500_007));
}

fn datagrams_have_odd_sizes_and_sources(host: &Host) {
    let server = udp_echo(PUBLIC, 0);
    // Answers from somebody else, and never from where it was asked.
    let asked = UdpSocket::bind((PUBLIC, 0)).unwrap();
    let elsewhere = UdpSocket::bind((OTHER, 0)).unwrap();
    let shifty = asked.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((read, from)) = asked.recv_from(&mut buffer) {
            let _ = elsewhere.send_to(&buffer[..read], from);
        }
    });
    let it = Sandbox::new(
        host,
        &Policy::of([server, shifty].map(|to| allow(Protocol::Udp, v4(PUBLIC), (to.port(), to.port())))),
    );
    let ask = |to: SocketAddr, size: usize, from: u16, wait: u64| {
        it.run(move || {
            let socket = UdpSocket::bind(("0.0.0.0", from)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(wait))).unwrap();
            socket.send_to(&vec![b'a'; size], to)?;
            let mut buffer = vec![0; 65_536];
            socket.recv_from(&mut buffer)
        })
    };
    for size in [0, 1, 1472, 1473, 8972, 65_000, 65_507] {
        assert_eq!(ask(server, size, 0, 2000).unwrap(), (size, server), "{size}");
    }
    assert!(ask(shifty, 5, 0, 200).is_err(), "who was not asked is not heard");
    // A port that is used again, and the port of the server itself.
    for from in [40_000, 40_000, server.port()] {
        assert_eq!(ask(server, 7, from, 2000).unwrap(), (7, server), "from {from}");
    }
}

fn quotas_of_datagrams_are_exact(host: &Host) {
    let (tell, told) = channel();
    let server = UdpSocket::bind((PUBLIC, 0)).unwrap();
    let to = server.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((read, _)) = server.recv_from(&mut buffer) {
            tell.send(read as u64).unwrap();
        }
    });
    let limits = Limits { up_bytes: Some(10_050), ..Limits::default() };
    let it = Sandbox::new(
        host,
        &Policy::of([limited(allow(Protocol::Udp, v4(PUBLIC), (to.port(), to.port())), limits)]),
    );
    it.run(move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        // Whole ones as long as they fit, then a small one that still does.
        for _ in 0..50 {
            socket.send_to(&[1; 1000], to).unwrap();
        }
        socket.send_to(&[1; 50], to).unwrap();
        socket.send_to(&[1; 1], to).unwrap();
    });
    let mut got = 0;
    while let Ok(more) = told.recv_timeout(Duration::from_millis(300)) {
        got += more;
    }
    assert_eq!(got, 10_050);
}

fn requests_at_once_are_counted(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let rate = Some(Rate { count: 1, period_us: 60_000_000, burst: 7 });
    let it = Sandbox::new(host, &Policy::of([limited(reading(port), Limits { rate, ..Limits::default() })]));
    let url = format!("https://api.example.org:{port}/v1/[1-30]");
    let (said, _) = it.sh(&format!(
        "curl -sS --http2 --parallel --parallel-immediate -w '%{{http_code}}\\n' -o /dev/null '{url}'"
    ));
    assert_eq!(said.matches("200").count(), 7, "{said}");
    assert_eq!(said.matches("429").count(), 23, "{said}");
    let log = it.end();
    assert_eq!(lines(&log, "request", "allow").len(), 7);
}
