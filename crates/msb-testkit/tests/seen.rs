//! What the network refuses is seen: in the log, in the report, and by `--explain`, with the rule that would be needed.

use msb_testkit::{Account, Ended, Workspace, World, accounts, finish};
use serde_json::Value;

const POLICY: &str = r#"edition 2026
policy net(workspace: dir, key: secret) {
  include std.base
  include std.python
  limits { memory 2GiB  pids 128  wall 1min }
  syscalls { allow @network-io, @system-service }
  accept MSB0809 because "the world of the test has plain servers"
  fs { write $workspace at /work }
  env { pass PATH }
  net {
    allow http "web.example"
    allow tls "tls.example"
    allow https "api.example" only GET, HEAD inject $key
    deny tcp 203.0.113.11
MORE
  }
}
"#;

/// The numbers of its lines.
const NET: u64 = 10;
const API: u64 = 13;
const DENY: u64 = 14;

const PRELUDE: &str = "
import socket, ssl, urllib.request
def dial(host, port, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, kind); s.settimeout(5)
    s.connect((host, port)); return s
def refused(attempt):
    try: attempt()
    except OSError: return
    print('survived', flush=True)
";

/// What each attempt is told of: what, the line that decides, and the rule that would be needed.
const REFUSALS: &[(&str, &str, u64, Option<&str>)] = &[
    // By the kernel, at once.
    ("dial('203.0.113.99', 443)", "connect tcp 203.0.113.99:443", NET, Some("allow tcp 203.0.113.99:443")),
    ("dial('2001:db8::9', 80)", "connect tcp [2001:db8::9]:80", NET, Some("allow tcp [2001:db8::9]:80")),
    ("dial('::ffff:10.1.2.3', 22)", "connect tcp 10.1.2.3:22", NET, Some("allow tcp 10.1.2.3:22")),
    ("dial('203.0.113.11', 9000)", "connect tcp 203.0.113.11:9000", DENY, None),
    ("dial('169.254.169.254', 80)", "connect tcp 169.254.169.254:80", NET, None),
    ("dial('198.18.0.4', 5432)", "connect tcp host:5432", NET, Some("allow tcp host:5432")),
    ("dial('tls.example', 80)", "connect tcp tls.example:80", NET, Some("allow http \"tls.example\":80")),
    (
        "dial('203.0.113.99', 53, socket.SOCK_DGRAM).send(b'x')",
        "connect udp 203.0.113.99:53",
        NET,
        Some("allow udp 203.0.113.99:53"),
    ),
    // By the gateway.
    ("dial('other.example', 443)", "look up other.example", NET, Some("allow https \"other.example\":443")),
    (
        "ssl.create_default_context().wrap_socket(dial('tls.example', 443), server_hostname='twin.example')",
        "connect tls tls.example:443, asking for twin.example",
        12,
        Some("allow tls \"twin.example\":443"),
    ),
    (
        "urllib.request.urlopen('https://api.example/v1/items', b'x')",
        "POST /v1/items of https api.example:443",
        API,
        Some("allow https \"api.example\":443 only POST /v1/items inject $key"),
    ),
];

fn script() -> String {
    let attempts: String =
        REFUSALS.iter().map(|(attempt, ..)| format!("refused(lambda: {attempt})\n")).collect();
    format!("{PRELUDE}{attempts}")
}

