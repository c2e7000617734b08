"""dos: what one sandbox can take from the host is bounded.

Each of these may end the whole sandbox, which is a bound as well: the harness runs them one by one. They
stop at a fixed amount, so that they do no harm where nothing stops them.
"""

import ctypes
import errno
import mmap
import os
import resource
import signal
import time

from .core import LIBC, absent, allowed, attempt, blocked, error, in_child, probe, signal_name, touch_pages

GIB = 1 << 30
MIB = 1 << 20
FORKS = 1100
BYTES = 3 * GIB // 2
INODES = 300_000
DESCRIPTORS = 16_384


@probe("dos.fork_limit")
def fork_limit(_):
    children = []
    try:
        while len(children) < FORKS:
            pid = os.fork()
            if pid == 0:
                signal.pause()
                os._exit(0)
            children.append(pid)
        return allowed(f"{FORKS} children")
    except OSError as failure:
        if failure.errno == errno.EAGAIN:
            return blocked(failure.errno, f"at {len(children)} children")
        return error(str(failure), failure.errno)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


@probe("dos.thread_limit")
def thread_limit(_):
    """Threads count as processes: the limit must see them."""
    import threading

    threading.stack_size(64 * 1024)
    gate = threading.Event()
    started = 0
    try:
        while started < FORKS:
            threading.Thread(target=gate.wait, daemon=True).start()
            started += 1
        return allowed(f"{FORKS} threads")
    except (RuntimeError, MemoryError) as failure:
        return blocked(errno.EAGAIN, f"at {started} threads: {failure}")
    finally:
        gate.set()


def _hog(size):
    """Takes `size` bytes in a child: its wait status, or the errno with which the memory was refused."""

    def child():
        try:
            touch_pages(size)
        except (MemoryError, OSError):
            return errno.ENOMEM
        return 0

    return in_child(child)


def _memory(result, size):
    if os.WIFSIGNALED(result):
        return blocked(0, f"killed by {signal_name(os.WTERMSIG(result))}")
    if os.WEXITSTATUS(result) == 0:
        return allowed(f"{size // MIB} MiB")
    return blocked(os.WEXITSTATUS(result), "refused")


@probe("dos.memory_one_process")
def memory_one_process(_):
    return _memory(_hog(BYTES), BYTES)


