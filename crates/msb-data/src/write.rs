//! Tree to data: the inverse of `read`.

use crate::Unwritable;
use crate::data::Data;
use crate::lists;
use crate::print;
use crate::read::{is_address, is_more_than_text, word};
use msb_syntax::ast::{
    ActionKind, Arg, Block, BlockKind, Claim, Endpoint, EnvRuleKind, ExecRuleKind, File, FsOptionKind,
    FsRule, Import, Include, Item, LimitStmt, Net, NetOption, NetOptionKind, NetRule, NetRuleKind, PathExpr,
    PathKind, Peer, PortRange, Spanned, Stmt, StmtKind, SysRule, SysRuleKind, Tool, ToolOptionKind, Type,
    Value,
};

type Written<T> = Result<T, Unwritable>;

/// Members in order, none twice.
#[derive(Default)]
struct Members(Vec<(String, Data)>);

impl Members {
    fn add(&mut self, name: impl Into<String>, data: Data) -> Written<()> {
        let name = name.into();
        if self.0.iter().any(|(other, _)| *other == name) {
            return Err(Unwritable { reason: format!("`{name}` is given twice in one place") });
        }
        self.0.push((name, data));
        Ok(())
    }

    /// Appends to the list or mapping called `name`, which is made where it is missing.
    fn extend(&mut self, name: &str, data: Data) -> Written<()> {
        let Some((_, there)) = self.0.iter_mut().find(|(other, _)| other == name) else {
            self.0.push((name.to_owned(), data));
            return Ok(());
        };
        match (there, data) {
            (Data::List(there), Data::List(more)) => there.extend(more),
            (Data::Map(there), Data::Map(more)) => {
                let mut members = Members(std::mem::take(there));
                for (member, data) in more {
                    members.add(member, data)?;
                }
                *there = members.0;
            }
            (there, data) if *there == data => {}
            _ => return Err(Unwritable { reason: format!("`{name}` is given in two ways") }),
        }
        Ok(())
    }

    fn doc(&mut self, doc: &str) -> Written<()> {
        if doc.is_empty() { Ok(()) } else { self.add("doc", Data::text(doc)) }
    }
}

pub(crate) fn file(file: &File) -> Written<Data> {
    let mut members = Members::default();
    if let Some(edition) = &file.edition {
        members.add("edition", Data::Int(edition.node))?;
    }
    if !file.imports.is_empty() {
        members.add("imports", Data::List(file.imports.iter().map(import).collect()))?;
    }
    for item in &file.items {
        let one = |data| Data::List(vec![data]);
        match item {
            Item::Block(it) => {
                let name = if it.kind == BlockKind::Policy { "policies" } else { "profiles" };
                members.extend(name, one(block(it)?))?;
            }
            Item::Group { name, set } => {
                members.extend("groups", pair(&name.node, Data::text(print::set(set))))?;
            }
            Item::Const { name, ty, value: it } => {
                let data = value(&it.node);
                let data = match ty {
                    None => data,
                    Some(ty) => Data::Map(vec![type_member(ty), ("value".to_owned(), data)]),
                };
                members.extend("constants", pair(&name.node, data))?;
            }
            Item::Tool(it) => members.extend("tool", one(tool(it)?))?,
            Item::Test { title, of, args: given, claims: all, .. } => {
                let mut test = Members::default();
                test.add("name", Data::text(&title.node))?;
                test.add("for", Data::text(print::dotted(of)))?;
                if !given.is_empty() {
                    test.add("with", args(given)?)?;
                }
                test.add("claims", claims(all))?;
                members.extend("tests", one(Data::Map(test.0)))?;
            }
        }
    }
    Ok(Data::Map(members.0))
}

fn pair(name: &str, data: Data) -> Data {
    Data::Map(vec![(name.to_owned(), data)])
}

fn type_member(ty: &Type) -> (String, Data) {
    ("type".to_owned(), Data::text(print::type_of(ty)))
}

fn import(import: &Import) -> Data {
    match import {
        Import::Library(name) => Data::text(print::dotted(name)),
        Import::File { path, name } => Data::Map(vec![
            ("file".to_owned(), Data::text(&path.node)),
            ("as".to_owned(), Data::text(&name.node)),
        ]),
    }
}

