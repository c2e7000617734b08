//! Programs for a supervisor.

use super::*;
use crate::{Options, TRACED_LENGTH_BYTES_MIN, compile};

#[test]
fn every_call_that_fails_is_put_to_the_supervisor_and_what_kills_kills() {
    let mut policy = coding_agent();
    policy.syscalls.push(rule(nr("ptrace"), KILL, Pred::True));
    let program = compile(&policy, Options { trace: true }).expect("short, and right");
    let ask = |nr, args| ask(&program, policy.archs[0].audit(), nr, args).action;
    assert_eq!(ask(nr("mount"), [0; 6]), action::USER_NOTIF, "not allowed");
    assert_eq!(ask(nr("ioctl"), [0, 0x5412, 0, 0, 0, 0]), action::USER_NOTIF, "denied");
    assert_eq!(ask(nr("ioctl"), [0, 0x5413, 0, 0, 0, 0]), action::ALLOW);
    assert_eq!(ask(700, [0; 6]), action::USER_NOTIF, "unknown");
    assert_eq!(ask(nr("read") | 0x4000_0000, [0; 6]), action::USER_NOTIF, "x32");
    assert_eq!(ask(u32::MAX, [0; 6]), action::USER_NOTIF);
    assert_eq!(ask(nr("ptrace"), [0; 6]), action::KILL_PROCESS);
    let foreign = super::ask(&program, 0x4000_0003, 0, [0; 6]).action;
    assert_eq!(foreign, action::KILL_PROCESS);
    let returns = program.instructions.iter().filter(|instruction| instruction.code == 0x06);
    assert!(
        returns.clone().all(|instruction| instruction.k & 0xffff_0000 != action::errno(0)),
        "no errno is left"
    );
}

#[test]
fn calls_that_open_and_make_are_put_to_the_supervisor_though_allowed() {
    let policy = coding_agent();
    let program = compile(&policy, Options { trace: true }).expect("short, and right");
    let ask = |name, args| ask(&program, policy.archs[0].audit(), nr(name), args).action;
    let names = [
        "open",
        "openat",
        "openat2",
        "creat",
        "mkdir",
        "mkdirat",
        "unlink",
        "unlinkat",
        "rmdir",
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "clone",
        "fork",
        "vfork",
    ];
    for name in names {
        assert_eq!(ask(name, [0; 6]), action::USER_NOTIF, "{name}");
        assert!(traced(Arch::X86_64, nr(name), &[0; 6]), "{name}");
    }
    for name in ["read", "execve", "execveat", "stat", "exit_group", "brk", "munmap"] {
        assert_eq!(ask(name, [u64::MAX; 6]), action::ALLOW, "{name}");
        assert!(!traced(Arch::X86_64, nr(name), &[u64::MAX; 6]), "{name}");
    }
    let (least, less) = (TRACED_LENGTH_BYTES_MIN, TRACED_LENGTH_BYTES_MIN - 1);
    assert_eq!(ask("mmap", [0, less, 3, 0x22, u64::MAX, 0]), action::ALLOW);
    assert_eq!(ask("mmap", [0, least, 3, 0x22, u64::MAX, 0]), action::USER_NOTIF);
    assert_eq!(ask("mmap", [0, 1 << 32, 3, 0x22, u64::MAX, 0]), action::USER_NOTIF);
    assert_eq!(ask("mremap", [0, least, less, 0, 0, 0]), action::ALLOW);
    assert_eq!(ask("mremap", [0, less, least, 0, 0, 0]), action::USER_NOTIF);
    assert!(!traced(Arch::X86_64, 700, &[u64::MAX; 6]));
    assert!(!traced(Arch::Aarch64, 2, &[0; 6]), "2 is io_submit on aarch64");
}

#[test]
fn without_a_supervisor_nothing_is_put_to_it() {
    let program = compile(&coding_agent(), Options::default()).expect("short, and right");
    assert!(program.instructions.iter().all(|instruction| instruction.k != action::USER_NOTIF));
}

#[test]
fn a_default_that_allows_is_traced_too() {
    let open = policy(Arch::X86_64, Vec::new(), ALLOW);
    let program = compile(&open, Options { trace: true }).expect("short, and right");
    let ask = |name, args| ask(&program, open.archs[0].audit(), nr(name), args).action;
    assert_eq!(ask("openat", [0; 6]), action::USER_NOTIF);
    assert_eq!(ask("mmap", [0, 1 << 20, 0, 0, 0, 0]), action::USER_NOTIF);
    assert_eq!(ask("mmap", [0, 4096, 0, 0, 0, 0]), action::ALLOW);
    assert_eq!(ask("read", [0; 6]), action::ALLOW);
}
