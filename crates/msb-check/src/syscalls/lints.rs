//! Findings about the rules as a whole: what they still let through, and where they contradict each other.

use super::implied::TERMINAL_IOCTLS;
use super::{Rule, arguments};
use crate::context::Context;
use msb_diag::{Code, Diagnostic, codes};
use msb_policy::{Op, Pred, SyscallAction, Width};
use msb_syscalls::{describe, errno_name};
use std::collections::{BTreeMap, HashSet};

/// Rules, and their places in the list, by what they do.
type ByAction<'r> = BTreeMap<SyscallAction, Vec<(usize, &'r Rule)>>;

/// Two errnos that a person wrote, for calls that both rules are about: neither is stricter.
pub(super) fn conflicts(cx: &mut Context<'_>, rules: &[Rule]) {
    let written: Vec<&Rule> = rules
        .iter()
        .filter(|rule| rule.whole.is_some() && matches!(rule.action, SyscallAction::Errno(_)))
        .collect();
    let mut said: HashSet<(msb_diag::Span, msb_diag::Span)> = HashSet::new();
    let mut earlier: BTreeMap<u32, ByAction<'_>> = BTreeMap::new();
    for (index, rule) in written.iter().enumerate() {
        let of_call = earlier.entry(rule.call.nr).or_default();
        let others = of_call.iter().filter(|(action, _)| **action != rule.action);
        let mut others: Vec<(usize, &Rule)> = others.flat_map(|(_, rules)| rules.iter().copied()).collect();
        others.sort_unstable_by_key(|(index, _)| *index);
        of_call.entry(rule.action).or_default().push((index, rule));
        for (_, other) in others {
            let pair = (rule.span, other.span);
            if said.contains(&pair) {
                continue;
            }
            // One killed anyway is not in doubt, but that is rare; the witness shows the call in question.
            let both = Pred::All(vec![rule.predicate.clone(), other.predicate.clone()]);
            if let Some(args) = both.witness().found() {
                said.insert(pair);
                let call = describe(rule.arch, rule.call.nr, &args);
                let (this, that) = (error(rule.action), error(other.action));
                cx.say(
                    Diagnostic::new(
                        codes::ACTIONS_CONFLICT,
                        format!("`{}` fails in two ways", rule.call.name),
                    )
                    .label(rule.span, format!("with `{this}` here"))
                    .label(other.span, format!("with `{that}` here"))
                    .help(format!("use one error for both; the call in question is `{call}`")),
                );
            }
        }
    }
}

fn error(action: SyscallAction) -> &'static str {
    match action {
        SyscallAction::Errno(number) => errno_name(number).unwrap_or("an error"),
        _ => "",
    }
}

/// The rules for one call, as one question.
pub(super) struct Calls<'a> {
    rules: &'a [Rule],
}

impl<'a> Calls<'a> {
    pub(super) fn new(rules: &'a [Rule]) -> Calls<'a> {
        Calls { rules }
    }

    /// The rules for `name`.
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.call.name == name)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter()
    }

    /// A rule by which `name` is made although `condition` holds, as far as it is for what people wrote to say.
    pub(super) fn written_open(&self, name: &str, condition: &Pred) -> Option<&'a Rule> {
        let written = |rule: &&Rule| rule.whole.is_some();
        let denies = self.of(name).filter(written).filter(|rule| !rule.action.makes());
        let not_denied = Pred::Not(Box::new(Pred::Any(denies.map(|rule| rule.predicate.clone()).collect())));
        self.of(name).filter(written).filter(|rule| rule.action.makes()).find(|rule| {
            Pred::All(vec![rule.predicate.clone(), not_denied.clone(), condition.clone()]).satisfiable()
        })
    }

    /// Arguments with which `name` is made, and nobody asked, although `condition` holds, and a rule that allows it.
    pub(super) fn open(&self, name: &str, condition: &Pred) -> Option<([u64; 6], &'a Rule)> {
        let allow = |rule: &&Rule| rule.action.makes();
        let denies = self.of(name).filter(|rule| !allow(rule)).map(|rule| rule.predicate.clone()).collect();
        let not_denied = Pred::Not(Box::new(Pred::Any(denies)));
        self.of(name).filter(allow).find_map(|rule| {
            let all = vec![rule.predicate.clone(), not_denied.clone(), condition.clone()];
            Pred::All(all).witness().found().map(|args| (args, rule))
        })
    }
}

/// Calls that a policy rarely wants, each with what it was used for.
const DANGEROUS: &[(&str, &str)] = &[
    ("add_key", "keeps keys in the kernel, shared by all of one user; CVE-2016-0728"),
    ("bpf", "loads programs into the kernel; CVE-2021-3490"),
    ("delete_module", "takes code out of the kernel"),
    ("finit_module", "loads code into the kernel"),
    ("init_module", "loads code into the kernel"),
    ("kexec_file_load", "starts another kernel"),
    ("kexec_load", "starts another kernel"),
    ("keyctl", "reaches keys of other programs of the user; CVE-2016-0728"),
    ("mount", "changes what paths mean"),
    ("open_by_handle_at", "opens files by number, past every directory; CVE-2014-3519"),
    ("perf_event_open", "reads what the kernel does; CVE-2013-2094"),
    ("pivot_root", "changes what paths mean"),
    ("process_vm_writev", "writes into other processes"),
    ("ptrace", "controls other processes of the sandbox, and changes calls after a filter saw them"),
    ("request_key", "starts a program of the host to get a key"),
    ("setns", "enters other namespaces"),
    ("unshare", "makes namespaces, and with them every capability inside; CVE-2022-0185"),
    ("userfaultfd", "stops the kernel in the middle of a copy, which makes races easy"),
];

