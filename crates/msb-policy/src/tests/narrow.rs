use super::open::{any_access, any_fs, any_path, with};
use super::*;

/// A policy of these files and calls.
fn any_policy() -> impl Strategy<Value = Policy> {
    let syscalls = prop::collection::vec(any_rule(), 0..6);
    let default = prop_oneof![4 => Just(SyscallAction::Errno(1)), 1 => any_action()];
    (prop::collection::vec(any_fs(), 0..5), syscalls, default).prop_map(|(fs, syscalls, default)| Policy {
        syscalls,
        syscall_default: (default, OriginId(1000)),
        ..with(fs)
    })
}

fn files(found: &[Widening]) -> bool {
    found.iter().any(|widening| matches!(widening.what, Wider::Open { .. }))
}

fn calls(found: &[Widening]) -> bool {
    found.iter().any(|widening| matches!(widening.what, Wider::Call { .. }))
}

#[test]
fn limits_and_capabilities_are_compared() {
    let limit = |value| Some(Limit { value, origin: OriginId(7) });
    let mut parent = policy(Vec::new(), SyscallAction::Errno(1));
    let mut child = parent.clone();
    parent.limits = Limits { memory_bytes: limit(100), wall_ms: limit(5), ..Limits::default() };
    child.limits = Limits { memory_bytes: limit(101), ..Limits::default() };
    child.capabilities.0 = 1 << 10;
    let what: Vec<Wider> = child.widenings(&parent, By::Host).into_iter().map(|it| it.what).collect();
    assert_eq!(what, [Wider::Capability(10), Wider::Limit("memory"), Wider::Limit("wall")]);
    assert_eq!(parent.widenings(&child, By::Host), []);
    child.inherit(&parent, |origin| origin);
    assert_eq!(child.limits, parent.limits);
}

#[test]
fn variables_are_compared() {
    let pass = |name: &str, prefix| EnvRule {
        kind: EnvKind::Pass { name: name.to_owned(), prefix },
        origin: OriginId(1),
    };
    let with = |env| Policy { env, ..policy(Vec::new(), SyscallAction::Errno(1)) };
    let wider = |child: Vec<EnvRule>, parent: Vec<EnvRule>| {
        !with(child).widenings(&with(parent), By::Host).is_empty()
    };
    assert!(wider(vec![pass("LC_", true)], vec![pass("LC_ALL", false)]));
    assert!(wider(vec![pass("TERM", false)], vec![]));
    assert!(!wider(vec![pass("LC_ALL", false), pass("LC_X", true)], vec![pass("LC_", true)]));
    let set = EnvKind::Set { name: "TERM".to_owned(), value: Text::Literal("dumb".to_owned()) };
    let set = EnvRule { kind: set, origin: OriginId(1) };
    assert!(!wider(vec![set.clone()], vec![]), "what is set is nothing of the host");
    assert!(wider(vec![pass("TERM", false)], vec![set]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Where no widening is found there is no request that one allows and the other refuses.
    #[test]
    fn nothing_is_wider_that_is_not_found(
        child in any_policy(),
        parent in any_policy(),
        path in any_path(),
        access in any_access(),
        request in any_request(),
    ) {
        let found = child.widenings(&parent, By::Inside);
        let name = |policy: &Policy| Places::apart(policy).inside(&path, access);
        let allowed = |policy| name(policy).is_some_and(|verdict| verdict.is_allowed());
        if !files(&found) && allowed(&child) {
            prop_assert!(allowed(&parent), "{:?}", name(&parent));
        }
        let action = |policy: &Policy| policy.decide(&request).action;
        if !calls(&found) && action(&child).makes() {
            prop_assert!(action(&parent).makes());
        }
        if !calls(&found) && action(&child).may_make() {
            prop_assert!(action(&parent).may_make());
        }
    }

    #[test]
    fn no_file_of_the_host_is_shown_that_is_not_found(
        child in any_policy(),
        parent in any_policy(),
        path in any_path(),
        access in any_access(),
    ) {
        let found = child.widenings(&parent, By::Host);
        let of = |policy: &Policy| Places::apart(policy).of_host(&path, access);
        let allowed = |policy| of(policy).is_some_and(|verdict| verdict.is_allowed());
        if !files(&found) && allowed(&child) {
            prop_assert!(allowed(&parent), "{:?}", of(&parent));
        }
    }

    /// Every widening is one: its own evidence says so.
    #[test]
    fn the_evidence_is_good(child in any_policy(), parent in any_policy()) {
        for widening in child.widenings(&parent, By::Host) {
            match widening.what {
                Wider::Call { arch, nr, args } => {
                    let (wide, narrow) =
                        (child.call(arch, nr, args).action, parent.call(arch, nr, args).action);
                    prop_assert!(wide.may_make() && !narrow.makes() && wide.severity() < narrow.severity());
                }
                Wider::Open { path, access, private: false } => {
                    let allowed = |policy: &Policy| {
                        Places::apart(policy).of_host(&path, access).is_some_and(|it| it.is_allowed())
                    };
                    prop_assert!(allowed(&child) && !allowed(&parent));
                }
                _ => {}
            }
        }
    }

    /// A policy is as narrow as itself, and what inherits from a parent is never wider than it was.
    #[test]
    fn inheriting_only_narrows(child in any_policy(), parent in any_policy()) {
        prop_assert_eq!(child.widenings(&child, By::Host), []);
        let mut narrowed = child.clone();
        narrowed.inherit(&parent, |origin| origin);
        prop_assert_eq!(calls(&narrowed.widenings(&child, By::Host)), false);
        prop_assert_eq!(files(&narrowed.widenings(&child, By::Host)), false);
    }
}
