use super::*;
use msb_host::{Host, Network, parse};

fn peer(text: &str) -> Peer {
    match text {
        "any" => Peer::Any,
        "private" => Peer::Private,
        "metadata" => Peer::Metadata,
        "host" => Peer::Loopback,
        "$0" => Peer::Param(0),
        text if text.contains('/') => Peer::Host(Host::Address(Network::parse(text).expect("a range"))),
        text => Peer::Host(parse(text).expect("a host")),
    }
}

fn to(protocol: Protocol, text: &str, ports: (u16, u16)) -> Endpoint {
    Endpoint { protocol, peer: peer(text), ports: vec![ports] }
}

pub(super) fn allow(endpoint: Endpoint, origin: u32) -> NetRule {
    NetRule { kind: NetKind::Allow { endpoint, terms: Terms::default() }, origin: OriginId(origin) }
}

fn deny(endpoint: Endpoint, origin: u32) -> NetRule {
    NetRule { kind: NetKind::Deny(endpoint), origin: OriginId(origin) }
}

pub(crate) fn with(rules: Vec<NetRule>) -> Policy {
    let net = Net::Rules { rules, origin: OriginId(500) };
    Policy { net, ..policy(Vec::new(), SyscallAction::Errno(1)) }
}

fn makes(policy: &Policy, protocol: Protocol, text: &str, port: u16) -> bool {
    let one = Connection { protocol, peer: peer(text), port, method: None };
    policy.connect(&one).action == SyscallAction::Allow
}

#[test]
fn a_connection_is_made_to_whom_a_rule_names() {
    use Protocol::{Http, Https, Tcp, Tls, Udp};
    let policy = with(vec![
        allow(to(Https, "api.example.org", (443, 443)), 1),
        allow(to(Tcp, "*.wiki.example", (80, 90)), 2),
        allow(to(Tcp, "10.0.0.0/8", (22, 22)), 3),
        allow(to(Udp, "any", (53, 53)), 4),
        deny(to(Tcp, "evil.wiki.example", (1, u16::MAX)), 5),
        deny(to(Udp, "metadata", (1, u16::MAX)), 6),
    ]);
    let cases = [
        (Https, "api.example.org", 443, true),
        (Tls, "api.example.org", 443, true),
        (Tcp, "api.example.org", 443, false),
        (Http, "api.example.org", 443, false),
        (Https, "api.example.org", 444, false),
        (Https, "xapi.example.org", 443, false),
        (Http, "en.wiki.example", 80, true),
        (Tcp, "a.b.wiki.example", 90, true),
        (Tcp, "wiki.example", 80, false),
        (Tcp, "xwiki.example", 80, false),
        (Tcp, "evil.wiki.example", 80, false),
        (Tcp, "10.9.8.7", 22, true),
        (Tcp, "11.0.0.0", 22, false),
        (Udp, "93.184.216.34", 53, true),
        (Udp, "example.net", 53, true),
        (Udp, "10.0.0.1", 53, false),
        (Udp, "169.254.169.254", 53, false),
        (Udp, "metadata.google.internal", 53, false),
        (Tcp, "127.0.0.1", 4000, true),
        (Tcp, "host", 4000, false),
    ];
    for (protocol, text, port, expected) in cases {
        assert_eq!(makes(&policy, protocol, text, port), expected, "{protocol:?} {text}:{port}");
    }
}

#[test]
fn without_a_network_nothing_is_reached() {
    let policy = policy(Vec::new(), SyscallAction::Errno(1));
    for text in ["example.org", "127.0.0.1", "host", "any", "$0"] {
        assert!(!makes(&policy, Protocol::Tcp, text, 443), "{text}");
    }
    let asked = Published { protocol: Protocol::Tcp, address: LOOPBACK[0], port: 80, inside: None };
    assert_eq!(policy.listen(&asked).action, SyscallAction::Errno(13));
}

pub(super) fn listen(at: Endpoint, inside: Option<u16>, origin: u32) -> NetRule {
    NetRule { kind: NetKind::Listen(Publish { at, inside }), origin: OriginId(origin) }
}

