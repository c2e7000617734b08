"""Other ways to what the rows of the other files ask for: the same place by another call, descriptor, name or file, the
same power by another call. What a battery of one way each would let through.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import shutil
import stat
import struct
import subprocess

from .core import (absent, allowed, attempt, blocked, name, prctl, probe, property_holds, read, readable, status, surface,
                   sys, worst, writable)
from .fs_persist import AT, PAYLOAD, STANDS
from .namespaces import CLONE, REFUSED_TOO, _cloned
from .proc import _row as proc_row

# --- calls of the kernel that an agent has no use for --------------------------------------------------

BAD_FD = 0xFFFF_FFFF_FFFF_FFFF
_SURFACE = {
    # Clocks of the whole machine. A bad time is EINVAL before anything is set; ADJ_SETOFFSET without a right is EPERM.
    "clock_settime": [("clock_settime", (0, struct.pack("<qq", -1, -1)), {errno.EINVAL})],
    "settimeofday": [("settimeofday", (struct.pack("<qq", -1, -1), None), {errno.EINVAL})],
    "adjtimex_write": [("adjtimex", (struct.pack("<I", 0x4000) + bytes(204),), {errno.EINVAL}),
                       ("clock_adjtime", (0, struct.pack("<I", 0x4000) + bytes(204)), {errno.EINVAL})],
    "setdomainname": [("setdomainname", (b"msb", 1 << 20), {errno.EINVAL})],
    # Where memory lies, and that of other processes.
    "mempolicy": [("mbind", (0, 0, 99, None, 0, 0), {errno.EINVAL}), ("set_mempolicy", (99, None, 0), {errno.EINVAL})],
    "migrate_pages": [("migrate_pages", (0, 0, None, None), set()), ("move_pages", (0, 0, None, None, None, 0), set())],
    "process_madvise": [("process_madvise", (BAD_FD, None, 0, 4, 0), {errno.EBADF, errno.EINVAL}),
                        ("process_mrelease", (BAD_FD, 0), {errno.EBADF, errno.EINVAL})],
    "remap_file_pages": [("remap_file_pages", (0, 4096, 1, 0, 0), {errno.EINVAL})],
    "fanotify_mark": [("fanotify_mark", (BAD_FD, 1, 1, AT, b"/"), {errno.EBADF, errno.EINVAL})],
    "open_tree_attr": [("open_tree_attr", (AT, b"/", 0x80001, None, 0), {errno.EINVAL})],
    "fspick": [("fspick", (AT, b"/msb-no-such", 0), {errno.ENOENT})],
    "fsconfig": [("fsconfig", (BAD_FD, 0, None, None, 0), {errno.EBADF, errno.EINVAL}),
                 ("fsmount", (BAD_FD, 0, 0), {errno.EBADF, errno.EINVAL})],
    "quotactl_fd": [("quotactl_fd", (BAD_FD, 0xFFFFFF00, 0, None), {errno.EBADF, errno.EINVAL})],
    # The table of mounts by number.
    "listmount": [("statmount", (bytes(64), bytes(512), 512, 0), {errno.EINVAL}),
                  ("listmount", (bytes(64), bytes(64), 8, 0), {errno.EINVAL})],
    "lsm_set_self_attr": [("lsm_set_self_attr", (100, bytes(64), 64, 0), {errno.EINVAL, errno.EOPNOTSUPP})],
    "mq_unlink": [("mq_unlink", (b"msb-no-such",), {errno.ENOENT})],
    "aio": [("io_setup", (0, None), {errno.EINVAL, errno.EFAULT})],
    "ioprio_realtime": [("ioprio_set", (1, 0, 1 << 13), set())],
    # SCHED_DEADLINE with a period of 100 ms.
    "sched_deadline": [("sched_setattr", (0, struct.pack("<IIQiIQQQ", 48, 6, 0, 0, 0, 10**7, 10**8, 10**8), 0), set())],
    "capset_raise": [("capset", (struct.pack("<Ii", 0x20080522, 0), struct.pack("<6I", 1 << 21, 1 << 21, 1 << 21, 0, 0, 0)),
                      set())],
}


def _surface(row, tries):
    @probe(f"syscalls.{row}")
    def reach(_, tries=tries):
        return surface("", tries)


for _name, _tries in _SURFACE.items():
    _surface(_name, _tries)


@probe("caps.securebits")
def securebits(_):
    """SECBIT_KEEP_CAPS (0x10) is for CAP_SETPCAP; PR_SET_KEEPCAPS (8) is the same bit for everybody."""
    return worst([attempt("PR_SET_SECUREBITS", lambda: prctl(28, int(prctl(27)) ^ 0x10) and None),
                  attempt("PR_SET_KEEPCAPS", lambda: prctl(8, 1) and None)])


@probe("caps.ambient_raise")
def ambient_raise(_):
    """PR_CAP_AMBIENT_RAISE of CAP_NET_ADMIN, made inheritable first; capset's structure is of linux/capability.h."""
    def work():
        effective, permitted = (int(status(field), 16) for field in ("CapEff", "CapPrm"))
        sets = (effective, permitted, 1 << 12)
        words = [(value >> shift) & 0xFFFF_FFFF for shift in (0, 32) for value in sets]
        sys("capset", struct.pack("<Ii", 0x20080522, 0), struct.pack("<6I", *words))
        prctl(47, 2, 12)

    return attempt("PR_CAP_AMBIENT", work)


