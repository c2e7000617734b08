//! Limits, variables, commands, capabilities and what `accept` names.

use super::{Habit, Mistake, help};
use crate::scan::clipped;
use crate::token::Kind;
use crate::tokens::Tokens;

pub(super) fn quantities(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a rate") && matches!(m.at.next().kind, Kind::Int(_)) {
        let text = m.text;
        return help(format!("write `{text}/s`, `{text}/min` or `{text}/h`"));
    }
    if !m.wants("a quantity") {
        return None;
    }
    if m.text == ":" || m.text == "=" {
        return m.instead(format!("write the value without `{}`", m.text), "");
    }
    if let Some(text) = m.is_text().filter(|text| text.starts_with(|c: char| c.is_ascii_digit())) {
        return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
    }
    const ENDLESS: &[&str] =
        &["infinity", "infinite", "inf", "max", "none", "no", "off", "never", "any", "Unlimited"];
    if m.wants_literal("unlimited") && m.is(ENDLESS) {
        return m.write("unlimited");
    }
    if m.text == "-" && m.wants_literal("unlimited") {
        return help("write `unlimited` where there is to be no limit");
    }
    None
}

pub(super) fn limits(m: Mistake<'_>) -> Option<Habit> {
    let list = m.wants("a limit") || m.wants("a setting of `sandbox`") || m.wants("a setting of `exec`");
    let number = |at: Tokens<'_>| at.text().starts_with(|c: char| c.is_ascii_digit());
    let glued = m.at.skip().next().start == m.at.next().end;
    if list && m.text == "," && glued && number(m.at.skip()) && m.before().is_some_and(number) {
        return m.instead("write the number without `,`, or with `_` in its place", "");
    }
    if list && m.text == "," {
        return m.instead("remove it: no comma stands between them", "");
    }
    None
}

pub(super) fn environment(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a rule of `env`") {
        let next = m.at.skip();
        if m.is(&["export", "let", "var", "env", "ENV"]) {
            return m.write("set");
        }
        if m.is(&["allow", "keep", "inherit", "passthrough", "forward"]) {
            return m.write("pass");
        }
        if m.is(&["deny", "unset", "drop", "remove"]) {
            return help("remove the rule: a variable that no rule passes or sets is absent");
        }
        if m.is_word() && next.at_sign("=") {
            let name = m.text;
            return m.instead(format!("write `set {name} = …`"), format!("set {name}"));
        }
        if m.is_word() && (next.at_sign(",") || next.at_sign("}")) {
            let name = m.text;
            return m.instead(format!("write `pass {name}`"), format!("pass {name}"));
        }
    }
    if m.wants("an environment variable") {
        if m.text.starts_with('*') {
            return help(
                "name the variables, such as `LANG`, or a prefix, such as `LC_*`: no policy passes all",
            );
        }
        if let Some(text) = m.is_text() {
            return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
        }
        if m.text.starts_with('$') {
            let name = m.text.trim_start_matches('$');
            return m.instead(format!("write `{name}`, without `$`"), name);
        }
        if m.is_word() {
            return help(format!(
                "write `{}`: variables are in capital letters here",
                m.text.to_ascii_uppercase()
            ));
        }
    }
    None
}

pub(super) fn commands(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a string") && m.after("command") {
        if m.text == "[" {
            return help("write the words side by side: `command \"python3\" \"agent.py\"`");
        }
        if m.is_word() || m.at.next().kind == Kind::Path {
            return m.instead(
                format!("write quotes round each word: `\"{}\"`", m.text),
                format!("\"{}\"", m.text),
            );
        }
    }
    if m.wants("a setting of `exec`")
        && !m.at.next().first_on_line
        && matches!(m.at.next().kind, Kind::Word | Kind::Path)
    {
        let text = m.before().filter(|before| matches!(before.next().kind, Kind::Text(_)));
        if text.is_some() {
            return m.instead(
                format!("write quotes round each word: `\"{}\"`", m.text),
                format!("\"{}\"", m.text),
            );
        }
    }
    None
}

pub(super) fn capabilities(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a capability") && m.is(&["{", "["]) {
        return help("write the names alone, with `,` between them: `caps NET_BIND_SERVICE`");
    }
    let second = m.is_word() && m.wants("a statement") && !m.at.next().first_on_line;
    let before = m.before().filter(|_| second)?;
    let first = m.at.context.nth(before.index().checked_sub(1)?);
    if first.at_word(&["caps"]) {
        if before.at_word(&["drop", "remove", "deny"]) {
            return Some(Habit {
                help: "write `caps none`; a capability that is not named is not kept".to_owned(),
                edit: Some((before.span().to(m.at.span()), "none".to_owned())),
            });
        }
        return m.instead(format!("write `,` before `{}`", m.text), format!(", {}", m.text));
    }
    None
}

pub(super) fn accepts(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a diagnostic code")
        && let Kind::Int(_) = m.at.next().kind
    {
        let digits = m.text.trim_start_matches('0');
        return m.write(format!("MSB{digits:0>4}"));
    }
    if m.wants_literal("because") && m.is_text().is_some() {
        return m.write(format!("because {}", m.text));
    }
    None
}
