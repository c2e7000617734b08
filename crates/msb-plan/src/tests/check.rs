//! Each way a plan can be wrong.

use super::sample::{self, LINE, PROGRAM, root};
use crate::handover::Socket;
use crate::network::{self, Gateway, Methods, Network, Only, Peer, Protocol, Trust};
use crate::{
    Arch, Base, CheckedPlan, Deny, Env, File, Filter, Invalid, Limit, Links, Listener, Missing, Mount,
    MountKind, Origin, OriginId, Param, ParamKind, Path, Plan, Presence, ProcScope, Rights, Text,
};
use alloc::{format, string::String, vec, vec::Vec};

/// Changes the sample and compares what checking says.
#[track_caller]
fn check<'a>(change: impl FnOnce(&mut Plan<'a>), expected: Result<(), Invalid>) {
    let mut plan: Plan<'a> = sample::plan();
    change(&mut plan);
    assert_eq!(CheckedPlan::check(plan).map(drop), expected);
}

const NOWHERE: OriginId = OriginId(2);

fn bind<'a>(source: Path<'a>, target: Path<'a>, rights: Rights) -> Mount<'a> {
    Mount {
        target,
        kind: MountKind::Bind { source, rights, links: Links::Follow },
        presence: Presence::Required,
        origin: LINE,
    }
}

fn repeat<T: Clone>(value: &T, times: usize) -> Vec<T> {
    vec![value.clone(); times]
}

#[test]
fn sample_is_valid() {
    check(|_| (), Ok(()));
}

#[test]
fn lists_end_at_their_bounds() {
    let long = Err(Invalid::TooLong);
    check(|p| p.params = repeat(&p.params[0], crate::PARAMS_MAX + 1), long);
    check(|p| p.mounts = repeat(&p.mounts[0], crate::MOUNTS_MAX + 1), long);
    check(|p| p.denies = repeat(&p.denies[0], crate::DENIES_MAX + 1), long);
    check(|p| p.searches = repeat(&p.searches[0], crate::SEARCHES_MAX + 1), long);
    check(|p| p.files = repeat(&p.files[0], crate::FILES_MAX + 1), long);
    check(|p| p.filters = repeat(&p.filters[0], crate::FILTERS_MAX + 1), long);
    check(|p| p.env = repeat(&p.env[0], crate::ENV_MAX + 1), long);
    check(|p| p.command = repeat(&"x", crate::COMMAND_MAX + 1), long);
    check(|p| p.command = repeat(&"x", crate::COMMAND_MAX), Ok(()));
    check(|p| p.origins = repeat(&p.origins[0], crate::ORIGINS_MAX + 1), long);
    check(|p| p.origins = repeat(&p.origins[0], crate::ORIGINS_MAX), Ok(()));
}

#[test]
fn strings_end_at_their_bounds() {
    let text = String::from_utf8(vec![b'x'; crate::TEXT_BYTES_MAX + 1]).unwrap();
    let (text, fits) = (&text[..], &text[1..]);
    let long = Err(Invalid::TooLong);
    check(|p| p.policy.name = text, long);
    check(|p| p.policy.name = fits, Ok(()));
    check(|p| p.command = vec![text], long);
    check(|p| p.params[2].default = Some(text), long);
    check(|p| p.env = vec![Env::Set { name: "A", value: Text::Literal(text) }], long);
    check(|p| p.env = vec![Env::Set { name: "A", value: Text::Literal(fits) }], Ok(()));
    check(|p| p.files[0].content = text.as_bytes(), long);
    check(|p| p.files[0].content = fits.as_bytes(), Ok(()));
    check(|p| p.origins[0].file = text, long);
    check(|p| p.origins[0].text = &text[..201], long);
    check(|p| p.origins[0].text = &text[..200], Ok(()));
    let path = "a/".repeat(crate::PATH_BYTES_MAX / 2 - 1) + "aaa";
    check(|p| p.denies[0].path = root(&path), Err(Invalid::TooLong));
    check(|p| p.denies[0].path = root(&path[..path.len() - 1]), Ok(()));
}

