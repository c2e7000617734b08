//! The mount table and the denies.
//!
//! Rights at a path are the union of those of every grant that covers it. A mount that lies inside
//! another hides it, so it carries the union itself, as far as both show the same place of the host.

use crate::origins::{Order, Origins};
use crate::path::{below, lower, show};
use crate::{EmitError, ir, plan};
use std::collections::BTreeMap;

/// Bytes of /dev/shm: what other runtimes give by default (Docker's `--shm-size`, podman's, 64 MiB).
const SHM_BYTES: u64 = 64 << 20;
const PROC: plan::Path<'_> = plan::Path { base: plan::Base::Root, rest: "proc" };
const DEV: plan::Path<'_> = plan::Path { base: plan::Base::Root, rest: "dev" };

/// A mount with the policy's own origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mount<'p> {
    pub(crate) target: plan::Path<'p>,
    kind: plan::MountKind<'p>,
    presence: plan::Presence,
    pub(crate) origin: ir::OriginId,
}

/// A deny with the policy's own origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deny<'p> {
    path: plan::Path<'p>,
    rights: plan::Rights,
    missing: plan::Missing,
    pub(crate) origin: ir::OriginId,
}

impl<'p> Mount<'p> {
    pub(crate) fn emit(&self, origins: &Origins<'p>) -> plan::Mount<'p> {
        let Mount { target, kind, presence, origin } = *self;
        plan::Mount { target, kind, presence, origin: origins.id(origin) }
    }
}

impl<'p> Deny<'p> {
    pub(crate) fn emit(&self, origins: &Origins<'p>) -> plan::Deny<'p> {
        let Deny { path, rights, missing, origin } = *self;
        plan::Deny { path, rights, missing, origin: origins.id(origin) }
    }
}

/// The mounts of `policy`, one for each target, sorted by it.
pub(crate) fn table<'p>(policy: &'p ir::Policy, order: &Order) -> Result<Vec<Mount<'p>>, EmitError> {
    let mut mounts: Mounts<'p> = BTreeMap::new();
    for rule in &policy.fs {
        let Some(mount) = mount(rule)? else { continue };
        if mount.target == (plan::Path { base: plan::Base::Root, rest: "" }) {
            return Err(EmitError::TargetIsRoot { origin: mount.origin });
        }
        match mounts.get_mut(&mount.target) {
            None => {
                mounts.insert(mount.target, mount);
            }
            Some(there) => *there = merge(policy, order, *there, mount)?,
        }
    }
    let widened: Mounts<'p> = mounts.iter().map(|(target, mount)| (*target, widen(mount, &mounts))).collect();
    Ok(widened.values().filter(|mount| !is_redundant(mount, &widened)).copied().collect())
}

fn mount(rule: &ir::FsRule) -> Result<Option<Mount<'_>>, EmitError> {
    let origin = rule.origin;
    let required = |target, kind| Mount { target, kind, presence: plan::Presence::Required, origin };
    Ok(Some(match &rule.kind {
        ir::FsKind::Grant { source, target, rights, optional, links: how } => Mount {
            target: lower(target, origin)?,
            kind: plan::MountKind::Bind {
                source: lower(source, origin)?,
                rights: bits(*rights),
                links: links(*how),
            },
            presence: presence(*optional),
            origin,
        },
        ir::FsKind::Overlay { source, target, size_bytes, inodes, run, optional, links: how } => Mount {
            target: lower(target, origin)?,
            kind: plan::MountKind::Overlay {
                source: lower(source, origin)?,
                links: links(*how),
                size_bytes: *size_bytes,
                inodes: *inodes,
                rights: bits(ir::Rights { read: true, write: true, run: *run }),
            },
            presence: presence(*optional),
            origin,
        },
        ir::FsKind::Device { path, optional } => Mount {
            target: lower(path, origin)?,
            kind: plan::MountKind::Device { source: lower(path, origin)? },
            presence: presence(*optional),
            origin,
        },
        ir::FsKind::Socket { source, target, optional, links: how } => Mount {
            target: lower(target, origin)?,
            kind: plan::MountKind::Socket { source: lower(source, origin)?, links: links(*how) },
            presence: presence(*optional),
            origin,
        },
        ir::FsKind::Scratch { target, size_bytes, inodes } => required(
            lower(target, origin)?,
            plan::MountKind::Scratch {
                size_bytes: *size_bytes,
                inodes: *inodes,
                rights: plan::Rights::READ.union(plan::Rights::WRITE),
            },
        ),
        ir::FsKind::ProcSelf => required(PROC, plan::MountKind::Proc(plan::ProcScope::Processes)),
        ir::FsKind::ProcAll => required(PROC, plan::MountKind::Proc(plan::ProcScope::All)),
        ir::FsKind::StdDevices => required(DEV, plan::MountKind::Dev { shm_bytes: SHM_BYTES }),
        ir::FsKind::Deny { .. } | ir::FsKind::DenyFound { .. } => return Ok(None),
    }))
}

