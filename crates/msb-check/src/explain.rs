//! Why a policy decides a request as it does, and what would have to be written for another answer.

use crate::ask::{self, Asked, Change, Evidence, Judge, Judgement, Sense, Why};
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
    /// What holds it to that.
    pub layer: Layer,
    /// The smallest edit that would change the answer, or why there is none, in words.
    pub change: String,
    /// The same for a program that edits.
    pub edit: Change,
    /// Whether it is so for all parameters, and not for those that lie apart alone.
    pub proved: bool,
}

/// What holds a program to a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// What is mounted, and how: the path does not exist inside, or the mount forbids it.
    Mounts,
    /// The system call filter.
    Filter,
    /// The environment that the launcher passes.
    Environment,
    /// The gateway, through which every packet goes; `net none` has no network to go through.
    Network,
    /// The bridge, which validates each call of a tool.
    Bridge,
}

impl Layer {
    /// In a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Layer::Mounts => "mounts",
            Layer::Filter => "system call filter",
            Layer::Environment => "environment",
            Layer::Network => "network",
            Layer::Bridge => "tool bridge",
        }
    }
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
    let Judgement { allowed, refused, proved, .. } = Judge::new(policy).judge(&asked);
    let layer = match &asked {
        Asked::Open { .. } | Asked::Unix { .. } => Layer::Mounts,
        Asked::Calls { .. } => Layer::Filter,
        Asked::Env { .. } => Layer::Environment,
        Asked::Connect { .. } | Asked::Request { .. } | Asked::Listen { .. } => Layer::Network,
        Asked::Call { .. } | Asked::Narrower { .. } => Layer::Bridge,
    };
    let one = |evidence: &Evidence, allowed| {
        let ask::Advice { words: change, change: edit } = ask::advice(policy, &asked, evidence);
        let rule = evidence.rule.filter(|_| evidence.why != Why::Generated);
        Explained {
            request: evidence.what.clone(),
            allowed,
            why: words(evidence.why, allowed),
            rule: rule.and_then(|origin: OriginId| policy.origin(origin)).cloned(),
            layer,
            change,
            edit,
            proved,
        }
    };
    // What somebody is asked about is refused until they say yes, and what nobody could decide is not said to be open.
    let open = |why: Why| !matches!(why, Why::Asked | Why::Undecided);
    let allowed = allowed.iter().filter(|evidence| open(evidence.why) || refused.is_none());
    let allowed = allowed.map(|evidence| one(evidence, true));
    let refused = refused.iter().map(|evidence| one(evidence, false));
    (allowed.chain(refused).collect(), found)
}

fn words(why: Why, allowed: bool) -> &'static str {
    match why {
        Why::Allowed => "this rule allows it",
        Why::Denied => "this rule denies it, and a deny overrides",
        Why::Sought => "this rule denies it where a search at launch finds it",
        Why::Implied => "it follows from this line",
        Why::Default => "no rule allows it, and this line says what happens then",
        Why::NoRight => "this rule shows it, without the right",
        Why::Absent => "no rule is about it",
        Why::OtherRequests => "this rule allows the connection, and other requests",
        Why::BadArguments => "the tool takes other arguments",
        Why::OwnLoopback => "it stays inside, on the sandbox's own loopback",
        Why::Generated if allowed => "the launcher writes this file, from nothing of the host",
        Why::Generated => "the launcher writes this file, to be read",
        Why::OtherAbi => "the policy does not name this architecture",
        Why::Undecided => "the conditions on it are too involved to be decided",
        Why::Asked => "this rule has somebody asked, and refuses it where nobody answers",
    }
}
