//! A policy that grants nothing, and short ways to write rules.

use crate::{EmitError, Options, emit, ir, plan};

/// The policy's own line.
pub(super) const POLICY: ir::OriginId = ir::OriginId(0);

/// Lines 1 to 9 of `a.msb` at origins 0 to 8.
pub(super) fn policy() -> ir::Policy {
    let line = |line| ir::Origin { file: "a.msb".into(), line, column: 3, text: format!("line {line}") };
    let param = |name: &str, kind| ir::Param { name: name.into(), kind, default: None, origin: POLICY };
    ir::Policy {
        name: "agent".into(),
        edition: 2026,
        origin: POLICY,
        params: vec![
            param("workspace", ir::ParamKind::Dir),
            param("key", ir::ParamKind::File),
            param("version", ir::ParamKind::Text),
        ],
        fs: Vec::new(),
        net: ir::Net::None { origin: POLICY },
        syscalls: Vec::new(),
        syscall_default: (ir::SyscallAction::Errno(1), POLICY),
        archs: vec![ir::Arch::X86_64],
        limits: ir::Limits::default(),
        capabilities: (0, POLICY),
        env: Vec::new(),
        exec: ir::Exec {
            command: Vec::new(),
            uid: 1000,
            gid: 1001,
            cwd: None,
            hostname: "sandbox".into(),
            terminal: None,
            origin: POLICY,
        },
        tools: Vec::new(),
        sandbox: ir::Sandbox::default(),
        claims: Vec::new(),
        origins: (1..=9).map(line).collect(),
    }
}

/// `/a/b`, `~/a`, `$workspace/a` or `$key`.
pub(super) fn path(text: &str) -> ir::Path {
    let (base, rest) = match text.split_once('/').unwrap_or((text, "")) {
        ("", rest) => (ir::Base::Root, rest),
        ("~", rest) => (ir::Base::Home, rest),
        ("$workspace", rest) => (ir::Base::Param(0), rest),
        ("$key", rest) => (ir::Base::Param(1), rest),
        _ => panic!("no such base: {text}"),
    };
    ir::Path { base, rest: rest.into() }
}

/// `r`, `rw`, `rx`, …
pub(super) fn rights(text: &str) -> ir::Rights {
    assert!(text.chars().all(|c| "rwx".contains(c)));
    ir::Rights { read: text.contains('r'), write: text.contains('w'), run: text.contains('x') }
}

pub(super) fn rule(line: u32, kind: ir::FsKind) -> ir::FsRule {
    ir::FsRule { kind, origin: ir::OriginId(line - 1) }
}

/// `rights source target`, with `?` after the rights where it is optional; `deny rights path missing`;
/// `scratch target size inodes`; `proc`; `dev`. The line is the rule's place in the list, from 2.
pub(super) fn fs(rules: &[&str]) -> Vec<ir::FsRule> {
    let parse = |text: &&str| match text.split(' ').collect::<Vec<_>>()[..] {
        ["proc"] => ir::FsKind::ProcSelf,
        ["dev"] => ir::FsKind::StdDevices,
        ["scratch", target, size, inodes] => ir::FsKind::Scratch {
            target: path(target),
            size_bytes: size.parse().unwrap(),
            inodes: inodes.parse().unwrap(),
        },
        ["deny", of, at, missing] => ir::FsKind::Deny {
            path: path(at),
            rights: rights(of),
            missing: match missing {
                "file" => ir::Missing::Mask { directory: false },
                "dir" => ir::Missing::Mask { directory: true },
                "fail" => ir::Missing::Fail,
                "skip" => ir::Missing::Skip,
                _ => panic!("{missing}"),
            },
        },
        [of, source, target] => ir::FsKind::Grant {
            source: path(source),
            target: path(target),
            rights: rights(of.trim_end_matches('?')),
            optional: of.ends_with('?'),
            links: ir::Links::Follow,
        },
        _ => panic!("no such rule: {text}"),
    };
    rules.iter().zip(2..).map(|(text, line)| rule(line, parse(text))).collect()
}

/// Emits and decodes; `look` sees the plan.
#[track_caller]
pub(super) fn with_plan<T>(policy: &ir::Policy, look: impl FnOnce(&plan::Plan<'_>) -> T) -> T {
    let bytes = emit(policy, Options::default()).expect("a plan");
    look(plan::decode(&bytes).expect("a plan that the launcher takes").plan())
}

pub(super) fn error(policy: &ir::Policy) -> EmitError {
    emit(policy, Options::default()).expect_err("no plan")
}

/// A path of a plan as [`path`] reads it.
pub(super) fn show(path: plan::Path<'_>) -> String {
    crate::path::show(&policy(), path)
}

/// The mounts as [`fs`] reads them, each followed by `#` and its line.
pub(super) fn shown_mounts(plan: &plan::Plan<'_>) -> Vec<String> {
    let line = |origin: plan::OriginId| plan.origins[usize::from(origin.0)].line;
    let letters = |rights: plan::Rights| {
        [(plan::Rights::READ, "r"), (plan::Rights::WRITE, "w"), (plan::Rights::RUN, "x")]
            .map(|(right, letter)| if rights.contains(right) { letter } else { "" })
            .concat()
    };
    let mount = |mount: &plan::Mount<'_>| {
        let target = show(mount.target);
        let optional = if mount.presence == plan::Presence::Optional { "?" } else { "" };
        let what = match mount.kind {
            plan::MountKind::Bind { source, rights, .. } => {
                format!("{}{optional} {} {target}", letters(rights), show(source))
            }
            plan::MountKind::Scratch { size_bytes, inodes, rights } => {
                assert_eq!((optional, letters(rights)), ("", "rw".to_owned()));
                format!("scratch {target} {size_bytes} {inodes}")
            }
            plan::MountKind::Overlay { source, size_bytes, inodes, rights, .. } => {
                let (of, source) = (letters(rights), show(source));
                format!("overlay {of}{optional} {source} {target} {size_bytes} {inodes}")
            }
            plan::MountKind::Device { source } => {
                assert_eq!(show(source), target);
                format!("device{optional} {target}")
            }
            plan::MountKind::Socket { source, .. } => format!("socket{optional} {} {target}", show(source)),
            plan::MountKind::Proc(plan::ProcScope::All) => "proc all".to_owned(),
            plan::MountKind::Proc(plan::ProcScope::Processes) => "proc".to_owned(),
            plan::MountKind::Dev { .. } => "dev".to_owned(),
        };
        format!("{what} #{}", line(mount.origin))
    };
    let deny = |deny: &plan::Deny<'_>| {
        let missing = match deny.missing {
            plan::Missing::MaskFile => "file",
            plan::Missing::MaskDot => "dot",
            plan::Missing::MaskDir => "dir",
            plan::Missing::Fail => "fail",
            plan::Missing::Skip => "skip",
        };
        format!("deny {} {} {missing} #{}", letters(deny.rights), show(deny.path), line(deny.origin))
    };
    plan.mounts.iter().map(mount).chain(plan.denies.iter().map(deny)).collect()
}
