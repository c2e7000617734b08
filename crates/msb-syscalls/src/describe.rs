//! Calls the way people read them.

use crate::{Arch, Bits, ConstantSet, Kind, by_number, constant_set};

/// Sets whose names depend on another argument (`NETLINK_ROUTE` and `IPPROTO_IP` are both 0): they are written
/// as numbers.
const AMBIGUOUS: &[&str] = &["ip_protocol", "socket_option", "ipc_cmd"];

/// Writes call `nr` of `arch` with its arguments named and its constants spelled out.
///
/// Pointers say nothing to people and are written `…`. Numbers that the table lacks are written `syscall(512)`.
///
/// ```
/// use msb_syscalls::{Arch, describe};
/// let args = [2, 0x80001, 0, 0, 0, 0];
/// assert_eq!(
///     describe(Arch::X86_64, 41, &args),
///     "socket(domain: AF_INET, type: SOCK_STREAM|SOCK_CLOEXEC, protocol: 0)"
/// );
/// ```
#[must_use]
pub fn describe(arch: Arch, nr: u32, args: &[u64; 6]) -> String {
    describe_some(arch, nr, args, |_| true)
}

/// The same with those arguments alone, by their positions, of which `shown` says so; `ioctl` where there are none.
///
/// ```
/// use msb_syscalls::{Arch, describe_some};
/// let args = [0, 0x5412, 0, 0, 0, 0];
/// assert_eq!(describe_some(Arch::X86_64, 16, &args, |argument| argument == 1), "ioctl(cmd: TIOCSTI)");
/// ```
#[must_use]
pub fn describe_some(arch: Arch, nr: u32, args: &[u64; 6], shown: impl Fn(usize) -> bool) -> String {
    let Some(call) = by_number(arch, nr) else {
        return format!("syscall({nr})");
    };
    let all = call.args.iter().zip(args).enumerate().filter(|(position, _)| shown(*position));
    let written: Vec<String> =
        all.map(|(_, (arg, value))| format!("{}: {}", arg.name, one(arg.kind, *value))).collect();
    match written.as_slice() {
        [] if !call.args.is_empty() => call.name.to_owned(),
        _ => format!("{}({})", call.name, written.join(", ")),
    }
}

fn one(kind: Kind, raw: u64) -> String {
    let value = raw & kind.bits().mask();
    let named = kind.set().filter(|set| !AMBIGUOUS.contains(set)).and_then(constant_set);
    match kind {
        Kind::Pointer if value == 0 => "NULL".to_owned(),
        Kind::Pointer => "…".to_owned(),
        Kind::Fd | Kind::Enum { .. } => {
            let name = named.and_then(|set| set.members.iter().find(|member| member.value == value));
            name.map_or_else(|| number(kind, value), |member| member.name.to_owned())
        }
        Kind::Flags { .. } if kind.bits() == Bits::B16 => format!("{value:#o}"),
        Kind::Flags { .. } => named.map_or_else(|| number(kind, value), |set| flags(set, value)),
        Kind::Int { .. } => number(kind, value),
    }
}

fn number(kind: Kind, value: u64) -> String {
    match (kind.bits(), kind.signed()) {
        (Bits::B32, true) => u32::try_from(value).unwrap_or(u32::MAX).cast_signed().to_string(),
        (Bits::B64, true) => value.cast_signed().to_string(),
        _ if value > u64::from(u32::MAX) => format!("{value:#x}"),
        _ => value.to_string(),
    }
}

/// `value` as an OR of the members of `set`, what has no name in hexadecimal.
fn flags(set: &ConstantSet, value: u64) -> String {
    let mut words = Vec::new();
    let mut rest = value & !set.field;
    let field = value & set.field;
    let in_field = |member: &&crate::Constant| member.value == field && (set.field != 0 || value == 0);
    match set.members.iter().find(in_field) {
        Some(member) => words.push(member.name.to_owned()),
        None => rest |= field,
    }
    // Those of many bits first: O_SYNC contains O_DSYNC.
    let mut bits: Vec<_> = set.members.iter().filter(|member| member.value & !set.field != 0).collect();
    bits.sort_by_key(|member| std::cmp::Reverse(member.value.count_ones()));
    let mut named = Vec::new();
    for member in bits {
        if rest & member.value == member.value {
            rest &= !member.value;
            named.push(member);
        }
    }
    named.sort_by_key(|member| member.value);
    words.extend(named.iter().map(|member| member.name.to_owned()));
    if rest != 0 {
        words.push(format!("{rest:#x}"));
    }
    if words.is_empty() { "0".to_owned() } else { words.join("|") }
}
