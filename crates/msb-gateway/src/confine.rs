//! The gateway confines itself: whatever a program inside sends it, nothing but sockets can be got from it.
//!
//! After everything is open, it gives root up where it has it, drops every capability, reads only what the host's
//! resolver and its certificates need (Landlock), and makes only the system calls of a process that answers sockets.
//! It can execute nothing, write no file, signal nobody, and speak to no service of the host by a unix socket: a
//! container engine or a service manager would do all of that for it. Its memory, which holds secrets, is nobody's to
//! read, and bounded.

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
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
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
    let given = CERTIFICATE_VARIABLES.iter().filter_map(std::env::var_os).map(PathBuf::from);
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

/// Requests of ioctl(2): what is in a socket's queues, for the end of a quota (`SIOCOUTQ`, tcp(7)) and the resolver
/// (`FIONREAD`), and the interface of a nameserver's address (`SIOCGIFINDEX`, RFC 4007, 11).
const IOCTLS: [u64; 3] = [0x5411, 0x541b, 0x8933];
/// Namespaces that clone(2) would make: mount, cgroup, UTS, IPC, user, pid, network.
const NEW_NAMESPACES: u64 = 0x7e02_0000;
const PROT_EXEC: u64 = nix::libc::PROT_EXEC.unsigned_abs() as u64;
const PROT_WRITE: u64 = nix::libc::PROT_WRITE.unsigned_abs() as u64;
const MAP_ANONYMOUS: u64 = nix::libc::MAP_ANONYMOUS.unsigned_abs() as u64;

/// Argument `index` is `value` where `mask` has bits.
fn bits(index: u8, mask: u64, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

/// Argument `index` is `value`.
fn is(index: u8, value: impl Into<u64>) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value.into())
}

/// A call, and lists of conditions, one of which must hold.
type Conditional = (i64, Vec<Vec<SeccompCondition>>);

/// What is allowed with some arguments only.
fn conditional() -> Result<Vec<Conditional>, seccompiler::BackendError> {
    use nix::libc;
    let command = |command: &i32| Ok(vec![is(1, command.unsigned_abs())?]);
    // F_SETOWN would have the kernel signal others.
    let fcntl = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC];
    let ioctl = IOCTLS.iter().map(|request| Ok(vec![bits(1, 0xffff_ffff, *request)?]));
    let family = |family: &i32| Ok(vec![is(0, family.unsigned_abs())?]);
    let thread = libc::CLONE_THREAD.unsigned_abs().into();
    Ok(vec![
        (libc::SYS_socket, [libc::AF_INET, libc::AF_INET6].iter().map(family).collect::<Result<_, _>>()?),
        (libc::SYS_fcntl, fcntl.iter().map(command).collect::<Result<_, _>>()?),
        (libc::SYS_ioctl, ioctl.collect::<Result<_, _>>()?),
        (libc::SYS_prctl, vec![vec![is(0, libc::PR_SET_NAME.unsigned_abs())?]]),
        // Its own limits, and asked for alone.
        (libc::SYS_prlimit64, vec![vec![is(0, 0_u64)?, is(2, 0_u64)?]]),
        // Threads, and no processes.
        (libc::SYS_clone, vec![vec![bits(0, thread | NEW_NAMESPACES, thread)?]]),
        // Code is a file's, and never what was written.
        (
            libc::SYS_mmap,
            vec![
                vec![bits(2, PROT_EXEC, 0)?],
                vec![bits(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)?, bits(3, MAP_ANONYMOUS, 0)?],
            ],
        ),
        (libc::SYS_mprotect, vec![vec![bits(2, PROT_EXEC, 0)?]]),
    ])
}

fn filter() -> Result<(), Failed> {
    for program in programs()? {
        seccompiler::apply_filter(&program)?;
    }
    Ok(())
}

