//! One connection: what is spoken, who is meant, and its bytes.

use super::dial::Dial;
use super::{CLIENT, Engine, Kind, Token};
use crate::audit::{Decision, Subject};
use crate::dns;
use crate::hello::{self, ALERT_ACCESS_DENIED, ALERT_UNRECOGNIZED_NAME, First, HELLO_BYTES_MAX, Hello};
use crate::limits::{Counted, Pass, Way};
use crate::needed;
use crate::reader::Job;
use crate::relay::{Direction, Turn, end, unsent_bytes};
use crate::rules::{Allow, Opening, Protocol, Refusal, RuleId, Target};
use crate::socket;
use crate::state::{Held, about, set};
use msb_host::Host;
use msb_plan::OriginId;
use msb_plan::network::{DNS_PORT, GATEWAY_V4};
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long a program may take for its first bytes, where they decide.
const FIRST_BYTES: Duration = Duration::from_secs(10);
/// How long DNS over TCP may be idle (RFC 7766, 6.2.3: a few seconds).
const DNS_IDLE: Duration = Duration::from_secs(10);
/// How long one direction may be idle when the other has ended.
const HALF_CLOSED_IDLE: Duration = Duration::from_secs(300);
/// How often, and how long, it is looked whether the last bytes of a quota were taken.
const DRAIN_STEP: Duration = Duration::from_millis(5);
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// The socket that the program inside, or for a published port the one outside, is at the other end of.
    pub(super) client: OwnedFd,
    pub(super) target: Target,
    pub(super) port: u16,
    /// As far as it is known.
    pub(super) spoken: Protocol,
    pub(super) phase: Phase,
    /// Bytes that were read to decide.
    pub(super) first: Vec<u8>,
    pub(super) rule: Option<RuleId>,
    /// The line that publishes the port, where the client is outside.
    pub(super) published: Option<OriginId>,
    pub(super) pass: Option<Pass>,
    held: Option<Held>,
    /// Which side the dialled socket is registered as.
    pub(super) server: Option<(OwnedFd, u8)>,
    pub(super) up: Direction,
    pub(super) down: Direction,
    pub(super) started: Instant,
    pub(super) deadline: Option<Instant>,
    /// Whether the client's socket is watched.
    pub(super) watched: bool,
    /// The same, for when it takes more again.
    watched_for_room: bool,
    /// What the host said, where it could not be dialled.
    pub(super) error: Option<String>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Its first bytes decide; rules for TLS, and for HTTP.
    First(Vec<RuleId>, Vec<RuleId>),
    /// It speaks DNS with us.
    Dns,
    /// Its name is being resolved.
    Resolving,
    /// Its addresses are being dialled.
    Dialling(Box<Dial>),
    /// It waits for a socket inside, to dial this address of the sandbox's loopback.
    Making(IpAddr),
    /// Its bytes are passed on.
    Relaying,
    /// Its quota is used up; what was sent is on its way, until then.
    Draining(Instant),
}

impl Connection {
    pub(super) fn new(client: OwnedFd, target: Target, port: u16, phase: Phase) -> Connection {
        Connection {
            client,
            target,
            port,
            spoken: Protocol::Tcp,
            phase,
            first: Vec::new(),
            rule: None,
            published: None,
            pass: None,
            held: None,
            server: None,
            up: Direction::new(Way::Up),
            down: Direction::new(Way::Down),
            started: Instant::now(),
            deadline: None,
            watched: false,
            watched_for_room: false,
            error: None,
        }
    }

    pub(super) fn about(&self) -> Value {
        let mut more = about(self.spoken, &self.target, self.port);
        if self.published.is_some() {
            set(&mut more, "published", true);
        }
        more
    }
}

