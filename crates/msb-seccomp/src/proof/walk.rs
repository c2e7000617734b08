//! The walk over a program and what it has to say, at once.

use std::collections::HashSet;
use std::rc::Rc;

use msb_policy::Calls;

use super::spec::{ARCH, NR, Sets, Spec, Stretch, WORDS};
use super::words::{Set, Test};
use super::{STEPS_MAX, Unproved, differs, expected};
use crate::bpf::{Instruction, SeccompData};
use crate::{INSTRUCTIONS_MAX, Options};

/// The operations: class, size or test, and mode or source of linux/bpf_common.h. They stand here once more: a wrong one in the emitter is
/// to be found here.
mod op {
    pub(super) const LD_W_ABS: u16 = 0x20;
    pub(super) const JA: u16 = 0x05;
    pub(super) const JEQ_K: u16 = 0x05 | 0x10;
    pub(super) const JGT_K: u16 = 0x05 | 0x20;
    pub(super) const JGE_K: u16 = 0x05 | 0x30;
    pub(super) const JSET_K: u16 = 0x05 | 0x40;
    pub(super) const AND_K: u16 = 0x04 | 0x50;
    pub(super) const RET_K: u16 = 0x06;
}

/// Whether the kernel takes the program: seccomp_check_filter and bpf_check_basics_ok of Linux.
pub(super) fn structure(program: &[Instruction]) -> Result<(), Unproved> {
    if program.len() > INSTRUCTIONS_MAX {
        return Err(Unproved::Malformed { at: INSTRUCTIONS_MAX });
    }
    for (at, Instruction { code, jt, jf, k }) in program.iter().copied().enumerate() {
        let inside = |offset: usize| at + 1 + offset < program.len();
        let good = match code {
            op::LD_W_ABS => k < 64 && k % 4 == 0,
            op::JA => usize::try_from(k).is_ok_and(|offset| offset < program.len() && inside(offset)),
            op::JEQ_K | op::JGT_K | op::JGE_K | op::JSET_K => inside(jt.into()) && inside(jf.into()),
            op::AND_K | op::RET_K => true,
            _ => false,
        };
        // Jumps go forward only: if the last one returns, every way ends in a return.
        let ends = at + 1 < program.len() || code == op::RET_K;
        if !good || !ends {
            return Err(Unproved::Malformed { at });
        }
    }
    if program.is_empty() { Err(Unproved::Malformed { at: 0 }) } else { Ok(()) }
}

/// What the accumulator holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Accumulator {
    /// A number: 0 when a program begins.
    Constant(u32),
    /// Some bits of a word.
    Word { word: usize, mask: u32 },
}

/// A place in the program, and all that is known there.
struct State {
    at: usize,
    accumulator: Accumulator,
    sets: Sets,
    spec: Rc<Spec>,
}

/// What the rest of a way depends on: where that was walked before, it need not be again.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    at: usize,
    accumulator: Option<Accumulator>,
    sets: Vec<(usize, Rc<Set>)>,
    spec: Rc<Spec>,
}

pub(super) struct Walk<'a> {
    calls: &'a Calls<'a>,
    options: Options,
    program: &'a [Instruction],
    /// For each instruction, which words are loaded from there on, as bits.
    live: Vec<u16>,
    /// Whether several instructions lead to it.
    joins: Vec<bool>,
    steps: usize,
}

impl<'a> Walk<'a> {
    /// `program` has the structure that the kernel asks for.
    pub(super) fn new(calls: &'a Calls<'a>, options: Options, program: &'a [Instruction]) -> Self {
        let mut live = vec![0u16; program.len()];
        let mut leading = vec![0u8; program.len()];
        for (at, instruction) in program.iter().enumerate().rev() {
            if instruction.code == op::LD_W_ABS {
                live[at] |= 1 << (instruction.k / 4);
            }
            for next in successors(at, *instruction) {
                live[at] |= live[next];
                leading[next] = leading[next].saturating_add(1);
            }
        }
        let joins = leading.iter().map(|leading| *leading > 1).collect();
        Self { calls, options, program, live, joins, steps: 0 }
    }

    pub(super) const fn steps(&self) -> usize {
        self.steps
    }

