//! Files in, plan and diagnostics out: the passes of the compiler in their order.
//!
//! A file whose name ends in `.yaml`, `.yml` or `.json` is read as that, any other as the language.
//! Nothing here does IO. Files come in through [`Files`], findings go out as values, and the same text
//! gives the same bytes. A plan exists only if there is no error.

mod change;
mod data;
mod failure;
mod fix;
mod url;

pub use fix::{Fixed, fix};

pub use msb_check::{Change, Detail, Explained, Layer};

use msb_diag::{Diagnostic, Severity, Sources, Span, codes, has_errors, sort};
use msb_policy::Policy;
use msb_syntax::ast;
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
    /// How much is said.
    pub detail: Detail,
    /// What the policy is compiled for.
    pub goal: Goal,
    /// The file of a policy that must allow all that this one does, by a parameter of the same name for each of
    /// its own.
    pub ceiling: Option<String>,
}

/// What a policy is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Goal {
    /// A plan to launch: what this version does not enforce is an error.
    #[default]
    Plan,
    /// What is to be said of it: where the language has what this version does not enforce, the policy may be right all the
    /// same, and a hint says what no launch takes.
    Findings,
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
    /// How many assertions and claims of tests were decided, and how many of them failed.
    pub claims: (usize, usize),
    /// Where each origin of the policy stands, by its number.
    pub spans: Vec<Span>,
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

/// A pass of the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Bytes to a tree.
    Parse,
    /// Names, includes and standard profiles.
    Resolve,
    /// The tree to a policy.
    Check,
    /// Mounts, files, limits and environment.
    Sections,
    /// The system call filter.
    Filter,
    /// The proof that the filter says what the policy says.
    Proof,
    /// The plan's bytes.
    Encode,
}

impl Pass {
    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Resolve => "resolve",
            Self::Check => "check",
            Self::Sections => "sections",
            Self::Filter => "filter",
            Self::Proof => "proof",
            Self::Encode => "encode",
        }
    }
}

/// Reads and checks the policy at `path`.
#[must_use]
pub fn check(files: &dyn Files, path: &str, options: &Options) -> Checked {
    check_observed(files, path, options, &mut |_| ())
}

fn check_observed(files: &dyn Files, path: &str, options: &Options, done: &mut dyn FnMut(Pass)) -> Checked {
    let mut sources = Sources::default();
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(failure) => {
            let found = Diagnostic::new(codes::CANNOT_READ, format!("cannot read `{path}`: {failure}"))
                .help("give the path of a policy, such as `agent.msb`");
            return Checked { sources, ..refused(vec![found]) };
        }
    };
    let file = sources.add(path, shown(&bytes));
    let (tree, found) = msb_data::parse_bytes(msb_data::Form::of(path), file, &bytes);
    done(Pass::Parse);
    let mut checked = understand(files, &tree, found, options, &mut sources, done);
    sort(&mut checked.diagnostics);
    shorten(&mut checked.diagnostics);
    data::worded(&mut checked.diagnostics, &sources);
    Checked { sources, ..checked }
}

/// The names of the policies in the file at `path`, in their order; none where it cannot be read.
#[must_use]
pub fn policies(files: &dyn Files, path: &str) -> Vec<String> {
    let Ok(bytes) = files.read(path) else { return Vec::new() };
    let (tree, _) = msb_data::parse_bytes(msb_data::Form::of(path), msb_diag::FileId(0), &bytes);
    let policy = |item: ast::Item| match item {
        ast::Item::Block(block) if block.kind == ast::BlockKind::Policy => Some(block.name.node),
        _ => None,
    };
    tree.items.into_iter().filter_map(policy).collect()
}

/// What a policy says of one request.
#[derive(Debug, Clone)]
pub struct Answers {
    /// The files that were read, and the request.
    pub sources: Sources,
    /// What is wrong with the policy, or with the request.
    pub diagnostics: Vec<Diagnostic>,
    /// The answers; none where something is wrong.
    pub answers: Vec<Explained>,
}

/// What the policy at `path` says of `request`, written as in a claim: `open /etc/passwd for read`. An edit that is
/// named was made, in memory, and changes the answer.
#[must_use]
pub fn explain(files: &dyn Files, path: &str, options: &Options, request: &str) -> Answers {
    let checked = check(files, path, options);
    let Some(policy) = &checked.policy else {
        return Answers { sources: checked.sources, diagnostics: checked.diagnostics, answers: Vec::new() };
    };
    let mut all = answer(policy, checked.sources.clone(), request);
    for one in &mut all.answers {
        change::tried(files, path, options, request, &checked, one);
    }
    all
}

/// What `policy` says of `request`. It may come from a plan: its sources are not needed.
#[must_use]
pub fn explain_policy(policy: &Policy, request: &str) -> Answers {
    answer(policy, Sources::default(), request)
}

