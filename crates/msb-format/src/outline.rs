//! What the tree knows of the text: where blocks, entries and columns begin, by byte.

use crate::gaps::Signs;
use msb_syntax::ast::{
    ActionKind, Claim, ClaimKind, Endpoint, EnvRule, EnvRuleKind, ExecRule, File, FsRule, FsVerb, Import,
    Item, LimitStmt, Net, NetRule, NetRuleKind, Probe, Span, Stmt, StmtKind, SysRule, SysRuleKind, Tool,
};
use msb_syntax::{Class, Lexeme};
use std::collections::{HashMap, HashSet};

/// Where everything of a file begins that a layout depends on. Keys are first bytes of lexemes.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// Items, statements, rules, options of tools: what stands in a block.
    pub(crate) entries: HashMap<u32, Signs>,
    /// The `{` of blocks, and how their entries share lines.
    pub(crate) blocks: HashMap<u32, Lines>,
    /// The `:` before ports.
    pub(crate) ports: HashSet<u32>,
    /// Lexemes before which a column may be.
    pub(crate) stops: HashMap<u32, Stop>,
}

/// How the entries of a block that is not on one line share lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Each has its own.
    Own,
    /// As the author has it.
    Shared,
}

/// A place in a line that can be aligned with those of the lines around it; in the order of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// Behind the n-th word that says what a rule does.
    Verb(u8),
    /// Before the n-th option.
    Option(u32),
    /// Before the n-th entry of a line.
    Entry(u32),
    /// Before a comment at the end of a line.
    Comment,
}

/// Finds them.
pub(crate) fn outline(file: &File, text: &str, lexemes: &[Lexeme]) -> Outline {
    let mut walk = Walk { text, lexemes, out: Outline::default() };
    if let Some(edition) = &file.edition {
        walk.keyword_before(edition.span, Signs::Call);
    }
    for import in &file.imports {
        match import {
            Import::File { path, name } => {
                walk.keyword_before(path.span, Signs::Call);
                walk.stop_before(name.span, Stop::Option(0));
            }
            Import::Library(name) => walk.keyword_before(name.span, Signs::Call),
        }
    }
    for item in &file.items {
        walk.item(item);
    }
    walk.out
}

struct Walk<'a> {
    text: &'a str,
    lexemes: &'a [Lexeme],
    out: Outline,
}

