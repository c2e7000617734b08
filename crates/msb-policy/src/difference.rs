//! Where two policies differ on system calls: exactly, and with a call that shows it.
//!
//! For each number and each action that a policy can come to, the condition under which it does is one formula;
//! two policies differ where a formula of the one and a formula of the other hold at once. The search for such
//! arguments is that of [`Pred::witness`], which is exact.

use std::collections::BTreeSet;

use msb_syscalls::{Arch, all, by_number, describe_some};

use crate::decide::ENOSYS;
use crate::{Calls, Decision, Policy, Pred, SyscallAction};

/// A call on which two policies differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// The architecture of the call.
    pub arch: Arch,
    /// Its number.
    pub nr: u32,
    /// Its arguments, small ones where there is a choice.
    pub args: [u64; 6],
    /// What the first policy says.
    pub before: Decision,
    /// What the second says.
    pub after: Decision,
}

impl Witness {
    /// The call as people read it, with the arguments that `before` or `after` look at: `ioctl(cmd: TIOCSTI)`.
    #[must_use]
    pub fn describe(&self, before: &Policy, after: &Policy) -> String {
        describe_call(before, after, self.arch, self.nr, &self.args)
    }
}

/// A call with the arguments that rules of either look at; with its architecture, where it may be a call of several.
pub(crate) fn describe_call(before: &Policy, after: &Policy, arch: Arch, nr: u32, args: &[u64; 6]) -> String {
    let mut arguments = BTreeSet::new();
    for rule in before.rules_of(arch, nr).chain(after.rules_of(arch, nr)) {
        collect(&rule.predicate, &mut arguments);
    }
    let call = describe_some(arch, nr, args, |argument| arguments.contains(&argument));
    // As a claim says it, where the same name may be a call of several.
    match before.archs == after.archs && before.archs == [arch] {
        true => call,
        false => format!("{call} on {}", arch.word()),
    }
}

/// The arguments that `pred` looks at.
fn collect(pred: &Pred, arguments: &mut BTreeSet<usize>) {
    match pred {
        Pred::True => {}
        Pred::Compare { argument, .. } | Pred::Masked { argument, .. } => {
            arguments.insert(usize::from(*argument));
        }
        Pred::Not(inner) => collect(inner, arguments),
        Pred::All(many) | Pred::Any(many) => many.iter().for_each(|one| collect(one, arguments)),
    }
}

/// A call of which `before` and `after` say different things, that with the smallest number; `None` if there is
/// none at all.
#[must_use]
pub fn difference(before: &Policy, after: &Policy) -> Option<Witness> {
    search(before, after, |before, after| before != after)
}

/// Calls that both refuse, or both make, and not in the same way: one for each number and pair of actions.
#[must_use]
pub fn otherwise(before: &Policy, after: &Policy) -> Vec<Witness> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    let both = (&Calls::of(before), &Calls::of(after));
    let same = |left: SyscallAction, right: SyscallAction| left != right && left.makes() == right.makes();
    for arch in before.archs.iter().filter(|arch| after.archs.contains(arch)) {
        for nr in numbers(before, after, *arch) {
            if let Some(found) = at(both, *arch, nr, &same)
                && seen.insert((found.before, found.after))
            {
                all.push(found);
            }
        }
    }
    all
}

/// A call that `after` makes, or may make, and `before` does not, or does not without somebody being asked: that with
/// the smallest number; `None` if `after` is no wider.
#[must_use]
pub fn widening(before: &Policy, after: &Policy) -> Option<Witness> {
    search(before, after, |before, after| {
        (after.may_make() && !before.may_make()) || (after.makes() && !before.makes())
    })
}

fn search(
    before: &Policy,
    after: &Policy,
    differ: impl Fn(SyscallAction, SyscallAction) -> bool,
) -> Option<Witness> {
    let archs: BTreeSet<Arch> = before.archs.iter().chain(&after.archs).copied().collect();
    let both = (&Calls::of(before), &Calls::of(after));
    archs
        .into_iter()
        .find_map(|arch| numbers(before, after, arch).into_iter().find_map(|nr| at(both, arch, nr, &differ)))
}

/// The numbers that the table or a rule has.
fn numbers(before: &Policy, after: &Policy, arch: Arch) -> BTreeSet<u32> {
    let rules = before.syscalls.iter().chain(&after.syscalls).filter(|rule| rule.arch == arch);
    let ruled = rules.map(|rule| rule.nr);
    all(arch).iter().map(|call| call.nr).chain(ruled).collect()
}

/// Arguments of call `nr` for which the two differ so.
fn at(
    (before, after): (&Calls<'_>, &Calls<'_>),
    arch: Arch,
    nr: u32,
    differ: &impl Fn(SyscallAction, SyscallAction) -> bool,
) -> Option<Witness> {
    let (left, right) = (outcomes(before, arch, nr), outcomes(after, arch, nr));
    let pairs = left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
    let mut pairs = pairs.filter(|((left, _), (right, _))| differ(*left, *right));
    let args = pairs.find_map(|((_, left), (_, right))| left.witness_with(right).found())?;
    Some(Witness { arch, nr, args, before: before.call(arch, nr, args), after: after.call(arch, nr, args) })
}

/// The actions that calls of `nr` can come to, each with the condition under which they do.
fn outcomes(calls: &Calls<'_>, arch: Arch, nr: u32) -> Vec<(SyscallAction, Pred)> {
    let policy = calls.policy();
    if let Some(refusal) = policy.refusal_of(arch, nr) {
        return vec![(refusal, Pred::True)];
    }
    let default = match by_number(arch, nr) {
        Some(_) => policy.syscall_default.0,
        None => SyscallAction::Errno(ENOSYS),
    };
    let mut rules = calls.rules_of(arch, nr).to_vec();
    rules.sort_by_key(|rule| rule.precedence());
    let actions: BTreeSet<SyscallAction> =
        rules.iter().map(|rule| rule.action).chain(std::iter::once(default)).collect();
    let under = |action: SyscallAction| {
        let none = if action == default { Pred::True } else { Pred::Any(Vec::new()) };
        // The last one has the first word.
        let condition =
            rules.iter().fold(none, |less, rule| match (&rule.predicate, rule.action == action) {
                (Pred::True, true) => Pred::True,
                (Pred::True, false) => Pred::Any(Vec::new()),
                (pred, true) => Pred::Any(vec![pred.clone(), less]),
                (pred, false) => Pred::All(vec![Pred::Not(Box::new(pred.clone())), less]),
            });
        (action, condition)
    };
    actions.into_iter().map(under).collect()
}
