//! What can be said of conditions: whether one holds, whether it can, and for which arguments.
//!
//! The procedure is exact: arguments are independent of each other, and a condition in which every choice is
//! made is a [`Cube`] for each of them. Whether there are arguments for a condition is as hard to say as anything
//! (each bit of them can be a variable of a formula), so a search that takes too long says that it was given up:
//! whoever asks for a proof has none then.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::cube::Cube;
use crate::{Op, Pred, Width};

impl Width {
    /// The bits that it has.
    #[must_use]
    pub const fn mask(self) -> u64 {
        match self {
            Self::W32 => 0xffff_ffff,
            Self::W64 => u64::MAX,
        }
    }
}

impl Op {
    /// Whether `left op right`.
    #[must_use]
    pub const fn compare(self, left: u64, right: u64) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Ne => left != right,
            Self::Lt => left < right,
            Self::Le => left <= right,
            Self::Gt => left > right,
            Self::Ge => left >= right,
        }
    }

    /// The comparison that holds when this one does not.
    #[must_use]
    pub const fn negated(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }
}

impl Pred {
    /// Whether it holds for `args`. An argument beyond the sixth reads as 0.
    #[must_use]
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        let read =
            |argument: u8, width: Width| args.get(usize::from(argument)).map_or(0, |arg| arg & width.mask());
        match self {
            Self::True => true,
            Self::Compare { argument, width, op, value } => op.compare(read(*argument, *width), *value),
            Self::Masked { argument, width, mask, value } => read(*argument, *width) & mask == *value,
            Self::Not(inner) => !inner.holds(args),
            Self::All(all) => all.iter().all(|one| one.holds(args)),
            Self::Any(any) => any.iter().any(|one| one.holds(args)),
        }
    }

    /// Whether it holds for some arguments.
    #[must_use]
    pub fn witness(&self) -> Solution {
        search(vec![(self, true)])
    }

    /// Whether both hold for some arguments.
    #[must_use]
    pub fn witness_with(&self, other: &Self) -> Solution {
        search(vec![(self, true), (other, true)])
    }

    /// Whether it holds for some arguments for which `other` does not.
    #[must_use]
    pub fn witness_without(&self, other: &Self) -> Solution {
        if self == other {
            return Solution::Nothing;
        }
        search(vec![(self, true), (other, false)])
    }

    /// Whether it may hold: it is not known that it never does.
    #[must_use]
    pub fn satisfiable(&self) -> bool {
        self.witness() != Solution::Nothing
    }

    /// Whether it is known to hold for all arguments.
    #[must_use]
    pub fn always(&self) -> bool {
        Self::True.witness_without(self) == Solution::Nothing
    }
}

/// What a search for arguments came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solution {
    /// These, small ones where there is a choice.
    Found([u64; 6]),
    /// There are none.
    Nothing,
    /// It took too long: conditions can be made of which nobody knows a quick way to decide them.
    GivenUp,
}

impl Solution {
    /// The arguments, if some were found.
    #[must_use]
    pub fn found(self) -> Option<[u64; 6]> {
        match self {
            Self::Found(args) => Some(args),
            Self::Nothing | Self::GivenUp => None,
        }
    }
}

/// How many conditions, and values of an argument, a search looks at before it is given up: a tenth of a second.
const LOOKS_MAX: usize = 2_000_000;
/// How many choices a search makes one after the other: more than there are bits in the arguments, and few enough for
/// a stack.
const CHOICES_MAX: usize = 400;
/// Of so many ways, that which leaves least to do is taken first.
const WAYS_FEW: usize = 4;

/// What is left of the time of a search.
#[derive(Debug)]
pub(crate) struct Budget(Option<usize>);

impl Budget {
    /// Takes `looks` from it; `None` where it is used up, as it stays from then on.
    pub(crate) fn spend(&mut self, looks: usize) -> Option<()> {
        self.0 = self.0?.checked_sub(looks);
        self.0.map(|_| ())
    }
}

