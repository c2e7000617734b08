//! A terminal of the command's own (`tty private`), and the relay between it and the user's.
//!
//! The pair is made inside, in the sandbox's own devpts: the user's terminal has no name in there and is no open
//! descriptor of anybody, so that nothing can type into it, read what is typed for others, or change its modes. What
//! the kernel's ioctls inject (TIOCSTI) goes into the private terminal, which ends with the run. This side moves
//! bytes, size and stops; keys that mean something, such as Ctrl-C and Ctrl-Z, mean it to the private terminal, whose
//! modes decide.
//!
//! A standard descriptor that is no terminal is passed on as it is. Without a terminal on standard input nothing is
//! typed and the user's modes stay as they are; without any at all there is no private one either.

use crate::gateway::send;
use crate::host::Entry;
use crate::path::join;
use core::ffi::c_int;
use msb_plan::MountKind;
use msb_sys::at::openat;
use msb_sys::process::borrowed;
use msb_sys::rights::receive;
use msb_sys::terminal::{Modes, When, modes, set_modes};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, fcntl_setfl, fstat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, socketpair};
use rustix::process::{getpgrp, ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::termios::{tcgetpgrp, tcgetwinsize, tcsetwinsize};

/// How often a launcher in the background looks whether it has been brought to the foreground: nobody says so to a
/// job that was not stopped.
pub(crate) const BACKGROUND_PERIOD_US: u64 = 200_000;

/// The relay's side, outside.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Number of the user's terminal, to write to.
    pub(crate) output: c_int,
    /// Whether what is typed is relayed: standard input is the user's terminal.
    pub(crate) has_input: bool,
    /// Where the master comes from the child, once.
    socket: Option<OwnedFd>,
    master: Option<OwnedFd>,
    /// The user's modes while they are changed.
    saved: Option<Modes>,
}

/// The child's side.
#[derive(Debug)]
pub(crate) struct Inside {
    socket: OwnedFd,
    /// Which of the standard descriptors are terminals.
    which: [bool; 3],
}

