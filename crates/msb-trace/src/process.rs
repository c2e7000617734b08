//! What procfs tells of a process inside, seen from outside.

use msb_policy::Access;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

/// `PATH_MAX` of limits.h.
const PATH_BYTES_MAX: usize = 4096;

/// The C string at `address` of `pid`; `None` where it can't be read or is no UTF-8.
pub(crate) fn read_path(pid: u32, address: u64) -> Option<String> {
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut bytes = Vec::new();
    while bytes.len() < PATH_BYTES_MAX {
        // Page by page: the one behind the string's end may not be there.
        let at = address.checked_add(u64::try_from(bytes.len()).ok()?)?;
        let left = usize::try_from(4096 - at % 4096).ok()?;
        let mut page = vec![0; left];
        let got = memory.read_at(&mut page, at).ok()?;
        let page = page.get(..got)?;
        if let Some(end) = page.iter().position(|b| *b == 0) {
            bytes.extend_from_slice(page.get(..end)?);
            return String::from_utf8(bytes).ok();
        }
        if got == 0 {
            return None;
        }
        bytes.extend_from_slice(page);
    }
    None
}

/// The 64-bit number at `address` of `pid`.
pub(crate) fn read_u64(pid: u32, address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    File::open(format!("/proc/{pid}/mem")).ok()?.read_exact_at(&mut bytes, address).ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// Where a link of a process leads, by its name inside.
pub(crate) fn link(pid: u32, name: &str) -> Option<String> {
    fs::read_link(format!("/proc/{pid}/{name}")).ok()?.into_os_string().into_string().ok()
}

/// Whether there is something on the host that could be done this to: what is not there is no refusal.
pub(crate) fn exists(host: &str, access: Access) -> bool {
    let there =
        |path: &str| !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == ErrorKind::NotFound);
    let parent =
        host.rsplit_once('/').map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
    match access {
        Access::Read | Access::Run => there(host),
        Access::Write => there(parent),
    }
}

/// How many threads share the pid namespace of `pid`, those of its init left out.
pub(crate) fn threads_beside(pid: u32) -> Option<u64> {
    let namespace = fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?;
    let mut threads = 0;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(other) = name.to_str().filter(|name| name.starts_with(|c: char| c.is_ascii_digit())) else {
            continue;
        };
        // The init's link may be closed to this user, and everybody else's is open.
        let beside = fs::read_link(format!("/proc/{other}/ns/pid")).is_ok_and(|found| found == namespace);
        if beside && !is_init(other) {
            threads += status(other, "Threads:").unwrap_or(1);
        }
    }
    Some(threads)
}

/// Whether a process is number 1 of its own pid namespace (proc(5), NSpid).
fn is_init(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.and_then(|numbers| numbers.split_whitespace().last()) == Some("1")
}

/// Whether `wanted` bytes more would take a process past its `RLIMIT_DATA`; not where a cgroup holds memory.
pub(crate) fn exceeds_data_limit(pid: u32, wanted: u64) -> bool {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max data size")?.split_whitespace().next());
    // "unlimited" is no number.
    let Some(limit) = limit.and_then(|limit| limit.parse::<u64>().ok()) else { return false };
    let used = status(&pid.to_string(), "VmData:").unwrap_or(0) * 1024;
    used.saturating_add(wanted) > limit
}

/// A number of /proc/PID/status.
fn status(pid: &str, key: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok())
}