#[test]
fn a_port_is_published_where_a_rule_says_so() {
    let policy = with(vec![
        listen(to(Protocol::Tcp, "host", (8000, 8010)), None, 1),
        listen(to(Protocol::Https, "127.0.0.2", (443, 443)), Some(8443), 2),
        listen(to(Protocol::Udp, "::1", (0, 0)), Some(53), 3),
    ]);
    let asks = |protocol, address: &str, port, inside| {
        let address = address.parse().expect("an address");
        let decision = policy.listen(&Published { protocol, address, port, inside });
        (decision.action == SyscallAction::Allow).then_some(decision.origin).flatten().map(|it| it.0)
    };
    let cases = [
        (Protocol::Tcp, "127.0.0.1", 8005, None, Some(1)),
        (Protocol::Tcp, "::1", 8005, Some(8005), Some(1)),
        // What a byte stream carries is not looked at.
        (Protocol::Http, "127.0.0.1", 8005, None, Some(1)),
        (Protocol::Tcp, "127.0.0.1", 8005, Some(80), None),
        (Protocol::Tcp, "127.0.0.2", 8005, None, None),
        (Protocol::Tcp, "127.0.0.1", 8011, None, None),
        (Protocol::Udp, "127.0.0.1", 8005, None, None),
        (Protocol::Tcp, "127.0.0.2", 443, Some(8443), Some(2)),
        (Protocol::Tcp, "127.0.0.2", 443, Some(443), None),
        (Protocol::Tcp, "127.0.0.1", 443, None, None),
        (Protocol::Udp, "::1", 0, Some(53), Some(3)),
        (Protocol::Udp, "::1", 53, None, None),
        (Protocol::Udp, "127.0.0.1", 0, None, None),
    ];
    for (protocol, address, port, inside, expected) in cases {
        let found = asks(protocol, address, port, inside);
        assert_eq!(found, expected, "{protocol:?} {address}:{port} at {inside:?}");
    }
}

#[test]
fn methods_are_part_of_a_request() {
    let only = Some(Only { methods: vec![Method::Get], paths: Vec::new() });
    let endpoint = to(Protocol::Https, "example.org", (443, 443));
    let narrow = NetKind::Allow { endpoint: endpoint.clone(), terms: Terms { only, ..Terms::default() } };
    let (narrow, wide) =
        (with(vec![NetRule { kind: narrow, origin: OriginId(1) }]), with(vec![allow(endpoint, 1)]));
    assert_eq!(narrow.widenings(&wide, By::Host), []);
    let found = wide.widenings(&narrow, By::Host);
    assert!(
        matches!(&found[..], [Widening { what: Wider::Connect(it), .. }] if it.method == Some(Method::Head))
    );
}

/// Policies with one rule for one host, on these terms.
fn on_terms(terms: &[Terms]) -> Policy {
    let endpoint = to(Protocol::Https, "example.org", (443, 443));
    let rules = terms.iter().zip(1..).map(|(terms, origin)| NetRule {
        kind: NetKind::Allow { endpoint: endpoint.clone(), terms: terms.clone() },
        origin: OriginId(origin),
    });
    with(rules.collect())
}

fn only(paths: &[&str]) -> Terms {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Terms { only: Some(Only { methods: vec![Method::Get], paths }), ..Terms::default() }
}

#[track_caller]
fn wider(child: &[Terms], parent: &[Terms], expected: &[&str]) {
    let (child, parent) = (on_terms(child), on_terms(parent));
    let found = child.widenings(&parent, By::Host);
    let found: Vec<String> = found.iter().map(|it| it.what.describe(&child, &parent)).collect();
    assert_eq!(found, expected);
}

