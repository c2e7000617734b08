"""What every probe is built from: outcomes, raw system calls, and small programs without a compiler.

A probe really tries the forbidden thing and says what came of it. The errno decides: one that only the
code behind the permission check can give (`reached`) counts as allowed, one of REFUSED as blocked, one
that says there is nothing there (MISSING) as absent; anything else is an error of the probe, never a pass.
"""

import collections
import ctypes
import errno
import mmap
import os
import platform
import signal
import struct

Outcome = collections.namedtuple("Outcome", "outcome errno detail")

# What a refusal looks like: by permission, by a read-only mount, by a filter (whatever errno it was given).
REFUSED = frozenset({errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS})
# What the absence of the thing itself looks like.
MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ENODEV})

PROBES = {}


def probe(name):
    """Registers a probe under its id in checklist.tsv. It is called with a Context."""

    def register(function):
        if name in PROBES:
            raise ValueError(f"two probes are called {name}")
        PROBES[name] = function
        return function

    return register


class Context:
    """Where the probe runs: the workspace inside, and the facts that the harness wrote on the host."""

    def __init__(self, workspace, facts):
        self.ws = workspace
        self.facts = facts

    def fact(self, name):
        """A fact from the host. A missing one is an error of the harness, so that nothing passes by it."""
        if name not in self.facts:
            raise LookupError(f"the harness gave no fact `{name}`")
        return self.facts[name]

    def path(self, *parts):
        return os.path.join(self.ws, *parts)

    def is_secret(self, data):
        return self.fact("nonce").encode() in data

    def is_host_inode(self, path):
        """Whether `path` is the very directory or file that the host has there."""
        here = os.stat(path)
        return [here.st_dev, here.st_ino] == self.fact("identity").get(path)

    def own_pid_namespace(self):
        return os.readlink("/proc/self/ns/pid") != self.fact("namespaces")["pid"]


def allowed(detail="succeeded"):
    return Outcome("allowed", 0, detail)


def blocked(code=0, detail=""):
    return Outcome("blocked", code, detail)


def absent(detail, code=0):
    return Outcome("absent", code, detail)


def error(detail, code=0):
    return Outcome("error", code, detail)


def pending(detail):
    """For what only the harness can see, after the sandbox has ended."""
    return Outcome("pending", 0, detail)


def property_holds(holds, detail):
    """For rows that name a property: the property holds = blocked, it does not = allowed."""
    return blocked(0, detail) if holds else allowed(detail)


def name(code):
    return errno.errorcode.get(code, str(code))


def attempt(label, function, reached=(), refused=(), missing=()):
    """Calls `function` and turns its end into an outcome by the rule of this module."""
    try:
        result = function()
    except OSError as failure:
        code = failure.errno or 0
        text = f"{label}: {name(code)}"
        if code in reached:
            return Outcome("allowed", code, f"{text} comes from behind the check")
        if code in REFUSED or code in refused:
            return blocked(code, text)
        if code in MISSING or code in missing:
            return absent(text, code)
        return error(f"{text} was not foreseen", code)
    except MemoryError:
        return blocked(errno.ENOMEM, f"{label}: out of memory")
    if isinstance(result, Outcome):
        return result
    return allowed(f"{label}: succeeded")


def worst(outcomes):
    """The outcome of several tries at one thing: one that got through is enough."""
    outcomes = list(outcomes)
    for kind in ("allowed", "error", "blocked", "absent"):
        found = [o for o in outcomes if o.outcome == kind]
        if found:
            return Outcome(kind, found[0].errno, "; ".join(o.detail for o in found)[:600])
    return error("nothing was tried")


# --- files -----------------------------------------------------------------------------------------


def read(path, size=4096):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.read(fd, size)
    finally:
        os.close(fd)


def opens(path, flags):
    """Opens and closes: nothing is read, written or truncated."""
    return attempt(path, lambda: os.close(os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)))


def writable(path):
    return opens(path, os.O_WRONLY)


def readable(path):
    return attempt(path, lambda: read(path, 64) and None)


def creates_in(directory):
    """Creates a file in `directory` and removes it."""
    path = os.path.join(directory, f".msb-probe-{os.getpid()}")

    def create():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.unlink(path)

    # ENOSPC and EDQUOT: a file system of size 0 takes nothing.
    return attempt(f"create in {directory}", create, refused={errno.ENOSPC, errno.EDQUOT})


