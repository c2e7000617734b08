//! What the sets let through against `Policy::connect`, which shares no code with them.

use crate::reach::{Family, Reach, Transport, reach};
use crate::{Addresses, Error};
use msb_host::{Host, Kind, METADATA_NAMES, Network, borders, kind, parse};
use msb_plan::network::{HOST_V4, LEASED};
use msb_policy::{
    Connection, Endpoint, Exec, Limits, Net, NetKind, NetRule, OriginId, Peer, Policy, Protocol,
    SyscallAction, Terms,
};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use std::net::{IpAddr, Ipv4Addr};

/// `a.example`, `*.example`, `10.0.0.0/8`, `[2001:db8::]/32`, `any`, `private`, `metadata`, `host`, `$0`.
pub(super) fn peer(text: &str) -> Peer {
    match text {
        "any" => Peer::Any,
        "private" => Peer::Private,
        "metadata" => Peer::Metadata,
        "host" => Peer::Loopback,
        "$0" => Peer::Param(0),
        text => match Network::parse(text) {
            Ok(range) => Peer::Host(Host::Address(range)),
            Err(_) => Peer::Host(parse(text).expect("a host")),
        },
    }
}

/// `allow tcp a.example 80 443`: the last two are the ends of a range of ports. The line is 1.
pub(super) fn rule(text: &str) -> NetRule {
    let [verb, protocol, who, first, last] = text.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{text}")
    };
    let (_, protocol) = *Protocol::ALL.iter().find(|(word, _)| *word == protocol).expect("a protocol");
    let ports = vec![(first.parse().expect("a port"), last.parse().expect("a port"))];
    let endpoint = Endpoint { protocol, peer: peer(who), ports };
    let kind = match verb {
        "allow" => NetKind::Allow { endpoint, terms: Terms::default() },
        "deny" => NetKind::Deny(endpoint),
        _ => panic!("{text}"),
    };
    NetRule { kind, origin: OriginId(1) }
}

fn policy(rules: Vec<NetRule>) -> Policy {
    Policy {
        name: "p".into(),
        edition: 2026,
        origin: OriginId(0),
        params: Vec::new(),
        fs: Vec::new(),
        net: Net::Rules { rules, origin: OriginId(0) },
        syscalls: Vec::new(),
        syscall_default: (SyscallAction::Errno(1), OriginId(0)),
        archs: vec![msb_policy::Arch::X86_64],
        limits: Limits::default(),
        capabilities: (0, OriginId(0)),
        env: Vec::new(),
        exec: Exec {
            command: Vec::new(),
            uid: 1000,
            gid: 1000,
            cwd: None,
            hostname: "h".into(),
            terminal: None,
            origin: OriginId(0),
        },
        tools: Vec::new(),
        sandbox: msb_policy::Sandbox::default(),
        claims: Vec::new(),
        origins: Vec::new(),
    }
}

/// All of it, by family and transport.
struct Open([(Family, Transport, Vec<Reach>); 4]);

impl Open {
    fn of(rules: &[NetRule], addresses: &Addresses) -> Open {
        let one = |family, transport| (family, transport, reach(rules, addresses, family, transport));
        Open([
            one(Family::V4, Transport::Tcp),
            one(Family::V4, Transport::Udp),
            one(Family::V6, Transport::Tcp),
            one(Family::V6, Transport::Udp),
        ])
    }

    fn has(&self, address: IpAddr, transport: Transport, port: u16) -> bool {
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        self.0
            .iter()
            .filter(|(f, t, _)| (*f, *t) == (family, transport))
            .flat_map(|(_, _, all)| all)
            .any(|it| (it.first..=it.last).contains(&address) && (it.ports.0..=it.ports.1).contains(&port))
    }
}

const PEERS: &[&str] = &[
    "any",
    "private",
    "metadata",
    "host",
    "$0",
    "a.example",
    "b.example",
    "x.b.example",
    "*.example",
    "*.b.example",
    "metadata.google.internal",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3",
    "93.184.216.0/24",
    "0.0.0.0/0",
    "198.18.0.0/15",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "[2001:db8::]/32",
    "[2001:db8::1]",
    "[::]/0",
    "[fc00::]/7",
    "[64:ff9b::]/96",
];
const PORTS: &[u16] = &[1, 2, 79, 80, 81, 442, 443, 444, 65534, 65535];

