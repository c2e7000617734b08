//! Bytes of a text as the protocol's positions, and back.

use serde_json::{Value, json};

/// What a position's `character` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Bytes.
    Utf8,
    /// Units of UTF-16, the protocol's default.
    Utf16,
}

/// Lines of a text, which end with `\n`, `\r\n` or `\r`, as the protocol has it.
pub(crate) struct Places<'a> {
    text: &'a str,
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'a> Places<'a> {
    pub(crate) fn new(text: &'a str, encoding: Encoding) -> Places<'a> {
        let ends = text.bytes().enumerate().filter(|&(at, byte)| {
            byte == b'\n' || byte == b'\r' && text.as_bytes().get(at + 1) != Some(&b'\n')
        });
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Places { text, starts, encoding }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The byte of a position; beyond the end of a line it is that end, before its `\r\n` or `\n`.
    pub(crate) fn byte(&self, position: &Value) -> Option<usize> {
        let number = |name: &str| usize::try_from(position.get(name)?.as_u64()?).ok();
        let (line, character) = (number("line")?, number("character")?);
        let Some(&start) = self.starts.get(line) else { return Some(self.text.len()) };
        let rest = self.text.get(start..)?;
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let mut counted = 0;
        for (at, found) in rest[..end].char_indices() {
            if counted >= character {
                return Some(start + at);
            }
            counted += self.width(found);
        }
        Some(start + end)
    }

    fn width(&self, character: char) -> usize {
        match self.encoding {
            Encoding::Utf8 => character.len_utf8(),
            Encoding::Utf16 => character.len_utf16(),
        }
    }

    pub(crate) fn position(&self, byte: usize) -> Value {
        let byte =
            (0..=byte.min(self.text.len())).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0);
        let line = self.starts.partition_point(|&start| start <= byte).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let character: usize = self.text[start..byte].chars().map(|it| self.width(it)).sum();
        json!({"line": line, "character": character})
    }

    pub(crate) fn range(&self, start: usize, end: usize) -> Value {
        json!({"start": self.position(start), "end": self.position(end)})
    }
}

/// The path of a `file:` URI; `None` for another kind of URI.
pub(crate) fn path_of(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("file://")?;
    // An authority is this machine or none.
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|path| path.starts_with('/'))
}

/// The `file:` URI of an absolute path.
pub(crate) fn uri_of(path: &str) -> String {
    let mut uri = String::from("file://");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
