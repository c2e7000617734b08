//! Rules that contradict each other, or of which one says nothing new.

use super::{RightsExt, Rule};
use crate::context::Context;
use crate::paths::{covers, remainder, shown};
use msb_diag::{Diagnostic, codes};
use msb_policy::{FsKind, Path};
use msb_resolve::LayerId;

/// Reports contradictions; whether there are none.
pub(super) fn conflicts(cx: &mut Context<'_>, rules: &[Rule]) -> bool {
    let before = cx.found.len();
    for (index, rule) in rules.iter().enumerate() {
        let earlier = rules.get(..index).unwrap_or(&[]);
        two_sources(cx, rule, earlier);
        cancelled(cx, rule, rules);
    }
    let clear = cx.found.len() == before;
    if clear {
        for (index, rule) in rules.iter().enumerate() {
            covered(cx, rule, index, rules);
        }
    }
    clear
}

/// Where a rule puts something, and what.
fn target(kind: &FsKind) -> Option<(&Path, Option<&Path>)> {
    match kind {
        FsKind::Grant { source, target, .. } | FsKind::Socket { source, target, .. } => {
            Some((target, Some(source)))
        }
        // What is written there is private.
        FsKind::Scratch { target, .. } | FsKind::Overlay { target, .. } => Some((target, None)),
        FsKind::Deny { .. }
        | FsKind::Device { .. }
        | FsKind::StdDevices
        | FsKind::ProcSelf
        | FsKind::ProcAll => None,
    }
}

fn two_sources(cx: &mut Context<'_>, rule: &Rule, earlier: &[Rule]) {
    let Some((here, this)) = target(&rule.kind) else { return };
    let other = earlier.iter().find_map(|other| {
        let (there, that) = target(&other.kind)?;
        let same = match (this, that) {
            (None, None) => rule.kind == other.kind,
            (this, that) => this == that,
        };
        (there == here && !same).then_some((other, that))
    });
    let Some((other, that)) = other else { return };
    let path = shown(cx, here);
    let describe = |cx: &Context<'_>, what: Option<&Path>| match what {
        Some(source) => format!("shows `{}` there", shown(cx, source)),
        None => "puts something private there".to_owned(),
    };
    let (first, second) = (describe(cx, that), describe(cx, this));
    cx.say(
        Diagnostic::new(codes::TWO_SOURCES, format!("two rules put different things at `{path}`"))
            .label(rule.span, second)
            .label(other.span, first)
            .help("give one of them another place with `at`, or take it away"),
    );
}

/// A grant that a person wrote in the policy and that a deny takes away altogether. One that a profile
/// brings may be taken away: that is how a policy narrows a profile.
fn cancelled(cx: &mut Context<'_>, rule: &Rule, rules: &[Rule]) {
    let FsKind::Grant { source, target, rights, .. } = &rule.kind else { return };
    if rule.layer != LayerId::POLICY {
        return;
    }
    let deny = rules.iter().find(|other| match &other.kind {
        FsKind::Deny { path, rights: denied, .. } => {
            rights.within(*denied) && (covers(path, source) || covers(path, target))
        }
        _ => false,
    });
    if let Some(deny) = deny {
        let path = shown(cx, source);
        cx.say(
            Diagnostic::new(codes::ALLOW_CANCELLED, format!("nothing is left of the grant of `{path}`"))
                .label(rule.span, "granted here")
                .label(deny.span, "and taken away here, and a deny overrides")
                .help("take one of the two rules away"),
        );
    }
}

/// A grant in the policy that another grant covers, with the same name and all its rights.
fn covered(cx: &mut Context<'_>, rule: &Rule, index: usize, rules: &[Rule]) {
    let FsKind::Grant { source, target, rights, .. } = &rule.kind else { return };
    if rule.layer != LayerId::POLICY {
        return;
    }
    let wider = rules.iter().enumerate().find(|(at, other)| {
        let FsKind::Grant { source: above, target: place, rights: all, optional, .. } = &other.kind else {
            return false;
        };
        let same = rule.kind == other.kind;
        let below = remainder(above, source);
        *at != index
            && below.is_some()
            && below == remainder(place, target)
            && rights.within(*all)
            // Of two that say the same the later is one too many.
            && (!same || *at < index)
            // One that may be passed over does not make another one superfluous.
            && (same || !optional)
            && !hidden(target, place, rules)
    });
    if let Some((_, wider)) = wider {
        let path = shown(cx, source);
        cx.say(
            Diagnostic::new(codes::GRANT_COVERED, format!("`{path}` is granted already"))
                .label(rule.span, "this adds nothing")
                .label(wider.span, "covered by this")
                .help("take this grant away"),
        );
    }
}

/// Whether something else lies between a place and what is above it, so that the upper does not show it.
fn hidden(target: &Path, above: &Path, rules: &[Rule]) -> bool {
    rules.iter().filter_map(|rule| self::target(&rule.kind)).any(|(between, _)| {
        between != target && between != above && covers(above, between) && covers(between, target)
    })
}
