mod peers;

use std::collections::BTreeSet;

use crate::*;

/// The crate's iterator leaves out its last call, so numbers are asked for one by one.
#[test]
fn numbers_agree_with_the_crate_syscalls() {
    // The last two came after that crate: tests/peers.rs holds them against another table.
    for nr in (0..2048u32).filter(|nr| ![470, 471].contains(nr)) {
        let theirs = syscalls::x86_64::Sysno::new(nr as usize).map(|call| call.name());
        assert_eq!(by_number(Arch::X86_64, nr).map(|call| call.name), theirs, "x86_64 {nr}");
        // 403 to 423 are of 32-bit architectures (`32` in scripts/syscall.tbl); that crate lists them all the same.
        let of_64_bits = !(403..=423).contains(&nr);
        let theirs =
            syscalls::aarch64::Sysno::new(nr as usize).filter(|_| of_64_bits).map(|call| match call.name() {
                "fstatat" => "newfstatat", // as scripts/syscall.tbl has called it since Linux 6.11
                name => name,
            });
        assert_eq!(by_number(Arch::Aarch64, nr).map(|call| call.name), theirs, "aarch64 {nr}");
    }
}

#[test]
fn calls_are_found_by_name_and_number() {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for call in all(arch) {
            assert_eq!(find(arch, call.name), Some(call));
            assert_eq!(by_number(arch, call.nr), Some(call));
        }
        assert_eq!(highest(arch), 471, "rseq_slice_yield is the newest call of Linux 7.1");
        assert_eq!(by_number(arch, 472), None);
        assert_eq!(by_number(arch, u32::MAX), None);
        assert_eq!(find(arch, "reed"), None);
    }
    assert_eq!(by_number(Arch::X86_64, 512), None, "512 to 547 are x32's");
    assert_eq!(find(Arch::X86_64, "openat").map(|call| call.nr), Some(257));
    assert_eq!(find(Arch::Aarch64, "openat").map(|call| call.nr), Some(56));
    assert_eq!(find(Arch::Aarch64, "open"), None);
}

/// What the kernel truncates, by hand from the SYSCALL_DEFINE lines of Linux 6.18.
#[test]
fn widths_are_those_that_the_kernel_looks_at() {
    let cases = [
        ("socket", "domain", Bits::B32),
        ("socket", "type", Bits::B32),
        ("socket", "protocol", Bits::B32),
        ("socketpair", "domain", Bits::B32),
        ("ioctl", "fd", Bits::B32),
        ("ioctl", "cmd", Bits::B32),
        ("ioctl", "arg", Bits::B64),
        ("fcntl", "cmd", Bits::B32),
        ("fcntl", "arg", Bits::B64),
        ("prctl", "option", Bits::B32),
        ("prctl", "arg2", Bits::B64),
        ("prctl", "arg5", Bits::B64),
        ("personality", "persona", Bits::B32),
        ("openat", "dfd", Bits::B32),
        ("openat", "flags", Bits::B32),
        ("openat", "mode", Bits::B16),
        ("chmod", "mode", Bits::B16),
        ("mmap", "prot", Bits::B64),
        ("mmap", "flags", Bits::B64),
        ("mmap", "len", Bits::B64),
        ("mmap", "fd", Bits::B32),
        ("mprotect", "prot", Bits::B64),
        ("clone", "flags", Bits::B32),
        ("unshare", "flags", Bits::B64),
        ("setns", "nstype", Bits::B32),
        ("madvise", "behavior", Bits::B32),
        ("kill", "pid", Bits::B32),
        ("kill", "sig", Bits::B32),
        ("lseek", "offset", Bits::B64),
        ("lseek", "whence", Bits::B32),
        ("preadv2", "fd", Bits::B32),
        ("mount", "flags", Bits::B64),
        ("umount2", "flags", Bits::B32),
        ("ptrace", "request", Bits::B64),
        ("keyctl", "option", Bits::B32),
        ("futex", "op", Bits::B32),
        ("perf_event_open", "flags", Bits::B64),
        ("bpf", "cmd", Bits::B32),
        ("setuid", "uid", Bits::B32),
        ("mbind", "mode", Bits::B32),
    ];
    for (call, arg, bits) in cases {
        let (_, kind) =
            find(Arch::X86_64, call).and_then(|call| call.arg(arg)).expect("a call with the argument");
        assert_eq!(kind.bits(), bits, "{call}({arg})");
    }
    for call in all(Arch::X86_64) {
        for arg in call.args.iter().filter(|arg| arg.name == "fd" || arg.name.ends_with("dfd")) {
            assert_eq!(arg.kind, Kind::Fd, "{call}: {}", arg.name);
        }
    }
}

