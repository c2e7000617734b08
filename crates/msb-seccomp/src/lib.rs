//! Canonical policy to seccomp BPF, and an interpreter for it.
//!
//! One program decides everything: the architecture first, then a tree over merged ranges of numbers, the
//! shortest way to those that are looked at most, whose leaves are short-circuit conditions with shared tails. A program is given out only
//! with a proof that it says of every call what [`Policy::decide`] says; the proof shares nothing with the
//! emitter.

mod bpf;
mod error;
mod graph;
mod layout;
mod numbers;
mod proof;
mod rules;
mod trace;
mod tree;

pub use bpf::{Execution, Instruction, SeccompData, action, execute, run};
pub use error::{CompileError, Cost};
pub use proof::{Proof, Unproved, prove};
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
    /// What the proof went through.
    pub proof: Proof,
}

impl Program {
    /// Whether there is a call that it has somebody asked about.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.instructions.iter().any(|it| (it.code, it.k) == (bpf::code::RET, action::USER_NOTIF))
    }

    /// The program as the kernel takes it: `struct sock_filter`, 8 bytes each, little endian.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.instructions.iter().flat_map(|instruction| instruction.bytes()).collect()
    }
}

/// A pass of [`compile_observed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The policy was turned into a program.
    Program,
    /// The program was proved.
    Proof,
}

/// Compiles the system call rules of `policy`.
///
/// # Errors
/// [`CompileError::TooLong`] where the kernel would refuse the length; [`CompileError::Unproved`] where it was not
/// proved that the program says what the policy says, which is a mistake of this crate.
pub fn compile(policy: &Policy, options: Options) -> Result<Program, CompileError> {
    compile_observed(policy, options, &mut |_| ())
}

/// The same, and tells `done` after each pass.
///
/// # Errors
/// As [`compile`].
pub fn compile_observed(
    policy: &Policy,
    options: Options,
    done: &mut dyn FnMut(Pass),
) -> Result<Program, CompileError> {
    let (graph, root, costs) = numbers::graph(policy, options);
    let instructions = layout::lay_out(&graph, root);
    if instructions.len() > INSTRUCTIONS_MAX {
        return Err(CompileError::too_long(instructions.len(), costs));
    }
    done(Pass::Program);
    let proof = prove(policy, options, &instructions).map_err(CompileError::Unproved)?;
    done(Pass::Proof);
    Ok(Program { instructions, proof })
}

#[cfg(test)]
mod tests;
