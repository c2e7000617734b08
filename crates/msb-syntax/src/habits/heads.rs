//! Heads of blocks, items of a file and statements of a policy.

use super::{Habit, Mistake, help};
use crate::recover::{ITEM, ITEM_STARTS};
use crate::scan::clipped;
use crate::token::Kind;
use crate::tokens::{Expected, Tokens};

/// Names, parameters and arguments of blocks.
pub(super) fn heads(m: Mistake<'_>) -> Option<Habit> {
    let keyword = m.before().filter(|before| before.at_word(&["policy", "profile"]));
    if m.wants("a name") && keyword.is_some() {
        if let Some(text) = m.is_text() {
            let name = as_name(text);
            return m.instead(format!("write `{name}`: names have no quotes"), name);
        }
        if matches!(m.at.next().kind, Kind::Int(_) | Kind::Size(_)) {
            return help("write a name that begins with a letter, such as `agent`");
        }
        let before = if m.at.is_end() { String::new() } else { format!(" before `{}`", clipped(m.text)) };
        return help(format!("write a name{before}, such as `agent`"));
    }
    if m.wants("a name")
        && let Some(text) = m.is_text()
    {
        return m.instead(format!("write `{}`: names have no quotes", clipped(text)), text);
    }
    if m.wants("a name") && m.at.next().kind == Kind::Path && m.text.contains('/') {
        let dotted = m.text.trim_matches('/').replace('/', ".");
        return m.write(dotted);
    }
    let in_head = m.wants_literal("(") && m.wants_literal("extends");
    if in_head && (m.is_word() || m.text == ".") && !m.at.next().first_on_line {
        let name = m.before().map(Tokens::text).unwrap_or_default();
        let rest = if m.text == "." { m.at.skip().text() } else { m.text };
        return help(format!("write `{name}-{rest}`: a name is one word"));
    }
    if m.wants_literal("extends") && m.text == ":" {
        return m.write("extends");
    }
    if m.wants("the name of a parameter") && m.text.starts_with('$') {
        let name = m.text.trim_start_matches('$');
        return m.instead(format!("write `{name}`; `$` stands only where it is used"), name);
    }
    if m.wants("the name of an argument") && m.at.next().kind == Kind::Var {
        let name = m.text.trim_start_matches('$').split('/').next().unwrap_or_default();
        return m.instead(
            format!("write the name too, such as `{name}: {}`", m.text),
            format!("{name}: {}", m.text),
        );
    }
    if m.wants_literal(":") && m.expected.len() == 1 && (m.text == ")" || m.text == "," || m.is_word()) {
        let name = m.before()?.text();
        if m.is_word() && TYPES.contains(&name) {
            let span = m.before()?.span().to(m.at.span());
            let right = format!("{}: {name}", m.text);
            return Some(Habit {
                help: format!("write `{right}`: the name comes first"),
                edit: Some((span, right)),
            });
        }
        return help(format!("write the type too, such as `{name}: dir`"));
    }
    if m.wants("the year of an edition, such as `2026`") {
        if m.text == ":" {
            return help(
                "write `edition 2026`; a policy in YAML has to be in a file whose name ends in `.yaml`",
            );
        }
        if let Some(year) = m.is_text().filter(|year| year.bytes().all(|b| b.is_ascii_digit())) {
            return m.write(year);
        }
    }
    None
}

/// Words that are mistaken for the beginning of a parameter.
const TYPES: &[&str] =
    &["dir", "file", "path", "string", "int", "size", "duration", "percent", "host", "secret", "bool"];

/// A name out of any text.
fn as_name(text: &str) -> String {
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-').to_ascii_lowercase();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { "agent".to_owned() }
}

/// What a policy's statements are called elsewhere, and where what stands alone belongs.
pub(super) fn statements(m: Mistake<'_>) -> Option<Habit> {
    if !m.wants("a statement") {
        return None;
    }
    const NAMES: &[(&[&str], &str)] = &[
        (&["network", "networking", "egress", "Net"], "net"),
        (&["filesystem", "files", "file", "paths", "mounts", "volumes", "FS"], "fs"),
        (&["syscall", "seccomp", "Syscalls"], "syscalls"),
        (&["resources", "limit", "rlimits", "quota", "Limits"], "limits"),
        (&["capabilities", "capability", "cap"], "caps"),
        (&["environment", "envs", "vars", "variables", "ENV"], "env"),
        (&["use", "uses", "inherit", "with", "profile", "base", "from"], "include"),
        (&["process", "entrypoint", "cmd"], "exec"),
        (&["asserts", "assertions", "claims", "check"], "assert"),
    ];
    let starts = m.at.next().first_on_line || m.before().is_some_and(|it| it.at_sign("{") || it.at_sign("}"));
    if let Some(habit) = m.synonym(NAMES).filter(|_| starts && m.is_word()) {
        return Some(habit);
    }
    if m.text == "extends" || m.text == ":" && !starts {
        return None;
    }
    if m.text == "import" && m.at.skip().text() == "std" {
        return m.write("include");
    }
    if m.is(&["allow", "suppress"]) && m.at.skip().text().starts_with("MSB") {
        return m.write("accept");
    }
    const BLOCKS: &[(&[&str], &str)] = &[
        (&["read", "write", "create", "append", "run", "scratch", "overlay", "device", "proc"], "fs"),
        (&["memory", "pids", "cpu", "cpu_time", "wall", "swap", "fsize", "output"], "limits"),
        (&["errno", "kill", "trap", "log", "notify", "arch"], "syscalls"),
        (&["listen", "total"], "net"),
        (&["pass", "set", "secret"], "env"),
        (&["command", "user", "cwd", "tty", "hostname"], "exec"),
        (&["never", "narrower"], "assert"),
    ];
    if starts && m.is_word() {
        if let Some((_, block)) = BLOCKS.iter().find(|(words, _)| m.is(words)) {
            return help(format!("write it inside of `{block} {{ … }}`"));
        }
        if m.is(&["allow", "deny"]) {
            return help(
                "write it inside of the block that it is about: `fs`, `net`, `syscalls` or `assert`",
            );
        }
    }
    None
}

pub(super) fn items(m: Mistake<'_>) -> Option<Habit> {
    if !m.expected.contains(&Expected::Choice(ITEM, ITEM_STARTS)) {
        return None;
    }
    if m.text == "{" || m.text == "[" {
        return help("write a policy; one in JSON has to be in a file whose name ends in `.json`");
    }
    if m.is_word() && m.at.skip().at_sign(":") {
        return help("write a policy; one in YAML has to be in a file whose name ends in `.yaml`");
    }
    if m.is(&["agent", "sandbox", "role", "rule", "rules"]) && m.at.skip().next().kind == Kind::Word {
        return m.write("policy");
    }
    if m.is(&["fn", "def", "template", "mixin", "module"]) {
        return m.write("profile");
    }
    if m.is(&["let", "var"]) {
        return m.write("const");
    }
    if m.is(&["include", "use", "using", "from", "require"]) && m.at.next().first_on_line {
        return help("write `import \"./file.msb\" as name` here, and `include` inside of a policy");
    }
    None
}
