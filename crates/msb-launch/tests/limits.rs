//! Each limit of a plan, reached and not reached.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{ORIGIN, Stage, plan, stdout};
use msb_plan::{Hold, Limit, Plan};
use std::io::Read;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

fn limit<T>(value: T) -> Option<Limit<T>> {
    Some(Limit { value, origin: ORIGIN })
}

fn with(set: impl FnOnce(&mut Plan<'_>)) -> Stage {
    let mut plan = plan();
    set(&mut plan);
    Stage::new(&plan)
}

#[track_caller]
fn killed_for(output: &Output, word: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(137), "{said}");
    let expected =
        format!("msb-launch: the limit of {word} was reached\n  test.msb:7: the line that asked\n");
    assert!(said.ends_with(&expected), "{said}");
}

/// Exactly as many bytes as are allowed go through, of both together, and then everything ends.
#[test]
fn output_is_counted_to_the_byte() {
    let stage = with(|plan| plan.limits.output_bytes = limit(100_000));
    let output = stage.shell("head -c 60000 /dev/zero; head -c 40000 /dev/zero >&2");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((output.stdout.len(), output.stderr.len()), (60_000, 40_000));
    let output = stage.shell("head -c 99999 /dev/zero; head -c 1 /dev/zero; echo; sleep 100");
    assert_eq!(output.stdout.len(), 100_000);
    killed_for(&output, "output");
    let output = stage.shell("yes");
    assert_eq!(output.stdout.len(), 100_000);
    killed_for(&output, "output");
    let none = with(|plan| plan.limits.output_bytes = limit(0));
    killed_for(&none.shell("echo x; sleep 100"), "output");
    assert_eq!(none.shell("exit 3").status.code(), Some(3));
}

#[test]
fn counted_output_is_verbatim_and_in_order() {
    let stage = with(|plan| plan.limits.output_bytes = limit(64 << 20));
    let output = stage.shell("seq 1 1000000 | tee /dev/stderr");
    let expected: String = (1..=1_000_000).map(|number| format!("{number}\n")).collect();
    assert!(output.status.success() && output.stdout == expected.as_bytes());
    assert!(output.stderr == expected.as_bytes());
    // Where both go to one place, what is written first comes first.
    let file = stage.dir.path().join("both");
    let both = std::fs::File::create(&file).expect("a file");
    let mut command =
        stage.command(&["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo error $i >&2; done"]);
    command.stdout(both.try_clone().expect("again")).stderr(both);
    assert!(command.status().expect("starts").success());
    let expected: String = (1..=9).map(|i| format!("out {i}\nerror {i}\n")).collect();
    assert_eq!(std::fs::read_to_string(file).expect("a file"), expected);
}

/// A reader that does not read keeps neither the wall clock nor a signal from the sandbox.
#[test]
fn slow_reader_of_counted_output_delays_nothing() {
    let stage = with(|plan| {
        plan.limits.output_bytes = limit(64 << 20);
        plan.limits.wall_ms = limit(500);
    });
    let start = Instant::now();
    let mut child =
        stage.command(&["yes"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    assert_eq!(child.wait().expect("ends").code(), Some(137));
    assert!(start.elapsed() < Duration::from_secs(10));
    // One that goes away ends the writer with SIGPIPE, as without anything in between.
    let stage = with(|plan| plan.limits.output_bytes = limit(64 << 20));
    let mut child = stage.command(&["yes"]).stdout(Stdio::piped()).spawn().expect("starts");
    let mut some = [0; 100];
    child.stdout.take().expect("piped").read_exact(&mut some).expect("some");
    assert_eq!(child.wait().expect("ends").code(), Some(128 + 13));
}

#[test]
fn time_on_cpus_is_that_of_all_processes() {
    let stage = with(|plan| plan.limits.cpu_time_ms = limit(400));
    let spin = "while :; do :; done";
    killed_for(&stage.shell(spin), "cpu_time");
    let many = format!("for i in 1 2 3 4 5 6; do sh -c '{spin}' & done; wait");
    let start = Instant::now();
    killed_for(&stage.shell(&many), "cpu_time");
    assert!(start.elapsed() < Duration::from_secs(20));
    // Processes that have ended count, too.
    let script = "for i in $(seq 1000); do sh -c 'for j in $(seq 300); do :; done'; done";
    killed_for(&stage.shell(script), "cpu_time");
    assert_eq!(stage.shell("sleep 0.6").status.code(), Some(0));
}

#[test]
fn written_files_are_bounded() {
    let stage = with(|plan| plan.limits.file_bytes = limit(10_000));
    stdout(&stage.shell("head -c 10000 /dev/zero > f; head -c 10000 /dev/zero > g"));
    let output = stage.shell("exec head -c 10001 /dev/zero > f");
    assert_eq!(output.status.code(), Some(128 + 25));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the limit of fsize was reached"), "{output:?}");
    assert_eq!(std::fs::metadata(stage.workspace.join("f")).expect("f").len(), 10_000);
}

#[test]
fn cpuset_is_a_number_of_cpus() {
    let stage = with(|plan| plan.limits.cpuset = limit(1));
    assert_eq!(stdout(&stage.shell("nproc")), "1\n");
    let all = stdout(&Stage::new(&plan()).shell("nproc"));
    assert_eq!(stdout(&with(|plan| plan.limits.cpuset = limit(8192)).shell("nproc")), all);
}

/// Nothing but a cgroup holds these: without one the launch is refused, with one they are read back.
#[test]
fn io_is_held_by_a_cgroup_or_refused() {
    for weight in [false, true] {
        let stage = with(|plan| {
            if weight {
                plan.limits.io_weight = limit(50);
            } else {
                plan.limits.io_bytes_per_s = limit(1 << 20);
            }
        });
        let output = stage.shell("echo started");
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => assert!(said.is_empty(), "{said}"),
            code => {
                assert_eq!((code, output.stdout.as_slice()), (Some(125), b"".as_slice()), "{said}");
                assert!(said.contains("test.msb:7"), "{said}");
            }
        }
    }
}

#[test]
fn swap_is_besides_memory() {
    for hold in [Hold::Best, Hold::Cgroup] {
        let stage = with(|plan| {
            plan.limits.memory_bytes = limit(64 << 20);
            plan.limits.swap_bytes = limit(0);
            plan.limits.hold = hold;
        });
        let output = stage.shell("echo started");
        let refused = hold == Hold::Cgroup && output.status.code() == Some(125);
        assert!(refused || output.status.success(), "{output:?}");
    }
    let stage = with(|plan| {
        plan.limits.memory_bytes = limit(32 << 20);
        plan.limits.swap_bytes = limit(0);
    });
    assert!(
        !stage.shell("head -c 100M /dev/zero | tail -c 100M | wc -c | grep -q 104857600").status.success()
    );
}

/// What is always so, whatever the policy limits.
#[test]
fn cores_and_the_host_s_memory_are_looked_after() {
    let stage = Stage::new(&plan());
    assert_eq!(stdout(&stage.shell("ulimit -c; ulimit -Hc; umask")), "0\n0\n0022\n");
    let score: i32 = stdout(&stage.shell("cat /proc/self/oom_score_adj")).trim().parse().expect("a number");
    assert!(score >= 500, "{score}");
}
