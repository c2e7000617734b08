//! What the launcher refuses before anything runs: plans that are not what the compiler wrote, or that somebody
//! else could have written, and parameters that do not fit.

use msb_testkit::{Account, Ended, Workspace, accounts, finish};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, chown, mkfifo};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const POLICY: &str = r#"edition 2026
policy refusals(workspace: dir, text: string = "text") {
  include std.base
  include std.python
  net none
  fs { write $workspace at /work }
  env { set TEXT = $text }
}
"#;

/// A command that leaves a sign that it ran.
const SIGN: &[&str] = &["/bin/sh", "-c", "echo ran > /work/sign"];

struct Ready {
    workspace: Workspace,
    plan: PathBuf,
    bytes: Vec<u8>,
}

impl Ready {
    fn new(account: Account) -> Ready {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(POLICY);
        let bytes = fs::read(&plan).expect("the compiler wrote it");
        Ready { workspace, plan, bytes }
    }

    /// A file beside the plan with these bytes and the plan's owner and mode.
    fn variant(&self, bytes: &[u8]) -> PathBuf {
        let path = self.workspace.write("variant.bin", bytes);
        self.give(&path, self.workspace.account());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        path
    }

    fn give(&self, path: &Path, account: Account) {
        if Account::current().is_root() {
            let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
            chown(path, Some(uid), Some(gid)).expect("root may give files away");
        }
    }

    fn ran(&self) -> bool {
        self.workspace.join("sign").exists()
    }

    #[track_caller]
    fn expect_refused(&self, what: &str, ended: &Ended) {
        assert_eq!(ended.code(), 125, "{what}: stdout {} stderr {}", ended.out(), ended.err());
        assert!(!self.ran(), "{what}: something was started");
        assert!(ended.stdout.is_empty(), "{what}: {}", ended.out());
        let text = ended.err();
        assert!(
            text.contains("msb-launch") && text.trim().len() > 20,
            "{what}: says nothing of use: `{text}`"
        );
    }

    #[track_caller]
    fn expect_plan_refused(&self, what: &str, plan: &Path) {
        self.expect_refused(what, &finish(&mut self.workspace.launch(plan, SIGN), 30));
    }
}

fn for_each_account(test: impl Fn(&Ready)) {
    for account in accounts() {
        test(&Ready::new(account));
    }
}

/// The control: without it every test here could pass because nothing ever starts.
#[test]
fn the_plan_as_it_was_written_runs() {
    for_each_account(|ready| {
        let same = ready.variant(&ready.bytes);
        for plan in [&ready.plan, &same] {
            let ended = finish(&mut ready.workspace.launch(plan, SIGN), 30);
            assert_eq!(ended.code(), 0, "{}", ended.err());
            assert!(ready.ran());
            fs::remove_file(ready.workspace.join("sign")).expect("it is there");
        }
    });
}

#[test]
fn a_truncated_plan_is_refused() {
    for_each_account(|ready| {
        let length = ready.bytes.len();
        // The header is 44 bytes.
        for cut in [0, 1, 3, 4, 6, 8, 12, 43, 44, 45, length / 2, length - 2, length - 1] {
            let plan = ready.variant(&ready.bytes[..cut]);
            ready.expect_plan_refused(&format!("cut after {cut} of {length}"), &plan);
        }
    });
}

#[test]
fn a_longer_plan_is_refused() {
    for_each_account(|ready| {
        for more in [&b"\0"[..], b"MSBP", &ready.bytes] {
            let plan = ready.variant(&[&ready.bytes, more].concat());
            ready.expect_plan_refused(&format!("{} bytes more", more.len()), &plan);
        }
        let plan = ready.variant(&vec![0; 4 << 20]);
        ready.expect_plan_refused("4 MiB of zeros", &plan);
    });
}

#[test]
fn a_plan_with_a_flipped_bit_is_refused() {
    for_each_account(|ready| {
        let length = ready.bytes.len();
        let header = 0..44;
        let body = (44..length).step_by((length / 100).max(1));
        for (count, at) in header.chain(body).enumerate() {
            let mut bytes = ready.bytes.clone();
            bytes[at] ^= 1 << (count % 8);
            ready.expect_plan_refused(&format!("byte {at}, bit {}", count % 8), &ready.variant(&bytes));
        }
    });
}

