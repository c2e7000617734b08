//! Cards and rows as SVG. Widths of letters are estimated, generously, so that no renderer's font lets text
//! run out of its card.

use crate::picture::{Picture, Row};
use crate::words::Tone;
use std::fmt::Write as _;

const WIDTH: f64 = 1180.0;
const MARGIN: f64 = 32.0;
const GAP: f64 = 24.0;
const PADDING: f64 = 18.0;
const BADGE: f64 = 128.0;
const MIDDLE: f64 = 208.0;
const LINE: f64 = 19.0;
const NOTE_LINE: f64 = 16.0;

/// Widest letters of common sans-serif fonts, on average, in parts of the font's size.
const LETTER: f64 = 0.6;

struct Canvas {
    svg: String,
}

impl Canvas {
    fn text(&mut self, x: f64, y: f64, size: f64, class: &str, text: &str) {
        let text = escaped(text);
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.svg,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" class="{class}">{text}</text>"#
        );
    }

    fn centred(&mut self, x: f64, y: f64, size: f64, class: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(
            self.svg,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" class="{class}" text-anchor="middle">{text}</text>"#
        );
    }

    fn rect(&mut self, at: (f64, f64), size: (f64, f64), radius: f64, class: &str) {
        let ((x, y), (width, height)) = (at, size);
        let _ = writeln!(
            self.svg,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="{radius}" class="{class}"/>"#
        );
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str, marker: &str) {
        let _ = writeln!(
            self.svg,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" class="{class}"{marker}/>"#,
            from.0, from.1, to.0, to.1
        );
    }
}

/// Text that nothing in it is taken for markup, and nothing is invisible.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            it if it.is_control() || msb_diag::is_invisible(it) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(it));
            }
            it => out.push(it),
        }
    }
    out
}

/// How many letters wide a character is: those of East Asian scripts, and pictures, are twice as wide.
fn letters(character: char) -> usize {
    if matches!(character, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f000}'..)
    {
        2
    } else {
        1
    }
}

fn letters_of(text: &str) -> usize {
    text.chars().map(letters).sum()
}

/// Lines of at most `width` at a font's size; a word that is longer is cut into pieces.
fn wrapped(text: &str, width: f64, size: f64) -> Vec<String> {
    let mut letters_max: usize = 8;
    while f64::from(u32::try_from(letters_max + 1).unwrap_or(u32::MAX)) * size * LETTER <= width {
        letters_max += 1;
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut rest = word;
        while !rest.is_empty() {
            let mut used = 0;
            let fits = |(_, character): &(usize, char)| {
                used += letters(*character);
                used > letters_max
            };
            let end = rest.char_indices().find(fits).map_or(rest.len(), |(end, _)| end);
            // A path is best broken before a `/`.
            let slash = rest[..end].rfind('/').filter(|&at| at > 0 && end < rest.len());
            let (piece, more) = rest.split_at(slash.unwrap_or(end));
            rest = more;
            match lines.last_mut() {
                Some(line) if letters_of(line) + 1 + letters_of(piece) <= letters_max => {
                    line.push(' ');
                    line.push_str(piece);
                }
                _ => lines.push(piece.to_owned()),
            }
        }
    }
    lines
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Look => "look",
        Tone::Change => "change",
        Tone::Run => "run",
        Tone::Passing => "passing",
        Tone::Deny => "deny",
        Tone::Plain => "plain",
    }
}

fn count(lines: usize) -> f64 {
    f64::from(u32::try_from(lines).unwrap_or(u32::MAX))
}

fn row_height(row: &Row, width: f64) -> f64 {
    let texts = wrapped(&row.text, width, 15.0).len().max(1);
    let notes = wrapped(&row.note, width, 12.5).len();
    (count(texts) * LINE + count(notes) * NOTE_LINE + 12.0).max(34.0)
}

fn text_width(width: f64) -> f64 {
    width - 2.0 * PADDING - BADGE - 12.0
}

