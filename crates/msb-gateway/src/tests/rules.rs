use super::*;
use msb_policy::{
    Connection, Decision, Endpoint as OracleEndpoint, HttpRequest, Method, Net, NetKind, NetRule,
    Only as OracleOnly, OriginId, Peer as OraclePeer, Policy, Protocol as OracleProtocol, SyscallAction,
    Terms,
};
use proptest::prelude::*;

/// Hosts that rules and programs of the property are about.
const HOSTS: [&str; 12] = [
    "a.example",
    "b.a.example",
    "c.b.a.example",
    "*.a.example",
    "*.b.a.example",
    "xa.example",
    "metadata.google.internal",
    "203.0.113.7",
    "203.0.113.0/24",
    "10.1.2.3",
    "169.254.169.254",
    "2001:db8::1",
];

fn host(text: &str) -> Host {
    match msb_host::parse(text) {
        Ok(host) => host,
        Err(_) => Host::Address(Network::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad:?}"))),
    }
}

const PROTOCOLS: [(Protocol, OracleProtocol); 5] = [
    (Protocol::Tcp, OracleProtocol::Tcp),
    (Protocol::Udp, OracleProtocol::Udp),
    (Protocol::Tls, OracleProtocol::Tls),
    (Protocol::Https, OracleProtocol::Https),
    (Protocol::Http, OracleProtocol::Http),
];

/// One rule of both models: whether it allows, what is spoken, whom, ports, methods.
type Both = (bool, usize, usize, (u16, u16), Option<usize>);

fn peers(index: usize) -> (Peer, OraclePeer) {
    match index {
        0 => (Peer::Any, OraclePeer::Any),
        1 => (Peer::Private, OraclePeer::Private),
        2 => (Peer::Metadata, OraclePeer::Metadata),
        3 => (Peer::Loopback, OraclePeer::Loopback),
        other => {
            let host = host(HOSTS[(other - 4) % HOSTS.len()]);
            (Peer::Host(host.clone()), OraclePeer::Host(host))
        }
    }
}

fn models(rules: &[Both]) -> (Rules, Policy) {
    let (mut mine, mut theirs) = (Rules::default(), Vec::new());
    for (line, (allows, protocol, peer, ports, methods)) in (0_u16..).zip(rules) {
        let (protocol, oracle_protocol) = PROTOCOLS[*protocol];
        let (peer, oracle_peer) = peers(*peer);
        let endpoint = Endpoint { protocol, peer, ports: vec![*ports] };
        let oracle = OracleEndpoint { protocol: oracle_protocol, peer: oracle_peer, ports: vec![*ports] };
        let chosen = methods.filter(|_| matches!(protocol, Protocol::Http | Protocol::Https));
        let kind = if *allows {
            let word = chosen.map(|method| Method::ALL[method]);
            mine.allow.push(Allow {
                endpoint,
                only: word.map(|(word, _)| Only { methods: vec![word.to_owned()], paths: vec![] }),
                inject: None,
                inspect: false,
                limits: Limits::default(),
                origin: line,
            });
            let only = word.map(|(_, method)| OracleOnly { methods: vec![method], paths: vec![] });
            NetKind::Allow { endpoint: oracle, terms: Terms { only, ..Terms::default() } }
        } else {
            mine.deny.push(Deny { endpoint, origin: line });
            NetKind::Deny(oracle)
        };
        theirs.push(NetRule { kind, origin: OriginId(line.into()) });
    }
    (mine, policy(theirs))
}

