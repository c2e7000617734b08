//! Any bytes as the beginning of a connection: decided, the same however they arrive, and the name of a ClientHello
//! is one that has no odd byte in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb_gateway::hello::{First, HELLO_BYTES_MAX, first};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Behind the head of a record, since few inputs find one.
    if let Ok(length) = u16::try_from(bytes.len()) {
        check(&[&[22, 3, 1], &length.to_be_bytes()[..], bytes].concat());
    }
});

fn check(bytes: &[u8]) {
    let bytes = bytes.get(..HELLO_BYTES_MAX).unwrap_or(bytes);
    let whole = first(bytes);
    if let First::Tls(hello) = &whole {
        let name = hello.server_name.as_deref().unwrap_or("a");
        assert!(!name.is_empty() && name.len() <= 255);
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{name:?}");
    }
    // What was decided stays decided when more comes, unless it is more of the same message.
    let half = first(&bytes[..bytes.len() / 2]);
    if !matches!(half, First::More | First::Tls(_)) {
        assert_eq!(half, whole);
    }
}
