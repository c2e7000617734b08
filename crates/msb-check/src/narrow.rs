//! A policy held to another one: to its parent, to one that a claim names, to the ceiling of an organisation.

use crate::claims::{self, Lowered};
use crate::context::Context;
use msb_diag::{Code, Diagnostic, Sources, Span, codes};
use msb_policy::{By, OriginId, Policy, ToolWider, Widening, Wider};
use msb_resolve::{Parent, Resolved};
use msb_syntax::ast::{Claim, ClaimKind, StmtKind};

/// Why a policy is held to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// It extends it.
    Child,
    /// A claim says that it is narrower.
    Claim,
    /// Who compiles it says so.
    Ceiling,
}

/// The other policy, and where its rules stand.
struct Measure {
    policy: Policy,
    spans: Vec<Span>,
}

/// What `parent` means; its errors are said, its warnings are for who checks it.
fn measure(parent: &Parent, sources: &Sources, found: &mut Vec<Diagnostic>) -> Option<Measure> {
    if !parent.whole {
        return None;
    }
    let mut cx = Context::new(&parent.resolved, sources);
    let policy = crate::lower(&mut cx, &msb_syntax::ast::File::default());
    let broken = msb_diag::has_errors(&cx.found);
    found.extend(cx.found.into_iter().filter(Diagnostic::is_error));
    let spans = cx.origins.spans();
    (!broken).then_some(Measure { policy, spans })
}

/// What `policy` means, with its places by itself; `None` where something was said.
pub(crate) fn meaning(policy: &Parent, sources: &Sources, found: &mut Vec<Diagnostic>) -> Option<Policy> {
    measure(policy, sources, found).map(|measure| measure.policy)
}

impl Measure {
    fn span(&self, origin: OriginId) -> Option<Span> {
        self.spans.get(usize::try_from(origin.0).ok()?).copied()
    }
}

/// Holds `policy` to the policy that it extends, and gives it what it inherits.
pub(crate) fn extend(cx: &mut Context<'_>, policy: &mut Policy) {
    let resolved = cx.resolved;
    let Some(parent) = resolved.extends.as_deref() else { return };
    let Some(measure) = measure(parent, cx.sources, &mut cx.found) else { return };
    // What could not be understood may be what narrows it.
    if msb_diag::has_errors(&cx.found) {
        return;
    }
    let cancelled = policy.cancelled_by(&measure.policy);
    // What it inherits would hide them.
    let limits = policy.higher_limits(&measure.policy);
    let unlimited = unlimited(cx, &limits, parent, &measure);
    let raised: Vec<Widening> = limits
        .into_iter()
        .filter(|it| match it.what {
            Wider::Limit(_) => it.allowed.is_some(),
            Wider::ToolLimit { said, .. } => said,
            _ => false,
        })
        .collect();
    policy.inherit(&measure.policy, |origin| match measure.span(origin) {
        Some(span) => cx.origin(span),
        None => cx.policy_origin(),
    });
    let wider = policy.widenings(&measure.policy, By::Host);
    let wider = wider.into_iter().chain(cancelled).chain(raised).collect();
    let spans = cx.origins.spans();
    let found =
        Comparison { policy, spans: &spans, resolved, parent, measure: &measure, sources: cx.sources };
    let wider = found.report(wider, Held::Child);
    cx.found.extend(unlimited.into_iter().chain(wider));
}

/// Limits that the policy takes back in words, and its parent has.
fn unlimited(cx: &Context<'_>, limits: &[Widening], parent: &Parent, measure: &Measure) -> Vec<Diagnostic> {
    let held = limits.iter().filter(|it| it.allowed.is_none());
    held.filter_map(|widening| {
        let Wider::Limit(word) = widening.what else { return None };
        let (_, own) = cx.unlimited.iter().find(|(name, _)| *name == word)?;
        let line = measure.span(widening.refused?)?;
        let text = cx.sources.text(line);
        let message = format!("`{word}` is above what `{}` allows", parent.name);
        Some(
            Diagnostic::new(codes::LIMIT_ABOVE_PARENT, message)
                .label(*own, "more than that")
                .label(line, "the limit is here")
                .help(format!("write `{text}`, or nothing"))
                .edit(*own, text),
        )
    })
    .collect()
}

/// The claims of the parents of a policy: what each requires of who extends it.
pub(crate) fn required<'a>(cx: &mut Context<'a>) -> Vec<Lowered<'a>> {
    let mut lowered = Vec::new();
    let mut parent = cx.resolved.extends.as_deref();
    while let Some(next) = parent {
        for placed in &next.resolved.stmts {
            let StmtKind::Assert(claims) = &placed.stmt.kind else { continue };
            let required = claims.iter().filter(|claim| matches!(claim.kind, ClaimKind::Allow(_)));
            lowered.extend(required.filter_map(|claim| claims::required(cx, claim, &next.name)));
        }
        parent = next.resolved.extends.as_deref();
    }
    lowered
}

