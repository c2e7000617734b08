//! Text to tokens, in one pass and linear time, with a diagnostic for everything that is no token.
//!
//! A reviewer has to see what the compiler reads: control characters are errors everywhere, invisible
//! and bidirectional characters are errors outside of strings and comments and warnings inside. Where
//! something is wrong but its meaning is plain (a path that needs quotes), the token is made all the
//! same, so that the parser goes on.

mod foreign;
mod numbers;
mod strings;

use crate::scan::{
    QUOTES, ascii_word, bind_mount, braced_var, braces, clipped, ip6_length, is_env_name, latin, name,
    offset, parameter_name, path_begins, path_run, quoted_length, word_run,
};
use crate::token::{Kind, SIGNS, Token, is_word_byte};
use msb_diag::{Code, Diagnostic, Edit, FileId, Severity, Span, codes, is_invisible};

/// After this many errors the rest of the file is not looked at.
pub(crate) const ERRORS_MAX: usize = 100;

/// After this many warnings no more are given; they do not change what is accepted.
const WARNINGS_MAX: usize = 100;

/// What a text consists of. What stands between tokens and comments is white space.
pub(crate) struct Lexed {
    /// The tokens, with [`Kind::End`] as the last.
    pub(crate) tokens: Vec<Token>,
    /// First byte and end of each `#` comment, of which the parser knows nothing.
    pub(crate) comments: Vec<(u32, u32)>,
    /// What is wrong.
    pub(crate) found: Vec<Diagnostic>,
}

/// The tokens and comments of `text`.
pub(crate) fn lex(file: FileId, text: &str) -> Lexed {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    lex_from(file, text, mark, None, "")
}

