//! A plan's mounts, limits, variables and identity as rules of a policy.

use crate::filter::{self, Outcome};
use crate::{claims, net};
use msb_plan::{MountKind, Plan};
use msb_policy as ir;
use msb_policy::Policy;

/// The policy that `plan` was made of, as far as a plan tells: calls and variables have the line of the policy for
/// their own. `None` if its filter asks somebody, or tests what no rule can say.
#[must_use]
pub fn policy(plan: &Plan<'_>) -> Option<Policy> {
    let origin = |id: msb_plan::OriginId| ir::OriginId(u32::from(id.0));
    let filter = plan.filters.first()?;
    let mut archs: Vec<ir::Arch> = plan.filters.iter().flat_map(filter::archs).collect();
    archs.sort_unstable();
    let identity = &plan.identity;
    Some(Policy {
        name: plan.policy.name.to_owned(),
        edition: plan.policy.edition,
        origin: origin(plan.policy.origin),
        params: plan.params.iter().map(|param| self::param(param, origin(param.origin))).collect(),
        fs: files(plan, origin),
        net: net::net(plan, origin)?,
        syscalls: calls(&filter::outcomes(plan)?, origin(filter.origin)),
        syscall_default: (ir::SyscallAction::Errno(1), origin(filter.origin)),
        archs,
        limits: limits(plan, origin),
        capabilities: (identity.capabilities, origin(identity.origin)),
        env: plan.env.iter().map(|rule| env(rule, origin(plan.policy.origin))).collect(),
        exec: ir::Exec {
            command: plan.command.iter().map(|word| (*word).to_owned()).collect(),
            uid: identity.uid,
            gid: identity.gid,
            cwd: identity.cwd.map(|(cwd, at)| (path(cwd), origin(at))),
            hostname: identity.hostname.to_owned(),
            terminal: identity.terminal.map(origin),
            origin: origin(identity.origin),
        },
        tools: Vec::new(),
        sandbox: ir::Sandbox {
            landlock_abi_min: (plan.target.landlock_abi_min > 0).then(|| ir::Limit {
                value: u32::from(plan.target.landlock_abi_min),
                origin: origin(plan.target.origin),
            }),
            tier_landlock: (plan.target.tier_min == msb_plan::Tier::Landlock)
                .then(|| origin(plan.target.origin)),
            mdwe: identity.write_execute_denied.map(origin),
        },
        claims: claims::claims(plan, origin)?,
        origins: plan
            .origins
            .iter()
            .map(|it| ir::Origin {
                file: it.file.to_owned(),
                line: it.line,
                column: it.column,
                text: it.text.to_owned(),
            })
            .collect(),
    })
}

fn param(param: &msb_plan::Param<'_>, origin: ir::OriginId) -> ir::Param {
    ir::Param {
        name: param.name.to_owned(),
        kind: match param.kind {
            msb_plan::ParamKind::Dir => ir::ParamKind::Dir,
            msb_plan::ParamKind::File => ir::ParamKind::File,
            msb_plan::ParamKind::Text => ir::ParamKind::Text,
            msb_plan::ParamKind::Host => ir::ParamKind::Host,
            msb_plan::ParamKind::Secret => ir::ParamKind::Secret,
        },
        default: param.default.map(str::to_owned),
        origin,
    }
}

pub(crate) fn path(path: msb_plan::Path<'_>) -> ir::Path {
    let base = match path.base {
        msb_plan::Base::Root => ir::Base::Root,
        msb_plan::Base::Home => ir::Base::Home,
        msb_plan::Base::Param(index) => ir::Base::Param(usize::from(index)),
    };
    ir::Path { base, rest: path.rest.to_owned() }
}

fn rights(rights: msb_plan::Rights) -> ir::Rights {
    use msb_plan::Rights as R;
    ir::Rights {
        read: rights.contains(R::READ),
        write: rights.contains(R::WRITE),
        run: rights.contains(R::RUN),
    }
}

fn links(links: msb_plan::Links) -> ir::Links {
    match links {
        msb_plan::Links::Follow => ir::Links::Follow,
        msb_plan::Links::Refuse => ir::Links::Refuse,
    }
}

