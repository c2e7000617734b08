//! Rules that decide nothing, as a stricter one always does, and groups that decide differently of one call.

use super::Rule;
use crate::context::Context;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Pred, Solution, SyscallAction};
use msb_resolve::LayerId;
use msb_syscalls::describe;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Two errnos are as severe as each other.
fn severity(action: SyscallAction) -> SyscallAction {
    match action {
        SyscallAction::Errno(_) => SyscallAction::Errno(0),
        other => other,
    }
}

/// The rules that a person wrote for each call, by how severe they are.
type ByCall<'r> = BTreeMap<u32, BTreeMap<SyscallAction, Vec<&'r Rule>>>;

pub(super) fn shadow(cx: &mut Context<'_>, rules: &[Rule]) {
    let mut by_call = ByCall::new();
    // What is implied (no network, no terminal) has findings of its own.
    for rule in rules.iter().filter(|rule| rule.whole.is_some()) {
        by_call.entry(rule.call.nr).or_default().entry(severity(rule.action)).or_default().push(rule);
    }
    // What is wrong with a rule in another way was said.
    let said: BTreeSet<Span> = cx.found.iter().filter_map(Diagnostic::span).collect();
    let mut shadowed: BTreeSet<Span> = BTreeSet::new();
    for item in items(rules) {
        if item.first().is_some_and(|rule| said.contains(&rule.span)) {
            continue;
        }
        if let Some(by) = never_decides(item, &by_call) {
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
fn never_decides(item: &[Rule], by_call: &ByCall<'_>) -> Option<Diagnostic> {
    let mut stricter_all: Vec<Vec<&Rule>> = Vec::new();
    for rule in item {
        let above = (Bound::Excluded(severity(rule.action)), Bound::Unbounded);
        let stricter =
            || by_call.get(&rule.call.nr).into_iter().flat_map(|it| it.range(above)).flat_map(|it| it.1);
        stricter().next()?;
        let all = stricter().map(|it| it.predicate.clone()).collect();
        let left = Pred::All(vec![rule.predicate.clone(), Pred::Not(Box::new(Pred::Any(all)))]);
        // A condition that never holds has a finding of its own.
        if left.satisfiable() || !rule.predicate.satisfiable() {
            return None;
        }
        stricter_all.push(stricter().copied().collect());
    }
    let rule = item.first()?;
    let candidates = stricter_all.first()?;
    let call = describe(rule.arch, rule.call.nr, &rule.predicate.witness().found()?);
    let found = Diagnostic::new(codes::NEVER_DECIDES, "this rule never decides");
    let found = match candidates.iter().find(|by| covers_all(by.span, item, &stricter_all)) {
        Some(by) => found
            .label(rule.span, format!("a stricter rule decides all of it, such as `{call}`"))
            .label(by.span, "this one")
            .help("take one of the two away, or name less in the stricter"),
        None => found
            .label(rule.span, format!("stricter rules decide all of it, such as `{call}`"))
            .label(candidates.first()?.span, "this is one of them")
            .help("take this rule away, or name less in the stricter ones"),
    };
    Some(found)
}

/// Whether the stricter rules of the item at `span` alone decide every call of `item`.
fn covers_all(span: Span, item: &[Rule], stricter: &[Vec<&Rule>]) -> bool {
    item.iter().zip(stricter).all(|(rule, stricter)| {
        let own = stricter.iter().filter(|it| it.span == span).map(|it| it.predicate.clone()).collect();
        Pred::All(vec![rule.predicate.clone(), Pred::Not(Box::new(Pred::Any(own)))]).witness()
            == Solution::Nothing
    })
}

/// One call that two groups of the same policy name, one to allow it and one to deny it: that the deny decides
/// may not be what was meant.
fn groups_disagree(cx: &mut Context<'_>, rules: &[Rule], shadowed: &BTreeSet<Span>) {
    let plain = |rule: &&Rule| {
        rule.layer == LayerId::POLICY
            && rule.whole.is_some()
            && !rule.direct
            && rule.predicate == Pred::True
            && !shadowed.contains(&rule.span)
    };
    let mut allows: BTreeMap<u32, &Rule> = BTreeMap::new();
    let mut denies: Vec<&Rule> = Vec::new();
    for rule in rules.iter().filter(plain) {
        match rule.action.makes() {
            true => drop(allows.entry(rule.call.nr).or_insert(rule)),
            false => denies.push(rule),
        }
    }
    denies.retain(|deny| allows.contains_key(&deny.call.nr));
    let mut calls: BTreeMap<Span, usize> = BTreeMap::new();
    denies.iter().for_each(|deny| *calls.entry(deny.span).or_default() += 1);
    let mut said: BTreeSet<(Span, Span)> = BTreeSet::new();
    for deny in &denies {
        let Some(allow) = allows.get(&deny.call.nr) else { continue };
        if !said.insert((allow.span, deny.span)) {
            continue;
        }
        let more = calls.get(&deny.span).map_or(0, |count| count - 1);
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