#[test]
fn terms_are_part_of_what_is_allowed() {
    let plain = Terms::default();
    let inject = Terms { inject: Some(0), ..Terms::default() };
    let inspect = Terms { inspect: true, ..Terms::default() };
    let rated = |count| Terms {
        limits: NetLimits {
            rate: Some(Rate { count, period_us: 1_000_000, burst: count }),
            ..NetLimits::default()
        },
        ..Terms::default()
    };
    let quota = |bytes| Terms {
        limits: NetLimits { down_bytes: Some(bytes), connections: Some(4), ..NetLimits::default() },
        ..Terms::default()
    };
    let host = "connect https \"example.org\":443";
    wider(&[only(&["/v1/*"])], &[only(&["/v1/**"])], &[]);
    wider(&[only(&["/v1/**"])], &[only(&["/v1/*"])], &[&format!("{host} only GET /v1/**")]);
    wider(&[only(&["/a", "/b"])], &[only(&["/b"]), only(&["/a"])], &[]);
    wider(&[only(&[])], &[only(&["/b"])], &[&format!("{host} only GET /**")]);
    wider(&[only(&["/b"])], std::slice::from_ref(&plain), &[]);
    let other = Terms { inject: Some(1), ..Terms::default() };
    wider(std::slice::from_ref(&inject), std::slice::from_ref(&plain), &[]);
    wider(std::slice::from_ref(&inject), std::slice::from_ref(&other), &[&format!("{host} inject $")]);
    wider(std::slice::from_ref(&inject), &[other, inject.clone()], &[]);
    wider(std::slice::from_ref(&inject), std::slice::from_ref(&inject), &[]);
    wider(
        std::slice::from_ref(&plain),
        std::slice::from_ref(&inspect),
        &[&format!("{host} without `inspect`")],
    );
    wider(&[inspect], std::slice::from_ref(&plain), &[]);
    wider(&[rated(5)], &[rated(5)], &[]);
    wider(&[rated(6)], &[rated(5)], &["rate", "burst"]);
    wider(std::slice::from_ref(&plain), &[rated(5)], &["rate", "burst"]);
    wider(std::slice::from_ref(&plain), &[rated(5), plain.clone()], &[]);
    wider(&[quota(100)], &[quota(100)], &[]);
    wider(&[quota(101)], &[quota(100)], &["quota"]);
    // Two that take from one limit.
    let halves = [Terms { inspect: true, ..rated(3) }, rated(3)];
    wider(&halves, &[rated(6)], &[]);
    wider(&halves, &[rated(5)], &["rate", "burst"]);
}

/// What a pattern of paths stands for, by its definition.
fn stands_for(pattern: &[char], path: &[char]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (['*', '*', rest @ ..], _) => (0..=path.len()).any(|taken| stands_for(rest, &path[taken..])),
        (['*', rest @ ..], _) => {
            let component = path.iter().position(|&c| c == '/').unwrap_or(path.len());
            (0..=component).any(|taken| stands_for(rest, &path[taken..]))
        }
        (['?', rest @ ..], [first, left @ ..]) => *first != '/' && stands_for(rest, left),
        ([one, rest @ ..], [first, left @ ..]) => one == first && stands_for(rest, left),
        _ => false,
    }
}

fn any_peer() -> impl Strategy<Value = Peer> {
    prop::sample::select(vec![
        "any",
        "private",
        "metadata",
        "host",
        "$0",
        "example.org",
        "a.example.org",
        "*.example.org",
        "*.a.example.org",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "93.184.216.0/24",
        "93.184.216.34",
        "0.0.0.0/0",
        "169.254.169.254",
    ])
    .prop_map(peer)
}

/// One that can be dialled.
fn any_host() -> impl Strategy<Value = Peer> {
    prop::sample::select(vec![
        "host",
        "$0",
        "example.org",
        "a.example.org",
        "b.a.example.org",
        "other.net",
        "10.0.0.1",
        "10.1.255.255",
        "10.2.0.0",
        "93.184.216.34",
        "93.184.217.0",
        "8.8.8.8",
        "169.254.169.254",
        "192.168.1.1",
        "metadata",
    ])
    .prop_map(|text| if text == "metadata" { Peer::Host(Host::Name(text.to_owned())) } else { peer(text) })
}

fn any_protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(Protocol::ALL.map(|(_, protocol)| protocol).to_vec())
}

pub(super) fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let ports = prop::sample::select(vec![(1, u16::MAX), (80, 80), (443, 443), (80, 443), (442, 444)]);
    (any_protocol(), any_peer(), ports).prop_map(|(protocol, peer, ports)| Endpoint {
        protocol,
        peer,
        ports: vec![ports],
    })
}

pub(super) fn any_net_rule() -> impl Strategy<Value = NetRule> {
    let method = prop::option::weighted(0.3, any_method());
    let dialled =
        (any_endpoint(), any::<bool>(), method, 0..50u32).prop_map(|(endpoint, allows, method, origin)| {
            let only = method.map(|method| Only { methods: vec![method], paths: Vec::new() });
            let terms = Terms { only, ..Terms::default() };
            let kind = if allows { NetKind::Allow { endpoint, terms } } else { NetKind::Deny(endpoint) };
            NetRule { kind, origin: OriginId(origin) }
        });
    let published = (any_protocol(), any_loopback(), any_inside(), 0..50u32).prop_map(
        |(protocol, (text, ports), inside, origin)| listen(to(protocol, text, ports), inside, origin),
    );
    prop_oneof![4 => dialled, 1 => published]
}