#[test]
fn a_plan_of_another_version_is_refused() {
    for_each_account(|ready| {
        // The format is a little-endian u16 after the magic.
        let format = u16::from_le_bytes([ready.bytes[4], ready.bytes[5]]);
        for other in [0, format + 1, format + 256, u16::MAX] {
            let mut bytes = ready.bytes.clone();
            bytes[4..6].copy_from_slice(&other.to_le_bytes());
            let ended = finish(&mut ready.workspace.launch(&ready.variant(&bytes), SIGN), 30);
            ready.expect_refused(&format!("format {other}"), &ended);
        }
    });
}

#[test]
fn a_plan_that_is_no_regular_file_is_refused() {
    for_each_account(|ready| {
        let fifo = ready.workspace.base().join("fifo");
        mkfifo(&fifo, Mode::from_bits_truncate(0o600)).expect("a FIFO can be made");
        ready.give(&fifo, ready.workspace.account());
        let directory = ready.workspace.base().join("home");
        let missing = ready.workspace.base().join("missing.bin");
        for plan in [fifo.as_path(), &directory, &missing, Path::new("/dev/null"), Path::new("/dev/zero")] {
            ready.expect_plan_refused(&plan.display().to_string(), plan);
        }
    });
}

#[test]
fn a_plan_that_others_may_write_is_refused() {
    for_each_account(|ready| {
        for mode in [0o602, 0o620, 0o622, 0o666, 0o777] {
            let plan = ready.variant(&ready.bytes);
            fs::set_permissions(&plan, fs::Permissions::from_mode(mode)).expect("it is ours");
            ready.expect_plan_refused(&format!("mode {mode:o}"), &plan);
        }
    });
}

#[test]
fn a_plan_of_another_user_is_refused() {
    if Account::root().is_none() {
        return;
    }
    let strangers = [Account { uid: 61_001, gid: 61_001 }, Account { uid: 61_002, gid: 0 }];
    for_each_account(|ready| {
        for stranger in strangers {
            let plan = ready.variant(&ready.bytes);
            fs::set_permissions(&plan, fs::Permissions::from_mode(0o644)).expect("root may");
            ready.give(&plan, stranger);
            ready.expect_plan_refused(&format!("{stranger:?}"), &plan);
        }
        // Root's own is trusted by all.
        let plan = ready.variant(&ready.bytes);
        fs::set_permissions(&plan, fs::Permissions::from_mode(0o644)).expect("root may");
        ready.give(&plan, Account::current());
        let ended = finish(&mut ready.workspace.launch(&plan, ["/bin/true"]), 30);
        assert_eq!(ended.code(), 0, "{}", ended.err());
    });
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    for_each_account(|ready| {
        let workspace = ready.workspace.path().display().to_string();
        let file = ready.workspace.write("a-file", b"").display().to_string();
        let good = format!("workspace={workspace}");
        let cases: [(&str, Vec<String>); 8] = [
            ("missing", vec![]),
            ("twice", vec![good.clone(), good.clone()]),
            ("unknown", vec![good.clone(), "other=1".into()]),
            ("a directory that does not exist", vec![format!("workspace={workspace}/none")]),
            ("a file where a directory should be", vec![format!("workspace={file}")]),
            ("a relative directory that does not exist", vec!["workspace=none".into()]),
            ("empty", vec!["workspace=".into()]),
            ("without a value", vec!["workspace".into()]),
        ];
        for (what, settings) in cases {
            let mut command = ready.workspace.command(ready.workspace.bin().join("msb-launch"));
            command.arg(&ready.plan);
            for setting in settings {
                command.arg("--set").arg(setting);
            }
            command.arg("--").args(SIGN);
            ready.expect_refused(what, &finish(&mut command, 30));
        }
    });
}

