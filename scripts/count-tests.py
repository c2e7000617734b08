#!/usr/bin/env python3
"""count-tests.py LOG...: count the tests of logs of `cargo test -- --show-output`, a log for each user they ran as.

Prints `PASSED FAILED SKIPPED`, then a line for each skipped test. A test that skipped itself says "skipped,
because ...". It counts as skipped only if it was skipped in every log: what needs root runs in one of them, what
needs an ordinary user in the other.
"""
import re, sys

passed = failed = 0
skips = []  # for each log: test -> reason
for log in sys.argv[1:]:
    program = test = ""
    reasons = {}
    for line in open(log, errors="replace"):
        if running := re.match(r"\s+(?:Running|Doc-tests) (?:.*[/(])?([^/()\s]+?)(?:-[0-9a-f]{16})?\)?$", line):
            program = running[1]
        elif output := re.match(r"---- (.+) stdout ----$", line):
            test = output[1]
        elif result := re.match(r"test result: .* (\d+) passed; (\d+) failed;", line):
            passed += int(result[1])
            failed += int(result[2])
        elif "skipped, because" in line:
            reasons[program, test] = line.strip()
    passed -= len(reasons)
    skips.append(reasons)
everywhere = set.intersection(*map(set, skips)) if skips else set()
print(passed, failed, len(everywhere))
for program, test in sorted(everywhere):
    print(f"    {program} {test}: {skips[0][program, test]}")
