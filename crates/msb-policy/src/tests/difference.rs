use super::*;

const ALLOW: SyscallAction = SyscallAction::Allow;
const EPERM: SyscallAction = SyscallAction::Errno(1);

/// What decides alike for all of these does so for all arguments: the constants are below 8, and a value above 7
/// may have any of their bits.
fn grid() -> impl Iterator<Item = [u64; 6]> {
    let values = || (0..16u64).flat_map(|low| [low, low | 1 << 32]);
    values().flat_map(move |first| values().map(move |second| [first, second, 0, 0, 0, 0]))
}

/// Whether a call that comes to `before` in one policy and to `after` in another makes the other wider.
fn wider_than(before: SyscallAction, after: SyscallAction) -> bool {
    let rank = |action: SyscallAction| u8::from(action.may_make()) + u8::from(action.makes());
    rank(after) > rank(before)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_difference_is_found_exactly_where_there_is_one(
        rules in prop::collection::vec(any_rule(), 0..6),
        other in prop::collection::vec(any_rule(), 0..3),
        default in any_action(),
        same in any::<bool>(),
    ) {
        let mut changed = rules.clone();
        if same {
            changed.reverse();
        } else {
            changed.extend(other);
        }
        let (before, after) = (policy(rules, default), policy(changed, default));
        let numbers: Vec<u32> = before.syscalls.iter().chain(&after.syscalls).map(|rule| rule.nr).collect();
        let ask = |policy: &Policy, nr, args| {
            policy.decide(&Request::Syscall { audit_arch: policy.archs[0].audit(), nr, args }).action
        };
        let differ = |differ: &dyn Fn(SyscallAction, SyscallAction) -> bool| {
            numbers.iter().any(|nr| grid().any(|args| differ(ask(&before, *nr, args), ask(&after, *nr, args))))
        };
        let found = difference(&before, &after);
        prop_assert_eq!(found.is_some(), differ(&|before, after| before != after));
        if let Some(witness) = found {
            prop_assert_eq!(witness.before.action, ask(&before, witness.nr, witness.args));
            prop_assert_eq!(witness.after.action, ask(&after, witness.nr, witness.args));
            prop_assert_ne!(witness.before.action, witness.after.action);
        }
        let wider = widening(&before, &after);
        prop_assert_eq!(wider.is_some(), differ(&wider_than));
        if let Some(witness) = wider {
            prop_assert!(wider_than(witness.before.action, witness.after.action));
        }
    }
}

#[test]
fn a_witness_is_written_with_what_the_rules_look_at() {
    let tiocsti = compare(1, Width::W32, Op::Eq, 0x5412);
    let open = policy(vec![rule(16, ALLOW, Pred::True, 1)], EPERM);
    let denied = policy(vec![rule(16, ALLOW, Pred::True, 1), rule(16, EPERM, tiocsti, 2)], EPERM);
    let witness = difference(&open, &denied).expect("they differ");
    assert_eq!(witness.describe(&open, &denied), "ioctl(cmd: TIOCSTI)");
    assert_eq!((witness.before.action, witness.after.action), (ALLOW, EPERM));
    assert_eq!(widening(&open, &denied), None);
    let wider = widening(&denied, &open).expect("it is wider");
    assert_eq!(wider.describe(&denied, &open), "ioctl(cmd: TIOCSTI)");
    assert_eq!(difference(&open, &open), None);
    let none = policy(Vec::new(), EPERM);
    let witness = difference(&open, &none).expect("they differ");
    assert_eq!(witness.describe(&open, &none), "ioctl");
}

#[test]
fn all_is_different_on_another_architecture() {
    let here = policy(vec![rule(0, ALLOW, Pred::True, 1)], EPERM);
    let rule = SyscallRule { arch: Arch::Aarch64, ..rule(0, ALLOW, Pred::True, 1) };
    let there = Policy { archs: vec![Arch::Aarch64], ..policy(vec![rule], EPERM) };
    let witness = difference(&here, &there).expect("they differ");
    assert_eq!((witness.arch, witness.after.action), (Arch::X86_64, SyscallAction::Kill));
    let wider = widening(&here, &there).expect("it allows what the other kills");
    assert_eq!((wider.arch, wider.nr), (Arch::Aarch64, 0));
}

#[test]
fn to_make_what_was_asked_about_is_wider() {
    let of = |action| policy(vec![rule(41, action, Pred::True, 1)], EPERM);
    let (allowed, asked, denied) = (of(ALLOW), of(SyscallAction::Notify), of(EPERM));
    for (narrow, wide) in [(&denied, &asked), (&asked, &allowed), (&denied, &allowed)] {
        assert!(widening(narrow, wide).is_some());
        assert_eq!(widening(wide, narrow), None);
    }
    let calls = Calls::of(&asked);
    assert_eq!(
        calls.made_with(Arch::X86_64, 41, &Pred::True),
        Solution::Found([0; 6]),
        "somebody may say yes"
    );
    assert_eq!(calls.refused_with(Arch::X86_64, 41, &Pred::True), Solution::Found([0; 6]), "or no");
}

#[test]
fn architectures_that_one_of_two_policies_names_are_a_difference() {
    let one = policy(vec![rule(0, ALLOW, Pred::True, 1)], EPERM);
    let mut both = one.clone();
    both.archs.push(Arch::I386);
    let witness = difference(&one, &both).expect("i386 is refused in one way and in another");
    assert_eq!(
        (witness.arch, witness.before.action, witness.after.action),
        (Arch::I386, SyscallAction::Kill, EPERM)
    );
    assert_eq!(witness.describe(&one, &both), "restart_syscall() on i386");
    assert_eq!(widening(&one, &both), None);
    both.syscalls.push(SyscallRule { arch: Arch::I386, ..rule(39, ALLOW, Pred::True, 2) });
    let wider = widening(&one, &both).expect("mkdir of i386");
    assert_eq!(wider.describe(&one, &both), "mkdir on i386");
}

/// Many conditions on one call, as a long list of requests gives.
#[test]
fn long_lists_are_compared() {
    let list = |count: u64| {
        let values = (0..count).map(|value| compare(1, Width::W32, Op::Eq, value * 7)).collect();
        policy(vec![rule(16, ALLOW, Pred::Any(values), 1)], EPERM)
    };
    assert_eq!(difference(&list(300), &list(300)), None);
    let witness = difference(&list(300), &list(299)).expect("they differ");
    assert_eq!(witness.args[1], 299 * 7);
}