#[test]
fn prototypes_have_the_names_that_people_filter_on() {
    let cases = [
        "socket(domain, type, protocol)",
        "socketpair(domain, type, protocol, sv)",
        "openat(dfd, filename, flags, mode)",
        "mmap(addr, len, prot, flags, fd, off)",
        "mprotect(start, len, prot)",
        "ioctl(fd, cmd, arg)",
        "prctl(option, arg2, arg3, arg4, arg5)",
        "clone(flags, newsp, parent_tidptr, child_tidptr, tls)",
        "personality(persona)",
        "fcntl(fd, cmd, arg)",
        "madvise(start, len, behavior)",
        "kill(pid, sig)",
        "unshare(flags)",
        "seccomp(operation, flags, args)",
        "getpid()",
        "rt_sigreturn()",
    ];
    for prototype in cases {
        let name = prototype.split('(').next().unwrap_or_default();
        assert_eq!(find(Arch::X86_64, name).map(ToString::to_string).as_deref(), Some(prototype));
    }
    let clone = find(Arch::Aarch64, "clone").map(ToString::to_string);
    assert_eq!(clone.as_deref(), Some("clone(flags, newsp, parent_tidptr, tls, child_tidptr)"));
}

#[test]
fn arguments_of_a_call_have_different_names_and_known_sets() {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for call in all(arch) {
            let names: BTreeSet<_> = call.args.iter().map(|arg| arg.name).collect();
            assert_eq!(names.len(), call.args.len(), "{call}");
            for arg in call.args {
                let Some(set) = arg.kind.set() else { continue };
                let set = constant_set(set).expect("the build script checks it");
                for member in set.members {
                    assert_eq!(member.value & !arg.kind.bits().mask(), 0, "{call}: {} fits", member.name);
                }
            }
        }
    }
}

macro_rules! agrees {
    ($set:literal: $($name:ident)+) => {
        $(
            let low = i128::from(libc::$name) & 0xffff_ffff;
            let ours = constant($set, stringify!($name)).map(i128::from);
            assert_eq!(ours, Some(low), "{} of {}", stringify!($name), $set);
        )+
    };
}

