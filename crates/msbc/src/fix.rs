//! fix: what has one plain repair is repaired.

use crate::cli::Fix;
use crate::compile::{findings, summary};
use crate::input::{Disk, STDIN};
use crate::output::Output;
use crate::{Exit, write};
use msb_compile::{Fixed, Options};
use msb_diag::{Diagnostic, Sources, codes};

/// `msbc fix`: says what it repaired and what is left, in this order.
pub(crate) fn fix(arguments: &Fix, output: &mut Output) -> Exit {
    let policy = &arguments.policy;
    let Some(path) = policy.file.to_str() else {
        output.message(&format!("the path `{}` is not UTF-8: rename the file", policy.file.display()));
        return Exit::Usage;
    };
    let options = Options { policy: policy.name.clone(), ..Options::default() };
    // What came by standard input goes on by standard output.
    let printed = arguments.dry_run || path == STDIN;
    let Fixed { text, made, left } = msb_compile::fix(&Disk, path, &options);
    if let Some(text) = text.as_ref().filter(|_| !printed)
        && let Err(reason) = write::in_place(&policy.file, text.as_bytes())
    {
        output.message(&format!("cannot write `{path}`: {reason}"));
        return Exit::Usage;
    }
    // What is no text cannot go on as one.
    let text = !left.diagnostics.iter().any(|found| found.code == codes::NOT_TEXT);
    if printed && !policy.json && text {
        let file = left.sources.get(msb_diag::FileId::default());
        output.answer(file.map_or("", |file| file.text.as_str()));
    }
    if policy.json {
        output.json(&msb_diag::to_json(&left.diagnostics, &left.sources));
    } else {
        for (found, sources) in &made {
            output.message(&told(found, sources));
        }
        findings(&left.diagnostics, &left.sources, output);
        summary(&left.diagnostics, output);
    }
    if msb_diag::has_errors(&left.diagnostics) { Exit::Wrong } else { Exit::Success }
}

/// `agent.msb:4:19: repaired MSB0003: `512` has no unit; wrote `512MiB``
fn told(found: &Diagnostic, sources: &Sources) -> String {
    let place = found.span().and_then(|span| {
        let (line, column, _) = sources.line_column(span)?;
        Some(format!("{}:{line}:{column}: ", sources.get(span.file)?.name))
    });
    let edits = found.fix.iter().flat_map(|fix| &fix.edits);
    let written = edits.map(|edit| match edit.text.trim() {
        "" => format!("removed `{}`", sources.text(edit.span)),
        text => format!("wrote `{text}`"),
    });
    // A name that is repaired is repaired wherever it stands.
    let written = written.fold(Vec::new(), |mut written, edit| {
        if !written.contains(&edit) {
            written.push(edit);
        }
        written
    });
    let place = place.unwrap_or_default();
    format!("{place}repaired {}: {}; {}", found.code, found.message, written.join(", "))
}
