//! Any text as YAML and as JSON: the readers answer, spans fit, and what they understood can be written in
//! every form and read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb_data::{Form, json_of, parse, text_of, yaml_of};
use msb_diag::{FileId, has_errors};

fuzz_target!(|text: &str| {
    for form in [Form::Yaml, Form::Json] {
        let (tree, found) = parse(form, FileId(0), text);
        for one in &found {
            let edits = one.fix.iter().flat_map(|fix| fix.edits.iter().map(|edit| edit.span));
            for span in one.labels.iter().map(|label| label.span).chain(edits) {
                assert!(text.get(span.start as usize..span.end as usize).is_some(), "{one:?}");
            }
        }
        if has_errors(&found) {
            continue;
        }
        let written = text_of(&tree);
        let (again, found) = parse(Form::Msb, FileId(0), &written);
        assert!(!has_errors(&found), "{written}");
        assert_eq!(text_of(&again), written);
        if let (Ok(json), Ok(yaml)) = (json_of(&tree), yaml_of(&tree)) {
            assert_eq!(json_of(&parse(Form::Json, FileId(0), &json).0).as_ref(), Ok(&json));
            assert_eq!(json_of(&parse(Form::Yaml, FileId(0), &yaml).0).as_ref(), Ok(&json));
        }
    }
});
