//! The network: rules for connections, and what they say of one.
//!
//! A rule matches a connection by who is dialled, on which port, and what is spoken. `tcp` is any byte stream, so a
//! rule for it covers TLS and HTTP as well; what a byte stream carries is not known beforehand, so a deny of TLS
//! covers it.

mod borders;
mod peers;

pub use borders::{Borders, Which};
pub use peers::{ByPeer, Connections};

use crate::{Decision, OriginId, Policy, Publish, SyscallAction};
use msb_host::{Host, Kind, METADATA_NAMES, kind};

/// ECONNREFUSED: what connect gives where no rule allows it.
const ECONNREFUSED: u16 = 111;
/// ENETUNREACH: what connect gives where there is no network.
const ENETUNREACH: u16 = 101;

/// The network of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// No network; `origin` is the `net none` line, or the policy's where it says nothing.
    None {
        /// The line that decides.
        origin: OriginId,
    },
    /// What these rules allow.
    Rules {
        /// The rules.
        rules: Vec<NetRule>,
        /// The line that begins them.
        origin: OriginId,
    },
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetRule {
    /// What it does.
    pub kind: NetKind,
    /// The line.
    pub origin: OriginId,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NetKind {
    /// Connections to it are made.
    Allow {
        /// To whom.
        endpoint: Endpoint,
        /// On these terms.
        terms: Terms,
    },
    /// Connections to it are refused.
    Deny(Endpoint),
    /// Ports of the sandbox are published on the host's loopback.
    Listen(Publish),
    /// For all connections together.
    Total(NetLimits),
}

/// Who is dialled, and what is spoken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// What is spoken.
    pub protocol: Protocol,
    /// Who.
    pub peer: Peer,
    /// First and last of each range of ports, at least one.
    pub ports: Vec<(u16, u16)>,
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// A byte stream.
    Tcp,
    /// Datagrams.
    Udp,
    /// TLS whose server name is the rule's.
    Tls,
    /// HTTP in TLS.
    Https,
    /// HTTP in the clear.
    Http,
}

/// Who is dialled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Every name, and every address of the public internet; of a deny, everything.
    Any,
    /// Networks of one's own.
    Private,
    /// Where clouds give out credentials.
    Metadata,
    /// The host's own loopback.
    Loopback,
    /// A name, the names below one, or addresses.
    Host(Host),
    /// The host that a parameter names, by index.
    Param(usize),
}

/// On which terms connections are made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Terms {
    /// The requests that may be made.
    pub only: Option<Only>,
    /// The parameter whose value is put into each request, by index.
    pub inject: Option<usize>,
    /// Whether the gateway reads the requests.
    pub inspect: bool,
    /// Whether a launch goes on where the host is not known.
    pub optional: bool,
    /// For the connections of this rule together.
    pub limits: NetLimits,
}

/// HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Only {
    /// Their methods, at least one.
    pub methods: Vec<Method>,
    /// Patterns of their paths; empty is all.
    pub paths: Vec<String>,
}

/// Methods of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the word of HTTP")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// Every method and its word.
    pub const ALL: [(&'static str, Method); 7] = [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("PATCH", Method::Patch),
        ("DELETE", Method::Delete),
        ("OPTIONS", Method::Options),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, method)| *method == self).map_or("", |(word, _)| word)
    }
}

impl Protocol {
    /// Every protocol and its word.
    pub const ALL: [(&'static str, Protocol); 5] = [
        ("tcp", Protocol::Tcp),
        ("udp", Protocol::Udp),
        ("tls", Protocol::Tls),
        ("https", Protocol::Https),
        ("http", Protocol::Http),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, protocol)| *protocol == self).map_or("", |(word, _)| word)
    }
}

/// How often, how much, how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct NetLimits {
    /// Connections, or requests where the gateway reads them.
    pub rate: Option<Rate>,
    /// Bytes that leave.
    pub up_bytes: Option<u64>,
    /// Bytes that arrive.
    pub down_bytes: Option<u64>,
    /// Bytes both ways.
    pub both_bytes: Option<u64>,
    /// Connections at once.
    pub connections: Option<u32>,
}