fn policy(rules: Vec<NetRule>) -> Policy {
    let origin = OriginId(0);
    Policy {
        name: "test".to_owned(),
        edition: 2026,
        origin,
        params: Vec::new(),
        fs: Vec::new(),
        net: Net::Rules { rules, origin },
        syscalls: Vec::new(),
        syscall_default: (SyscallAction::Errno(1), origin),
        archs: vec![msb_policy::Arch::X86_64],
        limits: msb_policy::Limits::default(),
        capabilities: (0, origin),
        env: Vec::new(),
        exec: msb_policy::Exec {
            command: Vec::new(),
            uid: 1000,
            gid: 1000,
            cwd: None,
            hostname: "sandbox".to_owned(),
            terminal: None,
            origin,
        },
        tools: Vec::new(),
        sandbox: msb_policy::Sandbox::default(),
        claims: Vec::new(),
        origins: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever the policy's plain-code oracle says of a connection or a request, the gateway says too.
    #[test]
    fn decides_as_the_oracle(
        rules in prop::collection::vec(
            (any::<bool>(), 0..5_usize, 0..4 + HOSTS.len(), (79..82_u16, 0..3_u16), prop::option::of(0..7_usize)),
            0..6,
        ),
        spoken in 0..5_usize,
        whom in 0..HOSTS.len() + 1,
        port in 78..84_u16,
        method in 0..7_usize,
    ) {
        let rules: Vec<Both> = rules
            .into_iter()
            .map(|(allows, protocol, peer, (first, more), methods)| (allows, protocol, peer, (first, first + more), methods))
            .collect();
        let (mine, theirs) = models(&rules);
        let (target, peer) = match HOSTS.get(whom).map(|text| host(text)) {
            None => (Target::Loopback, OraclePeer::Loopback),
            Some(Host::Name(name)) => (Target::Name(name.clone()), OraclePeer::Host(Host::Name(name))),
            Some(Host::Address(range)) => (
                Target::Address(range.first()),
                OraclePeer::Host(Host::Address(Network::of(range.first()))),
            ),
            Some(Host::Below(_)) => return Ok(()),
        };
        let (protocol, oracle_protocol) = PROTOCOLS[spoken];
        let (word, oracle_method) = Method::ALL[method];
        let reads = matches!(protocol, Protocol::Http | Protocol::Https);
        let asked = Connection {
            protocol: oracle_protocol,
            peer,
            port,
            method: reads.then_some(oracle_method),
        };
        let Decision { action, origin } = theirs.connect(&asked);
        let decided = mine.decide(protocol, &target, port).map(|fitting| {
            if reads { mine.for_request(&fitting, word, Some("/")) } else { fitting }
        });
        let first = decided.as_ref().ok().and_then(|fitting| fitting.first()).and_then(|rule| mine.rule(*rule));
        match (action, first) {
            (SyscallAction::Allow, Some(rule)) => {
                prop_assert_eq!(origin, Some(OriginId(rule.origin.into())));
            }
            (SyscallAction::Errno(_), None) => {
                let refused = match decided {
                    Err(Refusal::Rule(line)) => Some(OriginId(line.into())),
                    _ => None,
                };
                prop_assert_eq!(origin, refused);
            }
            (action, _) => prop_assert!(false, "{action:?}, and the gateway {decided:?}"),
        }
        // What is decided before the first byte agrees with what is decided after it.
        if protocol != Protocol::Udp {
            match mine.open(&target, port) {
                Opening::Refuse(_) => prop_assert!(mine.decide(protocol, &target, port).is_err()),
                Opening::Stream(_) => prop_assert!(mine.decide(protocol, &target, port).is_ok()),
                Opening::Sniff { tls, http } => {
                    let allowed = match protocol {
                        Protocol::Http => !http.is_empty(),
                        Protocol::Tls | Protocol::Https => !tls.is_empty(),
                        _ => false,
                    };
                    prop_assert_eq!(allowed, mine.decide(protocol, &target, port).is_ok());
                }
            }
        }
        // A name is known exactly if something of it is allowed.
        if let Target::Name(name) = &target {
            let spoken = PROTOCOLS.iter().map(|(protocol, _)| *protocol);
            let allowed = spoken.flat_map(|protocol| (78..84).map(move |port| (protocol, port)))
                .any(|(protocol, port)| mine.decide(protocol, &target, port).is_ok());
            prop_assert_eq!(mine.knows(name), allowed);
        }
    }
}

fn allowing(protocol: Protocol, peer: Peer) -> Rules {
    let endpoint = Endpoint { protocol, peer, ports: vec![(443, 443)] };
    let rule =
        Allow { endpoint, only: None, inject: None, inspect: false, limits: Limits::default(), origin: 1 };
    Rules { allow: vec![rule], ..Rules::default() }
}

#[test]
fn a_name_leads_to_public_addresses_unless_a_rule_names_others() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap_or_else(|error| panic!("{text}: {error}"));
    let name = allowing(Protocol::Tls, Peer::Host(host("a.example")));
    assert!(name.may_dial(Protocol::Tls, address("93.184.216.34"), 443));
    for special in [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "198.18.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "64:ff9b::a00:1",
    ] {
        assert!(!name.may_dial(Protocol::Tls, address(special), 443), "{special}");
        assert!(
            !allowing(Protocol::Tls, Peer::Any).may_dial(Protocol::Tls, address(special), 443),
            "{special}"
        );
    }
    let range = allowing(Protocol::Tls, Peer::Host(host("10.0.0.1")));
    assert!(range.may_dial(Protocol::Tls, address("10.0.0.1"), 443));
    assert!(!range.may_dial(Protocol::Tls, address("10.0.0.1"), 444));
    assert!(!range.may_dial(Protocol::Tls, address("10.0.0.2"), 443));
}

