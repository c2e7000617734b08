//! What a policy means, with every include resolved and every unit gone.

use crate::net::{Endpoint, Net};
use crate::{Access, Search, Tool};
pub use msb_syscalls::{Arch, Machine};

/// One effective policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Name after `policy`.
    pub name: String,
    /// Edition of the language.
    pub edition: u16,
    /// The line that begins it.
    pub origin: OriginId,
    /// Parameters that stay open until launch.
    pub params: Vec<Param>,
    /// File system rules; what no rule grants does not exist inside.
    pub fs: Vec<FsRule>,
    /// The network.
    pub net: Net,
    /// System call rules, implied ones included.
    pub syscalls: Vec<SyscallRule>,
    /// What happens to a call that exists and that no rule names.
    pub syscall_default: (SyscallAction, OriginId),
    /// The architectures whose calls `syscalls` decides, each once and in order; calls of all others are refused.
    pub archs: Vec<Arch>,
    /// Resource limits.
    pub limits: Limits,
    /// Capabilities that are kept, as bits of capabilities(7), and the line that keeps them.
    pub capabilities: (u64, OriginId),
    /// Environment rules; what no rule passes or sets is absent.
    pub env: Vec<EnvRule>,
    /// Identity and default command.
    pub exec: Exec,
    /// What can be called outside of the sandbox.
    pub tools: Vec<Tool>,
    /// What the kernel must have.
    pub sandbox: Sandbox,
    /// What it asserts and what depends on its parameters: decided when they are known.
    pub claims: Vec<OpenClaim>,
    /// Places in the sources; [`OriginId`] is an index.
    pub origins: Vec<Origin>,
}

impl Policy {
    /// A policy that allows nothing: no file, no call (EPERM), no network, no variable. Everything comes from
    /// `origin`, which is for the caller to add.
    #[must_use]
    pub fn closed(name: &str, arch: Arch, origin: OriginId) -> Policy {
        Policy {
            name: name.to_owned(),
            edition: 2026,
            origin,
            params: Vec::new(),
            fs: Vec::new(),
            net: Net::None { origin },
            syscalls: Vec::new(),
            syscall_default: (SyscallAction::Errno(1), origin),
            archs: vec![arch],
            limits: Limits::default(),
            capabilities: (0, origin),
            env: Vec::new(),
            exec: Exec {
                command: Vec::new(),
                uid: 1000,
                gid: 1000,
                cwd: None,
                hostname: "sandbox".to_owned(),
                terminal: None,
                origin,
            },
            tools: Vec::new(),
            sandbox: Sandbox::default(),
            claims: Vec::new(),
            origins: Vec::new(),
        }
    }
}

/// A claim whose answer depends on what parameters are bound to. It holds for those that lie apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenClaim {
    /// What it is about.
    pub asked: OpenAsked,
    /// What must hold.
    pub expected: Expected,
    /// The line of the claim.
    pub origin: OriginId,
}

/// What a claim that is left open is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OpenAsked {
    /// A path.
    Path {
        /// Which.
        path: Path,
        /// What for.
        access: Access,
        /// Whether it is about everything below, too.
        below: bool,
    },
    /// Connections; a deny of a byte stream is one of what it may carry.
    Connect(Endpoint),
    /// A call of a tool, as a claim says it; nobody decides it again, so that no plan holds it.
    Call(String),
}

/// What a claim says of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expected {
    /// All are allowed.
    Allowed,
    /// All are denied.
    Denied,
}

/// An index into [`Policy::origins`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginId(pub u32);

/// A line of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// File as given, or `std.base` for a standard profile.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What stands there, without leading and trailing space.
    pub text: String,
}

/// A parameter of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Name without `$`.
    pub name: String,
    /// What its value must be.
    pub kind: ParamKind,
    /// Value when launch gives none.
    pub default: Option<String>,
    /// Where it is declared.
    pub origin: OriginId,
}

/// What the value of a parameter must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// Any text.
    Text,
    /// The name of a host, or its address; not bound at launch yet.
    Host,
    /// A text that nobody inside sees; not bound at launch yet.
    Secret,
    /// A number, with or without a unit; not bound at launch yet.
    Number,
}

impl ParamKind {
    /// Whether a launch binds it.
    #[must_use]
    pub const fn is_bound_at_launch(self) -> bool {
        matches!(self, ParamKind::Dir | ParamKind::File | ParamKind::Text)
    }
}

/// A path: a base and normal components after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// Where it starts.
    pub base: Base,
    /// Components joined by `/`, none of them empty, `.` or `..`; "" is the base itself.
    pub rest: String,
}

/// Where a path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// `/`.
    Root,
    /// `~`.
    Home,
    /// A parameter, by index.
    Param(usize),
}

/// Rights on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rights {
    /// Open for reading, list, stat.
    pub read: bool,
    /// Change, create, remove, rename.
    pub write: bool,
    /// Execute, map executable.
    pub run: bool,
}

