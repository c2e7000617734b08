//! `notify`: who is asked, what a yes and a no do, and that nothing is made where nobody answers.

use msb_testkit::{Account, Ended, Need, Workspace, accounts, finish, skip};

/// The numbers of lines are named below.
const POLICY: &str = "edition 2026
policy asking(workspace: dir) {
  include std.base
  include std.python
  fs { write $workspace at /work }
  syscalls {
    notify sched_get_priority_max
    notify mkdir
  }
  limits { memory 256MiB  pids 12  wall 1min  files 256 }
  exec { cwd /work }
}
";

/// Makes the two calls and says what came of them.
const ASKS: &str = "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(*words):
    ctypes.set_errno(0)
    return (libc.syscall(*words), ctypes.get_errno())
print(call(146, 1), call(83, b'/work/made', 0o700), flush=True)
";

/// Makes the first of them as often as there is a line to read, and says what came of it.
const ASKS_AGAIN: &str = "
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
for line in sys.stdin:
    ctypes.set_errno(0)
    print(libc.syscall(146, 1), ctypes.get_errno(), flush=True)
";

/// SCHED_FIFO's greatest priority, sched(7).
const MADE: &str = "(99, 0)";
const EPERM: &str = "(-1, 1)";
const ENOSYS: &str = "(-1, 38)";

fn place(account: Account) -> Workspace {
    let workspace = Workspace::new(account);
    workspace.write("policy.msb", POLICY.as_bytes());
    workspace.own();
    workspace
}

/// Whether the calls of the script are those of this machine.
fn is_x86_64() -> bool {
    if !cfg!(target_arch = "x86_64") {
        skip(Need::X86, "the numbers are those of x86-64");
    }
    cfg!(target_arch = "x86_64")
}

fn python(workspace: &Workspace, script: &str, words: &[&str]) -> Ended {
    let mut python = workspace.command("python3");
    python.arg("-c").arg(script).args(words);
    finish(&mut python, 60)
}

#[test]
fn without_a_person_the_calls_fail_and_the_lines_are_told() {
    for account in accounts().into_iter().filter(|_| is_x86_64()) {
        let workspace = place(account);
        let mut run = workspace.msbc(["run", "--set"]);
        run.arg(workspace.setting()).arg("policy.msb");
        let ended = finish(run.args(["--", "python3", "-c", ASKS]), 60);
        assert_eq!(ended.out().trim(), format!("{EPERM} {EPERM}"), "{}", ended.err());
        let told = ended.err();
        assert!(told.contains("sched_get_priority_max(policy: SCHED_FIFO) → EPERM"), "{told}");
        assert!(told.contains(":7: notify sched_get_priority_max  (nobody was asked"), "{told}");
        assert!(told.contains(":8: notify mkdir  (what it is about lies in memory"), "{told}");
    }
}

#[test]
fn without_a_supervisor_the_kernel_refuses_them() {
    for account in accounts().into_iter().filter(|_| is_x86_64()) {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(POLICY);
        workspace.own();
        let ended = finish(&mut workspace.launch(&plan, ["python3", "-c", ASKS]), 60);
        assert_eq!(ended.out().trim(), format!("{ENOSYS} {ENOSYS}"), "{}", ended.err());
    }
}

/// Starts a launcher, takes its listener from a socket, answers yes, no, and then ends, once before it answers.
const SUPERVISOR: &str = "
import fcntl, os, socket, struct, subprocess, sys
path, launcher, *words = sys.argv[1:]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(1)
launch = subprocess.Popen([launcher, *words], stdin=-1, stdout=-1, text=True)
connection, _ = server.accept()
_, (listener,), _, _ = socket.recv_fds(connection, 1, 1)
def begin():
    launch.stdin.write('x\\n')
    launch.stdin.flush()
def receive():
    asked = bytearray(80)  # struct seccomp_notif
    fcntl.ioctl(listener, 0xc0502100, asked)
    return struct.unpack_from('QIIiI', asked)
def answer(error, flags):
    begin()
    identifier, _, _, number, architecture = receive()
    fcntl.ioctl(listener, 0xc0182101, struct.pack('QqiI', identifier, 0, error, flags))
    print(number, hex(architecture), launch.stdout.readline().strip())
answer(0, 1)
answer(-13, 0)
begin()
receive()
os.close(listener)
print(launch.stdout.readline().strip())
begin()
print(launch.stdout.readline().strip())
launch.stdin.close()
launch.wait()
";

