//! Text to tokens, in one pass and linear time, with a diagnostic for everything that is no token.
//!
//! A reviewer has to see what the compiler reads: control characters are errors everywhere, invisible
//! and bidirectional characters are errors outside of strings and comments and warnings inside. Where
//! something is wrong but its meaning is plain (a path that needs quotes), the token is made all the
//! same, so that the parser goes on.

use crate::number::{self, Wrong};
use crate::token::{Kind, SIGNS, Token, is_path_byte, is_word_byte};
use msb_diag::{Code, Diagnostic, FileId, Severity, Span, codes, is_invisible};

/// After this many errors the rest of the file is not looked at.
pub(crate) const ERRORS_MAX: usize = 100;

/// After this many warnings no more are given; they do not change what is accepted.
const WARNINGS_MAX: usize = 100;

/// The tokens of `text`, with [`Kind::End`] as the last, and what is wrong with it.
pub(crate) fn lex(file: FileId, text: &str) -> (Vec<Token>, Vec<Diagnostic>) {
    // A token and the blank after it are seldom shorter than four bytes.
    let tokens = Vec::with_capacity(text.len() / 4 + 1);
    let mut lexer =
        Lexer { file, text, at: 0, first_on_line: true, tokens, errors: Vec::new(), warnings: Vec::new() };
    if text.starts_with('\u{feff}') {
        lexer.at = '\u{feff}'.len_utf8();
    }
    while lexer.errors.len() < ERRORS_MAX && lexer.token() {}
    let (at, first_on_line) = (offset(lexer.at), lexer.first_on_line);
    lexer.tokens.push(Token { kind: Kind::End, start: at, end: at, first_on_line });
    let mut found = lexer.errors;
    found.append(&mut lexer.warnings);
    (lexer.tokens, found)
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    at: usize,
    first_on_line: bool,
    tokens: Vec<Token>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl<'a> Lexer<'a> {
    /// Reads white space and one token; false at the end.
    fn token(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return false };
        match first {
            '\n' => {
                self.at += 1;
                self.first_on_line = true;
            }
            ' ' | '\t' => self.at += 1,
            '\r' if rest.starts_with("\r\n") => self.at += 1,
            '#' => self.comment(),
            '"' => self.string(),
            'r' if rest.starts_with("r\"") => self.regex(),
            '0'..='9' => self.number(),
            '$' => self.var(),
            '@' => self.group(),
            _ if path_begins(rest) => self.path(0),
            '[' if ip6_length(rest).is_some() => self.ip6(),
            c if c.is_ascii_alphabetic() || c == '_' => self.word(),
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => self.push(Kind::Sign(sign), sign.len()),
                None => self.junk(),
            },
        }
        true
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let (start, end) = (offset(self.at), offset(self.at + length));
        self.tokens.push(Token { kind, start, end, first_on_line: self.first_on_line });
        self.first_on_line = false;
        self.at += length;
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: offset(start), end: offset(end) }
    }

    /// Notes an error over `length` bytes from here.
    fn error(&mut self, code: Code, length: usize, message: String, help: impl Into<String>) {
        let span = self.span(self.at, self.at + length);
        self.errors.push(Diagnostic::new(code, message).label(span, "").help(help));
    }

    /// Checks the characters of a string or comment: `length` bytes from here.
    fn check_characters(&mut self, length: usize, place: &str) {
        let body = &self.text[self.at..self.at + length];
        let mut invisible = body.char_indices().filter(|&(_, c)| is_invisible(c));
        if let Some((byte, character)) = invisible.next().filter(|_| self.warnings.len() < WARNINGS_MAX) {
            let more = match invisible.count() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let start = self.at + byte;
            let message = format!("{place} has the invisible character {}{more}", name(character));
            self.warnings.push(
                Diagnostic::new(codes::INVISIBLE_CHARACTER, message)
                    .label(self.span(start, start + character.len_utf8()), "")
                    .help("remove it, or type the text anew"),
            );
        }
        let control = body.char_indices().find(|&(byte, c)| {
            // A carriage return that ends no line would hide what follows it in some editors.
            c.is_control() && c != '\t' && !(c == '\r' && self.text[self.at + byte..].starts_with("\r\n"))
        });
        if let Some((byte, character)) = control {
            let start = self.at + byte;
            let message = format!("{place} has the control character {}", name(character));
            self.errors.push(
                Diagnostic::new(codes::UNEXPECTED, message)
                    .label(self.span(start, start + character.len_utf8()), "")
                    .help("remove it; tabs and line ends are the only control characters of a policy"),
            );
        }
    }

    /// `# …` is dropped, `## …` becomes a token.
    fn comment(&mut self) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        self.check_characters(length, "the comment");
        let shown = rest[..length].trim_end_matches('\r').len();
        if rest.starts_with("##") {
            self.push(Kind::Doc, shown);
        } else {
            self.at += shown;
        }
    }

    fn string(&mut self) {
        let rest = self.rest();
        let (length, closed) = quoted_length(&rest[1..]);
        let length = 1 + length;
        self.check_characters(length, "the string");
        if !closed {
            self.error(codes::UNEXPECTED, length, "string has no end".to_owned(), "write `\"` at its end");
        }
        let body = &rest[1..length - usize::from(closed)];
        let value = self.unescape(body);
        self.push(Kind::Text(value.into_boxed_str()), length);
    }

    /// Resolves the escapes of a string's body.
    fn unescape(&mut self, body: &str) -> String {
        let mut value = String::with_capacity(body.len());
        let mut at = 0;
        while let Some(found) = body[at..].find('\\') {
            value.push_str(&body[at..at + found]);
            at += found;
            match escape(&body[at..]) {
                Some((character, length)) => {
                    value.push(character);
                    at += length;
                }
                None => {
                    let length = 1 + body[at + 1..].chars().next().map_or(0, char::len_utf8);
                    let written = &body[at..at + length];
                    let span = self.span(self.at + 1 + at, self.at + 1 + at + length);
                    self.errors.push(
                        Diagnostic::new(codes::UNEXPECTED, format!("unknown escape `{written}`"))
                            .label(span, "")
                            .help("write `\\\"`, `\\\\`, `\\n`, `\\t`, `\\r` or `\\u{e9}`; `\\\\` is a single `\\`"),
                    );
                    at += length;
                }
            }
        }
        value.push_str(&body[at..]);
        value
    }

    fn regex(&mut self) {
        let rest = self.rest();
        let (length, closed) = quoted_length(&rest[2..]);
        let length = 2 + length;
        self.check_characters(length, "the expression");
        if !closed {
            self.error(
                codes::UNEXPECTED,
                length,
                "expression has no end".to_owned(),
                "write `\"` at its end",
            );
        }
        self.push(if closed { Kind::Regex } else { Kind::Bad }, length);
    }

    fn number(&mut self) {
        let (length, kind, wrong) = number::number(self.rest());
        let written = clipped(&self.rest()[..length]);
        if let Some(wrong) = wrong {
            let (code, message, help) = match wrong {
                Wrong::TooBig => {
                    let help =
                        format!("write at most `{}`, in bytes or microseconds where it has a unit", u64::MAX);
                    (codes::NUMBER_OUT_OF_RANGE, format!("`{written}` is too big"), help)
                }
                Wrong::Unit(help) => {
                    (codes::NUMBER_WITHOUT_UNIT, format!("`{written}` has no known unit"), help)
                }
                Wrong::Fraction(help) => (
                    codes::NUMBER_WITHOUT_UNIT,
                    format!("`{written}` has a fraction, which only sizes have"),
                    help,
                ),
                Wrong::LeadingZero(help) => (
                    codes::UNEXPECTED,
                    format!("`{written}` begins with a zero, which could mean octal"),
                    help,
                ),
                Wrong::Hex => {
                    let help = "write `0x` and the digits `0` to `9`, `a` to `f`".to_owned();
                    (codes::UNEXPECTED, format!("`{written}` is not a hexadecimal number"), help)
                }
                Wrong::Address => {
                    let help = "write four numbers of at most 255, such as `10.0.0.0/8`".to_owned();
                    (codes::UNEXPECTED, format!("`{written}` is not an address"), help)
                }
            };
            self.error(code, length, message, help);
        }
        self.push(kind, length);
    }

    fn var(&mut self) {
        let rest = self.rest();
        let bytes = &rest.as_bytes()[1..];
        let is_name = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
        let name = bytes.iter().position(|b| !is_name(b)).unwrap_or(bytes.len());
        let glued = bytes.get(name).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-' || !b.is_ascii());
        if name == 0 || bytes[0].is_ascii_digit() || glued {
            let length = 1 + word_run(&rest[1..]);
            let message = format!("`{}` is not the name of a parameter", clipped(&rest[..length]));
            let help = "write `$` and lower-case letters, digits and `_`, such as `$out_dir`";
            self.error(codes::UNEXPECTED, length, message, help);
            self.push(Kind::Bad, length);
        } else if bytes.get(name) == Some(&b'/') {
            self.path(1 + name);
        } else {
            self.push(Kind::Var, 1 + name);
        }
    }

    /// A bare path, of which the first `prefix` bytes (`$name`) are read already.
    fn path(&mut self, prefix: usize) {
        let rest = self.rest();
        let mut length = prefix + path_run(&rest[prefix..]);
        let next = rest[length..].chars().next();
        if next.is_some_and(|c| !c.is_whitespace() && !matches!(c, ',' | ')' | ']' | '}')) {
            // What is glued to the path was meant to belong to it; to leave it out would change the rule.
            let end =
                |c: char| c.is_whitespace() || matches!(c, ',' | ')' | ']' | '}' | '{') || c.is_control();
            let glued = rest[length..].find(end).unwrap_or(rest.len() - length);
            let character = next.unwrap_or_default();
            length +=
                if character == '{' { braces(&rest[length..]) } else { glued.max(character.len_utf8()) };
            let written = clipped(&rest[..length]);
            let message = format!("path `{written}` has {} and needs quotes", name(character));
            if is_invisible(character) {
                let message = format!("path `{written}` has the invisible character {}", name(character));
                self.error(codes::INVISIBLE_CHARACTER, length, message, "remove it, or type the path anew");
                self.raise_last();
            } else {
                let help = match character {
                    '{' => "write a path for each alternative; `{` has no meaning in paths".to_owned(),
                    '#' => "write a space before the comment, or quotes round the path".to_owned(),
                    _ if rest.starts_with('$') => {
                        "rename it: what follows a parameter cannot be quoted".to_owned()
                    }
                    _ => format!("write `\"{written}\"`"),
                };
                self.error(codes::PATH_NEEDS_QUOTES, length, message, help);
            }
        }
        self.push(if prefix > 0 { Kind::Var } else { Kind::Path }, length);
    }

    /// The last error was given with a code that is a warning elsewhere.
    fn raise_last(&mut self) {
        if let Some(last) = self.errors.pop() {
            self.errors.push(last.raise(Severity::Error));
        }
    }

    fn group(&mut self) {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut end = 1;
        while let Some(&byte) = bytes.get(end) {
            let next = bytes.get(end + 1).copied().unwrap_or(b' ');
            let joins =
                (byte == b'-' || byte == b'.') && (next.is_ascii_lowercase() || next.is_ascii_digit());
            if !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || joins) {
                break;
            }
            end += 1;
        }
        let glued = bytes.get(end).is_some_and(|&b| is_word_byte(b) || !b.is_ascii());
        if end == 1 || !bytes[1].is_ascii_lowercase() || glued {
            let length = 1 + word_run(&rest[1..]);
            let message = format!("`{}` is not the name of a group", clipped(&rest[..length]));
            let help = "write `@` and lower-case letters, digits and `-`, such as `@basic-io`";
            self.error(codes::UNEXPECTED, length, message, help);
            self.push(Kind::Bad, length);
        } else {
            self.push(Kind::Group, end);
        }
    }

    fn ip6(&mut self) {
        let rest = self.rest();
        let (length, valid) = ip6_length(rest).unwrap_or((1, false));
        if !valid {
            let message = format!("`{}` is not an address", clipped(&rest[..length]));
            self.error(
                codes::UNEXPECTED,
                length,
                message,
                "write an IPv6 address such as `[2001:db8::1]/64`",
            );
        }
        self.push(Kind::Address, length);
    }

    fn word(&mut self) {
        let rest = self.rest();
        let length = ascii_word(rest);
        let next = rest[length..].chars().next().unwrap_or(' ');
        if next == '/' {
            // `read data/in` would otherwise be a name and the path `/in`.
            let path = length + path_run(&rest[length..]);
            let written = clipped(&rest[..path]);
            let message = format!("path `{written}` is not absolute");
            self.error(
                codes::PATH_NOT_NORMAL,
                path,
                message,
                format!("write `/{written}`, or `./{written}`"),
            );
            self.push(Kind::Path, path);
        } else if !next.is_ascii() && (next.is_alphanumeric() || is_invisible(next)) {
            self.foreign_word();
        } else if next == '*' && is_env_name(&rest[..length]) {
            self.push(Kind::Pattern, length + 1);
        } else {
            self.push(Kind::Word, length);
        }
    }

    /// A run with a letter or an invisible character that no name has.
    fn foreign_word(&mut self) {
        let rest = self.rest();
        let length = word_run(rest);
        let foreign = rest[..length].chars().find(|c| !c.is_ascii()).unwrap_or_default();
        let written = clipped(&rest[..length]);
        if is_invisible(foreign) {
            let message = format!("`{written}` has the invisible character {}", name(foreign));
            self.error(codes::INVISIBLE_CHARACTER, length, message, "remove it, or type the name anew");
            self.raise_last();
        } else {
            let message = format!("`{written}` has {}, and names are ASCII", name(foreign));
            let help = "write names with `a` to `z`, digits, `_` and `-`; other text needs quotes";
            self.error(codes::UNEXPECTED, length, message, help);
        }
        self.push(Kind::Bad, length);
    }

    /// Text in the quotes of other languages, which is plainly meant as a string.
    fn foreign_quotes(&mut self, open: char, close: char) {
        let rest = self.rest();
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let inner = &line[open.len_utf8()..];
        let end = inner.find(close);
        let length = end.map_or(open.len_utf8(), |end| open.len_utf8() + end + close.len_utf8());
        let help = match end {
            Some(end) => format!("write `\"{}\"`", clipped(&inner[..end])),
            None => "write `\"` round text".to_owned(),
        };
        self.error(codes::UNEXPECTED, length, format!("unexpected {}", name(open)), help);
        self.push(Kind::Bad, length);
    }

    /// What begins no token.
    fn junk(&mut self) {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return };
        if first.is_alphanumeric() || is_invisible(first) {
            return self.foreign_word();
        }
        if first.is_control() {
            let length =
                rest.find(|c: char| !c.is_control() || c.is_ascii_whitespace()).unwrap_or(rest.len());
            let length = length.max(first.len_utf8());
            let message = format!("unexpected control character {}", name(first));
            let help = "remove it; tabs and line ends are the only control characters of a policy";
            self.error(codes::UNEXPECTED, length, message, help);
            return self.push(Kind::Bad, length);
        }
        if let Some(close) = QUOTES.iter().find(|(open, _)| *open == first).map(|(_, close)| *close) {
            return self.foreign_quotes(first, close);
        }
        let same = |c: char| c == first;
        let length = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let shown = clipped(&rest[..length]);
        let help = match first {
            ';' => "remove it: a statement ends where the next begins",
            '*' => "write quotes round a pattern, such as `\"*.example.org\"`",
            '!' => "write `not`",
            '~' => "write `~/` and a path",
            _ if first.is_whitespace() => "write a space",
            _ => "remove it, or write quotes round text",
        };
        let shown = if first.is_whitespace() { name(first) } else { format!("`{shown}`") };
        self.error(codes::UNEXPECTED, length, format!("unexpected {shown}"), help);
        self.push(Kind::Bad, length);
    }
}

