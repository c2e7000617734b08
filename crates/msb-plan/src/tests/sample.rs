//! A small valid plan that has one of everything.

use crate::network::{
    self, Action, Gateway, Listen, Mark, Methods, Network, Only, Peer, Protocol, Rate, Rule, Terms, Total,
    Trust,
};
use crate::{
    Arch, Base, Deny, Env, File, Filter, Hold, Identity, Limit, Limits, Links, Listener, Missing, Mount,
    MountKind, Origin, OriginId, Param, ParamKind, Path, Plan, PolicyId, Presence, ProcScope, Rights, Target,
    Text,
};
use alloc::{vec, vec::Vec};

/// The first line of the sample policy.
pub(super) const POLICY: OriginId = OriginId(0);
/// The one other line.
pub(super) const LINE: OriginId = OriginId(1);

/// `ld [4]; jeq #AUDIT_ARCH_X86_64, 1, 0; ret KILL_PROCESS; ret ERRNO(1)`.
pub(super) const PROGRAM: [u8; 32] = [
    0x20, 0, 0, 0, 4, 0, 0, 0, //
    0x15, 0, 1, 0, 0x3e, 0, 0, 0xc0, //
    0x06, 0, 0, 0, 0, 0, 0, 0x80, //
    0x06, 0, 0, 0, 1, 0, 5, 0, //
];

/// A path below `/`.
pub(super) const fn root(rest: &str) -> Path<'_> {
    Path { base: Base::Root, rest }
}

/// A plan that every check accepts.
pub(super) fn plan() -> Plan<'static> {
    Plan {
        target: Target {
            kernel_min: (5, 12),
            landlock_abi_min: 0,
            tier_min: crate::Tier::Full,
            origin: POLICY,
        },
        policy: PolicyId { name: "agent", edition: 2026, sha256: [7; 32], origin: POLICY },
        params: params(),
        identity: Identity {
            uid: 1000,
            gid: 1000,
            hostname: "sandbox",
            cwd: Some((Path { base: Base::Param(0), rest: "src" }, LINE)),
            capabilities: 1 << 10,
            keyring: crate::Keyring::New,
            terminal: None,
            write_execute_denied: None,
            mount_table: crate::MountTable::Hidden,
            origin: POLICY,
        },
        mounts: mounts(),
        denies: vec![Deny {
            path: Path { base: Base::Param(0), rest: ".git/hooks" },
            rights: Rights::WRITE,
            missing: Missing::MaskDir,
            origin: LINE,
        }],
        searches: vec![crate::Search {
            root: Path { base: Base::Param(0), rest: "" },
            depth: 3,
            beside: ".git",
            rest: ".git/hooks",
            rights: Rights::WRITE,
            missing: Missing::MaskDir,
            origin: LINE,
        }],
        files: vec![File {
            path: root("etc/passwd"),
            content: b"agent:x:1000:1000::/:/bin/sh\n",
            origin: POLICY,
        }],
        claims: vec![crate::Claim {
            path: Path { base: Base::Param(0), rest: ".git/hooks" },
            right: Rights::WRITE,
            extent: crate::Extent::Below,
            expected: crate::Expected::Denied,
            origin: LINE,
        }],
        network: network(),
        limits: limits(),
        filters: vec![Filter {
            arch: Arch::X86_64,
            listener: Listener::None,
            program: &PROGRAM,
            kills: &[101, 0, 0, 0, 0, 0, 165, 0, 0, 0, 1, 0],
            origin: POLICY,
        }],
        env: vec![
            Env::Pass { name: "TERM" },
            Env::PassPrefix { prefix: "LC_" },
            Env::Set { name: "HOME", value: Text::Literal("/work") },
            Env::Set { name: "VERSION", value: Text::Param(2) },
        ],
        command: vec!["python3", "-I"],
        origins: vec![
            Origin { file: "agent.msb", line: 3, column: 1, text: "policy agent(" },
            Origin { file: "std.base", line: 400, column: 5, text: "write $workspace at /work" },
        ],
    }
}

/// `NFNL_MSG_BATCH_BEGIN`, one message of nf_tables without attributes, `NFNL_MSG_BATCH_END`.
pub(super) const BATCH: [u8; 60] = {
    let mut batch = [0; 60];
    let kinds: [[u8; 2]; 3] = [[16, 0], [0, 10], [17, 0]];
    let mut index = 0;
    while index < 3 {
        batch[index * 20] = 20;
        batch[index * 20 + 4] = kinds[index][0];
        batch[index * 20 + 5] = kinds[index][1];
        index += 1;
    }
    batch
};

