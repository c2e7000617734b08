//! Whether one policy allows no more than another, with a request as evidence where it does.
//!
//! Files of the host are compared by the name that the host gives them, whatever their names inside: a policy may
//! show what its parent shows in another place. What is private to the sandbox is compared by its place inside.
//! Rights are the same everywhere between the paths that rules name, so those paths are all that is asked about.
//! Calls are compared exactly, condition against condition.

use std::collections::BTreeSet;

use msb_syscalls::{capability_name, describe};

use crate::difference::describe_call;
use crate::places::{has, takes};
use crate::{
    Access, Arch, Base, Borders, Calls, Connection, Connections, Decision, Endpoint, EnvKind, FsKind, FsRule,
    Limit, Limits, Links, Net, NetKind, NetLimits, NetRule, OpenAsked, OriginId, Path, Peer, Places, Policy,
    Rate, Request, Search, Solution, SyscallAction, SyscallRule, Text, Verdict, Which, Word,
};

/// Something that a policy allows and the other does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widening {
    /// What it allows.
    pub what: Wider,
    /// The rule that allows it; `None` where it is what no rule limits.
    pub allowed: Option<OriginId>,
    /// The rule of the other policy that refuses it, or says less; `None` where no rule is about it.
    pub refused: Option<OriginId>,
}

/// What one policy allows and another does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wider {
    /// A file of the host, or a place inside where `private`.
    Open {
        /// Which.
        path: Path,
        /// What for.
        access: Access,
        /// Whether it exists inside alone.
        private: bool,
    },
    /// What a search of the other policy finds at launch, and denies.
    Found {
        /// Which search.
        search: Search,
        /// What for.
        access: Access,
    },
    /// A call with these arguments.
    Call {
        /// Whose call it is.
        arch: Arch,
        /// Its number.
        nr: u32,
        /// Its arguments.
        args: [u64; 6],
    },
    /// Some call of this number, perhaps: it could not be decided in moderate time.
    Undecided {
        /// Whose call it is.
        arch: Arch,
        /// Its number.
        nr: u32,
    },
    /// A variable of the host, or all that begin so.
    Env {
        /// The name, or its beginning.
        name: String,
        /// Whether `name` is a beginning.
        prefix: bool,
    },
    /// A connection.
    Connect(Connection),
    /// A connection that both make, and this one on wider terms.
    Terms {
        /// Which.
        connection: Connection,
        /// The terms, as a rule would say them: `inject $key`, `only GET /v1/*`.
        what: String,
    },
    /// A port that is published on the host's loopback, as a claim says it.
    Listen(String),
    /// A call of a tool, as a claim says it, and why it is more.
    Tool {
        /// `call search(query: "a")`.
        call: String,
        /// What of it is more.
        why: ToolWider,
    },
    /// A bound of a tool.
    ToolLimit {
        /// Its name.
        tool: String,
        /// The bound, by its word in the language.
        word: &'static str,
        /// Whether the tool says one, and more than that.
        said: bool,
    },
    /// A capability, by number.
    Capability(u32),
    /// A limit, by its word in the language.
    Limit(&'static str),
}

impl Wider {
    /// The request as a claim would say it, in the words of `policy`, which allows it; of a call, the arguments that
    /// rules of it or of `other` look at.
    #[must_use]
    pub fn describe(&self, policy: &Policy, other: &Policy) -> String {
        match self {
            Wider::Open { path, access, .. } => {
                format!("open {} for {}", policy.shown(path), access.word())
            }
            Wider::Found { search, access } => {
                format!(
                    "open {} for {} where it is there at launch",
                    policy.shown_search(search),
                    access.word()
                )
            }
            Wider::Call { arch, nr, args } => {
                format!("syscall {}", describe_call(policy, other, *arch, *nr, args))
            }
            Wider::Undecided { arch, nr } => {
                let name = msb_syscalls::by_number(*arch, *nr)
                    .map_or_else(|| format!("syscall({nr})"), |call| call.name.to_owned());
                format!("syscall {name}, perhaps: its conditions are too involved to be compared")
            }
            Wider::Env { name, prefix } => format!("env {name}{}", if *prefix { "*" } else { "" }),
            Wider::Connect(connection) => policy.shown_connection(connection),
            Wider::Terms { connection, what } => {
                let plain = Connection { method: None, ..connection.clone() };
                format!("{} {what}", policy.shown_connection(&plain))
            }
            Wider::Listen(what) => what.clone(),
            Wider::Tool { call, .. } => call.clone(),
            Wider::ToolLimit { tool, word, .. } => format!("more `{word}` of `{tool}`"),
            Wider::Capability(number) => format!("caps {}", capability_name(*number).unwrap_or("?")),
            Wider::Limit(word) => (*word).to_owned(),
        }
    }
}