#[test]
fn metadata_is_not_any() {
    let any = allowing(Protocol::Tcp, Peer::Any);
    let target = Target::Address([169, 254, 169, 254].into());
    assert_eq!(any.open(&target, 443), Opening::Refuse(Refusal::NoRule));
    assert!(!any.knows("metadata.google.internal"));
    assert!(any.knows("example.org"));
}

/// Patterns of the property, and paths around them.
const PATTERNS: [&str; 6] = ["/v1/*", "/v1/**", "/**/done", "/a?c", "/", "/v1/%78"];
const PATHS: [&str; 22] = [
    "/",
    "//",
    "/v1",
    "/v1/",
    "/v1/x",
    "/v1/%78",
    "/v1/x/y",
    "/v1/x%2fy",
    "/v1/../x",
    "/v1/%2e%2e/x",
    "/v1/..;/x",
    "/v1/%252e",
    "/v1/\u{e9}",
    "/v1/%c3%a9",
    "/v1/%ff",
    "/v1/%zz",
    "/v1/x;y",
    "/v1//x",
    "/x/done",
    "/abc",
    "/v1/x\\y",
    "/v1/.",
];

/// What happens to a request, from the connection to its path.
fn passes(rules: &Rules, target: &Target, spoken: Protocol, method: &str, path: &str) -> bool {
    let (tls, http) = match rules.open(target, 443) {
        Opening::Refuse(_) => return false,
        Opening::Stream(_) => return true,
        Opening::Sniff { tls, http } => (tls, http),
    };
    let fitting = if spoken == Protocol::Http { http } else { tls };
    let reads = |rule: &RuleId| rules.rule(*rule).is_some_and(Allow::reads_requests);
    if spoken == Protocol::Https && !fitting.is_empty() && !fitting.iter().any(reads) {
        return true;
    }
    !rules.for_request(&fitting, method, path::plain(path).as_deref()).is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Whatever the oracle says of a request by method and path, the gateway says too.
    #[test]
    fn requests_are_decided_as_by_the_oracle(
        rules in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(vec![0_usize, 2, 3, 3, 3, 4, 4]), 0..4_usize, prop::option::of((
                prop::collection::vec(0..7_usize, 1..3),
                prop::collection::vec(0..PATTERNS.len(), 0..3),
            ))),
            0..5,
        ),
        secure in any::<bool>(),
        method in 0..7_usize,
        path in prop_oneof![
            prop::sample::select(PATHS.to_vec()).prop_map(str::to_owned),
            "/(v1|[a-c.%2fe;]{0,4})(/[a-c.%2fe;]{0,4}){0,3}",
        ],
    ) {
        let (mut mine, mut theirs) = (Rules::default(), Vec::new());
        for (line, (kind, protocol, whom, only)) in (0_u16..).zip(rules) {
            let (protocol, oracle_protocol) = PROTOCOLS[protocol];
            let (peer, oracle_peer) = peers([0, 4, 7, 9][whom]);
            let endpoint = Endpoint { protocol, peer, ports: vec![(443, 443)] };
            let oracle = OracleEndpoint { protocol: oracle_protocol, peer: oracle_peer, ports: vec![(443, 443)] };
            let kind = if kind.index(8) == 0 {
                mine.deny.push(Deny { endpoint, origin: line });
                NetKind::Deny(oracle)
            } else {
                let only = only.filter(|_| matches!(protocol, Protocol::Http | Protocol::Https));
                let patterns = |all: &[usize]| all.iter().map(|it| PATTERNS[*it].to_owned()).collect::<Vec<_>>();
                mine.allow.push(Allow {
                    endpoint,
                    only: only.as_ref().map(|(methods, paths)| Only {
                        methods: methods.iter().map(|it| Method::ALL[*it].0.to_owned()).collect(),
                        paths: patterns(paths),
                    }),
                    inject: None,
                    inspect: false,
                    limits: Limits::default(),
                    origin: line,
                });
                let only = only.map(|(methods, paths)| OracleOnly {
                    methods: methods.iter().map(|it| Method::ALL[*it].1).collect(),
                    paths: patterns(&paths),
                });
                NetKind::Allow { endpoint: oracle, terms: Terms { only, ..Terms::default() } }
            };
            theirs.push(NetRule { kind, origin: OriginId(line.into()) });
        }
        let (word, method) = Method::ALL[method];
        let (spoken, protocol) = if secure { PROTOCOLS[3] } else { PROTOCOLS[4] };
        let peer = OraclePeer::Host(Host::Name("a.example".to_owned()));
        let connection = Connection { protocol, peer, port: 443, method: None };
        let oracle = policy(theirs).request(&HttpRequest { connection, method, path: path.clone() });
        let target = Target::Name("a.example".to_owned());
        prop_assert_eq!(oracle.action == SyscallAction::Allow, passes(&mine, &target, spoken, word, &path), "{}", path);
    }
}
