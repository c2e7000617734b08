//! Servers that answer oddly, by HTTP/1.1 and by frames of HTTP/2: an answer is that of its own request, and nothing that a
//! server sends unasked reaches a program.

use crate::cases::{Case, cases};
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, fields, frame,
};
use crate::sandbox::{Host, PUBLIC, Policy, Sandbox, allow, name};
use crate::servers::tcp;
use crate::wire::raw;
use msb_plan::network::{Protocol, Rule};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const ALL: &[Case] = cases![
    an_answer_is_that_of_its_request,
    what_a_server_sends_by_frames_is_an_answer_or_nothing,
    a_server_that_takes_nothing_holds_up_nobody,
    events_may_be_far_apart,
];

const PUSH_PROMISE: u8 = 5;
const WINDOW_UPDATE: u8 = 8;

/// Answers requests one after another, on whichever connection they come; a request ends with its head.
fn one_after_another(answers: &'static [&'static str]) -> u16 {
    let next = AtomicUsize::new(0);
    let at = tcp(PUBLIC, 0, move |mut stream| {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let Some(answer) = answers.get(index) else { return };
            // The last one may end with the connection.
            if stream.write_all(answer.as_bytes()).is_err() || index + 1 == answers.len() {
                return;
            }
        }
    });
    at.port()
}

/// Two requests on one connection, the answers of the server, and what the program gets: `|` is between the answers, of
/// which status and body count.
const ANSWERS: &[(&str, &[&str], &str)] = &[
    ("GET GET", &["200 OK\nContent-Length: 2\n\nok", "200 OK\nContent-Length: 2\n\nno"], "200 ok|200 no"),
    (
        "GET GET",
        &[
            "100 Continue\n\nHTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            "204 No\n\n",
        ],
        "200 ok|204 ",
    ),
    // Nothing follows the head of these, whatever it says (RFC 9112, 6.3).
    ("HEAD GET", &["200 OK\nContent-Length: 5\n\n", "200 OK\nContent-Length: 2\n\nok"], "200 |200 ok"),
    (
        "HEAD GET",
        &["200 OK\nTransfer-Encoding: chunked\n\n", "200 OK\nContent-Length: 2\n\nok"],
        "200 |200 ok",
    ),
    ("GET GET", &["304 Not\nContent-Length: 5\n\n", "200 OK\nContent-Length: 2\n\nok"], "304 |200 ok"),
    ("GET GET", &["204 No\n\n", "200 OK\nContent-Length: 2\n\nok"], "204 |200 ok"),
    ("GET GET", &["205 Reset\nContent-Length: 0\n\n", "200 OK\nContent-Length: 2\n\nok"], "205 |200 ok"),
    // Chunks, their extensions and trailers; a body that ends with the connection.
    (
        "GET GET",
        &["200 OK\nTransfer-Encoding: chunked\n\n2;a=b\nok\n0\nX: y\n\n", "204 No\n\n"],
        "200 ok|204 ",
    ),
    ("GET", &["200 OK\n\nuntil the end"], "200 until the end"),
];

/// The same where a server sends more than was asked for: the second program request gets another connection's answer, or
/// the gateway's, and never what came unasked.
const POISON: &[(&str, &str)] = &[
    ("GET", "200 OK\nContent-Length: 2\n\nokHTTP/1.1 200 OK\nContent-Length: 6\n\npoison"),
    ("HEAD", "200 OK\nContent-Length: 6\n\npoison"),
    ("HEAD", "200 OK\nContent-Length: 40\n\nHTTP/1.1 200 OK\nContent-Length: 6\n\npoison"),
    ("GET", "204 No\nContent-Length: 6\n\npoison"),
    ("GET", "204 No\nTransfer-Encoding: chunked\n\n6\npoison\n0\n\n"),
    ("GET", "304 Not\nContent-Length: 6\n\npoison"),
    ("GET", "100 Continue\n\nHTTP/1.1 204 No\n\nHTTP/1.1 200 OK\nContent-Length: 6\n\npoison"),
];

/// Statuses and bodies of the answers in `text`.
fn shown(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for answer in text.split("HTTP/1.1 ").filter(|it| !it.is_empty()) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let lines: Vec<&str> = body.split("\r\n").collect();
        let body = if chunked { lines.iter().skip(1).step_by(2).copied().collect() } else { body.to_owned() };
        all.push(format!("{} {body}", head.get(..3).unwrap_or_default()));
    }
    all
}

fn http(port: u16) -> Rule<'static> {
    allow(Protocol::Http, name("api.example.org", 1), (port, port))
}

