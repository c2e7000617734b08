//! Requests: what rules allow gets through as it was, what they do not is answered in words.

use crate::cases::{Case, cases};
use crate::sandbox::{Host, PUBLIC, Policy, Sandbox, allow, limited, name, only};
use crate::servers::http;
use crate::wire::raw;
use msb_plan::network::{Limits, Peer, Protocol, Rate, Rule};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub const ALL: &[Case] = cases![
    methods_and_paths_decide,
    both_versions_of_http_pass,
    secrets_are_put_in_and_never_shown,
    answers_stream,
    uploads_pass,
    websockets_pass,
    requests_are_counted,
    a_certificate_that_is_bad_is_refused,
    every_request_is_for_the_rules_host,
    clients_of_other_languages,
];

/// GET, HEAD of `Methods`.
const READ: u8 = 0b11;
const SECRET: &str = "sk-very-secret-4711";

pub fn https(host: &Host, names: &[&str]) -> SocketAddr {
    http(PUBLIC, Some(host.authority.server(names, &["h2", "http/1.1"])))
}

pub fn reading(port: u16) -> Rule<'static> {
    only(allow(Protocol::Https, name("api.example.org", 1), (port, port)), READ, &["/v1/**"])
}

fn curl(sandbox: &Sandbox, words: &str) -> (String, Option<i32>) {
    sandbox.sh(&format!("curl -sS --max-time 10 {words}"))
}

fn methods_and_paths_decide(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let sandbox = Sandbox::new(host, &Policy::of([reading(port)]));
    let url = format!("https://api.example.org:{port}");
    for version in ["--http1.1", "--http2"] {
        let get = |words: &str| curl(&sandbox, &format!("{version} -w ' %{{http_code}}' {words}")).0;
        assert!(get(&format!("{url}/v1/a")).starts_with("GET /v1/a"));
        let head = get(&format!("-I {url}/v1/a"));
        assert!(head.contains("200"), "{head}");
        let denied = get(&format!("-d x {url}/v1/a"));
        for part in ["403", "POST /v1/a is not allowed", "only POST /v1/a", "\"line\":7", "GET, HEAD /v1/**"]
        {
            assert!(denied.contains(part), "{part}: {denied}");
        }
        for path in
            ["/", "/admin", "/v1/../admin", "/v1/%2e%2e/admin", "/v1/%2Fadmin", "/v1//admin", "/v1/..;/admin"]
        {
            let denied = get(&format!("--path-as-is '{url}{path}'"));
            assert!(denied.ends_with("403"), "{path}: {denied}");
        }
        assert!(get(&format!("-X TRACE {url}/v1/a")).ends_with("400"));
        assert!(get(&format!("-H 'Host: other.example.org' {url}/v1/a")).ends_with("400"));
    }
    let log = sandbox.end();
    let requests: Vec<_> = log.iter().filter(|line| line["event"] == "request").collect();
    assert_eq!(requests.iter().filter(|line| line["decision"] == "allow").count(), 4);
    assert!(requests.iter().any(|line| line["method"] == "POST" && line["reason"] == "no-rule"));
}

fn both_versions_of_http_pass(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let old = http(PUBLIC, Some(host.authority.server(&["api.example.org"], &[]))).port();
    let sandbox = Sandbox::new(host, &Policy::of([reading(port), reading(old)]));
    let get =
        |words: &str, port: u16| curl(&sandbox, &format!("{words} https://api.example.org:{port}/v1/")).0;
    assert_eq!(get("--http2", port), "GET /v1/ HTTP/2.0\n");
    assert_eq!(get("--http1.1", port), "GET /v1/ HTTP/1.1\n");
    assert_eq!(get("--http2", old), "GET /v1/ HTTP/1.1\n", "both sides speak the same");
    assert_eq!(get("--http1.0", old), "GET /v1/ HTTP/1.1\n");
    // Nothing leads around the gateway to another place (RFC 7838).
    assert!(!get("-i", port).contains("alt-svc"));
}

