//! Parameters and `~`: from the command line and the environment to places on this host.

use crate::arguments::Arguments;
use crate::fail::{At, Result, failure, refusal};
use crate::files::parts;
use crate::gather::Gather;
use crate::path::{Bytes, join, split};
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::event::Step;
use msb_plan::{Base, OriginId, Param, ParamKind, Path, Plan};
use msb_sys::at::{Descriptor, openat2, readlink};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;

/// A place on this host.
#[derive(Debug)]
pub(crate) struct Place {
    /// An `O_PATH` descriptor of it.
    pub(crate) fd: OwnedFd,
    /// What the kernel calls it.
    pub(crate) real: Bytes,
}

/// The value of a parameter.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// A directory or file.
    Place(Place),
    /// A text.
    Text(&'a [u8]),
}

/// Everything that a plan leaves open.
#[derive(Debug)]
pub(crate) struct Bindings<'a> {
    values: Vec<Value<'a>>,
    home: Option<&'a [u8]>,
}

impl<'a> Bindings<'a> {
    /// Binds every parameter of `plan`.
    pub(crate) fn new(
        plan: &Plan<'a>,
        arguments: &Arguments<'a>,
        environment: &[&'a CStr],
    ) -> Result<Bindings<'a>> {
        for (index, (name, _)) in arguments.set.iter().enumerate() {
            let known = plan.params.iter().find(|param| param.name.as_bytes() == *name);
            let twice = arguments.set.iter().take(index).any(|(other, _)| other == name);
            if known.is_none() || twice {
                let origin = known.map(|param| param.origin);
                return Err(failure(Step::Param, origin, if twice { Errno::EXIST } else { Errno::SRCH }));
            }
        }
        let values = plan.params.iter().map(|param| value(param, arguments)).try_gather()?;
        let home = environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"HOME="));
        Ok(Bindings { values, home: home.filter(|home| home.starts_with(b"/")) })
    }

    /// The absolute path that `path` names on the host, not resolved further.
    pub(crate) fn host_path(&self, path: Path<'_>, origin: OriginId) -> Result<Bytes> {
        let base = match path.base {
            Base::Root => b"/",
            Base::Home => self.home.ok_or_else(|| refusal(Step::Home, Some(origin)))?,
            Base::Param(index) => match self.values.get(usize::from(index)) {
                Some(Value::Place(place)) => place.real,
                _ => return Err(refusal(Step::Param, Some(origin))),
            },
        };
        let base = if base.len() > 1 { base.strip_suffix(b"/").unwrap_or(base) } else { base };
        Ok(join(base, path.rest.as_bytes()))
    }

    /// The place that a plan's path begins with, without what follows. That of a parameter was opened when it was bound.
    pub(crate) fn open_base(
        &self,
        path: Path<'_>,
        origin: OriginId,
    ) -> Result<core::result::Result<Place, Errno>> {
        if let Base::Param(index) = path.base
            && let Some(Value::Place(place)) = self.values.get(usize::from(index))
        {
            let again = rustix::io::fcntl_dupfd_cloexec(&place.fd, 3);
            return Ok(again.map(|fd| Place { fd, real: place.real }));
        }
        Ok(open_place(self.host_path(Path { rest: "", ..path }, origin)?))
    }

    /// The path that `path` names inside: the same as on the host, without the leading `/`.
    pub(crate) fn inside_path(&self, path: Path<'_>, origin: OriginId) -> Result<Bytes> {
        let host = self.host_path(path, origin)?;
        Ok(host.strip_prefix(b"/").unwrap_or(host))
    }

    /// The text of parameter `index`.
    pub(crate) fn text(&self, index: u8) -> Option<&'a [u8]> {
        match self.values.get(usize::from(index)) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

fn value<'a>(param: &Param<'a>, arguments: &Arguments<'a>) -> Result<Value<'a>> {
    let origin = Some(param.origin);
    let given = arguments.set.iter().find(|(name, _)| *name == param.name.as_bytes());
    let text = match (given, param.default) {
        (Some((_, value)), _) => value.to_bytes(),
        (None, Some(default)) => default.as_bytes(),
        (None, None) => return Err(failure(Step::Param, origin, Errno::INVAL)),
    };
    let wanted = match param.kind {
        // The gateway reads it: a host is no path, and nothing else of a launch depends on it.
        ParamKind::Text | ParamKind::Host => return Ok(Value::Text(text)),
        ParamKind::Secret if is_source(text, given.is_some()) => return Ok(Value::Text(text)),
        ParamKind::Secret => return Err(refusal(Step::SecretSource, origin)),
        ParamKind::Dir => FileType::Directory,
        ParamKind::File => FileType::RegularFile,
    };
    // The person who launches names this path, so that symbolic links in it are followed.
    let place = open_place(text).at(Step::Param, origin)?;
    let stat = fstat(&place.fd).at(Step::Param, origin)?;
    match (wanted, FileType::from_raw_mode(stat.st_mode)) {
        (wanted, found) if wanted == found => Ok(Value::Place(place)),
        (FileType::Directory, _) => Err(Errno::NOTDIR).at(Step::Param, origin),
        _ => Err(Errno::ISDIR).at(Step::Param, origin),
    }
}

