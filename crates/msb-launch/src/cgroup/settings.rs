//! What each limit is in a cgroup: controller, files and values, in the order of writing.

use super::Version;
use crate::confine::INIT_PIDS;
use crate::files::{decimal, number, open, push_decimal, read_small};
use crate::gather::Gather;
use crate::path::{Bytes, concat};
use alloc::vec::Vec;
use msb_plan::event::LimitKind;
use msb_plan::{Limits, OriginId};
use rustix::fs::{CWD, OFlags, RawDir};

const CPU_PERIOD_US: u64 = 100_000; // the kernel's default, Documentation/admin-guide/cgroup-v2.rst
const PAGE_BYTES: u64 = 4096;

/// What one limit needs of its cgroup.
pub(super) struct Wanted {
    pub(super) kind: LimitKind,
    pub(super) controller: &'static str,
    pub(super) origin: OriginId,
    pub(super) values: Vec<Setting>,
}

/// A file and what is written to it.
pub(super) struct Setting {
    pub(super) file: &'static str,
    pub(super) value: Bytes,
    /// Whether a kernel without this file holds the limit all the same.
    pub(super) optional: bool,
}

fn setting(file: &'static str, value: u64) -> Setting {
    Setting { file, value: decimal(b"", value), optional: false }
}

/// What the limits of a plan need.
pub(super) fn wanted(limits: &Limits, version: Version) -> Vec<Wanted> {
    let each = limits.each().filter(|(kind, _)| kind.is_held_by_cgroups());
    each.map(|(kind, limit)| {
        let (controller, values) = settings(kind, limit.value, limits, version);
        Wanted { kind, controller, origin: limit.origin, values }
    })
    .gather()
}

fn settings(kind: LimitKind, value: u64, limits: &Limits, version: Version) -> (&'static str, Vec<Setting>) {
    use Version::{V1, V2};
    // Swap is memory too: what the policy allows in all is what both may hold together.
    let with_swap = limits.memory_bytes.map_or(0, |limit| limit.value);
    let own_swap = limits.swap_bytes.is_some();
    match (kind, version) {
        (LimitKind::Memory, V2) => {
            let mut values = Vec::from([setting("memory.max", value)]);
            if !own_swap {
                values.push(Setting { optional: true, ..setting("memory.swap.max", 0) });
            }
            ("memory", values)
        }
        (LimitKind::Memory, V1) => {
            let mut values = Vec::from([setting("memory.limit_in_bytes", value)]);
            if !own_swap {
                values.push(setting("memory.swappiness", 0));
                values.push(Setting { optional: true, ..setting("memory.memsw.limit_in_bytes", value) });
            }
            ("memory", values)
        }
        // Without a file for it nobody counts swap, which is well where there is none.
        (LimitKind::Swap, V2) => {
            ("memory", Vec::from([Setting { optional: !has_swap(), ..setting("memory.swap.max", value) }]))
        }
        (LimitKind::Swap, V1) => {
            let both = setting("memory.memsw.limit_in_bytes", with_swap + value);
            ("memory", Vec::from([Setting { optional: !has_swap(), ..both }]))
        }
        (LimitKind::Cpu, V2) => {
            let quota = decimal(b"", value * CPU_PERIOD_US / 100);
            let value = concat(&[quota, decimal(b" ", CPU_PERIOD_US)]);
            ("cpu", Vec::from([Setting { file: "cpu.max", value, optional: false }]))
        }
        (LimitKind::Cpu, V1) => {
            let quota_us = value * CPU_PERIOD_US / 100;
            let period = setting("cpu.cfs_period_us", CPU_PERIOD_US);
            ("cpu", Vec::from([period, setting("cpu.cfs_quota_us", quota_us)]))
        }
        (LimitKind::Cpuset, _) => {
            let cpus = crate::confine::cpus(value).unwrap_or_default();
            let mut values =
                Vec::from([Setting { file: "cpuset.cpus", value: ranges(&cpus), optional: false }]);
            if version == V1 {
                // A v1 cpuset takes no process before it has memory nodes: cpuset(7).
                let nodes = read_small(CWD, "/sys/devices/system/node/online").unwrap_or(Vec::from(b"0"));
                let value = concat(&[nodes.trim_ascii()]);
                values.insert(0, Setting { file: "cpuset.mems", value, optional: false });
            }
            ("cpuset", values)
        }
        (LimitKind::Io, V2) => {
            let bytes = decimal(b"", value);
            let line = |disk: &[u8]| concat(&[disk, b" rbps=", bytes, b" wbps=", bytes]);
            let one = |disk: &Bytes| Setting { file: "io.max", value: line(disk), optional: false };
            ("io", disks().iter().map(one).gather())
        }
        (LimitKind::Io, V1) => {
            const FILES: [&str; 2] = ["blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"];
            let one = |disk: &Bytes, file| {
                let value = concat(&[disk, decimal(b" ", value)]);
                Setting { file, value, optional: false }
            };
            ("blkio", disks().iter().flat_map(|disk| FILES.map(|file| one(disk, file))).gather())
        }
        (LimitKind::IoWeight, V2) => {
            let value = decimal(b"default ", value);
            ("io", Vec::from([Setting { file: "io.weight", value, optional: false }]))
        }
        // From 1 to 1000, where 100 is everybody's, too (Documentation/block/bfq-iosched.rst).
        (LimitKind::IoWeight, V1) => ("blkio", Vec::from([setting("blkio.bfq.weight", value.min(1000))])),
        (LimitKind::Pids, _) => ("pids", Vec::from([setting("pids.max", value + u64::from(INIT_PIDS))])),
        (
            LimitKind::CpuTime | LimitKind::Wall | LimitKind::Files | LimitKind::FileSize | LimitKind::Output,
            _,
        ) => ("", Vec::new()),
    }
}

