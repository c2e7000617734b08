//! Text to tokens to tree, with recovery: nom lives here alone.
//!
//! [`parse`] never fails: it gives a tree of what it understood and a diagnostic for what it did not.
//! Where there is an error among the diagnostics, the tree is for further diagnostics and never for
//! compiling. Limits of the language are checked before work is done, and every input is answered in
//! time linear in its length.

pub mod ast;
mod grammar;
mod habits;
mod lexeme;
mod lexer;
mod number;
mod recover;
mod scan;
mod token;
mod tokens;

pub use grammar::{Fragment, Read, Words, words};
pub use lexeme::{Class, Lexeme, lexemes};

use ast::File;
use msb_diag::{Diagnostic, FileId, Span, codes};

/// The edition of the language that this version reads.
pub const EDITION: u64 = 2026;

/// Longest policy file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Most words, values and signs of a policy file: room for ten thousand rules. Checking takes time in proportion.
pub const TOKENS_MAX: usize = 131_072;

/// The tree of a file and what is wrong with it, in the order of positions.
///
/// Nothing panics and no error is dropped: after 100 of them a last one says that the rest of the file
/// was not read.
///
/// ```
/// let (file, found) = msb_syntax::parse(msb_diag::FileId(0), "edition 2026\npolicy p { net none }\n");
/// assert!(found.is_empty());
/// assert_eq!(file.items.len(), 1);
/// ```
#[must_use]
pub fn parse(file: FileId, text: &str) -> (File, Vec<Diagnostic>) {
    if let Some(found) = too_long(file, text.len()) {
        return (File::default(), vec![found]);
    }
    let lexer::Lexed { tokens, mut found, .. } = lexer::lex(file, text);
    let mut tree = File::default();
    if let Some(beyond) = tokens.get(TOKENS_MAX).filter(|_| tokens.len() > TOKENS_MAX + 1) {
        found.retain(|one| one.span().is_some_and(|span| span.start < beyond.start));
        found.push(too_much(Span { file, start: beyond.start, end: beyond.end }));
    } else if !too_many(&found) {
        let context = tokens::Context::new(file, text, &tokens);
        tree = grammar::file(context.start());
        context.drop_consequences(&mut found);
        if context.foreign.get() {
            say_once(&mut found, &context.found.borrow());
        }
        let parser_found = context.found.into_inner();
        drop_repeated(&mut found, &parser_found);
        found.extend(parser_found);
    }
    if too_many(&found) {
        let message = format!("{} errors, and the rest of the file was not read", lexer::ERRORS_MAX);
        // At the end of the text, so that it is shown last.
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let help = "repair these first; if this is not a policy, give another file";
        let stop = Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, message);
        found.push(stop.label(Span { file, start: end, end }, "").help(help));
    }
    msb_diag::sort(&mut found);
    (tree, found)
}

/// Reads a request, as it stands in a claim: `open /etc/passwd for read`. `None` if something is wrong with it.
///
/// ```
/// let (probe, found) = msb_syntax::parse_request(msb_diag::FileId(0), "syscall mmap(prot: PROT_EXEC)");
/// assert!(probe.is_some() && found.is_empty());
/// ```
#[must_use]
pub fn parse_request(file: FileId, text: &str) -> (Option<ast::Probe>, Vec<Diagnostic>) {
    if let Some(found) = too_long(file, text.len()) {
        return (None, vec![found]);
    }
    let lexer::Lexed { tokens, mut found, .. } = lexer::lex(file, text);
    let context = tokens::Context::new(file, text, &tokens);
    let probe = grammar::request(context.start());
    found.extend(context.found.into_inner());
    msb_diag::sort(&mut found);
    (probe.filter(|_| !msb_diag::has_errors(&found)), found)
}

/// [`parse`] of a file as it was read, which may not be text at all.
///
/// To show the diagnostics, add the file to the sources with [`String::from_utf8_lossy`]: up to the
/// first wrong byte, positions are the same.
#[must_use]
pub fn parse_bytes(file: FileId, bytes: &[u8]) -> (File, Vec<Diagnostic>) {
    match text_of(file, bytes) {
        Ok(text) => parse(file, text),
        Err(found) => (File::default(), vec![*found]),
    }
}

