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
                table = read_small(CWD, "/proc/self/mountinfo").at(Step::Param, origin)?;
            }
            if meet(&table, source, target).at(Step::Param, origin)? {
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

/// Whether a folder that `one` shows is or holds one that `two` shows, or lies in it.
fn meet(table: &[u8], one: &Source, two: &Source) -> core::result::Result<bool, Errno> {
    let (one, two) = (regions(table, one)?, regions(table, two)?);
    Ok(one.iter().any(|(device, path)| {
        let holds = |other: &[u8]| below(path, other).is_some() || below(other, path).is_some();
        two.iter().any(|(other_device, other)| device == other_device && holds(other))
    }))
}

/// A folder of a file system: the device, as the table of mounts writes it, and the path there.
type Region<'t> = (&'t [u8], Vec<u8>);

/// Where `source` lies, and what is mounted below it.
///
/// # Errors
/// `ESTALE` where the table does not have the mount that it lies on: nothing is known of it then.
#[inline(never)]
fn regions<'t>(table: &'t [u8], source: &Source) -> core::result::Result<Vec<Region<'t>>, Errno> {
    // Linux 5.8.
    let mount = statx(&source.place, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id;
    let (mut regions, mut known) = (Vec::new(), false);
    for line in table.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b' ');
        let mut field = |nth| fields.nth(nth).unwrap_or_default();
        let (id, device) = (field(0), field(1));
        let (mut root, point) = (unescaped(field(0)), unescaped(field(0)));
        let own = crate::files::number(id) == Some(mount);
        if own {
            root = join(&root, below(&source.real, &point).ok_or(Errno::STALE)?)?;
        }
        known |= own;
        if own || !point.is_empty() && below(&point, &source.real).is_some() {
            regions.push((device, root));
        }
    }
    if known { Ok(regions) } else { Err(Errno::STALE) }
}

/// A path of the table: space, tab, newline and backslash stand in it as `\` and three octal digits.
#[inline(never)]
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
