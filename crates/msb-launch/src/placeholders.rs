//! Placeholders: what stands at a denied place where nothing is, for the time of the run (ADR 0043).

use crate::bind::{open_below, open_directory};
use crate::files::write_once;
use crate::host::Source;
use crate::path::{Bytes, ancestors, concat, split};
use crate::spelling::keeps_modes;
use alloc::vec::Vec;
use msb_sys::at::{Descriptor, mkdirat, openat, statat, unlinkat};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Uid, chownat, flock, fstat};
use rustix::io::Errno;

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An empty regular file.
    File,
    /// A regular file with the line `.`.
    FileOfDot,
    /// A directory.
    Directory,
}

/// The line of [`Kind::FileOfDot`].
const DOT: &[u8] = b".\n";

/// The mode of a placeholder, by which one that a killed launcher left is known again: the sticky bit means nothing on
/// a file (inode(7)), and nobody has another reason to set it there.
const PLACEHOLDER_MODE: Mode = Mode::from_raw_mode(0o1700);

/// Which kind of placeholder this is, still as it was made; `None` for a file of somebody's.
fn placeholder(stat: &Stat) -> Option<Kind> {
    let kind = empty(stat)?;
    let marked = if kind == Kind::Directory { PLACEHOLDER_MODE } else { file_mode(PLACEHOLDER_MODE) };
    (Mode::from_raw_mode(stat.st_mode) & PLACEHOLDER_MODE == marked).then_some(kind)
}

/// Whether this is a file that stands for nothing, for the time of another's run or since one was killed.
pub(crate) fn is_no_file(stat: &Stat) -> bool {
    placeholder(stat).is_some_and(|kind| kind != Kind::Directory)
}

/// Which kind of placeholder this may be, by all but its mark.
///
/// A directory is removed only where it is empty, as the kernel finds it.
fn empty(stat: &Stat) -> Option<Kind> {
    match (FileType::from_raw_mode(stat.st_mode), stat.st_size) {
        (FileType::Directory, _) => Some(Kind::Directory),
        (FileType::RegularFile, 0) => Some(Kind::File),
        (FileType::RegularFile, size) if size == DOT.len().cast_signed() as i64 => Some(Kind::FileOfDot),
        _ => None,
    }
}

/// The same for a file, which nobody executes.
fn file_mode(mode: Mode) -> Mode {
    mode.difference(Mode::XUSR | Mode::XGRP | Mode::XOTH)
}

/// What was put on the host, to be removed at the end.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    /// Whether what is made belongs to whoever owns the directory, and not to the launcher's user.
    for_others: bool,
    made: Vec<Placeholder>,
    /// A shared lock on each directory that holds any: see [`Placeholders::remove`].
    locks: Vec<(Identity, OwnedFd)>,
    /// The last of them, by the source that it lies in and its path below: the next placeholder mostly lies beside it.
    last: Option<(Identity, Bytes, usize)>,
}

/// Device and inode.
type Identity = (u64, u64);

fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

#[derive(Debug)]
struct Placeholder {
    /// Which lock is on the directory that it lies in.
    lock: usize,
    name: Bytes,
    kind: Kind,
}

impl Placeholders {
    /// None yet.
    pub(crate) fn new(for_others: bool) -> Placeholders {
        Placeholders { for_others, ..Placeholders::default() }
    }

    /// Removes what is still as empty as it was made.
    ///
    /// Removing a file takes away the mounts over it in every namespace, so that a sandbox that runs at the
    /// same time on the same directory, or on one above or below it, would lose its protection.
    ///
    /// INVARIANT (placeholder locks): who mounts over a placeholder has a shared lock on the directory that it lies in, from
    /// before it was seen there; who finds no other on that directory removes it. One that fails to get the exclusive lock
    /// has lost its own (flock(2)), so that the last one gets it.
    pub(crate) fn remove(&self) {
        let Placeholders { made, locks, .. } = self;
        for (index, (_, parent)) in locks.iter().enumerate().rev() {
            if flock(parent, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            for made in made.iter().rev().filter(|made| made.lock == index) {
                let Ok(stat) = statat(parent, made.name, AtFlags::SYMLINK_NOFOLLOW) else {
                    continue;
                };
                let is_own = placeholder(&stat) == Some(made.kind)
                    // FAT keeps no mark, and knows this process's own from somebody's by nothing else.
                    || (empty(&stat) == Some(made.kind) && !keeps_modes(parent));
                if is_own {
                    // A failure leaves an empty file behind, which harms nobody; there is no one left to tell.
                    let how =
                        if made.kind == Kind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
                    let _ = unlinkat(parent, made.name, how);
                }
            }
        }
    }
}

/// What [`Placeholders::make`] came to.
pub(crate) enum Made {
    /// It is there now.
    Placeholder,
    /// A file stands where a directory would have to be: the first so many bytes of the path.
    FileInTheWay(usize),
}

impl Placeholders {
    /// Puts a placeholder at `rest` below `source`, where nothing is.
    ///
    /// # Errors
    /// `ESTALE` where another sandbox began or ended here meanwhile: look again.
    pub(crate) fn make(
        &mut self,
        source: &Source,
        rest: &[u8],
        kind: Kind,
    ) -> core::result::Result<Made, Errno> {
        for directory in ancestors(rest) {
            match open_below(&source.place, directory) {
                Ok(place) => {
                    let stat = fstat(&place)?;
                    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                        return Ok(Made::FileInTheWay(directory.len()));
                    }
                    self.keep(source, directory, &stat)?;
                }
                Err(Errno::NOENT) => self.put(source, directory, Kind::Directory)?,
                Err(errno) => return Err(errno),
            }
        }
        self.put(source, rest, kind)?;
        Ok(Made::Placeholder)
    }

