//! Rename, references and highlights, over the texts that are open and the files that they import.

use crate::analysis::{Overlay, check, tree};
use crate::answers::Open;
use crate::occurrences::{Kind, Occurrence, Symbol, imported, occurrences};
use crate::place::Places;
use msb_compile::Files;
use msb_data::Form;
use msb_syntax::ast::Import;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A file of the workspace that is written in the language.
struct Read {
    text: String,
    found: Vec<Occurrence>,
}

/// What is open, and what that imports, by path.
fn workspace(files: &Overlay<'_>) -> BTreeMap<String, Read> {
    let mut all = BTreeMap::new();
    let mut next: Vec<String> = files.open.iter().map(|(path, _)| (*path).to_owned()).collect();
    while let Some(path) = next.pop() {
        if all.contains_key(&path) || Form::of(&path) != Form::Msb {
            continue;
        }
        let Some(text) = files.read(&path).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
            continue;
        };
        let tree = tree(&path, &text);
        next.extend(tree.imports.iter().filter_map(|import| match import {
            Import::File { path: file, .. } => Some(imported(&path, &file.node)),
            Import::Library(_) => None,
        }));
        let found = occurrences(&path, &text, &tree);
        all.insert(path, Read { text, found });
    }
    all
}

fn at<'a>(open: &Open<'_>, found: &'a [Occurrence], byte: usize) -> Option<&'a Occurrence> {
    let touches = |it: &&Occurrence| (it.span.start as usize..=it.span.end as usize).contains(&byte);
    found.iter().find(touches).filter(|_| Form::of(open.path) == Form::Msb)
}

fn here(open: &Open<'_>) -> Vec<Occurrence> {
    occurrences(open.path, open.text, open.tree)
}

/// Every place of what is at byte `byte`; null where nothing with a name is.
pub(crate) fn references(
    open: &Open<'_>,
    files: &Overlay<'_>,
    byte: usize,
    declaration: bool,
    uri: &dyn Fn(&str) -> String,
) -> Value {
    let own = here(open);
    let Some(asked) = at(open, &own, byte) else { return Value::Null };
    let mut locations = Vec::new();
    for (path, read) in &workspace(files) {
        let places = Places::new(&read.text, open.places.encoding());
        for it in read.found.iter().filter(|it| it.symbol == asked.symbol && (declaration || !it.declares)) {
            let range = places.range(it.span.start as usize, it.span.end as usize);
            locations.push(json!({"uri": uri(path), "range": range}));
        }
    }
    Value::Array(locations)
}

/// The places in this text alone.
pub(crate) fn highlights(open: &Open<'_>, byte: usize) -> Value {
    let own = here(open);
    let Some(asked) = at(open, &own, byte) else { return Value::Null };
    let same = own.iter().filter(|it| it.symbol == asked.symbol);
    // DocumentHighlightKind: Read 2, Write 3.
    let highlight = |it: &Occurrence| {
        let range = open.places.range(it.span.start as usize, it.span.end as usize);
        json!({"range": range, "kind": if it.declares { 3 } else { 2 }})
    };
    same.map(highlight).collect()
}

/// What would be renamed, and its name; null where nothing can be.
pub(crate) fn prepared(open: &Open<'_>, files: &Overlay<'_>, byte: usize) -> Value {
    let own = here(open);
    let declared = |symbol: &Symbol| {
        workspace(files).values().flat_map(|it| &it.found).any(|it| it.declares && it.symbol == *symbol)
    };
    match at(open, &own, byte).filter(|it| declared(&it.symbol)) {
        Some(it) => json!({
            "range": open.places.range(it.span.start as usize, it.span.end as usize),
            "placeholder": it.symbol.name,
        }),
        None => Value::Null,
    }
}

