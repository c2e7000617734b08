//! Properties of arbitrary plans and arbitrary bytes.

use super::sample::{LINE, POLICY, PROGRAM, network as network_of_sample};
use crate::network::{Listen, Network, Protocol};
use crate::{
    Arch, Base, Deny, Env, File, Filter, Hold, Identity, LANDLOCK_ABI_MAX, Limit, Limits, Links, Listener,
    Missing, Mount, MountKind, Origin, OriginId, Param, ParamKind, Path, Plan, PolicyId, Presence, ProcScope,
    Rights, Target, Text,
};
use crate::{FORMAT, MAGIC, checksum, decode, encode};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use proptest::collection::{btree_map, vec as list};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, proptest};
use proptest::{option, prop_oneof};

/// Leaks: a plan borrows its strings, and a test process ends soon.
fn text(pattern: &str) -> impl Strategy<Value = &'static str> + use<> {
    proptest::string::string_regex(pattern).unwrap().prop_map(|s: String| &*s.leak())
}

/// Parameter 0 is a directory, 1 a file, 2 a text: see [`params`].
fn path() -> impl Strategy<Value = Path<'static>> {
    let rest = text("([a-zé.]{0,4}[a-z0-9 _-](/[a-z.]{0,3}[a-z])?)?");
    prop_oneof![
        (prop_oneof![Just(Base::Root), Just(Base::Home), Just(Base::Param(0))], rest)
            .prop_map(|(base, rest)| Path { base, rest }),
        Just(Path { base: Base::Param(1), rest: "" }),
    ]
}

fn params() -> impl Strategy<Value = Vec<Param<'static>>> {
    option::of(text("[ -~é]{0,12}")).prop_map(|default| {
        let param = |name, kind| Param { name, kind, default, origin: LINE };
        let places = [("dir", ParamKind::Dir), ("file", ParamKind::File)];
        let texts = [("text", ParamKind::Text), ("host", ParamKind::Host), ("secret", ParamKind::Secret)];
        [places.as_slice(), &texts].concat().into_iter().map(|(name, kind)| param(name, kind)).collect()
    })
}

fn grant() -> impl Strategy<Value = Rights> {
    (0u8..4).prop_map(|bits| Rights(bits * 2 + 1))
}

fn kind() -> impl Strategy<Value = MountKind<'static>> {
    prop_oneof![
        (path(), grant(), links()).prop_map(|(source, rights, links)| MountKind::Bind {
            source,
            rights,
            links
        }),
        (path(), links(), 1..u64::MAX, grant()).prop_map(|(source, links, size_bytes, rights)| {
            let source = Path { base: Base::Root, ..source };
            let rights = rights.union(Rights::WRITE);
            MountKind::Overlay { source, links, size_bytes, inodes: 7, rights }
        }),
        path().prop_map(|source| MountKind::Device { source }),
        (path(), links()).prop_map(|(source, links)| MountKind::Socket { source, links }),
        (1..u64::MAX, 1..u64::MAX, grant()).prop_map(|(size_bytes, inodes, rights)| {
            MountKind::Scratch { size_bytes, inodes, rights: rights.union(Rights::WRITE) }
        }),
    ]
}

fn links() -> impl Strategy<Value = Links> {
    prop_oneof![Just(Links::Follow), Just(Links::Refuse)]
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![Just(Presence::Required), Just(Presence::Optional)]
}

fn mounts() -> impl Strategy<Value = Vec<Mount<'static>>> {
    let fixed = any::<(bool, bool)>().prop_map(|(proc, dev)| {
        let at = |rest| Path { base: Base::Root, rest };
        [
            proc.then_some((
                at("proc"),
                MountKind::Proc(if dev { ProcScope::Processes } else { ProcScope::All }),
            )),
            dev.then_some((at("dev"), MountKind::Dev { shm_bytes: 1 << 26 })),
        ]
    });
    (btree_map(path(), (kind(), presence(), origin()), 0..8), fixed).prop_map(|(mounts, fixed)| {
        let mut by_target: BTreeMap<Path<'_>, (MountKind<'_>, Presence, OriginId)> = mounts;
        for (target, kind) in fixed.into_iter().flatten() {
            by_target.insert(target, (kind, Presence::Required, POLICY));
        }
        by_target.remove(&Path { base: Base::Root, rest: "" });
        by_target
            .into_iter()
            .map(|(target, (kind, presence, origin))| Mount { target, kind, presence, origin })
            .collect()
    })
}

fn origin() -> impl Strategy<Value = OriginId> {
    prop_oneof![Just(POLICY), Just(LINE)]
}

