//! The mount table of this launch, on the host's side: sources opened and rights settled, before any
//! namespace is made.
//!
//! Each source is opened once, here; the child opens it again in its own mount namespace and goes on only
//! when it is the same file (`root`).

use crate::bind::{Bindings, Place, open_below, open_place};
use crate::fail::{At, Result, failure};
use crate::path::{Bytes, below, join, sort_by};
use crate::prepare::keep;
use alloc::vec::Vec;
use msb_plan::event::{Failure, Step};
use msb_plan::{Base, Links, Mount, MountKind, Path, Plan, Presence, Rights};
use msb_sys::mount::attr;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Stat, fstat};
use rustix::io::Errno;

/// One line of the mount table.
#[derive(Debug)]
pub(crate) struct Entry<'p> {
    /// What the plan says.
    pub(crate) mount: Mount<'p>,
    /// Where it goes, inside, without a leading `/`.
    pub(crate) target: Bytes,
    /// What is left after denies that cover all of it.
    pub(crate) rights: Rights,
    /// Of a bind.
    pub(crate) source: Option<&'static mut Source>,
    /// Where another entry shows the same with the same rights: a symbolic link to there does.
    pub(crate) alias: Option<Bytes>,
}

/// A file or directory that is shown inside.
#[derive(Debug)]
pub(crate) struct Source {
    /// An `O_PATH` descriptor of it.
    pub(crate) place: OwnedFd,
    /// What the kernel calls it.
    pub(crate) real: Bytes,
    /// What it is.
    pub(crate) stat: Stat,
    /// A detached mount of it, where this process may make one (root alone).
    pub(crate) tree: Option<OwnedFd>,
}

impl Source {
    /// Whether it is a directory.
    pub(crate) fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }

    /// Whether `stat` is of the same file.
    pub(crate) fn is(&self, stat: &Stat) -> bool {
        (self.stat.st_dev, self.stat.st_ino) == (stat.st_dev, stat.st_ino)
    }
}

impl Entry<'_> {
    /// Whether a deny can take single rights of it away.
    pub(crate) fn holds_rights(&self) -> bool {
        matches!(
            self.mount.kind,
            MountKind::Bind { .. } | MountKind::Overlay { .. } | MountKind::Scratch { .. }
        )
    }

    /// Whether what is created in it stays inside.
    pub(crate) fn is_private(&self) -> bool {
        self.source.is_none() || matches!(self.mount.kind, MountKind::Overlay { .. })
    }

    /// The attributes of its mount, of a source.
    pub(crate) fn attributes(&self) -> u64 {
        match self.mount.kind {
            MountKind::Device { .. } => attr::RDONLY | attr::NOSUID | attr::NOEXEC,
            MountKind::Socket { .. } => attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC,
            // What is below an overlay is never written.
            MountKind::Overlay { .. } => attr::RDONLY | attr::NOSUID | attr::NODEV,
            _ => crate::root::attributes(self.rights),
        }
    }

    /// Whether a program can create files below it.
    pub(crate) fn is_writable(&self) -> bool {
        self.holds_rights() && self.rights.contains(Rights::WRITE)
    }
}

/// Opens every source of `plan`; entries come parents first, those passed over are left out.
pub(crate) fn table<'p>(plan: &Plan<'p>, bindings: &Bindings<'_>) -> Result<Vec<Entry<'p>>> {
    let mut entries = Vec::with_capacity(plan.mounts.len());
    for mount in &plan.mounts {
        let origin = Some(mount.origin);
        let source = match mount.kind.source() {
            Some((path, links)) => match open(bindings, mount, path, links)? {
                Some(source) => Some(source),
                None => continue,
            },
            None => None,
        };
        let rights = match mount.kind {
            MountKind::Bind { rights, .. }
            | MountKind::Overlay { rights, .. }
            | MountKind::Scratch { rights, .. } => rights,
            MountKind::Proc(_)
            | MountKind::Dev { .. }
            | MountKind::Device { .. }
            | MountKind::Socket { .. } => Rights::ALL,
        };
        let target = bindings.inside_path(mount.target, mount.origin)?;
        if target.is_empty() {
            return Err(failure(Step::MountTarget, origin, Errno::BUSY));
        }
        entries.push(Entry { mount: *mount, target, rights, source, alias: None });
    }
    // INVARIANT (mount order): a parent sorts before its children, since its path is a prefix of theirs.
    sort_by(&mut entries, |a, b| a.target < b.target);
    for pair in entries.windows(2) {
        if let [a, b] = pair
            && a.target == b.target
        {
            if let (Base::Param(index), Base::Param(other)) = (a.mount.target.base, b.mount.target.base)
                && index != other
            {
                let origin = Some(a.mount.origin);
                return Err(Failure { step: Step::ParamSame, origin, errno: u16::from(other) + 1 }.into());
            }
            return Err(failure(Step::MountTarget, Some(b.mount.origin), Errno::EXIST));
        }
    }
    Ok(entries)
}

