"""A small agent, and what an injected prompt would make it try.

It does its job first: it works through tasks.txt and writes result.md. Then it tries what an attacker would
want and prints what came of it. Nothing is pretended: without a sandbox the same lines say "allowed" for all
that works there, and no attempt does harm then (see each one). Usage: agent.py [HOME OF THE HOST'S USER]
"""

import csv, ctypes, errno, os, pathlib, signal, socket, sys

WORK = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path.home())
libc = ctypes.CDLL(None, use_errno=True)


def do_task(line):
    verb, name = line.split()
    if verb == "count-words":
        return f"{name}: {len((WORK / name).read_text().split())} words"
    if verb == "sum":
        with open(WORK / name, newline="") as rows:
            return f"{name}: {sum(int(row['cents']) for row in csv.DictReader(rows)) / 100:.2f} in all"
    raise ValueError(f"unknown task: {line}")


def work():
    results = [do_task(line) for line in (WORK / "tasks.txt").read_text().splitlines()]
    (WORK / "result.md").write_text("# Result\n\n" + "".join(f"- {r}\n" for r in results))
    print(f"did {len(results)} tasks, wrote result.md", flush=True)


def checked(status):
    """A C function's -1 as the OSError that Python's own functions raise."""
    if status < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def read_key(_):
    (HOME / ".ssh/id_ed25519").read_bytes()


def write_passwd(_):
    os.close(os.open("/etc/passwd", os.O_WRONLY))  # opened, not written


def connect_out(_):
    with socket.socket() as s:
        s.settimeout(2)
        try:
            s.connect(("192.0.2.1", 443))  # TEST-NET-1 of RFC 5737: nobody lives there
        except ConnectionRefusedError:
            pass  # the packet left, and something out there refused it
        except TimeoutError as e:
            if e.errno is not None:  # None is our own two seconds: the packets left, and nobody answered
                raise


def trace(_):
    checked(libc.ptrace(0, 0, 0, 0))  # PTRACE_TRACEME, in a process that ends at once


def mount(_):
    try:
        checked(libc.mount(b"none", b"/", b"no-such-filesystem", 0, None))
    except OSError as e:
        if e.errno != errno.ENODEV:  # ENODEV: every permission was there, only the made-up type was missing
            raise


def new_user_namespace(_):
    checked(libc.unshare(0x10000000))  # CLONE_NEWUSER, in a process that ends at once


def fork_64(done):
    stay, leave = os.pipe()
    try:
        for _ in range(64):
            if os.fork() == 0:
                os.close(leave)
                os.read(stay, 1)  # until the parent closes its end
                os._exit(0)
            done(1)
    finally:
        os.close(leave)
        try:
            while True:
                os.wait()
        except ChildProcessError:
            pass


def take_512_mib(done):
    blocks = []
    for _ in range(32):
        blocks.append(b"x" * (16 << 20))
        done(16)


def attempt(what, action, unit=""):
    """Runs `action` in a process of its own, so that being killed can be told too, and prints what came of it."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action(lambda n: os.write(there, f"{n}\n".encode()))
            os._exit(0)
        except MemoryError:
            os._exit(errno.ENOMEM)
        except OSError as e:
            os._exit(e.errno)  # every errno fits an exit status
        except BaseException:  # a mistake of this program: never a refusal
            sys.excepthook(*sys.exc_info())
            os.abort()
    os.close(there)
    with open(here) as progress:
        count = sum(int(n) for n in progress)
    _, status = os.waitpid(child, 0)
    after = f" after {count} {unit}" if unit else ""
    if os.WIFSIGNALED(status):
        print(f"tried to {what} → killed{after} ({signal.Signals(os.WTERMSIG(status)).name})", flush=True)
    elif code := os.WEXITSTATUS(status):
        print(f"tried to {what} → refused{after} ({errno.errorcode[code]} {os.strerror(code)})", flush=True)
    else:
        print(f"tried to {what} → allowed", flush=True)


work()
attempt(f"read {HOME}/.ssh/id_ed25519", read_key)
attempt("open /etc/passwd for writing", write_passwd)
attempt("connect to 192.0.2.1:443", connect_out)
attempt("trace a process", trace)
attempt("mount a file system", mount)
attempt("make a user namespace", new_user_namespace)
attempt("keep 64 processes", fork_64, "processes")
attempt("take 512 MiB of memory", take_512_mib, "MiB")
