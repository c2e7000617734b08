#!/bin/bash
# bench-watch.sh [ROUNDS]: how long many processes together hold more than `memory` where no cgroup counts it, in
# milliseconds: from when they have it until everything is killed. Run it as an ordinary user that is given no cgroup; needs
# python3, and the programs in $MSB_BIN_DIR or target/dist.
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
  limits { memory 512MiB  pids 128  wall 1min }
}
P
# Processes that hold 100 MiB together wait; another takes what is left of the limit, and from then on a MiB at a time, and
# tells the time until it is gone.
cat > "$DIR/take.py" <<'P'
import glob, mmap, os, sys, time
count, limit = int(sys.argv[1]), 512 << 20
def take(size):
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
def held():
    total = 0
    for name in glob.glob('/proc/[0-9]*/smaps_rollup'):
        try: lines = open(name).readlines()
        except OSError: continue  # init, which nobody looks at
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith('Pss_Anon'))
    return total
ready, done = os.pipe()
for _ in range(count):
    if os.fork() == 0:
        keep = take((100 << 20) // count)
        os.write(done, b'.')
        time.sleep(60)
waiting = count
while waiting: waiting -= len(os.read(ready, waiting))
time.sleep(0.3)
keep = []
while (left := limit - held()) > 0: keep.append(take(max(left, 1 << 16)))
begin = time.monotonic()
while True:
    os.write(1, b'%.3f\n' % ((time.monotonic() - begin) * 1000))
    keep.append(take(1 << 20))
    time.sleep(0.0005)
P
"$BIN/msbc" compile "$DIR/p.msb" -o "$DIR/plan" >/dev/null
for count in 1 20 50; do
  for _ in $(seq "$ROUNDS"); do
    { "$BIN/msb-launch" "$DIR/plan" -- python3 -c "$(<"$DIR/take.py")" "$count" 2>"$DIR/said" || true; } | tail -n 1
    grep -q 'memory was reached' "$DIR/said" || { cat "$DIR/said" >&2; echo "not held by the watch" >&2; exit 1; }
  done | sort -n | awk -v n="$count" '{ at[NR] = $1 } END { printf "%3d processes: median %5.1f ms, longest %5.1f ms\n", n, at[int((NR + 1) / 2)], at[NR] }'
done
