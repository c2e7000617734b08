"""Runs into a limit and says what came of it: use.py one-process | many-processes | forks."""
import errno, os, sys, time

MIB = 1 << 20


def in_child(work):
    """The child's exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except MemoryError:
            os._exit(errno.ENOMEM)
        os._exit(0)
    return child


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def take(mib):
    blocks = [b"x" * MIB for _ in range(mib)]
    time.sleep(1)  # the others take theirs meanwhile
    return blocks


def one_process():
    print("stopped" if ended(in_child(lambda: take(512))) else "took it all")


def many_processes():
    children = [in_child(lambda: take(16)) for _ in range(20)]
    stopped = [status for status in map(ended, children) if status]
    print(f"stopped {len(stopped)}" if stopped else "took it all")


def forks():
    stay, leave = os.pipe()
    count = 0
    try:
        for count in range(64):
            if os.fork() == 0:
                os.close(leave)
                os.read(stay, 1)
                os._exit(0)
        print("took it all")
    except OSError as e:
        print(f"stopped after {count} ({errno.errorcode[e.errno]})")


{"one-process": one_process, "many-processes": many_processes, "forks": forks}[sys.argv[1]]()
