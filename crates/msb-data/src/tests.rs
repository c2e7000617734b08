//! Data in, tree or findings out.

use super::{Form, json_of, parse, schema, text_of, yaml_of};
use msb_diag::{Diagnostic, FileId, Sources};
use msb_syntax::ast;

fn read(form: Form, text: &str) -> (ast::File, Vec<Diagnostic>) {
    parse(form, FileId(0), text)
}

/// Each finding as `line:column CODE message`, with the text that it is about.
fn findings(form: Form, text: &str) -> Vec<String> {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", text);
    let (_, found) = parse(form, file, text);
    for one in &found {
        assert!(one.help.is_some(), "{one:?}");
        assert!(!one.message.starts_with(char::is_uppercase) && !one.message.ends_with('.'), "{one:?}");
    }
    let line = |one: &Diagnostic| {
        let span = one.span().expect("a place");
        let (line, column, _) = sources.line_column(span).expect("in the file");
        format!("{line}:{column} {} {} [{}]", one.code, one.message, sources.text(span))
    };
    found.iter().map(line).collect()
}

#[track_caller]
fn refused(yaml: &str, expected: &[&str]) {
    assert_eq!(findings(Form::Yaml, yaml), expected, "{yaml}");
}

#[test]
fn the_three_forms_of_one_policy() {
    let msb = "edition 2026\n\n## Doc.\npolicy p(w: dir, n: int(1..5) = 3) {\n  include std.base\n  include std.python(version: \"3.12\")\n  fs {\n    ## Notes.\n    write $w at /work size 512MiB\n    read /usr, \"/my data\" optional\n    deny write $w/.git missing mask\n  }\n  net {\n    allow https \"a.example\":443, tcp 10.0.0.0/8:80..90 only GET inject $key\n    deny tcp metadata\n    total rate 10/min burst 5 quota 1GiB down\n  }\n  syscalls {\n    allow @basic-io - {read, write}, socket where domain == AF_UNIX on x86_64\n    errno ENOSYS clone3\n    default errno EPERM\n  }\n  limits hard { memory 1GiB  pids unlimited }\n  caps none\n  env { pass LANG  set A = \"512MiB\" }\n  assert { deny connect tcp any:443 because \"no\" }\n}\n";
    let yaml = "\
edition: 2026
policies:
  - name: p
    doc: Doc.
    params:
      w: dir
      n: {type: int(1..5), default: 3}
    include:
      - std.base
      - std.python: {version: '3.12'}
    fs:
      - {doc: Notes., write: [$w], at: /work, size: 512MiB}
      - {read: [/usr, /my data], optional: true}
      - {deny_write: [$w/.git], missing: mask}
    net:
      - allow: [{https: a.example, port: 443}, {tcp: 10.0.0.0/8, port: 80..90}]
        only: [GET]
        inject: $key
      - deny: [{tcp: metadata}]
      - {total: true, rate: 10/min, burst: 5, quota_down: 1GiB}
    syscalls:
      - allow: ['@basic-io - {read, write}', socket where domain == AF_UNIX on x86_64]
      - errno: ENOSYS
        calls: [clone3]
      - default: errno EPERM
    limits: {hard: true, memory: 1GiB, pids: unlimited}
    caps: none
    env:
      pass: [LANG]
      set: {A: {text: 512MiB}}
    assert:
      - deny connect tcp any:443 because \"no\"
";
    let (tree, found) = read(Form::Msb, msb);
    assert_eq!(found, []);
    let (from_yaml, found) = read(Form::Yaml, yaml);
    assert_eq!(found, []);
    assert_eq!(json_of(&from_yaml), json_of(&tree));
    assert_eq!(text_of(&from_yaml), text_of(&tree));
    let json = json_of(&tree).expect("it can be written");
    let (from_json, found) = read(Form::Json, &json);
    assert_eq!(found, []);
    assert_eq!(text_of(&from_json), text_of(&tree));
}

