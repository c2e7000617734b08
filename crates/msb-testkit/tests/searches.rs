//! `enforce snapshot`: what a search at launch finds is denied as if the policy named it, and nothing else is.

use msb_testkit::{Account, Ended, Workspace, accounts, finish};
use nix::unistd::mkfifo;
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;

const POLICY: &str = "edition 2026
policy searched(workspace: dir) {
  include std.base
  accept MSB0603, MSB0611 because \"it is what the test is about\"
  fs {
    write $workspace
    run $workspace
    deny write $workspace/**/.git/hooks/, $workspace/**/.git/config  missing mask  enforce snapshot depth 2
    deny write $workspace/**/.vscode/  missing mask  enforce snapshot beside \".git\" depth 2
    deny read  $workspace/**/.env  enforce snapshot depth 2
  }
  exec { cwd $workspace }
}
";

fn for_each_account(test: impl Fn(&Workspace)) {
    for account in accounts() {
        let workspace = Workspace::new(account);
        fs::remove_dir_all(workspace.join(".git")).expect("removed");
        test(&workspace);
    }
}

/// Makes files, with the folders that they lie in.
fn files(workspace: &Workspace, all: &[&str]) {
    for file in all {
        workspace.write(&format!("work/{file}"), b"before\n");
    }
    workspace.own();
}

fn run(workspace: &Workspace, policy: &str, options: &[&str], script: &str) -> Ended {
    let plan = workspace.compile(policy);
    let launcher = workspace.bin().join("msb-launch");
    let mut command = workspace.command(launcher);
    command.args(options).arg(plan).arg("--set").arg(workspace.setting()).args(["--", "sh", "-c", script]);
    finish(&mut command, 60)
}

/// Which of `targets` can be written, each tried in the same run.
fn written(workspace: &Workspace, targets: &[&str]) -> Vec<String> {
    let script = format!(
        "for it in {}; do mkdir -p \"$(dirname $it)\" 2>/dev/null; (echo in >>$it) 2>/dev/null && echo $it; done; exit 0",
        targets.join(" ")
    );
    let ended = run(workspace, POLICY, &[], &script);
    assert_eq!(ended.code(), 0, "{}", ended.err());
    ended.out().lines().map(str::to_owned).collect()
}

#[test]
fn what_is_there_is_denied_as_deep_as_the_search_goes() {
    for_each_account(|workspace| {
        files(
            workspace,
            &["a/.git/HEAD", "b/c/.git/hooks/x", "d/e/f/.git/config", "plain/x", "b/.env", "d/e/f/.env"],
        );
        let denied = [
            "a/.git/hooks/x",
            "a/.git/config",
            "a/.vscode/x",
            "b/c/.git/hooks/x",
            "b/c/.git/hooks/y",
            "b/c/.vscode/x",
        ];
        let open = [
            "a/.git/HEAD",
            "a/x",
            "d/e/f/.git/config",
            "d/e/f/.vscode/x",
            "plain/.vscode/x",
            "new/.git/config",
            "b/.vscode/x",
        ];
        let all: Vec<&str> = denied.iter().chain(&open).copied().collect();
        assert_eq!(written(workspace, &all), open);
        let ended = run(workspace, POLICY, &[], "cat b/.env; cat d/e/f/.env");
        assert_eq!((ended.code(), ended.out().as_str()), (0, "before\n"), "{}", ended.err());
        // Nothing of it stays.
        assert!(!workspace.join("a/.git/hooks").exists() && !workspace.join("a/.vscode").exists());
        assert_eq!(fs::read_to_string(workspace.join("b/c/.git/hooks/x")).expect("read"), "before\n");
        // What was made in the first run is there in the second.
        assert_eq!(written(workspace, &["new/.git/config", "new/.git/hooks/x", "new/x"]), ["new/x"]);
    });
}

