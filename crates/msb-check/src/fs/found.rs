//! Denies of what a search at launch finds: `deny write $repo/**/.git/hooks/ enforce snapshot`.

use super::options::Options;
use crate::bounds::COMPONENT_BYTES_MAX;
use crate::context::Context;
use crate::paths::{self, Place};
use crate::values;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{FsKind, Missing, Path, Rights, Search};
use msb_syntax::ast::{self, FsOption, FsOptionKind, PathExpr, PathKind, Spanned, Value};

/// How many levels a search goes where nothing is said: what a folder of repositories has.
const DEPTH: u8 = 3;
/// The bound that a plan has.
const DEPTH_MAX: u8 = 16;

/// What is said of a search besides its path.
#[derive(Debug, Default)]
pub(super) struct How {
    /// `enforce snapshot`.
    pub(super) snapshot: Option<Span>,
    pub(super) beside: Option<String>,
    pub(super) depth: Option<u8>,
}

/// Whether a path has a pattern in it.
pub(super) fn has_pattern(expr: &PathExpr) -> bool {
    match &expr.kind {
        PathKind::Path(text) => text.contains(['*', '?']),
        PathKind::Var { rest, .. } => rest.contains(['*', '?']),
        PathKind::Group(_) => false,
    }
}

/// The deny that `expr` is with `enforce snapshot`, which was said at `snapshot`; `None` where it was reported.
pub(super) fn deny(
    cx: &mut Context<'_>,
    expr: &PathExpr,
    options: &Options,
    snapshot: Span,
    rights: Rights,
) -> Option<FsKind> {
    let Some((root, rest)) = split(expr) else {
        let written = crate::context::written(cx, expr.span);
        cx.say(if has_pattern(expr) {
            Diagnostic::new(codes::NOT_ENFORCED, "a search is for `**/` once, and no other pattern")
                .label(expr.span, "has another `*` or `?`")
                .help("write the name that is looked for: `$repo/**/.env`")
        } else {
            Diagnostic::new(codes::WRONG_OPTION, "`enforce snapshot` has nothing to look for here")
                .label(snapshot, "is for a path with `**/`")
                .label(expr.span, "is one place, there or not")
                .help(format!(
                    "take it away, or write the folder that is searched, as in `{}`",
                    within(&written)
                ))
        });
        return None;
    };
    let root = paths::place(cx, &root)?.path;
    let Place { path: Path { rest, .. }, directory } = paths::place(cx, &rest)?;
    let first = rest.split('/').next().unwrap_or_default().to_owned();
    let search = Search {
        root,
        depth: options.how.depth.unwrap_or(DEPTH),
        beside: options.how.beside.clone().unwrap_or(first),
        rest,
    };
    let missing = match options.missing {
        None | Some(Missing::Mask { .. }) => Missing::Mask { directory },
        Some(other) => other,
    };
    Some(FsKind::DenyFound { search, rights, missing })
}

/// The same path, somewhere below the folder that it begins with.
fn within(written: &str) -> String {
    match written.split_once('/') {
        Some((base, rest)) if !rest.is_empty() && !written.starts_with('"') => format!("{base}/**/{rest}"),
        _ => "$repo/**/.env".to_owned(),
    }
}

/// What stands before `**/` and what after it, as paths; `None` where there is another pattern, or none.
fn split(expr: &PathExpr) -> Option<(PathExpr, PathExpr)> {
    let (kind, rest) = match &expr.kind {
        PathKind::Path(text) => {
            let (root, rest) = text.split_once("/**/")?;
            (PathKind::Path(if root.is_empty() { "/" } else { root }.to_owned()), rest)
        }
        PathKind::Var { name, rest } => {
            let (root, rest) = rest.split_once("/**/")?;
            (PathKind::Var { name: name.clone(), rest: root.to_owned() }, rest)
        }
        PathKind::Group(_) => return None,
    };
    let root = PathExpr { kind, span: expr.span };
    // Below a folder that nothing is known of, it is a path as any.
    let below = PathExpr { kind: PathKind::Path(format!("/{rest}")), span: expr.span };
    let named = !rest.trim_matches('/').is_empty();
    (named && !has_pattern(&root) && !has_pattern(&below)).then_some((root, below))
}

/// Reads `beside NAME`.
pub(super) fn beside(cx: &mut Context<'_>, name: &Spanned<String>) -> Option<String> {
    let text = name.node.as_str();
    let plain = !matches!(text, "" | "." | "..") && !text.contains(['/', '*', '?', '\0']);
    if plain && text.len() <= COMPONENT_BYTES_MAX {
        return Some(text.to_owned());
    }
    cx.say(
        Diagnostic::new(codes::PATH_NOT_NORMAL, "`beside` takes the name of a file or a folder")
            .label(name.span, "is none")
            .help("write one name, such as `beside \".git\"`"),
    );
    None
}

/// Reads `depth LEVELS`.
pub(super) fn depth(cx: &mut Context<'_>, value: &Spanned<Value>) -> Option<u8> {
    let levels = values::int(cx, value, "depth")?;
    let depth = u8::try_from(levels).ok().filter(|depth| *depth <= DEPTH_MAX);
    if depth.is_none() {
        cx.say(
            Diagnostic::new(codes::LIMIT_TOO_HIGH, "deeper than a search goes")
                .label(value.span, format!("must be 0 to {DEPTH_MAX}"))
                .help(format!("write a value from 0 to {DEPTH_MAX}")),
        );
    }
    depth
}

/// Reports what only a search has, where there is none.
pub(super) fn only_for_searches(cx: &mut Context<'_>, rule: &ast::FsRule) {
    let is_snapshot =
        |option: &FsOption| matches!(&option.kind, FsOptionKind::Enforce(how) if how.node == "snapshot");
    if rule.options.iter().any(is_snapshot) {
        return;
    }
    let of_search =
        |option: &&FsOption| matches!(option.kind, FsOptionKind::Beside(_) | FsOptionKind::Depth(_));
    if let Some(option) = rule.options.iter().find(of_search) {
        let word = if let FsOptionKind::Depth(_) = option.kind { "depth" } else { "beside" };
        cx.say(
            Diagnostic::new(codes::WRONG_OPTION, format!("`{word}` has no meaning without a search"))
                .label(option.span, "says how a search is made")
                .help("write `enforce snapshot` before it, and a path with `**/`"),
        );
    }
}
