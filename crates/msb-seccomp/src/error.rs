//! Why a policy gives no program.

use std::fmt;

use msb_policy::OriginId;

use crate::{INSTRUCTIONS_MAX, Unproved};

/// How many of the costliest numbers an error names.
const NAMED_MAX: usize = 5;

/// Why a policy gives no program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileError {
    /// It would be longer than [`INSTRUCTIONS_MAX`].
    TooLong {
        /// How long it would be.
        instructions: usize,
        /// The numbers that cost most, the costliest first.
        costliest: Vec<Cost>,
    },
    /// It was not proved that the program says what the policy says: a mistake of this crate, and no program is
    /// given.
    Unproved(Unproved),
}

/// What the conditions on one number cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// The number.
    pub nr: u32,
    /// The name, where the table has it.
    pub name: Option<&'static str>,
    /// How many tests its conditions make, without those that they share with numbers before it.
    pub instructions: usize,
    /// The rules.
    pub origins: Vec<OriginId>,
}

impl CompileError {
    pub(crate) fn too_long(instructions: usize, mut costs: Vec<Cost>) -> Self {
        costs.sort_by_key(|cost| (std::cmp::Reverse(cost.instructions), cost.nr));
        costs.truncate(NAMED_MAX);
        Self::TooLong { instructions, costliest: costs }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { instructions, costliest } => {
                write!(
                    f,
                    "the filter has {instructions} instructions, where the kernel takes {INSTRUCTIONS_MAX}"
                )?;
                for (index, cost) in costliest.iter().enumerate() {
                    let before = if index == 0 { "; most are the conditions on" } else { "," };
                    match cost.name {
                        Some(name) => write!(f, "{before} `{name}` ({})", cost.instructions)?,
                        None => write!(f, "{before} `syscall({})` ({})", cost.nr, cost.instructions)?,
                    }
                }
                Ok(())
            }
            Self::Unproved(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for CompileError {}
