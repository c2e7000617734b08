//! Limits, variables, commands, capabilities and what `accept` names.

use super::{Habit, Mistake, help};
use crate::recover::nearest;
use crate::scan::clipped;
use crate::token::Kind;
use crate::tokens::{Expected, Tokens};
use msb_diag::Span;

pub(super) fn quantities(m: Mistake<'_>) -> Option<Habit> {
    if let Some(cpus) = cpuset(m) {
        return Some(cpus);
    }
    if m.wants("a rate") {
        let number = m.text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        if matches!(&m.text[number.len()..], "rps" | "qps" | "ps") {
            return m.write(format!("{number}/s"));
        }
        if matches!(&m.text[number.len()..], "rpm" | "qpm") {
            return m.write(format!("{number}/min"));
        }
    }
    if m.wants("a rate") && matches!(m.at.next().kind, Kind::Int(_)) {
        let text = m.text;
        return help(format!("write `{text}/s`, `{text}/min` or `{text}/h`"));
    }
    if !m.wants("a quantity") {
        return None;
    }
    if m.is(&[":", "=", "<=", "<", "=="]) {
        return m.remove(format!("write the value without `{}`", m.text));
    }
    if m.text == "{" || m.text == "[" || m.text == "(" {
        return m.without_brackets("write the value without brackets").map(|it| match it.edit {
            // `{ max 1GiB }` says more than a value.
            Some((_, ref text)) if text.contains(' ') => Habit { edit: None, ..it },
            _ => it,
        });
    }
    if m.is_word()
        && m.text.contains(|c: char| c.is_ascii_uppercase())
        && m.text.len() > 2
        && !m.at.next().first_on_line
    {
        return help(format!(
            "write the value itself, or `${}` where it is a constant or parameter",
            m.text.to_ascii_lowercase()
        ));
    }
    if let Some(text) = m.is_text().filter(|text| text.starts_with(|c: char| c.is_ascii_digit())) {
        return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
    }
    const ENDLESS: &[&str] =
        &["infinity", "infinite", "inf", "max", "none", "no", "off", "never", "any", "Unlimited"];
    if m.wants_literal("unlimited") && m.is(ENDLESS) {
        return m.write("unlimited");
    }
    let limit = m.before().filter(|_| m.wants_literal("unlimited")).map(Tokens::text).unwrap_or_default();
    if !m.is(&["-"])
        && nearest(m.at.next(), m.text, &[Expected::Literal("unlimited")]).is_none()
        && !m.text.starts_with('$')
        && let Some(example) = example_of(limit)
    {
        return help(format!("write a value behind `{limit}`, such as `{limit} {example}`"));
    }
    if m.text == "-" && m.wants_literal("unlimited") {
        return help("write `unlimited` where there is to be no limit");
    }
    None
}

/// A value of each limit.
fn example_of(limit: &str) -> Option<&'static str> {
    Some(match limit {
        "memory" | "swap" | "fsize" | "output" => "512MiB",
        "wall" | "cpu_time" => "10min",
        "pids" => "64",
        "files" => "256",
        "cpu" => "150%",
        "cpuset" => "2",
        _ => return None,
    })
}

pub(super) fn limits(m: Mistake<'_>) -> Option<Habit> {
    if m.wants_literal("unlimited") && m.after("hard") {
        return help("write `hard` before the braces: `limits hard { … }`");
    }
    if m.wants("a setting of `exec`") && m.is(&["timeout", "wall", "memory", "cpu", "pids"]) {
        let limit = if m.text == "timeout" { "wall" } else { m.text };
        return help(format!(
            "write `{limit}` in `limits`: `limits {{ {limit} {} }}`",
            example_of(limit).unwrap_or_default()
        ));
    }
    if m.wants("a setting of `exec`") && m.is(&["allow", "permit", "deny", "forbid"]) {
        let paths = [m.ahead(1), m.ahead(2)].into_iter().find(|it| it.next().kind == Kind::Path);
        let path = paths.map_or("/usr/bin", Tokens::text);
        let rule = if m.is(&["allow", "permit"]) { "run" } else { "deny run" };
        return help(format!("write `{rule} {}` in `fs`: what is executed is a file", clipped(path)));
    }
    if m.wants("a setting of `exec`") && m.text == "shell" {
        return help("write the shell as a command: `command \"sh\" \"-c\" \"…\"`");
    }
    let list = m.wants("a limit") || m.wants("a setting of `sandbox`") || m.wants("a setting of `exec`");
    let number = |at: Tokens<'_>| at.text().starts_with(|c: char| c.is_ascii_digit());
    let glued = m.at.skip().next().start == m.at.next().end;
    if list && m.text == "," && glued && number(m.at.skip()) && m.before().is_some_and(number) {
        return m.instead("write the number without `,`, or with `_` in its place", "");
    }
    if list && m.text == "," {
        return m.instead("remove it: no comma stands between them", "");
    }
    if m.wants("a limit")
        && (m.is(&["+", "-", "*"]) || m.at.next().kind == Kind::Path && m.is_glued_to_number())
    {
        if m.text == "/s" && m.at.context.nth(m.at.index().wrapping_sub(2)).at_word(&["io"]) {
            return m.remove("remove it: `io` counts by the second");
        }
        return help("write the value itself: nothing is computed here");
    }
    if m.wants("a limit") && !m.is_word() && !m.after("total") {
        return help("write the name of a limit and its value, such as `memory 1GiB`");
    }
    if m.wants("a word or a whole number") {
        if m.text == "=" || m.text == ":" {
            return m.remove(format!("write the value without `{}`", m.text));
        }
        if let Some(text) = m.is_text() {
            return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
        }
    }
    None
}

