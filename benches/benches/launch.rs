//! Launch-to-exit times for criterion, which compares them with the last run; the ratios in one run come from
//! `scripts/bench-launch.sh`. Needs `scripts/build.sh` first.

use criterion::{Criterion, criterion_group, criterion_main};
use msb_benches::{prepare, run_once};
use std::env;
use std::path::PathBuf;
use std::time::Duration;

fn launch(criterion: &mut Criterion) {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")), PathBuf::from);
    let prepared =
        prepare(&target.join("bench-launch"), &target.join("dist")).expect("scripts/build.sh was run");
    let mut group = criterion.benchmark_group("launch");
    for case in &prepared.cases {
        group.bench_function(case.name, |bencher| {
            bencher
                .iter_custom(|times| (0..times).map(|_| run_once(case).expect(case.name)).sum::<Duration>());
        });
    }
    group.finish();
}

criterion_group!(benches, launch);
criterion_main!(benches);
