//! The search for the range that a number is in: a tree of tests with the least weighted depth.
//!
//! Order splits a stretch in two, equality takes a single number out of it and lets what is beside it grow
//! together. The best tree of splits is found from the splits near the weighted middle of each stretch; single
//! numbers are tested first where that pays.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::bpf::SeccompData;
use crate::graph::{Graph, NodeId, Test};
use crate::numbers::Range;

/// Up to this many numbers that stand out of a stretch are asked for one by one: a comparison for equality
/// does the work of two for order.
const CHAIN_MAX: usize = 4;
/// Up to this many numbers are asked for before everything else.
const FIRST_MAX: usize = 4;
/// How many splits on either side of the weighted middle are tried.
const NEAR: usize = 3;

/// A number in the graph that the search leads to: the node of its range. `ranges` are without gaps from 0 to the
/// last number there is; `weights` are of the numbers from 0 on, those beyond weigh nothing.
pub(crate) fn search(graph: &mut Graph, ranges: &[Range], weights: &[u64]) -> NodeId {
    let weigh = |range: &Range| {
        let end = weights.len().min((range.last as usize).saturating_add(1));
        weights.get(range.first as usize..end).map_or(0, |weights| weights.iter().sum())
    };
    // The heaviest single numbers, and without them the ranges beside them may be one.
    let mut singles: Vec<&Range> = ranges.iter().filter(|range| range.first == range.last).collect();
    singles.sort_by_key(|range| (std::cmp::Reverse(weigh(range)), range.first));
    singles.truncate(FIRST_MAX);
    let singles: Vec<Range> = singles.into_iter().copied().collect();
    let whole: u64 = ranges.iter().map(weigh).sum();
    let mut best: Option<(u64, usize, Stretches)> = None;
    for count in 0..=singles.len() {
        let first = singles.get(..count).unwrap_or_default();
        let mut stretches = Stretches::new(without(ranges, first), &weigh);
        let mut left = whole;
        let mut cost = 0;
        for single in first {
            cost += left;
            left -= weigh(single);
        }
        cost += stretches.cost(0, stretches.ranges.len());
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, count, stretches));
        }
    }
    let Some((_, count, stretches)) = best else {
        // There is always a range; were there none, nothing would be allowed.
        return graph.returns(crate::action::KILL_PROCESS);
    };
    let rest = stretches.node(graph, 0, stretches.ranges.len());
    singles.iter().take(count).rev().fold(rest, |next, single| {
        graph.test(SeccompData::NR, Test::Equal, single.first, (single.node, next))
    })
}

/// `ranges` without `singles`, whose numbers may be in any range now.
fn without(ranges: &[Range], singles: &[Range]) -> Vec<Range> {
    let mut left: Vec<Range> = Vec::new();
    for range in ranges {
        let out = singles.iter().any(|single| single.first == range.first && single.last == range.last);
        match left.last_mut() {
            Some(before) if out || before.node == range.node => before.last = range.last,
            _ if out => {}
            // The first range begins at 0, whatever was there.
            None => left.push(Range { first: 0, ..*range }),
            _ => left.push(*range),
        }
    }
    if left.is_empty() { ranges.to_vec() } else { left }
}

/// How a stretch is searched.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// It is one range.
    Found,
    /// Its numbers that stand out one by one.
    Chain,
    /// Below or from this range on.
    Split(usize),
}

/// Ranges, and the best plans of stretches of them.
struct Stretches {
    ranges: Vec<Range>,
    /// Weight of the ranges before each, and of all.
    before: Vec<u64>,
    plans: HashMap<(usize, usize), (u64, Plan), BuildHasherDefault<TwoPlaces>>,
}

/// A hash of two places in a list: with that of std most of the time of a search is spent in it.
#[derive(Default)]
struct TwoPlaces(u64);

impl Hasher for TwoPlaces {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, place: usize) {
        // 2⁶⁴ divided by the golden ratio, odd: neighbours come to lie far apart (Knuth, volume 3, 6.4).
        self.0 = (self.0.rotate_left(32) ^ place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // A table takes the lowest and the highest bits; the product's lowest know of the lowest alone.
        self.0.rotate_left(20)
    }
}

