//! Limits hold for the sandbox as a whole: memory, processes, CPU, time, descriptors, scratch space.

use msb_testkit::{Account, Ended, Need, Workspace, accounts, finish, skip};
use std::time::{Duration, Instant};

/// A run under `limits { … }`, with a scratch directory of 16 MiB and 200 inodes at /scratch.
fn run(account: Account, limits: &str, script: &str) -> Ended {
    let workspace = Workspace::new(account);
    let policy = format!(
        "edition 2026\npolicy limited(workspace: dir) {{\n  include std.base\n  include std.python\n  net none\n  \
         fs {{ write $workspace at /work  scratch /scratch size 16MiB inodes 200  scratch /large size 1GiB inodes 100 }}\n  \
         limits {{ {limits} }}\n}}\n"
    );
    let plan = workspace.compile(&policy);
    finish(&mut workspace.launch(&plan, ["python3", "-c", script]), 60)
}

/// Asserts that the script did not get to the end of what it should not be able to do.
#[track_caller]
fn expect_stopped(ended: &Ended) {
    assert!(!ended.out().contains("survived"), "{} {}", ended.out(), ended.err());
    // 125 would be a launcher that did not start it at all.
    assert_ne!(ended.code(), 125, "{}", ended.err());
    assert!(ended.out().contains("started"), "it did not even start: {} {}", ended.code(), ended.err());
}

/// Maps and touches memory: a process that gets less than it asked for ends with 3, or is killed.
const TAKE: &str = "
import mmap, os, signal, sys, time
def take(size):
    try:
        area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for at in range(0, size, 4096): area[at] = 1
        return area
    except (MemoryError, OSError):
        os._exit(3)
os.write(1, b'started\\n')
";

#[test]
fn memory_below_the_limit_is_there() {
    for account in accounts() {
        let ended =
            run(account, "memory 256MiB", &format!("{TAKE}\nkeep = take(128 << 20)\nprint('survived')"));
        assert_eq!((ended.code(), ended.out().contains("survived")), (0, true), "{}", ended.err());
    }
}

#[test]
fn memory_of_one_process() {
    for account in accounts() {
        let ended =
            run(account, "memory 256MiB", &format!("{TAKE}\nkeep = take(768 << 20)\nprint('survived')"));
        expect_stopped(&ended);
        assert!([3, 137].contains(&ended.code()), "{} {}", ended.code(), ended.err());
    }
}

/// Each of twelve takes a quarter of the limit and keeps it; a watch is given two seconds.
#[test]
fn memory_of_many_processes_together() {
    let script = format!(
        "{TAKE}
children = []
for _ in range(12):
    pid = os.fork()
    if pid == 0:
        keep = take(64 << 20)
        time.sleep(30)
        os._exit(0)
    children.append(pid)
time.sleep(3)
gone = [p for p in children if os.waitpid(p, os.WNOHANG)[0]]
print('survived' if not gone else 'some were ended')
for p in children:
    try: os.kill(p, signal.SIGKILL)
    except ProcessLookupError: pass
"
    );
    for account in accounts() {
        expect_stopped(&run(account, "memory 256MiB", &script));
    }
}

/// A scratch directory is memory: the limit holds it together with the processes.
#[test]
fn memory_holds_scratch_directories_too() {
    let script = format!(
        "{TAKE}
try:
    with open('/large/file', 'wb') as file:
        for _ in range(768): file.write(b'x' * (1 << 20))
    time.sleep(2)
    print('survived')
except OSError:
    sys.exit(3)
"
    );
    for account in accounts() {
        expect_stopped(&run(account, "memory 256MiB", &script));
    }
}

