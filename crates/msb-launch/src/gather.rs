//! Lists from iterators, by one plain loop. The standard library's `collect` makes three for each list (the first
//! element, the others, room for both), which was a fiftieth of the launcher; here lists are short.

use alloc::vec::Vec;

/// Iterators that become lists.
pub(crate) trait Gather: Iterator + Sized {
    /// Everything it gives.
    fn gather(self) -> Vec<Self::Item> {
        let mut list = Vec::new();
        for item in self {
            list.push(item);
        }
        list
    }

    /// Everything it gives, or the first error.
    fn try_gather<T, E>(self) -> Result<Vec<T>, E>
    where
        Self: Iterator<Item = Result<T, E>>,
    {
        let mut list = Vec::new();
        for item in self {
            list.push(item?);
        }
        Ok(list)
    }
}

impl<I: Iterator> Gather for I {}
