//! The first bytes of a connection: a ClientHello, or something else.
//!
//! Reads what TLS 1.0 to 1.3 clients send first (RFC 8446, 4.1.2), in however many records and pieces: the name that
//! is asked for, the protocols that are offered, and whether the real name is encrypted (ECH, RFC 9849). Nothing of it
//! is taken on trust: a length that does not add up, a name twice or with an odd byte in it is no ClientHello.

/// Bytes of a ClientHello with its records, at most; post-quantum key shares make about 2 KiB of it.
pub const HELLO_BYTES_MAX: usize = 16 * 1024 + 512;

/// `handshake`; RFC 8446, 5.1.
const RECORD_HANDSHAKE: u8 = 22;
/// `client_hello`; RFC 8446, 4.
const CLIENT_HELLO: u8 = 1;
/// A record's fragment is at most 2^14 bytes; RFC 8446, 5.1.
const FRAGMENT_BYTES_MAX: usize = 1 << 14;
/// `server_name`; RFC 6066, 3.
const EXTENSION_SERVER_NAME: u16 = 0;
/// `application_layer_protocol_negotiation`; RFC 7301, 3.1.
const EXTENSION_ALPN: u16 = 16;
/// `encrypted_client_hello`; RFC 9849.
const EXTENSION_ECH: u16 = 0xfe0d;
/// `encrypted_server_name`, its predecessor; draft-ietf-tls-esni-06.
const EXTENSION_ESNI: u16 = 0xffce;

/// Why a handshake is refused; RFC 8446, 6.2 and RFC 7301, 3.2.
pub const ALERT_ACCESS_DENIED: u8 = 49;
/// The name that is asked for is not the one that was dialled; RFC 6066, 3.
pub const ALERT_UNRECOGNIZED_NAME: u8 = 112;
/// None of the protocols that are offered is spoken.
pub const ALERT_NO_APPLICATION_PROTOCOL: u8 = 120;

/// A record that ends a handshake before it began: of type alert, TLS 1.2, two bytes: fatal, and why.
#[must_use]
pub const fn alert(why: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, why]
}

/// What a ClientHello says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// The name that is asked for, as it was sent: letters, digits, `-`, `_` and dots.
    pub server_name: Option<String>,
    /// Protocols that are offered, by preference.
    pub alpn: Vec<Vec<u8>>,
    /// Whether another name may be hidden in it.
    pub is_encrypted: bool,
}

/// What the first bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First {
    /// Too few to say.
    More,
    /// A whole ClientHello.
    Tls(Hello),
    /// A method of HTTP, as far as can be seen.
    Http,
    /// Neither.
    Other,
    /// It begins like TLS and is broken.
    BadTls,
}

/// What `bytes`, the beginning of a stream, are.
#[must_use]
pub fn first(bytes: &[u8]) -> First {
    match bytes.first() {
        None => First::More,
        Some(&RECORD_HANDSHAKE) => match client_hello(bytes) {
            Ok(Some(hello)) => First::Tls(hello),
            Ok(None) if bytes.len() < HELLO_BYTES_MAX => First::More,
            Ok(None) | Err(Bad) => First::BadTls,
        },
        Some(_) => http(bytes),
    }
}

/// Whether a line may begin with a method: RFC 9110, 9.1 knows tokens; all that are in use are capitals.
fn http(bytes: &[u8]) -> First {
    const METHOD_BYTES_MAX: usize = 24;
    // A client may send empty lines first (RFC 9112, 2.2).
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let line = bytes.get(start..).unwrap_or_default();
    if start > 4 {
        return First::Other;
    }
    let method =
        line.iter().position(|byte| !byte.is_ascii_uppercase() && *byte != b'-').unwrap_or(line.len());
    match line.get(method) {
        None if method <= METHOD_BYTES_MAX => First::More,
        Some(b' ') if (1..=METHOD_BYTES_MAX).contains(&method) => First::Http,
        _ => First::Other,
    }
}

/// What is read is no ClientHello.
#[derive(Debug)]
struct Bad;