/// One file system rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsRule {
    /// What it does.
    pub kind: FsKind,
    /// The line.
    pub origin: OriginId,
}

/// What a file system rule does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FsKind {
    /// Shows a file or directory of the host.
    Grant {
        /// Where it is on the host.
        source: Path,
        /// Where it appears inside.
        target: Path,
        /// With these rights; several grants of one source and target add up.
        rights: Rights,
        /// Whether a source that is not there is passed over.
        optional: bool,
        /// What happens when the source is named by a symbolic link; several grants of one source and target
        /// follow only when all do.
        links: Links,
    },
    /// Shows a directory of the host; what is changed below it goes to memory, and is gone at the end.
    Overlay {
        /// Where it is on the host.
        source: Path,
        /// Where it appears inside.
        target: Path,
        /// How much all changes hold.
        size_bytes: u64,
        /// How many files changes make.
        inodes: u64,
        /// Whether what it shows may be executed.
        run: bool,
        /// Whether a source that is not there is passed over.
        optional: bool,
        /// What happens when the source is named by a symbolic link.
        links: Links,
    },
    /// Shows a device node of the host, where it is there.
    Device {
        /// Which.
        path: Path,
        /// Whether one that is not there is passed over.
        optional: bool,
    },
    /// Shows a unix socket of the host, to be connected to.
    Socket {
        /// Where it is on the host.
        source: Path,
        /// Where it appears inside.
        target: Path,
        /// Whether one that is not there is passed over.
        optional: bool,
        /// What happens when it is named by a symbolic link.
        links: Links,
    },
    /// An empty, private tmpfs.
    Scratch {
        /// Where.
        target: Path,
        /// How much it holds.
        size_bytes: u64,
        /// How many files it holds.
        inodes: u64,
    },
    /// Takes rights away from a path and everything below it, by host name or name inside.
    Deny {
        /// What is denied.
        path: Path,
        /// The rights that are taken; all of them for `deny` and `deny read`.
        rights: Rights,
        /// When nothing is there.
        missing: Missing,
    },
    /// Takes rights away in the directories that a search at launch finds. What is made later is not denied.
    DenyFound {
        /// Where, and what.
        search: Search,
        /// The rights that are taken, as of [`FsKind::Deny`].
        rights: Rights,
        /// When nothing is there.
        missing: Missing,
    },
    /// The standard devices at /dev.
    StdDevices,
    /// Process directories of the sandbox's own processes at /proc.
    ProcSelf,
    /// All of procfs at /proc, read only: the kernel's counters and settings too.
    ProcAll,
}

impl FsKind {
    /// What of the host a rule shows, and what happens when its path leads through a symbolic link.
    #[must_use]
    pub fn source(&self) -> Option<(&Path, Links)> {
        match self {
            FsKind::Grant { source, links, .. }
            | FsKind::Overlay { source, links, .. }
            | FsKind::Socket { source, links, .. } => Some((source, *links)),
            FsKind::Device { path, .. } => Some((path, Links::Refuse)),
            FsKind::Scratch { .. }
            | FsKind::Deny { .. }
            | FsKind::DenyFound { .. }
            | FsKind::StdDevices
            | FsKind::ProcSelf
            | FsKind::ProcAll => None,
        }
    }
}

/// What happens when the path of a source leads through a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Links {
    /// It is followed.
    Follow,
    /// The launch fails.
    Refuse,
}

impl Links {
    /// What holds of a source that one rule follows and another does not.
    #[must_use]
    pub fn strictest(self, other: Links) -> Links {
        self.max(other)
    }
}

/// What happens when a denied path does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// A placeholder is put there for the time of the run: a directory where the path ended in `/`.
    Mask {
        /// Whether the path ended in `/`.
        directory: bool,
    },
    /// The launch fails.
    Fail,
    /// The program may create it.
    Skip,
}

/// One system call rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyscallRule {
    /// Whose call it is; one of [`Policy::archs`].
    pub arch: Arch,
    /// Its number there.
    pub nr: u32,
    /// What happens when the predicate holds.
    pub action: SyscallAction,
    /// When it applies.
    pub predicate: Pred,
    /// The line.
    pub origin: OriginId,
    /// Whether the compiler derived it from another section (`net none`). Between two denies of the same
    /// severity one that a person wrote decides.
    pub implied: bool,
}

/// What happens to a system call, least severe first: the most severe matching rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyscallAction {
    /// It is made.
    Allow,
    /// It is made, and the kernel writes a line about it into its log (seccomp(2), Linux 4.14).
    Log,
    /// Somebody outside is asked, and it fails where nobody answers (seccomp_unotify(2), Linux 5.0).
    Notify,
    /// It fails with this errno (1 to 4095).
    Errno(u16),
    /// It is not made, and the thread gets SIGSYS, which it may handle; the process dies of it otherwise.
    Trap,
    /// The process dies of SIGSYS.
    Kill,
}

