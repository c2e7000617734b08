//! Types of arguments and results, and values of calls.

use crate::context::Context;
use crate::paths;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{ToolParam, ToolType, Value, pattern};
use msb_resolve::{describe, nearest};
use msb_syntax::ast::{self, Refine, Spanned, Type, TypeKind};

/// Names of types.
/// What other languages call the types.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["str", "text", "String", "char"], "string"),
    (&["integer", "i32", "i64", "u32", "u64", "uint", "Integer"], "int"),
    (&["float", "double", "f64", "decimal"], "number"),
    (&["boolean", "Boolean"], "bool"),
    (&["file", "dir", "directory", "filename"], "path"),
    (&["object", "any", "dict", "map"], "json"),
    (&["array", "vec", "List"], "list<string>"),
];

const TYPES: &[&str] = &["bool", "int", "number", "string", "path", "json"];

/// The parameters of a tool, or the fields of a record; what could not be read is left out, and was reported.
pub(super) fn params(cx: &mut Context<'_>, params: &[ast::ToolParam]) -> Vec<ToolParam> {
    let mut all: Vec<ToolParam> = Vec::new();
    for (index, param) in params.iter().enumerate() {
        let name = &param.name;
        if let Some(first) = params.iter().take(index).find(|other| other.name.node == name.node) {
            cx.say(
                Diagnostic::new(
                    codes::DUPLICATE_SETTING,
                    format!("parameter `{}` is declared twice", name.node),
                )
                .label(name.span, "again here")
                .label(first.name.span, "first here")
                .help("give one of them another name"),
            );
            continue;
        }
        let Some(ty) = lower(cx, &param.ty) else { continue };
        if let Some(default) = &param.default
            && let Some(value) = value(cx, default)
            && let Err(why) = ty.validate(&value)
        {
            cx.say(
                Diagnostic::new(codes::WRONG_TYPE, format!("the default of `{}` {why}", name.node))
                    .label(default.span, "not of the type")
                    .label(param.ty.span, "declared here")
                    .help(format!("write {}, or leave the default out", ty.words())),
            );
        }
        let optional = param.optional || param.default.is_some();
        all.push(ToolParam { name: name.node.clone(), optional, ty });
    }
    all
}

/// Reads a type; `None` where something was reported.
pub(super) fn lower(cx: &mut Context<'_>, ty: &Type) -> Option<ToolType> {
    match &ty.kind {
        TypeKind::OneOf(words) => {
            none(cx, ty, "a choice")?;
            Some(ToolType::OneOf(words.iter().map(|word| word.node.clone()).collect()))
        }
        TypeKind::Record(fields) => {
            none(cx, ty, "a record")?;
            Some(ToolType::Record(params(cx, fields)))
        }
        TypeKind::List(of) => {
            let of = lower(cx, of);
            let (min, max) = range(cx, ty, "a list")?.unwrap_or((0, u64::MAX));
            Some(ToolType::List { of: Box::new(of?), min, max })
        }
        TypeKind::Name(name) => named(cx, ty, name),
    }
}

fn named(cx: &mut Context<'_>, ty: &Type, name: &str) -> Option<ToolType> {
    match name {
        "bool" => none(cx, ty, "a bool").map(|()| ToolType::Bool),
        "number" => none(cx, ty, "a number").map(|()| ToolType::Number),
        "json" => none(cx, ty, "JSON").map(|()| ToolType::Json),
        "int" => {
            let (min, max) = match range(cx, ty, "an int")? {
                Some((min, max)) => {
                    (i64::try_from(min).unwrap_or(i64::MAX), i64::try_from(max).unwrap_or(i64::MAX))
                }
                None => (i64::MIN, i64::MAX),
            };
            Some(ToolType::Int { min, max })
        }
        "string" => text(cx, ty),
        "path" => {
            let under = ty.refine.iter().find_map(|refine| match refine {
                Refine::Under(path) => Some(path),
                _ => None,
            });
            let Some(under) = under else {
                cx.say(
                    Diagnostic::new(codes::WRONG_TYPE, "a path of a tool has to be below another one")
                        .label(ty.span, "any path of the host")
                        .help("write `path(under $repo)`"),
                );
                return None;
            };
            paths::place(cx, under).map(|place| ToolType::Path { under: place.path })
        }
        other => {
            let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown type `{other}`"))
                .label(ty.span, "no type of a tool's argument has this name");
            let elsewhere =
                ELSEWHERE.iter().find(|(names, _)| names.contains(&other)).map(|(_, meant)| *meant);
            cx.say(match elsewhere.or_else(|| nearest(other, TYPES.iter().copied())) {
                Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(ty.span, meant),
                None => unknown.help("the types are `bool`, `int`, `number`, `string`, `path`, `json`, `list<…>`, records and choices"),
            });
            None
        }
    }
}