/// `cpuset 0-3`, `cpuset "0-3"` and `cpuset 0,2`, as taskset(1) has them: it is said here how many, and not which.
fn cpuset(m: Mistake<'_>) -> Option<Habit> {
    let keyword = |back: usize| {
        let index = m.at.index().checked_sub(back)?;
        m.at.context.nth(index).at_word(&["cpuset"]).then(|| m.at.context.nth(index + 1))
    };
    let first = keyword(1).filter(|_| m.is_text().is_some()).or_else(|| keyword(2))?;
    let rest = m.at.context.text.get(first.next().range().start..)?;
    let length = rest.find(|c: char| c.is_whitespace() || c == '}').unwrap_or(rest.len());
    let mut cpus = 0u64;
    for part in rest[..length].trim_matches('"').split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
        cpus = cpus.checked_add(to.checked_sub(from)?.checked_add(1)?)?;
    }
    let end = first.span().start.saturating_add(u32::try_from(length).ok()?);
    Some(Habit {
        help: format!("write `{cpus}`: how many CPUs, and not which"),
        edit: Some((Span { end, ..first.span() }, cpus.to_string())),
    })
}

pub(super) fn environment(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a rule of `env`")
        && m.before().is_some_and(|it| it.next().kind == Kind::Pattern)
        && m.is_glued()
    {
        return help("write the `*` at the end of a name alone: `LC_*`");
    }
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
        if m.is_word() && next.at_sign(":") {
            let name = m.text;
            let edit = (m.at.span().to(next.span()), format!("set {name} ="));
            return Some(Habit { help: format!("write `set {name} = …`"), edit: Some(edit) });
        }
        if m.text == "." || m.is(&["/", ":"]) {
            return text_of_variable(m);
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
    if m.wants_literal("from") && m.expected.len() == 1 {
        if m.is(&["=", ":"]) {
            return m.write("from");
        }
        return help("write where the secret is: `from $key`, with a parameter `key: secret`");
    }
    if m.wants("an environment variable") {
        if m.text == "[" || m.text == "{" || m.text == "(" {
            return m.without_brackets("write the names without brackets: `pass LANG, TERM`");
        }
        if m.text == ":" {
            return m.remove("remove the `:`");
        }
        if m.text.starts_with('*') || m.is(&["all", "any", "everything"]) {
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
        if m.is_word() && m.text.contains('-') {
            let name = m.text.replace('-', "_").to_ascii_uppercase();
            return help(format!("write `{name}`: no name of a variable has a `-`"));
        }
        if m.is_word() {
            let star = if m.glued().0.strip_prefix(m.text).is_some_and(|rest| rest.starts_with('*')) {
                "*"
            } else {
                ""
            };
            return help(format!(
                "write `{}{star}`: variables are in capital letters here",
                m.text.to_ascii_uppercase()
            ));
        }
    }
    None
}

pub(super) fn commands(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a string") && m.after("command") {
        if m.text == "[" || m.text == "=" || m.text == ":" || m.text == "(" {
            let say = "write the words side by side: `command \"python3\" \"agent.py\"`";
            let edit = m.bracketed().map(|(inner, span)| {
                let space = if m.is_glued() { " " } else { "" };
                (span, format!("{space}{}", inner.replace("\",", "\" ").replace("\"  \"", "\" \"")))
            });
            return Some(Habit { help: say.to_owned(), edit });
        }
        if m.is_word() || m.at.next().kind == Kind::Path {
            return quoted(m);
        }
    }
    if m.wants("a setting of `exec`") && (m.at.next().first_on_line || !m.wants("a string")) {
        const NAMES: &[(&[&str], &str)] = &[
            (
                &["cmd", "entrypoint", "run", "exec", "argv", "program", "args", "CMD", "ENTRYPOINT"],
                "command",
            ),
            (&["workdir", "working_dir", "working_directory", "dir", "directory", "chdir", "WORKDIR"], "cwd"),
            (&["uid", "USER", "runas", "run_as", "user_id"], "user"),
            (&["host", "name"], "hostname"),
            (&["terminal", "pty"], "tty"),
        ];
        if let Some(habit) = m.synonym(NAMES) {
            return Some(habit);
        }
        if m.text == ":"
            && matches!(m.ahead(1).next().kind, Kind::Int(_) | Kind::Word)
            && m.before().is_some_and(|it| it.context.nth(it.index().wrapping_sub(1)).at_word(&["user"]))
        {
            let span = m.at.span().to(m.ahead(1).span());
            return Some(Habit {
                help: "remove it: the group has the number of the user".to_owned(),
                edit: Some((span, String::new())),
            });
        }
    }
    if m.wants("a string") && m.at.next().kind == Kind::Var && m.last_of_command() {
        return help(
            "write the word itself, of a path the one inside: `\"/work\"`, where the rule says `at /work`",
        );
    }
    if m.wants("a setting of `exec`") && m.text == "," && m.wants("a string") {
        return m.instead("remove it: words of a command stand side by side", "");
    }
    if m.wants("a setting of `exec`") && m.wants("a string") && m.text == "args" && !m.at.next().first_on_line
    {
        return m.remove("remove it: all words of a command stand behind `command`");
    }
    if m.wants("a setting of `exec`") && m.wants("a string") && m.text == "-" && !m.at.next().first_on_line {
        return quoted(m);
    }
    if m.wants("a setting of `exec`")
        && !m.at.next().first_on_line
        && matches!(m.at.next().kind, Kind::Word | Kind::Path)
    {
        let text = m.before().filter(|before| matches!(before.next().kind, Kind::Text(_)));
        if text.is_some() {
            return quoted(m);
        }
    }
    None
}

impl Mistake<'_> {
    /// Whether the words of a `command` stand before it.
    fn last_of_command(self) -> bool {
        let mut at = self.at;
        while let Some(index) = at.index().checked_sub(1) {
            at = self.at.context.nth(index);
            if !matches!(at.next().kind, Kind::Text(_)) {
                return at.at_word(&["command"]);
            }
        }
        false
    }
}