/// Quotes that are none here, and how they close.
const QUOTES: [(char, char); 4] =
    [('\'', '\''), ('`', '`'), ('\u{2018}', '\u{2019}'), ('\u{201c}', '\u{201d}')];

/// Bytes of the text are below 2³²: [`crate::parse`] refuses longer files before they come here.
fn offset(byte: usize) -> u32 {
    u32::try_from(byte).unwrap_or(u32::MAX)
}

/// Whether a bare path begins here.
fn path_begins(rest: &str) -> bool {
    ["/", "~/", "./", "../", "**/"].iter().any(|start| rest.starts_with(start))
}

fn path_run(rest: &str) -> usize {
    rest.bytes().position(|byte| !is_path_byte(byte)).unwrap_or(rest.len())
}

/// The length of `{a,b}/c`, a pattern of other languages, so that its `}` closes no block; of the `{`
/// alone where it is not closed on its line.
fn braces(rest: &str) -> usize {
    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
    line.find('}').map_or(1, |end| end + 1 + path_run(&line[end + 1..]))
}

/// The ASCII word at the beginning of `rest`; a `-` belongs to it where a word goes on behind.
fn ascii_word(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let is_word = |at: usize| bytes.get(at).is_some_and(|&byte| is_word_byte(byte));
    let mut end = 0;
    while is_word(end) || (end > 0 && bytes.get(end) == Some(&b'-') && is_word(end + 1)) {
        end += 1;
    }
    end
}

