//! What can be said of conditions: whether one holds, whether it can, and for which arguments.
//!
//! The procedure is exact: arguments are independent of each other, and a condition in which every choice is
//! made is a [`Cube`] for each of them.

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

    /// Arguments for which it holds, small ones where there is a choice; `None` if it never does.
    #[must_use]
    pub fn witness(&self) -> Option<[u64; 6]> {
        search(vec![(self, true)], Vec::new(), [const { Cube::ALL }; 6])
    }

    /// Arguments for which both hold.
    #[must_use]
    pub fn witness_with(&self, other: &Self) -> Option<[u64; 6]> {
        search(vec![(self, true), (other, true)], Vec::new(), [const { Cube::ALL }; 6])
    }

    /// Arguments for which it holds and `other` does not.
    #[must_use]
    pub fn witness_without(&self, other: &Self) -> Option<[u64; 6]> {
        if self == other {
            return None;
        }
        search(vec![(self, true), (other, false)], Vec::new(), [const { Cube::ALL }; 6])
    }

    /// Whether it holds for some arguments.
    #[must_use]
    pub fn satisfiable(&self) -> bool {
        self.witness().is_some()
    }

    /// Whether it holds for all arguments.
    #[must_use]
    pub fn always(&self) -> bool {
        Self::True.witness_without(self).is_none()
    }
}

/// One of a list of conditions must have this truth.
type Choice<'a> = (&'a [Pred], bool);

/// So many open choices are tried as they come; among more, looking ahead costs less than going astray.
const CHOICES_FEW: usize = 2;

/// Finds arguments in `cubes` for which each condition of `open` has the truth that stands beside it, and for
/// each list of `choices` one of its conditions does.
///
/// Everything that must hold is taken in before a choice is made, and of many choices the narrowest is made first:
/// the time still doubles with each condition in the worst case, which those that people write are far from.
fn search<'a>(
    open: Vec<(&'a Pred, bool)>,
    mut choices: Vec<Choice<'a>>,
    mut cubes: [Cube; 6],
) -> Option<[u64; 6]> {
    take_in(open, &mut choices, &mut cubes)?;
    if choices.len() > CHOICES_FEW {
        look_ahead(&mut choices, &mut cubes)?;
    }
    let found = smallest(&cubes)?;
    let Some((choice, truth)) = choices.pop() else {
        return Some(found);
    };
    choice.iter().find_map(|one| search(vec![(one, truth)], choices.clone(), cubes.clone()))
}

fn smallest(cubes: &[Cube; 6]) -> Option<[u64; 6]> {
    let mut found = [0; 6];
    for (value, cube) in found.iter_mut().zip(cubes) {
        *value = cube.smallest()?;
    }
    Some(found)
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
            (Pred::Any(any), true) => choices.push((any, true)),
            (Pred::All(all), false) => choices.push((all, false)),
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

/// Drops choices that are made already, makes those that have one way left, and puts the narrowest of the others
/// last; `None` if one has no way.
fn look_ahead<'a>(choices: &mut Vec<Choice<'a>>, cubes: &mut [Cube; 6]) -> Option<()> {
    'again: loop {
        let mut narrowest = (usize::MAX, 0);
        let mut index = 0;
        while let Some(&(options, truth)) = choices.get(index) {
            let mut ways = 0;
            let mut last = None;
            for option in options {
                let (mut more, mut narrower) = (Vec::new(), cubes.clone());
                let goes = take_in(vec![(option, truth)], &mut more, &mut narrower).is_some();
                if !goes || smallest(&narrower).is_none() {
                    continue;
                }
                if more.is_empty() && narrower == *cubes {
                    choices.remove(index);
                    continue 'again;
                }
                ways += 1;
                last = Some(option);
            }
            if ways < 2 {
                choices.remove(index);
                take_in(vec![(last?, truth)], choices, cubes)?;
                continue 'again;
            }
            narrowest = narrowest.min((ways, index));
            index += 1;
        }
        if let Some(last) = choices.len().checked_sub(1) {
            choices.swap(narrowest.1, last);
        }
        return Some(());
    }
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