/// A word of a command, with what is glued to it.
fn quoted(m: Mistake<'_>) -> Option<Habit> {
    let (word, span) = m.glued();
    let right = format!("\"{word}\"");
    let plain = !word.is_empty() && !word.contains(['"', '\\']);
    plain.then(|| Habit {
        help: format!("write quotes round each word: `{right}`"),
        edit: Some((span, right)),
    })
}

pub(super) fn capabilities(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a capability") && m.is(&["{", "[", "("]) {
        return m.without_brackets("write the names alone, with `,` between them: `caps NET_BIND_SERVICE`");
    }
    if m.wants("a capability")
        && let Some(text) = m.is_text()
    {
        return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
    }
    if m.wants("a capability") && m.text == "+" {
        return m.remove("remove the `+`: what is named is kept");
    }
    if m.wants("a capability") && m.text == "-" {
        return help("write `caps none`; a capability that is not named is not kept");
    }
    if m.wants("a capability") && !m.is_word() {
        return help("write `caps none`, or the names of capabilities: `caps NET_BIND_SERVICE`");
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
    if m.text == "accept" && m.ahead(1).text().starts_with("MSB") && !m.wants("a statement") {
        return help(
            "write it as a statement of the policy, beside `fs` and `limits`: it holds for all of it",
        );
    }
    if m.wants("a diagnostic code")
        && let Kind::Int(_) = m.at.next().kind
    {
        let digits = m.text.trim_start_matches('0');
        return m.write(format!("MSB{digits:0>4}"));
    }
    if m.wants("a diagnostic code") && m.is_word() {
        let digits: String = m.text.chars().filter(char::is_ascii_digit).collect();
        let named = m.text.to_ascii_uppercase().starts_with("MSB") && (1..=4).contains(&digits.len());
        if named {
            return m.write(format!("MSB{digits:0>4}"));
        }
        return help("write the code that the warning shows, such as `MSB0611`");
    }
    if m.wants("a string") && m.after("because") && m.is_word() {
        return help("write the reason in quotes: `because \"…\"`");
    }
    if m.wants_literal("because") && m.is_text().is_some() {
        return m.write(format!("because {}", m.text));
    }
    if m.wants_literal("because") && m.text.starts_with("MSB") {
        return m.instead(format!("write `,` before `{}`", m.text), format!(", {}", m.text));
    }
    if m.wants_literal("because") && m.text == ":" {
        return m.instead("write `because` before the reason", " because");
    }
    if m.wants("a diagnostic code")
        && let Some(text) = m.is_text().filter(|text| text.starts_with("MSB"))
    {
        return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
    }
    None
}

/// `set LANG = C.UTF-8`
fn text_of_variable(m: Mistake<'_>) -> Option<Habit> {
    let first = m.before().filter(|_| m.is_glued())?;
    let (rest, span) = m.glued();
    let right = format!("\"{}{rest}\"", first.text());
    let plain = first.next().kind == Kind::Word && !rest.contains(['"', '\\']);
    plain.then(|| Habit { help: format!("write `{right}`"), edit: Some((first.span().to(span), right)) })
}
