"""proc: kernel interfaces in /proc and /sys, and other processes seen through them.

Files of the kernel are opened for writing and closed; nothing is ever written to them.
"""

import ctypes
import errno
import os

from .core import (absent, allowed, attempt, blocked, error, mounts, opens, probe, property_holds, read, readable, sys,
                   worst, writable)

PTRACE_SEIZE = 0x4206  # linux/ptrace.h: attaches without stopping
PTRACE_DETACH = 17


def _row(row, how, *paths):
    @probe(row)
    def touch(_, how=how, paths=paths):
        return worst(how(path) for path in paths)


_row("proc.sysrq_write", writable, "/proc/sysrq-trigger")
_row("proc.core_pattern_write", writable, "/proc/sys/kernel/core_pattern")
_row("proc.modprobe_write", writable, "/proc/sys/kernel/modprobe")
_row("proc.vm_sysctl_write", writable, "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches")
_row("proc.fs_sysctl_write", writable, "/proc/sys/fs/protected_hardlinks", "/proc/sys/fs/suid_dumpable")
_row("proc.hostname_sysctl_write", writable, "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname")
_row("proc.kmsg_read", lambda path: opens(path, os.O_RDONLY), "/proc/kmsg")
_row("proc.binfmt_misc_register", writable, "/proc/sys/fs/binfmt_misc/register")
_row("proc.uevent_helper", writable, "/sys/kernel/uevent_helper", "/proc/sys/kernel/hotplug")
_row("proc.timer_list", readable, "/proc/timer_list")
_row("proc.proc_keys", readable, "/proc/keys", "/proc/key-users")
_row("proc.slabinfo", readable, "/proc/slabinfo")
_row("proc.kcore_read", lambda path: opens(path, os.O_RDONLY), "/proc/kcore")
_row("proc.sysfs_visible", lambda path: attempt(path, lambda: os.listdir(path) and None), "/sys/class", "/sys/devices",
     "/sys/firmware")
_row("proc.net_sysctl_write", writable, "/proc/sys/net/ipv4/ip_forward")
_row("proc.user_sysctl_write", writable, "/proc/sys/user/max_user_namespaces")


@probe("proc.sys_mount_rw")
def sys_mount_rw(_):
    """/proc/sys on a mount that is not read-only, at any place where procfs is mounted."""
    places = {m.point for m in mounts() if m.fstype == "proc"} | {"/proc"}
    found = []
    for place in places:
        path = os.path.join(place, "sys")
        try:
            if os.listdir(path) and not os.statvfs(path).f_flag & os.ST_RDONLY:
                found.append(path)
        except OSError:
            continue
    return property_holds(not found, f"writable: {found}" if found else "no writable /proc/sys")


@probe("proc.sysfs_writable")
def sysfs_writable(_):
    found = [m.point for m in mounts() if m.fstype == "sysfs" and "rw" in m.options]
    tries = [property_holds(not found, f"sysfs is mounted rw at {found}" if found else "no writable sysfs")]
    tries += [writable(path) for path in ("/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state")]
    return worst(tries)


@probe("proc.debugfs_tracefs")
def debugfs_tracefs(_):
    found = [m.point for m in mounts() if m.fstype in ("debugfs", "tracefs", "securityfs", "bpf", "configfs", "pstore")]
    places = ("/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/fs/bpf", "/sys/kernel/config")
    for place in places:
        try:
            if os.listdir(place):
                found.append(place)
        except OSError:
            continue
    return property_holds(not found, f"visible: {sorted(set(found))}" if found else "none is visible")


@probe("proc.cgroupfs_write")
def cgroupfs_write(_):
    places = [m.point for m in mounts() if m.fstype in ("cgroup", "cgroup2")] + ["/sys/fs/cgroup"]
    tries = []
    for place in places:
        child = os.path.join(place, f"msb-probe-{os.getpid()}")
        tries.append(attempt(f"mkdir in {place}", lambda p=child: (os.mkdir(p), os.rmdir(p)) and None))
        tries.append(writable(os.path.join(place, "cgroup.procs")))
    return worst(tries)


@probe("proc.see_host_process")
def see_host_process(c):
    nonce = c.fact("nonce").encode()
    own = {os.getpid(), os.getppid()}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) in own:
            continue
        try:
            if b"msb-canary-" + nonce in read(f"/proc/{pid}/cmdline"):
                return allowed(f"the canary is process {pid}")
        except OSError:
            continue
    return blocked(0, "the canary is not in /proc")


