//! msbc doc.

use crate::host::Host;

#[test]
fn pages_are_embedded() {
    let host = Host::new();
    for name in ["MSB1106", "msb1106"] {
        let said = host.msbc(&["doc", name]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        assert!(said.out.starts_with("# MSB1106: host refuses the sandbox's namespaces\n"), "{}", said.out);
    }
}

#[test]
fn every_code_of_a_failure_has_a_page() {
    let host = Host::new();
    for row in msb_diag::codes::TABLE.iter().filter(|row| row.code.0 >= 1100) {
        let said = host.msbc(&["doc", &row.code.to_string()]);
        assert!(said.out.starts_with(&format!("# {}: {}\n", row.code, row.title)), "{}", said.out);
    }
}

#[test]
fn profiles_and_groups_are_shown() {
    let host = Host::new();
    assert!(host.msbc(&["doc", "std.base"]).out.contains("profile base {"));
    assert!(host.msbc(&["doc", "std.ci.untrusted"]).out.contains("policy untrusted("));
    host.msbc(&["doc", "std.ci.other"]).fails(2, &["there is no page about `std.ci.other`"]);
    let group = host.msbc(&["doc", "@file-system"]).out;
    assert!(group.starts_with("# @file-system\n") && group.contains(" openat "), "{group}");
}

#[test]
fn unknown_names_say_what_there_is() {
    let host = Host::new();
    host.msbc(&["doc", "MSB9999"]).fails(2, &["there is no page about `MSB9999`", "such as MSB0101"]);
    host.msbc(&["doc", "std.nothing"]).fails(2, &["std.base, ", "std.workspace"]);
    host.msbc(&["doc", "@nothing"]).fails(2, &["@file-system"]);
}
