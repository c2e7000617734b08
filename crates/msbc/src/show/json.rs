//! A plan for programs.

use super::text::{capabilities, missing, param_kind, parameter, path, rights};
use super::{bpf, calls, net};
use msb_plan::{Env, Hold, Limit, Links, MountKind, OriginId, Plan, Presence, ProcScope, Text};
use serde_json::{Value, json};

/// The whole plan as one object, with the keys of the sections.
pub(super) fn plan(plan: &Plan<'_>, with_instructions: bool) -> Value {
    let policy = plan.policy;
    let at = |id| origin(plan, id);
    json!({
        "format": msb_plan::FORMAT,
        "policy": {
            "name": policy.name,
            "edition": policy.edition,
            "sha256": policy.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "origin": at(policy.origin),
        },
        "kernel_min": format!("{}.{}", plan.target.kernel_min.0, plan.target.kernel_min.1),
        "parameters": plan.params.iter().map(|param| json!({
            "name": param.name,
            "kind": param_kind(param.kind),
            "default": param.default,
            "origin": at(param.origin),
        })).collect::<Vec<_>>(),
        "identity": {
            "uid": plan.identity.uid,
            "gid": plan.identity.gid,
            "hostname": plan.identity.hostname,
            "cwd": plan.identity.cwd.map(|(cwd, _)| path(cwd, plan)),
            "tty": if plan.identity.terminal.is_some() { "private" } else { "none" },
            "mdwe": plan.identity.write_execute_denied.is_some(),
            "capabilities": capabilities(plan.identity.capabilities),
            "origin": at(plan.identity.origin),
        },
        "mounts": plan.mounts.iter().map(|mount| {
            let mut object = kind(mount.kind, plan);
            object["target"] = json!(path(mount.target, plan));
            object["optional"] = json!(mount.presence == Presence::Optional);
            object["origin"] = at(mount.origin);
            object
        }).collect::<Vec<_>>(),
        "denied": plan.denies.iter().map(|deny| json!({
            "path": path(deny.path, plan),
            "rights": rights(deny.rights),
            "missing": missing(deny.missing),
            "origin": at(deny.origin),
        })).collect::<Vec<_>>(),
        "searched": plan.searches.iter().map(|search| json!({
            "root": path(search.root, plan),
            "depth": search.depth,
            "beside": search.beside,
            "path": search.rest,
            "rights": rights(search.rights),
            "missing": missing(search.missing),
            "origin": at(search.origin),
        })).collect::<Vec<_>>(),
        "files": plan.files.iter().map(|file| json!({
            "path": path(file.path, plan),
            "content": String::from_utf8_lossy(file.content),
            "origin": at(file.origin),
        })).collect::<Vec<_>>(),
        "network": net::object(plan, at),
        "limits": limits(plan),
        "environment": plan.env.iter().map(|rule| env(rule, plan)).collect::<Vec<_>>(),
        "command": plan.command,
        "filters": plan.filters.iter().map(|filter| filter_object(filter, plan, with_instructions)).collect::<Vec<_>>(),
    })
}

fn origin(plan: &Plan<'_>, id: OriginId) -> Value {
    plan.origins.get(usize::from(id.0)).map_or(
        Value::Null,
        |at| json!({"file": at.file, "line": at.line, "column": at.column, "text": at.text}),
    )
}

fn kind(kind: MountKind<'_>, plan: &Plan<'_>) -> Value {
    match kind {
        MountKind::Bind { source, rights: of, links } => {
            let follows = links == Links::Follow;
            json!({"kind": "bind", "source": path(source, plan), "rights": rights(of), "follows": follows})
        }
        MountKind::Overlay { source, links, size_bytes, inodes, rights: of } => json!({
            "kind": "overlay",
            "source": path(source, plan),
            "size_bytes": size_bytes,
            "inodes": inodes,
            "rights": rights(of),
            "follows": links == Links::Follow,
        }),
        MountKind::Device { source } => json!({"kind": "device", "source": path(source, plan)}),
        MountKind::Socket { source, links } => {
            let follows = links == Links::Follow;
            json!({"kind": "socket", "source": path(source, plan), "follows": follows})
        }
        MountKind::Scratch { size_bytes, inodes, rights: of } => {
            json!({"kind": "scratch", "size_bytes": size_bytes, "inodes": inodes, "rights": rights(of)})
        }
        MountKind::Proc(scope) => {
            json!({"kind": "proc", "all": scope == ProcScope::All, "rights": ["read"]})
        }
        MountKind::Dev { shm_bytes } => json!({"kind": "devices", "shm_bytes": shm_bytes}),
    }
}

fn limits(plan: &Plan<'_>) -> Value {
    fn one<T: Into<u64> + Copy>(limit: Option<Limit<T>>, plan: &Plan<'_>) -> Value {
        limit.map_or(Value::Null, |limit| {
            let value: u64 = limit.value.into();
            json!({"value": value, "origin": origin(plan, limit.origin)})
        })
    }
    let limits = plan.limits;
    json!({
        "hard": limits.hold == Hold::Cgroup,
        "memory_bytes": one(limits.memory_bytes, plan),
        "pids": one(limits.pids, plan),
        "cpu_percent": one(limits.cpu_percent, plan),
        "wall_ms": one(limits.wall_ms, plan),
        "files": one(limits.files, plan),
        "swap_bytes": one(limits.swap_bytes, plan),
        "cpuset": one(limits.cpuset, plan),
        "cpu_time_ms": one(limits.cpu_time_ms, plan),
        "io_bytes_per_s": one(limits.io_bytes_per_s, plan),
        "io_weight": one(limits.io_weight, plan),
        "output_bytes": one(limits.output_bytes, plan),
        "file_bytes": one(limits.file_bytes, plan),
    })
}

fn env(rule: &Env<'_>, plan: &Plan<'_>) -> Value {
    match *rule {
        Env::Pass { name } => json!({"pass": name}),
        Env::PassPrefix { prefix } => json!({"pass_prefix": prefix}),
        Env::Set { name, value: Text::Literal(value) } => json!({"set": name, "value": value}),
        Env::Set { name, value: Text::Param(index) } => {
            json!({"set": name, "parameter": parameter(index, plan)})
        }
    }
}

fn filter_object(filter: &msb_plan::Filter<'_>, plan: &Plan<'_>, with_instructions: bool) -> Value {
    let (tables, unknown) = calls::of(filter);
    let (calls, others) = match tables.as_slice() {
        [(_, own), others @ ..] => (json!(own), others),
        [] => (json!({}), &[][..]),
    };
    let mut object = json!({
        "arch": match filter.arch {
            msb_plan::Arch::X86_64 => "x86_64",
            msb_plan::Arch::Aarch64 => "aarch64",
        },
        "instructions": filter.program.len() / msb_plan::INSTRUCTION_BYTES,
        "calls": calls,
        "numbers_without_a_call": unknown,
        "origin": origin(plan, filter.origin),
    });
    for (arch, calls) in others {
        object["other_abis"][arch.word()] = json!(calls);
    }
    if with_instructions {
        object["program"] = bpf::disassemble(filter.program).lines().map(str::trim).collect();
    }
    object
}
