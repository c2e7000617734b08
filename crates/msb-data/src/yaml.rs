//! YAML with positions, without what makes YAML mean different things to different readers.
//!
//! Refused are anchors, aliases and merge keys (a rule should be read where it stands), tags, several
//! documents, names that come twice, and plain scalars that some reader takes for a truth value, a
//! number, a time or nothing (`no`, `1:30`, `012`, `1e3`, `~`) where they are neither `true` nor `false`
//! nor a plain whole number. Quotes make a text of each.

use crate::document::{DEPTH_MAX, Key, Kind, Node, malformed, span, too_deep, twice};
use msb_diag::{Diagnostic, FileId, Span, codes};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use std::collections::HashMap;

type Read<T> = Result<T, Box<Diagnostic>>;

/// The one document of `text`.
pub(crate) fn read(file: FileId, text: &str) -> Read<Node> {
    let mut reader =
        Reader { file, text, parser: Parser::new_from_str(text), places: Places::new(text), depth: 0 };
    let mut document = None;
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => break,
            (Event::DocumentStart(_), at) if document.is_some() => {
                return Err(refused("a second document", at, "write one file for each"));
            }
            (Event::DocumentStart(_), _) => {
                let (event, at) = reader.next()?;
                document = Some(reader.node(event, at)?);
            }
            _ => {}
        }
    }
    let empty = || Node { kind: Kind::Null, span: span(file, 0, 0) };
    Ok(document.unwrap_or_else(empty))
}

struct Reader<'a> {
    file: FileId,
    text: &'a str,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    places: Places<'a>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Read<(Event<'a>, Span)> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, span(self.file, self.text.len(), self.text.len()))),
            Some(Ok((event, at))) => {
                let (start, end) = (self.places.byte(&at.start), self.places.byte(&at.end));
                Ok((event, span(self.file, start, end)))
            }
            Some(Err(wrong)) => {
                let at = self.places.byte(wrong.marker());
                let length = self.text[at..].chars().next().map_or(0, char::len_utf8);
                let place = span(self.file, at, at + length);
                let message = format!("not YAML: {}", wrong.info());
                Err(malformed(message, place, self.help(wrong.info(), at)))
            }
        }
    }

    /// What to write where the parser of YAML gave up.
    fn help(&self, why: &str, at: usize) -> &'static str {
        let rest = self.text.get(at..).unwrap_or_default();
        let line = self.text.get(..at).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
        if rest.starts_with(['@', '`', '%']) {
            return "write quotes round a text that begins with this sign: `\"@system-service\"`";
        }
        if line.contains('\t') || rest.starts_with('\t') {
            return "write blanks in the place of the tab: YAML is indented by blanks alone";
        }
        if why.contains("mapping values") {
            return "write quotes round a text that has `: ` in it";
        }
        "look at indentation, quotes and brackets here and above"
    }

    fn node(&mut self, event: Event<'a>, at: Span) -> Read<Node> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                plain(anchor, tag.is_some(), at)?;
                let (kind, span) = self.scalar(&text, style, at);
                Ok(Node { kind, span })
            }
            Event::SequenceStart(anchor, tag) => {
                plain(anchor, tag.is_some(), at)?;
                self.deeper(at)?;
                let mut nodes = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => break end,
                        (event, at) => nodes.push(self.node(event, at)?),
                    }
                };
                self.depth -= 1;
                Ok(Node { kind: Kind::List(nodes), span: at.to(end) })
            }
            Event::MappingStart(anchor, tag) => {
                plain(anchor, tag.is_some(), at)?;
                self.deeper(at)?;
                let (members, end) = self.members()?;
                self.depth -= 1;
                let start =
                    members.first().map_or(at, |(key, _)| Span { start: at.start.min(key.span.start), ..at });
                Ok(Node { kind: Kind::Map(members), span: start.to(end) })
            }
            Event::Alias(_) => Err(refused("an alias", at, "write the value itself")),
            _ => Err(malformed("unexpected end of the document".to_owned(), at, "write a value")),
        }
    }

    fn deeper(&mut self, at: Span) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(too_deep(Span { end: at.start, ..at })) } else { Ok(()) }
    }

    fn members(&mut self) -> Read<(Vec<(Key, Node)>, Span)> {
        let mut members: Vec<(Key, Node)> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, end) => return Ok((members, end)),
                (Event::Scalar(text, style, anchor, tag), at) => {
                    plain(anchor, tag.is_some(), at)?;
                    if text == "<<" && style == ScalarStyle::Plain {
                        return Err(refused("a merge key", at, "write the members themselves"));
                    }
                    let (_, span) = self.scalar(&text, style, at);
                    Key { text: text.into_owned(), span }
                }
                (Event::Alias(_), at) => return Err(refused("an alias", at, "write the name itself")),
                (_, at) => {
                    let message = "a name that is no text".to_owned();
                    return Err(malformed(message, Span { end: at.start, ..at }, "write a word before `:`"));
                }
            };
            if let Some((first, _)) = seen.get(&key.text).and_then(|&index| members.get(index)) {
                return Err(twice(&key, first));
            }
            seen.insert(key.text.clone(), members.len());
            let (event, at) = self.next()?;
            members.push((key, self.node(event, at)?));
        }
    }

    /// What a scalar is, and its exact place.
    fn scalar(&self, text: &str, style: ScalarStyle, at: Span) -> (Kind, Span) {
        let start = at.start as usize;
        let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        let first = start + usize::from(quoted);
        let as_it_is = self.text.get(first..).is_some_and(|rest| rest.starts_with(text));
        let closed = !quoted || {
            let after = self.text.as_bytes().get(first + text.len());
            after.is_some() && after == self.text.as_bytes().get(start)
        };
        let one_line = quoted || style == ScalarStyle::Plain;
        let verbatim = one_line && as_it_is && closed;
        let place =
            if verbatim { span(self.file, start, first + text.len() + usize::from(quoted)) } else { at };
        let text_of = || Kind::Text { text: text.to_owned(), verbatim: verbatim.then_some(first) };
        let kind =
            if style == ScalarStyle::Plain { plain_scalar(text).unwrap_or_else(text_of) } else { text_of() };
        (kind, place)
    }
}

