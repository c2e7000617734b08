"""leak: what the launcher's own surroundings would tell or hand over."""

import fcntl
import os

from .core import allowed, attempt, blocked, probe, property_holds, read, readable, worst


@probe("leak.inherited_fds")
def inherited_fds(_):
    """Whatever came through execve has no FD_CLOEXEC; everything that this program opens has it (PEP 446)."""
    found = []
    for fd in range(3, 4096):
        try:
            flags = fcntl.fcntl(fd, fcntl.F_GETFD)
        except OSError:
            continue
        if not flags & fcntl.FD_CLOEXEC:
            found.append(f"{fd} {_target(fd)}")
    return property_holds(not found, f"{found}")


def _target(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "?"


@probe("leak.env_secrets")
def env_secrets(c):
    """By value and by name, here and in what /proc shows of the first environment."""
    found = [k for k, v in os.environ.items() if c.is_secret(v.encode("utf-8", "surrogateescape"))]
    found += [k for k in c.fact("secret_variables") if k in os.environ]
    tries = [property_holds(not found, f"{sorted(set(found))}")]

    def work():
        data = read("/proc/self/environ", 1 << 20)
        return allowed("/proc/self/environ") if c.is_secret(data) else blocked(0, "nothing secret")

    return worst(tries + [attempt("/proc/self/environ", work)])


@probe("leak.env_session_handles")
def env_session_handles(_):
    names = ("SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
             "SSH_CONNECTION", "TMUX", "GPG_AGENT_INFO", "DOCKER_HOST", "KUBECONFIG")
    found = [n for n in names if n in os.environ]
    return property_holds(not found, f"{found}")


@probe("leak.hostname")
def hostname(c):
    return property_holds(os.uname().nodename != c.fact("hostname"), os.uname().nodename)


@probe("leak.proc_kernel_cmdline")
def proc_kernel_cmdline(_):
    return readable("/proc/cmdline")


@probe("leak.machine_identity")
def machine_identity(_):
    """Names of this very machine or boot, by which runs could be linked."""
    return worst(readable(p) for p in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id",
                                       "/sys/class/dmi/id/product_uuid", "/var/lib/dbus/machine-id"))


@probe("leak.host_user_names")
def host_user_names(c):
    """The host's accounts by /etc/passwd."""

    def work():
        data = read("/etc/passwd", 1 << 16)
        return property_holds(data != c.fact("passwd").encode(), "/etc/passwd")

    return attempt("/etc/passwd", work)


@probe("leak.host_path_in_argv")
def host_path_in_argv(c):
    """Command lines of all visible processes, init's as well, name no path of the host."""
    if c.ws == c.fact("workspace_host_path"):
        return allowed("the path inside is the host's")
    needle = c.fact("workspace_host_path").encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if needle in read(f"/proc/{pid}/cmdline", 1 << 16):
                found.append(pid)
        except OSError:
            continue
    return property_holds(not found, f"{found}")
