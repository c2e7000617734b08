//! The files of one compilation and where a byte of them is.
//!
//! Line starts are found once, when a file is added, so that a thousand findings in one long file
//! do not read it a thousand times.

use crate::{FileId, Span};

/// The files of one compilation.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// A file's name and text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// As given on the command line, or `std.base`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The byte at which each line begins; the first is 0.
    line_starts: Vec<usize>,
}

impl Sources {
    /// Adds a file.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let text = text.into();
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.files.push(SourceFile { name: name.into(), text, line_starts });
        id
    }

    /// The file of an id that [`Sources::add`] gave.
    #[must_use]
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// How many files there are; their ids are 0 to this, exclusive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Line and column (in characters) of the start of `span`, both from 1, and the text of that line
    /// without its end; `None` if the file is not known. A span outside the text counts as its end.
    #[must_use]
    pub fn line_column(&self, span: Span) -> Option<(usize, usize, &str)> {
        let file = self.get(span.file)?;
        let (line, column) = file.position(span.start as usize);
        Some((line, column, file.line(line)))
    }

    /// The text of `span`; "" where the span is outside of its file.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file).map_or("", |file| {
            let (start, end) = file.clamp(span);
            &file.text[start..end]
        })
    }
}

impl SourceFile {
    /// Line and column (in characters) of a byte, both from 1; beyond the end counts as the end.
    #[must_use]
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let byte = self.text.floor_char_boundary_at(byte);
        let line = self.line_starts.partition_point(|&start| start <= byte);
        let start = self.line_start(line);
        (line, self.text[start..byte].chars().count() + 1)
    }

    /// The text of a line, counted from 1, without its end; "" if there is no such line.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        if line == 0 || line > self.line_starts.len() {
            return "";
        }
        let start = self.line_start(line);
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        let text = &self.text[start..end];
        let text = text.strip_suffix('\n').unwrap_or(text);
        text.strip_suffix('\r').unwrap_or(text)
    }

    /// The byte at which a line, counted from 1, begins.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|index| self.line_starts.get(index)).copied().unwrap_or(0)
    }

    /// How many lines there are, at least one.
    pub(crate) fn lines(&self) -> usize {
        self.line_starts.len()
    }

    /// `span` as a range that is inside the text and on character boundaries.
    pub(crate) fn clamp(&self, span: Span) -> (usize, usize) {
        let start = self.text.floor_char_boundary_at(span.start as usize);
        let end = self.text.floor_char_boundary_at(span.end as usize).max(start);
        (start, end)
    }
}

trait FloorCharBoundary {
    fn floor_char_boundary_at(&self, byte: usize) -> usize;
}

impl FloorCharBoundary for str {
    /// The last character boundary at or before `byte` (the method of std needs Rust 1.91).
    fn floor_char_boundary_at(&self, byte: usize) -> usize {
        let byte = byte.min(self.len());
        (0..=byte).rev().find(|&at| self.is_char_boundary(at)).unwrap_or(0)
    }
}
