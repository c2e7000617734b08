//! Each layer holds something that no other does: with it taken out of a plan, and nothing else changed, probes get through
//! that are blocked with it. A probe that is blocked for another reason than its own would show here.

use msb_plan::{Base, Limits, Links, Mount, MountKind, MountTable, Path, Plan, Presence, Rights};
use msb_testkit::{Account, Battery, Finding, Need, Verdict, accounts, skip};
use std::fs;
use std::path::Path as HostPath;

/// The strictest example.
const POLICY: &str = include_str!("../../../policy-lang/examples/hello-agent.msb");

/// One instruction: `BPF_RET`, `SECCOMP_RET_ALLOW` (seccomp(2)).
const ALLOW: &[u8] = &[0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];

/// A layer, how it is taken out, and what it alone holds.
struct Layer {
    name: &'static str,
    /// Where the policy does not ask for it.
    with: fn(&mut Plan<'static>),
    without: fn(&mut Plan<'static>),
    /// Root's files are not the sandbox's user's: what a user is kept from by this layer, root is by its owner as well.
    holds_root: bool,
    /// Before the launcher: Landlock is in no plan.
    before: &'static [&'static str],
    probes: &'static [&'static str],
}

/// landlock_create_ruleset(2), 444 everywhere, fails with `ENOSYS` for what is executed: a kernel without Landlock.
const WITHOUT_LANDLOCK: &str = "\
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
steps = ((0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7fff0000))
program = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in steps))
header = struct.pack('HxxxxxxQ', len(steps), ctypes.addressof(program))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, header, 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
";

const LAYERS: &[Layer] = &[
    Layer {
        name: "filter",
        with: as_it_is,
        without: allow_all,
        holds_root: true,
        before: &[],
        probes: &[
            "syscalls.keyctl",
            "syscalls.add_key",
            "syscalls.personality",
            "syscalls.ptrace_own_child",
            "syscalls.process_vm_readv_surface",
            "syscalls.ioctl_tiocsetd",
            "syscalls.obsolete",
            "syscalls.aio",
            "syscalls.kcmp",
            "syscalls.mempolicy",
            "ipc.sysv_surface",
            "net.netlink_route",
            "fs.memfd_exec",
            "fs.ws_setuid_bit",
        ],
    },
    Layer {
        name: "denies",
        with: as_it_is,
        without: |plan| {
            plan.denies.clear();
            plan.searches.clear();
        },
        holds_root: true,
        before: &[],
        probes: &[
            "fs.persist_git_hook",
            "fs.persist_git_config",
            "fs.persist_vscode",
            "fs.persist_shellrc",
            "fs.persist_bare_repository",
            "fs.persist_where_present",
            "fs.persist_through_link",
            "fs.rename_denied_ancestor",
            "fs.hardlink_denied",
            "fs.fd_reopen_denied",
        ],
    },
    Layer {
        name: "what is mounted",
        with: as_it_is,
        without: |plan| show(plan, "tmp", Rights::READ.union(Rights::WRITE)),
        holds_root: true,
        before: &[],
        probes: &["fs.host_tmp_shared"],
    },
    Layer {
        name: "mounts that run nothing",
        with: as_it_is,
        without: |plan| {
            for mount in &mut plan.mounts {
                if let MountKind::Bind { rights, .. } | MountKind::Scratch { rights, .. } = &mut mount.kind {
                    *rights = rights.union(Rights::RUN);
                }
            }
        },
        holds_root: true,
        before: &[],
        probes: &["util.ws_exec"],
    },
    Layer {
        name: "capabilities",
        with: as_it_is,
        without: |plan| plan.identity.capabilities = 1 << NET_RAW,
        holds_root: true,
        before: &[],
        probes: &["caps.capeff_zero", "caps.capprm_zero", "caps.capbnd_zero", "caps.capamb_zero"],
    },
    Layer {
        name: "the hidden table of mounts",
        with: as_it_is,
        without: |plan| plan.identity.mount_table = MountTable::Shown,
        holds_root: true,
        before: &[],
        probes: &["fs.mountinfo_host_paths", "proc.mounts_other_names"],
    },
    Layer {
        name: "the filter and the hidden table, either of which holds user namespaces",
        with: as_it_is,
        without: |plan| {
            allow_all(plan);
            plan.identity.mount_table = MountTable::Shown;
        },
        holds_root: true,
        before: &[],
        probes: &["namespaces.unshare_user", "namespaces.clone_user", "namespaces.clone3_user"],
    },
    Layer {
        name: WRITE_EXECUTE,
        with: |plan| plan.identity.write_execute_denied = Some(plan.policy.origin),
        without: as_it_is,
        holds_root: true,
        before: &[],
        probes: &["syscalls.write_then_execute"],
    },
    Layer {
        name: "limits",
        with: as_it_is,
        without: |plan| plan.limits = Limits { wall_ms: plan.limits.wall_ms, ..Limits::default() },
        holds_root: true,
        before: &[],
        probes: &["dos.fork_limit", "dos.nofile_limit"],
    },
    Layer {
        name: "Landlock",
        with: as_it_is,
        without: as_it_is,
        holds_root: false,
        before: &["/usr/bin/python3", "-c", WITHOUT_LANDLOCK],
        probes: &["fs.stdin_reopen_write"],
    },
];