#[test]
fn indices_stay_in_their_lists() {
    let dangling = Err(Invalid::Reference);
    check(|p| p.policy.origin = NOWHERE, dangling);
    check(|p| p.params[0].origin = NOWHERE, dangling);
    check(|p| p.identity.origin = NOWHERE, dangling);
    check(|p| p.identity.cwd = Some((root("work"), NOWHERE)), dangling);
    check(|p| p.mounts[0].origin = NOWHERE, dangling);
    check(|p| p.denies[0].origin = NOWHERE, dangling);
    check(|p| p.files[0].origin = NOWHERE, dangling);
    check(|p| p.filters[0].origin = NOWHERE, dangling);
    check(|p| p.limits.memory_bytes = Some(Limit { value: 1 << 30, origin: NOWHERE }), dangling);
    check(|p| p.limits.pids = Some(Limit { value: 1, origin: NOWHERE }), dangling);
    check(|p| p.limits.cpu_percent = Some(Limit { value: 1, origin: NOWHERE }), dangling);
    check(|p| p.limits.wall_ms = Some(Limit { value: 1, origin: NOWHERE }), dangling);
    check(|p| p.limits.files = Some(Limit { value: 64, origin: NOWHERE }), dangling);
    check(|p| p.limits.output_bytes = Some(Limit { value: 64, origin: NOWHERE }), dangling);
    check(|p| p.denies[0].path.base = Base::Param(3), dangling);
    check(|p| p.env[3] = Env::Set { name: "V", value: Text::Param(3) }, dangling);
}

#[test]
fn parameters_are_used_as_what_they_are() {
    let kind = Err(Invalid::Reference);
    let text = Path { base: Base::Param(2), rest: "" };
    let file = Path { base: Base::Param(1), rest: "" };
    check(|p| p.mounts[0] = bind(text, root("usr"), Rights::READ), kind);
    check(|p| p.mounts[0] = bind(root("usr"), text, Rights::READ), kind);
    check(|p| p.denies[0].path = text, kind);
    check(|p| p.denies[0].path = file, Ok(()));
    check(|p| p.identity.cwd = Some((file, LINE)), kind);
    check(|p| p.env[3] = Env::Set { name: "V", value: Text::Param(0) }, kind);
    check(|p| p.denies[0].path = Path { rest: "x", ..file }, Err(Invalid::Path));
}

#[test]
fn paths_are_normal() {
    for rest in ["/", "/a", "a/", "a//b", ".", "a/.", "..", "a/../b", "a\0"] {
        check(|p| p.denies[0].path.rest = rest, Err(Invalid::Path));
        check(|p| p.mounts[0] = bind(root(rest), root("usr"), Rights::READ), Err(Invalid::Path));
        check(|p| p.mounts[0].target.rest = rest, Err(Invalid::Path));
        check(|p| p.files[0].path.rest = rest, Err(Invalid::Path));
        check(|p| p.identity.cwd = Some((root(rest), LINE)), Err(Invalid::Path));
    }
    for rest in ["...", ".a", "a..", "a b", "é", "a\nb"] {
        check(|p| p.denies[0].path.rest = rest, Ok(()));
    }
    let component = "x".repeat(256);
    check(|p| p.denies[0].path.rest = &component, Err(Invalid::Path));
    check(|p| p.denies[0].path.rest = &component[1..], Ok(()));
}

