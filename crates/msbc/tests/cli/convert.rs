//! msbc convert and msbc schema, and commands that are given YAML.

use crate::host::{Host, POLICY};

#[test]
fn there_and_back_again() {
    let host = Host::new();
    let formatted = host.msbc(&["convert", "--to", "msb", "agent.msb"]);
    assert_eq!((formatted.code, formatted.err.as_str()), (Some(0), ""));
    for form in ["yaml", "json"] {
        let data = host.msbc(&["convert", "--to", form, "agent.msb"]);
        assert_eq!((data.code, data.err.as_str()), (Some(0), ""));
        let name = format!("agent.{form}");
        host.write(&name, &data.out);
        host.msbc(&["convert", "--to", "msb", &name]).is(0, &formatted.out, "");
        host.msbc(&["check", &name]).is(0, "", "");
        assert_eq!(host.msbc(&["compile", "-o", "data.bin", &name]).code, Some(0));
        assert_eq!(host.msbc(&["compile", "-o", "text.bin", "agent.msb"]).code, Some(0));
        assert!(host.msbc(&["show", &name]).out.contains("/work"));
    }
    assert!(POLICY.contains("agent"));
}

#[test]
fn findings_point_into_yaml() {
    let host = Host::new();
    host.write("p.yaml", "edition: 2026\npolicies:\n  - name: p\n    limits: {memory: 512mb}\n");
    host.msbc(&["check", "p.yaml"]).fails(1, &["error[MSB0003]", "p.yaml:4:22"]);
    host.msbc(&["convert", "--to", "msb", "p.yaml"]).fails(1, &["error[MSB0003]"]);
    host.msbc(&["fmt", "p.yaml"]).fails(2, &["only the language itself has a style"]);
    host.msbc(&["convert", "--to", "xml", "p.yaml"]).fails(2, &["xml"]);
}

#[test]
fn the_schema_is_printed() {
    let said = Host::new().msbc(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(schema["additionalProperties"], false);
}
