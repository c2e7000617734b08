//! The tier `landlock`, for hosts that refuse user namespaces: Landlock, the filter and resource limits, from the
//! same plan, where the policy says `sandbox { tier landlock }`.
//!
//! What it cannot hold ends the launch, with the line of the policy that asks for it. What it cannot give, such as
//! /proc and terminals, is missing inside. The filter of such a policy refuses what Landlock does not see: changing
//! modes, owners and times by path, sockets, and what reaches other processes of the user by number.

use crate::deny::Denial;
use crate::fail::{At, Result, failure, refusal};
use crate::host::Entry;
use crate::landlock::{self, Wall};
use crate::path::absolute;
use crate::{cgroup::Held, child, root, watch};
use msb_plan::event::{LimitKind, Step};
use msb_plan::network::Network;
use msb_plan::{HOSTNAME_DEFAULT, ID_DEFAULT, Mount, MountKind, Plan, ProcScope, Tier};
use msb_sys::at::openat2;
use msb_sys::landlock::access;
use msb_sys::process::{Fork, flags, fork};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, getegid, geteuid, kill_process, wait};
use rustix::system::sethostname;

/// Before ABI 6 (Linux 6.12) a program signals whatever else its user runs.
const ABI_MIN: u32 = 6;
/// What of `device @std` a host has in common with everybody, and keeps nothing.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// The tier that holds a launch of `plan` here: the full one wherever it can be had.
pub(crate) fn choose(plan: &Plan<'_>) -> Result<Tier> {
    if plan.target.tier_min == Tier::Full || namespaces_work(plan) {
        return Ok(Tier::Full);
    }
    if msb_sys::landlock::abi() < ABI_MIN {
        return Err(failure(Step::Tier, Some(plan.target.origin), Errno::OPNOTSUPP));
    }
    Ok(Tier::Landlock)
}

/// Whether this user gets namespaces, and rights in them: some hosts give the first without the second, Podman's filter lets
/// programs mount and not name the host, and most containers hide parts of /proc, for which the kernel refuses a new one
/// (`mount_too_revealing` of fs/namespace.c).
fn namespaces_work(plan: &Plan<'_>) -> bool {
    let wants = |mount: &Mount<'_>| matches!(mount.kind, MountKind::Proc(_));
    let with_processes = plan.mounts.iter().any(wants);
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    match fork(crate::spawn::NAMESPACES | flags::NEWNET, None) {
        Err(_) => false,
        Ok(Fork::Child) => {
            let mut tried =
                child::own_map(1000, uid, 1000, gid).and_then(|()| sethostname(HOSTNAME_DEFAULT.as_bytes()));
            tried = tried.and_then(|()| root::make().map(drop));
            if tried.is_ok() && with_processes {
                tried = root::processes(ProcScope::Processes).map(drop);
            }
            msb_sys::process::exit(i32::from(tried.is_err()))
        }
        Ok(Fork::Parent { pid, .. }) => loop {
            match msb_sys::process::wait(pid) {
                Err(Errno::INTR) => {}
                ended => return ended.is_ok_and(|usage| usage.wait_status == 0),
            }
        },
    }
}

/// Refuses what only namespaces and mounts hold.
pub(crate) fn check(plan: &Plan<'_>, entries: &[Entry<'_>], denials: &[Denial], held: Held) -> Result<()> {
    if let Some(denial) = denials.first() {
        return Err(refusal(Step::Tier, Some(denial.origin)));
    }
    if !matches!(plan.network, Network::None) {
        return Err(refusal(Step::Tier, Some(plan.policy.origin)));
    }
    // Who the command is, and what the machine is called, is what it is outside: another name, another user or a
    // capability would be a promise.
    let who = &plan.identity;
    let asks = who.hostname != HOSTNAME_DEFAULT || (who.uid, who.gid) != (ID_DEFAULT, ID_DEFAULT);
    if asks || who.capabilities != 0 {
        return Err(refusal(Step::Tier, Some(who.origin)));
    }
    // The host's devpts is everybody's.
    if let Some(line) = plan.identity.terminal {
        return Err(refusal(Step::Tier, Some(line)));
    }
    for entry in entries {
        let origin = Some(entry.mount.origin);
        match entry.mount.kind {
            MountKind::Bind { .. } | MountKind::Device { .. } => {}
            MountKind::Dev { .. } | MountKind::Proc(ProcScope::Processes) => continue,
            MountKind::Overlay { .. }
            | MountKind::Socket { .. }
            | MountKind::Scratch { .. }
            | MountKind::Proc(ProcScope::All) => return Err(refusal(Step::Tier, origin)),
        }
        // Nothing is moved: what the policy calls by this name must have it on the host.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let named = absolute(entry.target);
        let here = openat2(CWD, named, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
        let same =
            here.and_then(fstat).is_ok_and(|stat| entry.source.as_ref().is_some_and(|it| it.is(&stat)));
        if !same {
            return Err(refusal(Step::Tier, origin));
        }
    }
    // RLIMIT_NPROC would count everything that the user runs.
    match plan.limits.pids {
        Some(limit) if !held.has(LimitKind::Pids) => Err(refusal(Step::Tier, Some(limit.origin))),
        _ => Ok(()),
    }
}

/// The rules for every entry.
pub(crate) fn wall(plan: &Plan<'_>, entries: &[Entry<'_>]) -> Result<Wall> {
    let wall = Wall::new(&plan.target, &plan.network)?;
    for entry in entries {
        let origin = Some(entry.mount.origin);
        if let Some(source) = &entry.source {
            let rights = landlock::rights(entry.mount.kind, entry.rights);
            let rights = if source.is_directory() { rights } else { rights & access::OF_FILES };
            wall.grant(&source.place, rights).at(Step::Landlock, origin)?;
        } else if let MountKind::Dev { .. } = entry.mount.kind {
            let rights = access::READ_FILE | access::WRITE_FILE | access::IOCTL_DEV;
            for path in DEVICES {
                device(path).and_then(|device| wall.grant(&device, rights)).at(Step::Dev, origin)?;
            }
        }
    }
    wall.standards().at(Step::Landlock, Some(plan.target.origin))?;
    Ok(wall)
}

fn device(path: &str) -> core::result::Result<rustix::fd::OwnedFd, Errno> {
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)
}

/// Kills and reaps what a killed init left to this process.
pub(crate) fn end_orphans() {
    loop {
        for pid in watch::own_children() {
            // It may have ended by itself just now.
            let _ = kill_process(pid, Signal::KILL);
        }
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
