//! Any bytes as requests of HTTP/1.1.

#![no_main]

mod requests;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| requests::read(hyper::Version::HTTP_11, bytes));
