//! The gateway confines itself: whatever a program inside sends it, nothing but sockets can be got from it.
//!
//! After everything is open, it gives root up where it has it, drops every capability, reads only what the host's
//! resolver and its certificates need (Landlock), and makes only the system calls of a process that answers sockets.
//! It can execute nothing, write no file, and signal nobody.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, Scope,
};
use rustix::process::{Gid, Resource, Rlimit, Uid, getrlimit, getuid, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Whom root becomes: `nobody`.
const NOBODY: u32 = 65534;
/// What getaddrinfo(3) and the certificates need: configuration, libraries of nsswitch.conf(5), sockets of resolvers.
const READ: [&str; 12] = [
    "/etc",
    "/run",
    "/var/run",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/var/lib/ca-certificates",
    "/dev/urandom",
];
/// Variables that name certificates (openssl-env(7)).
const CERTIFICATE_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

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
    set_no_new_privs(true)?;
    landlock()?;
    filter()
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
    let given = CERTIFICATE_VARIABLES.iter().filter_map(std::env::var_os).map(PathBuf::from);
    for path in READ.iter().map(PathBuf::from).chain(given) {
        // What is not there need not be read.
        let Ok(opened) = PathFd::new(&path) else { continue };
        let is_dir = path.is_dir();
        let access = AccessFs::ReadFile | if is_dir { AccessFs::ReadDir } else { AccessFs::ReadFile };
        rules = rules.add_rule(PathBeneath::new(opened, access))?;
    }
    rules.restrict_self()?;
    Ok(())
}

/// Families of sockets; socket(2). UNIX and NETLINK are the resolver's.
const FAMILIES: [u64; 4] = [1, 2, 10, 16];

fn filter() -> Result<(), Failed> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let family = |family: &u64| {
        let is = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *family)?;
        SeccompRule::new(vec![is])
    };
    let families: Result<Vec<SeccompRule>, _> = FAMILIES.iter().map(family).collect();
    rules.insert(nix::libc::SYS_socket, families?);
    let arch = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(
        rules,
        // EPERM, and not the end: a library may try something new, and goes on without.
        SeccompAction::Errno(nix::libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        arch,
    )?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

/// What is allowed whatever its arguments.
const CALLS: &[i64] = &[
    // bytes
    nix::libc::SYS_read,
    nix::libc::SYS_write,
    nix::libc::SYS_readv,
    nix::libc::SYS_writev,
    nix::libc::SYS_pread64,
    nix::libc::SYS_recvfrom,
    nix::libc::SYS_recvmsg,
    nix::libc::SYS_recvmmsg,
    nix::libc::SYS_sendto,
    nix::libc::SYS_sendmsg,
    nix::libc::SYS_sendmmsg,
    nix::libc::SYS_lseek,
    nix::libc::SYS_close,
    nix::libc::SYS_fcntl,
    nix::libc::SYS_ioctl,
    nix::libc::SYS_dup,
    // sockets
    nix::libc::SYS_socketpair,
    nix::libc::SYS_bind,
    nix::libc::SYS_connect,
    nix::libc::SYS_accept4,
    nix::libc::SYS_getsockname,
    nix::libc::SYS_getpeername,
    nix::libc::SYS_getsockopt,
    nix::libc::SYS_setsockopt,
    nix::libc::SYS_shutdown,
    // waiting
    nix::libc::SYS_epoll_create1,
    nix::libc::SYS_epoll_ctl,
    nix::libc::SYS_epoll_pwait,
    nix::libc::SYS_epoll_pwait2,
    nix::libc::SYS_ppoll,
    nix::libc::SYS_pselect6,
    nix::libc::SYS_eventfd2,
    nix::libc::SYS_futex,
    nix::libc::SYS_nanosleep,
    nix::libc::SYS_clock_nanosleep,
    nix::libc::SYS_sched_yield,
    nix::libc::SYS_restart_syscall,
    // files of the resolver, held by Landlock
    nix::libc::SYS_openat,
    nix::libc::SYS_newfstatat,
    nix::libc::SYS_fstat,
    nix::libc::SYS_statx,
    nix::libc::SYS_statfs,
    nix::libc::SYS_faccessat,
    nix::libc::SYS_faccessat2,
    nix::libc::SYS_readlinkat,
    nix::libc::SYS_getdents64,
    // memory and threads
    nix::libc::SYS_mmap,
    nix::libc::SYS_munmap,
    nix::libc::SYS_mprotect,
    nix::libc::SYS_mremap,
    nix::libc::SYS_madvise,
    nix::libc::SYS_brk,
    nix::libc::SYS_clone,
    nix::libc::SYS_clone3,
    nix::libc::SYS_set_robust_list,
    nix::libc::SYS_rseq,
    nix::libc::SYS_sigaltstack,
    nix::libc::SYS_rt_sigaction,
    nix::libc::SYS_rt_sigprocmask,
    nix::libc::SYS_rt_sigreturn,
    nix::libc::SYS_prctl,
    nix::libc::SYS_prlimit64,
    nix::libc::SYS_sched_getaffinity,
    nix::libc::SYS_exit,
    nix::libc::SYS_exit_group,
    // facts
    nix::libc::SYS_clock_gettime,
    nix::libc::SYS_gettimeofday,
    nix::libc::SYS_getrandom,
    nix::libc::SYS_getpid,
    nix::libc::SYS_gettid,
    nix::libc::SYS_getuid,
    nix::libc::SYS_geteuid,
    nix::libc::SYS_getgid,
    nix::libc::SYS_getegid,
    nix::libc::SYS_uname,
    nix::libc::SYS_sysinfo,
    #[cfg(target_arch = "x86_64")]
    nix::libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    nix::libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    nix::libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    nix::libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    nix::libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    nix::libc::SYS_epoll_wait,
];
