//! Everything of a plan but its mounts.

use super::fixture::{POLICY, error, fs, policy, with_plan};
use crate::{Options, emit, ir, plan};

fn set(name: &str, value: &str) -> ir::EnvRule {
    let kind = ir::EnvKind::Set { name: name.into(), value: ir::Text::Literal(value.into()) };
    ir::EnvRule { kind, origin: ir::OriginId(4) }
}

fn pass(name: &str, prefix: bool) -> ir::EnvRule {
    ir::EnvRule { kind: ir::EnvKind::Pass { name: name.into(), prefix }, origin: POLICY }
}

/// The content of a generated file.
#[track_caller]
fn file(policy: &ir::Policy, path: &str) -> Option<String> {
    with_plan(policy, |plan| {
        let found = plan.files.iter().find(|file| file.path.rest == path)?;
        Some(String::from_utf8(found.content.to_vec()).expect("UTF-8"))
    })
}

#[test]
fn policy_and_target_are_named() {
    let policy = policy();
    with_plan(&policy, |plan| {
        assert_eq!(plan.policy.name, "agent");
        assert_eq!(plan.policy.edition, 2026);
        assert_eq!(plan.policy.sha256, crate::sha256(&policy.canonical_bytes()));
        assert_eq!(plan.target.kernel_min, (5, 12));
    });
}

#[test]
fn parameters_keep_their_order_kind_and_default() {
    let mut policy = policy();
    policy.params[2].default = Some("3.12".into());
    with_plan(&policy, |plan| {
        let found: Vec<_> = plan.params.iter().map(|p| (p.name, p.kind, p.default)).collect();
        let expected = [
            ("workspace", plan::ParamKind::Dir, None),
            ("key", plan::ParamKind::File, None),
            ("version", plan::ParamKind::Text, Some("3.12")),
        ];
        assert_eq!(found, expected);
    });
}

#[test]
fn identity_is_the_policys() {
    let mut policy = policy();
    policy.capabilities = (1 << 10, ir::OriginId(6));
    policy.exec.cwd = Some((super::fixture::path("$workspace/src"), ir::OriginId(2)));
    with_plan(&policy, |plan| {
        let who = plan.identity;
        assert_eq!((who.uid, who.gid, who.hostname, who.capabilities), (1000, 1001, "sandbox", 1 << 10));
        assert_eq!(plan.origins[usize::from(who.origin.0)].line, 7);
        let (cwd, origin) = who.cwd.expect("a working directory");
        assert_eq!(super::fixture::show(cwd), "$workspace/src");
        assert_eq!(plan.origins[usize::from(origin.0)].line, 3);
    });
}

#[test]
fn root_inside_is_refused() {
    let mut policy = policy();
    policy.exec.uid = 0;
    assert_eq!(
        error(&policy).to_string(),
        "the plan asks for root inside, or for a capability that does not exist"
    );
}

#[test]
fn etc_is_generated() {
    let mut policy = policy();
    policy.env = vec![set("HOME", "/work")];
    let expected = "agent:x:1000:1001:agent:/work:/bin/sh\n\
                    nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
    assert_eq!(file(&policy, "etc/passwd").as_deref(), Some(expected));
    assert_eq!(file(&policy, "etc/group").as_deref(), Some("agent:x:1001:\nnogroup:x:65534:\n"));
    let expected = "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 sandbox\n";
    assert_eq!(file(&policy, "etc/hosts").as_deref(), Some(expected));
    assert!(file(&policy, "etc/nsswitch.conf").is_some_and(|text| text.contains("hosts: files\n")));
}

#[test]
fn home_is_the_root_where_it_is_not_known() {
    let mut policy = policy();
    let home = |policy: &ir::Policy| {
        let text = file(policy, "etc/passwd").expect("a file");
        text.split(':').nth(5).expect("a field").to_owned()
    };
    assert_eq!(home(&policy), "/");
    policy.env = vec![set("HOME", "")];
    assert_eq!(home(&policy), "/");
    policy.env = vec![pass("HOME", false)];
    assert_eq!(home(&policy), "/");
    let kind = ir::EnvKind::Set { name: "HOME".into(), value: ir::Text::Param(2) };
    policy.env = vec![ir::EnvRule { kind, origin: POLICY }];
    assert_eq!(home(&policy), "/");
}

/// A `:` would begin another field, a newline another user.
#[test]
fn home_that_would_add_a_field_or_a_user_is_refused() {
    for bad in ["/a:/b", "/a\nroot:x:0:0::/:/bin/sh"] {
        let mut policy = policy();
        policy.env = vec![set("HOME", bad)];
        let error = error(&policy);
        assert!(error.to_string().starts_with("`HOME` is `/a"), "{error}");
        assert!(!error.to_string().contains('\n'));
        assert_eq!(error.origins(), [ir::OriginId(4)]);
    }
}

