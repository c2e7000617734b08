//! The `fs` section: what of the host is shown inside, with which rights, and what is taken away again.

mod conflicts;
mod options;
mod risks;

use crate::context::Context;
use crate::paths::{self, Place};
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{FsKind, FsRule, Missing, Path, Rights};
use msb_resolve::LayerId;
use msb_syntax::ast::{self, FsVerb, PathExpr, PathKind, StmtKind};
use options::Options;
use std::collections::{HashMap, HashSet};

/// What a `scratch` without `size` holds.
pub(crate) const SCRATCH_BYTES: u64 = 64 << 20;
/// How many files a `scratch` without `inodes` holds.
pub(crate) const SCRATCH_INODES: u64 = 16_384;

/// A rule with where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) kind: FsKind,
    /// Of the path.
    pub(crate) span: Span,
    /// Of the whole rule.
    pub(crate) whole: Span,
    pub(crate) layer: LayerId,
    /// Whether `at` says where it appears.
    pub(crate) placed: bool,
}

/// The rules of all `fs` sections.
pub(crate) fn fs(cx: &mut Context<'_>) -> Vec<FsRule> {
    let mut rules = Vec::new();
    for placed in cx.stmts() {
        if let StmtKind::Fs(section) = &placed.stmt.kind {
            section.iter().for_each(|rule| one(cx, rule, placed.layer, &mut rules));
        }
    }
    by_inside_name(&mut rules);
    let clear = conflicts::conflicts(cx, &rules);
    risks::risks(cx, &rules, clear);
    let mut all: Vec<FsRule> = Vec::new();
    let mut known = HashSet::new();
    for rule in rules {
        if known.insert(rule.kind.clone()) {
            all.push(FsRule { origin: cx.origin(rule.whole), kind: rule.kind });
        }
    }
    all
}

fn one(cx: &mut Context<'_>, rule: &ast::FsRule, layer: LayerId, rules: &mut Vec<Rule>) {
    let Some(options) = options::options(cx, rule) else { return };
    for expr in &rule.paths {
        let kind = match rule.verb.node {
            FsVerb::Read => grant(cx, expr, &options, READ),
            FsVerb::Write => grant(cx, expr, &options, READ.and(WRITE)),
            FsVerb::Run => grant(cx, expr, &options, READ.and(RUN)),
            FsVerb::Scratch => scratch(cx, expr, &options),
            FsVerb::Deny | FsVerb::DenyRead => deny(cx, expr, &options, READ.and(WRITE).and(RUN)),
            FsVerb::DenyWrite => deny(cx, expr, &options, WRITE),
            FsVerb::DenyRun => deny(cx, expr, &options, RUN),
            FsVerb::Device => device(cx, expr),
            FsVerb::Proc => proc(cx, expr),
            FsVerb::Create | FsVerb::Append | FsVerb::Overlay | FsVerb::Socket => None,
        };
        if let Some(kind) = kind {
            let placed = options.at.is_some();
            rules.push(Rule { kind, span: expr.span, whole: rule.span, layer, placed });
        }
    }
}

const NONE: Rights = Rights { read: false, write: false, run: false };
const READ: Rights = Rights { read: true, ..NONE };
const WRITE: Rights = Rights { write: true, ..NONE };
const RUN: Rights = Rights { run: true, ..NONE };

trait RightsExt {
    fn and(self, other: Rights) -> Rights;
    fn within(self, other: Rights) -> bool;
}

impl RightsExt for Rights {
    fn and(self, other: Rights) -> Rights {
        Rights { read: self.read || other.read, write: self.write || other.write, run: self.run || other.run }
    }

    fn within(self, other: Rights) -> bool {
        self.and(other) == other
    }
}

fn grant(cx: &mut Context<'_>, expr: &PathExpr, options: &Options, rights: Rights) -> Option<FsKind> {
    let source = paths::place(cx, expr)?.path;
    let target = match &options.at {
        Some(at) => at.path.clone(),
        None => source.clone(),
    };
    let at = options.at_span.unwrap_or(expr.span);
    let allowed = risks::grant_allowed(cx, &source, &target, rights, expr.span, at);
    allowed.then_some(FsKind::Grant { source, target, rights, optional: options.optional })
}

