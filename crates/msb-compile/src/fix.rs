//! Repairs: the fixes of findings, made until none is left.

use crate::{Checked, Files, Options, ReadError, check};
use msb_diag::{Diagnostic, FileId, Fix, Sources, apply};
use std::collections::BTreeSet;

/// Rounds after which no more fixes are made; a fix may bring up what could not be seen before it, but not
/// that often.
const ROUNDS_MAX: usize = 64;

/// What became of a policy.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The repaired text; `None` where nothing was repaired.
    pub text: Option<String>,
    /// What was repaired, with the file as it was then.
    pub made: Vec<(Diagnostic, Sources)>,
    /// What is left to say of the repaired text.
    pub left: Checked,
}

/// Reads the policy at `path`, makes the fixes of its findings, and looks again, until no finding has one.
///
/// Fixes of warnings are made only where no error is left: a warning may be a consequence of an error.
/// A text that was there before is not gone back to, so two fixes that undo each other come to an end.
#[must_use]
pub fn fix(files: &dyn Files, path: &str, options: &Options) -> Fixed {
    let mut left = check(files, path, options);
    let first = FileId::default();
    let Some(original) = left.sources.get(first).map(|file| file.text.clone()) else {
        return Fixed { text: None, made: Vec::new(), left };
    };
    let mut made = Vec::new();
    let mut text = original.clone();
    let mut seen = BTreeSet::from([text.clone()]);
    for _ in 0..ROUNDS_MAX {
        let errors = msb_diag::has_errors(&left.diagnostics);
        let fixable = |found: &&Diagnostic| found.fix.is_some() && (found.is_error() || !errors);
        let found: Vec<&Diagnostic> = left.diagnostics.iter().filter(fixable).collect();
        let fixes: Vec<&Fix> = found.iter().filter_map(|found| found.fix.as_ref()).collect();
        let (repaired, indices) = apply(&text, first, fixes);
        if indices.is_empty() || !seen.insert(repaired.clone()) {
            break;
        }
        let repairs = indices.into_iter().filter_map(|index| found.get(index));
        made.extend(repairs.map(|found| ((*found).clone(), left.sources.clone())));
        text = repaired;
        left = check(&Instead { files, path, text: &text }, path, options);
    }
    let text = Some(text).filter(|text| *text != original);
    Fixed { text, made, left }
}

/// The files, one of them with another text.
pub(crate) struct Instead<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
}

impl Files for Instead<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        if path == self.path { Ok(self.text.as_bytes().to_vec()) } else { self.files.read(path) }
    }
}
