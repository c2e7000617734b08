//! Groups of calls, frozen for edition 2026: a new call enters a group with the next edition.
//!
//! They began as systemd's (systemd.exec(5), version 252) and differ where a sandbox needs it: each difference
//! stands as a comment at the group. `clone3` is in none of them: it can make every namespace, and its flags
//! lie in memory where no filter sees them. A policy writes `errno ENOSYS clone3`, on which libc uses `clone`.

use crate::{Arch, Syscall, find};

/// A named set of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Name, with the `@`.
    pub name: &'static str,
    /// Who needs it.
    pub about: &'static str,
    /// Names of calls and of other groups. A call may be missing on an architecture.
    pub members: &'static [&'static str],
}

/// Every group.
#[must_use]
pub fn groups() -> &'static [Group] {
    GROUPS
}

/// The group named `name`, with the `@`.
#[must_use]
pub fn group(name: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.name == name)
}

/// The calls of group `name` that exist on `arch`, groups within it included, by number and each once.
#[must_use]
pub fn expand(arch: Arch, name: &str) -> Option<Vec<&'static Syscall>> {
    let mut calls = Vec::new();
    collect(arch, group(name)?, &mut calls);
    calls.sort_by_key(|call| call.nr);
    calls.dedup();
    Some(calls)
}

fn collect(arch: Arch, group: &Group, calls: &mut Vec<&'static Syscall>) {
    for member in group.members {
        match self::group(member) {
            Some(inner) => collect(arch, inner, calls),
            None => calls.extend(find(arch, member)),
        }
    }
}