/// What of a tool is more than the other policy has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolWider {
    /// The tool: there it is not known.
    Unknown,
    /// Its arguments.
    Arguments,
    /// What it runs, or how: there it is another command.
    Command,
    /// What it gives back.
    Result,
    /// Nobody is asked.
    Unasked,
    /// The policy that it runs under, which allows this.
    Sandbox(String),
}

/// How policies are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// As parent and child: files of the host by the name that the host gives them.
    Host,
    /// As two versions: by the names that programs use.
    Inside,
}

impl Policy {
    /// What this policy allows and `other` does not: the first request for each rule that allows one. The
    /// parameters of both are the same, and lie apart.
    #[must_use]
    pub fn widenings(&self, other: &Policy, by: By) -> Vec<Widening> {
        let mut found = Vec::new();
        self.wider_files(other, by, &mut found);
        self.wider_searches(other, &mut found);
        self.wider_calls(other, &mut found);
        self.wider_env(other, by, &mut found);
        self.wider_net(other, &mut found);
        self.wider_tools(other, &mut found);
        self.wider_capabilities(other, &mut found);
        self.wider_limits(other, &mut found);
        found
    }

    /// What is wider than `other` in limits: of all together, of connections and of tools.
    #[must_use]
    pub fn higher_limits(&self, other: &Policy) -> Vec<Widening> {
        let mut found = Vec::new();
        self.wider_net(other, &mut found);
        self.wider_tool_bounds(other, &mut found);
        self.wider_limits(other, &mut found);
        found.retain(|it| matches!(it.what, Wider::Limit(_) | Wider::ToolLimit { .. }));
        found
    }

    fn wider_files(&self, other: &Policy, by: By, found: &mut Vec<Widening>) {
        let (own, its) = (Places::apart(self), Places::apart(other));
        let mut seen: BTreeSet<(OriginId, Access)> = BTreeSet::new();
        let paths: BTreeSet<Path> = self.named_paths().into_iter().chain(other.named_paths()).collect();
        for path in &paths {
            for access in Access::ALL {
                // As the host names it, and as programs do.
                let names: &[bool] = if by == By::Host { &[false, true] } else { &[true] };
                for &private in names {
                    let asked = |places: &Places| match private {
                        true => places.inside(path, access),
                        false => places.of_host(path, access),
                    };
                    let Some(Verdict::Allowed { origin, host }) = asked(&own) else { continue };
                    // What a grant shows is the host's.
                    if by == By::Host && private != host.is_none() {
                        continue;
                    }
                    let refused = match asked(&its) {
                        Some(Verdict::Allowed { host: its, .. }) if by == By::Inside && its != host => None,
                        Some(Verdict::Allowed { .. }) => continue,
                        Some(verdict) => verdict.decision(access).origin,
                        None => None,
                    };
                    if seen.insert((origin, access)) {
                        let path = path.clone();
                        let what = Wider::Open { path, access, private: private && host.is_none() };
                        found.push(Widening { what, allowed: Some(origin), refused });
                    }
                }
            }
        }
    }

