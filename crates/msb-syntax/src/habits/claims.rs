//! Claims and their requests.

use super::{Habit, Mistake, help};
use crate::scan::clipped;
use crate::token::Kind;
use crate::tokens::Tokens;

pub(super) fn claims(m: Mistake<'_>) -> Option<Habit> {
    const ACCESSES: &[&str] = &["read", "write", "create", "run"];
    if m.wants("a claim") && m.is(&["open", "connect", "listen", "syscall", "call", "env"]) {
        return help(format!("write `allow {0}` or `deny {0}`: a claim says what is expected", m.text));
    }
    if m.wants("a claim") && m.is(&["cannot", "forbid", "block", "not", "no", "refuse"]) {
        return m.write("deny");
    }
    if m.wants("a claim") && m.is(&["why", "reason"]) && m.wants_literal("because") {
        return m.write("because");
    }
    if m.wants("a claim") && m.is(&["stricter", "narrow", "tighter", "subset"]) {
        return help("write `narrower than NAME`");
    }
    if m.wants("a claim")
        && m.is(&["expect", "expects", "assert", "ensure", "must", "should", "require", "that"])
        && m.ahead(1).at_word(&["allow", "deny", "never"])
    {
        return m.remove("remove it: a claim begins with `allow`, `deny` or `never`");
    }
    if m.wants("a system call or group") && m.text == "(" && matches!(m.ahead(1).next().kind, Kind::Text(_)) {
        return m.without_brackets("").and_then(|it| {
            let (span, name) = it.edit?;
            let name = name.trim().trim_matches('"').to_owned();
            Some(Habit { help: format!("write `syscall {name}`"), edit: Some((span, format!(" {name}"))) })
        });
    }
    if m.wants("a claim") && m.is(&["can", "may", "permit"]) {
        return m.write("allow");
    }
    if m.wants("a request") {
        let next = m.at.skip();
        let path = matches!(next.next().kind, Kind::Path | Kind::Var | Kind::Text(_));
        const LIKE: &[(&[&str], &str)] = &[
            (&["exec", "execute", "spawn"], "run"),
            (&["delete", "modify", "append", "unlink", "remove", "edit"], "write"),
            (&["view", "list", "access", "see", "stat"], "read"),
        ];
        let like = LIKE.iter().find(|(words, _)| m.is(words)).map(|&(_, access)| access);
        if let Some(access) = like.or(m.is(ACCESSES).then_some(m.text)).filter(|_| path) {
            let right = format!("open {} for {access}", next.text());
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
        if m.is(&["allow", "deny"]) && m.after("never") {
            return m.remove(format!(
                "remove `{}`: `never` says that it is denied, whatever parameters are",
                m.text
            ));
        }
        let ends = next.next().first_on_line
            || next.at_sign("}")
            || next.at_sign("(")
            || next.at_word(&["on", "by", "because"]);
        if m.is_word()
            && ends
            && m.text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return m.write(format!("syscall {}", m.text));
        }
    }
    if m.wants("a claim") && m.text == "," {
        let again = m.ahead(1).at_word(&["allow", "deny", "never", "narrower"]);
        if !again && let Some(verb) = claim_begins(m) {
            let request = ["open", "connect", "listen", "syscall", "call", "env"];
            let asked = m.at.context.nth(verb.index() + 1);
            let next = m.ahead(1);
            let same = asked.at_word(&["syscall", "env"]) && !next.at_word(&request);
            let right =
                if same { format!(" {} {}", verb.text(), asked.text()) } else { format!(" {}", verb.text()) };
            let edit = (same || next.at_word(&request)).then(|| (m.at.span(), right));
            return Some(Habit { help: "write a claim for each, without `,`".to_owned(), edit });
        }
    }
    if m.wants("a claim") && m.text == "where" {
        let call = m.before().map(Tokens::text).unwrap_or_default();
        return help(format!("write the argument in parentheses: `{call}(ARGUMENT: VALUE)`"));
    }
    if m.wants_literal(":") && m.is(&["==", "="]) && m.in_claim_of_call() {
        return m.instead("write `:` between an argument and its value", ":");
    }
    if m.wants_literal(":") && m.is(&[")", ","]) && m.in_claim_of_call() {
        let value = m.before().map(Tokens::text).unwrap_or_default();
        return help(format!("write the name of the argument too: `ARGUMENT: {value}`"));
    }
    if m.expected.len() == 1 && m.wants_literal("for") {
        if m.text == "{" {
            return help("write the policy that it tests: `for name { … }`");
        }
        if m.before().is_some_and(|it| it.context.nth(it.index().wrapping_sub(1)).at_word(&["test"])) {
            return m.instead("write `for` and the policy that it tests: `for name { … }`", "for");
        }
        return help("write what for: `for read`, `for write`, `for create` or `for run`");
    }
    if m.wants("an access") && m.is_word() {
        let near = ACCESSES.iter().find(|access| m.text.starts_with(access.trim_end_matches('e')));
        return match near {
            Some(near) => m.write(*near),
            None if m.is(&["delete", "remove", "modify", "append", "rename", "unlink"]) => m.write("write"),
            None if m.is(&["exec", "execute"]) => m.write("run"),
            None => None,
        };
    }
    if m.wants("an access")
        && let Some(text) = m.is_text()
    {
        return ACCESSES
            .contains(&text)
            .then(|| m.instead(format!("write `{text}`, without quotes"), text))?;
    }
    if m.wants("a string") && m.after("test") {
        return help("write a title: `test \"what it shows\" for name { … }`");
    }
    None
}

/// The `allow` or `deny` that begins the claim which a mistake is in.
fn claim_begins<'a>(m: Mistake<'a>) -> Option<Tokens<'a>> {
    let mut index = m.at.index();
    // A claim is short; what is not is not looked through.
    for _ in 0..32 {
        index = index.checked_sub(1)?;
        let at = m.at.context.nth(index);
        if at.at_word(&["allow", "deny", "never"]) {
            return Some(at);
        }
        if at.at_sign("{") {
            return None;
        }
    }
    None
}

impl Mistake<'_> {
    /// `deny syscall NAME(` or `call NAME(` begins before it.
    pub(super) fn in_claim_of_call(self) -> bool {
        claim_begins(self).is_some_and(|verb| {
            self.at.context.nth(verb.index() + 1).at_word(&["syscall", "call"])
                && self.at.context.nth(verb.index() + 3).at_sign("(")
        })
    }
}
