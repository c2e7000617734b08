//! The connections at which policies can change their mind: rules say the same of everything between.

use super::peers::ByPeer;
use super::{Endpoint, Method, NetKind, Peer, Protocol, Sense, has_port, is_own_loopback};
use crate::{Connection, Policy};
use msb_host::{Host, METADATA_NAMES, Network};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which connections an endpoint stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that speak what it says.
    Asked,
    /// And what those carry: TLS and HTTP in a byte stream, each request of HTTP.
    Carried,
}

/// Where the network rules of policies begin and end.
///
/// Of those who are dialled, each name and range that a rule has, and one that none has; of ports, the ends of the
/// ranges that rules have for that host, and their neighbours.
#[derive(Debug, Clone)]
pub struct Borders<'p> {
    /// Whoever rules name, or begin or end at, each once and in order.
    peers: Vec<Peer>,
    /// The names among them, backwards and in order, and their places in `peers`.
    backwards: Vec<(String, usize)>,
    /// The endpoints of rules, and whether the rule is about some requests alone.
    endpoints: Vec<(&'p Endpoint, bool)>,
    by: ByPeer<'p>,
}

impl<'p> Borders<'p> {
    /// Those of the rules of `policies`.
    #[must_use]
    pub fn of(policies: &[&'p Policy]) -> Borders<'p> {
        let rules = policies.iter().flat_map(|policy| policy.net.rules());
        let endpoints = rules.filter_map(|rule| match &rule.kind {
            NetKind::Allow { endpoint, terms } => Some((endpoint, terms.only.is_some())),
            NetKind::Deny(endpoint) => Some((endpoint, false)),
            NetKind::Listen(_) | NetKind::Total(_) => None,
        });
        let endpoints: Vec<(&Endpoint, bool)> = endpoints.collect();
        let mut by = ByPeer::default();
        for (index, (endpoint, _)) in endpoints.iter().enumerate() {
            by.add(index, endpoint);
        }
        let named = endpoints.iter().map(|(endpoint, _)| &endpoint.peer);
        let mut peers: Vec<Peer> =
            named.chain(&[Peer::Metadata, Peer::Private]).flat_map(instances).collect();
        peers.sort();
        peers.dedup();
        let names = peers.iter().enumerate().filter_map(|(index, peer)| match peer {
            Peer::Host(Host::Name(name)) => Some((backwards(name), index)),
            _ => None,
        });
        let mut backwards: Vec<(String, usize)> = names.collect();
        backwards.sort();
        Borders { peers, backwards, endpoints, by }
    }

    /// The connections among those that `endpoint` stands for.
    pub fn connections(&self, endpoint: &Endpoint, which: Which) -> impl Iterator<Item = Connection> {
        let dialled: Vec<Dialled> =
            self.peers(&endpoint.peer).into_iter().map(|peer| self.dialled(peer, endpoint)).collect();
        let protocols = spoken(endpoint.protocol, which).iter().map(|protocol| (*protocol, None));
        let requests = spoken(endpoint.protocol, which)
            .iter()
            .filter(move |it| which == Which::Carried && matches!(it, Protocol::Https | Protocol::Http))
            .flat_map(|protocol| Method::ALL.iter().map(|(_, method)| (*protocol, Some(*method))));
        protocols.chain(requests).flat_map(move |(protocol, method)| {
            let asked = dialled.iter().filter(|it| method.is_none() || it.by_request);
            let all = asked.flat_map(|Dialled { peer, ports, .. }| {
                ports.iter().map(move |port| Connection { protocol, peer: peer.clone(), port: *port, method })
            });
            all.collect::<Vec<_>>()
        })
    }

    /// Whoever of the borders `peer` covers, in order.
    fn peers(&self, peer: &Peer) -> Vec<Peer> {
        let mut found: Vec<Peer> = match peer {
            Peer::Host(Host::Below(name)) => {
                let first = format!("{}.", backwards(name));
                let start = self.backwards.partition_point(|(name, _)| *name < first);
                let below =
                    self.backwards.iter().skip(start).take_while(|(name, _)| name.starts_with(&first));
                below.filter_map(|(_, index)| self.peers.get(*index)).cloned().collect()
            }
            Peer::Host(Host::Address(network)) => {
                let one = |address| Peer::Host(Host::Address(Network::of(address)));
                let (first, last) = (one(network.first()), one(network.last()));
                let start = self.peers.partition_point(|it| *it < first);
                self.peers.iter().skip(start).take_while(|it| **it <= last).cloned().collect()
            }
            Peer::Any | Peer::Private | Peer::Metadata => self.peers.clone(),
            Peer::Host(Host::Name(_)) | Peer::Loopback | Peer::Param(_) => Vec::new(),
        };
        // It may be of no rule.
        found.extend(instances(peer));
        let sense = if *peer == Peer::Any { Sense::Deny } else { Sense::Allow };
        found.retain(|it| peer.covers(it, sense) && !is_own_loopback(it));
        found.sort();
        found.dedup();
        found
    }

    fn dialled(&self, peer: Peer, endpoint: &Endpoint) -> Dialled {
        let near = self.by.near(&peer, &endpoint.ports);
        let mut by_request = false;
        let mut ports: Vec<u16> = endpoint.ports.iter().flat_map(|(first, last)| [*first, *last]).collect();
        for (other, some) in near.into_iter().filter_map(|index| self.endpoints.get(index)) {
            by_request |= some;
            for (first, last) in &other.ports {
                ports.extend([*first, *last, first.saturating_sub(1), last.saturating_add(1)]);
            }
        }
        ports.retain(|port| has_port(&endpoint.ports, *port));
        ports.sort_unstable();
        ports.dedup();
        Dialled { peer, ports, by_request }
    }
}

/// Somebody who is dialled, and the ports that matter.
struct Dialled {
    peer: Peer,
    ports: Vec<u16>,
    /// Whether a rule tells requests apart.
    by_request: bool,
}

fn spoken(protocol: Protocol, which: Which) -> &'static [Protocol] {
    match (which, protocol) {
        (Which::Carried, Protocol::Tcp) => &[Protocol::Tcp, Protocol::Tls, Protocol::Https, Protocol::Http],
        (Which::Carried, Protocol::Tls | Protocol::Https) => &[Protocol::Tls, Protocol::Https],
        (_, Protocol::Tcp) => &[Protocol::Tcp],
        (_, Protocol::Udp) => &[Protocol::Udp],
        (_, Protocol::Tls) => &[Protocol::Tls],
        (_, Protocol::Https) => &[Protocol::Https],
        (_, Protocol::Http) => &[Protocol::Http],
    }
}

fn backwards(name: &str) -> String {
    name.chars().rev().collect()
}

/// Hosts at the borders of what a peer stands for.
fn instances(peer: &Peer) -> Vec<Peer> {
    let name = |name: &str| Peer::Host(Host::Name(name.to_owned()));
    let address = |address| Peer::Host(Host::Address(Network::of(address)));
    let of = |network: &Network| {
        let (first, last) = (network.first(), network.last());
        vec![address(first), address(last), address(before(first)), address(after(last))]
    };
    match peer {
        // RFC 2606 and RFC 5737: what nobody has.
        Peer::Any => vec![name("any.example"), address([203, 0, 113, 1].into())],
        Peer::Private => {
            let ranges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "[fc00::]/7"];
            ranges.iter().filter_map(|range| Network::parse(range).ok()).flat_map(|it| of(&it)).collect()
        }
        Peer::Metadata => {
            let addresses = msb_host::METADATA.iter().map(|it| address(*it));
            addresses.chain(METADATA_NAMES.iter().map(|it| name(it))).collect()
        }
        Peer::Loopback | Peer::Param(_) => vec![peer.clone()],
        Peer::Host(Host::Name(it)) => vec![name(it)],
        Peer::Host(Host::Below(it)) => vec![name(&format!("any.{it}")), name(it)],
        Peer::Host(Host::Address(network)) => of(network),
    }
}

fn before(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(it) => Ipv4Addr::from(u32::from(it).saturating_sub(1)).into(),
        IpAddr::V6(it) => Ipv6Addr::from(u128::from(it).saturating_sub(1)).into(),
    }
}

fn after(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(it) => Ipv4Addr::from(u32::from(it).saturating_add(1)).into(),
        IpAddr::V6(it) => Ipv6Addr::from(u128::from(it).saturating_add(1)).into(),
    }
}
