//! Names, includes and the standard profiles: from one file's tree to one policy's statements.
//!
//! [`resolve`] picks a policy, looks up every name that it uses, and puts the statements of each profile
//! that it includes after its own, with the profile's parameters replaced by the arguments. What is left
//! speaks of the policy's own parameters alone, so no later pass knows what a profile is. Rules lose
//! nothing by that: they are a union, and each keeps the span of the line that a person can go and read.

mod args;
mod expand;
mod modules;
mod nearest;
mod scope;
mod standard;
mod tested;
mod types;
mod unused;
mod walk;

pub use expand::{Layer, LayerId, Parent, Placed, Resolved};
pub use modules::Load;
pub use nearest::nearest;
pub use standard::{STANDARD, StandardFile};
pub use tested::{Test, unknown_in};
pub use types::{ParamType, describe};

use modules::Modules;
use msb_diag::{Diagnostic, FileId, Sources};
use msb_syntax::ast;

/// Resolves the policy called `policy`, or the only one of `file`, which is the first of `sources`.
///
/// Files that are imported are read through `load` and added to `sources`, and so are standard profiles, so that a
/// diagnostic or an origin can point into them. The policy is `None` where there is none to choose; findings about
/// names that do not exist leave it there, without the statements that could not be understood.
#[must_use]
pub fn resolve(
    file: &ast::File,
    policy: Option<&str>,
    sources: &mut Sources,
    load: &dyn Load,
) -> (Option<Resolved>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    scope::imports(file, &mut found);
    scope::duplicates(file, &mut found);
    unused::unused(file, &mut found);
    let Some(block) = scope::choose(file, policy, &mut found) else { return (None, found) };
    let modules = Modules::load(file, sources, load, &mut found);
    let resolved = expand::expand(&modules, block, sources, &mut found);
    (Some(resolved), found)
}

/// Resolves `file`, which is file `id` of `sources`, as the ceiling of `policy`: its only policy, or the one
/// called `name`, in terms of the parameters of `policy` that have the same names.
#[must_use]
pub fn ceiling(
    file: &ast::File,
    id: FileId,
    name: Option<&str>,
    policy: &Resolved,
    sources: &mut Sources,
    load: &dyn Load,
) -> (Option<Parent>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    scope::imports(file, &mut found);
    scope::duplicates(file, &mut found);
    let Some(block) = scope::choose(file, name, &mut found) else { return (None, found) };
    let modules = Modules::load_from(file, id, sources, load, &mut found);
    let parent = expand::ceiling(&modules, block, &policy.block, sources, &mut found);
    (parent, found)
}

#[cfg(test)]
mod tests;
