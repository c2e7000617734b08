use crate::{Code, Diagnostic, FileId, Severity, Sources, Span, Style, codes, render, sort, to_json};
use proptest::prelude::*;

const PLAIN: Style = Style { color: false, width: 80, unicode: true };

fn one_file(text: &str) -> Sources {
    let mut sources = Sources::default();
    sources.add("a.msb", text);
    sources
}

fn span(start: u32, end: u32) -> Span {
    Span { file: FileId(0), start, end }
}

fn at(start: u32, end: u32) -> Diagnostic {
    Diagnostic::new(codes::UNEXPECTED, "unexpected `x`").label(span(start, end), "here")
}

#[test]
fn every_code_has_one_row_in_order() {
    assert!(codes::TABLE.windows(2).all(|pair| pair[0].code < pair[1].code), "unique and sorted");
    for row in codes::TABLE {
        assert_eq!(row.code.row(), Some(row));
        assert_eq!(Code::parse(&row.code.to_string()), Some(row.code));
        let first = row.title.chars().next();
        assert!(first.is_some_and(|c| !c.is_uppercase() || row.title.starts_with("UTF")), "{}", row.title);
        assert!(!row.title.ends_with('.'), "{}", row.title);
    }
}

#[test]
fn unknown_code_is_an_error() {
    assert_eq!(Code(9999).severity(), Severity::Error);
    assert_eq!(Code::parse("MSB9999"), None);
    assert_eq!(Code::parse("MSB1"), None);
    assert_eq!(Code::parse("MSB+001"), None);
}

#[test]
fn raise_never_makes_milder() {
    let warning = Diagnostic::new(codes::INVISIBLE_CHARACTER, "");
    assert_eq!(warning.severity, Severity::Warning);
    assert_eq!(warning.clone().raise(Severity::Error).severity, Severity::Error);
    assert_eq!(warning.raise(Severity::Hint).severity, Severity::Warning);
}

#[test]
fn line_column_counts_characters_from_one() {
    let sources = one_file("edition 2026\r\n\tréad é x\n");
    assert_eq!(sources.line_column(span(0, 1)), Some((1, 1, "edition 2026")));
    assert_eq!(sources.line_column(span(14, 15)), Some((2, 1, "\tréad é x")));
    assert_eq!(sources.line_column(span(24, 25)), Some((2, 9, "\tréad é x")));
    assert_eq!(sources.line_column(span(26, 26)), Some((3, 1, "")), "the end is on the line after the last");
    assert_eq!(sources.line_column(span(900, 7)), Some((3, 1, "")));
    assert_eq!(sources.line_column(Span { file: FileId(7), start: 0, end: 0 }), None);
}

#[test]
fn sort_orders_by_place_and_drops_repetitions() {
    let mut found = vec![at(8, 9), at(1, 2), at(8, 9).raise(Severity::Error), at(1, 2)];
    found.push(Diagnostic::new(codes::UNEXPECTED, "another").label(span(1, 2), ""));
    sort(&mut found);
    let places: Vec<_> = found.iter().map(|d| (d.span(), d.message.as_str())).collect();
    let expected = [(1, 2, "another"), (1, 2, "unexpected `x`"), (8, 9, "unexpected `x`")];
    assert_eq!(places, expected.map(|(a, b, m)| (Some(span(a, b)), m)));
}

