//! Every place of a file where something stands that the workspace gives a name: what rename, references and highlights
//! are made of. Names of the kernel and of the standard profiles have no places here.

use crate::names::{block_at, dotted, holds};
use msb_diag::Span;
use msb_syntax::ast::{
    Arg, Block, Claim, ClaimKind, File, Import, Include, Item, Name, Pred, PredKind, Probe, QName, Spanned,
    StmtKind, SysRuleKind, Tool, ToolOptionKind, Value,
};
use msb_syntax::{Class, lexemes};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A policy or a profile.
    Block,
    /// A parameter of one, or of a tool.
    Parameter,
    Constant,
    Group,
    Tool,
    /// What `import … as` calls a file.
    Alias,
}

/// One thing with a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Symbol {
    /// The file that declares it.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    /// Of a parameter the policy, profile or tool that has it.
    pub(crate) owner: String,
    /// Without `$` and `@`.
    pub(crate) name: String,
}

/// A place where a symbol's name stands, without `$` and `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occurrence {
    pub(crate) symbol: Symbol,
    pub(crate) span: Span,
    pub(crate) declares: bool,
    /// Whether it stands behind a `$`, where fewer names can.
    pub(crate) dollar: bool,
}

/// All of the file at `path`, in the order of their places.
pub(crate) fn occurrences(path: &str, text: &str, tree: &File) -> Vec<Occurrence> {
    let mut found = Finder { path, tree, all: Vec::new() };
    for import in &tree.imports {
        if let Import::File { name, .. } = import {
            found.declared(Kind::Alias, "", &name.node, name.span);
        }
    }
    tree.items.iter().for_each(|item| found.item(item));
    found.lexemes(text);
    let mut all = found.all;
    all.sort_by_key(|it| (it.span.start, it.span.end));
    all.dedup_by_key(|it| it.span);
    all
}

/// The file that an import of the file at `from` names.
pub(crate) fn imported(from: &str, file: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

struct Finder<'a> {
    path: &'a str,
    tree: &'a File,
    all: Vec<Occurrence>,
}

impl<'a> Finder<'a> {
    fn symbol(&self, kind: Kind, owner: &str, name: &str) -> Symbol {
        Symbol { path: self.path.to_owned(), kind, owner: owner.to_owned(), name: name.to_owned() }
    }

    fn add(&mut self, symbol: Symbol, span: Span, declares: bool) {
        self.all.push(Occurrence { symbol, span, declares, dollar: false });
    }

    fn declared(&mut self, kind: Kind, owner: &str, name: &str, span: Span) {
        let symbol = self.symbol(kind, owner, name);
        self.add(symbol, span, true);
    }

