//! Developer commands: what a tool can check about this repository, a tool checks.

mod layers;

use std::io::Write as _;
use std::process::ExitCode;
use std::{env, io};

const USAGE: &str = "usage: cargo run -p xtask -- layers";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let wrong = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["layers"] => layers::check(),
        _ => Ok(vec![USAGE.to_owned()]),
    };
    let wrong = wrong.unwrap_or_else(|e| vec![e.to_string()]);
    for line in &wrong {
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(io::stderr(), "{line}");
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
