#!/bin/bash
# bench-memory.sh [COUNT]: what one sleeping sandbox of benches/policies/agent.msb takes of the host's memory, KiB: that
# of the kernel by kind, and that of the launcher and its init. COUNT (1000) are started, and what as many programs take that
# sleep without one is taken away. Started as root it measures as the user $MSB_TEST_USER. Needs the programs in
# $MSB_BIN_DIR or target/dist, and a machine where nothing else runs.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
BIN=${MSB_BIN_DIR:-$TARGET/dist} COUNT=${1:-1000}
WORK=$(mktemp -d /tmp/msb-bench.XXXXXX); trap 'rm -rf "$WORK"' EXIT; chmod 755 "$WORK"
mkdir -p "$WORK/root/bin" "$WORK/root/dev"; cp "$BIN/msb-launch" "$WORK/"
"$BIN/msbc" compile benches/policies/agent.msb -o "$WORK/plan" >/dev/null; chmod 644 "$WORK/plan"
AS=()
if [ "$(id -u)" = 0 ]; then test_user; chown -R "$MSB_TEST_USER" "$WORK"; AS=(runuser -u "$MSB_TEST_USER" --); fi
KINDS='SReclaimable SUnreclaim PageTables KernelStack Percpu AnonPages'
levels() { local kind; for kind in $KINDS; do awk -v k="$kind:" '$1 == k { print $2 }' /proc/meminfo; done; }
# Starts COUNT of a command, prints what each kind grew by, and ends them.
grown() {
  local before after alive
  mapfile -t before < <(levels)
  # The shell that starts them ends with its input, and they with it.
  coproc STARTER { "${AS[@]}" bash -c 'for _ in $(seq '"$COUNT"'); do "$@" </dev/null >/dev/null 2>&1 & done; read -r; kill $(jobs -p); wait' _ "$@" 2>/dev/null; }
  for _ in $(seq 300); do
    alive=$(ps -C sleep -o args= | grep -cx 'sleep 55.5' || true)
    [ "$alive" = "$COUNT" ] && break; sleep 0.2
  done
  [ "$alive" = "$COUNT" ] || { echo "$alive of $COUNT are asleep" >&2; exit 1; }
  sleep 2
  mapfile -t after < <(levels)
  echo >&"${STARTER[1]}"; wait "$STARTER_PID" || true
  sleep 3
  local at; for at in "${!before[@]}"; do echo $((after[at] - before[at])); done
}
grown sleep 55.5 >/dev/null # what is kept for the next is not theirs
mapfile -t plain < <(grown sleep 55.5)
mapfile -t boxed < <(grown "$WORK/msb-launch" "$WORK/plan" --set root="$WORK/root" -- sleep 55.5)
echo "$(uname -sr), $COUNT that sleep"
at=0; total=0
for kind in $KINDS; do
  awk -v k="$kind" -v n="$COUNT" -v d=$((boxed[at] - plain[at])) 'BEGIN { printf "%-14s %7.1f\n", k, d / n }'
  total=$((total + boxed[at] - plain[at])); at=$((at + 1))
done
awk -v n="$COUNT" -v d=$total 'BEGIN { printf "%-14s %7.1f\n", "all", d / n }'
