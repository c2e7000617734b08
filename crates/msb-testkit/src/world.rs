//! A host with an internet of its own, for real programs: `probes/egress/world.sh` makes it in network and mount
//! namespaces, which takes root; sandboxes are launched there by root and by an ordinary user.

use crate::account::{Account, accounts};
use crate::checklist::probes_dir;
use crate::process::{Ended, finish};
use crate::skip::{Need, skip};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How long one run may take: Java needs some of it.
const RUN_SECONDS_MAX: u64 = 120;

/// A host in the making: each command runs on a new one.
#[derive(Debug)]
pub struct World {
    /// Its user's directories.
    pub workspace: Workspace,
    /// Files of the internet's servers; `www` is what they serve.
    pub directory: PathBuf,
    python: Option<PathBuf>,
}

impl World {
    /// A host for `account`; `None`, with the skip counted, where something is missing.
    #[must_use]
    pub fn new(account: Account) -> Option<World> {
        if let Some(missing) =
            ["curl", "wget", "dig", "openssl", "ip", "setpriv", "python3"].into_iter().find(|it| !has(it))
        {
            skip(Need::Clients, &format!("{missing} is missing"));
            return None;
        }
        Account::root()?;
        let workspace = Workspace::new(account);
        workspace.copy(&probes_dir().join("egress"), "world");
        workspace.own();
        let directory = workspace.base().join("internet");
        std::fs::create_dir_all(directory.join("www"))
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        crate::workspace::set_mode(&workspace.base().join("world/world.sh"), 0o755);
        Some(World { workspace, directory, python: None })
    }

    /// The same with a server of gRPC, for which `python` has the library.
    #[must_use]
    pub fn with_calls(self, python: &Path) -> World {
        World { python: Some(python.to_path_buf()), ..self }
    }

    /// `msbc run` of `policy` with `options` and a command inside; `$workspace` and `$key` are set, and
    /// `$other` where it has one.
    #[must_use]
    pub fn run(&self, policy_text: &str, options: &[&str], inside: &[&str]) -> Ended {
        let policy = self.workspace.write("policy.msb", policy_text.as_bytes());
        let msbc = self.workspace.bin().join("msbc");
        let mut command = self.host(&[]);
        command.arg(msbc).arg("run").arg(policy).args(["--set", &self.workspace.setting()]);
        command.args(["--set", "key=env:KEY"]);
        if policy_text.contains("other: secret") {
            command.args(["--set", "other=env:OTHER_KEY"]);
        }
        command.args(options).arg("--").args(inside);
        finish(&mut command, RUN_SECONDS_MAX)
    }

    /// A command on the host.
    #[must_use]
    pub fn host(&self, words: &[&str]) -> Command {
        let account = self.workspace.account();
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--"]).arg(self.workspace.base().join("world/world.sh"));
        command.arg(&self.directory).args([account.uid.to_string(), account.gid.to_string()]).args(words);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.workspace.home()).env("KEY", "sk-4711");
        command.env("OTHER_KEY", "x-api-key: sk-4712").current_dir(self.workspace.base());
        command.envs(self.python.iter().map(|python| ("MSB_TEST_CLIENTS", python)));
        command
    }
}

/// Whether the host has a program.
#[must_use]
pub fn has(program: &str) -> bool {
    std::env::split_paths("/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").any(|it| it.join(program).is_file())
}

/// Runs commands inside, for root and for an ordinary user: each line is a command, then how what it says must begin,
/// its exit code first. `prepare` comes before.
///
/// # Panics
/// When anything is otherwise.
#[track_caller]
pub fn check_inside(policy: &str, prepare: impl Fn(World) -> Option<World>, cases: &[(&str, &str)]) {
    for account in accounts() {
        let Some(world) = World::new(account).and_then(&prepare) else { return };
        let script: String = cases
            .iter()
            .map(|(command, _)| {
                format!("out=$({{ {command}; }} 2>&1); echo \"$? $out\" | tr '\\n' ' '; echo\n")
            })
            .collect();
        let ended = world.run(policy, &[], &["bash", "-c", &script]);
        let out = ended.out();
        assert_eq!(out.lines().count(), cases.len(), "{account:?}\n{out}\n{}", ended.err());
        for ((command, expected), line) in cases.iter().zip(out.lines()) {
            assert!(
                line.starts_with(expected),
                "{account:?}: {command}\nexpected {expected}\n   found {line}\n{}",
                ended.err()
            );
        }
    }
}
