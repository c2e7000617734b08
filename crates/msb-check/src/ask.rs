//! Questions to a policy: requests of `assert`, of `test` and of who wants an explanation, put to the oracle.
//!
//! A question may stand for many requests: a call without its arguments, all variables that begin so. The
//! answer shows one of them that is allowed and one that is refused, as far as there are any.

mod judge;

use crate::context::Context;
use crate::paths;
use crate::syscalls::{predicate, sets, unknown_architecture};
use crate::{net, tools};
use msb_diag::{Diagnostic, codes};
use msb_policy::{Access, Arch, Endpoint, Method, OriginId, Path, Pred, Value};
use msb_resolve::nearest;
use msb_syntax::ast::{self, Arg, CompareOp, Name, PathExpr, PathKind, PredKind, Probe, Set};
use msb_syscalls::Syscall;

pub use judge::Change;
pub(crate) use judge::{Advice, Judge, advice};

/// Requests, lowered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A path, and everything below it where `below`.
    Open { path: Path, access: Access, below: bool },
    /// Calls, each with what is said of its arguments.
    Calls {
        calls: Vec<AskedCall>,
        /// What is said of the arguments, as the `where` of a rule.
        condition: Option<String>,
    },
    /// A variable, or all that begin so.
    Env { name: String, prefix: bool },
    /// Whether another policy allows all that this one does; see [`crate::narrow`].
    Narrower { than: String },
    /// Connections to these hosts; everything of `any` where `deny`.
    Connect { endpoint: Endpoint, deny: bool },
    /// Requests of HTTP with this method: to the path, and to every path without one.
    Request { endpoint: Endpoint, method: Method, path: Option<String>, deny: bool },
    /// Ports that are published, whatever they are inside where that is not said.
    Listen { endpoint: Endpoint, inside: Option<u16> },
    /// A call of a tool.
    Call { tool: String, args: Vec<(String, Value)>, text: String },
    /// A socket of the host, by its path.
    Unix { path: Path, below: bool },
}

/// A call, with what is said of its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskedCall {
    pub(crate) arch: Arch,
    pub(crate) call: Syscall,
    pub(crate) condition: Pred,
}

/// What the oracle says of the requests.
#[derive(Debug, Clone)]
pub(crate) struct Judgement {
    /// One that is allowed.
    pub(crate) allowed: Option<Evidence>,
    /// One that is refused.
    pub(crate) refused: Option<Evidence>,
    /// Whether it is the same for all parameters, and not for those that lie apart alone.
    pub(crate) proved: bool,
    /// Every rule that decides one of the requests.
    pub(crate) rules: Vec<OriginId>,
}

/// A request and what decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The request, as it is written.
    pub(crate) what: String,
    /// The rule.
    pub(crate) rule: Option<OriginId>,
    /// What the rule says of it.
    pub(crate) why: Why,
    /// A rule that nobody wrote and that refuses it whatever the others say.
    pub(crate) sealed: Option<OriginId>,
    /// What is wrong with the arguments of a call.
    pub(crate) detail: Option<String>,
}

impl Evidence {
    pub(crate) fn new(what: String, rule: Option<OriginId>, why: Why) -> Evidence {
        Evidence { what, rule, why, sealed: None, detail: None }
    }
}

/// How a request came to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The rule allows it.
    Allowed,
    /// The rule denies it.
    Denied,
    /// The rule denies it where a search at launch finds it.
    Sought,
    /// It follows from another section, or holds in every sandbox.
    Implied,
    /// No rule is about it, and this one says what happens then.
    Default,
    /// The rule shows the path, without the right.
    NoRight,
    /// No rule shows the path or passes the variable.
    Absent,
    /// The launcher writes the file itself, to be read.
    Generated,
    /// The rule allows the connection, and other requests on it.
    OtherRequests,
    /// The tool takes other arguments.
    BadArguments,
    /// A connection inside of the sandbox.
    OwnLoopback,
    /// The policy does not name the architecture.
    OtherAbi,
    /// Somebody is asked, who may say either.
    Asked,
    /// The conditions on it are too involved to be decided.
    Undecided,
}

/// What is said of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sense {
    /// They are allowed.
    Allow,
    /// They are denied.
    Deny,
    /// They are denied, and what is below them.
    Never,
}

/// Reads a request; `None` where something was reported.
pub(crate) fn lower(cx: &mut Context<'_>, probe: &Probe, sense: Sense) -> Option<Asked> {
    match probe {
        Probe::Open { path, access } => open(cx, path, access, sense == Sense::Never),
        Probe::Syscall { set, args, on } => calls(cx, set, args, on),
        Probe::Env(name) => {
            let (stem, prefix) = match name.node.strip_suffix('*') {
                Some(stem) => (stem, true),
                None => (name.node.as_str(), false),
            };
            Some(Asked::Env { name: stem.to_owned(), prefix })
        }
        Probe::Connect(end) => match &end.peer {
            ast::Peer::Path(path) => {
                let path = paths::place(cx, path)?.path;
                Some(Asked::Unix { path, below: sense == Sense::Never })
            }
            _ => {
                let endpoint = net::endpoint(cx, end)?;
                Some(Asked::Connect { endpoint, deny: sense != Sense::Allow })
            }
        },
        Probe::Request { method, endpoint, path } => {
            request(cx, method, endpoint, path.as_ref(), sense != Sense::Allow)
        }
        Probe::Listen(end) => {
            net::published(cx, end).map(|it| Asked::Listen { endpoint: it.at, inside: it.inside })
        }
        Probe::Call { name, args } => call(cx, name, args),
    }
}

