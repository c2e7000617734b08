use super::*;
use crate::rules::{Allow, Endpoint, Peer, Protocol, Total};
use proptest::prelude::*;
use std::thread;

const SECOND: Duration = Duration::from_secs(1);

fn rules(limits: Limits, total: Limits) -> Rules {
    let endpoint = Endpoint { protocol: Protocol::Tcp, peer: Peer::Any, ports: vec![(1, 65535)] };
    let rule = Allow { endpoint, only: None, inject: None, inspect: false, limits, origin: 1 };
    Rules {
        allow: vec![rule],
        deny: vec![],
        totals: vec![Total { limits: total, origin: 2 }],
        params: vec![],
    }
}

fn rate(count: u64, period_us: u64, burst: u64) -> Limits {
    Limits { rate: Some(Rate { count, period_us, burst }), ..Limits::default() }
}

const RULE: [RuleId; 1] = [RuleId(0)];

proptest! {
    /// However requests are spread, there are never more than the burst and what the time gives, and whoever always
    /// asks gets all of it.
    #[test]
    fn a_bucket_gives_what_its_rate_says(
        count in 1..1000_u64,
        period_us in 1..100_000_000_u64,
        burst in 1..50_u64,
        steps in prop::collection::vec(0..3_000_000_u64, 1..200),
    ) {
        let begun = Instant::now();
        let mut now = begun;
        let mut bucket = Bucket::new(Rate { count, period_us, burst }, begun);
        let mut given = 0_u128;
        for step in steps {
            now += Duration::from_micros(step);
            while bucket.take(now).is_ok() {
                given += 1;
            }
            let passed = (now - begun).as_nanos();
            let most = u128::from(burst) + passed * u128::from(count) / (u128::from(period_us) * 1000);
            prop_assert!(given <= most, "{given} of {most}");
        }
        // It says when there is one again, and then there is.
        if let Err(wait) = bucket.take(now) && wait < Duration::from_secs(24 * 3600) {
            prop_assert!(bucket.take(now + wait).is_ok());
        }
    }

    /// However many take part, in whatever pieces: never a byte more than the quota, and in the end all of it.
    #[test]
    fn a_quota_is_exact(quota in 0..200_000_u64, pieces in prop::collection::vec((1..5000_usize, 0..5000_usize), 400)) {
        let limits = Limits { both_bytes: Some(quota), ..Limits::default() };
        let meters = Meters::new(&rules(limits, Limits::default()), Instant::now());
        let shared = meters.quota(RuleId(0)).unwrap_or_else(|| panic!("no rule"));
        let taken: u64 = thread::scope(|scope| {
            let threads: Vec<_> = pieces
                .chunks(50)
                .map(|pieces| {
                    let quota = shared.clone();
                    scope.spawn(move || {
                        let mut taken = 0;
                        for (wanted, unused) in pieces {
                            let got = quota.reserve(Way::Up, *wanted);
                            let unused = (*unused).min(got);
                            quota.give_back(Way::Up, unused);
                            taken += (got - unused) as u64;
                        }
                        taken
                    })
                })
                .collect();
            threads.into_iter().map(|it| it.join().unwrap_or(u64::MAX)).sum()
        });
        prop_assert!(taken <= quota);
        let mut rest = 0;
        loop {
            match shared.reserve(Way::Down, 777) {
                0 => break,
                got => rest += got as u64,
            }
        }
        prop_assert_eq!(taken + rest, quota);
    }
}

#[test]
fn connections_leave_room_when_they_end() {
    let limits = Limits { connections: Some(2), ..Limits::default() };
    let now = Instant::now();
    let meters = Meters::new(&rules(Limits::default(), limits), now);
    let one = meters.admit(&RULE, Counted::Connection, now);
    let two = meters.admit(&RULE, Counted::Connection, now);
    assert!(one.is_ok() && two.is_ok());
    let third = meters.admit(&RULE, Counted::Connection, now).map(|_| ());
    assert_eq!(third, Err((Holder::Total(0), Limit::Connections)));
    drop(one);
    assert!(meters.admit(&RULE, Counted::Connection, now).is_ok());
}

#[test]
fn what_a_total_refuses_costs_the_rule_nothing() {
    let now = Instant::now();
    let meters = Meters::new(&rules(rate(1, 1_000_000, 2), rate(1, 1_000_000, 1)), now);
    assert!(meters.admit(&RULE, Counted::Connection, now).is_ok());
    let refused = meters.admit(&RULE, Counted::Connection, now).map(|_| ());
    assert!(matches!(refused, Err((Holder::Total(0), Limit::Rate(_)))));
    // A second later both have one: the rule's second was not taken by the refusal.
    assert!(meters.admit(&RULE, Counted::Connection, now + SECOND).is_ok());
}

#[test]
fn requests_are_counted_by_themselves() {
    let now = Instant::now();
    let meters = Meters::new(&rules(rate(1, 60_000_000, 2), Limits::default()), now);
    let pass = meters.admit(&RULE, Counted::Requests, now);
    assert!(pass.is_ok());
    assert!(meters.admit_request(&RULE, now).is_ok());
    assert!(meters.admit_request(&RULE, now).is_ok());
    assert!(matches!(meters.admit_request(&RULE, now), Err((Holder::Rule(_), Limit::Rate(_)))));
}

#[test]
fn a_quota_of_nothing_lets_nothing_in() {
    let now = Instant::now();
    let limits = Limits { down_bytes: Some(0), ..Limits::default() };
    let meters = Meters::new(&rules(Limits::default(), limits), now);
    let refused = meters.admit(&RULE, Counted::Connection, now).map(|_| ());
    assert_eq!(refused, Err((Holder::Total(0), Limit::Quota)));
    assert_eq!(meters.admit_request(&RULE, now), Err((Holder::Total(0), Limit::Quota)));
}
