#!/bin/bash
# bench-egress.sh [ROUNDS]: what leaving a sandbox costs by the gateway, pasta, slirp4netns and a CONNECT proxy over a
# unix socket, as ratios to a veth pair: a byte there and back on a kept connection, a request of HTTP and one by TLS, a
# new connection, CPU (of the client and what is between) for a gigabyte. Then what reading a request adds to one, what
# network rules add to a launch, and the gateway's memory with 10,000 connections. One run, the order by chance, each step
# bounded; 5 rounds, about a minute. The server has the last CPU to itself, as if it were another machine: left to the
# scheduler, a pair of processes is on one CPU or on two from run to run, which differs by more than what is measured. Root.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
if [ -z "${MSB_BENCH_INSIDE:-}" ]; then
  require_rust
  require ip=iproute2 nft=nftables pasta=passt slirp4netns=slirp4netns socat=socat
  cargo build --quiet --release -p msb-benches -p msbc -p msb-gateway
  cargo --quiet launcher
  WORK=$(mktemp -d /tmp/msb-bench.XXXXXX); trap 'rm -rf "$WORK"' EXIT
  chmod 755 "$WORK"
  install -m 755 "$TARGET"/release/{bench-egress,msbc,msb-gateway} "$TARGET/launcher/msb-launch" "$WORK/"
  # Whatever is started in there ends with it.
  MSB_BENCH_INSIDE=$WORK unshare -n -m -p -f --mount-proc --kill-child "$0" "${1:-5}" </dev/null
  exit
fi
WORK=$MSB_BENCH_INSIDE ROUNDS=$1 AT=203.0.113.10 SERVER=203.0.113.10:7000
B=$WORK/bench-egress BYTES=1000000000
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
CPUS=$(nproc)
LAST=$((CPUS - 1)); [ $LAST = 0 ] || taskset -pc 0-$((LAST - 1)) $$ >/dev/null
mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns
printf '127.0.0.1 localhost\n%s bench.example\n' $AT >"$WORK/hosts"; mount --bind "$WORK/hosts" /etc/hosts
ip link set lo up
# Each way out goes to an address of its own: of ports to one address half are taken after some 14,000 connections that
# ended lately, and to find another then takes a millisecond.
ip addr add $AT/24 dev lo
ip netns add native
ip link add veth0 type veth peer name veth1 netns native
ip addr add 10.9.0.1/24 dev veth0; ip link set veth0 up
ip route add default via 10.9.0.2
ip -n native link set lo up
ip -n native addr add 10.9.0.2/24 dev veth1; ip -n native link set veth1 up
ip -n native route add default via 10.9.0.1
taskset -c $LAST "$B" serve 0.0.0.0 "$WORK" &
"$B" proxy "$WORK/proxy" & PROXY=$!
bounded() { timeout -k 1 20 "$@"; }
until bounded "$B" latency $SERVER 1 >/dev/null 2>&1; do sleep 0.1; done

# Named namespaces: pasta gives up the capability that another process's would take.
ip netns add pasta
pasta -f -q --config-net -t none -u none -T none -U none --runas 0:0 --netns-only --netns /run/netns/pasta >/dev/null 2>&1 &
PASTA=$!
ip netns add slirp
slirp4netns --configure --disable-dns --netns-type=path /run/netns/slirp tap0 >/dev/null 2>&1 & SLIRP=$!
ip netns add proxy; ip -n proxy link set lo up
ip netns add relay; ip -n relay link set lo up; ip -n relay addr add $AT/24 dev lo
"$B" relay /run/netns/relay 7000 7001 7003 & RELAY=$!
for name in pasta slirp; do
  for _ in $(seq 50); do ip -n $name route | grep -q default && break; sleep 0.1; done
done

policy() { # FILE, NET
  cat >"$WORK/$1" <<POLICY
edition 2026
policy p(tool: dir) {
  include std.base
  syscalls { allow @network-io }
  limits { memory 1GiB  pids 64  wall 5min  files 20000 }
  fs { run \$tool at /tool }
  $2
}
POLICY
}
policy p.msb 'accept MSB0809 because "it is measured"
  net {
    allow tcp 203.0.113.10:7000
    allow tcp "bench.example":7001, http "bench.example":7002, tls "bench.example":7003
    allow https "bench.example":7004 inspect
  }'
policy one.msb "net { allow tcp $SERVER }"
policy none.msb 'net none'
for name in p one none; do "$WORK/msbc" compile "$WORK/$name.msb" -o "$WORK/$name.plan"; done

