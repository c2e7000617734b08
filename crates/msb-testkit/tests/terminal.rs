//! `tty private`: a terminal of the command's own, met as a person at a shell meets it; and `tty none`.

use msb_testkit::{
    Account, Need, Screen, Workspace, accounts, descendants, finish_with_input, skip, wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn policy(exec: &str, limits: &str) -> String {
    format!(
        "edition 2026\npolicy terminal(workspace: dir) {{\n  include std.base\n  include std.python\n  net none\n  \
         fs {{ write $workspace at /work }}\n  env {{ pass TERM }}\n  \
         limits {{ memory 1GiB  pids 64  {limits} }}\n  exec {{ {exec}  cwd /work }}\n}}\n"
    )
}

/// A workspace with a plan for `tty private`, a person at a terminal, and the beginning of a command line.
struct Scene {
    workspace: Workspace,
    screen: Screen,
    launch: String,
}

impl Scene {
    fn new(account: Account) -> Scene {
        Scene::with(account, "wall 1min")
    }

    fn with(account: Account, limits: &str) -> Scene {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(&policy("tty private", limits));
        let launch = launch(&workspace, &plan);
        let screen = Screen::new(&workspace);
        Scene { workspace, screen, launch }
    }

    /// Starts `command` at the prompt, and leaves it running.
    fn start(&mut self, command: &str) {
        let line = format!("{} {command}\n", self.launch);
        self.screen.send(&line);
    }

    /// Runs `command` to its end and gives what it shows.
    #[track_caller]
    fn run(&mut self, command: &str) -> String {
        let line = format!("{} {command}; echo status $?", self.launch);
        self.screen.run(&line)
    }

    /// Starts an interactive shell inside, whose prompt is `inside> `.
    fn shell(&mut self) {
        self.start("bash --norc --noprofile --noediting -i");
        self.screen.expect("$ ");
        self.inside("PS1='in''side> '");
    }

    /// Types a line to it.
    #[track_caller]
    fn inside(&mut self, line: &str) -> String {
        self.screen.send(&format!("{line}\n"));
        self.screen.expect("inside> ")
    }
}

fn launch(workspace: &Workspace, plan: &Path) -> String {
    format!(
        "{} {} --set {} --",
        workspace.bin().join("msb-launch").display(),
        plan.display(),
        workspace.setting()
    )
}

/// The state of a process as proc(5) has it, `R`, `S`, `T` and others.
fn state(pid: i32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

#[track_caller]
fn expect_state(pid: i32, wanted: fn(char) -> bool) {
    let came = wait_until(PATIENCE, || state(pid).filter(|state| wanted(*state)));
    assert!(came.is_some(), "{pid} is {:?}", state(pid));
}

#[test]
fn the_terminal_inside_is_another_one() {
    for account in accounts() {
        let mut scene = Scene::new(account);
        let before = scene.screen.modes();
        let outside = scene.screen.run("tty");
        let shown = scene
            .run("sh -c 'tty; stty size; ls -1 /dev/pts; ps -o tty=,pgid=,tpgid= -p $$; echo x > /dev/tty'");
        assert!(shown.contains("/dev/pts/0\r\n30 100\r\n0\r\nptmx\r\npts/0"), "{shown:?}");
        assert!(shown.contains("\r\nx\r\nstatus 0"), "{shown:?}");
        // Number 0 of another devpts, unless the host's happens to be 0 too: then the device differs.
        let device = "python3 -c 'import os; print([os.fstat(n).st_dev for n in range(3)])'";
        let (theirs, ours) = (scene.run(device), scene.screen.run(device));
        assert_ne!(theirs.lines().nth(1), ours.lines().nth(1), "{outside}");
        assert_eq!(scene.screen.modes(), before);
    }
}

/// What is refused is said while the terminal is in raw mode: each line begins where lines begin.
#[test]
fn what_is_refused_is_said_in_whole_lines() {
    for account in accounts() {
        let mut scene = Scene::new(account);
        let (bin, source) = (scene.workspace.bin(), scene.workspace.base().join("policy.msb"));
        let shown = scene.screen.run(&format!(
            "{} run --explain {} --set {} -- sh -c 'unshare -U true; sleep 0.5; echo later'",
            bin.join("msbc").display(),
            source.display(),
            scene.workspace.setting()
        ));
        assert!(shown.contains("unshare") && shown.contains("later"), "{shown:?}");
        let bare =
            shown.match_indices('\n').find(|(at, _)| !shown.get(..*at).is_some_and(|to| to.ends_with('\r')));
        assert_eq!(bare, None, "{shown:?}");
    }
}

#[test]
fn keys_mean_it_to_the_job_inside() {
    for account in accounts() {
        let mut scene = Scene::new(account);
        let before = scene.screen.modes();
        scene.shell();
        scene.screen.expect_raw(true);
        scene.screen.send("sleep 1000\n");
        scene.screen.process("sleep");
        scene.screen.send("\u{1a}");
        scene.screen.expect("Stopped");
        scene.screen.expect("inside> ");
        assert!(scene.inside("jobs").contains("Stopped"));
        scene.screen.send("fg\n");
        scene.screen.expect("sleep 1000\r\n");
        expect_state(scene.screen.process("sleep"), |state| state == 'S');
        scene.screen.send("\u{3}");
        scene.screen.expect("inside> ");
        assert!(scene.inside("echo status $?").contains("status 130"), "Ctrl-C ended the job alone");
        // The end of input ends the shell inside, and nothing outside was stopped.
        scene.screen.send("\u{4}");
        scene.screen.expect("host> ");
        assert!(!scene.screen.run("jobs").contains("Stopped"));
        assert_eq!(scene.screen.modes(), before);
    }
}

#[test]
fn the_size_follows_that_of_the_window() {
    for account in accounts() {
        let mut scene = Scene::new(account);
        scene
            .start("bash -c 'trap \"stty size\" WINCH; echo ready; for i in $(seq 300); do sleep 0.1; done'");
        scene.screen.expect("ready\r\n");
        scene.screen.stty(&["rows", "41", "cols", "77"]);
        scene.screen.expect("41 77");
        scene.screen.stty(&["rows", "24", "cols", "80"]);
        scene.screen.expect("24 80");
        scene.screen.send("\u{3}");
        scene.screen.expect("host> ");
    }
}

/// curses sets modes, uses the whole screen, reads single keys, and sees the size change.
#[test]
fn a_program_has_the_whole_screen() {
    if !Path::new("/usr/bin/python3").exists() {
        skip(Need::Python, "there is no python3");
        return;
    }
    const PROGRAM: &str = "import curses
def main(screen):
    while True:
        screen.erase()
        screen.addstr(2, 3, 'size %d %d' % screen.getmaxyx())
        key = screen.getch()
        if key == ord('q'): return
        screen.addstr(4, 3, 'key %d' % key)
        screen.refresh()
curses.wrapper(main)
print('done')
";
    for account in accounts() {
        let mut scene = Scene::new(account);
        std::fs::write(scene.workspace.join("full.py"), PROGRAM).expect("a program");
        let before = scene.screen.modes();
        scene.start("python3 full.py");
        scene.screen.expect("size 30 100");
        scene.screen.send("\u{1a}");
        scene.screen.send("x");
        // One of the two: stty(1) sets them one after the other, and a program may see what is between.
        scene.screen.stty(&["cols", "91"]);
        // What differs is drawn: `91` over `100`.
        scene.screen.expect("91");
        scene.screen.send("q");
        scene.screen.expect("done");
        scene.screen.expect("host> ");
        assert_eq!(scene.screen.modes(), before);
    }
}

/// Whatever ends a run, the user's terminal is as it was.
#[test]
fn the_terminal_is_given_back() {
    for account in accounts() {
        let mut scene = Scene::with(account, "wall 10s");
        let before = scene.screen.modes();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
            scene.start("sleep 1000");
            scene.screen.expect_raw(true);
            let launcher = scene.screen.process("msb-launch");
            scene.screen.process("sleep");
            kill(Pid::from_raw(launcher), signal).expect("the launcher takes signals");
            scene.screen.expect("host> ");
            assert_eq!(scene.screen.modes(), before, "{signal}");
        }
        // The command is killed from outside, then the sandbox's first process; then time is over.
        for name in ["sleep", "msb-launch"] {
            scene.start("sleep 1000");
            scene.screen.expect_raw(true);
            let victim = scene.screen.process("sleep");
            let launcher = scene.screen.process("msb-launch");
            let init = descendants(launcher.unsigned_abs()).into_iter().next().expect("an init");
            let victim = if name == "sleep" { victim } else { init.cast_signed() };
            kill(Pid::from_raw(victim), Signal::SIGKILL).expect("it is killed");
            scene.screen.expect("host> ");
            assert_eq!(scene.screen.modes(), before, "{name} was killed");
        }
        let shown = scene.run("sleep 1000");
        assert!(shown.contains("wall was reached\r\n") && shown.contains("status 137"), "{shown:?}");
        assert_eq!(scene.screen.modes(), before);
    }
}

/// As a shell's user expects of a job: it stops as a whole, gives the terminal back, and goes on where it was. What was
/// stopped inside before stays so.
#[test]
fn a_stopped_launcher_stops_everything_inside() {
    for account in accounts() {
        let mut scene = Scene::new(account);
        let before = scene.screen.modes();
        scene.shell();
        scene.inside("sleep 1001 &");
        let stopped = scene.screen.process("sleep");
        kill(Pid::from_raw(stopped), Signal::SIGSTOP).expect("it is stopped");
        expect_state(stopped, |state| state == 'T');
        scene.screen.send("while :; do echo tick; sleep 0.1; done\n");
        scene.screen.expect("tick\r\ntick\r\n");
        let launcher = scene.screen.process("msb-launch");
        let inside = descendants(launcher.unsigned_abs());
        kill(Pid::from_raw(launcher), Signal::SIGTSTP).expect("it is stopped");
        scene.screen.expect("Stopped");
        scene.screen.expect("host> ");
        assert_eq!(scene.screen.modes(), before);
        expect_state(launcher, |state| state == 'T');
        let shells: Vec<i32> = inside.iter().skip(1).map(|pid| pid.cast_signed()).collect();
        for pid in shells.into_iter().filter(|pid| state(*pid).is_some()) {
            expect_state(pid, |state| "TZX".contains(state));
        }
        let shown = scene.screen.run("echo $((6 * 7)); sleep 0.4");
        assert!(shown.contains("42") && !shown.contains("tick"), "{shown:?}");
        scene.screen.stty(&["rows", "28", "cols", "90"]);
        scene.screen.send("fg\n");
        scene.screen.expect("tick\r\ntick\r\n");
        scene.screen.expect_raw(true);
        expect_state(stopped, |state| state == 'T');
        scene.screen.send("\u{3}");
        scene.screen.expect("inside> ");
        assert!(scene.inside("stty size").contains("28 90"));
        kill(Pid::from_raw(stopped), Signal::SIGKILL).expect("it is killed");
        assert!(wait_until(PATIENCE, || state(stopped).is_none().then_some(())).is_some());
        scene.screen.send("exit\n");
        scene.screen.expect("host> ");
        assert_eq!(scene.screen.modes(), before);
    }
}

/// In the background it leaves the keys and the modes to whoever is in the foreground, and takes them when it comes there.
#[test]
fn a_job_in_the_background_takes_no_keys() {
    for account in accounts() {
        let mut scene = Scene::new(account);
        let before = scene.screen.modes();
        scene.start("sh -c 'echo up; read line; echo got $line' &");
        // Whoever is in the foreground has the modes, and makes lines of what is lines already.
        scene.screen.expect("up\r\r\n");
        assert_eq!(scene.screen.modes(), before);
        scene.screen.send("read word; echo \"<$word>\"\nkeys\n");
        scene.screen.expect("<keys>");
        scene.screen.expect("host> ");
        scene.screen.send("fg\n");
        scene.screen.expect_raw(true);
        scene.screen.send("hello\n");
        scene.screen.expect("got hello");
        scene.screen.expect("host> ");
        assert_eq!(scene.screen.modes(), before);
    }
}

#[test]
fn a_window_that_is_closed_hangs_up_inside() {
    for account in accounts() {
        let mut scene = Scene::new(account);
        scene.start(
            "bash -c 'trap \"echo hung up > /work/end; exit\" HUP; echo ready; while :; do sleep 0.1; done'",
        );
        scene.screen.expect("ready\r\n");
        let launcher = scene.screen.process("msb-launch");
        scene.screen.hang_up();
        let end = scene.workspace.join("end");
        let came = wait_until(PATIENCE, || {
            std::fs::read_to_string(&end)
                .ok()
                .filter(|text| text == "hung up\n" && state(launcher).is_none_or(|it| it == 'Z'))
        });
        assert!(came.is_some(), "{:?}, launcher {:?}", std::fs::read_to_string(&end), state(launcher));
    }
}

#[test]
fn what_is_written_to_it_counts_as_output() {
    for account in accounts() {
        let mut scene = Scene::with(account, "wall 1min  output 20KiB");
        let shown = scene.run("yes abc");
        assert!(shown.contains("output was reached") && shown.contains("status 137"), "{shown:?}");
        // Each line is `abc`, a carriage return and a newline.
        assert_eq!(shown.matches("abc\r\n").count(), 20 * 1024 / 5, "to the byte");
    }
}

/// A descriptor that is no terminal is passed on: a file gets what was written, and not what a terminal makes of it.
#[test]
fn files_and_pipes_are_passed_on_as_they_are() {
    for account in accounts() {
        let mut scene = Scene::new(account);
        let file = scene.workspace.join("out");
        let shown =
            scene.run(&format!("sh -c 'echo one; tty >&2; test -t 1 || echo two' > {}", file.display()));
        assert!(shown.contains("/dev/pts/0"), "{shown:?}");
        assert_eq!(std::fs::read_to_string(&file).expect("a file"), "one\ntwo\n");
        let before = scene.screen.modes();
        let line =
            format!("echo x | {} sh -c 'cat; test -t 0 || echo none; test -t 1 && echo some'", scene.launch);
        let shown = scene.screen.run(&line);
        assert!(shown.contains("\r\nx\r\nnone\r\nsome\r\n"), "{shown:?}");
        assert_eq!(scene.screen.modes(), before);
    }
}

/// Without any terminal it runs as with `tty none`.
#[test]
fn without_a_terminal_there_is_none() {
    for account in accounts() {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(&policy("tty private", "wall 1min"));
        let script = "cat; tty; (: < /dev/tty) 2>/dev/null || echo no controlling terminal";
        let ended =
            finish_with_input(&mut workspace.launch(&plan, ["sh", "-c", script]), b"x\n".to_vec(), 60);
        assert_eq!(ended.out(), "x\nnot a tty\nno controlling terminal\n", "{}", ended.err());
    }
}

/// What a program types into its terminal stays there, also when it ends before anybody read it.
#[test]
fn nothing_is_typed_into_the_terminal_of_the_host() {
    if !Path::new("/usr/bin/python3").exists() {
        skip(Need::Python, "there is no python3");
        return;
    }
    const PROGRAM: &str = "import fcntl, os, sys
for fd in (0, 1, 2, os.open('/dev/tty', os.O_RDWR)):
    for request, argument in ((0x5412, b'\\n'), (0x541c, b'\\x02\\x00')):
        try:
            for byte in (b'touch /tmp/pwned\\n' if request == 0x5412 else [argument]):
                fcntl.ioctl(fd, request, bytes([byte]) if isinstance(byte, int) else byte)
            print('done', hex(request))
        except OSError as refused:
            print('refused', hex(request), refused.errno)
print('tried')
";
    for (account, how) in accounts().into_iter().flat_map(|account| [(account, "private"), (account, "none")])
    {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(&policy(&format!("tty {how}"), "wall 1min"));
        let program = if how == "none" {
            PROGRAM.replace(", os.open('/dev/tty', os.O_RDWR)", "")
        } else {
            PROGRAM.to_owned()
        };
        std::fs::write(workspace.join("type.py"), program).expect("a program");
        let mut screen = Screen::new(&workspace);
        screen.send(&format!("{} python3 type.py\n", launch(&workspace, &plan)));
        screen.expect("tried");
        screen.expect("host> ");
        // Whatever had been typed into this terminal would be run before this.
        let shown = screen.run("echo 'nothing'' else'");
        assert!(shown.contains("nothing else") && !shown.contains("touch"), "{how}: {shown:?}");
        assert!(!screen.rest().contains("touch"), "{how}");
    }
}

#[test]
fn without_a_private_one_there_is_no_controlling_terminal() {
    for account in accounts() {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(&policy("tty none", "wall 1min"));
        let mut screen = Screen::new(&workspace);
        let line = format!(
            "{} sh -c '(: < /dev/tty) 2>/dev/null || echo without; ps -o tty=,sid= -p $$'",
            launch(&workspace, &plan)
        );
        let shown = screen.run(&line);
        assert!(shown.contains("without\r\n?"), "{shown:?}");
        // Ctrl-Z stops such a job as a whole, too.
        screen
            .send(&format!("{} sh -c 'while :; do echo tick; sleep 0.1; done'\n", launch(&workspace, &plan)));
        screen.expect("tick\r\ntick\r\n");
        screen.send("\u{1a}");
        screen.expect("Stopped");
        screen.expect("host> ");
        let shown = screen.run("sleep 0.4");
        assert!(!shown.contains("tick"), "{shown:?}");
        screen.send("fg\n");
        screen.expect("tick\r\ntick\r\n");
        screen.send("\u{3}");
        screen.expect("host> ");
    }
}

/// Nobody can catch SIGKILL: a launcher that is killed leaves the terminal as it is, and msbc, which outlives it, does not.
#[test]
fn a_killed_launcher_takes_everything_along() {
    for account in accounts() {
        let mut scene = Scene::new(account);
        let source = scene.workspace.base().join("policy.msb");
        let msbc = format!(
            "{} run {} --set {} --",
            scene.workspace.bin().join("msbc").display(),
            source.display(),
            scene.workspace.setting()
        );
        for (launch, given_back) in [(scene.launch.clone(), false), (msbc, true)] {
            // The shell sets modes of its own when a job was killed: what it finds is seen without one.
            scene
                .screen
                .send(&format!("(trap '' INT; {launch} sleep 1000; stty -a; echo ended; read line)\n"));
            scene.screen.expect_raw(true);
            let launcher = scene.screen.process("msb-launch");
            let sleeper = scene.screen.process("sleep");
            kill(Pid::from_raw(launcher), Signal::SIGKILL).expect("it is killed");
            scene.screen.expect(if given_back { " icanon" } else { " -icanon" });
            scene.screen.expect("ended");
            let gone = wait_until(PATIENCE, || state(sleeper).is_none_or(|state| state == 'Z').then_some(()));
            assert!(gone.is_some());
            scene.screen.stty(&["sane"]);
            scene.screen.send("\n");
            scene.screen.expect("host> ");
            scene.screen.stty(&["sane"]);
        }
    }
}
