//! Findings about power over others of the sandbox, over its namespaces, and over the program itself.

use super::Rule;
use super::lints::Calls;
use crate::context::Context;
use msb_diag::{Diagnostic, codes};
use msb_policy::{Pred, SyscallAction, Width};
use msb_syscalls::describe_some;

/// Calls that reach into another process of the same user, and what they take.
const REACHING: &[(&str, &str)] = &[
    ("pidfd_getfd", "takes open descriptors out of other processes of the sandbox"),
    ("process_vm_readv", "reads the memory of other processes of the sandbox"),
];

/// Calls that change what paths mean.
const MOUNTING: &[&str] = &["mount", "move_mount", "pivot_root", "fsmount", "mount_setattr"];

/// `CLONE_NEWNS` and `CLONE_NEWUSER` of linux/sched.h: with either mounts can be made that others do not see.
const MOUNT_NAMESPACES: u64 = 0x1002_0000;

/// Calls without which nothing runs.
const ESSENTIAL: &[&str] = &[
    "brk",
    "close",
    "execve",
    "exit",
    "exit_group",
    "fstat",
    "mmap",
    "mprotect",
    "munmap",
    "newfstatat",
    "openat",
    "read",
    "rt_sigreturn",
    "write",
];

/// What the rules give power over.
pub(super) fn power(cx: &mut Context<'_>, rules: &[Rule]) {
    let calls = Calls::new(rules);
    for (name, what) in REACHING {
        if let Some((_, rule)) = calls.open(name, &Pred::True) {
            cx.say(
                Diagnostic::new(codes::OTHER_PROCESSES_OPEN, format!("`{name}` is allowed"))
                    .label(rule.span, format!("it {what}"))
                    .help(format!("take it away: `… - {name}`")),
            );
        }
    }
    namespaces(cx, &calls);
    for name in ESSENTIAL {
        let kills = |rule: &&Rule| matches!(rule.action, SyscallAction::Kill | SyscallAction::Trap);
        let rule = calls.of(name).filter(kills).find(|rule| rule.predicate.always());
        if let Some(rule) = rule {
            cx.say(
                Diagnostic::new(codes::ESSENTIAL_CALL_KILLED, format!("`{name}` kills every program"))
                    .label(rule.span, "no program does without it")
                    .help("take it out of this rule"),
            );
        }
    }
}

fn namespaces(cx: &mut Context<'_>, calls: &Calls<'_>) {
    let Some((_, mounts)) = MOUNTING.iter().find_map(|name| calls.open(name, &Pred::True)) else { return };
    let none = Pred::Masked { argument: 0, width: Width::W64, mask: MOUNT_NAMESPACES, value: 0 };
    // setns(2) enters whatever its descriptor is of where its second argument is 0.
    for (name, condition) in [("unshare", Pred::Not(Box::new(none))), ("setns", Pred::True)] {
        let Some((args, rule)) = calls.open(name, &condition) else { continue };
        let call = describe_some(rule.arch, rule.call.nr, &args, |position| {
            condition != Pred::True && position == 0
        });
        cx.say(
            Diagnostic::new(
                codes::NAMESPACES_WITH_MOUNT,
                format!("`{name}` and `{}` are allowed together", mounts.call.name),
            )
            .label(rule.span, format!("`{call}` gives every capability, or a view of its own"))
            .label(mounts.span, "exchanges what paths show")
            .help(format!("take one of them away: `… - {name}`")),
        );
        return;
    }
}
