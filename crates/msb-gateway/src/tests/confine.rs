//! What a gateway could do that a program inside has taken over: tried from a thread that confined itself, and for every
//! system call there is by the filter itself.

use super::*;
use msb_seccomp::{Instruction, SeccompData, action, run};
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What the filter says to a call.
fn answer(program: &[Instruction], call: i64, args: [u64; 6]) -> Result<(), i32> {
    const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
    let nr = u32::try_from(call).unwrap();
    let data = SeccompData { nr, arch: AUDIT_ARCH_X86_64, instruction_pointer: 0, args };
    match run(program, &data) {
        action::ALLOW => Ok(()),
        errno => Err(i32::try_from(errno & 0xffff).unwrap()),
    }
}

/// As the kernel reads it: `struct sock_filter` of linux/filter.h.
fn instructions() -> Vec<Instruction> {
    let plain = |bytes: &[u8]| {
        let [c0, c1, jt, jf, k @ ..] = bytes else { panic!("{bytes:?}") };
        Instruction {
            code: u16::from_le_bytes([*c0, *c1]),
            jt: *jt,
            jf: *jf,
            k: u32::from_le_bytes(k.try_into().unwrap()),
        }
    };
    FILTER.chunks(8).map(plain).collect()
}

/// Arguments that some rule could take for good.
const ARGUMENTS: [u64; 8] = [0, 1, 2, 3, 10, 16, 0x10000, u64::MAX];

#[test]
#[cfg(target_arch = "x86_64")]
fn few_calls_are_allowed_and_none_that_changes_anything_outside() {
    let program = instructions();
    let mut allowed = Vec::new();
    for nr in 0..1024 {
        let tries = ARGUMENTS.iter().map(|arg| answer(&program, nr, [*arg; 6]));
        if tries.collect::<Vec<_>>().contains(&Ok(())) {
            let nr = u32::try_from(nr).unwrap();
            let call = msb_syscalls::by_number(msb_syscalls::Arch::X86_64, nr);
            allowed.push(call.unwrap_or_else(|| panic!("{nr} is nothing")).name);
        }
    }
    // Of the groups of the language, those that a policy gives away last.
    for group in ["@privileged", "@mount", "@module", "@ptrace", "@keys", "@namespace", "@bpf", "@io-uring"] {
        let Some(calls) = msb_syscalls::expand(msb_syscalls::Arch::X86_64, group) else { continue };
        let both: Vec<_> = calls.iter().filter(|call| allowed.contains(&call.name)).collect();
        assert!(both.is_empty(), "{group}: {both:?}");
    }
    let changes = [
        "execve",
        "execveat",
        "fork",
        "vfork",
        "clone3",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "kill",
        "tkill",
        "tgkill",
        "rt_sigqueueinfo",
        "pidfd_open",
        "pidfd_getfd",
        "pidfd_send_signal",
        "unshare",
        "setns",
        "bind",
        "listen",
        "socketpair",
        "pipe2",
        "memfd_create",
        "memfd_secret",
        "open",
        "creat",
        "truncate",
        "ftruncate",
        "fallocate",
        "rename",
        "renameat2",
        "unlink",
        "unlinkat",
        "rmdir",
        "mkdir",
        "mkdirat",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "mknod",
        "mknodat",
        "chmod",
        "fchmod",
        "fchmodat",
        "chown",
        "fchownat",
        "setxattr",
        "utimensat",
        "mount",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "keyctl",
        "add_key",
        "setuid",
        "setresuid",
        "setgroups",
        "capset",
        "setrlimit",
        "sendfile",
        "splice",
        "copy_file_range",
        "timer_create",
        "setitimer",
        "alarm",
        "inotify_init1",
        "name_to_handle_at",
        "shmget",
        "msgget",
        "semget",
        "mq_open",
        "process_madvise",
        "sched_setattr",
        "setpriority",
        "landlock_create_ruleset",
        "seccomp",
        "personality",
        "dup",
        "dup2",
        "mlockall",
        "getppid",
    ];
    let wrong: Vec<_> = changes.iter().filter(|name| allowed.contains(name)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(allowed.len() < 60, "{}: {allowed:?}", allowed.len());
}

#[test]
#[cfg(target_arch = "x86_64")]
fn arguments_are_what_they_must_be() {
    let program = instructions();
    let (rw, rx, rwx) = (3, 5, 7);
    let file = u64::try_from(libc::MAP_PRIVATE).unwrap();
    let anonymous = file | u64::try_from(libc::MAP_ANONYMOUS).unwrap();
    let thread = 0x003d_0f00;
    for (call, args, good) in [
        (libc::SYS_mmap, [0, 4096, rw, anonymous, 0, 0], true),
        (libc::SYS_mmap, [0, 4096, rx, file, 5, 0], true),
        (libc::SYS_mmap, [0, 4096, rx, anonymous, 0, 0], false),
        (libc::SYS_mmap, [0, 4096, rwx, file, 5, 0], false),
        (libc::SYS_mmap, [0, 4096, rwx, anonymous, 0, 0], false),
        (libc::SYS_mprotect, [0, 4096, rw, 0, 0, 0], true),
        (libc::SYS_mprotect, [0, 4096, rx, 0, 0, 0], false),
        (libc::SYS_clone, [thread, 0, 0, 0, 0, 0], true),
        (libc::SYS_clone, [17, 0, 0, 0, 0, 0], false),
        (libc::SYS_clone, [thread | 0x1000_0000, 0, 0, 0, 0, 0], false),
        (libc::SYS_clone, [0x4111, 0, 0, 0, 0, 0], false),
        (libc::SYS_fcntl, [3, 3, 0, 0, 0, 0], true),
        (libc::SYS_fcntl, [3, 8, 1, 0, 0, 0], false), // F_SETOWN
        (libc::SYS_fcntl, [3, 4, 0x2000, 0, 0, 0], false), // F_SETFL
        (libc::SYS_ioctl, [3, 0x541b, 0, 0, 0, 0], true),
        (libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0], false), // TIOCSTI
        (libc::SYS_ioctl, [3, 0x8901, 0, 0, 0, 0], false), // FIOSETOWN
        (libc::SYS_prctl, [15, 0, 0, 0, 0, 0], true),
        (libc::SYS_prctl, [4, 1, 0, 0, 0, 0], false), // PR_SET_DUMPABLE
        (libc::SYS_prlimit64, [0, 7, 0, 1, 0, 0], true),
        (libc::SYS_prlimit64, [0, 7, 1, 0, 0, 0], false),
        (libc::SYS_prlimit64, [1, 7, 0, 1, 0, 0], false),
        (libc::SYS_socket, [2, 1, 0, 0, 0, 0], true),
        (libc::SYS_socket, [10, 2, 0, 0, 0, 0], true),
        (libc::SYS_socket, [1, 1, 0, 0, 0, 0], false),
        (libc::SYS_socket, [16, 3, 0, 0, 0, 0], false),
        (libc::SYS_socket, [17, 3, 0, 0, 0, 0], false),
        (libc::SYS_socket, [40, 1, 0, 0, 0, 0], false),
        // The kernel looks at the low half, and so does the filter, or a high bit would pass.
        (libc::SYS_socket, [1 << 32 | 1, 1, 0, 0, 0, 0], false),
        (libc::SYS_ioctl, [3, 1 << 32 | 0x5412, 0, 0, 0, 0], false),
        (libc::SYS_mprotect, [0, 4096, 1 << 32 | rx, 0, 0, 0], false),
    ] {
        assert_eq!(answer(&program, call, args).is_ok(), good, "{call} {args:x?}");
    }
    assert_eq!(answer(&program, libc::SYS_clone3, [0; 6]), Err(libc::ENOSYS));
}

