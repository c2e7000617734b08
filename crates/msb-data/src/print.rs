//! Trees as text in the language, a rule a line; the formatter does the rest.

use msb_syntax::ast::{
    Action, ActionKind, Arg, Block, BlockKind, Claim, ClaimKind, CompareOp, Endpoint, EnvRuleKind,
    ExecRuleKind, File, FsOptionKind, FsVerb, Has, Import, Include, Item, Name, Net, NetOption,
    NetOptionKind, NetRuleKind, Param, PathExpr, PathKind, Peer, PortRange, Pred, PredKind, Probe, QName,
    Refine, Set, SetKind, Spanned, Stmt, StmtKind, SysItem, SysRuleKind, Tool, ToolOptionKind, ToolParam,
    Type, TypeKind, Value,
};
use msb_syntax::{Class, lexemes};
use std::fmt::Write as _;

/// The whole file.
pub(crate) fn file(file: &File) -> String {
    let mut out = String::new();
    if let Some(edition) = &file.edition {
        out.push_str(&format!("edition {}\n", edition.node));
    }
    for import in &file.imports {
        match import {
            Import::File { path, name } => {
                out.push_str(&format!("import {} as {}\n", text(&path.node), name.node));
            }
            Import::Library(name) => out.push_str(&format!("import {}\n", dotted(name))),
        }
    }
    for one in &file.items {
        item(one, &mut out);
    }
    out
}

fn item(item: &Item, out: &mut String) {
    match item {
        Item::Block(it) => block(it, out),
        Item::Group { name, set: it } => out.push_str(&format!("group {} = {}\n", name.node, set(it))),
        Item::Const { name, ty, value: it } => {
            let ty = ty.as_ref().map(|ty| format!(": {}", type_of(ty))).unwrap_or_default();
            out.push_str(&format!("const {}{ty} = {}\n", name.node, value(&it.node)));
        }
        Item::Tool(it) => tool(it, out),
        Item::Test { title, of, args: given, claims, .. } => {
            out.push_str(&format!("test {} for {}{} {{\n", text(&title.node), dotted(of), args(given)));
            claims.iter().for_each(|it| documented(&it.doc, &claim(it), out));
            out.push_str("}\n");
        }
    }
}

/// `##` lines, and what they are about.
fn documented(doc: &str, line: &str, out: &mut String) {
    for text in doc.lines() {
        let space = if text.is_empty() { "" } else { " " };
        out.push_str(&format!("##{space}{text}\n"));
    }
    out.push_str(line);
    out.push('\n');
}

fn block(block: &Block, out: &mut String) {
    let word = if block.kind == BlockKind::Policy { "policy" } else { "profile" };
    let mut head = format!("{word} {}", block.name.node);
    if !block.params.is_empty() {
        head.push_str(&format!("({})", joined(&block.params, param)));
    }
    if let Some(parent) = &block.extends {
        head.push_str(&format!(" extends {}", include(parent)));
    }
    head.push_str(" {");
    documented(&block.doc, &head, out);
    block.stmts.iter().for_each(|it| statement(it, out));
    out.push_str("}\n");
}

fn param(param: &Param) -> String {
    let default = param.default.as_ref().map(|it| format!(" = {}", value(&it.node))).unwrap_or_default();
    format!("{}: {}{default}", param.name.node, type_of(&param.ty))
}

