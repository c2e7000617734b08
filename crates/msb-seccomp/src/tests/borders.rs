//! A program against the policy at the borders: an opinion apart from the proof's.
//!
//! Every number up to 1,023 and the borders beyond; on each number that has conditions the borders of every
//! condition (its constants and their neighbours, with bit 32 and all high bits set, each bit of a mask), and on
//! the others arguments that some other number's condition tells apart.

use std::collections::{BTreeMap, BTreeSet};

use msb_policy::{Policy, Pred, Request, SyscallAction, Width};
use msb_syscalls::Arch;

use crate::bpf::{Instruction, SeccompData, action, run};
use crate::trace::{TRACED_LENGTH_BYTES_MIN, traced};
use crate::{Options, Unproved};

/// Every number below this is tried.
const NUMBERS: u32 = 1024;
/// All combinations of the borders of a number's arguments are tried where they are at most so many.
const COMBINATIONS_MAX: usize = 512;
/// `AUDIT_ARCH_I386` of linux/audit.h: `int 0x80` from 64-bit code.
const I386: u32 = 0x4000_0003;

/// Compares `program` with what `policy` decides.
pub(super) fn check(policy: &Policy, options: Options, program: &[Instruction]) -> Result<(), Unproved> {
    let mut rules: BTreeMap<u32, Vec<&Pred>> = BTreeMap::new();
    for rule in &policy.syscalls {
        rules.entry(rule.nr).or_default().push(&rule.predicate);
    }
    let borders = rules.keys().flat_map(|nr| [nr.wrapping_sub(1), *nr, nr.wrapping_add(1), nr | 1 << 30]);
    let far = [0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 0xbfff_ffff, u32::MAX - 1, u32::MAX];
    let numbers: BTreeSet<u32> = (0..NUMBERS).chain(borders).chain(far).collect();
    let here = policy.archs[0].audit();
    let decide = |audit_arch, nr, args| policy.decide(&Request::Syscall { audit_arch, nr, args }).action;
    let same = |request: Asked, decided| same(policy.archs[0], options, program, request, decided);
    // Where a number that has conditions is taken for one that has none, or the other way round, these tell.
    let probes = probes(rules.values().flatten().copied());
    for nr in numbers {
        let preds = rules.get(&nr).map_or(&[][..], Vec::as_slice);
        if preds.iter().any(|pred| **pred != Pred::True) {
            for args in arguments(preds, options) {
                same((here, nr, args), decide(here, nr, args))?;
            }
        } else {
            let decided = decide(here, nr, [0; 6]);
            for args in &probes {
                same((here, nr, *args), decided)?;
            }
        }
        for foreign in [I386, Arch::X86_64.audit(), Arch::Aarch64.audit(), 0] {
            same((foreign, nr, [0; 6]), decide(foreign, nr, [0; 6]))?;
        }
    }
    Ok(())
}

/// Architecture, number and arguments of a call.
type Asked = (u32, u32, [u64; 6]);

/// Compares one answer.
fn same(
    arch: Arch,
    options: Options,
    program: &[Instruction],
    (audit_arch, nr, args): Asked,
    decided: SyscallAction,
) -> Result<(), Unproved> {
    let expected = match decided {
        SyscallAction::Kill => action::KILL_PROCESS,
        SyscallAction::Trap => action::TRAP,
        SyscallAction::Notify => action::USER_NOTIF,
        SyscallAction::Errno(_) if options.trace => action::USER_NOTIF,
        SyscallAction::Errno(errno) => action::errno(errno),
        decided if options.trace && decided.makes() && traced(arch, nr, &args) => action::USER_NOTIF,
        SyscallAction::Log => action::LOG,
        SyscallAction::Allow => action::ALLOW,
    };
    let returned = run(program, &SeccompData { nr, arch: audit_arch, instruction_pointer: 0, args });
    if returned == expected {
        return Ok(());
    }
    Err(Unproved::Differs { audit_arch, nr, instruction_pointer: 0, args, decided, returned })
}

