//! Finding and starting msb-launch.

use super::signals::Forwarding;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::{env, fs};

const NAME: &str = "msb-launch";

/// The launcher beside this program, else on the PATH.
pub(crate) fn find() -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    let path = env::var_os("PATH").unwrap_or_default();
    // A relative entry would let the directory that a person happens to be in choose the launcher.
    let on_path = env::split_paths(&path).filter(|directory| directory.is_absolute());
    beside.into_iter().chain(on_path).map(|directory| directory.join(NAME)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// A launcher that runs.
pub(super) struct Launched {
    child: Child,
    forwarding: Forwarding,
    /// Of the terminal on standard input, before the launcher changed them.
    modes: Option<Termios>,
}

/// A launcher that was started, and the ends of what it talks through.
pub(super) struct Started {
    pub(super) launched: Launched,
    /// Its events.
    pub(super) events: PipeReader,
    /// Where it sends the listener of a filter that asks.
    pub(super) listener: Option<OwnedFd>,
}

/// Whether the launcher says when each step was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timings {
    /// It does.
    Wanted,
    /// It does not.
    None,
}

/// Starts `program` with a plan; where it `listens`, with a socket for the listener of its filter; the
/// gateway's log goes to `audit`.
pub(super) fn start(
    program: &Path,
    plan: &[u8],
    listens: bool,
    timings: Timings,
    (protected, audit): (&[PathBuf], Option<&File>),
    set: &[OsString],
    command: &[OsString],
) -> io::Result<Started> {
    let plan = sealed(plan)?;
    let (events, report) = io::pipe()?;
    inherit(&plan)?;
    inherit(&report)?;
    let mut launcher = Command::new(program);
    launcher.arg(format!("/proc/self/fd/{}", plan.as_raw_fd()));
    for set in set {
        launcher.arg("--set").arg(set);
    }
    launcher.arg("--report-fd").arg(report.as_raw_fd().to_string());
    for file in protected {
        launcher.arg("--protect").arg(file);
    }
    if timings == Timings::Wanted {
        launcher.arg("--timings");
    }
    let kind = SockType::Stream;
    let pair = || socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC);
    let sockets = listens.then(pair).transpose()?;
    if let Some((_, theirs)) = &sockets {
        inherit(theirs)?;
        launcher.arg("--notify-fd").arg(theirs.as_raw_fd().to_string());
    }
    if let Some(audit) = audit {
        inherit(audit)?;
        launcher.arg("--audit-fd").arg(audit.as_raw_fd().to_string());
    }
    launcher.arg("--").args(command);
    // Signals are caught from before there is a launcher, so that none ends msbc and leaves it behind.
    let forwarding = Forwarding::begin()?;
    let modes = tcgetattr(io::stdin()).ok();
    let child = launcher.spawn()?;
    forwarding.to(Pid::from_raw(child.id().cast_signed()));
    // `report` is closed here: the launcher's is then the only end to write to, and its death ends the events.
    let listener = sockets.map(|(ours, _)| ours);
    Ok(Started { launched: Launched { child, forwarding, modes }, events, listener })
}

impl Launched {
    /// Ends it at once, and with it everything inside.
    pub(super) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
    }

    /// The exit code, once it has ended: 128 + n where signal n ended it.
    pub(super) fn wait(mut self) -> io::Result<u8> {
        // Until it is reaped its process id is its own. Signals stop being forwarded before that.
        let launcher = Pid::from_raw(self.child.id().cast_signed());
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(launcher), ended) == Err(Errno::EINTR) {}
        self.forwarding.end();
        let status = self.child.wait()?;
        if status.signal().is_some() {
            restore(self.modes.as_ref());
        }
        Ok(code(status))
    }
}

/// Gives the terminal back what a launcher that was killed could not.
fn restore(modes: Option<&Termios>) {
    let terminal = io::stdin();
    // From the background it would stop this process, and the terminal is somebody else's then.
    if let Some(modes) = modes.filter(|_| tcgetpgrp(&terminal) == Ok(getpgrp())) {
        // One that was closed has no modes any more.
        let _ = tcsetattr(&terminal, SetArg::TCSAFLUSH, modes);
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(125)
}

/// A file in memory that holds `bytes` and that nobody can change any more.
///
/// It belongs to this user with mode 0600, which is what the launcher demands of a plan.
fn sealed(bytes: &[u8]) -> io::Result<File> {
    let memory = memfd_create("msb-plan", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(memory);
    file.write_all(bytes)?;
    fchmod(&file, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

/// Lets the next program have this descriptor. Nothing else is started in the meantime: msbc has one thread
/// that starts programs.
fn inherit(fd: impl AsFd) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}
