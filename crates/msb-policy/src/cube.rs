//! A set of 64-bit values: two intervals, known bits, and bit patterns that are forbidden.
//!
//! A cube is searched from its smallest value; a forbidden pattern that the value meets splits the cube at each
//! bit of the pattern. This is exact, and quick for the few patterns that rules have.

use crate::Width;

const LOW: u64 = 0xffff_ffff;

/// The values of one argument that are still possible.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cube {
    /// First and last value of the whole.
    whole: (u64, u64),
    /// First and last value of the low word.
    low: (u64, u64),
    /// Bits that are known, and their values.
    known: (u64, u64),
    /// No value has `value & .0 == .1`.
    forbidden: Vec<(u64, u64)>,
}

impl Cube {
    /// Every value.
    pub(crate) const ALL: Self =
        Self { whole: (0, u64::MAX), low: (0, LOW), known: (0, 0), forbidden: Vec::new() };

    /// Keeps the values whose `width` is from `first` to `last`; `None` if that is plainly nothing.
    pub(crate) fn interval(&mut self, width: Width, first: u64, last: u64) -> Option<()> {
        let kept = match width {
            Width::W32 => &mut self.low,
            Width::W64 => &mut self.whole,
        };
        *kept = (kept.0.max(first), kept.1.min(last));
        (kept.0 <= kept.1).then_some(())
    }

    /// Keeps the values with `value & mask == bits`; `None` if that is plainly nothing.
    pub(crate) fn know(&mut self, mask: u64, bits: u64) -> Option<()> {
        let both = self.known.0 & mask;
        if (self.known.1 ^ bits) & both != 0 {
            return None;
        }
        self.known = (self.known.0 | mask, self.known.1 | bits);
        Some(())
    }

    /// Drops the values with `value & mask == bits`; `None` if that is plainly everything.
    pub(crate) fn forbid(&mut self, mask: u64, bits: u64) -> Option<()> {
        self.forbidden.push((mask, bits));
        (mask != 0).then_some(())
    }

    /// A value, the smallest where nothing is forbidden; `None` if there is none.
    pub(crate) fn smallest(&self) -> Option<u64> {
        let value = self.smallest_allowing_all()?;
        let Some(&(mask, bits)) = self.forbidden.iter().find(|(mask, bits)| value & mask == *bits) else {
            return Some(value);
        };
        // The pattern is missed at some bit: at the lowest, or not there but at the second, and so on.
        let mut rest = self.clone();
        let mut open = mask & !self.known.0;
        while open != 0 {
            let bit = open & open.wrapping_neg();
            let mut missed = rest.clone();
            missed.know(bit, !bits & bit)?;
            if let Some(value) = missed.smallest() {
                return Some(value);
            }
            rest.know(bit, bits & bit)?;
            open &= !bit;
        }
        None
    }

    /// The smallest value, forbidden or not.
    fn smallest_allowing_all(&self) -> Option<u64> {
        let ((first, last), high) = (self.whole, |value: u64| value >> 32);
        // With the high word fixed at an end of the interval the low word has that end's bound; between the
        // ends it has none, and the words are independent.
        let pieces = [
            (high(first), high(first), first & LOW, if high(first) == high(last) { last & LOW } else { LOW }),
            (high(first) + 1, high(last).saturating_sub(1), 0, LOW),
            (high(last), high(last), if high(first) == high(last) { first & LOW } else { 0 }, last & LOW),
        ];
        pieces.into_iter().find_map(|(high_first, high_last, low_first, low_last)| {
            let (mask, bits) = self.known;
            let upper = smallest_word(high_first, high_last, high(mask), high(bits))?;
            let lower =
                smallest_word(low_first.max(self.low.0), low_last.min(self.low.1), mask & LOW, bits & LOW)?;
            Some(upper << 32 | lower)
        })
    }
}

/// The smallest value from `first` to `last`, below 2³², with `value & mask == bits`.
fn smallest_word(first: u64, last: u64, mask: u64, bits: u64) -> Option<u64> {
    let mut value = first;
    while value <= last && value <= LOW {
        let wrong = (value ^ bits) & mask;
        if wrong == 0 {
            return Some(value);
        }
        // Nothing between here and the next multiple of the highest wrong bit can be right.
        let bit = 1 << wrong.ilog2();
        value = (value & !(bit - 1)) + bit;
    }
    None
}
