//! The `net` section: to whom connections are made, on which terms, and what follows for system calls.

mod covered;
mod endpoint;
mod lints;
mod publish;
mod terms;

use crate::bounds::{LISTENS_MAX, TOTALS_MAX, too_many};
use crate::context::Context;
use crate::syscalls::implied::{self, Implied};
use msb_diag::{Diagnostic, Severity, Span, codes};
use msb_policy::{
    Borders, Calls, Connection, Connections, Net, NetKind, NetRule, Op, OriginId, Policy, Pred, Solution,
    Which, Width,
};
use msb_resolve::LayerId;
use msb_syntax::ast::{self, NetRuleKind, StmtKind};
use std::collections::HashSet;

pub(crate) use endpoint::{endpoint, host, published};
pub(crate) use lints::dangerous_socket;
pub(crate) use terms::rate;

/// `AF_UNIX` of linux/socket.h, the same on every architecture.
const AF_UNIX: u64 = 1;
/// `AF_INET` of linux/socket.h.
const AF_INET: u64 = 2;
/// `AF_INET6` of linux/socket.h.
const AF_INET6: u64 = 10;

/// A rule with where it was written.
pub(crate) struct Rule {
    pub(crate) kind: NetKind,
    /// Of the endpoint, or of the whole rule.
    pub(crate) span: Span,
    /// Of the whole rule.
    pub(crate) whole: Span,
    pub(crate) origin: OriginId,
    pub(crate) layer: LayerId,
}

/// The network, and the rules for system calls that follow from it.
pub(crate) fn net(cx: &mut Context<'_>) -> (Net, Vec<Implied>) {
    let before = cx.found.len();
    let mut none: Option<Span> = None;
    let mut some: Option<Span> = None;
    let mut rules = Vec::new();
    for placed in cx.stmts() {
        let StmtKind::Net(net) = &placed.stmt.kind else { continue };
        let span = placed.stmt.span;
        match net {
            ast::Net::None => none = none.or(Some(span)),
            ast::Net::Host => {
                cx.say(
                    Diagnostic::new(
                        codes::ABSTRACT_SOCKETS,
                        "`net host` is not enforced: abstract sockets of the host would be in reach",
                    )
                    .raise(Severity::Error)
                    .label(span, "the network of the host, unfiltered; such sockets have no path: unix(7)")
                    .help("write `net none`, or `net { … }` with the connections that the program needs"),
                );
            }
            ast::Net::Rules(section) => {
                some = some.or(Some(span));
                section.iter().for_each(|rule| one(cx, rule, placed.layer, &mut rules));
            }
        }
    }
    if let (Some(none), Some(some)) = (none, some) {
        cx.say(
            Diagnostic::new(codes::DUPLICATE_SETTING, "there is a network and there is none")
                .label(some, "rules for connections")
                .label(none, "no network")
                .help("take one of the two away"),
        );
    }
    bounds(cx, &rules);
    publish::conflicts(cx, &rules);
    // What could not be understood may be what a lint misses.
    if !msb_diag::has_errors(cx.found.get(before..).unwrap_or(&[])) {
        lints::lints(cx, &rules);
        // A rule that is wrong makes no other one superfluous.
        if !msb_diag::has_errors(cx.found.get(before..).unwrap_or(&[])) {
            covered::covered(cx, &rules);
        }
    }
    let origin = cx.origin(some.or(none).unwrap_or(cx.resolved.block.head));
    let pair = implied::none_of(&cx.archs, "socketpair", "domain", &[AF_UNIX], "EACCES", origin);
    // A network namespace does not cover AF_VSOCK, AF_ALG and others: the family itself is refused.
    if some.is_none() {
        let family = implied::none_of(&cx.archs, "socket", "domain", &[AF_UNIX], "EACCES", origin);
        return (Net::None { origin }, [family, pair].concat());
    }
    // Of the families that a network namespace covers TCP and UDP are left: raw sockets, and the many protocols that
    // few ever looked at, are surface.
    let families = [AF_UNIX, AF_INET, AF_INET6];
    let family = implied::none_of(&cx.archs, "socket", "domain", &families, "EACCES", origin);
    let plain = implied::beyond_tcp_and_udp(&cx.archs, [AF_INET, AF_INET6], "EACCES", origin);
    let mut all: Vec<NetRule> = Vec::new();
    let mut known = HashSet::new();
    for rule in rules {
        if known.insert(rule.kind.clone()) {
            all.push(NetRule { kind: rule.kind, origin: rule.origin });
        }
    }
    (Net::Rules { rules: all, origin }, [family, plain, pair].concat())
}

fn one(cx: &mut Context<'_>, rule: &ast::NetRule, layer: LayerId, rules: &mut Vec<Rule>) {
    let origin = cx.origin(rule.span);
    let (endpoints, verb) = match &rule.kind {
        NetRuleKind::Total => {
            if let Some(limits) = terms::limits(cx, &rule.options) {
                let (span, whole) = (rule.span, rule.span);
                rules.push(Rule { kind: NetKind::Total(limits), span, whole, origin, layer });
            }
            return;
        }
        NetRuleKind::Allow(endpoints) => (endpoints, "allow"),
        NetRuleKind::Deny(endpoints) => (endpoints, "deny"),
        NetRuleKind::Listen(endpoints) => (endpoints, "listen"),
    };
    if verb == "deny"
        && let Some(option) = rule.options.first()
    {
        cx.say(
            Diagnostic::new(codes::WRONG_OPTION, "a deny has no terms")
                .label(option.span, "belongs to `allow`")
                .label(rule.span, "not to this")
                .help("take it away"),
        );
    }
    for written in endpoints {
        if let ast::Peer::Path(path) = &written.peer {
            by_path(cx, path, verb, &rule.options);
            continue;
        }
        if verb == "listen" {
            let kind = publish::listen(cx, written).map(NetKind::Listen);
            let (span, whole) = (written.span, rule.span);
            rules.extend(kind.map(|kind| Rule { kind, span, whole, origin, layer }));
            continue;
        }
        let Some(endpoint) = endpoint(cx, written) else { continue };
        let kind = match verb {
            "allow" => terms::terms(cx, &rule.options, &endpoint, written)
                .map(|terms| NetKind::Allow { endpoint, terms }),
            _ => Some(NetKind::Deny(endpoint)),
        };
        let (span, whole) = (written.span, rule.span);
        rules.extend(kind.map(|kind| Rule { kind, span, whole, origin, layer }));
    }
}

