//! A policy made of bytes: what the oracle decides is what its filter returns and what its mounts show.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb_policy::{
    Access, Arch, Base, FsKind, FsRule, Links, Missing, Op, Origin, OriginId, Param, ParamKind, Path, Places,
    Policy, Pred, Request, Rights, Search, SyscallAction, SyscallRule, Verdict, Width,
};
use msb_seccomp::{Options, SeccompData, action, compile, run};

/// Choices, taken from bytes; 0 when there are no more.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn one(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.one()) % of.len()]
    }

    fn number(&mut self) -> u64 {
        const BORDERS: &[u64] = &[
            0,
            1,
            2,
            5,
            7,
            0x80,
            0xffff,
            0x8000_0000,
            0xffff_ffff,
            0x1_0000_0000,
            0x1_0000_0001,
            1 << 63,
            u64::MAX,
        ];
        self.pick(BORDERS).wrapping_add(u64::from(self.one() % 3)).wrapping_sub(1)
    }

    fn pred(&mut self, depth: u8) -> Pred {
        let kind = self.one() % if depth == 0 { 3 } else { 6 };
        let argument = self.one() % 6;
        let width = if self.one() % 2 == 0 { Width::W32 } else { Width::W64 };
        match kind {
            0 => Pred::True,
            1 => {
                let op = self.pick(&[Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge]);
                Pred::Compare { argument, width, op, value: self.number() & width.mask() }
            }
            2 => {
                let mask = self.number() & width.mask();
                Pred::Masked { argument, width, mask, value: self.number() & mask }
            }
            3 => Pred::Not(Box::new(self.pred(depth - 1))),
            4 => Pred::All((0..self.one() % 4).map(|_| self.pred(depth - 1)).collect()),
            _ => Pred::Any((0..self.one() % 4).map(|_| self.pred(depth - 1)).collect()),
        }
    }

    fn path(&mut self) -> Path {
        let base = self.pick(&[Base::Root, Base::Root, Base::Home, Base::Param(0), Base::Param(1)]);
        let depth = self.one() % 4;
        let rest: Vec<&str> = (0..depth).map(|_| self.pick(&["a", "b", "c"])).collect();
        Path { base, rest: rest.join("/") }
    }

    fn rule(&mut self, origin: OriginId) -> FsRule {
        let rights = |bits: u8| Rights { read: true, write: bits & 1 != 0, run: bits & 2 != 0 };
        let deny = |kind: u8| match kind % 2 {
            0 => Rights { read: true, write: true, run: true },
            _ => Rights { read: false, write: true, run: false },
        };
        let kind = match self.one() % 6 {
            0 | 1 => {
                let (source, same) = (self.path(), self.one() % 2 == 0);
                let target = if same { source.clone() } else { self.path() };
                FsKind::Grant {
                    source,
                    target,
                    rights: rights(self.one()),
                    optional: self.one() % 4 == 0,
                    links: Links::Refuse,
                }
            }
            2 => FsKind::Scratch { target: self.path(), size_bytes: 4096, inodes: 16 },
            3 => {
                let (root, depth) = (self.path(), 1 + self.one() % 3);
                let (beside, rest) = (self.pick(&["a", "b"]), self.pick(&["a", "b/c", "a/b"]));
                let search = Search { root, depth, beside: beside.to_owned(), rest: rest.to_owned() };
                let missing = self.pick(&[Missing::Skip, Missing::Mask { directory: true }]);
                FsKind::DenyFound { search, rights: deny(self.one()), missing }
            }
            _ => {
                let path = self.path();
                FsKind::Deny { path, rights: deny(self.one()), missing: Missing::Mask { directory: false } }
            }
        };
        FsRule { kind, origin }
    }
}

const CALLS: &[u32] = &[0, 1, 16, 41, 101, 257, 435];

