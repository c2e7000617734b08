//! The `caps` section: capabilities that the program keeps, none unless it says so.

use crate::context::Context;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::OriginId;
use msb_resolve::nearest;
use msb_syntax::ast::{Name, StmtKind};
use msb_syscalls::{capability, capability_name};

/// Capabilities that give everything else, each with the shortest way there; capabilities(7) and the
/// kernel's own checks.
const ROOT: &[(&str, &str)] = &[
    ("AUDIT_CONTROL", "turns off what records the program"),
    ("BPF", "loads programs into the kernel"),
    ("CHECKPOINT_RESTORE", "opens the files of other processes"),
    ("CHOWN", "takes any file"),
    ("DAC_OVERRIDE", "reads and writes any file"),
    ("DAC_READ_SEARCH", "opens any file by its handle"),
    ("FOWNER", "changes the mode of any file"),
    ("LINUX_IMMUTABLE", "unlocks files that are meant to stay"),
    ("MAC_ADMIN", "changes the policy of the host"),
    ("MAC_OVERRIDE", "passes the policy of the host"),
    ("MKNOD", "makes device nodes"),
    ("NET_ADMIN", "changes routes and packet filters"),
    ("PERFMON", "reads the memory of the kernel"),
    ("SETFCAP", "gives files any capability"),
    ("SETGID", "becomes any group"),
    ("SETPCAP", "gives itself any capability of its bounding set"),
    ("SETUID", "becomes any user"),
    ("SYS_ADMIN", "mounts, and much more"),
    ("SYS_BOOT", "starts another kernel"),
    ("SYS_CHROOT", "leaves its root"),
    ("SYS_MODULE", "loads code into the kernel"),
    ("SYS_PTRACE", "controls every process that it sees"),
    ("SYS_RAWIO", "writes memory and devices"),
    ("SYS_RESOURCE", "raises its own limits"),
];

/// The capabilities as bits, and the line that keeps them, or the policy's.
pub(crate) fn caps(cx: &mut Context<'_>) -> (u64, OriginId) {
    let mut bits = 0;
    let mut none: Option<Span> = None;
    let mut some: Option<Span> = None;
    for placed in cx.stmts() {
        let StmtKind::Caps(names) = &placed.stmt.kind else { continue };
        if names.is_empty() {
            none = none.or(Some(placed.stmt.span));
        } else {
            some = some.or(Some(placed.stmt.span));
            bits |= names.iter().fold(0, |bits, name| bits | one(cx, name));
        }
    }
    if let (Some(none), Some(some)) = (none, some) {
        cx.say(
            Diagnostic::new(codes::DUPLICATE_SETTING, "capabilities are both kept and not kept")
                .label(some, "keeps some")
                .label(none, "keeps none")
                .help("take one of the two lines away"),
        );
    }
    let origin = cx.origin(some.or(none).unwrap_or(cx.resolved.block.head));
    (bits, origin)
}

fn one(cx: &mut Context<'_>, name: &Name) -> u64 {
    let Some(number) = capability(&name.node) else {
        let every: Vec<&str> = (0..64).filter_map(capability_name).collect();
        let capital = name.node.to_ascii_uppercase();
        let short = capital.strip_prefix("CAP_").unwrap_or(&capital);
        let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown capability `{}`", name.node))
            .label(name.span, "no capability has this name");
        cx.say(match nearest(short, every) {
            Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
            None => unknown.help("write `caps none`, or names of capabilities(7) such as `NET_BIND_SERVICE`"),
        });
        return 0;
    };
    let short = capability_name(number).unwrap_or("");
    if let Some((_, why)) = ROOT.iter().find(|(root, _)| *root == short) {
        cx.say(
            Diagnostic::new(
                codes::CAPABILITY_OF_ROOT,
                format!("capability `{}` is as good as root", name.node),
            )
            .label(name.span, format!("who has it {why}"))
            .help("take it away, and do what needs it outside of the sandbox"),
        );
        return 0;
    }
    1u64.checked_shl(number).unwrap_or(0)
}
