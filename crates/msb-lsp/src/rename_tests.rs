//! Rename, references, highlights and folds. The cursor is written `§`; files of a case are divided by `--- NAME`.

use crate::protocol_tests::{Disk, opened, request, said};
use lsp_server::Message;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LIMITS: &str = "limits { memory 1GiB  pids 64  wall 1min }";

/// The files of a case, the name of the one with the cursor, and the cursor's line and character.
fn case(marked: &str) -> (BTreeMap<String, String>, String, Value) {
    let mut files = BTreeMap::new();
    let mut asked = None;
    for part in marked.split("--- ").skip(1) {
        let (name, text) = part.split_once('\n').expect("a text below the name");
        let text = text.replace("LIMITS", LIMITS);
        if let Some(at) = text.find('§') {
            let line = text[..at].matches('\n').count();
            let character = at - text[..at].rfind('\n').map_or(0, |it| it + 1);
            asked = Some((name.to_owned(), json!({"line": line, "character": character})));
        }
        files.insert(name.to_owned(), text.replace('§', ""));
    }
    let (name, position) = asked.expect("a cursor");
    (files, name, position)
}

/// The answer, or the error's text. The file with the cursor is open, all others lie on the disk.
fn asked(marked: &str, method: &str, more: &Value) -> Result<Value, String> {
    let (files, name, position) = case(marked);
    let disk = Disk::default();
    files.iter().for_each(|(name, text)| disk.write(&format!("/w/{name}"), text.as_bytes()));
    let mut params = json!({"textDocument": {"uri": format!("file:///w/{name}")}, "position": position});
    for (key, value) in more.as_object().expect("members") {
        params[key] = value.clone();
    }
    let (_, said) = said(&disk, &json!({}), vec![opened(&name, &files[&name]), request(7, method, params)]);
    let answer = said.into_iter().find_map(|message| match message {
        Message::Response(it) if it.id == 7.into() => Some(it),
        _ => None,
    });
    let answer = answer.expect("an answer");
    answer.response_result.map_err(|error| error.message)
}

/// Every file after what is at the cursor got the name.
fn renamed(marked: &str, name: &str) -> Result<BTreeMap<String, String>, String> {
    let edit = asked(marked, "textDocument/rename", &json!({"newName": name}))?;
    let (mut files, ..) = case(marked);
    for (uri, edits) in edit["changes"].as_object().expect("changes") {
        let text = files.get_mut(uri.trim_start_matches("file:///w/")).expect("a file of the case");
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        for edit in edits.as_array().expect("edits").iter().rev() {
            let number = |pointer: &str| {
                let number = edit.pointer(pointer).and_then(Value::as_u64).expect("a number");
                usize::try_from(number).expect("small")
            };
            let line = &mut lines[number("/range/start/line")];
            let range = number("/range/start/character")..number("/range/end/character");
            line.replace_range(range, edit["newText"].as_str().expect("text"));
        }
        *text = lines.join("\n");
    }
    Ok(files)
}

/// Renaming makes of each `OLD` the new name, and touches nothing else.
#[track_caller]
fn renames(marked: &str, old: &str, new: &str) {
    let made = renamed(&marked.replace("OLD", old), new).expect("can be renamed");
    let (wanted, ..) = case(&marked.replace("OLD", new));
    assert_eq!(made, wanted);
}

