//! Findings about policies that are data: what they say to write, and to replace, fits YAML and JSON.

use msb_data::Form;
use msb_diag::{Diagnostic, Edit, FileId, Fix, Sources};
use std::collections::BTreeMap;

/// Brings the findings about files of data into their words, and drops edits after which a file is no data any more.
pub(crate) fn worded(found: &mut [Diagnostic], sources: &Sources) {
    let mut tries = Tries { left_bytes: TRIED_BYTES_MAX, errors: BTreeMap::new() };
    for one in found {
        let Some(file) = one.span().and_then(|span| sources.get(span.file)) else { continue };
        let form = Form::of(&file.name);
        if form == Form::Msb {
            continue;
        }
        // What is read from the data, and from texts in it, is said in its words already.
        if one.code.0 >= 100 {
            one.help = one.help.take().map(|help| msb_data::said(form, &help));
        }
        one.fix = one.fix.take().filter(|fix| tries.fits(fix, form, &file.text));
    }
}

/// Bytes that are read again, to try edits, of all files together: some dozens of the longest file, and of others all
/// that anybody looks at. Later edits are not offered.
const TRIED_BYTES_MAX: usize = 16 << 20;

struct Tries {
    left_bytes: usize,
    /// The errors of each file as it is.
    errors: BTreeMap<FileId, usize>,
}

impl Tries {
    /// Whether the file can be read after `fix`, as far as it could be before.
    fn fits(&mut self, fix: &Fix, form: Form, text: &str) -> bool {
        let [Edit { span, .. }, ..] = fix.edits.as_slice() else { return false };
        let Some(left) = self.left_bytes.checked_sub(text.len()) else { return false };
        self.left_bytes = left;
        let read = |text: &str| {
            let (_, found) = msb_data::parse(form, span.file, text);
            found.iter().filter(|it| it.is_error()).count()
        };
        let before = *self.errors.entry(span.file).or_insert_with(|| read(text));
        let (repaired, made) = msb_diag::apply(text, span.file, [fix]);
        !made.is_empty() && read(&repaired) <= before
    }
}
