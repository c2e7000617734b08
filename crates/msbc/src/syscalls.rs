//! syscalls: the table of system calls, to look things up while a policy is written.

use std::fmt::Write as _;

use crate::Exit;
use crate::cli::{Architecture, Syscalls};
use crate::output::Output;
use msb_syscalls::{Arch, ConstantSet, Kind, Syscall, all, constant_set, expand, find, groups, since};
use serde_json::{Value, json};

/// Columns of what follows a name.
const WIDTH: usize = 92;

/// `msbc syscalls`.
pub(crate) fn syscalls(arguments: &Syscalls, output: &mut Output) -> Exit {
    let arch = match arguments.arch {
        Architecture::X86_64 => Arch::X86_64,
        Architecture::Aarch64 => Arch::Aarch64,
        Architecture::I386 => Arch::I386,
        Architecture::X32 => Arch::X32,
    };
    let calls: Vec<&Syscall> = match &arguments.group {
        None => all(arch).iter().collect(),
        Some(group) => match expand(arch, group) {
            Some(calls) => calls,
            None => {
                let names: Vec<&str> = groups().iter().map(|group| group.name).collect();
                output.message(&format!("there is no group `{group}`; there is {}", names.join(", ")));
                return Exit::Usage;
            }
        },
    };
    let found: Vec<&Syscall> = match &arguments.search {
        None => calls,
        Some(search) => matching(&calls, search),
    };
    if arguments.json {
        output.json(&Value::Array(found.iter().map(|call| json(arch, call)).collect()));
    } else if found.is_empty() {
        let search = arguments.search.as_deref().unwrap_or_default();
        output.message(&format!("no system call has `{search}` as its name, number, argument or constant"));
    } else if let [only] = found.as_slice() {
        output.answer(&page(arch, only));
    } else {
        output.answer(&list(&found));
    }
    if found.is_empty() { Exit::Wrong } else { Exit::Success }
}

/// The call with this name or number; else those of which a part of the name is `search`; else those that take an
/// argument or a constant of this name.
fn matching<'a>(calls: &[&'a Syscall], search: &str) -> Vec<&'a Syscall> {
    let all = |keep: &dyn Fn(&Syscall) -> bool| -> Vec<&'a Syscall> {
        calls.iter().copied().filter(|call| keep(call)).collect()
    };
    let number = search.parse::<u32>().ok();
    let in_set = |set: &ConstantSet| set.members.iter().any(|member| member.name == search);
    let one = all(&|call| call.name == search || Some(call.nr) == number);
    let parts = all(&|call| call.name.contains(search));
    let constants =
        all(&|call| call.args.iter().any(|arg| arg.kind.set().and_then(constant_set).is_some_and(in_set)));
    let arguments = all(&|call| call.args.iter().any(|arg| arg.name == search));
    [one, parts, constants, arguments].into_iter().find(|found| !found.is_empty()).unwrap_or_default()
}

/// A line for each call.
fn list(calls: &[&Syscall]) -> String {
    let mut text = String::new();
    for call in calls {
        // A String takes everything.
        let _ = writeln!(text, "{:>4}  {call}", call.nr);
    }
    text
}

/// Everything about one call.
fn page(arch: Arch, call: &Syscall) -> String {
    let mut text = String::new();
    let typed: Vec<String> = call
        .args
        .iter()
        .map(|arg| {
            let kind = arg.kind.c_type();
            let space = if kind.ends_with('*') { "" } else { " " };
            format!("{kind}{space}{}", arg.name)
        })
        .collect();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<9}{value}");
    };
    line("call", &format!("{}({})", call.name, typed.join(", ")));
    let others = [Arch::X86_64, Arch::Aarch64, Arch::I386].into_iter().filter(|other| *other != arch);
    let mut numbers = vec![format!("{} on {}", call.nr, arch.word())];
    numbers.extend(others.map(|other| {
        let there = find(other, call.name).map_or("none".to_owned(), |call| call.nr.to_string());
        format!("{there} on {}", other.word())
    }));
    line("number", &numbers.join(", "));
    let since = match since(call.name) {
        None => "never did anything".to_owned(),
        Some("1.0") => "Linux 1.0 or earlier".to_owned(),
        Some(version) => format!("Linux {version}"),
    };
    line("since", &since);
    line("groups", &of_groups(arch, call).join(" "));
    for arg in call.args {
        let _ = writeln!(text, "\n{}: {}", arg.name, words(arg.kind));
        if let Some(set) = arg.kind.set().and_then(constant_set) {
            for row in rows(set) {
                let _ = writeln!(text, "    {row}");
            }
        }
    }
    text
}

fn words(kind: Kind) -> String {
    let bits = kind.bits().mask().count_ones();
    match kind {
        Kind::Pointer => "an address; what lies there cannot be filtered".to_owned(),
        Kind::Fd => "a file descriptor, 32 bits".to_owned(),
        Kind::Int { signed: true, .. } => format!("{bits} bits, signed"),
        Kind::Int { .. } => format!("{bits} bits"),
        Kind::Enum { set, .. } => format!("one of `{set}`, {bits} bits"),
        Kind::Flags { set, .. } => format!("flags of `{set}`, {bits} bits"),
    }
}

/// The constants of a set in lines of at most [`WIDTH`] columns.
fn rows(set: &ConstantSet) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for member in set.members {
        let word = format!("{}={:#x}", member.name, member.value);
        match rows.last_mut() {
            Some(row) if row.len() + 1 + word.len() <= WIDTH => {
                row.push(' ');
                row.push_str(&word);
            }
            _ => rows.push(word),
        }
    }
    rows
}

fn of_groups(arch: Arch, call: &Syscall) -> Vec<&'static str> {
    let has =
        |name: &str| expand(arch, name).is_some_and(|calls| calls.iter().any(|other| other.nr == call.nr));
    groups().iter().map(|group| group.name).filter(|name| has(name)).collect()
}

fn json(arch: Arch, call: &Syscall) -> Value {
    let arguments: Vec<Value> = call
        .args
        .iter()
        .map(|arg| {
            let set = arg.kind.set();
            let constants = set.and_then(constant_set).map(|set| {
                let members = set.members.iter().map(|member| (member.name.to_owned(), json!(member.value)));
                members.collect::<serde_json::Map<_, _>>()
            });
            json!({
                "name": arg.name,
                "bits": arg.kind.bits().mask().count_ones(),
                "signed": arg.kind.signed(),
                "kind": match arg.kind {
                    Kind::Int { .. } => "int",
                    Kind::Fd => "fd",
                    Kind::Pointer => "pointer",
                    Kind::Enum { .. } => "enum",
                    Kind::Flags { .. } => "flags",
                },
                "set": set,
                "constants": constants,
            })
        })
        .collect();
    json!({
        "name": call.name,
        "number": call.nr,
        "arch": arch.word(),
        "since": since(call.name),
        "groups": of_groups(arch, call),
        "arguments": arguments,
    })
}
