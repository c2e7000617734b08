//! What programs send is let through or refused as it leaves, and steered to the gateway as it arrives.
//!
//! Every address is local to the sandbox, so that what leaves arrives at once, on the same loopback interface.

use crate::Addresses;
use crate::reach::{Family, Reach, Transport, reach};
use msb_plan::network::{DNS_PORT, GATEWAY_V4, OWN_V4, OWN_V6};
use msb_policy::{NetRule, OriginId};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// nf_tables rules for one sandbox: table `inet sandbox`. As text it is what `nft -f` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruleset {
    pub(crate) sets: Vec<Set>,
    pub(crate) chains: [Chain; 3],
    /// The line that begins the network rules.
    pub(crate) origin: OriginId,
}

/// Addresses with ports that can be allowed, of one family and transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) family: Family,
    pub(crate) transport: Transport,
    pub(crate) elements: Vec<Reach>,
}

/// Rules in order: the first whose matches all hold decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) hook: Hook,
    pub(crate) rules: Vec<Rule>,
}

/// Which chain it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// What has arrived: `prerouting`, at priority `mangle`, before what a packet is for is looked up.
    Arrives,
    /// What is sent: `output`.
    Leaves,
    /// What is sent and refused; [`Hook::Leaves`] ends here. A chain of its own, so that a rule that writes it down can be put
    /// before the others later.
    Refused,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) matches: Vec<Match>,
    pub(crate) verdict: Verdict,
}

/// What a packet must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// An IPv4 or IPv6 packet. It comes before every match of a header of one of them: the table holds both.
    Family(Family),
    /// A TCP or UDP packet.
    Transport(Transport),
    /// For 127.0.0.0/8.
    ToLoopback4,
    /// For this address.
    To4([u8; 4]),
    /// For this address.
    To6([u8; 16]),
    /// Not from this address.
    NotFrom4([u8; 4]),
    /// Not from this address.
    NotFrom6([u8; 16]),
    /// For this port.
    Port(u16),
    /// For an address and port of the set at this index.
    In(usize),
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Accept,
    /// It is lost.
    Drop,
    /// The chain for what is refused decides how.
    Refuse,
    /// It goes to the gateway's socket, and does not match where there is none.
    Steer(Family),
    /// TCP is answered by a reset: connect(2) gives ECONNREFUSED at once.
    Reset,
    /// It is answered by ICMP (administratively prohibited): sendto(2) gives EPERM, a later call EHOSTUNREACH.
    Prohibit,
}

impl Ruleset {
    pub(crate) fn new(rules: &[NetRule], addresses: &Addresses, origin: OriginId) -> Ruleset {
        let mut sets = Vec::new();
        for family in [Family::V4, Family::V6] {
            for transport in [Transport::Tcp, Transport::Udp] {
                let elements = reach(rules, addresses, family, transport);
                if !elements.is_empty() {
                    sets.push(Set { family, transport, elements });
                }
            }
        }
        let chains = [arrives(), refused(), leaves(&sets)];
        Ruleset { sets, chains, origin }
    }
}

fn rule<const N: usize>(matches: [Match; N], verdict: Verdict) -> Rule {
    Rule { matches: matches.into(), verdict }
}

/// What is for the sandbox itself: its loopback, and answers to what it sent.
fn own() -> [Rule; 4] {
    [
        rule([Match::Family(Family::V4), Match::ToLoopback4], Verdict::Accept),
        rule([Match::Family(Family::V4), Match::To4(OWN_V4)], Verdict::Accept),
        rule([Match::Family(Family::V6), Match::To6(Ipv6Addr::LOCALHOST.octets())], Verdict::Accept),
        rule([Match::Family(Family::V6), Match::To6(OWN_V6)], Verdict::Accept),
    ]
}

/// TCP is refused by a reset, also by IPv6: an ICMP message there has connect(2) wait for a second.
fn refuse() -> [Rule; 2] {
    [rule([Match::Transport(Transport::Tcp)], Verdict::Reset), rule([], Verdict::Prohibit)]
}