#[test]
fn nobody_may_be_the_user() {
    let mut policy = policy();
    (policy.exec.uid, policy.exec.gid) = (65534, 65534);
    assert_eq!(file(&policy, "etc/passwd").as_deref(), Some("agent:x:65534:65534:agent:/:/bin/sh\n"));
    assert_eq!(file(&policy, "etc/group").as_deref(), Some("agent:x:65534:\n"));
}

#[test]
fn what_the_policy_grants_in_etc_wins() {
    let mut policy = policy();
    policy.fs = fs(&["r /etc/hosts /etc/hosts", "r /etc/passwd.d /etc/passwd.d"]);
    assert_eq!(file(&policy, "etc/hosts"), None);
    assert!(file(&policy, "etc/passwd").is_some());
    policy.fs = fs(&["r /etc /etc"]);
    assert_eq!(with_plan(&policy, |plan| plan.files.len()), 0);
    policy.fs = fs(&["r /srv /etc/hosts"]);
    assert_eq!(file(&policy, "etc/hosts"), None);
}

#[test]
fn limits_keep_value_and_line() {
    let mut policy = policy();
    let limit = |value| Some(ir::Limit { value, origin: ir::OriginId(3) });
    policy.limits = ir::Limits {
        hard: true,
        memory_bytes: Some(ir::Limit { value: 1 << 30, origin: ir::OriginId(2) }),
        pids: limit(64),
        cpu_percent: limit(150),
        wall_ms: Some(ir::Limit { value: 120_000, origin: ir::OriginId(5) }),
        files: limit(256),
        output_bytes: Some(ir::Limit { value: 10, origin: ir::OriginId(3) }),
        ..ir::Limits::default()
    };
    with_plan(&policy, |plan| {
        let line = |origin: plan::OriginId| plan.origins[usize::from(origin.0)].line;
        let limits = plan.limits;
        assert_eq!(limits.hold, plan::Hold::Cgroup);
        assert_eq!(limits.memory_bytes.map(|l| (l.value, line(l.origin))), Some((1 << 30, 3)));
        assert_eq!(limits.pids.map(|l| (l.value, line(l.origin))), Some((64, 4)));
        assert_eq!(limits.cpu_percent.map(|l| (l.value, line(l.origin))), Some((150, 4)));
        assert_eq!(limits.wall_ms.map(|l| (l.value, line(l.origin))), Some((120_000, 6)));
        assert_eq!(limits.files.map(|l| (l.value, line(l.origin))), Some((256, 4)));
        assert_eq!(limits.output_bytes.map(|l| (l.value, line(l.origin))), Some((10, 4)));
    });
}

#[test]
fn limits_out_of_range_name_their_line() {
    let mut policy = policy();
    policy.limits.files = Some(ir::Limit { value: 8, origin: ir::OriginId(3) });
    let error = error(&policy);
    assert_eq!(error.to_string(), "`files` is 8 files, but must be from 16 to 1048576");
    assert_eq!(error.help().as_deref(), Some("write `files` so that it is at least 16"));
    assert_eq!(error.origins(), [ir::OriginId(3)]);
}

#[test]
fn environment_is_sorted_and_set_beats_pass() {
    let mut policy = policy();
    policy.env = vec![
        set("HOME", "/work"),
        pass("TERM", false),
        pass("HOME", false),
        pass("LC_", true),
        pass("LANG", false),
        pass("TERM", false),
        set("HOME", "/work"),
    ];
    with_plan(&policy, |plan| {
        let expected = [
            plan::Env::Pass { name: "LANG" },
            plan::Env::Pass { name: "TERM" },
            plan::Env::PassPrefix { prefix: "LC_" },
            plan::Env::Set { name: "HOME", value: plan::Text::Literal("/work") },
        ];
        assert_eq!(plan.env, expected);
    });
}

#[test]
fn a_variable_has_one_value() {
    let mut policy = policy();
    policy.env = vec![set("A", "1"), ir::EnvRule { origin: ir::OriginId(2), ..set("A", "2") }];
    let error = error(&policy);
    assert_eq!(error.to_string(), "`A` is set to two different values");
    assert_eq!(error.origins(), [ir::OriginId(4), ir::OriginId(2)]);
}

#[test]
fn filter_has_a_listener_exactly_when_tracing() {
    for (trace, listener) in [(false, plan::Listener::None), (true, plan::Listener::Required)] {
        let bytes = emit(&policy(), Options { trace }).expect("a plan");
        let checked = plan::decode(&bytes).expect("a plan that the launcher takes");
        let filters = &checked.plan().filters;
        assert_eq!(filters.len(), 1);
        assert_eq!((filters[0].arch, filters[0].listener), (plan::Arch::X86_64, listener));
    }
}