fn secrets_are_put_in_and_never_shown(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let mut rule = reading(port);
    rule.terms.inject = Some(0);
    let file = host.dir.path().join("key");
    for (text, header) in [
        (SECRET.to_owned(), format!("authorization: Bearer {SECRET}")),
        (format!("x-api-key: {SECRET}\n"), format!("x-api-key: {SECRET}")),
    ] {
        std::fs::write(&file, text).unwrap();
        let sandbox = Sandbox::new(
            host,
            &Policy { secret: Some(format!("file:{}", file.display())), ..Policy::of([rule.clone()]) },
        );
        let words = format!(
            "-H 'Authorization: Bearer mine' -H 'x-api-key: mine' -H 'Connection: authorization, x-api-key' \
             https://api.example.org:{port}/v1/headers"
        );
        for version in ["--http1.1", "--http2"] {
            let (answer, _) = curl(&sandbox, &format!("{version} {words}"));
            assert!(answer.contains(&header), "{answer}");
        }
        // Whatever is in a path is in the log, but for secrets.
        curl(&sandbox, &format!("https://api.example.org:{port}/v1/{SECRET}"));
        let log = sandbox.end();
        let text = serde_json::to_string(&log).unwrap();
        assert!(!text.contains(SECRET) && text.contains("[redacted]"), "{text}");
    }
}

fn answers_stream(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let sandbox = Sandbox::new(host, &Policy::of([reading(port)]));
    for version in ["--http1.1", "--http2"] {
        let trust = sandbox.trust.clone();
        let (first, whole) = sandbox.run(move || {
            let begun = Instant::now();
            let mut curl = std::process::Command::new("curl")
                .args(["-sSN", version, &format!("https://api.example.org:{port}/v1/stream")])
                .env("CURL_CA_BUNDLE", trust)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
            assert_eq!(lines.next().unwrap().unwrap(), "data: 0");
            let first = begun.elapsed();
            assert_eq!(lines.count(), 5);
            curl.wait().unwrap();
            (first, begun.elapsed())
        });
        assert!(whole - first > Duration::from_millis(400), "{first:?} of {whole:?}");
    }
}

fn uploads_pass(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let rule = allow(Protocol::Https, name("api.example.org", 1), (port, port));
    let sandbox = Sandbox::new(host, &Policy::of([only(rule, 0b111, &[])]));
    for words in ["--http2", "--http1.1", "--http1.1 -H 'Transfer-Encoding: chunked'"] {
        let script = format!(
            "head -c 7000000 /dev/zero | curl -sS --max-time 20 {words} --data-binary @- https://api.example.org:{port}/v1/upload"
        );
        assert_eq!(sandbox.sh(&script).0, "7000000 bytes\n", "{words}");
    }
}

fn websockets_pass(host: &Host) {
    let server = http(PUBLIC, None);
    let rule = only(
        allow(Protocol::Http, name("api.example.org", 1), (server.port(), server.port())),
        READ,
        &["/ws"],
    );
    let sandbox = Sandbox::new(host, &Policy::of([rule]));
    let port = server.port();
    let talk = |upgrade: &'static str| {
        sandbox.run(move || {
            let mut stream = TcpStream::connect(("198.18.1.1", port)).unwrap();
            let head = format!(
                "GET /ws HTTP/1.1\r\nHost: api.example.org:{port}\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut status = String::new();
            reader.read_line(&mut status).unwrap();
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            if !status.contains("101") {
                return status;
            }
            stream.write_all(b"\x81\x05hello").unwrap();
            let mut frame = [0; 7];
            reader.read_exact(&mut frame).unwrap();
            String::from_utf8_lossy(&frame[2..]).into_owned()
        })
    };
    assert_eq!(talk("websocket"), "hello");
    // Another protocol would hide its requests: the server is never asked, and what it says is not believed.
    assert!(talk("h2c").contains("502"));
}

fn requests_are_counted(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let rate = Some(Rate { count: 1, period_us: 60_000_000, burst: 3 });
    let rule = limited(reading(port), Limits { rate, ..Limits::default() });
    let sandbox = Sandbox::new(host, &Policy::of([rule]));
    // One connection, kept.
    let url = format!("https://api.example.org:{port}/v1/");
    let words = format!("-i {}", [url.as_str(); 5].join(" "));
    let (answer, _) = curl(&sandbox, &words);
    assert_eq!(answer.matches("GET /v1/").count(), 3, "{answer}");
    assert_eq!(answer.matches("429").count() / 2, 2, "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: "), "{answer}");
    let log = sandbox.end();
    assert_eq!(log.iter().filter(|line| line["reason"] == "rate").count(), 2);
}

fn a_certificate_that_is_bad_is_refused(host: &Host) {
    let port = https(host, &["other.example.org"]).port();
    let sandbox = Sandbox::new(host, &Policy::of([reading(port)]));
    let (answer, _) = curl(&sandbox, &format!("-i https://api.example.org:{port}/v1/"));
    assert!(answer.contains("502") && answer.contains("certificate"), "{answer}");
}

