//! What the oracle says of each kind of question, and what would have to be written for another answer.

use super::{Asked, AskedCall, Evidence, Judgement, Why};
use msb_host::{Host, Kind, kind};
use msb_policy::{
    Access, Arch, Borders, Calls, Connection, Connections, Endpoint, EnvKind, Files, FsKind, HttpRequest,
    LOOPBACK, Method, Net, NetKind, NetRule, OriginId, Path, Peer, Places, Policy, Pred, Published, Reason,
    Request, Solution, SyscallAction, Terms, Value, Verdict, Which,
};
use std::collections::HashMap;

/// Who answers: a policy, its rules by what they are about.
pub(crate) struct Judge<'p> {
    policy: &'p Policy,
    calls: Calls<'p>,
    connections: Connections<'p>,
    borders: Borders<'p>,
    files: Files<'p>,
    /// The network rules about hosts that parameters name.
    open_rules: Vec<NetRule>,
    /// When calls are made, and when they are whatever anybody says, as far as somebody asked.
    made: HashMap<(Arch, u32), [Pred; 2]>,
    /// What its parameters are bound to, where a test says so.
    places: Option<Places>,
}

impl<'p> Judge<'p> {
    /// One that answers for all parameters.
    pub(crate) fn new(policy: &'p Policy) -> Judge<'p> {
        Judge {
            policy,
            calls: Calls::of(policy),
            connections: Connections::of(policy),
            borders: Borders::of(&[policy]),
            files: Files::of(policy),
            open_rules: policy.net.rules().iter().filter(|rule| names_param(rule)).cloned().collect(),
            made: HashMap::new(),
            places: None,
        }
    }

    /// Has it answer for these places, or for all parameters.
    pub(crate) fn bind(&mut self, places: Option<Places>) {
        self.places = places;
    }

    /// The answer to `asked`.
    pub(crate) fn judge(&mut self, asked: &Asked) -> Judgement {
        match asked {
            Asked::Open { path, access, below } => self.open(path, *access, *below),
            Asked::Calls { calls, .. } => self.calls(calls),
            Asked::Env { name, prefix } => self.env(name, *prefix),
            Asked::Narrower { .. } => {
                Judgement { allowed: None, refused: None, proved: true, rules: Vec::new() }
            }
            Asked::Connect { endpoint, deny } => self.connect(endpoint, *deny),
            Asked::Request { endpoint, method, path, deny } => {
                self.request(endpoint, *method, path.as_deref(), *deny)
            }
            Asked::Listen { endpoint, inside } => self.listen(endpoint, *inside),
            Asked::Unix { path, below } => self.unix(path, *below),
            Asked::Call { tool, args, text } => self.tool(tool, args, text),
        }
    }

    fn open(&self, path: &Path, access: Access, below: bool) -> Judgement {
        let what = |path: &Path| format!("open {} for {}", self.policy.shown(path), access.word());
        let (verdict, mut proved) = match &self.places {
            Some(places) => (places.decide_path(path, access), true),
            None => {
                let open = self.files.open(path, access);
                (open.verdict, open.proved)
            }
        };
        let (mut allowed, mut refused, mut open) = (None, None, None);
        match &verdict {
            Verdict::Allowed { origin, .. } => {
                open = Some(path.clone());
                allowed = Some(Evidence::new(what(path), Some(*origin), self.granted(*origin)));
            }
            Verdict::Refused { reason, .. } => {
                let (rule, why) = match reason {
                    Reason::Denied(origin) => (Some(*origin), Why::Denied),
                    Reason::NotGranted(origin) if *origin == self.policy.origin => {
                        (Some(*origin), Why::Generated)
                    }
                    Reason::NotGranted(origin) => (Some(*origin), Why::NoRight),
                    Reason::NotShown => (None, Why::Absent),
                };
                refused = Some(Evidence::new(what(path), rule, why));
            }
        }
        if below {
            let found = match &self.places {
                Some(places) => places.allowed_below(path, access),
                None => {
                    let below = self.files.open_below(path, access);
                    proved = below.proved;
                    below.allowed
                }
            };
            open = found.as_ref().map(|(path, _)| path.clone());
            allowed =
                found.map(|(path, origin)| Evidence::new(what(&path), Some(origin), self.granted(origin)));
        }
        if let Some(shown) = &open
            && let Some(origin) = self.sought(shown, access)
        {
            refused = Some(Evidence::new(what(shown), Some(origin), Why::Sought));
            proved = false;
        }
        let rules = [&allowed, &refused].into_iter().flatten().filter_map(|it| it.rule).collect();
        Judgement { allowed, refused, proved, rules }
    }

    /// The search that denies a path where it finds something at launch.
    fn sought(&self, path: &Path, access: Access) -> Option<OriginId> {
        match &self.places {
            Some(places) => places.sought(path, access),
            None => Places::apart(self.policy).sought(path, access),
        }
    }

    /// Why a path is allowed. What no line of the policy shows is the launcher's.
    fn granted(&self, origin: OriginId) -> Why {
        if origin == self.policy.origin { Why::Generated } else { Why::Allowed }
    }

    fn calls(&mut self, calls: &[AskedCall]) -> Judgement {
        let mut judgement = Judgement { allowed: None, refused: None, proved: true, rules: Vec::new() };
        for AskedCall { arch, call, condition } in calls {
            let made = self.made.entry((*arch, call.nr)).or_insert_with(|| {
                [self.calls.made_when(*arch, call.nr), self.calls.made_unasked_when(*arch, call.nr)]
            });
            let answers = [
                (condition.witness_with(&made[0]), &mut judgement.allowed),
                (condition.witness_without(&made[1]), &mut judgement.refused),
            ];
            for (search, evidence) in answers {
                let found = match search {
                    Solution::Found(args) => self.call(*arch, call.nr, args),
                    Solution::Nothing => continue,
                    // A claim that nobody could decide does not hold.
                    Solution::GivenUp => {
                        let rule = self.calls.rules_of(*arch, call.nr).iter().map(|rule| rule.origin).min();
                        Evidence::new(format!("syscall {}", call.name), rule, Why::Undecided)
                    }
                };
                judgement.rules.extend(found.rule);
                evidence.get_or_insert(found);
            }
        }
        judgement
    }

    fn call(&self, arch: Arch, nr: u32, args: [u64; 6]) -> Evidence {
        let policy = self.policy;
        let decision = self.calls.call(arch, nr, args);
        let rules = self.calls.rules_of(arch, nr);
        let matching = rules.iter().filter(|rule| rule.predicate.holds(&args));
        let deciding = matching
            .filter(|rule| Some(rule.origin) == decision.origin && rule.action == decision.action)
            .min_by_key(|rule| rule.implied);
        let why = match deciding {
            _ if policy.refusal_of(arch, nr).is_some() => Why::OtherAbi,
            _ if decision.action == SyscallAction::Notify => Why::Asked,
            Some(rule) if rule.implied => Why::Implied,
            Some(rule) if rule.action.makes() => Why::Allowed,
            Some(_) => Why::Denied,
            None => Why::Default,
        };
        let what = policy.shown_call(arch, nr, &args);
        let sealing =
            rules.iter().find(|rule| rule.implied && !rule.action.may_make() && rule.predicate.holds(&args));
        Evidence { what, rule: decision.origin, why, sealed: sealing.map(|rule| rule.origin), detail: None }
    }

    fn tool(&self, name: &str, args: &[(String, Value)], text: &str) -> Judgement {
        let what = format!("call {name}({text})");
        let (answer, proved) = match &self.places {
            Some(places) => {
                let covers = |above: &Path, path: &Path| places.covers(above, path);
                (self.policy.call_tool_where(name, args, &covers), true)
            }
            None => (self.policy.call_tool(name, args), self.policy.call_is_proved(name, args)),
        };
        match answer {
            Ok(origin) => {
                let allowed = Some(Evidence::new(what, Some(origin), Why::Allowed));
                Judgement { allowed, refused: None, proved, rules: vec![origin] }
            }
            Err(refusal) => {
                let mut refused = Evidence::new(what, refusal.origin, Why::BadArguments);
                refused.detail = Some(refusal.why);
                let rules = refusal.origin.into_iter().collect();
                Judgement { allowed: None, refused: Some(refused), proved, rules }
            }
        }
    }

    /// The connections that are asked about, and whether what is said of them holds whatever hosts parameters name.
    fn connections(
        &self,
        endpoint: &Endpoint,
        deny: bool,
        which: Which,
        method: Option<Method>,
    ) -> (Vec<Connection>, bool) {
        let public = Endpoint { peer: Peer::Any, ..endpoint.clone() };
        let mut all: Vec<Connection> = self.borders.connections(endpoint, which).collect();
        if is_loopback(&endpoint.peer) {
            let port = endpoint.ports.first().map_or(1, |(first, _)| *first);
            let (protocol, peer) = (endpoint.protocol, endpoint.peer.clone());
            all.push(Connection { protocol, peer, port, method: None });
        }
        // `any` of an allow is the public internet.
        all.retain(|one| deny || endpoint.peer != Peer::Any || public.accepts(one));
        (all, is_loopback(&endpoint.peer) || !self.may_name(endpoint, deny, method))
    }

    fn connect(&self, endpoint: &Endpoint, deny: bool) -> Judgement {
        // Whoever denies byte streams denies what they carry.
        let which = if deny { Which::Carried } else { Which::Asked };
        let (all, proved) = self.connections(endpoint, deny, which, None);
        let mut judgement = Judgement { allowed: None, refused: None, proved, rules: Vec::new() };
        for one in all {
            let decision = self.connections.decide(&one);
            let makes = decision.action == msb_policy::SyscallAction::Allow;
            judgement.rules.extend(decision.origin);
            let what = self.policy.shown_connection(&one);
            let why = match (makes, decision.origin) {
                (true, _) if is_loopback(&one.peer) => Why::OwnLoopback,
                (true, _) => Why::Allowed,
                (false, Some(_)) => Why::Denied,
                (false, None) => Why::Absent,
            };
            let evidence = Evidence::new(what, decision.origin, why);
            if makes { &mut judgement.allowed } else { &mut judgement.refused }.get_or_insert(evidence);
        }
        judgement
    }

    fn request(&self, endpoint: &Endpoint, method: Method, path: Option<&str>, deny: bool) -> Judgement {
        let (all, proved) = self.connections(endpoint, deny, Which::Asked, Some(method));
        let mut judgement = Judgement { allowed: None, refused: None, proved, rules: Vec::new() };
        for connection in all {
            let paths = match path {
                Some(path) => vec![path.to_owned()],
                None => self.policy.paths(&connection, method),
            };
            for path in paths {
                let one = HttpRequest { connection: connection.clone(), method, path };
                let (decision, connects) = (self.policy.request(&one), self.policy.connect(&connection));
                let makes = decision.action == SyscallAction::Allow;
                judgement.rules.extend(decision.origin);
                let why = match (makes, decision.origin) {
                    (true, _) if is_loopback(&connection.peer) => Why::OwnLoopback,
                    (true, _) => Why::Allowed,
                    (false, _) if connects.action == SyscallAction::Allow => Why::OtherRequests,
                    (false, Some(_)) => Why::Denied,
                    (false, None) => Why::Absent,
                };
                let evidence = Evidence::new(self.policy.shown_request(&one), decision.origin, why);
                if makes { &mut judgement.allowed } else { &mut judgement.refused }.get_or_insert(evidence);
            }
        }
        judgement
    }

    /// Whether a host that a parameter names may make the answer another one: a rule with the other answer may name what
    /// is asked about, or what is asked about what that rule names.
    fn may_name(&self, asked: &Endpoint, deny: bool, method: Option<Method>) -> bool {
        let open = |peer: &Peer| matches!(peer, Peer::Param(_));
        let rules = if open(&asked.peer) { self.policy.net.rules() } else { &self.open_rules };
        // A parameter stands for a name, and for none that the language has words for.
        let named = |peer: &Peer| {
            matches!(peer, Peer::Any | Peer::Param(_) | Peer::Host(Host::Name(_) | Host::Below(_)))
        };
        let says = |terms: &Terms| match (&terms.only, method) {
            (Some(only), Some(method)) => only.methods.contains(&method),
            _ => true,
        };
        let meets = |rule: &Endpoint| {
            let datagrams = |endpoint: &Endpoint| endpoint.protocol == msb_policy::Protocol::Udp;
            let ports = rule
                .ports
                .iter()
                .any(|(first, last)| asked.ports.iter().any(|(from, to)| first <= to && from <= last));
            // The same parameter is the same host, and what is said of everybody is said of it.
            let same = rule.peer == asked.peer || rule.peer == Peer::Any;
            let one = (open(&rule.peer) && named(&asked.peer)) || (open(&asked.peer) && named(&rule.peer));
            ports && datagrams(rule) == datagrams(asked) && !same && one
        };
        rules.iter().any(|rule| match &rule.kind {
            NetKind::Allow { endpoint, terms } => deny && says(terms) && meets(endpoint),
            NetKind::Deny(endpoint) => !deny && meets(endpoint),
            NetKind::Listen(_) | NetKind::Total(_) => false,
        })
    }

    fn listen(&self, endpoint: &Endpoint, inside: Option<u16>) -> Judgement {
        let mut judgement = Judgement { allowed: None, refused: None, proved: true, rules: Vec::new() };
        let all = self.policy.published(endpoint, inside);
        let asked = self.policy.shown_peer(&endpoint.peer);
        // Only the host's loopback is ever published to.
        if all.is_empty() {
            let port = endpoint.ports.first().map_or(0, |(first, _)| *first);
            let what = format!("listen {} {asked}:{port}", endpoint.protocol.word());
            judgement.refused = Some(Evidence::new(what, None, Why::Absent));
        }
        for one in all {
            let decision = self.policy.listen(&one);
            let makes = decision.action == SyscallAction::Allow;
            judgement.rules.extend(decision.origin);
            // An address of it alone is named where the others are decided otherwise.
            let others = LOOPBACK.map(|address| self.policy.listen(&Published { address, ..one }));
            let host = if others.iter().all(|it| *it == decision) { asked.clone() } else { one.host() };
            let why = match (makes, decision.origin) {
                (true, _) => Why::Allowed,
                (false, Some(_)) => Why::Denied,
                (false, None) => Why::Absent,
            };
            let evidence = Evidence::new(one.describe(&host), decision.origin, why);
            if makes { &mut judgement.allowed } else { &mut judgement.refused }.get_or_insert(evidence);
        }
        judgement
    }

    /// Who may write a socket may connect to it, unix(7).
    fn unix(&self, path: &Path, below: bool) -> Judgement {
        let mut judgement = self.open(path, Access::Write, below);
        let rename = |evidence: &mut Evidence| {
            let path = evidence.what.trim_start_matches("open ").trim_end_matches(" for write").to_owned();
            evidence.what = format!("connect unix {path}");
        };
        judgement.allowed.iter_mut().chain(&mut judgement.refused).for_each(rename);
        judgement
    }

    fn env(&self, name: &str, prefix: bool) -> Judgement {
        let star = if prefix { "*" } else { "" };
        let rule_for = |rule: &EnvKind| match rule {
            EnvKind::Set { name: set, .. } | EnvKind::Pass { name: set, prefix: false } => {
                (set == name || (prefix && set.starts_with(name))).then(|| set.clone())
            }
            EnvKind::Pass { name: start, prefix: true } => {
                let longer = if start.len() > name.len() { start.as_str() } else { name };
                let meets = name.starts_with(start.as_str()) || (prefix && start.starts_with(name));
                meets.then(|| format!("{longer}{}", if prefix { "*" } else { "" }))
            }
        };
        let meeting = || {
            let env = &self.policy.env;
            env.iter().filter_map(|rule| Some((rule_for(&rule.kind)?, rule.origin)))
        };
        let allowed = if prefix {
            meeting().min_by_key(|(_, origin)| *origin)
        } else {
            self.policy.decide(&Request::Env(name)).origin.map(|origin| (name.to_owned(), origin))
        };
        let covered = self.policy.env.iter().any(|rule| match &rule.kind {
            EnvKind::Pass { name: start, prefix: true } => name.starts_with(start.as_str()),
            EnvKind::Pass { .. } | EnvKind::Set { .. } => false,
        });
        let open = if prefix { !covered } else { allowed.is_none() };
        let absent = Evidence::new(format!("env {name}{star}"), None, Why::Absent);
        Judgement {
            allowed: allowed
                .map(|(what, origin)| Evidence::new(format!("env {what}"), Some(origin), Why::Allowed)),
            refused: open.then_some(absent),
            proved: true,
            rules: meeting().map(|(_, origin)| origin).collect(),
        }
    }
}

/// Whether it is the sandbox's own loopback.
fn is_loopback(peer: &Peer) -> bool {
    matches!(peer, Peer::Host(Host::Address(it)) if kind(it.first()) == Kind::Loopback)
}

fn names_param(rule: &NetRule) -> bool {
    match &rule.kind {
        NetKind::Allow { endpoint, .. } | NetKind::Deny(endpoint) => {
            matches!(endpoint.peer, Peer::Param(_))
        }
        NetKind::Listen(_) | NetKind::Total(_) => false,
    }
}

/// How to come to another answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// In words.
    pub(crate) words: String,
    /// What to do to the text.
    pub(crate) change: Change,
}