#[test]
fn every_refusal_of_the_network_is_told_with_what_it_needs() {
    for account in accounts() {
        let Some(world) = World::new(account) else { return };
        let base = world.workspace.home();
        let (audit, report) = (base.join("audit"), base.join("report"));
        let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
        let (audit_at, report_at) = (text(&audit), text(&report));
        let options = ["--explain", "--audit", &audit_at, "--report", &report_at];
        let ended = world.run(&POLICY.replace("MORE", ""), &options, &["python3", "-c", &script()]);
        assert_eq!((ended.code(), ended.out().as_str()), (0, ""), "{account:?} {}", ended.err());
        let told = ended.err();
        let lines: Vec<&str> = told.lines().collect();
        for (attempt, what, line, needed) in REFUSALS {
            let found = lines.iter().position(|it| *it == format!("refused  {what}"));
            let found = found.unwrap_or_else(|| panic!("{attempt}: no `{what}` in\n{told}"));
            assert!(lines[found + 1].contains(&format!("policy.msb:{line}: ")), "{what}\n{told}");
            let next = lines.get(found + 2).and_then(|it| it.strip_prefix("         it needs: "));
            assert_eq!(next, *needed, "{what}\n{told}");
            // Once, however often it was tried.
            let times = lines.iter().filter(|it| **it == format!("refused  {what}")).count();
            assert_eq!(times, 1, "{what}\n{told}");
        }
        check_log(&audit, &told);
        let report = std::fs::read_to_string(report).expect("a report");
        let report: Vec<Value> = report.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
        let denied = |target: &str, port: u64| {
            let is =
                |it: &&Value| it["event"] == "network-denied" && it["target"] == target && it["port"] == port;
            report.iter().find(is).unwrap_or_else(|| panic!("{target}:{port} in {report:#?}"))
        };
        assert_eq!(denied("203.0.113.99", 443)["reason"], "no-rule");
        assert_eq!(denied("203.0.113.11", 9000)["origin"]["line"], DENY);
        let refused = report.iter().filter(|it| it["event"] == "refused" && !it["needed"].is_null());
        assert_eq!(refused.count(), REFUSALS.iter().filter(|it| it.3.is_some()).count());
    }
}

/// The log that went through `--explain` is whole.
#[track_caller]
fn check_log(audit: &std::path::Path, told: &str) {
    let log = std::fs::read_to_string(audit).expect("a log");
    let log: Vec<Value> = log.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    let by_kernel = log.iter().filter(|it| it["by"] == "kernel").count();
    assert_eq!(by_kernel, 8, "{log:#?}\n{told}");
    let needed: Vec<&str> = REFUSALS.iter().filter_map(|it| it.3).collect();
    for needed in needed {
        assert!(log.iter().any(|it| it["needed"] == needed), "{needed}: {log:#?}");
    }
    let totals = log.last().expect("totals");
    assert_eq!((&totals["event"], &totals["kernel"]), (&Value::from("totals"), &Value::from("listed")));
    assert_eq!(totals["connections"]["denied"], 9, "{totals}");
}

/// Who types what is said, as often as it is said, gets there.
#[test]
fn the_rule_that_is_named_is_what_it_takes() {
    const STEPS_MAX: usize = 3;
    let attempts = [
        "curl -sS -f -m 10 http://203.0.113.10/",
        "curl -sS -f -m 10 http://other.example/",
        "curl -sS -f -m 10 -d x https://api.example/",
        "curl -sS -f -m 10 https://api.example:443/ -X PUT",
        "python3 -c 'import socket; socket.create_connection((\"raw.example\", 9000)).recv(9)'",
        "python3 -c 'import socket; socket.create_connection((\"198.18.0.4\", 5432)).recv(9)'",
        "a=$(getent hosts tls.example | cut -d\" \" -f1); \
         curl -sS -m 10 --connect-to twin.example:443:$a:443 https://twin.example/ >/dev/null; \
         curl -sS -f -m 10 https://twin.example/",
    ];
    let Some(world) = World::new(Account::current()) else { return };
    for attempt in attempts {
        let mut more = String::new();
        let mut steps = 0;
        loop {
            let policy = POLICY.replace("MORE", &more).replace("    deny tcp 203.0.113.11\n", "");
            let ended = world.run(&policy, &["--explain"], &["bash", "-c", attempt]);
            if ended.code() == 0 {
                break;
            }
            steps += 1;
            assert!(steps <= STEPS_MAX, "{attempt}\n{more}\n{}", ended.err());
            let told = ended.err();
            let needed: Vec<&str> =
                told.lines().filter_map(|line| line.strip_prefix("         it needs: ")).collect();
            assert!(!needed.is_empty(), "{attempt}\n{more}\n{told}");
            more.extend(needed.iter().map(|rule| format!("    {rule}\n")));
        }
        assert!(steps > 0, "{attempt} is refused at first");
    }
}

