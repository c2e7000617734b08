//! `assert { … }` and `test "…" for …`: what must be allowed or denied, decided by the oracle.
//!
//! A claim that mentions no parameter, or whose answer is the same for all of them, is decided here. Where it
//! depends on where parameters lie it is decided for those that lie apart, and again when they are known.

use crate::ask::{self, Asked, Evidence, Judge, Judgement, Sense, Why};
use crate::context::Context;
use crate::narrow;
use msb_diag::{Code, Diagnostic, Span, codes};
use msb_policy::{Access, Expected, NetKind, OpenAsked, OpenClaim, OriginId, ParamKind, Places, Policy};
use msb_resolve::{LayerId, Test};
use msb_syntax::ast::{Claim, ClaimKind, QName, StmtKind, Value};
use std::collections::HashMap;

/// A claim that was read.
pub(crate) struct Lowered<'a> {
    claim: &'a Claim,
    asked: Asked,
    expected: Expected,
    layer: LayerId,
    test: Option<&'a Test>,
    /// The parent that asserts it.
    parent: Option<&'a str>,
    origin: OriginId,
}

/// Reads the claims of all layers, and of the tests.
pub(crate) fn lower<'a>(cx: &mut Context<'a>) -> Vec<Lowered<'a>> {
    let mut lowered = Vec::new();
    let resolved = cx.resolved;
    for placed in &resolved.stmts {
        let StmtKind::Assert(claims) = &placed.stmt.kind else { continue };
        lowered.extend(claims.iter().filter_map(|claim| one(cx, claim, placed.layer, None)));
    }
    for test in &resolved.tests {
        lowered.extend(test.claims.iter().filter_map(|claim| one(cx, claim, LayerId::POLICY, Some(test))));
    }
    lowered
}

fn one<'a>(
    cx: &mut Context<'_>,
    claim: &'a Claim,
    layer: LayerId,
    test: Option<&'a Test>,
) -> Option<Lowered<'a>> {
    if let Some(by) = claim.by.as_ref().filter(|by| Code::parse(&by.node).is_none()) {
        cx.say(
            Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown code `{}`", by.node))
                .label(by.span, "no finding has this code")
                .help("write the code of a finding about the rule that decides, such as `MSB0710`"),
        );
        return None;
    }
    let (probe, expected, sense) = match &claim.kind {
        ClaimKind::Allow(probe) => (probe, Expected::Allowed, Sense::Allow),
        ClaimKind::Deny(probe) => (probe, Expected::Denied, Sense::Deny),
        ClaimKind::Never(probe) => (probe, Expected::Denied, Sense::Never),
        ClaimKind::NarrowerThan(name) => {
            let asked = Asked::Narrower { than: dotted(name) };
            let origin = cx.origin(claim.span);
            return Some(Lowered {
                claim,
                asked,
                expected: Expected::Denied,
                layer,
                test,
                parent: None,
                origin,
            });
        }
    };
    let asked = ask::lower(cx, probe, sense)?;
    let origin = cx.origin(claim.span);
    Some(Lowered { claim, asked, expected, layer, test, parent: None, origin })
}

/// A claim of the policy `parent`, which this one extends.
pub(crate) fn required<'a>(cx: &mut Context<'_>, claim: &'a Claim, parent: &'a str) -> Option<Lowered<'a>> {
    let lowered = one(cx, claim, LayerId::POLICY, None)?;
    Some(Lowered { parent: Some(parent), ..lowered })
}

fn dotted(name: &QName) -> String {
    name.parts.iter().map(|part| part.node.as_str()).collect::<Vec<_>>().join(".")
}

/// What a policy's claims have shown.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Claims to be decided when the parameters are known.
    pub(crate) deferred: Vec<OpenClaim>,
    /// Claims that were decided, those that failed among them.
    pub(crate) decided: usize,
    /// Claims that failed.
    pub(crate) failed: usize,
    /// Rules that decided a request of some claim.
    exercised: Vec<OriginId>,
}

/// Claims that were decided, by the requests that the answers show: who asks the same is shown the same.
#[derive(Default)]
struct Earlier<'a>(HashMap<[Option<String>; 2], Vec<&'a Lowered<'a>>>);

impl<'a> Earlier<'a> {
    fn key(judgement: &Judgement) -> [Option<String>; 2] {
        [&judgement.allowed, &judgement.refused].map(|it| it.as_ref().map(|evidence| evidence.what.clone()))
    }

