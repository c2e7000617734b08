//! Whether the terms of a policy's connections are within those of another's: requests, secrets, rates and quotas.
//!
//! A connection that several rules of the other policy allow may be made on the terms of any of them. What each
//! rule limits it limits for all its connections together, so rules of this policy that take from one limit of the
//! other are added up.

use std::collections::HashSet;

use crate::narrow::{Widening, Wider};
use crate::net::ByPeer;
use crate::{
    Borders, Connection, Connections, Endpoint, Method, NetKind, NetLimits, OriginId, Policy, Rate, Terms,
    Which,
};

/// A rule that allows connections.
struct Allow<'a> {
    endpoint: &'a Endpoint,
    terms: &'a Terms,
    origin: OriginId,
}

impl Policy {
    /// Connections that both policies make, and this one on wider terms. `connections` decides for both.
    pub(crate) fn wider_terms(
        &self,
        other: &Policy,
        (own_rules, its_rules): (&Connections<'_>, &Connections<'_>),
        borders: &Borders<'_>,
        found: &mut Vec<Widening>,
    ) {
        let (own, theirs) = (self.allows(), other.allows());
        let mut their_endpoints = ByPeer::default();
        for (index, rule) in theirs.iter().enumerate() {
            their_endpoints.add(index, rule.endpoint);
        }
        let refused = found.iter().filter(|it| matches!(it.what, Wider::Connect(_)));
        let refused: HashSet<Option<OriginId>> = refused.map(|it| it.allowed).collect();
        // For each rule of the other policy, those of its own whose connections are made by it there.
        let mut taking: Vec<Vec<usize>> = vec![Vec::new(); theirs.len()];
        // And for each of its own, whether one of those has no limit, for each limit.
        let mut unbound: Vec<[bool; LIMITS.len()]> = vec![[false; LIMITS.len()]; own.len()];
        for ((index, rule), unbound) in own.iter().enumerate().zip(&mut unbound) {
            for one in borders.connections(rule.endpoint, Which::Carried) {
                let made = rule.endpoint.accepts(&one)
                    && own_rules.decide(&one).action.makes()
                    // What the other policy refuses was said.
                    && its_rules.decide(&one).action.makes();
                if !made {
                    continue;
                }
                let near = their_endpoints.about(&one.peer, one.port);
                let covering = near.into_iter().filter_map(|at| Some((at, theirs.get(at)?)));
                let covering: Vec<(usize, &Allow<'_>)> =
                    covering.filter(|(_, it)| it.endpoint.accepts(&one)).collect();
                let there: Vec<&Allow<'_>> = covering.iter().map(|(_, it)| *it).collect();
                let said = refused.contains(&Some(rule.origin));
                if let Some((what, refused)) = wider_requests(rule, &one, &there, self).filter(|_| !said) {
                    found.push(Widening { what, allowed: Some(rule.origin), refused: Some(refused) });
                    break;
                }
                for (at, it) in covering {
                    if let Some(taking) = taking.get_mut(at).filter(|taking| taking.last() != Some(&index)) {
                        taking.push(index);
                    }
                    for (unbound, (_, of)) in unbound.iter_mut().zip(LIMITS) {
                        *unbound |= of(&it.terms.limits).is_none();
                    }
                }
            }
        }
        for (limited, taking) in theirs.iter().zip(&taking) {
            for (at, (word, of)) in LIMITS.iter().enumerate() {
                let Some(limit) = of(&limited.terms.limits) else { continue };
                // By another rule of the other policy the connection is made without this limit.
                let bound = |index: &&usize| {
                    unbound.get(**index).and_then(|unbound| unbound.get(at)).is_some_and(|unbound| !unbound)
                };
                let mut sum = 0u128;
                for rule in taking.iter().filter(bound).filter_map(|index| own.get(*index)) {
                    let (value, refused) = (of(&rule.terms.limits), Some(limited.origin));
                    sum = sum.saturating_add(value.unwrap_or(u128::MAX));
                    if sum > limit {
                        found.push(Widening {
                            what: Wider::Limit(word),
                            allowed: Some(rule.origin),
                            refused,
                        });
                        break;
                    }
                }
            }
        }
    }

    fn allows(&self) -> Vec<Allow<'_>> {
        let allow = self.net.rules().iter().filter_map(|rule| match &rule.kind {
            NetKind::Allow { endpoint, terms } => Some(Allow { endpoint, terms, origin: rule.origin }),
            _ => None,
        });
        allow.collect()
    }
}

/// A limit of connections, in a unit of its own.
type Of = fn(&NetLimits) -> Option<u128>;

