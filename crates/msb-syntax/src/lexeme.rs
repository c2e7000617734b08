//! The text of a policy as pieces, comments among them and nothing lost: for formatters and editors.
//!
//! The parser needs no comments and drops them. Who rewrites a policy has to keep them, so [`lexemes`]
//! gives them in their places. What lies between two lexemes is white space, and how many lines it ends
//! is kept on the lexeme behind it; lexemes and gaps together are the whole text.

use crate::lexer::{self, Lexed};
use crate::token::Kind;
use msb_diag::FileId;
use std::ops::Range;

/// A token or comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexeme {
    /// What it is.
    pub class: Class,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Line ends between the lexeme before it, or the beginning of the text, and this one.
    pub line_ends_before: u32,
}

impl Lexeme {
    /// Its bytes in the text.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// What was written, in the text that it is of.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// What a lexeme is. Keywords are contextual in this language, so they are words like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// `fs`, `coding-agent`, `MSB0611`, `LC_*`.
    Word,
    /// `@basic-io`
    Group,
    /// `$repo`, `$repo/.git`
    Var,
    /// `/a`, `~/a`
    Path,
    /// `"text"`
    Text,
    /// `r"text"`
    Regex,
    /// `12`, `1.5GiB`, `1h30min`, `10/min`, `150%`
    Number,
    /// `10.0.0.0/8`, `[::1]`
    Address,
    /// `## text`
    Doc,
    /// `# text`
    Comment,
    /// Punctuation.
    Sign,
    /// What is no token, and an error.
    Bad,
}

impl Class {
    fn of(kind: &Kind) -> Option<Class> {
        Some(match kind {
            Kind::Word | Kind::Pattern => Class::Word,
            Kind::Group => Class::Group,
            Kind::Var => Class::Var,
            Kind::Path => Class::Path,
            Kind::Text(_) => Class::Text,
            Kind::Regex => Class::Regex,
            Kind::Int(_) | Kind::Size(_) | Kind::Duration(_) | Kind::Rate(..) | Kind::Percent(_) => {
                Class::Number
            }
            Kind::Address => Class::Address,
            Kind::Doc => Class::Doc,
            Kind::Sign(_) => Class::Sign,
            Kind::Bad => Class::Bad,
            Kind::End => return None,
        })
    }
}

/// The tokens and comments of `text` in their order; of a text with more than 100 wrong tokens, those up
/// to there, and of one beyond [`crate::FILE_BYTES_MAX`] none.
///
/// ```
/// use msb_syntax::{Class, lexemes};
/// let text = "net none  # closed\n\n# the end\n";
/// let found: Vec<_> = lexemes(text).iter().map(|it| (it.class, it.line_ends_before)).collect();
/// assert_eq!(found, [(Class::Word, 0), (Class::Word, 0), (Class::Comment, 0), (Class::Comment, 2)]);
/// ```
#[must_use]
pub fn lexemes(text: &str) -> Vec<Lexeme> {
    if text.len() > crate::FILE_BYTES_MAX {
        return Vec::new();
    }
    let Lexed { tokens, comments, .. } = lexer::lex(FileId::default(), text);
    let mut all = Vec::with_capacity(tokens.len() + comments.len());
    let mut comments = comments.into_iter().peekable();
    let mut before = 0;
    let mut push = |class, start: u32, end: u32| {
        let gap = text.get(before as usize..start as usize).unwrap_or_default();
        let line_ends = gap.bytes().filter(|&byte| byte == b'\n').count();
        let line_ends_before = u32::try_from(line_ends).unwrap_or(u32::MAX);
        all.push(Lexeme { class, start, end, line_ends_before });
        before = end;
    };
    for token in &tokens {
        while let Some((start, end)) = comments.next_if(|comment| comment.0 < token.start) {
            push(Class::Comment, start, end);
        }
        if let Some(class) = Class::of(&token.kind) {
            push(class, token.start, token.end);
        }
    }
    for (start, end) in comments {
        push(Class::Comment, start, end);
    }
    all
}
