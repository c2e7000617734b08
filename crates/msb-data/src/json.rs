//! JSON with positions. A name that comes twice is refused: RFC 8259 leaves open which of them counts.

use crate::document::{DEPTH_MAX, Key, Kind, Node, malformed, span, too_deep, twice};
use msb_diag::{Diagnostic, FileId, Span};
use std::collections::HashMap;

type Read<T> = Result<T, Box<Diagnostic>>;

/// The value that `text` is.
pub(crate) fn read(file: FileId, text: &str) -> Read<Node> {
    let mut reader = Reader { file, text, at: 0, depth: 0 };
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    let node = reader.value()?;
    reader.blank();
    if reader.at < text.len() {
        let here = reader.here();
        return Err(malformed("unexpected text behind the value".to_owned(), here, "remove it"));
    }
    Ok(node)
}

struct Reader<'a> {
    file: FileId,
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// The next character.
    fn here(&self) -> Span {
        let length = self.rest().chars().next().map_or(0, char::len_utf8);
        span(self.file, self.at, self.at + length)
    }

    fn unexpected<T>(&self, wanted: &str) -> Read<T> {
        let message = match self.rest().chars().next() {
            None => format!("unexpected end of file, expected {wanted}"),
            Some(found) if found.is_control() => {
                format!("unexpected U+{:04X}, expected {wanted}", u32::from(found))
            }
            Some(found) => format!("unexpected `{found}`, expected {wanted}"),
        };
        let comma_before = self.text[..self.at].trim_end().ends_with(',');
        let help = match self.rest().chars().next() {
            Some('}' | ']') if comma_before => "remove the `,` before it".to_owned(),
            Some('/' | '#') => "remove the comment: JSON has none, and YAML has".to_owned(),
            Some('\'') => "write `\"`: JSON has no other quotes".to_owned(),
            Some(_) if wanted.starts_with("`,`") && self.rest().starts_with('"') => {
                "write `,` before it".to_owned()
            }
            _ => format!("write {wanted}"),
        };
        Err(malformed(message, self.here(), &help))
    }

    fn take(&mut self, character: char) -> bool {
        let found = self.rest().starts_with(character);
        self.at += if found { character.len_utf8() } else { 0 };
        found
    }

    fn value(&mut self) -> Read<Node> {
        self.blank();
        let start = self.at;
        let kind = match self.rest().bytes().next() {
            Some(b'{') => self.nested(Reader::map)?,
            Some(b'[') => self.nested(Reader::list)?,
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words = [("true", Kind::Bool(true)), ("false", Kind::Bool(false)), ("null", Kind::Null)];
                let Some((word, kind)) = words.into_iter().find(|(word, _)| self.rest().starts_with(word))
                else {
                    return self.unexpected("a value");
                };
                self.at += word.len();
                kind
            }
        };
        Ok(Node { kind, span: span(self.file, start, self.at) })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Kind>) -> Read<Kind> {
        if self.depth >= DEPTH_MAX {
            return Err(too_deep(self.here()));
        }
        self.depth += 1;
        self.at += 1;
        let kind = read(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    fn list(&mut self) -> Read<Kind> {
        let mut nodes = Vec::new();
        self.blank();
        if self.take(']') {
            return Ok(Kind::List(nodes));
        }
        loop {
            nodes.push(self.value()?);
            self.blank();
            if self.take(']') {
                return Ok(Kind::List(nodes));
            }
            if !self.take(',') {
                return self.unexpected("`,` or `]`");
            }
        }
    }

    fn map(&mut self) -> Read<Kind> {
        let mut members: Vec<(Key, Node)> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        self.blank();
        if self.take('}') {
            return Ok(Kind::Map(members));
        }
        loop {
            self.blank();
            let start = self.at;
            if !self.rest().starts_with('"') {
                return self.unexpected("a name in quotes");
            }
            let Kind::Text { text, .. } = self.string()? else { return self.unexpected("a name in quotes") };
            let key = Key { text, span: span(self.file, start, self.at) };
            if let Some((first, _)) = seen.get(&key.text).and_then(|&index| members.get(index)) {
                return Err(twice(&key, first));
            }
            seen.insert(key.text.clone(), members.len());
            self.blank();
            if !self.take(':') {
                return self.unexpected("`:`");
            }
            members.push((key, self.value()?));
            self.blank();
            if self.take('}') {
                return Ok(Kind::Map(members));
            }
            if !self.take(',') {
                return self.unexpected("`,` or `}`");
            }
        }
    }

    /// The string that begins here; serde_json resolves what is escaped.
    fn string(&mut self) -> Read<Kind> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        let Some(written) = self.text.get(self.at..=end) else {
            let begin = span(self.file, self.at, self.at + 1);
            return Err(malformed("string has no end".to_owned(), begin, "write `\"` at its end"));
        };
        let text: String = match serde_json::from_str(written) {
            Ok(text) => text,
            Err(_) => {
                let place = span(self.file, self.at, end + 1);
                let message = "string has a control character or an unknown escape".to_owned();
                return Err(malformed(message, place, "write line ends as `\\n`, and `\\\\` for a `\\`"));
            }
        };
        let verbatim = (written.len() == text.len() + 2).then_some(self.at + 1);
        self.at = end + 1;
        Ok(Kind::Text { text, verbatim })
    }

    fn number(&mut self) -> Kind {
        let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let length = self.rest().bytes().take_while(|byte| belongs(byte)).count();
        let written = &self.text[self.at..self.at + length];
        self.at += length;
        let plain = written.bytes().all(|byte| byte.is_ascii_digit());
        match written.parse() {
            Ok(value) if plain && (written.len() == 1 || !written.starts_with('0')) => Kind::Int(value),
            _ => Kind::Odd("a number that is not whole, is negative or too big"),
        }
    }
}
