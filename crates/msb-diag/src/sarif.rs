//! Diagnostics as SARIF 2.1.0, the form in which code hosts take findings.

use crate::codes::TABLE;
use crate::{Diagnostic, Fix, Severity, SourceFile, Sources, Span, sort};
use serde_json::{Value, json};

/// The format's own description (OASIS, SARIF 2.1.0 with errata 01).
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Where the pages of codes can be read.
const PAGES: &str = "https://github.com/microsandbox/microsandbox/blob/main/policy-lang/errors";

/// `found` as a SARIF log with one run, in the order and without the repetitions of [`sort`].
///
/// `version` is that of the program that found them. Each code that was given is a rule, with its title
/// and the address of its page; labels besides the first are related locations, fixes are SARIF's fixes. Columns are in
/// characters. Names of files are taken as relative references, absolute ones as `file:` addresses.
#[must_use]
pub fn to_sarif(found: &[Diagnostic], sources: &Sources, version: &str) -> Value {
    let mut found = found.to_vec();
    sort(&mut found);
    let rows: Vec<_> = TABLE.iter().filter(|row| found.iter().any(|it| it.code == row.code)).collect();
    let rules = rows.iter().map(|row| {
        json!({
            "id": row.code.to_string(),
            "shortDescription": {"text": row.title},
            "helpUri": format!("{PAGES}/{}.md", row.code),
            "defaultConfiguration": {"level": level(row.severity)},
        })
    });
    let results = found.iter().map(|one| {
        let mut result = result(one, sources);
        if let Some(index) = rows.iter().position(|row| row.code == one.code) {
            result["ruleIndex"] = json!(index);
        }
        result
    });
    let driver = json!({
        "name": "msbc",
        "version": version,
        "informationUri": "https://github.com/microsandbox/microsandbox",
        "rules": rules.collect::<Vec<_>>(),
    });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    }
}

fn result(one: &Diagnostic, sources: &Sources) -> Value {
    let mut text = one.message.clone();
    if let Some(help) = &one.help {
        text.push_str("; ");
        text.push_str(help);
    }
    let mut result = json!({
        "ruleId": one.code.to_string(),
        "level": level(one.severity),
        "message": {"text": text},
    });
    let mut locations = one.labels.iter().filter_map(|label| {
        let mut location = json!({"physicalLocation": location(label.span, sources)?});
        if !label.text.is_empty() {
            location["message"] = json!({"text": label.text});
        }
        Some(location)
    });
    if let Some(first) = locations.next() {
        result["locations"] = json!([first]);
    }
    let related: Vec<Value> = locations.collect();
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    if let Some(fix) = one.fix.as_ref().and_then(|fix| fixes(fix, one.help.as_deref(), sources)) {
        result["fixes"] = fix;
    }
    result
}

fn location(span: Span, sources: &Sources) -> Option<Value> {
    let file = sources.get(span.file)?;
    Some(json!({"artifactLocation": {"uri": uri(&file.name)}, "region": region(file, span)}))
}

fn region(file: &SourceFile, span: Span) -> Value {
    let (start, end) = file.clamp(span);
    let ((line, column), (end_line, end_column)) = (file.position(start), file.position(end));
    json!({"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column})
}

fn fixes(fix: &Fix, help: Option<&str>, sources: &Sources) -> Option<Value> {
    let first = fix.edits.first()?.span.file;
    let file = sources.get(first)?;
    // A fix of several files would be several changes; there is none.
    let edits = fix.edits.iter().filter(|edit| edit.span.file == first);
    let replacements = edits.map(
        |edit| json!({"deletedRegion": region(file, edit.span), "insertedContent": {"text": edit.text}}),
    );
    Some(json!([{
        "description": {"text": help.unwrap_or("repair it")},
        "artifactChanges": [{
            "artifactLocation": {"uri": uri(&file.name)},
            "replacements": replacements.collect::<Vec<_>>(),
        }],
    }]))
}

/// A file's name as a URI reference (RFC 3986).
fn uri(name: &str) -> String {
    let mut uri = String::from(if name.starts_with('/') { "file://" } else { "" });
    for byte in name.trim_start_matches("./").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
