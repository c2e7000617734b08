//! Canonical policy in, plan out.

mod fixture;
mod mounts;
mod order;
mod sections;
