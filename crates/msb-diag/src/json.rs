//! Diagnostics as JSON, for editors and continuous integration.

use crate::{Diagnostic, Sources, Span, sort};
use serde_json::{Value, json};

/// `found` as an array, in the order and without the repetitions of [`sort`].
///
/// Each element has `code`, `severity` (`error`, `warning`, `hint`), `message`, `file`, `line`,
/// `column`, `end` (`line`, `column`), `labels`, `help` and `fix`; lines and columns count from 1 and
/// columns are in characters. `file`, `line`, `column` and `end` are null for a finding without a
/// place, `help` and `fix` where there is none.
#[must_use]
pub fn to_json(found: &[Diagnostic], sources: &Sources) -> Value {
    let mut found = found.to_vec();
    sort(&mut found);
    found.iter().map(|diagnostic| one(diagnostic, sources)).collect()
}

fn one(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let mut object = diagnostic.span().map_or_else(
        || json!({"file": null, "line": null, "column": null, "end": null}),
        |s| place(s, sources),
    );
    object["code"] = json!(diagnostic.code.to_string());
    object["severity"] = json!(diagnostic.severity.word());
    object["message"] = json!(diagnostic.message);
    object["help"] = json!(diagnostic.help);
    let labels = diagnostic.labels.iter().map(|label| {
        let mut object = place(label.span, sources);
        object["text"] = json!(label.text);
        object
    });
    object["labels"] = labels.collect();
    object["fix"] = diagnostic.fix.as_ref().map_or(Value::Null, |fix| {
        let edits = fix.edits.iter().map(|edit| {
            let mut object = place(edit.span, sources);
            object["text"] = json!(edit.text);
            object
        });
        edits.collect()
    });
    object
}

/// File, line, column and end of `span`; all null where the file is not known.
fn place(span: Span, sources: &Sources) -> Value {
    let Some(file) = sources.get(span.file) else {
        return json!({"file": null, "line": null, "column": null, "end": null});
    };
    let (start, end) = file.clamp(span);
    let (line, column) = file.position(start);
    let (end_line, end_column) = file.position(end);
    json!({
        "file": file.name,
        "line": line,
        "column": column,
        "end": {"line": end_line, "column": end_column},
    })
}
