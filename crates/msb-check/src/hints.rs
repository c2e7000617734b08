//! What is worth a look and wrong in no policy: said by `lint`, where somebody asks for it.
//!
//! It is read from the canonical policy, so that a rule means here what it means to the launcher.

use crate::context::Context;
use crate::paths::covers;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{
    Base, Borders, Connections, FsKind, FsRule, NetKind, OriginId, ParamKind, Path, Policy, Which,
};

/// Files that git, editors, shells and build servers run or trust, below a folder that somebody works in: those
/// that `std.workspace` denies first.
const TRUSTED: &[&str] = &[".git/hooks", ".git/config", ".envrc", ".vscode", ".mcp.json", ".github"];

pub(crate) fn hints(cx: &mut Context<'_>, policy: &Policy) {
    for rule in &policy.fs {
        match &rule.kind {
            FsKind::Deny { path, rights, .. } => {
                denies_nothing(cx, policy, rule, path);
                if rights.write {
                    pinned(cx, policy, rule, path);
                }
            }
            FsKind::DenyFound { search, .. } => denies_nothing(cx, policy, rule, &search.root),
            FsKind::Grant { source, rights, .. } if rights.write => trusted(cx, policy, rule, source),
            _ => {}
        }
    }
    overlapping(cx, policy);
    net_denies_nothing(cx, policy);
}

/// Where a rule stands, if it stands in the policy itself: what a profile says is not for its user to mend.
fn own(cx: &Context<'_>, origin: OriginId) -> Option<Span> {
    let block = cx.resolved.block.span;
    let span = cx.origins.span(origin)?;
    (span.file == block.file && (block.start..block.end).contains(&span.start)).then_some(span)
}

fn denies_nothing(cx: &mut Context<'_>, policy: &Policy, rule: &FsRule, path: &Path) {
    let Some(span) = own(cx, rule.origin) else { return };
    let meets = |other: &Path| covers(path, other) || covers(other, path);
    let reached = policy.fs.iter().any(|other| match &other.kind {
        FsKind::Grant { source, target, .. }
        | FsKind::Overlay { source, target, .. }
        | FsKind::Socket { source, target, .. } => meets(source) || meets(target),
        FsKind::Device { path, .. } => meets(path),
        FsKind::Scratch { target, .. } => meets(target),
        FsKind::StdDevices => meets(&Path { base: Base::Root, rest: "dev".to_owned() }),
        FsKind::ProcSelf | FsKind::ProcAll => meets(&Path { base: Base::Root, rest: "proc".to_owned() }),
        FsKind::Deny { .. } | FsKind::DenyFound { .. } => false,
    });
    // A parameter may lie anywhere.
    let anywhere = |path: &Path| matches!(path.base, Base::Param(_));
    let granted_anywhere = policy.fs.iter().any(|other| match &other.kind {
        FsKind::Grant { source, .. } | FsKind::Overlay { source, .. } => anywhere(source),
        _ => false,
    });
    if !reached && !granted_anywhere && !anywhere(path) {
        cx.say(
            Diagnostic::new(codes::DENIES_NOTHING, format!("nothing of `{}` is granted", policy.shown(path)))
                .label(span, "denies what is not there")
                .help("take it away, or keep it for those who read the policy"),
        );
    }
}

fn net_denies_nothing(cx: &mut Context<'_>, policy: &Policy) {
    let (borders, connections) = (Borders::of(&[policy]), Connections::of(policy));
    for rule in policy.net.rules() {
        let NetKind::Deny(denied) = &rule.kind else { continue };
        let Some(span) = own(cx, rule.origin) else { continue };
        let allowed = borders.connections(denied, Which::Carried).any(|connection| {
            connections.about(&connection).iter().any(|rule| match &rule.kind {
                NetKind::Allow { endpoint, .. } => endpoint.accepts(&connection),
                _ => false,
            })
        });
        if !allowed {
            cx.say(
                Diagnostic::new(codes::DENIES_NOTHING, "no rule allows what this one denies")
                    .label(span, "denies what is not reached")
                    .help("take it away, or keep it for those who read the policy"),
            );
        }
    }
}

