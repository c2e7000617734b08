//! What is written in one form and read back is the same tree, for every policy there is and for many
//! that there are not.

use msb_data::{Form, json_of, parse, text_of, yaml_of};
use msb_diag::{FileId, has_errors};
use msb_syntax::ast::File;
use proptest::prelude::*;
use std::path::Path;

/// The tree without its positions.
fn shape(tree: &File) -> String {
    let debug = format!("{tree:?}");
    let mut parts = debug.split("Span { file");
    let mut shape = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shape.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    shape
}

fn read(form: Form, text: &str) -> File {
    let (tree, found) = parse(form, FileId(0), text);
    let found: Vec<_> = found.iter().filter(|it| it.is_error()).collect();
    assert!(found.is_empty(), "{found:#?}\n{text}");
    tree
}

/// Whether the order of members is that of the text: no statement of a kind comes after one of another
/// kind that came after the first of its kind, and none is there twice but those that data lists.
fn check(text: &str, exact: bool) {
    let (tree, found) = parse(Form::Msb, FileId(0), text);
    if has_errors(&found) {
        return;
    }
    assert_eq!(shape(&read(Form::Msb, &text_of(&tree))), shape(&tree), "{text}");
    let (Ok(json), Ok(yaml)) = (json_of(&tree), yaml_of(&tree)) else {
        assert!(!exact, "cannot be written: {text}");
        return;
    };
    let (from_json, from_yaml) = (read(Form::Json, &json), read(Form::Yaml, &yaml));
    assert_eq!(shape(&from_json), shape(&from_yaml), "{yaml}");
    assert_eq!(json_of(&from_json).as_ref(), Ok(&json));
    assert_eq!(yaml_of(&from_yaml).as_ref(), Ok(&yaml));
    if exact {
        assert_eq!(shape(&from_json), shape(&tree), "{json}");
    }
}

fn policies(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy-lang").join(folder);
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let policies = paths.filter(|path| path.extension().is_some_and(|end| end == "msb"));
    policies.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

#[test]
fn the_examples_are_the_same_in_every_form() {
    for folder in ["examples", "std"] {
        policies(folder).iter().for_each(|text| check(text, true));
    }
}

#[test]
fn so_is_every_policy_of_the_conformance_suite() {
    for folder in ["conformance/accept", "conformance/reject"] {
        policies(folder).iter().for_each(|text| check(text, false));
    }
}

/// Any text between quotes, in the language.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.*-]{1,8}", "[ -~]{0,10}", "\\PC{0,6}", Just("512MiB".to_owned()), Just("$a".to_owned())]
        .prop_map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        "/[a-z.]{1,5}(/[a-z_-]{1,4}){0,2}",
        "\\$a(/[a-z.]{1,4}){0,2}",
        "~/[a-z]{1,3}",
        "@[a-z]{1,4}",
        Just("\"/a b\"".to_owned()),
        Just("\"$x\"".to_owned())
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "[1-9][0-9]{0,3}",
        "[1-9][0-9]{0,3}(B|KiB|MiB|MB)",
        "[1-9][0-9]{0,2}(us|ms|s|min|h|d)",
        "[1-9][0-9]?%",
        "\\$[ab]"
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        text(),
        number(),
        path().prop_filter("a value", |it| !it.starts_with(['@', '"'])),
        "[A-Z_]{3,6}",
        "[A-Z]{3} \\| 0x[1-9a-f]{1,4}",
        Just("10.0.0.0/8".to_owned())
    ]
    .prop_filter("a percentage is no constant", |_| true);
    leaf.prop_recursive(2, 8, 3, |inner| {
        proptest::collection::vec(inner, 0..3).prop_map(|all| format!("[{}]", all.join(", ")))
    })
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-z]{1,4} (==|!=|<|<=|>|>=) [0-9]",
        "[a-z]{1,4} has (any|all|only) [A-Z]{1,3} \\| [1-9]",
        "[a-z]{1,4} in \\{1, A\\}",
        "[a-z]{1,4} in 1\\.\\.5"
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| format!("not ({it})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and {b}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} or ({b})")),
        ]
    })
}

