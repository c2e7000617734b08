//! The log: a JSON line for every lookup, connection and request, allowed or denied, and totals at the end.
//!
//! Lines are collected and written together, at the end of each round of the event loop at the latest. A log that
//! can't be written ends the gateway, and with it the run: what is not written down does not happen. Each line is tied to
//! the one before (`msb_audit`).

use crate::tally::{self, Tally};
use msb_audit::Chain;
use msb_plan::{Origin, OriginId};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes that are collected before they are written.
const PENDING_BYTES_MAX: usize = 64 * 1024;
/// Characters of a text that somebody inside chose, in one line.
const TEXT_CHARS_MAX: usize = 512;

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A question to DNS.
    Lookup,
    /// A connection, or a flow of datagrams.
    Connection,
    /// An HTTP request.
    Request,
}

impl Subject {
    /// The word in logs and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Subject::Lookup => "lookup",
            Subject::Connection => "connection",
            Subject::Request => "request",
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It is let through.
    Allow,
    /// It is not.
    Deny,
}

/// Whether the kernel says what it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// It does.
    Listed,
    /// It does not: it has no nfnetlink_log.
    Silent,
}

/// Where decisions are written down.
#[derive(Debug)]
pub struct Log {
    out: Option<Mutex<Out>>,
    /// What all lines have in common.
    common: Map<String, Value>,
    origins: Vec<Value>,
    /// Counts, kept whether or not there is a file.
    pub tally: Tally,
}

#[derive(Debug)]
struct Out {
    file: File,
    pending: Vec<u8>,
    chain: Chain,
}

impl Log {
    /// A log into `file`, or one that counts alone; `sandbox` and `policy` name the run and its policy in each line.
    #[must_use]
    pub fn new(file: Option<File>, sandbox: &str, policy: &str, origins: &[Origin<'_>]) -> Log {
        let names =
            [("sandbox", sandbox), ("policy", policy)].into_iter().filter(|(_, value)| !value.is_empty());
        let common = names.map(|(key, value)| (key.to_owned(), json!(value))).collect();
        let origin =
            |it: &Origin<'_>| json!({"file": it.file, "line": it.line, "column": it.column, "text": it.text});
        Log {
            out: file.map(|file| Mutex::new(Out { file, pending: Vec::new(), chain: Chain::default() })),
            common,
            origins: origins.iter().map(origin).collect(),
            tally: Tally::default(),
        }
    }

    /// Writes a decision down: by which line of the policy, and `more` about it.
    pub fn decided(&self, subject: Subject, decision: Decision, rule: Option<OriginId>, more: Value) {
        self.tally.decided(subject, decision, rule, &more);
        let word = match decision {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
        };
        self.line(subject.word(), Some(word), rule, more);
    }

    /// Writes down that `times` connections and datagrams were refused by the kernel, of which nothing more is known.
    pub fn unlisted(&self, times: u64) {
        self.tally.unlisted(times);
        let more = json!({"by": "kernel", "reason": tally::UNLISTED, "times": times});
        self.line(Subject::Connection.word(), Some("deny"), None, more);
    }

    /// Writes down that a port of the sandbox is published.
    pub fn listens(&self, rule: OriginId, more: Value) {
        self.line("listen", None, Some(rule), more);
    }

    /// Writes down the end of a connection that was let through.
    pub fn ended(&self, rule: Option<OriginId>, up_bytes: u64, down_bytes: u64, more: Value) {
        self.tally.ended(rule, up_bytes, down_bytes);
        let mut more = more;
        if let Some(more) = more.as_object_mut() {
            more.insert("up_bytes".to_owned(), json!(up_bytes));
            more.insert("down_bytes".to_owned(), json!(down_bytes));
        }
        self.line("end", None, rule, more);
    }

    /// Writes the totals down, as the last line; `kernel` is whether they have what it refused.
    pub fn finish(&self, kernel: Kernel) {
        let all = self.tally.all();
        let both = |allowed: u64, denied: u64| json!({"allowed": allowed, "denied": denied});
        let totals = json!({
            "lookups": both(all.lookups, all.lookups_denied),
            "connections": both(all.connections, all.connections_denied),
            "requests": both(all.requests, all.requests_denied),
            "up_bytes": all.up_bytes,
            "down_bytes": all.down_bytes,
            "kernel": match kernel {
                Kernel::Listed => "listed",
                Kernel::Silent => "silent",
            },
        });
        self.line(msb_audit::LAST_EVENT, None, None, totals);
    }

    /// The lines of the policy.
    #[must_use]
    pub fn origins(&self) -> &[Value] {
        &self.origins
    }

    /// How many lines there are, and the digest of the last one; 0 and nothing where there is no file.
    #[must_use]
    pub fn sealed(&self) -> (u64, String) {
        let Some(out) = &self.out else { return (0, String::new()) };
        let chain = &out.lock().unwrap_or_else(PoisonError::into_inner).chain;
        (chain.lines(), chain.digest())
    }

    /// The line of the policy, as lines of the log and answers to requests show it.
    #[must_use]
    pub fn origin(&self, id: OriginId) -> Option<&Value> {
        self.origins.get(usize::from(id.0))
    }

    fn line(&self, event: &str, decision: Option<&str>, rule: Option<OriginId>, more: Value) {
        let Some(out) = &self.out else { return };
        let mut line = Map::new();
        line.insert("time".to_owned(), json!(now()));
        line.extend(self.common.clone());
        line.insert("event".to_owned(), json!(event));
        if let Some(decision) = decision {
            line.insert("decision".to_owned(), json!(decision));
        }
        if let Some(origin) = rule.and_then(|rule| self.origin(rule)) {
            line.insert("rule".to_owned(), origin.clone());
        }
        if let Value::Object(more) = more {
            line.extend(more.into_iter().map(|(key, value)| (key, shortened(value))));
        }
        let object = Value::Object(line).to_string();
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        let sealed = out.chain.seal(&object);
        out.pending.extend_from_slice(sealed.as_bytes());
        if out.pending.len() >= PENDING_BYTES_MAX {
            // An error comes again at the next flush, which ends the gateway.
            let _ = out.write();
        }
    }

    /// Writes what is pending.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn flush(&self) -> io::Result<()> {
        match &self.out {
            None => Ok(()),
            Some(out) => out.lock().unwrap_or_else(PoisonError::into_inner).write(),
        }
    }
}

impl Out {
    fn write(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let written = match self.file.write(&self.pending) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.pending.drain(..written);
        }
        Ok(())
    }
}

fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > TEXT_CHARS_MAX => {
            Value::String(text.chars().take(TEXT_CHARS_MAX).chain(['…']).collect())
        }
        other => other,
    }
}

/// The time as RFC 3339 has it, in UTC with microseconds.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86400, since.as_secs() % 86400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since.subsec_micros())
}

/// Year, month and day so many days from today, UTC.
#[must_use]
pub fn today(days: i32) -> (i32, u8, u8) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86400;
    let (year, month, day) = civil(now.saturating_add_signed(days.into()));
    let small = |number: u64| u8::try_from(number).unwrap_or(1);
    (i32::try_from(year).unwrap_or(i32::MAX), small(month), small(day))
}

/// Year, month and day of a day after 1970-01-01, in the proleptic Gregorian calendar: years begin in March here, so
/// that the leap day is the last one.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
#[path = "tests/audit.rs"]
mod tests;
