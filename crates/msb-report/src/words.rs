//! Numbers in words: errno, limits, wait statuses, sizes, times.

use msb_plan::event::{Denied, Failure, LimitKind, Step, Traffic};
use msb_plan::{Limit, Plan};

/// errno(3) by number on x86-64 and AArch64 (asm-generic/errno-base.h and errno.h): those that the
/// launcher's calls give.
const ERRNO: &[(u16, &str, &str)] = &[
    (1, "EPERM", "not permitted"),
    (2, "ENOENT", "does not exist"),
    (3, "ESRCH", "no such thing"),
    (4, "EINTR", "interrupted"),
    (5, "EIO", "input or output error"),
    (6, "ENXIO", "no such device"),
    (7, "E2BIG", "arguments and environment are too long"),
    (8, "ENOEXEC", "not a program that this machine executes"),
    (9, "EBADF", "no such descriptor"),
    (10, "ECHILD", "no such child"),
    (11, "EAGAIN", "too many processes, or not now"),
    (12, "ENOMEM", "out of memory"),
    (13, "EACCES", "access denied"),
    (14, "EFAULT", "bad address"),
    (16, "EBUSY", "in use"),
    (17, "EEXIST", "exists already"),
    (18, "EXDEV", "on another file system"),
    (19, "ENODEV", "no such kind of file system or device"),
    (20, "ENOTDIR", "not a directory"),
    (21, "EISDIR", "a directory, or not a regular file"),
    (22, "EINVAL", "not valid"),
    (23, "ENFILE", "the host has too many open files"),
    (24, "EMFILE", "too many open files"),
    (26, "ETXTBSY", "open for writing"),
    (27, "EFBIG", "too large"),
    (28, "ENOSPC", "no space left, or a limit of the host reached"),
    (30, "EROFS", "on a read-only file system"),
    (31, "EMLINK", "has other hard links"),
    (32, "EPIPE", "nobody reads"),
    (36, "ENAMETOOLONG", "name too long"),
    (38, "ENOSYS", "this kernel does not have the call"),
    (40, "ELOOP", "a symbolic link, or too many of them"),
    (87, "EUSERS", "too many users"),
    (93, "EPROTONOSUPPORT", "no such protocol"),
    (95, "EOPNOTSUPP", "not supported there"),
    (97, "EAFNOSUPPORT", "no such family of addresses"),
    (98, "EADDRINUSE", "in use"),
    (99, "EADDRNOTAVAIL", "no such address here"),
    (110, "ETIMEDOUT", "no answer in time"),
    (111, "ECONNREFUSED", "refused"),
    (113, "EHOSTUNREACH", "no way there"),
    (116, "ESTALE", "replaced in the meantime"),
    (122, "EDQUOT", "over quota"),
    (126, "ENOKEY", "no such key"),
    (129, "EKEYREJECTED", "not signed by this key"),
];

/// `ENOENT`; `None` for a number that is not in the table.
pub(crate) fn errno_name(errno: u16) -> Option<&'static str> {
    ERRNO.iter().find(|row| row.0 == errno).map(|row| row.1)
}

/// `ENOENT, does not exist`; "refused" for 0.
pub(crate) fn errno(errno: u16) -> String {
    match ERRNO.iter().find(|row| row.0 == errno) {
        _ if errno == 0 => "refused".to_owned(),
        Some((_, name, words)) => format!("{name}, {words}"),
        None => format!("errno {errno}"),
    }
}

/// `made the namespaces`: what was done, for a list of times.
pub(crate) fn step_done(step: Step) -> String {
    format!("done: {}", step.words())
}

/// `could not open the source of the mount: ENOENT, does not exist`.
pub(crate) fn failure(failure: Failure) -> String {
    format!("could not {}: {}", failure.step.words(), errno(failure.errno))
}

/// The value of a limit as a policy writes it; "unlimited" where the plan has none.
#[must_use]
pub fn limit_value(limit: LimitKind, plan: &Plan<'_>) -> String {
    let Some(Limit { value, .. }) = plan.limits.get(limit) else { return "unlimited".to_owned() };
    match limit {
        LimitKind::Memory | LimitKind::Swap | LimitKind::Io | LimitKind::Output | LimitKind::FileSize => {
            size(value)
        }
        LimitKind::Wall | LimitKind::CpuTime => duration(value),
        LimitKind::Cpu => format!("{value}%"),
        LimitKind::Pids | LimitKind::Files | LimitKind::Cpuset | LimitKind::IoWeight => value.to_string(),
    }
}

/// `bytes` as a policy writes it, in the largest binary unit that gives a whole number: `512MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match UNITS.iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

/// `ms` milliseconds as a policy writes them: `1min30s`.
#[must_use]
pub fn duration(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    let mut left = ms;
    let mut text = String::new();
    for (unit, name) in UNITS {
        if left >= unit {
            text += &format!("{}{name}", left / unit);
            left %= unit;
        }
    }
    if text.is_empty() { "0ms".to_owned() } else { text }
}

/// The signal that a wait status tells of.
pub(crate) fn signal(status: u32) -> Option<u32> {
    let signal = status & 0x7f;
    (signal != 0 && signal != 0x7f).then_some(signal)
}

/// wait(2)'s status: `exited with 1`, `was killed by SIGKILL`.
pub(crate) fn wait_status(status: u32) -> String {
    match signal(status) {
        Some(signal) => format!("was killed by {}", signal_name(signal)),
        None => format!("exited with {}", status >> 8 & 0xff),
    }
}

/// signal(7) on x86-64 and AArch64.
fn signal_name(signal: u32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::try_from(signal).ok().and_then(|signal| NAMES.get(signal.checked_sub(1)?));
    name.map_or_else(|| format!("signal {signal}"), |name| format!("SIG{name}"))
}

/// What went through the network, and what did not.
pub(crate) fn traffic(traffic: &Traffic) -> String {
    let both = |allowed: u64, denied: u64, one: &str| {
        let many = if allowed == 1 { "" } else { "s" };
        let refused = if denied == 0 { String::new() } else { format!(" ({denied} refused)") };
        format!("{allowed} {one}{many}{refused}")
    };
    format!(
        "{}, {}, {}, {} bytes up, {} down",
        both(traffic.lookups, traffic.lookups_denied, "lookup"),
        both(traffic.connections, traffic.connections_denied, "connection"),
        both(traffic.requests, traffic.requests_denied, "request"),
        traffic.up_bytes,
        traffic.down_bytes
    )
}

/// What was refused by the network's rules.
pub(crate) fn denied(denied: &Denied) -> String {
    let times = if denied.times == 1 { String::new() } else { format!(", {} times", denied.times) };
    let target = denied.target.as_str();
    let to = match (target, denied.port) {
        ("", _) => "others".to_owned(),
        (target, 0) => format!("`{target}`"),
        (target, port) if target.contains(':') && !target.starts_with('[') => format!("`[{target}]:{port}`"),
        (target, port) => format!("`{target}:{port}`"),
    };
    format!("{} of {to} refused: {}{times}", denied.subject.as_str(), denied.reason.as_str())
}
