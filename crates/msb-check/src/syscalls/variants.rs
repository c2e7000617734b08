//! Calls that do the same as a denied one, by another name.

use super::Rule;
use super::lints::Calls;
use crate::context::Context;
use msb_diag::{Diagnostic, codes};
use msb_policy::{Pred, Width};
use msb_resolve::LayerId;
use msb_syscalls::{Bits, constant};

/// Calls of one row do the same thing.
const FAMILIES: &[&[&str]] = &[
    &["accept", "accept4"],
    &["chmod", "fchmod", "fchmodat", "fchmodat2"],
    &["chown", "fchown", "fchownat", "lchown"],
    &["execve", "execveat"],
    &["fork", "vfork", "clone"],
    &["init_module", "finit_module"],
    &["kexec_load", "kexec_file_load"],
    &["kill", "tkill", "tgkill", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo"],
    &["link", "linkat"],
    &["mkdir", "mkdirat"],
    &["mknod", "mknodat"],
    &["mount", "fsopen", "fsmount", "move_mount", "open_tree"],
    &["open", "openat", "openat2", "creat"],
    &["process_vm_readv", "ptrace"],
    &["readlink", "readlinkat"],
    &["recvfrom", "recvmsg", "recvmmsg"],
    &["rename", "renameat", "renameat2"],
    &["rmdir", "unlink", "unlinkat"],
    &["sendto", "sendmsg", "sendmmsg"],
    &["setrlimit", "prlimit64"],
    &["symlink", "symlinkat"],
];

/// Warns where a policy denies one of a family and leaves another open.
pub(super) fn variants(cx: &mut Context<'_>, rules: &[Rule]) {
    let calls = Calls::new(rules);
    for family in FAMILIES {
        let denied = rules.iter().find(|rule| {
            rule.whole.is_some()
                && rule.layer == LayerId::POLICY
                && rule.direct
                && !rule.action.may_make()
                && rule.predicate == Pred::True
                // Its flags are invisible: who denies it sends programs to the others, on purpose.
                && rule.call.name != "openat2"
                && family.contains(&rule.call.name)
        });
        let Some(denied) = denied else { continue };
        let open: Vec<(&str, &Rule)> = family
            .iter()
            .filter(|name| **name != denied.call.name)
            .filter_map(|name| calls.open(name, &Pred::True).map(|(_, rule)| (*name, rule)))
            .collect();
        let Some((_, allow)) = open.first() else { continue };
        let names = open.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let missing = open.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let name = denied.call.name;
        cx.say(
            Diagnostic::new(codes::VARIANT_OPEN, format!("`{name}` is denied and {names} left open"))
                .label(denied.span, "denied here")
                .label(allow.span, "allowed here, to the same effect")
                .help(format!("deny them together: `{name}, {missing}`")),
        );
    }
    write_exec(cx, rules, &calls);
    flags_in_memory(cx, rules, &calls);
}

/// Warns where flags of `open` and `openat` are checked and `openat2`, which has them in memory, is open.
fn flags_in_memory(cx: &mut Context<'_>, rules: &[Rule], calls: &Calls<'_>) {
    let checked = rules.iter().find(|rule| {
        rule.whole.is_some()
            && rule.layer == LayerId::POLICY
            && rule.predicate != Pred::True
            && matches!(rule.call.name, "open" | "openat")
    });
    let (Some(checked), Some((_, open))) = (checked, calls.open("openat2", &Pred::True)) else { return };
    let name = checked.call.name;
    cx.say(
        Diagnostic::new(
            codes::FLAGS_IN_MEMORY,
            format!("the arguments of `{name}` are checked, those of `openat2` cannot be"),
        )
        .label(checked.span, "checked here")
        .label(open.span, "allows `openat2`, whose flags lie in memory")
        .help("write `errno ENOSYS openat2`: programs then use `openat`"),
    );
}

/// Calls that make memory executable.
const PROTECT: &[&str] = &["mmap", "mprotect", "pkey_mprotect"];

/// Warns where memory that is both writable and executable is denied in one call and open in another.
fn write_exec(cx: &mut Context<'_>, rules: &[Rule], calls: &Calls<'_>) {
    let both = |rule: &Rule| {
        let bits = constant("prot", "PROT_WRITE")? | constant("prot", "PROT_EXEC")?;
        let (position, kind) = rule.call.arg("prot")?;
        let width = if kind.bits() == Bits::B64 { Width::W64 } else { Width::W32 };
        let argument = u8::try_from(position).ok()?;
        Some(Pred::Masked { argument, width, mask: bits, value: bits })
    };
    let denied = rules.iter().find(|rule| {
        rule.whole.is_some()
            && PROTECT.contains(&rule.call.name)
            && !rule.action.may_make()
            && rule.predicate != Pred::True
            && both(rule).is_some_and(|both| calls.open(rule.call.name, &both).is_none())
    });
    let Some(denied) = denied else { return };
    for name in PROTECT {
        let open = calls.of(name).next().and_then(both).and_then(|both| calls.open(name, &both));
        if let Some((_, allow)) = open {
            cx.say(
                Diagnostic::new(
                    codes::WRITE_EXEC_INCOMPLETE,
                    format!("`{name}` may make memory writable and executable"),
                )
                .label(denied.span, "denied here")
                .label(allow.span, "allowed here")
                .help(format!("add `{name}` to the list that is denied")),
            );
        }
    }
}
