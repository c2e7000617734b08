//! What stands in a profile or policy, and the small blocks: limits, env, exec, sandbox.

use super::value::{code, constant, env_pattern, optional_args, path, qname, quantity, value};
use super::{claim, fs, net, syscalls, tool};
use crate::ast::{
    EnvRule, EnvRuleKind, ExecRule, ExecRuleKind, Include, LimitStmt, Name, Spanned, Stmt, StmtKind, Value,
};
use crate::recover::{BlockSpec, ITEM_ONLY_STARTS, OUTER_OF_RULES, block};
use crate::token::Kind;
use crate::tokens::{Expected, Parsed, Tokens, name, one_of, sign, string, var, word};
use msb_diag::{Diagnostic, codes};
use nom::Parser;
use nom::combinator::opt;
use nom::multi::{many1, separated_list1};
use nom::sequence::preceded;

pub(super) const STATEMENTS: BlockSpec = BlockSpec {
    entry: "a statement",
    starts: &[
        "include", "fs", "net", "syscalls", "limits", "caps", "env", "exec", "tools", "tool", "assert",
        "accept", "sandbox",
    ],
    outer: ITEM_ONLY_STARTS,
};
const LIMITS: BlockSpec = BlockSpec { entry: "a limit", starts: &[], outer: OUTER_OF_RULES };
pub(super) const ENV: BlockSpec =
    BlockSpec { entry: "a rule of `env`", starts: &["pass", "set", "secret"], outer: OUTER_OF_RULES };
pub(super) const EXEC: BlockSpec = BlockSpec {
    entry: "a setting of `exec`",
    starts: &["command", "user", "cwd", "tty", "hostname"],
    outer: OUTER_OF_RULES,
};
const SANDBOX: BlockSpec = BlockSpec { entry: "a setting of `sandbox`", starts: &[], outer: OUTER_OF_RULES };

