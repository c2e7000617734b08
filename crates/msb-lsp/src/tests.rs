//! A cursor in a text, and what an editor would show there. The cursor is written `§`.

use crate::Host;
use crate::analysis::tree;
use crate::complete::complete;
use crate::hover::hover;
use crate::place::{Encoding, Places, path_of, uri_of};
use crate::server::session;
use lsp_server::{Connection, Message, Notification, Request, RequestId};
use msb_compile::{Files, ReadError};
use proptest::prelude::*;
use serde_json::{Value, json};

fn cursor(marked: &str) -> (String, usize) {
    let at = marked.find('§').expect("a cursor");
    (marked.replace('§', ""), at)
}

fn suggested(marked: &str) -> Vec<String> {
    let (text, at) = cursor(marked);
    let (start, all) = complete(&text, &tree("a.msb", &text), at);
    let typed = &text[start..at];
    all.into_iter().map(|it| it.label).filter(|label| label.starts_with(typed)).collect()
}

/// Every one of `wanted` is suggested and none of `unwanted`, in the statement of a policy.
#[track_caller]
fn suggests(statement: &str, wanted: &[&str], unwanted: &[&str]) {
    let text = format!(
        "edition 2026\ngroup @mine = read\nconst big = 5\nprofile own(depth: int) {{ net none }}\npolicy p(workspace: dir, key: secret) {{\n  tool look(x: int)\n  {statement}\n  net none\n}}\n"
    );
    let all = suggested(&text);
    for word in wanted {
        assert!(all.iter().any(|it| it == word), "{word} for {statement}: {all:?}");
    }
    for word in unwanted {
        assert!(all.iter().all(|it| it != word), "{word} for {statement}");
    }
}

#[test]
fn words_of_each_block() {
    suggests("§", &["fs", "net", "include", "assert"], &["read", "allow", "policy"]);
    suggests("fs { § }", &["read", "deny", "scratch"], &["fs", "allow", "optional"]);
    suggests("fs { read /usr § }", &["optional", "at", "write"], &["fs"]);
    suggests("fs { deny § }", &["read", "write", "$workspace"], &["scratch"]);
    suggests("fs { deny read /x missing § }", &["mask", "fail", "skip"], &["read"]);
    suggests("net { § }", &["allow", "deny", "total"], &["read"]);
    suggests("net { allow § }", &["https", "tcp"], &["allow"]);
    suggests("net { allow tcp § }", &["any", "metadata", "$workspace"], &["tcp"]);
    suggests("net { allow https \"a\":443 only GET, § }", &["HEAD", "POST"], &["inject"]);
    suggests("net { allow https \"a\":443 § }", &["inject", "only", "deny"], &["GET"]);
    suggests("limits { memory 1GiB  § }", &["pids", "wall"], &["unlimited"]);
    suggests("limits { pids § }", &["unlimited"], &["wall"]);
    suggests("env { § }", &["pass", "set", "secret"], &[]);
    suggests("exec { tty § }", &["none", "private"], &["cwd"]);
    suggests("caps §", &["none", "NET_BIND_SERVICE"], &[]);
    suggests("assert { deny § }", &["open", "connect", "syscall"], &["deny"]);
    suggests("assert { deny open /x for § }", &["read", "run"], &["deny"]);
    suggests("assert { allow call § }", &["look"], &["p"]);
    suggests("tool t() { § }", &["timeout", "exec", "confirm"], &["fs"]);
    let top = suggested("edition 2026\n§");
    assert!(top.contains(&"policy".to_owned()) && top.contains(&"profile".to_owned()), "{top:?}");
    assert!(suggested("policy p(a: §").contains(&"dir".to_owned()));
    assert!(suggested("§").contains(&"edition".to_owned()));
}