#[test]
fn what_readers_of_yaml_disagree_about_is_refused() {
    let policy = |member: &str| format!("edition: 2026\npolicies:\n  - name: p\n    {member}\n");
    let text = "MSB0033 expected a text,";
    for (value, what) in [
        ("no", "what some take for a truth value"),
        ("on", "what some take for a truth value"),
        ("True", "what some take for a truth value"),
        ("~", "what some take for nothing"),
        ("3.12", "what some take for a number or a time"),
        ("012", "what some take for a number or a time"),
        ("1e3", "what some take for a number or a time"),
        ("0x1f", "what some take for a number or a time"),
        ("1_000", "what some take for a number or a time"),
        ("22:22", "what some take for a number or a time"),
        ("2026-01-31", "what some take for a number or a time"),
        (".inf", "what some take for a number"),
        ("true", "a truth value"),
        ("12", "a number"),
    ] {
        let line = policy(&format!("exec: {{hostname: {value}}}"));
        refused(
            &line,
            &[&format!("4:22 {text} found {what} [{value}]").replace("text,", "a text,").replace("a a", "a")],
        );
        assert_eq!(findings(Form::Yaml, &policy(&format!("exec: {{hostname: \"{value}\"}}"))), [""; 0]);
    }
    refused(&policy("caps: &x none"), &["4:11 MSB0031 an anchor is refused in a policy [&x none]"]);
    refused(&policy("caps: !!str none"), &["4:11 MSB0031 a tag is refused in a policy [!!str none]"]);
    refused("a: &x 1\nb: *x\n", &["1:4 MSB0031 an anchor is refused in a policy [&x 1]"]);
    refused(&policy("<<: {caps: none}"), &["4:5 MSB0031 a merge key is refused in a policy [<<]"]);
    refused(&policy("net: none\n    net: host"), &["5:5 MSB0031 `net` is given twice [net]"]);
    refused(
        "edition: 2026\n---\nedition: 2026\n",
        &["2:1 MSB0031 a second document is refused in a policy [---]"],
    );
}

#[test]
fn findings_point_into_the_data() {
    let policy = |member: &str| format!("edition: 2026\npolicies:\n  - name: p\n    {member}\n");
    refused(&policy("limits: {memory: 512mib}"), &["4:22 MSB0003 `512mib` has no known unit [512mib]"]);
    refused(
        &policy("syscalls: [{allow: ['socket where domain = AF_UNIX']}]"),
        &["4:46 MSB0002 unexpected `=`, expected `in`, `has` or a comparison [=]"],
    );
    // Written with escapes, it stands nowhere as it is.
    refused(
        &policy("syscalls: [{allow: [\"socket \\x77here domain = AF_UNIX\"]}]"),
        &[
            "4:25 MSB0002 unexpected `=`, expected `in`, `has` or a comparison [\"socket \\x77here domain = AF_UNIX\"]",
        ],
    );
    refused(&policy("fs: [{reed: [/usr]}]"), &["4:11 MSB0032 unknown member `reed` [reed]"]);
    refused(&policy("fs: [{read: /usr}]"), &["4:17 MSB0033 expected a list of paths, found a text [/usr]"]);
    refused(
        &policy("fs: [{read: []}]"),
        &["4:17 MSB0033 expected a list of at least one path, found a list [[]]"],
    );
    refused(
        &policy("doc: \"a\\u001fb\""),
        &["4:10 MSB0002 the text has the control character U+001F [\"a\\u001fb\"]"],
    );
    refused("policies: []\n", &["1:1 MSB0001 missing `edition` []"]);
    refused("edition: 1999\n", &["1:10 MSB0008 unknown edition `1999` [1999]"]);
    refused("", &["1:1 MSB0033 expected a mapping with `edition` and `policies`, found nothing []"]);
    refused(
        "edition: [\n",
        &["2:1 MSB0030 not YAML: while parsing a node, did not find expected node content []"],
    );
    refused(
        &policy("exec: {cwd: \"/a\\u200bb\"}"),
        &["4:17 MSB0006 the path has the invisible character U+200B [\"/a\\u200bb\"]"],
    );
}

