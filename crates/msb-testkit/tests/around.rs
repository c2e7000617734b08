//! What stands around the sandbox: exit codes, signals, lifetimes, descriptors, arguments, environment.

use msb_testkit::{Account, Ended, Workspace, accounts, finish, finish_with_input, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, Read, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A shell, Python, a writable workspace at /work; no limits.
const POLICY: &str = r#"edition 2026
policy around(workspace: dir) {
  include std.base
  include std.python
  net none
  fs { write $workspace at /work }
  env { pass MSBTEST_*, EMPTY }
  exec { cwd /work }
}
"#;

const SECONDS_MAX: u64 = 30;

/// A compiled policy and its workspace.
struct Ready {
    workspace: Workspace,
    plan: PathBuf,
}

impl Ready {
    fn new(account: Account) -> Ready {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(POLICY);
        Ready { workspace, plan }
    }

    fn command(&self, inside: &[&str]) -> Command {
        self.workspace.launch(&self.plan, inside)
    }

    fn run(&self, inside: &[&str]) -> Ended {
        finish(&mut self.command(inside), SECONDS_MAX)
    }

    fn shell(&self, script: &str) -> Ended {
        self.run(&["/bin/sh", "-c", script])
    }

    fn python(&self, script: &str) -> Command {
        self.command(&["python3", "-c", script])
    }
}

fn for_each_account(test: impl Fn(&Ready)) {
    for account in accounts() {
        test(&Ready::new(account));
    }
}

#[track_caller]
fn expect_code(ended: &Ended, code: i32) {
    assert_eq!(ended.code(), code, "stdout: {}\nstderr: {}", ended.out(), ended.err());
}

#[test]
fn exit_codes_pass_through() {
    for_each_account(|ready| {
        for code in [0, 1, 2, 42, 124, 125, 126, 127, 128, 255] {
            expect_code(&ready.shell(&format!("exit {code}")), code);
        }
    });
}

#[test]
fn death_by_signal_is_128_and_the_signal() {
    for_each_account(|ready| {
        for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGSEGV, Signal::SIGHUP, Signal::SIGPIPE] {
            let script = format!("ulimit -c 0; kill -{} $$", signal as i32);
            expect_code(&ready.shell(&script), 128 + signal as i32);
        }
    });
}

#[test]
fn a_command_that_is_not_there_is_127_and_one_that_does_not_run_126() {
    for_each_account(|ready| {
        ready.workspace.write("work/plain", b"#!/bin/sh\n");
        for missing in ["no-such-command", "/work/no-such-file", "/no/such/directory/command"] {
            let ended = ready.run(&[missing]);
            expect_code(&ended, 127);
            assert!(
                ended.err().contains("exec") || ended.err().contains("found"),
                "says why: {}",
                ended.err()
            );
        }
        for refused in ["/work/plain", "/work", "/usr"] {
            expect_code(&ready.run(&[refused]), 126);
        }
    });
}

/// Starts `command` with its output on a pipe and waits until it has written the line `ready`.
fn start(command: &mut Command) -> (Child, impl Read + use<>) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the launcher starts");
    let mut output = child.stdout.take().expect("its output is a pipe");
    let mut line = [0; 6];
    output.read_exact(&mut line).expect("it says that it is ready");
    assert_eq!(&line, b"ready\n");
    (child, output)
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("a pid is an int");
    kill(Pid::from_raw(pid), signal).expect("the launcher is there");
}

fn ended(child: &mut Child) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    let status = wait_until(Duration::from_secs(10), || child.try_wait().expect("it is our child"))?;
    status.code().or_else(|| status.signal().map(|number| 128 + number))
}

#[test]
fn signals_to_the_launcher_reach_the_command_which_may_handle_them() {
    for_each_account(|ready| {
        for number in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGQUIT] {
            let script = format!(
                "import os, signal, time\n\
                 def heard(n, f):\n os.write(1, b'heard %d\\n' % n); os._exit(7)\n\
                 signal.signal({n}, heard)\nos.write(1, b'ready\\n')\n\
                 # Not pause(): what comes just before it would be heard with the next signal alone.\n\
                 while True: time.sleep(0.02)",
                n = number as i32
            );
            let (mut child, mut output) = start(&mut ready.python(&script));
            signal(&child, number);
            assert_eq!(ended(&mut child), Some(7), "{number}");
            let mut rest = String::new();
            output.read_to_string(&mut rest).expect("its output ends");
            assert_eq!(rest, format!("heard {}\n", number as i32));
        }
    });
}