@probe("caps.core_handler")
def core_handler(_):
    """A crash starts the host's handler, as root there, unless RLIMIT_CORE is 1 (fs/coredump.c): 0 does not stop it."""
    import resource

    def lower():
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

    if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1):
        return allowed(f"{resource.getrlimit(resource.RLIMIT_CORE)}")
    return attempt("lower RLIMIT_CORE", lower)


# --- namespaces ------------------------------------------------------------------------------------------


def _clone(kind):
    @probe(f"namespaces.clone_{kind}")
    def clone(_, kind=kind):
        return worst(
            attempt(f"clone({flags:#x})", lambda f=flags: _cloned(sys("clone", f | 17, 0, 0, 0, 0)),
                    refused=REFUSED_TOO, reached={errno.EINVAL})
            for flags in (CLONE[kind], CLONE[kind] | 1 << 33)
        )


for _kind in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
    _clone(_kind)


@probe("namespaces.parent_of_user")
def parent_of_user(c):
    """NS_GET_PARENT (0xb702) of the own user namespace is the host's, ready for setns; ioctl_ns(2)."""
    with open("/proc/self/ns/user", "rb") as here:
        def work():
            fd = fcntl.ioctl(here, 0xB702)
            found = os.fstat(fd).st_ino
            os.close(fd)
            return allowed(f"user:[{found}]")

        result = attempt("NS_GET_PARENT", work)
    # The host's own has no parent to show.
    host = os.readlink("/proc/self/ns/user") == c.fact("namespaces")["user"]
    return allowed("this is the host's") if host else result


@probe("namespaces.setns_init")
def setns_init(c):
    """Namespaces of the sandbox's init, and by a pidfd, for which no file has to be opened."""
    tries = []
    for pid in (1, os.getppid()):
        def work(pid=pid):
            fd = sys("pidfd_open", pid, 0)
            try:
                sys("setns", fd, CLONE["net"] | CLONE["ipc"])
            finally:
                os.close(fd)

        tries.append(attempt(f"setns by a pidfd of {pid}", work, reached={errno.EINVAL}, refused={errno.ESRCH}))
    return worst(tries)


# --- procfs ------------------------------------------------------------------------------------------------

proc_row("proc.own_settings_write", writable, "/proc/self/projid_map", "/proc/self/attr/current", "/proc/self/clear_refs",
         "/proc/self/sched", "/proc/self/timens_offsets", "/proc/self/uid_map", "/proc/self/loginuid")
proc_row("proc.kernel_tables", readable, "/proc/kallsyms", "/proc/modules", "/proc/interrupts", "/proc/iomem",
         "/proc/ioports", "/proc/vmallocinfo", "/proc/sched_debug", "/proc/config.gz", "/proc/diskstats")
proc_row("proc.pressure_and_swaps", readable, "/proc/swaps", "/proc/partitions", "/proc/pressure/memory", "/proc/stat")
proc_row("proc.self_stack", readable, "/proc/self/stack")


@probe("proc.mounts_other_names")
def mounts_other_names(c):
    """The table of mounts has many names, one for each thread."""
    host = c.fact("workspace_host_path").encode()
    if c.ws == host.decode():
        return allowed("the path inside is the host's")
    paths = ["/proc/self/mounts", "/proc/self/mountstats", "/proc/thread-self/mountinfo", "/proc/mounts", "/etc/mtab",
             f"/proc/self/task/{os.getpid()}/mountinfo", f"/proc/{os.getppid()}/mountinfo"]

    def one(path):
        return allowed(f"{path}: {host}") if host in read(path, 1 << 20) else blocked(0, f"{path}: not in it")

    return worst(attempt(path, lambda p=path: one(p)) for path in paths)


@probe("proc.self_mem_text")
def self_mem_text(_):
    """/proc/self/mem writes where mprotect may not: to what is mapped to be executed."""
    with open("/proc/self/maps", encoding="ascii") as lines:
        line = next(line for line in lines if " r-xp " in line)
    address = int(line.split("-")[0], 16)

    def work():
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(address)
            same = memory.read(1)
            memory.seek(address)
            memory.write(same)

    return attempt("/proc/self/mem", work)


