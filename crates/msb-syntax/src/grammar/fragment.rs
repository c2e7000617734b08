//! Pieces of the language within other files: the leaves of policies that are written as YAML or JSON.

use super::{claim, syscalls, value};
use crate::ast::{Action, Arg, Claim, Name, PathExpr, QName, Set, Spanned, SysItem, Type, Value};
use crate::lexer::lex_from;
use crate::recover::report;
use crate::tokens::{Context, Expected, Parsed, Tokens, name, one_of, var};
use msb_diag::{Diagnostic, FileId, Span, codes};

/// A text in this language that stands in another file.
#[derive(Debug, Clone, Copy)]
pub struct Fragment<'a> {
    file: FileId,
    text: &'a str,
    start: usize,
    whole: Option<Span>,
    setting: &'a str,
}

/// What a fragment says, if it can be read, and what is wrong with it.
pub type Read<T> = (Option<T>, Vec<Diagnostic>);

impl<'a> Fragment<'a> {
    /// What stands in `text`, the content of `file`, from `start` to `end` as it is: spans are exact.
    /// `None` if there is no such range.
    #[must_use]
    pub fn verbatim(file: FileId, text: &'a str, start: usize, end: usize) -> Option<Fragment<'a>> {
        text.get(start..end)?;
        Some(Fragment { file, text: text.get(..end)?, start, whole: None, setting: "" })
    }

    /// A text that is written in `span` in another way, with escapes for example: every span is `span`.
    #[must_use]
    pub fn written(text: &'a str, span: Span) -> Fragment<'a> {
        Fragment { file: span.file, text, start: 0, whole: Some(span), setting: "" }
    }

    /// The same as the value of `setting`, such as `memory`, which says what a number measures.
    #[must_use]
    pub fn of(self, setting: &'a str) -> Fragment<'a> {
        Fragment { setting, ..self }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text.get(self.start..).unwrap_or_default()
    }

    fn read<T>(self, what: &'static str, mut parser: impl FnMut(Tokens<'_>) -> Parsed<'_, T>) -> Read<T> {
        if self.text().trim().is_empty() {
            let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
            let start = u32::try_from(self.start).unwrap_or(u32::MAX);
            let span = self.whole.unwrap_or(Span { file: self.file, start, end });
            let found = Diagnostic::new(codes::UNEXPECTED, format!("empty text, expected {what}"));
            return (None, vec![found.label(span, "").help(format!("write {what}"))]);
        }
        let lexed = lex_from(self.file, self.text, self.start, self.whole, self.setting);
        if let Some(beyond) = lexed.tokens.get(crate::TOKENS_MAX) {
            let span = Span { file: self.file, start: beyond.start, end: beyond.end };
            return (None, vec![crate::too_much(self.whole.unwrap_or(span))]);
        }
        let context = Context::of_fragment(self.file, self.text, &lexed.tokens, self.whole);
        let read = match parser(context.start()) {
            Ok((rest, read)) if rest.is_end() => Some(read),
            Ok((rest, _)) => {
                rest.expect(Expected::Kind("the end"));
                report(&context, None);
                None
            }
            Err(_) => {
                report(&context, None);
                None
            }
        };
        let mut found = lexed.found;
        found.extend(context.found.into_inner());
        (read.filter(|_| !msb_diag::has_errors(&found)), found)
    }

    /// `deny open /x for read because "…"`
    #[must_use]
    pub fn claim(self) -> Read<Claim> {
        self.read("a claim", |input| claim::claim(input, String::new()))
    }

    /// `mmap where prot has all PROT_WRITE | PROT_EXEC on x86_64`
    #[must_use]
    pub fn system_calls(self) -> Read<SysItem> {
        self.read("a set of system calls", syscalls::item)
    }

    /// `errno EPERM`, `kill`
    #[must_use]
    pub fn action(self) -> Read<Action> {
        self.read("an action", syscalls::any_action)
    }

    /// `@basic-io - {read, write}`
    #[must_use]
    pub fn set(self) -> Read<Set> {
        self.read("a set of system calls", syscalls::set)
    }

    /// The type of a parameter: `dir`, `int(1..20)`.
    #[must_use]
    pub fn parameter_type(self) -> Read<Type> {
        self.read("a type", value::simple_type)
    }

    /// The type of a tool's argument or result.
    #[must_use]
    pub fn tool_type(self) -> Read<Type> {
        self.read("a type", value::tool_type)
    }

    /// A value with its unit, its quotes or its `$`.
    #[must_use]
    pub fn value(self) -> Read<Spanned<Value>> {
        self.read("a value", value::value)
    }

    /// A number, with its unit where it has one, or a parameter.
    #[must_use]
    pub fn quantity(self) -> Read<Spanned<Value>> {
        self.read("a quantity", value::quantity)
    }

    /// `12`, `O_RDONLY`
    #[must_use]
    pub fn constant(self) -> Read<Spanned<Value>> {
        self.read("a constant", value::constant)
    }

    /// `10/min`
    #[must_use]
    pub fn rate(self) -> Read<Spanned<Value>> {
        self.read("a rate", value::rate)
    }

    /// `$name/below`, `@std`, `/bare/path`
    #[must_use]
    pub fn path(self) -> Read<PathExpr> {
        self.read("a path", value::path)
    }

    /// `$name`, without the `$`.
    #[must_use]
    pub fn parameter(self) -> Read<Name> {
        self.read("a parameter", |input| var("a parameter")(input))
    }

    /// A word.
    #[must_use]
    pub fn name(self) -> Read<Name> {
        self.read("a name", |input| name("a name")(input))
    }

    /// A word out of `words`.
    #[must_use]
    pub fn one_of(self, what: &'static str, words: &'static [&'static str]) -> Read<Name> {
        self.read(what, |input| one_of(what, words)(input))
    }

    /// `std.python`
    #[must_use]
    pub fn dotted_name(self) -> Read<QName> {
        self.read("a name", value::qname)
    }

    /// `@name`
    #[must_use]
    pub fn group(self) -> Read<Name> {
        self.read("a group", value::group)
    }

    /// `HOME`, `LC_*`
    #[must_use]
    pub fn variable(self) -> Read<Name> {
        self.read("an environment variable", value::env_pattern)
    }

    /// `MSB0611`
    #[must_use]
    pub fn code(self) -> Read<Name> {
        self.read("a diagnostic code", value::code)
    }

    /// `a: 1`
    #[must_use]
    pub fn argument(self) -> Read<Arg> {
        self.read("an argument", value::arg)
    }

    /// `10.0.0.0/8`, `[::1]`, as written.
    #[must_use]
    pub fn address(self) -> Read<Name> {
        self.read("an address", |input| {
            let (rest, value) = value::value(input)?;
            match value.node {
                Value::Address(text) => Ok((rest, Spanned { node: text, span: value.span })),
                _ => value::expected(input, "an address"),
            }
        })
    }
}
