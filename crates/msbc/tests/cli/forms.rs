//! What is printed for programs has the form that is published: SARIF's, and that of the reference.

use crate::host::Host;
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A part of a schema, and what it is checked by.
struct Form {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Form {
    /// `file` of the checkout, at `pointer`.
    fn new(file: &str, pointer: &str) -> Form {
        let text = std::fs::read_to_string(checkout().join(file)).expect("a schema");
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        let mut compiler = Compiler::new();
        compiler.add_resource("schema.json", schema).expect("a schema");
        let mut schemas = Schemas::new();
        let index = compiler.compile(&format!("schema.json#{pointer}"), &mut schemas);
        let index = index.unwrap_or_else(|error| panic!("{file}{pointer}: {error:#}"));
        Form { schemas, index }
    }

    #[track_caller]
    fn holds(&self, json: &Value) {
        if let Err(wrong) = self.schemas.validate(json, self.index) {
            panic!("{wrong:#}");
        }
    }
}

fn output(part: &str) -> Form {
    Form::new("docs/src/reference/output.schema.json", &format!("/$defs/{part}"))
}

/// Every third of the conformance cases that are refused, which takes seconds, and some names that are hard in an address.
fn wrong_policies(host: &Host) -> Vec<String> {
    let folder = checkout().join("policy-lang/conformance/reject");
    let entries = std::fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry").path());
    let mut all: Vec<String> = entries
        .filter(|path| path.extension().is_some_and(|it| it == "msb"))
        .map(|path| path.to_str().expect("UTF-8").to_owned())
        .collect();
    all.sort();
    all = all.into_iter().step_by(3).collect();
    assert!(all.len() > 100, "{}", all.len());
    for name in ["a b.msb", "a:b.msb", "100%.msb", "é#?.msb"] {
        host.write(name, "edition 2026\npolicy p {\n  limits { memory 512 }  # é🦀\n}\n");
        all.push(name.to_owned());
    }
    all
}

#[test]
fn sarif_is_valid_by_its_published_schema() {
    let host = Host::new();
    let all = wrong_policies(&host);
    let mut words = vec!["check", "--sarif"];
    words.extend(all.iter().map(String::as_str));
    let said = host.msbc(&words);
    let log: Value = serde_json::from_str(&said.out).expect("JSON");
    let form = Form::new("crates/msbc/tests/schemas/sarif-2.1.0-rtm.5.json", "");
    form.holds(&log);
    let runs = log["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), all.len());
    let results = runs.iter().flat_map(|run| run["results"].as_array().expect("results"));
    let (mut fixes, mut related) = (0, 0);
    for result in results {
        fixes += usize::from(result["fixes"].is_array());
        related += usize::from(result["relatedLocations"].is_array());
    }
    assert!(fixes > 20 && related > 20, "{fixes} {related}");
    // The schema is one that refuses something.
    let mut broken = log.clone();
    broken["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(form.schemas.validate(&broken, form.index).is_err());
}

#[test]
fn findings_are_as_the_reference_says() {
    let host = Host::new();
    let all = wrong_policies(&host);
    let mut words = vec!["check", "--json"];
    words.extend(all.iter().map(String::as_str));
    let said = host.msbc(&words);
    let findings: Value = serde_json::from_str(&said.out).expect("JSON");
    assert!(findings.as_array().is_some_and(|it| it.len() > 100));
    output("findings").holds(&findings);
    host.write("bad.msb", "edition 2026\npolicy p {\n  limits { memory 512 }\n}\n");
    for words in [
        &["compile", "--json", "bad.msb", "-o", "p.plan"][..],
        &["show", "--json", "bad.msb"],
        &["fix", "--json", "--dry-run", "missing.msb"],
    ] {
        let said = host.msbc(words);
        if !said.out.is_empty() {
            output("findings").holds(&serde_json::from_str(&said.out).expect("JSON"));
        }
    }
}

#[test]
fn other_commands_print_what_the_reference_says() {
    let host = Host::new();
    let language = checkout().join("policy-lang");
    let path = |name: &str| language.join(name).to_str().expect("UTF-8").to_owned();
    let says = |part: &str, words: &[&str]| {
        let said = host.msbc(words);
        let json = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{words:?}: {}", said.err));
        output(part).holds(&json);
        json
    };
    let tests = says("tests", &["test", "--json", &path("examples/coding-agent.msb")]);
    assert!(tests[0]["assertions"].as_u64() > Some(0));
    says("tests", &["test", "--json", "missing.msb"]);
    for request in ["open /etc/passwd for read", "syscall ptrace", "connect tcp 169.254.169.254:80"] {
        says("explanations", &["explain", "--json", &path("examples/ci-job.msb"), request]);
    }
    let mut parts = [0, 0, 0];
    for name in ["call-and-variable", "limit-of-requests", "limit-raised", "narrower", "write-for-read"] {
        let file = |which: &str| path(&format!("conformance/diff/{name}.{which}.msb"));
        let found = says("differences", &["diff", "--json", &file("old"), &file("new")]);
        for (part, name) in parts.iter_mut().zip(["newly_allowed", "newly_denied", "otherwise"]) {
            *part += found[name].as_array().map_or(0, Vec::len);
        }
    }
    host.write("kill.msb", "edition 2026\npolicy p { include std.base  syscalls { kill ptrace } }\n");
    host.write(
        "errno.msb",
        "edition 2026\npolicy p { include std.base  syscalls { errno ENOSYS ptrace } }\n",
    );
    let found = says("differences", &["diff", "--json", "kill.msb", "errno.msb"]);
    parts[2] += found["otherwise"].as_array().map_or(0, Vec::len);
    assert!(parts.iter().all(|it| *it > 0), "{parts:?}");
    says("doctor", &["doctor", "--json"]);
    for arch in ["x86_64", "aarch64", "i386", "x32"] {
        let all = says("syscalls", &["syscalls", "--json", "--arch", arch]);
        assert!(all.as_array().is_some_and(|it| it.len() > 300), "{arch}");
    }
}