/// What would change an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A line more.
    Write {
        /// In this section.
        section: &'static str,
        /// The line.
        line: String,
    },
    /// Less in the line that decides: without this name.
    Take {
        /// A call, a variable; "" where it is for the line to say.
        name: String,
        /// The section and the line that are needed as well where nothing allows it then.
        also: Option<(&'static str, String)>,
    },
    /// Nothing that is written.
    Nothing,
}

fn write(section: &'static str, line: String) -> Advice {
    Advice { words: format!("write `{line}` in `{section}`"), change: Change::Write { section, line } }
}

fn take(name: &str, words: impl Into<String>) -> Advice {
    Advice { words: words.into(), change: Change::Take { name: name.to_owned(), also: None } }
}

/// Less in the line that denies, and a line that allows where none does.
fn take_deny(name: &str, words: impl Into<String>, section: &'static str, line: String) -> Advice {
    let change = Change::Take { name: name.to_owned(), also: Some((section, line)) };
    Advice { words: words.into(), change }
}

fn nothing(words: impl Into<String>) -> Advice {
    Advice { words: words.into(), change: Change::Nothing }
}

/// What to write so that the answer is another one: the smallest edit.
pub(crate) fn advice(policy: &Policy, asked: &Asked, evidence: &Evidence) -> Advice {
    const DENIED: &str = "take the rule that denies it away, or name less in it, as a deny overrides";
    match asked {
        Asked::Open { path, access, .. } => open_advice(policy, path, *access, evidence),
        Asked::Calls { calls, condition, .. } => {
            let name = evidence.what.strip_prefix("syscall ").and_then(|what| what.split('(').next());
            let name = name.unwrap_or_else(|| calls.first().map_or("", |asked| asked.call.name));
            let other = calls.iter().map(|asked| asked.arch).find(|arch| !policy.archs.contains(arch));
            let calls = match condition {
                Some(condition) => format!("{name} where {condition}"),
                None => name.to_owned(),
            };
            match (evidence.why, evidence.sealed) {
                (Why::Allowed, _) => write("syscalls", format!("errno EPERM {calls}")),
                (Why::OtherAbi, _) => match other {
                    Some(arch) => {
                        nothing(format!("write `arch {}` in `syscalls`, and rules for it", arch.word()))
                    }
                    None => nothing("nothing allows it: every sandbox refuses it"),
                },
                (Why::Undecided, _) => nothing("write the conditions on it in fewer parts"),
                (Why::Asked, _) => {
                    let words =
                        format!("write `allow {calls}` in place of `notify`, or `errno EPERM {calls}`");
                    Advice { words, ..write("syscalls", format!("errno EPERM {calls}")) }
                }
                (_, Some(origin)) if origin == policy.origin => {
                    nothing("nothing allows it: every sandbox refuses it")
                }
                (_, Some(origin)) => {
                    let text = usize::try_from(origin.0).ok().and_then(|index| policy.origins.get(index));
                    let text = text.map_or("another section", |origin| origin.text.as_str());
                    nothing(format!("no rule of `syscalls` allows it: it follows from `{text}`"))
                }
                (Why::Default, None) => write("syscalls", format!("allow {calls}")),
                _ => {
                    let words = format!("take `{name}` out of the rule that denies it, as a deny overrides");
                    take_deny(name, words, "syscalls", format!("allow {calls}"))
                }
            }
        }
        Asked::Env { name, prefix } => {
            let star = if *prefix { "*" } else { "" };
            match evidence.why {
                Why::Allowed => {
                    let name = evidence.what.trim_start_matches("env ");
                    take(name, format!("take `{name}` out of `env`"))
                }
                _ => write("env", format!("pass {name}{star}")),
            }
        }
        Asked::Narrower { .. } => nothing(""),
        Asked::Connect { .. } => {
            let to = evidence.what.trim_start_matches("connect ");
            match evidence.why {
                Why::Allowed => write("net", format!("deny {to}")),
                Why::OwnLoopback => nothing("nothing to do: the sandbox's own loopback is no network"),
                Why::Absent => write("net", format!("allow {to}")),
                _ if closed(policy) == Some(Closed::Unsaid) => write("net", format!("allow {to}")),
                _ if closed(policy) == Some(Closed::Said) => {
                    let words = format!("write `net {{ allow {to} }}` in place of `net none`");
                    Advice { words, ..write("net", format!("allow {to}")) }
                }
                _ => take_deny("", DENIED, "net", format!("allow {to}")),
            }
        }
        Asked::Request { endpoint, method, .. } => {
            let to = request_target(evidence);
            let treated = evidence.rule.map_or_else(String::new, |rule| treated(policy, rule));
            let rule = |path: &str| format!("allow {to} only {} {path}{treated}", method.word());
            let path = evidence.what.rsplit(' ').next().unwrap_or("/");
            match evidence.why {
                Why::Allowed if reads(policy, endpoint) => take(
                    "",
                    format!("name other methods or paths behind `only`, without {} {path}", method.word()),
                ),
                Why::Allowed => nothing(format!(
                    "nothing denies one request alone: write behind `only` which are allowed, such as `allow {to} only GET`"
                )),
                Why::OwnLoopback => nothing("nothing to do: the sandbox's own loopback is no network"),
                Why::Denied if closed(policy).is_none() => take_deny("", DENIED, "net", rule(path)),
                Why::Denied if closed(policy) == Some(Closed::Said) => {
                    let words = format!("write `net {{ {} }}` in place of `net none`", rule(path));
                    Advice { words, ..write("net", rule(path)) }
                }
                _ => write("net", rule(path)),
            }
        }
        Asked::Listen { endpoint, .. } => {
            let at = evidence.what.trim_start_matches("listen ").replace(" any:", " host:");
            let free = at.ends_with(":0");
            match evidence.why {
                Why::Allowed => take("", "take the `listen` away"),
                _ if policy.published(endpoint, None).is_empty() => {
                    nothing("nothing allows it: ports are published on the host's loopback, `host`, alone")
                }
                _ if free => nothing(format!("write `listen {at} at 8080`, with the port inside")),
                _ if closed(policy) == Some(Closed::Said) => {
                    let words = format!("write `net {{ listen {at} }}` in place of `net none`");
                    Advice { words, ..write("net", format!("listen {at}")) }
                }
                _ => write("net", format!("listen {at}")),
            }
        }
        Asked::Call { .. } => match &evidence.detail {
            Some(detail) => nothing(format!("pass what the tool takes: {detail}")),
            None => take("", "narrow the type of an argument, or take the tool away"),
        },
        Asked::Unix { path, .. } => match evidence.why {
            Why::Allowed => write("fs", format!("deny {}", policy.shown(path))),
            Why::Denied => take_deny("", DENIED, "fs", format!("socket {}", policy.shown(path))),
            _ => write("fs", format!("socket {}", policy.shown(path))),
        },
    }
}

