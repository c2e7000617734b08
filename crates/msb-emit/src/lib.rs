//! Canonical policy to plan: mounts, denies, generated files, limits, environment and filters.
//!
//! [`emit`] only restates what the policy says in the launcher's terms. Rules that say the same are
//! merged and every list is sorted by content, so that the bytes depend on what the policy means and on
//! where its lines stand, not on the order in which the compiler came across them. What a plan cannot
//! hold is an [`EmitError`], never left out.

mod claims;
mod env;
mod error;
mod files;
mod limits;
mod mounts;
mod net;
mod origins;
mod path;

pub use error::EmitError;

use msb_plan as plan;
use msb_policy as ir;
use origins::Origins;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What to emit besides the policy itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether denied calls are to be answered, and reported, by a listener.
    pub trace: bool,
}

/// A pass of [`emit_observed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Mounts, files, limits and environment.
    Sections,
    /// The system call filter.
    Filter,
    /// The proof that the filter says what the policy says.
    Proof,
    /// The bytes.
    Encode,
}

/// Least kernel that the launcher runs on: mount_setattr(2) and open_tree(2) with `MOUNT_ATTR_IDMAP`'s
/// structure came with 5.12, after openat2 (5.6), `subset=pid` of procfs (5.8) and close_range (5.9).
/// A listener (seccomp_unotify(2), 5.0; its `SECCOMP_USER_NOTIF_FLAG_CONTINUE`, 5.5) asks for no more.
const KERNEL_MIN: (u16, u16) = (5, 12);

/// The plan of `policy`, as [`msb_plan::encode`] writes it. The same policy gives the same bytes.
///
/// # Errors
/// When the policy asks for something that a plan cannot hold: the error names its lines.
pub fn emit(policy: &ir::Policy, options: Options) -> Result<Vec<u8>, EmitError> {
    emit_observed(policy, options, &mut |_| ())
}