    /// What searches of the other policy deny and nothing here does, of what rules here show.
    fn wider_searches(&self, other: &Policy, found: &mut Vec<Widening>) {
        let places = Places::apart(self);
        for rule in &other.fs {
            let FsKind::DenyFound { search, rights, .. } = &rule.kind else { continue };
            let denied = |access: Access| {
                self.fs.iter().any(|own| match &own.kind {
                    FsKind::Deny { path, rights, .. } => path.covers(&search.root) && takes(*rights, access),
                    FsKind::DenyFound { search: own, rights, .. } => {
                        own.covers(search) && takes(*rights, access)
                    }
                    _ => false,
                })
            };
            let wider = Access::ALL.into_iter().filter(|access| takes(*rights, *access) && !denied(*access));
            let granted = |access| Some((access, places.allowed_below(&search.root, access)?.1));
            if let Some((access, allowed)) = wider.into_iter().find_map(granted) {
                let what = Wider::Found { search: search.clone(), access };
                found.push(Widening { what, allowed: Some(allowed), refused: Some(rule.origin) });
            }
        }
    }

    /// Every path that a file rule names, and the names that grants give it inside and on the host.
    fn named_paths(&self) -> Vec<Path> {
        let root = |rest: &str| Path { base: Base::Root, rest: rest.to_owned() };
        let mut named = Vec::new();
        for rule in &self.fs {
            match &rule.kind {
                FsKind::Grant { source, target, .. }
                | FsKind::Overlay { source, target, .. }
                | FsKind::Socket { source, target, .. } => named.extend([source.clone(), target.clone()]),
                FsKind::Scratch { target, .. } => named.push(target.clone()),
                FsKind::Deny { path, .. } | FsKind::Device { path, .. } => named.push(path.clone()),
                FsKind::DenyFound { search, .. } => named.push(search.root.clone()),
                FsKind::StdDevices => named.push(root("dev")),
                FsKind::ProcSelf | FsKind::ProcAll => named.push(root("proc")),
            }
        }
        let mut also = Vec::new();
        for rule in &self.fs {
            let (FsKind::Grant { source, target, .. }
            | FsKind::Overlay { source, target, .. }
            | FsKind::Socket { source, target, .. }) = &rule.kind
            else {
                continue;
            };
            if source == target {
                continue;
            }
            let inside = |path: &Path| Some(target.join(source.remainder(path)?));
            let on_host = |path: &Path| Some(source.join(target.remainder(path)?));
            also.extend(named.iter().filter_map(inside));
            also.extend(named.iter().filter_map(on_host));
        }
        named.extend(also);
        named
    }

    fn wider_calls(&self, other: &Policy, found: &mut Vec<Widening>) {
        let mut seen = BTreeSet::new();
        let (own, its) = (Calls::of(self), Calls::of(other));
        let calls: BTreeSet<(Arch, u32)> = self.numbers().chain(other.numbers()).collect();
        for (arch, nr) in calls {
            let wider = own.made_when(arch, nr).witness_without(&its.made_when(arch, nr));
            // Made without a question where the other asks is wider too.
            let wider = match wider {
                Solution::Nothing => {
                    own.made_unasked_when(arch, nr).witness_without(&its.made_unasked_when(arch, nr))
                }
                found => found,
            };
            let args = match wider {
                Solution::Found(args) => args,
                Solution::Nothing => continue,
                // What nobody could prove counts as wider.
                Solution::GivenUp => {
                    let allowed = own.rules_of(arch, nr).iter().map(|rule| rule.origin).min();
                    let refused = its.rules_of(arch, nr).iter().map(|rule| rule.origin).min();
                    found.push(Widening { what: Wider::Undecided { arch, nr }, allowed, refused });
                    continue;
                }
            };
            let allowed = own.call(arch, nr, args).origin;
            if seen.insert(allowed) {
                let what = Wider::Call { arch, nr, args };
                found.push(Widening { what, allowed, refused: its.call(arch, nr, args).origin });
            }
        }
    }

    /// The calls that may be made: those that rules name, and all of the table where that is the default.
    fn numbers(&self) -> impl Iterator<Item = (Arch, u32)> {
        let all = self.archs.iter().filter(|_| self.syscall_default.0.may_make());
        let table = all.flat_map(|arch| msb_syscalls::all(*arch).iter().map(|call| (*arch, call.nr)));
        self.syscalls.iter().map(|rule| (rule.arch, rule.nr)).chain(table)
    }

    /// A call as a claim says it: `syscall socket(domain: AF_UNIX, …)`, and whose where the policy has several.
    #[must_use]
    pub fn shown_call(&self, arch: Arch, nr: u32, args: &[u64; 6]) -> String {
        let call = describe(arch, nr, args);
        if self.archs == [arch] {
            format!("syscall {call}")
        } else {
            format!("syscall {call} on {}", arch.word())
        }
    }