    fn add(&mut self, lowered: &'a Lowered<'a>, judgement: &Judgement) {
        self.0.entry(Earlier::key(judgement)).or_default().push(lowered);
    }

    fn of(&self, judgement: &Judgement) -> &[&'a Lowered<'a>] {
        self.0.get(&Earlier::key(judgement)).map_or(&[], Vec::as_slice)
    }
}

/// Puts each claim to the oracle.
pub(crate) fn judge(cx: &mut Context<'_>, policy: &Policy, claims: &[Lowered<'_>]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut judge = Judge::new(policy);
    let mut bound = None;
    let mut earlier = Earlier::default();
    for lowered in claims {
        if let Asked::Narrower { than } = &lowered.asked {
            let holds = narrow::narrower(cx, policy, lowered.claim);
            outcome.decided += usize::from(holds.is_some());
            outcome.failed += usize::from(holds == Some(false));
            cx.found.extend((*than == policy.name).then(|| itself(lowered.claim.span)));
            continue;
        }
        // The claims of a test follow each other.
        let test = lowered.test.map(|test| test.span);
        if test != bound {
            bound = test;
            judge
                .bind(lowered.test.map(|test| Places::apart_but(policy, |index| given(policy, test, index))));
        }
        let judgement = judge.judge(&lowered.asked);
        outcome.decided += 1;
        outcome.exercised.extend(&judgement.rules);
        if judgement.refused.as_ref().is_some_and(|it| it.why == Why::Sought) {
            // What is there at launch decides: of an assertion then, and of a test never.
            let open = at_launch(cx, lowered, &judgement);
            outcome.failed += usize::from(open.is_none());
            outcome.deferred.extend(open);
            continue;
        }
        let against = match lowered.expected {
            Expected::Allowed => judgement.refused.as_ref(),
            Expected::Denied => judgement.allowed.as_ref(),
        };
        if let Some(against) = against {
            outcome.failed += 1;
            cx.found.push(failed(cx, policy, lowered, against));
        } else if let Some(found) = without_finding(cx, lowered, &judgement) {
            outcome.failed += 1;
            cx.found.push(found);
        } else if !judgement.proved {
            outcome.deferred.extend(defer(cx, policy, lowered));
        } else if lowered.parent.is_none() {
            cx.found.extend(vacuous(lowered, earlier.of(&judgement), &judgement));
        }
        earlier.add(lowered, &judgement);
    }
    outcome
}

/// A claim that holds, and not `by` the code that it says: no such finding is about a rule that decides.
fn without_finding(cx: &Context<'_>, lowered: &Lowered<'_>, judgement: &Judgement) -> Option<Diagnostic> {
    let by = lowered.claim.by.as_ref()?;
    let code = Code::parse(&by.node)?;
    let rules: Vec<Span> = judgement.rules.iter().filter_map(|rule| cx.origins.span(*rule)).collect();
    let about = |span: Span| {
        rules.iter().any(|rule| rule.file == span.file && rule.start < span.end && span.start < rule.end)
    };
    let given = cx.found.iter().any(|it| it.code == code && it.labels.iter().any(|label| about(label.span)));
    if given {
        return None;
    }
    let mut found = Diagnostic::new(
        codes::ASSERTION_FAILED,
        format!("assertion failed: nothing gives `{code}` about the rule that decides"),
    )
    .label(by.span, "expected to be said of it");
    if let Some(rule) = rules.first() {
        found = found.label(*rule, "decides");
    }
    Some(found.help("write the code that the finding shows, or take `by` away"))
}

/// The place that a test gives a parameter.
fn given(policy: &Policy, test: &Test, index: usize) -> Option<String> {
    let name = &policy.params.get(index)?.name;
    test.given.iter().find(|(given, _)| given == name).and_then(|(_, value)| match value {
        Value::Path(path) | Value::Text(path) if path.starts_with('/') => Some(path.clone()),
        _ => None,
    })
}

