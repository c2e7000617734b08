//! Sets of calls: names, groups and arithmetic.

use crate::context::{ARCH, Context};
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::Arch;
use msb_resolve::nearest;
use msb_syntax::ast::{Set, SetKind};
use msb_syscalls::{Syscall, all, by_number, find, groups};

/// After so many findings no name is looked for.
const GUESSES_MAX: usize = 200;

/// Groups that are members of groups go this deep.
const GROUP_DEPTH_MAX: usize = 32;

/// A call of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) call: &'static Syscall,
    /// Whether it is named itself, and not only by way of a group.
    pub(crate) direct: bool,
}

/// The calls of `set` by number, for the first of the architectures `on` that this version compiles for, or
/// the first at all; `None` where a name was reported.
pub(crate) fn expand(cx: &mut Context<'_>, set: &Set, on: &[Arch]) -> Option<Vec<Member>> {
    let arch = if on.contains(&ARCH) { ARCH } else { *on.first()? };
    let before = cx.found.len();
    // A call that is named for several architectures must exist on each.
    for other in on.iter().filter(|other| **other != arch) {
        members(cx, set, *other, &mut Vec::new());
    }
    let members = members(cx, set, arch, &mut Vec::new());
    (cx.found.len() == before).then_some(members)
}

/// The calls of `set`; unknown names are reported and left out. `inside` are the groups around it.
fn members(cx: &mut Context<'_>, set: &Set, arch: Arch, inside: &mut Vec<String>) -> Vec<Member> {
    match &set.kind {
        SetKind::Call(name) => named(cx, name, set.span, arch).into_iter().collect(),
        SetKind::Calls(names) => {
            let all = names.iter().filter_map(|name| named(cx, &name.node, name.span, arch)).collect();
            sorted(all)
        }
        SetKind::Number(number) => {
            let nr = u32::try_from(number.node).ok();
            let Some(call) = nr.and_then(|nr| by_number(arch, nr)) else {
                cx.say(
                    Diagnostic::new(
                        codes::UNKNOWN_SYSCALL,
                        format!("unknown system call number {}", number.node),
                    )
                    .label(number.span, format!("no call of {} has it", word(arch)))
                    .help("write the name of a call, such as `read`"),
                );
                return Vec::new();
            };
            vec![Member { call, direct: true }]
        }
        SetKind::Group(name) => group(cx, name, set.span, arch, inside),
        SetKind::Union(a, b) => {
            let (mut a, b) = (members(cx, a, arch, inside), members(cx, b, arch, inside));
            a.extend(b);
            sorted(a)
        }
        SetKind::Minus(a, b) => {
            let (a, b) = (members(cx, a, arch, inside), members(cx, b, arch, inside));
            a.into_iter().filter(|member| !has(&b, member)).collect()
        }
        SetKind::Both(a, b) => {
            let (a, b) = (members(cx, a, arch, inside), members(cx, b, arch, inside));
            a.into_iter().filter(|member| has(&b, member)).collect()
        }
    }
}

fn has(all: &[Member], member: &Member) -> bool {
    all.iter().any(|other| other.call.nr == member.call.nr)
}

/// By number, each once.
fn sorted(mut all: Vec<Member>) -> Vec<Member> {
    all.sort_by_key(|member| (member.call.nr, !member.direct));
    all.dedup_by_key(|member| member.call.nr);
    all
}

fn named(cx: &mut Context<'_>, name: &str, span: Span, arch: Arch) -> Option<Member> {
    if let Some(call) = find(arch, name) {
        return Some(Member { call, direct: true });
    }
    let elsewhere = [Arch::X86_64, Arch::Aarch64].into_iter().find(|other| find(*other, name).is_some());
    cx.say(match elsewhere {
        Some(other) => Diagnostic::new(
            codes::SYSCALL_NOT_ON_ARCH,
            format!("system call `{name}` does not exist on {}", word(arch)),
        )
        .label(span, format!("exists on {}", word(other)))
        .help(format!("write `{name} on {}`", word(other))),
        None => {
            let unknown = Diagnostic::new(codes::UNKNOWN_SYSCALL, format!("unknown system call `{name}`"))
                .label(span, "no call has this name");
            // Whoever made so many mistakes repeats one.
            let names = all(arch).iter().map(|call| call.name).filter(|_| cx.found.len() < GUESSES_MAX);
            match nearest(name, names) {
                Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(span, meant),
                None => unknown.help("names are those of the kernel's table, such as `newfstatat`"),
            }
        }
    });
    None
}

fn group(cx: &mut Context<'_>, name: &str, span: Span, arch: Arch, inside: &mut Vec<String>) -> Vec<Member> {
    if let Some(calls) = msb_syscalls::expand(arch, name) {
        return calls.into_iter().map(|call| Member { call, direct: false }).collect();
    }
    if let Some(set) = cx.resolved.groups.get(name) {
        if inside.iter().any(|outer| outer == name) {
            cx.say(
                Diagnostic::new(codes::IMPORT_CYCLE, format!("group `{name}` contains itself"))
                    .label(span, "by way of this")
                    .help("take this member away"),
            );
            return Vec::new();
        }
        if inside.len() >= GROUP_DEPTH_MAX {
            cx.say(
                Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, "groups contain each other too deep")
                    .label(span, format!("more than {GROUP_DEPTH_MAX} groups inside of each other"))
                    .help("name the calls themselves"),
            );
            return Vec::new();
        }
        // Each once, however often it is named: groups of groups would double with each level.
        let key = (name.to_owned(), arch.audit());
        if let Some(known) = cx.groups.get(&key) {
            return known.clone();
        }
        inside.push(name.to_owned());
        let all = members(cx, set, arch, inside);
        inside.pop();
        // Who names a group of the policy names what is in it.
        let all: Vec<Member> = all.into_iter().map(|member| Member { direct: false, ..member }).collect();
        cx.groups.insert(key, all.clone());
        return all;
    }
    let known = groups().iter().map(|group| group.name).chain(cx.resolved.groups.keys().map(String::as_str));
    let unknown = Diagnostic::new(codes::UNKNOWN_GROUP, format!("unknown group `{name}`"))
        .label(span, "no group has this name");
    let found = match nearest(name, known) {
        Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(span, meant),
        None => unknown
            .help("groups are `@basic-io`, `@file-system`, `@python-runtime`, `@system-service` and others"),
    };
    cx.say(found);
    Vec::new()
}

fn word(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "x86_64",
        Arch::Aarch64 => "aarch64",
    }
}
