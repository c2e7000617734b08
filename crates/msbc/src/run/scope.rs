//! A cgroup for a user who has none: systemd's user manager is asked for a scope that holds this process alone and is
//! handed to it (`StartTransientUnit` of org.freedesktop.systemd1(5), `Delegate=yes`).
//!
//! The launcher, which this process starts, then makes the sandbox's cgroup below. It talks to no service itself. Asking
//! takes some 20 ms, and is done only where a limit needs a cgroup and this process is in none of the user's own. The
//! bus is spoken by busctl(1), which every systemd brings along.

use msb_plan::Limits;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::{geteuid, getpid};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MOUNT: &str = "/sys/fs/cgroup";
/// How long the manager has to answer, and again to move this process.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Moves this process into a scope of its own where `limits` need a cgroup and the user can have one so.
///
/// # Errors
/// Why the manager gave none, where there is one. The launcher then says how the limits are held, or refuses.
pub(crate) fn enter(limits: &Limits) -> Result<(), String> {
    let is_needed = limits.each().any(|(kind, _)| kind.is_held_by_cgroups());
    // Root makes cgroups without asking, and users are given none of the first version.
    if !is_needed || geteuid().is_root() || !is_unified() || is_own(own().as_deref()) {
        return Ok(());
    }
    match runtime_dir() {
        Some(directory) => ask(&directory),
        None => Ok(()),
    }
}

fn is_unified() -> bool {
    statfs(MOUNT).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

/// The v2 cgroup that this process is in: `0::/path` of /proc/self/cgroup.
fn own() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new(MOUNT).join(path))
}

/// Whether this user may make others below it.
fn is_own(cgroup: Option<&Path>) -> bool {
    let owner = cgroup.and_then(|path| fs::metadata(path).ok()).map(|found| found.uid());
    owner == Some(geteuid().as_raw())
}

/// Where the manager's bus is, if there is one.
fn runtime_dir() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // su(1) and cron leave the variable out.
    let directory = given.unwrap_or_else(|| PathBuf::from(format!("/run/user/{}", geteuid())));
    (directory.is_absolute() && directory.join("bus").exists()).then_some(directory)
}

fn ask(runtime_dir: &Path) -> Result<(), String> {
    // The number of a process comes again; the time with it does not.
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unit = format!("msbc-{}-{}.scope", getpid(), since_1970.as_micros());
    let mut busctl = Command::new("busctl");
    busctl.args(["--user", "--quiet", "--no-pager"]).arg(format!("--timeout={}", PATIENCE.as_secs()));
    busctl.args(["call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"]);
    busctl.args([
        "org.freedesktop.systemd1.Manager",
        "StartTransientUnit",
        "ssa(sv)a(sa(sv))",
        &unit,
        "fail",
    ]);
    busctl.args(["4", "Description", "s", "msbc run", "Delegate", "b", "true"]);
    busctl.args(["CollectMode", "s", "inactive-or-failed", "PIDs", "au", "1", &getpid().to_string(), "0"]);
    busctl.env("XDG_RUNTIME_DIR", runtime_dir).stdin(Stdio::null());
    let answer = busctl.output().map_err(|error| format!("busctl: {}", crate::output::reason(&error)))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        return Err(said.lines().last().unwrap_or("it did not say why").trim().to_owned());
    }
    // The answer names a job; it is done when this process is where it asked to be.
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if own().is_some_and(|path| path.ends_with(&unit) && is_own(Some(&path))) {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err(format!("it did not move this process to {unit}"))
}
