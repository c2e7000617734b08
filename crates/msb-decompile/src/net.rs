//! The network rules of a plan, read back.

use msb_host::{Host, Network as Range};
use msb_plan::network::{self, Network, Terms};
use msb_policy as ir;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What `plan` says of the network; `None` if it has a range of addresses that no rule can say.
pub(crate) fn net(
    plan: &msb_plan::Plan<'_>,
    origin: impl Fn(msb_plan::OriginId) -> ir::OriginId,
) -> Option<ir::Net> {
    let gateway = match &plan.network {
        Network::None => return Some(ir::Net::None { origin: origin(plan.policy.origin) }),
        Network::Loopback => {
            return Some(ir::Net::Rules { rules: Vec::new(), origin: origin(plan.policy.origin) });
        }
        Network::Gateway(gateway) => gateway,
    };
    let mut rules = Vec::new();
    for rule in &gateway.rules {
        let endpoint = ir::Endpoint {
            protocol: protocol(rule.protocol),
            peer: peer(rule.peer)?,
            ports: rule.ports.clone(),
        };
        let kind = match rule.action {
            network::Action::Allow => ir::NetKind::Allow { endpoint, terms: terms(&rule.terms) },
            network::Action::Deny => ir::NetKind::Deny(endpoint),
        };
        rules.push(ir::NetRule { kind, origin: origin(rule.origin) });
    }
    rules.extend(gateway.listens.iter().map(|listen| ir::NetRule {
        kind: ir::NetKind::Listen(published(listen)),
        origin: origin(listen.origin),
    }));
    rules.extend(gateway.totals.iter().map(|total| ir::NetRule {
        kind: ir::NetKind::Total(limits(&total.limits)),
        origin: origin(total.origin),
    }));
    Some(ir::Net::Rules { rules, origin: origin(gateway.origin) })
}

fn published(listen: &network::Listen) -> ir::Publish {
    let one = |address: IpAddr| ir::Peer::Host(Host::Address(Range::of(address)));
    let peer = match (listen.v4, listen.v6) {
        (Some(_), true) => ir::Peer::Loopback,
        (Some(address), false) => one(Ipv4Addr::from(address).into()),
        (None, _) => one(Ipv6Addr::LOCALHOST.into()),
    };
    let ports = vec![(listen.port, listen.port)];
    let at = ir::Endpoint { protocol: protocol(listen.protocol), peer, ports };
    ir::Publish { at, inside: Some(listen.inside).filter(|inside| *inside != listen.port) }
}

pub(crate) fn protocol(protocol: network::Protocol) -> ir::Protocol {
    match protocol {
        network::Protocol::Tcp => ir::Protocol::Tcp,
        network::Protocol::Udp => ir::Protocol::Udp,
        network::Protocol::Tls => ir::Protocol::Tls,
        network::Protocol::Https => ir::Protocol::Https,
        network::Protocol::Http => ir::Protocol::Http,
    }
}

pub(crate) fn peer(peer: network::Peer<'_>) -> Option<ir::Peer> {
    let range = |first: IpAddr, bits| Range::new(first, bits).map(|it| ir::Peer::Host(Host::Address(it)));
    Some(match peer {
        network::Peer::Name { name, .. } => ir::Peer::Host(Host::Name(name.to_owned())),
        network::Peer::Below(name) => ir::Peer::Host(Host::Below(name.to_owned())),
        network::Peer::V4 { first, bits } => range(Ipv4Addr::from(first).into(), bits)?,
        network::Peer::V6 { first, bits } => range(Ipv6Addr::from(first).into(), bits)?,
        network::Peer::Any => ir::Peer::Any,
        network::Peer::Private => ir::Peer::Private,
        network::Peer::Metadata => ir::Peer::Metadata,
        network::Peer::Host => ir::Peer::Loopback,
        network::Peer::Param { index, .. } => ir::Peer::Param(usize::from(index)),
    })
}

fn terms(terms: &Terms<'_>) -> ir::Terms {
    ir::Terms {
        only: terms.only.as_ref().map(|only| ir::Only {
            methods: ir::Method::ALL
                .iter()
                .filter(|(word, _)| only.methods.contains(word))
                .map(|(_, method)| *method)
                .collect(),
            paths: only.paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
        inject: terms.inject.map(usize::from),
        inspect: terms.inspect,
        optional: terms.optional,
        limits: limits(&terms.limits),
    }
}

fn limits(limits: &network::Limits) -> ir::NetLimits {
    ir::NetLimits {
        rate: limits.rate.map(|rate| ir::Rate {
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

/// Whether `variable` names the certificates of a run, which a policy with such rules brings by itself.
pub(crate) fn brings(plan: &msb_plan::Plan<'_>, variable: &ir::EnvKind) -> bool {
    let Network::Gateway(gateway) = &plan.network else { return false };
    let ir::EnvKind::Set { value: ir::Text::Literal(value), .. } = variable else { return false };
    let pem = gateway.trust.iter().map(|trust| format!("/{}", trust.file));
    let java = gateway.java_trust.iter().map(|trust| format!("-Djavax.net.ssl.trustStore=/{}", trust.file));
    pem.chain(java).any(|brought| brought == *value)
}
