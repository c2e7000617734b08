//! Dialling: the real addresses of a name, one after the other, and a little at the same time (RFC 8305).

use super::connection::{Connection, Phase, address_of};
use super::{Engine, Kind, SERVER, Token};
use crate::audit::{Decision, Subject};
use crate::hello::ALERT_ACCESS_DENIED;
use crate::resolve::Addresses;
use crate::rules::{Protocol, Rules, Target};
use crate::socket;
use crate::state::set;
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::net::{SocketType, sockopt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// How long a name may take to resolve; resolv.conf(5) allows two tries of 5 s for each of 3 servers.
const RESOLVE_MAX: Duration = Duration::from_secs(15);
/// How long after one address the next is tried too; RFC 8305, 5.
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long dialling may take, all addresses together.
pub(crate) const DIAL_MAX: Duration = Duration::from_secs(20);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// Addresses that are being dialled.
#[derive(Debug)]
pub(super) struct Dial {
    addresses: Vec<IpAddr>,
    next: usize,
    /// Sockets that are connecting, by their side.
    attempts: Vec<(u8, OwnedFd, IpAddr)>,
    give_up: Instant,
}

/// The loopback addresses of the host, where its services listen on one or the other.
pub(crate) const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Those of `found` that may be dialled, in the order to try: the first family first, then in turns (RFC 8305, 4).
pub(crate) fn order(rules: &Rules, spoken: Protocol, port: u16, found: &[IpAddr]) -> Vec<IpAddr> {
    let may = found.iter().copied().filter(|address| rules.may_dial(spoken, *address, port));
    let first_is_v4 = found.first().is_some_and(IpAddr::is_ipv4);
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) =
        may.partition(|address| address.is_ipv4() == first_is_v4);
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            break;
        }
        ordered.extend(pair.into_iter().flatten());
    }
    ordered.truncate(ADDRESSES_MAX);
    ordered
}

impl Engine {
    /// Finds out where the target is, and dials.
    pub(super) fn dial(&mut self, token: Token, mut connection: Box<Connection>) {
        let name = match &connection.target {
            Target::Loopback => return self.dial_addresses(token, connection, LOOPBACK.to_vec()),
            target => match address_of(target) {
                Some(address) => return self.dial_addresses(token, connection, vec![address]),
                None => target.to_string(),
            },
        };
        match self.resolver.ask(&name, Instant::now()) {
            Some(answer) => self.dial_answer(token, connection, answer),
            None => {
                connection.phase = Phase::Resolving;
                let deadline = Instant::now() + RESOLVE_MAX;
                connection.deadline = Some(deadline);
                self.remind(token, deadline);
                self.waiting.entry(name).or_default().push(token);
                self.put(token, Kind::Stream(connection));
            }
        }
    }

    /// Names were resolved: goes on with those who wait for them.
    pub(super) fn resolved(&mut self) {
        for (name, answer) in self.resolver.answers(Instant::now()) {
            for token in self.waiting.remove(&name).unwrap_or_default() {
                match self.take(token) {
                    Kind::Stream(connection) => self.dial_answer(token, connection, answer.clone()),
                    Kind::Flow(flow) => self.flow_answer(token, flow, &answer),
                    Kind::Guest(_) | Kind::Refusals(_) | Kind::Free => {}
                }
            }
        }
    }

    fn dial_answer(&mut self, token: Token, mut connection: Box<Connection>, answer: Addresses) {
        let found = match answer {
            Ok(found) => found,
            Err(failed) => {
                connection.error = Some(failed.0);
                return self.close(token, connection, "unresolved");
            }
        };
        let addresses = order(&self.state.rules, connection.spoken, connection.port, &found);
        if addresses.is_empty() {
            let mut more = connection.about();
            set(&mut more, "reason", "address-not-named");
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            set(&mut more, "addresses", found);
            let origin = connection.rule.and_then(|rule| self.state.origin(rule));
            self.state.log.decided(Subject::Connection, Decision::Deny, origin, more);
            connection.rule = None;
            return self.refuse(token, connection, ALERT_ACCESS_DENIED);
        }
        self.dial_addresses(token, connection, addresses);
    }

    fn dial_addresses(&mut self, token: Token, mut connection: Box<Connection>, addresses: Vec<IpAddr>) {
        let now = Instant::now();
        let origin = connection.rule.and_then(|rule| self.state.origin(rule));
        self.state.log.decided(Subject::Connection, Decision::Allow, origin, connection.about());
        let dial = Dial { addresses, next: 0, attempts: Vec::new(), give_up: now + DIAL_MAX };
        connection.phase = Phase::Dialling(Box::new(dial));
        self.dial_next(token, connection, now);
    }

    /// Dials the next address, if there is one.
    fn dial_next(&mut self, token: Token, mut connection: Box<Connection>, now: Instant) {
        let Phase::Dialling(dial) = &mut connection.phase else {
            return self.close(token, connection, "bug");
        };
        while let Some(address) = dial.addresses.get(dial.next).copied() {
            let side = SERVER + u8::try_from(dial.next).unwrap_or(u8::MAX - 1);
            dial.next += 1;
            let Ok(socket) = socket::dial(SocketAddr::new(address, connection.port), SocketType::STREAM)
            else {
                continue;
            };
            if self.watch(&socket, token.with_side(side)).is_err() {
                continue;
            }
            dial.attempts.push((side, socket, address));
            break;
        }
        if dial.attempts.is_empty() {
            return self.close(token, connection, "unreachable");
        }
        let more = dial.next < dial.addresses.len();
        let deadline = if more { dial.give_up.min(now + ATTEMPT_DELAY) } else { dial.give_up };
        connection.deadline = Some(deadline);
        self.remind(token, deadline);
        self.put(token, Kind::Stream(connection));
    }

    /// A socket of ours may have connected, or failed.
    pub(super) fn dial_event(&mut self, token: Token, mut connection: Box<Connection>, flags: EventFlags) {
        let Phase::Dialling(dial) = &mut connection.phase else {
            return self.close(token, connection, "bug");
        };
        let Some(index) = dial.attempts.iter().position(|(side, ..)| *side == token.side()) else {
            return self.put(token, Kind::Stream(connection));
        };
        if !flags.intersects(EventFlags::OUT | EventFlags::ERR | EventFlags::HUP) {
            return self.put(token, Kind::Stream(connection));
        }
        let (side, socket, _) = dial.attempts.swap_remove(index);
        let is_broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if is_broken && sockopt::socket_error(&socket) != Ok(Ok(())) {
            // This address does not answer; the next one need not wait for its turn.
            return self.dial_next(token, connection, Instant::now());
        }
        connection.server = Some((socket, side));
        connection.up.writable = true;
        connection.down.readable = flags.intersects(EventFlags::IN | EventFlags::RDHUP);
        connection.down.hangup = flags.contains(EventFlags::RDHUP);
        self.begin_relay(token, connection);
    }

    /// The last address has had its time to itself, or all of them had theirs.
    pub(super) fn dial_deadline(&mut self, token: Token, connection: Box<Connection>, now: Instant) {
        let Phase::Dialling(dial) = &connection.phase else { return self.close(token, connection, "bug") };
        if now >= dial.give_up {
            return self.close(token, connection, "timeout");
        }
        self.dial_next(token, connection, now);
    }
}
