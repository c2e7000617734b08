//! The registry of diagnostic codes: one row for each code that the tools can give.
//!
//! To add one: take the next free number of its hundred (00xx text, 01xx names, 02xx types, 03xx rule
//! logic, 04xx inheritance, 05xx assertions, 06xx file system, 07xx system calls, 08xx network, 09xx
//! limits, environment and tools, 10xx other formats, 11xx launch failures, 12xx denials and limits at
//! run time), add a row below in the order of numbers, add its page `policy-lang/errors/MSBnnnn.md`,
//! and give it with [`Diagnostic::new`](crate::Diagnostic::new). A code never changes its meaning and
//! a number is never used again. A row without a pass that gives it is a defect.

use crate::{Code, Severity};

/// What the registry says about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The code.
    pub code: Code,
    /// How bad it is; [`Diagnostic::raise`](crate::Diagnostic::raise) may make one finding worse.
    pub severity: Severity,
    /// A few words: the title of its page.
    pub title: &'static str,
}

impl Code {
    /// Its row; `None` for a number that is not in the registry.
    #[must_use]
    pub fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.code == self)
    }

    /// Its severity; an unknown code is an error, so that nothing passes by mistake.
    #[must_use]
    pub fn severity(self) -> Severity {
        self.row().map_or(Severity::Error, |row| row.severity)
    }

    /// The code that is written `MSB0101`; `None` if the text has another form or there is no such row.
    #[must_use]
    pub fn parse(text: &str) -> Option<Code> {
        let digits = text.strip_prefix("MSB").filter(|rest| rest.len() == 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let code = Code(digits.parse().ok()?);
        code.row().map(|row| row.code)
    }
}

/// Makes a constant and a row of [`TABLE`] from each line.
macro_rules! codes {
    ($($name:ident = $number:literal, $severity:ident, $title:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($number);)*

        /// Every code, in the order of numbers.
        pub const TABLE: &[Row] =
            &[$(Row { code: $name, severity: Severity::$severity, title: $title }),*];
    };
}

