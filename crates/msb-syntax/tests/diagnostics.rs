//! What a person sees for each kind of mistake: source and rendering side by side in a snapshot.

use msb_diag::{Sources, Style, render};
use std::fmt::Write;

/// Renders each input with what is wrong with it; an input that is accepted fails the test.
#[track_caller]
fn check(snapshot: &str, inputs: &[&str]) {
    let mut shown = String::new();
    for input in inputs {
        let mut sources = Sources::default();
        let id = sources.add("a.msb", *input);
        let (_, found) = msb_syntax::parse(id, input);
        assert!(!found.is_empty(), "accepted: {input}");
        for one in &found {
            assert!(one.help.is_some(), "no help: {one:?}");
            assert!(!one.message.starts_with(char::is_uppercase) && !one.message.ends_with('.'), "{one:?}");
        }
        let rendered = render(&found, &sources, Style { width: 100, ..Style::default() });
        writeln!(shown, "{input:?}\n\n{rendered}\n{}", "=".repeat(80)).expect("writing to a string");
    }
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(snapshot, shown);
    });
}

/// The statement on the third line of a policy.
fn in_policy(statement: &str) -> String {
    format!("edition 2026\npolicy p(dir: dir) {{\n  {statement}\n}}\n")
}

#[track_caller]
fn check_statements(snapshot: &str, statements: &[&str]) {
    let inputs: Vec<String> = statements.iter().map(|statement| in_policy(statement)).collect();
    check(snapshot, &inputs.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn edition() {
    check(
        "edition",
        &[
            "",
            "\n\n# only a comment\n",
            "policy p { net none }\n",
            "import std.python\nedition 2026\npolicy p { }\n",
            "## What it is for.\npolicy p { }\n",
            "## What it is for.\nedition 2026\npolicy p { }\n",
            "edition 1999\npolicy p { }\n",
            "edition \"2026\"\npolicy p { }\n",
            "edition\npolicy p { }\n",
            "edition 2026\npolicy p { }\nimport std.git\n",
            "edition 2026\nedition 2026\n",
        ],
    );
}

#[test]
fn unknown_words() {
    check_statements(
        "unknown_words",
        &[
            "fs { reed /data }",
            "filesystem { read /data }",
            "includ std.base",
            "fs { scratch /tmp sise 5MiB }",
            "fs { deny write $dir missing masc }",
            "syscalls { alow read }",
            "exec { tty \"none\" }",
            "net { allow ftp \"example.org\" }",
            "net { allow tcp everyone:443 }",
            "assert { deny open /x for delete }",
            "frobnicate",
        ],
    );
    check("unknown_items", &["edition 2026\npolcy p { }\n", "edition 2026\nfs { read / }\n"]);
}

/// One mistake, however often it is met: the edit of the first finding is for all of them.
#[test]
fn names_of_parameters() {
    check(
        "names_of_parameters",
        &[
            "edition 2026\npolicy p(Out: dir) {\n  fs { write $Out\n    deny write $Out/.git }\n}\npolicy q(a: dir) { fs { read $Out } }\n",
            "edition 2026\npolicy p(out: dir) {\n  fs { write $Out\n    deny write $Out/.git }\n  exec { cwd $OUT }\n}\n",
            "edition 2026\npolicy p{a: dir, b: list<string>} {\n  fs { read $a }\n}\n",
            "edition 2026\npolicy p { a: dir } extends q { fs { read $a } }\n",
        ],
    );
}

#[test]
fn where_accept_stands() {
    let accept = "accept MSB0603 because \"seen\"";
    let in_rule = format!("fs {{ write $dir {accept} }}");
    let in_head = format!("edition 2026\npolicy p {accept} {{ net none }}\n");
    check("where_accept_stands", &[&in_policy(&in_rule), &in_head]);
}

#[test]
fn numbers() {
    check_statements(
        "numbers",
        &[
            "limits { memory 512mb }",
            "limits { wall 5m  pids 12x }",
            "limits { memory 99999999TiB }",
            "limits { pids 18446744073709551616 }",
            "limits { wall 1.5h }",
            "limits { memory = 5GiB }",
            "limits { memory }",
            "limits { memory unlimitd }",
            "include std.python(version: 3.12)",
            "syscalls { allow openat where mode == 0644 }",
            "syscalls { allow read where fd == 0xzz }",
            "syscalls { allow read where fd == -1 }",
            "net { total rate 10 }",
            "net { total rate 10/fortnight }",
            "net { allow tcp 10.0.0.0/64:80, tcp [::g]:80, tcp [1::2::3]:80 }",
        ],
    );
}

#[test]
fn braces() {
    check(
        "braces",
        &[
            "edition 2026\npolicy p {\n  fs {\n    read /data\n",
            "edition 2026\npolicy p {\n  fs {\n    read /data\n  net none\n}\n",
            "edition 2026\npolicy p {\n  fs { read /data\n\npolicy q {\n  net nine\n}\n",
            "edition 2026\npolicy p {\n  net none\n}\n}\npolicy q {\n  net nine\n}\n",
            "edition 2026\npolicy p {\n  fs { read /data } }\n  net none\n}\n",
            "edition 2026\npolicy p\n  net none\n",
            "edition 2026\npolicy { net none }\n",
            "edition 2026\npolicy p(a dir, b: ) {\n  net nine\n}\n",
            "edition 2026\npolicy p(a: dir {\n  net none\n}\n",
            "edition 2026\nprofile p extends q { }\n",
            "edition 2026\npolicy p {\n  limits {\n    memory 1GiB\n  fs {\n    read /a\n  }\n}\n",
        ],
    );
}

#[test]
fn strings() {
    check_statements(
        "strings",
        &[
            "exec { hostname \"box }",
            "exec { command \"a\\q\" \"b\\u{0}\" \"c\\u{110000}\" }",
            "exec { command 'python3' }",
            "exec { command “python3” }",
            "tool t(a: string(r\"[a-z))) { }",
            "exec { hostname }",
            "exec { command \"a\", \"b\" }",
        ],
    );
}

#[test]
fn paths() {
    check_statements(
        "paths",
        &[
            "fs { read data/in }",
            "fs { read /dät/a }",
            "fs { read /data:ro }",
            "fs { read /data{1,2}/x  write /out }",
            "fs { read /secrets#1 }",
            "fs { read $dir/übung }",
            "fs { read $Dir, $2 }",
            "fs { read $out-dir }",
            "fs { read ~ }",
            "fs { read \"/a\u{200b}b\" }",
            "fs { read /a\u{202e}b }",
            "fs { read /a /b }",
            "fs { read /a, }",
            "fs { read *.txt }",
            "fs { read /a // a comment\n  }",
            "fs { device @Std }",
        ],
    );
}

#[test]
fn characters() {
    check(
        "characters",
        &[
            "\u{feff}edition 2026\r\n\tpolicy p {\r\n\t\tfs {\r\n\t\t\treed /x\r\n\t\t}\r\n\t}\r\n",
            "edition 2026\npolicy p { net none; }\n",
            "edition 2026\npolicy p\0 { }\n",
            "edition 2026\npolicy p { # a\u{1b}[2Jb\n}\n",
            "edition 2026\npolicy p { # a\rnet host\n}\n",
            "edition 2026\npolicy p\u{a0}{ }\n",
            "edition 2026\npolicy p\u{430}y { }\n",
            "edition 2026\npolicy p\u{200b} { }\n",
            "edition 2026\npolicy p { } # \u{202e}evil\u{202c}\n",
            "edition 2026\npolicy p { exec { hostname \"a\u{2066}b\" } }\n",
            "edition 2026\npolicy p { fs { read /a } }\n## nothing follows\n",
            "edition 2026\npolicy p { fs { read ## inside\n /a } }\n",
            "%!PS-Adobe-3.0\n%%Title: not a policy\n",
            "{\"edition\": 2026}\n",
        ],
    );
}

#[test]
fn syscalls() {
    check_statements(
        "syscalls",
        &[
            "syscalls { allow read where }",
            "syscalls { allow socket where domain = AF_UNIX }",
            "syscalls { allow socket where domain == AF_UNIX & type == SOCK_STREAM }",
            "syscalls { allow mmap where prot has PROT_EXEC }",
            "syscalls { allow mmap where prot in 1 }",
            "syscalls { errno }",
            "syscalls { allow @basic-io - }",
            "syscalls { allow (read, write) }",
            "syscalls { allow {read write} }",
            "syscalls { allow syscall(x) }",
            "syscalls { default EPERM }",
            "syscalls { allow read on }",
        ],
    );
}

#[test]
fn tools_and_claims() {
    check_statements(
        "tools_and_claims",
        &[
            "tool t(a: \"only\") { confirm }",
            "tool t(a) { confirm }",
            "tool t(a: list<int) { confirm }",
            "tool t(a: int(1-5)) { confirm }",
            "tool t() { rate 5 }",
            "tool t() { log everything }",
            "accept MSB0611",
            "accept W611 because \"x\"",
            "accept MSB0611 because reasons",
            "assert { deny open /x }",
            "assert { env HOME }",
            "assert { deny env http_proxy }",
            "assert { narrower org.ceiling }",
            "env { pass lang  set HOME \"/home\" }",
            "sandbox { landlock }",
            "caps @all",
        ],
    );
    check(
        "other_items",
        &[
            "edition 2026\ngroup g = read\n",
            "edition 2026\nconst x 5\n",
            "edition 2026\ntest \"t\" q { }\n",
            "edition 2026\nimport \"./org.msb\"\n",
            "edition 2026\nimport ./org.msb as org\n",
        ],
    );
}

#[test]
fn several_errors_in_one_run() {
    check(
        "several",
        &[
            "edition 2026\n\npolicy p(dir dir) {\n  includ std.base\n  fs {\n    reed $dir\n    write\n    scratch /tmp \
           size 5mb\n    read /a b\n    run /usr\n  }\n  syscalls {\n    allow read where fd =! 1\n    kill\n  }\n  limits { \
           memory }\n}\n\npolic q {\n  net nine\n}\n\npolicy r {\n  exec { tty }\n}\n",
        ],
    );
}

#[test]
fn nesting() {
    let deep = |open: &str, close: &str| {
        let condition = format!("{}fd == 1{}", open.repeat(65), close.repeat(65));
        in_policy(&format!("syscalls {{ allow read where {condition} }}"))
    };
    let inputs = [
        deep("(", ")"),
        deep("not ", ""),
        in_policy(&format!("include a(b: {}1{})", "[".repeat(65), "]".repeat(65))),
        in_policy(&format!("tool t(a: {}int{})", "list<".repeat(65), ">".repeat(65))),
        in_policy(&format!("syscalls {{ allow {}read{} }}", "(".repeat(65), ")".repeat(65))),
    ];
    check("nesting", &inputs.each_ref().map(String::as_str));
}

#[test]
fn nesting_at_the_limit_is_accepted() {
    for (open, close) in [("(", ")"), ("not ", "")] {
        let condition = format!("{}fd == 1{}", open.repeat(64), close.repeat(64));
        let text = in_policy(&format!("syscalls {{ allow read where {condition} }}"));
        assert_eq!(msb_syntax::parse(msb_diag::FileId(0), &text).1, []);
    }
}
