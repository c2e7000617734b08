//! Runs the probes, confined or not, in surroundings that are as careless as a host can be, and says what they
//! found.

use crate::account::Account;
use crate::canary::{Canary, Visits};
use crate::checklist::{Expected, Row, checklist, probes_dir};
use crate::process::{Ended, wait_until};
use crate::workspace::{Workspace, own, set_mode};
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What std.workspace denies where it is there alone.
const OF_SOMEBODY: &[(&str, &str)] = &[
    (".hg/hgrc", "[ui]\n"),
    (".travis.yml", "language: c\n"),
    (".buildkite/pipeline.yml", "steps: []\n"),
    (".yarn/releases/yarn.cjs", "\n"),
    (".direnv/bin/nix-direnv-reload", "#!/bin/sh\n"),
    ("tools/semaphore/semaphore.yml", "version: v1.0\n"),
    ("tools/cirrus.yml", "task: {}\n"),
    ("tools/commit-msg", "#!/bin/sh\n"),
    (".nvim.lua", "\n"),
    (".Rprofile", "\n"),
    (".junie/mcp/mcp.json", "{}\n"),
    ("Jenkinsfile", "pipeline {}\n"),
    (".config/autostart/x.desktop", "[Desktop Entry]\n"),
    ("lefthook.yml", "\n"),
];
/// Denied places that are symbolic links, and where they lead.
const LINKS: &[(&str, &str)] = &[
    (".semaphore", "tools/semaphore"),
    (".cirrus.yml", "tools/cirrus.yml"),
    (".git/hooks/commit-msg", "../../tools/commit-msg"),
];
/// What the probes need beside them in the workspace.
const PROBE_FILES: &[&str] = &["probe.py", "checklist.tsv", "battery"];
/// Directories of the host that a sandbox must not show: told apart from its own by device and inode.
const HOST_PLACES: &[&str] =
    &["/root", "/home", "/var/log", "/tmp", "/dev/shm", "/dev", "/dev/pts", "/run", "/opt", "/srv"];
/// Variables that tell a secret, by their names (and here by their values too).
const SECRET_VARIABLES: &[&str] = &["AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY", "GITHUB_TOKEN"];
/// Where the heartbeat of lifecycle.daemon_survives is, in the workspace.
const HEARTBEAT: &str = ".msb-heartbeat";
/// A set-uid root program in the workspace: what a careless host leaves there.
const SETUID_ID: &str = ".setuid/id";
/// One run of the whole battery.
const SECONDS_MAX: u64 = 600;

/// What came of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It got through.
    Allowed,
    /// It was refused.
    Blocked,
    /// There was nothing to try it on.
    Absent,
    /// The probe could not tell.
    Error,
}

/// A row and what came of its probe.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The row.
    pub row: Row,
    /// What came of it.
    pub verdict: Verdict,
    /// What the probe said.
    pub detail: String,
}

impl Finding {
    /// Whether it is what the row expects; what is absent is blocked.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        match self.row.expected {
            Expected::Allowed => self.verdict == Verdict::Allowed,
            Expected::Blocked => matches!(self.verdict, Verdict::Blocked | Verdict::Absent),
        }
    }
}

/// The probes, the canary and the directories of one run.
#[derive(Debug)]
pub struct Battery {
    workspace: Workspace,
    canary: Option<Canary>,
    markers: Vec<PathBuf>,
    facts: Map<String, Value>,
    nonce: String,
}

impl Battery {
    /// Sets everything up for a launch by `account`.
    ///
    /// # Panics
    /// When that can't be done.
    #[must_use]
    pub fn new(account: Account) -> Battery {
        let workspace = Workspace::new(account);
        let nonce = nonce();
        workspace.write("host/secret", format!("secret {nonce}").as_bytes());
        for credential in ["home/.ssh/id_canary", "home/.aws/credentials"] {
            workspace.write(credential, nonce.as_bytes());
        }
        for (path, content) in OF_SOMEBODY {
            workspace.write(&format!("work/{path}"), content.as_bytes());
        }
        for (link, to) in LINKS {
            symlink(to, workspace.join(link)).unwrap_or_else(|error| panic!("{link}: {error}"));
        }
        for file in PROBE_FILES {
            workspace.copy(&probes_dir().join(file), &format!("work/{file}"));
        }
        workspace.copy(&probes_dir().join("surroundings.py"), "host/surroundings.py");
        workspace.own();
        let sockets = ["host/server", "host/agent", "host/bus", "host/wayland", "work/server"];
        let sockets = sockets.map(|name| workspace.base().join(name));
        let canary = Canary::start(&workspace, &nonce, &sockets);
        let markers = ["/tmp", "/dev/shm"].map(|d| marker(Path::new(d), &nonce, account)).to_vec();
        let mut facts = facts(&workspace, &nonce, &sockets, &markers, setuid_program(&workspace));
        facts.extend(canary.facts().clone());
        Battery { workspace, canary: Some(canary), markers, facts, nonce }
    }

