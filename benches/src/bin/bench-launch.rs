//! Prints the table of launch times: `bench-launch DIR BIN ROUNDS`, see `scripts/bench-launch.sh`.

use msb_benches::{Measured, measure, prepare};
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::{env, io};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    let [_, dir, bin, rounds] = args.as_slice() else {
        return Err("usage: bench-launch DIR BIN ROUNDS".into());
    };
    let prepared = prepare(Path::new(dir), Path::new(bin))?;
    let mut out = io::stdout().lock();
    for reason in &prepared.left_out {
        writeln!(out, "left out: {reason}")?;
    }
    let measured = measure(&prepared.cases, rounds.parse::<usize>()?.max(1))?;
    write!(out, "{}", Measured::table(&measured, "floor"))?;
    Ok(())
}
