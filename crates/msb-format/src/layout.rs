//! Lexemes to lines: where lines end, how deep they stand, and where a column could be.

use crate::gaps::{Role, Signs, Token, gap};
use crate::outline::{Lines, Outline, Stop};
use msb_syntax::{Class, Lexeme};
use std::collections::HashMap;

/// Spaces that a block's content stands further in than the block.
const INDENT: usize = 2;

/// A line of the result.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) indent: Indent,
    /// Whether an empty line comes first.
    pub(crate) blank_before: bool,
    /// Lines of which may be aligned with it: those of the same number next to it.
    pub(crate) run: u32,
    pub(crate) pieces: Vec<Piece>,
}

/// A lexeme in its line.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Index of the lexeme.
    pub(crate) lexeme: usize,
    /// Its characters.
    pub(crate) width: usize,
    /// Spaces before it.
    pub(crate) gap: usize,
    /// What may make the gap wider.
    pub(crate) stop: Option<Stop>,
    /// Spaces that the author wrote before it, if on the same line.
    pub(crate) written_gap: Option<usize>,
    /// Where it stood, counted from the first lexeme of the author's line.
    pub(crate) written_column: usize,
}

/// How far in a line stands: `plus` spaces from the margin, or from the end of a piece before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Indent {
    /// Line and piece.
    pub(crate) after: Option<(usize, usize)>,
    pub(crate) plus: usize,
}

/// How a lexeme is written: a comment has no blanks at its end, a documentation comment one after `##`.
pub(crate) fn written(class: Class, text: &str) -> String {
    match class {
        Class::Comment => text.trim_end().to_owned(),
        Class::Doc => {
            let text = text.trim_end();
            match text.strip_prefix("##") {
                Some(rest) if !rest.is_empty() && !rest.starts_with([' ', '\t', '#']) => format!("## {rest}"),
                _ => text.to_owned(),
            }
        }
        _ => text.to_owned(),
    }
}

/// The lines of `text`, nothing aligned yet.
pub(crate) fn layout(text: &str, lexemes: &[Lexeme], outline: &Outline) -> Vec<Line> {
    let blank = blanks_before_items(text, lexemes, outline);
    let columns = written_columns(text, lexemes);
    let closes = closes(text, lexemes, outline);
    let next_tokens = next_tokens(lexemes);
    let file = Block { open: usize::MAX, lines: Lines::Own, many_lines: true, run: 0 };
    let mut layout = Layout {
        text,
        lexemes,
        outline,
        columns,
        closes,
        next_tokens,
        lines: Vec::new(),
        blocks: vec![file],
        brackets: Vec::new(),
        entry: Entry { signs: Signs::Call, line: 0, pieces: 0, nth: 0 },
        last_run: 0,
        before: None,
    };
    for index in 0..lexemes.len() {
        layout.lexeme(index, blank.get(index).copied().unwrap_or_default());
    }
    layout.lines
}

struct Layout<'a> {
    text: &'a str,
    lexemes: &'a [Lexeme],
    outline: &'a Outline,
    /// Of each lexeme: where it stood in the author's line.
    columns: Vec<usize>,
    /// `{` of each block to its `}`.
    closes: HashMap<usize, usize>,
    /// Of each lexeme: the first at or behind it that is no comment.
    next_tokens: Vec<usize>,
    lines: Vec<Line>,
    /// Open ones, the file first.
    blocks: Vec<Block>,
    /// Open ones of the current entry.
    brackets: Vec<Bracket>,
    entry: Entry,
    last_run: u32,
    /// The last lexeme.
    before: Option<usize>,
}

struct Block {
    open: usize,
    lines: Lines,
    many_lines: bool,
    /// The run of its last line.
    run: u32,
}

struct Bracket {
    line: usize,
    piece: usize,
    /// Whether its line ends behind it.
    hangs: bool,
}

struct Entry {
    signs: Signs,
    line: usize,
    /// How many it has so far.
    pieces: usize,
    /// Which of its line it is.
    nth: u32,
}

