//! Reading a log again: does each line follow from the one before.

use crate::{Chain, LAST_EVENT, digest};
use serde_json::Value;
use std::fmt;
use std::io::{self, BufRead, Read as _};

/// Bytes of one line: more than what any event has.
pub const LINE_BYTES_MAX: u64 = 1 << 20;

/// The lines of one run. A file to which several runs were appended has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The number of its first line in the file, from 1.
    pub first_line: u64,
    /// How many lines it has.
    pub lines: u64,
    /// SHA-256 of its last line, in hexadecimal.
    pub last: String,
    /// Whether it ends with totals, as a run does that was not cut off.
    pub is_whole: bool,
}

/// The first line that does not follow from those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its number in the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub why: Why,
}

/// Why a line does not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is no JSON object with `seq` and `prev`.
    NotALine,
    /// It is longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// It has no newline: it was cut.
    Cut,
    /// Lines are missing, twice there or moved.
    Number {
        /// The number that it should have.
        expected: u64,
        /// The one that it has.
        found: u64,
    },
    /// The line before it is not the one that it was written after.
    Changed,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NotALine => write!(f, "it is no line of an audit log"),
            Why::TooLong => write!(f, "it is longer than any line of an audit log"),
            Why::Cut => write!(f, "it was cut off"),
            Why::Number { expected, found } => {
                write!(
                    f,
                    "it has number {found} where {expected} should be: lines are missing, moved or added"
                )
            }
            Why::Changed => write!(f, "the line before it is not the one that it was written after"),
        }
    }
}

/// Reads a log, and gives the runs in it if every line follows from the one before.
///
/// # Errors
/// `Err(error)` when it can't be read, `Ok(Err(broken))` for the first line that does not follow.
pub fn verify(mut from: impl BufRead) -> io::Result<Result<Vec<Run>, Broken>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut chain = Chain::default();
    let mut number = 0;
    loop {
        let mut line = Vec::new();
        if (&mut from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(Ok(runs));
        }
        number += 1;
        let broken = |why| Ok(Err(Broken { line: number, why }));
        if line.pop() != Some(b'\n') {
            return broken(if line.len() as u64 + 1 >= LINE_BYTES_MAX { Why::TooLong } else { Why::Cut });
        }
        let Some(Line { seq, prev, event }) = Line::of(&line) else { return broken(Why::NotALine) };
        let begins = seq == 0 && runs.last().is_none_or(|run| run.is_whole);
        if begins {
            chain = Chain::default();
        }
        if seq != chain.lines {
            return broken(Why::Number { expected: chain.lines, found: seq });
        }
        if prev != chain.digest() {
            return broken(Why::Changed);
        }
        chain = Chain { lines: seq + 1, last: digest(&line) };
        let found = Run {
            first_line: number - seq,
            lines: chain.lines,
            last: chain.digest(),
            is_whole: event == LAST_EVENT,
        };
        match runs.last_mut() {
            Some(run) if !begins => *run = found,
            _ => runs.push(found),
        }
    }
}

/// What a line says of itself.
struct Line {
    seq: u64,
    prev: String,
    event: String,
}

impl Line {
    fn of(line: &[u8]) -> Option<Line> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        Some(Line { seq: value.get("seq")?.as_u64()?, prev: text("prev")?, event: text("event")? })
    }
}
