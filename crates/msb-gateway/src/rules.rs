//! What the policy says of a connection, a lookup and a request.
//!
//! Three laws: what no rule allows is refused, a deny overrides every allow, order means nothing. A connection is
//! decided by who is dialled and on which port; where the rules that could allow it ask what is spoken, the first
//! bytes are read before anything is dialled.

use crate::path;
use msb_host::{Host, Kind, METADATA_NAMES, Network, kind};
use msb_plan::network::HOST_NAMES;
use std::fmt;
use std::net::IpAddr;

/// What is spoken, as a rule says it and as the first bytes show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Any byte stream.
    Tcp,
    /// Datagrams.
    Udp,
    /// TLS that asks for the name.
    Tls,
    /// HTTP in TLS.
    Https,
    /// HTTP in the clear.
    Http,
}

impl Protocol {
    /// The word of the language.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Tls => "tls",
            Protocol::Https => "https",
            Protocol::Http => "http",
        }
    }
}

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// Whom a program dials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A name in canonical form, by the address that the gateway answered for it.
    Name(String),
    /// An address as the program wrote it.
    Address(IpAddr),
    /// The host's own loopback.
    Loopback,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Name(name) => f.write_str(name),
            Target::Address(address) => write!(f, "{}", Network::of(*address)),
            Target::Loopback => f.write_str("host"),
        }
    }
}

/// Who is dialled, on which ports, and what is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What is spoken.
    pub protocol: Protocol,
    /// Who.
    pub peer: Peer,
    /// First and last of each range.
    pub ports: Vec<(u16, u16)>,
}

/// The requests that a rule allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// Methods, in capitals.
    pub methods: Vec<String>,
    /// Patterns of paths; empty is all.
    pub paths: Vec<String>,
}

/// How often, how much, how many; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; 0 is none at all.
    pub count: u64,
    /// In how long, in microseconds.
    pub period_us: u64,
    /// How many at once.
    pub burst: u64,
}

/// A rule that allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// What it covers.
    pub endpoint: Endpoint,
    /// These requests alone.
    pub only: Option<Only>,
    /// The secret that is put into each request, by index.
    pub inject: Option<usize>,
    /// Whether requests are read for the log alone.
    pub inspect: bool,
    /// Of this rule.
    pub limits: Limits,
    /// The line of the policy.
    pub origin: u16,
}

impl Allow {
    /// Whether the gateway must read the requests of TLS that this rule allows.
    #[must_use]
    pub fn reads_requests(&self) -> bool {
        match self.endpoint.protocol {
            Protocol::Http => true,
            Protocol::Https => {
                self.only.is_some() || self.inject.is_some() || self.inspect || self.limits.rate.is_some()
            }
            Protocol::Tcp | Protocol::Udp | Protocol::Tls => false,
        }
    }
}

/// A rule that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deny {
    /// What it covers.
    pub endpoint: Endpoint,
    /// The line of the policy.
    pub origin: u16,
}

/// All rules of a policy, parameters bound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Those that allow, by line.
    pub allow: Vec<Allow>,
    /// Those that refuse, by line.
    pub deny: Vec<Deny>,
    /// For all connections together, each of them.
    pub totals: Vec<Total>,
    /// What the policy calls its parameters, which [`Allow::inject`] numbers.
    pub params: Vec<String>,
}

/// Limits of all connections together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// The limits.
    pub limits: Limits,
    /// The line of the policy.
    pub origin: u16,
}

/// An index into [`Rules::allow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub usize);

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No rule allows it.
    NoRule,
    /// The rule of this line refuses it.
    Rule(u16),
}

/// What happens to a new TCP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It is refused.
    Refuse(Refusal),
    /// It is dialled, whatever is spoken, by one of these rules.
    Stream(Vec<RuleId>),
    /// Its first bytes decide.
    Sniff {
        /// Rules for TLS; empty if it is refused.
        tls: Vec<RuleId>,
        /// Rules for HTTP in the clear; empty if it is refused.
        http: Vec<RuleId>,
    },
}

