//! The event loop: accepts what nf_tables steers here, decides, dials, and passes bytes on.
//!
//! One thread and one epoll instance. Sockets are watched edge-triggered for everything, once, so that a connection
//! costs no further system calls than its bytes do. A connection goes through phases: its first bytes are read where
//! rules ask what is spoken, its name is resolved, addresses are dialled, bytes are relayed. Where requests are to be
//! read it leaves this loop for [`crate::reader`].

mod connection;
pub(crate) mod dial;
mod guest;
mod publish;
mod refusals;
mod udp;

use crate::reader::Reader;
use crate::relay::BUFFER_BYTES;
use crate::resolve::Resolver;
use crate::socket::{self, READ_EVENTS, STREAM_EVENTS};
use crate::state::State;
use connection::Connection;
use guest::{Guest, GuestKey};
use msb_plan::handover::{MADE, MESSAGE_BYTES_MAX};
pub use publish::Published;
use refusals::Refusals;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use udp::{Flow, FlowKey};

/// Events that one epoll_wait(2) takes.
const EVENTS_MAX: usize = 256;
/// Descriptors that are no connection: files of the resolver, sockets, epoll.
const DESCRIPTORS_KEPT: u64 = 128;
/// What is read of a connection and not yet taken by its receiver is about this much at most, of all together: each
/// direction of each reads its share of it at once, and no more before that was taken.
const UNTAKEN_BYTES_MAX: usize = 64 << 20;
/// The least share.
const SHARE_BYTES_MIN: usize = 1024;
/// Connections and flows, whatever the limit of descriptors.
const ENTRIES_MAX: usize = 1 << 20;

/// The sockets of the sandbox's network namespace; those of IPv6 only where the kernel has it.
#[derive(Debug)]
pub struct Sockets {
    /// Listening; what programs dial.
    pub tcp: Vec<OwnedFd>,
    /// Datagrams that programs send.
    pub udp: Vec<OwnedFd>,
    /// Answers to them, IPv4.
    pub raw4: Option<OwnedFd>,
    /// Answers to them, IPv6.
    pub raw6: Option<OwnedFd>,
    /// What the kernel refuses, where it says so.
    pub refusals: Option<OwnedFd>,
}

/// Why the loop ended.
#[derive(Debug)]
pub enum End {
    /// Everything inside has ended.
    Sandbox,
    /// The log can't be written.
    Log(io::Error),
    /// The kernel refuses to wait.
    Kernel(Errno),
}

/// The event loop.
#[derive(Debug)]
pub struct Engine {
    state: Arc<State>,
    epoll: OwnedFd,
    sockets: Sockets,
    /// To the launcher's side; its end is the sandbox's.
    control: OwnedFd,
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Entries that there may be with this process's limit of descriptors.
    entries_max: usize,
    buffer: Vec<u8>,
    resolver: Resolver,
    /// Who waits for which name.
    waiting: HashMap<String, Vec<Token>>,
    deadlines: BinaryHeap<Reverse<(Instant, Token)>>,
    /// Who has more to do without any event.
    more: Vec<Token>,
    flows: HashMap<FlowKey, Token>,
    guests: HashMap<GuestKey, Token>,
    /// Who reads what the kernel refuses.
    refusals: Option<Token>,
    reader: Reader,
    published: Vec<Published>,
    /// Who waits for a socket of the sandbox, in order.
    wanted: VecDeque<Token>,
    /// Given up to accept and refuse a connection when descriptors are used up.
    spare: Option<OwnedFd>,
}

/// What is behind a number.
#[derive(Debug)]
struct Entry {
    generation: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Free,
    Stream(Box<Connection>),
    Flow(Box<Flow>),
    Guest(Box<Guest>),
    Refusals(Box<Refusals>),
}

/// Names an entry and one of its sockets: what epoll gives back. An entry that was freed and used again has another
/// generation, so that late events find nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Token(u64);