impl Stretches {
    fn new(ranges: Vec<Range>, weigh: &dyn Fn(&Range) -> u64) -> Self {
        let mut before = vec![0];
        let mut sum = 0;
        for range in &ranges {
            sum += weigh(range);
            before.push(sum);
        }
        Self { ranges, before, plans: HashMap::default() }
    }

    fn weight(&self, from: usize, to: usize) -> u64 {
        self.before[to] - self.before[from]
    }

    /// The least sum of the weights of all numbers times the tests that lead to them.
    fn cost(&mut self, from: usize, to: usize) -> u64 {
        if let Some((cost, _)) = self.plans.get(&(from, to)) {
            return *cost;
        }
        let mut best = match to - from {
            0 | 1 => (0, Plan::Found),
            _ => self.chain(from, to).map_or((u64::MAX, Plan::Found), |(_, cost)| (cost, Plan::Chain)),
        };
        if to - from > 1 {
            // Where weights are even this is the middle; a stretch that weighs nothing is halved.
            let half = self.before[from] + self.weight(from, to) / 2;
            let weighted = self.before[from + 1..to].partition_point(|before| *before < half) + from + 1;
            let middle = if self.weight(from, to) == 0 { from.midpoint(to) } else { weighted.min(to - 1) };
            let (first, last) = (middle.saturating_sub(NEAR).max(from + 1), (middle + NEAR).min(to - 1));
            for split in first..=last {
                let cost = self.weight(from, to) + self.cost(from, split) + self.cost(split, to);
                if cost < best.0 {
                    best = (cost, Plan::Split(split));
                }
            }
        }
        self.plans.insert((from, to), best);
        best.0
    }

    /// The numbers that stand out of a stretch, the heaviest first, and what it costs to ask for them one by one;
    /// `None` where they are too many, or no single numbers.
    fn chain(&self, from: usize, to: usize) -> Option<(Vec<usize>, u64)> {
        // Neighbours are not alike, so that about half of a stretch stands out of it.
        if (to - from) / 2 > CHAIN_MAX {
            return None;
        }
        let background = (from..to).max_by_key(|index| (self.weight(*index, index + 1), *index))?;
        let background = self.ranges[background].node;
        let mut outstanding: Vec<usize> =
            (from..to).filter(|index| self.ranges[*index].node != background).take(CHAIN_MAX + 1).collect();
        let single = |index: &usize| self.ranges[*index].first == self.ranges[*index].last;
        if outstanding.len() > CHAIN_MAX || !outstanding.iter().all(single) {
            return None;
        }
        outstanding.sort_by_key(|index| (std::cmp::Reverse(self.weight(*index, index + 1)), *index));
        let mut left = self.weight(from, to);
        let mut cost = 0;
        for index in &outstanding {
            cost += left;
            left -= self.weight(*index, index + 1);
        }
        Some((outstanding, cost))
    }

    fn node(&self, graph: &mut Graph, from: usize, to: usize) -> NodeId {
        let plan = self.plans.get(&(from, to)).map_or(Plan::Found, |(_, plan)| *plan);
        match plan {
            Plan::Found => self.ranges[from].node,
            Plan::Chain => {
                let outstanding = self.chain(from, to).map_or(Vec::new(), |(outstanding, _)| outstanding);
                let rest = (from..to).find(|index| !outstanding.contains(index));
                let rest = self.ranges[rest.unwrap_or(from)].node;
                outstanding.iter().rev().fold(rest, |next, index| {
                    let range = self.ranges[*index];
                    graph.test(SeccompData::NR, Test::Equal, range.first, (range.node, next))
                })
            }
            Plan::Split(split) => {
                let (below, above) = (self.node(graph, from, split), self.node(graph, split, to));
                let first = self.ranges[split].first;
                graph.test(SeccompData::NR, Test::GreaterOrEqual, first, (above, below))
            }
        }
    }
}
