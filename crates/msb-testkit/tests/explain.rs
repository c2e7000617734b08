//! `msbc run --explain`: every refusal with the line of the policy that decides, as root and as a user.

use msb_testkit::{Account, Ended, Workspace, accounts, finish};
use serde_json::Value;
use std::path::Path;

/// The policy whose lines are named below; the numbers are those lines'.
const POLICY: &str = "edition 2026
policy explained(workspace: dir) {
  include std.base
  include std.python
  net none
  fs {
    write $workspace at /work
    deny read $workspace/secret
    deny read ~/.ssh
  }
  syscalls {
    errno EPERM ptrace
    errno EACCES mprotect where prot has all PROT_WRITE | PROT_EXEC
  }
  limits { memory 256MiB  pids 12  wall 1min  files 256 }
  exec { cwd /work }
}
";

fn explain(account: Account, options: &[&str], script: &str) -> Ended {
    let workspace = Workspace::new(account);
    workspace.write("home/.ssh/id_ed25519", b"key");
    workspace.write("work/secret", b"hidden");
    let policy = workspace.write("policy.msb", POLICY.as_bytes());
    workspace.own();
    let mut run = workspace.msbc(["run", "--explain", "--set"]);
    run.arg(workspace.setting()).args(options).arg(policy).args(["--", "python3", "-c", script]);
    run.arg(workspace.home());
    finish(&mut run, 60)
}

/// What each attempt is told of, and the text of the line that decides.
const REFUSALS: &[(&str, &str, &str)] = &[
    ("open(sys.argv[1] + '/.ssh/id_ed25519')", "/.ssh/id_ed25519", ":9: deny read ~/.ssh"),
    ("open('/work/secret')", "read /work/secret", ":8: deny read $workspace/secret"),
    ("open('secret')", "read /work/secret", ":8: deny read $workspace/secret"),
    ("open('/etc/shadow')", "read /etc/shadow", ":2: policy explained"),
    ("open('/usr/bin/python3', 'r+')", "write /usr/bin/python3", "std.base:"),
    ("os.mkdir('/usr/new')", "write /usr/new", "std.base:"),
    ("os.unlink('/usr/bin/env')", "write /usr/bin/env", "std.base:"),
    ("os.rename('/work/README.md', '/usr/x')", "write /usr/x", "std.base:"),
    (
        "socket.socket()",
        "socket(domain: AF_INET, type: SOCK_STREAM|SOCK_CLOEXEC, protocol: 0) → EACCES",
        ":5: net none",
    ),
    ("call('ptrace', 0, 0, 0, 0)", "ptrace(request: PTRACE_TRACEME", ":12: errno EPERM ptrace"),
    ("call('unshare', 0x10000000)", "unshare(flags: CLONE_NEWUSER) → EPERM", ":2: policy explained"),
    (
        "call('mprotect', 0, 4096, 6)",
        "mprotect(start: 0, len: 4096, prot: PROT_WRITE|PROT_EXEC",
        ":13: errno EACCES mprotect",
    ),
    ("fill()", "start a process beside 12 others", ":15: pids 12"),
];

const PRELUDE: &str = "
import ctypes, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1: raise OSError(ctypes.get_errno(), name)
def fill():
    children = []
    try:
        for _ in range(40):
            child = os.fork()
            if child == 0:
                time.sleep(30); os._exit(0)
            children.append(child)
    finally:
        for child in children: os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
def refused(attempt):
    try: attempt()
    except OSError: return
    print('survived', flush=True)
";

#[test]
fn every_refusal_has_its_line() {
    for account in accounts() {
        let mut script = PRELUDE.to_owned();
        for (attempt, ..) in REFUSALS {
            script.push_str(&format!("refused(lambda: {attempt})\n"));
        }
        let ended = explain(account, &[], &script);
        assert_eq!(ended.code(), 0, "{}\n{}", ended.out(), ended.err());
        assert!(!ended.out().contains("survived"), "{}\n{}", ended.out(), ended.err());
        let told = ended.err();
        let pairs: Vec<(&str, &str)> = told.lines().zip(told.lines().skip(1)).collect();
        for (attempt, what, line) in REFUSALS {
            let found =
                |(a, b): &(&str, &str)| a.starts_with("refused  ") && a.contains(what) && b.contains(line);
            assert!(pairs.iter().any(found), "{attempt}: no `{what}` by `{line}` in\n{told}");
        }
    }
}

