//! msbc doctor with a launcher that is a shell script: what is said of what it reports. The real one is run by the docs'
//! tests.

use crate::host::{Host, Said, said};
use std::fs;
use std::path::Path;
use std::process::Command;

const ENDED: &str = r#"{"event":"ended","exit_code":0}"#;

/// The answer where the launcher's first sandbox gives the events `whole`, and that with a network `network`.
fn doctor(whole: &str, network: &str, options: &[&str]) -> Said {
    let host = Host::new();
    fs::create_dir(host.path("bin")).expect("a directory");
    host.copy(Path::new(env!("CARGO_BIN_EXE_msbc")), "bin/msbc");
    host.script("bin/msb-launch", "f=whole; [ -e second ] && f=network; : > second; cat $f >&2");
    host.write("whole", whole);
    host.write("network", network);
    let answer = said(host.command(&host.path("bin/msbc")).arg("doctor").args(options));
    assert!(answer.err.is_empty(), "{}", answer.err);
    // To be read at a terminal; what is to be copied stays in one line.
    let lines = if options.is_empty() { answer.out.as_str() } else { "" };
    for line in lines.lines().filter(|line| line.chars().count() > 100) {
        assert!(line.starts_with("         `"), "{line}");
    }
    answer
}

/// Asserts that each of `parts` is in the answer, whose lines are joined.
#[track_caller]
fn says(answer: &Said, parts: &[&str]) {
    let joined = answer.out.replace("\n         ", " ");
    for part in parts {
        assert!(joined.contains(part), "`{part}` is not in: {joined}");
    }
}

#[test]
fn everything_that_is_there_is_said() {
    let answer = doctor(ENDED, ENDED, &[]);
    let ok = [
        "namespaces: a whole sandbox was made",
        "cgroups: for every limit",
        "network: nf_tables took the rules",
    ];
    for row in ok {
        says(&answer, &[&format!("ok       {row}")]);
    }
}

#[test]
fn refused_namespaces_name_what_refuses_them() {
    let answer = doctor(r#"{"event":"failed","step":"Namespaces","errno":1}"#, ENDED, &[]);
    assert_eq!(answer.code, Some(1));
    says(
        &answer,
        &[
            "missing  namespaces: this host refuses user namespaces: EPERM",
            "no sandbox can be made",
            "missing  cgroups: unknown, since no sandbox was made",
            "missing  network: unknown",
        ],
    );
    // What no setting explains says what its step needs.
    let hidden = doctor(r#"{"event":"failed","step":"LimitFallback","errno":13}"#, ENDED, &[]);
    says(&hidden, &["missing  namespaces: this limit cannot be held", "mount /proc without `hidepid`"]);
    says(&doctor("", ENDED, &[]), &["missing  namespaces: the launcher ended and did not say why"]);
}

#[test]
fn a_kernel_without_nf_tables_is_named() {
    let answer = doctor(ENDED, r#"{"event":"failed","step":"NetworkRules","errno":95}"#, &[]);
    assert_eq!(answer.code, Some(1));
    says(
        &answer,
        &[
            "ok       namespaces",
            "missing  network: this kernel lacks a part of nf_tables",
            "modprobe -a nf_tables",
        ],
    );
    let answer = doctor(ENDED, r#"{"event":"failed","step":"Gateway","errno":2}"#, &["--json"]);
    assert_eq!(answer.code, Some(1));
    says(&answer, &["msb-gateway cannot be started", r#""what": "network""#, "beside msb-launch"]);
}

#[test]
fn limits_without_a_cgroup_are_named() {
    let without = |limit: &str| format!("{{\"event\":\"held-without-cgroup\",\"limit\":\"{limit}\"}}\n");
    let answer = doctor(&[&without("memory"), &without("cpu"), ENDED].concat(), ENDED, &[]);
    assert_eq!(answer.code, Some(1));
    says(&answer, &["missing  cgroups: none for memory, cpu", "`limits hard` refuses to start"]);
}

/// AppArmor's own parser takes the profile: whole from 4.0 on, else without the rule that only that has.
#[test]
fn the_apparmor_profile_is_one() {
    let version = Command::new("apparmor_parser").arg("--version").output();
    let Some(version) = version.ok().map(|said| String::from_utf8_lossy(&said.stdout).into_owned()) else {
        eprintln!("skipped, because apparmor_parser is not installed");
        return;
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/apparmor/msb-launch");
    let mut profile = fs::read_to_string(file).expect("a profile");
    if ["version 2.", "version 3."].iter().any(|old| version.contains(old)) {
        let new = ["abi <abi/4.0>,\n", "  userns,\n"];
        profile = new.iter().fold(profile, |text, line| {
            assert!(text.contains(line), "{line}");
            text.replace(line, "")
        });
    }
    let host = Host::new();
    host.write("profile", profile);
    // Without the kernel and without a cache: it is only read.
    let answer = said(host.command(Path::new("apparmor_parser")).args(["-QK", "profile"]));
    assert_eq!(answer.code, Some(0), "{}", answer.err);
}