codes! {
    // 00xx: text, parsing, hygiene
    MISSING_EDITION = 1, Error, "missing edition";
    UNEXPECTED = 2, Error, "unexpected text";
    NUMBER_WITHOUT_UNIT = 3, Error, "number without a known unit";
    PATH_NEEDS_QUOTES = 4, Error, "path needs quotes";
    PATH_NOT_NORMAL = 5, Error, "path is relative or not normalised";
    INVISIBLE_CHARACTER = 6, Warning, "invisible or bidirectional character";
    CONFUSABLE = 7, Warning, "name that looks like another one";
    UNKNOWN_EDITION = 8, Error, "unknown edition";
    LIMIT_OF_THE_LANGUAGE = 9, Error, "file beyond a limit of the language";
    DUPLICATE_SETTING = 10, Error, "setting given twice";
    NOT_FORMATTED = 11, Hint, "not formatted";
    ACCEPT_WITHOUT_REASON = 12, Error, "accept without a reason or with an unknown code";
    ACCEPT_NOT_NEEDED = 13, Warning, "accept is not needed";
    NOT_ENFORCED = 14, Error, "not enforced by this version";
    NO_POLICY = 15, Error, "no policy in the file";
    WHICH_POLICY = 16, Error, "more than one policy to choose from";
    NOT_TEXT = 17, Error, "file is not UTF-8 text";
    NUMBER_OUT_OF_RANGE = 18, Error, "number out of range";
    WRONG_OPTION = 19, Error, "option does not belong to the rule";
    CANNOT_READ = 20, Error, "file cannot be read";
    NOT_DATA = 30, Error, "YAML or JSON that cannot be read";
    AMBIGUOUS_DATA = 31, Error, "YAML or JSON that readers understand differently";
    UNKNOWN_MEMBER = 32, Error, "unknown or missing member";
    WRONG_DATA = 33, Error, "YAML or JSON value of the wrong kind";

    // 01xx: names and modules
    UNKNOWN_NAME = 101, Error, "unknown name";
    IMPORT_CYCLE = 102, Error, "import or include cycle";
    UNKNOWN_SYSCALL = 103, Error, "unknown system call";
    SYSCALL_NOT_ON_ARCH = 104, Error, "system call does not exist on an architecture";
    UNKNOWN_GROUP = 105, Error, "unknown or empty group";
    UNUSED = 106, Warning, "declared but not used";
    WRONG_ARGUMENTS = 107, Error, "missing, extra or duplicate argument";
    SHADOWS_STANDARD = 108, Warning, "name of the standard library";
    IMPORT_ESCAPES = 109, Error, "import leaves the folder of the policy";

    // 02xx: types
    WRONG_TYPE = 201, Error, "value of the wrong type";
    WRONG_FLAG = 202, Error, "constant does not belong to the argument";
    UNKNOWN_ARGUMENT = 203, Error, "argument is not in the prototype";
    POINTER_COMPARED = 204, Error, "pointer argument cannot be compared";
    CONSTANT_TOO_WIDE = 205, Error, "constant exceeds the argument's width";
    CONSTANT_BIT_TEST = 206, Warning, "bit test has a constant outcome";
    SECRET_LEAKS = 207, Error, "secret that the program could see";
    BAD_PATTERN = 208, Error, "pattern cannot be used";
    EMPTY_RANGE = 209, Error, "empty range";
    HOST_TOO_BROAD = 210, Error, "pattern of hosts is too broad";
    SIGNED_COMPARED = 211, Warning, "signed value is compared as unsigned";
    TEXT_NOT_FILLED_IN = 212, Warning, "text in which nothing is filled in";

    // 03xx: rule logic
    NEVER_DECIDES = 301, Warning, "rule never decides";
    PREDICATE_NEVER = 302, Warning, "condition never holds";
    PREDICATE_ALWAYS = 303, Warning, "condition always holds";
    ACTIONS_CONFLICT = 304, Error, "two actions conflict";
    GRANT_COVERED = 305, Warning, "grant is covered by another";
    DENIES_NOTHING = 306, Hint, "deny of what is not granted";
    ALLOW_CANCELLED = 307, Error, "allow is cancelled by a deny";
    GROUPS_DISAGREE = 308, Warning, "two groups decide differently of a system call";
    TERMS_DISAGREE = 309, Error, "two rules for one host disagree";
    FILTER_TOO_LONG = 310, Error, "system call rules are too long for a filter";
    TWO_SOURCES = 315, Error, "two sources for one path";
    RESERVED_PATH = 316, Error, "path inside belongs to the launcher";

    // 04xx: inheritance and change
    WIDENS_PARENT = 401, Error, "policy allows more than its parent";
    LIMIT_ABOVE_PARENT = 402, Error, "limit is above the parent's";
    REQUIREMENT_DROPPED = 403, Error, "what the parent asserts does not hold";
    NEWLY_ALLOWED = 404, Warning, "new version allows more";
    EXCEEDS_CEILING = 405, Error, "policy allows more than the ceiling";

    // 05xx: assertions
    ASSERTION_FAILED = 501, Error, "assertion failed";
    ASSERTION_VACUOUS = 502, Warning, "assertion that cannot fail";
    ASSERTION_DEFERRED = 503, Hint, "assertion depends on parameters";
    NO_ASSERTION = 504, Hint, "policy has no assertions";
    RULE_NOT_EXERCISED = 505, Hint, "rule that no assertion is about";

    // 06xx: file system security
    WRITE_COVERS_POLICY = 601, Error, "writable path covers the policy, the plan or the launcher";
    WRITE_TOO_BROAD = 602, Error, "writable path is too broad";
    SNAPSHOT_OF_PATTERN = 603, Warning, "denied pattern covers what is there at launch";
    ANCESTORS_PINNED = 604, Hint, "folders around a denied path cannot be renamed";
    DENY_SKIPPED = 605, Warning, "denied path may be created by the program";
    TRUSTED_FILES_WRITABLE = 606, Hint, "files that programs of the host run are writable";
    PROC_OF_THE_KERNEL = 608, Warning, "procfs beyond the sandbox's own processes";
    DEVICE_BEYOND_STD = 609, Error, "device beyond the standard ones";
    SOCKET_OF_A_SERVICE = 610, Error, "socket of a service that acts for who connects";
    WRITE_AND_RUN = 611, Warning, "path is both writable and runnable";
    FLAGS_IN_MEMORY = 612, Warning, "flags are checked in one call and invisible in another";
    CREDENTIALS_READABLE = 613, Warning, "credentials are readable";
    SCRATCH_WITHOUT_SIZE = 614, Warning, "scratch without a size";
    PARAMETERS_OVERLAP = 615, Hint, "two parameters may overlap";
    LINKS_FOLLOWED = 616, Warning, "symbolic links are followed where the program can make them";
    VERB_NOT_HELD = 617, Error, "right that no kernel can hold";
    DEVICE_OF_THE_HOST = 618, Warning, "device of the host";

    // 07xx: system calls
    IO_URING_ALLOWED = 701, Error, "io_uring is allowed";
    CLONE3_ALLOWED = 702, Error, "clone3 is allowed";
    OTHER_PROCESSES_OPEN = 703, Warning, "a program can reach into others of its sandbox";
    TERMINAL_IOCTL_ALLOWED = 704, Error, "ioctl that injects terminal input is allowed";
    IOCTL_UNRESTRICTED = 705, Warning, "ioctl is allowed with every request";
    PERSONALITY_ALLOWED = 706, Warning, "personality is allowed";
    WRITE_EXEC_INCOMPLETE = 707, Warning, "write and execute is denied in one call and left open in another";
    NAMESPACES_WITH_MOUNT = 708, Error, "new namespaces and mounts are allowed together";
    OTHER_ABI = 709, Error, "another ABI of the processor";
    DANGEROUS_CALL = 710, Warning, "system call with a history of escapes is allowed";
    VARIANT_OPEN = 711, Warning, "a variant of a denied system call is allowed";
    PRCTL_UNRESTRICTED = 712, Warning, "prctl is allowed with every option";
    ALLOW_BY_DEFAULT = 713, Error, "system calls are allowed by default";
    SOCKETPAIR_OPEN = 714, Warning, "socket is held to families and socketpair is not";
    ESSENTIAL_CALL_KILLED = 715, Warning, "a call that every program makes kills it";
    DEFAULT_KILL = 716, Warning, "unlisted system calls kill the program";
    LAUNCHER_CALL_KILLED = 717, Error, "a call that the launcher needs would kill it";
    RISKY_FAMILY = 718, Warning, "sockets of a family that reaches the kernel or the host";
    EXEC_NOT_ALLOWED = 719, Error, "no program can be started";
    NOTIFY_IN_MEMORY = 720, Warning, "nobody can say yes to a call that is about memory";

    // 08xx: network
    NAME_DENIED_BY_ADDRESS = 801, Error, "deny of a name beside an allow of addresses";
    SHARED_SERVER = 802, Warning, "name whose servers are shared";
    NO_SOCKETS = 803, Warning, "network rules, and no system call to use them";
    RANGE_TOO_BROAD = 804, Error, "range of addresses with special ones in it";
    WILDCARD_CHANNEL = 805, Hint, "pattern of hosts is a channel";
    UPLOAD_ALLOWED = 806, Warning, "uploads to a host that is open to everybody";
    HALF_LIMITED = 807, Warning, "rate without a quota, or the reverse";
    REQUESTS_NOT_SEEN = 808, Error, "terms for requests that nobody reads";
    PLAINTEXT = 809, Warning, "connection is not encrypted";
    OTHER_IP_VERSION = 810, Warning, "deny covers one version of IP";
    QUIC_OPEN = 811, Warning, "requests over HTTP/3 pass by the rules";
    LISTEN_BEYOND_LOOPBACK = 812, Error, "port published beyond the host's loopback";
    SECRET_EXPOSED = 813, Error, "secret that others than its host would see";
    ABSTRACT_SOCKETS = 814, Warning, "abstract sockets of the host are in reach";
    BAD_HOST = 815, Error, "host or address is not valid";
    EVERY_PORT = 816, Warning, "every port is allowed";
    RULE_FOR_ITSELF = 817, Warning, "rule for the sandbox's own loopback";
    METADATA_ALLOWED = 818, Warning, "metadata service of a cloud is allowed";

    // 09xx: limits, environment, tools
    NO_LIMIT = 901, Warning, "a resource has no limit";
    SWAP_WITHOUT_MEMORY = 902, Error, "swap is limited and memory is not";
    LIMIT_TOO_LOW = 903, Error, "limit is too low to start";
    ARGUMENT_UNBOUNDED = 904, Warning, "argument of a tool without a bound";
    TOOL_RUNS_ARGUMENTS = 905, Error, "tool runs what is passed to it";
    TOOL_UNBOUNDED = 906, Warning, "tool without a timeout, rate or cap";
    ENVIRONMENT_DANGEROUS = 907, Warning, "variable that runs code or holds a secret";
    CAPABILITY_OF_ROOT = 908, Error, "capability is as good as root";
    SHARED_TERMINAL = 909, Error, "terminal shared with the host";
    TOOL_NAME = 910, Warning, "name of a tool that can be mistaken";
    LIMIT_TOO_HIGH = 911, Error, "limit is beyond what the kernel takes";
    USER_IS_ROOT = 912, Error, "user inside is root";
    DIRECTORY_NOT_SHOWN = 913, Error, "working directory does not exist inside";
    BAD_HOSTNAME = 914, Error, "host name is not valid";
    COMMAND_WITH_BLANK = 915, Warning, "command is one word with a blank";

    // 11xx: launch failures
    PLAN_UNREADABLE = 1101, Error, "plan cannot be read";
    PLAN_REFUSED = 1102, Error, "plan is damaged or of another version";
    WRONG_MACHINE = 1103, Error, "plan is for another machine";
    PARAMETER_NOT_BOUND = 1104, Error, "parameter has no value or a wrong one";
    HOME_UNKNOWN = 1105, Error, "home directory is not known";
    NAMESPACES_REFUSED = 1106, Error, "host refuses the sandbox's namespaces";
    CGROUP_REFUSED = 1107, Error, "no cgroup can be had";
    LIMIT_NOT_HELD = 1108, Error, "limit cannot be held";
    SOURCE_NOT_OPENED = 1109, Error, "granted path cannot be opened";
    MOUNT_REFUSED = 1110, Error, "mount cannot be made";
    DENY_NOT_HELD = 1111, Error, "deny cannot be held";
    DENY_HAS_HARD_LINKS = 1112, Error, "denied file has other hard links";
    DENY_COVERS_GRANT = 1113, Error, "deny covers all of a grant";
    FILE_NOT_WRITTEN = 1114, Error, "generated file cannot be written";
    DIRECTORY_NOT_ENTERED = 1115, Error, "working directory cannot be entered";
    CONFINEMENT_REFUSED = 1116, Error, "kernel refuses to confine the program";
    PROCESS_NOT_STARTED = 1117, Error, "process cannot be started";
    COMMAND_NOT_EXECUTED = 1118, Error, "command cannot be executed";
    LAUNCHER_MISUSED = 1119, Error, "launcher does not understand its command line";
    NETWORK_NOT_SET_UP = 1120, Error, "network was not set up";
    GATEWAY_NOT_STARTED = 1121, Error, "network gateway was not started";
    SECRET_NOT_READ = 1122, Error, "secret was not read";
    PLAN_NOT_TRUSTED = 1123, Error, "plan is not signed by a trusted key";
    CLAIM_BROKEN = 1124, Error, "assertion does not hold for these parameters";
    HOST_NOT_TAKEN = 1125, Error, "host given at launch cannot be taken";
    TIER_NOT_ENOUGH = 1130, Error, "tier does not hold what the policy asks for";

    // 12xx: limits and denials at run time
    LIMIT_REACHED = 1201, Warning, "limit was reached";
    HELD_WITHOUT_CGROUP = 1202, Hint, "limit is held without a cgroup";
    KILLED_FROM_OUTSIDE = 1203, Error, "sandbox was ended from outside";
    GATEWAY_ENDED = 1204, Error, "network gateway ended";
    KILLED_BY_FILTER = 1205, Error, "system call killed the command";
    HELD_BY_LANDLOCK = 1210, Hint, "run is held by Landlock, without namespaces";
}
