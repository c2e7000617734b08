//! The gateway's own filter of system calls: made and proved when the gateway is built, so that a launch only loads it.
//!
//! It is compiled as those of policies are (`msb-seccomp`): a tree, which the kernel looks through once for each number there
//! is when it is loaded. A list took a sixth of a millisecond longer at every launch. `confine.rs` loads it.

use msb_policy::{Arch, Op, OriginId, Policy, Pred, SyscallAction, SyscallRule, Width};
use msb_seccomp::Options;
use std::path::Path;

/// What is allowed whatever its arguments. Each is made by the tests of this crate (seen by strace(1)), but for those with
/// their reason.
const CALLS: &[&str] = &[
    // bytes
    "read",
    "write",
    "writev",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
    "sendmmsg", // the resolver, of both families at once
    "lseek",
    "close",
    // sockets
    "connect",
    "accept4",
    "getsockname",
    "getsockopt",
    "setsockopt",
    "shutdown",
    // waiting
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "ppoll", // poll(2), where there is no other
    "eventfd2",
    "futex",
    "sched_yield",     // tokio's channels, when two threads meet
    "restart_syscall", // after SIGCONT
    // files of the resolver and certificates, held by Landlock
    "openat",
    "newfstatat",
    "fstat", // glibc before 2.33
    "statx",
    "pread64",    // libraries of nsswitch.conf(5)
    "getdents64", // folders of certificates
    "readlinkat", // the same
    // memory and threads
    "munmap",
    "mremap", // large buffers that grow
    "madvise",
    "brk",
    "set_robust_list",
    "rseq",
    "sigaltstack",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn", // a stack that overflows
    "sched_getaffinity",
    "gettid",
    "exit",
    "exit_group",
    // facts
    "clock_gettime", // where the kernel's page has no clock
    "gettimeofday",  // the same
    "getrandom",
    "getpid", // glibc's numbers of questions, before 2.36
    "uname",
    "sysinfo", // qsort(3) in getaddrinfo(3)
];

/// The same, of x86-64 alone: later architectures have the other way alone.
const CALLS_X86_64: &[&str] = &["epoll_wait", "poll"];

/// EPERM, and not the end: a library may try something new, and goes on without.
const DENIED: SyscallAction = SyscallAction::Errno(1);
/// ENOSYS: glibc then asks for clone(2). clone3(2) has its flags in memory, which no filter reads.
const UNKNOWN: SyscallAction = SyscallAction::Errno(38);

const AF_INET: u64 = 2; // linux/socket.h
const AF_INET6: u64 = 10;
/// `F_GETFD`, `F_SETFD`, `F_GETFL`, `F_DUPFD_CLOEXEC` of linux/fcntl.h. F_SETOWN would have the kernel signal others.
const FCNTLS: [u64; 4] = [1, 2, 3, 1030];
/// What is in a socket's queues, for the end of a quota (`SIOCOUTQ`, tcp(7)) and the resolver (`FIONREAD`), and the interface
/// of a nameserver's address (`SIOCGIFINDEX`, RFC 4007, 11).
const IOCTLS: [u64; 3] = [0x5411, 0x541b, 0x8933];
const PR_SET_NAME: u64 = 15; // linux/prctl.h
const CLONE_THREAD: u64 = 0x0001_0000; // linux/sched.h
/// Namespaces that clone(2) would make: mount, cgroup, UTS, IPC, user, pid, network.
const NEW_NAMESPACES: u64 = 0x7e02_0000;
const PROT_WRITE: u64 = 2; // linux/mman.h
const PROT_EXEC: u64 = 4;
const MAP_ANONYMOUS: u64 = 0x20;

/// What is allowed with some arguments only.
fn conditional() -> Vec<(&'static str, Pred)> {
    vec![
        ("socket", one_of(0, &[AF_INET, AF_INET6])),
        ("fcntl", one_of(1, &FCNTLS)),
        ("ioctl", one_of(1, &IOCTLS)),
        ("prctl", one_of(0, &[PR_SET_NAME])),
        // Its own limits, and asked for alone.
        ("prlimit64", Pred::All(vec![one_of(0, &[0]), bits(2, u64::MAX, 0)])),
        // Threads, and no processes.
        ("clone", bits(0, CLONE_THREAD | NEW_NAMESPACES, CLONE_THREAD)),
        // Code is a file's, and never what was written.
        (
            "mmap",
            Pred::Any(vec![
                bits(2, PROT_EXEC, 0),
                Pred::All(vec![bits(2, PROT_WRITE, 0), bits(3, MAP_ANONYMOUS, 0)]),
            ]),
        ),
        ("mprotect", bits(2, PROT_EXEC, 0)),
    ]
}

/// An `int` that is one of `values`.
fn one_of(argument: u8, values: &[u64]) -> Pred {
    let one = |value: &u64| Pred::Compare { argument, width: Width::W32, op: Op::Eq, value: *value };
    Pred::Any(values.iter().map(one).collect())
}

/// A `long` of which the bits of `mask` are those of `value`.
fn bits(argument: u8, mask: u64, value: u64) -> Pred {
    Pred::Masked { argument, width: Width::W64, mask, value }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    let (arch, more) = match target.as_str() {
        "x86_64" => (Arch::X86_64, CALLS_X86_64),
        "aarch64" => (Arch::Aarch64, &[][..]),
        other => panic!("there is no filter for {other}"),
    };
    let origin = OriginId(0);
    let rule = |name: &str, action, predicate| {
        let call = msb_syscalls::find(arch, name).unwrap_or_else(|| panic!("{target} has no {name}"));
        SyscallRule { arch, nr: call.nr, action, predicate, origin, implied: false }
    };
    let open = CALLS.iter().chain(more).map(|name| rule(name, SyscallAction::Allow, Pred::True));
    let checked = conditional().into_iter().map(|(name, when)| rule(name, SyscallAction::Allow, when));
    let policy = Policy {
        syscalls: open.chain(checked).chain([rule("clone3", UNKNOWN, Pred::True)]).collect(),
        syscall_default: (DENIED, origin),
        ..Policy::closed("gateway", arch, origin)
    };
    let program = msb_seccomp::compile(&policy, Options::default()).expect("it is short, and proved");
    let place = std::env::var_os("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&place).join("filter.bpf"), program.bytes()).expect("OUT_DIR can be written");
}
