use super::*;
use crate::tests::net::with;
use crate::{Endpoint, NetRule, Peer, Protocol};
use proptest::prelude::*;

fn rule(protocol: Protocol, terms: Option<(&[Method], &[&str])>, origin: u32) -> NetRule {
    let only = terms.map(|(methods, paths)| Only {
        methods: methods.to_vec(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    });
    let peer = Peer::Host(msb_host::parse("api.example.org").expect("a host"));
    let endpoint = Endpoint { protocol, peer, ports: vec![(443, 443)] };
    let kind = NetKind::Allow { endpoint, terms: Terms { only, ..Terms::default() } };
    NetRule { kind, origin: OriginId(origin) }
}

fn asked(method: Method, path: &str) -> HttpRequest {
    let peer = Peer::Host(msb_host::parse("api.example.org").expect("a host"));
    let connection = Connection { protocol: Protocol::Https, peer, port: 443, method: None };
    HttpRequest { connection, method, path: path.to_owned() }
}

#[test]
fn a_request_is_decided_by_method_and_path() {
    use Method::{Delete, Get, Head, Post};
    let policy = with(vec![
        rule(Protocol::Https, Some((&[Get, Head], &[])), 1),
        rule(Protocol::Https, Some((&[Post], &["/v1/*", "/v2/**/done", "/a?c"])), 2),
    ]);
    let cases = [
        (Get, "/", Some(1)),
        // Without patterns the path does not matter, whatever servers make of it.
        (Head, "/a/../b", Some(1)),
        (Delete, "/", None),
        (Post, "/v1/x", Some(2)),
        (Post, "/v1/%78", Some(2)),
        (Post, "/v1/x/y", None),
        (Post, "/v1/", Some(2)),
        (Post, "/v1", None),
        (Post, "/v1/..", None),
        (Post, "/v1/%2e%2e", None),
        (Post, "/v1/..;a", None),
        (Post, "/v1/x%2fy", None),
        (Post, "/v1/%252e", None),
        (Post, "/v1/a\\b", None),
        (Post, "/v1/%00", None),
        (Post, "/v1/%ff", None),
        (Post, "/v1/%4", None),
        (Post, "//v1/x", None),
        (Post, "/V1/x", None),
        (Post, "/v2/a/b/done", Some(2)),
        (Post, "/v2/done", None),
        (Post, "/v2//done", None),
        (Post, "/abc", Some(2)),
        (Post, "/a/c", None),
    ];
    for (method, path, expected) in cases {
        let decision = policy.request(&asked(method, path));
        let found = (decision.action == SyscallAction::Allow).then_some(decision.origin).flatten();
        assert_eq!(found.map(|it| it.0), expected, "{} {path}", method.word());
    }
    let refused = policy.request(&asked(Delete, "/"));
    assert_eq!((refused.action, refused.origin), (SyscallAction::Errno(13), Some(OriginId(1))));
}

#[test]
fn what_nobody_reads_carries_any_request() {
    for protocol in [Protocol::Tcp, Protocol::Tls, Protocol::Https] {
        let policy =
            with(vec![rule(protocol, None, 1), rule(Protocol::Https, Some((&[Method::Get], &[])), 2)]);
        let decision = policy.request(&asked(Method::Delete, "/a/../b"));
        assert_eq!((decision.action, decision.origin), (SyscallAction::Allow, Some(OriginId(1))));
    }
}

#[test]
fn all_paths_are_those_at_which_the_answer_changes() {
    let paths = |patterns: &[&str]| {
        let policy = with(vec![rule(Protocol::Https, Some((&[Method::Get], patterns)), 1)]);
        policy.paths(&asked(Method::Get, "/").connection, Method::Get)
    };
    assert_eq!(paths(&[]), ["/"]);
    assert_eq!(paths(&["/v1/*"]), ["/v1/any", "/"]);
    assert_eq!(paths(&["/**"]), ["/any"]);
    assert_eq!(paths(&["/*"]), ["/any", "/a/"]);
    assert_eq!(paths(&["/", "/*/**"]), ["/", "/any/any", "/a"]);
    assert_eq!(paths(&["/", "/?", "/??**"]), ["/", "/a", "/aaany", "/a/"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A path that is said to be covered by no pattern is not; and where none is found, no path is uncovered.
    #[test]
    fn what_no_pattern_covers_is_found(
        patterns in prop::collection::vec("/[a/*?]{0,5}", 0..4),
        path in "(/[ab]{1,3}){1,4}/?",
    ) {
        let all: Vec<&String> = patterns.iter().collect();
        let covered = |path: &str| patterns.iter().any(|pattern| Pattern::new(pattern).covers(path));
        match uncovered(&all) {
            Some(found) => {
                prop_assert!(!covered(&found), "{found}");
                prop_assert!(as_served(&found).is_some(), "{found}");
            }
            None => prop_assert!(covered(&path)),
        }
        for pattern in &patterns {
            prop_assert!(Pattern::new(pattern).covers(&instance(pattern)), "{pattern}");
        }
    }
}