/// Decides a claim that the policy is narrower than another.
pub(crate) fn narrower(cx: &mut Context<'_>, policy: &Policy, claim: &Claim) -> Option<bool> {
    let ClaimKind::NarrowerThan(name) = &claim.kind else { return None };
    let resolved = cx.resolved;
    let parent = resolved.compared.iter().find(|parent| parent.span == name.span)?;
    let measure = measure(parent, cx.sources, &mut cx.found)?;
    let spans = cx.origins.spans();
    let held = Comparison { policy, spans: &spans, resolved, parent, measure: &measure, sources: cx.sources };
    let found = held.report(policy.widenings(&measure.policy, By::Host), Held::Claim);
    let holds = found.is_empty();
    cx.found.extend(found);
    Some(holds)
}

/// What `policy`, whose rules stand at `spans`, allows and `ceiling` does not.
#[must_use]
pub fn exceeds(
    policy: &Policy,
    spans: &[Span],
    resolved: &Resolved,
    ceiling: &Parent,
    sources: &Sources,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(measure) = measure(ceiling, sources, &mut found) {
        let held = Comparison { policy, spans, resolved, parent: ceiling, measure: &measure, sources };
        found.extend(held.report(policy.widenings(&measure.policy, By::Host), Held::Ceiling));
    }
    found
}

fn limit_code(held: Held) -> Code {
    match held {
        Held::Child => codes::LIMIT_ABOVE_PARENT,
        Held::Claim => codes::ASSERTION_FAILED,
        Held::Ceiling => codes::EXCEEDS_CEILING,
    }
}

/// A policy and what it is held to.
struct Comparison<'a> {
    policy: &'a Policy,
    spans: &'a [Span],
    resolved: &'a Resolved,
    parent: &'a Parent,
    measure: &'a Measure,
    sources: &'a Sources,
}