#[test]
fn a_supervisor_answers_and_nothing_is_made_when_it_is_gone() {
    for account in accounts().into_iter().filter(|_| is_x86_64()) {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(POLICY);
        workspace.own();
        let socket = workspace.join("answers").display().to_string();
        let launcher = workspace.bin().join("msb-launch").display().to_string();
        let (plan, setting) = (plan.display().to_string(), workspace.setting());
        let words = [
            socket.as_str(),
            &launcher,
            &plan,
            "--set",
            &setting,
            "--notify",
            &socket,
            "--",
            "python3",
            "-c",
            ASKS_AGAIN,
        ];
        let ended = python(&workspace, SUPERVISOR, &words);
        let expected = "146 0xc000003e 99 0\n146 0xc000003e -1 13\n-1 38\n-1 38\n";
        assert_eq!(ended.out(), expected, "{}", ended.err());
    }
}

#[test]
fn a_socket_that_nobody_listens_at_keeps_the_plan_from_being_launched() {
    for account in accounts() {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(POLICY);
        workspace.own();
        let mut launch = workspace.command(workspace.bin().join("msb-launch"));
        launch.arg(&plan).args(["--set", &workspace.setting(), "--notify", "/nowhere", "--", "true"]);
        let ended = finish(&mut launch, 60);
        assert_eq!(ended.code(), 125, "{}", ended.err());
        assert!(ended.err().contains("could not hand over the filter's listener"), "{}", ended.err());
    }
}

/// A terminal, a program at it, and a person who types an answer to each question.
const PERSON: &str = "
import os, pty, sys
answers, *words = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(words[0], words)
os.write(terminal, b'yes\\n')  # said to nobody: no question was asked yet
seen, given = b'', 0
while True:
    try:
        read = os.read(terminal, 4096)
    except OSError:
        break
    if not read:
        break
    seen += read
    while seen.count(b'ne[v]er: ') > given:
        os.write(terminal, answers[given].encode() + b'\\n')
        given += 1
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), given)
print(seen.decode())
";

/// Makes one call five times.
const ASKS_FIVE_TIMES: &str = "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
said = []
for n in range(5):
    ctypes.set_errno(0)
    said.append((libc.syscall(146, 1), ctypes.get_errno()))
print('said', said, flush=True)
";

#[test]
fn a_person_is_asked_and_what_is_said_is_done() {
    for account in accounts().into_iter().filter(|_| is_x86_64()) {
        let workspace = place(account);
        let msbc = workspace.bin().join("msbc").display().to_string();
        let setting = workspace.setting();
        // No, yes, something else, always: the fifth call is not asked about.
        let words = [
            "nyxa",
            &msbc,
            "run",
            "--ask",
            "--set",
            &setting,
            "policy.msb",
            "--",
            "python3",
            "-c",
            ASKS_FIVE_TIMES,
        ];
        let ended = python(&workspace, PERSON, &words);
        let told = ended.out();
        assert!(told.starts_with("0 4\n"), "{told}\n{}", ended.err());
        let said = format!("said [{EPERM}, {MADE}, {EPERM}, {MADE}, {MADE}]");
        assert!(told.contains(&said), "{told}");
        assert!(told.contains("asks for sched_get_priority_max(policy: SCHED_FIFO)"), "{told}");
        assert!(told.contains(":7: notify sched_get_priority_max"), "{told}");
        assert!(told.contains("(you said no)"), "{told}");
    }
}

/// A limit that ends the run ends the question too: nobody has to press a key for it.
#[test]
fn a_question_ends_with_who_asks_it() {
    for account in accounts().into_iter().filter(|_| is_x86_64()) {
        let workspace = Workspace::new(account);
        workspace.write("policy.msb", POLICY.replace("wall 1min", "wall 2s").as_bytes());
        workspace.own();
        let msbc = workspace.bin().join("msbc").display().to_string();
        let setting = workspace.setting();
        let words = ["", &msbc, "run", "--ask", "--set", &setting, "policy.msb", "--", "python3", "-c", ASKS];
        // Who has no answer types nothing.
        let silent = PERSON.replace("os.write(terminal, answers[given].encode() + b'\\n')", "pass");
        let ended = python(&workspace, &silent, &words);
        assert!(ended.out().contains("it has ended and needs no answer"), "{}\n{}", ended.out(), ended.err());
        assert!(!ended.out().contains(MADE), "{}", ended.out());
    }
}

#[test]
fn where_there_is_no_terminal_nobody_can_be_asked() {
    for account in accounts() {
        let workspace = place(account);
        // A session of its own has none.
        let script = "import subprocess, sys\n\
                      sys.exit(subprocess.run(sys.argv[1:], start_new_session=True).returncode)";
        let msbc = workspace.bin().join("msbc").display().to_string();
        let setting = workspace.setting();
        let words = [&msbc, "run", "--ask", "--set", &setting, "policy.msb", "--", "true"];
        let ended = python(&workspace, script, &words);
        assert_eq!(ended.code(), 2, "{}", ended.err());
        assert!(ended.err().contains("there is no terminal"), "{}", ended.err());
    }
}