#[test]
fn render_shows_code_message_place_and_help() {
    let sources = one_file("edition 2026\npolicy p {\n  limits { memory 512 }\n}\n");
    let found = Diagnostic::new(codes::NUMBER_WITHOUT_UNIT, "`512` has no unit")
        .label(span(42, 45), "a size needs a unit")
        .help("write `512MiB`");
    insta::assert_snapshot!(render(&[found], &sources, PLAIN), @"
    error[MSB0003]

      × `512` has no unit
       ╭─[a.msb:3:19]
     2 │ policy p {
     3 │   limits { memory 512 }
       ·                   ─┬─
       ·                    ╰── a size needs a unit
     4 │ }
       ╰────
      help: write `512MiB`
    ");
}

#[test]
fn render_ascii() {
    let sources = one_file("policy p {\n");
    let style = Style { unicode: false, ..PLAIN };
    insta::assert_snapshot!(render(&[at(7, 8)], &sources, style), @"
    error[MSB0002]

      x unexpected `x`
       ,-[a.msb:1:8]
     1 | policy p {
       :        |
       :        `-- here
       `----
    ");
}

#[test]
fn render_two_labels_far_apart_and_in_another_file() {
    let mut sources = one_file("one\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    let other = sources.add("b.msb", "wide: 漢字 x\n");
    let found = Diagnostic::new(codes::DUPLICATE_SETTING, "`one` is given twice")
        .label(span(28, 33), "again here")
        .label(span(0, 3), "first here")
        .label(Span { file: other, start: 13, end: 14 }, "and there")
        .help("remove one");
    insta::assert_snapshot!(render(&[found], &sources, PLAIN), @"
    error[MSB0010]

      × `one` is given twice
       ╭─[a.msb:1:1]
     1 │ one
       · ─┬─
       ·  ╰── first here
     2 │ two
       ╰────
       ╭─[a.msb:7:1]
     6 │ six
     7 │ seven
       · ──┬──
       ·   ╰── again here
       ╰────
      ☞ see also `b.msb`
       ╭─[b.msb:1:10]
     1 │ wide: 漢字 x
       ·            ┬
       ·            ╰── and there
       ╰────
      help: remove one
    ");
}

#[test]
fn render_at_the_end_of_the_file_and_in_an_empty_file() {
    insta::assert_snapshot!(render(&[at(10, 10)], &one_file("policy p {"), PLAIN), @"
    error[MSB0002]

      × unexpected `x`
       ╭─[a.msb:1:11]
     1 │ policy p {
       ·           ▲
       ·           ╰── here
       ╰────
    ");
    insta::assert_snapshot!(render(&[at(11, 11)], &one_file("policy p {\n"), PLAIN), @"
    error[MSB0002]

      × unexpected `x`
       ╭─[a.msb:2:1]
     1 │ policy p {
     2 │ 
       · ▲
       · ╰── here
       ╰────
    ");
    insta::assert_snapshot!(render(&[at(0, 0)], &one_file(""), PLAIN), @"
    error[MSB0002]

      × unexpected `x`
       ╭─[a.msb:1:1]
     1 │ 
       · ▲
       · ╰── here
       ╰────
    ");
}

#[test]
fn render_tabs_crlf_and_wide_characters_align() {
    insta::assert_snapshot!(render(&[at(9, 10)], &one_file("a\r\n\t漢字x\r\nb\r\n"), PLAIN), @"
    error[MSB0002]

      × unexpected `x`
       ╭─[a.msb:2:3]
     1 │ a
     2 │     漢字x
       ·       ─┬
       ·        ╰── here
     3 │ b
       ╰────
    ");
}

#[test]
fn render_makes_escape_sequences_and_invisible_characters_visible() {
    let sources = one_file("a \u{1b}[31m \u{202e}b\u{200b} x\n");
    let found = at(15, 16).help("not `\u{1b}[2J`");
    let text = render(&[found], &sources, PLAIN);
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{text}");
    insta::assert_snapshot!(text, @r"
    error[MSB0002]

      × unexpected `x`
       ╭─[a.msb:1:12]
     1 │ a �[31m �b� x
       ·            ┬
       ·            ╰── here
       ╰────
      help: not `\u{1b}[2J`
    ");
}

#[test]
fn render_of_a_long_line_is_short() {
    let sources = one_file(&"x".repeat(1 << 20));
    let text = render(&[at(500_000, 500_001)], &sources, PLAIN);
    assert!(text.contains("a.msb:1:500001"), "{text}");
    assert!(text.len() < 1000);
    assert!(text.lines().all(|line| line.chars().count() <= PLAIN.width), "{text}");
}

#[test]
fn label_over_several_lines_is_shown_on_its_first() {
    insta::assert_snapshot!(render(&[at(0, 9)], &one_file("abc\ndef\nghi\njkl\n"), PLAIN), @"
    error[MSB0002]

      × unexpected `x`
       ╭─[a.msb:1:1]
     1 │ abc
       · ─┬─
       ·  ╰── here
     2 │ def
       ╰────
    ");
}

#[test]
fn colour_only_where_asked() {
    let sources = one_file("policy p {\n");
    assert!(!render(&[at(7, 8)], &sources, PLAIN).contains('\u{1b}'));
    assert!(render(&[at(7, 8)], &sources, Style { color: true, ..PLAIN }).contains('\u{1b}'));
}

#[test]
fn json_has_every_field() {
    let sources = one_file("edition 2026\nread é 5\n");
    let found = at(21, 22).help("write it").edit(span(21, 22), "5MiB");
    insta::assert_snapshot!(to_json(&[found, at(21, 22)], &sources).to_string(), @r#"[{"code":"MSB0002","column":8,"end":{"column":9,"line":2},"file":"a.msb","fix":[{"column":8,"end":{"column":9,"line":2},"file":"a.msb","line":2,"text":"5MiB"}],"help":"write it","labels":[{"column":8,"end":{"column":9,"line":2},"file":"a.msb","line":2,"text":"here"}],"line":2,"message":"unexpected `x`","severity":"error"}]"#);
    let placeless = Diagnostic::new(codes::NO_POLICY, "no policy in `a.msb`");
    insta::assert_snapshot!(to_json(&[placeless], &sources).to_string(), @r#"[{"code":"MSB0015","column":null,"end":null,"file":null,"fix":null,"help":null,"labels":[],"line":null,"message":"no policy in `a.msb`","severity":"error"}]"#);
}

proptest! {
    #[test]
    fn no_span_makes_rendering_panic(
        text in "[a-z \t\r\n漢é\u{202e}\u{1b}]{0,60}",
        spans in proptest::collection::vec((0u32..3, 0u32..90, 0u32..90), 0..4),
        width in 0usize..200,
        unicode: bool,
    ) {
        let sources = one_file(&text);
        let mut found = Diagnostic::new(codes::UNEXPECTED, &text);
        for (file, start, end) in spans {
            found = found.label(Span { file: FileId(file), start, end }, "é");
        }
        let rendered = render(std::slice::from_ref(&found), &sources, Style { color: false, width, unicode });
        prop_assert!(rendered.contains("error[MSB0002]"));
        prop_assert!(to_json(&[found], &sources).is_array());
    }
}
