//! The policies that we ship, and the laws that every policy obeys, on them.

mod common;

use msb_compile::Options;
use proptest::prelude::*;

/// Shuffles the lines of each `fs`, `syscalls`, `env` and `limits` section, and the statements, of a policy in
/// which each rule and each statement on its own begins a line.
fn shuffled(text: &str, order: &[usize]) -> String {
    let mut keys = order.iter().copied().cycle();
    let mut next = || keys.next().unwrap_or(0);
    let mut head: Vec<&str> = Vec::new();
    let mut statements: Vec<(usize, Vec<&str>)> = Vec::new();
    let mut rules: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        match (depth, line.trim()) {
            (_, "") => {}
            (0, "}") => break,
            (0, _) => head.push(line),
            (2, "}") => {
                rules.sort_by_key(|(key, _)| *key);
                if let Some((_, lines)) = statements.last_mut() {
                    lines.extend(rules.drain(..).map(|(_, rule)| rule));
                    lines.push(line);
                }
            }
            (2, _) => statements.push((next(), vec![line])),
            _ => rules.push((next(), line)),
        }
    }
    statements.sort_by_key(|(key, _)| *key);
    let body: Vec<&str> = statements.into_iter().flat_map(|(_, lines)| lines).collect();
    format!("{}\n{}\n}}\n", head.join("\n"), body.join("\n"))
}

fn example(name: &str) -> String {
    let path = common::policy_lang().join("examples").join(name);
    std::fs::read_to_string(path).expect("an example")
}

/// The examples of which each rule is a line, and which need no other file.
const ORDERABLE: &[&str] = &["hello-agent.msb"];

/// What is said of an example besides hints: `rows` of one is for who calls it.
const WARNED: &[(&str, &str)] = &[("data-analysis.msb", "MSB0106")];

#[test]
fn examples_compile_without_a_word_or_say_what_is_not_enforced() {
    for (name, text) in common::files("examples", "msb") {
        let compiled = common::compile(&name, &text);
        let said = |it: &&msb_diag::Diagnostic| {
            it.severity != msb_diag::Severity::Hint
                && it.code != msb_diag::codes::NOT_ENFORCED
                && !WARNED.contains(&(name.as_str(), it.code.to_string().as_str()))
        };
        let other: Vec<_> = compiled.diagnostics.iter().filter(said).collect();
        assert!(other.is_empty(), "{name}: {other:?}");
        assert_eq!(compiled.plan.is_none(), msb_diag::has_errors(&compiled.diagnostics), "{name}");
        let decoded = compiled.plan.map(|plan| msb_plan::decode(&plan).is_ok());
        assert!(decoded.unwrap_or(name != "hello-agent.msb"), "{name}");
    }
}

#[test]
fn the_first_example_fits_a_screen() {
    assert!(example("hello-agent.msb").lines().count() <= 35);
}

/// Policies that compile and in which each rule is a line.
fn orderable() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        ORDERABLE.iter().map(|name| ((*name).to_owned(), example(name))).collect();
    for (name, text) in common::files("conformance/accept", "msb") {
        let text = String::from_utf8(text).expect("UTF-8");
        // A `##` belongs to the line after it, and only one block is moved.
        let one = !text.contains("profile ") && text.matches("\npolicy ").count() == 1;
        if name.starts_with("check-") && one {
            all.push((name, text));
        }
    }
    all
}

#[test]
fn shuffling_moves_rules_and_statements() {
    let moved = shuffled(&example("hello-agent.msb"), &[5, 3, 8, 1, 9, 2]);
    let at = |text: &str, what: &str| text.find(what).expect("still there");
    assert!(
        at(&moved, "net none") < at(&moved, "include std.base")
            || at(&moved, "scratch") < at(&moved, "write ")
    );
    assert_eq!(moved.matches('{').count(), moved.matches('}').count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn order_means_nothing(order in proptest::collection::vec(0usize..1000, 40)) {
        for (name, text) in orderable() {
            let moved = shuffled(&text, &order);
            let (before, after) = (common::check(&name, &text), common::check(&name, &moved));
            let (before, after) = (before.policy.expect("a policy"), after.policy.expect("a policy"));
            prop_assert_eq!(before.canonical_bytes(), after.canonical_bytes(), "{}", moved);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = common::check("any.msb", &text);
    }

    /// A policy with a hole in it is refused or means less, and never panics.
    #[test]
    fn no_hole_panics(at in 0usize..1500, length in 1usize..60) {
        for (name, text) in orderable() {
            let kept: String =
                text.chars().enumerate().filter(|(i, _)| !(at..at + length).contains(i)).map(|(_, c)| c).collect();
            let _ = msb_compile::compile(&common::Memory(kept.as_bytes()), &name, &Options::default());
        }
    }
}

/// Saying a thing twice says nothing new: the same policy with every statement repeated.
#[test]
fn repetition_means_nothing() {
    let text = example("hello-agent.msb");
    let end = text.rfind('}').expect("an end");
    let start = text.find("\n  include").expect("a statement");
    let twice = format!("{}{}}}\n", &text[..end], &text[start..end]);
    let (once, twice) = (common::check("a.msb", &text), common::check("a.msb", &twice));
    assert!(
        twice.policy.is_some(),
        "{}",
        msb_diag::render(&twice.diagnostics, &twice.sources, msb_diag::Style::default())
    );
    assert_eq!(
        once.policy.map(|policy| policy.canonical_bytes()),
        twice.policy.map(|policy| policy.canonical_bytes())
    );
}

#[test]
fn the_same_text_gives_the_same_bytes() {
    let text = example("hello-agent.msb");
    let plan = || common::compile("hello-agent.msb", &text).plan;
    assert!(plan().is_some());
    assert_eq!(plan(), plan());
}
