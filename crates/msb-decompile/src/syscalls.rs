//! What happens to each call as rules: few of them, on groups where a group says it.

use crate::Undone;
use crate::condition::simplest;
use crate::filter::{Outcome, Way};
use crate::words::condition;
use msb_policy::SyscallAction;
use msb_syscalls::{Arch, Syscall, by_number, errno_name, expand, groups};
use std::collections::{BTreeMap, BTreeSet};

/// ENOSYS, for numbers that the table does not have.
const BEYOND: SyscallAction = SyscallAction::Errno(38);
/// EPERM, for calls that no rule names and where none says otherwise.
const EPERM: SyscallAction = SyscallAction::Errno(1);
/// Fewest calls for which a group stands.
const GROUP_MIN: usize = 3;
/// Most calls that a group is named without.
const MISSING_MAX: usize = 2;

/// The calls of each rule, by its action and condition.
type Rules = BTreeMap<(SyscallAction, Option<String>), Vec<u32>>;

/// A verb, what it is about, and the condition.
type Rule = (String, Vec<String>, String);

/// The rules for `outcomes`; those of `said` leave nothing to the default.
pub(crate) fn rules(outcomes: &[Outcome], said: &BTreeSet<u32>, arch: Arch) -> Result<Vec<Rule>, Undone> {
    let default = default(outcomes);
    let mut rules = Rules::new();
    for outcome in outcomes {
        let call = by_number(arch, outcome.nr);
        let otherwise = if call.is_some() { default } else { BEYOND };
        let otherwise = Some(otherwise).filter(|_| !said.contains(&outcome.nr));
        for (action, condition) in of(outcome, call, otherwise)? {
            rules.entry((action, condition)).or_default().push(outcome.nr);
        }
    }
    // What a rule refuses in any case, an `allow` may say as well: a deny overrides.
    let refused = |((action, condition), calls): (&(SyscallAction, Option<String>), &Vec<u32>)| {
        (!action.makes() && condition.is_none()).then(|| calls.clone())
    };
    let refused: BTreeSet<u32> = rules.iter().filter_map(refused).flatten().collect();
    let none = BTreeSet::new();
    let mut written = Vec::new();
    for ((action, condition), calls) in rules {
        let besides = if action.makes() && condition.is_none() { &refused } else { &none };
        let names = names(&calls, besides, arch);
        let condition = condition.map_or_else(String::new, |condition| format!(" where {condition}"));
        written.push((verb(action)?, names, condition));
    }
    if default != EPERM {
        written.push((format!("default {}", verb(default)?), Vec::new(), String::new()));
    }
    Ok(written)
}

