//! Event and plan in, text out.

mod failures;
mod fixture;
mod limits;
mod table;
