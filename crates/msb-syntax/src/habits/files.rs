//! Paths, and the rules of `fs`.

use super::{Habit, Mistake, help, trailing_comma};
use crate::grammar::VERBS;
use crate::recover::nearest;
use crate::scan::{bind_mount, clipped};
use crate::token::Kind;
use crate::tokens::Tokens;
use msb_diag::Span;

pub(super) fn paths(m: Mistake<'_>) -> Option<Habit> {
    if !m.wants("a path") {
        return None;
    }
    if m.text == "[" || m.text == "(" {
        return m.without_brackets("write the paths without brackets, with `,` between them: `read /a, /b`");
    }
    if m.text == "{"
        && m.at.skip().at_sign("{")
        && m.ahead(2).next().kind == Kind::Word
        && m.ahead(4).at_sign("}")
    {
        let name = m.ahead(2).text();
        let edit = (m.at.span().to(m.ahead(4).span()), format!("${name}"));
        return Some(Habit { help: format!("write `${name}`"), edit: Some(edit) });
    }
    if m.text == "{" {
        return help("write the paths without braces, with `,` between them: `read /a, /b`");
    }
    if m.text == "-" && m.at.next().first_on_line {
        return m.instead("write the paths side by side, with `,` between them: `read /a, /b`", "");
    }
    if m.text == "," && m.before().is_some_and(|it| it.at_word(VERBS)) && !m.ahead(1).at_word(RIGHTS) {
        return m.instead("remove the `,` before the path", "");
    }
    if m.text == "?" {
        let verb = m.before().map(Tokens::text).unwrap_or_default();
        return help(format!("write `optional` behind the path: `{verb} /srv/data optional`"));
    }
    if m.at.at_word(&["at", "from"])
        && !m.after(",")
        && matches!(m.ahead(1).next().kind, Kind::Path | Kind::Var | Kind::Text(_))
    {
        let inside = clipped(m.ahead(1).text());
        return help(format!("write the path of the host before it: `/srv/data {} {inside}`", m.text));
    }
    if denies(m) {
        return denied(m);
    }
    if m.text == "." {
        return help(
            "declare a parameter, `workspace: dir`, write `$workspace`, and launch with `--set workspace=.`",
        );
    }
    let begins = m
        .before()
        .filter(|it| it.at_word(RIGHTS) && !it.context.nth(it.index().wrapping_sub(1)).at_word(&["deny"]));
    if let Some(first) = begins {
        let comma = m.text == "," && m.at.skip().at_word(RIGHTS);
        let second = if comma { m.at.skip() } else { m.at };
        let path = matches!(second.skip().next().kind, Kind::Path | Kind::Var | Kind::Text(_));
        if second.at_word(RIGHTS) && path && !second.next().first_on_line {
            return both_rights(first.text(), second.text(), first.span().to(second.span()));
        }
    }
    if m.text == ":" || m.text == "=" {
        return m.remove(format!("write the path without `{}`", m.text));
    }
    if let Some(comma) = trailing_comma(m) {
        return Some(comma);
    }
    if m.is_word() && !m.at.next().first_on_line {
        let (written, span) = m.glued();
        if let Some(path) = written.strip_prefix("file://").filter(|path| path.starts_with('/')) {
            return Some(Habit { help: format!("write `{path}`"), edit: Some((span, path.to_owned())) });
        }
        if written.contains(['\\', ':']) {
            return help("write a path of Linux, such as `/home/me/project`");
        }
        return Some(Habit {
            help: format!("write `/{written}`, or `${written}` if it is a parameter"),
            edit: None,
        })
        .filter(|_| span.end > span.start);
    }
    if m.at.next().kind == Kind::Bad && m.text.starts_with("${") {
        return None;
    }
    if m.text.starts_with("$HOME") {
        let (written, span) = m.glued();
        let home = written.replacen("$HOME", "~", 1);
        let home = if home == "~" { "~/".to_owned() } else { home };
        return Some(Habit { help: format!("write `{home}`"), edit: Some((span, home)) });
    }
    None
}

fn is_path(at: Tokens<'_>) -> bool {
    !at.next().first_on_line && matches!(at.next().kind, Kind::Path | Kind::Var | Kind::Text(_))
}

/// What can be granted, and denied, of what is there.
const RIGHTS: &[&str] = &["read", "write", "run"];

