//! What decides about a sandbox is not written from inside: the plan, the keys that are trusted, the launcher's and the
//! gateway's own programs and the files that the command line protects are denied for writing wherever a mount would let
//! them be written. So is the report.

use crate::fail::{At, Result};
use crate::gather::Gather;
use crate::host::Entry;
use crate::path::{Bytes, below};
use alloc::vec::Vec;
use msb_plan::event::Step;
use msb_plan::{Base, Deny, Missing, OriginId, Path, Rights};
use rustix::io::Errno;

/// Denies for those of `files`, absolute paths, that lie below a writable mount.
///
/// # Errors
/// `EILSEQ` for one of them that is no text, which no deny can name.
pub(crate) fn denies<'f>(
    files: &'f [Bytes],
    entries: &[Entry<'_>],
    origin: OriginId,
) -> Result<Vec<Deny<'f>>> {
    let shown = |file: &&Bytes| {
        let covers = |entry: &Entry<'_>| {
            let source = entry.source.as_ref().filter(|_| entry.is_writable());
            source.is_some_and(|source| below(file, source.real).is_some())
        };
        entries.iter().any(covers)
    };
    let deny = |file: &'f Bytes| {
        let rest = file.strip_prefix(b"/").unwrap_or(file);
        let rest = core::str::from_utf8(rest).map_err(|_| Errno::ILSEQ).at(Step::Protect, None)?;
        let path = Path { base: Base::Root, rest };
        Ok(Deny { path, rights: Rights::WRITE, missing: Missing::Skip, origin })
    };
    files.iter().filter(shown).map(deny).try_gather()
}