#[test]
fn names() {
    suggests("include §", &["std.base", "std.python", "own", "p"], &["base"]);
    suggests("include std.§", &["base", "python"], &["std.base", "own"]);
    suggests("include std.§", &["workspace.checkout", "ci.untrusted"], &[]);
    suggests("include std.python(§)", &["version: "], &[]);
    suggests("include std.workspace.checkout(§)", &["root: "], &[]);
    suggests("include std.ci(§)", &[], &["checkout: "]);
    suggests("include own(§)", &["depth: "], &["version: "]);
    suggests("fs { read $§ }", &["$workspace", "$key", "$big"], &["@std"]);
    suggests("fs { device @§ }", &["@std"], &["@basic-io"]);
    suggests("syscalls { allow @§ }", &["@basic-io", "@mine"], &["@std"]);
    suggests("accept §", &["MSB0611"], &["MSB0001"]);
}

#[test]
fn arguments_and_constants_are_those_of_the_call() {
    suggests("syscalls { § }", &["allow", "errno", "default"], &["read"]);
    suggests("syscalls { allow § }", &["openat", "@basic-io"], &["allow"]);
    suggests("syscalls { allow read, op§ }", &["openat", "openat2"], &[]);
    suggests("syscalls { errno § }", &["EPERM", "ENOSYS"], &["read"]);
    suggests("syscalls { errno EPERM § }", &["openat"], &["where"]);
    suggests("syscalls { allow socket § }", &["where", "on", "kill"], &[]);
    suggests("syscalls { allow socket where § }", &["domain", "type"], &["flags"]);
    suggests("syscalls { allow openat where § }", &["flags", "dfd"], &["filename", "domain"]);
    suggests("syscalls { allow socket where domain § }", &["==", "in", "has"], &["and"]);
    suggests("syscalls { allow socket where domain == § }", &["AF_UNIX", "AF_INET"], &["O_RDONLY"]);
    suggests("syscalls { allow socket where domain in {AF_UNIX, § }", &["AF_INET"], &["O_RDONLY", "openat"]);
    suggests("syscalls { allow mmap where prot has § }", &["any", "all", "only"], &[]);
    suggests("syscalls { allow mmap where prot has all PROT_WRITE | § }", &["PROT_EXEC"], &["AF_UNIX"]);
    suggests("syscalls { allow socket where domain == AF_UNIX § }", &["and", "or"], &["AF_INET"]);
    suggests("syscalls { allow socket where domain == AF_UNIX, § }", &["openat"], &["AF_INET"]);
    suggests("assert { deny syscall socket(§) }", &["domain", "type"], &["AF_INET"]);
    suggests("assert { deny syscall socket(domain: §) }", &["AF_INET"], &["domain"]);
}

#[test]
fn nothing_within_comments_and_texts() {
    for statement in ["# §", "## §", "exec { hostname \"§\" }"] {
        suggests(statement, &[], &["fs", "net", "allow", "cwd"]);
    }
}

#[track_caller]
fn shows(marked: &str, parts: &[&str]) {
    let (text, at) = cursor(marked);
    let shown = hover(&text, &tree("a.msb", &text), at).map(|(text, ..)| text).unwrap_or_default();
    for part in parts {
        assert!(shown.contains(part), "{part} for {marked}: {shown}");
    }
    assert_eq!(parts.is_empty(), shown.is_empty(), "{marked}: {shown}");
}