fn block(block: &Block) -> Written<Data> {
    let mut members = Members::default();
    members.add("name", Data::text(&block.name.node))?;
    members.doc(&block.doc)?;
    let mut docs = Members::default();
    for stmt in &block.stmts {
        if !stmt.doc.is_empty() && lists::DOCUMENTED.contains(&word(&stmt.kind)) {
            docs.extend(word(&stmt.kind), Data::text(&stmt.doc))?;
        }
    }
    if !docs.0.is_empty() {
        members.add("docs", Data::Map(docs.0))?;
    }
    if !block.params.is_empty() {
        let mut params = Members::default();
        for param in &block.params {
            let ty = type_member(&param.ty);
            let data = match &param.default {
                None => ty.1,
                Some(it) => Data::Map(vec![ty, ("default".to_owned(), value(&it.node))]),
            };
            params.add(&param.name.node, data)?;
        }
        members.add("params", Data::Map(params.0))?;
    }
    if let Some(parent) = &block.extends {
        members.add("extends", include(parent, "")?)?;
    }
    for stmt in &block.stmts {
        members.extend(word(&stmt.kind), statement(stmt)?)?;
    }
    Ok(Data::Map(members.0))
}

fn statement(stmt: &Stmt) -> Written<Data> {
    Ok(match &stmt.kind {
        StmtKind::Include(it) => Data::List(vec![include(it, &stmt.doc)?]),
        StmtKind::Fs(rules) => list(rules, fs)?,
        StmtKind::Net(Net::None) => Data::text("none"),
        StmtKind::Net(Net::Host) => Data::text("host"),
        StmtKind::Net(Net::Rules(rules)) => list(rules, net)?,
        StmtKind::Syscalls(rules) => list(rules, syscalls)?,
        StmtKind::Limits { hard, limits: all } => limits(hard.is_some(), all)?,
        StmtKind::Caps(caps) if caps.is_empty() => Data::text("none"),
        StmtKind::Caps(caps) => texts(caps.iter().map(|it| &it.node)),
        StmtKind::Env(rules) => {
            let mut members = Members::default();
            for rule in rules {
                match &rule.kind {
                    EnvRuleKind::Pass(names) => {
                        members.extend("pass", texts(names.iter().map(|it| &it.node)))?;
                    }
                    EnvRuleKind::Set { name, value: it } => {
                        members.extend("set", pair(&name.node, value(&it.node)))?;
                    }
                    EnvRuleKind::Secret { name, from } => {
                        members.extend("secret", pair(&name.node, Data::text(format!("${}", from.node))))?;
                    }
                }
            }
            Data::Map(members.0)
        }
        StmtKind::Exec(rules) => {
            let mut members = Members::default();
            for rule in rules {
                match &rule.kind {
                    ExecRuleKind::Command(words) => {
                        members.add("command", texts(words.iter().map(|it| &it.node)))?;
                    }
                    ExecRuleKind::User(it) => members.add("user", constant(&it.node))?,
                    ExecRuleKind::Cwd(it) => members.add("cwd", path(it))?,
                    ExecRuleKind::Tty(it) => members.add("tty", Data::text(&it.node))?,
                    ExecRuleKind::Hostname(it) => members.add("hostname", Data::text(&it.node))?,
                }
            }
            Data::Map(members.0)
        }
        StmtKind::ToolUse(tools) => {
            Data::List(tools.iter().map(|it| Data::text(print::dotted(it))).collect())
        }
        StmtKind::Tool(it) => Data::List(vec![tool(it)?]),
        StmtKind::Assert(all) => claims(all),
        StmtKind::Accept { codes, because } => {
            let mut members = Members::default();
            members.doc(&stmt.doc)?;
            members.add("codes", texts(codes.iter().map(|it| &it.node)))?;
            if let Some(because) = because {
                members.add("because", Data::text(&because.node))?;
            }
            Data::List(vec![Data::Map(members.0)])
        }
        StmtKind::Sandbox(settings) => {
            let mut members = Members::default();
            for (name, it) in settings {
                members.add(&name.node, constant(&it.node))?;
            }
            Data::Map(members.0)
        }
    })
}

fn list<T>(all: &[T], one: impl Fn(&T) -> Written<Data>) -> Written<Data> {
    all.iter().map(one).collect::<Written<Vec<Data>>>().map(Data::List)
}

fn texts<'a>(all: impl Iterator<Item = &'a String>) -> Data {
    Data::List(all.map(Data::text).collect())
}

fn limits(hard: bool, all: &[LimitStmt]) -> Written<Data> {
    let mut members = Members::default();
    if hard {
        members.add("hard", Data::Bool(true))?;
    }
    for limit in all {
        members.add(&limit.name.node, constant(&limit.value.node))?;
    }
    Ok(Data::Map(members.0))
}

