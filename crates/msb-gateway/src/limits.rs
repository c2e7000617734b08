//! Rates, quotas and counts: what a rule allows of connections and bytes.
//!
//! A connection holds a [`Pass`], which counts it on its rule and on the whole policy and gives both back when it is
//! dropped. Bytes are reserved before they are read, so that a quota is exact to the byte whoever else reads at the
//! same time. The bucket counts in the smallest unit there is (time times rate), so that nothing is rounded away.

use crate::rules::{Limits, Rate, RuleId, Rules};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A token bucket: [`Rate::burst`] at once, then [`Rate::count`] in each [`Rate::period_us`].
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    /// Tokens, each worth one period in nanoseconds; filled by `count` each nanosecond.
    level: u128,
    filled: Instant,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: Rate, now: Instant) -> Bucket {
        Bucket { rate, level: Self::full(rate), filled: now }
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long until there is one; a day for a rate of nothing.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let token = Self::token(self.rate);
        let passed = now.saturating_duration_since(self.filled).as_nanos();
        self.level = (self.level + passed * u128::from(self.rate.count)).min(Self::full(self.rate));
        self.filled = self.filled.max(now);
        if token > 0 && self.level >= token {
            self.level -= token;
            return Ok(());
        }
        let missing = (token - self.level).div_ceil(u128::from(self.rate.count).max(1));
        let most = Duration::from_secs(24 * 3600);
        Err(u64::try_from(missing).map_or(most, Duration::from_nanos).min(most))
    }

    /// Gives one back.
    pub fn give_back(&mut self) {
        self.level = (self.level + Self::token(self.rate)).min(Self::full(self.rate));
    }

    fn token(rate: Rate) -> u128 {
        u128::from(rate.period_us.max(1)) * 1000
    }

    fn full(rate: Rate) -> u128 {
        if rate.count == 0 { 0 } else { u128::from(rate.burst.max(1)) * Self::token(rate) }
    }
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// They leave the sandbox.
    Up,
    /// They arrive.
    Down,
}

/// What is left of one rule's limits, or of the policy's.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    bucket: Option<Mutex<Bucket>>,
    up_left: AtomicU64,
    down_left: AtomicU64,
    both_left: AtomicU64,
    open: AtomicU32,
}

/// No limit: more than anybody sends.
const UNLIMITED: u64 = u64::MAX;

impl Meter {
    fn new(limits: Limits, now: Instant) -> Meter {
        Meter {
            limits,
            bucket: limits.rate.map(|rate| Mutex::new(Bucket::new(rate, now))),
            up_left: AtomicU64::new(limits.up_bytes.unwrap_or(UNLIMITED)),
            down_left: AtomicU64::new(limits.down_bytes.unwrap_or(UNLIMITED)),
            both_left: AtomicU64::new(limits.both_bytes.unwrap_or(UNLIMITED)),
            open: AtomicU32::new(0),
        }
    }

    fn take_token(&self, now: Instant) -> Result<(), Duration> {
        match &self.bucket {
            None => Ok(()),
            Some(bucket) => bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now),
        }
    }

    fn give_token_back(&self) {
        if let Some(bucket) = &self.bucket {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).give_back();
        }
    }

    fn enter(&self) -> bool {
        let most = self.limits.connections.unwrap_or(u32::MAX);
        let more = |open: u32| (open < most).then(|| open + 1);
        self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    fn leave(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    fn has_quota(&self) -> bool {
        self.limits.up_bytes.is_some() || self.limits.down_bytes.is_some() || self.limits.both_bytes.is_some()
    }

    fn left(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::Up => &self.up_left,
            Way::Down => &self.down_left,
        }
    }

    fn is_used_up(&self) -> bool {
        [&self.up_left, &self.down_left, &self.both_left].iter().any(|left| left.load(Ordering::Acquire) == 0)
    }
}

fn reserve(left: &AtomicU64, wanted: u64) -> u64 {
    let mut got = 0;
    let take = |have: u64| {
        got = have.min(wanted);
        Some(have - got)
    };
    // The closure always gives a value, so this always stores.
    let _ = left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
    got
}

/// Which limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Too many in this time; there is another one after so long.
    Rate(Duration),
    /// Too many connections at once.
    Connections,
    /// The bytes are used up.
    Quota,
}

/// Where a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// On this rule.
    Rule(RuleId),
    /// On the whole policy: an index into [`Rules::totals`].
    Total(usize),
}

/// The meters of all rules and of the policy.
#[derive(Debug)]
pub struct Meters {
    /// For each rule its own meter and then those of the policy.
    rules: Vec<Arc<[Arc<Meter>]>>,
    totals: Vec<Arc<Meter>>,
}

/// Whether a connection counts for the rate, or its requests do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The connection.
    Connection,
    /// Its requests, later.
    Requests,
}

impl Meters {
    /// Meters for `rules`, nothing used.
    #[must_use]
    pub fn new(rules: &Rules, now: Instant) -> Meters {
        let meter = |limits: &Limits| Arc::new(Meter::new(*limits, now));
        let totals: Vec<Arc<Meter>> = rules.totals.iter().map(|total| meter(&total.limits)).collect();
        let with_totals = |rule: &Limits| [meter(rule)].into_iter().chain(totals.iter().cloned()).collect();
        Meters { rules: rules.allow.iter().map(|rule| with_totals(&rule.limits)).collect(), totals }
    }

