//! A cgroup for this run, v2 or v1, where the user may make one.
//!
//! Every value that is written is read back: a limit that the kernel did not take is no limit. What can't be
//! had here is held in the second way (`confine`, `watch`), or the launch fails where the policy says `hard`.

mod place;
mod settings;

use crate::fail::{At, Result, failure, refusal};
use crate::files::{lines, number, numbered, open, own_pid, read_small, write_once, write_small};
use crate::path::{Bytes, concat};
use alloc::vec::Vec;
use msb_plan::event::{LimitKind, Step};
use msb_plan::{Hold, Limits, OriginId};
use msb_sys::at::unlinkat;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;
use settings::{Setting, Wanted, wanted};

const CGROUP2_MAGIC: i64 = 0x6367_7270; // CGROUP2_SUPER_MAGIC of linux/magic.h
/// Before the number of the launcher that a cgroup is made for.
const PREFIX: &[u8] = b"msb-";
/// Where the processes of a delegated v2 cgroup are moved, so that it may have limited children
/// (cgroups(7), "no internal processes").
const LEAF: &[u8] = b"msb-outside";
/// How long a run lasts, microseconds, for each cgroup beside its own that it looks at when it ends: a look costs two, so
/// that a launch is no slower where a thousand sandboxes sleep beside it.
const RUN_US_PER_LOOK: u64 = 100;
/// What a look costs before the first cgroup is met: the hierarchies are opened, and their files listed.
const LOOKS_AT_LEAST: u64 = 50;

/// Which limits a cgroup holds: bit n is limit n of [`LimitKind::ALL`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held(u32);

impl Held {
    fn add(&mut self, kind: LimitKind) {
        self.0 |= 1 << kind as u32;
    }

    /// Whether `kind` is among them.
    pub(crate) fn has(self, kind: LimitKind) -> bool {
        self.0 >> kind as u32 & 1 == 1
    }
}

/// A v1 cgroup that the child must enter itself.
#[derive(Debug)]
pub(crate) struct Join {
    procs: OwnedFd,
    pub(crate) origin: Option<OriginId>,
}

impl Join {
    /// Moves the calling process in. The kernel looks at the rights of whoever opened the file
    /// (CVE-2021-4197): the parent, before it gave anything up.
    pub(crate) fn enter(&self) -> core::result::Result<(), Errno> {
        write_once(&self.procs, b"0")
    }
}

/// The cgroups of a run; removed by [`Cgroups::remove`].
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    groups: Vec<Group>,
    /// What of them holds which limit.
    pub(crate) held: Held,
    /// For the child, v1.
    pub(crate) join: Vec<Join>,
    version: Version,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    #[default]
    V2,
}

#[derive(Debug)]
struct Group {
    /// Of v1: which hierarchy it is in.
    controller: &'static str,
    parent: OwnedFd,
    name: Bytes,
    /// Locked: see [`place::claim`].
    directory: OwnedFd,
}

impl Cgroups {
    /// Makes them. What no cgroup can be had for is left to the second way.
    #[inline(never)]
    pub(crate) fn new(limits: &Limits) -> Result<Cgroups> {
        let version = match place::file_system() {
            Ok(stat) if stat.f_type == CGROUP2_MAGIC => Version::V2,
            _ => Version::V1,
        };
        let wanted = wanted(limits, version);
        let mut cgroups = Cgroups { version, ..Cgroups::default() };
        let made = match version {
            _ if wanted.is_empty() => Ok(()),
            Version::V2 => cgroups.make_v2(&wanted),
            Version::V1 => cgroups.make_v1(&wanted),
        };
        let second = made.and_then(|()| second_way(limits, cgroups.held));
        if let Err(failure) = second.and_then(|()| cgroups.may_watch(limits)) {
            cgroups.remove();
            return Err(failure);
        }
        Ok(cgroups)
    }

    /// Whether what is left to the watch can be seen.
    fn may_watch(&self, limits: &Limits) -> Result<()> {
        let memory = limits.memory_bytes.filter(|_| !self.held.has(LimitKind::Memory));
        let time = limits.cpu_time_ms.filter(|_| self.cpu_us().is_none());
        match memory.or(time) {
            Some(limit) => crate::watch::may_look().at(Step::LimitFallback, Some(limit.origin)),
            None => Ok(()),
        }
    }

