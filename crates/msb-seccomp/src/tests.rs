mod borders;
mod interpreter;
mod kernel;
mod libseccomp;
mod limits;
mod mutants;
mod oracle;
mod other;
mod proof;
mod tracing;

use msb_policy::{Arch, Op, OriginId, Policy, Pred, Request, SyscallAction, SyscallRule, Width};
use msb_syscalls::find;

use crate::{Execution, Program, SeccompData, action, execute, traced};

const ALLOW: SyscallAction = SyscallAction::Allow;
const EPERM: SyscallAction = SyscallAction::Errno(1);
const KILL: SyscallAction = SyscallAction::Kill;

/// A policy for `arch` with nothing in it but these rules and `default`.
fn policy(arch: Arch, mut syscalls: Vec<SyscallRule>, default: SyscallAction) -> Policy {
    syscalls.iter_mut().for_each(|rule| rule.arch = arch);
    Policy { syscalls, syscall_default: (default, OriginId(1)), ..Policy::closed("test", arch, OriginId(0)) }
}

fn rule(nr: u32, action: SyscallAction, predicate: Pred) -> SyscallRule {
    SyscallRule { arch: Arch::X86_64, nr, action, predicate, origin: OriginId(2), implied: false }
}

/// The number of a call of x86-64.
fn nr(name: &str) -> u32 {
    find(Arch::X86_64, name).map_or_else(|| panic!("{name} is no call"), |call| call.nr)
}

fn low(argument: u8, op: Op, value: u64) -> Pred {
    Pred::Compare { argument, width: Width::W32, op, value }
}

fn not(pred: Pred) -> Pred {
    Pred::Not(Box::new(pred))
}

fn ask(program: &Program, arch: u32, nr: u32, args: [u64; 6]) -> Execution {
    execute(&program.instructions, &SeccompData { nr, arch, instruction_pointer: 0xdead_beef, args })
}

/// What a program has to return, from the oracle.
fn expected(policy: &Policy, trace: bool, audit_arch: u32, nr: u32, args: [u64; 6]) -> u32 {
    match policy.decide(&Request::Syscall { audit_arch, nr, args }).action {
        SyscallAction::Kill => action::KILL_PROCESS,
        SyscallAction::Trap => action::TRAP,
        SyscallAction::Notify => action::USER_NOTIF,
        SyscallAction::Errno(_) if trace => action::USER_NOTIF,
        SyscallAction::Errno(errno) => action::errno(errno),
        _ if trace && Arch::of_call(audit_arch, nr).is_some_and(|arch| traced(arch, nr, &args)) => {
            action::USER_NOTIF
        }
        SyscallAction::Log => action::LOG,
        SyscallAction::Allow => action::ALLOW,
    }
}

/// About 300 allowed calls, five of them with conditions: what a coding agent's policy comes to.
fn coding_agent() -> Policy {
    let mut calls = msb_syscalls::expand(Arch::X86_64, "@system-service").unwrap_or_default();
    let conditioned = ["socket", "socketpair", "ioctl", "prctl", "clone"];
    calls.retain(|call| !conditioned.contains(&call.name) && call.name != "personality");
    let mut rules: Vec<_> = calls.iter().map(|call| rule(call.nr, ALLOW, Pred::True)).collect();
    let families = Pred::Any([1, 2, 10].map(|family| low(0, Op::Eq, family)).to_vec());
    let stream = Pred::Masked { argument: 1, width: Width::W32, mask: 0xf, value: 1 };
    rules.push(rule(nr("socket"), ALLOW, families));
    rules.push(rule(nr("socketpair"), ALLOW, Pred::All(vec![low(0, Op::Eq, 1), stream])));
    rules.push(rule(nr("ioctl"), ALLOW, Pred::True));
    let inject = Pred::Any([0x5412, 0x541c].map(|cmd| low(1, Op::Eq, cmd)).to_vec());
    rules.push(rule(nr("ioctl"), EPERM, inject));
    rules.push(rule(
        nr("prctl"),
        ALLOW,
        Pred::Any([15, 16, 38].map(|option| low(0, Op::Eq, option)).to_vec()),
    ));
    let namespaces = Pred::Masked { argument: 0, width: Width::W32, mask: 0x7e02_0000, value: 0 };
    rules.push(rule(nr("clone"), ALLOW, namespaces));
    rules.push(rule(nr("clone3"), SyscallAction::Errno(38), Pred::True));
    policy(Arch::X86_64, rules, EPERM)
}