fn files(plan: &Plan<'_>, origin: impl Fn(msb_plan::OriginId) -> ir::OriginId) -> Vec<ir::FsRule> {
    let mounts = plan.mounts.iter().map(|mount| {
        let target = path(mount.target);
        let optional = mount.presence == msb_plan::Presence::Optional;
        let kind = match mount.kind {
            MountKind::Bind { source, rights: granted, links: how } => ir::FsKind::Grant {
                source: path(source),
                target,
                rights: rights(granted),
                optional,
                links: links(how),
            },
            MountKind::Overlay { source, links: how, size_bytes, inodes, rights } => ir::FsKind::Overlay {
                source: path(source),
                target,
                size_bytes,
                inodes,
                run: rights.contains(msb_plan::Rights::RUN),
                optional,
                links: links(how),
            },
            MountKind::Device { .. } => ir::FsKind::Device { path: target, optional },
            MountKind::Socket { source, links: how } => {
                ir::FsKind::Socket { source: path(source), target, optional, links: links(how) }
            }
            MountKind::Scratch { size_bytes, inodes, .. } => {
                ir::FsKind::Scratch { target, size_bytes, inodes }
            }
            MountKind::Proc(msb_plan::ProcScope::Processes) => ir::FsKind::ProcSelf,
            MountKind::Proc(msb_plan::ProcScope::All) => ir::FsKind::ProcAll,
            MountKind::Dev { .. } => ir::FsKind::StdDevices,
        };
        ir::FsRule { kind, origin: origin(mount.origin) }
    });
    let denies = plan.denies.iter().map(|deny| {
        let missing = missing(deny.missing);
        let kind = ir::FsKind::Deny { path: path(deny.path), rights: rights(deny.rights), missing };
        ir::FsRule { kind, origin: origin(deny.origin) }
    });
    let searches = plan.searches.iter().map(|search| {
        let msb_plan::Search { root, depth, beside, rest, .. } = *search;
        let found = ir::Search { root: path(root), depth, beside: beside.to_owned(), rest: rest.to_owned() };
        let (rights, missing) = (rights(search.rights), missing(search.missing));
        let kind = ir::FsKind::DenyFound { search: found, rights, missing };
        ir::FsRule { kind, origin: origin(search.origin) }
    });
    mounts.chain(denies).chain(searches).collect()
}

fn missing(missing: msb_plan::Missing) -> ir::Missing {
    match missing {
        msb_plan::Missing::MaskFile | msb_plan::Missing::MaskDot => ir::Missing::Mask { directory: false },
        msb_plan::Missing::MaskDir => ir::Missing::Mask { directory: true },
        msb_plan::Missing::Fail => ir::Missing::Fail,
        msb_plan::Missing::Skip => ir::Missing::Skip,
    }
}

fn limits(plan: &Plan<'_>, origin: impl Fn(msb_plan::OriginId) -> ir::OriginId) -> ir::Limits {
    fn one<T: Copy>(
        limit: Option<msb_plan::Limit<T>>,
        origin: impl Fn(msb_plan::OriginId) -> ir::OriginId,
    ) -> Option<ir::Limit<T>> {
        limit.map(|limit| ir::Limit { value: limit.value, origin: origin(limit.origin) })
    }
    let limits = plan.limits;
    ir::Limits {
        hard: limits.hold == msb_plan::Hold::Cgroup,
        memory_bytes: one(limits.memory_bytes, &origin),
        pids: one(limits.pids, &origin),
        cpu_percent: one(limits.cpu_percent, &origin),
        wall_ms: one(limits.wall_ms, &origin),
        files: one(limits.files, &origin),
        swap_bytes: one(limits.swap_bytes, &origin),
        cpuset: one(limits.cpuset, &origin),
        cpu_time_ms: one(limits.cpu_time_ms, &origin),
        io_bytes_per_s: one(limits.io_bytes_per_s, &origin),
        io_weight: one(limits.io_weight, &origin),
        output_bytes: one(limits.output_bytes, &origin),
        file_bytes: one(limits.file_bytes, &origin),
    }
}

fn env(rule: &msb_plan::Env<'_>, origin: ir::OriginId) -> ir::EnvRule {
    let kind = match *rule {
        msb_plan::Env::Pass { name } => ir::EnvKind::Pass { name: name.to_owned(), prefix: false },
        msb_plan::Env::PassPrefix { prefix } => ir::EnvKind::Pass { name: prefix.to_owned(), prefix: true },
        msb_plan::Env::Set { name, value } => ir::EnvKind::Set {
            name: name.to_owned(),
            value: match value {
                msb_plan::Text::Literal(text) => ir::Text::Literal(text.to_owned()),
                msb_plan::Text::Param(index) => ir::Text::Param(usize::from(index)),
            },
        },
    };
    ir::EnvRule { kind, origin }
}

/// A rule for each call and each of its actions.
fn calls(outcomes: &[Outcome], origin: ir::OriginId) -> Vec<ir::SyscallRule> {
    let mut rules = Vec::new();
    for Outcome { arch, nr, actions } in outcomes {
        for (action, ways) in actions {
            let any = || ir::Pred::Any(ways.iter().cloned().map(ir::Pred::All).collect());
            let predicate = if actions.len() == 1 { ir::Pred::True } else { any() };
            rules.push(ir::SyscallRule {
                arch: *arch,
                nr: *nr,
                action: *action,
                predicate,
                origin,
                implied: false,
            });
        }
    }
    rules
}