fn links(links: ir::Links) -> plan::Links {
    match links {
        ir::Links::Follow => plan::Links::Follow,
        ir::Links::Refuse => plan::Links::Refuse,
    }
}

fn presence(optional: bool) -> plan::Presence {
    if optional { plan::Presence::Optional } else { plan::Presence::Required }
}

fn bits(rights: ir::Rights) -> plan::Rights {
    [(rights.read, plan::Rights::READ), (rights.write, plan::Rights::WRITE), (rights.run, plan::Rights::RUN)]
        .into_iter()
        .filter(|(has, _)| *has)
        .fold(plan::Rights::NONE, |all, (_, right)| all.union(right))
}

/// Two rules for one target: grants of one source add up, everything else must be the same.
fn merge<'p>(policy: &ir::Policy, order: &Order, a: Mount<'p>, b: Mount<'p>) -> Result<Mount<'p>, EmitError> {
    use plan::{MountKind::Bind, Presence};
    let kind = match (a.kind, b.kind) {
        (Bind { source, rights, links }, Bind { source: other, rights: more, links: also })
            if source == other =>
        {
            // Followed only where every line says so.
            let links = if links == also { links } else { plan::Links::Refuse };
            Bind { source, rights: rights.union(more), links }
        }
        // All of procfs has its own processes, too.
        (plan::MountKind::Proc(_), plan::MountKind::Proc(_)) if a.kind != b.kind => {
            plan::MountKind::Proc(plan::ProcScope::All)
        }
        (one, other) if one == other => one,
        _ => {
            let (first, second) =
                if order.place(a.origin) <= order.place(b.origin) { (a, b) } else { (b, a) };
            return Err(EmitError::TargetTwice {
                target: show(policy, a.target),
                origins: [first.origin, second.origin],
            });
        }
    };
    let required = [a.presence, b.presence].contains(&Presence::Required);
    Ok(Mount {
        target: a.target,
        kind,
        presence: if required { Presence::Required } else { Presence::Optional },
        origin: order.first(a.origin, b.origin),
    })
}

/// Whether `outer` shows at `inner`'s target the very place that `inner` shows there; its rights then.
fn same_place(outer: &Mount<'_>, inner: &Mount<'_>) -> Option<plan::Rights> {
    let (plan::MountKind::Bind { source: from, rights, .. }, plan::MountKind::Bind { source, .. }) =
        (outer.kind, inner.kind)
    else {
        return None;
    };
    let rest = below(outer.target, inner.target)?;
    (below(from, source)? == rest).then_some(rights)
}

/// Mounts by their targets.
type Mounts<'p> = BTreeMap<plan::Path<'p>, Mount<'p>>;

/// The mounts at `target` and around it, the nearest first.
fn around<'a, 'p>(target: plan::Path<'p>, all: &'a Mounts<'p>) -> impl Iterator<Item = &'a Mount<'p>> {
    let up = |path: &plan::Path<'p>| {
        let rest = path.rest.rfind('/').and_then(|at| path.rest.get(..at));
        let rest = rest.or((!path.rest.is_empty()).then_some(""))?;
        Some(plan::Path { base: path.base, rest })
    };
    std::iter::successors(Some(target), up).filter_map(|path| all.get(&path))
}

/// `mount` with the rights of all grants that cover it.
fn widen<'p>(mount: &Mount<'p>, all: &Mounts<'p>) -> Mount<'p> {
    let plan::MountKind::Bind { source, rights, links } = mount.kind else { return *mount };
    let covering = around(mount.target, all).filter_map(|outer| same_place(outer, mount));
    let rights = covering.fold(rights, plan::Rights::union);
    Mount { kind: plan::MountKind::Bind { source, rights, links }, ..*mount }
}

