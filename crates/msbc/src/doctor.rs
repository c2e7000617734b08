//! doctor: what this host offers to sandboxes, what each missing thing costs, and how to get it.
//!
//! Whether a sandbox can be made, with which cgroups and with a network of its own, is not guessed from settings: the
//! launcher makes one and executes nothing in it. Settings only say why it could not.

use crate::cli::{Doctor, Policy};
use crate::compile::{Filter, compiled};
use crate::output::{Output, reason};
use crate::run::{self, launcher};
use crate::{Exit, write};
use msb_plan::event::{Event, Failure, Step};
use msb_report::Context;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A policy that asks for each kind of thing but the network.
const POLICY: &str = "edition 2026\npolicy doctor {\n  include std.base\n  net none\n  \
    limits { memory 256MiB  pids 64  cpu 1  wall 1min }\n}\n";

/// The same with a network, for which nobody is asked: the name is one that is never anybody's (RFC 2606).
const NETWORK_POLICY: &str = "edition 2026\npolicy doctor {\n  include std.base\n  \
    net { allow https \"doctor.invalid\" }\n  syscalls { allow @network-io }\n  limits { wall 1min }\n}\n";

/// How wide the lines of advice are, and what they begin with.
const WIDTH: usize = 100;
const MARGIN: &str = "         ";

/// Least kernel of the plans that msbc writes.
const KERNEL_MIN: (u32, u32) = (5, 12);

/// One line of the answer.
struct Finding {
    what: &'static str,
    /// Whether it is there.
    good: bool,
    found: String,
    /// What its absence costs, and how to get it; "" where nothing is missing.
    advice: String,
}

/// `msbc doctor`: 0 where everything is there, 1 where something is missing.
pub(crate) fn doctor(arguments: &Doctor, output: &mut Output) -> Exit {
    let mut findings = vec![kernel(), landlock(), seccomp()];
    match trial(POLICY, output) {
        Ok(trial) => {
            findings.extend([namespaces(&trial), cgroups(&trial)]);
            findings.push(network(&trial, output));
        }
        Err(reason) => {
            findings.push(finding(
                "sandbox",
                false,
                reason,
                "build both and put them in one place: `scripts/build.sh`",
            ));
        }
    }
    if arguments.json {
        let line =
            |f: &Finding| json!({"what": f.what, "good": f.good, "found": f.found, "advice": f.advice});
        output.json(&Value::Array(findings.iter().map(line).collect()));
    } else {
        let mut text = String::new();
        for Finding { what, good, found, advice } in &findings {
            let mark = if *good { "ok       " } else { "missing  " };
            let width = WIDTH - MARGIN.len();
            let row = wrapped(&format!("{what}: {found}"), width);
            for (at, line) in row.into_iter().chain(wrapped(advice, width)).enumerate() {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{}{line}", if at == 0 { mark } else { MARGIN });
            }
        }
        output.answer(&text);
    }
    if findings.iter().all(|finding| finding.good) { Exit::Success } else { Exit::Wrong }
}

fn finding(what: &'static str, good: bool, found: impl Into<String>, advice: &str) -> Finding {
    let advice = if good { "" } else { advice };
    Finding { what, good, found: found.into(), advice: advice.to_owned() }
}

/// `text` in lines of at most `width`, where its words allow it. What stands between backticks is one word: it is there to be
/// copied.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_quoted = false;
    let words = text.split(|c: char| {
        is_quoted ^= c == '`';
        c == ' ' && !is_quoted
    });
    for word in words.filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn kernel() -> Finding {
    let release = setting("kernel/osrelease");
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let wsl = if is_wsl() { " (WSL)" } else { "" };
    let advice = "no plan runs on it: a newer kernel, at least 5.12; on Windows `wsl --update`, and \
        `wsl --set-version DISTRIBUTION 2` where it is still WSL 1";
    finding("kernel", version >= KERNEL_MIN, format!("Linux {release}{wsl}"), advice)
}

fn is_wsl() -> bool {
    setting("kernel/osrelease").to_lowercase().contains("microsoft")
}

