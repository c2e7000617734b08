//! Copies what the command writes to where the launcher's own output goes, and counts it.
//!
//! Where a policy limits `output`, the command has pipes for standard output and error, and this is their other end; so
//! it is of a private terminal, in both directions. Nothing here waits: the parent's one loop polls for it, so that a reader that is slow, or gone, holds up neither
//! the wall clock nor a signal.

use crate::files::numbered;
use crate::terminal::{Inside, Terminal};
use alloc::vec::Vec;
use core::ffi::c_int;
use msb_sys::at::openat;
use msb_sys::poll::{Waited, poll};
use msb_sys::process::borrowed;
use rustix::event::PollFlags;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fchown, fcntl_setfl, fstat};
use rustix::io::{Errno, fcntl_dupfd_cloexec, read, write};
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

/// Where bytes come from.
#[derive(Debug)]
enum From {
    /// A descriptor of our own that does not wait.
    Own(OwnedFd),
    /// The user's terminal, by number, where it may not be opened again: that of another user after su(1). It is asked
    /// before each read.
    Terminal(c_int),
}

/// What a flow is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// What the command writes to a pipe.
    Pipe,
    /// What is written to its terminal.
    Screen,
    /// What is typed.
    Keys,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Flow {
    role: Role,
    /// `None` when nothing more comes, or nobody takes it.
    from: Option<From>,
    to: To,
    buffer: Vec<u8>,
    written: usize,
}

/// The flows of one run and what of its output went through them.
#[derive(Debug, Default)]
pub(crate) struct Pump {
    flows: Vec<Flow>,
    /// Bytes of output so far.
    pub(crate) bytes: u64,
    bytes_max: u64,
    /// Whether keys are left to whoever is in the foreground of the user's terminal.
    pub(crate) is_in_background: bool,
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
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// Of standard output and of standard error; `None` for what goes another way. Both may be of one pipe.
    ends: [Option<OwnedFd>; 2],
}

impl Pump {
    /// Makes the pipes, where output has a bound; none for what `inside` makes a terminal.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE`.
    #[inline(never)]
    pub(crate) fn new(bytes_max: Option<u64>, inside: Option<&Inside>) -> Result<(Pump, Ends), Errno> {
        let (mut pump, mut ends) = (Pump { bytes_max: u64::MAX, ..Pump::default() }, Ends::default());
        let Some(bytes_max) = bytes_max else { return Ok((pump, ends)) };
        pump.bytes_max = bytes_max;
        let [out, error] = [fstat(borrowed(1))?, fstat(borrowed(2))?];
        let same = (out.st_dev, out.st_ino) == (error.st_dev, error.st_ino);
        for (index, output) in [1, 2].into_iter().enumerate() {
            if inside.is_some_and(|inside| inside.replaces(index + 1)) {
                continue;
            }
            // Where both go to the same place, one pipe for both keeps their order.
            let end = match &ends.ends {
                [Some(first), _] if same => fcntl_dupfd_cloexec(first, 3)?,
                _ => {
                    let (from, end) = pipe_with(PipeFlags::CLOEXEC)?;
                    // The description of this end is nobody else's.
                    fcntl_setfl(&from, OFlags::NONBLOCK)?;
                    pump.add(Role::Pipe, From::Own(from), To::of(output)?);
                    end
                }
            };
            if let Some(place) = ends.ends.get_mut(index) {
                *place = Some(end);
            }
        }
        Ok((pump, ends))
    }

    /// Adds the private terminal, by two descriptors of its other end, which do not wait: its output goes to the
    /// user's terminal, and what is typed there to it.
    #[inline(never)]
    pub(crate) fn relay(
        &mut self,
        (screen, keys): (OwnedFd, OwnedFd),
        terminal: &Terminal,
    ) -> Result<(), Errno> {
        self.add(Role::Screen, From::Own(screen), To::of(terminal.output)?);
        if terminal.has_input {
            let own = open_again(0, OFlags::RDONLY);
            self.add(Role::Keys, own.map_or(From::Terminal(0), From::Own), To::Own(keys));
        }
        Ok(())
    }

    #[inline(never)]
    fn add(&mut self, role: Role, from: From, to: To) {
        self.flows.push(Flow { role, from: Some(from), to, buffer: Vec::new(), written: 0 });
    }

    /// Lets go of the flows that are not to be kept.
    #[inline(never)]
    fn keep(&mut self, is_kept: fn(&Flow) -> bool) {
        self.flows.retain(is_kept);
    }

