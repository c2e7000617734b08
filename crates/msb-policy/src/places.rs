//! What a policy says of a path inside, once its parameters are known.
//!
//! The rights of a path are those of every grant that shows the same thing there, less those of every deny
//! that covers it, by its name on the host or its name inside. Nothing is looked up: the answer is about names.

use crate::{Base, FsKind, OriginId, Path, Policy, Rights};

/// A policy's file rules with every parameter bound.
#[derive(Debug, Clone)]
pub struct Places {
    shown: Vec<Shown>,
    denied: Vec<Denied>,
}

/// What a program wants of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Open for reading, list.
    Read,
    /// Change, create, remove.
    Write,
    /// Execute.
    Run,
}

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// This rule denies it.
    Denied(OriginId),
    /// This rule shows it, without the right that is wanted.
    NotGranted(OriginId),
    /// No rule shows it.
    NotShown,
}

/// What a policy says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The program may.
    Allowed,
    /// The program may not.
    Refused {
        /// Why.
        reason: Reason,
        /// What the same name is on the host, as far as a grant maps it; the name itself where none does.
        host: String,
    },
}

/// A rule that puts something inside.
#[derive(Debug, Clone)]
struct Shown {
    /// Its name inside, absolute.
    inside: String,
    /// Its name on the host; `None` for what exists inside alone.
    host: Option<String>,
    rights: Rights,
    origin: OriginId,
}

#[derive(Debug, Clone)]
struct Denied {
    host: String,
    inside: Option<String>,
    rights: Rights,
    origin: OriginId,
}

impl Places {
    /// The rules of `policy`, where `parameter` gives the absolute path of a parameter by index and `home` is
    /// the home directory. A rule whose base is not known is left out: it is about no path that exists.
    pub fn new(policy: &Policy, parameter: impl Fn(usize) -> Option<String>, home: Option<&str>) -> Places {
        let absolute = |path: &Path| {
            let base = match path.base {
                Base::Root => String::new(),
                Base::Home => home?.trim_end_matches('/').to_owned(),
                Base::Param(index) => parameter(index)?.trim_end_matches('/').to_owned(),
            };
            Some(if path.rest.is_empty() && !base.is_empty() {
                base
            } else {
                format!("{base}/{}", path.rest)
            })
        };
        let mut places = Places { shown: Vec::new(), denied: Vec::new() };
        for rule in &policy.fs {
            let origin = rule.origin;
            let own = |inside: &str, rights| Shown { inside: inside.to_owned(), host: None, rights, origin };
            match &rule.kind {
                FsKind::Grant { source, target, rights, .. } => {
                    if let (Some(host), Some(inside)) = (absolute(source), absolute(target)) {
                        places.shown.push(Shown { inside, host: Some(host), rights: *rights, origin });
                    }
                }
                FsKind::Scratch { target, .. } => {
                    let rights = Rights { read: true, write: true, run: false };
                    places.shown.extend(absolute(target).map(|inside| own(&inside, rights)));
                }
                FsKind::Deny { path, rights, .. } => {
                    if let Some(host) = absolute(path) {
                        let inside = (path.base == Base::Root).then(|| host.clone());
                        places.denied.push(Denied { host, inside, rights: *rights, origin });
                    }
                }
                FsKind::StdDevices => {
                    places.shown.push(own("/dev", Rights { read: true, write: true, run: false }));
                }
                FsKind::ProcSelf => {
                    places.shown.push(own("/proc", Rights { read: true, write: true, run: false }));
                }
            }
        }
        places
    }

    /// Adds a file that the compiler writes into the new root, to be read.
    pub fn add_generated(&mut self, inside: &str, origin: OriginId) {
        let rights = Rights { read: true, write: false, run: false };
        self.shown.push(Shown { inside: inside.to_owned(), host: None, rights, origin });
    }

    /// What the rules say of `path`, an absolute path inside without `.` and `..`.
    #[must_use]
    pub fn decide(&self, path: &str, access: Access) -> Verdict {
        let covering = |shown: &&Shown| below(path, &shown.inside).is_some();
        let Some(deepest) = self.shown.iter().filter(covering).max_by_key(|shown| shown.inside.len()) else {
            return match self.denial(path, None, access) {
                Some(origin) => refused(Reason::Denied(origin), path),
                // The directories above what is shown exist, and can be listed.
                None if access == Access::Read
                    && self.shown.iter().any(|shown| below(&shown.inside, path).is_some()) =>
                {
                    Verdict::Allowed
                }
                None => refused(Reason::NotShown, path),
            };
        };
        let host = host_name(deepest, path);
        if let Some(origin) = self.denial(path, host.as_deref(), access) {
            return refused(Reason::Denied(origin), host.as_deref().unwrap_or(path));
        }
        let same = |shown: &&Shown| covering(shown) && host_name(shown, path) == host;
        if self.shown.iter().filter(same).any(|shown| has(shown.rights, access)) {
            return Verdict::Allowed;
        }
        refused(Reason::NotGranted(deepest.origin), host.as_deref().unwrap_or(path))
    }

    /// The deny that covers a path and takes `access` away.
    fn denial(&self, path: &str, host: Option<&str>, access: Access) -> Option<OriginId> {
        let covers = |denied: &&Denied| {
            // Where nothing is shown, the name inside and the name on the host are the same place.
            let by_host = below(host.unwrap_or(path), &denied.host).is_some();
            let by_inside = denied.inside.as_deref().is_some_and(|inside| below(path, inside).is_some());
            (by_host || by_inside) && (has(denied.rights, access) || denied.rights.read)
        };
        self.denied.iter().find(covers).map(|denied| denied.origin)
    }
}

fn refused(reason: Reason, host: &str) -> Verdict {
    Verdict::Refused { reason, host: host.to_owned() }
}

fn has(rights: Rights, access: Access) -> bool {
    match access {
        Access::Read => rights.read,
        Access::Write => rights.write,
        Access::Run => rights.run,
    }
}

fn host_name(shown: &Shown, path: &str) -> Option<String> {
    let rest = below(path, &shown.inside)?;
    let host = shown.host.as_ref()?;
    Some(if rest.is_empty() { host.clone() } else { format!("{}/{rest}", host.trim_end_matches('/')) })
}

/// What follows `base` in `path`, by component.
fn below<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(base.trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}