    fn wider_env(&self, other: &Policy, by: By, found: &mut Vec<Widening>) {
        for rule in &self.env {
            let (name, prefix) = match &rule.kind {
                EnvKind::Pass { name, prefix } => (name, *prefix),
                // What is set says nothing of the host.
                EnvKind::Set { name, .. } if by == By::Inside => (name, false),
                EnvKind::Set { .. } => continue,
            };
            let passed = other.env.iter().any(|theirs| match &theirs.kind {
                EnvKind::Pass { name: start, prefix: true } => name.starts_with(start.as_str()),
                EnvKind::Pass { name: passed, prefix: false } => !prefix && passed == name,
                EnvKind::Set { name: set, .. } => by == By::Inside && !prefix && set == name,
            });
            if !passed {
                let refused = (!prefix).then(|| other.decide(&Request::Env(name)).origin).flatten();
                let what = Wider::Env { name: name.clone(), prefix };
                found.push(Widening { what, allowed: Some(rule.origin), refused });
            }
        }
    }

    fn wider_net(&self, other: &Policy, found: &mut Vec<Widening>) {
        let makes = |decision: Decision| decision.action == SyscallAction::Allow;
        let (own, its) = (Connections::of(self), Connections::of(other));
        let borders = Borders::of(&[self, other]);
        for rule in self.net.rules() {
            let widening = match &rule.kind {
                NetKind::Allow { endpoint, .. } => {
                    borders.connections(endpoint, Which::Carried).find_map(|one| {
                        let (allowed, refused) = (own.decide(&one), its.decide(&one));
                        let wider = allowed.origin == Some(rule.origin) && makes(allowed);
                        (wider && !makes(refused)).then_some((Wider::Connect(one), refused.origin))
                    })
                }
                NetKind::Listen(publish) => publish.each().find_map(|one| {
                    let refused = other.listen(&one);
                    let what = one.describe(&self.shown_peer(&publish.at.peer));
                    (!makes(refused)).then_some((Wider::Listen(what), refused.origin))
                }),
                NetKind::Deny(_) | NetKind::Total(_) => None,
            };
            if let Some((what, refused)) = widening {
                found.push(Widening { what, allowed: Some(rule.origin), refused });
            }
        }
        self.wider_terms(other, (&own, &its), &borders, found);
        self.wider_totals(other, found);
    }

    /// Limits of all connections together that the other policy has and this one has not, or higher.
    fn wider_totals(&self, other: &Policy, found: &mut Vec<Widening>) {
        for (theirs, refused) in other.totals() {
            let quotas = |it: &NetLimits| [it.up_bytes, it.down_bytes, it.both_bytes];
            let per_second = |rate: Rate| (u128::from(rate.count) << 64) / u128::from(rate.period_us.max(1));
            let least = |of: &dyn Fn(&NetLimits) -> Option<u128>| {
                self.totals().filter_map(|(it, origin)| Some((of(it)?, origin))).min()
            };
            let mut check = |word, of: &dyn Fn(&NetLimits) -> Option<u128>| {
                let Some(limit) = of(theirs) else { return };
                let own = least(of);
                if own.is_none_or(|(value, _)| value > limit) {
                    let allowed = own.map(|(_, origin)| origin);
                    found.push(Widening { what: Wider::Limit(word), allowed, refused: Some(refused) });
                }
            };
            check("rate", &|it| it.rate.map(per_second));
            check("connections", &|it| it.connections.map(u128::from));
            for index in 0..3 {
                check("quota", &|it| quotas(it).get(index).copied().flatten().map(u128::from));
            }
        }
    }

    fn totals(&self) -> impl Iterator<Item = (&NetLimits, OriginId)> {
        self.net.rules().iter().filter_map(|rule| match &rule.kind {
            NetKind::Total(limits) => Some((limits, rule.origin)),
            _ => None,
        })
    }

