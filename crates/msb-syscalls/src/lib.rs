//! Linux system calls as data: numbers, arguments, groups and named constants.
//!
//! A filter is only as right as its idea of what the kernel looks at, so every argument carries the width that
//! the kernel uses: a 64-bit comparison of an argument that is truncated to 32 bits lets `value | 1 << 32`
//! through. The tables are of Linux 6.18, and have the calls that came up to 7.1; `data/` holds them as text with their sources, the build script
//! turns them into constants, and the tests hold them against other tables.

mod constant;
mod describe;
mod group;
mod table;

pub use constant::{
    Constant, ConstantSet, capability, capability_name, constant, constant_set, constant_sets, errno,
    errno_name, sets_with,
};
pub use describe::{describe, describe_some};
pub use group::{Group, expand, group, groups};
pub use table::{Arch, Arg, Bits, Kind, Machine, Syscall, all, by_number, find, frequency, highest, since};

mod generated {
    use crate::{Arg, Bits, Constant, ConstantSet, Kind, Syscall};
    include!(concat!(env!("OUT_DIR"), "/tables.rs"));
}

#[cfg(test)]
mod tests;
