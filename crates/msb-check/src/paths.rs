//! Paths: absolute, normal, and of a base that is known now or bound at launch.

use crate::bounds::{COMPONENT_BYTES_MAX, PATH_BYTES_MAX};
use crate::context::Context;
use crate::params::kind_word;
use msb_diag::{Diagnostic, codes};
use msb_host::mixed_scripts;
use msb_policy::{Base, ParamKind, Path};
use msb_syntax::ast::{PathExpr, PathKind};

/// A path, and whether it ended in `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: Path,
    pub(crate) directory: bool,
}

/// Reads `expr`; `None` where it was reported, here or by name resolution.
pub(crate) fn place(cx: &mut Context<'_>, expr: &PathExpr) -> Option<Place> {
    match &expr.kind {
        PathKind::Path(text) => {
            let (base, rest) = if let Some(rest) = text.strip_prefix('~').filter(|rest| below(rest)) {
                (Base::Home, rest)
            } else if text.starts_with('/') {
                (Base::Root, text.as_str())
            } else {
                cx.say(relative(cx, expr, text));
                return None;
            };
            components(cx, expr, base, rest)
        }
        PathKind::Var { name, rest } => {
            let index = cx.params.iter().position(|param| param.ir.name == name.node)?;
            let param = cx.params.get(index)?.clone();
            let kind = param.ir.kind;
            if kind == ParamKind::Secret {
                cx.say(crate::params::secret_leaks(expr.span, &name.node, "a path"));
                return None;
            }
            let wrong = match kind {
                ParamKind::Host => Some("expected a path, found a host"),
                ParamKind::Secret | ParamKind::Number => Some("expected a path"),
                ParamKind::Text => Some("expected a path, found a string"),
                ParamKind::File if !rest.trim_matches('/').is_empty() => Some("a file has nothing below it"),
                ParamKind::Dir | ParamKind::File => None,
            };
            if let Some(message) = wrong {
                cx.say(
                    Diagnostic::new(codes::WRONG_TYPE, message)
                        .label(expr.span, format!("`${}` is a {}", name.node, kind_word(kind)))
                        .label(param.declared, "declared here")
                        .help(format!("declare it as `{}: dir`", name.node)),
                );
                return None;
            }
            components(cx, expr, Base::Param(index), rest)
        }
        PathKind::Group(name) => {
            cx.say(
                Diagnostic::new(codes::WRONG_TYPE, format!("`{name}` is not a path"))
                    .label(expr.span, "a group stands for devices or system calls")
                    .help("write a path, such as `/usr/share`"),
            );
            None
        }
    }
}

/// Whether `expr` is `**/` and a name, below something, and no other pattern.
pub(crate) fn is_search(expr: &PathExpr) -> bool {
    let (PathKind::Path(text) | PathKind::Var { rest: text, .. }) = &expr.kind else { return false };
    let parts = text.split_once("/**/");
    parts.is_some_and(|(root, rest)| {
        !rest.is_empty() && !root.contains(['*', '?']) && !rest.contains(['*', '?'])
    })
}

/// Whether what follows a base is nothing or begins a component.
fn below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

fn relative(cx: &Context<'_>, expr: &PathExpr, text: &str) -> Diagnostic {
    if text.trim_matches(['.', '/']).is_empty() {
        let message = if text.is_empty() {
            "the path is empty".to_owned()
        } else {
            format!("path `{text}` is not absolute")
        };
        return Diagnostic::new(codes::PATH_NOT_NORMAL, message)
            .label(expr.span, "a policy has no working directory")
            .help("declare a parameter, `workspace: dir`, and write `$workspace`");
    }
    if text.starts_with('@') {
        return Diagnostic::new(codes::PATH_NOT_NORMAL, format!("path `{text}` is not absolute"))
            .label(expr.span, "an abstract socket has no path")
            .help("take it away: a sandbox reaches no abstract socket but its own");
    }
    let found = Diagnostic::new(codes::PATH_NOT_NORMAL, format!("path `{text}` is not absolute"))
        .label(expr.span, "a policy has no working directory");
    if let Some(name) = text.strip_prefix('$').and_then(|rest| rest.split('/').next())
        && cx.params.iter().any(|param| param.ir.name == name)
    {
        // In quotes it is text, and nothing is filled in.
        let plain = text.bytes().skip(1).all(|b| b.is_ascii_alphanumeric() || b"._+@%=~/-".contains(&b));
        let found = found.help(format!("write `{text}`, without quotes"));
        return if plain { found.edit(expr.span, text) } else { found };
    }
    if text.starts_with("**") {
        return found.help("write a path that begins with `/`, `~/` or a parameter such as `$workspace/`");
    }
    let name = text.trim_start_matches(['.', '/']);
    found.help(format!("write `/{name}`, or give it as a parameter: `$workspace/{name}`"))
}