/// For each condition of the policy arguments for which it holds and some for which it does not, and lengths on
/// both sides of the one from which a supervisor is asked.
fn probes<'a>(preds: impl Iterator<Item = &'a Pred>) -> BTreeSet<[u64; 6]> {
    let found = preds
        .flat_map(|pred| [pred.witness(), Pred::True.witness_without(pred)])
        .filter_map(msb_policy::Solution::found);
    let lengths = [0, TRACED_LENGTH_BYTES_MIN - 1, TRACED_LENGTH_BYTES_MIN, 1 << 32, u64::MAX];
    found
        .chain(lengths.iter().flat_map(|length| [[0, *length, 0, 0, 0, 0], [0, 0, *length, 0, 0, 0]]))
        .collect()
}

/// Arguments to try on a number with these conditions.
fn arguments(preds: &[&Pred], options: Options) -> Vec<[u64; 6]> {
    let borders = borders(preds, options);
    let combinations = borders.iter().map(BTreeSet::len).try_fold(1usize, usize::checked_mul);
    if combinations.is_some_and(|count| count <= COMBINATIONS_MAX) {
        return borders.iter().enumerate().fold(vec![[0; 6]], |found, (index, values)| {
            found
                .iter()
                .flat_map(|args| values.iter().map(move |value| replaced(*args, index, *value)))
                .collect()
        });
    }
    // Too many: one argument at a time, for each condition from where it holds and from where it does not.
    let mut found: Vec<_> = one_by_one([0; 6], &borders).collect();
    for pred in preds {
        let borders = self::borders(&[pred], options);
        for base in [pred.witness(), Pred::True.witness_without(pred)]
            .into_iter()
            .filter_map(msb_policy::Solution::found)
        {
            found.extend(one_by_one(base, &borders));
        }
    }
    found
}

fn one_by_one(base: [u64; 6], borders: &[BTreeSet<u64>; 6]) -> impl Iterator<Item = [u64; 6]> {
    let each = borders.iter().enumerate();
    each.flat_map(move |(index, values)| values.iter().map(move |value| replaced(base, index, *value)))
}

fn replaced(mut args: [u64; 6], index: usize, value: u64) -> [u64; 6] {
    args[index] = value;
    args
}

/// For each argument the values beside which a condition changes; 0 alone where none looks at it.
fn borders(preds: &[&Pred], options: Options) -> [BTreeSet<u64>; 6] {
    let mut borders: [BTreeSet<u64>; 6] = Default::default();
    for pred in preds {
        collect(pred, &mut borders);
    }
    for argument in &mut borders {
        if options.trace {
            argument.extend([TRACED_LENGTH_BYTES_MIN - 1, TRACED_LENGTH_BYTES_MIN]);
        }
        argument.insert(0);
        if argument.len() > 1 {
            argument.extend([1 << 32, u64::MAX]);
        }
    }
    borders
}

fn collect(pred: &Pred, borders: &mut [BTreeSet<u64>; 6]) {
    let (argument, width, mut values) = match *pred {
        Pred::True => return,
        Pred::Not(ref inner) => return collect(inner, borders),
        Pred::All(ref many) | Pred::Any(ref many) => {
            return many.iter().for_each(|one| collect(one, borders));
        }
        Pred::Compare { argument, width, value, .. } => {
            (argument, width, vec![value, value.wrapping_sub(1), value.wrapping_add(1)])
        }
        Pred::Masked { argument, width, mask, value } => {
            let bits = (0..64).map(|bit| 1 << bit).filter(|bit| mask & bit != 0);
            (argument, width, bits.map(|bit| value ^ bit).chain([value, value | !mask]).collect())
        }
    };
    if width == Width::W32 || values[0] <= u64::from(u32::MAX) {
        values.extend([values[0] | 1 << 32, values[0] | u64::MAX << 32]);
    }
    if let Some(argument) = borders.get_mut(usize::from(argument)) {
        argument.extend(values);
    }
}
