//! Any text as a host: one form, which is its own form, and no address in an odd spelling.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb_host::{Host, parse};

fuzz_target!(|text: &str| {
    let Ok(host) = parse(text) else { return };
    assert_eq!(parse(&host.to_string().replace(['[', ']'], "")).as_ref(), Ok(&host), "{text:?}");
    if let Host::Name(name) = &host {
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
        );
        assert!(!name.ends_with('.') && name.len() <= 253, "{name:?}");
        let last = name.rsplit('.').next().unwrap_or_default();
        assert!(!last.bytes().all(|byte| byte.is_ascii_digit()), "{name:?}");
    }
});
