//! What a filter does with each system call, found by walking its program.
//!
//! The architecture and the number of a call are known, its arguments are not: where the program tests an
//! argument both ways are taken. So a call has every action that some arguments can lead to.

use super::bpf;
use msb_decompile::{Instruction, instructions};
use msb_plan::Filter;
use msb_syscalls::{Arch, all};
use std::collections::{BTreeMap, BTreeSet};

/// Names of calls by what happens to them: one action, or several that depend on the arguments.
pub(super) type Calls = BTreeMap<String, Vec<&'static str>>;

/// Every call of the table of the filter's architecture, and what happens to a number without a call.
pub(super) fn of(filter: &Filter<'_>) -> (Calls, String) {
    let program = instructions(filter.program);
    let arch = match filter.arch {
        msb_plan::Arch::X86_64 => Arch::X86_64,
        msb_plan::Arch::Aarch64 => Arch::Aarch64,
    };
    let mut calls = Calls::new();
    for call in all(arch) {
        calls.entry(actions(&program, filter.arch.audit(), call.nr)).or_default().push(call.name);
    }
    // No table has it, and neither has an x32 bit.
    const NO_CALL: u32 = 0x3fff_ffff;
    (calls, actions(&program, filter.arch.audit(), NO_CALL))
}

/// `allow`, or `allow or errno EPERM, by arguments`.
fn actions(program: &[Instruction], arch: u32, nr: u32) -> String {
    let returns = returns(program, arch, nr);
    let names: BTreeSet<String> = returns.into_iter().map(bpf::action).collect();
    match names.len() {
        1 => names.into_iter().collect(),
        _ => format!("{}, by arguments", names.into_iter().collect::<Vec<_>>().join(" or ")),
    }
}

/// Every value that the program can return for this call.
fn returns(program: &[Instruction], arch: u32, nr: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<(usize, Option<u32>)> = vec![(0, None)];
    while let Some((at, accumulator)) = open.pop() {
        if !seen.insert((at, accumulator)) {
            continue;
        }
        let Some(&Instruction { code, jt, jf, k }) = program.get(at) else { continue };
        let mut branch = |holds: fn(u32, u32) -> bool| {
            let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
            match accumulator.map(|value| holds(value, k)) {
                Some(true) => open.push((yes, accumulator)),
                Some(false) => open.push((no, accumulator)),
                None => open.extend([(yes, None), (no, None)]),
            }
        };
        match code {
            0x20 => {
                let loaded = match k {
                    0 => Some(nr),
                    4 => Some(arch),
                    _ => None,
                };
                open.push((at + 1, loaded));
            }
            0x05 => open.push((at + 1 + k as usize, accumulator)),
            0x15 => branch(|a, k| a == k),
            0x25 => branch(|a, k| a > k),
            0x35 => branch(|a, k| a >= k),
            0x45 => branch(|a, k| a & k != 0),
            0x54 => open.push((at + 1, accumulator.map(|value| value & k))),
            0x06 => {
                found.insert(k);
            }
            // A checked plan has no other instruction.
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