#[test]
fn json_is_strict() {
    let check = |json: &str, expected: &[&str]| assert_eq!(findings(Form::Json, json), expected, "{json}");
    check("{\"edition\": 2026}", &[]);
    check("\u{feff}{\"edition\": 2026}\r\n", &[]);
    check("{\"edition\": 2026, \"edition\": 2026}", &["1:19 MSB0031 `edition` is given twice [\"edition\"]"]);
    check("{\"edition\": 2026,}", &["1:18 MSB0030 unexpected `}`, expected a name in quotes [}]"]);
    check("{\"edition\": 2026} x", &["1:19 MSB0030 unexpected text behind the value [x]"]);
    check(
        "{\"edition\": 2026.0}",
        &[
            "1:13 MSB0033 expected a whole number, found a number that is not whole, is negative or too big [2026.0]",
        ],
    );
    check("{\"edition\": \"a", &["1:13 MSB0030 string has no end [\"]"]);
    check(
        "{\"edition\": \"\\q\"}",
        &["1:13 MSB0030 string has a control character or an unknown escape [\"\\q\"]"],
    );
    check("", &["1:1 MSB0030 unexpected end of file, expected a value []"]);
    let deep = "[".repeat(100);
    check(&deep, &["1:65 MSB0009 data is nested deeper than 64 levels [[]"]);
}

#[test]
fn texts_that_look_like_something_else_stay_texts() {
    for text in [
        "512MiB",
        "/a",
        "$x",
        "10.0.0.1",
        "3.12",
        "12",
        "true",
        "no",
        "",
        " a",
        "a: b",
        "#x",
        "@g",
        "x\u{200b}y",
        "\u{1b}",
        "é",
        "a\nb",
        "'",
        "\"",
        "-",
        "null",
        "\u{1f600}",
    ] {
        let msb =
            format!("edition 2026\npolicy p {{\n  env {{ set A = {} }}\n}}\n", crate::print::text(text));
        let (tree, _) = read(Form::Msb, &msb);
        let yaml = yaml_of(&tree).expect("it can be written");
        let json = json_of(&tree).expect("it can be written");
        for (form, data) in [(Form::Yaml, &yaml), (Form::Json, &json)] {
            let (again, found) = read(form, data);
            assert_eq!(found, [], "{data}");
            assert_eq!(text_of(&again), text_of(&tree), "{data}");
        }
    }
}

#[test]
fn units_are_written_as_people_write_them() {
    use crate::print::{duration, size};
    let sizes =
        [(0, "0B"), (1, "1B"), (512 << 20, "512MiB"), (1_000_000, "1MB"), (1536, "1536B"), (5 << 30, "5GiB")];
    for (bytes, text) in sizes {
        assert_eq!(size(bytes), text);
    }
    for (micros, text) in
        [(0, "0s"), (5_400_000_000, "1h30min"), (1_500_000, "1s500ms"), (86_400_000_000, "1d")]
    {
        assert_eq!(duration(micros), text);
    }
}

