//! Signals on their way to the launcher.
//!
//! Who runs `msbc run` and sends it a signal means the command. The launcher forwards signals to it; msbc
//! forwards them to the launcher and ends when that has ended, so that nothing is left behind.

use nix::fcntl::{OFlag, open};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

/// What a person, a shell or a service manager sends.
const FORWARDED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// Catches signals until it is ended.
pub(super) struct Forwarding {
    handle: Handle,
    target: Arc<OnceLock<Pid>>,
    thread: JoinHandle<()>,
}

impl Forwarding {
    /// Begins to catch signals; they wait until there is somebody to forward them to. Handlers are not
    /// inherited by programs, so that the launcher starts with the signals as they were.
    pub(super) fn begin() -> io::Result<Forwarding> {
        // What is ignored stays so, here and for the command: nohup(1) says so, and a shell of what it has in the background.
        let ignored = ignored();
        let mut signals = Signals::new(FORWARDED.iter().filter(|number| ignored >> (**number - 1) & 1 == 0))?;
        let handle = signals.handle();
        let target = Arc::new(OnceLock::new());
        let waited_for = Arc::clone(&target);
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for number in signals.forever() {
                forward(number, *waited_for.wait());
            }
        })?;
        Ok(Forwarding { handle, target, thread })
    }

    /// Says who the launcher is.
    pub(super) fn to(&self, launcher: Pid) {
        // It is said once.
        let _ = self.target.set(launcher);
    }

    /// Stops, and comes back when no signal is on its way any more.
    pub(super) fn end(self) {
        self.handle.close();
        // A thread that panicked forwards nothing either.
        let _ = self.thread.join();
    }
}

/// The signals that this process ignores, signal n as bit n-1 (`SigIgn` of proc(5)).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

fn forward(number: i32, launcher: Pid) {
    let from_terminal = matches!(number, SIGINT | SIGQUIT) && is_in_foreground();
    if let Ok(signal) = Signal::try_from(number)
        && !from_terminal
    {
        // It may have ended just now.
        let _ = kill(launcher, signal);
    }
}

/// Whether a terminal sends its Ctrl-C and Ctrl-\ to our process group, of which the launcher is one: it has
/// them already.
fn is_in_foreground() -> bool {
    let terminal = open("/dev/tty", OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty());
    terminal.ok().and_then(|terminal| tcgetpgrp(&terminal).ok()) == Some(getpgrp())
}
