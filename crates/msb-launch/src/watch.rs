//! Memory without a cgroup: the parent adds up what all processes inside hold, again and again.

use crate::files::{decimal, number, read_small};
use alloc::vec::Vec;
use rustix::fs::CWD;
use rustix::process::Pid;

/// Between two looks. A program can take more than its limit for so long.
pub(crate) const PERIOD_US: u64 = 10_000;
const PAGE_BYTES: u64 = 4096; // getconf PAGESIZE on x86-64; on AArch64 with larger pages, less is counted at a time

/// Private resident memory, in bytes, of the process `init` and all its descendants.
pub(crate) fn memory_bytes(init: u32) -> u64 {
    let mut bytes = 0;
    let mut pending = Vec::from([u64::from(init)]);
    // A bound on the walk: no kernel has more processes (PID_MAX_LIMIT).
    let mut left = 1_u32 << 22;
    while let Some(pid) = pending.pop() {
        left = match left.checked_sub(1) {
            Some(left) => left,
            None => return u64::MAX,
        };
        let directory = decimal(b"/proc/", pid);
        bytes += private_bytes(&directory);
        children(&directory, &mut pending);
    }
    bytes
}

/// Resident pages that are not shared: the second and third number of statm, proc(5).
fn private_bytes(directory: &[u8]) -> u64 {
    let text = read_small(CWD, [directory, b"/statm"].concat()).unwrap_or_default();
    let mut fields = text.split(|b| *b == b' ').map(|field| number(field).unwrap_or(0));
    let (_, resident, shared) = (fields.next(), fields.next().unwrap_or(0), fields.next().unwrap_or(0));
    resident.saturating_sub(shared) * PAGE_BYTES
}

/// Adds the children of every thread of a process (proc(5), `task/[tid]/children`).
fn children(directory: &[u8], pending: &mut Vec<u64>) {
    let tasks = [directory, b"/task"].concat();
    let Ok(listing) = crate::files::open(CWD, tasks.as_slice(), rustix::fs::OFlags::RDONLY) else { return };
    let mut buffer: Vec<u8> = Vec::with_capacity(8192);
    let mut entries = rustix::fs::RawDir::new(listing, buffer.spare_capacity_mut());
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        if !name.first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let text = read_small(CWD, [tasks.as_slice(), b"/", name, b"/children"].concat()).unwrap_or_default();
        pending.extend(text.split(|b| *b == b' ').filter_map(number));
    }
}

/// The children of this process.
pub(crate) fn own_children() -> Vec<Pid> {
    let mut found = Vec::new();
    children(b"/proc/self", &mut found);
    found.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).collect()
}
