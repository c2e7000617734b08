//! The binary plan: the only thing the compiler and the launcher share.
//!
//! A plan holds data, never behaviour. Decoding checks every limit, reference and path so that the
//! launcher can be short; the order in which sections are applied is the launcher's, so that no
//! plan can change it. [`encode`] writes a [`Plan`], [`decode`] gives a [`CheckedPlan`], the one
//! type that the launcher takes. [`event`] holds what the launcher reports back, [`handover`] what it says to
//! the gateway.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod check;
mod codec;
pub mod event;
pub mod handover;
mod label;
pub mod network;
mod plan;
pub mod signed;
mod wire;
mod wire_types;

pub use check::{CheckedPlan, Invalid, limit_range};
pub use codec::{DecodeError, EncodeError, FORMAT, HEADER_BYTES, MAGIC, checksum, decode, encode};
pub use label::{LABEL_BYTES_MAX, Label};
pub use plan::*;

#[cfg(test)]
mod tests;
