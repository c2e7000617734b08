//! A person at a terminal: a pty that a test makes, with an interactive shell on it.

use crate::process::wait_until;
use crate::workspace::Workspace;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a person waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal of the host and the shell on it, which is ended on drop.
#[derive(Debug)]
pub struct Screen {
    master: Option<Arc<File>>,
    reader: Option<JoinHandle<()>>,
    terminal: OwnedFd,
    shell: Child,
    shown: Arc<Mutex<Vec<u8>>>,
    /// How much of what was shown is answered already.
    read: usize,
}

impl Screen {
    /// An interactive bash on a terminal of 30 lines and 100 columns, run by the workspace's account. Its prompt is
    /// `host> `.
    ///
    /// # Panics
    /// When none can be made.
    #[must_use]
    pub fn new(workspace: &Workspace) -> Screen {
        let (master, terminal) = pty().unwrap_or_else(|error| panic!("a pty: {error}"));
        let mut command = workspace.command("setsid");
        command.args(["--wait", "--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"]);
        command.env("PS1", "host> ").env("TERM", "xterm");
        let end = || Stdio::from(terminal.try_clone().unwrap_or_else(|error| panic!("dup: {error}")));
        command.stdin(end()).stdout(end()).stderr(end());
        let shell = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let master = Arc::new(master);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let (from, to) = (Arc::downgrade(&master), Arc::clone(&shown));
            move || {
                while let Some(master) = from.upgrade()
                    && show(&master, &to)
                {}
            }
        });
        let (master, reader) = (Some(master), Some(reader));
        let mut screen = Screen { master, reader, terminal, shell, shown, read: 0 };
        screen.stty(&["rows", "30", "cols", "100"]);
        screen.expect("host> ");
        screen
    }

    /// Types `keys`.
    ///
    /// # Panics
    /// When the terminal takes none.
    pub fn send(&mut self, keys: &str) {
        let Some(mut master) = self.master.as_deref() else { panic!("it was hung up") };
        master.write_all(keys.as_bytes()).unwrap_or_else(|error| panic!("typing {keys:?}: {error}"));
    }

    /// Waits until `text` is shown after what was waited for before, and gives what was shown up to its end.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let from = self.read;
        let found = wait_until(PATIENCE, || {
            let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            let new = shown.get(from..).unwrap_or_default();
            let at = new.windows(text.len().max(1)).position(|bytes| bytes == text.as_bytes())?;
            Some(at + text.len())
        });
        let new = self.since(from);
        let Some(length) = found else { panic!("{text:?} is not shown; this is: {new:?}") };
        self.read += length;
        String::from_utf8_lossy(&self.shown.lock().unwrap_or_else(PoisonError::into_inner)[from..self.read])
            .into_owned()
    }

    /// Types a line to the shell of the host, and gives what is shown until its next prompt.
    ///
    /// # Panics
    /// As [`Screen::expect`].
    #[track_caller]
    pub fn run(&mut self, line: &str) -> String {
        self.send(&format!("{line}\n"));
        self.expect("host> ")
    }

    /// All that is shown and was not waited for.
    #[must_use]
    pub fn rest(&self) -> String {
        self.since(self.read)
    }

    fn since(&self, from: usize) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(shown.get(from..).unwrap_or_default()).into_owned()
    }

    /// Runs `stty` on the terminal.
    ///
    /// # Panics
    /// When it fails.
    pub fn stty(&self, words: &[&str]) {
        let terminal = self.terminal.try_clone().unwrap_or_else(|error| panic!("dup: {error}"));
        let status = Command::new("stty").args(words).stdin(Stdio::from(terminal)).status();
        assert!(status.is_ok_and(|status| status.success()), "stty {words:?}");
    }

    /// The terminal's modes.
    ///
    /// # Panics
    /// When it has none any more.
    #[must_use]
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.terminal).unwrap_or_else(|error| panic!("tcgetattr: {error}"))
    }

    /// Waits until keys are passed on as they are (`true`), or lines are made of them again.
    ///
    /// # Panics
    /// When that does not come.
    #[track_caller]
    pub fn expect_raw(&self, raw: bool) {
        let is_raw = || !self.modes().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ISIG);
        let became = wait_until(PATIENCE, || (is_raw() == raw).then_some(()));
        assert!(became.is_some(), "raw: {}, wanted {raw}; shown: {:?}", is_raw(), self.rest());
    }

    /// The one process `name` below the shell.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "to wait for it is a use")]
    pub fn process(&self, name: &str) -> i32 {
        let found =
            wait_until(PATIENCE, || descendants(self.shell.id()).into_iter().find(|pid| is(*pid, name)));
        let Some(pid) = found else { panic!("no {name} runs; shown: {:?}", self.rest()) };
        i32::try_from(pid).unwrap_or(i32::MAX)
    }

    /// Takes the terminal away, as a window that is closed does: the kernel hangs up.
    pub fn hang_up(&mut self) {
        self.master = None;
        // The reader has the other one until it looks again.
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        for pid in descendants(self.shell.id()).into_iter().rev().chain([self.shell.id()]) {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX));
            // It may have ended just now.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.shell.wait();
    }
}

/// Both ends of a new one, which no program inherits: an end that somebody else has would keep the line up.
fn pty() -> nix::Result<(File, OwnedFd)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let terminal = open(ptsname_r(&master)?.as_str(), flags, Mode::empty())?;
    Ok((File::from(OwnedFd::from(master)), terminal))
}

/// Adds to `shown` what comes within a moment; `false` at the end of a terminal that nobody has open any more (EIO).
fn show(mut master: &File, shown: &Mutex<Vec<u8>>) -> bool {
    const MOMENT_MS: u8 = 20;
    let mut ready = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
    if !poll(&mut ready, MOMENT_MS).is_ok_and(|count| count > 0) {
        return true;
    }
    let mut bytes = [0; 4096];
    let Ok(length) = master.read(&mut bytes) else { return false };
    shown.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..length]);
    length > 0
}

fn is(pid: u32, name: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
}

/// The processes below `pid`, parents first (proc(5), `task/[tid]/children`).
#[must_use]
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut pending = vec![pid];
    while let Some(parent) = pending.pop() {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for task in tasks.flatten() {
            let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in text.split_whitespace().filter_map(|word| word.parse().ok()) {
                found.push(child);
                pending.push(child);
            }
        }
    }
    found
}