/// Whether what is denied comes next.
fn denies(m: Mistake<'_>) -> bool {
    let before = |back: usize| m.at.index().checked_sub(back).map(|it| m.at.context.nth(it));
    before(1).is_some_and(|it| {
        it.at_word(&["deny"]) || it.at_word(RIGHTS) && before(2).is_some_and(|it| it.at_word(&["deny"]))
    })
}

/// `deny *`, `deny create /a`, `deny read, write /a`, `deny read and write /a`
fn denied(m: Mistake<'_>) -> Option<Habit> {
    if m.text.starts_with('*') || m.is(&["all", "any", "everything"]) {
        return help("remove the rule: what no rule names is denied");
    }
    if m.is(&["create", "append", "delete", "modify", "rename"]) {
        return m.write("write");
    }
    if m.is(&["exec", "execute"]) {
        return m.write("run");
    }
    if m.is(&[",", "and", "or", "|", "+"]) && m.ahead(1).at_word(RIGHTS) || m.at.at_word(RIGHTS) {
        return help(
            "write `deny /a`, which denies everything; or a rule for each: `deny write /a` and `deny run /a`",
        );
    }
    None
}

pub(super) fn files(m: Mistake<'_>) -> Option<Habit> {
    const NAMES: &[(&[&str], &str)] = &[
        (&["delete", "remove", "unlink", "rename", "chmod"], "write"),
        (
            &["rw", "rwx", "readwrite", "read_write", "read-write", "modify", "edit", "writable", "wr"],
            "write",
        ),
        (&["ro", "readonly", "read_only", "read-only", "readable", "show", "view", "open", "list"], "read"),
        (&["exec", "execute", "rx", "executable", "x"], "run"),
        (&["tmpfs", "tmp", "temp", "private"], "scratch"),
        (
            &[
                "hide", "block", "forbid", "disallow", "mask", "exclude", "ignore", "none", "no", "not",
                "except",
            ],
            "deny",
        ),
        (&["dev"], "device"),
        (&["unix"], "socket"),
    ];
    if m.wants("a rule of `fs`") && m.at.next().first_on_line | !m.wants("an option") {
        if let Some(habit) = m.synonym(NAMES) {
            return Some(habit);
        }
        if m.text == "-" && m.ahead(1).at_sign("-") {
            return help("write a rule: `read /usr`, `write /work`, `scratch /tmp size 64MiB`");
        }
        if m.text.starts_with('!') && matches!(m.ahead(1).next().kind, Kind::Path | Kind::Var) {
            return m.instead("write `deny`", "deny ");
        }
        if m.text == "optional" {
            return help("write `optional` behind the path: `read /srv/data optional`");
        }
        if let Some((first, second)) = m.text.split_once('/').filter(|_| m.at.next().kind == Kind::Path) {
            let rights = ["read", "write", "run"];
            if rights.contains(&first) && rights.contains(&second) {
                return both_rights(first, second, m.at.span());
            }
        }
        if matches!(m.at.next().kind, Kind::Path | Kind::Var) && !m.is_comment() {
            return verb_before(m);
        }
        if m.is(&["allow", "grant", "permit", "mount", "bind"]) {
            let verb = m.at.skip().at_word(&["read", "write", "run", "create", "append"]);
            if verb {
                return m.instead("remove it: what `fs` names is allowed", "");
            }
            let source = m.at.skip();
            let target = [source.skip(), source.skip().skip()].into_iter().find(|it| is_path(*it));
            if m.is(&["mount", "bind"])
                && is_path(source)
                && let Some(target) = target
            {
                let (source, target) = (clipped(source.text()), clipped(target.text()));
                return help(format!("write `read {source} at {target}`, or `write {source} at {target}`"));
            }
            return help("write `read`, `write` or `run`: what `fs` names is allowed");
        }
    }
    if m.wants("an option") && m.wants("a rule of `fs`") {
        if m.text == "=" && m.ahead(1).at_sign(">") {
            let edit = (m.at.span().to(m.ahead(1).span()), "at".to_owned());
            return Some(Habit { help: "write `at`".to_owned(), edit: Some(edit) });
        }
        if m.is(&["->", "to", "as", "into", "on", "=>", ":", "target"]) {
            return m.instead("write `at`", if m.is_glued() { " at " } else { "at" });
        }
        if m.is(&["recursive", "recursively"]) {
            return m.remove("remove it: a rule is for all that is below a directory");
        }
        if m.is(&["mode", "chmod", "uid", "gid", "owner"]) {
            let last = if m.ahead(1).next().first_on_line { m.at } else { m.ahead(1) };
            let say = "remove it: files keep their modes and owners";
            return Some(Habit {
                help: say.to_owned(),
                edit: Some((m.at.span().to(last.span()), String::new())),
            });
        }
        if matches!(m.at.next().kind, Kind::Size(_)) {
            return m.instead(format!("write `size` before `{}`", m.text), format!("size {}", m.text));
        }
        if m.text == "."
            && m.is_glued()
            && let Some(var) = m.before().filter(|it| it.next().kind == Kind::Var)
        {
            let name = clipped(m.at.skip().text());
            return help(format!("write `{}/.{name}` for what lies below it", var.text()));
        }
        let path = m.before().filter(|before| matches!(before.next().kind, Kind::Path | Kind::Var));
        if let Some(path) = path.filter(|_| !m.at.next().first_on_line) {
            if matches!(m.at.next().kind, Kind::Path | Kind::Var | Kind::Text(_)) {
                return m.instead(format!("write `,` before `{}`", clipped(m.text)), format!(", {}", m.text));
            }
            if m.is(&["and", "or", "&", "+"]) {
                return m.instead("write `,` between paths", ",");
            }
            if m.is(&["except", "without", "excluding", "but", "not", "exclude", "-"]) {
                return m.write("deny");
            }
            if m.is(&["ro", "rw", "r", "w", "rx", "rwx", "x", "readonly", "bind", "z", "Z"]) {
                let span = m.at.span();
                let comma = m.at.skip();
                let span = if comma.at_sign(",") && comma.skip().at_sign("}") {
                    span.to(comma.span())
                } else {
                    span
                };
                let say = "remove it: `read`, `write` or `run` before the path says what is allowed";
                return Some(Habit { help: say.to_owned(), edit: Some((span, String::new())) });
            }
            if m.text == "if" && m.at.skip().at_word(&["exists", "present", "exist"]) {
                let span = m.at.span().to(m.at.skip().span());
                return Some(Habit {
                    help: "write `optional`".to_owned(),
                    edit: Some((span, "optional".to_owned())),
                });
            }
            if m.is(&["maybe", "exists", "ifexists", "if_exists", "may_fail", "ignore_missing"]) {
                return m.write("optional");
            }
            if m.is_word()
                && path.next().kind == Kind::Path
                && nearest(m.at.next(), m.text, m.expected).is_none()
            {
                let span = path.span().to(m.glued().1);
                let quoted = format!("\"{} {}\"", path.text(), m.glued().0);
                let say =
                    format!("write an option such as `at`; or quotes, if the path has a blank: `{quoted}`");
                return Some(Habit { help: say, edit: None }).filter(|_| span.end > 0);
            }
        }
    }
    None
}

