//! Sockets of the host and of the sandbox, as the event loop needs them.

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrAny, SocketFlags, SocketType, connect, socket_with, sockopt};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What every new socket is.
pub const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
/// How long sent bytes may stay without an acknowledgement before a connection counts as broken, in milliseconds.
const USER_TIMEOUT_MS: u32 = 120_000;

/// What a stream socket sends, told once each time it happens.
pub const READ_EVENTS: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);
/// Everything that can happen to a stream socket, told once each time it happens.
pub const STREAM_EVENTS: EventFlags = READ_EVENTS.union(EventFlags::OUT);

/// A socket of `kind` that begins to connect to `to`.
///
/// # Errors
/// As socket(2) and connect(2), other than `EINPROGRESS`.
pub fn dial(to: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = match to.ip() {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, kind, FLAGS, None)?;
    begin(&socket, to)?;
    if kind == SocketType::STREAM {
        // While it is on its way.
        tune(&socket)?;
        sockopt::set_tcp_user_timeout(&socket, USER_TIMEOUT_MS)?;
    }
    Ok(socket)
}

/// Begins to connect.
///
/// # Errors
/// As connect(2), other than `EINPROGRESS`.
pub fn begin(socket: impl AsFd, to: SocketAddr) -> Result<(), Errno> {
    match connect(socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Sends small pieces at once, and notices a peer that is gone (tcp(7): after two hours of silence).
///
/// # Errors
/// As setsockopt(2).
pub fn tune(socket: impl AsFd) -> Result<(), Errno> {
    let socket = socket.as_fd();
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)
}

/// Closes a connection so that its peer sees a reset.
pub fn reset(socket: OwnedFd) {
    // If it can't be set, the peer sees an end instead, and the connection is closed all the same.
    let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
    drop(socket);
}

/// An address as the standard library has it; `None` for what is no IP address.
#[must_use]
pub fn plain(address: SocketAddrAny) -> Option<SocketAddr> {
    address.try_into().ok()
}

/// Watches a socket, which is watched already, for everything.
///
/// # Errors
/// `ENOMEM`.
pub fn watch_all(epoll: &OwnedFd, socket: impl AsFd, token: u64) -> Result<(), Errno> {
    epoll::modify(epoll, socket, EventData::new_u64(token), STREAM_EVENTS)
}

/// Watches a socket.
///
/// # Errors
/// `ENOSPC`, `ENOMEM`.
pub fn watch(epoll: &OwnedFd, socket: impl AsFd, token: u64, events: EventFlags) -> Result<(), Errno> {
    epoll::add(epoll, socket, EventData::new_u64(token), events)
}