#[test]
fn a_command_line_that_means_nothing_is_refused() {
    for_each_account(|ready| {
        let plan = ready.plan.display().to_string();
        let good = ready.workspace.setting();
        let cases: [&[&str]; 6] = [
            &[],
            &["--set"],
            &[&plan, "--no-such-option"],
            &[&plan, "--set", &good, "--report-fd", "x", "--", "/bin/true"],
            &[&plan, "--set", &good, "--report-fd", "1", "--", "/bin/true"],
            // The policy names no command of its own.
            &[&plan, "--set", &good],
        ];
        for arguments in cases {
            let mut command = ready.workspace.command(ready.workspace.bin().join("msb-launch"));
            command.args(arguments);
            ready.expect_refused(&format!("{arguments:?}"), &finish(&mut command, 30));
        }
    });
}

/// A program may have left a link where its next run is reported.
#[test]
fn what_is_written_of_a_run_follows_no_link() {
    for account in accounts() {
        let workspace = Workspace::new(account);
        let policy = workspace.write(
            "alone.msb",
            b"edition 2026
policy alone {
  include std.base
  net none
  limits { memory 1GiB  pids 128  wall 1min }
}
",
        );
        let kept = workspace.write("kept", b"kept");
        for option in ["--report", "--audit"] {
            let link = workspace.join("link");
            std::os::unix::fs::symlink(&kept, &link).expect("a link");
            let mut command = workspace.msbc(["run", option]);
            command.arg(&link).arg(&policy).args(["--", "echo", "ran"]);
            let ended = finish(&mut command, 60);
            assert_ne!(ended.code(), 0, "{account:?}: {}", ended.out());
            assert_eq!(ended.out(), "", "{account:?}");
            assert!(ended.err().contains("it is a symbolic link"), "{account:?}: {}", ended.err());
            assert_eq!(std::fs::read_to_string(&kept).expect("a file"), "kept");
            std::fs::remove_file(&link).expect("removed");
            // Nor one that a folder on the way is.
            std::os::unix::fs::symlink(workspace.base(), &link).expect("a link");
            let mut command = workspace.msbc(["run", option]);
            command.arg(link.join("kept")).arg(&policy).args(["--", "echo", "ran"]);
            let ended = finish(&mut command, 60);
            assert_eq!(ended.out(), "", "{account:?}");
            let meant = format!("which may be `{}`", workspace.base().display());
            assert!(ended.err().contains(&meant), "{account:?}: {}", ended.err());
            assert_eq!(std::fs::read_to_string(&kept).expect("a file"), "kept");
            std::fs::remove_file(&link).expect("removed");
        }
        let plan = workspace.compile("edition 2026\npolicy p { include std.base }\n");
        let link = workspace.join("link");
        std::os::unix::fs::symlink(workspace.base(), &link).expect("a link");
        let mut command = workspace.command(workspace.bin().join("msb-launch"));
        let ended = finish(command.arg("--report").arg(link.join("kept")).arg(plan).args(["--", "true"]), 60);
        assert_eq!(ended.code(), 125, "{account:?}: {}", ended.err());
        assert_eq!(std::fs::read_to_string(&kept).expect("a file"), "kept");
    }
}

/// The report and the audit log may lie in the folder that the command writes; what it did is not told otherwise from there.
#[test]
fn what_is_written_of_a_run_is_not_written_from_inside() {
    for account in accounts() {
        let workspace = Workspace::new(account);
        let policy = "edition 2026
policy recorded(workspace: dir) {
  include std.base
  fs { write $workspace }
  net { allow https \"example.com\":443 }
  limits { memory 1GiB  pids 128  wall 1min }
  exec { cwd $workspace }
}
";
        let policy = workspace.write("recorded.msb", policy.as_bytes());
        let script = "for it in run.report run.audit; do
            (echo x >> $it) 2>/dev/null && echo written $it; mv $it x 2>/dev/null && echo moved $it; done
            test -e run.report && test -e run.audit && echo x > other && echo there";
        let mut command = workspace.msbc(["run", "--report"]);
        command.arg(workspace.join("run.report")).arg("--audit").arg(workspace.join("run.audit"));
        command.arg(policy).arg("--set").arg(workspace.setting()).args(["--", "sh", "-c", script]);
        let ended = finish(&mut command, 60);
        assert_eq!((ended.code(), ended.out().as_str()), (0, "there\n"), "{account:?}: {}", ended.err());
        let report = std::fs::read_to_string(workspace.join("run.report")).expect("a report");
        assert!(report.lines().any(|line| line.contains("\"ended\"")), "{report}");
    }
}