#[test]
fn what_holds_it_stays_where_it_is() {
    for_each_account(|workspace| {
        files(workspace, &["a/b/.git/config"]);
        // mv(1) would copy what cannot be renamed.
        let script = "python3 -c 'import os, sys
for one in sys.argv[1:]:
    for act in (lambda: os.rename(one, \"x\"), lambda: os.rmdir(one), lambda: os.unlink(one)):
        try: act(); print(one)
        except OSError: pass' a a/b a/b/.git a/b/.git/config a/b/.git/hooks a/b/.vscode; cat a/b/.git/config";
        let ended = run(workspace, POLICY, &[], script);
        assert_eq!(ended.out(), "before\n", "{}", ended.err());
    });
}

/// A .git that is a file stays what it says; a link is neither searched through nor changed, and where it leads is denied.
#[test]
fn files_and_links_in_its_place_are_kept() {
    for_each_account(|workspace| {
        files(workspace, &["file/.git", "real/config", "real/hooks/x", "deep/sub/.git/config"]);
        fs::create_dir_all(workspace.join("link")).expect("made");
        symlink(workspace.join("real"), workspace.join("link/.git")).expect("linked");
        symlink("/etc", workspace.join("etc")).expect("linked");
        symlink("..", workspace.join("deep/up")).expect("linked");
        workspace.own();
        let targets = [
            "file/.git",
            "file/.git/config",
            "link/.git/config",
            "real/config",
            "real/hooks/y",
            "link/.vscode/x",
            "real/x",
        ];
        assert_eq!(written(workspace, &targets), ["real/x"]);
        let ended = run(
            workspace,
            POLICY,
            &[],
            "rm -f link/.git; mv link/.git x; test -L link/.git && cat file/.git",
        );
        assert_eq!(ended.out(), "before\n", "{}", ended.err());
    });
}

/// Names are bytes, and anything can have the name that is looked for.
#[test]
fn odd_names_are_found_too() {
    use std::os::unix::ffi::OsStrExt as _;
    for_each_account(|workspace| {
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"a \xff\n$x"));
        fs::create_dir_all(workspace.path().join(odd).join(".git")).expect("made");
        fs::create_dir_all(workspace.join("fifo")).expect("made");
        mkfifo(&workspace.join("fifo/.git"), nix::sys::stat::Mode::S_IRWXU).expect("made");
        let long = format!("{}/.git", "n".repeat(255));
        fs::create_dir_all(workspace.join(&long)).expect("made");
        workspace.own();
        let script = "for it in a* nnn* fifo; do (mkdir \"$it/.git/hooks/x\" || echo x >\"$it/.git/config\" \
            || mkdir \"$it/.vscode/x\") 2>/dev/null && echo open; done; echo done";
        let ended = run(workspace, POLICY, &[], script);
        assert_eq!((ended.code(), ended.out().as_str()), (0, "done\n"), "{}", ended.err());
    });
}

/// A program could close a folder, and open it again in its next run, when it was not searched.
#[test]
fn what_cannot_be_looked_into_is_held_as_a_whole() {
    for_each_account(|workspace| {
        files(workspace, &["closed/sub/.git/config", "closed/.env", "listed/.git/config"]);
        for mode in [0o000, 0o100, 0o300, 0o400, 0o600] {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(workspace.join("closed"), mode.clone()).expect("closed");
            fs::set_permissions(workspace.join("listed"), mode.clone()).expect("closed");
            let script = "chmod u+rwx closed listed; cat closed/.env
                for it in closed/sub/.git/config closed/sub/.git/hooks/x listed/.git/config; do
                  mkdir -p \"$(dirname $it)\"; echo in >>$it && echo $it
                done; mv closed x && echo moved; echo done";
            let ended = run(workspace, POLICY, &[], &format!("({script}) 2>/dev/null"));
            assert_eq!((ended.code(), ended.out().as_str()), (0, "done\n"), "{mode:?}: {}", ended.err());
            // Root looks into everything, and denies what is there.
            if !workspace.account().is_root() {
                let now = fs::metadata(workspace.join("closed")).expect("there").permissions();
                assert_eq!(now.mode() & 0o777, mode.mode());
            }
            fs::set_permissions(workspace.join("closed"), fs::Permissions::from_mode(0o700)).expect("opened");
            fs::set_permissions(workspace.join("listed"), fs::Permissions::from_mode(0o700)).expect("opened");
        }
        for file in ["closed/sub/.git/config", "listed/.git/config"] {
            assert_eq!(fs::read_to_string(workspace.join(file)).expect("read"), "before\n");
        }
    });
}

