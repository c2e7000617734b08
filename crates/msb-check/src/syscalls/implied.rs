//! Rules that hold whatever a policy allows, and those that follow from its other sections.

use super::Rule;
use crate::context::{ARCH, Context};
use msb_diag::Span;
use msb_policy::{Arch, Op, OriginId, Pred, SyscallAction, Width};
use msb_resolve::LayerId;
use msb_syscalls::{Bits, Syscall, errno, find};

/// `CLONE_NEW*` of linux/sched.h that clone(2) takes: NS, CGROUP, UTS, IPC, USER, PID and NET. NEWTIME is
/// for clone3 and unshare alone: in clone its bit is part of the signal.
pub(crate) const CLONE_NEW: u64 = 0x7e02_0000;

/// Requests of asm-generic/ioctls.h that put input into a terminal or change who reads it.
pub(crate) const TERMINAL_IOCTLS: &[(&str, u64)] = &[
    // CVE-2017-5226 and its kin: types into the terminal of who started the program.
    ("TIOCSTI", 0x5412),
    // Pastes a selection on a virtual console; ioctl_console(2), CVE-2023-28100.
    ("TIOCLINUX", 0x541c),
    // Loads line disciplines, with a long row of vulnerabilities; CVE-2017-2636.
    ("TIOCSETD", 0x5423),
];

/// A rule that nobody wrote.
#[derive(Debug, Clone)]
pub(crate) struct Implied {
    call: &'static Syscall,
    errno: u16,
    predicate: Pred,
    origin: OriginId,
}

impl Implied {
    pub(super) fn rule(self, span: Span) -> Rule {
        Rule {
            call: self.call,
            action: SyscallAction::Errno(self.errno),
            predicate: self.predicate,
            span,
            whole: None,
            origin: self.origin,
            layer: LayerId::POLICY,
            direct: true,
        }
    }
}

/// `errno NAME call`.
pub(crate) fn always(arch: Arch, call: &str, name: &str, origin: OriginId) -> Option<Implied> {
    Some(Implied { call: find(arch, call)?, errno: errno(name)?, predicate: Pred::True, origin })
}

/// `errno NAME call where argument op value`.
pub(crate) fn compare(
    arch: Arch,
    call: &str,
    argument: &str,
    op: Op,
    value: u64,
    name: &str,
    origin: OriginId,
) -> Option<Implied> {
    let (call, position, width) = find_argument(arch, call, argument)?;
    let predicate = Pred::Compare { argument: position, width, op, value };
    Some(Implied { call, errno: errno(name)?, predicate, origin })
}

/// `errno NAME call where argument` is none of `values`.
pub(crate) fn none_of(
    arch: Arch,
    call: &str,
    argument: &str,
    values: &[u64],
    name: &str,
    origin: OriginId,
) -> Option<Implied> {
    let (call, position, width) = find_argument(arch, call, argument)?;
    let differs = |value: &u64| Pred::Compare { argument: position, width, op: Op::Ne, value: *value };
    let predicate = Pred::All(values.iter().map(differs).collect());
    Some(Implied { call, errno: errno(name)?, predicate, origin })
}

/// `errno NAME socket` of these families for anything but TCP and UDP: other types of sockets and other
/// protocols; linux/net.h, IANA's protocol numbers.
pub(crate) fn beyond_tcp_and_udp(
    arch: Arch,
    families: [u64; 2],
    name: &str,
    origin: OriginId,
) -> Option<Implied> {
    /// `SOCK_TYPE_MASK` of linux/net.h: the rest are flags.
    const TYPE_MASK: u64 = 0xf;
    const TYPES: [u64; 2] = [1, 2]; // SOCK_STREAM, SOCK_DGRAM
    const PROTOCOLS: [u64; 3] = [0, 6, 17]; // the type's own, TCP, UDP
    let (call, domain, width) = find_argument(arch, "socket", "domain")?;
    let (_, kind, kind_width) = find_argument(arch, "socket", "type")?;
    let (_, protocol, protocol_width) = find_argument(arch, "socket", "protocol")?;
    let family = |value: &u64| Pred::Compare { argument: domain, width, op: Op::Eq, value: *value };
    let type_is =
        |value: &u64| Pred::Masked { argument: kind, width: kind_width, mask: TYPE_MASK, value: *value };
    let protocol_is_not =
        |value: &u64| Pred::Compare { argument: protocol, width: protocol_width, op: Op::Ne, value: *value };
    let other_type = Pred::Not(Box::new(Pred::Any(TYPES.iter().map(type_is).collect())));
    let other_protocol = Pred::All(PROTOCOLS.iter().map(protocol_is_not).collect());
    let predicate = Pred::All(vec![
        Pred::Any(families.iter().map(family).collect()),
        Pred::Any(vec![other_type, other_protocol]),
    ]);
    Some(Implied { call, errno: errno(name)?, predicate, origin })
}

