"""caps: who the command is, and that it can't become more."""

import errno
import os

from .core import absent, allowed, attempt, blocked, error, probe, property_holds, run, status, worst


def _zero(row, field):
    @probe(row)
    def empty(_, field=field):
        value = status(field)
        return property_holds(int(value, 16) == 0, f"{field} {value}")


_zero("caps.capeff_zero", "CapEff")
_zero("caps.capprm_zero", "CapPrm")
_zero("caps.capinh_zero", "CapInh")
_zero("caps.capamb_zero", "CapAmb")
_zero("caps.capbnd_zero", "CapBnd")


@probe("caps.no_new_privs")
def no_new_privs(_):
    return property_holds(status("NoNewPrivs") == "1", f"NoNewPrivs {status('NoNewPrivs')}")


def _outside(path, inside):
    """What id the parent namespace knows `inside` by (user_namespaces(7))."""
    with open(path, encoding="ascii") as rows:
        for row in rows:
            first, outer, count = map(int, row.split())
            if first <= inside < first + count:
                return outer + inside - first
    return None


@probe("caps.uid_is_host_root")
def uid_is_host_root(_):
    ids = [_outside("/proc/self/uid_map", i) for i in os.getresuid()]
    ids += [_outside("/proc/self/gid_map", i) for i in os.getresgid()]
    if 0 in ids:
        return allowed(f"outside, the ids are {ids}")
    # An id that has no mapping shows as the overflow id; nothing is known of it then.
    return error(f"ids without a mapping: {ids}") if None in ids else blocked(0, f"outside, the ids are {ids}")


@probe("caps.maps_host_root")
def maps_host_root(_):
    """No id at all inside stands for the host's root: not even one that nobody has now."""
    rows = []
    for path in ("/proc/self/uid_map", "/proc/self/gid_map"):
        with open(path, encoding="ascii") as lines:
            rows += [row.split() for row in lines]
    return property_holds(all(int(outer) != 0 for _, outer, _ in rows), f"{rows}")


@probe("caps.uid0_inside")
def uid0_inside(_):
    return property_holds(0 not in os.getresuid(), f"ids {os.getresuid()}")


@probe("caps.setgroups")
def setgroups(_):
    # EINVAL: the group has no mapping here.
    return worst(attempt(f"setgroups({g})", lambda g=g: os.setgroups(g), refused={errno.EINVAL}) for g in ([], [0]))


@probe("caps.supplementary_groups")
def supplementary_groups(_):
    """Groups of the host's user open files that the policy does not speak of: disk, docker, kvm."""
    groups = [g for g in os.getgroups() if g != os.getgid()]
    return property_holds(not groups, f"groups {groups}")


@probe("caps.setuid_zero")
def setuid_zero(_):
    return worst([
        attempt("setresuid(0)", lambda: os.setresuid(0, 0, 0), refused={errno.EINVAL}),
        attempt("setresgid(0)", lambda: os.setresgid(0, 0, 0), refused={errno.EINVAL}),
    ])


@probe("caps.setuid_binary_gain")
def setuid_binary_gain(c):
    """A set-uid root program that the harness put into the workspace prints the effective uid it got."""
    if not c.fact("setuid_id"):
        return absent("the harness was not root and could not make one")
    path = c.path(c.fact("setuid_id"))
    if os.getuid() == 0:
        # Root has nothing to gain: become someone else first. In the sandbox this is not reached.
        try:
            os.setresuid(65534, 65534, 65534)
        except OSError:
            return error("uid 0 inside, which can't be given up")

    def work():
        code, out = run([path, "-u"])
        if code != 0:
            return error(f"{path}: exit {code}")
        return allowed("effective uid 0") if int(out) == 0 else blocked(0, f"effective uid {int(out)}")

    return attempt("set-uid program", work)
