//! `syscalls { … }`: actions, sets of calls and conditions on their arguments.

use super::value::{constant, flags};
use crate::ast::{
    Action, ActionKind, CompareOp, Has, Name, Pred, PredKind, Set, SetKind, SysItem, SysRule, SysRuleKind,
};
use crate::recover::{BlockSpec, OUTER_OF_RULES, block};
use crate::token::Kind;
use crate::tokens::{Expected, Failed, Parsed, Tokens, integer, name, nested, one_of, sign, spanned, word};
use msb_diag::{Diagnostic, codes};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::opt;
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};

pub(super) const SPEC: BlockSpec = BlockSpec {
    entry: "a rule of `syscalls`",
    starts: &["allow", "log", "notify", "errno", "trap", "kill", "default", "arch"],
    outer: OUTER_OF_RULES,
};

pub(super) const ACTIONS: &[&str] = &["allow", "log", "notify", "errno", "trap", "kill"];

/// The braces after `syscalls` and what is in them.
pub(super) fn rules(input: Tokens<'_>) -> Parsed<'_, Vec<SysRule>> {
    block(&SPEC, rule)(input)
}

fn rule(input: Tokens<'_>, doc: String) -> Parsed<'_, SysRule> {
    let (rest, kind) = if input.at_word(&["default"]) {
        preceded(word("default"), action("an action")).map(SysRuleKind::Default).parse(input)?
    } else if input.at_word(&["arch"]) {
        let names = separated_list1(sign(","), name("an architecture"));
        preceded(word("arch"), names).map(SysRuleKind::Arch).parse(input)?
    } else {
        let (rest, action) = action(SPEC.entry)(input)?;
        let (rest, items) = separated_list1(sign(","), item).parse(rest)?;
        (rest, SysRuleKind::Action { action, items })
    };
    Ok((rest, SysRule { doc, kind, span: input.span_to(rest) }))
}

/// `kill`, `errno EPERM`
pub(super) fn any_action(input: Tokens<'_>) -> Parsed<'_, Action> {
    action("an action")(input)
}

fn action<'a>(what: &'static str) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Action> {
    move |input: Tokens<'a>| {
        let words = if what == SPEC.entry { SPEC.starts } else { ACTIONS };
        let (rest, word) = one_of(what, words)(input)?;
        let (rest, kind) = match word.node.as_str() {
            "allow" => (rest, ActionKind::Allow),
            "log" => (rest, ActionKind::Log),
            "notify" => (rest, ActionKind::Notify),
            "errno" => name("the name of an error, such as `EPERM`").map(ActionKind::Errno).parse(rest)?,
            "trap" => (rest, ActionKind::Trap),
            _ => (rest, ActionKind::Kill),
        };
        Ok((rest, Action { kind, span: input.span_to(rest) }))
    }
}

/// A set with its condition and architectures. A condition belongs to the item before it, not to the
/// whole rule.
pub(super) fn item(input: Tokens<'_>) -> Parsed<'_, SysItem> {
    let (rest, set) = numbered_or_set(input)?;
    // `where a == 1, b == 2` and `syscall 59`: what was read as a call is none.
    let compares = rest.at_word(&["has", "in"]) || compare_op(rest).is_some() || rest.at_sign("=");
    let number = matches!(rest.next().kind, Kind::Int(_));
    if matches!(set.kind, SetKind::Call(_)) && (compares || number) && !rest.next().first_on_line {
        return rest.fail(Expected::Choice(SPEC.entry, SPEC.starts));
    }
    let (rest, predicate) = opt(preceded(word("where"), pred)).parse(rest)?;
    let (rest, on) = on_arch(rest)?;
    Ok((rest, SysItem { set, predicate, on, span: input.span_to(rest) }))
}

/// `on x86_64 | aarch64`, or nothing.
pub(super) fn on_arch(input: Tokens<'_>) -> Parsed<'_, Vec<Name>> {
    let names = preceded(word("on"), separated_list1(sign("|"), name("an architecture")));
    opt(names).map(Option::unwrap_or_default).parse(input)
}

fn numbered_or_set(input: Tokens<'_>) -> Parsed<'_, Set> {
    if is_numbered(input) { numbered(input) } else { set(input) }
}

fn is_numbered(input: Tokens<'_>) -> bool {
    input.at_word(&["syscall"]) && matches!(input.after_next().kind, Kind::Sign("("))
}

/// `syscall(300)`
fn numbered(input: Tokens<'_>) -> Parsed<'_, Set> {
    let number = delimited(sign("("), integer("the number of a system call"), sign(")"));
    let (rest, number) = preceded(word("syscall"), number).parse(input)?;
    Ok((rest, Set { kind: SetKind::Number(number), span: input.span_to(rest) }))
}

/// The call or group of a claim: `openat`, `@mount`, `syscall(300)`
pub(super) fn call(input: Tokens<'_>) -> Parsed<'_, Set> {
    if is_numbered(input) {
        return numbered(input);
    }
    let kind = match input.next().kind {
        Kind::Word => SetKind::Call(input.text().to_owned()),
        Kind::Group => SetKind::Group(input.text().to_owned()),
        _ => return input.fail(Expected::Kind("a system call or group")),
    };
    Ok((input.skip(), Set { kind, span: input.span() }))
}

/// `a + b - c`, from the left.
pub(super) fn set(input: Tokens<'_>) -> Parsed<'_, Set> {
    let (mut at, mut left) = term(input)?;
    for terms in 1.. {
        let (rest, joined) = opt(alt((
            sign("+").map(|_| SetKind::Union as fn(_, _) -> _),
            sign("-").map(|_| SetKind::Minus as fn(_, _) -> _),
            sign("&").map(|_| SetKind::Both as fn(_, _) -> _),
        )))
        .parse(at)?;
        let Some(join) = joined else { break };
        if terms == TERMS_MAX {
            too_many_terms(at);
            return Err(nom::Err::Failure(Failed));
        }
        let (rest, right) = term(rest)?;
        left = Set { kind: join(Box::new(left), Box::new(right)), span: input.span_to(rest) };
        at = rest;
    }
    Ok((at, left))
}

/// The terms of one sum; the tree of a longer one would be too deep to walk.
const TERMS_MAX: usize = 256;

fn too_many_terms(at: Tokens<'_>) {
    let message = format!("a set has more than {TERMS_MAX} terms");
    let found = Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, message)
        .label(at.span(), "")
        .help("write a list: `{read, write}`");
    at.context.found.borrow_mut().push(found);
    at.context.reported.set(Some(at.index()));
    at.expect(Expected::Kind("fewer terms"));
}

fn term(input: Tokens<'_>) -> Parsed<'_, Set> {
    if input.at_sign("(") {
        return delimited(sign("("), nested(set), sign(")")).parse(input);
    }
    if input.at_sign("{") {
        let calls = delimited(sign("{"), separated_list1(sign(","), name("a system call")), sign("}"));
        let (rest, calls) = calls.map(SetKind::Calls).parse(input)?;
        return Ok((rest, Set { kind: calls, span: input.span_to(rest) }));
    }
    let kind = match input.next().kind {
        Kind::Group => SetKind::Group(input.text().to_owned()),
        Kind::Word if !begins_rule(input) => SetKind::Call(input.text().to_owned()),
        _ => return input.fail(Expected::Kind("a set of system calls")),
    };
    Ok((input.skip(), Set { kind, span: input.span() }))
}

/// `a, allow b`: behind a comma too many the next rule begins, whose first word no call has for a name.
fn begins_rule(input: Tokens<'_>) -> bool {
    let before = input.index().checked_sub(1).map(|index| input.context.nth(index));
    before.is_some_and(|before| before.at_sign(","))
        && input.at_word(&["allow", "notify", "errno", "trap", "default", "arch"])
        && matches!(input.after_next().kind, Kind::Word | Kind::Group | Kind::Sign("{"))
}

/// `a and b or c`
fn pred(input: Tokens<'_>) -> Parsed<'_, Pred> {
    joined(input, separated_list1(word("or"), conjunction), PredKind::Or)
}

fn conjunction(input: Tokens<'_>) -> Parsed<'_, Pred> {
    joined(input, separated_list1(word("and"), unary), PredKind::And)
}

/// The only part, or all of them joined.
fn joined<'a>(
    input: Tokens<'a>,
    mut parts: impl Parser<Tokens<'a>, Output = Vec<Pred>, Error = crate::tokens::Failed>,
    join: fn(Vec<Pred>) -> PredKind,
) -> Parsed<'a, Pred> {
    let (rest, mut parts) = parts.parse(input)?;
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return Ok((rest, only));
    }
    Ok((rest, Pred { kind: join(parts), span: input.span_to(rest) }))
}

fn unary(input: Tokens<'_>) -> Parsed<'_, Pred> {
    if input.at_word(&["not"]) {
        let (rest, inner) = preceded(word("not"), nested(unary)).parse(input)?;
        return Ok((rest, Pred { kind: PredKind::Not(Box::new(inner)), span: input.span_to(rest) }));
    }
    if input.at_sign("(") {
        return delimited(sign("("), nested(pred), sign(")")).parse(input);
    }
    let (rest, (kind, span)) = spanned(compare)(input)?;
    Ok((rest, Pred { kind, span }))
}

fn compare(input: Tokens<'_>) -> Parsed<'_, PredKind> {
    let (rest, arg) = name("a condition")(input)?;
    // `where a == X or Y`: what is a constant is no argument.
    let is_constant = arg.node.contains('_') && !arg.node.bytes().any(|b| b.is_ascii_lowercase());
    if is_constant && compare_op(rest).is_none() && !rest.at_word(&["has", "in"]) && !rest.at_sign("&") {
        return input.fail(Expected::Kind("a condition"));
    }
    if let Some((rest, op)) = compare_op(rest) {
        let (rest, value) = constant(rest)?;
        return Ok((rest, PredKind::Compare { arg, op, value }));
    }
    if rest.at_word(&["has"]) {
        let (rest, how) =
            preceded(word("has"), one_of("a way to compare", &["any", "all", "only"])).parse(rest)?;
        let (rest, flags) = flags(rest)?;
        let how = match how.node.as_str() {
            "any" => Has::Any,
            "all" => Has::All,
            _ => Has::Only,
        };
        return Ok((rest, PredKind::Has { arg, how, flags }));
    }
    if rest.at_word(&["in"]) {
        let (rest, _) = word("in")(rest)?;
        if rest.at_sign("{") {
            let values = delimited(sign("{"), separated_list1(sign(","), constant), sign("}"));
            return values.map(|values| PredKind::In { arg: arg.clone(), values }).parse(rest);
        }
        rest.expect(Expected::Literal("{"));
        let (rest, from) = integer("a whole number")(rest)?;
        let (rest, to) = preceded(sign(".."), integer("a whole number")).parse(rest)?;
        return Ok((rest, PredKind::Range { arg, from, to }));
    }
    rest.expect(Expected::Choice("a comparison", &["in", "has"]));
    rest.fail(Expected::Kind("a comparison"))
}

/// `>=` is two tokens, because `list<int>=` is not a comparison.
fn compare_op(input: Tokens<'_>) -> Option<(Tokens<'_>, CompareOp)> {
    let Kind::Sign(sign) = input.next().kind else { return None };
    let op = match sign {
        "==" => CompareOp::Eq,
        "!=" => CompareOp::Ne,
        "<" => CompareOp::Lt,
        "<=" => CompareOp::Le,
        ">" => {
            let next = input.after_next();
            if matches!(next.kind, Kind::Sign("=")) && next.start == input.next().end {
                return Some((input.skip().skip(), CompareOp::Ge));
            }
            CompareOp::Gt
        }
        _ => return None,
    };
    Some((input.skip(), op))
}