/// Files of memfd_create count, mapped or not, and once whoever has them open; so does /dev/shm.
#[test]
fn memory_holds_files_in_memory() {
    let unmapped = format!(
        "{TAKE}
fd = os.memfd_create('x', 0x8)
for _ in range(512): os.write(fd, b'x' * (1 << 20))
time.sleep(2)
print('survived')
"
    );
    // Of which each process may have 8 MiB mapped at a time (RLIMIT_MEMLOCK). 447: memfd_secret(2); a kernel may be without.
    let secret = format!(
        "{TAKE}
import ctypes, resource
fd = ctypes.CDLL(None).syscall(447, 0)
if fd < 0: sys.exit(3)
os.ftruncate(fd, 512 << 20)
step = min(1 << 20, resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] // 2)
for at in range(0, 512 << 20, step):
    area = mmap.mmap(fd, step, offset=at)
    for byte in range(0, step, 4096): area[byte] = 1
    area.close()
time.sleep(2)
print('survived')
"
    );
    let shared = format!(
        "{TAKE}
fd = os.memfd_create('x', 0x8)
os.ftruncate(fd, 96 << 20)
area = mmap.mmap(fd, 96 << 20)
for at in range(0, 96 << 20, 4096): area[at] = 1
file = open('/dev/shm/x', 'w+b')
file.write(b'x' * (48 << 20)); file.flush()
both = mmap.mmap(file.fileno(), 48 << 20)
sum(both[at] for at in range(0, 48 << 20, 4096))
children = []
for _ in range(6):
    pid = os.fork()
    if pid == 0:
        sum(area[at] for at in range(0, 96 << 20, 4096)); time.sleep(2); os._exit(0)
    children.append(pid)
print('survived' if all(os.waitpid(pid, 0)[1] == 0 for pid in children) else 'some were ended')
"
    );
    for account in accounts() {
        expect_stopped(&run(account, "memory 256MiB", &unmapped));
        expect_stopped(&run(account, "memory 256MiB", &secret));
        let ended = run(account, "memory 256MiB", &shared);
        assert!(ended.out().contains("survived"), "{} {} {}", ended.code(), ended.out(), ended.err());
    }
}

/// Bytes on their way in sockets and pipes count, whoever has them open, and files of memory that are hidden or on their way.
#[test]
fn memory_holds_what_is_on_its_way() {
    const FILL: &str = "
import array, ctypes, resource, socket
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
sent = 0
def filled(kind, size):
    global sent
    pair = socket.socketpair(socket.AF_UNIX, kind)
    for one in pair:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 23)
        one.setblocking(False)
        try:
            while sent < 1 << 30: one.send(b'x' * size); sent += size + 768
        except BlockingIOError: pass
    return pair
def file(mib):
    fd = os.memfd_create('x', 0x8)
    for _ in range(mib): os.write(fd, b'x' * (1 << 20))
    return fd
";
    let ways = [
        ("streams", "keep = [filled(socket.SOCK_STREAM, 65536) for _ in range(5000)]"),
        ("packets", "keep = [filled(socket.SOCK_SEQPACKET, 8192) for _ in range(5000)]"),
        // Whoever sent it is gone, and on no list of the kernel's.
        ("senders that are gone", "keep = [filled(socket.SOCK_STREAM, 1)[0] for _ in range(5000)]"),
        ("empty messages", "keep = [filled(socket.SOCK_SEQPACKET, 0)[0] for _ in range(5000)]"),
        (
            "in nobody's hands",
            "
a, b = socket.socketpair()
for _ in range(250):
    pair = filled(socket.SOCK_STREAM, 65536)
    socket.send_fds(a, [b'x'], [it.fileno() for it in pair])",
        ),
        (
            "files in nobody's hands",
            "
a, b = socket.socketpair()
for _ in range(64):
    fd = file(8); socket.send_fds(a, [b'x'], [fd]); os.close(fd)",
        ),
        ("files that are hidden", "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); file(512)"),
        (
            "pipes",
            "
for _ in range(10):
    if os.fork() == 0:
        try:
            while True:
                r, w = os.pipe(); os.write(w, b'x' * 4096)
        except OSError: signal.pause()
time.sleep(10)",
        ),
    ];
    for account in accounts() {
        for (name, way) in ways {
            let ended = run(
                account,
                "memory 128MiB",
                &format!("{TAKE}{FILL}{way}\ntime.sleep(3)\nprint('survived')\n"),
            );
            assert!(!ended.out().contains("survived"), "{name}: {}", ended.err());
            expect_stopped(&ended);
            assert_eq!(ended.code(), 137, "{name}: {} {}", ended.out(), ended.err());
        }
    }
}

/// Sockets and pipes in which nothing much is count for what they hold.
#[test]
fn memory_is_not_what_sockets_could_hold() {
    let script = format!(
        "{TAKE}
import socket
keep = [socket.socketpair() for _ in range(300)]
halves = [socket.socketpair()[0] for _ in range(100)]
pipes = [os.pipe() for _ in range(150)]
for a, b in keep: a.send(b'x' * 1000)
time.sleep(1)
print('survived')
"
    );
    for account in accounts() {
        let ended = run(account, "memory 64MiB", &script);
        assert!(ended.out().contains("survived"), "{} {}", ended.code(), ended.err());
    }
}

