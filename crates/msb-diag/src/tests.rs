use crate::{
    Code, Diagnostic, Edit, FileId, Fix, Severity, Sources, Span, Style, apply, codes, render, sort, to_json,
    to_sarif,
};
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
        let is_name = ["UTF", "YAML"].iter().any(|name| row.title.starts_with(name));
        assert!(first.is_some_and(|c| !c.is_uppercase() || is_name), "{}", row.title);
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

#[test]
fn fixes_are_made_whole_or_not_at_all() {
    let at = |start: u32, end: u32, text: &str| Edit {
        span: Span { file: FileId(0), start, end },
        text: text.to_owned(),
    };
    let fix = |edits: Vec<Edit>| Fix { edits };
    let elsewhere = Edit { span: Span { file: FileId(1), start: 0, end: 1 }, text: "x".to_owned() };
    let fixes = [
        fix(vec![at(4, 5, "E"), at(0, 1, "A")]),
        // Overlaps the first; its other edit is not made either.
        fix(vec![at(0, 2, "no"), at(2, 3, "no")]),
        fix(vec![at(2, 2, "+")]),
        fix(vec![at(2, 2, "-")]),
        fix(vec![elsewhere]),
        fix(vec![at(5, 99, "")]),
        fix(vec![at(6, 8, "")]),
        fix(vec![]),
    ];
    assert_eq!(apply("abcdefgh", FileId(0), &fixes), ("Ab+cdEf".to_owned(), vec![0, 2, 6]));
}

/// The values of the members that the format requires, and of what hosts show.
#[test]
fn sarif_has_what_code_hosts_show() {
    let mut sources = one_file("edition 2026\nread é 5\n");
    sources.add("/etc/my policies/ü.msb", "x\n");
    let other = Span { file: FileId(1), start: 0, end: 1 };
    let found = at(21, 22).label(other, "there").help("write it").edit(span(21, 22), "5MiB");
    let placeless = Diagnostic::new(codes::NO_POLICY, "no policy in `a.msb`");
    let hint = Diagnostic::new(codes::NOT_FORMATTED, "not formatted").label(span(0, 0), "");
    let log = to_sarif(&[found, placeless, hint], &sources, "1.2.3");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["version"], "1.2.3");
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    assert_eq!((rules.len(), results.len()), (3, 3));
    for result in results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        assert!(result["message"]["text"].is_string());
    }
    let levels: Vec<_> = results.iter().map(|it| (it["ruleId"].as_str(), it["level"].as_str())).collect();
    assert_eq!(
        levels,
        [(Some("MSB0015"), Some("error")), (Some("MSB0011"), Some("note")), (Some("MSB0002"), Some("error"))]
    );
    assert!(results[0].get("locations").is_none());
    let place = &results[2]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a.msb");
    let region = serde_json::json!({"startLine": 2, "startColumn": 8, "endLine": 2, "endColumn": 9});
    assert_eq!(place["region"], region);
    let related = &results[2]["relatedLocations"][0];
    assert_eq!(
        related["physicalLocation"]["artifactLocation"]["uri"],
        "file:///etc/my%20policies/%C3%BC.msb"
    );
    let change = &results[2]["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["replacements"][0]["insertedContent"]["text"], "5MiB");
    assert_eq!(change["replacements"][0]["deletedRegion"], region);
}