/// The ClientHello at the beginning of `bytes`; `None` if it is not all there.
fn client_hello(bytes: &[u8]) -> Result<Option<Hello>, Bad> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        if let Some(&[_, a, b, c]) = message.first_chunk::<4>() {
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if length + 4 > HELLO_BYTES_MAX {
                return Err(Bad);
            }
            if let Some(body) = message.get(4..4 + length) {
                // What follows in the same record would be another handshake message; no client sends one.
                return if message.len() == 4 + length { hello(body).map(Some) } else { Err(Bad) };
            }
        }
        let Some((&[kind, major, _, high, low], fragment)) = rest.split_first_chunk::<5>() else {
            let plausible = rest.first().is_none_or(|kind| *kind == RECORD_HANDSHAKE)
                && rest.get(1).is_none_or(|major| *major == 3);
            return if plausible { Ok(None) } else { Err(Bad) };
        };
        let length = usize::from(high) << 8 | usize::from(low);
        if kind != RECORD_HANDSHAKE || major != 3 || length == 0 || length > FRAGMENT_BYTES_MAX {
            return Err(Bad);
        }
        let Some((fragment, after)) = fragment.split_at_checked(length) else {
            // The part that is there may show already that it is none.
            let kind = message.first().or(fragment.first());
            return if kind.is_none_or(|kind| *kind == CLIENT_HELLO) { Ok(None) } else { Err(Bad) };
        };
        message.extend_from_slice(fragment);
        rest = after;
        // Decided by its first byte, however little came with it.
        if message.first() != Some(&CLIENT_HELLO) {
            return Err(Bad);
        }
    }
}

/// The body of a ClientHello.
fn hello(body: &[u8]) -> Result<Hello, Bad> {
    let mut body = Reader(body);
    body.take(2 + 32)?; // legacy_version, random
    let session = body.list8()?;
    if session.0.len() > 32 {
        return Err(Bad);
    }
    body.list16()?; // cipher_suites
    body.list8()?; // legacy_compression_methods
    let mut hello = Hello::default();
    if body.0.is_empty() {
        return Ok(hello); // TLS 1.2 and before may have no extensions
    }
    let mut extensions = body.list16()?;
    if !body.0.is_empty() {
        return Err(Bad);
    }
    let mut seen = Vec::new();
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let content = extensions.list16()?;
        // RFC 8446, 4.2: each at most once. Which of two a server takes is its own affair.
        if seen.contains(&kind) {
            return Err(Bad);
        }
        seen.push(kind);
        match kind {
            EXTENSION_SERVER_NAME => hello.server_name = Some(server_name(content)?),
            EXTENSION_ALPN => hello.alpn = alpn(content)?,
            EXTENSION_ECH | EXTENSION_ESNI => hello.is_encrypted = true,
            _ => {}
        }
    }
    Ok(hello)
}

fn server_name(mut content: Reader<'_>) -> Result<String, Bad> {
    let mut names = content.list16()?;
    let kind = names.take(1)?;
    let name = names.list16()?;
    // One name of type host_name and nothing besides.
    if kind != [0] || !names.0.is_empty() || !content.0.is_empty() || !(1..=255).contains(&name.0.len()) {
        return Err(Bad);
    }
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.0.iter().all(is_plain) {
        return Err(Bad);
    }
    String::from_utf8(name.0.to_vec()).map_err(|_| Bad)
}

fn alpn(mut content: Reader<'_>) -> Result<Vec<Vec<u8>>, Bad> {
    let mut list = content.list16()?;
    if !content.0.is_empty() {
        return Err(Bad);
    }
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let protocol = list.list8()?;
        if protocol.0.is_empty() {
            return Err(Bad);
        }
        protocols.push(protocol.0.to_vec());
    }
    Ok(protocols)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Bad> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Bad)?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self) -> Result<u16, Bad> {
        let bytes = self.take(2)?;
        bytes.try_into().map(u16::from_be_bytes).map_err(|_| Bad)
    }

    fn list8(&mut self) -> Result<Reader<'a>, Bad> {
        let length = self.take(1)?.first().copied().ok_or(Bad)?;
        self.take(usize::from(length)).map(Reader)
    }

    fn list16(&mut self) -> Result<Reader<'a>, Bad> {
        let length = self.number()?;
        self.take(usize::from(length)).map(Reader)
    }
}

#[cfg(test)]
#[path = "tests/hello.rs"]
mod tests;
