//! Whether root can give a sandbox ids of its own.
//!
//! Root of the whole machine runs every sandbox as a user that is nobody else, and maps the owners of what it works on
//! to that one. Root of a container is often less: in a user namespace of its own most ids mean nothing (rootless
//! Podman, `unshare -r`), and without CAP_SYS_ADMIN no mount is mapped (Docker). There it is a user like any other, who
//! maps the one id that it has.

use crate::fail::{At, Result, failure};
use crate::files::{lines, number, parts, read_small};
use msb_plan::OriginId;
use msb_plan::event::Step;
use msb_sys::process::{Fork, exit, fork, wait};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, geteuid, getpid, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// Host ids that belong to nobody and to one sandbox at a time, when root launches: added to the launcher's
/// pid, which is below 2^22. The range is one that systemd leaves to containers (UIDS-GIDS, 524288 to
/// 1879048191).
const PRIVATE_IDS: u32 = 0x6000_0000;

/// What it takes to map ids that are not one's own, and the owners of a mount.
const NEEDED: CapabilitySet =
    CapabilitySet::SYS_ADMIN.union(CapabilitySet::SETUID).union(CapabilitySet::SETGID);

/// The id of a sandbox's own; `None` where it has that of whoever launches it.
pub(crate) fn private() -> Option<u32> {
    if !geteuid().is_root() {
        return None;
    }
    let id = PRIVATE_IDS + getpid().as_raw_nonzero().get().unsigned_abs();
    let is_able = capabilities(None).is_ok_and(|sets| sets.effective.contains(NEEDED));
    let is_known = |file| read_small(CWD, file).is_ok_and(|map| has(&map, id));
    (is_able && is_known("/proc/self/uid_map") && is_known("/proc/self/gid_map")).then_some(id)
}

/// Whether an id map (user_namespaces(7)) has `id`: lines of the first id inside, the first outside, and how many.
pub(crate) fn has(map: &[u8], id: u32) -> bool {
    lines(map).any(|line| {
        let mut numbers = parts(line, b' ').filter_map(number);
        let (first, count) = (numbers.next(), numbers.nth(1));
        let begins = first.and_then(|first| u64::from(id).checked_sub(first));
        begins.zip(count).is_some_and(|(after, count)| after < count)
    })
}

/// Refuses a limit of processes that would hold nobody: the kernel holds the machine's root to none, whatever the namespace
/// (`copy_process` of kernel/fork.c), and inside of one nothing tells who that is. So it is tried.
///
/// # Errors
/// `EPERM` where the limit does not hold.
pub(crate) fn counts_processes(origin: OriginId) -> Result<()> {
    let before = getrlimit(Resource::Nproc);
    let one = Rlimit { current: Some(1), maximum: before.maximum };
    setrlimit(Resource::Nproc, one).at(Step::Rlimit, Some(origin))?;
    let tried = fork(0, None);
    setrlimit(Resource::Nproc, before).at(Step::Rlimit, Some(origin))?;
    match tried {
        Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(failure(Step::LimitFallback, Some(origin), errno)),
        Ok(Fork::Child) => exit(0),
        Ok(Fork::Parent { pid, .. }) => {
            let _ = wait(pid);
            Err(failure(Step::LimitFallback, Some(origin), Errno::PERM))
        }
    }
}
