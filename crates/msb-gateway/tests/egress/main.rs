//! The gateway with real sockets: programs in a network namespace that is steered as the launcher steers it, servers
//! in another one that stands for the host, and real clients.
//!
//! The test starts itself again in a network and mount namespace of its own, as root or, by a user namespace, as
//! anybody. There it has addresses that look public, an /etc/hosts, a resolver, and runs each case by itself.
//!
//! What a gateway must pass, and where it is tried. `N` is `nothing_gets_around_the_rules` of
//! `crates/msb-testkit/tests/egress.rs`, with the rules of nf_tables and the launcher's filter; `B` is the battery of
//! `crates/msb-testkit/probes/battery`; the others are cases here, or tests beside what they test.
//!
//! | case | tried by |
//! | --- | --- |
//! | denied address and port: blocking, non-blocking, again after `AF_UNSPEC` | N (`denied_*`, `nonblocking`, `reconnect_after_unspec`), `bytes_reach_an_allowed_address_and_no_other` |
//! | `MSG_FASTOPEN`, `TCP_FASTOPEN_CONNECT`, MPTCP | N (`fastopen_*`, `multipath_tcp`) |
//! | UDP connected and sent elsewhere, multicast, large and empty ones | N (`datagram_*`, `sendmmsg_elsewhere`, `multicast`), `datagrams_*` |
//! | IPv4 in IPv6, IPv6 | N (`*_mapped`, `*_v6`), `ipv6_is_the_same` |
//! | raw, packet, UDP-Lite, SCTP, `SO_MARK`, `SO_BINDTODEVICE` | N (`raw*`, `packet`, `udp_lite`, `sctp`, `mark`, `bound_to_device`) |
//! | binding the target's port, the gateway's address, another source, source port = destination port | N (`own_server*`, `bound_to_*`, `*_source*`, `source_port_is_destination_port`) |
//! | rules flushed; a nested user namespace, setns | `without_rules_nothing_is_open`, N (`netlink`, `new_namespace`), B |
//! | unix sockets, vsock, io_uring | B, N (`vsock`) |
//! | gateway killed, stopped | `nothing_passes_when_the_gateway_is_killed`, `when_the_gateway_ends_everything_does`, `a_stopped_gateway_lets_nothing_pass` |
//! | server name wrong, missing, fragmented, slow | `a_server_name_must_be_the_rules`, `a_hello_asks_for_one_name_in_one_place`, `a_slow_and_fragmented_hello_is_read`, `a_hello_that_never_comes_is_refused` |
//! | Host wrong, missing, twice; a second one on a kept connection; pipelining | `every_request_is_for_the_rules_host`, `fields_of_a_request_are_what_they_must_be` |
//! | request smuggling | `what_has_two_readings_gets_one_or_none`, `a_server_that_says_two_things_is_not_believed` |
//! | answers: 1xx, HEAD, 204, 304, trailers, more than was asked for; push, GOAWAY, floods by a server | `answers.rs` |
//! | addresses written out, 169.254.169.254 | `names_have_addresses_that_lead_only_to_them`, N (`metadata`, `address`) |
//! | DNS over TCP, names that tunnel, TXT, AAAA, ANY | `odd_questions_*`, `dns_by_tcp_and_odd_questions`, `new_names_are_bounded_in_number` |
//! | rebinding, chains of aliases, expiry | `names_lead_to_public_addresses_only`, `resolvers_may_be_odd`, `a_lease_goes_to_another_only_when_nobody_can_use_it` |
//! | quota, rate, connections at once | `quotas_*`, `a_quota_is_not_shared_by_a_connection`, `rates_hold_under_parallel_streams`, `connections_*`, `requests_at_once_are_counted`, `websockets_are_open_connections` |
//! | 10,000 connections | `scripts/bench-egress.sh`; `many_that_come_at_once_are_all_answered`, `thousands_that_say_nothing_hold_up_nobody` |
//! | descriptors used up, slow readers, half-open peers | `starving.rs`, `descriptors_run_out_for_one_connection_only`, `a_slow_reader_holds_up_nobody_else`, `idle_and_half_closed_connections_cost_nothing` |
//! | QUIC | `http_3_gives_way_to_tcp_at_once`; to an allowed address `datagrams_go_and_come_back`: its datagrams are like others |
//! | sessions and early data of another name, renegotiation, ECH, ALPN, old TLS, bad chains | `peers.rs` |
//! | one form of a host name | `one_host_in_every_spelling`, `a_hello_asks_for_one_name_in_one_place`, the fuzz target `host` |
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, clippy::large_stack_arrays, reason = "a test")]

mod answers;
mod cases;
mod client;
mod counted;
mod frames;
mod handshakes;
mod http;
mod lives;
mod lookups;
mod peers;
mod resolver;
mod sandbox;
mod servers;
mod starving;
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
const WAITING: [&str; 6] = [
    "what_a_server_sends_by_frames_is_an_answer_or_nothing",
    "events_may_be_far_apart",
    "a_hello_that_never_comes_is_refused",
    "resolvers_may_be_odd",
    "resolvers_may_be_silent_or_talk_nonsense",
    "clients_of_other_languages",
];

fn inside(filter: Option<&str>) -> ExitCode {
    let host = sandbox::Host::new();
    let all = [
        cases::ALL,
        http::ALL,
        wire::ALL,
        frames::ALL,
        handshakes::ALL,
        lookups::ALL,
        lives::ALL,
        counted::ALL,
        peers::ALL,
        starving::ALL,
        answers::ALL,
    ];
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
