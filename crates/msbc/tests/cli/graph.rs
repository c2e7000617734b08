//! msbc graph.

use crate::host::Host;

#[test]
fn a_policy_is_drawn() {
    let host = Host::new();
    let said = host.msbc(&["graph", "agent.msb"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(said.out.starts_with("<svg ") && said.out.contains("No network at all."), "{}", said.out);
    host.msbc(&["graph", "agent.msb", "-o", "agent.svg"]).is(0, "", "");
    assert_eq!(host.read("agent.svg"), said.out.as_bytes());
}

/// What is not enforced yet is in the picture all the same; what is not known is not left out in silence.
#[test]
fn only_what_is_understood_as_a_whole() {
    let host = Host::new();
    host.write("net.msb", "edition 2026\npolicy p { net { allow https \"a.example\":443 } }\n");
    assert!(host.msbc(&["graph", "net.msb"]).out.contains("a.example port 443"));
    host.write("unknown.msb", "edition 2026\npolicy p { include std.bsae }\n");
    host.msbc(&["graph", "unknown.msb"]).fails(1, &["MSB0101"]);
    host.write("wrong.msb", "edition 2026\npolicy p { ned none }\n");
    host.msbc(&["graph", "wrong.msb"]).fails(1, &["MSB0002"]);
    host.msbc(&["graph", "missing.msb"]).fails(1, &["MSB0020"]);
}
