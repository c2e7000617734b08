//! The launcher as a whole, on plans made by hand.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{ORIGIN, Stage, bind, deny, plan, root, stdout, workspace};
use msb_plan::{File, Limit, Missing, Rights};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

#[test]
fn command_runs_and_its_output_comes_through() {
    let stage = Stage::new(&plan());
    let script = "echo hello; id -u; hostname; pwd; cat /proc/self/comm; echo $$";
    assert_eq!(stdout(&stage.shell(script)), "hello\n1000\ninside\n/work\ncat\n3\n");
}

#[test]
fn workspace_is_written_as_its_owner() {
    let stage = Stage::new(&plan());
    std::fs::write(stage.workspace.join("in"), "given").expect("a file");
    assert_eq!(stdout(&stage.shell("cat in; echo made > out; stat -c %u in out")), "given1000\n1000\n");
    let owner =
        |name: &str| std::os::unix::fs::MetadataExt::uid(&stage.workspace.join(name).metadata().expect(name));
    assert_eq!(owner("in"), owner("out"));
    assert_eq!(std::fs::read_to_string(stage.workspace.join("out")).expect("out"), "made\n");
}

#[test]
fn nothing_is_there_but_what_the_plan_mounts() {
    let stage = Stage::new(&plan());
    assert_eq!(stdout(&stage.shell("ls -A /")), "bin\ndev\nlib\nlib64\nproc\nsbin\ntmp\nusr\nwork\n");
    let refused = "! touch /x && ! touch /usr/x && ! mkdir /dev/x && ! ls /proc/sys && ! cat /proc/1/environ";
    stdout(&stage.shell(&format!("({refused}) 2>/dev/null")));
    stdout(&stage.shell("cp /bin/true . && chmod +x true && ! ./true 2>/dev/null && touch /tmp/x /dev/shm/x && echo > /dev/null"));
}

/// All eight, and the clock of a machine that has just started.
#[test]
fn every_namespace_is_its_own() {
    let stage = Stage::new(&plan());
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        let own = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace");
        let inside = stdout(&stage.shell(&format!("readlink /proc/self/ns/{name}")));
        assert!(
            inside.starts_with(&format!("{name}:[")) && inside.trim() != own.to_string_lossy(),
            "{inside}"
        );
    }
    let python = "import time; print(all(time.clock_gettime(c) < 60 for c in (time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME)))";
    if std::path::Path::new("/usr/bin/python3").exists() {
        assert_eq!(
            stdout(&stage.command(&["/usr/bin/python3", "-c", python]).output().expect("starts")),
            "True\n"
        );
    }
}

#[test]
fn exit_codes_are_the_commands() {
    let stage = Stage::new(&plan());
    for code in [0, 1, 42, 255] {
        assert_eq!(stage.shell(&format!("exit {code}")).status.code(), Some(code));
    }
    assert_eq!(stage.shell("kill -TERM $$").status.code(), Some(128 + 15));
    assert_eq!(stage.command(&["no-such-program"]).status().expect("starts").code(), Some(127));
    assert_eq!(stage.command(&["/etc"]).status().expect("starts").code(), Some(127));
    assert_eq!(stage.command(&["/usr"]).status().expect("starts").code(), Some(126));
}

#[test]
fn descriptors_are_not_passed_on() {
    let stage = Stage::new(&plan());
    assert_eq!(stdout(&stage.shell("ls /proc/self/fd")), "0\n1\n2\n3\n"); // 3 is ls's own
}

