//! Absolute names in order, so that what covers a name, and what lies below it, is found without asking of each.

use std::collections::BTreeMap;

/// Items by their names, which are absolute paths; an item is its place in a list of the caller's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(BTreeMap<String, Vec<usize>>);

impl Names {
    /// Items by `name`, the first of which is item 0; those without one are left out.
    pub(crate) fn of<'n>(names: impl Iterator<Item = Option<&'n str>>) -> Names {
        let mut all: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, name) in names.enumerate() {
            let Some(name) = name.map(|name| name.trim_end_matches('/')) else { continue };
            match all.get_mut(name) {
                Some(items) => items.push(index),
                None => drop(all.insert(name.to_owned(), vec![index])),
            }
        }
        Names(all)
    }

    /// Those at `name` or above it, the deepest first.
    pub(crate) fn above<'n>(&'n self, name: &'n str) -> impl Iterator<Item = usize> + 'n {
        above(name).filter_map(|name| self.0.get(name)).flatten().copied()
    }

    /// Those with the longest name at `name` or above it.
    pub(crate) fn deepest(&self, name: &str) -> &[usize] {
        above(name).find_map(|name| self.0.get(name)).map_or(&[], Vec::as_slice)
    }

    /// Those at `name` or below it, by name.
    pub(crate) fn below(&self, name: &str) -> impl Iterator<Item = usize> {
        let name = name.trim_end_matches('/');
        let first = format!("{name}/");
        let here = self.0.get(name).into_iter().flatten();
        let inside = self.0.range(first.clone()..).take_while(move |(name, _)| name.starts_with(&first));
        here.chain(inside.flat_map(|(_, items)| items)).copied()
    }
}

/// `name`, and the names of the directories above it; that of the root is empty.
fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.rfind('/').and_then(|end| name.get(..end)))
}
