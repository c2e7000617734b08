//! Parameters that overlap: a folder that one line shows to be read and another, by another parameter, opens for writing.
//!
//! What is compared is where folders lie in their file systems, and not their names: a bind mount of the host gives the
//! same folder a second name (proc_pid_mountinfo(5), `root`). Everything that is mounted below a folder counts as it.

use crate::fail::{At, Result};
use crate::host::{Entry, Source};
use crate::mounts::Table;
use crate::path::below;
use msb_plan::event::{Failure, Step};
use msb_plan::{Base, MountKind, Plan, Rights};
use rustix::fd::AsFd;
use rustix::io::Errno;

/// Refuses `entries` of which one may be written by way of another parameter's.
///
/// # Errors
/// The line of the one, and as errno the number of the other's parameter, from 1.
#[inline(never)]
pub(crate) fn check(plan: &Plan<'_>, entries: &[Entry<'_>], table: &Table) -> Result<()> {
    let given = |entry: &Entry<'_>| match entry.mount.kind {
        MountKind::Bind { source, .. } | MountKind::Overlay { source, .. } => match source.base {
            Base::Param(index) => Some(index),
            Base::Root | Base::Home => None,
        },
        _ => None,
    };
    let is_written = |entry: &Entry<'_>| matches!(entry.mount.kind, MountKind::Bind { rights, .. } if rights.contains(Rights::WRITE));
    for read in entries.iter().filter(|entry| !is_written(entry)) {
        let Some((index, source)) = given(read).zip(read.source.as_deref()) else { continue };
        let origin = Some(read.mount.origin);
        for written in entries.iter().filter(|entry| is_written(entry)) {
            let (Some(other), Some(target)) = (given(written), &written.source) else { continue };
            if other == index || is_denied(plan, index, source, target) {
                continue;
            }
            if meet(table, source, target).at(Step::Param, origin)? {
                let errno = u16::from(other) + 1;
                return Err(Failure { step: Step::ParamOverlap, origin, errno }.into());
            }
        }
    }
    Ok(())
}

/// Whether a deny keeps all of parameter `index` from being written, by a name that lies in `target` too.
fn is_denied(plan: &Plan<'_>, index: u8, source: &Source, target: &Source) -> bool {
    let whole = plan.denies.iter().any(|deny| {
        deny.path.base == Base::Param(index)
            && deny.path.rest.is_empty()
            && deny.rights.contains(Rights::WRITE)
    });
    whole && below(source.real, target.real).is_some()
}

/// Whether a folder that `one` shows is or holds one that `two` shows, or lies in it.
fn meet(table: &Table, one: &Source, two: &Source) -> core::result::Result<bool, Errno> {
    let (one, two) =
        (table.regions(one.place.as_fd(), one.real)?, table.regions(two.place.as_fd(), two.real)?);
    Ok(one.iter().any(|region| two.iter().any(|other| region.meets(other))))
}