/// Objects of the data, by pointer.
fn objects(data: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    match data {
        serde_json::Value::Object(members) => {
            found.push(at.to_owned());
            for (name, value) in members {
                objects(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| objects(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// Every member that is written is in the schema, and one that the reader does not know is not.
#[test]
fn the_schema_is_what_is_read() {
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("policy.json", schema()).expect("a schema");
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("policy.json", &mut schemas).expect("a schema by its own schema");
    let valid = |data: &serde_json::Value| schemas.validate(data, index).is_ok();
    let mut looked_at = 0;
    for text in [
        include_str!("../../../policy-lang/examples/ci-job.msb"),
        include_str!("../../../policy-lang/examples/code-interpreter.msb"),
        include_str!("../../../policy-lang/examples/coding-agent.msb"),
        include_str!("../../../policy-lang/examples/data-analysis.msb"),
        include_str!("../../../policy-lang/examples/mcp-server.msb"),
        include_str!("../../../policy-lang/examples/web-research.msb"),
        include_str!("../../../policy-lang/std/base.msb"),
        EVERYTHING,
    ] {
        let (tree, found) = read(Form::Msb, text);
        assert_eq!(found, []);
        let json: serde_json::Value =
            serde_json::from_str(&json_of(&tree).expect("it can be written")).expect("JSON");
        assert!(valid(&json), "{json:#}");
        let mut places = Vec::new();
        objects(&json, "", &mut places);
        for place in places {
            let mut wrong = json.clone();
            let object =
                wrong.pointer_mut(&place).and_then(serde_json::Value::as_object_mut).expect("an object");
            object.insert("fr ob".to_owned(), serde_json::json!(true));
            let (_, found) = read(Form::Json, &wrong.to_string());
            assert!(msb_diag::has_errors(&found), "{place}: {wrong:#}");
            // A name that nobody may have is still a name to the schema, and `doc` may stand anywhere in it.
            let free = ["params", "groups", "constants", "limits", "set", "secret", "sandbox", "with"];
            let named = place.rsplit('/').next().is_some_and(|last| free.contains(&last));
            let args = place.contains("/include/") || place.contains("/extends") || place.contains("/in");
            assert!(named || args || !valid(&wrong), "{place}: {wrong:#}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 150, "{looked_at}");
}

/// Every member once.
const EVERYTHING: &str = r#"edition 2026
import "./org.msb" as org
import std.python
group @mine = @basic-io + ({read, write} - @a)
const flags = A | B | 4
const limit: size = 1GiB
profile base { include std.base }
tool outer() -> list<json>
## Doc.
policy all(a: dir, b: int(1..5) = 3) extends org.ceiling(root: $a, n: [1, O_RDONLY]) {
  fs { ## D
    create $a  append $a/log  overlay ~/.cache  socket /run/x.sock  deny run "$x"  deny read /b  scratch /tmp size 1GiB inodes 5 from /x at /y optional missing mask symlinks refuse enforce mount
    deny write $a/**/.git/hooks/, $a/**/x  missing mask enforce snapshot beside ".git" depth 2 }
  net {
    allow https "a.example":443, tls "*.b.example" only GET, HEAD /a/*, "/b c" inject $key inspect optional rate 1/s burst 2 quota 1GiB connections 3
    allow udp "any":{53, 54}, tcp [2001:db8::1]:8000..8080, http $host, unix /run/x.sock
    listen tcp host:8080
    total rate 100/h quota 1GiB up quota 2GiB down connections 10
  }
  syscalls { log a where not (b has any C | 2 or d has all E) and f in 1..2  notify h  trap j  kill syscall(300)  errno EPERM k where x in {1, A}  default kill  arch x86_64 }
  limits hard { memory 1GiB  cpu 150%  wall 1h30min }
  caps CHOWN
  env { pass LC_*  set A = $a/x  secret T from $key }
  exec { command "a" "b\n"  user 1000  cwd /a  tty private  hostname "h" }
  tools outer, org.search
  tool inner(x?: string(1..5, r"[a-z]*"), y: "one" | "two" = "one", z: {p: list<int>(0..3), q?: path(under $a/s)}) -> {ok: bool} {
    rate 5/h burst 2  quota 5  timeout 10s  concurrency 1  result 1MiB  confirm  exec "git" "$x" $x  stdin $x  in org.helper(a: 1)  shim  log args
  }
  assert {
    ## D
    allow open $a/x for read by MSB0501
    allow syscall openat(flags: O_RDONLY | O_CLOEXEC) on x86_64
    never open /etc/shadow for write
    narrower than org.ceiling
  }
  accept MSB0611, MSB0706 because "reviewed"
  sandbox { landlock best-effort  abi 6 }
}
test "a title" for all(a: /x) { allow open /x for run }
"#;

#[test]
fn two_settings_of_one_name_cannot_be_written() {
    let (tree, _) = read(Form::Msb, "edition 2026\npolicy p { limits { memory 1GiB  memory 2GiB } }\n");
    let reason = json_of(&tree).expect_err("it has no place").reason;
    assert_eq!(reason, "`memory` is given twice in one place");
    let (tree, _) = read(Form::Msb, "edition 2026\npolicy p { net none  net { deny tcp any } }\n");
    assert_eq!(yaml_of(&tree).expect_err("it has no place").reason, "`net` is given in two ways");
}