/// `read write /a`: to write is to read, too; the others stand on lines of their own.
fn both_rights(first: &str, second: &str, span: Span) -> Option<Habit> {
    let includes = matches!((first, second), ("read", "write" | "run") | ("write" | "run", "read"));
    let (more, less) = if second == "read" { (first, second) } else { (second, first) };
    if includes || first == second {
        return Some(Habit {
            help: format!("write `{more}`, which includes `{less}`"),
            edit: Some((span, more.to_owned())),
        });
    }
    help("write a rule for each: `write /a` and `run /a`")
}

/// `/srv/data:/data:ro`, `/etc/** rw,`
fn verb_before(m: Mistake<'_>) -> Option<Habit> {
    let letters = m.at.skip();
    let mode = match letters.next().kind {
        Kind::Word if !letters.next().first_on_line => letters.text(),
        _ => m.text.rsplit(':').next().unwrap_or_default(),
    };
    let verb =
        if mode.starts_with(['r', 'w']) && mode.contains('w') && mode.len() <= 4 { "write" } else { "read" };
    if let Some(bound) = bind_mount(m.text) {
        return m.write(format!("{verb} {bound}"));
    }
    let path = clipped(m.text.trim_end_matches("**").trim_end_matches(|c| c == '/' && m.text.len() > 1));
    help(format!("write what may be done before the path: `{verb} {path}`"))
}

impl Mistake<'_> {
    fn is_comment(self) -> bool {
        self.text.starts_with("//") || self.text.starts_with("/*")
    }
}
