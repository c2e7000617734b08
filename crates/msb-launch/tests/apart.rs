//! What must lie apart: the launcher from what it lets be written, parameters from each other.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{ORIGIN, Stage, bind, plan, root, stdout};
use msb_plan::{Base, Deny, Missing, Param, ParamKind, Path, Rights};

/// The launcher and the gateway lie in the workspace, and nobody inside changes what the next launch is.
#[test]
fn the_launcher_does_not_let_itself_be_written() {
    let stage = Stage::new(&plan());
    let bin = stage.workspace.join("tools/bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    for name in ["msb-launch", "msb-gateway"] {
        // By another process: a descriptor that is open for writing here would be inherited by another test's.
        let copied = std::process::Command::new("cp").arg(common::launcher()).arg(bin.join(name)).status();
        assert!(copied.expect("cp").success());
    }
    let before = std::fs::read(bin.join("msb-launch")).expect("a program");
    let run = |script: &str| {
        let mut command = std::process::Command::new(bin.join("msb-launch"));
        command.arg(stage.dir.path().join("plan.bin")).arg("--set");
        command.arg(format!("workspace={}", stage.workspace.display())).args(["--", "sh", "-c", script]);
        command.output().expect("starts")
    };
    for attempt in [
        "echo x >> tools/bin/msb-launch",
        "rm -f tools/bin/msb-launch",
        "cp /bin/true x && mv x tools/bin/msb-gateway",
        "mv tools/bin tools/old",
        "mv tools old",
        "ln tools/bin/msb-launch x",
    ] {
        assert!(!run(attempt).status.success(), "{attempt}");
    }
    stdout(&run("echo x > tools/bin/other"));
    assert_eq!(std::fs::read(bin.join("msb-launch")).expect("a program"), before);
}

/// `msbc run` names the plan by a descriptor, whose number has another file once the plan is read.
#[test]
fn a_plan_that_is_named_by_a_descriptor_takes_nothing_else_away() {
    let stage = Stage::new(&plan());
    for number in 3..24 {
        let script = format!("exec \"$0\" /proc/self/fd/{number} \"$@\" {number}< \"$PLAN\"");
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &script]).arg(common::launcher()).env("PLAN", stage.dir.path().join("plan.bin"));
        command.arg("--set").arg(format!("workspace={}", stage.workspace.display()));
        command.args(["--", "sh", "-c", "echo x > x && rm x"]);
        stdout(&command.output().expect("starts"));
    }
}

/// The folder of the second parameter.
const INPUTS: Path<'_> = Path { base: Base::Param(1), rest: "" };

/// What one parameter shows to be read, another one does not open for writing, by whatever name of the host.
#[test]
fn parameters_that_overlap_are_refused() {
    let mut plan = plan();
    plan.params.push(Param { name: "inputs", kind: ParamKind::Dir, default: None, origin: ORIGIN });
    plan.mounts.push(bind(INPUTS, root("in"), 1));
    let stage = Stage::new(&plan);
    let base = stage.dir.path();
    for folder in ["apart", "workspace/sub/deep", "around"] {
        std::fs::create_dir_all(base.join(folder)).expect("a folder");
    }
    let work = &stage.workspace;
    std::os::unix::fs::symlink(work.join("sub"), base.join("link")).expect("a link");
    let run = |plan: &std::path::Path, work: &std::path::Path, inputs: &std::path::Path| {
        let mut command = std::process::Command::new(common::launcher());
        command.arg(plan).arg("--set").arg(format!("workspace={}", work.display()));
        command.arg("--set").arg(format!("inputs={}", inputs.display())).args(["--", "true"]);
        command.output().expect("starts")
    };
    let file = base.join("plan.bin");
    let refused = |output: &std::process::Output| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.code() == Some(125) && said.contains("tell the parameters apart")
    };
    assert!(run(&file, work, &base.join("apart")).status.success());
    let output = run(&file, work, &work.join("sub"));
    assert!(refused(&output), "one in the other: {output:?}");
    assert!(refused(&run(&file, &work.join("sub/deep"), work)), "the other in the one");
    assert!(refused(&run(&file, work, work)), "the same");
    assert!(refused(&run(&file, work, &base.join("link"))), "by a symbolic link");
    // A second name that no string tells: a bind mount, of the folder itself and of one below it.
    let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
    for (from, over, inputs) in [
        (work.join("sub/deep"), base.join("apart"), base.join("apart")),
        (work.join("sub"), base.join("around"), base.to_path_buf()),
    ] {
        let mut command = std::process::Command::new("unshare");
        command.args(["-Urm", "sh", "-c", script, "sh"]).arg(from).arg(over);
        let work = work.join("sub");
        let set = [format!("workspace={}", work.display()), format!("inputs={}", inputs.display())];
        command.arg(common::launcher()).arg(&file).args(["--set", &set[0], "--set", &set[1], "--", "true"]);
        let output = command.output().expect("starts");
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("unshare failed") || said.contains("mount:") {
            println!("skipped, because unshare(1) makes no user namespace here");
            return;
        }
        assert!(refused(&output), "{said}");
    }
    // A deny that keeps the one from being written by the other's name settles it.
    let whole = Deny { path: INPUTS, rights: Rights::WRITE, missing: Missing::Fail, origin: ORIGIN };
    plan.denies.push(whole);
    let denied = Stage::new(&plan);
    let sub = denied.workspace.join("sub");
    std::fs::create_dir(&sub).expect("a folder");
    assert!(run(&denied.dir.path().join("plan.bin"), &denied.workspace, &sub).status.success());
}
