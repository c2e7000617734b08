#!/usr/bin/env python3
"""count-tests.py LOG: count the tests in a log of `cargo test -- --show-output`.

Prints `PASSED FAILED SKIPPED`, then a line for each skipped test: one that says "skipped, because ...".
"""
import re, sys

passed = failed = 0
program = test = ""
skipped = {}
for line in open(sys.argv[1], errors="replace"):
    if running := re.match(r"\s+(?:Running|Doc-tests) (?:.*[/(])?([^/()\s]+?)(?:-[0-9a-f]{16})?\)?$", line):
        program = running[1]
    elif output := re.match(r"---- (.+) stdout ----$", line):
        test = output[1]
    elif result := re.match(r"test result: .* (\d+) passed; (\d+) failed;", line):
        passed += int(result[1])
        failed += int(result[2])
    elif "skipped, because" in line and (program, test) not in skipped:
        skipped[program, test] = line.strip()
print(passed - len(skipped), failed, len(skipped))
for (program, test), reason in sorted(skipped.items()):
    print(f"    {program} {test}: {reason}")
