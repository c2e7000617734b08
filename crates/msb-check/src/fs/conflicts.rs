//! Rules that contradict each other, or of which one says nothing new.

use super::{RightsExt, Rule};
use crate::context::Context;
use crate::edits;
use crate::paths::{remainder, shown};
use msb_diag::{Diagnostic, codes};
use msb_policy::{Base, FsKind, Path};
use msb_resolve::LayerId;
use std::collections::HashMap;

/// Reports contradictions; whether there are none.
pub(super) fn conflicts(cx: &mut Context<'_>, rules: &[Rule]) -> bool {
    let before = cx.found.len();
    let places = Places::of(rules);
    for (index, rule) in rules.iter().enumerate() {
        two_sources(cx, rule, index, &places);
        cancelled(cx, rule, &places);
    }
    let clear = cx.found.len() == before;
    if clear {
        for (index, rule) in rules.iter().enumerate() {
            covered(cx, rule, index, rules, &places);
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
        | FsKind::DenyFound { .. }
        | FsKind::Device { .. }
        | FsKind::StdDevices
        | FsKind::ProcSelf
        | FsKind::ProcAll => None,
    }
}

fn two_sources(cx: &mut Context<'_>, rule: &Rule, index: usize, places: &Places<'_>) {
    let Some((here, this)) = target(&rule.kind) else { return };
    let earlier = places.put_at(here.base, &here.rest).filter(|(at, _)| *at < index);
    let other = earlier.map(|(_, other)| other).find_map(|other| {
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
fn cancelled(cx: &mut Context<'_>, rule: &Rule, places: &Places<'_>) {
    let FsKind::Grant { source, target, rights, .. } = &rule.kind else { return };
    if rule.layer != LayerId::POLICY {
        return;
    }
    let denies = places.denied_above(source).chain(places.denied_above(target));
    let deny = denies.filter(
        |(_, other)| matches!(&other.kind, FsKind::Deny { rights: denied, .. } if rights.within(*denied)),
    );
    if let Some((_, deny)) = deny.min_by_key(|(at, _)| *at) {
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
fn covered(cx: &mut Context<'_>, rule: &Rule, index: usize, rules: &[Rule], places: &Places<'_>) {
    let FsKind::Grant { source, target, rights, .. } = &rule.kind else { return };
    if rule.layer != LayerId::POLICY {
        return;
    }
    let wider = places.granted_above(source).filter(|(at, other)| {
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
            && !places.hide(target, place)
    });
    if let Some((_, wider)) = wider.min_by_key(|(at, _)| *at) {
        let path = shown(cx, source);
        let found = Diagnostic::new(codes::GRANT_COVERED, format!("`{path}` is granted already"))
            .label(rule.span, "this adds nothing")
            .label(wider.span, "covered by this")
            .help("take this grant away");
        // The paths of one statement follow each other.
        let beside = [index.checked_sub(1), index.checked_add(1)];
        let mut beside = beside.into_iter().flatten().filter_map(|index| rules.get(index));
        let alone = !beside.any(|other| other.whole == rule.whole);
        let found = match edits::take_away(cx, rule.span, rule.whole, alone) {
            Some(span) => found.edit(span, ""),
            None => found,
        };
        cx.say(found);
    }
}

/// Rules by the paths that they name, so that what covers a path is found without going through all of them.
pub(super) struct Places<'r> {
    put: Index<'r>,
    granted: Index<'r>,
    denied: Index<'r>,
}

/// Rules, and their places in the list, by a path.
type Index<'r> = HashMap<(Base, &'r str), Vec<(usize, &'r Rule)>>;

impl<'r> Places<'r> {
    pub(super) fn of(rules: &'r [Rule]) -> Places<'r> {
        let mut places = Places { put: HashMap::new(), granted: HashMap::new(), denied: HashMap::new() };
        let add = |index: &mut Index<'r>, path: &'r Path, rule| {
            index.entry((path.base, path.rest.as_str())).or_default().push(rule);
        };
        for rule in rules.iter().enumerate() {
            if let Some((target, _)) = target(&rule.1.kind) {
                add(&mut places.put, target, rule);
            }
            match &rule.1.kind {
                FsKind::Grant { source, .. } => add(&mut places.granted, source, rule),
                FsKind::Deny { path, .. } => add(&mut places.denied, path, rule),
                _ => {}
            }
        }
        places
    }

    /// Rules that put something at this path.
    fn put_at(&self, base: Base, rest: &str) -> std::vec::IntoIter<(usize, &'r Rule)> {
        self.put.get(&(base, rest)).cloned().unwrap_or_default().into_iter()
    }

    /// Rules that put something at `path` or above.
    pub(super) fn put_above(&self, path: &Path) -> std::vec::IntoIter<(usize, &'r Rule)> {
        above(&self.put, path)
    }

    /// Grants of the host's `path` or of what is above.
    pub(super) fn granted_above(&self, path: &Path) -> std::vec::IntoIter<(usize, &'r Rule)> {
        above(&self.granted, path)
    }

    fn denied_above(&self, path: &Path) -> std::vec::IntoIter<(usize, &'r Rule)> {
        above(&self.denied, path)
    }

    /// Whether something else lies between a place and what is above it, so that the upper does not show it.
    fn hide(&self, target: &Path, above: &Path) -> bool {
        let mut between = target.ancestors().skip(1).take_while(|rest| *rest != above.rest);
        between.any(|rest| self.put.contains_key(&(target.base, rest)))
    }
}

fn above<'r>(index: &Index<'r>, path: &Path) -> std::vec::IntoIter<(usize, &'r Rule)> {
    let found: Vec<_> =
        path.ancestors().filter_map(|rest| index.get(&(path.base, rest))).flatten().copied().collect();
    found.into_iter()
}