impl<'a> Layout<'a> {
    fn token(&self, index: usize) -> Token<'a> {
        let lexeme = self.lexemes[index];
        let opens = self.outline.blocks.contains_key(&lexeme.start) && self.closes.contains_key(&index);
        let role = if opens {
            Role::Open
        } else if self.blocks.last().and_then(|block| self.closes.get(&block.open)) == Some(&index) {
            Role::Close
        } else if self.outline.ports.contains(&lexeme.start) {
            Role::Ports
        } else {
            Role::Plain
        };
        Token { class: lexeme.class, text: lexeme.text(self.text), role }
    }

    fn lexeme(&mut self, index: usize, blank: bool) {
        let lexeme = self.lexemes[index];
        let token = self.token(index);
        let entry = self.outline.entries.get(&lexeme.start).copied();
        let comment = lexeme.class == Class::Comment;
        let ends_line = self
            .before
            .is_none_or(|before| matches!(self.lexemes[before].class, Class::Comment | Class::Doc));
        let opened =
            self.before.is_some_and(|before| self.blocks.last().is_some_and(|block| block.open == before));
        let empty = opened && token.role == Role::Close;
        if lexeme.class == Class::Doc || comment && (ends_line || lexeme.line_ends_before > 0) {
            let within = comment && self.is_within_entry(index);
            let blank = blank || lexeme.line_ends_before > 1 && !opened && !within;
            let indent = if within { self.continued(false) } else { self.margin() };
            self.new_line(indent, blank && self.before.is_some(), None);
        } else if comment {
            // At the end of the line.
        } else if token.role == Role::Close {
            let block = self.blocks.pop();
            if block.is_some_and(|block| block.many_lines) && !empty {
                self.new_line(self.margin(), false, None);
            }
        } else if let Some(signs) = entry {
            self.begin_entry(lexeme, signs, blank, opened, ends_line);
        } else if ends_line || self.ends_line(token, lexeme.line_ends_before) {
            let closes = token.class == Class::Sign && matches!(token.text, ")" | "]" | "}");
            if let Some(bracket) = self.brackets.last_mut()
                && !closes
                && self.lines.len() == bracket.line + 1
            {
                let line = &self.lines[bracket.line];
                let last = |piece: &&Piece| self.lexemes[piece.lexeme].class != Class::Comment;
                let is_last = line.pieces.iter().rposition(|piece| last(&piece)) == Some(bracket.piece);
                bracket.hangs |= is_last;
            }
            self.new_line(self.continued(closes), false, None);
        }
        self.push(index, token, entry.is_some());
        self.track(index, token);
        self.before = Some(index);
    }

    /// Where the content of the innermost block stands.
    fn margin(&self) -> Indent {
        Indent { after: None, plus: INDENT * (self.blocks.len() - 1) }
    }

    /// Where an entry goes on in a new line; `closes` for the end of a bracket.
    fn continued(&self, closes: bool) -> Indent {
        let Some(bracket) = self.brackets.last() else {
            let first = self.lines.get(self.entry.line).map_or(self.margin(), |line| line.indent);
            return Indent { plus: first.plus + INDENT, ..first };
        };
        if !bracket.hangs {
            return Indent { after: Some((bracket.line, bracket.piece)), plus: 0 };
        }
        let base = self.lines[bracket.line].indent;
        if closes { base } else { Indent { plus: base.plus + INDENT, ..base } }
    }

    /// Whether the next token belongs to an entry that has begun.
    fn is_within_entry(&self, index: usize) -> bool {
        let next = self.next_tokens.get(index).copied().filter(|&next| next < self.lexemes.len());
        next.is_some_and(|next| {
            let begins = self.outline.entries.contains_key(&self.lexemes[next].start);
            !begins && self.token(next).role != Role::Close
        })
    }

    /// Whether a line ends before `token`, inside of an entry: mostly where the author ended one.
    fn ends_line(&self, token: Token<'_>, line_ends_before: u32) -> bool {
        let Some(before) = self.before.map(|before| self.token(before)) else { return true };
        let sign = |token: Token<'a>| if token.class == Class::Sign { token.text } else { "" };
        let hangs = self.brackets.last().is_some_and(|bracket| bracket.hangs);
        match if token.class == Class::Sign { token.text } else { "" } {
            ")" | "]" | "}" => hangs,
            _ if line_ends_before == 0 => false,
            "{" if token.role == Role::Open => false,
            "(" | "<" | ">" if self.entry.signs == Signs::Call => false,
            "=" if sign(before) == ">" => false,
            "," | "?" | "." | ".." | ":" => false,
            _ => {
                let number = before.text == "syscall" && token.text == "(";
                !(matches!(sign(before), "?" | "." | ".." | "<") && self.entry.signs == Signs::Call
                    || matches!(sign(before), "." | "..")
                    || before.role == Role::Ports
                    || number)
            }
        }
    }

    fn begin_entry(&mut self, lexeme: Lexeme, signs: Signs, blank: bool, opened: bool, ends_line: bool) {
        self.brackets.clear();
        let wide = lexeme.line_ends_before > 1 && !opened;
        // Documentation belongs to what follows, blank lines between them go.
        let after_doc = self.before.is_some_and(|before| self.lexemes[before].class == Class::Doc);
        let new_line = ends_line
            || self.blocks.last().is_some_and(|block| {
                // A block of many lines ends the line that it ends on.
                let after_many = self.lines.len() > self.entry.line + 1;
                let shared = block.lines == Lines::Shared && lexeme.line_ends_before == 0 && !opened;
                block.many_lines && (!shared || after_many)
            });
        if new_line {
            let run = self.next_run(blank || wide, after_doc);
            self.new_line(self.margin(), (blank || wide && !after_doc) && self.before.is_some(), Some(run));
        }
        let nth = if new_line { 0 } else { self.entry.nth + 1 };
        self.entry = Entry { signs, line: self.lines.len().saturating_sub(1), pieces: 0, nth };
    }

    /// The run of the next line: that of the line before it, if it is the block's last entry.
    fn next_run(&mut self, blank: bool, after_doc: bool) -> u32 {
        let before = self.lines.last().map(|line| line.run);
        let Some(block) = self.blocks.last_mut() else { return 0 };
        if blank || after_doc || before != Some(block.run) || self.lines.len() != self.entry.line + 1 {
            self.last_run += 1;
            block.run = self.last_run;
        }
        block.run
    }

    fn new_line(&mut self, indent: Indent, blank_before: bool, run: Option<u32>) {
        let run = run.unwrap_or_else(|| {
            self.last_run += 1;
            self.last_run
        });
        self.lines.push(Line { indent, blank_before, run, pieces: Vec::new() });
    }

    fn push(&mut self, index: usize, token: Token<'a>, begins_entry: bool) {
        let lexeme = self.lexemes[index];
        let before = self.before.map(|before| self.token(before));
        let shares = self.blocks.last().is_some_and(|block| block.many_lines);
        let Some(line) = self.lines.last_mut() else { return };
        let on_one_line = lexeme.line_ends_before == 0;
        let written_gap = self.before.filter(|_| on_one_line).map(|before| {
            self.text.get(self.lexemes[before].end as usize..lexeme.start as usize).map_or(0, str::len)
        });
        let (mut spaces, mut stop) = (0, None);
        if !line.pieces.is_empty() {
            spaces = before.map_or(0, |before| gap(before, token, self.entry.signs));
            let first_entry = self.entry.nth == 0 && self.entry.line + 1 == self.lines.len();
            if lexeme.class == Class::Comment {
                (spaces, stop) = (2, Some(Stop::Comment));
            } else if begins_entry && before.is_none_or(|before| before.role != Role::Open) {
                // `confirm rate 5/h`: behind a single word one space is enough.
                let lone = self.pieces_before(index) == 1 && written_gap == Some(1);
                spaces = if lone { 1 } else { 2 };
                stop = (shares && !lone).then_some(Stop::Entry(self.entry.nth));
            } else if first_entry && shares && spaces > 0 {
                stop = self.outline.stops.get(&lexeme.start).copied();
                if token.role == Role::Open && self.is_many_lines(index) {
                    stop = None;
                }
            }
        }
        let width = written(lexeme.class, token.text).chars().count();
        let written_column = self.columns.get(index).copied().unwrap_or_default();
        if let Some(line) = self.lines.last_mut() {
            line.pieces.push(Piece { lexeme: index, width, gap: spaces, stop, written_gap, written_column });
        }
    }

    /// How many tokens the entry before the one at `index` has, up to 2.
    fn pieces_before(&self, index: usize) -> usize {
        let before = self.lexemes.get(..index).unwrap_or_default().iter().rev();
        let entry = before.take_while(|it| it.class != Class::Sign || it.text(self.text) != "{").take(2);
        let begins = |it: &&Lexeme| self.outline.entries.contains_key(&it.start);
        entry.take(2).position(|it| begins(&it)).map_or(2, |at| at + 1)
    }

    fn is_many_lines(&self, open: usize) -> bool {
        self.closes.get(&open).is_some_and(|&close| {
            close > open + 1 && self.lexemes[open + 1..=close].iter().any(|it| it.line_ends_before > 0)
        })
    }

    /// Opens and closes blocks and brackets.
    fn track(&mut self, index: usize, token: Token<'a>) {
        self.entry.pieces += 1;
        if token.role == Role::Open {
            let lines = self.outline.blocks.get(&self.lexemes[index].start).copied().unwrap_or(Lines::Own);
            self.last_run += 1;
            let many_lines = self.is_many_lines(index);
            self.blocks.push(Block { open: index, lines, many_lines, run: self.last_run });
            self.brackets.clear();
        } else if token.class == Class::Sign && matches!(token.text, "(" | "[" | "{") {
            let line = self.lines.len().saturating_sub(1);
            let piece = self.lines.last().map_or(0, |line| line.pieces.len().saturating_sub(1));
            self.brackets.push(Bracket { line, piece, hangs: false });
        } else if token.class == Class::Sign
            && token.role != Role::Close
            && matches!(token.text, ")" | "]" | "}")
        {
            self.brackets.pop();
        }
    }
}

