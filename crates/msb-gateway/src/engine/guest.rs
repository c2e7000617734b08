//! Published ports of datagrams: for each sender of the host a socket inside, so that the sandbox's server answers to it.

use super::udp::enqueue;
use super::{CLIENT, Engine, Kind, SERVER, Token};
use crate::audit::{Decision, Subject};
use crate::rules::{Protocol, Target};
use crate::socket;
use crate::state::{about, set};
use msb_plan::OriginId;
use msb_plan::handover::V4_DATAGRAM;
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::net::{RecvFlags, SendFlags, recv, recvfrom, send, sendto};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// How long nobody may say anything; RFC 4787, 4.3 asks for two minutes at least.
const IDLE: Duration = Duration::from_secs(120);
/// Senders at once.
const GUESTS_MAX: usize = 1024;
/// Datagrams of one socket before others have their turn.
const TURNS_MAX: usize = 64;

/// A sender of the host: which published port, and who.
pub(super) type GuestKey = (usize, SocketAddr);

/// Datagrams between a sender of the host and the sandbox's server.
#[derive(Debug)]
pub(super) struct Guest {
    key: GuestKey,
    port: u16,
    origin: OriginId,
    /// Connected, inside; none until it was made.
    socket: Option<OwnedFd>,
    queue: Vec<Vec<u8>>,
    used: Instant,
    up_bytes: u64,
    down_bytes: u64,
}

impl Guest {
    fn about(&self) -> Value {
        published(self.port)
    }
}

fn published(port: u16) -> Value {
    let mut more = about(Protocol::Udp, &Target::Loopback, port);
    set(&mut more, "published", true);
    more
}

impl Engine {
    /// Somebody of the host sent datagrams to a published port.
    pub(super) fn visit(&mut self, index: usize) {
        for _ in 0..TURNS_MAX {
            let Some(published) = self.published.get(index) else { return };
            let received = recvfrom(&published.socket, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT);
            let Ok((length, _, Some(sender))) = received else { return };
            let Some(sender) = socket::plain(sender) else { continue };
            let payload = self.buffer.get(..length).unwrap_or_default().to_vec();
            let key = (index, sender);
            let Some(token) = self.guests.get(&key).copied().or_else(|| self.receive_guest(key)) else {
                continue;
            };
            let Kind::Guest(mut guest) = self.take(token) else { continue };
            guest.used = Instant::now();
            if let Some(inside) = &guest.socket {
                guest.down_bytes += pass(inside, &payload);
            } else {
                enqueue(&mut guest.queue, payload);
            }
            self.put(token, Kind::Guest(guest));
        }
    }

    /// A sender that is new: a socket inside is asked for.
    fn receive_guest(&mut self, key: GuestKey) -> Option<Token> {
        let (port, origin) = self.published.get(key.0).map(|it| (it.port, it.origin))?;
        let token = if self.guests.len() < GUESTS_MAX { self.ask_for(V4_DATAGRAM) } else { None };
        let Some(token) = token else {
            let mut more = published(port);
            set(&mut more, "reason", "too-many-connections");
            self.state.log.decided(Subject::Connection, Decision::Deny, Some(origin), more);
            return None;
        };
        let used = Instant::now();
        let guest =
            Guest { key, port, origin, socket: None, queue: Vec::new(), used, up_bytes: 0, down_bytes: 0 };
        self.state.log.decided(Subject::Connection, Decision::Allow, Some(origin), guest.about());
        self.guests.insert(key, token);
        self.remind(token, used + IDLE);
        self.put(token, Kind::Guest(Box::new(guest)));
        Some(token)
    }

    /// The socket inside was made, or could not be.
    pub(super) fn guest_made(&mut self, token: Token, mut guest: Box<Guest>, inside: Option<OwnedFd>) {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, guest.port));
        let ready = inside.filter(|inside| {
            let events = EventFlags::IN | EventFlags::ERR;
            socket::begin(inside, to).is_ok()
                && socket::watch(&self.epoll, inside, token.with_side(SERVER).0, events).is_ok()
        });
        let Some(inside) = ready else { return self.end_guest(token, guest, "no-socket") };
        for payload in std::mem::take(&mut guest.queue) {
            guest.down_bytes += pass(&inside, &payload);
        }
        guest.socket = Some(inside);
        self.put(token, Kind::Guest(guest));
    }

    /// The sandbox's server answers.
    pub(super) fn guest_event(&mut self, token: Token, mut guest: Box<Guest>) {
        for _ in 0..TURNS_MAX {
            let Some(inside) = &guest.socket else { break };
            // An error, such as that nobody listens inside, is taken by being read.
            let Ok((length, _)) = recv(inside, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT) else {
                break;
            };
            guest.used = Instant::now();
            guest.up_bytes += length as u64;
            let (Some(published), Some(payload)) =
                (self.published.get(guest.key.0), self.buffer.get(..length))
            else {
                break;
            };
            // Datagrams get lost; that is what they are.
            let _ = sendto(&published.socket, payload, SendFlags::DONTWAIT, &guest.key.1);
        }
        self.put(token, Kind::Guest(guest));
    }

    /// A sender that said nothing for long is forgotten.
    pub(super) fn guest_deadline(&mut self, token: Token, guest: Box<Guest>, now: Instant) {
        let until = guest.used + IDLE;
        if now < until {
            self.remind(token, until);
            return self.put(token, Kind::Guest(guest));
        }
        self.end_guest(token, guest, "idle");
    }

    pub(super) fn end_guest(&mut self, token: Token, guest: Box<Guest>, reason: &str) {
        self.guests.remove(&guest.key);
        let mut more = guest.about();
        set(&mut more, "reason", reason);
        self.state.log.ended(Some(guest.origin), guest.up_bytes, guest.down_bytes, more);
        drop(guest);
        self.release(token.with_side(CLIENT));
    }
}

/// Sends a datagram; how many bytes were taken.
fn pass(inside: &OwnedFd, payload: &[u8]) -> u64 {
    let sent = send(inside, payload, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    sent.map_or(0, |sent| sent as u64)
}
