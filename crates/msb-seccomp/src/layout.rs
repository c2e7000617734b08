//! A graph as a list of instructions.
//!
//! A conditional jump reaches 255 instructions. The list is made from its end, so that at each test the
//! distance to what it leads to is known: what is too far gets a stepping stone in between, a copy of a return
//! or a jump, which later tests use as well.

use crate::bpf::{Instruction, code};
use crate::graph::{Graph, Node, NodeId, Test, Word};

/// The farthest that a test jumps; one less than it could, so that a stepping stone for one branch does not put
/// the other out of reach.
const REACH: usize = 254;

/// What the accumulator holds: nothing that is known, or a word.
type Loaded = Option<Word>;

/// The instructions for what is reached from `root`.
pub(crate) fn lay_out(graph: &Graph, root: NodeId) -> Vec<Instruction> {
    let order = order(graph.nodes(), root);
    let loaded = loaded(graph.nodes(), &order);
    let count = graph.nodes().len();
    let mut layout = Layout { reversed: Vec::new(), real: vec![0; count], near: vec![0; count] };
    for node in order.iter().rev() {
        layout.put(graph.nodes(), *node, loaded[*node]);
    }
    layout.reversed.reverse();
    layout.reversed
}

/// What is reached from `root`, each node before those that it leads to, and right before its `otherwise` where
/// that can be.
fn order(nodes: &[Node], root: NodeId) -> Vec<NodeId> {
    let mut order = Vec::new();
    let mut seen = vec![false; nodes.len()];
    // Depth first, with a stack of its own; a node is put down when all that it leads to is.
    let mut open = vec![(root, false)];
    while let Some((node, done)) = open.pop() {
        if done {
            order.push(node);
            continue;
        }
        if std::mem::replace(&mut seen[node], true) {
            continue;
        }
        open.push((node, true));
        if let Node::Test { then, otherwise, .. } = nodes[node] {
            open.push((otherwise, false));
            open.push((then, false));
        }
    }
    order.reverse();
    order
}

/// What the accumulator holds for certain when a node begins.
fn loaded(nodes: &[Node], order: &[NodeId]) -> Vec<Loaded> {
    let mut entry: Vec<Option<Loaded>> = vec![None; nodes.len()];
    for node in order {
        let Node::Test { word, then, otherwise, .. } = nodes[*node] else { continue };
        for next in [then, otherwise] {
            entry[next] = match entry[next] {
                None => Some(Some(word)),
                Some(before) => Some(before.filter(|before| *before == word)),
            };
        }
    }
    entry.into_iter().map(Option::flatten).collect()
}

struct Layout {
    /// The program from its end. The height of an instruction is its place here, from 1.
    reversed: Vec<Instruction>,
    /// Height of the first instruction of each node; 0 where there is none yet.
    real: Vec<usize>,
    /// Height of the last stepping stone to it, or of the node itself.
    near: Vec<usize>,
}

impl Layout {
    fn put(&mut self, nodes: &[Node], id: NodeId, loaded: Loaded) {
        match nodes[id] {
            Node::Return(action) => self.push(code::RET, 0, 0, action),
            Node::Test { word, test, k, then, otherwise } => {
                self.reach(nodes, then);
                self.reach(nodes, otherwise);
                let code = match test {
                    Test::Equal => code::JEQ,
                    Test::Greater => code::JGT,
                    Test::GreaterOrEqual => code::JGE,
                    Test::AnySet => code::JSET,
                };
                let (jt, jf) = (self.distance(then), self.distance(otherwise));
                self.push(code, jt, jf, k);
                if loaded != Some(word) {
                    if word.mask != u32::MAX {
                        self.push(code::AND, 0, 0, word.mask);
                    }
                    self.push(code::LD, 0, 0, word.offset);
                }
            }
        }
        self.real[id] = self.reversed.len();
        self.near[id] = self.reversed.len();
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.reversed.push(Instruction { code, jt, jf, k });
    }

    /// Makes sure that a test which stands next gets to `target`.
    fn reach(&mut self, nodes: &[Node], target: NodeId) {
        if self.reversed.len() - self.near[target] <= REACH {
            return;
        }
        match nodes[target] {
            Node::Return(action) => {
                self.push(code::RET, 0, 0, action);
                self.real[target] = self.reversed.len();
            }
            Node::Test { .. } => {
                let distance = self.reversed.len() - self.real[target];
                // A program of more instructions than that is refused for its length.
                self.push(code::JA, 0, 0, u32::try_from(distance).unwrap_or(u32::MAX));
            }
        }
        self.near[target] = self.reversed.len();
    }

    /// How many instructions lie between a test that stands next and `target`, which is within reach.
    fn distance(&self, target: NodeId) -> u8 {
        let distance = self.reversed.len() - self.near[target];
        debug_assert!(distance <= usize::from(u8::MAX), "`reach` came first");
        u8::try_from(distance).unwrap_or(u8::MAX)
    }
}
