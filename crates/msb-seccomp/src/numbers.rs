//! The number of the call: prologue, merged ranges, and the tree over them.

use std::collections::{BTreeMap, BTreeSet};

use msb_policy::{Policy, Pred, SyscallRule};
use msb_syscalls::{Arch, all, frequency, highest};

use crate::bpf::{SeccompData, action};
use crate::error::Cost;
use crate::graph::{Graph, NodeId, Test};
use crate::{Options, rules, tree};

/// Share of all weight that is given to calls for which the program runs whenever they are made, in per cent.
///
/// The kernel runs a program once for every number when it is loaded, and remembers which numbers it allows
/// without a look at their arguments (Linux 5.11): those never come to it again.
const MADE_PERCENT: u64 = 10;

/// Everything that the program does, where it begins, and what each number costs.
pub(crate) fn graph(policy: &Policy, options: Options) -> (Graph, NodeId, Vec<Cost>) {
    let mut graph = Graph::default();
    let mut costs = Vec::new();
    let foreign = graph.returns(action::KILL_PROCESS);
    // The first one that a policy names is asked for first.
    let mut seen = Vec::new();
    let mut trees = Vec::new();
    for audit in policy.archs.iter().map(|arch| arch.audit()) {
        if !seen.contains(&audit) {
            seen.push(audit);
            trees.push((audit, tree(&mut graph, policy, options, audit, &mut costs)));
        }
    }
    let root = trees
        .into_iter()
        .rev()
        .fold(foreign, |next, (audit, tree)| graph.test(SeccompData::ARCH, Test::Equal, audit, (tree, next)));
    (graph, root, costs)
}

/// The search for a number with this `arch`: those of x86-64 and of x32 stand in one tree, as the bit of x32 makes
/// them other numbers.
fn tree(graph: &mut Graph, policy: &Policy, options: Options, audit: u32, costs: &mut Vec<Cost>) -> NodeId {
    let mut by_number: BTreeMap<u32, (Arch, Vec<&SyscallRule>)> = BTreeMap::new();
    for arch in policy.archs.iter().filter(|arch| arch.audit() == audit) {
        by_number.extend(all(*arch).iter().map(|call| (call.nr, (*arch, Vec::new()))));
    }
    // Number −1 has no rules, whatever the policy says, nor has one that is of another architecture.
    for rule in &policy.syscalls {
        if rule.arch.audit() == audit && policy.refusal_of(rule.arch, rule.nr).is_none() {
            by_number.entry(rule.nr).or_insert((rule.arch, Vec::new())).1.push(rule);
        }
    }

    let unknown = rules::unknown(graph, options);
    let allow = graph.returns(action::ALLOW);
    let mut ranges = Ranges(Vec::new());
    let mut made: BTreeMap<u32, u64> = BTreeMap::new();
    for (nr, (arch, of_number)) in &by_number {
        let before = graph.nodes().len();
        let node = rules::node(graph, policy, options, (*arch, *nr), of_number);
        if of_number.iter().any(|rule| rule.predicate != Pred::True) {
            let origins: BTreeSet<_> = of_number.iter().map(|rule| rule.origin).collect();
            let instructions = graph.nodes().len() - before;
            let name = msb_syscalls::by_number(*arch, *nr).map(|call| call.name);
            costs.push(Cost { nr: *nr, name, instructions, origins: origins.into_iter().collect() });
        }
        if node != allow
            && let Some(call) = msb_syscalls::by_number(*arch, *nr)
        {
            made.insert(*nr, u64::from(frequency(call.name)));
        }
        ranges.extend_to(*nr, unknown);
        ranges.push(*nr, *nr, node);
    }
    ranges.extend_to(u32::MAX, unknown);
    ranges.push(u32::MAX, u32::MAX, unknown);

    // x32 numbers that the policy does not name and −1 lie in the last range, or between numbers beyond the table that
    // rules name: to be unknown is what they have in common with those, so that no test of their own is needed.
    let weights = weights(audit, &made);
    tree::search(graph, &ranges.0, &weights)
}

/// How much it matters that a number is found soon: each counts once for when a program is loaded, and those for
/// which it runs when they are made share [`MADE_PERCENT`] by how often that is. Numbers beyond count nothing.
fn weights(audit: u32, made: &BTreeMap<u32, u64>) -> Vec<u64> {
    /// What a number counts that is never made.
    const ONE: u64 = 1000;
    // The kernel looks at the numbers of its own table, of which x32's are none.
    let highest = Arch::of_call(audit, 0).map_or(0, highest);
    let count = highest as usize + 1;
    let mut weights = vec![ONE; count];
    let sum: u64 = made.values().sum();
    for (nr, frequency) in made {
        if let Some(weight) = weights.get_mut(*nr as usize) {
            *weight += ONE * count as u64 * MADE_PERCENT / (100 - MADE_PERCENT) * frequency / sum.max(1);
        }
    }
    weights
}

/// Numbers that lead to the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) node: NodeId,
}

/// Ranges without gaps from 0 on, no two neighbours alike.
struct Ranges(Vec<Range>);

impl Ranges {
    /// Appends `first` to `last`, which begins where the last range ends.
    fn push(&mut self, first: u32, last: u32, node: NodeId) {
        match self.0.last_mut() {
            Some(before) if before.node == node => before.last = last,
            _ => self.0.push(Range { first, last, node }),
        }
    }

    /// Appends what is missing before `end`.
    fn extend_to(&mut self, end: u32, node: NodeId) {
        let first = self.0.last().map_or(0, |before| before.last + 1);
        if first < end {
            self.push(first, end - 1, node);
        }
    }
}
