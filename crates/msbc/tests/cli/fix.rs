//! msbc fix.

use crate::host::Host;

/// Wrong in ways that have one repair each, some of which show only when others are made.
const WRONG: &str = "\
policy p(workspace: dir) {
  inclde std.bas
  fs { write $worksapce at “/work”; raed /a//b, /café  // data
  }
  net nne
  limits { memory 512  pids = 32  wall 30sec }
  syscalls { allow @basic-o, reed }
  caps NET_BIND_SERVCE
}
";

#[test]
fn repairs_until_nothing_is_left() {
    let host = Host::new();
    host.write("wrong.msb", WRONG);
    host.chmod("wrong.msb", 0o640);
    let said = host.msbc(&["fix", "wrong.msb"]);
    let repaired = String::from_utf8(host.read("wrong.msb")).expect("text");
    assert_eq!(said.code, Some(0), "{repaired}\n{}", said.err);
    for part in [
        "wrong.msb:1:1: repaired MSB0001: missing `edition`; wrote `edition 2026`",
        "repaired MSB0002: unexpected `inclde`",
        "wrote `include`",
        "wrote `512MiB`",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    for part in [
        "edition 2026\npolicy",
        "include std.base",
        "write $workspace at \"/work\"",
        "read /a/b, \"/café\"",
        "# data",
        "net none",
        "memory 512MiB",
        "pids  32",
        "wall 30s",
        "@basic-io, read",
        "caps NET_BIND_SERVICE",
    ] {
        assert!(repaired.contains(part), "{part}: {repaired}");
    }
    assert_eq!(host.mode("wrong.msb"), 0o640);
    assert_eq!(host.names(), ["agent.msb", "wrong.msb"]);
    // Nothing is left to repair.
    let again = host.msbc(&["fix", "wrong.msb"]);
    assert!(!again.err.contains("repaired"), "{}", again.err);
    assert_eq!(host.read("wrong.msb"), repaired.as_bytes());
}

#[test]
fn what_needs_a_person_is_left_and_said() {
    let host = Host::new();
    let text = "edition 2026\npolicy p {\n  include std.base\n  limits { memory 5mb  pids 10  wall 1min\n}\n";
    host.write("wrong.msb", text);
    host.msbc(&["fix", "wrong.msb"]).fails(1, &["error[MSB0003]", "`5MiB` or `5MB`", "error[MSB0002]"]);
    assert_eq!(host.read("wrong.msb"), text.as_bytes());
}

#[test]
fn a_dry_run_prints_and_writes_nothing() {
    let host = Host::new();
    let text = "policy p {\n  include std.base\n  limits { memory 1GiB  pids 10  wall 1min }\n}\n";
    host.write("wrong.msb", text);
    let said = host.msbc(&["fix", "--dry-run", "wrong.msb"]);
    assert_eq!((said.code, said.out), (Some(0), format!("edition 2026\n{text}")));
    assert_eq!(host.read("wrong.msb"), text.as_bytes());
    host.msbc(&["fix", "missing.msb"]).fails(1, &["MSB0020"]);
}

/// A policy without write permission stays whole, and no half of another lies beside it.
#[test]
fn what_cannot_be_written_stays() {
    let host = Host::new();
    std::fs::create_dir(host.path("wrong.msb")).expect("a folder");
    host.msbc(&["fix", "wrong.msb"]).fails(1, &["a directory, not a regular file"]);
    assert_eq!(host.names(), ["agent.msb", "wrong.msb"]);
}

#[test]
fn what_is_no_text_is_not_printed() {
    let host = Host::new();
    host.write("it.msb", [0x7f, b'E', b'L', b'F', 0xff, 0x1b, b'[', b'2', b'J']);
    let said = host.msbc(&["fix", "--dry-run", "it.msb"]);
    said.fails(1, &["MSB0017"]);
    assert_eq!(said.out, "");
}
