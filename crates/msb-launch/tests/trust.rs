//! `--trust`: what a trusted key has signed runs, and nothing else.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{Stage, launcher, plan};
use ed25519_compact::{KeyPair, Seed};
use msb_plan::signed::{PUBLIC_MAGIC, trailer};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

fn key(seed: u8) -> KeyPair {
    KeyPair::from_seed(Seed::new([seed; 32]))
}

fn public(keys: &[KeyPair]) -> Vec<u8> {
    keys.iter().flat_map(|key| [PUBLIC_MAGIC.as_slice(), &key.pk[..]].concat()).collect()
}

fn signed(plan: &[u8], key: &KeyPair) -> Vec<u8> {
    [plan, &trailer(&key.sk.sign(plan, None), &key.pk)].concat()
}

struct Bench {
    stage: Stage,
    plan: Vec<u8>,
}

impl Bench {
    fn new() -> Bench {
        Bench { stage: Stage::new(&plan()), plan: msb_plan::encode(&plan()).expect("a plan") }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.stage.dir.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("its mode");
        path
    }

    /// Launches `plan` with the keys of the file `trusted`.
    fn run(&self, plan: &[u8], trusted: Option<&[u8]>) -> Output {
        let mut command = std::process::Command::new(launcher());
        if let Some(trusted) = trusted {
            command.arg("--trust").arg(self.file("trusted", trusted));
        }
        command.arg(self.file("plan", plan)).arg("--set");
        command.arg(format!("workspace={}", self.stage.workspace.display()));
        command.args(["--", "echo", "ran"]).output().expect("starts")
    }
}

#[track_caller]
fn refused(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(125), b"".as_slice()), "{said}");
    assert!(said.contains("could not trust the plan") && said.contains(why), "{said}");
}

#[test]
fn signed_plans_run() {
    let bench = Bench::new();
    let both = public(&[key(1), key(2)]);
    for (plan, trusted) in [
        (signed(&bench.plan, &key(1)), Some(both.as_slice())),
        (signed(&bench.plan, &key(2)), Some(both.as_slice())),
        (signed(&bench.plan, &key(1)), None),
        (bench.plan.clone(), None),
    ] {
        let output = bench.run(&plan, trusted);
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(0), b"ran\n".as_slice()),
            "{output:?}"
        );
    }
}

#[test]
fn nothing_else_runs() {
    let bench = Bench::new();
    let trusted = public(&[key(1)]);
    refused(&bench.run(&bench.plan, Some(&trusted)), "ENOKEY");
    refused(&bench.run(&signed(&bench.plan, &key(2)), Some(&trusted)), "ENOKEY");
    // The id of a trusted key before a signature of another.
    let other = [bench.plan.as_slice(), &trailer(&key(2).sk.sign(&bench.plan, None), &key(1).pk)].concat();
    refused(&bench.run(&other, Some(&trusted)), "EKEYREJECTED");
    let whole = signed(&bench.plan, &key(1));
    for at in [4, 12, 43, 44, bench.plan.len() - 1, bench.plan.len(), whole.len() - 20, whole.len() - 13] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        let output = bench.run(&altered, Some(&trusted));
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(125), b"".as_slice()),
            "byte {at}"
        );
    }
}

#[test]
fn a_file_that_is_not_of_keys_trusts_nobody() {
    let bench = Bench::new();
    let plan = signed(&bench.plan, &key(1));
    let right = public(&[key(1)]);
    for file in [b"".as_slice(), b"x", &right[1..], &right[..39], &[right.as_slice(), b"x"].concat()] {
        refused(&bench.run(&plan, Some(file)), "EINVAL");
    }
    let writable = bench.file("trusted-by-all", &right);
    std::fs::set_permissions(&writable, std::fs::Permissions::from_mode(0o666)).expect("its mode");
    let mut command = std::process::Command::new(launcher());
    command.arg("--trust").arg(&writable).arg(bench.file("plan", &plan));
    refused(
        &command.args(["--", "echo", "ran"]).output().expect("starts"),
        "could not trust the plan: others",
    );
    // It is the keys that are not there, and not the plan.
    let mut command = std::process::Command::new(launcher());
    command.args(["--trust", "/nonexistent"]).arg(bench.file("plan", &plan));
    let output = command.args(["--", "echo", "ran"]).output().expect("starts");
    refused(&output, "could not trust the plan: no such file");
    let mut command = std::process::Command::new(launcher());
    command.args(["--protect", "/nonexistent"]).arg(bench.file("plan", &plan));
    let output = command.args(["--", "echo", "ran"]).output().expect("starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("could not protect the file: no such file"), "{said}");
}

/// The curve's own test: RFC 8032, section 7.1, test 2.
#[test]
fn signatures_are_those_of_the_rfc() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    };
    let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let key = KeyPair::from_seed(Seed::from_slice(&seed).expect("32 bytes"));
    assert_eq!(key.pk[..], hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
    let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                    085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    assert_eq!(key.sk.sign([0x72], None)[..], hex(expected));
}