    fn wider_capabilities(&self, other: &Policy, found: &mut Vec<Widening>) {
        let more = self.capabilities.0 & !other.capabilities.0;
        found.extend((0..u64::BITS).filter(|bit| more >> bit & 1 == 1).map(|bit| Widening {
            what: Wider::Capability(bit),
            allowed: Some(self.capabilities.1),
            refused: Some(other.capabilities.1),
        }));
    }

    fn wider_limits(&self, other: &Policy, found: &mut Vec<Widening>) {
        if let (Some(line), None) = (self.sandbox.tier_landlock, other.sandbox.tier_landlock) {
            found.push(Widening { what: Wider::Limit("tier"), allowed: Some(line), refused: None });
        }
        if let (None, Some(line)) = (self.sandbox.mdwe, other.sandbox.mdwe) {
            found.push(Widening { what: Wider::Limit("mdwe"), allowed: None, refused: Some(line) });
        }
        let abi = |policy: &Policy| policy.sandbox.landlock_abi_min.map_or(0, |limit| limit.value);
        if abi(self) < abi(other) {
            let line = |policy: &Policy| policy.sandbox.landlock_abi_min.map(|limit| limit.origin);
            found.push(Widening {
                what: Wider::Limit("landlock"),
                allowed: line(self),
                refused: line(other),
            });
        }
        let swap = |limits: &Limits| limits.swap_bytes.map_or(0, |limit| limit.value);
        for ((word, own), (_, its)) in self.limits.by_word().into_iter().zip(other.limits.by_word()) {
            // Memory without a line for swap has none.
            if word == "swap" && self.limits.memory_bytes.is_some() && other.limits.memory_bytes.is_some() {
                if swap(&self.limits) > swap(&other.limits) {
                    let refused = its.or(other.limits.memory_bytes).map(|its| its.origin);
                    found.push(Widening {
                        what: Wider::Limit(word),
                        allowed: own.map(|own| own.origin),
                        refused,
                    });
                }
                continue;
            }
            let Some(its) = its else { continue };
            if own.is_none_or(|own| own.value > its.value) {
                let allowed = own.map(|own| own.origin);
                found.push(Widening { what: Wider::Limit(word), allowed, refused: Some(its.origin) });
            }
        }
        self.wider_sources(other, found);
        let (mine, theirs) = (self.scratches(), other.scratches());
        for (target, size_bytes, inodes, origin) in mine {
            let of_other = theirs.iter().find(|(its, ..)| *its == target);
            if let Some((_, size, _, refused)) = of_other.filter(|it| it.1 < size_bytes || it.2 < inodes) {
                let what = Wider::Limit(if *size < size_bytes { "size" } else { "inodes" });
                found.push(Widening { what, allowed: Some(origin), refused: Some(*refused) });
            }
        }
    }

    /// What paths alone do not tell: links that lead out of what the other policy shows, and procfs.
    fn wider_sources(&self, other: &Policy, found: &mut Vec<Widening>) {
        let open = |path: &Path| Wider::Open { path: path.clone(), access: Access::Read, private: false };
        for rule in &self.fs {
            let what = match &rule.kind {
                FsKind::Grant { source, links: Links::Follow, .. }
                | FsKind::Overlay { source, links: Links::Follow, .. }
                | FsKind::Socket { source, links: Links::Follow, .. } => {
                    let covering = |it: &FsRule| {
                        let (from, links) = it.kind.source()?;
                        from.covers(source).then_some(links)
                    };
                    let mut theirs = other.fs.iter().filter_map(covering).peekable();
                    let refused = theirs.peek().is_some() && theirs.all(|links| links == Links::Refuse);
                    refused.then(|| open(source))
                }
                FsKind::ProcAll => {
                    let known = other.fs.iter().any(|it| it.kind == FsKind::ProcAll);
                    let path = Path { base: Base::Root, rest: "proc".to_owned() };
                    (!known).then_some(Wider::Open { path, access: Access::Read, private: true })
                }
                _ => None,
            };
            found.extend(what.map(|what| Widening { what, allowed: Some(rule.origin), refused: None }));
        }
    }

