//! Tools: what can be called outside of the sandbox, with typed arguments.

mod lints;
mod types;

use crate::context::Context;
use crate::narrow;
use crate::net::rate;
use crate::values;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Tool, ToolSandbox, Word};
use msb_resolve::nearest;
use msb_syntax::ast::{self, File, Item, Name, StmtKind, ToolOptionKind, Value};
use std::collections::BTreeMap;

pub(crate) use lints::bounds;
pub(crate) use types::value;

/// The tools that the policy declares, or takes from the file with `tools`.
pub(crate) fn tools(cx: &mut Context<'_>, file: &File) -> Vec<Tool> {
    let mut found: BTreeMap<String, (Tool, Name)> = BTreeMap::new();
    let mut names: BTreeMap<String, Name> = BTreeMap::new();
    let mut written: Vec<&ast::Tool> = Vec::new();
    for placed in cx.stmts() {
        match &placed.stmt.kind {
            StmtKind::Tool(tool) => written.push(tool),
            StmtKind::ToolUse(names) => {
                // Those that are declared were put in its place.
                for name in names {
                    let wanted = name.parts.last().map_or("", |part| part.node.as_str());
                    let declared = || {
                        file.items.iter().filter_map(|item| match item {
                            Item::Tool(tool) => Some(tool),
                            _ => None,
                        })
                    };
                    let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown tool `{wanted}`"))
                        .label(name.span, "no `tool` of this file has this name");
                    cx.say(match nearest(wanted, declared().map(|tool| tool.name.node.as_str())) {
                        Some(meant) => {
                            unknown.help(format!("did you mean `{meant}`?")).edit(name.span, meant)
                        }
                        None => unknown.help(format!("declare it: `tool {wanted}() {{ … }}`")),
                    });
                }
            }
            _ => {}
        }
    }
    for tool in written {
        let lowered = one(cx, tool);
        if let Some((_, first)) = found.get(&tool.name.node) {
            let (again, first) = (tool.name.span, first.span);
            if again != first {
                cx.say(
                    Diagnostic::new(
                        codes::DUPLICATE_SETTING,
                        format!("tool `{}` is declared twice", tool.name.node),
                    )
                    .label(again, "again here")
                    .label(first, "first here")
                    .help("give one of them another name"),
                );
            }
            continue;
        }
        let alike = names.entry(lints::folded(&tool.name.node)).or_insert_with(|| tool.name.clone());
        lints::lints(cx, tool, &lowered, alike);
        found.insert(tool.name.node.clone(), (lowered, tool.name.clone()));
    }
    found.into_values().map(|(tool, _)| tool).collect()
}

fn one(cx: &mut Context<'_>, tool: &ast::Tool) -> Tool {
    let origin = cx.origin(tool.name.span);
    let mut lowered = Tool {
        name: tool.name.node.clone(),
        params: types::params(cx, &tool.params),
        result: tool.result.as_ref().and_then(|ty| types::lower(cx, ty)),
        exec: Vec::new(),
        stdin: None,
        sandbox: None,
        rate: None,
        quota: None,
        timeout_ms: None,
        concurrency: None,
        result_bytes: None,
        confirm: false,
        shim: false,
        log_args: true,
        origin,
    };
    for (index, option) in tool.options.iter().enumerate() {
        let same = |other: &&ast::ToolOption| {
            std::mem::discriminant(&other.kind) == std::mem::discriminant(&option.kind)
        };
        if let Some(first) = tool.options.iter().take(index).find(same) {
            cx.say(
                Diagnostic::new(codes::DUPLICATE_SETTING, "this is said twice")
                    .label(option.span, "again here")
                    .label(first.span, "first here")
                    .help("keep one of them"),
            );
            continue;
        }
        match &option.kind {
            ToolOptionKind::Rate { rate: written, burst } => lowered.rate = rate(cx, written, burst.as_ref()),
            ToolOptionKind::Quota(count) => lowered.quota = Some(count.node),
            ToolOptionKind::Timeout(value) => {
                lowered.timeout_ms = values::duration(cx, value, "timeout").map(|us| us.div_ceil(1000));
            }
            ToolOptionKind::Concurrency(count) => lowered.concurrency = Some(count.node),
            ToolOptionKind::Result(value) => lowered.result_bytes = values::size(cx, value, "result"),
            ToolOptionKind::Confirm => lowered.confirm = true,
            ToolOptionKind::Shim => lowered.shim = true,
            ToolOptionKind::Log(how) => lowered.log_args = how.node == "args",
            ToolOptionKind::Stdin(name) => {
                lowered.stdin = own(cx, tool, name).then(|| name.node.clone());
            }
            ToolOptionKind::In(policy) => lowered.sandbox = Some(sandbox(cx, policy, option.span)),
            ToolOptionKind::Exec(words) => {
                lowered.exec = words.iter().filter_map(|word| self::word(cx, tool, word)).collect();
            }
        }
    }
    lowered
}

/// The policy that `in` names; one that does not exist was reported where names are looked up.
fn sandbox(cx: &mut Context<'_>, named: &ast::Include, whole: Span) -> ToolSandbox {
    let resolved = cx.resolved;
    let inner = resolved.sandboxes.iter().find(|inner| inner.span == named.span);
    let policy = inner.and_then(|inner| narrow::meaning(inner, cx.sources, &mut cx.found)).map(Box::new);
    let text: Vec<&str> = cx.sources.text(named.span).split_whitespace().collect();
    ToolSandbox { name: text.join(" "), policy, origin: cx.origin(whole) }
}

/// A word of a command; `None` where something was reported.
fn word(cx: &mut Context<'_>, tool: &ast::Tool, word: &ast::Spanned<Value>) -> Option<Word> {
    match &word.node {
        Value::Text(text) => Some(Word::Literal(text.clone())),
        Value::Path(path) => Some(Word::Literal(path.clone())),
        Value::Var { name, .. } => {
            if tool.params.iter().any(|param| param.name.node == name.node) {
                return Some(Word::Param(name.node.clone()));
            }
            let index = cx.params.iter().position(|param| param.ir.name == name.node)?;
            if cx.params.get(index)?.ir.kind == msb_policy::ParamKind::Secret {
                cx.say(crate::params::secret_leaks(word.span, &name.node, "a command"));
                return None;
            }
            Some(Word::Open(index))
        }
        _ => None,
    }
}

/// Whether `name` is a parameter of the tool; otherwise that is reported.
fn own(cx: &mut Context<'_>, tool: &ast::Tool, name: &Name) -> bool {
    let known = || tool.params.iter().map(|param| param.name.node.as_str());
    if known().any(|param| param == name.node) {
        return true;
    }
    let unknown = Diagnostic::new(
        codes::UNKNOWN_NAME,
        format!("`{}` has no parameter `{}`", tool.name.node, name.node),
    )
    .label(name.span, "no such parameter");
    cx.say(match nearest(&name.node, known()) {
        Some(meant) => unknown.help(format!("did you mean `${meant}`?")),
        None => unknown.help(format!("declare it: `{}: string(0..4096)`", name.node)),
    });
    false
}
