//! The probes themselves: each row has one, and each can fail.

use msb_testkit::{Account, Battery, Expected, Verdict, checklist, probe_ids};
use std::collections::BTreeSet;

/// Rows that no unconfined process, root as it may be, shows as allowed on some machines, and why.
const CANNOT_FAIL: &[(&str, &str)] = &[
    ("proc.sysrq_write", "a kernel without CONFIG_MAGIC_SYSRQ has no sysrq-trigger"),
    ("proc.modprobe_write", "a kernel without modules has no such sysctl"),
    ("proc.binfmt_misc_register", "binfmt_misc is not mounted everywhere"),
    ("proc.uevent_helper", "a kernel without CONFIG_UEVENT_HELPER has no such file"),
    ("proc.timer_list", "a kernel without CONFIG_PROC_FS timers has none"),
    ("proc.slabinfo", "a kernel without CONFIG_SLUB_DEBUG has none"),
    ("proc.kcore_read", "a kernel without CONFIG_PROC_KCORE, or one that is locked down, has none"),
    ("proc.debugfs_tracefs", "neither is mounted in small systems"),
    ("proc.user_sysctl_write", "the files belong to CAP_SYS_RESOURCE, which root can lack in a container"),
    ("proc.cgroupfs_write", "a container's cgroup mount is read-only"),
    ("proc.init_environ", "process 1 of the host is left alone"),
    ("proc.init_root", "process 1 of the host is left alone"),
    ("proc.init_exe_open", "process 1 of the host is left alone"),
    ("proc.init_mem", "process 1 of the host is left alone"),
    ("proc.init_ptrace", "process 1 of the host is left alone"),
    ("proc.init_fds", "process 1 of the host is left alone"),
    ("syscalls.pidfd_getfd_init", "process 1 of the host is left alone"),
    ("syscalls.seccomp_active", "a container runtime has its own filter"),
    ("syscalls.kexec_load", "a kernel without CONFIG_KEXEC"),
    ("syscalls.init_module", "a kernel without modules"),
    ("syscalls.finit_module", "a kernel without modules"),
    ("syscalls.delete_module", "a kernel without modules"),
    ("syscalls.acct", "a kernel without CONFIG_BSD_PROCESS_ACCT"),
    ("syscalls.quotactl", "a kernel without CONFIG_QUOTACTL"),
    ("syscalls.userfaultfd", "a kernel without CONFIG_USERFAULTFD"),
    ("syscalls.io_uring", "kernel.io_uring_disabled may be 2"),
    ("syscalls.iopl_ioperm", "a kernel without CONFIG_X86_IOPL_IOPERM, or another architecture"),
    ("syscalls.x32_numbers", "few kernels have CONFIG_X86_X32_ABI"),
    ("syscalls.i386_int80", "a kernel without CONFIG_IA32_EMULATION, or another architecture"),
    ("syscalls.i386_program", "a kernel without CONFIG_IA32_EMULATION, or another architecture"),
    ("syscalls.modify_ldt", "a kernel without CONFIG_MODIFY_LDT_SYSCALL, or another architecture"),
    ("syscalls.prctl_set_mm", "it belongs to CAP_SYS_RESOURCE, which root can lack in a container"),
    ("namespaces.own_time", "a kernel without CONFIG_TIME_NS"),
    ("namespaces.unshare_time", "a kernel without CONFIG_TIME_NS"),
    ("devices.mem_port", "a kernel without CONFIG_DEVMEM"),
    ("devices.kvm", "not every machine has it"),
    ("devices.fuse", "not every machine has it"),
    ("devices.net_tun", "not every machine has it"),
    ("devices.loop_control", "not every machine has it"),
    ("devices.gpu_input", "not every machine has one"),
    ("devices.vsock", "not every machine has it"),
    ("devices.userfaultfd", "since Linux 6.1, where configured"),
    ("devices.uinput", "not every machine has it"),
    ("devices.console", "not every machine has one"),
    ("devices.host_devpts", "not every machine has it mounted"),
    ("ipc.posix_mqueue", "a kernel without CONFIG_POSIX_MQUEUE"),
    ("ipc.container_sockets", "no container engine runs here"),
    ("ipc.signal_everyone", "the host's processes are left alone"),
    ("net.host_lo_tcp6", "not every machine has IPv6"),
    ("net.route_internet4", "not every machine has a route"),
    ("net.route_internet6", "not every machine has a route"),
    ("net.route_metadata", "not every machine has a route"),
    ("net.route_rfc1918", "not every machine has a route"),
    ("net.dns_route", "not every machine has a route"),
    ("net.non_lo_interfaces", "not every machine has one"),
    ("net.raw_icmp6", "not every machine has IPv6"),
    ("net.vsock", "the family may be absent"),
    ("net.vsock_high_bits", "the family may be absent"),
    ("net.alg", "the family may be absent"),
    ("net.alg_high_bits", "the family may be absent"),
    ("net.bluetooth", "the family may be absent"),
    ("net.obscure_families", "the families may be absent"),
    ("dos.cpu_bandwidth", "one CPU, or one that is shared"),
    ("dos.nofile_limit", "the hard limit may be lower already"),
    ("dos.realtime_scheduler", "RT group scheduling may give this cgroup no time"),
    ("lifecycle.kill_init", "process 1 of the host is left alone"),
    ("lifecycle.stdio_is_no_tty", "the harness gives pipes: it is the launcher that must not add terminals"),
    ("lifecycle.reparent_to_init", "the host's init reaps"),
    ("leak.machine_identity", "all of these files can be missing"),
];

#[test]
fn each_row_has_one_probe_and_each_probe_one_row() {
    let rows: Vec<String> = checklist().into_iter().map(|row| row.id).collect();
    let unique: BTreeSet<&String> = rows.iter().collect();
    assert_eq!(rows.len(), unique.len(), "an id stands twice in checklist.tsv");
    let probes = probe_ids();
    let probes: BTreeSet<&String> = probes.iter().collect();
    assert_eq!(unique, probes);
    for (id, _) in CANNOT_FAIL {
        assert!(rows.iter().any(|row| row == id), "CANNOT_FAIL names `{id}`, which is no row");
    }
}

/// Without a sandbox, as root, what should be blocked is not: a probe that says "blocked" here proves nothing there.
#[test]
fn probes_get_through_where_nothing_holds_them() {
    let Some(root) = Account::root() else { return };
    let battery = Battery::new(root);
    let categories: BTreeSet<String> = checklist().iter().map(|row| row.category().to_owned()).collect();
    let categories: Vec<&str> = categories.iter().map(String::as_str).collect();
    let findings = battery.run_unconfined(&categories);
    assert_eq!(findings.len(), checklist().len());

    let mut unproved = Vec::new();
    let mut proved = 0;
    for finding in &findings {
        let id = finding.row.id.as_str();
        let line = || format!("{id}: {:?}, {}", finding.verdict, finding.detail);
        match (finding.row.expected, finding.verdict) {
            (_, Verdict::Allowed) => proved += 1,
            (Expected::Blocked, _) if CANNOT_FAIL.iter().any(|(row, _)| *row == id) => println!("{}", line()),
            _ => unproved.push(line()),
        }
    }
    assert!(unproved.is_empty(), "not allowed without a sandbox:\n{}", unproved.join("\n"));
    assert!(
        proved * 100 >= findings.len() * 75,
        "only {proved} of {} are proved to be able to fail",
        findings.len()
    );

    let visits = battery.end();
    assert!(visits.signals > 0 && visits.streams > 0 && visits.datagrams > 0, "{visits:?}");
}