    /// The directories.
    #[must_use]
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Runs the probes named by `only` (categories or ids) without a sandbox.
    ///
    /// # Panics
    /// When the battery does not run to its end.
    #[must_use]
    pub fn run_unconfined(&self, only: &[&str]) -> Vec<Finding> {
        let here = self.workspace.path();
        self.run(Path::new("/usr/bin/python3"), &[], &here, only)
    }

    /// Runs the probes named by `only` under the policy in `policy`, whose parameter `workspace` appears at
    /// `inside`.
    ///
    /// # Panics
    /// When the battery does not run to its end.
    #[must_use]
    pub fn run_confined(&self, policy: &Path, inside: &Path, only: &[&str]) -> Vec<Finding> {
        let bin = self.workspace.bin();
        let source = self.workspace.copy(policy, "policy.msb");
        let source = source.display().to_string();
        let setting = self.workspace.setting();
        own(Path::new(&source), self.workspace.account());
        let before = ["run", &source, "--set", &setting, "--", "python3"];
        self.run(&bin.join("msbc"), &before, inside, only)
    }

    /// Runs the probes named by `only` under the plan in `plan`, whose parameter `workspace` appears at `inside`; the
    /// launcher is the argument of `before`, where that is a program.
    ///
    /// # Panics
    /// When the battery does not run to its end.
    #[must_use]
    pub fn run_plan(&self, before: &[&str], plan: &Path, inside: &Path, only: &[&str]) -> Vec<Finding> {
        let launcher = self.workspace.bin().join("msb-launch").display().to_string();
        let (plan, setting) = (plan.display().to_string(), self.workspace.setting());
        let mut words = Vec::from(before);
        words.extend([launcher.as_str(), &plan, "--set", &setting, "--", "python3"]);
        let [program, rest @ ..] = words.as_slice() else { panic!("the launcher is always there") };
        self.run(Path::new(program), rest, inside, only)
    }

    fn run(&self, program: &Path, before: &[&str], inside: &Path, only: &[&str]) -> Vec<Finding> {
        let rows: Vec<Row> = checklist().into_iter().filter(|row| is_chosen(row, only)).collect();
        let (apart, together): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(ends_the_sandbox);
        let mut findings = Vec::new();
        if !together.is_empty() {
            findings.extend(self.run_rows(program, before, inside, &together));
        }
        for row in apart {
            findings.extend(self.run_rows(program, before, inside, &[row]));
        }
        findings
    }

    fn run_rows(&self, program: &Path, before: &[&str], inside: &Path, rows: &[Row]) -> Vec<Finding> {
        let facts =
            self.workspace.write("work/facts.json", Value::Object(self.facts.clone()).to_string().as_bytes());
        own(&facts, self.workspace.account());
        // What an earlier run left would be taken for a sign of life.
        for stale in [HEARTBEAT.to_owned(), format!("{HEARTBEAT}.stop")] {
            let _ = fs::remove_file(self.workspace.join(&stale));
        }
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let mut command = self.surroundings();
        command.arg("--").arg(program).args(before);
        command.arg(inside.join("probe.py")).arg("--facts").arg(inside.join("facts.json"));
        command.arg("--announce").arg("--only").arg(ids.join(","));
        let ended = self.finish(&mut command);
        let mut findings = read_findings(rows, &ended);
        for finding in &mut findings {
            if finding.row.id == "lifecycle.daemon_survives" && finding.detail == "the daemon runs" {
                (finding.verdict, finding.detail) = self.daemon();
            }
        }
        findings
    }

    /// The careless host: a controlling terminal, open descriptors, secrets in the environment.
    fn surroundings(&self) -> Command {
        let base = self.workspace.base();
        let mut command = self.workspace.command("/usr/bin/python3");
        command.arg(base.join("host/surroundings.py")).arg("--leak").arg(self.workspace.host_dir());
        command.arg("--facts").arg(self.workspace.join("facts.json"));
        for name in SECRET_VARIABLES {
            command.env(name, format!("key {}", self.nonce));
        }
        command.env("SSH_AUTH_SOCK", base.join("host/agent"));
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", base.join("host/bus").display()));
        command.env("WAYLAND_DISPLAY", base.join("host/wayland")).env("DISPLAY", ":0");
        command
    }

    fn finish(&self, command: &mut Command) -> Ended {
        let stdin = self.workspace.base().join("stdin");
        let file = File::open(&stdin).unwrap_or_else(|error| panic!("{}: {error}", stdin.display()));
        crate::process::finish_with_file(command, file, SECONDS_MAX)
    }

    /// Whether the daemon's heart still beats now that the command has ended; it is asked to stop if so.
    fn daemon(&self) -> (Verdict, String) {
        let path = self.workspace.join(HEARTBEAT);
        let beat = || fs::read_to_string(&path).unwrap_or_default();
        let first = beat();
        let alive = wait_until(Duration::from_millis(500), || (beat() != first).then(beat));
        let Some(beat) = alive else { return (Verdict::Blocked, format!("its last beat: {}", first.trim())) };
        // Its pid may be of another namespace: it is not killed but told.
        self.workspace.write(&format!("work/{HEARTBEAT}.stop"), b"");
        let stopped = wait_until(Duration::from_secs(30), || (!path.exists()).then_some(()));
        assert!(stopped.is_some(), "the daemon does not stop");
        (Verdict::Allowed, format!("it lives on: {}", beat.trim()))
    }

