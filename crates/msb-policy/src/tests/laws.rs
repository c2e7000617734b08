//! The laws of the language, on whole policies and on requests of every kind: order means nothing, repetition means
//! nothing, a deny overrides, an include is a union, a child allows no more than its parent.

use super::net::{any_connection, any_net_rule};
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
    Listen(u16),
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
        1 => Just(Asked::Listen(80)),
        2 => (any_path(), any_access()).prop_map(|(path, access)| Asked::Open(path, access)),
    ]
}

fn decided(policy: &Policy, asked: &Asked) -> Decision {
    policy.decide(&match asked {
        Asked::Call(request) => *request,
        Asked::Env(name) => Request::Env(name),
        Asked::Tool(tool, args) => Request::Call { tool, args },
        Asked::Connect(connection) => Request::Connect(connection),
        Asked::Listen(port) => Request::Listen { protocol: Protocol::Tcp, port: *port },
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn order_and_repetition_mean_nothing(policy in any_whole(), by in 0..8usize, asked in any_asked()) {
        let other = shuffled(&policy, by);
        prop_assert_eq!(decided(&policy, &asked).action, decided(&other, &asked).action);
        prop_assert_eq!(policy.canonical_bytes(), other.canonical_bytes());
    }

    /// With the denies of another policy a policy allows nothing that it did not, and nothing that these deny.
    #[test]
    fn a_deny_overrides(policy in any_whole(), other in any_whole(), asked in any_asked()) {
        // `net none` is no rule, and what is denied of it is nothing.
        if !(matches!((&policy.net, &other.net), (Net::Rules { .. }, Net::Rules { .. }))) {
            return Ok(());
        }
        let denied = union(&policy, &denies(&other));
        if allowed(&denied, &asked) {
            prop_assert!(allowed(&policy, &asked));
            let refused = match &asked {
                Asked::Connect(connection) => matches!(&other.net, Net::Rules { rules, .. }
                    if rules.iter().any(|rule| matches!(&rule.kind, NetKind::Deny(it) if it.refuses(connection)))),
                Asked::Call(Request::Syscall { nr, args, .. }) => other
                    .rules_of(Arch::X86_64, *nr)
                    .any(|rule| !rule.action.may_make() && rule.predicate.holds(args)),
                _ => false,
            };
            prop_assert!(!refused || own_loopback(&asked));
        }
    }

    /// What a union allows one of the two allows, and what a rule of either denies it denies.
    #[test]
    fn an_include_is_a_union(one in any_whole(), other in any_whole(), asked in any_asked()) {
        let both = union(&one, &other);
        // A mount of one lies over what the other shows: of files, their own test says more.
        if matches!(asked, Asked::Open(..) | Asked::Tool(..)) {
            return Ok(());
        }
        if allowed(&both, &asked) {
            prop_assert!(allowed(&one, &asked) || allowed(&other, &asked));
        }
        if let Asked::Env(_) = asked {
            prop_assert_eq!(allowed(&both, &asked), allowed(&one, &asked) || allowed(&other, &asked));
        }
        if let Asked::Call(Request::Syscall { nr, args, .. }) = asked {
            for part in [&one, &other] {
                let matching = part.rules_of(Arch::X86_64, nr).filter(|rule| rule.predicate.holds(&args));
                let worst = matching.map(|rule| rule.action.severity()).max();
                let decided = decided(&both, &asked).action.severity();
                prop_assert!(Arch::of_call(Arch::X86_64.audit(), nr) != Some(Arch::X86_64) || worst.is_none_or(|worst| decided >= worst));
            }
        }
    }

    /// Where nothing is found that a child allows and its parent does not, no request is.
    #[test]
    fn what_is_narrower_allows_no_more(child in any_whole(), parent in any_whole(), asked in any_asked()) {
        let found = child.widenings(&parent, By::Inside);
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
            prop_assert!(allowed(&parent, &asked), "{:?}", found);
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
        let narrow = |policy: &Policy, by: &Policy| {
            let mut narrower = union(policy, &denies(by));
            // A child of a policy without a network has none.
            narrower.net = match (&policy.net, narrower.net) {
                (Net::None { origin }, _) => Net::None { origin: *origin },
                (_, net) => net,
            };
            narrower
        };
        let once = narrow(&policy, &first);
        let twice = narrow(&once, &second);
        for (child, parent) in [(&once, &policy), (&twice, &once), (&twice, &policy)] {
            prop_assert_eq!(child.widenings(parent, By::Inside), []);
            if allowed(child, &asked) {
                prop_assert!(allowed(parent, &asked));
            }
        }
    }

    /// Whoever is within several ceilings allows what each of them allows, and nothing else.
    #[test]
    fn several_ceilings_are_their_intersection(ceiling in any_whole(), other in any_whole(), asked in any_asked()) {
        if !(matches!((&ceiling.net, &other.net), (Net::Rules { .. }, Net::Rules { .. }))) {
            return Ok(());
        }
        let policy = union(&ceiling, &denies(&other));
        let within = |ceiling: &Policy| policy.widenings(ceiling, By::Inside).is_empty();
        if within(&ceiling) && within(&other) && allowed(&policy, &asked) && !listed(&asked) {
            let by_name = !matches!(&asked, Asked::Open(path, _) if path.base != Base::Root);
            prop_assert!(allowed(&ceiling, &asked) && (!by_name || allowed(&other, &asked)));
        }
    }
}

fn own_loopback(asked: &Asked) -> bool {
    matches!(asked, Asked::Connect(Connection { peer: Peer::Host(msb_host::Host::Address(it)), .. })
        if msb_host::kind(it.first()) == msb_host::Kind::Loopback)
}

/// A directory above what is shown can be listed wherever that is: no rule grants it.
fn listed(asked: &Asked) -> bool {
    matches!(asked, Asked::Open(_, Access::Read))
}