fn every_request_is_for_the_rules_host(host: &Host) {
    let port = http(PUBLIC, None).port();
    let rule = allow(Protocol::Http, name("api.example.org", 1), (port, port));
    let sandbox = Sandbox::new(
        host,
        &Policy::of([rule, allow(Protocol::Https, Peer::Below("wild.example"), (443, 443))]),
    );
    let ask = |text: &str| {
        raw(
            &sandbox,
            port,
            text.replace('\n', "\r\n").replace("API", &format!("api.example.org:{port}")).into_bytes(),
        )
    };
    let good = "GET /one HTTP/1.1\nHost: API\n\n";
    assert!(ask(good).contains("GET /one"));
    assert!(ask("GET http://API/abs HTTP/1.1\nHost: API\n\n").contains("GET /abs"));
    assert!(ask("GET /x HTTP/1.1\nHost: API.EXAMPLE\n\n").contains("400"));
    for bad in [
        "GET /x HTTP/1.1\nHost: other.example.org\n\n",
        "GET /x HTTP/1.1\n\n",
        "GET /x HTTP/1.1\nHost: API\nHost: API\n\n",
        "GET /x HTTP/1.1\nHost: API\nHost: other.example.org\n\n",
        "GET http://other.example.org/ HTTP/1.1\nHost: API\n\n",
        "GET http://other.example.org/ HTTP/1.1\nHost: other.example.org\n\n",
        "GET https://API/ HTTP/1.1\nHost: API\n\n",
        "GET /x HTTP/1.1\nHost: user@API\n\n",
        "GET /x HTTP/1.1\nHost : API\n\n",
        "GET /x HTTP/1.1\nHost: API\n folded: x\n\n",
        "GET /x HTTP/1.1\nHost: api.example.org:1\n\n",
        "GET /x HTTP/1.1\nHost: api.example.org\0.evil.example\n\n",
        "GET /x HTTP/1.1\nHost: 203.0.113.10\n\n",
        "GET /x HTTP/1.1\nHost: API\nTransfer-Encoding: xchunked\n\n",
        "GET /x HTTP/1.1\nHost: API\nContent-Length: 1\nContent-Length: 2\n\nab",
        "CONNECT other.example.org:443 HTTP/1.1\nHost: API\n\n",
    ] {
        let answer = ask(bad);
        assert!(answer.starts_with("HTTP/1.1 400"), "{bad:?}: {answer}");
    }
    // Two at once, the second of which is for somebody else, as the first of the next or of this connection.
    let two = ask(&format!("{good}GET /two HTTP/1.1\nHost: other.example.org\n\n"));
    assert!(two.contains("GET /one") && two.contains("400") && !two.contains("GET /two"), "{two}");
    let pipelined = ask(&format!("{good}{good}{good}"));
    assert_eq!(pipelined.matches("GET /one").count(), 3);
    // With two lengths the server gets the one that was read here, and no request inside of a body.
    let smuggled = ask(
        "POST /one HTTP/1.1\nHost: API\nContent-Length: 60\nTransfer-Encoding: chunked\n\n0\n\nGET /smuggled HTTP/1.1\nHost: other.example.org\n\n",
    );
    assert!(!smuggled.contains("GET /smuggled"), "{smuggled}");
    assert!(raw(&sandbox, port, b"SSH-2.0-x\r\n".to_vec()).is_empty());
}

fn clients_of_other_languages(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let sandbox = Sandbox::new(host, &Policy::of([reading(port)]));
    let url = format!("https://api.example.org:{port}/v1/");
    let clients = [
        (
            "python urllib",
            format!("python3 -c 'import urllib.request as u; print(u.urlopen(\"{url}\").read().decode())'"),
        ),
        ("python requests", format!("python3 -c 'import requests; print(requests.get(\"{url}\").text)'")),
        ("python httpx", format!("python3 -c 'import httpx; print(httpx.get(\"{url}\").text)'")),
        (
            "python aiohttp",
            format!(
                "python3 -c '
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as s, s.get(\"{url}\") as r:
        print(await r.text())
asyncio.run(main())'"
            ),
        ),
        ("node fetch", format!("node -e 'fetch(\"{url}\").then(r => r.text()).then(console.log)'")),
        ("wget", format!("wget -q -O - --ca-certificate=$SSL_CERT_FILE {url}")),
    ];
    for (client, script) in clients {
        let (answer, code) = sandbox.sh(&script);
        let missing = ["No module named", "not found", "command not found", "not installed"];
        if code != Some(0) && missing.iter().any(|it| answer.contains(it)) {
            println!("  {client} skipped, because it is not here");
            continue;
        }
        assert!(code == Some(0) && answer.contains("GET /v1/"), "{client}: {code:?} {answer}");
    }
}
