//! Heads of blocks, items of a file and statements of a policy.

use super::{Habit, Mistake, help};
use crate::recover::{ITEM, ITEM_STARTS, OUTER_OF_RULES};
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
    if m.wants("a name") && m.after("tools") {
        if m.is(&["{", "[", "("]) {
            return m.without_brackets("write the names alone, with `,` between them: `tools search, fetch`");
        }
        if m.text.starts_with('*') {
            return help("name the tools: `tools search, fetch`");
        }
    }
    if m.wants("a name") && m.after("include") {
        if m.text == "[" {
            return help("write `include` before each: `include std.python  include std.git`");
        }
        if let Some(path) = m.is_text().filter(|path| path.ends_with(".msb") || path.contains('/')) {
            let name =
                as_name(path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default());
            return help(format!(
                "write `import \"{}\" as {name}` below `edition`, and `include {name}.PROFILE` here",
                clipped(path)
            ));
        }
    }
    if m.wants("a name")
        && let Some(text) = m.is_text()
    {
        return m.instead(format!("write `{}`: names have no quotes", clipped(text)), text);
    }
    if m.wants("a file") && m.at.next().kind == Kind::Path && m.text.starts_with(['.', '/']) {
        return m.write(format!("\"{}\"", m.text));
    }
    if m.wants("a name") && m.at.next().kind == Kind::Path && m.text.contains('/') {
        let dotted = m.text.trim_matches('/').replace('/', ".");
        return m.write(dotted);
    }
    if m.wants("a name") && m.at.next().kind == Kind::Group {
        return m.instead(format!("write `{}`: `@` is for sets of system calls", &m.text[1..]), &m.text[1..]);
    }
    if m.expected.len() == 1 && m.wants_literal("as") {
        let name = m.before().and_then(Mistake::text_of).and_then(|path| {
            let stem = path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
            Some(as_name(stem)).filter(|_| !path.starts_with("std."))
        });
        return match name {
            Some(name) => help(format!("write `as {name}` behind it: what the file has is named with that")),
            None => help("write the name without quotes: `import std.python`"),
        };
    }
    if m.wants("a group") && m.is_word() {
        return m.write(format!("@{}", m.text.to_ascii_lowercase().replace('_', "-")));
    }
    if m.wants("the name of a constant") && m.text.starts_with('$') {
        let name = m.text.trim_start_matches('$');
        return m.instead(format!("write `{name}`; `$` stands only where it is used"), name);
    }
    if m.wants("the name of an argument") && m.expected.iter().all(|it| *it != Expected::Kind("a value")) {
        let value = matches!(m.at.next().kind, Kind::Text(_) | Kind::Int(_) | Kind::Size(_) | Kind::Path);
        if value {
            return help(format!("write the name of the argument too: `NAME: {}`", clipped(m.text)));
        }
    }
    let in_head = m.wants_literal("(") && m.wants_literal("extends")
        || m.wants_literal("extends") && m.wants_literal("{");
    if in_head && m.wants_literal("{") && (m.at.next().first_on_line || m.is(&["[", ")"])) {
        let close = if m.text == "[" { ", and `}` in place of `]`" } else { "" };
        return help(format!("write `{{` before `{}`{close}", clipped(m.text)));
    }
    if m.text.starts_with(';') {
        return m.instead("write `,` between them", if m.is_glued() { "," } else { ", " });
    }
    if m.wants_literal(")") && m.text == "}" {
        return m.instead("write `)` before `}`", ") }");
    }
    if m.wants_literal(")") && m.wants_literal(",") && m.text == "{" {
        return m.instead("write `)` before `{`", ") {");
    }
    if m.wants_literal(")") && m.wants_literal(",") && m.is_word() && m.at.skip().at_sign(":") {
        return m.instead(format!("write `,` before `{}`", m.text), format!(", {}", m.text));
    }
    let in_head = m.wants_literal("(") && m.wants_literal("extends");
    if in_head && m.is_word() && m.at.skip().at_sign(":") {
        return m.instead(format!("write `(` before `{}`", m.text), format!("({}", m.text));
    }
    if m.text == "extends" && m.wants_literal("(") && m.wants_literal("{") && !in_head {
        return help("write `include NAME` inside of the profile: a policy extends, and a profile does not");
    }
    if in_head && m.is(&["inherits", "inherit", "includes", "implements", "from", "extend", "narrows"]) {
        return m.write("extends");
    }
    if in_head && (m.is_word() || m.text == ".") && !m.at.next().first_on_line {
        let name = m.before().map(Tokens::text).unwrap_or_default();
        let rest = if m.text == "." { m.at.skip().text() } else { m.text };
        return help(format!("write `{name}-{rest}`: a name is one word"));
    }
    if m.wants_literal("extends") && m.text == ":" {
        if m.at.skip().at_sign("{") {
            return m.remove("remove the `:`");
        }
        if m.at.skip().next().first_on_line {
            return m.instead(
                "write `{` in the place of `:`, and `}` at the end",
                if m.is_glued() { " {" } else { "{" },
            );
        }
        return m.instead("write `extends`", if m.is_glued() { " extends" } else { "extends" });
    }
    if m.wants_literal("{") && m.text == "," && m.wants_literal(".") {
        return help("write one parent: a policy extends one policy, and includes any number of profiles");
    }
    if m.wants("the name of a parameter") && m.text.starts_with('$') {
        let name = m.text.trim_start_matches('$');
        return m.instead(format!("write `{name}`; `$` stands only where it is used"), name);
    }
    if m.wants("the name of an argument") && m.at.next().kind == Kind::Var {
        let name = m.text.trim_start_matches('$').split('/').next().unwrap_or_default();
        return help(format!("write the name too, such as `{name}: {}`", m.text));
    }
    if m.wants_literal(":") && m.text == "?" {
        let name = m.before().map(Tokens::text).unwrap_or_default();
        let say = format!("remove it: what has a default may be left out, `{name}: string = \"…\"`");
        return m.instead(say, "");
    }
    let typeless = m.expected.len() == 1 || m.expected.len() == 2 && m.wants_literal("?");
    if m.wants_literal(":")
        && typeless
        && !m.in_claim_of_call()
        && (m.text == ")" || m.text == "," || m.is_word())
    {
        let name = m.before()?.text();
        if m.is_word() && TYPES.contains(&name) {
            let span = m.before()?.span().to(m.at.span());
            let right = format!("{}: {name}", m.text);
            return Some(Habit {
                help: format!("write `{right}`: the name comes first"),
                edit: Some((span, right)),
            });
        }
        let tool = m.wants_literal("?");
        let example = if tool { "string(1..200)" } else { "dir" };
        return help(format!("write the type too, such as `{name}: {example}`"));
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
        if m.text == "=" {
            return m.remove("write the year without `=`");
        }
    }
    None
}