/// The same, and tells `done` after each pass.
///
/// # Errors
/// As [`emit`].
pub fn emit_observed(
    policy: &ir::Policy,
    options: Options,
    done: &mut dyn FnMut(Pass),
) -> Result<Vec<u8>, EmitError> {
    enforced(policy)?;
    let order = origins::Order::of(policy);
    let mounts = mounts::table(policy, &order)?;
    let denies = mounts::denies(policy, &order)?;
    let searches = mounts::searches(policy, &order)?;
    let net = net::Net::of(policy, &order, &mounts)?;
    let files = files::generate(policy, net.as_ref(), &mounts)?;
    let variables = env::rules(policy, net.as_ref(), &order)?;
    let limits = limits::check(policy)?;
    done(Pass::Sections);
    let mut filter_done = |pass| {
        done(match pass {
            msb_seccomp::Pass::Program => Pass::Filter,
            msb_seccomp::Pass::Proof => Pass::Proof,
        });
    };
    let filter_options = msb_seccomp::Options { trace: options.trace };
    let mut programs = Vec::new();
    for machine in policy.machines() {
        let part = policy.for_machine(machine);
        let program = msb_seccomp::compile_observed(&part, filter_options, &mut filter_done)
            .map_err(|cause| EmitError::filter(&cause, policy.syscall_default.1))?;
        let kills = filter_kills(&part, &order);
        programs.push((machine, program.bytes(), program.asks(), kills));
    }

    let none = ir::Limit { value: 0, origin: policy.sandbox.tier_landlock.unwrap_or(policy.origin) };
    let landlock = policy.sandbox.landlock_abi_min.unwrap_or(none);
    let mut used = vec![
        landlock.origin,
        policy.origin,
        policy.exec.origin,
        policy.capabilities.1,
        policy.syscall_default.1,
    ];
    used.extend(policy.params.iter().map(|param| param.origin));
    used.extend([policy.exec.terminal, policy.sandbox.mdwe].into_iter().flatten());
    used.extend(policy.exec.cwd.iter().map(|(_, origin)| *origin));
    used.extend(mounts.iter().map(|mount| mount.origin));
    used.extend(denies.iter().map(|deny| deny.origin));
    used.extend(searches.iter().map(|search| search.origin));
    used.extend(limits::origins(&limits));
    used.extend(programs.iter().flat_map(|(_, _, _, kills)| kills.values()));
    used.extend(net.iter().flat_map(net::Net::origins));
    used.extend(policy.claims.iter().map(|claim| claim.origin));
    let origins = Origins::of(policy, &order, &used)?;

    let entry = |(nr, origin): (&u32, &ir::OriginId)| {
        let [a, b, c, d] = nr.to_le_bytes();
        let [e, f] = origins.id(*origin).0.to_le_bytes();
        [a, b, c, d, e, f]
    };
    let programs: Vec<_> = programs
        .into_iter()
        .map(|(machine, program, asks, kills)| {
            (machine, program, asks, kills.iter().flat_map(entry).collect::<Vec<u8>>())
        })
        .collect();
    let sha256 = sha256(&policy.canonical_bytes());
    let emitted = plan::Plan {
        target: plan::Target {
            kernel_min: KERNEL_MIN,
            landlock_abi_min: u8::try_from(landlock.value).unwrap_or(u8::MAX),
            tier_min: match policy.sandbox.tier_landlock {
                Some(_) => plan::Tier::Landlock,
                None => plan::Tier::Full,
            },
            origin: origins.id(landlock.origin),
        },
        policy: plan::PolicyId {
            name: &policy.name,
            edition: policy.edition,
            sha256,
            origin: origins.id(policy.origin),
        },
        params: policy.params.iter().map(|param| parameter(param, &origins)).collect(),
        identity: identity(policy, &origins)?,
        mounts: mounts.iter().map(|mount| mount.emit(&origins)).collect(),
        denies: denies.iter().map(|deny| deny.emit(&origins)).collect(),
        searches: searches.iter().map(|search| search.emit(&origins)).collect(),
        claims: claims::paths(policy, &origins)?,
        files: files.iter().map(|file| file.emit(origins.id(policy.exec.origin))).collect(),
        network: net.as_ref().map_or(Ok(network(policy)), |net| net.emit(policy, &origins))?,
        limits: limits::emit(&limits, &origins),
        filters: programs
            .iter()
            .map(|(machine, program, asks, kills)| plan::Filter {
                arch: match machine {
                    ir::Machine::X86_64 => plan::Arch::X86_64,
                    ir::Machine::Aarch64 => plan::Arch::Aarch64,
                },
                listener: match (options.trace, asks) {
                    (true, _) => plan::Listener::Required,
                    (false, true) => plan::Listener::Optional,
                    (false, false) => plan::Listener::None,
                },
                program,
                kills,
                origin: origins.id(policy.syscall_default.1),
            })
            .collect(),
        env: variables,
        command: policy.exec.command.iter().map(String::as_str).collect(),
        origins: origins.list(),
    };
    error::count(policy, &emitted)?;
    let bytes = plan::encode(&emitted).map_err(|cause| EmitError::refused(cause, policy.origin))?;
    done(Pass::Encode);
    Ok(bytes)
}