fn an_answer_is_that_of_its_request(host: &Host) {
    let ask = |sandbox: &Sandbox, port: u16, methods: &str| {
        let one = |method: &str| format!("{method} / HTTP/1.1\r\nHost: api.example.org:{port}\r\n\r\n");
        let requests: String = methods.split(' ').map(one).collect();
        raw(sandbox, port, requests.into_bytes())
    };
    let lines = |answer: &str| format!("HTTP/1.1 {}", answer.replace('\n', "\r\n"));
    for (methods, answers, expected) in ANSWERS {
        let answers: Vec<&str> = answers.iter().map(|it| &*lines(it).leak()).collect();
        let port = one_after_another(answers.leak());
        let sandbox = Sandbox::new(host, &Policy::of([http(port)]));
        let found = ask(&sandbox, port, methods);
        assert_eq!(shown(&found).join("|"), *expected, "{methods} {answers:?}\n{found}", answers = expected);
    }
    for (method, answer) in POISON {
        let answer: &'static str = lines(answer).leak();
        let port =
            one_after_another(vec![answer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean"].leak());
        let sandbox = Sandbox::new(host, &Policy::of([http(port)]));
        let found = ask(&sandbox, port, &format!("{method} GET"));
        let answers = shown(&found);
        assert!(answers.len() <= 2 && !found.contains("poison"), "{answer:?}\n{found}");
    }
}

/// What a server of HTTP/2 was told before the first request, and what it answers to that.
struct Frames {
    port: u16,
    /// What came before it answered.
    told: Arc<Mutex<Vec<u8>>>,
}

/// A server that answers the first request of each connection with `answer`, frames as they are, and then reads.
fn by_frames(host: &Host, answer: Vec<u8>) -> Frames {
    let config = host.authority.server(&["api.example.org"], &["h2"]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let serve = move |stream: TcpStream| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        // Behind the preface of 24 bytes are frames; a request has come with its HEADERS.
        let asked = |bytes: &[u8]| {
            let mut rest = bytes.get(24..).unwrap_or_default();
            while let Some(head) = rest.get(..9) {
                if head[3] == HEADERS {
                    return true;
                }
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                rest = rest.get(9 + length..).unwrap_or_default();
            }
            false
        };
        if stream.write_all(&frame(SETTINGS, 0, 0, &[])).is_err() {
            return;
        }
        while !asked(&bytes) {
            match stream.read(&mut buffer) {
                Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
                _ => return,
            }
        }
        *seen.lock().unwrap() = bytes;
        let begun = Instant::now();
        for piece in answer.chunks(1 << 14) {
            if begun.elapsed() > Duration::from_secs(2) || stream.write_all(piece).is_err() {
                return;
            }
        }
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    };
    Frames { port: tcp(PUBLIC, 0, serve).port(), told }
}

fn read_all(port: u16) -> Rule<'static> {
    let mut rule = allow(Protocol::Https, name("api.example.org", 1), (port, port));
    rule.terms.inspect = true;
    rule
}

fn what_a_server_sends_by_frames_is_an_answer_or_nothing(host: &Host) {
    let status = |code: &str| fields(&[(":status", code)]);
    let ok = frame(HEADERS, END_HEADERS, 1, &status("200"));
    let end = frame(DATA, END_STREAM, 1, b"ok");
    let many = |count: usize, one: &[u8]| one.repeat(count);
    let promised = [
        &2_u32.to_be_bytes()[..],
        &fields(&[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/p"),
            (":authority", "api.example.org"),
        ]),
    ]
    .concat();
    let push = [
        frame(PUSH_PROMISE, END_HEADERS, 1, &promised),
        frame(HEADERS, END_HEADERS, 2, &status("200")),
        frame(DATA, END_STREAM, 2, b"poison"),
        ok.clone(),
        end.clone(),
    ]
    .concat();
    let hints = frame(HEADERS, END_HEADERS, 1, &fields(&[(":status", "103"), ("link", "</a>")]));
    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&[("x-checksum", "1")]));
    let split = fields(&[("x-a", "a\r\nset-cookie: poison")]);
    let sound: [(&str, Vec<u8>); 6] = [
        ("an answer", [ok.clone(), end.clone()].concat()),
        ("hints before it", [hints.clone(), hints, ok.clone(), end.clone()].concat()),
        ("trailers", [ok.clone(), frame(DATA, 0, 1, b"ok"), trailers].concat()),
        ("padding", [ok.clone(), frame(DATA, END_STREAM | 8, 1, b"\x03ok\0\0\0")].concat()),
        (
            "a going away that leaves it its stream",
            [frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), ok.clone(), end.clone()].concat(),
        ),
        ("an unknown frame", [frame(0xfe, 0, 1, b"?"), ok.clone(), end.clone()].concat()),
    ];
    let unsound: [(&str, Vec<u8>); 13] = [
        ("a push", push),
        (
            "a field that is two",
            [frame(HEADERS, END_HEADERS, 1, &[&status("200")[..], &split].concat()), end.clone()].concat(),
        ),
        ("no status", [frame(HEADERS, END_HEADERS, 1, &fields(&[("x", "y")])), end.clone()].concat()),
        ("data first", end.clone()),
        (
            "another stream",
            [frame(HEADERS, END_HEADERS, 3, &status("200")), frame(DATA, END_STREAM, 3, b"poison")].concat(),
        ),
        ("a going away", frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0])),
        ("a reset", frame(RST_STREAM, 0, 1, &2_u32.to_be_bytes())),
        ("settings without end", many(200_000, &frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]))),
        ("pings without end", many(200_000, &frame(PING, 0, 0, b"12345678"))),
        (
            "a head without end",
            [
                frame(HEADERS, 0, 1, &status("200")),
                many(40_000, &frame(CONTINUATION, 0, 1, &fields(&[("x", &"y".repeat(120))]))),
            ]
            .concat(),
        ),
        (
            "a window that overflows",
            [
                frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
                frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
            ]
            .concat(),
        ),
        ("a frame that is too large", frame(DATA, 0, 1, &vec![b'x'; 1 << 20])),
        (
            "hints without end",
            many(100_000, &frame(HEADERS, END_HEADERS, 1, &fields(&[(":status", "103"), ("link", "</a>")]))),
        ),
    ];
    let ask = |sandbox: &Sandbox, port: u16| {
        sandbox.sh(&format!(
            "curl -sS --http2 --max-time 3 -w ' %{{http_code}}' https://api.example.org:{port}/ 2>&1"
        ))
    };
    for (what, answer) in sound {
        let server = by_frames(host, answer);
        let sandbox = Sandbox::new(host, &Policy::of([read_all(server.port)]));
        let (said, _) = ask(&sandbox, server.port);
        assert_eq!(said, "ok 200", "{what}");
        // SETTINGS_ENABLE_PUSH is 0: no server may push (RFC 9113, 8.4).
        let told = server.told.lock().unwrap();
        assert!(told.windows(6).any(|it| it == [0, 2, 0, 0, 0, 0]), "{what}: {told:?}");
    }
    for (what, answer) in unsound {
        let server = by_frames(host, answer);
        let sandbox = Sandbox::new(host, &Policy::of([read_all(server.port)]));
        let (said, _) = ask(&sandbox, server.port);
        // What has no answer at all may be waited for; what has a broken one is said to be.
        let refused = said.contains("\"status\":502") || said.ends_with(" 000") || said.ends_with(" 502");
        assert!(refused && !said.contains("poison"), "{what}: {said}");
        let high = crate::starving::kilobytes(&sandbox, "VmHWM");
        assert!(high < 64 * 1024, "{what}: {high} KB");
    }
}

