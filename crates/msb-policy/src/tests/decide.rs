use super::*;

const ALLOW: SyscallAction = SyscallAction::Allow;
const EPERM: SyscallAction = SyscallAction::Errno(1);
const ENOSYS: SyscallAction = SyscallAction::Errno(38);
const KILL: SyscallAction = SyscallAction::Kill;

fn ask(policy: &Policy, nr: u32, args: [u64; 6]) -> Decision {
    policy.decide(&Request::Syscall { audit_arch: policy.archs[0].audit(), nr, args })
}

#[test]
fn what_nothing_allows_has_the_default() {
    let policy = policy(vec![rule(0, ALLOW, Pred::True, 1)], EPERM);
    assert_eq!(ask(&policy, 0, [0; 6]), Decision { action: ALLOW, origin: Some(OriginId(1)) });
    assert_eq!(ask(&policy, 1, [0; 6]), Decision { action: EPERM, origin: Some(OriginId(1000)) });
}

#[test]
fn numbers_that_nobody_knows_fail_with_enosys_even_where_the_default_kills() {
    let policy = policy(vec![rule(511, ALLOW, Pred::True, 1)], KILL);
    for nr in [472, 512, 1023, 0x3fff_ffff, 0x8000_0000] {
        assert_eq!(ask(&policy, nr, [0; 6]), Decision { action: ENOSYS, origin: None }, "{nr}");
    }
    assert_eq!(ask(&policy, 511, [0; 6]).action, ALLOW, "a rule that names a number knows it");
}

#[test]
fn x32_calls_and_minus_one_fail_whatever_the_rules_say() {
    let numbers = [0x4000_0000, 0x4000_0001, 0x7fff_ffff, 0xc000_0000, u32::MAX];
    let rules = numbers.iter().map(|nr| rule(*nr, ALLOW, Pred::True, 1)).collect();
    let policy = policy(rules, ALLOW);
    for nr in numbers {
        assert_eq!(ask(&policy, nr, [0; 6]), Decision { action: ENOSYS, origin: None }, "{nr:#x}");
    }
}

#[test]
fn bit_30_means_nothing_on_aarch64() {
    let mut policy = policy(vec![rule(0x4000_0000, ALLOW, Pred::True, 1)], EPERM);
    policy.archs = vec![Arch::Aarch64];
    policy.syscalls[0].arch = Arch::Aarch64;
    assert_eq!(ask(&policy, 0x4000_0000, [0; 6]).action, ALLOW);
    assert_eq!(ask(&policy, 0x4000_0001, [0; 6]).action, ENOSYS);
    assert_eq!(ask(&policy, u32::MAX, [0; 6]).action, ENOSYS);
}

/// x32 has its own rules where it is named, and numbers of x86_64 that only look like its are ENOSYS.
#[test]
fn the_other_abis_of_x86_64_are_decided_where_they_are_named() {
    let of = |arch, nr, action| SyscallRule { arch, ..rule(nr, action, Pred::True, 1) };
    let rules = vec![
        of(Arch::X86_64, 39, ALLOW),
        of(Arch::I386, 39, EPERM),
        of(Arch::I386, 20, ALLOW),
        of(Arch::X32, 0x4000_0027, SyscallAction::Errno(13)),
    ];
    let mut policy = policy(rules, SyscallAction::Errno(22));
    let ask = |policy: &Policy, audit_arch, nr| {
        policy.decide(&Request::Syscall { audit_arch, nr, args: [0; 6] }).action
    };
    let (amd64, i386) = (Arch::X86_64.audit(), Arch::I386.audit());
    assert_eq!((ask(&policy, amd64, 0x4000_0027), ask(&policy, i386, 20)), (ENOSYS, KILL));
    policy.archs = vec![Arch::X86_64, Arch::I386, Arch::X32];
    assert_eq!(ask(&policy, amd64, 39), ALLOW);
    assert_eq!(ask(&policy, i386, 39), EPERM);
    assert_eq!(ask(&policy, i386, 20), ALLOW);
    assert_eq!(ask(&policy, i386, 21), SyscallAction::Errno(22), "the default");
    assert_eq!(ask(&policy, i386, 223), ENOSYS, "no call of i386");
    assert_eq!(ask(&policy, amd64, 0x4000_0027), SyscallAction::Errno(13));
    assert_eq!(ask(&policy, amd64, 0x4000_0200), SyscallAction::Errno(22), "rt_sigaction of x32");
    assert_eq!(ask(&policy, amd64, 512), ENOSYS, "which is none of x86_64's without the bit");
    for arch in [amd64, i386] {
        assert_eq!(ask(&policy, arch, u32::MAX), ENOSYS);
    }
    assert_eq!(ask(&policy, Arch::Aarch64.audit(), 0), KILL);
}

#[test]
fn somebody_is_asked_between_log_and_errno() {
    let of = |actions: &[SyscallAction]| {
        let rules = actions.iter().map(|action| rule(0, *action, Pred::True, 1)).collect();
        ask(&policy(rules, EPERM), 0, [0; 6]).action
    };
    let notify = SyscallAction::Notify;
    assert_eq!(of(&[ALLOW, SyscallAction::Log, notify]), notify);
    for harder in [EPERM, SyscallAction::Trap, KILL] {
        assert_eq!(of(&[harder, notify, ALLOW]), harder);
    }
}

