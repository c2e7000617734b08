use super::*;
use msb_compile::{Files, ReadError};
use msb_policy::{Arch, By, SyscallAction};

struct Text(&'static str);

impl Files for Text {
    fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.as_bytes().to_vec())
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
  limits { memory 1GiB  pids 64  cpu 2  wall 1min  files 64 }
}
"#;

/// The policy, and what is read back from its plan.
fn both() -> (Policy, Policy) {
    let compiled = msb_compile::compile(&Text(POLICY), "it.msb", &Options::default());
    let plan = compiled.plan.expect("a plan");
    let plan = msb_plan::decode(&plan).expect("a plan");
    (compiled.policy.expect("a policy"), of_plan(plan.plan()).expect("read back"))
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
        let Some(args) = rule.predicate.witness() else { continue };
        let says = |policy: &Policy| policy.call(rule.arch, rule.nr, args).action;
        assert_eq!(says(&policy), says(&back), "{} {args:x?}", rule.nr);
    }
    let swapon = msb_syscalls::find(Arch::X86_64, "swapon").expect("a call").nr;
    assert_eq!(back.call(Arch::X86_64, swapon, [0; 6]).action, SyscallAction::Errno(1));
}
