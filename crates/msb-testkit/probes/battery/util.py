"""util: what an agent needs and the sandbox must leave alone. Here `allowed` is the good outcome."""

import ctypes
import errno
import os
import signal
import socket
import tempfile
import threading

from .core import LIBC, absent, allowed, attempt, blocked, error, in_child, prctl, probe, read, run, sys


@probe("util.ws_write")
def ws_write(c):
    def work():
        path = c.path(".msb-util-write")
        with open(path, "w", encoding="ascii") as file:
            file.write("hello")
        os.rename(path, path + "2")
        with open(path + "2", encoding="ascii") as file:
            if file.read() != "hello":
                return error("read back something else")
        os.unlink(path + "2")
        os.mkdir(path + ".d")
        os.rmdir(path + ".d")

    return attempt("write, rename, read, unlink, mkdir", work)


@probe("util.ws_exec")
def ws_exec(c):
    path = c.path(".msb-util-exec")

    def work():
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 0\n")
        os.chmod(path, 0o755)
        code, _ = run([path])
        return allowed() if code == 0 else error(f"exit {code}")

    try:
        return attempt("run a script of the workspace", work)
    finally:
        if os.path.exists(path):
            os.unlink(path)


@probe("util.read_usr")
def read_usr(_):
    return attempt("read /bin/sh and list /usr/lib", lambda: (read("/bin/sh", 4), os.listdir("/usr/lib")) and None)


@probe("util.fork_exec_pipe")
def fork_exec_pipe(_):
    def work():
        code, out = run(["/bin/sh", "-c", "echo one two | cat"])
        return allowed() if (code, out) == (0, b"one two\n") else error(f"exit {code}, {out!r}")

    return attempt("a shell pipeline", work)


@probe("util.threads")
def threads(_):
    done = []

    def work():
        workers = [threading.Thread(target=done.append, args=(i,)) for i in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return allowed() if sorted(done) == list(range(8)) else error(f"{done}")

    try:
        return attempt("8 threads", work)
    except RuntimeError as failure:  # "can't start new thread"
        return blocked(errno.EAGAIN, str(failure))


@probe("util.tmp_write")
def tmp_write(_):
    def work():
        with tempfile.TemporaryFile(dir="/tmp") as file:
            file.write(b"x" * 65536)

    return attempt("a temporary file in /tmp", work)


@probe("util.dev_basic")
def dev_basic(_):
    def work():
        for path in ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"):
            if path != "/dev/null" and len(read(path, 8)) != 8:
                return error(f"{path} gave less than 8 bytes")
        with open("/dev/null", "wb", buffering=0) as null:
            null.write(b"x")
        try:
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(b"x")
            return error("/dev/full took a byte")
        except OSError as failure:
            return allowed() if failure.errno == errno.ENOSPC else error(f"/dev/full: {failure}")

    return attempt("null, zero, full, random, urandom", work)


@probe("util.own_loopback")
def own_loopback(_):
    def work():
        with socket.socket() as server, socket.socket() as client:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            client.settimeout(3)
            client.connect(server.getsockname())
            with server.accept()[0] as peer:
                client.sendall(b"ping")
                return allowed() if peer.recv(4) == b"ping" else error("other bytes")

    return attempt("connect to itself on 127.0.0.1", work, refused={errno.ENETUNREACH, errno.EADDRNOTAVAIL})


@probe("util.own_unix_socket")
def own_unix_socket(_):
    def work():
        one, two = socket.socketpair(socket.AF_UNIX)
        with one, two:
            one.sendall(b"x")
            two.recv(1)
        with tempfile.TemporaryDirectory(dir="/tmp") as directory, socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.join(directory, "s"))
            server.listen(1)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(os.path.join(directory, "s"))

    return attempt("AF_UNIX pair, bind, connect", work)


@probe("util.proc_self")
def proc_self(_):
    def work():
        read("/proc/self/status", 64)
        os.listdir("/proc/self/fd")
        if os.readlink("/proc/self") != str(os.getpid()):
            return error("/proc/self is of another pid namespace")

    return attempt("/proc/self", work)


@probe("util.landlock_available")
def landlock_available(_):
    # LANDLOCK_CREATE_RULESET_VERSION = 1 << 0 (linux/landlock.h); EOPNOTSUPP: built in but switched off.
    return attempt("landlock_create_ruleset", lambda: sys("landlock_create_ruleset", None, 0, 1) and None,
                   missing={errno.EOPNOTSUPP})


@probe("util.seccomp_self")
def seccomp_self(_):
    class Filter(ctypes.Structure):
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]

    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]

    def work():
        rules = (Filter * 1)(Filter(0x06, 0, 0, 0x7FFF0000))  # BPF_RET|BPF_K, SECCOMP_RET_ALLOW
        program = Program(1, rules)
        prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
        sys("seccomp", 1, 0, ctypes.byref(program))  # SECCOMP_SET_MODE_FILTER

    return attempt("load one's own filter", work)


@probe("util.multiprocessing_sem")
def multiprocessing_sem(_):
    def work():
        import multiprocessing

        lock = multiprocessing.get_context("fork").Lock()
        with lock:
            return allowed()

    return attempt("a POSIX semaphore in /dev/shm", work)


@probe("util.sigchld_wait")
def sigchld_wait(_):
    def work():
        got = []
        signal.signal(signal.SIGCHLD, lambda *_: got.append(1))
        status = in_child(lambda: 7)
        if os.WEXITSTATUS(status) != 7:
            return error(f"status {status:#x}")
        return allowed() if got else error("no SIGCHLD")

    return attempt("SIGCHLD and wait", work)


@probe("util.libc_fallbacks")
def libc_fallbacks(_):
    """posix_spawn uses clone3 and falls back to clone only on ENOSYS (kernel-level filters get this wrong)."""
    if not hasattr(LIBC, "posix_spawn"):
        return absent("this libc has no posix_spawn")

    def work():
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 3"], dict(os.environ))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return allowed() if code == 3 else error(f"exit {code}")

    return attempt("posix_spawn", work)
