//! Any bytes behind the preface of HTTP/2 and, as few inputs make one, as frames with their right lengths, on a few
//! streams, in any order: settings, headers in pieces, resets, and whatever else there is.

#![no_main]

mod requests;

use libfuzzer_sys::fuzz_target;

/// The client's preface and empty settings (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A request for the rule's host in HPACK, without compression (RFC 7541, 6.2.2).
const REQUEST: &[u8] = b"\x82\x86\x84\x01\x09a.example";

fuzz_target!(|bytes: &[u8]| {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let rest = if how % 2 == 0 { bytes.to_vec() } else { frames(bytes) };
    requests::read(hyper::Version::HTTP_2, &[PREFACE, &rest].concat());
});

/// Frames of four bytes each (type, flags, stream, length) and as much of what follows.
fn frames(mut bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let [kind, flags, stream, length, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        // What begins like a request is a whole one.
        let payload = if payload.first() == Some(&0x82) { [REQUEST, payload].concat() } else { payload.to_vec() };
        let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
        all.extend_from_slice(&length[1..]);
        all.extend_from_slice(&[kind % 10, *flags, 0, 0, 0, stream % 8]);
        all.extend_from_slice(&payload);
    }
    all
}
