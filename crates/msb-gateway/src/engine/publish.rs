//! Published ports: the host's loopback has them, and what dials one there reaches the sandbox's port.
//!
//! The gateway is outside of the sandbox's network namespace and can make no socket in it, so it asks the launcher's
//! side for one for each connection.

use super::connection::{Connection, Phase};
use super::{Engine, Kind, SERVER, Token};
use crate::audit::{Decision, Log, Subject};
use crate::rules::{Protocol, Target};
use crate::socket;
use crate::state::{about, set};
use msb_plan::OriginId;
use msb_plan::handover::{MAKE, V4_STREAM, V6_STREAM};
use msb_plan::network::{self, Listen};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{SendFlags, send};
use serde_json::json;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

/// How long the sandbox's side may take to make a socket.
const MAKE_MAX: Duration = Duration::from_secs(5);
/// Where a server of the sandbox is looked for, in order.
const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
/// Connections to one published port that one event accepts.
const ACCEPTS_MAX: usize = 16;

/// How often a port is chosen anew, where one that is free by IPv4 is taken by IPv6.
const CHOICES_MAX: usize = 64;

/// A port of the host's loopback, by one address, that is the sandbox's.
#[derive(Debug)]
pub struct Published {
    /// Listening, or for datagrams; non-blocking.
    pub(super) socket: OwnedFd,
    /// Where on the host.
    at: SocketAddr,
    /// The port of the sandbox.
    pub(super) port: u16,
    pub(super) origin: OriginId,
    datagrams: bool,
}

impl Published {
    /// Binds what `listen` says, at each address of it, and gives the port of the host, the same of all.
    ///
    /// # Errors
    /// As bind(2): `EADDRINUSE`, `EACCES`. A host without ::1 is none where an address of IPv4 has the port.
    pub fn bind(listen: &Listen) -> io::Result<(Vec<Published>, u16)> {
        let v4 = listen.v4.map(IpAddr::from);
        let v6 = listen.v6.then_some(LOOPBACKS[1]);
        let mut choices = if listen.port == 0 { CHOICES_MAX } else { 1 };
        loop {
            let mut port = listen.port;
            let mut bound = Vec::new();
            let mut failed = None;
            for address in v4.into_iter().chain(v6) {
                match Published::bind_one(listen, SocketAddr::new(address, port)) {
                    Ok(one) => {
                        port = one.at.port();
                        bound.push(one);
                    }
                    Err(error) if !bound.is_empty() && has_no_v6(&error) => {}
                    Err(error) => failed = Some(error),
                }
            }
            choices -= 1;
            match failed {
                None => return Ok((bound, port)),
                Some(error) if choices == 0 || error.kind() != io::ErrorKind::AddrInUse => return Err(error),
                // What was chosen is not free by the other address: it is let go, and another one chosen.
                Some(_) => {}
            }
        }
    }

    fn bind_one(listen: &Listen, at: SocketAddr) -> io::Result<Published> {
        let datagrams = listen.protocol == network::Protocol::Udp;
        let (socket, at): (OwnedFd, SocketAddr) = if datagrams {
            let socket = UdpSocket::bind(at)?;
            socket.set_nonblocking(true)?;
            let at = socket.local_addr()?;
            (socket.into(), at)
        } else {
            let listener = TcpListener::bind(at)?;
            listener.set_nonblocking(true)?;
            let at = listener.local_addr()?;
            (listener.into(), at)
        };
        Ok(Published { socket, at, port: listen.inside, origin: listen.origin, datagrams })
    }

    /// What the log says of it when the run begins.
    pub(super) fn write_down(&self, log: &Log) {
        let protocol = if self.datagrams { Protocol::Udp } else { Protocol::Tcp };
        let address = self.at.to_string();
        log.listens(self.origin, json!({"protocol": protocol.word(), "address": address, "port": self.port}));
    }
}

/// A kernel without IPv6, and a host that has it turned off.
fn has_no_v6(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}

impl Engine {
    /// Asks the sandbox's side for a socket, and gives the number of the entry that waits for it. Under a load at which
    /// that side does not read, there is none.
    pub(super) fn ask_for(&mut self, kind: u8) -> Option<Token> {
        let token = self.allocate()?;
        if !self.ask_again(token, kind) {
            self.release(token);
            return None;
        }
        Some(token)
    }

    /// The same for an entry that is there; `false` where nobody can be asked.
    fn ask_again(&mut self, token: Token, kind: u8) -> bool {
        let sent = send(&self.control, &[MAKE, kind], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        if sent.is_ok() {
            self.wanted.push_back(token);
        }
        sent.is_ok()
    }

    /// Somebody of the host dials a published port.
    pub(super) fn publish(&mut self, index: usize) {
        if self.published.get(index).is_some_and(|published| published.datagrams) {
            return self.visit(index);
        }
        for _ in 0..ACCEPTS_MAX {
            let Some(published) = self.published.get(index) else { return };
            let (port, origin) = (published.port, published.origin);
            let Ok(client) = rustix::net::accept_with(&published.socket, socket::FLAGS) else { return };
            let mut more = about(Protocol::Tcp, &Target::Loopback, port);
            set(&mut more, "published", true);
            let Some(token) = self.ask_for(V4_STREAM) else {
                set(&mut more, "reason", "too-many-connections");
                self.state.log.decided(Subject::Connection, Decision::Deny, Some(origin), more);
                socket::reset(client);
                continue;
            };
            self.state.log.decided(Subject::Connection, Decision::Allow, Some(origin), more);
            let mut connection = Connection::new(client, Target::Loopback, port, Phase::Making(LOOPBACKS[0]));
            connection.published = Some(origin);
            let deadline = Instant::now() + MAKE_MAX;
            connection.deadline = Some(deadline);
            self.remind(token, deadline);
            self.put(token, Kind::Stream(Box::new(connection)));
        }
    }

    /// The sandbox's side made a socket, or could not.
    pub(super) fn made(&mut self, socket: Option<OwnedFd>) {
        let Some(token) = self.wanted.pop_front() else { return };
        let mut connection = match self.take(token) {
            Kind::Stream(connection) => connection,
            Kind::Guest(guest) => return self.guest_made(token, guest, socket),
            Kind::Flow(_) | Kind::Refusals(_) | Kind::Free => return,
        };
        let Some(socket) = socket else { return self.close(token, connection, "no-socket") };
        let Phase::Making(inside) = connection.phase else { return self.close(token, connection, "bug") };
        let to = SocketAddr::new(inside, connection.port);
        let connected = || {
            socket::tune(&socket)?;
            self.watch(&socket, token.with_side(SERVER))?;
            socket::begin(&socket, to)?;
            // A refusal of the loopback has come by now, behind the answer that the connection is on its way.
            socket_error(&socket)?
        };
        let begun: Result<(), Errno> = connected();
        if begun == Err(Errno::CONNREFUSED) && inside == LOOPBACKS[0] && self.ask_again(token, V6_STREAM) {
            // Nobody listens there, which the loopback says at once. Many a server listens on `localhost`, and takes the first
            // address that this has.
            connection.phase = Phase::Making(LOOPBACKS[1]);
            return self.put(token, Kind::Stream(connection));
        }
        if begun.is_err() {
            return self.close(token, connection, "unreachable");
        }
        connection.server = Some((socket, SERVER));
        // Whether it connects shows when it is used: an error is told to the client as a reset.
        self.begin_relay(token, connection);
    }
}

#[cfg(test)]
#[path = "../tests/publish.rs"]
mod tests;
