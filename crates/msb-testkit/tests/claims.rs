//! Claims that depend on parameters: the launch decides them, and what it decides is what a program then finds.

use msb_testkit::{Account, Ended, Workspace, accounts, finish};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What is done inside to find out.
#[derive(Debug, Clone, Copy)]
enum Try {
    Read,
    Write,
}

/// A claim, what `$a` and `$b` are, and a path of the host below the folder of the test that the claim is about, inside or
/// not. It holds exactly if a program finds what it says.
struct Case {
    claim: &'static str,
    /// What the policy says of `$a`: what is read and what is written may not overlap, what is written both times may.
    grant: &'static str,
    a: &'static str,
    b: &'static str,
    tried: (Try, &'static str),
}

const fn case(claim: &'static str, a: &'static str, b: &'static str, tried: (Try, &'static str)) -> Case {
    Case { claim, grant: "read", a, b, tried }
}

/// The same with `$a` written, as `$b` is.
const fn written(claim: &'static str, a: &'static str, b: &'static str, tried: (Try, &'static str)) -> Case {
    Case { claim, grant: "write", a, b, tried }
}

/// `BASE` is the folder of the test.
const CASES: &[Case] = &[
    // The host's files, by their own names.
    case("deny open BASE/other/file for read", "one", "two", (Try::Read, "other/file")),
    case("deny open BASE/other/file for read", "other", "two", (Try::Read, "other/file")),
    written("deny open BASE/other/file for read", "", "two", (Try::Read, "other/file")),
    case("deny open BASE/other/file for write", "other", "two", (Try::Write, "other/file")),
    case("deny open BASE/other/file for write", "one", "other", (Try::Write, "other/file")),
    case("never open BASE/other for read", "one", "two", (Try::Read, "other/file")),
    case("never open BASE/other for read", "other", "two", (Try::Read, "other/file")),
    case("never open BASE/other for write", "one", "other/deep", (Try::Write, "other/deep/file")),
    // One parameter in the other.
    case("deny open $a/deep/file for write", "one", "two", (Try::Write, "one/deep/file")),
    case("never open $a for write", "one", "two", (Try::Write, "one/deep/file")),
    written("allow open $b/deep/secret/key for write", "one", "two", (Try::Write, "two/deep/secret/key")),
    written(
        "allow open $b/deep/secret/key for write",
        "two/deep",
        "two",
        (Try::Write, "two/deep/secret/key"),
    ),
    written("allow open $b/deep/file for write", "two/deep", "two", (Try::Write, "two/deep/file")),
    // By a link that a person names.
    case("deny open BASE/other/file for read", "link", "two", (Try::Read, "other/file")),
    // The home directory.
    case("deny open ~/file for read", "one", "two", (Try::Read, "home/file")),
    case("deny open ~/file for read", "home", "two", (Try::Read, "home/file")),
];

struct Ready {
    workspace: Workspace,
    /// The plan of each policy that was compiled, by its claims.
    plans: RefCell<BTreeMap<String, PathBuf>>,
}

impl Ready {
    fn new(account: Account) -> Ready {
        let workspace = Workspace::new(account);
        for folder in ["one", "two", "other", "home"] {
            for file in ["file", "deep/file", "secret/key", "deep/secret/key"] {
                workspace.write(&format!("{folder}/{file}"), b"content");
            }
        }
        std::os::unix::fs::symlink("other", workspace.base().join("link")).expect("a link");
        workspace.own();
        Ready { workspace, plans: RefCell::default() }
    }

    fn place(&self, path: &str) -> PathBuf {
        self.workspace.base().join(path)
    }

    fn policy(&self, claims: &str, grant: &str) -> String {
        let claims = claims.replace("BASE", &self.workspace.base().display().to_string());
        let claims = if claims.is_empty() { String::new() } else { format!("  assert {{ {claims} }}\n") };
        format!(
            "edition 2026\npolicy claims(a: dir, b: dir) {{\n  include std.base\n  fs {{\n    {grant} $a\n    write $b\n    \
             deny  $a/secret\n  }}\n{claims}}}\n"
        )
    }

    /// Launches `command` under the policy with these claims; `options` come before it.
    fn launch(&self, claims: &str, case: &Case, options: &[&str], command: &[&str]) -> Ended {
        let mut plans = self.plans.borrow_mut();
        let count = plans.len();
        let plan = plans.entry(format!("{} {claims}", case.grant)).or_insert_with(|| {
            let own = self.workspace.base().join(format!("plan-{count}.bin"));
            fs::rename(self.workspace.compile(&self.policy(claims, case.grant)), &own)
                .expect("the compiler wrote it");
            own
        });
        let mut launch = self.workspace.command(self.workspace.bin().join("msb-launch"));
        launch.env("HOME", self.place("home")).arg(plan).args(options);
        for (name, path) in [("a", case.a), ("b", case.b)] {
            launch.arg("--set").arg(format!("{name}={}", self.place(path).display()));
        }
        finish(launch.arg("--").args(command), 60)
    }
}

fn each(test: impl Fn(&Ready)) {
    for account in accounts() {
        test(&Ready::new(account));
    }
}

