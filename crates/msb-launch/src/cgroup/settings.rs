//! What each limit is in a cgroup: controller, files and values, in the order of writing.

use super::Version;
use crate::confine::INIT_PIDS;
use crate::files::{lines, names, number, numbered, open, push_decimal, read_small};
use crate::path::{Bytes, concat};
use alloc::vec::Vec;
use msb_plan::event::LimitKind;
use msb_plan::{Limits, OriginId};
use rustix::fs::{CWD, OFlags};

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

/// What the limits of a plan need.
pub(super) fn wanted(limits: &Limits, version: Version) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (kind, limit) in limits.each().filter(|(kind, _)| kind.is_held_by_cgroups()) {
        let mut values = Settings(Vec::new());
        let controller = settings(kind, limit.value, limits, version, &mut values);
        wanted.push(Wanted { kind, controller, origin: limit.origin, values: values.0 });
    }
    wanted
}

/// What is to be written for a limit.
struct Settings(Vec<Setting>);

impl Settings {
    #[inline(never)]
    fn text(&mut self, file: &'static str, value: Bytes) {
        self.0.push(Setting { file, value, optional: false });
    }

    #[inline(never)]
    fn number(&mut self, file: &'static str, value: u64) {
        self.text(file, numbered(b"", value));
    }

    /// The last one is not needed where a kernel does not have its file.
    fn optional(&mut self, is_optional: bool) {
        if let Some(last) = self.0.last_mut() {
            last.optional = is_optional;
        }
    }
}

/// Adds what holds the limit of `kind` at `value` to `to`; gives the controller.
#[inline(never)]
fn settings(
    kind: LimitKind,
    value: u64,
    limits: &Limits,
    version: Version,
    to: &mut Settings,
) -> &'static str {
    use Version::{V1, V2};
    let own_swap = limits.swap_bytes.is_some();
    match (kind, version) {
        (LimitKind::Memory, V2) => {
            to.number("memory.max", value);
            if !own_swap {
                to.number("memory.swap.max", 0);
                to.optional(true);
            }
            "memory"
        }
        (LimitKind::Memory, V1) => {
            to.number("memory.limit_in_bytes", value);
            if !own_swap {
                to.number("memory.swappiness", 0);
                to.number("memory.memsw.limit_in_bytes", value);
                to.optional(true);
            }
            "memory"
        }
        (LimitKind::Swap, version) => {
            // Swap is memory too: what the policy allows in all is what both may hold together.
            let with_swap = limits.memory_bytes.map_or(0, |limit| limit.value);
            match version {
                V2 => to.number("memory.swap.max", value),
                V1 => to.number("memory.memsw.limit_in_bytes", with_swap + value),
            }
            // Without a file for it nobody counts swap, which is well where there is none.
            to.optional(!has_swap());
            "memory"
        }
        (LimitKind::Cpu, version) => {
            let quota_us = value * CPU_PERIOD_US / 100;
            match version {
                V2 => {
                    to.text("cpu.max", concat(&[numbered(b"", quota_us), numbered(b" ", CPU_PERIOD_US)]));
                }
                V1 => {
                    to.number("cpu.cfs_period_us", CPU_PERIOD_US);
                    to.number("cpu.cfs_quota_us", quota_us);
                }
            }
            "cpu"
        }
        (LimitKind::Cpuset, version) => {
            if version == V1 {
                // A v1 cpuset takes no process before it has memory nodes: cpuset(7).
                let nodes = read_small(CWD, "/sys/devices/system/node/online");
                let nodes = nodes.as_deref().map_or(b"0".as_slice(), <[u8]>::trim_ascii);
                to.text("cpuset.mems", concat(&[nodes]));
            }
            to.text("cpuset.cpus", ranges(&crate::confine::cpus(value).unwrap_or_default()));
            "cpuset"
        }
        (LimitKind::Io, version) => {
            let bytes = numbered(b"", value);
            for disk in disks() {
                match version {
                    V2 => to.text("io.max", concat(&[disk, b" rbps=", bytes, b" wbps=", bytes])),
                    V1 => {
                        let line = concat(&[disk, b" ", bytes]);
                        to.text("blkio.throttle.read_bps_device", line);
                        to.text("blkio.throttle.write_bps_device", line);
                    }
                }
            }
            if version == V2 { "io" } else { "blkio" }
        }
        (LimitKind::IoWeight, V2) => {
            to.text("io.weight", numbered(b"default ", value));
            "io"
        }
        (LimitKind::IoWeight, V1) => {
            // From 1 to 1000, where 100 is everybody's, too (Documentation/block/bfq-iosched.rst).
            to.number("blkio.bfq.weight", value.min(1000));
            "blkio"
        }
        (LimitKind::Pids, _) => {
            to.number("pids.max", value + u64::from(INIT_PIDS));
            "pids"
        }
        (
            LimitKind::CpuTime | LimitKind::Wall | LimitKind::Files | LimitKind::FileSize | LimitKind::Output,
            _,
        ) => "",
    }
}

/// Whether the host has swap at all: /proc/swaps has a line for each besides its title (proc(5)).
fn has_swap() -> bool {
    read_small(CWD, "/proc/swaps").is_ok_and(|text| lines(&text).nth(1).is_some_and(|l| !l.is_empty()))
}

/// `major:minor` of every whole disk that holds anything: limits of partitions are not taken.
fn disks() -> Vec<Bytes> {
    let mut found = Vec::new();
    let Ok(listing) = open(CWD, "/sys/block", OFlags::RDONLY | OFlags::DIRECTORY) else { return found };
    let _ = names(&listing, &mut |name| {
        let read = |file: &[u8]| read_small(&listing, concat(&[name, file])).unwrap_or_default();
        if number(&read(b"/size")).unwrap_or(0) > 0 {
            found.push(concat(&[read(b"/dev").trim_ascii()]));
        }
        Ok(())
    });
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
    lines(found).any(in_line)
}

/// The words of a text.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}
