//! Sets of calls: names, groups and arithmetic.

use crate::context::Context;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::Arch;
use msb_resolve::nearest;
use msb_syntax::ast::{Set, SetKind, Spanned};
use msb_syscalls::{Syscall, all, by_number, find, groups};

/// After so many findings no name is looked for.
const GUESSES_MAX: usize = 200;

/// Groups that are members of groups go this deep.
const GROUP_DEPTH_MAX: usize = 32;

/// A call of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) call: Syscall,
    /// Whether it is named itself, and not only by way of a group.
    pub(crate) direct: bool,
}

/// For which architectures a set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// Those that `on` names: a call that is named must exist on each.
    Named,
    /// All of the policy: the same, so that nobody takes a rule for one of an architecture that it says nothing of.
    Policy,
    /// As many of the policy's as have it.
    Some,
}

/// The calls of `set` on each of `archs`, by number; `None` where something was reported.
pub(crate) fn expand(
    cx: &mut Context<'_>,
    set: &Set,
    archs: &[Arch],
    how: For,
) -> Option<Vec<(Arch, Member)>> {
    let before = cx.found.len();
    let view = View { archs, how };
    let mut all = Vec::new();
    for arch in archs {
        all.extend(members(cx, set, *arch, view, &mut Vec::new()).into_iter().map(|member| (*arch, member)));
    }
    (cx.found.len() == before).then_some(all)
}

/// For what a set is expanded.
#[derive(Clone, Copy)]
struct View<'a> {
    archs: &'a [Arch],
    how: For,
}

