//! What the parent itself adds up, again and again: memory without a cgroup, and time on CPUs.
//!
//! Looks come as often as the limit could be reached before the next: memory can grow within milliseconds, time on
//! CPUs by no more than there are CPUs. A look costs a few microseconds for each process, and never takes more than
//! a fifth of the parent's time.

use crate::cgroup::{Cgroups, Held};
use crate::files::{decimal, lines, names, number, open, own_pid, parts, read_small};
use crate::gather::Gather;
use crate::parent::earliest;
use crate::storage::Storage;
use alloc::vec::Vec;
use msb_plan::event::LimitKind;
use msb_plan::{Limit, Limits, OriginId};
use msb_sys::at::{accessat, readlink, readlinkat, statat};
use msb_sys::process::monotonic_us;
use rustix::fd::OwnedFd;
use rustix::fs::{Access, AtFlags, CWD, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::system::sysinfo;

/// Between two looks at memory. A program can take more than its limit for so long, and for the time of two looks.
const MEMORY_PERIOD_US: u64 = 10_000;
/// The same where one look takes long, so that nobody has more than its limit for longer than 50 ms.
const MEMORY_PERIOD_MAX_US: u64 = 25_000;
/// The shortest time between two looks at time on CPUs.
const CPU_PERIOD_US: u64 = 10_000;
/// A bound on a walk: no kernel has more processes (`PID_MAX_LIMIT`).
const PROCESSES_MAX: u32 = 1 << 22;
/// Descriptors that a look takes within its time, all processes together: a microsecond each. More are not watched.
const DESCRIPTORS_MAX: u64 = 1 << 16;
/// `USER_HZ` of proc(5), the same on x86-64 and AArch64: 10 ms each.
const TICK_US: u64 = 10_000;

/// The limits that are watched, and when each is looked at next.
#[derive(Debug)]
pub(crate) struct Watch {
    init: u64,
    storage: Storage,
    /// Bytes of files in memory on this host, at the beginning.
    shared: u64,
    memory: Option<Limit<u64>>,
    cpu: Option<Limit<u64>>,
    cpus: u64,
    memory_at_us: u64,
    cpu_at_us: u64,
}

impl Watch {
    /// What of `limits` has to be watched of the sandbox of `init`, which began at `begin_us` with nothing.
    pub(crate) fn new(limits: &Limits, held: Held, init: u32, begin_us: u64, storage: Storage) -> Watch {
        let swap = limits.swap_bytes.map_or(0, |limit| limit.value);
        let memory = limits.memory_bytes.filter(|_| !held.has(LimitKind::Memory));
        let cpu = limits.cpu_time_ms.map(|Limit { value, origin }| Limit { value: value * 1000, origin });
        let cpus = cpu.and_then(|_| crate::confine::cpus(u64::MAX).ok()).map_or(1, |cpus| cpus.len() as u64);
        Watch {
            init: u64::from(init),
            storage,
            shared: host_shared_bytes(),
            memory: memory.map(|Limit { value, origin }| Limit { value: value + swap, origin }),
            cpu,
            cpus: cpus.max(1),
            memory_at_us: begin_us + MEMORY_PERIOD_US,
            cpu_at_us: begin_us + CPU_PERIOD_US,
        }
    }

    /// Looks at what is due; gives the limit that is reached.
    #[inline(never)]
    pub(crate) fn look(&mut self, now_us: u64, cgroups: &Cgroups) -> Option<(LimitKind, OriginId)> {
        if let Some(Limit { value, origin }) = self.cpu.filter(|_| now_us >= self.cpu_at_us) {
            let used = cgroups.cpu_us().unwrap_or_else(|| cpu_us(self.init, PROCESSES_MAX));
            if used >= value {
                return Some((LimitKind::CpuTime, origin));
            }
            self.cpu_at_us = now_us + ((value - used) / self.cpus).max(CPU_PERIOD_US);
        }
        if let Some(Limit { value, origin }) = self.memory.filter(|_| now_us >= self.memory_at_us) {
            if exceeds(self.init, &mut self.storage, self.shared, value) {
                return Some((LimitKind::Memory, origin));
            }
            let end = monotonic_us();
            let took = end.saturating_sub(now_us);
            self.memory_at_us = end + (took * 4).clamp(MEMORY_PERIOD_US, MEMORY_PERIOD_MAX_US);
        }
        None
    }

    /// When to look next, microseconds of the same clock.
    pub(crate) fn next_us(&self) -> Option<u64> {
        let memory = self.memory.map(|_| self.memory_at_us);
        let cpu = self.cpu.map(|_| self.cpu_at_us);
        earliest(&[memory, cpu])
    }
}

/// Whether this procfs is of the launcher's own pid namespace and shows processes that are not to be traced, which the
/// sandbox's init is not: a watch that sees nothing holds nothing.
///
/// # Errors
/// `ESRCH` for another namespace's; `EACCES` where processes are hidden (proc(5), `hidepid`).
pub(crate) fn may_look() -> Result<(), Errno> {
    let own = decimal(b"", u64::from(own_pid()));
    if readlink(b"/proc/self")? != own {
        return Err(Errno::SRCH);
    }
    // Process 1 is nobody's to trace but root's.
    accessat(CWD, "/proc/1/stat", Access::READ_OK, AtFlags::empty()).map_err(|_| Errno::ACCESS)
}

/// Whether the process `init` and all its descendants hold more than `bytes` together, with the files in memory that are
/// theirs alone, and what is in their sockets. The host had `shared` bytes of files in memory before them.
#[inline(never)]
fn exceeds(init: u64, storage: &mut Storage, shared: u64, bytes: u64) -> bool {
    let mut mapped = 0;
    let mut files = Files::default();
    let whole = each(init, PROCESSES_MAX, &mut |directory| {
        mapped += Mapped::of(directory).all();
        files.add(directory);
    });
    if !whole || files.descriptors > DESCRIPTORS_MAX {
        return true;
    }
    let files = files.bytes() + storage.bytes();
    // What came to the host meanwhile and that nobody was seen to have: others', but for who hides it.
    let unseen = host_shared_bytes().saturating_sub(shared + files);
    let left = bytes.saturating_sub(mapped + files + unseen);
    let first = decimal(b"/proc/", init);
    let sockets = storage.socket_bytes(&first, left);
    // What processes share counts in each of them, which fork(2) makes of all that its caller has: only when the sum could
    // be too much is it worth to ask how much of it is nobody else's. That takes 3 ms for a GiB.
    if mapped + files + sockets + unseen <= bytes {
        return false;
    }
    let mut exact = files + sockets;
    let mut hides = false;
    let whole = each(init, PROCESSES_MAX, &mut |directory| {
        exact += proportional_bytes(directory);
        hides |= directory != first.as_slice() && hides_files(directory);
    });
    !whole || exact + if hides { unseen } else { 0 } > bytes
}

/// Bytes of all files in memory on this host (sysinfo(2), `sharedram`), among them those that nobody has mapped.
fn host_shared_bytes() -> u64 {
    let info = sysinfo();
    info.sharedram * u64::from(info.mem_unit)
}

/// Whether a process may have files that it does not show: it does not let itself be looked at, or some are on their way to
/// it (`scm_fds` of a socket, proc(5), fdinfo). Who has ended has none.
fn hides_files(directory: &[u8]) -> bool {
    let has_ended = Stat::of(directory).is_none_or(|stat| b"ZX".contains(&stat.state));
    let mut waiting = false;
    let looked = each_file(directory, &mut |_, name, target| {
        if target.starts_with(b"socket:") {
            let text = file(directory, &[b"/fdinfo/", name].concat()).unwrap_or_default();
            let mut lines = lines(&text);
            let count = lines.find_map(|line| line.strip_prefix(b"scm_fds:")).and_then(number);
            waiting |= count.is_some_and(|count| count > 0);
        }
    });
    waiting || (looked.is_none() && !has_ended)
}

/// What the kernel counts of a process, bytes (`status` of proc(5)).
#[derive(Debug, Default, PartialEq, Eq)]
struct Mapped {
    /// In memory or swapped out, and in no file of a disk: shared or not.
    resident: u64,
    /// That its page tables take, which nobody shares: a page of nothing but zeroes takes no other memory.
    tables: u64,
    /// Of huge pages, which are counted nowhere else.
    huge: u64,
}

impl Mapped {
    /// Of the process of `directory`; nothing for one that has ended.
    fn of(directory: &[u8]) -> Mapped {
        let text = file(directory, b"/status").unwrap_or_default();
        let keys: [(&[u8], usize); 5] =
            [(b"RssAnon:", 0), (b"RssShmem:", 0), (b"VmSwap:", 0), (b"VmPTE:", 1), (b"HugetlbPages:", 2)];
        let [resident, tables, huge] = sums(&text, &keys);
        Mapped { resident, tables, huge }
    }

    fn all(&self) -> u64 {
        self.resident + self.tables + self.huge
    }
}

/// The content of a file of the process of `directory`.
fn file(directory: &[u8], name: &[u8]) -> Result<Vec<u8>, Errno> {
    read_small(CWD, [directory, name].concat())
}

/// The bytes of lines such as `VmPTE:  4 kB` of `text`: each is added to the sum that `keys` has for its beginning.
fn sums(text: &[u8], keys: &[(&[u8], usize)]) -> [u64; 3] {
    let mut sums = [0; 3];
    for line in lines(text) {
        for (key, index) in keys {
            if let (Some(rest), Some(sum)) = (line.strip_prefix(*key), sums.get_mut(*index)) {
                *sum += number(rest).unwrap_or(0) * 1024;
            }
        }
    }
    sums
}

/// Files of memfd_create(2) and memfd_secret(2), by number, and their bytes: they are in no file system that anybody sees,
/// and no process has to map them. And all descriptors, and those of pipes.
#[derive(Debug, Default)]
struct Files {
    descriptors: u64,
    memory: Vec<(u64, u64)>,
    pipes: u64,
}

/// What each descriptor of a pipe counts: two pages are what a pipe holds once its user has `pipe-user-pages-soft` in others,
/// 64 MiB, which count as nobody's (pipe(7), Linux 5.14 for two).
const PIPE_BYTES: u64 = 8192;

impl Files {
    /// Adds those that a process has open. One that does not let itself be looked at shows none.
    fn add(&mut self, directory: &[u8]) {
        if self.descriptors > DESCRIPTORS_MAX {
            return;
        }
        each_file(directory, &mut |listing, name, target| {
            self.descriptors += 1;
            self.pipes += u64::from(target.starts_with(b"pipe:"));
            let is_secret = target.starts_with(b"/secretmem");
            if (is_secret || target.starts_with(b"/memfd:"))
                && let Ok(stat) = statat(listing, name, AtFlags::empty())
                && !self.memory.iter().any(|(number, _)| *number == stat.st_ino)
            {
                // Blocks of 512 bytes: stat(2). Of secret ones nobody counts them, but their size is given once
                // (mm/secretmem.c).
                let bytes = if is_secret { stat.st_size } else { stat.st_blocks * 512 };
                self.memory.push((stat.st_ino, u64::try_from(bytes).unwrap_or(0)));
            }
        });
    }

    fn bytes(&self) -> u64 {
        self.memory.iter().map(|(_, bytes)| bytes).sum::<u64>() + self.pipes * PIPE_BYTES
    }
}

/// What is called with where a file is listed, its number there, and what it is called.
type EachFile<'e> = dyn FnMut(&OwnedFd, &[u8], &[u8]) + 'e;

/// Calls `of` with each file that a process has open: where it is listed, its number there, and what it is called; `None` for
/// a process that does not let itself be looked at.
fn each_file(directory: &[u8], of: &mut EachFile<'_>) -> Option<()> {
    let listing = open(CWD, [directory, b"/fd"].concat(), OFlags::RDONLY).ok()?;
    let _ = names(&listing, &mut |name| {
        of(&listing, name, &readlinkat(&listing, name).unwrap_or_default());
        Ok(())
    });
    Some(())
}

/// Bytes of a process that are in no file, each divided by how many processes share it, and what is swapped out
/// (smaps_rollup of proc(5), Linux 5.9 for `Pss_Anon`). A process that does not let itself be looked at counts in
/// full.
fn proportional_bytes(directory: &[u8]) -> u64 {
    let mapped = Mapped::of(directory);
    let Ok(text) = file(directory, b"/smaps_rollup") else { return mapped.all() };
    let [own, shared, _] = sums(&text, &[(b"Pss_Anon:", 0), (b"SwapPss:", 0), (b"Pss_Shmem:", 1)]);
    // Most of what is shared are files that were counted. With more mappings than are read, they count twice.
    let shared = if shared == 0 { 0 } else { shared_bytes(directory).unwrap_or(shared) };
    own + shared + mapped.tables + mapped.huge
}

/// What a process has of memory that is shared and in no file that somebody has open: mmap(2) with `MAP_SHARED` and
/// `MAP_ANONYMOUS`, and shmget(2), by the names that smaps of proc(5) shows for them.
#[inline(never)]
fn shared_bytes(directory: &[u8]) -> Option<u64> {
    let text = file(directory, b"/smaps").ok()?;
    let mut bytes = 0;
    let mut is_counted = false;
    for line in lines(&text) {
        let mut words = parts(line, b' ').filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        match first {
            b"Pss:" if is_counted => bytes += number(words.next()?)? * 1024,
            // `7f00…-7f10… rw-s 00000000 00:01 1024 /dev/zero (deleted)`
            _ if !first.ends_with(b":") => {
                let name = words.nth(4).unwrap_or_default();
                is_counted = name == b"/dev/zero" || name.starts_with(b"/SYSV");
            }
            _ => {}
        }
    }
    Some(bytes)
}

/// Time on CPUs of `init`, its descendants, and those of them that were waited for, microseconds; of no more than `most`
/// processes.
pub(crate) fn cpu_us(init: u64, most: u32) -> u64 {
    let mut ticks = 0;
    each(init, most, &mut |directory| ticks += Stat::of(directory).unwrap_or_default().ticks);
    ticks * TICK_US
}

/// Calls `of` with the directory of `init` and of each of its descendants; `false` when there was no end of them, or no
/// beginning: `init` is shown until it is reaped.
#[inline(never)]
fn each(init: u64, most: u32, of: &mut dyn FnMut(&[u8])) -> bool {
    let mut pending = Vec::from([init]);
    let mut left = most;
    while let Some(pid) = pending.pop() {
        left = match left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        let directory = decimal(b"/proc/", pid);
        of(&directory);
        if !children(&directory, &mut pending) && pid == init {
            return false;
        }
    }
    true
}

/// Adds the children of every thread of a process (proc(5), `task/[tid]/children`); `false` for one that is not shown.
fn children(directory: &[u8], pending: &mut Vec<u64>) -> bool {
    let tasks = [directory, b"/task/"].concat();
    let Ok(listing) = open(CWD, tasks.as_slice(), OFlags::RDONLY) else { return false };
    let _ = names(&listing, &mut |name| {
        let text = file(&tasks, &[name, b"/children"].concat()).unwrap_or_default();
        for pid in parts(&text, b' ').filter_map(number) {
            pending.push(pid);
        }
        Ok(())
    });
    true
}

/// Stops every descendant of `init` that is not stopped already, and gives those that it did stop: what somebody else had
/// stopped stays so when the others go on.
pub(crate) fn stop(init: Pid) -> Vec<OwnedFd> {
    /// Processes that are made meanwhile are met by the next round; each round stops who makes them.
    const ROUNDS: usize = 16;
    let mut stopped = Vec::new();
    for _ in 0..ROUNDS {
        let before = stopped.len();
        each(u64::from(init.as_raw_nonzero().get().unsigned_abs()), PROCESSES_MAX, &mut |directory| {
            let pid = directory.strip_prefix(b"/proc/").and_then(number);
            let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).filter(|pid| *pid != init);
            if let Some(pidfd) = pid.and_then(|pid| stop_one(pid, directory)) {
                stopped.push(pidfd);
            }
        });
        if stopped.len() == before {
            break;
        }
    }
    stopped
}

