//! Hostile and accidental input: always an answer, soon, and with spans that fit.

use msb_diag::{Diagnostic, FileId, Severity, Sources, Style, codes, render};
use msb_syntax::{FILE_BYTES_MAX, TOKENS_MAX, parse, parse_bytes};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Far above what an input of a megabyte needs (some ten milliseconds without optimisation), and far
/// below what it would take in quadratic time (hours).
const SOON: Duration = Duration::from_secs(30);

/// Parses, checks what must hold for every input, and renders.
fn check(text: &str) -> Vec<Diagnostic> {
    let begin = Instant::now();
    let mut sources = Sources::default();
    let id = sources.add("a.msb", text);
    let (_, found) = parse(id, text);
    for one in &found {
        assert!(one.help.is_some() && !one.labels.is_empty(), "{one:?}");
        for span in one.labels.iter().map(|label| label.span).chain(edits(one)) {
            assert!(span.start <= span.end, "{one:?}");
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{one:?} in {text:?}");
        }
    }
    let mut sorted = found.clone();
    msb_diag::sort(&mut sorted);
    assert_eq!(sorted, found);
    let rendered = render(&found, &sources, Style::default());
    assert!(rendered.len() < 4096 * found.len() + 1, "{} bytes", rendered.len());
    assert!(begin.elapsed() < SOON, "{:?} for {} bytes", begin.elapsed(), text.len());
    found
}

fn edits(one: &Diagnostic) -> impl Iterator<Item = msb_diag::Span> + '_ {
    one.fix.iter().flat_map(|fix| fix.edits.iter().map(|edit| edit.span))
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let text = "{".repeat(10 << 20);
    let found = check(&text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].code, codes::LIMIT_OF_THE_LANGUAGE);
    let exact = format!("edition 2026\n#{}", "x".repeat(FILE_BYTES_MAX - 14));
    assert_eq!(exact.len(), FILE_BYTES_MAX);
    assert_eq!(check(&exact), []);
    assert_eq!(check(&format!("{exact}x")).len(), 1);
}

#[test]
fn a_megabyte_of_anything_is_answered_soon() {
    let repeat = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    for unit in [
        "{",
        "}",
        "[",
        "(",
        "{}",
        "\"",
        "\\",
        "#",
        "##\n",
        "/",
        "$",
        "@",
        "-",
        ".",
        "*",
        "0",
        "9",
        "a",
        "a-",
        "\0",
        "\r",
        "\u{e9}",
        "\u{200b}",
        "\u{202e}x ",
        "\"\u{200b}\"",
        "'",
        "\u{201c}",
        "r\"",
        "[1:",
        "1.",
        "1h",
        "/{",
        "/a#",
        "\"\\u{1",
        "\"\\q",
        "policy ",
        "policy p {\n",
        "fs { read ",
        "read ",
        "; ",
        "not ",
        "limits\n",
        "a b c ",
        "allow read where fd in {",
        "## x\n}",
        "import ",
    ] {
        check(&repeat(unit, FILE_BYTES_MAX));
        // The same in places where other rules read it; an eighth would still take minutes if squared.
        let fill = repeat(unit, FILE_BYTES_MAX / 8);
        check(&format!("edition 2026\npolicy p {{ fs {{ {fill}"));
        check(&format!("edition 2026\npolicy p {{ syscalls {{ allow read where {fill}"));
        check(&format!("edition 2026\npolicy p(a: list<int> = {fill}"));
    }
}

#[test]
fn a_megabyte_of_errors_stops_at_the_limit() {
    let found = check(&format!("edition 2026\npolicy p {{ fs {{\n{}", "reed /x\n".repeat(5_000)));
    assert_eq!(found.len(), 101);
    assert_eq!(found[0].message, "unexpected `reed`, expected `}` or a rule of `fs`");
    let last = found.last().map(|one| (one.code, one.message.as_str()));
    let message = "100 errors, and the rest of the file was not read";
    assert_eq!(last, Some((codes::LIMIT_OF_THE_LANGUAGE, message)));
}

#[test]
fn more_than_any_policy_has_is_not_read() {
    let text = format!("edition 2026\npolicy p {{ fs {{\n{} }} }}", "read /x\n".repeat(120_000));
    let found = check(&text);
    let found: Vec<_> = found.iter().map(|one| (one.code, one.message.as_str())).collect();
    let message = "the file has more than 131072 words and signs, and no policy has";
    assert_eq!(found, [(codes::LIMIT_OF_THE_LANGUAGE, message)]);
    let most = TOKENS_MAX - "edition 2026 policy p { fs { } }".split(' ').count();
    let fits =
        |rules: usize| check(&format!("edition 2026 policy p {{ fs {{ {} }} }}", "read /x ".repeat(rules)));
    assert_eq!(fits(most / 2), []);
    assert_eq!(fits(most / 2 + 1).len(), 1);
}

#[test]
fn many_warnings_do_not_hide_an_error() {
    let warnings = "# \u{200b}\n".repeat(500);
    let found = check(&format!("edition 2026\n{warnings}policy p {{ fs {{ read \"/a\u{200b}\" }} }}\n"));
    assert_eq!(found.iter().filter(|one| one.severity == Severity::Warning).count(), 100);
    let errors: Vec<_> = found.iter().filter(|one| one.is_error()).map(|one| one.code).collect();
    assert_eq!(errors, [codes::INVISIBLE_CHARACTER]);
}