/// A condition on the arguments of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pred {
    /// Holds.
    True,
    /// `argument op value`, unsigned, on the argument's own width.
    Compare {
        /// From 0 to 5.
        argument: u8,
        /// How many bits of it the kernel looks at.
        width: Width,
        /// How.
        op: Op,
        /// With what; fits `width`.
        value: u64,
    },
    /// `argument & mask == value`, on the argument's own width.
    Masked {
        /// From 0 to 5.
        argument: u8,
        /// How many bits of it the kernel looks at.
        width: Width,
        /// Which bits; fits `width`.
        mask: u64,
        /// Their value; a subset of `mask`.
        value: u64,
    },
    /// Does not hold.
    Not(Box<Pred>),
    /// All hold; true when empty.
    All(Vec<Pred>),
    /// One holds; false when empty.
    Any(Vec<Pred>),
}

/// How many bits of an argument the kernel looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// The low 32.
    W32,
    /// All 64.
    W64,
}

/// An unsigned comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// ==
    Eq,
    /// !=
    Ne,
    /// <
    Lt,
    /// <=
    Le,
    /// >
    Gt,
    /// >=
    Ge,
}

/// A value and the line that set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit<T> {
    /// The value, in the unit that the field's name says.
    pub value: T,
    /// The line.
    pub origin: OriginId,
}

/// Resource limits; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Whether a cgroup must hold those that it can (`limits hard`).
    pub hard: bool,
    /// Memory of everything inside.
    pub memory_bytes: Option<Limit<u64>>,
    /// Swap besides; never without `memory_bytes`.
    pub swap_bytes: Option<Limit<u64>>,
    /// Processes and threads.
    pub pids: Option<Limit<u32>>,
    /// 100 is one CPU.
    pub cpu_percent: Option<Limit<u32>>,
    /// Time from start to kill.
    pub wall_ms: Option<Limit<u64>>,
    /// Open descriptors of each process.
    pub files: Option<Limit<u32>>,
    /// How many CPUs it may run on.
    pub cpuset: Option<Limit<u64>>,
    /// Time on CPUs of everything inside.
    pub cpu_time_ms: Option<Limit<u64>>,
    /// Bytes a second from, and to, each block device.
    pub io_bytes_per_s: Option<Limit<u64>>,
    /// Share of block devices; 100 is as everybody.
    pub io_weight: Option<Limit<u64>>,
    /// Bytes of standard output and error together.
    pub output_bytes: Option<Limit<u64>>,
    /// Bytes of each file that is written.
    pub file_bytes: Option<Limit<u64>>,
}

impl Limits {
    /// Every limit by its word in the language.
    #[must_use]
    pub fn by_word(&self) -> [(&'static str, Option<Limit<u64>>); 12] {
        let wide = |limit: Option<Limit<u32>>| {
            limit.map(|Limit { value, origin }| Limit { value: u64::from(value), origin })
        };
        [
            ("memory", self.memory_bytes),
            ("pids", wide(self.pids)),
            ("cpu", wide(self.cpu_percent)),
            ("wall", self.wall_ms),
            ("files", wide(self.files)),
            ("swap", self.swap_bytes),
            ("cpuset", self.cpuset),
            ("cpu_time", self.cpu_time_ms),
            ("io", self.io_bytes_per_s),
            ("io_weight", self.io_weight),
            ("output", self.output_bytes),
            ("fsize", self.file_bytes),
        ]
    }
}

/// What the kernel must have for a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sandbox {
    /// Least version of Landlock, beside the mounts that hold the same rules.
    pub landlock_abi_min: Option<Limit<u32>>,
    /// The line by which a launch may go on without user namespaces, held by Landlock; `None` where it may not.
    pub tier_landlock: Option<OriginId>,
    /// The line that refuses memory which is, or was, writable and becomes executable.
    pub mdwe: Option<OriginId>,
}

/// One environment rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvRule {
    /// What it does.
    pub kind: EnvKind,
    /// The line.
    pub origin: OriginId,
}

/// What an environment rule does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EnvKind {
    /// Passes a variable, or all whose name begins so.
    Pass {
        /// The name, or its beginning.
        name: String,
        /// Whether `name` is a beginning (`LC_*`).
        prefix: bool,
    },
    /// Sets a variable; wins over a `Pass` of the same name.
    Set {
        /// The name.
        name: String,
        /// The value.
        value: Text,
    },
}

/// A text, or the parameter that gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Text {
    /// Known.
    Literal(String),
    /// A parameter of kind [`ParamKind::Text`], by index.
    Param(usize),
}

/// Identity and default command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// Command when launch gives none; may be empty.
    pub command: Vec<String>,
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
    /// Working directory inside.
    pub cwd: Option<(Path, OriginId)>,
    /// Host name inside.
    pub hostname: String,
    /// The line that gives the command a private terminal.
    pub terminal: Option<OriginId>,
    /// The `exec` line, or the policy's.
    pub origin: OriginId,
}
