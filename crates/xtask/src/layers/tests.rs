use super::unsafety::{self, allows};
use super::{Edges, check, compare, edges, linked};

fn table(rows: &[(&str, &[&str])]) -> Edges {
    rows.iter()
        .map(|(name, uses)| ((*name).to_owned(), uses.iter().map(|&u| u.to_owned()).collect()))
        .collect()
}

#[test]
fn an_edge_that_is_not_in_the_table_is_wrong() {
    let allowed = table(&[("a", &["b"]), ("b", &[])]);
    assert_eq!(compare(&table(&[("a", &["b"]), ("b", &[])]), &allowed), [""; 0]);
    assert_eq!(
        compare(&table(&[("a", &[]), ("b", &["a"])]), &allowed),
        ["b uses a, which is not in layers.toml"]
    );
    assert_eq!(
        compare(&table(&[("a", &[]), ("c", &[])]), &allowed),
        ["c has no row in layers.toml", "layers.toml has a row for b, which is no crate"]
    );
}

#[test]
fn dependencies_for_tests_are_no_edges() {
    let metadata = r#"{"packages": [{"name": "a", "dependencies":
        [{"name": "b", "kind": null}, {"name": "c", "kind": "dev"}, {"name": "d", "kind": "build"}]}]}"#;
    assert_eq!(edges(metadata).expect("metadata"), table(&[("a", &["b", "d"])]));
}

#[test]
fn a_tree_is_names() {
    assert_eq!(linked("a v1.0.0 (/x)\nb v2.0.0 (*)\n\n").into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn this_workspace_is_layered_as_it_says() {
    assert_eq!(check().expect("cargo"), [""; 0]);
}

#[test]
fn turning_the_lint_off_is_seen() {
    for line in [
        "#![allow(unsafe_code)]",
        "    #[allow(unsafe_code, reason = \"x\")]",
        "#[expect(clippy::x, unsafe_code)]",
        "#![cfg_attr(test, allow(unsafe_code))]",
        "#![warn(unsafe_code)]",
    ] {
        assert!(allows(line), "{line}");
    }
    for line in
        ["#![forbid(unsafe_code)]", "// #![allow(unsafe_code)]", "#[allow(dead_code)]", "allow(unsafe_code)"]
    {
        assert!(!allows(line), "{line}");
    }
}

#[test]
fn a_crate_that_allows_unsafe_code_must_be_in_the_table() {
    let root = std::env::temp_dir().join(format!("xtask-layers-{}", std::process::id()));
    let write = |name: &str, text: &str| {
        let file = root.join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    };
    write("crates/a/Cargo.toml", "[lints]\nworkspace = true\n");
    write("crates/a/src/deep/er.rs", "#![allow(unsafe_code)]\n");
    write("crates/b/Cargo.toml", "[package]\n");
    write("crates/b/src/lib.rs", "//! Nothing.\n");
    let found = |may: &[&str]| {
        let may = may.iter().map(|&name| name.to_owned()).collect();
        unsafety::check(&root, &may).expect("files")
    };
    let lints = "b does not take the workspace's lints".to_owned();
    let without = found(&[]);
    let with = found(&["a", "b"]);
    std::fs::remove_dir_all(&root).expect("a folder");
    assert_eq!(without.len(), 2, "{without:?}");
    assert!(without[0].ends_with("er.rs allows unsafe code, and layers.toml does not"), "{without:?}");
    assert_eq!(without[1], lints);
    assert_eq!(with, [lints, "b has no unsafe code, but may by layers.toml".to_owned()]);
}
