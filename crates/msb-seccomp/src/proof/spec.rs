//! What a policy says, as tests on words: for each stretch of numbers a list of conditions in order.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use msb_policy::{Op, Policy, Pred, SyscallAction, SyscallRule, Width};
use msb_syscalls::{Arch, all, by_number};

use super::words::{Set, Test};
use crate::Options;
use crate::bpf::{SeccompData, action};
use crate::trace::{TRACED_LENGTH_BYTES_MIN, traced_length};

/// Words of `struct seccomp_data`.
pub(super) const WORDS: usize = 16;
/// Word of `nr`.
pub(super) const NR: usize = 0;
/// Word of `arch`.
pub(super) const ARCH: usize = 1;
/// Low word of the first argument, on a little-endian machine; its high word follows.
const ARGS: usize = 4;

/// ENOSYS, for numbers that neither the table nor a rule knows.
const ENOSYS: u16 = 38;
/// `__X32_SYSCALL_BIT`.
const X32: u32 = 1 << 30;

/// The sets of the words.
pub(super) type Sets = [Rc<Set>; WORDS];

/// A condition with its negations at the tests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Formula {
    /// Always or never.
    Known(bool),
    /// A test of a word.
    Test {
        /// Which word.
        word: usize,
        /// Of what.
        test: Test,
        /// What it has to be.
        holds: bool,
    },
    /// All hold.
    All(Vec<Formula>),
    /// One holds.
    Any(Vec<Formula>),
}

impl Formula {
    /// `pred`, or its contrary.
    fn of(pred: &Pred, truth: bool) -> Self {
        match pred {
            Pred::True => Self::Known(truth),
            Pred::Not(inner) => Self::of(inner, !truth),
            Pred::All(all) => Self::many(all.iter().map(|one| Self::of(one, truth)).collect(), truth),
            Pred::Any(any) => Self::many(any.iter().map(|one| Self::of(one, truth)).collect(), !truth),
            Pred::Compare { argument: 6.., op, value, .. } => Self::Known(op.compare(0, *value) == truth),
            Pred::Masked { argument: 6.., value, .. } => Self::Known((*value == 0) == truth),
            Pred::Compare { argument, width, op, value } => {
                let word = ARGS + 2 * usize::from(*argument);
                let more = |value: u64, truth| match value.checked_add(1) {
                    Some(least) => Self::at_least(word, *width, least, truth),
                    None => Self::Known(!truth),
                };
                match op {
                    Op::Eq => Self::masked(word, *width, width.mask(), *value, truth),
                    Op::Ne => Self::masked(word, *width, width.mask(), *value, !truth),
                    Op::Ge => Self::at_least(word, *width, *value, truth),
                    Op::Lt => Self::at_least(word, *width, *value, !truth),
                    Op::Gt => more(*value, truth),
                    Op::Le => more(*value, !truth),
                }
            }
            Pred::Masked { argument, width, mask, value } => {
                Self::masked(ARGS + 2 * usize::from(*argument), *width, mask & width.mask(), *value, truth)
            }
        }
    }

    fn many(parts: Vec<Self>, conjunction: bool) -> Self {
        if conjunction { Self::All(parts) } else { Self::Any(parts) }
    }

    /// `argument & mask == value`; `mask` has no bits beyond the width.
    fn masked(word: usize, width: Width, mask: u64, value: u64, holds: bool) -> Self {
        if value & !mask != 0 {
            return Self::Known(!holds);
        }
        let ((high_mask, low_mask), (high, low)) = (halves(mask), halves(value));
        let one = |word, mask, value| Self::Test { word, test: Test::Equal { mask, value }, holds };
        match width {
            Width::W32 => one(word, low_mask, low),
            Width::W64 => Self::many(vec![one(word + 1, high_mask, high), one(word, low_mask, low)], holds),
        }
    }

    /// `argument >= least`, or its contrary.
    fn at_least(word: usize, width: Width, least: u64, holds: bool) -> Self {
        let (high, low) = halves(least);
        let one = |word, least| Self::Test { word, test: Test::AtLeast { mask: u32::MAX, least }, holds };
        match width {
            Width::W32 if high != 0 => Self::Known(!holds),
            Width::W32 => one(word, low),
            Width::W64 => {
                let same = Test::Equal { mask: u32::MAX, value: high };
                let same = Self::Test { word: word + 1, test: same, holds };
                let more = match high.checked_add(1) {
                    Some(more) => one(word + 1, more),
                    None => Self::Known(!holds),
                };
                Self::many(vec![more, Self::many(vec![same, one(word, low)], holds)], !holds)
            }
        }
    }

    /// Whether it holds for `data`.
    fn at(&self, words: &[u32; WORDS]) -> bool {
        match self {
            Self::Known(known) => *known,
            Self::Test { word, test, holds } => test.holds(words[*word]) == *holds,
            Self::All(all) => all.iter().all(|one| one.at(words)),
            Self::Any(any) => any.iter().any(|one| one.at(words)),
        }
    }

