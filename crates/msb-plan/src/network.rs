//! The network section: what nf_tables decides inside, and what the gateway outside decides.
//!
//! The sandbox has a network namespace in which every address is its own (AnyIP): what a program sends goes
//! nowhere else. [`Gateway::batch`], finished nf_tables messages, refuses at once whatever no rule can allow, and
//! steers the rest to the sockets that the launcher makes there and hands to the gateway ([`crate::handover`]).
//! The gateway holds [`Gateway::rules`] and decides for itself: it trusts nothing that the batch let through.
//!
//! Names have addresses of 198.18.0.0/15 inside (RFC 2544), which nobody has outside. [`OWN_V4`] and its
//! neighbours are fixed; an exact name has the one that the plan gives it; the gateway leases those of
//! [`LEASED`] to names that match a wildcard. It answers AAAA without addresses: a name is dialled by IPv4
//! inside whatever its real addresses are.

use crate::OriginId;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// The sandbox's own address: what it calls from. RFC 2544.
pub const OWN_V4: [u8; 4] = [198, 18, 0, 2];
/// The gateway's address: DNS on port 53 by UDP and TCP, and the sockets that nf_tables steers to.
pub const GATEWAY_V4: [u8; 4] = [198, 18, 0, 1];
/// The host's own loopback, as seen from inside: the peer `host`.
pub const HOST_V4: [u8; 4] = [198, 18, 0, 4];
/// The sandbox's own address; 2001:2::/48 is for IPv6 what 198.18.0.0/15 is for IPv4 (RFC 5180).
pub const OWN_V6: [u8; 16] = [0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
/// The gateway's address: nf_tables steers to it. No DNS is spoken there.
pub const GATEWAY_V6: [u8; 16] = [0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// The port of the sockets that nf_tables steers to. It is privileged, so that nobody inside can bind it.
pub const STEERED_PORT: u16 = 1;
/// The port of DNS (RFC 1035).
pub const DNS_PORT: u16 = 53;
/// Names of [`HOST_V4`], in /etc/hosts; the gateway answers them too.
pub const HOST_NAMES: [&str; 2] = ["host", "host.internal"];
/// Addresses of exact names and of hosts that launch gives: 198.18.1.0 and what follows, in 198.18.0.0/16.
pub const FIXED: [u8; 2] = [198, 18];
/// Addresses that the gateway leases to names that match a wildcard or `any`: 198.19.0.0/16.
pub const LEASED: [u8; 2] = [198, 19];

/// The group of nfnetlink_log that what nf_tables refuses goes to. Groups are a network namespace's own.
pub const REFUSALS_GROUP: u16 = 1;

/// Bytes of a batch: netlink takes a message that fits the default send buffer of 212,992 bytes
/// (net.core.wmem_default, socket(7)) in one piece.
pub const BATCH_BYTES_MAX: usize = 192 * 1024;
/// Rules of the gateway.
pub const RULES_MAX: usize = 1024;
/// Ranges of ports of one rule.
pub const PORTS_MAX: usize = 256;
/// Patterns of paths of one rule.
pub const PATHS_MAX: usize = 64;
/// `total` rules.
pub const TOTALS_MAX: usize = 64;
/// Claims about connections.
pub const CLAIMS_MAX: usize = 256;
/// Published ports, each one of a range counted.
pub const LISTENS_MAX: usize = 64;
/// Places that the trust store is put over.
pub const TRUST_PLACES_MAX: usize = 16;
/// Bytes of a host name (RFC 1035, 2.3.4, as text).
pub const NAME_BYTES_MAX: usize = 253;

/// What a sandbox reaches.
#[expect(clippy::large_enum_variant, reason = "a plan has one of them")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Network<'a> {
    /// Nothing: a network namespace with its loopback interface, down.
    None,
    /// The same with the interface up: the sandbox's own programs reach each other.
    Loopback,
    /// What the gateway lets through.
    Gateway(Gateway<'a>),
}

/// What the gateway lets through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gateway<'a> {
    /// nf_tables messages from `NFNL_MSG_BATCH_BEGIN` to `NFNL_MSG_BATCH_END`, for one sendmsg(2); netlink(7). The last
    /// before the end, and no other, asks for an answer (`NLM_F_ACK`).
    #[serde(serialize_with = "crate::plan::bytes")]
    pub batch: &'a [u8],
    /// One more batch of the kind of `batch`, which has nf_tables log to [`REFUSALS_GROUP`] what it refuses of what programs
    /// send. It changes no verdict: it is sent where somebody wants to know, and may be refused.
    #[serde(serialize_with = "crate::plan::bytes")]
    pub refusals: &'a [u8],
    /// Which line of the policy which bytes of the batch are there for, by offset.
    pub marks: Vec<Mark>,
    /// Whom the sandbox may reach, and whom not. A deny overrides every allow; what none allows is refused.
    pub rules: Vec<Rule<'a>>,
    /// Limits of all connections together; each of them holds.
    pub totals: Vec<Total>,
    /// Ports of the sandbox that the host's loopback has.
    pub listens: Vec<Listen>,
    /// Where the certificates of this run's authority go, where a rule has the gateway read TLS.
    pub trust: Option<Trust<'a>>,
    /// The same certificates as a key store for Java, which reads no PEM; there with `trust` and not without.
    pub java_trust: Option<Trust<'a>>,
    /// What the policy asserts of connections, and what depends on the hosts that parameters name: decided by the gateway.
    pub claims: Vec<Claim<'a>>,
    /// The line that begins the rules.
    pub origin: OriginId,
}

/// What a policy asserts of connections: of those to its peer, where that is one host, and of those to each host that a
/// parameter names and that its peer covers. A gateway for which it does not hold does not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim<'a> {
    /// What is spoken. A deny of a byte stream is one of what it may carry.
    pub protocol: Protocol,
    /// Who is dialled; its address inside means nothing here, and is 0.0.0.0.
    pub peer: Peer<'a>,
    /// First and last of each range, at least one range; they rise and do not touch.
    pub ports: Vec<(u16, u16)>,
    /// What must hold.
    pub expected: crate::Expected,
    /// The line of the claim.
    pub origin: OriginId,
}

