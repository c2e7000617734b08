//! What checking costs grows with the size of a policy, and not with its square.

mod common;

use common::Memory;
use msb_compile::{Options, check};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A policy of about `count` rules of a kind, none of which is there twice.
fn policy(kind: &str, count: usize) -> String {
    let mut text = String::from("edition 2026\n");
    let mut rules = String::new();
    for i in 0..count {
        let rule = match (kind, i % 4) {
            ("fs", 0) => format!("read /data/d{i}/x"),
            ("fs", 1) => format!("deny $w/d{i}/.git"),
            ("fs", 2) => format!("write $w/s{i} at /o/s{i}"),
            ("fs", _) => format!("deny write /data/d{i}"),
            ("env", 0 | 2) => format!("set S{i} = \"x{i}\""),
            ("env", _) => format!("pass V{i}"),
            ("syscalls", 0) => format!("errno EACCES ioctl where cmd == {}", i + 70_000),
            ("syscalls", 1) => {
                format!("errno EACCES prctl where option in {}..{}", 2 * i + 1000, 2 * i + 1001)
            }
            ("syscalls", _) => format!("allow read, write, fsync where fd == {i}"),
            ("net", 0) => format!("deny tcp 10.{}.{}.{}:22", i >> 16, i >> 8 & 255, i & 255),
            ("net", _) => format!("allow https \"h{i}.example.org\":443"),
            _ => String::new(),
        };
        let _ = writeln!(rules, "    {rule}");
    }
    if kind == "groups" {
        for i in 0..count {
            let _ = writeln!(text, "group @g{i} = {{read, write}} - {{openat}} + @basic-io");
        }
        let names: Vec<String> = (0..count).map(|i| format!("@g{i}")).collect();
        rules = format!("allow {}", names.join(", "));
    }
    let section = if kind == "groups" { "syscalls" } else { kind };
    let net = if kind == "net" { "" } else { "net none" };
    let limits = "limits { memory 1GiB  pids 9  wall 1min }";
    let _ = write!(
        text,
        "policy p(w: dir) {{\n  include std.base\n  {net}\n  {limits}\n  {section} {{\n{rules}  }}\n}}\n"
    );
    text
}

/// The least of some times: what else runs on the machine only adds.
fn cost(text: &str, rounds: usize) -> Duration {
    let once = || {
        let start = Instant::now();
        let checked = check(&Memory(text.as_bytes()), "it.msb", &Options::default());
        let took = start.elapsed();
        // Where it is more than a plan holds, that is the last that is found.
        let other = checked.diagnostics.iter().find(|it| it.is_error() && it.code.to_string() != "MSB0009");
        assert!(other.is_none(), "{other:?}");
        took
    };
    (0..rounds).map(|_| once()).min().unwrap_or_default()
}

/// Ten times the rules take at most some twelve times as long; twenty leave room for a busy machine. A square would
/// be a hundred.
#[test]
fn ten_times_the_rules_take_ten_times_as_long() {
    for kind in ["fs", "env", "syscalls", "net", "groups"] {
        let (small, large) = (policy(kind, 1000), policy(kind, 10_000));
        let ratio = |rounds| cost(&large, rounds).as_secs_f64() / cost(&small, 3 * rounds).as_secs_f64();
        let ratio = [1, 2].into_iter().map(ratio).find(|ratio| *ratio < 20.0);
        assert!(ratio.is_some(), "{kind}");
    }
}

/// What a plan cannot hold is an error that says how much it can, in a time that grows as that of checking does.
#[test]
fn what_is_more_than_a_plan_holds_is_refused() {
    for (kind, what) in [("fs", "denied paths are too many"), ("env", "environment rules are too many")] {
        let text = policy(kind, 2000);
        let compiled = msb_compile::compile(&Memory(text.as_bytes()), "it.msb", &Options::default());
        assert!(compiled.plan.is_none());
        let said = compiled.diagnostics.iter().find(|it| it.is_error()).expect("an error");
        assert!(said.message.contains(what), "{kind}: {said:?}");
        assert!(said.labels[0].text.contains("at most 256"), "{kind}: {said:?}");
    }
}
