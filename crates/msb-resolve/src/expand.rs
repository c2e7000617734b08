//! Putting the statements of every included profile behind those of the policy, and finding its parent.

use crate::args::{self, Binding};
use crate::modules::{MAIN, Module, Modules, Unread};
use crate::scope::{self, dotted, unknown_block};
use crate::standard::{self, Library};
use crate::tested::{Test, tests};
use crate::types::ParamType;
use crate::walk::{self, Visit};
use msb_diag::{Diagnostic, Sources, Span, codes};
use msb_syntax::ast::{
    Arg, Block, BlockKind, ClaimKind, File, Import, Include, Item, Name, Param, PathExpr, QName, Set,
    Spanned, Stmt, StmtKind, Tool, ToolOptionKind, Type, TypeKind, Value,
};
use std::collections::BTreeMap;
use std::rc::Rc;

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
    /// The policy that it extends.
    pub extends: Option<Box<Parent>>,
    /// The policies that its claims say it is narrower than, in their order.
    pub compared: Vec<Parent>,
    /// The policies that its tools run under, by where `in` names them; one that is a circle is not there.
    pub sandboxes: Vec<Parent>,
    /// The groups that the files declare, by their name with `@`, those of imported files as `@org.name`.
    pub groups: BTreeMap<String, Set>,
    /// The constants that the files declare, those of imported files as `org.name`.
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

/// A policy that another one is held to, in terms of the parameters of that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Its name as it was written.
    pub name: String,
    /// Where it was named.
    pub span: Span,
    /// Its statements, and its own parent.
    pub resolved: Resolved,
    /// Whether every parameter has a value: without, it says less than it means.
    pub whole: bool,
}

/// The policy `policy` of the first of `modules`.
pub(crate) fn expand(
    modules: &Modules,
    policy: &Block,
    sources: &mut Sources,
    found: &mut Vec<Diagnostic>,
) -> Resolved {
    let Some(file) = modules.file(MAIN) else { return Resolved::empty(policy) };
    let constants = constants(file, found);
    let here = Place { file, module: Some(MAIN), constants: bound(file, &constants) };
    let mut scope = args::open(policy, found);
    scope.extend(here.constants.iter().cloned());
    let within = vec![policy.name.node.clone()];
    let mut expansion =
        Expansion { modules, open: policy, library: Library::default(), within, sources, found };
    let mut resolved =
        expansion.policy(&here, policy, &scope, &mut vec![(policy.name.node.clone(), policy.head)]);
    resolved.tests = tests(file, policy, &scope, expansion.found);
    resolved.compared = expansion.compared(&here, &resolved, &scope);
    resolved
}

/// The policy `ceiling` of the first of `modules`, its parameters bound by name to those of `policy`.
pub(crate) fn ceiling(
    modules: &Modules,
    ceiling: &Block,
    policy: &Block,
    sources: &mut Sources,
    found: &mut Vec<Diagnostic>,
) -> Option<Parent> {
    let file = modules.file(MAIN)?;
    let constants = constants(file, found);
    let here = Place { file, module: Some(MAIN), constants: bound(file, &constants) };
    let scope = args::open(policy, &mut Vec::new());
    let within = vec![ceiling.name.node.clone()];
    let mut expansion =
        Expansion { modules, open: policy, library: Library::default(), within, sources, found };
    let name = QName { parts: vec![ceiling.name.clone()], span: ceiling.name.span };
    let include = by_name(&name, ceiling, policy, expansion.found)?;
    let mut chain = vec![(ceiling.name.node.clone(), ceiling.head)];
    Some(expansion.parent_of(&here, &include, ceiling, &scope, &mut chain))
}

