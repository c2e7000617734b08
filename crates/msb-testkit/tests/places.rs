//! Workspaces where people have them: other file systems, roots of mounts, names that need care. Each runs with what is
//! denied held, or is refused with the line of the policy.

use msb_testkit::{Account, Ended, Workspace, accounts, finish};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const POLICY: &str = "edition 2026
policy placed(workspace: dir) {
  include std.base
  fs { write $workspace at /work  deny write $workspace/.git }
  exec { cwd /work }
}
";

/// Works in the workspace, and says whether `.git` is to be written.
const WORK: &str = "echo in > a && mv a b && cat b && rm b && ln -s b c && rm c && echo works; \
    (mkdir .git/hooks || rmdir .git || mv .git x) 2>/dev/null && echo open; test -e .git && echo held";

/// Runs [`WORK`] in `place`, after the shell script `before` was run as root in a mount namespace of its own; without one,
/// as it is.
fn run(workspace: &Workspace, before: Option<&str>, place: &Path) -> Ended {
    let plan = workspace.compile(POLICY);
    let account = workspace.account();
    let mut setting = OsStr::new("workspace=").to_owned();
    setting.push(place);
    let launcher = workspace.bin().join("msb-launch");
    let mut command = match before {
        None => workspace.command(launcher),
        Some(before) => {
            let mut command = Command::new("unshare");
            let script = format!("set -e; cd \"$1\"; shift; {before}; exec \"$@\"");
            command.args(["--mount", "sh", "-c", &script, "sh"]).arg(workspace.base());
            if account != Account::current() {
                command.args(["setpriv", "--clear-groups"]);
                command.arg(format!("--reuid={}", account.uid)).arg(format!("--regid={}", account.gid));
            }
            command.arg(launcher);
            command
        }
    };
    command.arg(plan).arg("--set").arg(setting).args(["--", "sh", "-c", WORK]);
    finish(&mut command, 60)
}

#[track_caller]
fn works(ended: &Ended, what: &str) {
    assert_eq!((ended.code(), ended.out().as_str()), (0, "in\nworks\nheld\n"), "{what}: {}", ended.err());
}

#[track_caller]
fn is_refused(ended: &Ended, what: &str) {
    assert_eq!((ended.code(), ended.out().as_str()), (125, ""), "{what}: {}", ended.err());
    assert!(ended.err().contains("policy.msb:"), "{what}: {}", ended.err());
}

#[test]
fn names_that_need_care() {
    let long = "0".repeat(255);
    let names: [&[u8]; 6] =
        [b"a b", b"c\nd", "ü→é".as_bytes(), b"\xff\xfe", b"-- $x;`y`'\"", long.as_bytes()];
    for account in accounts() {
        let workspace = Workspace::new(account);
        for name in names {
            let place = workspace.base().join(OsStr::from_bytes(name));
            std::fs::create_dir(&place).expect("a directory");
            workspace.own();
            works(&run(&workspace, None, &place), &format!("{}, {account:?}", place.display()));
        }
        let link = workspace.base().join("link");
        std::os::unix::fs::symlink("a b", &link).expect("a link");
        works(&run(&workspace, None, &link), "a symbolic link");
        let places = [
            ("a name of 256 bytes", workspace.base().join("0".repeat(256))),
            ("nothing", workspace.base().join("nothing")),
            ("no name", PathBuf::new()),
            ("a file", workspace.base().join("stdin")),
            ("procfs", PathBuf::from("/proc")),
            ("sysfs", PathBuf::from("/sys")),
        ];
        for (what, place) in places {
            is_refused(&run(&workspace, None, &place), what);
        }
    }
}

#[test]
fn other_file_systems() {
    if Account::root().is_none() {
        return;
    }
    for account in accounts() {
        let workspace = Workspace::new(account);
        let place = workspace.base().join("place");
        let own = format!("chown {}:{} place", account.uid, account.gid);
        let ext4 =
            "truncate -s 8M image; mke2fs -q -t ext4 image; mount -o loop,noexec,nosuid,nodev image place";
        let mounts = [
            ("tmpfs", "mount -t tmpfs tmpfs place"),
            ("a bind mount", "mount --bind work place; rm -rf place/.git"),
            ("few files at most", "mount -t tmpfs -o nr_inodes=5 tmpfs place"),
            ("ext4, noexec", ext4),
        ];
        let has_loops =
            Command::new("mke2fs").arg("-V").output().is_ok() && Path::new("/dev/loop-control").exists();
        if !has_loops {
            eprintln!("skipped, because mke2fs or /dev/loop-control is missing: ext4");
        }
        for (what, mount) in mounts.into_iter().take(if has_loops { 4 } else { 3 }) {
            let before = format!("mkdir -p place; {mount}; {own}");
            works(&run(&workspace, Some(&before), &place), &format!("{what}, {account:?}"));
        }
        // Who is root has its files mapped to the sandbox's user, which overlayfs does not take part in.
        let overlay = "mkdir -p place low up/up up/work; mount -t overlay overlay -o lowerdir=low,upperdir=up/up,workdir=up/work place";
        let ended = run(&workspace, Some(&format!("{overlay}; {own}")), &place);
        match ended.code() {
            125 if account.is_root() => is_refused(&ended, "overlayfs"),
            _ => works(&ended, "overlayfs"),
        }
        let full = [
            ("read only", "mount -t tmpfs -o ro tmpfs place"),
            (
                "read only, a bind mount",
                "mount --bind work place; mount -o remount,ro,bind place; rm -rf work/.git",
            ),
            ("no file more", "mount -t tmpfs -o nr_inodes=1 tmpfs place"),
        ];
        for (what, mount) in full {
            let before = format!("mkdir -p place; {mount}");
            is_refused(&run(&workspace, Some(&before), &place), &format!("{what}, {account:?}"));
        }
    }
}