impl Rules {
    /// What happens to a TCP connection to `target` on `port`, before a byte of it was read.
    #[must_use]
    pub fn open(&self, target: &Target, port: u16) -> Opening {
        let stream = self.decide(Protocol::Tcp, target, port);
        if let Ok(rules) = stream {
            return Opening::Stream(rules);
        }
        let tls = self.decide(Protocol::Tls, target, port);
        let http = self.decide(Protocol::Http, target, port);
        match (tls, http) {
            // The refusal of the byte stream is the widest: it names a deny if there is one.
            (Err(_), Err(_)) => Opening::Refuse(stream.err().unwrap_or(Refusal::NoRule)),
            (tls, http) => Opening::Sniff { tls: tls.unwrap_or_default(), http: http.unwrap_or_default() },
        }
    }

    /// The rules that allow `spoken` to `target` on `port`, by line; at least one.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decide(&self, spoken: Protocol, target: &Target, port: u16) -> Result<Vec<RuleId>, Refusal> {
        if let Some(refusal) = self.denied(spoken, target, port) {
            return Err(refusal);
        }
        let covers = |(_, rule): &(usize, &Allow)| rule.endpoint.accepts(spoken, target, port);
        let rules: Vec<RuleId> =
            self.allow.iter().enumerate().filter(covers).map(|(index, _)| RuleId(index)).collect();
        if rules.is_empty() { Err(Refusal::NoRule) } else { Ok(rules) }
    }

    /// The deny that covers it, if any.
    #[must_use]
    pub fn denied(&self, spoken: Protocol, target: &Target, port: u16) -> Option<Refusal> {
        let denied = self.deny.iter().filter(|rule| rule.endpoint.refuses(spoken, target, port));
        denied.map(|rule| rule.origin).min().map(Refusal::Rule)
    }

    /// Whether the address that a name resolved to may be dialled for it.
    ///
    /// A name never leads to a network of one's own, to the host or to a metadata service, unless a rule names that
    /// address besides; and never where a deny is.
    #[must_use]
    pub fn may_dial(&self, spoken: Protocol, address: IpAddr, port: u16) -> bool {
        let target = Target::Address(address);
        if self.denied(spoken, &target, port).is_some() {
            return false;
        }
        kind(address) == Kind::Public
            || self.allow.iter().any(|rule| {
                rule.endpoint.peer != Peer::Any && rule.endpoint.accepts(spoken, &target, port)
            })
            // `host` names the loopback as a whole, ports included.
            || (kind(address) == Kind::Loopback && self.decide(spoken, &Target::Loopback, port).is_ok())
    }

    /// Those of `rules` that allow a request with this method and path, which [`path::plain`] gave.
    #[must_use]
    pub fn for_request(&self, rules: &[RuleId], method: &str, plain: Option<&str>) -> Vec<RuleId> {
        let allows = |rule: &RuleId| {
            self.allow.get(rule.0).is_some_and(|rule| match &rule.only {
                None => true,
                Some(only) => {
                    only.methods.iter().any(|it| it == method)
                        && (only.paths.is_empty()
                            || plain.is_some_and(|plain| {
                                only.paths.iter().any(|pattern| path::matches(pattern, plain))
                            }))
                }
            })
        };
        rules.iter().copied().filter(allows).collect()
    }

    /// What the requests of `rules` get besides, as the policy writes it: all rules of one host agree on it.
    #[must_use]
    pub fn treated(&self, rules: &[RuleId]) -> String {
        let find = |of: fn(&Allow) -> Option<usize>| rules.iter().find_map(|rule| of(self.rule(*rule)?));
        let inject = find(|rule| rule.inject).and_then(|index| self.params.get(index));
        let inspect = find(|rule| rule.inspect.then_some(0)).map_or("", |_| " inspect");
        format!("{}{inspect}", inject.map_or_else(String::new, |name| format!(" inject ${name}")))
    }

    /// The rule with this number.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<&Allow> {
        self.allow.get(id.0)
    }

    /// Whether a lookup of `name` is answered: some connection to it would be allowed.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        let target = Target::Name(name.to_owned());
        let allow = self.allow.iter().map(|rule| &rule.endpoint);
        let allow: Vec<&Endpoint> = allow.filter(|it| it.peer.covers(&target, Sense::Allow)).collect();
        if allow.is_empty() {
            return false;
        }
        let deny = self.deny.iter().map(|rule| &rule.endpoint);
        let deny: Vec<&Endpoint> = deny.filter(|it| it.peer.covers(&target, Sense::Deny)).collect();
        // Rules say the same of all ports between these.
        let begins = allow.iter().flat_map(|it| &it.ports).map(|(first, _)| *first);
        let ends = deny.iter().flat_map(|it| &it.ports).filter_map(|(_, last)| last.checked_add(1));
        let allowed = |spoken: Protocol, port: u16| {
            allow.iter().any(|it| it.accepts(spoken, &target, port))
                && !deny.iter().any(|it| it.refuses(spoken, &target, port))
        };
        begins.chain(ends).any(|port| {
            [Protocol::Tcp, Protocol::Udp, Protocol::Tls, Protocol::Http].iter().any(|it| allowed(*it, port))
        })
    }

    /// The first line that allows anything to `name`, whatever is denied besides.
    #[must_use]
    pub fn names(&self, name: &str) -> Option<u16> {
        let target = if HOST_NAMES.contains(&name) && self.knows_host() {
            Target::Loopback
        } else {
            Target::Name(name.to_owned())
        };
        let covers = |rule: &&Allow| rule.endpoint.peer.covers(&target, Sense::Allow);
        self.allow.iter().find(covers).map(|rule| rule.origin)
    }

    /// Whether some port of the host's loopback may be dialled, so that it has a name inside.
    #[must_use]
    pub fn knows_host(&self) -> bool {
        self.allow.iter().any(|rule| rule.endpoint.peer == Peer::Loopback)
    }

    /// Whether the gateway ends TLS of any rule.
    #[must_use]
    pub fn reads_requests(&self) -> bool {
        self.allow.iter().any(|rule| rule.endpoint.protocol == Protocol::Https && rule.reads_requests())
    }
}

