//! Who is dialled: names, addresses and ports, in their canonical form.

use crate::bounds::{PORTS_MAX, too_many};
use crate::context::Context;
use crate::params::kind_word;
use crate::values::article;
use msb_diag::{Diagnostic, Span, codes};
use msb_host::{BadHost, BadNetwork, Host, Network, confusable, is_public_suffix};
use msb_policy::{Endpoint, ParamKind, Peer, Protocol, Publish};
use msb_resolve::nearest;
use msb_syntax::ast::{self, Name, PortRange, Spanned};

/// Reads an endpoint that is not a path; `None` where something was reported.
pub(crate) fn endpoint(cx: &mut Context<'_>, written: &ast::Endpoint) -> Option<Endpoint> {
    let word = written.protocol.node.as_str();
    let protocol = Protocol::ALL.iter().find(|(known, _)| *known == word).map(|(_, protocol)| *protocol);
    let peer = peer(cx, &written.peer);
    let ports = ports(cx, protocol?, &written.ports, 1);
    Some(Endpoint { protocol: protocol?, peer: peer?, ports: ports? })
}

/// Reads what `listen` is about, and claims about it: port 0 is one that is free, and no port is every port.
pub(crate) fn published(cx: &mut Context<'_>, written: &ast::Endpoint) -> Option<Publish> {
    let peer = peer(cx, &written.peer);
    let word = written.protocol.node.as_str();
    let protocol = Protocol::ALL.iter().find(|(known, _)| *known == word).map(|(_, protocol)| *protocol)?;
    let all = vec![(0, u16::MAX)];
    let ports = if written.ports.is_empty() { Some(all) } else { ports(cx, protocol, &written.ports, 0) };
    let inside = match &written.inside {
        Some(written) => Some(port(cx, written.node, written.span, 1)?),
        None => None,
    };
    Some(Publish { at: Endpoint { protocol, peer: peer?, ports: ports? }, inside })
}

fn peer(cx: &mut Context<'_>, peer: &ast::Peer) -> Option<Peer> {
    match peer {
        ast::Peer::Text(text) if Network::parse(&text.node).is_ok() && text.node.contains('/') => {
            let bare = match text.node.split_once('/') {
                Some((address, bits)) if address.contains(':') => format!("[{address}]/{bits}"),
                _ => text.node.clone(),
            };
            cx.say(
                bad(&text.node, text.span, "a range of addresses")
                    .help(format!("write `{bare}`, without quotes"))
                    .edit(text.span, bare),
            );
            None
        }
        ast::Peer::Text(text) => host(cx, &text.node, text.span).map(Peer::Host),
        ast::Peer::Address(text) => network(cx, &text.node, text.span).map(Host::Address).map(Peer::Host),
        ast::Peer::Word(word) => match word.node.as_str() {
            "any" => Some(Peer::Any),
            "private" => Some(Peer::Private),
            "metadata" => Some(Peer::Metadata),
            "host" => Some(Peer::Loopback),
            other => {
                let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown peer `{other}`"))
                    .label(word.span, "expected `any`, `private`, `host` or `metadata`");
                cx.say(match nearest(other, ["any", "private", "host", "metadata"]) {
                    Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(word.span, meant),
                    None => unknown.help(format!("write a name in quotes: `\"{other}\"`")),
                });
                None
            }
        },
        ast::Peer::Var(name) => parameter(cx, name),
        ast::Peer::Path(_) => None,
    }
}

/// A parameter that names a host.
fn parameter(cx: &mut Context<'_>, name: &Name) -> Option<Peer> {
    // One that is not known was reported by name resolution.
    let index = cx.params.iter().position(|param| param.ir.name == name.node)?;
    let param = cx.params.get(index)?.clone();
    if param.ir.kind == ParamKind::Host {
        return Some(Peer::Param(index));
    }
    let is = kind_word(param.ir.kind);
    cx.say(
        Diagnostic::new(codes::WRONG_TYPE, format!("expected a host, found {} {is}", article(is)))
            .label(name.span, format!("`${}` is {} {is}", name.node, article(is)))
            .label(param.declared, "declared here")
            .help(format!("declare it as `{}: host`", name.node)),
    );
    None
}

