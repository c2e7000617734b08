"""syscalls: kernel surface that an agent has no use for.

"blocked" means refused before the call's own code runs. Arguments are wrong in a way that only that code
notices, so the errno tells which of the two it was and nothing happens when the call is let through.
"""

import ctypes
import errno
import mmap
import os
import pty
import struct

from .core import (MACHINE, absent, allowed, attempt, blocked, elf32, elf64, error, in_child, name, number, prctl,
                   probe, raw, run_image, signal_name, status, surface, sys, worst)
from .proc import read_memory

HIGH = 1 << 32  # the kernel cuts an int argument to 32 bits; a 64-bit compare does not
BAD_FD = 0xFFFF_FFFF_FFFF_FFFF


def _zeros(size):
    return ctypes.create_string_buffer(size)


@probe("syscalls.seccomp_active")
def seccomp_active(_):
    mode = int(status("Seccomp"))
    return blocked(0, "mode 2") if mode == 2 else allowed(f"mode {mode}")


@probe("syscalls.bpf")
def bpf(_):
    # BPF_MAP_CREATE of an array; an unknown command is EINVAL from behind the check of __sys_bpf.
    array = ctypes.create_string_buffer(struct.pack("<IIIII", 2, 4, 4, 1, 0), 64)
    return surface("", [("bpf", (0, array, 64), {errno.EINVAL, errno.E2BIG}),
                        ("bpf", (0x7FFF, array, 64), {errno.EINVAL, errno.E2BIG})])


@probe("syscalls.perf_event_open")
def perf_event_open(_):
    # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, exclude_kernel; unknown flags are EINVAL before any capability.
    attributes = ctypes.create_string_buffer(struct.pack("<IIQQQQQ", 1, 64, 0, 0, 0, 0, 1 << 5), 64)
    return surface("", [("perf_event_open", (attributes, 0, -1, -1, 0), {errno.EINVAL, errno.ENOENT, errno.E2BIG}),
                        ("perf_event_open", (attributes, 0, -1, -1, 0xFFFF), {errno.EINVAL})])


@probe("syscalls.keyctl")
def keyctl(_):
    # KEYCTL_GET_KEYRING_ID of the session keyring; 9999 is no command.
    return surface("", [("keyctl", (0, -3, 0), {errno.ENOKEY}), ("keyctl", (9999, 0, 0), {errno.EOPNOTSUPP})])


@probe("syscalls.add_key")
def add_key(_):
    return surface("", [("add_key", (b"user", b"msb-probe", b"x", 1, -2), {errno.EDQUOT}),
                        ("request_key", (b"user", b"msb-no-such-key", None, 0), {errno.ENOKEY})])


@probe("syscalls.kexec_load")
def kexec_load(_):
    # Flags that do not exist: EINVAL comes after CAP_SYS_BOOT, and nothing is loaded or unloaded.
    return surface("", [("kexec_load", (0, 1 << 20, None, 0xFFFF), {errno.EINVAL}),
                        ("kexec_file_load", (BAD_FD, BAD_FD, 0, None, 1 << 30), {errno.EINVAL, errno.EBADF})])


@probe("syscalls.init_module")
def init_module(_):
    return surface("", [("init_module", (_zeros(8), 0, b""), {errno.ENOEXEC, errno.EINVAL})])


@probe("syscalls.finit_module")
def finit_module(_):
    return surface("", [("finit_module", (BAD_FD, b"", 0), {errno.EBADF, errno.EINVAL})])


@probe("syscalls.delete_module")
def delete_module(_):
    return surface("", [("delete_module", (b"msb_no_such_module", os.O_NONBLOCK), {errno.ENOENT})])


@probe("syscalls.reboot_badmagic")
def reboot_badmagic(_):
    # Both magic numbers are wrong; EINVAL comes after CAP_SYS_BOOT.
    return surface("", [("reboot", (0xDEAD, 0xDEAD, 0, None), {errno.EINVAL})])


@probe("syscalls.swapon")
def swapon(_):
    return surface("", [("swapon", (b"/msb-no-such", 0), {errno.ENOENT}),
                        ("swapoff", (b"/msb-no-such",), {errno.ENOENT})])


