//! The `env` section: what of the environment the program sees.

use crate::bounds::{TEXT_BYTES_MAX, bad_text};
use crate::context::Context;
use crate::params::kind_word;
use crate::values;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{EnvKind, EnvRule, ParamKind, Text};
use msb_syntax::ast::{EnvRuleKind, Name, Spanned, StmtKind, Value};
use std::collections::{BTreeMap, HashSet};

/// Where commands are found when no rule says.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Variables that make programs run code, on top of what a policy grants.
const RUNS_CODE: &[&str] = &[
    "BASH_ENV",
    "ENV",
    "GCONV_PATH",
    "GIT_CONFIG*",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_SSH*",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "NODE_OPTIONS",
    "PERL5LIB",
    "PERL5OPT",
    "PROMPT_COMMAND",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "RUBYOPT",
];

/// Variables that hold a secret or lead to who has one.
const SECRET: &[&str] = &[
    "AWS_*",
    "AZURE_*",
    "DBUS_*",
    "DISPLAY",
    "DOCKER_HOST",
    "GITHUB_*",
    "GOOGLE_*",
    "KUBECONFIG",
    "SSH_*",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "*_API_KEY",
    "*_KEY",
    "*_PASSWORD",
    "*_SECRET",
    "*_TOKEN",
];

/// The rules of the environment.
pub(crate) fn env(cx: &mut Context<'_>) -> Vec<EnvRule> {
    let mut rules: Vec<EnvRule> = Vec::new();
    let mut sets: Sets = BTreeMap::new();
    let mut known: HashSet<EnvKind> = HashSet::new();
    for placed in cx.stmts() {
        let StmtKind::Env(section) = &placed.stmt.kind else { continue };
        for rule in section {
            let origin = cx.origin(rule.span);
            match &rule.kind {
                EnvRuleKind::Pass(names) => {
                    for name in names {
                        if let Some(kind) = pass(cx, name) {
                            add(&mut rules, &mut known, EnvRule { kind, origin });
                        }
                    }
                }
                EnvRuleKind::Set { name, value } => {
                    if let Some(kind) = set(cx, name, value, &mut sets) {
                        add(&mut rules, &mut known, EnvRule { kind, origin });
                    }
                }
                EnvRuleKind::Secret { .. } => cx.say(
                    Diagnostic::new(codes::NOT_ENFORCED, "`secret` is not enforced by this version")
                        .label(rule.span, "a secret would be in the environment of the program")
                        .help("leave it out, and do what needs the secret outside of the sandbox"),
                ),
            }
        }
    }
    if !rules.iter().any(speaks_of_path) {
        let kind = EnvKind::Set { name: "PATH".to_owned(), value: Text::Literal(PATH.to_owned()) };
        rules.push(EnvRule { kind, origin: cx.policy_origin() });
    }
    rules
}

/// What each variable is set to, and where first.
type Sets = BTreeMap<String, (Span, Text)>;

fn add(rules: &mut Vec<EnvRule>, known: &mut HashSet<EnvKind>, rule: EnvRule) {
    if known.insert(rule.kind.clone()) {
        rules.push(rule);
    }
}

fn speaks_of_path(rule: &EnvRule) -> bool {
    match &rule.kind {
        EnvKind::Pass { name, prefix: false } | EnvKind::Set { name, .. } => name == "PATH",
        EnvKind::Pass { name, prefix: true } => "PATH".starts_with(name.as_str()),
    }
}

fn pass(cx: &mut Context<'_>, name: &Name) -> Option<EnvKind> {
    let (stem, prefix) = match name.node.strip_suffix('*') {
        Some(stem) => (stem, true),
        None => (name.node.as_str(), false),
    };
    if !plain(stem) {
        cx.say(bad_name(name));
        return None;
    }
    let risk =
        RUNS_CODE.iter().find(|risk| meets(risk, stem, prefix)).map(|risk| (risk, "makes programs run code"));
    let risk = risk.or_else(|| {
        SECRET
            .iter()
            .find(|risk| meets(risk, stem, prefix))
            .map(|risk| (risk, "holds a secret, or leads to one"))
    });
    if let Some((risk, why)) = risk {
        let label = if prefix { format!("passes `{risk}`, which {why}") } else { format!("it {why}") };
        cx.say(
            Diagnostic::new(codes::ENVIRONMENT_DANGEROUS, format!("`pass {}` is dangerous", name.node))
                .label(name.span, label)
                .help("leave it out, `set` it to a value, or say why with `accept MSB0907 because \"…\"`"),
        );
    }
    Some(EnvKind::Pass { name: stem.to_owned(), prefix })
}

fn set(cx: &mut Context<'_>, name: &Name, value: &Spanned<Value>, sets: &mut Sets) -> Option<EnvKind> {
    if !plain(&name.node) {
        cx.say(bad_name(name));
        return None;
    }
    if RUNS_CODE.iter().any(|risk| meets(risk, &name.node, false)) && name.node.starts_with("LD_") {
        cx.say(
            Diagnostic::new(codes::ENVIRONMENT_DANGEROUS, format!("`set {}` is dangerous", name.node))
                .label(name.span, "it makes every program run code")
                .help("take it away, or say why with `accept MSB0907 because \"…\"`"),
        );
    }
    let span = value.span;
    let value = text(cx, value)?;
    if let Text::Literal(literal) = &value {
        values::names_parameter(cx, literal, span);
        holds_secret(cx, name, literal);
    }
    if let Some((first, _)) = sets.get(&name.node).filter(|(_, set)| *set != value) {
        let first = *first;
        cx.say(
            Diagnostic::new(codes::DUPLICATE_SETTING, format!("`{}` is set twice", name.node))
                .label(name.span, "again here")
                .label(first, "first here")
                .help("keep one of them"),
        );
        return None;
    }
    sets.entry(name.node.clone()).or_insert_with(|| (name.span, value.clone()));
    Some(EnvKind::Set { name: name.node.clone(), value })
}

