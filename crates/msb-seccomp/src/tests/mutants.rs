//! Wrong programs: each instruction of real programs is changed in every way that a mistake of the emitter could.
//!
//! The proof refuses every one that says something else than the policy. The few that it accepts say the same
//! (a number that is allowed on both sides of a border, a jump to a copy of the same return): those are run
//! against the right program by another procedure, which knows neither the policy nor the proof.

use super::*;
use crate::proof::Claim;
use crate::{Instruction, Options, Unproved, compile, run};

/// The operations that programs are made of, and one that no program has.
const CODES: [u16; 9] = [0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06, 0x16];

fn changed(program: &[Instruction]) -> Vec<Vec<Instruction>> {
    let returned: std::collections::BTreeSet<u32> = program
        .iter()
        .filter(|instruction| instruction.code == 0x06)
        .map(|instruction| instruction.k)
        .collect();
    let mut mutants = Vec::new();
    for (at, instruction) in program.iter().copied().enumerate() {
        let Instruction { code, jt, jf, k } = instruction;
        let mut singles = Vec::new();
        for bit in [0, 1, 2, 3, 6, 8, 15, 16, 29, 30, 31] {
            singles.push(Instruction { k: k ^ 1 << bit, ..instruction });
        }
        singles.extend(
            [k.wrapping_add(1), k.wrapping_sub(1), 0, u32::MAX, !k].map(|k| Instruction { k, ..instruction }),
        );
        singles.extend(CODES.map(|code| Instruction { code, ..instruction }));
        singles
            .extend(returned.iter().filter(|_| code == 0x06).map(|k| Instruction { k: *k, ..instruction }));
        if matches!(code, 0x15 | 0x25 | 0x35 | 0x45) {
            let both = [(jf, jt), (jt, jt), (jf, jf), (0, 0), (jt ^ 1, jf), (jt, jf ^ 1)];
            let by_one = [
                (jt.wrapping_add(1), jf),
                (jt.wrapping_sub(1), jf),
                (jt, jf.wrapping_add(1)),
                (jt, jf.wrapping_sub(1)),
            ];
            singles.extend([&both[..], &by_one].concat().into_iter().map(|(jt, jf)| Instruction {
                jt,
                jf,
                ..instruction
            }));
        }
        singles.retain(|single| *single != instruction);
        singles.sort_by_key(|single| single.bytes());
        singles.dedup();
        mutants.extend(singles.into_iter().map(|single| {
            let mut mutant = program.to_vec();
            mutant[at] = single;
            mutant
        }));
        // One is missing, stands twice, or stands where the next one should.
        mutants.push([&program[..at], &program[at + 1..]].concat());
        mutants.push([&program[..=at], &program[at..]].concat());
        if at + 1 < program.len() && program[at] != program[at + 1] {
            let mut mutant = program.to_vec();
            mutant.swap(at, at + 1);
            mutants.push(mutant);
        }
    }
    mutants
}

/// For each word the values that matter to one of the programs: beside each constant that it is compared with,
/// and those with each tested bit turned over.
fn values(programs: [&[Instruction]; 2]) -> [Vec<u32>; 16] {
    let mut constants: [std::collections::BTreeSet<u32>; 16] = Default::default();
    let mut masks = [0u32; 16];
    for program in programs {
        // Which words may be in the accumulator, as bits: jumps go forward, so one pass finds it.
        let mut held = vec![0u16; program.len() + 1];
        for (at, Instruction { code, jt, jf, k }) in program.iter().copied().enumerate() {
            let words = held[at];
            let next: Vec<(usize, u16)> = match code {
                0x20 => vec![(at + 1, 1 << (k / 4))],
                0x54 => vec![(at + 1, words)],
                0x05 => vec![(at + 1 + k as usize, words)],
                0x06 => Vec::new(),
                _ => vec![(at + 1 + usize::from(jt), words), (at + 1 + usize::from(jf), words)],
            };
            for (next, words) in next {
                held[next] |= words;
            }
            for word in (0..16).filter(|word| words & 1 << word != 0) {
                match code {
                    0x54 | 0x45 => masks[word] |= k,
                    0x15 | 0x25 | 0x35 => constants[word].extend([k, k.wrapping_sub(1), k.wrapping_add(1)]),
                    _ => {}
                }
            }
        }
    }
    std::array::from_fn(|word| {
        let mut values = constants[word].clone();
        values.extend([0, 1, u32::MAX, masks[word], !masks[word]]);
        let bits: Vec<u32> = (0..32).map(|bit| 1 << bit).filter(|bit| masks[word] & bit != 0).collect();
        let plain: Vec<u32> = values.iter().copied().collect();
        if bits.len() <= 8 {
            for subset in 0..1u32 << bits.len() {
                let turned: u32 = bits
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| subset & 1 << index != 0)
                    .map(|(_, bit)| bit)
                    .sum();
                values.extend(
                    plain
                        .iter()
                        .filter(|_| word != 0 || subset.count_ones() <= 1)
                        .map(|value| value ^ turned),
                );
            }
        } else {
            values.extend(bits.iter().flat_map(|bit| plain.iter().map(move |value| value ^ bit)));
        }
        values.into_iter().collect()
    })
}

/// Runs a program on words of which some are not chosen yet: what it returns, or the word that it asks for first.
fn run_until(program: &[Instruction], words: &[Option<u32>; 16]) -> Result<u32, usize> {
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let holds = match code {
            0x20 => {
                accumulator = words[k as usize / 4].ok_or(k as usize / 4)?;
                continue;
            }
            0x54 => {
                accumulator &= k;
                continue;
            }
            0x05 => {
                at += k as usize;
                continue;
            }
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            0x45 => accumulator & k != 0,
            _ => return Ok(k),
        };
        at += usize::from(if holds { jt } else { jf });
    }
}

