//! The oracle: what a policy says of one request, in plain code.

use crate::{OriginId, Policy, SyscallAction};

/// Something that a program asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// A system call as the filter sees it.
    Syscall {
        /// `seccomp_data.arch`.
        audit_arch: u32,
        /// `seccomp_data.nr`.
        nr: u32,
        /// `seccomp_data.args`.
        args: [u64; 6],
    },
    /// A variable of the launcher's environment, by name.
    Env(&'a str),
}

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What happens.
    pub action: SyscallAction,
    /// The rule that decides; `None` where no rule does (foreign architectures, unknown calls).
    pub origin: Option<OriginId>,
}
