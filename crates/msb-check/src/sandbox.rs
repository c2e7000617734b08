//! The `sandbox` section: what the kernel must have for this policy to be launched.

use crate::context::Context;
use crate::values;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Limit, OriginId, Sandbox};
use msb_resolve::nearest;
use msb_syntax::ast::{Name, Spanned, StmtKind, Value};

/// The settings that there are.
const SETTINGS: [&str; 3] = ["landlock", "mdwe", "tier"];
/// The newest version of Landlock that a plan can ask for.
const LANDLOCK_ABI_MAX: u64 = 7;

/// The strictest of all `sandbox` sections.
pub(crate) fn sandbox(cx: &mut Context<'_>) -> Sandbox {
    let mut sandbox = Sandbox::default();
    let mut tiers: Vec<Option<OriginId>> = Vec::new();
    for placed in cx.stmts() {
        let StmtKind::Sandbox(settings) = &placed.stmt.kind else { continue };
        let mut seen: Vec<&Name> = Vec::new();
        for (name, value) in settings {
            if let Some(first) = seen.iter().find(|first| first.node == name.node) {
                cx.say(twice(name, first.span));
                continue;
            }
            seen.push(name);
            match name.node.as_str() {
                "landlock" => landlock(cx, name, value, &mut sandbox),
                "mdwe" => sandbox.mdwe = sandbox.mdwe.or(mdwe(cx, name, value)),
                "tier" => tiers.extend(tier(cx, name, value)),
                _ => cx.say(unknown(name)),
            }
        }
    }
    // The lesser one only where every line says so.
    if !tiers.contains(&None) {
        sandbox.tier_landlock = tiers.into_iter().flatten().min();
    }
    sandbox
}

/// Some line for `landlock`, none for `full`.
fn tier(cx: &mut Context<'_>, name: &Name, value: &Spanned<Value>) -> Option<Option<OriginId>> {
    let word = match &value.node {
        Value::Ident(word) => word.as_str(),
        _ => "",
    };
    match word {
        "full" => Some(None),
        "landlock" => Some(Some(cx.origin(Span { end: value.span.end, ..name.span }))),
        _ => {
            let unknown = Diagnostic::new(codes::UNKNOWN_NAME, "unknown tier")
                .label(value.span, "expected `full` or `landlock`");
            cx.say(match nearest(word, ["full", "landlock"]) {
                Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(value.span, meant),
                None => unknown.help("write `tier full`, or leave it out"),
            });
            None
        }
    }
}

/// The line of `mdwe on`.
fn mdwe(cx: &mut Context<'_>, name: &Name, value: &Spanned<Value>) -> Option<OriginId> {
    match &value.node {
        Value::Ident(word) if word == "on" => Some(cx.origin(Span { end: value.span.end, ..name.span })),
        Value::Ident(word) if word == "off" => None,
        _ => {
            cx.say(
                Diagnostic::new(codes::UNKNOWN_NAME, "unknown value of `mdwe`")
                    .label(value.span, "expected `on` or `off`")
                    .help("write `mdwe on`: memory that was writable does not become executable"),
            );
            None
        }
    }
}

fn landlock(cx: &mut Context<'_>, name: &Name, value: &Spanned<Value>, sandbox: &mut Sandbox) {
    if !matches!(value.node, Value::Int(_)) {
        cx.say(
            Diagnostic::new(codes::WRONG_TYPE, "expected the least version of Landlock that is enough")
                .label(value.span, "`landlock` takes an int")
                .help("write `landlock 3`; `tier landlock` lets it run where namespaces are refused"),
        );
        return;
    }
    let Some(abi) = values::int(cx, value, "landlock") else { return };
    let number = u32::try_from(abi).ok().filter(|_| (1..=LANDLOCK_ABI_MAX).contains(&abi));
    let Some(number) = number else {
        cx.say(
            Diagnostic::new(codes::NUMBER_OUT_OF_RANGE, format!("there is no version {abi} of Landlock"))
                .label(value.span, format!("must be from 1 to {LANDLOCK_ABI_MAX}"))
                .help("write `landlock 3`, or leave it out: what the kernel has is applied in any case"),
        );
        return;
    };
    if sandbox.landlock_abi_min.is_none_or(|known| known.value < number) {
        let origin = cx.origin(Span { end: value.span.end, ..name.span });
        sandbox.landlock_abi_min = Some(Limit { value: number, origin });
    }
}

fn twice(name: &Name, first: Span) -> Diagnostic {
    Diagnostic::new(codes::DUPLICATE_SETTING, format!("`{}` is given twice", name.node))
        .label(name.span, "again here")
        .label(first, "first here")
        .help("keep one of them")
}

fn unknown(name: &Name) -> Diagnostic {
    let found = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown setting `{}`", name.node))
        .label(name.span, "expected `landlock`, `mdwe` or `tier`");
    match nearest(&name.node, SETTINGS) {
        Some(meant) => found.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
        None => found.help("take it away: the settings are `landlock 3`, `mdwe on` and `tier full`"),
    }
}
