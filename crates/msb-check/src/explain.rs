//! Why a policy decides a request as it does, and what would have to be written for another answer.

use crate::ask::{self, Evidence, Judge, Judgement, Sense, Why};
use crate::context::Context;
use msb_diag::{Diagnostic, Sources};
use msb_policy::{Origin, OriginId, Policy};
use msb_resolve::Resolved;
use msb_syntax::ast::Probe;

/// One request and what a policy says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The request; where less was asked, one that it stands for.
    pub request: String,
    /// Whether it is allowed.
    pub allowed: bool,
    /// A few words about why.
    pub why: &'static str,
    /// The line that decides; `None` where no line does.
    pub rule: Option<Origin>,
    /// The smallest edit that would change the answer, or why there is none.
    pub change: String,
    /// Whether it is so for all parameters, and not for those that lie apart alone.
    pub proved: bool,
}

/// What `policy`, which was resolved from `resolved`, says of `probe`: an allowed request, or a refused one, or both
/// where it says one thing of some and another of others.
#[must_use]
pub fn explain(
    policy: &Policy,
    resolved: &Resolved,
    probe: &Probe,
    sources: &Sources,
) -> (Vec<Explained>, Vec<Diagnostic>) {
    let mut cx = Context::new(resolved, sources);
    cx.tools = policy.tools.iter().map(|tool| tool.name.clone()).collect();
    cx.archs.clone_from(&policy.archs);
    let before = cx.found.len();
    let asked = ask::lower(&mut cx, probe, Sense::Allow);
    let found = cx.found.split_off(before);
    let Some(asked) = asked else { return (Vec::new(), found) };
    let Judgement { allowed, refused, proved, .. } = Judge { policy, places: None }.judge(&asked);
    let one = |evidence: &Evidence, allowed| {
        let rule = evidence.rule.filter(|_| evidence.why != Why::Generated);
        Explained {
            request: evidence.what.clone(),
            allowed,
            why: words(evidence.why, allowed),
            rule: rule.and_then(|origin: OriginId| policy.origin(origin)).cloned(),
            change: ask::advice(policy, &asked, evidence),
            proved,
        }
    };
    // What somebody is asked about is refused until they say yes.
    let allowed = allowed.iter().filter(|evidence| evidence.why != Why::Asked || refused.is_none());
    let allowed = allowed.map(|evidence| one(evidence, true));
    let refused = refused.iter().map(|evidence| one(evidence, false));
    (allowed.chain(refused).collect(), found)
}

fn words(why: Why, allowed: bool) -> &'static str {
    match why {
        Why::Allowed => "this rule allows it",
        Why::Denied => "this rule denies it, and a deny overrides",
        Why::Implied => "it follows from this line",
        Why::Default => "no rule allows it, and this line says what happens then",
        Why::NoRight => "this rule shows it, without the right",
        Why::Absent => "no rule is about it",
        Why::BadArguments => "the tool takes other arguments",
        Why::OwnLoopback => "it stays inside, on the sandbox's own loopback",
        Why::Generated if allowed => "the launcher writes this file, from nothing of the host",
        Why::Generated => "the launcher writes this file, to be read",
        Why::OtherAbi => "the policy does not name this architecture",
        Why::Asked => "this rule has somebody asked, and refuses it where nobody answers",
    }
}
