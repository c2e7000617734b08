//! Rules of the network by whom they are about and on which port, for who asks about many connections.

use super::{Endpoint, Net, NetKind, NetRule, Peer};
use crate::{Connection, Decision, Policy};
use msb_host::{Host, Network};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The network rules of a policy, to decide many connections.
#[derive(Debug, Clone)]
pub struct Connections<'p> {
    net: &'p Net,
    rules: &'p [NetRule],
    by: ByPeer<'p>,
}

impl<'p> Connections<'p> {
    /// Those of `policy`.
    #[must_use]
    pub fn of(policy: &'p Policy) -> Connections<'p> {
        let rules = policy.net.rules();
        let mut by = ByPeer::default();
        for (index, rule) in rules.iter().enumerate() {
            if let NetKind::Allow { endpoint, .. } | NetKind::Deny(endpoint) = &rule.kind {
                by.add(index, endpoint);
            }
        }
        Connections { net: &policy.net, rules, by }
    }

    /// Decides a connection, as [`Policy::connect`].
    #[must_use]
    pub fn decide(&self, connection: &Connection) -> Decision {
        let about = self.about(connection);
        self.net.decide(connection, |_| about.iter().copied())
    }

    /// The rules that may allow or deny `connection`, in their order.
    #[must_use]
    pub fn about(&self, connection: &Connection) -> Vec<&'p NetRule> {
        let about = self.by.about(&connection.peer, connection.port);
        about.into_iter().filter_map(|index| self.rules.get(index)).collect()
    }
}

/// Endpoints by their peers and ports; each is a place in a list of the caller's.
#[derive(Debug, Clone, Default)]
pub struct ByPeer<'p> {
    all: HashMap<Key<'p>, ByPort>,
    /// How many bits networks share, IPv4 and IPv6.
    bits: [BTreeSet<u8>; 2],
}

/// Whom an endpoint is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key<'p> {
    Name(&'p str),
    Below(&'p str),
    Addresses(Network),
    /// None of these.
    Other(&'p Peer),
}

#[derive(Debug, Clone, Default)]
struct ByPort {
    /// With one port.
    one: BTreeMap<u16, Vec<usize>>,
    /// With more.
    many: Vec<usize>,
}

impl<'p> ByPeer<'p> {
    /// Adds `endpoint`, which is item `index`.
    pub fn add(&mut self, index: usize, endpoint: &'p Endpoint) {
        let key = match &endpoint.peer {
            Peer::Host(Host::Name(name)) => Key::Name(name),
            Peer::Host(Host::Below(name)) => Key::Below(name),
            Peer::Host(Host::Address(network)) => {
                self.bits[usize::from(network.first().is_ipv6())].insert(network.bits());
                Key::Addresses(*network)
            }
            other => Key::Other(other),
        };
        let ports = self.all.entry(key).or_default();
        match endpoint.ports.as_slice() {
            [(first, last)] if first == last => ports.one.entry(*first).or_default().push(index),
            _ => ports.many.push(index),
        }
    }

    /// Those that may cover a connection to `peer` on `port`, in order.
    #[must_use]
    pub fn about(&self, peer: &Peer, port: u16) -> Vec<usize> {
        self.near(peer, &[(port, port)])
    }

    /// Those that may cover a connection to `peer` on one of `ports`, or on a port beside them, in order.
    pub(crate) fn near(&self, peer: &Peer, ports: &[(u16, u16)]) -> Vec<usize> {
        let mut found = Vec::new();
        for by_port in self.keys(peer).iter().filter_map(|key| self.all.get(key)) {
            found.extend(&by_port.many);
            for (first, last) in ports {
                let beside = first.saturating_sub(1)..=last.saturating_add(1);
                found.extend(by_port.one.range(beside).flat_map(|(_, items)| items));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whatever may cover `peer`.
    fn keys<'k>(&self, peer: &'k Peer) -> Vec<Key<'k>> {
        let mut keys = vec![Key::Other(&Peer::Any)];
        match peer {
            Peer::Host(Host::Name(name)) => {
                keys.extend([Key::Name(name), Key::Other(&Peer::Metadata)]);
                keys.extend(
                    name.match_indices('.').filter_map(|(dot, _)| name.get(dot + 1..)).map(Key::Below),
                );
            }
            Peer::Host(Host::Below(_)) => {}
            Peer::Host(Host::Address(network)) => {
                keys.extend([Key::Other(&Peer::Private), Key::Other(&Peer::Metadata)]);
                let bits = &self.bits[usize::from(network.first().is_ipv6())];
                let above = bits.range(..=network.bits());
                keys.extend(above.map(|bits| Key::Addresses(Network::containing(network.first(), *bits))));
            }
            Peer::Any => {}
            other => keys.push(Key::Other(other)),
        }
        keys
    }
}
