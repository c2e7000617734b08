//! A server that reads requests as strictly as RFC 9112 can be read, and notes what it saw: whatever a program sends, what
//! the gateway makes of it must have one reading.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use crate::sandbox::PUBLIC;
use crate::servers::tcp;

/// What was seen: `METHOD TARGET HOST BODY` of each request, or `BROKEN` and why.
pub type Seen = Arc<Mutex<Vec<String>>>;

/// Serves; where, and what it will have seen.
pub fn serve() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let at = tcp(PUBLIC, 0, move |stream| connection(stream, &noted));
    (at, seen)
}

fn connection(mut stream: TcpStream, seen: &Seen) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        loop {
            match request(&bytes) {
                Ok(None) => break,
                Ok(Some((line, used))) => {
                    bytes.drain(..used);
                    seen.lock().unwrap().push(line);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
                Err(why) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    seen.lock().unwrap().push(format!("BROKEN {why}: {text:?}"));
                    return;
                }
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    if !bytes.is_empty() {
        seen.lock().unwrap().push("CUT".to_owned());
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// One request, and how many bytes it has; `None` when more must come.
fn request(bytes: &[u8]) -> Result<Option<(String, usize)>, &'static str> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "no text")?;
    if head.contains('\0') || head.replace("\r\n", "").contains(['\r', '\n']) {
        return Err("a control character");
    }
    let mut lines = head.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = first[..] else { return Err("a request line") };
    if !is_token(method) || !(target.starts_with('/') || target == "*") {
        return Err("a request line");
    }
    let (mut hosts, mut lengths, mut codings) = (vec![], vec![], vec![]);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return Err("a field line") };
        if !is_token(name) {
            return Err("a field name");
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts.push(value),
            "content-length" => lengths.push(value),
            "transfer-encoding" => codings.push(value),
            _ => {}
        }
    }
    let [host] = hosts[..] else { return Err("not one host") };
    let body = end + 4;
    let (content, used) = match (&lengths[..], &codings[..]) {
        ([], []) => (0, body),
        ([length], []) => {
            if !length.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("a length");
            }
            let length: usize = length.parse().map_err(|_| "a length")?;
            (length, body + length)
        }
        ([], ["chunked"]) => match chunks(&bytes[body..])? {
            Some((content, used)) => (content, body + used),
            None => return Ok(None),
        },
        _ => return Err("not one length"),
    };
    let line = format!("{method} {target} {} {content}", host.split(':').next().unwrap_or_default());
    Ok((bytes.len() >= used).then_some((line, used)))
}

/// The content's length and that of its chunks.
fn chunks(bytes: &[u8]) -> Result<Option<(usize, usize)>, &'static str> {
    let (mut at, mut content) = (0, 0);
    loop {
        let Some(line) = bytes[at..].windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[at..at + line]).map_err(|_| "a chunk")?;
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a chunk's size");
        }
        let size = usize::from_str_radix(size, 16).map_err(|_| "a chunk's size")?;
        at += line + 2;
        if size == 0 {
            // Trailers: a field line each, and an empty one.
            let rest = &bytes[at..];
            if rest.starts_with(b"\r\n") {
                return Ok(Some((content, at + 2)));
            }
            let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
            return Ok(Some((content, at + end + 4)));
        }
        if bytes.len() < at + size + 2 {
            return Ok(None);
        }
        if &bytes[at + size..at + size + 2] != b"\r\n" {
            return Err("a chunk's end");
        }
        content += size;
        at += size + 2;
    }
}
