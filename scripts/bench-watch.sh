#!/bin/bash
# bench-watch.sh [ROUNDS]: how long many processes together hold more than `memory` where no cgroup counts it, in
# milliseconds: from when one of them begins to take what is too much until everything is killed. Run it as an ordinary user that is given no
# cgroup; needs python3, and the programs in $MSB_BIN_DIR or target/dist.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
BIN=${MSB_BIN_DIR:-$TARGET/dist} ROUNDS=${1:-20}
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT
cat > "$DIR/p.msb" <<'P'
edition 2026
policy p {
  include std.base
  include std.python
  limits { memory 256MiB  pids 128  wall 1min }
}
P
# Processes that hold 200 MiB together wait; then another takes 96 more and tells the time until it is gone.
cat > "$DIR/take.py" <<'P'
import mmap, os, sys, time
count = int(sys.argv[1])
def take(size):
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, size, 4096): area[at] = 1
    return area
ready, done = os.pipe()
for _ in range(count):
    if os.fork() == 0:
        keep = take((200 << 20) // count)
        os.write(done, b'.')
        time.sleep(60)
while count: count -= len(os.read(ready, count))
time.sleep(0.3)
begin = time.monotonic()
keep = []
while True:
    os.write(1, b'%.3f\n' % ((time.monotonic() - begin) * 1000))
    if len(keep) < 96: keep.append(take(1 << 20))
    else: time.sleep(0.0005)
P
"$BIN/msbc" compile "$DIR/p.msb" -o "$DIR/plan" >/dev/null
for count in 1 20 50; do
  for _ in $(seq "$ROUNDS"); do
    { "$BIN/msb-launch" "$DIR/plan" -- python3 -c "$(<"$DIR/take.py")" "$count" 2>"$DIR/said" || true; } | tail -n 1
    grep -q 'memory was reached' "$DIR/said" || { cat "$DIR/said" >&2; echo "not held by the watch" >&2; exit 1; }
  done | sort -n | awk -v n="$count" '{ at[NR] = $1 } END { printf "%3d processes: median %5.1f ms, longest %5.1f ms\n", n, at[int((NR + 1) / 2)], at[NR] }'
done
