"""fs: the files of the host stay unseen and unchanged, whichever way one goes to them."""

import ctypes
import errno
import os
import stat
import struct
import subprocess

from .core import (absent, allowed, attempt, blocked, creates_in, elf64, error, exec_memfd, mounts, name,
                   opens, probe, property_holds, read, readable, surface, sys, worst, MACHINE)


def secret_at(c, path):
    """Reads `path`: allowed only if it holds the canary's secret."""

    def work():
        return allowed(f"{path}: the secret") if c.is_secret(read(path)) else absent(f"{path}: another file")

    return attempt(path, work, refused={errno.ELOOP, errno.EXDEV})


def host_listing(c, path):
    """Lists `path`: allowed only if it is the host's directory."""

    def work():
        entries = os.listdir(path)
        if c.is_host_inode(path):
            return allowed(f"{path}: {len(entries)} entries of the host")
        return absent(f"{path}: not the host's directory")

    return attempt(path, work)


@probe("fs.read_host_secret")
def read_host_secret(c):
    return secret_at(c, c.fact("secret_path"))


@probe("fs.list_host_dir")
def list_host_dir(c):
    directory = c.fact("host_dir")

    def work():
        found = os.path.basename(c.fact("secret_path")) in os.listdir(directory)
        return allowed(f"{directory}: its entries") if found else absent(f"{directory}: another directory")

    return attempt(directory, work)


@probe("fs.read_home_credentials")
def read_home_credentials(c):
    home = c.fact("home")
    names = (".ssh/id_canary", ".aws/credentials")
    homes = {home, os.path.expanduser("~")}
    return worst(secret_at(c, os.path.join(h, n)) for h in homes for n in names)


@probe("fs.read_shadow")
def read_shadow(_):
    return worst(readable(path) for path in ("/etc/shadow", "/etc/gshadow"))


@probe("fs.read_root_home")
def read_root_home(c):
    return host_listing(c, "/root")


@probe("fs.list_host_home")
def list_host_home(c):
    return host_listing(c, "/home")


@probe("fs.read_host_var_log")
def read_host_var_log(c):
    return host_listing(c, "/var/log")


def _write(row, *directories):
    @probe(row)
    def write(_, directories=directories):
        return worst(creates_in(directory) for directory in directories)


_write("fs.write_usr", "/usr", "/usr/share")
_write("fs.write_etc", "/etc")
_write("fs.write_usr_bin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin", "/sbin")
_write("fs.write_usr_lib", "/usr/lib", "/usr/lib64", "/lib", "/usr/local/lib")
_write("fs.write_rootdir", "/")
_write("fs.write_var_tmp", "/var/tmp")
_write("fs.write_opt", "/opt")
_write("fs.write_run", "/run")


@probe("fs.write_home")
def write_home(c):
    """The user's home as the host has it; a home inside that only the sandbox sees may take files."""
    home = c.fact("home")

    def work():
        if not c.is_host_inode(home):
            return absent(f"{home}: not the host's directory")
        return creates_in(home)

    return worst([attempt(home, work), creates_in("/home")])


@probe("fs.write_host_dir")
def write_host_dir(c):
    return creates_in(c.fact("host_dir"))


@probe("fs.overwrite_ro_file_open")
def overwrite_ro_file_open(_):
    """Opening for writing is enough; nothing is written. ETXTBSY comes after the permission check."""
    paths = ("/etc/passwd", "/etc/hosts", "/usr/bin/env", "/usr/lib/os-release", "/etc/ld.so.cache")
    tries = [opens(p, flags) for p in paths for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND)]
    tries += [attempt(f"truncate {p}", lambda p=p: os.truncate(p, os.stat(p).st_size)) for p in paths[:4]]
    tries += [attempt(f"chmod {p}", lambda p=p: os.chmod(p, stat.S_IMODE(os.stat(p).st_mode))) for p in paths[:4]]
    tries += [attempt(f"utime {p}", lambda p=p: os.utime(p, ns=(os.stat(p).st_atime_ns, os.stat(p).st_mtime_ns)))
              for p in paths[:4]]
    return worst(tries)