#[test]
fn a_signal_that_the_command_does_not_handle_ends_it() {
    for_each_account(|ready| {
        for number in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            let (mut child, _output) =
                start(&mut ready.command(&["/bin/sh", "-c", "echo ready; exec sleep 600"]));
            signal(&child, number);
            assert_eq!(ended(&mut child), Some(128 + number as i32));
        }
    });
}

/// Ctrl-C is for all of the foreground: a shell that waits for a program would go on waiting, had it the signal alone. Others
/// are for the command.
#[test]
fn ctrl_c_reaches_what_a_shell_has_started() {
    for_each_account(|ready| {
        // bash takes no notice of SIGQUIT.
        for (shell, number, code) in
            [("sh", Signal::SIGINT, 130), ("sh", Signal::SIGQUIT, 131), ("bash", Signal::SIGINT, 130)]
        {
            let script =
                "(trap '' INT QUIT; sleep 100) & sh -c 'echo ready; exec sleep 100'; echo went on; exit 7";
            let (mut child, mut out) = start(&mut ready.command(&[shell, "-c", script]));
            signal(&child, number);
            assert_eq!(ended(&mut child), Some(code), "{shell}, {number}");
            let mut rest = String::new();
            out.read_to_string(&mut rest).expect("text");
            assert_eq!(rest, "", "{shell}, {number}");
        }
        let script =
            "trap 'echo heard; exit 3' TERM; (trap 'echo not this one' TERM; sleep 1) & echo ready; wait";
        let (mut child, mut out) = start(&mut ready.command(&["sh", "-c", script]));
        signal(&child, Signal::SIGTERM);
        assert_eq!(ended(&mut child), Some(3));
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, "heard\n");
    });
}

/// nohup(1), and a shell with what it has in the background, have signals ignored: by the launcher, by `msbc run` and by the
/// command.
#[test]
fn what_is_ignored_outside_is_ignored_inside() {
    for_each_account(|ready| {
        let source = ready.workspace.base().join("policy.msb");
        let mut run = ready.workspace.msbc(["run"]);
        run.arg(source).arg("--set").arg(ready.workspace.setting()).args(["--"]);
        for command in [run, ready.command(&[])] {
            let words: Vec<&OsStr> =
                std::iter::once(command.get_program()).chain(command.get_args()).collect();
            let mut shell = ready.workspace.command("sh");
            shell.args(["-c", "trap '' HUP INT; exec \"$@\"", "sh"]).args(&words);
            shell.args(["sh", "-c", "grep SigIgn /proc/self/status; read line; echo $line"]);
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = shell.spawn().expect("it starts");
            let mut out = std::io::BufReader::new(child.stdout.take().expect("piped"));
            let mut line = String::new();
            out.read_line(&mut line).expect("a line");
            let ignored = line.trim().strip_prefix("SigIgn:\t").map(|hex| u64::from_str_radix(hex, 16));
            assert!(matches!(ignored, Some(Ok(mask)) if mask & 3 == 3), "{words:?}: {line}");
            for one in [Signal::SIGHUP, Signal::SIGINT] {
                signal(&child, one);
            }
            child.stdin.take().expect("piped").write_all(b"survived\n").expect("it reads");
            line.clear();
            out.read_line(&mut line).expect("a line");
            assert_eq!((line.as_str(), ended(&mut child)), ("survived\n", Some(0)), "{words:?}");
        }
    });
}

