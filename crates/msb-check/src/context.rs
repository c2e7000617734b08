//! What every section needs while it is checked: the statements, the parameters, and a place for findings.

use crate::origins::Origins;
use crate::params::{self, OpenParam};
use crate::syscalls::sets::Member;
use msb_diag::{Diagnostic, Sources, Span};
use msb_policy::{Arch, OriginId};
use msb_resolve::{Placed, Resolved};
use std::collections::BTreeMap;

/// The architecture that this version compiles for.
pub(crate) const ARCH: Arch = Arch::X86_64;

pub(crate) struct Context<'a> {
    pub(crate) resolved: &'a Resolved,
    pub(crate) sources: &'a Sources,
    pub(crate) found: Vec<Diagnostic>,
    pub(crate) origins: Origins,
    /// The policy's parameters, in the order of the policy.
    pub(crate) params: Vec<OpenParam>,
    /// The names of the policy's tools, once they are read.
    pub(crate) tools: Vec<String>,
    /// The calls of groups that were looked up, by name and architecture.
    pub(crate) groups: BTreeMap<(String, u32), Vec<Member>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(resolved: &'a Resolved, sources: &'a Sources) -> Context<'a> {
        let mut cx = Context {
            resolved,
            sources,
            found: Vec::new(),
            origins: Origins::default(),
            params: Vec::new(),
            tools: Vec::new(),
            groups: BTreeMap::new(),
        };
        // The policy's own line comes first, as what is implied by nothing else points to it.
        cx.policy_origin();
        params::params(&mut cx);
        cx
    }

    pub(crate) fn say(&mut self, found: Diagnostic) {
        self.found.push(found);
    }

    pub(crate) fn origin(&mut self, span: Span) -> OriginId {
        self.origins.of(span, self.sources)
    }

    /// The line that begins the policy.
    pub(crate) fn policy_origin(&mut self) -> OriginId {
        self.origin(self.resolved.block.head)
    }

    /// Every statement, the policy's own first.
    pub(crate) fn stmts(&self) -> &'a [Placed] {
        &self.resolved.stmts
    }
}

/// What stands at `span`.
pub(crate) fn written(cx: &Context<'_>, span: Span) -> String {
    cx.sources.text(span).to_owned()
}
