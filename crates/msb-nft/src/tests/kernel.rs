//! The batch against the kernel, which must take it, and nft(8), which must read it as it was meant.

use super::model::{many, rule};
use crate::{Addresses, compile, ruleset};
use msb_policy::{NetRule, OriginId};
use msb_testkit::{Need, finish, skip};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::os::fd::AsRawFd as _;
use std::process::Command;

/// Names the file of a batch to load: set where this test program starts itself in a network namespace.
const LOAD: &str = "MSB_NFT_TEST_BATCH";

/// Sends a batch from the file that [`LOAD`] names. Without it there is nothing to do: see [`loaded`].
#[test]
fn load() {
    let Some(file) = std::env::var_os(LOAD) else { return };
    let batch = std::fs::read(file).expect("the batch");
    let netlink =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::empty(), SockProtocol::NetlinkNetFilter)
            .expect("a netlink socket");
    let sent = sendto(netlink.as_raw_fd(), &batch, &NetlinkAddr::new(0, 0), MsgFlags::empty());
    assert_eq!(sent, Ok(batch.len()));
    let mut answer = [0; 8192];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty()).expect("an answer");
    // struct nlmsgerr after struct nlmsghdr; 0 is an acknowledgement.
    let error = i32::from_le_bytes(answer[16..20].try_into().expect("four bytes"));
    assert_eq!((length, error), (36, 0), "{:?}", &answer[..length]);
}

/// A rule that writes down what is refused, before all that refuse.
#[test]
fn refusals_are_logged_before_they_are_refused() {
    if !has_nft() {
        return;
    }
    let rules = [rule("allow tcp 10.0.0.0/8 80 90")];
    let addresses = Addresses::of(&rules).expect("few names");
    let directory = tempfile::tempdir().expect("a directory");
    let (text, both) = (directory.path().join("text"), directory.path().join("both"));
    let written = ruleset(&rules, &addresses, OriginId(0)).to_string();
    let log = "chain refused {\n\t\tlog group 1 snaplen 64 queue-threshold 1\n";
    std::fs::write(&text, written.replace("chain refused {\n", log)).expect("the text");
    let batch = compile(&rules, &addresses, OriginId(0)).expect("a batch");
    std::fs::write(&both, &batch.bytes).expect("the batch");
    std::fs::write(directory.path().join("both.then"), &batch.refusals).expect("the batch");
    let (expected, found) = (listed("nft", &text), listed("batch", &both));
    assert_eq!(found, expected);
    assert!(found.contains("log group 1"), "{found}");
}

/// What `nft list ruleset` says of what it was given: by `nft -f`, or as a batch, and then the batch of refusals.
fn listed(how: &str, file: &std::path::Path) -> String {
    let load = match how {
        "nft" => format!("nft -f {}", file.display()),
        _ => {
            let program = std::env::current_exe().expect("this program");
            let load = |file: &std::path::Path| {
                format!("{LOAD}={} {} --exact tests::kernel::load >&2", file.display(), program.display())
            };
            let then = file.with_extension("then");
            if then.exists() { format!("{} && {}", load(file), load(&then)) } else { load(file) }
        }
    };
    // With what nft(8) reads by libnftnl beside it: each expression with its registers and bytes, each set's keys and flags.
    let script = format!("{load} && nft --debug=netlink list ruleset");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", &script]);
    let ended = finish(&mut command, 60);
    assert_eq!(ended.code(), 0, "{how}: {}{}", ended.out(), ended.err());
    // Handles count what there ever was: `inet sandbox leaves 34 33`.
    let is_handle = |line: &&str| line.starts_with("inet sandbox ") && !line.contains('@');
    ended.out().lines().filter(|line| !is_handle(line)).map(|line| format!("{line}\n")).collect()
}

fn has_nft() -> bool {
    let there = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "nft", "list", "ruleset"])
        .output()
        .is_ok_and(|it| it.status.success());
    if !there {
        skip(Need::Nft, "nft or a network namespace of one's own is missing");
    }
    there
}

/// Both ways of loading give the same rules.
#[track_caller]
fn check(rules: &[&str]) {
    check_rules(&rules.iter().map(|it| rule(it)).collect::<Vec<_>>());
}

#[track_caller]
fn check_rules(rules: &[NetRule]) {
    if !has_nft() {
        return;
    }
    let addresses = Addresses::of(rules).expect("few names");
    let text = ruleset(rules, &addresses, OriginId(0)).to_string();
    let batch = compile(rules, &addresses, OriginId(0)).expect("a batch").bytes;
    let directory = tempfile::tempdir().expect("a directory");
    let (as_text, as_batch) = (directory.path().join("text"), directory.path().join("batch"));
    std::fs::write(&as_text, &text).expect("the text");
    std::fs::write(&as_batch, batch).expect("the batch");
    let (expected, found) = (listed("nft", &as_text), listed("batch", &as_batch));
    let differs = expected.lines().zip(found.lines()).enumerate().find(|(_, (a, b))| a != b);
    assert!(
        found == expected,
        "{differs:?} of {} and {} lines",
        expected.lines().count(),
        found.lines().count()
    );
    assert!(expected.contains("chain leaves"));
}

#[test]
fn nothing_but_dns() {
    check(&[]);
}

#[test]
fn every_kind_of_rule() {
    check(&[
        "allow https a.example 443 443",
        "allow tls *.b.example 443 443",
        "allow tcp 10.0.0.0/8 80 90",
        "deny tcp 10.1.0.0/16 85 85",
        "allow udp any 53 53",
        "allow udp any 123 123",
        "allow tcp [2001:db8::]/32 1 65535",
        "deny tcp [2001:db8::1] 22 22",
        "allow tcp host 5432 5432",
        "allow tcp $0 8000 8099",
        "allow tcp private 22 22",
        "deny udp metadata 1 65535",
    ]);
}

/// Several messages of elements in one batch, close to its bound.
#[test]
fn thousands_of_addresses() {
    check_rules(&many(24));
}
