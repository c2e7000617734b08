//! What a run report says of the network: counts for each line of the policy, and what was refused.

use crate::audit::{Decision, Subject};
use msb_plan::event::{Counted, Denied, Traffic, encode_counted};
use msb_plan::handover::REPORT_BYTES_MAX;
use msb_plan::{Label, OriginId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Refusals that are told apart; those beyond are counted together.
const DENIED_KINDS_MAX: usize = 64;

/// Why there is no more to say of some refusals.
pub const UNLISTED: &str = "too-many-to-list";

/// Counts of a run.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: Traffic,
    rules: BTreeMap<u16, Traffic>,
    denied: BTreeMap<Kind, u64>,
}

/// What refusals have in common that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    subject: &'static str,
    target: String,
    port: u16,
    reason: String,
    origin: Option<u16>,
}

impl Tally {
    /// Counts a decision; `more` is what the log says about it.
    pub fn decided(&self, subject: Subject, decision: Decision, rule: Option<OriginId>, more: &Value) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *count(&mut counts.all, subject, decision) += 1;
        if let Some(rule) = rule {
            *count(counts.rules.entry(rule.0).or_default(), subject, decision) += 1;
        }
        if decision == Decision::Deny {
            counts.deny(subject, rule, more);
        }
    }

    /// Counts what the kernel refused so often that it was not looked at.
    pub fn unlisted(&self, times: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all.connections_denied += times;
        let subject = Subject::Connection.word();
        let kind =
            Kind { subject, target: String::new(), port: 0, reason: UNLISTED.to_owned(), origin: None };
        *counts.denied.entry(kind).or_default() += times;
    }

    /// Counts the bytes of a connection.
    pub fn ended(&self, rule: Option<OriginId>, up_bytes: u64, down_bytes: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &mut *counts;
        let rule = rule.map(|rule| counts.rules.entry(rule.0).or_default());
        for traffic in rule.into_iter().chain([&mut counts.all]) {
            traffic.up_bytes += up_bytes;
            traffic.down_bytes += down_bytes;
        }
    }

    /// All that was counted.
    #[must_use]
    pub fn all(&self) -> Traffic {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// What was counted as events of the launcher's report, the totals last; `audit` is how many lines the log has, and
    /// the digest of the last.
    #[must_use]
    pub fn events(&self, (audit_lines, audit_sha256): (u64, &str)) -> Vec<Counted> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = counts.rules.iter();
        let rules = rules.map(|(origin, it)| Counted::Rule { origin: OriginId(*origin), traffic: *it });
        let denied = counts.denied.iter().map(|(kind, times)| {
            Counted::Denied(Denied {
                subject: Label::of(kind.subject),
                target: Label::of(&kind.target),
                port: kind.port,
                reason: Label::of(&kind.reason),
                times: *times,
                origin: kind.origin.map(OriginId),
            })
        });
        let all = Counted::All { traffic: counts.all, audit_lines, audit_sha256: Label::of(audit_sha256) };
        rules.chain(denied).chain([all]).collect()
    }

    /// The same in both forms that the launcher passes on (`msb_plan::handover`); `origins` are the lines of the policy.
    /// Where not all of it has room, the totals do.
    #[must_use]
    pub fn report(&self, audit: (u64, &str), origins: &[Value]) -> Vec<u8> {
        let mut forms: Vec<(String, Vec<u8>)> = self
            .events(audit)
            .iter()
            .map(|event| (format!("{}\n", json(event, origins)), encode_counted(event)))
            .collect();
        let mut bytes = 4;
        // Taken from the end, where the totals are.
        let mut kept = 0;
        for (json, event) in forms.iter().rev() {
            bytes += json.len() + event.len();
            if bytes > REPORT_BYTES_MAX {
                break;
            }
            kept += 1;
        }
        let forms = forms.split_off(forms.len() - kept);
        let json: Vec<u8> = forms.iter().flat_map(|(json, _)| json.bytes()).collect();
        let events = forms.iter().flat_map(|(_, event)| event.iter().copied());
        let length = u32::try_from(json.len()).unwrap_or(0).to_le_bytes();
        length.into_iter().chain(json.iter().copied()).chain(events).collect()
    }
}

/// An event as msb-report has it, as far as it needs no words.
fn json(event: &Counted, origins: &[Value]) -> Value {
    let line = |origin: Option<OriginId>| origin.and_then(|it| origins.get(usize::from(it.0)));
    match *event {
        Counted::Rule { origin, ref traffic } => {
            counted(json!({"event": "network-rule", "origin": line(Some(origin))}), traffic)
        }
        Counted::Denied(ref denied) => json!({
            "event": "network-denied",
            "subject": denied.subject.as_str(),
            "target": denied.target.as_str(),
            "port": (denied.port != 0).then_some(denied.port),
            "reason": denied.reason.as_str(),
            "times": denied.times,
            "origin": line(denied.origin),
        }),
        Counted::All { ref traffic, audit_lines, ref audit_sha256 } => {
            let has_log = audit_lines > 0;
            let audit = json!({
                "event": "network",
                "audit_lines": has_log.then_some(audit_lines),
                "audit_sha256": has_log.then_some(audit_sha256.as_str()),
            });
            counted(audit, traffic)
        }
    }
}

fn counted(mut object: Value, traffic: &Traffic) -> Value {
    for (name, count) in traffic.each() {
        object[name] = json!(count);
    }
    object
}

impl Counts {
    fn deny(&mut self, subject: Subject, rule: Option<OriginId>, more: &Value) {
        let text = |key: &str| more.get(key).and_then(Value::as_str).unwrap_or_default();
        let target = if text("target").is_empty() { text("name") } else { text("target") };
        let port = more.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let mut kind = Kind {
            subject: subject.word(),
            // As much as an event has room for: what differs beyond is counted together.
            target: Label::of(target).as_str().to_owned(),
            port: port.unwrap_or(0),
            reason: Label::of(text("reason")).as_str().to_owned(),
            origin: rule.map(|rule| rule.0),
        };
        if self.denied.len() >= DENIED_KINDS_MAX && !self.denied.contains_key(&kind) {
            kind = Kind { target: String::new(), port: 0, reason: "others".to_owned(), origin: None, ..kind };
        }
        *self.denied.entry(kind).or_default() += 1;
    }
}

fn count(traffic: &mut Traffic, subject: Subject, decision: Decision) -> &mut u64 {
    match (subject, decision) {
        (Subject::Lookup, Decision::Allow) => &mut traffic.lookups,
        (Subject::Lookup, Decision::Deny) => &mut traffic.lookups_denied,
        (Subject::Connection, Decision::Allow) => &mut traffic.connections,
        (Subject::Connection, Decision::Deny) => &mut traffic.connections_denied,
        (Subject::Request, Decision::Allow) => &mut traffic.requests,
        (Subject::Request, Decision::Deny) => &mut traffic.requests_denied,
    }
}

#[cfg(test)]
#[path = "tests/tally.rs"]
mod tests;
