//! The tables against those of others: libseccomp's numbers and systemd's groups in `data/`, and the headers of this
//! machine. What is different is here by name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use msb_testkit::{Need, skip};

use crate::*;

/// libseccomp's table, made by other people from the same kernel: the same names, the same numbers, and no more.
#[test]
fn numbers_agree_with_the_table_of_libseccomp() {
    let text = include_str!("../../data/libseccomp-2.6.1.tsv");
    let mut known = [BTreeSet::new(), BTreeSet::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [name, numbers @ ..] = &line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        for (index, (arch, number)) in [Arch::X86_64, Arch::Aarch64].into_iter().zip(numbers).enumerate() {
            let theirs: Option<u32> = number.parse().ok();
            assert_eq!(find(arch, name).map(|call| call.nr), theirs, "{name} on {}", arch.word());
            known[index].extend(theirs.map(|_| *name));
        }
    }
    for (arch, known) in [Arch::X86_64, Arch::Aarch64].into_iter().zip(known) {
        let ours: BTreeSet<&str> = all(arch).iter().map(|call| call.name).collect();
        assert_eq!(ours, known, "{}", arch.word());
    }
}

/// The kernel's own headers for i386 and x32, where this machine has them; its calls may be newer or older.
#[test]
fn numbers_of_the_other_abis_agree_with_the_headers_of_the_kernel() {
    for (arch, header, known_min) in [(Arch::I386, "unistd_32", 430), (Arch::X32, "unistd_x32", 350)] {
        let source = format!("#include <asm/{header}.h>\n");
        let mut cc = Command::new("cc");
        cc.args(["-E", "-dM", "-D__X32_SYSCALL_BIT=0x40000000", "-x", "c", "-"]);
        let Ok(mut child) = cc.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
        else {
            return skip(Need::Compiler, "there is no C compiler");
        };
        child.stdin.take().expect("a pipe").write_all(source.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        if !output.status.success() {
            return skip(Need::Compiler, "the headers of x86 are not here");
        }
        let text = String::from_utf8(output.stdout).expect("ASCII");
        let mut known = 0;
        for line in text.lines() {
            let Some((name, number)) =
                line.strip_prefix("#define __NR_").and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            let digits = number.trim_matches(['(', ')']).rsplit(' ').next().unwrap_or_default();
            let bit = if arch == Arch::X32 { 0x4000_0000 } else { 0 };
            let theirs: u32 = digits.parse::<u32>().expect("a number") | bit;
            known += 1;
            assert_eq!(find(arch, name).map(|call| call.nr), Some(theirs), "{name} of {}", arch.word());
        }
        assert!(known > known_min, "{known} calls of {}", arch.word());
    }
}

/// Headers that define macros for the sets, in two groups that cannot be read together.
const HEADERS: [&str; 2] = [
    "asm/ioctls asm/termbits linux/serial linux/fcntl linux/stat linux/mman linux/sched linux/sched/types linux/net linux/netlink \
     asm/socket linux/fs linux/prctl linux/seccomp linux/futex linux/memfd linux/mount linux/ptrace linux/keyctl \
     linux/personality linux/bpf linux/resource linux/wait linux/time linux/timerfd linux/eventpoll linux/inotify \
     linux/perf_event linux/userfaultfd linux/io_uring linux/landlock linux/mempolicy linux/membarrier linux/reboot \
     linux/random linux/close_range linux/if_tun linux/sockios linux/vt linux/kd linux/ipc linux/shm linux/sem \
     linux/msg linux/xattr asm/prctl linux/pidfd linux/kcmp linux/loop linux/kvm linux/fiemap linux/fscrypt \
     linux/fsverity linux/cdrom linux/hdreg linux/rtc linux/watchdog linux/fanotify linux/kexec linux/module linux/ioprio linux/vhost linux/vfio \
     linux/udp",
    "sys/socket sys/mman fcntl sys/stat netinet/in sys/epoll sched sys/wait sys/file sys/resource poll signal \
     sys/reboot sys/random sys/sem sys/shm sys/msg unistd sys/uio sys/xattr sys/personality \
     netinet/tcp sys/swap",
];

/// The values that the machine's headers give the names, for as many as they define as macros.
fn defined(names: &BTreeSet<&str>, headers: &str) -> Option<BTreeMap<String, u64>> {
    let mut source = String::from("#define _GNU_SOURCE\n");
    for header in headers.split_whitespace() {
        source += &format!("#if __has_include(<{header}.h>)\n#include <{header}.h>\n#endif\n");
    }
    source += "int printf(const char *, ...);\nint main(void) {\n";
    for name in names {
        source +=
            &format!("#ifdef {name}\nprintf(\"{name} %llu\\n\", (unsigned long long)({name}));\n#endif\n");
    }
    source += "}\n";
    let directory = std::env::temp_dir().join(format!("msb-constants-{}", std::process::id()));
    let mut cc = Command::new("cc");
    cc.args(["-w", "-x", "c", "-o"]).arg(&directory).arg("-").stdin(Stdio::piped());
    let mut child = cc.spawn().ok()?;
    child.stdin.take()?.write_all(source.as_bytes()).ok()?;
    assert!(child.wait().is_ok_and(|status| status.success()), "the headers compile");
    let output = Command::new(&directory).output().expect("it runs");
    std::fs::remove_file(&directory).expect("it is there");
    let text = String::from_utf8(output.stdout).expect("ASCII");
    let row = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    Some(text.lines().filter_map(row).collect())
}

#[test]
fn constants_agree_with_the_headers_of_the_kernel_and_of_libc() {
    // Of two sets for two architectures the one of this machine, whose headers these are.
    let here = |name: &str| match name.strip_suffix("_aarch64") {
        Some(_) => cfg!(target_arch = "aarch64"),
        None => !cfg!(target_arch = "aarch64") || constant_set(&format!("{name}_aarch64")).is_none(),
    };
    let sets: Vec<&ConstantSet> = constant_sets().iter().filter(|set| here(set.name)).collect();
    let names: BTreeSet<&str> = sets.iter().flat_map(|set| set.members).map(|member| member.name).collect();
    let mut compared = BTreeSet::new();
    for headers in HEADERS {
        let Some(theirs) = defined(&names, headers) else {
            return skip(Need::Compiler, "there is no C compiler");
        };
        for set in &sets {
            for member in set.members {
                let Some(value) = theirs.get(member.name) else { continue };
                // What 64-bit programs need not say is 0 for libc; the kernel has a number for it all the same.
                if (member.name, *value) == ("O_LARGEFILE", 0) {
                    continue;
                }
                // Negative ones are extended to 32 bits here and to 64 there.
                assert_eq!(
                    member.value & 0xffff_ffff,
                    value & 0xffff_ffff,
                    "{} of {}",
                    member.name,
                    set.name
                );
                compared.insert(member.name);
            }
        }
    }
    println!("{} of {} constants compared", compared.len(), names.len());
    assert!(compared.len() > 880, "{} of {} are defined", compared.len(), names.len());
}

/// Our groups against systemd's of the same name: what we have more, and what less. Calls that this systemd does
/// not know are left out. Each difference has its reason in group.rs.
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("@aio", "", "io_uring_enter io_uring_register io_uring_setup"),
    ("@basic-io", "copy_file_range fcntl pipe pipe2 sendfile splice tee", ""),
    ("@debug", "kcmp process_madvise process_mrelease process_vm_readv process_vm_writev userfaultfd", ""),
    (
        "@file-system",
        "fadvise64 fdatasync flock fsync msync name_to_handle_at readahead sync sync_file_range syncfs umask",
        "close fcntl",
    ),
    ("@io-event", "", "epoll_ctl_old epoll_wait_old"),
    ("@ipc", "vmsplice", "memfd_create pipe pipe2 process_madvise process_vm_readv process_vm_writev"),
    (
        "@obsolete",
        "epoll_ctl_old epoll_wait_old get_thread_area nfsservctl remap_file_pages set_thread_area",
        "",
    ),
    (
        "@privileged",
        "fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree syslog umount2",
        "_sysctl chown fchown fchownat lchown nfsservctl setfsuid setgroups setresuid setreuid setuid",
    ),
    (
        "@process",
        "arch_prctl execve exit exit_group getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid \
         getpriority getrandom getresgid getresuid getrlimit getsid gettid getuid prlimit64 setpgid setpriority \
         setrlimit setsid sysinfo uname uretprobe",
        "clone3 kill pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo setns tgkill tkill unshare",
    ),
    ("@resources", "get_mempolicy ioprio_get", "sched_setaffinity setpriority setrlimit"),
    ("@setuid", "setfsgid setfsuid", ""),
    (
        "@signal",
        "kill pause pidfd_send_signal restart_syscall rt_sigqueueinfo rt_sigreturn rt_tgsigqueueinfo tgkill tkill",
        "",
    ),
    (
        "@system-service",
        "futex_requeue futex_wait futex_wake landlock_add_rule landlock_create_ruleset landlock_restrict_self \
         map_shadow_stack memfd_secret mincore pkey_alloc pkey_free pkey_mprotect seccomp",
        "add_key clone3 epoll_ctl_old epoll_wait_old get_thread_area io_uring_enter io_uring_register \
         io_uring_setup kcmp keyctl process_madvise process_vm_readv process_vm_writev remap_file_pages request_key \
         set_thread_area setns unshare userfaultfd",
    ),
];