/// It is told of before the run, with the command that ends it.
#[test]
fn what_is_held_as_a_whole_is_told() {
    let workspace = Workspace::new(Account::ordinary());
    files(&workspace, &["closed/x"]);
    fs::set_permissions(workspace.join("closed"), fs::Permissions::from_mode(0o000)).expect("closed");
    let ended = msbc_run(&workspace, "true");
    let closed = workspace.join("closed");
    let line = format!(
        "msbc: `{0}` cannot be looked into, and stays as it is: `chmod u+rwx {0}` opens it",
        closed.display()
    );
    assert!(ended.err().contains(&line), "{}", ended.err());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("opened");
}

/// They lead nowhere, and stay so.
#[test]
fn links_in_a_circle_are_kept() {
    for_each_account(|workspace| {
        files(workspace, &["a/x", "b/.git/HEAD", "c/x", "d/x"]);
        symlink(".git", workspace.join("a/.git")).expect("linked");
        for (to, link) in [
            ("../../one", "b/.git/hooks"),
            ("two", "one"),
            ("b/.git/hooks", "two"),
            ("../d/.git", "c/.git"),
            ("../c/.git", "d/.git"),
        ] {
            symlink(to, workspace.join(link)).expect("linked");
        }
        workspace.own();
        let script =
            "for it in a/.git b/.git/hooks one two c/.git d/.git; do rm -f $it; mv $it x; mkdir $it; ln -sfn /tmp $it
            test \"$(readlink $it)\" = /tmp -o -d $it && echo $it; done 2>/dev/null; echo done";
        let ended = run(workspace, POLICY, &[], script);
        assert_eq!((ended.code(), ended.out().as_str()), (0, "done\n"), "{}", ended.err());
    });
}

/// What an earlier run left, by its name, with the command that takes it away.
#[test]
fn what_is_in_the_way_is_named() {
    for_each_account(|workspace| {
        files(workspace, &["a b/.git/config"]);
        let (file, link) = (workspace.join("a b/.git/config"), workspace.join("c/.git"));
        fs::hard_link(&file, workspace.join("other")).expect("linked");
        let ended = msbc_run(workspace, "true");
        let help = format!("`cp -p '{0}' '{0}'.new && mv '{0}'.new '{0}'`", file.display());
        assert_eq!(ended.code(), 125);
        assert!(ended.err().contains("has 1 other hard link: "), "{}", ended.err());
        assert!(ended.err().contains(&help), "{help}: {}", ended.err());
        fs::remove_file(workspace.join("other")).expect("removed");
        assert_eq!(msbc_run(workspace, "true").code(), 0);

        fs::create_dir(workspace.join("c")).expect("made");
        symlink("d/../e", &link).expect("linked");
        workspace.own();
        let ended = msbc_run(workspace, "true");
        let line = format!("`{0}` is a symbolic link to `d/../e`: `rm {0}` takes it away", link.display());
        assert_eq!(ended.code(), 125);
        assert!(ended.err().contains(&line), "{line}: {}", ended.err());
        fs::remove_file(&link).expect("removed");
        assert_eq!(msbc_run(workspace, "true").code(), 0);
    });
}

/// A folder of somebody else's, which the sandbox cannot enter either, is nothing to search.
#[test]
fn what_is_out_of_reach_is_passed_over() {
    for_each_account(|workspace| {
        let account = workspace.account();
        if account.is_root() || !Account::current().is_root() {
            return;
        }
        files(workspace, &["a/.git/config"]);
        fs::create_dir_all(workspace.join("data")).expect("made");
        nix::unistd::chown(&workspace.join("data"), Some(nix::unistd::Uid::from_raw(12345)), None)
            .expect("given");
        fs::set_permissions(workspace.join("data"), fs::Permissions::from_mode(0o700)).expect("closed");
        assert_eq!(written(workspace, &["a/.git/config", "a/x"]), ["a/x"]);
    });
}