/// One of a list of conditions must have this truth.
#[derive(Clone, Copy)]
struct Choice<'a> {
    options: &'a [Pred],
    truth: bool,
    /// Whether one of them was chosen: what that asks for is in the cubes, and in choices of its own.
    made: bool,
}

/// Finds arguments for which each condition of `open` has the truth that stands beside it.
fn search(open: Vec<(&Pred, bool)>) -> Solution {
    let mut solver = Solver { choices: Vec::new(), blame: HashMap::new(), budget: Budget(Some(LOOKS_MAX)) };
    let mut cubes = [const { Cube::ALL }; 6];
    let found = take_in(open, &mut solver.choices, &mut cubes).and_then(|()| solver.solve(&cubes, 0));
    match (found, solver.budget.0) {
        (Some(args), _) => Solution::Found(args),
        (None, Some(_)) => Solution::Nothing,
        (None, None) => Solution::GivenUp,
    }
}

/// The search behind [`search`].
///
/// Everything that must hold is in the cubes. The smallest arguments of these either make every choice as well, or show
/// one that they do not: its ways are tried, that of the narrowest first, and of two that are as narrow that which most
/// often had none left.
struct Solver<'a> {
    choices: Vec<Choice<'a>>,
    /// How often a choice, by its first condition, had no way left.
    blame: HashMap<*const Pred, usize>,
    budget: Budget,
}

impl<'a> Solver<'a> {
    fn solve(&mut self, cubes: &[Cube; 6], depth: usize) -> Option<[u64; 6]> {
        let args = self.smallest(cubes)?;
        let missed = self.missed(&args)?;
        if missed.is_empty() {
            return Some(args);
        }
        if depth == CHOICES_MAX {
            self.budget = Budget(None);
            return None;
        }
        let chosen = self.narrowest(&missed, cubes)??;
        let Choice { options, truth, .. } = *self.choices.get(chosen)?;
        let mut ways: Vec<(usize, &Pred)> = options.iter().map(|option| (0, option)).collect();
        if ways.len() <= WAYS_FEW {
            for (left, option) in &mut ways {
                *left = self.left(option, truth, cubes)?;
            }
            ways.sort_by_key(|(left, _)| *left);
        }
        let known = self.choices.len();
        self.mark(chosen, true);
        for (_, option) in ways {
            if let Some(narrower) = self.way(option, truth, cubes)? {
                let found = self.solve(&narrower, depth + 1);
                if found.is_some() || self.budget.0.is_none() {
                    return found;
                }
            }
            self.choices.truncate(known);
        }
        self.mark(chosen, false);
        None
    }

    fn mark(&mut self, choice: usize, made: bool) {
        if let Some(choice) = self.choices.get_mut(choice) {
            choice.made = made;
        }
    }

    /// How many choices the smallest arguments do not make if `option` has this truth.
    fn left(&mut self, option: &'a Pred, truth: bool, cubes: &[Cube; 6]) -> Option<usize> {
        let known = self.choices.len();
        let left = match self.way(option, truth, cubes)? {
            Some(narrower) => {
                let args = self.smallest(&narrower)?;
                self.missed(&args)?.len()
            }
            None => usize::MAX,
        };
        self.choices.truncate(known);
        Some(left)
    }

    /// The places of choices that are open and that `args` do not make.
    fn missed(&mut self, args: &[u64; 6]) -> Option<Vec<usize>> {
        let mut missed = Vec::new();
        for (index, Choice { options, truth, .. }) in
            self.choices.iter().enumerate().filter(|(_, choice)| !choice.made)
        {
            let at = options.iter().position(|one| one.holds(args) == *truth);
            self.budget.spend(at.unwrap_or(options.len()) + 1)?;
            if at.is_none() {
                missed.push(index);
            }
        }
        Some(missed)
    }

