//! Paths of requests, and the patterns that rules have for them.
//!
//! Whoever decides about a path must see the one that the server sees. So a path is decoded before it is compared,
//! and one which servers read differently (dot segments, an encoded slash, encoding twice, `//`) matches no pattern.

/// The path of a request as servers see it, percent-encoding undone; `None` if they do not agree on it.
///
/// `path` is what stands before `?` in the request's target.
#[must_use]
pub fn plain(path: &str) -> Option<String> {
    let rest = path.strip_prefix('/')?;
    let mut plain = String::with_capacity(path.len());
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let text = decoded(segment)?;
        // An empty segment is fine at the end (`/v1/`), and `//` is not.
        if (text.is_empty() && segments.peek().is_some()) || text == "." || text == ".." {
            return None;
        }
        // Some servers cut parameters off a segment (RFC 3986, 3.3): `/v1/..;/admin`.
        let cut = text.split(';').next().unwrap_or_default();
        if cut == "." || cut == ".." {
            return None;
        }
        plain.push('/');
        plain.push_str(&text);
    }
    Some(plain)
}

/// A segment without percent-encoding; `None` if it holds what changes the path's structure or is no text.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).ok()?);
    }
    let text = String::from_utf8(bytes).ok()?;
    let twice = text.contains('%') && segment.contains("%25");
    (!twice && !text.contains(['/', '\\']) && !text.contains(char::is_control)).then_some(text)
}

/// Whether `pattern` covers `path`: `?` is one character, `*` any within a segment, `**` any.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<Piece> = pieces(pattern);
    // One row of the usual table: which beginnings of the pattern cover the path as far as it was read.
    let mut row = vec![false; pattern.len() + 1];
    row[0] = true;
    skip_stars(&pattern, &mut row);
    for letter in path.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (index, piece) in pattern.iter().enumerate() {
            if !row[index] {
                continue;
            }
            match piece {
                Piece::Letter(wanted) if *wanted == letter => next[index + 1] = true,
                Piece::One if letter != '/' => next[index + 1] = true,
                Piece::Segment if letter != '/' => next[index] = true,
                Piece::All => next[index] = true,
                Piece::Letter(_) | Piece::One | Piece::Segment => {}
            }
        }
        skip_stars(&pattern, &mut next);
        row = next;
    }
    row.last().copied().unwrap_or(false)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Letter(char),
    One,
    Segment,
    All,
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(pattern.len());
    for letter in pattern.chars() {
        match (letter, pieces.last()) {
            ('*', Some(Piece::Segment | Piece::All)) => {
                pieces.pop();
                pieces.push(Piece::All);
            }
            ('*', _) => pieces.push(Piece::Segment),
            ('?', _) => pieces.push(Piece::One),
            (letter, _) => pieces.push(Piece::Letter(letter)),
        }
    }
    pieces
}

/// A star may stand for nothing.
fn skip_stars(pattern: &[Piece], row: &mut [bool]) {
    for (index, piece) in pattern.iter().enumerate() {
        if row[index] && matches!(piece, Piece::Segment | Piece::All) {
            row[index + 1] = true;
        }
    }
}

#[cfg(test)]
#[path = "tests/path.rs"]
mod tests;
