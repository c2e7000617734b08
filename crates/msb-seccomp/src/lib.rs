//! Canonical policy to seccomp BPF, and an interpreter for it.
//!
//! One program decides everything: the architecture first, x32 numbers next, then a balanced tree over merged
//! ranges of numbers, whose leaves are short-circuit conditions with shared tails. Before a program is given
//! out it is held against [`Policy::decide`], which shares nothing with the emitter, on every number and on
//! the borders of every condition.

mod bpf;
mod error;
mod graph;
mod layout;
mod numbers;
mod rules;
mod trace;
mod verify;

pub use bpf::{Execution, Instruction, SeccompData, action, execute, run};
pub use error::{CompileError, Cost};
pub use trace::{TRACED_LENGTH_BYTES_MIN, traced};

use msb_policy::Policy;

/// `BPF_MAXINSNS` of linux/bpf_common.h: the kernel refuses a longer program.
pub const INSTRUCTIONS_MAX: usize = 4096;

/// What to compile besides the policy itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether every call that would fail, and those of [`traced`] that are allowed, are put to a supervisor
    /// (`SECCOMP_RET_USER_NOTIF`), which decides again and answers. What kills, kills.
    pub trace: bool,
}

/// A program that says of every call what the policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// From 1 to [`INSTRUCTIONS_MAX`]; the last one returns.
    pub instructions: Vec<Instruction>,
}

impl Program {
    /// The program as the kernel takes it: `struct sock_filter`, 8 bytes each, little endian.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.instructions.iter().flat_map(|instruction| instruction.bytes()).collect()
    }
}

/// Compiles the system call rules of `policy`.
///
/// # Errors
/// [`CompileError::TooLong`] where the kernel would refuse the length; [`CompileError::Differs`] where the
/// program does not say what the policy says, which is a mistake of this crate.
pub fn compile(policy: &Policy, options: Options) -> Result<Program, CompileError> {
    let (graph, root, costs) = numbers::graph(policy, options);
    let instructions = layout::lay_out(&graph, root);
    if instructions.len() > INSTRUCTIONS_MAX {
        return Err(CompileError::too_long(instructions.len(), costs));
    }
    verify::check(policy, options, &instructions)?;
    Ok(Program { instructions })
}

#[cfg(test)]
mod tests;
