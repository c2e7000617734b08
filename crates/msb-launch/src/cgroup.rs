//! A cgroup for this run, v2 or v1, where the user may make one.
//!
//! Every value that is written is read back: a limit that the kernel did not take is no limit. What can't be
//! had here is held in the second way (`confine`, `watch`), or the launch fails where the policy says `hard`.

use crate::confine::INIT_PIDS;
use crate::fail::{At, Result, failure, refusal};
use crate::files::{decimal, number, open, read_small, write_once, write_small};
use crate::path::{join, split};
use alloc::vec::Vec;
use msb_plan::event::{LimitKind, Step};
use msb_plan::{Hold, Limits, OriginId};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, fgetxattr, fstat, mkdirat, statat, statfs, unlinkat};
use rustix::io::Errno;
use rustix::process::{geteuid, getpid};

const MOUNT: &[u8] = b"/sys/fs/cgroup";
const CGROUP2_MAGIC: i64 = 0x6367_7270; // CGROUP2_SUPER_MAGIC of linux/magic.h
/// Before the number of the launcher that a cgroup is made for.
const PREFIX: &[u8] = b"msb-";
/// Where the processes of a delegated v2 cgroup are moved, so that it may have limited children
/// (cgroups(7), "no internal processes").
const LEAF: &[u8] = b"msb-outside";
/// The v1 hierarchies that a limit may be held in.
const CONTROLLERS_V1: [&str; 3] = ["memory", "pids", "cpu"];
/// As cgroup.subtree_control takes them.
const CONTROLLERS: [&[u8]; 3] = [b"+memory", b"+pids", b"+cpu"];
const CPU_PERIOD_US: u64 = 100_000; // the kernel's default, Documentation/admin-guide/cgroup-v2.rst
const PAGE_BYTES: u64 = 4096;

/// Which limits a cgroup holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) memory: bool,
    pub(crate) pids: bool,
    pub(crate) cpu: bool,
}

/// A v1 cgroup that the child must enter itself.
#[derive(Debug)]
pub(crate) struct Join {
    procs: OwnedFd,
    pub(crate) origin: OriginId,
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
    parent: OwnedFd,
    name: Vec<u8>,
    directory: OwnedFd,
    holds: Held,
}

/// What one limit needs of its cgroup: controller, files and values, in the order of writing.
struct Wanted {
    kind: LimitKind,
    controller: &'static str,
    origin: OriginId,
    values: Vec<Setting>,
}

struct Setting {
    file: &'static str,
    value: Vec<u8>,
    /// Whether a kernel without this file holds the limit all the same.
    optional: bool,
}

fn setting(file: &'static str, value: u64) -> Setting {
    Setting { file, value: decimal(b"", value), optional: false }
}

