//! msbc run with a launcher that is a shell script: what it is given, and what is said of what it reports.

use crate::host::{Host, POLICY, Said, said};
use msb_plan::OriginId;
use msb_plan::event::{Cause, Ended, Event, Failure, LimitKind, Step, Usage, encode_event};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A copy of msbc with a launcher beside it.
struct Bench {
    host: Host,
    msbc: PathBuf,
}

/// Keeps its arguments and plan, sends the events of the file `events`, then does `end`.
fn launcher(end: &str) -> String {
    format!(
        "plan=$1; shift; printf '%s\\n' \"$@\" >arguments; cat \"$plan\" >plan.bin; stat -L -c '%a %s' \"$plan\" >mode\n\
         while [ $# -gt 0 ]; do case $1 in --report-fd) fd=$2; shift 2;; --set) shift 2;; --timings) shift;; --protect) shift 2;; --) shift; break;; esac; done\n\
         cat events >/proc/self/fd/$fd\n{end}\n"
    )
}

impl Bench {
    fn new(events: &[Event], end: &str) -> Bench {
        let host = Host::new();
        host.write("events", events.iter().flat_map(encode_event).collect::<Vec<u8>>());
        fs::create_dir(host.path("bin")).expect("a directory");
        host.copy(Path::new(env!("CARGO_BIN_EXE_msbc")), "bin/msbc");
        host.script("bin/msb-launch", &launcher(end));
        let msbc = host.path("bin/msbc");
        Bench { host, msbc }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.host.command(&self.msbc);
        command.arg("run").args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Said {
        said(&mut self.command(words))
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.host.read(name)).expect("UTF-8")
    }

    /// The line of the policy that says `text`, as the plan numbers it.
    fn origin(&self, text: &str) -> OriginId {
        self.host.msbc(&["compile", "agent.msb", "-o", "origins.bin"]).is(0, "", "");
        let bytes = self.host.read("origins.bin");
        let checked = msb_plan::decode(&bytes).expect("a plan");
        let line = POLICY.lines().position(|line| line.contains(text)).expect("a line") + 1;
        let found =
            checked.plan().origins.iter().position(|at| at.file == "agent.msb" && at.line as usize == line);
        OriginId(u16::try_from(found.expect("an origin")).expect("few"))
    }
}

fn ended(cause: Cause) -> Event {
    Event::Ended(Ended {
        wait_status: 0,
        cause,
        wall_us: 7,
        cpu_us: 5,
        memory_peak_bytes: 4096,
        usage: Usage::default(),
    })
}

const RAN: Event = Event::Ended(Ended {
    wait_status: 0,
    cause: Cause::Command,
    wall_us: 7,
    cpu_us: 5,
    memory_peak_bytes: 4096,
    usage: Usage { pids_peak: None, read_bytes: 0, written_bytes: 0, output_bytes: None, throttled: None },
});

#[test]
fn the_launcher_gets_a_sealed_plan_parameters_and_the_command() {
    let bench = Bench::new(&[RAN], "exit 0");
    let words = ["agent.msb", "--set", "workspace=/a b", "--set", "tag=x=y", "--", "python3", "-c", "--set"];
    bench.run(&words).is(0, "", "");
    let arguments = bench.text("arguments");
    let lines: Vec<&str> = arguments.lines().collect();
    assert_eq!(lines[..5], ["--set", "workspace=/a b", "--set", "tag=x=y", "--report-fd"]);
    assert!(lines[5].parse::<i32>().is_ok_and(|fd| fd > 2));
    // The policy itself is not to be written from inside.
    let policy = bench.host.path("agent.msb").canonicalize().expect("a path");
    assert_eq!(lines[6..8], ["--protect", policy.to_str().expect("UTF-8")]);
    // Nor is msbc.
    assert_eq!(lines[8], "--protect");
    assert!(lines[9].ends_with("/msbc"), "{}", lines[9]);
    assert_eq!(lines[10..], ["--", "python3", "-c", "--set"]);
    bench.host.msbc(&["compile", "agent.msb", "-o", "compiled.bin"]).is(0, "", "");
    assert_eq!(bench.host.read("plan.bin"), bench.host.read("compiled.bin"));
    assert_eq!(bench.text("mode"), format!("600 {}\n", bench.host.read("plan.bin").len()));
}

