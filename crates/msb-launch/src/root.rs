//! The new root: mounts on descriptors, then pivot_root.

use crate::bind::open_below;
use crate::deny::{attach, clone_tree, open_inside};
use crate::dev;
use crate::fail::{At, Result, failure};
use crate::files::{numbered, open, write_once};
use crate::host::{Entry, Source, covering};
use crate::landlock::{self, Wall};
use crate::overlay::{self, Upper};
use crate::path::{Bytes, ancestors, split};
use crate::placeholders::{Kind, create};
use core::ffi::CStr;
use msb_plan::event::Step;
use msb_plan::{File, MountKind, MountTable, ProcScope, Rights};
use msb_sys::at::{
    Descriptor, configure, mkdirat, mkfileat, move_mount, open_tree, openat, openat2, symlinkat, unmount,
};
use msb_sys::mount::{Depth, attr, set_attributes};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, UnmountFlags, fsconfig_create, fsmount, fsopen,
};
use rustix::process::{chdir, chroot, fchdir, pivot_root};

/// An option of a file system, and its value.
pub(crate) type FsOption<'a> = (&'a str, Value<'a>);

/// What an option is set to.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Number(u64),
    /// It is a flag.
    None,
}
use Value::{Number, Text};

/// Bytes and files of the root itself: directories, mount points, /dev and generated files.
const ROOT_OPTIONS: &[FsOption<'_>] =
    &[("size", Number(4 << 20)), ("nr_inodes", Number(4096)), ("mode", Text("0755"))];

/// To a directory, and what is in it.
const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Makes the root, an empty tmpfs over the old one, and gives a descriptor of it.
pub(crate) fn make() -> core::result::Result<OwnedFd, Errno> {
    let root = file_system(c"tmpfs", ROOT_OPTIONS, attr::NODEV)?;
    move_mount(&root, CWD, "/")?;
    fchdir(&root)?;
    Ok(root)
}

/// A detached mount of a new file system, nosuid, with `attributes` (of [`attr`]) added.
pub(crate) fn file_system(
    kind: &CStr,
    options: &[FsOption<'_>],
    attributes: u64,
) -> core::result::Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        let value = match *value {
            Text(text) => Some(text.as_bytes()),
            Number(value) => Some(numbered(b"", value)),
            Value::None => None,
        };
        configure(&context, key.as_bytes(), value)?;
    }
    fsconfig_create(context.as_fd())?;
    let attributes = u32::try_from(attributes | attr::NOSUID).map_err(|_| Errno::INVAL)?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(attributes))
}

/// The attributes that a mount of these rights has.
pub(crate) fn attributes(rights: Rights) -> u64 {
    let mut attributes = attr::NOSUID | attr::NODEV;
    if !rights.contains(Rights::WRITE) {
        attributes |= attr::RDONLY;
    }
    if !rights.contains(Rights::RUN) {
        attributes |= attr::NOEXEC;
    }
    attributes
}

/// A detached mount of `place` with `attributes`, owners mapped by `userns` where one is given.
pub(crate) fn bind(
    place: impl Descriptor,
    attributes: u64,
    userns: Option<BorrowedFd<'_>>,
) -> core::result::Result<OwnedFd, Errno> {
    let tree = clone_tree(place)?;
    set_attributes(&tree, Depth::Tree, attributes, userns)?;
    Ok(tree)
}