impl Cgroups {
    /// Makes them. What no cgroup can be had for is left to the second way.
    pub(crate) fn new(limits: &Limits) -> Result<Cgroups> {
        let version = match statfs(MOUNT) {
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
        if let Err(failure) = made.and_then(|()| second_way(limits, cgroups.held)) {
            cgroups.remove();
            return Err(failure);
        }
        Ok(cgroups)
    }

    /// The cgroup to clone into, v2.
    pub(crate) fn clone_into(&self) -> Option<&OwnedFd> {
        let group = self.groups.first().filter(|_| self.version == Version::V2);
        group.map(|group| &group.directory)
    }

    fn make_v2(&mut self, wanted: &[Wanted]) -> Result<()> {
        let parents = parents();
        let all = |parent: &&OwnedFd| wanted.iter().all(|limit| enabled(parent, limit));
        let any = |parent: &&OwnedFd| wanted.iter().any(|limit| enabled(parent, limit));
        let Some(parent) = parents.iter().find(all).or_else(|| parents.iter().find(any)) else {
            return Ok(());
        };
        sweep(parent);
        let mut group: Option<Group> = None;
        for limit in wanted.iter().filter(|limit| enabled(parent, limit)) {
            let group = match &mut group {
                Some(group) => group,
                None => match Group::new(parent) {
                    Ok(new) => group.insert(new),
                    Err(errno) if refused(errno) => return Ok(()),
                    Err(errno) => return Err(failure(Step::Cgroup, Some(limit.origin), errno)),
                },
            };
            if let Err(errno) = group.set(limit) {
                group.remove();
                return Err(failure(Step::Cgroup, Some(limit.origin), errno));
            }
            self.held.add(limit.kind);
        }
        self.groups.extend(group);
        Ok(())
    }

    fn make_v1(&mut self, wanted: &[Wanted]) -> Result<()> {
        let Ok(own) = read_small(CWD, "/proc/self/cgroup") else { return Ok(()) };
        let parents = CONTROLLERS_V1.map(|controller| (controller, parent_v1(&own, controller)));
        // In every hierarchy: what a launcher left that was killed may have held other limits than this one.
        for parent in parents.iter().filter_map(|(_, parent)| parent.as_ref()) {
            sweep(parent);
        }
        for limit in wanted {
            let parent = parents.iter().find(|(controller, _)| *controller == limit.controller);
            let Some((_, Some(parent))) = parent else { continue };
            let mut group = match Group::new(parent) {
                Ok(group) => group,
                Err(errno) if refused(errno) => continue,
                Err(errno) => return Err(failure(Step::Cgroup, Some(limit.origin), errno)),
            };
            let done = group.set(limit).and_then(|()| open(&group.directory, "cgroup.procs", OFlags::WRONLY));
            self.groups.push(group);
            let procs = done.at(Step::Cgroup, Some(limit.origin))?;
            self.join.push(Join { procs, origin: limit.origin });
            self.held.add(limit.kind);
        }
        Ok(())
    }

    /// How often `limit` was reached, as the kernel counted.
    pub(crate) fn times_reached(&self, limit: LimitKind) -> u64 {
        let (file, key): (_, &[u8]) = match (limit, self.version) {
            (LimitKind::Memory, Version::V2) => ("memory.events", b"oom_kill"),
            (LimitKind::Memory, Version::V1) => ("memory.oom_control", b"oom_kill"),
            (LimitKind::Pids, _) => ("pids.events", b"max"),
            _ => return 0,
        };
        let group = self.groups.iter().find(|group| group.holds.has(limit));
        let text = group.and_then(|group| read_small(&group.directory, file).ok()).unwrap_or_default();
        let mut lines = text.split(|b| *b == b'\n');
        lines.find_map(|line| number(line.strip_prefix(key)?.strip_prefix(b" ")?)).unwrap_or(0)
    }

    /// The most memory that was in use at one time; `None` where nothing counts it.
    pub(crate) fn memory_peak_bytes(&self) -> Option<u64> {
        let file = match self.version {
            Version::V2 => "memory.peak", // Linux 5.19
            Version::V1 => "memory.max_usage_in_bytes",
        };
        let group = self.groups.iter().find(|group| group.holds.memory)?;
        number(&read_small(&group.directory, file).ok()?)
    }

    /// Removes them; nothing may be left inside.
    pub(crate) fn remove(&mut self) {
        for group in self.groups.drain(..) {
            group.remove();
        }
    }
}

impl Held {
    fn add(&mut self, kind: LimitKind) {
        match kind {
            LimitKind::Memory => self.memory = true,
            LimitKind::Pids => self.pids = true,
            LimitKind::Cpu => self.cpu = true,
            LimitKind::Wall | LimitKind::Files => {}
        }
    }

