//! nom over tokens: the input type, and the parsers of single tokens from which the grammar is built.
//!
//! Every parser of a single token that does not match notes what it wanted at the furthest place that
//! was reached. So nom's own errors carry nothing, backtracking is free, and the message can name all
//! that would have been right there.

use crate::ast::{Name, Spanned};
use crate::token::{Kind, Token};
use msb_diag::{Diagnostic, FileId, Span, codes};
use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Input, Needed};
use std::cell::{Cell, RefCell};

/// Deepest nesting of brackets, lists, types and conditions.
pub(crate) const DEPTH_MAX: u8 = 64;

/// The result of a parser.
pub(crate) type Parsed<'a, O> = IResult<Tokens<'a>, O, Failed>;

/// A parser did not match; [`Context`] knows where and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

impl ParseError<Tokens<'_>> for Failed {
    fn from_error_kind(_: Tokens<'_>, _: ErrorKind) -> Failed {
        Failed
    }

    fn append(_: Tokens<'_>, _: ErrorKind, _: Failed) -> Failed {
        Failed
    }
}

/// The tokens that are left, and what all parsers of a file share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens<'a> {
    /// At least one; the last of a file is [`Kind::End`], which no parser takes.
    rest: &'a [Token],
    /// How deep [`nested`] is.
    depth: u8,
    /// Shared by all.
    pub(crate) context: &'a Context<'a>,
}

/// What is known of a file while it is parsed.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    file: FileId,
    /// The text of the file.
    pub(crate) text: &'a str,
    /// The span of everything, for text that stands nowhere as it is.
    whole: Option<Span>,
    tokens: &'a [Token],
    /// What is wrong so far.
    pub(crate) found: RefCell<Vec<Diagnostic>>,
    /// The index of the furthest token at which a parser did not match.
    furthest: Cell<usize>,
    /// What would have matched there.
    expected: RefCell<Vec<Expected>>,
    /// The index of the token at which the last error was given.
    pub(crate) reported: Cell<Option<usize>>,
    /// The indices of tokens at which the parser gave errors of its own.
    pub(crate) explained: RefCell<Vec<usize>>,
    /// Tokens that were skipped after an error: from the one where it was to the one where parsing went on.
    skipped: RefCell<Vec<(usize, usize)>>,
    /// Whether an error said that a `}` is missing.
    pub(crate) unclosed: Cell<bool>,
    /// Whether an error said that a `}` stands where none belongs.
    pub(crate) closed_early: Cell<bool>,
    /// Whether the file is no policy at all, so that nothing else is to be said of it.
    pub(crate) foreign: Cell<bool>,
    /// The end of the edit that the last error names: what it replaces begins no rule.
    pub(crate) repaired: Cell<u32>,
}