/// What most calls of the table come to that are not made: the rules are about the others.
fn default(outcomes: &[Outcome]) -> SyscallAction {
    let mut counts: BTreeMap<SyscallAction, usize> = BTreeMap::new();
    for outcome in outcomes {
        if let [(action, _)] = outcome.actions.as_slice()
            && !action.makes()
        {
            *counts.entry(*action).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(EPERM, |(action, _)| action)
}

/// The rules for one call: an action, and when it is taken.
fn of(
    outcome: &Outcome,
    call: Option<&'static Syscall>,
    default: Option<SyscallAction>,
) -> Result<Vec<(SyscallAction, Option<String>)>, Undone> {
    let [(least, _), others @ ..] = outcome.actions.as_slice() else { return Ok(Vec::new()) };
    if others.is_empty() {
        return Ok(if Some(*least) == default { Vec::new() } else { vec![(*least, None)] });
    }
    let name = call.map_or_else(|| format!("syscall({})", outcome.nr), |call| call.name.to_owned());
    let no_words = || Undone::NoWords(format!("the condition on which the filter decides `{name}`"));
    let call = call.ok_or_else(no_words)?;
    let written = |action: SyscallAction| when(call, outcome, action);
    // Without the default, each of the others under its condition; or the mildest always, which the others override.
    let but = |left_out: Option<SyscallAction>| -> Option<Vec<(SyscallAction, Option<String>)>> {
        let said = outcome.actions.iter().filter(|(action, _)| Some(*action) != left_out);
        said.map(|(action, _)| Some((*action, Some(written(*action)?)))).collect()
    };
    let by_default =
        outcome.actions.iter().any(|(action, _)| Some(*action) == default).then(|| but(default)).flatten();
    let overridden = (Some(*least) != default
        && others.iter().all(|(action, _)| action.severity() > least.severity()))
    .then(|| Some([vec![(*least, None)], but(Some(*least))?].concat()))
    .flatten();
    let length = |rules: &Vec<(SyscallAction, Option<String>)>| -> usize {
        rules.iter().filter_map(|(_, condition)| condition.as_ref().map(String::len)).sum()
    };
    // What is allowed in general, and refused in some cases, reads best that way round.
    let best = match (overridden, by_default) {
        (Some(overridden), Some(by_default)) if length(&overridden) > 2 * length(&by_default) => {
            Some(by_default)
        }
        (overridden, by_default) => overridden.or(by_default),
    };
    best.or_else(|| but(None)).ok_or_else(no_words)
}

/// When `action` is taken: said of it, or of all the others.
fn when(call: &Syscall, outcome: &Outcome, action: SyscallAction) -> Option<String> {
    let ways = |this: bool| -> Vec<Way> {
        let of = outcome.actions.iter().filter(|(other, _)| (*other == action) == this);
        of.flat_map(|(_, ways)| ways.clone()).collect()
    };
    let (own, others) = (ways(true), ways(false));
    let contrary = condition(call, &simplest(Some(call), &others, &own)).map(|others| {
        let one = !others.contains(" and ") && !others.contains(" or ");
        if one { format!("not {others}") } else { format!("not ({others})") }
    });
    let said = condition(call, &simplest(Some(call), &own, &others));
    [said, contrary].into_iter().flatten().min_by_key(String::len)
}

/// `allow`, `errno EPERM`.
fn verb(action: SyscallAction) -> Result<String, Undone> {
    Ok(match action {
        SyscallAction::Allow => "allow".to_owned(),
        SyscallAction::Log => "log".to_owned(),
        SyscallAction::Trap => "trap".to_owned(),
        SyscallAction::Kill => "kill".to_owned(),
        SyscallAction::Errno(errno) => {
            let name = errno_name(errno).ok_or_else(|| Undone::NoWords(format!("the error {errno}")))?;
            format!("errno {name}")
        }
    })
}

/// Names for `calls`: groups all of whose calls are among them, or among those that may be said besides, the one that
/// says most first, and what is left.
fn names(calls: &[u32], besides: &BTreeSet<u32>, arch: Arch) -> Vec<String> {
    let mut left: BTreeSet<u32> = calls.iter().copied().collect();
    let mut names = Vec::new();
    let mut known = Vec::new();
    for group in groups() {
        let members: BTreeSet<u32> =
            expand(arch, group.name).into_iter().flatten().map(|call| call.nr).collect();
        let missing: Vec<u32> =
            members.iter().copied().filter(|nr| !left.contains(nr) && !besides.contains(nr)).collect();
        if missing.is_empty() || (missing.len() <= MISSING_MAX && members.len() >= 4 * MISSING_MAX) {
            known.push((group.name, members, missing));
        }
    }
    loop {
        let gain = |members: &BTreeSet<u32>, missing: &[u32]| {
            members.intersection(&left).count().saturating_sub(missing.len())
        };
        let most = known.iter().map(|group| (gain(&group.1, &group.2), group));
        // Of equals the first, so that the text is always the same.
        let Some((count, (name, members, missing))) = most.rev().max_by_key(|(count, _)| *count) else {
            break;
        };
        if count < GROUP_MIN {
            break;
        }
        left.retain(|nr| !members.contains(nr));
        let without: String = missing.iter().map(|nr| format!(" - {}", self::name(*nr, arch))).collect();
        names.push(format!("{name}{without}"));
    }
    names.sort();
    let mut single: Vec<String> = left.iter().map(|nr| name(*nr, arch)).collect();
    single.sort();
    names.extend(single);
    names
}

fn name(nr: u32, arch: Arch) -> String {
    by_number(arch, nr).map_or_else(|| format!("syscall({nr})"), |call| call.name.to_owned())
}
