//! What the tests of the compiler share: one file in memory, and the folders of the language.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use msb_compile::{Checked, Compiled, Detail, Files, Options, ReadError};
use std::path::{Path, PathBuf};

/// A file that is only in memory, and may not be text.
pub(crate) struct Memory<'a>(pub(crate) &'a [u8]);

impl Files for Memory<'_> {
    fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.to_vec())
    }
}

/// A file in memory, and beside it the folders of the language that have policies.
pub(crate) struct Beside<'a>(pub(crate) &'a str, pub(crate) &'a [u8]);

impl Files for Beside<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        if path == self.0 {
            return Ok(self.1.to_vec());
        }
        let folders = ["conformance/reject", "conformance/accept", "examples", "spec"];
        let found =
            folders.iter().find_map(|folder| std::fs::read(policy_lang().join(folder).join(path)).ok());
        found.ok_or_else(|| ReadError { reason: "no such file or directory".to_owned() })
    }
}

/// `policy-lang/` of this repository.
#[must_use]
pub(crate) fn policy_lang() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy-lang")
}

/// The files of a folder of `policy-lang/` whose names end in `.EXTENSION`, sorted, with their content.
#[must_use]
pub(crate) fn files(folder: &str, extension: &str) -> Vec<(String, Vec<u8>)> {
    let folder = policy_lang().join(folder);
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap_or_else(|failure| panic!("{}: {failure}", folder.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == extension))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a file"))
        })
        .collect();
    all.sort();
    all
}

/// What the compiler says of `text`, as a file called `name`.
#[must_use]
pub(crate) fn check(name: &str, text: impl AsRef<[u8]>) -> Checked {
    // What no assertion is about is said where it is asked for.
    let detail = if name.contains("coverage") { Detail::Coverage } else { Detail::Findings };
    // So is what goes beyond a ceiling.
    let ceiling = name.contains("ceiling").then(|| "imports/org.msb".to_owned());
    let options = Options { detail, ceiling, ..Options::default() };
    msb_compile::check(&Beside(name, text.as_ref()), name, &options)
}

/// The plan of `text`, as a file called `name`.
#[must_use]
pub(crate) fn compile(name: &str, text: impl AsRef<[u8]>) -> Compiled {
    let ceiling = name.contains("ceiling").then(|| "imports/org.msb".to_owned());
    let options = Options { ceiling, ..Options::default() };
    msb_compile::compile(&Beside(name, text.as_ref()), name, &options)
}

/// The findings as text.
#[must_use]
pub(crate) fn rendered(checked: &Checked) -> String {
    msb_diag::render(&checked.diagnostics, &checked.sources, msb_diag::Style::default())
}

/// The codes of the findings, in their order.
#[must_use]
pub(crate) fn codes(checked: &Checked) -> Vec<String> {
    checked.diagnostics.iter().map(|found| found.code.to_string()).collect()
}

/// The code blocks of a page that begin with ```` ```msb accept ```` or ```` ```msb reject MSBnnnn ````: what
/// follows `msb` on the first line, and the text.
#[must_use]
pub(crate) fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(head)) => {
                let head = head.strip_prefix("msb ").unwrap_or("").trim();
                open = Some((head.to_owned(), String::new()));
            }
            (Some(_), Some(_)) => {
                blocks.extend(open.take().filter(|(head, _)| !head.is_empty()));
            }
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a code block has no end");
    blocks
}
