//! Datagrams: a flow for each pair of a program's socket and whom it sends to.
//!
//! Each flow has a connected socket outside, so that only whom it dialled can answer. What is refused is answered
//! with ICMP, so that a program that tries QUIC goes on with TCP at once.

use super::dial::{LOOPBACK, order};
use super::{CLIENT, Engine, Kind, SERVER, Token};
use crate::audit::{Decision, Subject};
use crate::limits::{Counted, Pass, Way};
use crate::packet;
use crate::resolve::Addresses;
use crate::rules::{Protocol, RuleId, Target};
use crate::socket;
use crate::state::{Held, about, set};
use msb_plan::network::{DNS_PORT, GATEWAY_V4};
use nix::cmsg_space;
use nix::libc::sockaddr_in6;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg};
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::net::{RecvFlags, SendFlags, SocketType, recv, send, sendto};
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::{Duration, Instant};

/// How long a flow may be idle; RFC 4787, 4.3 asks for two minutes at least.
const IDLE: Duration = Duration::from_secs(120);
/// How long a refusal holds before it is decided, and written down, again.
const REFUSED: Duration = Duration::from_secs(2);
/// Flows at once.
const FLOWS_MAX: usize = 4096;
/// Datagrams of one socket before others have their turn.
const TURNS_MAX: usize = 64;
/// Bytes of datagrams of one flow that wait while a name is resolved or a socket made: the first flight of QUIC, and little
/// enough for all flows at once. What does not fit is lost, as datagrams are.
pub(super) const QUEUE_BYTES_MAX: usize = 16 * 1024;
/// What a datagram counts as at least: an empty one is kept by somebody, too.
const DATAGRAM_BYTES_MIN: usize = 64;
/// The port of QUIC, as browsers try it first (RFC 9114, 3.1).
const QUIC_PORT: u16 = 443;

/// Who sends to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FlowKey {
    program: SocketAddr,
    dialled: SocketAddr,
}

/// Datagrams between a program and whom it dialled.
#[derive(Debug)]
pub(super) struct Flow {
    key: FlowKey,
    target: Target,
    /// Connected, outside; none while the name is resolved, or if it is refused.
    socket: Option<OwnedFd>,
    refused: bool,
    rule: Option<RuleId>,
    pass: Option<Pass>,
    /// Kept for as long as the flow is.
    _held: Option<Held>,
    queue: Vec<Vec<u8>>,
    used: Instant,
    up_bytes: u64,
    down_bytes: u64,
}

impl Engine {
    /// Programs sent datagrams.
    pub(super) fn datagrams(&mut self, index: usize) {
        for _ in 0..TURNS_MAX {
            let Some(socket) = self.sockets.udp.get(index) else { return };
            let Some((length, key)) = receive(socket, &mut self.buffer) else { return };
            let Some(key) = key else { continue };
            let payload: Vec<u8> = self.buffer.get(..length).unwrap_or_default().to_vec();
            if key.dialled == SocketAddr::from((GATEWAY_V4, DNS_PORT)) {
                if let Some(answer) = self.look_up(&payload) {
                    self.answer(key, &answer);
                }
                continue;
            }
            self.datagram(key, payload);
        }
    }

    fn datagram(&mut self, key: FlowKey, payload: Vec<u8>) {
        let token = match self.flows.get(&key) {
            Some(token) => *token,
            None => match self.begin_flow(key) {
                Some(token) => token,
                None => return,
            },
        };
        let Kind::Flow(mut flow) = self.take(token) else { return };
        if flow.refused {
            self.prohibit(key);
            return self.put(token, Kind::Flow(flow));
        }
        if flow.socket.is_some() {
            pass_up(&mut flow, &payload);
        } else {
            enqueue(&mut flow.queue, payload);
        }
        self.put(token, Kind::Flow(flow));
    }

