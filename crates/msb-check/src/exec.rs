//! The `exec` section: who the command is, where it starts, and what it is when launch names none.

use crate::bounds::{TEXT_BYTES_MAX, bad_text};
use crate::context::Context;
use crate::paths::{self, covers, shown};
use crate::values;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Exec, FsKind, FsRule, OriginId, Path};
use msb_syntax::ast::{ExecRuleKind, Name, PathExpr, Spanned, StmtKind, Value};

/// User and group inside, unless the policy says otherwise.
const USER: u32 = 1000;
/// Name of the host inside, unless the policy says otherwise.
const HOSTNAME: &str = "sandbox";

/// A setting, its value as it is compared, and where it is.
type Seen = Vec<(&'static str, String, Span)>;

/// Identity and default command; `fs` says what exists inside.
pub(crate) fn exec(cx: &mut Context<'_>, fs: &[FsRule]) -> Exec {
    let mut exec = Exec {
        command: Vec::new(),
        uid: USER,
        gid: USER,
        cwd: None,
        hostname: HOSTNAME.to_owned(),
        terminal: None,
        origin: cx.policy_origin(),
    };
    let mut seen = Seen::new();
    let mut section: Option<Span> = None;
    for placed in cx.stmts() {
        let StmtKind::Exec(rules) = &placed.stmt.kind else { continue };
        section = section.or(Some(placed.stmt.span));
        for rule in rules {
            match &rule.kind {
                ExecRuleKind::Command(words) => {
                    let all: Vec<String> = words.iter().map(|word| word.node.clone()).collect();
                    once(cx, &mut seen, "command", format!("{all:?}"), rule.span);
                    command(cx, words, &mut exec);
                }
                ExecRuleKind::User(value) => {
                    once(cx, &mut seen, "user", format!("{:?}", value.node), rule.span);
                    user(cx, value, &mut exec);
                }
                ExecRuleKind::Cwd(path) => {
                    once(cx, &mut seen, "cwd", format!("{:?}", path.kind), rule.span);
                    exec.cwd = cwd(cx, path, rule.span, fs).or(exec.cwd.take());
                }
                ExecRuleKind::Tty(how) => {
                    once(cx, &mut seen, "tty", how.node.clone(), rule.span);
                    exec.terminal = tty(cx, how, rule.span, fs).or(exec.terminal);
                }
                ExecRuleKind::Hostname(name) => {
                    once(cx, &mut seen, "hostname", name.node.clone(), rule.span);
                    hostname(cx, name, &mut exec);
                }
            }
        }
    }
    if let Some(section) = section {
        exec.origin = cx.origin(section);
    }
    exec
}

/// Reports a setting that has another value already.
fn once(cx: &mut Context<'_>, seen: &mut Seen, what: &'static str, value: String, span: Span) {
    let other = seen.iter().find(|(name, set, _)| *name == what && *set != value).map(|(.., at)| *at);
    if let Some(first) = other {
        cx.say(
            Diagnostic::new(codes::DUPLICATE_SETTING, format!("`{what}` is set twice"))
                .label(span, "again here")
                .label(first, "first here")
                .help("keep one of them"),
        );
    }
    seen.push((what, value, span));
}

fn command(cx: &mut Context<'_>, words: &[Spanned<String>], exec: &mut Exec) {
    for word in words {
        if word.node.len() > TEXT_BYTES_MAX || word.node.contains('\0') {
            cx.say(bad_text(word.span));
        }
    }
    if let Some(first) = words.first().filter(|word| word.node.is_empty()) {
        cx.say(
            Diagnostic::new(codes::WRONG_TYPE, "the command has no name")
                .label(first.span, "this is empty")
                .help("write something like `command \"python3\" \"agent.py\"`"),
        );
    }
    if let [only] = words
        && let Some((program, rest)) = only.node.split_once(char::is_whitespace)
        && !program.is_empty()
    {
        let all: Vec<&str> = std::iter::once(program).chain(rest.split_whitespace()).collect();
        let quoted: Vec<String> = all.iter().map(|word| format!("\"{word}\"")).collect();
        let found = Diagnostic::new(codes::COMMAND_WITH_BLANK, "the command is one word with a blank in it")
            .label(only.span, "a program of this name is started, without arguments");
        let plain = !only.node.contains(['"', '\'', '\\', '$', '|', '&', ';', '<', '>']);
        cx.say(if plain {
            found.help(format!("write `command {}`", quoted.join(" "))).edit(only.span, quoted.join(" "))
        } else {
            found.help("write each word in quotes of its own, or `command \"sh\" \"-c\" \"…\"` for a shell")
        });
    }
    exec.command = words.iter().map(|word| word.node.clone()).collect();
}

fn user(cx: &mut Context<'_>, value: &Spanned<Value>, exec: &mut Exec) {
    if let Value::Ident(name) = &value.node {
        if name == "root" {
            cx.say(root(value.span));
        } else {
            cx.say(
                Diagnostic::new(
                    codes::NOT_ENFORCED,
                    format!("user `{name}` by name is not enforced by this version"),
                )
                .label(value.span, "names are not looked up")
                .help("write the number: `user 1000`"),
            );
        }
        return;
    }
    let Some(number) = values::int(cx, value, "user") else { return };
    // 2³²−1 is "no user" in every call that takes one; credentials(7).
    match u32::try_from(number) {
        Ok(0) => cx.say(root(value.span)),
        Ok(id) if id != u32::MAX => {
            exec.uid = id;
            exec.gid = id;
        }
        Ok(_) | Err(_) => cx.say(
            Diagnostic::new(codes::NUMBER_OUT_OF_RANGE, format!("there is no user `{number}`"))
                .label(value.span, "must be from 1 to 4294967294")
                .help("write `user 1000`"),
        ),
    }
}

fn root(span: Span) -> Diagnostic {
    Diagnostic::new(codes::USER_IS_ROOT, "the user inside is root")
        .label(span, "root inside is what most escapes begin with")
        .help("write `user 1000`, or leave it out")
}

fn cwd(cx: &mut Context<'_>, expr: &PathExpr, span: Span, fs: &[FsRule]) -> Option<(Path, OriginId)> {
    let path = paths::place(cx, expr)?.path;
    let exists = path.rest.is_empty() && path.base == msb_policy::Base::Root
        || fs.iter().any(|rule| match &rule.kind {
            FsKind::Grant { target, .. }
            | FsKind::Scratch { target, .. }
            | FsKind::Overlay { target, .. } => covers(target, &path) || covers(&path, target),
            FsKind::StdDevices
            | FsKind::Device { .. }
            | FsKind::Socket { .. }
            | FsKind::ProcSelf
            | FsKind::ProcAll
            | FsKind::Deny { .. }
            | FsKind::DenyFound { .. } => false,
        });
    // What could not be understood may be what shows it.
    if !exists && !msb_diag::has_errors(&cx.found) {
        let name = shown(cx, &path);
        // A folder of the host that is shown at another place is meant there.
        let place = fs.iter().find_map(|rule| match &rule.kind {
            FsKind::Grant { source, target, .. } if *source == path => Some(shown(cx, target)),
            _ => None,
        });
        let found = Diagnostic::new(
            codes::DIRECTORY_NOT_SHOWN,
            format!("working directory `{name}` does not exist inside"),
        );
        cx.say(match place {
            Some(place) => found
                .label(expr.span, format!("inside it is at `{place}`"))
                .help(format!("write `cwd {place}`"))
                .edit(expr.span, place),
            None => found.label(expr.span, "no rule of `fs` shows it").help(match path.base {
                msb_policy::Base::Root => format!("put a folder there: `write $workspace at {name}`"),
                _ => format!("grant it: `write {name}`"),
            }),
        });
    }
    Some((path, cx.origin(span)))
}

/// The line of `tty private`.
fn tty(cx: &mut Context<'_>, how: &Name, span: Span, fs: &[FsRule]) -> Option<OriginId> {
    match how.node.as_str() {
        "none" => {}
        "private" if fs.iter().any(|rule| rule.kind == FsKind::StdDevices) => return Some(cx.origin(span)),
        // What could not be understood may be what shows them.
        "private" if msb_diag::has_errors(&cx.found) => {}
        "private" => cx.say(
            Diagnostic::new(
                codes::DIRECTORY_NOT_SHOWN,
                "a private terminal is in /dev/pts, which does not exist inside",
            )
            .label(how.span, "no rule of `fs` says `device @std`")
            .help("add `fs { device @std }`, or include `std.base`, which has it"),
        ),
        "host" | "inherit" | "shared" => cx.say(
            Diagnostic::new(
                codes::SHARED_TERMINAL,
                format!("`tty {}` shares a terminal with the host", how.node),
            )
            .label(how.span, "who shares a terminal can type into it")
            .help("write `tty private`"),
        ),
        other => cx.say(
            Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown terminal `{other}`"))
                .label(how.span, "expected `none` or `private`")
                .help("write `tty none`"),
        ),
    }
    None
}

fn hostname(cx: &mut Context<'_>, name: &Spanned<String>, exec: &mut Exec) {
    // RFC 1123, 2.1: labels of letters, digits and inner hyphens; the kernel takes 64 bytes (linux/utsname.h).
    const HOSTNAME_BYTES_MAX: usize = 64;
    const LABEL_BYTES_MAX: usize = 63;
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if name.node.len() <= HOSTNAME_BYTES_MAX && name.node.split('.').all(label) {
        exec.hostname.clone_from(&name.node);
        return;
    }
    let message = match name.node.as_str() {
        "" => "the host name is empty".to_owned(),
        other => format!("host name `{other}` is not valid"),
    };
    cx.say(
        Diagnostic::new(codes::BAD_HOSTNAME, message)
            .label(name.span, "letters, digits and inner `-`, at most 64 in all")
            .help("write something like `hostname \"agent\"`"),
    );
}
