//! From the number of a line to a place that a diagnostic can point to.

use msb_diag::{FileId, SourceFile, Sources, Span};
use msb_plan::{Origin, OriginId, Plan};

/// The span of `origin` in `sources`. Where they do not hold its file, or the file says something else by
/// now, a file is added that holds that line alone.
pub(crate) fn of(plan: &Plan<'_>, origin: OriginId, sources: &mut Sources) -> Option<Span> {
    let origin = plan.origins.get(usize::from(origin.0))?;
    let length = first_line(origin).len();
    let (file, start) = find(origin, sources).unwrap_or_else(|| add(origin, sources));
    Some(Span { file, start: u32::try_from(start).ok()?, end: u32::try_from(start + length).ok()? })
}

/// `agent.msb:7:3`.
pub(crate) fn show(plan: &Plan<'_>, origin: OriginId) -> Option<String> {
    let Origin { file, line, column, .. } = plan.origins.get(usize::from(origin.0))?;
    Some(format!("{file}:{line}:{column}"))
}

fn first_line<'a>(origin: &Origin<'a>) -> &'a str {
    origin.text.lines().next().unwrap_or_default()
}

fn find(origin: &Origin<'_>, sources: &Sources) -> Option<(FileId, usize)> {
    let ids = (0..u32::try_from(sources.len()).ok()?).map(FileId);
    ids.filter_map(|id| Some((id, sources.get(id)?)))
        .filter(|(_, file)| file.name == origin.file)
        .find_map(|(id, file)| Some((id, byte(origin, file)?)))
}

/// The byte at which the text of `origin` stands in `file`.
fn byte(origin: &Origin<'_>, file: &SourceFile) -> Option<usize> {
    let line = file.line(origin.line as usize);
    let (column, _) = line.char_indices().nth(origin.column.checked_sub(1)? as usize)?;
    // A line is a part of the text, so that its address tells where it begins.
    let start = (line.as_ptr() as usize).checked_sub(file.text.as_ptr() as usize)?;
    line.get(column..)?.starts_with(first_line(origin)).then_some(start + column)
}

/// The most lines and columns that are made up before a text to give it its numbers.
const PADDING_MAX: usize = 1 << 20;

fn add(origin: &Origin<'_>, sources: &mut Sources) -> (FileId, usize) {
    let lines = (origin.line.saturating_sub(1) as usize).min(PADDING_MAX);
    let columns = (origin.column.saturating_sub(1) as usize).min(PADDING_MAX);
    let before = "\n".repeat(lines) + &" ".repeat(columns);
    let start = before.len();
    (sources.add(origin.file, before + first_line(origin) + "\n"), start)
}
