//! What a policy says of a path inside, once its parameters are known.
//!
//! What is mounted deepest shows a path. Its rights are those of every grant that shows the same thing there,
//! less those of every deny that covers it, by its name on the host or its name inside. Nothing is looked up:
//! the answer is about names.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::names::Names;
use crate::{Base, FsKind, FsRule, OriginId, Path, Policy, Rights, Search};

/// A policy's file rules with every parameter bound.
#[derive(Debug, Clone)]
pub struct Places {
    shown: Vec<Shown>,
    /// Places of `shown` by their names inside.
    inside: Names,
    /// And by their names on the host.
    on_host: Names,
    denied: Vec<Denied>,
    /// Places of `denied` by their names on the host.
    denied_on_host: Names,
    sought: Vec<Sought>,
    /// Whether everything is there that searches look for.
    all_found: bool,
    home: Option<String>,
    params: Vec<Option<String>>,
    /// Whether all of procfs is shown, and not the program's own processes alone.
    whole_proc: bool,
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

impl Access {
    /// Every access, the mildest first.
    pub const ALL: [Access; 3] = [Access::Read, Access::Write, Access::Run];

    /// Its word in the language.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Run => "run",
        }
    }
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
    Allowed {
        /// The rule that grants it.
        origin: OriginId,
        /// Its name on the host; `None` for what exists inside alone.
        host: Option<String>,
    },
    /// The program may not.
    Refused {
        /// Why.
        reason: Reason,
        /// What the same name is on the host, as far as a grant maps it; the name itself where none does.
        host: String,
    },
}

impl Verdict {
    /// Whether the program may.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Verdict::Allowed { .. })
    }
}

/// A rule that puts something inside.
#[derive(Debug, Clone)]
struct Shown {
    /// Its name inside as the rule says it.
    target: Path,
    /// Its name on the host as the rule says it.
    source: Option<Path>,
    /// Its name inside, absolute.
    inside: String,
    /// Its name on the host; `None` for what exists inside alone.
    host: Option<String>,
    /// Whether what is written goes to memory, and not to the host.
    discards: bool,
    /// With those of every grant that covers it and shows the same there.
    rights: Rights,
    /// The rule that grants each right, in the order of [`Access::ALL`].
    grants: [Option<OriginId>; 3],
    origin: OriginId,
}

#[derive(Debug, Clone)]
struct Denied {
    /// Its name on the host, absolute.
    host: String,
    /// Whether it is that of a place inside as well.
    inside: bool,
    rights: Rights,
    origin: OriginId,
}

/// A deny of what a search finds.
#[derive(Debug, Clone)]
struct Sought {
    search: Search,
    /// The root of the search, absolute.
    root: String,
    rights: Rights,
    origin: OriginId,
}

impl Places {
    /// The rules of `policy`, where `parameter` gives the absolute path of a parameter by index and `home` is
    /// the home directory. A rule whose base is not known is left out: it is about no path that exists.
    pub fn new(policy: &Policy, parameter: impl Fn(usize) -> Option<String>, home: Option<&str>) -> Places {
        let params: Vec<Option<String>> = (0..policy.params.len()).map(parameter).collect();
        let home = home.map(str::to_owned);
        let mut places = Places {
            shown: Vec::new(),
            inside: Names::default(),
            on_host: Names::default(),
            denied: Vec::new(),
            denied_on_host: Names::default(),
            sought: Vec::new(),
            all_found: false,
            home,
            params,
            whole_proc: whole_proc(policy),
        };
        places.shown = mounts(policy).into_iter().filter_map(|mount| places.show(mount)).collect();
        places.inside = Names::of(places.shown.iter().map(|shown| Some(shown.inside.as_str())));
        places.on_host = Names::of(places.shown.iter().map(|shown| shown.host.as_deref()));
        places.denied = policy.fs.iter().filter_map(|rule| places.deny(rule)).collect();
        places.denied_on_host = Names::of(places.denied.iter().map(|denied| Some(denied.host.as_str())));
        places.sought = policy.fs.iter().filter_map(|rule| places.seek(rule)).collect();
        places
    }

