//! Policies and profiles: their heads and their statements.

use super::Reader;
use crate::document::{Key, Kind, Node};
use crate::lists;
use msb_diag::Span;
use msb_syntax::ast::Spanned;
use msb_syntax::ast::{
    Block, BlockKind, Claim, EnvRule, EnvRuleKind, ExecRule, ExecRuleKind, Item, LimitStmt, Net, Stmt,
    StmtKind, Value,
};

impl Reader<'_> {
    pub(super) fn block(&mut self, node: &Node, kind: BlockKind) -> Option<Block> {
        let members = self.map(node, "a mapping with a `name`");
        let Some((name_key, name)) = members.iter().find(|(key, _)| key.text == "name") else {
            if !members.is_empty() {
                self.missing(node.span, "name");
            }
            return None;
        };
        let head = name_key.span.to(name.span);
        let name = self.name(name, "a name in a text")?;
        let mut block = Block {
            kind,
            doc: String::new(),
            name,
            params: Vec::new(),
            extends: None,
            stmts: Vec::new(),
            head,
            span: node.span,
        };
        let mut docs: &[(Key, Node)] = &[];
        for (key, node) in members {
            match key.text.as_str() {
                "name" => {}
                "doc" => block.doc = self.doc(node),
                "docs" => docs = self.map(node, "a mapping of statements to texts"),
                "params" => {
                    let params = self.map(node, "a mapping of names to types");
                    block.params = params.iter().filter_map(|(key, node)| self.param(key, node)).collect();
                }
                "extends" if kind == BlockKind::Policy => {
                    block.extends = self.include(node).map(|(include, _)| include);
                }
                _ => block.stmts.extend(self.statements(key, node)),
            }
        }
        for (key, node) in docs {
            let doc = self.doc(node);
            let wanted = block.stmts.iter_mut().find(|stmt| word(&stmt.kind) == key.text);
            match wanted.filter(|_| lists::DOCUMENTED.contains(&key.text.as_str())) {
                Some(stmt) => stmt.doc = doc,
                None => self.unknown(key, lists::DOCUMENTED),
            }
        }
        Some(block)
    }

    /// The statements of a member: several includes, tools and accepts, one of everything else.
    fn statements(&mut self, key: &Key, node: &Node) -> Vec<Stmt> {
        let span = key.span.to(node.span);
        let one = |kind| vec![Stmt { doc: String::new(), kind, span }];
        match key.text.as_str() {
            "include" => self.all(node, "a list of profiles", |it, node| {
                let (include, doc) = it.include(node)?;
                Some(Stmt { doc, kind: StmtKind::Include(include), span: node.span })
            }),
            "tool" => self.all(node, "a list of tools", |it, node| {
                let tool = it.tool(node)?;
                Some(Stmt { doc: tool.doc.clone(), kind: StmtKind::Tool(tool), span: node.span })
            }),
            "accept" => self.all(node, "a list of accepted findings", |it, node| {
                let kind = it.accept(node)?;
                let members: &[(Key, Node)] = if let Kind::Map(members) = &node.kind { members } else { &[] };
                let doc = members.iter().find(|(key, _)| key.text == "doc");
                let doc = doc.map(|(_, node)| it.doc(node)).unwrap_or_default();
                Some(Stmt { doc, kind, span: node.span })
            }),
            "fs" => one(StmtKind::Fs(self.all(node, "a list of rules", Reader::fs))),
            "net" => self.net(node).map(|net| one(StmtKind::Net(net))).unwrap_or_default(),
            "syscalls" => one(StmtKind::Syscalls(self.all(node, "a list of rules", Reader::syscalls))),
            "limits" => one(self.limits(node)),
            "caps" => one(self.caps(node)),
            "env" => one(StmtKind::Env(self.env(node))),
            "exec" => one(StmtKind::Exec(self.exec(node))),
            "tools" => one(StmtKind::ToolUse(self.all(node, "a list of tools", |it, node| {
                it.fragment(node, "the name of a tool in a text", |it| it.dotted_name())
            }))),
            "assert" => one(StmtKind::Assert(self.claims(node))),
            "sandbox" => one(StmtKind::Sandbox(self.sandbox(node))),
            _ => {
                self.unknown(key, lists::BLOCK);
                Vec::new()
            }
        }
    }

    fn net(&mut self, node: &Node) -> Option<Net> {
        match &node.kind {
            Kind::Text { text, .. } if text == "none" => Some(Net::None),
            Kind::Text { text, .. } if text == "host" => Some(Net::Host),
            Kind::List(_) => Some(Net::Rules(self.all(node, "a list of rules", Reader::net_rule))),
            _ => {
                self.wrong_kind(node, "`none`, `host` or a list of rules");
                None
            }
        }
    }

    fn limits(&mut self, node: &Node) -> StmtKind {
        let (mut hard, mut limits) = (None, Vec::new());
        for (key, node) in self.map(node, "a mapping of limits to values") {
            let span = key.span.to(node.span);
            if key.text == "hard" {
                hard = self.flag(node).then_some(key.span);
                continue;
            }
            let unlimited = matches!(&node.kind, Kind::Text { text, .. } if text == "unlimited");
            let value = if unlimited {
                Some(Spanned { node: Value::Ident("unlimited".to_owned()), span: node.span })
            } else {
                self.quantity(&key.text, node)
            };
            let name = self.key(key, |it| it.name());
            limits.extend(name.zip(value).map(|(name, value)| LimitStmt { name, value, span }));
        }
        StmtKind::Limits { hard, limits }
    }

    fn caps(&mut self, node: &Node) -> StmtKind {
        if matches!(&node.kind, Kind::Text { text, .. } if text == "none") {
            return StmtKind::Caps(Vec::new());
        }
        let caps = self.all(node, "`none`, or a list of capabilities", |it, node| {
            it.name(node, "a capability in a text")
        });
        if caps.is_empty() && matches!(node.kind, Kind::List(_)) {
            self.wrong_kind(node, "`none`, or a list of at least one capability");
        }
        StmtKind::Caps(caps)
    }

    fn env(&mut self, node: &Node) -> Vec<EnvRule> {
        let mut rules = Vec::new();
        for (key, node) in self.map(node, "a mapping with `pass`, `set` and `secret`") {
            let span = key.span.to(node.span);
            match key.text.as_str() {
                "pass" => {
                    let names = self.all(node, "a list of variables", |it, node| {
                        it.fragment(node, "the name of a variable in a text", |it| it.variable())
                    });
                    if names.is_empty() && matches!(&node.kind, Kind::List(nodes) if nodes.is_empty()) {
                        self.wrong_kind(node, "a list of at least one variable");
                    }
                    rules.push(EnvRule { kind: EnvRuleKind::Pass(names), span });
                }
                "set" => {
                    for (key, node) in self.map(node, "a mapping of variables to values") {
                        let name = self.key(key, |it| it.variable());
                        let value = self.value(node);
                        let kind = name.zip(value).map(|(name, value)| EnvRuleKind::Set { name, value });
                        let span = key.span.to(node.span);
                        rules.extend(kind.map(|kind| EnvRule { kind, span }));
                    }
                }
                "secret" => {
                    for (key, node) in self.map(node, "a mapping of variables to parameters") {
                        let name = self.key(key, |it| it.variable());
                        let from = self.fragment(node, "a parameter in a text", |it| it.parameter());
                        let kind = name.zip(from).map(|(name, from)| EnvRuleKind::Secret { name, from });
                        let span = key.span.to(node.span);
                        rules.extend(kind.map(|kind| EnvRule { kind, span }));
                    }
                }
                _ => self.unknown(key, lists::ENV),
            }
        }
        rules
    }

    fn exec(&mut self, node: &Node) -> Vec<ExecRule> {
        let mut rules = Vec::new();
        for (key, node) in self.map(node, "a mapping of settings") {
            let kind = match key.text.as_str() {
                "command" => {
                    let words =
                        self.all(node, "a list of texts", |it, node| it.spanned_string(node, "a text"));
                    if matches!(&node.kind, Kind::List(nodes) if nodes.is_empty()) {
                        self.wrong_kind(node, "a list of at least one text");
                    }
                    Some(ExecRuleKind::Command(words)).filter(|_| !self.is_empty(node))
                }
                "user" => self.constant_value(node).map(ExecRuleKind::User),
                "cwd" => self.path(node).map(ExecRuleKind::Cwd),
                "tty" => self.name(node, "`none` or `private`").map(ExecRuleKind::Tty),
                "hostname" => self.spanned_string(node, "a text").map(ExecRuleKind::Hostname),
                _ => {
                    self.unknown(key, lists::EXEC);
                    None
                }
            };
            rules.extend(kind.map(|kind| ExecRule { kind, span: key.span.to(node.span) }));
        }
        rules
    }

    fn is_empty(&self, node: &Node) -> bool {
        !matches!(&node.kind, Kind::List(nodes) if !nodes.is_empty())
    }

    fn sandbox(&mut self, node: &Node) -> Vec<(msb_syntax::ast::Name, Spanned<Value>)> {
        let mut settings = Vec::new();
        for (key, node) in self.map(node, "a mapping of settings") {
            let name = self.key(key, |it| it.name());
            settings.extend(name.zip(self.constant_value(node)));
        }
        settings
    }

    /// Claims in texts; one with documentation is `{"claim": …, "doc": …}`.
    pub(super) fn claims(&mut self, node: &Node) -> Vec<Claim> {
        self.all(node, "a list of claims", |it, node| {
            let Kind::Map(members) = &node.kind else {
                return it.fragment(node, "a claim in a text", |it| it.claim());
            };
            let (mut claim, mut doc) = (None, String::new());
            for (key, inner) in members {
                match key.text.as_str() {
                    "claim" => claim = it.fragment(inner, "a claim in a text", |it| it.claim()),
                    "doc" => doc = it.doc(inner),
                    _ => it.unknown(key, &["claim", "doc"]),
                }
            }
            if !members.iter().any(|(key, _)| key.text == "claim") {
                it.missing(node.span, "claim");
            }
            claim.map(|claim| Claim { doc, ..claim })
        })
    }

    pub(super) fn test(&mut self, node: &Node) -> Option<Item> {
        let (mut title, mut of, mut args, mut claims) = (None, None, Vec::new(), Vec::new());
        let members = self.map(node, "a mapping with `name`, `for` and `claims`");
        for (key, node) in members {
            match key.text.as_str() {
                "name" => title = self.spanned_string(node, "a title in a text"),
                "for" => of = self.fragment(node, "the name of a policy in a text", |it| it.dotted_name()),
                "with" => args = self.args(node),
                "claims" => claims = self.claims(node),
                _ => self.unknown(key, lists::TEST),
            }
        }
        for member in ["name", "for"] {
            if !members.is_empty() && !members.iter().any(|(key, _)| key.text == member) {
                self.missing(node.span, member);
            }
        }
        let span: Span = node.span;
        Some(Item::Test { title: title?, of: of?, args, claims, span })
    }
}

/// The member of a statement.
pub(crate) fn word(kind: &StmtKind) -> &'static str {
    match kind {
        StmtKind::Include(_) => "include",
        StmtKind::Fs(_) => "fs",
        StmtKind::Net(_) => "net",
        StmtKind::Syscalls(_) => "syscalls",
        StmtKind::Limits { .. } => "limits",
        StmtKind::Caps(_) => "caps",
        StmtKind::Env(_) => "env",
        StmtKind::Exec(_) => "exec",
        StmtKind::ToolUse(_) => "tools",
        StmtKind::Tool(_) => "tool",
        StmtKind::Assert(_) => "assert",
        StmtKind::Accept { .. } => "accept",
        StmtKind::Sandbox(_) => "sandbox",
    }
}
