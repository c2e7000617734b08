"""namespaces: the sandbox has its own, and can't make or join others."""

import ctypes
import errno
import os
import struct

from .core import absent, attempt, blocked, name, probe, property_holds, surface, sys, worst

# linux/sched.h
CLONE = {"mnt": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000,
         "pid": 0x20000000, "net": 0x40000000, "time": 0x00000080}
# ENOSPC, EUSERS: user.max_*_namespaces is used up or 0.
REFUSED_TOO = {errno.ENOSPC, errno.EUSERS}


def _own(row, kind):
    @probe(row)
    def own(c, kind=kind):
        try:
            here = os.readlink(f"/proc/self/ns/{kind}")
        except FileNotFoundError:
            return absent(f"the kernel has no {kind} namespaces")
        host = c.fact("namespaces").get(kind)
        return property_holds(host is not None and here != host, f"here {here}, host {host}")


for _kind in ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"):
    _own(f"namespaces.own_{_kind}", _kind)


def _unshare(row, kind):
    @probe(row)
    def unshare(_, kind=kind):
        """Alone, and together with a user namespace, which is how a user would do it."""
        tries = [_in_child(f"unshare {kind}", lambda: sys("unshare", CLONE[kind]))]
        if kind != "user":
            tries.append(_in_child(f"unshare user and {kind}", lambda: sys("unshare", CLONE["user"] | CLONE[kind])))
        else:
            tries.append(_in_child("unshare user, high bits", lambda: sys("unshare", CLONE["user"] | 1 << 32)))
        return worst(tries)


def _in_child(label, function):
    def work():
        pid = os.fork()
        if pid == 0:
            try:
                function()
                os._exit(0)
            except OSError as failure:
                os._exit(failure.errno or 255)
        result = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(result):
            return blocked(0, f"{label}: killed by signal {os.WTERMSIG(result)}")
        code = os.WEXITSTATUS(result)
        if code:
            raise OSError(code, os.strerror(code))

    # EINVAL for unknown flags is behind any filter.
    return attempt(label, work, reached={errno.EINVAL}, refused=REFUSED_TOO)


for _kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"):
    _unshare(f"namespaces.unshare_{_kind}", _kind)


def _cloned(pid):
    """The new process ends at once; the old one gives back its number, or 0 in the child (never seen)."""
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


@probe("namespaces.clone_user")
def clone_user(_):
    """clone is another door than unshare; its flags are 64 bits wide on the register."""
    sigchld = 17

    def work(flags):
        _cloned(sys("clone", flags | sigchld, 0, 0, 0, 0))

    return worst(
        attempt(f"clone({flags:#x})", lambda f=flags: work(f), refused=REFUSED_TOO, reached={errno.EINVAL})
        for flags in (CLONE["user"], CLONE["user"] | CLONE["net"], CLONE["user"] | 1 << 32)
    )


@probe("namespaces.clone3_user")
def clone3_user(_):
    """clone3's flags lie in memory, where no filter sees them."""
    # struct clone_args of linux/sched.h, 64 bytes: flags, pidfd, child_tid, parent_tid, exit_signal, …
    arguments = ctypes.create_string_buffer(struct.pack("<8Q", CLONE["user"], 0, 0, 0, 17, 0, 0, 0), 64)
    return attempt("clone3", lambda: _cloned(sys("clone3", arguments, 64)), refused=REFUSED_TOO,
                   reached={errno.EINVAL})


@probe("namespaces.setns_host")
def setns_host(c):
    """Joins a namespace of the host by the canary's /proc entry."""
    pid = c.fact("canary_pid")
    tries = []
    for kind in ("mnt", "net", "pid", "user", "ipc", "uts"):
        path = f"/proc/{pid}/ns/{kind}"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as failure:
            tries.append(absent(f"{path}: {name(failure.errno)}"))
            continue
        tries.append(_in_child(f"setns {kind}", lambda f=fd, k=kind: sys("setns", f, CLONE[k])))
        os.close(fd)
    return worst(tries)


@probe("namespaces.sethostname")
def sethostname(_):
    """The name stays what it is. EINVAL for a name that is too long comes after CAP_SYS_ADMIN."""
    host = os.uname().nodename.encode()
    return surface("", [("sethostname", (host, len(host)), set()), ("sethostname", (host, 1 << 20), {errno.EINVAL})])
