//! msbc compile: the plan is there whole, or nothing is.

use crate::host::Host;
use std::path::Path;

#[test]
fn a_plan_is_written_that_decodes() {
    let host = Host::new();
    host.msbc(&["compile", "agent.msb", "-o", "plan.bin"]).is(0, "", "");
    let bytes = host.read("plan.bin");
    let checked = msb_plan::decode(&bytes).expect("a plan");
    assert_eq!(checked.plan().policy.name, "agent");
    assert_eq!(host.mode("plan.bin"), 0o644);
    assert_eq!(host.names(), ["agent.msb", "plan.bin"]);
}

/// A line for each pass, the proof among them, and the plan is written all the same.
#[test]
fn timings_name_every_pass() {
    let host = Host::new();
    let said = host.msbc(&["compile", "agent.msb", "-o", "plan.bin", "--timings"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""));
    let names: Vec<&str> = said.err.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["parse", "resolve", "check", "sections", "filter", "proof", "encode", "all"]);
    let took = |line: &str| line.split_whitespace().nth(1).and_then(|took| took.parse::<f64>().ok());
    assert!(said.err.lines().all(|line| line.ends_with(" ms") && took(line).is_some()), "{}", said.err);
    assert!(host.read("plan.bin").starts_with(b"MSBP"));
    let said = host.msbc(&["compile", "agent.msb", "-o", "plan.bin", "--timings", "--policy", "nobody"]);
    assert!(said.err.contains("parse ") && !said.err.contains("proof "), "{}", said.err);
}

#[test]
fn the_same_policy_gives_the_same_bytes() {
    let host = Host::new();
    host.msbc(&["compile", "agent.msb", "-o", "a"]).is(0, "", "");
    host.msbc(&["compile", "agent.msb", "--output", "b"]).is(0, "", "");
    assert_eq!(host.read("a"), host.read("b"));
}

#[test]
fn a_plan_that_is_there_is_replaced_or_kept_whole() {
    let host = Host::new();
    host.write("plan.bin", "something else");
    host.write("bad.msb", "edition 2026\npolicy p { nonsense }\n");
    host.msbc(&["compile", "bad.msb", "-o", "plan.bin"]).fails(1, &["MSB0002"]);
    assert_eq!(host.read("plan.bin"), b"something else");
    host.msbc(&["compile", "agent.msb", "-o", "plan.bin"]).is(0, "", "");
    assert!(host.read("plan.bin").starts_with(b"MSBP"));
    assert_eq!(host.names(), ["agent.msb", "bad.msb", "plan.bin"]);
}

/// Others may read a plan whatever the umask, and only its owner may write it.
#[test]
fn the_mode_does_not_depend_on_the_umask() {
    let host = Host::new();
    for umask in ["000", "077"] {
        let script =
            format!("umask {umask}; exec {} compile agent.msb -o plan.bin", env!("CARGO_BIN_EXE_msbc"));
        let said = crate::host::said(host.command(Path::new("/bin/sh")).args(["-c", &script]));
        said.is(0, "", "");
        assert_eq!(host.mode("plan.bin"), 0o644, "umask {umask}");
    }
}

#[test]
fn places_that_are_no_file_are_refused() {
    let host = Host::new();
    std::fs::create_dir(host.path("directory")).expect("a directory");
    host.fifo("fifo");
    std::os::unix::fs::symlink("directory", host.path("link")).expect("a link");
    std::os::unix::fs::symlink("nowhere", host.path("dangling")).expect("a link");
    let before = host.names();
    for (place, reason) in [
        ("directory", "it is a directory"),
        ("directory/", "it is a directory"),
        ("link", "it is a directory"),
        ("fifo", "it exists and is not a regular file"),
        ("/dev/null", "it exists and is not a regular file"),
        ("dangling", "no such file or directory"),
        ("missing/plan.bin", "no such file or directory"),
        ("agent.msb/plan.bin", "not a directory"),
        ("..", "it is a directory"),
    ] {
        host.msbc(&["compile", "agent.msb", "-o", place])
            .fails(2, &[&format!("cannot write `{place}`: {reason}")]);
        assert_eq!(host.names(), before, "{place}");
    }
}

#[test]
fn a_link_to_a_file_is_followed() {
    let host = Host::new();
    host.write("there", "");
    std::os::unix::fs::symlink("there", host.path("link")).expect("a link");
    host.msbc(&["compile", "agent.msb", "-o", "link"]).is(0, "", "");
    assert!(host.path("link").is_symlink());
    assert!(host.read("there").starts_with(b"MSBP"));
}

#[test]
fn directories_that_may_not_be_written_to_are_refused() {
    let host = Host::of_an_ordinary_user();
    std::fs::create_dir(host.path("closed")).expect("a directory");
    host.chmod("closed", 0o555);
    host.msbc(&["compile", "agent.msb", "-o", "closed/plan.bin"]).fails(2, &["permission denied"]);
}

#[test]
fn a_plan_without_a_place_is_a_wrong_command_line() {
    Host::new().msbc(&["compile", "agent.msb"]).fails(2, &["--output"]);
}