    fn seek(&self, rule: &FsRule) -> Option<Sought> {
        let FsKind::DenyFound { search, rights, .. } = &rule.kind else { return None };
        let root = self.absolute(&search.root)?;
        Some(Sought { search: search.clone(), root, rights: *rights, origin: rule.origin })
    }

    /// The search that denies `path`, as a policy names it, for `access` where it finds something at launch, and that no
    /// other rule denies.
    #[must_use]
    pub fn sought(&self, path: &Path, access: Access) -> Option<OriginId> {
        if self.sought.is_empty() || !self.decide_path(path, access).is_allowed() {
            return None;
        }
        let found = Places { all_found: true, ..self.clone() };
        match found.decide_path(path, access) {
            Verdict::Refused { reason: Reason::Denied(origin), .. } => Some(origin),
            _ => None,
        }
    }

    /// The same of a name inside, with the paths on the host of which one has to be there.
    #[must_use]
    pub fn sought_inside(&self, name: &str, access: Access) -> Option<(OriginId, Vec<String>)> {
        if self.sought.is_empty() || !self.decide(name, access).is_allowed() {
            return None;
        }
        let found = Places { all_found: true, ..self.clone() };
        let Verdict::Refused { reason: Reason::Denied(origin), host } = found.decide(name, access) else {
            return None;
        };
        let of_line = self.sought.iter().filter(|sought| sought.origin == origin);
        let beside = of_line.flat_map(|sought| {
            let parts: Vec<&str> = below(&host, &sought.root).unwrap_or_default().split('/').collect();
            let levels: Vec<usize> = sought.search.levels(&parts).collect();
            let directory = move |level: usize| {
                let root = sought.root.trim_end_matches('/').to_owned();
                parts.iter().take(level).fold(root, |path, part| format!("{path}/{part}"))
            };
            levels.into_iter().map(move |level| format!("{}/{}", directory(level), sought.search.beside))
        });
        Some((origin, beside.collect()))
    }

    fn show(&self, mount: Mount<'_>) -> Option<Shown> {
        let host = match mount.source {
            Some(source) => Some(self.absolute(source)?),
            None => None,
        };
        let inside = self.absolute(&mount.target)?;
        let Mount { target, source, discards, rights, grants, origin } = mount;
        Some(Shown { target, source: source.cloned(), inside, host, discards, rights, grants, origin })
    }

    fn deny(&self, rule: &FsRule) -> Option<Denied> {
        let FsKind::Deny { path, rights, .. } = &rule.kind else { return None };
        let host = self.absolute(path)?;
        Some(Denied { host, inside: path.base == Base::Root, rights: *rights, origin: rule.origin })
    }

    /// `path` as an absolute name; `None` if its base is not known.
    fn absolute(&self, path: &Path) -> Option<String> {
        let base = match path.base {
            Base::Root => "",
            Base::Home => self.home.as_deref()?,
            Base::Param(index) => self.params.get(index)?.as_deref()?,
        };
        let base = base.trim_end_matches('/');
        let whole = path.rest.is_empty() && !base.is_empty();
        Some(if whole { base.to_owned() } else { format!("{base}/{}", path.rest) })
    }

    /// The rules of `policy` for parameters, and a home, that lie apart: none is in another, or in any path that
    /// a rule names.
    #[must_use]
    pub fn apart(policy: &Policy) -> Places {
        Places::apart_but(policy, |_| None)
    }

    /// The rules of `policy` for the parameters that `given` knows, and others that lie apart.
    #[must_use]
    pub fn apart_but(policy: &Policy, given: impl Fn(usize) -> Option<String>) -> Places {
        // No path of a policy has a NUL in it.
        let other = |index| given(index).or_else(|| Some(format!("/\0{index}")));
        Places::new(policy, other, Some("/\0home"))
    }

