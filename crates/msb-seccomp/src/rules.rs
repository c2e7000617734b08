//! The rules of one number as a graph, the most severe first.

use std::collections::HashSet;

use msb_policy::{Policy, SyscallAction, SyscallRule};
use msb_syscalls::{Arch, by_number};

use crate::Options;
use crate::bpf::action;
use crate::graph::{Graph, NodeId};
use crate::trace;

/// ENOSYS: what numbers have that neither the table nor a rule knows.
const ENOSYS: u16 = 38;

/// Puts into `graph` what `rules`, those of number `nr` of `arch`, say.
pub(crate) fn node(
    graph: &mut Graph,
    policy: &Policy,
    options: Options,
    (arch, nr): (Arch, u32),
    rules: &[&SyscallRule],
) -> NodeId {
    let default = match by_number(arch, nr) {
        Some(_) => policy.syscall_default.0,
        None => SyscallAction::Errno(ENOSYS),
    };
    let mut rules = rules.to_vec();
    // The most severe first: of two that say the same, the one that decides is kept.
    rules.sort_by_key(|rule| std::cmp::Reverse(weight(rule)));
    let mut seen = HashSet::new();
    rules.retain(|rule| seen.insert((rule.action, &rule.predicate)));
    let last = outcome(graph, options, (arch, nr), default);
    rules.iter().rev().fold(last, |next, rule| {
        let then = outcome(graph, options, (arch, nr), rule.action);
        graph.condition(&rule.predicate, then, next)
    })
}

/// What numbers have that nothing knows.
pub(crate) fn unknown(graph: &mut Graph, options: Options) -> NodeId {
    graph.returns(if options.trace { action::USER_NOTIF } else { action::errno(ENOSYS) })
}

/// The rule that is asked last is the least: allows, then those that are logged, then those that somebody is asked
/// about, then implied errnos, then written ones, each from the greatest number down, then traps, then kills.
fn weight(rule: &SyscallRule) -> (u8, bool, u16) {
    match rule.action {
        SyscallAction::Allow => (0, false, 0),
        SyscallAction::Log => (1, false, 0),
        SyscallAction::Notify => (2, false, 0),
        SyscallAction::Errno(errno) => (3, !rule.implied, u16::MAX - errno),
        SyscallAction::Trap => (4, false, 0),
        SyscallAction::Kill => (5, false, 0),
    }
}

fn outcome(graph: &mut Graph, options: Options, (arch, nr): (Arch, u32), action: SyscallAction) -> NodeId {
    match action {
        SyscallAction::Kill => graph.returns(action::KILL_PROCESS),
        SyscallAction::Trap => graph.returns(action::TRAP),
        SyscallAction::Notify => graph.returns(action::USER_NOTIF),
        SyscallAction::Errno(_) if options.trace => graph.returns(action::USER_NOTIF),
        SyscallAction::Errno(errno) => graph.returns(action::errno(errno)),
        SyscallAction::Allow | SyscallAction::Log => {
            let allow = graph.returns(if action == SyscallAction::Log { action::LOG } else { action::ALLOW });
            match trace::condition(arch, nr).filter(|_| options.trace) {
                None => allow,
                Some(condition) => {
                    let notify = graph.returns(action::USER_NOTIF);
                    graph.condition(&condition, notify, allow)
                }
            }
        }
    }
}