# CPU of a process and of what it waited for, in µs, to 10 ms.
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{print ($12 + $13 + $14 + $15) * 10000}'; }
GATEWAY=("$WORK/msb-launch" "$WORK/p.plan" --set "tool=$WORK" -- /tool/bench-egress)
unset SSL_CERT_DIR; export SSL_CERT_FILE=$WORK/ca.pem
run_native() { bounded ip netns exec native "$B" "$@"; }
run_relay() { bounded ip netns exec relay "$B" "$@"; }
run_gateway() { bounded "${GATEWAY[@]}" "$@"; }
run_pasta() { bounded ip netns exec pasta "$B" "$@"; }
run_slirp() { bounded ip netns exec slirp "$B" "$@"; }
run_proxy() { bounded ip netns exec proxy "$B" "$@" 127.0.0.1:8080; }
authority() { [ "$1" = gateway ] && echo /tool/ca.pem || echo "$WORK/ca.pem"; }
cpu_native() { run_native cpu "$B" "$@"; }
cpu_gateway() { bounded "$B" cpu "${GATEWAY[@]}" "$@"; }
cpu_relay() { local before; before=$(ticks $RELAY); echo $(($(run_relay cpu "$B" "$@") + $(ticks $RELAY) - before)); }
cpu_pasta() { local before; before=$(ticks $PASTA); echo $(($(run_pasta cpu "$B" "$@") + $(ticks $PASTA) - before)); }
cpu_slirp() { local before; before=$(ticks $SLIRP); echo $(($(run_slirp cpu "$B" "$@") + $(ticks $SLIRP) - before)); }
SOCAT=(socat -d TCP-LISTEN:8080,reuseaddr,nodelay,backlog=128)
cpu_proxy() {
  # The times of what socat forks are lost, so here it takes one connection, and ends with it.
  local before; before=$(ticks $PROXY)
  bounded ip netns exec proxy "$B" cpu "${SOCAT[@]}" "UNIX-CONNECT:$WORK/proxy" >"$WORK/socat" 2>/dev/null & local socat=$!
  sleep 0.2
  local client; client=$(run_proxy cpu "$B" "$@"); wait $socat
  echo $((client + $(cat "$WORK/socat") + $(ticks $PROXY) - before))
}
declare -A TO=([native]=10.9.0.1 [gateway]=$AT [relay]=203.0.113.11 [pasta]=203.0.113.12 [slirp]=203.0.113.13 [proxy]=203.0.113.14)
to() { echo "${TO[$1]}:7000"; }

NAMES=(native relay gateway pasta slirp proxy)
for _ in $(seq "$ROUNDS"); do
  for name in $(shuf -e "${NAMES[@]}"); do
    if [ $name = proxy ]; then ip netns exec proxy "${SOCAT[@]/%128/128,fork}" "UNIX-CONNECT:$WORK/proxy" 2>/dev/null & FORKS=$!; sleep 0.2; fi
    echo "$name latency $(run_$name latency "$(to $name)" 5000)" >>"$WORK/raw"
    echo "$name http $(run_$name requests bench.example:7001 3000 -)" >>"$WORK/raw"
    echo "$name tls $(run_$name requests bench.example:7003 3000 "$(authority $name)")" >>"$WORK/raw"
    echo "$name connect $(run_$name connect "$(to $name)" 1000)" >>"$WORK/raw"
    if [ $name = proxy ]; then kill $FORKS; wait $FORKS 2>/dev/null || true; fi
    echo "$name cpu $(cpu_$name bulk "$(to $name)" $BYTES)" >>"$WORK/raw"
  done
  for port in $(shuf -e 7001 7002 7003 7004); do
    case $port in 7003) authority=/tool/ca.pem ;; 7004) authority=/etc/ssl/certs/ca-certificates.crt ;; *) authority=- ;; esac
    echo "request $port $(run_gateway requests bench.example:$port 3000 $authority)" >>"$WORK/raw"
  done
done
median() { awk -v n="$1" -v w="$2" '$1 == n && $2 == w && NF == 3 {print $3}' "$WORK/raw" | sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (a && b) printf "%.2f", a / b; else printf "–"}'; }
printf '%s, %s CPUs, %s rounds\n\n| | keep-alive, a byte | HTTP | HTTPS | new connection | CPU for a gigabyte |\n| --- | --- | --- | --- | --- | --- |\n' "$(uname -sr)" "$CPUS" "$ROUNDS"
for name in "${NAMES[@]}"; do
  printf '| %s |' "$name"
  for what in latency http tls connect cpu; do printf ' %s |' "$(ratio "$(median "$name" $what)" "$(median native $what)")"; done
  printf ' %s µs, %s µs, %s s a GB\n' "$(ratio "$(median "$name" latency)" 1000)" "$(ratio "$(median "$name" connect)" 1000)" "$(ratio "$(median "$name" cpu)" $((BYTES / 1000)))"
done
printf '\nA request read adds %s µs to one in the clear, %s µs to one by TLS.\n' \
  "$(ratio $(($(median request 7002) - $(median request 7001))) 1000)" "$(ratio $(($(median request 7004) - $(median request 7003))) 1000)"
printf '\nA launch with one network rule, and then with requests read, and with none:\n'
# On every CPU, as launches are, and with the certificates where the host has them.
taskset -pc 0-$LAST $$ >/dev/null; unset SSL_CERT_FILE SSL_CERT_DIR
launch() { echo "$WORK/msb-launch" "$WORK/$1.plan" --set "tool=$WORK" -- /bin/true; }
# shellcheck disable=SC2046
timeout 60 "$B" launch $((ROUNDS * 20)) $(launch none) + $(launch one)
timeout 60 "$B" launch $((ROUNDS * 20)) $(launch none) + $(launch p)
# The gateway takes two descriptors for each.
count=$((($(ulimit -Hn) - 600) / 2)); [ $count -le 10000 ] || count=10000
mkfifo "$WORK/wait"
timeout -k 1 60 "${GATEWAY[@]}" idle $SERVER $count <"$WORK/wait" >"$WORK/open" & exec 9>"$WORK/wait"
for _ in $(seq 100); do [ ! -s "$WORK/open" ] || break; sleep 0.2; kill -0 $! || exit 1; done
for comm in /proc/[0-9]*/comm; do
  if grep -qx msb-gateway "$comm"; then printf '\n%s connections open: the gateway has %s resident\n' "$(cat "$WORK/open")" "$(awk '/VmRSS/ {print $2, $3}' "${comm%comm}status")"; fi
done
exec 9>&-
