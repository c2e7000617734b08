//! What is said of limits and ends.

use super::fixture::{LIMITS, plan};
use crate::{Context, explain, held_together, location, short, to_json, words};
use msb_diag::Severity;
use msb_plan::OriginId;
use msb_plan::event::{Cause, Ended, Event, LimitKind, Usage};

fn ended(wait_status: u32, cause: Cause) -> Event {
    Event::Ended(Ended {
        wait_status,
        cause,
        wall_us: 1500,
        cpu_us: 700,
        memory_peak_bytes: 4096,
        usage: Usage::default(),
    })
}

#[track_caller]
fn check(event: &Event, severity: Severity, line: &str) {
    let report = explain(event, &plan(), &Context::default()).expect("a report");
    assert_eq!(report.diagnostic.severity, severity);
    assert_eq!(short(event, &plan()), line);
}

#[test]
fn reached_limits_say_value_and_count() {
    let reached = |limit, times| Event::LimitReached { limit, times, origin: LIMITS };
    check(
        &reached(LimitKind::Memory, 1),
        Severity::Warning,
        "`memory 512MiB` was reached once: processes inside were killed (agent.msb:10:12)",
    );
    check(
        &reached(LimitKind::Pids, 12),
        Severity::Warning,
        "`pids 64` was reached 12 times: no more processes or threads were made (agent.msb:10:12)",
    );
}

#[test]
fn limits_that_end_the_run_are_errors() {
    check(
        &ended(9, Cause::Limit(LimitKind::Wall, LIMITS)),
        Severity::Error,
        "everything inside was killed at `wall 1min30s` (agent.msb:10:12)",
    );
}

#[test]
fn second_ways_are_hints() {
    check(
        &Event::HeldWithoutCgroup { limit: LimitKind::Cpu, origin: LIMITS },
        Severity::Hint,
        "`cpu 50%` is held without a cgroup: by the CPUs that it may run on (agent.msb:10:12)",
    );
}

#[test]
fn a_sandbox_killed_from_outside_says_so() {
    check(
        &ended(9, Cause::Outside),
        Severity::Error,
        "the sandbox was ended from outside: its init was killed by SIGKILL",
    );
}

#[test]
fn a_command_that_ends_needs_no_explanation() {
    let event = ended(3 << 8, Cause::Command);
    assert!(explain(&event, &plan(), &Context::default()).is_none());
    assert_eq!(short(&event, &plan()), "the command exited with 3");
    assert_eq!(short(&ended(11, Cause::Command), &plan()), "the command was killed by SIGSEGV");
    assert_eq!(short(&ended(40, Cause::Command), &plan()), "the command was killed by signal 40");
}

#[test]
fn json_of_an_end_has_what_was_used() {
    let json = |event| to_json(&event, &plan(), &Context::default());
    let exit = json(ended(3 << 8, Cause::Command));
    assert_eq!((&exit["exit_code"], &exit["signal"]), (&3.into(), &serde_json::Value::Null));
    assert_eq!((&exit["cause"], &exit["code"]), (&"command".into(), &serde_json::Value::Null));
    assert_eq!((&exit["wall_us"], &exit["cpu_us"]), (&1500.into(), &700.into()));
    assert_eq!(exit["memory_peak_bytes"], 4096);
    let wall = json(ended(9, Cause::Limit(LimitKind::Wall, LIMITS)));
    assert_eq!((&wall["exit_code"], &wall["signal"]), (&serde_json::Value::Null, &9.into()));
    assert_eq!(
        (&wall["cause"], &wall["limit"], &wall["code"]),
        (&"limit".into(), &"wall".into(), &"MSB1201".into())
    );
    let held = json(Event::HeldWithoutCgroup { limit: LimitKind::Memory, origin: LIMITS });
    assert_eq!((&held["event"], &held["value"]), (&"held-without-cgroup".into(), &"512MiB".into()));
}

#[test]
fn origins_that_do_not_exist_are_left_out() {
    let nowhere = OriginId(99);
    let event = Event::LimitReached { limit: LimitKind::Files, times: 2, origin: nowhere };
    let report = explain(&event, &plan(), &Context::default()).expect("a report");
    assert!(report.diagnostic.labels.is_empty());
    assert_eq!(location(&plan(), nowhere), None);
    assert_eq!(to_json(&event, &plan(), &Context::default())["origin"], serde_json::Value::Null);
}

#[test]
fn sizes_and_times_are_written_as_in_a_policy() {
    for (bytes, text) in [
        (0, "0B"),
        (1000, "1000B"),
        (1024, "1KiB"),
        (1536, "1536B"),
        (3 << 20, "3MiB"),
        (1 << 30, "1GiB"),
        (5 << 40, "5TiB"),
        (1 << 50, "1024TiB"),
    ] {
        assert_eq!(words::size(bytes), text);
    }
    for (ms, text) in
        [(0, "0ms"), (1, "1ms"), (90_000, "1min30s"), (3_600_500, "1h500ms"), (86_400_000, "1d")]
    {
        assert_eq!(words::duration(ms), text);
    }
}

#[test]
fn limits_that_no_cgroup_holds_are_one_line() {
    let held = |limit| Event::HeldWithoutCgroup { limit, origin: LIMITS };
    let all = [held(LimitKind::Memory), held(LimitKind::Pids), held(LimitKind::Cpu)];
    let line = |events| held_together(events, &plan());
    assert_eq!(line(&[]), "");
    assert_eq!(
        line(&all[..1]),
        "no cgroup can be had: `memory 512MiB` is held in a weaker way, see `msbc doc MSB1202` (agent.msb:10:12)"
    );
    assert_eq!(
        line(&all),
        "no cgroup can be had: `memory 512MiB`, `pids 64` and `cpu 50%` are held in a weaker way, see \
         `msbc doc MSB1202` (agent.msb:10:12)"
    );
}