/// What Landlock does not see, and no namespace holds in the tier `landlock`: changes of files by path that open
/// nothing, sockets (a unix socket of the host is named by a path), memory and queues that all of the user's processes
/// share, keys, and settings of other processes.
pub(crate) fn without_namespaces(origin: OriginId) -> Vec<Implied> {
    const OF_OTHERS: &[(&str, &str)] = &[
        ("prlimit64", "pid"),
        ("sched_setaffinity", "pid"),
        ("sched_setattr", "pid"),
        ("sched_setparam", "pid"),
        ("sched_setscheduler", "pid"),
    ];
    let all = WITHOUT_NAMESPACES.iter().filter_map(|call| always(ARCH, call, "EPERM", origin));
    let others =
        OF_OTHERS.iter().filter_map(|(call, pid)| compare(ARCH, call, pid, Op::Ne, 0, "EPERM", origin));
    all.chain(others).collect()
}

/// The calls of [`without_namespaces`] that are refused altogether, on the architectures that have them.
pub(crate) const WITHOUT_NAMESPACES: &[&str] = &[
    "add_key",
    "chmod",
    "chown",
    "fanotify_init",
    "fanotify_mark",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "fchown",
    "fchownat",
    "file_setattr",
    "fremovexattr",
    "fsetxattr",
    "futimesat",
    "inotify_add_watch",
    "ioprio_set",
    "keyctl",
    "lchown",
    "lremovexattr",
    "lsetxattr",
    "migrate_pages",
    "mq_getsetattr",
    "mq_notify",
    "mq_open",
    "mq_timedreceive",
    "mq_timedsend",
    "mq_unlink",
    "msgctl",
    "msgget",
    "msgrcv",
    "msgsnd",
    "removexattr",
    "removexattrat",
    "request_key",
    "semctl",
    "semget",
    "semop",
    "semtimedop",
    "setpriority",
    "setxattr",
    "setxattrat",
    "shmat",
    "shmctl",
    "shmget",
    "socket",
    "utime",
    "utimensat",
    "utimes",
];

fn find_argument(arch: Arch, call: &str, argument: &str) -> Option<(&'static Syscall, u8, Width)> {
    let call = find(arch, call)?;
    let (position, kind) = call.arg(argument)?;
    let width = if kind.bits() == Bits::B64 { Width::W64 } else { Width::W32 };
    Some((call, u8::try_from(position).ok()?, width))
}

/// What holds in every sandbox.
pub(super) fn implied(cx: &mut Context<'_>) -> Vec<Implied> {
    let origin = cx.policy_origin();
    let namespaces = || {
        let (call, argument, width) = find_argument(ARCH, "clone", "flags")?;
        let none = Pred::Masked { argument, width, mask: CLONE_NEW, value: 0 };
        Some(Implied { call, errno: errno("EPERM")?, predicate: Pred::Not(Box::new(none)), origin })
    };
    let terminal =
        |(_, request): &(&str, u64)| compare(ARCH, "ioctl", "cmd", Op::Eq, *request, "EPERM", origin);
    let mut all: Vec<Implied> = TERMINAL_IOCTLS.iter().filter_map(terminal).collect();
    // Its flags lie in memory, where no filter sees them; on ENOSYS libc uses clone instead.
    all.extend(always(ARCH, "clone3", "ENOSYS", origin));
    all.extend(namespaces());
    all
}
