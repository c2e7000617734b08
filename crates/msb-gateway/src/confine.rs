//! The gateway confines itself: whatever a program inside sends it, nothing but sockets can be got from it.
//!
//! After everything is open, it gives root up where it has it, drops every capability, reads only what the host's
//! resolver and its certificates need (Landlock), and makes only the system calls of a process that answers sockets.
//! It can execute nothing, write no file, signal nobody, and speak to no service of the host by a unix socket: a
//! container engine or a service manager would do all of that for it. Its memory, which holds secrets, is nobody's to
//! read, and bounded.

use crate::authority;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, Scope,
};
use rustix::process::{
    DumpableBehavior, Gid, Resource, Rlimit, Uid, getrlimit, getuid, set_dumpable_behavior, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use std::path::PathBuf;

/// Whom root becomes: `nobody`.
const NOBODY: u32 = 65534;
/// What getaddrinfo(3) and the certificates need: configuration and libraries of nsswitch.conf(5).
const READ: [&str; 9] = [
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/var/lib/ca-certificates",
];
/// Configuration that may be a link to elsewhere, and is replaced there while a sandbox runs.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What failed, in words.
#[derive(Debug)]
pub struct Failed(pub String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed(error.to_string())
    }
}

/// Descriptors that are asked for: two a connection, and the number of connections that a busy program makes.
const DESCRIPTORS: u64 = 1 << 16;

/// Raises the limit of descriptors: to what is wanted where that is allowed, else as far as it goes.
pub fn raise_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let wanted = maximum.map(|maximum| maximum.max(DESCRIPTORS));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum: wanted });
    if raised.is_err() {
        // With fewer there are fewer connections, which are refused then.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Confines this process, before it has threads.
///
/// # Errors
/// When any of it can't be had, other than what this kernel is too old for in Landlock.
pub fn confine() -> Result<(), Failed> {
    give_root_up()?;
    bound_memory();
    hide_memory()?;
    set_no_new_privs(true)?;
    landlock()?;
    filter()
}

/// Bytes of memory that are this process's own. What programs inside can make it keep is bounded far below by each part for
/// itself; if they find a way all the same, they end their own run and not the host's other work.
const MEMORY_BYTES_MAX: u64 = 1 << 30;

fn bound_memory() {
    let now = getrlimit(Resource::Data);
    let least =
        |limit: Option<u64>| Some(limit.map_or(MEMORY_BYTES_MAX, |limit| limit.min(MEMORY_BYTES_MAX)));
    // Lowering it is always allowed (setrlimit(2)).
    let _ = setrlimit(Resource::Data, Rlimit { current: least(now.current), maximum: least(now.maximum) });
}

/// No core dump, and nobody of the same user reads its memory or takes its descriptors (PR_SET_DUMPABLE(2const)).
fn hide_memory() -> Result<(), Failed> {
    // 1, not 0: that alone keeps the kernel from piping the memory to the host's handler of crashes (core(5)).
    setrlimit(Resource::Core, Rlimit { current: Some(1), maximum: Some(1) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

fn give_root_up() -> Result<(), Failed> {
    if getuid().is_root() {
        let given_up = become_nobody();
        // Root of a user namespace is somebody else outside, and may have nobody else to become.
        if is_the_hosts_root() {
            given_up?;
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

fn become_nobody() -> Result<(), Failed> {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

/// Whether ids are those of the host: the initial user namespace maps all of them to themselves (user_namespaces(7)).
fn is_the_hosts_root() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map");
    !map.is_ok_and(|map| map.split_ascii_whitespace().ne(["0", "0", "4294967295"]))
}

fn landlock() -> Result<(), Failed> {
    let abi = ABI::V6;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(abi))?
        .create()?;
    let given = authority::named(|name| std::env::var_os(name));
    for path in READ.iter().map(PathBuf::from).chain(given).chain(resolv_conf()) {
        // What is not there need not be read.
        let Ok(opened) = PathFd::new(&path) else { continue };
        let is_dir = path.is_dir();
        let access = AccessFs::ReadFile | if is_dir { AccessFs::ReadDir } else { AccessFs::ReadFile };
        rules = rules.add_rule(PathBeneath::new(opened, access))?;
    }
    rules.restrict_self()?;
    Ok(())
}

/// Where resolv.conf(5) really is. Its folder, since it is replaced by renaming; that of all that runs is too much.
fn resolv_conf() -> Option<PathBuf> {
    let real = std::fs::canonicalize(RESOLV_CONF).ok()?;
    let folder = real.parent()?;
    let is_its_own = folder.components().count() > 2;
    Some(if is_its_own { folder.to_owned() } else { real })
}

/// The system calls of a process that answers sockets; `build.rs` has the list, and none is allowed to change it.
const FILTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/filter.bpf"));

fn filter() -> Result<(), Failed> {
    Ok(msb_sys::seccomp::load(FILTER)?)
}

#[cfg(test)]
#[path = "tests/confine.rs"]
mod tests;
