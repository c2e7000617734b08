//! What the parent itself adds up, again and again: memory without a cgroup, and time on CPUs.
//!
//! Looks come as often as the limit could be reached before the next: memory can grow within milliseconds, time on
//! CPUs by no more than there are CPUs. A look costs a few microseconds for each process, and never takes more than
//! a fifth of the parent's time.

use crate::cgroup::{Cgroups, Held};
use crate::files::{decimal, number, read_small};
use crate::storage::Storage;
use alloc::vec::Vec;
use msb_plan::event::LimitKind;
use msb_plan::{Limit, Limits, OriginId};
use msb_sys::process::monotonic_us;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, OFlags, RawDir, readlinkat, statat};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Between two looks at memory. A program can take more than its limit for so long, and for the time of two looks.
const MEMORY_PERIOD_US: u64 = 10_000;
/// The same where one look takes long, so that nobody has more than its limit for longer than 50 ms.
const MEMORY_PERIOD_MAX_US: u64 = 25_000;
/// The shortest time between two looks at time on CPUs.
const CPU_PERIOD_US: u64 = 10_000;
const PAGE_BYTES: u64 = 4096; // getconf PAGESIZE on x86-64; on AArch64 with larger pages, less is counted at a time
/// `USER_HZ` of proc(5), the same on x86-64 and AArch64: 10 ms each.
const TICK_US: u64 = 10_000;

