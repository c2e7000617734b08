//! The `fs` section: what of the host is shown inside, with which rights, and what is taken away again.

mod conflicts;
mod devices;
mod found;
mod options;
mod risks;

use crate::context::Context;
use crate::paths::{self, Place};
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{FsKind, FsRule, Links, Missing, Path, Rights};
use msb_resolve::LayerId;
use msb_syntax::ast::{self, FsVerb, NetRuleKind, PathExpr, PathKind, StmtKind};
use options::{Options, SIZE_BYTES_MIN};
use std::collections::{HashMap, HashSet};

/// What a `scratch` without `size` holds.
pub(crate) const SCRATCH_BYTES: u64 = 64 << 20;
/// How many files a `scratch` without `inodes` holds.
pub(crate) const SCRATCH_INODES: u64 = 16_384;
/// The size of an overlay that says none, until [`size_overlays`] knows it: no size that is said is 0.
const UNSAID: u64 = 0;

/// Paths of one policy, before those that say the same are made one.
const RULES_MAX: usize = 2048;

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
        match &placed.stmt.kind {
            StmtKind::Fs(section) => section.iter().for_each(|rule| one(cx, rule, placed.layer, &mut rules)),
            StmtKind::Net(ast::Net::Rules(section)) => {
                section.iter().for_each(|rule| unix(cx, rule, placed.layer, &mut rules));
            }
            _ => {}
        }
    }
    // What follows compares each rule with every other one.
    if rules.len() > RULES_MAX {
        cx.say(
            Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, format!("{} paths are too many", rules.len()))
                .label(cx.resolved.block.head, format!("`fs` of a policy has at most {RULES_MAX}"))
                .help("name a directory instead of what is in it"),
        );
        return Vec::new();
    }
    by_inside_name(&mut rules);
    run_in_overlays(&mut rules);
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
            FsVerb::Overlay => overlay(cx, expr, &options),
            FsVerb::Device => devices::device(cx, expr, &options),
            FsVerb::Socket => socket(cx, expr, &options),
            FsVerb::Proc => proc(cx, expr),
            // Reported with their options.
            FsVerb::Create | FsVerb::Append => None,
        };
        if let Some(kind) = kind {
            let placed = options.at.is_some() || options.from.is_some();
            rules.push(Rule { kind, span: expr.span, whole: rule.span, layer, placed });
        }
    }
}