fn card_height(rows: &[Row], width: f64) -> f64 {
    46.0 + rows.iter().map(|row| row_height(row, text_width(width))).sum::<f64>() + 8.0
}

fn card(canvas: &mut Canvas, at: (f64, f64), width: f64, title: &str, rows: &[Row]) -> f64 {
    let height = column_height(rows, width);
    canvas.rect(at, (width, height), 12.0, "card");
    canvas.text(at.0 + PADDING, at.1 + 30.0, 17.0, "title", title);
    rows_at(canvas, (at.0, at.1 + 46.0), width, rows);
    height
}

/// Height of the name of a profile above its rows.
const ORIGIN: f64 = 28.0;

/// Whether the name of a profile stands above the row at `index` of a column.
fn names_origin(rows: &[Row], index: usize) -> bool {
    let before = index.checked_sub(1).map_or("", |before| &rows[before].by);
    !rows[index].by.is_empty() && rows[index].by != before
}

fn column_height(rows: &[Row], width: f64) -> f64 {
    let origins = (0..rows.len()).filter(|&index| names_origin(rows, index)).count();
    card_height(rows, width) + count(origins) * ORIGIN
}

/// A card over the whole width, its rows in two columns of about one height.
fn wide_card(canvas: &mut Canvas, top: f64, title: &str, rows: &[Row]) -> f64 {
    let wide = WIDTH - 2.0 * MARGIN;
    let width = wide / 2.0;
    let higher = |end: usize| {
        let (left, right) = rows.split_at(end);
        column_height(left, width).max(column_height(right, width))
    };
    let first = (1..=rows.len()).min_by(|&a, &b| higher(a).total_cmp(&higher(b))).unwrap_or(rows.len());
    let (left, right) = rows.split_at(first);
    let height = higher(first);
    canvas.rect((MARGIN, top), (wide, height), 12.0, "card");
    canvas.text(MARGIN + PADDING, top + 30.0, 17.0, "title", title);
    rows_at(canvas, (MARGIN, top + 46.0), width, left);
    rows_at(canvas, (MARGIN + width, top + 46.0), width, right);
    height
}

fn rows_at(canvas: &mut Canvas, at: (f64, f64), width: f64, rows: &[Row]) {
    let mut y = at.1;
    for (index, row) in rows.iter().enumerate() {
        if names_origin(rows, index) {
            canvas.text(at.0 + PADDING, y + 14.0, 13.5, "origin", &format!("by {}", row.by));
            y += ORIGIN;
        }
        let (badge, word) = match row.tone {
            // Not by its colour alone.
            Tone::Deny => ("deny", "refusal"),
            tone => (class(tone), "badge"),
        };
        canvas.rect((at.0 + PADDING, y), (BADGE, 24.0), 12.0, badge);
        canvas.centred(at.0 + PADDING + BADGE / 2.0, y + 16.5, 12.5, word, row.badge);
        let x = at.0 + PADDING + BADGE + 12.0;
        let mut line_y = y + 17.0;
        for line in wrapped(&row.text, text_width(width), 15.0) {
            canvas.text(x, line_y, 15.0, if row.tone == Tone::Deny { "text denied" } else { "text" }, &line);
            line_y += LINE;
        }
        for line in wrapped(&row.note, text_width(width), 12.5) {
            canvas.text(x, line_y - 2.0, 12.5, "note", &line);
            line_y += NOTE_LINE;
        }
        y += row_height(row, text_width(width));
    }
}

