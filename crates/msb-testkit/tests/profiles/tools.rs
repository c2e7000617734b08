//! Tools that tests install for themselves, through the ordinary clients of their registries.

use msb_testkit::{Need, finish, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// For what is downloaded.
const SECONDS_MAX: u64 = 300;

/// A directory that every user may read, beneath none that a sandbox replaces.
fn directory() -> TempDir {
    let made = tempfile::Builder::new().prefix("msb-tools-").tempdir_in("/var/tmp");
    let made = made.unwrap_or_else(|error| panic!("/var/tmp: {error}"));
    let readable = fs::set_permissions(made.path(), fs::Permissions::from_mode(0o755));
    readable.unwrap_or_else(|error| panic!("{}: {error}", made.path().display()));
    made
}

fn done(command: &mut Command) -> Result<String, String> {
    let ended = finish(command, SECONDS_MAX);
    if ended.code() == 0 { Ok(ended.out()) } else { Err(ended.err()) }
}

/// Whether `name` is a command of this machine, and one that a sandbox shows.
pub(crate) fn has(name: &str) -> bool {
    ["/usr/local/bin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(name).exists())
}

/// Whether all of `names` are; says that the test is skipped where they are not.
pub(crate) fn need(need: Need, names: &[&str]) -> bool {
    let missing = names.iter().find(|name| !has(name));
    if let Some(name) = missing {
        skip(need, &format!("`{name}` is not installed"));
    }
    missing.is_none()
}

/// A virtual environment of the system's Python with `packages` of PyPI.
pub(crate) fn venv(packages: &[&str]) -> Option<TempDir> {
    let made = directory();
    let venv = made.path().join("venv");
    let create = done(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&venv));
    let install = create.and_then(|_| {
        let mut pip = Command::new(venv.join("bin/pip"));
        done(pip.args(["install", "--quiet", "--no-cache-dir", "--only-binary=:all:"]).args(packages))
    });
    match install {
        Ok(_) => Some(made),
        Err(why) => {
            skip(Need::PyPi, &format!("pip cannot install {packages:?}: {why}"));
            None
        }
    }
}

/// nodenv, of npm, without any version of Node.js that is its own.
pub(crate) fn nodenv() -> Option<TempDir> {
    let made = directory();
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
    if let Err(why) = done(npm.arg(made.path()).arg("@nodenv/nodenv")) {
        skip(Need::Npm, &format!("npm cannot install nodenv: {why}"));
        return None;
    }
    Some(made)
}

/// A home with `.rustup` and `.cargo/bin` as rustup lays them out, and the toolchain `stable` that runs this test.
///
/// The toolchain's files are links to those of this machine where they can be.
pub(crate) fn rustup() -> Option<TempDir> {
    let sysroot = done(Command::new("rustc").args(["--print", "sysroot"])).map(|path| path.trim().to_owned());
    let version = done(Command::new("rustc").arg("-vV")).unwrap_or_default();
    let triple = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let rustup = find_rustup();
    let (Ok(sysroot), Some(rustup)) = (sysroot, rustup) else {
        skip(Need::Rustup, "rustup is not installed");
        return None;
    };
    let made = directory();
    let toolchain = made.path().join(format!(".rustup/toolchains/stable-{triple}"));
    let script = r#"set -e
        mkdir -p "$3/.rustup/update-hashes" "$3/.rustup/tmp" "$3/.cargo/bin" "$2/bin" "$2/lib/rustlib"
        printf 'version = "12"\nprofile = "minimal"\n[overrides]\n' >"$3/.rustup/settings.toml"
        cp "$5" "$3/.cargo/bin/rustup"
        for name in cargo rustc; do ln -s rustup "$3/.cargo/bin/$name"; done
        put() { cp -al "$@" 2>/dev/null || cp -a "$@"; }
        put "$1/bin/cargo" "$1/bin/rustc" "$2/bin/"
        put "$1"/lib/*.so* "$2/lib/"
        put "$1/lib/rustlib/$4" "$2/lib/rustlib/""#;
    let mut put = Command::new("sh");
    put.args(["-c", script, "sh", &sysroot]).args([&toolchain, made.path()]).arg(triple).arg(rustup);
    done(&mut put).unwrap_or_else(|why| panic!("a copy of the toolchain: {why}"));
    Some(made)
}

/// The program that `cargo` and `rustc` are where rustup installed them.
fn find_rustup() -> Option<PathBuf> {
    let homes = [std::env::var_os("CARGO_HOME").map(PathBuf::from), home().map(|home| home.join(".cargo"))];
    let inside = homes.into_iter().flatten().map(|home| home.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = inside.chain(std::env::split_paths(&path)).collect();
    all.into_iter().map(|folder| folder.join("rustup")).find(|program| program.is_file())
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}
