//! What a run leaves behind: the audit log, whose lines are tied together, and counts in the report.

use msb_testkit::{World, accounts, binaries, finish};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const POLICY: &str = r#"edition 2026
policy audited(workspace: dir, key: secret) {
  include std.base
  limits { memory 1GiB  pids 64  wall 1min }
  syscalls { allow @network-io }
  accept MSB0809 because "the world of the test has plain servers"
  fs { read $workspace at /work }
  env { pass PATH }
  net {
    allow http "web.example"
    allow https "api.example" only GET inject $key
    allow tcp "raw.example":9000
    deny tcp 203.0.113.0/24:22
  }
}
"#;

const SCRIPT: &str = r#"
get() { curl -sS -m 10 -o /dev/null "$@"; }
get http://web.example/ http://web.example/two
get https://api.example/
get -X DELETE https://api.example/
get http://other.example/
get http://other.example/
exec 3<>/dev/tcp/raw.example/9000; cat <&3 >/dev/null
"#;

/// The log and the report of a run of [`SCRIPT`].
fn run(world: &World) -> (PathBuf, PathBuf) {
    let (log, report) = (world.workspace.home().join("log"), world.workspace.home().join("report"));
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let options = ["--audit", &path(&log), "--report", &path(&report)];
    let ended = world.run(POLICY, &options, &["bash", "-c", SCRIPT]);
    assert_eq!(ended.code(), 0, "{}", ended.err());
    (log, report)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_report_counts_what_went_by_each_line() {
    for account in accounts() {
        let Some(world) = World::new(account) else { return };
        let (log, report) = run(&world);
        let report = lines(&report);
        let of = |event: &'static str| report.iter().filter(move |line| line["event"] == event);
        let rule = |line: u64| {
            let found =
                of("network-rule").find(|it| it["origin"]["line"] == line).expect("a line of the policy");
            assert!(found["lookups"].as_u64() >= Some(1), "{found}");
            ["connections", "requests", "requests_denied"].map(|key| found[key].clone())
        };
        assert_eq!(rule(10), [1, 2, 0].map(Value::from), "{account:?} {report:#?}");
        assert_eq!(rule(11), [2, 1, 1].map(Value::from));
        assert_eq!(rule(12), [1, 0, 0].map(Value::from));
        let raw = of("network-rule").find(|it| it["origin"]["line"] == 12).expect("it");
        assert_eq!((&raw["up_bytes"], &raw["down_bytes"]), (&json!(0), &json!(3)));
        let denied: Vec<[&Value; 4]> = of("network-denied")
            .map(|it| ["subject", "target", "reason", "times"].map(|key| &it[key]))
            .collect();
        let expected = [
            ["lookup", "other.example", "no-rule"].map(Value::from),
            ["request", "api.example", "no-rule"].map(Value::from),
        ];
        for ((found, expected), times) in denied.iter().zip(&expected).zip([2, 1]) {
            assert_eq!(found[..3], expected.iter().collect::<Vec<_>>()[..], "{denied:?}");
            assert!(found[3].as_u64() >= Some(times), "{denied:?}");
        }
        assert_eq!(denied.len(), 2, "{denied:?}");
        let all = of("network").next().expect("totals");
        let count = lines(&log).len();
        assert_eq!((&all["connections"], &all["requests"]), (&json!(4), &json!(3)));
        assert_eq!(all["audit_lines"], count);
        assert!(all["sentence"].as_str().is_some_and(|it| it.contains("3 requests (1 refused)")), "{all}");
    }
}

/// `msbc audit verify` of what `change` makes of a log: its exit code and what it says.
#[track_caller]
fn verified(log: &Path, report: Option<&Path>, change: impl Fn(&mut Vec<String>)) -> (i32, String) {
    let text = fs::read_to_string(log).expect("a log");
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    change(&mut lines);
    let changed = log.with_extension("changed");
    fs::write(&changed, lines.concat()).expect("written");
    let mut command = Command::new(&binaries().msbc);
    command.args(["audit", "verify"]).arg(&changed);
    command.args(report.iter().flat_map(|report| ["--report".as_ref(), report.as_os_str()]));
    let ended = finish(&mut command, 20);
    (ended.code(), ended.out() + &ended.err())
}

#[test]
fn a_log_that_was_changed_is_found_out() {
    let Some(world) = accounts().first().and_then(|account| World::new(*account)) else { return };
    let (log, report) = run(&world);
    let (code, said) = verified(&log, Some(&report), |_| ());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("lines from line 1, last "), "{said}");

    let broken = |change: &dyn Fn(&mut Vec<String>), why: &str| {
        let (code, said) = verified(&log, None, change);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(why), "expected {why}, found {said}");
    };
    broken(&|lines| lines[2] = lines[2].replace("allow", "deny"), "changed:4: the line before it is not");
    broken(&|lines| drop(lines.remove(1)), "changed:2: it has number 2 where 1 should be");
    broken(&|lines| lines.swap(1, 2), "changed:2: it has number 2 where 1 should be");
    broken(&|lines| drop(lines.remove(0)), "changed:1: it has number 1 where 0 should be");
    broken(&|lines| lines.insert(0, "{}\n".to_owned()), "changed:1: it is no line of an audit log");
    broken(&|lines| drop(lines.pop()), "its last line is not the end of a run");
    broken(&Vec::clear, "it is empty");
    broken(
        &|lines| {
            let last = lines.len() - 1;
            lines[last].truncate(30);
        },
        "it was cut off",
    );

    // A last line that somebody made up follows from the one before; the report knows better.
    let forged = |lines: &mut Vec<String>| {
        let last = lines.len() - 1;
        lines[last] = lines[last].replace("\"denied\":1", "\"denied\":0");
    };
    assert_eq!(verified(&log, None, forged).0, 0);
    let (code, said) = verified(&log, Some(&report), forged);
    assert_eq!(code, 1);
    assert!(said.contains("its last line is not the one of the report"), "{said}");
    let whole_without_one = |lines: &mut Vec<String>| drop(lines.remove(lines.len() - 2));
    assert_eq!(verified(&log, Some(&report), whole_without_one).0, 1);
    let other = world.workspace.write("other", b"{\"event\":\"ended\"}\n");
    assert!(verified(&log, Some(&other), |_| ()).1.contains("the report does not say how the log ended"));
}

