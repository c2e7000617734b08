//! What the launcher reports: a failure before the command runs, what is held in a weaker way, the end.
//!
//! Events are numbers alone: the launcher holds no text, and `msb-report` makes sentences of them.
//! On the report descriptor each is a `u16` length, little endian, then its postcard value.

use crate::wire::Reader;
use crate::{Label, OriginId};
use alloc::vec::Vec;
use serde::Serialize;

/// Bytes of one event on the report descriptor, length included.
pub const EVENT_BYTES_MAX: usize = 256;

/// One thing that the launcher reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Event {
    /// Nothing was started.
    Failed(Failure),
    /// A limit is held, but by a second way (language reference, limits).
    HeldWithoutCgroup {
        /// Which.
        limit: LimitKind,
        /// The line that asked.
        origin: OriginId,
    },
    /// Landlock, the filter and resource limits hold the run, since this host refuses user namespaces.
    HeldByLandlock {
        /// The line that accepts it.
        origin: OriginId,
    },
    /// A port of the sandbox has one on the host.
    Published {
        /// Which of the plan's `listens`.
        index: u8,
        /// The port of the host.
        port: u16,
        /// The line that asked.
        origin: OriginId,
    },
    /// Directories were searched for what is denied where it is found; nobody is told but who reads the events.
    Searched {
        /// The line of the first search.
        origin: OriginId,
        /// Directories that were looked into.
        directories: u32,
        /// Places that are denied for what was found.
        places: u32,
    },
    /// A limit was reached.
    LimitReached {
        /// Which.
        limit: LimitKind,
        /// How often the kernel says: processes killed, forks refused.
        times: u64,
        /// The line that asked.
        origin: OriginId,
    },
    /// The filter killed the command (SIGSYS).
    KilledByFilter {
        /// The system call, where the kernel's log can be read and tells it.
        nr: Option<u32>,
        /// The line that says `kill`; the filter's own where it is not known which.
        origin: OriginId,
    },
    /// A step of setting up was done; `--timings` alone.
    Timing {
        /// Which.
        step: Step,
        /// Microseconds after the plan was read.
        at_us: u32,
    },
    /// Everything inside has ended.
    Ended(Ended),
}

/// What the gateway counted, for a report. It is no [`Event`], since the launcher only passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Counted {
    /// What went by one line of the network rules; a line by which nothing went has none.
    Rule {
        /// The line.
        origin: OriginId,
        /// How much.
        traffic: Traffic,
    },
    /// What was refused, and how often.
    Denied(Denied),
    /// All of it.
    All {
        /// How much.
        traffic: Traffic,
        /// Lines of the audit log; 0 where there is none.
        audit_lines: u64,
        /// SHA-256 of the last of them in hexadecimal, empty where there is none: what is cut off the log shows by it.
        audit_sha256: Label,
    },
}

/// Numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Traffic {
    /// Lookups of names that rules have: one of IPv4 and one of IPv6 for most connections.
    pub lookups: u64,
    /// Those that were not.
    pub lookups_denied: u64,
    /// Connections and flows of datagrams that were let through.
    pub connections: u64,
    /// Those that were not.
    pub connections_denied: u64,
    /// HTTP requests that were let through.
    pub requests: u64,
    /// Those that were not.
    pub requests_denied: u64,
    /// Bytes that left the sandbox.
    pub up_bytes: u64,
    /// Bytes that arrived.
    pub down_bytes: u64,
}

impl Traffic {
    /// Each count with its name, for programs.
    #[must_use]
    pub const fn each(&self) -> [(&'static str, u64); 8] {
        [
            ("lookups", self.lookups),
            ("lookups_denied", self.lookups_denied),
            ("connections", self.connections),
            ("connections_denied", self.connections_denied),
            ("requests", self.requests),
            ("requests_denied", self.requests_denied),
            ("up_bytes", self.up_bytes),
            ("down_bytes", self.down_bytes),
        ]
    }
}

/// What the gateway refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// `lookup`, `connection` or `request`.
    pub subject: Label,
    /// Who was asked for, cut where it is long; empty for all that were too many to be told apart.
    pub target: Label,
    /// On which port; 0 where there is none.
    pub port: u16,
    /// Why: the `reason` of the audit log.
    pub reason: Label,
    /// How often.
    pub times: u64,
    /// The line that decided, where one did.
    pub origin: Option<OriginId>,
}

/// Why the command did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What was being done.
    pub step: Step,
    /// The line of the policy that asked for it.
    pub origin: Option<OriginId>,
    /// errno(3), 0 where the launcher itself refused.
    pub errno: u16,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Status of the command as wait(2) gives it.
    pub wait_status: u32,
    /// What ended it.
    pub cause: Cause,
    /// From start to end.
    pub wall_us: u64,
    /// User and system time of all processes.
    pub cpu_us: u64,
    /// Most memory at one time; of the whole sandbox where a cgroup counts it, else of its largest process.
    pub memory_peak_bytes: u64,
    /// What else was counted.
    pub usage: Usage,
}

