#!/bin/bash
# test.sh: check the whole project: format, lints, layers, build, tests, documentation. One summary line at the end.
# It installs what is missing if it may (root, or sudo without a password). Started as root it runs the tests
# twice: as root, and as the ordinary user $MSB_TEST_USER (msbtest, made where it is missing). A test that can't
# run says "skipped, because ..." and is counted; with MSB_FORBID_SKIP=1 that is a failure.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
require_rust
require cc=gcc cc=libc6-dev /usr/bin/python3=python3
LOG=$TARGET/test-logs; mkdir -p "$LOG"
passed=0 failed=0 skipped=0

# What only some tests need: install it if we may, else those tests say that they are skipped.
wanted=()
for pair in bwrap=bubblewrap unshare=util-linux ps=procps strace=strace; do have "${pair%%=*}" || wanted+=("${pair#*=}"); done
[ ${#wanted[@]} -eq 0 ] || install_packages "${wanted[@]}" || echo "not installed, we may not: ${wanted[*]}"
cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
  rustup component add rustfmt clippy >/dev/null 2>&1 || echo "rustfmt or clippy is missing and rustup could not add it"
[ "$(id -u)" != 0 ] || test_user

# Runs a command, its output in a log; shows the log when it fails.
logged() { # logged NAME COMMAND...
  local name=$1 start=$SECONDS rc=0; shift
  printf '%-44s' "$name"
  "$@" >"$LOG/${name//[^a-z0-9]/-}.log" 2>&1 </dev/null || rc=$?
  printf '%5d s  %s\n' $((SECONDS - start)) "$([ $rc = 0 ] && echo ok || echo FAILED)"
  return $rc
}
check() { # a check counts as one test
  if logged "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); tail -60 "$LOG/${1//[^a-z0-9]/-}.log"; fi
}
# Runs a test command and keeps its log for the count.
logs=()
tests() {
  local log="$LOG/${1//[^a-z0-9]/-}.log"
  logs+=("$log")
  logged "$@" && return
  if ! grep -q '^test result: FAILED' "$log"; then failed=$((failed + 1)); tail -60 "$log"; return; fi  # it did not even run
  sed -n '/^failures:$/,/^test result/p' "$log" | head -200
}

# The test programs of the crates that meet the kernel, each run where cargo runs it, as another user.
KERNEL_CRATES="msb-sys msb-launch msb-trace msb-testkit msbc msb-docs-test"
as_test_user() {
  local list package program rc=0 home
  home=$(getent passwd "$MSB_TEST_USER" | cut -d: -f6)
  list=$(cargo test --workspace --no-run --message-format=json 2>/dev/null | /usr/bin/python3 -c '
import json, os, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["profile"]["test"]:
        folder = os.path.dirname(built["manifest_path"])
        if os.path.basename(folder) in sys.argv[1:]:
            print(folder + "\t" + built["executable"])' $KERNEL_CRATES)
  [ -n "$list" ] || { echo "no test programs"; return 1; }
  while IFS=$'\t' read -r package program; do
    echo "     Running $program"
    (cd "$package" && runuser -u "$MSB_TEST_USER" -- env HOME="$home" CARGO_MANIFEST_DIR="$package" \
      MSB_BIN_DIR="$MSB_BIN_DIR" INSTA_UPDATE=no \
      "$program" --show-output) || rc=1
  done <<<"$list"
  return $rc
}

say "checks"
check "format" cargo fmt --all --check
check "lints" cargo clippy --quiet --workspace --all-targets -- -D warnings
check "layers" cargo run --quiet -p xtask -- layers
check "build of msbc and msb-launch" scripts/build.sh
export MSB_BIN_DIR=$TARGET/dist

say "tests"
# As root there are two runs, and a test may skip itself in one of them: the count below judges both together.
if [ "$(id -u)" = 0 ]; then
  tests "tests as root" env -u MSB_FORBID_SKIP cargo test --workspace --no-fail-fast -- --show-output
  if runuser -u "$MSB_TEST_USER" -- test -x "$MSB_BIN_DIR/msbc" -a -r Cargo.toml; then
    tests "tests as $MSB_TEST_USER" as_test_user
  else
    skipped=1
    echo "skipped, because $MSB_TEST_USER may not read $PWD or $TARGET: the tests as an ordinary user"
  fi
else
  tests "tests" cargo test --workspace --no-fail-fast -- --show-output
fi
counted=$(/usr/bin/python3 scripts/count-tests.py "${logs[@]}")
read -r ok bad skip <<<"$counted"
passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
tail -n +2 <<<"$counted"

say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] || exit 1
[ "$skipped" = 0 ] || [ -z "${MSB_FORBID_SKIP-}" ] || { echo "MSB_FORBID_SKIP is set: a skip is a failure"; exit 1; }
