//! Sizes: what a real policy comes to, and what the kernel would refuse.

use super::*;
use crate::{CompileError, INSTRUCTIONS_MAX, Instruction, Options, compile};
use msb_syscalls::all;

/// Of what a policy of a coding agent costs; the numbers are for a person to read, the bounds for a regression.
#[test]
fn a_policy_of_300_calls_is_small_and_quick() {
    let policy = coding_agent();
    let allowed: std::collections::BTreeSet<_> =
        policy.syscalls.iter().filter(|rule| rule.action == ALLOW).map(|rule| rule.nr).collect();
    assert!(allowed.len() > 270, "{} calls", allowed.len());
    let program = compile(&policy, Options::default()).expect("short, and right");
    let executed: Vec<_> = all(policy.archs[0])
        .iter()
        .map(|call| ask(&program, policy.archs[0].audit(), call.nr, [1, 1, 0, 0, 0, 0]).instructions)
        .collect();
    let sum: usize = executed.iter().sum();
    let longest = executed.iter().max().copied().unwrap_or_default();
    println!(
        "{} calls: {} instructions, {:.1} executed on average, {longest} at most",
        allowed.len(),
        program.instructions.len(),
        sum as f64 / executed.len() as f64,
    );
    println!("{:?}", program.proof);
    assert!(program.instructions.len() <= 100, "{} instructions", program.instructions.len());
    assert!(sum <= 10 * executed.len(), "{sum} executed for {} calls", executed.len());
}

#[test]
fn the_same_policy_gives_the_same_bytes_in_whatever_order() {
    let forwards = coding_agent();
    let mut backwards = forwards.clone();
    backwards.syscalls.reverse();
    backwards.syscalls.push(backwards.syscalls[0].clone());
    let bytes = |policy| compile(policy, Options::default()).expect("short, and right").bytes();
    assert_eq!(bytes(&forwards), bytes(&backwards));
    assert_eq!(bytes(&forwards).len() % 8, 0);
}

#[test]
fn a_policy_of_one_decision_has_no_tree() {
    let everything = policy(Arch::X86_64, Vec::new(), SyscallAction::Errno(38));
    let program = compile(&everything, Options::default()).expect("short, and right");
    assert_eq!(program.instructions.len(), 4, "load, architecture, and two returns: {program:?}");
}

/// Conditions that share nothing: one constant a call on each of two arguments.
pub(super) fn wide(calls: u32, constants: u64) -> Policy {
    let rules = (0..calls).flat_map(|nr| {
        (0..constants).map(move |index| {
            let value = u64::from(nr) * constants + index;
            rule(nr, ALLOW, Pred::All(vec![low(0, Op::Eq, value), low(1, Op::Ne, value)]))
        })
    });
    policy(Arch::X86_64, rules.collect(), EPERM)
}

#[test]
fn jumps_beyond_255_instructions_go_by_stepping_stones() {
    // One call has the whole chain between the number tree and the returns; verify holds each constant.
    let policy = wide(3, 300);
    let program = compile(&policy, Options::default()).expect("short, and right");
    assert!(program.instructions.len() > 1000, "{}", program.instructions.len());
    let jumps = program.instructions.iter().filter(|instruction| instruction.code == 0x05).count();
    let returns = program.instructions.iter().filter(|instruction| instruction.code == 0x06).count();
    assert!(jumps + returns > 6, "stepping stones: {jumps} jumps, {returns} returns");
    for (nr, value) in [(0, 0), (0, 299), (1, 300), (1, 599), (2, 600), (2, 899)] {
        let ask =
            |first, second| ask(&program, policy.archs[0].audit(), nr, [first, second, 0, 0, 0, 0]).action;
        assert_eq!(ask(value, value + 1), action::ALLOW, "{nr} {value}");
        assert_eq!(ask(value, value), action::errno(1), "{nr} {value}");
        assert_eq!(ask(value | 1 << 32, value + 1), action::ALLOW, "{nr} {value}");
        assert_eq!(ask(value + 300, value), action::errno(1), "{nr} {value}");
    }
}

#[test]
fn every_jump_lands_inside_and_the_last_instruction_returns() {
    for policy in [coding_agent(), wide(3, 300), wide(100, 6)] {
        let program = compile(&policy, Options::default()).expect("short, and right").instructions;
        let lands = |at: usize, offset: usize| at + 1 + offset < program.len();
        for (at, Instruction { code, jt, jf, k }) in program.iter().copied().enumerate() {
            let good = match code {
                0x20 => k < 64 && k % 4 == 0,
                0x05 => lands(at, k as usize),
                0x15 | 0x25 | 0x35 | 0x45 => lands(at, jt.into()) && lands(at, jf.into()),
                0x54 | 0x06 => true,
                _ => false,
            };
            assert!(good, "{at}: {code:#x} {jt} {jf} {k:#x}");
        }
        assert_eq!(program.last().map(|last| last.code), Some(0x06));
    }
}

#[test]
fn a_program_that_the_kernel_would_refuse_is_an_error_with_the_costliest_calls() {
    let mut policy = wide(2, 400);
    policy.syscalls.extend(wide(4, 900).syscalls.into_iter().filter(|rule| rule.nr == 3));
    let Err(CompileError::TooLong { instructions, costliest }) = compile(&policy, Options::default()) else {
        // 800 + 1,800 tests, some with a load before them.
        let length = compile(&wide(2, 400), Options::default()).map(|program| program.instructions.len());
        panic!("{length:?} of {INSTRUCTIONS_MAX}");
    };
    assert!(instructions > INSTRUCTIONS_MAX);
    assert_eq!(costliest[0].nr, 3);
    assert_eq!(costliest[0].origins, [OriginId(2)]);
    assert!(costliest[0].instructions > costliest[1].instructions);
    let text = CompileError::TooLong { instructions, costliest }.to_string();
    assert!(text.contains("4096") && text.contains("`close` ("), "{text}");
}
