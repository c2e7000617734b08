//! Programs at work under each profile, as root and as an ordinary user.

use crate::confined::{Confined, Trial};
use crate::tools;
use msb_testkit::{Need, accounts};
use serde_json::{Value, json};
use std::path::Path;

fn under<'a>(include: Value, tools: Option<&'a Path>) -> Trial<'a> {
    Trial { include, tools, ..Trial::default() }
}

#[test]
fn python() {
    let script = "
import asyncio, json, multiprocessing, sqlite3, ssl, subprocess, tempfile, threading
from multiprocessing import shared_memory
def double(x): return 2 * x
async def main():
    server = await asyncio.start_unix_server(lambda r, w: w.close(), '/tmp/socket')
    server.close()
    child = await asyncio.create_subprocess_exec('cat', stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert (await child.communicate(b'through'))[0] == b'through'
if __name__ == '__main__':
    asyncio.run(main())
    for method in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(method).Pool(2) as pool: assert pool.map(double, [1, 2]) == [2, 4]
    with multiprocessing.Manager() as manager: manager.dict()['key'] = 1
    shared = shared_memory.SharedMemory(create=True, size=4096); shared.buf[0] = 1; shared.close(); shared.unlink()
    thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
    with tempfile.NamedTemporaryFile() as file: file.write(b'x')
    data = sqlite3.connect('/work/data.db')
    assert data.execute('pragma journal_mode = wal').fetchone() == ('wal',)
    data.execute('create table t (x)')
    ssl.create_default_context()
    import module
";
    for account in accounts() {
        let files = [("main.py", script), ("module.py", "x = 1\n")];
        Confined::new(account).works(&under(json!(["std.python"]), None), &files, "python3 main.py");
    }
}

#[test]
fn python_with_numpy_from_a_virtual_environment() {
    let Some(made) = tools::venv(&["numpy"]) else { return };
    let script = "
import numpy
a = numpy.arange(250000.0).reshape(500, 500)
assert (a @ numpy.eye(500) == a).all()
numpy.save('a.npy', a); assert (numpy.load('a.npy', mmap_mode='r') == a).all()
numpy.linalg.svd(a[:50, :50])
";
    for account in accounts() {
        let python = made.path().join("venv/bin/python").display().to_string();
        let trial = under(json!(["std.python"]), Some(made.path()));
        Confined::new(account).works(&trial, &[("main.py", script)], &format!("{python} main.py"));
    }
}

const NODE: &str = "
const { Worker, isMainThread, parentPort } = require('worker_threads');
const fs = require('fs'), child = require('child_process'), net = require('net'), crypto = require('crypto');
if (!isMainThread) { parentPort.postMessage(crypto.randomBytes(8).length); return; }
if (process.argv[2] === 'child') { process.send('sent'); return; }
fs.mkdirSync('made/deep', { recursive: true }); fs.writeFileSync('made/deep/file', 'text');
fs.watch('made').close();
const out = child.execFileSync('cat', ['made/deep/file']).toString();
const server = net.createServer(socket => socket.end('through')).listen('/tmp/socket', () => {
  net.connect('/tmp/socket').on('data', data => { server.close();
    new Worker(__filename).on('message', size => {
      child.fork(__filename, ['child']).on('message', said => console.log(out, data.toString(), size, said)); }); });
});
";

#[test]
fn node() {
    if !tools::need(Need::Node, &["node"]) {
        return;
    }
    let package = r#"{"name": "pack", "version": "1.0.0", "scripts": {"say": "node say.js"}}"#;
    let files = [("main.js", NODE), ("package.json", package), ("say.js", "console.log('said')")];
    for account in accounts() {
        let mut confined = Confined::new(account);
        let trial = under(json!(["std.node"]), None);
        let script = "test \"$(node main.js)\" = 'text through 8 sent'";
        confined.works(&trial, &files, script);
        if tools::has("npm") {
            // It keeps a log and a cache at home.
            let script = "export HOME=/work; npm run --silent say | grep said && npm pack --silent";
            confined.works(&trial, &files, script);
        }
    }
}

#[test]
fn git() {
    if !tools::need(Need::Git, &["git"]) {
        return;
    }
    let script = "set -e
git init --quiet first && cd first
echo one >file && git add file && git commit --quiet -m one
git branch other && echo two >>file && git commit --quiet -am two
git checkout --quiet other && echo three >new && git add new && git commit --quiet -m three
git merge --quiet master -m merge 2>/dev/null || git merge --quiet main -m merge
git gc --quiet
git clone --quiet . ../second && git clone --quiet --no-local . ../third && cd ../second
echo four >>file && git commit --quiet -am four && git push --quiet origin HEAD:refs/heads/pushed
git -C ../first log pushed --format='%an %ae %cn %ce' | sort -u | grep -x 'robot robot@example.org robot robot@example.org'
git worktree add --quiet ../tree && git stash list && git -C ../tree status --short && git archive HEAD | tar t
";
    let include = json!([{"std.git": {"name": "robot", "email": "robot@example.org"}}]);
    for account in accounts() {
        Confined::new(account).works(&under(include.clone(), None), &[], script);
    }
}

#[test]
fn git_reads_in_a_workspace_and_commits_in_a_checkout() {
    if !tools::need(Need::Git, &["git"]) {
        return;
    }
    let files = [
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/objects/x", ""),
        (".git/refs/x", ""),
        ("file", "one"),
    ];
    let config = (".git/config", "[core]\n\trepositoryformatversion = 0\n");
    let files = [&files[..], &[config]].concat();
    let include = |profile: &str| json!(["std.git", {profile: {"root": "$workspace"}}]);
    for account in accounts() {
        let mut confined = Confined::new(account);
        let reads = "git status --short | grep file && ! git add file 2>/dev/null";
        confined.works(&under(include("std.workspace"), None), &files, reads);
        let commits = "git add file && git commit --quiet -m one && ! git config a.b c 2>/dev/null \
                       && ! echo x 2>/dev/null >.git/hooks/pre-commit && ! mv .git moved 2>/dev/null";
        confined.works(&under(include("std.workspace.checkout"), None), &files, commits);
    }
}

const MAKEFILE: &str = "all: program library.a
\t./program | grep compiled
program: main.c library.a
\t$(CC) -O2 -g -flto -o $@ main.c library.a -pthread -lm
library.a: library.o
\t$(AR) rcs $@ library.o
install:
\tinstall -m 755 program /tmp/program && /tmp/program
";
const MAIN: &str = "#include <math.h>
#include <pthread.h>
#include <stdio.h>
int library(void);
static void *run(void *x) { return x; }
int main(void) {
  pthread_t thread; pthread_create(&thread, 0, run, 0); pthread_join(thread, 0);
  printf(\"compiled %d %.1f\\n\", library(), sqrt(4.0)); return 0;
}
";

#[test]
fn gcc() {
    if !tools::need(Need::Compiler, &["gcc"]) || !tools::need(Need::Make, &["make"]) {
        return;
    }
    let files =
        [("Makefile", MAKEFILE), ("main.c", MAIN), ("library.c", "int library(void) { return 7; }\n")];
    for account in accounts() {
        let trial = under(json!(["std.gcc"]), None);
        Confined::new(account).works(&trial, &files, "make -j2 && ./program && gcc -E main.c >/dev/null");
    }
}

pub(crate) const CRATE: &[(&str, &str)] = &[
    ("Cargo.toml", "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
    (
        "src/main.rs",
        "fn main() { println!(\"built\"); }\n#[test]\nfn it() { std::thread::spawn(|| ()).join().unwrap() }\n",
    ),
    ("build.rs", "fn main() { println!(\"cargo:rustc-cfg=built\"); }\n"),
];

#[test]
fn rust() {
    if !tools::need(Need::Compiler, &["gcc"]) {
        return;
    }
    for account in accounts() {
        let Some(home) = tools::rustup() else { return };
        let mut confined = Confined::with_rustup(account, home.path());
        let script =
            "cargo build --offline && cargo run --quiet --offline | grep built && cargo test --offline";
        confined.works(&under(json!(["std.rust"]), None), CRATE, script);
        // What is chosen and not installed is not replaced by another.
        let other = under(json!([{"std.rust": {"toolchain": "1.0.0"}}]), None);
        assert_ne!(confined.run(&other, CRATE, "cargo --version").code(), 0);
    }
}

#[test]
fn ci() {
    let all = tools::need(Need::Compiler, &["gcc"])
        && tools::need(Need::Make, &["make"])
        && tools::need(Need::Git, &["git"]);
    if !all {
        return;
    }
    let makefile = "check: program
\ttest \"$$CI\" = true && test -z \"$$SECRET_TOKEN\"
\t./program | grep -x \"$(VERSION)\"
program: program.c
\t$(CC) -DVERSION='\"$(VERSION)\"' -o $@ $<
";
    let program = "#include <stdio.h>\nint main(void) { return puts(VERSION) < 0; }\n";
    let script = "set -e
git init --quiet source && mv Makefile program.c source && cd source
git add . && git commit --quiet -m first && git tag v1
git clone --quiet . ../build && cd ../build
make VERSION=\"$(git describe --tags)\"
tar czf ../out.tar.gz program && tar tzf ../out.tar.gz
";
    for account in accounts() {
        let files = [("Makefile", makefile), ("program.c", program)];
        Confined::new(account).works(&under(json!(["std.ci"]), None), &files, script);
    }
}
