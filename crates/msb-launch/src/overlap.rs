//! Parameters that overlap: a folder that one line shows to be read and another, by another parameter, opens for writing.
//!
//! What is compared is where folders lie in their file systems, and not their names: a bind mount of the host gives the
//! same folder a second name (proc_pid_mountinfo(5), `root`). Everything that is mounted below a folder counts as it.

use crate::fail::{At, Result};
use crate::files::read_small;
use crate::host::{Entry, Source};
use crate::path::{below, join};
use alloc::vec::Vec;
use msb_plan::event::{Failure, Step};
use msb_plan::{Base, MountKind, Plan, Rights};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;

/// A folder of a file system: the device, as the table of mounts writes it, and the path there.
type Region<'t> = (&'t [u8], Vec<u8>);

/// Refuses `entries` of which one may be written by way of another parameter's.
///
/// # Errors
/// The line of the one, and as errno the number of the other's parameter, from 1.
pub(crate) fn check(plan: &Plan<'_>, entries: &[Entry<'_>]) -> Result<()> {
    let given = |entry: &Entry<'_>| match entry.mount.kind {
        MountKind::Bind { source, .. } | MountKind::Overlay { source, .. } => match source.base {
            Base::Param(index) => Some(index),
            Base::Root | Base::Home => None,
        },
        _ => None,
    };
    let is_written = |entry: &Entry<'_>| matches!(entry.mount.kind, MountKind::Bind { rights, .. } if rights.contains(Rights::WRITE));
    let mut table = Vec::new();
    for read in entries.iter().filter(|entry| !is_written(entry)) {
        let Some((index, source)) = given(read).zip(read.source.as_ref()) else { continue };
        let origin = Some(read.mount.origin);
        for written in entries.iter().filter(|entry| is_written(entry)) {
            let (Some(other), Some(target)) = (given(written), &written.source) else { continue };
            if other == index || is_denied(plan, index, source, target) {
                continue;
            }
            if table.is_empty() {
                table = read_small(CWD, "/proc/self/mountinfo").at(Step::ParamOverlap, origin)?;
            }
            let one = regions(&table, source).at(Step::ParamOverlap, origin)?;
            let two = regions(&table, target).at(Step::ParamOverlap, origin)?;
            if one.iter().any(|a| two.iter().any(|b| meet(a, b))) {
                return Err(Failure { step: Step::ParamOverlap, origin, errno: u16::from(other) + 1 });
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
    whole && below(&source.real, &target.real).is_some()
}

fn meet((device, path): &Region<'_>, (other_device, other): &Region<'_>) -> bool {
    device == other_device && (below(path, other).is_some() || below(other, path).is_some())
}

/// Where `source` lies, and what is mounted below it.
fn regions<'t>(table: &'t [u8], source: &Source) -> core::result::Result<Vec<Region<'t>>, Errno> {
    let mount = statx(&source.place, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id;
    let mut regions = Vec::new();
    for line in table.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b' ');
        let (Some(id), Some(device), Some(root), Some(point)) =
            (fields.next(), fields.nth(1), fields.next(), fields.next())
        else {
            continue;
        };
        let (root, point) = (unescaped(root), unescaped(point));
        if crate::files::number(id) == Some(mount) {
            let rest = below(&source.real, &point).ok_or(Errno::STALE)?;
            regions.push((device, join(&root, rest)?));
        } else if below(&point, &source.real).is_some() {
            regions.push((device, root));
        }
    }
    // Its own line must be there: without it nothing is known.
    if regions.is_empty() { Err(Errno::STALE) } else { Ok(regions) }
}

/// A path of the table: space, tab, newline and backslash stand in it as `\` and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                path.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => path.push(byte),
        }
    }
    path
}
