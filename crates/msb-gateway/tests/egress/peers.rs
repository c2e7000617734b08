//! Other people's TLS: browsers' hellos and HTTP/3, sessions that are resumed, early data, renegotiation, and servers that are
//! not what they say they are.

use crate::cases::{Case, cases, lines};
use crate::http::{https, reading};
use crate::sandbox::{Host, PUBLIC, Policy, Sandbox, allow, name};
use crate::servers::{http, params, server_config, tcp};
use msb_plan::network::Protocol;
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const ALL: &[Case] = cases![
    a_browsers_hello_is_read_or_refused_in_words,
    http_3_gives_way_to_tcp_at_once,
    a_session_is_of_one_name,
    early_data_is_taken_for_nothing,
    renegotiation_is_refused,
    both_sides_speak_the_same_or_nothing,
    servers_that_are_not_who_they_say_are_not_reached,
    a_server_may_ask_who_the_program_is,
    old_versions_of_tls_are_not_spoken,
];

/// A server that another program is; it ends with its case, however that ends.
struct Server(std::process::Child);

impl Server {
    fn start(command: &mut Command) -> Server {
        Server(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a program of the host is there; else the case is skipped.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("version").output().is_ok();
    if !found {
        println!("  skipped, because `{program}` is not here");
    }
    found
}

/// Runs Python with a library that speaks as a browser does; `None`, and a word about it, where it is missing.
fn browser(sandbox: &Sandbox, script: &str) -> Option<(String, Option<i32>)> {
    let (said, code) = sandbox.sh(&format!("python3 -c '{script}'"));
    if said.contains("No module named") || said.contains("not found") {
        println!("  skipped, because Python's `curl_cffi` is not here");
        return None;
    }
    Some((said, code))
}

/// Browsers put an extension into every hello that looks like an encrypted one (RFC 9849, 6.2), and a key share of more than
/// a thousand bytes.
fn a_browsers_hello_is_read_or_refused_in_words(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let get = format!(
        "from curl_cffi import requests as r; \
         print(r.get(\"https://api.example.org:{port}/v1/\", impersonate=\"chrome\", timeout=10).text)"
    );
    let it = Sandbox::new(host, &Policy::of([reading(port)]));
    let Some((said, _)) = browser(&it, &get) else { return };
    assert_eq!(said, "GET /v1/ HTTP/2.0\n\n");
    // Where the bytes are passed on as they are, nobody can say whom it means.
    let it =
        Sandbox::new(host, &Policy::of([allow(Protocol::Tls, name("api.example.org", 1), (port, port))]));
    std::fs::copy(&host.authority.file, &it.trust).unwrap();
    let (said, code) = browser(&it, &get).unwrap();
    assert!(code != Some(0) && said.contains("ACCESS_DENIED"), "{said}");
    let log = it.end();
    assert!(lines(&log, "connection", "deny").iter().all(|it| it["reason"] == "encrypted-client-hello"));
    assert!(!lines(&log, "connection", "deny").is_empty());
}

fn http_3_gives_way_to_tcp_at_once(host: &Host) {
    let port = https(host, &["api.example.org"]).port();
    let it = Sandbox::new(host, &Policy::of([reading(port)]));
    let begun = Instant::now();
    let get = format!(
        "from curl_cffi import requests as r, CurlHttpVersion as v; \
         print(r.get(\"https://api.example.org:{port}/v1/\", http_version=v.V3, timeout=20).text)"
    );
    let Some((said, _)) = browser(&it, &get) else { return };
    assert_eq!(said, "GET /v1/ HTTP/2.0\n\n");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let log = it.end();
    assert!(lines(&log, "connection", "deny").iter().any(|it| it["protocol"] == "udp"), "it tried: {log:#?}");
}

/// What a server saw: for whom, and whether it went on with a session.
type Handshakes = Arc<Mutex<Vec<(String, rustls::HandshakeKind)>>>;

/// One server for all names, whose sessions are one, and what it saw.
fn resuming(host: &Host, names: &[&str]) -> (u16, Handshakes) {
    let seen = Handshakes::default();
    let (config, noted) = (host.authority.server(names, &[]), Arc::clone(&seen));
    let at = tcp(PUBLIC, 0, move |stream| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut head = Vec::new();
        let mut byte = [0];
        while stream.read(&mut byte).is_ok_and(|read| read == 1) {
            head.push(byte[0]);
            if head.ends_with(b"\r\n\r\n") {
                let name = stream.conn.server_name().unwrap_or_default().to_owned();
                noted.lock().unwrap().push((name, stream.conn.handshake_kind().unwrap()));
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                // The client may have seen enough.
                let _ = stream.write_all(answer).and_then(|()| stream.flush());
                return;
            }
        }
    });
    (at.port(), seen)
}

fn a_session_is_of_one_name(host: &Host) {
    if !has("openssl") {
        return;
    }
    let names = ["api.example.org", "bare.example.org"];
    let (port, seen) = resuming(host, &names);
    let mut second = reading(port);
    second.peer = name("bare.example.org", 2);
    let it = Sandbox::new(host, &Policy::of([reading(port), second]));
    let ask = |to: &str, version: &str, session: &str| {
        let (said, _) = it.sh(&format!(
            "printf 'GET /v1/ HTTP/1.1\\r\\nHost: {to}:{port}\\r\\nConnection: close\\r\\n\\r\\n' | \
             timeout 5 openssl s_client -connect {to}:{port} -servername {to} {version} {session} \
             -CAfile $SSL_CERT_FILE -verify_return_error -ign_eof 2>&1"
        ));
        assert!(said.contains("200 OK"), "{to} {version} {session}: {said}");
        said.contains("Reused, TLS")
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let file = host.dir.path().join(format!("session{version}"));
        let (out, again) = (format!("-sess_out {}", file.display()), format!("-sess_in {}", file.display()));
        assert!(!ask("api.example.org", version, &out));
        assert!(ask("api.example.org", version, &again), "{version}: the gateway resumes");
        assert!(!ask("bare.example.org", version, &again), "{version}: and never for another name");
    }
    // The same towards the server: each name has a full handshake before it resumes one.
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    for name in names {
        let first = seen.iter().find(|(it, _)| it == name);
        assert!(first.is_some_and(|(_, kind)| *kind == rustls::HandshakeKind::Full), "{name}: {seen:?}");
    }
}

/// A session that allows early data, from a server of the same name; the gateway has never seen it.
fn early_data_is_taken_for_nothing(host: &Host) {
    if !has("openssl") {
        return;
    }
    let (port, seen) = resuming(host, &["api.example.org"]);
    let it = Sandbox::new(host, &Policy::of([reading(port)]));
    let (file, dir) = (host.dir.path().join("early.pem"), host.dir.path().display());
    let key = KeyPair::generate().unwrap();
    let certificate = pem(&host.authority.certificate(&["api.example.org"], &key, |_| ()));
    std::fs::write(&file, certificate + &key.serialize_pem()).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let other = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Server::start(
        Command::new("openssl")
            .args(["s_server", "-quiet", "-tls1_3", "-early_data", "-accept", &format!("127.0.0.1:{other}")])
            .args(["-cert", file.to_str().unwrap()]),
    );
    let session = format!(
        "for _ in 1 2 3 4 5 6 7 8 9; do (sleep 0.3; echo Q) | timeout 5 openssl s_client -connect 127.0.0.1:{other} \
         -servername api.example.org -tls1_3 -sess_out {dir}/early >/dev/null 2>&1 || true; 
         [ ! -s {dir}/early ] || break; sleep 0.1; done"
    );
    crate::sandbox::sh(&session);
    // What would be a request if it were believed, and one that is.
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\\r\\nHost: api.example.org:{port}\\r\\nConnection: close\\r\\n\\r\\n")
    };
    let (said, _) = it.sh(&format!(
        "printf '{}' >{dir}/early-request; printf '{}' | timeout 5 openssl s_client -connect api.example.org:{port} \
         -servername api.example.org -tls1_3 -sess_in {dir}/early -early_data {dir}/early-request -ign_eof 2>&1",
        request("/v1/early"),
        request("/v1/late"),
    ));
    drop(server);
    assert!(said.contains("Early data was rejected"), "{said}");
    assert!(said.contains("200 OK"), "{said}");
    assert_eq!(seen.lock().unwrap().len(), 1);
    let log = it.end();
    let paths: Vec<_> = lines(&log, "request", "allow").iter().map(|it| it["path"].clone()).collect();
    assert_eq!(paths, ["/v1/late"]);
}