@probe("syscalls.acct")
def acct(_):
    return surface("", [("acct", (b"/msb-no-such",), {errno.ENOENT})])


@probe("syscalls.quotactl")
def quotactl(_):
    # Q_GETFMT of a device that is not there; a bad command is EINVAL first.
    return surface("", [("quotactl", (0x80000400, b"/msb-no-such", 0, _zeros(8)), {errno.ENOENT, errno.ENOTBLK}),
                        ("quotactl", (0xFFFFFF00, None, 0, None), {errno.EINVAL, errno.ENODEV})])


@probe("syscalls.fanotify_init")
def fanotify_init(_):
    # FAN_REPORT_FID is for everyone since Linux 5.13; unknown flags are EINVAL.
    return surface("", [("fanotify_init", (0x200, 0), {errno.EINVAL, errno.EMFILE}),
                        ("fanotify_init", (0x80000000, 0), {errno.EINVAL})])


@probe("syscalls.setns_surface")
def setns_surface(_):
    tries = [attempt("setns of no descriptor", lambda: sys("setns", BAD_FD, 0) and None, reached={errno.EBADF})]
    for kind in ("net", "user", "mnt"):
        try:
            fd = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as failure:
            tries.append(absent(f"{kind}: {name(failure.errno)}"))
            continue
        tries.append(attempt(f"setns to the own {kind}", lambda f=fd: sys("setns", f, 0) and None,
                             reached={errno.EINVAL}))
        os.close(fd)
    return worst(tries)


@probe("syscalls.process_vm_readv_surface")
def process_vm_readv_surface(_):
    data = ctypes.create_string_buffer(b"own", 4)
    return attempt("of itself", lambda: read_memory(os.getpid(), ctypes.addressof(data), 4) and None)


@probe("syscalls.iopl_ioperm")
def iopl_ioperm(_):
    if MACHINE != "x86_64":
        return absent("no such calls on this architecture")
    return surface("", [("iopl", (3,), set()), ("iopl", (4,), {errno.EINVAL}), ("ioperm", (0x80, 1, 1), set()),
                        ("ioperm", (0xFFFFFF, 1, 0), {errno.EINVAL})])


@probe("syscalls.userfaultfd")
def userfaultfd(_):
    # UFFD_USER_MODE_ONLY is for everyone; flags that do not exist are EINVAL after the check.
    return surface("", [("userfaultfd", (1 | os.O_CLOEXEC,), {errno.EINVAL}),
                        ("userfaultfd", (os.O_CLOEXEC,), {errno.EINVAL}),
                        ("userfaultfd", (0x40000000 | 1,), {errno.EINVAL})])


@probe("syscalls.io_uring")
def io_uring(_):
    return surface("", [("io_uring_setup", (1, _zeros(120)), {errno.EINVAL, errno.EFAULT, errno.ENOMEM}),
                        ("io_uring_enter", (BAD_FD, 0, 0, 0, None, 0), {errno.EBADF, errno.EINVAL}),
                        ("io_uring_register", (BAD_FD, 0, None, 0), {errno.EBADF, errno.EINVAL})])


@probe("syscalls.ptrace_own_child")
def ptrace_own_child(_):
    result = in_child(lambda: sys("ptrace", 0, 0, 0, 0))  # PTRACE_TRACEME
    if os.WIFEXITED(result) and os.WEXITSTATUS(result) == 0:
        return allowed("PTRACE_TRACEME")
    code = os.WEXITSTATUS(result) if os.WIFEXITED(result) else 0
    return blocked(code, f"wait status {result:#x}")


@probe("syscalls.syslog_dmesg")
def syslog_dmesg(_):
    # SYSLOG_ACTION_SIZE_BUFFER, SYSLOG_ACTION_READ_ALL; an unknown action is EINVAL after the check.
    buffer = _zeros(4096)
    return surface("", [("syslog", (10, None, 0), set()), ("syslog", (3, buffer, 4096), set()),
                        ("syslog", (99, None, 0), {errno.EINVAL})])