impl Resolved {
    /// A policy without statements whose parameters have these names and types.
    #[must_use]
    pub fn of_params<'a>(params: impl Iterator<Item = (&'a str, &'a str)>) -> Resolved {
        let span = Span::default();
        let name = |node: &str| Name { node: node.to_owned(), span };
        let param = |(param, ty): (&str, &str)| Param {
            name: name(param),
            ty: Type { kind: TypeKind::Name(ty.to_owned()), refine: Vec::new(), span },
            default: None,
            span,
        };
        Resolved::empty(&Block {
            kind: BlockKind::Policy,
            doc: String::new(),
            name: name(""),
            params: params.map(param).collect(),
            extends: None,
            stmts: Vec::new(),
            head: span,
            span,
        })
    }

    fn empty(policy: &Block) -> Resolved {
        Resolved {
            block: policy.clone(),
            edition: msb_syntax::EDITION,
            layers: Vec::new(),
            stmts: Vec::new(),
            tests: Vec::new(),
            extends: None,
            compared: Vec::new(),
            sandboxes: Vec::new(),
            groups: BTreeMap::new(),
            constants: BTreeMap::new(),
        }
    }
}

/// The file that a block stands in, and what can be named there.
struct Place<'a> {
    file: &'a Rc<File>,
    /// Which of the modules it is; `None` for a standard file.
    module: Option<usize>,
    constants: Vec<Binding>,
}

struct Expansion<'a> {
    modules: &'a Modules,
    /// The policy whose parameters stay open.
    open: &'a Block,
    library: Library,
    /// The policies that are being read: a tool that runs under one of them closes a circle.
    within: Vec<String>,
    sources: &'a mut Sources,
    found: &'a mut Vec<Diagnostic>,
}

/// Where the statements of one policy are collected.
#[derive(Default)]
struct Collected {
    layers: Vec<Layer>,
    stmts: Vec<Placed>,
    sandboxes: Vec<Parent>,
    /// By profile, the arguments with which it is there already: rules are a union, so once is enough.
    done: BTreeMap<String, Vec<Vec<Option<Value>>>>,
}

impl Collected {
    fn layer(&mut self, name: String, include: Option<Span>, standard: bool) -> LayerId {
        self.layers.push(Layer { name, include, standard });
        LayerId(self.layers.len() - 1)
    }
}

/// What is named, where it stands.
struct Named {
    file: Rc<File>,
    module: Option<usize>,
    block: Block,
}

