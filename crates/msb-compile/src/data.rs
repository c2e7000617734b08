//! Findings about policies that are data: what they say to write, and to replace, fits YAML and JSON.

use msb_data::Form;
use msb_diag::{Diagnostic, Edit, Fix, Sources};

/// Brings the findings about files of data into their words, and drops edits after which a file is no data any more.
pub(crate) fn worded(found: &mut [Diagnostic], sources: &Sources) {
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
        one.fix = one.fix.take().filter(|fix| fits(fix, form, &file.text));
    }
}

/// Longest file whose edits are tried: each costs two readings of it.
const TRIED_BYTES_MAX: usize = 64 << 10;

/// Whether the file can be read after `fix`, as far as it could be before.
fn fits(fix: &Fix, form: Form, text: &str) -> bool {
    let [Edit { span, .. }, ..] = fix.edits.as_slice() else { return false };
    let read = |text: &str| {
        let (_, found) = msb_data::parse(form, span.file, text);
        found.iter().filter(|it| it.is_error()).count()
    };
    if text.len() > TRIED_BYTES_MAX {
        return false;
    }
    let (repaired, made) = msb_diag::apply(text, span.file, [fix]);
    !made.is_empty() && read(&repaired) <= read(text)
}
