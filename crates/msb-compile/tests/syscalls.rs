//! The cases of policy-lang/conformance/syscalls: a policy, calls, and what happens to each, for any implementation.
//!
//! Arguments are hexadecimal strings, as JSON has no integers of 64 bits; those that are left out are 0. A call is
//! given by its name on `arch`, which is x86_64 where nothing else is said, or by its number.
//! The expectations come from another program than this compiler, which knew the kernel's widths by hand.

mod common;

use msb_policy::{Arch, Machine, Policy, Request, SyscallAction};
use msb_seccomp::{SeccompData, action, run};
use msb_testkit::{Need, skip};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

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
    assert!(asked > 2500, "{asked} queries");
}

/// uretprobe and uprobe of x86_64: since Linux 6.14 and 6.18 no filter is asked about them (kernel/seccomp.c). They fail
/// for who is not in a trampoline that the kernel made.
const UNFILTERED: [u32; 2] = [335, 336];

/// Errnos that no policy gives, for what a filter returns besides errnos: with these it makes no call at all, and any
/// query can be put to it.
const MARKS: [(u32, u16); 5] = [
    (action::ALLOW, 4001),
    (action::LOG, 4002),
    (action::USER_NOTIF, 4003),
    (action::TRAP, 4004),
    (action::KILL_PROCESS, 4005),
];

fn mark(returned: u32) -> u16 {
    let found = MARKS.iter().find(|(action, _)| *action == returned);
    found.map_or_else(|| u16::try_from(returned & 0xffff).expect("an errno"), |(_, mark)| *mark)
}

/// The same queries, made as real calls: the kernel runs the filter and the answer is what the call fails with.
#[test]
fn the_kernel_gives_every_query_the_expected_answer() {
    if !cfg!(target_arch = "x86_64") {
        return skip(Need::X86, "the queries are calls of x86-64");
    }
    let place = tempfile::tempdir().expect("a directory");
    let (binary, file) = (place.path().join("queries"), place.path().join("filter"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../msb-testkit/c/queries.c");
    match Command::new("cc").args(["-O2", "-o"]).arg(&binary).arg(source).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => return skip(Need::Compiler, "there is no C compiler"),
    }
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for (name, json) in common::files("conformance/syscalls", "json") {
        let case: Value = serde_json::from_slice(&json).expect("JSON");
        let lines: Vec<&str> = case["policy"].as_array().expect("lines").iter().map(text).collect();
        let policy = common::compile("policy.msb", lines.join("\n")).policy.expect("a policy");
        let here = policy.for_machine(Machine::X86_64);
        let program = msb_seccomp::compile(&here, msb_seccomp::Options::default()).expect("a filter");
        let marked = program.instructions.into_iter().flat_map(|mut instruction| {
            if instruction.code == 0x06 {
                instruction.k = action::errno(mark(instruction.k));
            }
            instruction.bytes()
        });
        std::fs::write(&file, marked.collect::<Vec<u8>>()).expect("a file");
        let queries: Vec<&Value> = case["queries"].as_array().expect("queries").iter().collect();
        // The others no call of this machine can be.
        let made = |query: &&&Value| {
            [Arch::X86_64.audit(), Arch::I386.audit()].contains(&architecture(query))
                && !UNFILTERED.contains(&number(query))
        };
        let queries: Vec<&Value> = queries.iter().filter(made).copied().collect();
        let mut input = String::new();
        for query in &queries {
            let int80 = u8::from(architecture(query) == Arch::I386.audit());
            input += &format!("{int80} {:x}", number(query));
            let args = query["args"].as_array().expect("arguments");
            for index in 0..6 {
                input += &format!(" {:x}", args.get(index).map_or(0, |arg| hexadecimal(text(arg))));
            }
            input.push('\n');
        }
        std::fs::write(place.path().join("input"), input).expect("a file");
        let input = std::fs::File::open(place.path().join("input")).expect("it is there");
        let output = Command::new(&binary).arg(&file).stdin(input).output().expect("it starts");
        assert!(output.status.success(), "{name}: {output:?}");
        let answers = String::from_utf8(output.stdout).expect("ASCII");
        let answers: Vec<u16> = answers.lines().map(|line| line.parse().expect("an errno")).collect();
        assert_eq!(answers.len(), queries.len(), "{name}");
        for (query, answer) in queries.iter().zip(answers) {
            asked += 1;
            if answer != mark(returned(expected(query))) {
                wrong.push(format!("{name}: {query} fails with {answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 2000, "{asked} queries");
}