fn rules() -> impl Strategy<Value = Vec<NetRule>> {
    let one = (any::<bool>(), 0..5usize, select(PEERS), select(PORTS), select(PORTS)).prop_map(
        |(allow, protocol, who, a, b)| {
            let verb = if allow { "allow" } else { "deny" };
            rule(&format!("{verb} {} {who} {} {}", Protocol::ALL[protocol].0, a.min(b), a.max(b)))
        },
    );
    proptest::collection::vec(one, 0..8)
}

/// Whether there is anything that the policy allows to be spoken there.
fn allows(policy: &Policy, peer: &Peer, transport: Transport, port: u16) -> bool {
    let spoken: &[Protocol] = match transport {
        Transport::Udp => &[Protocol::Udp],
        Transport::Tcp => &[Protocol::Tcp, Protocol::Tls, Protocol::Https, Protocol::Http],
    };
    spoken.iter().any(|protocol| {
        let one = Connection { protocol: *protocol, peer: peer.clone(), port, method: None };
        policy.connect(&one).action == SyscallAction::Allow
    })
}

fn neighbours(range: &Network) -> Vec<IpAddr> {
    let step = |address: IpAddr, by: i8| match address {
        IpAddr::V4(it) => IpAddr::V4(u32::from(it).wrapping_add_signed(by.into()).into()),
        IpAddr::V6(it) => IpAddr::V6(u128::from(it).wrapping_add_signed(by.into()).into()),
    };
    vec![range.first(), range.last(), step(range.first(), -1), step(range.last(), 1)]
}

/// Addresses that are the sandbox's own, whatever rules say. The policy calls one that carries a loopback address
/// (NAT64) loopback as well; the kernel does not, and refuses it.
fn is_own(address: IpAddr) -> bool {
    if kind(address) == Kind::Loopback {
        return true;
    }
    let ours = ["127.0.0.0/8", "198.18.0.0/15", "[::1]", "[2001:2::]/48"];
    let mapped = matches!(address, IpAddr::V6(it) if it.to_ipv4_mapped().is_some());
    mapped || ours.iter().any(|it| Network::parse(it).expect("a range").contains(address))
}

