//! Where a cursor is: the block, the rule, and what is being typed. The text may be anything, so this works on
//! lexemes alone; a tree would have holes just where somebody types.

use crate::words::has;
use msb_syntax::{Class, Lexeme, lexemes};

/// The kinds of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    File,
    Block,
    Fs,
    Net,
    Syscalls,
    Limits,
    Env,
    Exec,
    Sandbox,
    Tool,
    Claims,
}

/// A cursor's surroundings.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) place: Place,
    /// The tokens of the rule or statement up to what is being typed, brackets included.
    pub(crate) entry: Vec<&'a str>,
    /// Brackets of the rule that are open.
    pub(crate) open: Vec<&'a str>,
    /// What is being typed, up to the end of its token; "" between tokens.
    pub(crate) typed: &'a str,
    /// Its first byte.
    pub(crate) start: usize,
}

struct Frame<'a> {
    place: Option<Place>,
    bracket: &'a str,
    entry: Vec<&'a str>,
}

/// The site of byte `at`; `None` in a comment or text.
pub(crate) fn site(text: &str, at: usize) -> Option<Site<'_>> {
    let all = lexemes(text);
    let touched = all.iter().find(|it| (it.start as usize) < at && at <= it.end as usize);
    let typed = match touched {
        Some(it) if matches!(it.class, Class::Comment | Class::Doc) => return None,
        Some(it) if matches!(it.class, Class::Text | Class::Regex) && at < it.end as usize => return None,
        Some(it) if !matches!(it.class, Class::Sign | Class::Text | Class::Regex) => Some(it),
        _ => None,
    };
    let start = typed.map_or(at, |it| it.start as usize);
    let mut frames = vec![Frame { place: Some(Place::File), bracket: "", entry: Vec::new() }];
    let before = all.iter().filter(|it| it.end as usize <= start);
    for lexeme in before.filter(|it| !matches!(it.class, Class::Comment | Class::Doc)) {
        token(&mut frames, lexeme, lexeme.text(text));
    }
    let block = frames.iter().rposition(|frame| frame.place.is_some())?;
    let open = frames[block + 1..].iter().map(|frame| frame.bracket).collect();
    let frame = frames.get_mut(block)?;
    Some(Site {
        place: frame.place?,
        entry: std::mem::take(&mut frame.entry),
        open,
        typed: typed.map_or("", |it| it.text(text)),
        start,
    })
}

fn token<'a>(frames: &mut Vec<Frame<'a>>, lexeme: &Lexeme, text: &'a str) {
    let inline = frames.last().is_some_and(|frame| frame.place.is_none());
    let Some(block) = frames.iter().rposition(|frame| frame.place.is_some()) else { return };
    let sign = lexeme.class == Class::Sign;
    if sign && matches!(text, "}" | ")" | "]") {
        if inline {
            frames[block].entry.push(text);
            frames.pop();
        } else if text == "}" && frames.len() > 1 {
            frames.pop();
            if let Some(outer) = frames.last_mut() {
                outer.entry.clear();
            }
        }
        return;
    }
    let frame = &mut frames[block];
    if !inline && lexeme.class == Class::Word && begins(frame, text) {
        frame.entry.clear();
    }
    frame.entry.push(text);
    if sign && matches!(text, "{" | "(" | "[") {
        let place = if text == "{" && !inline { opened(frame) } else { None };
        frames.push(Frame { place, bracket: text, entry: Vec::new() });
    }
}

/// Whether a word begins a new entry of its block.
fn begins(frame: &Frame<'_>, word: &str) -> bool {
    let last = frame.entry.last().copied().unwrap_or_default();
    let joined = matches!(last, "," | "." | ":" | "=" | "|" | "+" | "-" | "&" | "as" | "->");
    let starts = |place: &str| has(place, word) && !joined;
    match frame.place {
        Some(Place::File) => {
            (starts("item") || starts("file"))
                && !matches!(last, "policy" | "profile" | "group" | "const" | "tool")
        }
        Some(Place::Block) => {
            starts("statement") && !matches!(last, "include" | "caps" | "tool" | "tools" | "net")
        }
        Some(Place::Fs) => starts("fs") && !(last == "deny" && matches!(word, "read" | "write" | "run")),
        Some(Place::Net) => starts("net"),
        Some(Place::Syscalls) => {
            starts("syscalls") && !has("action", last) && !has("condition", last) && last != "default"
        }
        Some(Place::Limits | Place::Sandbox) => frame.entry.len() >= 2,
        Some(Place::Env) => starts("env"),
        Some(Place::Exec) => starts("exec") && last != "tty" && last != "user",
        Some(Place::Tool) => starts("tool") && last != "in" && last != "log",
        Some(Place::Claims) => starts("claim") && last != "than" && last != "call" && last != "syscall",
        None => false,
    }
}

/// The block that a `{` opens, which is the last token of `frame`.
fn opened(frame: &Frame<'_>) -> Option<Place> {
    let first = frame.entry.first().copied().unwrap_or_default();
    let before = frame.entry.iter().rev().nth(1).copied().unwrap_or_default();
    if before == "->" || before == ":" {
        return None;
    }
    Some(match (frame.place?, first) {
        (Place::File, "policy" | "profile") => Place::Block,
        (Place::File, "test") | (Place::Block, "assert") => Place::Claims,
        (Place::File | Place::Block, "tool") => Place::Tool,
        (Place::Block, "fs") => Place::Fs,
        (Place::Block, "net") => Place::Net,
        (Place::Block, "syscalls") => Place::Syscalls,
        (Place::Block, "limits") => Place::Limits,
        (Place::Block, "env") => Place::Env,
        (Place::Block, "exec") => Place::Exec,
        (Place::Block, "sandbox") => Place::Sandbox,
        _ => return None,
    })
}
