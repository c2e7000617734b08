//! What the tree says about each construct of the grammar, without positions, for review.

use msb_diag::FileId;
use msb_syntax::ast::Item;
use std::fmt::Debug;

/// The debugging form on one line, without spans and without the names that say nothing.
fn shape(tree: &impl Debug) -> String {
    let debug = format!("{tree:?}");
    let mut shape = String::new();
    let mut rest = debug.as_str();
    while let Some(at) = rest.find("Span { file") {
        let field = rest[..at].trim_end_matches("span: ").trim_end_matches("head: ").trim_end_matches(", ");
        shape.push_str(field);
        rest = rest[at..].split_once('}').map_or("", |(_, after)| after);
    }
    shape.push_str(rest);
    shape.replace("Spanned { node: ", "{").replace(", doc: \"\"", "").replace(" }", "}")
}

#[test]
fn every_construct() {
    let text = include_str!("../../../policy-lang/conformance/accept/syntax-everything.msb");
    let (file, found) = msb_syntax::parse(FileId(0), text);
    assert_eq!(found, []);
    let mut lines: Vec<String> = file.imports.iter().map(shape).collect();
    for item in &file.items {
        match item {
            Item::Block(block) => {
                let head = (block.kind, &block.doc, &block.name.node);
                lines.push(shape(&head));
                lines.extend(block.params.iter().map(|param| format!("  {}", shape(param))));
                lines.extend(block.extends.iter().map(|parent| format!("  {}", shape(parent))));
                for statement in &block.stmts {
                    // One line for each rule: they are what is read.
                    let rules = shape(&statement.kind).replace("}, FsRule", "},\n    FsRule");
                    let rules = rules
                        .replace("}, NetRule", "},\n    NetRule")
                        .replace("}, SysRule", "},\n    SysRule");
                    let rules =
                        rules.replace("}, Claim", "},\n    Claim").replace("}, EnvRule", "},\n    EnvRule");
                    let rules =
                        rules.replace("}, ExecRule", "},\n    ExecRule").replace("}, ToolO", "},\n    ToolO");
                    lines.push(format!("  {rules}"));
                }
            }
            item => lines.push(shape(item)),
        }
    }
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("trees", lines.join("\n"));
    });
}

/// Spans are exact: the text of a node's span is what was written for it.
#[test]
fn spans_cover_what_was_written() {
    let text =
        "edition 2026\npolicy p(a: dir) extends q(b: 1) {\n  fs { deny read $a/x, /y missing mask }\n}\n";
    let (file, found) = msb_syntax::parse(FileId(0), text);
    assert_eq!(found, []);
    let [Item::Block(block)] = &file.items[..] else { panic!("one policy") };
    let written = |span: msb_syntax::ast::Span| &text[span.start as usize..span.end as usize];
    assert_eq!(written(block.head), "policy p");
    assert_eq!(written(block.span), text["edition 2026\n".len()..].trim_end());
    assert_eq!(written(block.params[0].span), "a: dir");
    assert_eq!(block.extends.as_ref().map(|parent| written(parent.span)), Some("q(b: 1)"));
    assert_eq!(written(block.stmts[0].span), "fs { deny read $a/x, /y missing mask }");
    let msb_syntax::ast::StmtKind::Fs(rules) = &block.stmts[0].kind else { panic!("fs rules") };
    assert_eq!(written(rules[0].span), "deny read $a/x, /y missing mask");
    assert_eq!(written(rules[0].verb.span), "deny read");
    assert_eq!(written(rules[0].paths[0].span), "$a/x");
    assert_eq!(written(rules[0].options[0].span), "missing mask");
}
