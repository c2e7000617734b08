//! The number of the call: prologue, merged ranges, and the tree over them.

use std::collections::{BTreeMap, BTreeSet};

use msb_policy::{Policy, Pred, SyscallRule};
use msb_syscalls::{Arch, all};

use crate::bpf::{SeccompData, action};
use crate::error::Cost;
use crate::graph::{Graph, NodeId, Test};
use crate::{Options, rules};

/// `__X32_SYSCALL_BIT` of asm/unistd.h.
const X32_SYSCALL_BIT: u32 = 0x4000_0000;

/// Up to this many numbers that stand out of a stretch are asked for one by one: a comparison for equality
/// does the work of two for order.
const CHAIN_MAX: usize = 3;

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
    let mut ranges = Ranges(Vec::new());
    for (nr, of_number) in &by_number {
        let before = graph.nodes().len();
        let node = rules::node(&mut graph, policy, options, *nr, of_number);
        if of_number.iter().any(|rule| rule.predicate != Pred::True) {
            let origins: BTreeSet<_> = of_number.iter().map(|rule| rule.origin).collect();
            let instructions = graph.nodes().len() - before;
            let name = msb_syscalls::by_number(policy.arch, *nr).map(|call| call.name);
            costs.push(Cost { nr: *nr, name, instructions, origins: origins.into_iter().collect() });
        }
        ranges.extend_to(*nr, unknown);
        ranges.push(*nr, *nr, node);
    }
    ranges.extend_to(u32::MAX, unknown);
    ranges.push(u32::MAX, u32::MAX, unknown);

    let tree = tree(&mut graph, &ranges.0);
    let numbers = match policy.arch {
        Arch::X86_64 => graph.test(SeccompData::NR, Test::AnySet, X32_SYSCALL_BIT, (unknown, tree)),
        Arch::Aarch64 => tree,
    };
    let foreign = graph.returns(action::KILL_PROCESS);
    let root = graph.test(SeccompData::ARCH, Test::Equal, policy.arch.audit(), (numbers, foreign));
    (graph, root, costs)
}

/// Numbers that lead to the same.
#[derive(Debug, Clone, Copy)]
struct Range {
    first: u32,
    last: u32,
    node: NodeId,
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

/// Finds the range that a number is in.
fn tree(graph: &mut Graph, ranges: &[Range]) -> NodeId {
    match ranges {
        // There is always a range; were there none, nothing would be allowed.
        [] => graph.returns(action::KILL_PROCESS),
        [only] => only.node,
        _ => {
            if let Some(chain) = chain(graph, ranges) {
                return chain;
            }
            let (below, above) = ranges.split_at(ranges.len() / 2);
            let first = above[0].first;
            let (below, above) = (tree(graph, below), tree(graph, above));
            graph.test(SeccompData::NR, Test::GreaterOrEqual, first, (above, below))
        }
    }
}

/// The same where few single numbers stand out of one stretch.
fn chain(graph: &mut Graph, ranges: &[Range]) -> Option<NodeId> {
    let background = ranges.iter().max_by_key(|range| range.last - range.first)?.node;
    let outstanding: Vec<_> = ranges.iter().filter(|range| range.node != background).collect();
    let singles = outstanding.iter().all(|range| range.first == range.last);
    // Order needs one test less than there are ranges.
    if !singles || outstanding.len() > CHAIN_MAX || outstanding.len() >= ranges.len() - 1 {
        return None;
    }
    Some(outstanding.iter().rev().fold(background, |next, range| {
        graph.test(SeccompData::NR, Test::Equal, range.first, (range.node, next))
    }))
}
