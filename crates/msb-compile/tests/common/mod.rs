//! What the tests of the compiler share: one file in memory, and the folders of the language.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use msb_compile::{Checked, Compiled, Detail, Files, Goal, Options, ReadError};
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
        let folders =
            ["conformance/reject", "conformance/accept", "conformance/examples", "examples", "spec"];
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

/// What is asked for, by the name of the case.
fn options(name: &str) -> Options {
    // What no assertion is about, and what goes beyond a ceiling, is said where it is asked for.
    let detail = match name {
        _ if name.contains("coverage") => Detail::Coverage,
        _ if name.contains("hints") => Detail::Hints,
        _ => Detail::Findings,
    };
    let ceiling = name.contains("ceiling").then(|| "imports/org.msb".to_owned());
    Options { detail, ceiling, ..Options::default() }
}

/// What the compiler says of `text`, as a file called `name`, whether or not this version enforces all of it.
#[must_use]
pub(crate) fn check(name: &str, text: impl AsRef<[u8]>) -> Checked {
    msb_compile::check(&Beside(name, text.as_ref()), name, &options(name))
}

/// The plan of `text`, as a file called `name`. One that covers itself has to have an absolute path.
#[must_use]
pub(crate) fn compile(name: &str, text: impl AsRef<[u8]>) -> Compiled {
    let path = if name.contains("covers-itself") { format!("/policies/{name}") } else { name.to_owned() };
    msb_compile::compile(&Beside(&path, text.as_ref()), &path, &options(name))
}

/// The same, for who asks whether a policy is right: what this version does not launch is a hint.
#[must_use]
pub(crate) fn findings(name: &str, text: impl AsRef<[u8]>) -> Compiled {
    let path = if name.contains("covers-itself") { format!("/policies/{name}") } else { name.to_owned() };
    let options = Options { goal: Goal::Findings, ..options(name) };
    msb_compile::compile(&Beside(&path, text.as_ref()), &path, &options)
}

/// The findings as text.
#[must_use]
pub(crate) fn rendered(compiled: &Compiled) -> String {
    msb_diag::render(&compiled.diagnostics, &compiled.sources, msb_diag::Style::default())
}

/// The codes of the findings, in their order.
#[must_use]
pub(crate) fn codes(compiled: &Compiled) -> Vec<String> {
    compiled.diagnostics.iter().map(|found| found.code.to_string()).collect()
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

/// The cases of `conformance/diff`: a name, of which there is `NAME.old.msb`, `NAME.new.msb` and `NAME.json`.
#[must_use]
pub(crate) fn versions() -> Vec<String> {
    let names = files("conformance/diff", "json").into_iter();
    names.filter_map(|(name, _)| Some(name.strip_suffix(".json")?.to_owned())).collect()
}

/// One of the two versions of a case of `conformance/diff`.
#[must_use]
pub(crate) fn version(name: &str, which: &str) -> msb_policy::Policy {
    let file = format!("{name}.{which}.msb");
    let text = std::fs::read(policy_lang().join("conformance/diff").join(&file)).expect("both versions");
    let checked = check(&file, text);
    let found = msb_diag::render(&checked.diagnostics, &checked.sources, msb_diag::Style::default());
    checked.policy.unwrap_or_else(|| panic!("{file}:\n{found}"))
}
