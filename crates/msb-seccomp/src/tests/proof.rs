//! The proof: it accepts what is equal and nothing else, and what it says against a program is true.

use proptest::prelude::*;

use super::borders;
use super::*;
use crate::{Instruction, Options, Unproved, compile, prove, run};

/// Conditions on two arguments whose constants are so small that all that matters can be tried.
fn any_pred() -> impl Strategy<Value = Pred> {
    let width = || prop::sample::select(vec![Width::W32, Width::W64]);
    let op = prop::sample::select(vec![Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge]);
    let value = || (0..5u64, 0..2u64).prop_map(|(low, high)| low | high << 32);
    let leaf = prop_oneof![
        (0..2u8, width(), op, value()).prop_map(|(argument, width, op, value)| Pred::Compare {
            argument,
            width,
            op,
            value: value & width.mask()
        }),
        (0..2u8, width(), value(), value()).prop_map(|(argument, width, mask, value)| Pred::Masked {
            argument,
            width,
            mask: mask & width.mask(),
            value: value & mask & width.mask(),
        }),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(not),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Pred::All),
            prop::collection::vec(inner, 0..3).prop_map(Pred::Any),
        ]
    })
}

fn any_rule() -> impl Strategy<Value = SyscallRule> {
    let action = prop::sample::select(vec![
        ALLOW,
        ALLOW,
        SyscallAction::Log,
        SyscallAction::Notify,
        EPERM,
        SyscallAction::Errno(38),
        SyscallAction::Trap,
        KILL,
    ]);
    (40..43u32, action, prop_oneof![1 => Just(Pred::True), 4 => any_pred()], any::<bool>())
        .prop_map(|(nr, action, predicate, implied)| SyscallRule { implied, ..rule(nr, action, predicate) })
}

/// Arguments on both sides of every constant; masks tell more of them apart than these.
fn grid() -> impl Iterator<Item = [u64; 6]> + Clone {
    let values = || (0..3u64).flat_map(|high| (0..9u64).map(move |low| low | high << 32));
    values().flat_map(move |first| values().map(move |second| [first, second, 0, 0, 0, 0]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_program_is_proved_for_the_policies_that_it_says_and_no_other(
        rules in prop::collection::vec(any_rule(), 1..6),
        other in prop::collection::vec(any_rule(), 1..3),
        how in 0..4u8,
    ) {
        let mut changed = rules.clone();
        match how {
            // The same in another order, or something else in one place, or more, or less.
            0 => changed.reverse(),
            1 => changed[0].predicate = other[0].predicate.clone(),
            2 => changed.extend(other),
            _ => drop(changed.pop()),
        }
        let (policy, changed) = (policy(Arch::X86_64, rules, EPERM), super::policy(Arch::X86_64, changed, EPERM));
        let program = compile(&policy, Options::default()).expect("short, and right").instructions;
        let here = policy.archs[0].audit();
        let same = (40..43).all(|nr| {
            grid().all(|args| {
                expected(&policy, false, here, nr, args) == expected(&changed, false, here, nr, args)
            })
        });
        match prove(&changed, Options::default(), &program) {
            Ok(_) => prop_assert!(same, "proved although they differ"),
            Err(Unproved::Differs { audit_arch, nr, instruction_pointer, args, decided, returned }) => {
                // The evidence is all that there is to say: it is looked at, whatever the grid showed.
                let data = SeccompData { nr, arch: audit_arch, instruction_pointer, args };
                prop_assert_eq!(run(&program, &data), returned);
                let request = Request::Syscall { audit_arch, nr, args };
                prop_assert_eq!(changed.decide(&request).action, decided);
                prop_assert_ne!(expected(&changed, false, audit_arch, nr, args), returned);
                prop_assert_eq!(expected(&policy, false, audit_arch, nr, args), returned);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn what_the_proof_accepts_is_right_at_the_borders_too() {
    for trace in [false, true] {
        let (policy, options) = (coding_agent(), Options { trace });
        let program = compile(&policy, options).expect("short, and right");
        assert_eq!(borders::check(&policy, options, &program.instructions), Ok(()));
        assert!(program.proof.stretches > 20 && program.proof.steps > 300, "{:?}", program.proof);
    }
}

/// Ways through this program: 40 × 40 × 40 for one number. Where a way comes to a place that was walked before
/// with the same still to say, it ends.
#[test]
fn ways_that_meet_are_walked_once() {
    let one_of = |argument: u8| {
        Pred::Any((0..40).map(|value| low(argument, Op::Eq, value * 3 + u64::from(argument))).collect())
    };
    let policy =
        policy(Arch::X86_64, vec![rule(41, ALLOW, Pred::All(vec![one_of(0), one_of(1), one_of(2)]))], EPERM);
    let program = compile(&policy, Options::default()).expect("short, and right");
    assert!(program.proof.steps < 10_000, "{:?}", program.proof);
}

#[test]
fn programs_that_the_kernel_would_refuse_are_no_programs() {
    let policy = coding_agent();
    let right = compile(&policy, Options::default()).expect("short, and right").instructions;
    let refused = |program: &[Instruction]| match prove(&policy, Options::default(), program) {
        Err(Unproved::Malformed { at }) => Some(at),
        _ => None,
    };
    assert_eq!(refused(&[]), Some(0));
    let last = right.len() - 1;
    assert!(refused(&right[..last]).is_some(), "jumps and falls past the end");
    let with = |at: usize, change: &dyn Fn(&mut Instruction)| {
        let mut program = right.clone();
        change(&mut program[at]);
        program
    };
    for k in [1, 2, 62, 64, u32::MAX] {
        assert_eq!(refused(&with(0, &|first| first.k = k)), Some(0), "a load of word {k}");
    }
    for code in [0x00, 0x07, 0x15 | 0x08, 0x16, 0x87, 0xffff] {
        assert_eq!(refused(&with(0, &|first| first.code = code)), Some(0), "operation {code:#x}");
    }
    assert_eq!(refused(&with(1, &|jump| jump.jf = 255)), Some(1));
    assert_eq!(refused(&with(1, &|jump| (jump.code, jump.k) = (0x05, u32::MAX))), Some(1));
    assert_eq!(refused(&with(last, &|end| end.code = 0x54)), Some(last), "the last one does not return");
    let long: Vec<Instruction> = std::iter::repeat_n(right[last], 4097).collect();
    assert_eq!(refused(&long), Some(4096));
}
