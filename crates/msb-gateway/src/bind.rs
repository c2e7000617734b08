//! From the plan's network section, with parameters bound, to what the gateway decides by.

use crate::claims::Claim;
use crate::rules::{
    Allow, Deny, Endpoint, Limits, Only, Peer, Protocol, Rate, Refusal, Rules, Target, Total,
};
use msb_host::{Host, Network as Range};
use msb_plan::network::{self, Action, Gateway, Methods};
use msb_plan::{Origin, OriginId, Param, ParamKind};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The rules, and the names that have an address inside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bound {
    /// What is allowed and refused.
    pub rules: Rules,
    /// Exact names and their addresses.
    pub names: Vec<(String, Ipv4Addr)>,
    /// What the policy asserts of connections.
    pub claims: Vec<Claim>,
    /// The hosts that parameters name.
    pub given: Vec<Host>,
}

/// Why parameters do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadBinding {
    /// What is wrong, in words.
    pub why: String,
    /// The line that needs it, or that denies it.
    pub origin: OriginId,
    /// Which kind of wrong, for the launcher's report.
    pub errno: Errno,
}

/// What `--set` gave, or the plan's own values.
#[must_use]
pub fn value<'a>(param: &Param<'a>, given: &'a BTreeMap<String, String>) -> Option<&'a str> {
    given.get(param.name).map(String::as_str).or(param.default)
}

