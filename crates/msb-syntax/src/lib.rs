//! Text to tokens to tree, with recovery: nom lives here alone.
//!
//! [`parse`] never fails: it gives a tree of what it understood and a diagnostic for what it did not.

pub mod ast;
