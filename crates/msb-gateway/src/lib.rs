//! The process outside of a sandbox that decides every connection, lookup and request.
//!
//! Inside, nf_tables steers what a program sends to sockets that this process holds; it decides, resolves the real
//! address, dials from outside, and passes bytes on. A program needs no proxy and sees no difference, but for what it
//! may not reach. Start reading at [`engine`], which is the event loop, and [`rules`], which decides.

pub mod audit;
pub mod authority;
pub mod bind;
pub mod claims;
pub mod confine;
pub mod dns;
pub mod engine;
pub mod handover;
pub mod hello;
pub mod keystore;
pub mod limits;
pub mod names;
pub mod needed;
pub mod packet;
pub mod path;
pub mod reader;
pub mod refusals;
pub mod relay;
pub mod request;
pub mod resolve;
pub mod rules;
pub mod run;
pub mod secret;
pub mod socket;
pub mod state;
pub mod tally;