/// Binds the section's parameters.
///
/// # Errors
/// When a host has no value, or one that is no host.
pub fn bind(
    gateway: &Gateway<'_>,
    params: &[Param<'_>],
    given: &BTreeMap<String, String>,
) -> Result<Bound, BadBinding> {
    let mut bound = Bound::default();
    bound.rules.params = params.iter().map(|param| param.name.to_owned()).collect();
    for rule in &gateway.rules {
        let bad = |(errno, why)| BadBinding { why, origin: rule.origin, errno };
        let (peer, address) = peer(&rule.peer, params, given).map_err(bad)?;
        if let (Peer::Host(Host::Name(name)), Some(address)) = (&peer, address)
            && !bound.names.iter().any(|(known, _)| known == name)
        {
            bound.names.push((name.clone(), address));
        }
        let endpoint = Endpoint { protocol: protocol(rule.protocol), peer, ports: rule.ports.clone() };
        let origin = rule.origin.0;
        match rule.action {
            Action::Deny => bound.rules.deny.push(Deny { endpoint, origin }),
            Action::Allow => bound.rules.allow.push(Allow {
                endpoint,
                only: rule.terms.only.as_ref().map(|only| Only {
                    methods: methods(only.methods),
                    paths: only.paths.iter().map(|path| (*path).to_owned()).collect(),
                }),
                inject: rule.terms.inject.map(usize::from),
                inspect: rule.terms.inspect,
                limits: limits(&rule.terms.limits),
                origin,
            }),
        }
    }
    for claim in &gateway.claims {
        let bad = |(errno, why)| BadBinding { why, origin: claim.origin, errno };
        let (peer, _) = peer(&claim.peer, params, given).map_err(bad)?;
        let endpoint = Endpoint { protocol: protocol(claim.protocol), peer, ports: claim.ports.clone() };
        bound.claims.push(Claim { endpoint, expected: claim.expected, origin: claim.origin });
    }
    let hosts = params.iter().filter(|param| param.kind == ParamKind::Host);
    // One that is no host was refused above, where a rule needs it.
    bound.given = hosts.filter_map(|param| msb_host::parse(value(param, given)?).ok()).collect();
    bound.rules.totals = gateway
        .totals
        .iter()
        .map(|total| Total { limits: limits(&total.limits), origin: total.origin.0 })
        .collect();
    for rule in &gateway.rules {
        if let (network::Peer::Param { index, .. }, Action::Allow) = (&rule.peer, rule.action) {
            denied(&bound, rule, params.get(usize::from(*index)), given)?;
        }
    }
    Ok(bound)
}

/// That some connection which a rule allows to a host that was given is not denied: the compiler says so of other hosts.
fn denied(
    bound: &Bound,
    rule: &network::Rule<'_>,
    param: Option<&Param<'_>>,
    given: &BTreeMap<String, String>,
) -> Result<(), BadBinding> {
    let text = param.and_then(|param| value(param, given)).unwrap_or_default();
    let Ok(Host::Name(name)) = msb_host::parse(text) else { return Ok(()) };
    let spoken = protocol(rule.protocol);
    let target = Target::Name(name);
    // Denies begin and end at these.
    let ends = bound.rules.deny.iter().flat_map(|deny| &deny.endpoint.ports);
    let ends = ends.filter_map(|(_, last)| last.checked_add(1));
    let within = |port: &u16| rule.ports.iter().any(|(first, last)| (*first..=*last).contains(port));
    let ports = rule.ports.iter().map(|(first, _)| *first).chain(ends.filter(within));
    let mut by = None;
    for port in ports {
        match bound.rules.denied(spoken, &target, port) {
            Some(Refusal::Rule(origin)) => by = Some(OriginId(origin)),
            _ => return Ok(()),
        }
    }
    let why = format!("`{text}`, given for `${}`, is denied", param.map_or("?", |param| param.name));
    by.map_or(Ok(()), |origin| Err(BadBinding { why, origin, errno: Errno::CONNREFUSED }))
}

/// The name that `text`, given for a parameter, is.
///
/// An address has no rule of nf_tables for it in a finished plan, and a pattern no address.
fn given_name(text: &str, param: &str) -> Result<String, (Errno, String)> {
    let (errno, why) = match msb_host::parse(text) {
        Ok(Host::Name(name)) if is_reserved(&name) => {
            (Errno::ACCESS, "is named by the policy itself or not at all")
        }
        Ok(Host::Name(name)) => return Ok(name),
        Ok(Host::Address(_)) => (Errno::AFNOSUPPORT, "is an address: a parameter stands for a name"),
        Ok(Host::Below(_)) => (Errno::NOTUNIQ, "is many names: a parameter stands for one"),
        // As people write addresses of IPv6, without brackets.
        Err(_) if Range::parse(text).is_ok() || Range::parse(&format!("[{text}]")).is_ok() => {
            (Errno::AFNOSUPPORT, "is an address: a parameter stands for a name")
        }
        Err(_) => (Errno::INVAL, "is no name of a host"),
    };
    Err((errno, format!("`{text}`, given for `${param}`, {why}")))
}

/// Names that mean the host itself, a metadata service, or a word of the language.
fn is_reserved(name: &str) -> bool {
    const WORDS: [&str; 3] = ["any", "private", "metadata"];
    let is_localhost = name == "localhost" || name.ends_with(".localhost") || name == "localhost.localdomain";
    is_localhost
        || WORDS.contains(&name)
        || network::HOST_NAMES.contains(&name)
        || msb_host::METADATA_NAMES.contains(&name)
}

fn peer(
    peer: &network::Peer<'_>,
    params: &[Param<'_>],
    given: &BTreeMap<String, String>,
) -> Result<(Peer, Option<Ipv4Addr>), (Errno, String)> {
    Ok(match *peer {
        network::Peer::Name { name, address } => {
            (Peer::Host(Host::Name(name.to_owned())), Some(address.into()))
        }
        network::Peer::Below(name) => (Peer::Host(Host::Below(name.to_owned())), None),
        network::Peer::V4 { first, bits } => (range(IpAddr::V4(Ipv4Addr::from(first)), bits)?, None),
        network::Peer::V6 { first, bits } => (range(IpAddr::V6(Ipv6Addr::from(first)), bits)?, None),
        network::Peer::Any => (Peer::Any, None),
        network::Peer::Private => (Peer::Private, None),
        network::Peer::Metadata => (Peer::Metadata, None),
        network::Peer::Host => (Peer::Loopback, None),
        network::Peer::Param { index, address } => {
            let param = params.get(usize::from(index)).filter(|param| param.kind == ParamKind::Host);
            let param = param.ok_or_else(|| (Errno::SRCH, "no such parameter".to_owned()))?;
            let text = value(param, given);
            let text = text.ok_or_else(|| (Errno::INVAL, format!("`${}` has no value", param.name)))?;
            let name = given_name(text, param.name)?;
            (Peer::Host(Host::Name(name)), Some(address.into()))
        }
    })
}

fn range(first: IpAddr, bits: u8) -> Result<Peer, (Errno, String)> {
    let text = format!("{first}/{bits}");
    Range::parse(&text)
        .map(|range| Peer::Host(Host::Address(range)))
        .map_err(|_| (Errno::INVAL, format!("`{text}` is no range")))
}

const fn protocol(protocol: network::Protocol) -> Protocol {
    match protocol {
        network::Protocol::Tcp => Protocol::Tcp,
        network::Protocol::Udp => Protocol::Udp,
        network::Protocol::Tls => Protocol::Tls,
        network::Protocol::Https => Protocol::Https,
        network::Protocol::Http => Protocol::Http,
    }
}

fn methods(methods: Methods) -> Vec<String> {
    Methods::WORDS.iter().filter(|word| methods.contains(word)).map(|word| (*word).to_owned()).collect()
}

fn limits(limits: &network::Limits) -> Limits {
    Limits {
        rate: limits.rate.map(|rate| Rate {
            count: rate.count,
            period_us: rate.period_us,
            burst: rate.burst,
        }),
        up_bytes: limits.up_bytes,
        down_bytes: limits.down_bytes,
        both_bytes: limits.both_bytes,
        connections: limits.connections,
    }
}

/// A line of the policy, in words.
#[must_use]
pub fn shown(origins: &[Origin<'_>], id: OriginId) -> String {
    origins.get(usize::from(id.0)).map_or_else(String::new, |it| format!("{}:{}", it.file, it.line))
}

#[cfg(test)]
#[path = "tests/bind.rs"]
mod tests;
