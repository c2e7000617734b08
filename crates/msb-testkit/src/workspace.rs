//! Directories for one test: a workspace like a git checkout, a home, and a part of the host that nobody inside
//! may see.

use crate::account::Account;
use crate::binaries::binaries;
use crate::process::{Ended, finish};
use nix::unistd::{Gid, Uid, chown};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Beneath /var/tmp and not /tmp: a private /tmp inside would hide what should be denied.
const BASE: &str = "/var/tmp";

/// What a checkout and its owner's home hold before a run.
const FILES: &[(&str, &str)] = &[
    ("work/.git/HEAD", "ref: refs/heads/main\n"),
    ("work/.git/config", "[core]\n\tbare = false\n"),
    ("work/.git/hooks/pre-commit.sample", "#!/bin/sh\n"),
    ("work/.git/info/exclude", ""),
    ("work/.git/objects/README", ""),
    ("work/README.md", "a checkout\n"),
    ("stdin", "standard input\n"),
];

/// The directories of one test, removed when this is dropped.
#[derive(Debug)]
pub struct Workspace {
    base: TempDir,
    account: Account,
}

impl Workspace {
    /// Makes them, owned by `account`.
    ///
    /// # Panics
    /// When that can't be done.
    #[must_use]
    pub fn new(account: Account) -> Workspace {
        let base = tempfile::Builder::new().prefix("msb-").tempdir_in(BASE);
        let workspace = Workspace { base: base.unwrap_or_else(|error| panic!("{BASE}: {error}")), account };
        for directory in ["bin", "host", "home/.ssh", "home/.aws", "work"] {
            let path = workspace.base().join(directory);
            fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        for (path, content) in FILES {
            workspace.write(path, content.as_bytes());
        }
        workspace.own();
        workspace
    }

    /// What holds all the directories.
    #[must_use]
    pub fn base(&self) -> &Path {
        self.base.path()
    }

    /// The workspace: what a policy calls `$workspace`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.base().join("work")
    }

    /// A file or directory of the workspace.
    #[must_use]
    pub fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// A part of the host that no policy shows.
    #[must_use]
    pub fn host_dir(&self) -> PathBuf {
        self.base().join("host")
    }

    /// `$HOME` of who launches.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.base().join("home")
    }

    /// Who launches.
    #[must_use]
    pub fn account(&self) -> Account {
        self.account
    }

    /// Writes a file, `path` being relative to [`Workspace::base`], and gives back where it is.
    ///
    /// # Panics
    /// When that can't be done.
    pub fn write(&self, path: &str, content: &[u8]) -> PathBuf {
        let path = self.base().join(path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        }
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Copies a file or a directory to `to`, relative to [`Workspace::base`].
    ///
    /// # Panics
    /// When that can't be done.
    pub fn copy(&self, from: &Path, to: &str) -> PathBuf {
        let target = self.base().join(to);
        copy_tree(from, &target)
            .unwrap_or_else(|error| panic!("{} to {}: {error}", from.display(), target.display()));
        target
    }

    /// Copies a program to `to`, relative to [`Workspace::base`], so that it can be executed at once.
    ///
    /// Another process does it: a descriptor that is open for writing here would be inherited by whatever another
    /// thread starts in that moment, and execve(2) would fail with `ETXTBSY`.
    ///
    /// # Panics
    /// When that can't be done.
    pub(crate) fn copy_program(&self, from: &Path, to: &str) -> PathBuf {
        let target = self.base().join(to);
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        }
        let status = Command::new("cp").arg("--").arg(from).arg(&target).status();
        assert!(status.is_ok_and(|status| status.success()), "cp {} {}", from.display(), target.display());
        target
    }

    /// Gives everything to the account and makes it readable: only the sandbox may stand between a probe and
    /// the secrets.
    ///
    /// # Panics
    /// When that can't be done.
    pub fn own(&self) {
        own(self.base(), self.account);
    }

    /// A copy of the three programs that the account can reach, in one directory.
    ///
    /// # Panics
    /// When there are none ([`binaries`]) or they can't be copied.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        let bin = self.base().join("bin");
        let programs = binaries();
        for (from, name) in
            [(&programs.msbc, "msbc"), (&programs.launch, "msb-launch"), (&programs.gateway, "msb-gateway")]
        {
            if !bin.join(name).is_file() {
                let path = self.copy_program(from, &format!("bin/{name}"));
                own(&path, self.account);
                set_mode(&path, 0o755);
            }
        }
        bin
    }

    /// A command of the host that runs as the account, in an environment that has nothing but PATH and HOME.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.home());
        command.current_dir(self.base());
        self.account.applies_to(&mut command);
        command
    }

    /// `msbc` with `arguments`.
    #[must_use]
    pub fn msbc<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command(self.bin().join("msbc"));
        command.args(arguments);
        command
    }

    /// Compiles `policy` and gives back the plan's path.
    ///
    /// # Panics
    /// When the compiler refuses it.
    #[must_use]
    pub fn compile(&self, policy: &str) -> PathBuf {
        let source = self.write("policy.msb", policy.as_bytes());
        own(&source, self.account);
        let plan = self.base().join("plan.bin");
        let arguments = [OsStr::new("compile"), source.as_ref(), OsStr::new("-o"), plan.as_ref()];
        let ended = finish(&mut self.msbc(arguments), 60);
        assert_eq!(ended.code(), 0, "msbc compile:\n{}\n{}", ended.out(), ended.err());
        plan
    }

    /// `msb-launch PLAN --set workspace=… -- COMMAND…`.
    #[must_use]
    pub fn launch<A: AsRef<OsStr>>(&self, plan: &Path, inside: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command(self.bin().join("msb-launch"));
        command.arg(plan).arg("--set").arg(self.setting()).arg("--").args(inside);
        command
    }

    /// The workspace as `--set` takes it.
    #[must_use]
    pub fn setting(&self) -> String {
        format!("workspace={}", self.path().display())
    }
}

/// Runs `command` under `policy`, whose one parameter is `workspace: dir`, as who runs the test.
///
/// # Panics
/// When the workspace can't be made, or the run takes more than a minute.
#[must_use]
pub fn run_confined(policy: &str, command: &[&str]) -> Ended {
    let workspace = Workspace::new(Account::current());
    let source = workspace.write("policy.msb", policy.as_bytes());
    let mut run = workspace.msbc(["run"]);
    run.arg(source).arg("--set").arg(workspace.setting()).arg("--").args(command);
    finish(&mut run, 60)
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory)?;
        }
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_symlink() {
            symlink(fs::read_link(entry.path())?, target)?;
        } else if entry.file_name() != "__pycache__" {
            copy_tree(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Gives `path` and what is below it to `account`: directories 0755, files readable by all.
pub(crate) fn own(path: &Path, account: Account) {
    let Ok(meta) = fs::symlink_metadata(path) else { panic!("{} is gone", path.display()) };
    if meta.is_symlink() {
        return;
    }
    if Account::current().is_root() {
        let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
        chown(path, Some(uid), Some(gid)).unwrap_or_else(|error| panic!("chown {}: {error}", path.display()));
    }
    if meta.is_dir() {
        set_mode(path, 0o755);
        let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for entry in entries.flatten() {
            own(&entry.path(), account);
        }
    } else if meta.is_file() {
        set_mode(path, meta.permissions().mode() | 0o444);
    }
}

/// Sets the mode of a file.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    set.unwrap_or_else(|error| panic!("chmod {}: {error}", path.display()));
}