/// Words on which two programs differ, if any of `values` are such.
fn difference(
    programs: [&[Instruction]; 2],
    values: &[Vec<u32>; 16],
    words: [Option<u32>; 16],
) -> Option<[Option<u32>; 16]> {
    let [one, other] = programs.map(|program| run_until(program, &words));
    match (one, other) {
        (Ok(one), Ok(other)) => (one != other).then_some(words),
        (Err(word), _) | (_, Err(word)) => values[word].iter().find_map(|value| {
            let mut words = words;
            words[word] = Some(*value);
            difference(programs, values, words)
        }),
    }
}

fn mutants_of(name: &str, policy: &Policy, options: Options) -> (usize, usize) {
    let right = compile(policy, options).expect("short, and right").instructions;
    let claim = Claim::new(policy, options).expect("the policy is read right");
    let (mut found, mut equal) = (0, 0);
    for mutant in changed(&right) {
        match claim.prove(&mutant) {
            Err(Unproved::Differs { audit_arch, nr, instruction_pointer, args, returned, .. }) => {
                found += 1;
                let data = SeccompData { nr, arch: audit_arch, instruction_pointer, args };
                assert_eq!(run(&mutant, &data), returned, "{name}: {nr} {args:x?}");
                let wanted = expected(policy, options.trace, audit_arch, nr, args);
                assert_ne!(wanted, returned, "{name}: {nr} {args:x?}");
            }
            Err(Unproved::Malformed { .. }) => found += 1,
            Err(Unproved::Exhausted) => panic!("{name}: not decided"),
            Ok(_) => {
                equal += 1;
                let programs = [&right[..], &mutant[..]];
                let mut words = [None; 16];
                for arch in [policy.archs[0].audit(), policy.archs[0].audit() ^ 1, 0x4000_0003] {
                    words[1] = Some(arch);
                    let found = difference(programs, &values(programs), words);
                    assert_eq!(found, None, "{name}: accepted, and not the same: {mutant:?}");
                }
            }
        }
    }
    println!("{name}: {} instructions, {found} wrong programs refused, {equal} equal ones", right.len());
    (found, equal)
}

/// Conditions of every kind on 64-bit and masked arguments, for both architectures.
fn conditions(arch: Arch) -> Policy {
    let wide = |op, value| Pred::Compare { argument: 1, width: Width::W64, op, value };
    let mode = Pred::Masked { argument: 3, width: Width::W32, mask: 0xffff, value: 0o644 };
    let wx = Pred::Masked { argument: 2, width: Width::W64, mask: 6, value: 6 };
    let cloexec = Pred::Masked { argument: 1, width: Width::W32, mask: 0x8_0800, value: 0 };
    let rules = vec![
        rule(9, ALLOW, Pred::All(vec![wide(Op::Ge, 0x1000), wide(Op::Lt, 0x1_8000_0000)])),
        rule(9, SyscallAction::Errno(13), wx.clone()),
        rule(10, ALLOW, not(wx)),
        rule(41, ALLOW, Pred::All(vec![low(0, Op::Le, 2), not(cloexec)])),
        rule(41, KILL, low(0, Op::Eq, 0xffff_ffff)),
        rule(56, ALLOW, Pred::Any(vec![mode, low(2, Op::Ge, 0x8000_0000)])),
        rule(62, ALLOW, Pred::All(vec![low(1, Op::Ne, 9), low(0, Op::Gt, 1)])),
        rule(221, ALLOW, wide(Op::Eq, 0x1_0000_0001)),
        rule(222, ALLOW, wide(Op::Ne, u64::MAX)),
    ];
    let allowed = (0..40).chain(100..120).chain([60, 220, 231]).map(|nr| rule(nr, ALLOW, Pred::True));
    let rules = allowed.filter(|rule| ![9, 10].contains(&rule.nr)).chain(rules).collect();
    policy(arch, rules, EPERM)
}

/// All that a kernel for x86-64 serves, in one program.
fn several() -> Policy {
    let of = |arch, nr, action, predicate| SyscallRule { arch, ..rule(nr, action, predicate) };
    let mut several = conditions(Arch::X86_64);
    several.archs = vec![Arch::X86_64, Arch::I386, Arch::X32];
    let calls = (0..60).filter(|nr| *nr != 54).map(|nr| of(Arch::I386, nr, ALLOW, Pred::True));
    several.syscalls.extend(calls);
    several.syscalls.extend([
        of(Arch::I386, 54, ALLOW, not(low(1, Op::Eq, 0x5412))),
        of(Arch::I386, 102, SyscallAction::Errno(13), low(0, Op::Eq, 1)),
        of(Arch::I386, 600, SyscallAction::Notify, Pred::True),
        of(Arch::X32, 0x4000_0000, ALLOW, Pred::True),
        of(Arch::X32, 0x4000_0202, SyscallAction::Log, low(1, Op::Le, 9)),
    ]);
    several
}

#[test]
fn every_wrong_program_is_refused_and_what_is_accepted_is_equal() {
    let plain = Options::default();
    let (mut found, mut equal) = (0, 0);
    for (name, policy, options) in [
        ("coding agent", coding_agent(), plain),
        ("coding agent, traced", coding_agent(), Options { trace: true }),
        ("conditions, x86_64", conditions(Arch::X86_64), plain),
        ("conditions, aarch64", conditions(Arch::Aarch64), plain),
        ("three ABIs", several(), plain),
        ("chains", limits::wide(2, 20), plain),
    ] {
        let (more_found, more_equal) = mutants_of(name, &policy, options);
        (found, equal) = (found + more_found, equal + more_equal);
    }
    assert!(found > 5_000 && found > 20 * equal, "{found} refused, {equal} equal");
}