#[test]
fn calls_of_another_architecture_kill() {
    let policy = policy(vec![rule(0, ALLOW, Pred::True, 1)], ALLOW);
    for audit_arch in [0x4000_0003, Arch::Aarch64.audit(), 0] {
        let decision = policy.decide(&Request::Syscall { audit_arch, nr: 0, args: [0; 6] });
        assert_eq!(decision, Decision { action: KILL, origin: None });
    }
}

#[test]
fn the_most_severe_rule_decides() {
    let rules =
        vec![rule(0, ALLOW, Pred::True, 1), rule(0, EPERM, Pred::True, 2), rule(0, KILL, Pred::True, 3)];
    assert_eq!(ask(&policy(rules.clone(), EPERM), 0, [0; 6]).origin, Some(OriginId(3)));
    assert_eq!(ask(&policy(rules[..2].to_vec(), EPERM), 0, [0; 6]).origin, Some(OriginId(2)));
}

#[test]
fn a_deny_that_a_person_wrote_beats_an_implied_one() {
    let implied = SyscallRule { implied: true, ..rule(41, SyscallAction::Errno(97), Pred::True, 1) };
    let written = rule(41, SyscallAction::Errno(13), Pred::True, 2);
    let decision = ask(&policy(vec![implied.clone(), written], EPERM), 41, [0; 6]);
    assert_eq!(decision, Decision { action: SyscallAction::Errno(13), origin: Some(OriginId(2)) });
    let killing = SyscallRule { action: KILL, ..implied };
    let decision = ask(&policy(vec![killing, rule(41, EPERM, Pred::True, 2)], EPERM), 41, [0; 6]);
    assert_eq!(decision.origin, Some(OriginId(1)), "severity comes first");
}

#[test]
fn a_32_bit_argument_is_its_low_word() {
    let tiocsti = compare(1, Width::W32, Op::Eq, 0x5412);
    let policy = policy(vec![rule(16, ALLOW, Pred::True, 1), rule(16, KILL, tiocsti, 2)], EPERM);
    assert_eq!(ask(&policy, 16, [0, 0x5412, 0, 0, 0, 0]).action, KILL);
    assert_eq!(ask(&policy, 16, [0, 0x5412 | 1 << 32, 0, 0, 0, 0]).action, KILL);
    assert_eq!(ask(&policy, 16, [0, 0x5413, 0, 0, 0, 0]).action, ALLOW);
}

#[test]
fn a_64_bit_argument_is_all_of_it() {
    let small = compare(1, Width::W64, Op::Lt, 4096);
    let policy = policy(vec![rule(9, ALLOW, small, 1)], EPERM);
    assert_eq!(ask(&policy, 9, [0, 4095, 0, 0, 0, 0]).action, ALLOW);
    assert_eq!(ask(&policy, 9, [0, 4095 | 1 << 32, 0, 0, 0, 0]).action, EPERM);
}

#[test]
fn variables_are_set_then_passed_then_absent() {
    let mut policy = policy(Vec::new(), EPERM);
    let pass = |name: &str, prefix, origin| EnvRule {
        kind: EnvKind::Pass { name: name.to_owned(), prefix },
        origin: OriginId(origin),
    };
    let set = EnvKind::Set { name: "LC_ALL".to_owned(), value: Text::Literal("C".to_owned()) };
    policy.env = vec![
        pass("LC_", true, 1),
        pass("LC_ALL", false, 2),
        EnvRule { kind: set, origin: OriginId(3) },
        pass("HOME", false, 4),
    ];
    let ask = |name| policy.decide(&Request::Env(name));
    assert_eq!(ask("LC_ALL").origin, Some(OriginId(3)));
    assert_eq!(ask("LC_TIME"), Decision { action: ALLOW, origin: Some(OriginId(1)) });
    assert_eq!(ask("HOME").origin, Some(OriginId(4)));
    for absent in ["HOME2", "HOM", "home", "LC", ""] {
        assert_eq!(ask(absent), Decision { action: SyscallAction::Errno(2), origin: None }, "{absent}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn order_and_duplication_change_nothing(
        rules in prop::collection::vec(any_rule(), 0..8),
        default in any_action(),
        request in any_request(),
        seed in any::<prop::sample::Index>(),
    ) {
        let before = policy(rules.clone(), default).decide(&request);
        let mut rules = rules;
        if !rules.is_empty() {
            let middle = seed.index(rules.len());
            rules.push(rules[middle].clone());
            rules.rotate_left(middle);
            rules.reverse();
        }
        prop_assert_eq!(policy(rules, default).decide(&request), before);
    }

    #[test]
    fn a_deny_never_allows_more(
        rules in prop::collection::vec(any_rule(), 0..8),
        default in any_action(),
        added in any_rule().prop_filter("a deny", |rule| rule.action != ALLOW),
        request in any_request(),
    ) {
        let before = policy(rules.clone(), default).decide(&request).action;
        let after = policy([rules, vec![added]].concat(), default).decide(&request).action;
        // What nothing matched had the default; a rule replaces it, and is a deny all the same.
        prop_assert!(after != ALLOW || before == ALLOW);
    }

    #[test]
    fn an_allow_never_denies_more(
        rules in prop::collection::vec(any_rule(), 0..8),
        default in any_action(),
        added in any_rule(),
        request in any_request(),
    ) {
        let before = policy(rules.clone(), default).decide(&request).action;
        let added = SyscallRule { action: ALLOW, ..added };
        let after = policy([rules, vec![added]].concat(), default).decide(&request).action;
        prop_assert!(after.severity() <= before.severity());
    }
}
