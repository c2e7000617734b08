//! msbc fmt and msbc lint.

use crate::host::{Host, said};
use std::process::Stdio;

const CROOKED: &str = "edition 2026\npolicy p{ # why\n net   none\n}\n";
const STRAIGHT: &str = "edition 2026\n\npolicy p {  # why\n  net none\n}\n";

#[test]
fn files_are_rewritten_in_place() {
    let host = Host::new();
    host.write("a.msb", CROOKED);
    host.write("b.msb", STRAIGHT);
    host.chmod("a.msb", 0o640);
    host.msbc(&["fmt", "a.msb", "b.msb"]).is(0, "", "");
    assert_eq!(host.read("a.msb"), STRAIGHT.as_bytes());
    assert_eq!(host.mode("a.msb"), 0o640);
    assert_eq!(host.names(), ["a.msb", "agent.msb", "b.msb"]);
}

#[test]
fn a_link_stays_a_link() {
    let host = Host::new();
    host.write("a.msb", CROOKED);
    std::os::unix::fs::symlink("a.msb", host.path("link.msb")).expect("a link");
    host.msbc(&["fmt", "link.msb"]).is(0, "", "");
    assert!(host.path("link.msb").is_symlink());
    assert_eq!(host.read("a.msb"), STRAIGHT.as_bytes());
}

#[test]
fn check_changes_nothing_and_says_where() {
    let host = Host::new();
    host.write("a.msb", CROOKED);
    host.write("b.msb", STRAIGHT);
    host.msbc(&["fmt", "--check", "b.msb"]).is(0, "", "");
    host.msbc(&["fmt", "--check", "b.msb", "a.msb"])
        .fails(1, &["hint[MSB0011]", "a.msb:2:", "run `msbc fmt`"]);
    assert_eq!(host.read("a.msb"), CROOKED.as_bytes());
}

#[test]
fn what_is_wrong_stays_as_it_is_and_the_others_are_formatted() {
    let host = Host::new();
    host.write("wrong.msb", "edition 2026\npolicy p{ nte none }\n");
    host.write("a.msb", CROOKED);
    host.msbc(&["fmt", "missing.msb", "wrong.msb", "a.msb"]).fails(1, &["MSB0020", "MSB0002", "2 errors"]);
    assert_eq!(host.read("wrong.msb"), b"edition 2026\npolicy p{ nte none }\n");
    assert_eq!(host.read("a.msb"), STRAIGHT.as_bytes());
}

#[test]
fn standard_input_is_for_editors() {
    let host = Host::new();
    host.write("a.msb", CROOKED);
    host.write("wrong.msb", "edition 2026\npolicy {");
    let run = |words: &[&str], file: &str| {
        let mut command = host.command(std::path::Path::new(env!("CARGO_BIN_EXE_msbc")));
        let input = std::fs::File::open(host.path(file)).expect("a file");
        said(command.args(words).stdin(Stdio::from(input)))
    };
    run(&["fmt", "--stdin"], "a.msb").is(0, STRAIGHT, "");
    run(&["fmt", "--stdin", "--check"], "a.msb").fails(1, &["MSB0011", "<stdin>:2:"]);
    let wrong = run(&["fmt", "--stdin"], "wrong.msb");
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(1), ""));
    host.msbc(&["fmt", "--stdin", "a.msb"]).fails(2, &["--stdin"]);
    host.msbc(&["fmt"]).fails(2, &["FILE"]);
}

#[test]
fn lint_fails_on_any_finding() {
    let host = Host::new();
    let policy =
        "edition 2026\n\npolicy p {\n  include std.base\n  limits { memory 1GiB  pids 10  wall 1min }\n}\n";
    host.write("good.msb", policy);
    host.msbc(&["lint", "good.msb"]).is(0, "", "");
    host.write("crooked.msb", policy.replace("memory 1GiB", "memory   1GiB"));
    host.msbc(&["check", "crooked.msb"]).is(0, "", "");
    host.msbc(&["lint", "crooked.msb"]).fails(1, &["hint[MSB0011]", "crooked.msb:5:", "1 hint"]);
    let json = host.msbc(&["lint", "--json", "crooked.msb"]);
    assert!(json.out.contains("MSB0011") && json.err.is_empty(), "{json:?}");
}
