"""net: no way out, and no address family that is there for attacks alone.

Routes are asked for with connect() on a UDP socket, which sends nothing.
"""

import array
import errno
import fcntl
import os
import socket
import struct

from .core import absent, allowed, attempt, blocked, number, probe, property_holds, raw, worst

HIGH = 1 << 32
# linux/socket.h
AF_NETLINK, AF_PACKET, AF_BLUETOOTH, AF_ALG, AF_VSOCK = 16, 17, 31, 38, 40
# Made by modules in every new network namespace, down and without address.
FALLBACK = {"sit0", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0"}
NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.ETIMEDOUT,
            errno.EAFNOSUPPORT}


def _stream(c, family, address):
    def work():
        with socket.socket(family) as client:
            client.settimeout(3)
            try:
                client.connect(address)
                return allowed("the canary answered") if c.is_secret(client.recv(256)) else absent("another server")
            except socket.timeout:
                return blocked(errno.ETIMEDOUT, "no answer")

    return attempt(f"connect {address}", work, refused=NO_ROUTE)


@probe("net.host_lo_tcp4")
def host_lo_tcp4(c):
    return worst(_stream(c, socket.AF_INET, (host, c.fact("tcp4_port"))) for host in ("127.0.0.1", "0.0.0.0"))


@probe("net.host_lo_tcp6")
def host_lo_tcp6(c):
    port = c.fact("tcp6_port")
    if not port:
        return absent("the host has no IPv6")
    return worst(_stream(c, socket.AF_INET6, (host, port)) for host in ("::1", "::ffff:127.0.0.1"))


@probe("net.host_lo_udp")
def host_lo_udp(c):
    def work():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.sendto(b"?", ("127.0.0.1", c.fact("udp_port")))
            try:
                return allowed("the canary answered") if c.is_secret(client.recv(256)) else absent("another server")
            except socket.timeout:
                return blocked(errno.ETIMEDOUT, "no answer")

    return attempt("UDP to 127.0.0.1", work, refused=NO_ROUTE)


def _route(family, host, port=53):
    def work():
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.connect((host, port))
            return allowed(f"{host}: a route from {client.getsockname()[0]}")

    return attempt(host, work, refused=NO_ROUTE)


def _routes(row, family, *hosts):
    @probe(row)
    def routes(_, family=family, hosts=hosts):
        return worst(_route(family, host) for host in hosts)


_routes("net.route_internet4", socket.AF_INET, "1.1.1.1", "8.8.8.8", "255.255.255.255")
_routes("net.route_internet6", socket.AF_INET6, "2606:4700:4700::1111", "64:ff9b::101:101")
_routes("net.route_metadata", socket.AF_INET, "169.254.169.254", "100.100.100.200")
_routes("net.route_rfc1918", socket.AF_INET, "10.0.0.1", "172.16.0.1", "192.168.0.1")


@probe("net.connect_by_sending")
def connect_by_sending(_):
    """A connection that no connect(2) makes: TCP Fast Open, and datagrams with an address each."""

    def fast_open():
        with socket.socket() as client:
            client.settimeout(2)
            client.sendto(b"x", 0x2000_0000, ("1.1.1.1", 80))  # MSG_FASTOPEN

    def datagram():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendmsg([b"x"], [], 0, ("1.1.1.1", 53))

    return worst([
        attempt("sendto MSG_FASTOPEN", fast_open, refused={errno.ENETUNREACH, errno.EOPNOTSUPP}),
        attempt("sendmsg", datagram, refused={errno.ENETUNREACH}),
    ])


@probe("net.dns_route")
def dns_route(_):
    """The resolvers that the system names, by route; one on the own loopback is asked for its answer."""
    servers = {"1.1.1.1"}
    try:
        with open("/etc/resolv.conf", encoding="ascii", errors="replace") as lines:
            servers |= {line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1}
    except OSError:
        pass
    tries = []
    for server in sorted(servers | {"127.0.0.53"}):
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        tries.append(_ask(family, server) if server.startswith(("127.", "::1")) else _route(family, server))
    return worst(tries)


def _ask(family, server):
    # A query for the root's name servers: id 1, recursion desired, one question.
    query = struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0) + b"\x00" + struct.pack(">HH", 2, 1)

    def work():
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.connect((server, 53))
            client.send(query)
            try:
                client.recv(512)
                return allowed(f"{server} answered")
            except socket.timeout:
                return blocked(errno.ETIMEDOUT, f"{server}: no answer")

    return attempt(server, work, refused=NO_ROUTE)


