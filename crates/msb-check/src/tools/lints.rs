//! Tools that take more than they should, or could be taken for each other.

use crate::context::Context;
use msb_diag::{Diagnostic, codes};
use msb_policy::{Policy, Tool, ToolParam, ToolType, Word};
use msb_syntax::ast::{self, Name, ToolOptionKind};

/// Programs that run code which is passed as an argument, and how they are told to.
const INTERPRETERS: &[(&str, &[&str])] = &[
    ("sh", &["-c"]),
    ("bash", &["-c"]),
    ("dash", &["-c"]),
    ("zsh", &["-c"]),
    ("ksh", &["-c"]),
    ("fish", &["-c"]),
    ("busybox", &["sh"]),
    ("env", &["-S"]),
    ("python", &["-c"]),
    ("python3", &["-c"]),
    ("perl", &["-e", "-E"]),
    ("ruby", &["-e"]),
    ("node", &["-e", "--eval", "-p"]),
    ("php", &["-r"]),
    ("awk", &[]),
    ("eval", &[]),
    ("ssh", &[]),
    ("xargs", &[]),
];

/// Characters of a name, as clients of tools take them.
const NAME_MAX: usize = 64;

pub(super) fn lints(cx: &mut Context<'_>, written: &ast::Tool, tool: &Tool, alike: &Name) {
    names(cx, written, alike);
    for (param, ast) in tool
        .params
        .iter()
        .filter_map(|param| Some((param, written.params.iter().find(|it| it.name.node == param.name)?)))
    {
        if let Some(what) = unbounded(param) {
            cx.say(
                Diagnostic::new(codes::ARGUMENT_UNBOUNDED, format!("`{}` takes {what}", param.name))
                    .label(ast.ty.span, "a call can carry any amount")
                    .help(
                        "write a bound: `string(0..4096)`, `list<…>(0..100)`, or a type in place of `json`",
                    ),
            );
        }
    }
    let exec = written.options.iter().find(|option| matches!(option.kind, ToolOptionKind::Exec(_)));
    if let Some(exec) = exec {
        command(cx, tool, exec);
        unused(cx, tool, written);
    }
}

/// What of a parameter has no bound.
fn unbounded(param: &ToolParam) -> Option<&'static str> {
    fn of(ty: &ToolType) -> Option<&'static str> {
        match ty {
            ToolType::Text { max: u64::MAX, pattern: None, .. } => Some("a text of any length"),
            ToolType::Json => Some("any JSON"),
            ToolType::List { max: u64::MAX, .. } => Some("a list of any length"),
            ToolType::List { of: item, .. } => of(item),
            ToolType::Record(fields) => fields.iter().find_map(|field| of(&field.ty)),
            _ => None,
        }
    }
    of(&param.ty)
}

/// Reports a command that would run what is passed to it.
fn command(cx: &mut Context<'_>, tool: &Tool, exec: &ast::ToolOption) {
    let program = match tool.exec.first() {
        None => return,
        Some(Word::Literal(program)) => program.rsplit('/').next().unwrap_or(program),
        Some(Word::Param(_) | Word::Open(_)) => {
            cx.say(
                Diagnostic::new(codes::TOOL_RUNS_ARGUMENTS, "who calls the tool chooses the program")
                    .label(exec.span, "its first word is a parameter")
                    .help("write the program as a string: `exec \"rg\" \"--\" $pattern`"),
            );
            return;
        }
    };
    let Some((_, flags)) = INTERPRETERS.iter().find(|(name, _)| *name == program) else { return };
    let flag = |word: &Word| matches!(word, Word::Literal(text) if flags.contains(&text.as_str()));
    let told = flags.is_empty() || tool.exec.iter().any(flag);
    let passed = tool.exec.iter().any(|word| matches!(word, Word::Param(_)));
    if told && passed {
        cx.say(
            Diagnostic::new(
                codes::TOOL_RUNS_ARGUMENTS,
                format!("`{program}` would run what is passed to the tool"),
            )
            .label(exec.span, "an argument becomes code")
            .help("write the program that does the work, with each argument as a word of its own"),
        );
    }
}

