//! How long a token is and what its characters mean: the functions under the lexer, without state.

use crate::token::{is_path_byte, is_word_byte};
use msb_diag::is_invisible;

/// Quotes that are none here, and how they close.
pub(crate) const QUOTES: [(char, char); 4] =
    [('\'', '\''), ('`', '`'), ('\u{2018}', '\u{2019}'), ('\u{201c}', '\u{201d}')];

/// `${name}/rest` and `$(name)`, as shells and build files write it: its length, and how it is written here.
pub(crate) fn braced_var(rest: &str) -> Option<(usize, String)> {
    let (inner, close) = match rest.strip_prefix("${") {
        Some(inner) => (inner, '}'),
        None => (rest.strip_prefix("$(")?, ')'),
    };
    let end = inner.find(close)?;
    let name = &inner[..end];
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let path_behind = |at: usize| &inner[at..at + path_run(&inner[at..])];
    if name == "HOME" {
        let path = path_behind(end + 1);
        let home = if path.is_empty() { "~/".to_owned() } else { format!("~{path}") };
        return Some(("${}HOME".len() + path.len(), home));
    }
    if !name.bytes().all(is_name) || !name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') {
        return None;
    }
    let path = path_behind(end + 1);
    Some(("${}".len() + end + path.len(), format!("${name}{path}")))
}

/// Letters of Cyrillic and Greek, and the Latin ones that they look like (UTS 39, confusables.txt).
const LOOK_ALIKES: [(char, char); 28] = [
    ('а', 'a'),
    ('с', 'c'),
    ('ԁ', 'd'),
    ('е', 'e'),
    ('һ', 'h'),
    ('і', 'i'),
    ('ј', 'j'),
    ('ӏ', 'l'),
    ('о', 'o'),
    ('р', 'p'),
    ('ԛ', 'q'),
    ('ѕ', 's'),
    ('у', 'y'),
    ('ԝ', 'w'),
    ('х', 'x'),
    ('А', 'A'),
    ('В', 'B'),
    ('С', 'C'),
    ('Е', 'E'),
    ('Н', 'H'),
    ('М', 'M'),
    ('О', 'O'),
    ('Р', 'P'),
    ('Т', 'T'),
    ('Х', 'X'),
    ('ο', 'o'),
    ('α', 'a'),
    ('ν', 'v'),
];

/// A word in which letters of other scripts look like Latin ones, in Latin letters.
pub(crate) fn latin(word: &str) -> Option<String> {
    let latin = |c: char| match LOOK_ALIKES.iter().find(|(foreign, _)| *foreign == c) {
        Some((_, latin)) => Some(*latin),
        None => Some(c).filter(char::is_ascii),
    };
    word.chars().map(latin).collect()
}

/// The name of a parameter that a word was meant as: `WORK_DIR`, `work-dir`.
pub(crate) fn parameter_name(word: &str) -> Option<String> {
    let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let begins = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (plain && begins).then(|| word.to_ascii_lowercase().replace('-', "_"))
}

/// `/host:/inside:ro`, as container engines write it, in the words of this language.
pub(crate) fn bind_mount(written: &str) -> Option<String> {
    let mut parts = written.split(':');
    let (host, inside) = (parts.next()?, parts.next()?);
    let mode = parts.next().unwrap_or("ro");
    let path = |text: &str| text.len() > 1 && text.bytes().all(is_path_byte);
    let known = matches!(mode, "ro" | "rw" | "z" | "Z") && parts.next().is_none();
    let host_is_path = host.starts_with('$') || path(host);
    (known && inside.starts_with('/') && path(inside) && host_is_path).then(|| format!("{host} at {inside}"))
}

/// Bytes of the text are below 2³²: [`crate::parse`] refuses longer files before they come here.
pub(crate) fn offset(byte: usize) -> u32 {
    u32::try_from(byte).unwrap_or(u32::MAX)
}

/// Whether a bare path begins here.
pub(crate) fn path_begins(rest: &str) -> bool {
    ["/", "~/", "./", "../", "**/"].iter().any(|start| rest.starts_with(start))
}

pub(crate) fn path_run(rest: &str) -> usize {
    rest.bytes().position(|byte| !is_path_byte(byte)).unwrap_or(rest.len())
}

/// The length of `{a,b}/c`, a pattern of other languages, so that its `}` closes no block; of the `{`
/// alone where it is not closed on its line.
pub(crate) fn braces(rest: &str) -> usize {
    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
    line.find('}').map_or(1, |end| end + 1 + path_run(&line[end + 1..]))
}

