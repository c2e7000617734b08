//! No byte string panics the plan's decoder, and what it takes has one encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb_plan::{FORMAT, MAGIC, checksum, decode, encode};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Behind a header that fits, since no fuzzer finds a checksum.
    let Ok(length) = u32::try_from(bytes.len()) else { return };
    let header = [&MAGIC[..], &FORMAT.to_le_bytes(), &[0; 2], &length.to_le_bytes(), &checksum(bytes)];
    check(&[&header.concat()[..], bytes].concat());
    let mut rest = bytes;
    while let Some((_, left)) = msb_plan::event::decode_event(rest) {
        assert!(left.len() < rest.len());
        rest = left;
    }
});

fn check(bytes: &[u8]) {
    if let Ok(checked) = decode(bytes) {
        assert_eq!(encode(checked.plan()).as_deref(), Ok(bytes));
    }
}
