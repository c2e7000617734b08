//! What the policy asserts of paths, decided with every parameter bound, before anything is made.
//!
//! The compiler decided each claim for parameters that lie apart. Here names are compared again, as the kernel calls the
//! places that are about to be shown: what is mounted deepest shows a path, with its rights, less those of every deny that
//! covers it. Nothing is looked up below a mount: a claim is about what may be, not about what is there today.

use crate::bind::Bindings;
use crate::fail::{At, Result, failure, refusal};
use crate::host::{Entry, covering};
use crate::mounts::Table;
use crate::names::{Found, names};
use crate::path::{Bytes, below, extend};
use alloc::vec::Vec;
use msb_plan::event::Step;
use msb_plan::{Base, Claim, Expected, Extent, MountKind, Plan, Rights};
use rustix::io::Errno;

/// Decides every claim of `plan`.
///
/// # Errors
/// The line of the first that does not hold: `EACCES` where what it says to be allowed is denied, 0 where what it says to
/// be denied is allowed.
#[inline(never)]
pub(crate) fn hold(
    plan: &Plan<'_>,
    bindings: &Bindings<'_>,
    entries: &[Entry<'_>],
    denied: &[Found<'_>],
    table: &Table,
) -> Result<()> {
    for claim in &plan.claims {
        let origin = Some(claim.origin);
        let written = bindings.host_path(claim.path, claim.origin)?;
        let names = match claim.path.base {
            Base::Root => core::slice::from_ref(&written),
            base => names(written, base, table).at(Step::Claim, origin)?.leak(),
        };
        let asked = Asked { plan, entries, denied, claim, names };
        match (asked.allowed().at(Step::Claim, origin)?, claim.expected) {
            (true, Expected::Allowed) | (false, Expected::Denied) => {}
            (true, Expected::Denied) => return Err(refusal(Step::Claim, origin)),
            (false, Expected::Allowed) => return Err(failure(Step::Claim, origin, Errno::ACCESS)),
        }
    }
    Ok(())
}

/// A claim, what it is about, and what decides it.
struct Asked<'a, 'p> {
    plan: &'a Plan<'p>,
    entries: &'a [Entry<'p>],
    denied: &'a [Found<'p>],
    claim: &'a Claim<'p>,
    /// Of its path, on the host.
    names: &'a [Bytes],
}

impl Asked<'_, '_> {
    fn allowed(&self) -> core::result::Result<bool, Errno> {
        // By name inside, where it is one, or where a mount is put at a name of the same beginning.
        let Claim { path, extent, .. } = *self.claim;
        let same = |entry: &&Entry<'_>| entry.mount.target.base == path.base;
        let own = path.rest.as_bytes();
        let root = path.base == Base::Root;
        let placed = |entry: &Entry<'_>| below(own, entry.mount.target.rest.as_bytes()).is_some();
        let by_name = root || self.entries.iter().filter(same).any(placed);
        for name in self.names {
            let inside = name.strip_prefix(b"/").unwrap_or(name);
            if by_name && self.inside(inside) {
                return Ok(true);
            }
            for entry in self.entries {
                if !root && self.shows(entry, name)? {
                    return Ok(true);
                }
                if extent == Extent::Path {
                    continue;
                }
                // Something below it, by the place that shows it.
                let real = entry.source.as_ref().filter(|source| below(source.real, name).is_some());
                if let Some(source) = real.filter(|_| !root)
                    && self.shows(entry, source.real)?
                {
                    return Ok(true);
                }
                let within =
                    by_name || (same(&entry) && below(entry.mount.target.rest.as_bytes(), own).is_some());
                if within && below(entry.target, inside).is_some() && self.inside(entry.target) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether `entry` shows the host's file `host`, with the right.
    fn shows(&self, entry: &Entry<'_>, host: &[u8]) -> core::result::Result<bool, Errno> {
        let Some(rest) = entry.source.as_ref().and_then(|source| below(host, source.real)) else {
            return Ok(false);
        };
        // What is written over it in memory is not the host's.
        if matches!(entry.mount.kind, MountKind::Overlay { .. }) && self.claim.right == Rights::WRITE {
            return Ok(false);
        }
        let mut inside = Vec::from(entry.target);
        extend(&mut inside, rest);
        let visible = covering(self.entries, &inside).is_some_and(|shown| core::ptr::eq(shown, entry));
        Ok(visible && self.inside(&inside))
    }

    /// What the rules say of a name inside.
    fn inside(&self, inside: &[u8]) -> bool {
        let right = self.claim.right;
        let Some(entry) = covering(self.entries, inside) else {
            // The directories above what is shown can be listed, and what the launcher writes be read.
            let listed = self.entries.iter().any(|entry| below(entry.target, inside).is_some());
            let written = self.plan.files.iter().any(|file| file.path.rest.as_bytes() == inside);
            return right == Rights::READ && (listed || written) && !self.takes(inside, None);
        };
        let rights = match entry.mount.kind {
            // What is in them is the same for all parameters, so that the claim holds there.
            MountKind::Proc(_) | MountKind::Dev { .. } => return self.claim.expected == Expected::Allowed,
            MountKind::Device { .. } | MountKind::Socket { .. } => Rights::READ.union(Rights::WRITE),
            _ => entry.rights,
        };
        let rest = below(inside, entry.target).unwrap_or_default();
        let host = entry.source.as_ref().map(|source| (source.real, rest));
        rights.contains(right) && !self.takes(inside, host)
    }

    /// Whether a deny takes the right away from a place, by its name inside or on the host: a folder, and what follows.
    fn takes(&self, inside: &[u8], host: Option<(&[u8], &[u8])>) -> bool {
        // Where nothing is shown, both are the same.
        let (folder, rest) = host.unwrap_or((b"/", inside));
        let covers = |name: &&[u8]| match below(name, folder) {
            Some(after) => below(rest, after).is_some(),
            None => below(folder, name).is_some(),
        };
        self.denied.iter().any(|found| {
            let takes =
                found.deny.rights.contains(Rights::READ) || found.deny.rights.contains(self.claim.right);
            let by_host = || found.names.iter().any(covers);
            let by_inside = || found.inside.is_some_and(|name| below(inside, name).is_some());
            takes && (by_host() || by_inside())
        })
    }
}
