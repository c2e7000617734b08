//! What a thing is: shown when a pointer rests on it.

use crate::names::{self, Declared};
use crate::site::{Place, site};
use crate::words::{LIMITS, TYPES, meaning};
use msb_syntax::ast::{Block, BlockKind, File, Type, Value};
use msb_syntax::{Class, Fragment, Lexeme, lexemes};
use msb_syscalls::{Arch, Kind, all, constant_set, errno, expand, find, group, sets_with};

/// Markdown about what is at byte `at`, and where that begins and ends.
pub(crate) fn hover(text: &str, file: &File, at: usize) -> Option<(String, usize, usize)> {
    let lexed = lexemes(text);
    let token = lexed.iter().find(|it| (it.start as usize) <= at && at < it.end as usize)?;
    let written = token.text(text);
    let about = match token.class {
        Class::Group => about_group(file, written),
        Class::Var => {
            let name = written.trim_start_matches('$').split('/').next().unwrap_or_default();
            about_value(text, file, at, name)
        }
        Class::Number => about_number(written),
        Class::Word => about_word(text, file, token, written),
        _ => None,
    }?;
    Some((about, token.start as usize, token.end as usize))
}

fn code(text: &str) -> String {
    format!("```msb\n{text}\n```")
}

fn about_group(file: &File, name: &str) -> Option<String> {
    if let Some(Declared::Group { .. }) = names::group(file, name) {
        return Some(format!("{}\n\na group of this file", code(&format!("group {name}"))));
    }
    let about = group(name)?.about;
    let calls = expand(Arch::X86_64, name)?;
    let names: Vec<&str> = calls.iter().map(|call| call.name).collect();
    Some(format!("{}\n\n{about}\n\n{} system calls on x86_64: {}", code(name), names.len(), names.join(", ")))
}

fn about_value(text: &str, file: &File, at: usize, name: &str) -> Option<String> {
    let Declared::Value { ty, .. } = names::value(file, at, name)? else { return None };
    let ty = ty.map(|ty| format!(": {}", written_type(text, ty))).unwrap_or_default();
    Some(code(&format!("{name}{ty}")))
}

fn written_type<'a>(text: &'a str, ty: &Type) -> &'a str {
    text.get(ty.span.start as usize..ty.span.end as usize).unwrap_or_default()
}

/// A number with its unit as a plain number.
fn about_number(written: &str) -> Option<String> {
    let span = msb_diag::Span::default();
    let value = Fragment::written(written, span).quantity().0?;
    let said = match value.node {
        Value::Size(bytes) => format!("{} bytes", grouped(bytes)),
        Value::Duration(micros) => seconds(micros),
        Value::Rate(count, micros) => format!("{} in {}", grouped(count), seconds(micros)),
        Value::Percent(percent) => format!("{} of a CPU, where CPUs are counted", hundredths(percent)),
        Value::Int(number) if written.starts_with("0x") => grouped(number),
        _ => return None,
    };
    Some(format!("`{written}` is {said}"))
}

/// `536 870 912`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

fn seconds(micros: u64) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    let fraction = format!("{rest:06}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let s = if whole == 1 && rest == 0 { "" } else { "s" };
    format!("{}{point}{fraction} second{s}", grouped(whole))
}

fn hundredths(percent: u64) -> String {
    format!("{}.{:02}", percent / 100, percent % 100)
}

fn about_word(text: &str, file: &File, token: &Lexeme, word: &str) -> Option<String> {
    let site = site(text, token.end as usize)?;
    if let Some(code) = msb_diag::Code::parse(word) {
        return Some(format!("**{code}**: {}", code.row()?.title));
    }
    if let Some(include) = names::include_at(file, token.start as usize) {
        return about_profile(text, file, &names::dotted(&include.name));
    }
    let last = site.entry.last().copied().unwrap_or_default();
    if let Some(meaning) = meaning(site.place, word).filter(|_| !names_a_call(&site.entry, site.place)) {
        return Some(format!("{}\n\n{meaning}", code(word)));
    }
    match site.place {
        Place::Syscalls | Place::Claims => about_call(&site.entry, last, word),
        Place::Limits => LIMITS
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(name, about)| format!("{}\n\n{about}", code(name))),
        Place::File => TYPES
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(name, about)| format!("{}\n\n{about}", code(name))),
        _ => None,
    }
}

/// Whether the next word of a rule is the name of a call, which may be a word of the language elsewhere.
fn names_a_call(entry: &[&str], place: Place) -> bool {
    let last = entry.last().copied().unwrap_or_default();
    match place {
        Place::Syscalls => {
            !entry.is_empty()
                && (matches!(last, "," | "+" | "-" | "&" | "{" | "(")
                    || crate::words::has("action", last) && last != "errno")
        }
        Place::Claims => last == "syscall",
        _ => false,
    }
}

