//! Lines with gaps: each `#` of a text stands for a value, so that what is said is read where it is written.

use crate::files::push_decimal;
use alloc::vec::Vec;
use msb_plan::{OriginId, Plan};

/// What stands for a `#`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    /// In decimal.
    Number(u64),
    /// As it is.
    Words(&'a str),
    /// A line of the policy, below what it is about; nothing where it is not known.
    Line(Option<OriginId>),
    /// `null` of JSON.
    Null,
    /// A string of JSON (RFC 8259).
    String(&'a [u8]),
    /// A line of the policy as an object of JSON, or null.
    Origin(Option<OriginId>),
}

impl<'a> Value<'a> {
    /// A number of JSON, or null.
    pub(crate) fn number(value: Option<u64>) -> Value<'a> {
        value.map_or(Value::Null, Value::Number)
    }

    /// A string of JSON, or null.
    pub(crate) fn string(value: Option<&'a [u8]>) -> Value<'a> {
        value.map_or(Value::Null, Value::String)
    }
}

/// `text` with `values` in its gaps.
pub(crate) fn filled(plan: Option<&Plan<'_>>, text: &str, values: &[Value<'_>]) -> Vec<u8> {
    let mut line = Vec::new();
    fill(&mut line, plan, text, values);
    line
}

/// Adds `text` with `values` in its gaps to `line`.
#[inline(never)]
pub(crate) fn fill(line: &mut Vec<u8>, plan: Option<&Plan<'_>>, text: &str, values: &[Value<'_>]) {
    let origin = |id: Option<OriginId>| plan?.origins.get(usize::from(id?.0));
    let mut values = values.iter();
    for byte in text.bytes() {
        if byte != b'#' {
            line.push(byte);
            continue;
        }
        match *values.next().unwrap_or(&Value::Null) {
            Value::Number(value) => push_decimal(line, value),
            Value::Words(words) => line.extend_from_slice(words.as_bytes()),
            Value::String(value) => string(line, value),
            Value::Null => line.extend_from_slice(b"null"),
            Value::Line(id) => {
                if let Some(at) = origin(id) {
                    let number = Value::Number(u64::from(at.line));
                    fill(line, None, "\n  #:#: #", &[Value::Words(at.file), number, Value::Words(at.text)]);
                }
            }
            Value::Origin(id) => match origin(id) {
                Some(at) => {
                    let values = [
                        Value::String(at.file.as_bytes()),
                        Value::Number(u64::from(at.line)),
                        Value::Number(u64::from(at.column)),
                        Value::String(at.text.as_bytes()),
                    ];
                    fill(line, None, "{\"file\":#,\"line\":#,\"column\":#,\"text\":#}", &values);
                }
                None => line.extend_from_slice(b"null"),
            },
        }
    }
}

/// Adds a string of JSON. Bytes that are no UTF-8 become U+FFFD.
fn string(line: &mut Vec<u8>, value: &[u8]) {
    line.push(b'"');
    let mut rest = value;
    while let Err(error) = core::str::from_utf8(rest) {
        let (valid, others) = rest.split_at(error.valid_up_to());
        escaped(line, valid);
        line.extend_from_slice("\u{fffd}".as_bytes());
        rest = error.error_len().and_then(|bad| others.get(bad..)).unwrap_or_default();
    }
    escaped(line, rest);
    line.push(b'"');
}

#[inline(never)]
fn escaped(line: &mut Vec<u8>, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in text {
        if byte < 0x20 {
            line.extend_from_slice(b"\\u00");
            line.push(DIGITS[usize::from(byte >> 4)]);
            line.push(DIGITS[usize::from(byte & 15)]);
            continue;
        }
        if matches!(byte, b'"' | b'\\') {
            line.push(b'\\');
        }
        line.push(byte);
    }
}