const ALONE: &str = "edition 2026
policy alone {
  include std.base
  include std.python
  syscalls { allow @network-io }
  limits { memory 256MiB  pids 64  wall 1min }
  net { allow tls \"tls.example\" }
}
";

fn alone(account: Account, options: &[&str], script: &str) -> (Ended, Vec<Value>) {
    let workspace = Workspace::new(account);
    let policy = workspace.write("policy.msb", ALONE.as_bytes());
    workspace.own();
    let audit = workspace.home().join("audit");
    let mut run = workspace.msbc(["run"]);
    run.arg("--audit").arg(&audit).args(options).arg(policy).args(["--", "python3", "-c", script]);
    let ended = finish(&mut run, 60);
    let log = std::fs::read_to_string(audit).unwrap_or_default();
    (ended, log.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect())
}

/// A flood is counted to the last one, and what it costs is bounded.
#[test]
fn a_flood_of_refusals_is_counted_and_not_listed() {
    let script = "
import socket
for n in range(20000):
    s = socket.socket()
    try: s.connect(('203.0.113.9', 443))
    except ConnectionRefusedError: pass
    s.close()
";
    for account in accounts() {
        for options in [&[][..], &["--explain"]] {
            let (ended, log) = alone(account, options, script);
            assert_eq!(ended.code(), 0, "{}", ended.err());
            let totals = log.last().expect("totals");
            assert_eq!(totals["connections"]["denied"], 20000, "{account:?} {totals}");
            // At most those of the burst, and what is added in the seconds that it lasts.
            assert!(log.len() < 10_000, "{}", log.len());
            let listed = log.iter().filter(|it| it["event"] == "connection" && it["times"].is_null()).count();
            let unlisted: u64 = log.iter().filter_map(|it| it["times"].as_u64()).sum();
            assert_eq!(listed as u64 + unlisted, 20000);
            assert!(listed >= 200 && unlisted > 0, "{listed} {unlisted}");
        }
    }
}

/// Many different ones fill no terminal.
#[test]
fn explaining_the_network_is_bounded() {
    let script = "
import socket
for port in range(1, 301):
    s = socket.socket()
    try: s.connect(('203.0.113.9', port))
    except ConnectionRefusedError: pass
    s.close()
";
    let (ended, log) = alone(Account::current(), &["--explain"], script);
    assert_eq!(ended.code(), 0, "{}", ended.err());
    assert_eq!(log.last().expect("totals")["connections"]["denied"], 300);
    let told = ended.err();
    assert_eq!(told.matches("it needs: allow tcp 203.0.113.9:").count(), 64, "{told}");
    assert!(told.contains("the network refused more than is told"), "{told}");
    assert!(told.contains("300 refused"), "{told}");
}

/// A log that can't be kept ends the run, with and without `--explain`.
#[test]
fn a_log_that_can_not_be_kept_ends_the_run() {
    for options in [&[][..], &["--explain"]] {
        let account = Account::current();
        let workspace = Workspace::new(account);
        let policy = workspace.write("policy.msb", ALONE.as_bytes());
        workspace.own();
        let script = "
import socket, time
for n in range(2000):
    try: socket.create_connection(('203.0.113.9', 443))
    except OSError: time.sleep(0.01)
";
        let mut run = workspace.msbc(["run", "--audit", "/dev/full"]);
        run.args(options).arg(policy).args(["--", "python3", "-c", script]);
        let ended = finish(&mut run, 60);
        assert_eq!(ended.code(), 137, "{options:?} {}", ended.err());
        assert!(ended.err().contains("gateway had ended"), "{options:?} {}", ended.err());
    }
}
