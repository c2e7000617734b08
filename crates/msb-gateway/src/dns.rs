//! DNS inside the sandbox: names of the policy have an address, and no others exist.
//!
//! Nothing is forwarded, so a lookup tells nobody anything: a name that no rule covers does not exist (NXDOMAIN),
//! and one that a rule covers has a synthetic IPv4 address and nothing else. Questions for other types (AAAA, HTTPS,
//! SVCB, TXT …) get an empty answer at once, which makes clients go on with IPv4 instead of waiting. Addresses inside lead
//! back to their names. The message format is hickory-proto's.

use crate::audit::{Decision, Log, Subject};
use crate::names::{Names, NoLease, TTL_SECONDS};
use crate::needed;
use crate::rules::Rules;
use crate::state::set;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, OPT, PTR, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable as _;
use msb_host::Host;
use msb_plan::OriginId;
use msb_plan::network::{HOST_NAMES, HOST_V4};
use serde_json::json;
use std::net::Ipv4Addr;
use std::time::Instant;

/// Bytes of a query; larger ones are no lookup of a name.
pub const QUERY_BYTES_MAX: usize = 1232;
/// INFO-CODE "Other Error" and "Blocked" of an extended error; RFC 8914, 4.1 and 4.16.
const EDE_OTHER: u16 = 0;
const EDE_BLOCKED: u16 = 15;
/// Bytes of its text. With the longest name, twice, an answer then fits what every client takes by UDP (512, RFC 1035, 2.3.4),
/// so that none is ever truncated.
const EDE_TEXT_BYTES_MAX: usize = 96;
/// OPTION-CODE of an extended error; RFC 8914, 2.
const EDE_OPTION: u16 = 15;
/// Bytes of an answer that we say we take by UDP; DNS flag day 2020.
const PAYLOAD_BYTES: u16 = 1232;

/// What was asked and what became of it, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The name, canonical where it is one.
    pub name: String,
    /// `A`, `AAAA`, …
    pub kind: String,
    /// What was answered.
    pub outcome: Outcome,
    /// The line that names it, where one does.
    pub rule: Option<OriginId>,
}

/// What became of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has this address inside.
    Address(Ipv4Addr),
    /// It is an address inside, of this name.
    Pointer(String),
    /// It is an address that no name has.
    NoPointer,
    /// It is known and has nothing of this type.
    Empty,
    /// No rule covers it.
    NoRule,
    /// It is no name that could be dialled.
    NotAName,
    /// It has no address now.
    NoLease(NoLease),
    /// It is no question.
    Malformed,
}

/// The answer to `query`; none to what is no query at all.
pub fn answer(query: &[u8], rules: &Rules, names: &mut Names, now: Instant) -> Option<(Vec<u8>, Lookup)> {
    if query.len() > QUERY_BYTES_MAX {
        return None;
    }
    // A message that says it is an answer must not be answered: two servers could go on for ever.
    let is_query = query.get(2).is_some_and(|flags| flags & 0x80 == 0);
    let id = query.first_chunk::<2>().filter(|_| is_query).map(|id| u16::from_be_bytes(*id))?;
    let Ok(question) = Message::from_bytes(query) else {
        let lookup =
            Lookup { name: String::new(), kind: String::new(), outcome: Outcome::Malformed, rule: None };
        let message = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
        return message.to_vec().ok().map(|bytes| (bytes, lookup));
    };
    let (message, lookup) = reply(&question, rules, names, now);
    message.to_vec().ok().map(|bytes| (bytes, lookup))
}

/// Writes a lookup down.
pub fn write_down(log: &Log, lookup: &Lookup) {
    let (decision, answer) = match &lookup.outcome {
        Outcome::Address(address) => (Decision::Allow, address.to_string()),
        Outcome::Pointer(name) => (Decision::Allow, name.clone()),
        Outcome::NoPointer => (Decision::Deny, "no-name-has-it".to_owned()),
        Outcome::Empty => (Decision::Allow, "empty".to_owned()),
        Outcome::NoRule => (Decision::Deny, "no-rule".to_owned()),
        Outcome::NotAName => (Decision::Deny, "not-a-name".to_owned()),
        Outcome::NoLease(NoLease::Full) => (Decision::Deny, "no-address-left".to_owned()),
        Outcome::NoLease(NoLease::Rate(_)) => (Decision::Deny, "too-many-new-names".to_owned()),
        Outcome::Malformed => (Decision::Deny, "malformed".to_owned()),
    };
    let key = if decision == Decision::Allow { "answer" } else { "reason" };
    let mut more = json!({"name": lookup.name, "type": lookup.kind, key: answer});
    if let (Outcome::NoRule, Some(needed)) = (&lookup.outcome, needed::lookup(&lookup.name)) {
        set(&mut more, "needed", needed);
    }
    log.decided(Subject::Lookup, decision, lookup.rule, more);
}