    fn file_of(&self, alias: &str) -> Option<&'a str> {
        self.tree.imports.iter().find_map(|import| match import {
            Import::File { path, name } if name.node == alias => Some(path.node.as_str()),
            _ => None,
        })
    }

    /// `name`, or `alias.name`: gives back the file and the name in it.
    fn qualified(&mut self, kind: Kind, name: &QName) -> Option<(String, String)> {
        match name.parts.as_slice() {
            [own] => {
                let symbol = self.symbol(kind, "", &own.node);
                self.add(symbol, own.span, false);
                Some((self.path.to_owned(), own.node.clone()))
            }
            [alias, other] => {
                let path = imported(self.path, self.file_of(&alias.node)?);
                let used = self.symbol(Kind::Alias, "", &alias.node);
                self.add(used, alias.span, false);
                let symbol =
                    Symbol { path: path.clone(), kind, owner: String::new(), name: other.node.clone() };
                self.add(symbol, other.span, false);
                Some((path, other.node.clone()))
            }
            _ => None,
        }
    }

    fn include(&mut self, include: &Include) {
        let of = self.qualified(Kind::Block, &include.name);
        self.arguments(of, &include.args);
    }

    /// The names of arguments are those of parameters.
    fn arguments(&mut self, of: Option<(String, String)>, args: &[Arg]) {
        let Some((path, owner)) = of else { return };
        for arg in args {
            let name = arg.name.node.clone();
            let symbol = Symbol { path: path.clone(), kind: Kind::Parameter, owner: owner.clone(), name };
            self.add(symbol, arg.name.span, false);
        }
    }

    fn item(&mut self, item: &'a Item) {
        match item {
            Item::Block(block) => self.block(block),
            Item::Group { name, .. } => {
                let span = Span { start: name.span.start + 1, ..name.span };
                self.declared(Kind::Group, "", name.node.trim_start_matches('@'), span);
            }
            Item::Const { name, .. } => self.declared(Kind::Constant, "", &name.node, name.span),
            Item::Tool(tool) => self.tool(tool),
            Item::Test { of, args, claims, .. } => {
                let policy = self.qualified(Kind::Block, of);
                self.arguments(policy, args);
                claims.iter().for_each(|claim| self.claim(claim));
            }
        }
    }

    fn block(&mut self, block: &'a Block) {
        self.declared(Kind::Block, "", &block.name.node, block.name.span);
        for param in &block.params {
            self.declared(Kind::Parameter, &block.name.node, &param.name.node, param.name.span);
        }
        block.extends.iter().for_each(|parent| self.include(parent));
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Include(include) => self.include(include),
                StmtKind::Tool(tool) => self.tool(tool),
                StmtKind::ToolUse(names) => names.iter().for_each(|name| {
                    self.qualified(Kind::Tool, name);
                }),
                StmtKind::Assert(claims) => claims.iter().for_each(|claim| self.claim(claim)),
                StmtKind::Syscalls(rules) => {
                    for rule in rules {
                        let SysRuleKind::Action { items, .. } = &rule.kind else { continue };
                        items.iter().filter_map(|it| it.predicate.as_ref()).for_each(|it| self.predicate(it));
                    }
                }
                _ => {}
            }
        }
    }

    fn tool(&mut self, tool: &'a Tool) {
        self.declared(Kind::Tool, "", &tool.name.node, tool.name.span);
        for param in &tool.params {
            self.declared(Kind::Parameter, &tool.name.node, &param.name.node, param.name.span);
        }
        for option in &tool.options {
            if let ToolOptionKind::In(include) = &option.kind {
                self.include(include);
            }
        }
    }

    fn claim(&mut self, claim: &Claim) {
        match &claim.kind {
            ClaimKind::Allow(probe) | ClaimKind::Deny(probe) | ClaimKind::Never(probe) => match probe {
                Probe::Call { name, args } => {
                    let symbol = self.symbol(Kind::Tool, "", &name.node);
                    self.add(symbol, name.span, false);
                    self.arguments(Some((self.path.to_owned(), name.node.clone())), args);
                }
                Probe::Syscall { args, .. } => args.iter().for_each(|arg| self.constant(&arg.value)),
                Probe::Open { .. }
                | Probe::Connect(_)
                | Probe::Request { .. }
                | Probe::Listen(_)
                | Probe::Env(_) => {}
            },
            ClaimKind::NarrowerThan(name) => {
                self.qualified(Kind::Block, name);
            }
        }
    }

    fn predicate(&mut self, pred: &Pred) {
        match &pred.kind {
            PredKind::Or(all) | PredKind::And(all) => all.iter().for_each(|it| self.predicate(it)),
            PredKind::Not(inner) => self.predicate(inner),
            PredKind::Compare { value, .. } => self.constant(value),
            PredKind::In { values, .. } | PredKind::Has { flags: values, .. } => {
                values.iter().for_each(|it| self.constant(it));
            }
            PredKind::Range { .. } => {}
        }
    }

    /// A word of a condition, where it is a constant of the file and none of the kernel.
    fn constant(&mut self, value: &Spanned<Value>) {
        match &value.node {
            Value::Ident(word) if self.has_constant(word) => {
                let symbol = self.symbol(Kind::Constant, "", word);
                self.add(symbol, value.span, false);
            }
            Value::Flags(all) | Value::List(all) => all.iter().for_each(|it| self.constant(it)),
            _ => {}
        }
    }

    fn has_constant(&self, name: &str) -> bool {
        self.tree.items.iter().any(|item| matches!(item, Item::Const { name: it, .. } if it.node == name))
    }

    /// `$name` and `@group`, wherever they stand: the tree has holes where somebody types.
    fn lexemes(&mut self, text: &str) {
        for lexeme in lexemes(text) {
            let written = lexeme.text(text);
            let whole = Span { start: lexeme.start + 1, end: lexeme.end, ..Span::default() };
            match lexeme.class {
                Class::Var => {
                    let name = written.trim_start_matches('$').split('/').next().unwrap_or_default();
                    let Some(symbol) = self.variable(lexeme.start as usize, name) else { continue };
                    let end = whole.start.saturating_add(u32::try_from(name.len()).unwrap_or(0));
                    let span = Span { end, ..whole };
                    self.all.push(Occurrence { symbol, span, declares: false, dollar: true });
                }
                Class::Group => self.group(written.trim_start_matches('@'), whole),
                _ => {}
            }
        }
    }

    fn variable(&self, at: usize, name: &str) -> Option<Symbol> {
        let named = |it: &Name| it.node == name;
        let parameter = |owner: &str| self.symbol(Kind::Parameter, owner, name);
        let tool = crate::names::tools(self.tree).find(|tool| holds(tool.span, at));
        if let Some(tool) = tool.filter(|tool| tool.params.iter().any(|param| named(&param.name))) {
            return Some(parameter(&tool.name.node));
        }
        let tested = self.tree.items.iter().find_map(|item| match item {
            Item::Test { of, span, .. } if holds(*span, at) => Some(dotted(of)),
            _ => None,
        });
        let of_test = crate::names::blocks(self.tree).find(|it| tested.as_ref() == Some(&it.name.node));
        let block = block_at(self.tree, at).or(of_test);
        if let Some(block) = block.filter(|block| block.params.iter().any(|param| named(&param.name))) {
            return Some(parameter(&block.name.node));
        }
        self.has_constant(name).then(|| self.symbol(Kind::Constant, "", name))
    }

    fn group(&mut self, name: &str, span: Span) {
        let own = |wanted: &str| {
            let named = |it: &Name| it.node.trim_start_matches('@') == wanted;
            self.tree.items.iter().any(|item| matches!(item, Item::Group { name, .. } if named(name)))
        };
        if own(name) {
            let symbol = self.symbol(Kind::Group, "", name);
            return self.add(symbol, span, false);
        }
        let Some((alias, group)) = name.split_once('.') else { return };
        let Some(file) = self.file_of(alias) else { return };
        let path = imported(self.path, file);
        let dot = span.start.saturating_add(u32::try_from(alias.len()).unwrap_or(0));
        let used = self.symbol(Kind::Alias, "", alias);
        self.add(used, Span { end: dot, ..span }, false);
        let symbol = Symbol { path, kind: Kind::Group, owner: String::new(), name: group.to_owned() };
        self.add(symbol, Span { start: dot + 1, ..span }, false);
    }
}
