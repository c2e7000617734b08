#!/usr/bin/env python3
"""A process of the host that a sandbox must not reach: it listens, shares, holds a secret, and counts visits.

Started by the test harness, outside. Reads its orders as one JSON line, prints what it set up as one JSON
line, serves until standard input ends, then removes all of it and prints who came. Everything goes with it:
when the harness dies, its end of the pipe closes.
"""

import ctypes
import json
import os
import select
import signal
import socket
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
IPC_CREAT, IPC_EXCL, IPC_RMID = 0o1000, 0o2000, 0  # sys/ipc.h


def keyed(call, *size):
    """Makes a System V object of a key that nobody has: (key, id)."""
    for _ in range(64):
        key = int.from_bytes(os.urandom(4), "little") & 0x7FFF_FFFF or 1
        found = getattr(LIBC, call)(key, *size, IPC_CREAT | IPC_EXCL | 0o666)
        if found >= 0:
            return key, found
    raise OSError(ctypes.get_errno(), call)


def listening(family, address, kind=socket.SOCK_STREAM):
    server = socket.socket(family, kind)
    server.bind(address)
    if kind == socket.SOCK_STREAM:
        server.listen(64)
    server.setblocking(False)
    return server


def main():
    orders = json.loads(sys.stdin.readline())
    nonce = orders["nonce"]
    secret = f"secret {nonce} secret".encode()
    memory = ctypes.create_string_buffer(secret, len(secret))
    visits = {"signals": 0, "stream": 0, "datagram": 0}

    def heard(*_):
        visits["signals"] += 1

    for number in (signal.SIGCONT, signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, heard)

    streams, datagrams = [], []
    for path in orders["unix_paths"]:
        server = listening(socket.AF_UNIX, path)
        os.chmod(path, 0o666)
        streams.append(server)
    abstract = f"msb-canary-{nonce}"
    streams.append(listening(socket.AF_UNIX, "\0" + abstract))
    tcp4 = listening(socket.AF_INET, ("127.0.0.1", 0))
    streams.append(tcp4)
    tcp6_port = 0
    try:
        tcp6 = listening(socket.AF_INET6, ("::1", 0))
        streams.append(tcp6)
        tcp6_port = tcp6.getsockname()[1]
    except OSError:
        pass
    udp = listening(socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)
    datagrams.append(udp)

    shm_key, shm = keyed("shmget", 4096)
    address = LIBC.shmat(shm, None, 0)
    ctypes.memmove(address, secret, len(secret))
    sem_key, sem = keyed("semget", 1)
    msg_key, msg = keyed("msgget")
    try:
        print(json.dumps({
            "canary_pid": os.getpid(),
            "canary_address": ctypes.addressof(memory),
            "canary_length": len(secret),
            "abstract": abstract,
            "tcp4_port": tcp4.getsockname()[1],
            "tcp6_port": tcp6_port,
            "udp_port": udp.getsockname()[1],
            "shm_key": shm_key,
            "sem_key": sem_key,
            "msg_key": msg_key,
        }), flush=True)
        serve(streams, datagrams, secret, visits)
    finally:
        LIBC.shmctl(shm, IPC_RMID, None)
        LIBC.semctl(sem, 0, IPC_RMID, None)
        LIBC.msgctl(msg, IPC_RMID, None)
        for path in orders["unix_paths"]:
            if os.path.lexists(path):
                os.unlink(path)
    print(json.dumps(visits), flush=True)


def serve(streams, datagrams, secret, visits):
    """Answers whoever comes with the secret, until standard input ends."""
    while True:
        ready, _, _ = select.select([sys.stdin, *streams, *datagrams], [], [])
        for server in ready:
            if server is sys.stdin:
                if not sys.stdin.readline():
                    return
                continue
            try:
                if server in streams:
                    visits["stream"] += 1
                    with server.accept()[0] as peer:
                        peer.sendall(secret)
                else:
                    _, sender = server.recvfrom(64)
                    visits["datagram"] += 1
                    server.sendto(secret, sender)
            except OSError:
                continue


if __name__ == "__main__":
    main()
