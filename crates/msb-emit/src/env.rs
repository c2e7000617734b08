//! The environment: one rule for each name, passed ones first.

use crate::net::Net;
use crate::origins::Order;
use crate::{EmitError, ir, path, plan};
use std::collections::{BTreeMap, BTreeSet};

/// The environment rules of `policy`: `set` wins over `pass`, what is said twice is said once.
///
/// Variables that name certificates come with the network.
pub(crate) fn rules<'p>(
    policy: &'p ir::Policy,
    net: Option<&'p Net<'p>>,
    order: &Order,
) -> Result<Vec<plan::Env<'p>>, EmitError> {
    let mut passed: BTreeSet<&str> = BTreeSet::new();
    let mut prefixes: BTreeSet<&str> = BTreeSet::new();
    let mut set: BTreeMap<&str, (&ir::Text, ir::OriginId)> = BTreeMap::new();
    for rule in &policy.env {
        match &rule.kind {
            ir::EnvKind::Pass { name, prefix: false } => {
                passed.insert(name);
            }
            ir::EnvKind::Pass { name, prefix: true } => {
                prefixes.insert(name);
            }
            ir::EnvKind::Set { name, value } => match set.get(name.as_str()) {
                Some((there, origin)) if *there != value => {
                    let mut origins = [*origin, rule.origin];
                    origins.sort_by_key(|origin| order.place(*origin));
                    return Err(EmitError::VariableTwice { name: name.clone(), origins });
                }
                _ => {
                    set.insert(name, (value, rule.origin));
                }
            },
        }
    }
    passed.retain(|name| !set.contains_key(name));
    let mut rules: Vec<plan::Env<'p>> = passed.into_iter().map(|name| plan::Env::Pass { name }).collect();
    rules.extend(prefixes.into_iter().map(|prefix| plan::Env::PassPrefix { prefix }));
    let certificates = net.map_or_else(Vec::new, |net| net.variables(policy));
    rules.extend(
        certificates
            .into_iter()
            .map(|(name, file)| plan::Env::Set { name, value: plan::Text::Literal(file) }),
    );
    for (name, (value, origin)) in set {
        let value = match value {
            ir::Text::Literal(value) => plan::Text::Literal(value),
            ir::Text::Param(index) => plan::Text::Param(path::parameter(*index, origin)?),
        };
        rules.push(plan::Env::Set { name, value });
    }
    Ok(rules)
}