/// Reads a name or an address.
pub(crate) fn host(cx: &mut Context<'_>, text: &str, span: Span) -> Option<Host> {
    if let Some(looks) = confusable(text) {
        let (message, help) = if looks.is_empty() {
            (format!("`{text}` mixes letters of several scripts"), "write it in one script".to_owned())
        } else {
            (
                format!("`{text}` looks like `{looks}` and is another host"),
                format!("did you mean `\"{looks}\"`?"),
            )
        };
        cx.say(
            Diagnostic::new(codes::CONFUSABLE, message)
                .label(span, "who reads this sees another name")
                .help(help),
        );
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if bracketed.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok()) {
        cx.say(
            bad(text, span, "an address in quotes")
                .help(format!("write `{text}`, without quotes"))
                .edit(span, text),
        );
        return None;
    }
    let found = match msb_host::parse(text) {
        Ok(Host::Below(name)) if is_public_suffix(&name) => {
            let whose = if name.contains('.') {
                "anybody can register a name there"
            } else {
                "that is a whole top-level domain"
            };
            cx.say(
                Diagnostic::new(codes::HOST_TOO_BROAD, format!("`*.{name}` is too broad"))
                    .label(span, whose)
                    .help("write the names that the program needs, such as `\"*.example.org\"`"),
            );
            return None;
        }
        Ok(host) => return Some(host),
        Err(BadHost::Wildcard) => {
            let found = Diagnostic::new(codes::HOST_TOO_BROAD, format!("`{text}` is not a pattern of names"))
                .label(span, "a `*` stands for whole labels at the beginning");
            let rest = text.trim_start_matches(['*', '.']);
            found.help(match msb_host::parse(rest) {
                _ if text == "*" => "write `any`, or the names that the program needs".to_owned(),
                Ok(Host::Name(name)) => format!("write `\"*.{name}\"`"),
                _ => "write something like `\"*.example.org\"`".to_owned(),
            })
        }
        Err(BadHost::Spelling(address)) => {
            bad(text, span, "not every program takes this for the same address")
                .help(format!("write `{address}`, without quotes"))
        }
        Err(BadHost::Number) => {
            bad(text, span, "a name does not end in a number").help("write an address or a name")
        }
        Err(BadHost::Url(inside)) => {
            let found = bad(text, span, "a host, without scheme, port or path");
            let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
            let (rest, path) = rest.split_once('/').map_or((rest, ""), |(rest, path)| (rest, path));
            let port = rest.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok());
            let plain = rest == inside && path.is_empty();
            match port {
                _ if plain => found.help(format!("write `\"{inside}\"`")).edit(span, format!("\"{inside}\"")),
                Some(port) if path.is_empty() => found
                    .help(format!("write `\"{inside}\":{port}`"))
                    .edit(span, format!("\"{inside}\":{port}")),
                None if path.is_empty() => found.help(format!("write `\"{inside}\"`")),
                _ => found.help(format!(
                    "write `\"{inside}\"`, and paths behind `only`: `https \"{inside}\" only GET /{path}`"
                )),
            }
        }
        Err(BadHost::Empty) => {
            bad(text, span, "there is nothing in it").help("write a name, such as `\"example.org\"`")
        }
        Err(BadHost::Name) => bad_name(cx, text, span),
    };
    cx.say(found);
    None
}