    fn put(&mut self, source: &Source, rest: &[u8], kind: Kind) -> core::result::Result<(), Errno> {
        let (parent, name) = split(rest);
        let lock = self.lock(source, parent)?;
        let parent = &self.locks.get(lock).ok_or(Errno::STALE)?.1;
        create(parent, name, kind, PLACEHOLDER_MODE).map_err(|errno| match errno {
            Errno::EXIST | Errno::NOENT => Errno::STALE,
            errno => errno,
        })?;
        // Made by root in somebody's directory: it is theirs, as everything in it.
        if self.for_others {
            hand_over(parent, name, kind, (source.stat.st_uid, source.stat.st_gid))?;
        }
        self.made.push(Placeholder { lock, name: concat(&[name]), kind });
        Ok(())
    }

    /// Takes over what another launcher put at `rest`, and above it: one that still runs, which then leaves it, or one that
    /// was killed before it could remove it.
    ///
    /// # Errors
    /// `ESTALE` where it was removed meanwhile: look again.
    pub(crate) fn adopt(
        &mut self,
        source: &Source,
        rest: &[u8],
        place: &OwnedFd,
    ) -> core::result::Result<(), Errno> {
        for path in ancestors(rest) {
            self.keep(source, path, &fstat(open_below(&source.place, path)?)?)?;
        }
        self.keep(source, rest, &fstat(place)?)
    }

    /// Keeps what was seen at `path` from being removed, if it is a placeholder.
    fn keep(&mut self, source: &Source, path: &[u8], seen: &Stat) -> core::result::Result<(), Errno> {
        let mark = placeholder(seen);
        if mark.is_none() && (empty(seen).is_none() || keeps_modes(&source.place)) {
            return Ok(());
        }
        let (parent, name) = split(path);
        let lock = self.lock(source, parent)?;
        let parent = &self.locks.get(lock).ok_or(Errno::STALE)?.1;
        match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if identity(&there) == identity(seen) => {}
            Ok(_) | Err(Errno::NOENT) => return Err(Errno::STALE),
            Err(errno) => return Err(errno),
        }
        if let Some(kind) = mark {
            self.made.push(Placeholder { lock, name: concat(&[name]), kind });
        }
        Ok(())
    }

    /// Holds a shared lock on the directory `path` below `source`, which is `ESTALE` where it is gone.
    fn lock(&mut self, source: &Source, path: &[u8]) -> core::result::Result<usize, Errno> {
        let below = identity(&source.stat);
        if let Some((_, _, lock)) = self.last.as_ref().filter(|last| last.0 == below && last.1 == path) {
            return Ok(*lock);
        }
        let parent = open_directory(&source.place, path).map_err(|errno| match errno {
            Errno::NOENT => Errno::STALE,
            errno => errno,
        })?;
        let of = identity(&fstat(&parent)?);
        let lock = match self.locks.iter().position(|(held, _)| *held == of) {
            Some(lock) => lock,
            None => {
                lock_shared(&parent)?;
                self.locks.push((of, parent));
                self.locks.len() - 1
            }
        };
        self.last = Some((below, concat(&[path]), lock));
        Ok(lock)
    }
}

/// Gives a placeholder of this process's user to `owner`, a user and a group. Whoever may write to the directory may have put
/// something else of this user's there meanwhile, which stays whose it is.
///
/// # Errors
/// `EEXIST` where something else is there; as fchownat(2).
pub(crate) fn hand_over(
    parent: &OwnedFd,
    name: &[u8],
    kind: Kind,
    owner: (u32, u32),
) -> core::result::Result<(), Errno> {
    let there = open_below(parent, name)?;
    let stat = fstat(&there)?;
    let is_own = stat.st_uid == rustix::process::geteuid().as_raw();
    if !is_own || placeholder(&stat) != Some(kind) {
        return Err(Errno::EXIST);
    }
    chownat(&there, c"", Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)), AtFlags::EMPTY_PATH)
}

/// Takes a shared lock. A launch that ends holds an exclusive one for the moment in which it removes its
/// placeholders; whoever holds it longer is no launcher.
///
/// # Errors
/// `EAGAIN` when it was not to be had in a tenth of a second.
fn lock_shared(fd: &OwnedFd) -> core::result::Result<(), Errno> {
    const TRIES: u32 = 50;
    let mut result = flock(fd, FlockOperation::NonBlockingLockShared);
    for _ in 1..TRIES {
        if result != Err(Errno::AGAIN) {
            break;
        }
        crate::parent::sleep_us(2000);
        result = flock(fd, FlockOperation::NonBlockingLockShared);
    }
    result
}

/// Creates an empty file or directory, which must not be there.
pub(crate) fn create(
    parent: impl Descriptor,
    name: &[u8],
    kind: Kind,
    mode: Mode,
) -> core::result::Result<(), Errno> {
    match kind {
        Kind::Directory => mkdirat(parent, name, mode),
        Kind::File | Kind::FileOfDot => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let made = openat(parent, name, flags, file_mode(mode))?;
            if kind == Kind::FileOfDot { write_once(&made, DOT) } else { Ok(()) }
        }
    }
}
