//! Claims of `assert { … }` and `test … { … }`: what must be allowed or denied.

use super::net::{METHODS, endpoint, published};
use super::syscalls;
use super::tool;
use super::value::{arg, code, env_pattern, path, qname};
use crate::ast::{Claim, ClaimKind, Probe};
use crate::recover::{BlockSpec, OUTER_OF_RULES, block, report};
use crate::tokens::{Expected, Parsed, Tokens, one_of, sign, string, word};
use nom::Parser;
use nom::combinator::opt;
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};

pub(super) const SPEC: BlockSpec =
    BlockSpec { entry: "a claim", starts: &["allow", "deny", "never", "narrower"], outer: OUTER_OF_RULES };

pub(super) const PROBES: &[&str] = &["open", "connect", "request", "listen", "syscall", "call", "env"];

pub(super) const ACCESSES: &[&str] = &["read", "write", "create", "run"];

/// The braces and the claims in them.
pub(super) fn claims(input: Tokens<'_>) -> Parsed<'_, Vec<Claim>> {
    block(&SPEC, claim)(input)
}

pub(super) fn claim(input: Tokens<'_>, doc: String) -> Parsed<'_, Claim> {
    let (rest, verb) = one_of(SPEC.entry, SPEC.starts)(input)?;
    let (mut by, mut because) = (None, None);
    let (rest, kind) = match verb.node.as_str() {
        "narrower" => preceded(word("than"), qname).map(ClaimKind::NarrowerThan).parse(rest)?,
        "never" => probe.map(ClaimKind::Never).parse(rest)?,
        verb => {
            let (mut rest, probe) = probe(rest)?;
            (rest, by) = opt(preceded(word("by"), code)).parse(rest)?;
            if by.is_none() {
                (rest, because) = opt(preceded(word("because"), string("a string"))).parse(rest)?;
            }
            (rest, if verb == "deny" { ClaimKind::Deny(probe) } else { ClaimKind::Allow(probe) })
        }
    };
    Ok((rest, Claim { doc, kind, by, because, span: input.span_to(rest) }))
}

/// A request and nothing after it; what is wrong is in the context.
pub(crate) fn request(input: Tokens<'_>) -> Option<Probe> {
    let parsed = probe(input).ok();
    let (rest, probe) = match parsed {
        Some((rest, probe)) => (rest, Some(probe)),
        None => (input, None),
    };
    if probe.is_none() || !rest.is_end() {
        if probe.is_some() {
            rest.expect(Expected::Kind("nothing after the request"));
        }
        report(input.context, None);
        return None;
    }
    probe
}

fn probe(input: Tokens<'_>) -> Parsed<'_, Probe> {
    let (rest, word_found) = one_of("a request", PROBES)(input)?;
    match word_found.node.as_str() {
        "open" => {
            let (rest, path) = path(rest)?;
            let access = one_of("an access", ACCESSES);
            let (rest, access) = preceded(word("for"), access).parse(rest)?;
            Ok((rest, Probe::Open { path, access }))
        }
        "connect" => endpoint.map(Probe::Connect).parse(rest),
        "request" => {
            let (rest, method) = one_of("a method", METHODS)(rest)?;
            let (rest, endpoint) = endpoint(rest)?;
            let (rest, path) = opt(path).parse(rest)?;
            Ok((rest, Probe::Request { method, endpoint, path }))
        }
        "listen" => published.map(Probe::Listen).parse(rest),
        "syscall" => {
            let (rest, set) = syscalls::call(rest)?;
            let args = delimited(sign("("), separated_list1(sign(","), arg), sign(")"));
            let (rest, args) = opt(args).map(Option::unwrap_or_default).parse(rest)?;
            let (rest, on) = syscalls::on_arch(rest)?;
            Ok((rest, Probe::Syscall { set, args, on }))
        }
        "call" => tool::call.map(|(name, args)| Probe::Call { name, args }).parse(rest),
        _ => env_pattern.map(Probe::Env).parse(rest),
    }
}
