//! Which addresses and ports any rule can allow: disjoint boxes, denies taken away.
//!
//! Addresses are cut where any rule or kind of address begins or ends; between two cuts, rules say the same of every
//! one. What a connection carries is not known to the kernel, so that one is let through if there is anything that it
//! may carry which the rules allow.

use crate::Addresses;
use msb_host::{Host, Kind, METADATA_NAMES, borders, kind};
use msb_plan::network::{HOST_V4, LEASED};
use msb_policy::{Endpoint, NetKind, NetRule, OriginId, Peer, Protocol};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

/// What ports belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// Addresses and ports from a first to a last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reach {
    pub(crate) first: IpAddr,
    pub(crate) last: IpAddr,
    pub(crate) ports: (u16, u16),
    /// A line that allows some of it.
    pub(crate) origin: OriginId,
}

/// What lies at an address inside.
enum Place<'a> {
    Name(&'a str),
    /// Any name that no rule has exactly.
    Leased,
    Param(usize),
    Loopback,
    /// The address itself, and every other one up to the next cut.
    Address(IpAddr),
}

/// 198.18.0.0/15, 2001:2::/48 and the loopback: what lies there inside is never what lies there outside.
/// ::ffff:0:0/96, IPv4 addresses written as IPv6, are IPv4 when they are sent.
const OURS: [(IpAddr, IpAddr); 5] = [
    (v4(198, 18, 0), v4(198, 19, 255)),
    (v4(127, 0, 0), v4(127, 255, 255)),
    (IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 1)), IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 1))),
    (
        IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff)),
    ),
    (
        IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)),
        IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xffff, 0xffff)),
    ),
];

/// The first or last address of a range that ends with a third byte.
const fn v4(a: u8, b: u8, c: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, c))
}

fn is_ours(address: IpAddr) -> bool {
    OURS.iter().any(|(first, last)| (*first..=*last).contains(&address))
}

/// What `rules` can allow, by address.
pub(crate) fn reach(
    rules: &[NetRule],
    addresses: &Addresses,
    family: Family,
    transport: Transport,
) -> Vec<Reach> {
    let mut all: Vec<Reach> = Vec::new();
    for (first, last) in pieces(rules, family) {
        if !is_ours(first) {
            add(&mut all, first, last, ports(rules, &Place::Address(first), transport));
        }
    }
    if family == Family::V4 {
        let mut inside: Vec<(Ipv4Addr, Ipv4Addr, Place<'_>)> = Vec::new();
        inside.push((HOST_V4.into(), HOST_V4.into(), Place::Loopback));
        inside.extend(addresses.params().map(|(index, at)| (at, at, Place::Param(index))));
        inside.extend(addresses.names().map(|(name, at)| (at, at, Place::Name(name))));
        let [a, b] = LEASED;
        inside.push(([a, b, 0, 0].into(), [a, b, 255, 255].into(), Place::Leased));
        for (first, last, place) in inside {
            add(&mut all, first.into(), last.into(), ports(rules, &place, transport));
        }
    }
    all.sort();
    all
}

/// Adds a piece, or lengthens the one before it that has the same ports.
fn add(all: &mut Vec<Reach>, first: IpAddr, last: IpAddr, ports: Vec<(u16, u16, OriginId)>) {
    let before: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, it)| next(it.last) == Some(first))
        .map(|(index, _)| index)
        .collect();
    let same = before.len() == ports.len()
        && before.iter().zip(&ports).all(|(index, (from, to, _))| all[*index].ports == (*from, *to));
    if same && !ports.is_empty() {
        before.into_iter().for_each(|index| all[index].last = last);
    } else {
        all.extend(ports.into_iter().map(|(from, to, origin)| Reach {
            first,
            last,
            ports: (from, to),
            origin,
        }));
    }
}

