//! The sections of a plan and the bounds of each.

use crate::network::Network;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A plan file is at most this long.
pub const PLAN_BYTES_MAX: usize = 1 << 20;
/// Parameters in one plan.
pub const PARAMS_MAX: usize = 32;
/// Mounts in one plan.
pub const MOUNTS_MAX: usize = 256;
/// Denied paths in one plan.
pub const DENIES_MAX: usize = 256;
/// Generated files in one plan.
pub const FILES_MAX: usize = 32;
/// Environment rules in one plan.
pub const ENV_MAX: usize = 256;
/// Words of the default command.
pub const COMMAND_MAX: usize = 256;
/// Places in the policy that a plan can point to.
pub const ORIGINS_MAX: usize = 4096;
/// Bytes of [`Origin::text`].
pub const ORIGIN_TEXT_BYTES_MAX: usize = 200;
/// Bytes of one path; `PATH_MAX` of limits.h counts the final NUL.
pub const PATH_BYTES_MAX: usize = 4095;
/// Bytes of one string that is not a path.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a host name; `__NEW_UTS_LEN` of linux/utsname.h.
pub const HOSTNAME_BYTES_MAX: usize = 64;
/// Instructions of one filter; `BPF_MAXINSNS` of linux/bpf_common.h.
pub const FILTER_INSTRUCTIONS_MAX: usize = 4096;
/// Bytes of one instruction; `struct sock_filter` of linux/filter.h.
pub const INSTRUCTION_BYTES: usize = 8;
/// Architectures that a plan can carry a filter for.
pub const FILTERS_MAX: usize = 4;
/// The highest capability that a plan can keep; `CAP_LAST_CAP` of linux/capability.h, Linux 5.9 to 6.18.
pub const CAPABILITY_MAX: u32 = 40;

/// Fewest bytes of [`Limits::memory_bytes`]: with less, no program is loaded.
pub const MEMORY_BYTES_MIN: u64 = 1 << 20;
/// Most bytes of [`Limits::memory_bytes`] (1 PiB), so that sums stay in range.
pub const MEMORY_BYTES_MAX: u64 = 1 << 50;
/// Most of [`Limits::pids`]; `PID_MAX_LIMIT` of linux/threads.h.
pub const PIDS_MAX: u32 = 1 << 22;
/// Most of [`Limits::cpu_percent`]; 8192 is the largest `NR_CPUS` of x86 (arch/x86/Kconfig).
pub const CPU_PERCENT_MAX: u32 = 100 * 8192;
/// Most of [`Limits::wall_ms`]: a year.
pub const WALL_MS_MAX: u64 = 366 * 24 * 3600 * 1000;
/// Fewest of [`Limits::files`]: what a shell and its libraries need.
pub const OPEN_FILES_MIN: u32 = 16;
/// Most of [`Limits::files`]; the default of fs.nr_open, proc(5).
pub const OPEN_FILES_MAX: u32 = 1 << 20;

/// A plan as decoded, not yet checked. The launcher takes a [`crate::CheckedPlan`] instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan<'a> {
    /// What the host must be.
    pub target: Target,
    /// Which policy this came from.
    #[serde(borrow)]
    pub policy: PolicyId<'a>,
    /// Parameters that are bound at launch, in the order of the policy.
    #[serde(borrow)]
    pub params: Vec<Param<'a>>,
    /// Who the command is, inside.
    #[serde(borrow)]
    pub identity: Identity<'a>,
    /// What is mounted in the new root.
    #[serde(borrow)]
    pub mounts: Vec<Mount<'a>>,
    /// What is taken away from the mounts again.
    #[serde(borrow)]
    pub denies: Vec<Deny<'a>>,
    /// Small files that the compiler writes into the new root, such as /etc/passwd.
    #[serde(borrow)]
    pub files: Vec<File<'a>>,
    /// What is reached over the network.
    #[serde(borrow)]
    pub network: Network<'a>,
    /// Resource limits.
    pub limits: Limits,
    /// Seccomp programs, one for each architecture that the plan can run on.
    #[serde(borrow)]
    pub filters: Vec<Filter<'a>>,
    /// Environment of the command: nothing is passed that is not named here.
    #[serde(borrow)]
    pub env: Vec<Env<'a>>,
    /// The command when none is given at launch; may be empty.
    #[serde(borrow)]
    pub command: Vec<&'a str>,
    /// Places in the policy that sections point to by index.
    #[serde(borrow)]
    pub origins: Vec<Origin<'a>>,
}

/// An index into [`Plan::origins`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OriginId(pub u16);

/// A line of a policy or of a profile that it includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin<'a> {
    /// File as the compiler was given it, or `std.base` for a standard profile.
    pub file: &'a str,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What stands there, without leading and trailing space; at most [`ORIGIN_TEXT_BYTES_MAX`] bytes.
    pub text: &'a str,
}

