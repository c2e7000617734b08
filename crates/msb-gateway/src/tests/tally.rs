use super::*;
use msb_plan::event::decode_counted;
use serde_json::json;

fn read(bytes: &[u8]) -> Vec<Counted> {
    let (length, rest) = bytes.split_first_chunk::<4>().expect("a length");
    let (json, mut rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let lines = json.strip_suffix(b"\n").expect("lines").split(|byte| *byte == b'\n');
    let lines: Vec<Value> = lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect();
    let mut events = Vec::new();
    while let Some((event, left)) = decode_counted(rest) {
        events.push(event);
        rest = left;
    }
    assert_eq!(rest, b"", "whole events");
    assert_eq!(lines.len(), events.len());
    assert!(lines.iter().all(|line| line["event"].as_str().is_some_and(|it| it.starts_with("network"))));
    events
}

#[test]
fn counts_are_those_of_each_line_and_of_all() {
    let tally = Tally::default();
    let rule = Some(OriginId(3));
    tally.decided(Subject::Connection, Decision::Allow, rule, &json!({"target": "a.example", "port": 443}));
    tally.decided(Subject::Request, Decision::Allow, rule, &json!({}));
    tally.ended(rule, 10, 20);
    tally.ended(None, 1, 2);
    for _ in 0..2 {
        let more = json!({"target": "10.0.0.1", "port": 80, "reason": "no-rule"});
        tally.decided(Subject::Connection, Decision::Deny, None, &more);
    }
    tally.decided(Subject::Lookup, Decision::Deny, None, &json!({"name": "b.example", "reason": "no-rule"}));
    let of_rule = Traffic { connections: 1, requests: 1, up_bytes: 10, down_bytes: 20, ..Traffic::default() };
    let all = Traffic { lookups_denied: 1, connections_denied: 2, up_bytes: 11, down_bytes: 22, ..of_rule };
    let denied = |subject, target, port, times| {
        let [subject, target, reason] = [subject, target, "no-rule"].map(Label::of);
        Counted::Denied(Denied { subject, target, port, reason, times, origin: None })
    };
    let expected = [
        Counted::Rule { origin: OriginId(3), traffic: of_rule },
        denied("connection", "10.0.0.1", 80, 2),
        denied("lookup", "b.example", 0, 1),
        Counted::All { traffic: all, audit_lines: 7, audit_sha256: Label::of("abc") },
    ];
    assert_eq!(tally.events((7, "abc")), expected);
    assert_eq!(read(&tally.report((7, "abc"), &[])), expected);
}

/// Whoever is refused chooses what is counted: it stays small.
#[test]
fn refusals_beyond_a_number_are_counted_together() {
    let tally = Tally::default();
    for index in 0..1000 {
        let name = format!("{index}.{}.example", "x".repeat(100));
        tally.decided(Subject::Lookup, Decision::Deny, None, &json!({"name": name, "reason": "no-rule"}));
    }
    let events = tally.events((0, ""));
    assert!(events.len() <= DENIED_KINDS_MAX + 2, "{}", events.len());
    let times = |event: &Counted| match event {
        Counted::Denied(denied) => denied.times,
        _ => 0,
    };
    assert_eq!(events.iter().map(times).sum::<u64>(), 1000);
}

#[test]
fn a_report_has_a_bound_and_ends_with_the_totals() {
    let tally = Tally::default();
    for origin in 0..20_000 {
        tally.ended(Some(OriginId(origin)), u64::MAX >> 20, u64::MAX >> 20);
    }
    let bytes = tally.report((u64::MAX, &"f".repeat(64)), &[]);
    assert!(bytes.len() <= REPORT_BYTES_MAX);
    assert!(matches!(read(&bytes).last(), Some(Counted::All { audit_lines: u64::MAX, .. })));
}
