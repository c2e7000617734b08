use super::*;

fn full() -> Policy {
    let mut policy = policy(
        vec![
            rule(0, SyscallAction::Allow, Pred::True, 1),
            rule(41, SyscallAction::Errno(97), compare(0, Width::W32, Op::Eq, 2), 2),
        ],
        SyscallAction::Errno(1),
    );
    let path = |base, rest: &str| Path { base, rest: rest.to_owned() };
    policy.params = vec![
        Param { name: "repo".to_owned(), kind: ParamKind::Dir, default: None, origin: OriginId(3) },
        Param {
            name: "greeting".to_owned(),
            kind: ParamKind::Text,
            default: Some("hello".to_owned()),
            origin: OriginId(4),
        },
    ];
    let rights = Rights { read: true, write: true, run: false };
    policy.fs = vec![
        FsRule {
            kind: FsKind::Grant {
                source: path(Base::Param(0), ""),
                target: path(Base::Root, "work"),
                rights,
                optional: false,
                links: Links::Follow,
            },
            origin: OriginId(5),
        },
        FsRule {
            kind: FsKind::Deny { path: path(Base::Home, ".ssh"), rights, missing: Missing::Skip },
            origin: OriginId(6),
        },
    ];
    policy.env = vec![
        EnvRule { kind: EnvKind::Pass { name: "LANG".to_owned(), prefix: false }, origin: OriginId(7) },
        EnvRule { kind: EnvKind::Set { name: "X".to_owned(), value: Text::Param(1) }, origin: OriginId(8) },
    ];
    policy.limits.pids = Some(Limit { value: 64, origin: OriginId(9) });
    policy.exec.command = vec!["python3".to_owned(), "-V".to_owned()];
    policy.exec.cwd = Some((path(Base::Root, "work"), OriginId(10)));
    policy
}

#[test]
fn neither_order_nor_repetition_nor_place_is_in_the_bytes() {
    let bytes = full().canonical_bytes();
    let mut other = full();
    other.syscalls.reverse();
    other.syscalls.push(other.syscalls[0].clone());
    other.fs.reverse();
    other.env.reverse();
    for rule in &mut other.syscalls {
        rule.origin = OriginId(77);
    }
    other.exec.origin = OriginId(78);
    other.origins.push(Origin { file: "a.msb".to_owned(), line: 1, column: 1, text: "x".to_owned() });
    assert_eq!(other.canonical_bytes(), bytes);
}

/// Each change of meaning, one by one.
#[test]
fn every_change_of_meaning_is_in_the_bytes() {
    let changes: Vec<fn(&mut Policy)> = vec![
        |p| p.name.push('2'),
        |p| p.edition += 1,
        |p| p.params.reverse(),
        |p| p.params[0].kind = ParamKind::File,
        |p| p.params[0].default = Some(String::new()),
        |p| p.params[1].default = None,
        |p| drop(p.fs.pop()),
        |p| p.fs[1].kind = FsKind::StdDevices,
        |p| p.fs[1].kind = FsKind::ProcSelf,
        |p| drop(p.syscalls.pop()),
        |p| p.syscalls[0].nr = 1,
        |p| p.syscalls[0].implied = true,
        |p| p.syscalls[0].action = SyscallAction::Kill,
        |p| p.syscalls[1].action = SyscallAction::Errno(98),
        |p| p.syscalls[1].predicate = compare(0, Width::W64, Op::Eq, 2),
        |p| p.syscalls[1].predicate = compare(1, Width::W32, Op::Eq, 2),
        |p| p.syscalls[1].predicate = compare(0, Width::W32, Op::Ne, 2),
        |p| p.syscalls[1].predicate = compare(0, Width::W32, Op::Eq, 3),
        |p| p.syscalls[1].predicate = Pred::Not(Box::new(Pred::True)),
        |p| p.syscalls[1].predicate = Pred::All(vec![]),
        |p| p.syscalls[1].predicate = Pred::Any(vec![]),
        |p| p.syscall_default.0 = SyscallAction::Kill,
        |p| p.arch = Arch::Aarch64,
        |p| p.limits.hard = true,
        |p| p.limits.pids = Some(Limit { value: 65, origin: OriginId(9) }),
        |p| (p.limits.pids, p.limits.files) = (None, p.limits.pids),
        |p| (p.limits.pids, p.limits.cpu_percent) = (None, p.limits.pids),
        |p| p.limits.memory_bytes = Some(Limit { value: 64, origin: OriginId(9) }),
        |p| p.limits.wall_ms = Some(Limit { value: 64, origin: OriginId(9) }),
        |p| p.capabilities.0 = 1,
        |p| drop(p.env.pop()),
        |p| p.env[0].kind = EnvKind::Pass { name: "LANG".to_owned(), prefix: true },
        |p| p.env[1].kind = EnvKind::Set { name: "X".to_owned(), value: Text::Literal(String::new()) },
        |p| p.exec.command = vec!["python3 -V".to_owned()],
        |p| p.exec.command.reverse(),
        |p| p.exec.uid = 1,
        |p| p.exec.gid = 1,
        |p| p.exec.hostname.push('2'),
        |p| p.exec.cwd = None,
    ];
    let mut seen = vec![full().canonical_bytes()];
    for (index, change) in changes.into_iter().enumerate() {
        let mut policy = full();
        change(&mut policy);
        let bytes = policy.canonical_bytes();
        assert!(!seen.contains(&bytes), "change {index} is not in the bytes");
        seen.push(bytes);
    }
}

proptest! {
    #[test]
    fn order_of_generated_rules_is_not_in_the_bytes(rules in prop::collection::vec(any_rule(), 0..8)) {
        let default = SyscallAction::Errno(1);
        let mut reversed = rules.clone();
        reversed.reverse();
        prop_assert_eq!(policy(rules, default).canonical_bytes(), policy(reversed, default).canonical_bytes());
    }
}
