//! msbc explain and msbc diff.

use crate::host::{Host, POLICY};

#[test]
fn a_request_is_explained_by_its_line() {
    let host = Host::new();
    let cases = [
        (
            "open /work/.git/config for write",
            "denied   open /work/.git/config for write\n         agent.msb:9: deny write $workspace/.git\n",
        ),
        (
            "open /work/a for create",
            "allowed  open /work/a for write\n         agent.msb:7: write   $workspace      at /work\n",
        ),
        ("open /srv/x for read", "         to change it: write `read /srv/x` in `fs`\n"),
        ("env TAG", "         agent.msb:12: set TAG = $tag\n"),
        ("syscall socket(domain: AF_INET)", "         agent.msb:5: net none\n"),
        ("syscall swapon", "         to change it: write `allow swapon` in `syscalls`\n"),
    ];
    for (request, part) in cases {
        let said = host.msbc(&["explain", "agent.msb", request]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{request}");
        assert!(said.out.contains(part), "`{part}` is not in: {}", said.out);
    }
}

/// What a search denies depends on what is there: both answers, with the line of the search, and no further than it goes.
#[test]
fn what_a_search_denies_is_both() {
    let host = Host::new();
    let line = "deny write $w/**/.git/hooks/  missing mask  enforce snapshot depth 1";
    host.write(
        "found.msb",
        format!(
            "edition 2026\npolicy found(w: dir) {{\n  include std.base\n  accept MSB0603 because \"seen\"\n  \
             limits {{ memory 1GiB  pids 64  wall 1min }}\n  fs {{\n    write $w at /work\n    {line}\n  }}\n}}\n"
        ),
    );
    host.msbc(&["compile", "found.msb", "-o", "found.plan"]).is(0, "", "");
    for file in ["found.msb", "found.plan"] {
        let explain = |request: &str| host.msbc(&["explain", file, request]).out;
        for request in ["open /work/.git/hooks/x for write", "open $w/a/.git/hooks/x for write"] {
            let said = explain(request);
            let denied = format!(
                "denied   {request}\n         found.msb:8: {line}\n         this rule denies it where a search at launch finds it"
            );
            assert!(said.contains(&denied), "{file}: {said}");
            assert!(said.contains(&format!("allowed  {request}\n         found.msb:7:")), "{file}: {said}");
        }
        for request in ["open /work/a/b/.git/hooks/x for write", "open /work/.git/hooks/x for read"] {
            let said = explain(request);
            assert!(said.contains("allowed  ") && !said.contains("denied  "), "{file}: {said}");
        }
    }
}

/// A call without its arguments may be both.
#[test]
fn of_many_requests_one_of_each_kind_is_shown() {
    let host = Host::new();
    let policy = POLICY.replace("  env {", "  syscalls { errno EPERM write where fd == 7 }\n  env {");
    host.write("part.msb", policy);
    let out = host.msbc(&["explain", "part.msb", "syscall write"]).out;
    assert!(
        out.contains("allowed  syscall write(fd: 0") && out.contains("denied   syscall write(fd: 7"),
        "{out}"
    );
    let json = host.msbc(&["explain", "--json", "part.msb", "syscall", "write"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((json[0]["allowed"].as_bool(), json[1]["allowed"].as_bool()), (Some(true), Some(false)));
    assert_eq!(json[1]["rule"]["file"], "part.msb");
}

#[test]
fn a_plan_is_explained_from_what_is_in_it() {
    let host = Host::new();
    host.msbc(&["compile", "agent.msb", "-o", "plan.bin"]).is(0, "", "");
    let explain = |request: &str| host.msbc(&["explain", "plan.bin", request]).out;
    assert!(explain("open /work/.git/config for write").contains("agent.msb:9: deny write $workspace/.git"));
    let mmap = explain("syscall ptrace");
    assert!(mmap.starts_with("denied   syscall ptrace") && mmap.contains("ask the policy"), "{mmap}");
    assert!(explain("env TAG").starts_with("allowed  env TAG"));
}

#[test]
fn a_request_that_is_none_is_refused() {
    let host = Host::new();
    host.msbc(&["explain", "agent.msb", "opn /a for read"]).fails(2, &["MSB0002", "did you mean `open`?"]);
    host.msbc(&["explain", "agent.msb", "open $work/a for read"]).fails(2, &["MSB0101", "request:1:6"]);
    host.msbc(&["explain", "agent.msb", "open /a for read please"]).fails(2, &["unexpected `please`"]);
    host.msbc(&["explain", "agent.msb"]).fails(2, &["Usage: msbc explain"]);
    host.write("bad.msb", "edition 2026\npolicy p {\n  limits { memory 512 }\n}\n");
    host.msbc(&["explain", "bad.msb", "env HOME"]).fails(1, &["MSB0003"]);
}

#[test]
fn a_difference_is_shown_with_both_lines() {
    let host = Host::new();
    host.msbc(&["diff", "agent.msb", "agent.msb"]).is(0, "", "msbc: 0 newly allowed, 0 newly denied\n");
    let wider = POLICY.replace("    deny write $workspace/.git\n", "").replace("pids 64", "pids 65");
    host.write("wider.msb", wider.replace("set TAG = $tag", "pass EDITOR"));
    let said = host.msbc(&["diff", "agent.msb", "wider.msb"]);
    assert_eq!(said.code, Some(3));
    for part in [
        "newly allowed  open /work/.git for write\n               now: wider.msb:7: write   $workspace      at /work\n               was: agent.msb:9: deny write $workspace/.git\n",
        "newly allowed  env EDITOR\n               now: wider.msb:11: pass EDITOR\n               was: no rule is about it\n",
        "newly allowed  more `pids`\n",
        "newly denied   env TAG\n               was: agent.msb:12: set TAG = $tag\n",
    ] {
        assert!(said.out.contains(part), "`{part}` is not in: {}", said.out);
    }
    // What is only denied is no reason to stop.
    host.write("narrower.msb", POLICY.replace("write   $workspace ", "read    $workspace "));
    let said = host.msbc(&["diff", "--json", "agent.msb", "narrower.msb"]);
    assert_eq!(said.code, Some(0), "{}", said.out);
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(json["newly_allowed"].as_array().map(Vec::len), Some(0));
    assert_eq!(json["newly_denied"][0]["request"], "open /work for write");
}

#[test]
fn plans_can_be_compared_with_policies() {
    let host = Host::new();
    host.msbc(&["compile", "agent.msb", "-o", "plan.bin"]).is(0, "", "");
    host.msbc(&["diff", "plan.bin", "agent.msb"]).is(0, "", "msbc: 0 newly allowed, 0 newly denied\n");
    host.write("more.msb", POLICY.replace("  env {", "  syscalls { allow quotactl }\n  env {"));
    let said = host.msbc(&["diff", "plan.bin", "more.msb"]);
    assert_eq!(said.code, Some(3));
    assert!(said.out.contains("newly allowed  syscall quotactl\n"), "{}", said.out);
    host.msbc(&["diff", "plan.bin", "missing.msb"]).fails(1, &["cannot read `missing.msb`"]);
}

/// Rules, answers and plans of several architectures, and of calls that somebody is asked about.
#[test]
fn calls_are_explained_on_the_architecture_that_they_are_of() {
    let host = Host::new();
    let rules = "arch x86_64, aarch64, i386  notify setuid  errno EACCES mkdirat on i386  \
                 allow syscall(600) on i386";
    host.write("several.msb", POLICY.replace("  env {", &format!("  syscalls {{ {rules} }}\n  env {{")));
    let cases = [
        (
            "syscall mkdirat on i386",
            &["denied   syscall mkdirat(", ") on i386\n", "errno EACCES mkdirat"][..],
        ),
        ("syscall mkdirat on aarch64", &["allowed  syscall mkdirat("]),
        ("syscall stat64", &["allowed  syscall stat64("]),
        ("syscall syscall(600) on i386", &["allowed  syscall syscall(600) on i386"]),
        ("syscall getpid on x32", &["denied   syscall getpid() on x32", "write `arch x32` in `syscalls`"]),
        ("syscall setuid", &["denied   syscall setuid(", "this rule has somebody asked"]),
    ];
    host.msbc(&["compile", "several.msb", "-o", "plan.bin"]);
    for (request, parts) in cases {
        let out = host.msbc(&["explain", "several.msb", request]).out;
        assert!(parts.iter().all(|part| out.contains(part)), "{request}: {out}");
        let of_plan = host.msbc(&["explain", "plan.bin", request]).out;
        assert!(of_plan.starts_with(parts[0]), "{request}: {of_plan}");
    }
    // Read back exactly, for every architecture.
    let same = host.msbc(&["diff", "several.msb", "plan.bin"]);
    assert_eq!(same.out, "", "{}", same.err);
    let out = host.msbc(&["diff", "agent.msb", "several.msb"]).out;
    assert!(out.contains(" on i386\n") && out.contains(" on aarch64\n"), "{out}");
}
