//! The JSON Schema of policies as data, for editors and for programs that write them.

use crate::lists;
use crate::read::VERBS;
use serde_json::{Map, Value, json};

/// The JSON Schema (2020-12) of a policy as YAML or JSON.
///
/// It says which members there are, which are needed, and of what kind each is. What a text has to be in
/// the language is the compiler's to say.
#[must_use]
pub fn schema() -> Value {
    let item = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    let list = |items: Value| json!({"type": "array", "items": items});
    let filled = |items: Value| json!({"type": "array", "items": items, "minItems": 1});
    let named = |items: Value| json!({"type": "object", "additionalProperties": items});
    let text = || json!({"type": "string"});
    let int = || json!({"type": "integer", "minimum": 0});
    let flag = || json!({"type": "boolean"});
    let words = |words: &[&str]| json!({"enum": words});

    let limits = [
        ("rate", item("text")),
        ("burst", int()),
        ("quota", item("quantity")),
        ("quota_up", item("quantity")),
        ("quota_down", item("quantity")),
        ("connections", int()),
    ];
    let net_options = [
        ("doc", text()),
        (
            "only",
            json!({"anyOf": [
                filled(words(lists::METHODS)),
                object(&[("methods", filled(words(lists::METHODS))), ("paths", filled(item("path")))], &["methods"]),
            ]}),
        ),
        ("inject", item("text")),
        ("inspect", flag()),
        ("optional", flag()),
    ];
    let net = |verb: &str, of: Value, options: &[(&'static str, Value)]| {
        let mut members = options.to_vec();
        members.push(match verb {
            "allow" => ("allow", of),
            "deny" => ("deny", of),
            "listen" => ("listen", of),
            _ => ("total", of),
        });
        object(&members, &[if verb == "total" { "total" } else { verb }])
    };
    let all_net: Vec<(&'static str, Value)> = net_options.iter().chain(&limits).cloned().collect();
    let total: Vec<(&'static str, Value)> = limits.iter().cloned().chain([("doc", text())]).collect();

    let fs = VERBS.iter().map(|(verb, _)| {
        let options = [
            ("doc", text()),
            ("at", item("path")),
            ("size", item("quantity")),
            ("inodes", item("quantity")),
            ("from", item("path")),
            ("optional", flag()),
            ("missing", words(lists::MISSING)),
            ("symlinks", words(lists::SYMLINKS)),
            ("enforce", words(lists::ENFORCE)),
            ("beside", text()),
            ("depth", item("quantity")),
            (*verb, filled(item("path"))),
        ];
        object(&options, &[verb])
    });
    let calls = || filled(item("text"));
    let mut syscalls: Vec<Value> = lists::ACTIONS
        .iter()
        .map(|action| object(&[(*action, calls()), ("doc", text())], &[action]))
        .collect();
    syscalls.push(object(&[("errno", text()), ("calls", calls()), ("doc", text())], &["errno", "calls"]));
    syscalls.push(object(&[("default", text()), ("doc", text())], &["default"]));
    syscalls.push(object(&[("arch", calls()), ("doc", text())], &["arch"]));

    let port = json!({"anyOf": [int(), {"type": "string", "pattern": "^[0-9]+ *[.][.] *[0-9]+$"}]});
    let endpoints = |more: &[(&'static str, Value)]| -> Vec<Value> {
        let one = |protocol: &&'static str| match *protocol {
            "unix" => object(&[("unix", item("path"))], &["unix"]),
            other => {
                let mut members =
                    vec![(other, item("peer")), ("port", port.clone()), ("ports", filled(port.clone()))];
                members.extend_from_slice(more);
                object(&members, &[other])
            }
        };
        lists::PROTOCOLS.iter().map(one).collect()
    };

    let block = [
        ("name", text()),
        ("doc", text()),
        ("docs", object(&lists::DOCUMENTED.iter().map(|word| (*word, text())).collect::<Vec<_>>(), &[])),
        (
            "params",
            named(
                json!({"anyOf": [text(), object(&[("type", text()), ("default", item("value"))], &["type"])]}),
            ),
        ),
        ("include", list(item("include"))),
        ("fs", list(item("fs"))),
        ("net", json!({"anyOf": [words(&["none", "host"]), list(item("net"))]})),
        ("syscalls", list(item("syscalls"))),
        (
            "limits",
            json!({"type": "object", "properties": {"hard": flag()}, "additionalProperties": item("quantity")}),
        ),
        ("caps", json!({"anyOf": [{"const": "none"}, calls()]})),
        (
            "env",
            object(&[("pass", calls()), ("set", named(item("value"))), ("secret", named(item("text")))], &[]),
        ),
        (
            "exec",
            object(
                &[
                    ("command", calls()),
                    ("user", item("quantity")),
                    ("cwd", item("path")),
                    ("tty", text()),
                    ("hostname", text()),
                ],
                &[],
            ),
        ),
        ("tools", list(text())),
        ("tool", list(item("tool"))),
        ("assert", list(item("claim"))),
        (
            "accept",
            list(object(&[("codes", calls()), ("because", text()), ("doc", text())], &["codes", "because"])),
        ),
        ("sandbox", named(item("quantity"))),
    ];
    let mut policy = block.to_vec();
    policy.push(("extends", item("include")));
    let tool = [
        ("name", text()),
        ("doc", text()),
        (
            "params",
            named(json!({"anyOf": [
                text(),
                object(&[("type", text()), ("optional", flag()), ("default", item("value"))], &["type"]),
            ]})),
        ),
        ("returns", text()),
        ("rate", item("text")),
        ("burst", int()),
        ("quota", int()),
        ("timeout", item("quantity")),
        ("concurrency", int()),
        ("result", item("quantity")),
        ("confirm", flag()),
        ("exec", filled(json!({"anyOf": [text(), object(&[("text", text())], &["text"])]}))),
        ("stdin", item("text")),
        ("in", item("include")),
        ("shim", flag()),
        ("log", words(&["args", "none"])),
    ];
    let file = [
        ("edition", json!({"const": msb_syntax::EDITION})),
        (
            "imports",
            list(json!({"anyOf": [text(), object(&[("file", text()), ("as", text())], &["file", "as"])]})),
        ),
        ("policies", list(item("policy"))),
        ("profiles", list(item("profile"))),
        ("groups", named(text())),
        (
            "constants",
            named(json!({"anyOf": [
                item("value"),
                object(&[("type", text()), ("value", item("value"))], &["value"]),
            ]})),
        ),
        ("tool", list(item("tool"))),
        (
            "tests",
            list(object(
                &[
                    ("name", text()),
                    ("for", text()),
                    ("with", named(item("value"))),
                    ("claims", list(item("claim"))),
                ],
                &["name", "for"],
            )),
        ),
    ];
    let mut schema = object(&file, &["edition"]);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Microsandbox policy, edition 2026");
    schema["$defs"] = json!({
        "text": text(),
        "quantity": {"anyOf": [int(), text()]},
        "path": {"anyOf": [text(), object(&[("path", text())], &["path"])]},
        "peer": {"anyOf": [text(), object(&[("name", text())], &["name"])]},
        "value": {"anyOf": [
            text(), int(), list(item("value")),
            object(&[("text", text())], &["text"]),
            object(&[("word", text())], &["word"]),
            object(&[("flags", json!({"type": "array", "items": item("quantity"), "minItems": 2}))], &["flags"]),
        ]},
        "include": {"anyOf": [
            text(),
            {
                "type": "object",
                "properties": {"doc": {"anyOf": [text(), named(item("value"))]}},
                "additionalProperties": {"anyOf": [{"type": "null"}, named(item("value"))]},
                "minProperties": 1,
                "maxProperties": 2,
            },
        ]},
        "claim": {"anyOf": [text(), object(&[("claim", text()), ("doc", text())], &["claim"])]},
        "endpoint": {"anyOf": endpoints(&[])},
        "published": {"anyOf": endpoints(&[("at", int())])},
        "fs": {"anyOf": fs.collect::<Vec<_>>()},
        "net": {"anyOf": [
            net("allow", filled(item("endpoint")), &all_net),
            net("deny", filled(item("endpoint")), &all_net),
            net("listen", filled(item("published")), &[("doc", text())]),
            net("total", json!({"const": true}), &total),
        ]},
        "syscalls": {"anyOf": syscalls},
        "tool": object(&tool, &["name"]),
        "profile": object(&block, &["name"]),
        "policy": object(&policy, &["name"]),
    });
    schema
}

/// An object with these members and no others.
fn object(members: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