impl Mistake<'_> {
    /// `group @name = read write`
    fn after_group_set(self) -> bool {
        let index = self.at.index();
        let back = |count: usize| index.checked_sub(count).map(|it| self.at.context.nth(it));
        !self.at.next().first_on_line
            && back(2).is_some_and(|it| it.at_sign("="))
            && back(4).is_some_and(|it| it.at_word(&["group"]))
    }

    fn text_of(at: Tokens<'_>) -> Option<&str> {
        match &at.next().kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }
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
        (
            &["network", "networking", "egress", "Net", "hosts", "domains", "allowed_hosts", "allowlist"],
            "net",
        ),
        (&["filesystem", "files", "file", "paths", "mounts", "volumes", "FS"], "fs"),
        (&["syscall", "seccomp", "Syscalls"], "syscalls"),
        (&["resources", "limit", "rlimits", "quota", "Limits"], "limits"),
        (&["capabilities", "capability", "cap"], "caps"),
        (&["environment", "envs", "vars", "variables", "ENV"], "env"),
        (&["use", "uses", "inherit", "with", "profile", "base", "from"], "include"),
        (&["process", "entrypoint", "cmd"], "exec"),
        (
            &["asserts", "assertions", "claims", "check", "expect", "expects", "ensure", "verify", "require"],
            "assert",
        ),
    ];
    let starts = m.at.next().first_on_line || m.before().is_some_and(|it| it.at_sign("{") || it.at_sign("}"));
    if let Some(habit) = m.synonym_like(NAMES).filter(|_| starts && m.is_word()) {
        return Some(habit);
    }
    if starts
        && m.is(&["ignore", "suppress", "disable", "nolint", "noqa", "skip"])
        && m.ahead(1).text().starts_with("MSB")
    {
        return m.write("accept");
    }
    // `include` and `caps` with nothing behind them take the next statement's word for a name.
    let taken =
        m.before().filter(|it| m.text == "{" && it.next().first_on_line && it.at_word(OUTER_OF_RULES));
    if let Some(keyword) = taken.and_then(|it| it.index().checked_sub(1)).map(|it| m.at.context.nth(it)) {
        if keyword.at_word(&["include"]) {
            return help("write a profile behind `include`, such as `include std.base`");
        }
        if keyword.at_word(&["caps"]) {
            return help("write `caps none`, or the names of capabilities: `caps NET_BIND_SERVICE`");
        }
    }
    if starts && m.text == "{" && !m.after("none") {
        return help(
            "remove this `{`, and the `}` that belongs to it; or write before it what it is: `fs {`",
        );
    }
    if m.text == "extends" {
        return help("write it in the head of the policy: `policy NAME extends PARENT { … }`");
    }
    if m.text == ":" && m.at.skip().at_sign(":") && m.ahead(2).next().kind == Kind::Word {
        let edit = (m.at.span().to(m.at.skip().span()), ".".to_owned());
        return Some(Habit { help: "write `.` between the parts of a name".to_owned(), edit: Some(edit) });
    }
    let includes = |at: Option<Tokens<'_>>| {
        at.is_some_and(|at| at.context.nth(at.index().wrapping_sub(1)).at_word(&["include"]))
    };
    let named = m.wants_literal(".") && m.wants_literal("(") && !starts;
    if named && m.text == "," && m.at.skip().next().kind == Kind::Word {
        return m.instead("write `include` before each", "  include");
    }
    if named && m.is_word() && m.at.skip().at_sign(".") {
        let name = m.glued().0;
        return m.instead(format!("write `include {name}`"), format!("include {}", m.text));
    }
    if named && m.is_word() && !starts && matches!(m.ahead(1).next().kind, Kind::Text(_)) {
        let edit = (m.at.span().to(m.ahead(1).span()), format!("({}: {})", m.text, m.ahead(1).text()));
        return Some(Habit {
            help: "write arguments in parentheses: `(name: value)`".to_owned(),
            edit: Some(edit),
        });
    }
    if named && m.text == "{" {
        let edit = m.bracketed().map(|(inner, span)| (span, format!("({inner})")));
        return Some(Habit { help: "write arguments in parentheses: `(name: value)`".to_owned(), edit });
    }
    if named && m.is(&["if", "when", "unless"]) || starts && m.is(&["if", "when", "unless", "for"]) {
        return help("write a policy for each case: nothing here depends on a condition");
    }
    if m.text == "{" && m.after("none") && includes(m.before()).eq(&false) {
        return help("write `net none`, or `net { … }` with rules");
    }
    if m.text == ":" && !starts {
        return if m.wants_literal("->") {
            m.instead("write `->` before what a tool gives back", " ->")
        } else {
            None
        };
    }
    if m.text == "=" && m.wants_literal("->") && m.at.skip().at_sign(">") {
        let edit = (m.at.span().to(m.at.skip().span()), "->".to_owned());
        return Some(Habit { help: "write `->`".to_owned(), edit: Some(edit) });
    }
    if starts && m.text == "hard" && m.at.skip().at_word(&["limits"]) {
        let edit = (m.at.span().to(m.at.skip().span()), "limits hard".to_owned());
        return Some(Habit { help: "write `limits hard`".to_owned(), edit: Some(edit) });
    }
    if starts && m.is(&["name", "description", "title", "version", "author", "doc", "summary"]) {
        return help("write it as a comment above the policy: `## …`");
    }
    if starts && m.is(&["param", "parameter", "params", "arg", "args", "input", "inputs"]) {
        return help("write parameters in the head: `policy NAME(workspace: dir) { … }`");
    }
    if starts && m.is(&["let", "var", "const", "group", "def"]) {
        return help("write it above the policy: `const NAME = VALUE`");
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
            if m.after("}") && m.at.context.closes_more() {
                m.at.context.closed_early.set(true);
                return help(format!(
                    "remove the `}}` before it, so that it stands inside of `{block} {{ … }}`"
                ));
            }
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
    if m.text == "{" || m.text == "[" && m.at.skip().next().kind != Kind::Word {
        return help("write a policy; one in JSON has to be in a file whose name ends in `.json`");
    }
    if m.text == "as" {
        let span = m.at.span().to(m.at.skip().span());
        let say = "remove it: what a library has goes by its own name, such as `std.python`";
        return Some(Habit { help: say.to_owned(), edit: Some((span, String::new())) });
    }
    if m.text == "[" && m.at.skip().next().kind == Kind::Word {
        return help("write a policy: `policy NAME { … }`");
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
    if m.is(&["let", "var", "set", "define", "local", "locals"]) {
        return m.write("const");
    }
    if m.is_word() && m.after_group_set() {
        return m
            .instead("write `+` between the members, or braces: `{read, write}`", format!("+ {}", m.text));
    }
    if m.before().is_none() {
        return help("write `edition 2026` on the first line, and then `policy NAME { … }`");
    }
    if m.is(&["include", "use", "using", "from", "require"]) && m.at.next().first_on_line {
        return help("write `import \"./file.msb\" as name` here, and `include` inside of a policy");
    }
    None
}
