//! Rules that decide nothing, as a stricter one always does, and groups that decide differently of one call.

use super::Rule;
use crate::context::Context;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Pred, SyscallAction};
use msb_resolve::LayerId;
use msb_syscalls::describe;

/// Two errnos are as severe as each other.
fn severity(action: SyscallAction) -> SyscallAction {
    match action {
        SyscallAction::Errno(_) => SyscallAction::Errno(0),
        other => other,
    }
}

pub(super) fn shadow(cx: &mut Context<'_>, rules: &[Rule]) {
    let mut shadowed: Vec<Span> = Vec::new();
    for item in items(rules) {
        // What is wrong with it in another way was said.
        let said = |span: Span| cx.found.iter().any(|found| found.span() == Some(span));
        if item.first().is_some_and(|rule| said(rule.span)) {
            continue;
        }
        if let Some(by) = never_decides(item, rules) {
            cx.say(by);
            shadowed.extend(item.first().map(|rule| rule.span));
        }
    }
    groups_disagree(cx, rules, &shadowed);
}

/// The rules that a person wrote, those of one item together: `@mount` is many rules.
fn items(rules: &[Rule]) -> impl Iterator<Item = &[Rule]> {
    rules
        .chunk_by(|a, b| a.span == b.span && a.whole == b.whole)
        .filter(|item| item.first().is_some_and(|rule| rule.layer == LayerId::POLICY && rule.whole.is_some()))
}

/// What there is to say of an item of which stricter rules cover every call.
fn never_decides(item: &[Rule], rules: &[Rule]) -> Option<Diagnostic> {
    let mut by: Option<&Rule> = None;
    for rule in item {
        // What is implied (no network, no terminal) has findings of its own.
        let written = || rules.iter().filter(|it| it.whole.is_some() && it.call.nr == rule.call.nr);
        let stricter = || written().filter(|it| severity(it.action) > severity(rule.action));
        let first = stricter().next()?;
        let all = stricter().map(|it| it.predicate.clone()).collect();
        let left = Pred::All(vec![rule.predicate.clone(), Pred::Not(Box::new(Pred::Any(all)))]);
        // A condition that never holds has a finding of its own.
        if left.witness().is_some() || rule.predicate.witness().is_none() {
            return None;
        }
        by = by.or(Some(first));
    }
    let (rule, by) = (item.first()?, by?);
    let call = describe(rule.arch, rule.call.nr, &rule.predicate.witness()?);
    let found = Diagnostic::new(codes::NEVER_DECIDES, "this rule never decides")
        .label(rule.span, format!("a stricter rule decides all of it, such as `{call}`"))
        .label(by.span, "this one")
        .help("take one of the two away, or name less in the stricter");
    Some(found)
}

/// One call that two groups of the same policy name, one to allow it and one to deny it: that the deny decides
/// may not be what was meant.
fn groups_disagree(cx: &mut Context<'_>, rules: &[Rule], shadowed: &[Span]) {
    let plain = |rule: &&Rule| {
        rule.layer == LayerId::POLICY
            && rule.whole.is_some()
            && !rule.direct
            && rule.predicate == Pred::True
            && !shadowed.contains(&rule.span)
    };
    let allows: Vec<&Rule> = rules.iter().filter(plain).filter(|rule| rule.action.makes()).collect();
    let denies: Vec<&Rule> = rules.iter().filter(plain).filter(|rule| !rule.action.makes()).collect();
    let mut said: Vec<(Span, Span)> = Vec::new();
    for deny in &denies {
        let Some(allow) = allows.iter().find(|allow| allow.call.nr == deny.call.nr) else { continue };
        if said.contains(&(allow.span, deny.span)) {
            continue;
        }
        said.push((allow.span, deny.span));
        let both = denies.iter().filter(|it| it.span == deny.span);
        let more = both.filter(|it| allows.iter().any(|allow| allow.call.nr == it.call.nr)).count() - 1;
        let others = if more == 0 { String::new() } else { format!(" and {more} more") };
        let (allowed, denied) = (cx.sources.text(allow.span), cx.sources.text(deny.span));
        let found = Diagnostic::new(
            codes::GROUPS_DISAGREE,
            format!("`{}`{others}: one group allows, another denies", deny.call.name),
        );
        cx.say(
            found
                .label(deny.span, "denied by this, which decides")
                .label(allow.span, "allowed by this")
                .help(format!("write `{allowed} - {denied}` where it is allowed, if that is meant")),
        );
    }
}