/// The launcher alone writes the same counts as JSON.
#[test]
fn the_launcher_reports_the_same() {
    for account in accounts() {
        let Some(world) = World::new(account) else { return };
        let plan = world.workspace.compile(POLICY);
        let bin = world.workspace.bin();
        let report = world.workspace.home().join("report");
        let words = [
            bin.join("msb-launch").to_str().expect("UTF-8").to_owned(),
            plan.to_str().expect("UTF-8").to_owned(),
            "--set".to_owned(),
            world.workspace.setting(),
            "--set".to_owned(),
            "key=env:KEY".to_owned(),
            "--report".to_owned(),
            report.to_str().expect("UTF-8").to_owned(),
        ];
        let mut command = world.host(&words.each_ref().map(String::as_str));
        let ended = finish(command.args(["--", "bash", "-c", SCRIPT]), 60);
        assert_eq!(ended.code(), 0, "{}", ended.err());
        let report = lines(&report);
        let all = report.iter().find(|it| it["event"] == "network").expect("totals");
        assert_eq!((&all["connections"], &all["requests_denied"]), (&json!(4), &json!(1)), "{account:?}");
        assert_eq!((&all["audit_lines"], &all["audit_sha256"]), (&Value::Null, &Value::Null));
        let rules = report.iter().filter(|it| it["event"] == "network-rule").count();
        let denied = report.iter().filter(|it| it["event"] == "network-denied").count();
        assert_eq!((rules, denied), (3, 2), "{report:#?}");
    }
}

