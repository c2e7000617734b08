//! Source files, spans and diagnostics as plain data; rendering for people and programs.
//!
//! A pass that finds something wrong makes a [`Diagnostic`] with a code from [`codes`] and goes on;
//! only [`render`] and [`to_json`] turn it into text, so that every finding looks the same. Nothing
//! here does IO, and no span, however wrong, makes rendering panic.

pub mod codes;
mod json;
mod render;
mod sarif;
mod sources;

pub use json::to_json;
pub use render::{Style, render};
pub use sarif::to_sarif;
pub use sources::{SourceFile, Sources};

/// A range of bytes in one source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Which file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// An index into [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u32);

impl Span {
    /// From the start of `self` to the end of `other`.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start, end: other.end.max(self.start) }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Hint,
    /// Likely wrong; the policy still compiles.
    Warning,
    /// The policy does not compile.
    Error,
}

impl Severity {
    /// The word that people and programs see: `error`, `warning` or `hint`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Severity::Hint => "hint",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One finding: plain data, rendered in one place.
///
/// ```
/// use msb_diag::{Diagnostic, Severity, Sources, Span, Style, codes, render};
///
/// let mut sources = Sources::default();
/// let file = sources.add("agent.msb", "edition 2026\nlimits { memory 512 }\n");
/// let found = Diagnostic::new(codes::NUMBER_WITHOUT_UNIT, "`512` has no unit")
///     .label(Span { file, start: 29, end: 32 }, "a size needs a unit")
///     .help("write `512MiB`");
/// assert_eq!(found.severity, Severity::Error);
/// assert!(render(&[found], &sources, Style::default()).contains("agent.msb:2:17"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// `MSB0101`, from the registry.
    pub code: Code,
    /// The registry's severity for the code, or higher where [`Diagnostic::raise`] was called; a hint where nothing is to be
    /// launched and the finding is that no launch takes it yet.
    pub severity: Severity,
    /// Lowercase, no full stop, backticks round what the user wrote.
    pub message: String,
    /// The place, and what to say there.
    pub labels: Vec<Label>,
    /// What to type instead.
    pub help: Option<String>,
    /// The same as an edit that a program can make.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A finding with the severity that the registry gives `code`, and no place yet.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// Adds a place; the first is the main one.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says what to type.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help = Some(text.into());
        self
    }

    /// Adds one edit to the fix: `text` replaces what stands at `span`.
    #[must_use]
    pub fn edit(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        let edit = Edit { span, text: text.into() };
        self.fix.get_or_insert_with(Fix::default).edits.push(edit);
        self
    }

    /// Makes it at least as bad as `least`; it is never made milder.
    #[must_use]
    pub fn raise(mut self, least: Severity) -> Diagnostic {
        self.severity = self.severity.max(least);
        self
    }

    /// Whether the policy does not compile because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The main place.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }
}

/// Whether any of `found` is an error.
#[must_use]
pub fn has_errors(found: &[Diagnostic]) -> bool {
    found.iter().any(Diagnostic::is_error)
}

/// Puts `found` in the order in which it is shown, by file and position, and drops what is there
/// twice: the same code at the same place with the same message. Of two severities the higher stays.
pub fn sort(found: &mut Vec<Diagnostic>) {
    // What has no place concerns the run as a whole and comes first.
    found.sort_by(|a, b| {
        let key = |d: &Diagnostic| (d.span(), d.code);
        key(a).cmp(&key(b)).then(b.severity.cmp(&a.severity)).then_with(|| a.message.cmp(&b.message))
    });
    found.dedup_by(|later, kept| {
        later.code == kept.code && later.span() == kept.span() && later.message == kept.message
    });
}

/// A place in a source and a few words about it; the first label is the main one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What about it; may be empty.
    pub text: String,
}

/// Edits that repair the policy without a person's judgement; all of them or none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fix {
    /// The edits; they do not overlap.
    pub edits: Vec<Edit>,
}

/// `text`, the content of `file`, with the edits of `fixes` made.
///
/// A fix is made as a whole or not at all: one that overlaps another before it, concerns another file or
/// does not fit the text is left out. The indices of those that were made are given with the text.
#[must_use]
pub fn apply<'a>(text: &str, file: FileId, fixes: impl IntoIterator<Item = &'a Fix>) -> (String, Vec<usize>) {
    let mut chosen: Vec<&Edit> = Vec::new();
    let mut made = Vec::new();
    for (index, fix) in fixes.into_iter().enumerate() {
        let fits = |edit: &Edit| {
            let range = edit.span.start as usize..edit.span.end as usize;
            let apart = |other: &&Edit| {
                // Two insertions at one place have no order that would be right.
                other.span.end < edit.span.start || edit.span.end < other.span.start
            };
            edit.span.file == file && text.get(range).is_some() && chosen.iter().all(apart)
        };
        if !fix.edits.is_empty() && fix.edits.iter().all(fits) {
            chosen.extend(&fix.edits);
            made.push(index);
        }
    }
    chosen.sort_by_key(|edit| edit.span);
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for edit in chosen {
        out.push_str(text.get(end..edit.span.start as usize).unwrap_or_default());
        out.push_str(&edit.text);
        end = (edit.span.end as usize).max(end);
    }
    out.push_str(text.get(end..).unwrap_or_default());
    (out, made)
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes; empty for an insertion.
    pub span: Span,
    /// What comes.
    pub text: String,
}

/// A code of the registry: four digits after `MSB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MSB{:04}", self.0)
    }
}

/// Whether a character has no glyph of its own or changes the order in which others are shown, so that
/// a reviewer may read something else than the compiler does (CVE-2021-42574, "Trojan Source").
///
/// These are Unicode's bidirectional controls, its default-ignorable format characters (UAX 44,
/// `Default_Ignorable_Code_Point`), the line and paragraph separators, and two letters without a glyph.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests;
