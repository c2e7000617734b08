//! Copies what the command writes to where the launcher's own output goes, and counts it.
//!
//! Where a policy limits `output`, the command has pipes for standard output and error, and this is their other end.
//! Nothing here waits: the parent's one loop polls for it, so that a reader that is slow, or gone, holds up neither
//! the wall clock nor a signal.

use crate::files::decimal;
use alloc::vec::Vec;
use core::ffi::c_int;
use msb_sys::process::borrowed;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fchown, fcntl_setfl, fstat, openat};
use rustix::io::{Errno, read, write};
use rustix::net::{SendFlags, send};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Uid};
use rustix::stdio::{dup2_stderr, dup2_stdout};
use rustix::termios::isatty;

/// What a pipe holds by default (pipe(7)).
const BUFFER_BYTES: usize = 64 * 1024;
/// What can be written without waiting where poll(2) says that something can: `PIPE_BUF` of limits.h.
const WRITE_BYTES: usize = 4096;

/// Where bytes go.
#[derive(Debug)]
enum To {
    /// A descriptor of our own that does not wait.
    Own(OwnedFd),
    /// A socket, by number: send(2) can be told not to wait.
    Socket(c_int),
    /// A regular file, which never waits for anybody, by number.
    File(c_int),
    /// Anything else, by number; it is written a little at a time.
    Other(c_int),
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Does not wait. `None` when nothing more comes, or nobody takes it.
    from: Option<OwnedFd>,
    to: To,
    buffer: Vec<u8>,
    written: usize,
}

/// The pipes of one run and what went through them.
#[derive(Debug)]
pub(crate) struct Pump {
    flows: Vec<Flow>,
    /// Bytes so far.
    pub(crate) bytes: u64,
    bytes_max: u64,
}

/// What came of [`Pump::step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Nothing new came.
    Nothing,
    /// Something came, and there may be more.
    Something,
    /// More came than is allowed.
    Exceeded,
}

/// The command's ends.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) out: OwnedFd,
    /// `None` where both go to the same place: with one pipe for both their order is kept.
    pub(crate) error: Option<OwnedFd>,
}

impl Pump {
    /// Makes the pipes.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE`.
    pub(crate) fn new(bytes_max: u64) -> Result<(Pump, Ends), Errno> {
        let [out, error] = [fstat(borrowed(1))?, fstat(borrowed(2))?];
        let same = (out.st_dev, out.st_ino) == (error.st_dev, error.st_ino);
        let (from, out) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut flows = Vec::from([Flow::new(from, 1)?]);
        let mut error = None;
        if !same {
            let (from, end) = pipe_with(PipeFlags::CLOEXEC)?;
            flows.push(Flow::new(from, 2)?);
            error = Some(end);
        }
        Ok((Pump { flows, bytes: 0, bytes_max }, Ends { out, error }))
    }

    /// What to poll for.
    pub(crate) fn wants(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.flows.iter().filter_map(Flow::wants)
    }

    /// Whether something was read that is not yet written.
    pub(crate) fn is_full(&self) -> bool {
        self.flows.iter().any(|flow| flow.written < flow.buffer.len())
    }

    /// Moves what can be moved. No more than is allowed goes through.
    pub(crate) fn step(&mut self) -> Moved {
        let mut moved = Moved::Nothing;
        for flow in &mut self.flows {
            let came = flow.fill();
            let left = self.bytes_max - self.bytes;
            if came > left {
                flow.buffer.truncate(usize::try_from(left).unwrap_or(0));
                flow.from = None;
                moved = Moved::Exceeded;
            } else if came > 0 && moved == Moved::Nothing {
                moved = Moved::Something;
            }
            self.bytes += came.min(left);
            flow.drain();
        }
        self.flows.retain(Flow::is_open);
        moved
    }
}

impl Ends {
    /// Makes them a user's own, who may then open `/dev/stdout` and `/dev/stderr`.
    pub(crate) fn give_to(&self, id: u32) -> Result<(), Errno> {
        let (user, group) = (Some(Uid::from_raw(id)), Some(Gid::from_raw(id)));
        fchown(&self.out, user, group)?;
        self.error.as_ref().map_or(Ok(()), |error| fchown(error, user, group))
    }

    /// Makes them standard output and standard error.
    pub(crate) fn install(self) -> Result<(), Errno> {
        dup2_stdout(&self.out)?;
        dup2_stderr(self.error.as_ref().unwrap_or(&self.out))
    }
}

impl Flow {
    fn new(from: OwnedFd, to: c_int) -> Result<Flow, Errno> {
        // The description of this end is nobody else's.
        fcntl_setfl(&from, OFlags::NONBLOCK)?;
        Ok(Flow { from: Some(from), to: To::of(to)?, buffer: Vec::new(), written: 0 })
    }

    fn wants(&self) -> Option<PollFd<'_>> {
        if self.written < self.buffer.len() {
            return Some(PollFd::from_borrowed_fd(self.to.as_fd(), PollFlags::OUT));
        }
        self.from.as_ref().map(|from| PollFd::new(from, PollFlags::IN))
    }

    fn is_open(&self) -> bool {
        self.from.is_some() || self.written < self.buffer.len()
    }

    /// Reads the next bytes when all before them were written; gives how many.
    fn fill(&mut self) -> u64 {
        if self.written < self.buffer.len() {
            return 0;
        }
        let Some(from) = &self.from else { return 0 };
        self.buffer.resize(BUFFER_BYTES, 0);
        let came = match read(from, &mut self.buffer) {
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Ok(0) | Err(_) => {
                self.from = None;
                0
            }
            Ok(came) => came,
        };
        self.buffer.truncate(came);
        self.written = 0;
        came as u64
    }

    fn drain(&mut self) {
        while let Some(rest) = self.buffer.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.to.write(rest) {
                Ok(written) => self.written += written,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    // Nobody takes it: whoever writes gets SIGPIPE, as without this in between.
                    self.from = None;
                    self.buffer.clear();
                    self.written = 0;
                }
            }
            if matches!(self.to, To::Other(_)) {
                return;
            }
        }
    }
}

impl To {
    fn of(number: c_int) -> Result<To, Errno> {
        let fd = borrowed(number);
        let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
        if kind == FileType::Socket {
            return Ok(To::Socket(number));
        }
        if kind == FileType::Fifo || isatty(fd) {
            // Opened again: to make what was inherited non-blocking would make it so for everybody who has it.
            let path = decimal(b"/proc/self/fd/", u64::from(number.unsigned_abs()));
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            if let Ok(own) = openat(CWD, path, flags, Mode::empty()) {
                return Ok(To::Own(own));
            }
        }
        Ok(if kind == FileType::RegularFile { To::File(number) } else { To::Other(number) })
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            To::Own(own) => own.as_fd(),
            To::Socket(number) | To::File(number) | To::Other(number) => borrowed(*number),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            To::Own(own) => write(own, bytes),
            To::Socket(number) => send(borrowed(*number), bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            To::File(number) => write(borrowed(*number), bytes),
            To::Other(number) => write(borrowed(*number), bytes.get(..WRITE_BYTES).unwrap_or(bytes)),
        }
    }
}
