//! Strings: what is in them, and where one that is not closed as it should be is meant to end.

use super::{ERRORS_MAX, Lexer};
use crate::scan::{clipped, escape, goes_on, quoted_length};
use crate::token::Kind;
use msb_diag::{Diagnostic, codes};

impl Lexer<'_> {
    pub(super) fn string(&mut self) {
        let rest = self.rest();
        let (length, closed) = quoted_length(&rest[1..]);
        let length = 1 + length;
        if !closed && let Some(end) = goes_on(&rest[length..]) {
            return self.string_of_lines(length + end);
        }
        if closed && rest[length..].starts_with(|c: char| c.is_alphanumeric()) {
            return self.quote_inside(length);
        }
        self.check_characters(length, "the string");
        if !closed {
            self.error(codes::UNEXPECTED, length, "string has no end".to_owned(), "write `\"` at its end");
        }
        let body = &rest[1..length - usize::from(closed)];
        let value = self.unescape(body);
        self.push(Kind::Text(value.into_boxed_str()), length);
    }

    /// A string that is closed on a line below, `length` bytes from here.
    pub(super) fn string_of_lines(&mut self, length: usize) {
        let written = &self.rest()[..length];
        let start = self.at;
        for line in written.split_inclusive('\n') {
            let text = line.trim_end_matches(['\n', '\r']);
            self.check_characters(text.len(), "the string");
            self.at += line.len();
        }
        self.at = start;
        let joined = written[1..length - 1].split_whitespace().collect::<Vec<&str>>().join(" ");
        self.error(
            codes::UNEXPECTED,
            length,
            "string goes on behind the end of its line".to_owned(),
            "write it on one line, with `\\n` where a line is to end",
        );
        self.fix_last(format!("\"{joined}\""));
        self.push(Kind::Text(joined.into_boxed_str()), length);
    }

    /// A string of `length` bytes that goes over into a word: a `"` is missing before it, or stands in the text.
    pub(super) fn quote_inside(&mut self, length: usize) {
        let rest = self.rest();
        let line = rest[..rest.find('\n').unwrap_or(rest.len())].trim_end_matches('\r');
        let last = line.rfind('"').map_or(length, |at| at + 1);
        let goes_on = line[last..].starts_with(|c: char| c.is_alphanumeric());
        let even = line.matches('"').count().is_multiple_of(2) && !goes_on;
        let shown = clipped(line[length..].split(['"', ' ']).next().unwrap_or_default());
        let (whole, message, help) = if even {
            (last, format!("string ends before `{shown}`"), "write `\\\"` for a `\"` inside of text")
        } else {
            (line.len(), "a `\"` is missing on this line".to_owned(), "write `\"` where the text ends")
        };
        self.check_characters(whole, "the string");
        self.error(codes::UNEXPECTED, whole, message, help);
        let value = rest[1..length - 1].to_owned();
        self.push(Kind::Text(value.into_boxed_str()), whole);
    }

    /// Resolves the escapes of a string's body.
    pub(super) fn unescape(&mut self, body: &str) -> String {
        let mut value = String::with_capacity(body.len());
        let mut at = 0;
        while let Some(found) = body[at..].find('\\') {
            value.push_str(&body[at..at + found]);
            at += found;
            match escape(&body[at..]) {
                Some((character, length)) => {
                    value.push(character);
                    at += length;
                }
                // Who has made so many mistakes repeats one.
                None if self.errors.len() >= ERRORS_MAX => break,
                None => {
                    let length = 1 + body[at + 1..].chars().next().map_or(0, char::len_utf8);
                    let written = &body[at..at + length];
                    let span = self.span(self.at + 1 + at, self.at + 1 + at + length);
                    self.errors.push(
                        Diagnostic::new(codes::UNEXPECTED, format!("unknown escape `{written}`"))
                            .label(span, "")
                            .help("write `\\\"`, `\\\\`, `\\n`, `\\t`, `\\r` or `\\u{e9}`; `\\\\` is a single `\\`"),
                    );
                    at += length;
                }
            }
        }
        value.push_str(&body[at..]);
        value
    }
}
