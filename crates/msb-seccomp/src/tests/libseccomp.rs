//! Against libseccomp: the same rules where the two agree on what they mean, and each difference by name.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use msb_testkit::Libseccomp;
use proptest::prelude::*;

use super::other::{Allowed, Comparison, any_comparison, any_value, data, ours};
use super::*;
use crate::{Instruction, run};

fn rules(allowed: &Allowed) -> String {
    let mut text = format!("default {}\n", action::errno(1));
    for (nr, lists) in allowed {
        let always = [Vec::new()];
        for list in if lists.is_empty() { &always[..] } else { lists } {
            let _ = write!(text, "{} {nr} {}", action::ALLOW, list.len());
            for Comparison { argument, op, mask, value, .. } in list {
                let (word, a, b) = match op {
                    Some(Op::Eq) => ("eq", *value, 0),
                    Some(Op::Ne) => ("ne", *value, 0),
                    Some(Op::Lt) => ("lt", *value, 0),
                    Some(Op::Le) => ("le", *value, 0),
                    Some(Op::Gt) => ("gt", *value, 0),
                    Some(Op::Ge) => ("ge", *value, 0),
                    None => ("mask", *mask, value & mask),
                };
                let _ = write!(text, " {argument} {word} {a} {b}");
            }
            text.push('\n');
        }
    }
    text
}

fn program(bytes: &[u8]) -> Vec<Instruction> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty());
    let one = |&[c0, c1, jt, jf, k0, k1, k2, k3]: &[u8; 8]| Instruction {
        code: u16::from_le_bytes([c0, c1]),
        jt,
        jf,
        k: u32::from_le_bytes([k0, k1, k2, k3]),
    };
    chunks.iter().map(one).collect()
}

/// Comparisons of 64 bits, at most one for an argument, and several rules for a call only where they ask whether one
/// argument is one of several values: there the two mean the same.
fn any_allowed() -> impl Strategy<Value = Allowed> {
    let comparison = || any_comparison().prop_map(|it| Comparison { width: Width::W64, ..it });
    let conjunction = prop::collection::vec(comparison(), 1..4).prop_map(|mut list| {
        let mut seen = BTreeSet::new();
        list.retain(|comparison| seen.insert(comparison.argument));
        vec![list]
    });
    let values = prop::collection::btree_set(any_value(), 1..5);
    let one_of = (comparison(), values).prop_map(|(it, values)| {
        let equal = |value| vec![Comparison { op: Some(Op::Eq), value, ..it.clone() }];
        values.into_iter().map(equal).collect()
    });
    let lists = prop_oneof![Just(Vec::new()), conjunction, one_of];
    prop::collection::btree_map(0..335u32, lists, 1..12)
}

#[test]
fn known_calls_have_the_same_answer() {
    let Some(libseccomp) = Libseccomp::find() else { return };
    let requests =
        || prop::collection::vec((0..335u32, any::<bool>(), prop::array::uniform6(any_value())), 100);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(150)
    });
    let taken = std::cell::Cell::new(0);
    runner
        .run(&(any_allowed(), requests(), any::<bool>()), |(allowed, requests, tree)| {
            // Where libseccomp takes the rules; some sets of conditions on one call are too much for it.
            let Ok(theirs) = libseccomp.filter(&rules(&allowed), tree) else { return Ok(()) };
            taken.set(taken.get() + 1);
            let (ours, theirs) = (ours(&allowed), program(&theirs));
            let named: Vec<u32> = allowed.keys().copied().collect();
            for (nr, of_named, args) in requests {
                let nr = if of_named { named[nr as usize % named.len()] } else { nr };
                for args in [args, args.map(|arg| arg & 0xffff_ffff), args.map(|arg| arg | 1 << 32)] {
                    let data = data(Arch::X86_64.audit(), nr, args);
                    prop_assert_eq!(run(&ours, &data), run(&theirs, &data), "{} {:x?}", nr, args);
                }
            }
            Ok(())
        })
        .expect("the two say the same");
    assert!(taken.get() > 100, "{} sets of rules were taken", taken.get());
}

#[test]
fn where_libseccomp_differs() {
    let Some(libseccomp) = Libseccomp::find() else { return };
    let allowed = Allowed::from([(nr("getpid"), Vec::new())]);
    let theirs = program(&libseccomp.filter(&rules(&allowed), false).expect("they take it"));
    let ours = ours(&allowed);
    let both = |arch, nr| {
        let data = data(arch, nr, [0; 6]);
        (run(&ours, &data), run(&theirs, &data))
    };
    let (eperm, enosys, here) = (action::errno(1), action::errno(38), Arch::X86_64.audit());
    assert_eq!(both(here, nr("getpid")), (action::ALLOW, action::ALLOW));
    assert_eq!(both(here, nr("getppid")), (eperm, eperm));
    assert_eq!(
        both(0x4000_0003, nr("getpid")),
        (action::KILL_PROCESS, action::KILL_PROCESS),
        "foreign calls"
    );
    assert_eq!(both(here, 1000), (enosys, eperm), "numbers that nobody knows");
    assert_eq!(both(here, u32::MAX), (enosys, eperm), "number -1");
    assert_eq!(both(here, nr("getpid") | 1 << 30), (enosys, action::KILL_PROCESS), "x32 calls");
}

