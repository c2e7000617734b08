//! Host names and addresses in one canonical form.
//!
//! Whoever decides about a host must see what whoever dials it sees: one spelling, whether it was written in
//! capitals, with a dot at its end, as Unicode or as punycode. Spellings of addresses that only some programs
//! understand (`0177.1`, `2130706433`) are refused, and never taken for names.

mod name;
mod network;

pub use name::{BadHost, Host, confusable, is_public_suffix, mixed_scripts, parse};
pub use network::{BadNetwork, Kind, METADATA, METADATA_NAMES, Network, borders, kind};

#[cfg(test)]
mod tests;
