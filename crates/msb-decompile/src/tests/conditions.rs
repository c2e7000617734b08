//! Policies with conditions of every kind, made up: their plans can be decompiled, and mean the same then.

use super::{Text, decompiled};
use msb_compile::Options;
use proptest::prelude::*;

/// Tests of arguments of 16, 32 and 64 bits, with a field and without, and of an address.
fn test() -> impl Strategy<Value = (&'static str, String)> {
    let number = prop_oneof![
        0_u64..8,
        Just(0xffff_ffff),
        Just(0x8000_0000),
        Just(4096),
        Just(0x1_0000_0000),
        Just(0x1_0000_0001),
        Just(u64::MAX),
        any::<u64>(),
    ];
    let order = prop_oneof![Just("=="), Just("!="), Just("<="), Just("<"), Just(">"), Just(">=")];
    let how = prop_oneof![Just("any"), Just("all"), Just("only")];
    let equal = prop_oneof![Just("=="), Just("!=")];
    prop_oneof![
        (order.clone(), number.clone()).prop_map(|(op, n)| ("write", format!("count {op} {n}"))),
        (order.clone(), number.clone()).prop_map(|(op, n)| ("write", format!("fd {op} {}", n & 0xffff_ffff))),
        (how.clone(), number.clone()).prop_map(|(how, n)| ("write", format!("count has {how} {n}"))),
        (how.clone(), number.clone())
            .prop_map(|(how, n)| ("openat", format!("flags has {how} {}", n & 0xffff_ffff))),
        (how.clone(), number.clone())
            .prop_map(|(how, n)| ("openat", format!("mode has {how} {}", n & 0xffff))),
        Just(("openat", "flags has any O_CREAT | O_RDWR".to_owned())),
        Just(("openat", "flags has only O_RDONLY | O_CLOEXEC".to_owned())),
        (equal.clone(), number.clone()).prop_map(|(op, n)| ("openat", format!("mode {op} {}", n & 0xffff))),
        (how, 0_u64..16).prop_map(|(how, n)| ("socket", format!("type has {how} {n}"))),
        (order, 0_u64..20).prop_map(|(op, n)| ("socket", format!("domain {op} {n}"))),
        Just(("socket", "type in {SOCK_STREAM, SOCK_DGRAM}".to_owned())),
        equal.prop_map(|op| ("prlimit64", format!("new_rlim {op} NULL"))),
        (number.clone(), number).prop_map(|(a, b)| {
            let (a, b) = (a.min(b) & 0xffff_ffff, a.max(b) & 0xffff_ffff);
            ("prlimit64", format!("pid in {}..{}", a.min(b), a.max(b)))
        }),
    ]
}

fn condition() -> impl Strategy<Value = (&'static str, String)> {
    let joined = |(call, first): (&'static str, String),
                  others: Vec<(bool, bool, (&'static str, String))>| {
        let more = others.into_iter().filter(|(.., (its, _))| *its == call).map(|(and, not, (_, test))| {
            format!(" {} {}({test})", if and { "and" } else { "or" }, if not { "not " } else { "" })
        });
        (call, format!("({first}){}", more.collect::<String>()))
    };
    (test(), prop::collection::vec((any::<bool>(), any::<bool>(), test()), 0..6))
        .prop_map(move |(first, others)| joined(first, others))
}

fn rule() -> impl Strategy<Value = String> {
    let action = prop_oneof![
        Just("allow"),
        Just("allow"),
        Just("errno EACCES"),
        Just("errno EACCES"),
        Just("kill"),
        Just("log"),
        Just("trap")
    ];
    (action, condition()).prop_map(|(action, (call, condition))| format!("{action} {call} where {condition}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_with_conditions_can_be_decompiled(rules in prop::collection::vec(rule(), 1..6)) {
        let text = format!(
            "edition 2026\npolicy p {{\n  syscalls {{\n    allow @basic-io, execve, exit_group, mmap\n    {}\n  }}\n}}\n",
            rules.join("\n    "),
        );
        let compiled = msb_compile::compile(&Text(&text), "it.msb", &Options::default());
        if let Some(plan) = compiled.plan {
            decompiled(&text, &plan);
        }
    }
}