fn arrives() -> Chain {
    let steer = |family, transport| {
        rule([Match::Family(family), Match::Transport(transport)], Verdict::Steer(family))
    };
    let mut rules = Vec::from(own());
    rules.extend([
        steer(Family::V4, Transport::Tcp),
        steer(Family::V4, Transport::Udp),
        steer(Family::V6, Transport::Tcp),
        steer(Family::V6, Transport::Udp),
    ]);
    // When the gateway is gone nothing is steered; without this, an address that the sandbox itself listens on
    // would answer for every other.
    rules.extend(refuse());
    Chain { hook: Hook::Arrives, rules }
}

fn leaves(sets: &[Set]) -> Chain {
    let mut rules = Vec::from(own());
    rules.extend(foreign(Verdict::Refuse));
    rules.extend([Transport::Udp, Transport::Tcp].map(|transport| {
        let matches = [
            Match::Family(Family::V4),
            Match::To4(GATEWAY_V4),
            Match::Transport(transport),
            Match::Port(DNS_PORT),
        ];
        rule(matches, Verdict::Accept)
    }));
    rules.extend(sets.iter().enumerate().map(|(index, set)| {
        rule([Match::Family(set.family), Match::Transport(set.transport), Match::In(index)], Verdict::Accept)
    }));
    rules.push(rule([], Verdict::Refuse));
    Chain { hook: Hook::Leaves, rules }
}

fn refused() -> Chain {
    let mut rules = Vec::from(foreign(Verdict::Drop));
    rules.extend(refuse());
    Chain { hook: Hook::Refused, rules }
}

/// A program can bind any address here. What is sent from one that is not its own is never answered.
fn foreign(verdict: Verdict) -> [Rule; 2] {
    [
        rule([Match::Family(Family::V4), Match::NotFrom4(OWN_V4)], verdict),
        rule([Match::Family(Family::V6), Match::NotFrom6(OWN_V6)], verdict),
    ]
}

impl Set {
    /// `tcp4`.
    pub(crate) fn name(&self) -> &'static str {
        match (self.transport, self.family) {
            (Transport::Tcp, Family::V4) => "tcp4",
            (Transport::Tcp, Family::V6) => "tcp6",
            (Transport::Udp, Family::V4) => "udp4",
            (Transport::Udp, Family::V6) => "udp6",
        }
    }
}

impl Hook {
    /// The name of the chain.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Hook::Arrives => "arrives",
            Hook::Leaves => "leaves",
            Hook::Refused => "refused",
        }
    }
}

impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table inet sandbox {{")?;
        for set in &self.sets {
            let family = if set.family == Family::V4 { "ipv4_addr" } else { "ipv6_addr" };
            writeln!(f, "\tset {} {{", set.name())?;
            writeln!(f, "\t\ttype {family} . inet_service")?;
            writeln!(f, "\t\tflags interval")?;
            let elements: Vec<String> = set.elements.iter().map(element).collect();
            writeln!(f, "\t\telements = {{ {} }}", elements.join(",\n\t\t\t     "))?;
            writeln!(f, "\t}}\n")?;
        }
        for (index, chain) in self.chains.iter().enumerate() {
            let base = match chain.hook {
                Hook::Arrives => Some(("prerouting", "mangle")),
                Hook::Leaves => Some(("output", "filter")),
                Hook::Refused => None,
            };
            writeln!(f, "{}\tchain {} {{", if index == 0 { "" } else { "\n" }, chain.hook.name())?;
            if let Some((hook, priority)) = base {
                writeln!(f, "\t\ttype filter hook {hook} priority {priority}; policy drop;")?;
            }
            for rule in &chain.rules {
                writeln!(f, "\t\t{}", self.line(rule))?;
            }
            writeln!(f, "\t}}")?;
        }
        writeln!(f, "}}")
    }
}

