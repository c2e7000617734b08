#!/bin/bash
# vmrun.sh [options] -- CMD...   Boot a Debian kernel in qemu, run CMD there, print its stdout and stderr, and
# exit with its status (124: timed out, 125: the guest died; its console is in $WORK/log/).
#   --kernel K       5.10, 6.1 (default), 6.12, new: whatever setup.sh fetched
#   --user U         run as U in a delegated cgroup (tester exists, uid 1001); default root
#   --init I         mini (default: mounts + cgroups, fast) or systemd (real init; --user goes through
#                    systemd-run --user --scope -p Delegate=yes)
#   --no-scope       with --init systemd: run as the user without a scope, in a cgroup that is root's, as after a login
#   --cgroup C       v2 (default) or hybrid: v1 mounts like the dev machine's; with --init mini
#   --share SRC:DST  copy the folder SRC to the folder DST in the guest (repeatable; in only)
#   --pre CMD        shell text to run as root first (sysctl, modprobe, ...)
#   --no-mods        don't load overlay, nf_tables, veth, tun, ... (autoloading still works)
#   --append ARGS    kernel parameters    --mem M (1024)   --smp N (2)   --timeout S (300)   --accel tcg|kvm   -v
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
K=6.1 U=root I=mini CG=v2 PRE= APPEND= MEM=1024 SMP=2 TMO=300 ACCEL=tcg V=0 MODS= SCOPE=yes; SHARE=()
while [ $# -gt 0 ]; do case $1 in
  --kernel) K=$2; shift;; --user) U=$2; shift;; --init) I=$2; shift;; --cgroup) CG=$2; shift;; --share) SHARE+=("$2"); shift;;
  --pre) PRE=$2; shift;; --append) APPEND=$2; shift;; --mem) MEM=$2; shift;; --smp) SMP=$2; shift;; --timeout) TMO=$2; shift;;
  --accel) ACCEL=$2; shift;; --no-mods) MODS=vm.mods=none;; --no-scope) SCOPE=no;; -v) V=1;; --) shift; break;; *) sed -n '2,16s/^# \?//p' "$0" >&2; exit 2;; esac; shift; done
case $I in mini) INIT=/usr/lib/vmrun/init;; systemd) INIT=/sbin/init;; *) INIT=$I;; esac
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT; mkdir -p "$WORK/log" "$T/run/vmrun"; CON=$WORK/log/console-$K-$I-$$.log
echo "$U" > "$T/run/vmrun/user"; echo "$V" > "$T/run/vmrun/verbose"; echo "$PRE" > "$T/run/vmrun/pre"; echo "$SCOPE" > "$T/run/vmrun/scope"
if [ $# -eq 1 ]; then echo "$1"; else printf '%q ' "$@"; fi > "$T/run/vmrun/cmd"     # one word: shell text
tar -cf "$T/job.tar" --owner=0 --group=0 -C "$T" run/vmrun
for s in "${SHARE[@]}"; do
  d=${s#*:}; [ -d "${s%%:*}" ] && [ "$d" != "$s" ] && [ "${d#/}" != "$d" ] || { echo "vmrun: --share $s is not SRC:/DST" >&2; exit 2; }
  tar -rf "$T/job.tar" --owner=0 --group=0 -C "${s%%:*}" --transform "s,^\.,${d#/}," .
done
truncate -s %1M "$T/job.tar"
CPU=max; [ "$ACCEL" = tcg ] && CPU=max,-la57 && ACCEL=tcg,thread=multi,tb-size=256
exec 4> >(exec cat); c1=$!; exec 3> >(exec cat 4>&- >&2); c2=$!    # qemu reopens and truncates the path: give it pipes
rc=0
timeout -k 5 "$TMO" qemu-system-x86_64 -accel $ACCEL -cpu $CPU -M q35,hpet=off -smp "$SMP" -m "$MEM" -nodefaults -display none -no-reboot -no-user-config \
  -kernel "$WORK/kernels/$K/vmlinux" -initrd "$WORK/kernels/$K/initrd.cpio" \
  -append "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr no_timer_check tsc=reliable random.trust_cpu=on cryptomgr.notests net.ifnames=0 audit=0 vm.init=$INIT vm.cgroup=$CG $MODS $APPEND" \
  -drive file="$WORK/images/root.ext4",format=raw,if=virtio,snapshot=on,cache=unsafe -drive file="$T/job.tar",format=raw,if=virtio,readonly=on \
  -device virtio-serial-pci -chardev file,id=o,path=/dev/fd/4 -device virtserialport,nr=1,chardev=o,name=out \
  -chardev file,id=e,path=/dev/fd/3 -device virtserialport,nr=2,chardev=e,name=err \
  -chardev file,id=r,path="$T/rc" -device virtserialport,nr=3,chardev=r,name=rc \
  -serial file:"$CON" </dev/null || rc=$?
exec 3>&- 4>&-; wait $c1 $c2 || true
got=$(cat "$T/rc" 2>/dev/null || true)
if [ -n "$got" ]; then [ "$V" = 1 ] || rm -f "$CON"; exit "$got"; fi
echo "vmrun: no exit status from the guest (qemu $rc); console: $CON" >&2; tail -15 "$CON" >&2
[ "$rc" = 124 ] && exit 124; exit 125