#[test]
fn mounts_have_places_of_their_own() {
    let read = Rights::READ;
    check(|p| p.mounts.push(bind(root("srv"), root(""), read)), Err(Invalid::Path));
    check(|p| p.mounts.push(bind(root(""), root("host"), read)), Ok(()));
    check(|p| p.mounts.push(bind(root("srv"), root("usr"), read)), Err(Invalid::Duplicate));
    let at = |target, kind| Mount { target, kind, presence: Presence::Required, origin: LINE };
    let proc = MountKind::Proc(ProcScope::Processes);
    check(|p| p.mounts.push(at(root("proc2"), proc)), Err(Invalid::Path));
    check(|p| p.mounts.push(at(Path { base: Base::Home, rest: "proc" }, proc)), Err(Invalid::Path));
    check(|p| p.mounts.push(at(root("proc"), proc)), Err(Invalid::Duplicate));
    check(|p| p.mounts.push(at(root("dev2"), MountKind::Dev { shm_bytes: 1 })), Err(Invalid::Path));
}

#[test]
fn files_do_not_land_in_mounts() {
    let file = |path| File { path, content: b"", origin: LINE };
    check(|p| p.files.push(file(root("etc/group"))), Ok(()));
    check(|p| p.files.push(file(root("etc/passwd"))), Err(Invalid::Duplicate));
    check(|p| p.files.push(file(root("usr"))), Err(Invalid::Path));
    check(|p| p.files.push(file(root("usr/lib/x"))), Err(Invalid::Path));
    check(|p| p.files.push(file(root("usr2/x"))), Ok(()));
    check(|p| p.files.push(file(root(""))), Err(Invalid::Path));
    check(|p| p.files.push(file(Path { base: Base::Home, rest: "x" })), Err(Invalid::Path));
    check(|p| p.files.push(file(Path { base: Base::Param(0), rest: "x" })), Err(Invalid::Reference));
}

#[test]
fn names_are_plain() {
    let bad = Err(Invalid::Name);
    check(|p| p.policy.name = "", bad);
    check(|p| p.policy.name = "a\0", bad);
    check(|p| p.command = vec!["a\0"], bad);
    let long = "x".repeat(65);
    for name in ["", "a b", "a=b", "$a", "é", &long] {
        check(|p| p.params[0].name = name, bad);
    }
    check(|p| p.params[0].name = "work-dir_2", Ok(()));
    for name in ["", "a b", "a_b", "a/b", "é", &long] {
        check(|p| p.identity.hostname = name, bad);
    }
    check(|p| p.identity.hostname = "build-7.local", Ok(()));
    let long = "x".repeat(257);
    for name in ["", "A B", "A=B", "A-B", "É", &long] {
        check(|p| p.env[0] = Env::Pass { name }, bad);
        check(|p| p.env[0] = Env::PassPrefix { prefix: name }, bad);
        check(|p| p.env[0] = Env::Set { name, value: Text::Literal("") }, bad);
    }
    check(|p| p.env[2] = Env::Set { name: "A", value: Text::Literal("\0") }, bad);
}

#[test]
fn things_are_named_once() {
    let twice = Err(Invalid::Duplicate);
    check(|p| p.params[1].name = p.params[0].name, twice);
    check(|p| p.denies.push(Deny { rights: Rights::ALL, ..p.denies[0] }), twice);
    check(|p| p.filters.push(p.filters[0]), twice);
    check(|p| p.filters.push(Filter { arch: Arch::Aarch64, ..p.filters[0] }), Ok(()));
    check(|p| p.env.push(Env::Set { name: "TERM", value: Text::Literal("dumb") }), twice);
    check(|p| p.env.push(Env::Pass { name: "HOME" }), twice);
    check(|p| p.env.push(Env::PassPrefix { prefix: "LC_" }), twice);
    check(|p| p.env.push(Env::Pass { name: "LC_" }), Ok(()));
}

#[test]
fn nobody_is_root_inside() {
    let bad = Err(Invalid::Identity);
    for id in [0, u32::MAX] {
        check(|p| p.identity.uid = id, bad);
        check(|p| p.identity.gid = id, bad);
    }
    check(|p| p.identity.capabilities = 1 << (crate::CAPABILITY_MAX + 1), bad);
    check(|p| p.identity.capabilities = 1 << 63, bad);
    check(|p| p.identity.capabilities = (1 << (crate::CAPABILITY_MAX + 1)) - 1, Ok(()));
}

