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