#[rustfmt::skip]
static GROUPS: &[Group] = &[
    // systemd: without fcntl, pipe, sendfile, splice, tee and copy_file_range, which are in others of its groups.
    Group {
        name: "@basic-io",
        about: "every program: moves bytes through descriptors that are open, and closes and duplicates them",
        members: &[
            "close", "close_range", "copy_file_range", "dup", "dup2", "dup3", "fcntl", "lseek", "pipe", "pipe2",
            "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readv", "sendfile",
            "splice", "tee", "write", "writev",
        ],
    },
    // Ours: systemd has one @file-system. `open` can write: what may be written is for the fs section to say.
    Group {
        name: "@file-read",
        about: "programs that open files and look at names, attributes and directories",
        members: &[
            "access", "cachestat", "chdir", "faccessat", "faccessat2", "fadvise64", "fchdir", "fgetxattr",
            "file_getattr", "flistxattr", "fstat", "fstatfs", "getcwd", "getdents", "getdents64", "getxattr",
            "getxattrat", "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "lgetxattr",
            "listxattr", "listxattrat", "llistxattr", "lstat", "name_to_handle_at", "newfstatat", "open", "openat",
            "openat2", "readahead", "readlink", "readlinkat", "stat", "statfs", "statx",
        ],
    },
    Group {
        name: "@file-write",
        about: "programs that create, rename, remove or change files and directories",
        members: &[
            "@sync", "chmod", "creat", "fallocate", "fchmod", "fchmodat", "fchmodat2", "file_setattr", "flock",
            "fremovexattr", "fsetxattr", "ftruncate", "futimesat", "link", "linkat", "lremovexattr", "lsetxattr",
            "mkdir", "mkdirat", "mknod", "mknodat", "removexattr", "removexattrat", "rename", "renameat",
            "renameat2", "rmdir", "setxattr", "setxattrat", "symlink", "symlinkat", "truncate", "umask", "unlink",
            "unlinkat", "utime", "utimensat", "utimes",
        ],
    },
    // systemd: without fadvise64, flock, name_to_handle_at, readahead, umask and @sync.
    Group {
        name: "@file-system",
        about: "programs that work with files",
        members: &["@file-read", "@file-write"],
    },
    Group {
        name: "@sync",
        about: "databases and editors: wait until data is on disk",
        members: &["fdatasync", "fsync", "msync", "sync", "sync_file_range", "syncfs"],
    },
    Group {
        name: "@chown",
        about: "archivers and installers: change the owner of files",
        members: &["chown", "fchown", "fchownat", "lchown"],
    },
    // Ours: systemd has @memlock, the rest in @default and @system-service.
    Group {
        name: "@memory",
        about: "every program: maps, protects and locks memory",
        members: &[
            "brk", "madvise", "map_shadow_stack", "memfd_create", "memfd_secret", "mincore", "mlock", "mlock2",
            "mlockall", "mmap", "mprotect", "mremap", "mseal", "munlock", "munlockall", "munmap",
        ],
    },
    // Apart from @memory, so that who denies writing and executing in mmap and mprotect leaves nothing open.
    Group {
        name: "@pkey",
        about: "programs with memory protection keys (pkeys(7)); those that know of them do without",
        members: &["pkey_alloc", "pkey_free", "pkey_mprotect"],
    },
    // systemd: with setns and unshare (here @namespace), clone3 (here in none) and kill and its siblings (here
    // @signal); execve, exit and the getters of identity are in its @default; setpgid, setsid and getpriority in
    // its @system-service, setpriority and setrlimit in @resources. uretprobe and uprobe are made by trampolines
    // that the kernel puts into a process which somebody traces.
    Group {
        name: "@process",
        about: "programs that start others, wait for them, and ask who and where they are",
        members: &[
            "arch_prctl", "capget", "clone", "execve", "execveat", "exit", "exit_group", "fork", "getcpu", "getegid",
            "geteuid", "getgid", "getgroups", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom",
            "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "gettid", "getuid", "pidfd_open", "prctl",
            "prlimit64", "setpgid", "setpriority", "setrlimit", "setsid", "sysinfo", "times", "uname", "uprobe",
            "uretprobe", "vfork", "wait4", "waitid",
        ],
    },
    // Ours: in systemd's @default, @resources and @system-service.
    Group {
        name: "@threads",
        about: "programs with threads: locks, barriers and where threads run",
        members: &[
            "futex", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake", "get_robust_list", "getcpu", "gettid",
            "membarrier", "rseq", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
            "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity",
            "sched_yield", "set_robust_list", "set_tid_address",
        ],
    },
    // systemd: its @timer without the clocks, nanosleep and gettimeofday of its @default.
    Group {
        name: "@time",
        about: "every program: reads clocks, sleeps and sets timers",
        members: &[
            "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "gettimeofday", "nanosleep",
            "setitimer", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
            "timerfd_create", "timerfd_gettime", "timerfd_settime", "times",
        ],
    },
    // systemd: without sending, which is in its @process.
    Group {
        name: "@signal",
        about: "every program: handles signals and sends them to processes that it can see",
        members: &[
            "kill", "pause", "pidfd_send_signal", "restart_syscall", "rt_sigaction", "rt_sigpending",
            "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
            "rt_tgsigqueueinfo", "sigaltstack", "signalfd", "signalfd4", "tgkill", "tkill",
        ],
    },
    Group {
        name: "@network-io",
        about: "programs that use sockets, local ones included; the net section says which families",
        members: &[
            "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
            "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socket", "socketpair",
        ],
    },
    // systemd: with epoll_ctl_old and epoll_wait_old, which do nothing.
    Group {
        name: "@io-event",
        about: "event loops: wait for many descriptors",
        members: &[
            "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd",
            "eventfd2", "poll", "ppoll", "pselect6", "select",
        ],
    },
    // systemd: with io_uring, which does socket, open and connect where no filter sees them.
    Group {
        name: "@aio",
        about: "databases: asynchronous input and output of the old kind (libaio)",
        members: &["io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_setup", "io_submit"],
    },
    // systemd: with pipe and pipe2 (here @basic-io), memfd_create (@memory), process_madvise, process_vm_readv and
    // process_vm_writev (@debug); without vmsplice.
    Group {
        name: "@ipc",
        about: "programs that share memory, semaphores and queues in the manner of System V, and POSIX queues",
        members: &[
            "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl", "msgget",
            "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget",
            "vmsplice",
        ],
    },
    // systemd: without get_mempolicy and ioprio_get; setpriority, setrlimit and sched_setaffinity are here in
    // @process and @threads.
    Group {
        name: "@resources",
        about: "schedulers and numerical programs: priorities of processor and disk, and where memory lies",
        members: &[
            "get_mempolicy", "ioprio_get", "ioprio_set", "mbind", "migrate_pages", "move_pages", "sched_setattr",
            "sched_setparam", "sched_setscheduler", "set_mempolicy", "set_mempolicy_home_node",
        ],
    },
    // systemd: without setfsgid and setfsuid.
    Group {
        name: "@setuid",
        about: "servers that begin as root and become somebody else",
        members: &[
            "setfsgid", "setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid", "setuid",
        ],
    },
    // Ours.
    Group {
        name: "@sandbox",
        about: "programs that confine themselves further, such as browsers and build tools",
        members: &[
            "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "lsm_get_self_attr",
            "lsm_list_modules", "lsm_set_self_attr", "seccomp",
        ],
    },
    // systemd: with io_uring, @keyring, clone3, setns, unshare, userfaultfd, process_vm_readv, process_vm_writev,
    // process_madvise and kcmp; those give more than a service of an agent should have.
    Group {
        name: "@system-service",
        about: "ordinary long-running services; start here when nothing narrower fits",
        members: &[
            "@aio", "@basic-io", "@chown", "@file-system", "@io-event", "@ipc", "@memory", "@network-io", "@pkey",
            "@process", "@resources", "@sandbox", "@setuid", "@signal", "@threads", "@time", "capset", "ioctl",
            "personality",
        ],
    },
    // Ours. CPython 3.8 to 3.14 with threads, subprocess, asyncio, multiprocessing and sockets. Not here: what
    // only @system-service has, and everything that is in neither.
    Group {
        name: "@python-runtime",
        about: "CPython with threads, subprocess, asyncio, multiprocessing and sockets, and the tools that it starts",
        members: &[
            "@basic-io", "@chown", "@file-system", "@io-event", "@memory", "@network-io", "@process", "@signal",
            "@threads", "@time", "get_mempolicy", "ioctl",
        ],
    },
    // Ours: systemd has them in @process.
    Group {
        name: "@namespace",
        about: "container runtimes: make and enter namespaces; also clone with CLONE_NEW flags",
        members: &["setns", "unshare"],
    },
    // systemd: without open_tree_attr, statmount and listmount.
    Group {
        name: "@mount",
        about: "container runtimes: change or list what is mounted, and change the root",
        members: &[
            "chroot", "fsconfig", "fsmount", "fsopen", "fspick", "listmount", "mount", "mount_setattr", "move_mount",
            "open_tree", "open_tree_attr", "pivot_root", "statmount", "umount2",
        ],
    },
    // systemd: without kcmp, process_* and userfaultfd, which stops another thread in the middle of the kernel.
    Group {
        name: "@debug",
        about: "debuggers and profilers: read, write and stop other processes",
        members: &[
            "kcmp", "lookup_dcookie", "perf_event_open", "pidfd_getfd", "process_madvise", "process_mrelease",
            "process_vm_readv", "process_vm_writev", "ptrace", "userfaultfd",
        ],
    },
    // systemd: part of @aio.
    Group {
        name: "@io-uring",
        about: "programs built on io_uring; its operations are not seen by any filter",
        members: &["io_uring_enter", "io_uring_register", "io_uring_setup"],
    },
    Group {
        name: "@keyring",
        about: "programs that keep keys in the kernel; keyrings are not separated by namespaces but of users",
        members: &["add_key", "keyctl", "request_key"],
    },
    Group {
        name: "@module",
        about: "loads and unloads kernel modules",
        members: &["delete_module", "finit_module", "init_module"],
    },
    Group {
        name: "@raw-io",
        about: "talks to hardware through input and output ports",
        members: &["ioperm", "iopl"],
    },
    Group {
        name: "@reboot",
        about: "restarts the machine or prepares another kernel",
        members: &["kexec_file_load", "kexec_load", "reboot"],
    },
    Group { name: "@swap", about: "adds and removes swap", members: &["swapoff", "swapon"] },
    Group {
        name: "@clock",
        about: "sets the clocks of the machine",
        members: &["adjtimex", "clock_adjtime", "clock_settime", "settimeofday"],
    },
    // systemd: with the powerpc and s390 calls.
    Group {
        name: "@cpu-emulation",
        about: "emulators that run code of another processor mode",
        members: &["modify_ldt"],
    },
    // systemd: with @chown and the setters of @setuid; without @mount, syslog and lookup_dcookie's siblings.
    Group {
        name: "@privileged",
        about: "what needs a capability of the host: never needed by an agent",
        members: &[
            "@clock", "@module", "@mount", "@raw-io", "@reboot", "@swap", "acct", "bpf", "capset", "fanotify_init",
            "fanotify_mark", "open_by_handle_at", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "syslog",
            "vhangup",
        ],
    },
    // systemd: without epoll_ctl_old, epoll_wait_old, get_thread_area, set_thread_area (i386 only), nfsservctl and
    // remap_file_pages (emulated since Linux 4.0).
    Group {
        name: "@obsolete",
        about: "removed from the kernel or unused since long",
        members: &[
            "_sysctl", "afs_syscall", "create_module", "epoll_ctl_old", "epoll_wait_old", "get_kernel_syms",
            "get_thread_area", "getpmsg", "nfsservctl", "putpmsg", "query_module", "remap_file_pages", "security",
            "set_thread_area", "sysfs", "tuxcall", "uselib", "ustat", "vserver",
        ],
    },
];