/// As with env(1): the first word that is no option begins the command. A misspelt option begins none.
#[test]
fn the_command_needs_no_dashes() {
    let bench = Bench::new(&[RAN], "exit 0");
    bench.run(&["agent.msb", "--set", "tag=x", "python3", "-c", "--set", "a", "--", "b"]).is(0, "", "");
    let arguments = bench.text("arguments");
    let command = arguments.split_once("--\n").expect("a command").1;
    assert_eq!(command, "python3\n-c\n--set\na\n--\nb\n");
    bench.run(&["agent.msb", "--sett", "tag=x", "--", "python3"]).fails(2, &["'--sett'", "'--set'"]);
}

#[test]
fn the_plan_cannot_be_changed() {
    let bench = Bench::new(&[RAN], "(echo x >\"$plan\") 2>/dev/null && exit 50; exit 0");
    bench.run(&["agent.msb", "--set", "workspace=/"]).is(0, "", "");
}

#[test]
fn only_the_plan_and_the_pipe_are_inherited() {
    let bench = Bench::new(&[RAN], "fds=$(ls -l /proc/$$/fd); echo \"$fds\" >fds; exit 0");
    bench.run(&["agent.msb"]).is(0, "", "");
    let listed = bench.text("fds");
    let open: Vec<&str> = listed.lines().filter(|line| line.contains(" -> ")).collect();
    let extra: Vec<&&str> = open
        .iter()
        .filter(|line| {
            !["msb-plan", "pipe:", "/dev/null", "bin/msb-launch"].iter().any(|it| line.contains(it))
        })
        .collect();
    assert!(extra.is_empty(), "{extra:?}");
    assert_eq!(open.iter().filter(|line| line.contains("msb-plan")).count(), 1);
}

