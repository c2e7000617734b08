//! What the launcher says of a run: as JSON in a file and on standard error.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{ORIGIN, Stage, plan};
use msb_plan::Limit;
use std::process::Output;

/// Runs with `--report` and gives the file's lines.
fn reported(stage: &Stage, options: &[&str], script: &str) -> (Output, Vec<String>) {
    let file = stage.dir.path().join("report.jsonl");
    let mut words = vec!["--report", file.to_str().expect("UTF-8")];
    words.extend(options);
    let output = stage.command_with(&words, &["sh", "-c", script]).output().expect("starts");
    let text = std::fs::read_to_string(&file).expect("a report");
    assert!(text.ends_with('\n'), "{text}");
    (output, text.lines().map(str::to_owned).collect())
}

/// The value of a member that is a number, a word or null.
fn member<'l>(line: &'l str, name: &str) -> &'l str {
    let at =
        line.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} in {line}")) + name.len() + 3;
    line[at..].split([',', '}']).next().unwrap_or_default()
}

#[test]
fn the_end_says_what_was_used() {
    let mut plan = plan();
    plan.limits.output_bytes = Some(Limit { value: 1000, origin: ORIGIN });
    let (output, lines) = reported(&Stage::new(&plan), &[], "echo hello; exit 7");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(7), b"".as_slice()));
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let expected = [("event", "\"ended\""), ("exit_code", "7"), ("signal", "null"), ("cause", "\"command\"")];
    for (name, value) in expected.into_iter().chain([("limit", "null"), ("output_bytes", "6")]) {
        assert_eq!(member(line, name), value, "{line}");
    }
    let number = |name| member(line, name).parse::<u64>().expect("a number");
    assert!(number("wall_us") > 0 && number("cpu_us") > 0 && number("memory_peak_bytes") > 4096, "{line}");
}

