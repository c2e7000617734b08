//! One style for policies: the same tokens in the same order, with other white space between them.
//!
//! [`format`] works on lexemes and not on a tree, so that comments stay where they are and no number or
//! string is written anew; the tree only says where blocks, rules and options begin. Where a line ends
//! within a block is the author's choice, as is a column that they aligned something to; indentation,
//! spaces, blank lines and crooked columns are not. What comes out is read again before it is given: if
//! a token were lost, the text would stay as it was.

mod columns;
mod gaps;
mod layout;
mod outline;

use msb_diag::{Diagnostic, FileId, Span, codes, has_errors};
use msb_syntax::{Class, FILE_BYTES_MAX, lexemes, parse};

/// `text` in the one style.
///
/// Formatting what comes out gives the same again, and it means the same.
///
/// ```
/// let text = "edition 2026\npolicy p{\nfs{ read   /a,/b }\nnet none}";
/// let formatted = msb_format::format(text).expect("a policy");
/// assert_eq!(formatted, "edition 2026\n\npolicy p {\n  fs { read /a, /b }\n  net none\n}\n");
/// ```
///
/// # Errors
/// What is wrong with `text`: a policy that cannot be read cannot be formatted either. Warnings are no
/// obstacle.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let (file, found) = parse(FileId::default(), text);
    if has_errors(&found) {
        return Err(found);
    }
    let lexemes = lexemes(text);
    let outline = outline::outline(&file, text, &lexemes);
    let mut lines = layout::layout(text, &lexemes, &outline);
    columns::align(&mut lines);
    let formatted = columns::write(&lines, text, &lexemes);
    if formatted.len() > FILE_BYTES_MAX {
        // Indentation must not make a file of one that is not read any more.
        return Ok(text.to_owned());
    }
    // A formatter that changes a security policy is worse than none.
    let same = tokens(&formatted) == tokens(text);
    debug_assert!(same, "formatting changed a token");
    Ok(if same { formatted } else { text.to_owned() })
}

/// The hint that `text` is not in the one style, with the edit that makes it so; `None` where it is, and
/// where it cannot be read, which is for the parser to say.
#[must_use]
pub fn unformatted(file: FileId, text: &str) -> Option<Diagnostic> {
    let formatted = format(text).ok().filter(|formatted| formatted != text)?;
    let (start, old, new) = difference(text, &formatted);
    let offset = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    let span = Span { file, start: offset(start), end: offset(start + old.len()) };
    // Shown is the first line that differs, not all of a file.
    let line_end = old.find('\n').filter(|&end| end > 0).unwrap_or(old.len());
    let shown = Span { end: offset(start + line_end), ..span };
    let found = Diagnostic::new(codes::NOT_FORMATTED, "not formatted")
        .label(shown, "the first difference")
        .help("run `msbc fmt`")
        .edit(span, new);
    Some(found)
}

/// Where two texts differ: the byte, what stands there in `old`, and what in `new`.
fn difference<'a>(old: &'a str, new: &'a str) -> (usize, &'a str, &'a str) {
    let same = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let mut start = same(old, new);
    while !(old.is_char_boundary(start) && new.is_char_boundary(start)) {
        start -= 1;
    }
    let (old, new) = (&old[start..], &new[start..]);
    let mut end = old.bytes().rev().zip(new.bytes().rev()).take_while(|(a, b)| a == b).count();
    while !(old.is_char_boundary(old.len() - end) && new.is_char_boundary(new.len() - end)) {
        end -= 1;
    }
    (start, &old[..old.len() - end], &new[..new.len() - end])
}

/// What no formatting changes: the lexemes, comments as they are shown.
fn tokens(text: &str) -> Vec<(Class, String)> {
    lexemes(text).iter().map(|it| (it.class, layout::written(it.class, it.text(text)))).collect()
}

#[cfg(test)]
mod tests;
