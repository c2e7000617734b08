//! The cases of policy-lang/conformance for the whole compiler: those of `accept/` compile, and those of
//! `reject/` whose names begin with `check-` give what the file beside them says, an array of objects with
//! `code`, `line` and `column` in the order of positions. The cases `syntax-` are for the parser.
//!
//! The expected files are for any implementation, so they have no wording: that is in the snapshots here.
//! `MSB_UPDATE=1` writes the expected files anew; what changed is for review.

mod common;

use serde_json::{Value, json};

/// What a finding is for every implementation.
fn expected(name: &str, text: &[u8]) -> Value {
    let compiled = common::compile(name, text);
    let all = msb_diag::to_json(&compiled.diagnostics, &compiled.sources);
    let short =
        |found: &Value| json!({"code": found["code"], "line": found["line"], "column": found["column"]});
    all.as_array().expect("an array").iter().map(short).collect()
}

fn cases(folder: &str) -> Vec<(String, Vec<u8>)> {
    common::files(folder, "msb").into_iter().filter(|(name, _)| name.starts_with("check-")).collect()
}

#[test]
fn rejected_policies_are_rejected_for_the_expected_reason() {
    let cases = cases("conformance/reject");
    assert!(cases.len() > 150);
    let mut wrong = Vec::new();
    for (name, text) in cases {
        let compiled = common::compile(&name, &text);
        assert!(!compiled.diagnostics.is_empty(), "{name} is accepted in silence");
        assert_eq!(compiled.policy.is_none(), msb_diag::has_errors(&compiled.diagnostics), "{name}");
        let path = common::policy_lang().join("conformance/reject").join(&name).with_extension("json");
        let actual = expected(&name, &text);
        if std::env::var_os("MSB_UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&actual).expect("JSON");
            std::fs::write(&path, text + "\n").expect("writable");
        }
        let wanted = std::fs::read_to_string(&path).unwrap_or_default();
        if serde_json::from_str::<Value>(&wanted).ok().as_ref() != Some(&actual) {
            wrong.push(format!("{name}: expected {wanted}, found {actual}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a new version allows and denies that the old one did not: requests, in the words of claims.
#[test]
fn versions_differ_as_expected() {
    let names = common::versions();
    assert!(names.len() >= 5);
    for name in names {
        let (old, new) = (common::version(&name, "old"), common::version(&name, "new"));
        let requests = |policy: &msb_policy::Policy, other: &msb_policy::Policy| -> Value {
            let all = policy.widenings(other, msb_policy::By::Inside);
            all.iter().map(|it| json!(it.what.describe(policy, other))).collect()
        };
        let actual = json!({
            "newly_allowed": requests(&new, &old),
            "newly_denied": requests(&old, &new),
        });
        let path = common::policy_lang().join("conformance/diff").join(&name).with_extension("json");
        if std::env::var_os("MSB_UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&actual).expect("JSON");
            std::fs::write(&path, text + "\n").expect("writable");
        }
        let wanted = std::fs::read_to_string(&path).expect("an expectation");
        assert_eq!(serde_json::from_str::<Value>(&wanted).ok(), Some(actual), "{name}");
    }
}

#[test]
fn accepted_policies_compile_without_a_word() {
    let cases = cases("conformance/accept");
    assert!(cases.len() > 15);
    for (name, text) in cases {
        let mut compiled = common::findings(&name, &text);
        if name.starts_with("check-tools-") {
            // No launch takes them yet.
            compiled.diagnostics.retain(|it| it.is_error() || it.code != msb_diag::codes::NOT_ENFORCED);
        }
        assert_eq!(compiled.diagnostics, [], "{name}");
        let Some(plan) = compiled.plan else {
            assert!(name.starts_with("check-tools-"), "{name}");
            continue;
        };
        msb_plan::decode(&plan).unwrap_or_else(|wrong| panic!("{name}: {wrong:?}"));
    }
}

/// One snapshot for each section, so that a change of wording is reviewed in its place.
#[test]
fn what_people_read() {
    let mut sections: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for (name, text) in common::files("conformance/reject", "msb") {
        let Some(case) = name.strip_prefix("check-") else { continue };
        let section = case.split(['-', '.']).next().unwrap_or("").to_owned();
        sections.entry(section).or_default().push_str(&common::rendered(&common::compile(&name, &text)));
    }
    for (section, text) in sections {
        insta::assert_snapshot!(section, text);
    }
}

/// Each edit that a finding offers, made alone: the finding is gone, and nothing else is wrong that was not before.
///
/// An edit of what could not be read lets the rest be read, which may be wrong in ways of its own; then the errors are no
/// more than they were.
#[test]
fn every_edit_takes_its_finding_away_and_brings_none() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for (name, text) in common::files("conformance/reject", "msb") {
        let Ok(text) = String::from_utf8(text) else { continue };
        let Some(_) = name.strip_prefix("check-") else { continue };
        let before = common::check(&name, &text);
        let errors = |all: &[msb_diag::Diagnostic]| all.iter().filter(|it| it.is_error()).count();
        for found in &before.diagnostics {
            let Some(fix) = found.fix.as_ref().filter(|_| found.span().is_some_and(|it| it.file.0 == 0))
            else {
                continue;
            };
            tried += 1;
            let (repaired, made) = msb_diag::apply(&text, msb_diag::FileId(0), [fix]);
            if made.is_empty() {
                wrong.push(format!("{name}: the edit does not fit: {}", found.message));
                continue;
            }
            let after = common::check(&name, &repaired);
            // The same mistake in another place is another finding: one edit repairs one place.
            let place = |it: &msb_diag::Diagnostic| it.span().map(|span| span.start);
            let same = |it: &msb_diag::Diagnostic| {
                (it.code, &it.message, place(it)) == (found.code, &found.message, place(found))
            };
            if after.diagnostics.iter().any(same) {
                wrong.push(format!("{name}: still there after its edit: {}\n{repaired}", found.message));
            }
            if errors(&after.diagnostics) > errors(&before.diagnostics) {
                let new: Vec<&str> = after.diagnostics.iter().map(|it| it.message.as_str()).collect();
                wrong.push(format!("{name}: more is wrong after `{}`: {new:?}\n{repaired}", found.message));
            }
        }
    }
    assert!(tried > 200, "{tried}");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Policies that are data: each gives the code in its name, says what to write as data, and offers edits that work.
#[test]
fn findings_about_data_are_in_its_words() {
    let yaml = common::files("conformance/reject", "yaml");
    let json =
        common::files("conformance/reject", "json").into_iter().filter(|(name, _)| name.starts_with("data-"));
    let mut all = String::new();
    let mut tried = 0;
    for (name, text) in yaml.into_iter().chain(json) {
        let compiled = common::compile(&name, &text);
        let errors = compiled.diagnostics.iter().filter(|it| it.is_error());
        let codes: Vec<String> = errors.map(|it| it.code.to_string()).collect();
        let wanted = name.split('-').nth(1).unwrap_or_default();
        assert!(codes.iter().any(|code| code == wanted), "{name}: {codes:?}");
        all.push_str(&common::rendered(&compiled));
        let text = String::from_utf8(text).expect("UTF-8");
        for found in &compiled.diagnostics {
            let help = found.help.as_deref().unwrap_or_default();
            let block =
                ["fs", "net", "syscalls", "limits", "env", "exec", "assert"].map(|it| format!("{it} {{"));
            assert!(!block.iter().any(|it| help.contains(it.as_str())), "{name}: {help}");
            let Some(fix) = &found.fix else { continue };
            let (repaired, made) = msb_diag::apply(&text, msb_diag::FileId(0), [fix]);
            assert!(!made.is_empty(), "{name}: {}", found.message);
            let after = common::check(&name, &repaired);
            assert!(!after.diagnostics.iter().any(|it| it.message == found.message), "{name}:\n{repaired}");
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried}");
    insta::assert_snapshot!("data", all);
}

/// What `msbc fix` makes of what people write who come from other languages: an edit that is offered has to work.
#[test]
fn edits_repair_what_they_are_offered_for() {
    let mut outcomes = String::new();
    for (name, text) in common::files("conformance/reject", "msb") {
        let Some(case) = name.strip_prefix("check-") else { continue };
        let before = common::check(&name, &text);
        let offered = before.diagnostics.iter().any(|found| found.is_error() && found.fix.is_some());
        if !before.diagnostics.iter().any(|found| found.fix.is_some()) && !case.starts_with("habits-") {
            continue;
        }
        let files = common::Beside(&name, &text);
        let after = msb_compile::fix(&files, &name, &msb_compile::Options::default()).left;
        let unread = |all: &[msb_diag::Diagnostic]| all.iter().any(|it| it.is_error() && it.code.0 < 100);
        // All edits together, too, leave a policy that can be read.
        let (was, is) = (unread(&before.diagnostics), unread(&after.diagnostics));
        assert!(was || !is, "{name}: {:?}", after.diagnostics);
        let Some(case) = case.strip_prefix("habits-") else { continue };
        let case = case.trim_end_matches(".msb");
        let left: Vec<String> = after
            .diagnostics
            .iter()
            .filter(|it| it.is_error() && it.code.0 != 14)
            .map(|it| it.code.to_string())
            .collect();
        let outcome = match (offered, left.is_empty()) {
            (true, true) => "repaired".to_owned(),
            (true, false) => format!("repaired in part, then {}", left.join(", ")),
            (false, true) => "warned".to_owned(),
            (false, false) => "by hand".to_owned(),
        };
        outcomes.push_str(&format!("{case}: {outcome}\n"));
    }
    insta::assert_snapshot!("habits_repaired", outcomes);
}

#[test]
fn a_long_file_of_data_is_offered_edits() {
    let policy = "edition: 2026\npolicies:\n  - name: p\n    include: [std.base]\n    limits: {memory: 512, pids: 64, wall: 1min}\n";
    let long = format!("{policy}#{}\n", "x".repeat(200 << 10));
    let compiled = common::compile("long.yaml", &long);
    let fixes: Vec<_> = compiled.diagnostics.iter().filter_map(|found| found.fix.as_ref()).collect();
    assert_eq!(fixes.len(), 1, "{}", common::rendered(&compiled));
    assert_eq!(fixes[0].edits[0].text, "512MiB");
}
