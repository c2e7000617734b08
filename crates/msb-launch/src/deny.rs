//! Denied places: where each of them shows inside, and how it is taken away.
//!
//! A deny names a place on the host, by whatever name, and with an absolute path also a place inside. On the
//! host's side each is found below the sources of the mount table, and where nothing is there yet a
//! placeholder is put, so that the program can't create it. Inside, a mount over it takes it away, and every
//! directory above it is pinned by a mount of its own: a mount point can't be renamed (EBUSY), so that
//! `mv .git x; mkdir -p .git/hooks` ends in an error.

use crate::bind::{Bindings, open_below};
use crate::fail::{At, Result, failure};
use crate::gather::Gather;
use crate::host::{Entry, covering};
use crate::mounts::Table;
use crate::names::{self, Found};
use crate::path::{Bytes, ancestors, below, join, sort_by};
use crate::placeholders::{Kind, Made, Placeholders, create};
use crate::spelling::Spellings;
use alloc::vec::Vec;
use msb_plan::event::Step;
use msb_plan::{Deny, Missing, MountKind, OriginId, Plan, Rights};
use msb_sys::at::{Descriptor, mkdirat, move_mount, open_tree, openat2, unlinkat};
use msb_sys::mount::{Depth, attr, set_attributes};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fstat};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;

/// A place inside that is taken away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Denial {
    /// Where, without a leading `/`.
    pub(crate) inside: Bytes,
    /// What is taken; nothing for a place that must only stay where it is.
    pub(crate) rights: Rights,
    /// The root of the writable mount that it lies in: what is between is pinned.
    pub(crate) pins_below: Option<Bytes>,
    /// What to create first, in a scratch mount.
    pub(crate) create: Option<Kind>,
    /// The line that asked.
    pub(crate) origin: OriginId,
}

/// Finds what the denies of `plan` and `guards` name on the host.
pub(crate) fn locate<'p>(
    plan: &Plan<'p>,
    guards: &[Deny<'p>],
    bindings: &Bindings<'_>,
    table: &Table,
) -> Result<Vec<Found<'p>>> {
    let locate = |deny: &Deny<'p>| Found::locate(*deny, bindings, table);
    plan.denies.iter().chain(guards).map(locate).try_gather()
}

/// Settles the rights of `entries` and finds every place inside that a deny, one of `found`, takes away.
pub(crate) fn find<'p>(
    plan: &Plan<'p>,
    bindings: &Bindings<'_>,
    entries: &mut [Entry<'p>],
    table: &Table,
    found: &mut [Found<'p>],
    placeholders: &mut Placeholders,
) -> Result<&'static [Denial]> {
    let mut spellings = Spellings::default();
    // Each time around one more link is followed: seldom is there any.
    for _ in 0..=LINKS_MAX {
        for found in &*found {
            for entry in entries.iter_mut() {
                narrow(entry, found)?;
            }
        }
        crate::claims::hold(plan, bindings, entries, found, table)?;
        if let Some(mut denials) = settle_all(found, entries, table, placeholders, &mut spellings)? {
            merge(&mut denials);
            return Ok(denials.leak());
        }
    }
    Err(failure(Step::DenySource, found.first().map(|found| found.deny.origin), Errno::LOOP))
}

/// How often a place is looked at again that other sandboxes, which begin or end on the same folder, changed meanwhile.
const CHANGES_MAX: usize = 50;

/// Symbolic links that are followed for all denied places together.
const LINKS_MAX: usize = 40;

