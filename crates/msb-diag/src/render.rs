//! Diagnostics as text for people: miette lives here alone.
//!
//! miette is not given the file but an [`Excerpt`] of it: the lines that labels stand on and one line
//! around each, cut to the width of the terminal and with control and invisible characters made
//! visible. So a file with one line of a megabyte gives a short answer, a policy cannot send escape
//! sequences to the terminal of the person who reviews it, and spans that are wrong are put right
//! before miette asserts that they are not.

use crate::{Diagnostic, FileId, Label, Severity, SourceFile, Sources, sort};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, SourceSpan, ThemeCharacters};
use miette::{MietteSpanContents, SourceCode, SpanContents, ThemeStyles};

/// How [`render`] draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "callers write it out")]
pub struct Style {
    /// Whether to use the terminal's colours.
    pub color: bool,
    /// How many columns to fill at most; less than 40 counts as 40.
    pub width: usize,
    /// Whether to draw lines with Unicode characters, not ASCII.
    pub unicode: bool,
}

impl Default for Style {
    /// What is right for a file or a pipe: no colour, 100 columns, Unicode.
    fn default() -> Style {
        Style { color: false, width: 100, unicode: true }
    }
}

/// Fewest columns that a report is drawn in.
const WIDTH_MIN: usize = 40;

/// Columns that line number and frame take from the width.
const GUTTER_COLUMNS: usize = 10;

/// `found` as text, in the order and without the repetitions of [`sort`]; "" if there is none.
///
/// Each finding has its severity and code, its message, the lines of the source with file, line and
/// column, and the help.
#[must_use]
pub fn render(found: &[Diagnostic], sources: &Sources, style: Style) -> String {
    let mut found = found.to_vec();
    sort(&mut found);
    let width = style.width.max(WIDTH_MIN);
    let theme = GraphicalTheme {
        characters: if style.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() },
        styles: if style.color { ThemeStyles::ansi() } else { ThemeStyles::none() },
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(width)
        .without_syntax_highlighting()
        .without_cause_chain();
    let mut text = String::new();
    for (index, diagnostic) in found.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        for report in reports(diagnostic, sources, width, style.unicode) {
            let before = text.len();
            if handler.render_report(&mut text, &report).is_err() {
                // A report without its picture is better than none.
                text.truncate(before);
                text.push_str(&report.plain());
            }
        }
    }
    text
}

/// What miette draws: one excerpt of one file.
#[derive(Debug)]
struct Report {
    code: Option<String>,
    severity: Severity,
    message: String,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    excerpt: Option<Excerpt>,
}

/// One report for each file that has labels, the main one first; the help stands below the last.
fn reports(diagnostic: &Diagnostic, sources: &Sources, width: usize, unicode: bool) -> Vec<Report> {
    let mut files: Vec<FileId> = Vec::new();
    for label in &diagnostic.labels {
        if !files.contains(&label.span.file) && sources.get(label.span.file).is_some() {
            files.push(label.span.file);
        }
    }
    let mut reports = vec![Report {
        code: Some(format!("{}[{}]", diagnostic.severity.word(), diagnostic.code)),
        severity: diagnostic.severity,
        message: visible(&diagnostic.message),
        help: None,
        labels: Vec::new(),
        excerpt: None,
    }];
    for (index, &id) in files.iter().enumerate() {
        let Some(file) = sources.get(id) else { continue };
        let labels: Vec<&Label> = diagnostic.labels.iter().filter(|label| label.span.file == id).collect();
        let (excerpt, spans) = Excerpt::new(file, &labels, width - GUTTER_COLUMNS, unicode);
        let spans = labels.iter().zip(spans).enumerate().map(|(at, (label, span))| {
            let text = (!label.text.is_empty()).then(|| visible(&label.text));
            match at {
                0 => LabeledSpan::new_primary_with_span(text, span),
                _ => LabeledSpan::new_with_span(text, span),
            }
        });
        let (spans, excerpt) = (spans.collect(), Some(excerpt));
        match reports.first_mut() {
            Some(main) if index == 0 => (main.labels, main.excerpt) = (spans, excerpt),
            _ => reports.push(Report {
                code: None,
                severity: Severity::Hint,
                message: format!("see also `{}`", visible(&file.name)),
                help: None,
                labels: spans,
                excerpt,
            }),
        }
    }
    if let Some(last) = reports.last_mut() {
        last.help = diagnostic.help.as_deref().map(visible);
    }
    reports
}