fn set() -> impl Strategy<Value = String> {
    let leaf = prop_oneof!["@[a-z]{1,4}(-[a-z]{1,3})?", "[a-z]{2,6}", "\\{[a-z]{2,4}, [a-z]{2,4}\\}"];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), "[-+&]", inner).prop_map(|(a, sign, b)| format!("({a}) {sign} ({b})"))
    })
}

fn policy() -> impl Strategy<Value = String> {
    let fs = (
        proptest::sample::select(vec!["read", "write", "deny", "deny write", "scratch", "run"]),
        proptest::collection::vec(path(), 1..3),
        proptest::sample::subsequence(
            vec!["at /x", "size 1MiB", "optional", "missing mask", "symlinks follow"],
            0..4,
        ),
    )
        .prop_map(|(verb, paths, options)| format!("{verb} {} {}", paths.join(", "), options.join(" ")));
    let net = (
        text(),
        proptest::sample::subsequence(
            vec!["only GET, PUT /a", "inject $k", "rate 5/s burst 2", "quota 5MB up"],
            0..3,
        ),
    )
        .prop_map(|(host, options)| {
            format!("allow https {host}:443, tcp any:{{1, 2}} {}", options.join(" "))
        });
    let calls = (
        proptest::sample::select(vec!["allow", "kill", "errno EPERM"]),
        set(),
        proptest::option::of(condition()),
    )
        .prop_map(|(action, set, condition)| {
            format!("{action} {set}{}", condition.map(|it| format!(" where {it}")).unwrap_or_default())
        });
    let lines = |all: Vec<String>| all.join("\n");
    (
        proptest::collection::vec(fs, 0..4),
        proptest::collection::vec(net, 0..3),
        proptest::collection::vec(calls, 0..3),
        proptest::collection::vec(value(), 0..3),
        proptest::collection::vec((text(), value()), 0..2),
    )
        .prop_map(move |(fs, net, calls, values, claims)| {
            let set: Vec<String> = values.iter().enumerate().map(|(at, it)| format!("set V{at} = {it}")).collect();
            let claims: Vec<String> = claims.iter().map(|(text, value)| format!("deny call t(a: {value}) because {text}")).collect();
            format!(
                "edition 2026\npolicy p(a: dir, b: int = 5) {{\ninclude x.y(a: {})\nfs {{ {} }}\nnet {{ {} }}\nsyscalls {{ {} }}\nenv {{ {} }}\nassert {{ {} }}\n}}\n",
                values.first().cloned().unwrap_or_else(|| "1".to_owned()), lines(fs), lines(net), lines(calls), lines(set), lines(claims),
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn generated_policies_are_the_same_in_every_form(text in policy()) {
        check(&text, true);
    }

    #[test]
    fn no_data_makes_the_readers_panic(
        text in "\\PC{0,80}",
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..30),
    ) {
        for text in [text, words.concat(), format!("edition: 2026\npolicies:\n- name: p\n  {}", words.concat())] {
            for form in [Form::Yaml, Form::Json] {
                let (tree, found) = parse(form, FileId(0), &text);
                for one in &found {
                    let edits = one.fix.iter().flat_map(|fix| fix.edits.iter().map(|edit| edit.span));
                    for span in one.labels.iter().map(|label| label.span).chain(edits) {
                        prop_assert!(text.get(span.start as usize..span.end as usize).is_some(), "{:?} in {:?}", one, text);
                    }
                }
                prop_assert!(has_errors(&found) || tree.edition.is_some());
            }
        }
    }
}

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "\"",
    "'",
    "a",
    "name",
    "fs",
    "net",
    "read",
    "/x",
    "$x",
    "é",
    "&a ",
    "*a",
    "!t ",
    "|\n",
    ">\n",
    "# c\n",
    "---\n",
    "...\n",
    "true",
    "1",
    "syscalls",
    "allow",
    "? ",
    "\\u00e9",
    "\"edition\":",
    "2026",
    "edition: 2026\n",
    "policies",
    "limits",
    "memory",
    "1GiB",
    "\t",
    "\r\n",
    "%",
];