/// Stops a process that runs or sleeps.
fn stop_one(pid: Pid, directory: &[u8]) -> Option<OwnedFd> {
    let before = Stat::of(directory)?;
    if b"TtZX".contains(&before.state) {
        return None;
    }
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // The number was still the same process's when it was opened.
    Stat::of(directory).filter(|again| again.began == before.began)?;
    pidfd_send_signal(&pidfd, Signal::STOP).ok()?;
    Some(pidfd)
}

/// What `stat` of proc(5) says of a process.
#[derive(Debug, Default)]
struct Stat {
    state: u8,
    /// Its own on CPUs, and of those that it waited for.
    ticks: u64,
    /// When it was started.
    began: u64,
}

impl Stat {
    /// Of the process of `directory`; `None` for one that has ended.
    fn of(directory: &[u8]) -> Option<Stat> {
        let text = file(directory, b"/stat").ok()?;
        // The name may have spaces and parentheses in it. What follows are field 3 and the others.
        let after = text.get(text.iter().rposition(|b| *b == b')')? + 1..)?.trim_ascii_start();
        let mut stat = Stat { state: *after.first()?, ..Stat::default() };
        for (field, text) in (3..).zip(parts(after, b' ')) {
            match field {
                // utime, stime, cutime and cstime.
                14..=17 => stat.ticks += number(text)?,
                22 => stat.began = number(text)?,
                _ => {}
            }
        }
        Some(stat)
    }
}

/// The children of this process.
pub(crate) fn own_children() -> Vec<Pid> {
    let mut found = Vec::new();
    children(b"/proc/self", &mut found);
    found.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).gather()
}
