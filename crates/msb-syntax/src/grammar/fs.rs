//! `fs { … }`

use super::value::{path, paths, quantity};
use crate::ast::{FsOption, FsOptionKind, FsRule, FsVerb, Spanned};
use crate::recover::{BlockSpec, OUTER_OF_RULES, block};
use crate::tokens::{Parsed, Tokens, one_of, spanned, string};
use nom::Parser;
use nom::combinator::opt;
use nom::multi::many0;

const SPEC: BlockSpec = BlockSpec { entry: "a rule of `fs`", starts: VERBS, outer: OUTER_OF_RULES };

pub(crate) const VERBS: &[&str] =
    &["read", "write", "create", "append", "run", "deny", "scratch", "overlay", "device", "socket", "proc"];

pub(super) const OPTIONS: &[&str] =
    &["at", "size", "inodes", "from", "optional", "missing", "symlinks", "enforce", "beside", "depth"];

pub(super) const MISSING: &[&str] = &["mask", "fail", "skip"];
pub(super) const SYMLINKS: &[&str] = &["refuse", "follow"];
pub(super) const ENFORCE: &[&str] = &["mount", "snapshot", "broker"];

/// The braces after `fs` and what is in them.
pub(super) fn rules(input: Tokens<'_>) -> Parsed<'_, Vec<FsRule>> {
    block(&SPEC, rule)(input)
}

fn rule(input: Tokens<'_>, doc: String) -> Parsed<'_, FsRule> {
    let (rest, verb) = verb(input)?;
    let (rest, paths) = paths(rest)?;
    let (rest, options) = many0(option).parse(rest)?;
    Ok((rest, FsRule { doc, verb, paths, options, span: input.span_to(rest) }))
}

fn verb(input: Tokens<'_>) -> Parsed<'_, Spanned<FsVerb>> {
    let (rest, word) = one_of(SPEC.entry, VERBS)(input)?;
    let (rest, node) = match word.node.as_str() {
        "read" => (rest, FsVerb::Read),
        "write" => (rest, FsVerb::Write),
        "create" => (rest, FsVerb::Create),
        "append" => (rest, FsVerb::Append),
        "run" => (rest, FsVerb::Run),
        "scratch" => (rest, FsVerb::Scratch),
        "overlay" => (rest, FsVerb::Overlay),
        "device" => (rest, FsVerb::Device),
        "socket" => (rest, FsVerb::Socket),
        "proc" => (rest, FsVerb::Proc),
        _ => {
            let (rest, what) = opt(one_of("what is denied", &["read", "write", "run"])).parse(rest)?;
            let verb = match what.as_ref().map(|name| name.node.as_str()) {
                Some("read") => FsVerb::DenyRead,
                Some("write") => FsVerb::DenyWrite,
                Some("run") => FsVerb::DenyRun,
                _ => FsVerb::Deny,
            };
            (rest, verb)
        }
    };
    Ok((rest, Spanned { node, span: input.span_to(rest) }))
}

fn option(input: Tokens<'_>) -> Parsed<'_, FsOption> {
    let (rest, (kind, span)) = spanned(option_kind)(input)?;
    Ok((rest, FsOption { kind, span }))
}

fn option_kind(input: Tokens<'_>) -> Parsed<'_, FsOptionKind> {
    let (rest, word) = one_of("an option", OPTIONS)(input)?;
    match word.node.as_str() {
        "at" => path.map(FsOptionKind::At).parse(rest),
        "size" => quantity.map(FsOptionKind::Size).parse(rest),
        "inodes" => quantity.map(FsOptionKind::Inodes).parse(rest),
        "from" => path.map(FsOptionKind::From).parse(rest),
        "missing" => choice("what to do where it is missing", MISSING, FsOptionKind::Missing)(rest),
        "symlinks" => choice("what to do with symbolic links", SYMLINKS, FsOptionKind::Symlinks)(rest),
        "beside" => string("the name that is looked for").map(FsOptionKind::Beside).parse(rest),
        "depth" => quantity.map(FsOptionKind::Depth).parse(rest),
        "enforce" => choice("a way to enforce it", ENFORCE, FsOptionKind::Enforce)(rest),
        _ => Ok((rest, FsOptionKind::Optional)),
    }
}

fn choice<'a>(
    what: &'static str,
    words: &'static [&'static str],
    kind: fn(Spanned<String>) -> FsOptionKind,
) -> impl FnMut(Tokens<'a>) -> Parsed<'a, FsOptionKind> {
    move |input| one_of(what, words).map(kind).parse(input)
}