/// Instruction sets that a plan can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Arch {
    /// `AUDIT_ARCH_X86_64`.
    X86_64,
    /// `AUDIT_ARCH_AARCH64`.
    Aarch64,
}

impl Arch {
    /// The architecture this code runs on, `None` where plans can't run.
    pub const HOST: Option<Arch> = if cfg!(target_arch = "x86_64") {
        Some(Arch::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Arch::Aarch64)
    } else {
        None
    };

    /// The value of `seccomp_data.arch`; `AUDIT_ARCH_*` of linux/audit.h.
    #[must_use]
    pub const fn audit(self) -> u32 {
        match self {
            Arch::X86_64 => 0xC000_003E,
            Arch::Aarch64 => 0xC000_00B7,
        }
    }
}

/// What the host must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Least kernel, major and minor: the newest interface that the plan needs decides.
    pub kernel_min: (u16, u16),
}

/// Which policy a plan came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyId<'a> {
    /// Name after `policy`.
    pub name: &'a str,
    /// Edition of the language.
    pub edition: u16,
    /// SHA-256 of the canonical policy.
    pub sha256: [u8; 32],
    /// The line that begins the policy.
    pub origin: OriginId,
}

/// A parameter that `--set NAME=VALUE` binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param<'a> {
    /// Name without `$`.
    pub name: &'a str,
    /// What the value must be.
    pub kind: ParamKind,
    /// The value when `--set` gives none; without one the parameter is required.
    #[serde(borrow)]
    pub default: Option<&'a str>,
    /// Where it is declared.
    pub origin: OriginId,
}

/// What the value of a parameter must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParamKind {
    /// A directory that exists.
    Dir,
    /// A regular file that exists.
    File,
    /// Any text without NUL.
    Text,
    /// The name of a host, in a form that msb-host reads.
    Host,
    /// Where a secret is: `env:NAME`, `file:PATH` or `fd:N` ([`crate::handover`]); never the secret.
    Secret,
}

/// A path: a base and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path<'a> {
    /// Where it starts.
    pub base: Base,
    /// What follows, without a leading or trailing `/`, `.`, `..` or empty component; "" is the base.
    pub rest: &'a str,
}

/// Where a path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Base {
    /// `/`.
    Root,
    /// `~`: `$HOME` of the user who launches.
    Home,
    /// A parameter of kind [`ParamKind::Dir`] or [`ParamKind::File`], by index.
    Param(u8),
}

/// Who the command is, inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity<'a> {
    /// User id inside; never 0.
    pub uid: u32,
    /// Group id inside; never 0.
    pub gid: u32,
    /// Host name inside.
    pub hostname: &'a str,
    /// Working directory, a path inside; `None` is `/`.
    #[serde(borrow)]
    pub cwd: Option<(Path<'a>, OriginId)>,
    /// Bit n keeps capability n (capabilities(7)) in every set; 0 keeps none.
    pub capabilities: u64,
    /// The line that keeps them, or the policy's.
    pub origin: OriginId,
}

/// One entry of the mount table. Order carries no meaning: the launcher mounts parents first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount<'a> {
    /// Where it appears, a path inside.
    #[serde(borrow)]
    pub target: Path<'a>,
    /// What appears there.
    #[serde(borrow)]
    pub kind: MountKind<'a>,
    /// Whether a source that does not exist is passed over.
    pub presence: Presence,
    /// The line that asked.
    pub origin: OriginId,
}

/// What a mount shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind<'a> {
    /// A file or directory of the host, nosuid and nodev, with everything mounted below it.
    Bind {
        /// Path on the host.
        #[serde(borrow)]
        source: Path<'a>,
        /// Read only unless `write`, noexec unless `run`.
        rights: Rights,
    },
    /// An empty tmpfs, nosuid and nodev, gone at the end.
    Scratch {
        /// Bytes; 0 is refused.
        size_bytes: u64,
        /// Files and directories; 0 is refused.
        inodes: u64,
        /// Noexec unless `run`.
        rights: Rights,
    },
    /// procfs of the sandbox's own pid namespace.
    Proc(ProcScope),
    /// null, zero, full, random, urandom, the fd links, a private devpts and a /dev/shm of this size.
    Dev {
        /// Bytes of /dev/shm; 0 is refused.
        shm_bytes: u64,
    },
}

/// How much of procfs is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcScope {
    /// Process directories alone: `subset=pid` of proc(5), Linux 5.8.
    Processes,
}

/// Whether a mount may be passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// A missing source ends the launch.
    Required,
    /// A missing source is passed over; any other error ends the launch.
    Optional,
}