fn answer(policy: &Policy, mut sources: Sources, request: &str) -> Answers {
    let request = url::as_claim(request);
    let id = sources.add("request", request.as_str());
    let (probe, mut found) = msb_syntax::parse_request(id, &request);
    let mut answers = Vec::new();
    if let Some(probe) = probe {
        // The names that a request can use are the parameters.
        let resolved = msb_resolve::Resolved::of_params(policy.params.iter().map(|param| {
            let ty = match param.kind {
                msb_policy::ParamKind::Dir => "dir",
                msb_policy::ParamKind::File => "file",
                msb_policy::ParamKind::Text => "string",
                msb_policy::ParamKind::Host => "host",
                msb_policy::ParamKind::Secret => "secret",
                msb_policy::ParamKind::Number => "int",
            };
            (param.name.as_str(), ty)
        }));
        found.extend(msb_resolve::unknown_in(&probe, &resolved));
        let (all, more) = msb_check::explain(policy, &resolved, &probe, &sources);
        answers = all;
        found.extend(more);
    }
    sort(&mut found);
    Answers { sources, diagnostics: found, answers }
}

fn refused(diagnostics: Vec<Diagnostic>) -> Checked {
    Checked { sources: Sources::default(), diagnostics, policy: None, claims: (0, 0), spans: Vec::new() }
}

/// What a policy imports, read as the policy itself is.
struct Imports<'a>(&'a dyn Files);

impl msb_resolve::Load for Imports<'_> {
    fn load(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.read(path).map_err(|failure| failure.reason)
    }
}

/// Reads, checks and compiles the policy at `path`.
#[must_use]
pub fn compile(files: &dyn Files, path: &str, options: &Options) -> Compiled {
    compile_observed(files, path, options, &mut |_| ())
}

/// The same, and tells `done` after each pass: what it costs is for the caller's clock to say.
#[must_use]
pub fn compile_observed(
    files: &dyn Files,
    path: &str,
    options: &Options,
    done: &mut dyn FnMut(Pass),
) -> Compiled {
    let Checked { sources, mut diagnostics, policy, .. } = check_observed(files, path, options, done);
    let plan = policy.as_ref().and_then(|policy| {
        let mut emitted = |pass| {
            done(match pass {
                msb_emit::Pass::Sections => Pass::Sections,
                msb_emit::Pass::Filter => Pass::Filter,
                msb_emit::Pass::Proof => Pass::Proof,
                msb_emit::Pass::Encode => Pass::Encode,
            });
        };
        let emit_options = msb_emit::Options { trace: options.trace };
        let failure = match msb_emit::emit_observed(policy, emit_options, &mut emitted) {
            Ok(plan) => return Some(plan),
            Err(failure) => failure,
        };
        let mut said = vec![failure::diagnostic(&failure, policy, &sources)];
        if let (msb_emit::EmitError::NotEnforced { .. }, Goal::Findings) = (&failure, options.goal) {
            let later = "nothing to do: `compile` and `run` refuse the policy until they enforce this";
            said = said
                .into_iter()
                .map(|it| Diagnostic { severity: Severity::Hint, ..it }.help(later))
                .collect();
            // The rest of it has to be a plan.
            let rest = msb_emit::emit(&msb_emit::enforceable(policy), emit_options).err();
            said.extend(rest.map(|failure| failure::diagnostic(&failure, policy, &sources)));
        }
        data::worded(&mut said, &sources);
        diagnostics.extend(said);
        sort(&mut diagnostics);
        None
    });
    let policy = policy.filter(|_| plan.is_some());
    Compiled { sources, diagnostics, policy, plan }
}

/// resolve → check → accept. The sources stay with the caller.
fn understand(
    files: &dyn Files,
    tree: &ast::File,
    mut found: Vec<Diagnostic>,
    options: &Options,
    sources: &mut Sources,
    done: &mut dyn FnMut(Pass),
) -> Checked {
    let whole = !has_errors(&found);
    let unread = Unread::of(&found, sources);
    if !whole && tree.items.is_empty() {
        return refused(found);
    }
    // A tree with holes gives findings about the holes as well; what does stand there is looked at.
    let (resolved, more) = msb_resolve::resolve(tree, options.policy.as_deref(), sources, &Imports(files));
    // The same of what it imports.
    let imported = |it: &Diagnostic| it.span().is_some_and(|span| span.file != msb_diag::FileId(0));
    let whole = whole && !more.iter().any(|it| it.is_error() && it.code.0 < 100 && imported(it));
    let keep = |more: Vec<Diagnostic>, sources: &Sources| -> Vec<Diagnostic> {
        let follows = |it: &Diagnostic| is_consequence(it) || unread.explains(it, sources);
        more.into_iter().filter(|it| whole || !follows(it)).collect()
    };
    // What an unknown profile or parent would have brought is not missing.
    let unresolved = has_errors(&more);
    found.extend(keep(more, sources));
    done(Pass::Resolve);
    let Some(resolved) = resolved else { return refused(found) };
    let checked = msb_check::check(tree, &resolved, sources, options.detail);
    let mut more = keep(checked.found, sources);
    more.retain(|it| !(unresolved && OF_WHAT_IS_MISSING.contains(&it.code)));
    found.extend(more);
    if let (Some(ceiling), Some(policy)) = (&options.ceiling, &checked.policy) {
        found.extend(above(files, ceiling, policy, &checked.spans, &resolved, sources));
    }
    // What seems unused is most often what an unknown name was meant to be.
    let mistaken =
        [codes::UNKNOWN_NAME, codes::PATH_NOT_NORMAL, codes::WRONG_TYPE, codes::CANNOT_READ, codes::BAD_HOST];
    if found.iter().any(|it| it.is_error() && mistaken.contains(&it.code)) {
        found.retain(|it| it.code != codes::UNUSED);
    }
    let found = msb_check::accept(&resolved, found);
    done(Pass::Check);
    Checked {
        policy: checked.policy.filter(|_| !has_errors(&found)),
        claims: checked.claims,
        spans: checked.spans,
        ..refused(found)
    }
}

