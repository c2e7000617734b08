//! A picture of what a policy allows, for people who have not seen the language.
//!
//! [`svg`] draws the program in the middle of what it can reach: files on the left, network and tools on
//! the right, limits, system calls and variables below. Words are plain English. The policy's own rules are
//! drawn first; those that profiles and parents bring stand below, under their names. Everything that a policy
//! grants is in the picture, because what is left out would look denied.

mod draw;
mod picture;
mod words;

use msb_diag::Sources;
use msb_resolve::Resolved;

/// The picture as SVG 1.1, without scripts and without references to anything outside of it.
#[must_use]
pub fn svg(resolved: &Resolved, sources: &Sources) -> String {
    draw::draw(&picture::picture(resolved, sources))
}

#[cfg(test)]
mod tests;
