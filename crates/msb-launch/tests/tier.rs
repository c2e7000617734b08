//! The tier `landlock`: launches where user namespaces are refused, as a host with `user.max_user_namespaces=0` does.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{Stage, bind, deny, launcher, plan, root, stdout, workspace};
use msb_plan::network::Network;
use msb_plan::{Limit, Links, MountKind, Plan, Rights, Tier};
use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A user namespace in which no further one can be made, entered as a user that is not root there.
const REFUSING: &str = "echo 0 > /proc/sys/user/max_user_namespaces && \
                        exec setpriv --ambient-caps=-all --inh-caps=-all -- \"$@\"";

/// A plan that Landlock alone holds: nothing is moved, and nothing private.
fn lesser() -> Plan<'static> {
    let mut plan = plan();
    plan.target.tier_min = Tier::Landlock;
    plan.network = Network::None;
    plan.mounts
        .retain(|mount| !matches!(mount.kind, MountKind::Scratch { .. }) && mount.target != root("work"));
    plan.mounts.push(bind(workspace(""), workspace(""), 3));
    plan.identity.cwd = Some((workspace(""), common::ORIGIN));
    plan.identity.hostname = msb_plan::HOSTNAME_DEFAULT;
    plan
}

/// Whether this machine can do what the tests need; says why not.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn possible() -> bool {
    let abi = msb_sys::landlock::abi();
    let entered = refusing(&["true".into()]).status().is_ok_and(|status| status.success());
    if abi < 6 || !entered {
        println!("skipped, because Landlock has ABI {abi} here, or unshare(1) makes no user namespace");
    }
    abi >= 6 && entered
}

/// Runs `words` where user namespaces are refused.
fn refusing(words: &[std::ffi::OsString]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-U", "--map-user=1000", "--keep-caps", "sh", "-c", REFUSING, "sh"]).args(words);
    command
}

/// The launcher on `script`, where user namespaces are refused.
fn command(stage: &Stage, script: &str) -> Command {
    let plain = stage.command(&["sh", "-c", script]);
    let words: Vec<_> =
        std::iter::once(launcher().as_os_str()).chain(plain.get_args()).map(Into::into).collect();
    refusing(&words)
}

fn run(stage: &Stage, script: &str) -> Output {
    command(stage, script).output().expect("it starts")
}

#[track_caller]
fn refused(plan: &Plan<'_>, reason: &str) {
    let output = run(&Stage::new(plan), "true");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains(reason) && said.contains("the line that asked"), "{said}");
}

#[test]
fn landlock_holds_what_the_policy_grants() {
    if !possible() {
        return;
    }
    let stage = Stage::new(&lesser());
    fs::write(stage.dir.path().join("beside"), "secret").expect("a file");
    let output =
        run(&stage, "echo made > new && cat new && mkdir a && mv new a/ && ls a && echo > /dev/null");
    assert_eq!(stdout(&output), "made\nnew\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Landlock and the filter hold the run alone"), "{said}");
    for door in [
        "cat ../beside",
        "ls /",
        "cat /etc/passwd",
        "cat /proc/1/cmdline",
        "echo > /tmp/x",
        "echo > /usr/x",
        "cp /bin/true . && ./true",
        "echo > /dev/tty",
        "cat /dev/mem",
        "ln -s ../beside l && cat l",
    ] {
        stdout(&run(&stage, &format!("! ({door}) >/dev/null 2>&1")));
    }
}

#[test]
fn nothing_is_weaker_unless_the_policy_says_so() {
    if !possible() {
        return;
    }
    let mut plan = lesser();
    plan.target.tier_min = Tier::Full;
    let output = run(&Stage::new(&plan), "true");
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("make the namespaces"));
    // With namespaces the full tier holds, whatever the policy would accept.
    let output = Stage::new(&lesser()).shell("cat /proc/self/comm");
    assert_eq!(stdout(&output), "cat\n");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("Landlock"));
}

