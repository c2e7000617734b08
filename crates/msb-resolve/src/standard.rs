//! The standard profiles: part of the compiler, so that a policy means the same on every machine.

use msb_diag::{FileId, Sources};
use msb_syntax::ast;
use std::rc::Rc;

/// A file of the standard library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandardFile {
    /// What follows `std.`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every file of the standard library; each has one profile, of the file's own name.
pub const STANDARD: &[StandardFile] = &[
    StandardFile { name: "base", text: include_str!("../../../policy-lang/std/base.msb") },
    StandardFile { name: "ci", text: include_str!("../../../policy-lang/std/ci.msb") },
    StandardFile { name: "gcc", text: include_str!("../../../policy-lang/std/gcc.msb") },
    StandardFile { name: "git", text: include_str!("../../../policy-lang/std/git.msb") },
    StandardFile { name: "node", text: include_str!("../../../policy-lang/std/node.msb") },
    StandardFile { name: "python", text: include_str!("../../../policy-lang/std/python.msb") },
    StandardFile { name: "rust", text: include_str!("../../../policy-lang/std/rust.msb") },
    StandardFile { name: "workspace", text: include_str!("../../../policy-lang/std/workspace.msb") },
];

/// The standard files that this compilation has read so far.
#[derive(Debug, Default)]
pub(crate) struct Library {
    read: Vec<(&'static str, Rc<ast::File>)>,
}

impl Library {
    /// The block `std.NAME.BLOCK` and its file, read into `sources` the first time.
    pub(crate) fn block(
        &mut self,
        name: &str,
        block: &str,
        sources: &mut Sources,
    ) -> Option<(&Rc<ast::File>, &ast::Block)> {
        let standard = STANDARD.iter().find(|file| file.name == name)?;
        let source = format!("std.{name}");
        if !self.read.iter().any(|(read, _)| *read == standard.name) {
            // A policy and its parent may both need it, and positions are in one text.
            let known = (0..sources.len()).filter_map(|id| u32::try_from(id).ok()).map(FileId);
            let known = known.into_iter().find(|id| sources.get(*id).is_some_and(|file| file.name == source));
            let id = known.unwrap_or_else(|| sources.add(source, standard.text));
            let (file, _) = msb_syntax::parse(id, standard.text);
            self.read.push((standard.name, Rc::new(file)));
        }
        let (_, file) = self.read.iter().find(|(read, _)| *read == standard.name)?;
        let block = file.items.iter().find_map(|item| match item {
            ast::Item::Block(found) if found.name.node == block => Some(found),
            _ => None,
        })?;
        Some((file, block))
    }
}

/// The names of the standard blocks of this kind.
pub(crate) fn names(wanted: ast::BlockKind) -> Vec<String> {
    let of = |standard: &StandardFile| {
        let (file, _) = msb_syntax::parse(FileId(0), standard.text);
        let name = |item: ast::Item| match item {
            ast::Item::Block(block) if block.kind == wanted => Some(block.name.node),
            _ => None,
        };
        let blocks: Vec<String> = file.items.into_iter().filter_map(name).collect();
        let whole = |block: String| match block == standard.name {
            true => format!("std.{block}"),
            false => format!("std.{}.{block}", standard.name),
        };
        blocks.into_iter().map(whole).collect::<Vec<_>>()
    };
    STANDARD.iter().flat_map(of).collect()
}