impl Expansion<'_> {
    /// `policy`, which stands in `place`, with what it includes and what it extends.
    fn policy(
        &mut self,
        place: &Place<'_>,
        policy: &Block,
        scope: &[Binding],
        chain: &mut Vec<(String, Span)>,
    ) -> Resolved {
        let mut into = Collected::default();
        let layer = into.layer(policy.name.node.clone(), None, place.module.is_none());
        let start = chain.last().cloned().into_iter().collect::<Vec<_>>();
        self.block(place, policy, layer, scope, &start, None, &mut into);
        let extends =
            policy.extends.as_ref().and_then(|extends| self.parent(place, policy, extends, scope, chain));
        Resolved {
            // Who is held to a policy has the parameters that are open.
            block: Block { params: self.open.params.clone(), ..policy.clone() },
            edition: place.file.edition.as_ref().map_or(msb_syntax::EDITION, |edition| edition.node),
            layers: into.layers,
            stmts: into.stmts,
            sandboxes: into.sandboxes,
            extends: extends.map(Box::new),
            groups: self.modules.groups().map(|(_, name, set)| (name, set.clone())).collect(),
            constants: self.constants(),
            ..Resolved::empty(policy)
        }
    }

    /// The constants of every file, those of imported ones apart from each other.
    fn constants(&mut self) -> BTreeMap<String, Spanned<Value>> {
        let mut all = BTreeMap::new();
        for module in &self.modules.all {
            // What is wrong with them was said where they are bound.
            let own = constants(&module.file, &mut Vec::new());
            all.extend(own.into_iter().map(|(name, value)| (module.qualified(&name), value)));
        }
        all
    }

    /// What `extends` of `child` names.
    fn parent(
        &mut self,
        place: &Place<'_>,
        child: &Block,
        extends: &Include,
        scope: &[Binding],
        chain: &mut Vec<(String, Span)>,
    ) -> Option<Parent> {
        let name = self.qualified(place, &extends.name);
        if let Some(at) = chain.iter().position(|(other, _)| *other == name) {
            let inside = chain.get(at..).unwrap_or(&[]);
            self.found.push(cycle(extends, &name, inside, "extends"));
            return None;
        }
        if chain.len() > INCLUDE_DEPTH_MAX {
            self.found.push(too_deep(extends.span, "policies extend each other too deep"));
            return None;
        }
        let named = self.find(place, &extends.name, BlockKind::Policy)?;
        chain.push((name, extends.span));
        let constants = bound(&named.file, &constants(&named.file, self.found));
        let there = Place { file: &named.file, module: named.module, constants };
        let mut extends = extends.clone();
        let given = |arg: &Arg| extends.args.iter().any(|other| other.name.node == arg.name.node);
        let mut shared = shared(&named.block, child, extends.name.span);
        shared.retain(|arg| !given(arg));
        extends.args.extend(shared);
        let parent = self.parent_of(&there, &extends, &named.block, scope, chain);
        chain.pop();
        Some(parent)
    }

    /// `block`, which stands in `there`, with the arguments of `extends`.
    fn parent_of(
        &mut self,
        there: &Place<'_>,
        extends: &Include,
        block: &Block,
        scope: &[Binding],
        chain: &mut Vec<(String, Span)>,
    ) -> Parent {
        let mut inner = args::bind(extends, block, scope, self.found);
        inner.extend(there.constants.iter().cloned());
        let whole = inner.iter().all(|binding| !binding.lost);
        let resolved = self.policy(there, block, &inner, chain);
        let whole = whole && resolved.extends.as_ref().is_none_or(|parent| parent.whole);
        Parent { name: dotted(&extends.name), span: extends.span, resolved, whole }
    }

    /// The policies that claims say this one is narrower than.
    fn compared(&mut self, place: &Place<'_>, resolved: &Resolved, scope: &[Binding]) -> Vec<Parent> {
        let claims = resolved.stmts.iter().filter_map(|placed| match &placed.stmt.kind {
            StmtKind::Assert(claims) => Some(claims),
            _ => None,
        });
        let tested = resolved.tests.iter().map(|test| &test.claims);
        let names = claims.chain(tested).flatten().filter_map(|claim| match &claim.kind {
            ClaimKind::NarrowerThan(name) => Some(name.clone()),
            _ => None,
        });
        let mut parents: Vec<Parent> = Vec::new();
        for name in names.collect::<Vec<_>>() {
            let Some(named) = self.find(place, &name, BlockKind::Policy) else { continue };
            let Some(include) = by_name(&name, &named.block, self.open, self.found) else { continue };
            let constants = bound(&named.file, &constants(&named.file, self.found));
            let there = Place { file: &named.file, module: named.module, constants };
            let mut chain = vec![(self.qualified(place, &name), name.span)];
            parents.push(self.parent_of(&there, &include, &named.block, scope, &mut chain));
        }
        parents
    }

    /// A name as the first file would write it.
    fn qualified(&self, place: &Place<'_>, name: &QName) -> String {
        let written = dotted(name);
        let standard = name.parts.first().is_some_and(|first| first.node == "std");
        match place.module.and_then(|module| self.modules.all.get(module)) {
            Some(module) if !standard => module.qualified(&written),
            _ => written,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "where it stands, what it is, and where it goes")]
    fn block(
        &mut self,
        place: &Place<'_>,
        block: &Block,
        layer: LayerId,
        scope: &[Binding],
        chain: &[(String, Span)],
        via: Option<Span>,
        into: &mut Collected,
    ) {
        for stmt in &block.stmts {
            if let StmtKind::Include(include) = &stmt.kind {
                self.include(place, include, scope, chain, via, into);
                continue;
            }
            for mut stmt in self.with_tools(place, stmt) {
                if let StmtKind::Tool(tool) = &stmt.kind {
                    self.sandboxes(place, tool, scope, into);
                }
                args::substitute(&mut stmt, scope, self.found);
                if let Some(module) = place.module.filter(|module| *module != MAIN) {
                    walk::stmt(&mut stmt, &mut Qualify::new(self.modules, module));
                }
                into.stmts.push(Placed { stmt, layer });
            }
        }
    }

    /// `stmt`, and of `tools` the tools that it takes: what is left of it are names that no tool of the file has.
    fn with_tools(&self, place: &Place<'_>, stmt: &Stmt) -> Vec<Stmt> {
        let StmtKind::ToolUse(names) = &stmt.kind else { return vec![stmt.clone()] };
        let mut all = Vec::new();
        let mut unknown = Vec::new();
        for name in names {
            match self.tool(place, name) {
                Some(tool) => all.push(Stmt { kind: StmtKind::Tool(tool), ..stmt.clone() }),
                None => unknown.push(name.clone()),
            }
        }
        if !unknown.is_empty() {
            all.push(Stmt { kind: StmtKind::ToolUse(unknown), ..stmt.clone() });
        }
        all
    }

    /// The tool of the place's file, or of one that it imports, that `name` names.
    fn tool(&self, place: &Place<'_>, name: &QName) -> Option<Tool> {
        let (file, wanted) = match (name.parts.as_slice(), place.module) {
            ([local], _) => (place.file, local),
            ([alias, wanted], Some(from)) => {
                (self.modules.file(self.modules.imported(from, &alias.node)??)?, wanted)
            }
            _ => return None,
        };
        file.items.iter().find_map(|item| match item {
            Item::Tool(tool) if tool.name.node == wanted.node => Some(tool.clone()),
            _ => None,
        })
    }

    /// Reads the policies that `tool` runs under.
    fn sandboxes(&mut self, place: &Place<'_>, tool: &Tool, scope: &[Binding], into: &mut Collected) {
        for option in &tool.options {
            let ToolOptionKind::In(include) = &option.kind else { continue };
            let name = self.qualified(place, &include.name);
            if self.within.contains(&name) || self.within.len() > INCLUDE_DEPTH_MAX {
                continue;
            }
            let Some(named) = self.find(place, &include.name, BlockKind::Policy) else { continue };
            let constants = bound(&named.file, &constants(&named.file, self.found));
            let there = Place { file: &named.file, module: named.module, constants };
            let mut chain = vec![(name.clone(), include.span)];
            // As where a policy extends another one, a parameter without a value takes that of its name.
            let mut include = include.clone();
            for param in &named.block.params {
                let of_name = |name: &str| name == param.name.node;
                let given = include.args.iter().any(|arg| of_name(&arg.name.node));
                if !given && scope.iter().any(|binding| of_name(&binding.name)) {
                    include.args.push(argument_of(&param.name.node, include.name.span));
                }
            }
            self.within.push(name);
            let inner = self.parent_of(&there, &include, &named.block, scope, &mut chain);
            self.within.pop();
            into.sandboxes.push(inner);
        }
    }

    fn include(
        &mut self,
        place: &Place<'_>,
        include: &Include,
        scope: &[Binding],
        chain: &[(String, Span)],
        via: Option<Span>,
        into: &mut Collected,
    ) {
        let name = self.qualified(place, &include.name);
        if let Some(at) = chain.iter().position(|(other, _)| *other == name) {
            self.found.push(cycle(include, &name, &chain[at..], "includes"));
            return;
        }
        if chain.len() > INCLUDE_DEPTH_MAX {
            self.found.push(too_deep(include.span, "profiles are included too deep"));
            return;
        }
        let Some(named) = self.find(place, &include.name, BlockKind::Profile) else { return };
        let bound_args = args::bind(include, &named.block, scope, self.found);
        let values = bound_args.iter().map(|binding| binding.value.clone()).collect();
        let done = into.done.entry(name.clone()).or_default();
        if done.contains(&values) {
            return;
        }
        done.push(values);
        let via = via.or(Some(include.span));
        let layer = into.layer(name.clone(), via, named.module.is_none());
        let constants = if named.module.is_some() && named.module == place.module {
            place.constants.clone()
        } else {
            bound(&named.file, &constants(&named.file, self.found))
        };
        let mut inner = bound_args;
        inner.extend(constants.iter().cloned());
        let mut chain = chain.to_vec();
        chain.push((name, include.span));
        let there = Place { file: &named.file, module: named.module, constants };
        self.block(&there, &named.block, layer, &inner, &chain, via, into);
    }

    /// The block of this kind that `name` names, with its file; `None` where something was said.
    fn find(&mut self, place: &Place<'_>, name: &QName, wanted: BlockKind) -> Option<Named> {
        let found = match (name.parts.as_slice(), place.module) {
            ([std, module, rest @ ..], _) if std.node == "std" && rest.len() < 2 => {
                let block = rest.first().unwrap_or(module);
                let found = self.library.block(&module.node, &block.node, self.sources);
                found.map(|(file, block)| Named { file: file.clone(), module: None, block: block.clone() })
            }
            ([local], None) => scope::blocks(place.file)
                .find(|block| block.name.node == local.node)
                .map(|block| Named { file: place.file.clone(), module: None, block: block.clone() }),
            (_, Some(from)) => match self.modules.block(from, name) {
                Err(Unread) => return None,
                Ok(found) => found.and_then(|(module, block)| {
                    let file = self.modules.file(module)?.clone();
                    Some(Named { file, module: Some(module), block: block.clone() })
                }),
            },
            (_, None) => None,
        };
        match found {
            Some(named) if named.block.kind == wanted => Some(named),
            Some(named) => {
                self.found.push(wrong_kind(name, &named.block));
                None
            }
            None => {
                let known = self.known(place, wanted);
                self.found.push(unknown_block(name, wanted, &known));
                None
            }
        }
    }

    /// The names of every block of this kind that can be named in `place`.
    fn known(&self, place: &Place<'_>, wanted: BlockKind) -> Vec<String> {
        let of = |file: &File, prefix: &str| -> Vec<String> {
            let blocks = scope::blocks(file).filter(|block| block.kind == wanted);
            blocks.map(|block| format!("{prefix}{}", block.name.node)).collect()
        };
        let mut known = of(place.file, "");
        for import in &place.file.imports {
            let Import::File { name, .. } = import else { continue };
            let module = place.module.and_then(|from| self.modules.imported(from, &name.node).flatten());
            known.extend(
                module
                    .and_then(|module| self.modules.file(module))
                    .map(|file| of(file, &format!("{}.", name.node)))
                    .unwrap_or_default(),
            );
        }
        known.extend(standard::names(wanted));
        known
    }
}

