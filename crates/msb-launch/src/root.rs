//! The new root: mounts on descriptors, then pivot_root.

use crate::bind::open_below;
use crate::deny::{Kind, attach, clone_tree, create, open_inside};
use crate::dev;
use crate::fail::{At, Result, failure};
use crate::files::{decimal, write_once};
use crate::host::{Entry, Source, covering};
use crate::path::{ancestors, split};
use alloc::vec::Vec;
use msb_plan::event::Step;
use msb_plan::{File, MountKind, ProcScope, Rights};
use msb_sys::mount::{Depth, attr, set_attributes};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fchmod, fstat, mkdirat, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};
use rustix::process::{chdir, fchdir, pivot_root};

/// Bytes and files of the root itself: directories, mount points and generated files.
const ROOT_OPTIONS: &[(&str, &str)] = &[("size", "4m"), ("nr_inodes", "4096"), ("mode", "0755")];

/// Makes the root, an empty tmpfs over the old one, and gives a descriptor of it.
pub(crate) fn make() -> core::result::Result<OwnedFd, Errno> {
    let root = file_system("tmpfs", ROOT_OPTIONS, &[], 0)?;
    move_mount(&root, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    fchdir(&root)?;
    Ok(root)
}

/// A detached mount of a new file system, nosuid and nodev, with `attributes` (of [`attr`]) added.
pub(crate) fn file_system(
    kind: &str,
    options: &[(&str, &str)],
    flags: &[&str],
    attributes: u64,
) -> core::result::Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    for flag in flags {
        fsconfig_set_flag(context.as_fd(), *flag)?;
    }
    fsconfig_create(context.as_fd())?;
    let attributes = u32::try_from(attributes | attr::NOSUID | attr::NODEV).map_err(|_| Errno::INVAL)?;
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

/// A detached mount of `source` with `rights`, owners mapped by `userns` where one is given.
pub(crate) fn bind(
    place: impl AsFd,
    rights: Rights,
    userns: Option<BorrowedFd<'_>>,
) -> core::result::Result<OwnedFd, Errno> {
    let tree = clone_tree(place)?;
    set_attributes(tree.as_fd(), Depth::Tree, attributes(rights), userns)?;
    Ok(tree)
}

/// Mounts every entry below `root`.
pub(crate) fn mount_all(root: &OwnedFd, entries: &mut [Entry<'_>]) -> Result<()> {
    for index in 0..entries.len() {
        let (done, rest) = entries.split_at_mut(index);
        let Some(entry) = rest.first_mut() else { break };
        let origin = Some(entry.mount.origin);
        let kind = match &entry.source {
            Some(source) if !source.is_directory() => Kind::File,
            _ => Kind::Directory,
        };
        let place = place(root, done, &entry.target, kind).at(Step::MountTarget, origin)?;
        let tree = match (&mut entry.source, entry.mount.kind) {
            (Some(source), _) => match source.tree.take() {
                Some(tree) => tree,
                None => {
                    own_tree(source, entry.rights).map_err(|(step, errno)| failure(step, origin, errno))?
                }
            },
            (None, MountKind::Scratch { size_bytes, inodes, .. }) => {
                scratch(size_bytes, inodes, entry.rights).at(Step::Mount, origin)?
            }
            (None, MountKind::Proc(ProcScope::Processes)) => processes().at(Step::Proc, origin)?,
            (None, MountKind::Dev { shm_bytes }) => {
                dev::make(&place, shm_bytes).at(Step::Dev, origin)?;
                continue;
            }
            (None, MountKind::Bind { .. }) => return Err(failure(Step::MountSource, origin, Errno::NOENT)),
        };
        attach(&tree, &place).at(Step::MountTarget, origin)?;
    }
    Ok(())
}

/// Opens a source in this mount namespace and clones it: a descriptor from outside can't be cloned here.
fn own_tree(source: &Source, rights: Rights) -> core::result::Result<OwnedFd, (Step, Errno)> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let place = openat2(CWD, source.real.as_slice(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
        .map_err(|errno| (Step::MountSource, errno))?;
    let stat = fstat(&place).map_err(|errno| (Step::MountSource, errno))?;
    if !source.is(&stat) {
        // Somebody put another file there since the parent looked.
        return Err((Step::MountSource, Errno::STALE));
    }
    bind(&place, rights, None).map_err(|errno| (Step::Mount, errno))
}

/// Opens the mount point for `target`, and makes it where it lies on a file system of our own.
fn place(
    root: &OwnedFd,
    done: &[Entry<'_>],
    target: &[u8],
    kind: Kind,
) -> core::result::Result<OwnedFd, Errno> {
    let ours = |path: &[u8]| covering(done, path).is_none_or(|entry| entry.source.is_none());
    for directory in ancestors(target) {
        if ours(directory) && !done.iter().any(|entry| entry.target == directory) {
            there(mkdirat(root, directory, Mode::from_raw_mode(0o755)))?;
        }
    }
    if ours(target) {
        let (parent, name) = split(target);
        there(create(open_below(root, parent)?, name, kind, Mode::from_raw_mode(0o755)))?;
    }
    open_inside(root.as_fd(), target)
}

/// An error that says that something is there already is none.
pub(crate) fn there(made: core::result::Result<(), Errno>) -> core::result::Result<(), Errno> {
    if made == Err(Errno::EXIST) { Ok(()) } else { made }
}

fn scratch(size_bytes: u64, inodes: u64, rights: Rights) -> core::result::Result<OwnedFd, Errno> {
    let (size, inodes) = (decimal(b"", size_bytes), decimal(b"", inodes));
    let text = |bytes| core::str::from_utf8(bytes).map_err(|_| Errno::INVAL);
    let options = [("size", text(&size)?), ("nr_inodes", text(&inodes)?), ("mode", "1777")];
    file_system("tmpfs", &options, &[], attributes(rights))
}

/// procfs of this pid namespace: process directories alone, and those of others only where they may be traced.
fn processes() -> core::result::Result<OwnedFd, Errno> {
    // subset=pid and hidepid=ptraceable: Linux 5.8, proc(5).
    file_system("proc", &[("subset", "pid"), ("hidepid", "ptraceable")], &[], attr::NOEXEC)
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
    for directory in ancestors(path) {
        there(mkdirat(root, directory, Mode::from_raw_mode(0o755)))?;
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat(root, path, flags, Mode::from_raw_mode(0o444))?;
    fchmod(&file, Mode::from_raw_mode(0o444))?;
    if content.is_empty() { Ok(()) } else { write_once(&file, content) }
}

/// Makes the new root read-only, goes there for good, and lets the old one go.
pub(crate) fn enter(root: OwnedFd) -> core::result::Result<(), Errno> {
    set_attributes(root.as_fd(), Depth::One, attr::RDONLY | attr::NOEXEC, None)?;
    drop(root);
    // The working directory is the new root: pivot_root(2), "pivot_root(".", ".")".
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")
}

/// A path inside, with its leading `/`.
pub(crate) fn absolute(inside: &[u8]) -> Vec<u8> {
    let mut path = Vec::from(b"/");
    path.extend_from_slice(inside);
    path
}
