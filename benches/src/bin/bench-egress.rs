//! One end of a measured connection: a server, or a client that prints one number for what is asked.
//!
//! `bench-egress serve ADDRESS DIR` serves bytes on port 7000, HTTP on 7001 and 7002, HTTPS on 7003 and 7004, and leaves
//! the authority of its certificate in `DIR/ca.pem`. Against it `latency TO N` and `connect TO N` (medians in ns),
//! `bulk TO BYTES`, `idle TO N [AUTHORITY]` (holds N connections until its input ends, with one request each by TLS), and `requests TO N AUTHORITY` (median in ns
//! of a request on a kept connection, by TLS with an authority, which may be `-`). `scripts/bench-egress.sh` puts something between the two.
//! With a path behind, a client goes by CONNECT through a proxy at `TO`. `cpu COMMAND…` prints the CPU time in µs of a
//! command and all that it waited for; `relay NETNS PORT…` is what does least between the two; `launch ROUNDS A… +
//! B…` compares two commands from start to exit.
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use msb_benches::{Case, Measured, measure, relay};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use std::io::{Error, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

const BUFFER_BYTES: usize = 256 * 1024;

/// The name of the server where it speaks HTTP.
const NAME: &str = "bench.example";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", at, dir] => serve(at, Path::new(dir)),
        ["proxy", at] => proxy(at),
        ["cpu", command @ ..] => cpu(command),
        ["relay", netns, ports @ ..] => {
            let ports: Result<Vec<u16>> = ports.iter().map(|it| it.parse().map_err(Error::other)).collect();
            relay(Path::new(netns), &ports?)
        }
        ["launch", rounds, commands @ ..] => launch(number(rounds)?, commands),
        ["requests", to, count, authority, through @ ..] => {
            request_times(speak(to, authority, through.first().copied())?, to, number(count)?)
        }
        ["idle", to, count, authority] => idle(number(count)?, || {
            let mut stream = speak(to, authority, None)?;
            request(&mut stream, to).map(|()| stream)
        }),
        ["idle", to, count] => idle(number(count)?, || {
            let mut stream = dial(to, None)?;
            exchange(&mut stream).map(|()| stream)
        }),
        [what, to, count, through @ ..] => client(what, to, number(count)?, through.first().copied()),
        _ => Err(Error::other("what is asked? See the first lines of bench-egress.rs")),
    }
}

fn number(word: &str) -> Result<usize> {
    word.parse().map_err(Error::other)
}

/// Serves each protocol on its ports, until it is killed.
fn serve(at: &str, dir: &Path) -> Result<()> {
    let tls = Arc::new(tls(dir)?);
    let listen = |port: u16, answer: Arc<dyn Fn(TcpStream) -> Result<()> + Send + Sync>| {
        let listener = TcpListener::bind((at, port))?;
        thread::Builder::new().spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                // A client that is gone is the end of its connection, and no more.
                let _ = thread::Builder::new().stack_size(256 * 1024).spawn(move || drop(answer(stream)));
            }
        })
    };
    for port in [7001, 7002] {
        listen(port, Arc::new(answer_requests))?;
    }
    for port in [7003, 7004] {
        let tls = Arc::clone(&tls);
        listen(
            port,
            Arc::new(move |stream: TcpStream| {
                stream.set_nodelay(true)?;
                let connection = rustls::ServerConnection::new(Arc::clone(&tls)).map_err(Error::other)?;
                answer_requests(rustls::StreamOwned::new(connection, stream))
            }),
        )?;
    }
    listen(7000, Arc::new(answer))?.join().map_err(|_| Error::other("the server panicked"))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The server's side of TLS, by an authority that `dir` then has.
fn tls(dir: &Path) -> Result<rustls::ServerConfig> {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority of the bench");
    let key = rcgen::KeyPair::generate().map_err(Error::other)?;
    std::fs::write(dir.join("ca.pem"), params.self_signed(&key).map_err(Error::other)?.pem())?;
    let issuer = rcgen::Issuer::new(params, key);
    let key = rcgen::KeyPair::generate().map_err(Error::other)?;
    let params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).map_err(Error::other)?;
    let certificate = params.signed_by(&key, &issuer).map_err(Error::other)?;
    rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .map_err(Error::other)
}

/// Answers requests without bodies.
fn answer_requests(mut stream: impl Read + Write) -> Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..read]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            stream.flush()?;
        }
    }
}

/// Both ways of speaking HTTP.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A connection for requests, by TLS where there is an authority.
fn speak(to: &str, authority: &str, through: Option<&str>) -> Result<Box<dyn Stream>> {
    let stream = dial(to, through)?;
    if authority == "-" {
        return Ok(Box::new(stream));
    }
    let connection = rustls::ClientConnection::new(
        trusting(authority)?,
        ServerName::try_from(NAME).map_err(Error::other)?,
    );
    Ok(Box::new(rustls::StreamOwned::new(connection.map_err(Error::other)?, stream)))
}