impl Ruleset {
    /// A rule as nft(8) prints it, which leaves out what the rest of a rule implies.
    fn line(&self, rule: &Rule) -> String {
        let mut words: Vec<String> = Vec::new();
        let implied = |it: &Match| match it {
            Match::Family(_) => {
                rule.matches.iter().any(|other| !matches!(other, Match::Family(_) | Match::Transport(_)))
            }
            Match::Transport(_) => {
                rule.matches.iter().any(|it| matches!(it, Match::Port(_) | Match::In(_)))
                    || rule.verdict == Verdict::Reset
            }
            _ => false,
        };
        let transport = rule.matches.iter().find_map(|it| match it {
            Match::Transport(Transport::Tcp) => Some("tcp"),
            Match::Transport(Transport::Udp) => Some("udp"),
            _ => None,
        });
        let transport = transport.unwrap_or("th");
        for it in rule.matches.iter().filter(|it| !implied(it)) {
            words.push(match it {
                Match::Family(Family::V4) => "meta nfproto ipv4".to_owned(),
                Match::Family(Family::V6) => "meta nfproto ipv6".to_owned(),
                Match::Transport(_) => format!("meta l4proto {transport}"),
                Match::ToLoopback4 => "ip daddr 127.0.0.0/8".to_owned(),
                Match::To4(it) => format!("ip daddr {}", Ipv4Addr::from(*it)),
                Match::To6(it) => format!("ip6 daddr {}", Ipv6Addr::from(*it)),
                Match::NotFrom4(it) => format!("ip saddr != {}", Ipv4Addr::from(*it)),
                Match::NotFrom6(it) => format!("ip6 saddr != {}", Ipv6Addr::from(*it)),
                Match::Port(port) => format!("{transport} dport {port}"),
                Match::In(index) => {
                    let set = self.sets.get(*index);
                    let ip = if set.is_some_and(|it| it.family == Family::V6) { "ip6" } else { "ip" };
                    format!("{ip} daddr . {transport} dport @{}", set.map_or("?", Set::name))
                }
            });
        }
        words.push(match rule.verdict {
            Verdict::Accept => "accept".to_owned(),
            Verdict::Drop => "drop".to_owned(),
            Verdict::Refuse => format!("goto {}", Hook::Refused.name()),
            Verdict::Steer(Family::V4) => {
                format!(
                    "tproxy ip to {}:{} accept",
                    Ipv4Addr::from(GATEWAY_V4),
                    msb_plan::network::STEERED_PORT
                )
            }
            Verdict::Steer(Family::V6) => {
                let address = Ipv6Addr::from(msb_plan::network::GATEWAY_V6);
                format!("tproxy ip6 to [{address}]:{} accept", msb_plan::network::STEERED_PORT)
            }
            Verdict::Reset => "meta l4proto tcp reject with tcp reset".to_owned(),
            Verdict::Prohibit => "reject with icmpx admin-prohibited".to_owned(),
        });
        words.join(" ")
    }
}

/// An element as nft(8) prints it: a range that is a prefix as one.
fn element(reach: &Reach) -> String {
    let addresses = match prefix(reach) {
        _ if reach.first == reach.last => reach.first.to_string(),
        Some(bits) => format!("{}/{bits}", reach.first),
        None => format!("{}-{}", reach.first, reach.last),
    };
    match reach.ports {
        (first, last) if first == last => format!("{addresses} . {first}"),
        (first, last) => format!("{addresses} . {first}-{last}"),
    }
}

/// How many first bits all addresses share, where they are all that share them.
fn prefix(reach: &Reach) -> Option<u32> {
    let (first, last, width) = match (reach.first, reach.last) {
        (std::net::IpAddr::V4(a), std::net::IpAddr::V4(b)) => {
            (u128::from(u32::from(a)), u128::from(u32::from(b)), 32)
        }
        (std::net::IpAddr::V6(a), std::net::IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
        _ => return None,
    };
    let differ = first ^ last;
    let rest = 128 - differ.leading_zeros();
    let mask = 1u128.checked_shl(rest).map_or(u128::MAX, |it| it - 1);
    (first & mask == 0 && last & mask == mask).then(|| width - rest)
}