    fn scratches(&self) -> Vec<(Path, u64, u64, OriginId)> {
        let scratch = |rule: &'_ FsRule| match &rule.kind {
            FsKind::Scratch { target, size_bytes, inodes }
            | FsKind::Overlay { target, size_bytes, inodes, .. } => {
                Some((target.clone(), *size_bytes, *inodes, rule.origin))
            }
            _ => None,
        };
        self.fs.iter().filter_map(scratch).collect()
    }

    /// The same policy with the parameters of `first` before its own, so that both mean the same by an index.
    #[must_use]
    pub fn with_params_of(&self, first: &Policy) -> Policy {
        let mut params = first.params.clone();
        let mut moved = Vec::with_capacity(self.params.len());
        for param in &self.params {
            let known =
                params.iter().position(|other| (&other.name, other.kind) == (&param.name, param.kind));
            moved.push(known.unwrap_or(params.len()));
            if known.is_none() {
                params.push(param.clone());
            }
        }
        let index = |index: usize| moved.get(index).copied().unwrap_or(usize::MAX);
        let path = |path: &Path| {
            let base = match path.base {
                Base::Param(param) => Base::Param(index(param)),
                base => base,
            };
            Path { base, rest: path.rest.clone() }
        };
        let mut policy = Policy { params, ..self.clone() };
        for rule in &mut policy.fs {
            match &mut rule.kind {
                FsKind::Grant { source, target, .. }
                | FsKind::Overlay { source, target, .. }
                | FsKind::Socket { source, target, .. } => {
                    *source = path(source);
                    *target = path(target);
                }
                FsKind::Scratch { target: it, .. }
                | FsKind::Deny { path: it, .. }
                | FsKind::DenyFound { search: Search { root: it, .. }, .. }
                | FsKind::Device { path: it, .. } => *it = path(it),
                FsKind::StdDevices | FsKind::ProcSelf | FsKind::ProcAll => {}
            }
        }
        for rule in &mut policy.env {
            if let EnvKind::Set { value: Text::Param(param), .. } = &mut rule.kind {
                *param = index(*param);
            }
        }
        if let Net::Rules { rules, .. } = &mut policy.net {
            for rule in rules {
                match &mut rule.kind {
                    NetKind::Allow { endpoint, terms } => {
                        if let Peer::Param(param) = &mut endpoint.peer {
                            *param = index(*param);
                        }
                        terms.inject = terms.inject.map(index);
                    }
                    NetKind::Deny(endpoint) => {
                        if let Peer::Param(param) = &mut endpoint.peer {
                            *param = index(*param);
                        }
                    }
                    NetKind::Listen(_) | NetKind::Total(_) => {}
                }
            }
        }
        if let Some((cwd, _)) = &mut policy.exec.cwd {
            *cwd = path(cwd);
        }
        for claim in &mut policy.claims {
            match &mut claim.asked {
                OpenAsked::Path { path: at, .. } => *at = path(at),
                OpenAsked::Connect(Endpoint { peer: Peer::Param(param), .. }) => *param = index(*param),
                OpenAsked::Connect(_) | OpenAsked::Call(_) => {}
            }
        }
        for tool in &mut policy.tools {
            tool.params.iter_mut().map(|param| &mut param.ty).chain(&mut tool.result).for_each(|ty| {
                ty.places(&mut |under| *under = path(under));
            });
            for word in &mut tool.exec {
                if let Word::Open(param) = word {
                    *param = index(*param);
                }
            }
            if let Some(inner) = tool.sandbox.as_mut().and_then(|sandbox| sandbox.policy.as_mut()) {
                **inner = inner.with_params_of(first);
            }
        }
        policy
    }

    /// The grants of this policy of which nothing is left once it inherits the denies of `parent`.
    #[must_use]
    pub fn cancelled_by(&self, parent: &Policy) -> Vec<Widening> {
        let denied = Policy { fs: parent.fs.clone(), ..self.clone() };
        let denied = Places::apart(&denied);
        let mut found = Vec::new();
        for rule in &self.fs {
            let FsKind::Grant { source, rights, .. } = &rule.kind else { continue };
            let refused = Access::ALL.into_iter().filter(|access| has(*rights, *access)).find_map(|access| {
                let origin = denied.denied_on_host(source, access)?;
                Some((access, origin))
            });
            if let Some((access, refused)) = refused {
                let what = Wider::Open { path: source.clone(), access, private: false };
                found.push(Widening { what, allowed: Some(rule.origin), refused: Some(refused) });
            }
        }
        found
    }

    /// What a policy that extends `parent` takes from it: every deny, and every limit that is smaller. `origin`
    /// turns the parent's origins into this policy's.
    pub fn inherit(&mut self, parent: &Policy, mut origin: impl FnMut(OriginId) -> OriginId) {
        for rule in &parent.fs {
            if matches!(rule.kind, FsKind::Deny { .. } | FsKind::DenyFound { .. })
                && self.fs.iter().all(|own| own.kind != rule.kind)
            {
                self.fs.push(FsRule { kind: rule.kind.clone(), origin: origin(rule.origin) });
            }
        }
        for rule in &parent.syscalls {
            let known = |own: &SyscallRule| {
                (own.arch, own.nr, own.action, &own.predicate)
                    == (rule.arch, rule.nr, rule.action, &rule.predicate)
            };
            // A question is no deny: where this policy refuses by default, it would open what is closed.
            let decided = self.archs.contains(&rule.arch);
            if decided && !rule.action.may_make() && !self.syscalls.iter().any(known) {
                // Of two errors the policy's own decides: it is as strict, and nearer.
                self.syscalls.push(SyscallRule {
                    implied: true,
                    origin: origin(rule.origin),
                    ..rule.clone()
                });
            }
        }
        if let (Net::Rules { rules: own, .. }, Net::Rules { rules, .. }) = (&mut self.net, &parent.net) {
            for rule in rules {
                let refuses = matches!(rule.kind, NetKind::Deny(_) | NetKind::Total(_));
                if refuses && own.iter().all(|known| known.kind != rule.kind) {
                    own.push(NetRule { kind: rule.kind.clone(), origin: origin(rule.origin) });
                }
            }
        }
        self.inherit_tools(parent);
        if let Some(limit) = parent.sandbox.landlock_abi_min
            && self.sandbox.landlock_abi_min.is_none_or(|own| own.value < limit.value)
        {
            let origin = origin(limit.origin);
            self.sandbox.landlock_abi_min = Some(Limit { value: limit.value, origin });
        }
        self.sandbox.mdwe = self.sandbox.mdwe.or(parent.sandbox.mdwe.map(&mut origin));
        let Limits {
            hard,
            memory_bytes,
            swap_bytes,
            pids,
            cpu_percent,
            wall_ms,
            files,
            cpuset,
            cpu_time_ms,
            io_bytes_per_s,
            io_weight,
            output_bytes,
            file_bytes,
        } = parent.limits;
        let own = &mut self.limits;
        let own_memory = own.memory_bytes.is_some();
        own.hard |= hard;
        least(&mut own.memory_bytes, memory_bytes, &mut origin);
        least(&mut own.pids, pids, &mut origin);
        least(&mut own.cpu_percent, cpu_percent, &mut origin);
        least(&mut own.wall_ms, wall_ms, &mut origin);
        least(&mut own.files, files, &mut origin);
        least(&mut own.cpuset, cpuset, &mut origin);
        least(&mut own.cpu_time_ms, cpu_time_ms, &mut origin);
        least(&mut own.io_bytes_per_s, io_bytes_per_s, &mut origin);
        least(&mut own.io_weight, io_weight, &mut origin);
        least(&mut own.output_bytes, output_bytes, &mut origin);
        least(&mut own.file_bytes, file_bytes, &mut origin);
        // Without a line of its own it is 0 already where memory is limited.
        if own.swap_bytes.is_some() || !own_memory {
            least(&mut own.swap_bytes, swap_bytes, &mut origin);
        }
    }
}

/// Makes `own` the smaller of both.
fn least<T: Copy + PartialOrd>(
    own: &mut Option<Limit<T>>,
    parent: Option<Limit<T>>,
    origin: &mut impl FnMut(OriginId) -> OriginId,
) {
    if let Some(parent) = parent
        && own.is_none_or(|own| own.value > parent.value)
    {
        *own = Some(Limit { value: parent.value, origin: origin(parent.origin) });
    }
}
