//! Claims and their requests.

use super::{Habit, Mistake, help};
use crate::scan::clipped;
use crate::token::Kind;

pub(super) fn claims(m: Mistake<'_>) -> Option<Habit> {
    const ACCESSES: &[&str] = &["read", "write", "create", "run"];
    if m.wants("a claim") && m.is(&["open", "connect", "listen", "syscall", "call", "env"]) {
        return help(format!("write `allow {0}` or `deny {0}`: a claim says what is expected", m.text));
    }
    if m.wants("a claim") && m.is(&["cannot", "forbid", "block", "not", "no", "refuse"]) {
        return m.write("deny");
    }
    if m.wants("a claim") && m.is(&["can", "may", "permit"]) {
        return m.write("allow");
    }
    if m.wants("a request") {
        let next = m.at.skip();
        let path = matches!(next.next().kind, Kind::Path | Kind::Var | Kind::Text(_));
        if m.is(ACCESSES) && path {
            let right = format!("open {} for {}", next.text(), m.text);
            return Some(Habit {
                help: format!("write `{right}`"),
                edit: Some((m.at.span().to(next.span()), right)),
            });
        }
        if matches!(m.at.next().kind, Kind::Path | Kind::Var) {
            return help(format!("write `open {} for read`, or another access", clipped(m.text)));
        }
        if m.is(&["tcp", "udp", "tls", "https", "http", "unix"]) {
            return m.write(format!("connect {}", m.text));
        }
        if m.at.next().kind == Kind::Group {
            return m.write(format!("syscall {}", m.text));
        }
    }
    if m.expected.len() == 1 && m.wants_literal("for") {
        if m.text == "{" {
            return help("write the policy that it tests: `for name { … }`");
        }
        return help("write what for: `for read`, `for write`, `for create` or `for run`");
    }
    if m.wants("an access") && m.is_word() {
        let near = ACCESSES.iter().find(|access| m.text.starts_with(access.trim_end_matches('e')));
        return m.write(*near?);
    }
    if m.wants("a string") && m.after("test") {
        return help("write a title: `test \"what it shows\" for name { … }`");
    }
    None
}