    /// What is left of it where the words are in `sets`.
    fn under(&self, sets: &Sets) -> Self {
        match self {
            Self::Known(known) => Self::Known(*known),
            Self::Test { word, test, holds } => match sets[*word].verdict(*test) {
                Some(verdict) => Self::Known(verdict == *holds),
                None => self.clone(),
            },
            Self::All(all) => Self::left(all, sets, false),
            Self::Any(any) => Self::left(any, sets, true),
        }
    }

    /// What is left of parts of which `decides` decides the whole.
    fn left(parts: &[Self], sets: &Sets, decides: bool) -> Self {
        let mut left = Vec::new();
        for part in parts {
            match part.under(sets) {
                Self::Known(known) if known == decides => return Self::Known(decides),
                Self::Known(_) => {}
                open => left.push(open),
            }
        }
        if left.len() > 1 {
            return Self::many(left, !decides);
        }
        left.pop().unwrap_or(Self::Known(!decides))
    }

    /// The first test in it.
    fn first(&self) -> Option<(usize, Test)> {
        match self {
            Self::Known(_) => None,
            Self::Test { word, test, .. } => Some((*word, *test)),
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(Self::first),
        }
    }

    fn words(&self) -> u16 {
        match self {
            Self::Known(_) => 0,
            Self::Test { word, .. } => 1 << word,
            Self::All(parts) | Self::Any(parts) => parts.iter().fold(0, |words, part| words | part.words()),
        }
    }
}

/// What is returned for a stretch of numbers: by the first condition that holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Spec {
    /// Conditions, and what is returned where one holds; none of them known.
    rules: Vec<(Formula, u32)>,
    /// What is returned where none holds.
    otherwise: u32,
    /// The words that the conditions look at, as bits.
    words: u16,
}

impl Spec {
    fn new(rules: Vec<(Formula, u32)>, otherwise: u32) -> Self {
        let all: Sets = std::array::from_fn(|_| Rc::new(Set::all()));
        Self { rules, otherwise, words: 0 }.under(&all)
    }

    /// What is left of it where the words are in `sets`.
    pub(super) fn under(&self, sets: &Sets) -> Self {
        let mut left = Self { rules: Vec::new(), otherwise: self.otherwise, words: 0 };
        for (formula, returned) in &self.rules {
            match formula.under(sets) {
                Formula::Known(false) => {}
                Formula::Known(true) => {
                    left.otherwise = *returned;
                    break;
                }
                open => left.rules.push((open, *returned)),
            }
        }
        // Who is last and says what is said otherwise says nothing.
        while left.rules.last().is_some_and(|(_, returned)| *returned == left.otherwise) {
            left.rules.pop();
        }
        left.words = left.rules.iter().fold(0, |words, (formula, _)| words | formula.words());
        left
    }

    /// What is returned, where that no longer depends on anything.
    pub(super) fn settled(&self) -> Option<u32> {
        self.rules.is_empty().then_some(self.otherwise)
    }

    /// A test on which it depends.
    pub(super) fn open(&self) -> Option<(usize, Test)> {
        self.rules.iter().find_map(|(formula, _)| formula.first())
    }

    pub(super) const fn words(&self) -> u16 {
        self.words
    }

    /// What is returned for `data`.
    pub(super) fn at(&self, data: &SeccompData) -> u32 {
        let words = words(data);
        let found = self.rules.iter().find(|(formula, _)| formula.at(&words));
        found.map_or(self.otherwise, |(_, returned)| *returned)
    }
}

/// Calls of which the policy says the same.
#[derive(Debug)]
pub(super) struct Stretch {
    /// First and last `arch`.
    pub(super) archs: (u32, u32),
    /// First and last `nr`.
    pub(super) numbers: (u32, u32),
    /// The numbers that the table or a rule knows.
    named: Vec<u32>,
    /// What it says.
    pub(super) spec: Spec,
}

impl Stretch {
    /// Calls at its borders, and one of each number that somebody knows.
    pub(super) fn samples(&self) -> impl Iterator<Item = SeccompData> {
        let ((first, last), (arch, end)) = (self.numbers, self.archs);
        let numbers = [first, last].into_iter().chain(self.named.iter().copied());
        numbers.flat_map(move |nr| {
            [arch, end].map(|arch| SeccompData { nr, arch, instruction_pointer: 0, args: [0; 6] })
        })
    }
}

/// Every call there is, each in one stretch.
pub(super) fn stretches(policy: &Policy, options: Options) -> Vec<Stretch> {
    let named: BTreeSet<u32> = policy.archs.iter().map(|arch| arch.audit()).collect();
    let mut stretches = Vec::new();
    // No architecture has `AUDIT_ARCH_*` 0 or −1 (linux/audit.h), so that there is one before each and one after.
    let ends = named.iter().map(|audit| audit - 1).chain([u32::MAX]);
    let begins = [0].into_iter().chain(named.iter().map(|audit| audit + 1));
    for archs in begins.zip(ends).filter(|(begin, end)| begin <= end) {
        let kill = Spec::new(Vec::new(), action::KILL_PROCESS);
        stretches.push(Stretch { archs, numbers: (0, u32::MAX), named: Vec::new(), spec: kill });
    }
    for audit in named {
        of_architecture(policy, options, audit, &mut stretches);
    }
    stretches
}

