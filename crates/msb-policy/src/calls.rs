//! Questions about a call with some arguments left open: is there a way that it is made, is there one that it
//! is not. Exact, with the arguments as evidence.

use msb_syscalls::by_number;

use crate::{Decision, Policy, Pred, Request};

impl Policy {
    /// The condition under which call `nr` of the policy's own architecture is made.
    #[must_use]
    pub fn made_when(&self, nr: u32) -> Pred {
        let of = |allow: bool| {
            let rules = self.syscalls.iter().filter(move |rule| rule.nr == nr);
            rules.filter(move |rule| rule.action.makes() == allow)
        };
        if self.refuses_number(nr) {
            return Pred::Any(Vec::new());
        }
        let by_default = self.syscall_default.0.makes() && by_number(self.arch, nr).is_some();
        let mut allowed: Vec<Pred> = of(true).map(|rule| rule.predicate.clone()).collect();
        if by_default || allowed.contains(&Pred::True) {
            allowed = vec![Pred::True];
        }
        let denied: Vec<Pred> = of(false).map(|rule| rule.predicate.clone()).collect();
        let mut all = vec![Pred::Any(allowed)];
        all.extend(denied.into_iter().map(|pred| Pred::Not(Box::new(pred))));
        Pred::All(all)
    }

    /// Arguments that fulfil `condition` and with which the call is made, small ones where there is a choice.
    #[must_use]
    pub fn made_with(&self, nr: u32, condition: &Pred) -> Option<[u64; 6]> {
        condition.witness_with(&self.made_when(nr))
    }

    /// Arguments that fulfil `condition` and with which the call is refused.
    #[must_use]
    pub fn refused_with(&self, nr: u32, condition: &Pred) -> Option<[u64; 6]> {
        condition.witness_without(&self.made_when(nr))
    }

    /// Decides call `nr` of the policy's own architecture.
    #[must_use]
    pub fn call(&self, nr: u32, args: [u64; 6]) -> Decision {
        self.decide(&Request::Syscall { audit_arch: self.arch.audit(), nr, args })
    }
}
