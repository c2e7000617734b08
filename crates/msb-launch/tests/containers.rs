//! Launches inside containers: as root of a user namespace, where parts of /proc are hidden, and under a filter like
//! Docker's, which refuses user namespaces and says that there is no clone3.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{ORIGIN, Stage, bind, launcher, plan, stdout, workspace};
use msb_plan::network::Network;
use msb_plan::{Limit, MountKind, Plan, Tier};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// Words for the launcher, one a line, that [`under_a_filter`] starts; before them the name of the filter.
const WORDS: &str = "MSB_TEST_WORDS";

/// The launcher on `script`, after `before`.
fn run(before: &[&str], stage: &Stage, script: &str) -> Output {
    let plain = stage.command(&["sh", "-c", script]);
    let (program, before) = before.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(before).arg(launcher()).args(plain.get_args());
    command.output().expect("it starts")
}

/// Whether `words` work here; says why the test is skipped where they do not.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn possible(words: &[&str]) -> bool {
    let works = Command::new(words[0]).args(&words[1..]).arg("true").output();
    let works = works.is_ok_and(|output| output.status.success());
    if !works {
        println!("skipped, because `{} true` fails here", words.join(" "));
    }
    works
}

#[track_caller]
fn refused(output: &Output, reason: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains(reason), "{said}");
}

/// A plan that Landlock alone can hold, too.
fn lesser() -> Plan<'static> {
    let mut plan = plan();
    plan.target.tier_min = Tier::Landlock;
    plan.network = Network::None;
    plan.mounts.retain(|mount| {
        !matches!(mount.kind, MountKind::Scratch { .. }) && mount.target != common::root("work")
    });
    plan.mounts.push(bind(workspace(""), workspace(""), 3));
    plan.identity.cwd = Some((workspace(""), ORIGIN));
    plan.identity.hostname = msb_plan::HOSTNAME_DEFAULT;
    plan
}

#[test]
fn root_of_a_user_namespace_is_a_user_like_any_other() {
    let nested: [&[&str]; 2] = [&["unshare", "-Urm"], &["unshare", "-Urm", "unshare", "-Urm"]];
    for container in nested.into_iter().filter(|container| possible(container)) {
        let stage = Stage::new(&plan());
        let script = "id -u; echo made > new; ! echo > /usr/x; grep CapEff /proc/self/status";
        let said = stdout(&run(container, &stage, script));
        assert_eq!(said, "1000\nCapEff:\t0000000000000000\n");
        let made = fs::metadata(stage.workspace.join("new")).expect("it is there");
        assert_eq!(made.uid(), fs::metadata(&stage.workspace).expect("a folder").uid());
    }
}

#[test]
fn root_without_the_right_to_mount_is_a_user_like_any_other() {
    let container = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-all"];
    if !possible(&container) {
        return;
    }
    let stage = Stage::new(&plan());
    let said =
        stdout(&run(&container, &stage, "id -u; echo made > new; cat new; grep CapEff /proc/self/status"));
    assert_eq!(said, "1000\nmade\nCapEff:\t0000000000000000\n");
}

/// The machine's root forks as often as it likes, whatever RLIMIT_NPROC says: no launch, where nothing else counts.
#[test]
fn a_number_of_processes_holds_or_nothing_is_launched() {
    let container =
        ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"", "sh"];
    if !possible(&container) {
        return;
    }
    let mut plan = plan();
    plan.limits.pids = Some(Limit { value: 4, origin: ORIGIN });
    let stage = Stage::new(&plan);
    let script = "for n in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait";
    let output = run(&container, &stage, script);
    if fs::metadata(&stage.workspace).expect("a folder").uid() == 0 {
        refused(&output, "could not hold the limit without a cgroup: operation not permitted");
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("RLIMIT_NPROC") && said.contains("fork"), "{said}");
    }
}

#[test]
fn a_proc_with_hidden_parts_is_enough_for_landlock_alone() {
    let hide = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec \"$@\"";
    let container = ["unshare", "-Urmpf", "--mount-proc", "sh", "-c", hide, "sh"];
    if !possible(&container) {
        return;
    }
    let output = run(&container, &Stage::new(&plan()), "true");
    refused(&output, "could not mount /proc: operation not permitted");
    if msb_sys::landlock::abi() >= 6 {
        let output = run(&container, &Stage::new(&lesser()), "echo made > new && cat new && ! ls /proc 2>&1");
        assert!(stdout(&output).starts_with("made\n"));
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("Landlock and the filter hold the run alone")
        );
    }
}

