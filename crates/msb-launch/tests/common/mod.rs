//! Plans made by hand, and the launcher run on them.

use msb_plan::{
    Arch, Base, Deny, Env, Filter, Identity, Limit, Limits, Links, Listener, Missing, Mount, MountKind,
    Origin, OriginId, Param, ParamKind, Path, Plan, PolicyId, Presence, ProcScope, Rights, Target, Text,
};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The only line of these plans' policy.
pub(crate) const ORIGIN: OriginId = OriginId(0);

/// A path from the root.
pub(crate) const fn root(rest: &str) -> Path<'_> {
    Path { base: Base::Root, rest }
}

/// A path below the first parameter.
pub(crate) const fn workspace(rest: &str) -> Path<'_> {
    Path { base: Base::Param(0), rest }
}

/// A bind mount.
pub(crate) fn bind<'a>(source: Path<'a>, target: Path<'a>, rights: u8) -> Mount<'a> {
    let kind = MountKind::Bind { source, rights: Rights(rights), links: Links::Follow };
    Mount { target, kind, presence: Presence::Optional, origin: ORIGIN }
}

/// A mount that is no bind.
pub(crate) fn mount<'a>(target: &'a str, kind: MountKind<'a>) -> Mount<'a> {
    Mount { target: root(target), kind, presence: Presence::Required, origin: ORIGIN }
}

/// A deny with a placeholder file.
pub(crate) fn deny(path: Path<'_>, rights: Rights) -> Deny<'_> {
    Deny { path, rights, missing: Missing::MaskFile, origin: ORIGIN }
}

/// One instruction that allows everything, and its architecture.
const ALLOW: [u8; 8] = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];

/// A plan with the system's programs, /proc, /dev and a scratch /tmp, and the workspace at /work.
pub(crate) fn plan() -> Plan<'static> {
    let system = ["usr", "bin", "sbin", "lib", "lib64"].map(|name| bind(root(name), root(name), 5));
    let mut mounts = system.to_vec();
    mounts.push(mount("proc", MountKind::Proc(ProcScope::Processes)));
    mounts.push(mount("dev", MountKind::Dev { shm_bytes: 1 << 20 }));
    let rights = Rights::READ.union(Rights::WRITE);
    mounts.push(mount("tmp", MountKind::Scratch { size_bytes: 1 << 20, inodes: 100, rights }));
    mounts.push(bind(workspace(""), root("work"), 3));
    Plan {
        target: Target {
            kernel_min: (5, 12),
            landlock_abi_min: 0,
            tier_min: msb_plan::Tier::Full,
            origin: ORIGIN,
        },
        policy: PolicyId { name: "test", edition: 2026, sha256: [0; 32], origin: ORIGIN },
        params: vec![Param { name: "workspace", kind: ParamKind::Dir, default: None, origin: ORIGIN }],
        identity: Identity {
            uid: 1000,
            gid: 1000,
            hostname: "inside",
            cwd: Some((root("work"), ORIGIN)),
            capabilities: 0,
            keyring: msb_plan::Keyring::New,
            terminal: None,
            write_execute_denied: None,
            mount_table: msb_plan::MountTable::Hidden,
            origin: ORIGIN,
        },
        mounts,
        denies: vec![],
        searches: vec![],
        files: vec![],
        claims: vec![],
        network: msb_plan::network::Network::None,
        limits: Limits { wall_ms: Some(Limit { value: 60_000, origin: ORIGIN }), ..Limits::default() },
        filters: vec![Filter {
            arch: Arch::HOST.expect("tests run where plans run"),
            listener: Listener::None,
            program: &ALLOW,
            kills: &[],
            origin: ORIGIN,
        }],
        env: vec![Env::Set { name: "PATH", value: Text::Literal("/usr/bin:/bin") }],
        command: vec![],
        origins: vec![Origin { file: "test.msb", line: 7, column: 3, text: "the line that asked" }],
    }
}

/// The launcher as it is shipped: `$MSB_LAUNCH`, or built here, since it is not part of the workspace's other
/// builds.
pub(crate) fn launcher() -> &'static std::path::Path {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(given) = std::env::var_os("MSB_LAUNCH") {
            return given.into();
        }
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("..");
        let build = Command::new(env!("CARGO"))
            .args(["--quiet", "launcher"])
            .env("CARGO_TARGET_DIR", &target)
            .status();
        assert!(build.expect("cargo starts").success(), "the launcher builds");
        target.join("launcher/msb-launch").canonicalize().expect("the launcher is there")
    })
}

/// Folders of one test, removed at the end.
pub(crate) struct Stage {
    /// All of it.
    pub(crate) dir: tempfile::TempDir,
    /// Bound to the plan's parameter.
    pub(crate) workspace: PathBuf,
    plan: PathBuf,
}

impl Stage {
    /// A workspace and `plan` beside it.
    pub(crate) fn new(plan: &Plan<'_>) -> Stage {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let workspace = dir.path().join("workspace");
        std::fs::create_dir(&workspace).expect("a workspace");
        let file = dir.path().join("plan.bin");
        std::fs::write(&file, msb_plan::encode(plan).expect("a valid plan")).expect("a plan file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("its mode");
        Stage { dir, workspace, plan: file }
    }

    /// The launcher, ready to run `words`.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.command_with(&[], words)
    }

    /// The same with options of the launcher's.
    pub(crate) fn command_with(&self, options: &[&str], words: &[&str]) -> Command {
        let mut command = Command::new(launcher());
        command.args(options);
        command.arg(&self.plan).arg("--set").arg(format!("workspace={}", self.workspace.display()));
        command.arg("--").args(words);
        command
    }

    /// Runs `script` with a shell inside.
    pub(crate) fn shell(&self, script: &str) -> Output {
        self.command(&["sh", "-c", script]).output().expect("the launcher starts")
    }
}

/// Standard output, with standard error where a test fails.
pub(crate) fn stdout(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{error}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
