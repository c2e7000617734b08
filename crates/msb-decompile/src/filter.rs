//! What a filter does with each call, read back from its program.

use msb_plan::{Filter, INSTRUCTION_BYTES, Listener, Plan};
use msb_policy as ir;
use msb_syscalls::{Arch, all, by_number};
use std::collections::{BTreeMap, BTreeSet};

/// `struct sock_filter` of linux/filter.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// How many instructions to skip where a test holds.
    pub jt: u8,
    /// How many to skip where it does not.
    pub jf: u8,
    /// What it does it with.
    pub k: u32,
}

/// The instructions of a checked plan's filter.
#[must_use]
pub fn instructions(program: &[u8]) -> Vec<Instruction> {
    let (chunks, _) = program.as_chunks::<INSTRUCTION_BYTES>();
    chunks
        .iter()
        .map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| Instruction {
            code: u16::from_le_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_le_bytes([k0, k1, k2, k3]),
        })
        .collect()
}

/// All that must hold of the arguments: tests, and tests that must fail.
pub(crate) type Way = Vec<ir::Pred>;

/// What happens to a call.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Whose call it is.
    pub(crate) arch: Arch,
    /// Its number.
    pub(crate) nr: u32,
    /// Every action that it can come to, the least severe first, each with the ways that lead there. Together
    /// they are all arguments, and no two of them share any.
    pub(crate) actions: Vec<(ir::SyscallAction, Vec<Way>)>,
}

/// ENOSYS: what a number without a call, and without a rule, comes to.
const ENOSYS: u16 = 38;
/// `__X32_SYSCALL_BIT` of asm/unistd.h: from here on, no rule decides.
const X32_SYSCALL_BIT: u32 = 0x4000_0000;
/// Numbers beyond the table for which a filter may do something of its own: more is none of this compiler's.
const BEYOND_MAX: usize = 4096;

/// The architectures that the policy of a filter names, the machine's own first. Number −1 fails where one is named, and
/// kills where it is not; x32 shares that with x86_64, and does something else than fail where it is named.
#[must_use]
pub fn archs(filter: &Filter<'_>) -> Vec<Arch> {
    let program = instructions(filter.program);
    let mut archs = vec![match filter.arch {
        msb_plan::Arch::X86_64 => Arch::X86_64,
        msb_plan::Arch::Aarch64 => Arch::Aarch64,
    }];
    if filter.arch == msb_plan::Arch::X86_64 {
        let always = |arch, nr, action| {
            let ways = ways(filter, &program, arch, nr);
            ways.is_some_and(|ways| ways.iter().all(|(way, _)| *way == action))
        };
        archs.extend(Some(Arch::I386).filter(|arch| !always(*arch, u32::MAX, ir::SyscallAction::Kill)));
        let fails = |arch, nr| always(arch, nr, ir::SyscallAction::Errno(ENOSYS));
        archs.extend(Some(Arch::X32).filter(|arch| !all(*arch).iter().all(|call| fails(*arch, call.nr))));
    }
    archs
}

/// Every way that a call can take, and what it comes to.
fn ways(
    filter: &Filter<'_>,
    program: &[Instruction],
    arch: Arch,
    nr: u32,
) -> Option<Vec<(ir::SyscallAction, Way)>> {
    let mut ways = Vec::new();
    let walk = Walk { program, audit_arch: arch.audit(), nr, listener: filter.listener };
    walk.from(0, Word::Known(0), &mut Vec::new(), &mut ways)?;
    Some(ways)
}

/// Every call of the tables, and every number beyond them that does not fail with ENOSYS; `None` if a filter tests
/// what no rule can say.
pub(crate) fn outcomes(plan: &Plan<'_>) -> Option<Vec<Outcome>> {
    let of = |filter| archs(filter).into_iter().map(move |arch| of_arch(filter, arch));
    let all = plan.filters.iter().flat_map(of).collect::<Option<Vec<_>>>()?;
    Some(all.concat())
}

/// What a call comes to, and by which arguments.
type Actions = Vec<(ir::SyscallAction, Vec<Way>)>;

