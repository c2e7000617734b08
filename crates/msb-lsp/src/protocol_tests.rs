//! What an editor does to a server: changes in any order, files that come and go, ends that are no ends.

use crate::Host;
use crate::server::session;
use crossbeam_channel::unbounded;
use lsp_server::{Connection, Message, Notification, Request, RequestId};
use msb_compile::{Files, ReadError};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Files that a test makes, changes and takes away.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Disk {
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        self.0.lock().expect("no panic").insert(path.to_owned(), bytes.to_vec());
    }
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let files = self.0.lock().expect("no panic");
        files.get(path).cloned().ok_or(ReadError { reason: "no such file".to_owned() })
    }
}

impl Host for Disk {
    fn standard(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

pub(crate) fn request(id: i32, method: &str, params: Value) -> Message {
    Request::new(RequestId::from(id), method.to_owned(), params).into()
}

fn notification(method: &str, params: Value) -> Message {
    Notification::new(method.to_owned(), params).into()
}

pub(crate) fn opened(name: &str, text: &str) -> Message {
    let document =
        json!({"uri": format!("file:///w/{name}"), "languageId": "msb", "version": 1, "text": text});
    notification("textDocument/didOpen", json!({"textDocument": document}))
}

/// A session whose messages all lie there before it begins, the greeting put before them: what it ends with, and what
/// it says behind its greeting.
pub(crate) fn said(
    disk: &Disk,
    capabilities: &Value,
    messages: Vec<Message>,
) -> (Result<(), String>, Vec<Message>) {
    let (to_server, from_editor) = unbounded();
    let (to_editor, from_server) = unbounded();
    let hello = request(0, "initialize", json!({"capabilities": capabilities}));
    for message in [hello, notification("initialized", json!({}))].into_iter().chain(messages) {
        to_server.send(message).expect("room");
    }
    drop(to_server);
    let end = session(&Connection { sender: to_editor, receiver: from_editor }, disk);
    (end, from_server.iter().skip(1).collect())
}

/// The findings that were last told of a text, as codes.
fn codes(said: &[Message], name: &str) -> Vec<String> {
    let found = last(said, name);
    found.iter().map(|it| it["code"].as_str().expect("a code").to_owned()).collect()
}

fn last(said: &[Message], name: &str) -> Vec<Value> {
    let published = said.iter().rev().find_map(|message| match message {
        Message::Notification(it) if it.params["uri"] == format!("file:///w/{name}") => Some(&it.params),
        _ => None,
    });
    published.expect("findings")["diagnostics"].as_array().expect("a list").clone()
}

const LIMITS: &str = "limits { memory 1GiB  pids 64  wall 1min }";

#[test]
fn a_change_of_a_file_is_a_change_of_what_imports_it() {
    let disk = Disk::default();
    let org = |rule: &str| format!("edition 2026\nprofile top {{ {rule} }}\n");
    let agent = format!(
        "edition 2026\nimport \"./org.msb\" as org\npolicy p {{ include std.base  include org.top  {LIMITS} }}\n"
    );
    disk.write("/w/org.msb", org("net none").as_bytes());
    let (_, before) = said(&disk, &json!({}), vec![opened("agent.msb", &agent)]);
    assert_eq!(codes(&before, "agent.msb"), [""; 0]);
    // In the editor, and not saved.
    let broken = json!({
        "textDocument": {"uri": "file:///w/org.msb", "version": 2},
        "contentChanges": [{"text": org("syscalls { allow reed }")}],
    });
    let messages = vec![
        opened("org.msb", &org("net none")),
        opened("agent.msb", &agent),
        notification("textDocument/didChange", broken),
    ];
    let (_, after) = said(&disk, &json!({}), messages);
    assert_eq!(codes(&after, "agent.msb"), ["MSB0103"]);
    // What is closed without being saved is as the disk has it.
    let closed = json!({"textDocument": {"uri": "file:///w/org.msb"}});
    let messages = vec![
        opened("org.msb", &org("syscalls { allow reed }")),
        opened("agent.msb", &agent),
        notification("textDocument/didClose", closed),
    ];
    let (_, after) = said(&disk, &json!({}), messages);
    assert_eq!(codes(&after, "agent.msb"), [""; 0]);
}

/// A session that runs while its files change: each notification is answered before the next one is sent.
#[test]
fn files_that_vanish_and_are_no_text_are_told_of() {
    let disk = Disk::default();
    let agent = format!(
        "edition 2026\nimport \"./org.msb\" as org\npolicy p {{ include std.base  include org.top  {LIMITS} }}\n"
    );
    disk.write("/w/org.msb", b"edition 2026\nprofile top { net none }\n");
    let (to_server, from_editor) = unbounded();
    let (to_editor, from_server) = unbounded();
    let there = disk.clone();
    let thread =
        std::thread::spawn(move || session(&Connection { sender: to_editor, receiver: from_editor }, &there));
    to_server.send(request(0, "initialize", json!({"capabilities": {}}))).expect("a server");
    to_server.send(notification("initialized", json!({}))).expect("a server");
    from_server.recv().expect("a greeting");
    let found = |message: Message| {
        to_server.send(message).expect("a server");
        codes(&[from_server.recv().expect("findings")], "agent.msb")
    };
    assert_eq!(found(opened("agent.msb", &agent)), [""; 0]);
    disk.0.lock().expect("no panic").clear();
    let changed = || notification("workspace/didChangeWatchedFiles", json!({"changes": []}));
    assert_eq!(found(changed()), ["MSB0020"]);
    disk.write("/w/org.msb", b"edition 2026\n# \xff\n");
    assert!(found(changed()).contains(&"MSB0017".to_owned()));
    disk.write("/w/org.msb", b"edition 2026\nprofile top { net none }\n");
    let saved = json!({"textDocument": {"uri": "file:///w/agent.msb"}});
    assert_eq!(found(notification("textDocument/didSave", saved)), [""; 0]);
    drop(to_server);
    assert_eq!(thread.join().expect("no panic"), Ok(()));
}

#[test]
fn each_of_several_policies_is_held_to_the_parent_that_it_imports() {
    let disk = Disk::default();
    disk.write(
        "/w/org.msb",
        format!("edition 2026\npolicy top {{ include std.base  {LIMITS} }}\n").as_bytes(),
    );
    let child =
        |name: &str, rule: &str| format!("policy {name} extends org.top {{ include std.base  {rule} }}\n");
    let text =
        ["edition 2026\nimport \"./org.msb\" as org\n", &child("a", "fs { read /srv/a }"), &child("b", "")];
    let (_, said) = said(&disk, &json!({}), vec![opened("agent.msb", &text.concat())]);
    let found = last(&said, "agent.msb");
    assert_eq!(codes(&said, "agent.msb"), ["MSB0401"], "{found:#?}");
    assert_eq!(found[0]["range"]["start"]["line"], 2, "{found:#?}");
}

fn error_of(said: &[Message], id: i32) -> Option<i32> {
    said.iter().find_map(|message| match message {
        Message::Response(it) if it.id == RequestId::from(id) => {
            Some(it.response_result.as_ref().err().map_or(0, |error| error.code))
        }
        _ => None,
    })
}

#[test]
fn what_is_cancelled_is_not_answered() {
    let hover = |id| {
        let at = json!({"textDocument": {"uri": "file:///w/p.msb"}, "position": {"line": 0, "character": 1}});
        request(id, "textDocument/hover", at)
    };
    let cancel = |id: Value| notification("$/cancelRequest", json!({"id": id}));
    let messages = vec![
        opened("p.msb", "edition 2026\n"),
        hover(7),
        hover(8),
        cancel(json!(7)),
        cancel(json!(99)),
        cancel(json!({})),
    ];
    let (_, said) = said(&Disk::default(), &json!({}), messages);
    assert_eq!((error_of(&said, 7), error_of(&said, 8)), (Some(-32800), Some(0)));
}

#[test]
fn the_end_is_said_twice_and_nothing_is_answered_in_between() {
    let exit = || notification("exit", Value::Null);
    let late = vec![
        request(1, "shutdown", Value::Null),
        request(2, "textDocument/hover", json!({})),
        exit(),
        request(3, "textDocument/hover", json!({})),
    ];
    let (end, said) = said(&Disk::default(), &json!({}), late);
    assert_eq!(end, Ok(()));
    assert_eq!((error_of(&said, 1), error_of(&said, 2), error_of(&said, 3)), (Some(0), Some(-32600), None));
    let (end, _) = self::said(&Disk::default(), &json!({}), vec![exit()]);
    assert!(end.is_err());
}

#[test]
fn what_is_unknown_is_refused_or_passed_over() {
    let folders = json!({"event": {"added": [{"uri": "file:///other", "name": "other"}], "removed": []}});
    let messages = vec![
        notification("workspace/didChangeWorkspaceFolders", folders),
        notification("$/setTrace", json!({"value": "off"})),
        notification(
            "textDocument/didChange",
            json!({"textDocument": {"uri": "file:///w/never-opened.msb"}}),
        ),
        notification("textDocument/didOpen", json!({"textDocument": {}})),
        request(1, "workspace/symbol", json!({"query": "a"})),
        request(2, "textDocument/completion", json!({"textDocument": {"uri": 5}, "position": "here"})),
    ];
    let (end, said) = said(&Disk::default(), &json!({}), messages);
    assert_eq!(end, Ok(()));
    assert_eq!((error_of(&said, 1), error_of(&said, 2)), (Some(-32601), Some(0)));
}

#[test]
fn an_editor_that_watches_files_is_asked_to() {
    let capabilities = json!({"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}}});
    let asked = |said: &[Message]| {
        said.iter().any(|it| matches!(it, Message::Request(it) if it.method == "client/registerCapability"))
    };
    assert!(asked(&said(&Disk::default(), &capabilities, Vec::new()).1));
    assert!(!asked(&said(&Disk::default(), &json!({}), Vec::new()).1));
}

#[test]
fn a_file_beyond_all_limits_is_answered() {
    let text = format!("edition 2026\n# {}\n", "x".repeat(1 << 20));
    let at = json!({"textDocument": {"uri": "file:///w/p.msb"}, "position": {"line": 1, "character": 5}});
    let messages = vec![opened("p.msb", &text), request(1, "textDocument/completion", at)];
    let (_, said) = said(&Disk::default(), &json!({}), messages);
    assert_eq!(codes(&said, "p.msb"), ["MSB0009"]);
    assert_eq!(error_of(&said, 1), Some(0));
}

/// Pieces of texts: wide and astral characters, every line end, a byte order mark, words that give findings.
const PIECES: &[&str] = &[
    "edition 2026\n",
    "policy p {\r\n",
    "}\n",
    "fs { read /a }\n",
    "net none\r\n",
    "\"é🦀\"",
    "𝄞",
    "ü",
    "\u{feff}",
    "\r\n",
    "\n",
    "\r",
    " ",
    "# 🦀 \n",
    "limits { memory 512 }\r\n",
    "syscalls { allow reed }\n",
    "env { set A = \"𝄞\" }\n",
    "include std.base\n",
    "$x ",
    "{",
];

/// A text as an editor holds it: units of UTF-16, in lines.
struct Buffer(Vec<u16>);

impl Buffer {
    /// Where lines begin: behind `\n`, `\r\n` and `\r`.
    fn starts(&self) -> Vec<usize> {
        let mut starts = vec![0];
        for (at, unit) in self.0.iter().enumerate() {
            let ends = *unit == 10 || *unit == 13 && self.0.get(at + 1) != Some(&10);
            starts.extend(ends.then_some(at + 1));
        }
        starts
    }

    fn place(&self, at: usize) -> Value {
        let starts = self.starts();
        let line = starts.partition_point(|&start| start <= at) - 1;
        json!({"line": line, "character": at - starts[line]})
    }

    /// The nearest place at or before `at` that is between characters and not within a line end.
    fn border(&self, at: usize) -> usize {
        let mut at = at % (self.0.len() + 1);
        let inside = |at: usize| {
            let low = self.0.get(at).is_some_and(|unit| (0xdc00..0xe000).contains(unit));
            low || at > 0 && self.0.get(at) == Some(&10) && self.0[at - 1] == 13
        };
        while inside(at) {
            at -= 1;
        }
        at
    }

    fn text(&self) -> String {
        String::from_utf16(&self.0).expect("whole characters")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// After any edits the server says what a fresh one says of the same text, and every place lies in it.
    #[test]
    fn edits_lead_where_a_fresh_text_leads(
        first in proptest::collection::vec(proptest::sample::select(PIECES), 0..12),
        edits in proptest::collection::vec(
            (any::<u16>(), 0usize..9, proptest::collection::vec(proptest::sample::select(PIECES), 0..3)), 1..8,
        ),
    ) {
        let first = first.concat();
        let mut buffer = Buffer(first.encode_utf16().collect());
        let mut changes = Vec::new();
        for (at, length, pieces) in &edits {
            let start = buffer.border(usize::from(*at));
            let end = buffer.border((start + length).min(buffer.0.len())).max(start);
            let range = json!({"start": buffer.place(start), "end": buffer.place(end)});
            changes.push(json!({"range": range, "text": pieces.concat()}));
            buffer.0.splice(start..end, pieces.concat().encode_utf16());
        }
        let change = json!({"textDocument": {"uri": "file:///w/p.msb", "version": 2}, "contentChanges": changes});
        let messages = vec![opened("p.msb", &first), notification("textDocument/didChange", change)];
        let edited = last(&said(&Disk::default(), &json!({}), messages).1, "p.msb");
        let fresh = last(&said(&Disk::default(), &json!({}), vec![opened("p.msb", &buffer.text())]).1, "p.msb");
        prop_assert_eq!(&edited, &fresh);
        let starts = buffer.starts();
        for end in fresh.iter().flat_map(|it| [&it["range"]["start"], &it["range"]["end"]]) {
            let number = |name: &str| usize::try_from(end[name].as_u64().expect("a number")).expect("small");
            let at = starts[number("line")] + number("character");
            prop_assert!(at <= buffer.0.len() && buffer.place(buffer.border(at)) == *end, "{} in {:?}", end, buffer.text());
        }
    }
}