impl Report {
    fn plain(&self) -> String {
        let help = self.help.as_ref().map_or_else(String::new, |help| format!("  help: {help}\n"));
        format!("{}: {}\n{help}", self.code.as_deref().unwrap_or_default(), self.message)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.code.as_ref().map(|code| Box::new(code) as Box<dyn std::fmt::Display + 'a>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Hint => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// The shown lines of a file, each ended by a newline so that the end of the file has a place too.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    lines: Vec<Line>,
}

/// One shown line.
#[derive(Debug)]
struct Line {
    /// Its number in the file, from 1.
    number: usize,
    /// Where it begins in [`Excerpt::text`].
    start: usize,
    /// Where its first character from the file stands there (after the mark of a cut).
    content: usize,
    /// How many characters of the line are cut off before it.
    characters_cut: usize,
}

impl Excerpt {
    /// The excerpt of `file` that shows `labels`, and each label's span in it.
    ///
    /// A label that goes over several lines is shown on its first.
    fn new(
        file: &SourceFile,
        labels: &[&Label],
        columns: usize,
        unicode: bool,
    ) -> (Excerpt, Vec<SourceSpan>) {
        let places: Vec<Place> = labels.iter().map(|label| Place::of(file, label)).collect();
        let mut numbers: Vec<usize> = places
            .iter()
            .flat_map(|place| place.line.saturating_sub(1).max(1)..=(place.line + 1).min(file.lines()))
            // The empty "line" after the last newline says nothing, unless a label stands there.
            .filter(|&n| n < file.lines() || !file.line(n).is_empty() || places.iter().any(|p| p.line == n))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();

        let mut excerpt = Excerpt { name: visible(&file.name), text: String::new(), lines: Vec::new() };
        let mut spans = vec![SourceSpan::from((0, 0)); labels.len()];
        for number in numbers {
            let here = || places.iter().filter(move |place| place.line == number);
            let first = here().map(|place| place.start).min().unwrap_or(0);
            let cut = Cut::of(file.line(number), first, columns);
            let mut drawn = excerpt.push_line(number, &cut, unicode);
            drawn.sort_unstable_by_key(|&(from, _)| from);
            let offset = |byte: usize| {
                let index = drawn.partition_point(|&(from, _)| from < byte).min(drawn.len() - 1);
                drawn[index].1
            };
            for (place, span) in places.iter().zip(&mut spans).filter(|(place, _)| place.line == number) {
                let (start, end) = (offset(place.start), offset(place.end));
                *span = SourceSpan::from((start, end - start));
            }
        }
        (excerpt, spans)
    }

    /// Adds a line; gives back which byte of the file's line is drawn at which byte of the excerpt,
    /// with the end of the line as last element.
    fn push_line(&mut self, number: usize, cut: &Cut<'_>, unicode: bool) -> Vec<(usize, usize)> {
        let mark = if unicode { "…" } else { "..." };
        let start = self.text.len();
        if cut.before_bytes > 0 {
            self.text.push_str(mark);
        }
        self.lines.push(Line {
            number,
            start,
            content: self.text.len(),
            characters_cut: cut.before_characters,
        });
        let mut drawn = Vec::with_capacity(cut.shown.len() + 1);
        for (byte, character) in cut.shown.char_indices() {
            drawn.push((cut.before_bytes + byte, self.text.len()));
            self.text.push(match character {
                '\t' => '\t',
                c if is_visible(c) => c,
                _ if unicode => '\u{fffd}',
                _ => '?',
            });
        }
        drawn.push((cut.before_bytes + cut.shown.len(), self.text.len()));
        if cut.cut_after {
            self.text.push_str(mark);
        }
        self.text.push('\n');
        drawn
    }

    /// The index of the line that a byte of the excerpt is on.
    fn line_of(&self, byte: usize) -> usize {
        self.lines.partition_point(|line| line.start <= byte).saturating_sub(1)
    }
}

/// Where a label stands in its file.
struct Place {
    /// Line, from 1.
    line: usize,
    /// First byte, in the line.
    start: usize,
    /// One past the last byte, in the line.
    end: usize,
}

impl Place {
    fn of(file: &SourceFile, label: &Label) -> Place {
        let (start, end) = file.clamp(label.span);
        let (line, _) = file.position(start);
        let (line_start, length) = (file.line_start(line), file.line(line).len());
        let start = (start - line_start).min(length);
        Place { line, start, end: (end - line_start).min(length).max(start) }
    }
}

/// The part of a line that is shown.
struct Cut<'a> {
    before_bytes: usize,
    before_characters: usize,
    shown: &'a str,
    cut_after: bool,
}

impl Cut<'_> {
    /// At most `columns` characters of `line`, with `first`, a byte of it, a third from the left.
    fn of(line: &str, first: usize, columns: usize) -> Cut<'_> {
        let mut starts = line.char_indices().map(|(byte, _)| byte);
        if starts.nth(columns).is_none() {
            return Cut { before_bytes: 0, before_characters: 0, shown: line, cut_after: false };
        }
        let lead = columns / 3;
        let before_bytes =
            line[..first].char_indices().rev().nth(lead.saturating_sub(1)).map_or(0, |(byte, _)| byte);
        let rest = &line[before_bytes..];
        let length = rest.char_indices().nth(columns).map_or(rest.len(), |(byte, _)| byte);
        Cut {
            before_bytes,
            before_characters: line[..before_bytes].chars().count(),
            shown: &rest[..length],
            cut_after: length < rest.len(),
        }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset() + span.len();
        if end > self.text.len() || self.lines.is_empty() {
            return Err(MietteError::OutOfBounds);
        }
        let (mut first, mut last) = (self.line_of(span.offset()), self.line_of(end));
        let adjacent = |a: usize, b: usize| self.lines[a].number + 1 == self.lines[b].number;
        if (first..last).any(|index| !adjacent(index, index + 1)) {
            // Lines are left out between them; miette then draws two frames.
            return Err(MietteError::OutOfBounds);
        }
        let column = if context_lines_before == 0 {
            let line = &self.lines[first];
            let shown = self.text.get(line.content..span.offset()).unwrap_or_default();
            line.characters_cut + shown.chars().count()
        } else {
            0
        };
        for _ in 0..context_lines_before {
            if first > 0 && adjacent(first - 1, first) {
                first -= 1;
            }
        }
        for _ in 0..context_lines_after {
            if last + 1 < self.lines.len() && adjacent(last, last + 1) {
                last += 1;
            }
        }
        let start = self.lines[first].start;
        let end = self.lines.get(last + 1).map_or(self.text.len(), |line| line.start);
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            &self.text.as_bytes()[start..end],
            (start, end - start).into(),
            self.lines[first].number - 1,
            column,
            last - first + 1,
        )))
    }
}

/// `text` with control and invisible characters written as `\u{202e}`; newlines stay.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push('\n'),
            c if is_visible(c) => shown.push(c),
            c => shown.extend(c.escape_unicode()),
        }
    }
    shown
}

/// Whether a person sees the character, and sees it where it stands.
fn is_visible(character: char) -> bool {
    !character.is_control() && !crate::is_invisible(character)
}
