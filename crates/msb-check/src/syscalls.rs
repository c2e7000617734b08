//! The `syscalls` section: which calls are made, which fail, and which kill.
//!
//! Rules become one entry for each call and condition. What no filter can check (clone3, input injected
//! into a terminal, new namespaces by way of clone) is denied here whatever the policy allows.

mod arguments;
pub(crate) mod implied;
mod lints;
mod power;
pub(crate) mod predicate;
pub(crate) mod sets;
mod shadow;
mod variants;

use crate::context::Context;
use implied::Implied;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Arch, OriginId, Pred, SyscallAction, SyscallRule};
use msb_resolve::{LayerId, nearest};
use msb_syntax::ast::{self, Action, ActionKind, Name, StmtKind, SysItem, SysRuleKind};
use msb_syscalls::{Syscall, errno, errno_name};

/// `EPERM` of asm-generic/errno-base.h: what an unlisted call gives unless the policy says otherwise.
const EPERM: u16 = 1;

/// A rule for one call, with where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) arch: Arch,
    pub(crate) call: Syscall,
    pub(crate) action: SyscallAction,
    pub(crate) predicate: Pred,
    /// Of the item that names the call.
    pub(crate) span: Span,
    /// Of the whole rule; `None` for what is implied.
    pub(crate) whole: Option<Span>,
    pub(crate) origin: OriginId,
    pub(crate) layer: LayerId,
    /// Whether the rule names the call itself, and not a group that has it.
    pub(crate) direct: bool,
}

/// The rules, and what happens to calls that no rule names.
pub(crate) fn syscalls(
    cx: &mut Context<'_>,
    derived: Vec<Implied>,
) -> (Vec<SyscallRule>, (SyscallAction, OriginId)) {
    let before = cx.found.len();
    taken_names(cx);
    let mut rules = Vec::new();
    let mut default: Option<(SyscallAction, Span)> = None;
    for placed in cx.stmts() {
        let StmtKind::Syscalls(section) = &placed.stmt.kind else { continue };
        for rule in section {
            match &rule.kind {
                SysRuleKind::Action { action, items } => {
                    let action = self::action(cx, action);
                    let shared = shared_predicate(items);
                    for item in items {
                        let predicate =
                            item.predicate.as_ref().or(shared.filter(|_| item.predicate.is_none()));
                        one(cx, rule, action, item, predicate, placed.layer, &mut rules);
                    }
                }
                SysRuleKind::Default(action) => set_default(cx, action, rule.span, &mut default),
                SysRuleKind::Arch(names) => names.iter().for_each(|name| architecture(cx, name)),
            }
        }
    }
    let implied = [implied::implied(cx), derived].concat();
    let policy = cx.resolved.block.head;
    rules.extend(implied.into_iter().map(|it| it.rule(policy)));
    // What could not be understood may be what a lint misses.
    if !msb_diag::has_errors(cx.found.get(before..).unwrap_or(&[])) {
        let before = cx.found.len();
        for arch in cx.archs.clone() {
            let rules: Vec<Rule> = rules.iter().filter(|rule| rule.arch == arch).cloned().collect();
            lints::conflicts(cx, &rules);
            lints::lints(cx, &rules);
            power::power(cx, &rules);
            variants::variants(cx, &rules);
            shadow::shadow(cx, &rules);
        }
        once(&mut cx.found, before);
    }
    let default = match default {
        Some((action, span)) => (action, cx.origin(span)),
        None => (SyscallAction::Errno(EPERM), cx.policy_origin()),
    };
    (finished(rules), default)
}

/// Keeps one of findings that are the same for several architectures.
fn once(found: &mut Vec<Diagnostic>, before: usize) {
    for finding in found.split_off(before.min(found.len())) {
        if !found.get(before..).unwrap_or(&[]).contains(&finding) {
            found.push(finding);
        }
    }
}

/// Reports groups and constants that have the name of one that exists already: which of the two a rule means
/// must not be a matter of where it is looked up first.
fn taken_names(cx: &mut Context<'_>) {
    let resolved = cx.resolved;
    let groups = resolved.groups.iter().map(|(name, set)| (name, "group", set.span));
    let constants = resolved.constants.iter().map(|(name, value)| (name, "constant", value.span));
    for (name, what, span) in groups.chain(constants) {
        if msb_syscalls::group(name).is_some() || !msb_syscalls::sets_with(name).is_empty() {
            cx.say(
                Diagnostic::new(codes::DUPLICATE_SETTING, format!("{what} `{name}` exists already"))
                    .label(span, "the name is taken by the language")
                    .help("give it another name"),
            );
        }
    }
}