impl Comparison<'_> {
    /// One finding for each rule that allows too much, with its first request.
    fn report(&self, wider: Vec<Widening>, held: Held) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut seen: Vec<(Option<OriginId>, std::mem::Discriminant<Wider>, &'static str)> = Vec::new();
        for widening in wider {
            let word = match widening.what {
                Wider::ToolLimit { word, .. } => word,
                _ => "",
            };
            let key = (widening.allowed, std::mem::discriminant(&widening.what), word);
            // Of what no rule says there is one for each limit.
            if widening.allowed.is_some() && seen.contains(&key) {
                continue;
            }
            seen.push(key);
            found.push(match &widening.what {
                Wider::Limit(word) => self.limit(word, &widening, held),
                Wider::ToolLimit { tool, word, said } => {
                    self.tool_limit((tool.as_str(), *word, *said), &widening, held)
                }
                _ => self.request(&widening, held),
            });
        }
        found
    }

    fn own_span(&self, widening: &Widening) -> Option<Span> {
        self.spans.get(usize::try_from(widening.allowed?.0).ok()?).copied()
    }

    fn request(&self, widening: &Widening, held: Held) -> Diagnostic {
        let what = widening.what.describe(self.policy, &self.measure.policy);
        let (name, parent) = (&self.policy.name, &self.parent.name);
        let (code, message) = match held {
            Held::Child => (
                codes::WIDENS_PARENT,
                format!("`{name}` allows `{what}`, and its parent `{parent}` does not"),
            ),
            Held::Claim => (
                codes::ASSERTION_FAILED,
                format!("assertion failed: `{name}` allows `{what}`, and `{parent}` does not"),
            ),
            Held::Ceiling => (
                codes::EXCEEDS_CEILING,
                format!("`{name}` allows `{what}`, and the ceiling `{parent}` does not"),
            ),
        };
        let found = self.labelled(code, &message, widening, held, "allowed by this");
        let found = match widening.refused.and_then(|origin| self.measure.span(origin)) {
            Some(span) if span != self.parent.resolved.block.head => found.label(span, "refused by this"),
            _ => found.label(self.parent.resolved.block.head, "nothing here allows it"),
        };
        found.help(self.help(&widening.what))
    }

    /// A finding on the rule, or where the other policy is named if the rule stands in another file.
    fn labelled(
        &self,
        code: Code,
        message: &str,
        widening: &Widening,
        held: Held,
        label: &str,
    ) -> Diagnostic {
        let found = Diagnostic::new(code, message);
        let named = (held != Held::Ceiling).then_some(self.parent.span);
        let head = self.resolved.block.head;
        match (self.own_span(widening), named) {
            (Some(span), Some(named)) if held == Held::Claim => {
                found.label(named, "claimed here").label(span, label)
            }
            (Some(span), _) if span.file == head.file => found.label(span, label),
            (Some(span), Some(named)) => found.label(named, "held to this parent").label(span, label),
            (Some(span), None) => found.label(head, "held to the ceiling").label(span, label),
            (None, Some(named)) => found.label(named, "held to this"),
            (None, None) => found.label(head, "held to the ceiling"),
        }
    }

    fn tool_limit(
        &self,
        (tool, word, said): (&str, &str, bool),
        widening: &Widening,
        held: Held,
    ) -> Diagnostic {
        let parent = &self.parent.name;
        let message = match (word, said) {
            ("log", _) => format!("the log lacks arguments of `{tool}`, and `{parent}` has them written"),
            (_, true) => format!("`{word}` of the tool `{tool}` is above what `{parent}` allows"),
            (_, false) => format!("`{word}` of the tool `{tool}` has no limit, and `{parent}` has one"),
        };
        let found = self.labelled(limit_code(held), &message, widening, held, "more than that");
        let found = match widening.refused.and_then(|origin| self.measure.span(origin)) {
            Some(span) => found.label(span, "held to this"),
            None => found,
        };
        found.help(match word {
            "log" => "write `log args`".to_owned(),
            _ => format!("write `{word}` of `{tool}` as `{parent}` has it, or less"),
        })
    }

    fn limit(&self, word: &str, widening: &Widening, held: Held) -> Diagnostic {
        let parent = &self.parent.name;
        let code = limit_code(held);
        let message = match widening.allowed {
            Some(_) if word == "tier" => format!("`tier landlock` holds less than `{parent}` asks for"),
            Some(_) => format!("`{word}` is above what `{parent}` allows"),
            None => format!("`{word}` has no limit, and `{parent}` has one"),
        };
        let label = if word == "tier" { "nothing like it is there" } else { "more than that" };
        let mut found = self.labelled(code, &message, widening, held, label);
        let Some(span) = widening.refused.and_then(|origin| self.measure.span(origin)) else {
            return found.help(match word {
                "tier" => format!("take the line away, or have `{parent}` say it"),
                _ => "lower it".to_owned(),
            });
        };
        let text = self.sources.text(span);
        found = found.label(span, "the limit is here");
        // Of a scratch the whole rule stands there, with places of its own.
        match self
            .own_span(widening)
            .filter(|_| !matches!(word, "size" | "inodes" | "rate" | "burst" | "quota" | "connections"))
        {
            Some(own) => found.help(format!("write `{text}`")).edit(own, text),
            None if widening.allowed.is_none() => found.help(format!("write `limits {{ {text} }}`")),
            None => found.help(format!("write no more than `{text}` says")),
        }
    }

    fn help(&self, what: &Wider) -> String {
        let parent = &self.parent.name;
        match what {
            Wider::Open { path, access, private } => {
                let path = self.policy.shown(path);
                let deny = match access {
                    msb_policy::Access::Read => format!("deny {path}"),
                    other => format!("deny {} {path}", other.word()),
                };
                let rule =
                    if *private { format!("scratch {path}") } else { format!("{} {path}", access.word()) };
                format!("grant less, write `{deny}`, or have `{parent}` say `{rule}`")
            }
            Wider::Undecided { .. } => {
                format!("write its conditions in fewer parts, or as `{parent}` has them")
            }
            Wider::Found { search, access } => {
                let path = self.policy.shown_search(search);
                let deny = match access {
                    msb_policy::Access::Read => "deny".to_owned(),
                    other => format!("deny {}", other.word()),
                };
                format!("write `{deny} {path} enforce snapshot depth {}`", search.depth)
            }
            Wider::Call { arch, nr, .. } => {
                let name = msb_syscalls::by_number(*arch, *nr).map_or("it", |call| call.name);
                format!(
                    "take `{name}` out of the rule, write `errno EPERM {name}`, or have `{parent}` allow it"
                )
            }
            Wider::Env { .. } => format!("take the variable away, or have `{parent}` pass it"),
            Wider::Connect(_) => format!("take the rule away, deny it, or have `{parent}` allow it"),
            Wider::Terms { .. } => format!("narrow the terms of the rule, or have `{parent}` say them"),
            Wider::Tool { why, .. } => match why {
                ToolWider::Unknown => format!("take the tool away, or have `{parent}` declare it"),
                ToolWider::Arguments => {
                    format!("narrow the type of the argument, or have `{parent}` take it, too")
                }
                ToolWider::Command => {
                    format!("write the command of `{parent}`, or have `{parent}` leave `exec` out")
                }
                ToolWider::Result => {
                    format!("write the type of the result as `{parent}` has it, or a narrower one")
                }
                ToolWider::Unasked => "write `confirm`".to_owned(),
                ToolWider::Sandbox(what) => format!(
                    "the tool runs where `{what}` is allowed, and in `{parent}` it does not: name a narrower policy behind `in`"
                ),
            },
            Wider::Listen(..) => format!("take the `listen` away, or have `{parent}` say it"),
            Wider::Capability(_) => format!("take the capability away, or have `{parent}` keep it"),
            Wider::Limit(_) | Wider::ToolLimit { .. } => "lower it".to_owned(),
        }
    }
}
