//! Calls by name and number.

use std::fmt;

use crate::generated::{AARCH64, FREQUENCIES, I386, SINCE, X32, X86_64};

/// Ways to make a call that have a table: instruction sets, and on x86-64 the two others that its kernel serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// x86-64, LP64.
    X86_64,
    /// AArch64, LP64.
    Aarch64,
    /// 32-bit x86, which 64-bit code can call as well (`int 0x80`).
    I386,
    /// x86-64 with 32-bit pointers: its calls come with x86-64's `seccomp_data.arch` and a bit in the number.
    X32,
}

/// Whose kernel serves an [`Arch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// AArch64.
    Aarch64,
}

/// `__X32_SYSCALL_BIT` of asm/unistd.h.
const X32_BIT: u32 = 0x4000_0000;

impl Arch {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::X86_64, Self::Aarch64, Self::I386, Self::X32];

    /// Its word in a policy.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::I386 => "i386",
            Self::X32 => "x32",
        }
    }

    /// The one whose word is `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.word() == word)
    }

    /// `AUDIT_ARCH_*` of linux/audit.h: what `seccomp_data.arch` holds for its calls.
    #[must_use]
    pub const fn audit(self) -> u32 {
        match self {
            // EM_X86_64 (62) | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE
            Self::X86_64 | Self::X32 => 0xc000_003e,
            // EM_AARCH64 (183) | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE
            Self::Aarch64 => 0xc000_00b7,
            // EM_386 (3) | __AUDIT_ARCH_LE
            Self::I386 => 0x4000_0003,
        }
    }

    /// The one that a call with this `seccomp_data.arch` and `nr` is of; `None` for those that have no table, and
    /// for number −1, which is nobody's: a tracer leaves it to have a call skipped.
    #[must_use]
    pub const fn of_call(audit_arch: u32, nr: u32) -> Option<Self> {
        match audit_arch {
            _ if nr == u32::MAX => None,
            0xc000_003e if nr & X32_BIT != 0 => Some(Self::X32),
            0xc000_003e => Some(Self::X86_64),
            0xc000_00b7 => Some(Self::Aarch64),
            0x4000_0003 => Some(Self::I386),
            _ => None,
        }
    }

    /// Whose kernel serves it.
    #[must_use]
    pub const fn machine(self) -> Machine {
        match self {
            Self::X86_64 | Self::I386 | Self::X32 => Machine::X86_64,
            Self::Aarch64 => Machine::Aarch64,
        }
    }

    /// Whether it is one that a kernel for other programs serves beside them: calls that rules written for those
    /// may not think of.
    #[must_use]
    pub const fn is_second(self) -> bool {
        matches!(self, Self::I386 | Self::X32)
    }
}

/// One system call on one architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syscall {
    /// Name in the kernel's table.
    pub name: &'static str,
    /// Number.
    pub nr: u32,
    /// Arguments in order, at most six.
    pub args: &'static [Arg],
}

impl Syscall {
    /// A call of which nothing is known but its number: newer than the table, or of a kernel of somebody's own. Its
    /// arguments are its registers, `arg0` to `arg5`, all 64 bits of them.
    #[must_use]
    pub const fn unnamed(nr: u32) -> Self {
        const fn register(name: &'static str) -> Arg {
            Arg { name, kind: Kind::Int { bits: Bits::B64, signed: false } }
        }
        const REGISTERS: &[Arg] = &[
            register("arg0"),
            register("arg1"),
            register("arg2"),
            register("arg3"),
            register("arg4"),
            register("arg5"),
        ];
        Self { name: "syscall", nr, args: REGISTERS }
    }

    /// The position, from 0, and the kind of the argument called `name`.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<(usize, Kind)> {
        self.args.iter().position(|arg| arg.name == name).map(|index| (index, self.args[index].kind))
    }
}

/// The prototype: `openat(dfd, filename, flags, mode)`.
impl fmt::Display for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<&str> = self.args.iter().map(|arg| arg.name).collect();
        write!(f, "{}({})", self.name, args.join(", "))
    }
}

