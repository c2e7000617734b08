//! What the compiler says of a text in an editor.

use msb_compile::{Checked, Files, Options, ReadError};
use msb_data::Form;
use msb_diag::{FileId, codes};
use msb_syntax::ast::{BlockKind, File, Item};

/// The file system with what is open in the editor in the place of what was saved.
pub(crate) struct Overlay<'a> {
    pub(crate) files: &'a dyn Files,
    /// Path and text.
    pub(crate) open: Vec<(&'a str, &'a str)>,
}

impl Files for Overlay<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        match self.open.iter().find(|(open, _)| *open == path) {
            Some((_, text)) => Ok(text.as_bytes().to_vec()),
            None => self.files.read(path),
        }
    }
}

/// The tree of a text, whatever is wrong with it.
pub(crate) fn tree(path: &str, text: &str) -> File {
    msb_data::parse(Form::of(path), FileId::default(), text).0
}

/// Everything about the file at `path`: of each of its policies, since an editor shows them all. Of several runs,
/// because files besides the first may have other numbers in another.
pub(crate) fn check(files: &dyn Files, path: &str, tree: &File) -> Vec<Checked> {
    let policies: Vec<&str> = tree
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Block(block) if block.kind == BlockKind::Policy => Some(block.name.node.as_str()),
            _ => None,
        })
        .collect();
    let mut first = msb_compile::check(files, path, &Options::default());
    // A file of profiles is a library and needs no policy.
    let is_library = !tree.items.is_empty() && policies.is_empty();
    first.diagnostics.retain(|it| !(is_library && it.code == codes::NO_POLICY));
    let mut all = vec![first];
    if policies.len() > 1 {
        all[0].diagnostics.retain(|it| it.code != codes::WHICH_POLICY);
        all.extend(policies.into_iter().map(|name| {
            let options = Options { policy: Some(name.to_owned()), ..Options::default() };
            msb_compile::check(files, path, &options)
        }));
    }
    all
}