@probe("fs.symlink_read_escape")
def symlink_read_escape(c):
    tries = []
    for target in (c.fact("secret_path"), "../" * 20 + c.fact("secret_path").lstrip("/")):
        link = c.path(f".msb-link-{os.getpid()}")
        os.symlink(target, link)
        try:
            tries.append(secret_at(c, link))
        finally:
            os.unlink(link)
    directory = c.path(f".msb-dirlink-{os.getpid()}")
    os.symlink(c.fact("host_dir"), directory)
    try:
        tries.append(secret_at(c, os.path.join(directory, os.path.basename(c.fact("secret_path")))))
    finally:
        os.unlink(directory)
    return worst(tries)


@probe("fs.dotdot_escape")
def dotdot_escape(c):
    secret = c.fact("secret_path").lstrip("/")
    tries = []
    for start in (c.ws, "/", "/tmp", "/usr/lib"):
        tries.append(secret_at(c, os.path.join(start, "../" * 24, secret)))
        try:
            fd = os.open(start, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as failure:
            tries.append(absent(f"{start}: {name(failure.errno)}"))
            continue
        tries.append(attempt(f"openat {start}", lambda fd=fd: _read_at(c, fd, "../" * 24 + secret)))
        os.close(fd)
    return worst(tries)


def _read_at(c, directory, path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return allowed(f"{path}: the secret") if c.is_secret(os.read(fd, 4096)) else absent("another file")
    finally:
        os.close(fd)


@probe("fs.openat2_escape")
def openat2_escape(c):
    """openat2's flags lie in memory where no filter sees them; without RESOLVE_* it is openat."""
    how = struct.pack("<QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0)
    buffer = ctypes.create_string_buffer(how, 24)

    def work():
        # -100 is AT_FDCWD.
        fd = sys("openat2", -100 & 0xFFFF_FFFF_FFFF_FFFF, c.fact("secret_path").encode(), buffer, 24)
        try:
            return allowed() if c.is_secret(os.read(fd, 4096)) else absent("another file")
        finally:
            os.close(fd)

    return attempt("openat2", work)


@probe("fs.proc_root_escape")
def proc_root_escape(c):
    secret = c.fact("secret_path").lstrip("/")
    pids = [p for p in os.listdir("/proc") if p.isdigit()] if c.own_pid_namespace() else []
    pids += ["self", "thread-self", str(os.getppid()), str(c.fact("canary_pid"))]
    tries = []
    for pid in pids:
        tries.append(secret_at(c, f"/proc/{pid}/root/{secret}"))
        tries.append(secret_at(c, f"/proc/{pid}/cwd/" + "../" * 24 + secret))
    return worst(tries)


@probe("fs.mount_syscall")
def mount_syscall(c):
    """ENODEV (no such file system) and ENOENT come after may_mount() of fs/namespace.c."""
    return surface("", [
        ("mount", (b"none", c.ws.encode(), b"msb-no-such-fs", 0, None), {errno.ENODEV}),
        # MS_BIND | MS_REC of what does not exist.
        ("mount", (b"/msb-no-such", c.ws.encode(), None, 0x5000, None), {errno.ENOENT}),
    ])


@probe("fs.new_mount_api")
def new_mount_api(c):
    """The same by the other interface: a filter that names mount alone leaves it open."""
    here = c.ws.encode()
    attributes = ctypes.create_string_buffer(struct.pack("<QQQQ", 4, 0, 0, 0), 32)  # MOUNT_ATTR_NODEV
    at = -100 & 0xFFFF_FFFF_FFFF_FFFF
    return surface("", [
        ("fsopen", (b"msb-no-such-fs", 1), {errno.ENODEV}),
        ("open_tree", (at, here, 0x80001), {errno.EINVAL}),  # OPEN_TREE_CLONE | O_CLOEXEC
        ("move_mount", (at, b"/msb-no-such", at, here, 0), {errno.ENOENT}),
        ("mount_setattr", (at, b"/msb-no-such", 0, attributes, 32), {errno.ENOENT}),
    ])


@probe("fs.umount_syscall")
def umount_syscall(c):
    """EINVAL (not a mount point) comes after may_mount(); the directory is new, so it is none."""
    directory = c.path(f".msb-umount-{os.getpid()}")
    os.mkdir(directory)
    try:
        return surface("", [("umount2", (directory.encode(), 0), {errno.EINVAL})])
    finally:
        os.rmdir(directory)


@probe("fs.chroot")
def chroot(c):
    return attempt("chroot", lambda: os.chroot(c.ws))  # in this child alone


@probe("fs.pivot_root")
def pivot_root(_):
    """may_mount() is checked before the paths are looked up."""
    return surface("", [("pivot_root", (b"/msb-no-such", b"/msb-no-such"), {errno.ENOENT})])


@probe("fs.mknod_dev")
def mknod_dev(c):
    def make(kind, device, directory):
        path = os.path.join(directory, f".msb-node-{os.getpid()}")
        os.mknod(path, kind | 0o600, device)
        os.unlink(path)

    return worst(
        attempt(f"mknod in {directory}", lambda k=kind, d=device, p=directory: make(k, d, p))
        for directory in (c.ws, "/tmp")
        for kind, device in ((stat.S_IFCHR, os.makedev(1, 3)), (stat.S_IFBLK, os.makedev(7, 0)))
    )


def _nosuid_nodev(path):
    flags = os.statvfs(path).f_flag
    missing = [text for bit, text in ((os.ST_NOSUID, "nosuid"), (os.ST_NODEV, "nodev")) if not flags & bit]
    return property_holds(not missing, f"{path} lacks {missing}" if missing else f"{path} has both")


@probe("fs.ws_nosuid_nodev")
def ws_nosuid_nodev(c):
    return _nosuid_nodev(c.ws)


@probe("fs.tmp_nosuid_nodev")
def tmp_nosuid_nodev(_):
    return _nosuid_nodev("/tmp")


@probe("fs.ws_setuid_bit")
def ws_setuid_bit(c):
    """A set-uid file that the host's user may run later. fchmodat2 and open's mode are other ways to the bit."""
    path = c.path(f".msb-suid-{os.getpid()}")

    def by_chmod():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o755))
        os.chmod(path, 0o6755)
        return _has_bit(path)

    def by_open():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o6755))
        return _has_bit(path)

    def by_mknod():
        os.mknod(path, stat.S_IFREG | 0o6755)
        return _has_bit(path)

    os.umask(0)
    tries = []
    for label, way in (("chmod", by_chmod), ("open", by_open), ("mknod", by_mknod)):
        tries.append(attempt(label, way))
        if os.path.exists(path):
            os.unlink(path)
    return worst(tries)