#[test]
fn constants_agree_with_the_crate_libc() {
    agrees!("address_family": AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_ALG AF_VSOCK AF_XDP AF_BLUETOOTH);
    agrees!("sock_type": SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_SEQPACKET SOCK_CLOEXEC SOCK_NONBLOCK);
    agrees!("ip_protocol": IPPROTO_TCP IPPROTO_UDP IPPROTO_ICMP IPPROTO_RAW IPPROTO_MPTCP NETLINK_ROUTE);
    agrees!("ioctl_cmd": TIOCSTI TIOCLINUX TIOCSETD TCGETS TIOCGWINSZ FIONREAD FIOCLEX TIOCSCTTY TUNSETIFF);
    agrees!("prctl_op": PR_SET_NAME PR_SET_MM PR_SET_NO_NEW_PRIVS PR_SET_SECCOMP PR_SET_DUMPABLE PR_SET_PTRACER);
    agrees!("prctl_op": PR_CAP_AMBIENT PR_SET_VMA PR_SET_TSC PR_SET_PDEATHSIG PR_SET_CHILD_SUBREAPER);
    agrees!("fcntl_cmd": F_DUPFD F_SETFL F_DUPFD_CLOEXEC F_ADD_SEALS F_OFD_SETLK F_SETPIPE_SZ F_SETOWN);
    agrees!("prot": PROT_READ PROT_WRITE PROT_EXEC);
    agrees!("map_flags": MAP_SHARED MAP_PRIVATE MAP_FIXED MAP_ANONYMOUS MAP_HUGETLB MAP_SYNC MAP_FIXED_NOREPLACE);
    agrees!("clone_flags": CLONE_VM CLONE_THREAD CLONE_NEWNS CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET CLONE_IO);
    agrees!("unshare_flags": CLONE_NEWTIME CLONE_NEWUSER CLONE_FILES);
    agrees!("open_flags": O_WRONLY O_RDWR O_CREAT O_TRUNC O_CLOEXEC O_PATH O_TMPFILE O_SYNC O_DIRECTORY O_NOFOLLOW);
    agrees!("madvise_advice": MADV_DONTNEED MADV_HUGEPAGE MADV_FREE MADV_POPULATE_READ);
    agrees!("signal": SIGKILL SIGSYS SIGCHLD SIGSTOP SIGIO SIGPOLL SIGABRT);
    agrees!("clock_id": CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_BOOTTIME CLOCK_TAI);
    agrees!("persona": ADDR_NO_RANDOMIZE READ_IMPLIES_EXEC UNAME26);
    agrees!("at_flags": AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH AT_REMOVEDIR);
    agrees!("mount_flags": MS_BIND MS_RDONLY MS_NOSUID MS_REC MS_PRIVATE);
    agrees!("fd": AT_FDCWD);
    agrees!("futex_op": FUTEX_WAIT FUTEX_LOCK_PI FUTEX_PRIVATE_FLAG FUTEX_CLOCK_REALTIME);
    agrees!("rlimit_resource": RLIMIT_NPROC RLIMIT_NOFILE RLIMIT_AS);
    agrees!("seccomp_op": SECCOMP_SET_MODE_FILTER);
    agrees!("memfd_flags": MFD_CLOEXEC MFD_EXEC MFD_NOEXEC_SEAL);
    agrees!("socket_option": SO_PEERCRED SO_BINDTODEVICE SO_ATTACH_FILTER SO_MARK);
    agrees!("ptrace_request": PTRACE_ATTACH PTRACE_SEIZE PTRACE_TRACEME);
    agrees!("keyctl_op": KEYCTL_READ KEYCTL_JOIN_SESSION_KEYRING);
}

#[test]
fn a_constant_belongs_to_its_set_only() {
    assert_eq!(constant("address_family", "O_RDONLY"), None);
    assert_eq!(constant("no_such_set", "AF_UNIX"), None);
    assert!(sets_with("O_RDONLY").contains(&"open_flags"));
    assert!(!sets_with("O_RDONLY").contains(&"address_family"));
    assert!(sets_with("NO_SUCH_CONSTANT").is_empty());
    assert!(constant_sets().len() > 50);
}

#[test]
fn flags_that_differ_between_architectures_are_in_different_sets() {
    let (_, kind) =
        find(Arch::Aarch64, "openat").and_then(|call| call.arg("flags")).expect("openat has flags");
    let set = kind.set().expect("a set");
    assert_eq!(constant(set, "O_DIRECTORY"), Some(0o40000));
    assert_eq!(constant("open_flags", "O_DIRECTORY"), Some(0o200_000));
}

#[test]
fn it_is_known_since_when_there_is_a_call() {
    let cases =
        [("read", "1.0"), ("openat", "2.6.16"), ("clone3", "5.3"), ("mseal", "6.10"), ("uprobe", "6.18")];
    for (name, version) in cases {
        assert_eq!(since(name), Some(version), "{name}");
    }
    let unknown: Vec<_> =
        all(Arch::X86_64).iter().map(|call| call.name).filter(|name| since(name).is_none()).collect();
    let nothing =
        ["getpmsg", "putpmsg", "afs_syscall", "tuxcall", "security", "epoll_ctl_old", "epoll_wait_old"];
    assert_eq!(unknown, [&nothing[..], &["vserver"]].concat());
    assert!(all(Arch::Aarch64).iter().all(|call| since(call.name).is_some()));
    let unknown: Vec<_> =
        all(Arch::I386).iter().map(|call| call.name).filter(|name| since(name).is_none()).collect();
    let nothing = [
        "break",
        "stty",
        "gtty",
        "ftime",
        "prof",
        "lock",
        "mpx",
        "ulimit",
        "profil",
        "idle",
        "afs_syscall",
        "getpmsg",
        "putpmsg",
        "vserver",
    ];
    assert_eq!(unknown, nothing);
}

