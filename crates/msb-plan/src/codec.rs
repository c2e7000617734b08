//! Bytes to plan and back: a fixed header, then one postcard value.

use crate::wire::Reader;
use crate::{CheckedPlan, Invalid, PLAN_BYTES_MAX, Plan};
use alloc::vec::Vec;
use twox_hash::XxHash64;

/// The first four bytes of a plan file.
pub const MAGIC: [u8; 4] = *b"MSBP";
/// The format that this version writes and reads; it changes with every change of [`Plan`].
pub const FORMAT: u16 = 1;
/// Magic, format (u16), reserved zero (u16), body length (u32), [`checksum`] of the body; little endian.
pub const HEADER_BYTES: usize = 4 + 2 + 2 + 4 + CHECKSUM_BYTES;
/// Bytes of a checksum.
pub(crate) const CHECKSUM_BYTES: usize = 8;

/// Why bytes are not a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// Shorter than its header says, or than a header.
    Truncated,
    /// Longer than [`PLAN_BYTES_MAX`].
    TooLong,
    /// Does not begin with [`MAGIC`].
    NotAPlan,
    /// Written by another version of the compiler: the format found.
    OtherFormat(u16),
    /// Bytes are left over after the plan.
    Trailing,
    /// The checksum in the header is not that of the body.
    Altered,
    /// The body is not a plan, or not the one way of writing it.
    Malformed,
    /// The body is a plan that must not be applied.
    Invalid(Invalid),
}

/// Why a plan can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// It would be longer than [`PLAN_BYTES_MAX`].
    TooLong,
    /// The launcher would refuse it.
    Invalid(Invalid),
}

/// Writes `plan`. The same plan gives the same bytes everywhere.
///
/// # Errors
/// When the launcher would refuse the result.
pub fn encode(plan: &Plan<'_>) -> Result<Vec<u8>, EncodeError> {
    CheckedPlan::check(plan.clone()).map_err(EncodeError::Invalid)?;
    let body = postcard::to_allocvec(plan).map_err(|_| EncodeError::TooLong)?;
    let length = u32::try_from(body.len()).map_err(|_| EncodeError::TooLong)?;
    if body.len() + HEADER_BYTES > PLAN_BYTES_MAX {
        return Err(EncodeError::TooLong);
    }
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum(&body));
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Reads a plan and checks all of it.
///
/// # Errors
/// For any byte string that [`encode`] does not write.
pub fn decode(bytes: &[u8]) -> Result<CheckedPlan<'_>, DecodeError> {
    let body = body(bytes)?;
    let plan = Reader::read(body).ok_or(DecodeError::Malformed)?;
    CheckedPlan::check(plan).map_err(DecodeError::Invalid)
}

fn body(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    if bytes.len() > PLAN_BYTES_MAX {
        return Err(DecodeError::TooLong);
    }
    let (magic, rest) = take::<4>(bytes)?;
    if magic != MAGIC {
        return Err(DecodeError::NotAPlan);
    }
    let (format, rest) = take::<2>(rest)?;
    let format = u16::from_le_bytes(format);
    if format != FORMAT {
        return Err(DecodeError::OtherFormat(format));
    }
    let (reserved, rest) = take::<2>(rest)?;
    let (length, rest) = take::<4>(rest)?;
    let (sum, body) = take::<CHECKSUM_BYTES>(rest)?;
    let length = u32::from_le_bytes(length) as usize;
    if body.len() < length {
        return Err(DecodeError::Truncated);
    }
    if body.len() > length {
        return Err(DecodeError::Trailing);
    }
    if reserved != [0; 2] || checksum(body) != sum {
        return Err(DecodeError::Altered);
    }
    Ok(body)
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), DecodeError> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
    Ok((*head, rest))
}

/// XXH64 of `bytes`, little endian (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>): it finds damage, and
/// what somebody changed on purpose it does not (docs/adr/0003-plan-digest.md).
#[must_use]
pub fn checksum(bytes: &[u8]) -> [u8; 8] {
    XxHash64::oneshot(0, bytes).to_le_bytes()
}
