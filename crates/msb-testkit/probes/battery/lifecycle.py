"""lifecycle: nothing outlives the launcher, and no terminal is shared with the host."""

import errno
import os
import signal
import time

from .core import allowed, attempt, blocked, error, pending, prctl, probe

DAEMON_SECONDS_MAX = 20


@probe("lifecycle.controlling_tty")
def controlling_tty(_):
    """ENXIO: there is a node and no terminal behind it, which is what a new session looks like."""
    return attempt("/dev/tty", lambda: os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)))


@probe("lifecycle.new_session")
def new_session(c):
    session = os.getsid(0)
    if session == 0:
        return allowed("the session's leader is outside the pid namespace")
    if not c.own_pid_namespace() and session == c.fact("session"):
        return allowed("the session is the host's")
    return blocked(0, f"session {session}")


@probe("lifecycle.stdio_is_no_tty")
def stdio_is_no_tty(_):
    found = [fd for fd in (0, 1, 2) if os.isatty(fd)]
    return allowed(f"{found} are terminals") if found else blocked(0, "none is a terminal")


@probe("lifecycle.daemon_survives")
def daemon_survives(c):
    """Double fork, setsid, no parent-death signal, no descriptors: the harness looks for its heartbeat afterwards."""
    path = c.path(c.fact("heartbeat"))
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            _daemon(path)
        os._exit(0)
    os.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if os.path.exists(path):
            return pending("the daemon runs")
        time.sleep(0.02)
    return error("the daemon did not start")


def _daemon(path):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    try:
        prctl(1, 0)  # PR_SET_PDEATHSIG
    except OSError:
        pass
    # As daemons do: nothing of its parent's is held open.
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.closerange(3, 1024)
    end = time.monotonic() + DAEMON_SECONDS_MAX
    beat = 0
    # The harness asks it to stop where no sandbox did.
    while time.monotonic() < end and not os.path.exists(path + ".stop"):
        beat += 1
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(f"{os.getpid()} {beat}\n")
        os.rename(path + ".new", path)
        time.sleep(0.05)
    os.unlink(path)
    os._exit(0)


@probe("lifecycle.kill_init")
def kill_init(c):
    """From inside, process 1 can be neither killed nor stopped (pid_namespaces(7)).

    Others than these two may be forwarded to the command, which is then ended by its own signal.
    """
    if not c.own_pid_namespace():
        return error("process 1 is the host's init, which is left alone")
    for number in (signal.SIGKILL, signal.SIGSTOP):
        attempt("kill", lambda n=number: os.kill(1, n))
    time.sleep(0.2)
    # Whoever says this is still alive, and so is init.
    return blocked(errno.EPERM, "the sandbox still runs")


@probe("lifecycle.reparent_to_init")
def reparent_to_init(_):
    """Orphans are reaped: a zombie that stays counts against the limit for ever."""
    pids = []
    for _ in range(8):
        begin, end = os.pipe()
        if os.fork() == 0:
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.write(end, f"{pid}\n".encode())
            os._exit(0)
        os.close(end)
        os.wait()
        pids.append(int(os.read(begin, 32)))
        os.close(begin)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        left = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
        if not left:
            return blocked(0, "all were reaped")
        time.sleep(0.05)
    return allowed(f"zombies: {left}")
