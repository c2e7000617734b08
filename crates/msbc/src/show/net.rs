//! The network section, as a policy would say it.

use super::text::Lines;
use msb_plan::Plan;
use msb_plan::network::{Action, Gateway, Limits, Methods, Network, Peer, Protocol, Rate, Terms};
use msb_report::size;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A line for each rule, with where it stands in the policy.
pub(super) fn lines(plan: &Plan<'_>) -> Lines {
    let gateway = match &plan.network {
        Network::None => return vec![("none".to_owned(), None)],
        Network::Loopback => return vec![("its own loopback alone".to_owned(), None)],
        Network::Gateway(gateway) => gateway,
    };
    let mut lines: Lines = Vec::new();
    for rule in &gateway.rules {
        let verb = if rule.action == Action::Allow { "allow" } else { "deny" };
        let endpoint = format!("{} {}:{}", word(rule.protocol), peer(rule.peer, plan), ports(&rule.ports));
        let mut line = format!("{verb} {endpoint}{}", terms(&rule.terms, plan));
        if let Some(address) = inside(rule.peer) {
            line += &format!("  ({address} inside)");
        }
        lines.push((line, Some(rule.origin)));
    }
    for listen in &gateway.listens {
        lines.push((format!("listen {} host:{}", word(listen.protocol), listen.port), Some(listen.origin)));
    }
    for total in &gateway.totals {
        lines.push((format!("total{}", limits(&total.limits)), Some(total.origin)));
    }
    if let Some(trust) = &gateway.trust {
        lines.push((format!("certificates of the run at /{}", trust.file), Some(gateway.origin)));
    }
    lines.push((format!("nf_tables rules of {} bytes", gateway.batch.len()), Some(gateway.origin)));
    lines
}

/// The section as an object; `"none"` or `"loopback"` where nothing outside is reached.
pub(super) fn object(plan: &Plan<'_>, at: impl Fn(msb_plan::OriginId) -> Value) -> Value {
    let Gateway { batch, rules, totals, listens, trust, origin, .. } = match &plan.network {
        Network::None => return json!("none"),
        Network::Loopback => return json!("loopback"),
        Network::Gateway(gateway) => gateway,
    };
    json!({
        "rules": rules.iter().map(|rule| json!({
            "action": if rule.action == Action::Allow { "allow" } else { "deny" },
            "protocol": word(rule.protocol),
            "peer": peer(rule.peer, plan),
            "inside": inside(rule.peer),
            "ports": rule.ports,
            "only": rule.terms.only.as_ref().map(|only| json!({
                "methods": Methods::WORDS.iter().filter(|it| only.methods.contains(it)).collect::<Vec<_>>(),
                "paths": only.paths,
            })),
            "inject": rule.terms.inject.map(|index| parameter(index, plan)),
            "inspect": rule.terms.inspect,
            "optional": rule.terms.optional,
            "limits": limits_object(&rule.terms.limits),
            "origin": at(rule.origin),
        })).collect::<Vec<_>>(),
        "totals": totals.iter().map(|total| {
            json!({"limits": limits_object(&total.limits), "origin": at(total.origin)})
        }).collect::<Vec<_>>(),
        "listens": listens.iter().map(|listen| {
            json!({"protocol": word(listen.protocol), "port": listen.port, "origin": at(listen.origin)})
        }).collect::<Vec<_>>(),
        "certificates": trust.as_ref().map(|trust| format!("/{}", trust.file)),
        "nf_tables_bytes": batch.len(),
        "origin": at(*origin),
    })
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Tls => "tls",
        Protocol::Https => "https",
        Protocol::Http => "http",
    }
}

fn peer(peer: Peer<'_>, plan: &Plan<'_>) -> String {
    match peer {
        Peer::Name { name, .. } => format!("\"{name}\""),
        Peer::Below(name) => format!("\"*.{name}\""),
        Peer::V4 { first, bits: 32 } => Ipv4Addr::from(first).to_string(),
        Peer::V4 { first, bits } => format!("{}/{bits}", Ipv4Addr::from(first)),
        Peer::V6 { first, bits: 128 } => format!("[{}]", Ipv6Addr::from(first)),
        Peer::V6 { first, bits } => format!("[{}]/{bits}", Ipv6Addr::from(first)),
        Peer::Any => "any".to_owned(),
        Peer::Private => "private".to_owned(),
        Peer::Metadata => "metadata".to_owned(),
        Peer::Host => "host".to_owned(),
        Peer::Param { index, .. } => parameter(index, plan),
    }
}

fn parameter(index: u8, plan: &Plan<'_>) -> String {
    plan.params.get(usize::from(index)).map_or_else(|| "$?".to_owned(), |param| format!("${}", param.name))
}

/// The address that a name has inside.
fn inside(peer: Peer<'_>) -> Option<String> {
    match peer {
        Peer::Name { address, .. } | Peer::Param { address, .. } => Some(Ipv4Addr::from(address).to_string()),
        _ => None,
    }
}

/// `443`, `8000..8099`, `{80, 443}`; several ranges are not of the language, and all the clearer for it.
fn ports(ports: &[(u16, u16)]) -> String {
    let one = |&(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}..{last}") }
    };
    match ports {
        [single] => one(single),
        several => format!("{{{}}}", several.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

fn terms(terms: &Terms<'_>, plan: &Plan<'_>) -> String {
    let mut text = String::new();
    if let Some(only) = &terms.only {
        let methods: Vec<&str> =
            Methods::WORDS.iter().copied().filter(|word| only.methods.contains(word)).collect();
        text += &format!(" only {}", methods.join(", "));
        if !only.paths.is_empty() {
            text += &format!(" {}", only.paths.join(", "));
        }
    }
    if let Some(index) = terms.inject {
        text += &format!(" inject {}", parameter(index, plan));
    }
    if terms.inspect {
        text += " inspect";
    }
    if terms.optional {
        text += " optional";
    }
    text + &limits(&terms.limits)
}

fn limits(limits: &Limits) -> String {
    let mut text = String::new();
    if let Some(rate) = &limits.rate {
        text += &format!(" rate {} burst {}", per(rate), rate.burst);
    }
    for (bytes, direction) in
        [(limits.up_bytes, " up"), (limits.down_bytes, " down"), (limits.both_bytes, "")]
    {
        if let Some(bytes) = bytes {
            text += &format!(" quota {}{direction}", size(bytes));
        }
    }
    if let Some(connections) = limits.connections {
        text += &format!(" connections {connections}");
    }
    text
}

/// `120/min`.
fn per(rate: &Rate) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000, "s"), (60_000_000, "min"), (3_600_000_000, "h"), (86_400_000_000, "d")];
    match UNITS.iter().find(|(period, _)| *period == rate.period_us) {
        Some((_, unit)) => format!("{}/{unit}", rate.count),
        None => format!("{} in {} us", rate.count, rate.period_us),
    }
}

fn limits_object(limits: &Limits) -> Value {
    json!({
        "rate": limits.rate.map(|rate| json!({"count": rate.count, "period_us": rate.period_us, "burst": rate.burst})),
        "up_bytes": limits.up_bytes,
        "down_bytes": limits.down_bytes,
        "both_bytes": limits.both_bytes,
        "connections": limits.connections,
    })
}