/// To whom a request goes, as a rule says it: `https "api.example.org":443`.
fn request_target(evidence: &Evidence) -> String {
    evidence.what.split(' ').skip(2).take(2).collect::<Vec<_>>().join(" ")
}

/// What requests by a rule get besides, as all rules of one host must say it.
fn treated(policy: &Policy, rule: OriginId) -> String {
    let Net::Rules { rules, .. } = &policy.net else { return String::new() };
    let terms = rules.iter().find_map(|it| match &it.kind {
        NetKind::Allow { terms, .. } if it.origin == rule => Some(terms),
        _ => None,
    });
    let Some(terms) = terms else { return String::new() };
    let secret = terms.inject.and_then(|index| policy.params.get(index));
    let inject = secret.map_or_else(String::new, |param| format!(" inject ${}", param.name));
    format!("{inject}{}", if terms.inspect { " inspect" } else { "" })
}

/// Whether some rule says which requests go to one of the hosts.
fn reads(policy: &Policy, endpoint: &Endpoint) -> bool {
    let Net::Rules { rules, .. } = &policy.net else { return false };
    rules.iter().any(|rule| match &rule.kind {
        NetKind::Allow { endpoint: of, terms } => terms.only.is_some() && of.peer == endpoint.peer,
        _ => false,
    })
}

