//! What policies mean: text in, IR or decisions out. What is wrong with a policy is tested in msb-compile, on
//! the cases of policy-lang/conformance.

use msb_diag::Sources;
use msb_policy::{
    Base, EnvKind, FsKind, Path, Policy, Request, Rights, SyscallAction, SyscallAction::Allow,
    SyscallAction::Errno, SyscallAction::Kill, Text,
};

const EPERM: SyscallAction = Errno(1);
const EACCES: SyscallAction = Errno(13);
const ENOSYS: SyscallAction = Errno(38);

/// The meaning of a policy with this body, which has no error.
fn policy(body: &str) -> Policy {
    whole(&format!("edition 2026\npolicy p(w: dir) {{\n  include std.base\n{body}\n}}\n"))
}

/// No files to import.
struct Nothing;

impl msb_resolve::Load for Nothing {
    fn load(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("no such file or directory".to_owned())
    }
}

fn whole(text: &str) -> Policy {
    let mut sources = Sources::default();
    let id = sources.add("it.msb", text);
    let (file, mut found) = msb_syntax::parse(id, text);
    let (resolved, more) = msb_resolve::resolve(&file, None, &mut sources, &Nothing);
    found.extend(more);
    let checked = crate::check(&file, &resolved.expect("a policy"), &sources, crate::Detail::Findings);
    found.extend(checked.found);
    let policy = checked.policy;
    let shown = msb_diag::render(&found, &sources, msb_diag::Style::default());
    policy.unwrap_or_else(|| panic!("{shown}"))
}

fn decide(policy: &Policy, call: &str, args: &[u64]) -> SyscallAction {
    let nr = msb_syscalls::find(policy.archs[0], call).expect("a call").nr;
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    policy.decide(&Request::Syscall { audit_arch: policy.archs[0].audit(), nr, args: all }).action
}

