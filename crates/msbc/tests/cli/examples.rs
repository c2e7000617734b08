//! What msbc says of the policies that we ship as examples: to each three questions that its reader would ask.

use crate::host::Host;
use std::fs;
use std::path::PathBuf;

/// A policy, a request, and what the answer must have in it: the decision, and the line that decides.
const ANSWERS: &[(&str, &str, &[&str])] = &[
    ("ci-job", "env GITHUB_TOKEN", &["denied", "no rule is about it"]),
    ("ci-job", "connect tcp $mirror:443", &["allowed", "allow tcp $mirror:{80, 443}"]),
    ("ci-job", "syscall unshare", &["denied", "errno EPERM  unshare, setns"]),
    ("code-interpreter", "open /mnt/data/out/a.out for run", &["denied", "deny    run /mnt/data/out, /tmp"]),
    ("code-interpreter", "syscall socket(domain: AF_INET)", &["denied", ": net none"]),
    (
        "code-interpreter",
        "syscall mprotect(prot: PROT_WRITE | PROT_EXEC)",
        &["denied", "errno EACCES mmap, mprotect where"],
    ),
    (
        "coding-agent",
        "open $repo/.git/hooks/pre-commit for create",
        &["denied", "deny write $repo/.git/hooks, $repo/.git/config"],
    ),
    ("coding-agent", "open $repo/.npmrc for create", &["denied", "std.workspace:"]),
    ("coding-agent", "call git_push(branch: \"main\")", &["denied", "`branch` does not match"]),
    ("data-analysis", "open /lake/2026/q1.parquet for write", &["denied", "read    $lake at /lake"]),
    ("data-analysis", "open /proc/1/environ for read", &["denied", "nothing allows it: the launcher makes"]),
    ("data-analysis", "call publish_table(name: \"sum\", table: [])", &["allowed", "publish_table"]),
    ("hello-agent", "open ~/.ssh/id_ed25519 for read", &["denied", "deny    read ~/.ssh"]),
    ("hello-agent", "open /work/notes.txt for write", &["allowed", "write   $workspace  at /work"]),
    ("hello-agent", "open /work/.git/hooks/pre-commit for create", &["denied", "std.workspace:"]),
    ("mcp-server", "open /data/x for write", &["denied", "read  $shared at /data"]),
    (
        "mcp-server",
        "connect https \"npm.packages.example\":443",
        &["allowed", "allow https \"npm.packages.example\":443 only GET"],
    ),
    ("mcp-server", "env AWS_SECRET_ACCESS_KEY", &["denied", "no rule is about it"]),
    ("offline-agent", "open /work/notes.txt for write", &["allowed", "write   $workspace  at /work"]),
    ("offline-agent", "open /work/.idea/workspace.xml for create", &["denied", "std.workspace:"]),
    ("offline-agent", "syscall unshare", &["denied", "no rule allows it"]),
    ("org", "connect tcp 169.254.169.254:80", &["denied", "deny  tcp metadata, tcp private"]),
    ("org", "open $root/.env for read", &["denied", "deny    $root/.env, $root/secrets/"]),
    ("org", "syscall bpf", &["denied", "no rule allows it"]),
    (
        "web-research",
        "connect https \"en.wikipedia.org\":443",
        &["allowed", "allow https \"*.wikipedia.org\":443 only GET, HEAD"],
    ),
    ("web-research", "connect https \"pastebin.com\":443", &["denied", "no rule is about it"]),
    ("web-research", "call web_search(query: \"\", max_results: 5)", &["denied", "`query`"]),
];

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../policy-lang/examples")
}

/// Puts the examples there, and gives back their names.
fn put(host: &Host) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(examples()).expect("the examples").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|it| it == "msb") {
            let name = path.file_stem().and_then(|it| it.to_str()).expect("a name").to_owned();
            host.write(&format!("{name}.msb"), fs::read_to_string(&path).expect("an example"));
            names.push(name);
        }
    }
    names
}

#[test]
fn three_questions_for_each_example_are_answered_with_the_line_that_decides() {
    let host = Host::new();
    let names = put(&host);
    for name in &names {
        assert_eq!(ANSWERS.iter().filter(|(of, ..)| of == name).count(), 3, "{name}");
    }
    for (name, request, parts) in ANSWERS {
        let said = host.msbc(&["explain", &format!("{name}.msb"), request]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{name}: {request}");
        let missing: Vec<_> = parts.iter().filter(|part| !said.out.contains(*part)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?} is not in: {}", said.out);
        assert!(said.out.contains("to change it: "), "{name}: {}", said.out);
    }
}

#[test]
fn examples_are_in_the_one_style() {
    let host = Host::new();
    for name in put(&host) {
        host.msbc(&["fmt", "--check", &format!("{name}.msb")]).is(0, "", "");
    }
}