/// In memory, where as many directories are made at once.
#[test]
fn too_much_to_search_is_refused() {
    let workspace = Workspace::new(Account::current());
    let many = tempfile::tempdir_in("/dev/shm").expect("a directory");
    for at in 0..33 {
        for name in 0..1000 {
            fs::create_dir_all(many.path().join(format!("d{at}/{name}"))).expect("made");
        }
    }
    let run = |policy: &str| {
        let plan = workspace.compile(policy);
        let mut command = workspace.command(workspace.bin().join("msb-launch"));
        let setting = format!("workspace={}", many.path().display());
        finish(command.arg(plan).args(["--set", &setting, "--", "true"]), 60)
    };
    let ended = run(POLICY);
    assert_eq!(ended.code(), 125, "{}", ended.err());
    assert!(ended.err().contains("EFBIG"), "{}", ended.err());
    let ended = run(&POLICY.replace("depth 2", "depth 1"));
    assert_eq!(ended.code(), 0, "{}", ended.err());
}

#[test]
fn too_many_places_are_refused_and_the_most_are_held() {
    let workspace = Workspace::new(Account::ordinary());
    let many = |from: usize, to: usize| {
        for name in from..to {
            fs::create_dir_all(workspace.join(&format!("r{name}/.git"))).expect("made");
        }
        workspace.own();
    };
    fs::remove_dir_all(workspace.join(".git")).expect("removed");
    // Three places each, and 4096 are the most.
    many(0, 1365);
    let ended = run(
        &workspace,
        POLICY,
        &[],
        "mkdir r7/.git/hooks/x r1364/.vscode/x 2>/dev/null; ls -d r1364/.git/hooks",
    );
    assert_eq!((ended.code(), ended.out().as_str()), (0, "r1364/.git/hooks\n"), "{}", ended.err());
    assert!(!workspace.join("r7/.git/hooks").exists());
    many(1365, 1366);
    let ended = run(&workspace, POLICY, &[], "true");
    assert_eq!(ended.code(), 125, "{}", ended.err());
    assert!(ended.err().contains("EFBIG"), "{}", ended.err());
    let line =
        |folder: &str| format!("most of it lies in `{}`: `find ", workspace.base().join(folder).display());
    let ended = msbc_run(&workspace, "true");
    assert!(ended.err().contains(&line("work")), "{}", ended.err());
    fs::create_dir(workspace.join("most")).expect("made");
    for name in 0..1000 {
        fs::rename(workspace.join(&format!("r{name}")), workspace.join(&format!("most/r{name}")))
            .expect("moved");
    }
    let ended = msbc_run(&workspace, "true");
    assert!(ended.err().contains(&line("work/most")), "{}", ended.err());
}

/// A claim about what is there is decided by what the search finds.
#[test]
fn claims_are_decided_by_what_is_found() {
    for_each_account(|workspace| {
        let policy = |claim: &str| POLICY.replace("  exec", &format!("  assert {{ {claim} }}\n  exec"));
        let deny = policy("deny open $workspace/a/.env for read");
        let allow = policy("allow open $workspace/a/.env for write");
        assert_eq!(run(workspace, &deny, &[], "true").code(), 125);
        assert_eq!(run(workspace, &allow, &[], "true").code(), 0);
        files(workspace, &["a/.env"]);
        let ended = run(workspace, &deny, &[], "true");
        assert_eq!(ended.code(), 0, "{}", ended.err());
        assert_eq!(run(workspace, &allow, &[], "true").code(), 125);
    });
}