impl Walk<'_> {
    /// The index of the first lexeme at or behind `byte`.
    fn index(&self, byte: u32) -> usize {
        self.lexemes.partition_point(|it| it.start < byte)
    }

    /// The tokens from `byte` on.
    fn tokens(&self, byte: u32) -> impl Iterator<Item = &Lexeme> {
        let rest = self.lexemes.get(self.index(byte)..).unwrap_or_default();
        rest.iter().filter(|it| !matches!(it.class, Class::Comment | Class::Doc))
    }

    /// The token before `byte`.
    fn token_before(&self, byte: u32) -> Option<&Lexeme> {
        let before = self.lexemes.get(..self.index(byte)).unwrap_or_default();
        before.iter().rev().find(|it| !matches!(it.class, Class::Comment | Class::Doc))
    }

    fn entry(&mut self, span: Span, signs: Signs) {
        self.out.entries.insert(span.start, signs);
    }

    /// An entry that begins with the word before `span`.
    fn keyword_before(&mut self, span: Span, signs: Signs) {
        if let Some(start) = self.token_before(span.start).map(|it| it.start) {
            self.out.entries.insert(start, signs);
        }
    }

    /// A column before the word before `span`.
    fn stop_before(&mut self, span: Span, stop: Stop) {
        if let Some(start) = self.token_before(span.start).map(|it| it.start) {
            self.out.stops.insert(start, stop);
        }
    }

    /// A column before the `nth` token of what begins at `span`.
    fn stop_at(&mut self, span: Span, nth: usize, stop: Stop) {
        let start = self.tokens(span.start).nth(nth).map(|it| it.start);
        if let Some(start) = start.filter(|&start| start < span.end) {
            self.out.stops.insert(start, stop);
        }
    }

    fn stop(&mut self, span: Span, stop: Stop) {
        self.out.stops.insert(span.start, stop);
    }

    /// The first `{` outside of parentheses between `from` and `to` opens a block.
    fn block(&mut self, from: u32, to: u32, lines: Lines) -> Option<u32> {
        let mut depth = 0usize;
        let found = self.tokens(from).take_while(|it| it.start < to).find(|it| {
            match it.text(self.text) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                "{" => return depth == 0,
                _ => {}
            }
            false
        });
        let open = found?.start;
        self.out.blocks.insert(open, lines);
        Some(open)
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Block(block) => {
                self.entry(block.span, Signs::Call);
                self.block(block.head.end, block.span.end, Lines::Own);
                block.stmts.iter().for_each(|stmt| self.statement(stmt));
            }
            Item::Group { name, set } => {
                self.keyword_before(name.span, Signs::Group);
                // A bracket before the set is not in its span.
                let equals = self.tokens(name.span.end).next().map(|it| it.start);
                self.out
                    .stops
                    .extend(equals.filter(|&at| at < set.span.start).map(|at| (at, Stop::Option(0))));
            }
            Item::Const { name, value, .. } => {
                self.keyword_before(name.span, Signs::Call);
                self.stop_before(value.span, Stop::Option(0));
            }
            Item::Tool(tool) => self.tool(tool),
            Item::Test { claims, span, .. } => {
                self.entry(*span, Signs::Call);
                self.block(span.start, span.end, Lines::Own);
                claims.iter().for_each(|claim| self.claim(claim));
            }
        }
    }

    fn statement(&mut self, stmt: &Stmt) {
        let span = stmt.span;
        self.entry(span, Signs::Call);
        let mut lines = Lines::Own;
        match &stmt.kind {
            StmtKind::Include(_) | StmtKind::Caps(_) | StmtKind::ToolUse(_) => return,
            StmtKind::Net(Net::None | Net::Host) => return,
            StmtKind::Accept { because, .. } => {
                if let Some(because) = because {
                    self.stop_before(because.span, Stop::Option(0));
                }
                return;
            }
            StmtKind::Tool(tool) => return self.tool(tool),
            StmtKind::Fs(rules) => rules.iter().for_each(|rule| self.fs(rule)),
            StmtKind::Net(Net::Rules(rules)) => rules.iter().for_each(|rule| self.net(rule)),
            StmtKind::Syscalls(rules) => rules.iter().for_each(|rule| self.syscalls(rule)),
            StmtKind::Assert(claims) => claims.iter().for_each(|claim| self.claim(claim)),
            StmtKind::Limits { limits, .. } => {
                lines = Lines::Shared;
                limits.iter().for_each(|limit| self.limit(limit));
            }
            StmtKind::Env(rules) => {
                lines = Lines::Shared;
                rules.iter().for_each(|rule| self.env(rule));
            }
            StmtKind::Exec(rules) => {
                lines = Lines::Shared;
                rules.iter().for_each(|rule| self.exec(rule));
            }
            StmtKind::Sandbox(settings) => {
                lines = Lines::Shared;
                for (name, value) in settings {
                    self.entry(name.span, Signs::Call);
                    self.stop(value.span, Stop::Verb(0));
                }
            }
        }
        if let Some(open) = self.block(span.start, span.end, lines) {
            self.out.stops.insert(open, Stop::Verb(0));
        }
    }

    fn fs(&mut self, rule: &FsRule) {
        self.entry(rule.span, Signs::Call);
        let two_words = matches!(rule.verb.node, FsVerb::DenyRead | FsVerb::DenyWrite | FsVerb::DenyRun);
        self.stop_at(rule.span, 1, Stop::Verb(0));
        if two_words {
            self.stop_at(rule.span, 2, Stop::Verb(1));
        }
        for (stop, option) in options().zip(&rule.options) {
            self.stop(option.span, stop);
        }
    }

    fn net(&mut self, rule: &NetRule) {
        self.entry(rule.span, Signs::Call);
        let stops = options();
        let total = matches!(rule.kind, NetRuleKind::Total);
        for (stop, option) in stops.zip(rule.options.iter().skip(usize::from(total))) {
            self.stop(option.span, stop);
        }
        self.stop_at(rule.span, 1, Stop::Verb(0));
        if let NetRuleKind::Allow(all) | NetRuleKind::Deny(all) | NetRuleKind::Listen(all) = &rule.kind {
            all.iter().for_each(|endpoint| self.endpoint(endpoint));
        }
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        if let Some(first) = endpoint.ports.first() {
            // Between the peer and its ports; a set of ports has a bracket there as well.
            let before = self.lexemes.get(..self.index(first.from.span.start)).unwrap_or_default();
            let colon = before.iter().rev().find(|it| it.text(self.text) == ":").map(|it| it.start);
            self.out.ports.extend(colon);
        }
    }

    fn syscalls(&mut self, rule: &SysRule) {
        self.entry(rule.span, Signs::Group);
        self.stop_at(rule.span, 1, Stop::Verb(0));
        if let SysRuleKind::Action { action, items } = &rule.kind {
            if matches!(action.kind, ActionKind::Errno(_)) {
                self.stop_at(rule.span, 2, Stop::Verb(1));
            }
            for (stop, item) in options().zip(items) {
                let condition = item.predicate.as_ref().map(|predicate| predicate.span.start);
                let before = condition.and_then(|at| {
                    let tokens = self.lexemes.get(self.index(item.span.start)..self.index(at))?;
                    tokens.iter().rev().find(|it| it.text(self.text) == "where").map(|it| it.start)
                });
                self.out.stops.extend(before.map(|at| (at, stop)));
            }
        }
    }

    fn limit(&mut self, limit: &LimitStmt) {
        self.entry(limit.span, Signs::Call);
        self.stop(limit.value.span, Stop::Verb(0));
    }

    fn env(&mut self, rule: &EnvRule) {
        self.entry(rule.span, Signs::Call);
        self.stop_at(rule.span, 1, Stop::Verb(0));
        if !matches!(rule.kind, EnvRuleKind::Pass(_)) {
            self.stop_at(rule.span, 2, Stop::Option(0));
        }
    }

    fn exec(&mut self, rule: &ExecRule) {
        self.entry(rule.span, Signs::Call);
        self.stop_at(rule.span, 1, Stop::Verb(0));
    }

    fn tool(&mut self, tool: &Tool) {
        self.entry(tool.span, Signs::Call);
        let from = tool.result.as_ref().map_or(tool.span.start, |result| result.span.end);
        self.block(from, tool.span.end, Lines::Shared);
        for option in &tool.options {
            self.entry(option.span, Signs::Call);
            self.stop_at(option.span, 1, Stop::Verb(0));
        }
    }

    fn claim(&mut self, claim: &Claim) {
        self.entry(claim.span, Signs::Call);
        self.stop_at(claim.span, 1, Stop::Verb(0));
        let reason = claim.by.as_ref().or(claim.because.as_ref());
        if let Some(reason) = reason {
            self.stop_before(reason.span, Stop::Option(0));
        }
        if let ClaimKind::Allow(probe) | ClaimKind::Deny(probe) | ClaimKind::Never(probe) = &claim.kind
            && let Probe::Connect(endpoint) | Probe::Request { endpoint, .. } | Probe::Listen(endpoint) =
                probe
        {
            self.endpoint(endpoint);
        }
    }
}

fn options() -> impl Iterator<Item = Stop> {
    (0..).map(Stop::Option)
}
