//! What every section needs while it is checked: the statements, the parameters, and a place for findings.

use crate::origins::Origins;
use crate::params::{self, OpenParam};
use crate::syscalls::sets::Member;
use msb_diag::{Code, Diagnostic, Sources, Span};
use msb_policy::{Arch, OriginId};
use msb_resolve::{Placed, Resolved};
use msb_syntax::ast::{StmtKind, SysRuleKind};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Context<'a> {
    pub(crate) resolved: &'a Resolved,
    pub(crate) sources: &'a Sources,
    pub(crate) found: Vec<Diagnostic>,
    pub(crate) origins: Origins,
    /// The policy's parameters, in the order of the policy.
    pub(crate) params: Vec<OpenParam>,
    /// The names of the policy's tools, once they are read.
    pub(crate) tools: Vec<String>,
    /// The limits that the policy sets, or was meant to.
    pub(crate) limits_meant: Vec<String>,
    /// The limits of which the policy itself says that there are none, and where.
    pub(crate) unlimited: Vec<(&'static str, Span)>,
    /// The architectures of the policy, each once and in order.
    pub(crate) archs: Vec<Arch>,
    /// The calls of groups that were looked up, by name and architecture.
    pub(crate) groups: BTreeMap<(String, Arch), Vec<Member>>,
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
            limits_meant: Vec::new(),
            unlimited: Vec::new(),
            archs: archs(resolved),
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

    /// Whether one of the last findings has this code and is about this place.
    pub(crate) fn said_at(&self, code: Code, span: Span) -> bool {
        // As many as a condition may have mistakes that anybody reads.
        const LAST: usize = 16;
        self.found.iter().rev().take(LAST).any(|found| found.code == code && found.span() == Some(span))
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

/// The architectures that the `arch` lines of a policy name: x86_64 where there is none, and where one of the ABIs is
/// named that its kernels serve beside it. Words that are none are reported with the rules.
fn archs(resolved: &Resolved) -> Vec<Arch> {
    let mut named = BTreeSet::new();
    for placed in &resolved.stmts {
        let StmtKind::Syscalls(section) = &placed.stmt.kind else { continue };
        for rule in section {
            if let SysRuleKind::Arch(names) = &rule.kind {
                named.extend(names.iter().filter_map(|name| Arch::from_word(&name.node)));
            }
        }
    }
    if named.is_empty() || named.iter().any(|arch| arch.is_second()) {
        named.insert(Arch::X86_64);
    }
    named.into_iter().collect()
}

/// What stands at `span`.
pub(crate) fn written(cx: &Context<'_>, span: Span) -> String {
    cx.sources.text(span).to_owned()
}