/// From [`Mark::offset_bytes`] on, up to the next mark, bytes of the batch are there for [`Mark::origin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// From the beginning of the batch; marks rise.
    pub offset_bytes: u32,
    /// The line.
    pub origin: OriginId,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule<'a> {
    /// What it does.
    pub action: Action,
    /// What is spoken.
    pub protocol: Protocol,
    /// Who is dialled.
    pub peer: Peer<'a>,
    /// First and last of each range, at least one range; they rise and do not touch.
    pub ports: Vec<(u16, u16)>,
    /// On which terms; of a deny, none.
    pub terms: Terms<'a>,
    /// The line.
    pub origin: OriginId,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Action {
    /// Connections are made.
    Allow,
    /// Connections are refused.
    Deny,
}

/// What is spoken. An allow of `Tcp` covers every byte stream, also one that carries TLS or HTTP; one of `Tls`
/// and one of `Https` cover the same. A deny of any byte stream but `Http` covers `Tcp`, which may carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Protocol {
    /// A byte stream.
    Tcp,
    /// Datagrams.
    Udp,
    /// TLS whose server name is the rule's.
    Tls,
    /// The same, or HTTP in TLS where [`Terms::reads_requests`].
    Https,
    /// HTTP in the clear, each request for the rule's host.
    Http,
}

/// Who is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Peer<'a> {
    /// One name, in the canonical form of msb-host, and its address inside, of [`FIXED`].
    Name {
        /// Lower case, ASCII, without a final dot.
        name: &'a str,
        /// All rules of one name give the same, and no other name has it.
        address: [u8; 4],
    },
    /// Every name below this one, at any depth, and not the name itself.
    Below(&'a str),
    /// IPv4 addresses that share their first bits; the others of `first` are 0.
    V4 {
        /// The first of them.
        first: [u8; 4],
        /// How many they share.
        bits: u8,
    },
    /// IPv6 addresses, as [`Peer::V4`]; never those that are IPv4 addresses (::ffff:0:0/96).
    V6 {
        /// The first of them.
        first: [u8; 16],
        /// How many they share.
        bits: u8,
    },
    /// Of an allow, every name that is no metadata service's and every public address; of a deny, everything.
    Any,
    /// Networks of one's own (msb-host, `Kind::Private`).
    Private,
    /// Metadata services (msb-host, `METADATA` and `METADATA_NAMES`).
    Metadata,
    /// The host's own loopback, at [`HOST_V4`].
    Host,
    /// The name that a parameter of kind [`crate::ParamKind::Host`] gives, and its address inside.
    Param {
        /// The parameter, by index.
        index: u8,
        /// As of [`Peer::Name`].
        address: [u8; 4],
    },
}

