//! Any text as a host: one form, which is its own form, no address in an odd spelling, and never another host than
//! what browsers and clients make of the same text (the WHATWG URL standard, by the `url` crate).

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb_host::{Host, parse};
use url::Host as Oracle;

fuzz_target!(|text: &str| {
    let Ok(host) = parse(text) else { return };
    assert_eq!(parse(&host.to_string().replace(['[', ']'], "")).as_ref(), Ok(&host), "{text:?}");
    let oracle = match &host {
        // The standard has IPv6 in brackets.
        Host::Address(network) if network.first().is_ipv6() => Oracle::parse(&format!("[{text}]")),
        Host::Address(_) | Host::Name(_) => Oracle::parse(text),
        Host::Below(_) => Oracle::parse(text.trim_start_matches("*.")),
    };
    match (&host, oracle) {
        (Host::Name(name) | Host::Below(name), Ok(Oracle::Domain(domain))) => {
            assert_eq!(domain.strip_suffix('.').unwrap_or(&domain), name, "{text:?}");
        }
        (Host::Address(network), Ok(Oracle::Ipv4(address))) => assert_eq!(network.first(), address, "{text:?}"),
        (Host::Address(network), Ok(Oracle::Ipv6(address))) => {
            assert_eq!(network.first(), address.to_canonical(), "{text:?}");
        }
        (_, other) => panic!("{text:?} is {host} and {other:?}"),
    }
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