/// The ASCII word at the beginning of `rest`; a `-` belongs to it where a word goes on behind.
pub(crate) fn ascii_word(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let is_word = |at: usize| bytes.get(at).is_some_and(|&byte| is_word_byte(byte));
    let mut end = 0;
    while is_word(end) || (end > 0 && bytes.get(end) == Some(&b'-') && is_word(end + 1)) {
        end += 1;
    }
    end
}

/// Like [`ascii_word`], with letters of every script and invisible characters.
pub(crate) fn word_run(rest: &str) -> usize {
    let belongs = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || is_invisible(c);
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

/// `[A-Z][A-Z0-9_]*`
pub(crate) fn is_env_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// The length of what stands in quotes, up to the end of the line at most, and whether it is closed;
/// `rest` begins after the opening quote, and the length includes the closing one.
pub(crate) fn quoted_length(rest: &str) -> (usize, bool) {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return (at + 1, true),
            b'\n' => break,
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => break,
            b'\\' if bytes.get(at + 1).is_some_and(|&b| b == b'"' || b == b'\\') => at += 2,
            _ => at += 1,
        }
    }
    (at, false)
}

/// Where the string that is open at the end of a line is closed further down, if that is what it looks like: a `"`
/// behind which no text goes on, on a line that has no other open one. `rest` begins at the end of the line, and the
/// length includes the quote.
pub(crate) fn goes_on(rest: &str) -> Option<usize> {
    /// A text that is longer is more likely to have lost its end.
    const LINES_MAX: usize = 8;
    let mut before = 0;
    for line in rest.split_inclusive('\n').take(1 + LINES_MAX) {
        if let Some(at) = line.find('"') {
            let behind = line[at + 1..].chars().next();
            let ends = behind.is_none_or(|c| c.is_whitespace() || matches!(c, ',' | '}' | ')' | ']' | ':'));
            let odd = line.matches('"').count() % 2 == 1;
            return (ends && odd && before > 0).then_some(before + at + 1);
        }
        before += line.len();
    }
    None
}

/// The character of the escape at the beginning of `rest`, and the escape's length.
pub(crate) fn escape(rest: &str) -> Option<(char, usize)> {
    match rest.as_bytes().get(1)? {
        b'"' => Some(('"', 2)),
        b'\\' => Some(('\\', 2)),
        b'n' => Some(('\n', 2)),
        b't' => Some(('\t', 2)),
        b'r' => Some(('\r', 2)),
        b'u' => {
            let digits = rest[2..].strip_prefix('{')?;
            // No more than six digits, so that a long run of them is not searched again and again.
            let length = digits.bytes().take(7).position(|byte| byte == b'}')?;
            let digits = &digits[..length];
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            // A NUL would end the text early wherever the kernel reads it.
            let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?).filter(|&c| c != '\0')?;
            Some((character, 4 + length))
        }
        _ => None,
    }
}

/// The length of an address in brackets with its prefix length, and whether it is one; `None` for a
/// list.
pub(crate) fn ip6_length(rest: &str) -> Option<(usize, bool)> {
    /// An address has at most 45 characters (RFC 4291, with an IPv4 tail).
    const ADDRESS_BYTES_MAX: usize = 45;
    let inner = rest.strip_prefix('[')?;
    let belongs = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    let length = inner.bytes().take(ADDRESS_BYTES_MAX + 1).position(|byte| !belongs(byte))?;
    let address = &inner[..length];
    if address.matches(':').count() < 2 || !inner[length..].starts_with(']') {
        return None;
    }
    let mut end = length + 2;
    let mut valid = address.parse::<std::net::Ipv6Addr>().is_ok();
    if let Some(prefix) = rest[end..].strip_prefix('/') {
        let digits = prefix.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(prefix.len());
        valid &= prefix[..digits].parse::<u8>().is_ok_and(|bits| bits <= 128);
        end += 1 + digits;
    }
    Some((end, valid))
}

/// How a message names a character: `` `é` (U+00E9) ``, or `U+202E` where there is nothing to see.
pub(crate) fn name(character: char) -> String {
    match character {
        '`' => "a backtick".to_owned(),
        c if c.is_ascii_graphic() => format!("`{c}`"),
        c if c.is_control() || c.is_whitespace() || is_invisible(c) => format!("U+{:04X}", u32::from(c)),
        c => format!("`{c}` (U+{:04X})", u32::from(c)),
    }
}

/// `text`, or its beginning where it is long.
pub(crate) fn clipped(text: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 40;
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