/// What a run used besides time and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// Most processes and threads at one time, init among them; `None` where no cgroup counts them.
    pub pids_peak: Option<u64>,
    /// Bytes that were read from block devices for it; what was in memory already is not among them.
    pub read_bytes: u64,
    /// Bytes that it had written to block devices.
    pub written_bytes: u64,
    /// Bytes of standard output and error; `None` where the plan does not limit them.
    pub output_bytes: Option<u64>,
    /// Periods in which it had to wait for its share of CPUs; `None` where no cgroup holds that.
    pub throttled: Option<u64>,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Cause {
    /// The command itself.
    Command,
    /// The launcher, for this limit.
    Limit(LimitKind, OriginId),
    /// Something outside killed the sandbox's init.
    Outside,
    /// The launcher, because the gateway had ended.
    Gateway,
}

macro_rules! limits {
    ($($name:ident = $word:literal,)*) => {
        /// The limits of the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum LimitKind { $(#[doc = concat!("`", $word, "`.")] $name,)* }

        impl LimitKind {
            /// Every limit.
            pub const ALL: &'static [LimitKind] = &[$(LimitKind::$name,)*];

            /// The word of the language.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(LimitKind::$name => $word,)* }
            }
        }
    };
}

impl LimitKind {
    /// Whether a cgroup can hold a limit of this kind.
    #[must_use]
    pub const fn is_held_by_cgroups(self) -> bool {
        match self {
            LimitKind::Memory
            | LimitKind::Swap
            | LimitKind::Pids
            | LimitKind::Cpu
            | LimitKind::Cpuset
            | LimitKind::Io
            | LimitKind::IoWeight => true,
            LimitKind::CpuTime
            | LimitKind::Wall
            | LimitKind::Files
            | LimitKind::FileSize
            | LimitKind::Output => false,
        }
    }
}

limits! {
    Memory = "memory",
    Swap = "swap",
    Pids = "pids",
    Cpu = "cpu",
    Cpuset = "cpuset",
    CpuTime = "cpu_time",
    Wall = "wall",
    Files = "files",
    FileSize = "fsize",
    Io = "io",
    IoWeight = "io_weight",
    Output = "output",
}

/// A line of `lines`: one text, as a table of many would take as many bytes again for where each is.
fn nth(lines: &'static str, index: usize) -> &'static str {
    lines.split('\n').nth(index).unwrap_or_default()
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $say:literal,)*) => {
        /// What the launcher was doing when it failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        pub enum Step { $($(#[$doc])* $name,)* }

        impl Step {
            /// Every step, in the order of this table.
            pub const ALL: &'static [Step] = &[$(Step::$name,)*];

            /// The step's name, for programs.
            #[must_use]
            pub fn name(self) -> &'static str {
                nth(concat!($(stringify!($name), "\n"),*), self as usize)
            }

            /// The step in a few words, as the end of "could not …".
            #[must_use]
            pub fn words(self) -> &'static str {
                nth(concat!($($say, "\n"),*), self as usize)
            }
        }
    };
}

