//! File systems that take `.ENV` for `.env`: a deny holds for every spelling, or the launch is refused.

use msb_testkit::{Account, Need, Workspace, accounts, finish, has, skip};
use std::process::Command;

const POLICY: &str = "edition 2026
policy spelled(workspace: dir) {
  include std.base
  fs { read $workspace at /work  deny read $workspace/.env }
  exec { cwd /work }
}
";

/// A file system of one folder with `.env` and `plain`, which says by itself which names are the same: every spelling has
/// a number of its own, as libfuse, sshfs and the servers of other systems give them.
const SERVER: &str = r#"
import os, select, struct, sys
fd, folds, parent = int(sys.argv[1]), sys.argv[2] == "folds", os.getppid()
names, files = [""], {".env": b"secret\n", "plain": b"works\n"}
def known(name):
    return next((it for it in files if it == name or folds and it == name.lower()), None)
def attributes(node):
    size = len(files[known(names[node - 1])]) if node > 1 else 0
    return struct.pack("<6Q10I", node, size, 0, *[0] * 6, 0o40755 if node == 1 else 0o100644, 1, *[int(sys.argv[3])] * 2, 0, 4096, 0)
def answer(code, node, body):
    if code == 26: return struct.pack("<4I2H2I2H8I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, *[0] * 8)
    if code == 1:
        name = body.rstrip(b"\0").decode()
        if not known(name): return -2
        if name not in names: names.append(name)
        node = names.index(name) + 1
        return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + attributes(node)
    if code == 3: return struct.pack("<Q2I", 0, 0, 0) + attributes(node)
    if code in (14, 27): return struct.pack("<Q2I", 0, 0, 0)
    if code == 15: return files[known(names[node - 1])][struct.unpack_from("<Q", body, 8)[0]:]
    if code == 17: return struct.pack("<5Q10I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0, *[0] * 6)
    return b"" if code in (18, 25, 29) else -38
while os.getppid() == parent:
    if not select.select([fd], [], [], 0.1)[0]: continue
    try: request = os.read(fd, 1 << 16)
    except OSError: break
    _, code, unique, node = struct.unpack_from("<2I2Q", request)
    if code in (2, 36, 42): continue
    said = answer(code, node, request[40:])
    error, said = (said, b"") if isinstance(said, int) else (0, said)
    os.write(fd, struct.pack("<IiQ", 16 + len(said), error, unique) + said)
"#;

#[test]
fn names_that_another_process_compares() {
    if Account::root().is_none() {
        return;
    }
    if !has("python3") || !std::path::Path::new("/dev/fuse").exists() {
        return skip(Need::Python, "python3 or /dev/fuse is missing: it answers as a file system");
    }
    for account in accounts() {
        for folds in [true, false] {
            let workspace = Workspace::new(account);
            let plan = workspace.compile(POLICY);
            workspace.write("server.py", SERVER.as_bytes());
            std::fs::create_dir(workspace.base().join("place")).expect("a directory");
            let kind = if folds { "folds" } else { "compares" };
            // The server ends with its parent, which becomes the launcher.
            let script = format!(
                "set -e; cd \"$1\"; shift; exec 3<>/dev/fuse
                mount -i -t fuse -o fd=3,rootmode=40755,user_id=0,group_id=0,allow_other none place
                python3 server.py 3 {kind} {} & exec 3<&-; exec \"$@\"",
                account.uid
            );
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", &script, "sh"]).arg(workspace.base());
            if !account.is_root() {
                command.args(["setpriv", "--clear-groups"]);
                command.arg(format!("--reuid={}", account.uid)).arg(format!("--regid={}", account.gid));
            }
            command.arg(workspace.bin().join("msb-launch")).arg(plan).arg("--set");
            command.arg(format!("workspace={}", workspace.base().join("place").display()));
            command.args(["--", "sh", "-c", "cat plain; cat .env .ENV .Env"]);
            let ended = finish(&mut command, 60);
            let what = format!("{account:?} {kind}: {} {}", ended.code(), ended.err());
            assert!(!ended.out().contains("secret"), "{what}");
            let is_refused = ended.err().contains("look up the denied path") && ended.code() == 125;
            assert_eq!(is_refused, folds, "{what}");
            // Root's launches need id-mapped mounts, which this file system has not.
            assert!(ended.out() == "works\n" || folds || account.is_root(), "{what}");
        }
    }
}
