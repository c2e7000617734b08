//! A plan, read back: the policy that it means, and that policy as text.
//!
//! A filter is read back exactly. It has no loops, so each of its paths is a conjunction of tests on words of the
//! arguments, and the paths that lead to one action are the rule for it. The text is short where it can be: groups
//! for calls, names for constants, conditions without what follows from the rest. It is compiled again and compared
//! before it is given out: what cannot be said in the language is refused, and never left out.

mod claims;
mod condition;
mod filter;
mod net;
mod plan;
mod syscalls;
mod words;
mod write;

pub use filter::{Instruction, archs, instructions};
pub use plan::policy;

use msb_plan::network::Network;
use msb_plan::{OriginId, Plan};
use std::collections::BTreeSet;
use std::fmt;

/// Why a plan cannot be written as a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// Its filter asks somebody, or tests what this compiler never tests.
    Filter,
    /// The language has no words for this.
    NoWords(String),
    /// The compiler makes another plan of this text, which is as near as it comes.
    Other(String),
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undone::Filter => f.write_str("its filter was made to be traced, or not by this compiler"),
            Undone::Other(_) => f.write_str("it does what no policy of this version does"),
            Undone::NoWords(what) => write!(f, "the language has no words for {what}"),
        }
    }
}

impl std::error::Error for Undone {}

/// The text of a policy that means what `plan` does, proved by `compile`, which gives the plan of a text.
///
/// What a plan does not hold is not in it: comments, profiles, claims that were decided when it was made.
///
/// # Errors
/// When the plan holds what the language cannot say, or what `compile` makes of the text does something else.
pub fn text(plan: &Plan<'_>, mut compile: impl FnMut(&str) -> Option<Vec<u8>>) -> Result<String, Undone> {
    let outcomes = filter::outcomes(plan).ok_or(Undone::Filter)?;
    let mut policy = plan::policy(plan).ok_or(Undone::Filter)?;
    policy.env.retain(|rule| !net::brings(plan, &rule.kind));
    // Calls for which rules that nobody wrote would decide otherwise than the default: it is said of them.
    let mut said = BTreeSet::new();
    loop {
        let text = write::policy(&policy, &outcomes, &said)?;
        let other = || Undone::Other(text.clone());
        let bytes = compile(&text).ok_or_else(other)?;
        let again = msb_plan::decode(&bytes).map_err(|_| other())?;
        let read = filter::outcomes(again.plan()).ok_or_else(other)?;
        match filter::difference(&outcomes, &read) {
            Some(nr) if said.insert(nr) => {}
            None if same(plan, again.plan()) => return Ok(text),
            _ => return Err(other()),
        }
    }
}

/// Whether two plans do the same: all but where it was asked for, and how their filters come to their decisions.
#[must_use]
pub fn same(one: &Plan<'_>, other: &Plan<'_>) -> bool {
    let (Some(left), Some(right)) = (filter::outcomes(one), filter::outcomes(other)) else { return false };
    let archs = |plan: &Plan<'_>| -> Vec<_> { plan.filters.iter().map(filter::archs).collect() };
    unplaced(one) == unplaced(other)
        && archs(one) == archs(other)
        && filter::difference(&left, &right).is_none()
}

/// A plan without its origins and its filters.
fn unplaced<'a>(plan: &Plan<'a>) -> Plan<'a> {
    const NOWHERE: OriginId = OriginId(0);
    let mut plan = plan.clone();
    plan.origins.clear();
    plan.filters.clear();
    // The policy's own hash covers its origins' rules, which are others.
    plan.policy.sha256 = [0; 32];
    plan.policy.origin = NOWHERE;
    plan.identity.origin = NOWHERE;
    for asked in [&mut plan.identity.terminal, &mut plan.identity.write_execute_denied] {
        *asked = asked.map(|_| NOWHERE);
    }
    plan.target.origin = NOWHERE;
    if let Some((_, origin)) = &mut plan.identity.cwd {
        *origin = NOWHERE;
    }
    plan.params.iter_mut().for_each(|it| it.origin = NOWHERE);
    plan.mounts.iter_mut().for_each(|it| it.origin = NOWHERE);
    plan.denies.iter_mut().for_each(|it| it.origin = NOWHERE);
    plan.searches.iter_mut().for_each(|it| it.origin = NOWHERE);
    plan.files.iter_mut().for_each(|it| it.origin = NOWHERE);
    plan.claims.iter_mut().for_each(|it| it.origin = NOWHERE);
    if let Network::Gateway(gateway) = &mut plan.network {
        gateway.origin = NOWHERE;
        gateway.marks.clear();
        gateway.rules.iter_mut().for_each(|it| it.origin = NOWHERE);
        gateway.totals.iter_mut().for_each(|it| it.origin = NOWHERE);
        gateway.listens.iter_mut().for_each(|it| it.origin = NOWHERE);
        gateway.claims.iter_mut().for_each(|it| it.origin = NOWHERE);
    }
    let limits = &mut plan.limits;
    limits.memory_bytes.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.pids.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.cpu_percent.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.wall_ms.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.files.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.swap_bytes.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.cpuset.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.cpu_time_ms.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.io_bytes_per_s.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.io_weight.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.output_bytes.iter_mut().for_each(|it| it.origin = NOWHERE);
    limits.file_bytes.iter_mut().for_each(|it| it.origin = NOWHERE);
    plan
}

#[cfg(test)]
mod tests;
