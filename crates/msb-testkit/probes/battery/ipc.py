"""ipc: what processes of the host listen on or share is out of reach."""

import ctypes
import errno
import os
import resource
import signal
import socket

from .core import LIBC, absent, allowed, attempt, blocked, error, probe, sys, worst
from .fs import host_listing, secret_at

SOCKET_GONE = {errno.ECONNREFUSED}


def answers(c, address, label, must_answer=True):
    """Connects to an AF_UNIX address; the canary answers with its nonce."""

    def work():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(3)
            client.connect(address)
            if not must_answer:
                return allowed(f"{label}: connected")
            return allowed(f"{label}: the canary answered") if c.is_secret(client.recv(256)) else absent("another")

    return attempt(label, work, refused=SOCKET_GONE)


LIBC.shmat.restype = ctypes.c_void_p


@probe("ipc.sysv_shm_host")
def sysv_shm_host(c):
    def work():
        segment = sys("shmget", c.fact("shm_key"), 0, 0)
        ctypes.set_errno(0)
        address = LIBC.shmat(segment, None, 0o10000)  # SHM_RDONLY
        if address == ctypes.c_void_p(-1).value:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        found = c.is_secret(ctypes.string_at(address, 256))
        return allowed("the canary's segment") if found else absent("another segment")

    return attempt("shmget, shmat", work)


@probe("ipc.sysv_sem_host")
def sysv_sem_host(c):
    return attempt("semget", lambda: sys("semget", c.fact("sem_key"), 0, 0) and None)


@probe("ipc.sysv_msg_host")
def sysv_msg_host(c):
    return attempt("msgget", lambda: sys("msgget", c.fact("msg_key"), 0) and None)


@probe("ipc.sysv_surface")
def sysv_surface(_):
    def shm():
        segment = sys("shmget", 0, 4096, 0o600)
        sys("shmctl", segment, 0, None)  # IPC_RMID

    return worst([
        attempt("shmget", shm),
        attempt("semget of no key", lambda: sys("semget", 0x6D736270, 0, 0) and None, reached={errno.ENOENT}),
        attempt("msgget of no key", lambda: sys("msgget", 0x6D736270, 0) and None, reached={errno.ENOENT}),
    ])


@probe("ipc.posix_mqueue")
def posix_mqueue(_):
    return attempt("mq_open of no queue", lambda: os.close(sys("mq_open", b"msb-no-such", os.O_RDONLY, 0, None)),
                   reached={errno.ENOENT})


@probe("ipc.dev_shm_host")
def dev_shm_host(c):
    return worst([secret_at(c, c.fact("shm_marker")), host_listing(c, "/dev/shm")])


@probe("ipc.abstract_unix_host")
def abstract_unix_host(c):
    return answers(c, "\0" + c.fact("abstract"), "abstract socket")


@probe("ipc.path_unix_host")
def path_unix_host(c):
    return answers(c, c.fact("unix_path"), c.fact("unix_path"))


@probe("ipc.path_unix_workspace")
def path_unix_workspace(c):
    """A host's server that listens below the workspace: a path that the policy opened, to a process it did not."""
    return answers(c, c.path(c.fact("unix_in_workspace")), "socket in the workspace")


@probe("ipc.container_sockets")
def container_sockets(c):
    places = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
              "/run/crio/crio.sock", "/run/systemd/private", "/run/snapd.socket", "/run/libvirt/libvirt-sock")
    return worst(answers(c, place, place, must_answer=False) for place in places)


@probe("ipc.dbus")
def dbus(c):
    places = ["/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket", c.fact("session_bus")]
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    if address.startswith("unix:path="):
        places.append(address[len("unix:path="):].split(",")[0])
    return worst(answers(c, place, place, must_answer=False) for place in places)


@probe("ipc.x11_wayland")
def x11_wayland(c):
    places = [c.fact("wayland"), "/tmp/.X11-unix/X0", "\0/tmp/.X11-unix/X0"]
    return worst(answers(c, place, place.replace("\0", "@"), must_answer=False) for place in places)


@probe("ipc.agent_socket_env")
def agent_socket_env(c):
    tries = [answers(c, c.fact("agent_socket"), "the agent by its path")]
    path = os.environ.get("SSH_AUTH_SOCK")
    tries.append(answers(c, path, "SSH_AUTH_SOCK") if path else absent("SSH_AUTH_SOCK is not set"))
    return worst(tries)


@probe("ipc.signal_host_process")
def signal_host_process(c):
    """Signal 0 asks for permission alone; SIGCONT is harmless and the canary counts it."""
    pid = c.fact("canary_pid")
    if c.own_pid_namespace() and os.path.exists(f"/proc/{pid}"):
        return error("the canary's number is a process of the sandbox: run again")
    gone = {errno.ESRCH}
    return worst([
        attempt("kill 0", lambda: os.kill(pid, 0), refused=gone),
        attempt("kill SIGCONT", lambda: os.kill(pid, signal.SIGCONT), refused=gone),
        attempt("pidfd_open", lambda: os.close(sys("pidfd_open", pid, 0)), refused=gone),
    ])


@probe("ipc.limit_host_process")
def limit_host_process(c):
    """Its limits, priorities and CPUs: calls of their own, which ask for no signal. What is set is what it has."""
    pid = c.fact("canary_pid")
    if c.own_pid_namespace() and os.path.exists(f"/proc/{pid}"):
        return error("the canary's number is a process of the sandbox: run again")
    gone = {errno.ESRCH}
    return worst([
        attempt("prlimit64 reads", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE) and None, refused=gone),
        attempt("prlimit64 sets", lambda: resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0)), refused=gone),
        attempt("setpriority", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19), refused=gone),
        attempt("sched_setaffinity", lambda: os.sched_setaffinity(pid, os.sched_getaffinity(0)), refused=gone),
        attempt("ioprio_set", lambda: sys("ioprio_set", 1, pid, 2 << 13 | 4) and None, refused=gone),
        attempt("setpgid", lambda: os.setpgid(pid, pid), refused=gone),
    ])


@probe("ipc.signal_everyone")
def signal_everyone(c):
    """kill(-1) reaches all that one may signal: tried only where the namespace of pids is one's own, with signal 0."""
    if not c.own_pid_namespace():
        return error("this is the host's pid namespace, which is left alone")
    # Process 1 is not counted by kill(-1); SIGCONT to the rest of the sandbox does nothing.
    os.kill(-1, signal.SIGCONT)
    return blocked(0, "the harness looks whether the canary heard it")
