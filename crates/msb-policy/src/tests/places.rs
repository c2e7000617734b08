//! Paths under a policy's file rules.

use super::policy;
use crate::*;
use Access::{Read, Run, Write};

fn path(base: Base, rest: &str) -> Path {
    Path { base, rest: rest.to_owned() }
}

fn grant(source: Path, target: Path, rights: &str, origin: u32) -> FsRule {
    let rights = rights_of(rights);
    FsRule {
        kind: FsKind::Grant { source, target, rights, optional: false, links: Links::Follow },
        origin: OriginId(origin),
    }
}

fn deny(of: Path, rights: &str, origin: u32) -> FsRule {
    let kind = FsKind::Deny { path: of, rights: rights_of(rights), missing: Missing::Skip };
    FsRule { kind, origin: OriginId(origin) }
}

fn rights_of(letters: &str) -> Rights {
    Rights { read: letters.contains('r'), write: letters.contains('w'), run: letters.contains('x') }
}

/// `/usr` read and run, the first parameter (`/home/u/project`) written at `/work`, its `data` shown again at
/// `/data`, and denies by parameter, by home and by name inside.
fn places() -> Places {
    let mut policy = policy(Vec::new(), SyscallAction::Errno(1));
    policy.fs = Vec::from([
        grant(path(Base::Root, "usr"), path(Base::Root, "usr"), "rx", 1),
        grant(path(Base::Param(0), ""), path(Base::Root, "work"), "rw", 2),
        grant(path(Base::Param(0), "data"), path(Base::Root, "data"), "r", 3),
        deny(path(Base::Param(0), ".git/hooks"), "w", 4),
        deny(path(Base::Param(0), "data/key"), "rwx", 5),
        deny(path(Base::Home, ".ssh"), "rwx", 6),
        deny(path(Base::Root, "work/inside"), "w", 7),
    ]);
    policy.origin = OriginId(8);
    let kind = ParamKind::Dir;
    policy.params = vec![Param { name: "w".to_owned(), kind, default: None, origin: OriginId(0) }];
    Places::new(&policy, |_| Some("/home/u/project".to_owned()), Some("/home/u"))
}

#[test]
fn rights_are_those_of_the_grants_less_those_of_the_denies() {
    let places = places();
    let refused = |path: &str, access| match places.decide(path, access) {
        Verdict::Allowed { .. } => None,
        Verdict::Refused { reason, .. } => Some(reason),
    };
    let cases = [
        ("/usr/bin/ls", Read, None),
        ("/usr/bin/ls", Run, None),
        ("/usr/bin/ls", Write, Some(Reason::NotGranted(OriginId(1)))),
        ("/work/a", Write, None),
        ("/work/a", Run, Some(Reason::NotGranted(OriginId(2)))),
        ("/work/.git/hooks/pre-commit", Write, Some(Reason::Denied(OriginId(4)))),
        ("/work/.git/hooks/pre-commit", Read, None),
        ("/work/.git/hooksmith", Write, None),
        ("/data/key", Read, Some(Reason::Denied(OriginId(5)))),
        ("/work/data/key", Read, Some(Reason::Denied(OriginId(5)))),
        ("/home/u/.ssh/id_ed25519", Read, Some(Reason::Denied(OriginId(6)))),
        ("/work/inside/x", Write, Some(Reason::Denied(OriginId(7)))),
        ("/etc/shadow", Read, Some(Reason::NotShown)),
        ("/etc/passwd", Read, None),
        ("/etc/passwd", Write, Some(Reason::NotGranted(OriginId(8)))),
        ("/", Read, None),
        ("/etc", Read, None),
        ("/", Write, Some(Reason::NotShown)),
        ("/home", Read, Some(Reason::NotShown)),
    ];
    for (path, access, expected) in cases {
        assert_eq!(refused(path, access), expected, "{path} {access:?}");
    }
}

#[test]
fn refused_path_has_its_name_on_the_host() {
    let host = |path: &str, access| match places().decide(path, access) {
        Verdict::Allowed { .. } => panic!("{path} is allowed"),
        Verdict::Refused { host, .. } => host,
    };
    assert_eq!(host("/data/key", Read), "/home/u/project/data/key");
    assert_eq!(host("/etc/shadow", Read), "/etc/shadow");
}

#[test]
fn procfs_has_the_processes_of_the_program_alone() {
    let mut policy = policy(Vec::new(), SyscallAction::Errno(1));
    policy.fs = vec![FsRule { kind: FsKind::ProcSelf, origin: OriginId(1) }];
    for (name, allowed) in [
        ("proc", true),
        ("proc/self/status", true),
        ("proc/thread-self/comm", true),
        ("proc/2/environ", true),
        ("proc/12/environ", true),
        ("proc/1", false),
        ("proc/1/environ", false),
        ("proc/01/environ", false),
        ("proc/meminfo", false),
        ("proc/sys/kernel/core_pattern", false),
        ("proc/self2", false),
    ] {
        let open = policy.open(&path(Base::Root, name), Read);
        assert_eq!((open.verdict.is_allowed(), open.proved), (allowed, true), "/{name}");
    }
}
