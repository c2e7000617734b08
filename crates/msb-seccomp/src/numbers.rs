//! The number of the call: prologue, merged ranges, and the tree over them.

use std::collections::{BTreeMap, BTreeSet};

use msb_policy::{Policy, Pred, SyscallRule};
use msb_syscalls::{Arch, all, frequency, highest};

use crate::bpf::{SeccompData, action};
use crate::error::Cost;
use crate::graph::{Graph, NodeId, Test};
use crate::{Options, rules, tree};

/// `__X32_SYSCALL_BIT` of asm/unistd.h.
const X32_SYSCALL_BIT: u32 = 0x4000_0000;

/// Share of all weight that is given to calls for which the program runs whenever they are made, in per cent.
///
/// The kernel runs a program once for every number when it is loaded, and remembers which numbers it allows
/// without a look at their arguments (Linux 5.11): those never come to it again.
const MADE_PERCENT: u64 = 10;

/// Everything that the program does, where it begins, and what each number costs.
pub(crate) fn graph(policy: &Policy, options: Options) -> (Graph, NodeId, Vec<Cost>) {
    let mut graph = Graph::default();
    let mut costs = Vec::new();
    let mut by_number: BTreeMap<u32, Vec<&SyscallRule>> =
        all(policy.arch).iter().map(|call| (call.nr, Vec::new())).collect();
    for rule in &policy.syscalls {
        by_number.entry(rule.nr).or_default().push(rule);
    }
    // x32 numbers and −1 have no rules, whatever the policy says.
    by_number.retain(|nr, _| *nr != u32::MAX && !(policy.arch == Arch::X86_64 && nr & X32_SYSCALL_BIT != 0));

    let unknown = rules::unknown(&mut graph, options);
    let allow = graph.returns(action::ALLOW);
    let mut ranges = Ranges(Vec::new());
    let mut made: BTreeMap<u32, u64> = BTreeMap::new();
    for (nr, of_number) in &by_number {
        let before = graph.nodes().len();
        let node = rules::node(&mut graph, policy, options, *nr, of_number);
        if of_number.iter().any(|rule| rule.predicate != Pred::True) {
            let origins: BTreeSet<_> = of_number.iter().map(|rule| rule.origin).collect();
            let instructions = graph.nodes().len() - before;
            let name = msb_syscalls::by_number(policy.arch, *nr).map(|call| call.name);
            costs.push(Cost { nr: *nr, name, instructions, origins: origins.into_iter().collect() });
        }
        if node != allow
            && let Some(call) = msb_syscalls::by_number(policy.arch, *nr)
        {
            made.insert(*nr, u64::from(frequency(call.name)));
        }
        ranges.extend_to(*nr, unknown);
        ranges.push(*nr, *nr, node);
    }
    ranges.extend_to(u32::MAX, unknown);
    ranges.push(u32::MAX, u32::MAX, unknown);

    // x32 numbers and −1 lie in the last range, or between numbers beyond the table that rules name: to be unknown
    // is what they have in common with those, so that no test of their own is needed.
    let weights = weights(policy.arch, &made);
    let tree = tree::search(&mut graph, &ranges.0, &weights);
    let foreign = graph.returns(action::KILL_PROCESS);
    let root = graph.test(SeccompData::ARCH, Test::Equal, policy.arch.audit(), (tree, foreign));
    (graph, root, costs)
}

/// How much it matters that a number is found soon: each counts once for when a program is loaded, and those for
/// which it runs when they are made share [`MADE_PERCENT`] by how often that is. Numbers beyond count nothing.
fn weights(arch: Arch, made: &BTreeMap<u32, u64>) -> Vec<u64> {
    /// What a number counts that is never made.
    const ONE: u64 = 1000;
    let count = highest(arch) as usize + 1;
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