    /// Whether `kind` is among them.
    pub(crate) fn has(self, kind: LimitKind) -> bool {
        match kind {
            LimitKind::Memory => self.memory,
            LimitKind::Pids => self.pids,
            LimitKind::Cpu => self.cpu,
            LimitKind::Wall | LimitKind::Files => false,
        }
    }
}

/// The limits of `limits` that a cgroup can hold.
pub(crate) fn kinds(limits: &Limits) -> impl Iterator<Item = (LimitKind, OriginId)> {
    let memory = limits.memory_bytes.map(|limit| (LimitKind::Memory, limit.origin));
    let pids = limits.pids.map(|limit| (LimitKind::Pids, limit.origin));
    let cpu = limits.cpu_percent.map(|limit| (LimitKind::Cpu, limit.origin));
    [memory, pids, cpu].into_iter().flatten()
}

/// Whether what no cgroup holds may be held, and can be held, without one.
fn second_way(limits: &Limits, held: Held) -> Result<()> {
    for (kind, origin) in kinds(limits).filter(|(kind, _)| !held.has(*kind)) {
        if limits.hold == Hold::Cgroup {
            return Err(refusal(Step::Cgroup, Some(origin)));
        }
        // CPUs are held by affinity, and that is whole CPUs.
        let parts = limits.cpu_percent.is_some_and(|limit| limit.value % 100 != 0);
        if kind == LimitKind::Cpu && parts {
            return Err(refusal(Step::LimitFallback, Some(origin)));
        }
    }
    Ok(())
}

fn wanted(limits: &Limits, version: Version) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    if let Some(limit) = limits.memory_bytes {
        // Swap is memory too: what the policy allows in all is what both may hold together.
        let values = match version {
            Version::V2 => Vec::from([
                setting("memory.max", limit.value),
                Setting { optional: true, ..setting("memory.swap.max", 0) },
            ]),
            Version::V1 => Vec::from([
                setting("memory.limit_in_bytes", limit.value),
                setting("memory.swappiness", 0),
                Setting { optional: true, ..setting("memory.memsw.limit_in_bytes", limit.value) },
            ]),
        };
        wanted.push(Wanted { kind: LimitKind::Memory, controller: "memory", origin: limit.origin, values });
    }
    if let Some(limit) = limits.pids {
        let values = Vec::from([setting("pids.max", u64::from(limit.value + INIT_PIDS))]);
        wanted.push(Wanted { kind: LimitKind::Pids, controller: "pids", origin: limit.origin, values });
    }
    if let Some(limit) = limits.cpu_percent {
        let quota_us = u64::from(limit.value) * CPU_PERIOD_US / 100;
        let values = match version {
            Version::V2 => {
                let quota = decimal(b"", quota_us);
                let value = decimal(&[quota.as_slice(), b" "].concat(), CPU_PERIOD_US);
                Vec::from([Setting { file: "cpu.max", value, optional: false }])
            }
            Version::V1 => Vec::from([
                setting("cpu.cfs_period_us", CPU_PERIOD_US),
                setting("cpu.cfs_quota_us", quota_us),
            ]),
        };
        wanted.push(Wanted { kind: LimitKind::Cpu, controller: "cpu", origin: limit.origin, values });
    }
    wanted
}

impl Group {
    /// Makes an empty one below `parent`, named for this process.
    fn new(parent: &OwnedFd) -> core::result::Result<Group, Errno> {
        let name = decimal(PREFIX, u64::from(getpid().as_raw_nonzero().get().unsigned_abs()));
        let mut made = mkdirat(parent, name.as_slice(), Mode::from_raw_mode(0o755));
        if made == Err(Errno::EXIST) {
            // Left by a launcher of the same number that was killed; one in use can't be removed.
            unlinkat(parent, name.as_slice(), AtFlags::REMOVEDIR)?;
            made = mkdirat(parent, name.as_slice(), Mode::from_raw_mode(0o755));
        }
        made?;
        let opened = open(parent, name.as_slice(), OFlags::RDONLY | OFlags::DIRECTORY)
            .and_then(|directory| Ok((directory, open(parent, ".", OFlags::RDONLY | OFlags::DIRECTORY)?)));
        match opened {
            Ok((directory, parent)) => Ok(Group { parent, name, directory, holds: Held::default() }),
            Err(errno) => {
                let _ = unlinkat(parent, name.as_slice(), AtFlags::REMOVEDIR);
                Err(errno)
            }
        }
    }

    /// Writes the values of `limit` and reads each back.
    fn set(&mut self, limit: &Wanted) -> core::result::Result<(), Errno> {
        for Setting { file, value, optional } in &limit.values {
            match write_small(&self.directory, *file, value) {
                Err(Errno::NOENT) if *optional => continue,
                written => written?,
            }
            let found = read_small(&self.directory, *file)?;
            if !same(&found, value) {
                return Err(Errno::INVAL);
            }
        }
        self.holds.add(limit.kind);
        Ok(())
    }

    fn remove(self: &Group) {
        // The last process was reaped; the kernel takes a moment to let go of it.
        const TRIES: u32 = 100;
        for _ in 0..TRIES {
            match unlinkat(&self.parent, self.name.as_slice(), AtFlags::REMOVEDIR) {
                Err(Errno::BUSY) => crate::parent::sleep_us(1000),
                _ => return,
            }
        }
    }
}

