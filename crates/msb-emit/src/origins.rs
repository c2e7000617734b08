//! The lines that a plan points to: those that it uses, sorted and without repetitions.

use crate::{EmitError, ir, plan};
use std::collections::BTreeMap;

/// The place of each of a policy's origins among them all, by file, line, column and text: the same for
/// every numbering.
pub(crate) struct Order(Vec<usize>);

impl Order {
    pub(crate) fn of(policy: &ir::Policy) -> Order {
        let key =
            |origin: &ir::Origin| (origin.file.clone(), origin.line, origin.column, origin.text.clone());
        let mut sorted: Vec<_> = policy.origins.iter().map(key).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let place = |origin| sorted.binary_search(&key(origin)).unwrap_or_else(|place| place);
        Order(policy.origins.iter().map(place).collect())
    }

    /// The place of `origin`; an unknown one comes last.
    pub(crate) fn place(&self, origin: ir::OriginId) -> usize {
        self.0.get(origin.0 as usize).copied().unwrap_or(usize::MAX)
    }

    /// Of two lines that ask for the same thing, the one that the plan names.
    pub(crate) fn first(&self, a: ir::OriginId, b: ir::OriginId) -> ir::OriginId {
        if self.place(b) < self.place(a) { b } else { a }
    }
}

/// The origins that the plan holds, and the number that each of the policy's has there.
pub(crate) struct Origins<'p> {
    list: Vec<plan::Origin<'p>>,
    ids: BTreeMap<ir::OriginId, plan::OriginId>,
}

impl<'p> Origins<'p> {
    /// Those of `policy` that are in `used`.
    pub(crate) fn of(
        policy: &'p ir::Policy,
        order: &Order,
        used: &[ir::OriginId],
    ) -> Result<Origins<'p>, EmitError> {
        let mut places: BTreeMap<usize, ir::OriginId> = BTreeMap::new();
        for &id in used {
            if policy.origins.get(id.0 as usize).is_none() {
                return Err(EmitError::UnknownOrigin { origin: id });
            }
            places.insert(order.place(id), id);
        }
        if places.len() > plan::ORIGINS_MAX {
            return Err(EmitError::TooMany {
                what: "lines that the plan names",
                count: places.len(),
                max: plan::ORIGINS_MAX,
                origin: policy.origin,
            });
        }
        let index: BTreeMap<usize, u16> = places.keys().copied().zip(0..).collect();
        let number = |id: &ir::OriginId| index.get(&order.place(*id)).map(|&n| (*id, plan::OriginId(n)));
        let line = |id: &ir::OriginId| policy.origins.get(id.0 as usize).map(shorten);
        Ok(Origins {
            list: places.values().filter_map(line).collect(),
            ids: used.iter().filter_map(number).collect(),
        })
    }

    /// The number of an origin that [`Origins::of`] was told of.
    pub(crate) fn id(&self, id: ir::OriginId) -> plan::OriginId {
        debug_assert!(self.ids.contains_key(&id), "an origin that was not announced");
        // A number that no list holds: the plan is then refused, not wrong.
        self.ids.get(&id).copied().unwrap_or(plan::OriginId(u16::MAX))
    }

    pub(crate) fn list(&self) -> Vec<plan::Origin<'p>> {
        self.list.clone()
    }
}

fn shorten(origin: &ir::Origin) -> plan::Origin<'_> {
    let mut end = plan::ORIGIN_TEXT_BYTES_MAX.min(origin.text.len());
    while !origin.text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &origin.text[..end];
    plan::Origin { file: &origin.file, line: origin.line, column: origin.column, text }
}
