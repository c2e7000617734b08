//! Which address each name has inside.

use crate::Error;
use msb_host::Host;
use msb_plan::network::FIXED;
use msb_policy::{NetKind, NetRule, Peer};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The first of the addresses that names have; those below are for the gateway, the sandbox and the host.
const FIRST: u32 = (FIXED[0] as u32) << 24 | (FIXED[1] as u32) << 16 | 256;
/// How many there are: 198.18.1.0 to 198.18.255.255.
const COUNT: usize = 0x1_0000 - 256;

/// The addresses of exact names and of hosts that launch gives, in the order of the alphabet: the same policy gives
/// the same addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    names: BTreeMap<String, Ipv4Addr>,
    params: BTreeMap<usize, Ipv4Addr>,
}

impl Addresses {
    /// Gives one to each name and parameter of `rules`.
    ///
    /// # Errors
    /// When there are more than addresses.
    pub fn of(rules: &[NetRule]) -> Result<Addresses, Error> {
        let peers = || {
            rules.iter().filter_map(|rule| match &rule.kind {
                NetKind::Allow { endpoint, .. } | NetKind::Deny(endpoint) => Some(&endpoint.peer),
                NetKind::Listen(_) | NetKind::Total(_) => None,
            })
        };
        let names: BTreeSet<&String> = peers()
            .filter_map(|peer| match peer {
                Peer::Host(Host::Name(name)) => Some(name),
                _ => None,
            })
            .collect();
        let params: BTreeSet<usize> = peers()
            .filter_map(|peer| match peer {
                Peer::Param(index) => Some(*index),
                _ => None,
            })
            .collect();
        let count = names.len() + params.len();
        if count > COUNT {
            return Err(Error::Names { count });
        }
        let mut free = (FIRST..).map(Ipv4Addr::from);
        Ok(Addresses {
            params: params.into_iter().zip(free.by_ref()).collect(),
            names: names.into_iter().cloned().zip(free).collect(),
        })
    }

    /// The address of a name.
    #[must_use]
    pub fn name(&self, name: &str) -> Option<Ipv4Addr> {
        self.names.get(name).copied()
    }

    /// The address of the host that a parameter names.
    #[must_use]
    pub fn param(&self, index: usize) -> Option<Ipv4Addr> {
        self.params.get(&index).copied()
    }

    /// Every name and its address.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, Ipv4Addr)> {
        self.names.iter().map(|(name, address)| (name.as_str(), *address))
    }

    /// Every parameter and its address.
    pub(crate) fn params(&self) -> impl Iterator<Item = (usize, Ipv4Addr)> {
        self.params.iter().map(|(index, address)| (*index, *address))
    }
}
