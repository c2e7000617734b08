//! Searches: in which directories of a folder something lies, as it is at launch, beside which a path is denied
//! (ADR 0061).
//!
//! The host's directories are walked, as far as mounts show them, from one open directory to the next: no symbolic link is
//! followed, and none can be put in the way. What the walk has passed may change behind it, as anything may that is made
//! later. What it finds is denied as if the policy named it; a directory that it cannot look into is denied as a whole.

use crate::bind::{Bindings, open_below, open_unlinked};
use crate::fail::{At, Result};
use crate::files::{entries, parts};
use crate::gather::Gather;
use crate::host::Entry;
use crate::mounts::Table;
use crate::names::{Found, names};
use crate::path::{Bytes, below, concat, extend, join, split};
use crate::placeholders::is_no_file;
use alloc::vec::Vec;
use msb_plan::event::{Event, Step};
use msb_plan::{Deny, Missing, Plan, Search};
use msb_sys::at::{Descriptor, accessat, openat2, statat};
use rustix::fd::OwnedFd;
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Directories that a launch looks into: a repository with its packages has ten thousand, and so many take some tens of
/// milliseconds.
const DIRECTORIES_MAX: u32 = 1 << 15;
/// Entries of all of them together.
const ENTRIES_MAX: u32 = 1 << 20;
/// Places that a launch denies for them: each is a mount, and these are what std.workspace denies in eighty repositories.
const FOUND_MAX: usize = 4096;
/// In the deepest directories so few names are asked for one by one, which is less than to list them.
const ASKED_MAX: usize = 2;

/// Adds every place that the searches of `plan` deny to `found`, and says how many there are.
///
/// # Errors
/// `EFBIG` for more directories or places than a launch takes, `EACCES` where this process cannot look into the root.
pub(crate) fn find<'p>(
    plan: &Plan<'p>,
    bindings: &Bindings<'_>,
    entries: &[Entry<'_>],
    table: &Table,
    found: &mut Vec<Found<'p>>,
) -> Result<Option<Event>> {
    let before = found.len();
    let mut walk = Walk { plan, searches: &[], root: b"", table, looked: Looked::default(), found, before };
    for searches in plan.searches.chunk_by(|one, other| one.root == other.root) {
        let Some(first) = searches.first() else { continue };
        let origin = Some(first.origin);
        let root = bindings.host_path(first.root, first.origin)?;
        for root in names(root, first.root.base, table).at(Step::Search, origin)?.leak() {
            (walk.searches, walk.root) = (searches, root);
            walk.shown(entries).at(Step::Search, origin)?;
        }
    }
    let places = u32::try_from(walk.found.len() - before).unwrap_or(u32::MAX);
    Ok(plan.searches.first().map(|first| Event::Searched {
        origin: first.origin,
        directories: walk.looked.directories,
        places,
    }))
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Looked {
    directories: u32,
    entries: u32,
}

/// The searches of one root.
struct Walk<'a, 'p> {
    plan: &'a Plan<'p>,
    searches: &'a [Search<'p>],
    /// Where they begin, as the kernel calls it.
    root: &'a [u8],
    table: &'a Table,
    looked: Looked,
    found: &'a mut Vec<Found<'p>>,
    /// How many of them no search found.
    before: usize,
}

type Done = core::result::Result<(), Errno>;