impl Engine {
    /// A program dialled `to`.
    pub(super) fn opened(&mut self, client: OwnedFd, to: SocketAddr) {
        let port = to.port();
        let Some(token) = self.allocate() else {
            let mut more = about(Protocol::Tcp, &Target::Address(to.ip()), port);
            set(&mut more, "reason", "too-many-connections");
            self.state.log.decided(Subject::Connection, Decision::Deny, None, more);
            return socket::reset(client);
        };
        if to == SocketAddr::from((GATEWAY_V4, DNS_PORT)) {
            let connection = Connection::new(client, Target::Address(to.ip()), port, Phase::Dns);
            return self.await_first(token, Box::new(connection), DNS_IDLE);
        }
        let target = match self.state.target(to.ip()) {
            Ok(target) => target,
            Err(reason) => {
                let mut more = about(Protocol::Tcp, &Target::Address(to.ip()), port);
                set(&mut more, "reason", reason);
                self.state.log.decided(Subject::Connection, Decision::Deny, None, more);
                self.release(token);
                return socket::reset(client);
            }
        };
        match self.state.rules.open(&target, port) {
            Opening::Refuse(refusal) => {
                let more = about(Protocol::Tcp, &target, port);
                self.state.refused(refusal, (Protocol::Tcp, &target, port), more);
                self.release(token);
                socket::reset(client);
            }
            Opening::Stream(rules) => {
                let mut connection = Connection::new(client, target, port, Phase::Resolving);
                connection.held = Held::new(&self.state, to.ip());
                self.admit(token, Box::new(connection), &rules);
            }
            Opening::Sniff { tls, http } => {
                let mut connection = Connection::new(client, target, port, Phase::First(tls, http));
                connection.held = Held::new(&self.state, to.ip());
                self.await_first(token, Box::new(connection), FIRST_BYTES);
            }
        }
    }

    /// Waits for the program to say something.
    fn await_first(&mut self, token: Token, mut connection: Box<Connection>, within: Duration) {
        if self.watch(&connection.client, token).is_err() {
            return self.close(token, connection, "no-memory");
        }
        connection.watched = true;
        let deadline = Instant::now() + within;
        connection.deadline = Some(deadline);
        self.remind(token, deadline);
        self.put(token, Kind::Stream(connection));
    }

    /// Counts the connection, then dials.
    fn admit(&mut self, token: Token, mut connection: Box<Connection>, rules: &[RuleId]) {
        match self.state.meters.admit(rules, Counted::Connection, Instant::now()) {
            Ok((rule, pass)) => {
                connection.rule = Some(rule);
                connection.pass = Some(pass);
                self.dial(token, connection);
            }
            Err(limit) => {
                self.state.limited(Subject::Connection, limit, connection.about());
                self.refuse(token, connection, ALERT_ACCESS_DENIED);
            }
        }
    }

    /// Something happened to a socket of a connection.
    pub(super) fn stream_event(&mut self, token: Token, mut connection: Box<Connection>, flags: EventFlags) {
        let gone = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        let hangup = gone || flags.contains(EventFlags::RDHUP);
        let is_server = connection.server.as_ref().is_some_and(|(_, side)| *side == token.side());
        if token.side() == CLIENT || is_server {
            let (from, to) = match token.side() {
                CLIENT => (&mut connection.up, &mut connection.down),
                _ => (&mut connection.down, &mut connection.up),
            };
            from.readable |= flags.contains(EventFlags::IN) || hangup;
            from.hangup |= hangup;
            to.writable |= flags.contains(EventFlags::OUT) || gone;
        }
        match connection.phase {
            Phase::First(..) => self.read_first(token, connection),
            Phase::Dns => self.answer_dns(token, connection),
            Phase::Resolving | Phase::Making(_) => {
                // A program that went away needs nothing dialled.
                if gone && token.side() == CLIENT {
                    return self.close(token, connection, "gone");
                }
                self.put(token, Kind::Stream(connection));
            }
            Phase::Dialling(_) => {
                if gone && token.side() == CLIENT {
                    return self.close(token, connection, "gone");
                }
                self.dial_event(token, connection, flags);
            }
            Phase::Relaying => self.relay(token, connection),
            Phase::Draining(_) => {
                self.flush(&mut connection);
                self.put(token, Kind::Stream(connection));
            }
        }
    }

    /// Its time is up, or would be if nothing had happened since.
    pub(super) fn stream_deadline(&mut self, token: Token, mut connection: Box<Connection>, now: Instant) {
        match connection.deadline {
            Some(deadline) if deadline <= now => {}
            Some(deadline) => {
                self.remind(token, deadline);
                return self.put(token, Kind::Stream(connection));
            }
            None => return self.put(token, Kind::Stream(connection)),
        }
        connection.deadline = None;
        match connection.phase {
            Phase::First(..) => {
                let mut more = connection.about();
                set(&mut more, "reason", "no-first-bytes");
                self.state.log.decided(Subject::Connection, Decision::Deny, None, more);
                self.refuse(token, connection, ALERT_ACCESS_DENIED);
            }
            Phase::Dns => {
                self.release(token);
            }
            Phase::Resolving | Phase::Making(_) => self.close(token, connection, "timeout"),
            Phase::Dialling(_) => self.dial_deadline(token, connection, now),
            Phase::Relaying => self.close(token, connection, "idle"),
            Phase::Draining(until) => self.drain(token, connection, until),
        }
    }