#[test]
fn denied_places_stay_denied_by_every_way_round() {
    let mut plan = plan();
    plan.denies = vec![
        deny(workspace(".env"), Rights::ALL),
        deny(workspace(".git/config"), Rights::WRITE),
        deny(workspace(".git/hooks"), Rights::WRITE),
        deny(workspace("new/deep/file"), Rights::WRITE),
        deny(root("tmp/kept"), Rights::ALL),
        deny(root("usr/share"), Rights::ALL),
    ];
    let stage = Stage::new(&plan);
    std::fs::create_dir_all(stage.workspace.join(".git/hooks")).expect("hooks");
    std::fs::write(stage.workspace.join(".git/config"), "mine").expect("config");
    std::fs::write(stage.workspace.join(".env"), "secret").expect("env");
    let refused = [
        "cat .env",
        "rm .env",
        "mv .env x",
        "ln .env x",
        "echo > .git/config",
        "rm .git/config",
        "touch .git/hooks/pre-commit",
        "mv .git x",
        "rm -r .git/hooks",
        "mkdir -p new/deep/file",
        "echo > new/deep/file",
        "rm new/deep/file",
        "mv new x",
        "mv new/deep x",
        "echo > /tmp/kept",
        "ls /usr/share",
        "ln -s / .env",
        "ln -f .git/config .git/hooks/x",
    ];
    for attempt in refused {
        assert!(!stage.shell(attempt).status.success(), "{attempt}");
    }
    assert_eq!(
        stdout(&stage.shell("cat .git/config; touch .git/index new/file; rm -rf new/file x; ls -A")),
        "mine.env\n.git\nnew\n"
    );
    assert!(!stage.workspace.join("new").exists(), "placeholders are gone");
    assert_eq!(std::fs::read_to_string(stage.workspace.join(".env")).expect("env"), "secret");
}

#[test]
fn denied_file_with_another_name_is_refused() {
    let mut plan = plan();
    plan.denies = vec![deny(workspace("secret"), Rights::ALL)];
    let stage = Stage::new(&plan);
    std::fs::write(stage.workspace.join("secret"), "x").expect("secret");
    std::fs::hard_link(stage.workspace.join("secret"), stage.workspace.join("other")).expect("link");
    let output = stage.shell("cat other");
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("other hard links") && said.contains("test.msb:7: the line that asked"), "{said}");
}

#[test]
fn missing_fail_and_skip() {
    let mut plan = plan();
    plan.denies = vec![deny(workspace("a"), Rights::WRITE)];
    plan.denies[0].missing = Missing::Fail;
    assert_eq!(Stage::new(&plan).shell("true").status.code(), Some(125));
    plan.denies[0].missing = Missing::Skip;
    stdout(&Stage::new(&plan).shell("touch a"));
}

#[test]
fn deny_of_a_host_path_holds_wherever_it_shows() {
    let mut plan = plan();
    plan.mounts.push(bind(workspace("sub"), root("data"), 1));
    plan.denies = vec![deny(workspace("sub/key"), Rights::ALL)];
    let stage = Stage::new(&plan);
    std::fs::create_dir(stage.workspace.join("sub")).expect("sub");
    std::fs::write(stage.workspace.join("sub/key"), "x").expect("key");
    assert!(!stage.shell("cat /data/key").status.success());
    assert!(!stage.shell("cat /work/sub/key").status.success());
}

#[test]
fn grant_below_a_denied_place_is_a_contradiction() {
    let mut plan = plan();
    plan.denies = vec![deny(root("usr"), Rights::ALL)];
    assert_eq!(Stage::new(&plan).shell("true").status.code(), Some(125));
}

#[test]
fn generated_files_are_there_and_read_only() {
    let mut plan = plan();
    plan.files =
        vec![File { path: root("etc/passwd"), content: b"agent:x:1000:1000::/:/bin/sh\n", origin: ORIGIN }];
    let stage = Stage::new(&plan);
    assert_eq!(stdout(&stage.shell("id -un; ! echo x 2>/dev/null >> /etc/passwd")), "agent\n");
}

#[test]
fn wall_clock_ends_everything() {
    let mut plan = plan();
    plan.limits.wall_ms = Some(Limit { value: 200, origin: ORIGIN });
    let output = Stage::new(&plan).shell("(trap '' TERM; sleep 100) & sleep 100");
    assert_eq!(output.status.code(), Some(137));
    assert!(String::from_utf8_lossy(&output.stderr).contains("limit of wall"));
}