#[test]
fn a_limit_that_ends_the_run_is_named_with_its_line() {
    let mut plan = plan();
    plan.limits.wall_ms = Some(Limit { value: 200, origin: ORIGIN });
    let (output, lines) = reported(&Stage::new(&plan), &["--json"], "sleep 100");
    assert_eq!(output.status.code(), Some(137));
    let origin = r#""origin":{"file":"test.msb","line":7,"column":3,"text":"the line that asked"}"#;
    let [reached, end] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(reached.starts_with(r#"{"event":"limit-reached","limit":"wall","times":1,"#), "{reached}");
    assert!(reached.contains(origin) && end.contains(origin), "{end}");
    assert_eq!((member(end, "cause"), member(end, "signal")), ("\"limit\"", "9"));
    // With `--json` standard error has the same, and no sentence.
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("{reached}\n{end}\n"));
}

/// Nobody waits for what is killed with the init, and its time counts all the same.
#[test]
fn what_was_killed_for_a_limit_had_used_time_on_cpus() {
    let mut plan = plan();
    plan.limits.wall_ms = Some(Limit { value: 500, origin: ORIGIN });
    let (_, lines) = reported(&Stage::new(&plan), &[], "while :; do :; done");
    let used = member(lines.last().expect("an end"), "cpu_us").parse::<u64>().expect("a number");
    assert!((20_000..600_000).contains(&used), "{lines:?}");
}

#[test]
fn a_command_that_took_too_much_memory_was_ended_by_the_limit() {
    let mut plan = plan();
    plan.limits.memory_bytes = Some(Limit { value: 64 << 20, origin: ORIGIN });
    let (output, lines) = reported(&Stage::new(&plan), &[], "exec tail /dev/zero");
    let end = lines.last().expect("an end");
    let without_cgroup = lines.iter().any(|line| member(line, "event") == "\"held-without-cgroup\"");
    if without_cgroup && output.status.code() == Some(1) {
        // Its address space is limited too: it was told before it had too much, and ended by itself.
        assert_eq!(member(end, "cause"), "\"command\"", "{lines:?}");
        return;
    }
    assert_eq!(output.status.code(), Some(137), "{output:?}");
    assert_eq!((member(end, "cause"), member(end, "limit")), ("\"limit\"", "\"memory\""), "{end}");
    // Somebody's own signal is no limit.
    let (_, lines) = reported(&Stage::new(&plan), &[], "kill -KILL $$");
    assert_eq!(member(lines.last().expect("an end"), "cause"), "\"command\"", "{lines:?}");
}

#[test]
fn a_launch_that_fails_is_reported() {
    let stage = Stage::new(&plan());
    std::fs::remove_dir(&stage.workspace).expect("no workspace");
    let (output, lines) = reported(&stage, &[], "true");
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with(r#"{"event":"failed","step":"Param","errno":2,"origin":{"#), "{lines:?}");
}

#[test]
fn steps_are_timed_where_asked() {
    let (_, lines) = reported(&Stage::new(&plan()), &["--timings", "--json"], "true");
    let steps: Vec<(&str, u64)> = lines
        .iter()
        .filter(|line| member(line, "event") == "\"timing\"")
        .map(|line| (member(line, "step"), member(line, "at_us").parse().expect("a number")))
        .collect();
    let at =
        |step: &str| steps.iter().find(|(name, _)| *name == step).unwrap_or_else(|| panic!("{steps:?}")).1;
    let order = [
        "\"Param\"",
        "\"Namespaces\"",
        "\"Root\"",
        "\"Mount\"",
        "\"PivotRoot\"",
        "\"Capabilities\"",
        "\"Spawn\"",
    ];
    for pair in order.windows(2) {
        assert!(at(pair[0]) <= at(pair[1]), "{pair:?} in {steps:?}");
    }
}

/// personality(2), 135 on x86-64: what setarch(8) calls and a shell does not.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_call_that_killed_is_named() {
    const PROGRAM: [u8; 32] = [
        0x20, 0, 0, 0, 0, 0, 0, 0, // load the number
        0x15, 0, 0, 1, 135, 0, 0, 0, // is it 135?
        0x06, 0, 0, 0, 0, 0, 0, 0x80, // then kill
        0x06, 0, 0, 0, 0, 0, 0xff, 0x7f, // else allow
    ];
    let mut plan = plan();
    plan.filters[0].program = &PROGRAM;
    plan.filters[0].kills = &[135, 0, 0, 0, 0, 0];
    let stage = Stage::new(&plan);
    let killed = || {
        let (output, lines) = reported(&stage, &[], "exec setarch -R true");
        assert_eq!(output.status.code(), Some(128 + 31), "{output:?}");
        let killed = lines.into_iter().find(|line| member(line, "event") == "\"killed-by-filter\"");
        (output, killed.expect("an event"))
    };
    let (mut output, mut event) = killed();
    // The kernel's log is for root where dmesg_restrict says so, and may be with an audit daemon.
    if rustix::process::geteuid().is_root() && !std::path::Path::new("/run/auditd.pid").exists() {
        // Beside many others that are killed the kernel leaves lines out of its log: ten in five seconds (lib/ratelimit.c).
        let mut tries = 0;
        while member(&event, "nr") == "null" && tries < 10 {
            std::thread::sleep(std::time::Duration::from_secs(1));
            (output, event) = killed();
            tries += 1;
        }
        assert_eq!(member(&event, "nr"), "135", "{event}");
    } else {
        assert!(matches!(member(&event, "nr"), "135" | "null"), "{event}");
    }
    assert_eq!(member(&event, "line"), "7");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the filter killed the command") && said.contains("test.msb:7"), "{said}");
    // Another signal is another matter.
    let (_, lines) = reported(&stage, &[], "kill -SEGV $$");
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// A program may have left the link in a folder that it writes.
#[test]
fn a_report_follows_no_link() {
    let stage = Stage::new(&plan());
    let (kept, link) = (stage.workspace.join("kept"), stage.workspace.join("report"));
    std::fs::write(&kept, "kept").expect("a file");
    std::os::unix::fs::symlink(&kept, &link).expect("a link");
    let run = |report: &std::path::Path| {
        let report = report.to_str().expect("text");
        stage.command_with(&["--report", report], &["sh", "-c", "echo ran"]).output().expect("starts")
    };
    assert_eq!(run(&link).status.code(), Some(125));
    assert_eq!(std::fs::read_to_string(&kept).expect("a file"), "kept");
    // A link of the kernel's.
    let output = run(std::path::Path::new("/dev/stderr"));
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"ran\n".as_slice()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"ended\""), "{output:?}");
}

#[test]
fn a_report_that_cannot_be_written_is_no_launch() {
    let stage = Stage::new(&plan());
    let output = stage
        .command_with(&["--report", "/proc/none/x"], &["sh", "-c", "echo ran"])
        .output()
        .expect("starts");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(125), b"".as_slice()));
}
