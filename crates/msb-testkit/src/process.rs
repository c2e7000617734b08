//! Commands that are given a time limit, so that a hang is a failure with a name.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a command ended and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// Its wait status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// The exit code, 128+n for signal n, as a shell gives it.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().or_else(|| self.status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
    }

    /// Standard output as text.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// Runs `command` with nothing on standard input.
///
/// # Panics
/// When it can't be started or is not done after `seconds_max`; it is killed then.
#[must_use]
pub fn finish(command: &mut Command, seconds_max: u64) -> Ended {
    command.stdin(Stdio::null());
    collect(spawn(command), seconds_max, &format!("{command:?}"))
}

/// Runs `command` with `file` as standard input.
///
/// # Panics
/// As [`finish`].
#[must_use]
pub fn finish_with_file(command: &mut Command, file: File, seconds_max: u64) -> Ended {
    command.stdin(file);
    collect(spawn(command), seconds_max, &format!("{command:?}"))
}

/// Runs `command` with `input` on standard input; a command that does not read it all is no failure.
///
/// # Panics
/// As [`finish`].
#[must_use]
pub fn finish_with_input(command: &mut Command, input: Vec<u8>, seconds_max: u64) -> Ended {
    command.stdin(Stdio::piped());
    let mut child = spawn(command);
    let pipe = child.stdin.take();
    let writer = thread::spawn(move || {
        if let Some(mut pipe) = pipe {
            // EPIPE: the reader has ended, which its output will tell.
            let _ = pipe.write_all(&input);
        }
    });
    let ended = collect(child, seconds_max, &format!("{command:?}"));
    assert!(writer.join().is_ok(), "the writer panicked");
    ended
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn collect(mut child: Child, seconds_max: u64, what: &str) -> Ended {
    let stdout = child.stdout.take().map(reader);
    let stderr = child.stderr.take().map(reader);
    let ended = wait_until(Duration::from_secs(seconds_max), || child.try_wait().ok().flatten());
    let Some(status) = ended else {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        let _ = kill(pid, Signal::SIGKILL);
        let _ = child.wait();
        panic!("{what}: not done after {seconds_max} s");
    };
    // Whoever holds the pipes after the command's end has outlived it: not to be waited for without an end.
    let read = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        let Some(reader) = reader else { return Vec::new() };
        let done = wait_until(Duration::from_secs(10), || reader.is_finished().then_some(()));
        assert!(done.is_some(), "{what}: ended, but something still holds its output");
        reader.join().unwrap_or_default()
    };
    Ended { status, stdout: read(stdout), stderr: read(stderr) }
}

fn reader(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is what there is to show.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// The first answer of `look`, asked again and again for at most `time_max`.
pub fn wait_until<T>(time_max: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if start.elapsed() > time_max {
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}
