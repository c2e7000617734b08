//! What a mount shows, by each verb: a probe that gets through, and probes that must not.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{ORIGIN, Stage, bind, deny, mount, plan, root, stdout, workspace};
use msb_plan::{Links, Mount, MountKind, Path, Plan, Presence, ProcScope, Rights};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Output, Stdio};

fn with(mounts: &[Mount<'static>]) -> Plan<'static> {
    let mut plan = plan();
    plan.mounts.retain(|old| mounts.iter().all(|new| new.target != old.target));
    plan.mounts.extend(mounts);
    plan
}

fn required<'a>(target: Path<'a>, kind: MountKind<'a>) -> Mount<'a> {
    Mount { target, kind, presence: Presence::Required, origin: ORIGIN }
}

/// Whether the launcher refused, and for the reason that its own sentence names.
#[track_caller]
fn refused(output: &Output, reason: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains(reason), "{said}");
}

fn overlay(source: Path<'static>, rights: Rights) -> MountKind<'static> {
    MountKind::Overlay { source, links: Links::Refuse, size_bytes: 1 << 20, inodes: 32, rights }
}

#[test]
fn an_overlay_takes_changes_and_keeps_none() {
    let write = Rights::READ.union(Rights::WRITE);
    let mut plan = with(&[required(root("work"), overlay(workspace(""), write))]);
    plan.denies = vec![deny(workspace("secret"), Rights::ALL), deny(root("work/planted"), Rights::WRITE)];
    let stage = Stage::new(&plan);
    for (name, content) in [("old", "old"), ("removed", ""), ("secret", "key")] {
        fs::write(stage.workspace.join(name), content).expect("a file");
    }
    fs::create_dir(stage.workspace.join("folder")).expect("a folder");
    let done = "cat old; echo new > old; cat old; rm removed; mkdir made; echo x > made/x; mv old moved; \
                rmdir folder; mkdir folder; cp /bin/true run; ls -A";
    assert_eq!(stdout(&stage.shell(done)), "oldnew\nfolder\nmade\nmoved\nplanted\nrun\nsecret\n");
    let mut left: Vec<_> =
        fs::read_dir(&stage.workspace).expect("it").map(|at| at.expect("one").file_name()).collect();
    left.sort();
    assert_eq!(left, ["folder", "old", "removed", "secret"]);
    assert_eq!(fs::read_to_string(stage.workspace.join("old")).expect("old"), "old");
    // Bounded, by bytes and by files; not executable; denied as the plan says; nothing of the layers is seen.
    for refused in [
        "dd if=/dev/zero of=big bs=1M count=2",
        "for i in $(seq 64); do echo > f$i || exit 0; done; exit 1 && false || ! true",
        "cp /bin/true run; ./run",
        "cat secret",
        "mv secret x",
        "echo > planted",
        "rm planted",
    ] {
        stdout(&stage.shell(&format!("if ({refused}) 2>/dev/null; then [ -e f1 ] && ! [ -e f64 ]; fi")));
    }
    stdout(&stage.shell("! ls -d /.msb* 2>/dev/null"));
}

#[test]
fn an_overlay_runs_where_the_plan_says_so() {
    let stage = Stage::new(&with(&[required(root("work"), overlay(workspace(""), Rights::ALL))]));
    stdout(&stage.shell("cp /bin/true run && chmod 755 run && ./run"));
}

#[test]
fn links_below_a_parameter_lead_nowhere() {
    for (links, expected) in [(Links::Follow, Ok("key")), (Links::Refuse, Err("symbolic link"))] {
        let rights = Rights::READ;
        let source = workspace("data/key");
        let stage = Stage::new(&with(&[required(root("data"), MountKind::Bind { source, rights, links })]));
        let elsewhere = stage.dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).expect("a folder");
        fs::write(elsewhere.join("key"), "key").expect("a file");
        symlink(&elsewhere, stage.workspace.join("data")).expect("a link");
        let output = stage.shell("cat /data");
        match expected {
            Ok(content) => assert_eq!(stdout(&output), content),
            Err(_) => refused(&output, "symbolic link"),
        }
    }
}

#[test]
fn one_device_is_shown_and_no_other() {
    let device = |target| required(root(target), MountKind::Device { source: root(target) });
    let mut plan = with(&[device("dev/zero")]);
    plan.mounts.retain(|mount| !matches!(mount.kind, MountKind::Dev { .. }));
    let stage = Stage::new(&plan);
    assert_eq!(stdout(&stage.shell("ls -A /dev; head -c 3 /dev/zero | od -An -tx1")), "zero\n 00 00 00\n");
    stdout(&stage.shell("! [ -e /dev/null ] && ! chmod 600 /dev/zero 2>&1 && ! mkdir /dev/x 2>&1"));
    // Beside the standard ones, which nothing can be added to any more.
    let stage = Stage::new(&with(&[device("dev/zero"), device("dev/full")]));
    stdout(&stage.shell("head -c 1 /dev/zero >/dev/null && ! touch /dev/x 2>/dev/null"));
    let source = workspace("file");
    let stage = Stage::new(&with(&[required(root("node"), MountKind::Device { source })]));
    fs::write(stage.workspace.join("file"), "").expect("a file");
    refused(&stage.shell("true"), "ENODEV");
}

#[test]
fn a_socket_is_connected_to_and_nothing_beside_it() {
    let shown =
        |links| required(root("run/server"), MountKind::Socket { source: workspace("host/server"), links });
    let mut plan = with(&[shown(Links::Refuse)]);
    plan.mounts.retain(|mount| mount.target != root("work"));
    plan.identity.cwd = None;
    let stage = Stage::new(&plan);
    fs::create_dir(stage.workspace.join("host")).expect("a folder");
    let at = stage.workspace.join("host/server");
    let server = UnixListener::bind(&at).expect("a socket");
    fs::set_permissions(&at, fs::Permissions::from_mode(0o777)).expect("its mode");
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a caller");
        stream.write_all(b"hello").expect("an answer");
    });
    let python = "import socket,os; s=socket.socket(socket.AF_UNIX); s.connect('/run/server'); \
                  print(s.recv(9).decode(), os.listdir('/run'))";
    let output = stage.command(&["/usr/bin/python3", "-c", python]).output().expect("it starts");
    assert_eq!(stdout(&output), "hello ['server']\n");
    answer.join().expect("the server");
    stdout(&stage.shell("! rm /run/server 2>/dev/null && ! chmod 600 /run/server 2>/dev/null"));
    fs::remove_file(&at).expect("the socket");
    fs::write(&at, "").expect("a file");
    refused(&stage.shell("true"), "ENOTSOCK");
}