@probe("dos.memory_many_processes")
def memory_many_processes(_):
    """The same amount by many, each below any bound on one process, all at one time."""
    share = 96 * MIB
    count = BYTES // share
    children = []
    begin, end = os.pipe()
    for _ in range(count):
        try:
            pid = os.fork()
        except OSError as failure:
            return blocked(failure.errno, f"at {len(children)} processes")
        if pid == 0:
            try:
                held = touch_pages(share)  # noqa: F841  what is not kept is unmapped again
                os.write(end, b"x")
                signal.pause()
            except (MemoryError, OSError):
                pass
            os._exit(1)
        children.append(pid)
    os.close(end)
    holding = 0
    deadline = time.monotonic() + 40
    gone = 0
    os.set_blocking(begin, False)
    while holding + gone < count and time.monotonic() < deadline:
        try:
            holding += len(os.read(begin, 64))
        except BlockingIOError:
            pass
        gone = sum(1 for pid in children if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        time.sleep(0.02)
    # A watch over all of them needs a moment; without one they are all still there after it.
    time.sleep(1.0)
    gone = sum(1 for pid in children if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)
    text = f"{holding} of {count} held {share // MIB} MiB, {gone} ended"
    return allowed(text) if gone == 0 and holding == count else blocked(0, text)


def _fill(directory, size):
    """Allocates up to `size` bytes in a file of `directory` and gives them back."""
    path = os.path.join(directory, f".msb-fill-{os.getpid()}")

    def work():
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.unlink(path)
        try:
            for offset in range(0, size, 64 * MIB):
                os.posix_fallocate(fd, offset, 64 * MIB)
        finally:
            os.close(fd)
        return allowed(f"{size // MIB} MiB in {directory}")

    def child():
        outcome = attempt(directory, work, refused={errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EINTR})
        return {"allowed": 0, "blocked": 1, "absent": 2}.get(outcome.outcome, 3)

    result = in_child(child)
    if os.WIFSIGNALED(result):
        return blocked(0, f"{directory}: killed by {signal_name(os.WTERMSIG(result))}")
    return (allowed(f"{size // MIB} MiB in {directory}"), blocked(errno.ENOSPC, f"{directory}: refused"),
            absent(f"{directory} is not there"), error(f"{directory}: not foreseen"))[os.WEXITSTATUS(result)]


@probe("dos.tmpfs_fill_tmp")
def tmpfs_fill_tmp(_):
    return _fill("/tmp", BYTES)


@probe("dos.tmpfs_fill_shm")
def tmpfs_fill_shm(_):
    return _fill("/dev/shm", BYTES)


@probe("dos.memfd_fill")
def memfd_fill(_):
    """Memory that no address space shows: RLIMIT_DATA does not see it."""

    def child():
        try:
            fd = os.memfd_create("msb", 0)
            for offset in range(0, BYTES, 64 * MIB):
                os.posix_fallocate(fd, offset, 64 * MIB)
        except OSError as failure:
            return failure.errno
        time.sleep(1.0)  # a watch needs a moment
        return 0

    return _memory(in_child(child), BYTES)


@probe("dos.inode_exhaustion")
def inode_exhaustion(_):
    """Files of no bytes: a bound on size does not see them."""
    directory = f"/tmp/.msb-inodes-{os.getpid()}"
    made = 0

    def work():
        nonlocal made
        os.mkdir(directory)
        while made < INODES:
            os.close(os.open(f"{directory}/{made}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            made += 1
        return allowed(f"{made} files")

    try:
        outcome = attempt("files in /tmp", work, refused={errno.ENOSPC, errno.EDQUOT, errno.ENOMEM})
        return outcome._replace(detail=f"{outcome.detail} at {made} files")
    finally:
        for index in range(made):
            os.unlink(f"{directory}/{index}")
        if os.path.isdir(directory):
            os.rmdir(directory)


@probe("dos.ws_disk_quota")
def ws_disk_quota(c):
    return _fill(c.ws, 2 * GIB)


@probe("dos.nofile_limit")
def nofile_limit(_):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS + 64, max(hard, DESCRIPTORS + 64)))
    except (ValueError, OSError):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            pass
    held = []
    try:
        while len(held) < DESCRIPTORS:
            held.append(os.dup(0))
        return allowed(f"{DESCRIPTORS} descriptors")
    except OSError as failure:
        return blocked(failure.errno, f"at {len(held)} descriptors")
    finally:
        for fd in held:
            os.close(fd)


@probe("dos.negative_nice")
def negative_nice(_):
    return attempt("nice -5", lambda: os.nice(-5) and None)


@probe("dos.realtime_scheduler")
def realtime_scheduler(_):
    """SCHED_FIFO starves every other process of a CPU; in this child alone, and for no time."""

    def work():
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    return attempt("SCHED_FIFO", work)


@probe("dos.mlock_128m")
def mlock_128m(_):
    size = 128 * MIB
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))

    def work():
        ctypes.set_errno(0)
        if LIBC.mlock(ctypes.c_void_p(address), ctypes.c_size_t(size)) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    return attempt("mlock 128 MiB", work, refused={errno.ENOMEM, errno.EAGAIN})


@probe("dos.cpu_bandwidth")
def cpu_bandwidth(_):
    """Two that spin for 1.5 s: how many CPUs' worth of time they got. Noisy where the machine is shared."""
    spinners = 2
    if len(os.sched_getaffinity(0)) < spinners:
        return blocked(0, "one CPU alone")
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    children = []
    for _ in range(spinners):
        pid = os.fork()
        if pid == 0:
            while time.monotonic() - start < 1.5:
                pass
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpus = (used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime) / (time.monotonic() - start)
    text = f"{cpus:.2f} CPUs"
    return allowed(text) if cpus > 1.5 else blocked(0, text)