/// Tables that libseccomp had (the first lines of its src/syscalls.csv), and what each has that the one before lacks.
const TABLES: &[((u32, u32), &str)] = &[
    ((5, 14), ""),
    ((5, 15), "process_mrelease"),
    ((5, 17), "futex_waitv set_mempolicy_home_node"),
    ((6, 2), ""),
    (
        (6, 12),
        "cachestat fchmodat2 futex_requeue futex_wait futex_wake listmount lsm_get_self_attr lsm_list_modules \
         lsm_set_self_attr map_shadow_stack mseal statmount uretprobe",
    ),
    ((6, 13), "getxattrat listxattrat removexattrat setxattrat"),
    ((7, 1), "file_getattr file_setattr listns open_tree_attr rseq_slice_yield uprobe"),
];

#[test]
fn later_calls_came_between_the_tables_that_lack_them_and_have_them() {
    let version = |name: &str| {
        let (major, minor) = since(name)?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.split('.').next()?.parse::<u32>().ok()?))
    };
    let mut said = BTreeSet::new();
    for pair in TABLES.windows(2) {
        let [(before, _), (after, names)] = pair else { panic!("two") };
        for name in names.split_whitespace() {
            let version = version(name).unwrap_or_else(|| panic!("{name} has a version"));
            assert!(version > *before && version <= *after, "{name}: {version:?}");
            said.insert(name);
        }
    }
    let later = all(Arch::X86_64).iter().map(|call| call.name).filter(|name| version(name) > Some((5, 14)));
    assert_eq!(later.collect::<BTreeSet<_>>(), said);
}

#[test]
fn calls_that_are_made_often_are_known() {
    assert!(frequency("openat") > frequency("mmap") && frequency("mmap") > frequency("ioctl"));
    assert_eq!((frequency("mount"), frequency("reed")), (0, 0));
    let calls = all(Arch::X86_64).iter();
    let sum: u32 = calls.map(|call| frequency(call.name)).sum();
    assert!((99_000..=100_100).contains(&sum), "every name is a call: {sum}");
}

#[test]
fn errors_and_capabilities_by_name_and_number() {
    assert_eq!(errno("EPERM"), Some(1));
    assert_eq!(errno("ENOSYS"), Some(38));
    assert_eq!(errno("EWOULDBLOCK"), Some(11));
    assert_eq!(errno_name(11), Some("EAGAIN"));
    assert_eq!(errno("EPURM"), None);
    assert_eq!(errno_name(0), None);
    assert_eq!(errno_name(41), None, "41 is a hole");
    assert_eq!(capability("NET_BIND_SERVICE"), Some(10));
    assert_eq!(capability("CAP_NET_BIND_SERVICE"), Some(10));
    assert_eq!(capability("CAP_CAP_CHOWN"), None);
    assert_eq!(capability_name(40), Some("CHECKPOINT_RESTORE"));
    assert_eq!(capability_name(41), None);
}

#[test]
fn members_of_groups_exist_once_and_sorted_groups_end() {
    let mut names = BTreeSet::new();
    for group in groups() {
        assert!(names.insert(group.name), "{} stands twice", group.name);
        assert!(group.name.starts_with('@') && !group.about.is_empty());
        let unique: BTreeSet<_> = group.members.iter().collect();
        assert_eq!(unique.len(), group.members.len(), "{}", group.name);
        for member in group.members {
            let known = find(Arch::X86_64, member).is_some() || crate::group(member).is_some();
            assert!(known, "{}: {member}", group.name);
        }
        // A group that contained itself would overflow the stack here.
        assert!(!expand(Arch::X86_64, group.name).expect("it exists").is_empty(), "{}", group.name);
    }
    assert_eq!(group("@nothing"), None);
    assert_eq!(expand(Arch::X86_64, "@nothing"), None);
}