    /// Reads until the first bytes say what is spoken.
    fn read_first(&mut self, token: Token, mut connection: Box<Connection>) {
        loop {
            let space = HELLO_BYTES_MAX - connection.first.len().min(HELLO_BYTES_MAX);
            let part = &mut self.buffer[..space];
            match recv(&connection.client, &mut *part, RecvFlags::empty()) {
                Ok((0, _)) => return self.close(token, connection, "gone"),
                Ok((read, _)) => connection.first.extend_from_slice(&self.buffer[..read]),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    connection.up.readable = false;
                    return self.put(token, Kind::Stream(connection));
                }
                Err(_) => return self.close(token, connection, "gone"),
            }
            let first = hello::first(&connection.first);
            if first != First::More {
                connection.deadline = None;
                return self.decide_first(token, connection, first);
            }
        }
    }

    fn decide_first(&mut self, token: Token, mut connection: Box<Connection>, first: First) {
        let phase = std::mem::replace(&mut connection.phase, Phase::Resolving);
        let Phase::First(tls, http) = phase else { return self.close(token, connection, "bug") };
        let (mut asked, mut could_be) = (None, None);
        let (reason, alert) = match first {
            First::Tls(hello) => {
                connection.spoken = Protocol::Tls;
                match self.name_reason(&connection, &hello) {
                    Some(refused) => {
                        asked = hello.server_name;
                        refused
                    }
                    None => return self.decide_tls(token, connection, tls, hello),
                }
            }
            First::Http if http.is_empty() => {
                connection.spoken = Protocol::Http;
                could_be = Some(Protocol::Http);
                ("http-where-tls-is-allowed", 0)
            }
            First::Http => {
                connection.spoken = Protocol::Http;
                return self.read_requests(token, connection, http, Hello::default());
            }
            First::BadTls => ("broken-client-hello", ALERT_ACCESS_DENIED),
            First::Other | First::More => {
                could_be = Some(Protocol::Tcp);
                ("neither-tls-nor-http", 0)
            }
        };
        let mut more = connection.about();
        set(&mut more, "reason", reason);
        let needed = match (&asked, could_be) {
            (Some(name), _) => needed::server_name(name, connection.port),
            (None, could_be) => {
                could_be.and_then(|it| needed::exactly(it, &connection.target, connection.port))
            }
        };
        for (key, value) in [("server_name", asked), ("needed", needed)] {
            if let Some(value) = value {
                set(&mut more, key, value);
            }
        }
        let rules = [tls, http].concat();
        let origin = rules.first().and_then(|rule| self.state.origin(*rule));
        self.state.log.decided(Subject::Connection, Decision::Deny, origin, more);
        self.refuse(token, connection, alert);
    }

    /// Why the name that a ClientHello asks for is not the one that was dialled, and the alert that says so.
    fn name_reason(&self, connection: &Connection, hello: &Hello) -> Option<(&'static str, u8)> {
        let asked = hello.server_name.as_deref().map(msb_host::parse);
        match (&connection.target, asked) {
            (Target::Name(_), None) => Some(("server-name-missing", ALERT_UNRECOGNIZED_NAME)),
            (Target::Name(name), Some(Ok(Host::Name(asked)))) if *name == asked => None,
            (Target::Name(_), Some(_)) => Some(("server-name-differs", ALERT_UNRECOGNIZED_NAME)),
            (_, None) => None,
            // Of an address, no name that a deny covers may be asked for.
            (_, Some(Ok(Host::Name(asked)))) => {
                let asked = Target::Name(asked);
                let denied = self.state.rules.denied(Protocol::Tls, &asked, connection.port);
                denied.map(|_| ("server-name-denied", ALERT_UNRECOGNIZED_NAME))
            }
            (_, Some(_)) => Some(("server-name-differs", ALERT_UNRECOGNIZED_NAME)),
        }
    }

    fn decide_tls(&mut self, token: Token, connection: Box<Connection>, rules: Vec<RuleId>, hello: Hello) {
        if rules.is_empty() {
            let decided = self.state.rules.decide(Protocol::Tls, &connection.target, connection.port);
            let refusal = decided.err().unwrap_or(Refusal::NoRule);
            let whom = (Protocol::Tls, &connection.target, connection.port);
            self.state.refused(refusal, whom, connection.about());
            return self.refuse(token, connection, ALERT_ACCESS_DENIED);
        }
        let reads = |rule: &RuleId| self.state.rules.rule(*rule).is_some_and(Allow::reads_requests);
        let (reading, opaque): (Vec<RuleId>, Vec<RuleId>) = rules.into_iter().partition(reads);
        if !opaque.is_empty() && !hello.is_encrypted {
            self.admit(token, connection, &opaque);
        } else if !reading.is_empty() {
            // A hello within the hello ends here unread, and the name that was seen is the one that is dialled.
            let mut connection = connection;
            connection.spoken = Protocol::Https;
            self.read_requests(token, connection, reading, hello);
        } else {
            // Another name than the one that is seen may be meant.
            let mut more = connection.about();
            set(&mut more, "reason", "encrypted-client-hello");
            let origin = opaque.first().and_then(|rule| self.state.origin(*rule));
            self.state.log.decided(Subject::Connection, Decision::Deny, origin, more);
            self.refuse(token, connection, ALERT_ACCESS_DENIED);
        }
    }

    /// Hands the connection to the thread that reads requests.
    fn read_requests(&mut self, token: Token, connection: Box<Connection>, rules: Vec<RuleId>, hello: Hello) {
        let (rule, pass) = match self.state.meters.admit(&rules, Counted::Requests, Instant::now()) {
            Ok(admitted) => admitted,
            Err(limit) => {
                self.state.limited(Subject::Connection, limit, connection.about());
                return self.refuse(token, connection, ALERT_ACCESS_DENIED);
            }
        };
        let connection = *connection;
        // Another thread watches it from now on. That it can't be taken out means that it was not in.
        let _ = rustix::event::epoll::delete(&self.epoll, &connection.client);
        self.release(token);
        self.reader.read(Job {
            client: connection.client,
            first: connection.first,
            target: connection.target,
            port: connection.port,
            spoken: connection.spoken,
            rules,
            rule,
            pass,
            held: connection.held,
            hello,
        });
    }

    /// Questions by TCP: each behind its length (RFC 1035, 4.2.2).
    fn answer_dns(&mut self, token: Token, mut connection: Box<Connection>) {
        loop {
            match recv(&connection.client, self.buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((0, _)) => return self.release(token),
                Ok((read, _)) => connection.first.extend_from_slice(&self.buffer[..read]),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    let now = Instant::now();
                    connection.deadline = Some(now + DNS_IDLE);
                    // The reminder that is there looks at the new time.
                    return self.put(token, Kind::Stream(connection));
                }
                Err(_) => return self.release(token),
            }
            while let Some((length, rest)) = connection.first.split_first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*length));
                if length > dns::QUERY_BYTES_MAX {
                    return self.release(token);
                }
                let Some(query) = rest.get(..length) else { break };
                let Some(answer) = self.look_up(query) else { return self.release(token) };
                connection.first.drain(..length + 2);
                let length = u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes();
                let bytes = [&length[..], &answer].concat();
                // An answer is small: whoever does not take it does not read them.
                if send(&connection.client, &bytes, SendFlags::NOSIGNAL) != Ok(bytes.len()) {
                    return self.release(token);
                }
            }
        }
    }

    /// Answers a question and writes it down.
    pub(super) fn look_up(&mut self, query: &[u8]) -> Option<Vec<u8>> {
        let (answer, lookup) =
            dns::answer(query, &self.state.rules, &mut self.state.names(), Instant::now())?;
        dns::write_down(&self.state.log, &lookup);
        Some(answer)
    }

    /// Everything is there: passes bytes on from now on.
    pub(super) fn begin_relay(&mut self, token: Token, mut connection: Box<Connection>) {
        if let Some(pass) = &connection.pass {
            let first = connection.first.len();
            let quota = pass.quota();
            let got = quota.reserve(Way::Up, first);
            if got < first {
                quota.give_back(Way::Up, got);
                return self.close(token, connection, "quota");
            }
        }
        connection.up.begin(std::mem::take(&mut connection.first));
        connection.phase = Phase::Relaying;
        connection.deadline = None;
        // It can be written to: nothing was sent yet.
        connection.down.writable = true;
        if !connection.watched {
            // Most programs have sent something by now. Read before it is watched, it is not told of again.
            connection.up.readable = true;
        }
        self.relay(token, connection);
    }

    pub(super) fn relay(&mut self, token: Token, mut connection: Box<Connection>) {
        let it = &mut *connection;
        let Some((server, _)) = &it.server else { return self.close(token, connection, "bug") };
        let quota = it.pass.as_ref().map(Pass::quota).filter(|quota| quota.is_limited());
        let (client, server) = (it.client.as_fd(), server.as_fd());
        let was_done = it.up.is_done() || it.down.is_done();
        let share = self.share();
        let buffer = &mut self.buffer[..share];
        let turns = [it.up.turn(client, server, quota, buffer), it.down.turn(server, client, quota, buffer)];
        if !(it.up.is_done() && it.down.is_done()) {
            for (turn, to) in turns.into_iter().zip([server, client]) {
                if turn == Turn::Ended {
                    end(to);
                }
            }
        }
        let (up, down) = (it.up.is_done(), it.down.is_done());
        if self.watch_client(token, &mut connection).is_err() {
            return self.close(token, connection, "no-memory");
        }
        if turns.contains(&Turn::Broken) {
            return self.close(token, connection, "reset");
        }
        if turns.contains(&Turn::NoQuota) {
            let until = Instant::now() + DRAIN_MAX;
            connection.phase = Phase::Draining(until);
            return self.drain(token, connection, until);
        }
        if up && down {
            return self.close(token, connection, "closed");
        }
        if up || down {
            let deadline = Instant::now() + HALF_CLOSED_IDLE;
            connection.deadline = Some(deadline);
            if !was_done {
                self.remind(token, deadline);
            }
        }
        if turns.contains(&Turn::More) {
            self.more.push(token.with_side(u8::MAX));
        }
        self.put(token, Kind::Stream(connection));
    }

    /// Has the client watched: for what it sends, and once it did not take something, for room too.
    fn watch_client(&self, token: Token, connection: &mut Connection) -> Result<(), Errno> {
        let token = token.with_side(CLIENT);
        if !connection.watched {
            self.watch(&connection.client, token)?;
            connection.watched = true;
        }
        if !connection.down.writable && !connection.watched_for_room {
            socket::watch_all(&self.epoll, &connection.client, token.0)?;
            connection.watched_for_room = true;
        }
        Ok(())
    }

    fn flush(&mut self, connection: &mut Connection) {
        if let Some((server, _)) = &connection.server {
            connection.up.flush(server.as_fd());
            connection.down.flush(connection.client.as_fd());
        }
    }

    /// The quota is used up: the last bytes of it still arrive, and then a reset says that it is over.
    fn drain(&mut self, token: Token, mut connection: Box<Connection>, until: Instant) {
        self.flush(&mut connection);
        if self.watch_client(token, &mut connection).is_err() {
            return self.close(token, connection, "no-memory");
        }
        let unsent = unsent_bytes(&connection.client)
            + connection.server.as_ref().map_or(0, |(server, _)| unsent_bytes(server));
        let waits = unsent > 0 || connection.up.is_blocked() || connection.down.is_blocked();
        let now = Instant::now();
        if !waits || now >= until {
            return self.close(token, connection, "quota");
        }
        connection.deadline = Some(now + DRAIN_STEP);
        self.remind(token, now + DRAIN_STEP);
        self.put(token, Kind::Stream(connection));
    }

    /// Ends a connection that was let through, or that went away by itself.
    pub(super) fn close(&mut self, token: Token, connection: Box<Connection>, reason: &'static str) {
        let origin = connection.published.or_else(|| self.state.origin(connection.rule?));
        if connection.rule.is_some() || connection.published.is_some() {
            let mut more = connection.about();
            set(&mut more, "reason", reason);
            if let Some(error) = connection.error.clone() {
                set(&mut more, "error", error);
            }
            let milliseconds = u64::try_from(connection.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            set(&mut more, "duration_ms", milliseconds);
            // `up` is what the client sends, which is into the sandbox where it is outside.
            let (sent, taken) = (connection.up.passed_bytes, connection.down.passed_bytes);
            let (up, down) = if connection.published.is_some() { (taken, sent) } else { (sent, taken) };
            self.state.log.ended(origin, up, down, more);
        }
        self.release(token);
        let connection = *connection;
        if reason == "closed" {
            return;
        }
        if let Some((server, _)) = connection.server {
            socket::reset(server);
        }
        socket::reset(connection.client);
    }

    /// Ends a connection that is refused; where TLS is spoken, in its own words.
    pub(super) fn refuse(&mut self, token: Token, connection: Box<Connection>, alert: u8) {
        self.release(token);
        let connection = *connection;
        let is_tls = connection.first.first() == Some(&22);
        if is_tls && alert != 0 {
            // The client may be gone, and is refused all the same.
            let _ = send(&connection.client, &hello::alert(alert), SendFlags::NOSIGNAL);
            return;
        }
        socket::reset(connection.client);
    }
}

/// The address of a connection's target, where it is one.
pub(super) fn address_of(target: &Target) -> Option<IpAddr> {
    match target {
        Target::Address(address) => Some(*address),
        Target::Name(_) | Target::Loopback => None,
    }
}
