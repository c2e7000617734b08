//! What each rule of each profile is for: a row a rule.

/// How it is seen that a rule is needed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof {
    /// This script works with the rule, and not without it.
    Works(&'static str),
    /// What this script tries is refused with the rule, and done without it.
    Refuses(&'static str),
    /// It is for other systems, as said here: what it names is not there on Debian, or does nothing there.
    Elsewhere(&'static str),
}
use Proof::{Elsewhere, Refuses, Works};

/// The rules of a file of the standard library.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The file, and the profile of its own name.
    pub(crate) file: &'static str,
    /// What the policy includes beside the profile, as JSON.
    pub(crate) beside: &'static str,
    /// The arguments of the profile, as JSON.
    pub(crate) arguments: &'static str,
    /// What is in the workspace.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Each rule as [`crate::minimal`] names it, and its proof.
    pub(crate) rows: &'static [(&'static str, Proof)],
}

/// Begins a script that makes a system call by its number on x86-64: `call(nr, …)` ends with 1 where it fails.
macro_rules! call {
    ($body:literal) => {
        call!(Refuses, $body)
    };
    ($proof:ident, $body:literal) => {
        $proof(concat!(
            "cat >/tmp/call.py <<'END'\nimport ctypes, os, struct, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n",
            "def call(nr, *a):\n  r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(x) if isinstance(x, int) else x for x in a])\n",
            "  if r < 0: sys.exit(os.strerror(ctypes.get_errno()))\n  return r\n",
            "open('/work/file', 'w').close(); fd = os.open('/work/file', os.O_RDONLY)\n",
            $body,
            "\nEND\npython3 /tmp/call.py"
        ))
    };
}