def status(field):
    """A field of /proc/self/status (proc_pid_status(5))."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key == field:
                return value.strip()
    raise LookupError(f"/proc/self/status has no {field}")


Mount = collections.namedtuple("Mount", "root point options fstype source superoptions")


def mounts():
    """/proc/self/mountinfo (proc_pid_mountinfo(5))."""
    table = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            left, _, right = line.rstrip("\n").partition(" - ")
            left, right = left.split(" "), right.split(" ")
            table.append(Mount(left[3], left[4], left[5].split(","), right[0], right[1], right[2].split(",")))
    return table


# --- raw system calls ------------------------------------------------------------------------------

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
MACHINE = platform.machine()

# arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h, Linux 6.18.
_NUMBERS = {
    #                     x86_64 aarch64
    "mprotect":           (10, 226),
    "ioctl":              (16, 29),
    "shmget":             (29, 194),
    "shmat":              (30, 196),
    "shmdt":              (67, 197),
    "shmctl":             (31, 195),
    "getpid":             (39, 172),
    "socket":             (41, 198),
    "socketpair":         (53, 199),
    "clone":              (56, 220),
    "semget":             (64, 190),
    "msgget":             (68, 186),
    "ptrace":             (101, 117),
    "syslog":             (103, 116),
    "personality":        (135, 92),
    "modify_ldt":         (154, None),
    "pivot_root":         (155, 41),
    "chroot":             (161, 51),
    "acct":               (163, 89),
    "mount":              (165, 40),
    "umount2":            (166, 39),
    "swapon":             (167, 224),
    "swapoff":            (168, 225),
    "reboot":             (169, 142),
    "sethostname":        (170, 161),
    "iopl":               (172, None),
    "ioperm":             (173, None),
    "init_module":        (175, 105),
    "delete_module":      (176, 106),
    "quotactl":           (179, 60),
    "kexec_load":         (246, 104),
    "add_key":            (248, 217),
    "request_key":        (249, 218),
    "keyctl":             (250, 219),
    "mq_open":            (240, 180),
    "mlock":              (149, 228),
    "unshare":            (272, 97),
    "move_pages":         (279, 239),
    "perf_event_open":    (298, 241),
    "fanotify_init":      (300, 262),
    "name_to_handle_at":  (303, 264),
    "open_by_handle_at":  (304, 265),
    "setns":              (308, 268),
    "process_vm_readv":   (310, 270),
    "process_vm_writev":  (311, 271),
    "kcmp":               (312, 272),
    "finit_module":       (313, 273),
    "renameat2":          (316, 276),
    "seccomp":            (317, 277),
    "memfd_create":       (319, 279),
    "kexec_file_load":    (320, 294),
    "bpf":                (321, 280),
    "userfaultfd":        (323, 282),
    "pidfd_send_signal":  (424, 424),
    "io_uring_setup":     (425, 425),
    "io_uring_enter":     (426, 426),
    "io_uring_register":  (427, 427),
    "open_tree":          (428, 428),
    "move_mount":         (429, 429),
    "fsopen":             (430, 430),
    "pidfd_open":         (434, 434),
    "clone3":             (435, 435),
    "openat2":            (437, 437),
    "pidfd_getfd":        (438, 438),
    "mount_setattr":      (442, 442),
    "landlock_create_ruleset": (444, 444),
    "setdomainname":      (171, 162),
    "adjtimex":           (159, 171),
    "clock_settime":      (227, 112),
    "clock_adjtime":      (305, 266),
    "settimeofday":       (164, 170),
    "mbind":              (237, 235),
    "set_mempolicy":      (238, 237),
    "migrate_pages":      (256, 238),
    "fanotify_mark":      (301, 263),
    "vmsplice":           (278, 75),
    "mq_unlink":          (241, 181),
    "io_setup":           (206, 0),
    "ioprio_set":         (251, 30),
    "sched_setattr":      (314, 274),
    "remap_file_pages":   (216, 234),
    "capset":             (126, 91),
    "linkat":             (265, 37),
    "fsconfig":           (431, 431),
    "fsmount":            (432, 432),
    "fspick":             (433, 433),
    "process_madvise":    (440, 440),
    "quotactl_fd":        (443, 443),
    "process_mrelease":   (448, 448),
    "statmount":          (457, 457),
    "listmount":          (458, 458),
    "lsm_set_self_attr":  (460, 460),
    "open_tree_attr":     (467, 467),
}


def number(call):
    """The number of `call` here; None where the architecture has no such call."""
    column = {"x86_64": 0, "aarch64": 1}[MACHINE]
    return _NUMBERS[call][column]


def raw(nr, *arguments):
    """syscall(2) with 64-bit arguments as they are: no wrapper cuts or checks them."""
    converted = []
    for value in arguments:
        if value is None:
            value = 0
        if isinstance(value, int):
            value = ctypes.c_ulong(value & 0xFFFF_FFFF_FFFF_FFFF)
        elif isinstance(value, bytes):
            value = ctypes.c_char_p(value)
        converted.append(value)
    ctypes.set_errno(0)
    result = LIBC.syscall(ctypes.c_long(nr), *converted)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def sys(call, *arguments):
    """The call of this name; ENOSYS where the architecture does not have it."""
    nr = number(call)
    if nr is None:
        raise OSError(errno.ENOSYS, "no such call on this architecture")
    return raw(nr, *arguments)


def prctl(*arguments):
    full = list(arguments) + [0] * (5 - len(arguments))
    ctypes.set_errno(0)
    result = LIBC.prctl(ctypes.c_int(full[0]), *[ctypes.c_ulong(v & 0xFFFF_FFFF_FFFF_FFFF) for v in full[1:]])
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def surface(label, tries):
    """Tries calls given as (name, arguments, reached errnos); what they open is closed again."""

    def one(call, arguments):
        result = sys(call, *arguments)
        if call in ("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "fanotify_init", "fsopen", "open_tree"):
            os.close(result)

    return worst(
        attempt(f"{label} {call}", lambda c=call, a=arguments: one(c, a), reached=reached)
        for call, arguments, reached in tries
    )


# --- processes -------------------------------------------------------------------------------------


def in_child(function):
    """Runs `function` in a child and gives back its wait status. The child ends with what it returns."""
    pid = os.fork()
    if pid == 0:
        try:
            code = function()
            os._exit(code if isinstance(code, int) else 0)
        except OSError as failure:
            os._exit(failure.errno or 255)
        except BaseException:
            os._exit(255)
    return os.waitpid(pid, 0)[1]


def run(argv, **options):
    """Runs a program; gives back (wait status, stdout). OSError when it can't be executed."""
    import subprocess

    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False, **options)
    return done.returncode, done.stdout


