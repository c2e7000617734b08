//! The members of each kind of object: what the reader takes and the schema publishes.

pub(crate) const FILE: &[&str] =
    &["edition", "imports", "policies", "profiles", "groups", "constants", "tool", "tests"];
pub(crate) const BLOCK: &[&str] = &[
    "name", "doc", "docs", "params", "extends", "include", "fs", "net", "syscalls", "limits", "caps", "env",
    "exec", "tools", "tool", "assert", "accept", "sandbox",
];
pub(crate) const FS_VERBS: &[&str] = &[
    "read",
    "write",
    "create",
    "append",
    "run",
    "deny",
    "deny_read",
    "deny_write",
    "deny_run",
    "scratch",
    "overlay",
    "device",
    "socket",
    "proc",
];
pub(crate) const FS_OPTIONS: &[&str] =
    &["at", "size", "inodes", "from", "optional", "missing", "symlinks", "enforce", "beside", "depth"];
pub(crate) const MISSING: &[&str] = &["mask", "fail", "skip"];
pub(crate) const SYMLINKS: &[&str] = &["refuse", "follow"];
pub(crate) const ENFORCE: &[&str] = &["mount", "snapshot", "broker"];
pub(crate) const NET_VERBS: &[&str] = &["allow", "deny", "listen", "total"];
pub(crate) const NET_LIMITS: &[&str] = &["rate", "burst", "quota", "quota_up", "quota_down", "connections"];
pub(crate) const NET_OPTIONS: &[&str] = &[
    "only",
    "inject",
    "inspect",
    "optional",
    "rate",
    "burst",
    "quota",
    "quota_up",
    "quota_down",
    "connections",
];
pub(crate) const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
pub(crate) const PROTOCOLS: &[&str] = &["tcp", "udp", "tls", "https", "http", "unix"];
pub(crate) const PEERS: &[&str] = &["any", "private", "host", "metadata"];
pub(crate) const ACTIONS: &[&str] = &["allow", "log", "notify", "trap", "kill"];
pub(crate) const SYSCALL_RULES: &[&str] =
    &["allow", "log", "notify", "errno", "trap", "kill", "default", "arch"];
pub(crate) const ENV: &[&str] = &["pass", "set", "secret"];
pub(crate) const EXEC: &[&str] = &["command", "user", "cwd", "tty", "hostname"];
pub(crate) const TOOL: &[&str] = &[
    "name",
    "doc",
    "params",
    "returns",
    "rate",
    "burst",
    "quota",
    "timeout",
    "concurrency",
    "result",
    "confirm",
    "exec",
    "stdin",
    "in",
    "shim",
    "log",
];
pub(crate) const TEST: &[&str] = &["name", "for", "with", "claims"];
/// Statements that may have documentation of their own in `docs`.
pub(crate) const DOCUMENTED: &[&str] =
    &["fs", "net", "syscalls", "limits", "caps", "env", "exec", "tools", "assert", "sandbox"];
