//! Putting the statements of every included profile behind those of the policy.

use crate::args::{self, Binding};
use crate::scope::{blocks, dotted, is_foreign, unknown_profile};
use crate::standard::Library;
use crate::tested::{Test, tests};
use crate::types::ParamType;
use msb_diag::{Diagnostic, Sources, Span, codes};
use msb_syntax::ast::{Block, BlockKind, File, Include, Item, QName, Set, Spanned, Stmt, StmtKind, Value};
use std::collections::BTreeMap;

/// A profile may include others this deep.
const INCLUDE_DEPTH_MAX: usize = 10;

/// One policy, with every include in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The policy as written.
    pub block: Block,
    /// The edition.
    pub edition: u64,
    /// Where the statements come from; the first is the policy itself.
    pub layers: Vec<Layer>,
    /// The statements of all layers, without `include`, in terms of the policy's parameters alone.
    pub stmts: Vec<Placed>,
    /// The tests of the policy.
    pub tests: Vec<Test>,
    /// The groups that the file declares, by their name with `@`.
    pub groups: BTreeMap<String, Set>,
    /// The constants that the file declares.
    pub constants: BTreeMap<String, Spanned<Value>>,
}

/// A block that statements come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name: the policy's, `std.base`, or that of a profile in the file.
    pub name: String,
    /// The `include` in the policy that brought it, directly or by way of others.
    pub include: Option<Span>,
    /// Whether it is part of the standard library.
    pub standard: bool,
}

/// An index into [`Resolved::layers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerId(pub usize);

impl LayerId {
    /// The policy itself.
    pub const POLICY: LayerId = LayerId(0);
}

/// A statement and the block that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The statement.
    pub stmt: Stmt,
    /// Where it comes from.
    pub layer: LayerId,
}

pub(crate) fn expand(
    file: &File,
    policy: &Block,
    sources: &mut Sources,
    found: &mut Vec<Diagnostic>,
) -> Resolved {
    let constants = constants(file, found);
    let mut expansion = Expansion {
        library: Library::default(),
        sources,
        found,
        layers: Vec::new(),
        stmts: Vec::new(),
        done: Vec::new(),
    };
    let here = Place { file, standard: false, constants: bound(file, &constants) };
    let layer = expansion.layer(policy.name.node.clone(), None, false);
    let mut scope = args::open(policy, expansion.found);
    scope.extend(here.constants.iter().cloned());
    let chain = vec![(policy.name.node.clone(), policy.head)];
    expansion.block(&here, policy, layer, &scope, &chain, None);
    let (layers, stmts) = (expansion.layers, expansion.stmts);
    let tests = tests(file, policy, &scope, found);
    Resolved {
        block: policy.clone(),
        edition: file.edition.as_ref().map_or(msb_syntax::EDITION, |edition| edition.node),
        layers,
        stmts,
        tests,
        groups: groups(file),
        constants,
    }
}

/// The file that a block stands in, and what can be named there.
struct Place<'a> {
    file: &'a File,
    standard: bool,
    constants: Vec<Binding>,
}

struct Expansion<'a> {
    library: Library,
    sources: &'a mut Sources,
    found: &'a mut Vec<Diagnostic>,
    layers: Vec<Layer>,
    stmts: Vec<Placed>,
    /// Profiles with these arguments are there already: rules are a union, so once is enough.
    done: Vec<(String, Vec<Option<Value>>)>,
}

