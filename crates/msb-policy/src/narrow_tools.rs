//! Whether the tools of one policy do no more than those of another.
//!
//! A tool of the other policy is a ceiling for the tool of its name: arguments within its types, its command where it
//! names one, a sandbox that allows no more, no bound above its own, a person where it asks one. A command without `in`
//! runs under the policy that has the tool, narrowed, so that it never does more than the caller may.

use crate::tool::within::{Beyond, arguments};
use crate::{By, OriginId, Policy, Rate, Tool, ToolWider, Widening, Wider};

/// The bounds of a tool that are numbers, by their words: more is wider.
type Bounds = [(&'static str, Option<u64>); 4];

impl Tool {
    fn bounds(&self) -> Bounds {
        [
            ("quota", self.quota),
            ("timeout", self.timeout_ms),
            ("concurrency", self.concurrency),
            ("result", self.result_bytes),
        ]
    }
}

impl Policy {
    /// What tools of this policy do and those of `other` do not.
    pub(crate) fn wider_tools(&self, other: &Policy, found: &mut Vec<Widening>) {
        for tool in &self.tools {
            let known = other.tools.iter().find(|it| it.name == tool.name);
            let refused = known.map(|it| it.origin);
            let mut wider = |call: String, why: ToolWider, allowed: OriginId| {
                let what = Wider::Tool { call, why };
                found.push(Widening { what, allowed: Some(allowed), refused });
            };
            let usual = || self.shown_tool(&tool.name, tool.arguments().as_deref());
            let Some(its) = known else {
                wider(usual(), ToolWider::Unknown, tool.origin);
                continue;
            };
            match arguments(&tool.params, &its.params) {
                Beyond::Nothing => {}
                Beyond::This(more) => {
                    wider(self.shown_tool(&tool.name, Some(&more)), ToolWider::Arguments, tool.origin);
                }
                Beyond::Unshown => {
                    wider(self.shown_tool(&tool.name, None), ToolWider::Arguments, tool.origin);
                }
            }
            // Who leaves the command to whoever starts the sandbox takes any that the child's own sandbox holds.
            if !its.exec.is_empty() && (&tool.exec, &tool.stdin) != (&its.exec, &its.stdin) {
                wider(usual(), ToolWider::Command, tool.origin);
            }
            let within = match (&tool.result, &its.result) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(own), Some(most)) => own.beyond(most) == Beyond::Nothing,
            };
            if !within {
                wider(usual(), ToolWider::Result, tool.origin);
            }
            if its.confirm && !tool.confirm {
                wider(usual(), ToolWider::Unasked, tool.origin);
            }
            if let Some((what, origin)) = self.wider_sandbox(tool, its, other) {
                wider(usual(), ToolWider::Sandbox(what), origin);
            }
            wider_bounds(tool, its, found);
        }
    }

    /// Bounds of tools of this policy that are above those of `other`.
    pub(crate) fn wider_tool_bounds(&self, other: &Policy, found: &mut Vec<Widening>) {
        for tool in &self.tools {
            if let Some(its) = other.tools.iter().find(|it| it.name == tool.name) {
                wider_bounds(tool, its, found);
            }
        }
    }

    /// The first thing that the sandbox of `tool` allows and that of `its`, a tool of `other`, does not.
    fn wider_sandbox(&self, tool: &Tool, its: &Tool, other: &Policy) -> Option<(String, OriginId)> {
        let origin = tool.sandbox.as_ref().map_or(tool.origin, |sandbox| sandbox.origin);
        let named = |tool: &Tool| tool.sandbox.as_ref().map(|sandbox| sandbox.name.clone());
        let unknown = |tool: &Tool| tool.sandbox.as_ref().is_some_and(|sandbox| sandbox.policy.is_none());
        // One that is a circle is known by its name alone.
        if unknown(tool) || unknown(its) {
            let what = named(tool).unwrap_or_else(|| "what its caller does".to_owned());
            return (named(tool) != named(its)).then_some((what, origin));
        }
        let inner = |tool: &Tool| tool.sandbox.as_ref().and_then(|sandbox| sandbox.policy.clone());
        let (own, most) = match (inner(tool), inner(its)) {
            // Both run under their callers, which are compared as a whole.
            (None, None) => return None,
            (Some(own), None) => (own, Box::new(other.clone())),
            (None, Some(most)) => (Box::new(self.clone()), most),
            (Some(own), Some(most)) => (own, most),
        };
        // Its tools are no matter of this one's.
        let own = Policy { tools: Vec::new(), ..*own };
        let most = Policy { tools: Vec::new(), ..*most };
        let wider = own.widenings(&most, By::Host);
        wider.first().map(|first| (first.what.describe(&own, &most), origin))
    }

    /// Takes from the tools of `parent` what this policy's own do not say: bounds, and that a person is asked.
    pub(crate) fn inherit_tools(&mut self, parent: &Policy) {
        for tool in &mut self.tools {
            let Some(its) = parent.tools.iter().find(|it| it.name == tool.name) else { continue };
            tool.rate = tool.rate.or(its.rate);
            tool.quota = tool.quota.or(its.quota);
            tool.timeout_ms = tool.timeout_ms.or(its.timeout_ms);
            tool.concurrency = tool.concurrency.or(its.concurrency);
            tool.result_bytes = tool.result_bytes.or(its.result_bytes);
            tool.confirm |= its.confirm;
        }
    }
}

/// Bounds of `tool` above those of `its`.
fn wider_bounds(tool: &Tool, its: &Tool, found: &mut Vec<Widening>) {
    let mut wider = |word, said| {
        let what = Wider::ToolLimit { tool: tool.name.clone(), word, said };
        found.push(Widening { what, allowed: Some(tool.origin), refused: Some(its.origin) });
    };
    for ((word, own), (_, most)) in tool.bounds().into_iter().zip(its.bounds()) {
        let Some(most) = most else { continue };
        if own.is_none_or(|own| own > most) {
            wider(word, own.is_some());
        }
    }
    if let Some(most) = its.rate {
        let per_second = |rate: Rate| (u128::from(rate.count) << 64) / u128::from(rate.period_us.max(1));
        if tool.rate.is_none_or(|own| per_second(own) > per_second(most)) {
            wider("rate", tool.rate.is_some());
        } else if tool.rate.is_some_and(|own| own.burst > most.burst) {
            wider("burst", true);
        }
    }
    // What was called, and with what, is for who reads the log.
    if its.log_args && !tool.log_args {
        wider("log", true);
    }
}