fn denies() -> impl Strategy<Value = Vec<Deny<'static>>> {
    let missing = prop_oneof![
        Just(Missing::MaskFile),
        Just(Missing::MaskDir),
        Just(Missing::Fail),
        Just(Missing::Skip)
    ];
    btree_map(path(), (1u8..8, missing, origin()), 0..6).prop_map(|denies| {
        let deny = |(path, (rights, missing, origin))| Deny { path, rights: Rights(rights), missing, origin };
        denies.into_iter().map(deny).collect()
    })
}

fn files() -> impl Strategy<Value = Vec<File<'static>>> {
    // No mount has an upper-case name, so that no file lies below one.
    btree_map(text("[A-Z]{1,3}/[a-z]{1,4}"), list(any::<u8>(), 0..64), 0..4).prop_map(|files| {
        let file = |(rest, content): (_, Vec<u8>)| File {
            path: Path { base: Base::Root, rest },
            content: content.leak(),
            origin: POLICY,
        };
        files.into_iter().map(file).collect()
    })
}

/// Some of the sample's rules, with other ports, lines and lists.
fn network() -> impl Strategy<Value = Network<'static>> {
    let rules = list((any::<bool>(), 1u16..600, 0u16..400, origin()), 8);
    option::of((rules, list(any::<(u8, bool)>(), 0..4))).prop_map(|some| {
        let (Some((rules, listens)), Network::Gateway(mut of)) = (some, network_of_sample()) else {
            return Network::None;
        };
        let kept = of.rules.into_iter().zip(&rules).filter(|(_, (keep, ..))| *keep);
        of.rules = kept
            .map(|(mut rule, &(_, first, more, origin))| {
                rule.ports = [(first, first), (first + 2, first + 2 + more)].to_vec();
                rule.origin = origin;
                rule
            })
            .collect();
        let inspected = of.rules.first().is_some_and(|rule| rule.protocol == Protocol::Https);
        of.trust = of.trust.filter(|_| inspected);
        of.java_trust = of.java_trust.filter(|_| inspected);
        let listens: BTreeMap<u8, bool> = listens.into_iter().collect();
        let listen = |(port, datagrams)| Listen {
            protocol: if datagrams { Protocol::Udp } else { Protocol::Tcp },
            v4: (port % 3 != 0).then_some([127, port, 0, 1]),
            v6: port % 3 != 1,
            port: u16::from(port) + 1,
            inside: u16::from(port) + 2,
            origin: LINE,
        };
        of.listens = listens.into_iter().map(listen).collect();
        Network::Gateway(of)
    })
}

fn limit<T: core::fmt::Debug + 'static>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<Limit<T>>> {
    option::of((value, origin()).prop_map(|(value, origin)| Limit { value, origin }))
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        prop_oneof![Just(Hold::Best), Just(Hold::Cgroup)],
        limit(1u64 << 20..=1 << 50),
        limit(1u32..=1 << 22),
        limit(1u32..=819_200),
        limit(1u64..=31_622_400_000),
        limit(16u32..=1 << 20),
        (limit(0u64..=1 << 50), limit(1u64..=8192), limit(10u64..=31_622_400_000)),
        (limit(1u64 << 10..=1 << 50), limit(1u64..=10_000), limit(0u64..=1 << 50), limit(0u64..=1 << 50)),
    )
        .prop_map(|(hold, memory_bytes, pids, cpu_percent, wall_ms, files, more, io)| Limits {
            hold,
            memory_bytes,
            swap_bytes: more.0.filter(|_| memory_bytes.is_some()),
            pids,
            cpu_percent,
            wall_ms,
            files,
            cpuset: more.1,
            cpu_time_ms: more.2,
            io_bytes_per_s: io.0,
            io_weight: io.1,
            output_bytes: io.2,
            file_bytes: io.3,
        })
}

fn env() -> impl Strategy<Value = Vec<Env<'static>>> {
    let value = prop_oneof![text("[ -~é]{0,20}").prop_map(Text::Literal), Just(Text::Param(2))];
    let names = btree_map(text("[A-Z_][A-Za-z0-9_]{0,6}"), option::of(value), 0..6);
    (names, option::of(text("[A-Z]{1,3}_"))).prop_map(|(names, prefix)| {
        let rule = |(name, value)| match value {
            Some(value) => Env::Set { name, value },
            None => Env::Pass { name },
        };
        names.into_iter().map(rule).chain(prefix.map(|prefix| Env::PassPrefix { prefix })).collect()
    })
}