#[test]
fn all_of_procfs_is_read_only_and_without_what_gives_the_kernel_away() {
    let mut plan = plan();
    for mount in &mut plan.mounts {
        if let MountKind::Proc(scope) = &mut mount.kind {
            *scope = ProcScope::All;
        }
    }
    let stage = Stage::new(&plan);
    let output = stage.shell("cat /proc/meminfo /proc/sys/kernel/ostype");
    // The kernel shows all of procfs in a user namespace only where nothing of the host's own is covered.
    if String::from_utf8_lossy(&output.stderr).contains("mount /proc") {
        println!("skipped, because parts of this host's /proc are covered");
        return;
    }
    assert!(stdout(&output).contains("MemTotal"));
    let hidden = "! cat /proc/kcore && ! cat /proc/keys && ! cat /proc/kallsyms && ! ls /proc/bus/pci \
                  && ! echo x > /proc/sysrq-trigger && ! echo x > /proc/sys/kernel/hostname \
                  && ! echo 1 > /proc/self/oom_score_adj && ! cat /proc/1/environ";
    stdout(&stage.shell(&format!("({hidden}) 2>/dev/null")));
}

/// Root's launch has an id of its own inside, which may open nothing of root's again, not even a pipe.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs `script` with `input` as standard input.
fn with_input(stage: &Stage, input: impl Into<Stdio>, script: &str) -> Output {
    let mut command = stage.command(&["sh", "-c", script]);
    command.stdin(input).output().expect("the launcher starts")
}

