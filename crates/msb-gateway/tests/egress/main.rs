//! The gateway with real sockets: programs in a network namespace that is steered as the launcher steers it, servers
//! in another one that stands for the host, and real clients.
//!
//! The test starts itself again in a network and mount namespace of its own, as root or, by a user namespace, as
//! anybody. There it has addresses that look public, an /etc/hosts, and runs each case by itself.
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, clippy::large_stack_arrays, reason = "a test")]

mod cases;
mod frames;
mod handshakes;
mod http;
mod lives;
mod lookups;
mod resolver;
mod sandbox;
mod servers;
mod strict;
mod wire;

use std::process::{Command, ExitCode};

const INSIDE: &str = "MSB_GATEWAY_TEST_INSIDE";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    let filter = words.into_iter().find(|word| !word.starts_with('-'));
    if std::env::var_os(INSIDE).is_some() {
        return inside(filter.as_deref());
    }
    if let Some(missing) = ["ip", "nft", "unshare", "mount"].iter().find(|tool| !has(tool)) {
        println!("skipped, because `{missing}` is not here");
        return ExitCode::SUCCESS;
    }
    let root = nix::unistd::geteuid().is_root();
    let namespaces: &[&str] = if root { &["-n", "-m"] } else { &["-U", "-r", "-n", "-m"] };
    let able = Command::new("unshare").args(namespaces).arg("true").output();
    if !able.is_ok_and(|it| it.status.success()) {
        println!("skipped, because user namespaces are refused here");
        return ExitCode::SUCCESS;
    }
    let again = Command::new("unshare")
        .args(namespaces)
        .arg(std::env::current_exe().unwrap())
        .args(filter)
        .env(INSIDE, "1")
        .status()
        .unwrap();
    if again.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn has(tool: &str) -> bool {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&places).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(tool)).any(|path| path.exists())
}

/// What waits for most of its time, and is run beside the others.
const WAITING: [&str; 3] =
    ["a_hello_that_never_comes_is_refused", "resolvers_may_be_odd", "clients_of_other_languages"];

fn inside(filter: Option<&str>) -> ExitCode {
    let host = sandbox::Host::new();
    let all = [cases::ALL, http::ALL, wire::ALL, frames::ALL, handshakes::ALL, lookups::ALL, lives::ALL];
    let wanted = |(name, _): &&cases::Case| filter.is_none_or(|filter| name.contains(filter));
    let (waiting, others): (Vec<_>, Vec<_>) =
        all.into_iter().flatten().filter(wanted).partition(|(name, _)| WAITING.contains(name));
    let run = |(name, case): &cases::Case| {
        let begun = std::time::Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&host)));
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({} ms)", begun.elapsed().as_millis());
        outcome.is_ok()
    };
    let passed = std::thread::scope(|scope| {
        let threads: Vec<_> = waiting.iter().map(|case| scope.spawn(|| run(case))).collect();
        let failed = others.iter().filter(|case| !run(case)).count();
        threads.into_iter().all(|it| it.join().is_ok_and(|passed| passed)) && failed == 0
    });
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
