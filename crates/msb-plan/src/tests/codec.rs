//! Bytes that are a plan, and bytes that are not.

use super::sample;
use crate::{DecodeError, EncodeError, FORMAT, HEADER_BYTES, Invalid, MAGIC, PLAN_BYTES_MAX};
use crate::{checksum, decode, encode};
use alloc::{vec, vec::Vec};

/// A header for any body, with the right length and checksum.
fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let sum = checksum(body);
    [&MAGIC[..], &FORMAT.to_le_bytes(), &[0; 2], &length, &sum, body].concat()
}

#[test]
fn checksum_is_xxh64() {
    // As `xxhsum -H1` gives them, seed 0.
    assert_eq!(checksum(b""), 0xef46_db37_51d8_e999_u64.to_le_bytes());
    assert_eq!(checksum(b"abc"), 0x44bc_2cf5_ad77_0999_u64.to_le_bytes());
}

#[test]
fn sample_survives_encode_and_decode() {
    let bytes = encode(&sample::plan()).unwrap();
    assert_eq!(decode(&bytes).unwrap().plan(), &sample::plan());
}

#[test]
fn header_is_as_documented() {
    let bytes = encode(&sample::plan()).unwrap();
    assert_eq!(bytes[..4], *b"MSBP");
    assert_eq!(bytes, frame(&bytes[HEADER_BYTES..]));
}

/// The format changes only together with [`FORMAT`]: an older launcher would misread a newer plan. Before
/// the first release the number stays, and a change of [`crate::Plan`] shows here.
#[test]
fn format_1_has_these_bytes() {
    let bytes = encode(&sample::plan()).unwrap();
    let found = (FORMAT, bytes.len(), checksum(&bytes));
    assert_eq!(found, (1, 1015, [158, 14, 128, 255, 255, 98, 229, 82]));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = encode(&sample::plan()).unwrap();
    for length in 0..bytes.len() {
        assert_eq!(decode(&bytes[..length]), Err(DecodeError::Truncated), "{length} bytes");
    }
}

/// The checksum does not hide it: a body that ends early is malformed.
#[test]
fn every_truncated_body_with_a_right_header_is_malformed() {
    let bytes = encode(&sample::plan()).unwrap();
    let body = &bytes[HEADER_BYTES..];
    for length in 0..body.len() {
        assert_eq!(decode(&frame(&body[..length])), Err(DecodeError::Malformed), "{length} bytes");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = encode(&sample::plan()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0..4 => [DecodeError::NotAPlan; 2],
            4..6 => [DecodeError::OtherFormat(FORMAT ^ (1 << (bit - 32))); 2],
            8..12 => [DecodeError::Truncated, DecodeError::Trailing],
            _ => [DecodeError::Altered; 2],
        };
        let error = decode(&flipped).expect_err("a flipped bit");
        assert!(expected.contains(&error), "bit {bit}: {error:?}");
    }
}

/// Flips that come with a new checksum give another plan or none, and never two encodings of one.
#[test]
fn every_flipped_bit_with_a_right_checksum_is_another_plan_or_none() {
    let bytes = encode(&sample::plan()).unwrap();
    let body = &bytes[HEADER_BYTES..];
    for bit in 0..body.len() * 8 {
        let mut flipped = body.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let framed = frame(&flipped);
        if let Ok(checked) = decode(&framed) {
            assert_ne!(checked.plan(), &sample::plan(), "bit {bit}");
            assert_eq!(encode(checked.plan()).as_deref(), Ok(&framed[..]), "bit {bit}");
        }
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let mut bytes = encode(&sample::plan()).unwrap();
    bytes.push(0);
    assert_eq!(decode(&bytes), Err(DecodeError::Trailing));
}

#[test]
fn bytes_after_the_plan_in_its_body_are_refused() {
    let bytes = encode(&sample::plan()).unwrap();
    let body = [&bytes[HEADER_BYTES..], &[0]].concat();
    assert_eq!(decode(&frame(&body)), Err(DecodeError::Malformed));
}

#[test]
fn other_formats_are_named() {
    let mut bytes = encode(&sample::plan()).unwrap();
    for other in [0, FORMAT + 1, u16::MAX] {
        bytes[4..6].copy_from_slice(&other.to_le_bytes());
        assert_eq!(decode(&bytes), Err(DecodeError::OtherFormat(other)));
    }
}

#[test]
fn reserved_bytes_must_be_zero() {
    for at in 6..8 {
        let mut bytes = encode(&sample::plan()).unwrap();
        bytes[at] = 1;
        assert_eq!(decode(&bytes), Err(DecodeError::Altered));
    }
}

#[test]
fn other_files_are_not_plans() {
    assert_eq!(decode(b""), Err(DecodeError::Truncated));
    assert_eq!(decode(b"MSB"), Err(DecodeError::Truncated));
    assert_eq!(decode(b"\x7fELF\x02\x01\x01"), Err(DecodeError::NotAPlan));
    assert_eq!(decode(b"edition 2026\n"), Err(DecodeError::NotAPlan));
    assert_eq!(decode(&vec![0; PLAN_BYTES_MAX + 1]), Err(DecodeError::TooLong));
}

/// Integers and lengths could be written with a needless last byte of 0, as postcard itself reads them: then a plan had
/// several encodings.
#[test]
fn overlong_integers_are_refused() {
    let bytes = encode(&sample::plan()).unwrap();
    let body = &bytes[HEADER_BYTES..];
    let mut refused = 0;
    for at in 0..body.len() {
        let mut overlong = body.to_vec();
        overlong[at] |= 0x80;
        overlong.insert(at + 1, 0);
        let framed = frame(&overlong);
        match decode(&framed) {
            Ok(other) => assert_eq!(encode(other.plan()).as_ref(), Ok(&framed), "byte {at}"),
            Err(error) => refused += u32::from(error == DecodeError::Malformed),
        }
    }
    assert!(refused > 50, "only {refused} overlong encodings were refused");
}

#[test]
fn strings_that_are_not_utf8_are_refused() {
    let bytes = encode(&sample::plan()).unwrap();
    let mut body = bytes[HEADER_BYTES..].to_vec();
    let name = body.windows(5).position(|window| window == b"agent").unwrap();
    body[name] = 0xff;
    assert_eq!(decode(&frame(&body)), Err(DecodeError::Malformed));
}

#[test]
fn lengths_past_the_end_are_refused_without_allocating_them() {
    // kernel_min, Landlock's version, its origin, name "", edition, digest, origin, then 2⁶⁴−1 parameters.
    let body = [&[5, 12, 0, 0, 0, 0][..], &[0; 32], &[0], &[0xff; 9], &[1]].concat();
    assert_eq!(decode(&frame(&body)), Err(DecodeError::Malformed));
}

#[test]
fn invalid_plans_are_neither_written_nor_read() {
    let mut plan = sample::plan();
    plan.identity.uid = 0;
    assert_eq!(encode(&plan), Err(EncodeError::Invalid(Invalid::Identity)));
    let body = postcard::to_allocvec(&plan).unwrap();
    assert_eq!(decode(&frame(&body)), Err(DecodeError::Invalid(Invalid::Identity)));
}

#[test]
fn plans_that_are_too_long_are_not_written() {
    let content = vec![b'x'; crate::TEXT_BYTES_MAX];
    let words = vec![core::str::from_utf8(&content).unwrap(); crate::COMMAND_MAX];
    let plan = crate::Plan { command: words, ..sample::plan() };
    assert_eq!(encode(&plan), Err(EncodeError::TooLong));
}
