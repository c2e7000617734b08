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
mod env;
mod exec;
mod fs;
mod limits;
mod net;
mod origins;
mod params;
mod paths;
mod syscalls;
mod unenforced;
mod values;

pub use accept::accept;
pub use claims::{Deferred, Expected};

use context::Context;
use msb_diag::{Diagnostic, Sources};
use msb_policy::Policy;
use msb_resolve::Resolved;
use msb_syntax::ast;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// What is wrong, and what is likely wrong.
    #[default]
    Findings,
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
    /// Assertions that are to be decided when the parameters are known.
    pub deferred: Vec<Deferred>,
    /// How many assertions and claims of tests were decided, and how many of them failed.
    pub claims: (usize, usize),
}

/// Checks the policy that was resolved from `file`, and gives what it means.
#[must_use]
pub fn check(file: &ast::File, resolved: &Resolved, sources: &Sources, detail: Detail) -> Checked {
    let mut cx = Context::new(resolved, sources);
    unenforced::unenforced(file, &mut cx);
    let fs = fs::fs(&mut cx);
    let (net, net_rules) = net::net(&mut cx);
    let (limits, limit_rules) = limits::limits(&mut cx);
    let implied = [net_rules, limit_rules].concat();
    let (syscalls, syscall_default) = syscalls::syscalls(&mut cx, implied);
    let capabilities = caps::caps(&mut cx);
    let env = env::env(&mut cx);
    let exec = exec::exec(&mut cx, &fs);
    bounds::bounds(&mut cx, &fs, &env, &exec);
    let policy = Policy {
        name: resolved.block.name.node.clone(),
        edition: u16::try_from(resolved.edition).unwrap_or(u16::MAX),
        origin: cx.policy_origin(),
        params: cx.params.iter().map(|param| param.ir.clone()).collect(),
        fs,
        net,
        syscalls,
        syscall_default,
        arch: context::ARCH,
        limits,
        capabilities,
        env,
        exec,
        origins: Vec::new(),
    };
    let claims = claims::lower(&mut cx);
    let policy = Policy { origins: cx.origins.finish(), ..policy };
    let mut outcome = claims::Outcome::default();
    // What could not be understood may be what a claim is about.
    if !msb_diag::has_errors(&cx.found) {
        outcome = claims::judge(&mut cx, &policy, &claims);
        if detail == Detail::Coverage {
            claims::coverage(&mut cx, &policy, &claims, &outcome);
        }
    }
    Checked {
        policy: Some(policy).filter(|_| !msb_diag::has_errors(&cx.found)),
        found: cx.found,
        deferred: outcome.deferred,
        claims: (outcome.decided, outcome.failed),
    }
}

#[cfg(test)]
mod tests;