fn fs(rule: &FsRule) -> Written<Data> {
    let mut members = Members::default();
    members.doc(&rule.doc)?;
    members.add(
        print::verb(rule.verb.node).replace(' ', "_"),
        Data::List(rule.paths.iter().map(path).collect()),
    )?;
    for option in &rule.options {
        match &option.kind {
            FsOptionKind::At(it) => members.add("at", path(it))?,
            FsOptionKind::Size(it) => members.add("size", constant(&it.node))?,
            FsOptionKind::Inodes(it) => members.add("inodes", constant(&it.node))?,
            FsOptionKind::From(it) => members.add("from", path(it))?,
            FsOptionKind::Optional => members.add("optional", Data::Bool(true))?,
            FsOptionKind::Missing(it) => members.add("missing", Data::text(&it.node))?,
            FsOptionKind::Symlinks(it) => members.add("symlinks", Data::text(&it.node))?,
            FsOptionKind::Enforce(it) => members.add("enforce", Data::text(&it.node))?,
            FsOptionKind::Beside(it) => members.add("beside", Data::text(&it.node))?,
            FsOptionKind::Depth(it) => members.add("depth", constant(&it.node))?,
        }
    }
    Ok(Data::Map(members.0))
}

fn net(rule: &NetRule) -> Written<Data> {
    let mut members = Members::default();
    members.doc(&rule.doc)?;
    let ends = |all: &[Endpoint]| Data::List(all.iter().map(endpoint).collect());
    match &rule.kind {
        NetRuleKind::Allow(all) => members.add("allow", ends(all))?,
        NetRuleKind::Deny(all) => members.add("deny", ends(all))?,
        NetRuleKind::Listen(all) => members.add("listen", ends(all))?,
        NetRuleKind::Total => members.add("total", Data::Bool(true))?,
    }
    for option in &rule.options {
        net_option(option, &mut members)?;
    }
    Ok(Data::Map(members.0))
}

fn net_option(option: &NetOption, members: &mut Members) -> Written<()> {
    match &option.kind {
        NetOptionKind::Only { methods, paths } => {
            let methods = texts(methods.iter().map(|it| &it.node));
            if paths.is_empty() {
                return members.add("only", methods);
            }
            let paths = Data::List(paths.iter().map(path).collect());
            let both = vec![("methods".to_owned(), methods), ("paths".to_owned(), paths)];
            members.add("only", Data::Map(both))
        }
        NetOptionKind::Inject(it) => members.add("inject", Data::text(format!("${}", it.node))),
        NetOptionKind::Inspect => members.add("inspect", Data::Bool(true)),
        NetOptionKind::Optional => members.add("optional", Data::Bool(true)),
        NetOptionKind::Rate { rate, burst } => add_rate(rate, burst.as_ref(), members),
        NetOptionKind::Quota { size, direction } => {
            let direction = direction.as_ref().map(|it| format!("_{}", it.node)).unwrap_or_default();
            members.add(format!("quota{direction}"), constant(&size.node))
        }
        NetOptionKind::Connections(it) => members.add("connections", Data::Int(it.node)),
    }
}

fn add_rate(rate: &Spanned<Value>, burst: Option<&Spanned<u64>>, members: &mut Members) -> Written<()> {
    members.add("rate", constant(&rate.node))?;
    burst.map_or(Ok(()), |it| members.add("burst", Data::Int(it.node)))
}

fn endpoint(end: &Endpoint) -> Data {
    let peer = match &end.peer {
        Peer::Text(it) => {
            let plain = !lists::PEERS.contains(&it.node.as_str())
                && !it.node.starts_with('$')
                && !is_address(&it.node);
            if plain { Data::text(&it.node) } else { pair("name", Data::text(&it.node)) }
        }
        Peer::Address(it) | Peer::Word(it) => Data::text(&it.node),
        Peer::Var(it) => Data::text(format!("${}", it.node)),
        Peer::Path(it) => path(it),
    };
    let mut members = vec![(end.protocol.node.clone(), peer)];
    let port = |range: &PortRange| {
        if range.from.node == range.to.node {
            return Data::Int(range.from.node);
        }
        Data::text(format!("{}..{}", range.from.node, range.to.node))
    };
    match end.ports.as_slice() {
        [] => {}
        [one] => members.push(("port".to_owned(), port(one))),
        many => members.push(("ports".to_owned(), Data::List(many.iter().map(port).collect()))),
    }
    if let Some(inside) = &end.inside {
        members.push(("at".to_owned(), Data::Int(inside.node)));
    }
    Data::Map(members)
}

fn syscalls(rule: &SysRule) -> Written<Data> {
    let mut members = Members::default();
    members.doc(&rule.doc)?;
    match &rule.kind {
        SysRuleKind::Action { action, items } => {
            let calls = Data::List(items.iter().map(|it| Data::text(print::system_calls(it))).collect());
            if let ActionKind::Errno(name) = &action.kind {
                members.add("errno", Data::text(&name.node))?;
                members.add("calls", calls)?;
            } else {
                members.add(print::action(action), calls)?;
            }
        }
        SysRuleKind::Default(it) => members.add("default", Data::text(print::action(it)))?,
        SysRuleKind::Arch(names) => members.add("arch", texts(names.iter().map(|it| &it.node)))?,
    }
    Ok(Data::Map(members.0))
}

