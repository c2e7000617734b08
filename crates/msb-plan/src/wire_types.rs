//! What a plan is made of, in the order of its bytes; see [`crate::wire`].

use crate::event::{Cause, Counted, Denied, Ended, Event, Failure, LimitKind, Step, Traffic, Usage};
use crate::network::{
    Action, Claim as NetworkClaim, Gateway, Limits as NetworkLimits, Listen, Mark, Methods, Network, Only,
    Peer, Protocol, Rate, Rule, Terms, Total, Trust,
};
use crate::wire::{Reader, Wire, wire};
use crate::{
    Arch, Base, Claim, Deny, Env, Expected, Extent, File, Filter, Hold, Identity, Keyring, Limit, Limits,
    Links, Listener, Missing, Mount, MountKind, MountTable, Origin, OriginId, Param, ParamKind, Path, Plan,
    PolicyId, Presence, ProcScope, Rights, Search, Target, Text, Tier,
};

impl<'a, T: Wire<'a>> Wire<'a> for Limit<T> {
    fn read(reader: &mut Reader<'a>) -> Limit<T> {
        Limit { value: T::read(reader), origin: OriginId::read(reader) }
    }
}

macro_rules! tables {
    ($($name:ty),*) => {$(
        impl Wire<'_> for $name {
            fn read(reader: &mut Reader<'_>) -> $name {
                let first = <$name>::ALL[0];
                <$name>::ALL.get(reader.variant(<$name>::ALL.len())).copied().unwrap_or(first)
            }
        }
    )*};
}
tables!(LimitKind, Step);

wire! {
    struct Failure { step, origin, errno }
    struct Ended { wait_status, cause, wall_us, cpu_us, memory_peak_bytes, usage }
    struct Traffic {
        lookups, lookups_denied, connections, connections_denied, requests, requests_denied, up_bytes, down_bytes
    }
    struct Denied { subject, target, port, reason, times, origin }
    struct Usage { pids_peak, read_bytes, written_bytes, output_bytes, throttled }
}

wire! {
    enum Event {
        Failed(_),
        HeldWithoutCgroup { limit, origin },
        HeldByLandlock { origin },
        Published { index, port, origin },
        Searched { origin, directories, places },
        LimitReached { limit, times, origin },
        KilledByFilter { nr, origin },
        Timing { step, at_us },
        Ended(_)
    }
    enum Counted { Rule { origin, traffic }, Denied(_), All { traffic, audit_lines, audit_sha256 } }
    enum Cause { Command, Limit(_, _), Outside, Gateway }
}

wire! {
    struct Plan<'a> {
        target, policy, params, identity, mounts, denies, searches, files, claims, network, limits, filters, env, command, origins
    }
    struct OriginId { 0 }
    struct Origin<'a> { file, line, column, text }
    struct Target { kernel_min, landlock_abi_min, tier_min, origin }
    struct PolicyId<'a> { name, edition, sha256, origin }
    struct Param<'a> { name, kind, default, origin }
    struct Path<'a> { base, rest }
    struct Identity<'a> {
        uid, gid, hostname, cwd, capabilities, keyring, terminal, write_execute_denied, mount_table, origin
    }
    struct Mount<'a> { target, kind, presence, origin }
    struct Rights { 0 }
    struct Deny<'a> { path, rights, missing, origin }
    struct Search<'a> { root, depth, beside, rest, rights, missing, origin }
    struct File<'a> { path, content, origin }
    struct Claim<'a> { path, right, extent, expected, origin }
    struct Limits {
        hold, memory_bytes, swap_bytes, pids, cpu_percent, wall_ms, files, cpuset, cpu_time_ms, io_bytes_per_s,
        io_weight, output_bytes, file_bytes
    }
    struct Filter<'a> { arch, listener, program, kills, origin }
    struct Gateway<'a> { batch, refusals, marks, rules, totals, listens, trust, java_trust, claims, origin }
    struct NetworkClaim<'a> { protocol, peer, ports, expected, origin }
    struct Mark { offset_bytes, origin }
    struct Rule<'a> { action, protocol, peer, ports, terms, origin }
    struct Terms<'a> { only, inject, inspect, optional, limits }
    struct Only<'a> { methods, paths }
    struct Methods { 0 }
    struct NetworkLimits { rate, up_bytes, down_bytes, both_bytes, connections }
    struct Rate { count, period_us, burst }
    struct Total { limits, origin }
    struct Listen { protocol, v4, v6, port, inside, origin }
    struct Trust<'a> { file, places }
}

wire! {
    enum Arch { X86_64, Aarch64 }
    enum Tier { Landlock, Full }
    enum ParamKind { Dir, File, Text, Host, Secret }
    enum Base { Root, Home, Param(_) }
    enum Keyring { Unreachable, New }
    enum MountTable { Hidden, Shown }
    enum MountKind<'a> {
        Bind { source, rights, links },
        Overlay { source, links, size_bytes, inodes, rights },
        Device { source },
        Socket { source, links },
        Scratch { size_bytes, inodes, rights },
        Proc(_),
        Dev { shm_bytes }
    }
    enum Links { Follow, Refuse }
    enum ProcScope { Processes, All }
    enum Presence { Required, Optional }
    enum Missing { MaskFile, MaskDot, MaskDir, Fail, Skip }
    enum Hold { Best, Cgroup }
    enum Extent { Path, Below }
    enum Expected { Allowed, Denied }
    enum Listener { None, Required, Optional }
    enum Env<'a> { Pass { name }, PassPrefix { prefix }, Set { name, value } }
    enum Text<'a> { Literal(_), Param(_) }
    enum Network<'a> { None, Loopback, Gateway(_) }
    enum Action { Allow, Deny }
    enum Protocol { Tcp, Udp, Tls, Https, Http }
    enum Peer<'a> {
        Name { name, address }, Below(_), V4 { first, bits }, V6 { first, bits }, Any, Private, Metadata, Host,
        Param { index, address }
    }
}
