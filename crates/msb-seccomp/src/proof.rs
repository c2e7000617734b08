//! The proof that a program says of every call what the policy says, made on every compile.
//!
//! A program has no loops, so each way through it is a conjunction of tests on the sixteen words of
//! `seccomp_data`, and what the policy says is a list of such conjunctions too: a walk over both at once, with an
//! exact set of values for each word, visits every combination that any input can reach and none that it cannot.
//! The walk covers all numbers in stretches on which the policy says the same, all foreign architectures, and all
//! arguments. It shares nothing with the emitter but the type of an instruction; where it ends it asks
//! the oracle ([`Calls::decide`]) itself about a call of that place, so that a mistake in reading the policy shows as well.

mod spec;
mod walk;
mod words;

use std::fmt;

use msb_policy::{Arch, Calls, Policy, SyscallAction};

use crate::Options;
use crate::bpf::{Instruction, SeccompData, action};
use crate::trace::traced;

/// Places that a walk visits at most. Programs of 4,096 instructions need some ten thousand; the bound keeps a
/// policy that was made to have no short proof from holding up its compiler for more than a few seconds.
const STEPS_MAX: usize = 2_000_000;

/// What a proof went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// Stretches of numbers on which the policy says the same, foreign architectures among them.
    pub stretches: usize,
    /// Instructions that were visited, each once for every way in which the words can come to it.
    pub steps: usize,
}

/// Why a program is not given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproved {
    /// The kernel, or a launcher, would refuse it.
    Malformed {
        /// The instruction, from 0.
        at: usize,
    },
    /// It says something else than the policy.
    Differs {
        /// `seccomp_data.arch`.
        audit_arch: u32,
        /// `seccomp_data.nr`.
        nr: u32,
        /// `seccomp_data.instruction_pointer`, at which no right program looks.
        instruction_pointer: u64,
        /// `seccomp_data.args`.
        args: [u64; 6],
        /// What the policy says.
        decided: SyscallAction,
        /// What the program returns.
        returned: u32,
    },
    /// It was not proved within the bound of steps.
    Exhausted,
}

impl fmt::Display for Unproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { at } => {
                write!(
                    f,
                    "the filter's instruction {at} is none that a launcher takes (this is a mistake in msbc)"
                )
            }
            Self::Differs { audit_arch, nr, args, decided, returned, .. } => write!(
                f,
                "the filter returns {returned:#x} for call {nr} of architecture {audit_arch:#x} with {args:x?}, \
                 where the policy says {decided:?} (this is a mistake in msbc)"
            ),
            Self::Exhausted => f.write_str("the filter could not be proved to say what the policy says"),
        }
    }
}

impl std::error::Error for Unproved {}

/// Proves that `program` returns for every `seccomp_data` what `policy` decides, compiled with `options`.
///
/// # Errors
/// [`Unproved`], with a call on which the two differ where there is one.
pub fn prove(policy: &Policy, options: Options, program: &[Instruction]) -> Result<Proof, Unproved> {
    Claim::new(policy, options)?.prove(program)
}

/// What a policy says, to hold programs against.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    calls: Calls<'a>,
    options: Options,
    stretches: Vec<spec::Stretch>,
}

impl<'a> Claim<'a> {
    /// Reads `policy`, and asks the oracle whether it was read right.
    pub(crate) fn new(policy: &'a Policy, options: Options) -> Result<Self, Unproved> {
        let stretches = spec::stretches(policy, options);
        let calls = Calls::of(policy);
        for stretch in &stretches {
            for data in stretch.samples() {
                let read = stretch.spec.at(&data);
                if expected(&calls, options, &data) != read {
                    return Err(differs(&calls, &data, read));
                }
            }
        }
        Ok(Self { calls, options, stretches })
    }

    /// Proves that `program` says it.
    pub(crate) fn prove(&self, program: &[Instruction]) -> Result<Proof, Unproved> {
        walk::structure(program)?;
        let mut walk = walk::Walk::new(&self.calls, self.options, program);
        for stretch in &self.stretches {
            walk.stretch(stretch)?;
        }
        Ok(Proof { stretches: self.stretches.len(), steps: walk.steps() })
    }
}

/// What the program has to return, by the oracle.
fn expected(calls: &Calls<'_>, options: Options, data: &SeccompData) -> u32 {
    let SeccompData { nr, arch: audit_arch, args, .. } = *data;
    match calls.decide(audit_arch, nr, args).action {
        SyscallAction::Kill => action::KILL_PROCESS,
        SyscallAction::Trap => action::TRAP,
        SyscallAction::Notify => action::USER_NOTIF,
        SyscallAction::Errno(_) if options.trace => action::USER_NOTIF,
        SyscallAction::Errno(errno) => action::errno(errno),
        _ if options.trace && Arch::of_call(audit_arch, nr).is_some_and(|arch| traced(arch, nr, &args)) => {
            action::USER_NOTIF
        }
        SyscallAction::Log => action::LOG,
        SyscallAction::Allow => action::ALLOW,
    }
}

fn differs(calls: &Calls<'_>, data: &SeccompData, returned: u32) -> Unproved {
    let SeccompData { nr, arch: audit_arch, instruction_pointer, args } = *data;
    let decided = calls.decide(audit_arch, nr, args).action;
    Unproved::Differs { audit_arch, nr, instruction_pointer, args, decided, returned }
}