/// The ports on which something can be allowed to what lies at `place`, each range with a line that allows it.
fn ports(rules: &[NetRule], place: &Place<'_>, transport: Transport) -> Vec<(u16, u16, OriginId)> {
    let kinds: &[Protocol] = match transport {
        Transport::Tcp => &[Protocol::Tcp, Protocol::Tls, Protocol::Http],
        Transport::Udp => &[Protocol::Udp],
    };
    let mut open: Vec<(u32, u32, OriginId)> = Vec::new();
    for spoken in kinds {
        let denied: Vec<(u16, u16)> = rules
            .iter()
            .filter_map(|rule| match &rule.kind {
                NetKind::Deny(it) if refuses(it, *spoken) && surely(&it.peer, place) => Some(&it.ports),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        for rule in rules {
            let NetKind::Allow { endpoint, .. } = &rule.kind else { continue };
            if accepts(endpoint, *spoken) && perhaps(&endpoint.peer, place) {
                for &(first, last) in &endpoint.ports {
                    let left = without(u32::from(first), u32::from(last), &denied);
                    open.extend(left.into_iter().map(|(first, last)| (first, last, rule.origin)));
                }
            }
        }
    }
    joined(open)
}

/// Whether an allow covers a connection that speaks so.
fn accepts(endpoint: &Endpoint, spoken: Protocol) -> bool {
    match endpoint.protocol {
        Protocol::Udp | Protocol::Http => endpoint.protocol == spoken,
        Protocol::Tcp => spoken != Protocol::Udp,
        Protocol::Tls | Protocol::Https => spoken == Protocol::Tls,
    }
}

/// Whether a deny covers a connection that speaks so: one of which nothing is known may carry what is denied.
fn refuses(endpoint: &Endpoint, spoken: Protocol) -> bool {
    match endpoint.protocol {
        Protocol::Udp => spoken == Protocol::Udp,
        Protocol::Tcp => spoken != Protocol::Udp,
        Protocol::Tls | Protocol::Https => matches!(spoken, Protocol::Tcp | Protocol::Tls),
        Protocol::Http => matches!(spoken, Protocol::Tcp | Protocol::Http),
    }
}

/// Whether `peer`, of an allow, covers something that lies at `place`.
fn perhaps(peer: &Peer, place: &Place<'_>) -> bool {
    match (peer, place) {
        (Peer::Any, Place::Name(name)) => !METADATA_NAMES.contains(name),
        (Peer::Any, Place::Leased | Place::Param(_)) => true,
        (Peer::Any, Place::Address(it)) => kind(*it) == Kind::Public,
        (Peer::Any, Place::Loopback) => false,
        // A parameter may name what a rule names, or one of the names that it covers.
        (Peer::Host(Host::Name(_) | Host::Below(_)) | Peer::Metadata, Place::Param(_)) => true,
        (Peer::Host(Host::Below(_)) | Peer::Metadata, Place::Leased) => true,
        // The gateway knows by then whether a parameter names this.
        (Peer::Param(_), Place::Name(_)) => true,
        _ => surely(peer, place),
    }
}

/// Whether `peer` covers everything that lies at `place`.
fn surely(peer: &Peer, place: &Place<'_>) -> bool {
    match (peer, place) {
        // Of a deny; an allow has been looked at.
        (Peer::Any, _) | (Peer::Loopback, Place::Loopback) => true,
        (Peer::Private, Place::Address(it)) => kind(*it) == Kind::Private,
        (Peer::Metadata, Place::Address(it)) => kind(*it) == Kind::Metadata,
        (Peer::Metadata, Place::Name(name)) => METADATA_NAMES.contains(name),
        (Peer::Param(rule), Place::Param(one)) => rule == one,
        (Peer::Host(Host::Name(rule)), Place::Name(name)) => rule == name,
        (Peer::Host(Host::Below(rule)), Place::Name(name)) => {
            name.strip_suffix(rule.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        (Peer::Host(Host::Address(range)), Place::Address(it)) => range.contains(*it),
        _ => false,
    }
}

/// What is left of a range of ports.
fn without(first: u32, last: u32, denied: &[(u16, u16)]) -> Vec<(u32, u32)> {
    let mut left = vec![(first, last)];
    for &(from, to) in denied {
        let (from, to) = (u32::from(from), u32::from(to));
        left = left
            .into_iter()
            .flat_map(|(first, last)| {
                let below = (first < from).then(|| (first, last.min(from - 1)));
                let above = (last > to).then(|| (first.max(to + 1), last));
                if last < from || first > to { [Some((first, last)), None] } else { [below, above] }
            })
            .flatten()
            .collect();
    }
    left
}

/// The same ports in ranges that neither meet nor touch, with the line of the first of each.
fn joined(mut ranges: Vec<(u32, u32, OriginId)>) -> Vec<(u16, u16, OriginId)> {
    ranges.sort_unstable();
    let mut all: Vec<(u32, u32, OriginId)> = Vec::new();
    for (first, last, origin) in ranges {
        match all.last_mut() {
            Some(it) if first <= it.1 + 1 => it.1 = it.1.max(last),
            _ => all.push((first, last, origin)),
        }
    }
    let port = |it| u16::try_from(it).unwrap_or(u16::MAX);
    all.into_iter().map(|(first, last, origin)| (port(first), port(last), origin)).collect()
}

/// All addresses of a family, cut where a rule or a kind begins or ends.
fn pieces(rules: &[NetRule], family: Family) -> Vec<(IpAddr, IpAddr)> {
    let of_rules = rules.iter().filter_map(|rule| match &rule.kind {
        NetKind::Allow { endpoint, .. } | NetKind::Deny(endpoint) => match &endpoint.peer {
            Peer::Host(Host::Address(range)) => Some(*range),
            _ => None,
        },
        _ => None,
    });
    let mut starts: BTreeSet<IpAddr> = BTreeSet::new();
    starts.insert(match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    });
    let ranges = of_rules.chain(borders()).map(|it| (it.first(), it.last()));
    for (first, last) in ranges.chain(OURS) {
        if first.is_ipv4() == (family == Family::V4) {
            starts.insert(first);
            starts.extend(next(last));
        }
    }
    let starts: Vec<IpAddr> = starts.into_iter().collect();
    let end = match family {
        Family::V4 => Ipv4Addr::BROADCAST.into(),
        Family::V6 => Ipv6Addr::from(u128::MAX).into(),
    };
    let ends = starts.iter().skip(1).filter_map(|it| before(*it)).chain([end]);
    starts.iter().copied().zip(ends).collect()
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(it) => u32::from(it).checked_add(1).map(|it| Ipv4Addr::from(it).into()),
        IpAddr::V6(it) => u128::from(it).checked_add(1).map(|it| Ipv6Addr::from(it).into()),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(it) => u32::from(it).checked_sub(1).map(|it| Ipv4Addr::from(it).into()),
        IpAddr::V6(it) => u128::from(it).checked_sub(1).map(|it| Ipv6Addr::from(it).into()),
    }
}
