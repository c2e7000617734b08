//! doc: pages about diagnostics, standard profiles and groups of system calls.

use crate::Exit;
use crate::cli::Doc;
use crate::output::Output;
use msb_resolve::STANDARD;
use msb_syscalls::{Arch, expand, group, groups};

/// Code and text of each page of `policy-lang/errors`, sorted.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// `msbc doc`.
pub(crate) fn doc(arguments: &Doc, output: &mut Output) -> Exit {
    let name = arguments.name.as_str();
    match page(name) {
        Some(text) => {
            output.answer(&text);
            Exit::Success
        }
        None => {
            output.message(&format!("there is no page about `{name}`; {}", suggestion(name)));
            Exit::Usage
        }
    }
}

fn page(name: &str) -> Option<String> {
    if name.starts_with('@') {
        return about_group(name);
    }
    if let Some(profile) = name.strip_prefix("std.") {
        // `std.ci.untrusted` stands in the file of `std.ci`.
        let (file, inner) = profile.split_once('.').map_or((profile, None), |(file, it)| (file, Some(it)));
        let standard = STANDARD.iter().find(|it| it.name == file)?;
        let declares =
            |kind: &&str| inner.is_none_or(|it| standard.text.contains(&format!("\n{kind} {it}(")));
        return ["profile", "policy"].iter().any(declares).then(|| standard.text.to_owned());
    }
    let code = name.to_ascii_uppercase();
    PAGES.iter().find(|(page, _)| *page == code).map(|(_, text)| (*text).to_owned())
}

fn about_group(name: &str) -> Option<String> {
    let found = group(name)?;
    let calls = expand(Arch::X86_64, name)?;
    let names: Vec<&str> = calls.iter().map(|call| call.name).collect();
    Some(format!("# {name}\n\n{}\n\n{} calls on x86_64:\n\n{}\n", found.about, names.len(), names.join(" ")))
}

/// What there is of the kind that was asked for.
fn suggestion(name: &str) -> String {
    let names: Vec<String> = if name.starts_with('@') {
        groups().iter().map(|group| group.name.to_owned()).collect()
    } else if name.starts_with("std") {
        STANDARD.iter().map(|file| format!("std.{}", file.name)).collect()
    } else {
        return "give a code such as MSB0101, a profile such as std.base or a group such as @file-system"
            .to_owned();
    };
    format!("there is {}", names.join(", "))
}