    /// Lets a connection in by the first of `rules` whose limits admit it.
    ///
    /// # Errors
    /// Which limit was met, of the policy or of the first rule.
    pub fn admit(
        &self,
        rules: &[RuleId],
        counted: Counted,
        now: Instant,
    ) -> Result<(RuleId, Pass), (Holder, Limit)> {
        let mut first = None;
        for id in rules {
            let Some(meters) = self.rules.get(id.0) else { continue };
            match Pass::enter(meters, counted, now) {
                Ok(pass) => return Ok((*id, pass)),
                Err((0, limit)) => first = first.or(Some((Holder::Rule(*id), limit))),
                Err((index, limit)) => return Err((Holder::Total(index - 1), limit)),
            }
        }
        Err(first.unwrap_or((Holder::Total(0), Limit::Connections)))
    }

    /// Lets a request in by the first of `rules` whose limits admit it.
    ///
    /// # Errors
    /// Which limit was met, of the policy or of the first rule.
    pub fn admit_request(&self, rules: &[RuleId], now: Instant) -> Result<RuleId, (Holder, Limit)> {
        if let Some(index) = self.totals.iter().position(|total| total.is_used_up()) {
            return Err((Holder::Total(index), Limit::Quota));
        }
        for (index, total) in self.totals.iter().enumerate() {
            if let Err(wait) = total.take_token(now) {
                self.totals.iter().take(index).for_each(|total| total.give_token_back());
                return Err((Holder::Total(index), Limit::Rate(wait)));
            }
        }
        let mut first = None;
        for id in rules {
            let Some(rule) = self.rules.get(id.0).and_then(|meters| meters.first()) else { continue };
            if rule.is_used_up() {
                first = first.or(Some((Holder::Rule(*id), Limit::Quota)));
                continue;
            }
            match rule.take_token(now) {
                Ok(()) => return Ok(*id),
                Err(wait) => first = first.or(Some((Holder::Rule(*id), Limit::Rate(wait)))),
            }
        }
        self.totals.iter().for_each(|total| total.give_token_back());
        Err(first.unwrap_or((Holder::Total(0), Limit::Quota)))
    }

    /// Whether `rule` has a quota of its own, beside those of the policy.
    #[must_use]
    pub fn has_own_quota(&self, rule: RuleId) -> bool {
        self.rules.get(rule.0).and_then(|meters| meters.first()).is_some_and(|own| own.has_quota())
    }

    /// Counts a connection for `rule`, too, when it has come in by another one and carries this rule's requests.
    ///
    /// # Errors
    /// When it has as many as it may.
    pub fn join(&self, rule: RuleId) -> Result<Joined, (Holder, Limit)> {
        let full = (Holder::Rule(rule), Limit::Connections);
        let own = self.rules.get(rule.0).and_then(|meters| meters.first()).ok_or(full)?;
        if own.enter() { Ok(Joined(Arc::clone(own))) } else { Err(full) }
    }

    /// The bytes of `rule`, for a connection that is already counted.
    #[must_use]
    pub fn quota(&self, rule: RuleId) -> Option<Quota> {
        self.rules.get(rule.0).map(|meters| Quota { meters: Arc::clone(meters) })
    }
}

/// What is left to send and receive.
#[derive(Debug, Clone)]
pub struct Quota {
    meters: Arc<[Arc<Meter>]>,
}

impl Quota {
    /// Whether there is any limit at all; without one nothing needs reserving.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.meters.iter().any(|meter| meter.has_quota())
    }

    /// Sets bytes aside before they are read: at most `wanted`, 0 when the quota is used up.
    #[must_use]
    pub fn reserve(&self, way: Way, wanted: usize) -> usize {
        let mut have = wanted as u64;
        let lefts = self.meters.iter().flat_map(|meter| [meter.left(way), &meter.both_left]);
        let mut taken: Vec<(&AtomicU64, u64)> = Vec::with_capacity(4);
        for left in lefts {
            let got = reserve(left, have);
            have = have.min(got);
            taken.push((left, got));
        }
        // What one of them gave and another did not goes back.
        for (left, got) in taken {
            if got > have {
                left.fetch_add(got - have, Ordering::AcqRel);
            }
        }
        usize::try_from(have).unwrap_or(wanted)
    }

    /// Gives back what was set aside and not read.
    pub fn give_back(&self, way: Way, unused: usize) {
        for left in self.meters.iter().flat_map(|meter| [meter.left(way), &meter.both_left]) {
            left.fetch_add(unused as u64, Ordering::AcqRel);
        }
    }
}

/// A connection that was let in. Dropping it makes room for another.
#[derive(Debug)]
pub struct Pass {
    quota: Quota,
}

impl Pass {
    /// The limits of one meter after the other; on an error, which meter, and nothing is taken.
    fn enter(meters: &Arc<[Arc<Meter>]>, counted: Counted, now: Instant) -> Result<Pass, (usize, Limit)> {
        for (index, meter) in meters.iter().enumerate() {
            let undo = || meters.iter().take(index).for_each(|meter| meter.leave());
            if meter.is_used_up() {
                undo();
                return Err((index, Limit::Quota));
            }
            if !meter.enter() {
                undo();
                return Err((index, Limit::Connections));
            }
        }
        // From here on dropping it undoes what was entered.
        let pass = Pass { quota: Quota { meters: Arc::clone(meters) } };
        if counted == Counted::Connection {
            for (index, meter) in meters.iter().enumerate() {
                if let Err(wait) = meter.take_token(now) {
                    meters.iter().take(index).for_each(|meter| meter.give_token_back());
                    return Err((index, Limit::Rate(wait)));
                }
            }
        }
        Ok(pass)
    }

    /// The bytes that it may send and receive.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.quota
    }
}

/// A rule that a connection counts for besides. Dropping it makes room for another.
#[derive(Debug)]
pub struct Joined(Arc<Meter>);

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.quota.meters.iter().for_each(|meter| meter.leave());
    }
}

#[cfg(test)]
#[path = "tests/limits.rs"]
mod tests;
