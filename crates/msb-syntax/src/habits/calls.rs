//! System calls, their conditions and actions.

use super::{Habit, Mistake, help, trailing_comma};
use crate::scan::clipped;
use crate::token::Kind;

pub(super) fn conditions(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a comparison") && m.text == "&" {
        return help("write `has any FLAG`, or `and` between conditions");
    }
    if m.wants("a constant") {
        if m.is_text().is_some() {
            return help(
                "write a number or a constant: what a pointer points to is not compared, as the program could change it after the check",
            );
        }
        if m.text == "-" {
            let Kind::Int(value) = m.at.skip().next().kind else { return None };
            let (bits, word) = match u32::try_from(value) {
                Ok(value) => (u64::from(value.wrapping_neg()), "32"),
                Err(_) => (value.wrapping_neg(), "64"),
            };
            let hex = format!("0x{bits:x}");
            let edit = (m.at.span().to(m.at.skip().span()), hex.clone());
            let say = format!("write `{hex}`, which is -{value} in {word} bits");
            return Some(Habit { help: say, edit: Some(edit) });
        }
    }
    if m.wants_literal("{") && m.wants("a whole number") && m.is(&["[", "("]) {
        return help("write braces: `in {A, B}`, or a range: `in 0..9`");
    }
    if m.wants("a condition") && m.text == "!" {
        return m.instead("write `not`", "not ");
    }
    if m.text == "|" && m.at.skip().at_sign("|") && m.wants_literal("or") {
        let span = m.at.span().to(m.at.skip().span());
        return Some(Habit { help: "write `or`".to_owned(), edit: Some((span, "or".to_owned())) });
    }
    if m.text == "&" && m.at.skip().at_sign("&") && m.wants_literal("and") {
        let span = m.at.span().to(m.at.skip().span());
        return Some(Habit { help: "write `and`".to_owned(), edit: Some((span, "and".to_owned())) });
    }
    if m.text == "|" && m.wants_literal("or") {
        return help("write `or` between conditions; flags are joined after `has`: `has any A | B`");
    }
    None
}

pub(super) fn calls(m: Mistake<'_>) -> Option<Habit> {
    if !m.wants("a set of system calls") {
        return None;
    }
    if let Some(text) = m.is_text() {
        return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
    }
    if m.text == "[" {
        return help("write braces, or nothing, round a list: `{read, write}`");
    }
    if m.text.starts_with('*') {
        return help("name the calls, or groups such as `@system-service`");
    }
    let before = m.before()?;
    let error_left_out = m.at.context.nth(before.index().checked_sub(1)?).at_word(&["errno"]);
    if error_left_out && !before.text().starts_with('E') {
        let name = before.text();
        return Some(Habit {
            help: format!("write the error first: `errno EPERM {name}`"),
            edit: Some((before.span(), format!("EPERM {name}"))),
        });
    }
    trailing_comma(m)
}

pub(super) fn actions(m: Mistake<'_>) -> Option<Habit> {
    const REFUSALS: &[&str] =
        &["deny", "block", "forbid", "reject", "disallow", "refuse", "drop", "no", "disable"];
    if (m.wants("a rule of `syscalls`") || m.wants("an action")) && m.is(REFUSALS) {
        return m.write("errno EPERM");
    }
    if m.wants("a rule of `syscalls`") && m.is(&["permit", "enable", "accept"]) {
        return m.write("allow");
    }
    if m.wants("a rule of `syscalls`") && m.after_architecture() {
        return m.instead(format!("write `,` before `{}`", m.text), format!(", {}", m.text));
    }
    if m.wants("the name of an error, such as `EPERM`") {
        // errno(3); the same on every architecture of Linux.
        const NUMBERS: &[(u64, &str)] =
            &[(1, "EPERM"), (2, "ENOENT"), (13, "EACCES"), (22, "EINVAL"), (38, "ENOSYS")];
        let Kind::Int(number) = m.at.next().kind else { return None };
        let (_, name) = NUMBERS.iter().find(|(value, _)| *value == number)?;
        return m.write(*name);
    }
    if m.wants("a rule of `syscalls`") && m.is_word() && !m.at.next().first_on_line {
        let before = m.before()?;
        let call = before.next().kind == Kind::Word || before.next().kind == Kind::Group;
        return Some(Habit {
            help: format!("write `,` between system calls: `{}, {}`", before.text(), m.text),
            edit: Some((m.at.span(), format!(", {}", m.text))),
        })
        .filter(|_| call && !before.at_word(&["syscalls"]));
    }
    None
}

impl Mistake<'_> {
    /// `arch x86_64 aarch64`
    fn after_architecture(self) -> bool {
        let Some(before) = self.before().and_then(|before| before.index().checked_sub(1)) else {
            return false;
        };
        self.is_word() && self.at.context.nth(before).at_word(&["arch"])
    }
}
