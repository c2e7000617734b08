//! For any text: formatting twice is formatting once, and the meaning stays.

use msb_diag::FileId;
use msb_format::format;
use msb_syntax::{Class, lexemes, parse};
use proptest::prelude::*;
use std::path::Path;

/// The tree without its positions.
fn shape(text: &str) -> String {
    let debug = format!("{:?}", parse(FileId(0), text).0);
    let mut parts = debug.split("Span { file");
    let mut shape = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shape.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    shape
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let Ok(formatted) = format(text) else { return Ok(()) };
    prop_assert_eq!(shape(&formatted), shape(text));
    let again = format(&formatted);
    prop_assert_eq!(again.as_ref().ok(), Some(&formatted), "of {:?}", text);
    let comments = |text: &str| lexemes(text).iter().filter(|it| it.class == Class::Comment).count();
    prop_assert_eq!(comments(&formatted), comments(text));
    Ok(())
}

fn policies() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy-lang");
    let mut all = Vec::new();
    for folder in ["examples", "std", "conformance/accept", "conformance/reject"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|end| end == "msb") {
                all.extend(std::fs::read_to_string(path));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn every_policy_of_the_language() {
    let policies = policies();
    assert!(policies.len() > 200);
    for text in policies {
        check(&text).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

/// Other white space and comments between the tokens of a policy, drawn from `choices`.
fn respaced(text: &str, choices: &[usize]) -> String {
    const GAPS: &[&str] = &[
        "",
        " ",
        " ",
        "  ",
        "   ",
        "\t",
        "\n",
        "\n",
        "\r\n",
        "\n\n",
        "\n\n\n    ",
        " # c\n",
        "\n  # own }\n",
    ];
    let mut choices = choices.iter().cycle();
    let mut out = String::new();
    let mut end = 0;
    for lexeme in lexemes(text) {
        let gap = &text[end..lexeme.start as usize];
        let new = GAPS[choices.next().copied().unwrap_or(0) % GAPS.len()];
        // Comments end with their line.
        let ended = gap.contains('\n') && out.rsplit('\n').next().is_some_and(|line| line.contains('#'));
        out.push_str(if ended { "\n" } else { "" });
        out.push_str(if new.is_empty() && !ended { gap } else { new });
        out.push_str(lexeme.text(text));
        end = lexeme.end as usize;
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn white_space_of_any_kind(
        policy in 0usize..1000,
        choices in proptest::collection::vec(0usize..64, 1..40),
    ) {
        let policies = policies();
        let text = respaced(&policies[policy % policies.len()], &choices);
        check(&text)?;
    }

    #[test]
    fn changed_policies(
        policy in 0usize..1000,
        edits in proptest::collection::vec((0usize..1600, 0usize..6, "[-{}()\\[\\],:#\"$@/a-z0-9\\n ]{0,6}"), 1..3),
    ) {
        let policies = policies();
        let mut text = policies[policy % policies.len()].clone();
        for (at, length, new) in edits {
            let boundary = |at: usize| {
                (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
            };
            let (start, end) = (boundary(at), boundary(at + length));
            text.replace_range(start..end, &new);
        }
        check(&text)?;
    }
}