/// The edits that give what is at byte `byte` another name.
///
/// # Errors
/// Why it cannot have the name, for who typed it.
pub(crate) fn renamed(
    open: &Open<'_>,
    files: &Overlay<'_>,
    byte: usize,
    name: &str,
    uri: &dyn Fn(&str) -> String,
) -> Result<Value, String> {
    let own = here(open);
    let asked = at(open, &own, byte).ok_or("nothing here has a name that can be changed")?;
    let name = match asked.symbol.kind {
        Kind::Group => name.trim_start_matches('@'),
        Kind::Parameter | Kind::Constant => name.trim_start_matches('$'),
        Kind::Block | Kind::Tool | Kind::Alias => name,
    };
    let all = workspace(files);
    let places = |read: &Read| -> Vec<Occurrence> {
        read.found.iter().filter(|it| it.symbol == asked.symbol).cloned().collect()
    };
    let touched: BTreeMap<&String, Vec<Occurrence>> =
        all.iter().map(|(path, read)| (path, places(read))).filter(|(_, found)| !found.is_empty()).collect();
    if !touched.values().flatten().any(|it| it.declares) {
        return Err(format!("`{}` is declared in no file of this workspace", asked.symbol.name));
    }
    valid(&asked.symbol, name, touched.values().flatten())?;
    if name == asked.symbol.name {
        return Ok(json!({"changes": {}}));
    }
    let texts: BTreeMap<&String, String> = touched
        .iter()
        .filter_map(|(path, found)| Some((*path, replaced(&all.get(*path)?.text, found, name))))
        .collect();
    let new = Symbol { name: name.to_owned(), ..asked.symbol.clone() };
    unharmed(&all, &texts, &touched, &new)?;
    no_more_errors(files, &texts)?;
    let mut changes = serde_json::Map::new();
    for (path, found) in &touched {
        let Some(read) = all.get(*path) else { continue };
        let places = Places::new(&read.text, open.places.encoding());
        let edit = |it: &Occurrence| {
            let range = places.range(it.span.start as usize, it.span.end as usize);
            json!({"range": range, "newText": name})
        };
        changes.insert(uri(path), found.iter().map(edit).collect());
    }
    Ok(json!({"changes": changes}))
}

/// Whether the language takes the name for such a thing.
fn valid<'a>(
    symbol: &Symbol,
    name: &str,
    mut places: impl Iterator<Item = &'a Occurrence>,
) -> Result<(), String> {
    let begins = |first: fn(char) -> bool| name.starts_with(first);
    let of = |rest: fn(char) -> bool| name.chars().all(rest);
    let small = begins(|c| c.is_ascii_lowercase() || c == '_')
        && of(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let word = begins(|c| c.is_ascii_alphabetic() || c == '_')
        && of(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && !name.ends_with('-')
        && !name.contains("--");
    let group = begins(|c| c.is_ascii_lowercase())
        && of(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.ends_with('-')
        && !name.contains("--");
    let (fits, wants) = match symbol.kind {
        Kind::Parameter => (small, "small letters, digits and `_`"),
        Kind::Constant if places.any(|it| it.dollar) => (small, "small letters, digits and `_`"),
        Kind::Group => (group, "small letters, digits and `-`"),
        _ => (word, "letters, digits, `_` and `-`"),
    };
    if fits { Ok(()) } else { Err(format!("`{name}` is no name here: write {wants}")) }
}

/// The text with the new name in each of these places.
fn replaced(text: &str, places: &[Occurrence], name: &str) -> String {
    let mut out = text.to_owned();
    for it in places.iter().rev() {
        out.replace_range(it.span.start as usize..it.span.end as usize, name);
    }
    out
}

/// Whether the new name means the same thing in each of the places, and in no others.
fn unharmed(
    all: &BTreeMap<String, Read>,
    texts: &BTreeMap<&String, String>,
    touched: &BTreeMap<&String, Vec<Occurrence>>,
    new: &Symbol,
) -> Result<(), String> {
    for (path, read) in all {
        let text = texts.get(path).unwrap_or(&read.text);
        let after = occurrences(path, text, &tree(path, text));
        let wanted = touched.get(path).map_or(0, Vec::len);
        let same = after.iter().filter(|it| it.symbol == *new).count();
        if same != wanted || after.len() != read.found.len() {
            return Err(format!("`{}` is the name of something else here", new.name));
        }
    }
    Ok(())
}

/// Whether the compiler finds no more wrong than before: the kernel and the standard library have names, too.
fn no_more_errors(files: &Overlay<'_>, texts: &BTreeMap<&String, String>) -> Result<(), String> {
    let mut open: Vec<(&str, &str)> =
        texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    open.extend(files.open.iter().copied());
    let after = Overlay { files: files.files, open };
    // What is open may import what changes.
    for (path, text) in files.open.iter().filter(|(path, _)| Form::of(path) == Form::Msb) {
        let errors = |files: &Overlay<'_>, text: &str| -> Vec<String> {
            let checked = check(files, path, &tree(path, text));
            let found = checked.iter().flat_map(|it| &it.diagnostics);
            found.filter(|it| it.is_error()).map(|it| it.message.clone()).collect()
        };
        let changed =
            texts.iter().find(|(it, _)| it.as_str() == *path).map_or(*text, |(_, text)| text.as_str());
        let (before, now) = (errors(files, text), errors(&after, changed));
        if now.len() > before.len() {
            let why = now.iter().find(|it| !before.contains(it)).cloned().unwrap_or_default();
            return Err(format!("the policy would be wrong: {why}"));
        }
    }
    Ok(())
}
