//! What decides about a sandbox is not written from inside: the plan, the keys that are trusted and the launcher itself are
//! denied for writing wherever a mount would let them be written.

use crate::host::Entry;
use crate::path::below;
use alloc::string::String;
use alloc::vec::Vec;
use msb_plan::{Base, Deny, Missing, OriginId, Path, Rights};

/// Denies for those of `files`, absolute paths, that lie below a writable mount.
pub(crate) fn denies<'f>(files: &'f [String], entries: &[Entry<'_>], origin: OriginId) -> Vec<Deny<'f>> {
    let shown = |file: &&String| {
        let covers = |entry: &Entry<'_>| {
            let source = entry.source.as_ref().filter(|_| entry.is_writable());
            source.is_some_and(|source| below(file.as_bytes(), &source.real).is_some())
        };
        entries.iter().any(covers)
    };
    let deny = |file: &'f String| Deny {
        path: Path { base: Base::Root, rest: file.trim_start_matches('/') },
        rights: Rights::WRITE,
        missing: Missing::Skip,
        origin,
    };
    files.iter().filter(shown).map(deny).collect()
}