@probe("net.non_lo_interfaces")
def non_lo_interfaces(_):
    names = None
    try:
        names = [n for _, n in socket.if_nameindex()]
    except OSError:
        try:
            with open("/proc/self/net/dev", encoding="ascii") as lines:
                names = [line.split(":")[0].strip() for line in lines if ":" in line]
        except OSError:
            return blocked(0, "interfaces can't be listed")
    extra = sorted(set(names) - FALLBACK - {"lo"})
    return property_holds(not extra, f"{extra}")


def _socket(family, kind, protocol, label):
    """socket(2) with registers as they are. EAFNOSUPPORT, EPROTONOSUPPORT: the kernel has no such family."""

    def work():
        os.close(raw(number("socket"), family, kind, protocol))

    return attempt(label, work, missing={errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT})


def _family(row, *tries):
    @probe(row)
    def families(_, tries=tries):
        return worst(_socket(f, k, p, f"socket({f:#x}, {k}, {p})") for f, k, p in tries)


_family("net.raw_icmp", (2, 3, 1), (2, 3, 255))
_family("net.raw_icmp6", (10, 3, 58), (10, 3, 255))
_family("net.packet", (AF_PACKET, 3, 0x0300), (AF_PACKET, 2, 0x0300))
_family("net.vsock", (AF_VSOCK, 1, 0), (AF_VSOCK, 2, 0))
_family("net.alg", (AF_ALG, 5, 0))
_family("net.netlink_route", (AF_NETLINK, 3, 0), (AF_NETLINK, 2, 0))
_family("net.netlink_netfilter", (AF_NETLINK, 3, 12), (AF_NETLINK, 3, 6), (AF_NETLINK, 3, 16))
_family("net.bluetooth", (AF_BLUETOOTH, 3, 1), (AF_BLUETOOTH, 1, 3))
# The kernel cuts the family to an int: the same sockets by numbers that a 64-bit compare does not know.
_family("net.packet_high_bits", (AF_PACKET | HIGH, 3, 0x0300))
_family("net.vsock_high_bits", (AF_VSOCK | HIGH, 1, 0), (AF_VSOCK | 1 << 63, 1, 0))
_family("net.alg_high_bits", (AF_ALG | HIGH, 5, 0), (AF_ALG | 0xFFFF_FFFF << 32, 5, 0))
_family("net.raw_high_bits", (2 | HIGH, 3, 1), (2, 3 | HIGH, 1))
_family("net.netlink_high_bits", (AF_NETLINK | HIGH, 3, 12), (AF_NETLINK, 3, 12 | HIGH))
# Families that have been a way into the kernel and that nobody misses: AX.25, IPX, Appletalk, NET/ROM, X.25, key, RDS,
# PPP, CAN, TIPC, CAIF, NFC, KCM, QRTR, SMC, XDP (linux/socket.h).
OBSCURE = (3, 4, 5, 6, 9, 15, 21, 24, 29, 30, 37, 39, 41, 42, 43, 44)
_family("net.obscure_families", *[(family, kind, 0) for family in OBSCURE for kind in (1, 2, 3, 5)])


@probe("net.socketpair_families")
def socketpair_families(_):
    """socketpair makes sockets, too, and is often forgotten."""
    import ctypes

    ends = (ctypes.c_int * 2)()
    tipc = 30

    def work(family):
        raw(number("socketpair"), family, 1, 0, ends)
        os.close(ends[0])
        os.close(ends[1])

    # EOPNOTSUPP comes from a family that has no pairs: its code was reached.
    return worst(
        attempt(f"socketpair({family:#x})", lambda f=family: work(f), reached={errno.EOPNOTSUPP},
                missing={errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT})
        for family in (AF_ALG, AF_VSOCK, tipc, AF_NETLINK, AF_ALG | HIGH)
    )


@probe("net.admin_ioctl")
def admin_ioctl(_):
    """SIOCGIFFLAGS (0x8913) of lo, then SIOCSIFFLAGS (0x8914) to the same: nothing changes."""

    def work():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            request = array.array("B", struct.pack("16sh22x", b"lo", 0))
            fcntl.ioctl(any_socket, 0x8913, request)
            fcntl.ioctl(any_socket, 0x8914, request)

    return attempt("SIOCSIFFLAGS", work, refused={errno.EAFNOSUPPORT})


@probe("net.low_port_bind")
def low_port_bind(_):
    def work(port):
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))

    # EADDRINUSE comes after the permission check.
    return worst(
        attempt(f"bind {port}", lambda p=port: work(p), reached={errno.EADDRINUSE}, refused=NO_ROUTE)
        for port in (81, 1023)
    )
