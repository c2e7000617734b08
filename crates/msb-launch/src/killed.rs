//! Which system call a filter killed for, from the kernel's log: whoever may read that is told.
//!
//! A process that is killed can't say it, and nobody else is told but the log: `audit: type=1326 …` (seccomp(2),
//! `SECCOMP_RET_KILL_PROCESS`; include/uapi/linux/audit.h, `AUDIT_SECCOMP`). Where an audit daemon runs, it has
//! the line, and the log does not.

use crate::files::{exact, number, open, parts};
use msb_plan::Arch;
use rustix::fs::{CWD, OFlags};
use rustix::io::{Errno, read};

/// What the log is believed to differ from the monotonic clock: both begin at boot, and one is adjusted.
const CLOCKS_DIFFER_US: u64 = 100_000;
/// Records that are looked at; the kernel's ring holds fewer by far.
const RECORDS_MAX: u32 = 1 << 20;
/// A record is at most so long (linux/printk.h, `PRINTKRB_RECORD_MAX` and the prefix that dev_kmsg(7) adds).
const RECORD_BYTES: usize = 8192;

/// The number of the call for which a process of user `uid` was killed since `begin_us`; `None` where the log can't be
/// read or tells of several.
pub(crate) fn call(uid: u32, begin_us: u64) -> Option<u32> {
    let log = open(CWD, "/dev/kmsg", OFlags::RDONLY | OFlags::NONBLOCK).ok()?;
    let mut record = [0; RECORD_BYTES];
    let mut found = None;
    for _ in 0..RECORDS_MAX {
        let text = match read(&log, &mut record) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(length) => record.get(..length)?,
            // Overwritten before it was read: the next is there.
            Err(Errno::PIPE | Errno::INTR) => continue,
            Err(_) => return None,
        };
        match one(text, uid, begin_us) {
            Some(nr) if found.is_none_or(|other| other == nr) => found = Some(nr),
            Some(_) => return None,
            None => {}
        }
    }
    found
}

/// The call that a record tells of: `6,1234,5678900,-;audit: type=1326 … uid=1000 … arch=c000003e syscall=101 …`.
pub(crate) fn one(record: &[u8], uid: u32, begin_us: u64) -> Option<u32> {
    let at = number(parts(record, b',').nth(2)?)?;
    let words = || record.split(u8::is_ascii_whitespace);
    let value = |key: &[u8]| words().find_map(|word| word.strip_prefix(key));
    let is_recent = at + CLOCKS_DIFFER_US >= begin_us;
    let is_kill = value(b"type=") == Some(b"1326") && value(b"code=0x8") == Some(b"0000000");
    let arch = exact(value(b"arch=")?, 16)?;
    let is_own = number(value(b"uid=")?)? == u64::from(uid)
        && Arch::HOST.is_some_and(|host| u64::from(host.audit()) == arch);
    let nr = value(b"syscall=").and_then(number).and_then(|nr| u32::try_from(nr).ok());
    nr.filter(|_| is_recent && is_kill && is_own)
}