/// So many in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In how long.
    pub period_us: u64,
    /// How many at once.
    pub burst: u64,
}

/// A connection that a program asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// What it speaks.
    pub protocol: Protocol,
    /// Whom it dials: one host, the host's loopback, or what a parameter names.
    pub peer: Peer,
    /// Its port.
    pub port: u16,
    /// The request that is made on it, where that is asked about.
    pub method: Option<Method>,
}

impl Policy {
    /// Decides a connection.
    #[must_use]
    pub fn connect(&self, connection: &Connection) -> Decision {
        self.net.decide(connection, |rules| rules.iter())
    }
}

impl Net {
    /// Its rules; none where there is no network.
    #[must_use]
    pub fn rules(&self) -> &[NetRule] {
        match self {
            Net::None { .. } => &[],
            Net::Rules { rules, .. } => rules,
        }
    }

    /// Decides a connection by those of the rules that `about` says may be about it.
    fn decide<'n, Rules: Iterator<Item = &'n NetRule> + Clone>(
        &'n self,
        connection: &Connection,
        about: impl FnOnce(&'n [NetRule]) -> Rules,
    ) -> Decision {
        let errno = |errno, origin| Decision { action: SyscallAction::Errno(errno), origin };
        let (rules, origin) = match self {
            Net::None { origin } => return errno(ENETUNREACH, Some(*origin)),
            Net::Rules { rules, origin } => (rules, *origin),
        };
        // The sandbox's own loopback is no network.
        if is_own_loopback(&connection.peer) {
            return Decision { action: SyscallAction::Allow, origin: Some(origin) };
        }
        let rules = about(rules);
        let denied = rules.clone().filter(|rule| match &rule.kind {
            NetKind::Deny(endpoint) => endpoint.refuses(connection),
            _ => false,
        });
        if let Some(origin) = denied.map(|rule| rule.origin).min() {
            return errno(ECONNREFUSED, Some(origin));
        }
        let allowed = rules.filter(|rule| match &rule.kind {
            NetKind::Allow { endpoint, terms } => endpoint.accepts(connection) && terms.accept(connection),
            _ => false,
        });
        match allowed.map(|rule| rule.origin).min() {
            Some(origin) => Decision { action: SyscallAction::Allow, origin: Some(origin) },
            None => errno(ECONNREFUSED, None),
        }
    }
}

fn is_own_loopback(peer: &Peer) -> bool {
    matches!(peer, Peer::Host(Host::Address(it)) if kind(it.first()) == Kind::Loopback)
}

impl Endpoint {
    /// Whether an allow of it covers `connection`.
    #[must_use]
    pub fn accepts(&self, connection: &Connection) -> bool {
        let spoken = match self.protocol {
            Protocol::Udp => connection.protocol == Protocol::Udp,
            Protocol::Tcp => connection.protocol != Protocol::Udp,
            // From outside they are the same.
            Protocol::Tls | Protocol::Https => matches!(connection.protocol, Protocol::Tls | Protocol::Https),
            Protocol::Http => connection.protocol == Protocol::Http,
        };
        spoken && has_port(&self.ports, connection.port) && self.peer.covers(&connection.peer, Sense::Allow)
    }

    /// Whether an allow of it is known to cover every connection that an allow of `other` covers.
    #[must_use]
    pub fn covers(&self, other: &Endpoint) -> bool {
        let spoken = match (self.protocol, other.protocol) {
            (Protocol::Tcp, protocol) => protocol != Protocol::Udp,
            (Protocol::Tls | Protocol::Https, Protocol::Tls | Protocol::Https) => true,
            (own, its) => own == its,
        };
        let has = |(first, last): &(u16, u16)| {
            self.ports.iter().any(|(from, to)| (*from..=*to).contains(first) && last <= to)
        };
        spoken && other.ports.iter().all(has) && self.peer.covers_all(&other.peer)
    }