#[test]
fn every_call_but_clone3_and_the_newest_is_in_a_group() {
    let mut grouped = BTreeSet::new();
    for group in groups() {
        grouped.extend(expand(Arch::X86_64, group.name).unwrap_or_default().iter().map(|call| call.name));
    }
    let outside: Vec<_> =
        all(Arch::X86_64).iter().map(|call| call.name).filter(|name| !grouped.contains(name)).collect();
    assert_eq!(outside, ["clone3", "listns", "rseq_slice_yield"]);
}

/// Who allows a group allows on i386 what does the same there, and nothing that is in no group elsewhere.
#[test]
fn groups_have_the_calls_of_i386_alone() {
    let of = |arch, name| -> BTreeSet<&str> {
        expand(arch, name).unwrap_or_default().iter().map(|call| call.name).collect()
    };
    let mut grouped = BTreeSet::new();
    for group in groups() {
        grouped.extend(of(Arch::I386, group.name));
    }
    let outside: Vec<_> =
        all(Arch::I386).iter().map(|call| call.name).filter(|name| !grouped.contains(name)).collect();
    assert_eq!(outside, ["clone3", "listns", "rseq_slice_yield"]);
    let files = of(Arch::I386, "@file-system");
    assert!(["stat64", "fstatat64", "openat", "truncate64"].iter().all(|name| files.contains(name)));
    assert!(!files.contains("newfstatat") && !files.contains("socketcall") && !files.contains("umount"));
    assert!(of(Arch::I386, "@mount").contains("umount"), "umount2 is there");
    assert!(of(Arch::I386, "@python-runtime").contains("set_thread_area"), "no i386 program begins without");
    // x32 has the same names, without what was dropped before it came.
    assert_eq!(of(Arch::X32, "@time"), of(Arch::X86_64, "@time"));
}

#[test]
fn a_number_and_an_architecture_say_whose_call_it_is() {
    for arch in Arch::ALL {
        assert_eq!(Arch::from_word(arch.word()), Some(arch));
        for call in all(arch) {
            assert_eq!(Arch::of_call(arch.audit(), call.nr), Some(arch), "{call}");
        }
        assert_eq!(Arch::of_call(arch.audit(), u32::MAX), None);
    }
    assert_eq!(Arch::of_call(Arch::I386.audit(), 0x4000_0001), Some(Arch::I386), "the bit is x86_64's");
    assert_eq!(Arch::of_call(0x4000_0028, 0), None, "32-bit ARM has no table");
}

/// Registers of 32-bit programs have 32 bits: a comparison of 64 would look at what the caller left above.
#[test]
fn arguments_of_32_bit_programs_have_at_most_32_bits() {
    let wide = |call: &&Syscall| {
        call.args.iter().any(|arg| arg.kind.bits() == Bits::B64 && arg.kind != Kind::Pointer)
    };
    assert_eq!(all(Arch::I386).iter().find(wide), None);
    assert_eq!(all(Arch::X32).iter().filter(|call| call.nr >= 0x4000_0200).find(wide), None);
    assert!(all(Arch::X32).iter().any(|call| wide(&call)), "mmap of x32 takes 64 bits");
}