fn landlock() -> Finding {
    let abi = msb_sys::landlock::abi();
    let found = if abi > 0 { format!("ABI {abi}") } else { "not there, or turned off at boot".to_owned() };
    let advice = "no second wall behind the mounts, and none at all where user namespaces are refused: a kernel with \
        CONFIG_SECURITY_LANDLOCK, and `landlock` in `lsm=` of its command line; a container's filter may hide it, too";
    finding("landlock", abi > 0, found, advice)
}

fn seccomp() -> Finding {
    let actions = setting("kernel/seccomp/actions_avail");
    let missing: Vec<&str> = ["kill_process", "errno", "user_notif", "log", "trap"]
        .into_iter()
        .filter(|action| actions.split_whitespace().all(|there| there != *action))
        .collect();
    let found = if missing.is_empty() { actions.clone() } else { format!("without {}", missing.join(", ")) };
    let advice = "no sandbox, or none that `msbc run --explain` can explain: a kernel with CONFIG_SECCOMP_FILTER, 5.0 or later";
    finding("seccomp", missing.is_empty(), found, advice)
}

fn namespaces(trial: &Trial) -> Finding {
    let Some((step, found, help)) = trial.failure() else {
        return finding("namespaces", true, "a whole sandbox was made", "");
    };
    let is_refused = matches!(
        step,
        Step::Namespaces | Step::IdMap | Step::Root | Step::Hostname | Step::Mount | Step::Dev
    );
    let how = if is_refused { why_refused().unwrap_or(help) } else { help };
    let cost = "no sandbox can be made of a policy that asks for the whole of it: ";
    finding("namespaces", false, found, &format!("{cost}{how}"))
}

/// The setting that refuses user namespaces, and how to change it.
fn why_refused() -> Option<String> {
    let how = if setting("kernel/apparmor_restrict_unprivileged_userns") == "1" {
        "AppArmor refuses user namespaces to programs that it does not know (Ubuntu 23.10 and later). Put the three programs \
         into /usr/local/bin, and as root let msb-launch there have them: \
         `cp packaging/apparmor/msb-launch /etc/apparmor.d/ && apparmor_parser -r /etc/apparmor.d/msb-launch`"
    } else if setting("kernel/unprivileged_userns_clone") == "0" {
        "as root, `sysctl -w kernel.unprivileged_userns_clone=1`, and the same in a file of /etc/sysctl.d to keep it"
    } else if setting("user/max_user_namespaces") == "0" {
        "as root, `sysctl -w user.max_user_namespaces=10000`, and the same in a file of /etc/sysctl.d to keep it"
    } else if is_container() {
        "this is a container, whose own filter refuses it. Start msbc outside, or the container with \
         `--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined` (Docker) \
         or `--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt unmask=ALL` (Podman), or write `sandbox { tier landlock }` \
         where less is enough"
    } else {
        return None;
    };
    Some(how.to_owned())
}

fn is_container() -> bool {
    let marks = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];
    let is_named =
        ["container", "KUBERNETES_SERVICE_HOST"].iter().any(|name| std::env::var_os(name).is_some());
    is_named || marks.iter().any(|file| PathBuf::from(file).exists())
}

fn cgroups(trial: &Trial) -> Finding {
    let named = |name: &'static str| trial.events.iter().filter(move |event| event["event"] == name);
    let without: Vec<&str> =
        named("held-without-cgroup").filter_map(|event| event["limit"].as_str()).collect();
    if trial.failure().is_some() && without.is_empty() {
        return finding("cgroups", false, "unknown, since no sandbox was made", "");
    }
    let found = if without.is_empty() {
        "for every limit".to_owned()
    } else {
        format!("none for {}", without.join(", "))
    };
    let cost = "these limits are held in a weaker way, `io` and parts of a CPU not at all, and `limits hard` refuses to start: ";
    let how = if is_wsl() && !PathBuf::from("/run/systemd/system").exists() {
        "write `systemd=true` below `[boot]` in /etc/wsl.conf, then `wsl --shutdown` on Windows; `msbc run` asks systemd for a \
         cgroup"
    } else if !PathBuf::from("/sys/fs/cgroup/cgroup.controllers").exists() {
        "this host has the cgroups of version 1, or none, where only root makes any: boot with \
         `systemd.unified_cgroup_hierarchy=1`"
    } else if is_container() {
        "this container may not make any: start it with a writable /sys/fs/cgroup of its own (Podman: `--cgroups=split`), or \
         bound the container itself"
    } else {
        "with systemd `msbc run` asks the user's manager for one, where `systemctl --user status` says that it runs and busctl \
         is there"
    };
    finding("cgroups", without.is_empty(), found, &format!("{cost}{how}"))
}