#[test]
fn standard_input_is_no_door() {
    let stage = Stage::new(&plan());
    let file = stage.dir.path().join("input");
    fs::write(&file, "given").expect("a file");
    let given = || fs::File::open(&file).expect("it opens");
    // What it was opened for works, by every name.
    if !is_root() {
        let output = with_input(&stage, given(), "cat /dev/stdin; cat < /proc/self/fd/0");
        assert_eq!(stdout(&output), "givengiven");
    }
    assert_eq!(stdout(&with_input(&stage, given(), "cat")), "given");
    for door in ["echo x > /proc/self/fd/0", "echo x >> /dev/stdin", ": > /dev/fd/0", "echo x 1<> /dev/stdin"]
    {
        stdout(&with_input(&stage, given(), &format!("! ({door}) 2>/dev/null")));
        assert_eq!(fs::read_to_string(&file).expect("it"), "given", "{door}");
    }
    let both = fs::File::options().read(true).write(true).open(&file).expect("it opens");
    let script = if is_root() { "echo changed >&0" } else { "echo changed > /dev/stdin" };
    stdout(&with_input(&stage, both, script));
    assert_eq!(fs::read_to_string(&file).expect("it"), "changed\n");
    let folder = fs::File::open(stage.dir.path()).expect("it opens");
    refused(&with_input(&stage, folder, "ls"), "EISDIR");
}

#[test]
fn standard_output_is_no_door() {
    let stage = Stage::new(&plan());
    let file = stage.dir.path().join("output");
    fs::write(&file, "secret\n").expect("a file");
    let append = fs::File::options().append(true).open(&file).expect("it opens");
    let again = if is_root() { "echo done" } else { "echo done >> /dev/stdout" };
    let doors = "! cat /proc/self/fd/1 2>/dev/null && ! (cat < /dev/stdout) 2>/dev/null";
    let script = format!("{doors} && {again}");
    let status = stage.command(&["sh", "-c", &script]).stdout(append).status().expect("it starts");
    assert!(status.success(), "{status}");
    assert_eq!(fs::read_to_string(&file).expect("it"), "secret\ndone\n");
}

#[test]
fn a_fifo_and_a_socket_still_work_as_standard_input() {
    let stage = Stage::new(&plan());
    let (mine, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
    (&mine).write_all(b"by socket").expect("written");
    drop(mine);
    assert_eq!(stdout(&with_input(&stage, OwnedFd::from(theirs), "cat")), "by socket");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"by pipe").expect("written");
    drop(writer);
    assert_eq!(
        stdout(&with_input(&stage, reader, if is_root() { "cat" } else { "cat /dev/stdin" })),
        "by pipe"
    );
}

#[test]
fn a_version_of_landlock_is_asked_for() {
    let abi = msb_sys::landlock::abi();
    let mut plan = plan();
    plan.target.landlock_abi_min = u8::try_from(abi).expect("small").min(msb_plan::LANDLOCK_ABI_MAX);
    stdout(&Stage::new(&plan).shell("true"));
    if abi < u32::from(msb_plan::LANDLOCK_ABI_MAX) {
        plan.target.landlock_abi_min = msb_plan::LANDLOCK_ABI_MAX;
        refused(&Stage::new(&plan).shell("true"), "Landlock");
    }
}

/// The rules of a program inside are Landlock's too: it can give up more, and makes renames between folders.
#[test]
fn landlock_leaves_what_the_mounts_grant() {
    let mut plan = with(&[
        bind(workspace("in"), root("work"), 3),
        mount(
            "data",
            MountKind::Scratch {
                size_bytes: 1 << 20,
                inodes: 100,
                rights: Rights::READ.union(Rights::WRITE),
            },
        ),
    ]);
    plan.identity.cwd = None;
    let stage = Stage::new(&plan);
    fs::create_dir(stage.workspace.join("in")).expect("a folder");
    let script = "cd /work && mkdir a b && echo x > a/f && mv a/f b/g && ln b/g a/h && rm b/g && cat a/h && \
                  mkfifo p && ln -s a l && truncate -s 0 a/h && rm -r a && touch /data/x && stty < /dev/ptmx \
                  >/dev/null && ls / /usr /etc >/dev/null 2>&1; ls -A";
    let output = stage.command(&["sh", "-c", script]).stdin(Stdio::null()).output().expect("it starts");
    let mut said = String::new();
    (&output.stdout[..]).read_to_string(&mut said).expect("text");
    assert_eq!(said, "x\nb\nl\np\n", "{}", String::from_utf8_lossy(&output.stderr));
}

/// What lies in the workspace, sorted.
fn left(stage: &Stage) -> Vec<String> {
    let name = |at: std::io::Result<fs::DirEntry>| at.expect("one").file_name().into_string().expect("text");
    let mut left: Vec<_> = fs::read_dir(&stage.workspace).expect("it").map(name).collect();
    left.sort();
    left
}

