//! Requests of HTTP/1.1 that one server reads in one way and another in another. The gateway refuses them, or makes of
//! them what has one reading (`strict.rs`); a request inside of another is never one of its own.

use crate::cases::{Case, cases};
use crate::sandbox::{Host, Policy, Sandbox, allow, name, only};
use crate::strict;
use msb_plan::network::{Protocol, Rule};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

pub const ALL: &[Case] = cases![
    what_has_two_readings_gets_one_or_none,
    paths_are_compared_as_servers_read_them,
    other_protocols_do_not_hide_requests,
    an_upgrade_that_nobody_asked_for_is_not_believed,
    a_server_that_says_two_things_is_not_believed,
];

/// Sends `bytes` and says that no more comes; what is answered until the end.
pub fn raw(sandbox: &Sandbox, port: u16, bytes: Vec<u8>) -> String {
    sandbox.run(move || {
        let mut stream = TcpStream::connect(("198.18.1.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // It may be refused before it was all said.
        let _ = stream.write_all(&bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    })
}

fn http(port: u16) -> Rule<'static> {
    allow(Protocol::Http, name("api.example.org", 1), (port, port))
}

/// What comes of bytes.
#[derive(Clone, Copy)]
enum Comes {
    /// 400, or nothing: the server sees nothing of it.
    Refused,
    /// The server sees this request and no other; `Refused` of what follows.
    To(&'static str),
    /// The server sees both.
    Both(&'static str, &'static str),
}
use Comes::{Both, Refused, To};

/// `API` is the rule's host with its port, a line ends with `\n` for `\r\n`, `¶` is a bare line feed, `␍` a bare
/// carriage return and `␀` a NUL.
const MATRIX: &[(&str, Comes)] = &[
    // lengths
    ("POST /one HTTP/1.1\nHost: API\nContent-Length: 5\n\nhello", To("POST /one api.example.org 5")),
    (
        "POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
        To("POST /one api.example.org 5"),
    ),
    ("POST /one HTTP/1.1\nHost: API\nContent-Length: 5\nContent-Length: 6\n\nhelloX", Refused),
    (
        "POST /one HTTP/1.1\nHost: API\nContent-Length: 5\nContent-Length: 5\n\nhello",
        To("POST /one api.example.org 5"),
    ),
    ("POST /one HTTP/1.1\nHost: API\nContent-Length: 5, 6\n\nhelloX", Refused),
    ("POST /one HTTP/1.1\nHost: API\nContent-Length: +5\n\nhello", Refused),
    ("POST /one HTTP/1.1\nHost: API\nContent-Length: -5\n\nhello", Refused),
    ("POST /one HTTP/1.1\nHost: API\nContent-Length: 0x5\n\nhello", Refused),
    ("POST /one HTTP/1.1\nHost: API\nContent-Length: 5 5\n\nhello", Refused),
    ("POST /one HTTP/1.1\nHost: API\nContent-Length: \n\nhello", Refused),
    ("POST /one HTTP/1.1\nHost: API\nContent-Length: 99999999999999999999\n\nhello", Refused),
    // CL.TE and TE.CL: one length is left, and what was inside stays inside or is refused with it
    (
        "POST /one HTTP/1.1\nHost: API\nContent-Length: 4\nTransfer-Encoding: chunked\n\n5c\nGET /smuggled HTTP/1.1\nHost: other.example.org\nX: 0123456789012345678901234567890123456789\n\n\n0\n\n",
        Refused,
    ),
    (
        "POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\nContent-Length: 70\n\n0\n\nGET /smuggled HTTP/1.1\nHost: other.example.org\n\n",
        To("POST /one api.example.org 0"),
    ),
    // TE.TE
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\nTransfer-Encoding: x\n\n0\n\n", Refused),
    (
        "POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: x, chunked\n\n0\n\n",
        To("POST /one api.example.org 0"),
    ),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked, x\n\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: xchunked\n\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding:␋chunked\n\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding : chunked\n\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding\n : chunked\n\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\n Transfer-Encoding: chunked\n\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nX: y␍Transfer-Encoding: chunked\n\n0\n\n", Refused),
    ("POST /one HTTP/1.0\nHost: API\nTransfer-Encoding: chunked\n\n0\n\n", Refused),
    // chunks
    (
        "POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\n\n5;a=b\nhello\n0\n\n",
        To("POST /one api.example.org 5"),
    ),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\n\n5;a=¶b\nhello\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\n\n0x5\nhello\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\n\n-5\nhello\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\n\n10000000000000005\nhello\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\n\n5\nhelloX\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\n\n5¶hello\n0\n\n", Refused),
    ("POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\n\n\n5\nhello\n0\n\n", Refused),
    (
        "POST /one HTTP/1.1\nHost: API\nTransfer-Encoding: chunked\nTrailer: host\n\n5\nhello\n0\nHost: other.example.org\nContent-Length: 9\n\n",
        To("POST /one api.example.org 5"),
    ),
    // lines and fields
    ("GET /one HTTP/1.1¶Host: API¶¶", To("GET /one api.example.org 0")),
    ("GET /one HTTP/1.1\nHost: API\n\tfolded: x\n\n", Refused),
    ("GET /one HTTP/1.1\n Host: API\n\n", Refused),
    ("GET /one HTTP/1.1\nHost: API\nX␀Y: z\n\n", Refused),
    ("GET /one HTTP/1.1\nHost: API\nX: a␀b\n\n", Refused),
    ("GET /one HTTP/1.1\nHost: API\nX Y: z\n\n", Refused),
    ("GET /one HTTP/1.1\nHost: API\n: z\n\n", Refused),
    ("GET /one HTTP/1.1\nHost: API\nX\n\n", Refused),
    ("GET /one HTTP/1.1\nHost: API\nHost: API\n\n", Refused),
    ("GET /one HTTP/1.1\nHost: API, other.example.org\n\n", Refused),
    ("GET /one HTTP/1.1\nHost: API#@other.example.org\n\n", Refused),
    ("GET /one HTTP/1.1\nHost:\n\n", Refused),
    ("GET /one HTTP/1.1\nHost: API\nHost\t: other.example.org\n\n", Refused),
    // first lines
    ("GET /one\n\n", Refused),
    ("GET  /one HTTP/1.1\nHost: API\n\n", Refused),
    ("GET /one  HTTP/1.1\nHost: API\n\n", Refused),
    ("GET /one HTTP/1.1 X\nHost: API\n\n", Refused),
    ("GET /o ne HTTP/1.1\nHost: API\n\n", Refused),
    ("GET /one HTTP/1.2\nHost: API\n\n", Refused),
    ("GET /one HTTP/2.0\nHost: API\n\n", Refused),
    ("GET /one http/1.1\nHost: API\n\n", Refused),
    ("G@T /one HTTP/1.1\nHost: API\n\n", Refused),
    ("GET one HTTP/1.1\nHost: API\n\n", Refused),
    ("GET * HTTP/1.1\nHost: API\n\n", Refused),
    ("GET http://other.example.org/one HTTP/1.1\nHost: API\n\n", Refused),
    ("GET http://API/one HTTP/1.1\nHost: other.example.org\n\n", Refused),
    ("GET http://API@other.example.org/one HTTP/1.1\nHost: API\n\n", Refused),
    (
        "GET //other.example.org/one HTTP/1.1\nHost: API\n\n",
        To("GET //other.example.org/one api.example.org 0"),
    ),
    ("CONNECT api.example.org:443 HTTP/1.1\nHost: API\n\n", Refused),
    ("TRACE /one HTTP/1.1\nHost: API\n\n", Refused),
    ("PRI * HTTP/2.0\n\nSM\n\n", Refused),
    // what follows
    (
        "GET /one HTTP/1.1\nHost: API\n\nGET /two HTTP/1.1\nHost: API\n\n",
        Both("GET /one api.example.org 0", "GET /two api.example.org 0"),
    ),
    (
        "GET /one HTTP/1.1\nHost: API\n\nGET /smuggled HTTP/1.1\nHost: other.example.org\n\n",
        To("GET /one api.example.org 0"),
    ),
    (
        "GET /one HTTP/1.1\nHost: API\nConnection: close\n\nGET /smuggled HTTP/1.1\nHost: API\n\n",
        To("GET /one api.example.org 0"),
    ),
    (
        "GET /one HTTP/1.0\nHost: API\n\nGET /smuggled HTTP/1.1\nHost: API\n\n",
        To("GET /one api.example.org 0"),
    ),
    (
        "GET /one HTTP/1.1\nHost: API\nContent-Length: 5\n\nhelloGET /two HTTP/1.1\nHost: API\n\n",
        Both("GET /one api.example.org 5", "GET /two api.example.org 0"),
    ),
    (
        "GET /one HTTP/1.1\nHost: API\nExpect: 100-continue\nContent-Length: 5\n\nhello",
        To("GET /one api.example.org 5"),
    ),
    // Taken out between two neighbours: what makes the length or the host must stay.
    (
        "POST /one HTTP/1.1\nHost: API\nConnection: Content-Length\nContent-Length: 5\n\nhello",
        To("POST /one api.example.org 5"),
    ),
    ("GET /one HTTP/1.1\nHost: API\nConnection: Host\n\n", To("GET /one api.example.org 0")),
    (
        "POST /one HTTP/1.1\nHost: API\nConnection: Transfer-Encoding\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
        To("POST /one api.example.org 5"),
    ),
];

fn what_has_two_readings_gets_one_or_none(host: &Host) {
    let (at, seen) = strict::serve();
    let port = at.port();
    let sandbox = Sandbox::new(host, &Policy::of([http(port)]));
    let mut wrong = Vec::new();
    for (text, comes) in MATRIX {
        let bytes = text
            .replace('\n', "\r\n")
            .replace('¶', "\n")
            .replace('␍', "\r")
            .replace('␀', "\0")
            .replace('␋', "\u{b}")
            .replace("API", &format!("api.example.org:{port}"));
        let answer = raw(&sandbox, port, bytes.into_bytes());
        let mut seen = std::mem::take(&mut *seen.lock().unwrap());
        // The head of a request may be gone before its body turns out to be broken: it then ends in the middle.
        seen.retain(|line| line != "CUT");
        let refused = answer.is_empty() || answer.contains("HTTP/1.1 4") || answer.contains("HTTP/1.1 5");
        let right = match comes {
            Refused => refused && seen.is_empty(),
            To(one) => seen == [*one],
            Both(one, two) => seen == [*one, *two],
        };
        if !right {
            wrong.push(format!("{text:?}\n  answer {answer:?}\n  seen {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn paths_are_compared_as_servers_read_them(host: &Host) {
    let (at, seen) = strict::serve();
    let port = at.port();
    let sandbox = Sandbox::new(host, &Policy::of([only(http(port), 0b11, &["/v1/**"])]));
    let mut wrong = Vec::new();
    for (target, is_allowed) in [
        ("/v1/a", true),
        ("/v1/", true),
        ("/v1/a?x=/../admin", true),
        ("/v1/a%20b", true),
        ("/v1/%C3%A9", true),
        ("/%76%31/a", true),
        ("/v1/a;b=c", true),
        ("/v1", false),
        ("/", false),
        ("/V1/a", false),
        ("/v1x/a", false),
        ("/v2/a", false),
        ("/v1?/a", false),
        ("/v1%3F/a", false),
        ("/v1/../admin", false),
        ("/v1/..", false),
        ("/v1/.", false),
        ("/v1/./../admin", false),
        ("/v1/%2e%2e/admin", false),
        ("/v1/%2E./admin", false),
        ("/v1/%252e%252e/admin", false),
        ("/v1/%25252e/admin", false),
        ("/v1/..%2fadmin", false),
        ("/v1/%2fadmin", false),
        ("/v1%2fa", false),
        ("/v1/..%5cadmin", false),
        ("/v1/..\\admin", false),
        ("/v1/..;/admin", false),
        ("/v1/..;x=y/admin", false),
        ("/v1/.;/admin", false),
        ("/v1/%2e%2e;/admin", false),
        ("//v1/a", false),
        ("/v1//a", false),
        ("/./v1/a", false),
        ("/x/../v1/a", false),
        ("/v1/%00", false),
        ("/v1/%0d%0aX:y", false),
        ("/v1/%c0%ae%c0%ae/admin", false),
        ("/v1/%u002e/admin", false),
        ("/v1/%", false),
        ("/v1/%2", false),
        ("/v1/%zz", false),
        ("/v1/%ff", false),
        ("*", false),
        ("http://API/v1/a", true),
        ("http://API/v1/../admin", false),
        ("http://API", false),
        ("http://API?/v1/a", false),
    ] {
        let api = format!("api.example.org:{port}");
        let target = target.replace("API", &api);
        let text = format!("GET {target} HTTP/1.1\r\nHost: {api}\r\n\r\n");
        let answer = raw(&sandbox, port, text.into_bytes());
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        let right = if is_allowed {
            seen.len() == 1 && answer.starts_with("HTTP/1.1 200")
        } else {
            seen.is_empty() && answer.starts_with("HTTP/1.1 4")
        };
        if !right {
            wrong.push(format!("{target:?}: answer {answer:?}, seen {seen:?}"));
        }
    }
    // Fields by which some servers take another method or path for the one that is in the request line.
    for field in [
        "X-HTTP-Method-Override: DELETE",
        "X-HTTP-Method: DELETE",
        "X-Method-Override: DELETE",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
    ] {
        let text = format!("GET /v1/a HTTP/1.1\r\nHost: api.example.org:{port}\r\n{field}\r\n\r\n");
        let answer = raw(&sandbox, port, text.into_bytes());
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        if !answer.starts_with("HTTP/1.1 400") || !seen.is_empty() {
            wrong.push(format!("{field}: answer {answer:?}, seen {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn other_protocols_do_not_hide_requests(host: &Host) {
    let (at, seen) = strict::serve();
    let port = at.port();
    let sandbox = Sandbox::new(host, &Policy::of([http(port)]));
    let api = format!("Host: api.example.org:{port}\r\n");
    for upgrade in ["h2c", "websocket, h2c", "TLS/1.0", "h2c, websocket", "foo"] {
        let text = format!(
            "GET /one HTTP/1.1\r\n{api}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        );
        let answer = raw(&sandbox, port, text.into_bytes());
        assert!(!answer.contains("HTTP/1.1 101"), "{upgrade}: {answer}");
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert!(seen.iter().all(|line| line == "GET /one api.example.org 0"), "{upgrade}: {seen:?}");
    }
    for bytes in [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        b"SSH-2.0-OpenSSH\r\n".to_vec(),
        b"\x05\x01\x00".to_vec(),
        b"EHLO x\r\n".to_vec(),
        vec![0; 100],
        b"A".repeat(100_000),
    ] {
        let answer = raw(&sandbox, port, bytes.clone());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(seen.lock().unwrap().is_empty(), "{:?}", String::from_utf8_lossy(&bytes));
    }
    // Heads without an end, and very many fields.
    let long = format!("GET /one HTTP/1.1\r\n{api}X: {}\r\n\r\n", "y".repeat(2_000_000));
    let many = format!("GET /one HTTP/1.1\r\n{api}{}\r\n", "X: y\r\n".repeat(5000));
    for text in [long, many] {
        let answer = raw(&sandbox, port, text.into_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(seen.lock().unwrap().is_empty());
    }
}

/// A server that answers in its own way.
fn answers(answer: &'static str) -> u16 {
    let at = crate::servers::tcp(crate::sandbox::PUBLIC, 0, move |mut stream| {
        let mut buffer = [0; 4096];
        if stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            let _ = stream.write_all(answer.as_bytes());
            // Until the other side has seen enough; without an answer there is nothing to see.
            if !answer.is_empty() {
                let _ = stream.read(&mut buffer);
            }
        }
    });
    at.port()
}

fn an_upgrade_that_nobody_asked_for_is_not_believed(host: &Host) {
    let port =
        answers("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\nraw bytes");
    let sandbox = Sandbox::new(host, &Policy::of([http(port)]));
    let text = format!("GET /one HTTP/1.1\r\nHost: api.example.org:{port}\r\n\r\n");
    let answer = raw(&sandbox, port, text.into_bytes());
    assert!(answer.starts_with("HTTP/1.1 502") && !answer.contains("raw bytes"), "{answer}");
}

fn a_server_that_says_two_things_is_not_believed(host: &Host) {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokX",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
        "HTTP/9.9 200 OK\r\n\r\n",
        "not HTTP at all\r\n\r\n",
        "",
    ] {
        let port = answers(answer);
        let sandbox = Sandbox::new(host, &Policy::of([http(port)]));
        let text = format!("GET /one HTTP/1.1\r\nHost: api.example.org:{port}\r\n\r\n");
        let got = raw(&sandbox, port, text.into_bytes());
        assert!(got.starts_with("HTTP/1.1 502"), "{answer:?}: {got}");
    }
}
