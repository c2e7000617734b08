//! What is compared, and the files it needs.

use nix::unistd::Uid;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// One way to start the static program.
#[derive(Debug, Clone)]
pub struct Case {
    /// As the table shows it.
    pub name: &'static str,
    /// Absolute path.
    pub program: PathBuf,
    /// Without the name of the program.
    pub args: Vec<String>,
}

/// The cases that this machine can run, and why it can't run the others.
#[derive(Debug)]
pub struct Cases {
    /// In the order of the table.
    pub cases: Vec<Case>,
    /// A sentence for each that is left out.
    pub left_out: Vec<String>,
    /// A sandbox that waits until it is killed.
    pub waiting: Case,
}

/// Flags for C programs without a C library; the last two keep the file to the pages it needs.
const C_FLAGS: &[&str] = &[
    "-static",
    "-nostdlib",
    "-O2",
    "-fno-stack-protector",
    "-fno-pie",
    "-no-pie",
    "-fno-asynchronous-unwind-tables",
    "-Wl,--build-id=none",
    "-Wl,-z,norelro",
];

/// Builds the C programs and the plans into `dir`, and gives back the cases.
///
/// `dir` is made where it is missing; it must be a place that the user who measures can read. `bin` holds
/// `msbc` and `msb-launch`, as `scripts/build.sh` leaves them.
///
/// # Errors
/// When a C program or a plan can't be built. A launcher that isn't installed is left out instead.
pub fn prepare(dir: &Path, bin: &Path) -> io::Result<Cases> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = dir.join("root");
    for folder in ["bin", "proc", "tmp", "dev"] {
        fs::create_dir_all(root.join(folder))?;
    }
    compile_c(&here.join("c/true.c"), &root.join("bin/true"))?;
    compile_c(&here.join("c/wait.c"), &root.join("bin/wait"))?;
    compile_c(&here.join("c/floor.c"), &dir.join("floor"))?;
    compile_c(&here.join("c/agent.c"), &dir.join("agent"))?;

    let root_arg = text(&root)?;
    let alive = dir.join("alive.plan");
    compile_policy(&bin.join("msbc"), &here.join("policies/alive.msb"), &alive)?;
    let waiting = Case {
        name: "waiting",
        program: bin.join("msb-launch"),
        args: vec![
            text(&alive)?,
            "--set".into(),
            format!("root={root_arg}"),
            "--".into(),
            "/opt/bin/wait".into(),
        ],
    };
    let mut found = Cases { cases: Vec::new(), left_out: Vec::new(), waiting };
    let mut left_out = Vec::new();
    let mut add = |name, program: PathBuf, args: &[&str]| {
        let args = args.iter().map(|&a| a.to_owned()).collect();
        found.cases.push(Case { name, program, args });
    };
    add("exec alone", root.join("bin/true"), &[]);
    add("floor", dir.join("floor"), &[&root_arg, "/bin/true"]);

    let msb_launch = bin.join("msb-launch");
    // agent.msb shows the system's own /bin.
    let ours = [
        ("msb-launch, minimal.msb", "minimal", "/bin/true"),
        ("msb-launch, agent.msb", "agent", "/opt/bin/true"),
        ("msb-launch, workspace.msb", "workspace", "/opt/bin/true"),
    ];
    for (name, policy, command) in ours {
        let plan = dir.join(policy).with_extension("plan");
        let source = here.join("policies").join(policy).with_extension("msb");
        compile_policy(&bin.join("msbc"), &source, &plan)?;
        let root = format!("root={root_arg}");
        add(name, msb_launch.clone(), &[&text(&plan)?, "--set", &root, "--", command]);
        if policy == "agent" {
            let filter = dir.join("agent.filter");
            fs::write(&filter, own_filter(&fs::read(&plan)?)?)?;
            add("floor of agent.msb", dir.join("agent"), &[&root_arg, &text(&filter)?, command]);
        }
    }

    let unshare = [
        "--map-root-user",
        "--mount",
        "--net",
        "--ipc",
        "--uts",
        "--pid",
        "--cgroup",
        "--fork",
        "--mount-proc",
    ];
    let program = text(&root.join("bin/true"))?;
    match which("unshare") {
        Some(path) => add("unshare(1), nothing confined", path, &[&unshare[..], &[&program]].concat()),
        None => left_out.push("unshare is not installed (package util-linux)".to_owned()),
    }
    match which("crun") {
        Some(crun) => {
            let bundle = dir.join("bundle");
            fs::create_dir_all(&bundle)?;
            fs::write(bundle.join("config.json"), oci(&root_arg))?;
            let (bundle, state) = (text(&bundle)?, text(&dir.join("crun"))?);
            let run = ["--cgroup-manager=disabled", "--root", &state, "run", "--bundle", &bundle, "bench"];
            add("crun, the floor's mounts", crun, &run);
        }
        None => left_out.push("crun is not installed (package crun)".to_owned()),
    }
    for (program, package) in [("minijail0", "minijail"), ("nsjail", "nsjail")] {
        if which(program).is_none() {
            left_out.push(format!("{program} is not installed, and Debian 12 has no package {package}"));
        }
    }
    match which("bwrap") {
        Some(bwrap) => add(
            "bubblewrap --unshare-all",
            bwrap,
            &[
                "--unshare-all",
                "--cap-drop",
                "ALL",
                "--ro-bind",
                &root_arg,
                "/",
                "--proc",
                "/proc",
                "--dev",
                "/dev",
                "--tmpfs",
                "/tmp",
                "--",
                "/bin/true",
            ],
        ),
        None => left_out.push("bubblewrap is not installed (package bubblewrap)".to_owned()),
    }
    if Uid::effective().is_root() {
        left_out.push("nothing is measured as an ordinary user: this runs as root".to_owned());
    }
    found.left_out = left_out;
    Ok(found)
}

