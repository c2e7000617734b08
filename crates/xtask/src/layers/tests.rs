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