/// Refuses what a plan has no section for.
fn enforced(policy: &ir::Policy) -> Result<(), EmitError> {
    let mut what: Vec<(&'static str, ir::OriginId)> = Vec::new();
    what.extend(policy.tools.first().map(|tool| ("tools", tool.origin)));
    let call = policy.claims.iter().find(|claim| matches!(claim.asked, ir::OpenAsked::Call(_)));
    what.extend(
        call.map(|claim| ("assertions about tools and requests that depend on parameters", claim.origin)),
    );
    let open = |kind| policy.params.iter().find(|param| param.kind == kind).map(|param| param.origin);
    what.extend(open(ir::ParamKind::Number).map(|origin| ("numbers that launch gives", origin)));
    if what.is_empty() { Ok(()) } else { Err(EmitError::NotEnforced { what }) }
}

/// `policy` without what a plan has no section for, to see whether the rest of it makes one.
#[must_use]
pub fn enforceable(policy: &ir::Policy) -> ir::Policy {
    let mut policy = policy.clone();
    policy.tools.clear();
    policy.claims.retain(|claim| !matches!(claim.asked, ir::OpenAsked::Call(_)));
    for param in policy.params.iter_mut().filter(|param| param.kind == ir::ParamKind::Number) {
        param.kind = ir::ParamKind::Text;
    }
    policy
}

/// The calls that some rule kills for, and the first line that says so.
fn filter_kills(policy: &ir::Policy, order: &origins::Order) -> BTreeMap<u32, ir::OriginId> {
    let mut kills = BTreeMap::new();
    // Numbers of i386 are other calls: a death by one of them has the policy's line.
    let own = |rule: &&ir::SyscallRule| rule.arch != ir::Arch::I386;
    for rule in policy.syscalls.iter().filter(own).filter(|rule| rule.action == ir::SyscallAction::Kill) {
        kills
            .entry(rule.nr)
            .and_modify(|origin| *origin = order.first(*origin, rule.origin))
            .or_insert(rule.origin);
    }
    kills
}

fn parameter<'p>(param: &'p ir::Param, origins: &Origins<'p>) -> plan::Param<'p> {
    plan::Param {
        name: &param.name,
        kind: match param.kind {
            ir::ParamKind::Dir => plan::ParamKind::Dir,
            ir::ParamKind::File => plan::ParamKind::File,
            ir::ParamKind::Host => plan::ParamKind::Host,
            ir::ParamKind::Secret => plan::ParamKind::Secret,
            // Numbers were refused before: see `enforced`.
            ir::ParamKind::Text | ir::ParamKind::Number => plan::ParamKind::Text,
        },
        default: param.default.as_deref(),
        origin: origins.id(param.origin),
    }
}

fn identity<'p>(policy: &'p ir::Policy, origins: &Origins<'p>) -> Result<plan::Identity<'p>, EmitError> {
    let cwd = match &policy.exec.cwd {
        Some((path, origin)) => Some((path::lower(path, *origin)?, origins.id(*origin))),
        None => None,
    };
    let (capabilities, origin) = policy.capabilities;
    Ok(plan::Identity {
        uid: policy.exec.uid,
        gid: policy.exec.gid,
        hostname: &policy.exec.hostname,
        cwd,
        capabilities,
        keyring: if KEY_CALLS.iter().any(|call| may_call(policy, call)) {
            plan::Keyring::New
        } else {
            plan::Keyring::Unreachable
        },
        terminal: policy.exec.terminal.map(|origin| origins.id(origin)),
        write_execute_denied: policy.sandbox.mdwe.map(|origin| origins.id(origin)),
        mount_table: if NAMESPACE_CALLS.iter().any(|call| may_call(policy, call)) {
            plan::MountTable::Shown
        } else {
            plan::MountTable::Hidden
        },
        origin: origins.id(origin),
    })
}

/// The calls that name keys; keyrings(7).
const KEY_CALLS: [&str; 3] = ["add_key", "keyctl", "request_key"];

/// The calls that make namespaces or mounts, clone and clone3 apart: those never do (`msb-check`, implied rules).
const NAMESPACE_CALLS: [&str; 9] = [
    "chroot",
    "fsmount",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "pivot_root",
    "setns",
    "unshare",
];

/// Whether some arguments let a call of this name through.
fn may_call(policy: &ir::Policy, name: &str) -> bool {
    policy.archs.iter().any(|arch| {
        let Some(call) = msb_syscalls::find(*arch, name) else { return false };
        policy.syscall_default.0.may_make()
            || policy.rules_of(*arch, call.nr).any(|rule| rule.action.may_make())
    })
}

/// Loopback where there are rules, unless no program inside could make a socket for it.
fn network(policy: &ir::Policy) -> plan::network::Network<'static> {
    if let ir::Net::None { .. } = policy.net {
        return plan::network::Network::None;
    }
    const FAMILIES: [u64; 2] = [2, 10]; // AF_INET and AF_INET6 of linux/socket.h
    const TYPES: [u64; 2] = [1, 2]; // SOCK_STREAM and SOCK_DGRAM of linux/net.h
    let makes = |family: u64, of: u64| {
        let args = [family, of, 0, 0, 0, 0];
        policy.archs.iter().any(|arch| {
            let socket = msb_syscalls::find(*arch, "socket").map(|call| call.nr);
            socket.is_some_and(|nr| policy.call(*arch, nr, args).action.may_make())
        })
    };
    if FAMILIES.iter().any(|family| TYPES.iter().any(|of| makes(*family, *of))) {
        plan::network::Network::Loopback
    } else {
        plan::network::Network::None
    }
}

/// SHA-256 of `bytes` (FIPS 180-4).
fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests;
