//! The cases of `policy-lang/conformance` that a parser alone decides: `accept/syntax-*.msb` parse
//! without a diagnostic, `reject/syntax-*.msb` give those of the `.json` file beside them, an array of
//! objects with `code`, `line` and `column` in the order of positions. Cases of other names are for the
//! checker, and what it accepts has to parse too.

use msb_diag::{Sources, Style, render, to_json};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn cases(folder: &str, prefix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy-lang").join(folder);
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(prefix) && name.ends_with(".msb")
    });
    paths.sort();
    paths
}

/// What the parser finds, with the sources to show it.
fn run(path: &Path) -> (Vec<msb_diag::Diagnostic>, Sources) {
    let bytes = std::fs::read(path).expect("the case can be read");
    let mut sources = Sources::default();
    let id = sources.add(path.display().to_string(), String::from_utf8_lossy(&bytes));
    (msb_syntax::parse_bytes(id, &bytes).1, sources)
}

#[test]
fn accepted() {
    let own = cases("conformance/accept", "syntax-");
    assert!(own.len() >= 8, "{own:?}");
    let others = [cases("conformance/accept", "check-"), cases("examples", ""), cases("std", "")].concat();
    for path in own.iter().chain(&others) {
        let (mut found, sources) = run(path);
        // A later pass, `accept`, takes back warnings that a policy gives a reason for.
        found.retain(|found| own.contains(path) || found.is_error());
        assert!(found.is_empty(), "{}", render(&found, &sources, Style::default()));
    }
}

#[test]
fn rejected() {
    let cases = cases("conformance/reject", "syntax-");
    assert!(cases.len() >= 35, "{cases:?}");
    let mut wrong = String::new();
    for path in cases {
        let (found, sources) = run(&path);
        let found = to_json(&found, &sources);
        let found: Value = found.as_array().into_iter().flatten().map(pick).collect();
        let beside = path.with_extension("json");
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        let expected: Value = serde_json::from_str(&expected).unwrap_or(Value::Null);
        if found != expected || found == json!([]) {
            wrong.push_str(&format!("\n{}\n{found}", beside.display()));
        }
    }
    assert!(wrong.is_empty(), "these are found and not what is expected:{wrong}");
}

fn pick(found: &Value) -> Value {
    json!({"code": found["code"], "line": found["line"], "column": found["column"]})
}