    /// Whether `path` lies at `above` or below it, by their names on the host; not where a base is not known.
    #[must_use]
    pub fn covers(&self, above: &Path, path: &Path) -> bool {
        let (Some(above), Some(path)) = (self.absolute(above), self.absolute(path)) else { return false };
        let rest = path.strip_prefix(above.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What the rules say of `path` as a policy names it: of a name inside where it begins with `/`, otherwise of
    /// the host's file, by whatever name a rule shows it, or of what a rule with the same beginning puts inside
    /// by that name.
    #[must_use]
    pub fn decide_path(&self, path: &Path, access: Access) -> Verdict {
        let Some(name) = self.absolute(path) else { return refused(Reason::NotShown, "") };
        if path.base == Base::Root {
            return self.decide(&name, access);
        }
        let placed = self.is_placed(path, &name).then(|| self.decide(&name, access));
        let verdicts = self.decide_file(&name, access).into_iter().chain(placed);
        // Of two that are as good the host's file, whichever rule is written first.
        let is_file = |it: &Verdict| matches!(it, Verdict::Allowed { host: Some(host), .. } if *host == name);
        let preference = |it: &Verdict| {
            let (rank, origin) = preference(it);
            (rank, is_file(it), origin)
        };
        verdicts.max_by_key(preference).unwrap_or_else(|| match self.denial(&name, Some(&name), access) {
            Some(origin) => refused(Reason::Denied(origin), &name),
            None => refused(Reason::NotShown, &name),
        })
    }

    /// Whether a rule with the same beginning puts something inside at `path`, whose name is `name`, or above.
    fn is_placed(&self, path: &Path, name: &str) -> bool {
        let mut above = self.inside.above(name).filter_map(|at| self.shown.get(at));
        above.any(|shown| shown.target.base == path.base)
    }

    /// What the rules say of the host's file, by the best of the names that it has inside; `None` if it has none.
    pub(crate) fn of_host(&self, path: &Path, access: Access) -> Option<Verdict> {
        self.decide_file(&self.absolute(path)?, access)
    }

    /// The deny that covers the host's file and takes `access` away.
    pub(crate) fn denied_on_host(&self, path: &Path, access: Access) -> Option<OriginId> {
        let name = self.absolute(path)?;
        self.denial(&name, Some(&name), access)
    }

    /// What the rules say of a name inside; nothing of the directories above what they show.
    pub(crate) fn inside(&self, path: &Path, access: Access) -> Option<Verdict> {
        Some(self.decide_shown(&self.absolute(path)?, access))
    }

    /// What the rules say of the host's file `name`, by the best of the names that it has inside; `None` if it
    /// has none.
    fn decide_file(&self, name: &str, access: Access) -> Option<Verdict> {
        let mut named: Vec<usize> = self.on_host.above(name).collect();
        named.sort_unstable();
        let aliases = named.into_iter().filter_map(|at| self.shown.get(at)).filter_map(|shown| {
            let rest = below(name, shown.host(access)?)?;
            let inside = shown.inside.trim_end_matches('/');
            let alias = if rest.is_empty() { shown.inside.clone() } else { format!("{inside}/{rest}") };
            // Hidden by something else, it cannot be had by this name.
            let visible =
                self.deepest(&alias).all(|it| host_name(it, &alias, access).as_deref() == Some(name));
            visible.then_some(alias)
        });
        aliases.map(|alias| self.decide(&alias, access)).max_by_key(preference)
    }

    /// A path that may be opened, and the rule that grants it, among `path` and everything below it.
    #[must_use]
    pub fn allowed_below(&self, path: &Path, access: Access) -> Option<(Path, OriginId)> {
        let name = self.absolute(path)?;
        let granted = |verdict: Verdict| match verdict {
            Verdict::Allowed { origin, .. } => Some(origin),
            Verdict::Refused { .. } => None,
        };
        if let Some(origin) = granted(self.decide_path(path, access)) {
            return Some((path.clone(), origin));
        }
        let root = path.base == Base::Root;
        let placed = self.is_placed(path, &name);
        let mut named: Vec<usize> = self.on_host.below(&name).chain(self.inside.below(&name)).collect();
        named.sort_unstable();
        named.dedup();
        named.into_iter().filter_map(|at| self.shown.get(at)).find_map(|shown| {
            // The host's files have the names that the host gives them.
            let host = shown.host(access).filter(|host| !root && below(host, &name).is_some());
            if let Some(origin) = host.and_then(|host| granted(self.decide_file(host, access)?)) {
                return Some((shown.source.clone()?, origin));
            }
            let by_name = (root || placed) && below(&shown.inside, &name).is_some();
            // Of what a rule puts below `path` every name counts, whichever rule shows it.
            let in_what_is_placed = || {
                let mut above = self.inside.above(&shown.inside).filter_map(|at| self.shown.get(at));
                above.any(|outer| path.covers(&outer.target))
            };
            let inside = by_name || in_what_is_placed();
            let origin = inside.then(|| granted(self.decide(&shown.inside, access))).flatten()?;
            Some((shown.target.clone(), origin))
        })
    }

    /// What the rules say of `path`, an absolute path inside without `.` and `..`.
    #[must_use]
    pub fn decide(&self, path: &str, access: Access) -> Verdict {
        let verdict = self.decide_shown(path, access);
        // The directories above what is shown exist, and can be listed.
        let not_shown = matches!(&verdict, Verdict::Refused { reason: Reason::NotShown, .. });
        if !not_shown || access != Access::Read {
            return verdict;
        }
        let inner = self.inside.below(path).filter_map(|at| self.shown.get(at));
        match inner.map(|shown| shown.origin).min() {
            Some(origin) => Verdict::Allowed { origin, host: None },
            None => verdict,
        }
    }

    /// The same of what rules show, without the directories above.
    fn decide_shown(&self, path: &str, access: Access) -> Verdict {
        let verdicts = self.deepest(path).map(|shown| self.through(shown, path, access));
        verdicts.min_by_key(preference).unwrap_or_else(|| match self.denial(path, None, access) {
            Some(origin) => refused(Reason::Denied(origin), path),
            None => refused(Reason::NotShown, path),
        })
    }

    /// What shows `path`: several where parameters are bound to one place, of which each must allow it.
    fn deepest(&self, path: &str) -> impl Iterator<Item = &Shown> {
        self.inside.deepest(path).iter().filter_map(|at| self.shown.get(*at))
    }

    /// What the rules say of `path` where `shown` is what shows it.
    fn through(&self, shown: &Shown, path: &str, access: Access) -> Verdict {
        // A deny of the host's file holds for what is written over it in memory, too.
        let denied = host_name(shown, path, Access::Read);
        let host = host_name(shown, path, access);
        if denied.is_none() && !self.whole_proc && hidden_in_proc(path) {
            return refused(Reason::NotShown, path);
        }
        if let Some(origin) = self.denial(path, denied.as_deref(), access) {
            return refused(Reason::Denied(origin), denied.as_deref().unwrap_or(path));
        }
        if has(shown.rights, access) {
            let origin = shown.grants[access as usize].unwrap_or(shown.origin);
            return Verdict::Allowed { origin, host };
        }
        refused(Reason::NotGranted(shown.origin), host.as_deref().unwrap_or(path))
    }

    /// The deny that covers a path and takes `access` away.
    fn denial(&self, path: &str, host: Option<&str>, access: Access) -> Option<OriginId> {
        let by_host = self.denied_on_host.above(host.unwrap_or(path)).filter_map(|at| self.denied.get(at));
        // Where nothing is shown, the name inside and the name on the host are the same place.
        let by_name = host.map(|_| self.denied_on_host.above(path)).into_iter().flatten();
        let by_name = by_name.filter_map(|at| self.denied.get(at)).filter(|denied| denied.inside);
        let denied = by_host.chain(by_name).filter(|denied| takes(denied.rights, access));
        let matches = |sought: &&Sought| {
            let by_host = below(host.unwrap_or(path), &sought.root);
            let by_inside = below(path, &sought.root).filter(|_| sought.search.root.base == Base::Root);
            [by_host, by_inside].into_iter().flatten().any(|it| sought.search.matches_below(it))
        };
        let sought = self.sought.iter().filter(|sought| self.all_found && takes(sought.rights, access));
        let sought = sought.filter(matches).map(|sought| sought.origin);
        denied.map(|denied| denied.origin).chain(sought).min()
    }
}

/// The files that a launch writes, below `/`, unless a rule shows something there: who is who inside.
pub const GENERATED_FILES: &[&str] = &["etc/group", "etc/hosts", "etc/nsswitch.conf", "etc/passwd"];
/// Those that it writes besides where placeholders are put, so that git does not take them for somebody's work.
pub const FILES_OF_GIT: &[&str] = &["etc/gitconfig", "etc/gitignore"];

/// The files that a launch of `policy` writes, whatever its rules show.
fn generated(policy: &Policy) -> impl Iterator<Item = &'static str> {
    let git = if policy.masks().next().is_some() { FILES_OF_GIT } else { &[] };
    GENERATED_FILES.iter().chain(git).copied()
}

/// Whether the policy shows all of procfs.
pub(crate) fn whole_proc(policy: &Policy) -> bool {
    policy.fs.iter().any(|rule| rule.kind == FsKind::ProcAll)
}

/// Whether a procfs of the sandbox's own lacks `path`, an absolute path inside: it has the program's own processes, which
/// init, number 1, is not, and nothing else (proc(5): `subset=pid`, `hidepid=ptraceable`).
pub(crate) fn hidden_in_proc(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/proc/") else { return false };
    let entry = rest.split('/').next().unwrap_or_default();
    let process = entry.bytes().all(|byte| byte.is_ascii_digit()) && !entry.starts_with('0') && entry != "1";
    !process && !matches!(entry, "self" | "thread-self")
}

/// A rule that puts something inside, its paths open.
#[derive(Debug, Clone)]
pub(crate) struct Mount<'p> {
    pub(crate) target: Path,
    pub(crate) source: Option<&'p Path>,
    /// Whether what is written goes to memory, and not to the host.
    pub(crate) discards: bool,
    /// With those of every grant that covers it and shows the same there.
    pub(crate) rights: Rights,
    pub(crate) grants: [Option<OriginId>; 3],
    pub(crate) origin: OriginId,
}

