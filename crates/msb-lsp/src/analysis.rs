//! What the compiler says of a text in an editor.

use msb_compile::{Checked, Files, Options, ReadError};
use msb_data::Form;
use msb_diag::{Diagnostic, FileId, codes, sort};
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

/// Everything about the file at `path`: of each of its policies, since an editor shows them all.
pub(crate) fn check(files: &dyn Files, path: &str, tree: &File) -> Checked {
    let policies: Vec<&str> = tree
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Block(block) if block.kind == BlockKind::Policy => Some(block.name.node.as_str()),
            _ => None,
        })
        .collect();
    let mut checked = msb_compile::check(files, path, &Options::default());
    // A file of profiles is a library and needs no policy.
    let is_library = !tree.items.is_empty() && policies.is_empty();
    checked.diagnostics.retain(|it| !(is_library && it.code == codes::NO_POLICY));
    if policies.len() > 1 {
        checked.diagnostics.retain(|it| it.code != codes::WHICH_POLICY);
        for name in policies {
            let options = Options { policy: Some(name.to_owned()), ..Options::default() };
            let more = msb_compile::check(files, path, &options).diagnostics;
            // Files besides the first may have other numbers in another run.
            checked.diagnostics.extend(more.into_iter().filter(is_of_first));
        }
        sort(&mut checked.diagnostics);
    }
    checked
}

fn is_of_first(found: &Diagnostic) -> bool {
    found.labels.iter().all(|label| label.span.file == FileId::default())
}
