//! The launcher's own memory functions, held against the standard library's.
#![allow(unsafe_code, reason = "they take pointers")]

use msb_sys::start::{compare, copy_backward, copy_forward, fill};

/// Lengths around every way that one of them has.
const LENGTHS: std::ops::Range<usize> = 0..70;

fn numbered() -> Vec<u8> {
    (0..=255).collect()
}

#[test]
fn blocks_are_copied_whole_and_nothing_beside_them() {
    for length in LENGTHS {
        for offset in 0..9 {
            let (from, mut to) = (numbered(), vec![0xee; 256]);
            // SAFETY: both vectors are longer than `offset + length`, and do not overlap.
            unsafe {
                copy_forward(to.as_mut_ptr().wrapping_add(offset), from.as_ptr().wrapping_add(1), length);
            };
            let mut expected = vec![0xee; 256];
            expected[offset..offset + length].copy_from_slice(&from[1..=length]);
            assert_eq!(to, expected, "{length} bytes at {offset}");
        }
    }
}

#[test]
fn blocks_that_overlap_are_copied_towards_the_free_end() {
    for length in LENGTHS {
        for by in 1..20 {
            let (mut down, mut up) = (numbered(), numbered());
            let (mut down_expected, mut up_expected) = (numbered(), numbered());
            down_expected.copy_within(by..by + length, 0);
            up_expected.copy_within(0..length, by);
            let start = down.as_mut_ptr();
            // SAFETY: both blocks lie in one vector of 256 bytes, and the target begins before the source.
            unsafe { copy_forward(start, start.wrapping_add(by), length) };
            let start = up.as_mut_ptr();
            // SAFETY: both blocks lie in one vector of 256 bytes.
            unsafe { copy_backward(start.wrapping_add(by), start, length) };
            assert_eq!((down, up), (down_expected, up_expected), "{length} bytes by {by}");
        }
    }
}

#[test]
fn the_first_difference_decides() {
    for length in LENGTHS {
        for at in 0..length {
            let (a, mut b) = (numbered(), numbered());
            b[at] ^= 0x80;
            b[at + 1..].fill(0);
            // SAFETY: both vectors are longer than `length`.
            let order = unsafe { compare(a.as_ptr(), b.as_ptr(), length) };
            assert_eq!(order.cmp(&0), a[..length].cmp(&b[..length]), "{length} bytes, different at {at}");
        }
        let (a, b) = (numbered(), numbered());
        // SAFETY: as before.
        assert_eq!(unsafe { compare(a.as_ptr(), b.as_ptr(), length) }, 0, "{length} bytes");
    }
}

#[test]
fn blocks_are_filled_whole_and_nothing_beside_them() {
    for length in LENGTHS {
        let mut block = vec![1; 100];
        // SAFETY: the vector is longer than that.
        unsafe { fill(block.as_mut_ptr().wrapping_add(3), 7, length) };
        let filled = block
            .iter()
            .enumerate()
            .all(|(at, byte)| *byte == if (3..3 + length).contains(&at) { 7 } else { 1 });
        assert!(filled, "{length} bytes");
    }
}