/// The limits that are watched, and when each is looked at next.
#[derive(Debug)]
pub(crate) struct Watch {
    init: u64,
    storage: Storage,
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
            memory: memory.map(|Limit { value, origin }| Limit { value: value + swap, origin }),
            cpu,
            cpus: cpus.max(1),
            memory_at_us: begin_us + MEMORY_PERIOD_US,
            cpu_at_us: begin_us + CPU_PERIOD_US,
        }
    }

    /// Looks at what is due; gives the limit that is reached.
    pub(crate) fn look(&mut self, now_us: u64, cgroups: &Cgroups) -> Option<(LimitKind, OriginId)> {
        if let Some(Limit { value, origin }) = self.cpu.filter(|_| now_us >= self.cpu_at_us) {
            let used = cgroups.cpu_us().unwrap_or_else(|| cpu_us(self.init));
            if used >= value {
                return Some((LimitKind::CpuTime, origin));
            }
            self.cpu_at_us = now_us + ((value - used) / self.cpus).max(CPU_PERIOD_US);
        }
        if let Some(Limit { value, origin }) = self.memory.filter(|_| now_us >= self.memory_at_us) {
            if exceeds(self.init, &mut self.storage, value) {
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
        [memory, cpu].into_iter().flatten().min()
    }
}

/// Whether the process `init` and all its descendants hold more than `bytes` together, with the files in memory that are
/// theirs alone.
fn exceeds(init: u64, storage: &mut Storage, bytes: u64) -> bool {
    let (mut private, mut resident) = (0, 0);
    let mut files = Files::default();
    let whole = each(init, |directory| {
        let (own, all) = pages(directory);
        private += own * PAGE_BYTES;
        resident += all * PAGE_BYTES;
        files.add(directory);
    });
    let files = files.bytes() + storage.bytes();
    if !whole || private + files > bytes {
        return true;
    }
    // What is shared counts in each process that maps it, files too: only when all that could be too much is it
    // worth to ask how much of it is nobody else's and no file's.
    if resident + files <= bytes {
        return false;
    }
    let mut exact = files;
    let whole = each(init, |directory| exact += proportional_bytes(directory));
    !whole || exact > bytes
}

/// Resident pages that are not shared, and all resident pages: the second and third number of statm, proc(5).
fn pages(directory: &[u8]) -> (u64, u64) {
    let text = read_small(CWD, [directory, b"/statm"].concat()).unwrap_or_default();
    let mut fields = text.split(|b| *b == b' ').map(|field| number(field).unwrap_or(0));
    let (_, resident, shared) = (fields.next(), fields.next().unwrap_or(0), fields.next().unwrap_or(0));
    (resident.saturating_sub(shared), resident)
}

/// Files of memfd_create(2), by number, and their bytes: they are in no file system that anybody sees, and no process has
/// to map them.
#[derive(Debug, Default)]
struct Files(Vec<(u64, u64)>);

impl Files {
    /// Adds those that a process has open. One that does not let itself be looked at shows none.
    fn add(&mut self, directory: &[u8]) {
        let Ok(listing) = crate::files::open(CWD, [directory, b"/fd"].concat(), OFlags::RDONLY) else {
            return;
        };
        let Ok(again) = crate::files::open(&listing, ".", OFlags::RDONLY) else { return };
        let mut buffer: Vec<u8> = Vec::with_capacity(2048);
        let mut entries = RawDir::new(again, buffer.spare_capacity_mut());
        while let Some(Ok(entry)) = entries.next() {
            let target = readlinkat(&listing, entry.file_name(), Vec::new()).unwrap_or_default();
            if !target.to_bytes().starts_with(b"/memfd:") {
                continue;
            }
            if let Ok(stat) = statat(&listing, entry.file_name(), AtFlags::empty())
                && !self.0.iter().any(|(number, _)| *number == stat.st_ino)
            {
                // Blocks of 512 bytes: stat(2).
                self.0.push((stat.st_ino, u64::try_from(stat.st_blocks).unwrap_or(0) * 512));
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Bytes of a process that are in no file, each divided by how many processes share it, and what is swapped out
/// (smaps_rollup of proc(5), Linux 5.9 for `Pss_Anon`). A process that does not let itself be looked at counts in
/// full.
fn proportional_bytes(directory: &[u8]) -> u64 {
    let Ok(text) = read_small(CWD, [directory, b"/smaps_rollup"].concat()) else {
        return pages(directory).1 * PAGE_BYTES;
    };
    let value = |key: &[u8]| {
        let lines = text.split(|b| *b == b'\n');
        lines.filter_map(|line| number(line.strip_prefix(key)?)).sum::<u64>() * 1024
    };
    let shared = match value(b"Pss_Shmem:") {
        0 => 0,
        // Most of it are files that were counted. With more mappings than are read, they count twice.
        all => shared_bytes(directory).unwrap_or(all),
    };
    value(b"Pss_Anon:") + value(b"SwapPss:") + shared
}

/// What a process has of memory that is shared and in no file that somebody has open: mmap(2) with `MAP_SHARED` and
/// `MAP_ANONYMOUS`, and shmget(2), by the names that smaps of proc(5) shows for them.
fn shared_bytes(directory: &[u8]) -> Option<u64> {
    let text = read_small(CWD, [directory, b"/smaps"].concat()).ok()?;
    let mut bytes = 0;
    let mut is_counted = false;
    for line in text.split(|b| *b == b'\n') {
        let mut words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
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

/// Time on CPUs of `init`, its descendants, and those of them that were waited for, microseconds.
pub(crate) fn cpu_us(init: u64) -> u64 {
    let mut ticks = 0;
    each(init, |directory| {
        let after = stat_fields(directory);
        // utime, stime, cutime and cstime: fields 14 to 17, of which the first here is field 3.
        let fields = after.split(|b| *b == b' ').filter(|field| !field.is_empty());
        ticks += fields.skip(11).take(4).filter_map(number).sum::<u64>();
    });
    ticks * TICK_US
}

/// Calls `of` with the directory of `init` and of each of its descendants; `false` when there was no end of them.
fn each(init: u64, mut of: impl FnMut(&[u8])) -> bool {
    let mut pending = Vec::from([init]);
    // A bound on the walk: no kernel has more processes (PID_MAX_LIMIT).
    let mut left = 1_u32 << 22;
    while let Some(pid) = pending.pop() {
        left = match left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        let directory = decimal(b"/proc/", pid);
        of(&directory);
        children(&directory, &mut pending);
    }
    true
}

/// Adds the children of every thread of a process (proc(5), `task/[tid]/children`).
fn children(directory: &[u8], pending: &mut Vec<u64>) {
    let tasks = [directory, b"/task"].concat();
    let Ok(listing) = crate::files::open(CWD, tasks.as_slice(), OFlags::RDONLY) else { return };
    let mut buffer: Vec<u8> = Vec::with_capacity(8192);
    let mut entries = RawDir::new(listing, buffer.spare_capacity_mut());
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        if !name.first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let text = read_small(CWD, [tasks.as_slice(), b"/", name, b"/children"].concat()).unwrap_or_default();
        pending.extend(text.split(|b| *b == b' ').filter_map(number));
    }
}

/// Stops every descendant of `init` that is not stopped already, and gives those that it did stop: what somebody else had
/// stopped stays so when the others go on.
pub(crate) fn stop(init: Pid) -> Vec<OwnedFd> {
    /// Processes that are made meanwhile are met by the next round; each round stops who makes them.
    const ROUNDS: usize = 16;
    let mut stopped = Vec::new();
    for _ in 0..ROUNDS {
        let before = stopped.len();
        each(u64::from(init.as_raw_nonzero().get().unsigned_abs()), |directory| {
            let pid = directory.strip_prefix(b"/proc/").and_then(number);
            let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).filter(|pid| *pid != init);
            stopped.extend(pid.and_then(|pid| stop_one(pid, directory)));
        });
        if stopped.len() == before {
            break;
        }
    }
    stopped
}

/// Stops a process that runs or sleeps.
fn stop_one(pid: Pid, directory: &[u8]) -> Option<OwnedFd> {
    // State and start: fields 3 and 22 of proc(5), `stat`.
    let look = || {
        let fields = stat_fields(directory);
        let mut fields = fields.split(|b| *b == b' ').filter(|field| !field.is_empty());
        let state = *fields.next()?.first()?;
        Some((state, fields.nth(18).and_then(number)?))
    };
    let (state, began) = look()?;
    if b"TtZX".contains(&state) {
        return None;
    }
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // The number was still the same process's when it was opened.
    look().filter(|(_, again)| *again == began)?;
    pidfd_send_signal(&pidfd, Signal::STOP).ok()?;
    Some(pidfd)
}

/// What `stat` of proc(5) says after the name, which may have spaces and parentheses in it: from field 3 on.
fn stat_fields(directory: &[u8]) -> Vec<u8> {
    let text = read_small(CWD, [directory, b"/stat"].concat()).unwrap_or_default();
    let after = text.iter().rposition(|b| *b == b')').and_then(|at| text.get(at + 1..));
    Vec::from(after.unwrap_or_default())
}

/// The children of this process.
pub(crate) fn own_children() -> Vec<Pid> {
    let mut found = Vec::new();
    children(b"/proc/self", &mut found);
    found.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).collect()
}