/// Mounts every entry below `root`, and has `wall` grant what each gives.
pub(crate) fn mount_all(
    root: &OwnedFd,
    entries: &mut [Entry<'_>],
    wall: &Wall,
    has_terminal: bool,
) -> Result<()> {
    let mut places = Places { root, made: b"" };
    for index in 0..entries.len() {
        let (done, rest) = entries.split_at_mut(index);
        let Some(entry) = rest.first_mut() else { break };
        let origin = Some(entry.mount.origin);
        if let Some(to) = entry.alias {
            places.link(done, entry.target, to).at(Step::MountTarget, origin)?;
            continue;
        }
        let kind = match &entry.source {
            Some(source) if !source.is_directory() => Kind::File,
            _ => Kind::Directory,
        };
        let place = places.make(done, entry.target, kind).at(Step::MountTarget, origin)?;
        let tree = if let MountKind::Dev { shm_bytes } = entry.mount.kind {
            // A directory of the root, which nobody may change in the end.
            let dev = openat2(root, entry.target, PLACE, Mode::empty(), ResolveFlags::NO_SYMLINKS)
                .at(Step::Dev, origin)?;
            dev::fill(&dev, shm_bytes, has_terminal).at(Step::Dev, origin)?;
            dev
        } else {
            let tree = tree(root, entry).map_err(|(step, errno)| failure(step, origin, errno))?;
            place.attach(&tree).at(Step::MountTarget, origin)?;
            tree
        };
        let rights = landlock::rights(entry.mount.kind, entry.rights);
        match kind {
            Kind::Directory => wall.directory(&tree, rights),
            Kind::File | Kind::FileOfDot => wall.file(&tree, rights),
        }
        .at(Step::Landlock, origin)?;
    }
    Ok(())
}

/// The detached mount of an entry.
#[inline(never)]
fn tree(root: &OwnedFd, entry: &mut Entry<'_>) -> core::result::Result<OwnedFd, (Step, Errno)> {
    let (kind, rights, attributes) = (entry.mount.kind, entry.rights, entry.attributes());
    if let Some(source) = &mut entry.source {
        let tree = match source.tree.take() {
            Some(tree) => tree,
            None => own_tree(source, attributes)?,
        };
        return match kind {
            MountKind::Overlay { size_bytes, inodes, .. } => {
                let upper = Upper { size_bytes, inodes, mode: source.stat.st_mode };
                overlay::make(root.as_fd(), &tree, &upper, rights).map_err(|errno| (Step::Mount, errno))
            }
            _ => Ok(tree),
        };
    }
    match kind {
        MountKind::Scratch { size_bytes, inodes, .. } => {
            scratch(size_bytes, inodes, rights).map_err(|errno| (Step::Mount, errno))
        }
        MountKind::Proc(scope) => processes(scope).map_err(|errno| (Step::Proc, errno)),
        _ => Err((Step::MountSource, Errno::NOENT)),
    }
}

/// Clones a source in this mount namespace: a descriptor from outside can't be cloned here.
fn own_tree(source: &Source, attributes: u64) -> core::result::Result<OwnedFd, (Step, Errno)> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let tree = open_tree(CWD, source.real, flags).map_err(|errno| (Step::MountSource, errno))?;
    let stat = fstat(&tree).map_err(|errno| (Step::MountSource, errno))?;
    if !source.is(&stat) {
        // Somebody put another file, or a link, there since the parent looked.
        return Err((Step::MountSource, Errno::STALE));
    }
    set_attributes(&tree, Depth::Tree, attributes, None).map_err(|errno| (Step::Mount, errno))?;
    Ok(tree)
}

/// The mount points, made as they are needed.
struct Places<'r> {
    root: &'r OwnedFd,
    /// The parent of the last one, which exists.
    made: Bytes,
}

/// A mount point.
enum Place<'a> {
    /// A path through directories that were all made here, so that none of them is a symbolic link.
    Own(&'a OwnedFd, Bytes),
    /// One in what somebody else filled.
    Opened(OwnedFd),
}

impl Place<'_> {
    fn attach(&self, tree: &OwnedFd) -> core::result::Result<(), Errno> {
        match self {
            Place::Own(root, path) => move_mount(tree, *root, path),
            Place::Opened(place) => attach(tree, place),
        }
    }
}

impl<'r> Places<'r> {
    /// The mount point for `target`, made where it lies on a file system of our own.
    fn make(
        &mut self,
        done: &[Entry<'_>],
        target: Bytes,
        kind: Kind,
    ) -> core::result::Result<Place<'r>, Errno> {
        self.parents(done, target)?;
        let around = covering(done, target);
        if around.is_none_or(|entry| entry.source.is_none()) {
            there(make_empty(self.root, target, kind))?;
            return Ok(Place::Own(self.root, target));
        }
        if around.is_some_and(Entry::is_private) {
            let (parent, name) = split(target);
            there(create(&open_below(self.root, parent)?, name, kind, Mode::from_raw_mode(0o755)))?;
        }
        open_inside(self.root.as_fd(), target).map(Place::Opened)
    }

    /// A symbolic link at `target`.
    fn link(&mut self, done: &[Entry<'_>], target: Bytes, to: &[u8]) -> core::result::Result<(), Errno> {
        self.parents(done, target)?;
        symlinkat(to, self.root, target)
    }

    fn parents(&mut self, done: &[Entry<'_>], target: Bytes) -> core::result::Result<(), Errno> {
        let parent = split(target).0;
        if parent == self.made {
            return Ok(());
        }
        for directory in ancestors(target) {
            let own = covering(done, directory).is_none_or(Entry::is_private);
            if own && !done.iter().any(|entry| entry.target == directory) {
                there(mkdirat(self.root, directory, Mode::from_raw_mode(0o755)))?;
            }
        }
        self.made = parent;
        Ok(())
    }
}

/// Makes an empty file or directory by one call.
pub(crate) fn make_empty(at: impl Descriptor, path: &[u8], kind: Kind) -> core::result::Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o755);
    match kind {
        Kind::Directory => mkdirat(at, path, mode),
        Kind::File | Kind::FileOfDot => mkfileat(at, path, Mode::RUSR),
    }
}