proptest! {
    /// At the ends of every range that a rule or a kind of address has, and next to them.
    #[test]
    fn addresses_are_open_exactly_where_the_policy_can_allow(rules in rules()) {
        let open = Open::of(&rules, &Addresses::of(&rules).expect("few names"));
        let ranges: Vec<Network> = PEERS.iter().filter_map(|it| Network::parse(it).ok()).collect();
        let policy = policy(rules);
        for address in ranges.into_iter().chain(borders()).flat_map(|it| neighbours(&it)) {
            let peer = Peer::Host(Host::Address(Network::of(address)));
            for transport in [Transport::Tcp, Transport::Udp] {
                for port in PORTS.iter().copied().filter(|_| !is_own(address)) {
                    let (open, allowed) = (open.has(address, transport, port), allows(&policy, &peer, transport, port));
                    prop_assert_eq!(open, allowed, "{} {:?} {}", address, transport, port);
                }
            }
        }
    }

    /// A name that rules have exactly: without parameters the sets say the same as the policy.
    #[test]
    fn names_are_open_exactly_where_the_policy_can_allow(rules in rules()) {
        let rules: Vec<NetRule> = rules.into_iter().filter(|it| !names_a_parameter(it)).collect();
        let addresses = Addresses::of(&rules).expect("few names");
        let open = Open::of(&rules, &addresses);
        let policy = policy(rules);
        let named: Vec<(Peer, Ipv4Addr)> = addresses
            .names()
            .map(|(name, at)| (peer(name), at))
            .chain([(Peer::Loopback, HOST_V4.into())])
            .collect();
        for (peer, at) in named {
            for transport in [Transport::Tcp, Transport::Udp] {
                for port in PORTS {
                    prop_assert_eq!(
                        open.has(at.into(), transport, *port),
                        allows(&policy, &peer, transport, *port),
                        "{:?} {:?} {}", peer, transport, port
                    );
                }
            }
        }
    }

    /// What only the gateway can decide is never refused by the sets.
    #[test]
    fn what_is_not_known_yet_is_open_where_the_policy_allows_it(rules in rules()) {
        let addresses = Addresses::of(&rules).expect("few names");
        let open = Open::of(&rules, &addresses);
        let policy = policy(rules);
        let mut places: Vec<(Peer, Ipv4Addr)> = Vec::new();
        let leased = ["y.example", "y.b.example", "other.test"].into_iter().chain(METADATA_NAMES.iter().copied());
        places.extend(leased.filter(|name| addresses.name(name).is_none()).map(|name| (peer(name), [LEASED[0], LEASED[1], 3, 4].into())));
        places.extend(addresses.param(0).map(|at| (Peer::Param(0), at)));
        for (peer, at) in places {
            for transport in [Transport::Tcp, Transport::Udp] {
                for port in PORTS.iter().filter(|port| allows(&policy, &peer, transport, **port)) {
                    prop_assert!(open.has(at.into(), transport, *port), "{:?} {:?} {}", peer, transport, port);
                }
            }
        }
    }

    /// The kernel refuses elements that overlap.
    #[test]
    fn boxes_are_disjoint(rules in rules()) {
        let Open(all) = Open::of(&rules, &Addresses::of(&rules).expect("few names"));
        for (_, _, boxes) in all {
            for (index, a) in boxes.iter().enumerate() {
                prop_assert!(a.first <= a.last && a.ports.0 <= a.ports.1 && a.ports.0 > 0);
                for b in &boxes[..index] {
                    let addresses = a.first <= b.last && b.first <= a.last;
                    let ports = a.ports.0 <= b.ports.1 && b.ports.0 <= a.ports.1;
                    prop_assert!(!(addresses && ports), "{:?} {:?}", a, b);
                }
            }
        }
    }

    /// Order and repetition mean nothing.
    #[test]
    fn order_changes_nothing(rules in rules().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle()))) {
        let batch = |rules: &[NetRule]| crate::compile(rules, &Addresses::of(rules)?, OriginId(0));
        prop_assert_eq!(batch(&rules.0), batch(&rules.1));
    }
}

fn names_a_parameter(rule: &NetRule) -> bool {
    matches!(&rule.kind, NetKind::Allow { endpoint, .. } | NetKind::Deny(endpoint) if endpoint.peer == Peer::Param(0))
}

#[test]
fn everything_else_is_shut() {
    let rules = [rule("allow https a.example 443 443"), rule("allow tcp 93.184.216.0/24 80 90")];
    let addresses = Addresses::of(&rules).expect("few names");
    let shown: Vec<String> = reach(&rules, &addresses, Family::V4, Transport::Tcp)
        .iter()
        .map(|it| format!("{}-{} {}-{}", it.first, it.last, it.ports.0, it.ports.1))
        .collect();
    assert_eq!(shown, ["93.184.216.0-93.184.216.255 80-90", "198.18.1.0-198.18.1.0 443-443"]);
    assert_eq!(reach(&rules, &addresses, Family::V4, Transport::Udp), []);
    assert_eq!(reach(&rules, &addresses, Family::V6, Transport::Tcp), []);
}

/// 65,280 addresses are there for names.
#[test]
fn too_many_names_are_an_error() {
    let of = |count: usize| {
        let rules: Vec<NetRule> =
            (0..count).map(|index| rule(&format!("allow tls n{index}.example 443 443"))).collect();
        Addresses::of(&rules).err()
    };
    assert_eq!(of(0xff00), None);
    assert_eq!(of(0xff01), Some(Error::Names { count: 0xff01 }));
}

/// `count` addresses with 200 ports each.
pub(super) fn many(count: u8) -> Vec<NetRule> {
    let one = |index| {
        let mut rule = rule(&format!("allow tcp 20.0.0.{} 1 1", 2 * index));
        if let NetKind::Allow { endpoint, .. } = &mut rule.kind {
            endpoint.ports = (1..=200).map(|port| (3 * port, 3 * port + 1)).collect();
        }
        rule
    };
    (0..count).map(one).collect()
}

#[test]
fn too_many_addresses_are_an_error() {
    let found = crate::compile(&many(30), &Addresses::default(), OriginId(0));
    assert!(matches!(found, Err(Error::TooLong { bytes }) if bytes > 200_000), "{found:?}");
}