/// Like [`ascii_word`], with letters of every script and invisible characters.
fn word_run(rest: &str) -> usize {
    let belongs = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || is_invisible(c);
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

/// `[A-Z][A-Z0-9_]*`
pub(crate) fn is_env_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// The length of what stands in quotes, up to the end of the line at most, and whether it is closed;
/// `rest` begins after the opening quote, and the length includes the closing one.
fn quoted_length(rest: &str) -> (usize, bool) {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return (at + 1, true),
            b'\n' => break,
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => break,
            b'\\' if bytes.get(at + 1).is_some_and(|&b| b == b'"' || b == b'\\') => at += 2,
            _ => at += 1,
        }
    }
    (at, false)
}

/// The character of the escape at the beginning of `rest`, and the escape's length.
fn escape(rest: &str) -> Option<(char, usize)> {
    match rest.as_bytes().get(1)? {
        b'"' => Some(('"', 2)),
        b'\\' => Some(('\\', 2)),
        b'n' => Some(('\n', 2)),
        b't' => Some(('\t', 2)),
        b'r' => Some(('\r', 2)),
        b'u' => {
            let digits = rest[2..].strip_prefix('{')?;
            // No more than six digits, so that a long run of them is not searched again and again.
            let length = digits.bytes().take(7).position(|byte| byte == b'}')?;
            let digits = &digits[..length];
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            // A NUL would end the text early wherever the kernel reads it.
            let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?).filter(|&c| c != '\0')?;
            Some((character, 4 + length))
        }
        _ => None,
    }
}