pub(crate) fn draw(picture: &Picture) -> String {
    let mut canvas = Canvas { svg: String::new() };
    let mut y = 50.0;
    for (index, line) in wrapped(&picture.title, WIDTH - 2.0 * MARGIN, 33.0).iter().enumerate() {
        y += if index == 0 { 0.0 } else { 34.0 };
        canvas.text(MARGIN, y, 28.0, "heading", line);
    }
    y += 12.0;
    for line in wrapped(&picture.about, WIDTH - 2.0 * MARGIN, 16.0) {
        y += 22.0;
        canvas.text(MARGIN, y, 16.0, "about", &line);
    }
    for line in wrapped(&given(picture), WIDTH - 2.0 * MARGIN, 13.5) {
        y += 20.0;
        canvas.text(MARGIN, y, 13.5, "note", &line);
    }
    y += 26.0;
    let (mut own, others): (Vec<Row>, Vec<Row>) =
        picture.files.iter().cloned().partition(|row| row.by.is_empty());
    if own.is_empty() {
        own.push(Row {
            badge: "see below",
            tone: Tone::Plain,
            text: "none of its own".to_owned(),
            ..Row::default()
        });
    }
    y = around(&mut canvas, picture, &own, y) + GAP;
    if !others.is_empty() {
        y += wide_card(&mut canvas, y, "Files, by what the policy includes or extends", &others) + GAP;
    }
    if !picture.limits.is_empty() {
        y += limits(&mut canvas, picture, y) + GAP;
    }
    for (title, rows) in
        [("What it may ask of the kernel", &picture.calls), ("Variables that it sees", &picture.environment)]
    {
        if !rows.is_empty() {
            y += wide_card(&mut canvas, y, title, rows) + GAP;
        }
    }
    canvas.text(MARGIN, y + 4.0, 14.0, "about", "Everything that is not in this picture is denied.");
    y += 26.0;
    page(&picture.title, &canvas.svg, y)
}

fn given(picture: &Picture) -> String {
    if picture.given.is_empty() {
        return String::new();
    }
    format!("Given when it starts:  {}", picture.given.join(",  "))
}

/// The program in the middle of what it can reach.
fn around(canvas: &mut Canvas, picture: &Picture, own: &[Row], top: f64) -> f64 {
    let left = (WIDTH - 2.0 * MARGIN - MIDDLE - 4.0 * GAP) / 2.0;
    let (middle_x, right_x) = (MARGIN + left + 2.0 * GAP, MARGIN + left + MIDDLE + 4.0 * GAP);
    let files = card(canvas, (MARGIN, top), left, "Files", own);
    let network = card(canvas, (right_x, top), left, "Network", &picture.network);
    let mut right = network;
    let mut tools_y = None;
    if !picture.tools.is_empty() {
        let at = top + network + GAP;
        tools_y = Some(at);
        right += GAP + card(canvas, (right_x, at), left, "Tools outside that it may ask for", &picture.tools);
    }
    let lines: Vec<String> = picture.program.iter().flat_map(|it| wrapped(it, MIDDLE - 28.0, 12.5)).collect();
    let height = 78.0 + count(lines.len()) * NOTE_LINE;
    canvas.rect((middle_x, top), (MIDDLE, height), 16.0, "program");
    canvas.centred(middle_x + MIDDLE / 2.0, top + 36.0, 19.0, "inside", "the program");
    canvas.centred(middle_x + MIDDLE / 2.0, top + 56.0, 12.5, "inside", "in its sandbox");
    for (index, line) in lines.iter().enumerate() {
        canvas.centred(middle_x + MIDDLE / 2.0, top + 80.0 + count(index) * NOTE_LINE, 12.5, "inside", line);
    }
    let y = top + 40.0;
    canvas.line((middle_x, y), (MARGIN + left + 6.0, y), "arrow", ARROW);
    let end = (right_x - 6.0, y);
    let begin = (middle_x + MIDDLE, y);
    if picture.online {
        canvas.line(begin, end, "arrow", ARROW);
    } else {
        let (x, y) = (f64::midpoint(begin.0, end.0), y);
        canvas.line(begin, (end.0 + 6.0, y), "barred", "");
        canvas.line((x - 8.0, y - 8.0), (x + 8.0, y + 8.0), "cross", "");
        canvas.line((x - 8.0, y + 8.0), (x + 8.0, y - 8.0), "cross", "");
    }
    if let Some(at) = tools_y {
        // Down beside the network's card, so that nothing is crossed.
        let x = middle_x + MIDDLE + GAP;
        canvas.line((middle_x + MIDDLE, top + height - 16.0), (x, top + height - 16.0), "arrow", "");
        canvas.line((x, top + height - 16.0), (x, at + 30.0), "arrow", "");
        canvas.line((x, at + 30.0), (right_x - 6.0, at + 30.0), "arrow", ARROW);
    }
    top + files.max(right).max(height)
}