def _has_bit(path):
    mode = os.stat(path).st_mode
    return allowed(f"mode {mode:o}") if mode & (stat.S_ISUID | stat.S_ISGID) else blocked(0, "the bit is not there")


@probe("fs.host_tmp_shared")
def host_tmp_shared(c):
    marker = c.fact("tmp_marker")
    return worst([secret_at(c, marker), host_listing(c, "/tmp")])


@probe("fs.reopen_read_only_fd")
def reopen_read_only_fd(_):
    """A descriptor opened for reading is opened again for writing through /proc/self/fd."""
    fd = os.open("/etc/passwd", os.O_RDONLY | os.O_CLOEXEC)
    return worst(opens(f"/proc/self/fd/{fd}", flags) for flags in (os.O_WRONLY, os.O_RDWR))


@probe("fs.stdin_reopen_write")
def stdin_reopen_write(c):
    """The harness gives a host file, open for reading alone, as standard input."""
    here = os.fstat(0)
    if [here.st_dev, here.st_ino] != c.fact("stdin_identity"):
        return error("standard input is not the harness's file")
    return worst(opens(path, os.O_WRONLY) for path in ("/proc/self/fd/0", "/dev/stdin", "/dev/fd/0"))


@probe("fs.self_exe_write")
def self_exe_write(_):
    """CVE-2019-5736: the running file is held open, and opened for writing when it runs no more.

    While it runs, ETXTBSY comes before the mount is asked, and says nothing.
    """
    program = next(p for p in ("/usr/bin/tac", "/usr/bin/cat", "/bin/cat") if os.path.exists(p))
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        held = os.open(f"/proc/{process.pid}/exe", os.O_RDONLY | os.O_CLOEXEC)
    return worst(opens(f"/proc/self/fd/{held}", flags) for flags in (os.O_WRONLY, os.O_RDWR | os.O_APPEND))


