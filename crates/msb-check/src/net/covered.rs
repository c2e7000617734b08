//! Allows of the network of which another one allows all, on the same terms.

use super::Rule;
use super::lints::is_metadata;
use crate::context::Context;
use crate::edits;
use msb_diag::{Diagnostic, codes};
use msb_host::{Host, Network};
use msb_policy::{ByPeer, Endpoint, NetKind, NetLimits, Peer, Terms};
use msb_resolve::LayerId;

/// Reports allows in the policy that another allow covers. What each rule limits it limits for itself, so that none with
/// a limit is one too many.
pub(super) fn covered(cx: &mut Context<'_>, rules: &[Rule]) {
    let mut by = ByPeer::default();
    for (index, rule) in rules.iter().enumerate() {
        if let Some((endpoint, _)) = unlimited(rule) {
            by.add(index, endpoint);
        }
    }
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.layer == LayerId::POLICY) {
        let Some((endpoint, terms)) = unlimited(rule) else { continue };
        let Some((port, _)) = endpoint.ports.first() else { continue };
        // It was said that it should go.
        if is_metadata(&endpoint.peer) {
            continue;
        }
        let near = by.about(&one_of(&endpoint.peer), *port).into_iter().filter(|at| *at != index);
        let wider = near.filter_map(|at| Some((at, rules.get(at)?))).find(|(at, other)| {
            unlimited(other).is_some_and(|(wide, its)| {
                // Of two that say the same the later is one too many.
                its == terms && wide.covers(endpoint) && (*at < index || !endpoint.covers(wide))
            })
        });
        if let Some((_, wider)) = wider {
            let beside = [index.checked_sub(1), index.checked_add(1)];
            let mut beside = beside.into_iter().flatten().filter_map(|index| rules.get(index));
            let alone = !beside.any(|other| other.whole == rule.whole);
            let text = cx.sources.text(rule.span).to_owned();
            let found = Diagnostic::new(codes::GRANT_COVERED, format!("`{text}` is allowed already"))
                .label(rule.span, "this adds nothing")
                .label(wider.span, "covered by this")
                .help("take this one away, or the wider one if it is not meant");
            cx.say(match edits::take_away(cx, rule.span, rule.whole, alone) {
                Some(span) => found.edit(span, ""),
                None => found,
            });
        }
    }
}

/// An allow without limits of its own.
fn unlimited(rule: &Rule) -> Option<(&Endpoint, &Terms)> {
    match &rule.kind {
        NetKind::Allow { endpoint, terms } if terms.limits == NetLimits::default() => Some((endpoint, terms)),
        _ => None,
    }
}

/// Somebody for whom `peer` stands: who covers all of it covers them.
fn one_of(peer: &Peer) -> Peer {
    match peer {
        Peer::Host(Host::Below(name)) => Peer::Host(Host::Name(format!("any.{name}"))),
        Peer::Host(Host::Address(network)) => Peer::Host(Host::Address(Network::of(network.first()))),
        other => other.clone(),
    }
}