/// Every denial; `None` where one of `found` has a new name, by a symbolic link.
fn settle_all(
    found: &mut [Found<'_>],
    entries: &[Entry<'_>],
    table: &Table,
    placeholders: &mut Placeholders,
    spellings: &mut Spellings,
) -> Result<Option<Vec<Denial>>> {
    let mut denials = Vec::new();
    for found in found {
        for &inside in places(found, entries) {
            let before = denials.len();
            let mut to = settle(found, inside, entries, placeholders, &mut denials);
            let changed = failure(Step::DenyPlaceholder, Some(found.deny.origin), Errno::STALE);
            let mut looks = 0..CHANGES_MAX;
            while to == Err(changed) && looks.next().is_some() {
                to = settle(found, inside, entries, placeholders, &mut denials);
            }
            let to = to?;
            for denial in denials.get(before..).unwrap_or_default() {
                spellings.check(entries, denial).at(Step::DenySource, Some(denial.origin))?;
            }
            let Some(to) = to else { continue };
            if found.add(to, table)? {
                return Ok(None);
            }
        }
    }
    Ok(Some(denials))
}

/// Takes the rights of a deny away from an entry that lies wholly in it.
fn narrow(entry: &mut Entry<'_>, found: &Found<'_>) -> Result<()> {
    let by_host = entry
        .source
        .as_ref()
        .is_some_and(|source| found.names.iter().any(|name| below(source.real, name).is_some()));
    let by_inside = found.inside.is_some_and(|name| below(entry.target, name).is_some());
    if by_host || by_inside {
        entry.rights = entry.rights.minus(found.deny.rights);
        // What shows nothing is no mount, and what is special takes no rights: the policy contradicts itself.
        if !entry.holds_rights() || !entry.rights.contains(Rights::READ) {
            return Err(failure(Step::DenyCoversGrant, Some(found.deny.origin), Errno::ACCESS));
        }
    }
    Ok(())
}

/// The places inside, strictly below an entry, that a deny takes away.
fn places(found: &Found<'_>, entries: &[Entry<'_>]) -> &'static [Bytes] {
    let mut places = Vec::new();
    let mut add = |place| {
        // Shown by another entry: it has been asked by its own source.
        if covering(entries, place).is_some_and(|entry| place != entry.target) {
            names::add(&mut places, place);
        }
    };
    for entry in entries {
        let Some(source) = &entry.source else { continue };
        for name in &found.names {
            match below(name, source.real) {
                None | Some(b"") => {}
                Some(rest) => add(join(entry.target, rest)),
            }
        }
    }
    if let Some(inside) = found.inside {
        add(join(inside, b""));
    }
    sort_by(&mut places, |a, b| a < b);
    places.leak()
}

/// What becomes of one place inside.
enum Settled {
    /// Nothing has to be done.
    Nothing,
    /// It is a denial, of what has to be created first.
    Denied(Option<Kind>),
    /// What is above it is denied, these rights of it.
    Above(Bytes, Rights),
    /// Where a symbolic link is it, or on the way to it, that link is kept from being changed, and these rights are taken
    /// from it; where it leads is a place of the host, which is denied as well.
    Link(Bytes, Rights, Bytes),
}

