//! Answers as the protocol's objects.

use crate::complete::complete;
use crate::hover::hover;
use crate::names::{self, Declared};
use crate::place::Places;
use crate::{Host, place};
use msb_compile::{Checked, Files};
use msb_data::Form;
use msb_diag::{Diagnostic, FileId, Severity, SourceFile, codes};
use msb_syntax::ast::{File, Import, Item, StmtKind};
use msb_syntax::{Class, lexemes};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};

/// A text in the editor.
pub(crate) struct Open<'a> {
    pub(crate) uri: &'a str,
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    pub(crate) tree: &'a File,
    pub(crate) places: Places<'a>,
}

impl Open<'_> {
    fn range(&self, span: msb_diag::Span) -> Value {
        self.places.range(span.start as usize, span.end as usize)
    }

    fn is_language(&self) -> bool {
        Form::of(self.path) == Form::Msb
    }
}

/// The findings about this file in the order of their places; what several policies have in common is told once.
pub(crate) fn diagnostics(open: &Open<'_>, checked: &[Checked]) -> Value {
    let mut seen = HashSet::new();
    let mut all: Vec<Value> = findings(checked)
        .map(|(found, checked)| diagnostic(open, found, checked))
        .filter(|it| seen.insert(it.to_string()))
        .collect();
    all.sort_by_key(|it| ["line", "character"].map(|part| it["range"]["start"][part].as_u64()));
    Value::Array(all)
}

fn findings(checked: &[Checked]) -> impl Iterator<Item = (&Diagnostic, &Checked)> {
    checked.iter().flat_map(|one| one.diagnostics.iter().map(move |found| (found, one)))
}

fn diagnostic(open: &Open<'_>, found: &Diagnostic, checked: &Checked) -> Value {
    let first = FileId::default();
    // What is about a profile is shown where this file asks for it, or at its beginning.
    let own = found.labels.iter().find(|label| label.span.file == first);
    let range = own.map_or_else(|| open.places.range(0, 0), |label| open.range(label.span));
    let mut message = found.message.clone();
    if let Some(text) = own.map(|label| &label.text).filter(|text| !text.is_empty()) {
        message.push_str(&format!("\n{text}"));
    }
    if let Some(help) = &found.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    let related: Vec<Value> = found
        .labels
        .iter()
        .filter(|label| label.span.file == first && Some(label.span) != own.map(|own| own.span))
        .map(|label| {
            let text = if label.text.is_empty() { "here" } else { &label.text };
            json!({"location": {"uri": open.uri, "range": open.range(label.span)}, "message": text})
        })
        .collect();
    let elsewhere = found.labels.iter().filter(|label| label.span.file != first).filter_map(|label| {
        let file: &SourceFile = checked.sources.get(label.span.file)?;
        let (line, ..) = checked.sources.line_column(label.span)?;
        Some(format!("\n{}:{line}: {}", file.name, label.text))
    });
    message.extend(elsewhere);
    let severity = match found.severity {
        Severity::Error => 1,
        Severity::Warning => 2,
        Severity::Hint => 4,
    };
    json!({
        "range": range,
        "severity": severity,
        "code": found.code.to_string(),
        "codeDescription": {"href": format!(
            "https://github.com/microsandbox/microsandbox/blob/main/policy-lang/errors/{}.md", found.code
        )},
        "source": "msbc",
        "message": message,
        "relatedInformation": related,
    })
}

