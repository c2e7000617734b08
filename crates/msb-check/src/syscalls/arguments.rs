//! Findings about calls that are many in one: what a policy opens with them that nobody thinks of.

use super::Rule;
use super::lints::Calls;
use crate::context::Context;
use msb_diag::{Diagnostic, codes};
use msb_policy::{Pred, Solution, Width};
use msb_resolve::LayerId;
use msb_syscalls::{Bits, Kind, constant};
use std::collections::BTreeSet;

/// What rules leave open of arguments that choose what a call does.
pub(super) fn arguments(cx: &mut Context<'_>, calls: &Calls<'_>) {
    unrestricted(cx, calls);
    families(cx, calls);
    pairs(cx, calls);
    in_memory(cx, calls);
}

/// A call that is many, which of them an argument says, and some that few programs want.
struct Many {
    call: &'static str,
    argument: &'static str,
    /// A number that nothing has: a rule that lets it through lets everything through that it does not name.
    nobodys: u64,
    code: msb_diag::Code,
    /// What it opens.
    opens: &'static str,
    help: &'static str,
}

const MANY: &[Many] = &[
    Many {
        call: "ioctl",
        argument: "cmd",
        // `_IOC_NRSHIFT` and its kin (asm-generic/ioctl.h) make room for it, and no driver has it.
        nobodys: 0xffff_fffe,
        code: codes::IOCTL_UNRESTRICTED,
        opens: "every request of every driver that a descriptor leads to",
        help: "name the requests: `allow ioctl where cmd in { TCGETS, TIOCGWINSZ, FIONREAD, FIOCLEX }`",
    },
    Many {
        call: "prctl",
        argument: "option",
        nobodys: 0xffff_fffe,
        code: codes::PRCTL_UNRESTRICTED,
        opens: "`PR_SET_MM`, which moves a program's arguments, `PR_SET_DUMPABLE` and `PR_SET_TSC` among others",
        help: "name the options: `allow prctl where option in { PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG }`",
    },
];

/// Rules of the policy itself that name a call without a word on what it is to do. Groups have them for all that start
/// from there.
fn unrestricted(cx: &mut Context<'_>, calls: &Calls<'_>) {
    for many in MANY {
        let named = |rule: &&Rule| rule.direct && rule.layer == LayerId::POLICY && rule.action.makes();
        let Some(rule) = calls.of(many.call).find(named) else { continue };
        let Some(any) = equals(rule, many.argument, many.nobodys) else { continue };
        if any.witness_with(&rule.predicate) == Solution::Nothing || calls.open(many.call, &any).is_none() {
            continue;
        }
        cx.say(
            Diagnostic::new(
                many.code,
                format!("`{}` is allowed whatever its `{}`", many.call, many.argument),
            )
            .label(rule.span, format!("opens {}", many.opens))
            .help(many.help),
        );
    }
}

/// A number that no family of sockets has.
const NOBODYS: u64 = 0xffff_fffe;

/// Families whose sockets reach past a network namespace, or deep into the kernel.
const FAMILIES: &[(&str, &str)] = &[
    ("AF_NETLINK", "speaks with the kernel's network stack; CVE-2022-34918, CVE-2023-32233"),
    ("AF_PACKET", "sends and receives whole frames; CVE-2017-7308, CVE-2020-14386"),
    ("AF_VSOCK", "reaches the host from inside of a virtual machine, past every network namespace"),
    ("AF_ALG", "runs the kernel's cryptography; CVE-2017-8824's kin, and CVE-2019-8912"),
];

/// Sockets that a rule names by such a family.
fn families(cx: &mut Context<'_>, calls: &Calls<'_>) {
    let mut said = BTreeSet::new();
    for rule in ["socket", "socketpair"].iter().flat_map(|call| calls.of(call)) {
        let allows = |value| {
            equals(rule, "domain", value)
                .is_some_and(|it| it.witness_with(&rule.predicate) != Solution::Nothing)
        };
        let written = rule.whole.is_some() && rule.layer == LayerId::POLICY && rule.action.makes();
        // A rule that lets a family through which nobody has does not name families.
        if !written || allows(NOBODYS) || !said.insert(rule.whole) {
            continue;
        }
        let named =
            FAMILIES.iter().filter(|(family, _)| constant("address_family", family).is_some_and(allows));
        let named: Vec<&(&str, &str)> = named.collect();
        let Some((first, what)) = named.first() else { continue };
        let families =
            named.iter().map(|(family, _)| format!("`{family}`")).collect::<Vec<_>>().join(" and ");
        let is = if named.len() == 1 { "is" } else { "are" };
        cx.say(
            Diagnostic::new(
                codes::RISKY_FAMILY,
                format!("{families} {is} refused, whatever `syscalls` says"),
            )
            .label(rule.span, format!("`{first}` {what}"))
            .help(format!("take {families} out of the condition")),
        );
    }
}

/// `socket` is held to some families and `socketpair`, which makes sockets as well, is not.
fn pairs(cx: &mut Context<'_>, calls: &Calls<'_>) {
    let written = |rule: &&Rule| rule.whole.is_some() && rule.layer == LayerId::POLICY;
    let held = calls.of("socket").filter(written).find(|rule| rule.predicate != Pred::True);
    let Some(held) = held else { return };
    let (Some(any), Some(inet)) = (equals(held, "domain", NOBODYS), constant("address_family", "AF_NETLINK"))
    else {
        return;
    };
    // Whether it is families that the rule is about: some are made and some are not.
    let Some(netlink) = equals(held, "domain", inet) else { return };
    let closed =
        |call: &str| calls.written_open(call, &any).is_none() && calls.written_open(call, &netlink).is_none();
    if !closed("socket") {
        return;
    }
    for pair in ["socketpair", "socketcall"] {
        let open = match pair {
            "socketpair" => calls.written_open(pair, &any),
            _ => calls.open(pair, &Pred::True).map(|(_, rule)| rule),
        };
        let Some(rule) = open else { continue };
        cx.say(
            Diagnostic::new(
                codes::SOCKETPAIR_OPEN,
                format!("`socket` is held to families and `{pair}` is not"),
            )
            .label(held.span, "families are named here")
            .label(rule.span, "and every family is allowed here")
            .help(match pair {
                "socketpair" => {
                    "write `allow socketpair where domain == AF_UNIX`, and take it out of the other rule"
                }
                _ => "write `errno ENOSYS socketcall on i386`",
            }),
        );
        return;
    }
}

/// A call that somebody is to be asked about, and that is about what its pointers lead to.
fn in_memory(cx: &mut Context<'_>, calls: &Calls<'_>) {
    for rule in calls.all().filter(|rule| rule.action == msb_policy::SyscallAction::Notify && rule.direct) {
        let Some(pointer) = rule.call.args.iter().find(|arg| arg.kind == Kind::Pointer) else { continue };
        cx.say(
            Diagnostic::new(
                codes::NOTIFY_IN_MEMORY,
                format!("nobody can say yes to `{}`", rule.call.name),
            )
            .label(rule.span, format!("`{}` leads to memory, which can change after the answer", pointer.name))
            .help("write `errno EPERM`, or answer with a program that makes the call itself (`msb-launch --notify`)"),
        );
    }
}

/// `argument == value`, for the call of `rule`.
fn equals(rule: &Rule, argument: &str, value: u64) -> Option<Pred> {
    let (position, kind) = rule.call.arg(argument)?;
    let width = if kind.bits() == Bits::B64 { Width::W64 } else { Width::W32 };
    Some(Pred::Masked { argument: u8::try_from(position).ok()?, width, mask: width.mask(), value })
}
