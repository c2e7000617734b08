//! The laws of the language, on whole policies and on requests of every kind: order means nothing, repetition means
//! nothing, a deny overrides, an include is a union, a child allows no more than its parent.

use super::net::{any_connection, any_net_rule, any_published};
use super::open::{any_access, any_fs, any_path, with};
use super::tool::{any_type, any_value};
use super::*;
use std::collections::BTreeMap;

fn any_env() -> impl Strategy<Value = EnvRule> {
    let name = prop::sample::select(vec!["A", "AB", "ABC", "B"]);
    (name, any::<bool>(), any::<bool>(), 0..50u32).prop_map(|(name, prefix, set, origin)| {
        let name = name.to_owned();
        let value = Text::Literal("text".to_owned());
        let kind = if set { EnvKind::Set { name, value } } else { EnvKind::Pass { name, prefix } };
        EnvRule { kind, origin: OriginId(origin) }
    })
}

fn any_tool() -> impl Strategy<Value = Tool> {
    let param = (prop::sample::select(vec!["x", "y"]), any::<bool>(), any_type())
        .prop_map(|(name, optional, ty)| ToolParam { name: name.to_owned(), optional, ty });
    let params = prop::collection::btree_map(0..2u8, param, 0..2).prop_map(|all| {
        let named: BTreeMap<String, ToolParam> =
            all.into_values().map(|param| (param.name.clone(), param)).collect();
        named.into_values().collect()
    });
    let quota = prop::option::of(1..4u64);
    (prop::sample::select(vec!["get", "put"]), params, quota, any::<bool>()).prop_map(
        |(name, params, quota, confirm)| Tool {
            name: name.to_owned(),
            params,
            result: None,
            exec: Vec::new(),
            stdin: None,
            sandbox: None,
            rate: None,
            quota,
            timeout_ms: None,
            concurrency: None,
            result_bytes: None,
            confirm,
            shim: false,
            log_args: true,
            origin: OriginId(7),
        },
    )
}

/// A policy of all that requests are about.
fn any_whole() -> impl Strategy<Value = Policy> {
    let net = prop_oneof![
        1 => Just(Net::None { origin: OriginId(0) }),
        4 => prop::collection::vec(any_net_rule(), 0..4)
            .prop_map(|rules| Net::Rules { rules, origin: OriginId(0) }),
    ];
    let tools = prop::collection::vec(any_tool(), 0..3).prop_map(|tools| {
        let named: BTreeMap<String, Tool> = tools.into_iter().map(|tool| (tool.name.clone(), tool)).collect();
        named.into_values().collect()
    });
    (
        prop::collection::vec(any_fs(), 0..4),
        net,
        prop::collection::vec(any_rule(), 0..4),
        prop::collection::vec(any_env(), 0..3),
        tools,
    )
        .prop_map(|(fs, net, syscalls, env, tools)| Policy { net, syscalls, env, tools, ..with(fs) })
}