#[test]
fn calls_that_kill_are_whole_sorted_and_of_this_plan() {
    check(|p| p.filters[0].kills = &[], Ok(()));
    check(|p| p.filters[0].kills = &[9, 0, 0, 0, 0], Err(Invalid::Filter));
    check(|p| p.filters[0].kills = &[9, 0, 0, 0, 0xff, 0xff], Err(Invalid::Reference));
    check(|p| p.filters[0].kills = &[9, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0], Err(Invalid::Filter));
    check(|p| p.filters[0].kills = &[9, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0], Err(Invalid::Filter));
}

#[test]
fn values_stay_in_their_ranges() {
    /// A limit of the sample, replaced by the first value that is out of range and the last that is in.
    macro_rules! range {
        ($field:ident: $($value:expr => $expected:expr),+) => {
            $(check(|p| p.limits.$field = Some(Limit { value: $value, origin: LINE }), $expected);)+
        };
    }
    let bad = Err(Invalid::Value);
    range!(memory_bytes: (1 << 20) - 1 => bad, 1 << 20 => Ok(()), 1 << 50 => Ok(()), (1 << 50) + 1 => bad);
    range!(pids: 0 => bad, 1 => Ok(()), 1 << 22 => Ok(()), (1 << 22) + 1 => bad);
    range!(cpu_percent: 0 => bad, 1 => Ok(()), 819_200 => Ok(()), 819_201 => bad);
    range!(wall_ms: 0 => bad, 1 => Ok(()), 31_622_400_000 => Ok(()), 31_622_400_001 => bad);
    range!(files: 15 => bad, 16 => Ok(()), 1 << 20 => Ok(()), (1 << 20) + 1 => bad);
    range!(swap_bytes: 0 => Ok(()), 1 << 50 => Ok(()), (1 << 50) + 1 => bad);
    range!(cpuset: 0 => bad, 1 => Ok(()), 8192 => Ok(()), 8193 => bad);
    range!(cpu_time_ms: 9 => bad, 10 => Ok(()), 31_622_400_000 => Ok(()), 31_622_400_001 => bad);
    range!(io_bytes_per_s: 1023 => bad, 1024 => Ok(()), 1 << 50 => Ok(()), (1 << 50) + 1 => bad);
    range!(io_weight: 0 => bad, 1 => Ok(()), 10_000 => Ok(()), 10_001 => bad);
    range!(output_bytes: 0 => Ok(()), 1 << 50 => Ok(()), (1 << 50) + 1 => bad);
    range!(file_bytes: 0 => Ok(()), 1 << 50 => Ok(()), (1 << 50) + 1 => bad);
    check(|p| p.limits.memory_bytes = None, Ok(()));
    let swap = Some(Limit { value: 0, origin: LINE });
    check(|p| (p.limits.memory_bytes, p.limits.swap_bytes) = (None, swap), bad);
    for (line, column) in [(0, 1), (1, 0)] {
        check(|p| p.origins[0] = Origin { line, column, ..p.origins[0] }, bad);
    }
    let scratch = |size_bytes, inodes| MountKind::Scratch {
        size_bytes,
        inodes,
        rights: Rights::READ.union(Rights::WRITE),
    };
    check(|p| p.mounts[3].kind = scratch(0, 1), bad);
    check(|p| p.mounts[3].kind = scratch(1, 0), bad);
    check(|p| p.mounts[3].kind = scratch(1, 1), Ok(()));
    check(|p| p.mounts[5].kind = MountKind::Dev { shm_bytes: 0 }, bad);
}