/// The calls of `set`; unknown names are reported and left out. `inside` are the groups around it.
fn members(
    cx: &mut Context<'_>,
    set: &Set,
    arch: Arch,
    view: View<'_>,
    inside: &mut Vec<String>,
) -> Vec<Member> {
    match &set.kind {
        SetKind::Call(name) => named(cx, name, set.span, arch, view).into_iter().collect(),
        SetKind::Calls(names) => {
            let all = names.iter().filter_map(|name| named(cx, &name.node, name.span, arch, view)).collect();
            sorted(all)
        }
        SetKind::Number(number) => self::number(cx, number, arch, view).into_iter().collect(),
        SetKind::Group(name) => group(cx, name, set.span, arch, view, inside),
        SetKind::Union(a, b) => {
            let (mut a, b) = (members(cx, a, arch, view, inside), members(cx, b, arch, view, inside));
            a.extend(b);
            sorted(a)
        }
        SetKind::Minus(a, b) => {
            let (a, b) = (members(cx, a, arch, view, inside), members(cx, b, arch, view, inside));
            a.into_iter().filter(|member| !has(&b, member)).collect()
        }
        SetKind::Both(a, b) => {
            let (a, b) = (members(cx, a, arch, view, inside), members(cx, b, arch, view, inside));
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

fn named(cx: &mut Context<'_>, name: &str, span: Span, arch: Arch, view: View<'_>) -> Option<Member> {
    if let Some(call) = find(arch, name) {
        return Some(Member { call: *call, direct: true });
    }
    let has = |arch: &Arch| find(*arch, name).is_some();
    let here: Vec<&str> = view.archs.iter().filter(|arch| has(arch)).map(|arch| arch.word()).collect();
    // Nobody names the other ABIs of x86_64 by mistake.
    let elsewhere = [Arch::X86_64, Arch::Aarch64, Arch::I386].into_iter().find(|other| has(other));
    if view.how == For::Some && elsewhere.is_some() {
        return None;
    }
    cx.say(match elsewhere {
        Some(other) => {
            let on = if here.is_empty() { other.word().to_owned() } else { here.join(" | ") };
            Diagnostic::new(
                codes::SYSCALL_NOT_ON_ARCH,
                format!("system call `{name}` does not exist on {}", arch.word()),
            )
            .label(span, format!("exists on {}", on.replace(" | ", " and ")))
            .help(match instead_of(name, arch) {
                Some(call) if here.is_empty() => format!("write `{call}`"),
                Some(call) => format!("write `{call}`, or `{name} on {on}`"),
                None => format!("write `{name} on {on}`"),
            })
        }
        None => {
            let unknown = Diagnostic::new(codes::UNKNOWN_SYSCALL, format!("unknown system call `{name}`"))
                .label(span, "no call has this name");
            // Whoever made so many mistakes repeats one.
            let names = all(arch).iter().map(|call| call.name).filter(|_| cx.found.len() < GUESSES_MAX);
            // As headers and tracers write it.
            let prefixes = ["__NR_", "SYS_", "sys_", "__x64_sys_", "NR_"];
            let bare = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
            let bare = bare.and_then(|bare| find(arch, bare)).map(|call| call.name);
            let group = format!("@{name}");
            let groups = groups().iter().map(|group| group.name).find(|known| *known == group);
            let near = || nearest(name, names).filter(|_| family(name, arch).is_empty());
            match bare.or_else(near) {
                _ if is_constant(name) => unknown.help(format!("write `|` between constants: `A | {name}`")),
                _ if groups.is_some() => unknown.help(format!("write `{group}`")).edit(span, group),
                Some(_) | None if of_a_library(name).is_some() => unknown.help(format!(
                    "write what it calls, such as `{}`: `{name}` is a function of a library",
                    of_a_library(name).unwrap_or_default()
                )),
                Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(span, meant),
                None if matches!(name, "all" | "any" | "every" | "everything") => {
                    unknown.help("name the calls, or groups such as `@system-service`")
                }
                None if name.len() > 2 && !family(name, arch).is_empty() => {
                    unknown.help(format!("write the calls: {}", family(name, arch).join(", ")))
                }
                None => unknown.help(
                    "write a name of the kernel's table, such as `newfstatat`: `msbc syscalls` lists them",
                ),
            }
        }
    });
    None
}

/// Whether it names a constant of some argument, such as `O_TRUNC` behind a comma.
fn is_constant(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && !msb_syscalls::sets_with(name).is_empty()
}

/// The first calls that begin with a name that is none: `epoll` of `epoll_ctl`.
fn family(name: &str, arch: Arch) -> Vec<String> {
    const SHOWN: usize = 3;
    let begins = |call: &&msb_syscalls::Syscall| {
        call.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('_') && !rest.ends_with("_old"))
    };
    all(arch).iter().filter(begins).map(|call| format!("`{}`", call.name)).take(SHOWN).collect()
}

/// What does on `arch` what `name` does where it exists: newer architectures lack the calls that others replaced
/// (asm-generic/unistd.h), and one of 64 bits those that are for wide values alone.
fn instead_of(name: &str, arch: Arch) -> Option<&'static str> {
    const REPLACED: &[(&str, &[&str])] = &[
        ("openat", &["open", "creat"]),
        ("mkdirat", &["mkdir"]),
        ("mknodat", &["mknod"]),
        ("unlinkat", &["unlink", "rmdir"]),
        ("renameat", &["rename"]),
        ("linkat", &["link"]),
        ("symlinkat", &["symlink"]),
        ("readlinkat", &["readlink"]),
        ("fchmodat", &["chmod"]),
        ("fchownat", &["chown", "lchown"]),
        ("faccessat", &["access"]),
        ("newfstatat", &["stat", "lstat", "fstatat64", "stat64", "lstat64"]),
        ("fstat", &["fstat64"]),
        ("getdents64", &["getdents"]),
        ("utimensat", &["utime", "utimes", "futimesat"]),
        ("clone", &["fork", "vfork"]),
        ("pipe2", &["pipe"]),
        ("dup3", &["dup2"]),
        ("ppoll", &["poll"]),
        ("pselect6", &["select"]),
        ("epoll_create1", &["epoll_create"]),
        ("epoll_pwait", &["epoll_wait"]),
        ("eventfd2", &["eventfd"]),
        ("signalfd4", &["signalfd"]),
        ("inotify_init1", &["inotify_init"]),
        ("mmap", &["mmap2"]),
    ];
    let by_table = REPLACED.iter().find(|(_, old)| old.contains(&name)).map(|(call, _)| *call);
    let narrow = name.strip_suffix("64").or_else(|| name.strip_suffix("32"));
    by_table.or(narrow).and_then(|call| find(arch, call)).map(|call| call.name)
}

/// Functions of libraries, and a call that each makes: there is nothing in the kernel with such a name.
fn of_a_library(name: &str) -> Option<&'static str> {
    const FUNCTIONS: &[(&str, &[&str])] = &[
        ("openat", &["fopen", "opendir", "freopen", "tmpfile"]),
        ("mmap", &["malloc", "calloc", "realloc", "free"]),
        ("write", &["printf", "puts", "fwrite", "putchar", "fprintf"]),
        ("read", &["scanf", "fread", "fgets", "getchar", "getline"]),
        ("getdents64", &["readdir", "scandir", "listdir"]),
        ("clock_nanosleep", &["sleep", "usleep"]),
        ("clone", &["pthread_create", "thrd_create", "spawn", "thread"]),
        ("execve", &["exec", "execv", "execvp", "execl", "execlp", "system", "popen", "posix_spawn"]),
        ("newfstatat", &["glob", "realpath"]),
        ("connect", &["getaddrinfo", "gethostbyname"]),
        ("unlinkat", &["remove"]),
        ("exit_group", &["abort"]),
    ];
    FUNCTIONS.iter().find(|(_, functions)| functions.contains(&name)).map(|(call, _)| *call)
}

