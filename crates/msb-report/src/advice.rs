//! What each failure means and what to do about it: one table.
//!
//! A row is for some steps and some errnos (none: any). The first that fits is taken, so that a general
//! row stands below the special ones of its steps. `{fields}` are filled in by
//! [`Subject`](crate::subject::Subject).

use msb_diag::{Code, codes};
use msb_plan::event::{LimitKind, Step};

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Advice {
    pub(crate) code: Code,
    pub(crate) steps: &'static [Step],
    pub(crate) errnos: &'static [u16],
    pub(crate) message: &'static str,
    pub(crate) help: &'static str,
}

/// The row of a failure. The table has one for every step, so that the last is never wrong.
pub(crate) fn find(step: Step, errno: u16) -> &'static Advice {
    let fits =
        |row: &&Advice| row.steps.contains(&step) && (row.errnos.is_empty() || row.errnos.contains(&errno));
    TABLE.iter().find(fits).unwrap_or(&OTHER)
}

const EPERM: u16 = 1;
const ENOENT: u16 = 2;
const ESRCH: u16 = 3;
const ENOEXEC: u16 = 8;
const EAGAIN: u16 = 11;
const ENOMEM: u16 = 12;
const EACCES: u16 = 13;
const EBUSY: u16 = 16;
const EEXIST: u16 = 17;
const ENODEV: u16 = 19;
const ENOTDIR: u16 = 20;
const EISDIR: u16 = 21;
const EINVAL: u16 = 22;
const EFBIG: u16 = 27;
const ENOSPC: u16 = 28;
const EROFS: u16 = 30;
const ENOSYS: u16 = 38;
const ELOOP: u16 = 40;
const EUSERS: u16 = 87;
const ENOTSOCK: u16 = 88;
const EOPNOTSUPP: u16 = 95;
const EPROTONOSUPPORT: u16 = 93;
const ENOTUNIQ: u16 = 76;
const EAFNOSUPPORT: u16 = 97;
const EADDRINUSE: u16 = 98;
const ECONNREFUSED: u16 = 111;
const ESTALE: u16 = 116;
const EDQUOT: u16 = 122;
const ENOKEY: u16 = 126;
const EKEYREJECTED: u16 = 129;

/// Why a host refuses user namespaces, and who can change it.
const USER_NAMESPACES: &str = "a sandbox needs user namespaces, and this host refuses them to you. On Ubuntu \
    24.04 and later AppArmor does (`sysctl kernel.apparmor_restrict_unprivileged_userns`): give msb-launch an \
    AppArmor profile with `userns,`, or set it to 0. Elsewhere look at `sysctl user.max_user_namespaces` (0 \
    forbids them) and, on Debian, `sysctl kernel.unprivileged_userns_clone`. Inside a container its own filter \
    and AppArmor must allow them, and its root needs CAP_SETFCAP or has to start this as another user. `msbc doctor` \
    tells what to type here";

const DELEGATE: &str = "start it in a cgroup of your own: `systemd-run --user --scope -p Delegate=yes msbc run \
    …`; or write `limits` without `hard`, and it is held as well as can be without one";

const MISTAKE: &str = "this is a mistake in Microsandbox or in a kernel that it does not know; please report it with the \
    kernel's version (`uname -r`) and the policy";

/// For a step that the table forgot: a test proves that there is none.
static OTHER: Advice = Advice {
    code: codes::PROCESS_NOT_STARTED,
    steps: &[],
    errnos: &[],
    message: "could not {step}: {errno}",
    help: MISTAKE,
};

macro_rules! table {
    ($($code:ident: [$($step:ident),+] [$($errno:ident),*] $message:expr, $help:expr;)*) => {
        pub(crate) static TABLE: &[Advice] = &[$(Advice {
            code: codes::$code,
            steps: &[$(Step::$step),+],
            errnos: &[$($errno),*],
            message: $message,
            help: $help,
        }),*];
    };
}

/// The launcher refused, without an errno.
const REFUSED: u16 = 0;