/// What the rules put inside. A grant inside of another hides it, so it has the rights of both, as far as both
/// show the same place of the host whatever the parameters are.
pub(crate) fn mounts(policy: &Policy) -> Vec<Mount<'_>> {
    const PRIVATE: Rights = Rights { read: true, write: true, run: false };
    const READ: Rights = Rights { read: true, write: false, run: false };
    let root = |rest: &str| Path { base: Base::Root, rest: rest.to_owned() };
    let mount = |target: Path, source, rights: Rights, origin| {
        let grants = Access::ALL.map(|access| has(rights, access).then_some(origin));
        Mount { target, source, discards: false, rights, grants, origin }
    };
    let mut all: Vec<Mount<'_>> = Vec::new();
    for rule in &policy.fs {
        let origin = rule.origin;
        match &rule.kind {
            FsKind::Grant { source, target, rights, .. } => {
                all.push(mount(target.clone(), Some(source), *rights, origin));
            }
            FsKind::Scratch { target, .. } => all.push(mount(target.clone(), None, PRIVATE, origin)),
            FsKind::StdDevices => all.push(mount(root("dev"), None, PRIVATE, origin)),
            FsKind::ProcSelf | FsKind::ProcAll => all.push(mount(root("proc"), None, READ, origin)),
            FsKind::Overlay { source, target, run, .. } => {
                let rights = Rights { run: *run, ..PRIVATE };
                let mount = mount(target.clone(), Some(source), rights, origin);
                all.push(Mount { discards: true, ..mount });
            }
            FsKind::Device { path, .. } => all.push(mount(path.clone(), Some(path), PRIVATE, origin)),
            // To connect is to write: connect(2) asks for that permission on the socket.
            FsKind::Socket { source, target, .. } => {
                all.push(mount(target.clone(), Some(source), PRIVATE, origin));
            }
            FsKind::Deny { .. } | FsKind::DenyFound { .. } => {}
        }
    }
    for rest in generated(policy) {
        let target = root(rest);
        if !all.iter().any(|mount| mount.target.covers(&target)) {
            all.push(mount(target, None, READ, policy.origin));
        }
    }
    let narrow = all.clone();
    let mut at: HashMap<(Base, &str), Vec<&Mount<'_>>> = HashMap::new();
    for mount in &narrow {
        at.entry((mount.target.base, mount.target.rest.as_str())).or_default().push(mount);
    }
    for inner in &mut all {
        let Some(source) = inner.source.filter(|_| !inner.discards) else { continue };
        let base = inner.target.base;
        let covering = inner.target.ancestors().filter_map(|rest| at.get(&(base, rest)));
        let covering: Vec<&Mount<'_>> = covering.flatten().copied().collect();
        for outer in covering.into_iter().filter(|outer| !outer.discards) {
            let Some(from) = outer.source else { continue };
            let rest = outer.target.remainder(&inner.target);
            if rest.is_none() || rest != from.remainder(source) {
                continue;
            }
            inner.rights = inner.rights.union(outer.rights);
            for (grant, other) in inner.grants.iter_mut().zip(outer.grants) {
                // The first line, so that the order of rules means nothing.
                *grant = [*grant, other].into_iter().flatten().min();
            }
        }
    }
    all
}

