//! Prints the table of launch times: `bench-launch DIR BIN ROUNDS [ALIVE]`, see `scripts/bench-launch.sh`.

use msb_benches::{Measured, beside, measure, prepare, side_by_side};
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::{env, io};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    let [_, dir, bin, rounds, rest @ ..] = args.as_slice() else {
        return Err("usage: bench-launch DIR BIN ROUNDS [ALIVE]".into());
    };
    let rounds = rounds.parse::<usize>()?.max(1);
    let alive: usize = rest.first().map_or(Ok(1000), |count| count.parse())?;
    let prepared = prepare(Path::new(dir), Path::new(bin))?;
    let mut out = io::stdout().lock();
    for reason in &prepared.left_out {
        writeln!(out, "left out: {reason}")?;
    }
    let measured = measure(&prepared.cases, rounds)?;
    write!(out, "{}", Measured::table(&measured, "floor"))?;
    for case in
        prepared.cases.iter().filter(|case| case.name == "floor" || case.name.starts_with("msb-launch"))
    {
        let (one, two) = (side_by_side(case, 1, rounds)?, side_by_side(case, 2, rounds)?);
        writeln!(
            out,
            "{}: beside another worker {:.2} times as long",
            case.name,
            two.as_secs_f64() / one.as_secs_f64()
        )?;
    }
    if alive == 0 {
        return Ok(());
    }
    let before = measure(&prepared.cases, rounds / 4 + 1)?;
    let after = beside(&prepared.waiting, alive, || measure(&prepared.cases, rounds / 4 + 1))?;
    for (before, after) in before.iter().zip(&after) {
        let ratio = after.percentile(50).as_secs_f64() / before.percentile(50).as_secs_f64();
        writeln!(out, "{}: beside {alive} sandboxes that sleep {ratio:.2} times as long", before.name)?;
    }
    Ok(())
}
