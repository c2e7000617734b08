//! The values that one argument can still have, exactly: an interval of the whole and one of its low word, known
//! bits, single values that are out, and bit patterns that are.
//!
//! A cube is searched from its smallest value. A single value that is out is passed; a pattern that the value meets
//! splits the cube at each bit of the pattern, which is exact, and quick for the few patterns that rules have.

use crate::Width;
use crate::pred::Budget;

const LOW: u64 = 0xffff_ffff;

/// The values of one argument that are still possible.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cube {
    span: Span,
    /// Values that are out, in order: of the whole, and of the low word.
    points: [Vec<u64>; 2],
    /// No value has `value & .0 == .1`.
    patterns: Vec<(u64, u64)>,
}

/// Intervals and known bits.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    /// First and last value of the whole.
    whole: (u64, u64),
    /// First and last value of the low word.
    low: (u64, u64),
    /// Bits that are known, and their values.
    known: (u64, u64),
}

impl Cube {
    /// Every value.
    pub(crate) const ALL: Self = Self {
        span: Span { whole: (0, u64::MAX), low: (0, LOW), known: (0, 0) },
        points: [Vec::new(), Vec::new()],
        patterns: Vec::new(),
    };

    /// Keeps the values whose `width` is from `first` to `last`; `None` if that is plainly nothing.
    pub(crate) fn interval(&mut self, width: Width, first: u64, last: u64) -> Option<()> {
        let kept = match width {
            Width::W32 => &mut self.span.low,
            Width::W64 => &mut self.span.whole,
        };
        *kept = (kept.0.max(first), kept.1.min(last));
        (kept.0 <= kept.1).then_some(())
    }

    /// Keeps the values with `value & mask == bits`; `None` if that is plainly nothing.
    pub(crate) fn know(&mut self, mask: u64, bits: u64) -> Option<()> {
        self.span.know(mask, bits)
    }

    /// Drops the values with `value & mask == bits`; `None` if that is plainly everything.
    pub(crate) fn forbid(&mut self, mask: u64, bits: u64) -> Option<()> {
        let points = match mask {
            u64::MAX => &mut self.points[0],
            LOW => &mut self.points[1],
            _ => {
                self.patterns.push((mask, bits));
                return (mask != 0).then_some(());
            }
        };
        if let Err(place) = points.binary_search(&bits) {
            points.insert(place, bits);
        }
        Some(())
    }

    /// A value, the smallest where no pattern is forbidden; `None` if there is none, or `budget` is used up.
    pub(crate) fn smallest(&self, budget: &mut Budget) -> Option<u64> {
        self.smallest_in(self.span, budget)
    }

    fn smallest_in(&self, mut span: Span, budget: &mut Budget) -> Option<u64> {
        let value = loop {
            budget.spend(1)?;
            let value = span.smallest()?;
            let out = |points: &[u64], value: u64| points.binary_search(&value).is_ok();
            if out(&self.points[1], value & LOW) && span.smallest_low() == Some(value & LOW) {
                // No value has a smaller low word, so that this one is of no use any more.
                span.low.0 = (value & LOW) + 1;
            } else if out(&self.points[1], value & LOW) || out(&self.points[0], value) {
                span.whole.0 = value.checked_add(1)?;
            } else {
                break value;
            }
        };
        let Some(&(mask, bits)) = self.patterns.iter().find(|(mask, bits)| value & mask == *bits) else {
            return Some(value);
        };
        // The pattern is missed at some bit: at the lowest, or not there but at the second, and so on.
        let mut open = mask & !span.known.0;
        while open != 0 {
            let bit = open & open.wrapping_neg();
            let mut missed = span;
            missed.know(bit, !bits & bit)?;
            if let Some(value) = self.smallest_in(missed, budget) {
                return Some(value);
            }
            span.know(bit, bits & bit)?;
            open &= !bit;
        }
        None
    }
}

impl Span {
    fn know(&mut self, mask: u64, bits: u64) -> Option<()> {
        let both = self.known.0 & mask;
        if (self.known.1 ^ bits) & both != 0 {
            return None;
        }
        self.known = (self.known.0 | mask, self.known.1 | bits);
        Some(())
    }

    /// The smallest value.
    fn smallest(&self) -> Option<u64> {
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

    /// The smallest low word, whatever the high one is.
    fn smallest_low(&self) -> Option<u64> {
        smallest_word(self.low.0, self.low.1, self.known.0 & LOW, self.known.1 & LOW)
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
