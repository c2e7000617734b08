//! Other spellings of a denied name: a file system may take `.GIT` for `.git`.
//!
//! A mount holds a name for whatever shares its entry in the kernel's cache. Where names are compared by the kernel, also
//! without regard to case (ext4, f2fs and tmpfs with `casefold`, FAT and its short names), a file has one entry however it is
//! called. Where another process or machine says what a name means (FUSE, 9p, SMB, folders that a hypervisor shares), each
//! spelling has its own, and what is mounted over one is passed by with the next: such a place cannot be denied.

use crate::bind::open_below;
use crate::deny::Denial;
use crate::host::{Entry, covering};
use crate::path::{ancestors, below, split};
use alloc::vec::Vec;
use msb_sys::at::statat;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, fstat, fstatfs};
use rustix::io::Errno;

/// The file systems whose files have one entry each, and keep the modes that they were made with: `f_type` of ext4, xfs,
/// btrfs, tmpfs and f2fs (statfs(2), linux/magic.h).
const LINUX_OWN: [i64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0xF2F5_2010];
/// Those with one entry and without modes: FAT and exFAT.
const FAT: [i64; 2] = [0x4D44, 0x2011_BAB0];

/// The device that was asked last on which each file has one entry; none has the number 0.
#[derive(Debug, Default)]
pub(crate) struct Spellings {
    sure: u64,
}

impl Spellings {
    /// Looks whether what `denial` takes away, which is there, can be reached by another spelling.
    ///
    /// # Errors
    /// `ENOTUNIQ` where it can.
    pub(crate) fn check(&mut self, entries: &[Entry<'_>], denial: &Denial) -> Result<(), Errno> {
        // What is created inside is new, and private.
        let entry = covering(entries, denial.inside).filter(|_| denial.create.is_none());
        let Some((entry, source)) = entry.and_then(|entry| Some((entry, entry.source.as_ref()?))) else {
            return Ok(());
        };
        let rest = below(denial.inside, entry.target).unwrap_or_default();
        let above = split(rest).0;
        let (stat, parent);
        let (directory, device) = if above.is_empty() {
            (&source.place, source.stat.st_dev)
        } else {
            parent = open_below(&source.place, above)?;
            stat = fstat(&parent)?;
            (&parent, stat.st_dev)
        };
        if self.sure == device {
            return Ok(());
        }
        let kind = file_system(directory)?;
        if LINUX_OWN.contains(&kind) || FAT.contains(&kind) {
            self.sure = device;
            return Ok(());
        }
        for path in ancestors(rest).chain([rest]) {
            let other = swapped(path);
            // It may be another file of its own: numbers of files do not tell, which FUSE makes up for each path.
            let there = statat(&source.place, &other, AtFlags::SYMLINK_NOFOLLOW);
            if other != path && there.err() != Some(Errno::NOENT) {
                return Err(Errno::NOTUNIQ);
            }
        }
        Ok(())
    }
}

/// Whether files keep the modes that they are made with where `place` lies, as far as this is known.
pub(crate) fn keeps_modes(place: &OwnedFd) -> bool {
    file_system(place).is_ok_and(|kind| LINUX_OWN.contains(&kind))
}

fn file_system(place: &OwnedFd) -> Result<i64, Errno> {
    Ok(fstatfs(place)?.f_type)
}

/// `path` with every letter of its last component in the other case.
fn swapped(path: &[u8]) -> Vec<u8> {
    let mut other = Vec::from(path);
    let begin = path.len() - split(path).1.len();
    for byte in other.iter_mut().skip(begin).filter(|byte| byte.is_ascii_alphabetic()) {
        *byte ^= b' ';
    }
    other
}
