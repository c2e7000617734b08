//! msbc decompile.

use crate::host::Host;

/// What comes out is a policy: of the one style, without errors, and nothing newly allowed or denied either way.
#[test]
fn a_plan_becomes_the_policy_that_it_means() {
    let host = Host::new();
    host.msbc(&["compile", "agent.msb", "-o", "plan.bin"]).is(0, "", "");
    host.msbc(&["decompile", "plan.bin", "-o", "again.msb"]).is(0, "", "");
    let text = String::from_utf8(host.read("again.msb")).expect("text");
    for part in [
        "policy agent(workspace: dir, tag: string = \"latest\") {",
        "set TAG = $tag",
        "deny write $workspace/.git",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert_eq!(host.msbc(&["decompile", "plan.bin"]).out, text);
    host.msbc(&["fmt", "--check", "again.msb"]).is(0, "", "");
    host.msbc(&["diff", "agent.msb", "again.msb"]).is(0, "", "msbc: 0 newly allowed, 0 newly denied\n");
    host.msbc(&["compile", "again.msb", "-o", "again.bin"]);
    host.msbc(&["decompile", "again.bin"]).is(0, &text, "");
}

#[test]
fn what_is_no_plan_is_refused() {
    let host = Host::new();
    host.msbc(&["decompile", "agent.msb"]).fails(1, &["`agent.msb` is not a plan that can be applied"]);
    host.msbc(&["decompile", "missing.bin"]).fails(1, &["cannot read `missing.bin`"]);
    host.msbc(&["decompile"]).fails(2, &["Usage: msbc decompile"]);
    host.msbc(&["compile", "agent.msb", "-o", "plan.bin"]).is(0, "", "");
    let mut bytes = host.read("plan.bin");
    bytes.push(0);
    host.write("long.bin", bytes);
    host.msbc(&["decompile", "long.bin"]).fails(1, &["is not a plan"]);
}
