//! What a policy can ask for that a plan cannot hold.

use crate::{ir, plan};
use std::collections::BTreeSet;
use std::fmt;

/// Why a policy gives no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmitError {
    /// This version has no way of holding it.
    NotEnforced {
        /// What, in words, each with its first line.
        what: Vec<(&'static str, ir::OriginId)>,
    },
    /// Two rules put different things at one place.
    TargetTwice {
        /// The place, as a person writes it.
        target: String,
        /// The two lines, in the order of the source.
        origins: [ir::OriginId; 2],
    },
    /// A rule mounts something over `/`.
    TargetIsRoot {
        /// The line.
        origin: ir::OriginId,
    },
    /// A variable is set to two different values.
    VariableTwice {
        /// Its name.
        name: String,
        /// The two lines, in the order of the source.
        origins: [ir::OriginId; 2],
    },
    /// `HOME` has a character that passwd(5) has no way of writing.
    Home {
        /// Its value.
        value: String,
        /// The line.
        origin: ir::OriginId,
    },
    /// A limit is out of the range that a launcher can hold.
    OutOfRange {
        /// Its name in the language.
        name: &'static str,
        /// What its value counts.
        unit: &'static str,
        /// Its value.
        value: u64,
        /// Least value.
        min: u64,
        /// Most.
        max: u64,
        /// The line.
        origin: ir::OriginId,
    },
    /// There is more of something than a plan holds.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many a plan holds.
        max: usize,
        /// The policy's line.
        origin: ir::OriginId,
    },
    /// The system call rules give no program.
    Filter {
        /// Why.
        cause: String,
        /// The lines that cost most, else the one that begins the rules.
        origins: Vec<ir::OriginId>,
    },
    /// The policy points to a line that it does not have: a mistake of the compiler.
    UnknownOrigin {
        /// Where it points.
        origin: ir::OriginId,
    },
    /// A launcher would refuse the plan.
    Refused {
        /// Why, as the end of "the plan …".
        cause: &'static str,
        /// The policy's line.
        origin: ir::OriginId,
    },
}

impl EmitError {
    /// The lines of the policy that it is about, the main one first.
    #[must_use]
    pub fn origins(&self) -> Vec<ir::OriginId> {
        match self {
            EmitError::NotEnforced { what } => what.iter().map(|(_, origin)| *origin).collect(),
            // The later line is the one to change.
            EmitError::TargetTwice { origins: [first, second], .. }
            | EmitError::VariableTwice { origins: [first, second], .. } => vec![*second, *first],
            EmitError::TargetIsRoot { origin }
            | EmitError::Home { origin, .. }
            | EmitError::OutOfRange { origin, .. }
            | EmitError::TooMany { origin, .. }
            | EmitError::Refused { origin, .. } => vec![*origin],
            EmitError::Filter { origins, .. } => origins.clone(),
            EmitError::UnknownOrigin { .. } => Vec::new(),
        }
    }

    /// What to type instead, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            EmitError::NotEnforced { what } if what.iter().all(|(it, _)| *it == "rules for unix sockets") => {
                Some("write `socket PATH` in `fs`: who sees a socket may connect to it".to_owned())
            }
            EmitError::NotEnforced { .. } => {
                Some("check and explain what is written; to launch it, take this away for now".to_owned())
            }
            EmitError::TargetTwice { .. } => {
                Some("keep one of them, or give one another place with `at`".to_owned())
            }
            EmitError::TargetIsRoot { .. } => {
                Some("grant the directories that are needed, such as `read /usr`".to_owned())
            }
            EmitError::VariableTwice { name, .. } => Some(format!("keep one `set {name}`")),
            EmitError::Home { .. } => Some("set `HOME` to a path such as `/work`".to_owned()),
            EmitError::OutOfRange { name, min, max, value, .. } => Some(format!(
                "write `{name}` so that it is {}",
                if value < min { format!("at least {min}") } else { format!("at most {max}") }
            )),
            EmitError::TooMany { what: "mounts" | "denied paths", .. } => {
                Some("name a directory in place of what it holds".to_owned())
            }
            EmitError::TooMany { .. } => Some("take away what is not needed".to_owned()),
            EmitError::Filter { .. } => Some("say the conditions of these lines in a simpler way".to_owned()),
            EmitError::UnknownOrigin { .. } | EmitError::Refused { .. } => None,
        }
    }

    pub(crate) fn filter(cause: &msb_seccomp::CompileError, otherwise: ir::OriginId) -> EmitError {
        let mut origins: Vec<ir::OriginId> = match cause {
            msb_seccomp::CompileError::TooLong { costliest, .. } => {
                costliest.iter().flat_map(|cost| cost.origins.iter().copied()).collect()
            }
            msb_seccomp::CompileError::Unproved(_) => Vec::new(),
        };
        let mut seen = BTreeSet::new();
        origins.retain(|origin| seen.insert(*origin));
        if origins.is_empty() {
            origins.push(otherwise);
        }
        EmitError::Filter { cause: cause.to_string(), origins }
    }

    pub(crate) fn refused(cause: plan::EncodeError, origin: ir::OriginId) -> EmitError {
        let cause = match cause {
            plan::EncodeError::TooLong => "is longer than a launcher reads",
            plan::EncodeError::Invalid(invalid) => words(invalid),
        };
        EmitError::Refused { cause, origin }
    }
}

