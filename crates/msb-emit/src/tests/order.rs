//! The order of rules, and of the compiler's own list of lines, changes nothing in the bytes.

use super::fixture::{fs, policy};
use crate::{Options, emit, ir};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, proptest};
use proptest::sample::{select, subsequence};

/// Rules that merge, nest and overlap, but never conflict.
const RULES: [&str; 22] = [
    "r /a /a",
    "rw? /a /a",
    "rx /a/b /a/b",
    "r? /a/b/c /a/b/c",
    "rwx /a/b/c /a/b/c",
    "r /other /a/x",
    "r /a/x/y /a/x/y",
    "rw $workspace /w",
    "r $workspace/s /w/s",
    "r $workspace $workspace",
    "r? ~/.config ~/.config",
    "r $key $key",
    "scratch /tmp 10 10",
    "scratch /tmp 10 10",
    "proc",
    "dev",
    "deny w /a/b skip",
    "deny rwx /a/b file",
    "deny x /a/b dir",
    "deny x /w fail",
    "deny w $workspace/.git dir",
    "rx /usr /usr",
];

const VARIABLES: [(&str, Option<&str>, bool); 7] = [
    ("A", Some("1"), false),
    ("A", None, false),
    ("B", None, false),
    ("LC_", None, true),
    ("LC_", None, false),
    ("HOME", Some("/w"), false),
    ("HOME", None, false),
];

fn variables() -> Vec<ir::EnvRule> {
    let rule = |&(name, value, prefix): &(&str, Option<&str>, bool)| {
        let name = name.to_owned();
        let kind = match value {
            Some(value) => ir::EnvKind::Set { name, value: ir::Text::Literal(value.to_owned()) },
            None => ir::EnvKind::Pass { name, prefix },
        };
        ir::EnvRule { kind, origin: ir::OriginId(8) }
    };
    VARIABLES.iter().map(rule).collect()
}

/// Some of the rules, each on one of a few lines.
fn policies() -> impl Strategy<Value = ir::Policy> {
    let some = subsequence((0..RULES.len()).collect::<Vec<_>>(), 0..=RULES.len());
    (some, any::<[u8; 22]>(), subsequence(variables(), 0..=7)).prop_map(|(some, lines, env)| {
        let all = fs(&RULES);
        let rule =
            |at: usize| ir::FsRule { origin: ir::OriginId(u32::from(lines[at] % 9)), ..all[at].clone() };
        ir::Policy { fs: some.into_iter().map(rule).collect(), env, ..policy() }
    })
}

/// The same policy with rules in another order, some of them twice.
fn shuffled(policy: &ir::Policy) -> impl Strategy<Value = ir::Policy> + use<> {
    let twice = |rules: &[ir::FsRule]| {
        let mut rules = rules.to_vec();
        rules.extend_from_within(..rules.len() / 2);
        rules
    };
    let fs = Just(twice(&policy.fs)).prop_shuffle();
    let env = Just(policy.env.clone()).prop_shuffle();
    let policy = policy.clone();
    (fs, env).prop_map(move |(fs, env)| ir::Policy { fs, env, ..policy.clone() })
}

/// The same policy with its origins numbered in another way.
fn renumbered(policy: &ir::Policy, by: u32) -> ir::Policy {
    let mut policy = policy.clone();
    let count = u32::try_from(policy.origins.len()).expect("few");
    let new = |id: ir::OriginId| ir::OriginId((id.0 + by) % count);
    let mut origins = policy.origins.clone();
    for (old, origin) in policy.origins.iter().enumerate() {
        let id = new(ir::OriginId(u32::try_from(old).expect("few")));
        origins[id.0 as usize] = origin.clone();
    }
    policy.origins = origins;
    policy.fs.iter_mut().for_each(|rule| rule.origin = new(rule.origin));
    policy.env.iter_mut().for_each(|rule| rule.origin = new(rule.origin));
    policy.params.iter_mut().for_each(|param| param.origin = new(param.origin));
    policy.origin = new(policy.origin);
    policy.exec.origin = new(policy.exec.origin);
    policy.capabilities.1 = new(policy.capabilities.1);
    policy.syscall_default.1 = new(policy.syscall_default.1);
    policy.net = ir::Net::None { origin: policy.origin };
    policy
}

proptest! {
    #[test]
    fn order_and_repetition_of_rules_change_nothing(
        (policy, other) in policies().prop_flat_map(|p| (Just(p.clone()), shuffled(&p)))
    ) {
        let bytes = emit(&policy, Options::default()).expect("a plan");
        prop_assert_eq!(&bytes, &emit(&other, Options::default()).expect("a plan"));
    }

    #[test]
    fn numbering_of_lines_changes_nothing(policy in policies(), by in select(vec![0u32, 1, 4, 8])) {
        let bytes = emit(&policy, Options::default()).expect("a plan");
        prop_assert_eq!(&bytes, &emit(&renumbered(&policy, by), Options::default()).expect("a plan"));
    }
}