#[test]
fn a_confined_thread_can_do_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    // A filter and a domain are a thread's; what is the whole process's harms no other test.
    let tried = std::thread::spawn(move || {
        confine().unwrap();
        // What it is for.
        let server = std::thread::spawn(|| socket(AddressFamily::INET, SocketType::STREAM, None)).join();
        assert!(server.unwrap().is_ok(), "threads and sockets");
        assert!(std::fs::read_to_string("/etc/hosts").is_ok());
        assert!(crate::resolve::look_up("localhost").is_ok());
        let denied = |what: &str, kind: Option<ErrorKind>| {
            assert_eq!(kind, Some(ErrorKind::PermissionDenied), "{what}");
        };
        let errno = |what: &str, result: Result<(), Errno>| {
            assert!(matches!(result, Err(Errno::PERM | Errno::ACCESS)), "{what}: {result:?}");
        };
        denied("spawn", Command::new("/bin/true").spawn().err().map(|error| error.kind()));
        denied("exec", Some(Command::new("/bin/true").exec().kind()));
        denied("write", std::fs::write(&file, "y").err().map(|error| error.kind()));
        denied("create", std::fs::File::create(file.with_extension("new")).err().map(|error| error.kind()));
        denied("read", std::fs::read(&file).err().map(|error| error.kind()));
        denied("environment", std::fs::read("/proc/self/environ").err().map(|error| error.kind()));
        denied("list", std::fs::read_dir("/").err().map(|error| error.kind()));
        denied("list what runs", std::fs::read_dir("/run").err().map(|error| error.kind()));
        denied("remove", std::fs::remove_file(&file).err().map(|error| error.kind()));
        denied("rename", std::fs::rename(&file, file.with_extension("new")).err().map(|error| error.kind()));
        denied("folder", std::fs::create_dir(file.with_extension("dir")).err().map(|error| error.kind()));
        errno("signal", rustix::process::test_kill_process(rustix::process::getpid()));
        errno(
            "new namespaces",
            unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| Errno::from_raw_os_error(errno as i32)),
        );
        for family in
            [AddressFamily::UNIX, AddressFamily::NETLINK, AddressFamily::PACKET, AddressFamily::VSOCK]
        {
            errno("socket", socket(family, SocketType::RAW, None).map(drop));
        }
        let listens = std::net::TcpListener::bind("127.0.0.1:0");
        denied("listen", listens.err().map(|error| error.kind()));
        let connects = std::os::unix::net::UnixStream::connect("/run/docker.sock");
        denied("a service of the host", connects.err().map(|error| error.kind()));
        errno("memory file", rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::empty()).map(drop));
        let limit = Rlimit { current: Some(16), maximum: Some(16) };
        errno("limits", setrlimit(Resource::Nofile, limit).map_err(|_| Errno::PERM));
        assert_eq!(getrlimit(Resource::Core).maximum, Some(1));
        assert!(getrlimit(Resource::Data).maximum.is_some_and(|most| most <= MEMORY_BYTES_MAX));
    });
    tried.join().unwrap();
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
}