/// A system call, an argument of one, a constant or an error.
fn about_call(entry: &[&str], last: &str, word: &str) -> Option<String> {
    if last == "errno" {
        return errno(word).map(|number| format!("{}\n\nerror {number}", code(word)));
    }
    let in_condition = entry.contains(&"where") || entry.contains(&"(") && entry.contains(&"syscall");
    if in_condition
        && let Some(call) = called(entry)
        && let Some((index, kind)) = call.arg(word)
    {
        return Some(format!("{}\n\nargument {index}: {}", code(&call.to_string()), described(kind)));
    }
    if let Some(call) = find(Arch::X86_64, word).or_else(|| find(Arch::Aarch64, word)) {
        let numbers: Vec<String> = [(Arch::X86_64, "x86_64"), (Arch::Aarch64, "aarch64")]
            .iter()
            .filter_map(|(arch, name)| Some(format!("{} on {name}", find(*arch, word)?.nr)))
            .collect();
        let groups: Vec<&str> = msb_syscalls::groups()
            .iter()
            .filter(|group| {
                expand(Arch::X86_64, group.name).is_some_and(|calls| calls.iter().any(|it| it.name == word))
            })
            .map(|group| group.name)
            .collect();
        let member = if groups.is_empty() { String::new() } else { format!("\n\nin {}", groups.join(", ")) };
        return Some(format!("{}\n\nnumber {}{member}", code(&call.to_string()), numbers.join(", ")));
    }
    let sets = sets_with(word);
    let set = sets.first()?;
    let value = msb_syscalls::constant(set, word)?;
    Some(format!("{}\n\n{value:#x}, of {}", code(word), sets.join(", ")))
}

fn described(kind: Kind) -> String {
    let bits = kind.bits().mask().count_ones();
    let set = kind.set().map(|set| format!(" of `{set}`")).unwrap_or_default();
    match kind {
        Kind::Int { .. } => format!("a number, {bits} bits"),
        Kind::Fd => "a descriptor".to_owned(),
        Kind::Pointer => "an address: what lies there cannot be filtered".to_owned(),
        Kind::Enum { .. } => format!("one{set}, {bits} bits"),
        Kind::Flags { .. } => format!("flags{set}, {bits} bits"),
    }
}

/// The call that a condition is about: the last one before `where`, or the claim's.
pub(crate) fn called(entry: &[&str]) -> Option<&'static msb_syscalls::Syscall> {
    let end = entry.iter().rposition(|word| *word == "where").unwrap_or(entry.len());
    let claim = entry.iter().position(|word| *word == "syscall").and_then(|at| entry.get(at + 1));
    let named = entry.get(..end).unwrap_or_default().iter().rev();
    let mut calls = claim.into_iter().chain(named).filter_map(|word| {
        let member = word.starts_with('@').then(|| expand(Arch::X86_64, word)).flatten();
        find(Arch::X86_64, word).or_else(|| member.and_then(|calls| calls.first().copied()))
    });
    calls.next().or_else(|| {
        all(Arch::X86_64).iter().find(|call| entry.get(..end).unwrap_or_default().contains(&call.name))
    })
}

/// The members of the set that an argument takes.
pub(crate) fn constants(kind: Kind) -> &'static [msb_syscalls::Constant] {
    kind.set().and_then(constant_set).map_or(&[], |set| set.members)
}

fn about_profile(text: &str, file: &File, name: &str) -> Option<String> {
    match names::profile(file, name)? {
        Declared::Standard { name, text, block } => {
            let block = names::blocks(names::standard(name)).nth(block)?;
            let prefix = if block.name.node == name { "std.".to_owned() } else { format!("std.{name}.") };
            Some(about_block(text, block, &prefix))
        }
        Declared::Block(block) => Some(about_block(text, block, "")),
        _ => None,
    }
}

fn about_block(text: &str, block: &Block, prefix: &str) -> String {
    let word = if block.kind == BlockKind::Policy { "policy" } else { "profile" };
    let params: Vec<&str> = block
        .params
        .iter()
        .map(|param| text.get(param.span.start as usize..param.span.end as usize).unwrap_or_default())
        .collect();
    let params = if params.is_empty() { String::new() } else { format!("({})", params.join(", ")) };
    format!("{}\n\n{}", code(&format!("{word} {prefix}{}{params}", block.name.node)), block.doc)
}
