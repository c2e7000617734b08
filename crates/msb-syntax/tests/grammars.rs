//! The grammars for editors know the words that the parser knows, no more and no fewer.
//!
//! `msb.tmLanguage.json` is made here from the parser's table; `MSB_UPDATE=1` writes it anew. The grammar of
//! tree-sitter and the EBNF are written by hand and held against the table; `scripts/tree-sitter.sh` holds what
//! tree-sitter reads against what the parser reads.

use msb_syntax::words;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn grammar(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy-lang/grammar").join(name)
}

/// The words of several places of the grammar.
fn of(places: &[&str]) -> Vec<&'static str> {
    let mut all: Vec<&str> = Vec::new();
    for place in places {
        let found =
            words().iter().find(|it| it.place == *place).unwrap_or_else(|| panic!("no place {place}"));
        all.extend(found.words);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A word, with nothing beside it that would make another of it.
fn whole(words: &[&str]) -> String {
    format!("(?<![\\w$@.~/-])(?:{})(?![\\w.~/-])", words.join("|"))
}

fn matches(scope: &str, pattern: &str) -> Value {
    json!({"name": format!("{scope}.msb"), "match": pattern})
}

/// `{ … }` behind a word, in which these places' words are keywords.
fn block(head: &str, places: &[&str], more: &[&str]) -> Value {
    let mut patterns = vec![matches("keyword.other", &whole(&of(places)))];
    patterns.extend(more.iter().map(|name| json!({"include": name})));
    patterns.push(json!({"include": "#braces"}));
    patterns.push(json!({"include": "#common"}));
    json!({
        "begin": format!("(?<![\\w$@.~/-])({head})(\\s+hard)?\\s*(\\{{)"),
        "beginCaptures": {
            "1": {"name": "keyword.control.msb"},
            "2": {"name": "keyword.other.msb"},
            "3": {"name": "punctuation.section.block.begin.msb"},
        },
        "end": "\\}",
        "endCaptures": {"0": {"name": "punctuation.section.block.end.msb"}},
        "patterns": patterns,
    })
}

fn text_mate() -> Value {
    let blocks = [
        block("fs", &["fs", "fs-option", "missing", "symlinks", "enforce"], &[]),
        block("net", &["net", "protocol", "peer", "net-option", "method"], &["#direction"]),
        block("syscalls", &["syscalls", "condition"], &[]),
        block("limits", &["limits"], &[]),
        block("env", &["env"], &["#from"]),
        block("exec", &["exec", "tty"], &[]),
        block("sandbox", &[], &[]),
        block("assert", &["claim", "probe", "access", "reason", "protocol", "peer"], &["#probe"]),
    ];
    let tool = json!({
        "begin": "(?<![\\w$@.~/-])(tool)\\s+([A-Za-z_][\\w-]*)",
        "beginCaptures": {"1": {"name": "storage.type.msb"}, "2": {"name": "entity.name.function.msb"}},
        "end": "(?<=\\})|(?=^\\s*(?:tool|[a-z]+\\s*\\{|\\}))",
        "patterns": [
            {
                "begin": "\\(", "end": "\\)",
                "patterns": [{"include": "#type"}, {"include": "#braces"}, {"include": "#common"}],
            },
            {
                "begin": "(?<!->)(?<!-> )\\{", "end": "\\}",
                "patterns": [
                    matches("keyword.other", &whole(&of(&["tool"]))), {"include": "#direction"},
                    {"include": "#braces"}, {"include": "#common"},
                ],
            },
            {"include": "#type"}, {"include": "#braces"}, {"include": "#common"},
        ],
    });
    let heads = json!({
        "match": "(?<![\\w$@.~/-])(policy|profile|test|group|const)\\s+([A-Za-z_][\\w-]*)?",
        "captures": {"1": {"name": "storage.type.msb"}, "2": {"name": "entity.name.type.msb"}},
    });
    let test = json!({
        "begin": "(?<![\\w$@.~/-])(test)\\s+(?=\")",
        "beginCaptures": {"1": {"name": "storage.type.msb"}},
        "end": "\\}",
        "patterns": [
            {
                "begin": "\\{", "end": "(?=\\})",
                "patterns": [
                    matches("keyword.other", &whole(&of(&["claim", "probe", "access", "reason", "protocol", "peer"]))),
                    {"include": "#probe"}, {"include": "#braces"}, {"include": "#common"},
                ],
            },
            {"include": "#words"}, {"include": "#common"},
        ],
    });
    let mut top: Vec<Value> = vec![json!({"include": "#comments"}), test, tool];
    top.extend(blocks);
    top.push(heads);
    top.extend([json!({"include": "#words"}), json!({"include": "#type"}), json!({"include": "#common"})]);
    json!({
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "Microsandbox policy",
        "scopeName": "source.msb",
        "fileTypes": ["msb"],
        "patterns": top,
        "repository": {
            "comments": {"patterns": [
                matches("comment.line.documentation", "##.*$"),
                matches("comment.line.number-sign", "#.*$"),
            ]},
            "words": {"patterns": [matches(
                "keyword.control",
                &whole(&of(&["file", "item", "head", "statement", "net-whole", "caps", "limits", "reason"])),
            )]},
            "type": {"patterns": [
                matches("keyword.other", &whole(&["under", "in"])),
                matches("support.type", &whole(&[
                    "dir", "file", "path", "string", "int", "number", "bool", "size", "duration", "rate", "percent",
                    "host", "port", "secret", "list", "json",
                ])),
            ]},
            "direction": {"patterns": [matches("keyword.other", &whole(&["up", "down", "burst", "args", "none"]))]},
            "from": {"patterns": [matches("keyword.other", &whole(&["from"]))]},
            "probe": {"patterns": [matches("keyword.other", &whole(&["for", "on"]))]},
            "braces": {"patterns": [{
                "begin": "\\{", "end": "\\}",
                "patterns": [{"include": "#type"}, {"include": "#braces"}, {"include": "#common"}],
            }]},
            "common": {"patterns": [
                {"include": "#comments"},
                {
                    "name": "string.regexp.msb", "begin": "r\"", "end": "\"|$",
                    "patterns": [matches("constant.character.escape", "\\\\.")],
                },
                {
                    "name": "string.quoted.double.msb", "begin": "\"", "end": "\"|$",
                    "patterns": [matches("constant.character.escape", "\\\\(?:[\"\\\\ntr]|u\\{[0-9A-Fa-f]{1,6}\\})")],
                },
                matches("constant.other.diagnostic", "(?<![\\w-])MSB\\d{4}(?![\\w-])"),
                matches("constant.other.address", "(?<![\\w.])\\d{1,3}(?:\\.\\d{1,3}){3}(?:/\\d{1,2})?|\\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\\](?:/\\d{1,3})?"),
                matches("constant.numeric.hex", "(?<![\\w-])0x[0-9A-Fa-f_]+"),
                matches("constant.numeric", "(?<![\\w-])\\d[\\d_]*(?:\\.\\d+)?(?:KiB|MiB|GiB|TiB|KB|MB|GB|TB|B|%|/(?:s|min|h|d)|(?:(?:ms|us|s|min|h|d)(?:\\d+(?:ms|us|s|min|h|d))*))?(?![\\w])"),
                matches("support.constant.group", "@[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*"),
                matches("variable.parameter", "\\$[a-z_][a-z0-9_]*(?:/[A-Za-z0-9._+@%=~*?/-]*)?"),
                matches("string.unquoted.path", "(?<![\\w$])(?:~|\\.{1,2}|\\*\\*)?/[A-Za-z0-9._+@%=~*?/-]*"),
                matches("constant.other", "(?<![\\w-])[A-Z][A-Z0-9_]+\\*?(?![\\w-])"),
                matches("keyword.operator", "->|==|!=|<=|>=|\\.\\.|[=<>|&+?-]"),
            ]},
        },
    })
}

#[test]
fn the_text_mate_grammar_is_made_from_the_parsers_words() {
    let made = serde_json::to_string_pretty(&text_mate()).expect("JSON") + "\n";
    let path = grammar("msb.tmLanguage.json");
    if std::env::var_os("MSB_UPDATE").is_some() {
        std::fs::write(&path, &made).expect("writable");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "MSB_UPDATE=1 writes {} anew", path.display());
    for place in words().iter().filter(|it| it.place != "sign") {
        for word in place.words {
            let in_pattern =
                [format!("(?:{word}|"), format!("|{word}|"), format!("|{word})"), format!("(?:{word})")];
            assert!(in_pattern.iter().any(|it| made.contains(it)), "{word}, of {}", place.place);
        }
    }
}

/// Every word and sign of a grammar of tree-sitter, as JSON.
fn strings(rule: &Value, found: &mut BTreeSet<String>) {
    match rule {
        Value::Object(it) if it.get("type") == Some(&json!("STRING")) => {
            found.insert(it["value"].as_str().expect("a text").to_owned());
        }
        Value::Object(it) => it.values().for_each(|value| strings(value, found)),
        Value::Array(it) => it.iter().for_each(|value| strings(value, found)),
        _ => {}
    }
}

/// What the parser takes in places that are no table: words of refinements, directions and the like.
const BESIDES: [&str; 9] = ["list", "under", "up", "down", "burst", "args", "from", "syscall", ">="];

/// The words and signs of the language, the byte order mark apart.
fn known() -> BTreeSet<String> {
    let words = words().iter().flat_map(|it| it.words).chain(&BESIDES);
    words.map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_tree_sitter_grammar_has_the_same_words_and_signs() {
    let text = std::fs::read_to_string(grammar("tree-sitter-msb/src/grammar.json")).expect("the grammar");
    let mut found = BTreeSet::new();
    strings(&serde_json::from_str::<Value>(&text).expect("JSON")["rules"], &mut found);
    assert!(found.remove("\u{feff}"), "a byte order mark is skipped");
    let known = known();
    let missing: Vec<_> = known.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&known).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:?}, not of the language {surplus:?}");
}

