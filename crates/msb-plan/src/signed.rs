//! Signatures of plans and files of keys: bytes alone, the mathematics is elsewhere.
//!
//! A signed plan is the plan and 76 bytes after it: an Ed25519 signature (RFC 8032) of all bytes of the plan, the first
//! eight bytes of the key, and a mark. What is signed begins with [`crate::MAGIC`], so that no signature for another
//! purpose fits. A file of keys is one key or several, one after the other: `cat a.pub b.pub` makes one of two.

use crate::HEADER_BYTES;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes of an Ed25519 public key, and of the seed of a secret one.
pub const KEY_BYTES: usize = 32;
/// Bytes of a key that say which it is.
pub const KEY_ID_BYTES: usize = 8;
/// What a public key begins with in a file.
pub const PUBLIC_MAGIC: [u8; 8] = *b"MSBPUB1\n";
/// What a secret key begins with in a file.
pub const SECRET_MAGIC: [u8; 8] = *b"MSBSEC1\n";
/// Keys that a launcher trusts at most.
pub const TRUSTED_KEYS_MAX: usize = 64;
/// The last bytes of a signed plan.
const MARK: [u8; 4] = *b"MSBS";
/// Signature, key id and mark.
const TRAILER_BYTES: usize = SIGNATURE_BYTES + KEY_ID_BYTES + 4;

/// A signature as it stands after a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The first bytes of the key that made it.
    pub key_id: &'a [u8; KEY_ID_BYTES],
    /// Itself.
    pub bytes: &'a [u8; SIGNATURE_BYTES],
}

/// The plan's own bytes, and the signature that follows them. What is not a plan followed by exactly one signature is
/// given back whole, for [`crate::decode`] to refuse what it must.
#[must_use]
pub fn split(bytes: &[u8]) -> (&[u8], Option<Signature<'_>>) {
    let signed = || {
        // The length of the body stands at byte 8 of the header: `codec`.
        let length = bytes.get(8..12)?.first_chunk::<4>()?;
        let end = HEADER_BYTES.checked_add(u32::from_le_bytes(*length) as usize)?;
        let (plan, trailer) = bytes.split_at_checked(end)?;
        let (signature, rest) = trailer.split_first_chunk::<SIGNATURE_BYTES>()?;
        let (key_id, mark) = rest.split_first_chunk::<KEY_ID_BYTES>()?;
        (mark == MARK).then_some((plan, Signature { key_id, bytes: signature }))
    };
    match signed() {
        Some((plan, signature)) => (plan, Some(signature)),
        None => (bytes, None),
    }
}

/// What follows a plan that `key` signed.
#[must_use]
pub fn trailer(signature: &[u8; SIGNATURE_BYTES], key: &[u8; KEY_BYTES]) -> [u8; TRAILER_BYTES] {
    let mut trailer = [0; TRAILER_BYTES];
    let (to_signature, rest) = trailer.split_at_mut(SIGNATURE_BYTES);
    let (to_id, to_mark) = rest.split_at_mut(KEY_ID_BYTES);
    to_signature.copy_from_slice(signature);
    to_id.copy_from_slice(key_id(key));
    to_mark.copy_from_slice(&MARK);
    trailer
}

/// The bytes of a key that say which it is.
#[must_use]
pub fn key_id(key: &[u8; KEY_BYTES]) -> &[u8] {
    key.get(..KEY_ID_BYTES).unwrap_or_default()
}

/// The public keys of a file; `None` when it holds anything else, none, or more than [`TRUSTED_KEYS_MAX`].
#[must_use]
pub fn public_keys(file: &[u8]) -> Option<impl Iterator<Item = &[u8; KEY_BYTES]>> {
    const ENTRY: usize = PUBLIC_MAGIC.len() + KEY_BYTES;
    let (entries, rest) = file.as_chunks::<ENTRY>();
    let whole = rest.is_empty() && (1..=TRUSTED_KEYS_MAX).contains(&entries.len());
    let keys =
        || entries.iter().filter_map(|entry| entry.strip_prefix(&PUBLIC_MAGIC)?.first_chunk::<KEY_BYTES>());
    (whole && keys().count() == entries.len()).then(keys)
}

/// The seed of a file with a secret key.
#[must_use]
pub fn secret_key(file: &[u8]) -> Option<&[u8; KEY_BYTES]> {
    let (seed, rest) = file.strip_prefix(&SECRET_MAGIC)?.split_first_chunk::<KEY_BYTES>()?;
    rest.is_empty().then_some(seed)
}
