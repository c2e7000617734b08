//! `run(compile(p), r) == decide(p, r)` on generated policies and requests at the borders.

use super::*;
use crate::{Options, compile};
use proptest::prelude::*;

/// Values at which something changes, and constants of the conditions below.
const BORDERS: &[u64] = &[
    0,
    1,
    2,
    10,
    0x5412,
    0x8_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_5412,
    0x2_0000_0001,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

fn any_value() -> impl Strategy<Value = u64> {
    prop_oneof![4 => prop::sample::select(BORDERS), 1 => any::<u64>(), 1 => (0..64u32).prop_map(|bit| 1 << bit)]
}

/// A border, one beside it, with bit 32 set, or as a negative int is extended.
fn any_argument() -> impl Strategy<Value = u64> {
    (any_value(), 0..7u8).prop_map(|(value, how)| match how {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        2 => value | 1 << 32,
        3 => value | 0xffff_ffff_0000_0000,
        4 => value & 0xffff_ffff,
        5 => value ^ 0x8000_0000,
        _ => value,
    })
}

fn any_pred() -> impl Strategy<Value = Pred> {
    let width = || prop::sample::select(vec![Width::W32, Width::W64]);
    let op = prop::sample::select(vec![Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge]);
    // Mostly two arguments, so that conditions meet; 6 is none, and a value need not fit.
    let argument = || prop_oneof![8 => 0..2u8, 1 => 0..7u8];
    let leaf = prop_oneof![
        1 => Just(Pred::True),
        6 => (argument(), width(), op, any_value(), any::<bool>()).prop_map(
            |(argument, width, op, value, fits)| {
                let value = if fits { value & width.mask() } else { value };
                Pred::Compare { argument, width, op, value }
            }
        ),
        4 => (argument(), width(), any_value(), any_value(), any::<bool>()).prop_map(
            |(argument, width, mask, value, fits)| {
                let mask = mask & width.mask();
                Pred::Masked { argument, width, mask, value: if fits { value & mask } else { value } }
            }
        ),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(not),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Pred::All),
            prop::collection::vec(inner, 0..4).prop_map(Pred::Any),
        ]
    })
}

fn any_action() -> impl Strategy<Value = SyscallAction> {
    prop_oneof![
        3 => Just(ALLOW),
        2 => prop::sample::select(vec![1u16, 13, 38, 4095]).prop_map(SyscallAction::Errno),
        1 => prop::sample::select(vec![KILL, SyscallAction::Trap, SyscallAction::Log, SyscallAction::Notify]),
    ]
}

fn any_number() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0..60u32,
        3 => 0..480u32,
        1 => prop::sample::select(vec![
            511, 512, 1023, 0x3fff_ffff, 0x4000_0000, 0x4000_0029, 0x8000_0000, u32::MAX - 1, u32::MAX,
        ]),
    ]
}

fn any_rule() -> impl Strategy<Value = SyscallRule> {
    let predicate = prop_oneof![Just(Pred::True), any_pred()];
    (any_number(), any_action(), predicate, any::<bool>())
        .prop_map(|(nr, action, predicate, implied)| SyscallRule { implied, ..rule(nr, action, predicate) })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let arch = prop_oneof![4 => Just(Arch::X86_64), 1 => Just(Arch::Aarch64)];
    let one = (arch, prop::collection::vec(any_rule(), 0..40), any_action())
        .prop_map(|(arch, rules, default)| policy(arch, rules, default));
    prop_oneof![3 => one, 2 => several()]
}

/// A policy for several architectures, with rules that lie beside each other and numbers that are not theirs.
fn several() -> impl Strategy<Value = Policy> {
    let archs = prop::sample::subsequence(Arch::ALL.to_vec(), 1..=4);
    let rules =
        prop::collection::vec((any_rule(), any::<bool>(), prop::sample::select(Arch::ALL.to_vec())), 0..40);
    (archs, rules, any_action()).prop_map(|(archs, rules, default)| {
        let rules = rules.into_iter().map(|(rule, bit, arch)| {
            let nr = if bit && arch == Arch::X32 { rule.nr | 0x4000_0000 } else { rule.nr };
            SyscallRule { arch, nr, ..rule }
        });
        let rules: Vec<_> = rules.filter(|rule| archs.contains(&rule.arch)).collect();
        let mut several = policy(Arch::X86_64, Vec::new(), default);
        (several.archs, several.syscalls) = (archs, rules);
        several
    })
}

fn any_arch() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![
        12 => Just(None),
        1 => prop::sample::select(vec![0x4000_0003u32, 0xc000_003e, 0xc000_00b7, 0x4000_0028, 0]).prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn the_program_says_what_the_policy_says(
        policy in any_policy(),
        trace in any::<bool>(),
        requests in prop::collection::vec(
            (any_arch(), any_number(), 0..3u32, prop::array::uniform6(any_argument())), 400),
    ) {
        let program = compile(&policy, Options { trace }).expect("short, and right");
        for (arch, number, change, args) in requests {
            let audit_arch = arch.unwrap_or(policy.archs[0].audit());
            // A number that a rule names, or beside it, or its x32 twin.
            let named = policy.syscalls.get(number as usize % 41).map_or(number, |rule| rule.nr);
            let number = match change {
                0 => named,
                1 => named.wrapping_add(number % 3).wrapping_sub(1),
                _ => named | (0x4000_0000 * (number % 2)),
            };
            let returned = ask(&program, audit_arch, number, args).action;
            let expected = expected(&policy, trace, audit_arch, number, args);
            prop_assert_eq!(returned, expected, "{:#x} {} {:x?}", audit_arch, number, args);
        }
    }

    #[test]
    fn one_condition_at_its_own_borders(pred in any_pred(), args in prop::array::uniform6(any_argument())) {
        let policy = policy(Arch::X86_64, vec![rule(41, ALLOW, pred.clone())], EPERM);
        let program = compile(&policy, Options::default()).expect("short, and right");
        let inside = pred.witness().found().into_iter();
        for args in inside.chain(Pred::True.witness_without(&pred).found()).chain([args]) {
            let expected = if pred.holds(&args) { action::ALLOW } else { action::errno(1) };
            prop_assert_eq!(ask(&program, policy.archs[0].audit(), 41, args).action, expected, "{:x?}", args);
        }
    }
}