#[track_caller]
fn refuses(marked: &str, new: &str, why: &str) {
    let said = renamed(marked, new).expect_err("cannot be renamed");
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_parameter_where_its_block_uses_it() {
    renames(
        "--- a.msb\nedition 2026\nprofile q(work: dir) { fs { read $work } }\npolicy p(§OLD: dir) {\n  include std.base\n  include q(work: $OLD)\n  LIMITS\n  fs { write $OLD/out at /out }\n  assert { allow open $OLD/out/a for create }\n}\ntest \"t\" for p(OLD: /srv) { allow open $OLD/out/a for create }\n",
        "repo",
        "checkout",
    );
    // From a place where it is used, and by the name of an argument.
    renames(
        "--- a.msb\nedition 2026\nprofile q(OLD: dir) { fs { read $OLD at /q } }\npolicy p(work: dir) {\n  include std.base\n  include q(O§LD: $work)\n  LIMITS\n}\n"
            .replace("O§LD", "§OLD")
            .as_str(),
        "folder",
        "root",
    );
}

#[test]
fn a_tool_and_its_parameters() {
    let text = "--- a.msb\nedition 2026\npolicy p(text: dir) {\n  include std.base\n  LIMITS\n  fs { read $text at /t }\n  tool TOOL(§OLD: string(1..9)) { exec \"x\" \"--\" $OLD timeout 1s result 1KiB rate 1/s }\n  assert { allow call TOOL(OLD: \"a\") }\n}\n";
    renames(&text.replace("TOOL", "find"), "word", "needle");
    let tool =
        text.replace('§', "").replace("OLD", "word").replacen("TOOL", "§OLD", 1).replace("TOOL", "OLD");
    renames(&tool, "find", "search");
}

#[test]
fn constants_stand_behind_a_dollar_and_in_conditions() {
    renames(
        "--- a.msb\nedition 2026\nconst OLD = 1GiB\npolicy p {\n  include std.base\n  limits { memory $§OLD  pids 64  wall 1min }\n}\n",
        "room",
        "space",
    );
    renames(
        "--- a.msb\nedition 2026\nconst §OLD = 7\npolicy p {\n  include std.base\n  LIMITS\n  syscalls { errno EPERM read where fd == OLD or fd in {OLD, 9} }\n}\n",
        "LAST",
        "WORST_FD",
    );
}

#[test]
fn what_another_file_imports() {
    let files = "--- org.msb\nedition 2026\ngroup @folders = {mkdir, mkdirat}\nprofile §OLD(w: dir) { fs { read $w at /w } }\n--- agent.msb\nedition 2026\nimport \"./org.msb\" as org\npolicy p(a: dir) {\n  include std.base\n  include org.OLD(w: $a)\n  LIMITS\n  syscalls { errno EPERM @org.folders }\n}\n";
    // The file that imports is open, too: what is open and what that imports is the workspace.
    let from_agent = files.replace('§', "").replace("org.OLD(w: $a)", "org.§OLD(w: $a)");
    renames(&from_agent, "limits", "shown");
    let alias = files
        .replace('§', "")
        .replace("OLD", "limits")
        .replace("as org", "as §OLD")
        .replace("org.limits", "OLD.limits")
        .replace("@org.", "@OLD.");
    renames(&alias, "org", "company");
    let group = files
        .replace('§', "")
        .replace("OLD", "limits")
        .replace("@folders", "@OLD")
        .replace("@org.folders", "@org.§OLD");
    renames(&group, "folders", "directories");
    let parameter = files
        .replace('§', "")
        .replace("OLD", "limits")
        .replace("(w: dir)", "(OLD: dir)")
        .replace("$w at", "$OLD at")
        .replace("(w: $a)", "(§OLD: $a)");
    renames(&parameter, "w", "workspace");
}

#[test]
fn a_policy_and_its_children() {
    renames(
        "--- a.msb\nedition 2026\npolicy §OLD {\n  include std.base\n  LIMITS\n}\npolicy child extends OLD {\n  include std.base\n  assert { narrower than OLD }\n}\n",
        "ceiling",
        "top",
    );
}

#[test]
fn names_that_cannot_be_are_refused() {
    let text = "--- a.msb\nedition 2026\nconst room = 5\ngroup @mine = {read}\nprofile q { net none }\npolicy p(§work: dir, other: dir) {\n  include std.base\n  include q\n  LIMITS\n  fs { read $work at /a  read $other at /b }\n  syscalls { errno EPERM @mine where fd == room }\n}\n";
    refuses(text, "Work", "small letters");
    refuses(text, "my-work", "small letters");
    refuses(text, "", "small letters");
    refuses(text, "other", "something else");
    refuses(text, "room", "declared twice");
    let at = |what: &str| text.replace('§', "").replacen(what, &format!("§{what}"), 1);
    refuses(&at("room ="), "AF_INET", "would be wrong");
    refuses(&at("mine ="), "basic-io", "would be wrong");
    refuses(&at("q {"), "p", "something else");
    // What the language itself has.
    refuses(&at("std.base"), "base", "nothing here");
    refuses(&at("read $work"), "see", "nothing here");
}

#[test]
fn a_parameter_that_children_share_by_name_keeps_it() {
    refuses(
        "--- a.msb\nedition 2026\npolicy top(§repo: dir) {\n  include std.base\n  LIMITS\n  fs { read $repo }\n}\npolicy child(repo: dir) extends top {\n  include std.base\n  fs { read $repo }\n}\n",
        "root",
        "would be wrong",
    );
}

#[test]
fn what_can_be_renamed_is_said_before() {
    let text =
        "--- a.msb\nedition 2026\npolicy p(§work: dir) { include std.base LIMITS fs { read $work } }\n";
    let prepared = asked(text, "textDocument/prepareRename", &json!({})).expect("an answer");
    assert_eq!(prepared["placeholder"], "work");
    assert_eq!(prepared["range"]["start"], json!({"line": 1, "character": 9}));
    let text = text.replace('§', "").replace("std.base", "std.§base");
    assert_eq!(asked(&text, "textDocument/prepareRename", &json!({})), Ok(Value::Null));
}

#[test]
fn references_and_highlights() {
    let text = "--- a.msb\nedition 2026\npolicy p(work: dir) { include std.base LIMITS\nfs { read $§work at /a\nwrite $work/out at /b } }\n";
    let lines = |declaration: bool| {
        let more = json!({"context": {"includeDeclaration": declaration}});
        let all = asked(text, "textDocument/references", &more).expect("an answer");
        all.as_array()
            .expect("places")
            .iter()
            .map(|it| it["range"]["start"]["line"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(true), [1, 2, 3]);
    assert_eq!(lines(false), [2, 3]);
    let highlights = asked(text, "textDocument/documentHighlight", &json!({})).expect("an answer");
    let kinds: Vec<&Value> = highlights.as_array().expect("places").iter().map(|it| &it["kind"]).collect();
    assert_eq!(kinds, [&json!(3), &json!(2), &json!(2)]);
}

#[test]
fn blocks_and_comments_fold() {
    let text = "--- a.msb\n§# one\n# two\nedition 2026\npolicy p { # not this\n  fs {\n    read /a\n    read /b\n  }\n  net { }\n  limits {\n    memory 1GiB }\n";
    let folds = asked(text, "textDocument/foldingRange", &json!({})).expect("an answer");
    let folds: Vec<(u64, u64)> = folds
        .as_array()
        .expect("folds")
        .iter()
        .map(|it| (it["startLine"].as_u64().expect("a line"), it["endLine"].as_u64().expect("a line")))
        .collect();
    // The policy has no end yet.
    assert_eq!(folds, [(0, 1), (4, 6)]);
}