fn failed(cx: &Context<'_>, policy: &Policy, lowered: &Lowered<'_>, against: &Evidence) -> Diagnostic {
    let is = if lowered.expected == Expected::Allowed { "denied" } else { "allowed" };
    let what = &against.what;
    let wanted = if lowered.expected == Expected::Allowed { "allowed" } else { "denied" };
    let (code, message) = match (lowered.test, lowered.parent) {
        (Some(test), _) => {
            (codes::ASSERTION_FAILED, format!("test `{}` failed: `{what}` is {is}", test.title.node))
        }
        (None, Some(parent)) => (
            codes::REQUIREMENT_DROPPED,
            format!("`{what}` is {is}, and the parent `{parent}` requires that it is {wanted}"),
        ),
        (None, None) => (codes::ASSERTION_FAILED, format!("assertion failed: `{what}` is {is}")),
    };
    let expected = match &lowered.claim.because {
        Some(because) => format!("expected to be {wanted}: {}", because.node),
        None => format!("expected to be {wanted}"),
    };
    let mut found = Diagnostic::new(code, message);
    if lowered.parent.is_some()
        && let Some(extends) = &cx.resolved.block.extends
    {
        found = found.label(extends.span, "held to this parent");
    }
    found = found.label(lowered.claim.span, expected);
    if let Some(span) = against.rule.and_then(|rule| cx.origins.span(rule)) {
        found = found.label(span, reason(against.why));
    }
    found.help(ask::advice(policy, &lowered.asked, against).words)
}

/// What a rule says of a request.
pub(crate) fn reason(why: Why) -> &'static str {
    match why {
        Why::Allowed => "allowed by this",
        Why::Denied => "denied by this",
        Why::Sought => "denied by this, where it is there at launch",
        Why::Implied => "follows from this, and holds in every sandbox",
        Why::Default => "no rule allows it, and this decides then",
        Why::BadArguments => "takes other arguments",
        Why::OwnLoopback => "the sandbox's own loopback",
        Why::Generated => "the launcher writes it, from nothing of the host",
        Why::NoRight => "shown by this, without the right",
        Why::Asked => "somebody is asked here",
        Why::OtherRequests => "allows other requests",
        Why::Undecided => "the conditions on it are too involved to be decided",
        Why::Absent | Why::OtherAbi => "",
    }
}

/// A claim about what a search may find.
fn at_launch(cx: &mut Context<'_>, lowered: &Lowered<'_>, judgement: &Judgement) -> Option<OpenClaim> {
    let search = judgement.refused.as_ref().and_then(|it| cx.origins.span(it.rule?));
    let said = |found: Diagnostic| match search {
        Some(span) => found.label(span, reason(Why::Sought)),
        None => found,
    };
    let span = lowered.claim.span;
    let asked = match (lowered.test, asked_of_path(&lowered.asked)) {
        (None, Some(asked)) => asked,
        (test, _) => {
            let title = test.map_or("", |test| test.title.node.as_str());
            let message = format!("test `{title}` cannot tell: what is there at launch decides");
            let found = Diagnostic::new(codes::ASSERTION_FAILED, message).label(span, "a test has no files");
            cx.found
                .push(said(found).help("write it into an `assert` of the policy, which each launch decides"));
            return None;
        }
    };
    let found = Diagnostic::new(codes::ASSERTION_DEFERRED, "assertion depends on what is there at launch")
        .label(span, "holds or not by what the search finds");
    cx.say(said(found).help("nothing to do: each launch decides it before it starts the command"));
    Some(OpenClaim { asked, expected: lowered.expected, origin: lowered.origin })
}

/// What a claim is about, of a path.
fn asked_of_path(asked: &Asked) -> Option<OpenAsked> {
    Some(match asked {
        Asked::Open { path, access, below } => {
            OpenAsked::Path { path: path.clone(), access: *access, below: *below }
        }
        Asked::Unix { path, below } => {
            OpenAsked::Path { path: path.clone(), access: Access::Write, below: *below }
        }
        _ => return None,
    })
}

