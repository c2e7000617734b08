//! What must hold of the network section.

use super::{HOST, Invalid, NO_KIND, SECRET, distinct, ensure, origin, param};
use crate::network::{
    Action, BATCH_BYTES_MAX, CLAIMS_MAX, Claim, FIXED, Gateway, LISTENS_MAX, Limits, Listen, NAME_BYTES_MAX,
    Network, Only, PATHS_MAX, PORTS_MAX, Peer, Protocol, RULES_MAX, Rule, TOTALS_MAX, TRUST_PLACES_MAX,
    Terms, Trust,
};
use crate::{Base, ORIGINS_MAX, Path, Plan};

/// Bytes of `struct nlmsghdr`; linux/netlink.h.
const HEADER_BYTES: usize = 16;
/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END` of linux/netfilter/nfnetlink.h.
const BATCH: [u16; 2] = [16, 17];
/// `NFNL_SUBSYS_NFTABLES` of linux/netfilter/nfnetlink.h: the high byte of a message's type.
const NFTABLES: u16 = 10;

pub(super) fn network(plan: &Plan<'_>) -> Result<(), Invalid> {
    let Network::Gateway(gateway) = &plan.network else { return Ok(()) };
    let within = gateway.batch.len() <= BATCH_BYTES_MAX
        && gateway.refusals.len() <= BATCH_BYTES_MAX
        && gateway.marks.len() <= ORIGINS_MAX
        && gateway.rules.len() <= RULES_MAX
        && gateway.totals.len() <= TOTALS_MAX
        && gateway.listens.len() <= LISTENS_MAX
        && gateway.claims.len() <= CLAIMS_MAX;
    ensure(within, Invalid::TooLong)?;
    origin(plan, gateway.origin)?;
    batch(gateway.batch).and(batch(gateway.refusals))?;
    marks(plan, gateway)?;
    gateway.rules.iter().try_for_each(|it| rule(plan, it))?;
    distinct(&gateway.rules, |one, other| !agree(one.peer, other.peer)).map_err(|_| Invalid::Network)?;
    gateway.claims.iter().try_for_each(|it| claim(plan, it))?;
    for total in &gateway.totals {
        limits(&total.limits).and(origin(plan, total.origin))?;
    }
    for listen in &gateway.listens {
        origin(plan, listen.origin)?;
        ensure(listen.inside != 0, Invalid::Value)?;
        ensure(listen.v4.is_some() || listen.v6, Invalid::Value)?;
        ensure(listen.v4.is_none_or(|[first, ..]| first == 127), Invalid::Value)?;
    }
    let datagrams = |listen: &Listen| listen.protocol == Protocol::Udp;
    // One that is free is another each time.
    distinct(&gateway.listens, |one, other| {
        one.port == other.port
            && one.port != 0
            && datagrams(one) == datagrams(other)
            && ((one.v4.is_some() && one.v4 == other.v4) || (one.v6 && other.v6))
    })?;
    // Without the certificate no program would trust what the gateway ends; with it and no reason, it is a risk.
    let reads = |it: &Rule<'_>| {
        it.action == Action::Allow && it.protocol == Protocol::Https && it.terms.reads_requests()
    };
    ensure(gateway.trust.is_some() == gateway.rules.iter().any(reads), Invalid::Network)?;
    ensure(gateway.trust.is_some() == gateway.java_trust.is_some(), Invalid::Network)?;
    if let (Some(pem), Some(java)) = (&gateway.trust, &gateway.java_trust) {
        ensure(pem.file != java.file, Invalid::Duplicate)?;
        trust(plan, pem).and(trust(plan, java))?;
    }
    Ok(())
}

/// Messages one after another, from the one that begins a batch to the one that ends it, those between for
/// nf_tables alone.
fn batch(bytes: &[u8]) -> Result<(), Invalid> {
    let mut rest = bytes;
    let mut index = 0;
    let mut last = 0;
    while !rest.is_empty() {
        let (header, _) = rest.split_first_chunk::<HEADER_BYTES>().ok_or(Invalid::Network)?;
        let [a, b, c, d, e, f, ..] = *header;
        // Headers are in the order of the machine, and every architecture that a plan can be for is little endian.
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let kind = u16::from_le_bytes([e, f]);
        ensure(length >= HEADER_BYTES && length.is_multiple_of(4), Invalid::Network)?;
        let first = index == 0;
        ensure(first == (kind == BATCH[0]) && last != BATCH[1], Invalid::Network)?;
        ensure(BATCH.contains(&kind) || kind >> 8 == NFTABLES, Invalid::Network)?;
        rest = rest.get(length..).ok_or(Invalid::Network)?;
        last = kind;
        index += 1;
    }
    ensure(last == BATCH[1], Invalid::Network)
}

fn marks(plan: &Plan<'_>, gateway: &Gateway<'_>) -> Result<(), Invalid> {
    gateway.marks.iter().try_for_each(|mark| origin(plan, mark.origin))?;
    let rise = gateway.marks.windows(2).all(|pair| match pair {
        [a, b] => a.offset_bytes < b.offset_bytes,
        _ => true,
    });
    ensure(rise, Invalid::Network)
}

fn rule(plan: &Plan<'_>, rule: &Rule<'_>) -> Result<(), Invalid> {
    origin(plan, rule.origin)?;
    peer(plan, rule.peer)?;
    ports(&rule.ports)?;
    ensure(rule.action == Action::Allow || rule.terms == Terms::default(), Invalid::Network)?;
    terms(plan, rule)
}

fn ports(ports: &[(u16, u16)]) -> Result<(), Invalid> {
    ensure(!ports.is_empty() && ports.len() <= PORTS_MAX, Invalid::Network)?;
    ensure(ports.iter().all(|(first, last)| *first > 0 && first <= last), Invalid::Network)?;
    let rise = ports.windows(2).all(|pair| match pair {
        [(_, last), (next, _)] => u32::from(*last) + 1 < u32::from(*next),
        _ => true,
    });
    ensure(rise, Invalid::Network)
}

fn claim(plan: &Plan<'_>, claim: &Claim<'_>) -> Result<(), Invalid> {
    origin(plan, claim.origin).and(ports(&claim.ports))?;
    match claim.peer {
        Peer::Name { name: it, address } => name(it).and(ensure(address == [0; 4], Invalid::Network)),
        Peer::Param { index, address } => {
            param(plan, index, HOST).and(ensure(address == [0; 4], Invalid::Network))
        }
        other => peer(plan, other),
    }
}

fn terms(plan: &Plan<'_>, rule: &Rule<'_>) -> Result<(), Invalid> {
    let Terms { only, inject, inspect, limits: of, .. } = &rule.terms;
    let read = matches!(rule.protocol, Protocol::Https | Protocol::Http);
    ensure(read || (only.is_none() && inject.is_none() && !inspect), Invalid::Network)?;
    if let Some(Only { methods, paths }) = only {
        ensure(methods.0 != 0 && methods.0 < 1 << crate::network::Methods::WORDS.len(), Invalid::Network)?;
        ensure(paths.len() <= PATHS_MAX, Invalid::TooLong)?;
        paths.iter().try_for_each(|path| super::text(path))?;
    }
    if let Some(index) = inject {
        param(plan, *index, SECRET)?;
        // Whoever is dialled gets the secret: it must be one host, and only that host may read it.
        let one = matches!(rule.peer, Peer::Name { .. } | Peer::Param { .. });
        ensure(one && rule.protocol == Protocol::Https, Invalid::Network)?;
    }
    limits(of)
}

fn limits(limits: &Limits) -> Result<(), Invalid> {
    let counted = [limits.up_bytes, limits.down_bytes, limits.both_bytes, limits.connections.map(u64::from)];
    ensure(counted.into_iter().flatten().all(|value| value > 0), Invalid::Value)?;
    let whole = limits.rate.is_none_or(|it| it.count > 0 && it.period_us > 0 && it.burst > 0);
    ensure(whole, Invalid::Value)
}

fn peer(plan: &Plan<'_>, peer: Peer<'_>) -> Result<(), Invalid> {
    match peer {
        Peer::Name { name: it, address } => name(it).and(fixed(address)),
        Peer::Param { index, address } => param(plan, index, HOST).and(fixed(address)),
        Peer::Below(it) => name(it),
        Peer::V4 { first, bits } => {
            let rest = u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
            ensure(bits <= 32 && u32::from_be_bytes(first) & rest == 0, Invalid::Network)
        }
        Peer::V6 { first, bits } => {
            let rest = u128::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
            ensure(bits <= 128 && u128::from_be_bytes(first) & rest == 0, Invalid::Network)
        }
        Peer::Any | Peer::Private | Peer::Metadata | Peer::Host => Ok(()),
    }
}

fn name(name: &str) -> Result<(), Invalid> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(plain);
    ensure(name.len() <= NAME_BYTES_MAX && name.split('.').all(label), Invalid::Name)
}

/// Above the addresses that mean something to the gateway, below those that it leases.
fn fixed([a, b, c, _]: [u8; 4]) -> Result<(), Invalid> {
    ensure([a, b] == FIXED && c > 0, Invalid::Network)
}

/// One name has one address, one address has one name.
fn agree(a: Peer<'_>, b: Peer<'_>) -> bool {
    let address = |peer| match peer {
        Peer::Name { address, .. } | Peer::Param { address, .. } => Some(address),
        _ => None,
    };
    let same = match (a, b) {
        (Peer::Name { name: a, .. }, Peer::Name { name: b, .. }) => a == b,
        (Peer::Param { index: a, .. }, Peer::Param { index: b, .. }) => a == b,
        _ => false,
    };
    match (address(a), address(b)) {
        (Some(a), Some(b)) => (a == b) == same,
        _ => true,
    }
}

fn trust(plan: &Plan<'_>, trust: &Trust<'_>) -> Result<(), Invalid> {
    ensure(trust.places.len() <= TRUST_PLACES_MAX, Invalid::TooLong)?;
    let inside = |rest| Path { base: Base::Root, rest };
    for place in trust.places.iter().chain([&trust.file]) {
        super::path(plan, &inside(place), NO_KIND)?;
        ensure(!place.is_empty(), Invalid::Path)?;
    }
    // Written through a mount, it would land on the host.
    ensure(!plan.mounts.iter().any(|it| super::covers(&it.target, &inside(trust.file))), Invalid::Path)?;
    ensure(plan.files.iter().all(|file| file.path != inside(trust.file)), Invalid::Duplicate)
}