fn statement(stmt: &Stmt, out: &mut String) {
    if let StmtKind::Tool(it) = &stmt.kind {
        return tool(it, out);
    }
    let mut lines = String::new();
    let mut line = |text: String| {
        lines.push_str(&text);
        lines.push('\n');
    };
    let head = match &stmt.kind {
        StmtKind::Include(it) => format!("include {}", include(it)),
        StmtKind::Net(Net::None) => "net none".to_owned(),
        StmtKind::Net(Net::Host) => "net host".to_owned(),
        StmtKind::Caps(caps) if caps.is_empty() => "caps none".to_owned(),
        StmtKind::Caps(caps) => format!("caps {}", joined(caps, |it| it.node.clone())),
        StmtKind::ToolUse(tools) => format!("tools {}", joined(tools, dotted)),
        StmtKind::Accept { codes, because } => {
            let because = because.as_ref().map(|it| format!(" because {}", text(&it.node)));
            format!("accept {}{}", joined(codes, |it| it.node.clone()), because.unwrap_or_default())
        }
        StmtKind::Tool(_) => String::new(),
        StmtKind::Fs(rules) => {
            for rule in rules {
                let options: String =
                    rule.options.iter().map(|it| format!(" {}", fs_option(&it.kind))).collect();
                let rights = format!("{} {}{options}", verb(rule.verb.node), joined(&rule.paths, path));
                documented(&rule.doc, &rights, &mut lines);
            }
            "fs {".to_owned()
        }
        StmtKind::Net(Net::Rules(rules)) => {
            for rule in rules {
                let head = match &rule.kind {
                    NetRuleKind::Allow(all) => format!("allow {}", joined(all, endpoint)),
                    NetRuleKind::Deny(all) => format!("deny {}", joined(all, endpoint)),
                    NetRuleKind::Listen(all) => format!("listen {}", joined(all, endpoint)),
                    NetRuleKind::Total => "total".to_owned(),
                };
                let options: String = rule.options.iter().map(|it| format!(" {}", net_option(it))).collect();
                documented(&rule.doc, &format!("{head}{options}"), &mut lines);
            }
            "net {".to_owned()
        }
        StmtKind::Syscalls(rules) => {
            for rule in rules {
                let text = match &rule.kind {
                    SysRuleKind::Action { action: it, items } => {
                        format!("{} {}", action(it), joined(items, system_calls))
                    }
                    SysRuleKind::Default(it) => format!("default {}", action(it)),
                    SysRuleKind::Arch(names) => format!("arch {}", joined(names, |it| it.node.clone())),
                };
                documented(&rule.doc, &text, &mut lines);
            }
            "syscalls {".to_owned()
        }
        StmtKind::Limits { hard, limits } => {
            limits.iter().for_each(|it| line(format!("{} {}", it.name.node, value(&it.value.node))));
            format!("limits {}{{", if hard.is_some() { "hard " } else { "" })
        }
        StmtKind::Env(rules) => {
            for rule in rules {
                line(match &rule.kind {
                    EnvRuleKind::Pass(names) => format!("pass {}", joined(names, |it| it.node.clone())),
                    EnvRuleKind::Set { name, value: it } => {
                        format!("set {} = {}", name.node, value(&it.node))
                    }
                    EnvRuleKind::Secret { name, from } => format!("secret {} from ${}", name.node, from.node),
                });
            }
            "env {".to_owned()
        }
        StmtKind::Exec(rules) => {
            for rule in rules {
                line(match &rule.kind {
                    ExecRuleKind::Command(words) => {
                        let words: Vec<String> = words.iter().map(|it| text(&it.node)).collect();
                        format!("command {}", words.join(" "))
                    }
                    ExecRuleKind::User(it) => format!("user {}", value(&it.node)),
                    ExecRuleKind::Cwd(it) => format!("cwd {}", path(it)),
                    ExecRuleKind::Tty(it) => format!("tty {}", it.node),
                    ExecRuleKind::Hostname(it) => format!("hostname {}", text(&it.node)),
                });
            }
            "exec {".to_owned()
        }
        StmtKind::Assert(claims) => {
            claims.iter().for_each(|it| documented(&it.doc, &claim(it), &mut lines));
            "assert {".to_owned()
        }
        StmtKind::Sandbox(settings) => {
            settings.iter().for_each(|(name, it)| line(format!("{} {}", name.node, value(&it.node))));
            "sandbox {".to_owned()
        }
    };
    documented(&stmt.doc, &head, out);
    if head.ends_with('{') {
        out.push_str(&lines);
        out.push_str("}\n");
    }
}

/// `deny_write` is the same with `_`.
pub(crate) fn verb(verb: FsVerb) -> &'static str {
    match verb {
        FsVerb::Read => "read",
        FsVerb::Write => "write",
        FsVerb::Create => "create",
        FsVerb::Append => "append",
        FsVerb::Run => "run",
        FsVerb::Deny => "deny",
        FsVerb::DenyRead => "deny read",
        FsVerb::DenyWrite => "deny write",
        FsVerb::DenyRun => "deny run",
        FsVerb::Scratch => "scratch",
        FsVerb::Overlay => "overlay",
        FsVerb::Device => "device",
        FsVerb::Socket => "socket",
        FsVerb::Proc => "proc",
    }
}

