//! The grammar, a file for each part; `policy-lang/grammar/msb.ebnf` has the same rules on one page.
//!
//! One token of look-ahead decides everywhere, so no rule is tried twice over more than a token.

mod claim;
mod fragment;
mod fs;
mod item;
mod net;
mod statement;
mod syscalls;
mod tool;
mod value;
mod words;

pub(crate) use claim::request;
pub use fragment::{Fragment, Read};
pub(crate) use fs::VERBS;
pub(crate) use item::file;
pub(crate) use net::{METHODS, PROTOCOLS};
pub use words::{Words, words};