    /// Whether a direction of the terminal's relay has ended: the user's is gone.
    pub(crate) fn has_hung_up(&self, terminal: &Terminal) -> bool {
        let there = |role| self.flows.iter().any(|flow| flow.role == role);
        !there(Role::Screen) || (terminal.has_input && !there(Role::Keys))
    }

    /// Lets go of the private terminal.
    pub(crate) fn hang_up(&mut self) {
        self.keep(|flow| flow.role == Role::Pipe);
    }

    /// Takes no more keys: nobody is left who reads them.
    pub(crate) fn end_input(&mut self) {
        self.keep(|flow| flow.role != Role::Keys);
    }

    /// Adds what to poll for.
    pub(crate) fn want(&self, fds: &mut Vec<Waited>) {
        for flow in self.flows.iter().filter(|flow| self.is_moving(flow)) {
            if let Some(wanted) = flow.wants() {
                fds.push(wanted);
            }
        }
    }

    /// Whether something of it may move.
    fn is_moving(&self, flow: &Flow) -> bool {
        !(self.is_in_background && flow.role == Role::Keys)
    }

    /// Whether something was read that is not yet written.
    pub(crate) fn is_full(&self) -> bool {
        self.flows.iter().any(|flow| flow.written < flow.buffer.len())
    }

    /// Moves what can be moved. No more than is allowed goes through.
    pub(crate) fn step(&mut self) -> Moved {
        let mut moved = Moved::Nothing;
        let is_in_background = self.is_in_background;
        for flow in &mut self.flows {
            if flow.role == Role::Keys {
                if !is_in_background {
                    flow.fill();
                    flow.drain();
                }
                continue;
            }
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
        self.keep(Flow::is_open);
        moved
    }
}

impl Ends {
    /// Makes them a user's own, who may then open `/dev/stdout` and `/dev/stderr`.
    pub(crate) fn give_to(&self, id: u32) -> Result<(), Errno> {
        let (user, group) = (Some(Uid::from_raw(id)), Some(Gid::from_raw(id)));
        self.ends.iter().flatten().try_for_each(|end| fchown(end, user, group))
    }

    /// Makes them standard output and standard error.
    pub(crate) fn install(self) -> Result<(), Errno> {
        let [out, error] = self.ends;
        out.map_or(Ok(()), dup2_stdout)?;
        error.map_or(Ok(()), dup2_stderr)
    }
}

impl Flow {
    fn wants(&self) -> Option<Waited> {
        if self.written < self.buffer.len() {
            return Some(Waited::new(self.to.number(), PollFlags::OUT));
        }
        self.from.as_ref().map(|from| Waited::new(from.number(), PollFlags::IN))
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
        let came = match from.read(&mut self.buffer) {
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

impl From {
    fn number(&self) -> c_int {
        match self {
            From::Own(own) => own.as_raw_fd(),
            From::Terminal(number) => *number,
        }
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let is_asked = matches!(self, From::Terminal(_));
        if is_asked && poll(&mut [Waited::new(self.number(), PollFlags::IN)], Some(0))? == 0 {
            return Err(Errno::AGAIN);
        }
        read(borrowed(self.number()), buffer)
    }
}

/// A descriptor of our own of what is open as `number`, which does not wait: to make what was inherited so would make it
/// so for everybody who has it.
fn open_again(number: c_int, access: OFlags) -> Result<OwnedFd, Errno> {
    let path = numbered(b"/proc/self/fd/", u64::from(number.unsigned_abs()));
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

impl To {
    fn of(number: c_int) -> Result<To, Errno> {
        let fd = borrowed(number);
        let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
        if kind == FileType::Socket {
            return Ok(To::Socket(number));
        }
        if (kind == FileType::Fifo || isatty(fd))
            && let Ok(own) = open_again(number, OFlags::WRONLY)
        {
            return Ok(To::Own(own));
        }
        Ok(if kind == FileType::RegularFile { To::File(number) } else { To::Other(number) })
    }

    fn number(&self) -> c_int {
        match self {
            To::Own(own) => own.as_raw_fd(),
            To::Socket(number) | To::File(number) | To::Other(number) => *number,
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let fd = borrowed(self.number());
        match self {
            To::Own(_) | To::File(_) => write(fd, bytes),
            To::Socket(_) => send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            To::Other(_) => write(fd, bytes.get(..WRITE_BYTES).unwrap_or(bytes)),
        }
    }
}
