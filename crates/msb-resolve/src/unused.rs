//! What is declared and never used: most often a name that was meant to be used somewhere.

use crate::scope::{blocks, dotted, is_standard};
use crate::walk::{self, Visit};
use msb_diag::{Diagnostic, Span, codes};
use msb_syntax::ast::{
    Block, BlockKind, ClaimKind, File, Import, Include, Item, Name, PathExpr, PathKind, Spanned, StmtKind,
    Value,
};
use std::collections::BTreeSet;

/// The names that a part of the file uses.
#[derive(Default)]
struct Used {
    variables: BTreeSet<String>,
    words: BTreeSet<String>,
    groups: BTreeSet<String>,
    includes: BTreeSet<String>,
}

impl Visit for Used {
    fn path(&mut self, path: &mut PathExpr) {
        if let PathKind::Var { name, .. } = &path.kind {
            self.variables.insert(name.node.clone());
        }
    }

    fn value(&mut self, value: &mut Spanned<Value>) {
        match &value.node {
            Value::Var { name, .. } => {
                self.variables.insert(name.node.clone());
            }
            Value::Ident(word) => {
                self.words.insert(word.clone());
            }
            _ => {}
        }
    }

    fn name(&mut self, name: &mut Name) {
        self.variables.insert(name.node.clone());
    }

    fn group(&mut self, group: &mut String) {
        self.groups.insert(group.clone());
    }
}

impl Used {
    fn include(&mut self, include: &Include) {
        self.includes.insert(dotted(&include.name));
        for arg in &include.args {
            walk::value(&mut arg.value.clone(), self);
        }
    }

    fn block(&mut self, block: &Block) {
        block.extends.iter().for_each(|extends| self.include(extends));
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Include(include) => self.include(include),
                StmtKind::ToolUse(names) => self.words.extend(names.iter().map(dotted)),
                StmtKind::Assert(claims) => {
                    for claim in claims {
                        if let ClaimKind::NarrowerThan(name) = &claim.kind {
                            self.includes.insert(dotted(name));
                        }
                    }
                    walk::stmt(&mut stmt.clone(), self);
                }
                _ => walk::stmt(&mut stmt.clone(), self),
            }
        }
    }
}

pub(crate) fn unused(file: &File, found: &mut Vec<Diagnostic>) {
    let mut everywhere = Used::default();
    for block in blocks(file) {
        everywhere.block(block);
        let mut inside = Used::default();
        inside.block(block);
        for param in &block.params {
            let name = &param.name;
            if !inside.variables.contains(&name.node) {
                found.push(report("parameter", name, &format!("`{}` does not use it", block.name.node)));
            }
        }
    }
    // Without a policy the file is a library, and who uses it is not known here.
    if !blocks(file).any(|block| block.kind == BlockKind::Policy) {
        return;
    }
    for item in &file.items {
        match item {
            Item::Test { of, claims, .. } => {
                everywhere.includes.insert(dotted(of));
                let compared = claims.iter().filter_map(|claim| match &claim.kind {
                    ClaimKind::NarrowerThan(name) => Some(dotted(name)),
                    _ => None,
                });
                everywhere.includes.extend(compared);
            }
            Item::Group { set, .. } => walk::set(&mut set.clone(), &mut everywhere),
            _ => {}
        }
    }
    for item in &file.items {
        match item {
            Item::Block(block)
                if block.kind == BlockKind::Profile && !everywhere.includes.contains(&block.name.node) =>
            {
                found.push(report("profile", &block.name, "nothing includes it"));
            }
            Item::Tool(tool) if !everywhere.words.contains(&tool.name.node) => {
                found.push(report("tool", &tool.name, "no `tools` names it"));
            }
            Item::Group { name, .. } if !everywhere.groups.contains(&name.node) => {
                found.push(report("group", name, "no rule names it"));
            }
            Item::Const { name, .. }
                if !everywhere.variables.contains(&name.node) && !everywhere.words.contains(&name.node) =>
            {
                found.push(report("constant", name, "nothing names it"));
            }
            _ => {}
        }
    }
    for import in &file.imports {
        if let Import::File { name, .. } = import {
            let inside = format!("{}.", name.node);
            let in_groups =
                everywhere.groups.iter().any(|group| group.trim_start_matches('@').starts_with(&inside));
            if !in_groups && !everywhere.includes.iter().any(|used| used.starts_with(&inside)) {
                found.push(unused_at("import", &name.node, name.span, "nothing of it is named"));
            }
        }
        // One that does not exist was reported as that.
        if let Import::Library(name) = import
            && is_standard(name)
        {
            let written = dotted(name);
            let inside = format!("{written}.");
            if !everywhere.includes.iter().any(|used| *used == written || used.starts_with(&inside)) {
                found.push(
                    Diagnostic::new(codes::UNUSED, format!("import `{written}` is never used"))
                        .label(name.span, "an import alone adds no rule")
                        .help(format!("write `include {written}` in the policy, which needs no import")),
                );
            }
        }
    }
}

fn report(what: &str, name: &Name, why: &str) -> Diagnostic {
    unused_at(what, &name.node, name.span, why)
}

fn unused_at(what: &str, name: &str, span: Span, why: &str) -> Diagnostic {
    Diagnostic::new(codes::UNUSED, format!("{what} `{name}` is never used"))
        .label(span, why)
        .help("use it or take it away")
}
