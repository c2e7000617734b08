#!/bin/bash
# mkinitrd.sh KERNEL: build kernels/KERNEL/initrd.cpio: busybox, the modules a sandbox may want, and an
# init that loads some, mounts /dev/vda as root, puts the modules there, and switches to vm.init=.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"; K=$WORK/kernels/$1; V=$(<"$K/version"); T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
mkdir -p "$T"/{bin,proc,dev,new,lib/modules/$V}; cp /bin/busybox "$T/bin/"; ln -s busybox "$T/bin/sh"
cd "$K"
mods="virtio_pci virtio_mmio virtio_blk virtio_console virtio_rng ext4 overlay fuse squashfs erofs loop tun veth bridge dummy macvlan ipvlan
  af_packet unix_diag inet_diag $(cd lib/modules/$V/kernel/net && ls {.,ipv4,ipv6}/netfilter/*.ko | xargs -n1 basename -s .ko)"
for m in $mods; do modprobe -d "$K" -S "$V" --show-depends "$m" 2>/dev/null || true; done |
  awk '$1=="insmod"{print $2}' | sort -u | while read -r f; do f=lib/modules/${f#*/lib/modules/}; install -D -m644 "$f" "$T/$f"; done
cp lib/modules/$V/modules.{order,builtin,builtin.modinfo} "$T/lib/modules/$V/" 2>/dev/null || true; depmod -b "$T" "$V" 2>/dev/null
cat > "$T/init" <<'I'
#!/bin/busybox sh
export PATH=/bin; /bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t devtmpfs dev /dev
INIT=/usr/lib/vmrun/init; MODS="overlay fuse tun veth bridge nf_tables nft_ct nft_chain_nat nft_masq nft_nat nft_reject_inet nft_limit nft_log nft_counter nf_log_syslog"
for a in $(cat /proc/cmdline); do case $a in vm.init=*) INIT=${a#*=};; vm.mods=none) MODS=;; esac; done
for m in virtio_pci virtio_blk virtio_console ext4 $MODS; do modprobe -q $m; done
i=0; while [ ! -b /dev/vda ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i+1)); done
mount -t ext4 -o noatime /dev/vda /new
mkdir -p /new/usr/lib/modules; mount -t tmpfs -o mode=755 tmpfs /new/usr/lib/modules && cp -a /lib/modules/. /new/usr/lib/modules/
mount --move /dev /new/dev; mount --move /proc /new/proc
exec switch_root /new $INIT
I
chmod +x "$T/init"; mkdir -p "$T/dev"
(cd "$T" && find . | cpio -o -H newc --quiet -R 0:0) > "$K/initrd.tmp"; mv "$K/initrd.tmp" "$K/initrd.cpio"
