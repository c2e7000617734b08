//! One end of a measured connection: a server, or a client that prints one number for what is asked.
//!
//! `bench-egress serve ADDRESS:PORT`, and against it `latency TO N`, `connect TO N` (medians in µs), `bulk TO BYTES`
//! (CPU seconds of the client), `idle TO N` (holds N connections until its input ends). `scripts/bench-egress.sh` puts
//! something between the two. With a path behind, a client goes by CONNECT through a proxy at `TO`.
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::io::{Error, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Instant;

const BUFFER_BYTES: usize = 256 * 1024;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", at] => serve(at),
        ["proxy", at] => proxy(at),
        [what, to, count, through @ ..] => {
            let count: usize = count.parse().map_err(Error::other)?;
            client(what, to, count, through.first().copied())
        }
        _ => Err(Error::other("serve AT | proxy PATH | latency|connect|bulk|idle TO N [THROUGH]")),
    }
}

/// Echoes, or, to a first byte of `b`, sends for as long as somebody reads.
fn serve(at: &str) -> Result<()> {
    for stream in TcpListener::bind(at)?.incoming() {
        let stream = stream?;
        thread::Builder::new().stack_size(64 * 1024).spawn(move || drop(answer(stream)))?;
    }
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
    thread::spawn(move || copy(&mut from, &mut into));
    copy(&mut server, &mut client)
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
            let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
            let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
            println!("{}", micros(usage.user_time()) + micros(usage.system_time()));
            Ok(())
        }
        "idle" => {
            let streams: Result<Vec<TcpStream>> = (0..count)
                .map(|_| {
                    let mut stream = dial(to, through)?;
                    exchange(&mut stream).map(|()| stream)
                })
                .collect();
            println!("{}", streams?.len());
            std::io::stdout().flush()?;
            // Until whoever measures has seen enough.
            std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
        }
        _ => Err(Error::other("latency, connect, bulk or idle")),
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
