//! Types, units, widths and conflicts: from resolved statements to the canonical policy.
//!
//! Each section of a policy has a module that turns it into IR and says what is wrong with it. A module
//! reports everything it finds and goes on; what it could not understand is left out, and because any error
//! keeps the policy from being compiled, leaving it out never weakens anything. What the grammar has and
//! this version does not enforce is an error here, never silently passed over.

mod accept;
mod ask;
mod bounds;
mod caps;
mod claims;
mod context;
mod edits;
mod env;
mod exec;
mod explain;
mod fs;
mod hints;
mod limits;
mod narrow;
mod net;
mod origins;
mod params;
mod paths;
mod sandbox;
mod syscalls;
mod tools;
mod values;

pub use accept::accept;
pub use ask::Change;
pub use explain::{Explained, Layer, explain};
pub use narrow::exceeds;

use context::Context;
use msb_diag::{Diagnostic, Sources, Span};
use msb_policy::Policy;
use msb_resolve::Resolved;
use msb_syntax::ast;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// What is wrong, and what is likely wrong.
    #[default]
    Findings,
    /// What is worth a look as well.
    Hints,
    /// What no assertion is about as well.
    Coverage,
}

/// What a policy means, and what was found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// `None` if any finding is an error.
    pub policy: Option<Policy>,
    /// In no particular order.
    pub found: Vec<Diagnostic>,
    /// Where each origin of the policy stands, by its number.
    pub spans: Vec<Span>,
    /// How many assertions and claims of tests were decided, and how many of them failed.
    pub claims: (usize, usize),
}

/// Checks the policy that was resolved from `file`, and gives what it means.
#[must_use]
pub fn check(file: &ast::File, resolved: &Resolved, sources: &Sources, detail: Detail) -> Checked {
    let mut cx = Context::new(resolved, sources);
    let policy = lower(&mut cx, file);
    cx.tools = policy.tools.iter().map(|tool| tool.name.clone()).collect();
    let mut claims = claims::lower(&mut cx);
    claims.extend(narrow::required(&mut cx));
    let mut policy = Policy { origins: cx.origins.finish(), ..policy };
    let mut outcome = claims::Outcome::default();
    // What could not be understood may be what a claim is about.
    if !msb_diag::has_errors(&cx.found) {
        outcome = claims::judge(&mut cx, &policy, &claims);
        if detail >= Detail::Hints {
            hints::hints(&mut cx, &policy);
        }
        if detail == Detail::Coverage {
            claims::coverage(&mut cx, &policy, &claims, &outcome);
        }
        policy.claims = std::mem::take(&mut outcome.deferred);
    }
    Checked {
        policy: Some(policy).filter(|_| !msb_diag::has_errors(&cx.found)),
        spans: cx.origins.spans(),
        found: cx.found,
        claims: (outcome.decided, outcome.failed),
    }
}

/// The meaning of every section, held to the policy that it extends; its origins stay in `cx`.
fn lower(cx: &mut Context<'_>, file: &ast::File) -> Policy {
    let sandbox = sandbox::sandbox(cx);
    let mut fs = fs::fs(cx);
    let (net, net_rules) = net::net(cx);
    let (limits, limit_rules) = limits::limits(cx);
    fs::size_overlays(&mut fs, limits.memory_bytes.map(|limit| limit.value));
    let tier = |origin| syscalls::implied::without_namespaces(&cx.archs, origin);
    let tier_rules = sandbox.tier_landlock.map(tier).unwrap_or_default();
    let implied = [net_rules, limit_rules, tier_rules].concat();
    let (syscalls, syscall_default) = syscalls::syscalls(cx, implied);
    let capabilities = caps::caps(cx);
    let env = env::env(cx);
    let exec = exec::exec(cx, &fs);
    let tools = tools::tools(cx, file);
    bounds::bounds(cx, &fs, &env, &exec);
    let mut policy = Policy {
        name: cx.resolved.block.name.node.clone(),
        edition: u16::try_from(cx.resolved.edition).unwrap_or(u16::MAX),
        origin: cx.policy_origin(),
        params: cx.params.iter().map(|param| param.ir.clone()).collect(),
        fs,
        net,
        syscalls,
        syscall_default,
        archs: cx.archs.clone(),
        limits,
        capabilities,
        env,
        exec,
        tools,
        sandbox,
        claims: Vec::new(),
        origins: Vec::new(),
    };
    net::sockets(cx, &policy);
    net::cancelled(cx, &policy);
    narrow::extend(cx, &mut policy);
    limits::missing(cx, &policy);
    tools::bounds(cx, &policy);
    policy
}

#[cfg(test)]
mod tests;