/// The rules as IR, each once.
fn finished(rules: Vec<Rule>) -> Vec<SyscallRule> {
    let mut all: Vec<SyscallRule> = Vec::with_capacity(rules.len());
    let mut seen = std::collections::HashSet::new();
    for rule in rules {
        let implied = rule.whole.is_none();
        if seen.insert((rule.arch, rule.call.nr, rule.action, rule.predicate.clone(), implied)) {
            all.push(SyscallRule {
                arch: rule.arch,
                nr: rule.call.nr,
                action: rule.action,
                predicate: rule.predicate,
                origin: rule.origin,
                implied,
            });
        }
    }
    all
}

/// The condition after the last item of a list, when it speaks for the items that have none of their own:
/// docs/adr/0002-where-applies-to-the-list.md.
fn shared_predicate(items: &[SysItem]) -> Option<&ast::Pred> {
    items.last().and_then(|last| last.predicate.as_ref())
}

fn one(
    cx: &mut Context<'_>,
    rule: &ast::SysRule,
    action: Option<SyscallAction>,
    item: &SysItem,
    condition: Option<&ast::Pred>,
    layer: LayerId,
    rules: &mut Vec<Rule>,
) {
    let standard = cx.resolved.layers.get(layer.0).is_some_and(|layer| layer.standard);
    let (archs, how) = match item.on.is_empty() {
        true if standard => (cx.archs.clone(), sets::For::Some),
        true => (cx.archs.clone(), sets::For::Policy),
        false => (architectures(cx, item), sets::For::Named),
    };
    let Some(members) = sets::expand(cx, &item.set, &archs, how) else { return };
    if members.is_empty() {
        // A standard profile is for every architecture, and has calls that one of them lacks.
        if !standard && archs.iter().any(|arch| cx.archs.contains(arch)) {
            cx.say(
                Diagnostic::new(codes::UNKNOWN_GROUP, "this set has no system call in it")
                    .label(item.set.span, "nothing is left")
                    .help("take the rule away"),
            );
        }
        return;
    }
    if condition.is_some() && item.on.is_empty() && !standard && second_abi(cx, rule, &archs) {
        return;
    }
    let origin = cx.origin(rule.span);
    let before = cx.found.len();
    // A rule for another architecture is checked for what it says, and means nothing to this policy.
    for (arch, member) in &members {
        let predicate = match condition {
            None => Pred::True,
            Some(condition) => match predicate::lower(cx, condition, &member.call) {
                Some(predicate) => predicate,
                // The others would say the same again.
                None => return,
            },
        };
        if let Some(condition) = condition
            && cx.found.len() == before
        {
            let alone =
                members.len() == 1 && item.predicate.is_some() && rule_items(rule) == 1 && item.on.is_empty();
            let whole = Span { start: item.set.span.end, ..item.span };
            let makes = action.map(SyscallAction::makes);
            let said =
                makes.is_some_and(|makes| predicate::signed(cx, condition, &predicate, &member.call, makes));
            if !said {
                predicate::constant_outcome(cx, condition, &predicate, &member.call, alone.then_some(whole));
            }
        }
        let Some(action) = action.filter(|_| cx.archs.contains(arch)) else { continue };
        rules.push(Rule {
            arch: *arch,
            call: member.call,
            action,
            predicate,
            span: item.span,
            whole: Some(rule.span),
            origin,
            layer,
            direct: member.direct,
        });
    }
}

fn rule_items(rule: &ast::SysRule) -> usize {
    match &rule.kind {
        SysRuleKind::Action { items, .. } => items.len(),
        SysRuleKind::Default(_) | SysRuleKind::Arch(_) => 0,
    }
}

/// Reports a condition that would be for i386 or x32 as well, whose calls take other arguments: who writes it has to
/// say that it is.
fn second_abi(cx: &mut Context<'_>, rule: &ast::SysRule, archs: &[Arch]) -> bool {
    let Some(second) = archs.iter().find(|arch| arch.is_second()) else { return false };
    let others: Vec<&str> = archs.iter().filter(|arch| !arch.is_second()).map(|arch| arch.word()).collect();
    cx.say(
        Diagnostic::new(
            codes::OTHER_ABI,
            format!("a condition is for `{}` as well, which the policy names", second.word()),
        )
        .label(rule.span, "its calls take other arguments, and some of them make many calls in one")
        .help(format!(
            "write `on {}` behind the condition, and rules of their own for `on {}`",
            others.join(" | "),
            second.word()
        )),
    );
    true
}

