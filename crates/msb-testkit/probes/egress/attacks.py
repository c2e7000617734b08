"""Ways around the network's rules, tried inside a sandbox that may reach 198.51.100.7, ports 8000 to 8099, by TCP, and
port 5300 by UDP, [2001:db8::7]:8000 by TCP, and the name behind 198.18.1.0 by TCP on port 8443.

Each prints its name and what came of it: whom the gateway says was dialled, or the errno.
"""
import errno
import select
import socket
import struct
import sys
import threading

GOOD, BAD = ("198.51.100.7", 8000), ("203.0.113.9", 8000)
BAD_PORT = ("198.51.100.7", 8100)
INET, INET6, STREAM, DGRAM = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def new(family=INET, kind=STREAM, protocol=0):
    made = socket.socket(family, kind, protocol)
    made.settimeout(3)
    return made


def said(connection):
    return connection.recv(100).decode() or "closed"


def dial(to, family=INET, kind=STREAM):
    with new(family, kind) as it:
        it.connect(to)
        if kind == DGRAM:
            it.send(b"x")
        return said(it)


@test
def name():
    return dial(("198.18.1.0", 8443))


@test
def address():
    return dial(GOOD)


@test
def address_mapped():
    return dial(("::ffff:198.51.100.7", 8000), INET6)


@test
def address_v6():
    return dial(("2001:db8::7", 8000), INET6)


@test
def datagram():
    return dial(("198.51.100.7", 5300), kind=DGRAM)


@test
def datagram_large():
    with new(kind=DGRAM) as it:
        it.connect(("198.51.100.7", 5300))
        it.send(b"x" * 65507)
        return said(it)


@test
def source_port_is_destination_port():
    with new() as it:
        it.bind(("0.0.0.0", 8042))
        it.connect(("198.51.100.7", 8042))
        return said(it)


@test
def own_server():
    with new() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with new() as client:
            client.connect(server.getsockname())
            server.accept()[0].sendall(b"own")
            return said(client)


@test
def own_server_on_every_address_is_not_asked_for_others():
    with new() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("0.0.0.0", 8000))
        server.listen()
        return dial(GOOD)


@test
def own_server_on_every_address_is_not_asked_for_what_is_denied():
    with new() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("0.0.0.0", 8000))
        server.listen()
        return dial(BAD)


@test
def own_server_at_the_name_is_not_asked():
    with new() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("198.18.1.0", 8443))
        server.listen()
        return dial(("198.18.1.0", 8443))


@test
def denied_address():
    return dial(BAD)


@test
def denied_port():
    return dial(BAD_PORT)


@test
def denied_address_mapped():
    return dial(("::ffff:203.0.113.9", 8000), INET6)


@test
def denied_address_v6():
    return dial(("2001:db8::8", 8000), INET6)


@test
def denied_name_port():
    return dial(("198.18.1.0", 8444))


@test
def other_inside_address():
    return dial(("198.18.1.1", 8443))


@test
def leased_address_without_wildcard():
    return dial(("198.19.0.0", 8443))


@test
def host_loopback():
    return dial(("198.18.0.4", 8000))


@test
def metadata():
    return dial(("169.254.169.254", 80))


@test
def gateway_socket():
    return dial(("198.18.0.1", 1))


@test
def gateway_other_port():
    return dial(("198.18.0.1", 8000))


@test
def nonblocking():
    with new() as it:
        it.setblocking(False)
        assert it.connect_ex(BAD) in (errno.EINPROGRESS, errno.ECONNREFUSED)
        select.select([], [it], [], 3)
        return errno.errorcode[it.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or it.connect_ex(BAD)]


@test
def reconnect_after_unspec():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    with new() as it:
        it.settimeout(None)
        it.connect(GOOD)
        said(it)
        assert libc.connect(it.fileno(), bytes(16), 16) == 0
        it.connect(BAD)
        return said(it)


@test
def fastopen_sendto():
    with new() as it:
        it.settimeout(None)
        it.sendto(b"leak", socket.MSG_FASTOPEN, BAD)
        return said(it)


@test
def fastopen_connect():
    with new() as it:
        it.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
        it.connect(BAD)
        it.sendall(b"leak")
        return said(it)


@test
def datagram_denied():
    return dial(("198.51.100.7", 5301), kind=DGRAM)


@test
def datagram_denied_v6():
    return dial(("2001:db8::7", 8000), INET6, DGRAM)


