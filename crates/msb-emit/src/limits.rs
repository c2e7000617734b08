//! Resource limits, with a line for each that a plan cannot hold.

use crate::origins::Origins;
use crate::{EmitError, ir, plan};

/// The limits of `policy`, every one in the plan's range.
pub(crate) fn check(policy: &ir::Policy) -> Result<ir::Limits, EmitError> {
    let limits = policy.limits;
    within("memory", "bytes", limits.memory_bytes, plan::MEMORY_BYTES_MIN, plan::MEMORY_BYTES_MAX)?;
    within("pids", "processes", limits.pids, 1, plan::PIDS_MAX.into())?;
    within("cpu", "percent of one CPU", limits.cpu_percent, 1, plan::CPU_PERCENT_MAX.into())?;
    within("wall", "milliseconds", limits.wall_ms, 1, plan::WALL_MS_MAX)?;
    within("files", "files", limits.files, plan::OPEN_FILES_MIN.into(), plan::OPEN_FILES_MAX.into())?;
    Ok(limits)
}

fn within<T: Into<u64> + Copy>(
    name: &'static str,
    unit: &'static str,
    limit: Option<ir::Limit<T>>,
    min: u64,
    max: u64,
) -> Result<(), EmitError> {
    match limit.map(|limit| (limit.value.into(), limit.origin)) {
        Some((value, origin)) if !(min..=max).contains(&value) => {
            Err(EmitError::OutOfRange { name, unit, value, min, max, origin })
        }
        _ => Ok(()),
    }
}

/// The lines that set them.
pub(crate) fn origins(limits: &ir::Limits) -> impl Iterator<Item = ir::OriginId> + use<> {
    [
        limits.memory_bytes.map(|limit| limit.origin),
        limits.pids.map(|limit| limit.origin),
        limits.cpu_percent.map(|limit| limit.origin),
        limits.wall_ms.map(|limit| limit.origin),
        limits.files.map(|limit| limit.origin),
    ]
    .into_iter()
    .flatten()
}

/// The same in the plan's types.
pub(crate) fn emit(limits: &ir::Limits, origins: &Origins<'_>) -> plan::Limits {
    plan::Limits {
        hold: if limits.hard { plan::Hold::Cgroup } else { plan::Hold::Best },
        memory_bytes: one(limits.memory_bytes, origins),
        pids: one(limits.pids, origins),
        cpu_percent: one(limits.cpu_percent, origins),
        wall_ms: one(limits.wall_ms, origins),
        files: one(limits.files, origins),
    }
}

fn one<T>(limit: Option<ir::Limit<T>>, origins: &Origins<'_>) -> Option<plan::Limit<T>> {
    limit.map(|limit| plan::Limit { value: limit.value, origin: origins.id(limit.origin) })
}
