use super::*;
use msb_syntax::ast::{FsRule, PathKind, StmtKind};

/// No files to import.
struct Nothing;

impl Load for Nothing {
    fn load(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("no such file or directory".to_owned())
    }
}

fn resolved(text: &str) -> (Resolved, Vec<u16>) {
    let mut sources = Sources::default();
    let id = sources.add("it.msb", text);
    let (file, found) = msb_syntax::parse(id, text);
    assert_eq!(found, []);
    let (resolved, found) = resolve(&file, None, &mut sources, &Nothing);
    (resolved.expect("a policy"), found.iter().map(|it| it.code.0).collect())
}

fn rules(resolved: &Resolved) -> Vec<&FsRule> {
    resolved
        .stmts
        .iter()
        .flat_map(|placed| match &placed.stmt.kind {
            StmtKind::Fs(rules) => rules.as_slice(),
            _ => &[],
        })
        .collect()
}

fn paths(resolved: &Resolved) -> Vec<String> {
    let path = |kind: &PathKind| match kind {
        PathKind::Path(path) => path.clone(),
        PathKind::Var { name, rest } => format!("${}{rest}", name.node),
        PathKind::Group(name) => name.clone(),
    };
    rules(resolved).iter().flat_map(|rule| &rule.paths).map(|it| path(&it.kind)).collect()
}

const NESTED: &str = "edition 2026
policy p(w: dir) { include outer(top: $w/a) }
profile outer(top: dir, also: path = /srv) { include inner(x: $top/b)  fs { read $also } }
profile inner(x: path) { fs { read $x/c } }
";

#[test]
fn arguments_are_put_where_parameters_stand() {
    let (resolved, found) = resolved(NESTED);
    assert!(found.is_empty());
    assert_eq!(paths(&resolved), ["$w/a/b/c", "/srv"]);
    let names: Vec<&str> = resolved.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["p", "outer", "inner"]);
}

#[test]
fn a_parameter_is_never_taken_from_the_includer() {
    // `w` is a parameter of the policy and not one of the profile.
    let text = "edition 2026\npolicy p(w: dir) { include a fs { read $w } }\nprofile a { fs { read $w } }\n";
    assert_eq!(resolved(text).1, [101]);
}

#[test]
fn the_same_profile_with_the_same_arguments_is_there_once() {
    let text = "edition 2026\npolicy p { include std.base include std.base include a }\n\
                profile a { include std.base }\n";
    let (resolved, found) = resolved(text);
    assert!(found.is_empty());
    assert_eq!(resolved.layers.iter().filter(|layer| layer.name == "std.base").count(), 1);
}

#[test]
fn with_other_arguments_it_is_there_again() {
    let text = "edition 2026\npolicy p { include a(x: /b) include a(x: /c) }\nprofile a(x: path) { fs { read $x } }\n";
    assert_eq!(paths(&resolved(text).0), ["/b", "/c"]);
}

#[test]
fn what_is_lost_is_said_once() {
    let text = "edition 2026\npolicy p(w: string) { include a(x: $w) env { set X = $w } }\n\
                profile a(x: dir) { fs { read $x, $x/b deny $x/c } }\n";
    assert_eq!(resolved(text).1, [201]);
}

#[test]
fn standard_files_parse_and_have_their_profile() {
    for standard in STANDARD {
        let (file, found) = msb_syntax::parse(msb_diag::FileId(0), standard.text);
        assert_eq!(found, [], "{}", standard.name);
        let blocks: Vec<&str> = scope::blocks(&file).map(|block| block.name.node.as_str()).collect();
        assert_eq!(blocks.first(), Some(&standard.name));
    }
}

#[test]
fn nearest_names() {
    assert_eq!(nearest("memroy", ["memory", "pids"]), Some("memory"));
    assert_eq!(nearest("std.pyton", ["std.base", "std.python"]), Some("std.python"));
    assert_eq!(nearest("ab", ["cd"]), None, "any two letters are two edits away");
    assert_eq!(nearest("write", ["read"]), None);
    assert_eq!(nearest(&"x".repeat(100_000), ["read"]), None);
}
