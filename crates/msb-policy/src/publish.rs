//! Ports of the sandbox that the host's loopback has: rules that publish them, and what they say of one.

use crate::{Decision, Endpoint, Net, NetKind, OriginId, Peer, Policy, Protocol, SyscallAction};
use msb_host::{Host, Kind, Network, kind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// EACCES: what bind gives where nothing is published.
const EACCES: u16 = 13;

/// What `host` stands for where a port is published.
pub const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Ports of the sandbox that the host has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Publish {
    /// Where on the host: its loopback, or one address of it. Port 0 is one that is free, which the launch chooses.
    pub at: Endpoint,
    /// The port inside, where it is another.
    pub inside: Option<u16>,
}

/// A port of the host that programs of the host dial to reach the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// What is spoken: datagrams, or a byte stream, of which nothing is read.
    pub protocol: Protocol,
    /// Its address.
    pub address: IpAddr,
    /// The port; 0 is one that is free.
    pub port: u16,
    /// The port inside; `None` is any.
    pub inside: Option<u16>,
}

/// Whether `address` is one of the host's loopback.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    kind(address) == Kind::Loopback
}

impl Publish {
    /// The port inside that `port` of the host is.
    #[must_use]
    pub fn inside(&self, port: u16) -> u16 {
        self.inside.unwrap_or(port)
    }

    /// The addresses of the host that have the ports.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        addresses(&self.at.peer)
    }

    /// Each of its ports, by each address.
    pub fn each(&self) -> impl Iterator<Item = Published> {
        let ports = self.at.ports.iter().flat_map(|(first, last)| *first..=*last);
        ports.flat_map(move |port| {
            let inside = Some(self.inside(port));
            let one = move |address| Published { protocol: self.at.protocol, address, port, inside };
            self.addresses().into_iter().map(one)
        })
    }

    fn covers(&self, asked: &Published) -> bool {
        let datagrams = |protocol| protocol == Protocol::Udp;
        datagrams(self.at.protocol) == datagrams(asked.protocol)
            && self.at.ports.iter().any(|(first, last)| (*first..=*last).contains(&asked.port))
            && asked.inside.is_none_or(|inside| inside == self.inside(asked.port))
            && self.addresses().contains(&asked.address)
    }
}

fn addresses(peer: &Peer) -> Vec<IpAddr> {
    match peer {
        Peer::Loopback => LOOPBACK.to_vec(),
        Peer::Host(Host::Address(one)) if one.is_one() && is_loopback(one.first()) => vec![one.first()],
        _ => Vec::new(),
    }
}

impl Policy {
    /// The rules that publish ports, with their lines.
    pub fn publishes(&self) -> impl Iterator<Item = (&Publish, OriginId)> {
        let rules = match &self.net {
            Net::None { .. } => &[],
            Net::Rules { rules, .. } => rules.as_slice(),
        };
        rules.iter().filter_map(|rule| match &rule.kind {
            NetKind::Listen(publish) => Some((publish, rule.origin)),
            _ => None,
        })
    }

    /// Decides whether a port of the sandbox can be reached at `asked`.
    #[must_use]
    pub fn listen(&self, asked: &Published) -> Decision {
        let refused = |origin| Decision { action: SyscallAction::Errno(EACCES), origin };
        if let Net::None { origin } = self.net {
            return refused(Some(origin));
        }
        match self.publishes().filter(|(it, _)| it.covers(asked)).map(|(_, origin)| origin).min() {
            Some(origin) => Decision { action: SyscallAction::Allow, origin: Some(origin) },
            None => refused(None),
        }
    }

    /// Ports at which the policy can change its mind, among those that `endpoint` stands for, at each address of it: the
    /// ends of its ranges and of those that rules publish, and the neighbours of these.
    #[must_use]
    pub fn published(&self, endpoint: &Endpoint, inside: Option<u16>) -> Vec<Published> {
        let asked: Vec<IpAddr> = match &endpoint.peer {
            Peer::Any => {
                LOOPBACK.into_iter().chain(self.publishes().flat_map(|(it, _)| it.addresses())).collect()
            }
            other => addresses(other),
        };
        let within = |port: &u16| endpoint.ports.iter().any(|(first, last)| (*first..=*last).contains(port));
        let ends = |ports: &[(u16, u16)]| ports.iter().flat_map(|(a, b)| [*a, *b]).collect::<Vec<u16>>();
        let mut ports = ends(&endpoint.ports);
        let known = self.publishes().flat_map(|(it, _)| ends(&it.at.ports));
        let around = |port: u16| [port.saturating_sub(1), port, port.saturating_add(1)];
        ports.extend(known.flat_map(around).filter(within));
        // What rules publish first: who asks is shown that.
        ports.sort_unstable_by_key(|port| {
            let known =
                self.publishes().any(|(it, _)| it.at.ports.iter().any(|(a, b)| (*a..=*b).contains(port)));
            (!known, *port)
        });
        ports.dedup();
        let one = |port: u16| {
            let protocol = endpoint.protocol;
            asked.iter().map(move |address| Published { protocol, address: *address, port, inside })
        };
        ports.into_iter().flat_map(one).collect()
    }
}

impl Published {
    /// As a claim would say it, at `host` or another place.
    #[must_use]
    pub fn describe(&self, host: &str) -> String {
        let inside = self.inside.filter(|inside| *inside != self.port);
        let inside = inside.map_or_else(String::new, |inside| format!(" at {inside}"));
        format!("listen {} {host}:{}{inside}", self.protocol.word(), self.port)
    }

    /// Its address, as a rule says it.
    #[must_use]
    pub fn host(&self) -> String {
        Network::of(self.address).to_string()
    }
}
