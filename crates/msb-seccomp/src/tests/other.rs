//! Against a compiler that others wrote: seccompiler 0.5.

use std::collections::BTreeMap;

use super::*;
use crate::{Instruction, Options, compile, run};
use proptest::prelude::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// One comparison in both languages; seccompiler compares masked bits with a mask of the argument's width.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    pub(super) argument: u8,
    pub(super) width: Width,
    pub(super) op: Option<Op>,
    pub(super) mask: u64,
    pub(super) value: u64,
}

impl Comparison {
    fn ours(&self) -> Pred {
        let Self { argument, width, mask, value, .. } = *self;
        match self.op {
            Some(op) => Pred::Compare { argument, width, op, value },
            None => Pred::Masked { argument, width, mask, value: value & mask },
        }
    }

    fn theirs(&self) -> SeccompCondition {
        let length = match self.width {
            Width::W32 => SeccompCmpArgLen::Dword,
            Width::W64 => SeccompCmpArgLen::Qword,
        };
        let (op, value) = match self.op {
            Some(Op::Eq) => (SeccompCmpOp::Eq, self.value),
            Some(Op::Ne) => (SeccompCmpOp::Ne, self.value),
            Some(Op::Lt) => (SeccompCmpOp::Lt, self.value),
            Some(Op::Le) => (SeccompCmpOp::Le, self.value),
            Some(Op::Gt) => (SeccompCmpOp::Gt, self.value),
            Some(Op::Ge) => (SeccompCmpOp::Ge, self.value),
            None => (SeccompCmpOp::MaskedEq(self.mask), self.value & self.mask),
        };
        SeccompCondition::new(self.argument, length, op, value).expect("an argument below 6")
    }
}

/// For each number: it is allowed if all of one of its lists hold. An empty map entry is allowed always.
pub(super) type Allowed = BTreeMap<u32, Vec<Vec<Comparison>>>;

pub(super) fn ours(allowed: &Allowed) -> Vec<Instruction> {
    let rules = allowed.iter().map(|(nr, lists)| {
        let any = lists.iter().map(|list| Pred::All(list.iter().map(Comparison::ours).collect())).collect();
        rule(*nr, ALLOW, if lists.is_empty() { Pred::True } else { Pred::Any(any) })
    });
    let policy = policy(Arch::X86_64, rules.collect(), EPERM);
    compile(&policy, Options::default()).expect("short, and right").instructions
}

fn theirs(allowed: &Allowed) -> Vec<Instruction> {
    let rules = allowed.iter().map(|(nr, lists)| {
        let rules = lists.iter().map(|list| {
            SeccompRule::new(list.iter().map(Comparison::theirs).collect()).expect("a list is not empty")
        });
        (i64::from(*nr), rules.collect())
    });
    let (mismatch, matched) = (SeccompAction::Errno(1), SeccompAction::Allow);
    let filter = SeccompFilter::new(rules.collect(), mismatch, matched, TargetArch::x86_64);
    let program: BpfProgram = filter.and_then(BpfProgram::try_from).expect("they take it");
    program.iter().map(|i| Instruction { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect()
}

pub(super) fn any_value() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![
        0u64,
        1,
        0x5412,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        1 << 32,
        0x1_0000_5412,
        u64::MAX - 1,
        u64::MAX,
    ])
}

pub(super) fn any_comparison() -> impl Strategy<Value = Comparison> {
    let width = prop::sample::select(vec![Width::W32, Width::W64]);
    let ops = [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge].map(Some);
    let op = prop::sample::select([ops.to_vec(), vec![None, None]].concat());
    (0..3u8, width, op, any_value(), any_value()).prop_map(|(argument, width, op, mask, value)| Comparison {
        argument,
        width,
        op,
        mask: mask & width.mask(),
        value: value & width.mask(),
    })
}

fn any_allowed() -> impl Strategy<Value = Allowed> {
    let lists = prop::collection::vec(prop::collection::vec(any_comparison(), 1..4), 0..4);
    prop::collection::btree_map(0..470u32, lists, 1..20)
}

pub(super) fn data(arch: u32, nr: u32, args: [u64; 6]) -> SeccompData {
    SeccompData { nr, arch, instruction_pointer: 0, args }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn known_calls_have_the_same_answer(
        allowed in any_allowed(),
        requests in prop::collection::vec((0..470u32, any::<bool>(), prop::array::uniform6(any_value())), 100),
    ) {
        let (ours, theirs) = (ours(&allowed), theirs(&allowed));
        let named: Vec<u32> = allowed.keys().copied().collect();
        for (nr, of_named, args) in requests {
            // What nobody knows is another thing to them, see below; so is a condition on such a number.
            let nr = if of_named { named[nr as usize % named.len()] } else { nr };
            if msb_syscalls::by_number(Arch::X86_64, nr).is_none() {
                continue;
            }
            let data = data(Arch::X86_64.audit(), nr, args);
            prop_assert_eq!(run(&ours, &data), run(&theirs, &data), "{} {:x?}", nr, args);
        }
    }
}

/// What seccompiler does otherwise, each by name: it has one answer for all that is not allowed.
#[test]
fn where_seccompiler_differs() {
    let allowed = Allowed::from([(0, Vec::new()), (0x4000_0000, Vec::new())]);
    let (ours, theirs) = (ours(&allowed), theirs(&allowed));
    let both = |arch, nr| {
        let data = data(arch, nr, [0; 6]);
        (run(&ours, &data), run(&theirs, &data))
    };
    let (eperm, enosys) = (action::errno(1), action::errno(38));
    let here = Arch::X86_64.audit();
    assert_eq!(both(here, 0), (action::ALLOW, action::ALLOW));
    assert_eq!(both(here, 1), (eperm, eperm));
    assert_eq!(both(0x4000_0003, 0), (action::KILL_PROCESS, action::KILL_PROCESS), "foreign calls die");
    assert_eq!(both(here, 1000), (enosys, eperm), "numbers that nobody knows");
    assert_eq!(both(here, u32::MAX), (enosys, eperm), "number -1");
    assert_eq!(both(here, 0x4000_0001), (enosys, eperm), "x32 calls");
    assert_eq!(both(here, 0x4000_0000), (enosys, action::ALLOW), "x32 calls that a rule names");
}

#[test]
fn a_real_policy_is_far_shorter_than_theirs() {
    let names = msb_syscalls::expand(Arch::X86_64, "@system-service").unwrap_or_default();
    let allowed: Allowed = names.iter().map(|call| (call.nr, Vec::new())).collect();
    let (ours, theirs) = (ours(&allowed), theirs(&allowed));
    assert!(ours.len() * 5 < theirs.len(), "{} against {}", ours.len(), theirs.len());
}