table! {
    PLAN_UNREADABLE: [PlanOpen] [REFUSED] "the plan is not yours, or can be written by others than you",
        "a plan must belong to you or to root and be writable by its owner alone: `chmod go-w PLAN`; in a user namespace \
         that does not have its owner, copy it";
    PLAN_UNREADABLE: [PlanOpen] [EISDIR, ENODEV] "the plan is not a regular file",
        "pass the file that `msbc compile` wrote";
    PLAN_UNREADABLE: [PlanOpen] [] "could not {step}: {errno}",
        "pass the file that `msbc compile` wrote";
    PLAN_UNREADABLE: [Protect] [] "a file that nobody inside may write cannot be looked at: {errno}",
        "name files that exist after `--protect`";
    PLAN_NOT_TRUSTED: [PlanTrust] [REFUSED] "the trusted keys are not yours, or can be written by others than you",
        "the file must belong to you or to root and be writable by its owner alone: `chmod go-w KEYS`";
    PLAN_NOT_TRUSTED: [PlanTrust] [ENOKEY] "the plan has no signature of a key that is trusted here",
        "sign it: `msbc sign PLAN --key NAME.key`, or name a file with the key that signed it after `--trust`";
    PLAN_NOT_TRUSTED: [PlanTrust] [EKEYREJECTED] "the signature is not of this plan: it was changed after it was signed",
        "compile the policy again and sign what comes out";
    PLAN_NOT_TRUSTED: [PlanTrust] [] "the trusted keys cannot be used: {errno}",
        "`--trust` takes files that `msbc keygen` wrote (NAME.pub), one or several one after the other";
    PLAN_REFUSED: [PlanDecode] [] "the plan is damaged, or was written by another version of msbc",
        "compile the policy again, with the msbc that came with this msb-launch";
    WRONG_MACHINE: [Target] [] "this plan needs Linux {kernel} or later on {machines}",
        "run it on such a machine; `uname -rm` says what this one is";

    PARAMETER_NOT_BOUND: [Param] [ESRCH] "the policy has no parameter {unknown}", "{params}";
    PARAMETER_NOT_BOUND: [Param] [EEXIST] "{unknown} is set twice", "keep one `--set` for each parameter";
    PARAMETER_NOT_BOUND: [Param] [EINVAL] "`${param}` has no value", "add {set}";
    PARAMETER_NOT_BOUND: [Param] [ENOENT] "`${param}` is `{value}`, which does not exist",
        "{unexpanded}create it, or pass another with {set}";
    PARAMETER_NOT_BOUND: [Param] [ENOTDIR] "`${param}` is `{value}`, which is not a directory", "pass a directory: {set}";
    PARAMETER_NOT_BOUND: [Param] [EISDIR] "`${param}` is `{value}`, which is not a regular file",
        "pass a regular file: {set}";
    PARAMETER_NOT_BOUND: [Param] [EACCES] "`${param}` is `{value}`, which you may not reach",
        "pass another with {set}, or change the permissions of the directories above it";
    PARAMETER_NOT_BOUND: [Param] [ELOOP] "`${param}` is `{value}`, where symbolic links lead in a circle",
        "pass another with {set}";
    PARAMETER_NOT_BOUND: [Param] [] "`${param}` is `{value}`: {errno}", "pass another with {set}";
    PARAMETER_NOT_BOUND: [ParamOverlap] [] "{path} is not to be written, and {other} opens it for writing",
        "pass directories that lie apart; where one has to lie in the other, `deny write` all of the one";
    PARAMETER_NOT_BOUND: [ParamSame] [] "{path} and {other} are the same place, and both are shown at its own path",
        "pass another directory for one of them, or give one a place of its own with `at`";
    HOME_UNKNOWN: [Home] [] "`~` names nothing, because `HOME` is not set to an absolute path",
        "set HOME, or write the path out";

    CLAIM_BROKEN: [Claim] [EACCES] "assertion failed: with these parameters it is denied",
        "bind the parameters to directories that lie apart from each other and from what the policy names, or to other hosts";
    CLAIM_BROKEN: [Claim] [REFUSED] "assertion failed: with these parameters it is allowed",
        "bind the parameters to directories that lie apart from each other and from what the policy names, or to other hosts";
    CLAIM_BROKEN: [Claim] [] "could not decide this assertion: {errno}",
        "look at the directories above what it names: you must be able to reach them";

    NAMESPACES_REFUSED: [Namespaces, IdMap] [EPERM, EACCES, ENOSPC, EUSERS]
        "this host refuses user namespaces: {errno}", USER_NAMESPACES;
    NAMESPACES_REFUSED: [Proc] [EPERM] "the kernel refuses a new /proc, because parts of the one here are hidden",
        "most containers hide some: start the container with `--security-opt systempaths=unconfined` (Docker), \
         `--security-opt unmask=ALL` (Podman) or `procMount: Unmasked` and `hostUsers: false` (Kubernetes), or write \
         `tier landlock` in `sandbox` where less is enough";
    NAMESPACES_REFUSED: [Root, Hostname, Mount, MountTarget, Proc, Dev] [EPERM, EACCES]
        "could not {step}: {errno}, even in a user namespace of its own", USER_NAMESPACES;
    NAMESPACES_REFUSED: [Namespaces] [EINVAL, ENOSYS] "this kernel lacks a namespace that the sandbox needs: {errno}",
        "use a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS, CONFIG_UTS_NS, CONFIG_CGROUPS and CONFIG_TIME_NS";
    NAMESPACES_REFUSED: [Namespaces] [EAGAIN, ENOMEM] "no process could be made for the sandbox: {errno}",
        "end other processes, or raise `ulimit -u`";
    NAMESPACES_REFUSED: [Namespaces, IdMap, Hostname] [] "could not {step}: {errno}", MISTAKE;
    NAMESPACES_REFUSED: [Loopback] [] "could not {step}: {errno}", MISTAKE;
    NAMESPACES_REFUSED: [HostIdentity] [] "could not {step}: {errno}",
        "start it as an ordinary user; as root it needs CAP_SETUID and CAP_SETGID to stop being root";

    CGROUP_REFUSED: [Cgroup, CgroupJoin] [EACCES, EPERM, EROFS, ENOENT]
        "no cgroup can be had here, and the policy says `hard`: {errno}", DELEGATE;
    CGROUP_REFUSED: [Cgroup, CgroupJoin] [EBUSY, EOPNOTSUPP]
        "the cgroup holds processes of its own, so that none can be made below it: {errno}", DELEGATE;
    CGROUP_REFUSED: [Cgroup, CgroupJoin] [] "could not {step}: {errno}", DELEGATE;
    LIMIT_NOT_HELD: [Affinity] [] "`cpu` cannot be held without a cgroup here: {errno}",
        "without one, whole CPUs alone can be given: write `cpu 1` or another whole number that this machine has, or \
         start it in a cgroup of your own: `systemd-run --user --scope -p Delegate=yes msbc run …`";
    LIMIT_NOT_HELD: [LimitFallback] [EACCES, ESRCH] "this limit cannot be held without a cgroup: /proc does not show the \
         sandbox's processes", "mount /proc without `hidepid`, in the launcher's own pid namespace, or start it in a cgroup of \
         your own: `systemd-run --user --scope -p Delegate=yes msbc run …`";
    LIMIT_NOT_HELD: [LimitFallback] [EPERM] "the kernel holds root to no number of processes without a cgroup",
        "start it as another user, give the container a /sys/fs/cgroup that it may write to, or drop `pids` and bound the \
         container itself";
    LIMIT_NOT_HELD: [LimitFallback] [] "this limit cannot be held without a cgroup: {errno}",
        "`io`, `io_weight` and a `cpu` below a whole CPU need one: drop the limit or write a whole number of CPUs, or start \
         it in a cgroup of your own: `systemd-run --user --scope -p Delegate=yes msbc run …`";
    LIMIT_NOT_HELD: [Rlimit] [EPERM] "the limit is above what you yourself are limited to",
        "lower it, or raise your own hard limit: `ulimit -H -a` shows it";
    LIMIT_NOT_HELD: [Rlimit] [] "could not {step}: {errno}", MISTAKE;

    SOURCE_NOT_OPENED: [MountSource] [ENOENT, ENOTDIR] "{path} does not exist on this host",
        "create it{or_set}, or write `optional` where it may be missing";
    SOURCE_NOT_OPENED: [MountSource] [EACCES, EPERM] "you may not reach {path}",
        "the sandbox can show no more than you can see: change its permissions{or_set}, or drop the rule";
    SOURCE_NOT_OPENED: [MountSource] [ELOOP] "{path} is a symbolic link where none is followed",
        "name what it leads to, or write `symlinks follow` where no program can change it";
    SOURCE_NOT_OPENED: [MountSource] [ENODEV] "{path} is not a device", "name a device, or use `read` for a file";
    SOURCE_NOT_OPENED: [MountSource] [ENOTSOCK] "{path} is not a socket", "name a socket, or use `read` for a file";
    SOURCE_NOT_OPENED: [MountSource] [EOPNOTSUPP] "{path} is neither a directory nor a regular file",
        "a socket, device or FIFO is a door to another program: use `socket` or `device`";
    SOURCE_NOT_OPENED: [MountSource] [ESTALE] "{path} was replaced by another while the sandbox was made",
        "start it again when nothing else changes that place";
    SOURCE_NOT_OPENED: [MountSource] [] "could not open {path}: {errno}", "name another path{or_set}";
    MOUNT_REFUSED: [MountTarget] [EEXIST] "two rules show something at {path}, now that parameters have values",
        "give one of them another place with `at`, or pass another directory{or_set}";
    MOUNT_REFUSED: [MountTarget] [EBUSY] "{path} is `/` here, and nothing can be mounted over the root",
        "give it a place with `at`{or_set}";
    MOUNT_REFUSED: [MountTarget] [ENOTDIR, EISDIR, ENOENT, EROFS, ELOOP]
        "there is no place for {path} inside: {errno}",
        "the mount around it is read-only or shows something else there: create the place on the host, or mount it \
         somewhere else with `at`";
    MOUNT_REFUSED: [MountIdMap] [] "the owner of {path} cannot be mapped to the sandbox's user: {errno}",
        "its file system, or one that is mounted below it, has no id-mapped mounts (overlayfs, on which containers lie, has \
         none): start it as an ordinary user, or use a directory on another one, such as a volume";
    MOUNT_REFUSED: [Mount] [EINVAL, ENOSYS] "could not mount {path}: {errno}",
        "mount_setattr(2) needs Linux {kernel}, and a file system that takes part";
    MOUNT_REFUSED: [Mount, MountTarget] [] "could not mount {path}: {errno}", MISTAKE;
    MOUNT_REFUSED: [Root, Proc, Dev, PivotRoot] [] "could not {step}: {errno}", MISTAKE;

    DENY_NOT_HELD: [Search] [EFBIG] "there is too much to search for {path}: 32768 directories and 4096 places that are denied \
         for what is there are the most",
        "write a smaller `depth`, or show the part of the folder that the program works in";
    DENY_NOT_HELD: [Search] [EACCES] "the folder that is searched for {path} cannot be looked into, and the program could",
        "let yourself read and enter it: `chmod u+rwx DIR`";
    DENY_NOT_HELD: [Search] [ELOOP] "a symbolic link is on the way to where {path} is looked for", "name what the link leads to";
    DENY_NOT_HELD: [Search] [] "{path} cannot be looked for: {errno}", MISTAKE;
    DENY_NOT_HELD: [DenyPlaceholder] [ESTALE] "other sandboxes that begin and end on the same folder change {path} all the time",
        "start it again";
    DENY_NOT_HELD: [DenySource] [ENOENT] "{path} does not exist, and the rule says `missing fail`",
        "create it, or write `missing mask` to keep the place empty";
    DENY_NOT_HELD: [DenySource] [ELOOP] "symbolic links lead from {path} in a circle, or up from a folder that another link may name",
        "name what the link leads to";
    DENY_NOT_HELD: [DenySource] [ENOTUNIQ] "{path} has other spellings, by which it would stay open: its file system takes \
         `.GIT` for `.git`, or has both", "use a folder on a file system of Linux's own, such as ext4: in WSL below /home and not \
         below /mnt/c, in a virtual machine or a container a disk or volume of its own and not a shared folder";
    DENY_NOT_HELD: [DenySource] [EOPNOTSUPP] "{path} lies where the rights cannot be taken away",
        "deny `read` there: a device or a part of /proc is hidden or shown, but not made read-only";
    DENY_NOT_HELD: [DenyPlaceholder] [EROFS] "no placeholder can be put at {path}: {errno}",
        "grant the directory with `read` instead of `write`, or write `missing skip` for what nobody can create while it is \
         read only";
    DENY_NOT_HELD: [DenyPlaceholder] [ENOSPC, EDQUOT] "no placeholder can be put at {path}: {errno}",
        "make room, or files by number (`df -i`), in the file system";
    DENY_NOT_HELD: [DenyPlaceholder] [] "no placeholder can be put at {path}: {errno}",
        "create it yourself, or write `missing skip` if the program may create it";
    DENY_NOT_HELD: [DenySource, Deny] [] "{path} cannot be denied: {errno}", MISTAKE;
    DENY_HAS_HARD_LINKS: [DenyHardLink] [] "{path} has other hard links, by which it would stay open",
        "make it the only link: `cp -p FILE FILE.new && mv FILE.new FILE`; `find DIR -samefile FILE` shows the others";
    DENY_COVERS_GRANT: [DenyCoversGrant] [] "{path} is denied, and it covers all of what another rule grants",
        "drop one of the two: a deny overrides every grant, so that nothing of it would be left";

    FILE_NOT_WRITTEN: [File] [] "could not write {path}: {errno}", MISTAKE;
    DIRECTORY_NOT_ENTERED: [Cwd] [ENOENT, ENOTDIR] "the working directory {path} does not exist inside",
        "grant it, or what it lies in, or write another `cwd`";
    DIRECTORY_NOT_ENTERED: [Cwd] [] "could not enter {path}: {errno}",
        "the user of the sandbox must be able to enter it: change its permissions, or write another `cwd`";

    CONFINEMENT_REFUSED: [Filter, Listener] [EINVAL, ENOSYS] "this kernel does not take the syscall filter: {errno}",
        "use a kernel with CONFIG_SECCOMP_FILTER";
    TIER_NOT_ENOUGH: [Tier] [EOPNOTSUPP]
        "this host refuses user namespaces, and its Landlock is older than ABI 6 (Linux 6.12)", USER_NAMESPACES;
    TIER_NOT_ENOUGH: [Tier] [] "this host refuses user namespaces, and without them this cannot be held",
        "the tier `landlock` holds grants at their own place: no `at`, `scratch`, `overlay`, `socket`, deny inside of a \
         grant or network, no `hostname`, `user` or `caps`, and `pids` with a cgroup alone; take it away, or have the host allow user namespaces";
    CONFINEMENT_REFUSED: [Landlock] [EOPNOTSUPP, ENOSYS]
        "this kernel has no Landlock, or an older version than the policy asks for",
        "use a newer kernel, with `landlock` in its `lsm=`, or take `landlock` out of `sandbox`: the mounts hold the \
         same rules";
    CONFINEMENT_REFUSED: [Keyring] [EDQUOT] "you have as many keyrings as you may: {errno}",
        "raise `sysctl kernel.keys.maxkeys`, or deny keyctl, add_key and request_key: then none is needed";
    CONFINEMENT_REFUSED: [WriteExecute] [EINVAL] "this kernel cannot keep writable memory from becoming executable",
        "use Linux 6.3 or later, or take `mdwe` out of `sandbox`";
    CONFINEMENT_REFUSED: [WriteExecute] [] "could not {step}: {errno}", MISTAKE;
    CONFINEMENT_REFUSED: [Landlock, Keyring] [] "could not {step}: {errno}", MISTAKE;
    LAUNCHER_MISUSED: [Standard] [EISDIR] "standard input, output or error is a directory",
        "pass a file, a pipe or a terminal: a directory would lead to everything below and above it";
    LAUNCHER_MISUSED: [Standard] [] "standard input, output or error cannot be passed on: {errno}",
        "pass a file, a pipe or a terminal";
    CONFINEMENT_REFUSED: [NoNewPrivs, Capabilities, Filter, Listener] [] "could not {step}: {errno}", MISTAKE;

    NETWORK_NOT_SET_UP: [NetworkRules] [ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, ENOSYS]
        "this kernel lacks a part of nf_tables that network rules need: {errno}",
        "use a kernel with nf_tables, nft_tproxy and nft_reject_inet (CONFIG_NF_TABLES, CONFIG_NFT_TPROXY, \
         CONFIG_NFT_REJECT_INET), and load them where modules do not load by themselves: `modprobe -a nf_tables \
         nft_tproxy nft_reject_inet`";
    NETWORK_NOT_SET_UP: [Network, NetworkRules] [] "could not {step}: {errno}", MISTAKE;
    GATEWAY_NOT_STARTED: [Gateway] [ENOENT, EACCES] "msb-gateway cannot be started: {errno}",
        "it must lie beside msb-launch, where `scripts/build.sh` puts it";
    GATEWAY_NOT_STARTED: [Gateway] [] "msb-gateway ended before it was ready: {errno}",
        "it says why on standard error";
    GATEWAY_NOT_STARTED: [Publish] [EADDRINUSE] "another program of this host has the port: {errno}",
        "end that program, or publish another port";
    GATEWAY_NOT_STARTED: [Publish] [EACCES, EPERM] "you may not bind this port of the host: {errno}",
        "publish a port from 1024 on";
    HOST_NOT_TAKEN: [GatewayHost] [EAFNOSUPPORT] "`${param}` is `{value}`, an address, and a parameter stands for a name",
        "pass a name with {set}, or write the address into the policy: `allow tcp 192.0.2.7:443`";
    HOST_NOT_TAKEN: [GatewayHost] [ENOTUNIQ] "`${param}` is `{value}`, many names, and a parameter stands for one",
        "pass one name with {set}, or write the pattern into the policy: `allow tls \"*.example.org\"`";
    HOST_NOT_TAKEN: [GatewayHost] [EACCES] "`${param}` is `{value}`, which no parameter may stand for",
        "pass another name with {set}; the policy itself names the host's loopback (`host`), `metadata`, `private` and `any`";
    HOST_NOT_TAKEN: [GatewayHost] [ECONNREFUSED] "this line denies all that a parameter would allow",
        "pass a host that it does not cover";
    HOST_NOT_TAKEN: [GatewayHost] [] "`${param}` is `{value}`, which is no name of a host",
        "pass a name alone with {set}: what is spoken, ports and paths are the policy's";
    GATEWAY_NOT_STARTED: [Trust, Publish] [] "could not {step}: {errno}", MISTAKE;
    SECRET_NOT_READ: [SecretSource] [] "`${param}` must say where the secret is, and not be it",
        "pass {set}, `file:PATH`, `fd:N` or `command:PROGRAM`: who can list processes would read it otherwise";
    SECRET_NOT_READ: [Secret] [] "`${param}` cannot be read: {errno}",
        "pass {set}, `file:PATH`, `fd:N` or `command:PROGRAM` of a secret that is there and not empty";

    COMMAND_NOT_EXECUTED: [Exec] [ENOENT] "{command} is not found inside the sandbox",
        "only what the policy grants is there: grant its directory with `run`. A script also needs the interpreter \
         after its `#!`, a dynamic program its loader and libraries";
    COMMAND_NOT_EXECUTED: [Exec] [EACCES, EPERM] "{command} may not be executed inside the sandbox",
        "grant its directory with `run`, and see that the file has its x bit";
    COMMAND_NOT_EXECUTED: [Exec] [ENOEXEC] "{command} is not a program that this machine executes",
        "a script must begin with `#!` and its interpreter";
    COMMAND_NOT_EXECUTED: [Exec] [] "{command} could not be executed: {errno}", "";

    PROCESS_NOT_STARTED: [Spawn] [EAGAIN] "no process could be started: {errno}",
        "raise `pids` in the policy, or end other processes of yours";
    PROCESS_NOT_STARTED: [Terminal] [ENOSPC] "no terminal could be made: {errno}",
        "this host has as many terminals as it may: raise `sysctl kernel.pty.max`";
    PROCESS_NOT_STARTED: [Terminal] [] "could not {step}: {errno}", MISTAKE;
    PROCESS_NOT_STARTED: [Environment] [] "could not {step}: {errno}", "pass less of the environment";
    PROCESS_NOT_STARTED: [CloseFds] [ENOENT] "/dev/null is missing here",
        "a launcher needs the /dev of an ordinary system: in a chroot, `mount --rbind /dev DIR/dev`";
    PROCESS_NOT_STARTED: [CloseFds, Lifeline, Session, Output, Spawn] [] "could not {step}: {errno}", MISTAKE;
    LAUNCHER_MISUSED: [Report] [] "the report cannot be written: {errno}", "name another file after `--report`";
    LAUNCHER_MISUSED: [Usage] [] "msb-launch did not understand its command line",
        "see `msb-launch --help`; under `msbc run` this means that the two are of different versions";
}

