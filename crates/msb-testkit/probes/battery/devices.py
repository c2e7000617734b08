"""devices: /dev holds the harmless few."""

import errno
import os
import stat

from .core import absent, allowed, attempt, error, mounts, opens, probe, property_holds, worst

# Documentation/admin-guide/devices.txt: null, zero, full, random, urandom, tty, ptmx.
HARMLESS = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)}
# Unix98 pty slaves.
PTY_MAJORS = range(136, 144)
# What opening a device node can give once the node itself may be opened.
FROM_DRIVER = {errno.EBUSY, errno.ENXIO, errno.ENODEV, errno.EIO, errno.EINVAL, errno.ENOMEDIUM}


def nodes():
    """Every device node below /dev: (path, mode, device)."""
    found = []
    for directory, _, files in os.walk("/dev"):
        for file in files:
            path = os.path.join(directory, file)
            try:
                node = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISCHR(node.st_mode) or stat.S_ISBLK(node.st_mode):
                found.append((path, node.st_mode, node.st_rdev))
    return found


def device(path, flags=os.O_RDONLY):
    """Opens a device: an errno from its driver means that the node itself was open to us."""
    if not os.path.lexists(path):
        return absent(f"{path} is not there")
    return attempt(path, lambda: os.close(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)), reached=FROM_DRIVER)


def _row(row, *paths):
    @probe(row)
    def touch(_, paths=paths):
        return worst(device(path, flags) for path in paths for flags in (os.O_RDONLY, os.O_RDWR))


@probe("devices.extra_nodes")
def extra_nodes(_):
    extra = [
        path
        for path, mode, number in nodes()
        if stat.S_ISBLK(mode)
        or ((os.major(number), os.minor(number)) not in HARMLESS and os.major(number) not in PTY_MAJORS)
    ]
    return property_holds(not extra, f"{len(extra)}: {extra[:8]}")


@probe("devices.block_read")
def block_read(_):
    names = ("vda", "sda", "xvda", "nvme0n1", "mmcblk0", "loop0", "ram0", "dm-0", "zram0", "sr0", "md0")
    paths = {f"/dev/{n}" for n in names} | {p for p, mode, _ in nodes() if stat.S_ISBLK(mode)}
    return worst(device(path) for path in sorted(paths))


_row("devices.mem_port", "/dev/mem", "/dev/port", "/dev/kmem")
_row("devices.kmsg", "/dev/kmsg")
_row("devices.kvm", "/dev/kvm")
_row("devices.fuse", "/dev/fuse")
_row("devices.net_tun", "/dev/net/tun")
_row("devices.loop_control", "/dev/loop-control")
_row("devices.vsock", "/dev/vsock", "/dev/vhost-vsock", "/dev/vhost-net")
_row("devices.userfaultfd", "/dev/userfaultfd")
_row("devices.uinput", "/dev/uinput", "/dev/uhid")


@probe("devices.gpu_input")
def gpu_input(_):
    prefixes = ("/dev/dri/", "/dev/input/", "/dev/nvidia", "/dev/fb", "/dev/snd/", "/dev/hidraw", "/dev/vga_arbiter",
                "/dev/video", "/dev/kfd")
    found = [path for path, _, _ in nodes() if path.startswith(prefixes)]
    return worst([device(path) for path in found] or [absent("there is none")])


@probe("devices.host_devtmpfs")
def host_devtmpfs(c):
    # A single node bound from there has another root.
    found = [m.point for m in mounts() if m.fstype == "devtmpfs" and m.root == "/"]
    if c.is_host_inode("/dev"):
        found.append("/dev is the host's")
    return property_holds(not found, f"{found}")


@probe("devices.host_devpts")
def host_devpts(c):
    """An instance of devpts shared with the host shows, and may open, the host's terminals."""
    if not os.path.isdir("/dev/pts"):
        return absent("/dev/pts is not there")
    return property_holds(not c.is_host_inode("/dev/pts"), "/dev/pts")


@probe("devices.own_pty")
def own_pty(_):
    def work():
        master, slave = os.openpty()
        os.write(slave, b"x")
        return allowed() if os.read(master, 1) == b"x" else error("other bytes")

    return attempt("openpty", work)


@probe("devices.console")
def console(_):
    """Without O_NOCTTY it would become the controlling terminal; ENXIO and EIO come from the driver."""
    return worst(opens(p, os.O_RDWR | os.O_NOCTTY) for p in ("/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0"))
