//! Where the built compiler, launcher and gateway are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The built programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The compiler.
    pub msbc: PathBuf,
    /// The launcher.
    pub launch: PathBuf,
    /// The gateway.
    pub gateway: PathBuf,
}

/// The programs in `$MSB_BIN_DIR`; without it, those that cargo builds beside this test.
///
/// # Panics
/// When there are none and they can't be built: a test of the sandbox without a sandbox is no test.
#[must_use]
pub fn binaries() -> &'static Binaries {
    static FOUND: OnceLock<Binaries> = OnceLock::new();
    FOUND.get_or_init(|| match std::env::var_os("MSB_BIN_DIR") {
        Some(directory) => in_directory(Path::new(&directory)),
        None => build(),
    })
}

fn in_directory(directory: &Path) -> Binaries {
    found(Binaries {
        msbc: directory.join("msbc"),
        launch: directory.join("msb-launch"),
        gateway: directory.join("msb-gateway"),
    })
}

fn found(binaries: Binaries) -> Binaries {
    for path in [&binaries.msbc, &binaries.launch, &binaries.gateway] {
        assert!(path.is_file(), "{} is not there: build it, or set MSB_BIN_DIR", path.display());
    }
    binaries
}

/// Builds them into the target directory that this test was built in.
fn build() -> Binaries {
    let test =
        std::env::current_exe().unwrap_or_else(|error| panic!("the test does not know its path: {error}"));
    // TARGET/PROFILE/deps/test-0123456789abcdef
    let profile = test.ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default();
    let target = profile.parent().map(Path::to_path_buf).unwrap_or_default();
    let release: &[&str] = if profile.ends_with("release") { &["--release"] } else { &[] };
    cargo(&target, &[&["build", "-p", "msbc"], release].concat());
    cargo(&target, &[&["build", "-p", "msb-gateway"], release].concat());
    cargo(&target, &["launcher"]);
    found(Binaries {
        msbc: profile.join("msbc"),
        launch: target.join("launcher/msb-launch"),
        gateway: profile.join("msb-gateway"),
    })
}

fn cargo(target: &Path, arguments: &[&str]) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("--quiet").args(arguments).env("CARGO_TARGET_DIR", target);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