/// `bytes` as text.
///
/// # Errors
/// One diagnostic: the file is longer than [`FILE_BYTES_MAX`], is a compiled plan, or is not UTF-8.
pub fn text_of(file: FileId, bytes: &[u8]) -> Result<&str, Box<Diagnostic>> {
    /// The first bytes of a binary plan (`msb-plan`, of which this crate knows no more).
    const PLAN_MAGIC: &[u8] = b"MSBP";
    if let Some(found) = too_long(file, bytes.len()) {
        return Err(Box::new(found));
    }
    let at = |start: usize, end: usize| {
        let offset = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        Span { file, start: offset(start), end: offset(end) }
    };
    // A text may begin with these letters too, but then no version number with a zero byte follows.
    if bytes.starts_with(PLAN_MAGIC) && bytes.iter().take(PLAN_MAGIC.len() + 2).any(|&byte| byte == 0) {
        let found = Diagnostic::new(codes::NOT_TEXT, "the file is a compiled plan, not a policy")
            .label(at(0, PLAN_MAGIC.len()), "")
            .help("give the `.msb` file that it was compiled from");
        return Err(Box::new(found));
    }
    let other = [(&b"\xff\xfe"[..], "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\x7fELF", "a program")];
    let other = other.into_iter().find(|(begin, _)| bytes.starts_with(begin)).map(|(_, what)| what);
    if let Some(what) = other {
        let found = Diagnostic::new(codes::NOT_TEXT, format!("the file is {what}, and not UTF-8 text"))
            .label(at(0, 1), "")
            .help(if what == "UTF-16" { "save the file as UTF-8" } else { "give the `.msb` file" });
        return Err(Box::new(found));
    }
    std::str::from_utf8(bytes).map_err(|wrong| {
        let byte = wrong.valid_up_to();
        let found = Diagnostic::new(codes::NOT_TEXT, format!("not UTF-8 text at byte {byte}"))
            .label(at(byte, byte + 1), "")
            .help("save the file as UTF-8; if it is a compiled plan or a program, give the `.msb` file");
        Box::new(found)
    })
}

fn too_long(file: FileId, bytes: usize) -> Option<Diagnostic> {
    (bytes > FILE_BYTES_MAX).then(|| {
        Diagnostic::new(
            codes::LIMIT_OF_THE_LANGUAGE,
            format!("the file is longer than {} MiB, and no policy is", FILE_BYTES_MAX >> 20),
        )
        .label(Span { file, start: 0, end: 0 }, "")
        .help("check that this is the file you meant: a policy is a page or two")
    })
}

/// A file has more in it than any policy: it goes on at `span`.
#[must_use]
pub fn too_much(span: Span) -> Diagnostic {
    let message = format!("the file has more than {TOKENS_MAX} words and signs, and no policy has");
    Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, message)
        .label(span, "the rest was not read")
        .help("name directories, groups and patterns of hosts in place of what is in them")
}

/// Leaves one error for a file of another language: the parser's, or the first of the lexer.
fn say_once(found: &mut Vec<Diagnostic>, by_parser: &[Diagnostic]) {
    if msb_diag::has_errors(by_parser) {
        return found.retain(|one| one.code == codes::INVISIBLE_CHARACTER);
    }
    msb_diag::sort(found);
    let first = found.iter().position(Diagnostic::is_error);
    found.truncate(first.map_or(found.len(), |first| first + 1));
}

fn too_many(found: &[Diagnostic]) -> bool {
    found.iter().filter(|one| one.is_error()).count() >= lexer::ERRORS_MAX
}

/// Drops the warning about an invisible character in a string which the parser, knowing that the string
/// is a path, has found to be an error.
fn drop_repeated(found: &mut Vec<Diagnostic>, by_parser: &[Diagnostic]) {
    let errors: Vec<Span> = by_parser
        .iter()
        .filter(|one| one.code == codes::INVISIBLE_CHARACTER)
        .filter_map(Diagnostic::span)
        .collect();
    found.retain(|one| {
        let inside =
            |span: Span| errors.iter().any(|error| error.start <= span.start && span.end <= error.end);
        one.is_error() || one.code != codes::INVISIBLE_CHARACTER || !one.span().is_some_and(inside)
    });
}
