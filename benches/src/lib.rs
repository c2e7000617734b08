//! Launch-to-exit times of one static program under our launcher, under bubblewrap and over the floor.
//!
//! The floor (`c/floor.c`) makes the same namespaces and mounts and nothing else, so that a ratio to it says
//! what a launcher adds to the kernel's own cost. Cases run in a fresh random order each round: in a fixed
//! order the one before leaves its caches and its teardown to the next, which showed gaps of 270 µs that were
//! not there. Filters are compared by themselves, with those of other compilers for the same policy.

mod cases;
mod filters;
mod measure;
mod relay;

pub use cases::{Case, Cases, prepare};
pub use filters::{filters, policy};
pub use measure::{Measured, beside, measure, run_once, side_by_side};
pub use relay::relay;