#[test]
fn the_python_runtime_has_what_python_needs_and_no_way_out() {
    let group: BTreeSet<_> =
        expand(Arch::X86_64, "@python-runtime").unwrap_or_default().iter().map(|call| call.name).collect();
    for needed in [
        "read",
        "openat",
        "mmap",
        "brk",
        "futex",
        "clone",
        "vfork",
        "execve",
        "wait4",
        "pipe2",
        "socket",
        "socketpair",
        "connect",
        "bind",
        "epoll_wait",
        "getrandom",
        "rt_sigaction",
        "ioctl",
        "prlimit64",
        "rseq",
        "set_robust_list",
        "arch_prctl",
        "prctl",
        "sched_getaffinity",
        "memfd_create",
        "sendfile",
        "pidfd_open",
        "eventfd2",
        "timerfd_create",
        "inotify_init1",
        "flock",
        "ftruncate",
        "statx",
        "newfstatat",
        "close_range",
        "setsid",
        "restart_syscall",
        "exit_group",
        "clock_nanosleep",
        "getdents64",
        "symlink",
    ] {
        assert!(group.contains(needed), "{needed}");
    }
    for forbidden in [
        "@mount",
        "@debug",
        "@io-uring",
        "@keyring",
        "@namespace",
        "@module",
        "@swap",
        "@reboot",
        "@raw-io",
        "@clock",
        "@privileged",
        "@obsolete",
        "@sandbox",
    ] {
        for call in expand(Arch::X86_64, forbidden).unwrap_or_default() {
            assert!(!group.contains(call.name), "{forbidden}: {}", call.name);
        }
    }
    for forbidden in
        ["clone3", "bpf", "userfaultfd", "acct", "quotactl", "personality", "ptrace", "chroot", "setuid"]
    {
        assert!(!group.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn calls_are_described_with_names() {
    let cases: &[(u32, [u64; 6], &str)] = &[
        (
            41,
            [2, 0x80001, 0, 0, 0, 0],
            "socket(domain: AF_INET, type: SOCK_STREAM|SOCK_CLOEXEC, protocol: 0)",
        ),
        (41, [1 | 1 << 32, 5, 0, 0, 0, 0], "socket(domain: AF_UNIX, type: SOCK_SEQPACKET, protocol: 0)"),
        (41, [77, 0xd, 6, 0, 0, 0], "socket(domain: 77, type: 0xd, protocol: 6)"),
        (16, [0, 0x5412, 0x7ffe_0000_1000, 0, 0, 0], "ioctl(fd: 0, cmd: TIOCSTI, arg: 0x7ffe00001000)"),
        (
            257,
            [0xffff_ffff_ffff_ff9c, 0, 0, 0, 0, 0],
            "openat(dfd: AT_FDCWD, filename: NULL, flags: O_RDONLY, mode: 0o0)",
        ),
        (
            257,
            [3, 0x10, 0x41, 0o644, 0, 0],
            "openat(dfd: 3, filename: …, flags: O_WRONLY|O_CREAT, mode: 0o644)",
        ),
        (
            257,
            [3, 0x10, 0x0010_1000, 0, 0, 0],
            "openat(dfd: 3, filename: …, flags: O_RDONLY|O_SYNC, mode: 0o0)",
        ),
        (
            9,
            [0, 4096, 0, 0x22, u64::MAX, 0],
            "mmap(addr: 0, len: 4096, prot: PROT_NONE, flags: MAP_PRIVATE|MAP_ANONYMOUS, fd: -1, off: 0)",
        ),
        (
            10,
            [4096, 4096, 0x1_0000_0005, 0, 0, 0],
            "mprotect(start: 4096, len: 4096, prot: PROT_READ|PROT_EXEC|0x100000000)",
        ),
        (
            56,
            [0x1000_0011, 0, 0, 0, 0, 0],
            "clone(flags: SIGCHLD|CLONE_NEWUSER, newsp: 0, parent_tidptr: NULL, child_tidptr: NULL, tls: 0)",
        ),
        (62, [u64::MAX, 9, 0, 0, 0, 0], "kill(pid: -1, sig: SIGKILL)"),
        (8, [3, u64::MAX, 1, 0, 0, 0], "lseek(fd: 3, offset: -1, whence: SEEK_CUR)"),
        (39, [1, 2, 3, 4, 5, 6], "getpid()"),
        (512, [0; 6], "syscall(512)"),
        (u32::MAX, [0; 6], "syscall(4294967295)"),
    ];
    for (nr, args, text) in cases {
        assert_eq!(describe(Arch::X86_64, *nr, args), *text);
    }
}