#[test]
fn standard_streams_are_the_commands() {
    let bench = Bench::new(&[RAN], "cat; echo to-out; echo to-err >&2; exit 0");
    let mut command = bench.command(&["agent.msb"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    child.stdin.take().expect("a pipe").write_all(b"from-in\n").expect("a reader");
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"from-in\nto-out\n");
    assert_eq!(output.stderr, b"to-err\n");
}

#[test]
fn the_exit_code_is_the_launchers() {
    for code in [0, 1, 3, 125, 126, 137, 255] {
        let bench = Bench::new(&[RAN], &format!("exit {code}"));
        bench.run(&["agent.msb"]).is(code, "", "");
    }
    let bench = Bench::new(&[RAN], "kill -9 $$");
    bench.run(&["agent.msb"]).is(137, "", "");
}

#[test]
fn a_launcher_that_says_nothing_is_told_of() {
    let bench = Bench::new(&[], "exit 125");
    bench.run(&["agent.msb"]).fails(125, &["msb-launch ended with 125 and did not say why"]);
    bench.host.write("events", [0xff; 1000]);
    bench.run(&["agent.msb"]).fails(125, &["did not say why"]);
}

/// One that never stops reporting, whether events or not, does not keep msbc.
#[test]
fn a_launcher_that_reports_without_an_end_is_killed() {
    for what in ["cat events", "head -c 4096 /dev/zero"] {
        let end =
            format!("trap '' PIPE; while :; do {what}; done >/proc/self/fd/$fd 2>/dev/null; sleep 1000");
        let bench = Bench::new(&[RAN; 100], &end);
        bench.run(&["agent.msb"]).fails(137, &["msb-launch reports without an end, and was killed"]);
    }
}

#[test]
fn failures_are_explained_on_the_line() {
    let bench = Bench::new(&[], "exit 125");
    let origin = Some(bench.origin("write   $workspace"));
    let failure = Event::Failed(Failure { step: Step::MountSource, origin, errno: 2 });
    bench.host.write("events", encode_event(&failure));
    bench.run(&["agent.msb", "--set", "workspace=/x/y"]).fails(
        125,
        &[
            "error[MSB1109]",
            "`$workspace` (/x/y) does not exist on this host",
            "agent.msb:7:",
            "write   $workspace      at /work",
            "--set workspace=DIR",
        ],
    );
}

#[test]
fn limits_are_told_of_after_the_run_and_once() {
    let bench = Bench::new(&[], "exit 137");
    let origin = bench.origin("limits {");
    let reached = |limit| Event::LimitReached { limit, times: 2, origin };
    let events =
        [reached(LimitKind::Pids), reached(LimitKind::Wall), ended(Cause::Limit(LimitKind::Wall, origin))];
    bench.host.write("events", events.iter().flat_map(encode_event).collect::<Vec<u8>>());
    let said = bench.run(&["agent.msb"]);
    said.fails(
        137,
        &[
            "warning[MSB1201]",
            "`pids 64` was reached 2 times",
            "everything inside was killed at `wall 1min30s`",
        ],
    );
    assert!(!said.err.contains("`wall 1min30s` was reached"), "{}", said.err);
}

#[test]
fn a_weaker_way_is_said_before_the_command_speaks() {
    let bench = Bench::new(&[], "sleep 0.3; echo command >&2; exit 0");
    let origin = bench.origin("limits {");
    let held = |limit| Event::HeldWithoutCgroup { limit, origin };
    let events = [held(LimitKind::Memory), held(LimitKind::Cpu), RAN];
    bench.host.write("events", events.iter().flat_map(encode_event).collect::<Vec<u8>>());
    let said = bench.run(&["agent.msb"]);
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", said.err);
    assert!(
        lines[0].starts_with("msbc: no cgroup can be had: `memory 512MiB` and `cpu 100%` are"),
        "{}",
        said.err
    );
    assert_eq!(lines[1], "command");
}

#[test]
fn a_weaker_way_is_said_of_a_short_run_too() {
    let bench = Bench::new(&[], "exit 0");
    let origin = bench.origin("limits {");
    let events = [Event::HeldWithoutCgroup { limit: LimitKind::Pids, origin }, RAN];
    bench.host.write("events", events.iter().flat_map(encode_event).collect::<Vec<u8>>());
    let said = bench.run(&["agent.msb"]);
    said.fails(0, &["`pids 64` is held in a weaker way"]);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
}

#[test]
fn reports_are_json_lines() {
    let bench = Bench::new(&[], "exit 125");
    let origin = Some(bench.origin("write   $workspace"));
    let failure = Event::Failed(Failure { step: Step::MountSource, origin, errno: 2 });
    bench.host.write("events", encode_event(&failure));
    let said = bench.run(&["agent.msb", "--json", "--report", "report.json", "--set", "workspace=/x"]);
    assert_eq!((said.code, said.out.as_str()), (Some(125), ""));
    let report = bench.text("report.json");
    assert_eq!(said.err, report);
    assert_eq!(report.lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!((&json["event"], &json["code"]), (&"failed".into(), &"MSB1109".into()));
    assert_eq!(json["origin"]["line"], 7);
}

#[test]
fn reports_that_cannot_be_written_start_nothing() {
    let bench = Bench::new(&[RAN], "exit 0");
    for place in [".", "missing/report"] {
        bench.run(&["agent.msb", "--report", place]).fails(2, &[&format!("cannot write `{place}`")]);
    }
    bench.host.fifo("fifo");
    bench.run(&["agent.msb", "--report", "fifo"]).fails(2, &["cannot write `fifo`"]);
    assert!(!bench.host.path("arguments").exists());
}

#[test]
fn a_policy_with_errors_starts_nothing() {
    let bench = Bench::new(&[RAN], "exit 0");
    bench.host.write("bad.msb", "edition 2026\npolicy p { nonsense }\n");
    bench.run(&["bad.msb", "--", "true"]).fails(1, &["MSB0002"]);
    let said = bench.run(&["bad.msb", "--json", "--", "true"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    let json: serde_json::Value = serde_json::from_str(&said.err).expect("JSON");
    assert_eq!(json[0]["code"], "MSB0002");
    assert!(!bench.host.path("arguments").exists());
}

#[test]
fn a_wrong_command_line_starts_nothing() {
    let bench = Bench::new(&[RAN], "exit 0");
    bench.run(&["agent.msb", "--set", "workspace"]).fails(2, &["`--set workspace` is not NAME=VALUE"]);
    bench.run(&["agent.msb", "--set", "=x"]).fails(2, &["is not NAME=VALUE"]);
    bench.host.write("bare.msb", POLICY.replace("command \"sh\" \"-c\" \"true\"", ""));
    bench.run(&["bare.msb"]).fails(2, &["no command", "`--`"]);
    assert!(!bench.host.path("arguments").exists());
}

#[test]
fn the_launcher_is_found_on_the_path_when_not_beside() {
    let bench = Bench::new(&[RAN], "exit 7");
    fs::create_dir(bench.host.path("elsewhere")).expect("a directory");
    fs::rename(bench.host.path("bin/msb-launch"), bench.host.path("elsewhere/msb-launch")).expect("a move");
    let path = std::env::var("PATH").expect("a PATH");
    let elsewhere = bench.host.path("elsewhere").display().to_string();
    let run = |path: &str| said(bench.command(&["agent.msb"]).env("PATH", path));
    run(&path).fails(125, &["msb-launch is neither beside msbc nor on the PATH"]);
    // A relative entry is not looked at: whoever made the working directory would choose the launcher.
    run(&format!("elsewhere::{path}")).fails(125, &["neither beside msbc"]);
    run(&format!("{elsewhere}:{path}")).is(7, "", "");
    bench.host.chmod("elsewhere/msb-launch", 0o644);
    run(&format!("{elsewhere}:{path}")).fails(125, &["neither beside msbc"]);
}

#[test]
fn a_launcher_that_is_no_program_is_told_of() {
    let bench = Bench::new(&[RAN], "exit 0");
    bench.host.write("zeros", [0u8; 64]);
    bench.host.copy(&bench.host.path("zeros"), "bin/msb-launch");
    bench.run(&["agent.msb"]).fails(125, &["cannot run `", "exec format error"]);
}

/// Waits for a line of the launcher, sends a signal to msbc alone, and says how msbc ended.
fn signalled(signal: &str) -> (Option<i32>, String) {
    let bench = Bench::new(
        &[RAN],
        "trap 'echo got-TERM; exit 43' TERM; trap 'echo got-INT; exit 44' INT; trap 'echo got-HUP; exit 45' HUP\n\
         echo ready; while :; do sleep 0.05; done",
    );
    let mut child = bench.command(&["agent.msb"]).stdout(Stdio::piped()).spawn().expect("a process");
    let mut out = child.stdout.take().expect("a pipe");
    let mut ready = [0; 6];
    out.read_exact(&mut ready).expect("a line");
    assert_eq!(&ready, b"ready\n");
    let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("UTF-8");
    let status = child.wait().expect("an end");
    assert_eq!(status.signal(), None);
    (status.code(), rest)
}

/// msbc waits for the launcher and ends as it does, so that nothing is left behind.
#[test]
fn signals_reach_the_launcher() {
    assert_eq!(signalled("TERM"), (Some(43), "got-TERM\n".to_owned()));
    assert_eq!(signalled("HUP"), (Some(45), "got-HUP\n".to_owned()));
    assert_eq!(signalled("INT"), (Some(44), "got-INT\n".to_owned()));
}

/// Handlers and masks of msbc are its own: the launcher starts with signals as msbc found them.
#[test]
fn the_launcher_starts_with_signals_as_they_were() {
    let bench = Bench::new(&[RAN], "grep ^Sig /proc/self/status >signals; exit 0");
    bench.run(&["agent.msb"]).is(0, "", "");
    let status = bench.text("signals");
    let mask = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        u64::from_str_radix(line.split_whitespace().nth(1).expect("a mask"), 16).expect("hexadecimal")
    };
    // Of the signals that msbc forwards none is blocked or ignored: HUP, INT, QUIT, USR1, USR2, TERM.
    let forwarded = [1, 2, 3, 10, 12, 15].iter().fold(0, |set, number| set | 1_u64 << (number - 1));
    assert_eq!(mask("SigBlk:") & forwarded, 0, "{status}");
    assert_eq!(mask("SigIgn:") & forwarded, 0, "{status}");
}
