//! The intermediate representation: one canonical effective policy, without syntax.
//!
//! Everything that emits (mounts, BPF, limits) reads a [`Policy`]; [`decide`](Policy::decide) answers
//! requests in plain code, shares nothing with the emitters, and is what they are tested against.
//! Three laws hold: what nothing allows is denied, a deny overrides every allow, and the order of
//! rules means nothing.

mod calls;
mod canonical;
mod cube;
mod decide;
mod difference;
mod ir;
mod names;
mod narrow;
mod narrow_tools;
mod net;
mod open;
mod path;
mod places;
mod pred;
mod publish;
mod request;
mod search;
mod terms;
mod tool;

pub use calls::Calls;
pub use decide::{Decision, Depth, Precedence, Request};
pub use difference::{Witness, difference, otherwise, widening};
pub use ir::*;
pub use narrow::{By, ToolWider, Widening, Wider};
pub use net::*;
pub use open::{Below, Files, Open};
pub use places::{Access, FILES_OF_GIT, GENERATED_FILES, Places, Reason, Verdict};
pub use pred::Solution;
pub use publish::{LOOPBACK, Publish, Published, is_loopback};
pub use request::HttpRequest;
pub use search::Search;
pub use tool::{
    Covers, PATTERN_BYTES_MAX, Refusal, Tool, ToolParam, ToolSandbox, ToolType, Value, Word, pattern,
};

#[cfg(test)]
mod tests;