const WRITE_EXECUTE: &str = "memory that is written and executed";

/// CAP_NET_RAW of capabilities(7).
const NET_RAW: u32 = 13;

fn allow_all(plan: &mut Plan<'static>) {
    for filter in &mut plan.filters {
        (filter.program, filter.kills) = (ALLOW, &[]);
    }
}

fn as_it_is(_: &mut Plan<'static>) {}

/// Shows a place of the host in the place of what the plan has there.
fn show(plan: &mut Plan<'static>, place: &'static str, rights: Rights) {
    let target = Path { base: Base::Root, rest: place };
    let origin = plan.policy.origin;
    plan.mounts.retain(|mount| mount.target != target);
    let kind = MountKind::Bind { source: target, rights, links: Links::Follow };
    plan.mounts.push(Mount { target, kind, presence: Presence::Required, origin });
}

/// Runs the probes of `layer` with it, or without.
fn run(account: Account, layer: &Layer, is_out: bool) -> Vec<Finding> {
    let battery = Battery::new(account);
    let file = battery.workspace().compile(POLICY);
    let bytes: &'static [u8] = fs::read(&file).expect("a plan").leak();
    let mut plan = msb_plan::decode(bytes).expect("it is one").into_plan();
    let change = if is_out { layer.without } else { layer.with };
    change(&mut plan);
    fs::write(&file, msb_plan::encode(&plan).expect("it is still one")).expect("written");
    let before = if is_out { layer.before } else { &[] };
    let findings = battery.run_plan(before, &file, HostPath::new("/work"), layer.probes);
    let _ = battery.end();
    findings
}

/// Whether this kernel has what the probes of `layer` try.
fn is_known(account: Account, layer: &Layer) -> bool {
    let battery = Battery::new(account);
    let absent = |finding: &Finding| finding.verdict == Verdict::Absent;
    let known = layer.name != WRITE_EXECUTE || !battery.run_unconfined(layer.probes).iter().any(absent);
    let _ = battery.end();
    if !known {
        skip(Need::Linux63, "PR_SET_MDWE came with Linux 6.3");
    }
    known
}

#[test]
fn without_its_layer_a_probe_gets_through() {
    let mut wrong = Vec::new();
    for account in accounts() {
        for layer in LAYERS {
            if account.is_root() && !layer.holds_root || !is_known(account, layer) {
                continue;
            }
            for is_out in [false, true] {
                let findings = run(account, layer, is_out);
                assert_eq!(findings.len(), layer.probes.len(), "{}: every probe is a row", layer.name);
                for finding in findings {
                    if (finding.verdict == Verdict::Allowed) != is_out {
                        let with = if is_out { "without" } else { "with" };
                        wrong.push(format!(
                            "{account:?}, {with} {}: {}: {:?}, {}",
                            layer.name, finding.row.id, finding.verdict, finding.detail
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
