//! Names, includes and the standard profiles: from one file's tree to one policy's statements.
//!
//! [`resolve`] picks a policy, looks up every name that it uses, and puts the statements of each profile
//! that it includes after its own, with the profile's parameters replaced by the arguments. What is left
//! speaks of the policy's own parameters alone, so no later pass knows what a profile is. Rules lose
//! nothing by that: they are a union, and each keeps the span of the line that a person can go and read.

mod args;
mod expand;
mod nearest;
mod scope;
mod standard;
mod tested;
mod types;
mod unused;
mod walk;

pub use expand::{Layer, LayerId, Placed, Resolved};
pub use nearest::nearest;
pub use standard::{STANDARD, StandardFile};
pub use tested::Test;
pub use types::{ParamType, describe};

use msb_diag::{Diagnostic, Sources};
use msb_syntax::ast;

/// Resolves the policy called `policy`, or the only one of `file`.
///
/// Standard profiles that are included are added to `sources`, so that a diagnostic or an origin can point
/// into them. The policy is `None` where there is none to choose; findings about names that do not exist
/// leave it there, without the statements that could not be understood.
#[must_use]
pub fn resolve(
    file: &ast::File,
    policy: Option<&str>,
    sources: &mut Sources,
) -> (Option<Resolved>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    scope::imports(file, &mut found);
    scope::duplicates(file, &mut found);
    unused::unused(file, &mut found);
    let resolved =
        scope::choose(file, policy, &mut found).map(|block| expand::expand(file, block, sources, &mut found));
    (resolved, found)
}

#[cfg(test)]
mod tests;