/// Every limit that can stand on a rule, by its word in the language.
const LIMITS: [(&str, Of); 6] = [
    ("rate", |it| it.rate.map(per_second)),
    ("burst", |it| it.rate.map(|rate| u128::from(rate.burst))),
    ("quota", |it| it.up_bytes.map(u128::from)),
    ("quota", |it| it.down_bytes.map(u128::from)),
    ("quota", |it| it.both_bytes.map(u128::from)),
    ("connections", |it| it.connections.map(u128::from)),
];

fn per_second(rate: Rate) -> u128 {
    (u128::from(rate.count) << 64) / u128::from(rate.period_us.max(1))
}

/// What `rule` lets a program say on `one`, or puts into it, and no rule of `there` does.
fn wider_requests(
    rule: &Allow<'_>,
    one: &Connection,
    there: &[&Allow<'_>],
    policy: &Policy,
) -> Option<(Wider, OriginId)> {
    let first = there.first()?;
    let connection = Connection { protocol: rule.endpoint.protocol, ..one.clone() };
    let terms = |what: String| Wider::Terms { connection: connection.clone(), what };
    if let Some(secret) = rule.terms.inject
        // Who says nothing of secrets leaves them to others; who names one means that one.
        && there.iter().all(|it| it.terms.inject.is_some_and(|other| other != secret))
    {
        let name = policy.params.get(secret).map_or("", |param| param.name.as_str());
        return Some((terms(format!("inject ${name}")), first.origin));
    }
    let read = |terms: &Terms| terms.inspect || terms.only.is_some() || terms.inject.is_some();
    if there.iter().all(|it| it.terms.inspect) && !read(rule.terms) {
        return Some((terms("without `inspect`".to_owned()), first.origin));
    }
    if there.iter().any(|it| it.terms.only.is_none()) {
        return None;
    }
    let (methods, paths) = match &rule.terms.only {
        Some(only) => (only.methods.clone(), only.paths.clone()),
        None => (Method::ALL.iter().map(|(_, method)| *method).collect(), Vec::new()),
    };
    let paths = if paths.is_empty() { vec!["/**".to_owned()] } else { paths };
    for method in methods.iter().filter(|method| one.method.is_none_or(|asked| asked == **method)) {
        for path in &paths {
            let within = there.iter().filter_map(|it| it.terms.only.as_ref()).any(|only| {
                only.methods.contains(method)
                    && (only.paths.is_empty() || only.paths.iter().any(|wide| covers(wide, path)))
            });
            if !within {
                return Some((terms(format!("only {} {path}", method.word())), first.origin));
            }
        }
    }
    None
}

/// A piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Character(char),
    /// `?`
    One,
    /// `*`: any characters of a component.
    Some,
    /// `**`: any characters.
    All,
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for character in pattern.chars() {
        match (character, pieces.last()) {
            ('*', Some(Piece::Some)) => {
                pieces.pop();
                pieces.push(Piece::All);
            }
            ('*', Some(Piece::All)) => {}
            ('*', _) => pieces.push(Piece::Some),
            ('?', _) => pieces.push(Piece::One),
            (character, _) => pieces.push(Piece::Character(character)),
        }
    }
    pieces
}

/// Whether every path that `narrow` stands for is one that `wide` stands for: if it says so, it is so.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let (wide, narrow) = (pieces(wide), pieces(narrow));
    // Row by row: which beginnings of `narrow` are covered by the pieces of `wide` so far.
    let mut reached: Vec<bool> = (0..=narrow.len()).map(|at| at == 0).collect();
    for piece in &wide {
        let mut next = vec![false; narrow.len() + 1];
        for at in 0..=narrow.len() {
            let before = at.checked_sub(1);
            let one = before.and_then(|before| narrow.get(before));
            let at_row =
                |row: &[bool], at: Option<usize>| at.and_then(|at| row.get(at)).copied().unwrap_or(false);
            let (taken, going_on) = (at_row(&reached, before), at_row(&next, before));
            let here = at_row(&reached, Some(at));
            let covered = match piece {
                Piece::Character(_) => taken && one == Some(piece),
                Piece::One => {
                    taken
                        && matches!(one, Some(Piece::One | Piece::Character(_)))
                        && one != Some(&Piece::Character('/'))
                }
                Piece::Some => here || (going_on && !matches!(one, Some(Piece::All | Piece::Character('/')))),
                Piece::All => here || going_on,
            };
            if let Some(slot) = next.get_mut(at) {
                *slot = covered;
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}
