//! What names of a file stand for, and where they are declared.

use msb_diag::{FileId, Span};
use msb_resolve::STANDARD;
use msb_syntax::ast::{Block, File, Include, Item, QName, StmtKind, Type};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A declaration.
pub(crate) enum Declared<'a> {
    /// A parameter of a profile or policy, or a constant, with its type as it is written.
    Value { span: Span, ty: Option<&'a Type> },
    /// A profile or policy of the file.
    Block(&'a Block),
    /// A standard profile or policy: its file, and its place there.
    Standard { name: &'static str, text: &'static str, block: usize },
    /// A group of the file.
    Group { span: Span },
    /// A tool.
    Tool { span: Span },
}

/// The profile or policy around byte `at`.
pub(crate) fn block_at(file: &File, at: usize) -> Option<&Block> {
    file.items.iter().find_map(|item| match item {
        Item::Block(block) if holds(block.span, at) => Some(block),
        _ => None,
    })
}

pub(crate) fn holds(span: Span, at: usize) -> bool {
    (span.start as usize..=span.end as usize).contains(&at)
}

/// What `$name` stands for at byte `at`.
pub(crate) fn value<'a>(file: &'a File, at: usize, name: &str) -> Option<Declared<'a>> {
    let params = block_at(file, at).into_iter().flat_map(|block| &block.params);
    let mut params = params.map(|param| (&param.name, Some(&param.ty)));
    let constants = file.items.iter().filter_map(|item| match item {
        Item::Const { name, ty, .. } => Some((name, ty.as_ref())),
        _ => None,
    });
    let found = params.find(|(it, _)| it.node == name);
    let found = found.or_else(|| constants.into_iter().find(|(it, _)| it.node == name));
    found.map(|(name, ty)| Declared::Value { span: name.span, ty })
}

/// The names with a `$` that can stand at byte `at`, with their types.
pub(crate) fn values(file: &File, at: usize) -> Vec<(&str, Option<&Type>)> {
    let params = block_at(file, at).into_iter().flat_map(|block| &block.params);
    let params = params.map(|param| (param.name.node.as_str(), Some(&param.ty)));
    let constants = file.items.iter().filter_map(|item| match item {
        Item::Const { name, ty, .. } => Some((name.node.as_str(), ty.as_ref())),
        _ => None,
    });
    params.chain(constants).collect()
}

/// The group of the file called `name`, with its `@`.
pub(crate) fn group<'a>(file: &'a File, name: &str) -> Option<Declared<'a>> {
    file.items.iter().find_map(|item| match item {
        Item::Group { name: it, .. } if it.node == name => Some(Declared::Group { span: it.span }),
        _ => None,
    })
}

/// The tool called `name`.
pub(crate) fn tool<'a>(file: &'a File, name: &str) -> Option<Declared<'a>> {
    tools(file).find(|tool| tool.name.node == name).map(|tool| Declared::Tool { span: tool.name.span })
}

/// Every tool of the file.
pub(crate) fn tools(file: &File) -> impl Iterator<Item = &msb_syntax::ast::Tool> {
    file.items.iter().flat_map(|item| {
        let (alone, block) = match item {
            Item::Tool(tool) => (Some(tool), None),
            Item::Block(block) => (None, Some(block)),
            _ => (None, None),
        };
        let within = block.into_iter().flat_map(|block| &block.stmts).filter_map(|stmt| match &stmt.kind {
            StmtKind::Tool(tool) => Some(tool),
            _ => None,
        });
        alone.into_iter().chain(within)
    })
}

/// The profile or policy that a name of an `include` or `extends` means.
pub(crate) fn profile<'a>(file: &'a File, name: &str) -> Option<Declared<'a>> {
    if let Some(rest) = name.strip_prefix("std.") {
        let (module, block) = rest.split_once('.').unwrap_or((rest, rest));
        let standard = STANDARD.iter().find(|it| it.name == module)?;
        let block = blocks(self::standard(standard.name)).position(|it| it.name.node == block)?;
        return Some(Declared::Standard { name: standard.name, text: standard.text, block });
    }
    blocks(file).find(|block| block.name.node == name).map(Declared::Block)
}

pub(crate) fn blocks(file: &File) -> impl Iterator<Item = &Block> {
    file.items.iter().filter_map(|item| match item {
        Item::Block(block) => Some(block),
        _ => None,
    })
}

/// `std.python`
pub(crate) fn dotted(name: &QName) -> String {
    name.parts.iter().map(|part| part.node.as_str()).collect::<Vec<_>>().join(".")
}

/// The `include` or `extends` whose name is at byte `at`.
pub(crate) fn include_at(file: &File, at: usize) -> Option<&Include> {
    let block = block_at(file, at)?;
    let includes = block.stmts.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::Include(include) => Some(include),
        _ => None,
    });
    block.extends.iter().chain(includes).find(|include| holds(include.name.span, at))
}

/// A file of the standard profiles, by its name without `std.`, as a tree. Each is read once: completion looks at all.
pub(crate) fn standard(name: &str) -> &'static File {
    static TREES: LazyLock<BTreeMap<&str, File>> = LazyLock::new(|| {
        STANDARD.iter().map(|it| (it.name, msb_syntax::parse(FileId::default(), it.text).0)).collect()
    });
    static NONE: File = File { edition: None, imports: Vec::new(), items: Vec::new() };
    TREES.get(name).unwrap_or(&NONE)
}