/// An error that says that something is there already is none.
pub(crate) fn there(made: core::result::Result<(), Errno>) -> core::result::Result<(), Errno> {
    if made == Err(Errno::EXIST) { Ok(()) } else { made }
}

fn scratch(size_bytes: u64, inodes: u64, rights: Rights) -> core::result::Result<OwnedFd, Errno> {
    let options = [("size", Number(size_bytes)), ("nr_inodes", Number(inodes)), ("mode", Text("1777"))];
    file_system(c"tmpfs", &options, attributes(rights))
}

/// procfs of this pid namespace, read only: process directories alone, or everything; those of others only where they
/// may be traced.
///
/// /proc/self/mem writes to memory that may only be executed, past every rule about mmap(2) and mprotect(2), and a
/// program without privileges can give itself a projid_map; what is left of its own settings are a name and a score.
pub(crate) fn processes(scope: ProcScope) -> core::result::Result<OwnedFd, Errno> {
    // subset=pid and hidepid=ptraceable: Linux 5.8, proc(5).
    const OPTIONS: &[FsOption<'_>] = &[("hidepid", Text("ptraceable")), ("subset", Text("pid"))];
    let options = match scope {
        ProcScope::Processes => OPTIONS,
        ProcScope::All => OPTIONS.get(..1).unwrap_or(OPTIONS),
    };
    file_system(c"proc", options, attr::NODEV | attr::NOEXEC | attr::RDONLY)
}

/// Writes the plan's generated files, where no mount of the host's shows something else.
pub(crate) fn write_files(root: &OwnedFd, files: &[File<'_>], entries: &[Entry<'_>]) -> Result<()> {
    for file in files {
        let path = file.path.rest.as_bytes();
        if covering(entries, path).is_none() {
            write_file(root, path, file.content).at(Step::File, Some(file.origin))?;
        }
    }
    Ok(())
}

/// Writes a new file, readable by everybody.
pub(crate) fn write_file(root: &OwnedFd, path: &[u8], content: &[u8]) -> core::result::Result<(), Errno> {
    let file = make_file(root, path)?;
    if content.is_empty() { Ok(()) } else { write_once(&file, content) }
}

/// A new file, readable by everybody, to be written.
pub(crate) fn make_file(root: &OwnedFd, path: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    // The mode is as it is said here: the umask is 0 (`child`).
    let create = || openat(root, path, flags, Mode::from_raw_mode(0o444));
    match create() {
        Err(Errno::NOENT) => {
            for directory in ancestors(path) {
                there(mkdirat(root, directory, Mode::from_raw_mode(0o755)))?;
            }
            create()
        }
        made => made,
    }
}

/// Makes the new root read-only, goes there for good, and lets the old one go. Where the table of mounts is hidden, the root
/// is a copy, and this its descriptor: see [`hide_mounts`].
pub(crate) fn enter(root: OwnedFd, table: MountTable) -> core::result::Result<Option<OwnedFd>, Errno> {
    set_attributes(&root, Depth::One, attr::RDONLY | attr::NOEXEC, None)?;
    drop(root);
    // The working directory is the new root: pivot_root(2), "pivot_root(".", ".")".
    pivot_root(c".", c".")?;
    unmount(b".", UnmountFlags::DETACH)?;
    chdir(c"/")?;
    match table {
        MountTable::Shown => Ok(None),
        MountTable::Hidden => hide_mounts().map(Some),
    }
}

/// Goes into a copy of the root that belongs to no mount namespace which a process can be in.
///
/// /proc/self/mountinfo lists what is mounted in the reader's namespace and lies below its root: nothing, from here on
/// (fs/proc_namespace.c). Mounts can't be changed either, by whatever capability: they are in no namespace of the
/// caller's (`check_mnt` of fs/namespace.c). What is left behind is the same root, so that there is no gain in finding
/// a way back.
///
/// INVARIANT (mount points stay): what is left behind has every mount of the copy, at the same places. A mount point can't be
/// removed or renamed only where it is one in the caller's own namespace (`is_local_mountpoint` of fs/namespace.c), and
/// denied places are held by that.
///
/// The copy is whole for as long as somebody has a descriptor of it. With the last one its mounts leave it: up to Linux 6.18 they
/// stay where they are for as long as it is somebody's root (`dissolve_on_fput`), in Linux 7.3 they are gone at once, and with them
/// all that the command sees. So init, which outlives everything inside, never lets it go.
fn hide_mounts() -> core::result::Result<OwnedFd, Errno> {
    let copy = clone_tree(&open(CWD, "/", OFlags::PATH | OFlags::DIRECTORY)?)?;
    fchdir(&copy)?;
    chroot(c".")?;
    Ok(copy)
}