/// What a fork shares with its parent is there once, as long as nobody writes to it.
#[test]
fn memory_that_forks_share_counts_once() {
    let script = |child: &str| {
        format!(
            "{TAKE}
area = take(100 << 20)
children = []
for _ in range(6):
    pid = os.fork()
    if pid == 0:
        {child}
        time.sleep(1); os._exit(0)
    children.append(pid)
print('survived' if all(os.waitpid(pid, 0)[1] == 0 for pid in children) else 'some were ended')
"
        )
    };
    for account in accounts() {
        let ended = run(account, "memory 256MiB", &script("area[0]"));
        assert!(ended.out().contains("survived"), "{} {} {}", ended.code(), ended.out(), ended.err());
        let writes = "for at in range(0, 100 << 20, 4096): area[at] = 2";
        expect_stopped(&run(account, "memory 256MiB", &script(writes)));
    }
}

/// To read from memory that nobody wrote to takes a page of a table for each 2 MiB, and no other.
#[test]
fn memory_holds_page_tables() {
    let script = format!(
        "{TAKE}
areas = []
for _ in range(4):
    area = mmap.mmap(-1, 64 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ)
    for at in range(0, 64 << 30, 2 << 20): area[at]
    areas.append(area)
time.sleep(2)
print('survived')
"
    );
    for account in accounts() {
        expect_stopped(&run(account, "memory 256MiB", &script));
    }
}

/// Twenty processes that together exceed the limit are ended, and the limit is named with its line.
#[test]
fn many_processes_are_ended_and_the_limit_named() {
    let script = format!(
        "{TAKE}
children = []
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        keep = take(20 << 20)
        time.sleep(30)
        os._exit(0)
    children.append(pid)
time.sleep(3)
gone = [p for p in children if os.waitpid(p, os.WNOHANG)[0]]
print('survived' if not gone else 'some were ended')
os._exit(0)
"
    );
    for account in accounts() {
        let ended = run(account, "memory 256MiB", &script);
        expect_stopped(&ended);
        let named = ended.err().contains("memory was reached") && ended.err().contains("policy.msb:7");
        assert!(named, "{}", ended.err());
    }
}

/// A host that hides processes from whom they are not leaves nothing to watch: refused, and not held in silence.
#[test]
fn memory_that_cannot_be_watched_is_refused() {
    if Account::root().is_none() {
        return;
    }
    let account = Account::ordinary();
    let workspace = Workspace::new(account);
    let policy = |limit: &str| {
        format!("edition 2026\npolicy hidden {{\n  include std.base\n  limits {{ {limit} }}\n}}\n")
    };
    let run = |hidepid: &str, limit: &str| {
        let plan = workspace.compile(&policy(limit));
        let mount = format!("mount -t proc -o {hidepid} proc /proc && exec \"$@\"");
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "sh", "-c", &mount, "sh", "setpriv", "--clear-groups"]);
        command.arg(format!("--reuid={}", account.uid)).arg(format!("--regid={}", account.gid));
        command.arg(workspace.bin().join("msb-launch")).arg(plan).args(["--", "echo", "ran"]);
        finish(&mut command, 60)
    };
    for limit in ["memory 256MiB", "cpu_time 10s"] {
        for hidepid in ["hidepid=1", "hidepid=2"] {
            let ended = run(hidepid, limit);
            assert_eq!(
                (ended.code(), ended.out()),
                (125, String::new()),
                "{hidepid}, {limit}: {}",
                ended.err()
            );
            assert!(ended.err().contains("policy.msb:4"), "{}", ended.err());
        }
        assert_eq!(run("hidepid=0", limit).out(), "ran\n", "{limit}");
    }
    assert_eq!(run("hidepid=2", "pids 20").out(), "ran\n");
}

const FORKS: &str = "
import os, signal
os.write(1, b'started\\n')
children = []
try:
    while len(children) < 500:
        pid = os.fork()
        if pid == 0: signal.pause()
        children.append(pid)
except BlockingIOError:
    pass
