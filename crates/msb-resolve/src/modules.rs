//! The files of a policy: the one that was asked for and those that it imports, by path.
//!
//! An import is relative to the file that it stands in and stays in the folder of the first file, or below it:
//! who reviews that folder has seen all of the policy.

use crate::scope;
use msb_diag::{Diagnostic, FileId, Sources, Span, codes};
use msb_syntax::ast::{Block, File, Import, Item, QName};
use std::rc::Rc;

/// A file may import others this deep.
const IMPORT_DEPTH_MAX: usize = 10;

/// Where the text of an imported file comes from.
pub trait Load {
    /// The content of the file at `path`.
    ///
    /// # Errors
    /// Why it cannot be read, in a few words.
    fn load(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct Module {
    pub(crate) file: Rc<File>,
    /// Its path, normalised.
    path: String,
    /// The names by which it was reached, such as `org.base`; "" for the first file.
    pub(crate) prefix: String,
    /// What it imports: the name that it gives, and which module that is; `None` where it could not be read.
    imports: Vec<(String, Option<usize>)>,
}

/// All files; the first is the one that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Modules {
    pub(crate) all: Vec<Module>,
}

/// An index into [`Modules::all`].
pub(crate) const MAIN: usize = 0;

impl Modules {
    /// Reads everything that `file`, the first of `sources`, imports, however indirectly.
    pub(crate) fn load(
        file: &File,
        sources: &mut Sources,
        load: &dyn Load,
        found: &mut Vec<Diagnostic>,
    ) -> Modules {
        Modules::load_from(file, FileId(0), sources, load, found)
    }

    /// Reads everything that `file`, which is `id` of `sources`, imports, however indirectly.
    pub(crate) fn load_from(
        file: &File,
        id: FileId,
        sources: &mut Sources,
        load: &dyn Load,
        found: &mut Vec<Diagnostic>,
    ) -> Modules {
        let path = sources.get(id).map_or("", |source| source.name.as_str());
        let path = path.strip_prefix("./").unwrap_or(path).to_owned();
        let main = Module { file: Rc::new(file.clone()), path, prefix: String::new(), imports: Vec::new() };
        let mut loading = Loading { modules: Modules { all: vec![main] }, sources, load, found };
        loading.imports(MAIN, &mut vec![(MAIN, None)]);
        loading.modules
    }

    /// The module that is called `alias` in module `from`: `Some(None)` where it could not be read.
    pub(crate) fn imported(&self, from: usize, alias: &str) -> Option<Option<usize>> {
        let module = self.all.get(from)?;
        module.imports.iter().find(|(name, _)| name == alias).map(|(_, module)| *module)
    }

    /// The file that module `index` is.
    pub(crate) fn file(&self, index: usize) -> Option<&Rc<File>> {
        self.all.get(index).map(|module| &module.file)
    }

    /// The block that `name` names in module `from`, and the module that it stands in. `Err` where nothing can be
    /// said of it, as the file could not be read.
    pub(crate) fn block(&self, from: usize, name: &QName) -> Result<Option<(usize, &Block)>, Unread> {
        let (module, name) = match name.parts.as_slice() {
            [local] => (from, &local.node),
            [alias, name] => match self.imported(from, &alias.node) {
                None => return Ok(None),
                Some(None) => return Err(Unread),
                Some(Some(module)) => (module, &name.node),
            },
            _ => return Ok(None),
        };
        let file = self.file(module);
        let block = file.and_then(|file| scope::blocks(file).find(|block| block.name.node == *name));
        Ok(block.map(|block| (module, block)))
    }

    /// Every group that the files declare, by its name as the first file would write it.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (usize, String, &msb_syntax::ast::Set)> {
        self.all.iter().enumerate().flat_map(|(index, module)| {
            module.file.items.iter().filter_map(move |item| match item {
                Item::Group { name, set } => Some((index, module.qualified_group(&name.node), set)),
                _ => None,
            })
        })
    }
}

/// A file that was imported and could not be read, of which something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread;

impl Module {
    /// `@x` of this file, as the first file would write it.
    pub(crate) fn qualified_group(&self, name: &str) -> String {
        match self.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("@{prefix}.{}", name.trim_start_matches('@')),
        }
    }

    /// `x` of this file, apart from the names of other files.
    pub(crate) fn qualified(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }
}

struct Loading<'a> {
    modules: Modules,
    sources: &'a mut Sources,
    load: &'a dyn Load,
    found: &'a mut Vec<Diagnostic>,
}

