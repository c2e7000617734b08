//! What is plainly meant and written as other languages do: letters of other scripts, quotes, signs and comments.

use super::Lexer;
use crate::scan::{clipped, latin, name, offset, word_run};
use crate::token::{Kind, SIGNS};
use msb_diag::{codes, is_invisible};

/// A comment as other languages write it.
pub(super) struct ForeignComment {
    /// The bytes that are shown.
    mark: usize,
    /// All of it, in bytes.
    length: usize,
    /// What stands in the place of what is shown.
    fix: Option<String>,
}

impl Lexer<'_> {
    /// A run with a letter or an invisible character that no name has.
    pub(super) fn foreign_word(&mut self) {
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
            match latin(&rest[..length]) {
                Some(latin) => {
                    let help = format!("type it anew: `{latin}` looks the same");
                    self.error(codes::UNEXPECTED, length, message, help);
                    self.fix_last(latin);
                }
                None => self.error(codes::UNEXPECTED, length, message, help),
            }
        }
        if is_invisible(foreign) {
            self.fix_last(rest[..length].replace(is_invisible, ""));
        }
        self.push(Kind::Bad, length);
    }

    /// A sign as keyboards for Chinese and Japanese have it, which is plainly meant.
    pub(super) fn wide_sign(&mut self, first: char) -> bool {
        let narrow = u32::from(first).checked_sub(0xfee0).and_then(char::from_u32);
        let narrow = narrow.filter(|it| ('\u{ff01}'..='\u{ff5e}').contains(&first) && !it.is_alphanumeric());
        let sign = narrow.and_then(|it| SIGNS.iter().find(|sign| sign.len() == 1 && sign.starts_with(it)));
        let Some(sign) = sign else { return false };
        self.error(
            codes::UNEXPECTED,
            first.len_utf8(),
            format!("unexpected {}", name(first)),
            format!("write `{sign}`"),
        );
        self.fix_last(*sign);
        self.push(Kind::Sign(sign), first.len_utf8());
        true
    }

    /// Text in the quotes of other languages, which is plainly meant as a string.
    pub(super) fn foreign_quotes(&mut self, open: char, close: char) {
        let rest = self.rest();
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let inner = &line[open.len_utf8()..];
        let end = inner.find(close);
        let length = end.map_or(open.len_utf8(), |end| open.len_utf8() + end + close.len_utf8());
        let help = match end {
            Some(end) => format!("write `\"{}\"`", clipped(&inner[..end])),
            None => "write `\"` round text".to_owned(),
        };
        let shown = name(open);
        let message = format!("unexpected {}", shown.trim_start_matches("a "));
        self.error(codes::UNEXPECTED, length, message, help);
        if let Some(end) = end.filter(|&end| !inner[..end].contains(['"', '\\'])) {
            self.fix_last(format!("\"{}\"", &inner[..end]));
        }
        self.push(Kind::Bad, length);
    }

    /// Whether the last token is a word that ends here.
    pub(super) fn follows_word(&self) -> bool {
        self.tokens.last().is_some_and(|it| it.kind == Kind::Word && it.end == offset(self.at))
    }

    pub(super) fn follows_number(&self) -> bool {
        let number = |kind: &Kind| matches!(kind, Kind::Int(_) | Kind::Size(_) | Kind::Duration(_));
        self.tokens.last().is_some_and(|it| number(&it.kind))
    }

    /// Whether a set of system calls may end before this.
    pub(super) fn follows_set(&self) -> bool {
        self.tokens.last().is_some_and(|it| it.kind == Kind::Group)
    }

    /// A comment of another language: its length, and how much of it is not to be read.
    pub(super) fn foreign_comment(&mut self) -> Option<ForeignComment> {
        let rest = self.rest();
        if !rest.starts_with(['/', '-']) {
            return None;
        }
        let after = |mark: &str| rest.get(mark.len()..).and_then(|it| it.chars().next());
        let apart = |mark: &str| after(mark).is_none_or(char::is_whitespace);
        if rest.starts_with("//") && (apart("//") || self.first_on_line)
            || rest.starts_with("--") && self.first_on_line && apart("--")
        {
            let line = rest.find('\n').unwrap_or(rest.len());
            let length = rest[..line].trim_end_matches('\r').len();
            return Some(ForeignComment { mark: 2, length, fix: Some("#".to_owned()) });
        }
        if rest.starts_with("/*") && (apart("/*") || after("/*") == Some('*')) {
            if self.comments_end {
                return None;
            }
            let Some(end) = rest.find("*/") else {
                // Searched once: time stays linear.
                self.comments_end = true;
                return None;
            };
            let length = end + "*/".len();
            let inner = rest[2..length - 2].trim_matches('*').trim();
            let alone = rest[length..].starts_with(['\n', '\r']) || rest.len() == length;
            let fix = (alone && !inner.contains('\n')).then(|| format!("# {inner}"));
            return Some(ForeignComment { mark: if fix.is_some() { length } else { 2 }, length, fix });
        }
        None
    }

    pub(super) fn comment_of_another_language(&mut self, comment: &ForeignComment) {
        self.check_characters(comment.length, "the comment");
        let mark = clipped(&self.rest()[..2]).clone();
        let help = if comment.fix.is_some() {
            "write `#` for a comment"
        } else {
            "write `#` before each line of a comment"
        };
        self.error(codes::UNEXPECTED, comment.mark, format!("unexpected `{mark}`"), help);
        if let Some(fix) = &comment.fix {
            self.fix_last(fix.clone());
        }
        self.first_on_line |= self.rest()[..comment.length].contains('\n');
        self.at += comment.length;
    }
}