    /// Decides a new flow. One that is refused is remembered for a moment too.
    fn begin_flow(&mut self, key: FlowKey) -> Option<Token> {
        if self.flows.len() >= FLOWS_MAX {
            self.prohibit(key);
            return None;
        }
        let token = self.allocate()?;
        let now = Instant::now();
        let port = key.dialled.port();
        let mut flow = Box::new(Flow {
            key,
            target: Target::Address(key.dialled.ip()),
            socket: None,
            refused: true,
            rule: None,
            pass: None,
            _held: None,
            queue: Vec::new(),
            used: now,
            up_bytes: 0,
            down_bytes: 0,
        });
        self.flows.insert(key, token);
        self.remind(token, now + REFUSED);
        let target = match self.state.target(key.dialled.ip()) {
            Ok(target) => target,
            Err(reason) => {
                let mut more = about(Protocol::Udp, &flow.target, port);
                set(&mut more, "reason", reason);
                self.state.log.decided(Subject::Connection, Decision::Deny, None, more);
                self.put(token, Kind::Flow(flow));
                return Some(token);
            }
        };
        let mut more = about(Protocol::Udp, &target, port);
        flow.target = target;
        match self.state.rules.decide(Protocol::Udp, &flow.target, port) {
            Err(refusal) => {
                if port == QUIC_PORT {
                    set(&mut more, "hint", "HTTP/3 needs a rule for udp; clients go on with TCP");
                }
                self.state.refused(refusal, (Protocol::Udp, &flow.target, port), more);
            }
            Ok(rules) => match self.state.meters.admit(&rules, Counted::Connection, now) {
                Err(limit) => self.state.limited(Subject::Connection, limit, more),
                Ok((rule, pass)) => {
                    flow.refused = false;
                    flow.rule = Some(rule);
                    flow.pass = Some(pass);
                    flow._held = Held::new(&self.state, key.dialled.ip());
                    self.dial_flow(token, flow);
                    return Some(token);
                }
            },
        }
        self.put(token, Kind::Flow(flow));
        Some(token)
    }

    fn dial_flow(&mut self, token: Token, mut flow: Box<Flow>) {
        let found: Vec<IpAddr> = match &flow.target {
            Target::Address(address) => vec![*address],
            Target::Loopback => LOOPBACK.to_vec(),
            Target::Name(name) => match self.resolver.ask(name, Instant::now()) {
                Some(answer) => return self.flow_answer(token, flow, &answer),
                None => {
                    self.waiting.entry(name.clone()).or_default().push(token);
                    return self.put(token, Kind::Flow(flow));
                }
            },
        };
        self.connect_flow(token, &mut flow, &found);
        self.put(token, Kind::Flow(flow));
    }

    /// The name of a flow was resolved.
    pub(super) fn flow_answer(&mut self, token: Token, mut flow: Box<Flow>, answer: &Addresses) {
        let found = answer.clone().unwrap_or_else(|_| [].into());
        let may = order(&self.state.rules, Protocol::Udp, flow.key.dialled.port(), &found);
        if may.is_empty() {
            let mut more = about(Protocol::Udp, &flow.target, flow.key.dialled.port());
            set(&mut more, "reason", if found.is_empty() { "unresolved" } else { "address-not-named" });
            let origin = flow.rule.and_then(|rule| self.state.origin(rule));
            self.state.log.decided(Subject::Connection, Decision::Deny, origin, more);
            flow.refused = true;
            flow.rule = None;
            flow.pass = None;
            self.prohibit(flow.key);
        } else {
            self.connect_flow(token, &mut flow, &may);
        }
        self.put(token, Kind::Flow(flow));
    }

    /// Datagrams have no handshake that could tell a good address: the first that has a route is used.
    fn connect_flow(&mut self, token: Token, flow: &mut Flow, addresses: &[IpAddr]) {
        let port = flow.key.dialled.port();
        let dialled = addresses
            .iter()
            .find_map(|address| socket::dial(SocketAddr::new(*address, port), SocketType::DGRAM).ok());
        let Some(outside) = dialled else {
            flow.refused = true;
            return self.prohibit(flow.key);
        };
        // Level-triggered: a datagram is read whole, so the loop may stop in between.
        let watched =
            socket::watch(&self.epoll, &outside, token.with_side(SERVER).0, EventFlags::IN | EventFlags::ERR);
        if watched.is_err() {
            flow.refused = true;
            return;
        }
        let origin = flow.rule.and_then(|rule| self.state.origin(rule));
        let more = about(Protocol::Udp, &flow.target, port);
        self.state.log.decided(Subject::Connection, Decision::Allow, origin, more);
        flow.socket = Some(outside);
        for payload in std::mem::take(&mut flow.queue) {
            pass_up(flow, &payload);
        }
    }

    /// Answers came.
    pub(super) fn flow_event(&mut self, token: Token, mut flow: Box<Flow>) {
        for _ in 0..TURNS_MAX {
            let Some(outside) = &flow.socket else { break };
            let Ok((length, _)) = recv(outside, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT) else {
                break;
            };
            flow.used = Instant::now();
            if let Some(pass) = &flow.pass {
                let got = pass.quota().reserve(Way::Down, length);
                if got < length {
                    // Half a datagram is none.
                    pass.quota().give_back(Way::Down, got);
                    continue;
                }
            }
            flow.down_bytes += length as u64;
            let payload = self.buffer.get(..length).unwrap_or_default().to_vec();
            self.answer(flow.key, &payload);
        }
        self.put(token, Kind::Flow(flow));
    }

