//! Where cgroups are made: the v2 cgroup or the v1 hierarchies that this user may make others in.

use super::settings::Wanted;
use super::{LEAF, PREFIX};
use crate::files::{lines, names, open, parts, read_small, write_small};
use crate::gather::Gather;
use crate::path::{concat, join, split};
use alloc::vec::Vec;
use msb_sys::at::{accessat, mkdirat, unlinkat};
use rustix::fd::OwnedFd;
use rustix::fs::{
    Access, AtFlags, CWD, FlockOperation, Mode, OFlags, StatFs, fgetxattr, flock, fstat, statfs,
};
use rustix::io::Errno;
use rustix::process::geteuid;

const MOUNT: &[u8] = b"/sys/fs/cgroup";
/// The v1 hierarchies that a limit may be held in.
const CONTROLLERS_V1: [&str; 5] = ["memory", "pids", "cpu", "cpuset", "blkio"];

/// Of the root of the v2 hierarchy, or of all v1 ones.
pub(super) fn file_system() -> core::result::Result<StatFs, Errno> {
    statfs(c"/sys/fs/cgroup")
}

/// Makes the cgroup `name` and locks its directory for as long as this process lives; `None` where the name is taken.
///
/// The lock says that the launcher lives: a number does not, which other launchers have in other pid namespaces (containers
/// that share these cgroups), and other processes later. It ends with the last descriptor: the sandbox closes its own
/// before the command starts.
pub(super) fn claim(parent: &OwnedFd, name: &[u8]) -> core::result::Result<Option<OwnedFd>, Errno> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) => return Ok(None),
        made => made?,
    }
    let directory = match open(parent, name, OFlags::RDONLY | OFlags::DIRECTORY) {
        // A sweep met it before it was locked.
        Err(Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    match flock(&directory, FlockOperation::NonBlockingLockExclusive)
        .and_then(|()| accessat(&directory, "cgroup.procs", Access::EXISTS, AtFlags::empty()))
    {
        // The same.
        Err(Errno::WOULDBLOCK | Errno::NOENT) => Ok(None),
        locked => locked.map(|()| Some(directory)),
    }
}

/// Removes what launchers left that were killed: cgroups that nobody holds locked. One that is in use can't be removed.
/// Each that is somebody's takes one of `looks`.
pub(super) fn sweep(parent: &OwnedFd, looks: &mut u64) {
    let Ok(listing) = open(parent, ".", OFlags::RDONLY | OFlags::DIRECTORY) else { return };
    let _ = names(&listing, &mut |name| {
        let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.first());
        if !rest.is_some_and(u8::is_ascii_digit) {
            return Ok(());
        }
        let Ok(directory) = open(parent, name, OFlags::RDONLY | OFlags::DIRECTORY) else { return Ok(()) };
        let removed = flock(&directory, FlockOperation::NonBlockingLockExclusive)
            .and_then(|()| unlinkat(parent, name, AtFlags::REMOVEDIR));
        if removed.is_err() {
            *looks = looks.checked_sub(1).ok_or(Errno::AGAIN)?;
        }
        Ok(())
    });
}

/// The v2 cgroups below which this process may make others, the better first: its own, or the one above the
/// leaf that an earlier launch moved it to; for root also the root of the hierarchy.
///
/// Processes are moved out of the way only in a cgroup that was handed over: what a service manager keeps for
/// itself is not this launcher's to arrange (systemd, "Control Group APIs and Delegation").
pub(super) fn parents(wanted: &[Wanted]) -> Vec<OwnedFd> {
    let mut parents = Vec::new();
    let directory = |path: &[u8]| open(CWD, join(MOUNT, path), OFlags::RDONLY | OFlags::DIRECTORY);
    let own = read_small(CWD, "/proc/self/cgroup").unwrap_or_default();
    let path = lines(&own).find_map(|line| line.strip_prefix(b"0::/"));
    // `..` is a cgroup outside of the namespace that is mounted: cgroup_namespaces(7).
    if let Some(path) = path.filter(|path| !path.starts_with(b"..")) {
        let (above, last) = split(path);
        let path = if last == LEAF { above } else { path };
        if let Ok(own) = directory(path) {
            enable(&own, wanted, path.is_empty() || is_delegated(&own));
            parents.push(own);
        }
    }
    if geteuid().is_root()
        && let Ok(root) = directory(b"")
    {
        parents.push(root);
    }
    parents
}

