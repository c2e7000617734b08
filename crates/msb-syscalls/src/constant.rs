//! Named constants: sets for arguments, error numbers, capabilities.

use crate::generated::{CAPABILITIES, ERRNOS, SETS};

/// The constants that may stand for one kind of argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConstantSet {
    /// Name, such as `open_flags`.
    pub name: &'static str,
    /// The bits that together hold one of several numbers (`O_ACCMODE` of `open_flags`): all of them for an
    /// enumeration, 0 where every constant is a bit.
    pub field: u64,
    /// By value; the first name of a value is the usual one.
    pub members: &'static [Constant],
}

/// A named constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constant {
    /// Name in the kernel's headers.
    pub name: &'static str,
    /// Value; a negative one is extended to 32 bits only, as `AT_FDCWD` = 0xffff_ff9c.
    pub value: u64,
}

/// Every set of constants.
#[must_use]
pub fn constant_sets() -> &'static [ConstantSet] {
    SETS
}

/// The set named `set`.
#[must_use]
pub fn constant_set(set: &str) -> Option<&'static ConstantSet> {
    SETS.iter().find(|known| known.name == set)
}

/// The value of `name` in `set`.
#[must_use]
pub fn constant(set: &str, name: &str) -> Option<u64> {
    constant_set(set)?.members.iter().find(|member| member.name == name).map(|member| member.value)
}

/// The names of the sets that have `name`: what to say of a constant that stands in the wrong place.
#[must_use]
pub fn sets_with(name: &str) -> Vec<&'static str> {
    let has = |set: &&ConstantSet| set.members.iter().any(|member| member.name == name);
    SETS.iter().filter(has).map(|set| set.name).collect()
}

/// The number of the error `name` (`EPERM`), from 1 to 4095.
#[must_use]
pub fn errno(name: &str) -> Option<u16> {
    ERRNOS.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
}

/// The usual name of error `number`.
#[must_use]
pub fn errno_name(number: u16) -> Option<&'static str> {
    ERRNOS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// The number of a capability, given with or without `CAP_`.
#[must_use]
pub fn capability(name: &str) -> Option<u32> {
    let short = name.strip_prefix("CAP_").unwrap_or(name);
    CAPABILITIES.iter().find(|(_, known)| *known == short).map(|(number, _)| *number)
}

/// The name of capability `number`, without `CAP_`.
#[must_use]
pub fn capability_name(number: u32) -> Option<&'static str> {
    CAPABILITIES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}