/// The length of an address in brackets with its prefix length, and whether it is one; `None` for a
/// list.
fn ip6_length(rest: &str) -> Option<(usize, bool)> {
    /// An address has at most 45 characters (RFC 4291, with an IPv4 tail).
    const ADDRESS_BYTES_MAX: usize = 45;
    let inner = rest.strip_prefix('[')?;
    let belongs = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    let length = inner.bytes().take(ADDRESS_BYTES_MAX + 1).position(|byte| !belongs(byte))?;
    let address = &inner[..length];
    if address.matches(':').count() < 2 || !inner[length..].starts_with(']') {
        return None;
    }
    let mut end = length + 2;
    let mut valid = address.parse::<std::net::Ipv6Addr>().is_ok();
    if let Some(prefix) = rest[end..].strip_prefix('/') {
        let digits = prefix.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(prefix.len());
        valid &= prefix[..digits].parse::<u8>().is_ok_and(|bits| bits <= 128);
        end += 1 + digits;
    }
    Some((end, valid))
}

/// How a message names a character: `` `é` (U+00E9) ``, or `U+202E` where there is nothing to see.
fn name(character: char) -> String {
    match character {
        c if c.is_ascii_graphic() => format!("`{c}`"),
        c if c.is_control() || c.is_whitespace() || is_invisible(c) => format!("U+{:04X}", u32::from(c)),
        c => format!("`{c}` (U+{:04X})", u32::from(c)),
    }
}

/// `text`, or its beginning where it is long.
pub(crate) fn clipped(text: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 40;
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