/// What would have matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// This sign or word.
    Literal(&'static str),
    /// A word of this kind: `an option`.
    Choice(&'static str, &'static [&'static str]),
    /// Something with a description of its own: `a path`.
    Kind(&'static str),
}

impl<'a> Context<'a> {
    pub(crate) fn new(file: FileId, text: &'a str, tokens: &'a [Token]) -> Context<'a> {
        Context::of_fragment(file, text, tokens, None)
    }

    /// Of a text whose spans are all `whole`, where it is given.
    pub(crate) fn of_fragment(
        file: FileId,
        text: &'a str,
        tokens: &'a [Token],
        whole: Option<Span>,
    ) -> Context<'a> {
        Context {
            file,
            text,
            whole,
            tokens,
            found: RefCell::default(),
            furthest: Cell::new(0),
            expected: RefCell::default(),
            reported: Cell::new(None),
            explained: RefCell::default(),
            skipped: RefCell::default(),
            unclosed: Cell::new(false),
            closed_early: Cell::new(false),
            foreign: Cell::new(false),
            repaired: Cell::new(0),
        }
    }

    /// All tokens.
    pub(crate) fn start(&'a self) -> Tokens<'a> {
        Tokens { rest: self.tokens, depth: 0, context: self }
    }

    /// The furthest place at which a parser did not match, and what would have.
    pub(crate) fn furthest(&'a self) -> (Tokens<'a>, Vec<Expected>) {
        (self.start().take_from(self.furthest.get()), self.expected.borrow().clone())
    }

    /// Whether more `}` stand in the file than `{`.
    pub(crate) fn closes_more(&self) -> bool {
        let count = |sign| self.tokens.iter().filter(|token| token.kind == Kind::Sign(sign)).count();
        count("}") > count("{")
    }

    /// The tokens from this index on, the end at least.
    pub(crate) fn nth(&'a self, index: usize) -> Tokens<'a> {
        self.start().take_from(index.min(self.tokens.len().saturating_sub(1)))
    }

    /// Notes that nothing was made of what stands between.
    pub(crate) fn skip_between(&self, from: Tokens<'_>, to: Tokens<'_>) {
        if from.index() < to.index() {
            self.skipped.borrow_mut().push((from.index(), to.index()));
        }
    }

    /// Takes from `found`, what the lexer has said, all that follows from an error of the parser: what it
    /// says better itself, and what stands in the rest of a rule that was given up.
    pub(crate) fn drop_consequences(&self, found: &mut Vec<Diagnostic>) {
        let start = |index: usize| self.tokens.get(index).map_or(u32::MAX, |token| token.start);
        let end = |index: usize| self.tokens.get(index).map_or(u32::MAX, |token| token.end);
        let explained = self.explained.borrow();
        let skipped = self.skipped.borrow();
        found.retain(|one| {
            let Some(span) = one.span().filter(|_| one.is_error()) else { return true };
            let repaired = self.found.borrow().iter().any(|error| {
                let edits = error.fix.iter().flat_map(|fix| &fix.edits);
                edits.map(|edit| edit.span).any(|whole| whole.start <= span.start && span.end <= whole.end)
            });
            let said = explained.iter().any(|&at| start(at) <= span.start && span.end <= end(at));
            // A value that is malformed by itself is a mistake of its own.
            let sign = self.text.get(span.start as usize..).and_then(|rest| rest.chars().next());
            let stray = sign.is_some_and(|c| c.is_ascii_punctuation() && !"\"'`$@[/.".contains(c));
            let given_up = skipped.iter().any(|&(from, to)| {
                let behind = end(from) <= span.start && span.start < start(to);
                behind && (stray || end(from) == span.start)
            });
            !(said || given_up || repaired)
        });
    }

    /// The text of a token.
    pub(crate) fn text_of(&self, token: &Token) -> &'a str {
        self.text.get(token.range()).unwrap_or_default()
    }

    /// Where a token is. The end of the file is shown behind the last token, not below empty lines.
    pub(crate) fn span_of(&self, token: &Token) -> Span {
        if let Some(whole) = self.whole {
            return whole;
        }
        let (mut start, mut end) = (token.start, token.end);
        if token.kind == Kind::End {
            let last = self.tokens.len().checked_sub(2).and_then(|index| self.tokens.get(index));
            end = last.map_or(0, |last| last.end);
            start = end;
        }
        Span { file: self.file, start, end }
    }
}

impl<'a> Tokens<'a> {
    /// The next token; [`Kind::End`] at the end.
    pub(crate) fn next(self) -> &'a Token {
        const END: Token = Token { kind: Kind::End, start: 0, end: 0, first_on_line: true };
        self.rest.first().unwrap_or(&END)
    }

    /// The token after the next.
    pub(crate) fn after_next(self) -> &'a Token {
        self.skip().next()
    }

    /// Without the next token; the end stays.
    pub(crate) fn skip(self) -> Tokens<'a> {
        if self.rest.len() > 1 { self.take_from(1) } else { self }
    }

    /// Whether no token is left.
    pub(crate) fn is_end(self) -> bool {
        self.next().kind == Kind::End
    }

    /// The index of the next token.
    pub(crate) fn index(self) -> usize {
        self.context.tokens.len() - self.rest.len()
    }

    /// The text of the next token.
    pub(crate) fn text(self) -> &'a str {
        self.context.text_of(self.next())
    }

    /// The next token's place.
    pub(crate) fn span(self) -> Span {
        self.context.span_of(self.next())
    }

    /// What has to stand in the place of the next token if it is taken away: a blank, if nothing else divides
    /// what stands before it from what comes after.
    pub(crate) fn gap(self) -> &'static str {
        let range = self.next().range();
        let before = self.context.text.get(..range.start).and_then(|text| text.chars().next_back());
        let after = self.context.text.get(range.end..).and_then(|text| text.chars().next());
        let joins = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace());
        if joins(before) && joins(after) { " " } else { "" }
    }

    /// Whether the next token is this sign.
    pub(crate) fn at_sign(self, sign: &str) -> bool {
        matches!(self.next().kind, Kind::Sign(found) if found == sign)
    }

    /// Whether the next token is a word out of `words`.
    pub(crate) fn at_word(self, words: &[&str]) -> bool {
        self.next().kind == Kind::Word && words.contains(&self.text())
    }

    /// From the next token to the last one that is not in `rest`.
    pub(crate) fn span_to(self, rest: Tokens<'a>) -> Span {
        let last = rest.index().checked_sub(1).and_then(|index| self.context.tokens.get(index));
        let start = self.span();
        match last {
            Some(last) if rest.index() > self.index() => start.to(self.context.span_of(last)),
            _ => Span { end: start.start, ..start },
        }
    }

    /// Notes what would have matched here.
    pub(crate) fn expect(self, expected: Expected) {
        let context = self.context;
        let index = self.index();
        let mut all = context.expected.borrow_mut();
        if index > context.furthest.get() {
            context.furthest.set(index);
            all.clear();
        }
        if index == context.furthest.get() && !all.contains(&expected) {
            all.push(expected);
        }
    }

    /// Notes it and fails.
    pub(crate) fn fail<O>(self, expected: Expected) -> Parsed<'a, O> {
        self.expect(expected);
        Err(nom::Err::Error(Failed))
    }
}