#[test]
fn rights_fit_their_place() {
    let bad = Err(Invalid::Rights);
    for rights in [Rights::NONE, Rights::WRITE, Rights::RUN, Rights(8), Rights(9)] {
        check(|p| p.mounts[0] = bind(root("usr"), root("usr"), rights), bad);
    }
    check(|p| p.mounts[0] = bind(root("usr"), root("usr"), Rights::ALL), Ok(()));
    let scratch = |rights| MountKind::Scratch { size_bytes: 1, inodes: 1, rights };
    check(|p| p.mounts[3].kind = scratch(Rights::READ), bad);
    check(|p| p.mounts[3].kind = scratch(Rights::WRITE), bad);
    check(|p| p.mounts[3].kind = scratch(Rights::ALL), Ok(()));
    check(|p| p.denies[0].rights = Rights::NONE, bad);
    check(|p| p.denies[0].rights = Rights(8), bad);
    for rights in 1..=7 {
        check(|p| p.denies[0].rights = Rights(rights), Ok(()));
    }
    check(|p| p.denies[0].missing = Missing::Skip, Ok(()));
}

#[test]
fn searches_name_a_folder_and_what_is_in_it() {
    let bad = Err(Invalid::Path);
    for name in ["", ".", "..", "a/b", "a\0"] {
        check(|p| p.searches[0].beside = name, bad);
    }
    for rest in ["", "..", "a/../b", "/a", "a/"] {
        check(|p| p.searches[0].rest = rest, bad);
    }
    check(|p| p.searches[0].rest = "a/b", Ok(()));
    check(|p| p.searches[0].depth = crate::SEARCH_DEPTH_MAX, Ok(()));
    check(|p| p.searches[0].depth = crate::SEARCH_DEPTH_MAX + 1, Err(Invalid::Value));
    check(|p| p.searches[0].rights = Rights::NONE, Err(Invalid::Rights));
    check(|p| p.searches[0].rights = Rights(8), Err(Invalid::Rights));
    check(|p| p.searches[0].origin = NOWHERE, Err(Invalid::Reference));
    let text = Path { base: Base::Param(2), rest: "" };
    check(|p| p.searches[0].root = text, Err(Invalid::Reference));
    check(|p| p.searches[0].root = root("srv/../etc"), bad);
}

/// One instruction in front of `ret ERRNO(1)`; `slot` is its code, jt, jf and k.
fn with(slot: (u16, u8, u8, u32)) -> Vec<u8> {
    let [c0, c1] = slot.0.to_le_bytes();
    let [k0, k1, k2, k3] = slot.3.to_le_bytes();
    [&[c0, c1, slot.1, slot.2, k0, k1, k2, k3][..], &PROGRAM[24..]].concat()
}