/// How good an answer is to a program that has several names to try.
fn preference(verdict: &Verdict) -> (u8, Reverse<Option<OriginId>>) {
    match verdict {
        Verdict::Allowed { origin, .. } => (3, Reverse(Some(*origin))),
        Verdict::Refused { reason: Reason::NotShown, .. } => (0, Reverse(None)),
        Verdict::Refused { reason: Reason::NotGranted(origin), .. } => (1, Reverse(Some(*origin))),
        Verdict::Refused { reason: Reason::Denied(origin), .. } => (2, Reverse(Some(*origin))),
    }
}

fn refused(reason: Reason, host: &str) -> Verdict {
    Verdict::Refused { reason, host: host.to_owned() }
}

pub(crate) fn has(rights: Rights, access: Access) -> bool {
    match access {
        Access::Read => rights.read,
        Access::Write => rights.write,
        Access::Run => rights.run,
    }
}

/// Whether a deny of these rights takes `access` away: without reading nothing is left.
pub(crate) fn takes(rights: Rights, access: Access) -> bool {
    has(rights, access) || rights.read
}

impl Shown {
    /// Its name on the host, as far as `access` is to the host's file.
    fn host(&self, access: Access) -> Option<&str> {
        self.host.as_deref().filter(|_| !(self.discards && access == Access::Write))
    }
}

impl<'p> Mount<'p> {
    /// Its name on the host, as far as `access` is to the host's file.
    pub(crate) fn source(&self, access: Access) -> Option<&'p Path> {
        self.source.filter(|_| !(self.discards && access == Access::Write))
    }
}

fn host_name(shown: &Shown, path: &str, access: Access) -> Option<String> {
    let rest = below(path, &shown.inside)?;
    let host = shown.host(access)?;
    Some(if rest.is_empty() { host.to_owned() } else { format!("{}/{rest}", host.trim_end_matches('/')) })
}

/// What follows `base` in `path`, by component.
fn below<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(base.trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}