#[test]
fn what_is_allowed_is_not_told() {
    let script = "
import os, socket, subprocess, tempfile, threading
open('/work/made', 'w').write('x'); os.rename('/work/made', '/work/kept'); os.unlink('/work/kept')
os.mkdir('/work/d'); os.listdir('/'); os.listdir('/etc'); open('/etc/passwd').read(); open('/dev/null', 'w')
subprocess.run(['/bin/true'], check=True); a, b = socket.socketpair()
t = threading.Thread(target=lambda: None); t.start(); t.join()
x = bytearray(32 << 20)
try: open('/no/such/file')
except OSError: pass
print('done')
";
    for account in accounts() {
        let ended = explain(account, &[], script);
        assert_eq!((ended.code(), ended.out().as_str()), (0, "done\n"), "{}", ended.err());
        assert!(!ended.err().contains("refused  "), "{}", ended.err());
        assert!(ended.err().contains("nothing was refused"), "{}", ended.err());
    }
}

#[test]
fn refusals_are_data_for_programs() {
    let script = "
import os
try: open('/work/secret')
except OSError: pass
";
    for account in accounts() {
        let ended = explain(account, &["--json"], script);
        let lines: Vec<Value> =
            ended.err().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let refusal = lines.iter().find(|line| line["event"] == "refused");
        let refusal = refusal.unwrap_or_else(|| panic!("{}", ended.err()));
        assert_eq!(refusal["what"], "read /work/secret");
        assert_eq!(refusal["why"], "denied");
        assert_eq!(refusal["origin"]["line"], 8);
        assert_eq!(refusal["origin"]["text"], "deny read $workspace/secret");
    }
}

#[test]
fn a_name_can_not_write_to_the_terminal() {
    let script = "
try: open('/usr/bin/\\x1b[31mred\\u202e', 'w')
except OSError: pass
";
    for account in accounts() {
        let ended = explain(account, &[], script);
        assert!(ended.err().contains("write /usr/bin/\\u{1b}[31mred\\u{202e}"), "{}", ended.err());
        assert!(!ended.err().contains('\u{1b}'), "{}", ended.err());
    }
}

/// The same run with and without --explain comes to the same, but for what is said.
#[test]
fn explaining_changes_nothing_else() {
    let script = format!("{PRELUDE}
results = []
for attempt in (lambda: socket.socket(), lambda: call('ptrace', 0, 0, 0, 0), lambda: open('/etc/shadow'), lambda: os.getcwd()):
    try: attempt(); results.append('allowed')
    except OSError as e: results.append(e.errno)
print(results)
os.kill(os.getpid(), signal.SIGTERM)
");
    for account in accounts() {
        let with = explain(account, &[], &script);
        let workspace = Workspace::new(account);
        let plan = workspace.compile(POLICY);
        let without = finish(&mut workspace.launch(&plan, ["python3", "-c", &script]), 60);
        assert_eq!((with.out(), with.code()), (without.out(), without.code()), "{}", with.err());
        assert_eq!(with.code(), 128 + 15);
    }
}

#[test]
fn the_policy_of_these_tests_says_what_they_name() {
    for (_, _, line) in REFUSALS.iter().filter(|(_, _, line)| line.starts_with(':')) {
        let (number, text) = line[1..].split_once(": ").expect("number and text");
        let number: usize = number.parse().expect("a number");
        let found = POLICY.lines().nth(number - 1).expect("that many lines");
        assert!(found.contains(text), "{number}: {found}");
    }
    assert!(Path::new("/etc/shadow").exists(), "what is refused must be there");
}
