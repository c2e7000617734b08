#!/usr/bin/env python3
"""Runs the probes of the security checklist where it stands and prints one JSON line for each.

    python3 probe.py [--only fs,proc,net.alg] --facts facts.json [--workspace DIR] [--announce]

Each probe runs in a child of its own with a time limit, so that a filter that kills, or a call that hangs,
ends the probe and not the battery. Standard library only: it must run inside what it judges.
"""

import argparse
import json
import os
import select
import signal
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from battery import core  # noqa: E402
from battery import caps, devices, dos, fs, fs_persist, ipc, leak, lifecycle  # noqa: E402,F401
from battery import namespaces, net, proc, syscalls, util, ways  # noqa: E402,F401

SECONDS_MAX = 20.0
# These take their time: they fill, fork or spin on purpose.
SECONDS_MAX_DOS = 60.0


def checklist():
    """The rows of checklist.tsv: (id, level, expected, note)."""
    with open(os.path.join(HERE, "checklist.tsv"), encoding="utf-8") as table:
        rows = [line.rstrip("\n").split("\t") for line in table if line.strip() and not line.startswith("#")]
    return [tuple(row) for row in rows[1:]]


def child_main(function, context, end):
    """The child: own process group, so that everything the probe leaves can be ended at once."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        outcome = function(context)
    except OSError as failure:
        outcome = core.error(f"{type(failure).__name__}: {failure}", failure.errno or 0)
    except Exception as failure:  # a probe with a fault must not look like a refusal
        outcome = core.error(f"{type(failure).__name__}: {failure}")
    os.write(end, json.dumps(outcome._asdict()).encode())


def run(name, function, context):
    """Runs one probe and gives back its outcome."""
    begin, end = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            os.close(begin)
            child_main(function, context, end)
        finally:
            os._exit(0)
    os.close(end)
    seconds_max = SECONDS_MAX_DOS if name.startswith("dos.") else SECONDS_MAX
    data, timed_out = collect(begin, time.monotonic() + seconds_max)
    os.close(begin)
    for end_of in (lambda: os.killpg(child, signal.SIGKILL), lambda: timed_out and os.kill(child, signal.SIGKILL)):
        try:
            end_of()
        except (ProcessLookupError, PermissionError):
            pass
    status = os.waitpid(child, 0)[1]
    if data:
        return core.Outcome(**json.loads(data))
    if timed_out:
        return core.blocked(0, f"hung for {seconds_max:.0f} s and was ended")
    if os.WIFSIGNALED(status):
        return killed(os.WTERMSIG(status))
    return core.error(f"the probe said nothing, wait status {status:#x}")


def killed(number):
    text = f"killed by {core.signal_name(number)}"
    if number in (signal.SIGSYS, signal.SIGKILL):
        return core.blocked(0, text)
    return core.error(text)


def collect(begin, deadline):
    """What the child writes, until it ends or the time is up: (bytes, whether it was up)."""
    data = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return data, True
        ready, _, _ = select.select([begin], [], [], left)
        if ready:
            part = os.read(begin, 65536)
            if not part:
                return data, False
            data += part
            if complete(data):
                return data, False


def complete(data):
    """Whether the answer is whole; a probe's own children may hold the pipe open after it."""
    try:
        json.loads(data)
        return True
    except ValueError:
        return False


def chosen(name, only):
    return not only or name in only or name.split(".", 1)[0] in only


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="categories or ids, separated by commas")
    parser.add_argument("--facts", help="what the harness says about the host, JSON")
    parser.add_argument("--workspace", default=HERE)
    parser.add_argument("--announce", action="store_true", help="print an id before its probe runs")
    parser.add_argument("--list", action="store_true", help="print the ids of the probes and end")
    options = parser.parse_args()
    if options.list:
        print("\n".join(sorted(core.PROBES)))
        return 0
    facts = {}
    if options.facts:
        with open(options.facts, encoding="utf-8") as text:
            facts = json.load(text)
    context = core.Context(options.workspace, facts)
    only = set(filter(None, options.only.split(",")))
    for name, level, expected, _note in checklist():
        if not chosen(name, only):
            continue
        if options.announce:
            print(json.dumps({"id": name, "started": True}), flush=True)
        outcome = run(name, core.PROBES[name], context)
        row = {"id": name, "level": level, "expected": expected, **outcome._asdict()}
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
