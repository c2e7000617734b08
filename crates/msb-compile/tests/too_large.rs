//! Policies that are larger than a plan can be.

mod common;

use common::Memory;
use msb_compile::Options;

/// What a plan cannot hold is an error that says how much it can.
#[test]
fn what_is_more_than_a_plan_holds_is_refused() {
    for (kind, rule, what) in [
        ("fs", "deny $w/d#/.git", "denied paths are too many"),
        ("env", "pass V#", "environment rules are too many"),
    ] {
        let rules: String =
            (0..2000).map(|i| format!("    {}\n", rule.replace('#', &i.to_string()))).collect();
        let text = format!(
            "edition 2026\npolicy p(w: dir) {{\n  include std.base\n  net none\n  {kind} {{\n{rules}  }}\n}}\n"
        );
        let compiled = msb_compile::compile(&Memory(text.as_bytes()), "it.msb", &Options::default());
        assert!(compiled.plan.is_none());
        let said = compiled.diagnostics.iter().find(|it| it.is_error()).expect("an error");
        assert!(said.message.contains(what), "{kind}: {said:?}");
        assert!(said.labels[0].text.contains("at most 256"), "{kind}: {said:?}");
    }
}

/// The same of one section of the network, on the line that is too much.
#[test]
fn what_is_more_than_a_plan_holds_is_refused_on_its_line() {
    let many = |count: usize, one: &dyn Fn(usize) -> String, between: &str| {
        (0..count).map(one).collect::<Vec<String>>().join(between)
    };
    let ports = many(300, &|i| (2 * i + 1).to_string(), ", ");
    let paths = many(65, &|i| format!("/v{i}"), ", ");
    for (rules, what, line) in [
        ("listen tcp host:8000..8064".to_owned(), "65 published ports are too many", 6),
        (many(65, &|i| format!("listen tcp host:{}", 8000 + i), "\n"), "65 published ports are too many", 70),
        (
            many(65, &|i| format!("total quota {}GiB rate 9/s", i + 1), "\n"),
            "65 rules `total` are too many",
            70,
        ),
        (format!("allow tcp \"a.example.org\":{{{ports}}}"), "300 ports are too many", 6),
        (format!("allow https \"a.example.org\" only GET {paths}"), "65 paths of requests are too many", 6),
    ] {
        let text = format!(
            "edition 2026\npolicy p {{\n  include std.base\n  syscalls {{ allow @network-io }}\n  net {{\n{rules}\n  }}\n}}\n"
        );
        let compiled = msb_compile::compile(&Memory(text.as_bytes()), "it.msb", &Options::default());
        let errors: Vec<_> = compiled.diagnostics.iter().filter(|it| it.is_error()).collect();
        assert_eq!(errors.len(), 1, "{what}: {errors:?}");
        assert_eq!(errors[0].message, what);
        let at = errors[0].span().and_then(|span| compiled.sources.line_column(span));
        assert_eq!(at.map(|(line, ..)| line), Some(line), "{what}");
    }
}
