//! The oracle: what a policy says of one request, in plain code.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use msb_syscalls::by_number;

use crate::{
    Access, Arch, Base, Connection, EnvKind, FsKind, HttpRequest, Machine, Missing, OriginId, Path, Policy,
    Published, SyscallAction, SyscallRule, Value,
};

/// ENOENT: what getenv finds of a variable that nothing passes.
const ENOENT: u16 = 2;
/// ENOSYS: libc's fallbacks depend on getting this, and not EPERM, for calls that are newer than its caller.
pub(crate) const ENOSYS: u16 = 38;

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
    /// A call of a tool.
    Call {
        /// Which.
        tool: &'a str,
        /// With these arguments.
        args: &'a [(String, Value)],
    },
    /// A connection.
    Connect(&'a Connection),
    /// A request of HTTP.
    Http(&'a HttpRequest),
    /// A port of the sandbox that is to be reached from the host's loopback.
    Listen(&'a Published),
    /// A path that is opened, or executed; see [`Policy::open`].
    Open {
        /// Which.
        path: &'a Path,
        /// What for.
        access: Access,
    },
}

/// How deep in a repository a placeholder may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Where its path says, from the top.
    Top,
    /// In any folder of it.
    Any,
}

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decision {
    /// What happens.
    pub action: SyscallAction,
    /// The rule that decides; `None` where no rule does (foreign architectures, unknown calls).
    pub origin: Option<OriginId>,
}

impl Policy {
    /// Decides `request`.
    ///
    /// The most severe matching rule decides a system call, and the default one that the table has but no rule
    /// matches. Calls of an architecture that the policy does not name kill. Number −1, numbers that neither the
    /// table nor a rule knows, and x32 calls where that is not named fail with ENOSYS. A variable is allowed, or absent: ENOENT. A path is decided for parameters
    /// that lie apart.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        match *request {
            Request::Syscall { audit_arch, nr, args } => {
                self.decide_call(audit_arch, nr, &args, |arch| self.rules_of(arch, nr))
            }
            Request::Env(name) => self.decide_env(name),
            Request::Call { tool, args } => self.decide_tool(tool, args),
            Request::Connect(connection) => self.connect(connection),
            Request::Http(request) => self.request(request),
            Request::Listen(published) => self.listen(published),
            Request::Open { path, access } => self.open(path, access).verdict.decision(access),
        }
    }

    /// Decides a call of which `rules` gives the rules, in any order.
    pub(crate) fn decide_call<'p, Rules: Iterator<Item = &'p SyscallRule>>(
        &self,
        audit_arch: u32,
        nr: u32,
        args: &[u64; 6],
        rules: impl FnOnce(Arch) -> Rules,
    ) -> Decision {
        if self.archs.iter().all(|arch| arch.audit() != audit_arch) {
            return Decision { action: SyscallAction::Kill, origin: None };
        }
        let unknown = Decision { action: SyscallAction::Errno(ENOSYS), origin: None };
        let Some(arch) = Arch::of_call(audit_arch, nr).filter(|arch| self.archs.contains(arch)) else {
            return unknown;
        };
        let matching = rules(arch).filter(|rule| rule.predicate.holds(args));
        match matching.max_by_key(|rule| rule.precedence()) {
            Some(rule) => Decision { action: rule.action, origin: Some(rule.origin) },
            None if by_number(arch, nr).is_some() => {
                Decision { action: self.syscall_default.0, origin: Some(self.syscall_default.1) }
            }
            None => unknown,
        }
    }

    /// The rules for call `nr` of `arch`, in no particular order.
    pub fn rules_of(&self, arch: Arch, nr: u32) -> impl Iterator<Item = &SyscallRule> {
        self.syscalls.iter().filter(move |rule| rule.arch == arch && rule.nr == nr)
    }

    /// Places in somebody's folders where a placeholder stands while nothing else does, .git and what is in it apart:
    /// below the folder of a repository, or anywhere in it.
    pub fn masks(&self) -> impl Iterator<Item = (Depth, &str)> {
        let of_git = |rest: &str| rest.split('/').next() == Some(".git");
        self.fs.iter().filter_map(move |rule| match &rule.kind {
            FsKind::Deny { path, missing: Missing::Mask { .. }, .. } if path.base != Base::Root => {
                (!of_git(&path.rest)).then_some((Depth::Top, path.rest.as_str()))
            }
            FsKind::DenyFound { search, missing: Missing::Mask { .. }, .. }
                if search.root.base != Base::Root =>
            {
                let depth = if of_git(&search.beside) { Depth::Top } else { Depth::Any };
                (!of_git(&search.rest)).then_some((depth, search.rest.as_str()))
            }
            _ => None,
        })
    }

    /// The machines whose kernels serve its architectures, each once and in order.
    #[must_use]
    pub fn machines(&self) -> Vec<Machine> {
        let machines: BTreeSet<Machine> = self.archs.iter().map(|arch| arch.machine()).collect();
        machines.into_iter().collect()
    }

    /// Decides call `nr` of `arch`.
    #[must_use]
    pub fn call(&self, arch: Arch, nr: u32, args: [u64; 6]) -> Decision {
        self.decide(&Request::Syscall { audit_arch: arch.audit(), nr, args })
    }

    /// What of it one machine can be asked: its architectures alone.
    #[must_use]
    pub fn for_machine(&self, machine: Machine) -> Policy {
        let mut policy = self.clone();
        policy.archs.retain(|arch| arch.machine() == machine);
        policy.syscalls.retain(|rule| rule.arch.machine() == machine);
        policy
    }

    /// What `decide` says of calls of `arch` that the policy's rules are not asked about; `None` for those that
    /// they are.
    #[must_use]
    pub fn refusal_of(&self, arch: Arch, nr: u32) -> Option<SyscallAction> {
        if self.archs.contains(&arch) && Arch::of_call(arch.audit(), nr) == Some(arch) {
            return None;
        }
        let known = self.archs.iter().any(|named| named.audit() == arch.audit());
        Some(if known { SyscallAction::Errno(ENOSYS) } else { SyscallAction::Kill })
    }

    fn decide_env(&self, name: &str) -> Decision {
        // A variable that is set beats one that is passed, a whole name beats a beginning.
        let rank = |kind: &EnvKind| match kind {
            EnvKind::Set { name: set, .. } if set == name => Some(2),
            EnvKind::Pass { name: passed, prefix: false } if passed == name => Some(1),
            EnvKind::Pass { name: passed, prefix: true } if name.starts_with(passed.as_str()) => Some(0),
            EnvKind::Set { .. } | EnvKind::Pass { .. } => None,
        };
        let matching = self.env.iter().filter_map(|rule| Some((rank(&rule.kind)?, Reverse(rule.origin))));
        match matching.max() {
            Some((_, Reverse(origin))) => Decision { action: SyscallAction::Allow, origin: Some(origin) },
            None => Decision { action: SyscallAction::Errno(ENOENT), origin: None },
        }
    }
}

impl SyscallRule {
    /// Which of two matching rules decides: the one of which this is greater.
    ///
    /// Two errnos on one request are a mistake that the checker reports; should they come here all the same, the
    /// order of the rules still means nothing.
    #[must_use]
    pub const fn precedence(&self) -> Precedence {
        Precedence(self.action.severity(), !self.implied, Reverse(self.action), Reverse(self.origin))
    }
}

/// See [`SyscallRule::precedence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence(u8, bool, Reverse<SyscallAction>, Reverse<OriginId>);

impl SyscallAction {
    /// How much it takes away: nothing for allow, most for kill.
    #[must_use]
    pub const fn severity(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Log => 1,
            Self::Notify => 2,
            Self::Errno(_) => 3,
            Self::Trap => 4,
            Self::Kill => 5,
        }
    }

    /// Whether the call is made, whatever anybody says.
    #[must_use]
    pub const fn makes(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }

    /// Whether the call is made, or may be where somebody who is asked says so.
    #[must_use]
    pub const fn may_make(self) -> bool {
        matches!(self, Self::Allow | Self::Log | Self::Notify)
    }
}
