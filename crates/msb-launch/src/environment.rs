//! The command's environment: what the plan names, in its order, and nothing else.

use crate::bind::Bindings;
use crate::fail::{At, Result, refusal};
use crate::path::c_string;
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::event::Step;
use msb_plan::{Env, Plan, Text};

/// Builds it from the launcher's own. A variable that is set is not passed as well.
pub(crate) fn build<'a>(plan: &Plan<'_>, bindings: &Bindings<'_>, own: &[&'a CStr]) -> Result<Vec<&'a CStr>> {
    let mut built: Vec<&CStr> = Vec::new();
    for rule in &plan.env {
        if let Env::Set { name, value } = *rule {
            let value = match value {
                Text::Literal(text) => text.as_bytes(),
                Text::Param(index) => bindings.text(index).ok_or_else(|| refusal(Step::Environment, None))?,
            };
            built.push(c_string(&[name.as_bytes(), b"=", value]).at(Step::Environment, None)?);
        }
    }
    for entry in own {
        let bytes = entry.to_bytes();
        let Some(equals) = bytes.iter().position(|b| *b == b'=') else { continue };
        let (name, with_equals) = bytes.split_at(equals);
        let set = || {
            built.iter().any(|entry| {
                entry.to_bytes().starts_with(name) && entry.to_bytes().get(equals) == with_equals.first()
            })
        };
        if plan.env.iter().any(|rule| passes(rule, name)) && !set() {
            built.push(entry);
        }
    }
    Ok(built)
}

fn passes(rule: &Env<'_>, variable: &[u8]) -> bool {
    match rule {
        Env::Pass { name } => name.as_bytes() == variable,
        Env::PassPrefix { prefix } => variable.starts_with(prefix.as_bytes()),
        Env::Set { .. } => false,
    }
}