print(len([p for p in os.listdir('/proc') if p.isdigit()]))
for pid in children: os.kill(pid, signal.SIGKILL)
";

/// Every process inside counts, init among them; not one more, and all of them can be had.
#[test]
fn pids_are_exact() {
    for account in accounts() {
        for limit in [10_u32, 40] {
            let ended = run(account, &format!("pids {limit}"), FORKS);
            assert_eq!(ended.code(), 0, "{}", ended.err());
            let count = ended.out().lines().nth(1).and_then(|line| line.parse().ok());
            assert_eq!(count, Some(limit), "processes inside when fork was refused; {account:?}");
        }
    }
}

/// Processes of the same user outside are not counted: two sandboxes do not take from each other.
#[test]
fn pids_of_two_sandboxes_are_counted_apart() {
    for account in accounts() {
        let runs = [0, 1].map(|_| std::thread::spawn(move || run(account, "pids 60", FORKS)));
        for handle in runs {
            let ended = handle.join().expect("the run ends");
            assert_eq!(ended.out().lines().nth(1), Some("60"), "{}", ended.err());
        }
    }
}

#[test]
fn threads_count_as_processes() {
    let script = "
import os, threading
os.write(1, b'started\\n')
threading.stack_size(65536)
gate = threading.Event()
try:
    for _ in range(500): threading.Thread(target=gate.wait, daemon=True).start()
    print('survived')
except RuntimeError:
    pass
os._exit(0)
";
    for account in accounts() {
        expect_stopped(&run(account, "pids 30", script));
    }
}

#[test]
fn cpu_is_shared_by_all_processes() {
    if std::thread::available_parallelism().map_or(1, std::num::NonZero::get) < 2 {
        skip(Need::TwoCpus, "with one CPU, two that spin get no more than one anyway");
        return;
    }
    let script = "
import os, resource, time
os.write(1, b'started\\n')
start = time.monotonic()
for _ in range(2):
    if os.fork() == 0:
        while time.monotonic() - start < 3: pass
        os._exit(0)
os.wait(); os.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print((used.ru_utime + used.ru_stime) / (time.monotonic() - start))
";
    for account in accounts() {
        let ended = run(account, "cpu 100%", script);
        assert_eq!(ended.code(), 0, "{}", ended.err());
        let cpus: f64 = ended.out().lines().nth(1).and_then(|line| line.parse().ok()).expect("a number");
        assert!(cpus < 1.3, "two that spin had {cpus} CPUs of 1");
        assert!(cpus > 0.05, "they had only {cpus}");
    }
}

#[test]
fn wall_ends_everything() {
    let script = "
import os, signal, time
for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(n, signal.SIG_IGN)
os.write(1, b'started\\n')
if os.fork() == 0: os.setsid()
time.sleep(30)
print('survived')
";
    for account in accounts() {
        let start = Instant::now();
        let ended = run(account, "wall 1s", script);
        expect_stopped(&ended);
        assert_eq!(ended.code(), 137, "{}", ended.err());
        // Compiling is in it as well; what matters is that it is not the command's half minute.
        assert!(start.elapsed() > Duration::from_secs(1) && start.elapsed() < Duration::from_secs(25));
        assert!(ended.err().contains("wall"), "says which limit: {}", ended.err());
    }
}

#[test]
fn wall_is_no_hurry() {
    for account in accounts() {
        let ended = run(account, "wall 30s", "print('done')");
        assert_eq!((ended.code(), ended.out().as_str()), (0, "done\n"), "{}", ended.err());
    }
}

#[test]
fn files_of_each_process() {
    let script = "
import os, resource
held = []
try:
    while len(held) < 5000: held.append(os.dup(0))
except OSError as failure:
    top = max(held)
    for fd in held: os.close(fd)
    print(failure.errno, top + 1)
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (65, 65))
    print('raised')
except (ValueError, PermissionError, OSError):
    print('held')
";
    for account in accounts() {
        let ended = run(account, "files 64", script);
        assert_eq!(ended.code(), 0, "{}", ended.err());
        // EMFILE is 24 on every architecture that plans are made for (asm-generic/errno-base.h).
        assert_eq!(ended.out(), "24 64\nheld\n");
    }
}