impl<'a> Input for Tokens<'a> {
    type Item = &'a Token;
    type Iter = std::slice::Iter<'a, Token>;
    type IterIndices = std::iter::Enumerate<std::slice::Iter<'a, Token>>;

    fn input_len(&self) -> usize {
        self.rest.len()
    }

    fn take(&self, index: usize) -> Self {
        Tokens { rest: &self.rest[..index], ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        Tokens { rest: &self.rest[index..], ..*self }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.rest.iter().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.rest.iter()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.rest.iter().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        if self.rest.len() >= count { Ok(count) } else { Err(Needed::new(count - self.rest.len())) }
    }
}

/// A token from whose kind and text `value` makes something.
pub(crate) fn token<'a, O>(
    what: &'static str,
    value: impl Fn(&'a Kind, &'a str) -> Option<O>,
) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Spanned<O>> {
    move |input: Tokens<'a>| match value(&input.next().kind, input.text()) {
        Some(node) => Ok((input.skip(), Spanned { node, span: input.span() })),
        None => input.fail(Expected::Kind(what)),
    }
}

/// This sign.
pub(crate) fn sign<'a>(text: &'static str) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Span> {
    move |input: Tokens<'a>| {
        if input.at_sign(text) {
            return Ok((input.skip(), input.span()));
        }
        input.fail(Expected::Literal(text))
    }
}

/// This word.
pub(crate) fn word<'a>(text: &'static str) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Span> {
    move |input: Tokens<'a>| {
        if input.at_word(&[text]) {
            return Ok((input.skip(), input.span()));
        }
        input.fail(Expected::Literal(text))
    }
}

/// A word out of `words`; `what` describes them all.
pub(crate) fn one_of<'a>(
    what: &'static str,
    words: &'static [&'static str],
) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Name> {
    move |input: Tokens<'a>| {
        if input.at_word(words) {
            let name = Spanned { node: input.text().to_owned(), span: input.span() };
            return Ok((input.skip(), name));
        }
        input.fail(Expected::Choice(what, words))
    }
}

/// Any word; `what` says what it is for.
pub(crate) fn name<'a>(what: &'static str) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Name> {
    token(what, |kind, text| (*kind == Kind::Word).then(|| text.to_owned()))
}

/// A whole number without a unit.
pub(crate) fn integer<'a>(what: &'static str) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Spanned<u64>> {
    token(what, |kind, _| match kind {
        Kind::Int(value) => Some(*value),
        _ => None,
    })
}

/// A string.
pub(crate) fn string<'a>(what: &'static str) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Spanned<String>> {
    token(what, |kind, _| match kind {
        Kind::Text(value) => Some(value.to_string()),
        _ => None,
    })
}

/// `$name` alone, without the `$`.
pub(crate) fn var<'a>(what: &'static str) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Name> {
    token(what, |kind, text| match kind {
        Kind::Var if !text.contains('/') => text.strip_prefix('$').map(str::to_owned),
        _ => None,
    })
}

/// `parser`, one level deeper; beyond [`DEPTH_MAX`] it gives a diagnostic and stops the rule.
pub(crate) fn nested<'a, O>(
    mut parser: impl FnMut(Tokens<'a>) -> Parsed<'a, O>,
) -> impl FnMut(Tokens<'a>) -> Parsed<'a, O> {
    move |input: Tokens<'a>| {
        if input.depth >= DEPTH_MAX {
            let message = format!("nesting is deeper than {DEPTH_MAX} levels");
            let found = Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, message)
                .label(input.span(), "")
                .help("write it with fewer levels, or give parts of it a name");
            input.context.found.borrow_mut().push(found);
            input.context.reported.set(Some(input.index()));
            input.fail::<()>(Expected::Kind("fewer levels")).ok();
            return Err(nom::Err::Failure(Failed));
        }
        let (rest, output) = parser(Tokens { depth: input.depth + 1, ..input })?;
        Ok((Tokens { depth: input.depth, ..rest }, output))
    }
}

/// What `parser` gives, with its span.
pub(crate) fn spanned<'a, O>(
    mut parser: impl FnMut(Tokens<'a>) -> Parsed<'a, O>,
) -> impl FnMut(Tokens<'a>) -> Parsed<'a, (O, Span)> {
    move |input: Tokens<'a>| {
        let (rest, output) = parser(input)?;
        Ok((rest, (output, input.span_to(rest))))
    }
}