/// A socket by its path, which is a file: `fs` has the rule, but for what it can't have.
fn by_path(cx: &mut Context<'_>, path: &ast::PathExpr, verb: &str, options: &[ast::NetOption]) {
    if verb == "listen" {
        cx.say(
            Diagnostic::new(codes::WRONG_TYPE, "a port is published, and not a path")
                .label(path.span, "expected `host` and a port")
                .help(
                    "write `listen tcp host:8080`; a socket that the program makes lies where it may write",
                ),
        );
    } else if verb == "allow"
        && let Some(option) = options.first()
    {
        cx.say(
            Diagnostic::new(codes::WRONG_OPTION, "a socket by its path has no terms")
                .label(option.span, "nobody is between the program and this socket")
                .help("take it away"),
        );
    }
}

/// Reports rules that allow what others deny altogether.
pub(crate) fn cancelled(cx: &mut Context<'_>, policy: &Policy) {
    let rules = policy.net.rules();
    if !rules.iter().any(|rule| matches!(rule.kind, NetKind::Deny(_))) {
        return;
    }
    let (borders, connections) = (Borders::of(&[policy]), Connections::of(policy));
    let denial = |one: &Connection| {
        let denies = |rule: &&NetRule| matches!(&rule.kind, NetKind::Deny(endpoint) if endpoint.refuses(one));
        connections.about(one).into_iter().find(denies)
    };
    for rule in rules {
        let NetKind::Allow { endpoint, .. } = &rule.kind else { continue };
        let all = borders.connections(endpoint, Which::Asked);
        let mut accepted = all.filter(|one| endpoint.accepts(one));
        let Some(one) = accepted.next() else { continue };
        let Some(first) = denial(&one) else { continue };
        if !accepted.all(|one| denial(&one).is_some()) {
            continue;
        }
        let (Some(at), Some(by)) = (cx.origins.span(rule.origin), cx.origins.span(first.origin)) else {
            continue;
        };
        let what = policy.shown_connection(&one);
        cx.say(
            Diagnostic::new(codes::ALLOW_CANCELLED, "nothing is left of what is allowed here")
                .label(at, format!("allows `{what}`"))
                .label(by, "and this denies it, and a deny overrides")
                .help("take one of the two rules away"),
        );
    }
}

/// Warns of rules for connections where the filter lets no program open a socket for one.
pub(crate) fn sockets(cx: &mut Context<'_>, policy: &Policy) {
    let Net::Rules { rules, origin } = &policy.net else { return };
    let dials = rules.iter().any(|rule| matches!(rule.kind, NetKind::Allow { .. }));
    let family = |value| Pred::Compare { argument: 0, width: Width::W32, op: Op::Eq, value };
    let calls = Calls::of(policy);
    let opens = policy.archs.iter().any(|arch| {
        let socket = msb_syscalls::find(*arch, "socket").map(|call| call.nr);
        let of = |family| socket.map(|nr| calls.made_with(*arch, nr, family));
        [AF_INET, AF_INET6]
            .map(family)
            .iter()
            .any(|family| of(family).is_some_and(|it| it != Solution::Nothing))
    });
    if let (true, false, Some(span)) = (dials, opens, cx.origins.span(*origin)) {
        cx.say(
            Diagnostic::new(codes::NO_SOCKETS, "no program can open a socket for these connections")
                .label(span, "no rule of `syscalls` allows `socket`")
                .help("write `allow @network-io` in `syscalls`"),
        );
    }
}

/// Reports more published ports, or more limits of everything, than a plan can hold, at the first that is too much.
fn bounds(cx: &mut Context<'_>, rules: &[Rule]) {
    let of = |kind: &NetKind| match kind {
        NetKind::Listen(publish) => {
            (publish.at.ports.iter().map(|(first, last)| usize::from(last - first) + 1).sum(), 0)
        }
        NetKind::Total(_) => (0, 1),
        NetKind::Allow { .. } | NetKind::Deny(_) => (0, 0),
    };
    let (mut ports, mut totals) = (0usize, 0usize);
    let (mut first_port, mut first_total) = (None, None);
    for rule in rules {
        let (more_ports, more_totals) = of(&rule.kind);
        ports += more_ports;
        totals += more_totals;
        first_port = first_port.or(Some(rule.span).filter(|_| ports > LISTENS_MAX));
        first_total = first_total.or(Some(rule.span).filter(|_| totals > TOTALS_MAX));
    }
    if let Some(span) = first_port {
        let help = "name the ports that servers of the sandbox use";
        cx.say(too_many(ports, "published ports", LISTENS_MAX, span, help));
    }
    if let Some(span) = first_total {
        cx.say(too_many(totals, "rules `total`", TOTALS_MAX, span, "write one `total` with all limits"));
    }
}