/// The folders between a writable one and what is denied in it cannot be renamed, or a program would move the
/// denied path out of its rule.
fn pinned(cx: &mut Context<'_>, policy: &Policy, rule: &FsRule, path: &Path) {
    let Some(span) = own(cx, rule.origin) else { return };
    let writable = policy.fs.iter().find_map(|other| match &other.kind {
        FsKind::Grant { source, target, rights, .. } if rights.write => {
            [source, target].into_iter().find(|root| covers(root, path) && *root != path)
        }
        _ => None,
    });
    let Some(root) = writable else { return };
    let below = path.rest.get(root.rest.len()..).unwrap_or("").trim_start_matches('/');
    let Some((folders, _)) = below.rsplit_once('/') else { return };
    let first = folders.split('/').next().unwrap_or(folders);
    cx.say(
        Diagnostic::new(
            codes::ANCESTORS_PINNED,
            format!("`{}` cannot be renamed inside", shown_below(policy, root, first)),
        )
        .label(span, "is denied within it, and would move with it")
        .help("nothing to do: programs that rename it see EBUSY"),
    );
}

fn shown_below(policy: &Policy, root: &Path, name: &str) -> String {
    let rest = if root.rest.is_empty() { name.to_owned() } else { format!("{}/{name}", root.rest) };
    policy.shown(&Path { base: root.base, rest })
}

/// A folder that a program writes and a person then works in.
fn trusted(cx: &mut Context<'_>, policy: &Policy, rule: &FsRule, source: &Path) {
    let Base::Param(index) = source.base else { return };
    let is_dir = policy.params.get(index).is_some_and(|param| param.kind == ParamKind::Dir);
    let Some(span) = own(cx, rule.origin).filter(|_| is_dir && source.rest.is_empty()) else { return };
    let denied = |name: &str| {
        policy.fs.iter().any(|other| match &other.kind {
            FsKind::Deny { path, rights, .. } => {
                let named = Path { base: source.base, rest: name.to_owned() };
                // All of it, or what counts in it.
                rights.write && (covers(path, &named) || (covers(&named, path) && *path != *source))
            }
            _ => false,
        })
    };
    let open: Vec<&str> = TRUSTED.iter().copied().filter(|name| !denied(name)).collect();
    let [first, second, ..] = open[..] else { return };
    let root = policy.shown(source);
    cx.say(
        Diagnostic::new(codes::TRUSTED_FILES_WRITABLE, format!("`{root}/{first}` and its like are writable"))
            .label(span, format!("so are `{second}` and other files that programs of the host run"))
            .help(format!("write `include std.workspace(root: {root})`, if somebody works there afterwards")),
    );
}

/// Two folders that are bound at launch, of which one is writable and the other is held to less.
fn overlapping(cx: &mut Context<'_>, policy: &Policy) {
    let rights = |index: usize| {
        let of = policy.fs.iter().filter_map(|rule| match &rule.kind {
            FsKind::Grant { source, rights, .. } if source.base == Base::Param(index) => {
                Some((rights.write, rule.origin))
            }
            _ => None,
        });
        of.max()
    };
    let places: Vec<(usize, bool, OriginId)> = (0..policy.params.len())
        .filter_map(|index| rights(index).map(|(write, at)| (index, write, at)))
        .collect();
    let writable = places.iter().find(|(_, write, _)| *write);
    let denied = |index: usize| {
        policy.fs.iter().any(|rule| match &rule.kind {
            FsKind::Deny { path, rights, .. } => {
                rights.write && path.base == Base::Param(index) && path.rest.is_empty()
            }
            _ => false,
        })
    };
    let held = places.iter().find(|(index, write, _)| !*write && !denied(*index));
    let (Some((outer, _, writes)), Some((inner, _, reads))) = (writable, held) else { return };
    let name = |index: usize| policy.params.get(index).map_or("", |param| param.name.as_str());
    let (outer, inner) = (name(*outer), name(*inner));
    let (Some(writes), Some(reads)) = (own(cx, *writes), own(cx, *reads)) else { return };
    cx.say(
        Diagnostic::new(codes::PARAMETERS_OVERLAP, format!("`${inner}` may lie below `${outer}`"))
            .label(reads, "not writable by this")
            .label(writes, "and writable by this, if it lies there")
            .help(format!("write `deny write ${inner}` if that must not be")),
    );
}