fn defer(cx: &mut Context<'_>, policy: &Policy, lowered: &Lowered<'_>) -> Option<OpenClaim> {
    let asked = match &lowered.asked {
        Asked::Open { .. } | Asked::Unix { .. } => asked_of_path(&lowered.asked)?,
        Asked::Connect { endpoint, .. } => OpenAsked::Connect(endpoint.clone()),
        Asked::Request { .. } => OpenAsked::Call(cx.sources.text(lowered.claim.span).to_owned()),
        Asked::Call { tool, text, .. } => OpenAsked::Call(format!("call {tool}({text})")),
        _ => return None,
    };
    let hosts = matches!(lowered.asked, Asked::Connect { .. } | Asked::Request { .. });
    let again = !matches!(asked, OpenAsked::Call(_));
    let matters = |kind: ParamKind| match kind {
        ParamKind::Host => hosts,
        ParamKind::Dir | ParamKind::File => !hosts,
        ParamKind::Text | ParamKind::Secret | ParamKind::Number => false,
    };
    let names = policy.params.iter().filter(|param| matters(param.kind));
    let names: Vec<String> = names.map(|param| format!("`${}`", param.name)).collect();
    let (other, them) =
        if hosts { ("is another host", "every host") } else { ("lies apart from", "every path") };
    let others =
        if hosts { "are other hosts than each other and" } else { "lie apart from each other and from" };
    let apart = match names.as_slice() {
        [] => "the home directory lies apart from".to_owned(),
        [one] if hosts => format!("{one} {other} than"),
        [one] => format!("{one} {other}"),
        [many @ .., last] => format!("{} and {last} {others}", many.join(", ")),
    };
    cx.say(
        Diagnostic::new(codes::ASSERTION_DEFERRED, "assertion depends on what the parameters are")
            .label(lowered.claim.span, format!("holds where {apart} {them} that a rule names"))
            .help(if again {
                "nothing to do: each launch decides it again before it starts the command"
            } else {
                "no launch decides it again: ask about the same parameter alone, or give the parameters in a `test`"
            }),
    );
    Some(OpenClaim { asked, expected: lowered.expected, origin: lowered.origin })
}

fn itself(span: Span) -> Diagnostic {
    Diagnostic::new(codes::ASSERTION_VACUOUS, "a policy is always as narrow as itself")
        .label(span, "cannot fail")
        .help("name another policy, or take the claim away")
}

/// A claim that cannot fail, because another one says the same, or because it is about nothing.
fn vacuous(lowered: &Lowered<'_>, earlier: &[&Lowered<'_>], judgement: &Judgement) -> Option<Diagnostic> {
    let span = lowered.claim.span;
    let found = |message: &str| Diagnostic::new(codes::ASSERTION_VACUOUS, message);
    if judgement.allowed.is_none() && judgement.refused.is_none() {
        return Some(
            found("assertion is about no request")
                .label(span, "no arguments are like this")
                .help("take it away, or say less of the arguments"),
        );
    }
    let same = |other: &&&Lowered<'_>| {
        let test = |it: &Lowered<'_>| it.test.map(|test| test.span);
        (test(other), other.layer) == (test(lowered), lowered.layer)
            && (&other.asked, other.expected) == (&lowered.asked, lowered.expected)
    };
    let first = earlier.iter().find(same)?;
    Some(
        found("assertion says nothing new")
            .label(span, "again here")
            .label(first.claim.span, "first here")
            .help("take one of them away"),
    )
}

/// Warns of a policy without assertions, and of rules of its own that none of them is about.
pub(crate) fn coverage(cx: &mut Context<'_>, policy: &Policy, claims: &[Lowered<'_>], outcome: &Outcome) {
    if claims.is_empty() {
        cx.say(
            Diagnostic::new(codes::NO_ASSERTION, "the policy has no assertions")
                .label(cx.resolved.block.head, "nothing says what it is for")
                .help("write what must hold: `assert { deny env AWS_SECRET_ACCESS_KEY }`"),
        );
        return;
    }
    let rules = policy.fs.iter().map(|rule| rule.origin);
    let rules = rules.chain(policy.syscalls.iter().filter(|rule| !rule.implied).map(|rule| rule.origin));
    let rules = rules.chain(policy.env.iter().map(|rule| rule.origin));
    let connections = policy.net.rules().iter().filter(|rule| !matches!(rule.kind, NetKind::Total(_)));
    let rules = rules.chain(connections.map(|rule| rule.origin));
    let rules = rules.chain(policy.tools.iter().map(|tool| tool.origin));
    let own = cx.resolved.block.span;
    let mut spans: Vec<Span> = rules
        .filter(|origin| !outcome.exercised.contains(origin))
        .filter_map(|origin| cx.origins.span(origin))
        .filter(|span| span.file == own.file && (own.start..own.end).contains(&span.start))
        .filter(|span| *span != cx.resolved.block.head)
        .collect();
    spans.sort();
    spans.dedup();
    for span in spans {
        cx.say(
            Diagnostic::new(codes::RULE_NOT_EXERCISED, "no assertion is about this rule")
                .label(span, "decides no request of an assertion or a test")
                .help("assert a request that it decides"),
        );
    }
}
