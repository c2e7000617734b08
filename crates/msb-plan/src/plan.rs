//! The sections of a plan and the bounds of each.

use crate::event::LimitKind;
use crate::network::Network;
use alloc::vec::Vec;
use serde::Serialize;

/// A plan file is at most this long.
pub const PLAN_BYTES_MAX: usize = 1 << 20;
/// Parameters in one plan.
pub const PARAMS_MAX: usize = 32;
/// Mounts in one plan.
pub const MOUNTS_MAX: usize = 256;
/// Denied paths in one plan.
pub const DENIES_MAX: usize = 256;
/// Searches for denied paths in one plan.
pub const SEARCHES_MAX: usize = 256;
/// Most of [`Search::depth`]: deeper than anybody keeps repositories, and one open directory a level.
pub const SEARCH_DEPTH_MAX: u8 = 16;
/// Generated files in one plan.
pub const FILES_MAX: usize = 32;
/// Claims in one plan.
pub const CLAIMS_MAX: usize = 256;
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
/// [`Identity::hostname`] where the policy names none.
pub const HOSTNAME_DEFAULT: &str = "sandbox";
/// [`Identity::uid`] and [`Identity::gid`] where the policy names none.
pub const ID_DEFAULT: u32 = 1000;
/// Instructions of one filter; `BPF_MAXINSNS` of linux/bpf_common.h.
pub const FILTER_INSTRUCTIONS_MAX: usize = 4096;
/// Bytes of one instruction; `struct sock_filter` of linux/filter.h.
pub const INSTRUCTION_BYTES: usize = 8;
/// Bytes of one entry of [`Filter::kills`].
pub const KILL_BYTES: usize = 6;
/// Entries of [`Filter::kills`]: more than there are system calls.
pub const KILLS_MAX: usize = 1024;
/// Newest version of Landlock that a plan can ask for: Linux 6.15.
pub const LANDLOCK_ABI_MAX: u8 = 7;
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
/// Most of [`Limits::io_weight`]; `CGROUP_WEIGHT_MAX` of linux/cgroup.h.
pub const IO_WEIGHT_MAX: u64 = 10_000;
/// Fewest of [`Limits::io_bytes_per_s`]: a kibibyte; with less nothing is ever loaded.
pub const IO_BYTES_MIN: u64 = 1 << 10;
/// Most of [`Limits::cpuset`]; `NR_CPUS` as above.
pub const CPUSET_MAX: u64 = 8192;
/// Fewest of [`Limits::cpu_time_ms`]: between two looks of the launcher a program can use as much.
pub const CPU_TIME_MS_MIN: u64 = 10;
/// Fewest of [`Limits::files`]: what a shell and its libraries need.
pub const OPEN_FILES_MIN: u32 = 16;
/// Most of [`Limits::files`]; the default of fs.nr_open, proc(5).
pub const OPEN_FILES_MAX: u32 = 1 << 20;

/// A plan as decoded, not yet checked. The launcher takes a [`crate::CheckedPlan`] instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan<'a> {
    /// What the host must be.
    pub target: Target,
    /// Which policy this came from.
    pub policy: PolicyId<'a>,
    /// Parameters that are bound at launch, in the order of the policy.
    pub params: Vec<Param<'a>>,
    /// Who the command is, inside.
    pub identity: Identity<'a>,
    /// What is mounted in the new root.
    pub mounts: Vec<Mount<'a>>,
    /// What is taken away from the mounts again.
    pub denies: Vec<Deny<'a>>,
    /// What is taken away where a search at launch finds it; those of one root are made in one walk where they follow
    /// each other.
    pub searches: Vec<Search<'a>>,
    /// Small files that the compiler writes into the new root, such as /etc/passwd.
    pub files: Vec<File<'a>>,
    /// What the policy asserts of paths, and what depends on where parameters lie: decided by the launcher.
    pub claims: Vec<Claim<'a>>,
    /// What is reached over the network.
    pub network: Network<'a>,
    /// Resource limits.
    pub limits: Limits,
    /// Seccomp programs, one for each architecture that the plan can run on.
    pub filters: Vec<Filter<'a>>,
    /// Environment of the command: nothing is passed that is not named here.
    pub env: Vec<Env<'a>>,
    /// The command when none is given at launch; may be empty.
    pub command: Vec<&'a str>,
    /// Places in the policy that sections point to by index.
    pub origins: Vec<Origin<'a>>,
}

/// An index into [`Plan::origins`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct OriginId(pub u16);

/// A line of a policy or of a profile that it includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Least kernel, major and minor: the newest interface that the plan needs decides.
    pub kernel_min: (u16, u16),
    /// Least version of Landlock; 0 asks for none, since the mounts hold the same rules. What the kernel has is
    /// applied in any case.
    pub landlock_abi_min: u8,
    /// The least that must hold a launch.
    pub tier_min: Tier,
    /// The line that asks for Landlock, or that accepts the lesser tier, or the policy's.
    pub origin: OriginId,
}