/// What is shown of the folder is searched, and a grant of what is found says so.
#[test]
fn a_part_of_the_folder_is_searched_as_far_as_it_is_shown() {
    for_each_account(|workspace| {
        files(workspace, &["a/b/.git/config", "c/.git/config", "a/.env"]);
        let part = POLICY
            .replace(
                "    write $workspace\n    run $workspace\n",
                "    write $workspace/a  at /a\n    read $workspace/c at /c\n",
            )
            .replace("cwd $workspace", "cwd /a");
        let ended = run(
            workspace,
            &part,
            &[],
            "echo x >>b/.git/config; cat .env; cat /c/.git/config; echo x >y && echo made",
        );
        assert_eq!((ended.code(), ended.out().as_str()), (0, "before\nmade\n"), "{}", ended.err());
        let inner = part.replace("write $workspace/a ", "write $workspace/a/b/.git ");
        let ended = run(workspace, &inner, &[], "echo x >>config; mkdir hooks/x; echo x >>y && echo made");
        assert_eq!((ended.code(), ended.out().as_str()), (0, "made\n"), "{}", ended.err());
        let covered = part
            .replace("write $workspace/a ", "write $workspace/a/b/.git/config ")
            .replace("cwd /a", "cwd /");
        let ended = run(workspace, &covered, &[], "echo x >>/a");
        assert_ne!(ended.code(), 0);
        assert_eq!(fs::read_to_string(workspace.join("a/b/.git/config")).expect("read"), "before\n");
    });
}

#[test]
fn the_report_says_how_many_were_found() {
    let workspace = Workspace::new(Account::ordinary());
    fs::remove_dir_all(workspace.join(".git")).expect("removed");
    files(&workspace, &["a/.git/config", "b/c/.env", "b/d/x"]);
    let ended = run(&workspace, POLICY, &["--json", "--timings"], "true");
    let events: Vec<Value> =
        ended.err().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let searched = events.iter().find(|event| event["event"] == "searched").expect("an event");
    assert_eq!((&searched["directories"], &searched["places"]), (&Value::from(6), &Value::from(4)));
    assert!(events.iter().any(|event| event["event"] == "timing" && event["step"] == "Search"));
    let ended = run(&workspace, POLICY, &["--dry-run"], "true");
    let said: Vec<Value> =
        ended.out().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let all = "read write run";
    for (place, rights) in
        [("a/.git/hooks", "write"), ("a/.git/config", "write"), ("a/.vscode", "write"), ("b/c/.env", all)]
    {
        let target = workspace.join(place).display().to_string();
        let denied = said.iter().find(|line| line["would"] == "deny" && line["target"] == *target);
        assert_eq!(
            denied.map(|line| &line["rights"]),
            Some(&Value::from(rights)),
            "{place}: {}",
            ended.out()
        );
    }
}

/// Runs `script` under `msbc run`.
fn msbc_run(workspace: &Workspace, script: &str) -> Ended {
    let policy = workspace.write("made.msb", POLICY.as_bytes());
    let mut command = workspace.msbc(["run"]);
    command.arg(policy).arg("--set").arg(workspace.setting()).args(["--", "sh", "-c", script]);
    finish(&mut command, 60)
}

/// Runs `script` under `msbc run`; gives what it says that the run made.
fn told(workspace: &Workspace, script: &str) -> Vec<String> {
    let ended = msbc_run(workspace, script);
    assert_eq!(ended.code(), 0, "{}", ended.err());
    ended.err().lines().filter(|line| line.contains("this run")).map(str::to_owned).collect()
}

/// What the next run denies is told at the end of this one, and nothing of it is for a terminal to obey.
#[test]
fn what_a_run_makes_is_told() {
    for_each_account(|workspace| {
        files(workspace, &["old/.git/config"]);
        let script =
            "mkdir -p sub/.git/hooks a/b/c/.git \"$(printf 'x\\033]0;y')/.git\"; touch old/.git/x plain";
        let told = told(workspace, script);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("/work/sub/.git`, whose settings"), "{told:?}");
        assert!(told[1].contains("/work/x\\u{1b}]0;y/.git`"), "{told:?}");
    });
}