steps! {
    /// The plan file was opened, or its owner, mode or kind looked at.
    PlanOpen = "open the plan",
    /// A file that nobody inside may write was looked for: the plan, the keys, what `--protect` names.
    Protect = "protect the file",
    /// Its signature was looked at.
    PlanTrust = "trust the plan",
    /// Its bytes were decoded.
    PlanDecode = "understand the plan",
    /// It has a filter for this machine and a kernel that is new enough.
    Target = "run this plan on this machine",
    /// A parameter was bound: missing, twice, unknown, or of the wrong kind.
    Param = "bind the parameter",
    /// It was looked whether parameters lie apart. The errno of a refusal is the position of the parameter that is
    /// written, counted from 1; the line is that of the one that is not.
    ParamOverlap = "tell the parameters apart",
    /// Two parameters are the same place, and both are shown at its own path. The errno of a refusal is the position of
    /// the other parameter, counted from 1.
    ParamSame = "show one place by two parameters",
    /// `$HOME` was looked up.
    Home = "find the home directory that `~` names",
    /// Descriptors were closed.
    CloseFds = "close inherited descriptors",
    /// The host's identity was put away (root alone).
    HostIdentity = "give up the host's root identity",
    /// The cgroup was made, written and read back.
    Cgroup = "hold the limit with a cgroup",
    /// The limit was to be held without a cgroup.
    LimitFallback = "hold the limit without a cgroup",
    /// The namespaces were made.
    Namespaces = "make the namespaces",
    /// The child joined its cgroup.
    CgroupJoin = "move into the cgroup",
    /// User and group ids were mapped.
    IdMap = "map user and group ids",
    /// The host name was set.
    Hostname = "set the host name",
    /// The sandbox's network was set up: its interface, addresses, routes and sockets.
    Network = "set up the sandbox's network",
    /// The rules were given to nf_tables.
    NetworkRules = "load the network rules",
    /// The gateway was started, or ended before it was ready.
    Gateway = "start the network gateway",
    /// The gateway looked for a secret.
    Secret = "read the secret",
    /// A secret stood where its source should: `env:NAME`, `file:PATH`, `fd:N` or `command:PROGRAM`.
    SecretSource = "take a secret by value, where it must be `env:NAME`, `file:PATH`, `fd:N` or `command:PROGRAM`,",
    /// The gateway took the host that was given for a rule's parameter: `EAFNOSUPPORT` of an address, `ENOTUNIQ` of a pattern,
    /// `EACCES` of a name that no parameter may stand for, `ECONNREFUSED` where the line denies it, else `EINVAL`.
    GatewayHost = "take the host",
    /// The gateway bound a port of the host's loopback.
    Publish = "publish the port",
    /// The certificates of the run were put in their places.
    Trust = "put the run's certificates in their places",
    /// The sandbox's own loopback interface was brought up.
    Loopback = "bring up the loopback interface",
    /// The new root was made.
    Root = "make the new root",
    /// A source was looked up.
    MountSource = "open the source of the mount",
    /// A source was mapped to the sandbox's user (root alone).
    MountIdMap = "map the owner of the mount",
    /// A mount was made.
    Mount = "make the mount",
    /// A mount was put in its place.
    MountTarget = "put the mount in its place",
    /// It was decided whether a claim of the policy holds for these parameters: `EACCES` where what it says to be allowed is
    /// denied, 0 where what it says to be denied is allowed.
    Claim = "hold what the policy asserts",
    /// Directories were searched: `EFBIG` where they are too many, or what is found in them, `EACCES` for one that cannot
    /// be looked into.
    Search = "search for what is denied where it is found",
    /// A denied path was looked up.
    DenySource = "look up the denied path",
    /// A denied path has other hard links.
    DenyHardLink = "deny a file that has other hard links",
    /// A grant lies below a denied path.
    DenyCoversGrant = "grant what the policy also denies",
    /// A placeholder was made.
    DenyPlaceholder = "put a placeholder at the denied path",
    /// A denied path was taken away.
    Deny = "take the denied path away",
    /// A generated file was written.
    File = "write the file",
    /// procfs was mounted.
    Proc = "mount /proc",
    /// /dev was filled.
    Dev = "fill /dev",
    /// It was looked whether Landlock alone holds what the policy asks for.
    Tier = "hold this without namespaces",
    /// Rules of Landlock were collected or put in force.
    Landlock = "hold the file rules with Landlock",
    /// Standard input, output or error was looked at.
    Standard = "pass on standard input, output and error",
    /// The session keyring was replaced.
    Keyring = "start with an empty keyring",
    /// The root was changed.
    PivotRoot = "change the root",
    /// The working directory was entered.
    Cwd = "enter the working directory",
    /// A resource limit was set.
    Rlimit = "set the resource limit",
    /// CPUs were chosen.
    Affinity = "restrict the CPUs",
    /// Privileges were given up for good.
    NoNewPrivs = "set no_new_privs",
    /// Capabilities were dropped.
    Capabilities = "drop capabilities",
    /// The filter was loaded.
    Filter = "load the syscall filter",
    /// The filter's listener was handed over.
    Listener = "hand over the filter's listener",
    /// The watch over the launcher's death was set.
    Lifeline = "tie the sandbox to the launcher",
    /// The session was made.
    Session = "start a new session",
    /// The private terminal was made, handed out, or made the command's.
    Terminal = "make the terminal",
    /// Memory that is writable was kept from becoming executable.
    WriteExecute = "refuse memory that is writable and executable",
    /// The environment was built.
    Environment = "build the environment",
    /// Standard output and error were led through the launcher, which counts them.
    Output = "count the command's output",
    /// The command was started.
    Spawn = "start a process",
    /// The command was executed.
    Exec = "execute the command",
    /// The file for the report was opened.
    Report = "write the report",
    /// The command line was wrong.
    Usage = "understand the command line",
}

/// Begins what stands on a report descriptor and is no [`Event`]: more than there are kinds of those.
const COUNTED: u8 = 0x7f;

/// Writes one event as it stands on the report descriptor.
#[must_use]
pub fn encode_event(event: &Event) -> Vec<u8> {
    framed(&postcard::to_allocvec(event).unwrap_or_default())
}

/// Writes what a gateway counted as it stands on the report descriptor.
#[must_use]
pub fn encode_counted(counted: &Counted) -> Vec<u8> {
    framed(&postcard::to_extend(counted, Vec::from([COUNTED])).unwrap_or_default())
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(2 + body.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Reads what [`encode_counted`] wrote, as [`decode_event`].
#[must_use]
pub fn decode_counted(bytes: &[u8]) -> Option<(Counted, &[u8])> {
    let (body, rest) = unframed(bytes)?;
    Some((Reader::read(body.strip_prefix(&[COUNTED])?)?, rest))
}

/// The first body, and what follows it.
fn unframed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    if length + 2 > EVENT_BYTES_MAX {
        return None;
    }
    rest.split_at_checked(length)
}

/// Reads the first event of `bytes` and gives back what follows it; `None` where `bytes` do not begin
/// with a whole, well-formed event.
#[must_use]
pub fn decode_event(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let (body, rest) = unframed(bytes)?;
    Some((Reader::read(body)?, rest))
}