/// The arguments of a policy that is named without any: those that the child gives it where it extends it, then its
/// own parameters of the same name. Defaults are the parent's own.
fn by_name(name: &QName, parent: &Block, child: &Block, found: &mut Vec<Diagnostic>) -> Option<Include> {
    if let Some(extends) = child.extends.as_ref().filter(|extends| dotted(&extends.name) == dotted(name)) {
        let mut include = Include { span: name.span, ..extends.clone() };
        let mut shared = shared(parent, child, name.span);
        shared.retain(|arg| !extends.args.iter().any(|given| given.name.node == arg.name.node));
        include.args.extend(shared);
        return Some(include);
    }
    let shares = |param: &Param| child.params.iter().any(|own| own.name.node == param.name.node);
    if let Some(param) = parent.params.iter().find(|param| param.default.is_none() && !shares(param)) {
        let wanted = &param.name.node;
        found.push(
            Diagnostic::new(
                codes::WRONG_ARGUMENTS,
                format!("`{}` has a parameter `{wanted}`, and `{}` has none", dotted(name), child.name.node),
            )
            .label(name.span, "parameters are compared by name")
            .label(param.span, "declared here")
            .label(child.head, format!("no `{wanted}` here"))
            .help(format!("call a parameter of `{}` `{wanted}`", child.name.node)),
        );
        return None;
    }
    Some(Include { name: name.clone(), args: shared(parent, child, name.span), span: name.span })
}

