//! Limits where requests are read: whatever a connection carries, however many streams are on it, counts as it does
//! elsewhere.

use crate::cases::{Case, cases};
use crate::client;
use crate::sandbox::{Host, PUBLIC, Policy, Sandbox, allow, limited, name, only};
use crate::servers::http_counted;
use msb_plan::OriginId;
use msb_plan::network::{Limits, Protocol, Rule, Total};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub const ALL: &[Case] = cases![
    websockets_are_open_connections,
    quotas_up_are_exact_whatever_carries_them,
    quotas_down_are_exact_whatever_carries_them,
    a_quota_is_not_shared_by_a_connection,
    connections_of_a_rule_are_counted_by_its_requests,
];

/// GET, HEAD and POST of `Methods`.
const ANY: u8 = 0b111;
const QUOTA: u64 = 1_234_567;

fn rule(protocol: Protocol, port: u16, paths: &[&'static str]) -> Rule<'static> {
    only(allow(protocol, name("api.example.org", 1), (port, port)), ANY, paths)
}

/// A WebSocket as far as its first answer; the status line if there is none.
fn websocket(port: u16, path: &str) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(("198.18.1.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: api.example.org:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut status = String::new();
    reader.read_line(&mut status).map_err(|error| error.to_string())?;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    if status.contains(" 101 ") { Ok(stream) } else { Err(status) }
}

fn websockets_are_open_connections(host: &Host) {
    let (server, _) = http_counted(PUBLIC, None);
    let port = server.port();
    let limits = Limits { connections: Some(1), ..Limits::default() };
    let it = Sandbox::new(host, &Policy::of([limited(rule(Protocol::Http, port, &["/ws"]), limits)]));
    let (open, second) = it.run(move || {
        let mut open = websocket(port, "/ws").unwrap();
        let second = websocket(port, "/ws").map(drop);
        open.write_all(&[7; 5000]).unwrap();
        open.read_exact(&mut [0; 5000]).unwrap();
        (open, second)
    });
    assert!(second.is_err(), "one is open");
    drop(open);
    let begun = Instant::now();
    while it.run(move || websocket(port, "/ws").is_err()) {
        assert!(begun.elapsed() < Duration::from_secs(5), "it has ended");
    }
    let log = it.end();
    let ends: Vec<_> = log.iter().filter(|line| line["event"] == "end").collect();
    let bytes = |name: &str| ends.iter().map(|line| line[name].as_u64().unwrap()).max().unwrap();
    assert!(bytes("up_bytes") > 5000 && bytes("down_bytes") > 5000, "{ends:#?}");
}

/// What goes up by one of these, until it is refused.
const UPLOADS: [(&str, Protocol, &str); 4] = [
    ("HTTP/1.1", Protocol::Https, "--http1.1"),
    ("HTTP/1.1 in chunks", Protocol::Https, "--http1.1 -H 'Transfer-Encoding: chunked'"),
    ("eight streams of HTTP/2", Protocol::Https, "--http2 --parallel"),
    ("a WebSocket", Protocol::Http, ""),
];

fn quotas_up_are_exact_whatever_carries_them(host: &Host) {
    for (what, protocol, words) in UPLOADS {
        let tls = (protocol == Protocol::Https)
            .then(|| host.authority.server(&["api.example.org"], &["h2", "http/1.1"]));
        let (server, came) = http_counted(PUBLIC, tls);
        let port = server.port();
        let limits = Limits { up_bytes: Some(QUOTA), ..Limits::default() };
        let policy = Policy {
            totals: vec![Total { limits, origin: OriginId(1) }],
            ..Policy::of([rule(protocol, port, &["/**"])])
        };
        let it = Sandbox::new(host, &policy);
        if protocol == Protocol::Http {
            it.run(move || {
                let mut stream = websocket(port, "/ws-sink").unwrap();
                while stream.write_all(&[1; 10_000]).is_ok() {}
            });
        } else {
            it.sh(&format!(
                "head -c 900000 /dev/zero >$$.body; curl -sS --max-time 20 {words} --data-binary @$$.body \
                 'https://api.example.org:{port}/v1/upload?[1-8]'; rm $$.body"
            ));
        }
        let log = it.end();
        assert_eq!(log.last().unwrap()["up_bytes"], QUOTA, "{what}");
        let begun = Instant::now();
        while came.load(Ordering::Relaxed) < QUOTA && begun.elapsed() < Duration::from_secs(5) {
            std::thread::yield_now();
        }
        assert_eq!(came.load(Ordering::Relaxed), QUOTA, "{what}");
    }
}

fn quotas_down_are_exact_whatever_carries_them(host: &Host) {
    for version in ["--http1.1", "--http2 --parallel"] {
        let tls = host.authority.server(&["api.example.org"], &["h2", "http/1.1"]);
        let port = http_counted(PUBLIC, Some(tls)).0.port();
        let limits = Limits { down_bytes: Some(QUOTA), ..Limits::default() };
        let it = Sandbox::new(host, &Policy::of([limited(rule(Protocol::Https, port, &["/v1/**"]), limits)]));
        let (got, _) = it.sh(&format!(
            "curl -sS --max-time 20 {version} 'https://api.example.org:{port}/v1/bytes?[1-8]' 2>/dev/null | wc -c"
        ));
        let got: u64 = got.trim().parse().unwrap();
        // All but what TLS and HTTP are themselves, and what an answer that breaks off takes with it.
        assert!(got < QUOTA && got > QUOTA / 2, "{version}: {got}");
        let log = it.end();
        assert_eq!(log.last().unwrap()["down_bytes"], QUOTA, "{version}");
    }
}

fn a_quota_is_not_shared_by_a_connection(host: &Host) {
    let tls = host.authority.server(&["api.example.org"], &["h2"]);
    let port = http_counted(PUBLIC, Some(tls)).0.port();
    let limits = Limits { down_bytes: Some(QUOTA), ..Limits::default() };
    let it = Sandbox::new(
        host,
        &Policy::of([
            limited(rule(Protocol::Https, port, &["/v1/bytes"]), limits),
            rule(Protocol::Https, port, &["/free/**"]),
        ]),
    );
    let trust = it.trust.clone();
    let (got, free) = it.run(move || {
        client::block_on(async move {
            let sender = client::connect(&trust, port).await;
            let large = client::ask(&sender, port, "GET", "/v1/bytes", vec![]).await.unwrap();
            // The other rule's request comes while the answer to this one is still coming.
            let free = client::ask(&sender, port, "GET", "/free/a", vec![]).await.unwrap();
            let free = (free.status(), client::length(free).await);
            let read = tokio::time::timeout(Duration::from_secs(10), client::length(large)).await;
            (read.expect("it ends with the quota"), free)
        })
    });
    assert!(got < QUOTA && got > QUOTA / 2, "{got}");
    assert_eq!(free.0, 200);
}

fn connections_of_a_rule_are_counted_by_its_requests(host: &Host) {
    let tls = host.authority.server(&["api.example.org"], &["h2"]);
    let port = http_counted(PUBLIC, Some(tls)).0.port();
    let limits = Limits { connections: Some(1), ..Limits::default() };
    let it = Sandbox::new(
        host,
        &Policy::of([
            limited(rule(Protocol::Https, port, &["/v1/few"]), limits),
            rule(Protocol::Https, port, &["/free/**"]),
        ]),
    );
    let trust = it.trust.clone();
    let statuses = it.run(move || {
        client::block_on(async move {
            let status = async |sender: &_, path: &str| {
                client::ask(sender, port, "GET", path, vec![]).await.unwrap().status().as_u16()
            };
            let one = client::connect(&trust, port).await;
            let few = [status(&one, "/v1/few").await, status(&one, "/v1/few").await];
            // Let in by the rule that has room; the other one has none for it.
            let two = client::connect(&trust, port).await;
            let refused = [status(&two, "/free/a").await, status(&two, "/v1/few").await];
            drop(one);
            let begun = Instant::now();
            while status(&two, "/v1/few").await != 200 {
                assert!(begun.elapsed() < Duration::from_secs(5));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            [few, refused]
        })
    });
    assert_eq!(statuses, [[200, 200], [200, 429]]);
}
