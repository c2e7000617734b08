//! Bytes from one socket to another: one direction of a connection.
//!
//! Bytes are read into one buffer that all connections share and written at once; what the receiver does not take
//! is kept, and nothing more is read until it took that. So an idle connection has no buffer, and a slow reader costs
//! one buffer and slows its own sender alone.

use crate::limits::{Quota, Way};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

/// Bytes of the shared buffer. Of a stream that comes as fast as it can, a read gives about as much; each costs a wakeup and
/// an acknowledgement besides: with 64 KiB a gigabyte takes half as much CPU again, with 512 KiB no less.
pub const BUFFER_BYTES: usize = 256 * 1024;
/// How often one direction may fill the buffer before others have their turn.
const TURNS_MAX: u32 = 4;

/// One direction of a connection.
#[derive(Debug)]
pub struct Direction {
    way: Way,
    /// Bytes that were read and not yet written.
    pending: Vec<u8>,
    /// Bytes that were passed on.
    pub passed_bytes: u64,
    /// The sender may have more.
    pub readable: bool,
    /// The sender will send no more, or is gone: what follows the data must be read until it is seen.
    pub hangup: bool,
    /// The receiver may take more.
    pub writable: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The sender is done; what is pending goes first.
    Ending,
    /// The receiver was told, or is gone.
    Done,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing to do until something happens.
    Waits,
    /// There is more; others first.
    More,
    /// That was the last of it: the receiver is to be told ([`end`]).
    Ended,
    /// The sender is gone with an error: so shall the receiver see it.
    Broken,
    /// The quota is used up and the sender has more.
    NoQuota,
}

impl Direction {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(way: Way) -> Direction {
        Direction {
            way,
            pending: Vec::new(),
            passed_bytes: 0,
            readable: false,
            hangup: false,
            writable: false,
            state: State::Open,
        }
    }

    /// Whether everything was passed on and the receiver knows, or shall be told, that no more comes.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether bytes wait for the receiver.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Adds what was read before the relay began.
    pub fn begin(&mut self, first: Vec<u8>) {
        self.pending = first;
    }

    /// Passes on what can be passed on.
    pub fn turn(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        quota: Option<&Quota>,
        buffer: &mut [u8],
    ) -> Turn {
        for _ in 0..TURNS_MAX {
            if self.state == State::Done {
                return self.discard(from, buffer);
            }
            if !self.pending.is_empty() {
                if !self.flush(to) {
                    return Turn::Waits;
                }
                continue;
            }
            if self.state == State::Ending {
                self.state = State::Done;
                return Turn::Ended;
            }
            if !self.readable {
                return Turn::Waits;
            }
            let wanted = quota.map_or(buffer.len(), |quota| quota.reserve(self.way, buffer.len()));
            if wanted == 0 {
                return self.at_quota(from);
            }
            let (part, _) = buffer.split_at_mut(wanted);
            let got = recv(from, &mut *part, RecvFlags::empty());
            let read = got.as_ref().map_or(0, |(read, _)| *read);
            if let Some(quota) = quota {
                quota.give_back(self.way, wanted - read);
            }
            match got {
                Ok((0, _)) => {
                    self.readable = false;
                    self.state = State::Ending;
                }
                Ok((read, _)) => {
                    // A short read empties a stream socket (epoll(7)); what comes later is told.
                    if read < wanted && !self.hangup {
                        self.readable = false;
                    }
                    self.write(to, &part[..read]);
                }
                Err(Errno::AGAIN) => {
                    self.readable = false;
                    return Turn::Waits;
                }
                Err(Errno::INTR) => {}
                Err(_) => return Turn::Broken,
            }
        }
        Turn::More
    }

    /// Writes bytes that were just read; keeps what is not taken.
    fn write(&mut self, to: BorrowedFd<'_>, bytes: &[u8]) {
        let mut rest = bytes;
        while self.writable && !rest.is_empty() {
            match send(to, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    self.passed_bytes += sent as u64;
                    rest = &rest[sent..];
                }
                Err(Errno::AGAIN) => self.writable = false,
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.state = State::Done;
                    return;
                }
            }
        }
        self.pending.extend_from_slice(rest);
    }

    /// Writes what is pending as far as it is taken; whether that is all.
    pub fn flush(&mut self, to: BorrowedFd<'_>) -> bool {
        let pending = std::mem::take(&mut self.pending);
        self.write(to, &pending);
        self.pending.is_empty()
    }

    /// Nobody takes them any more: reads what still comes, so that its sender is not held up, and its end is seen.
    fn discard(&mut self, from: BorrowedFd<'_>, buffer: &mut [u8]) -> Turn {
        self.pending = Vec::new();
        if !self.readable {
            return Turn::Waits;
        }
        match recv(from, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) | Err(Errno::AGAIN) => {
                self.readable = false;
                Turn::Waits
            }
            Ok(_) | Err(Errno::INTR) => Turn::More,
            Err(_) => Turn::Broken,
        }
    }

    /// With nothing left of the quota an end may still be passed on; a byte more is too much.
    fn at_quota(&mut self, from: BorrowedFd<'_>) -> Turn {
        let mut byte = [0];
        match recv(from, &mut byte, RecvFlags::PEEK) {
            Ok((0, _)) => {
                self.state = State::Ending;
                Turn::More
            }
            Ok(_) => Turn::NoQuota,
            Err(Errno::AGAIN) => {
                self.readable = false;
                Turn::Waits
            }
            Err(Errno::INTR) => Turn::More,
            Err(_) => Turn::Broken,
        }
    }
}

/// Tells `to` that no more comes.
pub fn end(to: BorrowedFd<'_>) {
    // It may be gone already: nothing is lost.
    let _ = shutdown(to, Shutdown::Write);
}

/// Bytes that were sent and not yet acknowledged; 0 when nobody can say.
#[must_use]
pub fn unsent_bytes(socket: impl AsFd) -> u32 {
    msb_sys::socket::unsent_bytes(socket.as_fd()).unwrap_or(0)
}