/// The `}` of each block's `{`.
fn closes(text: &str, lexemes: &[Lexeme], outline: &Outline) -> HashMap<usize, usize> {
    let mut open = Vec::new();
    let mut closes = HashMap::new();
    for (index, lexeme) in lexemes.iter().enumerate().filter(|(_, it)| it.class == Class::Sign) {
        match lexeme.text(text) {
            "{" => open.push(index),
            "}" => {
                if let Some(open) = open.pop()
                    && outline.blocks.contains_key(&lexemes[open].start)
                {
                    closes.insert(open, index);
                }
            }
            _ => {}
        }
    }
    closes
}

/// Of each lexeme, the first at or behind it that is no comment; found at once, because a file may be
/// comments for the most part.
fn next_tokens(lexemes: &[Lexeme]) -> Vec<usize> {
    let mut next = vec![lexemes.len(); lexemes.len()];
    let mut found = lexemes.len();
    for (index, lexeme) in lexemes.iter().enumerate().rev() {
        if !matches!(lexeme.class, Class::Comment | Class::Doc) {
            found = index;
        }
        next[index] = found;
    }
    next
}

/// Of each lexeme, its characters from the first lexeme of the author's line.
fn written_columns(text: &str, lexemes: &[Lexeme]) -> Vec<usize> {
    let mut columns = Vec::with_capacity(lexemes.len());
    let (mut column, mut end) = (0, 0);
    for lexeme in lexemes {
        let gap = text.get(end..lexeme.start as usize).unwrap_or_default();
        column = if lexeme.line_ends_before > 0 { 0 } else { column + gap.chars().count() };
        columns.push(column);
        column += lexeme.text(text).chars().count();
        end = lexeme.end as usize;
    }
    columns
}

/// Whether an empty line has to come before each lexeme: before policies, profiles and tests, and what
/// is said about them.
fn blanks_before_items(text: &str, lexemes: &[Lexeme], outline: &Outline) -> Vec<bool> {
    let mut blank = vec![false; lexemes.len()];
    let mut depth = 0usize;
    for (index, lexeme) in lexemes.iter().enumerate() {
        match lexeme.text(text) {
            "{" if lexeme.class == Class::Sign => depth += 1,
            "}" if lexeme.class == Class::Sign => depth = depth.saturating_sub(1),
            "policy" | "profile" | "test" if depth == 0 && outline.entries.contains_key(&lexeme.start) => {
                let mut first = index;
                while first > 0 {
                    let before = lexemes[first - 1];
                    let own_line = before.line_ends_before > 0 || first == 1;
                    let near = lexemes[first].line_ends_before < 2;
                    if before.class == Class::Doc || before.class == Class::Comment && own_line && near {
                        first -= 1;
                    } else {
                        break;
                    }
                }
                blank[first] = true;
            }
            _ => {}
        }
    }
    blank
}