    /// A flow that was idle for long enough ends.
    pub(super) fn flow_deadline(&mut self, token: Token, flow: Box<Flow>, now: Instant) {
        let until = flow.used + if flow.refused { REFUSED } else { IDLE };
        if now < until {
            self.remind(token, until);
            return self.put(token, Kind::Flow(flow));
        }
        self.flows.remove(&flow.key);
        if let Some(rule) = flow.rule {
            let mut more = about(Protocol::Udp, &flow.target, flow.key.dialled.port());
            set(&mut more, "reason", "idle");
            self.state.log.ended(self.state.origin(rule), flow.up_bytes, flow.down_bytes, more);
        }
        self.release(token.with_side(CLIENT));
    }

    /// Flows that last end with the run.
    pub(super) fn end_flows(&mut self) {
        let tokens: Vec<Token> = self.flows.values().copied().collect();
        for token in tokens {
            if let Kind::Flow(flow) = self.take(token) {
                let end = flow.used + IDLE;
                self.flow_deadline(token, flow, end);
            }
        }
    }

    fn answer(&self, key: FlowKey, payload: &[u8]) {
        self.send_raw(key, packet::datagram(key.dialled, key.program, payload));
    }

    fn prohibit(&self, key: FlowKey) {
        self.send_raw(key, packet::prohibited(key.dialled, key.program));
    }

    /// To the program's address; the port of a raw socket's address means nothing (raw(7)).
    fn send_raw(&self, key: FlowKey, packet: Option<Vec<u8>>) {
        let raw = if key.program.is_ipv4() { &self.sockets.raw4 } else { &self.sockets.raw6 };
        if let (Some(raw), Some(packet)) = (raw, packet) {
            let to = SocketAddr::new(key.program.ip(), 0);
            // Datagrams get lost; that is what they are.
            let _ = sendto(raw, &packet, SendFlags::DONTWAIT, &to);
        }
    }
}

/// Keeps a datagram for later, if there is room.
pub(super) fn enqueue(queue: &mut Vec<Vec<u8>>, payload: Vec<u8>) {
    let queued: usize = queue.iter().map(|it| it.len().max(DATAGRAM_BYTES_MIN)).sum();
    if queued + payload.len().max(DATAGRAM_BYTES_MIN) <= QUEUE_BYTES_MAX {
        queue.push(payload);
    }
}

/// Passes a datagram of the program on, if the quota has room for all of it.
fn pass_up(flow: &mut Flow, payload: &[u8]) {
    flow.used = Instant::now();
    let Some(outside) = &flow.socket else { return };
    if let Some(pass) = &flow.pass {
        let got = pass.quota().reserve(Way::Up, payload.len());
        if got < payload.len() {
            return pass.quota().give_back(Way::Up, got);
        }
    }
    match send(outside, payload, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
        Ok(sent) => flow.up_bytes += sent as u64,
        Err(_) => {
            if let Some(pass) = &flow.pass {
                pass.quota().give_back(Way::Up, payload.len());
            }
        }
    }
}

/// The next datagram: its length, and who sent it to whom if both can be told. `None` when there is none.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<(usize, Option<FlowKey>)> {
    let mut control = cmsg_space!(sockaddr_in6);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )
    .ok()?;
    let program = message.address.and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|it| SocketAddr::V4(SocketAddrV4::from(*it)));
        v4.or_else(|| address.as_sockaddr_in6().map(|it| SocketAddr::V6(SocketAddrV6::from(*it))))
    });
    let truncated = message.flags.contains(MsgFlags::MSG_TRUNC);
    let dialled = message.cmsgs().ok()?.find_map(|it| match it {
        ControlMessageOwned::Ipv4OrigDstAddr(it) => Some(SocketAddr::V4(SockaddrIn::from(it).into())),
        ControlMessageOwned::Ipv6OrigDstAddr(it) => Some(SocketAddr::V6(SockaddrIn6::from(it).into())),
        _ => None,
    });
    let key = match (program, dialled) {
        (Some(program), Some(dialled)) if !truncated => Some(FlowKey { program, dialled }),
        _ => None,
    };
    Some((message.bytes, key))
}