# --- terminals ---------------------------------------------------------------------------------------

TIOCSTI = 0x5412  # asm-generic/ioctls.h
TIOCLINUX = 0x541C
TIOCSETD = 0x5423


def _on_terminal(request, argument, reached):
    """The request on an own terminal, where there is one, and on /dev/null, whose ENOTTY is past any filter."""

    def work(fd):
        sys("ioctl", fd, request, argument)

    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    tries = [attempt("on /dev/null", lambda: work(null), reached={errno.ENOTTY})]
    try:
        pid, master = pty.fork()
    except OSError as failure:
        return worst(tries + [absent(f"no terminal: {name(failure.errno)}")])
    if pid == 0:
        try:
            work(0)
            os._exit(0)
        except OSError as failure:
            os._exit(failure.errno or 255)
    result = os.waitpid(pid, 0)[1]
    os.close(master)
    if os.WIFSIGNALED(result):
        return worst(tries + [blocked(0, f"killed by {signal_name(os.WTERMSIG(result))}")])
    code = os.WEXITSTATUS(result)
    if code == 0 or code in reached:
        return worst(tries + [allowed(f"on an own terminal: {name(code) if code else 'succeeded'}")])
    return worst(tries + [blocked(code, f"on an own terminal: {name(code)}")])


@probe("syscalls.ioctl_tiocsti")
def ioctl_tiocsti(_):
    # EIO: the sysctl dev.tty.legacy_tiocsti is 0 (Linux 6.2); the filter let the call through.
    return _on_terminal(TIOCSTI, b"x", {errno.EIO})


@probe("syscalls.ioctl_tiocsti_high_bits")
def ioctl_tiocsti_high_bits(_):
    return worst(_on_terminal(TIOCSTI | bits, b"x", {errno.EIO}) for bits in (HIGH, 1 << 63, 0xFFFF_FFFF << 32))


@probe("syscalls.ioctl_tioclinux")
def ioctl_tioclinux(_):
    # Subcode 3 pastes on a console; on a pseudo-terminal it is ENOTTY, from the driver.
    return worst(_on_terminal(TIOCLINUX | bits, b"\x06", {errno.ENOTTY, errno.EINVAL}) for bits in (0, HIGH))


@probe("syscalls.ioctl_tiocsetd")
def ioctl_tiocsetd(_):
    """A line discipline is a module of the kernel's choosing (CVE-2017-2636); 99 is none."""
    discipline = ctypes.c_int(99)
    return _on_terminal(TIOCSETD, ctypes.byref(discipline), {errno.EINVAL})


# --- other ways to the same code -----------------------------------------------------------------------


@probe("syscalls.x32_numbers")
def x32_numbers(_):
    """getpid by the x32 ABI: another number for each call, which a filter of numbers does not know.

    Where the kernel was built without x32, ENOSYS is its own and says nothing of the filter.
    """
    if MACHINE != "x86_64":
        return absent("no such ABI on this architecture")
    return attempt("getpid | 0x40000000", lambda: raw(number("getpid") | 0x40000000) and None)


# mov eax, 20 (getpid of i386); int 0x80; test eax, eax; jle 1f; mov edi, 42; jmp 2f; 1: mov edi, 7; 2: mov eax, 60;
# syscall. In 64-bit code, int 0x80 still enters by the i386 table.
_INT80 = (b"\xb8\x14\x00\x00\x00\xcd\x80\x85\xc0\x7e\x07\xbf\x2a\x00\x00\x00\xeb\x05\xbf\x07\x00\x00\x00"
          b"\xb8\x3c\x00\x00\x00\x0f\x05")
# mov eax, 20; int 0x80; mov ebx, 42; test eax, eax; jg 1f; mov ebx, 7; 1: mov eax, 1; int 0x80; then hlt, in case the
# exit is refused as well.
_I386 = (b"\xb8\x14\x00\x00\x00\xcd\x80\xbb\x2a\x00\x00\x00\x85\xc0\x7f\x05\xbb\x07\x00\x00\x00"
         b"\xb8\x01\x00\x00\x00\xcd\x80\xf4")


