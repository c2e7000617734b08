//! Columns: gaps that authors made wider to stand below each other, kept straight.
//!
//! Behind the words that say what rules do, one wide gap makes a column of all rules of a run. Before
//! options and comments, what stood in one column stays in it, and what stood in several is brought into
//! one. A text that is formatted already has nothing to move, which is why formatting twice changes
//! nothing.

use crate::layout::{Line, Piece, written};
use crate::outline::Stop;
use msb_syntax::Lexeme;
use std::collections::BTreeMap;

/// Aligns the runs of `lines`.
pub(crate) fn align(lines: &mut [Line]) {
    let mut rest = lines;
    while let Some(first) = rest.first() {
        let run = first.run;
        let length = rest.iter().skip(1).position(|line| line.run != run || line.blank_before);
        let (now, later) = rest.split_at_mut(length.map_or(rest.len(), |at| at + 1));
        align_run(now);
        rest = later;
    }
}

/// A place of a column: its line, its piece, and where the text before it ends.
struct Place {
    line: usize,
    piece: usize,
    end: usize,
}

fn align_run(lines: &mut [Line]) {
    let mut stops: BTreeMap<Stop, Vec<(usize, usize)>> = BTreeMap::new();
    for (line, content) in lines.iter().enumerate() {
        for (piece, stop) in content.pieces.iter().enumerate().filter_map(|(at, it)| Some((at, it.stop?))) {
            stops.entry(stop).or_default().push((line, piece));
        }
    }
    // Up to where each line is done: its next piece, and the column of that.
    let mut done: Vec<(usize, usize)> = vec![(0, 0); lines.len()];
    for (stop, members) in stops {
        let mut places = Vec::with_capacity(members.len());
        for (line, piece) in members {
            let (from, column) = done[line];
            let passed = lines[line].pieces[from..piece].iter();
            let end = column + passed.map(|piece| piece.gap + piece.width).sum::<usize>();
            done[line] = (piece, end);
            places.push(Place { line, piece, end });
        }
        align_places(lines, stop, &places);
    }
}

fn align_places(lines: &mut [Line], stop: Stop, places: &[Place]) {
    let piece = |place: &Place, lines: &[Line]| -> (usize, usize) {
        let piece = &lines[place.line].pieces[place.piece];
        (wanted(piece), piece.written_column)
    };
    let least = places.first().map_or(1, |place| lines[place.line].pieces[place.piece].gap);
    let is_wide = |gap: usize| gap > least || stop == Stop::Comment;
    let wide: Vec<&Place> = places.iter().filter(|place| is_wide(piece(place, lines).0)).collect();
    let Some(first) = wide.first() else { return };
    if let Stop::Verb(_) = stop {
        let column = places.iter().map(|place| place.end + least).max().unwrap_or_default();
        return places.iter().for_each(|place| set(lines, place, column));
    }
    let at = piece(first, lines).1;
    if wide.iter().all(|place| piece(place, lines).1 == at) {
        // The author's column. Where the text before it became shorter, it follows; where it became
        // longer, there may be room.
        let members: Vec<&Place> = places.iter().filter(|place| piece(place, lines).1 == at).collect();
        let narrowest = members.iter().map(|place| piece(place, lines).0).min().unwrap_or(least);
        let end = members.iter().map(|place| place.end).max().unwrap_or_default();
        let column = (end + narrowest).min(at.max(end + narrowest.min(2)));
        members.iter().for_each(|place| set(lines, place, column));
    } else {
        let column = wide.iter().map(|place| place.end + 2).max().unwrap_or_default();
        wide.iter().for_each(|place| set(lines, place, column));
    }
}

/// The gap that the author wrote, where it is wide enough.
fn wanted(piece: &Piece) -> usize {
    piece.written_gap.unwrap_or(0).max(piece.gap)
}

fn set(lines: &mut [Line], place: &Place, column: usize) {
    lines[place.line].pieces[place.piece].gap = column - place.end;
}

/// The text of `lines`.
pub(crate) fn write(lines: &[Line], text: &str, lexemes: &[Lexeme]) -> String {
    let mut out = String::with_capacity(text.len());
    // Where each line begins, in characters, for those that stand below a piece of it.
    let mut starts: Vec<usize> = Vec::with_capacity(lines.len());
    // A list of many lines stands below one bracket, of which a long line is measured once.
    let mut measured = ((0, 0), 0);
    for line in lines {
        if let Some(after) = line.indent.after.filter(|after| measured.0 != *after || measured.1 == 0) {
            measured = (after, end(lines, &starts, after.0, after.1));
        }
        let start = line.indent.plus + line.indent.after.map_or(0, |_| measured.1);
        starts.push(start);
        if line.blank_before {
            out.push('\n');
        }
        out.extend(std::iter::repeat_n(' ', start));
        for piece in &line.pieces {
            out.extend(std::iter::repeat_n(' ', piece.gap));
            let lexeme = lexemes[piece.lexeme];
            out.push_str(&written(lexeme.class, lexeme.text(text)));
        }
        out.push('\n');
    }
    out
}

/// The column behind a piece.
fn end(lines: &[Line], starts: &[usize], line: usize, piece: usize) -> usize {
    let before = lines[line].pieces.iter().take(piece + 1);
    starts[line] + before.map(|piece| piece.gap + piece.width).sum::<usize>()
}
