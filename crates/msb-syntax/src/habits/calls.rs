//! System calls, their conditions and actions.

use super::{Habit, Mistake, help, trailing_comma};
use crate::scan::clipped;
use crate::token::Kind;
use crate::tokens::Tokens;

pub(super) fn conditions(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a comparison") {
        if m.text == "&" && !m.at.skip().at_sign("&") {
            return bits(m).or_else(|| help("write `has any FLAG`, or `and` between conditions"));
        }
        if m.is(&["contains", "includes", "include", "with", "is"]) {
            return m.write(if m.text == "is" { "==" } else { "has any" });
        }
        if m.text == ":" {
            return m.instead("write `==` to compare", " ==");
        }
    }
    if m.wants("a way to compare") && (m.is_word() || matches!(m.at.next().kind, Kind::Int(_))) {
        let flag = m.text;
        return help(format!("write `has any {flag}`, `has all {flag}` or `has only {flag}`"));
    }
    if m.wants("a whole number") && m.after("..") && (m.text == "=" || m.text == ".") {
        return m.instead("write `..`: both ends are included", "");
    }
    if m.wants("a whole number") && m.wants_literal("{") && m.is_word() && m.after("in") {
        let span = m.before()?.span().to(m.at.span());
        return Some(Habit {
            help: format!("write `== {0}`, or `in {{{0}, …}}`", m.text),
            edit: Some((span, format!("== {}", m.text))),
        });
    }
    if m.wants("a constant") {
        if m.text == ">" && m.after("<") {
            let span = m.before()?.span().to(m.at.span());
            return Some(Habit { help: "write `!=`".to_owned(), edit: Some((span, "!=".to_owned())) });
        }
        if m.text == "=" && m.after("==") {
            return m.instead("write `==`", "");
        }
        let constant = |text: &&str| {
            text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
                && !text.is_empty()
        };
        if let Some(text) = m.is_text().filter(constant) {
            return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
        }
        if m.is_text().is_some() && m.after("user") {
            return help("write the number of a user, such as `user 1000`");
        }
        if m.is_text().is_some() {
            return help(
                "write a number or a constant: what a pointer points to is not compared, as the program could change it after the check",
            );
        }
        if let Kind::Size(bytes) = m.at.next().kind
            && bytes < u64::MAX
        {
            return m.write(bytes.to_string());
        }
        let radix = [("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
        let digits = radix.iter().find_map(|&(prefix, radix)| Some((m.text.strip_prefix(prefix)?, radix)));
        if let Some(value) = digits.and_then(|(digits, radix)| u64::from_str_radix(digits, radix).ok()) {
            return m.write(format!("0x{value:x}"));
        }
        if m.text == "-" {
            // How wide the argument is, is not known here.
            let Kind::Int(value) = m.at.skip().next().kind else { return None };
            let wide = value.wrapping_neg();
            let Ok(narrow) = u32::try_from(value) else { return help(format!("write `0x{wide:x}`")) };
            return help(format!(
                "write `0x{:x}`, or `0x{wide:x}` for an argument of 64 bits",
                narrow.wrapping_neg()
            ));
        }
    }
    if m.wants_literal("|") && m.is(&["+", ","]) {
        return m.write("|");
    }
    if m.wants("a condition")
        && m.is_word()
        && let Some(join) = m.before().filter(|it| it.at_word(&["or", "and"]))
    {
        return Some(joined_constants(m, join));
    }
    if m.wants_literal("{") && m.wants("a whole number") && m.is(&["[", "("]) {
        let edit = m.bracketed().map(|(inner, span)| (span, format!("{{{inner}}}")));
        return Some(Habit { help: "write braces: `in {A, B}`, or a range: `in 0..9`".to_owned(), edit });
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

/// `option == A or B`, `flags has any A or B`: a constant stands where a condition was expected.
fn joined_constants(m: Mistake<'_>, join: Tokens<'_>) -> Habit {
    let constant = m.text;
    let back = |count: usize| Some(m.at.context.nth(join.index().checked_sub(count)?));
    let equal = join.at_word(&["or"]);
    if let (Some(first), Some(sign), Some(argument)) = (back(1), back(2), back(3))
        && sign.at_sign(if equal { "==" } else { "!=" })
    {
        let not = if equal { "" } else { "not " };
        let right = format!("{not}{} in {{{}, {constant}}}", argument.text(), first.text());
        let span = argument.span().to(m.at.span());
        return Habit { help: format!("write `{right}`"), edit: Some((span, right)) };
    }
    Habit {
        help: format!(
            "write `|` before `{constant}`: conditions are joined by `{}`, and constants by `|`",
            join.text()
        ),
        edit: Some((join.span(), "|".to_owned())),
    }
}

/// `flags & A`, `flags & A != 0`, `(flags & A) == A` and their like, as C has them.
fn bits(m: Mistake<'_>) -> Option<Habit> {
    let argument = m.before().filter(|it| it.next().kind == Kind::Word)?;
    let flag = m.ahead(1);
    if !matches!(flag.next().kind, Kind::Word | Kind::Int(_)) {
        return None;
    }
    let opening = argument.index().checked_sub(1).map(|it| m.at.context.nth(it));
    let opening = opening.filter(|it| it.at_sign("(") && m.ahead(2).at_sign(")"));
    let sign = m.ahead(if opening.is_some() { 3 } else { 2 });
    let compared = sign.at_sign("==") || sign.at_sign("!=");
    let value = sign.skip();
    // What C compares with a mask of several bits is a value of the field.
    let mask = matches!(flag.text(), "O_ACCMODE" | "SOCK_TYPE_MASK" | "CLONE_NEW_MASK");
    let zero = matches!(value.next().kind, Kind::Int(0));
    let (negated, how, bit) = match (compared, zero) {
        (false, _) if mask => return None,
        (false, _) => (false, "any", flag),
        (true, true) => (sign.at_sign("=="), "any", flag),
        (true, false) if mask || value.text() == flag.text() => (sign.at_sign("!="), "all", value),
        (true, false) => return None,
    };
    let not = if negated { "not " } else { "" };
    let right = format!("{not}{} has {how} {}", argument.text(), bit.text());
    let last = if compared {
        value
    } else if opening.is_some() {
        m.ahead(2)
    } else {
        flag
    };
    let why = match bit.text() {
        "O_RDONLY" if negated => {
            return help("write `flags has any O_WRONLY | O_RDWR`: `O_RDONLY` is no bit");
        }
        "O_RDONLY" => ", which holds where a file is opened to be read alone",
        _ => "",
    };
    let span = opening.unwrap_or(argument).span().to(last.span());
    Some(Habit { help: format!("write `{right}`{why}"), edit: Some((span, right)) })
}

pub(super) fn calls(m: Mistake<'_>) -> Option<Habit> {
    if !m.wants("a set of system calls") {
        return None;
    }
    if let Some(text) = m.is_text() {
        return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
    }
    if m.text == ":" {
        return m.remove("remove the `:`");
    }
    let error = m.before().filter(|_| m.text == ",");
    if let Some(error) = error.filter(|it| it.context.nth(it.index().wrapping_sub(1)).at_word(&["errno"])) {
        return m.remove(format!("remove the `,` behind `{}`", error.text()));
    }
    if m.text == "[" && m.after("=") {
        let edit = m.bracketed().map(|(inner, span)| (span, format!("{{{inner}}}")));
        return Some(Habit { help: "write braces round a list: `{read, write}`".to_owned(), edit });
    }
    if m.text == "[" {
        return m.without_brackets("write nothing round a list, or braces: `read, write`");
    }
    if let Kind::Int(number) = m.at.next().kind {
        return m.instead(
            format!("write `syscall({number})`, or better the name of the call"),
            format!("syscall({number})"),
        );
    }
    if m.text.starts_with('!') {
        return help("write `-` behind a set, for what is not meant: `@system-service - ptrace`");
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
    // seccomp(2), libseccomp and container engines.
    const BY_LIBSECCOMP: &[(&[&str], &str)] = &[
        (&["SCMP_ACT_ERRNO", "SECCOMP_RET_ERRNO", "return", "errno_ret"], "errno EPERM"),
        (&["SCMP_ACT_ALLOW", "SECCOMP_RET_ALLOW"], "allow"),
        (&["SCMP_ACT_LOG", "SECCOMP_RET_LOG", "audit"], "log"),
        (&["SCMP_ACT_TRAP", "SECCOMP_RET_TRAP"], "trap"),
        (&["SCMP_ACT_NOTIFY", "SECCOMP_RET_USER_NOTIF", "ask", "prompt"], "notify"),
        (
            &[
                "SCMP_ACT_KILL",
                "SCMP_ACT_KILL_PROCESS",
                "SCMP_ACT_KILL_THREAD",
                "SECCOMP_RET_KILL",
                "SECCOMP_RET_KILL_PROCESS",
                "kill_process",
                "kill-process",
                "kill_thread",
                "terminate",
            ],
            "kill",
        ),
    ];
    if m.wants("a rule of `syscalls`") || m.wants("an action") {
        let error = m.ahead(1).next().kind == Kind::Word && m.ahead(1).text().starts_with('E');
        if m.text == "return" && error {
            return m.write("errno");
        }
        if let Some(habit) = m.synonym(BY_LIBSECCOMP) {
            let number = m.text == "return" && matches!(m.ahead(1).next().kind, Kind::Int(_));
            let edit = habit.edit.filter(|_| !number);
            return Some(Habit { edit, ..habit });
        }
        let error =
            m.text.len() > 2 && m.text.starts_with('E') && m.text.bytes().all(|b| b.is_ascii_uppercase());
        if m.wants("a rule of `syscalls`")
            && error
            && matches!(m.ahead(1).next().kind, Kind::Word | Kind::Group)
            && m.at.next().first_on_line
        {
            return m.write(format!("errno {}", m.text));
        }
        if m.wants("an action") && ["EPERM", "ENOSYS", "EACCES", "EINVAL", "ENOENT"].contains(&m.text) {
            return m.write(format!("errno {}", m.text));
        }
    }
    if m.wants("a rule of `syscalls`")
        && m.after("syscall")
        && let Kind::Int(number) = m.at.next().kind
    {
        let span = m.before()?.span().to(m.at.span());
        let right = format!("syscall({number})");
        return Some(Habit {
            help: format!("write `{right}`, or better the name of the call"),
            edit: Some((span, right)),
        });
    }
    if m.wants("a rule of `syscalls`") && m.text == "(" && m.is_glued() {
        let says = |inner: &str| {
            inner.contains([':', '=', '<', '>']) || inner.contains(" has ") || inner.contains(" in ")
        };
        let edit = m.bracketed().filter(|(inner, _)| !inner.contains(',') && says(inner));
        let edit = edit.map(|(inner, span)| {
            let compares =
                inner.contains(['=', '<', '>']) || inner.contains(" has ") || inner.contains(" in ");
            (
                span,
                format!(" where {}", if compares { inner.to_owned() } else { inner.replacen(':', " ==", 1) }),
            )
        });
        let call = m.before().map(Tokens::text).unwrap_or_default();
        return Some(Habit {
            help: format!("write the condition behind `where`: `{call} where ARGUMENT == VALUE`"),
            edit,
        });
    }
    if m.wants("a rule of `syscalls`") && m.is(&["if", "when", "with", "unless"]) && m.wants_literal("where")
    {
        return m.write(if m.text == "unless" { "where not" } else { "where" });
    }
    if m.wants("a rule of `syscalls`") && m.is(&["has", "in"]) && !m.at.next().first_on_line {
        return condition_after_comma(m);
    }
    if m.wants("a rule of `syscalls`") && matches!(m.text, "==" | "!=" | "<" | "<=" | ">") {
        return condition_after_comma(m);
    }
    if m.wants("a rule of `syscalls`") && m.after_architecture() {
        return m.instead(format!("write `,` before `{}`", m.text), format!(", {}", m.text));
    }
    if m.wants("the name of an error, such as `EPERM`") {
        // errno(3); the same on every architecture of Linux.
        const NUMBERS: &[(u64, &str)] =
            &[(1, "EPERM"), (2, "ENOENT"), (13, "EACCES"), (22, "EINVAL"), (38, "ENOSYS")];
        if let Some(text) = m.is_text() {
            return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
        }
        if m.text == "-" && m.ahead(1).next().kind == Kind::Word {
            // With the call behind the error, which else begins a rule where it is `kill`.
            let (error, call) = (m.ahead(1).text(), m.ahead(2));
            let span = m.at.span().to(call.span());
            let right = format!("{error} {}", call.text());
            let edit = (!call.next().first_on_line).then_some((span, right));
            return Some(Habit { help: format!("write `{error}`, without `-`"), edit });
        }
        if m.text == "(" {
            return m.without_brackets("write the error without parentheses: `errno EPERM`");
        }
        if m.text == ":" || m.text == "=" {
            return m.instead(
                format!("write the error without `{}`", m.text),
                if m.is_glued() { " " } else { "" },
            );
        }
        let Kind::Int(number) = m.at.next().kind else { return None };
        let (_, name) = NUMBERS.iter().find(|(value, _)| *value == number)?;
        return m.write(*name);
    }
    if m.wants("the name of an error, such as `EPERM`") && m.is(&["}", ","]) {
        return help("write the error: `errno EPERM`");
    }
    if m.wants("a rule of `syscalls`")
        && m.wants_literal("-")
        && m.is(&["except", "but", "without", "excluding", "minus"])
    {
        return m.write("-");
    }
    if m.wants("a rule of `syscalls`") && m.is_word() && !m.at.next().first_on_line {
        let before = m.before()?;
        if before.at_word(&["syscall"]) {
            return None;
        }
        let call = before.next().kind == Kind::Word || before.next().kind == Kind::Group;
        return Some(Habit {
            help: format!("write `,` between system calls: `{}, {}`", before.text(), m.text),
            edit: Some((m.at.span(), format!(", {}", m.text))),
        })
        .filter(|_| call && !before.at_word(&["syscalls"]));
    }
    None
}

/// `a where x == 1, y has any Z`: what was read as a call is an argument.
fn condition_after_comma(m: Mistake<'_>) -> Option<Habit> {
    let argument = m.before().filter(|it| it.next().kind == Kind::Word)?;
    let comma = m.at.context.nth(argument.index().checked_sub(1)?);
    let say = "write `and` between conditions";
    if !comma.at_sign(",") {
        let edit = (argument.span(), format!("where {}", argument.text()));
        let call = m.at.context.nth(argument.index().checked_sub(1)?);
        let plain = matches!(call.next().kind, Kind::Word | Kind::Group);
        return Some(Habit {
            help: format!("write `where {} {} …`", argument.text(), m.text),
            edit: plain.then_some(edit),
        });
    }
    let glued =
        comma.index().checked_sub(1).is_some_and(|it| m.at.context.nth(it).next().end == comma.next().start);
    Some(Habit {
        help: say.to_owned(),
        edit: Some((comma.span(), if glued { " and" } else { "and" }.to_owned())),
    })
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