/// Whether the host has swap at all: /proc/swaps has a line for each besides its title (proc(5)).
fn has_swap() -> bool {
    read_small(CWD, "/proc/swaps")
        .is_ok_and(|text| text.split(|b| *b == b'\n').nth(1).is_some_and(|l| !l.is_empty()))
}

/// `major:minor` of every whole disk that holds anything: limits of partitions are not taken.
fn disks() -> Vec<Bytes> {
    let mut found = Vec::new();
    let Ok(listing) = open(CWD, "/sys/block", OFlags::RDONLY | OFlags::DIRECTORY) else { return found };
    let Ok(again) = open(&listing, ".", OFlags::RDONLY | OFlags::DIRECTORY) else { return found };
    let mut buffer: Vec<u8> = Vec::with_capacity(4096);
    let mut entries = RawDir::new(again, buffer.spare_capacity_mut());
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") {
            continue;
        }
        let read = |file: &[u8]| read_small(&listing, concat(&[name, file])).unwrap_or_default();
        if number(&read(b"/size")).unwrap_or(0) > 0 {
            found.push(concat(&[read(b"/dev").trim_ascii()]));
        }
    }
    found
}

/// `0-2,5`, as the kernel writes a list of CPUs (cpuset(7), list format).
pub(super) fn ranges(cpus: &[usize]) -> Bytes {
    let mut text = Vec::new();
    let mut left = cpus;
    while let [first, ..] = *left {
        let run = left.iter().zip(first..).take_while(|(cpu, expected)| **cpu == *expected).count();
        if !text.is_empty() {
            text.push(b',');
        }
        push_decimal(&mut text, first as u64);
        if run > 1 {
            text.push(b'-');
            push_decimal(&mut text, (first + run - 1) as u64);
        }
        left = left.get(run..).unwrap_or_default();
    }
    text.leak()
}

/// Whether a file has what was written to it: each word in one of its lines. The kernel rounds bytes to pages,
/// and shows what else it has beside.
pub(super) fn holds(found: &[u8], written: &[u8]) -> bool {
    let close = |a: u64, b: u64| a == b || (a.abs_diff(b) < PAGE_BYTES && b > PAGE_BYTES * 64);
    let same = |a: &[u8], b: &[u8]| {
        let whole = |word: &[u8]| word.iter().all(u8::is_ascii_digit).then(|| number(word)).flatten();
        a == b || whole(a).zip(whole(b)).is_some_and(|(a, b)| close(a, b))
    };
    let in_line = |line: &[u8]| words(written).all(|word| words(line).any(|there| same(there, word)));
    found.split(|b| *b == b'\n').any(in_line)
}

/// The words of a text.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}
