//! Paths as bytes: joined, compared by component.

use alloc::vec::Vec;
use core::ffi::CStr;
use rustix::io::Errno;

/// Bytes that stay for as long as the process does.
///
/// A launch makes some hundred short ones and needs most of them until it ends, or executes a program, which is soon: to
/// give each of them back, on every way out of every step, was a tenth of the launcher. What is done again and again, for
/// each file of a search or for as long as the sandbox runs, has a `Vec` of its own.
pub(crate) type Bytes = &'static [u8];

/// All of `parts`, one behind the other.
#[inline(never)]
pub(crate) fn concat(parts: &[&[u8]]) -> Bytes {
    parts.concat().leak()
}

/// The same with a zero at its end, as system calls take it.
///
/// # Errors
/// `EINVAL` where there is a zero before.
#[inline(never)]
pub(crate) fn c_string(parts: &[&[u8]]) -> Result<&'static CStr, Errno> {
    let mut text = parts.concat();
    text.push(0);
    CStr::from_bytes_with_nul(text.leak()).map_err(|_| Errno::INVAL)
}

/// `base` and `rest` with one `/` between them; "" for nothing. One that is too long is refused where it is opened.
pub(crate) fn join(base: &[u8], rest: &[u8]) -> Bytes {
    let mut path = Vec::with_capacity(base.len() + 1 + rest.len());
    path.extend_from_slice(base);
    extend(&mut path, rest);
    path.leak()
}

/// Adds `rest` to `path` as [`join`] does.
#[inline(never)]
pub(crate) fn extend(path: &mut Vec<u8>, rest: &[u8]) {
    if !rest.is_empty() {
        if !path.is_empty() && !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(rest);
    }
}

/// A path inside, with its leading `/`.
pub(crate) fn absolute(inside: &[u8]) -> Bytes {
    concat(&[b"/", inside])
}

/// What follows `base` in `path`, without a leading `/`; "" when they are the same, `None` when `path` is not
/// `base` and not below it. The base `/` and the base "" hold everything.
pub(crate) fn below<'a>(path: &'a [u8], base: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = path.split_at_checked(base.len())?;
    // Most paths end elsewhere, so that this is asked before all bytes are.
    let rest = match (base.last(), rest) {
        (None | Some(b'/'), _) | (_, []) => rest,
        (_, [b'/', rest @ ..]) => rest,
        _ => return None,
    };
    (head == base).then_some(rest)
}

/// The parent and the last component; the parent of a single component is "".
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(0) => (path.get(..1).unwrap_or_default(), path.get(1..).unwrap_or_default()),
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

/// Every ancestor of `path` below "", shortest first, without `path` itself.
pub(crate) fn ancestors<'p>(path: &'p [u8]) -> impl Iterator<Item = &'p [u8]> + use<'p> {
    path.iter().enumerate().filter(|(at, b)| *at > 0 && **b == b'/').filter_map(|(at, _)| path.get(..at))
}

/// Sorts a short list in place. The sorts of the standard library are tuned for long ones, and are most of a
/// page of code for each type.
pub(crate) fn sort_by<T>(list: &mut [T], is_before: impl Fn(&T, &T) -> bool) {
    for end in 1..list.len() {
        let mut at = end;
        while let Some([before, this]) = at.checked_sub(1).and_then(|from| list.get_mut(from..=at)) {
            if !is_before(this, before) {
                break;
            }
            core::mem::swap(before, this);
            at -= 1;
        }
    }
}
