mod canonical;
mod decide;
mod difference;
mod laws;
mod names;
mod narrow;
pub(crate) mod net;
mod open;
mod places;
mod predicate;
mod search;
mod tool;

use proptest::prelude::*;

use crate::*;

/// A policy for x86-64 with nothing in it but these rules and `default`.
fn policy(syscalls: Vec<SyscallRule>, default: SyscallAction) -> Policy {
    Policy {
        syscalls,
        syscall_default: (default, OriginId(1000)),
        ..Policy::closed("test", Arch::X86_64, OriginId(0))
    }
}

fn rule(nr: u32, action: SyscallAction, predicate: Pred, origin: u32) -> SyscallRule {
    SyscallRule { arch: Arch::X86_64, nr, action, predicate, origin: OriginId(origin), implied: false }
}

fn compare(argument: u8, width: Width, op: Op, value: u64) -> Pred {
    Pred::Compare { argument, width, op, value }
}

fn any_op() -> impl Strategy<Value = Op> {
    prop::sample::select(vec![Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge])
}

fn any_width() -> impl Strategy<Value = Width> {
    prop::sample::select(vec![Width::W32, Width::W64])
}

/// Conditions on the first two arguments; their constants are below 8.
fn any_pred() -> impl Strategy<Value = Pred> {
    let leaf = prop_oneof![
        Just(Pred::True),
        (0..2u8, any_width(), any_op(), 0..8u64)
            .prop_map(|(argument, width, op, value)| { Pred::Compare { argument, width, op, value } }),
        (0..2u8, any_width(), 0..8u64, 0..8u64).prop_map(|(argument, width, mask, value)| {
            Pred::Masked { argument, width, mask, value: value & mask }
        }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|pred| Pred::Not(Box::new(pred))),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Pred::All),
            prop::collection::vec(inner, 0..4).prop_map(Pred::Any),
        ]
    })
}

fn any_action() -> impl Strategy<Value = SyscallAction> {
    prop_oneof![
        Just(SyscallAction::Allow),
        prop::sample::select(vec![1u16, 13, 38]).prop_map(SyscallAction::Errno),
        Just(SyscallAction::Kill),
        Just(SyscallAction::Log),
        Just(SyscallAction::Notify),
        Just(SyscallAction::Trap),
    ]
}

/// Rules for a few calls, one of them newer than the table.
fn any_rule() -> impl Strategy<Value = SyscallRule> {
    let nr = prop::sample::select(vec![0u32, 1, 41, 511, 0x4000_0001, u32::MAX]);
    (nr, any_action(), any_pred(), 0..100u32, any::<bool>()).prop_map(
        |(nr, action, predicate, origin, implied)| SyscallRule {
            arch: Arch::X86_64,
            nr,
            action,
            predicate,
            origin: OriginId(origin),
            implied,
        },
    )
}

/// Requests on which those rules can differ.
fn any_request() -> impl Strategy<Value = Request<'static>> {
    let arch = prop_oneof![9 => Just(Arch::X86_64.audit()), 1 => Just(Arch::Aarch64.audit())];
    let nr = prop::sample::select(vec![0u32, 1, 2, 41, 511, 512, 0x4000_0001, u32::MAX]);
    let arg = (0..10u64, prop::sample::select(vec![0, 1 << 32, u64::MAX << 32]));
    let arg = arg.prop_map(|(low, high)| low | high).boxed();
    (arch, nr, arg.clone(), arg).prop_map(|(audit_arch, nr, first, second)| Request::Syscall {
        audit_arch,
        nr,
        args: [first, second, 0, 0, 0, 0],
    })
}
