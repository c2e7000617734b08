//! What it costs to make a filter, and to prove it, for criterion, which compares them with the last run. What
//! filters cost when they run comes from `scripts/bench-filters.sh`.

use criterion::{Criterion, criterion_group, criterion_main};
use msb_benches::policy;
use msb_seccomp::{Options, compile, prove};

fn filters(criterion: &mut Criterion) {
    let policy = policy();
    let program = compile(&policy, Options::default()).expect("it is short, and right").instructions;
    let mut group = criterion.benchmark_group("filters");
    group.bench_function("compile and prove", |bencher| {
        bencher.iter(|| compile(&policy, Options::default()));
    });
    group.bench_function("prove", |bencher| bencher.iter(|| prove(&policy, Options::default(), &program)));
    group.finish();
}

criterion_group!(benches, filters);
criterion_main!(benches);