#[test]
fn filters_are_ones_that_the_kernel_takes() {
    let bad = Err(Invalid::Filter);
    let program = |program: &[u8], expected| check(|p| p.filters[0].program = program, expected);
    check(|p| p.filters.clear(), bad);
    program(&[], bad);
    program(&PROGRAM[..31], bad);
    program(&PROGRAM[..24], bad);
    program(&PROGRAM[16..], Ok(()));
    program(&PROGRAM[..16], bad);
    program(&PROGRAM[24..].repeat(crate::FILTER_INSTRUCTIONS_MAX), Ok(()));
    program(&PROGRAM[24..].repeat(crate::FILTER_INSTRUCTIONS_MAX + 1), bad);
    for (slot, expected) in [
        ((0x20, 0, 0, 60), Ok(())),
        ((0x20, 0, 0, 64), bad),             // past seccomp_data
        ((0x20, 0, 0, 2), bad),              // not aligned
        ((0x28, 0, 0, 0), bad),              // a half word
        ((0x40, 0, 0, 0), bad),              // indirect
        ((0x05, 0, 0, 0), Ok(())),           // ja to the next
        ((0x05, 0, 0, 1), bad),              // one too far
        ((0x05, 0, 0, u32::MAX), bad),       // backwards, where offsets wrap
        ((0x15, 0, 0, 7), Ok(())),           // jeq
        ((0x15, 1, 0, 7), bad),              //
        ((0x15, 0, 1, 7), bad),              //
        ((0x25, 0, 0, 7), Ok(())),           // jgt
        ((0x35, 0, 255, 7), bad),            // jge
        ((0x45, 0, 0, 7), Ok(())),           // jset
        ((0x54, 0, 0, 7), Ok(())),           // and
        ((0x94, 0, 0, 0), bad),              // mod by 0
        ((0x02, 0, 0, 0), bad),              // scratch memory
        ((0x16, 0, 0, 0), bad),              // ret A
        ((0xffff, 0, 0, 0), bad),            // nothing
        ((0x06, 0, 0, 0x7fff_0000), Ok(())), // ALLOW
        ((0x06, 0, 0, 0x7fff_0001), bad),    // ALLOW with data
        ((0x06, 0, 0, 0x8000_0000), Ok(())), // KILL_PROCESS
        ((0x06, 0, 0, 0), bad),              // KILL_THREAD
        ((0x06, 0, 0, 0x0005_0000), bad),    // errno 0: reports success
        ((0x06, 0, 0, 0x0005_0fff), Ok(())), // errno 4095
        ((0x06, 0, 0, 0x0005_1000), bad),    // errno 4096
        ((0x06, 0, 0, 0x0003_0000), Ok(())), // TRAP
        ((0x06, 0, 0, 0x7ff0_0000), bad),    // TRACE
        ((0x06, 0, 0, 0x7ffc_0000), Ok(())), // LOG
    ] {
        program(&with(slot), expected);
    }
}

#[test]
fn a_listener_is_there_exactly_when_the_filter_asks() {
    let bad = Err(Invalid::Filter);
    let asks = with((0x06, 0, 0, 0x7fc0_0000));
    check(|p| p.filters[0].program = &asks, bad);
    check(|p| p.filters[0].listener = Listener::Required, bad);
    check(
        |p| {
            p.filters[0].program = &asks;
            p.filters[0].listener = Listener::Required;
        },
        Ok(()),
    );
}

#[test]
fn params_may_hold_the_most() {
    let names: Vec<String> = (0..crate::PARAMS_MAX).map(|i| format!("p{i}")).collect();
    let param = |name| Param { name, kind: ParamKind::Dir, default: None, origin: LINE };
    let extra: Vec<Param<'_>> = names.iter().map(|name| param(name)).collect();
    check(|p| p.params.extend(extra[5..].iter().copied()), Ok(()));
    check(|p| p.params.extend(extra[4..].iter().copied()), Err(Invalid::TooLong));
}