/// A certificate in PEM.
fn pem(certificate: &CertificateDer<'_>) -> String {
    let mut child = Command::new("openssl")
        .args(["x509", "-inform", "der"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(certificate).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn renegotiation_is_refused(host: &Host) {
    if !has("openssl") {
        return;
    }
    let port = https(host, &["api.example.org"]).port();
    let it = Sandbox::new(host, &Policy::of([reading(port)]));
    let (said, _) = it.sh(&format!(
        "(sleep 0.5; echo R; sleep 0.5) | timeout 5 openssl s_client -connect api.example.org:{port} \
         -servername api.example.org -tls1_2 -CAfile $SSL_CERT_FILE 2>&1"
    ));
    assert!(said.contains("RENEGOTIATING") && said.contains("Secure Renegotiation IS supported"), "{said}");
    assert!(said.contains("no renegotiation") || said.contains("error"), "{said}");
    let (said, _) = it.sh(&format!("curl -sS https://api.example.org:{port}/v1/"));
    assert_eq!(said, "GET /v1/ HTTP/2.0\n");
}

fn both_sides_speak_the_same_or_nothing(host: &Host) {
    let old = http(PUBLIC, Some(host.authority.server(&["api.example.org"], &["http/1.1"]))).port();
    let it = Sandbox::new(host, &Policy::of([reading(old)]));
    let handshake = |alpn: &'static [&'static str]| {
        let trust = it.trust.clone();
        it.run(move || {
            let config = Arc::new(crate::client::tls(&trust, alpn));
            let name = rustls::pki_types::ServerName::try_from("api.example.org").unwrap();
            let connection = rustls::ClientConnection::new(config, name).unwrap();
            let stream = std::net::TcpStream::connect(("198.18.1.1", old)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            stream.flush().map_err(|error| error.to_string())?;
            stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
            Ok::<_, String>(stream.conn.alpn_protocol().map(<[u8]>::to_vec))
        })
    };
    assert_eq!(handshake(&["h2", "http/1.1"]), Ok(Some(b"http/1.1".to_vec())));
    assert_eq!(handshake(&[]), Ok(None));
    // Each request of it is told that the server was not reached.
    assert_eq!(handshake(&["h2"]), Ok(Some(b"h2".to_vec())));
    let trust = it.trust.clone();
    let status = it.run(move || {
        crate::client::block_on(async move {
            let sender = crate::client::connect(&trust, old).await;
            crate::client::ask(&sender, old, "GET", "/v1/", vec![]).await.unwrap().status()
        })
    });
    assert_eq!(status, 502);
    for alpn in [&["spdy/3"][..], &["smtp", "imap"]] {
        let refused = handshake(alpn).unwrap_err();
        assert!(refused.contains("NoApplicationProtocol"), "{alpn:?}: {refused}");
    }
}

fn servers_that_are_not_who_they_say_are_not_reached(host: &Host) {
    let api = &["api.example.org"][..];
    let key = KeyPair::generate().unwrap();
    let authority = &host.authority;
    let (below, between) = authority.below();
    let leaf = params(api, |_| ()).signed_by(&key, &below).unwrap().der().clone();
    let year = |from, until| {
        move |params: &mut rcgen::CertificateParams| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
        }
    };
    let own = params(api, |_| ()).self_signed(&key).unwrap().der().clone();
    let client_only = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    };
    let good = authority.certificate(api, &key, |_| ());
    let cases = [
        ("good", vec![good.clone()], true),
        ("an authority between", vec![leaf.clone(), between.clone()], true),
        ("with more than it needs", [vec![good.clone()], vec![between; 60]].concat(), true),
        ("a star", vec![authority.certificate(&["*.example.org"], &key, |_| ())], true),
        ("another name", vec![authority.certificate(&["other.example.org"], &key, |_| ())], false),
        ("a star too high", vec![authority.certificate(&["*.org"], &key, |_| ())], false),
        ("a star too low", vec![authority.certificate(&["*.api.example.org"], &key, |_| ())], false),
        ("an address", vec![authority.certificate(&["203.0.113.10"], &key, |_| ())], false),
        ("no name", vec![authority.certificate(&[], &key, |_| ())], false),
        ("over", vec![authority.certificate(api, &key, year(2001, 2002))], false),
        ("not yet", vec![authority.certificate(api, &key, year(2090, 2091))], false),
        ("nobody's", vec![own.clone()], false),
        ("nobody's, and ours behind it", vec![own, good], false),
        ("an authority missing between", vec![leaf], false),
        ("for clients", vec![authority.certificate(api, &key, client_only)], false),
    ];
    for (what, chain, is_good) in cases {
        let port = http(PUBLIC, Some(Arc::new(server_config(chain, &key, &["h2"])))).port();
        let it = Sandbox::new(host, &Policy::of([reading(port)]));
        let (said, _) =
            it.sh(&format!("curl -sS --max-time 10 -w '%{{http_code}}' https://api.example.org:{port}/v1/"));
        if is_good {
            assert_eq!(said, "GET /v1/ HTTP/2.0\n200", "{what}");
        } else {
            assert!(said.ends_with("502") && said.contains("TLS: "), "{what}: {said}");
        }
    }
}

/// Where bytes are passed on, the program's certificate gets there; where requests are read, nobody has one, and the
/// refusal says what happened.
fn a_server_may_ask_who_the_program_is(host: &Host) {
    let key = KeyPair::generate().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&host.authority.file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let asks =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(asks.build().unwrap())
        .with_single_cert(
            vec![host.authority.certificate(&["api.example.org"], &key, |_| ())],
            PrivateKeyDer::Pkcs8(private),
        )
        .unwrap();
    let port = http(PUBLIC, Some(Arc::new(config))).port();
    let ours = host.dir.path().join("client.pem");
    let certificate = host.authority.certificate(&["program.example.org"], &key, |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    std::fs::write(&ours, pem(&certificate) + &key.serialize_pem()).unwrap();
    let ask = |it: &Sandbox, words: &str| {
        it.sh(&format!(
            "curl -sS --max-time 10 {words} --cert {} https://api.example.org:{port}/v1/",
            ours.display()
        ))
        .0
    };
    let it =
        Sandbox::new(host, &Policy::of([allow(Protocol::Tls, name("api.example.org", 1), (port, port))]));
    let trust = format!("--cacert {}", host.authority.file.display());
    assert_eq!(ask(&it, &trust), "GET /v1/ HTTP/1.1\n");
    let it = Sandbox::new(host, &Policy::of([reading(port)]));
    let said = ask(&it, "-w '%{http_code}'");
    assert!(said.ends_with("502") && said.contains("ertificate"), "{said}");
}

fn old_versions_of_tls_are_not_spoken(host: &Host) {
    if !has("openssl") {
        return;
    }
    let key = KeyPair::generate().unwrap();
    let file = host.dir.path().join("old.pem");
    let certificate = host.authority.certificate(&["api.example.org"], &key, |_| ());
    std::fs::write(&file, pem(&certificate) + &key.serialize_pem()).unwrap();
    for (version, is_good) in [("-tls1", false), ("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
        let listener = TcpListener::bind((PUBLIC, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let server = Server::start(
            Command::new("openssl")
                .args(["s_server", "-www", "-quiet", version, "-cipher", "ALL:@SECLEVEL=0"])
                .args(["-accept", &format!("{PUBLIC}:{port}"), "-cert", file.to_str().unwrap()]),
        );
        let begun = Instant::now();
        while std::net::TcpStream::connect((PUBLIC, port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(5), "{version}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let it = Sandbox::new(host, &Policy::of([reading(port)]));
        let (said, _) =
            it.sh(&format!("curl -sS --max-time 10 -w '%{{http_code}}' https://api.example.org:{port}/v1/"));
        // It has an answer to every path.
        assert_eq!(said.ends_with("502"), !is_good, "{version}: {said}");
        drop(server);
        // A program inside that speaks it is refused, whatever the server would say.
        let (said, code) = it.sh(&format!(
            "timeout 5 openssl s_client -connect api.example.org:{port} -servername api.example.org {version} \
             -cipher ALL:@SECLEVEL=0 </dev/null 2>&1"
        ));
        assert_eq!(code == Some(0), is_good, "{version}: {said}");
    }
}