fn fs_option(option: &FsOptionKind) -> String {
    match option {
        FsOptionKind::At(it) => format!("at {}", path(it)),
        FsOptionKind::Size(it) => format!("size {}", value(&it.node)),
        FsOptionKind::Inodes(it) => format!("inodes {}", value(&it.node)),
        FsOptionKind::From(it) => format!("from {}", path(it)),
        FsOptionKind::Optional => "optional".to_owned(),
        FsOptionKind::Missing(it) => format!("missing {}", it.node),
        FsOptionKind::Symlinks(it) => format!("symlinks {}", it.node),
        FsOptionKind::Enforce(it) => format!("enforce {}", it.node),
        FsOptionKind::Beside(it) => format!("beside {}", text(&it.node)),
        FsOptionKind::Depth(it) => format!("depth {}", value(&it.node)),
    }
}

fn endpoint(end: &Endpoint) -> String {
    let peer = match &end.peer {
        Peer::Text(it) => text(&it.node),
        Peer::Address(it) | Peer::Word(it) => it.node.clone(),
        Peer::Var(it) => format!("${}", it.node),
        Peer::Path(it) => path(it),
    };
    let ports = match end.ports.as_slice() {
        [] => String::new(),
        [one] => format!(":{}", port(one)),
        many => format!(":{{{}}}", joined(many, port)),
    };
    let inside = end.inside.as_ref().map_or_else(String::new, |port| format!(" at {}", port.node));
    format!("{} {peer}{ports}{inside}", end.protocol.node)
}

fn port(range: &PortRange) -> String {
    if range.from.node == range.to.node {
        return range.from.node.to_string();
    }
    format!("{}..{}", range.from.node, range.to.node)
}

fn net_option(option: &NetOption) -> String {
    match &option.kind {
        NetOptionKind::Only { methods, paths } => {
            let paths = if paths.is_empty() { String::new() } else { format!(" {}", joined(paths, path)) };
            format!("only {}{paths}", joined(methods, |it| it.node.clone()))
        }
        NetOptionKind::Inject(it) => format!("inject ${}", it.node),
        NetOptionKind::Inspect => "inspect".to_owned(),
        NetOptionKind::Optional => "optional".to_owned(),
        NetOptionKind::Rate { rate, burst } => rate_of(rate, burst.as_ref()),
        NetOptionKind::Quota { size, direction } => {
            let direction = direction.as_ref().map(|it| format!(" {}", it.node)).unwrap_or_default();
            format!("quota {}{direction}", value(&size.node))
        }
        NetOptionKind::Connections(it) => format!("connections {}", it.node),
    }
}

fn rate_of(rate: &Spanned<Value>, burst: Option<&Spanned<u64>>) -> String {
    let burst = burst.map(|it| format!(" burst {}", it.node)).unwrap_or_default();
    format!("rate {}{burst}", value(&rate.node))
}

pub(crate) fn action(action: &Action) -> String {
    match &action.kind {
        ActionKind::Allow => "allow".to_owned(),
        ActionKind::Log => "log".to_owned(),
        ActionKind::Notify => "notify".to_owned(),
        ActionKind::Errno(name) => format!("errno {}", name.node),
        ActionKind::Trap => "trap".to_owned(),
        ActionKind::Kill => "kill".to_owned(),
    }
}

pub(crate) fn system_calls(item: &SysItem) -> String {
    let condition = item.predicate.as_ref().map(|it| format!(" where {}", pred(it))).unwrap_or_default();
    format!("{}{condition}{}", set(&item.set), on_arch(&item.on))
}

fn on_arch(on: &[Name]) -> String {
    if on.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = on.iter().map(|it| it.node.as_str()).collect();
    format!(" on {}", names.join(" | "))
}

pub(crate) fn set(set: &Set) -> String {
    let operand = |it: &Set| match it.kind {
        SetKind::Union(..) | SetKind::Minus(..) | SetKind::Both(..) => format!("({})", self::set(it)),
        _ => self::set(it),
    };
    // From the left, so that only the right side needs brackets.
    match &set.kind {
        SetKind::Group(name) | SetKind::Call(name) => name.clone(),
        SetKind::Number(number) => format!("syscall({})", number.node),
        SetKind::Calls(calls) => format!("{{{}}}", joined(calls, |it| it.node.clone())),
        SetKind::Union(a, b) => format!("{} + {}", self::set(a), operand(b)),
        SetKind::Minus(a, b) => format!("{} - {}", self::set(a), operand(b)),
        SetKind::Both(a, b) => format!("{} & {}", self::set(a), operand(b)),
    }
}

