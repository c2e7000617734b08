#!/bin/bash
# test.sh: check the whole project: format, lints, layers, build, tests, documentation. One summary line at the end.
# It installs what is missing if it may (root, or sudo without a password). As root the tests launch both as root
# and as the ordinary user $MSB_TEST_USER (msbtest, made where it is missing). A test that can't run says "skipped,
# because ..." and is counted; MSB_FORBID_SKIP=root,user,python3,two-cpus,userns,cgroup-v1,cc,libseccomp,x86-64,git,make,
# node,nvim,shells,rustup,pypi,npm,java,go,sshd names what the machine is known to have, and a skip for want of that is a failure.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
require_rust
require cc=gcc cc=libc6-dev /usr/bin/python3=python3
LOG=$TARGET/test-logs; mkdir -p "$LOG"
passed=0 failed=0 skipped=0

# What only some tests need: install it if we may, else those tests say that they are skipped.
wanted=()
for pair in bwrap=bubblewrap unshare=util-linux ps=procps strace=strace /usr/include/seccomp.h=libseccomp-dev \
    git=git make=make node=nodejs zsh=zsh fish=fish /usr/share/doc/python3-venv=python3-venv; do
  have "${pair%%=*}" || [ -e "${pair%%=*}" ] || wanted+=("${pair#*=}")
done
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
# The demonstration as an ordinary user; the documentation's tests run it as whoever runs this.
demo_as_test_user() {
  local dir rc=0
  dir=$(mktemp -d) && chmod 755 "$dir" && cp -r scripts policy-lang "$MSB_BIN_DIR" "$dir/" && chown -R "$MSB_TEST_USER" "$dir" || return 1
  (cd "$dir" && runuser -u "$MSB_TEST_USER" -- env -u CARGO_TARGET_DIR MSB_BIN_DIR="$dir/dist" HOME="$dir" scripts/demo.sh) || rc=$?
  rm -rf "$dir"
  return $rc
}

say "checks"
check "format" cargo fmt --all --check
check "lints" cargo clippy --quiet --workspace --all-targets -- -D warnings
check "lints of the launcher's program" cargo clippy --quiet --profile launcher -p msb-launch --features program \
  --bin msb-launch -- -D warnings
check "layers" cargo run --quiet -p xtask -- layers
check "build of msbc, msb-launch and msb-gateway" scripts/build.sh
export MSB_BIN_DIR=$TARGET/dist

say "tests"
log=$LOG/tests.log
# Signals as a terminal has them: in the background of a script, or under nohup(1), some are ignored, and by all below.
if ! logged "tests" env --default-signal cargo test --workspace --no-fail-fast -- --show-output; then
  grep -q '^test result: FAILED' "$log" || { failed=$((failed + 1)); tail -60 "$log"; }  # it did not even build
  grep -E '^test .* FAILED$' "$log"
  sed -n '/^failures:$/,/^test result/p' "$log" | grep -vE '^ +([0-9]+:|at) |^stack backtrace:' | cut -c1-300 | head -150
  echo "the whole log: $log"
fi
counted=$(/usr/bin/python3 scripts/count-tests.py "$log")
read -r ok bad skip <<<"$counted"
passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
tail -n +2 <<<"$counted"
if [ "$(id -u)" = 0 ]; then check "demonstration as an ordinary user" demo_as_test_user; fi

say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