/// A policy is read by many, and a plan by more.
fn holds_secret(cx: &mut Context<'_>, name: &Name, literal: &str) {
    let secret = SECRET.iter().any(|risk| risk.starts_with('*') && meets(risk, &name.node, false))
        || name.node == "AWS_SECRET_ACCESS_KEY";
    let placeholder =
        literal.is_empty() || literal.starts_with('/') || matches!(literal, "none" | "dummy" | "unused");
    if secret && !placeholder {
        cx.say(
            Diagnostic::new(codes::ENVIRONMENT_DANGEROUS, format!("`set {}` puts a secret into the policy", name.node))
                .label(name.span, "who reads the policy or the plan has it, and so has the program")
                .help(
                    "declare a parameter, `key: secret`, and write `inject $key` in `net`; or say why with `accept MSB0907 because \"…\"`",
                ),
        );
    }
}

fn text(cx: &mut Context<'_>, value: &Spanned<Value>) -> Option<Text> {
    let literal = match &value.node {
        Value::Text(text) => text,
        Value::Path(path) if path.starts_with('/') => path,
        Value::Path(_) => {
            cx.say(
                Diagnostic::new(codes::PATH_NOT_NORMAL, "this path is not absolute")
                    .label(value.span, "a variable is passed as it stands")
                    .help("write a path that begins with `/`"),
            );
            return None;
        }
        Value::Var { name, rest } => return parameter(cx, name, rest, value.span),
        Value::List(_) => {
            return values::mistaken(cx, value, "set", "string", "\"text\"");
        }
        _ => {
            let written = crate::context::written(cx, value.span);
            let is = msb_resolve::describe(&value.node);
            let found = Diagnostic::new(
                codes::WRONG_TYPE,
                format!("expected a string, found {} {is}", values::article(is)),
            );
            let found = found.label(value.span, "`set` takes a string");
            cx.say(if written.is_empty() || written.contains(['"', '\\', '\n']) {
                found.help("write something like `\"text\"`")
            } else {
                found.help(format!("write `\"{written}\"`")).edit(value.span, format!("\"{written}\""))
            });
            return None;
        }
    };
    if literal.len() > TEXT_BYTES_MAX || literal.contains('\0') {
        cx.say(bad_text(value.span));
        return None;
    }
    Some(Text::Literal(literal.clone()))
}

fn parameter(cx: &mut Context<'_>, name: &Name, rest: &str, span: Span) -> Option<Text> {
    let index = cx.params.iter().position(|param| param.ir.name == name.node)?;
    let param = cx.params.get(index)?;
    if param.ir.kind == ParamKind::Text && rest.is_empty() {
        return Some(Text::Param(index));
    }
    if param.ir.kind == ParamKind::Secret {
        cx.say(crate::params::secret_leaks(span, &name.node, "a variable"));
        return None;
    }
    let is = kind_word(param.ir.kind);
    let found = if param.ir.kind == ParamKind::Text {
        Diagnostic::new(codes::WRONG_TYPE, "a string has nothing below it")
            .label(span, format!("`${}` is a string", name.node))
            .label(param.declared, "declared here")
            .help(format!("write `${}`", name.node))
    } else {
        let found = Diagnostic::new(
            codes::WRONG_TYPE,
            format!("expected a string, found {} {is}", values::article(is)),
        );
        match param.ir.kind {
            ParamKind::Dir | ParamKind::File => found
                .label(span, format!("`${}` is {} {is} of the host", name.node, values::article(is)))
                .label(param.declared, "declared here")
                .help("write the path that it has inside, such as `\"/work\"`"),
            _ => found
                .label(span, format!("`${}` is {} {is}", name.node, values::article(is)))
                .label(param.declared, "declared here")
                .help(format!("declare it as `{}: string`", name.node)),
        }
    };
    cx.say(found);
    None
}

/// Whether a name is one that a plan takes.
fn plain(name: &str) -> bool {
    const NAME_BYTES_MAX: usize = 256;
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn bad_name(name: &Name) -> Diagnostic {
    Diagnostic::new(codes::UNEXPECTED, format!("`{}` is not the name of a variable", name.node))
        .label(name.span, "letters, digits and `_`, and for `pass` a `*` at the end")
        .help("write a name such as `LANG`, or `LC_*`")
}

/// Whether a variable of the name `stem`, or one that begins so, can be of the pattern `risk`.
fn meets(risk: &str, stem: &str, prefix: bool) -> bool {
    if let Some(end) = risk.strip_prefix('*') {
        return !prefix && stem.ends_with(end);
    }
    match risk.strip_suffix('*') {
        Some(start) => stem.starts_with(start) || (prefix && start.starts_with(stem)),
        None => stem == risk || (prefix && risk.starts_with(stem)),
    }
}