#[track_caller]
fn check_network(change: impl FnOnce(&mut Gateway<'static>), expected: Result<(), Invalid>) {
    check(
        |plan| {
            if let Network::Gateway(gateway) = &mut plan.network {
                change(gateway);
            }
        },
        expected,
    );
}

#[test]
fn network_lists_end_at_their_bounds() {
    let long = Err(Invalid::TooLong);
    check_network(|n| n.rules = repeat(&n.rules[7], network::RULES_MAX + 1), long);
    check_network(|n| n.totals = repeat(&n.totals[0], network::TOTALS_MAX + 1), long);
    check_network(|n| n.listens = repeat(&n.listens[0], network::LISTENS_MAX + 1), long);
    check_network(|n| n.batch = vec![0; network::BATCH_BYTES_MAX + 1].leak(), long);
    check_network(|n| n.refusals = vec![0; network::BATCH_BYTES_MAX + 1].leak(), long);
    check_network(|n| n.marks = repeat(&n.marks[0], crate::ORIGINS_MAX + 1), long);
    let trust = |places| Some(Trust { file: "etc/ca.pem", places });
    check_network(|n| n.trust = trust(repeat(&"a", network::TRUST_PLACES_MAX + 1)), long);
    let network = Err(Invalid::Network);
    check_network(|n| n.rules[1].ports = (1..=257).map(|n| (n * 2, n * 2)).collect(), network);
}

#[test]
fn a_batch_is_whole_messages_of_nf_tables() {
    let wrong = Err(Invalid::Network);
    let cut = |from: usize, to: usize| sample::BATCH[from..to].to_vec().leak();
    check_network(|n| n.batch = &[], wrong);
    check_network(|n| n.refusals = &[], wrong);
    check_network(|n| n.refusals = cut(0, 40), wrong);
    check_network(|n| n.batch = cut(0, 40), wrong);
    check_network(|n| n.batch = cut(20, 60), wrong);
    check_network(|n| n.batch = cut(0, 59), wrong);
    let with = |at: usize, byte: u8| {
        let mut batch = sample::BATCH;
        batch[at] = byte;
        &*batch.to_vec().leak()
    };
    // A length of nothing, one that reaches past the end, one that is not aligned, and a message of ipset.
    for (at, byte) in [(20, 0), (20, 44), (20, 22), (25, 6)] {
        check_network(|n| n.batch = with(at, byte), wrong);
    }
    check_network(|n| n.batch = [&sample::BATCH[..], &sample::BATCH].concat().leak(), wrong);
}

#[test]
fn network_rules_fit_together() {
    let wrong = Err(Invalid::Network);
    check_network(|n| n.rules[1].ports = vec![], wrong);
    check_network(|n| n.rules[1].ports = vec![(0, 80)], wrong);
    check_network(|n| n.rules[1].ports = vec![(80, 79)], wrong);
    check_network(|n| n.rules[1].ports = vec![(80, 81), (82, 82)], wrong);
    check_network(|n| n.rules[1].ports = vec![(80, 81), (83, 65535)], Ok(()));
    check_network(|n| n.rules[1].terms.inspect = true, wrong);
    check_network(|n| n.rules[7].terms.optional = true, wrong);
    check_network(|n| n.rules[2].peer = Peer::V4 { first: [10, 0, 0, 1], bits: 24 }, wrong);
    check_network(|n| n.rules[2].peer = Peer::V4 { first: [10, 0, 0, 0], bits: 33 }, wrong);
    check_network(|n| n.rules[2].peer = Peer::V4 { first: [0; 4], bits: 0 }, Ok(()));
    check_network(|n| n.rules[3].peer = Peer::V6 { first: [1; 16], bits: 127 }, wrong);
    check_network(|n| n.rules[0].terms.only = Some(Only { methods: Methods(0), paths: vec![] }), wrong);
    check_network(|n| n.rules[0].terms.only = Some(Only { methods: Methods(128), paths: vec![] }), wrong);
    check_network(|n| n.rules[0].terms.inject = Some(2), Err(Invalid::Reference));
    check_network(
        |n| n.rules[4].peer = Peer::Param { index: 4, address: [198, 18, 1, 1] },
        Err(Invalid::Reference),
    );
    check_network(|n| n.rules[0].peer = Peer::Below("example.org"), wrong);
    check_network(|n| n.rules[0].protocol = Protocol::Http, wrong);
    check_network(|n| n.trust = None, wrong);
    check_network(|n| drop(n.rules.remove(0)), wrong);
    check_network(|n| n.marks = repeat(&n.marks[0], 2), wrong);
    check_network(|n| n.listens = repeat(&n.listens[0], 2), Err(Invalid::Duplicate));
    check_network(|n| n.listens[0].inside = 0, Err(Invalid::Value));
    check_network(|n| n.listens[0].v4 = Some([10, 0, 0, 1]), Err(Invalid::Value));
    check_network(|n| (n.listens[0].v4, n.listens[0].v6) = (None, false), Err(Invalid::Value));
    check_network(|n| n.listens[0].port = 0, Ok(()));
    // One port of the host can be that of one port of the sandbox alone, by each address.
    let twice = |n: &mut network::Gateway<'_>, change: fn(&mut network::Listen)| {
        n.listens = repeat(&n.listens[0], 2);
        change(&mut n.listens[1]);
    };
    check_network(|n| twice(n, |it| it.inside = 1), Err(Invalid::Duplicate));
    check_network(|n| twice(n, |it| it.v4 = None), Err(Invalid::Duplicate));
    check_network(|n| twice(n, |it| it.v6 = false), Err(Invalid::Duplicate));
    check_network(|n| twice(n, |it| (it.v4, it.v6) = (Some([127, 0, 0, 2]), false)), Ok(()));
    check_network(|n| twice(n, |it| it.protocol = Protocol::Udp), Ok(()));
    check_network(|n| n.totals[0].limits.connections = Some(0), Err(Invalid::Value));
    check_network(|n| n.rules[1].terms.limits.up_bytes = Some(0), Err(Invalid::Value));
    check_network(|n| n.origin = NOWHERE, Err(Invalid::Reference));
    check_network(|n| n.rules[0].origin = NOWHERE, Err(Invalid::Reference));
    check_network(|n| n.marks[0].origin = NOWHERE, Err(Invalid::Reference));
    check_network(|n| n.totals[0].origin = NOWHERE, Err(Invalid::Reference));
    check_network(|n| n.listens[0].origin = NOWHERE, Err(Invalid::Reference));
}