@probe("proc.host_environ")
def host_environ(c):
    path = f"/proc/{c.fact('canary_pid')}/environ"

    def work():
        return allowed("the canary's environment") if c.is_secret(read(path, 65536)) else absent("another process")

    return attempt(path, work, refused={errno.ESRCH})


@probe("proc.host_mem")
def host_mem(c):
    path = f"/proc/{c.fact('canary_pid')}/mem"

    def work():
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = c.is_secret(os.pread(fd, c.fact("canary_length"), c.fact("canary_address")))
        finally:
            os.close(fd)
        return allowed("the canary's memory") if found else absent("another process")

    return attempt(path, work, refused={errno.ESRCH}, missing={errno.EIO})


@probe("proc.ptrace_host_process")
def ptrace_host_process(c):
    if is_ours(c, c.fact("canary_pid")):
        return absent("the number is a process of the sandbox")
    return attempt("PTRACE_SEIZE", lambda: seize(c.fact("canary_pid")), refused={errno.ESRCH})


def seize(pid):
    """Attaches without stopping it; the attachment ends with this child."""
    sys("ptrace", PTRACE_SEIZE, pid, 0, 0)


def is_ours(c, pid):
    """Whether this number is a process of the sandbox by chance, and not the canary."""
    if not c.own_pid_namespace():
        return False
    return os.path.exists(f"/proc/{pid}")


class Vector(ctypes.Structure):
    """struct iovec of sys/uio.h."""

    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def read_memory(pid, address, length):
    buffer = ctypes.create_string_buffer(length)
    local = Vector(ctypes.addressof(buffer), length)
    remote = Vector(address, length)
    sys("process_vm_readv", pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return buffer.raw


@probe("proc.process_vm_readv_host")
def process_vm_readv_host(c):
    def work():
        data = read_memory(c.fact("canary_pid"), c.fact("canary_address"), c.fact("canary_length"))
        return allowed("the canary's memory") if c.is_secret(data) else absent("another process")

    # EFAULT: the process was found and permission given, the address was another's.
    return attempt("process_vm_readv", work, refused={errno.ESRCH}, missing={errno.EFAULT})


# --- the sandbox's init, which knows the launcher ----------------------------------------------------
# In the host's pid namespace, process 1 is not ours to touch: these say so and try nothing.


def _init(row, tries):
    @probe(row)
    def init(c, tries=tries):
        if not c.own_pid_namespace():
            return error("process 1 is the host's init, which is left alone")
        return tries(c)


_init("proc.init_environ", lambda c: _init_environ(c))
_init("proc.init_root", lambda c: worst(
    [_holds_secret(c, f"/proc/1/root{c.fact('secret_path')}"),
     _holds_secret(c, "/proc/1/cwd/" + "../" * 24 + c.fact("secret_path").lstrip("/"))]))
_init("proc.init_exe_open", lambda c: opens("/proc/1/exe", os.O_RDONLY))
_init("proc.init_mem", lambda c: opens("/proc/1/mem", os.O_RDWR))
_init("proc.init_ptrace", lambda c: attempt("PTRACE_SEIZE", lambda: seize(1), refused={errno.ESRCH}))
_init("proc.init_fds", lambda c: _init_fds())


def _holds_secret(c, path):
    def work():
        return allowed(f"{path}: the secret") if c.is_secret(read(path)) else absent("another file")

    return attempt(path, work)


def _init_environ(c):
    def work():
        data = read("/proc/1/environ", 1 << 20)
        return allowed("init holds the launcher's environment") if c.is_secret(data) else blocked(0, "nothing secret")

    return attempt("/proc/1/environ", work)


def _init_fds():
    """Descriptors of init beyond 0, 1, 2 that this process may open again: doors to the host."""

    def work():
        tries = [blocked(0, "listed, none can be opened")]
        for fd in os.listdir("/proc/1/fd"):
            if int(fd) > 2:
                tries.append(attempt(f"/proc/1/fd/{fd}",
                                     lambda f=fd: os.close(os.open(f"/proc/1/fd/{f}", os.O_RDONLY | os.O_NONBLOCK)),
                                     refused={errno.ENXIO}))
        return worst(tries)

    return attempt("/proc/1/fd", work)
