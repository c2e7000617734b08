#!/usr/bin/python3
"""A gateway that decides nothing: it answers whatever nf_tables steers to it, and writes down what that was.

It speaks msb_plan::handover. To programs inside it says whom they dialled. Its notes go to the file that the variable
MSB_TEST_NOTES names, a line each. MSB_TEST_TRUST is what it gives as certificates; to MSB_TEST_DIAL, a port inside, it
makes a connection, as for a published port, and notes what comes back; MSB_TEST_FAIL has it end before it is ready.
"""
import os
import selectors
import socket
import struct
import sys

NAMES = ["tcp4", "tcp6", "udp4", "udp6", "raw4", "raw6"]


def note(*words):
    with open(os.environ["MSB_TEST_NOTES"], "a") as notes:
        print(*words, file=notes)


def original(ancillary):
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, 20):
            return socket.inet_ntoa(data[4:8]), *struct.unpack_from("!H", data, 2)
        if (level, kind) == (socket.IPPROTO_IPV6, 74):
            return socket.inet_ntop(socket.AF_INET6, data[8:24]), *struct.unpack_from("!H", data, 2)
    raise ValueError("a datagram without whom it was for")


def answer(sockets, name, host, port, peer):
    """Sends a datagram whose source is whom the program dialled (RFC 768, RFC 791, RFC 8200)."""
    body = f"{host} {port}".encode()
    udp = struct.pack("!HHHH", port, peer[1], 8 + len(body), 0) + body
    if name == "udp4":
        ends = socket.inet_aton(host) + socket.inet_aton(peer[0])
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends
        sockets["raw4"].sendto(header + udp, (peer[0], 0))
        return
    ends = socket.inet_pton(socket.AF_INET6, host) + socket.inet_pton(socket.AF_INET6, peer[0])
    covered = ends + struct.pack("!II", len(udp), 17) + udp + b"\0" * (len(udp) % 2)
    total = sum(struct.unpack(f"!{len(covered) // 2}H", covered))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    udp = udp[:6] + struct.pack("!H", ~total & 0xFFFF or 0xFFFF) + udp[8:]
    sockets["raw6"].sendto(struct.pack("!IHBB", 0x60000000, len(udp), 17, 64) + ends + udp, (peer[0], 0))


def dial(hand, port):
    hand.send(b"M\0")
    data, (fd,), _, _ = socket.recv_fds(hand, 64, 1)
    assert data == b"D", data
    made = socket.socket(fileno=fd)
    made.setblocking(True)
    made.settimeout(5)
    made.connect(("127.0.0.1", port))
    made.sendall(b"hello from outside\n")
    note("dialled", made.recv(100).decode().strip())


def main():
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    note("arguments", *(word for word in sys.argv[1:] if not word.isdigit()))
    note("plan", os.read(int(arguments["--plan-fd"]), 4).decode())
    hand = socket.socket(fileno=int(arguments["--sockets-fd"]))
    if "MSB_TEST_FAIL" in os.environ:
        sys.exit(1)
    data, fds, _, _ = socket.recv_fds(hand, 64, len(NAMES))
    assert data[:1] == b"S" and len(data) == 2, data
    names = [name for index, name in enumerate(NAMES) if data[1] >> index & 1]
    sockets = {name: socket.socket(fileno=fd) for name, fd in zip(names, fds, strict=True)}
    if "MSB_TEST_TRUST" in os.environ:
        for message in [b"C", b"J"]:
            memory = os.memfd_create("trust")
            os.write(memory, os.environ["MSB_TEST_TRUST"].encode())
            os.lseek(memory, 0, os.SEEK_SET)
            socket.send_fds(hand, [message], [memory])
    hand.send(b"R")
    waiting = selectors.DefaultSelector()
    for name in names[:4]:
        waiting.register(sockets[name], selectors.EVENT_READ, name)
    waiting.register(hand, selectors.EVENT_READ, "hand")
    while True:
        for key, _ in waiting.select():
            name = key.data
            if name == "hand":
                note("end")
                return
            if name.startswith("udp"):
                data, ancillary, _, peer = sockets[name].recvmsg(65536, 256)
                host, port = original(ancillary)
                note("udp", host, port, len(data))
                answer(sockets, name, host, port, peer)
                continue
            try:
                connection, _ = sockets[name].accept()
            except OSError:
                continue
            host, port = connection.getsockname()[:2]
            note("tcp", host, port)
            connection.settimeout(5)
            connection.sendall(f"{host} {port}".encode())
            connection.close()
            if "MSB_TEST_DIAL" in os.environ:
                dial(hand, int(os.environ["MSB_TEST_DIAL"]))


main()
