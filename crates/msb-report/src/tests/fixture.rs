//! A plan with a line for each kind of thing, and its source.

use crate::{Context, Report, explain};
use msb_diag::Sources;
use msb_plan::event::{Event, Failure, Step};
use msb_plan::{
    Arch, Base, Deny, File, Filter, Hold, Identity, Limit, Limits, Links, Listener, Missing, Mount,
    MountKind, Origin, OriginId, Param, ParamKind, Path, Plan, PolicyId, Presence, Rights, Target,
};

/// The policy's file, one line for each origin from line 3 on.
pub(super) const SOURCE: &str = "\
edition 2026

policy agent(workspace: dir, key: file, tag: string) {
  fs {
    read /usr, /opt/tools
    write $workspace/src at /work
    read ~/.config
    deny write $workspace/.git
  }
  limits { memory 512MiB  pids 64  cpu 50%  wall 1min30s  files 256 }
  exec { cwd /work/src }
}
";

/// The file's lines that the plan points to, each at its first character.
const LINES: [(u32, u32); 8] = [(3, 1), (5, 5), (6, 5), (7, 5), (8, 5), (10, 12), (11, 10), (3, 14)];

pub(super) const POLICY: OriginId = OriginId(0);
pub(super) const READ: OriginId = OriginId(1);
pub(super) const WRITE: OriginId = OriginId(2);
pub(super) const HOME: OriginId = OriginId(3);
pub(super) const DENY: OriginId = OriginId(4);
pub(super) const LIMITS: OriginId = OriginId(5);
pub(super) const CWD: OriginId = OriginId(6);
pub(super) const PARAM: OriginId = OriginId(7);

pub(super) fn plan() -> Plan<'static> {
    let line = |(line, column): (u32, u32)| {
        let text = SOURCE.lines().nth(line as usize - 1).expect("a line");
        Origin { file: "agent.msb", line, column, text: text[column as usize - 1..].trim() }
    };
    let root = |rest| Path { base: Base::Root, rest };
    let bind = |target, source, origin| Mount {
        target,
        kind: MountKind::Bind { source, rights: Rights::READ, links: Links::Follow },
        presence: Presence::Required,
        origin,
    };
    let param = |name, kind, default| Param { name, kind, default, origin: PARAM };
    let workspace = |rest| Path { base: Base::Param(0), rest };
    Plan {
        target: Target {
            kernel_min: (5, 12),
            landlock_abi_min: 0,
            tier_min: msb_plan::Tier::Full,
            origin: OriginId(0),
        },
        policy: PolicyId { name: "agent", edition: 2026, sha256: [0; 32], origin: POLICY },
        params: vec![
            param("workspace", ParamKind::Dir, None),
            param("key", ParamKind::File, Some("/etc/key")),
            param("tag", ParamKind::Text, Some("latest")),
        ],
        identity: Identity {
            uid: 1000,
            gid: 1000,
            hostname: "sandbox",
            cwd: Some((root("work/src"), CWD)),
            capabilities: 0,
            keyring: msb_plan::Keyring::New,
            terminal: None,
            write_execute_denied: None,
            mount_table: msb_plan::MountTable::Hidden,
            origin: POLICY,
        },
        mounts: vec![
            bind(root("usr"), root("usr"), READ),
            bind(root("opt/tools"), root("opt/tools"), READ),
            bind(root("work"), workspace("src"), WRITE),
            bind(
                Path { base: Base::Home, rest: ".config" },
                Path { base: Base::Home, rest: ".config" },
                HOME,
            ),
        ],
        denies: vec![Deny {
            path: workspace(".git"),
            rights: Rights::WRITE,
            missing: Missing::Fail,
            origin: DENY,
        }],
        searches: vec![],
        files: vec![File { path: root("etc/passwd"), content: b"", origin: POLICY }],
        claims: Vec::new(),
        network: msb_plan::network::Network::None,
        limits: Limits {
            hold: Hold::Best,
            memory_bytes: Some(Limit { value: 512 << 20, origin: LIMITS }),
            pids: Some(Limit { value: 64, origin: LIMITS }),
            cpu_percent: Some(Limit { value: 50, origin: LIMITS }),
            wall_ms: Some(Limit { value: 90_000, origin: LIMITS }),
            files: Some(Limit { value: 256, origin: LIMITS }),
            ..Limits::default()
        },
        filters: vec![Filter {
            arch: Arch::X86_64,
            listener: Listener::None,
            program: &[6, 0, 0, 0, 1, 0, 5, 0],
            kills: &[],
            origin: POLICY,
        }],
        env: Vec::new(),
        command: vec!["python3"],
        origins: LINES.map(line).to_vec(),
    }
}

pub(super) fn event(step: Step, errno: u16, origin: Option<OriginId>) -> Event {
    Event::Failed(Failure { step, origin, errno })
}

/// What is said of a failure when `--set` gave these.
pub(super) fn with(set: &[(&str, &str)], step: Step, errno: u16, origin: Option<OriginId>) -> Report {
    let params: Vec<(String, String)> = set.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    let context = Context { params: &params, home: Some("/home/u"), ..Context::default() };
    explain(&event(step, errno, origin), &plan(), &context).expect("a report")
}

/// Message and help of a failure with `--set workspace=/x/y`.
pub(super) fn said(step: Step, errno: u16, origin: Option<OriginId>) -> (String, String) {
    let report = with(&[("workspace", "/x/y")], step, errno, origin);
    (report.diagnostic.message, report.diagnostic.help.unwrap_or_default())
}

/// The policy's file as a compiler has it.
pub(super) fn sources() -> Sources {
    let mut sources = Sources::default();
    sources.add("other.msb", "edition 2026\n");
    sources.add("agent.msb", SOURCE);
    sources
}
