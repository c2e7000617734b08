//! Questions to a policy: requests of `assert`, of `test` and of who wants an explanation, put to the oracle.
//!
//! A question may stand for many requests: a call without its arguments, all variables that begin so. The
//! answer shows one of them that is allowed and one that is refused, as far as there are any.

mod judge;

use crate::context::Context;
use crate::paths;
use crate::syscalls::{predicate, sets};
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Access, Arch, OriginId, Path, Pred};
use msb_resolve::nearest;
use msb_syntax::ast::{self, Arg, CompareOp, Name, PathExpr, PredKind, Probe, Set, StmtKind};
use msb_syscalls::Syscall;

pub(crate) use judge::{Judge, advice};

/// Requests, lowered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A path, and everything below it where `below`.
    Open { path: Path, access: Access, below: bool },
    /// Calls, each with what is said of its arguments.
    Calls {
        calls: Vec<(&'static Syscall, Pred)>,
        abi: Abi,
        /// What is said of the arguments, as the `where` of a rule.
        condition: Option<String>,
    },
    /// A variable, or all that begin so.
    Env { name: String, prefix: bool },
    /// Whether another policy allows all that this one does; see [`crate::narrow`].
    Narrower { than: String },
    /// A connection to another host, or from one.
    Network { what: String },
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abi {
    /// As programs of this machine do.
    Own,
    /// With the bit of x32 in its number.
    X32,
    /// As 32-bit programs do.
    I386,
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
}

impl Evidence {
    pub(crate) fn new(what: String, rule: Option<OriginId>, why: Why) -> Evidence {
        Evidence { what, rule, why, sealed: None }
    }
}

/// How a request came to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The rule allows it.
    Allowed,
    /// The rule denies it.
    Denied,
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
    /// Calls of another ABI are always refused.
    OtherAbi,
}

/// Reads a request; `None` where something was reported.
pub(crate) fn lower(cx: &mut Context<'_>, probe: &Probe, never: bool) -> Option<Asked> {
    match probe {
        Probe::Open { path, access } => open(cx, path, access, never),
        Probe::Syscall { set, args, on } => calls(cx, set, args, on),
        Probe::Env(name) => {
            let (stem, prefix) = match name.node.strip_suffix('*') {
                Some(stem) => (stem, true),
                None => (name.node.as_str(), false),
            };
            Some(Asked::Env { name: stem.to_owned(), prefix })
        }
        Probe::Connect(end) | Probe::Listen(end) => match &end.peer {
            // Who may write a socket may connect to it; see unix(7).
            ast::Peer::Path(path) => {
                let path = paths::place(cx, path)?.path;
                Some(Asked::Open { path, access: Access::Write, below: never })
            }
            _ => Some(Asked::Network { what: probe_text(cx, probe, end.span) }),
        },
        Probe::Call { name, .. } => {
            if !is_tool(cx, &name.node) {
                cx.say(
                    Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown tool `{}`", name.node))
                        .label(name.span, "no tool of the policy has this name")
                        .help("declare it with `tool`, or take the claim away"),
                );
            }
            None
        }
    }
}

fn is_tool(cx: &Context<'_>, name: &str) -> bool {
    cx.stmts()
        .iter()
        .any(|placed| matches!(&placed.stmt.kind, StmtKind::Tool(tool) if tool.name.node == name))
}

fn probe_text(cx: &Context<'_>, probe: &Probe, end: Span) -> String {
    let verb = if matches!(probe, Probe::Listen(_)) { "listen" } else { "connect" };
    format!("{verb} {}", cx.sources.text(end))
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
    let abi = abi(cx, on)?;
    let members = sets::expand(cx, set, &[Arch::X86_64])?;
    let mut calls = Vec::new();
    for member in members {
        let mut all = Vec::new();
        for arg in args {
            let op = CompareOp::Eq;
            let kind = PredKind::Compare { arg: arg.name.clone(), op, value: arg.value.clone() };
            let written = ast::Pred { kind, span: arg.name.span.to(arg.value.span) };
            all.push(predicate::lower(cx, &written, member.call)?);
        }
        calls.push((member.call, if all.is_empty() { Pred::True } else { Pred::All(all) }));
    }
    let one = |arg: &Arg| format!("{} == {}", arg.name.node, cx.sources.text(arg.value.span));
    let condition: Vec<String> = args.iter().map(one).collect();
    let condition = Some(condition.join(" and ")).filter(|condition| !condition.is_empty());
    Some(Asked::Calls { calls, abi, condition })
}

/// The ABI that `on` names: one, this version's own unless it says otherwise.
fn abi(cx: &mut Context<'_>, on: &[Name]) -> Option<Abi> {
    let mut abi = Abi::Own;
    for name in on {
        abi = match name.node.as_str() {
            "x86_64" => Abi::Own,
            "x64" | "amd64" | "x86-64" => {
                cx.say(
                    Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown architecture `{}`", name.node))
                        .label(name.span, "no architecture has this name")
                        .help("did you mean `x86_64`?")
                        .edit(name.span, "x86_64"),
                );
                return None;
            }
            "x32" => Abi::X32,
            "i386" | "x86" => Abi::I386,
            "aarch64" => {
                cx.say(
                    Diagnostic::new(
                        codes::NOT_ENFORCED,
                        "a filter for `aarch64` is not enforced by this version",
                    )
                    .label(name.span, "filters are made for `x86_64`")
                    .help("write `on x86_64`, or leave it out"),
                );
                return None;
            }
            other => {
                let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown architecture `{other}`"))
                    .label(name.span, "no architecture has this name");
                cx.say(match nearest(other, ["x86_64", "x32", "i386"]) {
                    Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
                    None => unknown.help("write `x86_64`, `x32` or `i386`"),
                });
                return None;
            }
        };
    }
    Some(abi)
}
