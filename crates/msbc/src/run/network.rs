//! What the network refuses, as it happens: lines of the gateway's log, on their way to where they are kept.
//!
//! The gateway writes its log to a pipe, and what is read here goes on to the file as it is. A file that can't be written ends
//! the run, as it does without `--explain`: nobody reads the pipe then, and a log that can't be written ends the gateway.

use super::refusals::printable;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead as _, BufReader, PipeReader, Write as _};

/// Refusals that are told; a program that tries whatever it can think of fills no terminal.
const TOLD_MAX: usize = 64;
/// Kinds of refusals that are told apart to be counted, by their hashes: eight bytes each.
const KINDS_MAX: usize = 65_536;

/// What was refused, once for all times that it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Refused {
    /// What was tried: `connect tcp 203.0.113.9:443`.
    pub(super) what: String,
    /// Why, in the log's words: `no-rule`.
    why: String,
    /// The line that decides, as the log has it.
    rule: Option<Rule>,
    /// The rule that the policy would need.
    needed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Rule {
    file: String,
    line: u64,
    text: String,
}

/// The log on its way.
#[derive(Debug)]
pub(super) struct Log {
    /// What the gateway writes to.
    pub(super) from: PipeReader,
    /// Where it is kept, if anywhere.
    pub(super) to: Option<File>,
}

/// How much was refused.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// What differs.
    pub(super) kinds: usize,
    /// All.
    pub(super) times: u64,
    /// Whether there was more than is told.
    pub(super) is_cut: bool,
    /// Whether the kernel refuses without saying so.
    pub(super) kernel_is_silent: bool,
}

/// Reads the log to its end, passes it on, and tells of each refusal once.
///
/// # Errors
/// When the pipe can't be read or the file can't be written.
pub(super) fn follow(log: Log, mut tell: impl FnMut(&Refused)) -> io::Result<Counts> {
    let Log { from, to: mut file } = log;
    let mut from = BufReader::new(from);
    let mut counts = Counts::default();
    let (hasher, mut known) = (RandomState::new(), HashSet::new());
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        if let Some(file) = &mut file {
            file.write_all(&line)?;
        }
        let event: Value = serde_json::from_slice(&line).unwrap_or_default();
        line.clear();
        counts.kernel_is_silent |= event["kernel"] == "silent";
        if event["decision"] != "deny" {
            continue;
        }
        counts.times += event["times"].as_u64().unwrap_or(1);
        let refused = refused(&event);
        if known.len() >= KINDS_MAX || !known.insert(hasher.hash_one(&refused)) {
            continue;
        }
        if known.len() <= TOLD_MAX {
            tell(&refused);
        } else {
            counts.is_cut = true;
        }
    }
    counts.kinds = known.len();
    Ok(counts)
}

/// A line of the log in words.
fn refused(event: &Value) -> Refused {
    let text = |key: &str| printable(event[key].as_str().unwrap_or_default());
    let (protocol, port) = (text("protocol"), event["port"].as_u64().unwrap_or(0));
    let whom = format!("{}:{port}", text("target"));
    let what = match event["event"].as_str() {
        Some("lookup") => format!("look up {}", text("name")),
        Some("request") => format!("{} {} of {protocol} {whom}", text("method"), text("path")),
        _ if event["times"].is_number() => "more connections than are listed".to_owned(),
        _ if event["server_name"].is_string() => {
            format!("connect {protocol} {whom}, asking for {}", text("server_name"))
        }
        _ => format!("connect {protocol} {whom}"),
    };
    let rule = event["rule"].as_object().map(|rule| Rule {
        file: rule["file"].as_str().unwrap_or_default().to_owned(),
        line: rule["line"].as_u64().unwrap_or(0),
        text: rule["text"].as_str().unwrap_or_default().to_owned(),
    });
    let needed = event["needed"].as_str().map(printable);
    Refused { what, why: text("reason"), rule, needed }
}

impl Refused {
    /// Which line decides, and what it would take; `net` is the line that begins the network rules.
    pub(super) fn lines(&self, net: &str) -> String {
        let at = match &self.rule {
            Some(rule) => format!("{}:{}: {}", rule.file, rule.line, rule.text),
            None => net.to_owned(),
        };
        let why = match (self.why.as_str(), &self.rule) {
            ("deny-rule", _) => String::new(),
            ("no-rule", None) => "  (no rule of it allows this)".to_owned(),
            ("no-rule", Some(_)) => "  (allows no more than this)".to_owned(),
            (why, _) => format!("  ({why})"),
        };
        let needed = self.needed.as_ref().map(|needed| format!("\n         it needs: {needed}"));
        format!("{at}{why}{}", needed.unwrap_or_default())
    }

    /// The same for a program.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "event": "refused",
            "what": self.what,
            "why": self.why,
            "errno": null,
            "origin": self.rule.as_ref().map(|it| json!({"file": it.file, "line": it.line, "text": it.text})),
            "needed": self.needed,
        })
    }
}

#[cfg(test)]
mod tests;
