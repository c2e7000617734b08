#!/bin/bash
# bench-egress.sh [ROUNDS]: what leaving a sandbox costs by the gateway, pasta, slirp4netns and a CONNECT proxy over a
# unix socket, as ratios to a veth pair: a round trip on a kept connection, a new connection, CPU (of the client and what
# is between) for a gigabyte. Then the gateway's memory with as many connections as descriptors allow, 10,000 at most.
# One run, the order by chance; 5 rounds. Root.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
if [ -z "${MSB_BENCH_INSIDE:-}" ]; then
  require_rust
  require ip=iproute2 nft=nftables pasta=passt slirp4netns=slirp4netns socat=socat
  cargo build --quiet --release -p msb-benches -p msbc -p msb-gateway
  cargo build --quiet --profile launcher -p msb-launch --features program
  WORK=$(mktemp -d /tmp/msb-bench.XXXXXX); trap 'rm -rf "$WORK"' EXIT
  chmod 755 "$WORK"
  install -m 755 "$TARGET"/release/{bench-egress,msbc,msb-gateway} "$TARGET/launcher/msb-launch" "$WORK/"
  MSB_BENCH_INSIDE=$WORK unshare -n -m "$0" "${1:-5}"
  exit
fi
WORK=$MSB_BENCH_INSIDE ROUNDS=$1 SERVER=203.0.113.10:7000
B=$WORK/bench-egress
ulimit -n "$(ulimit -Hn)"
HERE=$$
trap 'kill $(jobs -p) 2>/dev/null || true; ip netns del msb-bench 2>/dev/null || true' EXIT
ip link set lo up
ip addr add 203.0.113.10/32 dev lo
ip netns add msb-bench
ip link add veth0 type veth peer name veth1 netns msb-bench
ip addr add 10.9.0.1/24 dev veth0; ip link set veth0 up
ip route add default via 10.9.0.2
ip -n msb-bench link set lo up
ip -n msb-bench addr add 10.9.0.2/24 dev veth1; ip -n msb-bench link set veth1 up
ip -n msb-bench route add default via 10.9.0.1
"$B" serve 0.0.0.0:7000 &
until "$B" latency 203.0.113.10:7000 1 >/dev/null 2>&1; do sleep 0.1; done
"$B" proxy "$WORK/proxy" & PROXY=$!
cat >"$WORK/p.msb" <<'EOF'
edition 2026
policy p(tool: dir) {
  include std.base
  syscalls { allow @network-io }
  limits { memory 1GiB  pids 64  wall 5min  files 20000 }
  fs {
    run $tool at /tool
  }
  net { allow tcp 203.0.113.10:7000 }
}
EOF

# CPU of a process and of what it waited for, in ticks of 10 ms; and of what this script waited for.
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13 + $14 + $15}'; }
waited() { sed 's/.*) //' "/proc/$HERE/stat" | awk '{print $14 + $15}'; }
run_native() { ip netns exec msb-bench "$B" "$@"; }
run_gateway() { "$WORK/msbc" run "$WORK/p.msb" --set "tool=$WORK" -- /tool/bench-egress "$@"; }
# As somebody else than root it makes a user namespace by itself. It does not end with its terminal's signals.
run_pasta() {
  setpriv --reuid=nobody --regid=nogroup --clear-groups \
    timeout -s KILL 60 pasta --quiet --config-net -- "$B" "$@" </dev/null 2>/dev/null
}
run_slirp4netns() {
  unshare -n sleep 60 & local holder=$!
  sleep 0.2
  slirp4netns --configure --disable-dns "$holder" tap0 >/dev/null 2>&1 & local slirp=$!
  sleep 0.7
  nsenter -t "$holder" -n "$B" "$@"
  kill $slirp $holder
  wait $slirp $holder 2>/dev/null || true
}
run_proxy() {
  # The times of children that socat forks are lost: without, where they are measured.
  local fork=,fork; [ "$1" != bulk ] || fork=
  unshare -n sh -c "ip link set lo up
    socat TCP-LISTEN:8080,reuseaddr,nodelay$fork UNIX-CONNECT:$WORK/proxy & S=\$!; sleep 0.3
    $B $* 127.0.0.1:8080; R=\$?; kill \$S 2>/dev/null; wait \$S 2>/dev/null; exit \$R"
}
to() { [ "$1" = native ] && echo 10.9.0.1:7000 || echo $SERVER; }

NAMES=(native gateway pasta slirp4netns proxy)
for round in $(seq "$ROUNDS"); do
  for name in $(shuf -e "${NAMES[@]}"); do
    for what in latency connect; do
      count=5000; [ $what = latency ] || count=1000
      value=$("run_$name" $what "$(to "$name")" $count) || value=
      echo "$name $what $value" >>"$WORK/raw"
    done
    # What is between is a child that is waited for, but for the proxy, which stays; in 10 ms.
    before=$(waited) proxied=$(ticks $PROXY)
    "run_$name" bulk "$(to "$name")" 1000000000 >/dev/null || true
    echo "$name cpu $(($(waited) - before + $(ticks $PROXY) - proxied))" >>"$WORK/raw"
  done
done
median() { awk -v n="$1" -v w="$2" '$1 == n && $2 == w && NF == 3 {print $3}' "$WORK/raw" | sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}'; }
printf '%s, %s CPUs, %s rounds\n\n| | keep-alive | new connection | CPU for a gigabyte |\n| --- | --- | --- | --- |\n' "$(uname -sr)" "$(nproc)" "$ROUNDS"
for name in "${NAMES[@]}"; do
  printf '| %s |' "$name"
  for what in latency connect cpu; do
    awk -v a="$(median "$name" $what)" -v b="$(median native $what)" 'BEGIN {printf (a && b) ? " %.2f |" : " – |", a / b}'
  done
  echo
done
count=$((($(ulimit -Hn) - 600) / 2)); [ $count -le 10000 ] || count=10000
mkfifo "$WORK/wait"
run_gateway idle $SERVER $count <"$WORK/wait" >"$WORK/open" & exec 9>"$WORK/wait"
until [ -s "$WORK/open" ]; do sleep 0.2; kill -0 $! || exit 1; done
GATEWAY=$(for comm in /proc/[0-9]*/comm; do if grep -qx msb-gateway "$comm" && [ "$(readlink "${comm%comm}ns/net")" = "$(readlink /proc/self/ns/net)" ]; then basename "${comm%/comm}"; fi; done)
printf '\n%s connections open: the gateway has %s resident\n' "$(cat "$WORK/open")" "$(awk '/VmRSS/ {print $2, $3}' "/proc/$GATEWAY/status")"
exec 9>&-