fn a_server_that_takes_nothing_holds_up_nobody(host: &Host) {
    // A window of no bytes, which is never opened.
    let closed = by_frames(host, frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    let open = crate::http::https(host, &["api.example.org"]).port();
    let sandbox = Sandbox::new(host, &Policy::of([read_all(closed.port), read_all(open)]));
    let (said, _) = sandbox.sh(&format!(
        "head -c 30000000 /dev/zero | timeout 4 curl -sS --http2 --max-time 3 --data-binary @- \
         https://api.example.org:{}/ >/dev/null 2>&1 & \
         sleep 1; curl -sS --max-time 3 -o /dev/null -w '%{{http_code}}' https://api.example.org:{open}/v1/a; wait",
        closed.port
    ));
    assert_eq!(said, "200");
    let high = crate::starving::kilobytes(&sandbox, "VmHWM");
    assert!(high < 48 * 1024, "{high} KB of an upload that nobody takes");
}

/// Longer apart than anything else may take: ten seconds for first bytes, for the head of a request, for a handshake.
fn events_may_be_far_apart(host: &Host) {
    let at = tcp(PUBLIC, 0, |mut stream| {
        let mut buffer = [0; 4096];
        if stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n";
            // Whether the other side is still there shows by what it got.
            let _ = stream.write_all(head.as_bytes());
            std::thread::sleep(Duration::from_secs(12));
            let _ = stream.write_all(b"data: two\n\n");
        }
    });
    let sandbox = Sandbox::new(host, &Policy::of([http(at.port())]));
    let (said, code) = sandbox.sh(&format!("curl -sSN --max-time 25 http://api.example.org:{}/", at.port()));
    assert_eq!((said.as_str(), code), ("data: one\n\ndata: two\n\n", Some(0)));
}