#[test]
fn pids_are_exact() {
    let mut plan = plan();
    plan.limits.pids = Some(Limit { value: 5, origin: ORIGIN });
    // The shell itself and four more.
    let script = "for i in 1 2 3 4; do sleep 5 & done; echo four; (sleep 5) & wait";
    let output = Stage::new(&plan).shell(&format!("{script}; kill $(jobs -p)"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("four"));
    assert!(String::from_utf8_lossy(&output.stderr).to_lowercase().contains("cannot fork"), "{output:?}");
}

#[test]
fn memory_is_held() {
    let mut plan = plan();
    plan.limits.memory_bytes = Some(Limit { value: 32 << 20, origin: ORIGIN });
    let stage = Stage::new(&plan);
    assert!(
        !stage.shell("head -c 100M /dev/zero | tail -c 100M | wc -c | grep -q 104857600").status.success()
    );
    stdout(&stage.shell("head -c 1M /dev/zero | tail -c 1M > /dev/null"));
}

/// The v1 cgroups that launchers make theirs in, where this test can make some, too: as root. Others are looked at in
/// rig/suite.sh.
#[allow(clippy::print_stderr, reason = "so a test says that it was skipped")]
fn cgroup_places() -> Option<Vec<std::path::PathBuf>> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let place = |controller: &str| {
        let (_, path) = own.lines().find_map(|line| line.split_once(&format!(":{controller}:")))?;
        Some(std::path::PathBuf::from(format!("/sys/fs/cgroup/{controller}{path}")))
    };
    let places: Vec<_> = ["memory", "pids", "cpu"].into_iter().filter_map(place).collect();
    (places.len() == 3 && rustix::process::geteuid().is_root()).then_some(places)
}

#[test]
fn cgroups_of_a_killed_launcher_are_removed_by_the_next() {
    let Some(places) = cgroup_places() else {
        eprintln!("skipped, because this test needs root and v1 hierarchies");
        return;
    };
    // The next launch wants one limit alone: what the other held is removed all the same. A number that is somebody's, as
    // this test's is, may have been a launcher's before.
    let own = std::process::id();
    let above = (1 << 22) + own; // any pid
    let names = [format!("msb-{own}"), format!("msb-{above}"), format!("msb-{above}-3")];
    let stale: Vec<_> = places.iter().flat_map(|place| names.iter().map(|name| place.join(name))).collect();
    for place in &stale {
        std::fs::create_dir(place).expect("a cgroup");
    }
    let mut plan = plan();
    plan.limits.pids = Some(Limit { value: 5, origin: ORIGIN });
    let stage = Stage::new(&plan);
    stdout(&stage.shell("sleep 0.1"));
    for place in &stale {
        assert!(!place.exists(), "{}", place.display());
    }
    // A launcher that lives, and whose sandbox is not there yet, holds its cgroup locked.
    let held = stale.first().expect("a place");
    std::fs::create_dir(held).expect("a cgroup");
    let lock = std::fs::File::open(held).expect("a cgroup");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    stdout(&stage.shell("sleep 0.1"));
    assert!(held.exists());
    drop(lock);
    stdout(&stage.shell("sleep 0.1"));
    assert!(!held.exists());
}