/// The reference's EBNF: what is quoted in it, comments and patterns apart.
#[test]
fn the_ebnf_has_the_same_words_and_signs() {
    let text = std::fs::read_to_string(grammar("msb.ebnf")).expect("the grammar");
    let (rules, tokens) = text.split_once("# ---- tokens").expect("a part for tokens");
    let lines = rules.lines().map(|line| line.split("  #").next().unwrap_or_default());
    let lines = lines.filter(|line| !line.starts_with('#'));
    let mut found: BTreeSet<String> =
        lines.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_owned).collect();
    let signs = tokens.lines().find_map(|line| line.strip_prefix("signs")).expect("the signs");
    let signs = signs.trim_start_matches([' ', ':']).split("  #").next().unwrap_or_default();
    found.extend(signs.split_whitespace().map(str::to_owned));
    let known = known();
    let missing: Vec<_> = known.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&known).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:?}, not of the language {surplus:?}");
}

/// The extension for Visual Studio Code names files that are there, and starts the server that there is.
#[test]
fn the_extension_is_complete() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../editors/vscode");
    let read =
        |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|it| panic!("{name}: {it}"));
    let package: Value = serde_json::from_str(&read("package.json")).expect("JSON");
    let contributed = &package["contributes"];
    let language = &contributed["languages"][0];
    assert_eq!(language["extensions"], json!([".msb"]));
    let grammar: Value =
        serde_json::from_str(&read(contributed["grammars"][0]["path"].as_str().expect("a path")))
            .expect("JSON");
    assert_eq!(grammar["scopeName"], contributed["grammars"][0]["scopeName"]);
    let _: Value =
        serde_json::from_str(&read(language["configuration"].as_str().expect("a path"))).expect("JSON");
    let client = read(package["main"].as_str().expect("a path"));
    assert!(client.contains("vscode-languageclient/node") && client.contains("'lsp'"));
    assert!(package["dependencies"]["vscode-languageclient"].is_string());
}
