//! Any bytes as a policy: the parser answers, its spans fit the text, and what it says can be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb_diag::{Sources, Style, render, to_json};

fuzz_target!(|bytes: &[u8]| {
    let mut sources = Sources::default();
    let id = sources.add("a.msb", String::from_utf8_lossy(bytes));
    let (file, found) = msb_syntax::parse_bytes(id, bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        for one in &found {
            let edits = one.fix.iter().flat_map(|fix| fix.edits.iter().map(|edit| edit.span));
            for span in one.labels.iter().map(|label| label.span).chain(edits) {
                assert!(text.get(span.start as usize..span.end as usize).is_some(), "{one:?}");
            }
        }
    }
    assert!(found.len() <= 301, "100 errors of the lexer, of the parser, 100 warnings and the last word");
    assert!(found.iter().all(|one| one.help.is_some() && !one.labels.is_empty()));
    assert!(file.edition.is_some() || msb_diag::has_errors(&found), "no edition and no error");
    let shown = render(&found, &sources, Style::default());
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\0']), "{shown}");
    assert_eq!(to_json(&found, &sources).as_array().map(Vec::len), Some(found.len()));
});