#[test]
fn one_name_has_one_address_of_its_own() {
    let wrong = Err(Invalid::Network);
    let name = |name, address| Peer::Name { name, address };
    check_network(|n| n.rules[1].peer = name("api.example.org", [198, 18, 1, 2]), wrong);
    check_network(|n| n.rules[1].peer = name("api.example.org", [198, 18, 1, 0]), Ok(()));
    check_network(|n| n.rules[1].peer = name("b.example.org", [198, 18, 1, 0]), wrong);
    check_network(|n| n.rules[1].peer = name("b.example.org", [198, 18, 1, 1]), wrong);
    check_network(|n| n.rules[1].peer = name("b.example.org", [198, 18, 0, 9]), wrong);
    check_network(|n| n.rules[1].peer = name("b.example.org", [198, 19, 1, 9]), wrong);
    check_network(|n| n.rules[1].peer = name("b.example.org", [198, 18, 1, 9]), Ok(()));
    for bad in ["", "A.org", "a..org", "a.org.", "a.org\0", "a b", &"a.".repeat(127), &"a".repeat(64)] {
        let bad: &'static str = alloc::string::String::from(bad).leak();
        check_network(|n| n.rules[1].peer = Peer::Below(bad), Err(Invalid::Name));
    }
}

#[test]
fn certificates_go_where_no_mount_is() {
    let trust = |file, place| Some(Trust { file, places: vec![place] });
    check_network(|n| n.trust = trust("usr/ca.pem", "a"), Err(Invalid::Path));
    check_network(|n| n.trust = trust("etc/../ca.pem", "a"), Err(Invalid::Path));
    check_network(|n| n.trust = trust("", "a"), Err(Invalid::Path));
    check_network(|n| n.trust = trust("etc/ca.pem", "/a"), Err(Invalid::Path));
    check_network(|n| n.trust = trust("etc/passwd", "a"), Err(Invalid::Duplicate));
    check_network(|n| n.java_trust = trust("usr/ca.jks", "a"), Err(Invalid::Path));
    check_network(|n| n.java_trust = trust("etc/ca.pem", "a"), Err(Invalid::Duplicate));
    check_network(|n| n.java_trust = None, Err(Invalid::Network));
}

#[test]
fn sockets_are_in_the_order_of_their_bits() {
    let all = Socket::ALL.iter().fold(0, |mask, it| mask | it.bit());
    assert!(Socket::ALL.iter().enumerate().all(|(index, it)| it.place(all) == Some(index)));
    assert_eq!(Socket::Raw4.place(0b01_0101), Some(2));
    assert_eq!(Socket::Tcp6.place(0b01_0101), None);
}
