//! Values, paths, names with dots, types and arguments: what the other parts are built from.

use crate::ast::{Arg, PathExpr, PathKind, QName, Refine, Spanned, ToolParam, Type, TypeKind, Value};
use crate::token::Kind;
use crate::tokens::{Expected, Parsed, Tokens, integer, name, nested, sign, spanned, string, token, word};
use msb_diag::{Diagnostic, Severity, codes, is_invisible};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::opt;
use nom::multi::{separated_list0, separated_list1};
use nom::sequence::{delimited, preceded};

/// `a.b.c`
pub(super) fn qname(input: Tokens<'_>) -> Parsed<'_, QName> {
    let (rest, parts) = separated_list1(sign("."), name("a name")).parse(input)?;
    Ok((rest, QName { parts, span: input.span_to(rest) }))
}

/// `(a: 1, b: 2)`, or nothing.
pub(super) fn optional_args(input: Tokens<'_>) -> Parsed<'_, Vec<Arg>> {
    if input.at_sign("(") {
        return args(input);
    }
    input.expect(Expected::Literal("("));
    Ok((input, Vec::new()))
}

/// `(a: 1, b: 2)` or `()`
pub(super) fn args(input: Tokens<'_>) -> Parsed<'_, Vec<Arg>> {
    delimited(sign("("), separated_list0(sign(","), arg), sign(")")).parse(input)
}

/// `a: 1`
pub(super) fn arg(input: Tokens<'_>) -> Parsed<'_, Arg> {
    let (input, name) = name("the name of an argument")(input)?;
    let (input, value) = preceded(sign(":"), value).parse(input)?;
    Ok((input, Arg { name, value }))
}

/// `/a`, `$name/a`, `"/with blanks"`, `@std`
pub(super) fn path(input: Tokens<'_>) -> Parsed<'_, PathExpr> {
    let (rest, kind) = token("a path", |kind, text| match kind {
        Kind::Path => Some(PathKind::Path(text.to_owned())),
        Kind::Var => match var_parts(input, text) {
            Value::Var { name, rest } => Some(PathKind::Var { name, rest }),
            _ => None,
        },
        Kind::Text(text) => Some(PathKind::Path(text.to_string())),
        Kind::Group => Some(PathKind::Group(text.to_owned())),
        _ => None,
    })(input)?;
    if let Kind::Text(written) = &input.next().kind {
        check_visible(input, written, "path");
    }
    Ok((rest, PathExpr { kind: kind.node, span: kind.span }))
}

/// A quoted path may have any character, but not one that a reviewer cannot see; neither has a host.
pub(super) fn check_visible(input: Tokens<'_>, written: &str, what: &str) {
    if let Some(character) = written.chars().find(|&c| is_invisible(c)) {
        let message = format!("the {what} has the invisible character U+{:04X}", u32::from(character));
        let found = Diagnostic::new(codes::INVISIBLE_CHARACTER, message)
            .raise(Severity::Error)
            .label(input.span(), "")
            .help(format!("remove it, or type the {what} anew"));
        input.context.found.borrow_mut().push(found);
    }
}

/// One or more paths.
pub(super) fn paths(input: Tokens<'_>) -> Parsed<'_, Vec<PathExpr>> {
    separated_list1(sign(","), path).parse(input)
}

/// `$name/rest`, the next token of `input`, in its parts.
fn var_parts(input: Tokens<'_>, text: &str) -> Value {
    let length = text.find('/').unwrap_or(text.len());
    let mut span = input.span();
    span.end = span.start + u32::try_from(length).unwrap_or(0);
    let name = Spanned { node: text[1..length].to_owned(), span };
    Value::Var { name, rest: text[length..].to_owned() }
}

/// A number with or without a unit, or a parameter: what a setting takes. Whether the unit is the right
/// one is not the grammar's business.
pub(super) fn quantity(input: Tokens<'_>) -> Parsed<'_, Spanned<Value>> {
    token("a quantity", |kind, text| match kind {
        Kind::Var => Some(var_parts(input, text)),
        kind => number(kind),
    })(input)
}

fn number(kind: &Kind) -> Option<Value> {
    Some(match kind {
        Kind::Int(value) => Value::Int(*value),
        Kind::Size(bytes) => Value::Size(*bytes),
        Kind::Duration(micros) => Value::Duration(*micros),
        Kind::Rate(count, micros) => Value::Rate(*count, *micros),
        Kind::Percent(value) => Value::Percent(*value),
        _ => return None,
    })
}

/// A rate, `10/min`.
pub(super) fn rate(input: Tokens<'_>) -> Parsed<'_, Spanned<Value>> {
    token("a rate", |kind, _| match kind {
        Kind::Rate(count, micros) => Some(Value::Rate(*count, *micros)),
        _ => None,
    })(input)
}

/// `burst 5`, after a rate.
pub(super) fn burst(input: Tokens<'_>) -> Parsed<'_, Option<Spanned<u64>>> {
    opt(preceded(word("burst"), integer("a whole number"))).parse(input)
}

/// A constant of a condition or of flags: `12`, `0x1f`, `O_RDONLY`.
pub(super) fn constant(input: Tokens<'_>) -> Parsed<'_, Spanned<Value>> {
    token("a constant", |kind, text| match kind {
        Kind::Int(value) => Some(Value::Int(*value)),
        Kind::Word => Some(Value::Ident(text.to_owned())),
        _ => None,
    })(input)
}

/// `A | B`, at least one.
pub(super) fn flags(input: Tokens<'_>) -> Parsed<'_, Vec<Spanned<Value>>> {
    separated_list1(sign("|"), constant).parse(input)
}

/// Any value; constants may be joined with `|`.
pub(super) fn value(input: Tokens<'_>) -> Parsed<'_, Spanned<Value>> {
    let is_constant = matches!(input.next().kind, Kind::Int(_) | Kind::Word);
    if is_constant {
        let (rest, mut all) = flags(input)?;
        let span = input.span_to(rest);
        if all.len() > 1 {
            return Ok((rest, Spanned { node: Value::Flags(all), span }));
        }
        if let Some(one) = all.pop() {
            return Ok((rest, one));
        }
    }
    if input.at_sign("[") {
        let (rest, (list, span)) = spanned(nested(list))(input)?;
        return Ok((rest, Spanned { node: Value::List(list), span }));
    }
    token("a value", |kind, text| match kind {
        Kind::Text(text) => Some(Value::Text(text.to_string())),
        Kind::Path => Some(Value::Path(text.to_owned())),
        Kind::Var => Some(var_parts(input, text)),
        Kind::Address => Some(Value::Address(text.to_owned())),
        kind => number(kind),
    })(input)
}

fn list(input: Tokens<'_>) -> Parsed<'_, Vec<Spanned<Value>>> {
    delimited(sign("["), separated_list0(sign(","), value), sign("]")).parse(input)
}

/// The type of a parameter or constant: `dir`, `int(1..20)`, `list<string>`.
pub(super) fn simple_type(input: Tokens<'_>) -> Parsed<'_, Type> {
    if input.at_word(&["list"]) && matches!(input.after_next().kind, Kind::Sign("<")) {
        return list_type(input, simple_type);
    }
    named_type(input)
}

/// The type of a tool's argument: also records and alternatives.
pub(super) fn tool_type(input: Tokens<'_>) -> Parsed<'_, Type> {
    if input.at_word(&["list"]) && matches!(input.after_next().kind, Kind::Sign("<")) {
        return list_type(input, tool_type);
    }
    if input.at_sign("{") {
        let fields = delimited(sign("{"), separated_list1(sign(","), tool_param), sign("}"));
        let mut fields = fields.map(TypeKind::Record);
        let (rest, (kind, span)) = spanned(nested(move |input| fields.parse(input)))(input)?;
        return Ok((rest, Type { kind, refine: Vec::new(), span }));
    }
    if matches!(input.next().kind, Kind::Text(_)) {
        let (rest, first) = string("a string")(input)?;
        let (rest, mut more) =
            separated_list1(sign("|"), string("a string")).parse(preceded_by_bar(rest)?)?;
        more.insert(0, first);
        return Ok((
            rest,
            Type { kind: TypeKind::OneOf(more), refine: Vec::new(), span: input.span_to(rest) },
        ));
    }
    named_type(input)
}

/// The bar after the first of several strings: a single one is not a choice.
fn preceded_by_bar<'a>(input: Tokens<'a>) -> Result<Tokens<'a>, nom::Err<crate::tokens::Failed>> {
    sign("|")(input).map(|(rest, _)| rest)
}

fn named_type(input: Tokens<'_>) -> Parsed<'_, Type> {
    let (rest, name) = name("a type")(input)?;
    let (rest, refine) = refinements(rest)?;
    Ok((rest, Type { kind: TypeKind::Name(name.node), refine, span: input.span_to(rest) }))
}

fn list_type<'a>(input: Tokens<'a>, of: fn(Tokens<'a>) -> Parsed<'a, Type>) -> Parsed<'a, Type> {
    let (rest, _) = word("list")(input)?;
    let (rest, element) = delimited(sign("<"), nested(of), sign(">")).parse(rest)?;
    let (rest, refine) = refinements(rest)?;
    Ok((rest, Type { kind: TypeKind::List(Box::new(element)), refine, span: input.span_to(rest) }))
}

/// `(1..20)`, `(0..9, r"…")`, or nothing.
fn refinements(input: Tokens<'_>) -> Parsed<'_, Vec<Refine>> {
    let all = delimited(sign("("), separated_list1(sign(","), refinement), sign(")"));
    opt(all).map(Option::unwrap_or_default).parse(input)
}

fn refinement(input: Tokens<'_>) -> Parsed<'_, Refine> {
    let regex = token("a refinement", |kind, text| match kind {
        Kind::Regex => text.strip_prefix("r\"")?.strip_suffix('"').map(str::to_owned),
        _ => None,
    });
    alt((
        regex.map(Refine::Regex),
        preceded(word("under"), path).map(Refine::Under),
        preceded(word("in"), delimited(sign("{"), separated_list1(sign(","), value), sign("}")))
            .map(Refine::In),
        |input| {
            let (input, from) = integer("a refinement")(input)?;
            let (input, to) = preceded(sign(".."), integer("a whole number")).parse(input)?;
            Ok((input, Refine::Range(from, to)))
        },
    ))
    .parse(input)
}

/// `name?: type = value`
pub(super) fn tool_param(input: Tokens<'_>) -> Parsed<'_, ToolParam> {
    let (input, name) = name("the name of a parameter")(input)?;
    let (input, optional) = opt(sign("?")).parse(input)?;
    let (input, ty) = preceded(sign(":"), tool_type).parse(input)?;
    let (input, default) = default_value(input)?;
    Ok((input, ToolParam { name, optional: optional.is_some(), ty, default }))
}

/// `= value`, or nothing.
pub(super) fn default_value(input: Tokens<'_>) -> Parsed<'_, Option<Spanned<Value>>> {
    opt(preceded(sign("="), value)).parse(input)
}

/// `HOME`, `LC_*`
pub(super) fn env_pattern(input: Tokens<'_>) -> Parsed<'_, Spanned<String>> {
    token("an environment variable", |kind, text| match kind {
        Kind::Pattern => Some(text.to_owned()),
        Kind::Word => crate::scan::is_env_name(text).then(|| text.to_owned()),
        _ => None,
    })(input)
}

/// `MSB0611`
pub(super) fn code(input: Tokens<'_>) -> Parsed<'_, Spanned<String>> {
    token("a diagnostic code", |kind, text| {
        let digits = text.strip_prefix("MSB").filter(|_| *kind == Kind::Word)?;
        (digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.to_owned())
    })(input)
}

/// `@name`
pub(super) fn group(input: Tokens<'_>) -> Parsed<'_, Spanned<String>> {
    token("a group", |kind, text| (*kind == Kind::Group).then(|| text.to_owned()))(input)
}

/// Fails with a description of what was wanted.
pub(super) fn expected<'a, O>(input: Tokens<'a>, what: &'static str) -> Parsed<'a, O> {
    input.fail(Expected::Kind(what))
}