#[test]
fn what_landlock_can_not_hold_is_refused() {
    if !possible() {
        return;
    }
    let with = |change: &dyn Fn(&mut Plan<'static>)| {
        let mut plan = lesser();
        change(&mut plan);
        refused(&plan, "hold this without namespaces");
    };
    with(&|plan| plan.denies.push(deny(workspace("x"), Rights::WRITE)));
    with(&|plan| plan.mounts.push(bind(workspace(""), root("work"), 3)));
    with(&|plan| plan.network = Network::Loopback);
    with(&|plan| plan.identity.hostname = "other");
    with(&|plan| plan.identity.uid = 1234);
    with(&|plan| plan.identity.capabilities = 1 << 10);
    with(&|plan| plan.limits.pids = Some(Limit { value: 8, origin: common::ORIGIN }));
    let write = Rights::READ.union(Rights::WRITE);
    with(&|plan| {
        let kind = MountKind::Scratch { size_bytes: 1 << 20, inodes: 10, rights: write };
        plan.mounts.push(common::mount("tmp", kind));
    });
    with(&|plan| {
        let (source, links) = (workspace(""), Links::Refuse);
        let kind = MountKind::Overlay { source, links, size_bytes: 1 << 20, inodes: 10, rights: write };
        plan.mounts.pop();
        plan.mounts.push(common::mount("work", kind));
    });
}

/// Whether a process whose command line has `word` is there.
fn is_alive(word: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("procfs").flatten();
    processes
        .map(|at| fs::read(at.path().join("cmdline")).unwrap_or_default())
        .any(|line| line.windows(word.len()).any(|part| part == word.as_bytes()))
}

#[track_caller]
fn gone_soon(word: &str) {
    let begin = Instant::now();
    while is_alive(word) {
        assert!(begin.elapsed() < Duration::from_secs(5), "{word} survives");
        std::thread::yield_now();
    }
}

/// A script that leaves daemons behind whose command lines have `word`, and goes on as `then`.
fn daemons(word: u32, then: &str) -> String {
    format!(
        "(setsid sh -c 'trap \"\" TERM HUP; sleep {word} & sleep {word}' &) ; sleep {word} & echo up; {then}"
    )
}

fn start(stage: &Stage, script: &str) -> Child {
    let mut child = command(stage, script).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().expect("its output"), &mut line).expect("a line");
    child
}

#[test]
fn nothing_survives_the_end() {
    if !possible() {
        return;
    }
    let stage = Stage::new(&lesser());
    assert_eq!(run(&stage, &daemons(86_411, "exit 7")).status.code(), Some(7));
    assert!(!is_alive("86411"), "when the launcher ends, all have ended");
    let mut killed = start(&stage, &daemons(86_412, "wait"));
    killed.kill().expect("killed");
    killed.wait().expect("it ended");
    gone_soon("86412");
    let mut plan = lesser();
    plan.limits.wall_ms = Some(Limit { value: 400, origin: common::ORIGIN });
    assert_eq!(run(&Stage::new(&plan), &daemons(86_413, "wait")).status.code(), Some(137));
    assert!(!is_alive("86413"), "when the launcher ends, all have ended");
}

#[test]
fn nobody_outside_is_signalled_and_the_init_neither() {
    if !possible() {
        return;
    }
    let stage = Stage::new(&lesser());
    let mut outside = Command::new("sleep").arg("86414").spawn().expect("it starts");
    let script =
        format!("! kill -9 {} 2>/dev/null && ! kill -9 $PPID 2>/dev/null && kill -0 $$", outside.id());
    let output = run(&stage, &script);
    let alive = outside.try_wait().expect("its state").is_none();
    outside.kill().expect("killed");
    outside.wait().expect("it ended");
    stdout(&output);
    assert!(alive, "the process outside lives on");
    assert_eq!(run(&stage, "kill -9 -1; exit 3").status.code(), Some(3));
    assert_eq!(run(&stage, "kill -TERM $$").status.code(), Some(128 + 15));
}