fn pred(pred: &Pred) -> String {
    let part = |it: &Pred| match it.kind {
        PredKind::Or(_) | PredKind::And(_) => format!("({})", self::pred(it)),
        _ => self::pred(it),
    };
    let all = |parts: &[Pred], word: &str| parts.iter().map(part).collect::<Vec<_>>().join(word);
    match &pred.kind {
        // `and` binds more than `or`, so it needs no brackets within.
        PredKind::Or(parts) => {
            let within = |it: &Pred| match it.kind {
                PredKind::Or(_) => format!("({})", self::pred(it)),
                _ => self::pred(it),
            };
            parts.iter().map(within).collect::<Vec<_>>().join(" or ")
        }
        PredKind::And(parts) => all(parts, " and "),
        PredKind::Not(it) => format!("not {}", part(it)),
        PredKind::Compare { arg, op, value: it } => {
            let op = match op {
                CompareOp::Eq => "==",
                CompareOp::Ne => "!=",
                CompareOp::Lt => "<",
                CompareOp::Le => "<=",
                CompareOp::Gt => ">",
                CompareOp::Ge => ">=",
            };
            format!("{} {op} {}", arg.node, value(&it.node))
        }
        PredKind::In { arg, values } => {
            format!("{} in {{{}}}", arg.node, joined(values, |it| value(&it.node)))
        }
        PredKind::Range { arg, from, to } => format!("{} in {}..{}", arg.node, from.node, to.node),
        PredKind::Has { arg, how, flags } => {
            let how = match how {
                Has::Any => "any",
                Has::All => "all",
                Has::Only => "only",
            };
            format!("{} has {how} {}", arg.node, alternatives(flags))
        }
    }
}

fn alternatives(flags: &[Spanned<Value>]) -> String {
    flags.iter().map(|it| value(&it.node)).collect::<Vec<_>>().join(" | ")
}