/// What holds a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Tier {
    /// Landlock, the filter and resource limits, on hosts that refuse user namespaces: what they do not hold ends the
    /// launch.
    Landlock,
    /// Namespaces and mounts, and the same behind them.
    Full,
}

/// Which policy a plan came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Param<'a> {
    /// Name without `$`.
    pub name: &'a str,
    /// What the value must be.
    pub kind: ParamKind,
    /// The value when `--set` gives none; without one the parameter is required.
    pub default: Option<&'a str>,
    /// Where it is declared.
    pub origin: OriginId,
}

/// What the value of a parameter must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ParamKind {
    /// A directory that exists.
    Dir,
    /// A regular file that exists.
    File,
    /// Any text without NUL.
    Text,
    /// The name of a host, in a form that msb-host reads.
    Host,
    /// Where a secret is: `env:NAME`, `file:PATH`, `fd:N` or `command:PROGRAM` ([`crate::handover`]); never the secret.
    Secret,
}

/// A path: a base and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Path<'a> {
    /// Where it starts.
    pub base: Base,
    /// What follows, without a leading or trailing `/`, `.`, `..` or empty component; "" is the base.
    pub rest: &'a str,
}

/// Where a path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Base {
    /// `/`.
    Root,
    /// `~`: `$HOME` of the user who launches.
    Home,
    /// A parameter of kind [`ParamKind::Dir`] or [`ParamKind::File`], by index.
    Param(u8),
}

/// Who the command is, inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Identity<'a> {
    /// User id inside; never 0.
    pub uid: u32,
    /// Group id inside; never 0.
    pub gid: u32,
    /// Host name inside.
    pub hostname: &'a str,
    /// Working directory, a path inside; `None` is `/`.
    pub cwd: Option<(Path<'a>, OriginId)>,
    /// Bit n keeps capability n (capabilities(7)) in every set; 0 keeps none.
    pub capabilities: u64,
    /// Which session keyring its processes have.
    pub keyring: Keyring,
    /// The line that gives the command a terminal of its own, in the devpts of [`MountKind::Dev`], and relays between it
    /// and that of who launches; `None` is a session without a controlling terminal.
    pub terminal: Option<OriginId>,
    /// The line that refuses memory which is, or was, writable and becomes executable (`PR_SET_MDWE`, Linux 6.3).
    pub write_execute_denied: Option<OriginId>,
    /// Whether its processes see what is mounted where.
    pub mount_table: MountTable,
    /// The line that keeps the capabilities, or the policy's.
    pub origin: OriginId,
}

/// Which session keyring the processes inside have; session-keyring(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Keyring {
    /// That of who launches, which nothing inside can name: the filter allows no call for keys.
    Unreachable,
    /// A new and empty one.
    New,
}

/// Whether processes inside see the table of mounts, /proc/self/mountinfo: it has the paths that the host calls them
/// by, and so the names of its users; proc_pid_mountinfo(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MountTable {
    /// It is empty. Their root is then not that of their mount namespace, for which the kernel refuses them user
    /// namespaces (unshare(2), `EPERM`) and every change of mounts (mount(2), `EINVAL`).
    Hidden,
    /// They see it: the filter lets a program make namespaces or mounts of its own.
    Shown,
}

/// One entry of the mount table. Order carries no meaning: the launcher mounts parents first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mount<'a> {
    /// Where it appears, a path inside.
    pub target: Path<'a>,
    /// What appears there.
    pub kind: MountKind<'a>,
    /// Whether a source that does not exist is passed over.
    pub presence: Presence,
    /// The line that asked.
    pub origin: OriginId,
}

/// What a mount shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MountKind<'a> {
    /// A file or directory of the host, nosuid and nodev, with everything mounted below it.
    Bind {
        /// Path on the host.
        source: Path<'a>,
        /// Read only unless `write`, noexec unless `run`.
        rights: Rights,
        /// What happens when the source is named by a symbolic link.
        links: Links,
    },
    /// A directory of the host whose changes go to memory and are gone at the end (overlayfs in a user
    /// namespace, Linux 5.11), nosuid and nodev.
    Overlay {
        /// Path on the host.
        source: Path<'a>,
        /// What happens when the source is named by a symbolic link.
        links: Links,
        /// Bytes of all changes; 0 is refused.
        size_bytes: u64,
        /// Files and directories that changes make; 0 is refused.
        inodes: u64,
        /// Noexec unless `run`.
        rights: Rights,
    },
    /// A device node of the host, which opens for reading and writing as far as its mode lets the user.
    Device {
        /// Path on the host; no part of it may be a symbolic link.
        source: Path<'a>,
    },
    /// A unix socket of the host that can be connected to.
    Socket {
        /// Path on the host.
        source: Path<'a>,
        /// What happens when the source is named by a symbolic link.
        links: Links,
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

/// What happens when the path of a source leads through a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Links {
    /// It is followed.
    Follow,
    /// The launch fails.
    Refuse,
}

