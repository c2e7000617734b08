#!/bin/bash
# bench-launch.sh [ROUNDS [ALIVE]]: launch-to-exit of a static program as ratios, as an ordinary user. Cases: exec
# alone, the floor (the namespaces and mounts and nothing else), msb-launch, unshare(1), crun, bubblewrap. Random order,
# one run; 300 rounds. Then two workers side by side, and launches beside ALIVE sandboxes that sleep (1000).
# Started as root it measures as the user $MSB_TEST_USER (msbtest, made where it is missing).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
require_rust
require cc=gcc cc=libc6-dev bwrap=bubblewrap crun=crun unshare=util-linux
ROUNDS=${1:-300} ALIVE=${2:-1000}
scripts/build.sh
cargo build --quiet --release -p msb-benches
WORK=$(mktemp -d /tmp/msb-bench.XXXXXX); trap 'rm -rf "$WORK"' EXIT; chmod 755 "$WORK"
cp "$TARGET/dist/msbc" "$TARGET/dist/msb-launch" "$TARGET/release/bench-launch" "$WORK/"
RUN=()
if [ "$(id -u)" = 0 ]; then
  test_user; chown "$MSB_TEST_USER" "$WORK"; RUN=(runuser -u "$MSB_TEST_USER" --)
fi
echo "$(uname -sr), $(nproc) CPUs, $(bwrap --version)"
"${RUN[@]}" "$WORK/bench-launch" "$WORK/files" "$WORK" "$ROUNDS" "$ALIVE"
