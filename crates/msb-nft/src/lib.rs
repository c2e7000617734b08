//! Network rules to nf_tables: what the kernel refuses at once, and what it steers to the gateway.
//!
//! [`compile`] works out, for each address and port, whether any rule can allow a connection (`reach`), writes that as
//! sets of disjoint boxes and two short chains (`ruleset`), and encodes them as the netlink messages of one batch
//! (`encode`). The launcher only sends the bytes. Names have addresses of their own inside ([`Addresses`]), so that the
//! sets hold names as well. nf_tables lets through what may be allowed; the gateway decides on all of it again.

mod addresses;
mod encode;
mod reach;
mod ruleset;

pub use addresses::Addresses;
pub use ruleset::Ruleset;

use msb_policy::{NetRule, OriginId};

/// A finished batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The messages, from the one that begins a batch to the one that ends it.
    pub bytes: Vec<u8>,
    /// From this offset on, up to the next one, bytes are there for this line.
    pub marks: Vec<(u32, OriginId)>,
    /// One more batch, to be sent after it where somebody wants to know what is refused
    /// ([`msb_plan::network::Gateway::refusals`]).
    pub refusals: Vec<u8>,
}

/// Why there is no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// More names than there are addresses for.
    Names {
        /// How many there are.
        count: usize,
    },
    /// More addresses and ports than one batch takes.
    TooLong {
        /// How long it would be.
        bytes: usize,
    },
}

/// The nf_tables rules of `rules`, which begin on the line `origin`.
#[must_use]
pub fn ruleset(rules: &[NetRule], addresses: &Addresses, origin: OriginId) -> Ruleset {
    Ruleset::new(rules, addresses, origin)
}

/// The same as the bytes that the kernel takes.
///
/// # Errors
/// When they are more than [`msb_plan::network::BATCH_BYTES_MAX`].
pub fn compile(rules: &[NetRule], addresses: &Addresses, origin: OriginId) -> Result<Batch, Error> {
    let batch = encode::batch(&ruleset(rules, addresses, origin));
    match batch.bytes.len() {
        bytes if bytes > msb_plan::network::BATCH_BYTES_MAX => Err(Error::TooLong { bytes }),
        _ => Ok(batch),
    }
}

#[cfg(test)]
mod tests;