/// Every subset of the flags that a condition names, alone and among all other bits.
#[test]
fn flags_are_tested_on_every_subset() {
    let flags = [1u64, 2, 0x40, 0x8_0000, 0x8000_0000, 1 << 32, 1 << 63];
    let all: u64 = flags.iter().sum();
    for width in [Width::W32, Width::W64] {
        let mask = all & width.mask();
        let preds = [0, 1, mask, 0x42].map(|value| Pred::Masked { argument: 3, width, mask, value });
        for pred in preds {
            let policy =
                policy(Arch::X86_64, vec![rule(9, KILL, pred.clone()), rule(9, ALLOW, Pred::True)], EPERM);
            let program = compile(&policy, Options::default()).expect("short, and right");
            for subset in 0..1u32 << flags.len() {
                let set = |index: &usize| subset & 1 << index != 0;
                let value: u64 = (0..flags.len()).filter(set).map(|index| flags[index]).sum();
                for value in [value, value | !all] {
                    let args = [0, 0, 0, value, 0, 0];
                    let expected = if pred.holds(&args) { action::KILL_PROCESS } else { action::ALLOW };
                    assert_eq!(
                        ask(&program, policy.archs[0].audit(), 9, args).action,
                        expected,
                        "{value:#x}"
                    );
                }
            }
        }
    }
}

/// CVE-2019-7303 and its like: a 64-bit comparison of what the kernel truncates lets `value | 1 << 32` through.
#[test]
fn bit_32_does_not_get_an_argument_of_32_bits_past_a_deny() {
    let families = Pred::Any([1, 2, 10].map(|family| low(0, Op::Eq, family)).to_vec());
    let rules = vec![
        rule(nr("ioctl"), ALLOW, Pred::True),
        rule(nr("ioctl"), EPERM, low(1, Op::Eq, 0x5412)),
        rule(nr("socket"), ALLOW, Pred::True),
        rule(nr("socket"), SyscallAction::Errno(97), not(families)),
    ];
    let policy = policy(Arch::X86_64, rules, EPERM);
    let program = compile(&policy, Options::default()).expect("short, and right");
    let ask = |name: &str, args| ask(&program, policy.archs[0].audit(), nr(name), args).action;
    for high in [0, 1 << 32, 0xffff_ffff << 32] {
        assert_eq!(ask("ioctl", [0, 0x5412 | high, 0, 0, 0, 0]), action::errno(1), "TIOCSTI");
        assert_eq!(ask("ioctl", [0, 0x5413 | high, 0, 0, 0, 0]), action::ALLOW, "TIOCGWINSZ");
        assert_eq!(ask("socket", [38 | high, 5, 0, 0, 0, 0]), action::errno(97), "AF_ALG");
        assert_eq!(ask("socket", [40 | high, 1, 0, 0, 0, 0]), action::errno(97), "AF_VSOCK");
        assert_eq!(ask("socket", [high | 1, 1, 0, 0, 0, 0]), action::ALLOW, "AF_UNIX");
    }
}

#[test]
fn a_foreign_architecture_kills_and_x32_fails_even_where_everything_is_allowed() {
    let policy = policy(Arch::X86_64, (0..600).map(|nr| rule(nr, ALLOW, Pred::True)).collect(), ALLOW);
    let program = compile(&policy, Options::default()).expect("short, and right");
    for nr in [0, 1, 41, 59, 599] {
        assert_eq!(ask(&program, 0x4000_0003, nr, [0; 6]).action, action::KILL_PROCESS);
        assert_eq!(ask(&program, policy.archs[0].audit(), nr, [0; 6]).action, action::ALLOW);
        assert_eq!(
            ask(&program, policy.archs[0].audit(), nr | 0x4000_0000, [0; 6]).action,
            action::errno(38)
        );
    }
    assert_eq!(ask(&program, policy.archs[0].audit(), u32::MAX, [0; 6]).action, action::errno(38));
    assert_eq!(ask(&program, policy.archs[0].audit(), 600, [0; 6]).action, action::errno(38));
}

/// Of two rules that say the same the one that a person wrote counts, also against a third.
#[test]
fn a_written_rule_counts_beside_an_implied_one_that_says_the_same() {
    let written = rule(40, EPERM, Pred::True);
    let implied = SyscallRule { implied: true, ..written.clone() };
    let rules = vec![written, implied, rule(40, SyscallAction::Errno(38), Pred::True)];
    let policy = policy(Arch::X86_64, rules, ALLOW);
    let program = compile(&policy, Options::default()).expect("short, and right");
    assert_eq!(ask(&program, policy.archs[0].audit(), 40, [0; 6]).action, action::errno(1));
}
