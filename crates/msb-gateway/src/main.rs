//! `msb-gateway`: started by the launcher, not by people. See [`msb_gateway`].

use msb_gateway::run::{Options, run};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let ended = Options::parse(std::env::args().skip(1)).and_then(|options| run(&options));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            if !why.is_empty() {
                // Whoever closed standard error does not want to know.
                let _ = writeln!(std::io::stderr(), "msb-gateway: {why}");
            }
            ExitCode::FAILURE
        }
    }
}