fn reply(question: &Message, rules: &Rules, names: &mut Names, now: Instant) -> (Message, Lookup) {
    let mut message = Message::new();
    message
        .set_id(question.id())
        .set_message_type(MessageType::Response)
        .set_op_code(question.op_code())
        .set_recursion_desired(question.recursion_desired())
        .set_recursion_available(true)
        .set_checking_disabled(question.checking_disabled());
    let mut lookup =
        Lookup { name: String::new(), kind: String::new(), outcome: Outcome::Malformed, rule: None };
    let [asked] = question.queries() else {
        message.set_response_code(ResponseCode::FormErr);
        return (message, lookup);
    };
    message.add_query(asked.clone());
    if question.extensions().as_ref().is_some_and(|edns| edns.version() > 0) {
        // RFC 6891, 6.1.3: with the version that we speak, so that the client asks again.
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD_BYTES).set_version(0);
        message.set_response_code(ResponseCode::BADVERS).set_edns(edns);
        return (message, lookup);
    }
    lookup.kind = asked.query_type().to_string();
    if question.op_code() != OpCode::Query || asked.query_class() != DNSClass::IN {
        message.set_response_code(ResponseCode::NotImp);
        return (message, lookup);
    }
    let plain = plain(asked.name());
    lookup.name = plain.clone().unwrap_or_else(|| asked.name().to_ascii().chars().take(256).collect());
    lookup.outcome = match &plain {
        None => Outcome::NotAName,
        Some(name) => decide(name, asked.query_type(), rules, names, now),
    };
    if matches!(lookup.outcome, Outcome::Address(_) | Outcome::Empty | Outcome::NoLease(_)) {
        lookup.rule = plain.as_deref().and_then(|name| rules.names(name)).map(OriginId);
    }
    match &lookup.outcome {
        Outcome::Address(address) => {
            let record = Record::from_rdata(asked.name().clone(), TTL_SECONDS, RData::A(A(*address)));
            message.add_answer(record);
        }
        Outcome::Pointer(name) => {
            if let Ok(name) = Name::from_ascii(format!("{name}.")) {
                let pointer = RData::PTR(PTR(name));
                message.add_answer(Record::from_rdata(asked.name().clone(), TTL_SECONDS, pointer));
            }
        }
        Outcome::Empty => {
            message.add_name_server(authority(asked.name()));
        }
        Outcome::NoRule | Outcome::NotAName | Outcome::NoPointer => {
            message.set_response_code(ResponseCode::NXDomain).add_name_server(authority(asked.name()));
        }
        Outcome::NoLease(_) => {
            message.set_response_code(ResponseCode::ServFail);
        }
        Outcome::Malformed => {
            message.set_response_code(ResponseCode::FormErr);
        }
    }
    if question.extensions().is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD_BYTES).set_version(0);
        if let Some((code, text)) = extended(&lookup) {
            let text = text.get(..EDE_TEXT_BYTES_MAX).unwrap_or(&text);
            let content = [&code.to_be_bytes(), text.as_bytes()].concat();
            *edns.options_mut() = OPT::new(vec![(
                hickory_proto::rr::rdata::opt::EdnsCode::Unknown(EDE_OPTION),
                EdnsOption::Unknown(EDE_OPTION, content),
            )]);
        }
        message.set_edns(edns);
    }
    (message, lookup)
}

/// Why there is no address, in words (RFC 8914).
fn extended(lookup: &Lookup) -> Option<(u16, String)> {
    let name = &lookup.name;
    Some(match &lookup.outcome {
        Outcome::NoRule => (EDE_BLOCKED, format!("no rule of the sandbox's policy names {name}")),
        Outcome::NotAName => (EDE_BLOCKED, "no rule of the sandbox's policy can name this".to_owned()),
        Outcome::NoPointer => (EDE_BLOCKED, "no name of the sandbox's policy has this address".to_owned()),
        Outcome::NoLease(NoLease::Full) => (EDE_OTHER, "the sandbox has no address left".to_owned()),
        Outcome::NoLease(NoLease::Rate(wait)) => {
            (EDE_OTHER, format!("too many new names in the sandbox; ask again in {} s", wait.as_secs() + 1))
        }
        Outcome::Address(_) | Outcome::Pointer(_) | Outcome::Empty | Outcome::Malformed => return None,
    })
}

fn decide(name: &str, kind: RecordType, rules: &Rules, names: &mut Names, now: Instant) -> Outcome {
    if let Some(address) = reversed(name) {
        return match address.and_then(|address| names.name(address)) {
            None => Outcome::NoPointer,
            Some(name) if matches!(kind, RecordType::PTR | RecordType::ANY) => {
                Outcome::Pointer(name.to_owned())
            }
            Some(_) => Outcome::Empty,
        };
    }
    let is_host = HOST_NAMES.contains(&name) && rules.knows_host();
    if !is_host && !rules.knows(name) {
        return Outcome::NoRule;
    }
    match kind {
        // RFC 8482: whoever asks for everything gets what there is.
        RecordType::A | RecordType::ANY if is_host => Outcome::Address(Ipv4Addr::from(HOST_V4)),
        RecordType::A | RecordType::ANY => {
            names.address(name, now).map_or_else(Outcome::NoLease, Outcome::Address)
        }
        _ => Outcome::Empty,
    }
}

/// Of a name of an address (RFC 1035, 3.5; RFC 3596, 2.5), which no rule names: the address, where it can be one of inside.
fn reversed(name: &str) -> Option<Option<Ipv4Addr>> {
    if name.ends_with(".ip6.arpa") {
        return Some(None);
    }
    let labels: Vec<&str> = name.strip_suffix(".in-addr.arpa")?.rsplit('.').collect();
    Some(labels.join(".").parse().ok())
}

/// The canonical form of a name on the wire; `None` if it can't be dialled.
///
/// Labels are bytes there: one with a dot, a NUL or a letter beyond ASCII in it must not be mistaken for a name that
/// merely looks like it.
fn plain(name: &Name) -> Option<String> {
    let mut text = String::new();
    for label in name.iter() {
        if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    }
    match msb_host::parse(&text) {
        Ok(Host::Name(plain)) if plain == text => Some(text),
        _ => None,
    }
}

/// Who says so, and that it may be remembered for a second only (RFC 2308): a lease may come later.
fn authority(asked: &Name) -> Record {
    let root = Name::root();
    Record::from_rdata(asked.clone(), 1, RData::SOA(SOA::new(root.clone(), root, 1, 3600, 600, 86400, 1)))
}

#[cfg(test)]
#[path = "tests/dns.rs"]
mod tests;
