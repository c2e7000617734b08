//! Sandboxes that run at the same time on the same folder, or on one above another: no deny of one is lost because
//! another begins, ends or is killed, and nothing is left behind.

use msb_testkit::{Workspace, accounts, finish};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A folder and the repositories below it.
const POLICY: &str = "edition 2026
policy together(workspace: dir) {
  include std.base
  accept MSB0603 because \"it is what the test is about\"
  limits { memory unlimited  pids unlimited  wall 1min }
  net none
  fs {
    write $workspace at /work
    deny write $workspace/**/.git/hooks/, $workspace/**/.git/config  missing mask  enforce snapshot depth 2
    deny write $workspace/.envrc, $workspace/.cfg/folder/  missing mask
  }
  exec { cwd /work }
}
";

/// What each of them denies, in a folder with repositories in it and in `a`.
const DENIED: &str = ".git/hooks/x .git/config a/.git/hooks/x a/.git/config .envrc .cfg/folder/x";

fn for_each_account(test: impl Fn(&Workspace)) {
    for account in accounts() {
        let workspace = Workspace::new(account);
        fs::remove_dir_all(workspace.join(".git")).expect("removed");
        workspace.write("work/.git/HEAD", b"before\n");
        workspace.write("work/a/.git/HEAD", b"before\n");
        workspace.own();
        test(&workspace);
    }
}

fn launch(workspace: &Workspace, plan: &Path, folder: &Path, script: &str) -> Command {
    let mut command = workspace.command(workspace.bin().join("msb-launch"));
    command.arg(plan).arg("--set").arg(format!("workspace={}", folder.display()));
    command.args(["--", "sh", "-c", script]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A script that prints which of `targets` it could write, by any means, in `rounds` tries.
fn tries(targets: &str, rounds: u32) -> String {
    format!(
        "n=0; while [ $n -lt {rounds} ]; do n=$((n + 1)); for it in {targets}; do
           mkdir -p \"$(dirname $it)\" 2>/dev/null; rm -rf $it 2>/dev/null
           (echo in >>$it) 2>/dev/null && echo $it
         done; done; exit 0"
    )
}

#[test]
fn twenty_at_once_of_which_some_are_killed() {
    for_each_account(|workspace| {
        let plan = workspace.compile(POLICY);
        for _ in 0..4 {
            let script = tries(DENIED, 5);
            let mut children: Vec<Child> = (0..20)
                .map(|_| launch(workspace, &plan, &workspace.path(), &script).spawn().expect("it starts"))
                .collect();
            // Some while they are set up, some while they run.
            for child in children.iter_mut().step_by(3) {
                thread::sleep(Duration::from_micros(700));
                child.kill().expect("it is our child");
            }
            for (index, child) in children.into_iter().enumerate() {
                let output = child.wait_with_output().expect("it ends");
                let said = String::from_utf8_lossy(&output.stderr);
                assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{index} wrote; {said}");
                let killed = index % 3 == 0 && output.status.code().is_none();
                assert!(killed || output.status.success(), "{index}: {said}");
            }
            // What a killed one left, the next one takes away.
            let ended = finish(&mut launch(workspace, &plan, &workspace.path(), "true"), 60);
            assert_eq!(ended.code(), 0, "{}", ended.err());
            for denied in [".git/hooks", ".git/config", "a/.git/hooks", "a/.git/config", ".envrc", ".cfg"] {
                assert!(!workspace.join(denied).exists(), "{denied} stays");
            }
        }
    });
}

/// One searches the folder while the placeholders of the other, folders among them, go away.
#[test]
fn launches_side_by_side_do_not_disturb_each_other() {
    const WORKSPACE: &str = "edition 2026
policy side(workspace: dir) {
  include std.base
  include std.workspace(root: $workspace)
  net none
  fs { write $workspace at /work }
  limits { memory unlimited  pids unlimited  wall 1min }
}
";
    for_each_account(|workspace| {
        let plan = workspace.compile(WORKSPACE);
        let worker = || {
            for round in 0..150 {
                let ended = finish(&mut launch(workspace, &plan, &workspace.path(), "true"), 60);
                assert_eq!(ended.code(), 0, "round {round}: {}", ended.err());
            }
        };
        thread::scope(|scope| {
            scope.spawn(worker);
            scope.spawn(worker);
        });
    });
}

/// The one below holds a place by a placeholder that the one above has as well: when that one ends, it stays.
#[test]
fn one_that_ends_takes_nothing_from_one_below() {
    for_each_account(|workspace| {
        let plan = workspace.compile(POLICY);
        let begin = |folder: &Path| {
            let script = format!("echo ready; read -r go; {}", tries(".git/hooks/x .git/config", 1));
            let mut child = launch(workspace, &plan, folder, &script).spawn().expect("it starts");
            let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
            let mut line = String::new();
            output.read_line(&mut line).expect("it says something");
            assert_eq!(line, "ready\n");
            (child, output)
        };
        let go = |(mut child, mut output): (Child, BufReader<std::process::ChildStdout>)| {
            child.stdin.take().expect("a pipe").write_all(b"\n").expect("it reads");
            let mut written = String::new();
            std::io::Read::read_to_string(&mut output, &mut written).expect("text");
            assert!(child.wait().expect("it ends").success());
            assert_eq!(written, "");
        };
        // Whichever began first, and whichever ends first.
        for above_first in [true, false] {
            for above_ends_first in [true, false] {
                let (above, below) = if above_first {
                    let above = begin(&workspace.path());
                    (above, begin(&workspace.join("a")))
                } else {
                    let below = begin(&workspace.join("a"));
                    (begin(&workspace.path()), below)
                };
                let order = if above_ends_first { [above, below] } else { [below, above] };
                order.into_iter().for_each(go);
                let left = ["a/.git/hooks", "a/.git/config", "a/.envrc", "a/.cfg", ".git/hooks", ".envrc"];
                let left: Vec<&str> = left.into_iter().filter(|it| workspace.join(it).exists()).collect();
                assert_eq!(left, Vec::<&str>::new(), "{above_first} {above_ends_first}");
            }
        }
    });
}