/// How a limit is held without a cgroup, and how to get one.
pub(crate) fn fallback(limit: LimitKind) -> (&'static str, &'static str) {
    const SCOPE: &str = "for a cgroup, start it with `systemd-run --user --scope -p Delegate=yes`; `limits hard` refuses to start \
        without one";
    let how = match limit {
        LimitKind::Memory => "each process by RLIMIT_DATA, all together by the launcher's watch",
        LimitKind::Swap => "together with memory, as one sum",
        LimitKind::Pids => "by RLIMIT_NPROC in the sandbox's user namespace",
        LimitKind::Cpu | LimitKind::Cpuset => "by the CPUs that it may run on",
        LimitKind::Wall | LimitKind::CpuTime | LimitKind::Output => "by the launcher",
        LimitKind::Files => "by RLIMIT_NOFILE",
        LimitKind::FileSize => "by RLIMIT_FSIZE",
        LimitKind::Io | LimitKind::IoWeight => "by nothing",
    };
    (how, SCOPE)
}

/// What happens when a limit is reached, and what to do.
pub(crate) fn reached(limit: LimitKind) -> (&'static str, &'static str) {
    match limit {
        LimitKind::Memory => (
            "processes inside were killed",
            "raise `memory` in the policy, or give the program less to do at once; scratch mounts count too",
        ),
        LimitKind::Pids => (
            "no more processes or threads were made",
            "raise `pids` in the policy, or run fewer jobs at once",
        ),
        LimitKind::Swap => ("processes inside were killed", "raise `memory` or `swap` in the policy"),
        LimitKind::Cpu => ("the program was slowed down", "raise `cpu` in the policy, or let it take longer"),
        LimitKind::Cpuset => {
            ("the program was slowed down", "raise `cpuset` in the policy, or let it take longer")
        }
        LimitKind::CpuTime => ("everything inside was killed", "raise `cpu_time` in the policy"),
        LimitKind::Wall => ("everything inside was killed", "raise `wall` in the policy"),
        LimitKind::Files => ("no more files were opened", "raise `files` in the policy"),
        LimitKind::FileSize => {
            ("a process that wrote a larger file was killed", "raise `fsize` in the policy")
        }
        LimitKind::Io | LimitKind::IoWeight => ("the program waited for devices", "raise it in the policy"),
        LimitKind::Output => (
            "everything inside was killed",
            "raise `output` in the policy, or have the program write to a file: `> out.log`",
        ),
    }
}
