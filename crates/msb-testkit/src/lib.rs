//! What tests that meet the kernel share: accounts, workspaces, canaries of the host, and the probes of the
//! security checklist with the harness that runs them.
//!
//! A probe (`probes/`, Python's standard library alone) runs inside the sandbox and really tries the forbidden
//! thing; what it needs to know of the host comes from here. Everything that is set up is removed on drop.
//! The helpers panic when they can't do their work: they are tests' code, and a test that could not be set up
//! has failed.

mod account;
mod battery;
mod binaries;
mod canary;
mod checklist;
mod libseccomp;
mod process;
mod screen;
mod skip;
mod workspace;
mod world;

pub use account::{Account, accounts};
pub use battery::{Battery, Finding, Verdict};
pub use binaries::{Binaries, binaries};
pub use canary::{Canary, Visits};
pub use checklist::{Expected, Level, Row, checklist, probe_ids, probes_dir};
pub use libseccomp::Libseccomp;
pub use process::{Ended, finish, finish_with_file, finish_with_input, wait_until};
pub use screen::{Screen, descendants};
pub use skip::{Need, skip};
pub use workspace::{Workspace, run_confined};
pub use world::{World, check_inside, has};