/// What the rules let through.
pub(super) fn lints(cx: &mut Context<'_>, rules: &[Rule]) {
    let calls = Calls::new(rules);
    // The command is started by execve, after the filter is there.
    if calls.open("execve", &Pred::True).is_none() {
        let deny = calls.of("execve").find(|rule| !rule.action.may_make());
        let (at, why) = match deny {
            Some(deny) => (deny.span, "denied here"),
            None => (cx.resolved.block.head, "no rule allows `execve`"),
        };
        cx.say(Diagnostic::new(codes::EXEC_NOT_ALLOWED, "no program can be started").label(at, why).help(
            match deny {
                Some(_) => "take `execve` out of this rule: the command is started by it",
                None => "write `include std.base`, or `syscalls { allow @system-service }`",
            },
        ));
    }
    for name in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
        if let Some((_, rule)) = calls.open(name, &Pred::True) {
            cx.say(
                finding(codes::IO_URING_ALLOWED, rule, &format!("`{name}` is allowed"))
                    .help("write `errno ENOSYS @io-uring`"),
            );
            break;
        }
    }
    clone3(cx, &calls);
    terminal(cx, &calls);
    killed(cx, &calls);
    personality(cx, &calls);
    arguments::arguments(cx, &calls);
    for (name, what) in DANGEROUS {
        if let Some((_, rule)) = calls.open(name, &Pred::True) {
            cx.say(
                Diagnostic::new(codes::DANGEROUS_CALL, format!("`{name}` is allowed"))
                    .label(rule.span, format!("it {what}"))
                    .help(format!("take it away: `… - {name}`")),
            );
        }
    }
}

fn finding(code: Code, rule: &Rule, message: &str) -> Diagnostic {
    Diagnostic::new(code, message).label(rule.span, "its operations pass by every filter")
}

/// In a group it is denied all the same; who names it expects that it works.
fn clone3(cx: &mut Context<'_>, calls: &Calls<'_>) {
    let named = calls.of("clone3").find(|rule| rule.action.may_make() && rule.direct);
    if let Some(rule) = named {
        cx.say(
            Diagnostic::new(codes::CLONE3_ALLOWED, "`clone3` is allowed")
                .label(rule.span, "its flags lie in memory, where no filter sees them")
                .help("write `errno ENOSYS clone3`: libc uses `clone` then"),
        );
    }
}

fn terminal(cx: &mut Context<'_>, calls: &Calls<'_>) {
    for rule in calls.of("ioctl").filter(|rule| rule.action.may_make()) {
        for (name, request) in TERMINAL_IOCTLS {
            if names_value(&rule.predicate, *request) {
                cx.say(
                    Diagnostic::new(
                        codes::TERMINAL_IOCTL_ALLOWED,
                        format!("`ioctl` with `{name}` is allowed"),
                    )
                    .label(rule.span, "it types into the terminal, or changes who reads it; always denied")
                    .help(format!("take `{name}` away")),
                );
            }
        }
    }
}

/// Whether a condition is for this very value of an argument.
fn names_value(pred: &Pred, wanted: u64) -> bool {
    match pred {
        Pred::Compare { op: Op::Eq, value, .. } => *value == wanted,
        Pred::All(all) | Pred::Any(all) => all.iter().any(|pred| names_value(pred, wanted)),
        Pred::True | Pred::Compare { .. } | Pred::Masked { .. } | Pred::Not(_) => false,
    }
}

/// The launcher, or init, makes these on the way to the command.
fn killed(cx: &mut Context<'_>, calls: &Calls<'_>) {
    for name in ["seccomp", "prctl"] {
        let kills = |action| match action {
            SyscallAction::Kill => Some("kill"),
            SyscallAction::Trap => Some("trap"),
            _ => None,
        };
        if let Some((rule, word)) = calls.of(name).find_map(|rule| Some((rule, kills(rule.action)?))) {
            cx.say(
                Diagnostic::new(
                    codes::LAUNCHER_CALL_KILLED,
                    format!("`{word} {name}` would kill the launcher"),
                )
                .label(rule.span, "it makes this call while it confines the program")
                .help(format!("write `errno EPERM {name}`")),
            );
        }
    }
}

fn personality(cx: &mut Context<'_>, calls: &Calls<'_>) {
    // 0 is what a program has, and 0xffffffff asks; personality(2).
    let harmless =
        [0, 0xffff_ffff].map(|value| Pred::Compare { argument: 0, width: Width::W32, op: Op::Eq, value });
    if let Some((_, rule)) = calls.open("personality", &Pred::Not(Box::new(Pred::Any(harmless.to_vec())))) {
        cx.say(
            Diagnostic::new(codes::PERSONALITY_ALLOWED, "`personality` is allowed")
                .label(rule.span, "it turns off random addresses, or makes data executable")
                .help("write `errno EPERM personality where persona != 0`"),
        );
    }
}
