//! doctor: what this host offers to sandboxes, what each missing thing costs, and how to get it.
//!
//! Whether a sandbox can be made, and with which cgroups, is not guessed from settings: the launcher makes one and executes
//! nothing in it. Settings only say why it could not.

use crate::cli::{Doctor, Policy};
use crate::compile::{Filter, compiled};
use crate::output::{Output, reason};
use crate::run::{self, launcher};
use crate::{Exit, write};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A policy that asks for each kind of thing.
const POLICY: &str = "edition 2026\npolicy doctor {\n  include std.base\n  net none\n  \
    limits { memory 256MiB  pids 64  cpu 1  wall 1min }\n}\n";

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
    match trial(output) {
        Ok(events) => findings.extend([namespaces(&events), cgroups(&events)]),
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
            let mark = if *good { "ok      " } else { "missing " };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{mark} {what}: {found}");
            if !advice.is_empty() {
                let _ = writeln!(text, "         {advice}");
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

fn kernel() -> Finding {
    let release = setting("kernel/osrelease");
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let wsl = if release.contains("microsoft") { " (WSL2)" } else { "" };
    let advice = "no plan runs on it: a newer kernel, at least 5.12; under WSL2 `wsl --update`";
    finding("kernel", version >= KERNEL_MIN, format!("Linux {release}{wsl}"), advice)
}

fn landlock() -> Finding {
    let abi = msb_sys::landlock::abi();
    let found = if abi > 0 { format!("ABI {abi}") } else { "not there, or turned off at boot".to_owned() };
    let advice = "no second wall behind the mounts, and none at all where user namespaces are refused: a kernel with \
        CONFIG_SECURITY_LANDLOCK, and `landlock` in `lsm=` of its command line";
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

fn namespaces(events: &[Value]) -> Finding {
    match events.iter().find(|event| event["event"] == "failed") {
        None => finding("namespaces", true, "a whole sandbox was made", ""),
        Some(failed) => {
            let step = failed["step"].as_str().unwrap_or_default();
            let found = format!("the launcher failed at `{step}`, errno {}", failed["errno"]);
            finding("namespaces", false, found, &why_refused())
        }
    }
}

/// The setting that refuses user namespaces, and how to change it.
fn why_refused() -> String {
    let cost = "no sandbox can be made of a policy that asks for the whole of it. ";
    let how = if setting("kernel/apparmor_restrict_unprivileged_userns") == "1" {
        "AppArmor refuses user namespaces to programs that it does not know (Ubuntu 24.04 and later): as root, \
         `cp packaging/apparmor/msb-launch /etc/apparmor.d/ && apparmor_parser -r /etc/apparmor.d/msb-launch`"
    } else if setting("kernel/unprivileged_userns_clone") == "0" {
        "as root, `sysctl -w kernel.unprivileged_userns_clone=1`"
    } else if setting("user/max_user_namespaces") == "0" {
        "as root, `sysctl -w user.max_user_namespaces=10000`"
    } else if ["/.dockerenv", "/run/.containerenv"].iter().any(|file| PathBuf::from(file).exists()) {
        "this is a container, whose own filter refuses it: start msbc outside, or the container with \
         `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`"
    } else {
        "`msb-launch` says at which step it failed; `msbc doc MSB1106` what refuses it"
    };
    format!("{cost}{how}")
}

fn cgroups(events: &[Value]) -> Finding {
    let without: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "held-without-cgroup")
        .filter_map(|event| event["limit"].as_str())
        .collect();
    let found = if without.is_empty() {
        "for every limit".to_owned()
    } else {
        format!("none for {}", without.join(", "))
    };
    finding(
        "cgroups",
        without.is_empty(),
        found,
        "these limits are held in a weaker way, `io` and parts of a CPU not at all, and `limits hard` refuses to start: \
         with systemd and cgroup v2 `msbc run` asks the user's manager for one, where `systemctl --user status` says that \
         it runs and busctl is there",
    )
}

/// What the launcher says of a sandbox in which nothing is executed.
fn trial(output: &Output) -> Result<Vec<Value>, String> {
    let program = launcher::find().ok_or("msb-launch is neither beside msbc nor on the PATH")?;
    let dir = std::env::temp_dir().join(format!("msbc-doctor.{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|error| reason(&error))?;
    let tried = (|| {
        let file = dir.join("doctor.msb");
        fs::write(&file, POLICY).map_err(|error| reason(&error))?;
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
        command.output().map_err(|error| reason(&error))
    })();
    // What is left of it is two small files of this user's own.
    let _ = fs::remove_dir_all(&dir);
    let said = tried?;
    Ok(String::from_utf8_lossy(&said.stderr)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

/// A setting of proc_sys(5); "" where there is none.
fn setting(name: &str) -> String {
    fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default().trim().to_owned()
}