pub(crate) fn compile_c(source: &Path, to: &Path) -> io::Result<()> {
    run(Command::new("cc").args(C_FLAGS).arg("-o").arg(to).arg(source))
}

/// The filter of a plan for this machine.
fn own_filter(plan: &[u8]) -> io::Result<Vec<u8>> {
    let plan = msb_plan::decode(plan).map_err(|e| io::Error::other(format!("{e:?}")))?;
    let filter = plan.plan().filters.iter().find(|filter| Some(filter.arch) == msb_plan::Arch::HOST);
    filter.map(|filter| filter.program.to_vec()).ok_or_else(|| io::Error::other("no filter for this machine"))
}

/// The floor's namespaces and mounts as a bundle of the Open Container Initiative.
fn oci(root: &str) -> String {
    let (uid, gid) = (Uid::effective(), nix::unistd::Gid::effective());
    let namespaces = ["user", "pid", "network", "mount", "ipc", "uts", "cgroup"];
    let namespaces = namespaces.map(|kind| format!(r#"{{"type":"{kind}"}}"#)).join(",");
    format!(
        r#"{{"ociVersion":"1.0.2","root":{{"path":"{root}","readonly":true}},"hostname":"bench",
"process":{{"user":{{"uid":1000,"gid":1000}},"args":["/bin/true"],"cwd":"/","env":[],"noNewPrivileges":true}},
"mounts":[{{"destination":"/proc","type":"proc","source":"proc"}},
{{"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["nosuid","nodev"]}}],
"linux":{{"namespaces":[{namespaces}],"uidMappings":[{{"containerID":1000,"hostID":{uid},"size":1}}],
"gidMappings":[{{"containerID":1000,"hostID":{gid},"size":1}}],
"seccomp":{{"defaultAction":"SCMP_ACT_ALLOW"}}}}}}"#
    )
}

fn compile_policy(msbc: &Path, policy: &Path, plan: &Path) -> io::Result<()> {
    run(Command::new(msbc).arg("compile").arg(policy).arg("-o").arg(plan))
}

fn run(command: &mut Command) -> io::Result<()> {
    let out = command.output().map_err(|e| io::Error::other(format!("{command:?}: {e}")))?;
    if out.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    Err(io::Error::other(format!("{command:?} ended with {}:\n{said}", out.status)))
}

fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn text(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))?;
    Ok(text.to_owned())
}
