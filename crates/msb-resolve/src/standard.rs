//! The standard profiles: part of the compiler, so that a policy means the same on every machine.

use msb_diag::{FileId, Sources};
use msb_syntax::ast;

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
    StandardFile { name: "python", text: include_str!("../../../policy-lang/std/python.msb") },
    StandardFile { name: "workspace", text: include_str!("../../../policy-lang/std/workspace.msb") },
];

/// The standard files that this compilation has read so far.
#[derive(Debug, Default)]
pub(crate) struct Library {
    read: Vec<(&'static str, FileId, ast::File)>,
}

impl Library {
    /// The profile `std.NAME` and its file, read into `sources` the first time.
    pub(crate) fn profile(
        &mut self,
        name: &str,
        sources: &mut Sources,
    ) -> Option<(FileId, &ast::File, &ast::Block)> {
        let standard = STANDARD.iter().find(|file| file.name == name)?;
        if !self.read.iter().any(|(read, ..)| *read == standard.name) {
            let id = sources.add(format!("std.{name}"), standard.text);
            let (file, _) = msb_syntax::parse(id, standard.text);
            self.read.push((standard.name, id, file));
        }
        let (_, id, file) = self.read.iter().find(|(read, ..)| *read == standard.name)?;
        let block = file.items.iter().find_map(|item| match item {
            ast::Item::Block(block) if block.name.node == name => Some(block),
            _ => None,
        })?;
        Some((*id, file, block))
    }
}