/// Nobody reads thousands of findings; who has so many has a mistake that repeats itself.
fn shorten(found: &mut Vec<Diagnostic>) {
    const FINDINGS_MAX: usize = 200;
    // Warnings alone keep no policy from being compiled, and are all shown.
    if found.len() <= FINDINGS_MAX || !has_errors(found) {
        return;
    }
    let all = found.len();
    let errors = found.iter().filter(|it| it.is_error()).count();
    let mut warnings = FINDINGS_MAX.saturating_sub(errors);
    found.retain(|it| {
        let kept = it.is_error() || warnings > 0;
        warnings -= usize::from(kept && !it.is_error());
        kept
    });
    found.truncate(FINDINGS_MAX);
    if let Some(last) = found.last().and_then(Diagnostic::span) {
        let message = format!("{} findings more are not shown", all - found.len());
        let stop =
            Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, message).label(last, "the last that is shown");
        found.push(stop.help("repair these first"));
    }
}

/// What `policy` allows and the ceiling at `path` does not.
fn above(
    files: &dyn Files,
    path: &str,
    policy: &Policy,
    spans: &[Span],
    resolved: &msb_resolve::Resolved,
    sources: &mut Sources,
) -> Vec<Diagnostic> {
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(failure) => {
            let found = Diagnostic::new(codes::CANNOT_READ, format!("cannot read `{path}`: {failure}"));
            return vec![found.help("give the path of the ceiling, such as `org.msb`")];
        }
    };
    let id = sources.add(path, shown(&bytes));
    let (tree, mut found) = msb_data::parse_bytes(msb_data::Form::of(path), id, &bytes);
    if has_errors(&found) {
        return found;
    }
    let (ceiling, more) = msb_resolve::ceiling(&tree, id, None, resolved, sources, &Imports(files));
    found.extend(more);
    found.retain(Diagnostic::is_error);
    if let Some(ceiling) = ceiling.filter(|_| found.is_empty()) {
        found.extend(msb_check::exceeds(policy, spans, resolved, &ceiling, sources));
    }
    found
}

/// Where the parser found errors: what it made of the text there is a stand-in.
struct Unread {
    spans: Vec<Span>,
    lines: Vec<(msb_diag::FileId, usize)>,
}

impl Unread {
    fn of(found: &[Diagnostic], sources: &Sources) -> Unread {
        let spans: Vec<Span> = found.iter().filter(|it| it.is_error()).filter_map(Diagnostic::span).collect();
        let lines = spans.iter().filter_map(|&span| line(span, sources)).collect();
        Unread { spans, lines }
    }

    /// Whether `it` is about a stand-in, or about what touches one. A warning about the rest of such a line may well be.
    fn explains(&self, it: &Diagnostic, sources: &Sources) -> bool {
        let Some(span) = it.span() else { return false };
        let meets =
            |error: &Span| error.file == span.file && error.start <= span.end && span.start <= error.end;
        self.spans.iter().any(meets)
            || !it.is_error() && line(span, sources).is_some_and(|line| self.lines.contains(&line))
    }
}

fn line(span: Span, sources: &Sources) -> Option<(msb_diag::FileId, usize)> {
    sources.line_column(span).map(|(line, ..)| (span.file, line))
}

/// What is found where rules are missing.
const OF_WHAT_IS_MISSING: &[msb_diag::Code] =
    &[codes::NO_LIMIT, codes::EXEC_NOT_ALLOWED, codes::DIRECTORY_NOT_SHOWN, codes::NO_SOCKETS];

/// Whether a finding may be about what the parser could not read, and not about what a person wrote.
fn is_consequence(found: &Diagnostic) -> bool {
    const ABOUT_ABSENCE: &[msb_diag::Code] = &[
        codes::NO_POLICY,
        codes::WHICH_POLICY,
        codes::UNUSED,
        codes::NO_LIMIT,
        codes::EXEC_NOT_ALLOWED,
        codes::DIRECTORY_NOT_SHOWN,
        codes::BAD_HOST,
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
