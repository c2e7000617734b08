use crate::{policy, same, text};
use msb_compile::{Files, Options, ReadError};
use msb_policy::{Arch, By, Policy, SyscallAction};

struct Text<'a>(&'a str);

impl Files for Text<'_> {
    fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.as_bytes().to_vec())
    }
}

/// The files of the repository.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        std::fs::read(path).map_err(|error| ReadError { reason: error.to_string() })
    }
}

const POLICY: &str = r#"edition 2026
policy p(in: dir, out: dir) {
  include std.base
  include std.python
  net none
  fs {
    read    $in  at /in
    write   $out at /out
    scratch /tmp size 1MiB
    deny write $out/.git/hooks/
    deny read  /in/secrets
  }
  env { pass EDITOR, GIT_AUTHOR_*  set HOME = "/out" }
  syscalls {
    errno EACCES mmap, mprotect, pkey_mprotect where prot has all PROT_WRITE | PROT_EXEC
    allow prlimit64 where resource in 2..9 or pid == 0
    kill  write where count > 0x1_0000_0000 and fd != 7
    kill  chmod where mode has any S_ISUID
    errno ENOSYS personality where not persona in {0, 0xffffffff}
  }
  limits { memory 1GiB  pids 64  cpu 2  wall 1min  files 64  swap 0B  cpuset 2  cpu_time 90s  io 1MiB  io_weight 50  output 16MiB  fsize 1GiB }
}
"#;

/// The policy, and what is read back from its plan.
fn both() -> (Policy, Policy) {
    let compiled = msb_compile::compile(&Text(POLICY), "it.msb", &Options::default());
    let plan = compiled.plan.expect("a plan");
    let plan = msb_plan::decode(&plan).expect("a plan");
    (compiled.policy.expect("a policy"), policy(plan.plan()).expect("read back"))
}

/// Nothing is allowed by the one that the other does not allow, both ways, for all arguments.
#[test]
fn a_plan_means_what_its_policy_means() {
    let (policy, back) = both();
    for by in [By::Inside, By::Host] {
        assert_eq!(back.widenings(&policy, by), []);
        assert_eq!(policy.widenings(&back, by), []);
    }
    assert_eq!(back.params.len(), 2);
    assert_eq!(back.exec.hostname, policy.exec.hostname);
}

#[test]
fn a_refusal_is_the_same_refusal() {
    let (policy, back) = both();
    for rule in &policy.syscalls {
        let Some(args) = rule.predicate.witness().found() else { continue };
        let says = |policy: &Policy| policy.call(rule.arch, rule.nr, args).action;
        assert_eq!(says(&policy), says(&back), "{} {args:x?}", rule.nr);
    }
    let swapon = msb_syscalls::find(Arch::X86_64, "swapon").expect("a call").nr;
    assert_eq!(back.call(Arch::X86_64, swapon, [0; 6]).action, SyscallAction::Errno(1));
}

/// The plan as text, of which the compiler makes a plan that does the same.
fn decompiled(name: &str, bytes: &[u8]) -> String {
    let plan = msb_plan::decode(bytes).expect("a plan");
    let mut found = String::new();
    let compile = |text: &str| {
        let again = msb_compile::compile(&Text(text), "again.msb", &Options::default());
        found = msb_diag::render(&again.diagnostics, &again.sources, msb_diag::Style::default());
        again.plan
    };
    match text(plan.plan(), compile) {
        Ok(text) => text,
        Err(undone) => panic!("{name}: {undone:?}\n{found}"),
    }
}

/// Every policy of the language's folder that gives a plan: examples, cases, chapters.
#[test]
fn every_plan_of_the_language_can_be_decompiled() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy-lang");
    let mut plans = 0;
    for folder in ["examples", "conformance/accept", "../benches/policies"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("a folder");
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            let name = path.to_str().expect("a name");
            for policy in msb_compile::policies(&Disk, name) {
                let options = Options { policy: Some(policy), ..Options::default() };
                let Some(plan) = msb_compile::compile(&Disk, name, &options).plan else { continue };
                decompiled(name, &plan);
                plans += 1;
            }
        }
    }
    assert!(plans > 30, "only {plans} plans");
}

/// What is printed of a plan that was made of what was printed is the same again.
#[test]
fn the_text_is_stable_and_keeps_parameters() {
    let compiled = msb_compile::compile(&Text(POLICY), "it.msb", &Options::default());
    let text = decompiled("it", &compiled.plan.expect("a plan"));
    let again = msb_compile::compile(&Text(&text), "again.msb", &Options::default());
    assert_eq!(decompiled("again", &again.plan.expect("a plan")), text);
    for part in [
        "policy p(in: dir, out: dir) {",
        "write $out at /out",
        "deny write $out/.git/hooks/",
        "errno EACCES mmap, mprotect, pkey_mprotect where prot has all PROT_WRITE | PROT_EXEC",
        "kill write where fd != 7 and count > 0x100000000",
        "errno ENOSYS personality where not persona in {PER_LINUX, 0xffffffff}",
        "pass EDITOR, LANG",
        "set HOME = \"/out\"",
        "memory 1GiB",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

/// A plan whose filter asks somebody does not say what that one answers.
#[test]
fn a_traced_plan_is_refused() {
    let options = Options { trace: true, ..Options::default() };
    let plan = msb_compile::compile(&Text(POLICY), "it.msb", &options).plan.expect("a plan");
    let plan = msb_plan::decode(&plan).expect("a plan");
    assert_eq!(text(plan.plan(), |_| None), Err(crate::Undone::Filter));
}

/// Another mount, another limit, another call: each is seen.
#[test]
fn plans_that_differ_are_not_the_same() {
    let plan =
        |text: &str| msb_compile::compile(&Text(text), "it.msb", &Options::default()).plan.expect("a plan");
    let one = plan(POLICY);
    for (from, to) in [
        ("at /in", "at /in2"),
        ("pids 64", "pids 65"),
        ("fd != 7", "fd != 8"),
        ("deny read  /in/secrets", ""),
        ("EDITOR", "PAGER"),
        ("$out/.git/hooks/", "$out/.git/hooks"),
    ] {
        let other = plan(&POLICY.replace(from, to));
        let decoded = |bytes| msb_plan::decode(bytes).expect("a plan");
        let (one, other) = (decoded(&one), decoded(&other));
        assert!(same(one.plan(), one.plan()) && !same(one.plan(), other.plan()), "{from}");
    }
}

mod conditions;