/// Sides of an entry.
const CLIENT: u8 = 0;
/// The first address that is dialled; each next one has the next number.
const SERVER: u8 = 1;
/// The entry that stands for the loop's own sockets.
const OWN: u32 = u32::MAX;
const OWN_CONTROL: u8 = 0;
const OWN_RESOLVER: u8 = 1;
const OWN_TCP: u8 = 2;
const OWN_UDP: u8 = 4;
const OWN_PUBLISHED: u8 = 8;

impl Token {
    fn new(entry: u32, generation: u32, side: u8) -> Token {
        Token(u64::from(entry) << 32 | u64::from(generation & 0xff_ffff) << 8 | u64::from(side))
    }

    fn own(side: u8) -> u64 {
        Token::new(OWN, 0, side).0
    }

    fn entry(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(OWN)
    }

    fn side(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    fn with_side(self, side: u8) -> Token {
        Token(self.0 & !0xff | u64::from(side))
    }
}

impl Engine {
    /// A loop over `sockets`, which ends when `control` does. `listens` are ports of the host's loopback, bound.
    ///
    /// # Errors
    /// When the kernel refuses what an event loop needs.
    pub fn new(
        state: Arc<State>,
        mut sockets: Sockets,
        control: OwnedFd,
        listens: Vec<Published>,
        reader: Reader,
    ) -> io::Result<Engine> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let resolver = Resolver::new()?;
        socket::watch(&epoll, &control, Token::own(OWN_CONTROL), EventFlags::IN)?;
        socket::watch(&epoll, resolver.event(), Token::own(OWN_RESOLVER), EventFlags::IN)?;
        for (first, sockets) in [(OWN_TCP, &sockets.tcp), (OWN_UDP, &sockets.udp)] {
            for (side, socket) in (first..).zip(sockets) {
                if first == OWN_TCP {
                    // Accepted connections inherit it.
                    socket::tune(socket)?;
                }
                socket::watch(&epoll, socket, Token::own(side), EventFlags::IN)?;
            }
        }
        for (side, published) in (OWN_PUBLISHED..).zip(&listens) {
            published.write_down(&state.log);
            socket::watch(&epoll, &published.socket, Token::own(side), EventFlags::IN)?;
        }
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let entries_max = descriptors.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_KEPT) / 2;
        let refusals = sockets.refusals.take();
        let mut engine = Engine {
            state,
            epoll,
            sockets,
            control,
            entries: Vec::new(),
            free: Vec::new(),
            entries_max: usize::try_from(entries_max).unwrap_or(ENTRIES_MAX).clamp(1, ENTRIES_MAX),
            buffer: vec![0; BUFFER_BYTES],
            resolver,
            waiting: HashMap::new(),
            deadlines: BinaryHeap::new(),
            more: Vec::new(),
            flows: HashMap::new(),
            guests: HashMap::new(),
            refusals: None,
            reader,
            published: listens,
            wanted: VecDeque::new(),
            spare: spare(),
        };
        if let Some(socket) = refusals {
            engine.watch_refusals(socket)?;
        }
        Ok(engine)
    }

    /// Runs until everything inside has ended.
    pub fn run(&mut self) -> End {
        let none = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut events = vec![none; EVENTS_MAX];
        loop {
            if let Err(error) = self.state.log.flush() {
                return End::Log(error);
            }
            let timeout = self.timeout();
            let count = match epoll::wait(&self.epoll, events.as_mut_slice(), timeout.as_ref()) {
                Ok(count) => count,
                Err(Errno::INTR) => continue,
                Err(errno) => return End::Kernel(errno),
            };
            for event in events.iter().take(count) {
                // Copied first: the struct is packed.
                let (flags, data) = (event.flags, event.data);
                let token = Token(data.u64());
                if token.entry() != OWN {
                    self.event(token, flags);
                } else if token.side() == OWN_CONTROL {
                    if !self.control_message() {
                        return End::Sandbox;
                    }
                } else {
                    self.own_event(token.side());
                }
            }
            for token in std::mem::take(&mut self.more) {
                self.event(token, EventFlags::empty());
            }
            if !self.deadlines.is_empty() {
                self.expire(Instant::now());
            }
        }
    }

    /// Writes down what was still open.
    pub fn end(&mut self) {
        self.end_refusals();
        self.end_flows();
        self.reader.end();
        for index in 0..self.entries.len() {
            let Some(entry) = self.entries.get_mut(index) else { break };
            let generation = entry.generation;
            let kind = std::mem::replace(&mut entry.kind, Kind::Free);
            let Ok(index) = u32::try_from(index) else { break };
            let token = Token::new(index, generation, CLIENT);
            match kind {
                Kind::Stream(connection) => self.close(token, connection, "end-of-run"),
                Kind::Guest(guest) => self.end_guest(token, guest, "end-of-run"),
                Kind::Flow(_) | Kind::Refusals(_) | Kind::Free => {}
            }
        }
    }

    /// How long to wait: not at all if somebody has more to do.
    fn timeout(&mut self) -> Option<Timespec> {
        let wait = if self.more.is_empty() {
            let deadline = self.next_deadline()?;
            // Never earlier than the deadline: the kernel's clock and ours differ by less than this.
            deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(100)
        } else {
            Duration::ZERO
        };
        wait.try_into().ok()
    }

    /// The next deadline that somebody still has. A timer that nobody waits for costs every wait a little.
    fn next_deadline(&mut self) -> Option<Instant> {
        while let Some(Reverse((deadline, token))) = self.deadlines.peek().copied() {
            let entry = self.entries.get(token.entry() as usize);
            let is_awaited = entry.is_some_and(|entry| match &entry.kind {
                Kind::Stream(connection) => connection.deadline.is_some(),
                Kind::Flow(_) | Kind::Guest(_) | Kind::Refusals(_) => true,
                Kind::Free => false,
            });
            let is_same = entry.is_some_and(|it| Token::new(token.entry(), it.generation, CLIENT) == token);
            if is_awaited && is_same {
                return Some(deadline);
            }
            self.deadlines.pop();
        }
        None
    }

    fn own_event(&mut self, side: u8) {
        match side {
            OWN_RESOLVER => self.resolved(),
            OWN_TCP..OWN_UDP => self.accept(usize::from(side - OWN_TCP)),
            OWN_UDP..OWN_PUBLISHED => self.datagrams(usize::from(side - OWN_UDP)),
            _ => self.publish(usize::from(side - OWN_PUBLISHED)),
        }
    }

    /// Something happened to a socket of an entry, or its turn came.
    fn event(&mut self, token: Token, flags: EventFlags) {
        // Taken out, so that the entry and the rest of the loop can be used side by side.
        match self.take(token) {
            Kind::Stream(connection) => self.stream_event(token, connection, flags),
            Kind::Flow(flow) => self.flow_event(token, flow),
            Kind::Guest(guest) => self.guest_event(token, guest),
            Kind::Refusals(refusals) => self.refusals_event(token, refusals),
            Kind::Free => {}
        }
    }

    /// Whose time is up.
    fn expire(&mut self, now: Instant) {
        while let Some(Reverse((deadline, token))) = self.deadlines.peek().copied() {
            if deadline > now {
                return;
            }
            self.deadlines.pop();
            match self.take(token) {
                Kind::Stream(connection) => self.stream_deadline(token, connection, now),
                Kind::Flow(flow) => self.flow_deadline(token, flow, now),
                Kind::Guest(guest) => self.guest_deadline(token, guest, now),
                Kind::Refusals(refusals) => self.refusals_deadline(token, refusals),
                Kind::Free => {}
            }
        }
    }

    /// One connection: the listener is told again while there are others, which saves asking for one that is not there.
    fn accept(&mut self, index: usize) {
        let Some(listener) = self.sockets.tcp.get(index) else { return };
        match rustix::net::accept_with(listener, socket::FLAGS) {
            Ok(client) => {
                let dialled = rustix::net::getsockname(&client).ok().and_then(socket::plain);
                match dialled {
                    Some(dialled) => self.opened(client, canonical(dialled)),
                    None => socket::reset(client),
                }
            }
            Err(Errno::MFILE | Errno::NFILE) => self.refuse_one(index),
            // What accept(2) says of the network is of this one connection, and the others are told again.
            Err(_) => {}
        }
    }

    /// Without descriptors a connection would wait for ever, and the listener wake us for ever.
    fn refuse_one(&mut self, index: usize) {
        self.spare = None;
        if let Some(listener) = self.sockets.tcp.get(index)
            && let Ok(client) = rustix::net::accept_with(listener, socket::FLAGS)
        {
            socket::reset(client);
        }
        self.spare = spare();
    }

    /// Reads one message of the launcher's side; `false` at its end.
    fn control_message(&mut self) -> bool {
        let mut bytes = [0_u8; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let read = match recvmsg(&self.control, &mut parts, &mut ancillary, flags) {
            Ok(message) => message.bytes,
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Err(_) => return false,
        };
        if read == 0 {
            return false;
        }
        let made = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        if bytes[0] == MADE {
            self.made(made);
        }
        true
    }

    /// Takes an entry out; [`Kind::Free`] if it is not there any more.
    fn take(&mut self, token: Token) -> Kind {
        let Some(entry) = self.entries.get_mut(token.entry() as usize) else { return Kind::Free };
        if Token::new(token.entry(), entry.generation, token.side()) != token {
            return Kind::Free;
        }
        std::mem::replace(&mut entry.kind, Kind::Free)
    }

    /// Puts an entry back.
    fn put(&mut self, token: Token, kind: Kind) {
        if let Some(entry) = self.entries.get_mut(token.entry() as usize) {
            entry.kind = kind;
        }
    }

    /// The number of a new entry, which is empty; `None` when there are too many.
    fn allocate(&mut self) -> Option<Token> {
        if let Some(index) = self.free.pop() {
            let generation = self.entries.get(index as usize)?.generation;
            return Some(Token::new(index, generation, CLIENT));
        }
        let index = u32::try_from(self.entries.len()).ok()?;
        if self.entries.len() >= self.entries_max {
            return None;
        }
        self.entries.push(Entry { generation: 0, kind: Kind::Free });
        Some(Token::new(index, 0, CLIENT))
    }

    /// Makes the number of an entry, which was taken out, free for another.
    fn release(&mut self, token: Token) {
        if let Some(entry) = self.entries.get_mut(token.entry() as usize) {
            entry.generation = entry.generation.wrapping_add(1) & 0xff_ffff;
            self.free.push(token.entry());
        }
    }

    /// Bytes that one direction of a connection reads at once.
    fn share(&self) -> usize {
        let open = self.entries.len().saturating_sub(self.free.len()).max(1);
        (UNTAKEN_BYTES_MAX / 2 / open).clamp(SHARE_BYTES_MIN, BUFFER_BYTES)
    }

    fn remind(&mut self, token: Token, at: Instant) {
        self.deadlines.push(Reverse((at, token.with_side(CLIENT))));
    }

    /// Watches a socket for what it sends; one that connects for that it did, too.
    fn watch(&self, socket: &OwnedFd, token: Token) -> Result<(), Errno> {
        let events = if token.side() == CLIENT { READ_EVENTS } else { STREAM_EVENTS };
        socket::watch(&self.epoll, socket.as_fd(), token.0, events)
    }
}

/// IPv4 as IPv4, whichever socket it came by.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn spare() -> Option<OwnedFd> {
    rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).ok()
}
