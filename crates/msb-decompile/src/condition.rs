//! The shortest condition that we find for the arguments that lead to an action.
//!
//! A filter looks at words of 32 bits, so that one comparison of a 64-bit argument is several tests on several
//! ways. Words are put together again, then each way drops every test without which it still leads nowhere else,
//! and a way that another one covers goes. Each step is exact: see [`msb_policy::Pred`].

use crate::filter::Way;
use msb_policy::{Op, Pred, Solution, Width};
use msb_syscalls::{Bits, Syscall};

const LOW: u64 = 0xffff_ffff;
const HIGH: u64 = LOW << 32;
/// Ways for which a shorter form is looked for: the search is cubic.
const WAYS_MAX: usize = 100;

/// Ways that together lead where `ways` do, with fewer tests. `others` are all the ways that lead elsewhere.
pub(crate) fn simplest(call: Option<&Syscall>, ways: &[Way], others: &[Way]) -> Vec<Way> {
    let mut simple: Vec<Way> = ways.iter().map(|way| join(call, way, Masks::Apart)).collect();
    if ways.len().max(others.len()) <= WAYS_MAX {
        for way in &mut simple {
            let mut at = way.len();
            while at > 0 {
                at -= 1;
                let mut less = way.clone();
                less.remove(at);
                if others.iter().all(|other| !meet(&less, other)) {
                    *way = less;
                }
            }
        }
        // Each of the ways must be within one that stays.
        let mut at = simple.len();
        while at > 0 {
            at -= 1;
            let mut fewer = simple.clone();
            fewer.remove(at);
            if ways.iter().all(|way| fewer.iter().any(|wider| within(way, wider))) {
                simple = fewer;
            }
        }
    }
    simple.iter().map(|way| join(call, way, Masks::Together)).collect()
}

/// Whether some arguments take both ways.
fn meet(one: &Way, other: &Way) -> bool {
    Pred::All(one.iter().chain(other).cloned().collect()).satisfiable()
}

/// Whether all arguments that take `way` take `wider`, too.
fn within(way: &Way, wider: &Way) -> bool {
    let way = Pred::All(way.clone());
    wider.iter().all(|test| way.witness_without(test) == Solution::Nothing)
}

/// Whether tests of bits are one test, or can still be dropped one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Masks {
    Apart,
    Together,
}

/// What is known of one argument on a way.
struct Known {
    argument: u8,
    width: Width,
    /// Bits, and their values.
    masks: Vec<(u64, u64)>,
    /// First and last value of the low word, and of all.
    low: (u64, u64),
    whole: (u64, u64),
    /// Tests that must fail.
    not: Vec<Pred>,
}

/// The same way with one test for what is known of an argument, where several words say it.
fn join(call: Option<&Syscall>, way: &Way, masks: Masks) -> Way {
    let mut all: Vec<Known> = Vec::new();
    for test in way {
        let (mut inner, mut holds) = (test, true);
        while let Pred::Not(of) = inner {
            (inner, holds) = (of, !holds);
        }
        let (Pred::Masked { argument, .. } | Pred::Compare { argument, .. }) = inner else { continue };
        let index = all.iter().position(|known| known.argument == *argument).unwrap_or_else(|| {
            let bits = call.and_then(|call| call.args.get(usize::from(*argument))).map(|arg| arg.kind.bits());
            let width = if matches!(bits, Some(Bits::B64) | None) { Width::W64 } else { Width::W32 };
            let (low, whole) = ((0, LOW), (0, u64::MAX));
            all.push(Known { argument: *argument, width, masks: Vec::new(), low, whole, not: Vec::new() });
            all.len() - 1
        });
        if let Some(known) = all.get_mut(index) {
            known.take(inner, holds);
        }
    }
    all.into_iter().flat_map(|known| known.tests(masks)).collect()
}

impl Known {
    fn take(&mut self, test: &Pred, holds: bool) {
        match (test, holds) {
            (Pred::Masked { mask, value, .. }, true) => {
                if mask & HIGH != 0 {
                    self.width = Width::W64;
                }
                self.masks.push((*mask, *value));
            }
            (Pred::Compare { width, op, value, .. }, _) => {
                let op = if holds { *op } else { op.negated() };
                let range = if *width == Width::W32 { &mut self.low } else { &mut self.whole };
                match op {
                    Op::Eq => *range = (range.0.max(*value), range.1.min(*value)),
                    Op::Lt => range.1 = range.1.min(value.saturating_sub(1)),
                    Op::Le => range.1 = range.1.min(*value),
                    Op::Gt => range.0 = range.0.max(value.saturating_add(1)),
                    Op::Ge => range.0 = range.0.max(*value),
                    Op::Ne => self.not.push(self.equal(*value)),
                }
            }
            (other, _) => self.not.push(other.clone()),
        }
    }

    fn equal(&self, value: u64) -> Pred {
        Pred::Compare { argument: self.argument, width: self.width, op: Op::Eq, value }
    }

    /// All that is known, as tests. A way is one that some arguments take, so that where one value is left it
    /// fulfils the rest.
    fn tests(mut self, masks: Masks) -> Vec<Pred> {
        let (argument, width, every) = (self.argument, self.width, self.width.mask());
        let together = |masks: &[(u64, u64)]| {
            masks.iter().fold((0, 0), |all, (mask, value)| (all.0 | mask, all.1 | value))
        };
        let (mask, value) = together(&self.masks);
        let whole = self.whole;
        if mask & HIGH == HIGH {
            let high = value & HIGH;
            self.whole = (self.whole.0.max(high), self.whole.1.min(high | LOW));
        }
        let high = self.whole.0 & HIGH;
        if width == Width::W64 && high == self.whole.1 & HIGH && self.low != (0, LOW) {
            // With the high word known, an order of low words is one of the whole.
            self.whole = (self.whole.0.max(high | self.low.0), self.whole.1.min(high | self.low.1));
            self.low = (0, LOW);
            self.masks.retain(|(mask, _)| mask & HIGH == 0);
        } else if mask & HIGH == HIGH && self.masks.iter().any(|(mask, _)| mask & HIGH != 0) {
            // The bits say it already.
            self.whole = whole;
        }
        if width == Width::W64 && self.low.0 == self.low.1 {
            self.masks.push((LOW, self.low.0));
            self.low = (0, LOW);
        }
        let mut tests = Vec::new();
        if masks == Masks::Together {
            let (mask, value) = together(&self.masks);
            if mask & every == every {
                return vec![self.equal(value & every)];
            }
            self.masks = if mask == 0 { Vec::new() } else { vec![(mask, value)] };
        }
        tests.extend(self.masks.iter().map(|&(mask, value)| Pred::Masked { argument, width, mask, value }));
        let compare = |width, op, value| Pred::Compare { argument, width, op, value };
        for (of, (first, last), end) in [(Width::W32, self.low, LOW), (Width::W64, self.whole, u64::MAX)] {
            if first == last && of == self.width {
                return vec![self.equal(first)];
            }
            if first > 0 {
                tests.push(compare(of, Op::Ge, first));
            }
            if last < end {
                tests.push(compare(of, Op::Le, last));
            }
        }
        tests.extend(self.not.into_iter().map(|test| Pred::Not(Box::new(test))));
        tests
    }
}
