//! The six policies of `policy-lang/conformance/examples`, which every version accepts as they stand.

mod common;

use common::{Beside, files};
use msb_compile::{Explained, Options, explain};
use serde_json::{Value, json};

const FOLDER: &str = "conformance/examples";

/// The policies and their names, the ceiling of one of them too.
fn given() -> Vec<(String, String)> {
    let all = files(FOLDER, "msb").into_iter();
    let all: Vec<_> = all.map(|(name, text)| (name, String::from_utf8(text).expect("text"))).collect();
    assert_eq!(all.len(), 7);
    all
}

#[test]
fn each_is_right_and_what_else_is_said_is_expected() {
    for (name, text) in given() {
        let compiled = common::findings(&name, &text);
        assert!(!msb_diag::has_errors(&compiled.diagnostics), "{name}:\n{}", common::rendered(&compiled));
        let all = msb_diag::to_json(&compiled.diagnostics, &compiled.sources);
        let short =
            |found: &Value| json!({"code": found["code"], "line": found["line"], "column": found["column"]});
        let actual: Value = all.as_array().expect("an array").iter().map(short).collect();
        let path = common::policy_lang().join(FOLDER).join(&name).with_extension("json");
        if std::env::var_os("MSB_UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&actual).expect("JSON");
            std::fs::write(&path, text + "\n").expect("writable");
        }
        let wanted = std::fs::read_to_string(&path).unwrap_or_default();
        let wanted = serde_json::from_str::<Value>(&wanted).ok();
        assert_eq!(wanted, Some(actual), "{name}:\n{}", common::rendered(&compiled));
    }
}

/// What has tools gives no plan yet, and that alone is in the way.
#[test]
fn each_gives_a_plan_or_says_what_is_not_enforced() {
    for (name, text) in given() {
        let compiled = common::compile(&name, &text);
        let errors: Vec<_> = compiled.diagnostics.iter().filter(|it| it.is_error()).collect();
        assert_eq!(compiled.plan.is_none(), text.contains("\n  tool "), "{name}");
        assert_eq!(compiled.plan.is_none(), !errors.is_empty(), "{name}");
        assert!(errors.iter().all(|it| it.code == msb_diag::codes::NOT_ENFORCED), "{name}: {errors:?}");
    }
}

#[test]
fn each_is_short_and_in_the_one_style() {
    for (name, text) in given() {
        assert!(text.lines().count() <= 40, "{name}");
        assert_eq!(msb_format::unformatted(msb_diag::FileId(0), &text), None, "{name}");
    }
}

/// Nobody changes what an example means without changing what is accepted.
#[test]
fn each_means_what_the_example_of_its_name_means() {
    for (name, text) in given() {
        let example = std::fs::read(common::policy_lang().join("examples").join(&name)).expect("an example");
        let bytes = |text: &[u8]| common::check(&name, text).policy.expect("a policy").canonical_bytes();
        assert!(bytes(text.as_bytes()) == bytes(&example), "{name}");
    }
}

/// A request, whether it is allowed, the text of the line that decides, and a part of what would change it.
type Asked = (&'static str, bool, &'static str, &'static str);

const ASKED: &[(&str, &[Asked])] = &[
    (
        "ci-job.msb",
        &[
            ("connect tcp $mirror:80", true, "allow tcp $mirror:{80, 443}", "`deny tcp $mirror:80`"),
            // Its parent would refuse the line.
            (
                "connect tcp \"example.org\":80",
                false,
                "",
                "`std.ci.untrusted`, which it extends, would have to",
            ),
            ("env GITHUB_TOKEN", false, "", "`std.ci.untrusted`, which it extends, would have to"),
        ],
    ),
    (
        "code-interpreter.msb",
        &[
            (
                "open /mnt/data/out/a for run",
                false,
                "deny    run /mnt/data/out, /tmp",
                "a claim of its own requires it",
            ),
            ("connect tcp any:443", false, "net none", "a claim of its own requires it"),
            (
                "syscall ptrace",
                false,
                "kill  ptrace, process_vm_writev, @mount, @module",
                "in place of this line",
            ),
        ],
    ),
    (
        "coding-agent.msb",
        &[
            (
                "call git_push(branch: \"main\")",
                false,
                "git_push",
                "`branch` does not match `^agent/[a-z0-9-]{1,40}$`",
            ),
            ("call build(profile: \"debug\")", true, "build", "take the tool away"),
            (
                "connect https \"files.packages.example\":443",
                true,
                "allow https \"index.packages.example\":443, https \"files.packages.example\":443 only GET",
                "write `allow https \"index.packages.example\":443 only GET` in place of this line",
            ),
        ],
    ),
    (
        "data-analysis.msb",
        &[
            ("open /lake/x for read", true, "read    $lake at /lake     symlinks refuse", "`deny /lake/x`"),
            ("call publish_table(name: \"../etc\", table: [])", false, "publish_table", "does not match"),
        ],
    ),
    (
        "mcp-server.msb",
        &[
            ("env HOME", true, "set HOME = \"/home/agent\"", "take this line away"),
            ("open /data/x for write", false, "read  $shared at /data", "a claim of its own requires it"),
        ],
    ),
    (
        "web-research.msb",
        &[
            (
                "connect https \"en.wikipedia.org\":443",
                true,
                "allow https \"*.wikipedia.org\":443 only GET, HEAD",
                "a claim of its own requires it",
            ),
            ("connect tcp 10.0.0.1:22", false, "deny  tcp metadata, tcp private", "place of this line"),
            ("open ~/.ssh/id for read", false, "", "`read ~/.ssh/id`"),
        ],
    ),
];

#[test]
fn each_explains_itself() {
    for (name, text) in given() {
        let asked = ASKED.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, asked)| asked);
        for (request, allowed, line, change) in asked {
            let all = explain(&Beside(&name, text.as_bytes()), &name, &Options::default(), request);
            let answer: Vec<&Explained> = all.answers.iter().filter(|it| it.allowed == *allowed).collect();
            let [answer] = answer.as_slice() else { panic!("{name}: {request}: {all:?}") };
            let rule = answer.rule.as_ref().map_or("", |rule| rule.text.as_str());
            assert_eq!(rule, *line, "{name}: {request}: {answer:?}");
            assert!(answer.change.contains(change), "{name}: {request}: {answer:?}");
        }
    }
}