fn scratch(cx: &mut Context<'_>, expr: &PathExpr, options: &Options) -> Option<FsKind> {
    let target = paths::place(cx, expr)?.path;
    if !risks::target_free(cx, &target, expr.span) {
        return None;
    }
    if options.size.is_none() {
        cx.say(
            Diagnostic::new(codes::SCRATCH_WITHOUT_SIZE, "scratch has no size")
                .label(expr.span, "holds 64MiB, the default")
                .help("write `size 64MiB`, or more where the program needs it"),
        );
    }
    let size_bytes = options.size.unwrap_or(SCRATCH_BYTES);
    Some(FsKind::Scratch { target, size_bytes, inodes: options.inodes.unwrap_or(SCRATCH_INODES) })
}

fn deny(cx: &mut Context<'_>, expr: &PathExpr, options: &Options, rights: Rights) -> Option<FsKind> {
    let Place { path, directory } = paths::place(cx, expr)?;
    let missing = match options.missing {
        None | Some(Missing::Mask { .. }) => Missing::Mask { directory },
        Some(other) => other,
    };
    Some(FsKind::Deny { path, rights, missing })
}

fn device(cx: &mut Context<'_>, expr: &PathExpr) -> Option<FsKind> {
    match &expr.kind {
        PathKind::Group(name) if name == "@std" => Some(FsKind::StdDevices),
        PathKind::Group(name) => {
            cx.say(
                Diagnostic::new(codes::UNKNOWN_GROUP, format!("unknown group of devices `{name}`"))
                    .label(expr.span, "no group of devices has this name")
                    .help("write `device @std`"),
            );
            None
        }
        PathKind::Path(path) if STANDARD_DEVICES.contains(&path.as_str()) => {
            cx.say(
                Diagnostic::new(codes::NOT_ENFORCED, "a single device is not enforced by this version")
                    .label(expr.span, "one of `@std`")
                    .help("write `device @std`"),
            );
            None
        }
        PathKind::Path(path) => {
            cx.say(risks::device_beyond_std(expr.span, path));
            None
        }
        PathKind::Var { name, .. } => {
            cx.say(risks::device_beyond_std(expr.span, &format!("${}", name.node)));
            None
        }
    }
}

/// What `device @std` gives: the nodes that every program may expect.
const STANDARD_DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm",
    "/dev/fd",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/stderr",
];

fn proc(cx: &mut Context<'_>, expr: &PathExpr) -> Option<FsKind> {
    if matches!(&expr.kind, PathKind::Path(path) if path.trim_end_matches('/') == "/proc/self") {
        return Some(FsKind::ProcSelf);
    }
    cx.say(
        Diagnostic::new(
            codes::NOT_ENFORCED,
            "more of procfs than `/proc/self` is not enforced by this version",
        )
        .label(expr.span, "other processes and settings of the kernel")
        .help("write `proc /proc/self`"),
    );
    None
}

/// Gives a grant without `at`, whose path is where another rule of the same block puts something, that rule's
/// source: there its path is a name inside, and it adds rights to what is there. A profile cannot mean what a
/// policy puts in its way: `run /usr` of a profile and `read $data at /usr` stay two sources for one path.
fn by_inside_name(rules: &mut [Rule]) {
    let mut placed: HashMap<(LayerId, Path), Path> = HashMap::new();
    for rule in rules.iter() {
        if let FsKind::Grant { source, target, .. } = &rule.kind
            && rule.placed
        {
            placed.entry((rule.layer, target.clone())).or_insert_with(|| source.clone());
        }
    }
    for rule in rules.iter_mut().filter(|rule| !rule.placed) {
        if let FsKind::Grant { source, target, .. } = &mut rule.kind
            && let Some(real) = placed.get(&(rule.layer, target.clone()))
        {
            source.clone_from(real);
        }
    }
}
