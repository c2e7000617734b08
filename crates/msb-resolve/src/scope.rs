//! What a file declares, and which of its policies is meant.

use crate::{STANDARD, nearest};
use msb_diag::{Diagnostic, codes};
use msb_syntax::ast::{Block, BlockKind, File, Import, Item, Name, QName};

/// The dotted name as it was written.
pub(crate) fn dotted(name: &QName) -> String {
    name.parts.iter().map(|part| part.node.as_str()).collect::<Vec<_>>().join(".")
}

/// The profiles and policies of `file`.
pub(crate) fn blocks(file: &File) -> impl Iterator<Item = &Block> {
    file.items.iter().filter_map(|item| match item {
        Item::Block(block) => Some(block),
        _ => None,
    })
}

/// Whether `name` begins with the name of an imported file, which was reported where it is imported.
pub(crate) fn is_foreign(file: &File, name: &QName) -> bool {
    file.imports.iter().any(|import| match import {
        Import::File { name: alias, .. } => {
            name.parts.len() > 1 && name.parts.first().is_some_and(|part| part.node == alias.node)
        }
        Import::Library(_) => false,
    })
}

pub(crate) fn imports(file: &File, found: &mut Vec<Diagnostic>) {
    for import in &file.imports {
        match import {
            Import::File { path, .. } => found.push(
                Diagnostic::new(
                    codes::NOT_ENFORCED,
                    format!("import of the file `{}` is not enforced by this version", path.node),
                )
                .label(path.span, "this file is not read")
                .help("write the profile that you need in this file and `include` it"),
            ),
            Import::Library(name) => {
                if !is_standard(name) {
                    found.push(unknown_profile(name, []));
                }
            }
        }
    }
}

/// Whether `name` is `std.NAME` for a standard profile.
pub(crate) fn is_standard(name: &QName) -> bool {
    match name.parts.as_slice() {
        [std, module] => std.node == "std" && STANDARD.iter().any(|file| file.name == module.node),
        _ => false,
    }
}

/// There is no profile called `name`; `local` are the profiles of the file itself.
pub(crate) fn unknown_profile<'a>(name: &QName, local: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let written = dotted(name);
    let mut known: Vec<String> = local.into_iter().map(str::to_owned).collect();
    known.extend(STANDARD.iter().map(|file| format!("std.{}", file.name)));
    let found = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown profile `{written}`"))
        .label(name.span, "no profile has this name");
    match nearest(&written, known.iter().map(String::as_str)) {
        Some(meant) => found.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
        None => found.help(format!("the profiles here are {}", list(&known))),
    }
}

/// `a`, `b` and `c`, each in backticks.
pub(crate) fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [many @ .., last] => format!("{} and {last}", many.join(", ")),
    }
}

/// Reports names that are declared twice.
pub(crate) fn duplicates(file: &File, found: &mut Vec<Diagnostic>) {
    twice("block", blocks(file).map(|block| &block.name), found);
    let groups = file.items.iter().filter_map(|item| match item {
        Item::Group { name, .. } => Some(name),
        _ => None,
    });
    twice("group", groups, found);
    let constants: Vec<&Name> = file
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Const { name, .. } => Some(name),
            _ => None,
        })
        .collect();
    twice("constant", constants.iter().copied(), found);
    for block in blocks(file) {
        twice("parameter", block.params.iter().map(|param| &param.name), found);
        for param in &block.params {
            if let Some(constant) = constants.iter().find(|constant| constant.node == param.name.node) {
                found.push(again("name", &param.name, constant));
            }
        }
    }
}

fn twice<'a>(what: &str, names: impl Iterator<Item = &'a Name>, found: &mut Vec<Diagnostic>) {
    let mut seen: Vec<&Name> = Vec::new();
    for name in names {
        match seen.iter().find(|other| other.node == name.node) {
            Some(first) => found.push(again(what, name, first)),
            None => seen.push(name),
        }
    }
}

fn again(what: &str, name: &Name, first: &Name) -> Diagnostic {
    Diagnostic::new(codes::DUPLICATE_SETTING, format!("{what} `{}` is declared twice", name.node))
        .label(name.span, "again here")
        .label(first.span, "first here")
        .help("give one of them another name")
}

/// The policy called `wanted`, or the only one.
pub(crate) fn choose<'a>(
    file: &'a File,
    wanted: Option<&str>,
    found: &mut Vec<Diagnostic>,
) -> Option<&'a Block> {
    let policies: Vec<&Block> = blocks(file).filter(|block| block.kind == BlockKind::Policy).collect();
    let names: Vec<String> = policies.iter().map(|block| block.name.node.clone()).collect();
    match (wanted, policies.as_slice()) {
        (_, []) => {
            let at = blocks(file).next().map(|profile| profile.head);
            let mut none = Diagnostic::new(codes::NO_POLICY, "there is no policy in this file");
            if let Some(at) = at {
                none = none.label(at, "a profile can be included, not compiled");
            }
            found.push(none.help("write `policy NAME { … }`"));
            None
        }
        (None, [only]) => Some(only),
        (None, many) => {
            let mut which =
                Diagnostic::new(codes::WHICH_POLICY, format!("this file has {} policies", many.len()));
            for block in many {
                which = which.label(block.name.span, "");
            }
            found.push(which.help(format!("choose one by name: {}", list(&names))));
            None
        }
        (Some(wanted), many) => {
            let chosen = many.iter().copied().find(|block| block.name.node == wanted);
            if chosen.is_none() {
                let mut unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown policy `{wanted}`"));
                if let Some(first) = many.first() {
                    unknown = unknown.label(first.name.span, "this is not it");
                }
                found.push(match nearest(wanted, names.iter().map(String::as_str)) {
                    Some(meant) => unknown.help(format!("did you mean `{meant}`?")),
                    None => unknown.help(format!("the policies here are {}", list(&names))),
                });
            }
            chosen
        }
    }
}