/// Two containers that share a tree of cgroups: each launcher is process 1.
#[test]
fn launchers_of_the_same_number_have_cgroups_of_their_own() {
    let Some(places) = cgroup_places() else {
        eprintln!("skipped, because this test needs root and v1 hierarchies");
        return;
    };
    let mut plan = plan();
    plan.limits.pids = Some(Limit { value: 5, origin: ORIGIN });
    let stage = Stage::new(&plan);
    let start = |script: &str| {
        let launch = stage.command(&["sh", "-c", script]);
        let mut command = std::process::Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        command.arg(launch.get_program()).args(launch.get_args());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare starts")
    };
    let mut first = start("echo ready; read line; echo $line");
    let mut ready = [0; 6];
    std::io::Read::read_exact(first.stdout.as_mut().expect("piped"), &mut ready).expect("ready");
    let second = start("sleep 0.1; echo two").wait_with_output().expect("ends");
    assert_eq!(stdout(&second), "two\n");
    first.stdin.as_mut().expect("piped").write_all(b"one\n").expect("written");
    let first = first.wait_with_output().expect("ends");
    assert_eq!(stdout(&first), "one\n");
    // One that is made, and that nobody is in yet, is another launcher's all the same.
    let Some(made) = places.get(1).map(|pids| pids.join("msb-1")) else { return };
    std::fs::create_dir(&made).expect("a cgroup");
    let lock = std::fs::File::open(&made).expect("a cgroup");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    assert_eq!(stdout(&start("sleep 0.1; echo three").wait_with_output().expect("ends")), "three\n");
    std::fs::remove_dir(&made).expect("nobody removed it");
}

#[test]
fn signals_reach_the_command() {
    let stage = Stage::new(&plan());
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("USR1", 10)] {
        let script = format!("trap 'echo got; exit 7' {name}; echo ready; while :; do sleep 0.01; done");
        let mut command = stage.command(&["sh", "-c", &script]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let mut ready = [0; 6];
        let stdout = child.stdout.as_mut().expect("piped");
        std::io::Read::read_exact(stdout, &mut ready).expect("ready");
        let pid = rustix::process::Pid::from_child(&child);
        let signal = rustix::process::Signal::from_named_raw(number).expect("a signal");
        rustix::process::kill_process(pid, signal).expect("sent");
        assert_eq!(child.wait().expect("ends").code(), Some(7), "{name}");
    }
}

#[test]
fn death_of_the_launcher_is_everybodys() {
    let stage = Stage::new(&plan());
    let beat = stage.workspace.join("beat");
    let script =
        "trap '' TERM HUP INT; setsid sh -c 'while :; do echo >> beat; sleep 0.01; done' & echo ready; wait";
    let mut child = stage.command(&["sh", "-c", script]).stdout(Stdio::piped()).spawn().expect("starts");
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut ready).expect("ready");
    while !beat.exists() {
        std::thread::yield_now();
    }
    child.kill().expect("killed");
    assert_eq!(child.wait().expect("ends").signal(), Some(9));
    // The pipe ends when the last process inside has ended.
    let mut rest = Vec::new();
    std::io::Read::read_to_end(child.stdout.as_mut().expect("piped"), &mut rest).expect("end");
    let before = std::fs::metadata(&beat).expect("beat").len();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(std::fs::metadata(&beat).expect("beat").len(), before);
}