/// A request of any kind, with what it borrows.
#[derive(Debug, Clone)]
enum Asked {
    Call(Request<'static>),
    Env(&'static str),
    Tool(&'static str, Vec<(String, Value)>),
    Connect(Connection),
    Listen(Published),
    Open(Path, Access),
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let arguments = prop::collection::vec((prop::sample::select(vec!["x", "y"]), any_value()), 0..3)
        .prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>());
    prop_oneof![
        1 => any_request().prop_map(Asked::Call),
        1 => prop::sample::select(vec!["A", "AB", "ABC", "ABCD", "B", "C"]).prop_map(Asked::Env),
        1 => (prop::sample::select(vec!["get", "put", "other"]), arguments)
            .prop_map(|(tool, arguments)| Asked::Tool(tool, arguments)),
        2 => any_connection().prop_map(Asked::Connect),
        1 => any_published().prop_map(Asked::Listen),
        2 => (any_path(), any_access()).prop_map(|(path, access)| Asked::Open(path, access)),
    ]
}

fn decided(policy: &Policy, asked: &Asked) -> Decision {
    policy.decide(&match asked {
        Asked::Call(request) => *request,
        Asked::Env(name) => Request::Env(name),
        Asked::Tool(tool, args) => Request::Call { tool, args },
        Asked::Connect(connection) => Request::Connect(connection),
        Asked::Listen(published) => Request::Listen(published),
        Asked::Open(path, access) => Request::Open { path, access: *access },
    })
}

fn allowed(policy: &Policy, asked: &Asked) -> bool {
    decided(policy, asked).action.may_make()
}

/// The same rules in another order, some of them twice.
fn shuffled(policy: &Policy, by: usize) -> Policy {
    fn turned<T: Clone>(list: &[T], by: usize) -> Vec<T> {
        let mut list: Vec<T> = list.iter().rev().cloned().collect();
        if !list.is_empty() {
            let by = by % list.len();
            list.rotate_left(by);
            list.extend(list.first().cloned());
        }
        list
    }
    let net = match &policy.net {
        Net::None { origin } => Net::None { origin: *origin },
        Net::Rules { rules, origin } => Net::Rules { rules: turned(rules, by), origin: *origin },
    };
    Policy {
        fs: turned(&policy.fs, by),
        net,
        syscalls: turned(&policy.syscalls, by),
        env: turned(&policy.env, by),
        tools: policy.tools.iter().rev().cloned().collect(),
        ..policy.clone()
    }
}

/// A policy that includes what both say.
fn union(one: &Policy, other: &Policy) -> Policy {
    let net = match (&one.net, &other.net) {
        (Net::Rules { rules, origin }, Net::Rules { rules: more, .. }) => {
            Net::Rules { rules: [rules.as_slice(), more].concat(), origin: *origin }
        }
        (Net::None { .. }, net) | (net, Net::None { .. }) => net.clone(),
    };
    Policy {
        fs: [one.fs.as_slice(), &other.fs].concat(),
        net,
        syscalls: [one.syscalls.as_slice(), &other.syscalls].concat(),
        env: [one.env.as_slice(), &other.env].concat(),
        ..one.clone()
    }
}

/// The denies of a policy alone, to be added to another one.
fn denies(policy: &Policy) -> Policy {
    let mut denies = policy.clone();
    denies.fs.retain(|rule| matches!(rule.kind, FsKind::Deny { .. }));
    denies.syscalls.retain(|rule| !rule.action.may_make());
    denies.env.clear();
    if let Net::Rules { rules, .. } = &mut denies.net {
        rules.retain(|rule| matches!(rule.kind, NetKind::Deny(_)));
    }
    denies
}

/// What the rules of these policies are about: a request that each one decides, or would without the others.
fn about(policies: &[&Policy]) -> Vec<Asked> {
    const OF_AN_ENDPOINT_MAX: usize = 6;
    let mut all = Vec::new();
    for policy in policies {
        for rule in &policy.syscalls {
            let call = |args| Request::Syscall { audit_arch: rule.arch.audit(), nr: rule.nr, args };
            all.extend(rule.predicate.witness().found().map(call).map(Asked::Call));
        }
        let borders = Borders::of(policies);
        for rule in policy.net.rules() {
            let (NetKind::Allow { endpoint, .. } | NetKind::Deny(endpoint)) = &rule.kind else {
                continue;
            };
            let named = borders.connections(endpoint, Which::Carried);
            all.extend(named.take(OF_AN_ENDPOINT_MAX).map(Asked::Connect));
        }
        for rule in &policy.fs {
            let (FsKind::Grant { target: path, .. } | FsKind::Deny { path, .. }) = &rule.kind else {
                continue;
            };
            all.extend(
                [Access::Read, Access::Write, Access::Run].map(|access| Asked::Open(path.clone(), access)),
            );
        }
        all.extend(policy.tools.iter().filter_map(|tool| {
            let name = ["get", "put"].into_iter().find(|name| *name == tool.name)?;
            Some(Asked::Tool(name, tool.arguments()?))
        }));
    }
    all
}

/// A policy that allows what it denies, too.
fn contradicted(policy: &Policy) -> Policy {
    let mut both = policy.clone();
    for rule in policy.syscalls.iter().filter(|rule| !rule.action.may_make()) {
        both.syscalls.push(SyscallRule {
            action: SyscallAction::Allow,
            predicate: Pred::True,
            ..rule.clone()
        });
    }
    for rule in &policy.fs {
        let FsKind::Deny { path, .. } = &rule.kind else { continue };
        let kind = FsKind::Grant {
            source: path.clone(),
            target: path.clone(),
            rights: Rights { read: true, write: true, run: true },
            optional: false,
            links: Links::Follow,
        };
        both.fs.push(FsRule { kind, origin: rule.origin });
    }
    if let Net::Rules { rules, .. } = &mut both.net {
        let denied = rules.iter().filter_map(|rule| match &rule.kind {
            NetKind::Deny(endpoint) => Some(super::net::allow(endpoint.clone(), rule.origin.0)),
            _ => None,
        });
        let allowed: Vec<NetRule> = denied.collect();
        rules.extend(allowed);
    }
    both
}

/// Whether a rule of `policy` denies what is asked for.
fn denied_by(policy: &Policy, asked: &Asked) -> bool {
    match asked {
        Asked::Call(Request::Syscall { nr, args, .. }) => policy
            .rules_of(Arch::X86_64, *nr)
            .any(|rule| !rule.action.may_make() && rule.predicate.holds(args)),
        Asked::Connect(connection) => matches!(&policy.net, Net::Rules { rules, .. }
            if rules.iter().any(|rule| matches!(&rule.kind, NetKind::Deny(it) if it.refuses(connection)))),
        // Another directory that is put at the name of a parameter is not that parameter's: denied is the host's file.
        Asked::Open(asked, _)
            if asked.base != Base::Root && policy.fs.iter().any(|rule| puts(rule, asked)) =>
        {
            false
        }
        Asked::Open(asked, access) => policy.fs.iter().any(|rule| {
            let FsKind::Deny { path, rights, .. } = &rule.kind else { return false };
            path.covers(asked) && crate::places::takes(*rights, *access)
        }),
        _ => false,
    }
}

/// Whether a rule puts something else than the host's file at the name that `asked` has.
fn puts(rule: &FsRule, asked: &Path) -> bool {
    match &rule.kind {
        FsKind::Grant { source, target, .. } => target.base == asked.base && source != target,
        FsKind::Deny { .. } | FsKind::DenyFound { .. } => false,
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn order_and_repetition_mean_nothing(policy in any_whole(), by in 0..8usize, asked in any_asked()) {
        let other = shuffled(&policy, by);
        for asked in about(&[&policy]).into_iter().chain([asked]) {
            prop_assert_eq!(decided(&policy, &asked).action, decided(&other, &asked).action, "{:?}", asked);
        }
        prop_assert_eq!(policy.canonical_bytes(), other.canonical_bytes());
    }

    /// Nothing is allowed that a rule denies, whatever else allows it; and a deny more allows nothing more.
    #[test]
    fn a_deny_overrides(policy in any_whole(), other in any_whole(), asked in any_asked()) {
        let policy = contradicted(&policy);
        let denied = union(&policy, &denies(&other));
        for asked in about(&[&policy, &denied]).into_iter().chain([asked]) {
            let allowed_now = allowed(&denied, &asked);
            if denied_by(&denied, &asked) && !own_loopback(&asked) {
                prop_assert!(!allowed_now, "{:?}", asked);
            }
            // `net none` is no rule: to add one to it is to have a network.
            let network = matches!(asked, Asked::Connect(_) | Asked::Listen(_));
            if allowed_now && (!network || matches!(policy.net, Net::Rules { .. })) {
                prop_assert!(allowed(&policy, &asked), "{:?}", asked);
            }
        }
    }

    /// What a union allows one of the two allows, and what a rule of either denies it denies.
    #[test]
    fn an_include_is_a_union(one in any_whole(), other in any_whole(), asked in any_asked()) {
        let both = union(&one, &other);
        for asked in about(&[&one, &other]).into_iter().chain([asked]) {
            // A mount of one lies over what the other shows: of files, their own test says more.
            if matches!(asked, Asked::Open(..) | Asked::Tool(..)) {
                continue;
            }
            let either = allowed(&one, &asked) || allowed(&other, &asked);
            let refused = denied_by(&one, &asked) || denied_by(&other, &asked);
            if allowed(&both, &asked) {
                prop_assert!(either, "{:?}", asked);
                prop_assert!(!refused || own_loopback(&asked), "{:?}", asked);
            } else {
                prop_assert!(!either || refused, "{:?}", asked);
            }
        }
    }

    /// Where nothing is found that a child allows and its parent does not, no request is. The child is the parent with
    /// other rules for some of what it says, so that often nothing is found.
    #[test]
    fn what_is_narrower_allows_no_more(
        parent in any_whole(),
        other in any_whole(),
        parts in any::<[bool; 5]>(),
        asked in any_asked(),
    ) {
        let mut child = union(&parent, &denies(&other));
        let [fs, net, syscalls, env, tools] = parts;
        if fs { child.fs = other.fs.clone(); }
        if net { child.net = other.net.clone(); }
        if syscalls { child.syscalls = other.syscalls.clone(); }
        if env { child.env = other.env.clone(); }
        if tools { child.tools = other.tools.clone(); }
        let found = child.widenings(&parent, By::Inside);
        for asked in about(&[&child, &parent]).into_iter().chain([asked]) {
            let about = |what: &Wider| matches!((&asked, what),
                (Asked::Call(_), Wider::Call { .. })
                | (Asked::Env(_), Wider::Env { .. })
                | (Asked::Tool(..), Wider::Tool { .. } | Wider::ToolLimit { .. })
                | (Asked::Connect(_), Wider::Connect(_))
                | (Asked::Listen(_), Wider::Listen(..))
                | (Asked::Open(..), Wider::Open { .. }));
            let clear = !found.iter().any(|it| about(&it.what));
            // Of paths that are the host's, the comparison by the host's names has a test of its own.
            let by_name = !matches!(&asked, Asked::Open(path, _) if path.base != Base::Root);
            // The sandbox's own loopback is there wherever there are rules.
            if clear && by_name && allowed(&child, &asked) && !own_loopback(&asked) && !listed(&asked) {
                prop_assert!(allowed(&parent, &asked), "{:?} {:?}", asked, found);
            }
        }
    }

    /// Reflexive; and what was narrowed twice is within both, and within what it began with.
    #[test]
    fn narrowing_is_reflexive_and_transitive(
        policy in any_whole(),
        first in any_whole(),
        second in any_whole(),
        asked in any_asked(),
    ) {
        prop_assert_eq!(policy.widenings(&policy, By::Host), []);
        prop_assert_eq!(policy.widenings(&policy, By::Inside), []);
        let once = narrowed(&policy, &first);
        let twice = narrowed(&once, &second);
        for (child, parent) in [(&once, &policy), (&twice, &once), (&twice, &policy)] {
            prop_assert_eq!(child.widenings(parent, By::Inside), []);
            for asked in about(&[child, parent]).iter().chain([&asked]) {
                prop_assert!(!allowed(child, asked) || allowed(parent, asked), "{:?}", asked);
            }
        }
    }

    /// Whoever is within several ceilings allows nothing that one of them denies.
    #[test]
    fn several_ceilings_are_their_intersection(
        policy in any_whole(),
        first in any_whole(),
        second in any_whole(),
        asked in any_asked(),
    ) {
        let (ceiling, other) = (narrowed(&policy, &first), narrowed(&policy, &second));
        let both = narrowed(&ceiling, &second);
        for ceiling in [&ceiling, &other] {
            prop_assert_eq!(both.widenings(ceiling, By::Inside), []);
        }
        for asked in about(&[&ceiling, &other]).into_iter().chain([asked]) {
            // A deny of either is kept, and nothing else is taken away.
            let wanted = allowed(&ceiling, &asked) && allowed(&other, &asked);
            if allowed(&both, &asked) {
                prop_assert!(wanted, "{:?}", asked);
            } else if !matches!(asked, Asked::Open(..)) {
                prop_assert!(!wanted, "{:?}", asked);
            }
        }
    }
}

/// The policy, and all that `by` denies.
fn narrowed(policy: &Policy, by: &Policy) -> Policy {
    let mut narrower = union(policy, &denies(by));
    // A child of a policy without a network has none.
    if let Net::None { origin } = policy.net {
        narrower.net = Net::None { origin };
    }
    narrower
}

fn own_loopback(asked: &Asked) -> bool {
    matches!(asked, Asked::Connect(Connection { peer: Peer::Host(msb_host::Host::Address(it)), .. })
        if msb_host::kind(it.first()) == msb_host::Kind::Loopback)
}

/// A directory above what is shown can be listed wherever that is: no rule grants it.
fn listed(asked: &Asked) -> bool {
    matches!(asked, Asked::Open(_, Access::Read))
}
