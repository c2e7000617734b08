//! The cases of policy-lang/conformance/syscalls: a policy, calls, and what happens to each, for any implementation.
//!
//! Arguments are hexadecimal strings, as JSON has no integers of 64 bits; those that are left out are 0. A call is
//! given by its name on `arch`, which is x86_64 where nothing else is said, or by its number.
//! The expectations come from another program than this compiler, which knew the kernel's widths by hand.

mod common;

use msb_policy::{Arch, Machine, Policy, Request, SyscallAction};
use msb_seccomp::{SeccompData, action, run};
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.strip_prefix("0x").expect("0x"), 16).expect("a number")
}

fn architecture(query: &Value) -> u32 {
    let word = query["arch"].as_str().unwrap_or("x86_64");
    let number = || u32::try_from(hexadecimal(word)).expect("32 bits");
    Arch::from_word(word).map_or_else(number, Arch::audit)
}

fn number(query: &Value) -> u32 {
    let arch = query["arch"].as_str().and_then(Arch::from_word).unwrap_or(Arch::X86_64);
    match query["call"].as_str() {
        Some(name) => msb_syscalls::find(arch, name).unwrap_or_else(|| panic!("{name} is a call")).nr,
        None => u32::try_from(query["nr"].as_u64().expect("a number")).expect("32 bits"),
    }
}

fn expected(query: &Value) -> SyscallAction {
    match text(&query["expect"]) {
        "allow" => SyscallAction::Allow,
        "log" => SyscallAction::Log,
        "notify" => SyscallAction::Notify,
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
        SyscallAction::Notify => action::USER_NOTIF,
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
        let filter = |policy: &Policy| {
            msb_seccomp::compile(policy, msb_seccomp::Options::default()).expect("a filter")
        };
        let programs: Vec<_> = policy
            .machines()
            .into_iter()
            .map(|machine| (machine, filter(&policy.for_machine(machine))))
            .collect();
        for query in case["queries"].as_array().expect("queries") {
            asked += 1;
            let (audit_arch, nr, expected) = (architecture(query), number(query), expected(query));
            let mut args = [0; 6];
            for (slot, arg) in args.iter_mut().zip(query["args"].as_array().expect("arguments")) {
                *slot = hexadecimal(text(arg));
            }
            let decided = policy.decide(&Request::Syscall { audit_arch, nr, args }).action;
            let data = SeccompData { nr, arch: audit_arch, instruction_pointer: 0, args };
            // What a machine never makes its filter kills.
            let says = |machine: Machine| {
                let foreign = Arch::ALL.iter().any(|it| it.audit() == audit_arch && it.machine() != machine);
                if foreign { action::KILL_PROCESS } else { returned(expected) }
            };
            let agrees = programs.iter().all(|(machine, it)| run(&it.instructions, &data) == says(*machine));
            if decided != expected || !agrees {
                wrong.push(format!("{name}: {query} is {decided:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 1000, "{asked} queries");
}
