//! Questions about a call with some arguments left open: is there a way that it is made, is there one that it
//! is not. Exact, with the arguments as evidence.

use msb_syscalls::by_number;

use crate::{Arch, Decision, Policy, Pred, Request, SyscallAction};

impl Policy {
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
        if self.refusal_of(arch, nr).is_some() {
            return Pred::Any(Vec::new());
        }
        let predicates = |wanted: bool| -> Vec<Pred> {
            let rules = self.rules_of(arch, nr).filter(|rule| makes(rule.action) == wanted);
            rules.map(|rule| rule.predicate.clone()).collect()
        };
        let by_default = makes(self.syscall_default.0) && by_number(arch, nr).is_some();
        let mut allowed = predicates(true);
        if by_default || allowed.contains(&Pred::True) {
            allowed = vec![Pred::True];
        }
        let mut all = vec![Pred::Any(allowed)];
        all.extend(predicates(false).into_iter().map(|pred| Pred::Not(Box::new(pred))));
        Pred::All(all)
    }

    /// Arguments that fulfil `condition` and with which the call is made, or may be; small ones where there is a
    /// choice.
    #[must_use]
    pub fn made_with(&self, arch: Arch, nr: u32, condition: &Pred) -> Option<[u64; 6]> {
        condition.witness_with(&self.made_when(arch, nr))
    }

    /// Arguments that fulfil `condition` and with which the call is refused, or may be.
    #[must_use]
    pub fn refused_with(&self, arch: Arch, nr: u32, condition: &Pred) -> Option<[u64; 6]> {
        condition.witness_without(&self.made_unasked_when(arch, nr))
    }

    /// Decides call `nr` of `arch`.
    #[must_use]
    pub fn call(&self, arch: Arch, nr: u32, args: [u64; 6]) -> Decision {
        self.decide(&Request::Syscall { audit_arch: arch.audit(), nr, args })
    }
}