/// Both sides, where any standard descriptor is a terminal.
pub(crate) fn pair() -> Result<(Option<Terminal>, Option<Inside>), Errno> {
    let which = [is_terminal(0)?, is_terminal(1)?, is_terminal(2)?];
    let [has_input, out, error] = which;
    let output = match (out, error, has_input) {
        (true, ..) => 1,
        (_, true, _) => 2,
        (.., true) => 0,
        _ => return Ok((None, None)),
    };
    let (socket, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let outside = Terminal { output, has_input, socket: Some(socket), master: None, saved: None };
    Ok((Some(outside), Some(Inside { socket: theirs, which })))
}

/// Whether the standard descriptor `number` is a terminal.
///
/// # Errors
/// As ioctl(2) on a device that may be one and does not say: with a terminal that passes for none the command would have the
/// user's own. One that has hung up (`EIO`) is nobody's any more.
fn is_terminal(number: c_int) -> Result<bool, Errno> {
    match tcgetwinsize(borrowed(number)) {
        Ok(_) => Ok(true),
        Err(Errno::NOTTY | Errno::IO) => Ok(false),
        Err(errno) => {
            let kind = FileType::from_raw_mode(fstat(borrowed(number))?.st_mode);
            if kind == FileType::CharacterDevice { Err(errno) } else { Ok(false) }
        }
    }
}

impl Inside {
    /// Whether standard descriptor `number` becomes the private terminal.
    pub(crate) fn replaces(&self, number: usize) -> bool {
        self.which.get(number).copied().unwrap_or(false)
    }

    /// The first of them.
    fn first(&self) -> c_int {
        (0..).zip(self.which).find_map(|(number, is_terminal)| is_terminal.then_some(number)).unwrap_or(0)
    }

    /// Makes the terminal in the devpts that `entries` have below `root`, with the modes and the size of the user's;
    /// gives its other end away, and puts it in place of each standard descriptor that is a terminal.
    #[inline(never)]
    pub(crate) fn make(&self, root: &OwnedFd, entries: &[Entry<'_>]) -> Result<(), Errno> {
        let dev = entries.iter().find(|entry| matches!(entry.mount.kind, MountKind::Dev { .. }));
        let ptmx = join(dev.ok_or(Errno::NODEV)?.target, b"pts/ptmx");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let master = openat(root, ptmx, flags, Mode::empty())?;
        unlockpt(&master)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = ioctl_tiocgptpeer(&master, flags)?;
        let theirs = borrowed(self.first());
        let mut modes = modes(theirs)?;
        if !self.replaces(0) {
            // The user's terminal keeps its modes, and makes lines of what is written to it.
            modes = modes.as_written();
        }
        set_modes(&terminal, When::Now, &modes)?;
        tcsetwinsize(&terminal, tcgetwinsize(theirs)?)?;
        send(&self.socket, b"T", &[master])?;
        if self.replaces(0) {
            dup2_stdin(&terminal)?;
        }
        if self.replaces(1) {
            dup2_stdout(&terminal)?;
        }
        if self.replaces(2) {
            dup2_stderr(&terminal)?;
        }
        Ok(())
    }

    /// Begins a session whose controlling terminal it is, with the calling process in its foreground.
    pub(crate) fn control(&self) -> Result<(), Errno> {
        setsid()?;
        ioctl_tiocsctty(borrowed(self.first()))
    }
}

impl Terminal {
    /// Where the master comes from, until it has.
    pub(crate) fn socket(&self) -> Option<&OwnedFd> {
        self.socket.as_ref()
    }

    /// Takes the master, which does not wait; `None` when the child ended before it made any.
    pub(crate) fn take_master(&mut self) -> Option<(OwnedFd, OwnedFd)> {
        let socket = self.socket.take()?;
        let (_, master) = receive(&socket, &mut [0; 1], RecvFlags::DONTWAIT).ok()?;
        let master = master?;
        fcntl_setfl(&master, OFlags::NONBLOCK).ok()?;
        let again = || fcntl_dupfd_cloexec(&master, 3).ok();
        let both = again().zip(again());
        self.master = Some(master);
        both
    }

    /// Whether it was taken, and nobody has hung up.
    pub(crate) fn is_relayed(&self) -> bool {
        self.master.is_some()
    }

    /// Hangs the private terminal up, once nobody else has the master either.
    pub(crate) fn hang_up(&mut self) {
        self.master = None;
    }

    /// Whether the user's terminal is this job's now. One that controls another session, or none, is always.
    pub(crate) fn is_in_foreground(&self) -> bool {
        tcgetpgrp(borrowed(self.output)).map_or(true, |group| group == getpgrp())
    }

    /// Passes every key on as it is while this job is in the foreground; gives whether it is. From the background
    /// nothing is changed: that would stop the launcher (termios(3), SIGTTOU).
    pub(crate) fn follow(&mut self) -> bool {
        let is_in_foreground = self.is_in_foreground();
        if self.has_input && self.master.is_some() && self.saved.is_none() && is_in_foreground {
            if let Ok(modes) = modes(borrowed(0))
                && set_modes(borrowed(0), When::Now, &modes.raw()).is_ok()
            {
                self.saved = Some(modes);
            }
            // It may have another size than when this job was last there.
            self.resize();
        }
        is_in_foreground
    }

    /// Gives the private terminal the size of the user's; whoever is in its foreground gets SIGWINCH.
    pub(crate) fn resize(&self) {
        if let Some((master, size)) = self.master.as_ref().zip(tcgetwinsize(borrowed(self.output)).ok()) {
            // Its ends may be gone already.
            let _ = tcsetwinsize(master, size);
        }
    }

    /// Gives the user's terminal its modes back, if this changed them and the terminal is this job's.
    ///
    /// At the end what was typed and not read is dropped, and with it what the terminal itself answered: it was for
    /// the program and not for whoever reads next.
    pub(crate) fn restore(&mut self, until: Until) {
        if let Some(saved) = self.saved.take()
            && self.is_in_foreground()
        {
            let when = match until {
                Until::Continued => When::Now,
                Until::TheEnd => When::Flush,
            };
            // A terminal that hung up has no modes any more.
            let _ = set_modes(borrowed(0), when, &saved);
        }
    }
}

/// For how long the user has the own terminal back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The job is stopped.
    Continued,
    /// The run is over.
    TheEnd,
}
