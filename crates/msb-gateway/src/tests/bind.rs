use super::*;
use msb_plan::network::{Rule, Terms};

fn gateway<'a>(rules: Vec<Rule<'a>>) -> Gateway<'a> {
    Gateway {
        batch: &[],
        refusals: &[],
        marks: vec![],
        rules,
        totals: vec![],
        listens: vec![],
        trust: None,
        java_trust: None,
        claims: vec![],
        origin: OriginId(0),
    }
}

fn rule(peer: network::Peer<'_>) -> Rule<'_> {
    Rule {
        action: Action::Allow,
        protocol: network::Protocol::Tls,
        peer,
        ports: vec![(443, 443)],
        terms: Terms::default(),
        origin: OriginId(3),
    }
}

const MIRROR: Param<'static> =
    Param { name: "mirror", kind: ParamKind::Host, default: None, origin: OriginId(1) };
const ADDRESS: [u8; 4] = [198, 18, 1, 4];

fn bound(given: &str) -> Result<Bound, BadBinding> {
    let gateway = gateway(vec![rule(network::Peer::Param { index: 0, address: ADDRESS })]);
    bind(&gateway, &[MIRROR], &BTreeMap::from([("mirror".to_owned(), given.to_owned())]))
}

#[test]
fn a_host_parameter_is_read_like_a_policy() {
    let mirror = bound("Mirror.Example.ORG.").unwrap_or_else(|bad| panic!("{bad:?}"));
    assert_eq!(mirror.names, [("mirror.example.org".to_owned(), Ipv4Addr::from(ADDRESS))]);
    assert!(mirror.rules.knows("mirror.example.org"));
    for bad in ["", "0177.1", "https://mirror.example.org", "a b", "a\0b"] {
        assert!(bound(bad).is_err_and(|bad| bad.origin == OriginId(3)), "{bad:?}");
    }
}

#[test]
fn a_parameter_without_a_value_is_refused() {
    let gateway = gateway(vec![rule(network::Peer::Param { index: 0, address: ADDRESS })]);
    let refused = bind(&gateway, &[MIRROR], &BTreeMap::new());
    assert!(refused.is_err_and(|bad| bad.why.contains("$mirror")));
}

/// The launcher's report says which kind of wrong, by these.
#[test]
fn a_parameter_stands_for_one_name() {
    for (given, errno) in [
        ("203.0.113.7", Errno::AFNOSUPPORT),
        ("10.0.0.0/8", Errno::AFNOSUPPORT),
        ("[2001:db8::7]", Errno::AFNOSUPPORT),
        ("2001:db8::7", Errno::AFNOSUPPORT),
        ("2001:db8::/32", Errno::AFNOSUPPORT),
        ("*.example.org", Errno::NOTUNIQ),
        ("localhost", Errno::ACCESS),
        ("a.localhost", Errno::ACCESS),
        ("LOCALHOST.localdomain.", Errno::ACCESS),
        ("host", Errno::ACCESS),
        ("host.internal", Errno::ACCESS),
        ("metadata.google.internal", Errno::ACCESS),
        ("any", Errno::ACCESS),
        ("mirror.example.org:443", Errno::INVAL),
        ("*", Errno::INVAL),
        ("*.*.org", Errno::INVAL),
    ] {
        assert_eq!(bound(given).map_err(|bad| bad.errno).err(), Some(errno), "{given:?}");
    }
    // As good as any other.
    for good in ["mirror", "localhost.example.org", "anything"] {
        assert!(bound(good).is_ok(), "{good:?}");
    }
}

#[test]
fn a_host_that_is_denied_is_not_taken() {
    let allow = |ports: Vec<(u16, u16)>| {
        let peer = network::Peer::Param { index: 0, address: ADDRESS };
        Rule { ports, ..rule(peer) }
    };
    let deny = |ports: Vec<(u16, u16)>| {
        let peer = network::Peer::Below("evil.example");
        Rule {
            action: Action::Deny,
            protocol: network::Protocol::Tcp,
            ports,
            origin: OriginId(5),
            ..rule(peer)
        }
    };
    let bind = |allowed, denied, given: &str| {
        let gateway = gateway(vec![allow(allowed), deny(denied)]);
        bind(&gateway, &[MIRROR], &BTreeMap::from([("mirror".to_owned(), given.to_owned())]))
            .map(drop)
            .map_err(|bad| (bad.errno, bad.origin))
    };
    let refused = Err((Errno::CONNREFUSED, OriginId(5)));
    assert_eq!(bind(vec![(443, 443)], vec![(1, 65535)], "x.evil.example"), refused);
    assert_eq!(
        bind(vec![(443, 443), (8000, 8099)], vec![(443, 443), (8000, 8099)], "x.evil.example"),
        refused
    );
    // A port is left.
    assert_eq!(bind(vec![(443, 443), (8000, 8099)], vec![(443, 8098)], "x.evil.example"), Ok(()));
    assert_eq!(bind(vec![(443, 443)], vec![(444, 65535)], "x.evil.example"), Ok(()));
    assert_eq!(bind(vec![(443, 443)], vec![(1, 65535)], "evil.example"), Ok(()));
}