fn policy(bytes: &mut Bytes<'_>) -> Policy {
    let line = |line| Origin { file: "f.msb".to_owned(), line, column: 1, text: "x".to_owned() };
    let mut origins = vec![line(1)];
    let mut at = || {
        origins.push(line(origins.len() as u32 + 1));
        OriginId(origins.len() as u32 - 1)
    };
    let here = OriginId(0);
    let actions = [
        SyscallAction::Allow,
        SyscallAction::Allow,
        SyscallAction::Log,
        SyscallAction::Notify,
        SyscallAction::Errno(13),
        SyscallAction::Trap,
        SyscallAction::Kill,
    ];
    let syscalls = (0..bytes.one() % 12).map(|_| SyscallRule {
        arch: Arch::X86_64,
        nr: bytes.pick(CALLS),
        action: bytes.pick(&actions),
        predicate: bytes.pred(3),
        origin: at(),
        implied: bytes.one() % 8 == 0,
    });
    let syscalls = syscalls.collect();
    let fs = (0..bytes.one() % 10).map(|_| bytes.rule(at())).collect();
    let param =
        |name: &str| Param { name: name.to_owned(), kind: ParamKind::Dir, default: None, origin: here };
    Policy {
        params: vec![param("one"), param("two")],
        fs,
        syscalls,
        origins,
        ..Policy::closed("p", Arch::X86_64, here)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let mut bytes = Bytes(bytes);
    let mut policy = policy(&mut bytes);
    // Each half is slow in its own way: a filter is proved, mounts are read back. Mostly the one or the other.
    match kind % 8 {
        0 => {
            filter(&policy, &mut bytes);
            mounts(&policy, &mut bytes);
            whole(&policy);
        }
        1..4 => {
            policy.syscalls.clear();
            mounts(&policy, &mut bytes);
        }
        _ => {
            policy.fs.clear();
            filter(&policy, &mut bytes);
        }
    }
});

/// What the program returns for calls at the borders of its conditions.
fn filter(policy: &Policy, bytes: &mut Bytes<'_>) {
    let Ok(program) = compile(policy, Options::default()) else {
        // Too long, never unproved.
        panic!("{:?}", compile(policy, Options::default()).map(|_| ()));
    };
    let witnesses = policy.syscalls.iter().filter_map(|rule| Some((rule.nr, rule.predicate.witness().found()?)));
    let mut calls: Vec<(u32, [u64; 6])> = witnesses.collect();
    calls.extend((0..8).map(|_| (bytes.pick(CALLS), std::array::from_fn(|_| bytes.number()))));
    for (nr, args) in calls {
        let audit_arch = Arch::X86_64.audit();
        let decided = policy.decide(&Request::Syscall { audit_arch, nr, args }).action;
        let data = SeccompData { nr, arch: audit_arch, instruction_pointer: 0, args };
        assert_eq!(run(&program.instructions, &data), returned(decided), "{nr} {args:x?}");
    }
}

fn returned(decided: SyscallAction) -> u32 {
    match decided {
        SyscallAction::Allow => action::ALLOW,
        SyscallAction::Log => action::LOG,
        SyscallAction::Notify => action::USER_NOTIF,
        SyscallAction::Errno(errno) => action::errno(errno),
        SyscallAction::Trap => action::TRAP,
        SyscallAction::Kill => action::KILL_PROCESS,
    }
}

/// What the plan of `policy` says, where there is one.
fn read_back(policy: &Policy) -> Option<Policy> {
    let encoded = msb_emit::emit(policy, msb_emit::Options::default()).ok()?;
    let plan = msb_plan::decode(&encoded).expect("what is emitted is a plan");
    Some(msb_decompile::policy(plan.plan()).expect("what this compiler made is read back"))
}

/// A plan read back allows what was written, no more and no less.
fn whole(policy: &Policy) {
    let back = read_back(policy);
    assert!(back.is_none_or(|back| msb_policy::difference(policy, &back).is_none()));
}

/// The mounts and denies of the plan, read back, say of every path what the rules do.
fn mounts(policy: &Policy, bytes: &mut Bytes<'_>) {
    let Some(back) = read_back(policy) else { return };
    let (written, mounted) = (Places::apart(policy), Places::apart(&back));
    for _ in 0..16 {
        let path = bytes.path();
        for access in Access::ALL {
            let (left, right) = (written.decide_path(&path, access), mounted.decide_path(&path, access));
            let host = |verdict: &Verdict| match verdict {
                Verdict::Allowed { host, .. } => Some(host.clone()),
                Verdict::Refused { .. } => None,
            };
            assert_eq!(host(&left), host(&right), "{path:?} {access:?}\n{policy:#?}");
        }
    }
}