fn request(
    cx: &mut Context<'_>,
    method: &Name,
    written: &ast::Endpoint,
    path: Option<&PathExpr>,
    deny: bool,
) -> Option<Asked> {
    let (_, method) = Method::ALL.into_iter().find(|(word, _)| *word == method.node)?;
    if !matches!(written.protocol.node.as_str(), "https" | "http") {
        cx.say(
            Diagnostic::new(
                codes::REQUESTS_NOT_SEEN,
                format!("`{}` carries no requests", written.protocol.node),
            )
            .label(written.span, "a request is HTTP")
            .help("write `https` or `http`, or ask about the connection: `connect`"),
        );
        return None;
    }
    let path = match path {
        None => None,
        // What stands behind `?` decides nothing.
        Some(PathExpr { kind: PathKind::Path(text), .. }) if text.starts_with('/') => {
            Some(text.split('?').next().unwrap_or_default().to_owned())
        }
        Some(path) => {
            cx.say(
                Diagnostic::new(codes::PATH_NOT_NORMAL, "the path of a request begins with `/`")
                    .label(path.span, "not the path of a request")
                    .help("write it as it stands in the URL, such as `/v1/models`"),
            );
            return None;
        }
    };
    Some(Asked::Request { endpoint: net::endpoint(cx, written)?, method, path, deny })
}

/// A call, if there is a tool of the name.
fn call(cx: &mut Context<'_>, name: &Name, args: &[Arg]) -> Option<Asked> {
    let known: Vec<String> = cx.tools.clone();
    if !known.contains(&name.node) {
        let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown tool `{}`", name.node))
            .label(name.span, "no tool of the policy has this name");
        cx.say(match nearest(&name.node, known.iter().map(String::as_str)) {
            Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
            None => unknown.help("declare it with `tool`, or take the claim away"),
        });
        return None;
    }
    let text = match (args.first(), args.last()) {
        (Some(first), Some(last)) => cx.sources.text(first.name.span.to(last.value.span)).to_owned(),
        _ => String::new(),
    };
    let values: Vec<Option<(String, Value)>> =
        args.iter().map(|arg| Some((arg.name.node.clone(), tools::value(cx, &arg.value)?))).collect();
    let args = values.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Asked::Call { tool: name.node.clone(), args, text })
}

fn open(cx: &mut Context<'_>, path: &PathExpr, access: &Name, below: bool) -> Option<Asked> {
    let path = paths::place(cx, path)?.path;
    let access = match access.node.as_str() {
        "read" => Access::Read,
        "run" => Access::Run,
        // Making a file is a change of its directory.
        _ => Access::Write,
    };
    Some(Asked::Open { path, access, below })
}

fn calls(cx: &mut Context<'_>, set: &Set, args: &[Arg], on: &[Name]) -> Option<Asked> {
    let mut archs = Vec::new();
    for name in on {
        let Some(arch) = Arch::from_word(&name.node) else {
            cx.say(unknown_architecture(name));
            return None;
        };
        archs.push(arch);
    }
    let how = if on.is_empty() { sets::For::Some } else { sets::For::Named };
    if on.is_empty() {
        archs.clone_from(&cx.archs);
    }
    let mut calls = Vec::new();
    for (arch, member) in sets::expand(cx, set, &archs, how)? {
        // Where nobody asks for an ABI by name, an argument that it does not have may be anything.
        let has = |arg: &&Arg| {
            how == sets::For::Named || !arch.is_second() || member.call.arg(&arg.name.node).is_some()
        };
        let mut all = Vec::new();
        for arg in args.iter().filter(has) {
            let op = CompareOp::Eq;
            let kind = PredKind::Compare { arg: arg.name.clone(), op, value: arg.value.clone() };
            let written = ast::Pred { kind, span: arg.name.span.to(arg.value.span) };
            all.push(predicate::lower(cx, &written, &member.call)?);
        }
        let condition = if all.is_empty() { Pred::True } else { Pred::All(all) };
        calls.push(AskedCall { arch, call: member.call, condition });
    }
    let one = |arg: &Arg| format!("{} == {}", arg.name.node, cx.sources.text(arg.value.span));
    let condition: Vec<String> = args.iter().map(one).collect();
    let condition = Some(condition.join(" and ")).filter(|condition| !condition.is_empty());
    Some(Asked::Calls { calls, condition })
}