impl Expansion<'_> {
    fn layer(&mut self, name: String, include: Option<Span>, standard: bool) -> LayerId {
        self.layers.push(Layer { name, include, standard });
        LayerId(self.layers.len() - 1)
    }

    fn block(
        &mut self,
        place: &Place<'_>,
        block: &Block,
        layer: LayerId,
        scope: &[Binding],
        chain: &[(String, Span)],
        via: Option<Span>,
    ) {
        for stmt in &block.stmts {
            if let StmtKind::Include(include) = &stmt.kind {
                self.include(place, include, scope, chain, via);
            } else {
                let mut stmt = stmt.clone();
                args::substitute(&mut stmt, scope, self.found);
                self.stmts.push(Placed { stmt, layer });
            }
        }
    }

    fn include(
        &mut self,
        place: &Place<'_>,
        include: &Include,
        scope: &[Binding],
        chain: &[(String, Span)],
        via: Option<Span>,
    ) {
        let name = dotted(&include.name);
        if is_foreign(place.file, &include.name) {
            return;
        }
        if let Some(at) = chain.iter().position(|(other, _)| *other == name) {
            self.found.push(cycle(include, &name, &chain[at..]));
            return;
        }
        if chain.len() > INCLUDE_DEPTH_MAX {
            self.found.push(
                Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, "profiles are included too deep")
                    .label(include.span, format!("more than {INCLUDE_DEPTH_MAX} levels"))
                    .help("include the inner profile from the policy itself"),
            );
            return;
        }
        let Some((file, profile, standard)) = self.find(place, &include.name) else { return };
        let bound_args = args::bind(include, &profile, scope, self.found);
        let key = (name.clone(), bound_args.iter().map(|binding| binding.value.clone()).collect());
        if self.done.contains(&key) {
            return;
        }
        self.done.push(key);
        let via = via.or(Some(include.span));
        let layer = self.layer(name.clone(), via, standard);
        let constants =
            if standard { bound(&file, &constants(&file, self.found)) } else { place.constants.clone() };
        let mut inner = bound_args;
        inner.extend(constants.iter().cloned());
        let mut chain = chain.to_vec();
        chain.push((name, include.span));
        self.block(&Place { file: &file, standard, constants }, &profile, layer, &inner, &chain, via);
    }

    /// The profile that `name` names, with its file.
    fn find(&mut self, place: &Place<'_>, name: &QName) -> Option<(File, Block, bool)> {
        let found = match name.parts.as_slice() {
            [local] => {
                let found = blocks(place.file).find(|block| block.name.node == local.node);
                if let Some(policy) = found.filter(|block| block.kind == BlockKind::Policy) {
                    self.found.push(
                        Diagnostic::new(
                            codes::UNKNOWN_NAME,
                            format!("`{}` is a policy and cannot be included", local.node),
                        )
                        .label(name.span, "expected a profile")
                        .label(policy.head, "declared as a policy here")
                        .help("move what both need into a `profile` and include that"),
                    );
                    return None;
                }
                found.map(|block| (place.file.clone(), block.clone(), place.standard))
            }
            [std, module] if std.node == "std" => self
                .library
                .profile(&module.node, self.sources)
                .map(|(_, file, block)| (file.clone(), block.clone(), true)),
            _ => None,
        };
        if found.is_none() {
            let local = blocks(place.file).filter(|block| block.kind == BlockKind::Profile);
            self.found.push(unknown_profile(name, local.map(|block| block.name.node.as_str())));
        }
        found
    }
}

fn cycle(include: &Include, name: &str, chain: &[(String, Span)]) -> Diagnostic {
    let mut names: Vec<&str> = chain.iter().map(|(name, _)| name.as_str()).collect();
    names.push(name);
    let mut found =
        Diagnostic::new(codes::IMPORT_CYCLE, format!("`{name}` includes itself: {}", names.join(" → ")))
            .label(include.span, "this closes the circle");
    for (inner, span) in chain.iter().skip(1) {
        found = found.label(*span, format!("includes `{inner}`"));
    }
    found.help("take one of these includes away")
}

fn groups(file: &File) -> BTreeMap<String, Set> {
    let group = |item: &Item| match item {
        Item::Group { name, set } => Some((name.node.clone(), set.clone())),
        _ => None,
    };
    file.items.iter().filter_map(group).collect()
}

/// The constants of `file`, those of a wrong type reported and left out.
fn constants(file: &File, found: &mut Vec<Diagnostic>) -> BTreeMap<String, Spanned<Value>> {
    let mut constants = BTreeMap::new();
    for item in &file.items {
        let Item::Const { name, ty, value } = item else { continue };
        if let Value::Var { name: other, .. } = &value.node {
            found.push(
                Diagnostic::new(codes::WRONG_TYPE, format!("constant `{}` is not a literal", name.node))
                    .label(value.span, format!("`${}` is not known here", other.node))
                    .help("write the value itself"),
            );
            continue;
        }
        if let Some((written, ty)) = ty.as_ref().and_then(|ty| Some((ty, ParamType::of(ty)?)))
            && !ty.takes(&value.node)
        {
            let is = crate::describe(&value.node);
            found.push(
                Diagnostic::new(
                    codes::WRONG_TYPE,
                    format!("expected {}, found {}", args::an(ty.word()), args::an(is)),
                )
                .label(value.span, format!("this is {}", args::an(is)))
                .label(written.span, "declared here")
                .help(format!("write {}, or leave the type out", args::an(ty.word()))),
            );
            continue;
        }
        constants.entry(name.node.clone()).or_insert_with(|| value.clone());
    }
    constants
}

/// The constants of `file` as bindings; one that was left out is bound to nothing, so that its uses are quiet.
fn bound(file: &File, constants: &BTreeMap<String, Spanned<Value>>) -> Vec<Binding> {
    let bind = |item: &Item| {
        let Item::Const { name, .. } = item else { return None };
        let value = constants.get(&name.node).map(|value| value.node.clone());
        let ty = value.as_ref().and_then(|value| ParamType::ALL.iter().find(|(_, ty)| ty.takes(value)));
        Some(Binding {
            name: name.node.clone(),
            declared: name.span,
            ty: ty.map(|(_, ty)| *ty),
            lost: value.is_none(),
            value,
        })
    };
    file.items.iter().filter_map(bind).collect()
}
