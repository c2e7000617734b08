//! Which variables name the certificates of a run: where requests are read, those that the policy does not set itself; else
//! none.

use msb_testkit::{Workspace, accounts, finish};
use std::collections::BTreeMap;

const POLICY: &str = "edition 2026
policy ca {
  include std.base
  syscalls { allow @network-io }
  limits { memory 256MiB  pids 64  wall 1min }
  accept MSB0809 because \"nothing is sent\"
ENV
  net { NET }
}
";

const PEM: &str = "/etc/msb-certificates.pem";
const VARIABLES: [&str; 9] = [
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "DENO_CERT",
    "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
];

/// What a command inside has in its environment that is about certificates, and whether the file is there. Outside, some of the
/// variables name files of the host's.
#[track_caller]
fn check(net: &str, env: &str, of_policy: &[(&str, &str)], inspected: bool) {
    let policy = POLICY.replace("NET", net).replace("ENV", env);
    for account in accounts() {
        let workspace = Workspace::new(account);
        let policy = workspace.write("policy.msb", policy.as_bytes());
        workspace.own();
        let mut run = workspace.msbc(["run"]);
        for name in ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "JAVA_TOOL_OPTIONS"] {
            run.env(name, "/host/ca.pem");
        }
        let script = format!("env; test -e {PEM} && echo FILE=there");
        let ended = finish(run.arg(policy).args(["--", "sh", "-c", &script]), 60);
        let out = ended.out();
        let about = |name: &str| VARIABLES.contains(&name) || ["JAVA_TOOL_OPTIONS", "FILE"].contains(&name);
        let found: BTreeMap<&str, &str> =
            out.lines().filter_map(|line| line.split_once('=')).filter(|(name, _)| about(name)).collect();
        let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
        if inspected {
            expected.extend(VARIABLES.map(|name| (name, PEM)));
            expected.insert("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStore=/etc/msb-certificates.jks");
            expected.insert("FILE", "there");
        }
        expected.extend(of_policy.iter().copied());
        assert_eq!(found, expected, "{account:?} {net} {env} {}", ended.err());
    }
}

#[test]
fn rules_that_read_nothing_bring_no_certificates() {
    for net in [
        r#"allow https "a.example""#,
        r#"allow tls "a.example", http "b.example", tcp "c.example":22"#,
        r#"allow https "a.example" quota 1GiB connections 4"#,
        r#"deny https "a.example""#,
    ] {
        check(net, "", &[], false);
    }
    // What the policy passes is the host's.
    check(
        r#"allow https "a.example""#,
        "env { pass SSL_CERT_FILE }",
        &[("SSL_CERT_FILE", "/host/ca.pem")],
        false,
    );
}

#[test]
fn rules_that_read_requests_bring_them() {
    for terms in ["inspect", "only GET", "rate 60/min quota 1GiB"] {
        check(&format!(r#"allow https "a.example" {terms}  allow tls "b.example""#), "", &[], true);
    }
}

#[test]
fn what_the_policy_says_of_a_variable_holds() {
    let net = r#"allow https "a.example" inspect"#;
    let pass =
        "env { pass CURL_CA_BUNDLE  set NODE_EXTRA_CA_CERTS = \"/mine.pem\"  set JAVA_TOOL_OPTIONS = \"\" }";
    let own =
        [("CURL_CA_BUNDLE", "/host/ca.pem"), ("NODE_EXTRA_CA_CERTS", "/mine.pem"), ("JAVA_TOOL_OPTIONS", "")];
    check(net, pass, &own, true);
    // A pattern means others: the host's file is not there inside, and the program would trust nobody.
    check(net, "env { pass SSL_*, CURL_*, NODE_* }", &[], true);
}
