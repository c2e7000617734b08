//! Paths by component: what covers what, and what may once parameters are bound.

use crate::{Base, Origin, OriginId, Path, Policy, Rights, Search};

impl Path {
    /// Whether `path` is this one or below it, whatever the bases are bound to.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        self.remainder(path).is_some()
    }

    /// What of `path` is below this one, without a leading `/`; `None` if it is not there.
    #[must_use]
    pub fn remainder<'p>(&self, path: &'p Path) -> Option<&'p str> {
        if self.base != path.base {
            return None;
        }
        if self.rest.is_empty() {
            return Some(&path.rest);
        }
        let rest = path.rest.strip_prefix(self.rest.as_str())?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// What follows the base in this path and in each that covers it, the path itself first and the base last.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        let mut next = Some(self.rest.as_str());
        std::iter::from_fn(move || {
            let path = next?;
            next = path.rfind('/').and_then(|at| path.get(..at)).or((!path.is_empty()).then_some(""));
            Some(path)
        })
    }

    /// The path `rest` below this one; `rest` is as [`Path::remainder`] gives it.
    #[must_use]
    pub fn join(&self, rest: &str) -> Path {
        let joined = match (self.rest.as_str(), rest) {
            (own, "") => own.to_owned(),
            ("", rest) => rest.to_owned(),
            (own, rest) => format!("{own}/{rest}"),
        };
        Path { base: self.base, rest: joined }
    }

    /// How many components follow the base.
    pub(crate) fn depth(&self) -> usize {
        components(&self.rest).count()
    }

    /// Whether some binding of two different bases puts this path at one of the ancestors of `path` that are at
    /// least `depth` components below its base, or at `path` itself.
    ///
    /// The bases are unknown, except that `/` is the root: so the last components of both must agree, as many
    /// as neither side can hide in its base.
    pub(crate) fn may_cover(&self, path: &Path, depth: usize) -> bool {
        if self.base == Base::Root && self.rest.is_empty() {
            return depth == 0;
        }
        let own: Vec<&str> = components(&self.rest).collect();
        let other: Vec<&str> = components(&path.rest).collect();
        (depth..=other.len()).any(|end| {
            let ancestor = other.get(..end).unwrap_or(&[]);
            let hidden = match (self.base, path.base) {
                // What is longer has the rest of the shorter in its base, and `/` has nothing in it.
                (Base::Root, _) => own.len() >= ancestor.len(),
                (_, Base::Root) => ancestor.len() >= own.len(),
                _ => true,
            };
            hidden && own.iter().rev().zip(ancestor.iter().rev()).all(|(a, b)| a == b)
        })
    }
}

impl Policy {
    /// `path` as a person writes it.
    #[must_use]
    pub fn shown(&self, path: &Path) -> String {
        let base = match path.base {
            Base::Root => String::new(),
            Base::Home => "~".to_owned(),
            Base::Param(index) => {
                self.params.get(index).map_or_else(|| "$?".to_owned(), |param| format!("${}", param.name))
            }
        };
        if path.rest.is_empty() && path.base != Base::Root { base } else { format!("{base}/{}", path.rest) }
    }

    /// What a search denies, as a person writes it: `$root/**/.git/hooks`.
    #[must_use]
    pub fn shown_search(&self, search: &Search) -> String {
        self.shown(&search.root.join(&format!("**/{}", search.rest)))
    }

    /// The line that an origin stands for.
    #[must_use]
    pub fn origin(&self, origin: OriginId) -> Option<&Origin> {
        self.origins.get(usize::try_from(origin.0).ok()?)
    }
}

fn components(rest: &str) -> impl Iterator<Item = &str> {
    rest.split('/').filter(|component| !component.is_empty())
}

impl Rights {
    /// What both have together.
    #[must_use]
    pub fn union(self, other: Rights) -> Rights {
        Rights { read: self.read || other.read, write: self.write || other.write, run: self.run || other.run }
    }
}