#[test]
fn hovers() {
    let policy = |statement: &str| format!("edition 2026\npolicy p(work: dir) {{\n{statement}\n}}\n");
    shows(
        &policy("syscalls { allow op§enat }"),
        &["openat(dfd, filename, flags, mode)", "257 on x86_64", "@file-system"],
    );
    shows(&policy("syscalls { allow soc§ket where domain == AF_UNIX }"), &["socket(domain, type, protocol)"]);
    shows(&policy("syscalls { allow socket where dom§ain == AF_UNIX }"), &["argument 0", "address_family"]);
    shows(&policy("syscalls { allow socket where domain == AF_§UNIX }"), &["0x1", "address_family"]);
    shows(&policy("syscalls { errno EP§ERM read }"), &["error 1"]);
    shows(&policy("syscalls { allow @basic§-io }"), &["23 system calls", "close_range"]);
    shows(&policy("syscalls { ki§ll ptrace }"), &["ends the program"]);
    shows(&policy("syscalls { allow ki§ll }"), &["kill(pid, sig)"]);
    shows(&policy("limits { mem§ory 512MiB }"), &["bytes"]);
    shows(&policy("limits { memory 512§MiB }"), &["`512MiB` is 536 870 912 bytes"]);
    shows(&policy("limits { wall 1h§30min }"), &["5 400 seconds"]);
    shows(&policy("limits { wall 1500m§s }"), &["1.5 seconds"]);
    shows(&policy("net { total rate 10§/min }"), &["10 in 60 seconds"]);
    shows(&policy("fs { rea§d $work }"), &["can be read"]);
    shows(&policy("fs { read $wo§rk/x }"), &["work: dir"]);
    shows(
        &policy("include std.workspace.check§out(root: $work)"),
        &["profile std.workspace.checkout(root: dir, depth: int = 2)"],
    );
    shows(&policy("include std.py§thon"), &["profile std.python(version: string = \"3\")", "CPython"]);
    shows(&policy("accept MSB0§611 because \"x\""), &["path is both writable and runnable"]);
    shows(&policy("# comm§ent"), &[]);
    shows(
        "edition 2026\nprofile a(x: int) { net none }\n## Doc.\npolicy p { include §a(x: 1) }",
        &["profile a(x: int)"],
    );
}

#[test]
fn positions_count_what_the_editor_counts() {
    let text = "aé\n𝄞x\n";
    for (encoding, line, character, byte) in [
        (Encoding::Utf16, 0, 2, 3),
        (Encoding::Utf8, 0, 3, 3),
        (Encoding::Utf16, 1, 2, 8),
        (Encoding::Utf8, 1, 4, 8),
    ] {
        let places = Places::new(text, encoding);
        let position = json!({"line": line, "character": character});
        assert_eq!(places.byte(&position), Some(byte));
        assert_eq!(places.position(byte), position);
    }
    let places = Places::new(text, Encoding::Utf16);
    assert_eq!(places.byte(&json!({"line": 0, "character": 99})), Some(3));
    assert_eq!(places.byte(&json!({"line": 99, "character": 0})), Some(text.len()));
    assert_eq!(places.byte(&json!({"line": -1})), None);
    assert_eq!(path_of("file:///a%20b/%C3%A9.msb").as_deref(), Some("/a b/é.msb"));
    assert_eq!(path_of("untitled:Untitled-1"), None);
    assert_eq!(path_of(&uri_of("/a b/é?.msb")).as_deref(), Some("/a b/é?.msb"));
}

struct Nowhere;

impl Files for Nowhere {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        if path == "/w/org.msb" {
            return Ok(b"edition 2026\nprofile narrow { net none }\n".to_vec());
        }
        Err(ReadError { reason: "no such file".to_owned() })
    }
}

impl Host for Nowhere {
    fn standard(&self, name: &str, _: &str) -> Option<String> {
        Some(format!("/cache/{name}.msb"))
    }
}

/// A session: what the editor says, and what the server says to each request and notification.
struct Editor {
    connection: Connection,
    last: i32,
}