/// What an `int` is compared with: they take 64 bits, of which the kernel throws half away.
#[test]
fn libseccomp_compares_64_bits_of_an_int() {
    let Some(libseccomp) = Libseccomp::find() else { return };
    let socket = nr("socket");
    // Allow all but AF_ALG, the way Docker's default profile does.
    let other = Comparison { argument: 0, width: Width::W64, op: Some(Op::Ne), mask: 0, value: 38 };
    let theirs = Allowed::from([(socket, vec![vec![other.clone()]])]);
    let theirs = program(&libseccomp.filter(&rules(&theirs), true).expect("they take it"));
    let ours = ours(&Allowed::from([(socket, vec![vec![Comparison { width: Width::W32, ..other }]])]));
    let ask = |program: &[Instruction], domain| {
        run(program, &data(Arch::X86_64.audit(), socket, [domain, 5, 0, 0, 0, 0]))
    };
    assert_eq!((ask(&ours, 38), ask(&theirs, 38)), (action::errno(1), action::errno(1)));
    let passed = 38 | 1 << 32;
    assert_eq!((ask(&ours, passed), ask(&theirs, passed)), (action::errno(1), action::ALLOW));
}

/// A range of one argument needs two conditions on it. libseccomp refuses them in one rule, and in two rules they
/// mean that one of them is enough.
#[test]
fn libseccomp_takes_no_two_conditions_on_one_argument() {
    let Some(libseccomp) = Libseccomp::find() else { return };
    let call = nr("setpriority");
    let bound = |op, value| Comparison { argument: 2, width: Width::W64, op: Some(op), mask: 0, value };
    let range = Allowed::from([(call, vec![vec![bound(Op::Ge, 5), bound(Op::Le, 9)]])]);
    let refused = libseccomp.filter(&rules(&range), false);
    assert!(refused.is_err_and(|why| why.contains("Invalid argument")));
    let split = Allowed::from([(call, vec![vec![bound(Op::Ge, 5)], vec![bound(Op::Le, 9)]])]);
    let theirs = program(&libseccomp.filter(&rules(&split), false).expect("they take it"));
    let ours = ours(&range);
    let ask = |program: &[Instruction], value| {
        run(program, &data(Arch::X86_64.audit(), call, [0, 0, value, 0, 0, 0]))
    };
    for value in [4, 5, 9, 10] {
        let expected = if (5..=9).contains(&value) { action::ALLOW } else { action::errno(1) };
        assert_eq!(ask(&ours, value), expected, "{value}");
        assert_eq!(ask(&theirs, value), action::ALLOW, "{value} is above the one or below the other");
    }
}

/// What is allowed by the second rule alone is denied by libseccomp 2.5.4: it takes the second rule's `>=` for the
/// first one's `>`. A later one may have mended it; ours says what the rules say.
#[test]
fn libseccomp_loses_rules_that_order_one_argument_in_two_ways() {
    let Some(libseccomp) = Libseccomp::find() else { return };
    let on = |argument, op| Comparison { argument, width: Width::W64, op: Some(op), mask: 0, value: 0 };
    let lists = vec![vec![on(0, Op::Gt)], vec![on(2, Op::Eq), on(0, Op::Ge)]];
    let allowed = Allowed::from([(nr("read"), lists)]);
    let zeros = data(Arch::X86_64.audit(), nr("read"), [0; 6]);
    assert_eq!(run(&ours(&allowed), &zeros), action::ALLOW);
    let theirs = run(&program(&libseccomp.filter(&rules(&allowed), false).expect("they take it")), &zeros);
    assert!([action::ALLOW, action::errno(1)].contains(&theirs), "{theirs:#x}");
}

/// Of the 300 calls of a coding agent: smaller than their tree, which is what makes loading it quick.
#[test]
fn a_real_policy_is_far_shorter_than_theirs() {
    let Some(libseccomp) = Libseccomp::find() else { return };
    let names = msb_syscalls::expand(Arch::X86_64, "@system-service").unwrap_or_default();
    let allowed: Allowed = names.iter().map(|call| (call.nr, Vec::new())).collect();
    let theirs = program(&libseccomp.filter(&rules(&allowed), true).expect("they take it"));
    let ours = ours(&allowed);
    assert!(ours.len() * 3 < theirs.len(), "{} against {}", ours.len(), theirs.len());
}