impl Loading<'_> {
    /// Reads what module `at` imports. `chain` are the modules that led to it, with where each was imported.
    fn imports(&mut self, at: usize, chain: &mut Vec<(usize, Option<Span>)>) {
        let Some(module) = self.modules.all.get(at) else { return };
        let imports = module.file.imports.clone();
        for import in imports {
            let Import::File { path, name } = import else { continue };
            let read = self.import(at, &path.node, path.span, &name.node, chain);
            if let Some(module) = self.modules.all.get_mut(at) {
                module.imports.push((name.node, read));
            }
        }
    }

    fn import(
        &mut self,
        from: usize,
        written: &str,
        span: Span,
        alias: &str,
        chain: &mut Vec<(usize, Option<Span>)>,
    ) -> Option<usize> {
        let importer = self.modules.all.get(from)?;
        let root = folder(self.modules.all.first().map_or("", |main| main.path.as_str()));
        let Some(path) = resolved(folder(&importer.path), written).filter(|path| below(root, path)) else {
            self.found.push(
                Diagnostic::new(
                    codes::IMPORT_ESCAPES,
                    format!("import of `{written}` leaves the folder of the policy"),
                )
                .label(span, "an import stays in the folder of the first file, or below it")
                .help("copy or move the file there, and import it as `\"./NAME.msb\"`"),
            );
            return None;
        };
        let prefix = importer.qualified(alias);
        if let Some(known) = self.modules.all.iter().position(|module| module.path == path) {
            if chain.iter().any(|(module, _)| *module == known) {
                let cycle = self.cycle(known, span, chain);
                self.found.push(cycle);
                return None;
            }
            return Some(known);
        }
        if chain.len() > IMPORT_DEPTH_MAX {
            self.found.push(
                Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, "files are imported too deep")
                    .label(span, format!("more than {IMPORT_DEPTH_MAX} levels"))
                    .help("import the inner file from the policy itself"),
            );
            return None;
        }
        let bytes = match self.load.load(&path) {
            Ok(bytes) => bytes,
            Err(reason) => {
                self.found.push(
                    Diagnostic::new(codes::CANNOT_READ, format!("cannot read `{path}`: {reason}"))
                        .label(span, "imported here")
                        .help(if path.contains(":/") {
                            "copy the file beside this one, and write its path: nothing is fetched from elsewhere"
                        } else {
                            "write a path that is relative to this file, such as `\"./org.msb\"`"
                        }),
                );
                return None;
            }
        };
        let text = if bytes.len() > msb_syntax::FILE_BYTES_MAX {
            "".into()
        } else {
            String::from_utf8_lossy(&bytes)
        };
        let id = self.sources.add(path.clone(), text);
        let (file, more) = msb_syntax::parse_bytes(id, &bytes);
        scope::duplicates(&file, self.found);
        self.found.extend(more);
        self.modules.all.push(Module { file: Rc::new(file), path, prefix, imports: Vec::new() });
        let index = self.modules.all.len() - 1;
        chain.push((index, Some(span)));
        self.imports(index, chain);
        chain.pop();
        Some(index)
    }

    fn cycle(&self, known: usize, span: Span, chain: &[(usize, Option<Span>)]) -> Diagnostic {
        let from = chain.iter().position(|(module, _)| *module == known).unwrap_or(0);
        let inside = chain.get(from..).unwrap_or(&[]);
        let name = |module: usize| self.modules.all.get(module).map_or("", |module| module.path.as_str());
        let mut names: Vec<&str> = inside.iter().map(|(module, _)| name(*module)).collect();
        names.push(name(known));
        let mut found = Diagnostic::new(
            codes::IMPORT_CYCLE,
            format!("`{}` imports itself: {}", name(known), names.join(" → ")),
        )
        .label(span, "this closes the circle");
        for (module, at) in inside.iter().skip(1) {
            if let Some(at) = at {
                found = found.label(*at, format!("imports `{}`", name(*module)));
            }
        }
        found.help("move what both need into a third file")
    }
}

/// The folder of a path, with its final `/`; "" for the working directory.
fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| path.get(..=slash).unwrap_or(""))
}

/// `written` as it stands in a file of `folder`, without `.` and `..`; `None` if it is absolute or climbs above
/// what `folder` names.
fn resolved(folder: &str, written: &str) -> Option<String> {
    if written.is_empty() || written.starts_with(['/', '~']) || written.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                // What `..` of the first file's own path means is not known here.
                if parts.pop()? == ".." {
                    return None;
                }
            }
            other => parts.push(other),
        }
    }
    let start = if folder.starts_with('/') { "/" } else { "" };
    Some(format!("{start}{}", parts.join("/")))
}

/// Whether `path` is in the folder `root`, or below it.
fn below(root: &str, path: &str) -> bool {
    let root: Vec<&str> = root.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    path.len() > root.len() && path.starts_with(&root)
}
