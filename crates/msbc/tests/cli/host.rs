//! A directory of its own for each test, and msbc run in it.

use nix::unistd::Uid;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A policy that compiles, with two parameters.
pub(crate) const POLICY: &str = "\
edition 2026

policy agent(workspace: dir, tag: string = \"latest\") {
  include std.base
  net none
  fs {
    write   $workspace      at /work
    read    ~/.config/agent optional
    deny write $workspace/.git
  }
  limits { memory 512MiB  pids 64  cpu 1  wall 1min30s  files 256 }
  env { pass LANG  set HOME = \"/work\"  set TAG = $tag }
  exec { cwd /work  command \"sh\" \"-c\" \"true\" }
}
";

/// A directory that is removed at the end.
pub(crate) struct Host {
    directory: TempDir,
    /// The copy of msbc that the user of this number runs; without one, who runs the test runs the original.
    other_user: Option<(u32, PathBuf)>,
}

/// A number that nobody has: above people's, below what systemd hands out (61184 to 65519).
const SPARE_ID: u32 = 61_000;

/// What a process said, as text.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Host {
    /// With the sample policy as `agent.msb`.
    pub(crate) fn new() -> Host {
        let host = Host { directory: tempfile::tempdir().expect("a directory"), other_user: None };
        host.write("agent.msb", POLICY);
        host
    }

    /// The same, and msbc is run by somebody whom a file's mode keeps out: not by root.
    pub(crate) fn of_an_ordinary_user() -> Host {
        let mut host = Host::new();
        fs::set_permissions(host.directory.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
        if Uid::effective().is_root() {
            // The build may lie where only root goes.
            let copy = host.path("msbc");
            fs::copy(env!("CARGO_BIN_EXE_msbc"), &copy).expect("a copy");
            host.other_user = Some((SPARE_ID, copy));
        }
        host
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file")
    }

    /// Names of everything in the directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).expect("a directory");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        for name in ["NO_COLOR", "COLUMNS", "TERM"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs msbc; a test that hangs fails after a minute.
    pub(crate) fn msbc<W: AsRef<OsStr>>(&self, words: &[W]) -> Said {
        let own = Path::new(env!("CARGO_BIN_EXE_msbc"));
        let mut command = self.command(self.other_user.as_ref().map_or(own, |(_, copy)| copy));
        if let Some((id, _)) = self.other_user {
            command.uid(id).gid(id);
        }
        said(command.args(words))
    }

    pub(crate) fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).expect("a file").permissions().mode() & 0o7777
    }

    /// A FIFO that nobody writes to.
    pub(crate) fn fifo(&self, name: &str) {
        let status = Command::new("mkfifo").arg(self.path(name)).status().expect("mkfifo");
        assert!(status.success());
    }

    /// An executable shell script.
    pub(crate) fn script(&self, name: &str, text: &str) {
        self.write("script.sh", format!("#!/bin/sh\n{text}"));
        self.copy(&self.path("script.sh"), name);
        fs::remove_file(self.path("script.sh")).expect("a file");
        self.chmod(name, 0o755);
    }

    /// Copies a program. By another process: while this one has it open for writing, a thread that starts a
    /// process hands the descriptor on, and nobody can execute the file (ETXTBSY).
    pub(crate) fn copy(&self, from: &Path, name: &str) {
        let status = Command::new("cp").arg(from).arg(self.path(name)).status().expect("cp");
        assert!(status.success());
    }
}

/// Runs a command to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    let started = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process");
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver.recv_timeout(Duration::from_secs(60));
    let output: Output = match output {
        Ok(output) => output.expect("an end"),
        Err(_) => panic!("process {id} has not ended after {:?}", started.elapsed()),
    };
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Said {
    /// Exit code and the whole of standard output and error.
    #[track_caller]
    pub(crate) fn is(&self, code: i32, out: &str, err: &str) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (Some(code), out, err));
    }

    /// Exit code, nothing on standard output, and each of these somewhere on standard error.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{}", self.err);
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is not in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}