/// The action; `None` where it was reported.
fn action(cx: &mut Context<'_>, action: &Action) -> Option<SyscallAction> {
    match &action.kind {
        ActionKind::Allow => Some(SyscallAction::Allow),
        ActionKind::Kill => Some(SyscallAction::Kill),
        ActionKind::Errno(name) => error_number(cx, name).map(SyscallAction::Errno),
        ActionKind::Log => Some(SyscallAction::Log),
        ActionKind::Notify => Some(SyscallAction::Notify),
        ActionKind::Trap => Some(SyscallAction::Trap),
    }
}

fn error_number(cx: &mut Context<'_>, name: &Name) -> Option<u16> {
    let number = errno(&name.node);
    if number.is_none() {
        let every: Vec<&str> = (1..=4095).filter_map(errno_name).collect();
        let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown error `{}`", name.node))
            .label(name.span, "no error has this name");
        cx.say(match nearest(&name.node, every) {
            Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
            None => unknown.help("write a name of errno(3), such as `EPERM` or `ENOSYS`"),
        });
    }
    number
}

fn set_default(
    cx: &mut Context<'_>,
    written: &Action,
    span: Span,
    default: &mut Option<(SyscallAction, Span)>,
) {
    let Some(action) = action(cx, written) else { return };
    match action {
        SyscallAction::Allow | SyscallAction::Log => {
            cx.say(
                Diagnostic::new(codes::ALLOW_BY_DEFAULT, "system calls are allowed by default")
                    .label(span, "every call that the kernel ever gets is open")
                    .help("write `default errno EPERM`, and `allow` what the program needs"),
            );
            return;
        }
        SyscallAction::Kill | SyscallAction::Trap => cx.say(
            Diagnostic::new(codes::DEFAULT_KILL, "unlisted system calls kill the program")
                .label(span, "programs try new calls, and go on without them")
                .help("write `default errno ENOSYS`"),
        ),
        SyscallAction::Errno(_) | SyscallAction::Notify => {}
    }
    match default {
        Some((other, first)) if *other != action => {
            let first = *first;
            cx.say(
                Diagnostic::new(codes::DUPLICATE_SETTING, "`default` is set twice")
                    .label(span, "again here")
                    .label(first, "first here")
                    .help("keep one of them"),
            );
        }
        Some(_) => {}
        None => *default = Some((action, span)),
    }
}

/// Reports a word that names no architecture.
fn architecture(cx: &mut Context<'_>, name: &Name) {
    if Arch::from_word(&name.node).is_none() {
        cx.say(unknown_architecture(name));
    }
}

/// A word that names no architecture.
pub(crate) fn unknown_architecture(name: &Name) -> Diagnostic {
    let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown architecture `{}`", name.node))
        .label(name.span, "no architecture has this name");
    let elsewhere = match name.node.to_ascii_lowercase().as_str() {
        "arm64" | "armv8" | "aarch64_be" => Some("aarch64"),
        "amd64" | "x64" | "x86-64" => Some("x86_64"),
        "x86" | "ia32" | "i686" => Some("i386"),
        _ => None,
    };
    match elsewhere.or_else(|| nearest(&name.node, Arch::ALL.map(Arch::word))) {
        Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
        None => unknown.help("the architectures are `x86_64`, `aarch64`, and beside x86_64 `i386` and `x32`"),
    }
}

/// The architectures that an item is for.
fn architectures(cx: &mut Context<'_>, item: &SysItem) -> Vec<Arch> {
    let mut on = Vec::new();
    for name in &item.on {
        match Arch::from_word(&name.node) {
            Some(arch) if arch.is_second() && !cx.archs.contains(&arch) => cx.say(
                Diagnostic::new(codes::OTHER_ABI, format!("the policy does not name `{}`", name.node))
                    .label(name.span, "its calls are refused, whatever rules say of them")
                    .help(format!("write `arch x86_64, {}` as well, or take it away", name.node)),
            ),
            Some(arch) => on.push(arch),
            None => cx.say(unknown_architecture(name)),
        }
    }
    on
}
