//! Data with positions: what the readers of YAML and JSON give.

use msb_diag::{Diagnostic, FileId, Span, codes};

/// Deepest nesting of data; a policy needs seven levels, values may nest further.
pub(crate) const DEPTH_MAX: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// `null`, and in YAML nothing at all.
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A whole number.
    Int(u64),
    /// Another number, or what some readers of YAML take for something else than a text; in words.
    Odd(&'static str),
    /// A text.
    Text {
        /// Escapes resolved.
        text: String,
        /// The first byte of the same text in the file, where it stands there as it is.
        verbatim: Option<usize>,
    },
    /// An array.
    List(Vec<Node>),
    /// An object, in the order of the file, no name twice.
    Map(Vec<(Key, Node)>),
}

/// The name of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Node {
    /// The value with which there are more than `left`; it is at most [`DEPTH_MAX`] levels deep.
    pub(crate) fn beyond(&self, left: &mut usize) -> Option<Span> {
        let Some(less) = left.checked_sub(1) else { return Some(self.span) };
        *left = less;
        match &self.kind {
            Kind::List(members) => members.iter().find_map(|member| member.beyond(left)),
            Kind::Map(members) => members.iter().find_map(|(_, member)| member.beyond(left)),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a truth value",
            Kind::Int(_) => "a number",
            Kind::Odd(what) => what,
            Kind::Text { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// A name comes twice in a mapping: readers disagree which of the two counts.
pub(crate) fn twice(key: &Key, first: &Key) -> Box<Diagnostic> {
    let found = Diagnostic::new(codes::AMBIGUOUS_DATA, format!("`{}` is given twice", key.text))
        .label(key.span, "again here")
        .label(first.span, "first here")
        .help("keep one of them; several rules are a list");
    Box::new(found)
}

/// The text is no YAML or JSON.
pub(crate) fn malformed(message: String, span: Span, help: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(codes::NOT_DATA, message).label(span, "").help(help))
}

pub(crate) fn too_deep(span: Span) -> Box<Diagnostic> {
    let message = format!("data is nested deeper than {DEPTH_MAX} levels");
    let found = Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, message);
    Box::new(found.label(span, "").help("write it with fewer levels"))
}

/// A range of bytes as a span.
pub(crate) fn span(file: FileId, start: usize, end: usize) -> Span {
    let offset = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    Span { file, start: offset(start), end: offset(end.max(start)) }
}
