//! Tests that can't run on this machine say so, in one form that can be counted.

use std::fmt;

/// What a test can lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be root.
    Root,
    /// A user besides root, to become or to be.
    OrdinaryUser,
    /// `/usr/bin/python3`.
    Python,
    /// Two CPUs.
    TwoCpus,
    /// An unconfined user namespace for ordinary users.
    UserNamespaces,
    /// cgroup v1 hierarchies of memory, pids and cpu.
    CgroupV1,
    /// A C compiler, and the headers of the kernel and of libc.
    Compiler,
    /// A C compiler, and libseccomp with its header.
    Libseccomp,
    /// An x86-64 processor.
    X86,
    /// `nft`, of nftables.
    Nft,
    /// `curl`, `wget`, `dig`, `openssl` and `ip`.
    Clients,
    /// `nvim`, an editor with a client of the language server protocol.
    Neovim,
    /// git.
    Git,
    /// make.
    Make,
    /// Node.js and npm.
    Node,
    /// rustup.
    Rustup,
    /// Packages of PyPI, and venv.
    PyPi,
    /// Packages of npm.
    Npm,
    /// `java` and `javac`.
    Java,
    /// `go`.
    Go,
    /// `zsh` and `fish`.
    Shells,
    /// `sshd` and `ssh`.
    Ssh,
    /// strace.
    Strace,
    /// Linux 6.3.
    Linux63,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Need::Root => "root",
            Need::OrdinaryUser => "user",
            Need::Python => "python3",
            Need::TwoCpus => "two-cpus",
            Need::UserNamespaces => "userns",
            Need::CgroupV1 => "cgroup-v1",
            Need::Compiler => "cc",
            Need::Libseccomp => "libseccomp",
            Need::X86 => "x86-64",
            Need::Nft => "nft",
            Need::Clients => "clients",
            Need::Neovim => "nvim",
            Need::Git => "git",
            Need::Make => "make",
            Need::Node => "node",
            Need::Rustup => "rustup",
            Need::PyPi => "pypi",
            Need::Npm => "npm",
            Need::Java => "java",
            Need::Go => "go",
            Need::Shells => "shells",
            Need::Ssh => "sshd",
            Need::Strace => "strace",
            Need::Linux63 => "linux-6.3",
        })
    }
}

/// Says that the rest of the test is not run because `need` is missing; the caller returns.
///
/// The line begins with `skipped, because`, so that the log of a run can be counted. The variable
/// `MSB_FORBID_SKIP` names, separated by commas, what the machine is known to have.
///
/// # Panics
/// When `MSB_FORBID_SKIP` names `need`: then the skip is a failure.
#[expect(clippy::print_stderr, reason = "the line is for the log of the test run")]
pub fn skip(need: Need, reason: &str) {
    let forbidden = std::env::var("MSB_FORBID_SKIP").unwrap_or_default();
    let name = need.to_string();
    assert!(
        forbidden.split(',').all(|word| word.trim() != name),
        "skipped, because {reason}; MSB_FORBID_SKIP says that this machine has `{name}`"
    );
    eprintln!("skipped, because {reason}");
}