/// Reports what a call passes and the command does not take: `$name` within a string, which stays as it is, and what
/// `stdin` keeps from it. Without `stdin` the command reads all arguments, as one object of JSON, on its standard input.
fn unused(cx: &mut Context<'_>, tool: &Tool, written: &ast::Tool) {
    let words = written.options.iter().flat_map(|option| match &option.kind {
        ToolOptionKind::Exec(words) => words.as_slice(),
        _ => &[],
    });
    let words: Vec<_> = words.collect();
    let stdin = |name: &str| {
        written.options.iter().any(|it| matches!(&it.kind, ToolOptionKind::Stdin(from) if from.node == name))
    };
    for param in &tool.params {
        let is = |word: &Word| matches!(word, Word::Param(name) if *name == param.name);
        if tool.exec.iter().any(is) || stdin(&param.name) {
            continue;
        }
        let Some(at) = written.params.iter().find(|it| it.name.node == param.name) else { continue };
        let (plain, braced) = (format!("${}", param.name), format!("${{{}}}", param.name));
        let within = words.iter().find(|word| {
            matches!(&word.node, ast::Value::Text(text) if text.contains(&plain) || text.contains(&braced))
        });
        let found = Diagnostic::new(codes::UNUSED, format!("parameter `{}` is never used", param.name));
        let alone = tool.stdin.as_ref();
        cx.say(match within {
            None if alone.is_none() => continue,
            Some(word) => found
                .label(word.span, "a string stays as it is")
                .label(at.name.span, "never passed on")
                .help(format!("write `{plain}` as a word of its own, without quotes")),
            None => found
                .label(at.name.span, "neither a word of the command nor its standard input")
                .help(format!("write `{plain}` behind `exec`, or take `stdin` away: the command then reads all arguments")),
        });
    }
}

/// Warns of commands without bounds, now that what is inherited is known.
pub(crate) fn bounds(cx: &mut Context<'_>, policy: &Policy) {
    for tool in policy.tools.iter().filter(|tool| !tool.exec.is_empty()) {
        let missing: Vec<(&str, &str)> = [
            (tool.timeout_ms.is_none(), ("`timeout`", "timeout 30s")),
            (tool.result_bytes.is_none() && tool.result.is_some(), ("`result`", "result 64KiB")),
            (tool.rate.is_none(), ("`rate`", "rate 60/min")),
        ]
        .into_iter()
        .filter_map(|(missing, words)| missing.then_some(words))
        .collect();
        let (names, options): (Vec<&str>, Vec<&str>) = missing.into_iter().unzip();
        let Some(((last, first), span)) = names.split_last().zip(cx.origins.span(tool.origin)) else {
            continue;
        };
        let words =
            if first.is_empty() { (*last).to_owned() } else { format!("{} or {last}", first.join(", ")) };
        cx.say(
            Diagnostic::new(codes::TOOL_UNBOUNDED, format!("tool `{}` has no {words}", tool.name))
                .label(span, "one caller can keep it busy for ever")
                .help(format!("write `{}`", options.join("  "))),
        );
    }
}

/// Warns of names that clients do not take, or that could be taken for each other.
fn names(cx: &mut Context<'_>, written: &ast::Tool, alike: &Name) {
    let name = &written.name;
    let plain =
        name.node.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !plain || name.node.len() > NAME_MAX {
        cx.say(
            Diagnostic::new(
                codes::TOOL_NAME,
                format!("`{}` is not a name that every client takes", name.node),
            )
            .label(name.span, format!("lower case letters, digits and `_`, at most {NAME_MAX}"))
            .help(format!("write `{}`", snake(&name.node))),
        );
    }
    if alike.node != name.node {
        let other = alike;
        cx.say(
            Diagnostic::new(
                codes::TOOL_NAME,
                format!("`{}` and `{}` can be taken for each other", name.node, other.node),
            )
            .label(name.span, "differs in `_` or capitals alone")
            .label(other.span, "from this")
            .help("give one of them another name"),
        );
    }
}

/// `searchCode` and `search-code` as `search_code`.
fn snake(name: &str) -> String {
    let mut written = String::new();
    let mut before = '_';
    for character in name.chars() {
        if character.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            written.push('_');
        }
        written.push(if character == '-' { '_' } else { character.to_ascii_lowercase() });
        before = character;
    }
    written
}

/// A name as who reads quickly sees it.
pub(super) fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '-'], "")
}
