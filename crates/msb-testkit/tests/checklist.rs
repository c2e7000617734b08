//! The security checklist, held against two example policies, as root and as an ordinary user: the strictest, and one
//! of an agent that builds and runs code.

use msb_testkit::{Account, Battery, Finding, Level, Verdict, Visits, checklist};
use std::path::{Path, PathBuf};

/// The policies, by the names of their examples.
const POLICIES: &[&str] = &["hello-agent", "offline-agent"];

/// `should` rows that are otherwise than expected under one of the policies, and why. A row that is as expected must not stand
/// here.
const DEVIATIONS: &[(&str, &str, &str)] = &[
    ("util.ws_exec", "hello-agent", "it grants no `run` on the workspace, which is noexec then"),
    ("util.own_loopback", "hello-agent", "it says `net none`; `net { }` has a loopback of its own"),
];

/// The first third: what a sandbox is at all.
const FIRST: &[&str] = &["util", "fs", "proc", "caps", "namespaces", "devices", "syscalls"];
const SECOND: &[&str] = &["ipc", "net", "lifecycle", "leak"];
const THIRD: &[&str] = &["dos"];

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../policy-lang/examples/{name}.msb"))
}

/// Runs `categories` for `account` and holds every row to the checklist.
fn hold(account: Account, categories: &[&str]) -> Visits {
    let battery = Battery::new(account);
    for policy in POLICIES {
        let findings = battery.run_confined(&example(policy), Path::new("/work"), categories);
        let rows = checklist().into_iter().filter(|row| categories.contains(&row.category())).count();
        assert_eq!(findings.len(), rows, "each row is run once");
        let broken: Vec<String> = findings.iter().filter_map(|finding| broken(policy, finding)).collect();
        assert!(
            broken.is_empty(),
            "{policy}, {account:?}, {} of {rows}:\n{}",
            broken.len(),
            broken.join("\n")
        );
    }
    battery.end()
}

/// What is wrong with a finding, if anything is.
#[expect(clippy::print_stdout, reason = "what is left open is for the log of the test run")]
fn broken(policy: &str, finding: &Finding) -> Option<String> {
    let row = &finding.row;
    let line = format!(
        "{policy}: {} ({:?}, {:?} expected): {:?}, {}",
        row.id, row.level, row.expected, finding.verdict, finding.detail
    );
    let deviation = DEVIATIONS.iter().find(|(id, only, _)| *id == row.id && *only == policy);
    match (finding.is_as_expected(), row.level, deviation) {
        // An error tells nothing, whatever the level.
        _ if finding.verdict == Verdict::Error => Some(line),
        (true, _, None) => None,
        (true, _, Some(_)) => Some(format!("{line}: as expected, so it is no deviation any more")),
        (false, Level::Must, _) => Some(line),
        (false, Level::Should, None) => Some(line),
        (false, Level::Should, Some((_, _, reason))) => {
            println!("deviation: {line}: {reason}");
            None
        }
        (false, Level::May, _) => {
            println!("left open: {line}");
            None
        }
    }
}

/// Nobody came to the host's canary.
fn nobody(visits: Visits) {
    assert_eq!(visits, Visits { signals: 0, streams: 0, datagrams: 0 });
}

#[test]
fn deviations_are_should_rows() {
    let rows = checklist();
    for (id, _, reason) in DEVIATIONS {
        let row = rows.iter().find(|row| row.id == *id);
        assert_eq!(row.map(|row| row.level), Some(Level::Should), "{id}");
        assert!(!reason.is_empty(), "{id}");
    }
}

#[test]
fn first_third_as_root() {
    if let Some(root) = Account::root() {
        nobody(hold(root, FIRST));
    }
}

#[test]
fn first_third_as_an_ordinary_user() {
    nobody(hold(Account::ordinary(), FIRST));
}

#[test]
fn ipc_network_lifecycle_and_leaks_as_root() {
    if let Some(root) = Account::root() {
        hold_second(root);
    }
}

#[test]
fn ipc_network_lifecycle_and_leaks_as_an_ordinary_user() {
    hold_second(Account::ordinary());
}

fn hold_second(account: Account) {
    let visits = hold(account, SECOND);
    // A socket that lies in the workspace is a file that the policy opens: ipc.path_unix_workspace may get through.
    assert!(visits.streams <= POLICIES.len() as u64, "{visits:?}");
    nobody(Visits { streams: 0, ..visits });
}

#[test]
fn resources_as_root() {
    if let Some(root) = Account::root() {
        nobody(hold(root, THIRD));
    }
}

#[test]
fn resources_as_an_ordinary_user() {
    nobody(hold(Account::ordinary(), THIRD));
}