@probe("proc.cgroup_path")
def cgroup_path(_):
    """Where in the host's tree of control groups the sandbox is."""
    with open("/proc/self/cgroup", encoding="ascii") as lines:
        paths = {line.rstrip("\n").split(":", 2)[2] for line in lines}
    return property_holds(paths <= {"/"}, f"{sorted(paths)}")


@probe("proc.own_network_only")
def own_network_only(c):
    """/proc/self/net shows the sandbox's sockets, and the canary's port is not among them."""
    wanted = f":{c.fact('tcp4_port'):04X} "

    def work():
        table = read("/proc/self/net/tcp", 1 << 20).decode()
        return allowed("the canary's port") if wanted in table else blocked(0, "not in it")

    return attempt("/proc/self/net/tcp", work)


# --- files that decide about others ---------------------------------------------------------------------------


def _writes(row, *paths):
    @probe(row)
    def write(_, paths=paths):
        def create(path):
            made = not os.path.lexists(path)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
            if made:
                os.unlink(path)

        return worst(attempt(path, lambda p=path: create(p), refused={errno.ENOENT, errno.EISDIR}) for path in paths)


_writes("fs.write_ld_preload", "/etc/ld.so.preload", "/etc/ld.so.conf.d/msb-probe.conf", "/etc/ld.so.cache")
_writes("fs.write_generated", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf")
_writes("fs.write_cron", "/etc/cron.d/msb-probe", "/var/spool/cron/msb-probe", "/etc/crontab")
_writes("fs.write_systemd", "/etc/systemd/system/msb-probe.service", "/usr/lib/systemd/system/msb-probe.service")
_writes("fs.write_profile_d", "/etc/profile.d/msb-probe.sh", "/etc/bash.bashrc", "/etc/environment")
_writes("fs.write_gitconfig", "/etc/gitconfig", "/etc/gitignore")


@probe("fs.change_dev")
def change_dev(_):
    """/dev itself: nothing is added, removed or renamed there."""
    def swap():
        os.rename("/dev/null", "/dev/null2")
        os.rename("/dev/null2", "/dev/null")

    def add():
        os.close(os.open("/dev/msb-probe", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink("/dev/msb-probe")

    return worst([attempt("rename /dev/null", swap, refused={errno.EBUSY}), attempt("create in /dev", add),
                  attempt("chmod /dev/null", lambda: os.chmod("/dev/null", stat.S_IMODE(os.stat("/dev/null").st_mode)))])


@probe("fs.immutable_flag")
def immutable_flag(c):
    """FS_IOC_SETFLAGS (0x40086602) with FS_IMMUTABLE_FL: a file that the host can't remove."""
    path = c.path(f".msb-flags-{os.getpid()}")
    with open(path, "wb") as file:
        flags = ctypes.c_long(0)

        def work():
            fcntl.ioctl(file, 0x80086601, flags)
            fcntl.ioctl(file, 0x40086602, struct.pack("l", flags.value | 0x10))
            fcntl.ioctl(file, 0x40086602, struct.pack("l", flags.value))

        try:
            return attempt("chattr +i", work, missing={errno.ENOTTY, errno.EOPNOTSUPP})
        finally:
            os.unlink(path)


@probe("fs.trusted_xattr")
def trusted_xattr(c):
    path = c.path(f".msb-attr-{os.getpid()}")
    with open(path, "wb"):
        pass
    try:
        return worst(attempt(key, lambda k=key: os.setxattr(path, k, b"x"), missing={errno.EOPNOTSUPP})
                     for key in ("trusted.msb", "security.msb"))
    finally:
        os.unlink(path)


@probe("fs.exec_by_loader")
def exec_by_loader(_):
    """The dynamic linker runs what execve refuses, unless mmap refuses it too (noexec)."""
    loaders = [p for p in ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1") if os.path.exists(p)]
    if not loaders:
        return absent("no dynamic linker")
    path = f"/dev/shm/msb-true-{os.getpid()}"
    shutil.copyfile("/bin/true", path)
    os.chmod(path, 0o755)
    try:
        code = subprocess.run([loaders[0], path], capture_output=True, check=False).returncode
        return allowed(f"{path} ran") if code == 0 else blocked(0, f"status {code}")
    finally:
        os.unlink(path)


# --- places that are denied, by other ways than fs_persist's -----------------------------------------------------


@probe("fs.persist_by_tmpfile")
def persist_by_tmpfile(c):
    """A file without a name is given that of a denied place: O_TMPFILE and linkat."""
    def work(target):
        fd = os.open(c.ws, os.O_TMPFILE | os.O_RDWR, 0o644)
        try:
            os.write(fd, PAYLOAD)
            sys("linkat", AT, f"/proc/self/fd/{fd}".encode(), AT, c.path(target).encode(), 0x400)  # AT_SYMLINK_FOLLOW
            os.unlink(c.path(target))
        finally:
            os.close(fd)

    tries = [attempt(t, lambda t=t: work(t), refused=STANDS, missing={errno.EOPNOTSUPP})
             for t in (".envrc", ".mcp.json", ".gitmodules")]
    return worst(tries)


@probe("fs.persist_by_folder")
def persist_by_folder(c):
    """A folder is filled elsewhere and renamed into place."""
    def work(target, how):
        away = c.path(f".msb-away-{os.getpid()}")
        os.makedirs(away)
        with open(os.path.join(away, "tasks.json"), "wb") as file:
            file.write(PAYLOAD)
        try:
            how(away, c.path(target))
            shutil.rmtree(c.path(target))
        finally:
            shutil.rmtree(away, ignore_errors=True)

    exchange = lambda a, b: sys("renameat2", AT, a.encode(), AT, b.encode(), 2)  # RENAME_EXCHANGE
    tries = []
    for target in (".vscode", ".idea", ".github", ".husky", ".claude"):
        tries.append(attempt(f"rename to {target}", lambda t=target: work(t, os.rename), refused=STANDS))
        if os.path.lexists(c.path(target)):
            tries.append(attempt(f"exchange {target}", lambda t=target: work(t, exchange), refused=STANDS))
    return worst(tries)


@probe("fs.persist_by_symlinked_folder")
def persist_by_symlinked_folder(c):
    def work(target):
        os.symlink("elsewhere", c.path(target))
        os.unlink(c.path(target))

    return worst(attempt(f"symlink at {t}", lambda t=t: work(t), refused=STANDS)
                 for t in (".vscode", ".idea", ".cursor", ".github", ".husky", ".devcontainer"))


@probe("fs.persist_by_descriptor")
def persist_by_descriptor(c):
    """The denied folder by a descriptor of itself and of what is above it."""
    tries = []
    for place, rest in ((".git", "hooks/pre-push"), (".", ".git/hooks/pre-push"), (".git/hooks", "pre-push")):
        try:
            fd = os.open(c.path(place), os.O_PATH | os.O_DIRECTORY)
        except OSError as failure:
            tries.append(absent(f"{place}: {name(failure.errno)}", failure.errno))
            continue

        def work(way, rest=rest):
            way = f"{way}/{rest}"
            os.close(os.open(way, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755))
            os.unlink(way)

        for way in (f"/proc/self/fd/{fd}", f"/proc/self/task/{os.getpid()}/fd/{fd}", f"/dev/fd/{fd}"):
            tries.append(attempt(way, lambda w=way: work(w), refused=STANDS))
        os.close(fd)
    for way in (f"/proc/self/root{c.ws}", f"/proc/self/root/proc/self/root{c.ws}", f"{c.ws}/./../{os.path.basename(c.ws)}"):
        tries.append(attempt(way, lambda w=way: work(w, ".git/hooks/pre-push"), refused=STANDS))
    return worst(tries)


@probe("fs.change_denied_attributes")
def change_denied_attributes(c):
    """Not the bytes but what is known of the file: mode, times, length, attributes; and its removal."""
    path = c.path(".git/config")
    here = os.stat(path)

    def in_memory():
        fd = os.open(path, os.O_RDONLY)
        try:
            mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE).close()
        finally:
            os.close(fd)

    def remove():
        os.unlink(path)
        return allowed(".git/config is removed")

    tries = {
        "chmod": lambda: os.chmod(path, stat.S_IMODE(here.st_mode)),
        "utime": lambda: os.utime(path, ns=(here.st_atime_ns, here.st_mtime_ns)),
        "truncate": lambda: os.truncate(path, here.st_size),
        "setxattr": lambda: os.setxattr(path, "user.msb", b"x"),
        "chown": lambda: os.chown(path, -1, here.st_gid),
        "shared memory": in_memory,
        "rename": lambda: os.rename(path, path) or os.rename(path, path + "~") or os.rename(path + "~", path),
    }
    if c.own_pid_namespace():
        tries["unlink"] = remove
    return worst(attempt(label, way, refused=STANDS) for label, way in tries.items())


@probe("fs.move_workspace")
def move_workspace(c):
    """The workspace itself, with every denied place in it, is moved away and made anew."""
    def work():
        os.rename(c.ws, c.ws + ".msb")
        os.rename(c.ws + ".msb", c.ws)

    def over():
        away = c.path(f".msb-new-{os.getpid()}")
        os.mkdir(away)
        try:
            sys("renameat2", AT, c.ws.encode(), AT, away.encode(), 2)
        finally:
            os.rmdir(away)

    return worst([attempt("rename", work, refused=STANDS),
                  attempt("exchange", over, refused=STANDS | {errno.EINVAL})])
