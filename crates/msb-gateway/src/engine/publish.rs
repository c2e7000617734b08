//! Published ports: the host's loopback has them, and what dials one there reaches the sandbox's port.
//!
//! The gateway is outside of the sandbox's network namespace and can make no socket in it, so it asks the launcher's
//! side for one for each connection.

use super::connection::{Connection, Phase};
use super::{Engine, Kind, SERVER};
use crate::audit::{Decision, Subject};
use crate::rules::{Protocol, Target};
use crate::socket;
use crate::state::{about, set};
use msb_plan::OriginId;
use msb_plan::handover::{MAKE, V4_STREAM};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// How long the sandbox's side may take to make a socket.
const MAKE_MAX: Duration = Duration::from_secs(5);
/// Connections to one published port that one event accepts.
const ACCEPTS_MAX: usize = 16;

/// A port of the host's loopback that is the sandbox's.
#[derive(Debug)]
pub struct Published {
    /// Listening, non-blocking.
    pub(super) socket: OwnedFd,
    port: u16,
    origin: OriginId,
}

impl Published {
    /// Binds `port` of the host's loopback.
    ///
    /// # Errors
    /// As bind(2): `EADDRINUSE`, `EACCES`.
    pub fn bind(port: u16, origin: OriginId) -> std::io::Result<Published> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        Ok(Published { socket: listener.into(), port, origin })
    }
}

impl Engine {
    /// Somebody of the host dials a published port.
    pub(super) fn publish(&mut self, index: usize) {
        for _ in 0..ACCEPTS_MAX {
            let Some(published) = self.published.get(index) else { return };
            let (port, origin) = (published.port, published.origin);
            let Ok(client) = rustix::net::accept_with(&published.socket, socket::FLAGS) else { return };
            let mut more = about(Protocol::Tcp, &Target::Loopback, port);
            set(&mut more, "published", true);
            let asked = self.allocate().filter(|_| {
                // Under this load the launcher's side is not reading: this one is refused.
                send(&self.control, &[MAKE, V4_STREAM], SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok()
            });
            let Some(token) = asked else {
                set(&mut more, "reason", "too-many-connections");
                self.state.log.decided(Subject::Connection, Decision::Deny, Some(origin), more);
                socket::reset(client);
                continue;
            };
            self.state.log.decided(Subject::Connection, Decision::Allow, Some(origin), more);
            let mut connection = Connection::new(client, Target::Loopback, port, Phase::Making);
            let deadline = Instant::now() + MAKE_MAX;
            connection.deadline = Some(deadline);
            self.remind(token, deadline);
            self.wanted.push_back(token);
            self.put(token, Kind::Stream(Box::new(connection)));
        }
    }

    /// The sandbox's side made a socket, or could not.
    pub(super) fn made(&mut self, socket: Option<OwnedFd>) {
        let Some(token) = self.wanted.pop_front() else { return };
        let Kind::Stream(mut connection) = self.take(token) else { return };
        let Some(socket) = socket else { return self.close(token, connection, "no-socket") };
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, connection.port));
        let connected = || {
            socket::tune(&socket)?;
            self.watch(&socket, token.with_side(SERVER))?;
            socket::begin(&socket, to)
        };
        let begun: Result<(), Errno> = connected();
        if begun.is_err() {
            return self.close(token, connection, "unreachable");
        }
        connection.server = Some((socket, SERVER));
        // Whether it connects shows when it is used: an error is told to the client as a reset.
        self.begin_relay(token, connection);
    }
}
