//! Questions about a call with some arguments left open: is there a way that it is made, is there one that it
//! is not. Exact, with the arguments as evidence.

use std::collections::HashMap;

use msb_syscalls::by_number;

use crate::{Arch, Decision, Policy, Pred, Solution, SyscallAction, SyscallRule};

/// The rules of a policy by the call that they are about, for who asks about many.
#[derive(Debug, Clone)]
pub struct Calls<'p> {
    policy: &'p Policy,
    rules: HashMap<(Arch, u32), Vec<&'p SyscallRule>>,
}

impl<'p> Calls<'p> {
    /// Those of `policy`.
    #[must_use]
    pub fn of(policy: &'p Policy) -> Calls<'p> {
        let mut rules: HashMap<_, Vec<_>> = HashMap::new();
        for rule in &policy.syscalls {
            rules.entry((rule.arch, rule.nr)).or_default().push(rule);
        }
        Calls { policy, rules }
    }

    /// Whose they are.
    pub(crate) fn policy(&self) -> &'p Policy {
        self.policy
    }

    /// The rules for call `nr` of `arch`, in the order of the policy's.
    #[must_use]
    pub fn rules_of(&self, arch: Arch, nr: u32) -> &[&'p SyscallRule] {
        self.rules.get(&(arch, nr)).map_or(&[], Vec::as_slice)
    }

    /// The condition under which call `nr` of `arch` is made, or may be made where somebody is asked.
    #[must_use]
    pub fn made_when(&self, arch: Arch, nr: u32) -> Pred {
        self.when(arch, nr, SyscallAction::may_make)
    }

    /// The condition under which call `nr` of `arch` is made, whatever anybody says.
    #[must_use]
    pub fn made_unasked_when(&self, arch: Arch, nr: u32) -> Pred {
        self.when(arch, nr, SyscallAction::makes)
    }

    /// The condition under which the rule that decides has an action of which `makes` holds: less severe ones do
    /// if any does.
    fn when(&self, arch: Arch, nr: u32, makes: impl Fn(SyscallAction) -> bool) -> Pred {
        if self.policy.refusal_of(arch, nr).is_some() {
            return Pred::Any(Vec::new());
        }
        let rules = self.rules_of(arch, nr);
        let (making, refusing): (Vec<&SyscallRule>, Vec<&SyscallRule>) =
            rules.iter().partition(|rule| makes(rule.action));
        let by_default = makes(self.policy.syscall_default.0) && by_number(arch, nr).is_some();
        let always = by_default || making.iter().any(|rule| rule.predicate == Pred::True);
        let allowed = match always {
            true => Pred::True,
            false => Pred::Any(making.into_iter().map(|rule| rule.predicate.clone()).collect()),
        };
        if refusing.is_empty() {
            return allowed;
        }
        let mut all = vec![allowed];
        all.extend(refusing.into_iter().map(|rule| Pred::Not(Box::new(rule.predicate.clone()))));
        Pred::All(all)
    }

    /// Arguments that fulfil `condition` and with which the call is made, or may be; small ones where there is a
    /// choice.
    #[must_use]
    pub fn made_with(&self, arch: Arch, nr: u32, condition: &Pred) -> Solution {
        condition.witness_with(&self.made_when(arch, nr))
    }

    /// Arguments that fulfil `condition` and with which the call is refused, or may be.
    #[must_use]
    pub fn refused_with(&self, arch: Arch, nr: u32, condition: &Pred) -> Solution {
        condition.witness_without(&self.made_unasked_when(arch, nr))
    }

    /// Decides call `nr` of `arch`.
    #[must_use]
    pub fn call(&self, arch: Arch, nr: u32, args: [u64; 6]) -> Decision {
        self.decide(arch.audit(), nr, args)
    }

    /// Decides a call as the filter sees it, as [`Policy::decide`] does.
    #[must_use]
    pub fn decide(&self, audit_arch: u32, nr: u32, args: [u64; 6]) -> Decision {
        self.policy.decide_call(audit_arch, nr, &args, |arch| self.rules_of(arch, nr).iter().copied())
    }
}