fn text(cx: &mut Context<'_>, ty: &Type) -> Option<ToolType> {
    let (mut min, mut max, mut wanted) = (0, u64::MAX, None);
    for refine in &ty.refine {
        match refine {
            Refine::Range(from, to) => (min, max) = bounds(cx, from, to)?,
            Refine::Regex(regex) => {
                if let Err(why) = pattern(&regex.node) {
                    cx.say(
                        Diagnostic::new(codes::BAD_PATTERN, "this is no pattern")
                            .label(regex.span, why)
                            .help("write a regular expression without look-around and back references, such as `r\"[a-z]+\"`"),
                    );
                    return None;
                }
                wanted = Some(regex.node.clone());
            }
            Refine::In(values) => {
                let words: Vec<String> = values
                    .iter()
                    .filter_map(|value| match &value.node {
                        ast::Value::Text(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect();
                return Some(ToolType::OneOf(words));
            }
            Refine::Under(_) => return foreign(cx, ty, "a string"),
        }
    }
    Some(ToolType::Text { min, max, pattern: wanted })
}

/// The one range of a type; `Some(None)` where there is none, `None` where something was reported.
#[allow(clippy::option_option, reason = "reported, absent, and there")]
fn range(cx: &mut Context<'_>, ty: &Type, what: &str) -> Option<Option<(u64, u64)>> {
    match ty.refine.as_slice() {
        [] => Some(None),
        [Refine::Range(from, to)] => bounds(cx, from, to).map(Some),
        _ => foreign(cx, ty, what),
    }
}

fn bounds(cx: &mut Context<'_>, from: &Spanned<u64>, to: &Spanned<u64>) -> Option<(u64, u64)> {
    if from.node > to.node {
        cx.say(
            Diagnostic::new(codes::EMPTY_RANGE, format!("the range `{}..{}` is empty", from.node, to.node))
                .label(from.span.to(to.span), "begins after its end")
                .help(format!("write `{}..{}`", to.node, from.node)),
        );
        return None;
    }
    Some((from.node, to.node))
}

fn none(cx: &mut Context<'_>, ty: &Type, what: &str) -> Option<()> {
    if ty.refine.is_empty() { Some(()) } else { foreign(cx, ty, what) }
}

fn foreign<T>(cx: &mut Context<'_>, ty: &Type, what: &str) -> Option<T> {
    cx.say(
        Diagnostic::new(codes::WRONG_OPTION, format!("{what} cannot be narrowed like this"))
            .label(ty.span, "what stands in the parentheses belongs to another type")
            .help(
                "write `int(1..20)`, `string(1..64)`, `string(r\"…\")`, `list<…>(0..10)` or `path(under $p)`",
            ),
    );
    None
}

/// A value of a call; `None` where something was reported.
pub(crate) fn value(cx: &mut Context<'_>, written: &Spanned<ast::Value>) -> Option<Value> {
    let found = |cx: &mut Context<'_>, span: Span, is: &str| {
        cx.say(
            Diagnostic::new(codes::WRONG_TYPE, format!("a tool takes no {is}"))
                .label(span, "neither a text, a number, `true`, `false`, a path nor a list")
                .help("write something like `\"text\"`, `5` or `[\"a\", \"b\"]`"),
        );
    };
    match &written.node {
        ast::Value::Text(text) => Some(Value::Text(text.clone())),
        ast::Value::Int(number) => Some(Value::Int(i64::try_from(*number).unwrap_or(i64::MAX))),
        ast::Value::Ident(word) if word == "true" || word == "false" => Some(Value::Bool(word == "true")),
        ast::Value::List(values) => {
            let all: Vec<Option<Value>> = values.iter().map(|it| value(cx, it)).collect();
            all.into_iter().collect::<Option<Vec<Value>>>().map(Value::List)
        }
        ast::Value::Path(text) => {
            let expr = ast::PathExpr { kind: ast::PathKind::Path(text.clone()), span: written.span };
            paths::place(cx, &expr).map(|place| Value::Path(place.path))
        }
        ast::Value::Var { name, rest } => {
            let kind = ast::PathKind::Var { name: name.clone(), rest: rest.clone() };
            paths::place(cx, &ast::PathExpr { kind, span: written.span }).map(|place| Value::Path(place.path))
        }
        other => {
            found(cx, written.span, describe(other));
            None
        }
    }
}