fn any_loopback() -> impl Strategy<Value = (&'static str, (u16, u16))> {
    let hosts = prop::sample::select(vec!["host", "127.0.0.1", "127.0.0.2", "::1"]);
    (hosts, prop::sample::select(vec![(80, 80), (79, 81), (0, 0)]))
}

fn any_inside() -> impl Strategy<Value = Option<u16>> {
    prop::option::of(prop::sample::select(vec![80, 81]))
}

pub(super) fn any_published() -> impl Strategy<Value = Published> {
    let address = prop::sample::select(vec!["127.0.0.1", "127.0.0.2", "::1"]);
    (any_protocol(), address, prop::sample::select(vec![0, 79, 80]), any_inside()).prop_map(
        |(protocol, address, port, inside)| {
            let address = address.parse().expect("an address");
            Published { protocol, address, port, inside }
        },
    )
}

pub(super) fn any_connection() -> impl Strategy<Value = Connection> {
    let port = prop::sample::select(vec![1, 79, 80, 81, 442, 443, 444, 445, u16::MAX]);
    let method = prop::option::of(any_method());
    (any_protocol(), any_host(), port, method).prop_map(|(protocol, peer, port, method)| {
        let method = method.filter(|_| matches!(protocol, Protocol::Https | Protocol::Http));
        Connection { protocol, peer, port, method }
    })
}

fn any_method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::Get, Method::Post])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_order_of_network_rules_changes_nothing(
        rules in prop::collection::vec(any_net_rule(), 0..6),
        connection in any_connection(),
        seed in any::<prop::sample::Index>(),
    ) {
        let before = with(rules.clone()).connect(&connection);
        let mut moved = rules;
        if !moved.is_empty() {
            let middle = seed.index(moved.len());
            moved.push(moved[middle].clone());
            moved.rotate_left(middle);
            moved.reverse();
        }
        prop_assert_eq!(with(moved).connect(&connection), before);
    }

    #[test]
    fn what_covers_an_endpoint_accepts_all_of_it(
        wide in any_endpoint(),
        narrow in any_endpoint(),
        connection in any_connection(),
    ) {
        if wide.covers(&narrow) && narrow.accepts(&connection) {
            prop_assert!(wide.accepts(&connection));
        }
        prop_assert!(wide.covers(&wide));
    }

    #[test]
    fn a_deny_never_opens_a_connection(
        rules in prop::collection::vec(any_net_rule(), 0..6),
        denied in any_endpoint(),
        connection in any_connection(),
    ) {
        let before = with(rules.clone()).connect(&connection).action;
        let after = with([rules, vec![deny(denied, 99)]].concat()).connect(&connection).action;
        prop_assert!(after != SyscallAction::Allow || before == SyscallAction::Allow);
    }

    /// Where no widening is found there is no connection that one makes and the other refuses.
    #[test]
    fn no_connection_is_wider_that_is_not_found(
        child in prop::collection::vec(any_net_rule(), 0..5),
        parent in prop::collection::vec(any_net_rule(), 0..5),
        connection in any_connection(),
    ) {
        let (child, parent) = (with(child), with(parent));
        if child.widenings(&parent, By::Host).is_empty() && child.connect(&connection).action == SyscallAction::Allow {
            prop_assert_eq!(parent.connect(&connection).action, SyscallAction::Allow);
        }
        prop_assert_eq!(child.widenings(&child, By::Host), []);
    }
}

proptest! {
    /// One pattern covers another only if it stands for all that the other does.
    #[test]
    fn a_pattern_that_covers_another_stands_for_all_of_it(
        wide in "/[ab/*?]{0,5}",
        narrow in "/[ab/*?]{0,5}",
        paths in prop::collection::vec("/[ab/]{0,6}", 20),
    ) {
        let characters = |text: &str| text.chars().collect::<Vec<char>>();
        // A run of stars is as many as two of them.
        if crate::terms::covers(&wide, &narrow) && !wide.contains("***") && !narrow.contains("***") {
            for path in paths {
                let one = characters(&path);
                prop_assert!(
                    !stands_for(&characters(&narrow), &one) || stands_for(&characters(&wide), &one),
                    "{wide} covers {narrow}, and not {path}"
                );
            }
        }
        prop_assert!(crate::terms::covers(&wide, &wide));
        prop_assert!(crate::terms::covers("/**", &narrow));
    }
}