/// An argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arg {
    /// Name, that of the manual page or of the kernel's source.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Int {
        /// How much of it the kernel looks at.
        bits: Bits,
        /// Whether the kernel reads it as signed.
        signed: bool,
    },
    /// A file descriptor, 32 bits; its named constants (`AT_FDCWD`) are the set `fd`.
    Fd,
    /// An address. What lies there cannot be filtered.
    Pointer,
    /// One of a set of constants.
    Enum {
        /// The set, see [`crate::constant`].
        set: &'static str,
        /// How much of it the kernel looks at.
        bits: Bits,
        /// Whether the kernel reads it as signed.
        signed: bool,
    },
    /// An OR of constants of a set.
    Flags {
        /// The set, see [`crate::constant`].
        set: &'static str,
        /// How much of it the kernel looks at.
        bits: Bits,
        /// Whether the kernel reads it as signed.
        signed: bool,
    },
}

impl Kind {
    /// The type of C that has the width that the kernel looks at.
    #[must_use]
    pub const fn c_type(self) -> &'static str {
        match self {
            Self::Pointer => "void *",
            Self::Fd => "int",
            Self::Int { bits, signed }
            | Self::Enum { bits, signed, .. }
            | Self::Flags { bits, signed, .. } => match (bits, signed) {
                (Bits::B16, _) => "unsigned short",
                (Bits::B32, true) => "int",
                (Bits::B32, false) => "unsigned int",
                (Bits::B64, true) => "long",
                (Bits::B64, false) => "unsigned long",
            },
        }
    }

    /// How much of the argument the kernel looks at.
    #[must_use]
    pub const fn bits(self) -> Bits {
        match self {
            Self::Int { bits, .. } | Self::Enum { bits, .. } | Self::Flags { bits, .. } => bits,
            Self::Fd => Bits::B32,
            Self::Pointer => Bits::B64,
        }
    }

    /// The set of constants that may stand for its value.
    #[must_use]
    pub const fn set(self) -> Option<&'static str> {
        match self {
            Self::Enum { set, .. } | Self::Flags { set, .. } => Some(set),
            Self::Fd => Some("fd"),
            Self::Int { .. } | Self::Pointer => None,
        }
    }

    /// Whether the kernel reads it as signed: `-1` is then its largest value in an unsigned comparison.
    #[must_use]
    pub const fn signed(self) -> bool {
        match self {
            Self::Int { signed, .. } | Self::Enum { signed, .. } | Self::Flags { signed, .. } => signed,
            Self::Fd => true,
            Self::Pointer => false,
        }
    }
}

/// How much of an argument the kernel looks at, from the lowest bit. Bits above are the caller's garbage: a
/// filter that compares them can be passed by setting one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bits {
    /// 16 (`umode_t`). A filter compares these under the mask `0xffff`.
    B16,
    /// 32.
    B32,
    /// All 64.
    B64,
}

impl Bits {
    /// All of them set.
    #[must_use]
    pub const fn mask(self) -> u64 {
        match self {
            Self::B16 => 0xffff,
            Self::B32 => 0xffff_ffff,
            Self::B64 => u64::MAX,
        }
    }
}

/// Every call of `arch`, by number.
#[must_use]
pub fn all(arch: Arch) -> &'static [Syscall] {
    match arch {
        Arch::X86_64 => X86_64,
        Arch::Aarch64 => AARCH64,
        Arch::I386 => I386,
        Arch::X32 => X32,
    }
}

/// The call named `name` on `arch`.
#[must_use]
pub fn find(arch: Arch, name: &str) -> Option<&'static Syscall> {
    all(arch).iter().find(|call| call.name == name)
}

/// The call with number `nr` on `arch`.
#[must_use]
pub fn by_number(arch: Arch, nr: u32) -> Option<&'static Syscall> {
    let calls = all(arch);
    calls.binary_search_by_key(&nr, |call| call.nr).ok().map(|index| &calls[index])
}

/// The highest number that the table of `arch` has.
#[must_use]
pub fn highest(arch: Arch) -> u32 {
    all(arch).last().map_or(0, |call| call.nr)
}

/// How often programs make the call named `name`, in 1/100,000 of all calls; 0 where it was not seen.
///
/// It is a mean over a few dozen ordinary programs (`data/frequency.tsv` names them): good for what to test first,
/// and for nothing else.
#[must_use]
pub fn frequency(name: &str) -> u32 {
    FREQUENCIES.iter().find(|(_, known)| *known == name).map_or(0, |(share, _)| *share)
}

/// The version of Linux that first had the call named `name`, such as `5.6`; 1.0 for that or an earlier one. `None`
/// for names that never did anything.
#[must_use]
pub fn since(name: &str) -> Option<&'static str> {
    SINCE.iter().find(|(known, _)| *known == name).map(|(_, version)| *version)
}