/// What [`plan::Invalid`] says, for the cases that no earlier pass caught.
fn words(invalid: plan::Invalid) -> &'static str {
    match invalid {
        plan::Invalid::TooLong => "has a string or a list that is too long",
        plan::Invalid::Reference => "uses a parameter as what it is not",
        plan::Invalid::Path => "has a path that is not in normal form, or a place that nothing may be at",
        plan::Invalid::Name => {
            "has a parameter, variable or host name with a character that it must not have"
        }
        plan::Invalid::Duplicate => "says two things of one place or name",
        plan::Invalid::Identity => "asks for root inside, or for a capability that does not exist",
        plan::Invalid::Value => "has a size or a limit that is 0 or too large",
        plan::Invalid::Rights => "has a set of rights that a mount cannot carry",
        plan::Invalid::Filter => "has a filter that the kernel would refuse",
        plan::Invalid::Network => "has network rules that do not fit together",
    }
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmitError::NotEnforced { what } => {
                let words: Vec<&str> = what.iter().map(|(word, _)| *word).collect();
                let words = match words.as_slice() {
                    [] => String::new(),
                    [one] => (*one).to_owned(),
                    [many @ .., last] => format!("{} and {last}", many.join(", ")),
                };
                write!(f, "{words} are not enforced by this version")
            }
            EmitError::TargetTwice { target, .. } => {
                write!(f, "two rules put different things at `{target}`")
            }
            EmitError::TargetIsRoot { .. } => f.write_str("nothing can be mounted over `/`"),
            EmitError::VariableTwice { name, .. } => write!(f, "`{name}` is set to two different values"),
            EmitError::Home { value, .. } => {
                write!(f, "`HOME` is `{}`, which /etc/passwd has no way of writing", value.escape_debug())
            }
            EmitError::OutOfRange { name, unit, value, min, max, .. } => {
                write!(f, "`{name}` is {value} {unit}, but must be from {min} to {max}")
            }
            EmitError::TooMany { what, count, max, .. } => {
                write!(f, "{count} {what}, where a plan holds {max}")
            }
            EmitError::Filter { cause, .. } => write!(f, "the system call rules cannot be compiled: {cause}"),
            EmitError::UnknownOrigin { origin } => {
                write!(f, "the compiler lost track of line {} (this is a mistake in msbc)", origin.0)
            }
            EmitError::Refused { cause, .. } => write!(f, "the plan {cause}"),
        }
    }
}

impl std::error::Error for EmitError {}

/// Refuses lists that are longer than a plan's.
pub(crate) fn count(policy: &ir::Policy, emitted: &plan::Plan<'_>) -> Result<(), EmitError> {
    let lists = [
        ("parameters", emitted.params.len(), plan::PARAMS_MAX),
        ("mounts", emitted.mounts.len(), plan::MOUNTS_MAX),
        ("denied paths", emitted.denies.len(), plan::DENIES_MAX),
        ("searches for denied paths", emitted.searches.len(), plan::SEARCHES_MAX),
        ("claims for launch", emitted.claims.len(), plan::CLAIMS_MAX),
        ("environment rules", emitted.env.len(), plan::ENV_MAX),
        ("words in the command", emitted.command.len(), plan::COMMAND_MAX),
    ];
    match lists.into_iter().find(|(_, count, max)| count > max) {
        Some((what, count, max)) => Err(EmitError::TooMany { what, count, max, origin: policy.origin }),
        None => Ok(()),
    }
}