fn components(cx: &mut Context<'_>, expr: &PathExpr, base: Base, rest: &str) -> Option<Place> {
    if let Some(looks) = mixed_scripts(rest).filter(|_| !cx.said_at(codes::CONFUSABLE, expr.span)) {
        cx.say(
            Diagnostic::new(
                codes::CONFUSABLE,
                format!("path `{rest}` looks like `{looks}` and is another one"),
            )
            .label(expr.span, "who reads this sees another path")
            .help(format!("type it anew, if `{looks}` is meant")),
        );
    }
    let shown = crate::context::written(cx, expr.span);
    if rest.contains(['*', '?']) {
        let found =
            Diagnostic::new(codes::NOT_ENFORCED, "a pattern in a path is not enforced by this version")
                .label(expr.span, "has a `*` or a `?`");
        let whole = shown.strip_suffix("/**").filter(|dir| !dir.is_empty() && !dir.contains(['*', '?', '"']));
        cx.say(match whole {
            Some(dir) => found
                .help(format!("write `{dir}`: a rule is about everything below, too"))
                .edit(expr.span, dir),
            None => found.help("name the directory, or each path by itself"),
        });
        return None;
    }
    if rest.split('/').any(|component| component == "..") {
        cx.say(
            Diagnostic::new(codes::PATH_NOT_NORMAL, format!("path `{shown}` contains `..`"))
                .label(expr.span, "where it leads depends on symbolic links")
                .help("write the path that you mean, without `..`"),
        );
        return None;
    }
    let normal: Vec<&str> = rest.split('/').filter(|component| !matches!(*component, "" | ".")).collect();
    let directory = rest.ends_with('/') && !normal.is_empty();
    let plain = rest.trim_start_matches('/');
    let plain = plain.strip_suffix('/').unwrap_or(plain);
    let joined = normal.join("/");
    if plain != joined || (rest.starts_with("//")) {
        let start = shown.trim_start_matches('"').split('/').next().unwrap_or("").to_owned();
        let mut found = Diagnostic::new(codes::PATH_NOT_NORMAL, format!("path `{shown}` is not normalised"))
            .label(expr.span, "has an empty component or `.`")
            .help(format!("write `{start}/{joined}`"));
        if !shown.starts_with('"') {
            found = found.edit(expr.span, format!("{start}/{joined}"));
        }
        cx.say(found);
        return None;
    }
    let long = |component: &&str| component.len() > COMPONENT_BYTES_MAX;
    if joined.len() > PATH_BYTES_MAX || normal.iter().any(long) {
        cx.say(
            Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, "the path is longer than the kernel takes")
                .label(
                    expr.span,
                    format!("at most {PATH_BYTES_MAX} bytes, {COMPONENT_BYTES_MAX} for each component"),
                )
                .help("write a shorter path"),
        );
        return None;
    }
    if joined.contains('\0') {
        cx.say(
            Diagnostic::new(codes::PATH_NOT_NORMAL, "the path has a NUL in it")
                .label(expr.span, "every reader ends it there")
                .help("take it away"),
        );
        return None;
    }
    Some(Place { path: Path { base, rest: joined }, directory })
}

/// Whether `path` is `above` or below it.
pub(crate) fn covers(above: &Path, path: &Path) -> bool {
    above.base == path.base
        && (above.rest.is_empty()
            || path.rest == above.rest
            || path.rest.strip_prefix(above.rest.as_str()).is_some_and(|rest| rest.starts_with('/')))
}

/// What of `path` is below `above`: "" or "/…"; `None` if it is not there.
pub(crate) fn remainder<'a>(above: &Path, path: &'a Path) -> Option<&'a str> {
    covers(above, path).then(|| path.rest.get(above.rest.len()..).unwrap_or("").trim_start_matches('/'))
}

/// The path as a person writes it.
pub(crate) fn shown(cx: &Context<'_>, path: &Path) -> String {
    let base = match path.base {
        Base::Root => String::new(),
        Base::Home => "~".to_owned(),
        Base::Param(index) => {
            cx.params.get(index).map_or_else(String::new, |param| format!("${}", param.ir.name))
        }
    };
    if path.rest.is_empty() && path.base != Base::Root { base } else { format!("{base}/{}", path.rest) }
}