fn identity() -> impl Strategy<Value = Identity<'static>> {
    let id = || 1u32..u32::MAX;
    let cwd = text("([a-z]{1,3}(/[a-z]{1,3})?)?").prop_map(|rest| Path { base: Base::Param(0), rest });
    (id(), id(), text("[a-z0-9.-]{1,64}"), option::of((cwd, origin())), 0u64..1 << 41, origin()).prop_map(
        |(uid, gid, hostname, cwd, capabilities, origin)| Identity {
            uid,
            gid,
            hostname,
            cwd,
            capabilities,
            keyring: crate::Keyring::Unreachable,
            terminal: None,
            write_execute_denied: None,
            mount_table: crate::MountTable::Hidden,
            origin,
        },
    )
}

fn filters() -> impl Strategy<Value = Vec<Filter<'static>>> {
    // `ret` of any action that needs no listener, as often as may be, then the sample's program.
    list(prop_oneof![Just(0x7fff_0000), Just(0x8000_0000), 0x0005_0001u32..=0x0005_0fff], 0..600).prop_map(
        |actions| {
            let mut program = PROGRAM.to_vec();
            for action in actions {
                program.extend_from_slice(&[6, 0, 0, 0]);
                program.extend_from_slice(&action.to_le_bytes());
            }
            let program: &[u8] = program.leak();
            let filter = |arch| Filter {
                arch,
                listener: Listener::None,
                program,
                kills: &[9, 0, 0, 0, 0, 0],
                origin: POLICY,
            };
            [Arch::X86_64, Arch::Aarch64].map(filter).to_vec()
        },
    )
}

fn plan() -> impl Strategy<Value = Plan<'static>> {
    let head =
        (any::<(u16, u16)>(), 0..=LANDLOCK_ABI_MAX, text("[a-zé-]{1,8}"), any::<u16>(), any::<[u8; 32]>());
    let tail = (list(text("[ -~é]{0,8}"), 0..4), text("[ -~]{0,200}"), any::<(u32, u32)>());
    let files = (files(), network());
    (head, params(), identity(), mounts(), denies(), files, limits(), filters(), env(), tail).prop_map(
        |(head, params, identity, mounts, denies, (files, network), limits, filters, env, tail)| {
            let (kernel_min, landlock_abi_min, name, edition, sha256) = head;
            let (command, line_text, (line, column)) = tail;
            let place = |text| Origin { file: "a.msb", line: line.max(1), column: column.max(1), text };
            Plan {
                target: Target { kernel_min, landlock_abi_min, tier_min: crate::Tier::Full, origin: POLICY },
                policy: PolicyId { name, edition, sha256, origin: POLICY },
                params,
                identity,
                mounts,
                denies,
                searches: super::sample::plan().searches.into_iter().filter(|_| line % 3 == 0).collect(),
                files,
                claims: super::sample::plan().claims.into_iter().filter(|_| line % 2 == 0).collect(),
                network,
                limits,
                filters,
                env,
                command,
                origins: [place("policy a {"), place(line_text)].to_vec(),
            }
        },
    )
}

proptest! {
    #[test]
    fn decode_after_encode_is_the_same_plan(plan in plan()) {
        let bytes = encode(&plan).expect("a valid plan");
        let checked = decode(&bytes).expect("a plan");
        prop_assert_eq!(checked.plan(), &plan);
        prop_assert_eq!(encode(checked.plan()).expect("the same plan"), bytes);
    }

    #[test]
    fn no_byte_string_panics(bytes in list(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let _ = crate::event::decode_event(&bytes);
    }

    /// With a header that fits, so that the body is looked at; what is read is written back the same.
    #[test]
    fn no_body_panics(body in list(prop_oneof![any::<u8>(), 0u8..4], 0..400)) {
        let length = u32::try_from(body.len()).expect("400").to_le_bytes();
        let framed = [&MAGIC[..], &FORMAT.to_le_bytes(), &[0; 2], &length, &checksum(&body), &body].concat();
        if let Ok(checked) = decode(&framed) {
            prop_assert_eq!(encode(checked.plan()).expect("the same plan"), framed);
        }
    }

    /// A valid plan with a few bytes changed reaches deeper than arbitrary bytes do.
    #[test]
    fn no_change_of_a_plan_panics(plan in plan(), changes in list(any::<(u16, u8)>(), 1..4)) {
        let bytes = encode(&plan).expect("a valid plan");
        let mut body = bytes[crate::HEADER_BYTES..].to_vec();
        for (at, byte) in changes {
            let at = usize::from(at) % body.len();
            body[at] = byte;
        }
        let length = u32::try_from(body.len()).expect("short").to_le_bytes();
        let framed = [&MAGIC[..], &FORMAT.to_le_bytes(), &[0; 2], &length, &checksum(&body), &body].concat();
        if let Ok(checked) = decode(&framed) {
            prop_assert_eq!(encode(checked.plan()).expect("the same plan"), framed);
        }
    }
}
