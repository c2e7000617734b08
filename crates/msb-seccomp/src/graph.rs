//! Tests and returns as a graph without cycles, in which equal parts are one.
//!
//! Nodes are made from their ends, and a node that was made before is found again: this is what merges numbers
//! that have the same rules, and shares the tails of those that end alike.

use std::collections::HashMap;

use msb_policy::{Op, Pred, Width};

use crate::bpf::SeccompData;

/// A node, by its place in the graph. What it leads to has a lower place.
pub(crate) type NodeId = usize;

/// A step of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// Ends with an action.
    Return(u32),
    /// Looks at a word.
    Test {
        /// The word.
        word: Word,
        /// How.
        test: Test,
        /// With what.
        k: u32,
        /// Where to go if it holds.
        then: NodeId,
        /// Where to go if it does not.
        otherwise: NodeId,
    },
}

/// A word of the data, and the bits of it that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    /// Where, in bytes.
    pub(crate) offset: u32,
    /// Which bits.
    pub(crate) mask: u32,
}

/// What a conditional jump can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// word == k
    Equal,
    /// word > k
    Greater,
    /// word >= k
    GreaterOrEqual,
    /// word & k != 0
    AnySet,
}

/// The nodes.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    known: HashMap<Node, NodeId>,
}

impl Graph {
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn returns(&mut self, action: u32) -> NodeId {
        self.node(Node::Return(action))
    }

    /// A test on all of the word at `offset`.
    pub(crate) fn test(
        &mut self,
        offset: u32,
        test: Test,
        k: u32,
        (then, otherwise): (NodeId, NodeId),
    ) -> NodeId {
        self.masked(Word { offset, mask: u32::MAX }, test, k, (then, otherwise))
    }

    fn masked(&mut self, word: Word, test: Test, k: u32, (then, otherwise): (NodeId, NodeId)) -> NodeId {
        if then == otherwise { then } else { self.node(Node::Test { word, test, k, then, otherwise }) }
    }

    fn node(&mut self, node: Node) -> NodeId {
        *self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// Goes to `then` if `pred` holds and to `otherwise` if not.
    pub(crate) fn condition(&mut self, pred: &Pred, then: NodeId, otherwise: NodeId) -> NodeId {
        match pred {
            Pred::True => then,
            Pred::Not(inner) => self.condition(inner, otherwise, then),
            Pred::All(all) => all.iter().rev().fold(then, |next, one| self.condition(one, next, otherwise)),
            Pred::Any(any) => any.iter().rev().fold(otherwise, |next, one| self.condition(one, then, next)),
            // Beyond the sixth there is nothing to load: such an argument reads as 0 everywhere.
            Pred::Compare { argument: 6.., .. } | Pred::Masked { argument: 6.., .. } => {
                if pred.holds(&[0; 6]) { then } else { otherwise }
            }
            Pred::Compare { argument, width, op, value } => {
                let argument = SeccompData::ARGS + 8 * u32::from(*argument);
                match op {
                    Op::Eq => self.equal(argument, *width, *value, then, otherwise),
                    Op::Ne => self.equal(argument, *width, *value, otherwise, then),
                    Op::Ge => self.at_least(argument, *width, Some(*value), then, otherwise),
                    Op::Lt => self.at_least(argument, *width, Some(*value), otherwise, then),
                    Op::Gt => self.at_least(argument, *width, value.checked_add(1), then, otherwise),
                    Op::Le => self.at_least(argument, *width, value.checked_add(1), otherwise, then),
                }
            }
            Pred::Masked { argument, width, mask, value } => {
                let argument = SeccompData::ARGS + 8 * u32::from(*argument);
                self.bits(argument, *width, (*mask, *value), then, otherwise)
            }
        }
    }

    fn equal(&mut self, argument: u32, width: Width, value: u64, then: NodeId, otherwise: NodeId) -> NodeId {
        self.bits(argument, width, (width.mask(), value), then, otherwise)
    }

    /// Whether the argument is `least` or more; no argument is where there is no `least`.
    fn at_least(
        &mut self,
        argument: u32,
        width: Width,
        least: Option<u64>,
        then: NodeId,
        otherwise: NodeId,
    ) -> NodeId {
        let Some(least) = least.filter(|least| *least <= width.mask()) else {
            return otherwise;
        };
        let (high, low) = halves(least);
        let low_decides = match low {
            0 => then,
            low => self.test(argument, Test::GreaterOrEqual, low, (then, otherwise)),
        };
        match (width, high, low) {
            (Width::W32, ..) => low_decides,
            // A high word that is greater decides, one that is equal leaves it to the low word.
            (Width::W64, 0, _) => self.test(argument + 4, Test::Greater, 0, (then, low_decides)),
            (Width::W64, high, 0) => self.test(argument + 4, Test::GreaterOrEqual, high, (then, otherwise)),
            (Width::W64, high, _) => {
                let equal = self.test(argument + 4, Test::Equal, high, (low_decides, otherwise));
                self.test(argument + 4, Test::Greater, high, (then, equal))
            }
        }
    }

    /// Whether `argument & mask == value`.
    fn bits(
        &mut self,
        argument: u32,
        width: Width,
        (mask, value): (u64, u64),
        then: NodeId,
        otherwise: NodeId,
    ) -> NodeId {
        let mask = mask & width.mask();
        if value & !mask != 0 {
            return otherwise;
        }
        let ((high_mask, low_mask), (high, low)) = (halves(mask), halves(value));
        let low_decides = self.word_bits(argument, (low_mask, low), then, otherwise);
        self.word_bits(argument + 4, (high_mask, high), low_decides, otherwise)
    }

    fn word_bits(&mut self, offset: u32, bits: (u32, u32), then: NodeId, otherwise: NodeId) -> NodeId {
        match bits {
            (0, _) => then,
            (u32::MAX, value) => self.test(offset, Test::Equal, value, (then, otherwise)),
            (mask, 0) => self.test(offset, Test::AnySet, mask, (otherwise, then)),
            (mask, value) if mask == value && mask.is_power_of_two() => {
                self.test(offset, Test::AnySet, mask, (then, otherwise))
            }
            (mask, value) => self.masked(Word { offset, mask }, Test::Equal, value, (then, otherwise)),
        }
    }
}

/// The high and the low word.
fn halves(value: u64) -> (u32, u32) {
    let word = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap_or(u32::MAX);
    (word(value >> 32), word(value))
}
