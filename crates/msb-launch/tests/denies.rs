//! Denied places under other names: symbolic links in the workspace, and folders that the host has mounted twice.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{Stage, bind, deny, plan, root, stdout, workspace};
use msb_plan::{Missing, Param, ParamKind, Plan, Rights};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

fn denied(paths: &[&'static str], rights: Rights) -> Plan<'static> {
    let mut plan = plan();
    plan.denies = paths.iter().map(|path| deny(workspace(path), rights)).collect();
    plan
}

/// Runs commands of which each must fail.
#[track_caller]
fn all_fail(stage: &Stage, commands: &[&str]) {
    for command in commands {
        let output = stage.shell(&format!("({command}) 2>/dev/null && echo through; true"));
        assert_eq!(stdout(&output), "", "{command}");
    }
}

#[test]
fn what_a_denied_link_leads_to_is_denied() {
    let stage = Stage::new(&denied(&["settings", "rc"], Rights::WRITE));
    fs::create_dir_all(stage.workspace.join("a/real")).expect("a folder");
    fs::write(stage.workspace.join("a/real/task"), "task").expect("a file");
    symlink("middle", stage.workspace.join("settings")).expect("a link");
    symlink("./a/real", stage.workspace.join("middle")).expect("a link");
    symlink("nowhere", stage.workspace.join("rc")).expect("a link");
    all_fail(
        &stage,
        &[
            "echo > settings/task",
            "echo > settings/new",
            "echo > a/real/task",
            "echo > rc",
            "echo > nowhere",
            "rm settings",
            "mv settings x",
            "ln -sfn a settings",
            "ln -sfn a middle",
            "rm rc",
            "mv a b",
            "mv a/real a/other",
        ],
    );
    // What is beside it is not.
    assert_eq!(stdout(&stage.shell("cat settings/task; echo > a/new; rm a/new; cat rc")), "task");
    assert!(!stage.workspace.join("nowhere").exists(), "the placeholder is gone");
}

#[test]
fn a_link_on_the_way_to_a_denied_place_stays_and_is_followed() {
    let mut plan = denied(&["git/hooks"], Rights::WRITE);
    plan.denies[0].missing = Missing::MaskDir;
    for target in ["real", "ABSOLUTE"] {
        let stage = Stage::new(&plan);
        fs::create_dir(stage.workspace.join("real")).expect("a folder");
        let target = target.replace("ABSOLUTE", &stage.workspace.join("real").display().to_string());
        symlink(target, stage.workspace.join("git")).expect("a link");
        all_fail(
            &stage,
            &[
                "echo > real/hooks/x",
                "rmdir real/hooks",
                "rm git",
                "mv git x",
                "mv real x",
                "mkdir git/hooks",
            ],
        );
        assert_eq!(stdout(&stage.shell("echo > real/config; ls real")), "config\nhooks\n");
    }
}

#[test]
fn what_is_hidden_is_hidden_behind_a_link() {
    let stage = Stage::new(&denied(&["keys"], Rights::ALL));
    fs::create_dir(stage.workspace.join("store")).expect("a folder");
    fs::write(stage.workspace.join("store/key"), "secret").expect("a file");
    symlink("store", stage.workspace.join("keys")).expect("a link");
    all_fail(&stage, &["cat keys/key", "cat store/key", "ls store/key", "mv store x", "rm keys"]);
}

#[test]
fn links_that_lead_nowhere_sure_end_the_launch() {
    let stage = Stage::new(&denied(&["keys"], Rights::WRITE));
    fs::create_dir_all(stage.workspace.join("other")).expect("a folder");
    symlink("other/../store", stage.workspace.join("keys")).expect("a link");
    let output = stage.shell("echo ran");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(125), b"".as_slice()), "{said}");
    assert!(said.contains("denied path") && said.contains("(ELOOP)"), "{said}");
}

#[test]
fn links_in_a_circle_stay_one() {
    let stage = Stage::new(&denied(&["keys"], Rights::WRITE));
    for (target, link) in [("b", "keys"), ("c", "b"), ("keys", "c")] {
        symlink(target, stage.workspace.join(link)).expect("a link");
    }
    all_fail(&stage, &["rm keys", "mv keys x", "rm b", "mv c x", "mkdir keys", "echo > keys"]);
    fs::remove_file(stage.workspace.join("keys")).expect("removed");
    symlink("keys", stage.workspace.join("keys")).expect("a link");
    all_fail(&stage, &["rm keys", "mv keys x", "echo > keys"]);
}

/// Starts `launch` after `from` was mounted at `to` once more, in a mount namespace of its own.
fn with_second_mount(launch: &Command, from: &Path, to: &Path) -> Output {
    // mount(2), MS_BIND: mount(8) takes nobody but root.
    let bind = "import ctypes,os,sys\n\
                libc=ctypes.CDLL(None,use_errno=True)\n\
                if libc.mount(sys.argv[1].encode(),sys.argv[2].encode(),None,4096,None): \
                sys.exit(os.strerror(ctypes.get_errno()))\n\
                os.execv(sys.argv[3],sys.argv[3:])";
    let is_root = fs::metadata("/proc/self").expect("procfs").uid() == 0;
    let namespaces: &[&str] = if is_root { &["-m"] } else { &["-Um", "--map-current-user", "--keep-caps"] };
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["/usr/bin/python3", "-c", bind]).arg(from).arg(to);
    command.arg(launch.get_program()).args(launch.get_args()).output().expect("unshare starts")
}

/// `secret` lies in a folder that the host shows at a second place, which the policy opens as well.
#[test]
fn a_deny_holds_where_the_host_shows_the_folder_again() {
    for rights in [Rights::WRITE, Rights::ALL] {
        for whole in [true, false] {
            let mut plan = denied(&["folder/secret", "folder/missing"], rights);
            plan.params.push(Param { name: "again", kind: ParamKind::Dir, ..plan.params[0] });
            let again = msb_plan::Path { base: msb_plan::Base::Param(1), rest: "" };
            plan.mounts.push(bind(again, root("again"), 3));
            let stage = Stage::new(&plan);
            let again = stage.dir.path().join("again");
            for folder in [&again, &stage.workspace.join("folder/secret"), &again.join("unmounted")] {
                fs::create_dir_all(folder).expect("a folder");
            }
            fs::write(stage.workspace.join("folder/secret/key"), "key").expect("a file");
            // The folder around the denied one, or it alone, is what the host shows again.
            let (from, inside) = if whole { ("folder", "secret/") } else { ("folder/secret", "") };
            let from = stage.workspace.join(from);
            let mut script = String::from("cd /again; ls; ");
            for attempt in ["echo x > INkey", "echo x > INnew", "mv secret other", "echo x > missing"] {
                if whole || !attempt.contains("mv") && !attempt.contains("missing") {
                    script.push_str(&format!(
                        "({}) 2>/dev/null && echo through;",
                        attempt.replace("IN", inside)
                    ));
                }
            }
            script.push_str("exit 0");
            let set = format!("again={}", again.display());
            let launch = stage.command_with(&["--set", &set], &["sh", "-c", &script]);
            let output = with_second_mount(&launch, &from, &again);
            let said = (rights, whole, String::from_utf8_lossy(&output.stderr).into_owned());
            if rights == Rights::ALL && !whole {
                // All of what a rule shows is denied.
                assert_eq!(output.status.code(), Some(125), "{said:?}");
                continue;
            }
            assert!(output.status.success(), "{said:?}");
            let out = String::from_utf8_lossy(&output.stdout);
            assert!(!out.contains("through") && !out.contains("unmounted"), "{said:?}: {out}");
        }
    }
}