def _foreign(c, image):
    if MACHINE != "x86_64":
        return absent("no such ABI on this architecture")
    result, place = run_image(c, image)
    if result is None:
        return blocked(0, f"nothing of one's own can be executed: {place}")
    if os.WIFSIGNALED(result):
        # SIGSEGV: the kernel has no gate for int 0x80, or the exit was refused as well.
        return blocked(0, f"from {place}: killed by {signal_name(os.WTERMSIG(result))}")
    code = os.WEXITSTATUS(result)
    return allowed(f"from {place}: a call by the i386 table") if code == 42 else blocked(code, f"from {place}: refused")


@probe("syscalls.i386_int80")
def i386_int80(c):
    return _foreign(c, elf64(_INT80))


@probe("syscalls.i386_program")
def i386_program(c):
    return _foreign(c, elf32(_I386))


@probe("syscalls.pidfd_getfd_host")
def pidfd_getfd_host(c):
    def work():
        fd = sys("pidfd_open", c.fact("canary_pid"), 0)
        try:
            if c.own_pid_namespace():
                return absent("the number is a process of the sandbox")
            os.close(sys("pidfd_getfd", fd, 0, 0))
        finally:
            os.close(fd)

    return attempt("pidfd_open and pidfd_getfd", work, refused={errno.ESRCH})


@probe("syscalls.pidfd_getfd_init")
def pidfd_getfd_init(c):
    if not c.own_pid_namespace():
        return error("process 1 is the host's init, which is left alone")

    def work():
        fd = sys("pidfd_open", 1, 0)
        try:
            for target in range(3, 64):
                try:
                    os.close(sys("pidfd_getfd", fd, target, 0))
                    return allowed(f"descriptor {target} of init")
                except OSError as failure:
                    if failure.errno != errno.EBADF:
                        raise
            return allowed("init's descriptors can be taken, it has none beyond 2 now")
        finally:
            os.close(fd)

    return attempt("pidfd_getfd of init", work)


@probe("syscalls.kcmp")
def kcmp(_):
    return attempt("kcmp", lambda: sys("kcmp", os.getpid(), os.getpid(), 0, 0, 0) and None)


@probe("syscalls.personality")
def personality(_):
    """READ_IMPLIES_EXEC and ADDR_NO_RANDOMIZE weaken what runs next; reading the value (~0) is harmless."""
    return worst(
        attempt(f"personality({value:#x})", lambda v=value: sys("personality", v) and None)
        for value in (0x0400000, 0x0040000, 0x0400000 | HIGH)
    )


@probe("syscalls.modify_ldt")
def modify_ldt(_):
    if MACHINE != "x86_64":
        return absent("no such call on this architecture")
    return attempt("modify_ldt", lambda: sys("modify_ldt", 0, _zeros(64), 64) and None)


@probe("syscalls.prctl_set_mm")
def prctl_set_mm(_):
    """PR_SET_MM (35) forges what /proc says of a process. EINVAL for a bad address comes after CAP_SYS_RESOURCE."""
    return attempt("PR_SET_MM", lambda: prctl(35, 1, 1, 0, 0) and None, reached={errno.EINVAL})


@probe("syscalls.write_then_execute")
def write_then_execute(_):
    """Memory that is written first and executed later, which no filter of single calls sees: PR_GET_MDWE is 66."""
    try:
        prctl(66)
    except OSError as failure:
        return absent(f"PR_GET_MDWE: {name(failure.errno)}", failure.errno)
    page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    page.write(b"\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    executable = mmap.PROT_READ | mmap.PROT_EXEC
    return attempt("mprotect PROT_EXEC", lambda: sys("mprotect", address, mmap.PAGESIZE, executable) and None)


@probe("syscalls.obsolete")
def obsolete(_):
    """Calls that no program of this century makes: ustat(2) and sysfs(2)."""
    if MACHINE != "x86_64":
        return absent("no such calls on this architecture")
    return worst([attempt("sysfs", lambda: raw(139, 3) and None),
                  attempt("ustat", lambda: raw(136, os.stat("/").st_dev, _zeros(64)) and None)])