/// A socket that `net` names by its path is a file: who sees it may connect to it (unix(7)). It is shown as by `socket`,
/// or taken away as by `deny`, so that one part of the kernel decides about it.
fn unix(cx: &mut Context<'_>, rule: &ast::NetRule, layer: LayerId, rules: &mut Vec<Rule>) {
    let (endpoints, allow) = match &rule.kind {
        NetRuleKind::Allow(endpoints) => (endpoints, true),
        NetRuleKind::Deny(endpoints) => (endpoints, false),
        NetRuleKind::Listen(_) | NetRuleKind::Total => return,
    };
    for endpoint in endpoints {
        let ast::Peer::Path(expr) = &endpoint.peer else { continue };
        let options = Options::default();
        let kind = if allow {
            socket(cx, expr, &options)
        } else {
            deny(cx, expr, &options, READ.and(WRITE).and(RUN))
        };
        rules.extend(kind.map(|kind| Rule { kind, span: expr.span, whole: rule.span, layer, placed: false }));
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
    let links = options.links(&source);
    allowed.then_some(FsKind::Grant { source, target, rights, optional: options.optional, links })
}

/// `overlay SOURCE [at TARGET]`, or `overlay TARGET from SOURCE`.
fn overlay(cx: &mut Context<'_>, expr: &PathExpr, options: &Options) -> Option<FsKind> {
    let named = paths::place(cx, expr)?.path;
    let (source, target, at) = match (&options.from, &options.at) {
        (Some(from), _) => (from.path.clone(), named, expr.span),
        (None, Some(at)) => (named, at.path.clone(), options.at_span.unwrap_or(expr.span)),
        (None, None) => (named.clone(), named, expr.span),
    };
    if !risks::grant_allowed(cx, &source, &target, READ, expr.span, at) {
        return None;
    }
    let links = options.links(&source);
    Some(FsKind::Overlay {
        source,
        target,
        size_bytes: options.size.unwrap_or(UNSAID),
        inodes: options.inodes.unwrap_or(SCRATCH_INODES),
        run: false,
        optional: options.optional,
        links,
    })
}

fn socket(cx: &mut Context<'_>, expr: &PathExpr, options: &Options) -> Option<FsKind> {
    let source = paths::place(cx, expr)?.path;
    crate::net::dangerous_socket(cx, &source, expr.span);
    let (target, at) = match &options.at {
        Some(at) => (at.path.clone(), options.at_span.unwrap_or(expr.span)),
        None => (source.clone(), expr.span),
    };
    let links = options.links(&source);
    let free = risks::target_free(cx, &target, at);
    free.then_some(FsKind::Socket { source, target, optional: options.optional, links })
}

fn scratch(cx: &mut Context<'_>, expr: &PathExpr, options: &Options) -> Option<FsKind> {
    let target = paths::place(cx, expr)?.path;
    if !risks::target_free(cx, &target, expr.span) {
        return None;
    }
    no_size(cx, expr, options);
    let size_bytes = options.size.unwrap_or(SCRATCH_BYTES);
    Some(FsKind::Scratch { target, size_bytes, inodes: options.inodes.unwrap_or(SCRATCH_INODES) })
}

fn deny(cx: &mut Context<'_>, expr: &PathExpr, options: &Options, rights: Rights) -> Option<FsKind> {
    if let Some(snapshot) = options.how.snapshot {
        return found::deny(cx, expr, options, snapshot, rights);
    }
    if paths::is_search(expr) {
        cx.say(
            Diagnostic::new(codes::NOT_ENFORCED, "a pattern is denied where a search at launch finds it")
                .label(expr.span, "is looked for below a folder")
                .help("write `enforce snapshot` after it: files that are made later are not denied"),
        );
        return None;
    }
    let Place { path, directory } = paths::place(cx, expr)?;
    let missing = match options.missing {
        None | Some(Missing::Mask { .. }) => Missing::Mask { directory },
        Some(other) => other,
    };
    Some(FsKind::Deny { path, rights, missing })
}

fn proc(cx: &mut Context<'_>, expr: &PathExpr) -> Option<FsKind> {
    if let PathKind::Path(path) = &expr.kind {
        match path.trim_end_matches('/') {
            "/proc/self" => return Some(FsKind::ProcSelf),
            "/proc" => {
                cx.say(
                    Diagnostic::new(codes::PROC_OF_THE_KERNEL, "`proc /proc` tells about the host")
                        .label(expr.span, "shows the kernel's counters, settings and hardware")
                        .help("write `proc /proc/self`, which most programs are content with"),
                );
                return Some(FsKind::ProcAll);
            }
            _ => {}
        }
    }
    cx.say(
        Diagnostic::new(codes::WRONG_TYPE, "not a part of procfs that can be shown")
            .label(expr.span, "either the sandbox's own processes are shown, or all of it")
            .help("write `proc /proc/self`"),
    );
    None
}

/// Warns of a scratch directory without a bound of the policy's.
fn no_size(cx: &mut Context<'_>, expr: &PathExpr, options: &Options) {
    if options.size.is_none() {
        cx.say(
            Diagnostic::new(codes::SCRATCH_WITHOUT_SIZE, "scratch has no size")
                .label(expr.span, "holds 64MiB, the default")
                .help("write `size 64MiB`, or more where the program needs it"),
        );
    }
}

/// Gives overlays that say no size half of the memory that the policy has, so that their changes, which are memory, leave
/// the programs the other half; [`SCRATCH_BYTES`] where the policy limits none.
pub(crate) fn size_overlays(rules: &mut [FsRule], memory_bytes: Option<u64>) {
    let share = memory_bytes.map_or(SCRATCH_BYTES, |memory| (memory / 2).max(SIZE_BYTES_MIN));
    for rule in rules {
        if let FsKind::Overlay { size_bytes: size @ UNSAID, .. } = &mut rule.kind {
            *size = share;
        }
    }
}

/// Makes an overlay executable for which `run` grants the same place inside, and takes that grant away: one
/// mount has both.
fn run_in_overlays(rules: &mut Vec<Rule>) {
    let runs = |rule: &Rule| match &rule.kind {
        FsKind::Grant { target, rights, .. } if *rights == READ.and(RUN) => {
            Some((rule.layer, target.clone()))
        }
        _ => None,
    };
    let overlays: Vec<(LayerId, Path)> = rules
        .iter()
        .filter_map(|rule| match &rule.kind {
            FsKind::Overlay { target, .. } => Some((rule.layer, target.clone())),
            _ => None,
        })
        .collect();
    let wanted: Vec<(LayerId, Path)> =
        rules.iter().filter_map(runs).filter(|place| overlays.contains(place)).collect();
    rules.retain(|rule| runs(rule).is_none_or(|place| !wanted.contains(&place)));
    for rule in rules {
        if let FsKind::Overlay { target, run, .. } = &mut rule.kind {
            *run |= wanted.iter().any(|(layer, place)| *layer == rule.layer && place == target);
        }
    }
}

/// Gives a grant without `at`, whose path is where another rule of the same block puts something, that rule's
/// source: there its path is a name inside, and it adds rights to what is there. A profile cannot mean what a
/// policy puts in its way: `run /usr` of a profile and `read $data at /usr` stay two sources for one path.
fn by_inside_name(rules: &mut [Rule]) {
    let mut placed: HashMap<(LayerId, Path), (Path, Links)> = HashMap::new();
    for rule in rules.iter().filter(|rule| rule.placed) {
        if let FsKind::Grant { source, target, links, .. } | FsKind::Overlay { source, target, links, .. } =
            &rule.kind
        {
            placed.entry((rule.layer, target.clone())).or_insert_with(|| (source.clone(), *links));
        }
    }
    for rule in rules.iter_mut().filter(|rule| !rule.placed) {
        if let FsKind::Grant { source, target, links, .. } = &mut rule.kind
            && let Some((real, how)) = placed.get(&(rule.layer, target.clone()))
        {
            source.clone_from(real);
            *links = *how;
        }
    }
}