/// The calls with this `arch`.
fn of_architecture(policy: &Policy, options: Options, here: u32, stretches: &mut Vec<Stretch>) {
    let mut rules: BTreeMap<u32, (Arch, Vec<&SyscallRule>)> = BTreeMap::new();
    for arch in policy.archs.iter().filter(|arch| arch.audit() == here) {
        rules.extend(all(*arch).iter().map(|call| (call.nr, (*arch, Vec::new()))));
        // −1 no rule reaches, nor one of x86_64 a number of x32, or the other way round.
        let reaches = |rule: &&SyscallRule| match rule.arch {
            Arch::X86_64 => rule.nr & X32 == 0,
            Arch::X32 => rule.nr & X32 != 0 && rule.nr != u32::MAX,
            Arch::Aarch64 | Arch::I386 => rule.nr != u32::MAX,
        };
        for rule in policy.syscalls.iter().filter(|rule| rule.arch == *arch).filter(reaches) {
            rules.entry(rule.nr).or_insert((*arch, Vec::new())).1.push(rule);
        }
    }

    let enosys = if options.trace { action::USER_NOTIF } else { action::errno(ENOSYS) };
    let unknown = || Spec::new(Vec::new(), enosys);
    let (begin, mut next) = (stretches.len(), 0);
    let mut put = |numbers: (u32, u32), named: Option<u32>, spec: Spec| match stretches.get_mut(begin..) {
        Some([.., before]) if before.spec == spec => {
            before.numbers.1 = numbers.1;
            before.named.extend(named);
        }
        _ => {
            let named = named.into_iter().collect();
            stretches.push(Stretch { archs: (here, here), numbers, named, spec });
        }
    };
    for (nr, (arch, of_number)) in rules {
        if next < nr {
            put((next, nr - 1), None, unknown());
        }
        put((nr, nr), Some(nr), spec(policy, options, (arch, nr), of_number));
        // There is a next one: −1 is not among them.
        next = nr + 1;
    }
    put((next, u32::MAX), None, unknown());
}

/// What the rules of one number say.
fn spec(policy: &Policy, options: Options, (arch, nr): (Arch, u32), mut rules: Vec<&SyscallRule>) -> Spec {
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.precedence()));
    let mut list = Vec::new();
    for rule in rules {
        outcome(options, (arch, nr), Formula::of(&rule.predicate, true), rule.action, &mut list);
    }
    let default = match by_number(arch, nr) {
        Some(_) => policy.syscall_default.0,
        None => SyscallAction::Errno(ENOSYS),
    };
    outcome(options, (arch, nr), Formula::Known(true), default, &mut list);
    // The last one holds always, so that what stands here is never reached.
    Spec::new(list, action::KILL_PROCESS)
}

/// Appends what is returned where `when` holds and `action` is what the policy says.
fn outcome(
    options: Options,
    (arch, nr): (Arch, u32),
    when: Formula,
    action: SyscallAction,
    list: &mut Vec<(Formula, u32)>,
) {
    let returned = match action {
        SyscallAction::Kill => action::KILL_PROCESS,
        SyscallAction::Trap => action::TRAP,
        SyscallAction::Notify => action::USER_NOTIF,
        SyscallAction::Errno(_) if options.trace => action::USER_NOTIF,
        SyscallAction::Errno(errno) => action::errno(errno),
        SyscallAction::Allow | SyscallAction::Log => {
            match traced_length(arch, nr).filter(|_| options.trace) {
                None => {}
                Some(None) => return list.push((when, action::USER_NOTIF)),
                Some(Some(length)) => {
                    let word = ARGS + 2 * usize::from(length);
                    let long = Formula::at_least(word, Width::W64, TRACED_LENGTH_BYTES_MIN, true);
                    list.push((Formula::All(vec![when.clone(), long]), action::USER_NOTIF));
                }
            }
            if action == SyscallAction::Log { action::LOG } else { action::ALLOW }
        }
    };
    list.push((when, returned));
}

/// The words of `data`.
fn words(data: &SeccompData) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    (words[NR], words[ARCH]) = (data.nr, data.arch);
    let wide = std::iter::once(data.instruction_pointer).chain(data.args);
    for (index, value) in wide.enumerate() {
        let (high, low) = halves(value);
        (words[2 + 2 * index], words[3 + 2 * index]) = (low, high);
    }
    words
}

/// The high and the low word.
fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (u32::from_le_bytes([e, f, g, h]), u32::from_le_bytes([a, b, c, d]))
}
