//! Any text that is a policy: formatting keeps its meaning and its comments, and twice is once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb_diag::FileId;
use msb_syntax::{Class, lexemes, parse};

/// The tree without its positions.
fn shape(text: &str) -> String {
    let debug = format!("{:?}", parse(FileId(0), text).0);
    let mut parts = debug.split("Span { file");
    let mut shape = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shape.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    shape
}

fuzz_target!(|text: &str| {
    let Ok(formatted) = msb_format::format(text) else { return };
    assert_eq!(shape(&formatted), shape(text), "another meaning");
    assert_eq!(msb_format::format(&formatted).as_ref(), Ok(&formatted), "twice");
    let comments = |text: &str| lexemes(text).iter().filter(|it| it.class == Class::Comment).count();
    assert_eq!(comments(&formatted), comments(text), "a comment was lost");
});