fn group(
    cx: &mut Context<'_>,
    name: &str,
    span: Span,
    arch: Arch,
    view: View<'_>,
    inside: &mut Vec<String>,
) -> Vec<Member> {
    if let Some(calls) = msb_syscalls::expand(arch, name) {
        return calls.into_iter().map(|call| Member { call: *call, direct: false }).collect();
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
        let key = (name.to_owned(), arch);
        if let Some(known) = cx.groups.get(&key) {
            return known.clone();
        }
        inside.push(name.to_owned());
        let all = members(cx, set, arch, view, inside);
        inside.pop();
        // Who names a group of the policy names what is in it.
        let all: Vec<Member> = all.into_iter().map(|member| Member { direct: false, ..member }).collect();
        cx.groups.insert(key, all.clone());
        return all;
    }
    let known = groups().iter().map(|group| group.name).chain(cx.resolved.groups.keys().map(String::as_str));
    let unknown = Diagnostic::new(codes::UNKNOWN_GROUP, format!("unknown group `{name}`"))
        .label(span, "no group has this name");
    let call = name.trim_start_matches('@');
    let longer = groups()
        .iter()
        .map(|group| group.name)
        .find(|known| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')));
    let found = match nearest(name, known).or(longer) {
        _ if msb_syscalls::find(arch, call).is_some() => {
            unknown.help(format!("write `{call}`: it is a call, and no group")).edit(span, call)
        }
        Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(span, meant),
        None => unknown
            .help("groups are `@basic-io`, `@file-system`, `@python-runtime`, `@system-service` and others"),
    };
    cx.say(found);
    Vec::new()
}

/// `syscall(N)`: the call that has the number, whether the table knows it or not.
fn number(cx: &mut Context<'_>, number: &Spanned<u64>, arch: Arch, view: View<'_>) -> Option<Member> {
    let refused = |code, why: &str, help: String| {
        Diagnostic::new(code, format!("`syscall({})` names no system call", number.node))
            .label(number.span, why)
            .help(help)
    };
    let nr = u32::try_from(number.node).unwrap_or(u32::MAX);
    if nr == u32::MAX {
        let why = "numbers have 32 bits, and the last one is nobody's: it always fails with ENOSYS";
        cx.say(refused(codes::UNKNOWN_SYSCALL, why, "write the number of a call".to_owned()));
        return None;
    }
    // Members of a policy's own group are expanded for each.
    if view.archs.len() > 1 {
        let why = "it is another call on each of the policy's architectures";
        let help = format!("write `syscall({nr}) on {}`", arch.word());
        cx.say(refused(codes::SYSCALL_NOT_ON_ARCH, why, help));
        return None;
    }
    match Arch::of_call(arch.audit(), nr) {
        Some(of) if of == arch => {}
        of => {
            let of = of.map_or("another architecture", Arch::word);
            let why = format!("the number is one of {of}, and not of {}", arch.word());
            cx.say(refused(codes::OTHER_ABI, &why, format!("name `{of}` in `arch`, and write `on {of}`")));
            return None;
        }
    }
    Some(Member { call: by_number(arch, nr).copied().unwrap_or(Syscall::unnamed(nr)), direct: true })
}