/// The deepest folders are asked and not listed: what is in one of them is told, and that one of them is closed.
#[test]
fn what_a_run_makes_in_the_deepest_folders_is_told() {
    for_each_account(|workspace| {
        files(workspace, &["d/old/.git/config", "d/renamed/docs/config"]);
        let script = "mkdir -p d/e/.git f/g/.git d/n; mv d/renamed/docs d/renamed/.git; touch d/n/git d/old/.git/x; \
                      chmod 0 f/g";
        let told = told(workspace, script);
        assert_eq!(told.len(), 3, "{told:?}");
        for (line, name) in told.iter().zip(["d/e/.git`, whose", "d/renamed/.git`, whose"]) {
            assert!(line.contains(name), "{name}: {told:?}");
        }
        let closed = if workspace.account().is_root() { "f/g/.git`, whose" } else { "f/g` is not known" };
        assert!(told[2].contains(closed), "{told:?}");
    });
}

/// A program can't hide it by taking a folder that is older than the run, nor by closing the one around it.
#[test]
fn what_a_run_renames_or_hides_is_told() {
    for_each_account(|workspace| {
        files(workspace, &["renamed/docs/config", "hidden/docs/config"]);
        let script = "mv renamed/docs renamed/.git; mv hidden/docs hidden/.git; chmod 311 hidden";
        let told = told(workspace, script);
        // Root reads it all the same.
        let hidden = if workspace.account().is_root() {
            "/work/hidden/.git`, whose"
        } else {
            "/work/hidden` is not known"
        };
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains(hidden), "{told:?}");
        assert!(told[1].contains("/work/renamed/.git`, whose settings"), "{told:?}");
    });
}

/// What is told is pasted into a terminal: it runs nothing of what the program wrote, neither there nor in the name.
#[test]
fn what_is_told_to_look_with_runs_nothing() {
    for_each_account(|workspace| {
        let sign = workspace.join("sign");
        let name = "it's; touch sign; $(touch sign) `touch sign`";
        let script = format!(
            "n=\"$(cat name)\"; mkdir -p \"$n\"; git init -q \"$n\"; git -C \"$n\" config core.pager \"touch {0}; cat\"; \
             git -C \"$n\" config core.fsmonitor \"touch {0}; false\"",
            sign.display()
        );
        workspace.write("work/name", name.as_bytes());
        workspace.own();
        let told = told(workspace, &script);
        let [line] = &told[..] else { panic!("{told:?}") };
        let (_, command) = line.split_once("look with `").expect("a command");
        let command = command.strip_suffix('`').expect("a command");
        // script(1) has it a terminal, at which git pages.
        let mut looked = workspace.command("script");
        looked.args(["-qec", command, "/dev/null"]).current_dir(workspace.path());
        let looked = finish(&mut looked, 60);
        assert!(looked.out().contains("core.pager="), "{command}: {}{}", looked.out(), looked.err());
        assert!(!sign.exists(), "{command}");
    });
}

/// What one run puts in the folder for its time is not looked for by another on the same folder.
#[test]
fn placeholders_of_another_run_are_nothing_to_find() {
    for_each_account(|workspace| {
        let policy = POLICY.replace(
            "deny write $workspace/**/.vscode/  missing mask  enforce snapshot beside \".git\" depth 2",
            "deny write $workspace/marker  missing mask\n    deny write $workspace/**/held  missing mask  enforce snapshot beside \"marker\" depth 2",
        );
        let plan = workspace.compile(&policy);
        let launch = |script: &str| {
            let mut command = workspace.command(workspace.bin().join("msb-launch"));
            command.arg(&plan).arg("--set").arg(workspace.setting()).args(["--", "sh", "-c", script]);
            command
        };
        let mut first = launch("echo ready; read line")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut ready = String::new();
        BufReader::new(first.stdout.take().expect("a pipe")).read_line(&mut ready).expect("read");
        assert!(workspace.join("marker").exists(), "{ready}");
        let ended = finish(&mut launch("test ! -e held && echo free"), 60);
        assert_eq!(ended.out(), "free\n", "{}", ended.err());
        drop(first.stdin.take());
        first.wait().expect("ended");
        files(workspace, &["marker"]);
        let ended = finish(&mut launch("test -e held && echo held"), 60);
        assert_eq!(ended.out(), "held\n", "{}", ended.err());
    });
}
