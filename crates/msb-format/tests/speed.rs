//! As much of anything as a file may hold is formatted in time that grows with its length and not faster.

use msb_format::format;
use msb_syntax::{FILE_BYTES_MAX, TOKENS_MAX};
use std::time::{Duration, Instant};

/// Far above what it needs without optimisation (about a second), far below what it would take
/// in quadratic time (hours).
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_megabyte_is_formatted_soon() {
    // A quarter, where indentation makes a megabyte of it; comments are no tokens, and no unit has more than six.
    let most = |unit: &str| if unit == "#\n" { FILE_BYTES_MAX } else { TOKENS_MAX / 6 - 10 };
    let repeat = |unit: &str| unit.repeat(((FILE_BYTES_MAX / 4) / unit.len()).min(most(unit)));
    for (head, unit, tail) in [
        ("edition 2026\n", "#\n", ""),
        ("edition 2026\n", "##\n", "policy p {}"),
        ("edition 2026\n", "policy p{}", ""),
        ("edition 2026\npolicy p { fs {\n", "read   /a at /b # c\n", "} }"),
        ("edition 2026\npolicy p { fs {\n", "read /a ", "} }"),
        ("edition 2026\npolicy p { fs { read /a", ",/b", "} }"),
        ("edition 2026\npolicy p { fs { read /a", ",\n/b", "} }"),
        ("edition 2026\npolicy p { limits {\n", "a 1   ", "} }"),
        ("edition 2026\npolicy p { syscalls { allow {a", ",\nb", "} } }"),
        ("edition 2026\npolicy p { syscalls { allow read where fd == 1", " or\n fd == 1", "} }"),
        ("edition 2026\npolicy p { include a(b: [1", ",\n1", "]) }"),
    ] {
        let text = format!("{head}{}{tail}", repeat(unit));
        let begin = Instant::now();
        let formatted = format(&text)
            .unwrap_or_else(|found| panic!("{unit:?}: {:?}", found.first().map(|it| &it.message)));
        assert!(begin.elapsed() < SOON, "{:?} for {unit:?}", begin.elapsed());
        assert!(formatted.len() >= unit.len());
    }
}

#[test]
fn what_would_become_too_long_stays() {
    let policy = |length: usize| format!("policy p{{env{{set A=\"{}\"}}}}", "x".repeat(length));
    let policies = TOKENS_MAX / 11 - 10;
    let length = (FILE_BYTES_MAX - 100) / policies - policy(0).len();
    let text = format!("edition 2026\n{}", policy(length).repeat(policies));
    assert!(format(&text).is_ok_and(|formatted| formatted == text));
}