#[test]
fn input_and_output_are_verbatim() {
    let stage = Stage::new(&plan());
    let mut child =
        stage.command(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    let data: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut input = child.stdin.take().expect("piped");
    let sent = data.clone();
    let writer = std::thread::spawn(move || input.write_all(&sent));
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("joins").expect("written");
    assert!(output.stdout == data);
}

#[test]
fn sandbox_ends_with_whoever_reads_its_events() {
    let stage = Stage::new(&plan());
    let (mut events, report) = std::io::pipe().expect("a pipe");
    rustix::io::fcntl_setfd(&report, rustix::io::FdFlags::empty()).expect("inherited");
    let number = std::os::fd::AsRawFd::as_raw_fd(&report).to_string();
    let mut command = stage.command_with(&["--report-fd", &number], &["sh", "-c", "echo ready; sleep 100"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
    drop(report);
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut ready).expect("ready");
    // Nothing was reported yet, and nobody listens any more.
    rustix::io::ioctl_fionbio(&events, true).expect("non-blocking");
    assert!(std::io::Read::read(&mut events, &mut [0; 16]).is_err());
    drop(events);
    assert_eq!(child.wait().expect("ends").code(), Some(137));
}

/// docs/adr/0001-no-std-launcher.md: the bound and what it should be, and no loader, so that a start costs a few pages.
#[test]
fn program_is_small_and_static() {
    const BYTES_MAX: usize = 160 * 1024;
    const PT_INTERP: u32 = 3; // elf(5)
    let program = std::fs::read(common::launcher()).expect("the launcher");
    assert!(program.len() <= BYTES_MAX, "{} bytes", program.len());
    let number = |at: usize, bytes: usize| {
        program[at..at + bytes].iter().rev().fold(0_usize, |value, byte| value << 8 | usize::from(*byte))
    };
    let (table, entry_bytes, entries) = (number(32, 8), number(54, 2), number(56, 2));
    assert!(entries > 0);
    for index in 0..entries {
        assert_ne!(number(table + index * entry_bytes, 4), PT_INTERP as usize, "it asks for a loader");
    }
}

/// A dry run does all of it but execute the command, and says what it decided.
#[test]
fn dry_run_checks_everything_and_executes_nothing() {
    let mut plan = plan();
    plan.denies = vec![deny(workspace(".env"), Rights::ALL)];
    plan.limits.pids = Some(Limit { value: 20, origin: ORIGIN });
    let stage = Stage::new(&plan);
    let dry = |words: &[&str]| stage.command_with(&["--dry-run"], words).output().expect("starts");
    let output = dry(&["touch", "made"]);
    assert!(output.status.success() && !stage.workspace.join("made").exists(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let source = stage.workspace.canonicalize().expect("a path");
    let line = format!(
        r#"{{"would":"mount","kind":"bind","target":"/work","source":"{}","rights":"read write","origin":"#,
        source.display()
    );
    assert!(said.contains(&line), "{said}");
    assert!(said.contains(r#"{"would":"deny","target":"/work/.env","rights":"#), "{said}");
    assert!(said.contains(r#"{"would":"limit","limit":"pids","value":20,"held_by":""#), "{said}");
    // What could not be done is said as it would be.
    assert_eq!(dry(&["no-such-program"]).status.code(), Some(127));
    assert_eq!(dry(&["/usr"]).status.code(), Some(126));
    std::fs::remove_dir(&stage.workspace).expect("empty again");
    assert_eq!(dry(&["true"]).status.code(), Some(125));
}

/// The plan lies in the workspace that the command may write, and yet nobody inside writes it.
#[test]
fn what_decides_about_the_sandbox_is_not_written_from_inside() {
    let stage = Stage::new(&plan());
    let inside = stage.workspace.join("own.plan");
    std::fs::copy(stage.dir.path().join("plan.bin"), &inside).expect("a copy");
    let policy = stage.workspace.join("agent.msb");
    std::fs::write(&policy, "policy").expect("a policy");
    let run = |options: &[&std::ffi::OsStr], script: &str| {
        let mut command = std::process::Command::new(common::launcher());
        command.args(options).arg(&inside).arg("--set");
        command.arg(format!("workspace={}", stage.workspace.display())).args(["--", "sh", "-c", script]);
        command.output().expect("starts")
    };
    for attempt in
        ["echo x > own.plan", "rm own.plan", "mv own.plan x", "ln own.plan x", "cp /bin/true own.plan"]
    {
        assert!(!run(&[], attempt).status.success(), "{attempt}");
    }
    stdout(&run(&[], "cat own.plan > /dev/null; echo x > other; echo x > agent.msb"));
    let protect = ["--protect".as_ref(), policy.as_os_str()];
    assert!(!run(&protect, "echo y > agent.msb").status.success());
    assert_eq!(std::fs::read_to_string(&policy).expect("a policy"), "x\n");
    // What it did is not told otherwise.
    let report = stage.workspace.join("report");
    let report = ["--report".as_ref(), report.as_os_str()];
    stdout(&run(&report, "cat report; echo x > other"));
    for attempt in ["echo x >> report", ": > report", "rm report", "mv report x"] {
        assert!(!run(&report, attempt).status.success(), "{attempt}");
    }
}