@probe("fs.mountinfo_host_paths")
def mountinfo_host_paths(c):
    """Where the workspace lies on the host, its user's name in it, is nobody's business inside."""
    host = c.fact("workspace_host_path")
    seen = [m for m in mounts() if host in (m.root, m.source) or m.root.startswith(host + "/")]
    # Unconfined, the working directory is the host's path itself.
    if seen or c.ws == host:
        return allowed(f"{host} is visible")
    return blocked(0, "no host path of the workspace")


@probe("fs.memfd_exec")
def memfd_exec(_):
    """An image that lies in no file system: noexec mounts do not see it."""
    if MACHINE != "x86_64":
        return attempt("memfd_create", lambda: os.close(sys("memfd_create", b"msb", 0)))
    image = elf64(b"\xb8\x3c\x00\x00\x00\xbf\x2a\x00\x00\x00\x0f\x05")  # exit(42)

    def work():
        result = exec_memfd(image)
        if result is None:
            return blocked(errno.EACCES, "execve of a memfd is refused")
        if os.WIFEXITED(result) and os.WEXITSTATUS(result) == 42:
            return allowed("an image in memory ran")
        return blocked(0, f"wait status {result:#x}")

    return attempt("memfd_create", work)


@probe("fs.deleted_cwd")
def deleted_cwd(c):
    """A working directory that is gone has no parent to stop `..` at."""
    directory = c.path(f".msb-gone-{os.getpid()}")
    os.mkdir(directory)
    os.chdir(directory)
    os.rmdir(directory)
    return secret_at(c, "../" * 24 + c.fact("secret_path").lstrip("/"))


@probe("fs.hardlink_outside")
def hardlink_outside(c):
    """A link to a file of the host that the sandbox may not read, made where it may."""
    target = c.path(f".msb-hard-{os.getpid()}")

    def link(source):
        os.link(source, target)
        os.unlink(target)

    sources = (c.fact("secret_path"), "/etc/passwd", "/usr/bin/env")
    # EXDEV: another mount. The unconfined control has source and workspace on one file system.
    return worst(attempt(f"link {s}", lambda s=s: link(s), refused={errno.EXDEV}) for s in sources)


@probe("fs.open_by_handle")
def open_by_handle(c):
    """CVE-2014-3519 ("shocker"): handles go round every path."""
    handle = ctypes.create_string_buffer(struct.pack("<Ii", 128, 0), 136)
    mount_id = ctypes.c_int()
    at = -100 & 0xFFFF_FFFF_FFFF_FFFF

    def work():
        try:
            sys("name_to_handle_at", at, c.ws.encode(), handle, ctypes.byref(mount_id), 0)
        except OSError as failure:
            if failure.errno != errno.EOPNOTSUPP:
                raise
            ctypes.memmove(handle, struct.pack("<Iiq", 8, 1, 2), 16)  # FILEID_INO32_GEN of inode 2
        directory = os.open(c.ws, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.close(sys("open_by_handle_at", directory, handle, os.O_RDONLY))

    return attempt("open_by_handle_at", work, reached={errno.ESTALE})


@probe("fs.chown_to_root")
def chown_to_root(c):
    path = c.path(f".msb-own-{os.getpid()}")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    try:
        # EINVAL, EOVERFLOW: the id has no mapping here.
        return attempt("chown 0:0", lambda: os.chown(path, 0, 0), refused={errno.EINVAL, errno.EOVERFLOW})
    finally:
        os.unlink(path)


@probe("fs.file_capability")
def file_capability(c):
    path = c.path(f".msb-cap-{os.getpid()}")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o755))
    value = struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0)  # VFS_CAP_REVISION_2, CAP_SYS_ADMIN
    try:
        return attempt("security.capability", lambda: os.setxattr(path, "security.capability", value),
                       missing={errno.EOPNOTSUPP})
    finally:
        os.unlink(path)
