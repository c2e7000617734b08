//! What the event loop and the thread that reads requests have in common.

use crate::audit::{Decision, Log, Subject};
use crate::limits::{Holder, Limit, Meters};
use crate::names::Names;
use crate::needed;
use crate::rules::{Protocol, Refusal, RuleId, Rules, Target};
use crate::secret::Secret;
use msb_plan::OriginId;
use msb_plan::network::{GATEWAY_V4, HOST_V4, LEASED};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What decides, and what is counted.
#[derive(Debug)]
pub struct State {
    /// What the policy says.
    pub rules: Rules,
    /// What is left of its limits.
    pub meters: Meters,
    /// Names and their addresses inside.
    names: Mutex<Names>,
    /// Where decisions are written down.
    pub log: Log,
    /// Secrets, by the index that [`crate::rules::Allow::inject`] has.
    pub secrets: Vec<Option<Secret>>,
}

/// The sandbox's own and the gateway's IPv6 addresses: 2001:2::/48 (RFC 5180).
const OWN_RANGE_V6: u128 = 0x2001_0002_0000 << 80;

impl State {
    /// From its parts.
    #[must_use]
    pub fn new(rules: Rules, meters: Meters, names: Names, log: Log, secrets: Vec<Option<Secret>>) -> State {
        State { rules, meters, names: Mutex::new(names), log, secrets }
    }

    /// Names and their addresses inside.
    pub fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom a program means that dials `address`.
    ///
    /// # Errors
    /// Why nobody is there, in words.
    pub fn target(&self, address: IpAddr) -> Result<Target, &'static str> {
        match address.to_canonical() {
            IpAddr::V4(v4) if v4 == Ipv4Addr::from(HOST_V4) => Ok(Target::Loopback),
            IpAddr::V4(v4) if v4 == Ipv4Addr::from(GATEWAY_V4) => {
                Err("the gateway answers DNS and nothing else")
            }
            // 198.18.0.0/15, RFC 2544: names, and nothing that is anywhere else.
            IpAddr::V4(v4) if matches!(v4.octets(), [198, 18 | 19, ..]) => match self.names().name(v4) {
                Some(name) => Ok(Target::Name(name.to_owned())),
                None if v4.octets().starts_with(&LEASED) => Err("no name has this address any more"),
                None => Err("no name has this address"),
            },
            IpAddr::V6(v6) if is_own_range(v6) => Err("no name has this address"),
            other => Ok(Target::Address(other)),
        }
    }

    /// The line of a rule that allows.
    #[must_use]
    pub fn origin(&self, rule: RuleId) -> Option<OriginId> {
        self.rules.rule(rule).map(|rule| OriginId(rule.origin))
    }

    /// Writes down that the rules refuse a connection: what is spoken, with whom, and on which port.
    pub fn refused(
        &self,
        refusal: Refusal,
        (spoken, target, port): (Protocol, &Target, u16),
        mut more: Value,
    ) {
        let (origin, reason) = match refusal {
            Refusal::NoRule => (None, "no-rule"),
            Refusal::Rule(origin) => (Some(OriginId(origin)), "deny-rule"),
        };
        set(&mut more, "reason", reason);
        if let Some(needed) = needed::connection(refusal, spoken, target, port) {
            set(&mut more, "needed", needed);
        }
        self.log.decided(Subject::Connection, Decision::Deny, origin, more);
    }

    /// Writes a refusal by a limit down.
    pub fn limited(&self, subject: Subject, (holder, limit): (Holder, Limit), mut more: Value) {
        let origin = match holder {
            Holder::Rule(rule) => self.origin(rule),
            Holder::Total(index) => self.rules.totals.get(index).map(|total| OriginId(total.origin)),
        };
        set(&mut more, "reason", word_of(limit));
        self.log.decided(subject, Decision::Deny, origin, more);
    }
}

fn is_own_range(address: Ipv6Addr) -> bool {
    u128::from(address) >> 80 == OWN_RANGE_V6 >> 80
}

/// The word of the language for a limit.
#[must_use]
pub const fn word_of(limit: Limit) -> &'static str {
    match limit {
        Limit::Rate(_) => "rate",
        Limit::Connections => "connections",
        Limit::Quota => "quota",
    }
}

/// What every line about a connection says.
#[must_use]
pub fn about(spoken: Protocol, target: &Target, port: u16) -> Value {
    json!({"protocol": spoken.word(), "target": target.to_string(), "port": port})
}

/// Adds to what a line says.
pub fn set(more: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(more) = more.as_object_mut() {
        more.insert(key.to_owned(), value.into());
    }
}

/// Keeps the address of a leased name with it while a connection to it lasts.
#[derive(Debug)]
pub struct Held {
    state: Arc<State>,
    address: Ipv4Addr,
}

impl Held {
    /// Holds `address` if it stands for a name.
    #[must_use]
    pub fn new(state: &Arc<State>, address: IpAddr) -> Option<Held> {
        let IpAddr::V4(address) = address.to_canonical() else { return None };
        if !address.octets().starts_with(&LEASED) {
            return None;
        }
        state.names().hold(address);
        Some(Held { state: Arc::clone(state), address })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.state.names().release(self.address);
    }
}
