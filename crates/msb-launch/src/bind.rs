//! Parameters and `~`: from the command line and the environment to places on this host.

use crate::arguments::Arguments;
use crate::fail::{At, Result, failure, refusal};
use crate::path::join;
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::event::Step;
use msb_plan::{Base, OriginId, Param, ParamKind, Path, Plan};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2, readlink};
use rustix::io::Errno;

/// The value of a parameter.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// A directory or file, by the path that the kernel calls it.
    Place(Vec<u8>),
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
            let known = plan.params.iter().any(|param| param.name.as_bytes() == *name);
            let twice = arguments.set.iter().take(index).any(|(other, _)| other == name);
            if !known || twice {
                return Err(failure(Step::Param, None, if twice { Errno::EXIST } else { Errno::SRCH }));
            }
        }
        let values = plan.params.iter().map(|param| value(param, arguments)).collect::<Result<_>>()?;
        let home = environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"HOME="));
        Ok(Bindings { values, home: home.filter(|home| home.starts_with(b"/")) })
    }

    /// The absolute path that `path` names on the host, not resolved further.
    pub(crate) fn host_path(&self, path: Path<'_>, origin: OriginId) -> Result<Vec<u8>> {
        let base = match path.base {
            Base::Root => b"/",
            Base::Home => self.home.ok_or_else(|| refusal(Step::Home, Some(origin)))?,
            Base::Param(index) => match self.values.get(usize::from(index)) {
                Some(Value::Place(real)) => real.as_slice(),
                _ => return Err(refusal(Step::Param, Some(origin))),
            },
        };
        let base = if base.len() > 1 { base.strip_suffix(b"/").unwrap_or(base) } else { base };
        join(base, path.rest.as_bytes()).at(Step::MountSource, Some(origin))
    }

    /// The path that `path` names inside: the same as on the host, without the leading `/`.
    pub(crate) fn inside_path(&self, path: Path<'_>, origin: OriginId) -> Result<Vec<u8>> {
        let host = self.host_path(path, origin)?;
        Ok(Vec::from(host.strip_prefix(b"/").unwrap_or(&host)))
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
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let place =
        openat2(CWD, text, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS).at(Step::Param, origin)?;
    let stat = fstat(&place).at(Step::Param, origin)?;
    match (wanted, FileType::from_raw_mode(stat.st_mode)) {
        (wanted, found) if wanted == found => Ok(Value::Place(real_path(&place).at(Step::Param, origin)?)),
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
pub(crate) fn real_path(fd: impl AsFd) -> core::result::Result<Vec<u8>, Errno> {
    let number = u64::from(fd.as_fd().as_raw_fd().unsigned_abs());
    let link = crate::files::decimal(b"/proc/self/fd/", number);
    let path = readlink(link, Vec::new())?.into_bytes();
    if path.starts_with(b"/") { Ok(path) } else { Err(Errno::NOENT) }
}

/// Opens a place on the host by path alone, symbolic links followed.
pub(crate) fn open_place(path: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
}

/// Opens a place below `base` without following any symbolic link.
pub(crate) fn open_below(base: impl AsFd, rest: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    let rest = if rest.is_empty() { b"." } else { rest };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(base, rest, OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty(), resolve)
}
