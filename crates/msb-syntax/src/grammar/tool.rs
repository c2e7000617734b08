//! `tool name(…) -> type { … }`

use super::value::{args, burst, optional_args, qname, quantity, rate, tool_param, tool_type};
use crate::ast::{Include, Spanned, Tool, ToolOption, ToolOptionKind, Value};
use crate::recover::{BlockSpec, OUTER_OF_RULES, block};
use crate::token::Kind;
use crate::tokens::{Parsed, Tokens, integer, name, one_of, sign, token, var, word};
use nom::Parser;
use nom::combinator::opt;
use nom::multi::{many1, separated_list0};
use nom::sequence::{delimited, preceded};

pub(super) const SPEC: BlockSpec = BlockSpec {
    entry: "an option of the tool",
    starts: &[
        "rate",
        "quota",
        "timeout",
        "concurrency",
        "result",
        "confirm",
        "exec",
        "stdin",
        "in",
        "shim",
        "log",
    ],
    outer: OUTER_OF_RULES,
};

/// The declaration, from the word `tool`.
pub(super) fn tool(input: Tokens<'_>, doc: String) -> Parsed<'_, Tool> {
    let (rest, name) = preceded(word("tool"), name("the name of a tool")).parse(input)?;
    let (rest, params) =
        delimited(sign("("), separated_list0(sign(","), tool_param), sign(")")).parse(rest)?;
    let (rest, result) = opt(preceded(sign("->"), tool_type)).parse(rest)?;
    // `opt` would take an error inside of the type for a tool without one.
    let (rest, options) = if rest.at_sign("{") { block(&SPEC, option)(rest)? } else { (rest, Vec::new()) };
    Ok((rest, Tool { doc, name, params, result, options, span: input.span_to(rest) }))
}

fn option(input: Tokens<'_>, _doc: String) -> Parsed<'_, ToolOption> {
    let (rest, word) = one_of(SPEC.entry, SPEC.starts)(input)?;
    let (rest, kind) = option_kind(rest, &word.node)?;
    Ok((rest, ToolOption { kind, span: input.span_to(rest) }))
}

fn option_kind<'a>(input: Tokens<'a>, word: &str) -> Parsed<'a, ToolOptionKind> {
    match word {
        "rate" => {
            let (rest, rate) = rate(input)?;
            let (rest, burst) = burst(rest)?;
            Ok((rest, ToolOptionKind::Rate { rate, burst }))
        }
        "quota" => integer("a whole number").map(ToolOptionKind::Quota).parse(input),
        "timeout" => quantity.map(ToolOptionKind::Timeout).parse(input),
        "concurrency" => integer("a whole number").map(ToolOptionKind::Concurrency).parse(input),
        "result" => quantity.map(ToolOptionKind::Result).parse(input),
        "confirm" => Ok((input, ToolOptionKind::Confirm)),
        "exec" => many1(exec_word).map(ToolOptionKind::Exec).parse(input),
        "stdin" => var("a parameter").map(ToolOptionKind::Stdin).parse(input),
        "in" => {
            let (rest, name) = qname(input)?;
            let (rest, args) = optional_args(rest)?;
            Ok((rest, ToolOptionKind::In(Include { name, args, span: input.span_to(rest) })))
        }
        "shim" => Ok((input, ToolOptionKind::Shim)),
        _ => one_of("what is logged", &["args", "none"]).map(ToolOptionKind::Log).parse(input),
    }
}

/// A string or a parameter of a tool's command.
fn exec_word(input: Tokens<'_>) -> Parsed<'_, Spanned<Value>> {
    if matches!(input.next().kind, Kind::Text(_)) {
        return token("a string", |kind, _| match kind {
            Kind::Text(text) => Some(Value::Text(text.to_string())),
            _ => None,
        })(input);
    }
    let (rest, name) = var("a string or a parameter")(input)?;
    let span = name.span;
    Ok((rest, Spanned { node: Value::Var { name, rest: String::new() }, span }))
}

/// `name(a: 1)` of a claim.
pub(super) fn call(input: Tokens<'_>) -> Parsed<'_, (crate::ast::Name, Vec<crate::ast::Arg>)> {
    let (rest, name) = name("the name of a tool")(input)?;
    let (rest, args) = args(rest)?;
    Ok((rest, (name, args)))
}
