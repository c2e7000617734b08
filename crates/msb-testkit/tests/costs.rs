//! What a launch costs, in counts: they are the same on every machine and every day, and times are not. The times
//! are in benches/OVERHEAD.md.

use msb_testkit::{Account, Need, Workspace, accounts, skip, wait_until};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The policy of the launch bench.
const AGENT: &str = include_str!("../../../benches/policies/agent.msb");

/// System calls of a launch, from the launcher's execve to its end, the command's own included. A host that has more of
/// the optional places of std.base than Debian has some five more for each.
const CALLS_MAX: usize = 600;
/// The launcher, its init, who makes the network namespace beside that, the command.
const PROCESSES: usize = 4;
/// Resident bytes of the launcher and of its init while they wait.
const RESIDENT_BYTES_MAX: u64 = 512 * 1024;

/// A workspace with what the policy shows, and the plan.
fn stage(account: Account) -> (Workspace, PathBuf) {
    let workspace = Workspace::new(account);
    for directory in ["work/bin", "work/dev"] {
        fs::create_dir_all(workspace.base().join(directory)).expect("a folder");
    }
    workspace.own();
    let plan = workspace.compile(AGENT);
    (workspace, plan)
}

/// `before` and the launcher, with `command`.
fn launch(workspace: &Workspace, plan: &Path, before: &[&str], command: &[&str]) -> Command {
    let launcher = workspace.bin().join("msb-launch");
    let mut started = match before {
        [program, rest @ ..] => {
            let mut started = workspace.command(program);
            started.args(rest).arg(launcher);
            started
        }
        [] => workspace.command(launcher),
    };
    let root = format!("root={}", workspace.path().display());
    started.arg(plan).args(["--set", &root, "--"]).args(command);
    started.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    started
}

#[test]
fn a_launch_is_so_many_calls() {
    if !Path::new("/usr/bin/strace").exists() {
        skip(Need::Strace, "strace is not installed");
        return;
    }
    for account in accounts() {
        let (workspace, plan) = stage(account);
        let log = workspace.base().join("home/calls");
        let trace = ["strace", "-f", "-qq", "-e", "signal=none", "-o", log.to_str().expect("UTF-8")];
        let status = launch(&workspace, &plan, &trace, &["/usr/bin/true"]).status().expect("it starts");
        assert!(status.success(), "{status}");
        let log = fs::read_to_string(log).expect("strace's log");
        let calls: Vec<&str> = log.lines().filter(|line| !line.contains(" resumed>")).collect();
        let processes: BTreeSet<_> = calls.iter().filter_map(|line| line.split(' ').next()).collect();
        // What the command's own start takes, loader and libraries, is not ours.
        let last = calls.iter().rposition(|line| line.contains(" execve(")).expect("the command's");
        let command = calls[last].split(' ').next().expect("a process");
        let own = |(at, line): &(usize, &&str)| *at <= last || !line.starts_with(command);
        let count = calls.iter().enumerate().filter(own).count();
        eprintln!("uid {}: {count} calls, {} processes", account.uid, processes.len());
        // For root a process makes the mapped view of what belongs to somebody.
        let more = if account.is_root() { 3 } else { 0 };
        assert!(processes.len() <= PROCESSES + more, "{processes:?}");
        assert!(count <= CALLS_MAX + more * 60, "{count} calls:\n{log}");
    }
}

#[test]
fn little_is_resident_while_it_waits() {
    for account in accounts() {
        let (workspace, plan) = stage(account);
        let mut launcher =
            launch(&workspace, &plan, &[], &["/usr/bin/sleep", "50"]).spawn().expect("it starts");
        let children = |pid: u32| -> Vec<u32> {
            let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            text.split(' ').filter_map(|pid| pid.parse().ok()).collect()
        };
        let is_sleep =
            |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
        let init = wait_until(Duration::from_secs(20), || {
            children(launcher.id()).into_iter().find(|init| children(*init).iter().any(is_sleep))
        });
        // The second number of statm (proc(5)): pages.
        let resident = |pid: u32| -> u64 {
            let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
            text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
        };
        let found = init.map(|init| [resident(launcher.id()), resident(init)]);
        launcher.kill().expect("it can be killed");
        launcher.wait().expect("it ended");
        let [outside, inside] = found.expect("the command was started");
        eprintln!("uid {}: {outside} bytes resident outside, {inside} inside", account.uid);
        assert!(outside > 0 && inside > 0);
        assert!(outside <= RESIDENT_BYTES_MAX && inside <= RESIDENT_BYTES_MAX, "{outside}, {inside}");
    }
}