/// The tokens and comments of `text` from the byte `at`; spans are all `whole`, where it is given. `setting` is what the
/// text is the value of, which may say what its first number measures.
pub(crate) fn lex_from(file: FileId, text: &str, at: usize, whole: Option<Span>, setting: &str) -> Lexed {
    // A token and the blank after it are seldom shorter than four bytes.
    let tokens = Vec::with_capacity((text.len() - at) / 4 + 1);
    let comments = Vec::new();
    let (errors, warnings) = (Vec::new(), Vec::new());
    let (first_on_line, comments_end) = (true, false);
    let mut lexer = Lexer {
        file,
        text,
        whole,
        setting,
        at,
        first_on_line,
        comments_end,
        tokens,
        comments,
        errors,
        warnings,
    };
    while lexer.errors.len() < ERRORS_MAX && lexer.token() {}
    let (at, first_on_line) = (offset(lexer.at), lexer.first_on_line);
    lexer.tokens.push(Token { kind: Kind::End, start: at, end: at, first_on_line });
    let mut found = lexer.errors;
    found.append(&mut lexer.warnings);
    Lexed { tokens: lexer.tokens, comments: lexer.comments, found }
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    whole: Option<Span>,
    setting: &'a str,
    at: usize,
    first_on_line: bool,
    /// No `*/` comes any more.
    comments_end: bool,
    tokens: Vec<Token>,
    comments: Vec<(u32, u32)>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl<'a> Lexer<'a> {
    /// Reads white space and one token; false at the end.
    fn token(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return false };
        if let Some(comment) = self.foreign_comment() {
            self.comment_of_another_language(&comment);
            return true;
        }
        match first {
            '\n' => {
                self.at += 1;
                self.first_on_line = true;
            }
            ' ' | '\t' => self.at += 1,
            '\r' if rest.starts_with("\r\n") => self.at += 1,
            '\r' => self.carriage_return(),
            '#' => self.comment(),
            '"' => self.string(),
            'r' if rest.starts_with("r\"") => self.regex(),
            '0'..='9' => self.number(),
            '.' if self.fraction_alone() => self.fraction(),
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

    /// A line that ends without a line feed, which is said once: the others are the same.
    fn carriage_return(&mut self) {
        let begins_line = |found: &Diagnostic| found.message.starts_with("line ends");
        if !self.errors.iter().any(begins_line) {
            let message = "line ends in U+000D, a carriage return alone".to_owned();
            self.error(codes::UNEXPECTED, 1, message, "save the file with LF or CRLF at the ends of lines");
        }
        self.at += 1;
        self.first_on_line = true;
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
        self.whole.unwrap_or(Span { file: self.file, start: offset(start), end: offset(end) })
    }

    /// Notes an error over `length` bytes from here.
    fn error(&mut self, code: Code, length: usize, message: String, help: impl Into<String>) {
        let span = self.span(self.at, self.at + length);
        self.errors.push(Diagnostic::new(code, message).label(span, "").help(help));
    }

    /// Adds to the last error what to write in the place of what it shows.
    fn fix_last(&mut self, text: impl Into<String>) {
        if let Some(last) = self.errors.pop() {
            self.errors.push(match last.span() {
                Some(span) => last.edit(span, text),
                None => last,
            });
        }
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

    /// `# …` is noted, `## …` becomes a token.
    fn comment(&mut self) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        self.check_characters(length, "the comment");
        let shown = rest[..length].trim_end_matches('\r').len();
        if rest.starts_with("##") {
            self.push(Kind::Doc, shown);
        } else {
            self.comments.push((offset(self.at), offset(self.at + shown)));
            self.at += shown;
        }
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

    fn var(&mut self) {
        let rest = self.rest();
        if let Some((length, plain)) = braced_var(rest) {
            let message = format!("`{}` has braces", clipped(&rest[..length]));
            self.error(codes::UNEXPECTED, length, message, format!("write `{plain}`"));
            self.fix_last(plain);
            return self.push(Kind::Bad, length);
        }
        let bytes = &rest.as_bytes()[1..];
        let is_name = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
        let name = bytes.iter().position(|b| !is_name(b)).unwrap_or(bytes.len());
        let glued = bytes.get(name).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-' || !b.is_ascii());
        if name == 0 || bytes[0].is_ascii_digit() || glued {
            let length = 1 + word_run(&rest[1..]);
            self.not_a_parameter(length);
            self.push(Kind::Bad, length);
        } else if bytes.get(name) == Some(&b'/') {
            self.path(1 + name);
        } else {
            self.push(Kind::Var, 1 + name);
        }
    }

    /// `$HOME`, `$my-dir` and the like, `length` bytes from here.
    fn not_a_parameter(&mut self, length: usize) {
        let rest = self.rest();
        let name = &rest[1..length];
        let in_value = self.tokens.last().is_some_and(|it| it.kind == Kind::Sign("="));
        let of_environment = in_value && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        let same = latin(name).filter(|_| !name.is_ascii());
        let (help, meant) = match (name, same, parameter_name(name)) {
            ("PWD" | "CWD", ..) => (
                "declare a parameter, `workspace: dir`, write `$workspace`, and launch with `--set workspace=.`"
                    .to_owned(),
                None,
            ),
            _ if of_environment => (
                "write the value itself, such as `\"/home/me\"`: no variable of the environment is known here"
                    .to_owned(),
                None,
            ),
            ("HOME", ..) => ("write `~/` and the path below it".to_owned(), None),
            (_, Some(same), _) => (format!("type it anew: `${same}` looks the same"), Some(same)),
            (_, None, Some(meant)) => {
                (format!("write `${meant}`: letters are small, and `_` joins words"), Some(meant))
            }
            _ => ("write `$` and lower-case letters, digits and `_`, such as `$out_dir`".to_owned(), None),
        };
        let message = format!("`{}` is not the name of a parameter", clipped(&rest[..length]));
        let text = meant.map(|meant| format!("${meant}"));
        // One mistake, however often the name is used: what repairs it here belongs to what repairs the first.
        let span = self.span(self.at, self.at + length);
        let said = |it: &&mut Diagnostic| it.message == message && it.help.as_ref() == Some(&help);
        if let Some(first) = self.errors.iter_mut().find(said) {
            // Within a string of data all spans are the same.
            if let (Some(fix), Some(text), None) = (&mut first.fix, text, self.whole) {
                fix.edits.push(Edit { span, text });
            }
            return;
        }
        self.error(codes::UNEXPECTED, length, message, help);
        if let Some(text) = text {
            self.fix_last(text);
        }
    }

    /// A bare path, of which the first `prefix` bytes (`$name`) are read already.
    fn path(&mut self, prefix: usize) {
        let rest = self.rest();
        let mut length = prefix + path_run(&rest[prefix..]);
        let next = rest[length..].chars().next();
        // What ends a statement or a key elsewhere is no part of the path: the parser says so.
        let ends = |sign: char| {
            let behind = rest[length..].trim_start_matches(sign);
            next == Some(sign) && behind.chars().next().is_none_or(|c| c.is_whitespace() || c == '}')
        };
        if ends(';') || ends(':') {
            return self.push(if prefix > 0 { Kind::Var } else { Kind::Path }, length);
        }
        if next.is_some_and(|c| !c.is_whitespace() && !matches!(c, ',' | ')' | ']' | '}')) {
            // What is glued to the path was meant to belong to it; to leave it out would change the rule.
            let character = next.unwrap_or_default();
            let end = |c: char| {
                c.is_whitespace()
                    || matches!(c, ',' | ')' | ']' | '}' | '{')
                    || c.is_control() && !character.is_control()
            };
            let glued = rest[length..].find(end).unwrap_or(rest.len() - length);
            // A part in quotes, with its blanks.
            let line = rest.find('\n').unwrap_or(rest.len());
            let open = character == '"' && rest[length..length + glued].matches('"').count() == 1;
            let closing = rest[length + glued..line.max(length + glued)].find('"').filter(|_| open);
            let glued = closing.map_or(glued, |at| glued + at + 1);
            length +=
                if character == '{' { braces(&rest[length..]) } else { glued.max(character.len_utf8()) };
            let written = clipped(&rest[..length]);
            let message = format!("path `{written}` has {} and needs quotes", name(character));
            if character.is_control() {
                let message = format!("the path has the control character {}", name(character));
                self.error(codes::UNEXPECTED, length, message, "remove it: no path has one");
            } else if is_invisible(character) {
                let message = format!("path `{written}` has the invisible character {}", name(character));
                self.error(codes::INVISIBLE_CHARACTER, length, message, "remove it, or type the path anew");
                self.raise_last();
            } else {
                let bound = bind_mount(&rest[..length]);
                let mode =
                    [":ro", ":rw", ":z", ":Z"].iter().find_map(|mode| rest[..length].strip_suffix(mode));
                let help = match character {
                    _ if bound.is_some() => {
                        format!(
                            "write `{}`; or quotes, if the path has a `:`",
                            bound.as_deref().unwrap_or_default()
                        )
                    }
                    '{' => "write a path for each alternative; `{` has no meaning in paths".to_owned(),
                    _ if mode.is_some() => format!(
                        "write `{}`: `read` or `write` before a path says what is allowed",
                        mode.unwrap_or_default()
                    ),
                    '#' => "write a space before the comment, or quotes round the path".to_owned(),
                    _ if rest.starts_with('$') => {
                        "rename it: what follows a parameter cannot be quoted".to_owned()
                    }
                    _ => format!("write `\"{written}\"`"),
                };
                self.error(codes::PATH_NEEDS_QUOTES, length, message, help);
                if let Some(bound) = bound {
                    self.fix_last(bound);
                } else if let Some(path) = mode {
                    self.fix_last(path);
                } else if !matches!(character, '{' | '#' | '"' | '\\') && prefix == 0 {
                    self.fix_last(format!("\"{}\"", &rest[..length]));
                }
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
            let lower = rest[1..length].to_ascii_lowercase().replace('_', "-");
            let plain = lower.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if plain && lower.starts_with(|c: char| c.is_ascii_lowercase()) && !lower.ends_with('-') {
                self.error(codes::UNEXPECTED, length, message, format!("write `@{lower}`"));
                self.fix_last(format!("@{lower}"));
            } else {
                let help = "write `@` and lower-case letters, digits and `-`, such as `@basic-io`";
                self.error(codes::UNEXPECTED, length, message, help);
            }
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
                if self.measured_by() == "import" {
                    format!("write `\"./{written}\"`")
                } else {
                    format!("write `/{written}`, or `$name/{written}` below a parameter")
                },
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
        if self.wide_sign(first) {
            return;
        }
        if let Some(close) = QUOTES.iter().find(|(open, _)| *open == first).map(|(_, close)| *close) {
            return self.foreign_quotes(first, close);
        }
        let same = |c: char| c == first;
        let length = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let shown = clipped(&rest[..length]);
        let help = match first {
            ';' => "remove it: a statement ends where the next begins",
            '!' => "remove it; `not` turns a condition round",
            '*' if self.follows_word() => "write each name by itself; a `*` stands for no part of one",
            '*' if self.follows_number() => "write the product: nothing is computed here",
            '*' => "write quotes round a pattern, such as `\"*.example.org\"`",
            '~' if rest.starts_with("~@") => "write `-` behind a set: `@system-service - @mount`",
            '~' => "write `~/` and a path below the home of who launches, or `/home/name/…`",
            _ if first.is_whitespace() => "write a space",
            _ => "remove it, or write quotes round text",
        };
        let shown = if first.is_whitespace() { name(first) } else { format!("`{shown}`") };
        self.error(codes::UNEXPECTED, length, format!("unexpected {shown}"), help);
        match first {
            ';' => self.fix_last(""),
            '~' if rest.starts_with("~@") && self.follows_set() => self.fix_last("- "),
            _ if first.is_whitespace() => self.fix_last(" "),
            _ => {}
        }
        self.push(Kind::Bad, length);
    }
}
