//! What a call is about to touch, read from its caller's memory. For telling, never for deciding.

use crate::process;
use msb_policy::{Access, Arch};
use msb_sys::notify::Notification;
use msb_syscalls::{Kind, Syscall};

/// A path that a call names, and what it wants of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) path: String,
    pub(crate) access: Access,
}

/// Where the arguments of a call hold a path: the number of its directory descriptor, if it takes one, the
/// number of the pointer, and what the call wants.
struct Named {
    call: &'static str,
    directory: Option<usize>,
    pointer: usize,
    wants: Wants,
}

enum Wants {
    Write,
    /// What the flags in this argument say; open(2).
    Flags(usize),
    /// What the flags in the structure that this argument points to say; openat2(2).
    How(usize),
}

const fn named(call: &'static str, directory: Option<usize>, pointer: usize, wants: Wants) -> Named {
    Named { call, directory, pointer, wants }
}

/// The calls of `msb_seccomp::traced` that name paths; a row for each path.
const NAMED: &[Named] = &[
    named("open", None, 0, Wants::Flags(1)),
    named("openat", Some(0), 1, Wants::Flags(2)),
    named("openat2", Some(0), 1, Wants::How(2)),
    named("creat", None, 0, Wants::Write),
    named("mkdir", None, 0, Wants::Write),
    named("mkdirat", Some(0), 1, Wants::Write),
    named("unlink", None, 0, Wants::Write),
    named("unlinkat", Some(0), 1, Wants::Write),
    named("rmdir", None, 0, Wants::Write),
    named("rename", None, 0, Wants::Write),
    named("rename", None, 1, Wants::Write),
    named("renameat", Some(0), 1, Wants::Write),
    named("renameat", Some(2), 3, Wants::Write),
    named("renameat2", Some(0), 1, Wants::Write),
    named("renameat2", Some(2), 3, Wants::Write),
    named("link", None, 1, Wants::Write),
    named("linkat", Some(2), 3, Wants::Write),
    named("symlink", None, 1, Wants::Write),
    named("symlinkat", Some(1), 2, Wants::Write),
];

// open(2), asm-generic/fcntl.h; the same on x86-64 and AArch64.
const O_ACCMODE: u64 = 0o3;
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;
const O_PATH: u64 = 0o10_000_000;
const AT_FDCWD: i32 = -100;

/// The paths of a call, absolute and without `.` and `..`.
pub(crate) fn touched(arch: Option<Arch>, asked: &Notification) -> Vec<Touched> {
    let Some(call) = call(arch, asked) else { return Vec::new() };
    let rows = NAMED.iter().filter(|named| named.call == call.name);
    rows.filter_map(|named| touch(named, asked)).collect()
}

fn touch(named: &Named, asked: &Notification) -> Option<Touched> {
    let access = match named.wants {
        Wants::Write => Access::Write,
        Wants::Flags(argument) => access_of(*asked.args.get(argument)?)?,
        Wants::How(argument) => access_of(process::read_u64(asked.pid, *asked.args.get(argument)?)?)?,
    };
    let path = process::read_path(asked.pid, *asked.args.get(named.pointer)?)?;
    let directory = match named.directory {
        // The kernel takes an int: the upper half of the register means nothing.
        Some(argument) => {
            let [a, b, c, d, ..] = asked.args.get(argument)?.to_le_bytes();
            i32::from_le_bytes([a, b, c, d])
        }
        None => AT_FDCWD,
    };
    let absolute = if path.starts_with('/') {
        path
    } else {
        let base = match directory {
            AT_FDCWD => process::link(asked.pid, "cwd")?,
            number => process::link(asked.pid, &format!("fd/{number}"))?,
        };
        format!("{base}/{path}")
    };
    Some(Touched { path: normal(&absolute), access })
}

/// What an open wants; `None` for a descriptor that neither reads nor writes.
fn access_of(flags: u64) -> Option<Access> {
    if flags & O_PATH != 0 {
        None
    } else if flags & (O_ACCMODE | O_CREAT | O_TRUNC) != 0 {
        Some(Access::Write)
    } else {
        Some(Access::Read)
    }
}

/// A path without empty, `.` and `..` components; symbolic links are not known here.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn call(arch: Option<Arch>, asked: &Notification) -> Option<&'static Syscall> {
    msb_syscalls::by_number(arch?, asked.nr.cast_unsigned())
}

/// Whether all that a call is about stands in its registers.
pub(crate) fn in_registers(arch: Option<Arch>, asked: &Notification) -> bool {
    call(arch, asked).is_some_and(|call| call.args.iter().all(|arg| arg.kind != Kind::Pointer))
}

/// Whether a call is one that libc does without when it is refused: it says nothing of what a program wants.
pub(crate) fn falls_back(arch: Option<Arch>, asked: &Notification) -> bool {
    let call = call(arch, asked);
    call.is_none_or(|call| call.name == "clone3")
}

/// Whether a call starts a process or a thread.
pub(crate) fn starts_process(arch: Option<Arch>, asked: &Notification) -> bool {
    let call = call(arch, asked);
    call.is_some_and(|call| matches!(call.name, "clone" | "clone3" | "fork" | "vfork"))
}

/// How much private, writable memory a call asks for.
pub(crate) fn maps_bytes(arch: Option<Arch>, asked: &Notification) -> Option<u64> {
    const PROT_WRITE: u64 = 2; // mmap(2)
    const MAP_PRIVATE: u64 = 2; // mmap(2)
    let [_, length, protection_or_new, flags, ..] = asked.args;
    match call(arch, asked)?.name {
        // Those of i386's mmap lie in memory.
        "mmap" if arch == Some(Arch::I386) => None,
        "mmap" | "mmap2" if protection_or_new & PROT_WRITE != 0 && flags & MAP_PRIVATE != 0 => Some(length),
        "mremap" => Some(protection_or_new.saturating_sub(length)),
        _ => None,
    }
}

/// What a person calls an access.
pub(crate) fn verb(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::Run => "run",
    }
}

#[cfg(test)]
mod tests {
    use super::{access_of, normal};
    use msb_policy::Access;

    #[test]
    fn paths_lose_what_says_nothing() {
        let cases =
            [("/a/./b//c", "/a/b/c"), ("/a/../../b", "/b"), ("/", "/"), ("/work/../root/.ssh", "/root/.ssh")];
        for (given, expected) in cases {
            assert_eq!(normal(given), expected);
        }
    }

    #[test]
    fn open_flags_say_what_is_wanted() {
        assert_eq!(access_of(0), Some(Access::Read));
        assert_eq!(access_of(0o1), Some(Access::Write));
        assert_eq!(access_of(0o100), Some(Access::Write));
        assert_eq!(access_of(0o2_000_000), Some(Access::Read));
        assert_eq!(access_of(0o10_000_000), None);
    }
}