const ARROW: &str = " marker-end=\"url(#arrow)\"";

fn limits(canvas: &mut Canvas, picture: &Picture, top: f64) -> f64 {
    const COLUMNS: usize = 5;
    let wide = WIDTH - 2.0 * MARGIN;
    let cell = (wide - 2.0 * PADDING) / count(COLUMNS);
    let rows = picture.limits.len().div_ceil(COLUMNS);
    let height = 50.0 + count(rows) * 52.0;
    canvas.rect((MARGIN, top), (wide, height), 12.0, "card");
    canvas.text(MARGIN + PADDING, top + 30.0, 17.0, "title", "At most");
    for (index, (name, value)) in picture.limits.iter().enumerate() {
        let x = MARGIN + PADDING + count(index % COLUMNS) * cell;
        let y = top + 62.0 + count(index / COLUMNS) * 52.0;
        canvas.text(x, y, 19.0, "number", value);
        canvas.text(x, y + 18.0, 12.5, "note", name);
    }
    height
}

fn page(title: &str, content: &str, height: f64) -> String {
    let title = escaped(title);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}" height="{height:.0}" viewBox="0 0 {WIDTH} {height:.0}">
<title>What the policy {title} allows</title>
<style>{STYLE}</style>
<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z" class="head"/></marker></defs>
<rect x="0" y="0" width="{WIDTH}" height="{height:.0}" class="page"/>
{content}</svg>
"##
    )
}

/// Text has a contrast of 4.5 to 1 at least to what is behind it, in the light and in the dark (WCAG 2.1, 1.4.3).
pub(crate) const STYLE: &str = r##"
text { font-family: "DejaVu Sans", Verdana, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2933; }
.heading, .title, .origin { font-weight: bold; }
.about { fill: #3e4c59; }
.note, .origin { fill: #5b6875; }
.denied { fill: #7b2d26; }
.number { font-weight: bold; fill: #243b53; }
.badge, .inside { fill: #ffffff; }
.refusal { fill: #b3261e; font-weight: bold; }
.page { fill: #f5f7fa; }
.card { fill: #ffffff; stroke: #cbd2d9; }
.program { fill: #243b53; }
.look { fill: #2f6f9f; }
.change { fill: #b45309; }
.run { fill: #2f7d4f; }
.passing { fill: #6b5b95; }
.plain { fill: #52606d; }
.deny { fill: none; stroke: #b3261e; stroke-width: 2; }
.arrow { stroke: #52606d; stroke-width: 2; fill: none; }
.head { fill: #52606d; }
.barred { stroke: #b3261e; stroke-width: 2; stroke-dasharray: 5 5; }
.cross { stroke: #b3261e; stroke-width: 3.5; }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e7eb; }
  .about { fill: #cbd2d9; }
  .note, .origin { fill: #9aa5b1; }
  .denied { fill: #f5a9a1; }
  .number { fill: #bcccdc; }
  .refusal { fill: #ff9b91; }
  .page { fill: #12171d; }
  .card { fill: #1c232b; stroke: #3e4c59; }
  .program { fill: #334e68; }
  .deny, .barred, .cross { stroke: #ff7b6e; }
  .arrow { stroke: #9aa5b1; }
  .head { fill: #9aa5b1; }
}
"##;
