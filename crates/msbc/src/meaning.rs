//! What a file means, be it a policy or a plan.

use crate::cli::Policy as PolicyFile;
use crate::input::{self, Disk};
use crate::output::Output;
use crate::{Exit, show};
use msb_compile::{Checked, Options};
use msb_plan::{CheckedPlan, MAGIC, PLAN_BYTES_MAX};
use msb_policy::Policy;
use std::path::Path;

/// Where a meaning comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// A text.
    Policy,
    /// A plan, which does not say which line each call and variable comes from.
    Plan,
}

/// The policy in `file`, or the one that a plan was made of; what is wrong is said.
pub(crate) fn read(file: &PolicyFile, output: &mut Output) -> Result<(Policy, From), Exit> {
    let path = file.file.display();
    let bytes = bytes(&file.file, output)?;
    if bytes.starts_with(&MAGIC) {
        let plan = decode(&bytes, &file.file, output)?;
        return msb_decompile::policy(plan.plan()).map(|policy| (policy, From::Plan)).ok_or_else(|| {
            output.message(&format!("the filter of `{path}` was not made by this compiler; ask its policy"));
            Exit::Wrong
        });
    }
    let Some(name) = file.file.to_str() else {
        output.message(&format!("the path `{path}` is not UTF-8: rename the file"));
        return Err(Exit::Usage);
    };
    let options = Options { policy: file.name.clone(), ..Options::default() };
    let Checked { policy, diagnostics, sources, .. } = msb_compile::check(&Disk, name, &options);
    policy.map(|policy| (policy, From::Policy)).ok_or_else(|| {
        output.findings(&diagnostics, &sources);
        Exit::Wrong
    })
}

/// The bytes of a plan, or of a policy, which are fewer.
pub(crate) fn bytes(path: &Path, output: &mut Output) -> Result<Vec<u8>, Exit> {
    let bytes_max = u64::try_from(PLAN_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    input::read(path, bytes_max).map_err(|reason| {
        output.message(&format!("cannot read `{}`: {reason}", path.display()));
        Exit::Wrong
    })
}

/// The plan in `bytes`; what is wrong with it is said.
pub(crate) fn decode<'a>(bytes: &'a [u8], path: &Path, output: &mut Output) -> Result<CheckedPlan<'a>, Exit> {
    msb_plan::decode(msb_plan::signed::split(bytes).0).map_err(|error| {
        let path = path.display();
        output.message(&format!("`{path}` is not a plan that can be applied: {}", show::words(error)));
        Exit::Wrong
    })
}
