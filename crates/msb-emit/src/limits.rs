//! Resource limits, with a line for each that a plan cannot hold.

use crate::origins::Origins;
use crate::{EmitError, ir, plan};
use msb_plan::event::LimitKind;

/// The limits of `policy`, every one in the plan's range.
pub(crate) fn check(policy: &ir::Policy) -> Result<ir::Limits, EmitError> {
    for (word, limit) in policy.limits.by_word() {
        let kind = LimitKind::ALL.iter().find(|kind| kind.word() == word);
        let (Some(kind), Some(ir::Limit { value, origin })) = (kind, limit) else { continue };
        let range = plan::limit_range(*kind);
        if !range.contains(&value) {
            let (min, max) = range.into_inner();
            return Err(EmitError::OutOfRange {
                name: kind.word(),
                unit: unit(*kind),
                value,
                min,
                max,
                origin,
            });
        }
    }
    Ok(policy.limits)
}

fn unit(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Memory | LimitKind::Swap | LimitKind::FileSize | LimitKind::Output => "bytes",
        LimitKind::Pids => "processes",
        LimitKind::Cpu => "percent of one CPU",
        LimitKind::Cpuset => "CPUs",
        LimitKind::Wall | LimitKind::CpuTime => "milliseconds",
        LimitKind::Files => "files",
        LimitKind::Io => "bytes a second",
        LimitKind::IoWeight => "parts",
    }
}

/// The lines that set them.
pub(crate) fn origins(limits: &ir::Limits) -> impl Iterator<Item = ir::OriginId> + use<> {
    limits.by_word().into_iter().filter_map(|(_, limit)| Some(limit?.origin))
}

/// The same in the plan's types.
pub(crate) fn emit(limits: &ir::Limits, origins: &Origins<'_>) -> plan::Limits {
    plan::Limits {
        hold: if limits.hard { plan::Hold::Cgroup } else { plan::Hold::Best },
        memory_bytes: one(limits.memory_bytes, origins),
        swap_bytes: one(limits.swap_bytes, origins),
        pids: one(limits.pids, origins),
        cpu_percent: one(limits.cpu_percent, origins),
        wall_ms: one(limits.wall_ms, origins),
        files: one(limits.files, origins),
        cpuset: one(limits.cpuset, origins),
        cpu_time_ms: one(limits.cpu_time_ms, origins),
        io_bytes_per_s: one(limits.io_bytes_per_s, origins),
        io_weight: one(limits.io_weight, origins),
        output_bytes: one(limits.output_bytes, origins),
        file_bytes: one(limits.file_bytes, origins),
    }
}

fn one<T>(limit: Option<ir::Limit<T>>, origins: &Origins<'_>) -> Option<plan::Limit<T>> {
    limit.map(|limit| plan::Limit { value: limit.value, origin: origins.id(limit.origin) })
}
