//! Values with a unit.

use crate::context::Context;
use msb_diag::{Diagnostic, Span, codes};
use msb_resolve::describe;
use msb_syntax::ast::{Spanned, Value};

/// Bytes; a number without a unit is reported with the unit that was likely meant.
pub(crate) fn size(cx: &mut Context<'_>, value: &Spanned<Value>, what: &str) -> Option<u64> {
    match &value.node {
        Value::Size(bytes) => Some(*bytes),
        Value::Int(number) => {
            cx.say(without_unit(value, *number, "size", "MiB"));
            None
        }
        _ => mistaken(cx, value, what, "size", "512MiB"),
    }
}

/// Microseconds.
pub(crate) fn duration(cx: &mut Context<'_>, value: &Spanned<Value>, what: &str) -> Option<u64> {
    match &value.node {
        Value::Duration(microseconds) => Some(*microseconds),
        Value::Int(number) => {
            cx.say(without_unit(value, *number, "duration", "s"));
            None
        }
        _ => mistaken(cx, value, what, "duration", "10min"),
    }
}

/// A number without a unit.
pub(crate) fn int(cx: &mut Context<'_>, value: &Spanned<Value>, what: &str) -> Option<u64> {
    if let Value::Int(number) = &value.node {
        return Some(*number);
    }
    mistaken(cx, value, what, "int", "100")
}

/// Warns of a text that names a parameter: nothing is filled in.
pub(crate) fn names_parameter(cx: &mut Context<'_>, text: &str, span: Span) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if rest.starts_with('(') {
            cx.say(
                Diagnostic::new(codes::TEXT_NOT_FILLED_IN, "`$(…)` in a text stands for itself")
                    .label(span, "nothing is executed: the program gets this as it is")
                    .help("write the value in full"),
            );
            return;
        }
        let name = rest.trim_start_matches('{');
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        let name = name.get(..end).unwrap_or_default();
        let param = cx.params.iter().any(|param| param.ir.name == name);
        let variable = matches!(name, "PATH" | "HOME" | "PWD" | "USER");
        if param || variable {
            let help = match text.strip_prefix('$') {
                Some(whole) if param && whole == name => format!("write `${name}`, without quotes"),
                _ if param => "write the value in full, or a parameter as a whole: `$name`".to_owned(),
                _ => "write the value in full, such as `\"/usr/local/bin:/usr/bin:/bin\"`".to_owned(),
            };
            cx.say(
                Diagnostic::new(codes::TEXT_NOT_FILLED_IN, format!("`${name}` in a text stands for itself"))
                    .label(span, "nothing is filled in: the program gets this as it is")
                    .help(help),
            );
            return;
        }
    }
}

/// Says that `what` takes a `wanted`, unless the value is a parameter that could not be bound, of which
/// something was said already.
pub(crate) fn mistaken<T>(
    cx: &mut Context<'_>,
    value: &Spanned<Value>,
    what: &str,
    wanted: &str,
    such_as: &str,
) -> Option<T> {
    if let Value::Var { name, .. } = &value.node
        && cx
            .params
            .iter()
            .any(|param| param.ir.name == name.node && param.ir.kind == msb_policy::ParamKind::Number)
    {
        cx.say(
            Diagnostic::new(
                codes::NOT_ENFORCED,
                "a value that launch gives is not enforced here by this version",
            )
            .label(value.span, format!("`${}` is open until launch", name.node))
            .help(format!("write the value, such as `{such_as}`, or `const {} = …`", name.node)),
        );
        return None;
    }
    let open = |name: &str| cx.params.iter().any(|param| param.ir.name == name);
    if !matches!(&value.node, Value::Var { name, .. } if !open(&name.node)) {
        cx.say(wrong(value, what, wanted, such_as));
    }
    None
}

fn without_unit(value: &Spanned<Value>, number: u64, kind: &str, unit: &str) -> Diagnostic {
    // Nothing is nothing in every unit.
    let unit = if unit == "MiB" && number == 0 { "B" } else { unit };
    // Nobody means a million mebibytes: that many are bytes.
    const BYTES_MIN: u64 = 1 << 20;
    let unit = if unit == "MiB" && number >= BYTES_MIN { "B" } else { unit };
    Diagnostic::new(codes::NUMBER_WITHOUT_UNIT, format!("`{number}` has no unit"))
        .label(value.span, format!("a {kind} needs a unit"))
        .help(format!("write `{number}{unit}`"))
        .edit(value.span, format!("{number}{unit}"))
}

/// `what` takes a `wanted` and got something else.
fn wrong(value: &Spanned<Value>, what: &str, wanted: &str, such_as: &str) -> Diagnostic {
    let is = describe(&value.node);
    Diagnostic::new(
        codes::WRONG_TYPE,
        format!("expected {} {wanted}, found {} {is}", article(wanted), article(is)),
    )
    .label(value.span, format!("`{what}` takes {} {wanted}", article(wanted)))
    .help(format!("write something like `{such_as}`"))
}

/// `a` or `an`.
pub(crate) fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }
}
