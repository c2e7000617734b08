//! Programs that are installed for these tests, once, into one directory that later runs find again.

use msb_testkit::{Need, World, finish, has, probes_dir, skip};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// For what is downloaded or compiled.
const SECONDS_MAX: u64 = 300;
/// Beneath no directory that a sandbox replaces. A name for each user, and for each change of what is put there.
const PLACE: &str = "/var/tmp/msb-test-clients-2";
const PACKAGES: [&str; 8] =
    ["requests", "httpx[http2]", "aiohttp", "grpcio", "websockets", "openai", "anthropic", "uv"];

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What `make` puts into a directory of this name; `None`, with the skip counted, where it can't.
fn kept(name: &str, need: Need, make: impl Fn(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let uid = nix::unistd::geteuid().as_raw();
    let place = PathBuf::from(format!("{PLACE}-{uid}-{name}"));
    // One that somebody else made is not to be run.
    if fs::symlink_metadata(&place).is_ok_and(|found| found.is_dir() && found.uid() == uid) {
        return Some(place);
    }
    let made = tempfile::Builder::new().prefix("msb-clients-").tempdir_in("/var/tmp").expect("a directory");
    fs::set_permissions(made.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    if let Err(why) = make(made.path()) {
        skip(need, &why);
        return None;
    }
    let made = made.keep();
    if let Err(error) = fs::rename(&made, &place) {
        // Another test was faster, or somebody else has the name.
        fs::remove_dir_all(&made).expect("removed");
        skip(need, &format!("{}: {error}", place.display()));
        return None;
    }
    Some(place)
}

fn done(command: &mut Command) -> Result<(), String> {
    let ended = finish(command, SECONDS_MAX);
    if ended.code() == 0 { Ok(()) } else { Err(format!("{command:?}: {}{}", ended.out(), ended.err())) }
}

fn source(name: &str) -> PathBuf {
    probes_dir().join("egress/programs").join(name)
}

/// Python with clients of HTTP, gRPC, WebSockets and models: a virtual environment, `bin/python` in it.
pub(crate) fn python() -> Option<PathBuf> {
    kept("python", Need::PyPi, |to| {
        done(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(to))?;
        let mut pip = Command::new(to.join("bin/python"));
        done(pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"]).args(PACKAGES))
    })
}

/// `Fetch.class`.
pub(crate) fn java() -> Option<PathBuf> {
    if !has("java") || !has("javac") {
        skip(Need::Java, "java or javac is missing");
        return None;
    }
    kept("java", Need::Java, |to| done(Command::new("javac").arg("-d").arg(to).arg(source("Fetch.java"))))
}

/// `fetch`, of Go.
pub(crate) fn go() -> Option<PathBuf> {
    if !has("go") {
        skip(Need::Go, "go is missing");
        return None;
    }
    kept("go", Need::Go, |to| {
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(to.join("fetch")).arg(source("fetch.go"));
        done(go.env("GOCACHE", to.join("cache")).env("GOFLAGS", "-mod=mod").env("CGO_ENABLED", "0"))?;
        fs::remove_dir_all(to.join("cache")).map_err(|error| error.to_string())
    })
}

/// The scripts, which a sandbox sees in its workspace.
pub(crate) fn with_scripts(world: World) -> World {
    for name in ["clients.py", "fetch.mjs"] {
        world.workspace.copy(&source(name), &format!("work/{name}"));
    }
    world.workspace.copy(&probes_dir().join("egress/calls.py"), "work/calls.py");
    world.workspace.own();
    world
}
