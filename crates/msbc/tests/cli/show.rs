//! msbc show: of a plan and of a policy.

use crate::host::Host;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

#[test]
fn everything_in_a_plan_is_shown_with_its_line() {
    let host = Host::new();
    host.msbc(&["compile", "agent.msb", "-o", "plan.bin"]).is(0, "", "");
    let said = host.msbc(&["show", "plan.bin"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for part in [
        "policy agent (edition 2026, agent.msb:3:",
        "needs Linux 5.12",
        "workspace: dir (required)",
        "tag: string = \"latest\"",
        "user 1000, group 1000",
        "capabilities none",
        "/work from $workspace: read, write ",
        "~/.config/agent: read, if it exists",
        "$workspace/.git: write; where it is missing, mask with a",
        "/etc/passwd: ",
        "\nnetwork\n  none\n",
        "memory 512MiB ",
        "cpu 100%",
        "wall 1min30s ",
        "held by a cgroup where one can be had",
        "pass LANG",
        "set HOME = \"/work\"",
        "\"sh\" \"-c\" \"true\"",
        "system calls on x86_64 (",
        "numbers without a call: errno ENOSYS",
    ] {
        assert!(said.out.contains(part), "`{part}` is not in:\n{}", said.out);
    }
    let line = said.out.lines().find(|line| line.contains("from $workspace")).expect("a line");
    assert!(line.contains("# agent.msb:7:"), "{line}");
}

#[test]
fn a_policy_is_shown_as_its_plan_is() {
    let host = Host::new();
    host.msbc(&["compile", "agent.msb", "-o", "plan.bin"]).is(0, "", "");
    assert_eq!(host.msbc(&["show", "agent.msb"]).out, host.msbc(&["show", "plan.bin"]).out);
    assert_eq!(
        host.msbc(&["show", "agent.msb", "--json"]).out,
        host.msbc(&["show", "--json", "plan.bin"]).out
    );
}

#[test]
fn system_calls_are_listed_by_what_happens_to_them() {
    let host = Host::new();
    let said = host.msbc(&["show", "--json", "agent.msb"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    let calls = &json["filters"][0]["calls"];
    let names = |action: &str| {
        let list = calls[action].as_array().unwrap_or_else(|| panic!("no `{action}` in {calls}"));
        list.iter().map(|name| name.as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert!(names("allow").contains(&"read".to_owned()));
    assert!(names("errno ENOSYS").contains(&"clone3".to_owned()));
    let denied = names("errno EPERM");
    for call in ["ptrace", "mount", "bpf", "keyctl"] {
        assert!(denied.contains(&call.to_owned()), "{call} is not in {denied:?}");
    }
    assert_eq!(json["filters"][0]["numbers_without_a_call"], "errno ENOSYS");
}

#[test]
fn json_holds_every_section() {
    let host = Host::new();
    let said = host.msbc(&["show", "--json", "--filter", "agent.msb"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(json["policy"]["name"], "agent");
    assert_eq!(json["parameters"][0]["name"], "workspace");
    assert_eq!(json["identity"]["uid"], 1000);
    assert_eq!(json["limits"]["memory_bytes"]["value"], 536_870_912);
    assert_eq!(json["limits"]["wall_ms"]["origin"]["file"], "agent.msb");
    assert_eq!(json["command"], serde_json::json!(["sh", "-c", "true"]));
    assert_eq!(json["network"], "none");
    let mounts = json["mounts"].as_array().expect("mounts");
    let work = mounts.iter().find(|mount| mount["target"] == "/work").expect("a mount");
    assert_eq!(
        (&work["source"], &work["rights"]),
        (&"$workspace".into(), &serde_json::json!(["read", "write"]))
    );
    assert!(json["filters"][0]["program"][0].as_str().expect("a line").ends_with("A = arch"));
    for key in ["denied", "files", "environment"] {
        assert!(json[key].as_array().is_some_and(|list| !list.is_empty()), "{key}");
    }
}

#[test]
fn the_filter_is_shown_when_asked() {
    let host = Host::new();
    assert!(!host.msbc(&["show", "agent.msb"]).out.contains("A = arch"));
    assert!(host.msbc(&["show", "--filter", "agent.msb"]).out.contains("0  A = arch"));
}

#[test]
fn damaged_plans_say_what_is_wrong() {
    let host = Host::new();
    host.msbc(&["compile", "agent.msb", "-o", "plan.bin"]).is(0, "", "");
    let good = host.read("plan.bin");
    let mut flipped = good.clone();
    *flipped.last_mut().expect("a byte") ^= 1;
    let mut newer = good.clone();
    newer[4] += 1;
    for (bytes, reason) in [
        (&good[..good.len() - 1], "it ends too early"),
        (&good[..5], "it ends too early"),
        (&flipped[..], "it was changed after it was written"),
        (&[&good[..], &[0]].concat(), "something follows after its end"),
        (&newer[..], "it has format 2"),
    ] {
        host.write("damaged.bin", bytes);
        host.msbc(&["show", "damaged.bin"])
            .fails(1, &["`damaged.bin` is not a plan that can be applied", reason]);
    }
    host.write("long.bin", [&good[..], &vec![0; 2 << 20]].concat());
    host.msbc(&["show", "long.bin"]).fails(1, &["longer than a plan can be"]);
}

/// `msbc show plan.bin | head -1`
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let host = Host::new();
    let mut command = host.command(Path::new(env!("CARGO_BIN_EXE_msbc")));
    command.args(["show", "--filter", "agent.msb"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("UTF-8");
    assert_eq!((child.wait().expect("an end").code(), err.as_str()), (Some(0), ""));
}

#[test]
fn an_answer_that_does_not_arrive_is_an_error() {
    let host = Host::new();
    let mut command = host.command(Path::new("/bin/sh"));
    let script = format!("exec {} show agent.msb >/dev/full", env!("CARGO_BIN_EXE_msbc"));
    let said = crate::host::said(command.args(["-c", &script]));
    said.fails(4, &["cannot write to standard output", "no space left on device"]);
}
