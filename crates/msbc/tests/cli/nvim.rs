//! msbc lsp in an editor: Neovim without a screen, its own client, a policy that is opened with errors and mended.

use crate::host::Host;
use msb_testkit::{Need, skip};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

const POLICY: &str = "\
edition 2026

policy p(workspace: dir) {
  include std.base
  syscalls {   errno EPERM ptrace where request == PTRACE_ATTACH }
  net none
  limits { memory 512   pids 64  wall 1min  files 64 }
  fs { scratch /tmp size 64MiB  read $workspace at /w }
}
";

#[test]
fn neovim_sees_repairs_completes_and_formats() {
    let nvim = Command::new("nvim").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if nvim.is_err() {
        return skip(Need::Neovim, "there is no nvim");
    }
    let host = Host::new();
    // The size stands on the line of the limits, where the script looks.
    host.write("it.msb", POLICY.replace("files 64 }", "files 64 }  fs { scratch /var/tmp size 64MiB }"));
    let status = Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-n", "-S"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/nvim.lua"))
        .env("MSBC", env!("CARGO_BIN_EXE_msbc"))
        .env("POLICY", host.path("it.msb"))
        .env("SEEN", host.path("seen.json"))
        .env("HOME", host.path("."))
        .env("XDG_CACHE_HOME", host.path("caches"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .expect("nvim");
    assert!(status.success(), "{status}");
    let seen: Value = serde_json::from_slice(&host.read("seen.json")).expect("JSON");
    assert_eq!(seen["failed"], Value::Null, "{seen:#}");
    let codes = |name: &str| -> Vec<String> {
        let found = seen[name].as_array().cloned().unwrap_or_default();
        found.iter().filter_map(|it| it[0].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(seen["sync"], 2, "incremental");
    assert!(codes("opened").contains(&"MSB0003".to_owned()), "{seen:#}");
    let text = |name: &str| seen[name].as_str().unwrap_or_default();
    assert!(text("hover").contains("ptrace(request, pid"), "{}", text("hover"));
    let digits: String = text("size").chars().filter(char::is_ascii_digit).collect();
    assert_eq!(digits, "6467108864", "{}", text("size"));
    assert!(text("definition").ends_with("microsandbox/std/base.msb"), "{}", text("definition"));
    assert!(text("repaired").contains("memory 512MiB"), "{seen:#}");
    assert_eq!((&seen["placeholder"], &seen["references"]), (&"workspace".into(), &2.into()), "{seen:#}");
    assert_eq!((&seen["highlights"], &seen["folds"]), (&2.into(), &1.into()), "{seen:#}");
    assert!(text("renamed").starts_with("policy p(repo: dir)"), "{}", text("renamed"));
    assert!(text("renamed").contains("read $repo at /w"), "{}", text("renamed"));
    assert!(codes("typed").contains(&"MSB0002".to_owned()), "{seen:#}");
    assert!(!codes("mended").iter().any(|code| code == "MSB0002"), "{seen:#}");
    let completed = seen["completed"].as_array().expect("a list");
    assert!(completed.iter().any(|it| it == "NET_BIND_SERVICE"), "{completed:?}");
    let formatted: Vec<&str> =
        seen["formatted"].as_array().expect("lines").iter().filter_map(Value::as_str).collect();
    assert!(
        formatted.contains(&"  syscalls { errno EPERM ptrace where request == PTRACE_ATTACH }"),
        "{formatted:#?}"
    );
    assert!(
        formatted.iter().any(|line| line.contains("grüße 🦀 an alle") && line.contains("set B = \"y\"")),
        "{formatted:#?}"
    );
}

/// What `docs/src/how-to/editors.md` says: a library beside a query, in a folder of the `runtimepath`.
#[test]
fn neovim_colours_by_the_tree_sitter_grammar() {
    let nvim = Command::new("nvim").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if nvim.is_err() {
        return skip(Need::Neovim, "there is no nvim");
    }
    let host = Host::new();
    let language = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy-lang");
    let grammar = language.join("grammar/tree-sitter-msb");
    for folder in ["nvim", "nvim/parser", "nvim/queries", "nvim/queries/msb"] {
        std::fs::create_dir(host.path(folder)).expect("a folder");
    }
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-I"])
        .arg(grammar.join("src"))
        .arg("-o")
        .arg(host.path("nvim/parser/msb.so"))
        .arg(grammar.join("src/parser.c"))
        .status();
    assert!(built.expect("cc").success());
    let query = std::fs::read_to_string(grammar.join("queries/highlights.scm")).expect("the query");
    host.write("nvim/queries/msb/highlights.scm", query);
    let status = Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-n", "-S"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/colours.lua"))
        .env("POLICY", language.join("examples/coding-agent.msb"))
        .env("RUNTIME", host.path("nvim"))
        .env("SEEN", host.path("seen.json"))
        .env("HOME", host.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("nvim").success());
    let seen: Value = serde_json::from_slice(&host.read("seen.json")).expect("JSON");
    assert_eq!(seen["failed"], Value::Null, "{seen:#}");
    assert_eq!(seen["error"], false, "{seen:#}");
    for (word, group) in
        [("policy", "keyword"), ("write", "keyword"), ("std", "module"), ("$repo", "variable.parameter")]
    {
        assert_eq!(seen["groups"][word], group, "{seen:#}");
    }
}
