//! The calls that are put to a supervisor although they are allowed: what opens and changes names, what makes
//! processes, and what takes much memory. execve is not among them: it is seen by other means.

use msb_policy::{Op, Pred, Width};
use msb_syscalls::{Arch, by_number};

/// From this length on a mapping is put to the supervisor.
pub const TRACED_LENGTH_BYTES_MIN: u64 = 1 << 20;

/// Names, and for those that are traced from [`TRACED_LENGTH_BYTES_MIN`] on the argument that has the length.
const TRACED: &[(&str, Option<u8>)] = &[
    ("open", None),
    ("openat", None),
    ("openat2", None),
    ("creat", None),
    ("mkdir", None),
    ("mkdirat", None),
    ("unlink", None),
    ("unlinkat", None),
    ("rmdir", None),
    ("rename", None),
    ("renameat", None),
    ("renameat2", None),
    ("link", None),
    ("linkat", None),
    ("symlink", None),
    ("symlinkat", None),
    ("clone", None),
    ("clone3", None),
    ("fork", None),
    ("vfork", None),
    ("mmap", Some(1)),
    ("mremap", Some(2)),
];

/// Whether an allowed call is put to the supervisor when a program is compiled with
/// [`trace`](crate::Options::trace).
#[must_use]
pub fn traced(arch: Arch, nr: u32, args: &[u64; 6]) -> bool {
    match traced_length(arch, nr) {
        Some(Some(length)) => args[usize::from(length)] >= TRACED_LENGTH_BYTES_MIN,
        Some(None) => true,
        None => false,
    }
}

/// For calls that are put to the supervisor the argument that has the length from which on they are, if there is
/// one; `None` for calls that never are.
pub(crate) fn traced_length(arch: Arch, nr: u32) -> Option<Option<u8>> {
    let name = match (arch, by_number(arch, nr)?.name) {
        // Its arguments lie in memory; mmap2 has them in registers.
        (Arch::I386, "mmap") => return Some(None),
        (Arch::I386, "mmap2") => "mmap",
        (_, name) => name,
    };
    TRACED.iter().find(|(traced, _)| *traced == name).map(|(_, length)| *length)
}

/// The same as a condition; `None` for calls that never are.
pub(crate) fn condition(arch: Arch, nr: u32) -> Option<Pred> {
    Some(match traced_length(arch, nr)? {
        None => Pred::True,
        Some(argument) => {
            Pred::Compare { argument, width: Width::W64, op: Op::Ge, value: TRACED_LENGTH_BYTES_MIN }
        }
    })
}
