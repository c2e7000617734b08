//! Bytes to plan and back: a fixed header, then one postcard value.

use crate::{CheckedPlan, Invalid, PLAN_BYTES_MAX, Plan};
use alloc::vec::Vec;
use postcard::ser_flavors::Flavor;
use sha2::{Digest, Sha256};

/// The first four bytes of a plan file.
pub const MAGIC: [u8; 4] = *b"MSBP";
/// The format that this version writes and reads; it changes with every change of [`Plan`].
pub const FORMAT: u16 = 1;
/// Magic, format (u16), reserved zero (u16), body length (u32), SHA-256 of the body; little endian.
pub const HEADER_BYTES: usize = 4 + 2 + 2 + 4 + 32;

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
    /// The digest in the header is not that of the body.
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
    bytes.extend_from_slice(&digest(&body));
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Reads a plan and checks all of it.
///
/// # Errors
/// For any byte string that [`encode`] does not write.
pub fn decode(bytes: &[u8]) -> Result<CheckedPlan<'_>, DecodeError> {
    let body = body(bytes)?;
    let (plan, rest) = postcard::take_from_bytes::<Plan<'_>>(body).map_err(|_| DecodeError::Malformed)?;
    if !rest.is_empty() || !is_canonical(&plan, body) {
        return Err(DecodeError::Malformed);
    }
    CheckedPlan::check(plan).map_err(DecodeError::Invalid)
}

/// Whether `body` is what [`encode`] would write for `plan`.
///
/// postcard reads integers that are longer than they need be, so that several byte strings give one plan; a
/// digest or signature of the file would then not be one of the plan. The plan is written again and
/// compared on the way: nothing is allocated, and a plan is mostly strings and one filter, each of them
/// one comparison of memory.
fn is_canonical(plan: &Plan<'_>, body: &[u8]) -> bool {
    postcard::serialize_with_flavor(plan, Compare { left: body }).is_ok()
}

/// Takes what is written and compares it with what is `left`, which must then be all used up.
struct Compare<'a> {
    left: &'a [u8],
}

impl Flavor for Compare<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.left = self.left.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        if self.left.is_empty() { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }
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
    let (sha256, body) = take::<32>(rest)?;
    let length = u32::from_le_bytes(length) as usize;
    if body.len() < length {
        return Err(DecodeError::Truncated);
    }
    if body.len() > length {
        return Err(DecodeError::Trailing);
    }
    if reserved != [0; 2] || digest(body) != sha256 {
        return Err(DecodeError::Altered);
    }
    Ok(body)
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), DecodeError> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
    Ok((*head, rest))
}

/// SHA-256 of `bytes` (FIPS 180-4).
#[must_use]
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