/// A set of rights on a path: bits [`Rights::READ`], [`Rights::WRITE`], [`Rights::RUN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rights(pub u8);

impl Rights {
    /// No right.
    pub const NONE: Rights = Rights(0);
    /// Open for reading, list, stat.
    pub const READ: Rights = Rights(1);
    /// Change, create, remove, rename.
    pub const WRITE: Rights = Rights(2);
    /// execve, and mmap with `PROT_EXEC`.
    pub const RUN: Rights = Rights(4);
    /// All three.
    pub const ALL: Rights = Rights(7);

    /// Whether every right of `other` is here.
    #[must_use]
    pub const fn contains(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }

    /// The rights of both.
    #[must_use]
    pub const fn union(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// The rights that are here and not in `other`.
    #[must_use]
    pub const fn minus(self, other: Rights) -> Rights {
        Rights(self.0 & !other.0)
    }
}

/// A path that is denied wherever a mount would show it.
///
/// It names a place on the host (found below the source of any bind) and, with [`Base::Root`], also a
/// path inside: a deny holds by either name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deny<'a> {
    /// What is denied, with everything below it.
    #[serde(borrow)]
    pub path: Path<'a>,
    /// The rights that are taken away. Without [`Rights::READ`] nothing of the path is left.
    pub rights: Rights,
    /// What happens when nothing is there and the program could create it.
    pub missing: Missing,
    /// The line that asked.
    pub origin: OriginId,
}

/// What happens when a denied path does not exist below a writable mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// An empty placeholder file is put there and denied; it is removed at the end.
    MaskFile,
    /// The same with a directory.
    MaskDir,
    /// The launch fails.
    Fail,
    /// Nothing: the program may create it.
    Skip,
}

/// A small file in the new root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct File<'a> {
    /// Absolute path inside, base [`Base::Root`].
    #[serde(borrow)]
    pub path: Path<'a>,
    /// Its content; mode 0444.
    #[serde(serialize_with = "bytes")]
    pub content: &'a [u8],
    /// The line that asked.
    pub origin: OriginId,
}

/// A value and the line that set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit<T> {
    /// In the unit that the field's name says.
    pub value: T,
    /// The line that asked.
    pub origin: OriginId,
}

/// Resource limits of the whole sandbox. `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Whether a cgroup must hold memory, pids and cpu.
    pub hold: Hold,
    /// Memory of all processes and scratch mounts together, swap included.
    pub memory_bytes: Option<Limit<u64>>,
    /// Processes and threads.
    pub pids: Option<Limit<u32>>,
    /// Share of one CPU in percent: 100 is one CPU, 250 two and a half.
    pub cpu_percent: Option<Limit<u32>>,
    /// Time until everything is killed, from just before the sandbox's first process is made: setting it up counts.
    pub wall_ms: Option<Limit<u64>>,
    /// Open descriptors of each process (`RLIMIT_NOFILE`).
    pub files: Option<Limit<u32>>,
}

/// What holds memory, pids and cpu.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// A cgroup where one can be had, else rlimits and the launcher's watch, and the user is told.
    Best,
    /// A cgroup or no launch (`limits hard`).
    Cgroup,
}

/// A seccomp program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter<'a> {
    /// The architecture it is for; one program each.
    pub arch: Arch,
    /// Whether it returns `SECCOMP_RET_USER_NOTIF`, so that a listener must be there.
    pub listener: Listener,
    /// `struct sock_filter` after `struct sock_filter`, little endian (linux/filter.h).
    #[serde(serialize_with = "bytes")]
    pub program: &'a [u8],
    /// The line that begins the rules.
    pub origin: OriginId,
}

/// Whether a filter needs someone to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listener {
    /// The kernel decides alone.
    None,
    /// Denied calls are answered, and reported, by the process at the other end of `--notify-fd`.
    Required,
}

/// A rule of the environment. No name is in two of them; a variable that one rule sets and the prefix of
/// another would pass is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Env<'a> {
    /// Passes the variable of this name, if it is set.
    Pass {
        /// The whole name.
        name: &'a str,
    },
    /// Passes every variable whose name begins so.
    PassPrefix {
        /// The beginning of the name.
        prefix: &'a str,
    },
    /// Sets a variable.
    Set {
        /// The whole name.
        name: &'a str,
        /// Its value.
        #[serde(borrow)]
        value: Text<'a>,
    },
}

/// A text known at compile time or bound at launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Text<'a> {
    /// Known.
    Literal(&'a str),
    /// A parameter of kind [`ParamKind::Text`], by index.
    Param(u8),
}

/// Writes a byte string in one piece: serde's own way for `&[u8]` is byte by byte, with the same result.
pub(crate) fn bytes<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(bytes)
}
