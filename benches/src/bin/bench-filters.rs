//! Prints what filters cost: `bench-filters DIR ROUNDS`, see `scripts/bench-filters.sh`.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::{env, io};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    let [_, dir, rounds] = args.as_slice() else {
        return Err("usage: bench-filters DIR ROUNDS".into());
    };
    let dir = Path::new(dir);
    std::fs::create_dir_all(dir)?;
    let table = msb_benches::filters(dir, rounds.parse::<usize>()?.max(1))?;
    write!(io::stdout().lock(), "{table}")?;
    Ok(())
}