#[test]
fn scratch_is_bounded_in_bytes_and_in_inodes() {
    let script = "
import os
try:
    with open('/scratch/large', 'wb', buffering=0) as file:
        for _ in range(64): file.write(b'x' * (1 << 20))
    print('survived')
except OSError as failure:
    print(failure.errno, os.path.getsize('/scratch/large') <= 16 << 20)
os.unlink('/scratch/large')
made = 0
try:
    while made < 1000:
        os.close(os.open(f'/scratch/{made}', os.O_CREAT | os.O_WRONLY)); made += 1
    print('survived')
except OSError as failure:
    print(failure.errno, 150 < made <= 200)
";
    for account in accounts() {
        let ended = run(account, "files 256", script);
        // ENOSPC is 28.
        assert_eq!(ended.out(), "28 True\n28 True\n", "{}", ended.err());
    }
}

/// `limits hard` holds by a cgroup or does not start; it never holds by less.
#[test]
fn hard_limits_are_held_by_a_cgroup_or_refused() {
    for account in accounts() {
        let workspace = Workspace::new(account);
        let plan = workspace.compile(
            "edition 2026\npolicy hard(workspace: dir) {\n  include std.base\n  include std.python\n  \
             fs { write $workspace at /work }\n  limits hard { memory 256MiB  pids 20 }\n}\n",
        );
        let ended = finish(&mut workspace.launch(&plan, ["python3", "-c", FORKS]), 60);
        match ended.code() {
            0 => assert_eq!(ended.out().lines().nth(1), Some("20"), "{}", ended.err()),
            125 => {
                assert!(ended.out().is_empty(), "refused, and yet it ran: {}", ended.out());
                assert!(ended.err().contains("policy.msb:6"), "names the line that asked: {}", ended.err());
            }
            code => panic!("{code}: {}", ended.err()),
        }
    }
}

/// A user to whom root gave a cgroup of each v1 hierarchy: the limits are held there, and nothing is left.
#[test]
fn a_delegated_v1_cgroup_holds_the_limits_of_a_user() {
    const HIERARCHIES: [&str; 3] = ["memory", "pids", "cpu"];
    let mount = std::path::Path::new("/sys/fs/cgroup");
    if Account::root().is_none() {
        return;
    }
    if !HIERARCHIES.iter().all(|name| mount.join(name).join("cgroup.procs").exists()) {
        skip(Need::CgroupV1, "no cgroup v1 hierarchies are mounted here");
        return;
    }
    let account = Account::ordinary();
    let workspace = Workspace::new(account);
    let plan = workspace.compile(
        "edition 2026\npolicy delegated(workspace: dir) {\n  include std.base\n  include std.python\n  net none\n  \
         fs { write $workspace at /work }\n  limits hard { memory 64MiB  pids 20  cpu 50%  wall 1min }\n}\n",
    );
    let own = format!("msb-test-{}", std::process::id());
    let groups = HIERARCHIES.map(|name| mount.join(name).join(&own));
    for group in &groups {
        std::fs::create_dir(group).expect("a cgroup");
        for file in ["", "cgroup.procs", "tasks"] {
            let (uid, gid) = (Some(account.uid), Some(account.gid));
            std::os::unix::fs::chown(group.join(file), uid, gid).expect("it is given away");
        }
    }
    // The shell joins as root, then becomes the user.
    let join: String =
        groups.iter().map(|group| format!("echo $$ > {}/cgroup.procs; ", group.display())).collect();
    let launcher = workspace.launch(&plan, ["python3", "-c", "x = bytearray(128 << 20); print('survived')"]);
    let words: Vec<String> = std::iter::once(launcher.get_program())
        .chain(launcher.get_args())
        .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
        .collect();
    let become_user = format!("setpriv --reuid {} --regid {} --clear-groups", account.uid, account.gid);
    let script = format!("{join} exec {become_user} {}", words.join(" "));
    let ended = finish(std::process::Command::new("sh").args(["-c", &script]), 60);
    let left: Vec<_> = groups
        .iter()
        .flat_map(|group| std::fs::read_dir(group).expect("listed"))
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .collect();
    for group in &groups {
        std::fs::remove_dir(group).expect("it is empty again");
    }
    assert_eq!((ended.code(), ended.out().as_str()), (137, ""), "{}", ended.err());
    assert!(ended.err().contains("memory"), "{}", ended.err());
    assert!(left.is_empty(), "{left:?}");
}