/// The number of a call that `one` and `other` decide otherwise for some arguments.
///
/// The ways of a call are all arguments, and no two of them share any, so that two filters differ exactly where a way of
/// the one and a way of the other, which lead to different actions, meet.
pub(crate) fn difference(one: &[Outcome], other: &[Outcome]) -> Option<u32> {
    let fails = [(ir::SyscallAction::Errno(ENOSYS), vec![Vec::new()])];
    let index = |all: &[Outcome]| -> BTreeMap<(Arch, u32), Actions> {
        all.iter().map(|it| ((it.arch, it.nr), it.actions.clone())).collect()
    };
    let (one, other) = (index(one), index(other));
    let calls: BTreeSet<(Arch, u32)> = one.keys().chain(other.keys()).copied().collect();
    let of = |all: &BTreeMap<(Arch, u32), Actions>, call| {
        all.get(&call).map_or_else(|| fails.to_vec(), Clone::clone)
    };
    let differ = |call: &(Arch, u32)| {
        let (own, its) = (of(&one, *call), of(&other, *call));
        own.iter().any(|(action, ways)| {
            let elsewhere = its.iter().filter(|(its, _)| its != action).flat_map(|(_, ways)| ways);
            let mut elsewhere = elsewhere.flat_map(|way| ways.iter().map(move |own| (own, way)));
            elsewhere.any(|(own, way)| ir::Pred::All([own.as_slice(), way].concat()).satisfiable())
        })
    };
    calls.into_iter().find(differ).map(|(_, nr)| nr)
}

fn of_arch(filter: &Filter<'_>, arch: Arch) -> Option<Vec<Outcome>> {
    let program = instructions(filter.program);
    let outcome = |nr| {
        let ways = ways(filter, &program, arch, nr)?;
        let mut actions: Vec<ir::SyscallAction> = ways.iter().map(|(action, _)| *action).collect();
        actions.sort_unstable();
        actions.dedup();
        let of = |action| ways.iter().filter(|(way, _)| *way == action).map(|(_, way)| way.clone()).collect();
        Some(Outcome { arch, nr, actions: actions.into_iter().map(|action| (action, of(action))).collect() })
    };
    let mut outcomes = all(arch).iter().map(|call| outcome(call.nr)).collect::<Option<Vec<_>>>()?;
    // The numbers beyond the table are alike from one border to the next.
    let base = if arch == Arch::X32 { X32_SYSCALL_BIT } else { 0 };
    for (first, end) in ranges(&program, base) {
        let mut numbers = (first..end).filter(|nr| by_number(arch, *nr).is_none());
        let Some(one) = numbers.next() else { continue };
        let of_one = outcome(one)?;
        if matches!(of_one.actions.as_slice(), [(ir::SyscallAction::Errno(ENOSYS), _)]) {
            continue;
        }
        outcomes.push(of_one.clone());
        outcomes.extend(numbers.by_ref().take(BEYOND_MAX).map(|nr| Outcome { nr, ..of_one.clone() }));
        if numbers.next().is_some() {
            return None;
        }
    }
    Some(outcomes)
}

/// Ranges of numbers, first and end, between which no test of `program` lies. Tests of arguments are taken for tests
/// of numbers, too: that makes ranges too many, and none too long.
fn ranges(program: &[Instruction], base: u32) -> Vec<(u32, u32)> {
    let end = base + X32_SYSCALL_BIT;
    let mut borders = BTreeSet::from([base, end]);
    for Instruction { code, k, .. } in program {
        if matches!(code, 0x15 | 0x25 | 0x35) {
            borders.extend([*k, k.saturating_add(1)].into_iter().filter(|it| (base..end).contains(it)));
        }
    }
    borders.iter().copied().zip(borders.iter().copied().skip(1)).collect()
}

/// Paths through a filter for one call: more than any rule that the compiler writes has.
const PATHS_MAX: usize = 1 << 14;

/// What the accumulator holds.
#[derive(Debug, Clone, Copy)]
enum Word {
    Known(u32),
    /// A half of an argument, and the bits of it that are kept.
    Argument {
        index: u8,
        high: bool,
        mask: u32,
    },
}

struct Walk<'a> {
    program: &'a [Instruction],
    audit_arch: u32,
    nr: u32,
    listener: Listener,
}

