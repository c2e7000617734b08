//! Safe wrappers of the Linux calls that a launcher needs and that rustix lacks.
//!
//! The only crate with `unsafe` in it. Everything here is no_std and makes system calls without a C
//! library, so that the launcher can be a static binary of a few pages; see
//! docs/adr/0001-no-std-launcher.md. What rustix has is used from rustix directly.
#![no_std]
#![allow(unsafe_code, reason = "the one crate that may")]

extern crate alloc;

mod arch;
pub mod at;
pub mod beside;
pub mod exec;
pub mod keyring;
pub mod landlock;
pub mod mount;
pub mod net;
pub mod notify;
pub mod poll;
pub mod process;
pub mod rights;
pub mod seccomp;
pub mod shared;
pub mod signal;
pub mod socket;
pub mod start;
pub mod terminal;

pub use rustix::io::Errno;

/// The result of a system call.
pub type Result<T> = core::result::Result<T, Errno>;
