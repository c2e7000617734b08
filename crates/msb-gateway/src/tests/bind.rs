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