pub(crate) const BASE: Rules = Rules {
    file: "base",
    beside: "[]",
    arguments: "{}",
    files: &[],
    rows: &[
        ("run /usr", Works("true")),
        ("run /bin", Works("/bin/true")),
        ("run /sbin", Works("/sbin/ldconfig --version")),
        ("run /lib", Works("for it in /lib/*/libc.so.6; do exec \"$it\"; done")),
        ("run /lib32", Elsewhere("libraries of i386 programs, where they are installed")),
        ("run /lib64", Works("true")),
        ("read /etc/ld.so.cache", Works("/usr/sbin/ldconfig -p | grep libc.so.6")),
        ("read /etc/ld.so.conf", Works("/usr/sbin/ldconfig -NXv 2>/dev/null | grep /usr/local/lib")),
        ("read /etc/ld.so.conf.d", Works("/usr/sbin/ldconfig -NXv 2>/dev/null | grep /usr/local/lib")),
        ("read /etc/alternatives", Works("awk '{}' /dev/null")),
        (
            "read /etc/localtime",
            Works(
                "python3 -c \"import zoneinfo; zoneinfo.ZoneInfo.from_file(open('/etc/localtime', 'rb'))\"",
            ),
        ),
        ("read /etc/services", Works("getent services ssh")),
        ("read /etc/protocols", Works("getent protocols udp")),
        (
            "read /etc/mime.types",
            Works("python3 -c \"import mimetypes; assert mimetypes.guess_type('x.ez')[0]\""),
        ),
        ("read /etc/os-release", Works(". /etc/os-release")),
        (
            "read /etc/ssl/certs",
            Works("python3 -c 'import ssl; assert ssl.get_default_verify_paths().capath'"),
        ),
        ("read /etc/ssl/openssl.cnf", Works("grep -q . /usr/lib/ssl/openssl.cnf")),
        ("read /etc/ca-certificates", Elsewhere("the certificates of Arch are there")),
        ("read /etc/pki/tls/certs", Elsewhere("the certificates of Fedora are there")),
        ("read /etc/pki/tls/openssl.cnf", Elsewhere("the settings of OpenSSL on Fedora")),
        ("read /etc/pki/ca-trust/extracted", Elsewhere("the certificates of Fedora are there")),
        ("read /etc/crypto-policies", Elsewhere("OpenSSL on Fedora includes it in its settings")),
        ("device @std", Works("echo x >/dev/null")),
        ("proc /proc/self", Works("test -r /proc/self/status")),
        ("pass LANG", Works("test \"$LANG\" = xx_XX.UTF-8")),
        ("pass LANGUAGE", Works("test \"$LANGUAGE\" = xx")),
        ("pass LC_*", Works("test \"$LC_TIME\" = xx_XX.UTF-8")),
        ("pass TERM", Works("test \"$TERM\" = dumb")),
        ("pass TZ", Works("test \"$(date +%z -d 2026-07-01)\" = +0200")),
        ("allow @basic-io", Works("cat /etc/passwd")),
        ("allow @file-system", Works("true")),
        ("allow @io-event", Works("python3 -c 'import select; select.select([], [], [], 0)'")),
        ("allow @memory", Works("true")),
        ("allow @process", Works("cat /etc/passwd")),
        ("allow @signal", Works("trap 'exit 0' TERM; kill -TERM $$; exit 1")),
        (
            "allow @threads",
            Works("python3 -c 'import threading; t = threading.Thread(target=print); t.start(); t.join()'"),
        ),
        ("allow @time", Works("sleep 0.001")),
        (
            "allow ioctl",
            Works(
                "python3 -c \"import fcntl, termios; fcntl.ioctl(open('/dev/ptmx'), termios.FIONREAD, bytes(4))\"",
            ),
        ),
        // A filter of one instruction that allows everything.
        (
            "allow seccomp",
            call!(
                Works,
                "one = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))\n\
                 call(317, 1, 0, struct.pack('HxxxxxxQ', 1, ctypes.addressof(one)))"
            ),
        ),
        ("allow landlock_create_ruleset", call!(Works, "call(444, 0, 0, 1)")),
        (
            "allow landlock_add_rule",
            call!(
                Works,
                "rules = call(444, struct.pack('Q', 1), 8, 0)\n\
                 call(445, rules, 1, struct.pack('=Qi', 1, os.open('/usr', os.O_PATH)), 0)"
            ),
        ),
        ("allow landlock_restrict_self", call!(Works, "call(446, call(444, struct.pack('Q', 1), 8, 0), 0)")),
        ("errno ENOSYS setrlimit", call!("call(160, 4, struct.pack('2Q', 0, 1))")),
        ("errno ENOSYS prlimit64", call!("call(302, 0, 4, struct.pack('2Q', 0, 1), 0)")),
        ("errno ENOSYS memfd_create", call!("call(319, b'x', 0)")),
        ("errno EPERM chmod", call!("call(90, b'/work/file', 0o4755)")),
        ("errno EPERM fchmod", call!("call(91, fd, 0o2755)")),
        ("errno EPERM fchmodat", call!("call(268, -100, b'/work/file', 0o4755)")),
        ("errno EPERM fchmodat2", call!("call(452, -100, b'/work/file', 0o4755, 0)")),
        ("errno EPERM creat", call!("call(85, b'/work/made', 0o4755)")),
        ("errno EPERM mknod", call!("call(133, b'/work/made', 0o104755, 0)")),
        ("errno EPERM mknodat", call!("call(259, -100, b'/work/made', 0o104755, 0)")),
        ("errno EPERM open", call!("call(2, b'/work/made', os.O_CREAT | os.O_WRONLY, 0o4755)")),
        ("errno EPERM openat", call!("call(257, -100, b'/work/made', os.O_CREAT | os.O_WRONLY, 0o2755)")),
        (
            "errno ENOSYS openat2",
            call!(
                "call(437, -100, b'/work/made', struct.pack('3Q', os.O_CREAT | os.O_WRONLY, 0o4755, 0), 24)"
            ),
        ),
    ],
};

/// `$TOOLS` is the virtual environment that has uv.
pub(crate) const PYTHON: Rules = Rules {
    file: "python",
    beside: "[]",
    arguments: r#"{"version": "3.1"}"#,
    files: &[("module.py", "x = 1\n")],
    rows: &[
        ("include std.base", Works("python3 -c 1")),
        (
            "set UV_PYTHON",
            Refuses("$TOOLS/venv/bin/uv venv --offline --no-cache --no-python-downloads /tmp/made"),
        ),
        ("set PYTHONDONTWRITEBYTECODE", Works("python3 -c 'import module' && ! test -e __pycache__")),
        ("allow @python-runtime", Works("python3 -c 'import asyncio; asyncio.run(asyncio.sleep(0))'")),
    ],
};