fn tool(tool: &Tool, out: &mut String) {
    let result = tool.result.as_ref().map(|it| format!(" -> {}", type_of(it))).unwrap_or_default();
    let open = if tool.options.is_empty() { "" } else { " {" };
    let head = format!("tool {}({}){result}{open}", tool.name.node, joined(&tool.params, tool_param));
    documented(&tool.doc, &head, out);
    if tool.options.is_empty() {
        return;
    }
    for option in &tool.options {
        let line = match &option.kind {
            ToolOptionKind::Rate { rate, burst } => rate_of(rate, burst.as_ref()),
            ToolOptionKind::Quota(it) => format!("quota {}", it.node),
            ToolOptionKind::Timeout(it) => format!("timeout {}", value(&it.node)),
            ToolOptionKind::Concurrency(it) => format!("concurrency {}", it.node),
            ToolOptionKind::Result(it) => format!("result {}", value(&it.node)),
            ToolOptionKind::Confirm => "confirm".to_owned(),
            ToolOptionKind::Exec(words) => {
                let words: Vec<String> = words.iter().map(|it| value(&it.node)).collect();
                format!("exec {}", words.join(" "))
            }
            ToolOptionKind::Stdin(it) => format!("stdin ${}", it.node),
            ToolOptionKind::In(it) => format!("in {}", include(it)),
            ToolOptionKind::Shim => "shim".to_owned(),
            ToolOptionKind::Log(it) => format!("log {}", it.node),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out.push_str("}\n");
}

fn tool_param(param: &ToolParam) -> String {
    let optional = if param.optional { "?" } else { "" };
    let default = param.default.as_ref().map(|it| format!(" = {}", value(&it.node))).unwrap_or_default();
    format!("{}{optional}: {}{default}", param.name.node, type_of(&param.ty))
}

pub(crate) fn type_of(ty: &Type) -> String {
    let base = match &ty.kind {
        TypeKind::Name(name) => name.clone(),
        TypeKind::List(of) => format!("list<{}>", type_of(of)),
        TypeKind::Record(fields) => format!("{{{}}}", joined(fields, tool_param)),
        TypeKind::OneOf(texts) => texts.iter().map(|it| text(&it.node)).collect::<Vec<_>>().join(" | "),
    };
    if ty.refine.is_empty() {
        return base;
    }
    let refine = |it: &Refine| match it {
        Refine::Range(from, to) => format!("{}..{}", from.node, to.node),
        Refine::Regex(it) => format!("r\"{}\"", it.node),
        Refine::Under(it) => format!("under {}", path(it)),
        Refine::In(values) => format!("in {{{}}}", joined(values, |it| value(&it.node))),
    };
    format!("{base}({})", joined(&ty.refine, refine))
}

/// Without documentation.
pub(crate) fn claim(claim: &Claim) -> String {
    let mut line = match &claim.kind {
        ClaimKind::Allow(it) => format!("allow {}", probe(it)),
        ClaimKind::Deny(it) => format!("deny {}", probe(it)),
        ClaimKind::Never(it) => format!("never {}", probe(it)),
        ClaimKind::NarrowerThan(name) => format!("narrower than {}", dotted(name)),
    };
    if let Some(code) = &claim.by {
        line.push_str(&format!(" by {}", code.node));
    }
    if let Some(reason) = &claim.because {
        line.push_str(&format!(" because {}", text(&reason.node)));
    }
    line
}

fn probe(probe: &Probe) -> String {
    match probe {
        Probe::Open { path: it, access } => format!("open {} for {}", path(it), access.node),
        Probe::Connect(end) => format!("connect {}", endpoint(end)),
        Probe::Request { method, endpoint: end, path: at } => {
            let at = at.as_ref().map_or_else(String::new, |at| format!(" {}", path(at)));
            format!("request {} {}{at}", method.node, endpoint(end))
        }
        Probe::Listen(end) => format!("listen {}", endpoint(end)),
        Probe::Syscall { set: it, args: given, on } => {
            format!("syscall {}{}{}", set(it), args(given), on_arch(on))
        }
        Probe::Call { name, args: given } => format!("call {}({})", name.node, joined(given, arg)),
        Probe::Env(name) => format!("env {}", name.node),
    }
}

/// With brackets where there are any.
fn args(args: &[Arg]) -> String {
    if args.is_empty() { String::new() } else { format!("({})", joined(args, arg)) }
}

fn arg(arg: &Arg) -> String {
    format!("{}: {}", arg.name.node, value(&arg.value.node))
}

fn include(include: &Include) -> String {
    format!("{}{}", dotted(&include.name), args(&include.args))
}

pub(crate) fn dotted(name: &QName) -> String {
    name.parts.iter().map(|part| part.node.as_str()).collect::<Vec<_>>().join(".")
}

/// As it is written: bare where it can be.
pub(crate) fn path(path: &PathExpr) -> String {
    match &path.kind {
        PathKind::Path(it) => {
            let lexed = lexemes(it);
            let bare = matches!(lexed.as_slice(), [one] if one.class == Class::Path && one.range() == (0..it.len()))
                && msb_syntax::Fragment::written(it, path.span).path().1.is_empty();
            if bare { it.clone() } else { text(it) }
        }
        PathKind::Var { name, rest } => format!("${}{rest}", name.node),
        PathKind::Group(name) => name.clone(),
    }
}

/// As it is written.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Text(it) => text(it),
        Value::Int(it) => it.to_string(),
        Value::Size(bytes) => size(*bytes),
        Value::Duration(micros) => duration(*micros),
        Value::Rate(count, micros) => format!("{count}/{}", unit(*micros)),
        Value::Percent(it) => format!("{it}%"),
        Value::Path(it) | Value::Address(it) | Value::Ident(it) => it.clone(),
        Value::Var { name, rest } => format!("${}{rest}", name.node),
        Value::Flags(flags) => alternatives(flags),
        Value::List(values) => format!("[{}]", joined(values, |it| self::value(&it.node))),
    }
}

/// In the largest unit that gives a whole number; of binary and decimal units the binary one.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 8] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("KB", 1_000),
    ];
    let unit = UNITS
        .iter()
        .filter(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit))
        .max_by_key(|(_, unit)| *unit);
    unit.map_or_else(|| format!("{bytes}B"), |(name, unit)| format!("{}{name}", bytes / unit))
}

const DURATIONS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("min", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// In the largest units: `1h30min`.
pub(crate) fn duration(micros: u64) -> String {
    let mut rest = micros;
    let mut out = String::new();
    for (name, unit) in DURATIONS {
        if rest >= unit {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}{name}", rest / unit);
            rest %= unit;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// The period of a rate.
fn unit(micros: u64) -> &'static str {
    DURATIONS.iter().find(|(_, unit)| *unit == micros).map_or("s", |(name, _)| name)
}

/// In quotes.
pub(crate) fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            it if it.is_control() || msb_diag::is_invisible(it) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(it));
            }
            it => out.push(it),
        }
    }
    out.push('"');
    out
}

fn joined<T>(all: &[T], one: impl Fn(&T) -> String) -> String {
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}
