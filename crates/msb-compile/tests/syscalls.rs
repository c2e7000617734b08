//! The cases of policy-lang/conformance/syscalls: a policy, calls, and what happens to each, for any implementation.
//!
//! Arguments are hexadecimal strings, as JSON has no integers of 64 bits; those that are left out are 0. A call is
//! given by its name on x86_64 or by its number, and is made from `arch`: x86_64 where nothing else is said.
//! The expectations come from another program than this compiler, which knew the kernel's widths by hand.

mod common;

use msb_policy::{Arch, Request, SyscallAction};
use msb_seccomp::{SeccompData, action, run};
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.strip_prefix("0x").expect("0x"), 16).expect("a number")
}

fn architecture(query: &Value) -> u32 {
    match query["arch"].as_str() {
        None | Some("x86_64") => Arch::X86_64.audit(),
        Some("aarch64") => Arch::Aarch64.audit(),
        Some("i386") => 0x4000_0003, // AUDIT_ARCH_I386
        Some(number) => u32::try_from(hexadecimal(number)).expect("32 bits"),
    }
}

fn number(query: &Value) -> u32 {
    match query["call"].as_str() {
        Some(name) => msb_syscalls::find(Arch::X86_64, name).expect("a call").nr,
        None => u32::try_from(query["nr"].as_u64().expect("a number")).expect("32 bits"),
    }
}

fn expected(query: &Value) -> SyscallAction {
    match text(&query["expect"]) {
        "allow" => SyscallAction::Allow,
        "log" => SyscallAction::Log,
        "trap" => SyscallAction::Trap,
        "kill" => SyscallAction::Kill,
        errno => {
            let name = errno.strip_prefix("errno ").expect("an action");
            SyscallAction::Errno(msb_syscalls::errno(name).expect("an error"))
        }
    }
}

/// What a filter returns where the policy says so.
fn returned(decided: SyscallAction) -> u32 {
    match decided {
        SyscallAction::Allow => action::ALLOW,
        SyscallAction::Log => action::LOG,
        SyscallAction::Errno(errno) => action::errno(errno),
        SyscallAction::Trap => action::TRAP,
        SyscallAction::Kill => action::KILL_PROCESS,
    }
}

#[test]
fn every_query_has_the_expected_answer() {
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for (name, json) in common::files("conformance/syscalls", "json") {
        let case: Value = serde_json::from_slice(&json).expect("JSON");
        let lines: Vec<&str> = case["policy"].as_array().expect("lines").iter().map(text).collect();
        let compiled = common::compile("policy.msb", lines.join("\n"));
        let Some(policy) = compiled.policy else { panic!("{name}: {:?}", compiled.diagnostics) };
        let program = msb_seccomp::compile(&policy, msb_seccomp::Options::default()).expect("a filter");
        for query in case["queries"].as_array().expect("queries") {
            asked += 1;
            let (audit_arch, nr, expected) = (architecture(query), number(query), expected(query));
            let mut args = [0; 6];
            for (slot, arg) in args.iter_mut().zip(query["args"].as_array().expect("arguments")) {
                *slot = hexadecimal(text(arg));
            }
            let decided = policy.decide(&Request::Syscall { audit_arch, nr, args }).action;
            let data = SeccompData { nr, arch: audit_arch, instruction_pointer: 0, args };
            if decided != expected || run(&program.instructions, &data) != returned(expected) {
                wrong.push(format!("{name}: {query} is {decided:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 1000, "{asked} queries");
}