/// Removes what launchers left that were killed: cgroups named for a process that is gone. One that is in use
/// can't be removed.
fn sweep(parent: &OwnedFd) {
    let Ok(listing) = open(parent, ".", OFlags::RDONLY | OFlags::DIRECTORY) else { return };
    let mut buffer: Vec<u8> = Vec::with_capacity(4096);
    let mut entries = RawDir::new(listing, buffer.spare_capacity_mut());
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        let Some(process) = name.strip_prefix(PREFIX).filter(|rest| rest.iter().all(u8::is_ascii_digit))
        else {
            continue;
        };
        if statat(CWD, [b"/proc/", process].concat(), AtFlags::empty()).err() == Some(Errno::NOENT) {
            // Another launch may have been faster.
            let _ = unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    }
}

/// Whether a value is the one that was written: the kernel rounds bytes to pages.
fn same(found: &[u8], written: &[u8]) -> bool {
    let close = |a: u64, b: u64| a == b || (a.abs_diff(b) < PAGE_BYTES && b > PAGE_BYTES * 64);
    let mut pairs = words(found).zip(words(written));
    words(found).count() == words(written).count()
        && pairs.all(|(a, b)| number(a).zip(number(b)).is_some_and(|(a, b)| close(a, b)))
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Errors that say that this user gets no cgroup here.
fn refused(errno: Errno) -> bool {
    matches!(errno, Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOENT | Errno::AGAIN | Errno::NOTSUP)
}

/// The v2 cgroups below which this process may make others, the better first: its own, or the one above the
/// leaf that an earlier launch moved it to; for root also the root of the hierarchy.
///
/// Processes are moved out of the way only in a cgroup that was handed over: what a service manager keeps for
/// itself is not this launcher's to arrange (systemd, "Control Group APIs and Delegation").
fn parents() -> Vec<OwnedFd> {
    let mut parents = Vec::new();
    let directory = |path: &[u8]| open(CWD, join(MOUNT, path)?, OFlags::RDONLY | OFlags::DIRECTORY);
    let own = read_small(CWD, "/proc/self/cgroup").unwrap_or_default();
    let path = own.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"0::/"));
    // `..` is a cgroup outside of the namespace that is mounted: cgroup_namespaces(7).
    if let Some(path) = path.filter(|path| !path.starts_with(b"..")) {
        let (above, last) = split(path);
        let path = if last == LEAF { above } else { path };
        if let Ok(own) = directory(path) {
            enable(&own, path.is_empty() || is_delegated(&own));
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
    fgetxattr(cgroup, "trusted.delegate", &mut value).is_ok_and(|length| value.get(..length) == Some(b"1"))
}

/// Whether children of `parent` have the controller of `limit`.
fn enabled(parent: &OwnedFd, limit: &Wanted) -> bool {
    let has = read_small(parent, "cgroup.subtree_control").unwrap_or_default();
    words(&has).any(|word| word == limit.controller.as_bytes())
}

/// Turns the controllers of every limit on for the children of `parent`, as far as it has them; who looks at
/// cgroup.subtree_control afterwards sees what came of it. With processes in it that takes room: `may_empty`.
fn enable(parent: &OwnedFd, may_empty: bool) {
    let each = || {
        // One that was not delegated must not keep the others off.
        CONTROLLERS
            .iter()
            .any(|controller| write_small(parent, "cgroup.subtree_control", controller) == Err(Errno::BUSY))
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
        if words(&processes).next().is_none() {
            return Ok(());
        }
        for process in words(&processes) {
            match write_small(&leaf, "cgroup.procs", process) {
                Err(Errno::SRCH) => {}
                moved => moved?,
            }
        }
    }
    Err(Errno::BUSY)
}

/// The cgroup that this process is in, in the v1 hierarchy of `controller`: `None` where that is not mounted.
fn parent_v1(own: &[u8], controller: &str) -> Option<OwnedFd> {
    let path = own_path_v1(own, controller.as_bytes())?;
    let hierarchy = join(MOUNT, controller.as_bytes()).ok()?;
    let directory = join(&hierarchy, path.strip_prefix(b"/").unwrap_or(path)).ok()?;
    open(CWD, directory, OFlags::RDONLY | OFlags::DIRECTORY).ok()
}

/// This process's path in the v1 hierarchy of `controller`: `4:memory:/path` of /proc/self/cgroup.
fn own_path_v1<'t>(text: &'t [u8], controller: &[u8]) -> Option<&'t [u8]> {
    text.split(|b| *b == b'\n').find_map(|line| {
        let mut fields = line.splitn(3, |b| *b == b':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        controllers.split(|b| *b == b',').any(|name| name == controller).then_some(path)
    })
}