# --- programs without a compiler -------------------------------------------------------------------


def elf64(code):
    """A static x86_64 executable of one page that runs `code` (elf(5))."""
    base = 0x400000
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    length = 120 + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, length, length, 4096)
    return header + segment + code


def elf32(code):
    """The same for i386."""
    base = 0x8048000
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1, base + 84, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    length = 84 + len(code)
    segment = struct.pack("<IIIIIIII", 1, 0, base, base, length, length, 5, 4096)
    return header + segment + code


def run_image(context, image):
    """Runs an executable image from wherever that is possible: (wait status, place), or (None, why not).

    Tries the workspace, /tmp, /dev/shm and a memfd: an agent would look for one that is not noexec, too.
    """
    refusals = []
    for directory in (context.ws, "/tmp", "/dev/shm"):
        path = os.path.join(directory, f".msb-image-{os.getpid()}")
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
            try:
                os.write(fd, image)
                os.fchmod(fd, 0o700)
            finally:
                os.close(fd)
            try:
                status_ = _execute(path)
            finally:
                os.unlink(path)
            if status_ is not None:
                return status_, directory
            refusals.append(f"{directory}: not executable")
        except OSError as failure:
            refusals.append(f"{directory}: {name(failure.errno)}")
    try:
        status_ = exec_memfd(image)
        if status_ is not None:
            return status_, "memfd"
        refusals.append("memfd: not executable")
    except OSError as failure:
        refusals.append(f"memfd: {name(failure.errno)}")
    return None, ", ".join(refusals)


def exec_memfd(image):
    """Runs `image` from a memfd: its wait status, or None when execve refuses."""
    fd = sys("memfd_create", b"msb", 0)
    try:
        os.write(fd, image)
        return _execute(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


_NOT_EXECUTED = 199


def _execute(path):
    def child():
        try:
            os.execv(path, [path])
        except OSError:
            os._exit(_NOT_EXECUTED)

    status_ = in_child(child)
    if os.WIFEXITED(status_) and os.WEXITSTATUS(status_) == _NOT_EXECUTED:
        return None
    return status_


def touch_pages(size):
    """Maps `size` bytes and writes to every page, so that they are memory and not a promise."""
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for offset in range(0, size, mmap.PAGESIZE):
        area[offset] = 1
    return area


def signal_name(number_):
    try:
        return signal.Signals(number_).name
    except ValueError:
        return str(number_)