#[test]
fn a_claim_holds_exactly_if_a_program_finds_what_it_says() {
    each(|ready| {
        for case in CASES {
            let (how, path) = case.tried;
            let path = ready.place(path).display().to_string();
            let script = match how {
                Try::Read => format!("cat '{path}'"),
                Try::Write => format!("echo more >> '{path}'"),
            };
            let found = ready.launch("", case, &[], &["/bin/sh", "-c", &script]).code() == 0;
            let said = case.claim.starts_with("allow");
            let sign = ready.place("two/sign");
            let sign_of = format!("echo ran > '{}'", sign.display());
            let ended = ready.launch(case.claim, case, &[], &["/bin/sh", "-c", &sign_of]);
            let what =
                format!("{} where $a is `{}`, $b is `{}`: {}", case.claim, case.a, case.b, ended.err());
            if found == said {
                assert_ne!(ended.code(), 125, "{what}");
            } else {
                assert_eq!(ended.code(), 125, "{what}");
                assert!(!sign.exists(), "something was started: {what}");
            }
            let _ = fs::remove_file(&sign);
            // Without a sandbox being made it is the same.
            let dry = ready.launch(case.claim, case, &["--dry-run"], &["/bin/true"]);
            assert_eq!(dry.code() == 125, ended.code() == 125, "{what}: {}", dry.err());
        }
    });
}

/// What is read and what is written may not overlap, either way round: that ends the launch before any claim is decided,
/// those that would hold among them.
#[test]
fn parameters_that_overlap_end_the_launch() {
    each(|ready| {
        for (a, b) in [("one", "one/deep"), ("two/deep", "two"), ("link", "other/deep"), ("", "two")] {
            for claim in ["", "never open $a for write", "allow open $b/new for write"] {
                let case = case(claim, a, b, (Try::Read, "one/file"));
                let ended = ready.launch(claim, &case, &[], &["/bin/echo", "ran"]);
                assert_eq!((ended.code(), ended.out()), (125, String::new()), "{claim}: {a} {b}");
                let said = ended.err();
                assert!(said.contains("could not tell the parameters apart"), "{claim}: {a} {b}: {said}");
            }
        }
        // The same place, each at its own path.
        let ended =
            ready.launch("", &case("", "one", "one", (Try::Read, "one/file")), &[], &["/bin/echo", "ran"]);
        assert_eq!((ended.code(), ended.out()), (125, String::new()));
        assert!(ended.err().contains("for two parameters"), "{}", ended.err());
        let apart = case("", "one", "two", (Try::Read, "one/file"));
        assert_eq!(ready.launch("", &apart, &[], &["/bin/echo", "ran"]).out().trim(), "ran");
    });
}

#[test]
fn both_answers_are_among_the_cases() {
    let ready = Ready::new(Account::current());
    let refused = |case: &&Case| ready.launch(case.claim, case, &["--dry-run"], &["/bin/true"]).code() == 125;
    let count = CASES.iter().filter(refused).count();
    assert!(count >= 5 && CASES.len() - count >= 5, "{count} of {}", CASES.len());
}

/// What a person reads: the line, what was decided, and that nothing ran.
#[test]
fn the_line_of_the_claim_is_named() {
    each(|ready| {
        let policy = ready.policy("deny open BASE/other/file for read", "read");
        let source = ready.workspace.write("said.msb", policy.as_bytes());
        ready.workspace.own();
        let run = |folder: &str| {
            let set = |name: &str, path: &str| format!("{name}={}", ready.place(path).display());
            let (a, b) = (set("a", folder), set("b", "two"));
            let source = source.display().to_string();
            finish(
                &mut ready.workspace.msbc([
                    "run",
                    &source,
                    "--set",
                    &a,
                    "--set",
                    &b,
                    "--",
                    "/bin/echo",
                    "ran",
                ]),
                60,
            )
        };
        let refused = run("other");
        assert_eq!(refused.code(), 125, "{}", refused.err());
        for part in ["MSB1124", "with these parameters it is allowed", "said.msb:9:"] {
            assert!(refused.err().contains(part), "no `{part}` in:\n{}", refused.err());
        }
        assert_eq!(refused.out(), "");
        let held = run("one");
        assert_eq!((held.code(), held.out().trim()), (0, "ran"), "{}", held.err());
    });
}

const NET: &str = r#"edition 2026
policy fetch(mirror: host) {
  include std.base
  net {
    allow https $mirror:443
    deny  tcp private
  }
  limits { memory 1GiB  pids 64  wall 1min }
  assert {
    deny  connect https "evil.example":443
    deny  connect tcp "*.evil.example":443
    allow connect https $mirror:443
  }
}
"#;

/// Claims about hosts: the gateway decides them, and nothing is started.
#[test]
fn claims_about_hosts_are_decided_by_the_gateway() {
    each(|ready| {
        let plan = ready.workspace.compile(NET);
        let run = |mirror: &str| {
            let mut launch = ready.workspace.command(ready.workspace.bin().join("msb-launch"));
            launch.arg(&plan).arg("--set").arg(format!("mirror={mirror}"));
            finish(launch.args(["--", "/bin/echo", "ran"]), 60)
        };
        for (mirror, holds) in [
            ("mirror.example", true),
            ("evil.example", false),
            ("EVIL.example.", false),
            ("cdn.evil.example", false),
        ] {
            let ended = run(mirror);
            let wanted = if holds { (0, "ran") } else { (125, "") };
            assert_eq!((ended.code(), ended.out().trim()), wanted, "{mirror}: {}", ended.err());
            assert_eq!(ended.err().contains("a claim fails"), !holds, "{mirror}: {}", ended.err());
        }
    });
}