/// An argument for each parameter of `parent` that `child` has by the same name, as if written at `span`.
fn shared(parent: &Block, child: &Block, span: Span) -> Vec<Arg> {
    let shares = |param: &&Param| child.params.iter().any(|own| own.name.node == param.name.node);
    parent.params.iter().filter(shares).map(|param| argument_of(&param.name.node, span)).collect()
}

/// `NAME: $NAME`, as if written at `span`.
fn argument_of(name: &str, span: Span) -> Arg {
    let name = Name { node: name.to_owned(), span };
    let value = Value::Var { name: name.clone(), rest: String::new() };
    Arg { value: Spanned { node: value, span }, name }
}

/// Gives names of an imported file's groups and constants the form that the first file would write.
struct Qualify<'a> {
    module: &'a Module,
    main: &'a File,
}

impl<'a> Qualify<'a> {
    fn new(modules: &'a Modules, module: usize) -> Qualify<'a> {
        let (module, main) = (&modules.all[module], &modules.all[MAIN].file);
        Qualify { module, main }
    }

    /// Whether a name is declared here, or would otherwise be taken for one of the first file.
    fn declares(&self, wanted: impl Fn(&Item) -> bool) -> bool {
        [&self.module.file, self.main].iter().any(|file| file.items.iter().any(&wanted))
    }
}

impl Visit for Qualify<'_> {
    fn path(&mut self, _: &mut PathExpr) {}

