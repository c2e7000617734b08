//! The pages of policy-lang: each code has one, each example in one does what the page says.

mod common;

use msb_diag::codes;
use std::collections::BTreeSet;

/// Pages are read as if they lay there: an absolute path, so that a policy can cover itself.
const PLACE: &str = "/policies/example.msb";

fn run_blocks(page: &str, text: &str, code_of_page: Option<&str>) -> BTreeSet<String> {
    let mut given = BTreeSet::new();
    for (head, policy) in common::blocks(text) {
        let asks_for_coverage = matches!(code_of_page, Some("MSB0504" | "MSB0505"));
        let place = match code_of_page {
            Some("MSB0405") => "/policies/ceiling.msb",
            Some("MSB0306" | "MSB0604" | "MSB0606" | "MSB0615") => "/policies/hints.msb",
            _ if asks_for_coverage => "/policies/coverage.msb",
            _ => PLACE,
        };
        let launched = head.split_whitespace().nth(1).or(code_of_page) == Some("MSB0014");
        let mut checked =
            if launched { common::compile(place, &policy) } else { common::findings(place, &policy) };
        // That no launch takes it yet says nothing of the policy.
        checked.diagnostics.retain(|it| it.is_error() || it.code != codes::NOT_ENFORCED);
        let found = common::codes(&checked);
        match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["accept"] => {
                let refused = msb_diag::has_errors(&checked.diagnostics);
                assert!(!refused, "{page}: refused:\n{}", common::rendered(&checked));
                if let Some(code) = code_of_page {
                    assert!(
                        found.iter().all(|it| it != code),
                        "{page}: the repaired example still gives {code}"
                    );
                    assert!(found.is_empty(), "{page}: gives {found:?}\n{}", common::rendered(&checked));
                }
            }
            ["reject", rest @ ..] => {
                let code = rest.first().copied().or(code_of_page).expect("a code to expect");
                assert!(found.iter().any(|it| it == code), "{page}: {code} expected, found {found:?}");
                given.insert(code.to_owned());
            }
            other => {
                // `file=…` blocks belong to a page's console session.
                assert!(other.iter().all(|word| word.contains('=')), "{page}: unknown block {other:?}");
            }
        }
    }
    given
}

/// Codes whose pages have no policy that gives them: reading a file does, the compiler's own limits, the formatter, or
/// a comparison. Those of YAML and JSON are given by files of these kinds, those from 11xx on by a launch.
fn needs_more_than_a_policy(code: msb_diag::Code) -> bool {
    let own = [
        codes::CANNOT_READ,
        codes::NOT_FORMATTED,
        codes::NOT_TEXT,
        codes::FILTER_TOO_LONG,
        codes::NEWLY_ALLOWED,
    ];
    // Data has fixtures in YAML; the pages show it as such.
    let data = [codes::NOT_DATA, codes::AMBIGUOUS_DATA, codes::UNKNOWN_MEMBER, codes::WRONG_DATA];
    code.0 >= 1100 || own.contains(&code) || data.contains(&code)
}

/// The codes that the fixtures of `conformance/` give: policies, data, texts to format, versions to compare.
fn given_by_fixtures() -> BTreeSet<String> {
    let mut given: BTreeSet<String> = BTreeSet::new();
    for (name, text) in
        [common::files("conformance/reject", "msb"), common::files("conformance/reject", "yaml")].concat()
    {
        given.extend(common::codes(&common::compile(&name, &text)));
        if name.starts_with("format-") {
            let text = String::from_utf8(text).expect("UTF-8");
            given.extend(msb_format::unformatted(msb_diag::FileId(0), &text).map(|it| it.code.to_string()));
        }
    }
    for name in common::versions() {
        let (old, new) = (common::version(&name, "old"), common::version(&name, "new"));
        if !new.widenings(&old, msb_policy::By::Inside).is_empty() {
            given.insert(codes::NEWLY_ALLOWED.to_string());
        }
    }
    given
}

/// The registry is what the compiler can say; each code has a page, and a fixture that gives it. What a launch says
/// (from 11xx on) comes from real launches, in the tests of msb-report and msbc.
#[test]
fn the_registry_the_fixtures_and_the_pages_have_the_same_codes() {
    let compilers = |code: &String| code.as_str() < "MSB1000";
    let registry: BTreeSet<String> = codes::TABLE.iter().map(|row| row.code.to_string()).collect();
    let registry: BTreeSet<String> = registry.into_iter().filter(compilers).collect();
    let pages = common::files("errors", "md").into_iter();
    let pages = pages.filter_map(|(name, _)| Some(name.strip_suffix(".md")?.to_owned()));
    let pages: BTreeSet<String> = pages.filter(|name| name.starts_with("MSB")).filter(compilers).collect();
    let given = given_by_fixtures();
    let lacks = |from: &BTreeSet<String>| registry.difference(from).cloned().collect::<Vec<_>>();
    assert_eq!(lacks(&given), [""; 0], "no fixture gives them");
    assert_eq!(lacks(&pages), [""; 0], "they have no page");
    assert_eq!(given.difference(&registry).collect::<Vec<_>>(), [""; 0], "they are not in the registry");
    assert_eq!(pages.difference(&registry).collect::<Vec<_>>(), [""; 0], "pages without a code");
    assert!(registry.len() >= 100, "{}", registry.len());
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages: BTreeSet<String> = common::files("errors", "md").into_iter().map(|(name, _)| name).collect();
    let rows: BTreeSet<String> = codes::TABLE.iter().map(|row| format!("{}.md", row.code)).collect();
    let missing: Vec<_> = rows.difference(&pages).collect();
    let surplus: Vec<_> = pages.difference(&rows).filter(|name| name.starts_with("MSB")).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:?}, without a row {surplus:?}");
}

#[test]
fn every_page_has_its_title_and_an_example_that_gives_its_code() {
    for row in codes::TABLE {
        let name = format!("{}.md", row.code);
        let Ok(text) = std::fs::read_to_string(common::policy_lang().join("errors").join(&name)) else {
            continue; // the test above says so
        };
        assert_eq!(text.lines().next(), Some(format!("# {}: {}", row.code, row.title).as_str()), "{name}");
        let code = row.code.to_string();
        let given = run_blocks(&name, &text, Some(&code));
        assert!(needs_more_than_a_policy(row.code) || given.contains(&code), "{name} has no example");
    }
}

/// Files in YAML, each of which gives the code that its name begins with.
#[test]
fn every_code_of_data_is_given_by_a_file_of_data() {
    let mut given: BTreeSet<String> = BTreeSet::new();
    for (name, text) in common::files("conformance/reject", "yaml") {
        let found = common::codes(&common::compile(&name, &text));
        let expected = name.split('-').nth(1).unwrap_or_default().to_owned();
        assert!(found.contains(&expected), "{name}: {found:?}");
        given.insert(expected);
    }
    for (name, text) in common::files("conformance/accept", "yaml") {
        let checked = common::compile(&name, &text);
        assert!(checked.diagnostics.is_empty(), "{name}:\n{}", common::rendered(&checked));
    }
    let of_data = ["MSB0030", "MSB0031", "MSB0032", "MSB0033"];
    assert!(of_data.iter().all(|code| given.contains(*code)), "{given:?}");
}

#[test]
fn the_reference_does_what_it_says() {
    for (name, text) in common::files("spec", "md") {
        run_blocks(&name, &String::from_utf8(text).expect("UTF-8"), None);
    }
}