    /// Whether a deny of it covers `connection`.
    #[must_use]
    pub fn refuses(&self, connection: &Connection) -> bool {
        let spoken = match (self.protocol, connection.protocol) {
            (Protocol::Udp, spoken) | (spoken, Protocol::Udp) => {
                spoken == Protocol::Udp && self.protocol == connection.protocol
            }
            // A byte stream may carry what is denied.
            (Protocol::Tcp, _) | (_, Protocol::Tcp) => true,
            (Protocol::Http, spoken) => spoken == Protocol::Http,
            (_, spoken) => spoken != Protocol::Http,
        };
        spoken && has_port(&self.ports, connection.port) && self.peer.covers(&connection.peer, Sense::Deny)
    }
}

impl Terms {
    fn accept(&self, connection: &Connection) -> bool {
        match (&self.only, connection.method) {
            (Some(only), Some(method)) => only.methods.contains(&method),
            _ => true,
        }
    }
}

/// What a rule does with what its peer covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    Allow,
    Deny,
}

impl Peer {
    /// Whether an allow of it is known to cover all that `other` stands for.
    fn covers_all(&self, other: &Peer) -> bool {
        match (self, other) {
            (own, its) if own == its => true,
            (Peer::Host(Host::Below(own)), Peer::Host(Host::Below(its))) => {
                its.strip_suffix(own.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (Peer::Any, Peer::Host(Host::Below(name))) => {
                // Where clouds give out credentials is below some names.
                let among =
                    |it: &&str| it.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                !METADATA_NAMES.iter().any(among)
            }
            // A parameter may be any host, and a range may have others in it than its ends.
            (_, Peer::Param(_) | Peer::Any | Peer::Private | Peer::Metadata | Peer::Loopback) => false,
            (Peer::Any | Peer::Private | Peer::Metadata, Peer::Host(Host::Address(it))) if !it.is_one() => {
                false
            }
            (own, its) => own.covers(its, Sense::Allow),
        }
    }

    fn covers(&self, one: &Peer, sense: Sense) -> bool {
        match (self, one) {
            (Peer::Any, _) if sense == Sense::Deny => true,
            (Peer::Any, Peer::Host(Host::Name(name))) => !METADATA_NAMES.contains(&name.as_str()),
            (Peer::Any, Peer::Host(Host::Address(it))) => kind(it.first()) == Kind::Public,
            (Peer::Any, Peer::Param(_)) => true,
            (Peer::Private, Peer::Host(Host::Address(it))) => kind(it.first()) == Kind::Private,
            (Peer::Metadata, Peer::Host(Host::Address(it))) => kind(it.first()) == Kind::Metadata,
            (Peer::Metadata, Peer::Host(Host::Name(name))) => METADATA_NAMES.contains(&name.as_str()),
            (Peer::Host(rule), Peer::Host(one)) => covers(rule, one),
            (mine, one) => mine == one,
        }
    }
}

fn covers(rule: &Host, one: &Host) -> bool {
    match (rule, one) {
        (Host::Name(rule), Host::Name(name)) => rule == name,
        (Host::Below(rule), Host::Name(name)) => {
            name.strip_suffix(rule.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        (Host::Address(rule), Host::Address(one)) => rule.covers(one),
        _ => false,
    }
}

fn has_port(ports: &[(u16, u16)], port: u16) -> bool {
    ports.iter().any(|(first, last)| (*first..=*last).contains(&port))
}

impl Policy {
    /// A connection as a claim would say it.
    #[must_use]
    pub fn shown_connection(&self, connection: &Connection) -> String {
        let peer = self.shown_peer(&connection.peer);
        let request = connection.method.map_or_else(String::new, |method| format!(" with {}", method.word()));
        format!("connect {} {peer}:{}{request}", connection.protocol.word(), connection.port)
    }

    /// A peer as a rule would say it.
    #[must_use]
    pub fn shown_peer(&self, peer: &Peer) -> String {
        match peer {
            Peer::Any => "any".to_owned(),
            Peer::Private => "private".to_owned(),
            Peer::Metadata => "metadata".to_owned(),
            Peer::Loopback => "host".to_owned(),
            Peer::Host(Host::Address(network)) => network.to_string(),
            Peer::Host(host) => format!("\"{host}\""),
            Peer::Param(index) => {
                self.params.get(*index).map_or_else(|| "$?".to_owned(), |param| format!("${}", param.name))
            }
        }
    }
}
