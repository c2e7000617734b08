use super::*;
use crate::rules::{Allow, Deny, Limits};
use msb_host::parse;

fn endpoint(protocol: Protocol, peer: Peer) -> Endpoint {
    Endpoint { protocol, peer, ports: vec![(443, 443)] }
}

fn host(text: &str) -> Host {
    parse(text).unwrap_or_else(|_| panic!("{text} is no host"))
}

/// A policy that allows a parameter, and denies private networks; asked of one claim.
fn decided(given: &str, protocol: Protocol, peer: Peer, expected: Expected) -> bool {
    let allow = Allow {
        endpoint: endpoint(Protocol::Https, Peer::Host(host(given))),
        only: None,
        inject: None,
        inspect: false,
        limits: Limits::default(),
        origin: 1,
    };
    let rules = Rules {
        allow: vec![allow],
        deny: vec![Deny { endpoint: endpoint(Protocol::Tcp, Peer::Private), origin: 2 }],
        totals: vec![],
        params: vec![],
    };
    let claims = vec![Claim { endpoint: endpoint(protocol, peer), expected, origin: OriginId(7) }];
    let bound = Bound { rules, names: vec![], claims, given: vec![host(given)] };
    match broken(&bound) {
        None => true,
        Some((origin, why)) => {
            assert_eq!(origin, OriginId(7));
            assert!(why.contains(":443 is "), "{why}");
            false
        }
    }
}

#[test]
fn a_claim_is_decided_with_the_host_that_was_given() {
    let named = |text| Peer::Host(host(text));
    for (given, protocol, peer, expected, holds) in [
        ("mirror.example", Protocol::Https, named("evil.example"), Expected::Denied, true),
        ("evil.example", Protocol::Https, named("evil.example"), Expected::Denied, false),
        // What a byte stream may carry, and every name below one.
        ("evil.example", Protocol::Tcp, named("evil.example"), Expected::Denied, false),
        ("a.evil.example", Protocol::Tcp, named("*.evil.example"), Expected::Denied, false),
        ("a.good.example", Protocol::Tcp, named("*.evil.example"), Expected::Denied, true),
        ("metadata.google.internal", Protocol::Tcp, Peer::Metadata, Expected::Denied, false),
        ("mirror.example", Protocol::Https, named("mirror.example"), Expected::Allowed, true),
        ("10.0.0.5", Protocol::Https, named("10.0.0.5"), Expected::Allowed, false),
        ("93.184.216.34", Protocol::Https, named("93.184.216.34"), Expected::Allowed, true),
        ("mirror.example", Protocol::Http, named("mirror.example"), Expected::Allowed, false),
    ] {
        assert_eq!(decided(given, protocol, peer.clone(), expected), holds, "{given} {peer:?} {expected:?}");
    }
}