type Groups = BTreeMap<String, BTreeSet<String>>;

/// Groups as `data/*.tsv` have them: name, members, those within them not expanded.
fn parse(text: &str) -> Groups {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let (name, members) = line.split_once('\t').expect("two columns");
        (name.to_owned(), members.split(' ').map(str::to_owned).collect())
    })
    .collect()
}

fn expanded(groups: &Groups, name: &str) -> BTreeSet<String> {
    let members = groups.get(name).into_iter().flatten();
    members
        .flat_map(|member| {
            if groups.contains_key(member) {
                expanded(groups, member)
            } else {
                BTreeSet::from([member.clone()])
            }
        })
        .collect()
}

#[test]
fn groups_differ_from_those_of_systemd_only_where_it_is_said() {
    let groups_there = parse(include_str!("../../data/systemd-252.tsv"));
    assert!(groups_there.len() > 20, "{groups_there:?}");
    let known: BTreeSet<String> =
        groups_there.keys().flat_map(|name| expanded(&groups_there, name)).collect();
    let here: BTreeSet<String> = all(Arch::X86_64).iter().map(|call| call.name.to_owned()).collect();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let mut compared = 0;
    for group in groups().iter().filter(|group| groups_there.contains_key(group.name)) {
        compared += 1;
        let row = DIFFERENT.iter().find(|(name, ..)| *name == group.name);
        let (more, less) = row.map_or(("", ""), |(_, more, less)| (more, less));
        let ours = expand(Arch::X86_64, group.name).unwrap_or_default();
        let ours: BTreeSet<String> = ours.iter().map(|call| call.name.to_owned()).collect();
        let theirs: BTreeSet<String> =
            expanded(&groups_there, group.name).intersection(&here).cloned().collect();
        let more_found: BTreeSet<String> =
            ours.difference(&theirs).filter(|name| known.contains(*name)).cloned().collect();
        // What is newer than that systemd is said for those that know it.
        let said: BTreeSet<String> = words(more).intersection(&known).cloned().collect();
        assert_eq!(more_found, said, "what {} has more than systemd's", group.name);
        let less_found: BTreeSet<String> = theirs.difference(&ours).cloned().collect();
        assert_eq!(less_found, words(less), "what {} has less than systemd's", group.name);
    }
    assert!(compared > 20, "{compared} groups have the same name");
}

/// What an edition's groups hold is for as long as there is the edition: a policy means tomorrow what it means today.
#[test]
fn groups_are_those_of_the_edition() {
    let frozen = parse(include_str!("../../data/groups-2026.tsv"));
    let here: Groups = groups()
        .iter()
        .map(|group| (group.name.to_owned(), group.members.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(here, frozen);
}
