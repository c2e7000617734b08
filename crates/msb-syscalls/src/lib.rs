//! Linux system calls as data: numbers, arguments, groups and named constants.

/// Instruction sets that have a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// x86-64, LP64 (not x32).
    X86_64,
    /// AArch64, LP64.
    Aarch64,
}
