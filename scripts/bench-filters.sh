#!/bin/bash
# bench-filters.sh [ROUNDS]: what filters cost for one policy of some 300 calls, by msb-seccomp, seccompiler and
# libseccomp: to load, to launch with, and for calls that are allowed, argument-checked, denied and unknown. Random
# order, one run; 300 rounds.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
require_rust
require cc=gcc cc=libc6-dev
[ -e /usr/include/seccomp.h ] || install_packages libseccomp-dev || echo "not installed, we may not: libseccomp-dev"
cargo build --quiet --release -p msb-benches
WORK=$(mktemp -d /tmp/msb-bench.XXXXXX); trap 'rm -rf "$WORK"' EXIT
echo "$(uname -sr), $(nproc) CPUs"
"$TARGET/release/bench-filters" "$WORK" "${1:-300}"
