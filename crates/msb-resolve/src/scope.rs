//! What a file declares, and which of its policies is meant.

use crate::standard;
use crate::{STANDARD, nearest};
use msb_diag::{Diagnostic, codes};
use msb_syntax::ast::{Block, BlockKind, File, Import, Item, Name, QName, StmtKind, ToolOptionKind};
use std::collections::{BTreeMap, BTreeSet};

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

/// Reports imports of standard profiles that do not exist, and two imports of one name.
pub(crate) fn imports(file: &File, found: &mut Vec<Diagnostic>) {
    let aliases = file.imports.iter().filter_map(|import| match import {
        Import::File { name, .. } => Some(name),
        Import::Library(_) => None,
    });
    twice("import", aliases, found);
    for import in &file.imports {
        match import {
            Import::Library(name) if !is_standard(name) => {
                found.push(unknown_block(name, BlockKind::Profile, &standard::names(BlockKind::Profile)));
            }
            Import::File { name, .. } if name.node == "std" => found.push(
                Diagnostic::new(codes::DUPLICATE_SETTING, "`std` is the standard library")
                    .label(name.span, "the name is taken by the language")
                    .help("give the file another name"),
            ),
            Import::Library(_) | Import::File { .. } => {}
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

/// There is no block called `name`; `known` are those that there are.
pub(crate) fn unknown_block(name: &QName, wanted: BlockKind, known: &[String]) -> Diagnostic {
    let written = dotted(name);
    let (what, plural) = match wanted {
        BlockKind::Profile => ("profile", "profiles"),
        BlockKind::Policy => ("policy", "policies"),
    };
    let found = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown {what} `{written}`"))
        .label(name.span, format!("no {what} has this name"));
    let standard = format!("std.{written}");
    let left_out = known.iter().find(|name| **name == standard).map(String::as_str);
    match left_out.or_else(|| nearest(&written, known.iter().map(String::as_str))) {
        Some(meant) => found.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
        None => found.help(format!("the {plural} here are {}", list(known))),
    }
}

/// So many names are shown of many.
const SHOWN_MAX: usize = 12;

/// `a`, `b` and `c`, each in backticks.
pub(crate) fn list(names: &[String]) -> String {
    let mut quoted: Vec<String> = names.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN_MAX {
        quoted.push(format!("{} others", names.len() - SHOWN_MAX));
    }
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [many @ .., last] => format!("{} and {last}", many.join(", ")),
    }
}

/// Reports names that are declared twice.
pub(crate) fn duplicates(file: &File, found: &mut Vec<Diagnostic>) {
    twice("name", blocks(file).map(|block| &block.name), found);
    for block in blocks(file).filter(|block| block.kind == BlockKind::Profile) {
        let name = &block.name;
        if STANDARD.iter().any(|file| file.name == name.node) {
            found.push(
                Diagnostic::new(
                    codes::SHADOWS_STANDARD,
                    format!("profile `{0}` has the name of `std.{0}`", name.node),
                )
                .label(name.span, "who reads `include` has to know which of the two is meant")
                .help(format!("give it another name, such as `my-{}`", name.node)),
            );
        }
    }
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
    let constants: BTreeMap<&str, &Name> = constants.into_iter().map(|it| (it.node.as_str(), it)).collect();
    for block in blocks(file) {
        twice("parameter", block.params.iter().map(|param| &param.name), found);
        for param in &block.params {
            if let Some(constant) = constants.get(param.name.node.as_str()) {
                found.push(again("name", &param.name, constant));
            }
        }
    }
}

fn twice<'a>(what: &str, names: impl Iterator<Item = &'a Name>, found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, &Name> = BTreeMap::new();
    for name in names {
        match seen.get(name.node.as_str()) {
            Some(first) => found.push(again(what, name, first)),
            None => drop(seen.insert(&name.node, name)),
        }
    }
}

fn again(what: &str, name: &Name, first: &Name) -> Diagnostic {
    Diagnostic::new(codes::DUPLICATE_SETTING, format!("{what} `{}` is declared twice", name.node))
        .label(name.span, "again here")
        .label(first.span, "first here")
        .help("give one of them another name")
}

/// The only policy of `file` that no tool runs under, and that no other one of these extends.
fn leaf<'a>(file: &File, policies: &[&'a Block]) -> Option<&'a Block> {
    let own = file.items.iter().filter_map(|item| match item {
        Item::Tool(tool) => Some(tool),
        _ => None,
    });
    let inner = blocks(file).flat_map(|block| &block.stmts).filter_map(|stmt| match &stmt.kind {
        StmtKind::Tool(tool) => Some(tool),
        _ => None,
    });
    let options = own.chain(inner).flat_map(|tool| &tool.options);
    let sandboxes: BTreeSet<String> = options
        .filter_map(|option| match &option.kind {
            ToolOptionKind::In(include) => Some(dotted(&include.name)),
            _ => None,
        })
        .collect();
    let callers = || policies.iter().filter(|block| !sandboxes.contains(&block.name.node));
    let parents: BTreeSet<String> =
        callers().filter_map(|block| Some(dotted(&block.extends.as_ref()?.name))).collect();
    let mut leaves = callers().filter(|block| !parents.contains(&block.name.node));
    leaves.next().filter(|_| leaves.next().is_none()).copied()
}

fn is_extended(block: &Block, all: &[&Block]) -> bool {
    let parents = all.iter().filter_map(|other| other.extends.as_ref());
    parents.into_iter().any(|parent| dotted(&parent.name) == block.name.node)
}

/// The policy called `wanted`, or the only one that no other one extends and no tool runs under.
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
        // Two of one name are reported as that.
        (None, many) if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) => {
            many.first().copied()
        }
        (None, many) if leaf(file, many).is_some() => leaf(file, many),
        // All of them in a circle, which is said of any.
        (None, many) if many.iter().all(|block| is_extended(block, many)) => many.first().copied(),
        (None, many) => {
            let mut which =
                Diagnostic::new(codes::WHICH_POLICY, format!("this file has {} policies", many.len()));
            for block in many.iter().take(SHOWN_MAX) {
                which = which.label(block.name.span, "");
            }
            let first = names.first().map_or("", String::as_str);
            found.push(which.help(format!("choose one by name, such as `--policy {first}`")));
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
