//! What the lexer gives the parser: kinds of tokens with their values, and where they stand.
//!
//! Keywords are contextual, so there are none here: `read` is a [`Kind::Word`], and the place decides
//! whether it is a verb of `fs` or a system call.

use std::ops::Range;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// First byte.
    pub(crate) start: u32,
    /// One past the last byte.
    pub(crate) end: u32,
    /// Whether only white space stands before it on its line. The grammar knows no lines; recovery
    /// uses this to tell a forgotten `}` from a name that looks like a keyword.
    pub(crate) first_on_line: bool,
}

impl Token {
    /// Its bytes in the text.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The kinds of tokens. Values are exact; where one was out of range, the lexer has said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `fs`, `io_uring_setup`, `coding-agent`, `MSB0611`, `GITHUB_TOKEN`.
    Word,
    /// `LC_*`: an upper-case word and a star.
    Pattern,
    /// `@basic-io`.
    Group,
    /// `$repo`, `$repo/.git`.
    Var,
    /// `/a`, `~/a`, `./a`, `../a`, `**/a`.
    Path,
    /// `"text"` with escapes resolved.
    Text(Box<str>),
    /// `r"text"`.
    Regex,
    /// `12`, `0x1f`.
    Int(u64),
    /// `1.5GiB` in bytes.
    Size(u64),
    /// `1h30min` in microseconds.
    Duration(u64),
    /// `10/min`: count and period in microseconds.
    Rate(u64, u64),
    /// `150%`.
    Percent(u64),
    /// `10.0.0.0/8`, `[::1]`.
    Address,
    /// `## text`.
    Doc,
    /// Punctuation.
    Sign(&'static str),
    /// Something that is no token; the lexer has said so.
    Bad,
    /// After the last token.
    End,
}

/// Every punctuation mark, the longer of two with the same beginning first. `>=` is not among them:
/// `list<int>=` has to be read as a closing `>`, so the parser joins `>` and `=` where it compares.
pub(crate) const SIGNS: [&str; 22] = [
    "->", "==", "!=", "<=", "..", "{", "}", "(", ")", "[", "]", ",", ":", ".", "=", "<", ">", "|", "&", "+",
    "?", "-",
];

/// Bytes of a bare path.
pub(crate) fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._+@%=~*?/-".contains(&byte)
}

/// Bytes of a word, `-` apart: a `-` belongs to the word where one of these follows.
pub(crate) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