/// Trusts who is in the file `authority`, which is read once.
fn trusting(authority: &str) -> Result<Arc<rustls::ClientConfig>> {
    static READ: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();
    if let Some(config) = READ.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).map_err(Error::other)?.flatten() {
        // What can't be read is trusted by nobody.
        let _ = roots.add(certificate);
    }
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(READ.get_or_init(|| Arc::new(config))))
}

/// Requests on one connection, one after the other.
fn request_times(mut stream: impl Read + Write, to: &str, count: usize) -> Result<()> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        request(&mut stream, to)?;
        times.push(begun.elapsed().as_nanos());
    }
    median(times)
}

fn request(stream: &mut (impl Read + Write), to: &str) -> Result<()> {
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes())?;
    stream.flush()?;
    let mut buffer = [0; 4096];
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        match stream.read(&mut buffer)? {
            0 => return Err(Error::other(format!("answered {}", String::from_utf8_lossy(&answer)))),
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(())
}

/// Holds as many connections as `open` makes, until whoever measures has seen enough.
fn idle<T>(count: usize, open: impl Fn() -> Result<T>) -> Result<()> {
    let held: Result<Vec<T>> = (0..count).map(|_| open()).collect();
    println!("{}", held.as_ref().map_or(0, Vec::len));
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    held.map(drop)
}

/// Runs a command, and prints what CPU it and whomever it waited for took.
fn cpu(command: &[&str]) -> Result<()> {
    let (program, words) = command.split_first().ok_or_else(|| Error::other("no command"))?;
    let status = Command::new(program).args(words).stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(Error::other(format!("`{program}` ended with {status}")));
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    println!("{}", micros(usage.user_time()) + micros(usage.system_time()));
    Ok(())
}

/// Two commands from start to exit, in random order.
fn launch(rounds: usize, commands: &[&str]) -> Result<()> {
    let mut cases = Vec::new();
    for (name, words) in ["without", "with"].into_iter().zip(commands.split(|word| *word == "+")) {
        let (program, args) = words.split_first().ok_or_else(|| Error::other("no command"))?;
        cases.push(Case {
            name,
            program: program.into(),
            args: args.iter().map(|&word| word.to_owned()).collect(),
        });
    }
    print!("{}", Measured::table(&measure(&cases, rounds)?, "without"));
    Ok(())
}

fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 {
        if byte == *b"b" {
            let buffer = vec![1; BUFFER_BYTES];
            loop {
                stream.write_all(&buffer)?;
            }
        }
        stream.write_all(&byte)?;
    }
    Ok(())
}

/// The usual proxy of a sandbox without a network: CONNECT over a unix socket.
fn proxy(at: &str) -> Result<()> {
    for stream in UnixListener::bind(at)?.incoming() {
        let stream = stream?;
        thread::spawn(move || drop(forward(stream)));
    }
    Ok(())
}

fn forward(mut client: UnixStream) -> Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let to = head.split(' ').nth(1).ok_or_else(|| Error::other("no target"))?;
    let mut server = TcpStream::connect(to)?;
    server.set_nodelay(true)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from, mut into) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let copied = copy(&mut from, &mut into);
        // Whoever is gone needs not be told.
        let _ = into.shutdown(Shutdown::Write);
        copied
    });
    let copied = copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Write);
    copied
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => to.write_all(&buffer[..read])?,
        }
    }
}

fn dial(to: &str, through: Option<&str>) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(through.unwrap_or(to))?;
    stream.set_nodelay(true)?;
    if through.is_some() {
        stream.write_all(format!("CONNECT {to} HTTP/1.1\r\n\r\n").as_bytes())?;
        stream.read_exact(&mut [0; 19])?;
    }
    Ok(stream)
}

fn client(what: &str, to: &str, count: usize, through: Option<&str>) -> Result<()> {
    match what {
        "latency" => {
            let mut stream = dial(to, through)?;
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                let begun = Instant::now();
                exchange(&mut stream)?;
                times.push(begun.elapsed().as_nanos());
            }
            median(times)
        }
        "connect" => {
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                let begun = Instant::now();
                exchange(&mut dial(to, through)?)?;
                times.push(begun.elapsed().as_nanos());
            }
            median(times)
        }
        "bulk" => {
            let mut stream = dial(to, through)?;
            stream.write_all(b"b")?;
            let mut buffer = vec![0; BUFFER_BYTES];
            let mut left = count;
            while left > 0 {
                let read = stream.read(&mut buffer)?;
                if read == 0 {
                    return Err(Error::other("ended early"));
                }
                left = left.saturating_sub(read);
            }
            Ok(())
        }
        _ => Err(Error::other("latency, connect or bulk")),
    }
}

fn exchange(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])
}

/// In nanoseconds, the median.
fn median(mut times: Vec<u128>) -> Result<()> {
    times.sort_unstable();
    println!("{}", times.get(times.len() / 2).copied().unwrap_or(0));
    Ok(())
}