/// The braces of a profile or policy and the statements in them.
pub(super) fn statements(input: Tokens<'_>) -> Parsed<'_, Vec<Stmt>> {
    block(&STATEMENTS, statement)(input)
}

fn statement(input: Tokens<'_>, doc: String) -> Parsed<'_, Stmt> {
    if input.at_word(&["tool"]) {
        let (rest, tool) = tool::tool(input, doc.clone())?;
        return Ok((rest, Stmt { doc, kind: StmtKind::Tool(tool), span: input.span_to(rest) }));
    }
    let (rest, keyword) = one_of(STATEMENTS.entry, STATEMENTS.starts)(input)?;
    let (rest, kind) = match keyword.node.as_str() {
        "include" => include.map(StmtKind::Include).parse(rest)?,
        "fs" => fs::rules.map(StmtKind::Fs).parse(rest)?,
        "net" => net::net.map(StmtKind::Net).parse(rest)?,
        "syscalls" => syscalls::rules.map(StmtKind::Syscalls).parse(rest)?,
        "limits" => {
            let (rest, hard) = opt(word("hard")).parse(rest)?;
            let (rest, limits) = block(&LIMITS, limit)(rest)?;
            (rest, StmtKind::Limits { hard, limits })
        }
        "caps" if rest.at_word(&["none"]) => (rest.skip(), StmtKind::Caps(Vec::new())),
        "caps" => {
            rest.expect(Expected::Literal("none"));
            separated_list1(sign(","), name("a capability")).map(StmtKind::Caps).parse(rest)?
        }
        "env" => block(&ENV, env_rule).map(StmtKind::Env).parse(rest)?,
        "exec" => block(&EXEC, exec_rule).map(StmtKind::Exec).parse(rest)?,
        "tools" => separated_list1(sign(","), qname).map(StmtKind::ToolUse).parse(rest)?,
        "assert" => claim::claims.map(StmtKind::Assert).parse(rest)?,
        "accept" => accept(input, rest)?,
        _ => block(&SANDBOX, setting).map(StmtKind::Sandbox).parse(rest)?,
    };
    Ok((rest, Stmt { doc, kind, span: input.span_to(rest) }))
}

/// `std.python(version: "3.12")`
pub(super) fn include(input: Tokens<'_>) -> Parsed<'_, Include> {
    let (rest, name) = qname(input)?;
    let (rest, args) = optional_args(rest)?;
    Ok((rest, Include { name, args, span: input.span_to(rest) }))
}

/// `accept MSB0611 because "…"`; without the reason it has a code of its own.
fn accept<'a>(keyword: Tokens<'a>, input: Tokens<'a>) -> Parsed<'a, StmtKind> {
    let (rest, codes) = separated_list1(sign(","), code).parse(input)?;
    let more = matches!(rest.next().kind, Kind::Text(_))
        || rest.at_sign(":")
        || !rest.next().first_on_line && rest.text().starts_with("MSB");
    if more {
        return rest.fail(Expected::Literal("because"));
    }
    if !rest.at_word(&["because"]) {
        let found = Diagnostic::new(codes::ACCEPT_WITHOUT_REASON, "`accept` without a reason")
            .label(keyword.span_to(rest), "")
            .help("write `because \"…\"` behind it, with the reason why this is safe here");
        rest.context.found.borrow_mut().push(found);
        return Ok((rest, StmtKind::Accept { codes, because: None }));
    }
    let (rest, because) = preceded(word("because"), string("a string")).parse(rest)?;
    Ok((rest, StmtKind::Accept { codes, because: Some(because) }))
}

/// `memory 1GiB`, `pids unlimited`
fn limit(input: Tokens<'_>, _doc: String) -> Parsed<'_, LimitStmt> {
    let (rest, name) = name(LIMITS.entry)(input)?;
    let (rest, value) = if rest.at_word(&["unlimited"]) {
        let value = Spanned { node: Value::Ident(rest.text().to_owned()), span: rest.span() };
        (rest.skip(), value)
    } else {
        rest.expect(Expected::Literal("unlimited"));
        quantity(rest)?
    };
    // `4 * 1GiB`: what is joined to a value is part of the mistake.
    let computes = rest.at_sign("+") || rest.at_sign("-") || rest.text().starts_with('*');
    if computes && !rest.next().first_on_line {
        return rest.fail(Expected::Choice(LIMITS.entry, LIMITS.starts));
    }
    Ok((rest, LimitStmt { name, value, span: input.span_to(rest) }))
}

fn env_rule(input: Tokens<'_>, _doc: String) -> Parsed<'_, EnvRule> {
    let (rest, verb) = one_of(ENV.entry, ENV.starts)(input)?;
    let (rest, kind) = match verb.node.as_str() {
        "pass" => separated_list1(sign(","), env_pattern).map(EnvRuleKind::Pass).parse(rest)?,
        "set" => {
            let (rest, name) = env_pattern(rest)?;
            let (rest, value) = preceded(sign("="), value).parse(rest)?;
            (rest, EnvRuleKind::Set { name, value })
        }
        _ => {
            let (rest, name) = env_pattern(rest)?;
            let (rest, from) = preceded(word("from"), var("a parameter")).parse(rest)?;
            (rest, EnvRuleKind::Secret { name, from })
        }
    };
    Ok((rest, EnvRule { kind, span: input.span_to(rest) }))
}

fn exec_rule(input: Tokens<'_>, _doc: String) -> Parsed<'_, ExecRule> {
    let (rest, word) = one_of(EXEC.entry, EXEC.starts)(input)?;
    let (rest, kind) = match word.node.as_str() {
        "command" => many1(string("a string")).map(ExecRuleKind::Command).parse(rest)?,
        "user" => constant.map(ExecRuleKind::User).parse(rest)?,
        "cwd" => path.map(ExecRuleKind::Cwd).parse(rest)?,
        "tty" => name("`none` or `private`").map(ExecRuleKind::Tty).parse(rest)?,
        _ => string("a string").map(ExecRuleKind::Hostname).parse(rest)?,
    };
    Ok((rest, ExecRule { kind, span: input.span_to(rest) }))
}

/// `landlock best-effort`: a name, and a word or number.
fn setting(input: Tokens<'_>, _doc: String) -> Parsed<'_, (Name, Spanned<Value>)> {
    let (rest, name) = name(SANDBOX.entry)(input)?;
    let is_value = matches!(rest.next().kind, Kind::Word | Kind::Int(_));
    if !is_value {
        return rest.fail(Expected::Kind("a word or a whole number"));
    }
    let (rest, value) = constant(rest)?;
    Ok((rest, (name, value)))
}