impl<'a> MountKind<'a> {
    /// What of the host is shown, and what happens when its path leads through a symbolic link.
    #[must_use]
    pub const fn source(self) -> Option<(Path<'a>, Links)> {
        match self {
            MountKind::Bind { source, links, .. }
            | MountKind::Overlay { source, links, .. }
            | MountKind::Socket { source, links } => Some((source, links)),
            MountKind::Device { source } => Some((source, Links::Refuse)),
            MountKind::Scratch { .. } | MountKind::Proc(_) | MountKind::Dev { .. } => None,
        }
    }
}

/// How much of procfs is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ProcScope {
    /// Process directories alone: `subset=pid` of proc(5), Linux 5.8.
    Processes,
    /// Everything, read only: counters and settings of the kernel too, the dangerous ones taken away.
    All,
}

/// Whether a mount may be passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Presence {
    /// A missing source ends the launch.
    Required,
    /// A missing source is passed over; any other error ends the launch.
    Optional,
}

/// A set of rights on a path: bits [`Rights::READ`], [`Rights::WRITE`], [`Rights::RUN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Deny<'a> {
    /// What is denied, with everything below it.
    pub path: Path<'a>,
    /// The rights that are taken away. Without [`Rights::READ`] nothing of the path is left.
    pub rights: Rights,
    /// What happens when nothing is there and the program could create it.
    pub missing: Missing,
    /// The line that asked.
    pub origin: OriginId,
}

/// A path that is denied in each directory where a search at launch finds another.
///
/// Each directory at most `depth` levels below `root`, `root` itself included, in which `beside` exists has a deny of
/// `rest` in it, as [`Deny`] has one. Symbolic links are not searched through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Search<'a> {
    /// Where it begins; as far as mounts show it.
    pub root: Path<'a>,
    /// How many levels below `root` are searched, at most [`SEARCH_DEPTH_MAX`].
    pub depth: u8,
    /// One component: what must be there, whatever it is.
    pub beside: &'a str,
    /// What is denied, below the directory that holds `beside`; never "".
    pub rest: &'a str,
    /// The rights that are taken away.
    pub rights: Rights,
    /// What happens when nothing is at `rest`, and the program could create it.
    pub missing: Missing,
    /// The line that asked.
    pub origin: OriginId,
}

/// What happens when a denied path does not exist below a writable mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Missing {
    /// An empty placeholder file is put there and denied; it is removed at the end.
    MaskFile,
    /// The same with a file that says `.`: git takes an empty .git/commondir for a broken repository, and this one
    /// for what is true without any (gitrepository-layout(5)).
    MaskDot,
    /// The same with a directory.
    MaskDir,
    /// The launch fails.
    Fail,
    /// Nothing: the program may create it.
    Skip,
}

/// A small file in the new root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct File<'a> {
    /// Absolute path inside, base [`Base::Root`].
    pub path: Path<'a>,
    /// Its content; mode 0444.
    #[serde(serialize_with = "bytes")]
    pub content: &'a [u8],
    /// The line that asked.
    pub origin: OriginId,
}

/// What a policy asserts of a path. A launch for which it does not hold ends before anything is started.
///
/// With [`Base::Root`] the path is a name inside. Otherwise it is the host's file, by whatever name a mount shows it, or
/// what a mount whose target has the same base puts inside by that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Claim<'a> {
    /// What it is about.
    pub path: Path<'a>,
    /// The one right that it is about.
    pub right: Rights,
    /// How much of the path it is about.
    pub extent: Extent,
    /// What must hold.
    pub expected: Expected,
    /// The line of the claim.
    pub origin: OriginId,
}

/// How much of a path a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Extent {
    /// The path itself.
    Path,
    /// And everything below it: something is allowed where anything of it is.
    Below,
}

/// What a claim says of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Expected {
    /// It is allowed.
    Allowed,
    /// It is denied.
    Denied,
}

/// A value and the line that set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limit<T> {
    /// In the unit that the field's name says.
    pub value: T,
    /// The line that asked.
    pub origin: OriginId,
}