#[test]
fn placeholders_of_a_killed_launcher_are_removed_by_the_next() {
    let mut plan = plan();
    let mut folder = deny(workspace("hooks/deep"), Rights::WRITE);
    folder.missing = msb_plan::Missing::MaskDir;
    plan.denies = vec![deny(workspace(".envrc"), Rights::WRITE), folder];
    let stage = Stage::new(&plan);
    fs::write(stage.workspace.join("mine"), "").expect("a file");
    let mut command = stage.command(&["sh", "-c", "echo up; exec sleep 60"]);
    let mut launcher = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = [0; 3];
    launcher.stdout.take().expect("its output").read_exact(&mut line).expect("a line");
    launcher.kill().expect("killed");
    launcher.wait().expect("it ended");
    assert_eq!(left(&stage), [".envrc", "hooks", "mine"], "the kernel removes nothing");
    stdout(&stage.shell("! rmdir hooks/deep 2>/dev/null && ! (echo > .envrc) 2>/dev/null"));
    assert_eq!(left(&stage), ["mine"]);
    // What somebody made is theirs, empty or not.
    fs::write(stage.workspace.join(".envrc"), "").expect("a file");
    stdout(&stage.shell("true"));
    assert_eq!(left(&stage), [".envrc", "mine"]);
}

#[test]
fn a_file_that_names_the_repository_can_not_be_changed() {
    let mut plan = plan();
    plan.denies = vec![deny(workspace(".git/hooks"), Rights::WRITE), deny(workspace("other"), Rights::WRITE)];
    plan.denies[0].missing = msb_plan::Missing::MaskDir;
    plan.denies[1].path = workspace(".git/commondir");
    plan.denies[1].missing = msb_plan::Missing::MaskDot;
    let stage = Stage::new(&plan);
    fs::write(stage.workspace.join(".git"), "gitdir: /elsewhere\n").expect("a file");
    stdout(&stage.shell("! (echo gitdir: evil > .git) 2>/dev/null && ! rm -f .git 2>/dev/null && cat .git"));
    fs::remove_file(stage.workspace.join(".git")).expect("removed");
    assert_eq!(stdout(&stage.shell("cat .git/commondir; ls -A .git")), ".\ncommondir\nhooks\n");
    assert_eq!(left(&stage), [""; 0]);
}

/// A link of the host into what is shown anyway is a link inside: programs read /etc/localtime to learn the zone's name. Where
/// the other place gives more on the file than the line does, it is a mount.
#[test]
fn a_file_that_is_a_link_of_the_host_stays_one() {
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("for everybody");
    let path = |name: &str| -> &'static str {
        // Plans borrow their paths.
        folder.path().join(name).to_str().expect("UTF-8").to_owned().leak()
    };
    let shown = root(path("").trim_matches('/'));
    fs::write(path("written"), "old").expect("a file");
    let mut mounts = vec![bind(shown, shown, 3)];
    for (name, to) in
        [("program", "/usr/bin/ldd"), ("text", "/usr/lib/os-release"), ("kept", path("written"))]
    {
        symlink(to, path(name)).expect("a link");
        let target: &'static str = format!("opt/{name}").leak();
        mounts.push(bind(root(path(name).trim_start_matches('/')), root(target), Rights::READ.0));
    }
    let stage = Stage::new(&with(&mounts));
    assert_eq!(stdout(&stage.shell("readlink /opt/text")), "/usr/lib/os-release\n");
    stdout(&stage.shell("cmp /opt/text /usr/lib/os-release && cmp /opt/program /usr/bin/ldd"));
    stdout(&stage.shell("! [ -L /opt/kept ] && ! [ -L /opt/program ]"));
    // Each may be written or executed where it lies, and not by the line that lets it be read.
    stdout(&stage.shell("[ -x /usr/bin/ldd ] && ! [ -x /opt/program ] && ! /opt/program 2>/dev/null"));
    let written = path("written");
    stdout(
        &stage.shell(&format!("echo new > {written} && cat /opt/kept && ! echo x 2>/dev/null > /opt/kept")),
    );
    assert_eq!(fs::read_to_string(written).expect("it"), "new\n");
}