/// The fixes of findings in a range, as quick fixes, and one that makes them all.
pub(crate) fn actions(
    open: &Open<'_>,
    checked: &[Checked],
    range: (usize, usize),
    all: Option<String>,
) -> Value {
    let touches = |found: &Diagnostic| {
        found.labels.iter().any(|label| {
            label.span.file == FileId::default()
                && label.span.start as usize <= range.1
                && range.0 <= label.span.end as usize
        })
    };
    let mut actions: Vec<Value> = Vec::new();
    for (found, checked) in findings(checked).filter(|(found, _)| touches(found)) {
        let Some(fix) = &found.fix else { continue };
        if fix.edits.iter().any(|edit| edit.span.file != FileId::default()) {
            continue;
        }
        let edits: Vec<Value> = fix
            .edits
            .iter()
            .map(|edit| json!({"range": open.range(edit.span), "newText": edit.text}))
            .collect();
        let title = match fix.edits.as_slice() {
            [edit] if edit.text.trim().is_empty() => "remove it".to_owned(),
            [edit] => format!("write `{}`", edit.text.trim()),
            _ => found.help.clone().unwrap_or_else(|| found.message.clone()),
        };
        let action = json!({
            "title": title,
            "kind": "quickfix",
            "diagnostics": [diagnostic(open, found, checked)],
            "isPreferred": true,
            "edit": {"changes": {open.uri: edits}},
        });
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    if let Some(text) = all.filter(|text| text != open.text) {
        actions.push(json!({
            "title": "repair everything that has one plain repair",
            "kind": "source.fixAll",
            "edit": {"changes": {open.uri: [{"range": open.places.range(0, open.text.len()), "newText": text}]}},
        }));
    }
    Value::Array(actions)
}

/// Null where there is nothing to say.
pub(crate) fn hovered(open: &Open<'_>, at: usize) -> Value {
    let found = open.is_language().then(|| hover(open.text, open.tree, at)).flatten();
    found.map_or(Value::Null, |(text, start, end)| {
        json!({"contents": {"kind": "markdown", "value": text}, "range": open.places.range(start, end)})
    })
}

/// A list of suggestions, complete.
pub(crate) fn completions(open: &Open<'_>, at: usize) -> Value {
    if !open.is_language() {
        return json!([]);
    }
    let (start, suggestions) = complete(open.text, open.tree, at);
    let range = open.places.range(start, at);
    let item = |one: &crate::complete::Suggestion| {
        json!({
            "label": one.label,
            "kind": one.kind as u8,
            "detail": one.detail,
            "textEdit": {"range": range, "newText": one.label},
        })
    };
    suggestions.iter().map(item).collect()
}

/// Where what is at byte `at` is declared; null where it is not.
pub(crate) fn definition(open: &Open<'_>, at: usize, files: &dyn Files, host: &dyn Host) -> Value {
    if let Some(there) = open.is_language().then(|| imported(open, at, files)).flatten() {
        return there;
    }
    let declared = open.is_language().then(|| declared(open, at)).flatten();
    let span = match declared {
        None => return Value::Null,
        Some(Declared::Standard { name, text, block }) => {
            let Some(path) = host.standard(name, text) else { return Value::Null };
            let span = names::blocks(names::standard(name))
                .nth(block)
                .map(|block| block.name.span)
                .unwrap_or_default();
            let range =
                Places::new(text, place::Encoding::Utf16).range(span.start as usize, span.end as usize);
            return json!({"uri": place::uri_of(&path), "range": range});
        }
        Some(Declared::Block(block)) => block.name.span,
        Some(Declared::Value { span, .. } | Declared::Group { span } | Declared::Tool { span }) => span,
    };
    json!({"uri": open.uri, "range": open.range(span)})
}

/// Where a name of an imported file, such as `org.ceiling`, is declared.
fn imported(open: &Open<'_>, at: usize, files: &dyn Files) -> Option<Value> {
    let name = &names::include_at(open.tree, at)?.name;
    let [alias, name] = name.parts.as_slice() else { return None };
    let file = open.tree.imports.iter().find_map(|import| match import {
        Import::File { path, name } if name.node == alias.node => Some(path.node.as_str()),
        _ => None,
    })?;
    let path = crate::occurrences::imported(open.path, file);
    let bytes = files.read(&path).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let tree = msb_data::parse(Form::of(&path), FileId::default(), text).0;
    let span = names::blocks(&tree).find(|block| block.name.node == name.node)?.name.span;
    let range = Places::new(text, open.places.encoding()).range(span.start as usize, span.end as usize);
    Some(json!({"uri": place::uri_of(&path), "range": range}))
}

/// Above each `assert`: how many of its claims hold.
pub(crate) fn lenses(open: &Open<'_>, checked: &[Checked]) -> Value {
    // A policy with other errors is not decided about.
    let decided = [codes::ASSERTION_FAILED, codes::ASSERTION_DEFERRED, codes::NOT_ENFORCED];
    let wrong = findings(checked).any(|(it, _)| it.is_error() && !decided.contains(&it.code));
    let asserts =
        names::blocks(open.tree).flat_map(|block| &block.stmts).filter_map(|stmt| match &stmt.kind {
            StmtKind::Assert(claims) => Some((stmt.span, claims.len())),
            _ => None,
        });
    let lens = |(span, claims): (msb_diag::Span, usize)| {
        let count = |code| {
            let within = findings(checked).filter(|(it, _)| it.code == code).filter_map(|(it, _)| it.span());
            let within = within.filter(|at| at.file == span.file && names::holds(span, at.start as usize));
            // A profile's claim can fail in several policies.
            within.collect::<BTreeSet<_>>().len()
        };
        let (failed, deferred) = (count(codes::ASSERTION_FAILED), count(codes::ASSERTION_DEFERRED));
        let later = if deferred > 0 { format!(", {deferred} decided at launch") } else { String::new() };
        let title = if wrong {
            "not decided: the policy has errors".to_owned()
        } else {
            format!("{} of {claims} hold{later}", claims.saturating_sub(failed + deferred))
        };
        json!({"range": open.range(msb_diag::Span { end: span.start, ..span }), "command": {"title": title, "command": ""}})
    };
    asserts.map(lens).collect()
}

fn declared<'a>(open: &Open<'a>, at: usize) -> Option<Declared<'a>> {
    if let Some(include) = names::include_at(open.tree, at) {
        return names::profile(open.tree, &names::dotted(&include.name));
    }
    let lexed = lexemes(open.text);
    let token = lexed
        .iter()
        .find(|it| (it.start as usize) <= at && at <= it.end as usize && it.class != Class::Sign)?;
    let text = token.text(open.text);
    match token.class {
        Class::Var => {
            let name = text.trim_start_matches('$').split('/').next().unwrap_or_default();
            names::value(open.tree, at, name)
        }
        Class::Group => names::group(open.tree, text),
        Class::Word => names::tool(open.tree, text).or_else(|| names::profile(open.tree, text)),
        _ => None,
    }
}

/// The edit that formats the text; none where it is formatted or cannot be read.
pub(crate) fn formatting(open: &Open<'_>) -> Value {
    if !open.is_language() {
        return json!([]);
    }
    let edits = msb_format::unformatted(FileId::default(), open.text).and_then(|found| found.fix);
    let edits = edits.iter().flat_map(|fix| &fix.edits);
    edits.map(|edit| json!({"range": open.range(edit.span), "newText": edit.text})).collect()
}

/// Policies, profiles and their statements, for an outline.
pub(crate) fn symbols(open: &Open<'_>) -> Value {
    let items = open.tree.items.iter().map(|item| {
        // SymbolKind: Class 5, Function 12, Constant 14, Package 4, Event 24.
        let (name, kind, whole, span) = match item {
            Item::Block(block) => (&block.name.node, 5, block.span, block.name.span),
            Item::Tool(tool) => (&tool.name.node, 12, tool.span, tool.name.span),
            Item::Group { name, .. } | Item::Const { name, .. } => (&name.node, 14, name.span, name.span),
            Item::Test { title, span, .. } => (&title.node, 24, *span, title.span),
        };
        json!({"name": name, "kind": kind, "range": open.range(whole), "selectionRange": open.range(span)})
    });
    items.collect()
}
