//! msbc check, and what every command says of a file that is no policy.

use crate::host::Host;
use std::os::unix::net::UnixListener;
use std::process::Command;

#[test]
fn a_good_policy_is_silent() {
    Host::new().msbc(&["check", "agent.msb"]).is(0, "", "");
}

#[test]
fn a_wrong_policy_shows_the_line_and_counts() {
    let host = Host::new();
    host.write("bad.msb", "edition 2026\npolicy p {\n  include std.base\n  limits { memory 512 }\n}\n");
    let said = host.msbc(&["check", "bad.msb"]);
    said.fails(
        1,
        &["error[MSB0003]", "bad.msb:4:19", "512MiB", "msbc: 1 error", "`msbc doc MSB0003` says more"],
    );
}

#[test]
fn warnings_are_shown_and_are_no_failure() {
    let host = Host::new();
    host.write("warn.msb", "edition 2026\npolicy p(unused: dir) {\n  include std.base\n  net none\n  limits { memory 1GiB  pids 10  wall 1min }\n}\n");
    host.msbc(&["check", "warn.msb"]).fails(0, &["warning[MSB0106]", "1 warning"]);
}

/// Each of several files is checked, and one that is wrong makes the end a failure.
#[test]
fn several_files_are_checked_in_one_go() {
    let host = Host::new();
    host.write(
        "bad.msb",
        "edition 2026\npolicy p {\n  include std.base\n  limits { memory 512  pids 64  wall 1min }\n}\n",
    );
    host.write("worse.msb", "policy p {\n  net nne\n}\n");
    let said = host.msbc(&["check", "bad.msb", "agent.msb", "worse.msb"]);
    said.fails(1, &["bad.msb:4:19", "worse.msb:1:1", "msbc: 3 errors"]);
    let said = host.msbc(&["check", "--json", "bad.msb", "worse.msb"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert!(json.as_array().is_some_and(|all| all.len() == 3), "{json}");
    let said = host.msbc(&["check", "--sarif", "bad.msb", "agent.msb"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(2));
    host.msbc(&["check", "agent.msb", "agent.msb"]).is(0, "", "");
}

#[test]
fn findings_as_json_are_on_standard_output_alone() {
    let host = Host::new();
    host.write("bad.msb", "edition 2026\npolicy p {\n  limits { memory 512 }\n}\n");
    let said = host.msbc(&["check", "--json", "bad.msb"]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    let found = json.as_array().expect("a list").iter().find(|found| found["code"] == "MSB0003");
    assert_eq!(found.expect("a finding")["line"], 3);
    host.msbc(&["check", "--json", "agent.msb"]).is(0, "[]\n", "");
}

#[test]
fn findings_as_sarif_are_on_standard_output_alone() {
    let host = Host::new();
    host.write("bad.msb", "edition 2026\npolicy p {\n  limits { memory 512 }\n}\n");
    let said = host.msbc(&["check", "--sarif", "bad.msb"]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let log: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let found = results.iter().find(|it| it["ruleId"] == "MSB0003").expect("a finding");
    let place = &found["locations"][0]["physicalLocation"];
    assert_eq!(
        (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
        (&"bad.msb".into(), &3.into())
    );
    host.msbc(&["check", "--sarif", "--json", "bad.msb"]).fails(2, &["--sarif"]);
}

#[test]
fn one_policy_of_several_is_named() {
    let host = Host::new();
    let policy = |name: &str| {
        format!(
            "policy {name} {{\n  include std.base\n  net none\n  limits {{ memory 1GiB  pids 10  wall 1min }}\n}}\n"
        )
    };
    host.write("two.msb", format!("edition 2026\n{}{}", policy("a"), policy("b")));
    host.msbc(&["check", "two.msb"]).fails(1, &["MSB0016"]);
    host.msbc(&["check", "two.msb", "--policy", "b"]).is(0, "", "");
    host.msbc(&["check", "two.msb", "--policy", "c"]).fails(1, &["`c`"]);
}

/// Every command that reads a policy, with what it needs besides.
const COMMANDS: [&[&str]; 4] = [&["check"], &["compile", "-o", "plan.bin"], &["show"], &["run"]];

/// Says the same of a file under each command, and nothing is written.
#[track_caller]
fn refused(host: &Host, file: &str, parts: &[&str]) {
    let before = host.names();
    for command in COMMANDS {
        host.msbc(&[command, &[file]].concat()).fails(1, parts);
        assert_eq!(host.names(), before, "{command:?} left something behind");
    }
}

#[test]
fn files_that_are_no_policy_are_refused() {
    let host = Host::new();
    host.write("empty.msb", "");
    refused(&host, "empty.msb", &["MSB0001"]);
    host.write("binary.msb", [0x7f, b'E', b'L', b'F', 0xff, 0, 1, 2]);
    refused(&host, "binary.msb", &["binary.msb", "MSB0017"]);
    host.write("long.msb", vec![b'#'; 10_000_000]);
    refused(&host, "long.msb", &["MSB0009"]);
    std::fs::create_dir(host.path("directory")).expect("a directory");
    refused(&host, "directory", &["cannot read `directory`", "a directory, not a regular file"]);
    refused(&host, "missing.msb", &["cannot read `missing.msb`", "no such file or directory"]);
    refused(&host, "agent.msb/x", &["cannot read `agent.msb/x`", "not a directory"]);
    refused(&host, "/dev/null", &["cannot read `/dev/null`", "a device, not a regular file"]);
}

/// Opened without care, a FIFO without a writer waits for one for ever.
#[test]
fn special_files_are_refused_and_not_waited_for() {
    let host = Host::new();
    host.fifo("fifo");
    refused(&host, "fifo", &["cannot read `fifo`", "a FIFO, not a regular file"]);
    let _listener = UnixListener::bind(host.path("socket")).expect("a socket");
    refused(&host, "socket", &["cannot read `socket`"]);
}

#[test]
fn unreadable_files_are_refused() {
    let host = Host::of_an_ordinary_user();
    host.chmod("agent.msb", 0);
    refused(&host, "agent.msb", &["cannot read `agent.msb`", "permission denied"]);
}

#[test]
fn a_wrong_command_line_shows_the_usage() {
    let host = Host::new();
    for words in
        [&[][..], &["check"], &["compile", "a", "b"], &["frobnicate"], &["check", "--frob", "agent.msb"]]
    {
        host.msbc(words).fails(2, &["Usage: msbc"]);
    }
}

#[test]
fn help_and_version_are_answers() {
    let host = Host::new();
    let help = host.msbc(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for command in ["check", "test", "explain", "diff", "compile", "show", "run", "doc"] {
        assert!(help.out.contains(command), "{}", help.out);
    }
    host.msbc(&["--version"]).is(0, concat!("msbc ", env!("CARGO_PKG_VERSION"), "\n"), "");
}

#[test]
fn colour_is_for_terminals_unless_asked() {
    let host = Host::new();
    for (words, coloured) in [
        (&["check", "missing"][..], false),
        (&["check", "missing", "--color", "always"], true),
        (&["check", "missing", "--color=never"], false),
    ] {
        assert_eq!(host.msbc(words).err.contains("\u{1b}["), coloured, "{words:?}");
    }
    host.msbc(&["check", "missing", "--color", "red"]).fails(2, &["red"]);
}

/// A policy comes from somebody else, and a terminal obeys what it is sent.
#[test]
fn escape_sequences_do_not_reach_the_terminal() {
    let host = Host::new();
    host.write("evil.msb", "edition 2026\npolicy p { fs { read \"/\u{1b}[31mred\" } nonsense\u{202e} }\n");
    let said = host.msbc(&["check", "evil.msb"]);
    assert_eq!(said.code, Some(1));
    assert!(!said.err.contains('\u{1b}') && !said.err.contains('\u{202e}'), "{}", said.err);
}

/// Imports are read from the folder of the policy, whatever folder msbc runs in.
#[test]
fn a_policy_is_held_to_its_parent_and_to_a_ceiling() {
    let host = Host::new();
    std::fs::create_dir(host.path("policies")).expect("a directory");
    let policy = |name: &str, head: &str, fs: &str| {
        let text = format!(
            "edition 2026\n{head} {{\n  include std.base\n  net none\n  fs {{ {fs} }}\n  \
             limits {{ memory 1GiB  pids 10  wall 1min }}\n}}\n"
        );
        host.write(name, text);
    };
    policy("policies/org.msb", "policy ceiling(root: dir)", "read $root");
    let extends = "import \"./org.msb\" as org\npolicy p(root: dir) extends org.ceiling(root: $root)";
    policy("policies/good.msb", extends, "read $root/src");
    policy("policies/bad.msb", extends, "write $root/src");
    host.msbc(&["check", "policies/good.msb"]).is(0, "", "");
    host.msbc(&["check", "policies/bad.msb"])
        .fails(1, &["MSB0401", "open $root/src for write", "policies/org.msb:5"]);
    policy("free.msb", "policy p(root: dir)", "write $root/src");
    host.msbc(&["check", "free.msb"]).is(0, "", "");
    for command in [&["check", "free.msb"][..], &["compile", "free.msb", "-o", "plan.bin"]] {
        let ceiling = ["--ceiling", "policies/org.msb"];
        host.msbc(&[command, &ceiling].concat()).fails(1, &["MSB0405", "policies/org.msb:5"]);
    }
    assert!(!host.path("plan.bin").exists());
    host.msbc(&["check", "free.msb", "--ceiling", "missing.msb"]).fails(1, &["cannot read `missing.msb`"]);
}

/// `msbc check <(generate)`: a shell passes a pipe as one of the process's own descriptors.
#[test]
fn a_pipe_of_a_shell_is_read_as_it_comes() {
    let host = Host::new();
    host.write(
        "good.msb",
        "edition 2026\npolicy p { include std.base  limits { memory 1GiB  pids 64  wall 1min } }\n",
    );
    let asks = |script: &str| {
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).current_dir(host.path(".")).env("MSBC", env!("CARGO_BIN_EXE_msbc"));
        let out = shell.output().expect("bash");
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    assert_eq!(asks("\"$MSBC\" check <(cat good.msb)"), (Some(0), String::new()));
    // Who writes is late, and who wrote is gone.
    assert_eq!(asks("\"$MSBC\" check <(sleep 0.2; cat good.msb)"), (Some(0), String::new()));
    assert_eq!(asks("cat good.msb | \"$MSBC\" check /dev/stdin"), (Some(0), String::new()));
    // Read twice: as what may be a plan, and as a policy.
    assert_eq!(asks("\"$MSBC\" show <(cat good.msb) >show.txt"), (Some(0), String::new()));
    let (code, said) = asks("\"$MSBC\" check <(head -c 2000000 /dev/zero)");
    assert_eq!(code, Some(1));
    assert!(said.contains("longer than 1 MiB"), "{said}");
}

#[test]
fn messages_are_as_wide_as_the_terminal() {
    let host = Host::new();
    host.write("it.msb", "edition 2026\npolicy p {\n  include std.base\n  fs { write / }\n}\n");
    let lines = |columns: &str| {
        // script(1) makes a terminal, of no rows where nobody says how many.
        let inner = format!("stty rows 30 cols {columns}; \"$MSBC\" --color never check it.msb");
        let mut script = Command::new("script");
        script.args(["-qc", &inner, "/dev/null"]).current_dir(host.path(".")).env_remove("COLUMNS");
        let out = script.env("MSBC", env!("CARGO_BIN_EXE_msbc")).output().expect("script(1)");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(text.contains("help: "), "{text}");
        text.lines().count()
    };
    assert!(lines("40") > lines("100"), "a narrow terminal has longer messages broken");
}
