//! Files in, plan and diagnostics out: the passes of the compiler in their order.
//!
//! A file whose name ends in `.yaml`, `.yml` or `.json` is read as that, any other as the language.
//! Nothing here does IO. Files come in through [`Files`], findings go out as values, and the same text
//! gives the same bytes. A plan exists only if there is no error.

mod failure;
mod fix;

pub use fix::{Fixed, fix};

use msb_diag::{Diagnostic, Sources, codes, has_errors, sort};
use msb_policy::Policy;
use std::fmt;

/// Where the text of a policy comes from.
pub trait Files {
    /// The content of the file at `path`.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError>;
}

/// Why a file cannot be read, in the words of who reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// Lowercase, such as `no such file or directory`.
    pub reason: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ReadError {}

/// What to compile, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Name of the policy; needed where the file has more than one.
    pub policy: Option<String>,
    /// Whether the plan reports denied calls to a listener.
    pub trace: bool,
}

/// A policy that was checked.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The files that were read: first the one that was asked for, then standard profiles.
    pub sources: Sources,
    /// Everything found, in the order of files and positions.
    pub diagnostics: Vec<Diagnostic>,
    /// What it means; `None` if any finding is an error.
    pub policy: Option<Policy>,
}

/// A policy that was compiled.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The files that were read: first the one that was asked for, then standard profiles.
    pub sources: Sources,
    /// Everything found, in the order of files and positions.
    pub diagnostics: Vec<Diagnostic>,
    /// What it means; `None` if any finding is an error.
    pub policy: Option<Policy>,
    /// The plan, for a launcher; `None` if any finding is an error.
    pub plan: Option<Vec<u8>>,
}

/// Reads and checks the policy at `path`.
#[must_use]
pub fn check(files: &dyn Files, path: &str, options: &Options) -> Checked {
    let mut sources = Sources::default();
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(failure) => {
            let found = Diagnostic::new(codes::CANNOT_READ, format!("cannot read `{path}`: {failure}"))
                .help("give the path of a policy, such as `agent.msb`");
            return Checked { sources, diagnostics: vec![found], policy: None };
        }
    };
    let file = sources.add(path, shown(&bytes));
    let (tree, found) = msb_data::parse_bytes(msb_data::Form::of(path), file, &bytes);
    let (policy, mut found) = understand(&tree, found, options, &mut sources);
    sort(&mut found);
    Checked { sources, diagnostics: found, policy }
}

/// Reads, checks and compiles the policy at `path`.
#[must_use]
pub fn compile(files: &dyn Files, path: &str, options: &Options) -> Compiled {
    let Checked { sources, mut diagnostics, policy } = check(files, path, options);
    let plan = policy.as_ref().and_then(|policy| {
        match msb_emit::emit(policy, msb_emit::Options { trace: options.trace }) {
            Ok(plan) => Some(plan),
            Err(failure) => {
                diagnostics.push(failure::diagnostic(&failure, policy, &sources));
                sort(&mut diagnostics);
                None
            }
        }
    });
    let policy = policy.filter(|_| plan.is_some());
    Compiled { sources, diagnostics, policy, plan }
}

/// resolve → check → accept
fn understand(
    tree: &msb_syntax::ast::File,
    mut found: Vec<Diagnostic>,
    options: &Options,
    sources: &mut Sources,
) -> (Option<Policy>, Vec<Diagnostic>) {
    let whole = !has_errors(&found);
    if !whole && tree.items.is_empty() {
        return (None, found);
    }
    // A tree with holes gives findings about the holes as well; what does stand there is looked at.
    let keep = |more: Vec<Diagnostic>| more.into_iter().filter(move |it| whole || !is_consequence(it));
    let (resolved, more) = msb_resolve::resolve(tree, options.policy.as_deref(), sources);
    found.extend(keep(more));
    let Some(resolved) = resolved else { return (None, found) };
    let (policy, more) = msb_check::check(tree, &resolved, sources);
    found.extend(keep(more));
    let found = msb_check::accept(&resolved, found);
    (policy.filter(|_| !has_errors(&found)), found)
}

/// Whether a finding may be about what the parser could not read, and not about what a person wrote.
fn is_consequence(found: &Diagnostic) -> bool {
    const ABOUT_ABSENCE: &[msb_diag::Code] = &[
        codes::NO_POLICY,
        codes::UNUSED,
        codes::NO_LIMIT,
        codes::EXEC_NOT_ALLOWED,
        codes::DIRECTORY_NOT_SHOWN,
        codes::UNKNOWN_NAME,
        codes::UNKNOWN_GROUP,
        codes::VARIANT_OPEN,
        codes::WRITE_EXEC_INCOMPLETE,
    ];
    ABOUT_ABSENCE.contains(&found.code)
}

/// The text that positions point into. What has no text, or more of it than is read, is shown by its name.
fn shown(bytes: &[u8]) -> String {
    if bytes.len() > msb_syntax::FILE_BYTES_MAX {
        return String::new();
    }
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