/// Whether the mount around `mount` already shows the same place with the same rights. It must then also
/// be there whenever `mount` must be.
fn is_redundant(mount: &Mount<'_>, all: &Mounts<'_>) -> bool {
    let Some(outer) = around(mount.target, all).find(|outer| outer.target != mount.target) else {
        return false;
    };
    let plan::MountKind::Bind { rights, .. } = mount.kind else { return false };
    same_place(outer, mount) == Some(rights)
        && (outer.presence == plan::Presence::Required || mount.presence == plan::Presence::Optional)
}

/// The denies of `policy`, one for each path, sorted by it.
pub(crate) fn denies<'p>(policy: &'p ir::Policy, order: &Order) -> Result<Vec<Deny<'p>>, EmitError> {
    let mut denies: BTreeMap<plan::Path<'p>, Deny<'p>> = BTreeMap::new();
    for rule in &policy.fs {
        let ir::FsKind::Deny { path, rights, missing } = &rule.kind else { continue };
        let path = lower(path, rule.origin)?;
        let deny =
            Deny { path, rights: bits(*rights), missing: fate(*missing, path.rest), origin: rule.origin };
        let merged = denies.get(&path).map_or(deny, |there| Deny {
            path,
            rights: there.rights.union(deny.rights),
            missing: strictest(there.missing, deny.missing),
            origin: order.first(there.origin, deny.origin),
        });
        denies.insert(path, merged);
    }
    Ok(denies.into_values().collect())
}

/// A search with the policy's own origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'p> {
    root: plan::Path<'p>,
    search: &'p ir::Search,
    rights: plan::Rights,
    missing: plan::Missing,
    pub(crate) origin: ir::OriginId,
}

impl<'p> Search<'p> {
    pub(crate) fn emit(&self, origins: &Origins<'p>) -> plan::Search<'p> {
        let Search { root, search, rights, missing, origin } = *self;
        let ir::Search { depth, beside, rest, .. } = search;
        plan::Search { root, depth: *depth, beside, rest, rights, missing, origin: origins.id(origin) }
    }
}

/// The searches of `policy`, each once, sorted by where they begin.
pub(crate) fn searches<'p>(policy: &'p ir::Policy, order: &Order) -> Result<Vec<Search<'p>>, EmitError> {
    let mut searches: BTreeMap<&ir::Search, Search<'p>> = BTreeMap::new();
    for rule in &policy.fs {
        let ir::FsKind::DenyFound { search, rights, missing } = &rule.kind else { continue };
        let root = lower(&search.root, rule.origin)?;
        let missing = fate(*missing, &search.rest);
        let one = Search { root, search, rights: bits(*rights), missing, origin: rule.origin };
        let merged = searches.get(search).map_or(one, |there| Search {
            rights: there.rights.union(one.rights),
            missing: strictest(there.missing, one.missing),
            origin: order.first(there.origin, one.origin),
            ..one
        });
        searches.insert(search, merged);
    }
    Ok(searches.into_values().collect())
}

fn fate(missing: ir::Missing, rest: &str) -> plan::Missing {
    let is_commondir = ["commondir", ".git/commondir"].contains(&rest) || rest.ends_with("/.git/commondir");
    match missing {
        ir::Missing::Mask { directory: false } if is_commondir => plan::Missing::MaskDot,
        ir::Missing::Mask { directory: false } => plan::Missing::MaskFile,
        ir::Missing::Mask { directory: true } => plan::Missing::MaskDir,
        ir::Missing::Fail => plan::Missing::Fail,
        ir::Missing::Skip => plan::Missing::Skip,
    }
}

/// The strictest of several wins; of the two masks, the directory (who wrote the `/` knew).
fn strictest(one: plan::Missing, other: plan::Missing) -> plan::Missing {
    let strictness = |missing| match missing {
        plan::Missing::Skip => 0,
        plan::Missing::MaskFile | plan::Missing::MaskDot => 1,
        plan::Missing::MaskDir => 2,
        plan::Missing::Fail => 3,
    };
    if strictness(other) > strictness(one) { other } else { one }
}
