#!/usr/bin/env python3
"""Executes a command in the surroundings that a careless host gives: a controlling terminal and open descriptors.

    surroundings.py --leak DIR --facts FILE -- COMMAND...

The command leads a new session with a pseudo-terminal; standard input, output and error stay what they are.
Root also passes on a supplementary group and CAP_NET_RAW as an ambient capability. DIR is open as descriptor 9,
its file `secret` as 100, a connected socket is 101, the terminal 8: none of them may be seen inside. FILE, the facts for the probes, gets the number of the session.
"""

import argparse
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import termios


SPARE_GROUP = 4242
CAP_NET_RAW = 13  # linux/capability.h


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--leak", required=True)
    parser.add_argument("--facts", required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()

    if os.geteuid() == 0:
        os.setgroups([SPARE_GROUP])
        raise_ambient(CAP_NET_RAW)
    os.setsid()
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    hold(master)
    leak(slave, 8)
    leak(os.open(options.leak, os.O_RDONLY | os.O_DIRECTORY), 9)
    leak(os.open(os.path.join(options.leak, "secret"), os.O_RDONLY), 100)
    one, _two = socket.socketpair()
    leak(one.fileno(), 101)

    with open(options.facts, encoding="utf-8") as file:
        facts = json.load(file)
    facts["session"] = os.getsid(0)
    with open(options.facts, "w", encoding="utf-8") as file:
        json.dump(facts, file)
    os.execvp(options.command[0], options.command)


def raise_ambient(capability):
    """Makes it inheritable (capset(2), version 3), then ambient (PR_CAP_AMBIENT_RAISE of prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("<Ii", 0x20080522, 0))
    data = ctypes.create_string_buffer(24)
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), "capget")
    effective, permitted, inheritable, *high = struct.unpack("<6I", data)
    data = ctypes.create_string_buffer(struct.pack("<6I", effective, permitted, inheritable | 1 << capability, *high))
    if libc.capset(header, data) or libc.prctl(47, 2, capability, 0, 0):
        raise OSError(ctypes.get_errno(), "ambient capability")


def leak(fd, number):
    os.dup2(fd, number, inheritable=True)


def hold(master):
    """Keeps the terminal's other end open until this process ends, whatever its command closes.

    Twice removed, so that the command does not find a child that it did not start.
    """
    ours = os.pidfd_open(os.getpid())
    if os.fork():
        os.wait()
        return
    if os.fork() == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        select.select([ours], [], [])
        os.close(master)
    os._exit(0)


if __name__ == "__main__":
    main()