    /// The cgroup to clone into, v2.
    pub(crate) fn clone_into(&self) -> Option<&OwnedFd> {
        let group = self.groups.first().filter(|_| self.version == Version::V2);
        group.map(|group| &group.directory)
    }

    #[inline(never)]
    fn make_v2(&mut self, wanted: &[Wanted]) -> Result<()> {
        let parents = place::parents(wanted);
        let all = |parent: &&OwnedFd| wanted.iter().all(|limit| place::enabled(parent, limit));
        let any = |parent: &&OwnedFd| wanted.iter().any(|limit| place::enabled(parent, limit));
        let Some(parent) = parents.iter().find(all).or_else(|| parents.iter().find(any)) else {
            return Ok(());
        };
        let mut group: Option<Group> = None;
        for limit in wanted.iter().filter(|limit| place::enabled(parent, limit)) {
            let group = match &mut group {
                Some(group) => group,
                None => match Group::new(parent, "") {
                    Ok(new) => group.insert(new),
                    Err(errno) if refused(errno) => return Ok(()),
                    Err(errno) => return Err(failure(Step::Cgroup, Some(limit.origin), errno)),
                },
            };
            if let Err(errno) = group.set(&limit.values) {
                group.remove();
                return Err(failure(Step::Cgroup, Some(limit.origin), errno));
            }
            self.held.add(limit.kind);
        }
        if let Some(group) = group {
            self.groups.push(group);
        }
        Ok(())
    }

    fn make_v1(&mut self, wanted: &[Wanted]) -> Result<()> {
        let parents =
            place::parents_v1(|controller| wanted.iter().any(|limit| limit.controller == controller));
        for limit in wanted {
            let at = Some(limit.origin);
            let Some((controller, parent)) = parents.iter().find(|(name, _)| *name == limit.controller)
            else {
                continue;
            };
            if self.group_of(limit.controller).is_none() {
                let group = match Group::new(parent, controller) {
                    Ok(group) => group,
                    Err(errno) if refused(errno) => continue,
                    Err(errno) => return Err(failure(Step::Cgroup, at, errno)),
                };
                self.groups.push(group);
            }
            let Some(group) = self.group_of(limit.controller) else { continue };
            group.set(&limit.values).at(Step::Cgroup, at)?;
            self.held.add(limit.kind);
        }
        for group in &self.groups {
            // It joins each when all its values are set: a v1 cpuset takes nobody before that.
            let origin =
                wanted.iter().find(|limit| limit.controller == group.controller).map(|limit| limit.origin);
            let procs = open(&group.directory, "cgroup.procs", OFlags::WRONLY).at(Step::Cgroup, origin)?;
            self.join.push(Join { procs, origin });
        }
        Ok(())
    }

    fn group_of(&self, controller: &str) -> Option<&Group> {
        self.groups.iter().find(|group| self.version == Version::V2 || group.controller == controller)
    }

    /// How often `limit` was reached, as the kernel counted.
    pub(crate) fn times_reached(&self, limit: LimitKind) -> u64 {
        let (controller, file, key): (_, _, &[u8]) = match (limit, self.version) {
            (LimitKind::Memory, Version::V2) => ("memory", "memory.events", b"oom_kill"),
            (LimitKind::Memory, Version::V1) => ("memory", "memory.oom_control", b"oom_kill"),
            (LimitKind::Pids, _) => ("pids", "pids.events", b"max"),
            _ => return 0,
        };
        self.counter(controller, file, key).filter(|_| self.held.has(limit)).unwrap_or(0)
    }

    /// The most memory that was in use at one time; `None` where nothing counts it.
    pub(crate) fn memory_peak_bytes(&self) -> Option<u64> {
        match self.version {
            Version::V2 => self.counter("memory", "memory.peak", b""), // Linux 5.19
            Version::V1 => self.counter("memory", "memory.max_usage_in_bytes", b""),
        }
    }

    /// The most processes and threads that there were at one time, init among them; Linux 6.1 (v2), 6.5 (v1).
    pub(crate) fn pids_peak(&self) -> Option<u64> {
        self.counter("pids", "pids.peak", b"")
    }

    /// In how many periods it had to wait because its share of CPUs was used up.
    pub(crate) fn throttled(&self) -> Option<u64> {
        self.counter("cpu", "cpu.stat", b"nr_throttled").filter(|_| self.held.has(LimitKind::Cpu))
    }

    /// Time on CPUs of everything that was ever in it, microseconds; v2 alone.
    pub(crate) fn cpu_us(&self) -> Option<u64> {
        self.counter("", "cpu.stat", b"usage_usec").filter(|_| self.version == Version::V2)
    }