    fn value(&mut self, value: &mut Spanned<Value>) {
        if let Value::Ident(word) = &mut value.node
            && self.declares(|item| matches!(item, Item::Const { name, .. } if name.node == *word))
        {
            *word = self.module.qualified(word);
        }
    }

    fn name(&mut self, _: &mut Name) {}

    fn group(&mut self, group: &mut String) {
        let foreign = group.trim_start_matches('@').split_once('.').is_some_and(|(alias, _)| {
            self.module
                .file
                .imports
                .iter()
                .any(|import| matches!(import, Import::File { name, .. } if name.node == alias))
        });
        if foreign || self.declares(|item| matches!(item, Item::Group { name, .. } if name.node == *group)) {
            *group = self.module.qualified_group(group);
        }
    }
}

fn too_deep(span: Span, message: &str) -> Diagnostic {
    Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, message)
        .label(span, format!("more than {INCLUDE_DEPTH_MAX} levels"))
        .help("name the inner one from the policy itself")
}

fn wrong_kind(name: &QName, block: &Block) -> Diagnostic {
    let written = dotted(name);
    match block.kind {
        BlockKind::Policy => {
            Diagnostic::new(codes::UNKNOWN_NAME, format!("`{written}` is a policy and cannot be included"))
                .label(name.span, "expected a profile")
                .label(block.head, "declared as a policy here")
                .help("move what both need into a `profile` and include that")
        }
        BlockKind::Profile => {
            Diagnostic::new(codes::UNKNOWN_NAME, format!("`{written}` is a profile and cannot be a parent"))
                .label(name.span, "expected a policy")
                .label(block.head, "declared as a profile here")
                .help(format!("write `include {written}` inside of the policy"))
        }
    }
}

fn cycle(include: &Include, name: &str, chain: &[(String, Span)], verb: &str) -> Diagnostic {
    let mut names: Vec<&str> = chain.iter().map(|(name, _)| name.as_str()).collect();
    names.push(name);
    let mut found =
        Diagnostic::new(codes::IMPORT_CYCLE, format!("`{name}` {verb} itself: {}", names.join(" → ")))
            .label(include.span, "this closes the circle");
    for (inner, span) in chain.iter().skip(1) {
        found = found.label(*span, format!("{verb} `{inner}`"));
    }
    found.help(format!("take one of these {verb} away"))
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