    /// Walks all ways that calls of `stretch` can take.
    pub(super) fn stretch(&mut self, stretch: &Stretch) -> Result<(), Unproved> {
        let mut sets: Sets = std::array::from_fn(|_| Rc::new(Set::all()));
        sets[NR] = Rc::new(Set::range(stretch.numbers.0, stretch.numbers.1));
        sets[ARCH] = Rc::new(Set::range(stretch.archs.0, stretch.archs.1));
        let spec = Rc::new(stretch.spec.clone());
        let mut open = vec![State { at: 0, accumulator: Accumulator::Constant(0), sets, spec }];
        let mut seen = HashSet::new();
        while let Some(state) = open.pop() {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(Unproved::Exhausted);
            }
            if self.joins[state.at] && !seen.insert(self.key(&state)) {
                continue;
            }
            self.step(state, &mut open)?;
        }
        Ok(())
    }

    fn key(&self, state: &State) -> Key {
        let needed = self.live[state.at] | state.spec.words() | accumulated(state.accumulator);
        let sets = (0..WORDS).filter(|word| needed & 1 << word != 0);
        let code = self.program[state.at].code;
        Key {
            at: state.at,
            accumulator: Some(state.accumulator).filter(|_| code != op::LD_W_ABS && code != op::RET_K),
            sets: sets.map(|word| (word, Rc::clone(&state.sets[word]))).collect(),
            spec: Rc::clone(&state.spec),
        }
    }

    fn step(&self, mut state: State, open: &mut Vec<State>) -> Result<(), Unproved> {
        let Instruction { code, jt, jf, k } = self.program[state.at];
        let next = state.at + 1;
        match code {
            op::LD_W_ABS => {
                state.accumulator = Accumulator::Word { word: k as usize / 4, mask: u32::MAX };
                state.at = next;
                open.push(state);
            }
            op::AND_K => {
                state.accumulator = match state.accumulator {
                    Accumulator::Constant(value) => Accumulator::Constant(value & k),
                    Accumulator::Word { word, mask } => Accumulator::Word { word, mask: mask & k },
                };
                state.at = next;
                open.push(state);
            }
            op::JA => {
                state.at = next + k as usize;
                open.push(state);
            }
            op::RET_K => self.returns(&state, k, open)?,
            _ => {
                let (then, otherwise) = (next + usize::from(jt), next + usize::from(jf));
                match state.accumulator {
                    Accumulator::Constant(value) => {
                        let (test, holds) = asked(code, u32::MAX, k);
                        state.at = if test.holds(value) == holds { then } else { otherwise };
                        open.push(state);
                    }
                    Accumulator::Word { word, mask } => {
                        let (test, holds) = asked(code, mask, k);
                        branch(&state, word, test, [(holds, then), (!holds, otherwise)], open);
                    }
                }
            }
        }
        Ok(())
    }

    /// The program returns `returned`, whatever the words in their sets are.
    fn returns(&self, state: &State, returned: u32, open: &mut Vec<State>) -> Result<(), Unproved> {
        if let Some((word, test)) = state.spec.open() {
            let at = state.at;
            branch(state, word, test, [(true, at), (false, at)], open);
            return Ok(());
        }
        let data = member(&state.sets);
        let wanted = state.spec.settled();
        if wanted != Some(returned) || expected(self.calls, self.options, &data) != returned {
            return Err(differs(self.calls, &data, returned));
        }
        Ok(())
    }
}

/// Goes on with what is left of the words where `test` holds, and where it does not.
fn branch(state: &State, word: usize, test: Test, ways: [(bool, usize); 2], open: &mut Vec<State>) {
    for (holds, at) in ways {
        for set in state.sets[word].split(test, holds) {
            let mut sets = state.sets.clone();
            sets[word] = Rc::new(set);
            let concerned = state.spec.words() & 1 << word != 0;
            let spec = if concerned { Rc::new(state.spec.under(&sets)) } else { Rc::clone(&state.spec) };
            open.push(State { at, accumulator: state.accumulator, sets, spec });
        }
    }
}

/// What a conditional jump asks of the masked word, and what the answer has to be.
fn asked(code: u16, mask: u32, k: u32) -> (Test, bool) {
    match code {
        op::JEQ_K => (Test::Equal { mask, value: k }, true),
        op::JSET_K => (Test::Equal { mask: mask & k, value: 0 }, false),
        op::JGE_K => (Test::AtLeast { mask, least: k }, true),
        // op::JGT_K; nothing is more than the most.
        _ => match k.checked_add(1) {
            Some(least) => (Test::AtLeast { mask, least }, true),
            None => (Test::AtLeast { mask, least: 0 }, false),
        },
    }
}

const fn accumulated(accumulator: Accumulator) -> u16 {
    match accumulator {
        Accumulator::Constant(_) => 0,
        Accumulator::Word { word, .. } => 1 << word,
    }
}

fn successors(at: usize, Instruction { code, jt, jf, k }: Instruction) -> Vec<usize> {
    match code {
        op::RET_K => Vec::new(),
        op::JA => vec![at + 1 + k as usize],
        op::LD_W_ABS | op::AND_K => vec![at + 1],
        _ => vec![at + 1 + usize::from(jt), at + 1 + usize::from(jf)],
    }
}

/// A call whose words are in `sets`.
fn member(sets: &Sets) -> SeccompData {
    // No set is empty.
    let word = |word: usize| sets[word].member().unwrap_or_default();
    let wide = |low: usize| u64::from(word(low)) | u64::from(word(low + 1)) << 32;
    SeccompData {
        nr: word(NR),
        arch: word(ARCH),
        instruction_pointer: wide(2),
        args: std::array::from_fn(|index| wide(4 + 2 * index)),
    }
}