/// Whether a cgroup was handed to whoever runs this: a user owns it, systemd marks root's so (`Delegate=`).
fn is_delegated(cgroup: &OwnedFd) -> bool {
    if !geteuid().is_root() {
        return fstat(cgroup).is_ok_and(|stat| stat.st_uid == geteuid().as_raw());
    }
    let mut value = [0; 8];
    fgetxattr(cgroup, c"trusted.delegate", &mut value).is_ok_and(|length| value.get(..length) == Some(b"1"))
}

/// Whether children of `parent` have the controller of `limit`.
pub(super) fn enabled(parent: &OwnedFd, limit: &Wanted) -> bool {
    let has = read_small(parent, "cgroup.subtree_control").unwrap_or_default();
    super::settings::words(&has).any(|word| word == limit.controller.as_bytes())
}

/// Turns the controllers of `wanted` on for the children of `parent`, as far as it has them; who looks at
/// cgroup.subtree_control afterwards sees what came of it. With processes in it that takes room: `may_empty`.
fn enable(parent: &OwnedFd, wanted: &[Wanted], may_empty: bool) {
    let each = || {
        // memory first, wanted or not, and nothing after the first that is busy: beside processes the kernel takes pids and
        // cpu all the same, but makes a threaded cgroup of this one, below which none takes a process (cgroups(7)). One
        // that was not delegated must not keep the others off.
        let missing = wanted.iter().filter(|limit| !enabled(parent, limit)).map(|limit| limit.controller);
        core::iter::once("memory").chain(missing).any(|controller| {
            let word = concat(&[b"+", controller.as_bytes()]);
            write_small(parent, "cgroup.subtree_control", word) == Err(Errno::BUSY)
        })
    };
    if each() && may_empty && empty(parent).is_ok() {
        each();
    }
}

/// Moves every process of `parent` to a leaf of its own.
fn empty(parent: &OwnedFd) -> core::result::Result<(), Errno> {
    match mkdirat(parent, LEAF, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) => {}
        made => made?,
    }
    let leaf = open(parent, LEAF, OFlags::RDONLY | OFlags::DIRECTORY)?;
    // Processes that are born meanwhile show up in the next round.
    const ROUNDS: u32 = 8;
    for _ in 0..ROUNDS {
        let processes = read_small(parent, "cgroup.procs")?;
        if super::settings::words(&processes).next().is_none() {
            return Ok(());
        }
        for process in super::settings::words(&processes) {
            match write_small(&leaf, "cgroup.procs", process) {
                Err(Errno::SRCH) => {}
                moved => moved?,
            }
        }
    }
    Err(Errno::BUSY)
}

/// The cgroups that this process is in, in each v1 hierarchy of a controller that is `wanted` and that is mounted.
pub(super) fn parents_v1(wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, OwnedFd)> {
    let Ok(own) = read_small(CWD, "/proc/self/cgroup") else { return Vec::new() };
    let controllers = CONTROLLERS_V1.iter().filter(|controller| wanted(controller));
    controllers.filter_map(|controller| Some((*controller, parent_v1(&own, controller)?))).gather()
}

/// The cgroup that this process is in, in the v1 hierarchy of `controller`: `None` where that is not mounted.
fn parent_v1(own: &[u8], controller: &str) -> Option<OwnedFd> {
    let path = own_path_v1(own, controller.as_bytes())?;
    let hierarchy = join(MOUNT, controller.as_bytes());
    let directory = join(hierarchy, path.strip_prefix(b"/").unwrap_or(path));
    open(CWD, directory, OFlags::RDONLY | OFlags::DIRECTORY).ok()
}

/// This process's path in the v1 hierarchy of `controller`: `4:memory:/path` of /proc/self/cgroup.
fn own_path_v1<'t>(text: &'t [u8], controller: &[u8]) -> Option<&'t [u8]> {
    lines(text).find_map(|line| {
        let mut fields = line.splitn(3, |b| *b == b':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        parts(controllers, b',').any(|name| name == controller).then_some(path)
    })
}