impl Endpoint {
    /// Whether its peer covers `target`, as a deny does or as an allow.
    #[must_use]
    pub fn covers(&self, target: &Target, deny: bool) -> bool {
        self.peer.covers(target, if deny { Sense::Deny } else { Sense::Allow })
    }

    fn accepts(&self, spoken: Protocol, target: &Target, port: u16) -> bool {
        let speaks = match self.protocol {
            Protocol::Udp => spoken == Protocol::Udp,
            Protocol::Tcp => spoken != Protocol::Udp,
            // From outside they are the same.
            Protocol::Tls | Protocol::Https => matches!(spoken, Protocol::Tls | Protocol::Https),
            Protocol::Http => spoken == Protocol::Http,
        };
        speaks && has_port(&self.ports, port) && self.peer.covers(target, Sense::Allow)
    }

    fn refuses(&self, spoken: Protocol, target: &Target, port: u16) -> bool {
        self.covers_protocol_of(spoken)
            && has_port(&self.ports, port)
            && self.peer.covers(target, Sense::Deny)
    }

    fn covers_protocol_of(&self, spoken: Protocol) -> bool {
        match (self.protocol, spoken) {
            (Protocol::Udp, spoken) => spoken == Protocol::Udp,
            (_, Protocol::Udp) => false,
            // A byte stream may carry what is denied.
            (Protocol::Tcp, _) | (_, Protocol::Tcp) => true,
            (Protocol::Http, spoken) => spoken == Protocol::Http,
            (_, spoken) => spoken != Protocol::Http,
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
    fn covers(&self, target: &Target, sense: Sense) -> bool {
        match (self, target) {
            (Peer::Any, _) if sense == Sense::Deny => true,
            (Peer::Any, Target::Name(name)) => !METADATA_NAMES.contains(&name.as_str()),
            (Peer::Any, Target::Address(address)) => kind(*address) == Kind::Public,
            (Peer::Private, Target::Address(address)) => kind(*address) == Kind::Private,
            (Peer::Metadata, Target::Address(address)) => kind(*address) == Kind::Metadata,
            (Peer::Metadata, Target::Name(name)) => METADATA_NAMES.contains(&name.as_str()),
            (Peer::Loopback, Target::Loopback) => true,
            (Peer::Host(Host::Name(rule)), Target::Name(name)) => rule == name,
            (Peer::Host(Host::Below(rule)), Target::Name(name)) => {
                name.strip_suffix(rule.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (Peer::Host(Host::Address(rule)), Target::Address(address)) => rule.contains(*address),
            _ => false,
        }
    }
}

fn has_port(ports: &[(u16, u16)], port: u16) -> bool {
    ports.iter().any(|(first, last)| (*first..=*last).contains(&port))
}

#[cfg(test)]
#[path = "tests/rules.rs"]
mod tests;
