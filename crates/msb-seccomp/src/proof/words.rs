//! Sets of 32-bit words, exact: an interval, known bits, single values that are out, and bit patterns that are.

/// A question about a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Test {
    /// `word & mask == value`
    Equal {
        /// Which bits.
        mask: u32,
        /// Their value.
        value: u32,
    },
    /// `word & mask >= least`
    AtLeast {
        /// Which bits.
        mask: u32,
        /// The least value.
        least: u32,
    },
}

impl Test {
    /// Whether it holds for `word`.
    pub(super) const fn holds(self, word: u32) -> bool {
        match self {
            Self::Equal { mask, value } => word & mask == value,
            Self::AtLeast { mask, least } => word & mask >= least,
        }
    }
}

/// The values that a word can still have; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Set {
    first: u32,
    last: u32,
    /// Bits that are known.
    known: u32,
    /// Their values.
    bits: u32,
    /// Values that are out, sorted.
    points: Vec<u32>,
    /// No word of the set has `word & .0 == .1`; at least two bits and not all, sorted.
    patterns: Vec<(u32, u32)>,
}

impl Set {
    /// The values from `first` to `last`.
    pub(super) const fn range(first: u32, last: u32) -> Self {
        Self { first, last, known: 0, bits: 0, points: Vec::new(), patterns: Vec::new() }
    }

    /// Every value.
    pub(super) const fn all() -> Self {
        Self::range(0, u32::MAX)
    }

    /// Whether `test` holds for all of the set, or for none; `None` where it may be either.
    pub(super) fn verdict(&self, test: Test) -> Option<bool> {
        if self.first == self.last {
            return Some(test.holds(self.first));
        }
        match test {
            Test::Equal { mask, value } if value & !mask != 0 => Some(false),
            Test::Equal { mask: u32::MAX, value } => (!self.contains(value)).then_some(false),
            Test::Equal { mask, value } => {
                if (self.bits ^ value) & self.known & mask != 0 || self.patterns.contains(&(mask, value)) {
                    return Some(false);
                }
                (mask & !self.known == 0).then_some(true)
            }
            Test::AtLeast { mask, least } => {
                let (mut low, mut high) = (self.bits & mask, (self.bits | !self.known) & mask);
                if mask == u32::MAX {
                    (low, high) = (low.max(self.first), high.min(self.last));
                }
                if low >= least {
                    return Some(true);
                }
                (high < least).then_some(false)
            }
        }
    }

    /// The values for which `test` is as `holds` says, as sets that have none in common.
    pub(super) fn split(&self, test: Test, holds: bool) -> Vec<Self> {
        let mut pieces = Vec::new();
        match (test, holds) {
            (Test::Equal { mask, value }, true) => pieces.extend(self.with(mask, value)),
            (Test::Equal { mask, value }, false) => pieces.extend(self.without(mask, value)),
            (Test::AtLeast { least: 0, .. }, true) => pieces.push(self.clone()),
            (Test::AtLeast { least: 0, .. }, false) => {}
            (Test::AtLeast { mask: u32::MAX, least }, true) => pieces.extend(self.between(least, u32::MAX)),
            (Test::AtLeast { mask: u32::MAX, least }, false) => pieces.extend(self.between(0, least - 1)),
            (Test::AtLeast { mask, least }, true) => {
                pieces.extend(self.with(mask, least));
                self.beyond(mask, least, Side::Above, &mut pieces);
            }
            (Test::AtLeast { mask, least }, false) => self.beyond(mask, least, Side::Below, &mut pieces),
        }
        pieces.retain(|piece| piece.member().is_some());
        pieces
    }

    /// A value, the smallest where no pattern is in the way; `None` if there is none.
    pub(super) fn member(&self) -> Option<u32> {
        let value = self.outside_points()?;
        let Some(&(mask, bits)) = self.patterns.iter().find(|(mask, bits)| value & mask == *bits) else {
            return Some(value);
        };
        // The pattern is missed at its lowest open bit, or not there but at the next, and so on.
        let mut rest = self.clone();
        let mut open = mask & !self.known;
        while open != 0 {
            let bit = open & open.wrapping_neg();
            let mut missed = rest.clone();
            missed.know(bit, !bits & bit);
            if let Some(value) = missed.member() {
                return Some(value);
            }
            rest.know(bit, bits & bit);
            open &= !bit;
        }
        None
    }