/// Every kind of event, allowed and denied, and what a program reads of the sums.
#[test]
fn every_kind_of_event_is_there() {
    let Some(world) = accounts().first().and_then(|account| World::new(*account)) else { return };
    let log = world.workspace.home().join("log");
    let script = "exec 2>/dev/null; python3 -m http.server 8000 --bind 127.0.0.1 >/dev/null 2>&1 & \
        curl -sS -o /dev/null https://api.example/; curl -sS -o /dev/null -X PUT https://api.example/; \
        curl -sS http://other.example/; curl -sS http://203.0.113.10:81/; \
        for i in $(seq 100); do curl -sS http://127.0.0.1:8000/ && break; sleep 0.1; done; sleep 1";
    let policy = POLICY
        .replace("include std.base", "include std.base\n  include std.python")
        .replace("allow @network-io", "allow @network-io, @system-service")
        .replace("deny tcp", "listen tcp host:18123 at 8000\n    deny tcp");
    let path = world.workspace.write("policy.msb", policy.as_bytes());
    let run = format!(
        "{msbc} run {policy} --json --set {setting} --set key=env:KEY --audit {log} -- bash -c '{script}' 2>stderr & \
         for i in $(seq 100); do curl -sS -o /dev/null http://[::1]:18123/ 2>/dev/null && break; sleep 0.1; done; wait",
        msbc = world.workspace.bin().join("msbc").display(),
        policy = path.display(),
        setting = world.workspace.setting(),
        log = log.display(),
        script = script.replace('\'', "'\\''"),
    );
    let home = world.workspace.home();
    let ended = finish(&mut world.host(&["sh", "-c", &format!("cd {}; {run}", home.display())]), 90);
    assert_eq!(ended.code(), 0, "{}", ended.err());
    let all = lines(&log);
    let kinds: std::collections::BTreeSet<(String, String)> = all
        .iter()
        .map(|line| ["event", "decision"].map(|key| line[key].as_str().unwrap_or_default().to_owned()))
        .map(|[event, decision]| (event, decision))
        .collect();
    let expected = [
        ("connection", "allow"),
        ("connection", "deny"),
        ("end", ""),
        ("listen", ""),
        ("lookup", "allow"),
        ("lookup", "deny"),
        ("request", "allow"),
        ("request", "deny"),
        ("totals", ""),
    ];
    let expected = expected.map(|(event, decision)| (event.to_owned(), decision.to_owned()));
    assert_eq!(kinds, expected.into(), "{all:#?}");
    let said = lines(&home.join("stderr"));
    let sums = said.iter().find(|line| line["event"] == "network").expect("the sums, by --json");
    let members: Vec<&str> = sums.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = [
        "audit_lines",
        "audit_sha256",
        "connections",
        "connections_denied",
        "down_bytes",
        "event",
        "lookups",
        "lookups_denied",
        "requests",
        "requests_denied",
        "sentence",
        "up_bytes",
    ];
    assert_eq!(members, expected, "{sums}");
    assert_eq!(sums["audit_lines"], all.len());
    let totals = all.last().expect("a last line");
    for key in ["lookups", "connections", "requests"] {
        assert_eq!(sums[key], totals[key]["allowed"], "{key}");
        assert_eq!(sums[format!("{key}_denied")], totals[key]["denied"], "{key}");
    }
}

/// A program that was told the key makes the gateway write down requests with it, and another user looks at the processes.
#[test]
fn a_secret_is_in_nothing_that_anybody_reads() {
    for account in accounts() {
        let Some(world) = World::new(account) else { return };
        let home = world.workspace.home();
        let policy = POLICY.replace("only GET inject", "only GET /echo/** inject");
        let path = world.workspace.write("policy.msb", policy.as_bytes());
        let script = "for method in GET PUT; do curl -sS -X $method https://api.example/echo/sk-4711?k=sk-4711; \
            curl -sS -X $method https://api.example/sk-4711/; done; sleep 3";
        // Whoever is not root reads the environment of no gateway, his own included.
        let environment =
            if account.is_root() { "" } else { "cat $it/environ 2>/dev/null | tr '\\0' '\\n';" };
        let run = format!(
            "{msbc} run {policy} --explain --set {setting} --set key=env:KEY --audit log --report report -- \
               bash -c '{script}' >/dev/null 2>stderr & \
             sleep 2; for it in /proc/[0-9]*; do [ \"$(cat $it/comm 2>/dev/null)\" = msb-gateway ] || continue; \
               tr '\\0' ' ' < $it/cmdline; {environment} done; \
             wait; cat log report stderr",
            msbc = world.workspace.bin().join("msbc").display(),
            policy = path.display(),
            setting = world.workspace.setting(),
        );
        let ended = finish(&mut world.host(&["sh", "-c", &format!("cd {}; {run}", home.display())]), 90);
        let said = ended.out() + &ended.err();
        assert!(said.contains("msb-gateway --plan-fd"), "{said}");
        assert!(said.contains("\"event\":\"request\"") && said.contains("refused  PUT"), "{said}");
        assert!(!said.contains("sk-4711"), "{said}");
    }
}