/// A rule of each kind of peer.
pub(super) fn network() -> Network<'static> {
    let allow = |protocol, peer, terms| Rule {
        action: Action::Allow,
        protocol,
        peer,
        ports: vec![(443, 443), (8000, 8099)],
        terms,
        origin: LINE,
    };
    let plain = Terms::default;
    let name = Peer::Name { name: "api.example.org", address: [198, 18, 1, 0] };
    let rate = Some(Rate { count: 10, period_us: 60_000_000, burst: 5 });
    let limits = network::Limits { rate, connections: Some(3), ..network::Limits::default() };
    let only = Some(Only { methods: Methods(3), paths: vec!["/v1/*"] });
    let private = Rule { action: Action::Deny, ..allow(Protocol::Tcp, Peer::Private, plain()) };
    Network::Gateway(Gateway {
        batch: &BATCH,
        refusals: &BATCH,
        marks: vec![Mark { offset_bytes: 20, origin: LINE }],
        rules: vec![
            allow(Protocol::Https, name, Terms { inject: Some(4), only, limits, ..plain() }),
            allow(Protocol::Tls, Peer::Below("example.net"), plain()),
            allow(Protocol::Tcp, Peer::V4 { first: [93, 184, 216, 0], bits: 24 }, plain()),
            allow(Protocol::Udp, Peer::V6 { first: [0x20; 16], bits: 128 }, plain()),
            allow(Protocol::Tcp, Peer::Param { index: 3, address: [198, 18, 1, 1] }, plain()),
            allow(Protocol::Http, Peer::Any, plain()),
            allow(Protocol::Tcp, Peer::Host, plain()),
            private,
        ],
        totals: vec![Total { limits, origin: LINE }],
        listens: vec![Listen {
            protocol: Protocol::Tcp,
            v4: Some([127, 0, 0, 1]),
            v6: true,
            port: 8080,
            inside: 8080,
            origin: LINE,
        }],
        trust: Some(Trust { file: "etc/ca.pem", places: vec!["usr/ca.pem"] }),
        java_trust: Some(Trust { file: "etc/ca.jks", places: vec!["usr/ca.jks"] }),
        claims: vec![network::Claim {
            protocol: Protocol::Https,
            peer: Peer::Param { index: 3, address: [0; 4] },
            ports: vec![(443, 443)],
            expected: crate::Expected::Allowed,
            origin: LINE,
        }],
        origin: LINE,
    })
}

fn params() -> Vec<Param<'static>> {
    vec![
        Param { name: "workspace", kind: ParamKind::Dir, default: None, origin: POLICY },
        Param { name: "key", kind: ParamKind::File, default: Some("/etc/key"), origin: POLICY },
        Param { name: "version", kind: ParamKind::Text, default: Some("3.12"), origin: POLICY },
        Param { name: "mirror", kind: ParamKind::Host, default: Some("mirror.example"), origin: POLICY },
        Param { name: "token", kind: ParamKind::Secret, default: None, origin: POLICY },
    ]
}

fn mounts() -> Vec<Mount<'static>> {
    let mount = |target, kind| Mount { target, kind, presence: Presence::Required, origin: LINE };
    let write = Rights::READ.union(Rights::WRITE);
    vec![
        mount(
            root("usr"),
            MountKind::Bind {
                source: root("usr"),
                rights: Rights::READ.union(Rights::RUN),
                links: Links::Follow,
            },
        ),
        mount(
            root("work"),
            MountKind::Bind {
                source: Path { base: Base::Param(0), rest: "" },
                rights: write,
                links: Links::Follow,
            },
        ),
        mount(
            Path { base: Base::Param(1), rest: "" },
            MountKind::Bind {
                source: Path { base: Base::Param(1), rest: "" },
                rights: Rights::READ,
                links: Links::Follow,
            },
        ),
        mount(root("tmp"), MountKind::Scratch { size_bytes: 1 << 20, inodes: 100, rights: write }),
        mount(root("proc"), MountKind::Proc(ProcScope::Processes)),
        mount(root("dev"), MountKind::Dev { shm_bytes: 1 << 26 }),
    ]
}

fn limits() -> Limits {
    Limits {
        hold: Hold::Best,
        memory_bytes: Some(Limit { value: 2 << 30, origin: LINE }),
        pids: Some(Limit { value: 64, origin: LINE }),
        cpu_percent: Some(Limit { value: 150, origin: LINE }),
        wall_ms: Some(Limit { value: 120_000, origin: LINE }),
        files: Some(Limit { value: 256, origin: LINE }),
        ..Limits::default()
    }
}
