//! Every name of a denied place: as the policy writes it, as the kernel calls it, where the host has mounted it a second
//! time, and where symbolic links lead.

use crate::bind::{Bindings, is_plain, open_below, open_kept, open_place};
use crate::fail::{At, Result};
use crate::files::parts;
use crate::host::{Source, is_below_parameter};
use crate::mounts::Table;
use crate::path::{Bytes, ancestors, below, extend, join, split};
use alloc::vec::Vec;
use msb_plan::event::Step;
use msb_plan::{Base, Deny, Search};
use msb_sys::at::{readlink, readlinkat};
use rustix::fd::AsFd;
use rustix::fs::{CWD, ResolveFlags};
use rustix::io::Errno;

/// A deny as found on this host.
pub(crate) struct Found<'p> {
    pub(crate) deny: Deny<'p>,
    /// Every name of the place.
    pub(crate) names: Vec<Bytes>,
    /// The path inside that it names, without a leading `/`: of an absolute path alone.
    pub(crate) inside: Option<&'p [u8]>,
}

impl<'p> Found<'p> {
    /// Finds what a deny names on the host.
    pub(crate) fn locate(deny: Deny<'p>, bindings: &Bindings<'_>, table: &Table) -> Result<Found<'p>> {
        let path = bindings.host_path(deny.path, deny.origin)?;
        let names = names(path, deny.path.base, table).at(Step::DenySource, Some(deny.origin))?;
        let inside = (deny.path.base == Base::Root).then_some(deny.path.rest.as_bytes());
        Ok(Found { deny, names, inside })
    }

    /// What `search` denies at `place`, an absolute path as the kernel calls it.
    pub(crate) fn beside(
        search: &Search<'p>,
        place: Bytes,
        table: &Table,
    ) -> core::result::Result<Found<'p>, Errno> {
        let Search { root, rights, missing, origin, .. } = *search;
        let names = names(place, root.base, table)?;
        let inside = place.get(1..).filter(|_| root.base == Base::Root);
        Ok(Found { deny: Deny { path: root, rights, missing, origin }, names, inside })
    }

    /// Adds a place that a symbolic link leads to; gives whether it is new.
    pub(crate) fn add(&mut self, place: Bytes, table: &Table) -> Result<bool> {
        let before = self.names.len();
        // A link that leads to itself is all that there is.
        if self.names.contains(&place) {
            return Ok(false);
        }
        // It may lie anywhere, so that its real name is looked up.
        for name in names(place, Base::Root, table).at(Step::DenySource, Some(self.deny.origin))?.leak() {
            add(&mut self.names, name);
        }
        Ok(self.names.len() > before)
    }
}

/// Every name of `path`, which begins with `base`, but those that a symbolic link below a parameter leads to.
pub(crate) fn names(path: Bytes, base: Base, table: &Table) -> core::result::Result<Vec<Bytes>, Errno> {
    let mut names = Vec::from([path]);
    // Below a parameter the name as written is the kernel's, and nothing has to be looked up.
    if is_below_parameter(base) && !table.shows_twice() {
        return Ok(names);
    }
    // The nearest ancestor that exists is called by its real name, and what is missing is added to it.
    let mut there = path;
    loop {
        match open_place(there) {
            Ok(place) => {
                let missing = below(path, there).unwrap_or_default();
                if !is_below_parameter(base) {
                    add(&mut names, join(place.real, missing));
                }
                if table.shows_twice() {
                    table.add_names(place.fd.as_fd(), place.real, missing, &mut names)?;
                }
                return Ok(names);
            }
            Err(Errno::NOENT | Errno::NOTDIR) if there.len() > 1 => there = split(there).0,
            // Links in a circle, which is no place: whoever meets one of them follows it to the next.
            Err(Errno::LOOP) if is_linked(there) => there = split(there).0,
            // Out of the user's reach, and so out of the sandbox's.
            Err(Errno::ACCESS) => return Ok(names),
            Err(errno) => return Err(errno),
        }
        if there.is_empty() {
            there = b"/";
        }
    }
}

/// Whether a symbolic link is the end of what can be opened of `path` without one, and leads not into procfs, where links
/// are that lead to what they do not name.
fn is_linked(path: &[u8]) -> bool {
    let mut ways = core::iter::successors(Some(path), |way| Some(split(way).0).filter(|way| !way.is_empty()));
    let end = ways.find(|way| open_kept(CWD, way, ResolveFlags::NO_SYMLINKS).is_ok());
    is_plain(path) && end.is_some_and(|link| readlink(link).is_ok_and(|to| !to.starts_with(b"/proc/")))
}

/// Adds a name that is not there yet.
#[inline(never)]
pub(crate) fn add(names: &mut Vec<Bytes>, name: Bytes) {
    if !names.contains(&name) {
        names.push(name);
    }
}

/// The first symbolic link on the way from `source` to `rest`, or at its end: so many bytes of `rest`, and where `rest` lies
/// once that link was followed.
///
/// # Errors
/// `ELOOP` where the link goes up from a folder that it names itself, which may be another link.
pub(crate) fn follow(source: &Source, rest: &[u8]) -> core::result::Result<(usize, Bytes), Errno> {
    let mut paths = ancestors(rest).chain([rest]);
    let (link, text) = loop {
        let path = paths.next().ok_or(Errno::LOOP)?;
        match readlinkat(&open_below(&source.place, path)?, "") {
            // It is no link: readlink(2), of "".
            Err(Errno::NOENT) => {}
            text => break (path, text?),
        }
    };
    let mut to = Vec::from(if text.starts_with(b"/") { b"/" } else { join(source.real, split(link).0) });
    let mut named = false;
    for component in parts(&text, b'/') {
        match component {
            b"" | b"." => {}
            b".." if named => return Err(Errno::LOOP),
            b".." => to.truncate(split(&to).0.len()),
            name => {
                named = true;
                extend(&mut to, name);
            }
        }
    }
    extend(&mut to, below(rest, link).unwrap_or_default());
    Ok((link.len(), to.leak()))
}