    /// The smallest value, patterns aside.
    fn outside_points(&self) -> Option<u32> {
        let mut from = self.first;
        loop {
            let value = self.known_from(from)?;
            match self.points.binary_search(&value) {
                Ok(_) => from = value.checked_add(1)?,
                Err(_) => return Some(value),
            }
        }
    }

    /// The smallest value from `from` to the last one that has the known bits.
    fn known_from(&self, from: u32) -> Option<u32> {
        let mut value = from;
        while value <= self.last {
            let wrong = (value ^ self.bits) & self.known;
            if wrong == 0 {
                return Some(value);
            }
            // Nothing between here and the next multiple of the highest wrong bit can be right.
            let bit = 1u32 << wrong.ilog2();
            value = (value & !(bit - 1)).checked_add(bit)?;
        }
        None
    }

    fn contains(&self, value: u32) -> bool {
        (self.first..=self.last).contains(&value)
            && (value ^ self.bits) & self.known == 0
            && self.points.binary_search(&value).is_err()
            && self.patterns.iter().all(|(mask, bits)| value & mask != *bits)
    }

    fn know(&mut self, mask: u32, bits: u32) {
        self.known |= mask;
        self.bits = (self.bits & !mask) | bits;
    }

    fn with(&self, mask: u32, value: u32) -> Option<Self> {
        if value & !mask != 0 || (self.bits ^ value) & self.known & mask != 0 {
            return None;
        }
        let mut kept = self.clone();
        kept.know(mask, value);
        if kept.known == u32::MAX {
            return self.contains(kept.bits).then(|| Self::range(kept.bits, kept.bits));
        }
        Some(kept)
    }

    fn without(&self, mask: u32, value: u32) -> Option<Self> {
        let mut kept = self.clone();
        match mask {
            _ if value & !mask != 0 => {}
            0 => return None,
            u32::MAX if value == self.first => kept = self.between(value.checked_add(1)?, u32::MAX)?,
            u32::MAX if value == self.last => kept = self.between(0, value.checked_sub(1)?)?,
            u32::MAX => {
                if let Err(place) = kept.points.binary_search(&value) {
                    kept.points.insert(place, value);
                }
            }
            bit if bit.is_power_of_two() => return self.with(bit, !value & bit),
            _ => {
                if let Err(place) = kept.patterns.binary_search(&(mask, value)) {
                    kept.patterns.insert(place, (mask, value));
                }
            }
        }
        Some(kept)
    }

    fn between(&self, first: u32, last: u32) -> Option<Self> {
        let mut kept = self.clone();
        (kept.first, kept.last) = (self.first.max(first), self.last.min(last));
        // What is out anyway says nothing; without it sets that are equal are found to be.
        kept.points.retain(|point| (kept.first..=kept.last).contains(point));
        (kept.first <= kept.last).then_some(kept)
    }

    /// The values with `value & mask` above or below `border`: at the highest bit where they differ from it, and
    /// equal at those before.
    fn beyond(&self, mask: u32, border: u32, side: Side, pieces: &mut Vec<Self>) {
        let (mut above, mut above_bits) = (0, 0);
        for place in (0..32).rev() {
            let bit = 1u32 << place;
            let (asked, set) = (mask & bit != 0, border & bit != 0);
            match (side, set) {
                (Side::Above, false) if asked => pieces.extend(self.with(above | bit, above_bits | bit)),
                (Side::Below, true) if asked => pieces.extend(self.with(above | bit, above_bits)),
                // A bit that is masked out is 0: all are below a border that has it.
                (Side::Below, true) => pieces.extend(self.with(above, above_bits)),
                _ => {}
            }
            if !asked && set {
                return;
            }
            if asked {
                (above, above_bits) = (above | bit, above_bits | (border & bit));
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Above,
    Below,
}

#[cfg(test)]
mod tests;