/// Whether a sandbox can have a network: nf_tables in a user namespace's network, and the gateway.
fn network(without: &Trial, output: &Output) -> Finding {
    if without.failure().is_some() {
        return finding("network", false, "unknown, since no sandbox was made", "");
    }
    let cost = "policies with rules for hosts cannot be run, those with `net none` can: ";
    match trial(NETWORK_POLICY, output).map(|trial| trial.failure()) {
        Ok(None) => finding("network", true, "nf_tables took the rules, and the gateway answers", ""),
        Ok(Some((_, found, help))) => finding("network", false, found, &format!("{cost}{help}")),
        Err(reason) => finding("network", false, reason, cost.trim_end_matches(": ")),
    }
}

/// What the launcher said of a sandbox in which nothing is executed.
struct Trial {
    plan: Vec<u8>,
    events: Vec<Value>,
}

impl Trial {
    /// The step at which it could not be made, what happened there, and what to do.
    fn failure(&self) -> Option<(Step, String, String)> {
        let failed = self.events.iter().find(|event| event["event"] == "failed");
        let ended = self.events.iter().find(|event| event["event"] == "ended");
        let Some(failed) = failed else {
            let nothing = "the launcher ended and did not say why".to_owned();
            return ended.is_none().then_some((Step::Usage, nothing, String::new()));
        };
        let name = failed["step"].as_str().unwrap_or_default();
        let step = *Step::ALL.iter().find(|step| step.name() == name)?;
        let errno = failed["errno"].as_u64().and_then(|errno| u16::try_from(errno).ok()).unwrap_or(0);
        let event = Event::Failed(Failure { step, origin: None, errno });
        let plan = msb_plan::decode(&self.plan).ok()?;
        let report = msb_report::explain(&event, plan.plan(), &Context::default())?;
        Some((step, report.diagnostic.message, report.diagnostic.help.unwrap_or_default()))
    }
}

/// What the launcher says of a sandbox in which nothing is executed.
fn trial(policy: &str, output: &Output) -> Result<Trial, String> {
    let program = launcher::find().ok_or("msb-launch is neither beside msbc nor on the PATH")?;
    let dir = std::env::temp_dir().join(format!("msbc-doctor.{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|error| reason(&error))?;
    let tried: Result<_, String> = (|| {
        let file = dir.join("doctor.msb");
        fs::write(&file, policy).map_err(|error| reason(&error))?;
        let policy = Policy { file, name: None, json: true };
        let plan = compiled(&policy, Filter::Decides, output).and_then(|compiled| compiled.plan);
        let path = dir.join("doctor.plan");
        let plan = plan.ok_or("the trial's own policy does not compile")?;
        write::at_once(&path, &plan)?;
        if let Ok(plan) = msb_plan::decode(&plan) {
            // As `msbc run` does; without one the launcher says which limits it would hold in another way.
            let _ = run::scope::enter(&plan.plan().limits);
        }
        let mut command = Command::new(program);
        command.args(["--json", "--dry-run"]).arg(&path).args(["--", "sh"]).stdin(Stdio::null());
        let said = command.output().map_err(|error| reason(&error))?;
        Ok((plan, said))
    })();
    // What is left of it is two small files of this user's own.
    let _ = fs::remove_dir_all(&dir);
    let (plan, said) = tried?;
    let lines = String::from_utf8_lossy(&said.stderr).into_owned();
    Ok(Trial { plan, events: lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect() })
}

/// A setting of proc_sys(5); "" where there is none.
fn setting(name: &str) -> String {
    fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default().trim().to_owned()
}