    /// That of `missed` with the fewest ways to make it; nothing inside where one has none.
    fn narrowest(&mut self, missed: &[usize], cubes: &[Cube; 6]) -> Option<Option<usize>> {
        if let [only] = missed {
            return Some(Some(*only));
        }
        let known = self.choices.len();
        let mut best: Option<((usize, Reverse<usize>), usize)> = None;
        for &index in missed {
            let Choice { options, truth, .. } = *self.choices.get(index)?;
            let mut ways = 0;
            for option in options {
                ways += usize::from(self.way(option, truth, cubes)?.is_some());
                self.choices.truncate(known);
                // It is not the narrowest any more.
                if best.is_some_and(|((least, _), _)| ways > least) {
                    break;
                }
            }
            let blamed = self.blame.entry(options.as_ptr()).or_default();
            if ways == 0 {
                *blamed += 1;
                return Some(None);
            }
            let rank = (ways, Reverse(*blamed));
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, index));
            }
        }
        Some(best.map(|(_, choice)| choice))
    }

    /// What is left of `cubes` if `option` has this truth, nothing inside where it cannot have it; the choices that this
    /// leaves are added to the others.
    fn way(&mut self, option: &'a Pred, truth: bool, cubes: &[Cube; 6]) -> Option<Option<Box<[Cube; 6]>>> {
        self.budget.spend(1)?;
        let mut narrower = Box::new(cubes.clone());
        let goes = take_in(vec![(option, truth)], &mut self.choices, &mut narrower)
            .is_some_and(|()| self.smallest(&narrower).is_some());
        // Without time left nothing was found out.
        self.budget.0?;
        Some(goes.then_some(narrower))
    }

    fn smallest(&mut self, cubes: &[Cube; 6]) -> Option<[u64; 6]> {
        let mut found = [0; 6];
        for (value, cube) in found.iter_mut().zip(cubes) {
            *value = cube.smallest(&mut self.budget)?;
        }
        Some(found)
    }
}

/// Narrows `cubes` by the conditions of `open`, and adds the choices that they leave; `None` if no value is left.
fn take_in<'a>(
    mut open: Vec<(&'a Pred, bool)>,
    choices: &mut Vec<Choice<'a>>,
    cubes: &mut [Cube; 6],
) -> Option<()> {
    while let Some((pred, truth)) = open.pop() {
        match (pred, truth) {
            (Pred::True, true) => {}
            (Pred::True, false) => return None,
            (Pred::Not(inner), _) => open.push((inner, !truth)),
            (Pred::All(all), true) => open.extend(all.iter().map(|one| (one, true))),
            (Pred::Any(any), false) => open.extend(any.iter().map(|one| (one, false))),
            (Pred::Any(options), true) | (Pred::All(options), false) => {
                choices.push(Choice { options, truth, made: false });
            }
            (Pred::Compare { argument, .. } | Pred::Masked { argument, .. }, _) => {
                match cubes.get_mut(usize::from(*argument)) {
                    Some(cube) => narrow(cube, pred, truth)?,
                    None if pred.holds(&[0; 6]) == truth => {}
                    None => return None,
                }
            }
        }
    }
    Some(())
}

/// Takes a comparison, or its contrary, into `cube`; `None` if no value is left.
fn narrow(cube: &mut Cube, pred: &Pred, truth: bool) -> Option<()> {
    match *pred {
        Pred::Compare { width, op, value, .. } => {
            let (op, whole) = (if truth { op } else { op.negated() }, width.mask());
            match op {
                Op::Eq => cube.interval(width, value, value),
                Op::Ne if value > whole => Some(()),
                Op::Ne => cube.forbid(whole, value),
                Op::Lt => cube.interval(width, 0, value.checked_sub(1)?),
                Op::Le => cube.interval(width, 0, value),
                Op::Gt => cube.interval(width, value.checked_add(1)?, whole),
                Op::Ge => cube.interval(width, value, whole),
            }
        }
        Pred::Masked { width, mask, value, .. } => {
            let mask = mask & width.mask();
            match (value & !mask == 0, truth) {
                (true, true) => cube.know(mask, value),
                (true, false) => cube.forbid(mask, value),
                (false, true) => None,
                (false, false) => Some(()),
            }
        }
        Pred::True | Pred::Not(_) | Pred::All(_) | Pred::Any(_) => Some(()),
    }
}