/// `$TOOLS` is where npm put nodenv.
pub(crate) const NODE: Rules = Rules {
    file: "node",
    beside: "[]",
    arguments: r#"{"version": "0.1"}"#,
    files: &[],
    rows: &[
        ("include std.base", Works("node -e 1")),
        (
            "set NODENV_VERSION",
            Refuses("NODENV_ROOT=/work $TOOLS/node_modules/.bin/nodenv exec node --version"),
        ),
        ("allow @network-io", Works("node -e \"require('child_process').execFileSync('true')\"")),
    ],
};

pub(crate) const GIT: Rules = Rules {
    file: "git",
    beside: "[]",
    arguments: r#"{"name": "robot", "email": "robot@example.org"}"#,
    files: &[],
    rows: &[
        ("include std.base", Works("git --version")),
        (
            "set GIT_AUTHOR_NAME",
            Works(
                "git init -q . && git commit -q --allow-empty -m x && git log --format=%an | grep -x robot",
            ),
        ),
        (
            "set GIT_AUTHOR_EMAIL",
            Works(
                "git init -q . && git commit -q --allow-empty -m x && git log --format=%ae | grep -x robot@example.org",
            ),
        ),
        (
            "set GIT_COMMITTER_NAME",
            Works(
                "git init -q . && git commit -q --allow-empty -m x && git log --format=%cn | grep -x robot",
            ),
        ),
        (
            "set GIT_COMMITTER_EMAIL",
            Works(
                "git init -q . && git commit -q --allow-empty -m x && git log --format=%ce | grep -x robot@example.org",
            ),
        ),
        ("set GIT_CONFIG_GLOBAL", Works("git config --global alias.v version && git v")),
        (
            "allow @network-io",
            Works(
                "mkdir -m 700 /tmp/c; printf 'protocol=x\\nhost=h\\nusername=u\\npassword=p\\n\\n' >/tmp/in; \
                 git credential-cache --socket /tmp/c/s store </tmp/in; \
                 git credential-cache --socket /tmp/c/s get </tmp/in | grep -x password=p",
            ),
        ),
    ],
};

pub(crate) const GCC: Rules = Rules {
    file: "gcc",
    beside: "[]",
    arguments: "{}",
    files: &[("Makefile", "all: main\n\techo made\n"), ("main.c", "int main(void) { return 0; }\n")],
    rows: &[
        ("include std.base", Works("gcc main.c")),
        ("allow setresuid", Works("make")),
        ("allow setresgid", Works("make")),
    ],
};

pub(crate) const RUST: Rules = Rules {
    file: "rust",
    beside: "[]",
    arguments: r#"{"toolchain": "1.0.0"}"#,
    files: crate::programs::CRATE,
    rows: &[
        ("include std.gcc", Works("RUSTUP_TOOLCHAIN=stable rustc --version")),
        ("run ~/.rustup", Works("RUSTUP_TOOLCHAIN=stable rustc --version")),
        ("run ~/.cargo/bin", Works("RUSTUP_TOOLCHAIN=stable rustc --version")),
        ("pass HOME", Works("test -d \"$HOME/.cargo\"")),
        ("pass PATH", Works("RUSTUP_TOOLCHAIN=stable rustc --version")),
        ("set RUSTUP_TOOLCHAIN", Refuses("test \"$RUSTUP_TOOLCHAIN\" != 1.0.0")),
        ("allow @network-io", Works("RUSTUP_TOOLCHAIN=stable cargo build --offline")),
    ],
};

pub(crate) const CI: Rules = Rules {
    file: "ci",
    beside: "[]",
    arguments: "{}",
    files: GCC.files,
    rows: &[
        ("include std.gcc", Works("make")),
        ("include std.git", Works("git init -q . && git commit -q --allow-empty -m x")),
        ("set CI", Works("test \"$CI\" = true")),
    ],
};

/// Of std.workspace every rule is a deny of writing: what is to be refused follows from the path.
pub(crate) const WORKSPACE: Rules = Rules {
    file: "workspace",
    beside: r#"["std.base"]"#,
    arguments: r#"{"root": "$workspace"}"#,
    files: &[],
    rows: &[],
};
