//! What checking and compiling costs: each example as a whole process, and how the cost grows with the number of
//! rules. The growth is also a test, `ten_times_the_rules_take_ten_times_as_long` of msb-compile.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use msb_compile::{Files, Options, ReadError, check};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Memory(String);

impl Files for Memory {
    fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.as_bytes().to_vec())
    }
}

/// `msbc compile` from start to exit, for each example that gives a plan. `MSB_BIN_DIR` says where msbc is.
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
    let mut group = criterion.benchmark_group("msbc compile, whole process");
    let mut policies: Vec<PathBuf> =
        std::fs::read_dir(examples).expect("examples").filter_map(|entry| Some(entry.ok()?.path())).collect();
    policies.sort();
    for policy in policies.iter().filter(|path| path.extension().is_some_and(|end| end == "msb")) {
        if compile(policy) {
            let name =
                policy.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            group.bench_function(name, |bencher| bencher.iter(|| compile(policy)));
        }
    }
    group.finish();
    let _ = std::fs::remove_file(plan);
}

#[allow(clippy::print_stderr, reason = "a bench has nobody else to tell")]
fn eprintln_once(what: &str) {
    eprintln!("{what}");
}

/// A check of so many rules of `fs`.
fn growth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check, rules of fs");
    for count in [1000_u64, 10_000] {
        let rules: String = (0..count).map(|i| format!("    read /data/d{i}/x\n")).collect();
        let text =
            format!("edition 2026\npolicy p {{\n  include std.base\n  net none\n  fs {{\n{rules}  }}\n}}\n");
        let files = Memory(text);
        group.throughput(Throughput::Elements(count)).sample_size(20);
        group.bench_with_input(BenchmarkId::from_parameter(count), &files, |bencher, files| {
            bencher.iter(|| check(files, "it.msb", &Options::default()));
        });
    }
    group.finish();
}

criterion_group!(benches, processes, growth);
criterion_main!(benches);