/// Resource limits of the whole sandbox. `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Limits {
    /// Whether a cgroup must hold what it can.
    pub hold: Hold,
    /// Memory of all processes and scratch mounts together, swap included but for what `swap_bytes` adds.
    pub memory_bytes: Option<Limit<u64>>,
    /// Swap besides `memory_bytes`, which must be there; `None` is 0 where memory is limited.
    pub swap_bytes: Option<Limit<u64>>,
    /// Processes and threads.
    pub pids: Option<Limit<u32>>,
    /// Share of one CPU in percent: 100 is one CPU, 250 two and a half.
    pub cpu_percent: Option<Limit<u32>>,
    /// Time until everything is killed, from just before the sandbox's first process is made: setting it up counts.
    pub wall_ms: Option<Limit<u64>>,
    /// Open descriptors of each process (`RLIMIT_NOFILE`).
    pub files: Option<Limit<u32>>,
    /// How many CPUs it may run on, of those that the launcher may.
    pub cpuset: Option<Limit<u64>>,
    /// Time on CPUs, user and system, of all processes together; also of each one (`RLIMIT_CPU`).
    pub cpu_time_ms: Option<Limit<u64>>,
    /// Bytes a second from, and as many to, each block device of the host.
    pub io_bytes_per_s: Option<Limit<u64>>,
    /// Share of block devices where others want them too; 100 is the kernel's default.
    pub io_weight: Option<Limit<u64>>,
    /// Bytes of standard output and standard error together until everything is killed.
    pub output_bytes: Option<Limit<u64>>,
    /// Bytes of each file that is written (`RLIMIT_FSIZE`).
    pub file_bytes: Option<Limit<u64>>,
}

impl Limits {
    /// Every limit that is set, in the order of [`LimitKind::ALL`].
    pub fn each(&self) -> impl Iterator<Item = (LimitKind, Limit<u64>)> {
        LimitKind::ALL.iter().filter_map(|kind| Some((*kind, self.get(*kind)?)))
    }

    /// The limit of this kind.
    #[must_use]
    #[inline(never)]
    pub fn get(&self, kind: LimitKind) -> Option<Limit<u64>> {
        fn wide(limit: Option<Limit<u32>>) -> Option<Limit<u64>> {
            limit.map(|Limit { value, origin }| Limit { value: u64::from(value), origin })
        }
        match kind {
            LimitKind::Memory => self.memory_bytes,
            LimitKind::Swap => self.swap_bytes,
            LimitKind::Pids => wide(self.pids),
            LimitKind::Cpu => wide(self.cpu_percent),
            LimitKind::Cpuset => self.cpuset,
            LimitKind::CpuTime => self.cpu_time_ms,
            LimitKind::Wall => self.wall_ms,
            LimitKind::Files => wide(self.files),
            LimitKind::FileSize => self.file_bytes,
            LimitKind::Io => self.io_bytes_per_s,
            LimitKind::IoWeight => self.io_weight,
            LimitKind::Output => self.output_bytes,
        }
    }
}

/// What holds the limits that a cgroup can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Hold {
    /// A cgroup where one can be had, else rlimits and the launcher's watch, and the user is told.
    #[default]
    Best,
    /// A cgroup or no launch (`limits hard`).
    Cgroup,
}

/// A seccomp program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Filter<'a> {
    /// The architecture it is for; one program each.
    pub arch: Arch,
    /// Whether it returns `SECCOMP_RET_USER_NOTIF`, so that a listener must be there.
    pub listener: Listener,
    /// `struct sock_filter` after `struct sock_filter`, little endian (linux/filter.h).
    #[serde(serialize_with = "bytes")]
    pub program: &'a [u8],
    /// Which system calls some arguments of which kill, and the line that says so, by ascending number: for each a
    /// `u32` and the `u16` of an [`OriginId`], little endian. It only tells a person why a run ended.
    #[serde(serialize_with = "bytes")]
    pub kills: &'a [u8],
    /// The line that begins the rules.
    pub origin: OriginId,
}

impl Filter<'_> {
    /// The entries of [`Filter::kills`].
    pub fn killing(&self) -> impl Iterator<Item = (u32, OriginId)> + '_ {
        self.kills.as_chunks::<KILL_BYTES>().0.iter().map(|[a, b, c, d, origin @ ..]| {
            (u32::from_le_bytes([*a, *b, *c, *d]), OriginId(u16::from_le_bytes(*origin)))
        })
    }
}

/// Whether a filter has someone answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Listener {
    /// The kernel decides alone.
    None,
    /// Every call that would fail is answered, and reported, by the process that takes the listener; without one
    /// the plan is not launched.
    Required,
    /// Some calls are asked about (`notify`): where nobody takes the listener they fail with ENOSYS
    /// (seccomp_unotify(2)).
    Optional,
}

/// A rule of the environment. No name is in two of them; a variable that one rule sets and the prefix of
/// another would pass is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
        value: Text<'a>,
    },
}

/// A text known at compile time or bound at launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
