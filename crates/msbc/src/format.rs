//! fmt: policies in the one style.

use crate::cli::Fmt;
use crate::compile::{findings, summary};
use crate::input::{POLICY_BYTES_MAX, read};
use crate::output::{Output, reason};
use crate::{Exit, write};
use msb_diag::{Diagnostic, Severity, Sources, codes};
use std::io::Read as _;
use std::path::Path;

/// `msbc fmt`.
pub(crate) fn format(arguments: &Fmt, output: &mut Output) -> Exit {
    if arguments.stdin {
        return standard_input(arguments.check, output);
    }
    let mut found = Vec::new();
    let mut sources = Sources::default();
    let mut exit = Exit::Success;
    for file in &arguments.files {
        let name = file.display().to_string();
        if msb_data::Form::of(&name) != msb_data::Form::Msb {
            output.message(&format!("cannot format `{name}`: only the language itself has a style"));
            exit = Exit::Usage;
            continue;
        }
        let Some(text) = text(&name, read(file, POLICY_BYTES_MAX), &mut sources, &mut found) else {
            continue;
        };
        let id = last(&sources);
        match msb_format::unformatted(id, &text) {
            Some(hint) if arguments.check => {
                found.push(hint);
                exit = Exit::Wrong;
            }
            Some(_) => {
                if let Err(reason) = rewrite(file, &text) {
                    output.message(&format!("cannot write `{name}`: {reason}"));
                    exit = Exit::Usage;
                }
            }
            None => found.extend(errors(id, &text)),
        }
    }
    tell(&found, &sources, output, exit)
}

/// A policy on standard input to standard output. Where it is wrong, nothing is printed, so that an editor
/// that puts the answer in the place of the text loses nothing.
fn standard_input(check: bool, output: &mut Output) -> Exit {
    let mut bytes = Vec::new();
    let mut found = Vec::new();
    let mut sources = Sources::default();
    let taken = std::io::stdin().lock().take(POLICY_BYTES_MAX).read_to_end(&mut bytes);
    let read = taken.map(|_| bytes).map_err(|error| reason(&error));
    let mut exit = Exit::Success;
    if let Some(text) = text("<stdin>", read, &mut sources, &mut found) {
        let id = last(&sources);
        found.extend(errors(id, &text));
        match (msb_format::format(&text), check) {
            (Ok(formatted), false) => output.answer(&formatted),
            (Ok(_), true) => {
                let hint = msb_format::unformatted(id, &text);
                exit = if hint.is_some() { Exit::Wrong } else { exit };
                found.extend(hint);
            }
            (Err(_), _) => {}
        }
    }
    tell(&found, &sources, output, exit)
}

/// The text of a file that was read, or a finding why it has none.
fn text(
    name: &str,
    read: Result<Vec<u8>, String>,
    sources: &mut Sources,
    found: &mut Vec<Diagnostic>,
) -> Option<String> {
    match read {
        Err(reason) => {
            let cannot = Diagnostic::new(codes::CANNOT_READ, format!("cannot read `{name}`: {reason}"));
            found.push(cannot.help("give the path of a policy, such as `agent.msb`"));
            None
        }
        Ok(bytes) => {
            let id = sources.add(name, String::from_utf8_lossy(&bytes));
            match msb_syntax::text_of(id, &bytes) {
                Ok(text) => Some(text.to_owned()),
                Err(wrong) => {
                    found.push(*wrong);
                    None
                }
            }
        }
    }
}

/// What keeps `text` from being formatted; warnings are for `check`.
fn errors(id: msb_diag::FileId, text: &str) -> Vec<Diagnostic> {
    let (_, mut found) = msb_syntax::parse(id, text);
    found.retain(Diagnostic::is_error);
    found
}

fn last(sources: &Sources) -> msb_diag::FileId {
    msb_diag::FileId(u32::try_from(sources.len().saturating_sub(1)).unwrap_or(u32::MAX))
}

fn rewrite(file: &Path, text: &str) -> Result<(), String> {
    let Ok(formatted) = msb_format::format(text) else { return Ok(()) };
    write::in_place(file, formatted.as_bytes())
}

fn tell(found: &[Diagnostic], sources: &Sources, output: &Output, exit: Exit) -> Exit {
    findings(found, sources, output);
    summary(found, output);
    let wrong = found.iter().any(|found| found.severity == Severity::Error);
    if wrong && exit == Exit::Success { Exit::Wrong } else { exit }
}