#[test]
fn what_is_not_text_is_said_so() {
    let check = |bytes: &[u8], expected: &str| {
        let (file, found) = parse_bytes(FileId(0), bytes);
        assert_eq!(file, msb_syntax::ast::File::default());
        let found: Vec<_> = found.iter().map(|one| format!("{} {}", one.code, one.message)).collect();
        assert_eq!(found, [expected]);
    };
    check(b"MSBP\x01\x00\xea\x07", "MSB0017 the file is a compiled plan, not a policy");
    check(b"edition 2026\n\xff\xfe", "MSB0017 not UTF-8 text at byte 13");
    check(b"\x7fELF\x02\x01\x01\x00\x80", "MSB0017 the file is a program, and not UTF-8 text");
    check(&vec![0xff; FILE_BYTES_MAX + 1], "MSB0009 the file is longer than 1 MiB, and no policy is");
    let (file, found) = parse_bytes(FileId(0), b"edition 2026\n");
    assert_eq!((file.edition.map(|edition| edition.node), found), (Some(2026), vec![]));
}

const EXAMPLES: [&str; 6] = [
    include_str!("../../../policy-lang/examples/ci-job.msb"),
    include_str!("../../../policy-lang/examples/code-interpreter.msb"),
    include_str!("../../../policy-lang/examples/coding-agent.msb"),
    include_str!("../../../policy-lang/examples/data-analysis.msb"),
    include_str!("../../../policy-lang/examples/mcp-server.msb"),
    include_str!("../../../policy-lang/examples/web-research.msb"),
];

/// Every prefix: what an editor sends while someone types.
#[test]
fn every_prefix_of_the_examples_is_answered() {
    for example in EXAMPLES {
        for (end, _) in example.char_indices() {
            check(&example[..end]);
        }
    }
}

/// Leaving out any one line that is not a comment never makes another policy silently of what has
/// braces on it, and never panics.
#[test]
fn a_lost_brace_is_always_found() {
    for example in EXAMPLES {
        let lines: Vec<&str> = example.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let code = line.split(" #").next().unwrap_or_default();
            let opens = code.matches('{').count();
            let closes = code.matches('}').count();
            let mut rest = lines.clone();
            rest.remove(index);
            let found = check(&rest.join("\n"));
            if opens != closes {
                assert!(msb_diag::has_errors(&found), "without line {}: {line}", index + 1);
            }
        }
    }
}

/// Blank lines, tabs and comments between any two tokens change nothing.
#[test]
fn white_space_carries_no_meaning() {
    for example in EXAMPLES {
        let (plain, _) = parse(FileId(0), example);
        let crlf = example.replace('\n', "\r\n");
        let tabs = example.replace("  ", "\t");
        let commented: Vec<String> = example.lines().map(|line| format!("{line} # x\n\n")).collect();
        // Behind a doc comment it would belong to the text.
        let commented = commented.concat().lines().map(undoc).collect::<Vec<_>>().join("\n");
        for text in [crlf, tabs, commented] {
            let (other, found) = parse(FileId(0), &text);
            assert_eq!(found, []);
            assert_eq!(shape(&plain), shape(&other));
        }
    }
}

fn undoc(line: &str) -> String {
    if line.trim_start().starts_with("##") {
        line.trim_end_matches(" # x").to_owned()
    } else {
        line.to_owned()
    }
}

/// The tree without its positions.
fn shape(file: &msb_syntax::ast::File) -> String {
    let debug = format!("{file:?}");
    let mut shape = String::new();
    let mut rest = debug.as_str();
    while let Some(at) = rest.find("Span { file") {
        shape.push_str(&rest[..at]);
        rest = rest[at..].find('}').map_or("", |end| {
            // Past the end of `FileId(0)`, which has no brace.
            &rest[at + end + 1..]
        });
    }
    shape.push_str(rest);
    shape
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_text(text in "\\PC{0,200}") {
        check(&text);
    }

    #[test]
    fn arbitrary_words_of_the_language(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..60),
    ) {
        check(&format!("edition 2026\n{}", words.join(" ")));
        check(&format!("edition 2026\npolicy p {{\n{}", words.join("\n")));
    }

    #[test]
    fn mutated_examples(
        example in 0usize..6,
        edits in proptest::collection::vec((0usize..1600, 0usize..12, "[-{}()\\[\\],:#\"$@/a-z0-9\\n\u{200b}é]{0,6}"), 1..5),
    ) {
        let mut text = EXAMPLES[example].to_owned();
        for (at, length, new) in edits {
            let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            let (start, end) = (boundary(at), boundary(at + length));
            text.replace_range(start..end, &new);
        }
        check(&text);
    }

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (_, found) = parse_bytes(FileId(0), &bytes);
        prop_assert!(!found.is_empty());
    }
}

const WORDS: &[&str] = &[
    "policy", "profile", "p", "{", "}", "(", ")", "fs", "read", "write", "deny", "/a", "$x/b", "@std", "net",
    "none", "allow", "tcp", "\"h\"", ":", "443", "..", ",", "syscalls", "errno", "EPERM", "where", "fd",
    "==", "1", "and", "or", "not", "in", "has", "any", "A", "|", "+", "-", "&", "limits", "memory", "1GiB",
    "30s", "env", "pass", "set", "=", "exec", "command", "tool", "t", "->", "json", "list", "<", ">", "rate",
    "10/min", "assert", "open", "for", "because", "## doc\n", "# c\n", "import", "std", ".", "group",
    "const", "test", "accept", "MSB0001", "[", "]", "r\"a\"", "?",
];
