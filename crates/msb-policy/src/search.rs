//! Denies of what a search at launch finds: which paths one may be about, by their names alone.
//!
//! What is there at launch is denied, and what is not there is not: no answer about such a path is proved before. A
//! search adds to what is refused and never to what is allowed, so that every refusal that is proved without it stands.

use crate::{Base, Path};

/// Each directory at most `depth` levels below `root`, `root` itself included, in which something is when the sandbox
/// starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Search {
    /// Where it begins.
    pub root: Path,
    /// How many levels below are searched.
    pub depth: u8,
    /// One component: what must be there.
    pub beside: String,
    /// What is denied, below the directory that holds `beside`.
    pub rest: String,
}

impl Search {
    /// Whether this denies all that `other` does, wherever that is.
    #[must_use]
    pub fn covers(&self, other: &Search) -> bool {
        let levels = |root: &Path| root.rest.split('/').filter(|part| !part.is_empty()).count();
        let reach = |search: &Search| levels(&search.root) + usize::from(search.depth);
        let above = Path { base: Base::Root, rest: self.rest.clone() };
        self.beside == other.beside
            && self.root.covers(&other.root)
            && reach(self) >= reach(other)
            && above.covers(&Path { base: Base::Root, rest: other.rest.clone() })
    }

    /// Whether it denies `path`, should it find something there.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        self.root.remainder(path).is_some_and(|below| self.matches_below(below))
    }

    /// The same of what lies `below` its root.
    pub(crate) fn matches_below(&self, below: &str) -> bool {
        // Most paths have nothing of it, which is quickly seen.
        below.contains(&self.rest) && {
            let parts: Vec<&str> = below.split('/').collect();
            self.levels(&parts).next().is_some()
        }
    }

    /// The levels at which a directory of the path `parts` may have what denies it.
    pub(crate) fn levels(&self, parts: &[&str]) -> impl Iterator<Item = usize> {
        let rest: Vec<&str> = self.rest.split('/').collect();
        let windows = parts.windows(rest.len()).take(usize::from(self.depth) + 1).enumerate();
        windows.filter(move |(_, window)| *window == rest).map(|(level, _)| level)
    }

    /// Whether it may deny `path` for some binding of two different bases: only of what begins with `/` is the whole
    /// path known.
    pub(crate) fn may_match(&self, path: &Path) -> bool {
        if self.root.base == path.base {
            return self.matches(path);
        }
        let anywhere = Search { depth: u8::MAX, ..self.clone() };
        path.base != Base::Root || anywhere.matches_below(&path.rest)
    }
}