fn bad_name(cx: &Context<'_>, text: &str, span: Span) -> Diagnostic {
    let found = bad(text, span, "letters, digits and inner `-`, in labels of at most 63");
    if let Some(name) = text.strip_prefix('.').filter(|name| msb_host::parse(name).is_ok()) {
        return found
            .help(format!("write `\"*.{name}\"` for every name below it, or `\"{name}\"` for it alone"));
    }
    if let Some(name) = text.strip_prefix('$')
        && cx.params.iter().any(|param| param.ir.name == name)
    {
        return found.help(format!("write `${name}`, without quotes")).edit(span, text);
    }
    if let Some(long) = text.split('.').find(|label| label.len() > LABEL_BYTES_MAX) {
        let found =
            bad(text, span, format!("a label has {} characters, and none has more than 63", long.len()));
        return found.help("write the name that DNS has");
    }
    if text.trim() != text && msb_host::parse(text.trim()).is_ok() {
        let name = text.trim();
        return found.help(format!("write `\"{name}\"`, without blanks")).edit(span, format!("\"{name}\""));
    }
    if text.contains('_') {
        return found.help("write the name that DNS has: no name of a host has a `_`");
    }
    found.help("write a name, such as `\"example.org\"`")
}

/// RFC 1035, 2.3.4.
const LABEL_BYTES_MAX: usize = 63;

fn bad(text: &str, span: Span, why: impl Into<String>) -> Diagnostic {
    let shown = if text.is_empty() { "an empty text".to_owned() } else { format!("`{text}`") };
    Diagnostic::new(codes::BAD_HOST, format!("{shown} is not a host")).label(span, why)
}

fn network(cx: &mut Context<'_>, text: &str, span: Span) -> Option<Network> {
    let found = match Network::parse(text) {
        Ok(network) => return Some(network),
        Err(BadNetwork::NotFirst(first)) => {
            Diagnostic::new(codes::BAD_HOST, format!("`{text}` is not the first address of its range"))
                .label(span, format!("the range is `{first}`"))
                .help(format!("write `{first}`"))
                .edit(span, first.to_string())
        }
        Err(BadNetwork::Bits) => {
            bad(text, span, "more bits than the address has").help("write something like `10.0.0.0/8`")
        }
        Err(BadNetwork::Address) => {
            bad(text, span, "not an address").help("write something like `10.0.0.1`, or `[2001:db8::1]`")
        }
    };
    cx.say(found);
    None
}

/// Reads ports; the first that there is is `least`.
fn ports(
    cx: &mut Context<'_>,
    protocol: Protocol,
    written: &[PortRange],
    least: u16,
) -> Option<Vec<(u16, u16)>> {
    if written.is_empty() {
        return Some(vec![match protocol {
            Protocol::Https | Protocol::Tls => (443, 443),
            Protocol::Http => (80, 80),
            Protocol::Tcp | Protocol::Udp => (1, u16::MAX),
        }]);
    }
    let ranges: Vec<Option<(u16, u16)>> = written
        .iter()
        .map(|range| {
            let mut one = |at: &Spanned<u64>| port(cx, at.node, at.span, least);
            let first = one(&range.from);
            let last = if range.to.span == range.from.span { first } else { one(&range.to) };
            let (first, last) = (first?, last?);
            if first > last {
                cx.say(
                    Diagnostic::new(codes::EMPTY_RANGE, format!("the range `{first}..{last}` is empty"))
                        .label(range.from.span.to(range.to.span), "begins after its end")
                        .help(format!("write `{last}..{first}`")),
                );
                return None;
            }
            Some((first, last))
        })
        .collect();
    let mut ranges = ranges.into_iter().collect::<Option<Vec<_>>>()?;
    ranges.sort_unstable();
    ranges.dedup();
    if let Some(last) = written.last().filter(|_| ranges.len() > PORTS_MAX) {
        let help = "write a range, such as `8000..8999`";
        cx.say(too_many(ranges.len(), "ports", PORTS_MAX, last.from.span, help));
        return None;
    }
    Some(ranges)
}

fn port(cx: &mut Context<'_>, number: u64, span: Span, least: u16) -> Option<u16> {
    let port = u16::try_from(number).ok().filter(|port| *port >= least);
    if port.is_none() {
        cx.say(
            Diagnostic::new(codes::NUMBER_OUT_OF_RANGE, format!("there is no port `{number}`"))
                .label(span, format!("must be from {least} to 65535"))
                .help("write a port, such as `443`"),
        );
    }
    port
}