/// The filters, of which the strictest answer counts (seccomp(2)). The last one allows no further filter.
fn programs() -> Result<[BpfProgram; 2], Failed> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    for (call, lists) in conditional()? {
        let lists: Result<Vec<SeccompRule>, _> = lists.into_iter().map(SeccompRule::new).collect();
        rules.insert(call, lists?);
    }
    let errno = |errno: i32| SeccompAction::Errno(errno.unsigned_abs());
    let compiled = |rules, otherwise, matched| -> Result<BpfProgram, Failed> {
        let arch = std::env::consts::ARCH.try_into()?;
        Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
    };
    // clone3(2) has its flags in memory, which no filter reads: glibc asks for clone(2) then.
    let clone3 = BTreeMap::from([(nix::libc::SYS_clone3, Vec::new())]);
    let clone3 = compiled(clone3, SeccompAction::Allow, errno(nix::libc::ENOSYS))?;
    // EPERM, and not the end: a library may try something new, and goes on without.
    Ok([clone3, compiled(rules, errno(nix::libc::EPERM), SeccompAction::Allow)?])
}

/// What is allowed whatever its arguments. Each is made by the tests of this crate (seen by strace(1)), but for those with
/// their reason.
const CALLS: &[i64] = &[
    // bytes
    nix::libc::SYS_read,
    nix::libc::SYS_write,
    nix::libc::SYS_writev,
    nix::libc::SYS_recvfrom,
    nix::libc::SYS_recvmsg,
    nix::libc::SYS_sendto,
    nix::libc::SYS_sendmsg,
    nix::libc::SYS_sendmmsg, // the resolver, of both families at once
    nix::libc::SYS_lseek,
    nix::libc::SYS_close,
    // sockets
    nix::libc::SYS_connect,
    nix::libc::SYS_accept4,
    nix::libc::SYS_getsockname,
    nix::libc::SYS_getsockopt,
    nix::libc::SYS_setsockopt,
    nix::libc::SYS_shutdown,
    // waiting
    nix::libc::SYS_epoll_create1,
    nix::libc::SYS_epoll_ctl,
    nix::libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    nix::libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    nix::libc::SYS_poll,
    nix::libc::SYS_ppoll, // poll(2), where there is no other
    nix::libc::SYS_eventfd2,
    nix::libc::SYS_futex,
    nix::libc::SYS_sched_yield,     // tokio's channels, when two threads meet
    nix::libc::SYS_restart_syscall, // after SIGCONT
    // files of the resolver and certificates, held by Landlock
    nix::libc::SYS_openat,
    nix::libc::SYS_newfstatat,
    nix::libc::SYS_fstat, // glibc before 2.33
    nix::libc::SYS_statx,
    nix::libc::SYS_pread64,    // libraries of nsswitch.conf(5)
    nix::libc::SYS_getdents64, // folders of certificates
    nix::libc::SYS_readlinkat, // the same
    // memory and threads
    nix::libc::SYS_munmap,
    nix::libc::SYS_mremap, // large buffers that grow
    nix::libc::SYS_madvise,
    nix::libc::SYS_brk,
    nix::libc::SYS_clone3, // refused by the first filter
    nix::libc::SYS_set_robust_list,
    nix::libc::SYS_rseq,
    nix::libc::SYS_sigaltstack,
    nix::libc::SYS_rt_sigaction,
    nix::libc::SYS_rt_sigprocmask,
    nix::libc::SYS_rt_sigreturn, // a stack that overflows
    nix::libc::SYS_sched_getaffinity,
    nix::libc::SYS_gettid,
    nix::libc::SYS_exit,
    nix::libc::SYS_exit_group,
    // facts
    nix::libc::SYS_clock_gettime, // where the kernel's page has no clock
    nix::libc::SYS_gettimeofday,  // the same
    nix::libc::SYS_getrandom,
    nix::libc::SYS_getpid, // glibc's numbers of questions, before 2.36
    nix::libc::SYS_uname,
    nix::libc::SYS_sysinfo, // qsort(3) in getaddrinfo(3)
];

#[cfg(test)]
#[path = "tests/confine.rs"]
mod tests;