impl Editor {
    fn notify(&self, method: &str, params: Value) -> Option<Value> {
        let message = Notification::new(method.to_owned(), params);
        self.connection.sender.send(message.into()).expect("a server");
        if !method.starts_with("textDocument/") {
            return None;
        }
        match self.connection.receiver.recv().expect("an answer") {
            Message::Notification(it) => Some(it.params),
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let request = Request::new(RequestId::from(self.last), method.to_owned(), params);
        self.connection.sender.send(request.into()).expect("a server");
        match self.connection.receiver.recv().expect("an answer") {
            Message::Response(it) => it.response_result.unwrap_or_else(|error| json!({"error": error.code})),
            other => panic!("{other:?}"),
        }
    }
}

fn edited(work: impl FnOnce(&mut Editor)) {
    let (client, server) = Connection::memory();
    let thread = std::thread::spawn(move || session(&server, &Nowhere));
    let mut editor = Editor { connection: client, last: 0 };
    let answer = editor.ask("initialize", json!({"capabilities": {}}));
    assert_eq!(answer["capabilities"]["positionEncoding"], "utf-16");
    editor.notify("initialized", json!({}));
    work(&mut editor);
    assert_eq!(editor.ask("shutdown", Value::Null), Value::Null);
    editor.notify("exit", Value::Null);
    assert_eq!(thread.join().expect("no panic"), Ok(()));
}

#[test]
fn a_session_with_every_request() {
    let uri = "file:///w/p.msb";
    let text = "edition 2026\n\npolicy p(work: dir) {\n  include std.base\n  fs { raed $work }\n  limits { memory 1GiB  pids 9  wall 1min }\n}\n";
    edited(|editor| {
        let open = json!({"textDocument": {"uri": uri, "languageId": "msb", "version": 1, "text": text}});
        let published = editor.notify("textDocument/didOpen", open).expect("diagnostics");
        assert_eq!((&published["uri"], &published["version"]), (&json!(uri), &json!(1)));
        let found = published["diagnostics"].as_array().expect("a list");
        let misspelt = found.iter().find(|it| it["code"] == "MSB0002").expect("the misspelt verb");
        assert_eq!(misspelt["range"]["start"], json!({"line": 4, "character": 7}));
        assert!(misspelt["message"].as_str().expect("a text").contains("did you mean `read`?"));

        let document = json!({"uri": uri});
        let range = misspelt["range"].clone();
        let params = json!({"textDocument": document, "range": range, "context": {"diagnostics": []}});
        let actions = editor.ask("textDocument/codeAction", params);
        let fix = &actions[0];
        assert_eq!((&fix["title"], &fix["kind"]), (&json!("write `read`"), &json!("quickfix")));
        assert_eq!(fix["edit"]["changes"][uri][0]["newText"], "read");
        assert!(actions.as_array().expect("a list").iter().any(|it| it["kind"] == "source.fixAll"));

        let repaired = text.replace("raed", "read");
        let change =
            json!({"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": repaired}]});
        let published = editor.notify("textDocument/didChange", change).expect("diagnostics");
        assert_eq!(published["diagnostics"], json!([]), "{published}");

        let at = |line: u32, character: u32| json!({"textDocument": document, "position": {"line": line, "character": character}});
        let hover = editor.ask("textDocument/hover", at(5, 20));
        assert!(hover["contents"]["value"].as_str().expect("a text").contains("1 073 741 824 bytes"));
        let there = editor.ask("textDocument/definition", at(4, 14));
        assert_eq!(there["range"]["start"], json!({"line": 2, "character": 9}));
        let there = editor.ask("textDocument/definition", at(3, 14));
        assert_eq!(there["uri"], "file:///cache/base.msb");
        let all = editor.ask("textDocument/completion", at(3, 2));
        assert!(all.as_array().expect("a list").iter().any(|it| it["label"] == "net"), "{all}");
        let symbols = editor.ask("textDocument/documentSymbol", json!({"textDocument": document}));
        assert_eq!(symbols[0]["name"], "p");
        assert_eq!(editor.ask("textDocument/formatting", json!({"textDocument": document})), json!([]));

        let crooked = repaired.replace("  fs", "      fs");
        let change =
            json!({"textDocument": {"uri": uri, "version": 3}, "contentChanges": [{"text": crooked}]});
        editor.notify("textDocument/didChange", change);
        let edits = editor.ask("textDocument/formatting", json!({"textDocument": document}));
        assert_eq!(edits.as_array().map(Vec::len), Some(1));

        assert_eq!(
            editor.ask("textDocument/typeHierarchy", json!({"textDocument": document}))["error"],
            -32601
        );
        assert_eq!(
            editor.ask("textDocument/hover", json!({"textDocument": {"uri": "file:///other"}})),
            Value::Null
        );
        assert_eq!(editor.ask("textDocument/hover", json!({})), Value::Null);
        let closed = editor.notify("textDocument/didClose", json!({"textDocument": document})).expect("none");
        assert_eq!(closed["diagnostics"], json!([]));
    });
}