#[test]
fn origins_are_those_in_use_and_short() {
    let mut policy = policy();
    policy.fs = fs(&["r /a /a"]);
    policy.origins[1].text = format!("{}é", "x".repeat(199));
    with_plan(&policy, |plan| {
        assert_eq!(plan.origins.len(), 2);
        assert_eq!(plan.origins[1].text, "x".repeat(199));
        assert_eq!((plan.origins[1].file, plan.origins[1].line, plan.origins[1].column), ("a.msb", 2, 3));
    });
}

#[test]
fn origins_that_do_not_exist_are_refused() {
    let mut policy = policy();
    policy.exec.origin = ir::OriginId(99);
    assert!(error(&policy).to_string().contains("lost track of line 99"));
}

#[test]
fn parameters_beyond_a_plans_are_refused() {
    let mut policy = policy();
    policy.params =
        (0..33).map(|i| ir::Param { name: format!("p{i}"), ..policy.params[0].clone() }).collect();
    assert_eq!(error(&policy).to_string(), "33 parameters, where a plan holds 32");
    policy.fs = fs(&["r /a /a"]);
    let ir::FsKind::Grant { source, .. } = &mut policy.fs[0].kind else { panic!("a grant") };
    source.base = ir::Base::Param(256);
    assert_eq!(error(&policy).to_string(), "257 parameters, where a plan holds 32");
}

/// More conditions than the kernel takes instructions: the lines that cost most are named.
#[test]
fn filters_that_are_too_long_name_their_lines() {
    let mut policy = policy();
    let one = |value: u64, width| ir::Pred::Compare { argument: 0, width, op: ir::Op::Eq, value };
    let some: Vec<ir::Pred> = (0..3000).map(|n| one(n * 7 + (n << 33), ir::Width::W64)).collect();
    policy.syscalls = vec![ir::SyscallRule {
        arch: ir::Arch::X86_64,
        nr: 0,
        action: ir::SyscallAction::Allow,
        predicate: ir::Pred::Any(some),
        origin: ir::OriginId(5),
        implied: false,
    }];
    let error = error(&policy);
    assert!(matches!(error, crate::EmitError::Filter { .. }), "{error}");
    assert_eq!(error.origins(), [ir::OriginId(5)]);
    assert!(error.help().is_some());
}

/// A placeholder is nobody's work: git inside is told to leave it alone.
#[test]
fn git_ignores_the_places_of_placeholders() {
    let mut policy = policy();
    assert_eq!(file(&policy, "etc/gitignore"), None);
    for (base, rest) in [
        (ir::Base::Param(0), ".vscode"),
        (ir::Base::Param(0), "a *b"),
        (ir::Base::Param(0), ".git/hooks"),
        (ir::Base::Root, "srv/x"),
    ] {
        let path = ir::Path { base, rest: rest.to_owned() };
        let rights = ir::Rights { read: false, write: true, run: false };
        let missing = ir::Missing::Mask { directory: false };
        policy
            .fs
            .push(ir::FsRule { kind: ir::FsKind::Deny { path, rights, missing }, origin: policy.origin });
    }
    assert_eq!(file(&policy, "etc/gitignore").as_deref(), Some("/.vscode\n/a\\ \\*b\n"));
    let settings = file(&policy, "etc/gitconfig").expect("a file");
    assert!(settings.contains("excludesFile = /etc/gitignore"), "{settings}");
}

/// What the oracle says of them is said of these.
#[test]
fn the_oracle_knows_the_files_that_are_written() {
    let policy = policy();
    let emitted = emit(&policy, Options::default()).expect("a plan");
    let checked = plan::decode(&emitted).expect("a plan");
    let written: Vec<&str> = checked.plan().files.iter().map(|file| file.path.rest).collect();
    let known: Vec<&str> = ir::GENERATED_FILES
        .iter()
        .copied()
        .filter(|rest| {
            !policy
                .fs
                .iter()
                .any(|rule| matches!(&rule.kind, ir::FsKind::Grant { target, .. } if target.rest == *rest))
        })
        .collect();
    assert_eq!(written, known);
}

/// No launch decides a call again: no plan leaves such an assertion out.
#[test]
fn an_assertion_about_a_call_that_is_open_gives_no_plan() {
    let mut policy = policy();
    policy.claims.push(ir::OpenClaim {
        asked: ir::OpenAsked::Call("call show(file: /etc/passwd)".to_owned()),
        expected: ir::Expected::Denied,
        origin: POLICY,
    });
    assert!(matches!(error(&policy), crate::EmitError::NotEnforced { .. }));
    assert!(emit(&crate::enforceable(&policy), Options::default()).is_ok());
}
