//! One run of a shell script under a profile, in a workspace at /work.

use msb_testkit::{Account, Ended, Workspace, finish};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Of a compiler on a busy machine.
const SECONDS_MAX: u64 = 120;

/// What the launcher's own environment has besides PATH and HOME, for profiles to pass or not.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("LANG", "xx_XX.UTF-8"),
    ("LANGUAGE", "xx"),
    ("LC_TIME", "xx_XX.UTF-8"),
    ("TERM", "dumb"),
    ("TZ", "Antarctica/Troll"),
    ("SECRET_TOKEN", "not for the program"),
];

/// Directories for runs that follow each other; each begins with an empty workspace.
pub(crate) struct Confined {
    workspace: Workspace,
    path: String,
    runs: usize,
}

/// A policy around profiles.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trial<'a> {
    /// What the policy includes, as JSON says it: `["std.base", {"std.git": {"name": "x"}}]`.
    pub(crate) include: Value,
    /// Profiles of its own, which are then named without `std.`.
    pub(crate) profiles: Option<&'a Value>,
    /// A directory of the host whose programs may run, where it is.
    pub(crate) tools: Option<&'a Path>,
}

impl Confined {
    pub(crate) fn new(account: Account) -> Confined {
        let path = "/usr/local/bin:/usr/bin:/bin".to_owned();
        Confined { workspace: Workspace::new(account), path, runs: 0 }
    }

    /// A home with rustup's directories, and a PATH that leads there.
    pub(crate) fn with_rustup(account: Account, rustup: &Path) -> Confined {
        let mut confined = Confined::new(account);
        for (from, to) in [(".rustup", ".rustup"), (".cargo", ".cargo")] {
            let to = confined.workspace.home().join(to);
            fs::rename(rustup.join(from), &to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        }
        confined.path =
            format!("{}:{}", confined.workspace.home().join(".cargo/bin").display(), confined.path);
        confined
    }

    /// Runs `script` under `trial`, in a workspace that has `files` and nothing else.
    #[track_caller]
    pub(crate) fn run(&mut self, trial: &Trial<'_>, files: &[(&str, &str)], script: &str) -> Ended {
        self.try_run(trial, files, script).unwrap_or_else(|said| panic!("{script}\n{said}"))
    }

    /// The same, or what the compiler says where it refuses the policy.
    pub(crate) fn try_run(
        &mut self,
        trial: &Trial<'_>,
        files: &[(&str, &str)],
        script: &str,
    ) -> Result<Ended, String> {
        self.runs += 1;
        let work = format!("run-{}", self.runs);
        for (name, content) in files {
            self.workspace.write(&format!("{work}/{name}"), content.as_bytes());
        }
        let work = self.workspace.base().join(work);
        fs::create_dir_all(&work).unwrap_or_else(|error| panic!("{}: {error}", work.display()));
        own(&work, &self.workspace);
        let policy = self.policy(trial);
        let plan = self.workspace.base().join("trial.plan");
        let mut compile =
            self.workspace.msbc([OsStr::new("compile"), policy.as_ref(), OsStr::new("-o"), plan.as_ref()]);
        let compiled = finish(&mut compile, SECONDS_MAX);
        if compiled.code() != 0 {
            return Err(compiled.err());
        }
        let mut launch = self.workspace.command(self.workspace.bin().join("msb-launch"));
        launch.env("PATH", &self.path).envs(ENVIRONMENT.iter().copied()).arg(&plan);
        launch.arg("--set").arg(setting("workspace", &work));
        if let Some(tools) = trial.tools {
            launch.arg("--set").arg(setting("tools", tools));
        }
        let ended = finish(launch.args(["--", "/usr/bin/sh", "-c", script]), SECONDS_MAX);
        fs::remove_dir_all(&work).unwrap_or_else(|error| panic!("{}: {error}", work.display()));
        Ok(ended)
    }

    /// Asserts that `script` comes to its end.
    #[track_caller]
    pub(crate) fn works(&mut self, trial: &Trial<'_>, files: &[(&str, &str)], script: &str) {
        let ended = self.run(trial, files, script);
        let account = self.workspace.account();
        assert_eq!(
            ended.code(),
            0,
            "{account:?}, {}: {script}\n{}{}",
            trial.include,
            ended.out(),
            ended.err()
        );
    }

    fn policy(&self, trial: &Trial<'_>) -> PathBuf {
        let mut params = json!({"workspace": "dir"});
        let mut fs = vec![
            json!({"write": ["$workspace"], "at": "/work"}),
            json!({"run": ["/work"]}),
            json!({"scratch": ["/tmp"], "size": "512MiB", "inodes": 20000}),
        ];
        if trial.tools.is_some() {
            params["tools"] = json!("dir");
            fs.push(json!({"run": ["$tools"]}));
        }
        let policy = json!({
            "name": "trial",
            "params": params,
            "include": trial.include,
            "net": "none",
            "fs": fs,
            "exec": {"cwd": "/work"},
        });
        let mut file = json!({"edition": 2026, "policies": [policy]});
        if let Some(profiles) = trial.profiles {
            file["profiles"] = profiles.clone();
        }
        self.workspace.write("trial.json", file.to_string().as_bytes())
    }
}

fn setting(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// Gives `path` and what is below it to who launches.
fn own(path: &Path, workspace: &Workspace) {
    let Account { uid, gid } = workspace.account();
    let mut chown = std::process::Command::new("chown");
    chown.arg("-R").arg(format!("{uid}:{gid}")).arg(path);
    let ended = finish(&mut chown, SECONDS_MAX);
    assert_eq!(ended.code(), 0, "{}", ended.err());
}
