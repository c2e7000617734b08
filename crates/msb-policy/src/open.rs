//! What a policy says of opening a path while its parameters are open.
//!
//! Each parameter, and the home, is an unknown directory. The answer is that for parameters that lie apart;
//! beside it stands whether every other binding gives the same. The proof looks at names alone: two paths of
//! different bases can meet only where their last components agree.

use crate::places::{self, Mount, has, hidden_in_proc, takes, whole_proc};
use crate::{
    Access, Base, Decision, FsKind, OriginId, Path, Places, Policy, Reason, Search, SyscallAction, Verdict,
};

/// EACCES: what open gives for a path behind a denied directory, and execve for what may not be run.
const EACCES: u16 = 13;
/// ENOENT: what open gives for a path that nothing shows.
const ENOENT: u16 = 2;
/// EROFS: what open gives for writing to a mount that is read only.
const EROFS: u16 = 30;

/// What a policy says of opening a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// For parameters that lie apart: none is in another, or in any path that a rule names.
    pub verdict: Verdict,
    /// Whether it is the same for all parameters.
    pub proved: bool,
}

/// What a policy says of a path and everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// A path that may be opened, and the rule that grants it, for parameters that lie apart.
    pub allowed: Option<(Path, OriginId)>,
    /// Whether it is the same for all parameters.
    pub proved: bool,
}

/// A policy's file rules while its parameters are open, for who asks about many paths.
#[derive(Debug, Clone)]
pub struct Files<'p> {
    policy: &'p Policy,
    /// For parameters that lie apart.
    apart: Places,
    mounts: Vec<Mount<'p>>,
}

impl<'p> Files<'p> {
    /// Those of `policy`.
    #[must_use]
    pub fn of(policy: &'p Policy) -> Files<'p> {
        Files { policy, apart: Places::apart(policy), mounts: places::mounts(policy) }
    }

    /// Whether anything of `path`, itself or below it, may be opened for `access`.
    #[must_use]
    pub fn open_below(&self, path: &Path, access: Access) -> Below {
        let allowed = self.apart.allowed_below(path, access);
        let proved = if allowed.is_some() {
            // One path is enough, and it is open in any case.
            allowed.as_ref().is_some_and(|(path, _)| self.open(path, access).proved)
        } else {
            let placed = |mount: &Mount<'_>| mount.target.covers(path) || path.covers(&mount.target);
            let by_name = path.base == Base::Root || self.mounts.iter().any(placed);
            let elsewhere = |mount: &Mount<'_>| {
                (by_name && mount.target.base != path.base)
                    || (path.base != Base::Root
                        && mount.source(access).is_some_and(|it| it.base != path.base))
            };
            let mut granting = self.mounts.iter().filter(|mount| has(mount.rights, access));
            self.open(path, access).proved && !granting.any(elsewhere)
        };
        Below { allowed, proved }
    }

    /// What the policy says of opening `path` for `access`.
    ///
    /// A path that begins with `/` is a name inside. One that begins with `~` or a parameter is the host's
    /// file, by whatever name a rule shows it, or what a rule with the same beginning puts inside by that name.
    #[must_use]
    pub fn open(&self, path: &Path, access: Access) -> Open {
        let verdict = self.apart.decide_path(path, access);
        let proof = Proof { policy: self.policy, mounts: &self.mounts, access };
        let proved = if verdict.is_allowed() { proof.allowed(path) } else { proof.refused(path) };
        Open { verdict, proved }
    }
}

impl Policy {
    /// The same of one path; see [`Files::open_below`].
    #[must_use]
    pub fn open_below(&self, path: &Path, access: Access) -> Below {
        Files::of(self).open_below(path, access)
    }

    /// The same of one path; see [`Files::open`].
    #[must_use]
    pub fn open(&self, path: &Path, access: Access) -> Open {
        Files::of(self).open(path, access)
    }
}

impl Verdict {
    /// The verdict as the decision of a policy: what open(2) or execve(2) gives.
    #[must_use]
    pub fn decision(&self, access: Access) -> Decision {
        match self {
            Verdict::Allowed { origin, .. } => {
                Decision { action: SyscallAction::Allow, origin: Some(*origin) }
            }
            Verdict::Refused { reason, .. } => {
                let (errno, origin) = match reason {
                    Reason::NotShown => (ENOENT, None),
                    Reason::Denied(origin) | Reason::NotGranted(origin) => {
                        (if access == Access::Write { EROFS } else { EACCES }, Some(*origin))
                    }
                };
                Decision { action: SyscallAction::Errno(errno), origin }
            }
        }
    }
}

/// Whether an answer holds for every binding of the parameters.
struct Proof<'p> {
    policy: &'p Policy,
    mounts: &'p [Mount<'p>],
    access: Access,
}