/// Whether a text says where a secret is. A secret itself would be in the argument vector, for everybody to read. A
/// command is executed on the host: who launches may name one, and a plan may not.
fn is_source(text: &[u8], given: bool) -> bool {
    let kinds: [&[u8]; 4] = [b"env:", b"file:", b"fd:", b"command:"];
    let mut kinds = kinds.iter().filter(|kind| given || **kind != b"command:");
    kinds.any(|kind| text.strip_prefix(*kind).is_some_and(|rest| !rest.is_empty()))
}

/// What the kernel calls the file that `fd` is open on, as procfs tells.
pub(crate) fn real_path(fd: impl Descriptor) -> core::result::Result<Bytes, Errno> {
    let number = u64::from(fd.number().unsigned_abs());
    let path = readlink(crate::files::numbered(b"/proc/self/fd/", number))?.leak();
    if path.starts_with(b"/") { Ok(path) } else { Err(Errno::NOENT) }
}

/// Symbolic links that are read one after the other before the kernel is left to follow them.
const LINKS_MAX: usize = 4;

/// Opens a place on the host by path alone, symbolic links followed.
///
/// What the kernel calls it is the path by which it opens without a link on the way. procfs tells that too, but a
/// process that asks it the first time pays for its directory there, when it ends again, as much as for ten mounts.
pub(crate) fn open_place(path: &[u8]) -> core::result::Result<Place, Errno> {
    let mut next = absolute(path);
    for _ in 0..LINKS_MAX {
        let Some(real) = next.filter(|path| is_plain(path)) else { break };
        match open_unlinked(real) {
            Err(Errno::LOOP) => next = follow(real),
            opened => return Ok(Place { fd: opened?, real }),
        }
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let fd = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?;
    let real = real_path(&fd)?;
    Ok(Place { fd, real })
}

/// Opens a path that no symbolic link is on.
///
/// # Errors
/// `ELOOP` where one is.
pub(crate) fn open_unlinked(path: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// `path` below the working directory, where it is relative; `None` where nobody knows.
pub(crate) fn absolute(path: &[u8]) -> Option<Bytes> {
    if path.is_empty() || path.starts_with(b"/") {
        // Nothing names nothing, and not the working directory.
        return Some(join(path, b""));
    }
    let directory = rustix::process::getcwd(Vec::new()).ok()?.into_bytes();
    Some(join(&directory, if path == b"." { b"" } else { path }))
}

/// Whether a path, opened without a link on the way, is what the kernel calls the place: absolute, each component a
/// name. Nothing of procfs is, where links lead to what they do not name.
pub(crate) fn is_plain(path: &[u8]) -> bool {
    let name = |component: &[u8]| !matches!(component, b"" | b"." | b"..");
    path.strip_prefix(b"/").is_some_and(|rest| rest.is_empty() || parts(rest, b'/').all(name))
        && !path.starts_with(b"/proc/")
}

/// Where the symbolic link at the end of `path` leads; `None` where it is another component that is one.
fn follow(path: &[u8]) -> Option<Bytes> {
    let to: Bytes = readlink(path).ok()?.leak();
    if to.starts_with(b"/") {
        return Some(to);
    }
    let (mut directory, mut rest) = (split(path).0, to);
    if rest.starts_with(b"../") {
        // What is above a directory is above its own place, and not above its links'.
        open_unlinked(directory).ok()?;
    }
    while let Some(left) = rest.strip_prefix(b"../") {
        (directory, rest) = (split(directory).0, left);
    }
    Some(join(if directory.is_empty() { b"/" } else { directory }, rest))
}

/// Opens a place below `base` without following any symbolic link.
pub(crate) fn open_below(base: impl Descriptor, rest: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    open_as(base, rest, OFlags::PATH)
}

/// The same of a directory, which can be locked then.
pub(crate) fn open_directory(base: impl Descriptor, rest: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    open_as(base, rest, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// What all of these are opened with.
const OPENED: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW);

fn open_as(base: impl Descriptor, rest: &[u8], how: OFlags) -> core::result::Result<OwnedFd, Errno> {
    let rest = if rest.is_empty() { b"." } else { rest };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(base, rest, how | OPENED, Mode::empty(), resolve | ResolveFlags::NO_MAGICLINKS)
}

/// Opens what lies at `path` itself, be it a symbolic link.
pub(crate) fn open_kept(
    base: impl Descriptor,
    path: &[u8],
    resolve: ResolveFlags,
) -> core::result::Result<OwnedFd, Errno> {
    openat2(base, path, OFlags::PATH | OPENED, Mode::empty(), resolve | ResolveFlags::NO_MAGICLINKS)
}
