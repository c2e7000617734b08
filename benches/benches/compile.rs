//! What checking and compiling costs: each example as a whole process, and how the cost grows with the number of
//! rules of each kind: ten times the rules take some ten times as long.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use msb_compile::{Files, Options, ReadError, check};
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Memory(String);

impl Files for Memory {
    fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.as_bytes().to_vec())
    }
}

/// `msbc check` from start to exit of each example, and `msbc compile` of those that give a plan. `MSB_BIN_DIR` says where
/// msbc is.
fn processes(criterion: &mut Criterion) {
    let Some(bin_dir) = env::var_os("MSB_BIN_DIR") else {
        return eprintln_once("whole processes are left out: MSB_BIN_DIR does not say where msbc is");
    };
    let msbc = PathBuf::from(bin_dir).join("msbc");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy-lang/examples");
    let plan = env::temp_dir().join(format!("msb-bench-{}.bin", std::process::id()));
    let compile = |policy: &Path| {
        let mut command = Command::new(&msbc);
        command.arg("compile").arg(policy).arg("-o").arg(&plan);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let check = |policy: &Path| {
        let mut command = Command::new(&msbc);
        command.arg("check").arg(policy);
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    };
    let mut group = criterion.benchmark_group("msbc, whole process");
    let mut policies: Vec<PathBuf> =
        std::fs::read_dir(examples).expect("examples").filter_map(|entry| Some(entry.ok()?.path())).collect();
    policies.sort();
    for policy in policies.iter().filter(|path| path.extension().is_some_and(|end| end == "msb")) {
        let name = policy.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        group.bench_function(format!("check {name}"), |bencher| bencher.iter(|| check(policy)));
        if compile(policy) {
            group.bench_function(format!("compile {name}"), |bencher| bencher.iter(|| compile(policy)));
        }
    }
    group.finish();
    let _ = std::fs::remove_file(plan);
}

#[allow(clippy::print_stderr, reason = "a bench has nobody else to tell")]
fn eprintln_once(what: &str) {
    eprintln!("{what}");
}

/// A policy of about `count` rules of a kind, none of which is there twice: behind `extends `, of a policy and of the one that
/// it narrows; behind `assert `, with a claim for each.
fn policy(kind: &str, count: usize) -> String {
    let mut text = String::from("edition 2026\n");
    if let Some(kind) = kind.strip_prefix("extends ") {
        let parent = policy(kind, count).replace("policy p(", "policy parent(");
        let child = policy(kind, count).replace("edition 2026\n", "");
        return parent + &child.replace("policy p(w: dir)", "policy p(w: dir) extends parent");
    }
    if let Some(kind) = kind.strip_prefix("assert ") {
        let claims: Vec<String> = (0..count).filter_map(|i| claim(kind, i)).collect();
        let end = format!("  assert {{\n    {}\n  }}\n}}\n", claims.join("\n    "));
        let policy = policy(kind, count);
        return policy.strip_suffix("}\n").unwrap_or(&policy).to_owned() + &end;
    }
    let mut rules = String::new();
    for i in 0..count {
        let rule = match (kind, i % 4) {
            ("fs", 0) => format!("read /data/d{i}/x"),
            ("fs", 1) => format!("deny $w/d{i}/.git"),
            ("fs", 2) => format!("write $w/s{i} at /o/s{i}"),
            ("fs", _) => format!("deny write /data/d{i}"),
            ("env", 0 | 2) => format!("set S{i} = \"x{i}\""),
            ("env", _) => format!("pass V{i}"),
            ("syscalls", 0) => format!("errno EACCES ioctl where cmd == {}", i + 70_000),
            ("syscalls", 1) => {
                format!("errno EACCES prctl where option in {}..{}", 2 * i + 1000, 2 * i + 1001)
            }
            ("syscalls", _) => format!("allow read, write, fsync where fd == {i}"),
            ("net", 0) => format!("deny tcp 10.{}.{}.{}:22", i >> 16, i >> 8 & 255, i & 255),
            ("net", _) => format!("allow https \"h{i}.example.org\":443"),
            _ => String::new(),
        };
        let _ = writeln!(rules, "    {rule}");
    }
    if kind == "groups" {
        for i in 0..count {
            let _ = writeln!(text, "group @g{i} = @basic-io - openat + @signal");
        }
        let names: Vec<String> = (0..count).map(|i| format!("@g{i}")).collect();
        rules = format!("allow {}", names.join(", "));
    }
    let section = if kind == "groups" { "syscalls" } else { kind };
    let net = if kind == "net" { "" } else { "net none" };
    let limits = "limits { memory 1GiB  pids 9  wall 1min }";
    let _ = write!(
        text,
        "policy p(w: dir) {{\n  include std.base\n  {net}\n  {limits}\n  {section} {{\n{rules}  }}\n}}\n"
    );
    text
}

/// What rule `i` of a kind says, as a claim.
fn claim(kind: &str, i: usize) -> Option<String> {
    Some(match (kind, i % 4) {
        ("syscalls", 0) => format!("deny syscall ioctl(cmd: {})", i + 70_000),
        ("syscalls", 1) => format!("deny syscall prctl(option: {})", 2 * i + 1000),
        ("syscalls", _) => format!("allow syscall read(fd: {i})"),
        ("net", 0) => format!("deny connect tcp 10.{}.{}.{}:22", i >> 16, i >> 8 & 255, i & 255),
        ("net", _) => format!("allow connect https \"h{i}.example.org\":443"),
        _ => return None,
    })
}

/// A check of so many rules of each kind. A plan holds fewer of some (MSB0009): they are read and checked all the same.
fn growth(criterion: &mut Criterion) {
    let kinds = ["fs", "env", "syscalls", "net", "groups"];
    let compared = ["extends net", "extends syscalls", "assert net", "assert syscalls"];
    for kind in kinds.into_iter().chain(compared) {
        let mut group = criterion.benchmark_group(format!("check, rules of {kind}"));
        for count in [1000_usize, 10_000] {
            let files = Memory(policy(kind, count));
            group.throughput(Throughput::Elements(count as u64)).sample_size(10);
            group.bench_with_input(BenchmarkId::from_parameter(count), &files, |bencher, files| {
                bencher.iter(|| check(files, "it.msb", &Options::default()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, processes, growth);
criterion_main!(benches);
