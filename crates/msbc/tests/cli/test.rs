//! msbc test: assertions and tests of a file.

use crate::host::Host;

/// A policy of this name whose body ends in `claims`; that of `open` has its folder where the parameter says.
fn policy(name: &str, claims: &str) -> String {
    let place = if name == "open" { "" } else { "at /work" };
    format!(
        "policy {name}(folder: dir) {{\n  include std.base\n  net none\n  fs {{ write $folder {place} }}\n  \
         limits {{ memory 1GiB  pids 10  wall 1min }}\n  {claims}\n}}\n"
    )
}

#[test]
fn every_policy_of_the_file_has_its_line() {
    let host = Host::new();
    let good = policy("good", "assert { allow open /work/a for write }");
    let open = policy("open", "assert { deny env TOKEN  deny open /etc/shadow for read }");
    host.write("all.msb", format!("edition 2026\n{good}{open}{}", policy("none", "")));
    let said = host.msbc(&["test", "all.msb"]);
    let lines = "good: 1 assertion holds\nopen: 2 assertions hold, 1 of them for parameters that lie apart\nnone: no assertions\n";
    assert_eq!((said.code, said.out.as_str()), (Some(0), lines), "{}", said.err);
    assert!(said.err.contains("MSB0503") && said.err.contains("MSB0504") && said.err.contains("MSB0505"));
    assert!(host.msbc(&["test", "all.msb", "--policy", "good"]).out.starts_with("good: 1 "));
}

#[test]
fn a_claim_that_fails_is_a_failure() {
    let host = Host::new();
    let bad = policy("bad", "assert { deny env TOKEN  deny open /work/a for write }");
    host.write("bad.msb", format!("edition 2026\n{bad}"));
    let said = host.msbc(&["test", "bad.msb"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), "bad: 1 of 2 assertions failed\n"));
    assert!(said.err.contains("error[MSB0501]") && said.err.contains("bad.msb:7:28"), "{}", said.err);
    // And it does not compile.
    host.msbc(&["check", "bad.msb"]).fails(1, &["MSB0501"]);
}

#[test]
fn results_as_json_are_on_standard_output_alone() {
    let host = Host::new();
    let good = policy("good", "assert { allow open /work/a for write }");
    host.write("good.msb", format!("edition 2026\n{good}"));
    let said = host.msbc(&["test", "--json", "good.msb"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((&json[0]["policy"], &json[0]["assertions"]), (&"good".into(), &1.into()));
}

#[test]
fn a_file_without_a_policy_is_a_failure() {
    let host = Host::new();
    host.write("profile.msb", "edition 2026\nprofile p { }\n");
    host.msbc(&["test", "profile.msb"]).fails(1, &["MSB0015"]);
    host.msbc(&["test", "missing.msb"]).fails(1, &["cannot read `missing.msb`"]);
}
