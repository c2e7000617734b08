//! Paths, and the rules of `fs`.

use super::{Habit, Mistake, help, trailing_comma};
use crate::recover::nearest;
use crate::scan::clipped;
use crate::token::Kind;

pub(super) fn paths(m: Mistake<'_>) -> Option<Habit> {
    if !m.wants("a path") {
        return None;
    }
    if m.text == "[" {
        return help("write the paths without brackets, with `,` between them: `read /a, /b`");
    }
    if m.text == ":" || m.text == "=" {
        return m.instead(format!("write the path without `{}`", m.text), "");
    }
    if let Some(comma) = trailing_comma(m) {
        return Some(comma);
    }
    if m.is_word() && !m.at.next().first_on_line {
        let (written, span) = m.glued();
        if written.contains(['\\', ':']) {
            return help("write a path of Linux, such as `/home/me/project`");
        }
        return Some(Habit {
            help: format!("write `/{written}`, or `$name/{written}` below a parameter"),
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

pub(super) fn files(m: Mistake<'_>) -> Option<Habit> {
    const VERBS: &[(&[&str], &str)] = &[
        (&["rw", "readwrite", "read_write", "modify", "edit", "writable", "wr"], "write"),
        (&["ro", "readonly", "read_only", "read-only", "readable", "show", "view", "open", "list"], "read"),
        (&["exec", "execute", "rx", "executable", "x"], "run"),
        (&["tmpfs", "tmp", "temp", "private"], "scratch"),
        (&["hide", "block", "forbid", "disallow", "mask", "exclude", "ignore", "none", "no"], "deny"),
        (&["dev"], "device"),
        (&["unix"], "socket"),
    ];
    if m.wants("a rule of `fs`") && m.at.next().first_on_line | !m.wants("an option") {
        if let Some(habit) = m.synonym(VERBS) {
            return Some(habit);
        }
        if m.is(&["allow", "grant", "permit", "mount", "bind"]) {
            let verb = m.at.skip().at_word(&["read", "write", "run", "create", "append"]);
            let right = if verb { "" } else { "read" };
            let say = "write `read`, `write` or `run`: what `fs` names is allowed";
            return if verb { m.instead("remove it: what `fs` names is allowed", right) } else { help(say) };
        }
    }
    if m.wants("an option") && m.wants("a rule of `fs`") {
        if m.is(&["->", "to", "as", "into", "on", "=>", ":", "target"]) {
            return m.write("at");
        }
        let path = m.before().filter(|before| matches!(before.next().kind, Kind::Path | Kind::Var));
        if let Some(path) = path.filter(|_| !m.at.next().first_on_line) {
            if matches!(m.at.next().kind, Kind::Path | Kind::Var | Kind::Text(_)) {
                return m.instead(format!("write `,` before `{}`", clipped(m.text)), format!(", {}", m.text));
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