/// Changes as editors send them: of ranges in UTF-16, one after the other, in a text with CRLF.
#[test]
fn changes_of_ranges_are_made_where_the_editor_means() {
    let uri = "file:///w/p.msb";
    let text = "edition 2026\r\npolicy p {\r\n  env { set A = \"grüße 🦀\" }\r\n  net none\r\n  include std.base\r\n}\r\n";
    edited(|editor| {
        let open = json!({"textDocument": {"uri": uri, "languageId": "msb", "version": 1, "text": text}});
        editor.notify("textDocument/didOpen", open);
        let range = |from: (u32, u32), to: (u32, u32)| {
            let at = |(line, character)| json!({"line": line, "character": character});
            json!({"start": at(from), "end": at(to)})
        };
        // Behind the crab, which is two units; then at the end of a line, said as a place far behind it.
        let changes = json!([
            {"range": range((2, 25), (2, 25)), "text": "!"},
            {"range": range((3, 99), (3, 99)), "text": "  caps none"},
            {"range": range((0, 8), (0, 12)), "text": "2026"},
            {"range": range((1, 7), (1, 8)), "text": "q"},
        ]);
        let change = json!({"textDocument": {"uri": uri, "version": 2}, "contentChanges": changes});
        let published = editor.notify("textDocument/didChange", change).expect("diagnostics");
        let found = published["diagnostics"].as_array().expect("a list");
        assert!(found.iter().all(|it| it["severity"] != 1), "{published}");
        assert_eq!(published["version"], 2);
        let edits = editor.ask("textDocument/formatting", json!({"textDocument": {"uri": uri}}));
        assert_eq!(edits.as_array().map(Vec::len), Some(1), "{edits}");
        let hover = json!({"textDocument": {"uri": uri}, "position": {"line": 3, "character": 17}});
        assert!(editor.ask("textDocument/completion", hover).to_string().contains("NET_BIND_SERVICE"));
        let crab = json!({"range": range((2, 17), (2, 26)), "text": ""});
        let change = json!({"textDocument": {"uri": uri, "version": 3}, "contentChanges": [crab]});
        let published = editor.notify("textDocument/didChange", change).expect("diagnostics");
        let found = published["diagnostics"].as_array().expect("a list");
        assert!(found.iter().all(|it| it["severity"] != 1), "all of the text and the `!` went: {published}");
        let symbols = editor.ask("textDocument/documentSymbol", json!({"textDocument": {"uri": uri}}));
        assert_eq!(symbols[0]["name"], "q");
    });
}

/// Somebody types a word into a policy of ten thousand lines: the answer to a question comes before the findings of
/// what was typed since, and the last findings are of the last version.
#[test]
fn a_long_policy_is_no_obstacle() {
    use std::fmt::Write as _;
    let uri = "file:///w/p.msb";
    let mut text = String::from("edition 2026\npolicy p {\n  net none\n  fs {\n");
    for i in 0..10_000 {
        let _ = writeln!(text, "    read /data/d{i}");
    }
    text += "  }\n}\n";
    edited(|editor| {
        let open = json!({"textDocument": {"uri": uri, "languageId": "msb", "version": 0, "text": text}});
        editor.notify("textDocument/didOpen", open);
        for version in 1..=20 {
            let place = json!({"line": 5, "character": 9});
            let changes = json!([{"range": {"start": place, "end": place}, "text": "x"}]);
            let change = json!({"textDocument": {"uri": uri, "version": version}, "contentChanges": changes});
            let message = Notification::new("textDocument/didChange".to_owned(), change);
            editor.connection.sender.send(message.into()).expect("a server");
        }
        let mut versions = Vec::new();
        while versions.last() != Some(&json!(20)) {
            match editor.connection.receiver.recv().expect("findings") {
                Message::Notification(it) => versions.push(it.params["version"].clone()),
                other => panic!("{other:?}"),
            }
        }
        assert!(versions.len() < 20, "each change was told of: {versions:?}");
    });
}

