//! Synthetic addresses: what a name is inside, where no real address is ever seen.
//!
//! An exact name of the policy has an address that the compiler gave it. A name that only a pattern covers is given
//! one when it is looked up, for as long as somebody may still dial it: while a connection holds it, and for
//! [`LEASE_MIN`] after each answer. Looking names up is a way to tell the world something only if they are dialled,
//! and how many are new in a minute is bounded.

use crate::limits::Bucket;
use crate::rules::Rate;
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// How long an answer may be used, in seconds; also what DNS answers say (RFC 1035, 3.2.1).
pub const TTL_SECONDS: u32 = 60;
/// How long a lease holds after it was last given out: several times what the answer said, for programs that keep
/// addresses for longer.
pub const LEASE_MIN: Duration = Duration::from_secs(5 * TTL_SECONDS as u64);
/// Names that were not looked up before, covered by a pattern only.
pub const NEW_NAMES: Rate = Rate { count: 120, period_us: 60_000_000, burst: 512 };

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLease {
    /// Every address of the range is in use.
    Full,
    /// Too many new names; there may be another one after so long.
    Rate(Duration),
}

/// Names and their synthetic addresses, both ways.
#[derive(Debug)]
pub struct Names {
    fixed: HashMap<String, Ipv4Addr>,
    fixed_back: HashMap<Ipv4Addr, String>,
    leases: HashMap<String, Lease>,
    leases_back: HashMap<Ipv4Addr, String>,
    /// Leases by age of their last answer, so that the oldest is found.
    by_age: BTreeMap<u64, Ipv4Addr>,
    age: u64,
    first: u32,
    count: u32,
    /// How many addresses of the range were ever given out.
    used: u32,
    bucket: Bucket,
}

#[derive(Debug)]
struct Lease {
    address: Ipv4Addr,
    answered: Instant,
    age: u64,
    connections: u32,
}

impl Names {
    /// `fixed` names with their addresses, and the range from `first` with `count` addresses for others.
    #[must_use]
    pub fn new(fixed: Vec<(String, Ipv4Addr)>, first: Ipv4Addr, count: u32, now: Instant) -> Names {
        let fixed_back = fixed.iter().map(|(name, address)| (*address, name.clone())).collect();
        Names {
            fixed: fixed.into_iter().collect(),
            fixed_back,
            leases: HashMap::new(),
            leases_back: HashMap::new(),
            by_age: BTreeMap::new(),
            age: 0,
            first: u32::from(first),
            count,
            used: 0,
            bucket: Bucket::new(NEW_NAMES, now),
        }
    }

    /// The address of a name that the compiler gave one.
    #[must_use]
    pub fn fixed(&self, name: &str) -> Option<Ipv4Addr> {
        self.fixed.get(name).copied()
    }

    /// The address of `name`, which a rule covers; a new one if it has none.
    ///
    /// # Errors
    /// Why there is none.
    pub fn address(&mut self, name: &str, now: Instant) -> Result<Ipv4Addr, NoLease> {
        if let Some(address) = self.fixed(name) {
            return Ok(address);
        }
        self.age += 1;
        if let Some(lease) = self.leases.get_mut(name) {
            self.by_age.remove(&lease.age);
            lease.age = self.age;
            lease.answered = now;
            self.by_age.insert(self.age, lease.address);
            return Ok(lease.address);
        }
        self.bucket.take(now).map_err(NoLease::Rate)?;
        let Some(address) = self.unused(now) else {
            self.bucket.give_back();
            return Err(NoLease::Full);
        };
        self.by_age.insert(self.age, address);
        self.leases_back.insert(address, name.to_owned());
        let lease = Lease { address, answered: now, age: self.age, connections: 0 };
        self.leases.insert(name.to_owned(), lease);
        Ok(address)
    }

    /// An address that nobody has, or that was not asked for in a while and is not connected.
    fn unused(&mut self, now: Instant) -> Option<Ipv4Addr> {
        if self.used < self.count {
            let address = Ipv4Addr::from(self.first.checked_add(self.used)?);
            self.used += 1;
            return Some(address);
        }
        let free = |address: &Ipv4Addr| {
            let lease = self.leases_back.get(address).and_then(|name| self.leases.get(name));
            lease.is_some_and(|lease| {
                lease.connections == 0 && now.saturating_duration_since(lease.answered) >= LEASE_MIN
            })
        };
        // Ages rise with the time of the last answer: behind the first that is too young there is none.
        let old = self.by_age.iter().take_while(|(_, address)| {
            let lease = self.leases_back.get(*address).and_then(|name| self.leases.get(name));
            lease.is_some_and(|lease| now.saturating_duration_since(lease.answered) >= LEASE_MIN)
        });
        let (age, address) = old.map(|(age, address)| (*age, *address)).find(|(_, address)| free(address))?;
        self.by_age.remove(&age);
        if let Some(name) = self.leases_back.remove(&address) {
            self.leases.remove(&name);
        }
        Some(address)
    }

    /// Whether `address` can only stand for a name.
    #[must_use]
    pub fn is_synthetic(&self, address: Ipv4Addr) -> bool {
        let number = u32::from(address);
        self.fixed_back.contains_key(&address)
            || (self.first..self.first.saturating_add(self.count)).contains(&number)
    }

    /// The name that `address` stands for.
    #[must_use]
    pub fn name(&self, address: Ipv4Addr) -> Option<&str> {
        self.fixed_back.get(&address).or_else(|| self.leases_back.get(&address)).map(String::as_str)
    }

    /// A connection to this address begins; the address stays with its name until [`Names::release`].
    pub fn hold(&mut self, address: Ipv4Addr) {
        if let Some(lease) = self.leases_back.get(&address).and_then(|name| self.leases.get_mut(name)) {
            lease.connections += 1;
        }
    }

    /// A connection to this address ended.
    pub fn release(&mut self, address: Ipv4Addr) {
        if let Some(lease) = self.leases_back.get(&address).and_then(|name| self.leases.get_mut(name)) {
            lease.connections = lease.connections.saturating_sub(1);
        }
    }

    /// How many names were given an address because a pattern covers them.
    #[must_use]
    pub fn leased(&self) -> usize {
        self.leases.len()
    }
}

#[cfg(test)]
#[path = "tests/names.rs"]
mod tests;