/// On which terms connections are made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Terms<'a> {
    /// The requests that may be made; `None` is every one.
    pub only: Option<Only<'a>>,
    /// The parameter of kind [`crate::ParamKind::Secret`] that is put into each request.
    pub inject: Option<u8>,
    /// Whether requests are read although nothing above needs it.
    pub inspect: bool,
    /// Whether a launch goes on where the host is not known.
    pub optional: bool,
    /// Of this rule's connections together.
    pub limits: Limits,
}

impl Terms<'_> {
    /// Whether the gateway ends TLS of a [`Protocol::Https`] rule with these terms, to read its requests.
    #[must_use]
    pub const fn reads_requests(&self) -> bool {
        self.only.is_some() || self.inject.is_some() || self.inspect || self.limits.rate.is_some()
    }
}

/// HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Only<'a> {
    /// Their methods, at least one.
    pub methods: Methods,
    /// Patterns of their paths (`*` within a component, `**` across, `?` one character); none is every path.
    pub paths: Vec<&'a str>,
}

/// A set of methods of HTTP (RFC 9110, 9.3; RFC 5789).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Methods(pub u8);

impl Methods {
    /// The methods, in the order of their bits.
    pub const WORDS: [&'static str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

    /// Whether it has `word`, which is case-sensitive (RFC 9110, 9.1).
    #[must_use]
    pub fn contains(self, word: &str) -> bool {
        Self::WORDS.iter().position(|it| *it == word).is_some_and(|bit| self.0 >> bit & 1 == 1)
    }
}

/// How often, how much, how many. `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Limits {
    /// Connections, or requests where the gateway reads them.
    pub rate: Option<Rate>,
    /// Bytes that leave the sandbox.
    pub up_bytes: Option<u64>,
    /// Bytes that arrive.
    pub down_bytes: Option<u64>,
    /// Bytes both ways together.
    pub both_bytes: Option<u64>,
    /// Connections at once, at least 1.
    pub connections: Option<u32>,
}

/// So many in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u64,
    /// In how long, at least 1.
    pub period_us: u64,
    /// How many at once, at least 1.
    pub burst: u64,
}

/// Limits of all connections together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Total {
    /// The limits.
    pub limits: Limits,
    /// The line.
    pub origin: OriginId,
}

/// A port of the sandbox that the host's loopback has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Listen {
    /// What is spoken; nothing of it is read.
    pub protocol: Protocol,
    /// The address of the host's loopback that has it, of 127.0.0.0/8.
    pub v4: Option<[u8; 4]>,
    /// Whether ::1 has it; with an address of IPv4 besides, only where the host has ::1.
    pub v6: bool,
    /// The port of the host; 0 is one that is free, the same of both addresses.
    pub port: u16,
    /// The port of the sandbox, not 0.
    pub inside: u16,
    /// The line.
    pub origin: OriginId,
}

impl Listen {
    /// Where on the host it is, as in a URL: `localhost` for both addresses of that.
    #[must_use]
    pub fn host(&self) -> String {
        let mut text = String::new();
        match (self.v4, self.v6) {
            (Some(_), true) => text.push_str("localhost"),
            (None, _) => text.push_str("[::1]"),
            (Some(address), false) => {
                for (index, byte) in address.into_iter().enumerate() {
                    if index > 0 {
                        text.push('.');
                    }
                    for power in [100, 10, 1] {
                        if byte >= power || power == 1 {
                            text.push(char::from(b'0' + byte / power % 10));
                        }
                    }
                }
            }
        }
        text
    }

    /// What it carries: `tcp` or `udp`.
    #[must_use]
    pub const fn carries(&self) -> &'static str {
        match self.protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp | Protocol::Tls | Protocol::Https | Protocol::Http => "tcp",
        }
    }
}

/// Where the certificates that a program inside trusts go: the host's, and that of the run's own authority.
///
/// The gateway hands over one file, in PEM or for Java of type JKS. It is written to `file`; where a mount shows a file
/// at one of `places`, it is put over that too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trust<'a> {
    /// A path inside, without a leading `/`, below no mount.
    pub file: &'a str,
    /// Paths inside, without a leading `/`.
    pub places: Vec<&'a str>,
}