    /// Ends the canary and says who came to it.
    ///
    /// # Panics
    /// When somebody killed it.
    #[must_use]
    pub fn end(mut self) -> Visits {
        let Some(canary) = self.canary.take() else { panic!("the canary was ended before") };
        canary.end()
    }

    fn remove_markers(&mut self) {
        for marker in self.markers.drain(..) {
            let _ = fs::remove_file(marker);
        }
    }
}

impl Drop for Battery {
    fn drop(&mut self) {
        self.remove_markers();
    }
}

fn is_chosen(row: &Row, only: &[&str]) -> bool {
    only.iter().any(|word| *word == row.id || *word == row.category())
}

/// Rows whose probes may end the sandbox itself, which is one way of holding a bound: each has a run of its own.
fn ends_the_sandbox(row: &Row) -> bool {
    row.category() == "dos" || row.id == "lifecycle.kill_init" || row.id == "lifecycle.daemon_survives"
}

/// One finding for each row, from the lines that the probes printed.
fn read_findings(rows: &[Row], ended: &Ended) -> Vec<Finding> {
    let output = ended.out();
    let lines: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let said = |id: &str, key: &str| lines.iter().find(|line| line["id"] == id && !line[key].is_null());
    rows.iter()
        .map(|row| {
            if let Some(line) = said(&row.id, "outcome") {
                let detail = line["detail"].as_str().unwrap_or_default().to_owned();
                return Finding { row: row.clone(), verdict: verdict(line["outcome"].as_str()), detail };
            }
            // Killed with the whole sandbox, in the middle of a probe that had been announced. Only where a probe
            // runs alone is it known that it was the probe.
            let alone = rows.len() == 1 && row.category() == "dos" && ended.code() == 137;
            assert!(
                alone && said(&row.id, "started").is_some(),
                "{} did not run; status {}\n{output}\n{}",
                row.id,
                ended.code(),
                ended.err()
            );
            Finding {
                row: row.clone(),
                verdict: Verdict::Blocked,
                detail: "the sandbox was ended, 137".into(),
            }
        })
        .collect()
}

fn verdict(outcome: Option<&str>) -> Verdict {
    match outcome {
        Some("allowed") => Verdict::Allowed,
        Some("blocked") => Verdict::Blocked,
        Some("absent") => Verdict::Absent,
        _ => Verdict::Error,
    }
}

/// A word that nobody else has: the process, the time and a count.
fn nonce() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{:08x}{:016x}{count:04x}", std::process::id(), time.as_nanos())
}

/// A file in a directory that all share.
fn marker(directory: &Path, nonce: &str, account: Account) -> PathBuf {
    let path = directory.join(format!("msb-marker-{nonce}"));
    fs::write(&path, nonce).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    own(&path, account);
    path
}

/// A copy of `id` with the set-uid bit, where the harness is root and can make one.
fn setuid_program(workspace: &Workspace) -> &'static str {
    if !Account::current().is_root() {
        return "";
    }
    let path = workspace.copy_program(Path::new("/usr/bin/id"), &format!("work/{SETUID_ID}"));
    own(&path, Account::current());
    set_mode(&path, 0o4755);
    SETUID_ID
}

fn facts(
    workspace: &Workspace,
    nonce: &str,
    sockets: &[PathBuf; 5],
    markers: &[PathBuf],
    setuid_id: &str,
) -> Map<String, Value> {
    let [server, agent, bus, wayland, _] = sockets;
    let stdin = workspace.base().join("stdin");
    let home = workspace.home();
    let mut places: Vec<&Path> = HOST_PLACES.iter().map(Path::new).collect();
    places.push(&home);
    let identity: Map<String, Value> =
        places.into_iter().filter_map(|path| Some((path.display().to_string(), inode(path)?))).collect();
    let namespaces: Map<String, Value> = ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"]
        .into_iter()
        .filter_map(|kind| {
            let link = fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
            Some((kind.to_owned(), Value::from(link.display().to_string())))
        })
        .collect();
    let facts = json!({
        "nonce": nonce,
        "secret_path": workspace.host_dir().join("secret"),
        "host_dir": workspace.host_dir(),
        "home": home,
        "unix_path": server,
        "agent_socket": agent,
        "session_bus": bus,
        "wayland": wayland,
        "unix_in_workspace": "server",
        "tmp_marker": markers.first(),
        "shm_marker": markers.get(1),
        "setuid_id": setuid_id,
        "secret_variables": SECRET_VARIABLES,
        "identity": identity,
        "namespaces": namespaces,
        "hostname": fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim(),
        "workspace_host_path": workspace.path(),
        "stdin_identity": inode(&stdin),
        "heartbeat": HEARTBEAT,
        "passwd": fs::read_to_string("/etc/passwd").unwrap_or_default(),
    });
    match facts {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}

fn inode(path: &Path) -> Option<Value> {
    let meta = fs::metadata(path).ok()?;
    Some(json!([meta.dev(), meta.ino()]))
}
