//! The language server: what editors ask about policies, answered by the compiler itself.
//!
//! Every answer is computed from the text as it is in the editor; nothing is kept but the texts. The
//! protocol's objects are few enough to be written as JSON by hand (LSP 3.17). What lies outside, files
//! and where standard profiles can be shown, comes in through [`Host`].

mod analysis;
mod answers;
mod complete;
mod folding;
mod hover;
mod names;
mod occurrences;
mod place;
mod rename;
mod server;
mod site;
mod words;

pub use server::serve;

use msb_compile::Files;

/// What the server needs of the world.
pub trait Host: Files {
    /// A file with `text`, the standard profile `std.NAME`, that an editor can open; `None` where there is
    /// no place for one.
    fn standard(&self, name: &str, text: &str) -> Option<String>;
}

#[cfg(test)]
mod protocol_tests;
#[cfg(test)]
mod rename_tests;
#[cfg(test)]
mod tests;