/// A command that handles a signal goes on: the launcher does not end because it was told to.
#[test]
fn a_command_may_ignore_a_signal() {
    for_each_account(|ready| {
        let script = "trap '' TERM HUP; echo ready; read line; echo went on; exit 3";
        let mut command = ready.command(&["/bin/sh", "-c", script]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the launcher starts");
        let mut output = child.stdout.take().expect("its output is a pipe");
        let mut line = [0; 6];
        output.read_exact(&mut line).expect("it says that it is ready");
        signal(&child, Signal::SIGTERM);
        signal(&child, Signal::SIGHUP);
        drop(child.stdin.take());
        assert_eq!(ended(&mut child), Some(3));
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("its output ends");
        assert_eq!(rest, "went on\n");
    });
}

/// What everything inside holds is a pipe to this test: it ends when the last of them has.
#[test]
fn nothing_survives_when_the_launcher_is_killed_at_any_moment() {
    for_each_account(|ready| {
        // A launch takes a few milliseconds: the moments go through all of it and beyond.
        for moment in 0..60_u64 {
            let script = "setsid sleep 600 & (setsid sleep 600 &) ; sleep 600";
            let mut command = ready.command(&["/bin/sh", "-c", script]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().expect("the launcher starts");
            thread::sleep(Duration::from_micros(moment * 400));
            signal(&child, Signal::SIGKILL);
            child.wait().expect("it is our child");
            let pipes = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
            let closed = thread::spawn(move || {
                let (mut stdout, mut stderr) = pipes;
                let mut bytes = Vec::new();
                // All that counts is that both end.
                let _ = (stdout.read_to_end(&mut bytes), stderr.read_to_end(&mut bytes));
            });
            let gone = wait_until(Duration::from_secs(10), || closed.is_finished().then_some(()));
            assert!(gone.is_some(), "killed after {} µs, something inside lives on", moment * 400);
        }
    });
}

/// Double fork, setsid, signals ignored, no descriptor kept: its heartbeat is all there is to see of it.
const DAEMON: &str = r"
import os, signal, time, sys
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(n, signal.SIG_IGN)
    os.closerange(0, 64)
    beat = 0
    while beat < 400:
        beat += 1
        with open('/work/beat.new', 'w') as f: f.write(str(beat))
        os.rename('/work/beat.new', '/work/beat')
        time.sleep(0.02)
    os._exit(0)
os.wait()
while not os.path.exists('/work/beat'): time.sleep(0.01)
os.write(1, b'ready\n')
";

/// Asserts that the daemon's heart does not beat.
#[track_caller]
fn expect_dead(workspace: &Workspace) {
    let beat = || fs::read_to_string(workspace.join("beat")).expect("the daemon ran");
    let last = beat();
    let next = wait_until(Duration::from_millis(400), || (beat() != last).then(beat));
    assert_eq!(next, None, "the daemon outlives the launcher: last beat {last}");
}

#[test]
fn a_daemon_is_dead_when_the_launcher_returns() {
    for_each_account(|ready| {
        expect_code(&finish(&mut ready.python(DAEMON), SECONDS_MAX), 0);
        expect_dead(&ready.workspace);
    });
}

#[test]
fn a_daemon_is_dead_when_the_launcher_was_killed() {
    for_each_account(|ready| {
        let (mut child, _output) = start(&mut ready.python(&format!("{DAEMON}\nsignal.pause()")));
        signal(&child, Signal::SIGKILL);
        child.wait().expect("it is our child");
        // The kernel ends the others in a moment of its own.
        let still = || {
            let beat = fs::read(ready.workspace.join("beat")).ok();
            thread::sleep(Duration::from_millis(100));
            (fs::read(ready.workspace.join("beat")).ok() == beat).then_some(())
        };
        assert!(wait_until(Duration::from_secs(5), still).is_some());
        expect_dead(&ready.workspace);
    });
}

#[test]
fn bytes_pass_through_unchanged() {
    const BYTES: usize = 64 << 20;
    for_each_account(|ready| {
        // xorshift64: every byte value, no period that could hide a block lost.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut input = Vec::with_capacity(BYTES);
        while input.len() < BYTES {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            input.extend_from_slice(&state.to_le_bytes());
        }
        let ended = finish_with_input(&mut ready.command(&["cat"]), input.clone(), 120);
        assert_eq!(ended.code(), 0, "{}", ended.err());
        assert_eq!(ended.stdout.len(), input.len());
        assert!(ended.stdout == input, "other bytes came out");
    });
}

#[test]
fn only_standard_descriptors_are_inside() {
    for_each_account(|ready| {
        // Descriptors without close-on-exec are what the shell leaves open for the launcher.
        let script = "exec 3</ 5</etc/passwd 7>/dev/null 9</dev/null; exec \"$@\"";
        let inside = "import fcntl\nfor fd in range(3, 1024):\n try:\n  \
                      if not fcntl.fcntl(fd, fcntl.F_GETFD) & 1: print(fd)\n except OSError: pass";
        let launch = ready.python(inside);
        let mut command = ready.workspace.command("/bin/sh");
        command.args(["-c", script, "sh"]).arg(launch.get_program()).args(launch.get_args());
        let ended = finish(&mut command, SECONDS_MAX);
        expect_code(&ended, 0);
        assert_eq!(ended.out(), "");
    });
}

#[test]
fn arguments_are_verbatim() {
    for_each_account(|ready| {
        let words: Vec<OsString> = [
            &b""[..],
            b" ",
            b"a b",
            b"--",
            b"--set",
            b"-x",
            b"$HOME",
            b"*",
            b"'\"\\",
            b"new\nline",
            b"\xff\xfe\x80",
            "naïve".as_bytes(),
        ]
        .iter()
        .map(|bytes| OsString::from_vec(bytes.to_vec()))
        .collect();
        let print = "for word; do printf '%s\\0' \"$word\"; done";
        let mut inside: Vec<&OsStr> = ["/bin/sh", "-c", print, "sh"].map(OsStr::new).to_vec();
        inside.extend(words.iter().map(OsString::as_os_str));
        let ended = finish(&mut ready.workspace.launch(&ready.plan, inside), SECONDS_MAX);
        expect_code(&ended, 0);
        let expected: Vec<u8> = words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        assert_eq!(ended.stdout, expected);
    });
}

#[test]
fn the_environment_is_what_the_policy_passes_verbatim() {
    for_each_account(|ready| {
        let odd = OsString::from_vec(b"\xff\xfe = \n'\"".to_vec());
        let mut command = ready.command(&["/usr/bin/env", "-0"]);
        command
            .env("MSBTEST_ODD", &odd)
            .env("MSBTEST_", "prefix alone")
            .env("EMPTY", "")
            .env("OTHER", "not passed");
        let ended = finish(&mut command, SECONDS_MAX);
        expect_code(&ended, 0);
        let variables: BTreeSet<&[u8]> = ended.stdout.split(|byte| *byte == 0).collect();
        let expected = [b"MSBTEST_ODD=".as_slice(), odd.as_bytes()].concat();
        assert!(variables.contains(expected.as_slice()), "{}", ended.out());
        assert!(variables.contains(&b"MSBTEST_=prefix alone"[..]), "{}", ended.out());
        assert!(variables.contains(&b"EMPTY="[..]), "{}", ended.out());
        assert!(!ended.out().contains("OTHER"), "{}", ended.out());
    });
}

#[test]
fn an_empty_environment_is_enough() {
    for_each_account(|ready| {
        let mut command = ready.command(&["/bin/sh", "-c", "echo fine"]);
        command.env_clear();
        let ended = finish(&mut command, SECONDS_MAX);
        expect_code(&ended, 0);
        assert_eq!(ended.out(), "fine\n");
    });
}

/// With 0, 1 and 2 closed, the launcher's own files must not take their numbers and reach the command.
#[test]
fn closed_standard_descriptors_are_not_filled_with_others() {
    for_each_account(|ready| {
        let inside = "import os\nsaid = []\nfor fd in (0, 1, 2):\n try: said.append(os.readlink(f'/proc/self/fd/{fd}'))\n \
                      except OSError: said.append('closed')\nopen('/work/said', 'w').write('\\n'.join(said))";
        for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
            let launch = ready.python(inside);
            let mut command = ready.workspace.command("/bin/sh");
            command.args(["-c", &format!("exec \"$@\" {closed}"), "sh"]);
            command.arg(launch.get_program()).args(launch.get_args());
            expect_code(&finish(&mut command, SECONDS_MAX), 0);
            let said = fs::read_to_string(ready.workspace.join("said")).expect("the command ran");
            for line in said.lines() {
                let fine = line == "closed" || line == "/dev/null" || line.starts_with("pipe:");
                assert!(fine, "{closed}: {said}");
            }
            fs::remove_file(ready.workspace.join("said")).expect("it is there");
        }
    });
}

#[test]
fn a_deleted_working_directory_is_no_obstacle() {
    for_each_account(|ready| {
        let launch = ready.command(&["/bin/sh", "-c", "pwd"]);
        let gone = ready.workspace.base().join("home/gone");
        let mut command = ready.workspace.command("/bin/sh");
        let script = "mkdir \"$0\" && cd \"$0\" && rmdir \"$0\" && exec \"$@\"";
        command.args(["-c", script]).arg(&gone).arg(launch.get_program()).args(launch.get_args());
        let ended = finish(&mut command, SECONDS_MAX);
        expect_code(&ended, 0);
        assert_eq!(ended.out(), "/work\n");
    });
}

#[test]
fn twenty_at_once() {
    for_each_account(|ready| {
        let children: Vec<(usize, Child)> = (0..20)
            .map(|index| {
                let mut command =
                    ready.command(&["/bin/sh", "-c", &format!("sleep 0.2; echo {index}; exit {index}")]);
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                (index, command.spawn().expect("the launcher starts"))
            })
            .collect();
        for (index, child) in children {
            let output = child.wait_with_output().expect("it ends");
            assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{index}\n"));
            assert_eq!(output.status.code(), i32::try_from(index).ok());
        }
    });
}