@test
def datagram_connected_sendto_elsewhere():
    with new(kind=DGRAM) as it:
        it.connect(("198.51.100.7", 5300))
        it.sendto(b"leak", BAD)
        return said(it)


@test
def datagram_reconnected():
    with new(kind=DGRAM) as it:
        it.connect(("198.51.100.7", 5300))
        it.connect(BAD)
        it.send(b"leak")
        return said(it)


@test
def sendmmsg_elsewhere():
    with new(kind=DGRAM) as it:
        it.sendmsg([b"leak"], [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack("i", 1))], 0, BAD)
        return said(it)


@test
def multicast():
    with new(kind=DGRAM) as it:
        it.sendto(b"leak", ("224.0.0.251", 5300))
        return said(it)


@test
def broadcast():
    with new(kind=DGRAM) as it:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        it.sendto(b"leak", ("255.255.255.255", 5300))
        return said(it)


@test
def multipath_tcp():
    return new(protocol=262).close()


@test
def udp_lite():
    return new(kind=DGRAM, protocol=136).close()


@test
def sctp():
    return new(protocol=132).close()


@test
def dccp():
    return new(kind=6, protocol=33).close()


@test
def ping():
    return new(kind=DGRAM, protocol=socket.IPPROTO_ICMP).close()


@test
def raw():
    return new(kind=socket.SOCK_RAW, protocol=255).close()


@test
def raw_with_a_high_bit():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.syscall(41, ctypes.c_ulong(2), ctypes.c_ulong(3 | 1 << 32), ctypes.c_ulong(255))
    return "made" if made >= 0 else errno.errorcode[ctypes.get_errno()]


@test
def packet():
    return socket.socket(17, socket.SOCK_RAW).close()


@test
def vsock():
    return socket.socket(40, STREAM).close()


@test
def netlink():
    return socket.socket(16, socket.SOCK_RAW, 12).close()


@test
def mark():
    with new() as it:
        it.setsockopt(socket.SOL_SOCKET, 36, 1)


@test
def transparent():
    with new() as it:
        it.setsockopt(socket.IPPROTO_IP, 19, 1)


@test
def repair():
    with new() as it:
        it.setsockopt(socket.IPPROTO_TCP, 19, 1)


@test
def bound_to_device():
    with new() as it:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        it.connect(BAD)
        return said(it)


@test
def source_routed():
    with new() as it:
        it.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x83\x07\x04" + socket.inet_aton(GOOD[0]) + b"\0")
        it.connect(BAD)
        return said(it)


@test
def bound_to_gateway_socket():
    with new() as it:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        it.bind(("198.18.0.1", 1))


@test
def bound_to_dns():
    with new(kind=DGRAM) as it:
        it.bind(("198.18.0.1", 53))


@test
def spoofed_source():
    with new() as it:
        it.settimeout(0.5)
        it.bind((BAD[0], 0))
        it.connect(GOOD)
        return said(it)


@test
def spoofed_source_datagram():
    with new(kind=DGRAM) as it:
        it.bind((BAD[0], 0))
        it.sendto(b"leak", ("198.51.100.7", 5300))
        return said(it)


@test
def loopback_source():
    with new() as it:
        it.settimeout(0.5)
        it.bind(("127.0.0.1", 0))
        it.connect(GOOD)
        return said(it)


@test
def meeting_oneself():
    """Two sockets of the sandbox that connect to each other by an address that is denied: the rules hold here too."""
    with new() as one, new() as other:
        one.bind(("203.0.113.1", 8001))
        other.bind(("203.0.113.2", 8002))
        one.settimeout(0.5)
        thread = threading.Thread(target=lambda: other.connect_ex(("203.0.113.1", 8001)))
        thread.start()
        try:
            one.connect(("203.0.113.2", 8002))
            return "met"
        finally:
            thread.join()


@test
def new_namespace():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.syscall(272, 0x50000000)  # unshare(CLONE_NEWUSER | CLONE_NEWNET)
    return "made" if made == 0 else errno.errorcode[ctypes.get_errno()]


only = sys.argv[1:]
for function in TESTS:
    if only and function.__name__ not in only:
        continue
    try:
        result = function()
    except TimeoutError:
        result = "nothing"
    except OSError as error:
        result = errno.errorcode.get(error.errno, repr(error))
    print(function.__name__, "done" if result is None else result, flush=True)
