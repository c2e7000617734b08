//! Reads the examples out of Markdown, so that a test can run them.
//!
//! Three kinds of fenced block are examples, told by the first word of the info string: `console` is a
//! transcript whose `$ ` lines are run and whose other lines are what they print, `console node` one that needs Node.js; `msb accept` and
//! `msb reject CODE` are policies that the compiler takes, or refuses with this code; in any language, `file=NAME`
//! is a file that later commands of the page find under this name. Everything else is for reading only.

mod block;
mod transcript;

pub use block::{Block, Example, blocks};
pub use transcript::{Step, matches, steps};