/// A policy without a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    /// `net none`.
    Said,
    /// No word about it.
    Unsaid,
}

fn closed(policy: &Policy) -> Option<Closed> {
    let Net::None { origin } = policy.net else { return None };
    Some(if origin == policy.origin { Closed::Unsaid } else { Closed::Said })
}

fn open_advice(policy: &Policy, path: &Path, access: Access, evidence: &Evidence) -> Advice {
    let (name, verb) = (policy.shown(path), access.word());
    match evidence.why {
        Why::Generated => nothing("nothing to do: the launcher writes this file, and shows it read only"),
        Why::Allowed if access == Access::Read => write("fs", format!("deny {name}")),
        Why::Allowed => write("fs", format!("deny {verb} {name}")),
        Why::Absent if ["/proc/", "/dev/"].iter().any(|made| name.starts_with(made)) => {
            nothing("nothing allows it: the launcher makes what is there, and that is not in it")
        }
        Why::Absent => write("fs", format!("{verb} {name}")),
        Why::NoRight => match evidence.rule.and_then(|origin| target(policy, origin, path)) {
            Some(target) => {
                let advice = write("fs", format!("{verb} {}", policy.shown(&target)));
                Advice { words: format!("{} as well", advice.words), ..advice }
            }
            None => nothing("nothing allows it: what is private to the sandbox can not be executed"),
        },
        _ => {
            let words = "take the rule that denies it away, or name less in it, as a deny overrides";
            // A right more for what is there; where nothing is, what has this name on the host.
            let there = policy.fs.iter().filter_map(|rule| match &rule.kind {
                FsKind::Grant { target, .. } | FsKind::Overlay { target, .. } if target.covers(path) => {
                    Some(target)
                }
                _ => None,
            });
            let there = there.max_by_key(|target| target.rest.len());
            take_deny("", words, "fs", format!("{verb} {}", there.map_or(name, |it| policy.shown(it))))
        }
    }
}

/// Where the grant at `origin` shows `path`.
fn target(policy: &Policy, origin: OriginId, path: &Path) -> Option<Path> {
    let mut targets =
        policy.fs.iter().filter(|rule| rule.origin == origin).filter_map(|rule| match &rule.kind {
            FsKind::Grant { source, target, .. } => {
                (target.covers(path) || source.covers(path)).then_some(target)
            }
            _ => None,
        });
    targets.next().cloned()
}
