//! `net …` and the endpoints that claims name too.

use super::value::{burst, check_visible, expected, path, paths, quantity, rate};
use crate::ast::{Endpoint, Net, NetOption, NetOptionKind, NetRule, NetRuleKind, Peer, PortRange, Spanned};
use crate::recover::{BlockSpec, OUTER_OF_RULES, block};
use crate::token::Kind;
use crate::tokens::{Expected, Parsed, Tokens, integer, one_of, sign, var, word};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::opt;
use nom::multi::{many0, many1, separated_list1};
use nom::sequence::{delimited, preceded};

pub(super) const SPEC: BlockSpec = BlockSpec {
    entry: "a rule of `net`",
    starts: &["allow", "deny", "listen", "total"],
    outer: OUTER_OF_RULES,
};

pub(crate) const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
pub(super) const OPTIONS: &[&str] =
    &["only", "inject", "inspect", "optional", "rate", "quota", "connections"];
const LIMITS: &[&str] = &["rate", "quota", "connections"];
pub(crate) const PROTOCOLS: &[&str] = &["tcp", "udp", "tls", "https", "http", "unix"];
pub(super) const PEERS: &[&str] = &["any", "private", "host", "metadata"];

/// What stands after `net`.
pub(super) fn net(input: Tokens<'_>) -> Parsed<'_, Net> {
    alt((
        word("none").map(|_| Net::None),
        word("host").map(|_| Net::Host),
        block(&SPEC, rule).map(Net::Rules),
    ))
    .parse(input)
}

fn rule(input: Tokens<'_>, doc: String) -> Parsed<'_, NetRule> {
    let (rest, verb) = one_of(SPEC.entry, SPEC.starts)(input)?;
    let (rest, kind, options) = match verb.node.as_str() {
        "total" => {
            let (rest, options) = many1(option("a limit", LIMITS)).parse(rest)?;
            (rest, NetRuleKind::Total, options)
        }
        "listen" => {
            let (rest, endpoints) = separated_list1(sign(","), published).parse(rest)?;
            (rest, NetRuleKind::Listen(endpoints), Vec::new())
        }
        verb => {
            let (rest, endpoints) = separated_list1(sign(","), endpoint).parse(rest)?;
            let (rest, options) = many0(option("an option", OPTIONS)).parse(rest)?;
            let kind = if verb == "deny" { NetRuleKind::Deny } else { NetRuleKind::Allow };
            (rest, kind(endpoints), options)
        }
    };
    Ok((rest, NetRule { doc, kind, options, span: input.span_to(rest) }))
}

/// `tcp host:8080`, `tcp host:0 at 3000`
pub(super) fn published(input: Tokens<'_>) -> Parsed<'_, Endpoint> {
    let (rest, endpoint) = endpoint(input)?;
    let (rest, inside) = opt(preceded(word("at"), integer("a port"))).parse(rest)?;
    Ok((rest, Endpoint { inside, span: input.span_to(rest), ..endpoint }))
}

/// `tcp "host":443`, `unix /path`
pub(super) fn endpoint(input: Tokens<'_>) -> Parsed<'_, Endpoint> {
    let (rest, protocol) = one_of("a protocol", PROTOCOLS)(input)?;
    let (rest, peer, ports) = if protocol.node == "unix" {
        let (rest, path) = path(rest)?;
        (rest, Peer::Path(path), Vec::new())
    } else {
        let (rest, peer) = peer(rest)?;
        let (rest, ports) = opt(preceded(sign(":"), ports)).parse(rest)?;
        (rest, peer, ports.unwrap_or_default())
    };
    Ok((rest, Endpoint { protocol, peer, ports, inside: None, span: input.span_to(rest) }))
}

fn peer(input: Tokens<'_>) -> Parsed<'_, Peer> {
    let found = |node: &str| Spanned { node: node.to_owned(), span: input.span() };
    let text = input.text();
    let peer = match &input.next().kind {
        Kind::Text(host) => {
            check_visible(input, host, "host");
            Peer::Text(found(host))
        }
        Kind::Address => Peer::Address(found(text)),
        Kind::Var if !text.contains('/') => Peer::Var(found(text.trim_start_matches('$'))),
        Kind::Word if PEERS.contains(&text) => Peer::Word(found(text)),
        Kind::Word => {
            // For a word that is nearly right.
            input.expect(Expected::Choice("a peer", PEERS));
            return expected(input, "a peer");
        }
        _ => return expected(input, "a peer"),
    };
    Ok((input.skip(), peer))
}

fn ports(input: Tokens<'_>) -> Parsed<'_, Vec<PortRange>> {
    if input.at_sign("{") {
        let one = integer("a port").map(|port| PortRange { from: port.clone(), to: port });
        return delimited(sign("{"), separated_list1(sign(","), one), sign("}")).parse(input);
    }
    let (rest, from) = integer("a port")(input)?;
    let (rest, to) = opt(preceded(sign(".."), integer("a whole number"))).parse(rest)?;
    let to = to.unwrap_or_else(|| from.clone());
    Ok((rest, vec![PortRange { from, to }]))
}

fn option<'a>(
    what: &'static str,
    words: &'static [&'static str],
) -> impl FnMut(Tokens<'a>) -> Parsed<'a, NetOption> {
    move |input: Tokens<'a>| {
        let (rest, word) = one_of(what, words)(input)?;
        let (rest, kind) = option_kind(rest, &word.node)?;
        Ok((rest, NetOption { kind, span: input.span_to(rest) }))
    }
}

fn option_kind<'a>(input: Tokens<'a>, word: &str) -> Parsed<'a, NetOptionKind> {
    match word {
        "only" => {
            let (rest, methods) = separated_list1(sign(","), one_of("a method", METHODS)).parse(input)?;
            let (rest, paths) = opt(paths).parse(rest)?;
            Ok((rest, NetOptionKind::Only { methods, paths: paths.unwrap_or_default() }))
        }
        "inject" => var("a parameter").map(NetOptionKind::Inject).parse(input),
        "rate" => {
            let (rest, rate) = rate(input)?;
            let (rest, burst) = burst(rest)?;
            Ok((rest, NetOptionKind::Rate { rate, burst }))
        }
        "quota" => {
            let (rest, size) = quantity(input)?;
            let (rest, direction) = opt(one_of("a direction", &["up", "down"])).parse(rest)?;
            Ok((rest, NetOptionKind::Quota { size, direction }))
        }
        "connections" => integer("a whole number").map(NetOptionKind::Connections).parse(input),
        "inspect" => Ok((input, NetOptionKind::Inspect)),
        _ => Ok((input, NetOptionKind::Optional)),
    }
}
