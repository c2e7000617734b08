//! The host's table of mounts: where a folder lies in its file system, and under which other names the host shows it.
//!
//! A bind mount gives a folder a second name. What is compared is therefore the device and the path there, as
//! proc_pid_mountinfo(5) tells them.

use crate::files::{exact, number, open, read_all};
use crate::path::{Bytes, below, join};
use alloc::vec::Vec;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, CWD, OFlags, StatxFlags, statx};
use rustix::io::Errno;

/// A mount.
#[derive(Debug)]
struct Line {
    id: u64,
    /// Major and minor number.
    device: (u64, u64),
    /// What of the file system is mounted.
    root: Bytes,
    /// Where.
    point: Bytes,
}

/// The table, as it was when it was read.
#[derive(Debug)]
pub(crate) struct Table {
    lines: Vec<Line>,
    /// Whether a file system may be mounted more than once, or one that is used here is not in the table.
    shows_twice: bool,
}

impl Table {
    /// Reads it.
    ///
    /// # Errors
    /// `EFBIG` for more than 4 MiB, which some twenty thousand mounts take.
    pub(crate) fn read() -> Result<Table, Errno> {
        const BYTES_MAX: usize = 4 << 20;
        let text = read_all(&open(CWD, "/proc/self/mountinfo", OFlags::RDONLY)?, BYTES_MAX)?.leak();
        let mut lines = Vec::new();
        for text in text.split_mut(|b| *b == b'\n') {
            if let Some(line) = line(text) {
                lines.push(line);
            }
        }
        let mut table = Table { lines, shows_twice: false };
        table.shows_twice = table.may_show_twice();
        Ok(table)
    }

    /// Whether anything may have another name by it.
    pub(crate) fn shows_twice(&self) -> bool {
        self.shows_twice
    }

    /// A bit for each device: two that share one are taken for the same, and then looked at in full.
    fn may_show_twice(&self) -> bool {
        let (mut seen, mut has_root) = ([0u64; 64], false);
        for line in &self.lines {
            has_root |= line.point == b"/";
            let hash = line.device.0.wrapping_mul(67).wrapping_add(line.device.1) % 4096;
            let (word, bit) = (usize::try_from(hash / 64).unwrap_or(0), 1 << (hash % 64));
            match seen.get_mut(word) {
                Some(word) if *word & bit == 0 => *word |= bit,
                _ => return true,
            }
        }
        !has_root
    }

    /// Where `place`, which the kernel calls `real`, lies; `None` where its file system is not in the table.
    ///
    /// # Errors
    /// `ESTALE` where it is, and its own mount is not, as after chroot(2): nothing is known of it then.
    #[inline(never)]
    fn region(&self, place: BorrowedFd<'_>, real: &[u8]) -> Result<Option<Region>, Errno> {
        // Linux 5.8.
        let stat = statx(place, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
        let mut unknown = Ok(None);
        for line in &self.lines {
            if line.id == stat.stx_mnt_id {
                let within = below(real, line.point).ok_or(Errno::STALE)?;
                let path = join(line.root, within);
                return Ok(Some(Region { device: line.device, path }));
            }
            if line.device == (stat.stx_dev_major.into(), stat.stx_dev_minor.into()) {
                unknown = Err(Errno::STALE);
            }
        }
        unknown
    }

    /// The regions that the folder or file `place` covers, which the kernel calls `real`: its own, and those that are
    /// mounted below it.
    ///
    /// # Errors
    /// `ESTALE` where the table does not have the mount that it lies on.
    pub(crate) fn regions(&self, place: BorrowedFd<'_>, real: &[u8]) -> Result<Vec<Region>, Errno> {
        let mut regions = Vec::from([self.region(place, real)?.ok_or(Errno::STALE)?]);
        for line in &self.lines {
            if below(line.point, real).is_some_and(|rest| !rest.is_empty()) {
                regions.push(Region { device: line.device, path: line.root });
            }
        }
        Ok(regions)
    }

    /// Adds to `names` what else `missing` below `place` is called, which the kernel calls `real`, and what is mounted from
    /// below it: where the host has mounted the same part of its file system again.
    ///
    /// # Errors
    /// `ESTALE` where it is not known where the place lies in its file system.
    pub(crate) fn add_names(
        &self,
        place: BorrowedFd<'_>,
        real: &[u8],
        missing: &[u8],
        names: &mut Vec<Bytes>,
    ) -> Result<(), Errno> {
        let Some(region) = self.region(place, real)? else { return Ok(()) };
        let path = join(region.path, missing);
        for Line { root, point, .. } in self.lines.iter().filter(|line| line.device == region.device) {
            let name = match below(path, root) {
                Some(rest) => join(point, rest),
                None if below(root, path).is_some() => *point,
                None => continue,
            };
            crate::names::add(names, name);
        }
        Ok(())
    }
}

/// A part of a file system.
#[derive(Debug)]
pub(crate) struct Region {
    device: (u64, u64),
    path: Bytes,
}

impl Region {
    /// Whether one is the other, or lies in it.
    pub(crate) fn meets(&self, other: &Region) -> bool {
        let holds = below(self.path, other.path).is_some() || below(other.path, self.path).is_some();
        self.device == other.device && holds
    }
}

/// A line of the table, whose paths are then as they are: space, tab, newline and backslash stand there as `\` and three
/// octal digits.
fn line(text: &'static mut [u8]) -> Option<Line> {
    let mut fields = text.split_mut(|b| *b == b' ');
    let id = number(fields.next()?)?;
    let device = fields.nth(1)?;
    let minor = device.iter().position(|b| *b == b':').and_then(|at| device.get(at + 1..))?;
    let device = (number(device)?, number(minor)?);
    Some(Line { id, device, root: unescaped(fields.next()?), point: unescaped(fields.next()?) })
}

/// A path of the table, in the place of its field.
fn unescaped(field: &'static mut [u8]) -> Bytes {
    let (mut from, mut to) = (0, 0);
    while let Some(&byte) = field.get(from) {
        let escaped = field.get(from + 1..from + 4).filter(|_| byte == b'\\');
        let whole = escaped.and_then(|digits| exact(digits, 8)).and_then(|code| u8::try_from(code).ok());
        from += if whole.is_some() { 4 } else { 1 };
        if let Some(place) = field.get_mut(to) {
            *place = whole.unwrap_or(byte);
        }
        to += 1;
    }
    field.get(..to).unwrap_or_default()
}