/// Not a test of its own: becomes the launcher, under a filter, for those below.
#[test]
fn under_a_filter() {
    let Ok(words) = std::env::var(WORDS) else { return };
    let mut words = words.lines();
    let filter = if words.next() == Some("podman") { podman() } else { docker() };
    msb_sys::seccomp::load(&filter).expect("the filter is taken");
    let mut command = Command::new(words.next().expect("a program"));
    panic!("{}", command.args(words).exec());
}

/// Docker's filter for a container without CAP_SYS_ADMIN, as far as it matters here: clone3 does not exist, and clone makes
/// no namespace (profiles/seccomp/default.json of moby).
fn docker() -> Vec<u8> {
    const CLONE3: u32 = 435;
    const CLONE: u32 = if cfg!(target_arch = "x86_64") { 56 } else { 220 };
    const NAMESPACES: u32 = 0x7e02_0000;
    const ERRNO: u32 = 0x0005_0000;
    const ALLOW: u32 = 0x7fff_0000;
    encoded(&[
        (0x20, 0, 0, 0),
        (0x15, 0, 1, CLONE3),
        (0x06, 0, 0, ERRNO | 38),
        (0x15, 0, 3, CLONE),
        (0x20, 0, 0, 16),
        (0x45, 0, 1, NAMESPACES),
        (0x06, 0, 0, ERRNO | 1),
        (0x06, 0, 0, ALLOW),
        (0x06, 0, 0, ALLOW),
    ])
}

/// Podman's, as far as it matters here: programs make namespaces and mounts, and do not name the host
/// (pkg/seccomp/default_linux.go of containers/common).
fn podman() -> Vec<u8> {
    const SETHOSTNAME: u32 = if cfg!(target_arch = "x86_64") { 170 } else { 161 };
    encoded(&[
        (0x20, 0, 0, 0),
        (0x15, 0, 1, SETHOSTNAME),
        (0x06, 0, 0, 0x0005_0001),
        (0x06, 0, 0, 0x7fff_0000),
    ])
}

/// A program of code, steps when true and when false, value; linux/filter.h.
fn encoded(program: &[(u16, u8, u8, u32)]) -> Vec<u8> {
    let bytes = program.iter().flat_map(|(code, yes, no, value)| {
        [&code.to_ne_bytes()[..], &[*yes, *no], &value.to_ne_bytes()].concat()
    });
    bytes.collect()
}

/// The launcher on `script`, under such a filter.
fn in_docker(before: &[&str], stage: &Stage, script: &str) -> Output {
    filtered("docker", before, stage, script)
}

fn filtered(filter: &str, before: &[&str], stage: &Stage, script: &str) -> Output {
    let plain = stage.command(&["sh", "-c", script]);
    let words = [filter.as_ref(), launcher().as_os_str()].into_iter().chain(plain.get_args());
    let words: Vec<OsString> = words.map(Into::into).collect();
    let words = words.join(std::ffi::OsStr::new("\n"));
    let (program, before) = before.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(before).arg(std::env::current_exe().expect("this test"));
    command.args(["--exact", "under_a_filter", "--nocapture", "-q"]).env(WORDS, words);
    command.output().expect("it starts")
}

#[test]
fn under_dockers_filter_landlock_holds_alone() {
    // Its root does not have the right to mount.
    let without: &[&str] =
        if rustix::process::geteuid().is_root() { &["--bounding-set", "-sys_admin"] } else { &[] };
    let container = [&["setpriv", "--no-new-privs"], without].concat();
    if !possible(&container) {
        return;
    }
    let output = in_docker(&container, &Stage::new(&plan()), "true");
    refused(&output, "could not make the namespaces: operation not permitted");
    if msb_sys::landlock::abi() < 6 {
        return;
    }
    let stage = Stage::new(&lesser());
    let beside = stage.dir.path().join("beside");
    fs::write(&beside, "secret").expect("a file");
    // A file that a capability alone opens: root of the container has given all of them up.
    let closed = stage.workspace.join("closed");
    fs::write(&closed, "closed").expect("a file");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("its mode");
    let script =
        "echo made > new && cat new; ! cat ../beside; ! cat closed; ! cat /etc/passwd; sh -c 'exit 7'";
    let output = in_docker(&container, &stage, script);
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("made\n") && !said.contains("secret") && !said.contains("closed"), "{said}");
}

#[test]
fn under_podmans_filter_landlock_holds_alone() {
    let container = ["unshare", "-Urm", "setpriv", "--no-new-privs"];
    if !possible(&container) {
        return;
    }
    let output = filtered("podman", &container, &Stage::new(&plan()), "true");
    refused(&output, "could not set the host name: operation not permitted");
    if msb_sys::landlock::abi() >= 6 {
        let output = filtered("podman", &container, &Stage::new(&lesser()), "echo made > new && cat new");
        assert!(stdout(&output).contains("made\n"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("Landlock and the filter hold the run alone"), "{said}");
    }
}