fn tool(tool: &Tool) -> Written<Data> {
    let mut members = Members::default();
    members.add("name", Data::text(&tool.name.node))?;
    members.doc(&tool.doc)?;
    if !tool.params.is_empty() {
        let mut params = Members::default();
        for param in &tool.params {
            let mut typed = vec![type_member(&param.ty)];
            if param.optional {
                typed.push(("optional".to_owned(), Data::Bool(true)));
            }
            typed.extend(param.default.as_ref().map(|it| ("default".to_owned(), value(&it.node))));
            let data = if let [(_, ty)] = typed.as_slice() { ty.clone() } else { Data::Map(typed) };
            params.add(&param.name.node, data)?;
        }
        members.add("params", Data::Map(params.0))?;
    }
    if let Some(result) = &tool.result {
        members.add("returns", Data::text(print::type_of(result)))?;
    }
    for option in &tool.options {
        match &option.kind {
            ToolOptionKind::Rate { rate, burst } => add_rate(rate, burst.as_ref(), &mut members)?,
            ToolOptionKind::Quota(it) => members.add("quota", Data::Int(it.node))?,
            ToolOptionKind::Timeout(it) => members.add("timeout", constant(&it.node))?,
            ToolOptionKind::Concurrency(it) => members.add("concurrency", Data::Int(it.node))?,
            ToolOptionKind::Result(it) => members.add("result", constant(&it.node))?,
            ToolOptionKind::Confirm => members.add("confirm", Data::Bool(true))?,
            ToolOptionKind::Exec(words) => {
                let word = |it: &Spanned<Value>| match &it.node {
                    Value::Text(text) if text.starts_with('$') => pair("text", Data::text(text)),
                    Value::Text(text) => Data::text(text),
                    other => Data::text(print::value(other)),
                };
                members.add("exec", Data::List(words.iter().map(word).collect()))?;
            }
            ToolOptionKind::Stdin(it) => members.add("stdin", Data::text(format!("${}", it.node)))?,
            ToolOptionKind::In(it) => members.add("in", include(it, "")?)?,
            ToolOptionKind::Shim => members.add("shim", Data::Bool(true))?,
            ToolOptionKind::Log(it) => members.add("log", Data::text(&it.node))?,
        }
    }
    Ok(Data::Map(members.0))
}

fn claims(claims: &[Claim]) -> Data {
    let one = |claim: &Claim| {
        let text = Data::text(print::claim(claim));
        if claim.doc.is_empty() {
            return text;
        }
        Data::Map(vec![("doc".to_owned(), Data::text(&claim.doc)), ("claim".to_owned(), text)])
    };
    Data::List(claims.iter().map(one).collect())
}

fn include(include: &Include, doc: &str) -> Written<Data> {
    let name = print::dotted(&include.name);
    if include.args.is_empty() && doc.is_empty() {
        return Ok(Data::text(name));
    }
    let mut members = Members::default();
    members.doc(doc)?;
    // A profile called `doc` has a mapping behind it, documentation a text.
    members.0.push((name, args(&include.args)?));
    Ok(Data::Map(members.0))
}

fn args(args: &[Arg]) -> Written<Data> {
    let mut members = Members::default();
    for arg in args {
        members.add(&arg.name.node, value(&arg.value.node))?;
    }
    Ok(Data::Map(members.0))
}

fn path(path: &PathExpr) -> Data {
    match &path.kind {
        PathKind::Path(text) if text.starts_with(['$', '@']) => pair("path", Data::text(text)),
        PathKind::Path(text) => Data::text(text),
        PathKind::Var { .. } | PathKind::Group(_) => Data::text(print::path(path)),
    }
}

/// Where a text would be a word or a number with a unit, so that nothing needs to be said of which.
fn constant(value: &Value) -> Data {
    match value {
        Value::Int(it) => Data::Int(*it),
        other => Data::text(print::value(other)),
    }
}

/// Where a text is a text unless it is plainly something else.
fn value(value: &Value) -> Data {
    match value {
        Value::Int(it) => Data::Int(*it),
        Value::Text(it) if is_more_than_text(it) => pair("text", Data::text(it)),
        Value::Text(it) => Data::text(it),
        Value::Ident(it) => pair("word", Data::text(it)),
        Value::Flags(flags) => pair("flags", Data::List(flags.iter().map(|it| constant(&it.node)).collect())),
        Value::List(values) => Data::List(values.iter().map(|it| self::value(&it.node)).collect()),
        other => Data::text(print::value(other)),
    }
}