    /// The number after `key` in the first line of a file that begins so; with "", the first number.
    fn counter(&self, controller: &str, file: &str, key: &[u8]) -> Option<u64> {
        let text = read_small(&self.group_of(controller)?.directory, file).ok()?;
        let mut lines = lines(&text);
        lines.find_map(|line| match key {
            b"" => number(line),
            key => number(line.strip_prefix(key)?.strip_prefix(b" ")?),
        })
    }

    /// Removes what launchers left that were killed, beside these, as far as a run of `run_us` does not notice it: to look
    /// at those of others costs at most a fiftieth of it. A run that wanted no cgroup does not look.
    #[inline(never)]
    pub(crate) fn sweep(&self, run_us: u64) {
        let mut looks = run_us / RUN_US_PER_LOOK;
        if self.groups.is_empty() || looks < LOOKS_AT_LEAST {
            return;
        }
        match self.version {
            Version::V2 => self.groups.iter().for_each(|group| place::sweep(&group.parent, &mut looks)),
            // In every hierarchy: what was left may have held other limits than this.
            Version::V1 => {
                let parents = place::parents_v1(|_| true);
                parents.iter().for_each(|(_, parent)| place::sweep(parent, &mut looks));
            }
        }
    }

    /// Removes them; nothing may be left inside.
    pub(crate) fn remove(&mut self) {
        for group in self.groups.drain(..) {
            group.remove();
        }
    }
}

/// The limits of `limits` that a cgroup can hold.
pub(crate) fn kinds(limits: &Limits) -> impl Iterator<Item = (LimitKind, OriginId)> {
    limits.each().filter(|(kind, _)| kind.is_held_by_cgroups()).map(|(kind, limit)| (kind, limit.origin))
}

/// Whether what no cgroup holds may be held, and can be held, without one.
fn second_way(limits: &Limits, held: Held) -> Result<()> {
    for (kind, origin) in kinds(limits).filter(|(kind, _)| !held.has(*kind)) {
        if limits.hold == Hold::Cgroup {
            return Err(refusal(Step::Cgroup, Some(origin)));
        }
        // CPUs are held by affinity, and that is whole CPUs.
        let parts = limits.cpu_percent.is_some_and(|limit| limit.value % 100 != 0);
        let nothing = matches!(kind, LimitKind::Io | LimitKind::IoWeight);
        if nothing || (kind == LimitKind::Cpu && parts) {
            return Err(refusal(Step::LimitFallback, Some(origin)));
        }
    }
    Ok(())
}

impl Group {
    /// Makes an empty one below `parent`, named for this process.
    fn new(parent: &OwnedFd, controller: &'static str) -> core::result::Result<Group, Errno> {
        // Launchers in other pid namespaces may have the same number, and one that was killed left its own.
        const NAMES: u64 = 64;
        let own = numbered(PREFIX, u64::from(own_pid()));
        for other in 0..NAMES {
            let name = if other == 0 { own } else { concat(&[own, numbered(b"-", other)]) };
            if let Some(directory) = place::claim(parent, name)? {
                let parent = open(parent, ".", OFlags::RDONLY | OFlags::DIRECTORY)?;
                return Ok(Group { controller, parent, name, directory });
            }
        }
        Err(Errno::EXIST)
    }

    /// Writes `values` and reads each back.
    fn set(&self, values: &[Setting]) -> core::result::Result<(), Errno> {
        for Setting { file, value, optional } in values {
            match write_small(&self.directory, *file, value) {
                Err(Errno::NOENT) if *optional => continue,
                written => written?,
            }
            let found = read_small(&self.directory, *file)?;
            if !settings::holds(&found, value) {
                return Err(Errno::INVAL);
            }
        }
        Ok(())
    }

    fn remove(self: &Group) {
        // The last process was reaped; the kernel takes a moment to let go of it.
        const TRIES: u32 = 100;
        for _ in 0..TRIES {
            match unlinkat(&self.parent, self.name, AtFlags::REMOVEDIR) {
                Err(Errno::BUSY) => crate::parent::sleep_us(1000),
                _ => return,
            }
        }
    }
}

/// Errors that say that this user gets no cgroup here.
fn refused(errno: Errno) -> bool {
    matches!(errno, Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOENT | Errno::AGAIN | Errno::NOTSUP)
}