impl Walk<'_> {
    /// Every way from the instruction `at` to a return, with what must hold on it.
    fn from(
        &self,
        at: usize,
        word: Word,
        held: &mut Vec<ir::Pred>,
        ways: &mut Vec<(ir::SyscallAction, Vec<ir::Pred>)>,
    ) -> Option<()> {
        let Instruction { code, jt, jf, k } = *self.program.get(at)?;
        match code {
            0x20 => self.from(at + 1, self.load(k)?, held, ways),
            0x05 => self.from(at + 1 + usize::try_from(k).ok()?, word, held, ways),
            0x54 => {
                let kept = match word {
                    // Between two borders numbers must be alike, which bits of them are not.
                    Word::Known(_) => return None,
                    Word::Argument { index, high, mask } => Word::Argument { index, high, mask: mask & k },
                };
                self.from(at + 1, kept, held, ways)
            }
            0x06 => {
                if ways.len() == PATHS_MAX {
                    return None;
                }
                ways.push((action(k, self.listener)?, held.clone()));
                Some(())
            }
            0x15 | 0x25 | 0x35 | 0x45 => {
                let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
                match word {
                    Word::Known(_) if code == 0x45 && k != X32_SYSCALL_BIT => None,
                    Word::Known(value) => {
                        let holds = match code {
                            0x15 => value == k,
                            0x25 => value > k,
                            0x35 => value >= k,
                            _ => value & k != 0,
                        };
                        self.from(if holds { yes } else { no }, word, held, ways)
                    }
                    Word::Argument { index, high, mask } => {
                        let test = test(code, index, high, mask, k)?;
                        for (next, holds) in [(yes, test.clone()), (no, ir::Pred::Not(Box::new(test)))] {
                            held.push(holds);
                            // A way that no arguments take is none.
                            if ir::Pred::All(held.clone()).satisfiable() {
                                self.from(next, word, held, ways)?;
                            }
                            held.pop();
                        }
                        Some(())
                    }
                }
            }
            _ => None,
        }
    }

    /// A word of `struct seccomp_data` by its offset.
    fn load(&self, offset: u32) -> Option<Word> {
        match offset {
            0 => Some(Word::Known(self.nr)),
            4 => Some(Word::Known(self.audit_arch)),
            16..64 if offset.is_multiple_of(4) => {
                let index = u8::try_from((offset - 16) / 8).ok()?;
                Some(Word::Argument { index, high: !offset.is_multiple_of(8), mask: u32::MAX })
            }
            _ => None,
        }
    }
}

/// A test of a word as a condition on the argument.
fn test(code: u16, argument: u8, high: bool, mask: u32, k: u32) -> Option<ir::Pred> {
    let width = if high { ir::Width::W64 } else { ir::Width::W32 };
    let place = |bits: u32| if high { u64::from(bits) << 32 } else { u64::from(bits) };
    let masked = |mask, value| ir::Pred::Masked { argument, width, mask: place(mask), value: place(value) };
    let compare = |op, value| ir::Pred::Compare { argument, width, op, value };
    match code {
        0x15 if k & !mask != 0 => Some(ir::Pred::Any(Vec::new())),
        0x15 => Some(masked(mask, k)),
        0x45 => Some(ir::Pred::Not(Box::new(masked(mask & k, 0)))),
        _ if mask != u32::MAX => None,
        0x25 if high => Some(compare(ir::Op::Gt, place(k) | u64::from(u32::MAX))),
        0x25 => Some(compare(ir::Op::Gt, place(k))),
        _ => Some(compare(ir::Op::Ge, place(k))),
    }
}

/// `SECCOMP_RET_*` of linux/seccomp.h; `None` where everything that would fail is asked about.
fn action(value: u32, listener: Listener) -> Option<ir::SyscallAction> {
    match value & 0xffff_0000 {
        0x7fff_0000 => Some(ir::SyscallAction::Allow),
        0x7ffc_0000 => Some(ir::SyscallAction::Log),
        0x0005_0000 => Some(ir::SyscallAction::Errno(u16::try_from(value & 0xffff).ok()?)),
        0x7fc0_0000 if listener == Listener::Optional => Some(ir::SyscallAction::Notify),
        0x0003_0000 => Some(ir::SyscallAction::Trap),
        0x8000_0000 => Some(ir::SyscallAction::Kill),
        _ => None,
    }
}