#[test]
fn imports_and_assertions() {
    let uri = "file:///w/p.msb";
    let text = "edition 2026\nimport \"./org.msb\" as org\npolicy p {\n  include std.base\n  include org.narrow\n  limits { memory 1GiB  pids 9  wall 1min }\n  assert { deny open /root/x for read  allow open /root/y for read }\n}\n";
    edited(|editor| {
        let document = json!({"uri": uri, "version": 1, "text": text});
        let published =
            editor.notify("textDocument/didOpen", json!({"textDocument": document})).expect("diagnostics");
        let codes: Vec<_> =
            published["diagnostics"].as_array().expect("a list").iter().map(|it| &it["code"]).collect();
        assert_eq!(codes, ["MSB0501"], "{published}");
        let document = json!({"uri": uri});
        let at = json!({"textDocument": document, "position": {"line": 4, "character": 16}});
        let there = editor.ask("textDocument/definition", at);
        assert_eq!(
            (&there["uri"], &there["range"]["start"]["line"]),
            (&json!("file:///w/org.msb"), &json!(1))
        );
        let lenses = editor.ask("textDocument/codeLens", json!({"textDocument": document}));
        assert_eq!(lenses[0]["command"]["title"], "1 of 2 hold", "{lenses}");
        assert_eq!(lenses[0]["range"]["start"]["line"], 6);
    });
}

#[test]
fn libraries_yaml_and_several_policies() {
    let good = "include std.base\n  limits { memory 1GiB  pids 9  wall 1min }";
    edited(|editor| {
        let open = |name: &str, text: &str| {
            let document = json!({"uri": format!("file:///w/{name}"), "version": 1, "text": text});
            let published = editor
                .notify("textDocument/didOpen", json!({"textDocument": document}))
                .expect("diagnostics");
            let codes = published["diagnostics"].as_array().expect("a list").iter();
            codes.map(|it| it["code"].as_str().expect("a code").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(open("library.msb", "edition 2026\nprofile a { net none }\n"), [""; 0]);
        assert_eq!(
            open("two.msb", &format!("edition 2026\npolicy a {{ {good} }}\npolicy b {{ {good} }}\n")),
            [""; 0]
        );
        let wrong =
            format!("edition 2026\npolicy a {{ {good} }}\npolicy b {{ {good} syscalls {{ allow reed }} }}\n");
        assert_eq!(open("wrong.msb", &wrong), ["MSB0103"]);
        assert_eq!(open("p.yaml", "edition: 2026\npolicies:\n  - nam: p\n"), ["MSB0032"; 2][..1]);
    });
}

proptest! {
    /// Whatever is half typed, there is an answer.
    #[test]
    fn no_text_makes_it_panic(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..40),
        at in 0usize..200,
    ) {
        let text = words.concat();
        let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let tree = tree("a.msb", &text);
        let (start, _) = complete(&text, &tree, at);
        prop_assert!(start <= at);
        hover(&text, &tree, at);
    }
}

const WORDS: &[&str] = &[
    "policy ",
    "p",
    "{",
    "}",
    "(",
    ")",
    " fs ",
    "read ",
    "/a ",
    "$x ",
    "$",
    "@",
    "@basic-io ",
    "net ",
    "allow ",
    "tcp ",
    "\"h\"",
    ":",
    "443 ",
    ",",
    "syscalls ",
    "socket ",
    "where ",
    "domain ",
    "== ",
    "has ",
    "any ",
    "| ",
    "\n",
    "# c\n",
    "## d\n",
    "é",
    "assert ",
    "deny ",
    "syscall ",
    "tool ",
    "t",
    "-> ",
    "errno ",
    "include ",
    "std",
    ".",
    "edition 2026\n",
    "\"",
];
