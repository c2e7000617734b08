//! What the policy asserts of connections, decided by the rules with every parameter bound.
//!
//! The compiler decided each claim for parameters that name other hosts than the rest of the policy. What can be
//! otherwise is what is said of the hosts that parameters name, so that those are asked about, and the one that the claim
//! names itself.

use crate::bind::Bound;
use crate::rules::{Endpoint, Peer, Protocol, Rules, Target};
use msb_host::{Host, Network};
use msb_plan::{Expected, OriginId};

/// A claim with its parameters bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What it is about.
    pub endpoint: Endpoint,
    /// What must hold.
    pub expected: Expected,
    /// Its line.
    pub origin: OriginId,
}

/// The line of the first claim that does not hold, and in words what is so instead.
#[must_use]
pub fn broken(bound: &Bound) -> Option<(OriginId, String)> {
    bound.claims.iter().find_map(|claim| Some((claim.origin, against(claim, bound)?)))
}

fn against(claim: &Claim, bound: &Bound) -> Option<String> {
    let named = match &claim.endpoint.peer {
        Peer::Host(host) => target(host),
        Peer::Loopback => Some(Target::Loopback),
        Peer::Any | Peer::Private | Peer::Metadata => None,
    };
    let given = bound.given.iter().filter_map(target);
    let given = given.filter(|target| claim.endpoint.covers(target, claim.expected == Expected::Denied));
    let spoken: &[Protocol] = match (claim.expected, claim.endpoint.protocol) {
        // What a byte stream may carry.
        (Expected::Denied, Protocol::Tcp) => &[Protocol::Tcp, Protocol::Tls, Protocol::Https, Protocol::Http],
        (_, Protocol::Tcp) => &[Protocol::Tcp],
        (_, Protocol::Udp) => &[Protocol::Udp],
        (_, Protocol::Tls) => &[Protocol::Tls],
        (_, Protocol::Https) => &[Protocol::Https],
        (_, Protocol::Http) => &[Protocol::Http],
    };
    let ports = ports(&claim.endpoint, &bound.rules);
    named.into_iter().chain(given).find_map(|target| {
        let one = |protocol: &Protocol, port: &u16| {
            let allowed = bound.rules.decide(*protocol, &target, *port).is_ok();
            (allowed != (claim.expected == Expected::Allowed)).then(|| {
                let is = if allowed { "allowed" } else { "denied" };
                format!("a claim fails: {} {target}:{port} is {is}", protocol.word())
            })
        };
        spoken.iter().find_map(|protocol| ports.iter().find_map(|port| one(protocol, port)))
    })
}

/// The one host, or the first address, that `host` is.
fn target(host: &Host) -> Option<Target> {
    match host {
        Host::Name(name) => Some(Target::Name(name.clone())),
        Host::Address(range) => Some(Target::Address(Network::first(range))),
        Host::Below(_) => None,
    }
}

/// Ports of `asked` at which rules can change their mind.
fn ports(asked: &Endpoint, rules: &Rules) -> Vec<u16> {
    let all =
        rules.allow.iter().map(|rule| &rule.endpoint).chain(rules.deny.iter().map(|rule| &rule.endpoint));
    let borders = all
        .flat_map(|rule| &rule.ports)
        .flat_map(|(first, last)| [*first, *last, first.saturating_sub(1), last.saturating_add(1)]);
    let own = asked.ports.iter().flat_map(|(first, last)| [*first, *last]);
    let within = |port: &u16| asked.ports.iter().any(|(first, last)| (*first..=*last).contains(port));
    let mut ports: Vec<u16> = own.chain(borders).filter(within).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[cfg(test)]
#[path = "tests/claims.rs"]
mod tests;
