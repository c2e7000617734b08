//! The example policies parse, and the tree says what they say.

use msb_diag::{Sources, Style, render};
use msb_syntax::ast::{FsVerb, Item, PathKind, PredKind, SetKind, StmtKind, SysRuleKind};
use msb_syntax::{ast, parse};

fn example(name: &str) -> ast::File {
    let path = format!("{}/../../policy-lang/examples/{name}.msb", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the example is there");
    let mut sources = Sources::default();
    let id = sources.add(format!("{name}.msb"), &text);
    let (file, found) = parse(id, &text);
    assert!(found.is_empty(), "{}", render(&found, &sources, Style::default()));
    file
}

fn statements(file: &ast::File) -> &[ast::Stmt] {
    match &file.items[..] {
        [Item::Block(block)] => &block.stmts,
        items => panic!("one policy, not {items:?}"),
    }
}

#[test]
fn all_examples_parse() {
    for name in ["ci-job", "code-interpreter", "coding-agent", "data-analysis", "mcp-server", "web-research"]
    {
        let file = example(name);
        assert_eq!(file.edition.as_ref().map(|edition| edition.node), Some(2026), "{name}");
        assert!(statements(&file).len() >= 5, "{name}");
    }
}

#[test]
fn where_belongs_to_the_item_before_it() {
    let file = example("code-interpreter");
    let rules = statements(&file).iter().find_map(|stmt| match &stmt.kind {
        StmtKind::Syscalls(rules) => Some(rules),
        _ => None,
    });
    let Some(SysRuleKind::Action { items, .. }) = rules.map(|rules| &rules[2].kind) else {
        panic!("the third rule has an action")
    };
    let shape: Vec<_> = items.iter().map(|item| (&item.set.kind, item.predicate.is_some())).collect();
    let call = |name: &str| SetKind::Call(name.to_owned());
    assert_eq!(shape, [(&call("mmap"), false), (&call("mprotect"), true)]);
    let predicate = items[1].predicate.as_ref().map(|predicate| &predicate.kind);
    assert!(matches!(predicate, Some(PredKind::Has { flags, .. }) if flags.len() == 2), "{predicate:?}");
}

#[test]
fn docs_and_paths_of_the_coding_agent() {
    let file = example("coding-agent");
    let rules = statements(&file).iter().find_map(|stmt| match &stmt.kind {
        StmtKind::Fs(rules) => Some(rules),
        _ => None,
    });
    let rules = rules.expect("it has fs rules");
    assert_eq!(rules[2].doc, "Anything git, an editor or an agent would later execute on the host.");
    assert_eq!(rules[2].verb.node, FsVerb::DenyWrite);
    let PathKind::Var { name, rest } = &rules[2].paths[0].kind else { panic!("a parameter") };
    assert_eq!((name.node.as_str(), rest.as_str()), ("repo", "/.git/hooks"));
}