impl Proof<'_> {
    fn allowed(&self, path: &Path) -> bool {
        if path.base == Base::Root {
            return self.allowed_by_name(path);
        }
        let visible = |name: &Path| {
            let deepest = self.deepest(name);
            !self.may_lie_over(name, &deepest)
                && deepest.iter().all(|mount| self.host_path(mount, name).as_ref() == Some(path))
        };
        (self.is_placed(path) && self.allowed_by_name(path))
            || self.aliases(path).any(|name| visible(&name) && self.allowed_by_name(&name))
    }

    fn refused(&self, path: &Path) -> bool {
        if path.base == Base::Root {
            return self.refused_by_name(path);
        }
        let refused = |name: &Path| {
            self.denied_inside(name)
                || self.deepest(name).iter().any(|mount| {
                    // Hidden by something else, it cannot be had by this name.
                    !has(mount.rights, self.access) || self.host_path(mount, name).as_ref() != Some(path)
                })
        };
        let by_alias = self.denied_on_host(path)
            || (self.aliases(path).all(|name| refused(&name)) && !self.may_have_another_alias(path));
        by_alias && (!self.is_placed(path) || self.refused_by_name(path))
    }

    /// Whether a rule with the same beginning puts something inside at this name.
    fn is_placed(&self, path: &Path) -> bool {
        self.mounts.iter().any(|mount| mount.target.covers(path))
    }

    /// The names inside that grants give the host's file in any case.
    fn aliases<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = Path> + 'a {
        self.mounts
            .iter()
            .filter_map(|mount| Some(mount.target.join(mount.source(self.access)?.remainder(path)?)))
    }

    /// Whether, for some parameters, something lies over what shows `name`, or beside it.
    fn may_lie_over(&self, name: &Path, deepest: &[&Mount<'_>]) -> bool {
        let depth = deepest.first().map_or(0, |mount| mount.target.depth());
        self.mounts.iter().any(|mount| mount.target.base != name.base && mount.target.may_cover(name, depth))
    }

    /// Whether a grant with the right may show the host's file for some parameters.
    fn may_have_another_alias(&self, path: &Path) -> bool {
        self.mounts.iter().any(|mount| {
            has(mount.rights, self.access)
                && mount
                    .source(self.access)
                    .is_some_and(|source| source.base != path.base && source.may_cover(path, 0))
        })
    }

    fn allowed_by_name(&self, name: &Path) -> bool {
        let deepest = self.deepest(name);
        let nothing_denied = self.denies().next().is_none() && self.searches().next().is_none();
        if deepest.is_empty() && self.access == Access::Read {
            // The directories above what is shown can be listed.
            let above = self.mounts.iter().any(|mount| name.covers(&mount.target));
            return above && nothing_denied;
        }
        let Some(depth) = deepest.first().map(|mount| mount.target.depth()) else { return false };
        let denied = |mount: &Mount<'_>| {
            let host = host_path(mount, name);
            let host = host.as_ref().unwrap_or(name);
            let denied = self.denies().any(|path| {
                let by_inside = path.base == Base::Root && may_be_at(path, name);
                by_inside || may_be_at(path, host)
            });
            denied || self.searches().any(|search| search.may_match(name) || search.may_match(host))
        };
        // What may come to lie over it must allow it, too.
        let mut over = self
            .mounts
            .iter()
            .filter(|mount| mount.target.base != name.base && mount.target.may_cover(name, depth));
        deepest.iter().all(|mount| has(mount.rights, self.access) && !denied(mount))
            && over.all(|mount| has(mount.rights, self.access) && nothing_denied)
    }

    fn refused_by_name(&self, name: &Path) -> bool {
        if self.denied_inside(name) {
            return true;
        }
        let deepest = self.deepest(name);
        let over = deepest.first().map_or(0, |mount| mount.target.depth() + 1);
        let open = self.mounts.iter().any(|mount| {
            has(mount.rights, self.access)
                && mount.target.base != name.base
                && mount.target.may_cover(name, over)
        });
        let own_proc = !whole_proc(self.policy);
        let refused = deepest.is_empty()
            || deepest.iter().any(|mount| {
                let host = host_path(mount, name);
                !has(mount.rights, self.access)
                    || self.denied_on_host(host.as_ref().unwrap_or(name))
                    || (host.is_none() && own_proc && hidden_in_proc(&format!("/{}", name.rest)))
            });
        let listed = self.access == Access::Read
            && deepest.is_empty()
            && self.mounts.iter().any(|mount| name.base != mount.target.base || name.covers(&mount.target));
        refused && !open && !listed
    }

    /// What shows `name` unless something comes to lie over it: several where a policy puts two things at one
    /// place, of which each must allow it.
    fn deepest(&self, name: &Path) -> Vec<&Mount<'_>> {
        let covering: Vec<&Mount<'_>> =
            self.mounts.iter().filter(|mount| mount.target.covers(name)).collect();
        let depth = covering.iter().map(|mount| mount.target.depth()).max();
        covering.into_iter().filter(|mount| Some(mount.target.depth()) == depth).collect()
    }

    /// What `name` is on the host, as far as the access is to the host's file.
    fn host_path(&self, mount: &Mount<'_>, name: &Path) -> Option<Path> {
        mount.source(self.access)?;
        host_path(mount, name)
    }

    fn denied_inside(&self, name: &Path) -> bool {
        self.denies().any(|path| path.base == Base::Root && path.covers(name))
    }

    fn denied_on_host(&self, host: &Path) -> bool {
        self.denies().any(|path| path.covers(host))
    }

    /// The searches that take the right away from what they find.
    fn searches(&self) -> impl Iterator<Item = &Search> {
        self.policy.fs.iter().filter_map(|rule| match &rule.kind {
            FsKind::DenyFound { search, rights, .. } if takes(*rights, self.access) => Some(search),
            _ => None,
        })
    }

    /// The denies that take the right away.
    fn denies(&self) -> impl Iterator<Item = &Path> {
        self.policy.fs.iter().filter_map(|rule| match &rule.kind {
            FsKind::Deny { path, rights, .. } if takes(*rights, self.access) => Some(path),
            _ => None,
        })
    }
}

/// Whether `above` covers `path` for some parameters.
fn may_be_at(above: &Path, path: &Path) -> bool {
    above.covers(path) || (above.base != path.base && above.may_cover(path, 0))
}

fn host_path(mount: &Mount<'_>, name: &Path) -> Option<Path> {
    Some(mount.source?.join(mount.target.remainder(name)?))
}
