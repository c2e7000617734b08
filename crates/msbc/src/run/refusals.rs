//! What a program was refused, in words and as JSON.

use msb_policy::{Origin, OriginId, Policy};
use msb_trace::{Refusal, Why};
use serde_json::{Value, json};

/// What was tried: `socket(domain: AF_INET, …) → EACCES`.
///
/// Names come from the program, so that control characters in them, which a terminal would obey, are shown.
pub(super) fn what(refusal: &Refusal) -> String {
    let what = printable(&refusal.what);
    match refusal.errno.and_then(msb_syscalls::errno_name) {
        Some(name) => format!("{what} → {name}"),
        None => what,
    }
}

/// `text` with nothing in it that a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().flat_map(shown).collect()
}

/// `c`, or its escape where it is not to be printed.
fn shown(c: char) -> Vec<char> {
    if c.is_control() || msb_diag::is_invisible(c) { c.escape_unicode().collect() } else { Vec::from([c]) }
}

/// Which line decides, and how.
pub(super) fn line(refusal: &Refusal, policy: &Policy) -> String {
    let origin = origin(refusal, policy);
    let at = format!("{}:{}: {}", origin.file, origin.line, origin.text);
    match refusal.why {
        Why::Denied | Why::Limit => at,
        // What no line asked for belongs to the policy as a whole.
        Why::AllowsLess if refusal.origin == Some(policy.origin) => {
            format!("{at}  (no line of it allows this)")
        }
        Why::AllowsLess => format!("{at}  (allows no more than this)"),
        Why::NothingAllows => format!("{at}  (no line of it allows this)"),
        Why::NobodyAsked => format!("{at}  (nobody was asked: `msbc run --ask` asks you)"),
        Why::SaidNo => format!("{at}  (you said no)"),
        Why::InMemory => format!("{at}  (what it is about lies in memory: nobody can say yes to it)"),
    }
}

/// `file:line: text` of a line.
pub(super) fn place(id: OriginId, policy: &Policy) -> String {
    policy.origin(id).map_or_else(String::new, |it| format!("{}:{}: {}", it.file, it.line, it.text))
}

/// The line, and what it was asked, for a program.
pub(super) fn to_json(refusal: &Refusal, policy: &Policy) -> Value {
    let origin = origin(refusal, policy);
    json!({
        "event": "refused",
        "what": refusal.what,
        "why": match refusal.why {
            Why::Denied => "denied",
            Why::AllowsLess => "allows-less",
            Why::NothingAllows => "nothing-allows",
            Why::Limit => "limit",
            Why::NobodyAsked => "nobody-asked",
            Why::SaidNo => "said-no",
            Why::InMemory => "in-memory",
        },
        "errno": refusal.errno.and_then(msb_syscalls::errno_name),
        "origin": {"file": origin.file, "line": origin.line, "column": origin.column, "text": origin.text},
    })
}

/// How much was refused.
pub(super) fn summary(kinds: usize, times: u64) -> String {
    match (kinds, times) {
        (0, _) => "nothing was refused".to_owned(),
        (kinds, times) if u64::try_from(kinds) == Ok(times) => format!("{times} refused"),
        (kinds, times) => format!("{times} refused, of {kinds} kinds"),
    }
}

/// The line that decides; where nothing allows it, the policy's own.
fn origin<'p>(refusal: &Refusal, policy: &'p Policy) -> &'p Origin {
    let id = refusal.origin.unwrap_or(policy.origin);
    &policy.origins[id.0 as usize]
}