/// `(body, call, arguments, action)`
type Case = (&'static str, &'static str, &'static [u64], SyscallAction);

#[track_caller]
fn decisions(cases: &[Case]) {
    for (body, call, args, action) in cases {
        let policy = policy(&format!("  syscalls {{ {body} }}"));
        assert_eq!(decide(&policy, call, args), *action, "{body}: {call}{args:x?}");
    }
}

#[test]
fn a_condition_at_the_end_is_for_the_list() {
    const LIST: &str = "errno EACCES mmap, mprotect where prot has all PROT_WRITE | PROT_EXEC";
    decisions(&[
        (LIST, "mmap", &[0, 0, 6], EACCES),
        (LIST, "mmap", &[0, 0, 2], Allow),
        (LIST, "mprotect", &[0, 0, 7], EACCES),
        (LIST, "mprotect", &[0, 0, 4], Allow),
        // One of its own stays with its item, and an earlier one says nothing of later items.
        ("kill mmap where prot == 7, mprotect where prot == 6", "mmap", &[0, 0, 6], Allow),
        ("kill mmap where prot == 7, mprotect where prot == 6", "mprotect", &[0, 0, 6], Kill),
        ("kill mmap where prot == 7, mprotect", "mprotect", &[0, 0, 1], Kill),
        ("kill mmap where prot == 7, mprotect", "mmap", &[0, 0, 1], Allow),
    ]);
}

#[test]
fn arguments_are_compared_on_the_width_that_the_kernel_looks_at() {
    const HIGH: u64 = 1 << 32;
    decisions(&[
        ("allow @network-io", "socket", &[1 | HIGH], Allow),
        ("allow @network-io", "socket", &[2 | HIGH], EACCES),
        ("kill personality where persona == 8", "personality", &[8 | HIGH], Kill),
        // 16 bits of a mode.
        ("kill chmod where mode == 0x1ff", "chmod", &[0, 0x1ff | 0x10000], Kill),
        ("kill chmod where mode has any S_ISUID", "chmod", &[0, 0xdff | HIGH], Kill),
        ("kill chmod where mode has any S_ISUID", "chmod", &[0, 0x1ff], Allow),
        // All 64 bits of a count.
        ("kill read where count > 0xffffffff", "read", &[0, 0, HIGH], Kill),
        ("kill read where count > 0xffffffff", "read", &[0, 0, HIGH - 1], Allow),
    ]);
}

#[test]
fn has_knows_the_fields_of_flags() {
    const STREAM: &str = "allow socket where type has any SOCK_STREAM";
    const ONLY: &str = "kill open where not flags has only O_RDONLY | O_CLOEXEC";
    decisions(&[
        (STREAM, "socket", &[1, 1], Allow),
        (STREAM, "socket", &[1, 1 | 0o2000000], Allow),
        // 3 & 1 is not 0, and a raw socket is not a stream.
        (STREAM, "socket", &[1, 3], EPERM),
        (STREAM, "socket", &[1, 5], EPERM),
        ("kill open where flags has any O_WRONLY | O_RDWR", "open", &[0, 2], Kill),
        ("kill open where flags has any O_WRONLY | O_RDWR", "open", &[0, 0o100], Allow),
        ("kill open where flags has any O_RDONLY", "open", &[0, 0o2000000], Kill),
        ("kill open where flags has all O_WRONLY | O_CREAT", "open", &[0, 0o101], Kill),
        ("kill open where flags has all O_WRONLY | O_CREAT", "open", &[0, 0o102], Allow),
        (ONLY, "open", &[0, 0o2000000], Allow),
        (ONLY, "open", &[0, 1], Kill),
        (ONLY, "open", &[0, 0o100], Kill),
    ]);
}

#[test]
fn the_most_severe_rule_decides_in_any_order() {
    decisions(&[
        ("allow ptrace errno EPERM ptrace kill ptrace", "ptrace", &[], Kill),
        ("kill ptrace errno EPERM ptrace allow ptrace", "ptrace", &[], Kill),
        ("errno EACCES getpid allow getpid", "getpid", &[], EACCES),
        ("default errno ENOSYS", "swapon", &[], ENOSYS),
        ("", "swapon", &[], EPERM),
    ]);
}

#[test]
fn some_calls_are_denied_whatever_a_policy_allows() {
    const ALL: &str = "allow @system-service, @namespace, @debug";
    let namespaces = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
    let policy = policy(&format!("  limits {{ cpu 1 }}\n  syscalls {{ {ALL} }}"));
    for flag in namespaces {
        assert_eq!(decide(&policy, "clone", &[flag | 17]), EPERM, "{flag:#x}");
        assert_eq!(decide(&policy, "clone", &[flag | 1 << 40]), EPERM, "{flag:#x}");
    }
    // CLONE_VM | CLONE_FS | … of a thread, and the bits above those that the kernel looks at.
    assert_eq!(decide(&policy, "clone", &[0x3d_0f00]), Allow);
    assert_eq!(decide(&policy, "clone3", &[]), ENOSYS);
    for request in [0x5412, 0x541c, 0x5423] {
        assert_eq!(decide(&policy, "ioctl", &[0, request]), EPERM, "{request:#x}");
        assert_eq!(decide(&policy, "ioctl", &[0, request | 1 << 32]), EPERM, "{request:#x}");
    }
    assert_eq!(decide(&policy, "ioctl", &[0, 0x5413]), Allow, "TIOCGWINSZ");
    for family in [0, 2, 10, 16, 17, 38, 40] {
        assert_eq!(decide(&policy, "socket", &[family, 1]), EACCES, "{family}");
        assert_eq!(decide(&policy, "socketpair", &[family, 1]), EACCES, "{family}");
    }
    assert_eq!(decide(&policy, "socket", &[1, 1]), Allow);
    assert_eq!(decide(&policy, "sched_setaffinity", &[]), EPERM, "follows from `cpu`");
}

#[test]
fn rules_without_a_host_leave_the_sandboxs_own_loopback() {
    let policy = policy("net { } syscalls { allow @network-io }");
    for family in [0, 16, 17, 38, 40] {
        assert_eq!(decide(&policy, "socket", &[family, 1]), EACCES, "{family}");
    }
    // TCP and UDP, and nothing else: raw, ping, SCTP, UDP-Lite, MPTCP.
    for (kind, protocol, expected) in [
        (1 | 0x8_0800, 6, Allow),
        (2, 17, Allow),
        (2, 1 << 32, Allow),
        (3, 0, EACCES),
        (3, 255, EACCES),
        (5, 0, EACCES),
        (2, 1, EACCES),
        (1, 132, EACCES),
        (2, 136, EACCES),
        (1, 262, EACCES),
        (10, 0, EACCES),
    ] {
        assert_eq!(decide(&policy, "socket", &[2, kind, protocol]), expected, "{kind} {protocol}");
        assert_eq!(decide(&policy, "socket", &[10 | 1 << 32, kind, protocol]), expected, "{kind} {protocol}");
    }
}

/// What Landlock does not see is refused where it may have to hold a run, and only there.
#[test]
fn the_lesser_tier_denies_what_landlock_does_not_see() {
    const ALL: &str = "syscalls { allow @system-service, @keyring, @ipc, inotify_add_watch }";
    let (full, lesser) = (policy(ALL), policy(&format!("{ALL} sandbox {{ tier landlock }}")));
    assert!(full.sandbox.tier_landlock.is_none() && lesser.sandbox.tier_landlock.is_some());
    for call in
        ["chmod", "fchmodat2", "lchown", "setxattr", "utimensat", "shmat", "mq_open", "inotify_add_watch"]
    {
        assert_eq!((decide(&full, call, &[]), decide(&lesser, call, &[])), (Allow, EPERM), "{call}");
    }
    for family in [1, 2, 10] {
        assert_ne!(decide(&lesser, "socket", &[family, 1]), Allow, "{family}");
    }
    assert_eq!(decide(&lesser, "socketpair", &[1, 1]), Allow);
    for (call, other) in [("prlimit64", 1), ("sched_setaffinity", 77), ("sched_setscheduler", 1)] {
        assert_eq!((decide(&lesser, call, &[0]), decide(&lesser, call, &[other])), (Allow, EPERM), "{call}");
    }
    let both = policy("sandbox { tier landlock } sandbox { tier full }");
    assert!(both.sandbox.tier_landlock.is_none(), "the stricter of two");
    for call in crate::syscalls::implied::WITHOUT_NAMESPACES {
        let known = [msb_policy::Arch::X86_64, msb_policy::Arch::Aarch64]
            .map(|arch| msb_syscalls::find(arch, call).is_some());
        assert!(known.contains(&true), "{call}");
    }
}

#[test]
fn the_constants_of_implied_rules_are_the_kernels() {
    use crate::syscalls::implied::{CLONE_NEW, TERMINAL_IOCTLS};
    let names = ["NS", "CGROUP", "UTS", "IPC", "USER", "PID", "NET"];
    let flag =
        |name: &&str| msb_syscalls::constant("clone_flags", &format!("CLONE_NEW{name}")).expect("a flag");
    assert_eq!(names.iter().map(flag).fold(0, |all, flag| all | flag), CLONE_NEW);
    for (name, value) in TERMINAL_IOCTLS {
        assert_eq!(msb_syscalls::constant("ioctl_cmd", name), Some(*value), "{name}");
    }
}

/// What the implied rules rest on is there: a name that changed in the tables would drop a rule.
#[test]
fn every_implied_rule_is_there() {
    let policy = policy("  limits { cpu 1 }");
    let implied: Vec<u32> = policy.syscalls.iter().filter(|rule| rule.implied).map(|rule| rule.nr).collect();
    let nr = |call| msb_syscalls::find(policy.archs[0], call).expect("a call").nr;
    for (call, count) in [
        ("clone", 1),
        ("clone3", 1),
        ("ioctl", 3),
        ("socket", 1),
        ("socketpair", 1),
        ("sched_setaffinity", 1),
    ] {
        assert_eq!(implied.iter().filter(|it| **it == nr(call)).count(), count, "{call}");
    }
    assert_eq!(implied.len(), 8);
}

fn grants(policy: &Policy) -> Vec<(String, String, Rights)> {
    let shown = |path: &Path| match path.base {
        Base::Root => format!("/{}", path.rest),
        Base::Home => format!("~/{}", path.rest),
        Base::Param(index) => format!("${index}/{}", path.rest),
    };
    let text = |id: msb_policy::OriginId| &policy.origins[id.0 as usize].file;
    policy
        .fs
        .iter()
        .filter(|rule| text(rule.origin) == "it.msb")
        .filter_map(|rule| match &rule.kind {
            FsKind::Grant { source, target, rights, .. } => Some((shown(source), shown(target), *rights)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_grant_without_at_names_a_place_inside_where_there_is_one() {
    let read = Rights { read: true, write: false, run: false };
    let (write, run) = (Rights { write: true, ..read }, Rights { run: true, ..read });
    let policy = policy("  fs { write $w/a at /work  run /work  read ~/b  run /opt }");
    let expected =
        [("$0/a", "/work", write), ("$0/a", "/work", run), ("~/b", "~/b", read), ("/opt", "/opt", run)];
    let expected = expected.map(|(from, to, rights)| (from.to_owned(), to.to_owned(), rights));
    assert_eq!(grants(&policy), expected);
}

#[test]
fn the_smaller_of_two_limits_holds() {
    let policy = whole(
        "edition 2026\npolicy p { include std.base include a limits { memory 1GiB pids 50 cpu 2 wall 90s } }\n\
         profile a { limits hard { memory 64MiB pids 100 cpu 150% wall unlimited files 64 } }\n",
    );
    let limits = policy.limits;
    assert!(limits.hard);
    assert_eq!(limits.memory_bytes.map(|limit| limit.value), Some(64 << 20));
    assert_eq!(limits.pids.map(|limit| limit.value), Some(50));
    assert_eq!(limits.cpu_percent.map(|limit| limit.value), Some(150));
    assert_eq!(limits.wall_ms.map(|limit| limit.value), Some(90_000));
    assert_eq!(limits.files.map(|limit| limit.value), Some(64));
}

#[test]
fn path_is_set_unless_the_policy_speaks_of_it() {
    let set = |policy: &Policy| {
        policy.env.iter().any(|rule| {
            matches!(&rule.kind, EnvKind::Set { name, value: Text::Literal(value) }
            if name == "PATH" && value == "/usr/local/bin:/usr/bin:/bin")
        })
    };
    assert!(set(&policy("")));
    for body in ["pass PATH", "set PATH = \"/bin\"", "pass PA*"] {
        assert!(!set(&policy(&format!("  env {{ {body} }}"))), "{body}");
    }
}

#[test]
fn origins_are_lines_of_their_file() {
    let policy = policy("  fs { read $w at /in }\n  net none\n  limits {\n    memory 1GiB\n  }");
    let all: Vec<String> = policy
        .origins
        .iter()
        .filter(|origin| origin.file == "it.msb")
        .map(|origin| format!("{}:{} {}", origin.line, origin.column, origin.text))
        .collect();
    assert_eq!(all, ["2:1 policy p", "2:10 w: dir", "4:8 read $w at /in", "5:3 net none", "7:5 memory 1GiB"]);
    assert!(policy.origins.iter().any(|origin| origin.file == "std.base"));
}

#[test]
fn bounds_are_those_of_a_plan() {
    use crate::bounds;
    assert_eq!(bounds::PARAMS_MAX, msb_plan::PARAMS_MAX);
    assert_eq!(bounds::MOUNTS_MAX, msb_plan::MOUNTS_MAX);
    assert_eq!(bounds::LISTENS_MAX, msb_plan::network::LISTENS_MAX);
    assert_eq!(bounds::PORTS_MAX, msb_plan::network::PORTS_MAX);
    assert_eq!(bounds::REQUEST_PATHS_MAX, msb_plan::network::PATHS_MAX);
    assert_eq!(bounds::TOTALS_MAX, msb_plan::network::TOTALS_MAX);
    assert_eq!(bounds::DENIES_MAX, msb_plan::DENIES_MAX);
    assert_eq!(bounds::ENV_MAX, msb_plan::ENV_MAX);
    assert_eq!(bounds::COMMAND_MAX, msb_plan::COMMAND_MAX);
    assert_eq!(bounds::TEXT_BYTES_MAX, msb_plan::TEXT_BYTES_MAX);
    assert_eq!(bounds::PATH_BYTES_MAX + 1, msb_plan::PATH_BYTES_MAX);
    assert_eq!(crate::origins::ORIGIN_TEXT_BYTES_MAX, msb_plan::ORIGIN_TEXT_BYTES_MAX);
}
