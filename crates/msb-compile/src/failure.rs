//! What a plan cannot hold, said on the line that asked for it.

use msb_diag::{Code, Diagnostic, FileId, Sources, Span, codes};
use msb_emit::EmitError;
use msb_policy::{Origin, Policy};

/// So many lines are shown of what is too much.
const LINES_MAX: usize = 8;

/// `failure` as a finding.
pub(crate) fn diagnostic(failure: &EmitError, policy: &Policy, sources: &Sources) -> Diagnostic {
    let mut found = Diagnostic::new(code(failure), failure.to_string());
    let origins = failure.origins();
    for (index, origin) in origins.iter().take(LINES_MAX).enumerate() {
        let origin = usize::try_from(origin.0).ok().and_then(|index| policy.origins.get(index));
        let more = origins.len() - index - 1;
        let text =
            if index + 1 == LINES_MAX && more > 0 { format!("and {more} more") } else { String::new() };
        if let Some(span) = origin.and_then(|origin| span(origin, sources)) {
            found = found.label(span, text);
        }
    }
    match failure.help() {
        Some(help) => found.help(help),
        None => found.help("take away the rule, or say it in a narrower way"),
    }
}

fn code(failure: &EmitError) -> Code {
    match failure {
        EmitError::NotEnforced { .. } => codes::NOT_ENFORCED,
        EmitError::TargetTwice { .. } => codes::TWO_SOURCES,
        EmitError::TargetIsRoot { .. } => codes::RESERVED_PATH,
        EmitError::VariableTwice { .. } => codes::DUPLICATE_SETTING,
        EmitError::Home { .. } => codes::WRONG_TYPE,
        EmitError::OutOfRange { value, min, .. } if value < min => codes::LIMIT_TOO_LOW,
        EmitError::OutOfRange { .. } => codes::LIMIT_TOO_HIGH,
        EmitError::Filter { .. } => codes::FILTER_TOO_LONG,
        _ => codes::LIMIT_OF_THE_LANGUAGE,
    }
}

/// Where an origin stands.
fn span(origin: &Origin, sources: &Sources) -> Option<Span> {
    let ids = 0..u32::try_from(sources.len()).ok()?;
    let (id, file) = ids
        .map(FileId)
        .find_map(|id| sources.get(id).filter(|file| file.name == origin.file).map(|file| (id, file)))?;
    let line_start: usize = file
        .text
        .split_inclusive('\n')
        .take(usize::try_from(origin.line).ok()?.checked_sub(1)?)
        .map(str::len)
        .sum();
    let characters = usize::try_from(origin.column).ok()?.checked_sub(1)?;
    let rest = file.text.get(line_start..)?;
    let start = line_start + rest.chars().take(characters).map(char::len_utf8).sum::<usize>();
    let end = start + origin.text.len();
    Some(Span { file: id, start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
}