/// What a plain scalar is; `None` for a text, of which no reader thinks otherwise.
fn plain_scalar(text: &str) -> Option<Kind> {
    /// What YAML 1.1 has for truth values and nothing besides `true` and `false`.
    const TRUTHS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false"];
    let lower = text.to_ascii_lowercase();
    let bytes = text.as_bytes();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "" => return Some(Kind::Null),
        "true" => return Some(Kind::Bool(true)),
        "false" => return Some(Kind::Bool(false)),
        _ if TRUTHS.contains(&lower.as_str()) => return Some(Kind::Odd("what some take for a truth value")),
        _ if lower == "null" || text == "~" => return Some(Kind::Odd("what some take for nothing")),
        _ if matches!(lower.as_str(), ".inf" | "+.inf" | "-.inf" | ".nan") => {
            return Some(Kind::Odd("what some take for a number"));
        }
        _ => {}
    }
    if digits(text) && (text.len() == 1 || bytes.first() != Some(&b'0')) {
        return Some(text.parse().map_or(Kind::Odd("a number that is too big"), Kind::Int));
    }
    let number_like = |byte: u8| byte.is_ascii_digit() || b"+-._:eExXoObBT ,abcdefABCDEFZ".contains(&byte);
    let begins = bytes.first().is_some_and(|byte| byte.is_ascii_digit() || b"+-.".contains(byte));
    let has_digit = bytes.iter().any(u8::is_ascii_digit);
    // `1e3`, `0x1f`, `012`, `1_000`, `1:30`, `2026-01-31`, `3.12`: somebody reads a number or a time.
    let odd = begins && has_digit && bytes.iter().all(|&byte| number_like(byte)) && !is_no_number(text);
    odd.then_some(Kind::Odd("what some take for a number or a time"))
}

/// `10.0.0.1`, `8000..8080`: no reader has a type for either.
fn is_no_number(text: &str) -> bool {
    let shape = text.matches('.').count() == 3 || text.contains("..");
    shape && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn plain(anchor: usize, tagged: bool, at: Span) -> Read<()> {
    if anchor != 0 {
        return Err(refused("an anchor", at, "write the value where it is needed"));
    }
    if tagged {
        return Err(refused("a tag", at, "write the value without `!`"));
    }
    Ok(())
}

fn refused(what: &str, at: Span, help: &str) -> Box<Diagnostic> {
    let found = Diagnostic::new(codes::AMBIGUOUS_DATA, format!("{what} is refused in a policy"));
    Box::new(found.label(at, "").help(help))
}

/// Lines and columns as bytes. What is asked for mostly lies behind what was asked for before, so that a
/// long line is walked along once.
struct Places<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// Line from 1, column in characters, byte.
    last: (usize, usize, usize),
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Places<'a> {
        let starts: Vec<usize> =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Places { text, starts, last: (1, 0, 0) }
    }

    fn byte(&mut self, marker: &Marker) -> usize {
        let (line, column) = (marker.line(), marker.col());
        let begin = line.checked_sub(1).and_then(|index| self.starts.get(index)).copied();
        let begin = begin.unwrap_or(self.text.len());
        let (mut at, mut byte) = (0, begin);
        if self.last.0 == line && self.last.1 <= column {
            (at, byte) = (self.last.1, self.last.2);
        }
        for character in self.text.get(byte..).unwrap_or_default().chars() {
            if at >= column || character == '\n' {
                break;
            }
            at += 1;
            byte += character.len_utf8();
        }
        self.last = (line, at, byte);
        byte
    }
}