impl<'p> Walk<'_, 'p> {
    /// Searches what `entries` show of `root`.
    #[inline(never)]
    fn shown(&mut self, entries: &[Entry<'_>]) -> Done {
        let root = self.root;
        let mut begun: Vec<&[u8]> = Vec::new();
        let mut sources: Vec<_> = entries.iter().filter_map(|entry| entry.source.as_deref()).gather();
        // What holds others is walked first, and they with it.
        crate::path::sort_by(&mut sources, |a, b| a.real < b.real);
        for source in sources {
            let (path, level, place) = match (below(source.real, root), below(root, source.real)) {
                (None, None) => continue,
                (Some(inner), _) if !inner.is_empty() => {
                    let level = parts(inner, b'/').count();
                    (source.real, level, open_below(&source.place, b""))
                }
                (_, rest) => (root, 0, open_below(&source.place, rest.unwrap_or_default())),
            };
            if begun.iter().any(|begun| below(path, begun).is_some()) {
                continue;
            }
            begun.push(path);
            self.above(path, level)?;
            let place = match place {
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                place => place?,
            };
            if source.is_directory() && level <= usize::from(self.depth()) {
                let level = u8::try_from(level).unwrap_or(u8::MAX);
                match list(&place, b".") {
                    Err(Errno::NOTDIR) => {}
                    directory => self.directory(&directory?, &mut Vec::from(path), level)?,
                }
            }
        }
        Ok(())
    }

    /// Looks in the directories between `root` and `path`, `level` components below it, which are not shown themselves.
    fn above(&mut self, path: &[u8], level: usize) -> Done {
        let mut directory = path;
        for level in (0..level).rev() {
            directory = split(directory).0;
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            if below(directory, self.root).is_none() || level > self.depth() {
                continue;
            }
            for search in self.searches.iter().filter(|search| search.depth >= level) {
                match open_unlinked(join(directory, search.beside.as_bytes())) {
                    Err(Errno::NOENT | Errno::NOTDIR) => {}
                    // A link is there, too.
                    Ok(_) | Err(Errno::LOOP) => self.add(search, directory)?,
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(())
    }

    /// The deepest level of any search.
    fn depth(&self) -> u8 {
        self.searches.iter().map(|search| search.depth).max().unwrap_or(0)
    }

    /// Looks through an open directory, which the kernel calls `path`, and those below it.
    fn directory(&mut self, directory: &OwnedFd, path: &mut Vec<u8>, level: u8) -> Done {
        self.count(1, 0)?;
        let (depth, asked) = (self.depth(), self.asked());
        let searches = self.searches;
        let wanted = searches.iter().fold(0, |bits, search| bits | bit(search.beside.as_bytes()));
        entries(directory, &mut |name, kind| {
            self.count(0, 1)?;
            if wanted & bit(name) != 0 {
                for search in searches.iter().filter(|search| search.depth >= level) {
                    let beside = search.beside.as_bytes();
                    if !beside.eq_ignore_ascii_case(name) {
                        continue;
                    }
                    // Whether `.GIT` is taken for `.git`, the file system knows. And a directory that can be listed and not
                    // entered holds what cannot be denied by itself.
                    match statat(directory, beside, AtFlags::SYMLINK_NOFOLLOW) {
                        Err(Errno::NOENT) => {}
                        // Beside a placeholder there is nothing to hold: else each of two runs would have the other's looked for.
                        Ok(there) if is_no_file(&there) && !search.rest.starts_with(search.beside) => {}
                        there => there.map(drop).and_then(|()| self.add(search, path))?,
                    }
                }
            }
            if level == depth || !is_directory(directory, name, kind)? {
                return Ok(());
            }
            let (length, found) = (path.len(), self.found.len());
            extend(path, name);
            let looked = if level + 1 == depth && asked.len() <= ASKED_MAX {
                self.deepest(directory, name, path, &asked)
            } else {
                match list(directory, name) {
                    Ok(below) => self.directory(&below, path, level + 1),
                    // It went away, or became something else.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
                    Err(errno) => Err(errno),
                }
            };
            match looked {
                Err(Errno::ACCESS) if is_out_of_reach(directory, name)? => {}
                Err(Errno::ACCESS) => {
                    self.found.truncate(found);
                    self.hold(path, level + 1)?;
                }
                looked => looked?,
            }
            path.truncate(length);
            Ok(())
        })
    }

    /// Asks for each of `asked` in the directory `name`, which the kernel calls `path`.
    fn deepest(&mut self, parent: &OwnedFd, name: &[u8], path: &[u8], asked: &[&'p str]) -> Done {
        self.count(1, 0)?;
        let (searches, depth) = (self.searches, self.depth());
        for beside in asked {
            let mut below = Vec::from(name);
            extend(&mut below, beside.as_bytes());
            match statat(parent, &below, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => {
                    let here = |search: &&Search<'p>| search.depth == depth && search.beside == *beside;
                    for search in searches.iter().filter(here) {
                        self.add(search, path)?;
                    }
                }
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Denies all of a directory that a program of the same user could look into, and this process cannot: whatever lies
    /// there, no search is got around.
    fn hold(&mut self, directory: &[u8], level: u8) -> Done {
        let (from, directory) = (self.found.len(), concat(&[directory]));
        for search in self.searches.iter().filter(|search| search.depth >= level) {
            let held = self.found.iter().skip(from).any(|found| found.deny.rights.contains(search.rights));
            if !held {
                self.push(search, directory)?;
            }
        }
        Ok(())
    }

    /// The names that are looked for in the deepest directories, each once.
    fn asked(&self) -> Vec<&'p str> {
        let (depth, mut asked) = (self.depth(), Vec::new());
        for search in self.searches.iter().filter(|search| search.depth == depth) {
            if !asked.contains(&search.beside) {
                asked.push(search.beside);
            }
        }
        asked
    }

    /// Adds what `search` denies in `directory`.
    fn add(&mut self, search: &Search<'p>, directory: &[u8]) -> Done {
        let rest = search.rest.as_bytes();
        // A rule names it already, as what is denied in the root and in all that it holds.
        let mut named = Vec::from(search.root.rest);
        extend(&mut named, below(directory, self.root).unwrap_or_default());
        extend(&mut named, rest);
        let same = |deny: &&Deny<'_>| {
            let is_kept = deny.missing != Missing::Skip || search.missing == Missing::Skip;
            deny.path.base == search.root.base && deny.rights.contains(search.rights) && is_kept
        };
        let mut denies = self.plan.denies.iter().filter(same);
        if denies.any(|deny| deny.path.rest.as_bytes() == named.as_slice()) {
            return Ok(());
        }
        self.push(search, join(directory, rest))
    }

    /// Adds `place`, from which `search` takes its rights.
    fn push(&mut self, search: &Search<'p>, place: Bytes) -> Done {
        if self.found.len() - self.before == FOUND_MAX {
            return Err(Errno::FBIG);
        }
        self.found.push(Found::beside(search, place, self.table)?);
        Ok(())
    }

    fn count(&mut self, directories: u32, entries: u32) -> Done {
        let Looked { directories: before, entries: those } = self.looked;
        self.looked = Looked { directories: before + directories, entries: those + entries };
        let fits = self.looked.directories <= DIRECTORIES_MAX && self.looked.entries <= ENTRIES_MAX;
        if fits { Ok(()) } else { Err(Errno::FBIG) }
    }
}

/// One of 64 bits for a name, the same for letters of either case: of most names it is none that is looked for.
fn bit(name: &[u8]) -> u64 {
    let lower = |byte: &u8| usize::from(byte.to_ascii_lowercase());
    let ends = name.first().zip(name.last()).map_or(0, |(a, b)| lower(a) + 3 * lower(b));
    1 << ((ends + 7 * name.len()) % 64)
}

/// Whether an entry is a directory itself, and no link to one.
fn is_directory(parent: &OwnedFd, name: &[u8], kind: FileType) -> core::result::Result<bool, Errno> {
    if kind != FileType::Unknown {
        return Ok(kind == FileType::Directory);
    }
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(false),
        stat => Ok(FileType::from_raw_mode(stat?.st_mode) == FileType::Directory),
    }
}

/// Opens a directory to be listed, whatever is mounted there: the sandbox sees that, too.
fn list(parent: impl Descriptor, name: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(parent, name, flags, Mode::empty(), resolve)
}

/// Whether a directory that this process may not look into is out of reach of a program of the same user, too.
fn is_out_of_reach(parent: &OwnedFd, name: &[u8]) -> core::result::Result<bool, Errno> {
    let owner = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        // It went away.
        Err(Errno::NOENT) => return Ok(true),
        stat => stat?.st_uid,
    };
    let entered = accessat(parent, name, Access::EXEC_OK, AtFlags::empty()).is_ok();
    Ok(!entered && owner != rustix::process::geteuid().as_raw())
}