/// Opens what `mount` shows; `None` where nothing is there and nothing has to be.
#[inline(never)]
fn open(
    bindings: &Bindings<'_>,
    mount: &Mount<'_>,
    path: Path<'_>,
    links: Links,
) -> Result<Option<&'static mut Source>> {
    let origin = Some(mount.origin);
    let opened = match links {
        Links::Follow => open_place(bindings.host_path(path, mount.origin)?),
        // The base is named by who launches, and is settled; what follows is for the program to change.
        Links::Refuse => {
            bindings.open_base(path, mount.origin)?.and_then(|base| match path.rest.as_bytes() {
                b"" => Ok(base),
                rest => Ok(Place { fd: open_below(&base.fd, rest)?, real: join(base.real, rest) }),
            })
        }
    };
    let place = match opened {
        Err(Errno::NOENT | Errno::NOTDIR) if mount.presence == Presence::Optional => return Ok(None),
        opened => opened.at(Step::MountSource, origin)?,
    };
    source(place, mount.kind).map(Some).at(Step::MountSource, origin)
}

/// A source as it was opened, if it is what its verb shows: sockets, FIFOs and devices are doors to other
/// programs, which `read` does not open.
fn source(
    Place { fd: place, real }: Place,
    kind: MountKind<'_>,
) -> core::result::Result<&'static mut Source, Errno> {
    let stat = fstat(&place)?;
    match (kind, FileType::from_raw_mode(stat.st_mode)) {
        (MountKind::Bind { .. }, FileType::Directory | FileType::RegularFile)
        | (MountKind::Overlay { .. }, FileType::Directory)
        | (MountKind::Device { .. }, FileType::CharacterDevice | FileType::BlockDevice)
        | (MountKind::Socket { .. }, FileType::Socket) => {}
        (MountKind::Overlay { .. }, _) => return Err(Errno::NOTDIR),
        (MountKind::Device { .. }, _) => return Err(Errno::NODEV),
        (MountKind::Socket { .. }, _) => return Err(Errno::NOTSOCK),
        _ => return Err(Errno::OPNOTSUPP),
    }
    Ok(keep(Source { place, real, stat, tree: None }))
}

/// Finds entries that a symbolic link stands for as well as a mount would: /bin, /lib, /sbin and /etc/localtime, which most
/// hosts have as links into /usr. `kept` are the places inside that must not be reached through one.
pub(crate) fn find_aliases<'k>(entries: &mut [Entry<'_>], kept: &(impl Iterator<Item = &'k [u8]> + Clone)) {
    for index in 0..entries.len() {
        let alias = entries.get(index).and_then(|entry| alias(entry, entries, kept.clone()));
        if let Some(entry) = entries.get_mut(index) {
            entry.alias = alias;
        }
    }
}

/// The place that `entry` shows, where another of `entries` shows it by the name that the kernel has for it.
fn alias<'k>(
    entry: &Entry<'_>,
    entries: &[Entry<'_>],
    mut kept: impl Iterator<Item = &'k [u8]>,
) -> Option<Bytes> {
    // Of the system's own places, by whatever links the host has there.
    let followed = |entry: &Entry<'_>| {
        let MountKind::Bind { source, links: Links::Follow, .. } = entry.mount.kind else { return false };
        source.base == Base::Root
    };
    let source = entry.source.as_ref().filter(|_| followed(entry))?;
    let place = source.real.get(1..)?;
    let other = covering(entries, place).filter(|other| followed(other) && other.target != place)?;
    let is_where_it_lies = other.source.as_ref()?.real.get(1..) == Some(other.target);
    // Nobody can execute a file without the bits, whatever the other may give on it; from both it is read.
    let is_text = !source.is_directory() && source.stat.st_mode & 0o111 == 0 && entry.rights == Rights::READ;
    let gives_as_much = other.rights == entry.rights || (is_text && !other.rights.contains(Rights::WRITE));
    let below_it = |path: &[u8]| below(path, entry.target).is_some();
    let mut others = entries.iter().filter(|other| !core::ptr::eq(*other, entry));
    let is_alone = !others.any(|other| below_it(other.target)) && !kept.any(below_it);
    (is_where_it_lies && gives_as_much && is_alone).then_some(source.real)
}

/// The entry that shows `inside`: the deepest one whose target holds it.
pub(crate) fn covering<'e, 'p>(entries: &'e [Entry<'p>], inside: &[u8]) -> Option<&'e Entry<'p>> {
    // INVARIANT (mount order): of those that hold a path, the deepest comes last.
    entries.iter().rev().find(|entry| below(inside, entry.target).is_some())
}

/// Whether a plan's path names a place on the host by a parameter, below which nothing may be a symbolic link.
pub(crate) fn is_below_parameter(base: Base) -> bool {
    matches!(base, Base::Param(_))
}