/// Makes one place inside a denial, with a placeholder where nothing is there; gives where a link leads.
fn settle(
    found: &Found<'_>,
    inside: Bytes,
    entries: &[Entry<'_>],
    placeholders: &mut Placeholders,
    denials: &mut Vec<Denial>,
) -> Result<Option<Bytes>> {
    let Deny { origin, rights, .. } = found.deny;
    let Some(entry) = covering(entries, inside) else { return Ok(None) };
    let (inside, rights, create, to) = match settled(&found.deny, entry, inside, placeholders, denials)? {
        Settled::Nothing => return Ok(None),
        Settled::Denied(create) => (inside, rights, create, None),
        Settled::Above(above, rights) => (above, rights, None, None),
        Settled::Link(link, rights, to) => (link, rights, None, Some(to)),
    };
    let pins_below = entry.is_writable().then_some(entry.target);
    denials.push(Denial { inside, rights, pins_below, create, origin });
    Ok(to)
}

#[inline(never)]
fn settled(
    deny: &Deny<'_>,
    entry: &Entry<'_>,
    inside: Bytes,
    placeholders: &mut Placeholders,
    denials: &[Denial],
) -> Result<Settled> {
    let origin = Some(deny.origin);
    let rest = below(inside, entry.target).unwrap_or_default();
    // The place so many bytes of `rest` name.
    let above = |length| inside.get(..inside.len() - rest.len() + length).unwrap_or_default();
    let source = match (&entry.source, entry.mount.kind) {
        (Some(source), _) => source,
        (None, MountKind::Scratch { .. }) => {
            return Ok(wanted(deny, entry)?.map_or(Settled::Nothing, |kind| Settled::Denied(Some(kind))));
        }
        (None, MountKind::Dev { .. }) if deny.rights.contains(Rights::READ) => {
            return Ok(Settled::Denied(None));
        }
        // A read-only mount does not hold writes to a device, and nothing holds a place in procfs.
        (None, _) => return Err(failure(Step::DenySource, origin, Errno::OPNOTSUPP)),
    };
    let there = open_below(&source.place, rest).and_then(|place| Ok((fstat(&place)?, place)));
    if is_linked(&there) {
        let (link, to) = names::follow(source, rest).at(Step::DenySource, origin)?;
        let rights = if link == rest.len() { deny.rights } else { Rights::NONE };
        return Ok(Settled::Link(above(link), rights, to));
    }
    match there {
        Ok((stat, place)) => {
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink > 1 {
                return Err(failure(Step::DenyHardLink, origin, Errno::MLINK));
            }
            if entry.is_writable() && !entry.is_private() {
                placeholders.adopt(source, rest, &place).at(Step::DenyPlaceholder, origin)?;
            }
            Ok(Settled::Denied(None))
        }
        Err(Errno::NOENT | Errno::NOTDIR) => {
            let Some(kind) = wanted(deny, entry)? else { return Ok(Settled::Nothing) };
            // Nothing can be put where what is above it is denied in the same way.
            let covers = |above: &Denial| {
                above.rights.contains(deny.rights)
                    && below(inside, above.inside).is_some_and(|r| !r.is_empty())
            };
            if denials.iter().any(covers) {
                return Ok(Settled::Nothing);
            }
            if entry.is_private() {
                return Ok(Settled::Denied(Some(kind)));
            }
            Ok(match placeholders.make(source, rest, kind).at(Step::DenyPlaceholder, origin)? {
                Made::Placeholder => Settled::Denied(None),
                // It stays a file, and says what it says: a .git file names the repository that git takes the
                // denied configuration from.
                Made::FileInTheWay(length) => {
                    Settled::Above(above(length), Rights(deny.rights.0 & Rights::WRITE.0))
                }
            })
        }
        Err(errno) => Err(failure(Step::DenySource, origin, errno)),
    }
}

/// Whether a place is a symbolic link, or was not reached for one on the way.
fn is_linked(there: &core::result::Result<(Stat, OwnedFd), Errno>) -> bool {
    match there {
        Ok((stat, _)) => FileType::from_raw_mode(stat.st_mode) == FileType::Symlink,
        Err(errno) => *errno == Errno::LOOP,
    }
}

/// What to put where nothing is; `None` for nothing.
fn wanted(deny: &Deny<'_>, entry: &Entry<'_>) -> Result<Option<Kind>> {
    Ok(match deny.missing {
        Missing::Fail => return Err(failure(Step::DenySource, Some(deny.origin), Errno::NOENT)),
        Missing::MaskFile if entry.is_writable() => Some(Kind::File),
        Missing::MaskDot if entry.is_writable() => Some(Kind::FileOfDot),
        Missing::MaskDir if entry.is_writable() => Some(Kind::Directory),
        // Nobody inside can create it.
        Missing::MaskFile | Missing::MaskDot | Missing::MaskDir | Missing::Skip => None,
    })
}

/// One denial for each place, parents before children: rights add up.
pub(crate) fn merge(denials: &mut Vec<Denial>) {
    sort_by(denials, |a, b| a.inside < b.inside);
    denials.dedup_by(|later, earlier| {
        let same = later.inside == earlier.inside;
        if same {
            earlier.rights = earlier.rights.union(later.rights);
        }
        same
    });
}

/// An empty file and an empty directory that nobody may open, to be mounted over denied places.
#[derive(Debug)]
pub(crate) struct Masks<'r> {
    root: BorrowedFd<'r>,
    made: bool,
}

/// Where the masks are while denials are applied.
const MASKS: &str = ".msb-masks";

