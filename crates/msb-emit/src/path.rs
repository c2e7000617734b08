//! Paths of the policy as paths of the plan, and which of them cover which.

use crate::{EmitError, ir, plan};

/// `path` as the plan writes it; `origin` is the line that names it.
pub(crate) fn lower(path: &ir::Path, origin: ir::OriginId) -> Result<plan::Path<'_>, EmitError> {
    let base = match path.base {
        ir::Base::Root => plan::Base::Root,
        ir::Base::Home => plan::Base::Home,
        ir::Base::Param(index) => plan::Base::Param(parameter(index, origin)?),
    };
    Ok(plan::Path { base, rest: &path.rest })
}

/// The index of a parameter as the plan writes it.
pub(crate) fn parameter(index: usize, origin: ir::OriginId) -> Result<u8, EmitError> {
    u8::try_from(index).map_err(|_| EmitError::TooMany {
        what: "parameters",
        count: index.saturating_add(1),
        max: plan::PARAMS_MAX,
        origin,
    })
}

/// What follows `outer` in `inner`: "" for the same path, `None` where `outer` does not cover `inner`.
///
/// Paths of different bases are not compared: where they lie is known at launch alone.
pub(crate) fn below<'p>(outer: plan::Path<'_>, inner: plan::Path<'p>) -> Option<&'p str> {
    if outer.base != inner.base {
        return None;
    }
    if outer.rest.is_empty() {
        return Some(inner.rest);
    }
    match inner.rest.strip_prefix(outer.rest)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// `path` as a person writes it.
pub(crate) fn show(policy: &ir::Policy, path: plan::Path<'_>) -> String {
    let base = match path.base {
        plan::Base::Root => return format!("/{}", path.rest),
        plan::Base::Home => "~".to_owned(),
        plan::Base::Param(index) => {
            let name = policy.params.get(usize::from(index)).map_or("?", |param| param.name.as_str());
            format!("${name}")
        }
    };
    if path.rest.is_empty() { base } else { format!("{base}/{}", path.rest) }
}
