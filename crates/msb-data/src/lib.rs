//! The same policies as YAML and JSON: one tree, whatever it was written as.
//!
//! Data is for policies that programs write. Its structure is blocks, rules and options by their names in
//! the language; what has a grammar of its own (a set of system calls, a condition, a type, a claim) is a
//! text in that grammar, read by the same parser and with positions in the data. Neither form says
//! anything that the other cannot: [`text_of`], [`json_of`] and [`yaml_of`] write any tree as any of
//! them, and what is read back is the same tree.

mod data;
mod document;
mod json;
mod lists;
mod print;
mod read;
mod said;
mod schema;
mod write;
mod yaml;

pub use said::said;
pub use schema::schema;

use data::Data;
use msb_diag::{Diagnostic, FileId, has_errors};
use msb_syntax::ast;

/// How a policy is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The language itself.
    Msb,
    /// YAML 1.2, core schema, without what readers disagree about.
    Yaml,
    /// JSON, RFC 8259, without names that come twice.
    Json,
}

impl Form {
    /// The form of the file called `name`, by how it ends: `.yaml`, `.yml`, `.json`; all else is the
    /// language.
    #[must_use]
    pub fn of(name: &str) -> Form {
        match name.rsplit_once('.') {
            Some((_, "yaml" | "yml")) => Form::Yaml,
            Some((_, "json")) => Form::Json,
            _ => Form::Msb,
        }
    }
}

/// The tree of a file and what is wrong with it, in the order of positions.
///
/// ```
/// use msb_data::{Form, parse};
/// use msb_diag::FileId;
///
/// let yaml = "edition: 2026\npolicies:\n  - name: p\n    net: none\n";
/// let (tree, found) = parse(Form::Yaml, FileId(0), yaml);
/// assert!(found.is_empty());
/// assert_eq!(tree.items.len(), 1);
/// ```
#[must_use]
pub fn parse(form: Form, file: FileId, text: &str) -> (ast::File, Vec<Diagnostic>) {
    if form == Form::Msb {
        return msb_syntax::parse(file, text);
    }
    if let Err(found) = msb_syntax::text_of(file, text.as_bytes()) {
        return (ast::File::default(), vec![*found]);
    }
    let mut found = Vec::new();
    let read = match form {
        Form::Yaml => yaml::read(file, text),
        _ => json::read(file, text),
    };
    let read = read.and_then(|node| match node.beyond(&mut { msb_syntax::TOKENS_MAX }) {
        Some(span) => Err(Box::new(msb_syntax::too_much(span))),
        None => Ok(node),
    });
    let tree = match read {
        Ok(node) => read::file(file, text, &node, &mut found),
        Err(wrong) => {
            found.push(*wrong);
            ast::File::default()
        }
    };
    msb_diag::sort(&mut found);
    debug_assert!(tree.edition.is_some() || has_errors(&found));
    (tree, found)
}

/// [`parse`] of a file as it was read, which may not be text at all.
#[must_use]
pub fn parse_bytes(form: Form, file: FileId, bytes: &[u8]) -> (ast::File, Vec<Diagnostic>) {
    match msb_syntax::text_of(file, bytes) {
        Ok(text) => parse(form, file, text),
        Err(found) => (ast::File::default(), vec![*found]),
    }
}

/// Why a tree cannot be written as data, in a sentence without a full stop.
///
/// Only trees that the compiler refuses anyway are concerned: two settings of the same name in one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable {
    /// `limit `memory` is set twice`
    pub reason: String,
}

/// `tree` in the language, formatted. Comments are not in a tree and therefore not in the text.
#[must_use]
pub fn text_of(tree: &ast::File) -> String {
    let text = print::file(tree);
    match msb_format::format(&text) {
        Ok(formatted) => formatted,
        Err(found) => {
            debug_assert!(false, "printed what cannot be read: {found:?}");
            text
        }
    }
}

/// `tree` as JSON, indented.
///
/// # Errors
/// [`Unwritable`]
pub fn json_of(tree: &ast::File) -> Result<String, Unwritable> {
    write::file(tree).map(|data: Data| data::json(&data))
}

/// `tree` as YAML.
///
/// # Errors
/// [`Unwritable`]
pub fn yaml_of(tree: &ast::File) -> Result<String, Unwritable> {
    write::file(tree).map(|data: Data| data::yaml(&data))
}

#[cfg(test)]
mod tests;