impl<'r> Masks<'r> {
    /// Makes both on the new root at `root`, where they are `wanted`.
    fn new(root: BorrowedFd<'r>, wanted: bool) -> core::result::Result<Masks<'r>, Errno> {
        if wanted {
            mkdirat(root, MASKS, Mode::RWXU)?;
            let masks = open_below(root, MASKS.as_bytes())?;
            create(&masks, b"file", Kind::File, Mode::empty())?;
            create(&masks, b"directory", Kind::Directory, Mode::empty())?;
        }
        Ok(Masks { root, made: wanted })
    }

    /// A detached, read-only mount of the mask for a directory or for anything else.
    fn tree(&self, kind: Kind) -> core::result::Result<OwnedFd, Errno> {
        let name = match kind {
            Kind::File | Kind::FileOfDot => ".msb-masks/file",
            Kind::Directory => ".msb-masks/directory",
        };
        let tree =
            open_tree(self.root, name, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
        let none = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;
        set_attributes(&tree, Depth::One, none, None)?;
        Ok(tree)
    }

    /// Covers `name` below the directory `inside`, if it is there.
    fn hide_below(&self, inside: &[u8], name: &[u8]) -> core::result::Result<(), Errno> {
        match open_inside(self.root, join(inside, name)) {
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
            Ok(place) => self.cover(&place),
        }
    }

    /// Covers `place` with the mask of its kind.
    fn cover(&self, place: &OwnedFd) -> core::result::Result<(), Errno> {
        let kind = match FileType::from_raw_mode(fstat(place)?.st_mode) {
            FileType::Directory => Kind::Directory,
            _ => Kind::File,
        };
        attach(&self.tree(kind)?, place)
    }

    /// Takes the names away again; the mounts keep the files.
    fn hide(self) -> core::result::Result<(), Errno> {
        if !self.made {
            return Ok(());
        }
        let masks = open_below(self.root, MASKS.as_bytes())?;
        unlinkat(&masks, "file", AtFlags::empty())?;
        unlinkat(&masks, "directory", AtFlags::REMOVEDIR)?;
        unlinkat(self.root, MASKS, AtFlags::REMOVEDIR)
    }
}

/// What of a whole procfs tells or does too much, whatever the user inside is: memory, keys, kernel addresses,
/// buses. Where a kernel lacks one there is nothing to hide.
const HIDDEN_IN_PROC: [&str; 16] = [
    "acpi",
    "bus",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "sched_debug",
    "scsi",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
];

/// Takes every denied place away, below the new root at `root`, and what `proc` (the line that shows all of
/// procfs) does not show in any case.
pub(crate) fn apply(root: BorrowedFd<'_>, denials: &[Denial], proc: Option<OriginId>) -> Result<()> {
    let first = denials.first().map(|denial| denial.origin);
    let Some(first) = first.or(proc) else { return Ok(()) };
    let hides = proc.is_some() || denials.iter().any(|denial| denial.rights.contains(Rights::READ));
    let masks = Masks::new(root, hides).at(Step::Deny, Some(first))?;
    if let Some(origin) = proc {
        for name in HIDDEN_IN_PROC {
            masks.hide_below(b"proc", name.as_bytes()).at(Step::Proc, Some(origin))?;
        }
    }
    let mut pinned = Vec::new();
    for (index, denial) in denials.iter().enumerate() {
        // Wholly taken away with something above it.
        let gone = |other: &Denial| {
            other.rights.contains(Rights::READ) && below(denial.inside, other.inside).is_some()
        };
        if denials.iter().take(index).any(gone) {
            continue;
        }
        take_away(root, &masks, denial, &mut pinned).at(Step::Deny, Some(denial.origin))?;
    }
    masks.hide().at(Step::Deny, Some(first))
}

#[inline(never)]
fn take_away(
    root: BorrowedFd<'_>,
    masks: &Masks<'_>,
    denial: &Denial,
    pinned: &mut Vec<Bytes>,
) -> core::result::Result<(), Errno> {
    if let Some(writable) = denial.pins_below {
        for directory in ancestors(denial.inside) {
            let between = below(directory, writable).is_some_and(|rest| !rest.is_empty());
            if between && !pinned.contains(&directory) {
                if denial.create.is_some() {
                    exists(mkdirat(root, directory, Mode::RWXU))?;
                }
                remount(root, directory, 0)?;
                pinned.push(directory);
            }
        }
    }
    if let Some(kind) = denial.create {
        exists(create(root, denial.inside, kind, Mode::RWXU))?;
    }
    if denial.rights.contains(Rights::READ) {
        masks.cover(&open_inside(root, denial.inside)?)
    } else {
        let mut attributes = 0;
        if denial.rights.contains(Rights::WRITE) {
            attributes |= attr::RDONLY;
        }
        if denial.rights.contains(Rights::RUN) {
            attributes |= attr::NOEXEC;
        }
        remount(root, denial.inside, attributes)?;
        pinned.push(denial.inside);
        Ok(())
    }
}

fn exists(made: core::result::Result<(), Errno>) -> core::result::Result<(), Errno> {
    if made == Err(Errno::EXIST) { Ok(()) } else { made }
}

/// Mounts a place over itself, with `attributes` added.
fn remount(root: BorrowedFd<'_>, inside: &[u8], attributes: u64) -> core::result::Result<(), Errno> {
    let place = open_inside(root, inside)?;
    let tree = clone_tree(&place)?;
    set_attributes(&tree, Depth::Tree, attributes, None)?;
    attach(&tree, &place)
}

/// A detached copy of the mounts at `place` and below it.
pub(crate) fn clone_tree(place: impl Descriptor) -> core::result::Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(place, "", flags)
}

/// Mounts a detached tree at `place`.
pub(crate) fn attach(tree: impl Descriptor, place: impl Descriptor) -> core::result::Result<(), Errno> {
    move_mount(tree, place, "")
}

/// Opens a path inside: no symbolic link on the way, mount points are crossed.
pub(crate) fn open_inside(root: BorrowedFd<'_>, inside: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(root, inside, OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty(), resolve)
}
